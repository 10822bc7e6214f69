#!/usr/bin/env python3
"""Measure other queues beside pgmq_c, each by its own public API.

usage: peers.py BINDIR SOCKET_DIRECTORY RESULTS_DIRECTORY     (run.sh calls it)

A row for each queue, a column for each scenario.  A queue that is not there, or
that has nothing of the kind, is a cell that says so.  Every queue has a database
of its own, and a pinned snapshot is one of that database.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time

os.environ.setdefault("RUNS", "1")

from harness import (BARE_READ, BACKLOG, BODY, CLIENTS, RUNS, SOCKET, finish, heading, pgbench,
                     prepare, setting, show, sql)
from session import Session


SYNC = os.environ.get("SYNC", "off").split()[0]
PEERS = os.environ.get(
    "PEERS", "pgmq_c,bare,PGMQ,PGMQ's layout,PgQ,pg-boss,graphile-worker,worker").split(",")
PEER_SECONDS = setting("PEER_SECONDS", 5)
PEER_PINNED_SECONDS = setting("PEER_PINNED_SECONDS", 20)
PEER_DELAYED = setting("PEER_DELAYED", 1000000)
PEER_DRAIN = setting("PEER_DRAIN", 20000)
PEER_JOBS_AT_ONCE = setting("PEER_JOBS_AT_ONCE", 10)
PEER_WAKES = setting("PEER_WAKES", 20)
PGMQ_SQL = os.environ.get("PGMQ_SQL", "")
HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 100


class Missing(Exception):
    """Why a cell has no figure."""


def rates_of(times, seconds, step):
    """Rates of each step from (seconds since the start, count)."""
    rates = [0.0] * int(seconds // step)
    for at, count in times:
        if at < len(rates) * step:
            rates[int(at // step)] += count / step
    return rates


# ---------------------------------------------------------------------------
# Queues whose API is SQL
# ---------------------------------------------------------------------------

class Sql:
    """send, read and delete as PGMQ has them, in a schema of some database."""

    def __init__(self, database="bench", schema="pgmq"):
        self.database, self.schema = database, schema
        self.table = f"{schema}.q_bench"
        self.best_plan = False

    version = ""
    clients = CLIENTS

    def sql(self, text):
        return sql(text, database=self.database)

    def fill(self, count, delay=0):
        self.sql(f"INSERT INTO {self.table} (vt, message) SELECT clock_timestamp()"
                 f" + {delay} * interval '1 second', '{BODY}' FROM generate_series(1, {count})")

    def empty(self):
        self.sql(f"TRUNCATE {self.table} RESTART IDENTITY")

    def vacuum(self):
        self.sql(f"VACUUM (ANALYZE) {self.table}")

    def one(self):
        s = self.schema
        return ("\\set id 0\n"
                f"SELECT * FROM {s}.send('bench', :msg);\n"
                f"SELECT msg_id AS id FROM {s}.read('bench', 30, 1) \\aset\n"
                f"SELECT {s}.delete('bench', :id::bigint);\n")

    def take(self):
        s = self.schema
        return (f"SELECT coalesce(array_agg(msg_id), '{{}}')::text AS ids FROM {s}.read('bench', 30, {BATCH}) \\gset\n"
                f"SELECT count(*) FROM {s}.delete('bench', :ids::bigint[]);\n")

    def many(self):
        return (f"SELECT count(*) FROM {self.schema}.send_batch('bench',"
                f" array_fill(:msg::jsonb, ARRAY[{BATCH}]));\n" + self.take())

    def pgbench(self, script, **how):
        return pgbench(script, SYNC, clients=CLIENTS, best_plan=self.best_plan,
                       values=[("msg", BODY)], database=self.database, **how)[1]

    def cycles(self, seconds, batch, step=1):
        intervals = []
        self.pgbench(self.one() if batch == 1 else self.many(), seconds=seconds,
                     progress=(step, intervals))
        return [batch * rate for _, rate in intervals]

    def rate(self, seconds, batch):
        """Messages a second in the second half, when all have connected and planned."""
        rates = self.cycles(seconds, batch)
        return statistics.mean(rates[len(rates) // 2:])

    def drain(self, count):
        done = self.pgbench(self.take(), count=count // BATCH // CLIENTS)
        left = int(self.sql(f"SELECT count(*) FROM {self.table}"))
        if left > CLIENTS * BATCH:
            sys.exit(f"drain of {self.schema}: {left} messages left")
        return BATCH * done

    def wake(self, count):
        took = []
        reader = Session(SOCKET, database=self.database)
        sender = Session(SOCKET, f"-c synchronous_commit={SYNC}", database=self.database)
        for _ in range(count):
            reader.send(f"SELECT msg_id FROM {self.schema}.read_with_poll('bench', 30, 1, 30, 100)")
            while not sender.query(f"SELECT FROM pg_stat_activity WHERE pid = {reader.pid}"
                                   " AND (wait_event_type = 'Extension' OR wait_event = 'PgSleep')"):
                time.sleep(0.001)
            time.sleep(random.random() / 10)        # not in step with what polls
            begun = time.monotonic()
            sender.query(f"SELECT {self.schema}.send('bench', '{BODY}')")
            (msg_id,), = reader.receive()
            took.append(1000 * (time.monotonic() - begun))
            sender.query(f"SELECT {self.schema}.delete('bench', {msg_id}::bigint)")
        reader.close()
        sender.close()
        return took


class Ours(Sql):
    def __init__(self):
        super().__init__()
        self.version = sql("SELECT extversion FROM pg_extension WHERE extname = 'pgmq_c'")


class Bare(Sql):
    """The statements prepared by hand, on a table without our trigger."""

    def __init__(self):
        super().__init__(schema="bare")
        self.best_plan = True
        sql("CREATE SCHEMA bare; CREATE TABLE bare.q_bench (LIKE pgmq.q_bench INCLUDING ALL)")
        sql("SELECT format('ALTER TABLE bare.q_bench SET (%s)', array_to_string(reloptions, ', '))"
            " FROM pg_class WHERE oid = 'pgmq.q_bench'::regclass AND reloptions IS NOT NULL"
            " \\gexec")

    def read(self, count):
        return (BARE_READ.replace("pgmq.", "bare.").replace(":qty", str(count))
                .replace(":vt", "30").rstrip(";"))

    send = "INSERT INTO bare.q_bench (vt, message) "

    def one(self):
        return ("\\set id 0\n" + self.send + "VALUES (clock_timestamp(), :msg) RETURNING msg_id;\n" +
                self.read(1).replace("RETURNING msg_id", "RETURNING msg_id AS id") + " \\aset\n"
                "DELETE FROM bare.q_bench WHERE msg_id = :id;\n")

    def take(self):
        return (f"WITH got AS ({self.read(BATCH)}) SELECT coalesce(array_agg(msg_id), '{{}}')::text AS ids FROM got"
                " \\gset\nDELETE FROM bare.q_bench WHERE msg_id = ANY (:ids::bigint[]);\n")

    def many(self):
        return (self.send + "SELECT clock_timestamp(), :msg::jsonb FROM"
                f" generate_series(1, {BATCH}) RETURNING msg_id;\n" + self.take())

    def wake(self, count):
        raise Missing("no waiting")


class Layout(Sql):
    def __init__(self):
        super().__init__(schema="peer")


class Pgmq(Sql):
    """PGMQ itself: the SQL file of its extension, loaded as its manual says."""

    def __init__(self):
        if not PGMQ_SQL:
            raise Missing("PGMQ_SQL not given")
        if not os.path.isfile(PGMQ_SQL):
            raise Missing(f"no file {PGMQ_SQL}")
        super().__init__(database="bench_pgmq")
        sql("CREATE DATABASE bench_pgmq")
        with open(PGMQ_SQL) as file:
            text = file.read()
        self.sql("CREATE SCHEMA IF NOT EXISTS pgmq;\n" + text)
        self.sql("SELECT pgmq.create('bench')")
        self.version = os.path.basename(PGMQ_SQL)


class PgQ(Sql):
    """Events; one consumer, which takes what came between two ticks."""

    clients = f"{CLIENTS} senders, 1 consumer"

    def __init__(self):
        if not sql("SELECT 1 FROM pg_available_extensions WHERE name = 'pgq'"):
            raise Missing("not installed")
        super().__init__(database="bench_pgq")
        sql("CREATE DATABASE bench_pgq")
        self.sql("CREATE EXTENSION pgq; SELECT pgq.create_queue('bench');"
                 " SELECT pgq.register_consumer('bench', 'bench')")
        self.version = self.sql("SELECT extversion FROM pg_extension WHERE extname = 'pgq'")
        self.session = Session(SOCKET, f"-c synchronous_commit={SYNC}", database=self.database)

    def batch(self):
        """Takes a batch; its events' number, None when there is none."""
        (batch,), = self.session.query("SELECT pgq.next_batch('bench', 'bench')")
        if batch is None:
            return None
        rows = self.session.query(f"SELECT * FROM pgq.get_batch_events({batch})")
        self.session.query(f"SELECT pgq.finish_batch({batch})")
        return len(rows)

    def fill(self, count, delay=0):
        if delay:
            raise Missing("no delay")
        for left in range(count, 0, -5000):
            self.sql(f"SELECT count(pgq.insert_event('bench', 'job', '{BODY}'))"
                     f" FROM generate_series(1, {min(left, 5000)})")
            self.tick()

    def tick(self):
        self.sql("SELECT pgq.force_tick('bench')")
        self.sql("SELECT pgq.ticker('bench')")

    def empty(self):
        self.tick()
        while self.batch() is not None:
            pass

    def vacuum(self):
        pass

    def run(self, seconds, batch):
        """(seconds since the start, events) for each batch, until all are consumed."""
        done, times = threading.Event(), []
        begun = time.monotonic()

        def tick():
            session = Session(SOCKET, database=self.database)
            while not done.wait(1):                 # pgqd's ticker_period
                session.query("SELECT pgq.ticker()")
            session.close()

        def consume():
            while True:
                count = self.batch()
                if count is not None:
                    times.append((time.monotonic() - begun, count))
                elif done.is_set():
                    break
                else:
                    time.sleep(0.05)

        ticker = threading.Thread(target=tick)
        consumer = threading.Thread(target=consume)
        ticker.start()
        consumer.start()
        self.pgbench("SELECT pgq.insert_event('bench', 'job', :msg);\n" if batch == 1 else
                     "SELECT count(pgq.insert_event('bench', 'job', :msg))"
                     f" FROM generate_series(1, {batch});\n", seconds=seconds)
        self.tick()
        done.set()
        ticker.join()
        consumer.join()
        return times

    def cycles(self, seconds, batch, step=1):
        return rates_of(self.run(seconds, batch), seconds, step)

    def rate(self, seconds, batch):
        times = self.run(seconds, batch)
        return sum(count for _, count in times) / times[-1][0]

    def drain(self, count):
        begun, got = time.monotonic(), 0
        while True:
            events = self.batch()
            if events is None:
                break
            got += events
        if got != count:
            sys.exit(f"drain of PgQ: {got} of {count} events")
        return count / (time.monotonic() - begun)

    def wake(self, count):
        raise Missing("by ticks")


