#!/usr/bin/env python3
"""Measure pgmq_c beside the bare statements it is made of, and beside PL/pgSQL.

usage: bench.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

Needs nothing but Python's library, pgbench and psql.  The sides of a cell take
turns, on fresh data each time; a ratio is the median of the ratios of each turn,
so that a machine that slows down for a while slows down both.  The tables
show afterwards how much a run did.  Losing cells are shown like the others.
"""

import os
import statistics
import sys

from harness import (BARE_DELETE, BARE_READ, BARE_SEND, BACKLOG, BODY, CLIENTS, COLUMNS, CYCLES,
                     NEXT, RUNS, SECONDS, Script, finish, heading, median_of, pgbench, prepare,
                     ratio_of, show, sql, verdict)

ALL_PARTS = "verbs cycles groups plans"
PARTS = [part for part in os.environ.get("PARTS", ALL_PARTS).split() if part in ALL_PARTS.split()]
SYNC = os.environ.get("SYNC", "on off").split()
VERBS = os.environ.get("VERBS", "").split()


# ---------------------------------------------------------------------------
# Each verb against the same statement prepared by hand
# ---------------------------------------------------------------------------

STEP = "\\set id :id + 1\n"

BATCH = "{" + ",".join('"' + BODY.replace('"', '\\"') + '"' for _ in range(100)) + "}"

# name, messages before a run (None: those of a consuming verb), function, bare
# statement, messages a call, highest ratio allowed, what proves the work was done
VERB_CELLS = [
    ("send", 0,
     "SELECT * FROM pgmq.send('bench', :msg);", BARE_SEND,
     1, 1.10, "SELECT count(*) FROM pgmq.q_bench"),
    ("send_batch(100)", 0,
     "SELECT * FROM pgmq.send_batch('bench', :msgs::jsonb[]);",
     "INSERT INTO pgmq.q_bench (vt, message) SELECT clock_timestamp(), m"
     " FROM unnest(:msgs::jsonb[]) AS m RETURNING msg_id;",
     100, 1.10, "SELECT count(*) FROM pgmq.q_bench"),
    ("read(1)", 10000,
     "SELECT * FROM pgmq.read('bench', :vt, :qty);", BARE_READ,
     1, 1.00, "SELECT sum(read_ct) FROM pgmq.q_bench"),
    ("read(100)", 10000,
     "SELECT * FROM pgmq.read('bench', :vt, :qty);", BARE_READ,
     100, 1.00, "SELECT sum(read_ct) FROM pgmq.q_bench"),
    ("pop", None,
     "SELECT * FROM pgmq.pop('bench', :qty);",
     f"DELETE FROM pgmq.q_bench WHERE msg_id = ANY ({NEXT}) AND vt <= clock_timestamp()"
     f" RETURNING {COLUMNS};",
     1, 1.00, "SELECT :rows - count(*) FROM pgmq.q_bench"),
    ("delete", None,
     STEP + "SELECT pgmq.delete('bench', :id::bigint);", STEP + BARE_DELETE,
     1, 1.00, "SELECT :rows - count(*) FROM pgmq.q_bench"),
    ("archive", None,
     STEP + "SELECT pgmq.archive('bench', :id::bigint);",
     STEP + f"WITH gone AS (DELETE FROM pgmq.q_bench WHERE msg_id = :id RETURNING {COLUMNS})"
     f" INSERT INTO pgmq.a_bench ({COLUMNS}) SELECT {COLUMNS} FROM gone;",
     1, 1.00, "SELECT count(*) FROM pgmq.a_bench"),
    ("set_vt", None,
     STEP + "SELECT * FROM pgmq.set_vt('bench', :id::bigint, :vt::integer);",
     STEP + f"UPDATE pgmq.q_bench SET vt = clock_timestamp() + :vt * interval '1 second'"
     f" WHERE msg_id = :id RETURNING {COLUMNS};",
     1, 1.00, "SELECT count(*) FROM pgmq.q_bench WHERE vt > clock_timestamp()"),
]

# Enough for the fastest consuming verb; a run that would need more is shortened.
ROWS = max(10000, int(30000 * SECONDS))


