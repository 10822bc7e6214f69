#!/usr/bin/env python3
"""psycopg 3 against pgmq_c: named arguments, in every way psycopg can send them.

usage: psycopg_test.py SOCKET_DIRECTORY PORT DATABASE [POOLER_PORT]

One scenario walks through the whole API with named arguments.  It runs

    text         parameters as text, no prepared statement
    prepared     server-side prepared statements, parameters and results as text
    binary       server-side prepared statements, all in binary
    pipeline     in pipeline mode
    pooler       through pgbouncer in transaction mode, which hands each statement
                 to another server connection

several rounds each, and every round drops its queues and makes them anew: a
statement or plan kept from the round before must not be used for the old table.
Then come the things with a shape of their own: many statements in one pipeline,
transactions, COPY, LISTEN, cursors, and many consumers at once.

Prints "ok NAME" or "not ok NAME" for each check; the exit code is 0 or 1.
"""

import contextlib
import datetime
import os
import select
import re
import sys
import threading
import time
import traceback

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

ROUNDS = 7      # a prepared statement gets its generic plan at the sixth

RECORD = ["msg_id", "read_ct", "enqueued_at", "last_read_at", "vt", "message", "headers"]

failed = False


@contextlib.contextmanager
def check(name):
    global failed
    try:
        yield
        print(f"ok {name}", flush=True)
    except Exception:
        failed = True
        print(f"not ok {name}")
        print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, expected {expected!r}")


