#!/usr/bin/env python3
"""Measure streams and subscriptions.

usage: streams.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

A subscription against a plain queue with the same messages, against copies by topics and
against PgQ.  The CPU time is that of the one backend that does it all.
"""

import os
import statistics
import threading
import time

from engine import Pin, is_waiting, percentile
from harness import (BODY, RUNS, SOCKET, autovacuum, cell, heading, median_ratio, number, pgbench,
                     prepare, run_parts, show, sql, steady, verdict)
from peers import Missing, PgQ
from session import Session

PARTS = os.environ.get("PARTS", "send cycle fanout consumers pinned wake replay").split()
SYNC = os.environ.get("SYNC", "off").split()[0]
PINNED_SECONDS = int(os.environ.get("PINNED_SECONDS", "40"))
WAKES = int(os.environ.get("WAKES", "200"))
REPLAY = int(os.environ.get("REPLAY", "200000"))
MESSAGES = {1: 5000, 10: 20000, 100: 40000, 1000: 40000}
PGQ_BATCH = 5000


def call(procedure, *args, database="bench"):
    """(microseconds of CPU, bytes of WAL) a message."""
    values = ", ".join([f"'{a}'" if isinstance(a, str) else str(a) for a in args] + ["NULL", "NULL"])
    return tuple(float(v) for v in sql(f"CALL {procedure}({values})", database=database,
                                       options=f"-c synchronous_commit={SYNC}").split("|"))


def fill(queue, count):
    for left in range(count, 0, -10000):
        sql(f"SELECT count(*) FROM pgmq.send_batch('{queue}', array_fill('{BODY}'::jsonb, ARRAY[{min(left, 10000)}]))")


def make(*subscriptions):
    """A plain queue, and a stream with so many subscriptions."""
    for queue in sql("SELECT queue_name FROM pgmq.list_queues() WHERE queue_name ~ '^s_' ORDER BY queue_name = 's_log'").split():
        sql(f"SELECT pgmq.drop_queue('{queue}')")
    sql("SELECT pgmq.create('s_plain'), pgmq.create_stream('s_log')")
    for name in subscriptions:
        sql(f"SELECT pgmq.create_subscription('{name}', 's_log')")


def vacuum():
    sql("VACUUM (ANALYZE) pgmq.q_s_plain, pgmq.q_s_log")


def send():
    heading(f"send: CPU microseconds and bytes of WAL a message, {RUNS} runs")
    widths = (28, 8, 8, 8, 8, 8)
    show(("", "us", "WAL", "ratio", "target", "verdict"), widths)
    make()
    plain, cells = [], []
    for turn in range(RUNS):
        plain.append(call("bench_send", "s_plain", 20000))
    show(("plain queue", number(statistics.median(c for c, _ in plain)), f"{plain[0][1]:.0f}", "", "", ""), widths)
    had = 0
    for count in 0, 10, 100:
        for i in range(had, count):
            sql(f"SELECT pgmq.create_subscription('s_sub{i}', 's_log')")
        had = count
        runs, ratios = [], []
        for turn in range(RUNS):
            base = call("bench_send", "s_plain", 20000)
            runs.append(call("bench_send", "s_log", 20000))
            ratios.append(runs[-1][0] / base[0])
        ratio = statistics.median(ratios)
        met = abs(ratio - 1) <= 0.02
        cells.append(cell("send", f"{count} subscriptions", {"stream": runs, "plain": plain}, met, ratio=ratio))
        show((f"stream, {count} subscriptions", number(statistics.median(c for c, _ in runs)), f"{runs[0][1]:.0f}",
              number(ratio), "1 +- 0.02", verdict(met)), widths)
    return cells