def refill(rows):
    sql(f"""
        TRUNCATE pgmq.q_bench, pgmq.a_bench RESTART IDENTITY;
        INSERT INTO pgmq.q_bench (vt, message)
        SELECT now(), '{BODY}' FROM generate_series(1, {rows});
        VACUUM (ANALYZE) pgmq.q_bench, pgmq.a_bench;""")


def verbs():
    heading("Verbs: one client, microseconds a call")
    widths = (15, 4, 8, 8, 6, 12, 6, 7, 9, 7)
    show(("verb", "sync", "pgmq_c", "bare", "ratio", "lowest, most", "limit", "verdict",
          "CPU ratio", "calls"), widths)
    cells = []
    for name, rows, ours, bare, messages, limit, proof in VERB_CELLS:
        if VERBS and name not in VERBS:
            continue
        rows = ROWS if rows is None else rows
        vt = 3600 if name == "set_vt" else 0        # 0: a read message can be read again
        values = [("id", 0), ("vt", vt), ("qty", messages), ("msg", BODY), ("msgs", BATCH)]
        sides = {"pgmq_c": ours, "bare": bare}
        for sync in SYNC:
            def measure(side, **how):
                refill(rows)
                count, tps, cpu = pgbench(sides[side], sync, best_plan=True, values=values,
                                          **how)
                done = int(sql(proof.replace(":rows", str(rows))) or 0)
                expected = count * messages
                if rows == ROWS:
                    expected = min(expected, rows)
                if done != expected:
                    sys.exit(f"{name}, {side}: {count} calls did {done} messages,"
                             f" not {expected}")
                return count, 1e6 / tps, cpu

            # a first run, not counted, tells how many calls fill the time
            count = measure("bare", seconds=SECONDS)[0]
            if rows == ROWS:
                count = min(count, rows)
            times = {side: [] for side in sides}
            cpus = {side: [] for side in sides}
            for turn in range(RUNS):
                for side in sorted(sides, reverse=turn % 2 == 1):
                    _, usec, cpu = measure(side, count=count)
                    times[side].append(usec)
                    cpus[side].append(cpu)
            a, b = (statistics.median(times[side]) for side in ("pgmq_c", "bare"))
            ratios = ratio_of(times, "pgmq_c", "bare")
            ratio = statistics.median(ratios)
            cells.append({"verb": name, "synchronous_commit": sync, "calls": count,
                          "usec": times, "cpu_usec": cpus, "median": {"pgmq_c": a, "bare": b},
                          "ratio": ratio, "limit": limit, "met": ratio <= limit})
            show((name, sync, f"{a:.1f}", f"{b:.1f}", f"{ratio:.2f}",
                  f"{min(ratios):.2f} .. {max(ratios):.2f}", f"{limit:.2f}",
                  verdict(ratio <= limit), median_of(ratio_of(cpus, "pgmq_c", "bare")), count),
                 widths)
    return cells


# ---------------------------------------------------------------------------
# send + read + delete, several clients
# ---------------------------------------------------------------------------

