#!/usr/bin/env python3
"""Measure what a call costs that goes through pgmq_router.

usage: router.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

Router and shard are databases of one server, so the CPU time of a call is that of
both.  The shard's part is measured by itself: PL/Proxy sends a statement that is not
prepared, as pgbench does with -M extended.
"""

import os
import statistics
import sys
import threading
import time

from harness import (BODY, RUNS, SECONDS, SOCKET, heading, median_of, number, pgbench, prepare,
                     ratio_of, run_parts, show, sql, verdict)
from session import Session

PARTS = os.environ.get("PARTS", "calls map wake").split()
SYNC = os.environ.get("SYNC", "off").split()[0]
DELAYED = int(os.environ.get("DELAYED", "100000"))
WAKES = int(os.environ.get("WAKES", "200"))

# a batch as a client sends it
BATCH = "{" + ",".join('"' + BODY.replace('"', '\\"') + '"' for _ in range(100)) + "}"
# statement, target of the ratio
CALLS = {
    "send": ("SELECT pgmq.send('routed', :msg::jsonb);", 4),
    "read(1)": ("SELECT * FROM pgmq.read('routed', 600, 1);", 4),
    "delete": ("SELECT pgmq.delete('routed', 1::bigint);", 4),
    "send_batch(100)": ("SELECT pgmq.send_batch('routed', :msgs::jsonb[]);", 1.8),
    "read(100)": ("SELECT * FROM pgmq.read('routed', 0, 100);", None),
}


def set_up():
    sql("DROP DATABASE IF EXISTS router", database="postgres")
    sql("CREATE DATABASE router", database="postgres")
    if sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('plproxy', 'pgmq_router')") != "2":
        sys.exit("bench/router.py: PL/Proxy (package postgresql-NN-plproxy) and pgmq_router"
                 " (make -C router install) must be installed")
    sql("CREATE EXTENSION pgmq_router CASCADE", database="router")
    sql(f"SELECT pgmq_router.add_shard('host={SOCKET} port=5432 dbname=bench')", database="router")
    sql("SELECT pgmq.create('routed')", database="router")
    # a session of the router on the shard has none of the client's settings
    sql(f"ALTER DATABASE bench SET synchronous_commit = {SYNC}")


def refill(rows):
    sql(f"""TRUNCATE pgmq.q_routed;
        INSERT INTO pgmq.q_routed (vt, message) SELECT now(), '{BODY}' FROM generate_series(1, {rows})""")
    sql("VACUUM (ANALYZE) pgmq.q_routed")


def calls():
    heading("Calls through a router: CPU us of the server")
    widths = (16, 9, 9, 9, 20, 8, 8, 12)
    show(("", "direct", "shard", "routed", "/ direct", "target", "verdict", "shard: of N"), widths)
    sides = {"direct": ("bench", ("-M", "prepared")), "shard": ("bench", ("-M", "extended")), "routed": ("router", ("-M", "prepared"))}
    cells = []
    for name, (statement, target) in CALLS.items():
        refill(50000 if name == "read(1)" else 100)
        count, _, _ = pgbench(statement, SYNC, seconds=SECONDS, values=[("msg", BODY), ("msgs", BATCH)], database="router")
        # the server's clock of CPU time is coarse, and a session of the router begins with two more of its own
        count = max(count, 1000 if "100" in name else 3000)
        cpus = {side: [] for side in sides}
        for _ in range(RUNS):
            for side, (database, mode) in sides.items():
                refill(count + 1000 if name == "read(1)" else 100)
                _, _, cpu = pgbench(statement, SYNC, count=count, values=[("msg", BODY), ("msgs", BATCH)], more=mode, database=database)
                cpus[side].append(cpu)
        ratio = ratio_of(cpus, "routed", "direct")
        middle = {side: statistics.median(values) for side, values in cpus.items()}
        met = None if target is None else statistics.median(ratio) <= target
        cells.append({"scenario": "calls", "name": name, "cpu_usec": cpus, "ratio": ratio, "target": target, "met": met})
        show((name, *(f"{middle[side]:.0f}" for side in sides), median_of(ratio), f"<= {target}" if target else "", verdict(met) if target else "",
              f"{middle['direct'] / middle['shard']:.2f}"), widths)
    print("direct: a prepared statement; shard: the shard's part of a routed call, a statement that is not prepared;\n"
          "shard of N: the throughput of N shards whose routers are elsewhere, against N servers with direct clients")
    return cells


def due_map():
    heading(f"The due map of {DELAYED} delayed messages")
    cells = []
    sizes = {}
    for name, begin in (("dense", 1), ("slot 1", (1 << 46) + 1), ("slot 127", (127 << 46) + 1)):
        sql("SELECT pgmq.drop_queue('mapped'); SELECT pgmq.create('mapped')")
        sql(f"""SELECT setval('pgmq.q_mapped_msg_id_seq', {begin}, false);
            INSERT INTO pgmq.q_mapped (vt, message) SELECT now() + '1 hour', '1' FROM generate_series(1, {DELAYED})""")
        sql("SELECT * FROM pgmq.read('mapped', 1, 1)")
        sizes[name] = int(sql("SELECT bytes FROM pgmq.engine_status() WHERE queue_name = 'mapped'"))
        ratio = sizes[name] / sizes["dense"]
        met = ratio <= 1.3
        show((name, f"{sizes[name] / 1024:.0f} kB", number(ratio), "<= 1.3", verdict(met)), (10, 10, 8, 8, 8))
        cells.append({"scenario": "map", "name": name, "bytes": sizes[name], "ratio": ratio, "met": met})
    return cells


def wake():
    heading(f"From the send of a message to its row at a waiting reader, ms, with synchronous_commit {SYNC}")
    show(("", "p50", "p99", "target", "verdict"), (10, 8, 8, 10, 8))
    cells = []
    waiters = Session(SOCKET)
    for database in ("bench", "router"):
        sql("TRUNCATE pgmq.q_routed")
        reader, sender = Session(SOCKET, database=database), Session(SOCKET, database=database)
        times, got = [], []
        for _ in range(WAKES):
            def wait():
                reader.query("SELECT msg_id FROM pgmq.read_with_poll('routed', 600, 1, 30)")
                got.append(time.perf_counter())
            thread = threading.Thread(target=wait)
            thread.start()
            while waiters.query("SELECT count(*) FROM pgmq.waiters()") != [["1"]]:
                time.sleep(0.001)
            sender.query("SELECT pgmq.send('routed', '1'::jsonb)")
            sent = time.perf_counter()
            thread.join()
            times.append(max(0, got[-1] - sent) * 1000)
        reader.close()
        sender.close()
        times.sort()
        p50 = times[len(times) // 2]
        met = p50 < 0.5
        show((database if database == "router" else "direct", f"{p50:.2f}", f"{times[len(times) * 99 // 100]:.2f}", "p50 < 0.5", verdict(met)),
             (10, 8, 8, 10, 8))
        cells.append({"scenario": "wake", "name": database, "ms": times, "met": met})
    waiters.close()
    return cells


def main():
    report = prepare()
    set_up()
    parts = {"calls": calls, "map": due_map, "wake": wake}
    run_parts(report, parts, PARTS, "-router")


if __name__ == "__main__":
    main()