def near(moment, seconds):
    """whether moment is so many seconds from now, give or take five"""
    off = (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - seconds
    if abs(off) > 5:
        raise AssertionError(f"{moment} is off by {off} seconds")


class Db:
    """One connection and one way to send statements."""

    def __init__(self, conninfo, prepare=None, binary=False, **options):
        self.conn = psycopg.connect(conninfo, autocommit=True, row_factory=dict_row, **options)
        self.prepare = prepare
        self.binary = binary
        self.pipeline = None

    def rows(self, query, **params):
        cur = self.conn.cursor(binary=self.binary)
        try:
            cur.execute(query, params, prepare=self.prepare)
            return cur.fetchall()
        except psycopg.Error:
            if self.pipeline:
                self.pipeline.sync()    # what follows would be skipped
            raise

    def column(self, query, **params):
        return [next(iter(row.values())) for row in self.rows(query, **params)]

    def value(self, query, **params):
        values = self.column(query, **params)
        equal(len(values), 1)
        return values[0]

    def refuses(self, sqlstate, query, **params):
        if self.pipeline:
            self.pipeline.sync()    # commits what came before
        try:
            self.rows(query, **params)
        except psycopg.Error as err:
            equal(err.sqlstate, sqlstate)
            return
        raise AssertionError(f"no error {sqlstate}: {query}")


class RoutedDb(Db):
    """One that goes through a router, where there are no tables to look at."""

    def rows(self, query, **params):
        query = re.sub(r"pgmq\.q_(\w+)", r"pgmq.peek('\1', 'all', 1000)", query)
        query = re.sub(r"pgmq\.a_(\w+)", r"pgmq.peek_archive('\1', 1000)", query)
        return super().rows(query, **params)


class SubscribedDb(Db):
    """One whose queues are subscriptions, each to a stream of its own."""

    def rows(self, query, **params):
        if "pgmq.create(" in query or "pgmq.drop_queue(" in query:
            there = super().rows("SELECT pgmq.drop_queue(%(q)s) AS gone, pgmq.drop_queue(%(s)s)", s=params["q"] + "_log", **params)
            if "drop_queue" in query:
                return there
            return super().rows("SELECT pgmq.create_stream(%(s)s), pgmq.create_subscription(%(q)s, %(s)s)",
                                s=params["q"] + "_log", **params)
        return super().rows(re.sub(r"pgmq\.q_(\w+)", r"pgmq.q_\1_log", query), **params)


# --------------------------------------------------------------------------
# The scenario: each step gets a Db and a queue of its own, freshly made.
# --------------------------------------------------------------------------

def send(db, q):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
    body, headers = {"a": [1, None, "é"]}, {"h": 1}
    forms = [
        ("msg => %(m)s", None, 0),
        ("msg => %(m)s, headers => %(h)s", headers, 0),
        ("msg => %(m)s, delay => %(d)s::integer", None, 30),
        ("msg => %(m)s, delay => %(t)s::timestamptz", None, 60),
        ("msg => %(m)s, headers => %(h)s, delay => %(d)s", headers, 30),
        ("msg => %(m)s, headers => %(h)s, delay => %(t)s", headers, 60),
    ]
    for n, (arguments, has, delay) in enumerate(forms, 1):
        values = {"q": q, "m": Jsonb(body), "h": Jsonb(headers), "d": 30, "t": soon}
        used = {k: v for k, v in values.items() if k == "q" or f"%({k})s" in arguments}
        equal(db.value(f"SELECT * FROM pgmq.send(queue_name => %(q)s, {arguments})", **used), n)
        row, = db.rows(f"SELECT * FROM pgmq.q_{q} WHERE msg_id = %(id)s", id=n)
        equal((row["message"], row["headers"], row["read_ct"]), (body, has, 0))
        near(row["vt"], delay)
    # as a string with a cast, and in the select list
    equal(db.value("SELECT pgmq.send(queue_name => %(q)s, msg => %(m)s::jsonb)",
                   q=q, m='{"s": 7}'), 7)
    # positional, and a NULL body
    equal(db.value("SELECT pgmq.send(%(q)s, %(m)s::jsonb)", q=q, m=None), 8)


def send_batch(db, q):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
    bodies, headers = [{"i": i} for i in range(3)], [{"h": i} for i in range(3)]
    forms = [
        ("msgs => %(m)s", [None] * 3, 0),
        ("msgs => %(m)s, headers => %(h)s", headers, 0),
        ("msgs => %(m)s, delay => %(d)s::integer", [None] * 3, 30),
        ("msgs => %(m)s, delay => %(t)s::timestamptz", [None] * 3, 60),
        ("msgs => %(m)s, headers => %(h)s, delay => %(d)s", headers, 30),
        ("msgs => %(m)s, headers => %(h)s, delay => %(t)s", headers, 60),
    ]
    for n, (arguments, has, delay) in enumerate(forms):
        values = {"q": q, "m": [Jsonb(b) for b in bodies], "h": [Jsonb(h) for h in headers],
                  "d": 30, "t": soon}
        used = {k: v for k, v in values.items() if k == "q" or f"%({k})s" in arguments}
        ids = [3 * n + 1, 3 * n + 2, 3 * n + 3]
        equal(db.column(f"SELECT * FROM pgmq.send_batch(queue_name => %(q)s, {arguments})",
                        **used), ids)
        rows = db.rows(f"SELECT * FROM pgmq.q_{q} WHERE msg_id = ANY (%(ids)s) ORDER BY msg_id",
                       ids=ids)
        equal([r["message"] for r in rows], bodies)
        equal([r["headers"] for r in rows], has)
        near(rows[0]["vt"], delay)
    db.refuses("P0001", "SELECT * FROM pgmq.send_batch(queue_name => %(q)s,"
               " msgs => %(m)s::jsonb[])", q=q, m=[])


def fill(db, q, count):
    return db.column("SELECT pgmq.send_batch(queue_name => %(q)s, msgs => %(m)s)",
                     q=q, m=[Jsonb({"i": i, "odd": i % 2 == 1}) for i in range(1, count + 1)])


def read(db, q):
    fill(db, q, 6)
    rows = db.rows("SELECT * FROM pgmq.read(queue_name => %(q)s, vt => %(vt)s, qty => %(n)s)",
                   q=q, vt=60, n=2)
    equal(list(rows[0]), RECORD)
    equal([r["msg_id"] for r in rows], [1, 2])
    equal([r["message"]["i"] for r in rows], [1, 2])
    equal([r["read_ct"] for r in rows], [1, 1])
    near(rows[0]["vt"], 60)
    near(rows[0]["last_read_at"], 0)
    near(rows[0]["enqueued_at"], 0)
    equal(rows[0]["headers"], None)
    odd = ("SELECT msg_id FROM pgmq.read(queue_name => %(q)s, vt => %(vt)s, qty => %(n)s,"
           " conditional => %(c)s)")
    equal(db.column(odd, q=q, vt=60, n=10, c=Jsonb({"odd": True})), [3, 5])
    equal(db.column(odd, q=q, vt=0, n=10, c=Jsonb({})), [4, 6])
    equal(db.column(odd.replace("%(c)s", "%(c)s::jsonb"), q=q, vt=60, n=1, c=None), [4])


def read_with_poll(db, q):
    poll = ("SELECT msg_id FROM pgmq.read_with_poll(queue_name => %(q)s, vt => %(vt)s,"
            " qty => %(n)s, max_poll_seconds => %(s)s, poll_interval_ms => %(ms)s)")
    fill(db, q, 3)
    equal(db.column(poll, q=q, vt=1, n=2, s=5, ms=20), [1, 2])
    equal(db.column(poll, q=q, vt=60, n=2, s=5, ms=20), [3])
    # a lease of a second ends while the call waits
    equal(db.column(poll, q=q, vt=60, n=2, s=10, ms=20), [1, 2])
    start = time.monotonic()
    equal(db.column(poll, q=q, vt=60, n=1, s=1, ms=20), [])
    if not 0.9 < time.monotonic() - start < 5:
        raise AssertionError("did not wait for the second it was told to")


def pop(db, q):
    fill(db, q, 4)
    rows = db.rows("SELECT * FROM pgmq.pop(queue_name => %(q)s)", q=q)
    equal(list(rows[0]), RECORD)
    equal([(r["msg_id"], r["read_ct"], r["last_read_at"]) for r in rows], [(1, 0, None)])
    equal([r["msg_id"] for r in db.rows(
        "SELECT * FROM pgmq.pop(queue_name => %(q)s, qty => %(n)s)", q=q, n=10)], [2, 3, 4])
    equal(db.rows("SELECT * FROM pgmq.pop(queue_name => %(q)s)", q=q), [])


def delete(db, q):
    fill(db, q, 5)
    one = "SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s)"
    many = "SELECT * FROM pgmq.delete(queue_name => %(q)s, msg_ids => %(ids)s)"
    equal(db.value(one, q=q, id=2), True)
    equal(db.value(one, q=q, id=2), False)
    equal(db.value(one, q=q, id=2 ** 62), False)
    equal(db.value(one.replace("%(id)s", "%(id)s::bigint"), q=q, id=None), False)
    equal(db.column(many, q=q, ids=[5, 1, 2, 99]), [1, 5])
    equal(db.column(many.replace("%(ids)s", "%(ids)s::bigint[]"), q=q, ids=[]), [])
    equal(db.column(f"SELECT msg_id FROM pgmq.q_{q} ORDER BY 1"), [3, 4])


def archive(db, q):
    fill(db, q, 5)
    one = "SELECT pgmq.archive(queue_name => %(q)s, msg_id => %(id)s)"
    many = "SELECT * FROM pgmq.archive(queue_name => %(q)s, msg_ids => %(ids)s)"
    equal(db.value(one, q=q, id=2), True)
    equal(db.value(one, q=q, id=2), False)
    equal(db.column(many, q=q, ids=[5, 1, 2, 99]), [1, 5])
    equal(db.column(f"SELECT msg_id FROM pgmq.q_{q} ORDER BY 1"), [3, 4])
    rows = db.rows(f"SELECT * FROM pgmq.a_{q} ORDER BY msg_id")
    equal([(r["msg_id"], r["message"]["i"]) for r in rows], [(1, 1), (2, 2), (5, 5)])
    near(rows[0]["archived_at"], 0)


def set_vt(db, q):
    fill(db, q, 3)
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=300)
    one = "SELECT * FROM pgmq.set_vt(queue_name => %(q)s, msg_id => %(id)s, vt => %(vt)s)"
    many = "SELECT * FROM pgmq.set_vt(queue_name => %(q)s, msg_ids => %(ids)s, vt => %(vt)s)"
    row, = db.rows(one, q=q, id=2, vt=100)
    equal(list(row), RECORD)
    equal((row["msg_id"], row["read_ct"], row["message"]["i"]), (2, 0, 2))
    near(row["vt"], 100)
    row, = db.rows(one, q=q, id=2, vt=then)
    equal(row["vt"], then)
    equal(db.rows(one, q=q, id=99, vt=1), [])
    rows = db.rows(many, q=q, ids=[3, 1, 99], vt=200)
    equal([r["msg_id"] for r in rows], [1, 3])
    near(rows[0]["vt"], 200)
    rows = db.rows(many, q=q, ids=[3, 2], vt=then)
    equal([(r["msg_id"], r["vt"]) for r in rows], [(2, then), (3, then)])


