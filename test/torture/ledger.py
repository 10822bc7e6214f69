#!/usr/bin/env python3
"""Try to make the queue lose a message, or hand it out twice.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/ledger.py [options]

  --seconds N    how long to try (60)
  --rounds N     how many rounds, instead of seconds
  --seed N       the random choices; which sessions meet is up to the server
  --sessions N   clients (8)
  --preload 0|1  whether shared_preload_libraries has pgmq_c (1)
  --faults LIST  which of kill, immediate, postmaster, wal, disk, promote,
                 cancel, terminate, drop (all); "none"
  --queues LIST  those that most is done to, instead of a few by chance
  --drops P      how likely a transaction loses its connection (0.01, or 0.06)
  --keep         leave the server's directory, with the ledger, behind

PG_BINDIR is the bin directory of a server that has pgmq_c installed.  Started
by root it runs the server as CLIENT_USER (postgres).

Clients, each a process with a connection, send and consume by every verb, in
transactions of every shape.  What a client is about to do, and what it was
told, it appends to a file of its own, outside the database: the ledger.  In
the middle of a round something fails:

kill        a backend is shot (SIGKILL)
immediate   pg_ctl stop -m immediate, and start
postmaster  the whole server is shot, and started
wal, disk   the disk of pg_wal, that of the queues is full (root only)
promote     the primary is shot and its synchronous standby promoted
cancel, terminate   statements, sessions of clients are ended
drop        clients lose their connection, perhaps in the middle of COMMIT

When the round is over and the server quiet, the ledger is compared with the
database (check.py has the rules).  A find ends the run with exit code 1, and
what the ledger says about the message.  The last lines are TAP.
"""
import argparse
import collections
import glob
import json
import multiprocessing
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import zlib

import psycopg

import check
import seeks
from check import table
from check import DEAD, GROUPED, MAX_READS, STREAM_OF, STREAMS, TTL
from server import PARTS, Find, Server

ALL_FAULTS = ['kill', 'immediate', 'postmaster', 'wal', 'disk', 'promote', 'cancel', 'terminate', 'drop']
LIGHT = ['cancel', 'terminate', 'drop']
SMALL_DISK = 96 << 20

# What belongs together; a round has some of them at its centre.
FAMILIES = [['plain'], ['plain', 'other'], ['parts'], ['unlogged'], ['topic_a', 'topic_b'], ['fifo'], ['strict'], ['fifo_dead', 'job_dead'], ['job', 'job_dead'],
            ['ttl'], ['ttl_dead', 'job_dead'], ['dedup'], ['dedup_short'], ['keep'], ['paused'], ['purged'], ['prio'],
            ['sub_all', 'sub_group'], ['sub_all', 'sub_some', 'sub_dead', 'sub_dead_end'], ['sub_short'], ['conv']]
QUEUES = check.QUEUES

# Errors that a client may get; any other is a find.
EXPECTED = {
    '40001',  # serialization_failure
    '40P01',  # deadlock_detected
    '55P03',  # lock_not_available: lock_timeout
    '57014',  # query_canceled
    '57P01',  # admin_shutdown: terminated
    '57P02',  # crash_shutdown
    '57P03',  # cannot_connect_now
    '53100',  # disk_full
    '53300',  # too_many_connections
    '55000',  # object_not_in_prerequisite_state: prepared transaction is busy
    '42704',  # undefined_object: prepared transaction finished by another
    '25P02',  # in_failed_sql_transaction
    '58030',  # io_error: the full disk, elsewhere
}

CRASHES = {'kill', 'immediate', 'postmaster', 'wal', 'promote'}

SETUP = PARTS + """
CREATE TABLE pgmq.parts_1 PARTITION OF pgmq.q_parts FOR VALUES FROM (100) TO (300);
CREATE TABLE pgmq.parts_2 PARTITION OF pgmq.q_parts FOR VALUES FROM (300) TO (3000) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.parts_2a PARTITION OF pgmq.parts_2 FOR VALUES FROM (300) TO (600);
CREATE TABLE pgmq.parts_2b PARTITION OF pgmq.parts_2 DEFAULT;
CREATE TABLE pgmq.parts_9 PARTITION OF pgmq.q_parts DEFAULT;
CREATE TABLE pgmq.a_parts (LIKE pgmq.q_parts INCLUDING DEFAULTS, archived_at timestamptz DEFAULT now() NOT NULL);
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('parts', true, false);
SELECT pgmq.enable_notify_insert('other', 10);
CREATE TABLE mark (x text);
CREATE TABLE effect (x text, q text, id bigint, k text, fenced boolean);
CREATE FUNCTION us(timestamptz) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql
    AS 'SELECT (extract(epoch FROM $1) * 1000000)::bigint';
SELECT pgmq.set_policy('job', '{"max_reads": 3, "dead_letter_queue": "job_dead", "backoff": "exponential", "backoff_base": 0.2, "backoff_cap": 1, "backoff_jitter": false}');
SELECT pgmq.set_policy('ttl', '{"ttl": %(ttl)s, "ttl_header": true}');
SELECT pgmq.set_policy('ttl_dead', '{"ttl": %(ttl_dead)s, "expired": "dead_letter", "dead_letter_queue": "job_dead"}');
SELECT pgmq.set_policy('dedup', '{"dedup_window": 86400}');
SELECT pgmq.set_policy('dedup_short', '{"dedup_window": %(dedup_short)s}');
SELECT pgmq.set_policy('strict', '{"strict_fifo": true}');
SELECT pgmq.set_policy('prio', '{"priorities": true}');
SELECT pgmq.set_policy('keep', '{"archive_retention": %(keep)s}');
SELECT pgmq.bind_topic('topic.*', 'topic_a');
SELECT pgmq.bind_topic('topic.#', 'topic_b');
SELECT pgmq.create_fifo_index('fifo');
SELECT pgmq.set_policy('fifo_dead', '{"max_reads": 3, "dead_letter_queue": "job_dead"}');
SELECT pgmq.create_stream('log'), pgmq.create_stream('log_short');
SELECT pgmq.create_subscription(q, 'log', 'earliest') FROM unnest('{sub_all,sub_group,sub_dead,sub_seek}'::text[]) q;
SELECT pgmq.create_subscription('sub_some', 'log', 'earliest', '{"message": {"w": %(some)s}}');
SELECT pgmq.create_subscription('sub_short', 'log_short');
SELECT pgmq.set_policy('log', '{"retention": "consumed"}');
SELECT pgmq.set_policy('log_short', '{"retention_count": %(short)s}');
SELECT pgmq.set_policy('sub_dead', '{"max_reads": 3, "dead_letter_queue": "sub_dead_end"}');
""" % {**TTL, 'dedup_short': check.DEDUP_SHORT, 'keep': check.KEEP, 'some': check.FILTERED['sub_some'], 'short': check.SHORT['log_short']}

ROW = 'msg_id, read_ct, us(vt), us(last_read_at), us(enqueued_at), message, headers'


GONE = {'57P01', '57P02', '57P03'}


class Aborted(Exception):
    """A transaction that this client gives up by itself."""


# ---------------------------------------------------------------------------
# The small disks
# ---------------------------------------------------------------------------

