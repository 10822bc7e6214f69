#!/usr/bin/env python3
"""Measure what hurts queues: delayed, leased and dead messages, waiting, many consumers.

usage: engine.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

Each cell runs pgmq_c going by its due map, pgmq_c with pgmq_c.due_map = off, the
bare statements and PL/pgSQL on PGMQ's layout (peer.sql), where they apply.  The
due map's side runs RUNS times, the others, which are there for scale, OTHER_RUNS
times.  A target that is a ratio compares runs of one turn.
"""

import json
import os
import random
import statistics
import sys
import threading
import time

os.environ.setdefault("RUNS", "3")

from harness import (BACKLOG, BARE_READ, BODY, CLIENTS, CYCLES, RUNS, SECONDS, SOCKET, Script,
                     autovacuum, cell, fill, for_queue, heading, median_ratio, number, pgbench,
                     prepare, ratio_of, refill, run_parts, setting, show, sql, steady, verdict)
from session import Session


ALL_PARTS = "reads plain pinned drain empty wake consumers grouped wal copy many max_plans"
PARTS = [part for part in os.environ.get("PARTS", ALL_PARTS).split() if part in ALL_PARTS.split()]
SYNC = os.environ.get("SYNC", "off").split()[0]
OTHER_RUNS = setting("OTHER_RUNS", 1)
PINNED_SECONDS = setting("PINNED_SECONDS", 30)
PINS = os.environ.get("PINS", "reader writer slot").split()
DELAYED = setting("DELAYED", 1000000)
DRAIN = setting("DRAIN", 200000)
WAKES = setting("WAKES", 100)
GROUP_MESSAGES = setting("GROUP_MESSAGES", 1000000)
GROUPS = [int(n) for n in os.environ.get("GROUPS_OF", "1000 100000").split()]
COPY_ROWS = setting("COPY_ROWS", 2000000)
QUEUES = setting("QUEUES", 1000)
ROUNDS = [int(n) for n in os.environ.get("ROUNDS", "300 1000").split()]

# side -> (schema of its table, session's settings)
SIDES = {
    "pgmq_c": ("pgmq", ""),
    "map off": ("pgmq", "-c pgmq_c.due_map=off"),
    "bare": ("pgmq", ""),
    "plpgsql": ("peer", ""),
}
NAMES = list(SIDES)
COLUMNS_OF_SIDES = (9,) * len(SIDES)


def rate_and_cpu(side, script, queue, **how):
    """Runs a script written for the queue bench on another one.

    Transactions a second, and the server's CPU microseconds for one, or None.
    """
    return pgbench(for_queue(script, queue), SYNC, best_plan=side == "bare", settings=SIDES[side][1],
                   values=[("msg", BODY)], **how)[1:]


def on_side(side, script, queue, **how):
    return rate_and_cpu(side, script, queue, **how)[0]


def turns(measure, sides=NAMES):
    """Calls measure(side) for all sides in turn; side -> list of results."""
    results = {side: [] for side in sides}
    for turn in range(max(RUNS, OTHER_RUNS)):
        for side in sorted(sides, reverse=turn % 2 == 1):
            if turn < (RUNS if side == sides[0] else OTHER_RUNS):
                results[side].append(measure(side))
    return results


def medians(results, form="{:.0f}"):
    """A column for each side, empty for one that did not run."""
    return [form.format(statistics.median(results[s])) if results.get(s) else "" for s in NAMES]


def create(queue, schemas=("pgmq", "peer")):
    if "pgmq" in schemas:
        sql(f"SELECT pgmq.create('{queue}')")
    if "peer" in schemas:
        sql(f"SELECT peer.create_queue('{queue}')")


# ---------------------------------------------------------------------------
# read(1), whatever lies before it
# ---------------------------------------------------------------------------

READS = {
    "pgmq_c": "SELECT * FROM pgmq.read('bench', 0, 1);",
    "map off": "SELECT * FROM pgmq.read('bench', 0, 1);",
    "bare": BARE_READ.replace(":qty", "1").replace(":vt", "0"),
    "plpgsql": "SELECT * FROM peer.read('bench', 0, 1);",
}


def lay(kind, schema, queue):
    """Lays what the cell is named after into a queue, before 1,000 readable messages."""
    table = f"{schema}.q_{queue}"
    later = "now() + interval '1 day'"
    if kind.startswith("delayed"):
        fill(table, int(kind.split()[1]), later)
    elif kind.startswith("leased"):
        count = int(kind.split()[1])
        fill(table, count)
        sql(f"SELECT count(*) FROM {schema}.read('{queue}', 86400, {count})")
    elif kind == "straggler":
        fill(table, 1, later)
        sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'msg_id'), 1000000000)")
    elif kind == "id 9e18":
        sql(f"INSERT INTO {table} (msg_id, vt, message) OVERRIDING SYSTEM VALUE"
            f" VALUES (9000000000000000000, {later}, '{BODY}')")
    fill(table, BACKLOG)
    sql(f"VACUUM (ANALYZE) {table}")


