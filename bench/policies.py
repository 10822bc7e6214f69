#!/usr/bin/env python3
"""Measure what the policies of a queue cost.

usage: policies.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

Each side is a queue of its own, and they take turns, as in bench.py.  Where a side is
compared to one without a policy, both get the same messages with the same headers.
"""

import itertools
import os
import pwd
import statistics
import subprocess
import sys
import time

import harness
from harness import (BACKLOG, BODY, CLIENTS, RUNS, SECONDS, SOCKET, fill, heading, median_of,
                     pgbench, prepare, ratio_of, run_parts, server_cpu, show, sql, verdict)
from session import Session

PARTS = os.environ.get("PARTS", "cost before dedup poison priorities readers").split()
SYNC = os.environ.get("SYNC", "off on").split()
SIDES = os.environ.get("SIDES", "").split()
IDS = int(os.environ.get("IDS", "2000000"))
LOWER = int(os.environ.get("LOWER", "1000000"))
READ_RATED = "SELECT * FROM pgmq.read_with_poll('rated', 600, 1, 60);\n"
READERS = int(os.environ.get("READERS", "64"))
RATE = int(os.environ.get("RATE", "100"))
POISON = int(os.environ.get("POISON", "100000"))
BEFORE = os.environ.get("BEFORE_BINDIR")

ALL = ('"max_reads": 5, "dead_letter_queue": "dead", "backoff": "exponential",'
       ' "dedup_window": 3600, "ttl": 3600, "ttl_header": true, "strict_fifo": true,'
       ' "archive_retention": 3600')
POLICIES = {
    "all": ALL,
    "max_reads": '"max_reads": 5, "dead_letter_queue": "dead"',
    "backoff": '"backoff": "exponential"',
    "ttl": '"ttl": 3600',
    "ttl_header": '"ttl_header": true',
    "dedup_window": '"dedup_window": 3600',
    "strict_fifo": '"strict_fifo": true',
    "archive_retention": '"archive_retention": 3600',
    "priorities": '"priorities": true',
}
# no limit is reached: this is what counting costs
LIMITS = {
    "max_length": '"max_length": 1000000, "max_bytes": 1000000000',
    "max_in_flight": '"max_in_flight": 1000',
    "rate": '"rate": 1000000, "burst": 1000000',
    "fair": '"limit_by": "x-pgmq-group", "max_in_flight_each": 1000, "fair": true',
}
POLICIES.update(LIMITS)

# what the messages carry, by name; the cells with ids come last
GROUP = "'x-pgmq-group', 'g' || :group"
TTL = "'x-pgmq-ttl', 600"
PRIORITY = "'x-pgmq-priority', :group % 10"
ID = "'x-pgmq-dedup-id', 'order ' || :salt || '-' || :client_id || '-' || :n"
COST_CELLS = (
    [("all, no ids", "all", (GROUP, TTL), 0.80)] +
    [(name, name, (GROUP, TTL), None) for name in POLICIES if name not in ("all", "priorities", *LIMITS)] +
    [(name, name, (GROUP, TTL), 0.85) for name in LIMITS] +
    [("priorities", "priorities", (GROUP, TTL, PRIORITY), 0.90)] +
    [("dedup_window, ids", "dedup_window", (GROUP, TTL, ID), None),
     ("all, ids", "all", (GROUP, TTL, ID), 0.80)])


# ---------------------------------------------------------------------------
# What each policy costs
# ---------------------------------------------------------------------------

def headers(parts):
    return f"jsonb_build_object({', '.join(parts)})"


def cycle(queue, parts):
    """send + read + delete, each its own statement."""
    return (f"\\set id 0\n\\set n :n + 1\n\\set group random(1, 1000)\n"
            f"SELECT * FROM pgmq.send('{queue}', :msg, {headers(parts)});\n"
            f"SELECT msg_id AS id FROM pgmq.read('{queue}', 30, 1) \\aset\n"
            f"SELECT pgmq.delete('{queue}', :id::bigint);\n")


def refill(queue):
    """So many messages, and no ids of earlier ones."""
    tables = [f"pgmq.q_{queue}"] + sql(
        f"SELECT oid::regclass FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace"
        f" AND relkind = 'r' AND relname ~ '^d[012]_{queue}$'").split()
    sql(f"""
        TRUNCATE {', '.join(tables)} RESTART IDENTITY;
        INSERT INTO pgmq.q_{queue} (vt, message)
        SELECT now(), '{BODY}' FROM generate_series(1, {BACKLOG});
        VACUUM (ANALYZE) {', '.join(tables)};""")