def pgq_cycle():
    """PgQ's by batches of what came between two ticks; None if it is not installed."""
    try:
        pgq = PgQ()
    except Missing:
        return None
    pgq.sql("""CREATE FUNCTION bench_cpu() RETURNS float8 LANGUAGE sql AS $$
        SELECT (f[14]::bigint + f[15]::bigint) * 10000.0 FROM string_to_array(pg_read_file('/proc/self/stat'), ' ') f $$;
        CREATE PROCEDURE bench_cycle(n int, INOUT cpu float8, INOUT wal float8) LANGUAGE plpgsql AS $$
        DECLARE
            cpu0 float8 := bench_cpu();
            wal0 pg_lsn := pg_current_wal_insert_lsn();
            batch bigint;
            got int := 0;
        BEGIN
            WHILE got < n LOOP
                batch := pgq.next_batch('bench', 'bench');
                COMMIT;
                CONTINUE WHEN batch IS NULL;
                got := got + count(*) FROM pgq.get_batch_events(batch);
                PERFORM pgq.finish_batch(batch);
                COMMIT;
            END LOOP;
            cpu := (bench_cpu() - cpu0) / got;
            wal := (pg_current_wal_insert_lsn() - wal0) / got;
        END $$""")
    runs = []
    for turn in range(RUNS):
        pgq.empty()
        pgq.fill(10 * PGQ_BATCH)
        runs.append(call("bench_cycle", 10 * PGQ_BATCH, database=pgq.database))
    pgq.session.close()
    sql("DROP DATABASE bench_pgq WITH (FORCE)", database="postgres")
    return runs


def cycle():
    heading(f"read + acknowledge: CPU microseconds and bytes of WAL a message, {RUNS} runs")
    widths = (12, 9, 9, 9, 9, 7, 8, 8, 9, 8, 8)
    show(("messages", "plain us", "WAL", "sub. us", "WAL", "ratio", "target", "verdict", "WAL ratio", "target", "verdict"), widths)
    cells = []
    for qty, target, wal_target in (1, 0.7, 0.75), (10, 0.9, None), (100, 1.5, 0.1), (1000, 2, None):
        plain, ours = [], []
        for turn in range(RUNS):
            make("s_sub0")
            fill("s_plain", MESSAGES[qty])
            fill("s_log", MESSAGES[qty])
            vacuum()
            for queue, results in sorted((("s_plain", plain), ("s_sub0", ours)), reverse=turn % 2):
                results.append(call("bench_cycle", queue, qty, MESSAGES[qty]))
        ratio = median_ratio([c for c, _ in plain], [c for c, _ in ours])
        wal = median_ratio([w for _, w in ours], [w for _, w in plain])
        met = ratio >= target
        wal_met = None if wal_target is None else wal <= wal_target
        cells.append(cell("read + acknowledge", f"by {qty}", {"plain": plain, "subscription": ours},
                          met and wal_met is not False, ratio=ratio, wal_ratio=wal))
        middle = [statistics.median(run[i] for run in runs) for runs in (plain, ours) for i in (0, 1)]
        show((f"by {qty}", *(number(v, "{:.1f}") for v in middle), number(ratio), f">= {target}", verdict(met), number(wal),
              f"<= {wal_target}" if wal_target else "", "" if wal_met is None else verdict(wal_met)), widths)
    pgq = pgq_cycle()
    if pgq:
        cells.append(cell("read + acknowledge", f"PgQ, batches of {PGQ_BATCH}", {"PgQ": pgq}, None))
        show(("PgQ", "", "", number(statistics.median(c for c, _ in pgq), "{:.1f}"), number(statistics.median(w for _, w in pgq), "{:.1f}"),
              "", "", "", "", "", ""), widths)
        print(f"PgQ: one consumer, batches of {PGQ_BATCH} events, between two ticks")
    else:
        print("PgQ is not installed")
    return cells