# ---------------------------------------------------------------------------
# Queues written for Node.js
# ---------------------------------------------------------------------------

class Node:
    directory = f"{SOCKET}/node"

    @classmethod
    def install(cls):
        """Fetches the packages; without a network npm gives up after seconds."""
        if not (shutil.which("node") and shutil.which("npm")):
            raise Missing("no Node.js")
        if not os.path.isdir(cls.directory):
            shutil.copytree(f"{HERE}/node", cls.directory,
                            ignore=shutil.ignore_patterns("node_modules"))
            subprocess.run(["npm", "ci", "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
                            "--fetch-retry-maxtimeout=5000"], cwd=cls.directory,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env=dict(
                               os.environ, npm_config_cache=f"{SOCKET}/npm"))
        if not os.path.isdir(f"{cls.directory}/node_modules"):
            raise Missing("not installed")

    def __init__(self, peer, database, empty):
        self.install()
        self.peer, self.database, self.statement = peer, database, empty
        sql(f"CREATE DATABASE {database}")
        self.version = self.node("install")["version"]

    clients = CLIENTS

    def node(self, mode, *args):
        done = subprocess.run(
            [shutil.which("node"), f"{self.directory}/peers.js", self.peer, mode, SOCKET,
             self.database, BODY, *map(str, args)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=600,
            env=dict(os.environ, PGOPTIONS=f"-c synchronous_commit={SYNC}",
                     NODE_PATH=f"{self.directory}/node_modules",
                     WORKER=os.path.abspath(f"{HERE}/../examples/node/worker.js")))
        if done.returncode != 0:
            sys.exit(f"{self.peer}, {mode}:\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def sql(self, text):
        return sql(text, database=self.database)

    def fill(self, count, delay=0):
        self.node("fill", count, delay)

    def empty(self):
        self.sql(self.statement)

    def vacuum(self):
        self.sql("VACUUM (ANALYZE)")

    def cycles(self, seconds, batch, step=1):
        return self.node("cycles", seconds, CLIENTS, batch, step)["rates"]

    rate = Sql.rate

    def drain(self, count):
        return self.node("drain", count, CLIENTS, BATCH)["rate"]

    def jobs(self, count, batch):
        return self.node("drain", count, PEER_JOBS_AT_ONCE, batch)["rate"]

    def wake(self, count):
        return self.node("wake", count)["milliseconds"]


class PgBoss(Node):
    def __init__(self):
        super().__init__("pg-boss", "bench_boss", "TRUNCATE pgboss.job")

    def wake(self, count):
        return super().wake(min(count, 8))          # it looks every 2 seconds


class GraphileWorker(Node):
    def __init__(self):
        super().__init__("graphile-worker", "bench_graphile",
                         "TRUNCATE graphile_worker._private_jobs")

    def cycles(self, seconds, batch, step=1):
        if batch > 1:
            raise Missing("takes one at a time")
        return super().cycles(seconds, batch, step)


    def jobs(self, count, batch):
        if batch > 1:
            raise Missing("takes one at a time")
        return super().jobs(count, batch)


class Worker(Node):
    def __init__(self):
        super().__init__("worker", "bench_worker", "TRUNCATE pgmq.q_worker")

    def cycles(self, seconds, batch, step=1):
        raise Missing("only works")

    def drain(self, count):
        raise Missing("see jobs")

    def wake(self, count):
        raise Missing("see pgmq_c")


MAKE = {"pgmq_c": Ours, "bare": Bare, "PGMQ": Pgmq, "PGMQ's layout": Layout, "PgQ": PgQ,
        "pg-boss": PgBoss, "graphile-worker": GraphileWorker,
        "worker": Worker}


# ---------------------------------------------------------------------------
# The scenarios
# ---------------------------------------------------------------------------

def settle(queue, backlog=BACKLOG, delayed=0):
    queue.empty()
    if delayed:
        queue.fill(delayed, 86400)
    if backlog:
        queue.fill(backlog)
    queue.vacuum()
    sql("CHECKPOINT")


def one(queue):
    settle(queue)
    return queue.rate(PEER_SECONDS, 1)


def batches(queue):
    settle(queue, 10 * BACKLOG)
    return queue.rate(PEER_SECONDS, BATCH)


def pinned(queue):
    settle(queue)
    holder = Session(SOCKET, database=queue.database)
    holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
    rates = queue.cycles(PEER_PINNED_SECONDS, 1)
    holder.close()
    window = max(1, len(rates) // 4)
    return statistics.mean(rates[:window]), statistics.mean(rates[-window:])


def delayed(queue):
    settle(queue, delayed=PEER_DELAYED)
    value = queue.rate(PEER_SECONDS, 1)
    queue.empty()
    return value


def drain(queue):
    settle(queue, PEER_DRAIN)
    return queue.drain(PEER_DRAIN)


def jobs(queue, batch=1):
    if not isinstance(queue, Node):
        raise Missing("no worker")
    settle(queue, PEER_DRAIN)
    return queue.jobs(PEER_DRAIN, batch)


def job_batches(queue):
    return jobs(queue, BATCH)


def wake(queue):
    settle(queue, 0)
    return statistics.median(queue.wake(PEER_WAKES))


SCENARIOS = {"peer_cycles": one, "peer_batches": batches, "peer_pinned": pinned,
             "peer_delayed": delayed, "peer_drain": drain, "peer_jobs": jobs,
             "peer_job_batches": job_batches, "peer_wake": wake}
PARTS = [part for part in os.environ.get("PARTS", " ".join(SCENARIOS)).split()
         if part in SCENARIOS]


def text_of(value, part):
    if isinstance(value, Missing):
        return f"n/a ({value})"
    if isinstance(value, tuple):
        return f"{value[0]:,.0f} -> {value[1]:,.0f}"
    return f"{value:,.1f}" if part == "peer_wake" else f"{value:,.0f}"


def main():
    if not PARTS:
        return
    report = prepare()
    report.update(synchronous_commit=SYNC, clients=CLIENTS, batch=BATCH, versions={}, settings_of={
        "seconds": PEER_SECONDS, "pinned_seconds": PEER_PINNED_SECONDS, "delayed": PEER_DELAYED,
        "drain": PEER_DRAIN, "jobs_at_once": PEER_JOBS_AT_ONCE, "wakes": PEER_WAKES})
    sql("ALTER SYSTEM SET autovacuum = on")
    sql("SELECT pg_reload_conf()")
    print(f"synchronous_commit {SYNC}, {CLIENTS} clients, autovacuum on, {RUNS} run(s) of a cell")

    heading("Other queues, each by its own API: messages a second that were sent, taken and finished")
    columns = {"peer_cycles": "one by one", "peer_batches": f"batches of {BATCH}",
               "peer_pinned": f"pinned {PEER_PINNED_SECONDS} s",
               "peer_delayed": f"{PEER_DELAYED:,} delayed", "peer_drain": f"drain {PEER_DRAIN:,}",
               "peer_jobs": f"jobs, {PEER_JOBS_AT_ONCE} at once", "peer_job_batches": "jobs, batches",
               "peer_wake": "wake-up, ms"}
    widths = (24, *(22 if part == "peer_batches" else 17 for part in PARTS))
    show(("", *(columns[part] for part in PARTS)), widths)
    cells = {part: cell_of(part) for part in PARTS}
    for name in PEERS:
        values = {}
        try:
            queue = MAKE[name]()
            label = f"{name} {queue.version}".strip()[:24]
            report["versions"][name] = queue.version
        except Missing as why:
            queue, label, missing = None, name, why
        for part in PARTS:
            runs = []
            for _ in range(RUNS):
                try:
                    if queue is None:
                        raise missing
                    runs.append(SCENARIOS[part](queue))
                except Missing as why:
                    runs = why
                    break
            if isinstance(runs, Missing):
                values[part] = runs
                cells[part]["missing"][name] = str(runs)
            else:
                cells[part]["results"][name] = runs
                values[part] = (tuple(map(statistics.median, zip(*runs)))
                                if isinstance(runs[0], tuple) else statistics.median(runs))
        show((label, *(text_of(values[part], part) for part in PARTS)), widths)
    print("n/a: why there is no figure.  pinned: first and last quarter, one by one, beside a"
          " REPEATABLE READ reader.\nPgQ: 1 consumer, a tick a second; it has no acknowledgement"
          " of one message.  Node.js: one process, of one thread.")
    report.update({part: [cells[part]] for part in PARTS})
    sql("ALTER SYSTEM SET autovacuum = off")
    sql("SELECT pg_reload_conf()")
    finish(report, PARTS, "-peers")


def cell_of(part):
    return {"scenario": "peers", "cell": part, "results": {}, "missing": {}, "met": None}


if __name__ == "__main__":
    main()