def cycles():
    heading(f"Cycles: {CLIENTS} clients, send + read + delete a second, each its own statement")
    widths = (7, 8, 8, 8, 9, 12, 7, 7, 11, 14)
    show(("sync", "pgmq_c", "bare", "plpgsql", "/ bare", "/ plpgsql", "target", "verdict",
          "CPU: / bare", "CPU: / plpgsql"), widths)
    cells = []
    sql("ALTER SYSTEM SET autovacuum = on")
    sql("SELECT pg_reload_conf()")
    for sync in SYNC:
        rates = {side: [] for side in CYCLES}
        cpus = {side: [] for side in CYCLES}
        for turn in range(RUNS):
            for side in sorted(CYCLES, reverse=turn % 2 == 1):
                table = "peer.q_bench" if side == "plpgsql" else "pgmq.q_bench"
                sql(f"""
                    TRUNCATE {table} RESTART IDENTITY;
                    INSERT INTO {table} (vt, message)
                    SELECT now(), '{BODY}' FROM generate_series(1, {BACKLOG});
                    VACUUM (ANALYZE) {table};""")
                _, rate, cpu = pgbench(CYCLES[side], sync, clients=CLIENTS,
                                       seconds=2 * SECONDS, best_plan=side == "bare",
                                       values=[("msg", BODY)])
                rates[side].append(rate)
                cpus[side].append(cpu)
                left = int(sql(f"SELECT count(*) FROM {table}"))
                if left != BACKLOG:
                    sys.exit(f"cycles, {side}: {left} messages left, not {BACKLOG}")
        median = {side: statistics.median(rates[side]) for side in CYCLES}
        to = {side: statistics.median(ratio_of(rates, "pgmq_c", side)) for side in CYCLES}
        met = to["plpgsql"] >= 3
        cells.append({"synchronous_commit": sync, "clients": CLIENTS, "per_second": rates,
                      "cpu_usec": cpus, "median": median, "to_bare": to["bare"], "to_plpgsql": to["plpgsql"],
                      "target": 3.0, "met": met})
        show((sync, *(f"{median[side]:.0f}" for side in ("pgmq_c", "bare", "plpgsql")),
              f"{to['bare']:.2f}", f"{to['plpgsql']:.2f}", ">= 3", verdict(met),
              median_of(ratio_of(cpus, "bare", "pgmq_c")),
              median_of(ratio_of(cpus, "plpgsql", "pgmq_c"))), widths)
    sql("ALTER SYSTEM RESET autovacuum")
    sql("SELECT pg_reload_conf()")
    return cells


def groups():
    heading("Groups: milliseconds a call")
    widths = (64, 8, 8, 9, 9, 8, 7)
    show(("100,000 messages in 1,000 groups", "first", "median", "buffers", "messages",
          "target", "verdict"), widths)
    cells = []

    def cell(name, count, group_count, call, before=None, times=11, target=10,
             group="i % {groups}"):
        sql(f"""
            TRUNCATE pgmq.q_groups RESTART IDENTITY;
            INSERT INTO pgmq.q_groups (vt, message, headers)
            SELECT now(), '{BODY}', jsonb_build_object('x-pgmq-group',
                'g' || {group.format(groups=group_count)})
            FROM generate_series(0, {count - 1}) AS i;
            VACUUM (ANALYZE) pgmq.q_groups;""")
        script = Script()
        if before:
            script.run(before)
        script.explain("call", call, times)
        got = script.measure()["call"]
        first, later = got[0], got[1:] or got
        ms = statistics.median(t for t, _, _ in later)
        buffers = statistics.median(b for _, b, _ in later)
        rows = statistics.median(r for _, _, r in later)
        met = ms < target if target else None
        cells.append({"cell": name, "groups": group_count, "messages": count,
                      "milliseconds": [t for t, _, _ in got], "buffers": [b for _, b, _ in got],
                      "rows": [r for _, _, r in got], "median": ms, "target": target, "met": met})
        show((name, f"{first[0]:.2f}", f"{ms:.2f}", f"{buffers:.0f}", f"{rows:.0f}",
              f"< {target}" if target else "", verdict(met) if target else ""), widths)

    sql("SELECT pgmq.create('groups'); SELECT pgmq.create_fifo_index('groups')")
    forms = ("read_grouped", "read_grouped_rr", "read_grouped_head")
    for form in forms:
        for qty in 1, 10, 100:
            cell(f"{form}({qty})", 100000, 1000, f"SELECT * FROM pgmq.{form}('groups', 60, {qty})",
                 times=11 if qty < 100 else 6)
    for form in forms:
        cell(f"{form}(1), 900 groups leased", 100000, 1000,
             f"SELECT * FROM pgmq.{form}('groups', 60, 1)",
             before="SELECT count(*) FROM pgmq.read_grouped_head('groups', 600, 900)")
    for form in forms:
        cell(f"{form}(1), 900 leased, groups one behind the other", 100000, 1000,
             f"SELECT * FROM pgmq.{form}('groups', 60, 1)", group="i * {groups} / 100000",
             before="SELECT count(*) FROM pgmq.read_grouped_head('groups', 600, 900)")
    for form in forms:
        cell(f"{form}(1), first 50,000 messages one leased group", 100000, 1000,
             f"SELECT * FROM pgmq.{form}('groups', 60, 1)",
             group="CASE WHEN i < 50000 THEN 0 ELSE i % {groups} END",
             before="SELECT count(*) FROM pgmq.read_grouped_head('groups', 600, 1)")
    show(("30,000 groups of one message", "", "", "", "", "", ""), widths)
    for form in forms:
        cell(f"{form}(100)", 30000, 30000, f"SELECT * FROM pgmq.{form}('groups', 60, 100)")
    for form in forms:
        cell(f"{form}(30000), all in one call", 30000, 30000,
             f"SELECT * FROM pgmq.{form}('groups', 60, 30000)", times=1, target=None)
    return cells