def fanout():
    heading("Fan-out by patterns: send_topic, and read + acknowledge by 100 of all copies, a message")
    widths = (14, 10, 10, 12, 12, 10, 10)
    show(("consumers", "topics us", "WAL", "consumed us", "stream us", "WAL", "consumed us"), widths)
    cells = []
    for count in 1, 10, 100:
        n = 2000 if count < 100 else 200
        make()
        for i in range(count):
            sql(f"SELECT pgmq.create('s_copy{i}'), pgmq.bind_topic('orders.#', 's_copy{i}')")
        copies = call("bench_send_topic", n)
        spent = sum(call("bench_cycle", f"s_copy{i}", 100, n)[0] for i in range(count))
        make()
        sql("SELECT pgmq.bind_topic('orders.#', 's_log')")
        for i in range(count):
            sql(f"SELECT pgmq.create_subscription('s_sub{i}', 's_log', 'latest', '{{\"pattern\": \"orders.eu.*\"}}')")
        stream = call("bench_send_topic", n)
        ours = sum(call("bench_cycle", f"s_sub{i}", 100, n)[0] for i in range(count))
        cells.append(cell("fan-out", f"{count} consumers", {"topics": [copies], "stream": [stream]}, None, consumed={"topics": spent, "stream": ours}))
        show((count, number(copies[0], "{:.0f}"), number(copies[1], "{:.0f}"), number(spent, "{:.0f}"),
              number(stream[0], "{:.0f}"), number(stream[1], "{:.0f}"), number(ours, "{:.0f}")), widths)
    make()
    return cells


CONSUME = ("\\set id 0\n"
           "SELECT msg_id AS id FROM pgmq.read('QUEUE', 30, 1) \\aset\n"
           "SELECT pgmq.delete('QUEUE', :id::bigint);\n")


def consumers():
    heading("Consumers of one subscription, by 1, synchronous_commit on: messages a second")
    widths = (16, 10, 10, 8, 8, 8)
    show(("", "1", "16", "ratio", "target", "verdict"), widths)
    cells = []
    make("s_sub0")
    for queue, target in ("s_plain", None), ("s_sub0", 2):
        rates = {1: [], 16: []}
        for turn in range(RUNS):
            for clients in rates:
                sql("SELECT pgmq.purge_queue('s_plain'), pgmq.seek('s_sub0', 'latest', '{\"force\": true}')")
                fill("s_plain" if queue == "s_plain" else "s_log", 60000)
                vacuum()
                rates[clients].append(steady(CONSUME.replace("QUEUE", queue), "on", clients, seconds=4)[0])
        ratio = median_ratio(rates[16], rates[1])
        met = None if target is None else ratio >= target
        cells.append(cell("consumers", queue, rates, met, ratio=ratio))
        show(("plain queue" if target is None else "subscription", *(f"{statistics.median(r):.0f}" for r in rates.values()),
              number(ratio), f">= {target}" if target else "", "" if met is None else verdict(met)), widths)
    return cells