def cost():
    heading("Policies: send + read + delete a second, against a queue without one")
    widths = (18, 4, 7, 9, 8, 6, 12, 6, 7, 8, 8, 6)
    show(("policy", "sync", "clients", "with", "none", "ratio", "lowest, most", "target",
          "verdict", "CPU us", "none", "ratio"), widths)
    sql("SELECT pgmq.create('dead'), pgmq.create('none')")
    for name, policy in POLICIES.items():
        sql(f"SELECT pgmq.create('{name}'), pgmq.set_policy('{name}', '{{{policy}}}')")
    sql("ALTER SYSTEM SET autovacuum = on")
    sql("SELECT pg_reload_conf()")
    cells = []
    salt = 0
    for sync in SYNC:
        for clients in sorted({CLIENTS, 1}, reverse=True):
            for name, queue, parts, target in COST_CELLS:
                if SIDES and name not in SIDES and queue not in SIDES:
                    continue
                rates = {queue: [], "none": []}
                cpus = {queue: [], "none": []}
                for turn in range(RUNS):
                    for side in sorted(rates, reverse=turn % 2 == 1):
                        salt += 1
                        refill(side)
                        _, rate, cpu = pgbench(cycle(side, parts), sync, clients=clients,
                                               seconds=SECONDS,
                                               values=[("msg", BODY), ("n", 0), ("salt", salt)])
                        rates[side].append(rate)
                        cpus[side].append(cpu)
                ratios = ratio_of(rates, queue, "none")
                ratio = statistics.median(ratios)
                met = ratio >= target if target else None
                cells.append({"policy": name, "synchronous_commit": sync, "clients": clients,
                              "per_second": rates, "cpu_usec": cpus, "ratio": ratio,
                              "target": target, "met": met})
                show((name, sync, clients,
                      *(f"{statistics.median(rates[s]):.0f}" for s in (queue, "none")),
                      f"{ratio:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}",
                      f"{target:.2f}" if target else "", verdict(met) if target else "",
                      *("" if None in cpus[s] else f"{statistics.median(cpus[s]):.1f}"
                        for s in (queue, "none")),
                      median_of(ratio_of(cpus, queue, "none"))), widths)
    sql("ALTER SYSTEM RESET autovacuum")
    sql("SELECT pg_reload_conf()")
    return cells


# ---------------------------------------------------------------------------
# A queue without a policy, by this library and by another
# ---------------------------------------------------------------------------