def fenced(db, q):
    """delete, archive and set_vt that only act while the lease is still held"""
    fill(db, q, 8)
    held = db.rows("SELECT * FROM pgmq.read(queue_name => %(q)s, vt => %(vt)s, qty => %(n)s)",
                   q=q, vt=60, n=6)
    equal([r["read_ct"] for r in held], [1] * 6)
    for verb, id in ("delete", 1), ("archive", 2):
        one = (f"SELECT pgmq.{verb}(queue_name => %(q)s, msg_id => %(id)s,"
               " read_ct => %(ct)s)")
        many = (f"SELECT * FROM pgmq.{verb}(queue_name => %(q)s, msg_ids => %(ids)s,"
                " read_cts => %(cts)s)")
        equal(db.value(one, q=q, id=id, ct=2), False)       # another's lease
        equal(db.value(one, q=q, id=id, ct=1), True)
        equal(db.value(one, q=q, id=id, ct=1), False)
        equal(db.column(many, q=q, ids=[id + 2, id + 4], cts=[1, 7]), [id + 2])
    one = ("SELECT msg_id FROM pgmq.set_vt(queue_name => %(q)s, msg_id => %(id)s,"
           " vt => %(vt)s, read_ct => %(ct)s)")
    equal(db.column(one, q=q, id=5, vt=100, ct=2), [])
    equal(db.column(one, q=q, id=5, vt=100, ct=1), [5])
    equal(db.column(f"SELECT msg_id FROM pgmq.q_{q} ORDER BY 1"), [5, 6, 7, 8])
    equal(db.column(f"SELECT msg_id FROM pgmq.a_{q} ORDER BY 1"), [2, 4])


def ack_and_read(db, q):
    """a worker's loop in which each read acknowledges the messages of the one before"""
    for verb, poll in ("delete", ""), ("archive", ", max_poll_seconds => 60, poll_interval_ms => 100"):
        name = f"{verb}_and_read" + ("_with_poll" if poll else "")
        take = (f"SELECT * FROM pgmq.{name}(queue_name => %(q)s, msg_ids => %(ids)s, vt => 60, qty => 2{poll},"
                " read_cts => %(cts)s)")
        first, = fill(db, q, 5)[:1]
        ids, cts, seen = [], [], []
        while len(seen) < 5:
            rows = db.rows(take, q=q, ids=ids, cts=cts)
            ids, cts = [r["msg_id"] for r in rows], [r["read_ct"] for r in rows]
            seen += ids
        equal(seen, list(range(first, first + 5)))
        # the last one's lease goes to another
        db.rows("SELECT pgmq.set_vt(%(q)s, %(id)s::bigint, 0)", q=q, id=seen[-1])
        equal(db.column("SELECT read_ct FROM pgmq.read(%(q)s, 60, 9)", q=q), [2])
        row, = db.rows(take, q=q, ids=ids, cts=cts)
        equal((row["msg_id"], {row[c] for c in row if c != "msg_id"}), (seen[-1], {None}))
        # positional, and without a fence
        equal(db.rows(f"SELECT * FROM pgmq.{verb}_and_read(%(q)s, %(ids)s, 60, 2)", q=q, ids=ids), [])
        equal(db.column(f"SELECT count(*) FROM pgmq.q_{q}"), [0])
    equal(db.column(f"SELECT count(*) FROM pgmq.a_{q}"), [5])


