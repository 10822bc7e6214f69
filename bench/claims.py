#!/usr/bin/env python3
"""Measure whether a reader knows its message before it touches the table.

usage: claims.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

The yardstick is the same work told which ids to take, in the same run: readers that
are told do not meet.  Sides take turns; a ratio is the median of those of each turn.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("RUNS", "5")

from harness import (BACKLOG, BARE_DELETE, BARE_SEND, BODY, COLUMNS, CYCLES, RUNS, SECONDS, SOCKET,
                     Script, autovacuum, cell, fill, heading, median_ratio, number, pgbench,
                     prepare, refill, restart, run_parts, setting, show, sql, steady, verdict)
from session import Session

ALL_PARTS = "told block beside restart head acks ackwal"
PARTS = [part for part in os.environ.get("PARTS", ALL_PARTS).split() if part in ALL_PARTS.split()]
SYNC = os.environ.get("SYNC", "off").split()[0]
TOLD_CLIENTS = [int(n) for n in os.environ.get("TOLD_CLIENTS", "4 64 256").split()]
LEASES = setting("LEASES", 100000)
RESTART_DELAYED = setting("RESTART_DELAYED", 3000000)
RESTART_READERS = setting("RESTART_READERS", 32)
ACK_CLIENTS = [int(n) for n in os.environ.get("ACK_CLIENTS", "4 64").split()]
ACK_SYNC = os.environ.get("ACK_SYNC", "on").split()


def refuse(part, why):
    """A part that cannot be measured here."""
    print(f"{part}: not measured: {why}")
    return []


def shown(values, form="{:.0f}"):
    return "" if None in values else form.format(statistics.median(values))


# ---------------------------------------------------------------------------
# Cycles against the same cycles told their ids
# ---------------------------------------------------------------------------

# Held to the index (best_plan): told statements that were prepared on an empty
# table would scan it.
TOLD = {
    "pgmq_c": CYCLES["pgmq_c"],
    "told": ("SELECT send AS id FROM pgmq.send('bench', :msg) \\gset\n"
             "SELECT * FROM pgmq.set_vt('bench', :id::bigint, 30);\n"
             "SELECT pgmq.delete('bench', :id::bigint);\n"),
    "raw": (BARE_SEND.replace("RETURNING msg_id;", "RETURNING msg_id AS id \\gset\n") +
            "UPDATE pgmq.q_bench SET vt = clock_timestamp() + interval '30 seconds',"
            " read_ct = read_ct + 1, last_read_at = clock_timestamp()"
            f" WHERE msg_id = :id RETURNING {COLUMNS};\n" + BARE_DELETE + "\n"),
    "bare": CYCLES["bare"],
    "plpgsql": CYCLES["plpgsql"],
}
TOLD_TARGETS = {        # clients: the least ratio to told, raw and plpgsql
    4: (0.97, 0.92, 2.8), 64: (0.97, 0.82, 3), 256: (0.97, 0.82, 4)}


def told():
    heading("Cycles (send, read(1), delete) against the same cycles told which message to take:"
            f" cycles a second, synchronous_commit {SYNC}")
    widths = (8, 9, 9, 9, 9, 9, 7, 7, 9, 16, 24, 7, 7)
    show(("clients", *TOLD, "/ told", "/ raw", "/ plpgsql", "target", "verdict", "CPU us",
          "told"), widths)
    cells = []
    autovacuum("on")
    for clients in TOLD_CLIENTS:
        rates = {side: [] for side in TOLD}
        cpus = {side: [] for side in TOLD}
        missed = 0
        for turn in range(RUNS):
            for side in sorted(TOLD, reverse=turn % 2 == 1):
                table = "peer.q_bench" if side == "plpgsql" else "pgmq.q_bench"
                refill(table, 10 * BACKLOG)
                rate, cpu = steady(TOLD[side], SYNC, clients, values=[("msg", BODY)],
                                   best_plan=side in ("bare", "raw"))
                rates[side].append(rate)
                cpus[side].append(cpu)
                left = int(sql(f"SELECT count(*) FROM {table}")) - 10 * BACKLOG
                if side == "pgmq_c":
                    missed = max(missed, left)
                elif left and side != "bare":
                    sys.exit(f"cycles, {side}: {left} messages too many are left")
        ratios = {side: median_ratio(rates["pgmq_c"], rates[side]) for side in TOLD}
        targets = TOLD_TARGETS.get(clients)
        mets = targets and [ratios[side] >= target for side, target in
                            zip(("told", "raw", "plpgsql"), targets)]
        met = None if targets is None else all(mets)
        cells.append(cell("told", f"{clients} clients", rates, met, ratios=ratios, cpu_usec=cpus,
                          targets=targets, mets=mets, missed=missed))
        show((clients, *(shown(rates[side]) for side in TOLD),
              *(f"{ratios[side]:.2f}" for side in ("told", "raw", "plpgsql")),
              ">= " + ", ".join(str(t) for t in targets) if targets else "",
              ", ".join(verdict(m) for m in mets) if targets else "",
              shown(cpus["pgmq_c"]), shown(cpus["told"])), widths)
        if missed:
            print(f"    reads of pgmq_c that found none in a run, at most: {missed}")
    autovacuum("off")
    print("told: send, set_vt and delete by id; raw: INSERT, UPDATE and DELETE by id, on the same"
          " table with its trigger, held to the index; bare: SKIP LOCKED by hand; CPU us: of the"
          " server, for one cycle")
    return cells


# ---------------------------------------------------------------------------
# One readable message in a block
# ---------------------------------------------------------------------------

BLOCK = 64
BLOCKS = 41


def block():
    heading("read(1) of the one readable message of a block: buffers and milliseconds a call")
    widths = (32, 9, 9, 12, 8, 7)
    show(("its 63 others are", "buffers", "ms", "/ not there", "target", "verdict"), widths)
    first = 10 * BLOCK          # the first id of a block
    rows = first + BLOCKS * BLOCK
    others = f"msg_id % {BLOCK} <> 32 OR msg_id < {first}"
    cells, base = [], None
    for name in ("not there", "leased", "deleted, not to be vacuumed"):
        queue = "block_" + name[:3]
        sql(f"SELECT pgmq.create('{queue}')")
        fill(f"pgmq.q_{queue}", rows - 1)
        pin = None
        if name == "not there":
            sql(f"DELETE FROM pgmq.q_{queue} WHERE {others}; VACUUM (ANALYZE) pgmq.q_{queue}")
        sql(f"SELECT count(*) FROM pgmq.read('{queue}', 86400, {rows})")
        if name.startswith("deleted"):
            pin = Session(SOCKET)
            pin.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
            sql(f"DELETE FROM pgmq.q_{queue} WHERE {others}")
        # each becomes readable by a transaction of its own, as sent ones do
        for id in range(first + 32, rows, BLOCK):
            sql(f"SELECT pgmq.set_vt('{queue}', {id}, 0)")
        script = Script()
        script.explain("read", f"SELECT * FROM pgmq.read('{queue}', 86400, 1)", BLOCKS)
        got = script.measure()["read"]
        if pin:
            pin.close()
        if any(count != 1 for _, _, count in got):
            sys.exit(f"block, {name}: a read found nothing")
        ms = statistics.median(t for t, _, _ in got[5:])
        buffers = statistics.mean(b for _, b, _ in got[5:])
        base = base or buffers
        ratio = buffers / base
        met = None if name == "not there" else ratio <= 1.1
        cells.append(cell("block", name, {"buffers": [b for _, b, _ in got],
                                          "milliseconds": [t for t, _, _ in got]}, met, ratio=ratio))
        show((name, f"{buffers:.1f}", f"{ms:.3f}", f"{ratio:.2f}", "" if met is None else "<= 1.1",
              "" if met is None else verdict(met)), widths)
        sql(f"SELECT pgmq.drop_queue('{queue}')")
    print("instructions: VERBS=\"read_alone read_beside\" bench/instructions.sh")
    return cells


# ---------------------------------------------------------------------------
# Beside an open transaction with many leases
# ---------------------------------------------------------------------------

def beside():
    heading(f"read(1) of others beside one open transaction that leased {LEASES:,}:"
            f" milliseconds a call, synchronous_commit {SYNC}")
    widths = (10, 10, 10, 10, 8, 8, 7)
    show(("clients", "none", "beside", "first", "ratio", "target", "verdict"), widths)
    cells = []
    more = int(40000 * (SECONDS + 1))
    for clients in (1, 4):
        times = {"none": [], "beside": []}
        firsts = []
        for turn in range(RUNS):
            for side in sorted(times, reverse=turn % 2 == 1):
                refill("pgmq.q_bench", (LEASES if side == "beside" else 0) + more)
                reader = Session(SOCKET)
                reader.query("SELECT pgmq.send('bench', '1')")
                if side == "beside":
                    holder = Session(SOCKET)
                    holder.query("BEGIN")
                    holder.query(f"SELECT count(*) FROM pgmq.read('bench', 86400, {LEASES})")
                begun = time.monotonic()
                reader.query("SELECT msg_id FROM pgmq.read('bench', 86400, 1)")
                if side == "beside":
                    firsts.append(1000 * (time.monotonic() - begun))
                _, tps, _ = pgbench("SELECT * FROM pgmq.read('bench', 86400, 1);", SYNC,
                                    clients=clients, seconds=SECONDS)
                times[side].append(1000 * clients / tps)
                if side == "beside":
                    holder.query("ROLLBACK")
                    holder.close()
                reader.close()
        ratio = median_ratio(times["beside"], times["none"])
        cells.append(cell("beside", f"{clients} clients", times, ratio <= 1.5, ratio=ratio,
                          first=firsts))
        show((clients, shown(times["none"], "{:.3f}"), shown(times["beside"], "{:.3f}"),
              shown(firsts, "{:.1f}"), f"{ratio:.2f}", "<= 1.5", verdict(ratio <= 1.5)), widths)
    print("first: the first read beside it, which is not in the figure")
    return cells


# ---------------------------------------------------------------------------
# First reads after a restart
# ---------------------------------------------------------------------------

def first_reads(queue, readers):
    """Restarts the server; so many sessions read at once.

    Returns (seconds until all had their answer, the server's CPU seconds, messages).
    """
    sql("CHECKPOINT")
    restart()
    sessions = [Session(SOCKET, f"-c synchronous_commit={SYNC}") for _ in range(readers)]
    for session in sessions:        # what a first call of any queue costs is not to be measured
        session.query("SELECT count(*) FROM pgmq.read('warm', 0, 1)")
    # the sessions are there before and after
    before, begun = backends_cpu(sessions), time.monotonic()
    for session in sessions:
        session.send(f"SELECT msg_id FROM pgmq.read('{queue}', 60, 1)")
    rows = sum(len(session.receive()) for session in sessions)
    took = time.monotonic() - begun
    after = backends_cpu(sessions)
    for session in sessions:
        session.close()
    return took, None if before is None else after - before, rows


def backends_cpu(sessions):
    """The CPU seconds of sessions' backends; None where there is no /proc."""
    used = 0.0
    try:
        for session in sessions:
            with open(f"/proc/{session.pid}/schedstat") as file:
                used += int(file.read().split()[0]) / 1e9
    except OSError:
        return None
    return used


def lay_restart(queue, readable_at):
    """A queue of delayed messages, with readable ones at its head, at its end or nowhere."""
    sql(f"SELECT pgmq.create('{queue}')")
    if readable_at == "head":
        fill(f"pgmq.q_{queue}", BACKLOG)
    fill(f"pgmq.q_{queue}", RESTART_DELAYED, "now() + interval '1 day'")
    if readable_at == "end":
        fill(f"pgmq.q_{queue}", BACKLOG)
    sql(f"VACUUM (ANALYZE) pgmq.q_{queue}")
    # let each page be read once, so that no run writes hint bits
    sql(f"SELECT count(message) FROM pgmq.q_{queue}")


def warm_queue():
    sql("SELECT pgmq.create('warm') WHERE NOT EXISTS"
        " (SELECT FROM pgmq.list_queues() WHERE queue_name = 'warm')")


def restart_part():
    heading(f"First reads after a restart, {RESTART_DELAYED:,} delayed messages: seconds")
    widths = (36, 9, 9, 9, 9, 20, 7)
    show(("", "total", "CPU", "/ one", "(CPU)", "target", "verdict"), widths)
    warm_queue()
    lay_restart("restart", None)
    took = {"one": [], "many": []}
    cpus = {"one": [], "many": []}
    for turn in range(RUNS):
        for side in sorted(took, reverse=turn % 2 == 1):
            seconds, cpu, rows = first_reads("restart", 1 if side == "one" else RESTART_READERS)
            if rows:
                sys.exit("restart: a delayed message was read")
            took[side].append(seconds)
            cpus[side].append(cpu)
    ratio, cpu_ratio = median_ratio(took["many"], took["one"]), median_ratio(cpus["many"], cpus["one"])
    met = ratio <= 2 and (cpu_ratio is None or cpu_ratio <= 1.5)
    for side, name in (("one", "one reader"), ("many", f"{RESTART_READERS} readers at once")):
        many = side == "many"
        show((name, shown(took[side], "{:.2f}"), shown(cpus[side], "{:.2f}"),
              f"{ratio:.2f}" if many else "", number(cpu_ratio) if many else "",
              "<= 2, CPU <= 1.5" if many else "", verdict(met) if many else ""), widths)
    sql("SELECT pgmq.drop_queue('restart')")
    return [cell("restart", f"{RESTART_READERS} readers", took, met, cpu=cpus, ratio=ratio,
                 cpu_ratio=cpu_ratio, delayed=RESTART_DELAYED)]


def head():
    heading(f"The first read after a restart, {RESTART_DELAYED:,} delayed messages and {BACKLOG:,}"
            " readable ones: milliseconds")
    widths = (36, 9, 9, 10, 9, 8, 7)
    show(("readable ones", "one", "(CPU)", f"{RESTART_READERS} at once", "(CPU)", "target",
          "verdict"), widths)
    warm_queue()
    cells = []
    for place in "head", "end":
        queue = f"restart_{place}"
        lay_restart(queue, place)
        took = {"one": [], "many": []}
        cpus = {"one": [], "many": []}
        for _ in range(RUNS):
            for side, readers in (("one", 1), ("many", RESTART_READERS)):
                seconds, cpu, rows = first_reads(queue, readers)
                if rows != readers:
                    sys.exit(f"head: {readers} readers got {rows} messages")
                took[side].append(1000 * seconds)
                cpus[side].append(None if cpu is None else 1000 * cpu)
        met = statistics.median(took["one"]) <= 5 if place == "head" else None
        cells.append(cell("head", place, took, met, cpu=cpus, delayed=RESTART_DELAYED))
        show(("before the delayed ones" if place == "head" else "behind them",
              *(shown(what[side], "{:.1f}") for side in took for what in (took, cpus)),
              "" if met is None else "<= 5", "" if met is None else verdict(met)), widths)
        sql(f"SELECT pgmq.drop_queue('{queue}')")
    print("the plans of the first call on a queue are in these times; the library is loaded")
    return cells


# ---------------------------------------------------------------------------
# Acknowledge and read in one statement
# ---------------------------------------------------------------------------

ACKS = {
    # \aset leaves the id as it is when nothing was read
    "together": "SELECT msg_id AS id FROM pgmq.delete_and_read('bench',"
                " ARRAY[:id::bigint], 30, 1) \\aset\n",
    "apart": "SELECT msg_id AS id FROM pgmq.read('bench', 30, 1) \\aset\n"
             "SELECT pgmq.delete('bench', :id::bigint);\n",
}


def has_delete_and_read():
    return sql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace"
               " AND proname = 'delete_and_read'") != "0"


