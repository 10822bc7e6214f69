#!/usr/bin/env python3
"""Call every function of schema pgmq with hostile arguments, and see what breaks.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/fuzz.py [options]

  --seconds N    how long to try (40)
  --seed N       the random choices; how sessions meet is up to the server
  --sessions N   sessions that call (4); one more does DDL
  --preload 0|1  whether shared_preload_libraries has pgmq_c (1)
  --strict       not ok, too, when a function never succeeded
  --errors       list all kinds of errors
  --keep         leave the server's directory behind

PG_BINDIR is the bin directory of a server that has pgmq_c installed, best one
with assertions.  Started by root it runs the server as CLIENT_USER (postgres).

The functions, their arguments and defaults are read from the catalog.  A
session is some role, with some settings; it calls functions in contexts of
every kind, while another session changes and drops what they work on.  It is
a find when

- the server crashes, an assertion fails, it panics, or warns of a leak;
- an error is internal (class XX), or a syntax error, or what a hostile
  search_path offered or an argument contained was run;
- anything that a role gets, results, errors, warnings or notifications, has in
  it what it may not see: such messages contain the word SECRET;
- a queue was changed by a role without rights on it;
- a call leaves the user, a setting, a lock, a cursor or the state of the
  transaction other than it was, or does not end when cancelled.

A find ends the run with exit code 1; what the session did is printed, and the
shortest tail of it that does it again is looked for.  The last lines say what
was covered.
"""
import argparse
import collections
import ctypes
import logging
import multiprocessing
import os
import random
import re
import signal
import sys
import time
import traceback

import psycopg
from psycopg.pq import TransactionStatus

from server import Find, Server

SECRET = re.compile('SECRET')
OWN = ['own1', 'own2', 'Own_Mixed', 'own dotted.name', 'ownu', 'own"quoted', 'own_log', 'own_sub']
SUPER = ['su1', 'su2', 'su %s \\ %n', 'suparts', 'su' + 'x' * 45, 'ünïcode', 'su_log', 'su_sub']
GUARDED = ['vault', 'rowsec', 'columns', 'sendonly', 'readonly']
ROLES = ['fuzz_owner', 'fuzz_member', 'fuzz_consumer', 'fuzz_sender', 'fuzz_column', 'fuzz_rls', 'fuzz_nobody', 'fuzz_none', 'fuzz_monitor']

# XX errors of the server's own for DDL that meets, and for catalogs that a
# transaction sees at two points in time.
TOLERATED = re.compile(
    r'tuple concurrently (?:updated|deleted)|cannot reindex invalid index'
    r'|cache lookup failed for (?:relation|type|function|attribute|index|constraint|trigger|role|schema|statistics object)'
    r'|could not open relation with OID|could not find (?:trigger|pg_class entry|tuple for)'
    r'|relation with OID \d+ does not exist'
    r'|during a parallel operation'
    r'|type with OID \d+ does not exist')
LEAK = re.compile(r"leak|you don't own a lock|left non-empty SPI stack|problem in alloc set|detected write past|was not closed|still referenced|still active|still pinned"
                  r'|unexpected table_index|resource was not|AbortTransaction while|AbortSubTransaction while|(?:Commit|Start|Prepare)\w*Transaction while', re.I)
LOG = re.compile(r'TRAP:|PANIC|terminated by signal|(?:ERROR|FATAL|WARNING):  XX|had hidden|BREACH|INJECTED|SHADOWED|AddressSanitizer|runtime error:')


# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

class FuzzServer(Server):
    def __init__(self, options):
        super().__init__('pgmq_fuzz', f"""
fsync = off
max_connections = {options.sessions * 2 + 20}
max_prepared_transactions = 20
max_wal_size = 200MB
deadlock_timeout = 100ms
autovacuum_naptime = 2s
log_min_messages = warning
temp_file_limit = 200MB
""", preload=options.preload, keep=options.keep)
        self.start(1024 if options.seed % 2 else 16384)

    def connect(self, user='postgres', dbname='fuzz', tries=1):
        for left in reversed(range(tries)):
            try:
                return psycopg.connect(host=self.socket, user=user, dbname=dbname, autocommit=True, connect_timeout=20)
            except psycopg.OperationalError:
                if left == 0:
                    raise
                time.sleep(0.1)

    def log_complaints(self, forget=False):
        """Lines that must never be in the server's log, with what follows them."""
        with open(self.dir + '/log', errors='replace') as f:
            lines = f.read().split('\n')
        found = []
        for i, line in enumerate(lines):
            # statements and values are quoted in lines of other levels
            if LOG.search(line) and not re.match(r'\t|\S+ \S+ \S+ \[\d+\] (?:STATEMENT|DETAIL|CONTEXT|QUERY|HINT):', line) and not TOLERATED.search(line):
                found.append('\n'.join(part[:600] for part in lines[i : i + 8]))
            elif re.search(r'\] WARNING:', line) and LEAK.search(line):
                found.append('\n'.join(part[:600] for part in lines[i : i + 4]))
        if forget:
            os.truncate(self.dir + '/log', 0)
        return found


# ---------------------------------------------------------------------------
# What there is at the beginning, and again at the beginning of each epoch
# ---------------------------------------------------------------------------

ONCE = """
CREATE ROLE fuzz_vault;
CREATE ROLE fuzz_owner LOGIN;
CREATE ROLE fuzz_member LOGIN NOINHERIT IN ROLE fuzz_owner;
CREATE ROLE fuzz_consumer LOGIN;
CREATE ROLE fuzz_sender LOGIN;
CREATE ROLE fuzz_column LOGIN;
CREATE ROLE fuzz_rls LOGIN;
CREATE ROLE fuzz_nobody LOGIN;
CREATE ROLE fuzz_none LOGIN;
CREATE ROLE fuzz_monitor LOGIN IN ROLE pg_monitor;
CREATE SCHEMA fuzz;
GRANT USAGE ON SCHEMA fuzz TO PUBLIC;
CREATE SCHEMA scratch;
GRANT ALL ON SCHEMA scratch TO PUBLIC;

-- ways to run a call; none sets a search_path but the one that says so
CREATE FUNCTION fuzz.run(sql pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN EXECUTE sql; RETURN 'ok'; END $$;
CREATE FUNCTION fuzz.imm(sql pg_catalog.text) RETURNS pg_catalog.text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN EXECUTE sql; RETURN 'ok'; END $$;
CREATE FUNCTION fuzz.par(sql pg_catalog.text) RETURNS pg_catalog.text PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN EXECUTE sql; RETURN 'ok'; END $$;
CREATE FUNCTION fuzz.fixed(sql pg_catalog.text) RETURNS pg_catalog.text SET search_path = pg_catalog, pg_temp SET work_mem = '64kB' LANGUAGE plpgsql AS $$
BEGIN EXECUTE sql; RETURN 'ok'; END $$;
CREATE FUNCTION fuzz.caught(sql pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE sql;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN pg_catalog.concat(SQLSTATE, ' ', SQLERRM);
END $$;
CREATE FUNCTION fuzz.undone(sql pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE sql;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
    EXECUTE sql;
    RETURN 'ok';
END $$;
-- stops after one row
CREATE FUNCTION fuzz.first(sql pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
    FOR r IN EXECUTE sql LOOP
        RETURN r::pg_catalog.text;
    END LOOP;
    RETURN NULL;
END $$;
CREATE FUNCTION fuzz.definer(sql pg_catalog.text) RETURNS pg_catalog.text SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN EXECUTE sql; RETURN 'ok'; END $$;
ALTER FUNCTION fuzz.definer OWNER TO fuzz_owner;
GRANT USAGE, CREATE ON SCHEMA fuzz TO fuzz_owner;
CREATE FUNCTION fuzz.oid(signature pg_catalog.text) RETURNS oid SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE sql
RETURN pg_catalog.to_regprocedure(signature);
CREATE FUNCTION fuzz.trigger() RETURNS pg_catalog.trigger LANGUAGE plpgsql AS $$
BEGIN EXECUTE NEW.sql; RETURN NEW; END $$;
CREATE PROCEDURE fuzz.proc(sql pg_catalog.text) LANGUAGE plpgsql AS $$
BEGIN COMMIT; EXECUTE sql; ROLLBACK; EXECUTE sql; COMMIT; END $$;
CREATE TABLE fuzz.triggered (sql pg_catalog.text);
CREATE TRIGGER t BEFORE INSERT ON fuzz.triggered FOR EACH ROW EXECUTE FUNCTION fuzz.trigger();
CREATE TABLE fuzz.deferred (sql pg_catalog.text);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON fuzz.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fuzz.trigger();
CREATE TABLE fuzz.checked (sql pg_catalog.text CHECK (fuzz.run(sql) IS NOT NULL));
CREATE TABLE fuzz.indexed (sql pg_catalog.text);
CREATE INDEX ON fuzz.indexed (fuzz.imm(sql));
-- ANALYZE runs what is in it as its owner
ALTER TABLE fuzz.indexed OWNER TO fuzz_owner;
CREATE TABLE fuzz.guarded (sql pg_catalog.text);
ALTER TABLE fuzz.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON fuzz.guarded USING (fuzz.run(sql) IS NOT NULL);
CREATE TABLE fuzz.many AS SELECT g AS i FROM pg_catalog.generate_series(1, 100) g;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA fuzz TO PUBLIC;

-- what an argument asks for, should it ever be run
CREATE FUNCTION fuzz.canary() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'INJECTED'; END $$;

-- rights are one thing, whether they were gone round another
CREATE FUNCTION fuzz.breach() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) session_user) THEN
        RAISE EXCEPTION 'BREACH of % by % as %', TG_RELID::pg_catalog.regclass, session_user, current_user;
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;

-- what a creator of queues plants beside his own; it must never run by another's rights
CREATE FUNCTION fuzz.planted() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- a statement on the tables themselves runs it by the server's rules
    IF current_user OPERATOR(pg_catalog.<>) 'fuzz_owner' AND current_user OPERATOR(pg_catalog.<>) 'fuzz_member'
        AND pg_catalog.current_query() OPERATOR(pg_catalog.~*) '^\\s*((SELECT|WITH|CALL|DO|EXPLAIN)\\M.*pgmq\\.|(EXECUTE|FETCH)\\M)' THEN
        RAISE LOG 'BREACH of what was planted, as % of session %', current_user, session_user;
    END IF;
    RETURN true;
END $$;
CREATE FUNCTION fuzz.planted_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM fuzz.planted(); RETURN COALESCE(NEW, OLD); END $$;

CREATE FUNCTION fuzz.state(OUT name text, OUT setting text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT 'user', pg_catalog.concat(current_user, ' ', session_user, ' ', pg_catalog.current_setting('role'))
    UNION ALL SELECT 'locks', (SELECT pg_catalog.string_agg(pg_catalog.concat(l.locktype, ' ', l.relation::pg_catalog.regclass, ' ', l.objid, ' ', l.mode), ', ')
        FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
        WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
        -- what a serializable transaction has read outlasts it, as long as others need it
        AND l.mode OPERATOR(pg_catalog.<>) 'SIReadLock'
        AND (l.locktype OPERATOR(pg_catalog.=) 'advisory' OR c.relnamespace OPERATOR(pg_catalog.=) (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'pgmq')))
    UNION ALL SELECT 'cursors', (SELECT pg_catalog.string_agg(c.name, ', ') FROM pg_catalog.pg_cursors c WHERE c.is_holdable)
    UNION ALL SELECT s.name, s.setting FROM pg_catalog.pg_settings s
        WHERE s.name NOT LIKE '%.%' AND s.name NOT LIKE 'transaction_%' AND s.name OPERATOR(pg_catalog.<>) 'seed'
$$;
"""