def untyped(db, q):
    """what psycopg sends without a type: strings, None, empty lists; and intervals"""
    fill(db, q, 6)
    minute = datetime.timedelta(minutes=1)
    for verb in "delete", "archive", "nack", "release":
        equal(db.column(f"SELECT pgmq.{verb}(%(q)s, %(ids)s)", q=q, ids=[]), [])
        equal(db.column(f"SELECT pgmq.{verb}(%(q)s, %(id)s)", q=q, id=None), [False])
    equal(db.column("SELECT pgmq.delete(%(q)s, %(ids)s, %(cts)s)", q=q, ids=[], cts=[]), [])
    equal(db.column("SELECT pgmq.nack(%(q)s, %(ids)s, %(d)s)", q=q, ids=[], d=5), [])
    equal(db.column("SELECT pgmq.delete(%(q)s, %(id)s)", q=q, id="1"), [True])
    equal(db.rows("SELECT * FROM pgmq.set_vt(%(q)s, %(ids)s, %(vt)s)", q=q, ids=[], vt=30), [])
    row, = db.rows("SELECT * FROM pgmq.set_vt(%(q)s, %(id)s, %(vt)s)", q=q, id=2, vt="1 minute")
    near(row["vt"], 60)
    row, = db.rows("SELECT * FROM pgmq.set_vt(%(q)s, %(id)s, %(vt)s)", q=q, id=2, vt=minute)
    near(row["vt"], 60)
    equal(db.column("SELECT pgmq.send_batch(%(q)s, %(m)s, %(h)s)", q=q, m=[Jsonb(1)], h=[None]), [7])
    equal(db.column("SELECT pgmq.send_batch(%(q)s, %(m)s, %(h)s, %(d)s)", q=q, m=[Jsonb(1)], h=[None], d=None), [8])
    equal(db.column("SELECT pgmq.send(%(q)s, %(m)s, %(h)s, %(d)s)", q=q, m=Jsonb(1), h=None, d=None), [9])
    equal(db.column("SELECT pgmq.send(%(q)s, %(m)s, delay => %(d)s)", q=q, m=Jsonb(1), d="60"), [10])
    equal(db.column("SELECT pgmq.send(%(q)s, %(m)s, delay => %(d)s)", q=q, m=Jsonb(1), d=minute), [11])
    for row in db.rows(f"SELECT * FROM pgmq.q_{q} WHERE msg_id >= 10"):
        near(row["vt"], 60)
    held, = db.rows("SELECT * FROM pgmq.read(%(q)s, 600, 1)", q=q)
    equal(db.value("SELECT pgmq.release(%(q)s, %(id)s, %(d)s, %(ct)s)",
                   q=q, id=held["msg_id"], d=minute, ct=held["read_ct"]), True)
    held, = db.rows("SELECT * FROM pgmq.read(%(q)s, 600, 1)", q=q)
    equal(db.value("SELECT pgmq.nack(%(q)s, %(id)s, %(d)s, %(ct)s, %(e)s)",
                   q=q, id=held["msg_id"], d=None, ct=held["read_ct"], e="boom"), True)
    equal(db.column(f"SELECT headers ->> 'x-pgmq-error' FROM pgmq.q_{q} WHERE msg_id = %(id)s", id=held["msg_id"]), ["boom"])


def grouped(db, q):
    group = lambda g: Jsonb({"x-pgmq-group": g})
    db.rows("SELECT pgmq.send_batch(queue_name => %(q)s, msgs => %(m)s, headers => %(h)s)",
            q=q, m=[Jsonb(i) for i in range(1, 7)], h=[group(g) for g in "aabbcc"])
    db.rows("SELECT pgmq.create_fifo_index(queue_name => %(q)s)", q=q)

    def ids(verb, vt, n, poll=False):
        more = ", max_poll_seconds => 1, poll_interval_ms => 20" if poll else ""
        name = verb + ("_with_poll" if poll else "")
        return db.column(f"SELECT msg_id FROM pgmq.{name}(queue_name => %(q)s, vt => %(vt)s,"
                         f" qty => %(n)s{more})", q=q, vt=vt, n=n)

    for poll in False, True:
        equal(ids("read_grouped", 0, 3, poll), [1, 2, 3])
        equal(ids("read_grouped_rr", 0, 4, poll), [1, 3, 5, 2])
        equal(ids("read_grouped_head", 0, 9, poll), [1, 3, 5])
    # a leased head keeps the whole group back
    equal(ids("read_grouped_head", 60, 1), [1])
    equal(ids("read_grouped", 60, 9, True), [3, 4, 5, 6])
    equal(ids("read_grouped_rr", 60, 9), [])
    equal(db.value("SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s)", q=q, id=1), True)
    equal(ids("read_grouped_rr", 60, 9, True), [2])