def acks():
    if not has_delete_and_read():
        return refuse("acks", "this version has no delete_and_read")
    heading("A consumer's loop over a backlog, one message at a time: messages a second")
    widths = (8, 6, 18, 18, 8, 7, 8, 7)
    show(("clients", "sync", "delete_and_read", "read, then delete", "ratio", "(CPU)", "target",
          "verdict"), widths)
    cells = []
    autovacuum("on")
    for sync in ACK_SYNC:
        for clients in ACK_CLIENTS:
            rates = {side: [] for side in ACKS}
            cpus = {side: [] for side in ACKS}
            seconds = SECONDS + 2 + clients // 64
            rows = int(20000 * seconds)
            for turn in range(RUNS):
                for side in sorted(ACKS, reverse=turn % 2 == 1):
                    refill("pgmq.q_bench", rows)
                    rate, cpu = steady(ACKS[side], sync, clients, seconds, values=[("id", 0)])
                    rates[side].append(rate)
                    cpus[side].append(cpu)
                    if sql("SELECT count(*) FROM pgmq.q_bench WHERE read_ct = 0") == "0":
                        sys.exit(f"acks: {rows} messages were too few")
            ratio = median_ratio(rates["together"], rates["apart"])
            cpu_ratio = median_ratio(cpus["apart"], cpus["together"])
            met = ratio >= 1.4 if sync == "on" else None
            cells.append(cell("acks", f"{clients} clients, sync {sync}", rates, met, ratio=ratio,
                              cpu_usec=cpus, cpu_ratio=cpu_ratio))
            show((clients, sync, shown(rates["together"]), shown(rates["apart"]), f"{ratio:.2f}",
                  number(cpu_ratio), "" if met is None else ">= 1.4",
                  "" if met is None else verdict(met)), widths)
    autovacuum("off")
    return cells