def reads():
    kinds = {"nothing": "nothing", f"delayed {DELAYED // 10}": f"{DELAYED // 10:,} delayed",
             f"delayed {DELAYED}": f"{DELAYED:,} delayed",
             f"leased {DELAYED // 10}": f"{DELAYED // 10:,} leased for a day",
             "straggler": "one delayed, a billion ids before",
             "id 9e18": "one delayed, of id 9e18"}
    queues = {kind: f"reads_{i}" for i, kind in enumerate(kinds)}
    for kind, queue in queues.items():
        create(queue)
        lay(kind, "pgmq", queue)
        lay(kind, "peer", queue)

    cells = []
    for clients in (1, CLIENTS):
        heading(f"read(1) behind .., {clients} client{'s' * (clients > 1)}: milliseconds a call")
        widths = (36, *COLUMNS_OF_SIDES, 7, 9, 7, 7, 7)
        show(("", *NAMES, "first", "/ nothing", "(CPU)", "target", "verdict"), widths)
        first = {}
        if clients == 1:
            for kind, queue in queues.items():
                session = Session(SOCKET)
                for text in ("SELECT pgmq.send('bench', '1')", "SELECT * FROM pgmq.pop('bench')"):
                    session.query(text)
                took = []
                for _ in range(2):      # one may cast the net, and learn nothing for the map
                    begun = time.monotonic()
                    session.query(READS["pgmq_c"].replace("bench", queue))
                    took.append(1000 * (time.monotonic() - begun))
                first[kind] = max(took)
                session.close()
        sides = NAMES if clients == 1 else ["pgmq_c", "plpgsql"]
        times = {kind: {side: [] for side in sides} for kind in kinds}
        cpus = {kind: {side: [] for side in sides} for kind in kinds}
        for turn in range(max(RUNS, OTHER_RUNS)):
            for kind, queue in queues.items():
                for side in sides:
                    if turn < (RUNS if side == "pgmq_c" else OTHER_RUNS):
                        tps, cpu = rate_and_cpu(side, READS[side], queue, clients=clients,
                                                seconds=SECONDS)
                        times[kind][side].append(1000 * clients / tps)
                        cpus[kind][side].append(cpu)
        for kind, name in kinds.items():
            ratio, cpu_ratio = (median_ratio(what[kind]["pgmq_c"], what["nothing"]["pgmq_c"])
                                for what in (times, cpus))
            met = None if kind == "nothing" else ratio <= 1.5
            cells.append(cell("read(1)", f"{name}, {clients} clients", times[kind], met,
                              ratio=ratio, cpu_usec=cpus[kind], cpu_ratio=cpu_ratio,
                              first=first.get(kind)))
            show((name, *medians(times[kind], "{:.3f}"),
                  number(first.get(kind), "{:.1f}"), f"{ratio:.2f}", number(cpu_ratio),
                  "" if met is None else "<= 1.5", "" if met is None else verdict(met)), widths)
    print("first: the slower of the first two calls, the queue unknown to the map;"
          " (CPU): the same ratio of the server's CPU time")
    for queue in queues.values():
        sql(f"SELECT pgmq.drop_queue('{queue}'); DROP TABLE peer.q_{queue}")
    return cells


# ---------------------------------------------------------------------------
# Beside a pinned snapshot
# ---------------------------------------------------------------------------

class Pin:
    """Holds the xmin horizon back until close().

    reader: a REPEATABLE READ transaction with a snapshot; writer: an idle
    transaction with an xid; slot: the slot of a standby with
    hot_standby_feedback that is gone.  (A logical slot's catalog_xmin holds
    only the system catalogs, never a queue.)
    """

    NAMES = {"reader": "a REPEATABLE READ reader", "writer": "an idle writer",
             "slot": "the slot of a lost standby"}

    def __init__(self, kind):
        self.kind = kind
        if kind == "slot":
            sql("SELECT pg_create_physical_replication_slot('pin', true)")
            standby = Session(SOCKET, replication=True)
            standby.feed_back("pin", sql("SELECT pg_current_wal_flush_lsn()"),
                              int(sql("SELECT pg_snapshot_xmin(pg_current_snapshot())")))
            while not sql("SELECT xmin FROM pg_replication_slots WHERE xmin IS NOT NULL"):
                time.sleep(0.01)
            standby.socket.close()
            return
        self.session = Session(SOCKET)
        self.session.query({
            "reader": "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
            "writer": "BEGIN; SELECT pg_current_xact_id()"}[kind])

    def close(self):
        if self.kind != "slot":
            self.session.close()
            return
        while sql("SELECT 1 FROM pg_replication_slots WHERE active"):
            time.sleep(0.01)
        sql("SELECT pg_drop_replication_slot('pin')")