def topic(db, q):
    bind = "SELECT pgmq.bind_topic(pattern => %(p)s, queue_name => %(q)s)"
    db.rows(bind, p=f"{q}.*.error", q=q)
    db.rows(bind, p=f"{q}.#", q=q)
    key = f"{q}.web.error"
    equal(db.column("SELECT pattern FROM pgmq.test_routing(routing_key => %(k)s)", k=key),
          sorted([f"{q}.*.error", f"{q}.#"]))
    equal(sorted(db.column("SELECT pattern FROM pgmq.list_topic_bindings(queue_name => %(q)s)",
                           q=q)), sorted([f"{q}.*.error", f"{q}.#"]))
    one = "SELECT pgmq.send_topic(routing_key => %(k)s, msg => %(m)s"
    equal(db.value(one + ")", k=key, m=Jsonb(1)), 1)
    equal(db.value(one + ", delay => %(d)s)", k=key, m=Jsonb(2), d=0), 1)
    equal(db.value(one + ", headers => %(h)s, delay => %(d)s)",
                   k=key, m=Jsonb(3), h=Jsonb({"h": 3}), d=0), 1)
    equal(db.value(one + ")", k="nobody.listens", m=Jsonb(1)), 0)
    many = "SELECT * FROM pgmq.send_batch_topic(routing_key => %(k)s, msgs => %(m)s"
    soon = datetime.datetime.now(datetime.timezone.utc)
    both = {"k": key, "m": [Jsonb(8), Jsonb(9)]}
    heads = [Jsonb({"h": 8}), Jsonb({"h": 9})]
    sent = db.rows(many + ")", **both)
    equal(sent, [{"queue_name": q, "msg_id": 4}, {"queue_name": q, "msg_id": 5}])
    for arguments, values in (
            (", headers => %(h)s", {"h": heads}),
            (", delay => %(d)s::integer", {"d": 1}),
            (", delay => %(d)s::timestamptz", {"d": soon}),
            (", headers => %(h)s, delay => %(d)s", {"h": heads, "d": 1}),
            (", headers => %(h)s, delay => %(d)s", {"h": heads, "d": soon})):
        equal(len(db.rows(many + arguments + ")", **both, **values)), 2)
    equal(db.value(f"SELECT count(*) FROM pgmq.q_{q}"), 15)
    unbind = "SELECT pgmq.unbind_topic(pattern => %(p)s, queue_name => %(q)s)"
    equal(db.value(unbind, p=f"{q}.#", q=q), True)
    equal(db.value(unbind, p=f"{q}.#", q=q), False)
    equal(db.value("SELECT pgmq.validate_routing_key(routing_key => %(k)s)", k=key), True)
    equal(db.value("SELECT pgmq.validate_topic_pattern(pattern => %(p)s)", p="a.*.#"), True)
    db.refuses("P0001", "SELECT pgmq.validate_routing_key(routing_key => %(k)s)", k=".a")


def manage(db, q):
    fill(db, q, 3)
    row, = db.rows("SELECT * FROM pgmq.metrics(queue_name => %(q)s)", q=q)
    equal(list(row), ["queue_name", "queue_length", "newest_msg_age_sec", "oldest_msg_age_sec",
                      "total_messages", "scrape_time", "queue_visible_length",
                      "default_partition_length"])
    equal((row["queue_length"], row["total_messages"], row["queue_visible_length"]), (3, 3, 3))
    equal([r["queue_length"] for r in db.rows("SELECT * FROM pgmq.metrics_all()")
           if r["queue_name"] == q], [3])
    equal([(r["is_partitioned"], r["is_unlogged"])
           for r in db.rows("SELECT * FROM pgmq.list_queues()") if r["queue_name"] == q],
          [(False, False)])
    db.rows("SELECT pgmq.enable_notify_insert(queue_name => %(q)s, throttle_interval_ms => %(n)s)",
            q=q, n=100)
    db.rows("SELECT pgmq.update_notify_insert(queue_name => %(q)s, throttle_interval_ms => %(n)s)",
            q=q, n=200)
    equal([r["throttle_interval_ms"] for r in
           db.rows("SELECT * FROM pgmq.list_notify_insert_throttles()")
           if r["queue_name"] == q], [200])
    db.rows("SELECT pgmq.disable_notify_insert(queue_name => %(q)s)", q=q)
    equal(db.value("SELECT pgmq.purge_queue(queue_name => %(q)s)", q=q), 3)
    db.rows("SELECT pgmq.create_unlogged(queue_name => %(q)s)", q=q + "u")
    equal(db.value("SELECT is_unlogged FROM pgmq.list_queues() WHERE queue_name = %(q)s",
                   q=q + "u"), True)
    equal(db.value("SELECT pgmq.drop_queue(queue_name => %(q)s)", q=q + "u"), True)
    equal(db.value("SELECT pgmq.drop_queue(queue_name => %(q)s)", q=q + "u"), False)
    db.refuses("42P01", "SELECT pgmq.send(queue_name => %(q)s, msg => %(m)s)",
               q=q + "u", m=Jsonb(1))


def acknowledge(db, q):
    """What is read from one subscription is finished for it, and not for another one."""
    db.rows("SELECT pgmq.create_subscription(%(o)s, %(s)s, 'earliest')", o=q + "_other", s=q + "_log")
    fill(db, q, 6)
    take = "SELECT * FROM pgmq.read(queue_name => %(q)s, vt => %(vt)s, qty => %(n)s)"
    rows = db.rows(take, q=q, vt=60, n=5)
    equal([(r["msg_id"], r["read_ct"], r["message"]["i"]) for r in rows], [(i, 1, i) for i in range(1, 6)])
    equal(db.value("SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s)", q=q, id=1), True)
    equal(db.value("SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s)", q=q, id=1), False)
    equal(db.column("SELECT pgmq.archive(queue_name => %(q)s, msg_ids => %(ids)s)", q=q, ids=[3, 2, 99]), [2, 3])
    equal(db.column("SELECT msg_id FROM pgmq.set_vt(queue_name => %(q)s, msg_id => %(id)s, vt => %(vt)s)", q=q, id=4, vt=0), [4])
    equal([(r["msg_id"], r["read_ct"]) for r in db.rows(take, q=q, vt=60, n=9)], [(4, 2), (6, 1)])
    equal(db.value("SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s, read_ct => %(ct)s)", q=q, id=4, ct=1), False)
    equal(db.column("SELECT pgmq.delete(queue_name => %(q)s, msg_ids => %(ids)s)", q=q, ids=[4, 5, 6]), [4, 5, 6])
    equal(db.rows(take, q=q, vt=60, n=9), [])
    equal([r["msg_id"] for r in db.rows(take, q=q + "_other", vt=60, n=9)], list(range(1, 7)))
    super(SubscribedDb, db).rows("SELECT pgmq.drop_queue(%(q)s)", q=q + "_other")


