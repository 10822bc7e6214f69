"""What the parts of the benchmark share: running psql and pgbench, and showing results.

Needs nothing but Python's library, pgbench and psql.  A bare statement is
one prepared by hand.
"""

import datetime
import json
import os
import platform
import pwd
import re
import statistics
import subprocess
import sys
import time

import chart

BINDIR, SOCKET, RESULTS = sys.argv[1:4]

SECONDS = float(os.environ.get("SECONDS_PER_CELL", "1"))
RUNS = int(os.environ.get("RUNS", "5"))
CLIENTS = int(os.environ.get("CLIENTS", "4"))

BODY = json.dumps({"order": 4711, "kind": "invoice", "to": "someone@example.com",
                   "lines": [1, 2, 3]})
COLUMNS = "msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers"

# The bare statements get the best plan there is: made once, and held to the
# index, as pgmq_c holds its own.
BEST_PLAN = ("-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
             " -c enable_sort=off -c enable_bitmapscan=off")


def setting(name, default):
    return type(default)(os.environ.get(name, default))


def run(args, stdin=None, options=None, database="bench"):
    env = dict(os.environ, PGHOST=SOCKET, PGPORT="5432", PGUSER="postgres", PGDATABASE=database)
    if options:
        env["PGOPTIONS"] = options
    done = subprocess.run([f"{BINDIR}/{args[0]}"] + args[1:], input=stdin, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)[:200]}\n{stdin or ''}\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if args[0] == "pgbench" else "")


def sql(text, database="bench", options=None):
    return run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
               stdin=text, options=options, database=database).strip()


def server_cpu(children=None):
    """Seconds of CPU that the ended backends used, and the processes still there.

    With the processes that were there before, waits until the others have ended.
    (None, None) where there is no /proc.
    """
    try:
        with open(f"{SOCKET}/data/postmaster.pid") as file:
            postmaster = int(file.readline())
        for _ in range(500):
            with open(f"/proc/{postmaster}/task/{postmaster}/children") as file:
                now = set(file.read().split())
            if children is None or now <= children:
                break
            time.sleep(0.002)
        with open(f"/proc/{postmaster}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK"), now
    except OSError:
        return None, None


def pgbench(script, sync, clients=1, seconds=None, count=None, best_plan=False, values=(),
            settings="", more=(), progress=None, database="bench"):
    """Runs a script; more are further arguments of pgbench.

    With progress = (seconds, list), appends (time, transactions a second) to the
    list for each interval of so many seconds.

    Returns (transactions, transactions a second, the server's CPU microseconds a
    transaction, None when not known).
    """
    path = f"{SOCKET}/script.sql"
    with open(path, "w") as out:
        out.write(script)
    args = ["pgbench", "-n", "-M", "prepared", "-f", path, "-c", str(clients),
            "-j", str(min(clients, os.cpu_count() or 1))]
    args += ["-T", str(max(1, round(seconds)))] if seconds else ["-t", str(count)]
    for name, value in values:
        args += ["-D", f"{name}={value}"]
    args += more
    if progress:
        args += ["-P", str(progress[0])]
    options = f"-c synchronous_commit={sync} {settings}" + (" " + BEST_PLAN if best_plan else "")
    before, children = server_cpu()
    out = run(args, options=options, database=database)
    after, _ = server_cpu(children)
    if progress:
        progress[1].extend((float(at), float(tps)) for at, tps in
                           re.findall(r"^progress: ([\d.]+) s, ([\d.]+) tps", out, re.M))
    if "aborted" in out:
        sys.exit(f"{script}\n{out}")
    done = int(re.search(r"actually processed: (\d+)", out).group(1))
    return (done, float(re.search(r"^tps = ([\d.]+)", out, re.M).group(1)),
            None if after is None else (after - before) * 1e6 / done)