# Tables of the names of those for deduplication ids, and what can be hung on
# ours and on pgmq.policy; %s is such a name.  A creator of queues makes them.
PLANTS = [
    'CREATE TABLE %s (dedup_id pg_catalog.text COLLATE "C" PRIMARY KEY, msg_id pg_catalog.int8 NOT NULL, sent_at pg_catalog.timestamptz NOT NULL CHECK (hostile.planted()))',
    'CREATE TABLE %s (dedup_id pg_catalog.text COLLATE "C" PRIMARY KEY, msg_id pg_catalog.int8 NOT NULL, sent_at pg_catalog.timestamptz NOT NULL)',
    'CREATE VIEW %s AS SELECT NULL::pg_catalog.text AS dedup_id, 1::pg_catalog.int8 AS msg_id, now() AS sent_at WHERE hostile.planted()',
    'CREATE INDEX ON %s ((hostile.planted()))',
    'CREATE RULE planted AS ON INSERT TO %s DO ALSO SELECT hostile.planted()',
    'CREATE TRIGGER planted BEFORE INSERT OR DELETE OR TRUNCATE ON %s EXECUTE FUNCTION hostile.planted_trigger()',
    'CREATE CONSTRAINT TRIGGER planted_late AFTER INSERT ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hostile.planted_trigger()',
    'CREATE TABLE fuzz.refers (id pg_catalog.text REFERENCES %s ON DELETE CASCADE)',
    'CREATE TABLE fuzz.refers (id pg_catalog.text REFERENCES pgmq.policy ON DELETE CASCADE); CREATE CONSTRAINT TRIGGER planted AFTER DELETE ON fuzz.refers'
    ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hostile.planted_trigger(); INSERT INTO fuzz.refers VALUES (\'own1\')',
    'DROP TABLE fuzz.refers',
    'DROP TABLE %s CASCADE',
]

# Shadows: everything that an unqualified name might find.
HOSTILE = """
CREATE SCHEMA hostile;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
CREATE FUNCTION hostile.boo() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'SHADOWED as %', current_user; END $$;
CREATE FUNCTION hostile.planted() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN fuzz.planted(); END $$;
CREATE FUNCTION hostile.planted_trigger() RETURNS pg_catalog.trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM hostile.planted(); RETURN coalesce(NEW, OLD); END $$;
CREATE DOMAIN hostile.jsonb AS pg_catalog.int4;
CREATE DOMAIN hostile.text AS pg_catalog.int4;
CREATE DOMAIN hostile.regclass AS pg_catalog.int4;
CREATE DOMAIN hostile.message_record AS pg_catalog.int4;
CREATE VIEW hostile.pg_class AS SELECT hostile.boo();
CREATE VIEW hostile.pg_namespace AS SELECT hostile.boo();
CREATE VIEW hostile.pg_extension AS SELECT hostile.boo();
CREATE VIEW hostile.meta AS SELECT hostile.boo();
CREATE VIEW hostile.policy AS SELECT hostile.boo();
CREATE VIEW hostile.topic_bindings AS SELECT hostile.boo();
CREATE VIEW hostile.q_own1 AS SELECT hostile.boo();
"""


def shadows(conn):
    """Functions and operators of pg_catalog that a queue might want."""
    statements = []
    for name, args, result in conn.execute("""
            SELECT p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), pg_catalog.format_type(p.prorettype, NULL)
            FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0 AND p.pronargs < 5
            AND p.proname IN ('now', 'clock_timestamp', 'statement_timestamp', 'lower', 'upper', 'length', 'replace', 'substr', 'left', 'quote_ident', 'format',
                'array_length', 'cardinality', 'to_regclass', 'greatest', 'make_interval', 'jsonb_typeof', 'jsonb_set', 'regexp_replace', 'pg_notify', 'hashtext',
                'pg_advisory_xact_lock', 'nextval', 'date_part', 'extract', 'to_timestamp', 'split_part', 'has_table_privilege', 'current_setting', 'set_config',
                'array_fill', 'array_position', 'array_append', 'hashtextextended', 'random', 'power', 'ceil', 'floor', 'like', 'textlike', 'isfinite')
            AND p.prorettype NOT IN ('internal'::regtype, 'cstring'::regtype) AND NOT (2281 = ANY (p.proargtypes)) AND NOT (p.prorettype = 'anyelement'::regtype)""").fetchall():
        statements.append(f"""CREATE FUNCTION hostile."{name}"({args}) RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'SHADOWED {name} as %', current_user; END $$""")
    for n, (name, left, right, result) in enumerate(conn.execute("""
            SELECT o.oprname, o.oprleft::regtype::text, o.oprright::regtype::text, o.oprresult::regtype::text FROM pg_operator o
            WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname IN ('=', '<', '<=', '>', '>=', '<>', '+', '-', '||', '->', '->>', '@>', '~', '?', '*')
            AND o.oprleft IN ('bigint'::regtype, 'integer'::regtype, 'text'::regtype, 'jsonb'::regtype, 'timestamptz'::regtype, 'interval'::regtype, 'varchar'::regtype, 'boolean'::regtype, 'oid'::regtype, 'name'::regtype)
            AND o.oprright IN ('bigint'::regtype, 'integer'::regtype, 'text'::regtype, 'jsonb'::regtype, 'timestamptz'::regtype, 'interval'::regtype, 'boolean'::regtype, 'oid'::regtype, 'name'::regtype)""").fetchall()):
        statements.append(f"""CREATE FUNCTION hostile.op{n}({left}, {right}) RETURNS {result} LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'SHADOWED operator {name} as %', current_user; END $$""")
        statements.append(f'CREATE OPERATOR hostile.{name} (FUNCTION = hostile.op{n}, LEFTARG = {left}, RIGHTARG = {right})')
    for statement in statements:
        try:
            conn.execute(statement)
        except psycopg.errors.DuplicateFunction:
            pass


def name_literal(name):
    return "'" + name.replace("'", "''") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def table(queue, prefix='q'):
    return 'pgmq.' + identifier(f'{prefix}_{queue.lower()}')


def set_up(server):
    with server.connect(dbname='postgres') as conn:
        conn.execute('CREATE DATABASE fuzz')
        conn.execute("ALTER DATABASE fuzz SET statement_timeout = '15s'")
    with server.connect() as conn:
        conn.execute('CREATE EXTENSION pgmq_c')
        if conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_partman'").fetchone():
            conn.execute('CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman; GRANT USAGE ON SCHEMA partman TO PUBLIC')
        conn.execute(ONCE)
        conn.execute(HOSTILE)
        shadows(conn)
        for queue in GUARDED:
            conn.execute('SELECT pgmq.create(%s)', (queue,))
            conn.execute(f'ALTER TABLE pgmq.q_{queue} ALTER msg_id RESTART WITH 1000')
            word = 'SECRET' if queue != 'readonly' else 'FIXED'
            for prefix in 'qa':
                conn.execute(f"""INSERT INTO pgmq.{prefix}_{queue} (msg_id, vt, message, headers) OVERRIDING SYSTEM VALUE
                    SELECT g, '2020-01-01'::timestamptz + g * interval '1 s', json_build_object('body', '{word}-{queue}-' || g), json_build_object('h', '{word}-{queue}-h' || g, 'x-pgmq-group', 'g' || g % 3)
                    FROM generate_series(1, 20) g""")
                for event in ('INSERT OR UPDATE OR DELETE', 'TRUNCATE'):
                    if queue == 'vault':
                        conn.execute(f"""CREATE TRIGGER a_breach_{event[0:2]} BEFORE {event} ON pgmq.{prefix}_vault FOR EACH {'STATEMENT' if event == 'TRUNCATE' else 'ROW'} EXECUTE FUNCTION fuzz.breach();
                            ALTER TABLE pgmq.{prefix}_vault ENABLE ALWAYS TRIGGER a_breach_{event[0:2]}""")
                conn.execute(f'ALTER TABLE pgmq.{prefix}_{queue} OWNER TO fuzz_vault')
        conn.execute("""
            ALTER TABLE pgmq.q_rowsec ENABLE ROW LEVEL SECURITY; ALTER TABLE pgmq.a_rowsec ENABLE ROW LEVEL SECURITY;
            CREATE POLICY p ON pgmq.q_rowsec TO fuzz_rls USING (message ->> 'who' = 'rls' OR message = '1') WITH CHECK (message ->> 'who' = 'rls' OR message = '1');
            CREATE POLICY p ON pgmq.a_rowsec TO fuzz_rls USING (message ->> 'who' = 'rls' OR message = '1') WITH CHECK (true);
            GRANT ALL ON pgmq.q_rowsec, pgmq.a_rowsec TO fuzz_rls;
            REVOKE TRUNCATE ON pgmq.q_rowsec, pgmq.a_rowsec FROM fuzz_rls;
            GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, vt) ON pgmq.q_columns TO fuzz_column;
            GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, vt, archived_at) ON pgmq.a_columns TO fuzz_column;
            GRANT INSERT (vt, message, headers), SELECT (msg_id) ON pgmq.q_sendonly TO fuzz_sender, fuzz_column;
            GRANT SELECT ON pgmq.q_readonly, pgmq.a_readonly TO fuzz_consumer, fuzz_monitor""")


def repair(conn):
    """Make the objects that an epoch begins with, whatever the last one left behind."""
    # a backend that lost its client may still be at work
    while conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()").fetchall():
        time.sleep(0.02)
    conn.execute("SET lock_timeout = 0; CREATE EXTENSION IF NOT EXISTS pgmq_c")
    for (gid,) in conn.execute('SELECT gid FROM pg_prepared_xacts').fetchall():
        conn.execute(f"ROLLBACK PREPARED '{gid}'")
    guarded = [prefix + '_' + queue for queue in GUARDED for prefix in 'qa']
    for (name, kind) in conn.execute("""SELECT c.oid::regclass::text, c.relkind::text FROM pg_class c
            WHERE c.relnamespace IN ('pgmq'::regnamespace, 'scratch'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relname::text <> ALL (%s)
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))""", (guarded,)).fetchall():
        what = {'v': 'VIEW', 'm': 'MATERIALIZED VIEW', 'f': 'FOREIGN TABLE', 'S': 'SEQUENCE'}.get(kind, 'TABLE')
        conn.execute(f'DROP {what} IF EXISTS {name} CASCADE')
    for (name,) in conn.execute("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'scratch'::regnamespace").fetchall():
        conn.execute(f'DROP ROUTINE IF EXISTS {name} CASCADE')
    conn.execute('ALTER TYPE pgmq.message_record DROP ATTRIBUTE IF EXISTS extra CASCADE')
    conn.execute('DELETE FROM pgmq.meta WHERE queue_name <> ALL (%s); ', (GUARDED,))
    conn.execute('DELETE FROM pgmq.policy; DELETE FROM pgmq.topic_bindings; DELETE FROM pgmq.notify_insert_throttle; DELETE FROM fuzz.indexed; DELETE FROM fuzz.guarded')
    if conn.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_partman'").fetchone():
        conn.execute('DELETE FROM partman.part_config')
    conn.execute("SELECT pgmq.convert_queues(%s)", (GUARDED,))
    conn.execute('DELETE FROM pgmq.subscription_block; DELETE FROM pgmq.subscription_note; DELETE FROM pgmq.subscription; DELETE FROM pgmq.stream')
    for queue in OWN + SUPER:
        if queue.endswith('_log'):
            conn.execute('SELECT pgmq.create_stream(%s)', (queue,))
        elif queue.endswith('_sub'):
            conn.execute("SELECT pgmq.create_subscription(%s, %s, 'earliest')", (queue, queue[:-3] + 'log'))
        else:
            conn.execute(f"SELECT pgmq.create{'_unlogged' if queue == 'ownu' else ''}(%s)", (queue,))
    conn.execute("""
        DROP TABLE pgmq.q_suparts;
        CREATE TABLE pgmq.q_suparts (msg_id bigint GENERATED BY DEFAULT AS IDENTITY, read_ct integer DEFAULT 0 NOT NULL,
            enqueued_at timestamptz DEFAULT now() NOT NULL, last_read_at timestamptz, vt timestamptz DEFAULT now() NOT NULL, message jsonb, headers jsonb,
            PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
        CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON pgmq.q_suparts FOR EACH ROW EXECUTE FUNCTION pgmq._announce();
        ALTER TABLE pgmq.q_suparts ENABLE ALWAYS TRIGGER pgmq_announce;
        CREATE TABLE pgmq.parts_1 PARTITION OF pgmq.q_suparts FOR VALUES FROM (MINVALUE) TO (30);
        CREATE TABLE pgmq.parts_2 PARTITION OF pgmq.q_suparts DEFAULT""")
    for queue in OWN:
        for prefix in 'qa':
            conn.execute(f'ALTER TABLE {table(queue, prefix)} OWNER TO fuzz_owner')
    conn.execute("""
        GRANT USAGE ON SCHEMA pgmq TO fuzz_vault, fuzz_owner, fuzz_consumer, fuzz_sender, fuzz_column, fuzz_rls, fuzz_nobody;
        GRANT CREATE ON SCHEMA pgmq TO fuzz_owner;
        GRANT SELECT, INSERT, DELETE ON pgmq.meta, pgmq.topic_bindings TO fuzz_owner;
        GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.notify_insert_throttle TO fuzz_owner;
        GRANT REFERENCES ON pgmq.policy TO fuzz_owner;
        GRANT SELECT, UPDATE, DELETE ON pgmq.q_own1 TO fuzz_consumer;
        GRANT INSERT, SELECT ON pgmq.a_own1 TO fuzz_consumer;
        GRANT UPDATE (vt, read_ct, last_read_at), SELECT (msg_id, vt, read_ct) ON pgmq.q_own2 TO fuzz_column;
        GRANT SELECT ON pgmq.topic_bindings TO fuzz_sender;
        GRANT INSERT (vt, message, headers), SELECT (msg_id) ON pgmq.q_own1, pgmq.q_own2 TO fuzz_sender;
        INSERT INTO pgmq.policy (queue_name, policy) VALUES ('vault', '{"ttl": 987654321, "max_reads": 900000}');
        DELETE FROM pgmq.q_rowsec WHERE message::text !~ 'SECRET'; DELETE FROM pgmq.q_sendonly WHERE message IS NULL OR message::text !~ 'SECRET'""")
    for queue in OWN + SUPER + ['rowsec']:
        conn.execute('SELECT pgmq.send(%s, jsonb_build_object($$who$$, $$rls$$, $$n$$, g), jsonb_build_object($$x-pgmq-group$$, g %% 4)) FROM generate_series(1, 12) g', (queue,))
        if queue != 'rowsec':
            if not queue.endswith('_log'):
                conn.execute('SELECT pgmq.archive(%s, 2)', (queue,))
    for queue, policy in (('own1', '{"dead_letter_queue": "own2", "max_reads": 3}'), ('su1', '{"dead_letter_queue": "su2", "ttl": 5, "ttl_header": true, "archive_retention": 3}'),
                          ('Own_Mixed', '{"dedup_window": 2}'), ('own dotted.name', '{"strict_fifo": true, "backoff": "exponential"}')):
        conn.execute('SELECT pgmq.set_policy(%s, %s)', (queue, policy))
    for queue in OWN + SUPER:
        conn.execute("SELECT pgmq.bind_topic('a.*', %s), pgmq.bind_topic('#', %s)", (queue, queue))


DIGEST = """
SELECT 'messages of ' || t, fuzz.digest(t) FROM unnest(%s::text[]) t
UNION ALL SELECT 'rights on ' || c.relname, concat_ws(' ', c.relowner::regrole, c.relacl, c.relrowsecurity, (SELECT string_agg(attacl::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL))
    FROM pg_class c WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relname::text = ANY (%s)
UNION ALL SELECT 'roles', (SELECT md5(string_agg(r::text, ',' ORDER BY oid)) FROM pg_authid r)
UNION ALL SELECT 'memberships', (SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM pg_auth_members r)
"""
DIGEST_EXTENSION = """
SELECT 'functions', (SELECT md5(string_agg(concat(oid, proowner, prosecdef, proacl, prosrc, probin, proconfig), ',' ORDER BY oid)) FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace AND probin LIKE '%%pgmq%%')
UNION ALL SELECT 'meta', (SELECT string_agg(m::text, ', ' ORDER BY m::text) FROM pgmq.meta m WHERE queue_name = ANY (%s))
UNION ALL SELECT 'policy', (SELECT string_agg(m::text, ', ' ORDER BY m::text) FROM pgmq.policy m WHERE queue_name = ANY (%s))
"""


def digest(conn, extension):
    guarded = [prefix + '_' + queue for queue in GUARDED for prefix in 'qa']
    rows = conn.execute(DIGEST, (guarded, guarded)).fetchall()
    if extension:
        rows += conn.execute(DIGEST_EXTENSION, (GUARDED, GUARDED)).fetchall()
    return dict(rows)


ONCE += """
CREATE FUNCTION fuzz.digest(t pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
DECLARE d text;
BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('pgmq.%I', t)) IS NULL THEN
        RETURN 'gone';
    END IF;
    EXECUTE pg_catalog.format('SELECT concat(count(*), $q$ rows $q$, md5(string_agg(r::text, $q$,$q$ ORDER BY msg_id))) FROM pgmq.%I r WHERE message::text ~ $q$SECRET|FIXED$q$', t) INTO d;
    RETURN d;
END $$;
"""


# ---------------------------------------------------------------------------
# Arguments
# ---------------------------------------------------------------------------

INJECTIONS = ["'; SELECT fuzz.canary(); --", "'||fuzz.canary()||'", '"; SELECT fuzz.canary(); --', 'x" (a) VALUES (fuzz.canary()) --', '$$; SELECT fuzz.canary(); $$',
              "\\'; SELECT fuzz.canary(); --", '); SELECT fuzz.canary(); --', "own1'; SELECT fuzz.canary(); --", '{{"a": 1}}', '${jndi}', '%s%s%n%n', '%1$s', '%', '%%', '%I %L', 'own1" WHERE fuzz.canary() IS NULL --']
TEXTS = ['', ' ', '\t', '\n', 'a', 'A', 'NULL', 'null', '0', '-1', '1', 'true', "'", '"', '\\', '\\\\', '""', "''", '.', '..', 'a.b', '*', '#', '*.#', '--', '/*', '$', '$1', '{', '{}', '[]', 'pg_class', 'pg_catalog.pg_class',
         '\u00e9' * 23, '\u00e9' * 24, '\u00e9' * 31, '\u00e9' * 32, '\U0001f4a9' * 12, 'x' * 47, 'x' * 48, 'x' * 59, 'x' * 61, 'x' * 62, 'x' * 63, 'x' * 64, 'X' * 47, 'x' * 127, 'x' * 255, 'x' * 256, 'x' * 8192, 'x' * 100000,
         '\u0130stanbul', '\u202e', '\ufeff', '\x01', '\x7f', 'a\u0301', '../../etc/passwd', 'meta', 'policy', 'topic_bindings', 'q_own1', 'own1_pkey', 'OWN1', 'Vault', 'VAULT', 'vault ', 'pgmq.q_vault', 'q_vault']
TOPICS = ['amqp:a.#', 'amqp:#.*', 'alternate:#', 'headers:{"a": 1}', 'headers:{"x-match": "any", "a": null}', 'headers:[', 'amqp:', 'a.b', 'a.b.c', 'a.*', '#', '*', '*.*', 'a.#', '#.a', '#.#.#.#.#.#.#.#', '*' * 60, '#' * 200, 'a.' * 100, '.a', 'a.', 'a..b', '(a+)+$', '((((a*)*)*)*)b', '[a-z', 'a{1,99999}', '\\1', '^$', 'a|b', 'A.B', 'x' * 255, 'x' * 256,
          'a' * 60 + '.' + 'a' * 60 + '!', '#.' * 20 + 'z', '*#*#*#*#', '\u00e9.\u00e9', '(?i)a', '***:a', '[[:alpha:]]', '\\d.\\m']
JSONS = ['1', '0', '-1', '1.5', '1e400', '1E-400', '"s"', '""', 'true', 'false', 'null', '{}', '[]', '[1, "a", null]', '{"a": 1}', '{"a": {"b": [1, {"c": null}]}}', '{"": ""}', '9' * 300, '"\\u00e9\\n\\\\"', '{"who": "rls"}',
         '{"x-pgmq-group": "g1"}', '{"x-pgmq-group": null}', '{"x-pgmq-group": {"a": 1}}', '{"x-pgmq-group": ["a"]}', '{"x-pgmq-group": 5}', '{"x-pgmq-group": ""}',
         '{"x-pgmq-ttl": 1}', '{"x-pgmq-ttl": "1"}', '{"x-pgmq-ttl": -1}', '{"x-pgmq-ttl": 1e300}', '{"x-pgmq-expires-at": "infinity"}', '{"x-pgmq-expires-at": "yesterday"}', '{"x-pgmq-expires-at": "4714-11-24 BC"}',
         '{"x-pgmq-dedup-id": "1"}', '{"x-pgmq-dedup-id": 1}', '{"x-pgmq-dedup-id": null}', '{"x-pgmq-deduplication-id": "1"}',
         '{"x-pgmq-dead-letter": {"queue": "vault", "msg_id": 1}}', '{"x-pgmq-dead-letter": {"queue": null}}', '{"x-pgmq-dead-letter": [1, 2]}', '{"x-pgmq-dead-letter": "x"}', '{"x-pgmq-unarchived": 1}']
POLICY = {
    'max_reads': ['1', '2', '0', '-1', '2147483647', '2147483648', '1.5', 'null', '"1"', '[]'],
    'dead_letter_queue': ['"own2"', '"su2"', '"own1"', '"vault"', '"no such"', '"Own_Mixed"', 'null', '1', '{}', '""'],
    'create_dead_letter_queue': ['true', 'false', 'null', '1'],
    'backoff': ['"none"', '"fixed"', '"linear"', '"exponential"', '"x"', 'null', '1'],
    'backoff_base': ['1', '0', '-1', '1e10', '2147483647', '"1 s"', 'null'],
    'backoff_factor': ['2', '1', '0', '1e300', '-1', '1.0001', 'null'],
    'backoff_cap': ['10', '0', '2147483647', '-5', 'null'],
    'backoff_jitter': ['0', '0.5', '1', '2', '-1', 'true', 'null'],
    'ttl': ['1', '0', '-1', '1e18', '3600', '0.001', '"1 day"', 'null'],
    'ttl_header': ['true', 'false', 'null', '"x"', '"x-pgmq-ttl"'],
    'expired': ['"drop"', '"dead_letter"', '"archive"', '"x"', 'null'],
    'dedup_window': ['1', '60', '0', '-1', '1e12', '"x"', 'null'],
    'archive_retention': ['0', '1', '1e12', '-1', 'null'],
    'strict_fifo': ['true', 'false', 'null', '1'],
    'priorities': ['true', 'false', 'null', '1'],
    'order': ['"fair"', '"priority"', '"x"', 'null', '1'], 'to_queue': ['"own1"', '"vault"', '"su1"', '"no such"', '1', 'null'], 'per_second': ['1', '0', '-1', '1000', '1e300', '"x"'],
    'paused': ['true'], 'unknown': ['1'], 'qty': ['1'], 'conditional': ['{}', '{"a": 1}'], 'weights': ['{}', '[1]'],
}
TIMES = ['now', '-infinity', 'infinity', 'epoch', '294276-12-31 23:59:59.999999+00', '4714-11-24 00:00:00+00 BC', 'yesterday', 'tomorrow', '2000-01-01', '2038-01-19 03:14:08+00', '1970-01-01 00:00:00+15', '9999-12-31', 'today allballs']
INT4 = [0, 1, 2, 3, 5, -1, -2, 10, 100, 1000, 2147483647, -2147483648, 2147483646, 32768, 65536]
INT8 = [0, -1, 2**63 - 1, -2**63, 2**31, -2**31 - 1, 2**32, 64, 63, 4096, 262144, 9 * 10**18]


class Arguments:
    """Draws arguments; each is (text or None, type)."""

    def __init__(self, rng, role):
        self.random = rng
        self.role = role
        self.sane = False
        self.shape = None           # of the arrays of a call
        self.stream = None          # that of the subscription that was named last

    def pick(self, choices):
        return self.random.choice(choices)

    def queue(self):
        r = self.random
        if self.role == 'postgres':
            # what it moves must not be what others may not see
            name = self.pick(SUPER + OWN)
        elif self.role in ('fuzz_owner', 'fuzz_member'):
            name = self.pick(GUARDED if r.random() < 0.25 else OWN if r.random() < 0.9 else SUPER)
        else:
            name = self.pick(OWN + SUPER + GUARDED * 3)
            if self.sane and r.random() < 0.5:
                name = {'fuzz_consumer': 'own1', 'fuzz_sender': 'own1', 'fuzz_rls': 'rowsec', 'fuzz_column': 'own2'}.get(self.role, name)
        if r.random() < 0.05:
            name = r.choice([name.upper(), name.lower(), name + ' ', name.swapcase()])
        if not self.sane and self.role == 'postgres' and name.lower().strip() in GUARDED:
            name = 'su1'
        return name

    def hostile(self):
        r = self.random
        kind = r.random()
        if kind < 0.4:
            text = self.pick(INJECTIONS)
        elif kind < 0.9:
            text = self.pick(TEXTS)
        else:
            text = ''.join(chr(r.choice([r.randrange(1, 128), r.randrange(128, 0xd800), r.randrange(0x10000, 0x10ffff)])) for _ in range(r.randrange(80)))
        if self.role == 'postgres' and 'vault' in text.lower():
            text = 'su1'
        return text

    def json(self, name):
        r = self.random
        if name in ('policy', 'options', 'conditional') and r.random() < 0.85:
            keys = {'policy': list(POLICY)[:15], 'options': ['order', 'to_queue', 'per_second', 'force', 'unknown'], 'conditional': ['who', 'n', 'a']}[name]
            keys = r.sample(keys, min(len(keys), r.choice([0, 1, 1, 2, 3, 14])))
            if r.random() < 0.05:
                keys.append(self.pick(list(POLICY)))
            values = {key: self.pick(POLICY.get(key, JSONS)) for key in keys}
            if self.sane:
                values = {key: POLICY.get(key, ['1'])[0] for key in keys}
            text = '{' + ', '.join(f'"{key}": {value}' for key, value in values.items()) + '}'
        elif name == 'filter' and r.random() < 0.8:
            text = self.pick(['{}', '{"pattern": "a.#"}', '{"message": {"a": 1}}'] + ([] if self.sane else ['{"pattern": "alternate:#"}', '{"pattern": "headers:1"}', '{"pattern": "a.**"}', '{"headers": 1}', '{"body": {}}']))
        elif self.sane:
            text = self.pick(['{"who": "rls"}', '{"x-pgmq-group": "g1"}', '{"a": 1}', '1']) if name != 'headers' else self.pick(['{}', '{"x-pgmq-group": "g1"}', '{"x-pgmq-dedup-id": "1"}'])
        else:
            kind = r.random()
            if kind < 0.9:
                text = self.pick(JSONS)
            elif kind < 0.93:
                depth = r.choice([10, 100, 1000, 3000])
                text = '[' * depth + ']' * depth
            elif kind < 0.95:
                text = '{' + ', '.join(f'"k{i}": "{"v" * r.randrange(30)}"' for i in range(r.choice([100, 3000]))) + '}'
            elif kind < 0.97:
                text = '"' + 'y' * r.choice([2000, 9000, 300000]) + '"'
            else:
                text = self.pick(['{', 'nope', '', '{"a": 1,}', '"\\u0000"', '"\\ud800"', '\x01'])
        if self.role == 'postgres':
            text = text.replace('vault', 'su2')
        return text

    def text(self, name):
        r = self.random
        if not self.sane and r.random() < 0.12:
            return self.hostile()
        if name == 'subscription_name':
            own, other = ('su', 'own') if self.role == 'postgres' else ('own', 'su')
            self.stream = own + '_log'
            return self.pick([own + '_sub', own + '_sub', other + '_sub', self.queue()])
        if name == 'queue_name' and self.stream and r.random() < 0.7:
            stream, self.stream = self.stream, None
            return stream
        if name == 'start':
            return self.pick(['latest', 'earliest', '3'] + ([] if self.sane else ['-1', '9223372036854775807', '9223372036854775808', 'infinity', '-infinity', 'yesterday', '', ' 3', '0x10']))
        if 'queue' in name or name == 'table_name':
            return self.queue()
        if name in ('pattern', 'routing_key'):
            return self.pick(['a.b', 'a.c', 'x'] if self.sane else TOPICS)
        if name == 'state':
            return self.pick(['all', 'visible', 'delayed', 'in_flight'] + ([] if self.sane else ['x', 'ALL']))
        if 'interval' in name:
            return self.pick(['10000', '1 day'] if self.sane else ['10000', '1 day', '0', '-1', '1', '99999999999999999999', '1 month', 'daily', '1 microsecond', '-1 day', 'infinity', ''])
        if 'role' in name or 'grantee' in name:
            return self.pick(ROLES + ['public', 'PUBLIC', 'no such role', 'pg_monitor', 'current_user', 'none'])
        if 'priv' in name:
            return self.pick(['send', 'read', 'manage', 'inspect', 'all', 'SELECT', ''])
        if name == 'prefix':
            return self.pick(['q', 'a', 'x', ''])
        if name == 'headers_or_delay':
            return self.pick(['{"a": 1}', '5', '2030-01-01', '{}', '-1', 'null', '[]', 'infinity', '99999999999', ' 3 ', '1.5'])
        if name in ('msg_id_or_ids', 'read_ct_or_cts'):
            number = str(r.randrange(1, 25) if 'id' in name else r.choice([0, 0, 1]))
            return number if self.sane else self.pick([number, number, '{' + number + '}', '{}', '{1,2,NULL}', ' 7', '[2:3]={1,2}', '99999999999999999999', '1.5', ''])
        if name in ('delay', 'vt'):
            return self.pick(['0', '1 s', '2000-01-01'] if self.sane else ['0', '-1', '1 s', '00:00:01', '-1 day', 'P1D', '178000000 years', '-178000000 years', 'now', 'infinity', '2030-01-01', '99999999999', '1.5', '[1]', '{"{}"}', '{NULL}', ''])
        if name == 'extension_name':
            return self.pick(['pgmq', 'pgmq_c', 'plpgsql', 'x'])
        return self.hostile() if not self.sane else 'because'

    def integer(self, name):
        if self.sane:
            if 'qty' in name:
                return self.pick([1, 2, 5, 100])
            if 'poll' in name:
                return 1 if 'seconds' in name else self.pick([1, 10, 100])
            if 'msg' in name or name == 'after_msg_id':
                return self.random.randrange(1, 20)
            if name.startswith('read_ct'):
                return self.pick([0, 0, 1])
            return self.pick([0, 0, 1, 5])
        if 'poll' in name:
            return self.pick([0, 0, 1, 1, 1, -1, 2147483647, -2147483648, 10, 100] if 'ms' in name else [0, 0, 0, 1, 1, -1, -2147483648, 2147483647])
        return self.pick(INT4)

    def scalar(self, name, kind):
        r = self.random
        if kind == 'jsonb':
            return self.json(name)
        if kind in ('text', 'character varying', 'name'):
            return self.text(name)
        if kind == 'integer':
            return str(self.integer(name))
        if kind == 'bigint':
            return str(r.randrange(1, 25) if self.sane or r.random() < 0.7 else r.choice(INT8))
        if kind.startswith('timestamp'):
            return self.pick(['now', 'yesterday', '2000-01-01'] if self.sane else TIMES)
        if kind == 'boolean':
            return self.pick(['true', 'false'])
        if kind in ('regrole', 'oid', 'regclass'):
            return self.pick(ROLES) if kind == 'regrole' else self.pick(['0', '1', '1259', '4294967295'])
        if kind in ('double precision', 'real', 'numeric'):
            return self.pick(['1', '0', '-1', 'NaN', 'Infinity', '-Infinity', '1e300'])
        if kind == 'interval':
            return self.pick(['1 s', '0', '-1 s', '178000000 years', '1 mon -1 day', '1 us'])
        return self.hostile()

    def array(self, name, element):
        r = self.random
        quote = lambda v: 'NULL' if v is None else '"' + v.replace('\\', '\\\\').replace('"', '\\"') + '"'
        some = lambda n: ','.join(quote(self.scalar(name, element)) if self.sane or r.random() < 0.96 else 'NULL' for _ in range(n))
        # the arrays of one call are mostly of one shape
        if not self.shape or r.random() < 0.2:
            kinds = {'plain': 50, 'empty': 8, 'rows': 15, 'bounds': 7, 'nulls': 5, 'same': 6, 'deep': 4}
            self.shape = ('plain' if self.sane else r.choices(list(kinds), kinds.values())[0], r.choice([1, 1, 2, 3, 3, 10]), r.choice([0, -5, 2, 2147483640, -2147483648]))
        kind, n, lower = self.shape
        if kind == 'plain':
            return '{' + some(n) + '}'
        if kind == 'empty':
            return '{}'
        if kind == 'rows':
            many = ','.join([quote(self.scalar(name, element)[:50])] * 1500)
            return '{' + ','.join('{' + (many if n == 10 else some(n * n)) + '}' for _ in range(2)) + '}'
        if kind == 'bounds':
            return f'[{lower}:{lower + n - 1}]={{' + some(n) + '}'
        if kind == 'nulls':
            return '{' + ','.join(['NULL'] * n) + '}'
        if kind == 'same':
            return '{' + ','.join([quote(self.scalar(name, element)[:100])] * n ** 3) + '}'
        return '{{{{{{' + some(1) + '}}}}}}'

    def draw(self, name, kind):
        if not self.sane and self.random.random() < 0.05:
            return None
        if kind.endswith('[]'):
            return self.array(name, kind[:-2])
        return self.scalar(name, kind)


def literal(text):
    return 'NULL' if text is None else "E'" + text.replace('\\', '\\\\').replace("'", "''") + "'"


QUALIFIED = {'text': 'pg_catalog.text', 'jsonb': 'pg_catalog.jsonb', 'name': 'pg_catalog.name'}


def typed(text, kind):
    base = kind[:-2] if kind.endswith('[]') else kind
    return f"{literal(text)}::{QUALIFIED.get(base, base)}{'[]' if kind.endswith('[]') else ''}"


class Function:
    def __init__(self, row):
        self.oid, self.name, self.kind, self.is_set, self.result, self.names, self.types, self.defaults, self.variadic = row
        self.names = self.names or []
        self.signature = f"{self.name}({', '.join(self.types)})"

    def draw(self, arguments):
        """The values of a call, defaults used or not: [(name, type, text)]."""
        count = len(self.types)
        arguments.shape = None
        if self.defaults and arguments.random.random() < 0.4:
            count -= arguments.random.randrange(1, self.defaults + 1)
        return [(self.names[i] if i < len(self.names) else '', self.types[i], arguments.draw(self.names[i] if i < len(self.names) else '', self.types[i])) for i in range(count)]

    def call(self, rng, values, placeholders=False):
        named = rng.random() < 0.25 and all(name for name, _, _ in values)
        parts = []
        for i, (name, kind, text) in enumerate(values):
            base, array = (kind[:-2], '[]') if kind.endswith('[]') else (kind, '')
            if placeholders:
                value = f'%s::{QUALIFIED.get(base, base)}{array}'
            elif rng.random() < 0.03:
                value = literal(text)
            else:
                value = typed(text, kind)
            if named:
                value = f'{identifier(name)} => {value}'
            if self.variadic and i == len(self.types) - 1:
                # its elements, or the array
                if not placeholders and not named and rng.random() < 0.6 and text and re.fullmatch(r'{"[^"\\]*"(,"[^"\\]*")*}', text):
                    value = ', '.join(typed(part, base) for part in text[2:-2].split('","'))
                else:
                    value = 'VARIADIC ' + value
            parts.append(value)
        if named and not placeholders and not self.variadic:
            rng.shuffle(parts)
        return f"pgmq.{identifier(self.name)}({', '.join(parts)})"


FUNCTIONS = """
SELECT p.oid::bigint, p.proname::text, p.prokind::text, p.proretset, format_type(p.prorettype, NULL),
    p.proargnames[1 : p.pronargs]::text[], ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n), p.pronargdefaults::integer, p.provariadic <> 0
FROM pg_proc p WHERE p.pronamespace = 'pgmq'::regnamespace AND p.prokind IN ('f', 'p')
AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.proname, p.oid::regprocedure::text
"""

SETTINGS = {
    'search_path': ['hostile, pg_catalog', 'hostile', "''", 'pg_temp, pg_catalog', 'pgmq, public', 'hostile, pgmq, pg_catalog', 'pg_catalog, hostile'],
    'statement_timeout': ['1', '5', '20', '100', '1000'],
    'lock_timeout': ['1', '10', '200'],
    'default_transaction_isolation': ['repeatable read', 'serializable', 'read uncommitted'],
    'default_transaction_read_only': ['on'],
    'default_transaction_deferrable': ['on'],
    'session_replication_role': ['replica', 'local'],
    'plan_cache_mode': ['force_generic_plan', 'force_custom_plan'],
    'jit_above_cost': ['0'], 'work_mem': ['64'], 'temp_buffers': ['100'],
    'DateStyle': ['SQL, DMY', 'German', 'Postgres, MDY'], 'TimeZone': ['Asia/Kathmandu', 'UTC-14', 'right/UTC', 'XXX+167'], 'IntervalStyle': ['sql_standard', 'iso_8601', 'postgres_verbose'],
    'bytea_output': ['escape'], 'extra_float_digits': ['-15', '3'], 'lc_messages': ['C'],
    'client_encoding': ['LATIN1', 'SQL_ASCII', 'EUC_JP', 'WIN1252'],
    'standard_conforming_strings': ['off'], 'row_security': ['off'], 'check_function_bodies': ['off'], 'transform_null_equals': ['on'], 'array_nulls': ['off'], 'quote_all_identifiers': ['on'], 'backslash_quote': ['off'],
    'enable_indexscan': ['off'], 'enable_seqscan': ['off'], 'enable_bitmapscan': ['off'], 'enable_sort': ['off'], 'enable_nestloop': ['off'], 'enable_hashjoin': ['off'], 'enable_tidscan': ['off'], 'enable_material': ['off'],
    'force_parallel_mode': ['on', 'regress'], 'debug_parallel_query': ['on'], 'parallel_setup_cost': ['0'], 'min_parallel_table_scan_size': ['0'], 'geqo_threshold': ['2'], 'from_collapse_limit': ['1'], 'join_collapse_limit': ['1'],
    'debug_discard_caches': ['1'], 'default_table_access_method': ['heap'], 'default_tablespace': ['pg_default'], 'default_toast_compression': ['pglz'], 'xmloption': ['document'], 'constraint_exclusion': ['on'],
    'client_min_messages': ['debug1', 'error', 'log'], 'max_stack_depth': ['100'], 'idle_in_transaction_session_timeout': ['3000'], 'synchronous_commit': ['off', 'local'], 'gin_fuzzy_search_limit': ['1'],
    'pgmq_c.due_map': ['off', 'on'], 'cursor_tuple_fraction': ['0'], 'commit_delay': ['100'], 'vacuum_freeze_min_age': ['0'], 'track_activities': ['off'], 'track_functions': ['all'], 'log_statement_stats': ['off'],
}


# ---------------------------------------------------------------------------
# Sessions
# ---------------------------------------------------------------------------

class Session:
    """Records what is sent to a connection, and checks everything that comes back."""

    def __init__(self, server, role):
        self.server = server
        self.role = role
        self.history = []           # of this connection
        self.errors = collections.Counter()
        self.texts = collections.Counter()
        self.conn = server.connect(role, tries=50)
        self.pid = self.conn.info.backend_pid
        self.conn.prepare_threshold = None
        self.conn.add_notice_handler(self.notice)
        self.conn.add_notify_handler(lambda n: self.look(f'{n.channel} {n.payload}', 'a notification'))
        self.pending = None         # a find made in a handler
        self.judging = True         # statements that have no syntax errors of their own

    def look(self, text, where):
        if self.role != 'postgres' and SECRET.search(text):
            self.pending = f'{where} shows {self.role} what it may not see: {text[:500]}'

    def notice(self, diag):
        # DEBUG messages name what the server does with the statement's own text
        text = ' | '.join(str(part) for part in (diag.severity_nonlocalized, diag.sqlstate, diag.message_primary, diag.message_detail, diag.message_hint, diag.context) if part)
        self.look(text, 'a notice')
        if diag.severity_nonlocalized == 'WARNING' and (LEAK.search(diag.message_primary or '') or (diag.sqlstate or '').startswith('XX') and not TOLERATED.search(text)):
            self.pending = f'warning: {text}'

    def error(self, error, said):
        diag = error.diag
        state = error.sqlstate or 'none'
        self.errors[state] += 1
        text = ' | '.join(str(part) for part in (diag.message_primary, diag.message_detail, diag.message_hint, diag.context, diag.internal_query) if part) or str(error)
        self.texts[state + ' ' + re.sub(r'".*?"|\d+', '_', diag.message_primary or str(error))[:120]] += 1
        self.look(text.replace(said, '') if said else text, f'error {state}')
        if state.startswith('XX'):
            self.texts[f'{text[:300]} | {said[:200]}'] += 1
        self.judge(state, text, diag.internal_query)

    def judge(self, state, text, internal=None):
        if state.startswith('XX') and TOLERATED.search(text):
            self.errors['tolerated: ' + re.sub(r'".*?"|\d+', '_', text.split(' | ')[0])[:80]] += 1
        elif state.startswith('XX'):
            self.pending = f'internal error {state}: {text[:1500]}'
        elif state == '42601' and self.judging and re.match('syntax error at|unterminated|zero-length delimited', text):
            self.pending = f'syntax error: {text[:1500]}'
        elif re.search(r'INJECTED|SHADOWED|BREACH', re.split(r' \| ', text)[0][:40]):
            self.pending = f'{state}: {text[:1500]}'
        elif state in ('57P02', '58030'):
            self.pending = f'{state}: {text[:1500]}'

    def check(self):
        if self.pending:
            found, self.pending = self.pending, None
            raise Find(found)

    def say(self, sql, params=None, binary=False):
        """True when it went well, False for an error that may be."""
        self.history.append((sql, params, binary))
        began = time.time()
        good = True
        # no statement_timeout is in force at a commit, which runs deferred triggers and held cursors
        signal.signal(signal.SIGALRM, self.cancel)
        signal.setitimer(signal.ITIMER_REAL, 20, 5)
        try:
            encoding = self.conn.info.parameter_status('client_encoding')
            codec = {'LATIN1': 'latin-1', 'WIN1252': 'cp1252', 'EUC_JP': 'euc_jp'}.get(encoding, 'utf-8')
            cursor = self.conn.cursor(binary=binary)
            try:
                cursor.execute(sql.encode(codec, 'replace'), params)
                self.rows(cursor)
            finally:
                cursor.close()
        except (UnicodeError, psycopg.DataError) as error:
            # not from the server: values that this encoding cannot say
            if isinstance(error, psycopg.Error) and error.sqlstate:
                self.error(error, sql)
            good = False
        except psycopg.Error as error:
            self.error(error, sql)
            good = False
            self.lost()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        took = time.time() - began
        if took > 40:
            raise Find(f'took {took:.0f} s, with a statement_timeout of 15 s at most, and a cancel after 20 s')
        self.check()
        return good

    def cancel(self, *_):
        try:
            self.conn.cancel()
        except psycopg.Error:
            pass

    def rows(self, cursor):
        while True:
            result = cursor.pgresult
            if result is not None and result.ntuples:
                for row in range(min(result.ntuples, 500)):
                    for column in range(result.nfields):
                        value = result.get_value(row, column)
                        if value:
                            text = bytes(value).decode('utf-8', 'replace')
                            self.look(text, 'a result')
                            if re.match(r'XX\w\w\w |42601 ', text) and result.nfields == 1:
                                self.judge(text[:5], text[6:])
            if not cursor.nextset():
                break

    def lost(self):
        """A connection may end only because a test ended it."""
        if self.conn.pgconn.status == psycopg.pq.ConnStatus.OK:
            return
        for _ in range(50):
            with open(self.server.dir + '/log', errors='replace') as f:
                if re.search(rf'\[{self.pid}\] FATAL:  (?:57P01|57P05|25P03)', f.read()):
                    return
            time.sleep(0.02)
        raise Find(f'connection lost, of backend {self.pid}')

    def copy(self, sql):
        self.history.append((sql, 'copy', False))
        try:
            with self.conn.cursor().copy(sql) as copy:
                for block in copy:
                    self.look(bytes(block).decode('utf-8', 'replace'), 'a result')
            good = True
        except (UnicodeError, psycopg.DataError):
            good = False
        except psycopg.Error as error:
            self.error(error, sql)
            good = False
            self.lost()
        self.check()
        return good

    def fastpath(self, oid, values):
        """Call a function as libpq's PQfn does, without executor."""
        pq = sys.modules.get('psycopg.pq._pq_ctypes')
        if pq is None:
            return False        # psycopg in C

        class Arg(ctypes.Structure):
            _fields_ = [('len', ctypes.c_int), ('isint', ctypes.c_int), ('ptr', ctypes.c_char_p)]
        args = (Arg * max(len(values), 1))()
        for i, value in enumerate(values):
            args[i].len = -1 if value is None else len(value)
            args[i].isint = 0
            args[i].ptr = value
        self.history.append((f'fastpath {oid} {values}', 'fastpath', (oid, values)))
        buffer = ctypes.create_string_buffer(1 << 20)
        length = ctypes.c_int(0)
        fn = pq.pq.PQfn
        fn.restype = ctypes.c_void_p
        fn.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        result = fn(ctypes.cast(self.conn.pgconn._pgconn_ptr, ctypes.c_void_p), oid, buffer, ctypes.byref(length), 0, args, len(values))
        good = bool(result)
        if result:
            result = psycopg.pq.PGresult(ctypes.cast(result, pq.PGresult_ptr))
            good = result.status == psycopg.pq.ExecStatus.COMMAND_OK
            if not good:
                field = psycopg.pq.DiagnosticField
                state = (result.error_field(field.SQLSTATE) or b'').decode()
                text = ' | '.join((result.error_field(f) or b'').decode('utf-8', 'replace') for f in (field.MESSAGE_PRIMARY, field.MESSAGE_DETAIL, field.MESSAGE_HINT, field.CONTEXT))
                self.errors[state] += 1
                self.look(text, f'error {state}')
                self.judge(state, text)
        self.lost()
        self.check()
        return good

    def state(self):
        try:
            return dict(self.conn.execute(b'SELECT * FROM fuzz.state()').fetchall())
        except (psycopg.Error, UnicodeError):
            return None

    def close(self):
        try:
            self.conn.close()
        except psycopg.Error:
            pass


class Fuzzer:
    """A process that is one session after the other."""

    def __init__(self, number, server, options, functions, pipe):
        self.number = number
        self.server = server
        self.options = options
        self.functions = functions
        self.pipe = pipe
        self.random = random.Random(options.seed * 1000 + number)
        self.called = collections.Counter()
        self.succeeded = collections.Counter()
        self.contexts = collections.Counter()
        self.errors = collections.Counter()
        self.texts = collections.Counter()
        self.counts = collections.Counter()
        self.serial = 0
        self.session = None
        self.mine = functions[number - 1 :: options.sessions] if number else []
        self.assertions = options.assertions

    # ----- contexts: each runs one call in its way; True means that it ran and went well

    def ctx_from(self, f, values, call):
        return self.session.say(f'SELECT * FROM {call}')

    def ctx_select(self, f, values, call):
        return self.session.say(f'SELECT {call}')

    def ctx_fields(self, f, values, call):
        return self.session.say(f'SELECT ({call}).*') if 'record' in f.result or f.result.startswith('pgmq.') else self.session.say(f'VALUES ({call})')

    def ctx_parameters(self, f, values, call):
        call = f.call(self.random, values, placeholders=True)
        return self.session.say(f'SELECT * FROM {call}', [text for _, _, text in values], binary=self.random.random() < 0.5)

    def ctx_binary(self, f, values, call):
        """Numbers, arrays and texts in their binary form."""
        params = []
        for _, kind, text in values:
            try:
                if text is not None and kind in ('integer', 'bigint'):
                    text = int(text)
                elif text is not None and kind in ('integer[]', 'bigint[]') and re.fullmatch(r'\{[-\d,]+\}', text):
                    text = [int(part) for part in text[1:-1].split(',')]
                elif text is not None and kind == 'boolean':
                    text = text == 'true'
            except ValueError:
                pass
            params.append(text)
        call = f.call(self.random, values, placeholders=True).replace('%s', '%b')
        return self.session.say(f'SELECT * FROM {call}', params, binary=True)

    def ctx_prepared(self, f, values, call):
        self.serial += 1
        name = f'p{self.serial}'
        kinds = ', '.join((QUALIFIED.get(kind.rstrip('[]'), kind.rstrip('[]')) + ('[]' if kind.endswith('[]') else '')) for _, kind, _ in values)
        formal = ', '.join(f'${i + 1}' for i in range(len(values)))
        if not self.session.say(f"PREPARE {name}{'(' + kinds + ')' if kinds else ''} AS SELECT * FROM pgmq.{identifier(f.name)}({formal})"):
            return False
        good = False
        for _ in range(self.random.choice([2, 7])):
            actual = ', '.join(typed(text, kind) for _, kind, text in values)
            good = self.session.say(f"EXECUTE {name}{'(' + actual + ')' if actual else ''}") or good
            if self.random.random() < 0.1:
                self.session.say('DISCARD PLANS')
        self.session.say(f'DEALLOCATE {name}')
        return good

    def ctx_block(self, f, values, call):
        r = self.random
        level = r.choice(['', '', 'ISOLATION LEVEL REPEATABLE READ', 'ISOLATION LEVEL SERIALIZABLE', 'READ ONLY', 'ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE'])
        self.session.say(f'BEGIN {level}')
        good = self.session.say(f'SELECT * FROM {call}')
        if r.random() < 0.3:
            again = r.choice(self.functions)
            if again.kind == 'f' and again.result != 'trigger':
                self.session.say(f'SELECT * FROM {again.call(r, again.draw(self.arguments))}')
        end = r.choice(['COMMIT', 'COMMIT', 'ROLLBACK', 'PREPARE'])
        if end == 'PREPARE':
            self.serial += 1
            gid = f'g{self.number}_{self.serial}'
            if good and self.session.say(f"PREPARE TRANSACTION '{gid}'"):
                self.session.say(f"{r.choice(['COMMIT', 'ROLLBACK'])} PREPARED '{gid}'")
            else:
                self.session.say('ROLLBACK')
            return good
        return self.session.say(end) and good

    def ctx_savepoint(self, f, values, call):
        r = self.random
        self.session.say('BEGIN')
        if r.random() < 0.4:
            self.session.say(f'SELECT * FROM {call}')
        good = False
        for i in range(r.choice([1, 2, 3])):
            if not self.session.say('SAVEPOINT s'):
                break
            good = self.session.say(f'SELECT * FROM {call}')
            if not good or r.random() < 0.5:
                self.session.say('ROLLBACK TO s')
            elif r.random() < 0.5:
                self.session.say('RELEASE s')
        self.session.say(r.choice(['COMMIT', 'ROLLBACK']))
        return good

    def ctx_cursor(self, f, values, call):
        r = self.random
        hold = r.random() < 0.4
        # A held cursor is run at the commit, where PostgreSQL's assertions
        # know no subtransaction that is rolled back in a block.
        if not hold:
            self.session.say('BEGIN')
        good = self.session.say(f"DECLARE c {r.choice(['', 'SCROLL ', 'NO SCROLL ', 'BINARY '])}CURSOR {'WITH HOLD ' if hold else ''}FOR SELECT {r.choice([f'* FROM {call}', call])}")
        for _ in range(r.randrange(3)):
            good = self.session.say(r.choice(['FETCH 1 FROM c', 'FETCH 1 FROM c', 'MOVE 1 IN c', 'FETCH ALL FROM c', 'FETCH BACKWARD 1 FROM c', 'FETCH 0 FROM c'])) and good
        if r.random() < 0.3:
            self.session.say(f'SELECT * FROM {call}')
        if not hold:
            self.session.say(r.choice(['COMMIT', 'COMMIT', 'ROLLBACK']))
        if self.session.conn.info.transaction_status == TransactionStatus.IDLE:
            self.session.say('CLOSE ALL')
        return False

    def ctx_query(self, f, values, call):
        """In the odd places of a query."""
        r = self.random
        shape = r.choice([
            'WITH x AS MATERIALIZED (SELECT * FROM {0}) SELECT * FROM x LIMIT 0', 'WITH x AS (SELECT {0}) SELECT * FROM x, x y', 'SELECT * FROM pg_catalog.generate_series(1, 3) g, LATERAL {0} AS l',
            'SELECT g, {0} FROM pg_catalog.generate_series(1, 2) g', 'SELECT EXISTS (SELECT FROM {0})', 'SELECT * FROM {0} ORDER BY 1 DESC LIMIT 1', 'SELECT * FROM {0} LIMIT 0', 'SELECT * FROM {0} OFFSET 1',
            'SELECT pg_catalog.count(*) FROM {0}', 'SELECT pg_catalog.array_agg(x) FROM {0} x', 'SELECT pg_catalog.max({0}::pg_catalog.text)', 'SELECT pg_catalog.count(*) FILTER (WHERE {0} IS NULL) FROM fuzz.many WHERE i OPERATOR(pg_catalog.<) 3',
            'SELECT * FROM ROWS FROM ({0}, {0}) WITH ORDINALITY', 'SELECT CASE WHEN ({0}) IS NULL THEN 1 END', 'SELECT COALESCE(({0})::pg_catalog.text, NULL)', 'SELECT (SELECT x FROM {0} x LIMIT 1)',
            'SELECT * FROM fuzz.many WHERE i OPERATOR(pg_catalog.<) 3 AND ({0}) IS NOT NULL', 'SELECT DISTINCT x::pg_catalog.text FROM {0} x', 'SELECT * FROM {0} a LEFT JOIN {0} b ON true',
            'SELECT 1 FROM fuzz.many GROUP BY i HAVING ({0}) IS NULL LIMIT 1', 'SELECT pg_catalog.row_number() OVER (ORDER BY x::pg_catalog.text) FROM {0} x', '(SELECT * FROM {0}) UNION ALL (SELECT * FROM {0})',
            'SELECT ROW({0}, {0})', 'SELECT ARRAY(SELECT x FROM {0} x)', 'SELECT pg_catalog.to_jsonb(x) FROM {0} x', 'EXPLAIN (ANALYZE, VERBOSE, TIMING off) SELECT * FROM {0}', 'EXPLAIN (VERBOSE) SELECT {0}',
            'SELECT i FROM fuzz.many ORDER BY ({0})::pg_catalog.text LIMIT 2', 'SELECT * FROM fuzz.many TABLESAMPLE SYSTEM (({0})::pg_catalog.text::real)', 'SELECT i FROM fuzz.many LIMIT ({0})::pg_catalog.text::bigint'])
        self.session.say(shape.replace('{0}', call))
        return False

    def ctx_into(self, f, values, call):
        r = self.random
        self.serial += 1
        t = f'n{self.number}_{self.serial}'
        kind = r.randrange(6)
        if kind == 0:
            self.session.say(f'CREATE TEMP TABLE {t} AS SELECT * FROM {call}')
        elif kind == 1:
            if self.session.say(f'CREATE TEMP VIEW {t} AS SELECT * FROM {call}'):
                self.session.say(f'SELECT * FROM pg_temp.{t}')
                self.session.say(f'SELECT * FROM pg_temp.{t} LIMIT 1')
        elif kind == 2:
            if self.session.say(f'CREATE TEMP TABLE {t} (a integer, b pg_catalog.text DEFAULT ({call})::pg_catalog.text)'):
                self.session.say(f'INSERT INTO pg_temp.{t} VALUES (1), (2)')
        elif kind == 3:
            if self.session.say(f'CREATE MATERIALIZED VIEW scratch.{t} AS SELECT * FROM {call}'):
                self.session.say(f'REFRESH MATERIALIZED VIEW scratch.{t}')
                self.session.say(f'SELECT * FROM scratch.{t}')
        elif kind == 4:
            if self.session.say(f"CREATE FUNCTION scratch.{t}() RETURNS SETOF record LANGUAGE sql {r.choice(['', 'SECURITY DEFINER', 'STABLE', 'IMMUTABLE', 'SET search_path = hostile, pg_catalog'])} BEGIN ATOMIC SELECT * FROM {call}; SELECT {call}; END"):
                self.session.say(f'SELECT scratch.{t}()')
        else:
            self.session.say(f'CREATE TEMP TABLE {t} (sql pg_catalog.text)')
            self.session.say(f'INSERT INTO pg_temp.{t} VALUES ({literal("SELECT " + call)})')
            self.session.say(f'CREATE INDEX ON pg_temp.{t} (fuzz.imm(sql))')
        return False

    def ctx_helper(self, f, values, call):
        r = self.random
        inner = literal(r.choice(['SELECT * FROM ', 'SELECT ', 'SELECT * FROM ']) + call)
        how = r.choice(['run', 'caught', 'caught', 'undone', 'first', 'fixed', 'definer', 'definer', 'imm', 'par', 'proc', 'triggered', 'deferred', 'checked', 'indexed', 'guarded', 'do', 'parallel'])
        if how == 'proc':
            return self.session.say(f'CALL fuzz.proc({inner})')
        if how == 'do':
            body = f"BEGIN PERFORM {call}; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END"
            return self.session.say(f'DO LANGUAGE plpgsql {literal(body)}')
        if how == 'parallel':
            self.session.say('SELECT pg_catalog.count(fuzz.par({})) FROM fuzz.many WHERE i OPERATOR(pg_catalog.<) 4'.format(inner))
            return False
        if how in ('triggered', 'deferred', 'checked', 'indexed', 'guarded'):
            if how == 'guarded' and r.random() < 0.5:
                self.session.say('SELECT * FROM fuzz.guarded LIMIT 3')
            return self.session.say(f'INSERT INTO fuzz.{how} VALUES ({inner})')
        return self.session.say(f'SELECT fuzz.{how}({inner})') and how not in ('caught', 'undone')

    def ctx_copy(self, f, values, call):
        return self.session.copy(f"COPY (SELECT * FROM {call}) TO STDOUT{self.random.choice(['', ' (FORMAT csv)', ' (FORMAT binary)'])}")

    def ctx_pipeline(self, f, values, call):
        """Several in one message, in one implicit transaction."""
        more = self.random.choice(self.functions)
        if more.kind != 'f' or more.result == 'trigger':
            more = f
        other = f'SELECT * FROM {more.call(self.random, more.draw(self.arguments))}'
        self.session.say(f'SELECT * FROM {call}; {other}; SELECT * FROM {call}')
        return False

    def ctx_fastpath(self, f, values, call):
        encoded = []
        for _, kind, text in values:
            encoded.append(None if text is None else text.replace('\0', '').encode('utf-8', 'replace')[:50000])
        # text format is not for PQfn: what does not fit is the server's to refuse
        binary = []
        for (_, kind, text), raw in zip(values, encoded):
            try:
                if raw is not None and kind == 'integer':
                    raw = int(text).to_bytes(4, 'big', signed=True)
                elif raw is not None and kind == 'bigint':
                    raw = int(text).to_bytes(8, 'big', signed=True)
                elif raw is not None and kind == 'jsonb':
                    raw = b'\x01' + raw
                elif raw is not None and kind == 'boolean':
                    raw = b'\x01'
                elif raw is not None and kind.startswith('timestamp'):
                    raw = self.random.choice([0, 2**63 - 1, -2**63, 10**15, -2**62, 2**62]).to_bytes(8, 'big', signed=True)
                elif raw is not None and kind.endswith('[]'):
                    raw = b'\0' * 12 if self.random.random() < 0.5 else None
            except (ValueError, OverflowError):
                pass
            binary.append(raw)
        try:
            oid = self.session.conn.execute(b'SELECT fuzz.oid(%s)', (f'pgmq.{identifier(f.name)}({", ".join(f.types)})',)).fetchone()[0]
        except (psycopg.Error, UnicodeError):
            return False
        if oid and len(binary) == len(f.types):
            return self.session.fastpath(oid, binary)
        return False

    def ctx_trigger(self, f, values, call):
        """The trigger functions, on tables that are no queues."""
        r = self.random
        self.serial += 1
        t = f't{self.number}_{self.serial}'
        columns = r.choice(['a integer', 'msg_id bigint, vt timestamptz', 'msg_id bigint, vt timestamptz, message pg_catalog.jsonb', 'msg_id pg_catalog.text, vt integer', 'vt timestamptz, msg_id bigint, message pg_catalog.text', 'msg_id bigint PRIMARY KEY, read_ct integer, enqueued_at timestamptz, last_read_at timestamptz, vt timestamptz, message pg_catalog.jsonb, headers pg_catalog.jsonb'])
        if r.random() < 0.5:
            name = f'pg_temp.{t}'
            made = self.session.say(f'CREATE TEMP TABLE {t} ({columns})')
        else:
            name = f'scratch.{r.choice(["q_", ""])}{t}'
            made = self.session.say(f"CREATE TABLE {name} ({columns})")
        if not made:
            return False
        when = r.choice(['BEFORE', 'AFTER', 'AFTER', 'AFTER'])
        event = r.choice(['INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE', 'TRUNCATE', 'INSERT OR UPDATE OR DELETE'])
        each = 'STATEMENT' if event == 'TRUNCATE' or r.random() < 0.3 else 'ROW'
        args = r.choice(['', "'a'", "'a', 'b', 'own1'"])
        good = self.session.say(f"CREATE TRIGGER t {when} {event} ON {name} FOR EACH {each} EXECUTE FUNCTION pgmq.{identifier(f.name)}({args})")
        self.session.say('BEGIN')
        done = self.session.say(f'INSERT INTO {name} SELECT FROM pg_catalog.generate_series(1, 3)') if r.random() < 0.3 else self.session.say(f'INSERT INTO {name} VALUES (NULL), (NULL)')
        if done:
            self.session.say(f'UPDATE {name} SET {columns.split()[0]} = DEFAULT') and self.session.say(f'DELETE FROM {name}') and self.session.say(f'TRUNCATE {name}')
        self.session.say('COMMIT')
        if r.random() < 0.7:
            self.session.say(f'DROP TABLE {name}')
        return good and done

    def ctx_call(self, f, values, call):
        r = self.random
        how = r.randrange(6)
        if how < 3:
            return self.session.say(f'CALL {call}')
        if how == 3:
            body = f'BEGIN CALL {call}; END'
            return self.session.say(f'DO LANGUAGE plpgsql {literal(body)}')
        if how == 4:
            self.session.say('BEGIN')
            good = self.session.say(f'CALL {call}')
            self.session.say('COMMIT')
            return good
        return self.session.say(f'CALL fuzz.proc({literal("CALL " + call)})')

    CONTEXTS = {'from': 12, 'select': 6, 'fields': 2, 'parameters': 6, 'binary': 4, 'prepared': 3, 'block': 5, 'savepoint': 4, 'cursor': 3, 'query': 8, 'into': 3, 'helper': 9, 'copy': 2, 'pipeline': 2, 'fastpath': 2}

    # ----- one call

    def one(self):
        r = self.random
        # all are called once; what has not succeeded yet has some precedence
        f = r.choice(self.functions)
        if self.mine:
            f = self.mine.pop()
        elif r.random() < 0.15:
            lacking = [g for g in self.functions if not self.succeeded[g.signature]]
            f = r.choice(lacking or self.functions)
        self.arguments.sane = r.random() < 0.35
        values = f.draw(self.arguments)
        call = f.call(r, values)
        if f.result == 'trigger' and r.random() < 0.7:
            context = 'trigger'
        elif f.kind == 'p' and r.random() < 0.95:
            context = 'call'
        else:
            context = r.choices(list(self.CONTEXTS), self.CONTEXTS.values())[0]
        self.called[f.signature] += 1
        self.contexts[context] += 1
        self.counts['calls'] += 1
        if getattr(self, 'ctx_' + context)(f, values, call):
            self.succeeded[f.signature] += 1
        self.after(call)

    def after(self, call):
        """Nothing stays behind."""
        session = self.session
        if session.conn.closed:
            return
        status = session.conn.info.transaction_status
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            session.say('ROLLBACK')
            status = session.conn.info.transaction_status
        if session.conn.closed:
            return
        if status != TransactionStatus.IDLE:
            raise Find(f'transaction status {status} after {call[:300]}')
        if self.random.random() < 0.04 and self.base:
            now = session.state()
            if now and now != self.base:
                changed = {name: (self.base.get(name), now.get(name)) for name in {**self.base, **now} if self.base.get(name) != now.get(name)}
                raise Find(f'left behind by one of the last calls: {changed}')
            self.counts['states compared'] += bool(now)

    # ----- one session

    def episode(self, until):
        r = self.random
        role = r.choices(['postgres'] + ROLES, [10, 10] + [2] * (len(ROLES) - 1))[0]
        if self.session:
            self.errors.update(self.session.errors)
            self.texts.update(self.session.texts)
            self.session.close()
        self.session = Session(self.server, role)
        self.arguments = Arguments(r, role)
        self.counts['sessions'] += 1
        say = self.session.say
        # a role need not be the session's own
        if role == 'fuzz_member' and r.random() < 0.6:
            say('SET ROLE fuzz_owner')
        elif role == 'postgres' and r.random() < 0.2:
            other = r.choice(ROLES)
            say(f'SET ROLE {other}')
        calls = r.choice([3, 10, 30, 60])
        timeout = r.choice([200, 1000, 3000])
        say(f'SET statement_timeout = {timeout}')
        say('SET lock_timeout = 500')
        if r.random() < 0.15:
            say(f"LISTEN {identifier('pgmq.q_' + r.choice(OWN + GUARDED).lower() + '.INSERT')}")
        if r.random() < 0.1:
            say('CREATE TEMP TABLE pg_class (oid integer)')
            say('CREATE TEMP TABLE meta (queue_name integer)')
            say('CREATE TEMP TABLE q_own1 (a integer)')
        if r.random() < 0.75:
            for name in r.sample(list(SETTINGS), r.choice([1, 1, 2, 3, 6])):
                value = r.choice(SETTINGS[name])
                if name == 'debug_discard_caches':
                    if not self.assertions:
                        continue
                    calls = min(calls, 6)
                    say('SET statement_timeout = 15000')
                say(f"SET {name} = {value}" if name in ('search_path', 'DateStyle') else f"SET {name} = '{value}'")
        self.base = self.session.state()
        for _ in range(calls):
            if time.time() > until or self.session.conn.closed:
                break
            self.one()

    def plant(self):
        """Objects that a creator of queues may make where our tables are or will be, or attach to them."""
        r = self.random
        queue = r.choice(OWN).lower()
        d = f'pgmq.{identifier(f"d{r.randrange(3)}_{queue}")}'
        check = r.choice(['', ' CHECK (fuzz.planted())', ' DEFAULT CASE WHEN fuzz.planted() THEN now() END'])
        more = r.choice(['', ', extra boolean DEFAULT fuzz.planted()', ', extra boolean GENERATED ALWAYS AS (false) STORED'])
        fk = f'scratch.fk{r.randrange(4)}'
        # in other tables rows go by the caller's rights, and what refers to them runs by these, as docs/security.md says
        target = r.choice(['pgmq.policy (queue_name)', f'{d} (dedup_id)'])
        act = r.choice(['ON DELETE CASCADE', 'ON DELETE CASCADE ON UPDATE CASCADE', 'ON DELETE SET NULL', ''])
        what = r.choice([
            f'CREATE TABLE {d} (dedup_id pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL{check}{more})',
            f'CREATE TABLE {d} (dedup_id pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)',
            f'CREATE VIEW {d} AS SELECT fuzz.planted() AS dedup_id, 1::bigint AS msg_id, now() AS sent_at',
            f'CREATE TRIGGER planted {r.choice(["BEFORE", "AFTER"])} INSERT OR UPDATE OR DELETE ON {d} FOR EACH ROW EXECUTE FUNCTION fuzz.planted_row()',
            f'CREATE TRIGGER planted_t BEFORE TRUNCATE ON {d} FOR EACH STATEMENT EXECUTE FUNCTION fuzz.planted_row()',
            f'CREATE RULE planted AS ON INSERT TO {d} DO ALSO SELECT fuzz.planted()',
            f'CREATE INDEX ON {d} ((CASE WHEN fuzz.imm($$SELECT fuzz.planted()$$) IS NULL THEN msg_id END))',
            f'ALTER TABLE {d} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON {d} USING (fuzz.planted())',
            f'DROP TABLE IF EXISTS {fk}; CREATE TABLE {fk} (k pg_catalog.text REFERENCES {target} {act} DEFERRABLE INITIALLY DEFERRED);'
            f' CREATE CONSTRAINT TRIGGER planted AFTER INSERT OR UPDATE OR DELETE ON {fk} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fuzz.planted_row()',
            f'INSERT INTO {fk} SELECT queue_name FROM pgmq.meta', f'INSERT INTO {fk} VALUES ({name_literal(queue)})', f'DROP TABLE {fk}', f'DROP TABLE {d}'])
        self.session.say('SET ROLE fuzz_owner')
        planted = bool(self.session.say(what))
        self.counts['planted'] += planted
        if planted and what.startswith('DROP TABLE IF EXISTS'):
            # a row that refers is needed, and somebody who drops the queue
            self.session.say('RESET ROLE')
            lit = name_literal(queue)
            self.session.say(f"SELECT pgmq.set_policy({lit}, '{{\"ttl\": 100000}}')")
            self.session.say(f'INSERT INTO {fk} VALUES ({lit})')
            if r.random() < 0.7:
                self.session.say(f'SELECT pgmq.drop_queue({lit})')
                self.session.say(f'SELECT pgmq.create({lit})')
        self.session.say('RESET ROLE')
        if r.random() < 0.5:
            # tables that look like ours, before there are any of ours
            lit = name_literal(queue)
            self.session.say(f"SELECT pgmq.set_policy({lit}, '{{\"dedup_window\": null}}')")
            self.session.say('SET ROLE fuzz_owner')
            for n in r.choice([[1, 2], [1, 2], [1, 2], [2], [0, 1], [0, 1, 2]]):
                d = f'pgmq.{identifier(f"d{n}_{queue}")}'
                check = r.choice(['', ' CHECK (fuzz.planted())', ' CHECK (fuzz.planted())', ' CHECK (fuzz.planted())'])
                self.counts['planted'] += bool(self.session.say(
                    f'CREATE TABLE {d} (dedup_id pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL{check})'))
                self.session.say(f"INSERT INTO {d} VALUES ('{n}', 1, clock_timestamp())")
                if r.random() < 0.1:
                    self.session.say(f'CREATE TRIGGER planted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {d} FOR EACH STATEMENT EXECUTE FUNCTION fuzz.planted_row()')
            self.session.say('RESET ROLE')
            self.session.say(f"SELECT pgmq.set_policy({lit}, '{{\"dedup_window\": {r.choice([60, 3600])}}}')")
            self.session.say(f"SELECT pgmq.send({lit}, '1', '{{\"x-pgmq-dedup-id\": \"b\"}}'::jsonb)")
        # and somebody with rights of his own comes by
        if r.random() < 0.7:
            lit = name_literal(r.choice(OWN))
            self.session.say(r.choice([
                f"SELECT pgmq.set_policy({lit}, jsonb_build_object('dedup_window', {r.choice([0, 1, 60, 3600])}))", f"SELECT pgmq.set_policy({lit}, '{{}}')",
                f"SELECT pgmq.send({lit}, '1', '{{\"x-pgmq-dedup-id\": \"a\"}}'::jsonb)", f'SELECT pgmq.drop_queue({lit})', f'SELECT pgmq.create({lit})', 'CALL pgmq.maintain()', 'CALL pgmq.maintain()']))

    # ----- the session that does DDL

    def vandal(self, until):
        r = self.random
        if self.session:
            self.session.close()
        self.session = Session(self.server, 'postgres')
        self.arguments = Arguments(r, 'postgres')
        self.base = None
        self.session.judging = False
        say = self.session.say
        say("SET lock_timeout = '300ms'; SET statement_timeout = '5s'")
        while time.time() < until and not self.session.conn.closed:
            name = r.choice(SUPER + OWN)
            q, a = table(name), table(name, 'a')
            t = r.choice([q, q, a])
            column = r.choice(['msg_id', 'vt', 'read_ct', 'message', 'headers', 'enqueued_at', 'last_read_at'])
            lit = name_literal(name)
            role = r.choice(ROLES)
            absurd = literal(self.arguments.hostile().replace('\0', '')[:300])
            op = r.choice([
                f'DROP TABLE {t}', f'SELECT pgmq.drop_queue({lit})', f'SELECT pgmq.create({lit})', f'SELECT pgmq.create({lit})', f'SELECT pgmq.create_unlogged({lit})',
                f'ALTER TABLE {t} RENAME COLUMN {column} TO other', f'ALTER TABLE {t} RENAME COLUMN other TO {column}', f'ALTER TABLE {t} DROP COLUMN {column}', f'ALTER TABLE {t} ADD COLUMN {column} integer', f'ALTER TABLE {t} ADD COLUMN extra{r.randrange(9)} pg_catalog.text NOT NULL DEFAULT $$x$$',
                f'ALTER TABLE {t} ALTER {column} TYPE pg_catalog.text', f'ALTER TABLE {t} ALTER {column} DROP NOT NULL', f'ALTER TABLE {t} ALTER {column} SET DEFAULT NULL', f'ALTER TABLE {t} RENAME TO {identifier("x_" + str(r.randrange(5)))}', f'ALTER TABLE {t} DISABLE TRIGGER ALL', f'ALTER TABLE {t} ENABLE ALWAYS TRIGGER pgmq_announce',
                f'DROP TRIGGER pgmq_announce ON {t}', f'ALTER TABLE {t} ADD CHECK (read_ct < 5) NOT VALID', f'ALTER TABLE {t} SET UNLOGGED', f'ALTER TABLE {t} SET LOGGED', f'ALTER TABLE {t} ENABLE ROW LEVEL SECURITY', f'ALTER TABLE {t} FORCE ROW LEVEL SECURITY', f'ALTER TABLE {t} OWNER TO fuzz_owner', f'ALTER TABLE {t} OWNER TO postgres',
                f'ALTER TABLE {t} DROP CONSTRAINT {identifier(t.split(".", 1)[1].strip(chr(34)) + "_pkey")}', f'CREATE INDEX ON {t} ({column})', f'DROP TABLE {t}; CREATE VIEW {t} AS SELECT 1 AS msg_id', f'DROP TABLE {t}; CREATE TABLE {t} ()', f'DROP TABLE {t}; CREATE SEQUENCE {t}',
                f'VACUUM {t}', f'VACUUM FULL {t}', f'ANALYZE {t}', f'REINDEX TABLE {t}', f'REINDEX TABLE CONCURRENTLY {t}', f'CLUSTER {t} USING {identifier(t.split(".", 1)[1].strip(chr(34)) + "_pkey")}', f'TRUNCATE {t}', f'TRUNCATE {t} RESTART IDENTITY',
                f'GRANT SELECT ON {t} TO {role}', f'GRANT ALL ON {t} TO {role}', f'REVOKE ALL ON {t} FROM {role}', f'GRANT INSERT (message) ON {t} TO {role}',
                f"INSERT INTO {q} (msg_id, vt, message) OVERRIDING SYSTEM VALUE VALUES ({r.choice(INT8)}, {literal(r.choice(TIMES))}, '1') ON CONFLICT DO NOTHING", f'INSERT INTO {q} (message, headers, read_ct) SELECT $${r.choice(JSONS)}$$::jsonb, $${r.choice(JSONS)}$$, {r.choice(INT4)} FROM generate_series(1, {r.choice([1, 5, 200])})',
                f'UPDATE {q} SET vt = {literal(r.choice(TIMES))}, read_ct = {r.choice(INT4)}, headers = $${r.choice(JSONS)}$$ WHERE random() < 0.3', f'UPDATE {q} SET enqueued_at = {literal(r.choice(TIMES))} WHERE random() < 0.3',
                f'DELETE FROM {t}', f"SELECT setval(pg_get_serial_sequence({name_literal(q)}, 'msg_id'), {r.choice([1, 2**63 - 1, 2**31, 2**63 - 3])})",
                f'INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged, created_at) VALUES ({absurd}, {r.choice(["true", "false"])}, {r.choice(["true", "false"])}, {literal(r.choice(TIMES))})', f'INSERT INTO pgmq.meta VALUES ({lit}, true, true)', f'DELETE FROM pgmq.meta WHERE queue_name = {lit}',
                f'UPDATE pgmq.meta SET is_partitioned = NOT is_partitioned WHERE queue_name = {lit}', f'UPDATE pgmq.meta SET queue_name = upper(queue_name) WHERE queue_name = {lit}',
                f'INSERT INTO pgmq.policy VALUES ({lit}, {literal(self.arguments.json("policy"))}) ON CONFLICT (queue_name) DO UPDATE SET policy = EXCLUDED.policy', f'INSERT INTO pgmq.policy VALUES ({absurd}, {literal(self.arguments.json(""))}, {literal(r.choice(TIMES))}) ON CONFLICT DO NOTHING',
                f'UPDATE pgmq.policy SET policy = {literal(self.arguments.json("message"))} WHERE queue_name = {lit}', f'SELECT pgmq.set_policy({lit}, {literal(self.arguments.json("policy"))})', f'SELECT pgmq.set_policy({lit}, {literal(self.arguments.json("policy"))})', f'DELETE FROM pgmq.policy WHERE queue_name = {lit}',
                f'UPDATE pgmq.policy SET paused_until = {literal(r.choice(TIMES))} WHERE queue_name = {lit}', f'INSERT INTO pgmq.topic_bindings (pattern, queue_name) VALUES ({literal(r.choice(TOPICS))}, {lit})', 'DELETE FROM pgmq.topic_bindings WHERE random() < 0.5',
                f'INSERT INTO pgmq.notify_insert_throttle VALUES ({lit}, {r.choice(INT4)}, {literal(r.choice(TIMES))}) ON CONFLICT (queue_name) DO UPDATE SET throttle_interval_ms = EXCLUDED.throttle_interval_ms', f'SELECT pgmq.enable_notify_insert({lit}, {r.choice([0, 1, 1000])})',
                f'ALTER TABLE pgmq.q_suparts DETACH PARTITION pgmq.parts_1', f'ALTER TABLE pgmq.q_suparts ATTACH PARTITION pgmq.parts_1 FOR VALUES FROM (MINVALUE) TO (30)', 'DISCARD ALL', "SET statement_timeout = '5s'", "SET lock_timeout = '300ms'",
                'CHECKPOINT', 'ANALYZE', 'VACUUM pg_class', f'ALTER TYPE pgmq.message_record {r.choice(["ADD ATTRIBUTE extra integer", "DROP ATTRIBUTE IF EXISTS extra CASCADE", "DROP ATTRIBUTE IF EXISTS extra CASCADE"])}', f'CREATE OR REPLACE FUNCTION scratch.f{r.randrange(3)}() RETURNS integer LANGUAGE sql RETURN 1',
                f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = 'fuzz' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fuzz' AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < 0.3 LIMIT 1",
                f'SELECT pgmq.create_fifo_index({lit})', f'SELECT pgmq.purge_queue({lit})'])
            if r.random() < 0.1:
                if r.random() < 0.5:
                    self.plant()
                    continue
                own = r.choice(OWN)
                say('SET ROLE fuzz_owner')
                for _ in range(4):
                    ids = table(own, f'd{r.randrange(3)}')
                    if say(r.choice(PLANTS).replace('%s', ids)):
                        self.counts['planted'] += 1
                    window = r.choice(['null', '1', '700', '2000'])
                    say(r.choice([f"SELECT pgmq.set_policy({name_literal(own)}, '{{\"dedup_window\": {window}}}')",
                                  f"SELECT pgmq.send({name_literal(own)}, '1', '{{\"x-pgmq-dedup-id\": \"{r.randrange(3)}\"}}'::pg_catalog.jsonb)"]))
                say('RESET ROLE')
                if r.random() < 0.3:
                    say(f'GRANT ALL ON {ids} TO fuzz_owner')
            if r.random() < 0.01:
                self.counts['extension dropped'] += 1
                self.dropped = True
                say('BEGIN; DROP EXTENSION pgmq_c CASCADE; CREATE EXTENSION pgmq_c; COMMIT')
            elif op.startswith(('VACUUM', 'REINDEX TABLE CONC', 'DISCARD', 'CHECKPOINT', 'SET ')) or r.random() < 0.7:
                say(op)
            else:
                say('BEGIN')
                if say(op) and r.random() < 0.7:
                    time.sleep(r.random() * 0.05)
                say(r.choice(['COMMIT', 'ROLLBACK']))
            if not self.session.conn.closed and self.session.conn.info.transaction_status != TransactionStatus.IDLE:
                say('ROLLBACK')
            self.counts['ddl'] += 1
            time.sleep(r.random() * 0.08)

    # ----- what the director asks for

    def main(self):
        while True:
            command = self.pipe.recv()
            if command is None:
                return
            self.dropped = False
            found = None
            while time.time() < command and not found:
                try:
                    if self.number == 0:
                        self.vandal(command)
                    else:
                        self.episode(command)
                except Find as find:
                    found = str(find)
                except psycopg.Error as error:
                    # the harness's own statements may lose it as well
                    try:
                        if self.session is None or not self.session.conn.closed:
                            found = traceback.format_exc()
                        else:
                            self.session.lost()
                    except Find as find:
                        found = str(find)
                except Exception:
                    found = 'the harness: ' + traceback.format_exc()
            history = []
            if self.session:
                self.errors.update(self.session.errors)
                self.texts.update(self.session.texts)
                self.session.errors.clear()
                self.session.texts.clear()
                if found:
                    history = [(self.session.role, item) for item in self.session.history]
                else:
                    self.session.close()
                    self.session = None
            self.pipe.send((found, history, self.dropped, dict(self.called), dict(self.succeeded), dict(self.errors), dict(self.counts), dict(self.contexts), dict(self.texts) if self.options.errors else {}))


# ---------------------------------------------------------------------------
# The director
# ---------------------------------------------------------------------------

def shown(item):
    sql, params, _ = item
    text = sql if isinstance(params, str) or params is None else f'{sql} -- {params}'
    return text if len(text) < 1500 else text[:1400] + f'.. ({len(text)} characters)'


def replay(server, role, items):
    """Do it again; what is found then, or None."""
    session = Session(server, role)
    try:
        for sql, params, binary in items:
            if session.conn.closed:
                return 'connection lost'
            if params == 'copy':
                session.copy(sql)
            elif params == 'fastpath':
                session.fastpath(*binary)
            else:
                session.say(sql, params, binary)
        complaints = server.log_complaints()
        return complaints[0] if complaints else None
    except Find as find:
        return str(find)
    except psycopg.Error as error:
        return str(error)
    finally:
        session.close()


def minimize(server, history):
    """The shortest tail, with the settings before it, that is a find again."""
    role = history[0][0]
    items = [item for _, item in history]
    settings = [item for item in items[:25] if re.match(r'SET |LISTEN', item[0])]
    end = time.time() + 60
    for length in (1, 2, 3, 5, 10, 30, len(items)):
        if time.time() > end:
            break
        if length > len(items):
            length = len(items)
        for prelude in ([], settings):
            try:
                with server.connect(tries=300) as conn:
                    conn.execute('SELECT 1')
                os.truncate(server.dir + '/log', 0)
                found = replay(server, role, prelude + items[-length:])
            except (psycopg.Error, Find) as error:
                found = str(error)
            if found:
                return prelude + items[-length:], found
    return None, None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=int, default=40)
    parser.add_argument('--seed', type=int, default=random.randrange(1, 1000000))
    parser.add_argument('--sessions', type=int, default=4)
    parser.add_argument('--preload', type=int, default=1)
    parser.add_argument('--strict', action='store_true')
    parser.add_argument('--errors', action='store_true')
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    print(f'# seed {options.seed}', flush=True)
    logging.disable()           # of psycopg about odd time zones
    multiprocessing.set_start_method('fork')

    server = FuzzServer(options)
    failed = None
    history = []
    workers = []
    totals = [collections.Counter() for _ in range(6)]
    functions = []
    epochs = 0
    counts_of_mine = collections.Counter()
    last = {}
    try:
        set_up(server)
        with server.connect() as conn:
            functions = [Function(row) for row in conn.execute(FUNCTIONS).fetchall()]
            options.assertions = conn.execute('SHOW debug_assertions').fetchone()[0] == 'on'
            options.major = conn.info.server_version // 10000
        rng = random.Random(options.seed)
        for number in range(options.sessions + 1):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=lambda n=number, p=theirs: Fuzzer(n, server, options, functions, p).main(), daemon=True)
            process.start()
            workers.append((process, ours))
        end = time.time() + options.seconds
        while time.time() < end and not failed:
            with server.connect(tries=20) as conn:
                conn.execute("SET statement_timeout = '60s'")
                began = time.time()
                repair(conn)
                counts_of_mine['seconds of repairs'] += time.time() - began
                before = digest(conn, True)
            until = min(end, time.time() + rng.choice([4, 10, 20]))
            for _, pipe in workers:
                pipe.send(until)
            dropped = False
            finds = []
            for number, (process, pipe) in enumerate(workers):
                if not pipe.poll(max(until - time.time(), 0) + 120):
                    with server.connect() as conn:
                        rows = conn.execute("SELECT pid, usename, wait_event_type, wait_event, now() - query_start, left(query, 500) FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchall()
                    failed = f'session {number} hangs: {rows}'
                    break
                found, past, gone, *last[number] = pipe.recv()
                dropped = dropped or gone
                # who caused it is rather the one that lost its call than those lost with it
                if found:
                    found = f'session {number}: {found}'
                    finds.append((found, past))
            epochs += 1
            # of many who lost their connection it is one whose process died
            complaints = server.log_complaints(forget=not failed and not finds)
            dead = re.search(r'server process \(PID (\d+)\) (?:was|exited)', '\n'.join(complaints))
            finds.sort(key=lambda find: (not (dead and f'backend {dead.group(1)}' in find[0]), 'connection lost' in find[0]))
            if finds and not failed:
                failed, history = finds[0]
            if complaints:
                failed = (failed or '') + '\nin the log: ' + '\n'.join(complaints[:3])
            if not failed:
                with server.connect(tries=20) as conn:
                    for name, value in digest(conn, not dropped).items():
                        if before[name] != value:
                            failed = (failed or '') + f'{name} changed: {before[name]} became {value}\n'
    except Find as find:
        failed = str(find)
    except KeyboardInterrupt:
        failed = 'interrupted'
    except Exception:
        failed = traceback.format_exc()

    for number in last:
        for total, part in zip(totals, last[number]):
            total.update(part)
    called, succeeded, errors, counts, contexts, texts = totals
    if failed:
        print('# found:', failed[:3000].replace('\n', '\n#  '))
        for role, item in history[-25:]:
            print(f'# {role}: {shown(item)}')
        print('# server log:')
        try:
            with open(server.dir + '/log', errors='replace') as f:
                for line in f.read().split('\n')[-25:]:
                    print('#', line[:400])
        except OSError:
            pass
    for process, pipe in workers:
        process.kill()
    if failed and history:
        try:
            items, found = minimize(server, history)
            print('# to do it again:' if items else '# could not do it again alone')
            for item in items or []:
                print(f'#   {shown(item)};')
            if found:
                print('#   =>', found[:1000].replace('\n', '\n#      '))
        except Exception as error:
            print('# while doing it again:', error)
    server.remove()
    names = [f.signature for f in functions]
    never = [name for name in names if not called[name]]
    unsuccessful = [name for name in names if not succeeded[name]]
    for text, count in sorted(texts.items()):
        print(f'# {count} times: {text}')
    print('# errors by SQLSTATE:', ', '.join(f'{state} {count}' for state, count in sorted(errors.items())))
    print('# contexts:', ', '.join(f'{name} {count}' for name, count in sorted(contexts.items())))
    print('# never called:', '; '.join(never) or 'none')
    print('# never succeeded:', '; '.join(unsuccessful) or 'none')
    print(f"# {counts['calls']} calls by {counts['sessions']} sessions in {epochs} epochs, {counts['ddl']} DDL, {counts['planted']} planted, extension dropped {counts['extension dropped']} times, {counts['states compared']} states compared, {counts_of_mine['seconds of repairs']:.0f} s of repairs; "
          f"functions called {len(names) - len(never)} of {len(names)}, succeeded {len(names) - len(unsuccessful)}; {sum(errors.values())} errors")
    if not failed and never and options.seconds >= 20:
        failed = f'never called: {"; ".join(never)}'
    if not failed and options.strict and unsuccessful:
        failed = f'never succeeded: {"; ".join(unsuccessful)}'
    print(f"{'not ' if failed else ''}ok fuzz seed {options.seed} preload {options.preload}" + (f': {failed[:3000]}'.replace('\n', '\n#  ') if failed else ''), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