SCENARIO = [send, send_batch, read, pop, delete, archive, set_vt, fenced, ack_and_read, untyped, grouped, topic, manage]


# Of the steps those that a subscription answers as a queue does.  The others look
# at a table of messages of its own, or at an archive.
OF_SUBSCRIPTIONS = [send, send_batch, read, pop, acknowledge, grouped, topic]


def scenario(label, db, rounds=ROUNDS):
    """Every step, in each round on a queue of the same name but a new table."""
    def again(step, count):
        q = f"py_{step.__name__}"
        for _ in range(count):
            db.rows("SELECT pgmq.drop_queue(queue_name => %(q)s)", q=q)
            db.rows("SELECT pgmq.create(queue_name => %(q)s)", q=q)
            step(db, q)
        equal(db.value("SELECT pgmq.drop_queue(queue_name => %(q)s)", q=q), True)

    for step in SCENARIO if not isinstance(db, SubscribedDb) else OF_SUBSCRIPTIONS:
        if step is manage and isinstance(db, RoutedDb):
            continue                    # notifications are on the shards
        with check(f"{label}.{step.__name__}"):
            again(step, rounds)
    with check(f"{label}.read_with_poll"):
        again(read_with_poll, 1)        # it waits, so once is enough


# --------------------------------------------------------------------------
# What has a shape of its own
# --------------------------------------------------------------------------

def fresh(db, q):
    db.rows("SELECT pgmq.drop_queue(queue_name => %(q)s)", q=q)
    db.rows("SELECT pgmq.create(queue_name => %(q)s)", q=q)


def deep_pipeline(conninfo):
    """Hundreds of statements are on the way before the first answer is read."""
    db = Db(conninfo)
    fresh(db, "py_pipe")
    with db.conn.pipeline():
        sent = [db.conn.execute(
            "SELECT pgmq.send(queue_name => %s, msg => %s)", ("py_pipe", Jsonb(i)), prepare=True)
            for i in range(300)]
        taken = [db.conn.execute(
            "SELECT * FROM pgmq.read(queue_name => %s, vt => %s, qty => %s)",
            ("py_pipe", 60, 10), prepare=True) for i in range(31)]
        gone = [db.conn.execute(
            "SELECT pgmq.delete(queue_name => %s, msg_id => %s)", ("py_pipe", i), prepare=True)
            for i in range(1, 301)]
    equal([c.fetchone()["send"] for c in sent], list(range(1, 301)))
    rows = [r for c in taken for r in c.fetchall()]
    equal([(r["msg_id"], r["message"]) for r in rows], [(i + 1, i) for i in range(300)])
    equal([c.fetchone()["delete"] for c in gone], [True] * 300)

    # an error in the middle breaks its own batch, and only that
    fresh(db, "py_pipe")
    try:
        with db.conn.pipeline():
            db.conn.execute("SELECT pgmq.send('py_pipe', '1')", prepare=True)
            db.conn.execute("SELECT pgmq.send('py_nowhere', '1')", prepare=True)
            db.conn.execute("SELECT pgmq.send('py_pipe', '2')", prepare=True)
        raise AssertionError("no error from a queue that is not there")
    except psycopg.errors.UndefinedTable:
        pass
    equal(db.value("SELECT count(*) FROM pgmq.q_py_pipe"), 0)
    equal(len(db.rows("SELECT pgmq.send('py_pipe', '3')")), 1)


def transactions(conninfo):
    """A rollback undoes what the transaction sent and took."""
    db, other = Db(conninfo), Db(conninfo)
    fresh(db, "py_tx")
    take = "SELECT msg_id FROM pgmq.read('py_tx', 60, 10)"
    with db.conn.transaction(force_rollback=True):
        db.rows("SELECT pgmq.send('py_tx', '1')")
        equal(other.column(take), [])
    equal(db.column(take), [])
    with db.conn.transaction():
        db.rows("SELECT pgmq.send('py_tx', '2')")
        try:
            with db.conn.transaction():
                db.rows("SELECT pgmq.send('py_tx', '3')")
                db.rows("SELECT pgmq.send('py_nowhere', '3')")
        except psycopg.errors.UndefinedTable:
            pass
        db.rows("SELECT pgmq.send('py_tx', '4')")
    with db.conn.transaction(force_rollback=True):
        equal(db.value("SELECT count(*) FROM pgmq.read('py_tx', 60, 10)"), 2)
        equal(other.column(take), [])
    rows = other.rows("SELECT message, read_ct FROM pgmq.read('py_tx', 60, 10)")
    equal([(r["message"], r["read_ct"]) for r in rows], [(2, 1), (4, 1)])


