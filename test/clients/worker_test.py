#!/usr/bin/env python3
"""The example workers as a user would treat them: killed, stopped, out of reach of the server, with bad messages.

usage: worker_test.py LABEL SOCKET_DIRECTORY PORT DATABASE RESTART COMMAND [ARGUMENT ..]

COMMAND starts a worker when a connection string and a queue's name are added: worker_handlers.py or its like. RESTART
is a shell command that crashes and restarts the server.  Each scenario sends messages of which each has one effect, a
row, and ends when the queue is empty: each row must be there once.
"""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import psycopg
from psycopg.types.json import Jsonb

LABEL, SOCKET, PORT, DATABASE, RESTART, *COMMAND = sys.argv[1:]
CONNINFO = f"host={SOCKET} port={PORT} dbname={DATABASE} user=postgres"
QUEUE = "work"
failed = False


@contextlib.contextmanager
def check(name):
    """A scenario; workers that it leaves behind are killed, and have their say if it fails."""
    global failed
    workers.clear()
    try:
        sql("TRUNCATE effects; SELECT pgmq.purge_queue('work'), pgmq.purge_queue('work_dead')")
        yield
        print(f"ok {LABEL}.{name}", flush=True)
    except Exception:
        failed = True
        print(f"not ok {LABEL}.{name}")
        print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "))
        for w in workers:
            w.log.seek(0)
            print(f"# worker {w.pid}:\n# " + "\n# ".join(w.log.read().decode().splitlines()[-40:]))
    finally:
        for w in workers:
            w.kill()
            w.wait()


workers = []