def pinned():
    heading(f"send + read + delete a second beside a pinned snapshot, {CLIENTS} clients,"
            f" {PINNED_SECONDS} s")
    widths = (44, 8, 8, 8, 8, 8, 7, 8, 7)
    show(("", "first", "last", "dead", "MB", "lowest", "ratio", "target", "verdict"), widths)
    step = max(1, min(5, PINNED_SECONDS // 10))
    window = max(1, min(60, PINNED_SECONDS // 5) // step)       # intervals
    cells = []
    autovacuum("on")
    for pin, side in [(pin, "pgmq_c") for pin in PINS] + [(PINS[0], "plpgsql")] * (OTHER_RUNS > 0):
        table = f"{SIDES[side][0]}.q_bench"
        refill(table, BACKLOG)
        holder = Pin(pin)
        intervals, sizes, done = [], [], threading.Event()

        def measure():
            return [int(value) for value in sql(
                f"SELECT pg_stat_get_live_tuples('{table}'::regclass),"
                f" pg_stat_get_dead_tuples('{table}'::regclass),"
                f" pg_total_relation_size('{table}') >> 20").split("|")]

        def watch():
            while not done.wait(step):
                sizes.append(measure())

        watcher = threading.Thread(target=watch)
        watcher.start()
        on_side(side, CYCLES[side], "bench", clients=CLIENTS, seconds=PINNED_SECONDS,
                progress=(step, intervals))
        done.set()
        watcher.join()
        sql("SELECT pg_stat_force_next_flush()")
        _, dead, megabytes = measure()
        finds = sql("SELECT net_finds FROM pgmq.engine_status() WHERE queue_name = 'bench'")
        holder.close()
        rates = [rate for _, rate in intervals]
        first, last = statistics.mean(rates[:window]), statistics.mean(rates[-window:])
        ratio = last / first
        met = ratio >= 0.9 if side == "pgmq_c" else None
        cells.append(cell("pinned snapshot", f"{side}, {pin}", {side: rates}, met, pin=pin,
                          side=side, step=step, rates=rates, sizes=sizes, ratio=ratio,
                          dead=dead, megabytes=megabytes, net_finds=finds))
        show((f"{side}, held by {Pin.NAMES[pin]}", f"{first:.0f}", f"{last:.0f}", dead, megabytes,
              f"{min(rates):.0f}", f"{ratio:.2f}", ">= 0.9" if met is not None else "",
              verdict(met) if met is not None else ""), widths)
        sql(f"TRUNCATE {table} RESTART IDENTITY")
    autovacuum("off")
    print(f"first and last: means of {window * step} s; dead: rows that vacuum may not remove;"
          " MB: the table with its indexes, at the end")
    return cells


# ---------------------------------------------------------------------------
# What the due map costs where it has nothing to win
# ---------------------------------------------------------------------------

def plain():
    heading("The plain case: send + read + delete on an empty queue, nothing delayed:"
            " cycles a second")
    widths = (16, 9, 9, 9, 12, 12, 7, 12, 7)
    show(("", "pgmq_c", "map off", "bare", "no trigger", "/ map off", "(CPU)", "/ no trigger",
          "(CPU)"), widths)
    create("plain", ["pgmq"])
    create("silent", ["pgmq"])
    sql("ALTER TABLE pgmq.q_silent DISABLE TRIGGER ALL")
    SIDES["no trigger"] = ("pgmq", "")
    scripts = {"pgmq_c": CYCLES["pgmq_c"], "map off": CYCLES["pgmq_c"], "bare": CYCLES["bare"],
               "no trigger": CYCLES["bare"]}
    cells = []
    for clients in (1, CLIENTS):
        rates = {side: [] for side in scripts}
        cpus = {side: [] for side in scripts}
        for turn in range(RUNS):
            for side in sorted(scripts, reverse=turn % 2 == 1):
                queue = "silent" if side == "no trigger" else "plain"
                refill(f"pgmq.q_{queue}", clients - 1)      # so that each finds one
                best = "bare" if side == "no trigger" else side
                tps, cpu = rate_and_cpu(best, scripts[side], queue, clients=clients,
                                        seconds=SECONDS)
                rates[side].append(tps)
                cpus[side].append(cpu)
        to_off, to_bare = (median_ratio(rates["pgmq_c"], rates[side])
                           for side in ("map off", "no trigger"))
        cpu_off, cpu_bare = (median_ratio(cpus["pgmq_c"], cpus[side])
                             for side in ("map off", "no trigger"))
        cells.append(cell("plain", f"{clients} clients", rates, None, cpu_usec=cpus,
                          to_map_off=to_off, cpu_to_map_off=cpu_off, to_no_trigger=to_bare,
                          cpu_to_no_trigger=cpu_bare))
        show((f"{clients} client{'s' * (clients > 1)}",
              *(f"{statistics.median(rates[s]):.0f}" for s in scripts), f"{to_off:.2f}",
              number(cpu_off), f"{to_bare:.2f}", number(cpu_bare)), widths)
    del SIDES["no trigger"]
    print("bare: the statements by hand on the queue's table; no trigger: on one without pgmq_c's"
          " trigger, so announcing nothing; (CPU): of the server, more is worse")
    sql("SELECT pgmq.drop_queue('plain'); SELECT pgmq.drop_queue('silent')")
    return cells


# ---------------------------------------------------------------------------
# Draining a backlog
# ---------------------------------------------------------------------------

def drain():
    heading(f"Drain of {DRAIN:,} messages, read(100) + delete, {CLIENTS} clients: messages a second")
    widths = (16, *COLUMNS_OF_SIDES, 7, 8, 7)
    show(("", *NAMES, "ratio", "target", "verdict"), widths)
    batch = 100
    take = "SELECT coalesce(array_agg(msg_id), '{{}}')::text AS ids FROM {}.read('bench', 30, 100) \\gset\n"
    gone = "SELECT count(*) FROM {}.delete('bench', :ids::bigint[]);\n"
    scripts = {side: take.format(SIDES[side][0]) + gone.format(SIDES[side][0])
               for side in ("pgmq_c", "map off", "plpgsql")}
    bare = BARE_READ.replace(":qty", "100").replace(":vt", "30").rstrip(";")
    scripts["bare"] = (f"WITH got AS ({bare}) SELECT coalesce(array_agg(msg_id), '{{}}')::text AS ids FROM got \\gset\n"
                       "DELETE FROM pgmq.q_bench WHERE msg_id = ANY (:ids::bigint[]);\n")
    logs = f"{SOCKET}/drain"
    parts = {}

    def measure(side):
        table = f"{SIDES[side][0]}.q_bench"
        refill(table, DRAIN)
        on_side(side, scripts[side], "bench", clients=CLIENTS,
                count=DRAIN // batch // CLIENTS, more=["-l", f"--log-prefix={logs}"])
        spans = []
        for name in os.listdir(SOCKET):
            if name.startswith("drain."):
                with open(f"{SOCKET}/{name}") as log:
                    for line in log:
                        _, _, usec, _, at, at_usec = line.split()[:6]
                        end = int(at) + int(at_usec) / 1e6
                        spans.append((end, end - int(usec) / 1e6))
                os.remove(f"{SOCKET}/{name}")
        left = int(sql(f"SELECT count(*) FROM {table}"))
        if left > CLIENTS * batch:
            sys.exit(f"drain, {side}: {left} messages left")
        ends = sorted(end for end, _ in spans)
        begun = min(start for _, start in spans)
        tenth = len(ends) // 10
        rates = (DRAIN / (ends[-1] - begun), tenth * batch / (ends[tenth - 1] - begun),
                 tenth * batch / (ends[-1] - ends[-1 - tenth]))
        parts.setdefault(side, []).append(rates)
        return rates[0]

    turns(measure)
    cells = []
    for i, name in enumerate(("all", "first 10 %", "last 10 %")):
        results = {side: [rates[i] for rates in parts[side]] for side in parts}
        ratio = met = None
        if i == 2:
            ratio = statistics.median(rates[2] / rates[1] for rates in parts["pgmq_c"])
            met = ratio >= 0.9
        cells.append(cell("drain", name, results, met, ratio=ratio))
        show((name, *medians(results), "" if met is None else f"{ratio:.2f}",
              "" if met is None else ">= 0.9", "" if met is None else verdict(met)), widths)
    return cells


# ---------------------------------------------------------------------------
# Reads of an empty queue
# ---------------------------------------------------------------------------

def empty():
    heading("Reads of an empty queue: calls a second, 1 client")
    widths = (8, *COLUMNS_OF_SIDES, 11, 9, 13, 7, 7, 7)
    show(("", *NAMES, "same shape", "SELECT 1", "/ same shape", "(CPU)", "target", "verdict"),
         widths)
    sql("TRUNCATE pgmq.q_bench, peer.q_bench")
    scripts = dict(READS, **{"same shape": "SELECT * FROM generate_series(1, 1);",
                             "SELECT 1": "SELECT 1;"})
    SIDES.update({"same shape": ("", ""), "SELECT 1": ("", "")})
    rates = {side: [] for side in scripts}
    cpus = {side: [] for side in scripts}
    for turn in range(RUNS):
        for side in sorted(scripts, reverse=turn % 2 == 1):
            tps, cpu = rate_and_cpu(side, scripts[side], "bench", seconds=SECONDS)
            rates[side].append(tps)
            cpus[side].append(cpu)
    ratio = median_ratio(rates["pgmq_c"], rates["same shape"])
    cpu_ratio = median_ratio(cpus["same shape"], cpus["pgmq_c"])
    show(("read(1)", *medians(rates), *(f"{statistics.median(rates[s]):.0f}"
                                        for s in ("same shape", "SELECT 1")),
          f"{ratio:.2f}", number(cpu_ratio), ">= 0.8", verdict(ratio >= 0.8)), widths)
    print("same shape: SELECT * FROM generate_series(1, 1), the server's own function in C that"
          " returns a set")
    return [cell("empty read", "read(1)", rates, ratio >= 0.8, ratio=ratio, cpu_usec=cpus,
                 cpu_ratio=cpu_ratio)]


# ---------------------------------------------------------------------------
# Waiting
# ---------------------------------------------------------------------------

def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


class Reader(threading.Thread):
    """A session that waits for messages, one after the other, until there were enough."""

    def __init__(self, schema, how, count):
        super().__init__()
        self.schema, self.how, self.count = schema, how, count
        self.session = Session(SOCKET, f"-c synchronous_commit={SYNC}")
        self.got = {}           # msg_id -> when its row was here

    def run(self):
        while len(self.got) < self.count:
            if self.how == "wait":
                self.session.query("CALL pgmq.wait('wake', 30)")
                rows = self.session.query("SELECT msg_id FROM pgmq.read('wake', 60, 1)")
            else:
                rows = self.session.query(
                    f"SELECT msg_id FROM {self.schema}.read_with_poll('wake', 60, 1, 30, 100)")
            now = time.time()
            for (msg_id,) in rows:
                self.got[int(msg_id)] = now
                self.session.query(f"SELECT {self.schema}.delete('wake', {msg_id}::bigint)")


def is_waiting(session, reader):
    return session.query(
        f"SELECT FROM pg_stat_activity WHERE pid = {reader.pid} AND state = 'active'"
        " AND (wait_event_type = 'Extension' OR wait_event = 'PgSleep')") != []


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake():
    heading("Waiting: milliseconds from COMMIT being sent to the row at the reader,"
            f" {WAKES} times")
    widths = (36, 9, 9, 9, 20, 7)
    show(("", "p50", "p99", "highest", "target", "verdict"), widths)
    create("wake")
    cells = []
    sender = Session(SOCKET, f"-c synchronous_commit={SYNC}")

    def line(name, values, p50, p99):
        values = [1000 * v for v in values]
        a, b = percentile(values, 50), percentile(values, 99)
        met = None if p99 is None else (p50 is None or a < p50) and b < p99
        cells.append(cell("waiting", name, {"milliseconds": values}, met, p50=a, p99=b))
        show((name, f"{a:.2f}", f"{b:.2f}", f"{max(values):.2f}",
              "" if met is None else (f"p50 < {p50}, " if p50 else "") + f"p99 < {p99}",
              "" if met is None else verdict(met)), widths)

    for name, schema, how in (("read_with_poll", "pgmq", "poll"),
                              ("CALL pgmq.wait, then read", "pgmq", "wait"),
                              ("plpgsql, polling every 100 ms", "peer", "poll")):
        count = WAKES if schema == "pgmq" else max(10, WAKES // 4)
        reader = Reader(schema, how, count)
        reader.start()
        sent = {}
        for _ in range(count):
            while not is_waiting(sender, reader.session):
                time.sleep(0.001)
            # not in step with what polls
            time.sleep(random.random() * (0.005 if schema == "pgmq" else 0.1))
            sender.query("BEGIN")
            (msg_id,), = sender.query(f"SELECT * FROM {schema}.send('wake', '{BODY}')")
            begun = time.time()
            sender.query("COMMIT")
            sent[int(msg_id)] = begun
            while int(msg_id) not in reader.got and reader.is_alive():
                time.sleep(0.0005)
        reader.join()
        line(name, [reader.got[i] - begun for i, begun in sent.items()],
             *((1, 5) if schema == "pgmq" else (None, None)))

    for how in ("poll", "wait"):
        reader = Reader("pgmq", how, WAKES)
        reader.start()
        while not is_waiting(sender, reader.session):
            time.sleep(0.001)
        due = {int(i): float(at) for i, at in sender.query(
            "SELECT s.id, extract(epoch FROM t.at) FROM (SELECT clock_timestamp()"
            " + interval '200 ms' + random() * interval '2 s' AS at"
            f" FROM generate_series(1, {WAKES}) OFFSET 0) AS t,"
            f" LATERAL (SELECT pgmq.send('wake', '{BODY}', t.at) AS id) AS s")}
        reader.join()
        line(f"lateness of delayed, {'read_with_poll' if how == 'poll' else 'CALL pgmq.wait'}",
             [reader.got[i] - at for i, at in due.items()], None, 10)

    for how in ("poll", "wait"):
        reader = Reader("pgmq", how, 1)
        reader.start()
        while not is_waiting(sender, reader.session):
            time.sleep(0.001)
        try:
            before = cpu_seconds(reader.session.pid)
            time.sleep(2)
            used = cpu_seconds(reader.session.pid) - before
        except OSError:
            used = None
        (xmin,), = sender.query("SELECT backend_xmin FROM pg_stat_activity"
                                f" WHERE pid = {reader.session.pid}")
        sender.query(f"SELECT pgmq.send('wake', '{BODY}')")
        reader.join()
        name = "read_with_poll" if how == "poll" else "CALL pgmq.wait"
        met = (used is None or used < 0.02) and (how == "poll" or xmin is None)
        cells.append(cell("waiting", f"idle, {name}", {"cpu": [used]}, met, xmin=xmin))
        show((f"idle for 2 s, {name}", f"CPU {used} s", "", "",
              "no CPU" + (", no xmin" if how == "wait" else ""), verdict(met)), widths)
        print(f"    backend_xmin {'is held' if xmin else 'is null'}")
    sender.close()
    return cells


# ---------------------------------------------------------------------------
# Many consumers
# ---------------------------------------------------------------------------

CONSUMERS = (1, 4, 16, 64, 256)


def steady_on(side, script, queue, clients, seconds=None):
    """Transactions a second in the second half, when all have connected and planned."""
    return steady(for_queue(script, queue), SYNC, clients, seconds, best_plan=side == "bare",
                  settings=SIDES[side][1], values=[("msg", BODY)])[0]


def consumers():
    cells = []
    autovacuum("on")
    batch = ("SELECT count(*) FROM pgmq.send_batch('bench', array_fill(:msg::jsonb, ARRAY[10]));\n"
             "SELECT coalesce(array_agg(msg_id), '{}')::text AS ids FROM pgmq.read('bench', 30, 10) \\gset\n"
             "SELECT count(*) FROM pgmq.delete('bench', :ids::bigint[]);\n")
    for name, scripts in (("send + read + delete", CYCLES),
                          ("send_batch(10) + read(10) + delete", {"pgmq_c": batch})):
        heading(f"{name} on one queue: cycles a second")
        widths = (12, *COLUMNS_OF_SIDES, 8, 8, 7)
        show(("clients", *NAMES, "/ best", "target", "verdict"), widths)
        rates = {}
        for clients in CONSUMERS:
            def measure(side):
                refill(f"{SIDES[side][0]}.q_bench", 10 * BACKLOG)
                return steady_on(side, scripts[side], "bench", clients)

            rates[clients] = turns(measure, [
                side for side in scripts if clients == 4 or side in ("pgmq_c", "plpgsql")])
        best = max(statistics.median(rates[c]["pgmq_c"]) for c in CONSUMERS)
        for clients in CONSUMERS:
            ratio = statistics.median(rates[clients]["pgmq_c"]) / best
            met = ratio >= 0.85 if clients == CONSUMERS[-1] else None
            cells.append(cell("consumers", f"{name}, {clients}", rates[clients], met, ratio=ratio))
            show((clients, *medians(rates[clients]), f"{ratio:.2f}",
                  "" if met is None else ">= 0.85", "" if met is None else verdict(met)), widths)

    heading("For comparison, the same cycle, each consumer on a queue of its own")
    show(("clients", *NAMES, "/ best", "target", "verdict"), widths)
    for first in range(0, CONSUMERS[-1], 64):       # each queue takes locks until the commit
        sql(f"SELECT pgmq.create('own_' || i) FROM generate_series({first}, {first + 63}) AS i")
    script = "\\set n :client_id\n" + CYCLES["pgmq_c"].replace("'bench'", "'own_' || :n")
    rates = {}
    for clients in CONSUMERS:
        for i in range(clients):
            fill(f"pgmq.q_own_{i}", 10 * BACKLOG // clients)
        rates[clients] = turns(lambda side: steady_on(side, script, "bench", clients), ["pgmq_c"])
        sql("".join(f"TRUNCATE pgmq.q_own_{i};" for i in range(clients)))
    best = max(statistics.median(rates[c]["pgmq_c"]) for c in CONSUMERS)
    for clients in CONSUMERS:
        ratio = statistics.median(rates[clients]["pgmq_c"]) / best
        cells.append(cell("consumers", f"queues of their own, {clients}", rates[clients], None,
                          ratio=ratio))
        show((clients, *medians(rates[clients]), f"{ratio:.2f}", "", ""), widths)
    for first in range(0, CONSUMERS[-1], 64):
        sql(f"SELECT pgmq.drop_queue('own_' || i) FROM generate_series({first}, {first + 63}) AS i")
    autovacuum("off")
    return cells


# ---------------------------------------------------------------------------
# Groups
# ---------------------------------------------------------------------------

def grouped():
    heading("Grouped reads of 10: milliseconds a call, 1 client")
    widths = (20, 10, 10, 10, 10, 8, 12, 14, 7)
    show(("", "messages", "groups", "median", "buffers", "target", "a tenth", "/ a tenth",
          "verdict"), widths)
    sql("SELECT pgmq.create('groups'); SELECT pgmq.create_fifo_index('groups')")
    cells = []
    for groups, limit in zip(GROUPS, (2, 10)):
        medians_of = {}
        for messages in (GROUP_MESSAGES // 10, GROUP_MESSAGES):
            sql(f"""
                TRUNCATE pgmq.q_groups RESTART IDENTITY;
                INSERT INTO pgmq.q_groups (vt, message, headers)
                SELECT now(), '{BODY}', jsonb_build_object('x-pgmq-group', 'g' || i % {groups})
                FROM generate_series(1, {messages}) AS i;
                VACUUM (ANALYZE) pgmq.q_groups;""")
            for form in "read_grouped", "read_grouped_rr", "read_grouped_head":
                script = Script()
                script.explain("call", f"SELECT * FROM pgmq.{form}('groups', 0, 10)", 11)
                got = script.measure()["call"][1:]
                if any(rows != 10 for _, _, rows in got):
                    sys.exit(f"{form}: not 10 messages")
                medians_of[form, messages] = (statistics.median(t for t, _, _ in got),
                                              statistics.median(b for _, b, _ in got),
                                              [t for t, _, _ in got])
        for form in "read_grouped", "read_grouped_rr", "read_grouped_head":
            ms, buffers, all_ms = medians_of[form, GROUP_MESSAGES]
            tenth = medians_of[form, GROUP_MESSAGES // 10][0]
            met = ms < limit and ms / tenth < 1.5
            cells.append(cell("groups", f"{form}, {groups} groups", {"pgmq_c": all_ms}, met,
                              messages=GROUP_MESSAGES, buffers=buffers, tenth=tenth))
            show((form, f"{GROUP_MESSAGES:,}", f"{groups:,}", f"{ms:.2f}", f"{buffers:.0f}",
                  f"< {limit}", f"{tenth:.2f}", f"{ms / tenth:.2f} (< 1.5)", verdict(met)),
                 widths)
    sql("SELECT pgmq.drop_queue('groups')")
    return cells


# ---------------------------------------------------------------------------
# WAL
# ---------------------------------------------------------------------------

def wal():
    heading("Bytes of WAL for one send + read + delete, 1 client, 1,000 in the queue,"
            " 2,000 after a checkpoint")
    widths = (44, *COLUMNS_OF_SIDES, 10, 8, 7)
    show(("", *NAMES, "/ plpgsql", "target", "verdict"), widths)
    cells = []
    count = 2000
    # hexadecimal digits, which hardly compress
    long = json.dumps("".join(random.Random(1).choices("0123456789abcdef", k=1000)))
    for message, pages in ((BODY, "on"), (BODY, "off"), (long, "on"), (long, "off")):
        sql(f"ALTER SYSTEM SET full_page_writes = {pages}")
        sql("SELECT pg_reload_conf()")
        results = {side: [] for side in ("pgmq_c", "plpgsql")}
        for side in results:
            script = CYCLES[side].replace(":msg", f"'{message}'")
            refill(f"{SIDES[side][0]}.q_bench", BACKLOG)
            on_side(side, script, "bench", count=100)
            sql("CHECKPOINT")
            before = sql("SELECT pg_current_wal_insert_lsn()")
            on_side(side, script, "bench", count=count)
            results[side].append(int(sql(
                f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')")) / count)
        ratio = results["pgmq_c"][0] / results["plpgsql"][0]
        name = f"message of {len(message):,} bytes, full_page_writes {pages}"
        cells.append(cell("WAL", name, results, ratio <= 0.5, ratio=ratio))
        show((name, *medians(results), f"{ratio:.2f}", "<= 0.5", verdict(ratio <= 0.5)), widths)
    sql("ALTER SYSTEM RESET full_page_writes")
    sql("SELECT pg_reload_conf()")
    return cells


# ---------------------------------------------------------------------------
# COPY
# ---------------------------------------------------------------------------

def copy():
    heading(f"COPY of {COPY_ROWS:,} rows in one transaction")
    widths = (44, 10, 10, 7, 8, 7)
    show(("", "queue", "table", "ratio", "target", "verdict"), widths)
    create("copy", ["pgmq"])
    path = f"{SOCKET}/data/copy.in"
    sql(f"CREATE TABLE plain (LIKE pgmq.q_copy INCLUDING ALL);"
        f" DO $$ BEGIN EXECUTE 'ALTER TABLE plain SET (' || (SELECT array_to_string(reloptions,"
        f" ', ') FROM pg_class WHERE oid = 'pgmq.q_copy'::regclass) || ')'; END $$;"
        f" COPY (SELECT '{BODY}'::jsonb FROM generate_series(1, {COPY_ROWS})) TO '{path}'")
    took = {"pgmq.q_copy": [], "plain": []}
    commits = {"pgmq.q_copy": [], "plain": []}
    for turn in range(RUNS):
        for table in sorted(took, reverse=turn % 2 == 1):
            sql(f"TRUNCATE {table} RESTART IDENTITY; CHECKPOINT")
            session = Session(SOCKET, f"-c synchronous_commit={SYNC}")
            session.query("BEGIN")
            begun = time.monotonic()
            session.query(f"COPY {table} (message) FROM '{path}'")
            loaded = time.monotonic()
            session.query("COMMIT")
            commits[table].append(1000 * (time.monotonic() - loaded))
            took[table].append(loaded - begun)
            session.close()
    left = int(sql("SELECT count(*) FROM pgmq.read('copy', 0, 1000000000)"))
    if left != COPY_ROWS:
        sys.exit(f"COPY: {left} messages, not {COPY_ROWS}")
    ratio = median_ratio(took["pgmq.q_copy"], took["plain"])
    # what our callback adds, at its worst
    commit = max(commits["pgmq.q_copy"]) - statistics.median(commits["plain"])
    show(("COPY, seconds", *(f"{statistics.median(took[t]):.2f}" for t in took), f"{ratio:.2f}",
          "<= 1.3", verdict(ratio <= 1.3)), widths)
    show(("longest COMMIT, milliseconds, and the difference",
          *(f"{max(commits[t]):.2f}" for t in took), f"{commit:.2f}", "< 10",
          verdict(commit < 10)), widths)
    sql("SELECT pgmq.drop_queue('copy'); DROP TABLE plain")
    return [cell("COPY", "seconds", took, ratio <= 1.3, ratio=ratio),
            cell("COPY", "COMMIT, milliseconds", commits, commit < 10, difference=commit)]


# ---------------------------------------------------------------------------
# Many queues
# ---------------------------------------------------------------------------

def many():
    heading(f"Many queues, {CLIENTS} clients, each cycle on one at random (send, then read and"
            " delete in one statement): cycles a second")
    widths = (12, *COLUMNS_OF_SIDES, 8, 10, 12, 7)
    show(("queues", *NAMES, "/ one", "/ plpgsql", "target", "verdict"), widths)
    for schema, make in (("pgmq", "pgmq.create"), ("peer", "peer.create_queue")):
        for first in range(1, QUEUES + 1, 100):     # each queue takes locks until the commit
            sql(f"SELECT {make}('many_' || i) FROM"
                f" generate_series({first}, {min(first + 99, QUEUES)}) AS i")
    cells = []
    autovacuum("on")
    for used in (1, 100, QUEUES):
        cycle = (f"\\set n random(1, {used})\n"
                 "SELECT * FROM pgmq.send('many_' || :n, :msg);\n"
                 "SELECT pgmq.delete('many_' || :n, msg_id)"
                 " FROM pgmq.read('many_' || :n, 30, 1);\n")
        # each session plans for each queue first, which is not what is to be measured
        warm = SECONDS + 2 + used // 100
        rates = turns(lambda side: steady_on(side, cycle.replace("pgmq.", SIDES[side][0] + "."),
                                          "bench", CLIENTS, warm),
                      ["pgmq_c", "map off", "plpgsql"])
        if used == 1:
            one = statistics.median(rates["pgmq_c"])
        to_one = statistics.median(rates["pgmq_c"]) / one
        to_peer = median_ratio(rates["pgmq_c"], rates["plpgsql"])
        met = None if used == 1 else to_one >= 0.8 if used == 100 else to_peer >= 1
        cells.append(cell("queues", f"{used} queues", rates, met, to_one=to_one,
                          to_plpgsql=to_peer))
        show((f"{used:,}", *medians(rates), f"{to_one:.2f}", f"{to_peer:.2f}",
              "" if met is None else "/ one >= 0.8" if used == 100 else "/ plpgsql >= 1",
              "" if met is None else verdict(met)), widths)
    autovacuum("off")

    session = Session(SOCKET)

    def context(pattern):
        return int(session.query(
            "SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts"
            f" WHERE {pattern}")[0][0]) / 1048576

    empty = context("true")
    for i in range(1, QUEUES + 1):
        session.query(f"SELECT pgmq.send('many_{i}', '1')")
        session.query(f"SELECT count(*) FROM pgmq.read('many_{i}', 0, 1)")
    all_of_it, plans = context("true"), context("name IN ('pgmq_c plans', 'CachedPlan',"
                                               " 'CachedPlanSource', 'CachedPlanQuery')")
    session.close()
    used, maps = sql("SELECT sum(bytes), count(*) FILTER (WHERE due_map = 'on')"
                     " FROM pgmq.engine_status() WHERE queue_name LIKE 'many%'").split("|")
    limit = sql("SELECT current_setting('pgmq_c.shared_memory', true)")
    cells.append(cell("queues", "memory", {"backend_mb": [all_of_it]}, None, backend_before=empty,
                      plans_mb=plans, maps=int(maps), map_bytes=int(used), limit=limit))
    print(f"a session that used all {QUEUES:,}: {all_of_it:.1f} MB (new: {empty:.1f} MB), of which"
          f" plans {plans:.1f} MB")
    print(f"shared memory: {maps} maps use {int(used) / 1024:.0f} kB of {limit or 'none'}")
    for first in range(1, QUEUES + 1, 100):
        sql(f"SELECT pgmq.drop_queue('many_' || i) FROM"
            f" generate_series({first}, {min(first + 99, QUEUES)}) AS i")
    return cells


# ---------------------------------------------------------------------------
# More queues than a session keeps plans for
# ---------------------------------------------------------------------------

def max_plans():
    heading("One session goes round queues (send + read + delete on each, one transaction):"
            " microseconds a queue")
    widths = (8, 9, 9, 7, 12, 9, 9, 9, 9)
    show(("queues", "max_plans", "no bound", "ratio", "lowest, most", "plans MB", "no bound",
          "session", "no bound"), widths)
    sql("""
        CREATE PROCEDURE go_round(n integer) LANGUAGE plpgsql AS $$
        BEGIN
            FOR i IN 1..n LOOP
                PERFORM pgmq.send('round_' || i, '{"n": 1}');
                PERFORM pgmq.delete('round_' || i, msg_id) FROM pgmq.read('round_' || i, 30, 1);
                COMMIT;
            END LOOP;
        END $$""")
    cells = []
    made = 0
    for count in ROUNDS:
        for first in range(made + 1, count + 1, 100):   # each queue takes locks until the commit
            sql(f"SELECT pgmq.create('round_' || i) FROM"
                f" generate_series({first}, {min(first + 99, count)}) AS i")
        made = max(made, count)
        sessions = {"bound": Session(SOCKET, f"-c synchronous_commit={SYNC}"),
                    "none": Session(SOCKET, f"-c synchronous_commit={SYNC}"
                                    " -c pgmq_c.max_plans=1000000")}
        times = {side: [] for side in sessions}
        for turn in range(RUNS + 1):
            for side in sorted(sessions, reverse=turn % 2 == 1):
                begun = time.perf_counter()
                sessions[side].query(f"CALL go_round({count})")
                if turn > 0:        # the first plans for all
                    times[side].append((time.perf_counter() - begun) * 1e6 / count)
        memory = {}
        for side, session in sessions.items():
            memory[side] = [int(value) / 1048576 for value in session.query(
                "SELECT sum(total_bytes) FILTER (WHERE name IN ('pgmq_c plans', 'SPI Plan',"
                " 'CachedPlan', 'CachedPlanSource', 'CachedPlanQuery')), sum(total_bytes)"
                " FROM pg_backend_memory_contexts")[0]]
            session.close()
        ratios = ratio_of(times, "bound", "none")
        met = memory["bound"][0] < 16
        cells.append({"part": "max_plans", "queues": count, "usec": times, "memory_mb": memory,
                      "ratio": statistics.median(ratios), "met": met})
        show((f"{count:,}", *(f"{statistics.median(times[s]):.0f}" for s in ("bound", "none")),
              f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}",
              *(f"{memory[s][i]:.1f}" for i in (0, 1) for s in ("bound", "none"))), widths)
    sql("DROP PROCEDURE go_round")
    for first in range(1, made + 1, 100):
        sql(f"SELECT pgmq.drop_queue('round_' || i) FROM"
            f" generate_series({first}, {min(first + 99, made)}) AS i")
    return cells


def main():
    if not PARTS:
        return
    CYCLES.update({"map off": CYCLES["pgmq_c"]})
    report = prepare()
    report.update(synchronous_commit=SYNC, clients=CLIENTS, other_runs=OTHER_RUNS)
    print(f"synchronous_commit {SYNC}; sides but for pgmq_c: {OTHER_RUNS} runs")
    parts = {"reads": reads, "plain": plain, "pinned": pinned, "drain": drain, "empty": empty, "wake": wake,
             "consumers": consumers, "grouped": grouped, "wal": wal, "copy": copy, "many": many,
             "max_plans": max_plans}
    run_parts(report, parts, PARTS, "-engine")


if __name__ == "__main__":
    main()