def copy(conninfo):
    """COPY straight into the queue's table: messages like any other."""
    db = Db(conninfo)
    fresh(db, "py_copy")
    with db.conn.cursor() as cur:
        with cur.copy("COPY pgmq.q_py_copy (message) FROM STDIN") as out:
            for i in range(1000):
                out.write_row([Jsonb({"i": i})])
    rows = db.rows("SELECT * FROM pgmq.read('py_copy', 60, 1000)")
    equal([(r["msg_id"], r["message"]["i"], r["read_ct"]) for r in rows],
          [(i + 1, i, 1) for i in range(1000)])


def cursors(conninfo):
    """A read through a server-side cursor takes all its messages at once."""
    db = Db(conninfo)
    fresh(db, "py_cur")
    fill(db, "py_cur", 10)
    with db.conn.transaction():
        with db.conn.cursor(name="c", binary=True) as cur:
            cur.itersize = 3
            cur.execute("SELECT * FROM pgmq.read(queue_name => %s, vt => %s, qty => %s)",
                        ("py_cur", 60, 8))
            equal([r["msg_id"] for r in cur], list(range(1, 9)))
    equal(db.column("SELECT msg_id FROM pgmq.read('py_cur', 60, 10)"), [9, 10])
    with psycopg.ClientCursor(db.conn) as cur:
        cur.execute("SELECT pgmq.send(queue_name => %s, msg => %s)", ("py_cur", Jsonb("it's")))
    equal(db.column("SELECT message FROM pgmq.read('py_cur', 60, 10)"), ["it's"])


def shortest_loop(conninfo):
    """The shortest loop of the manual, word for word: its work is done once, in one transaction."""
    db = Db(conninfo)
    fresh(db, "orders")
    db.conn.execute("DROP TABLE IF EXISTS shipped")
    db.conn.execute("CREATE TABLE shipped (n integer)")
    for n in range(25):
        db.rows("SELECT pgmq.send('orders', %(m)s)", m=Jsonb(n))
    tried = []

    class Enough(Exception):
        pass

    def ship(mine, message):
        tried.append(message)
        if message == "end":
            raise Enough
        mine.execute("INSERT INTO shipped VALUES (%s)", (message,))
        if tried == [0]:            # the worker is slow, and another one has its message
            db.rows("SELECT pgmq.set_vt('orders', 1, 0)")
            equal(db.column("SELECT msg_id FROM pgmq.read('orders', 0, 1)"), [1])
        if message == 24:           # the leases of the first batch, which was rolled back, end
            db.rows("SELECT pgmq.set_vt('orders', %(ids)s::bigint[], 0)", ids=list(range(2, 11)))
        if message == 9 and tried.count(9) == 2:
            db.rows("SELECT pgmq.send('orders', %(m)s)", m=Jsonb("end"))

    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/how-to/worker.md"), encoding="utf-8") as file:
        page = file.read()
    code = page[page.index("```python\n", page.index("## The shortest loop")) + len("```python\n"):]
    code = code[:code.index("```")].replace('connect("",', "connect(conninfo,")
    try:
        exec(code, {"conninfo": conninfo, "ship": ship})
    except Enough:
        pass
    equal(sorted(db.column("SELECT n FROM shipped")), list(range(25)))
    equal(sorted(tried[:-1]), sorted(list(range(25)) + list(range(10))))
    equal(db.column("SELECT message FROM pgmq.q_orders"), ["end"])


def executemany(conninfo):
    db = Db(conninfo)
    fresh(db, "py_many")
    with db.conn.cursor() as cur:
        cur.executemany("SELECT pgmq.send(queue_name => %s, msg => %s)",
                        [("py_many", Jsonb(i)) for i in range(100)], returning=True)
        ids = []
        while True:
            ids += [r["send"] for r in cur.fetchall()]
            if not cur.nextset():
                break
    equal(ids, list(range(1, 101)))


def listen(conninfo):
    """LISTEN hears of a send, and of a plain INSERT."""
    db, listener = Db(conninfo), Db(conninfo)
    fresh(db, "py_note")
    db.rows("SELECT pgmq.enable_notify_insert(queue_name => %(q)s, throttle_interval_ms => %(n)s)",
            q="py_note", n=0)
    listener.conn.execute('LISTEN "pgmq.q_py_note.INSERT"')

    def heard():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            listener.conn.pgconn.consume_input()
            note = listener.conn.pgconn.notifies()
            if note:
                return note.relname.decode()
            select.select([listener.conn.pgconn.socket], [], [], 0.1)
        raise AssertionError("heard nothing")

    db.rows("SELECT pgmq.send(queue_name => 'py_note', msg => '1')")
    equal(heard(), "pgmq.q_py_note.INSERT")
    db.conn.execute("INSERT INTO pgmq.q_py_note (message) VALUES ('2')")
    equal(heard(), "pgmq.q_py_note.INSERT")


def cancel(conninfo):
    """A waiting read ends when the client cancels it, and the connection lives."""
    db, watch = Db(conninfo), Db(conninfo)
    fresh(db, "py_cancel")
    pid = db.conn.info.backend_pid
    seen = []

    def when_it_waits():
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if watch.rows("SELECT FROM pg_stat_activity WHERE pid = %(pid)s AND state = 'active'"
                          " AND query LIKE '%%read_with_poll%%'", pid=pid):
                seen.append(True)
                db.conn.cancel()
                return
            time.sleep(0.01)

    thread = threading.Thread(target=when_it_waits)
    thread.start()
    start = time.monotonic()
    try:
        db.refuses("57014", "SELECT * FROM pgmq.read_with_poll(queue_name => 'py_cancel',"
                   " vt => 1, qty => 1, max_poll_seconds => 30)")
    finally:
        thread.join()
    equal(seen, [True])
    if time.monotonic() - start > 10:
        raise AssertionError("the cancelled call went on waiting")
    equal(db.value("SELECT 1"), 1)


