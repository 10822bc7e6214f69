#!/usr/bin/env python3
"""Try to make the due map hide a message.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/due_map.py [options]

  --seconds N    how long to try (60)
  --seed N       the random choices; which sessions meet is up to the server
  --sessions N   sessions that do things (8)
  --fillers N    queues beside the few that matter, to use up the memory (300)
  --preload 0|1  whether shared_preload_libraries has pgmq_c (1)
  --calm         no kills and no restarts
  --keep         leave the server's directory behind

PG_BINDIR is the bin directory of a server that has pgmq_c installed.  Started
by root it runs the server as CLIENT_USER (postgres).

Sessions do at random, in transactions of every shape, whatever can be done to
a queue.  Two questions are put again and again:

in the storm  A hunter locks messages that the plain query shows as readable,
              then reads: as they are its own and readable, the read must
              return them.
when quiet    No transaction is open but prepared ones.  What the plain query
              shows as readable and unlocked, several sessions' reads return.

A read that does not, the net's finding anything, a crash nobody asked for or
an error that no user may see ends the run with exit code 1, and prints what
was done of late.  The last line says what was tried.
"""
import argparse
import collections
import glob
import multiprocessing
import os
import pwd
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import psycopg

BIG = 9 * 10**18
QUEUES = ['plain', 'unlogged', 'parts', 'rls', 'trig', 'wide', 'fresh']
ROLES = ['regress_torture_a', 'regress_torture_b']

# What a session may be told in a storm; anything else is a find.
EXPECTED = {
    '40001',  # serialization_failure
    '40P01',  # deadlock_detected
    '55P03',  # lock_not_available
    '57014',  # query_canceled: statement_timeout
    '57P01',  # admin_shutdown: terminated
    '57P02',  # crash_shutdown
    '57P03',  # cannot_connect_now
    '23505',  # unique_violation
    '42P01',  # undefined_table: dropped meanwhile
    '42P07',  # duplicate_table: created meanwhile
    '42704',  # undefined_object: prepared transaction finished by another
    '55000',  # object_not_in_prerequisite_state, likewise
    '55006',  # object_in_use: pending trigger events, active queries
    '42809',  # not a queue any more
    '42P17',  # invalid_object_definition: partition already attached
    '23514',  # no partition for a row
    '22012',  # division_by_zero: ours
    '42501',  # insufficient_privilege: made anew without its grants
    '25P02',  # in_failed_sql_transaction
    '25001',  # active_sql_transaction: VACUUM, DETACH CONCURRENTLY
    '53300',  # too_many_connections
    '53400',  # too many prepared transactions
    'P0001',  # queue's own messages
    '2BP01',
    '0A000',  # PREPARE of a transaction that ran NOTIFY or used a temp table
    '42710',  # duplicate_object
    '2200H',  # sequence at its end
}


# Errors of class XX that PostgreSQL has for DDL that meets.
TOLERATED = re.compile('tuple concurrently (?:updated|deleted)')


class Find(Exception):
    pass


class Lost(Exception):
    """A connection broke under a question that nobody may disturb."""


# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