def ackwal():
    if not has_delete_and_read():
        return refuse("ackwal", "this version has no delete_and_read")
    heading("Bytes of WAL for a message sent, read and deleted, 1 client, 2,000 after a checkpoint")
    widths = (24, 26, 24, 7, 8, 7)
    show(("full_page_writes", "send, delete_and_read", "send, read, delete", "ratio", "target",
          "verdict"), widths)
    cells = []
    count = 2000
    send = "SELECT * FROM pgmq.send('bench', :msg);\n"
    for pages in "on", "off":
        sql(f"ALTER SYSTEM SET full_page_writes = {pages}")
        sql("SELECT pg_reload_conf()")
        results = {side: [] for side in ACKS}
        for side in ACKS:
            refill("pgmq.q_bench", BACKLOG)
            values = [("msg", BODY), ("id", 0)]
            pgbench(send + ACKS[side], SYNC, count=100, values=values)
            sql("CHECKPOINT")
            before = sql("SELECT pg_current_wal_insert_lsn()")
            pgbench(send + ACKS[side], SYNC, count=count, values=values)
            results[side].append(int(sql(
                f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{before}')")) / count)
        ratio = results["together"][0] / results["apart"][0]
        cells.append(cell("ackwal", f"full_page_writes {pages}", results, ratio <= 0.85, ratio=ratio))
        show((pages, shown(results["together"]), shown(results["apart"]), f"{ratio:.2f}",
              "<= 0.85", verdict(ratio <= 0.85)), widths)
    sql("ALTER SYSTEM RESET full_page_writes")
    sql("SELECT pg_reload_conf()")
    return cells


def main():
    if not PARTS:
        return
    report = prepare()
    report.update(synchronous_commit=SYNC)
    print(f"synchronous_commit {SYNC} where a heading says no other")
    parts = {"told": told, "block": block, "beside": beside, "restart": restart_part,
             "head": head, "acks": acks, "ackwal": ackwal}
    run_parts(report, parts, PARTS, "-claims")


if __name__ == "__main__":
    main()