def worker(conninfo=CONNINFO):
    log = tempfile.TemporaryFile()
    w = subprocess.Popen([*COMMAND, conninfo, QUEUE], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    w.log = log
    workers.append(w)
    return w


def sql(query, *args):
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        cur = db.execute(query, args or None)
        return cur.fetchall() if cur.description else None


def until(query, wanted=True, seconds=120):
    """Wait until the query's one value is the wanted one; the server may be away meanwhile."""
    end = time.monotonic() + seconds
    got = None
    while time.monotonic() < end:
        with contextlib.suppress(psycopg.OperationalError):
            got = sql(query)[0][0]
            if got == wanted:
                return
        time.sleep(0.05)
    raise AssertionError(f"{query} is still {got!r}, not {wanted!r}")


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, expected {expected!r}")


def send(kind, count):
    sql("SELECT pgmq.send_batch('work', array_agg(jsonb_build_object('job', %s::text || i)),"
        " array_agg(%s::jsonb)) FROM generate_series(1, %s) i", str(kind), Jsonb({"kind": kind}), count)


def load():
    """What a scenario works on while something happens to the worker: 300 messages."""
    send("inside", 200)
    send("outside", 100)


def some():
    until("SELECT count(*) > 40 FROM effects")


def each_once(count=300):
    """The queue gets empty, and each message has had its effect once."""
    until("SELECT count(*) FROM pgmq.q_work", 0)
    equal(sql("SELECT count(*), count(DISTINCT job) FROM effects"), [(count, count)])


sql("CREATE TABLE effects (job text, read_ct integer)")
sql("CREATE UNIQUE INDEX ON effects (job) WHERE job LIKE 'outside%'")
sql("SELECT pgmq.create('work'), pgmq.create('work_dead')")
sql("""SELECT pgmq.set_policy('work', '{"dead_letter_queue": "work_dead", "backoff": "fixed", "backoff_base": 0.2}')""")

with check("work"):
    worker()
    load()
    each_once()
    # it waits for messages, and sees them when they come
    load()
    until("SELECT count(*) FROM pgmq.q_work", 0)
    equal(sql("SELECT count(*), count(DISTINCT job) FROM effects WHERE job LIKE 'inside%'"), [(400, 200)])

with check("bad_messages"):
    w = worker()
    for kind in ("careless", "flaky", "hopeless", "odd", "slow", "unheard_of"):
        send(kind, 2)
    for kind in (["inside"], {"inside": 1}):
        send(kind, 3)
    sql("SELECT pgmq.send('work', '7'), pgmq.send('work', 'null', '[\"no object\"]'::jsonb)")
    send("inside", 2)
    until("SELECT count(*) FROM pgmq.q_work WHERE vt < now() + interval '5 min'", 0)
    equal(sql("SELECT job, read_ct FROM effects ORDER BY job"),
          [("careless1", 2), ("careless2", 2), ("flaky1", 3), ("flaky2", 3), ("inside1", 1), ("inside2", 1),
           ("odd1", 2), ("odd2", 2), ("slow1", 1), ("slow2", 1)])
    # what has no hope is kept with its reason, and what has no handler as if nobody had read it
    equal(sql("SELECT message->>'job', headers->'x-pgmq-dead-letter'->>'reason' FROM pgmq.q_work_dead ORDER BY 1"),
          [("hopeless1", "no such customer"), ("hopeless2", "no such customer")])
    equal(sql("SELECT count(*), max(read_ct), min(vt) > now() + interval '5 min' FROM pgmq.q_work"), [(10, 0, True)])
    equal(w.poll(), None)

with check("beyond_the_language"):
    # one that a language may be unable to load hinders no other one
    w = worker()
    sql("SELECT pgmq.send('work', ('1' || repeat('0', 5000))::jsonb, '{\"kind\": \"other\"}'::jsonb),"
        " pgmq.send('work', (repeat('[', 3000) || repeat(']', 3000))::jsonb, '{\"kind\": \"other\"}'::jsonb)")
    send("inside", 20)
    until("SELECT count(*) FROM pgmq.q_work WHERE headers->>'kind' = 'inside'", 0)
    equal(sql("SELECT count(*), count(DISTINCT job), max(read_ct) FROM effects"), [(20, 20, 1)])
    equal(w.poll(), None)

with check("error_kept"):
    worker()
    send("flaky", 1)
    until("SELECT headers->>'x-pgmq-error' LIKE '%not yet%\u20ac%' FROM pgmq.q_work")
    each_once(1)

with check("kill"):
    load()
    first = worker()
    worker()
    some()
    first.kill()
    first.wait()
    worker()
    each_once()

with check("stalled_beyond_the_lease"):
    load()
    first = worker()
    some()
    first.send_signal(signal.SIGSTOP)
    # what it has not begun goes to the other when the leases are over; what it has begun is locked
    worker()
    until("SELECT count(*) FROM pgmq.q_work WHERE msg_id NOT IN (SELECT msg_id FROM pgmq.locked('work'))", 0)
    first.send_signal(signal.SIGCONT)
    each_once()

with check("server_restart"):
    load()
    worker()
    worker()
    some()
    subprocess.run(RESTART, shell=True, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    each_once()
    for w in workers:
        equal(w.poll(), None)

with check("shutdown_under_load"):
    load()
    first = worker()
    some()
    first.send_signal(signal.SIGTERM)
    equal(first.wait(60), 0)
    # it finished what it had begun, and gave back the rest as if it had not been read
    equal(sql("SELECT count(*) FROM pgmq.q_work WHERE vt > now() OR read_ct > 0"), [(0,)])
    equal(sql("SELECT count(*) > 0 FROM pgmq.q_work"), [(True,)])
    worker()
    each_once()

with check("shutdown_without_server"):
    w = worker(CONNINFO.replace(f"port={PORT}", "port=1"))
    end = time.monotonic() + 120
    while w.poll() is None and time.monotonic() < end:
        if b"again" in os.pread(w.log.fileno(), 100000, 0):
            w.send_signal(signal.SIGTERM)
            break
        time.sleep(0.05)
    equal(w.wait(60), 0)

sys.exit(failed)