class Server:
    def __init__(self, options):
        self.bindir = os.environ.get('PG_BINDIR') or sys.exit('set PG_BINDIR to the bin directory of a server with pgmq_c')
        self.options = options
        self.dir = tempfile.mkdtemp(prefix='pgmq_torture.')
        self.user = None
        self.log_read = 0           # bytes of the log, and shots found there
        self.shots = 0
        if os.getuid() == 0:
            self.user = os.environ.get('CLIENT_USER', 'postgres')
            os.chown(self.dir, pwd.getpwnam(self.user).pw_uid, -1)
        os.chmod(self.dir, 0o755)
        self.run('initdb', '-D', self.dir + '/data', '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--no-locale')
        # who waits before it commits leaves others time
        slow = options.seed % 3 == 0
        self.conf = self.dir + '/data/postgresql.conf'
        with open(self.conf, 'a') as f:
            f.write(f"""
listen_addresses = ''
unix_socket_directories = '{self.dir}'
fsync = {'on' if slow else 'off'}
commit_delay = {3000 if slow else 0}
commit_siblings = 0
max_connections = {options.sessions + 30}
max_prepared_transactions = 20
deadlock_timeout = 50ms
autovacuum_naptime = 1s
log_min_messages = log
restart_after_crash = on
log_line_prefix = '%m [%p] '
log_error_verbosity = verbose
log_min_error_statement = error
include_if_exists = 'torture.conf'
""")

    def run(self, program, *args, check=True):
        command = [self.bindir + '/' + program, *args]
        if self.user:
            command = ['runuser', '-u', self.user, '--'] + command
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd='/')
        if check and done.returncode != 0:
            raise Find(f'{program} failed: {done.stdout}')

    def start(self, memory_kb):
        with open(self.dir + '/data/torture.conf', 'w') as f:
            if self.options.preload:
                f.write(f"shared_preload_libraries = 'pgmq_c'\npgmq_c.shared_memory = {memory_kb}\n")
        os.chmod(self.dir + '/data/torture.conf', 0o644)
        self.run('pg_ctl', '-D', self.dir + '/data', '-l', self.dir + '/log', '-w', '-s', 'start')

    def stop(self, mode):
        self.run('pg_ctl', '-D', self.dir + '/data', '-m', mode, '-w', '-s', 'stop', check=False)

    def connect(self, tries=1, dbname='torture', **more):
        for left in reversed(range(tries)):
            try:
                return psycopg.connect(host=self.dir, user='postgres', dbname=dbname, autocommit=True, **more)
            except psycopg.OperationalError:
                if left == 0:
                    raise
                time.sleep(0.05)

    def log_complaints(self, shots):
        """What must never stand in the server's log; shots were asked for."""
        complaints = []
        with open(self.dir + '/log', 'rb') as f:
            f.seek(self.log_read)
            text = f.read()
        text = text[: text.rfind(b'\n') + 1]
        self.log_read += len(text)
        lines = text.decode(errors='replace').split('\n')
        for i, line in enumerate(lines):
            if 'terminated by signal 9:' in line:
                self.shots += 1
                if self.shots <= shots:
                    continue
            elif not re.search(r'TRAP:|PANIC|due map of queue .* had hidden|terminated by signal|(?:ERROR|FATAL):  XX', line) or TOLERATED.search(line):
                continue
            # with its context and statement, which follow
            pid = re.search(r'\[\d+\]', line)
            more = [l for l in lines[i + 1 : i + 40] if not pid or pid.group() in l or l.startswith('\t')][:12]
            complaints.append('\n'.join([line] + more))
        return complaints

    def remove(self):
        self.stop('immediate')
        if self.options.keep:
            print('kept', self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


SETUP = """
CREATE TABLE pgmq.q_parts (
    msg_id bigint GENERATED BY DEFAULT AS IDENTITY, read_ct integer DEFAULT 0 NOT NULL,
    enqueued_at timestamptz DEFAULT now() NOT NULL, last_read_at timestamptz,
    vt timestamptz DEFAULT now() NOT NULL, message jsonb, headers jsonb,
    PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON pgmq.q_parts FOR EACH ROW EXECUTE FUNCTION pgmq._announce();
ALTER TABLE pgmq.q_parts ENABLE ALWAYS TRIGGER pgmq_announce;
CREATE TABLE pgmq.parts_0 PARTITION OF pgmq.q_parts FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE pgmq.parts_1 PARTITION OF pgmq.q_parts FOR VALUES FROM (100) TO (1000) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.parts_1a PARTITION OF pgmq.parts_1 FOR VALUES FROM (100) TO (200);
CREATE TABLE pgmq.parts_1b PARTITION OF pgmq.parts_1 DEFAULT;
CREATE TABLE pgmq.parts_9 PARTITION OF pgmq.q_parts DEFAULT;
CREATE TABLE pgmq.parts_x (LIKE pgmq.q_parts INCLUDING DEFAULTS);
ALTER TABLE pgmq.parts_x ALTER msg_id SET DEFAULT 1500;
CREATE TABLE pgmq.a_parts (LIKE pgmq.q_parts INCLUDING DEFAULTS, archived_at timestamptz DEFAULT now() NOT NULL);

INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('parts', true, false);
ALTER TABLE pgmq.q_trig ALTER msg_id SET GENERATED BY DEFAULT;

CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.vt := now() - interval '1 second'; RETURN NEW; END $$;
CREATE TRIGGER trig BEFORE UPDATE OF headers ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION trig();

-- what fails when a transaction is about to commit
CREATE FUNCTION last_word() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF random() < 0.02 THEN RAISE EXCEPTION 'at the last moment'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER last_word AFTER INSERT OR UPDATE ON pgmq.q_trig
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION last_word();

CREATE ROLE regress_torture_a;
CREATE ROLE regress_torture_b;
GRANT USAGE ON SCHEMA pgmq TO regress_torture_a, regress_torture_b;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgmq TO regress_torture_a, regress_torture_b;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_rls, pgmq.a_rls TO regress_torture_a, regress_torture_b;
ALTER TABLE pgmq.q_rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON pgmq.q_rls TO regress_torture_a USING (msg_id % 2 = 0);
CREATE POLICY odd ON pgmq.q_rls TO regress_torture_b USING (msg_id % 2 <> 0);

CREATE FUNCTION caught(queue text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pgmq.read(queue, 1, 5);
    PERFORM pgmq.send(queue, '1');
    PERFORM pgmq.read(queue, 1, 50);
    PERFORM 1 / 0;
EXCEPTION WHEN division_by_zero THEN
    NULL;
END $$;

-- many short transactions, as close together as can be
CREATE PROCEDURE burst(queue text, times integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        CASE floor(random() * 4)::integer
            WHEN 0 THEN PERFORM pgmq.send(queue, '1');
            WHEN 1 THEN PERFORM pgmq.pop(queue, 1);
            ELSE PERFORM pgmq.read(queue, 600, 10);
        END CASE;
        COMMIT;
    END LOOP;
END $$;

-- what plain SQL shows as readable and nobody has locked
CREATE FUNCTION readable(queue text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT msg_id FROM pgmq.%I WHERE vt <= clock_timestamp() FOR UPDATE SKIP LOCKED', 'q_' || queue);
END $$;

-- the messages that head their groups, likewise
CREATE FUNCTION heads(queue text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format($q$
        SELECT msg_id FROM pgmq.%1$I WHERE vt <= clock_timestamp() AND msg_id IN
        (SELECT min(msg_id) FROM pgmq.%1$I GROUP BY coalesce(headers->>'x-pgmq-group', '_default_fifo_group'))
        FOR UPDATE SKIP LOCKED$q$, 'q_' || queue);
END $$;

-- the fillers that a read finds nothing in although there is something
CREATE FUNCTION fillers_hidden(queues text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    queue text;
    had bigint[];
    got bigint[];
BEGIN
    FOREACH queue IN ARRAY queues LOOP
        had := ARRAY(SELECT r FROM readable(queue) r);
        got := ARRAY(SELECT msg_id FROM pgmq.read(queue, 60, 100000));
        IF NOT had <@ got THEN
            RETURN NEXT format('%s had %s, got %s', queue, had, got);
        END IF;
    END LOOP;
END $$;
"""


def set_up(server):
    with server.connect(dbname='postgres') as conn:
        conn.execute('CREATE DATABASE torture')
    with server.connect() as conn:
        conn.execute('CREATE EXTENSION pgmq_c')
        for queue in QUEUES:
            if queue != 'parts':
                conn.execute(f"SELECT pgmq.{'create_unlogged' if queue == 'unlogged' else 'create'}('{queue}')")
        for i in range(server.options.fillers):
            conn.execute(f"SELECT pgmq.create('f{i}')")
        conn.execute(SETUP)


# ---------------------------------------------------------------------------
# What can be done to a queue
# ---------------------------------------------------------------------------

class Worker:
    """One session.  Its main loop takes commands from the pipe."""

    def __init__(self, number, server, pipe):
        self.number = number
        self.server = server
        self.pipe = pipe
        self.random = random.Random(server.options.seed * 1000 + number)
        self.history = collections.deque(maxlen=4000)
        self.counts = collections.Counter()
        self.conn = None
        self.prepared = 0
        self.hot = QUEUES           # where it happens in this storm
        self.mood = 'messages'      # and what

    def execute(self, sql, *args):
        self.history.append((time.time(), sql if not args else f'{sql} -- {args}'))
        return self.conn.execute(sql, args or None)

    # ----- choices

    def queue(self):
        r = self.random
        if r.random() < 0.85:
            return r.choice(self.hot)
        if self.server.options.fillers and r.random() < 0.1:
            return f'f{r.randrange(self.server.options.fillers)}'
        return r.choice(QUEUES)

    def id(self):
        r = self.random
        kind = r.randrange(10)
        if kind < 6:
            return r.randrange(1, 300)
        if kind == 6:
            return r.randrange(-100, 64)
        if kind == 7:
            return r.choice([0, 63, 64, 4095, 4096, 262143, 262144, BIG, BIG + 1, 2**63 - 1, -2**63, 2**60])
        return r.choice([1, -1]) ** r.choice([1, 2, 2, 2]) * r.randrange(2 ** r.randrange(1, 63))

    def seconds(self):
        """A time span that is often over before the run is."""
        return self.random.choice([0, 0, -1, -100, 1, 1, 2, 3, 600])

    def vt(self):
        return self.random.choice([
            'now()', "'-infinity'", "'infinity'", 'clock_timestamp()',
            f"now() + interval '{self.random.randrange(-500, 3000)} ms'", "now() + interval '1 hour'"])

    # ----- single operations; each is one or more statements on self.conn

    def op_send(self, q):
        r = self.random
        delay = r.choice(['', '', '', f', {max(self.seconds(), 0)}', ", clock_timestamp() + interval '300 ms'"])
        self.execute(f"SELECT pgmq.send('{q}', '1'{delay})")

    def op_send_group(self, q):
        group = f'{{"x-pgmq-group": "{self.random.randrange(5)}"}}'
        self.execute(f"SELECT pgmq.send('{q}', '1', '{group}'::jsonb, {self.random.choice([0, 0, 1])})")

    def op_send_batch(self, q):
        n = self.random.choice([1, 2, 10, 100])
        self.execute(f"SELECT count(*) FROM pgmq.send_batch('{q}', array_fill('{{\"a\": {self.random.randrange(3)}}}'::jsonb, ARRAY[{n}]), {max(self.seconds(), 0)})")

    def op_read(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.read('{q}', {self.seconds()}, {self.random.choice([1, 1, 2, 7, 30, 1000])})")

    def op_drain(self, q):
        # twice, so that the second finds nothing and raises
        self.execute(f"SELECT count(*) FROM pgmq.read('{q}', {self.random.choice([1, 1, 2, 600])}, 10000)")
        self.execute(f"SELECT count(*) FROM pgmq.read('{q}', 1, 10000)")

    def op_empty_reads(self, q):
        self.execute(f"SELECT count(*) FROM generate_series(1, 5), pgmq.read('{q}', 1, 10000)")

    def op_conditional(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.read('{q}', 1, 10, '{{\"a\": {self.random.randrange(3)}}}')")

    def op_poll(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.read_with_poll('{q}', 1, 5, 1, 50)")

    def op_grouped(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.read_grouped{self.random.choice(['', '_rr', '_head'])}('{q}', 1, 5)")

    def op_wait(self, q):
        self.execute(f"CALL pgmq.wait('{q}', {self.random.choice([0, 0, 1])})")

    def op_pop(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.pop('{q}', {self.random.choice([1, 5])})")

    def op_delete(self, q):
        self.execute(f"SELECT pgmq.{self.random.choice(['delete', 'archive'])}('{q}', {self.id()})")

    def op_delete_batch(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.delete('{q}', ARRAY(SELECT msg_id FROM pgmq.q_{q} ORDER BY random() LIMIT {self.random.choice([1, 5, 50])}))")

    def op_set_vt(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.set_vt('{q}', {self.id()}, {self.seconds()})")

    def op_set_vt_batch(self, q):
        self.execute(f"SELECT count(*) FROM pgmq.set_vt('{q}', ARRAY(SELECT msg_id FROM pgmq.q_{q} ORDER BY random() LIMIT {self.random.choice([1, 5, 50])}), {self.seconds()})")

    def op_insert(self, q):
        self.execute(f"INSERT INTO pgmq.q_{q} (vt, message) SELECT {self.vt()}, '1' FROM generate_series(1, {self.random.choice([1, 1, 3, 20])})")

    def op_insert_ids(self, q):
        ids = ', '.join(f"({self.id()}, {self.vt()}, '1')" for _ in range(self.random.choice([1, 1, 2, 12])))
        self.execute(f"INSERT INTO pgmq.q_{q} (msg_id, vt, message) OVERRIDING SYSTEM VALUE VALUES {ids} ON CONFLICT DO NOTHING")

    def op_upsert(self, q):
        self.execute(f"INSERT INTO pgmq.q_{q} (msg_id, message) OVERRIDING SYSTEM VALUE VALUES ({self.id()}, '1') ON CONFLICT (msg_id) DO UPDATE SET vt = {self.vt()}")

    def op_update(self, q):
        where = self.random.choice([f'msg_id = {self.id()}', 'random() < 0.1', "vt > now() + interval '10 s' AND random() < 0.3"])
        self.execute(f"UPDATE pgmq.q_{q} SET vt = {self.vt()} WHERE {where}")

    def op_update_id(self, q):
        if q in ('parts', 'trig'):
            self.execute(f"UPDATE pgmq.q_{q} SET msg_id = {self.id()}, vt = {self.random.choice(['vt', self.vt()])} WHERE msg_id = (SELECT min(msg_id) FROM pgmq.q_{q})")

    def op_update_headers(self, q):
        self.execute(f"UPDATE pgmq.q_{q} SET headers = '{{}}' WHERE random() < 0.1")

    def op_delete_plain(self, q):
        self.execute(f"DELETE FROM pgmq.q_{q} WHERE {self.random.choice(['random() < 0.2', f'msg_id = {self.id()}', 'true'])}")

    def op_copy(self, q):
        self.history.append((time.time(), f'COPY pgmq.q_{q} (message) FROM STDIN'))
        with self.conn.cursor().copy(f'COPY pgmq.q_{q} (message) FROM STDIN') as copy:
            for _ in range(self.random.choice([1, 10, 300])):
                copy.write_row(['1'])

    def op_apply(self, q):
        # as a replica applies changes
        self.execute(f"SET session_replication_role = replica")
        try:
            self.execute(f"INSERT INTO pgmq.q_{q} (message) VALUES ('1'); UPDATE pgmq.q_{q} SET vt = {self.vt()} WHERE msg_id = {self.id()}")
        finally:
            self.reset_role()

    def reset_role(self):
        if not self.conn.closed and self.conn.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
            self.execute('RESET session_replication_role')

    def op_partition(self, q):
        self.execute(f"INSERT INTO pgmq.parts_{self.random.choice(['0', '1', '1a', '9', '1b'])} (msg_id, vt, message) VALUES ({self.random.randrange(90, 210)}, {self.vt()}, '1') ON CONFLICT DO NOTHING")

    def op_caught(self, q):
        self.execute(f"SELECT caught('{q}')")

    def op_mine(self, q):
        """The question: what I have locked and is readable, I must be given."""
        hunt(self, q)

    def op_analyze(self, q):
        self.execute(f"ANALYZE pgmq.q_{q}")

    MESSAGES = {
        'send': 10, 'send_batch': 5, 'read': 15, 'drain': 12, 'empty_reads': 6, 'conditional': 4, 'poll': 1, 'grouped': 3, 'pop': 5,
        'delete': 6, 'delete_batch': 8, 'set_vt': 6, 'set_vt_batch': 8, 'insert': 8, 'insert_ids': 8, 'upsert': 4, 'update': 8,
        'update_id': 2, 'update_headers': 3, 'delete_plain': 3, 'copy': 3, 'partition': 4, 'caught': 4, 'mine': 8, 'analyze': 1, 'send_group': 5, 'wait': 1, 'apply': 2,
    }

    # ----- DDL: not inside transactions that go on to be prepared

    def ddl_truncate(self, q):
        self.execute(f'TRUNCATE pgmq.q_{q}')

    def ddl_purge(self, q):
        self.execute(f"SELECT pgmq.purge_queue('{q}')")

    def ddl_again(self, q):
        self.execute("SELECT pgmq.drop_queue('fresh')")
        self.execute("SELECT pgmq.create('fresh')")

    def ddl_partition(self, q):
        r = self.random
        if r.random() < 0.5:
            self.execute(f"INSERT INTO pgmq.parts_x (msg_id, vt, message) SELECT i, {self.vt()}, '1' FROM generate_series(2000, 2010) i ON CONFLICT DO NOTHING")
        self.execute('ALTER TABLE pgmq.q_parts ATTACH PARTITION pgmq.parts_x FOR VALUES FROM (2000) TO (3000)')
        if r.random() < 0.3:
            self.execute("SELECT count(*) FROM pgmq.read('parts', 1, 3)")

    def ddl_detach(self, q):
        self.execute('ALTER TABLE pgmq.q_parts DETACH PARTITION pgmq.parts_x')

    def ddl_detach_concurrently(self, q):
        self.execute('ALTER TABLE pgmq.q_parts DETACH PARTITION pgmq.parts_x' + self.random.choice([' CONCURRENTLY', ' FINALIZE']))

    def ddl_load(self, q):
        table = self.random.choice(['q_plain', 'q_wide', 'q_parts', 'parts_0', 'parts_1a'])
        self.execute(f'ALTER TABLE pgmq.{table} DISABLE TRIGGER ALL')
        if self.random.random() < 0.3:
            self.execute(f"SELECT count(*) FROM pgmq.read('parts', 1, 3)")
        self.execute(f"INSERT INTO pgmq.{table} (msg_id, message) OVERRIDING SYSTEM VALUE SELECT {self.random.randrange(90)} + i, '1' FROM generate_series(1, 5) i ON CONFLICT DO NOTHING")
        self.execute(f'ALTER TABLE pgmq.{table} ENABLE ALWAYS TRIGGER pgmq_announce')

    def ddl_rewrite(self, q):
        self.execute(f"ALTER TABLE pgmq.q_{self.random.choice(['plain', 'wide'])} ALTER vt TYPE timestamptz USING vt - interval '1 s'")

    def ddl_vacuum(self, q):
        self.execute(f"VACUUM {self.random.choice(['', '', 'FULL ', 'FREEZE '])}pgmq.q_{q}")

    def ddl_index(self, q):
        self.execute(f'DROP INDEX IF EXISTS pgmq.torture_{q}')
        self.execute(f'CREATE INDEX torture_{q} ON pgmq.q_{q} (read_ct)')
        self.execute(f"SELECT pgmq.create_fifo_index('{q}')")

    def ddl_setval(self, q):
        at = self.random.choice(['1', '50', '1000000', '9000000000000000', f'(SELECT max(msg_id) + 1 FROM pgmq.q_{q} WHERE msg_id BETWEEN 1 AND {BIG})'])
        # under a lock: the server says XX000 of a sequence that was dropped since it was named
        self.execute(f"DO $$ BEGIN LOCK TABLE pgmq.q_{q} IN ACCESS SHARE MODE;"
                     f" PERFORM setval(pg_get_serial_sequence('pgmq.q_{q}', 'msg_id'), greatest({at}, 1)); END $$")

    def ddl_trim(self, q):
        # keep the queues small, so that there is time for the rest
        self.execute(f'DELETE FROM pgmq.q_{q} WHERE msg_id NOT IN (SELECT msg_id FROM pgmq.q_{q} ORDER BY random() LIMIT 100)')
        self.execute(f'DELETE FROM pgmq.a_{q}')

    def ddl_vacuum_column(self, q):
        self.execute("BEGIN")
        self.execute("ALTER TABLE pgmq.q_wide RENAME vt TO vt_was")
        self.execute("ALTER TABLE pgmq.q_wide ADD vt timestamptz NOT NULL DEFAULT '2001-01-01'")
        self.execute("ALTER TABLE pgmq.q_wide DROP vt_was")
        self.execute("COMMIT")

    DDL = {
        'truncate': 3, 'purge': 2, 'again': 3, 'partition': 6, 'detach': 4, 'detach_concurrently': 2, 'load': 6, 'rewrite': 2,
        'vacuum': 3, 'index': 2, 'setval': 3, 'trim': 20,
    }

    # ----- transactions

    def some(self, kinds, prefix, q=None):
        name = self.random.choices(list(kinds), kinds.values())[0]
        self.counts[prefix + name] += 1
        getattr(self, prefix + name)(q or self.queue())

    def single(self):
        self.some(self.MESSAGES, 'op_')

    def ddl(self):
        if self.random.random() < 0.5:
            self.some(self.DDL, 'ddl_')
            return
        self.execute('BEGIN')
        if self.random.random() < 0.3:
            self.some(self.MESSAGES, 'op_')
        self.some(self.DDL, 'ddl_')
        if self.random.random() < 0.5:
            self.some(self.MESSAGES, 'op_')
        self.execute(self.random.choice(['COMMIT', 'COMMIT', 'ROLLBACK']))

    def transaction(self):
        r = self.random
        isolation = r.choices(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'], [8, 2, 1])[0]
        self.execute(f'BEGIN ISOLATION LEVEL {isolation}')
        same = self.queue() if r.random() < 0.6 else None
        role = r.random() < 0.1
        if role:
            same = 'rls'
            self.execute(f'SET LOCAL ROLE {r.choice(ROLES)}')
        if r.random() < 0.1:
            self.execute('SET LOCAL pgmq_c.due_map = off')
        depth = 0
        for _ in range(r.randrange(1, 7)):
            what = r.random()
            if what < 0.2:
                depth += 1
                self.execute(f'SAVEPOINT s{depth}')
            elif what < 0.4 and depth > 0:
                at = r.randrange(1, depth + 1)
                if r.random() < 0.6:
                    self.execute(f'ROLLBACK TO s{at}')
                    depth = at
                else:
                    self.execute(f'RELEASE s{at}')
                    depth = at - 1
            elif what < 0.5:
                time.sleep(r.random() * 0.02)
            else:
                kinds = self.MESSAGES
                if role or isolation != 'READ COMMITTED':
                    kinds = {name: weight for name, weight in kinds.items() if name not in ('mine', 'partition', 'copy', 'analyze', 'apply')}
                self.some(kinds, 'op_', same)
        if role:
            self.execute('RESET ROLE')
        end = r.random()
        if end < 0.15 and self.mood in ('prepared', 'all'):
            self.prepared += 1
            self.execute(f"PREPARE TRANSACTION 'w{self.number}_{self.prepared}_{os.getpid()}'")
            self.counts['PREPARE'] += 1
        else:
            self.execute('COMMIT' if end < 0.65 else 'ROLLBACK')

    def burst(self):
        self.execute(f"CALL burst('{self.hot[0]}', 50)")
        self.counts['burst'] += 1

    def pause(self):
        until = self.random.choice(["'infinity'", "clock_timestamp() + interval '50 ms'"])
        self.execute(self.random.choice([f"SELECT pgmq.pause('{self.hot[0]}', {until})", f"SELECT pgmq.resume('{self.hot[0]}')"]))
        self.counts['pause'] += 1

    def finish_prepared(self):
        for (gid,) in self.execute('SELECT gid FROM pg_prepared_xacts ORDER BY random() LIMIT 3').fetchall():
            self.execute(f"{self.random.choice(['COMMIT', 'ROLLBACK'])} PREPARED '{gid}'")
            self.counts['finish'] += 1

    # ----- the loop

    def connect(self):
        self.conn = self.server.connect(tries=600)
        self.conn.prepare_threshold = None
        self.conn.add_notice_handler(lambda notice: None)
        self.conn.execute("SET statement_timeout = '10s'; SET lock_timeout = '300ms'")

    def storm(self, until):
        shapes = {self.single: 10, self.transaction: 10}
        if self.mood == 'burst':
            shapes = {self.burst: 1}
        if self.mood in ('ddl', 'all'):
            shapes[self.ddl] = 2
        if self.mood in ('prepared', 'all'):
            shapes[self.finish_prepared] = 4
        if self.mood == 'pauses':
            shapes[self.pause] = 1
        while time.time() < until:
            try:
                if self.conn is None or self.conn.closed:
                    self.connect()
                if self.conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                    self.execute('ROLLBACK')
                self.random.choices(list(shapes), shapes.values())[0]()
            except psycopg.Error as error:
                self.error(error)
        while True:
            try:
                if self.conn is None or self.conn.closed:
                    self.connect()
                self.conn.execute('ROLLBACK')
                self.conn.execute('RESET session_replication_role')
                return
            except psycopg.Error as error:
                self.error(error)

    def error(self, error):
        state = error.sqlstate or 'lost'
        self.counts['! ' + state] += 1
        self.history.append((time.time(), f'   {state}: {str(error).splitlines()[0] if str(error) else error!r}'))
        if state == 'XX000' and TOLERATED.search(str(error)):
            return
        if state not in EXPECTED and state != 'lost':
            raise Find(f'{state}: {error}; context {error.diag.context}; of late: {[sql for _, sql in list(self.history)[-6:]]}')

    def drain(self, q):
        """What reads return, few at a time, without leaving a trace."""
        got = []
        verb = self.random.choice([
            f"pgmq.read('{q}', 600, 17)", f"pgmq.pop('{q}', 17)", f"pgmq.read('{q}', 600, 17, '{{}}')",
            f"pgmq.read_with_poll('{q}', 600, 17, 0)"])
        self.execute('BEGIN')
        while True:
            ids = [row[0] for row in self.execute(f"SELECT msg_id FROM {verb}")]
            if not ids:
                break
            got += ids
        self.execute('ROLLBACK')
        return got

    def main(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            command, *args = self.pipe.recv()
            try:
                if command == 'storm':
                    until, self.hot, self.mood = args
                    self.storm(until)
                    answer = None
                elif command == 'hunt':
                    until, self.hot, self.mood = args
                    while time.time() < until:
                        try:
                            if self.conn is None or self.conn.closed:
                                self.connect()
                            self.conn.execute('ROLLBACK')
                            self.conn.execute('BEGIN')
                            if self.mood == 'pauses':
                                time.sleep(0.01)
                            hunt(self, self.queue())
                            self.conn.execute('ROLLBACK')
                            self.counts['hunts'] += 1
                        except psycopg.Error as error:
                            self.error(error)
                    self.storm(0)
                    answer = None
                elif command == 'drain':
                    answer = self.drain(*args)
                elif command == 'wake':
                    # who was shot last may not know yet
                    self.storm(0)
                    answer = None
                elif command == 'history':
                    answer = (list(self.history), self.counts)
                elif command == 'quit':
                    return
                self.pipe.send(('ok', answer))
            except psycopg.OperationalError as error:
                self.pipe.send(('find' if error.sqlstate and error.sqlstate not in EXPECTED else 'lost', f'session {self.number}: {error}'))
            except Exception as error:
                text = str(error) if isinstance(error, Find) else traceback.format_exc()
                self.pipe.send(('find', f'session {self.number}: {text}'))


def hunt(worker, q):
    """Lock what is readable; a read of ours must return it."""
    if worker.mood == 'pauses':
        return
    level = worker.conn.execute('SHOW transaction_isolation').fetchone()[0]
    if level != 'read committed':
        return
    opened = worker.conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    if opened:
        worker.execute('BEGIN')
    worker.execute('SAVEPOINT hunt')
    mine = [row[0] for row in worker.execute(f'SELECT msg_id FROM pgmq.q_{q} WHERE vt <= clock_timestamp() ORDER BY random() LIMIT 5 FOR UPDATE SKIP LOCKED')]
    tries = 0
    missing = mine
    while missing and tries < 40:
        # a sender that has committed may be on its way to announce it
        if tries:
            time.sleep(0.05)
        tries += 1
        # each try is undone, so that nothing is readable only to the first
        worker.execute('SAVEPOINT try')
        got = [row[0] for row in worker.execute(f"SELECT msg_id FROM pgmq.read('{q}', 600, 1000000)")]
        worker.execute('ROLLBACK TO try')
        missing = sorted(set(mine) - set(got))
    if missing:
        raise Find(f'hidden in the storm: {missing} of {q}, locked {mine}, not returned by {tries} reads')
    worker.counts['hunted'] += len(mine)
    worker.execute('ROLLBACK TO hunt')
    if opened:
        worker.execute('ROLLBACK')


# ---------------------------------------------------------------------------
# The director
# ---------------------------------------------------------------------------

class Director:
    def __init__(self, server):
        self.server = server
        self.options = server.options
        self.random = random.Random(server.options.seed)
        self.workers = []
        self.totals = collections.Counter()
        self.restarted = 0          # storms that follow a restart
        for number in range(self.options.sessions + 1):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=lambda n=number, p=theirs: Worker(n, server, p).main(), daemon=True)
            process.start()
            self.workers.append((process, ours))

    def hear(self, pipe):
        kind, answer = pipe.recv()
        if kind == 'find':
            raise Find(answer)
        if kind == 'lost':
            raise Lost(answer)
        return answer

    def ask(self, pipe, *command):
        pipe.send(command)
        return self.hear(pipe)

    def storm(self, seconds):
        """All sessions at once; some may be shot meanwhile."""
        r = self.random
        # Few queues at a time, so that sessions meet; and mostly without
        # what makes reads do without the map.
        self.hot = r.sample(QUEUES, r.choice([1, 1, 1, 2, 7]))
        mood = r.choice(['messages', 'messages', 'messages', 'burst', 'burst', 'ddl', 'prepared', 'all', 'pauses'])
        if self.restarted:
            mood = 'prepared'
            self.restarted -= 1
        if mood == 'burst':
            seconds = min(seconds, 0.2)
        until = time.time() + seconds
        for _, pipe in self.workers[1:]:
            pipe.send(('storm', until, self.hot, mood))
        self.workers[0][1].send(('hunt', until, self.hot, mood))
        while not self.options.calm and r.random() < 0.2:
            time.sleep(min(r.random() * seconds / 2, max(until - time.time() - 0.2, 0)))
            if time.time() > until - 0.2:
                break
            try:
                with self.server.connect() as conn:
                    pid = conn.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1").fetchone()
                    if pid and r.random() < 0.4:
                        conn.execute(f'SELECT pg_cancel_backend({pid[0]})')
                        self.totals['cancelled'] += 1
                    elif pid and r.random() < 0.7:
                        conn.execute(f'SELECT pg_terminate_backend({pid[0]})')
                        self.totals['terminated'] += 1
                    elif pid:
                        os.kill(pid[0], signal.SIGKILL)
                        self.totals['killed -9'] += 1
            except (psycopg.Error, ProcessLookupError):
                pass
        finds = []
        for _, pipe in self.workers:
            kind, answer = pipe.recv()
            if kind == 'find':
                finds.append(answer)
        if finds:
            raise Find('\n'.join(finds))
        for _, pipe in self.workers:
            self.ask(pipe, 'wake')

    def readable(self, conn, queue):
        with conn.transaction(force_rollback=True):
            return {row[0] for row in conn.execute('SELECT readable(%s)', (queue,))}

    def quiet(self):
        """Nobody does anything: compare plain SQL with what reads return."""
        with self.server.connect(tries=600) as conn:
            # a crash may have come between its drop and its create
            conn.execute("SELECT pgmq.create('fresh')")
            for (queue,) in conn.execute('SELECT queue_name FROM pgmq.policy WHERE paused_until IS NOT NULL').fetchall():
                conn.execute('SELECT pgmq.resume(%s)', (queue,))
            for queue in self.hot + [self.random.choice(QUEUES)]:
                for pipe in [None, self.random.choice(self.workers)[1]]:
                    try:
                        had = self.readable(conn, queue)
                    except psycopg.errors.UndefinedTable:
                        continue
                    if pipe:
                        got = set(self.ask(pipe, 'drain', queue))
                    else:
                        with conn.transaction(force_rollback=True):
                            got = {row[0] for row in conn.execute("SELECT msg_id FROM pgmq.read(%s, 600, 1000000)", (queue,))}
                    hidden = had - got
                    # a callback may still be on its way; autovacuum and the like do no harm
                    if hidden:
                        time.sleep(0.2)
                        again = self.readable(conn, queue)
                        with conn.transaction(force_rollback=True):
                            got = {row[0] for row in conn.execute("SELECT msg_id FROM pgmq.read(%s, 600, 1000000)", (queue,))}
                        raise Find(f'hidden when quiet: {sorted(hidden)} of {queue}; had {len(had)}; '
                                   f'still so in another session: {sorted((hidden & again) - got)}')
                    self.totals['compared'] += len(had)
            for queue in self.hot:
                try:
                    with conn.transaction(force_rollback=True):
                        had = {row[0] for row in conn.execute('SELECT heads(%s)', (queue,))}
                        got = {row[0] for row in conn.execute('SELECT msg_id FROM pgmq.read_grouped_head(%s, 600, 1000000)', (queue,))}
                except psycopg.errors.UndefinedTable:
                    continue
                if had - got:
                    raise Find(f'hidden when quiet, from a grouped read: {sorted(had - got)} of {queue}')
                self.totals['heads'] += len(had)
            if self.options.fillers:
                some = [f'f{self.random.randrange(self.options.fillers)}' for _ in range(10)]
                with conn.transaction(force_rollback=True):
                    hidden = conn.execute('SELECT fillers_hidden(%s)', (some,)).fetchall()
                if hidden:
                    raise Find(f'hidden when quiet: {hidden}')
            status = [] if self.random.random() < 0.8 else conn.execute("SELECT queue_name, due_map, net_finds FROM pgmq.engine_status()").fetchall()
            for queue, state, finds in status:
                if finds:
                    raise Find(f'the net found {finds} in {queue}')
                self.totals[f'map {state}'] += 1
            if self.random.random() < 0.5:
                for (gid,) in conn.execute('SELECT gid FROM pg_prepared_xacts').fetchall():
                    conn.execute(f"{self.random.choice(['COMMIT', 'ROLLBACK'])} PREPARED '{gid}'")
            if self.random.random() < 0.1:
                # no bloat for ever
                for queue in QUEUES:
                    conn.execute(f'DELETE FROM pgmq.q_{queue} WHERE msg_id NOT IN (SELECT msg_id FROM pgmq.q_{queue} ORDER BY random() LIMIT 50) AND msg_id IN (SELECT msg_id FROM pgmq.q_{queue} FOR UPDATE SKIP LOCKED)')

    def read_log(self):
        complaints = self.server.log_complaints(self.totals['killed -9'])
        if complaints:
            raise Find('in the log: ' + '\n'.join(complaints[:5]))

    def restart(self):
        memory = self.random.choice([1024, 1024, 2048, 16384])
        mode = self.random.choice(['fast', 'immediate'])
        self.server.stop(mode)
        self.server.start(memory)
        self.restarted = 3
        self.totals[f'restart {mode}'] += 1

    def report(self):
        for process, pipe in self.workers:
            pipe.send(('history',))
        rows = []
        for number, (process, pipe) in enumerate(self.workers):
            while pipe.poll(20):
                kind, answer = pipe.recv()
                if kind == 'ok' and answer and isinstance(answer, tuple):
                    rows += [(when, number, text) for when, text in answer[0]]
                    self.totals.update(answer[1])
                    break
        return sorted(rows)

    def run(self):
        self.end = time.time() + self.options.seconds
        rounds = 0
        while time.time() < self.end:
            rounds += 1
            self.storm(self.random.choice([0.1, 0.2, 0.3, 0.5, 1, 2]))
            try:
                self.quiet()
            except (psycopg.OperationalError, Lost) as error:
                # who was shot in the storm may take the server along now
                if self.options.calm or isinstance(error, psycopg.OperationalError) and error.sqlstate not in EXPECTED | {None}:
                    raise Find(f'when quiet: {error}')
                self.totals['cut short'] += 1
            self.read_log()
            if not self.options.calm and self.random.random() < 0.03:
                self.restarted = 1
                self.storm(0.3)
                self.restart()
            self.totals['rounds'] = rounds


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--seed', type=int, default=random.randrange(1, 1000000))
    parser.add_argument('--sessions', type=int, default=8)
    parser.add_argument('--fillers', type=int, default=300)
    parser.add_argument('--preload', type=int, default=1)
    parser.add_argument('--calm', action='store_true')
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    print(f'# seed {options.seed}', flush=True)

    for name in list(os.environ):
        if name.startswith('PG') and name != 'PG_BINDIR':
            del os.environ[name]
    multiprocessing.set_start_method('fork')
    server = Server(options)
    failed = None
    director = None
    try:
        server.start(random.Random(options.seed).choice([1024, 2048, 16384]))
        set_up(server)
        director = Director(server)
        director.run()
    except Find as find:
        failed = str(find)
    except KeyboardInterrupt:
        failed = 'interrupted'
    except Exception:
        # the harness's own, and no reason to pass
        failed = traceback.format_exc()
    finally:
        history = director.report() if director else []
        if failed:
            for when, number, text in history[-300:]:
                print(f'# {when:.3f} {number:2} {text[:300]}')
            ids = re.search(r'hidden[^:]*: \[(-?\d+)', failed)
            if ids:
                print(f'# what named {ids.group(1)}:')
                for when, number, text in history[:-300]:
                    if re.search(rf'(?<!\d){ids.group(1)}(?!\d)', text):
                        print(f'# {when:.3f} {number:2} {text[:300]}')
            try:
                with server.connect(tries=20) as conn:
                    for row in conn.execute("SELECT engine_status::text FROM pgmq.engine_status() WHERE queue_name !~ '^f[0-9]'"):
                        print('#', row)
                    if ids:
                        queue = re.search(r'\] of (\w+)', failed)
                        if queue:
                            for row in conn.execute(f'SELECT xmin, xmax, tableoid::regclass, q::text FROM pgmq.q_{queue.group(1)} q WHERE msg_id = {ids.group(1)}'):
                                print('#', row)
            except psycopg.Error as error:
                print('#', error)
            print(f'# server log: ')
            with open(server.dir + '/log', errors='replace') as f:
                for line in [line for line in f if 'checkpoint' not in line][-15:]:
                    print('#', line.rstrip()[:300])
        if director:
            for process, pipe in director.workers:
                process.kill()
        server.remove()
        print('#', ', '.join(f'{name} {count}' for name, count in sorted((director.totals if director else {}).items())))
        if failed:
            print(f'not ok due_map seed {options.seed}: {failed}')
            sys.exit(1)
        print(f'ok due_map seed {options.seed}')


if __name__ == '__main__':
    main()