class Disk:
    """A tmpfs of which all can be taken away by a ballast."""

    def __init__(self, path, owner):
        os.mkdir(path)
        self.path = path
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SMALL_DISK}', 'pgmq_torture', path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            raise OSError('no mount')
        os.chown(path, owner, -1)

    def folder(self, name, owner):
        path = f'{self.path}/{name}'
        os.mkdir(path, 0o700)
        os.chown(path, owner, -1)
        return path

    def fill(self):
        with open(self.path + '/ballast', 'ab', buffering=0) as f:
            try:
                while f.write(b'\0' * 65536) == 65536:
                    pass
                while f.write(b'\0' * 512):
                    pass
            except OSError:
                pass

    def empty(self):
        if os.path.exists(self.path + '/ballast'):
            os.unlink(self.path + '/ballast')

    def remove(self):
        subprocess.run(['umount', '-l', self.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# ---------------------------------------------------------------------------
# A client
# ---------------------------------------------------------------------------

class Client:
    """One session, and its part of the ledger."""

    def __init__(self, number, server, seed, pipe, stop=None):
        self.number = number
        self.server = server
        self.pipe = pipe
        self.stop = stop
        self.random = random.Random(f'{seed} {number}')
        self.counts = collections.Counter()
        self.conn = None
        self.file = None
        self.serial = 0
        self.held = []              # what was read: [queue, id, read_ct, key]
        self.archived = []
        self.seeker = seeks.Client(self)
        self.hot = QUEUES
        self.x = None               # the transaction, None in between
        self.auto = False
        self.warned = False
        self.round = 0

    # ----- the ledger

    def open(self, round):
        if self.file is not None:
            os.close(self.file)
        self.round = round
        self.file = os.open(f'{self.server.dir}/ledger/{round}.{self.number}', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, **entry):
        entry.setdefault('t', time.monotonic())
        os.write(self.file, (json.dumps(entry, separators=(',', ':')) + '\n').encode())

    # ----- the connection

    def connect(self):
        self.conn = self.server.connect(options='-c lock_timeout=1s -c statement_timeout=5s')
        self.conn.add_notice_handler(self.notice)

    def notice(self, message):
        # canceled while it waited for the standby: committed here at least
        if message.severity_nonlocalized == 'WARNING' and message.message_primary and 'synchronous replication' in message.message_primary:
            self.warned = True

    def drop(self, *_):
        """The connection is gone, whatever is going on."""
        try:
            if self.conn and not self.conn.closed:
                with socket.socket(fileno=os.dup(self.conn.fileno())) as s:
                    s.shutdown(socket.SHUT_RDWR)
                self.counts['fault drop'] += 1
        except (OSError, psycopg.Error):
            pass

    # ----- one step of a transaction

    def run(self, *statement):
        """When it was asked for counts if it fails: then all was still held."""
        self.asked = time.monotonic()
        return self.conn.execute(*statement)

    def op(self, op, sql, args, see, **info):
        """Write down what will be done, do it, and write down the outcome, which see(rows) makes."""
        n = self.n
        self.n += 1
        self.write(x=self.x, n=n, op=op, auto=self.auto, **info)
        try:
            rows = self.run(sql, args).fetchall()
        except psycopg.Error as error:
            self.write(x=self.x, n=n, e=error.sqlstate or 'lost')
            raise
        result = see(rows)
        self.write(x=self.x, n=n, r=result)
        self.counts[op] += 1
        return result

    def effect(self, q, rows, fenced=True):
        """The effect of consuming a message, here in the same transaction."""
        if rows:
            self.run('INSERT INTO effect SELECT %s, %s, id, k, %s FROM unnest(%s::bigint[], %s::text[]) AS e (id, k)',
                     (self.x, q, fenced, [id for id, _ in rows], [k for _, k in rows]))

    # ----- sending

    def body(self):
        self.serial += 1
        k = f'{self.number}.{self.round}.{self.serial}'
        pad = '' if self.random.random() < 0.7 else self.random.choice(['x' * 300, 'yz' * 2000, '%x' % self.random.getrandbits(40000)])
        return k, json.dumps({'k': k, 'w': self.random.randrange(3), 'pad': pad, 'crc': zlib.crc32((k + pad).encode())})

    def headers(self, q, body):
        r = self.random
        if q == 'prio':
            return {'x-pgmq-priority': json.loads(body)['w']}
        if q in GROUPED or q in STREAM_OF:
            g = r.randrange(4)
            return {'x-pgmq-group': f'g{g}'} if g else None
        if q == 'dedup':
            return {'x-pgmq-dedup-id': f'{self.round - (r.random() < 0.3)}.{r.randrange(40)}'} if r.random() < 0.9 else None
        if q == 'dedup_short':
            return {'x-pgmq-dedup-id': f's{r.randrange(5)}'} if r.random() < 0.9 else None
        if q == 'ttl' and r.random() < 0.4:
            return {'x-pgmq-ttl': r.choice([1, 2, 60])}
        return {'a': 1} if r.random() < 0.2 else None

    def delay(self):
        return 0 if self.random.random() < 0.7 else self.random.choice([1, 1, 2, 20])

    def to(self, q):
        """What is sent to: of a subscription the stream, under one name or the other."""
        stream = STREAM_OF.get(q, q)
        return stream, self.random.choice([q, stream])

    def op_send(self, q):
        r = self.random
        k, body = self.body()
        headers = self.headers(q, body)
        text = None if headers is None else json.dumps(headers)
        delay = self.delay()
        form = r.randrange(5)
        stream, q = self.to(q)
        if headers is None and form == 0:
            sql, args, delay = 'SELECT pgmq.send(%s, %s::jsonb)', (q, body), 0
        elif headers is None and form == 1:
            sql, args = 'SELECT pgmq.send(%s, %s::jsonb, %s::integer)', (q, body, delay)
        elif form == 2:
            sql, args, delay = 'SELECT pgmq.send(%s, %s::jsonb, %s::jsonb)', (q, body, text), 0
        elif form == 3:
            sql, args = "SELECT pgmq.send(%s, %s::jsonb, %s::jsonb, clock_timestamp() + %s * interval '1 second')", (q, body, text, delay)
        else:
            sql, args = 'SELECT pgmq.send(%s, %s::jsonb, %s::jsonb, %s::integer)', (q, body, text, delay)
        self.op('send', sql, args, lambda rows: [row[0] for row in rows], q=stream, k=[k], h=[headers], ws=[json.loads(body)['w']], delay=delay)

    def op_insert(self, q):
        if q.startswith('dedup') or q in ('strict', 'conv'):
            return
        k, body = self.body()
        headers = self.headers(q, body)
        q = STREAM_OF.get(q, q)
        self.op('send', f'INSERT INTO pgmq.q_{q} (message, headers) VALUES (%s, %s) RETURNING msg_id', (body, None if headers is None else json.dumps(headers)),
                lambda rows: [row[0] for row in rows], q=q, k=[k], h=[headers], ws=[json.loads(body)['w']], delay=0)

    def op_send_batch(self, q):
        made = [self.body() for _ in range(self.random.choice([1, 2, 3, 5, 20]))]
        headers = [self.headers(q, body) for _, body in made]
        delay = self.delay()
        stream, q = self.to(q)
        self.op('send', 'SELECT pgmq.send_batch(%s, %s::jsonb[], %s::jsonb[], %s::integer)',
                (q, [body for _, body in made], [None if h is None else json.dumps(h) for h in headers], delay),
                lambda rows: [row[0] for row in rows], q=stream, k=[k for k, _ in made], h=headers, ws=[json.loads(body)['w'] for _, body in made], delay=delay)

    def op_topic(self, q):
        delay = self.delay()
        if self.random.random() < 0.5:
            k, body = self.body()
            self.op('send_topic', "SELECT pgmq.send_topic('topic.x', %s::jsonb, %s::integer)", (body, delay), lambda rows: rows[0][0], k=[k], delay=delay)
        else:
            made = [self.body() for _ in range(self.random.choice([1, 3, 10]))]
            self.op('send_topic', "SELECT queue_name, msg_id FROM pgmq.send_batch_topic('topic.x', %s::jsonb[], %s::integer)",
                    ([body for _, body in made], delay), lambda rows: rows, k=[k for k, _ in made], delay=delay)

    # ----- reading

    def seen(self, q, rows, many=False):
        """Rows as the ledger has them: queue, id, read_ct, vt, last_read_at, enqueued_at, key."""
        result = []
        for row in rows:
            queue, (id, read_ct, vt, last, at, body, headers) = (row[0], row[1:]) if many else (q, row)
            if zlib.crc32((body['k'] + body['pad']).encode()) != body['crc']:
                raise Find(f'message {id} of {queue} is not what was sent: {str(body)[:300]}')
            result.append([queue, id, read_ct, vt, last, at, body['k'], body['w']])
        return result

    def hold(self, rows):
        self.held += [[queue, id, read_ct, k] for queue, id, read_ct, _, _, _, k, _ in rows]

    def op_read(self, q):
        r = self.random
        vt = r.choice([0, 0, 0, 1] if q in MAX_READS else [0, 1, 1, 1, 2, 30])
        qty = r.choice([1, 1, 2, 5, 20] if q not in STREAM_OF else [1, 5, 20, 20, 100])
        poll = r.random() < 0.2
        waits = f', {r.choice([0, 1])}, {r.choice([10, 50])}' if poll else ''
        suffix = '_with_poll' if poll else ''
        if q in GROUPED:
            form = r.choice(['read_grouped', 'read_grouped', 'read_grouped_rr', 'read_grouped_head'])
            self.hold(self.op('read', f'SELECT {ROW} FROM pgmq.{form}{suffix}(%s, {vt}, {qty}{waits})', (q,), lambda rows: self.seen(q, rows), q=q, vt=vt, qty=qty, form=form))
        elif r.random() < 0.15:
            queues = [other for other in dict.fromkeys([q] + r.sample(QUEUES, 2)) if other not in GROUPED]
            order = '{"order": "fair"}' if r.random() < 0.5 else '{}'
            self.hold(self.op('read', f"SELECT queue_name, {ROW} FROM pgmq.read_any{suffix}(%s::text[], {vt}, {qty}{waits}, %s)", (queues, order),
                              lambda rows: self.seen(None, rows, True), q=None, qs=queues, vt=vt, qty=qty, form='read_any'))
        else:
            where = r.randrange(3) if r.random() < 0.1 else None
            more = '' if where is None else f""", conditional => '{{"w": {where}}}'"""
            self.hold(self.op('read', f'SELECT {ROW} FROM pgmq.read{suffix}(%s, {vt}, {qty}{waits}{more})', (q,), lambda rows: self.seen(q, rows),
                              q=q, vt=vt, qty=qty, form='read', w=where))

    def op_pop(self, q):
        if q in GROUPED:
            return self.op_read(q)
        qty = self.random.choice([1, 1, 3, 10])
        self.op('pop', f"""WITH p AS MATERIALIZED (SELECT * FROM pgmq.pop(%s, {qty})),
            e AS (INSERT INTO effect SELECT %s, %s, msg_id, message->>'k', true FROM p)
            SELECT {ROW} FROM p""", (q, self.x, q), lambda rows: self.seen(q, rows), q=q, qty=qty)

    # ----- what is done to what was read

    def take(self, q=None, most=10, among=None):
        """Some of the messages that are held, of one queue."""
        held = [m for m in self.held if (q is None or m[0] == q) and (among is None or m[0] in among)]
        if not held:
            return None, []
        q = self.random.choice(held)[0] if self.random.random() < 0.7 else held[-1][0]
        mine = [m for m in held if m[0] == q]
        some = mine[-self.random.randint(1, most):] if self.random.random() < 0.7 else self.random.sample(mine, min(len(mine), self.random.randint(1, most)))
        unique = {m[1]: m for m in some}
        return q, [unique[id] for id in sorted(unique)]

    def forget(self, q, ids):
        self.held = [m for m in self.held if m[0] != q or m[1] not in ids]

    def op_done(self, q, verb=None, fenced=None):
        """Delete or archive one or several, fenced or not, with the effect."""
        r = self.random
        verb = verb or r.choice(['delete', 'delete', 'archive'])
        q, some = self.take(q)
        if not some:
            return 0
        fenced = r.random() < 0.6 if fenced is None else fenced
        if self.auto:
            # at least once: first the effect, then the message is let go
            fenced = False
            self.effect(q, [(m[1], m[3]) for m in some], False)
        ids = [m[1] for m in some]
        self.forget(q, ids)
        rc = [m[2] for m in some] if fenced else None
        # both acknowledge for a subscription
        name = 'delete' if q in STREAM_OF else verb
        if q == 'conv':
            verb = name = 'delete'
        if len(some) == 1 and r.random() < 0.8:
            see = lambda rows: ids if rows[0][0] else []
            if fenced:
                done = self.op(name, f'SELECT pgmq.{verb}(%s, %s::bigint, %s::integer)', (q, ids[0], rc[0]), see, q=q, ids=ids, rc=rc)
            else:
                done = self.op(name, f'SELECT pgmq.{verb}(%s, %s::bigint)', (q, ids[0]), see, q=q, ids=ids)
        else:
            see = lambda rows: [row[0] for row in rows]
            if fenced:
                done = self.op(name, f'SELECT pgmq.{verb}(%s, %s::bigint[], %s::integer[])', (q, ids, rc), see, q=q, ids=ids, rc=rc)
            else:
                done = self.op(name, f'SELECT pgmq.{verb}(%s, %s::bigint[])', (q, ids), see, q=q, ids=ids)
        if not self.auto:
            self.effect(q, [(m[1], m[3]) for m in some if m[1] in done])
        if name == 'archive':
            self.archived += [(q, id) for id in done]
        return len(done)

    def op_set_vt(self, q):
        q, some = self.take(q, 4)
        if not some:
            return
        r = self.random
        ids = [m[1] for m in some]
        rc = [m[2] for m in some] if r.random() < 0.5 else None
        seconds = r.choice([0, 0, 1, 2, 20])
        vt = f'{seconds}' if r.random() < 0.5 else f"clock_timestamp() + interval '{seconds} seconds'"
        one = len(some) == 1
        kind = '' if one else '[]'
        args = [ids[0] if one else ids] + ([] if rc is None else [rc[0] if one else rc])
        fence = '' if rc is None else f', %s::integer{kind}'
        self.op('set_vt', f'SELECT msg_id, read_ct, us(vt) FROM pgmq.set_vt(%s, %s::bigint{kind}, {vt}{fence})', (q, *args),
                lambda rows: rows, q=q, ids=ids, rc=rc, s=seconds)

    def op_nack(self, q):
        q, some = self.take(q, 4)
        if not some:
            return
        r = self.random
        ids = [m[1] for m in some]
        delay = r.choice([None, 0, 0, 1, 2])
        rc = [m[2] for m in some] if r.random() < 0.5 else None
        text = 'NULL::integer' if delay is None else str(delay)
        if len(some) == 1 and r.random() < 0.7:
            more = f', {text}' + (f', {rc[0]}' if rc else '') if rc or delay is not None or r.random() < 0.5 else ''
            self.op('nack', f'SELECT pgmq.nack(%s, %s::bigint{more})', (q, ids[0]), lambda rows: ids if rows[0][0] else [], q=q, ids=ids, rc=rc, delay=delay)
        else:
            if r.random() < 0.5 and delay is not None:
                text = f'ARRAY{[delay] * len(ids)}'
            self.op('nack', f'SELECT pgmq.nack(%s, %s::bigint[], {text}' + (f', ARRAY{rc})' if rc else ')'), (q, ids),
                    lambda rows: [row[0] for row in rows], q=q, ids=ids, rc=rc, delay=delay)
        if r.random() < 0.8:
            self.forget(q, ids)

    def op_dead_letter(self, q):
        q, some = self.take(None, 3, DEAD)
        if not some:
            return
        ids = [m[1] for m in some]
        rc = [m[2] for m in some] if self.random.random() < 0.6 else None
        self.forget(q, ids)
        if len(some) == 1:
            self.op('dead_letter', "SELECT pgmq.dead_letter(%s, %s::bigint, 'why'" + (f', {rc[0]})' if rc else ')'), (q, ids[0]),
                    lambda rows: ids if rows[0][0] else [], q=q, ids=ids, rc=rc)
        else:
            self.op('dead_letter', "SELECT pgmq.dead_letter(%s, %s::bigint[], 'why'" + (f', ARRAY{rc})' if rc else ')'), (q, ids),
                    lambda rows: [row[0] for row in rows], q=q, ids=ids, rc=rc)

    def op_forward(self, q):
        q, some = self.take(q, 1)
        if not some or some[0][0] == 'purged':
            return
        m = some[0]
        k, body = self.body()
        self.forget(q, [m[1]])
        new = self.op('forward', "SELECT pgmq.forward(%s, %s, 'other', %s::jsonb, NULL, %s)", (q, m[1], body, m[2]),
                      lambda rows: rows[0][0], q=q, ids=[m[1]], rc=[m[2]], k=[k])
        if new is not None and not self.auto:
            self.effect(q, [(m[1], m[3])])

    def op_redrive(self, q):
        self.op('redrive', 'SELECT pgmq.redrive(%s, %s)', ('job_dead', self.random.choice([1, 2, 10])), lambda rows: rows[0][0], q='job_dead')

    def op_unarchive(self, q):
        mine = [(q, id) for q, id in self.archived[-50:] if q in ('plain', 'other')]
        if not mine:
            return
        q, id = self.random.choice(mine)
        self.archived.remove((q, id))
        self.op('unarchive', 'SELECT pgmq.unarchive(%s, %s::bigint)', (q, id), lambda rows: rows[0][0], q=q, ids=[id])

    def op_purge(self, q):
        if not self.auto or q != 'purged' or self.random.random() < 0.8:
            return self.op_send_batch(q)
        self.op('purge', 'SELECT pgmq.purge_queue(%s)', (q,), lambda rows: rows[0][0], q=q)

    # ----- transactions

    def queue(self):
        return self.random.choice(self.hot) if self.random.random() < 0.9 else self.random.choice(QUEUES)

    def any_op(self):
        r = self.random
        q = self.queue()
        if q in ('topic_a', 'topic_b') and r.random() < 0.3:
            return self.op_topic(q)
        if q in ('purged',) and r.random() < 0.1:
            return self.op_purge(q)
        if STREAM_OF.get(q) == seeks.STREAM and r.random() < 0.15:
            return self.seeker.step()
        if q == 'job_dead' and r.random() < 0.3:
            return self.op_redrive(q)
        if q in DEAD and r.random() < 0.1:
            return self.op_dead_letter(q)
        verb = r.choices(['send', 'send_batch', 'insert', 'read', 'pop', 'done', 'set_vt', 'nack', 'forward', 'unarchive'],
                         [20, 10, 3, 30, 3, 30, 4, 6, 2, 1])[0]
        if verb in ('send', 'send_batch', 'insert') and q in ('job_dead', 'sub_dead_end'):
            verb = 'read'
        if self.auto and r.random() < 0.01:
            self.run('CALL pgmq.maintain()')
        getattr(self, 'op_' + verb)(q if verb not in ('done', 'set_vt', 'nack', 'forward') or r.random() < 0.3 else None)

    def mark(self):
        self.run('INSERT INTO mark VALUES (%s)', (self.x,))

    def savepoints(self, depth=0):
        """Some steps in a savepoint, which is rolled back or released."""
        r = self.random
        name = f's{depth}'
        self.run(f'SAVEPOINT {name}')
        first, held = self.n, list(self.held)
        try:
            for _ in range(r.randint(1, 3)):
                if depth == 0 and r.random() < 0.3:
                    self.savepoints(1)
                else:
                    self.any_op()
            if r.random() < 0.5:
                raise Aborted
            self.run(f'RELEASE {name}')
        except (psycopg.Error, Aborted) as error:
            if isinstance(error, psycopg.Error) and (self.conn.closed or error.sqlstate in GONE or error.sqlstate not in EXPECTED):
                raise
            self.write(x=self.x, undo=first, t=time.monotonic() if isinstance(error, Aborted) else self.asked)
            self.run(f'ROLLBACK TO {name}')
            self.held = held
            if r.random() < 0.5:
                self.run(f'RELEASE {name}')

    def transaction(self):
        """One, of some shape; what becomes of it is written in every case."""
        r = self.random
        self.serial += 1
        self.x = f'{self.number}.{self.round}.t{self.serial}'
        self.n = 0
        self.asked = time.monotonic()
        self.warned = False
        held = list(self.held)
        shape = r.choices(['auto', 'recipe', 'plain', 'rollback', 'savepoint', 'prepare', 'finish'], [45, 15, 14, 7, 10, 4, 5])[0]
        self.auto = shape == 'auto'
        self.prepares = shape == 'prepare'
        ending = None
        outcome = 'rolled back'
        try:
            if self.auto:
                outcome = 'unknown'
                ending = 'auto'
                self.any_op()
                outcome = 'unknown' if self.warned else 'committed'
            elif shape == 'finish':
                return self.finish()
            else:
                level = r.choices(['', ' ISOLATION LEVEL REPEATABLE READ', ' ISOLATION LEVEL SERIALIZABLE'], [88, 8, 4])[0]
                self.write(x=self.x, begin=level[17:])
                self.run('BEGIN' + level)
                early = r.random() < 0.5
                if early:
                    self.mark()
                if shape == 'recipe':
                    if not self.op_done(None, fenced=True):
                        raise Aborted
                else:
                    for _ in range(r.randint(1, 4)):
                        self.any_op()
                    if shape == 'savepoint':
                        self.savepoints()
                        if r.random() < 0.5:
                            self.any_op()
                if not early:
                    self.mark()
                if shape == 'rollback':
                    raise Aborted
                ending = 'prepare' if shape == 'prepare' else 'commit'
                self.write(x=self.x, end=ending)
                outcome = 'unknown'
                status = self.run('COMMIT' if ending == 'commit' else f"PREPARE TRANSACTION '{self.x}'").statusmessage
                if status == 'ROLLBACK':
                    raise Find(f'{self.x} was rolled back at its end without a word')
                outcome = 'unknown' if self.warned else 'committed' if ending == 'commit' else 'prepared'
                self.counts['transactions'] += 1
        except Aborted:
            self.held = held
            self.write(x=self.x, end='rollback')
            outcome = 'lost'
            self.run('ROLLBACK')
            outcome = 'rolled back'
        except psycopg.Error as error:
            self.held = held
            self.counts['! ' + (error.sqlstate or 'lost')] += 1
            if error.sqlstate and error.sqlstate not in EXPECTED:
                raise Find(f'{self.x}: {error.sqlstate} {error}')
            if error.sqlstate in GONE:
                # so it has ended, whatever it did before
                self.conn.close()
            elif not self.conn.closed:
                # the server said so: it did not happen
                outcome = 'rolled back'
                self.write(x=self.x, end='rollback', t=self.asked)
                self.run('ROLLBACK')
        finally:
            if shape != 'finish' and not (self.auto and self.n == 0):
                self.write(x=self.x, out=outcome)
            self.held = self.held[-60:]
            self.x = None

    def finish(self):
        """End what was prepared, by this session or another."""
        rows = self.conn.execute('SELECT gid FROM pg_prepared_xacts ORDER BY random() LIMIT 1').fetchall()
        if not rows:
            return
        self.end_prepared(rows[0][0], self.random.choice(['commit', 'commit', 'rollback']))

    def end_prepared(self, gid, how):
        self.write(g=gid, end=how)
        self.warned = False
        try:
            self.conn.execute(f"{how.upper()} PREPARED '{gid}'")
            self.write(g=gid, end=how, out='unknown' if self.warned else 'done')
            self.counts[f'{how} prepared'] += 1
        except psycopg.Error as error:
            self.write(g=gid, end=how, out='unknown' if self.conn.closed or error.sqlstate in GONE else 'failed')
            raise

    # ----- main loop

    def storm(self, hot, drops):
        self.hot = hot
        while not self.stop.is_set():
            try:
                if self.conn is None or self.conn.closed:
                    self.connect()
                if self.random.random() < drops:
                    signal.setitimer(signal.ITIMER_REAL, self.random.random() ** 2 * 0.03 + 0.0001)
                try:
                    self.transaction()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except psycopg.Error as error:
                if error.sqlstate and error.sqlstate not in EXPECTED:
                    raise Find(f'client {self.number}: {error.sqlstate} {error}')
                if self.conn is None or self.conn.closed:
                    self.conn = None
                    time.sleep(0.02)
                else:
                    self.conn.close()
        if self.conn and self.random.random() < 0.2:
            self.conn.close()
        return self.counts, self.conn.info.backend_pid if self.conn and not self.conn.closed else 0

    def readable(self, q):
        """The ids that reads of this session return when nobody else is there; undone."""
        for left in (1, 0):
            try:
                if self.conn is None or self.conn.closed:
                    self.connect()
                return reads(self.conn, q)
            except psycopg.OperationalError:
                # it was shot when it was idle
                self.conn = None
                if not left:
                    raise

    def main(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, self.drop)
        while True:
            command, *args = self.pipe.recv()
            try:
                if command == 'storm':
                    round, *args = args
                    self.open(round)
                    self.counts.clear()
                    answer = self.storm(*args)
                elif command == 'readable':
                    answer = self.readable(*args)
                elif command == 'forget':
                    answer = self.held = []
                    self.archived = []
                else:
                    return
                self.pipe.send(('ok', answer))
            except Exception as error:
                self.pipe.send(('find', f'client {self.number}: ' + (str(error) if isinstance(error, Find) else traceback.format_exc())))


def reads(conn, q):
    form = 'read_grouped_head' if q in GROUPED else 'read'
    with conn.transaction(force_rollback=True):
        got = []
        # a subscription read by groups is given more only when it has nothing to return, and a read that has
        # looked at many blocks in vain returns nothing before it has seen all
        vain = 0
        while vain < (5 if q in STREAM_OF or q == seeks.NAME else 1):
            ids = [row[0] for row in conn.execute(f"SELECT msg_id FROM pgmq.{form}(%s, 600, 1000000)", (q,))]
            got += ids
            vain = 0 if ids else vain + 1
            if q not in STREAM_OF and q != seeks.NAME:
                break
        return got


def feed(conn, q):
    """Give a subscription references to all there is, also to what is delayed."""
    vain = 0
    # a read that has looked at many blocks in vain goes on at the next
    while vain < 5:
        vain = 0 if conn.execute('SELECT pgmq.read(%s, 1, 10000)', (q,)).fetchall() else vain + 1


# ---------------------------------------------------------------------------
# The director
# ---------------------------------------------------------------------------

def stat(pid):
    """State and parent of a process; as of a dead one when there is none."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            state, parent = f.read().rsplit(')', 1)[1].split()[:2]
        return state, int(parent)
    except (FileNotFoundError, ProcessLookupError):
        return 'Z', 0


class Director:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.totals = collections.Counter()
        self.skipped = {}
        self.clients = []
        self.stop = multiprocessing.Event()     # a storm's end
        self.disks = {}
        self.deck = []
        self.round = 0
        self.generation = 1
        self.shots = 0
        self.allowed = None         # in the server's log, this round
        self.faults = [f for f in ALL_FAULTS if f in options.faults]
        self.server = None

    # ----- the server

    def make(self):
        options = self.options
        # the folder is needed before initdb for the small disks
        self.server = server = Server('pgmq_ledger', f"""
fsync = on
max_connections = {options.sessions + 20}
max_prepared_transactions = 100
deadlock_timeout = 100ms
autovacuum_naptime = 1s
jit = off
checkpoint_timeout = 30s
min_wal_size = 4MB
max_wal_size = 12MB
""", options.preload, options.keep, ['--wal-segsize=1'])
        server.socket = server.dir + '/now'
        owner = pwd.getpwnam(server.user).pw_uid if server.user else os.getuid()
        self.owner = owner
        os.mkdir(server.dir + '/ledger')
        self.socket_folder(1)
        os.symlink('s1', server.socket)
        tablespace = None
        if server.user and {'wal', 'disk'} & set(self.faults):
            try:
                self.disks['wal'] = Disk(server.dir + '/small_wal', owner)
                self.disks['disk'] = Disk(server.dir + '/small_disk', owner)
            except OSError:
                pass
        if 'disk' in self.disks:
            wal = self.disks['wal'].folder('1', owner)
            subprocess.run(['cp', '-a', server.data + '/pg_wal/.', wal], check=True)
            shutil.rmtree(server.data + '/pg_wal')
            os.symlink(wal, server.data + '/pg_wal')
            tablespace = self.disks['disk'].folder('1', owner)
            self.tablespace = tablespace
        for fault in 'wal', 'disk':
            if fault in self.faults and fault not in self.disks:
                self.faults.remove(fault)
                self.skipped[fault] = 'a small disk can be mounted by root only'
        server.start(self.memory(), self.conf())
        with server.connect(dbname='postgres') as conn:
            if tablespace:
                conn.execute(f"CREATE TABLESPACE small LOCATION '{tablespace}'")
            conn.execute('CREATE DATABASE torture')
            if tablespace:
                conn.execute('ALTER DATABASE torture SET default_tablespace = small')
        with server.connect() as conn:
            conn.execute('CREATE EXTENSION pgmq_c')
            for queue in QUEUES:
                if queue != 'parts' and queue not in STREAM_OF:
                    conn.execute(f"SELECT pgmq.{'create_unlogged' if queue == 'unlogged' else 'create'}(%s)", (queue,))
            conn.execute(SETUP)
        self.checker = check.Checker(server.dir + '/ledger', time.time() - time.monotonic())
        with server.connect() as conn:
            self.checker.begin(conn, QUEUES)
        for number in range(options.sessions):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=lambda n=number, p=theirs: Client(n, server, options.seed, p, self.stop).main(), daemon=True)
            process.start()
            self.clients.append((process, ours))
        # what the director does itself is in the ledger too
        self.own = Client('d', server, options.seed, None)

    def socket_folder(self, generation):
        path = f'{self.server.dir}/s{generation}'
        os.mkdir(path)
        os.chown(path, self.owner, -1)
        return path

    def memory(self):
        return self.random.choice([1024, 1024, 2048, 16384])

    def conf(self, more=''):
        return f"unix_socket_directories = '{self.server.dir}/s{self.generation}'\n" + more

    def start(self):
        """After whatever happened: it may be starting by itself, or not be there."""
        end = time.time() + 120
        while True:
            if self.server.run('pg_ctl', '-D', self.server.data, 'status', check=False):
                try:
                    self.server.connect().close()
                    return
                except psycopg.OperationalError:
                    pass
            else:
                self.server.start(self.memory(), self.conf(), check=False)
            if time.time() > end:
                raise Find('the server does not come up:\n' + '\n'.join(self.server.log_end(20)))
            time.sleep(0.05)

    def postmaster(self):
        with open(self.server.data + '/postmaster.pid') as f:
            return int(f.readline())

    def shoot(self):
        """SIGKILL for the postmaster and all its children."""
        postmaster = self.postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        children = [pid for pid in map(int, filter(str.isdigit, os.listdir('/proc'))) if stat(pid)[1] == postmaster]
        os.kill(postmaster, signal.SIGKILL)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in [postmaster] + children:
            while stat(pid)[0] != 'Z':
                time.sleep(0.01)

    # ----- faults

    def somebody(self, conn):
        row = conn.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = 'torture' ORDER BY state = 'idle', random() LIMIT 1").fetchone()
        return row and row[0]

    def light(self, kind):
        try:
            with self.server.connect() as conn:
                pid = self.somebody(conn)
                if pid:
                    conn.execute(f"SELECT pg_{'cancel' if kind == 'cancel' else 'terminate'}_backend({pid})")
                    self.totals['fault ' + kind] += 1
        except psycopg.Error:
            pass

    def fault_kill(self):
        try:
            with self.server.connect() as conn:
                pid = self.somebody(conn)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    self.shots += 1
                    self.totals['fault kill'] += 1
        except (psycopg.Error, ProcessLookupError):
            pass

    def fault_immediate(self):
        self.server.stop('immediate')
        self.totals['fault immediate'] += 1
        self.start()

    def fault_postmaster(self):
        self.shoot()
        self.totals['fault postmaster'] += 1
        self.start()

    def fault_wal(self):
        self.allowed = r'PANIC:  53100|signal 6: Aborted'
        self.disks['wal'].fill()
        # what is recycled is used up first
        end = time.time() + 1.2
        try:
            with self.server.connect() as conn:
                while time.time() < end:
                    conn.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 300000))")
        except psycopg.Error:
            self.totals['fault wal'] += 1
        time.sleep(0.2)
        self.disks['wal'].empty()
        self.start()

    def fault_disk(self):
        self.disks['disk'].fill()
        time.sleep(0.8)
        self.disks['disk'].empty()
        self.totals['fault disk'] += 1

    def make_standby(self):
        server = self.server
        n = self.generation + 1
        data = f'{server.dir}/data{n}'
        more = []
        if self.disks:
            wal = self.disks['wal'].folder(str(n), self.owner)
            self.next_tablespace = self.disks['disk'].folder(str(n), self.owner)
            more = [f'--waldir={wal}', f'--tablespace-mapping={self.tablespace}={self.next_tablespace}']
        server.run('pg_basebackup', '-h', f'{server.dir}/s{self.generation}', '-U', 'postgres', '-D', data, '-R', '-c', 'fast', '--no-sync', *more)
        folder = self.socket_folder(n)
        server.configure(data, self.memory(), f"unix_socket_directories = '{folder}'\n")
        server.run('pg_ctl', '-D', data, '-l', server.dir + '/log', '-w', '-s', 'start')
        level = self.random.choice(['on', 'remote_apply'])
        with open(server.data + '/torture.conf', 'a') as f:
            f.write(f"synchronous_standby_names = '*'\nsynchronous_commit = {level}\n")
        server.run('pg_ctl', '-D', server.data, '-s', 'reload')
        with server.connect() as conn:
            end = time.time() + 30
            while conn.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'").fetchone()[0] == 0 \
                    or conn.execute('SHOW synchronous_commit').fetchone()[0] != level:
                if time.time() > end:
                    raise Find('the standby does not come')
                time.sleep(0.02)

    def fault_promote(self):
        server = self.server
        self.shoot()
        old = server.data
        self.generation += 1
        server.data = f'{server.dir}/data{self.generation}'
        server.run('pg_ctl', '-D', server.data, '-w', '-s', 'promote')
        os.symlink(f's{self.generation}', server.socket + '.new')
        os.rename(server.socket + '.new', server.socket)
        self.totals['fault promote'] += 1
        if self.disks:
            shutil.rmtree(self.tablespace)
            shutil.rmtree(os.path.realpath(old + '/pg_wal'))
            self.tablespace = self.next_tablespace
        shutil.rmtree(old)

    # ----- a round

    def hear(self, pipe):
        kind, answer = pipe.recv()
        if kind == 'find':
            raise Find(answer)
        return answer

    def storm(self):
        r = self.random
        if not self.deck:
            heavy = [[f] for f in self.faults if f not in LIGHT]
            if ['disk'] in heavy and ['kill'] in heavy:
                # one round is enough for both
                heavy.remove(['kill'])
                heavy[heavy.index(['disk'])] = ['disk', 'kill']
            self.deck = r.sample(heavy, len(heavy)) or [[]]
        todo = self.deck.pop(0)
        self.fault = todo
        self.allowed = None
        busy = 'disk' in todo or r.random() < 0.2      # with light faults
        if 'promote' in todo:
            self.make_standby()
        families = r.sample(FAMILIES, r.choice([1, 2, 3, 4, 5]))
        if 'disk' in todo:
            families.append(['plain'])
        hot = self.options.queues or [queue for family in families for queue in family]
        seconds = 2.2 + r.random()
        drops = 0 if 'drop' not in self.faults else self.options.drops or (0.06 if busy else 0.01)
        self.stop.clear()
        for _, pipe in self.clients:
            pipe.send(('storm', self.round, hot, drops))
        self.own.open(self.round)
        until = time.time() + seconds
        when = time.time() + seconds * (0.2 + 0.5 * r.random()) / max(len(todo), 1)
        paused = None
        left = list(todo)
        # the fault comes, however long something else took
        while left or time.time() < until:
            time.sleep(0.05)
            if left and time.time() > when:
                getattr(self, 'fault_' + left.pop(0))()
                # there must be some time left for what comes after it
                when = time.time() + 0.3
                until = max(until, time.time() + 0.8)
                continue
            for kind in 'cancel', 'terminate':
                if kind in self.faults and r.random() < (0.2 if busy else 0.04):
                    self.light(kind)
            if r.random() < 0.02:
                q = r.choice(hot)
                self.chore(STREAM_OF.get(q, q) if r.random() < 0.5 else q)
            if 'conv' in hot and r.random() < 0.03:
                self.convert()
            if r.random() < 0.05:
                self.gap(r.choice([q for q in hot if q in STREAM_OF] or [None]))
            if r.random() < 0.03:
                self.lock_elsewhere()
            if 'paused' in hot:
                paused = self.pause(paused)
        self.stop.set()
        # who waits for something has a second
        for process, pipe in self.clients:
            if not pipe.poll(60):
                raise Find('a client does not come back')
        self.connected = []
        for process, pipe in self.clients:
            counts, pid = self.hear(pipe)
            self.totals.update(counts)
            self.connected.append(pid)

    def chore(self, q):
        """The DDL on a table in use."""
        chore = self.random.choice(['VACUUM', 'ANALYZE', 'VACUUM FULL', 'REINDEX TABLE', 'REINDEX TABLE CONCURRENTLY'])
        try:
            with self.server.connect(options='-c lock_timeout=200ms -c statement_timeout=1s') as conn:
                conn.execute(f'{chore} pgmq.q_{q}')
                self.totals[chore.lower()] += 1
        except psycopg.Error as error:
            if error.sqlstate and error.sqlstate not in EXPECTED | {'0A000'}:
                raise Find(f'{chore} of {q}: {error.sqlstate} {error}')

    def gap(self, q):
        """Ids of a stream without messages, as a large send that is rolled back leaves them."""
        if q is None:
            return
        try:
            with self.server.connect(options='-c lock_timeout=200ms -c statement_timeout=1s') as conn:
                conn.execute("SELECT max(nextval(pg_get_serial_sequence(%s, 'msg_id'))) FROM generate_series(1, %s)",
                             (f'pgmq.q_{STREAM_OF[q]}', self.random.choice([70, 300, 1000])))
                self.totals['gap'] += 1
        except psycopg.Error as error:
            if error.sqlstate and error.sqlstate not in EXPECTED:
                raise Find(f'ids of {STREAM_OF[q]}: {error.sqlstate} {error}')

    def convert(self):
        """A queue in use becomes a stream, if it is not one yet."""
        try:
            with self.server.connect(options='-c lock_timeout=500ms -c statement_timeout=2s') as conn:
                if check.stream_of(conn, 'conv') is None:
                    conn.execute("SELECT pgmq.convert_to_stream('conv', 'conv_log')")
                    self.totals['converted'] += 1
        except psycopg.Error as error:
            if error.sqlstate and error.sqlstate not in EXPECTED:
                raise Find(f'convert_to_stream: {error.sqlstate} {error}')

    def convert_back(self, conn):
        """When it is empty, a queue is made anew."""
        if check.stream_of(conn, 'conv'):
            conn.execute("SELECT pgmq.drop_queue('conv'), pgmq.drop_queue('conv_log'), pgmq.create('conv')")
            self.checker.used['conv'].clear()

    def lock_elsewhere(self):
        """A session locks a dead-letter queue: the queues that name it go on without it."""
        try:
            with self.server.connect(options='-c lock_timeout=2s') as holder, self.server.connect(options='-c lock_timeout=700ms -c statement_timeout=4s') as other:
                waited = []
                other.add_notice_handler(lambda notice: waited.append(notice.message_primary) if 'lock timeout' in str(notice.message_primary) else None)
                holder.execute('BEGIN')
                holder.execute(f"LOCK TABLE pgmq.q_job_dead IN {self.random.choice(['ACCESS EXCLUSIVE', 'SHARE', 'EXCLUSIVE'])} MODE")
                q = self.random.choice(['job', 'ttl_dead', 'fifo_dead'])
                verb = 'read_grouped' if q in GROUPED else 'read'
                try:
                    # what is returned is undone, so the ledger need not know of it
                    for _ in range(3):
                        with other.transaction(force_rollback=True):
                            # some that nobody is to have any more
                            other.execute(f"UPDATE pgmq.q_{q} SET read_ct = 99, enqueued_at = '2000-01-01', vt = clock_timestamp() WHERE msg_id IN"
                                          f" (SELECT msg_id FROM pgmq.q_{q} ORDER BY msg_id LIMIT 3 FOR UPDATE SKIP LOCKED)")
                            other.execute(f"SELECT count(*) FROM pgmq.{verb}('{q}', 1, 20)")
                    other.execute('CALL pgmq.maintain()')
                except psycopg.errors.LockNotAvailable as error:
                    raise Find(f'a lock on its dead-letter queue holds up {q}: {error}')
                if waited:
                    raise Find(f'a lock on its dead-letter queue was waited for by {q}: {waited}')
                self.totals['locked elsewhere'] += 1
        except psycopg.Error as error:
            if error.sqlstate and error.sqlstate not in EXPECTED:
                raise Find(f'beside a lock on a dead-letter queue: {error.sqlstate} {error}')

    def pause(self, paused):
        r = self.random
        if r.random() > 0.15:
            return paused
        own = self.own
        own.x = f'd.{self.round}.{time.monotonic()}'
        own.n = 0
        own.auto = True
        outcome = 'unknown'
        try:
            own.connect()
            if paused:
                own.op('resume', "SELECT pgmq.resume('paused')", (), lambda rows: rows[0][0], q='paused')
            else:
                seconds = r.choice([0.3, 1, 60])
                own.op('pause', "SELECT us(u) FROM (SELECT clock_timestamp() + %s * interval '1 second' AS u) AS s, pgmq.pause('paused', u)", (seconds,), lambda rows: rows[0][0], q='paused')
            outcome = 'committed'
            own.conn.close()
        except psycopg.Error:
            pass
        own.write(x=own.x, out=outcome)
        return not paused if outcome == 'committed' else paused

    def settle(self, last):
        """All sessions are idle."""
        self.start()
        for disk in self.disks.values():
            disk.empty()
        conn = self.server.connect(tries=100)
        end = time.time() + 30
        # whose client is gone may seem idle, and have something to do
        while conn.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND (state IS DISTINCT FROM 'idle' OR pid <> ALL (%s))",
                           (self.connected,)).fetchone()[0]:
            if time.time() > end:
                raise Find('sessions do not end: ' + str(conn.execute("SELECT pid, state, wait_event, query FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchall()))
            time.sleep(0.02)
        if 'paused' in QUEUES:
            conn.execute("SELECT pgmq.resume('paused')")
        self.own.conn = conn
        gids = [row[0] for row in conn.execute('SELECT gid FROM pg_prepared_xacts')]
        for gid in gids:
            if last or self.random.random() < 0.5:
                self.own.end_prepared(gid, self.random.choice(['commit', 'rollback']))
        conn.execute('CALL pgmq.maintain()')
        return conn

    def maps(self, conn):
        """Reads return what the plain query shows."""
        for q in [*QUEUES, seeks.NAME]:
            fed = check.stream_of(conn, q) is not None
            # what is prepared may hold what it has fed
            if fed and conn.execute('SELECT count(*) FROM pg_prepared_xacts').fetchone()[0]:
                continue
            lock = '' if fed else 'FOR UPDATE SKIP LOCKED'
            heads = f"AND msg_id IN (SELECT min(msg_id) FROM {table(conn, q)} GROUP BY coalesce(headers->>'x-pgmq-group', '_default_fifo_group'))" if q in GROUPED else ''
            dead = f'AND read_ct < {MAX_READS[q]}' if q in MAX_READS else ''
            if q in TTL:
                own = f"coalesce((headers->>'x-pgmq-ttl')::integer, {TTL[q]})" if q == 'ttl' else TTL[q]
                dead += f" AND enqueued_at + {own} * interval '1 second' > clock_timestamp()"
            for pipe in [None, self.random.choice(self.clients)[1]] if self.random.random() < 0.4 else [None]:
                with conn.transaction(force_rollback=True):
                    had = {row[0] for row in conn.execute(f'SELECT msg_id FROM {table(conn, q)} WHERE vt <= clock_timestamp() {heads} {dead} {lock}')}
                if pipe:
                    pipe.send(('readable', q))
                    got = self.hear(pipe)
                else:
                    got = reads(conn, q)
                hidden = had - set(got)
                if hidden and q in TTL:
                    # some may have become too old meanwhile
                    hidden &= {row[0] for row in conn.execute(f'SELECT msg_id FROM pgmq.q_{q} WHERE vt <= clock_timestamp() {dead}')}
                if hidden:
                    raise Find(f'hidden when quiet: {sorted(hidden)} of {q}, session {self.clients.index(next(c for c in self.clients if c[1] is pipe)) if pipe else "d"}; had {len(had)}')
                self.totals['compared'] += len(had)
        for queue, state, finds in conn.execute('SELECT queue_name, due_map, net_finds FROM pgmq.engine_status()').fetchall():
            if finds:
                raise Find(f'the net found {finds} in {queue}')
            self.totals[f'map {state}'] += 1

    def metrics(self, conn):
        with check.snapshot(conn):
            said = dict(conn.execute('SELECT queue_name, queue_length FROM pgmq.metrics_all()').fetchall())
            for q in QUEUES:
                stream = check.stream_of(conn, q)
                count, = conn.execute(f'SELECT count(*) FROM {check.references(q) if stream else f"pgmq.q_{q}"} AS r').fetchone()
                peeked, = conn.execute("SELECT count(*) FROM pgmq.peek(%s, 'all', 1000000)", (q,)).fetchone()
                ahead, = conn.execute(f'SELECT count(*) FROM {check.not_given(q, stream)} AS m').fetchone() if stream else (0,)
                # a reference that was locked when retention took its message stays until a read finds it
                lost, = conn.execute(f'SELECT count(*) FROM {check.lost(q, stream)} AS r').fetchone() if stream in check.SHORT else (0,)
                if count + ahead != said[q] or count - lost != peeked:
                    raise Find(f'{q} has {count} messages, {lost} of them lost, and {ahead} that were not given out, metrics say {said[q]}, peek shows {peeked}')

    def crowded(self):
        """There must be room for a second server."""
        if not self.disks:
            return False
        space = os.statvfs(self.disks['disk'].path)
        return space.f_bavail < 0.7 * space.f_blocks

    def drain_sought(self, conn):
        feed(conn, seeks.NAME)
        conn.execute(f'SELECT pgmq.set_vt(%s, ARRAY(SELECT msg_id FROM {table(conn, seeks.NAME)}), 0)', (seeks.NAME,)).fetchall()
        had, stored = self.checker.seeks.look(conn, table(conn, seeks.NAME))
        got = []
        vain = 0
        while vain < 5:
            ids = [row[0] for row in conn.execute('SELECT msg_id FROM pgmq.pop(%s, %s)', (seeks.NAME, self.random.choice([7, 50, 1000])))]
            got += ids
            vain = 0 if ids else vain + 1
        if had - set(got) or len(set(got)) < len(got) or not set(got) <= stored:
            missing = conn.execute(f'SELECT * FROM {table(conn, seeks.NAME)} WHERE msg_id = ANY (%s)', (list(had - set(got)),)).fetchall()
            raise Find(f'{seeks.NAME} had {sorted(had)}, drained {got}; left are {missing}')
        self.totals['drained'] += len(got)

    def seek(self, conn):
        """When all is quiet, so that the next round begins with what has come back."""
        q = self.random.choice(['sub_all', 'sub_group', 'sub_some', 'sub_short'])
        if conn.execute('SELECT count(*) FROM pg_prepared_xacts').fetchone()[0]:
            return
        ids = [row[0] for row in conn.execute(f'SELECT msg_id FROM pgmq.q_{STREAM_OF[q]} ORDER BY msg_id')] or [1]
        to = self.random.choice(["'earliest'", "'latest'", f"'{self.random.choice(ids)}'", "(clock_timestamp() - interval '2 seconds')::text"])
        conn.execute(f"SELECT pgmq.seek(%s, {to}, '{{\"force\": true}}')", (q,))
        self.checker.sought.add(q)
        self.totals['sought'] += 1

    def replay(self, conn):
        """A new subscription gets each message that the stream has, once."""
        for stream in STREAMS:
            conn.execute("SELECT pgmq.create_subscription('replay', %s, 'earliest')", (stream,))
            had = {row[0] for row in conn.execute(f'SELECT msg_id FROM pgmq.q_{stream} WHERE vt <= clock_timestamp()')}
            got = []
            while True:
                ids = [row[0] for row in conn.execute("SELECT msg_id FROM pgmq.pop('replay', %s)", (self.random.choice([7, 50, 1000]),))]
                if not ids:
                    break
                got += ids
            conn.execute("SELECT pgmq.drop_queue('replay')")
            if had - set(got) or len(set(got)) < len(got):
                raise Find(f'{stream} has {sorted(had)}, its replay returned {got}')
            self.totals['replayed'] += len(got)

    def drain(self, conn):
        """Consume what there is, by reads and deletes, until there is nothing."""
        pending = conn.execute('SELECT count(*) FROM pg_prepared_xacts').fetchone()[0]
        if pending:
            return
        # dead letters of the others last
        for q in [q for q in QUEUES if q not in ('job_dead', 'sub_dead_end')] + ['job_dead', 'sub_dead_end']:
            held = f'SELECT msg_id FROM {table(conn, q)}'
            if check.stream_of(conn, q):
                feed(conn, q)
                # also those whose message retention took while they were locked
                held += f' UNION SELECT msg_id FROM {check.references(q)} AS r'
            conn.execute(f"SELECT pgmq.set_vt(%s, ARRAY({held}), 0)", (q,)).fetchall()
            had = {row[0] for row in conn.execute(f'SELECT msg_id FROM {table(conn, q)}')}
            got = set()
            vain = 0
            while True:
                qty = self.random.choice([1, 7, 50, 1000])
                form = 'read_grouped' if q in GROUPED else 'read'
                ids = [row[0] for row in conn.execute(f'SELECT msg_id FROM pgmq.{form}(%s, 600, {qty})', (q,))]
                if not ids:
                    vain += 1
                    if vain == 5 or q not in STREAM_OF:
                        break
                    continue
                vain = 0
                if got & set(ids):
                    raise Find(f'double: {sorted(got & set(ids))} of {q} returned again when it was drained')
                got |= set(ids)
                if len(conn.execute('SELECT pgmq.delete(%s, %s::bigint[])', (q, ids)).fetchall()) != len(ids):
                    raise Find(f'{q}: delete did not delete all of {ids}')
            left = conn.execute(f'SELECT array_agg(msg_id) FROM {table(conn, q)}').fetchone()[0]
            if left:
                raise Find(f'hidden: {left} of {q} are left when no read returns anything')
            if not got <= had or (had - got and q not in MAX_READS and q not in TTL):
                raise Find(f'{q}: had {sorted(had)}, drained {sorted(got)}')
            self.totals['drained'] += len(got)
            conn.execute(f'TRUNCATE pgmq.a_{q}')
        self.convert_back(conn)
        self.drain_sought(conn)
        self.replay(conn)
        for stream in STREAMS if self.random.random() < 0.5 else ():
            conn.execute('SELECT pgmq.purge_queue(%s)', (stream,))
        if sum(row[0] for row in conn.execute('SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name <> ALL (%s)', (list(STREAMS),))):
            raise Find('metrics show messages when all is drained: ' + str(conn.execute('SELECT queue_name, queue_length FROM pgmq.metrics_all() WHERE queue_length > 0').fetchall()))
        for _, pipe in self.clients:
            pipe.send(('forget',))
            self.hear(pipe)

    def run(self):
        end = time.time() + self.options.seconds
        last = False
        while not last:
            self.round += 1
            clock = [time.time()]
            self.storm()
            clock.append(time.time())
            last = self.round >= self.options.rounds if self.options.rounds else time.time() > end - 3
            crowded = self.crowded()
            conn = self.settle(last or crowded)
            clock.append(time.time())
            complaints = self.server.log_complaints(self.shots, self.allowed)
            if complaints:
                raise Find('in the log: ' + '\n'.join(complaints[:5]))
            counts = self.checker.check(conn, self.round, QUEUES, bool(CRASHES & set(self.fault)))
            self.totals.update(counts)
            clock.append(time.time())
            self.maps(conn)
            self.metrics(conn)
            if last or crowded or self.random.random() < 0.25:
                self.drain(conn)
                if crowded:
                    conn.execute('VACUUM FULL')
            elif self.random.random() < 0.5:
                for q in QUEUES:
                    conn.execute(f'UPDATE pgmq.q_{q} SET vt = clock_timestamp() WHERE msg_id IN (SELECT msg_id FROM pgmq.q_{q} FOR UPDATE SKIP LOCKED)')
            if self.random.random() < 0.2:
                self.seek(conn)
            self.checker.begin(conn, QUEUES)
            for name in glob.glob(f'{self.server.dir}/ledger/{self.round - 2}.*'):
                os.unlink(name)
            conn.close()
            self.totals['rounds'] = self.round
            self.totals['counters agree'] = self.checker.agreed
            self.totals['sought beside readers'] = self.checker.seeks.seeks
            clock.append(time.time())
            print(f"# round {self.round} ({' '.join(self.fault) or 'calm'}): {counts['sent']} sent, {counts['consumed']} consumed; seconds "
                  + ' '.join(f'{b - a:.1f}' for a, b in zip(clock, clock[1:])), flush=True)

    def remove(self):
        for process, pipe in self.clients:
            process.kill()
        if self.server:
            keep = self.server.keep
            if self.disks and keep:
                self.server.stop('immediate')
            for disk in self.disks.values() if not keep else []:
                self.server.stop('immediate')
                disk.remove()
            self.server.remove()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('--seed', type=int, default=random.randrange(1, 1000000))
    parser.add_argument('--sessions', type=int, default=8)
    parser.add_argument('--preload', type=int, default=1)
    parser.add_argument('--faults', default=','.join(ALL_FAULTS))
    parser.add_argument('--queues', type=lambda names: names.split(','))
    parser.add_argument('--drops', type=float)
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    options.faults = options.faults.split(',')
    print(f'# seed {options.seed}', flush=True)
    multiprocessing.set_start_method('fork')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))

    director = Director(options)
    failed = None
    try:
        director.make()
        director.run()
    except Find as find:
        failed = str(find)
    except KeyboardInterrupt:
        failed = 'interrupted'
    except Exception:
        # the harness's own, and no reason to pass
        failed = traceback.format_exc()
    finally:
        totals = director.totals
        if failed and director.server:
            print('# server log:')
            for line in director.server.log_end(15):
                print('#', line[:300])
        director.remove()
        print('#', ', '.join(f'{name} {count}' for name, count in sorted(totals.items())))
        faults = ', '.join(f'{fault} {totals["fault " + fault]}' for fault in ALL_FAULTS if totals['fault ' + fault]) or 'none'
        print(f"# rounds {totals['rounds']}, faults: {faults}; messages sent {totals['sent']}, consumed {totals['consumed'] + totals['drained']}, "
              f"losses {'0' if not failed else '?'}, doubles {'0' if not failed else '?'}")
        name = f'ledger, seed {options.seed}'
        if failed:
            lines = failed.split('\n')
            for line in lines[1:]:
                print('#', line[:400])
            print(f'not ok 1 - {name}: {lines[0]}')
            print('1..1')
            sys.exit(1)
        print(f'ok 1 - {name}: nothing lost, nothing twice')
        number = 1
        for fault in ALL_FAULTS:
            if fault in director.skipped:
                number += 1
                print(f'ok {number} - {fault} # SKIP {director.skipped[fault]}')
        print(f'1..{number}')


if __name__ == '__main__':
    main()