def consumers(conninfo, options, messages=2000, kind_of_db=Db):
    """Two producers, six consumers of four kinds: each message exactly once."""
    db = kind_of_db(conninfo, **options)
    fresh(db, "py_race")
    taken, errors, lock = [], [], threading.Lock()
    sent, done = [], threading.Event()

    def guarded(body, *args):
        def run():
            try:
                mine = kind_of_db(conninfo, **options)
                body(mine, *args)
                mine.conn.close()
            except Exception as err:
                errors.append(err)
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def produce(mine, batch):
        for first in range(0, messages // 2, batch):
            ids = mine.column("SELECT pgmq.send_batch(queue_name => %(q)s, msgs => %(m)s)",
                              q="py_race", m=[Jsonb(first + i) for i in range(batch)])
            with lock:
                sent.extend(ids)

    def consume(mine, kind, qty):
        take = ("SELECT * FROM pgmq.pop(queue_name => %(q)s, qty => %(n)s)" if kind == "pop" else
                "SELECT * FROM pgmq.read(queue_name => %(q)s, vt => 600, qty => %(n)s)")
        while True:
            last = done.is_set()
            rows = mine.rows(take, q="py_race", n=qty)
            with lock:
                taken.extend((r["msg_id"], r["read_ct"], kind) for r in rows)
            ids = [r["msg_id"] for r in rows]
            if ids and kind == "one":
                for id in ids:
                    equal(mine.value("SELECT pgmq.delete(queue_name => %(q)s, msg_id => %(id)s)",
                                     q="py_race", id=id), True)
            elif ids and kind != "pop":
                equal(mine.column(f"SELECT pgmq.{kind}(queue_name => %(q)s, msg_ids => %(ids)s)",
                                  q="py_race", ids=ids), ids)
            elif not ids and last:
                return

    readers = [guarded(consume, *how) for how in
               (("one", 1), ("one", 7), ("pop", 1), ("pop", 5), ("delete", 10), ("archive", 10))]
    writers = [guarded(produce, batch) for batch in (1, 20)]
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    if errors:
        raise errors[0]
    equal(len(sent), messages)
    equal(sorted(sent), list(range(1, messages + 1)))
    equal(sorted(id for id, _, _ in taken), sorted(sent))
    equal({ct for _, ct, kind in taken if kind == "pop"} <= {0}, True)
    equal({ct for _, ct, kind in taken if kind != "pop"}, {1})
    equal(db.value("SELECT count(*) FROM pgmq.q_py_race"), 0)
    equal(sorted(db.column("SELECT msg_id FROM pgmq.a_py_race")),
          sorted(id for id, _, kind in taken if kind == "archive"))


def routed():
    """The scenario through a router, and through pgbouncer before it."""
    host, port, database = sys.argv[2:5]
    direct = f"host={host} port={port} dbname={database} user=postgres"
    scenario("routed.text", RoutedDb(direct, prepare=False))
    scenario("routed.binary", RoutedDb(direct, prepare=True, binary=True))
    with check("routed.consumers"):
        consumers(direct, {}, messages=600, kind_of_db=RoutedDb)
    if len(sys.argv) > 5:
        pooled = f"host={host} port={sys.argv[5]} dbname={database} user=postgres"
        scenario("routed.pgbouncer", RoutedDb(pooled, prepare_threshold=None))
    return 1 if failed else 0


def main():
    if sys.argv[1] == "--routed":
        return routed()
    host, port, database = sys.argv[1:4]
    direct = f"host={host} port={port} dbname={database} user=postgres"

    scenario("psycopg.text", Db(direct, prepare=False))
    scenario("psycopg.prepared", Db(direct, prepare=True))
    scenario("psycopg.binary", Db(direct, prepare=True, binary=True))
    pipelines = getattr(psycopg, "Pipeline", None)
    if pipelines and pipelines.is_supported():
        db = Db(direct, prepare=True)
        with db.conn.pipeline() as db.pipeline:
            scenario("psycopg.pipeline", db)
        with check("psycopg.deep_pipeline"):
            deep_pipeline(direct)
    else:
        print("skip psycopg.pipeline libpq is older than 14")
    scenario("psycopg.subscription", SubscribedDb(direct, prepare=True), 2)
    for own in transactions, copy, cursors, shortest_loop, executemany, listen, cancel:
        with check(f"psycopg.{own.__name__}"):
            own(direct)
    with check("psycopg.consumers"):
        consumers(direct, {})

    if len(sys.argv) > 4:
        pooled = f"host={host} port={sys.argv[4]} dbname={database} user=postgres"
        unnamed = {"prepare_threshold": None}
        scenario("pgbouncer.text", Db(pooled, **unnamed))
        scenario("pgbouncer.binary", Db(pooled, binary=True, **unnamed))
        with check("pgbouncer.hops"):
            # or else the checks above proved nothing about pooling
            db = Db(pooled, **unnamed)
            pids = {db.value("SELECT pg_backend_pid()") for _ in range(20)}
            if len(pids) < 2:
                raise AssertionError("all statements went to one server connection")
        with check("pgbouncer.consumers"):
            consumers(pooled, unnamed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