class Other:
    """A second server of another bin directory; in its with block all calls go there."""

    def __init__(self, bindir):
        self.bindir, self.socket = bindir, f"{SOCKET}/before"
        owner = pwd.getpwuid(os.stat(SOCKET).st_uid).pw_name
        self.user = ["runuser", "-u", owner, "--"] if os.geteuid() == 0 else []
        data = f"{self.socket}/data"
        self.call("mkdir", "-p", self.socket)
        self.call(f"{bindir}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                  "--locale=C.UTF-8")
        with open(f"{SOCKET}/data/postgresql.conf") as conf:
            text = conf.read()
        with open(f"{data}/postgresql.conf", "w") as conf:
            conf.write(text.replace(SOCKET, self.socket))
        self.call(f"{bindir}/pg_ctl", "-D", data, "-l", f"{self.socket}/server.log", "-w", "start")

    def call(self, *args):
        subprocess.run(self.user + list(args), check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def stop(self):
        self.call(f"{self.bindir}/pg_ctl", "-D", f"{self.socket}/data", "-m", "immediate", "stop")

    def __enter__(self):
        self.saved = harness.BINDIR, harness.SOCKET
        harness.BINDIR, harness.SOCKET = self.bindir, self.socket

    def __exit__(self, *error):
        harness.BINDIR, harness.SOCKET = self.saved


class Here:
    def __enter__(self):
        pass

    def __exit__(self, *error):
        pass


STEP = "\\set id :id + 1\n"
BEFORE_CELLS = {
    "send": "SELECT * FROM pgmq.send('bench', :msg);",
    "read": "SELECT * FROM pgmq.read('bench', 0, 1);",
    "delete": STEP + "SELECT pgmq.delete('bench', :id::bigint);",
    "pop": "SELECT * FROM pgmq.pop('bench');",
}


def before():
    if not BEFORE:
        print("\nBEFORE_BINDIR names no other server, so there is nothing to compare to")
        return []
    heading("A queue without a policy: one client, microseconds a call, by both libraries")
    widths = (8, 4, 8, 8, 6, 12, 8, 8, 9, 12, 7)
    show(("verb", "sync", "now", "before", "ratio", "lowest, most", "CPU now", "before",
          "CPU ratio", "lowest, most", "calls"), widths)
    other = Other(BEFORE)
    try:
        return before_cells(other, widths)
    finally:
        other.stop()


def before_cells(other, widths):
    with other:
        sql("CREATE DATABASE bench", database="postgres")
        sql("CREATE EXTENSION pgmq_c; SELECT pgmq.create('bench')")
    places = {"now": Here(), "before": other}
    calls = int(20000 * SECONDS)
    cells = []
    for sync in SYNC:
        for verb, script in BEFORE_CELLS.items():
            times = {side: [] for side in places}
            cpus = {side: [] for side in places}
            for turn in range(RUNS):
                for side in sorted(places, reverse=turn % 2 == 1):
                    with places[side]:
                        sql(f"""
                            TRUNCATE pgmq.q_bench RESTART IDENTITY;
                            INSERT INTO pgmq.q_bench (vt, message) SELECT now(), '{BODY}'
                            FROM generate_series(1, {1000 if verb == 'read' else calls});
                            VACUUM (ANALYZE) pgmq.q_bench;""")
                        _, tps, cpu = pgbench(script, sync, count=calls,
                                              values=[("id", 0), ("msg", BODY)])
                    times[side].append(1e6 / tps)
                    cpus[side].append(cpu)
            ratios = ratio_of(times, "now", "before")
            ratio = statistics.median(ratios)
            cpu_ratios = ratio_of(cpus, "now", "before")
            cells.append({"verb": verb, "synchronous_commit": sync, "calls": calls,
                          "usec": times, "cpu_usec": cpus, "ratio": ratio, "met": None})
            show((verb, sync,
                  *(f"{statistics.median(times[s]):.1f}" for s in ("now", "before")),
                  f"{ratio:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}",
                  *("" if None in cpus[s] else f"{statistics.median(cpus[s]):.1f}"
                    for s in ("now", "before")),
                  median_of(cpu_ratios),
                  f"{min(cpu_ratios):.2f} .. {max(cpu_ratios):.2f}" if cpu_ratios else "",
                  calls), widths)
    return cells


# ---------------------------------------------------------------------------
# A send with an id, and the number of ids in the window
# ---------------------------------------------------------------------------

def dedup():
    heading(f"Deduplication: microseconds a send, with no ids and with {IDS:,} in the window")
    widths = (20, 4, 8, 8, 6, 12, 6, 7, 8, 8, 6)
    show(("ids", "sync", "full", "empty", "ratio", "lowest, most", "target", "verdict", "CPU us",
          "empty", "ratio"), widths)
    # so long a window that no other table has its turn meanwhile
    kinds = {"random": ("gen_random_uuid()::text", "md5(i::text)::uuid::text"),
             "rising": ("'order ' || lpad((1000000000 + :salt * 1000000 + :n)::text, 12, '0')",
                        "'order ' || lpad(i::text, 12, '0')")}
    cells = []
    salt = 0
    calls = int(10000 * SECONDS)
    for kind, (new, old) in kinds.items():
        if SIDES and kind not in SIDES:
            continue
        table = {}
        for side in "empty", "full":
            queue = f"{kind}_{side}"
            sql(f"SELECT pgmq.create('{queue}'),"
                f" pgmq.set_policy('{queue}', '{{\"dedup_window\": 31536000}}');"
                f"SELECT pgmq.send('{queue}', '1', '{{\"x-pgmq-dedup-id\": \"first\"}}'::jsonb)")
            table[side] = sql(
                f"SELECT relid::regclass FROM (SELECT oid AS relid FROM pg_class"
                f" WHERE relnamespace = 'pgmq'::regnamespace AND relkind = 'r'"
                f" AND relname ~ '^d[012]_{queue}$') AS t WHERE pg_relation_size(relid) > 0")
        sql(f"INSERT INTO {table['full']} (dedup_id, msg_id, sent_at)"
            f" SELECT {old}, i, now() FROM generate_series(1, {IDS}) AS i"
            f" ORDER BY {old} COLLATE \"C\"; VACUUM (ANALYZE) {table['full']}")
        for checkpoint, sync in itertools.product(
                (False, True) if kind == "random" else (False,), SYNC):
            times = {side: [] for side in table}
            cpus = {side: [] for side in table}
            for turn in range(RUNS):
                for side in sorted(table, reverse=turn % 2 == 1):
                    salt += 1
                    queue = f"{kind}_{side}"
                    if side == "empty":
                        sql(f"TRUNCATE {table[side]}")
                    sql(f"TRUNCATE pgmq.q_{queue}")
                    script = (f"\\set n :n + 1\nSELECT * FROM pgmq.send('{queue}', :msg,"
                              f" jsonb_build_object('x-pgmq-dedup-id', {new}));\n")
                    if checkpoint:
                        sql("CHECKPOINT")
                    _, tps, cpu = pgbench(script, sync, count=calls, values=[
                        ("msg", BODY), ("n", 0), ("salt", salt)])
                    times[side].append(1e6 / tps)
                    cpus[side].append(cpu)
            ratios = ratio_of(times, "full", "empty")
            ratio = statistics.median(ratios)
            cells.append({"ids": kind, "count": IDS, "after_checkpoint": checkpoint,
                          "synchronous_commit": sync, "calls": calls, "usec": times,
                          "cpu_usec": cpus, "ratio": ratio, "target": 1.5,
                          "met": ratio <= 1.5})
            show((kind + (", checkpoint" if checkpoint else ""), sync,
                  *(f"{statistics.median(times[s]):.1f}" for s in ("full", "empty")),
                  f"{ratio:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}", "1.50",
                  verdict(ratio <= 1.5),
                  *("" if None in cpus[s] else f"{statistics.median(cpus[s]):.1f}"
                    for s in ("full", "empty")),
                  median_of(ratio_of(cpus, "full", "empty"))), widths)
        sql(f"SELECT pgmq.drop_queue('{kind}_full'), pgmq.drop_queue('{kind}_empty')")
    return cells


# ---------------------------------------------------------------------------
# A read of one message with a high priority, and the number of lower ones
# ---------------------------------------------------------------------------

def priorities():
    heading(f"Priorities: microseconds a read(1) of the highest, behind {LOWER:,} lower ones")
    widths = (4, 8, 8, 6, 12, 6, 7, 8, 8, 6)
    show(("sync", "behind", "alone", "ratio", "lowest, most", "target", "verdict", "CPU us", "alone",
          "ratio"), widths)
    cells = []
    calls = int(5000 * SECONDS)
    for side, n in ("behind", LOWER), ("alone", 0):
        sql(f"SELECT pgmq.create('{side}'), pgmq.set_policy('{side}', '{{\"priorities\": true}}');"
            f"INSERT INTO pgmq.q_{side} (message) SELECT '{BODY}' FROM generate_series(1, {n});"
            f"SELECT pgmq.send('{side}', '{BODY}', '{{\"x-pgmq-priority\": 9}}'::jsonb)"
            f" FROM generate_series(1, {calls});"
            f"VACUUM (ANALYZE) pgmq.q_{side}")
    for sync in SYNC:
        times = {"behind": [], "alone": []}
        cpus = {"behind": [], "alone": []}
        for turn in range(RUNS):
            for side in sorted(times, reverse=turn % 2 == 1):
                sql(f"UPDATE pgmq.q_{side} SET vt = now() WHERE vt > now(); VACUUM pgmq.q_{side};"
                    f"SELECT count(*) FROM pgmq.read('{side}', 0, 1)")
                _, tps, cpu = pgbench(f"SELECT * FROM pgmq.read('{side}', 600, 1);\n", sync,
                                      count=calls)
                times[side].append(1e6 / tps)
                cpus[side].append(cpu)
        ratios = ratio_of(times, "behind", "alone")
        ratio = statistics.median(ratios)
        cells.append({"lower": LOWER, "synchronous_commit": sync, "calls": calls, "usec": times,
                      "cpu_usec": cpus, "ratio": ratio, "target": 1.5, "met": ratio <= 1.5})
        show((sync, *(f"{statistics.median(times[s]):.1f}" for s in ("behind", "alone")),
              f"{ratio:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}", "1.50",
              verdict(ratio <= 1.5),
              *("" if None in cpus[s] else f"{statistics.median(cpus[s]):.1f}"
                for s in ("behind", "alone")),
              median_of(ratio_of(cpus, "behind", "alone"))), widths)
    sql("SELECT pgmq.drop_queue('behind'), pgmq.drop_queue('alone')")
    return cells


# ---------------------------------------------------------------------------
# Many readers of a queue whose policy has a rate
# ---------------------------------------------------------------------------

def readers():
    seconds = 10
    heading(f"Rate: {READERS} readers of a queue limited to {RATE} a second, for {seconds} s")
    widths = (8, 9, 12, 8, 16, 14, 8)
    show(("run", "reads/s", "target", "verdict", "share of a core", "target", "verdict"), widths)
    cells = []
    sql("SELECT pgmq.create('rated');"
        f"SELECT pgmq.set_policy('rated', '{{\"rate\": {RATE}}}')")
    for turn in range(RUNS):
        sql("TRUNCATE pgmq.q_rated")
        fill("pgmq.q_rated", RATE * (seconds + 10))
        sql("VACUUM (ANALYZE) pgmq.q_rated")
        # what it takes to connect and to plan does not belong to it
        before, children = server_cpu()
        pgbench("SELECT 1;\n" + READ_RATED, "off", clients=READERS, count=1)
        start, _ = server_cpu(children)
        pgbench(READ_RATED, "off", clients=READERS, seconds=seconds)
        end, _ = server_cpu(children)
        # without the start, when all of them connect
        count, took = sql("SELECT count(*) - 1, extract(epoch FROM max(last_read_at) - min(last_read_at))"
                          " FROM pgmq.q_rated WHERE last_read_at > (SELECT max(last_read_at) - interval '9 s'"
                          " FROM pgmq.q_rated)").split("|")
        rate = int(count) / float(took)
        share = None if end is None else ((end - start) - (start - before)) / seconds
        met = abs(rate - RATE) <= 1, share is None or share <= 0.05
        cells.append({"readers": READERS, "rate": RATE, "reads_per_second": rate, "share": share,
                      "met": all(met)})
        show((turn + 1, f"{rate:.1f}", f"{RATE} +- 1", verdict(met[0]),
              "" if share is None else f"{share:.1%}", "<= 5 %", verdict(met[1])), widths)
    sql("SELECT pgmq.drop_queue('rated')")
    return cells


# ---------------------------------------------------------------------------
# Many messages over their limit, and live ones behind them
# ---------------------------------------------------------------------------

def poison():
    heading(f"Poison: {POISON:,} messages over their limit, then live ones; one reader")
    widths = (10, 10, 8, 7, 12, 11, 10, 10)
    show(("read", "dead/s", "target", "verdict", "first live", "longest ms", "live reads",
          "median ms"), widths)
    live = 1000
    cells = []
    sql("SELECT pgmq.create('poison');"
        "SELECT pgmq.set_policy('poison', '{\"max_reads\": 3, \"dead_letter_queue\": \"graves\","
        " \"create_dead_letter_queue\": true}')")
    for qty in 1, 100:
        rates, firsts, longest, medians = [], [], [], []
        for _ in range(RUNS):
            sql(f"""
                TRUNCATE pgmq.q_poison, pgmq.q_graves RESTART IDENTITY;
                INSERT INTO pgmq.q_poison (vt, read_ct, message)
                SELECT now(), 3, '{BODY}' FROM generate_series(1, {POISON});
                INSERT INTO pgmq.q_poison (vt, message)
                SELECT now(), '{BODY}' FROM generate_series(1, {live * qty});
                VACUUM (ANALYZE) pgmq.q_poison, pgmq.q_graves;""")
            session = Session(SOCKET, "-c synchronous_commit=off")
            times, first, left = [], None, POISON
            while left > 0:
                began = time.perf_counter()
                rows = session.query(f"SELECT * FROM pgmq.read('poison', 600, {qty})")
                times.append(time.perf_counter() - began)
                if rows and first is None:
                    first = len(times)
                left = int(session.query("SELECT count(*) FROM pgmq.q_poison"
                                         " WHERE read_ct >= 3")[0][0])
            session.close()
            if int(sql("SELECT count(*) FROM pgmq.q_graves")) != POISON:
                sys.exit("poison: not all dead letters arrived")
            rates.append(POISON / sum(times))
            firsts.append(first)
            longest.append(max(times) * 1000)
            medians.append(statistics.median(times) * 1000)
        rate = statistics.median(rates)
        cells.append({"qty": qty, "messages": POISON, "dead_per_second": rates,
                      "first_live_read": firsts, "longest_ms": longest, "target": 20000,
                      "met": rate >= 20000})
        show((f"read({qty})", f"{rate:.0f}", ">= 20000", verdict(rate >= 20000),
              f"read {max(firsts)}", f"{max(longest):.1f}", len(times),
              f"{statistics.median(medians):.1f}"), widths)
    return cells


def main():
    report = prepare()
    parts = {"cost": cost, "before": before, "dedup": dedup, "poison": poison,
             "priorities": priorities, "readers": readers}
    run_parts(report, parts, PARTS, "-policies")


if __name__ == "__main__":
    main()
