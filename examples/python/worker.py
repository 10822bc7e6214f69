#!/usr/bin/env python3
"""A worker for a queue of pgmq_c. Copy it, register handlers by kind (the header "kind"), run as many as you like.

A handler that raises gives its message back with the error, to be read again when the queue's policy says; Hopeless
moves it to the dead-letter queue; a kind without a handler is put off. Leases go on while handlers run. SIGTERM lets
running handlers finish, and gives back the rest as if it had not been read. More in docs/jobs.md."""
import contextlib
import logging
import queue
import signal
import sys
import threading
import time
from json import loads

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.string import TextLoader

log, handlers = logging.getLogger("worker"), {}
SETTLE = {"release": "release(%s, msg_id => %s, delay => %s, read_ct => %s)",
          "nack": "nack(%s, msg_id => %s, delay => NULL, error => %s, read_ct => %s)",
          "dead_letter": "dead_letter(%s, msg_id => %s, reason => %s, read_ct => %s)"}
DELETE_AND_READ = "delete_and_read(%s, msg_ids => %s::bigint[], read_cts => %s::integer[], vt => %s, qty => %s)"


class Hopeless(Exception):
    """Raised by a handler: no later attempt will succeed."""


def handler(kind, transaction=False):
    """Register f(message), done at least once; or f(message, db), which does by db what is to be done exactly once."""
    return lambda function: handlers.update({kind: (function, transaction)}) or function


class Worker:
    """Runs handlers in so many threads, with a connection for each and two more."""
    def __init__(self, conninfo, queue_name, concurrency=10, vt=60, unknown_delay=60):
        self.queue_name, self.concurrency, self.vt, self.unknown_delay = queue_name, concurrency, vt, unknown_delay
        self.connect = lambda db=None: db if db and not db.closed else psycopg.connect(
            conninfo, autocommit=True, client_encoding="utf8", row_factory=namedtuple_row)
        self.held = set()                   # (msg_id, read_ct) of messages that are not settled
        self.todo = queue.SimpleQueue()     # those of these messages that no thread has begun
        self.events = queue.SimpleQueue()   # (outcome, message or None, argument), for the main thread
        self.hungry = threading.Event()     # more messages would be welcome
        self.done, self.stopping, self.count = [], False, {}    # done: messages that are to be deleted

    def run(self):
        def stop(*_):
            self.stopping = True
            self.events.put(("stop", None, None))
        [signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)]
        for target in [self.wait] + [self.work] * self.concurrency:
            threading.Thread(target=target, daemon=True).start()
        while not self.stopping or self.held or self.done:
            try:
                with self.connect() as db:
                    db.adapters.register_loader("jsonb", TextLoader)    # one that Python cannot load fails alone
                    self.dispatch(db)
            except Exception as error:
                log.warning("trying again in a second: %s", error)
                time.sleep(1)

    def call(self, db, function, *args):
        return db.execute(f"SELECT * FROM pgmq.{function}", (self.queue_name, *args)).fetchall()

    def work(self):             # a thread that runs handlers
        db = None
        while message := self.todo.get():
            kind, outcome, argument = None, "lost", None
            try:
                message = message._replace(**{f: loads(getattr(message, f) or "null") for f in ("message", "headers")})
                kind = message.headers.get("kind") if isinstance(message.headers, dict) else None
                function, transaction = handlers.get(kind if kind.__hash__ else None, (None, False))
                if function is None:
                    outcome, argument = "release", self.unknown_delay
                elif transaction:   # deletes it first, so that nobody else can have it while the handler runs
                    db = self.connect(db)
                    with db.transaction():
                        if self.call(db, "delete(%s, msg_id => %s, read_ct => %s)", *message[:2])[0].delete:
                            function(message, db)
                            # after an SQL error that the handler has caught, COMMIT would only roll back
                            outcome = "done" if db.info.transaction_status.name != "INERROR" else db.execute("SELECT")
                elif message[:2] in self.held:
                    function(message)
                    outcome = "delete"
            except BaseException as error:      # also SystemExit, which would end the thread
                outcome, argument = "dead_letter" if isinstance(error, Hopeless) else "nack", error
                log.warning("%s %s, attempt %s: %r", kind, message.msg_id, message.read_ct, error)
            self.events.put((outcome, message, argument))

    def wait(self):             # the thread that waits for messages
        db = None
        while self.hungry.wait():
            self.hungry.clear()
            try:
                (db := self.connect(db)).execute("CALL pgmq.wait(%s, 60)", (self.queue_name,))
            except psycopg.Error as error:
                log.warning("waiting again in a second: %s", error)
                time.sleep(1)
            self.events.put(("look", None, None))

    def dispatch(self, db):
        """Take messages, tell the server what became of them, and have the leases of the others go on."""
        beat = 0                            # when the next heartbeat is due
        while not self.stopping or self.held or self.done:
            with contextlib.suppress(queue.Empty):
                self.settle(db, *self.events.get(timeout=max(0, beat - time.monotonic())))
                while True:                 # for all that there is now
                    self.settle(db, *self.events.get_nowait())
            room = 0 if self.stopping else 2 * self.concurrency - len(self.held)
            messages = self.call(db, DELETE_AND_READ, *columns(self.done), self.vt, room)
            self.done = []
            for message in (m for m in messages if m.read_ct):      # the others were deleted too late
                self.held.add(message[:2])
                self.todo.put(message)
            if len(messages) < room:
                self.hungry.set()
            if time.monotonic() >= beat:
                beat = time.monotonic() + self.vt / 3
                lost = self.call(db, "extend(%s, %s::bigint[], %s::integer[], %s)", *columns(self.held), self.vt)
                self.held = {key for key in self.held if key[:1] not in lost}
                log.info("%s: %s held; since the start %s", self.queue_name, len(self.held), self.count)

    def settle(self, db, outcome, message, argument):
        """Tell the server what became of a message. If that fails, it is read again when its lease ends."""
        self.count[outcome] = self.count.get(outcome, 0) + 1
        self.held.discard(message and message[:2])
        if outcome == "delete":
            self.done.append(message[:2])
        elif outcome in SETTLE:
            if outcome != "release":    # an error, without what the server cannot store
                text = f"{type(argument).__name__}: {argument}" if outcome == "nack" else str(argument)
                argument = text.replace("\0", "?").encode(errors="replace").decode()
            self.call(db, SETTLE[outcome], message.msg_id, argument, message.read_ct)
        elif outcome == "stop":
            with contextlib.suppress(queue.Empty):
                while message := self.todo.get_nowait():
                    self.events.put(("release", message, 0))


def columns(keys):
    return [key[0] for key in keys], [key[1] for key in keys]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    handler("hello")(lambda message: log.info("hello %s", message.message))
    Worker(*sys.argv[1:]).run()             # a connection string, and the name of the queue