def steady(script, sync, clients, seconds=None, **how):
    """Transactions a second in the second half, when all have connected and planned.

    With the server's CPU microseconds of one, over the whole run.
    """
    intervals = []
    _, _, cpu = pgbench(script, sync, clients=clients, progress=(1, intervals),
                        seconds=seconds or SECONDS + 2 + clients // 64, **how)
    rates = [rate for _, rate in intervals]
    return statistics.mean(rates[len(rates) // 2:]), cpu


def for_queue(script, queue):
    """A script written for the queue bench, on another one."""
    return script.replace("'bench'", f"'{queue}'").replace("q_bench", f"q_{queue}")


def fill(table, rows, vt="now()"):
    sql(f"INSERT INTO {table} (vt, message)"
        f" SELECT {vt}, '{BODY}' FROM generate_series(1, {rows})")


def refill(table, rows):
    sql(f"TRUNCATE {table} RESTART IDENTITY")
    fill(table, rows)
    sql(f"VACUUM (ANALYZE) {table}")


def autovacuum(value):
    sql(f"ALTER SYSTEM SET autovacuum = {value}")
    sql("SELECT pg_reload_conf()")


def restart():
    """Restarts the server, which forgets what it had in memory."""
    owner = pwd.getpwuid(os.stat(f"{SOCKET}/data").st_uid).pw_name
    user = ["runuser", "-u", owner, "--"] if os.geteuid() == 0 else []
    subprocess.run(user + [f"{BINDIR}/pg_ctl", "-D", f"{SOCKET}/data", "-l",
                           f"{SOCKET}/server.log", "-w", "-t", "600", "-m", "fast", "restart"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


# ---------------------------------------------------------------------------
# Output
# ---------------------------------------------------------------------------

def show(table, widths):
    """A row on the terminal: first column to the left, the others to the right."""
    print("  ".join(f"{str(cell):<{w}}" if i == 0 else f"{str(cell):>{w}}"
                    for i, (cell, w) in enumerate(zip(table, widths))), flush=True)


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def ratio_of(sides, ours, other):
    """The ratios of each turn, or None."""
    if None in sides[ours] or 0 in sides[other]:
        return None
    return [a / b for a, b in zip(sides[ours], sides[other])]


def median_of(ratios):
    return "" if ratios is None else f"{statistics.median(ratios):.2f}"


def median_ratio(ours, others):
    """The median of the ratios of each turn; None where they are not known."""
    if None in ours or None in others or 0 in others:
        return None
    return statistics.median(a / b for a, b in zip(ours, others))


def number(value, form="{:.2f}"):
    return "" if value is None else form.format(value)


def cell(scenario, name, results, met, **more):
    return dict(scenario=scenario, cell=name, results=results, met=met, **more)


def verdict(met):
    return "met" if met else "MISSED"


# ---------------------------------------------------------------------------
# The bare statements
# ---------------------------------------------------------------------------

NEXT = ("ARRAY(SELECT msg_id FROM pgmq.q_bench WHERE vt <= clock_timestamp()"
        " ORDER BY msg_id LIMIT :qty FOR UPDATE SKIP LOCKED)")
BARE_READ = (f"UPDATE pgmq.q_bench SET vt = clock_timestamp() + :vt * interval '1 second',"
             f" read_ct = read_ct + 1, last_read_at = clock_timestamp()"
             f" WHERE msg_id = ANY ({NEXT}) AND vt <= clock_timestamp() RETURNING {COLUMNS};")
BARE_DELETE = "DELETE FROM pgmq.q_bench WHERE msg_id = :id;"
BARE_SEND = ("INSERT INTO pgmq.q_bench (vt, message) VALUES (clock_timestamp(), :msg)"
             " RETURNING msg_id;")

# send + read + delete, each its own statement; a read may find that others
# have just taken all that it saw, and then there is nothing to delete
CYCLES = {
    "pgmq_c": ("\\set id 0\n"
               "SELECT * FROM pgmq.send('bench', :msg);\n"
               "SELECT msg_id AS id FROM pgmq.read('bench', 30, 1) \\aset\n"
               "SELECT pgmq.delete('bench', :id::bigint);\n"),
    "bare": ("\\set id 0\n" + BARE_SEND + "\n" +
             BARE_READ.replace(":qty", "1").replace(":vt", "30").replace(
                 f"RETURNING {COLUMNS};", f"RETURNING msg_id AS id, {COLUMNS} \\aset\n") +
             BARE_DELETE + "\n"),
    "plpgsql": ("\\set id 0\n"
                "SELECT * FROM peer.send('bench', :msg);\n"
                "SELECT msg_id AS id FROM peer.read('bench', 30, 1) \\aset\n"
                "SELECT peer.delete('bench', :id::bigint);\n"),
}
BACKLOG = 1000      # so that no client finds the queue empty


# ---------------------------------------------------------------------------
# One session of psql, statement by statement
# ---------------------------------------------------------------------------

class Script:
    """Collects statements for one session; explain() marks those to be measured."""

    def __init__(self):
        self.lines, self.labels = [], []

    def run(self, text):
        self.lines.append(text.rstrip(";") + ";")

    def explain(self, label, text, times=1):
        for _ in range(times):
            self.labels.append(label)
            self.lines.append(f"\\echo @@\nEXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)"
                              f" {text};\n\\echo @@")

    def measure(self):
        """Returns label -> list of (milliseconds, buffers, rows)."""
        parts = sql("\\o /dev/null\n" + "\n".join(self.lines)
                    .replace("\\echo @@\nEXPLAIN", "\\o\n\\echo @@\nEXPLAIN")
                    .replace(";\n\\echo @@", ";\n\\echo @@\n\\o /dev/null")).split("@@")[1::2]
        result = {}
        for label, part in zip(self.labels, parts):
            top = json.loads(part)[0]
            plan = top["Plan"]
            result.setdefault(label, []).append(
                (top["Execution Time"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
                 plan["Actual Rows"]))
        return result


# ---------------------------------------------------------------------------
# Begin and end
# ---------------------------------------------------------------------------

def prepare():
    """Makes the database, with both kinds of queue; returns what to report of the machine."""
    sql("DROP DATABASE IF EXISTS bench", database="postgres")
    sql("CREATE DATABASE bench", database="postgres")
    sql("CREATE EXTENSION pgmq_c; SELECT pgmq.create('bench')")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer.sql")) as peer:
        sql(peer.read())
    sql("SELECT peer.create_queue('bench')")

    settings = dict(line.split("|") for line in sql(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes',"
        " 'shared_buffers', 'wal_sync_method', 'max_wal_size', 'jit', 'server_version',"
        " 'shared_preload_libraries')").splitlines())
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", SOCKET], stdout=subprocess.PIPE,
                                text=True).stdout.strip()
    layout = sql("SELECT array_to_string(reloptions, ', ') FROM pg_class"
                 " WHERE oid = 'pgmq.q_bench'::regclass")
    print(f"PostgreSQL {settings['server_version']}, {os.cpu_count()} CPUs, data on {filesystem},"
          f" fsync {settings['fsync']}, full_page_writes {settings['full_page_writes']},"
          f" shared_buffers {int(settings['shared_buffers']) // 128} MB,"
          f" pgmq_c {'' if settings['shared_preload_libraries'] else 'not '}preloaded;"
          f" {RUNS} runs of {SECONDS:g} s")
    print(f"queue table: {layout or 'no storage parameters'}")
    print(f"message: {len(BODY)} bytes; bare statements: generic plan, held to the index")
    return {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": platform.machine(), "cpus": os.cpu_count(), "filesystem": filesystem,
            "settings": settings, "reloptions": layout, "runs": RUNS,
            "seconds_per_cell": SECONDS}


def run_parts(report, parts, chosen, suffix, prefix=""):
    """Runs those parts of a scenario, by name, that were chosen, and writes the report; prefix
    tells its parts from another scenario's of the same name."""
    chosen = [part for part in chosen if part in parts]
    for part in chosen:
        begun = time.monotonic()
        report[prefix + part] = parts[part]()
        print(f"    ({time.monotonic() - begun:.0f} s)")
    finish(report, [prefix + part for part in chosen], suffix)


def finish(report, parts, suffix=""):
    """Writes the report, a list of cells for each part."""
    missed = [c for part in parts for c in report[part] if c["met"] is False]
    path = os.path.join(RESULTS, report["when"].replace(":", "").replace("+0000", "Z")
                        + suffix + ".json")
    with open(path, "w") as out:
        json.dump(report, out, indent=1)
    for name, draw in chart.CHARTS.items():
        drawn = draw(report) if report.get(name) else None
        if drawn:
            with open(f"{path[:-5]}-{name}.svg", "w") as out:
                print(drawn, file=out)
    print(f"\n{len(missed)} of {sum(len(report[p]) for p in parts)} cells missed their target;"
          f" all runs are in {os.path.relpath(path)}")