def pinned():
    heading(f"send + read + acknowledge a second beside a pinned snapshot, 4 clients, {PINNED_SECONDS} s")
    widths = (16, 8, 8, 8, 8, 8)
    show(("", "first", "last", "ratio", "target", "verdict"), widths)
    cells = []
    autovacuum("on")
    window = max(1, PINNED_SECONDS // 5)
    for queue, to in ("s_plain", "s_plain"), ("s_sub0", "s_log"):
        make("s_sub0")
        fill(to, 1000)
        pin = Pin("reader")
        intervals = []
        pgbench(f"SELECT * FROM pgmq.send('{to}', :msg);\n" + CONSUME.replace("QUEUE", queue), SYNC, clients=4,
                seconds=PINNED_SECONDS, values=[("msg", BODY)], progress=(1, intervals))
        pin.close()
        rates = [rate for _, rate in intervals]
        first, last = statistics.mean(rates[:window]), statistics.mean(rates[-window:])
        met = None if queue == "s_plain" else last / first >= 0.9
        cells.append(cell("pinned snapshot", queue, {"rates": [rates]}, met, ratio=last / first))
        show(("plain queue" if met is None else "subscription", f"{first:.0f}", f"{last:.0f}", number(last / first),
              "" if met is None else ">= 0.9", "" if met is None else verdict(met)), widths)
    autovacuum("off")
    return cells


def wake():
    heading(f"Waiting: milliseconds from COMMIT being sent to the row at the last of 10 subscriptions, {WAKES} times")
    widths = (16, 9, 9, 9, 22, 8)
    show(("", "p50", "p99", "highest", "target", "verdict"), widths)
    names = [f"s_sub{i}" for i in range(10)]
    make(*names)
    got = {}
    # nobody acknowledges before all have it: that is no part of the delivery
    delivered = threading.Barrier(len(names) + 1)
    sessions = {name: Session(SOCKET, f"-c synchronous_commit={SYNC}") for name in names}

    def reader(name):
        for _ in range(WAKES):
            rows = []
            while not rows:
                rows = sessions[name].query(f"SELECT msg_id FROM pgmq.read_with_poll('{name}', 60, 1, 30, 100)")
            got.setdefault(int(rows[0][0]), {})[name] = time.time()
            delivered.wait()
            sessions[name].query(f"SELECT pgmq.delete('{name}', {rows[0][0]}::bigint)")

    threads = [threading.Thread(target=reader, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    sender = Session(SOCKET, f"-c synchronous_commit={SYNC}")
    values = []
    for _ in range(WAKES):
        while not all(is_waiting(sender, session) for session in sessions.values()):
            time.sleep(0.001)
        sender.query("BEGIN")
        (msg_id,), = sender.query(f"SELECT * FROM pgmq.send('s_log', '{BODY}')")
        begun = time.time()
        sender.query("COMMIT")
        delivered.wait()
        values.append(1000 * (max(got[int(msg_id)].values()) - begun))
    for thread in threads:
        thread.join()
    p50, p99 = percentile(values, 50), percentile(values, 99)
    met = p50 <= 1 and p99 <= 10
    show(("last of 10", f"{p50:.2f}", f"{p99:.2f}", f"{max(values):.2f}", "p50 <= 1, p99 <= 10", verdict(met)), widths)
    return [cell("waiting", "last of 10", {"milliseconds": values}, met, p50=p50, p99=p99)]


def replay():
    heading(f"Replay of {REPLAY:,} messages by one consumer, batches of 1000: thousand messages a second")
    widths = (34, 10, 10, 18, 8)
    show(("", "a second", "ratio", "target", "verdict"), widths)
    make()
    fill("s_log", REPLAY)
    vacuum()
    rates = {"bare SELECT": [], "read + delete": []}
    for turn in range(RUNS):
        begun = time.monotonic()
        call("bench_select", "s_log", 1000)
        rates["bare SELECT"].append(REPLAY / (time.monotonic() - begun) / 1000)
        sql("SELECT pgmq.create_subscription('s_again', 's_log', 'earliest')")
        begun = time.monotonic()
        call("bench_cycle", "s_again", 1000, REPLAY)
        rates["read + delete"].append(REPLAY / (time.monotonic() - begun) / 1000)
        sql("SELECT pgmq.drop_queue('s_again')")
    cells = []
    for name, runs in rates.items():
        ratio = median_ratio(runs, rates["bare SELECT"])
        met = None if name == "bare SELECT" else statistics.median(runs) >= 300 or ratio >= 0.8
        cells.append(cell("replay", name, runs, met, ratio=ratio))
        show((name, f"{statistics.median(runs):.0f}", number(ratio), "" if met is None else ">= 300 or 0.8",
              "" if met is None else verdict(met)), widths)
    return cells


def main():
    if not PARTS:
        return
    report = prepare()
    report.update(synchronous_commit=SYNC)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "streams.sql")) as file:
        sql(file.read())
    print(f"synchronous_commit {SYNC}, but where it is said")
    parts = {"send": send, "cycle": cycle, "fanout": fanout, "consumers": consumers, "pinned": pinned, "wake": wake, "replay": replay}
    run_parts(report, parts, PARTS, "-streams", "streams_")


if __name__ == "__main__":
    main()
