#!/usr/bin/env python3
"""The worker of examples/python with handlers that worker_test.py knows.

usage: worker_handlers.py WORKER_DIRECTORY CONNINFO QUEUE
"""
import logging
import sys
import time

import psycopg

sys.path.insert(0, sys.argv[1])
import worker  # noqa: E402

CONNINFO, QUEUE = sys.argv[2:]
INSERT = "INSERT INTO effects (job, read_ct) VALUES (%s, %s)"


@worker.handler("inside", transaction=True)
def inside(message, db):
    db.execute(INSERT, (message.message["job"], message.read_ct))
    db.execute("SELECT pg_sleep(0.01)")


@worker.handler("outside")
def outside(message):
    """An effect elsewhere: this one is safe to repeat."""
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        db.execute(INSERT + " ON CONFLICT (job) WHERE job LIKE 'outside%%' DO NOTHING",
                   (message.message["job"], message.read_ct))


@worker.handler("flaky", transaction=True)
def flaky(message, db):
    db.execute(INSERT, (message.message["job"], message.read_ct))
    if message.read_ct < 3:
        raise RuntimeError("not yet: \0 \udcff \u20ac")    # what a text of the server's cannot hold, and what can


@worker.handler("hopeless", transaction=True)
def hopeless(message, db):
    db.execute(INSERT, (message.message["job"], message.read_ct))
    raise worker.Hopeless("no such customer")


@worker.handler("odd", transaction=True)
def odd(message, db):
    db.execute(INSERT, (message.message["job"], message.read_ct))
    if message.read_ct < 2:
        sys.exit("no Exception")


@worker.handler("careless", transaction=True)
def careless(message, db):
    if message.read_ct < 2:
        try:
            db.execute("SELECT 1 / 0")
        except psycopg.Error:
            return
    if "x-pgmq-error" in message.headers:
        db.execute(INSERT, (message.message["job"], message.read_ct))


@worker.handler("slow")
def slow(message):
    time.sleep(5)
    with psycopg.connect(CONNINFO, autocommit=True) as db:
        db.execute(INSERT, (message.message["job"], message.read_ct))


logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
worker.Worker(CONNINFO, QUEUE, concurrency=4, vt=2, unknown_delay=600).run()