def plans():
    heading("Plans: the first calls find the queue empty, then 100,000 messages come")
    widths = (36, 10, 10, 10, 9)
    show(("one session, medians of 5", "ms", "buffers", "target", "verdict"), widths)
    cells = []
    bare_read = BARE_READ.replace("q_bench", "q_plans").replace(":qty", "$2").replace(":vt", "$1")
    cases = {
        "read(1)": (None, "SELECT * FROM pgmq.read('plans', 60, 1)"),
        "pop": (None, "SELECT * FROM pgmq.pop('plans')"),
        "delete": (None, "SELECT pgmq.delete('plans', (:step)::bigint)"),
        "archive": (None, "SELECT pgmq.archive('plans', (:step)::bigint)"),
        "set_vt": (None, "SELECT * FROM pgmq.set_vt('plans', (:step)::bigint, 60)"),
        "bare read(1), server's defaults": (
            f"PREPARE bare(integer, integer) AS {bare_read}", "EXECUTE bare(60, 1)"),
    }
    for name, (prepare, call) in cases.items():
        sql("SELECT pgmq.drop_queue('plans') WHERE EXISTS"
            " (SELECT FROM pgmq.list_queues() WHERE queue_name = 'plans')")
        # a queue that was drained and vacuumed: no pages, and known to have no rows
        sql(f"""
            SELECT pgmq.create('plans');
            INSERT INTO pgmq.q_plans (vt, message) VALUES (now(), '{BODY}');
            DELETE FROM pgmq.q_plans;
            VACUUM (ANALYZE) pgmq.q_plans;""")
        script = Script()
        if prepare:
            script.run(prepare)
        for _ in range(8):
            script.run(call.replace(":step", "0"))
        script.run(f"INSERT INTO pgmq.q_plans (vt, message)"
                   f" SELECT now(), '{BODY}' FROM generate_series(1, 100000)")
        step = 0
        for stage in "after 100,000 INSERTs", "after ANALYZE", "after VACUUM ANALYZE":
            if stage.startswith("after VACUUM"):
                script.run("VACUUM (ANALYZE) pgmq.q_plans")
            elif stage.startswith("after ANALYZE"):
                script.run("ANALYZE pgmq.q_plans")
            for _ in range(5):
                step += 1
                script.explain(stage, call.replace(":step", str(50000 + 1000 * step)))
        for stage, got in script.measure().items():
            ms = statistics.median(t for t, _, _ in got)
            buffers = statistics.median(b for _, b, _ in got)
            target = None if prepare else 100
            cells.append({"call": name, "stage": stage, "milliseconds": [t for t, _, _ in got],
                          "buffers": [b for _, b, _ in got], "target": target,
                          "met": buffers < target if target else None})
            show((f"{name}, {stage}" if len(name) < 10 else stage + " (bare)",
                  f"{ms:.3f}", f"{buffers:.0f}", f"< {target}" if target else "",
                  verdict(buffers < target) if target else ""), widths)
    return cells


def main():
    if not PARTS:
        return
    report = prepare()
    parts = {"verbs": verbs, "cycles": cycles, "groups": groups, "plans": plans}
    for part in PARTS:
        report[part] = parts[part]()
    finish(report, PARTS)


if __name__ == "__main__":
    main()
