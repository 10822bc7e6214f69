-- rights_strangers: what everybody may do, and what a role that has no right to a queue can do
-- to it
\set VERBOSITY terse

-- After CREATE EXTENSION everybody may call the functions and use the types,
-- but not the schema, and so neither; and no table.  Monitoring sees the
-- tables that say which queues there are.
SELECT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END AS who, o.kind, g.privilege_type,
	CASE WHEN o.kind <> 'function' AND o.kind <> 'type' THEN string_agg(o.name, ', ' ORDER BY o.name COLLATE "C") END AS names
FROM (
	SELECT 'schema' AS kind, nspname::text, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = 'pgmq'
	UNION ALL
	SELECT 'function', proname, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'type', typname, coalesce(typacl, acldefault('T', typowner)) FROM pg_type t
	WHERE typnamespace = 'pgmq'::regnamespace AND typtype = 'c'
	UNION ALL
	SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, relname, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 'S' ELSE 'r' END::"char", relowner))
	FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relkind IN ('r', 'S', 'v', 'm', 'p', 'f')
	AND relname !~ '^[qad][0-9]?_'	-- what other tests left
	UNION ALL
	SELECT 'column', attrelid::regclass || '.' || attname, attacl
	FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = 'pgmq'::regnamespace AND attacl IS NOT NULL AND relname !~ '^[qad][0-9]?_'
) AS o (kind, name, acl) CROSS JOIN aclexplode(o.acl) g
WHERE g.grantee = 0 OR g.grantee::regrole::text LIKE 'pg\_%'
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- No function runs by its owner's rights.  (docs/security-roles.md tells what
-- C does by the rights of others, and rights_escalation tests it.)
SELECT proname FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace AND prosecdef;
-- Functions that are not C resolve their names when they are created, not when
-- they run.
SELECT proname, lanname FROM pg_proc p JOIN pg_language l ON l.oid = prolang
WHERE pronamespace = 'pgmq'::regnamespace AND lanname <> 'c' AND prosqlbody IS NULL AND proconfig IS NULL;
-- The one trigger on the extension's tables is our own, which keeps others' from running by other rights.
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text ~ '^pgmq\.(meta|policy|topic_bindings|notify_insert_throttle)$';

-- A queue with all that a queue can have, and two who have no right to it: a
-- stranger with USAGE on the schema, and a clerk who keeps the extension's own
-- tables besides.
SELECT pgmq.create('secret');
SELECT pgmq.create('secret_dead');
SELECT count(*) FROM pgmq.send_batch('secret', '{1,2,3}'::jsonb[], '{"{\"x-pgmq-group\": \"a\"}",null,null}'::jsonb[]);
SELECT pgmq.archive('secret', 3);
SELECT pgmq.set_policy('secret', '{"max_reads": 9, "dead_letter_queue": "secret_dead", "dedup_window": 60, "strict_fifo": true}');
SELECT pgmq.bind_topic('secret.*', 'secret');
SELECT pgmq.enable_notify_insert('secret');
CREATE ROLE regress_pgmq_stranger;
CREATE ROLE regress_pgmq_clerk;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_stranger, regress_pgmq_clerk;
GRANT SELECT ON pgmq.meta, pgmq.policy TO regress_pgmq_clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.topic_bindings, pgmq.notify_insert_throttle TO regress_pgmq_clerk;

-- Calls of every function, with arguments made up by name and type: about this
-- queue, and with as little to do as possible.
CREATE FUNCTION pg_temp.argument(name text, type text, idle boolean) RETURNS text LANGUAGE sql AS $$
	SELECT format('%L::%s', CASE
		WHEN name IN ('queue_name', 'subscription_name', 'to_queue', 'table_name') THEN 'secret'
		WHEN name = 'start' AND type = 'text' THEN 'earliest'
		WHEN name = 'queue_names' THEN '{secret}'
		WHEN name = 'routing_key' OR name = 'pattern' THEN 'secret.x'
		WHEN name = 'role' THEN 'regress_pgmq_stranger'
		WHEN name = 'privileges' THEN '{send}'
		WHEN name = 'state' THEN 'all'
		WHEN name = 'prefix' THEN 'q'
		WHEN name = 'headers_or_delay' THEN '5'
		WHEN name = 'policy' THEN CASE WHEN idle THEN '{}' ELSE '{"ttl": 5}' END
		WHEN name = 'msg_id_or_ids' OR name = 'read_ct_or_cts' THEN CASE WHEN idle THEN '{}' ELSE '1' END
		WHEN name IN ('delay', 'vt') AND type IN ('text', 'character varying', 'interval') THEN '5'
		WHEN name = 'extension_name' THEN 'plpgsql'
		WHEN name LIKE '%interval' THEN '10'
		WHEN name = 'qty' AND idle THEN '0'
		WHEN name = 'max_poll_seconds' THEN '0'
		WHEN name = 'msg_id' AND idle THEN NULL
		WHEN type = 'jsonb[]' THEN CASE WHEN idle THEN '{}' ELSE '{"{\"a\": 1}"}' END
		WHEN type = 'oid' THEN CASE WHEN idle THEN '0' ELSE '1259' END
		WHEN type = 'bigint[]' OR type = 'integer[]' THEN CASE WHEN idle THEN '{}' ELSE '{1}' END
		WHEN type = 'jsonb' THEN '{}'
		WHEN type IN ('integer', 'bigint') THEN '1'
		WHEN type = 'boolean' THEN 'false'
		WHEN type LIKE 'timestamp%' THEN 'infinity'
		ELSE 'x' END, type)
$$;
CREATE FUNCTION pg_temp.call(function oid, idle boolean) RETURNS text LANGUAGE sql AS $$
	SELECT CASE prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT * FROM ' END || format('pgmq.%I(%s)', proname,
		(SELECT string_agg(CASE WHEN n = pronargs AND provariadic <> 0 THEN 'VARIADIC ' ELSE '' END
				|| pg_temp.argument(proargnames[n], format_type(t, NULL), idle), ', ' ORDER BY n)
		 FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n)))
	FROM pg_proc WHERE oid = function
$$;
-- Its outcome, with the locks that it leaves on the queue, and whether the
-- queue is another now.  As another role, so nothing here may need rights.
CREATE TABLE pg_temp.outcomes (role text, state text, idle boolean, function regprocedure, answer text);
CREATE FUNCTION pg_temp.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	locks text;
BEGIN
	EXECUTE call;
	SELECT string_agg(DISTINCT format('%s on %s', mode, relname), ', ') INTO locks
	FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
	WHERE pid = pg_backend_pid() AND relname ~ '^[qad][0-9]?_secret';
	RAISE SQLSTATE 'ZZZZZ';
EXCEPTION
	WHEN SQLSTATE 'ZZZZZ' THEN RETURN coalesce('HOLDS ' || locks, 'returns');
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
CREATE FUNCTION pg_temp.attempt_all(role text, state text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	f record;
	answer text;
BEGIN
	FOR f IN
		SELECT p.oid, idle, pg_temp.call(p.oid, idle) AS call FROM pg_proc p, unnest('{f,t}'::boolean[]) AS idle
		WHERE pronamespace = 'pgmq'::regnamespace AND prorettype <> 'trigger'::regtype
	LOOP
		EXECUTE format('SET LOCAL ROLE %I', role);
		answer := pg_temp.attempt(f.call);
		RESET ROLE;
		INSERT INTO pg_temp.outcomes VALUES (role, state, f.idle, f.oid, answer);
	END LOOP;
END
$$;
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
CREATE VIEW pg_temp.picture AS
SELECT 'message' AS what, q::text AS is FROM pgmq.q_secret q UNION ALL SELECT 'archived', a::text FROM pgmq.a_secret a
UNION ALL SELECT 'dead', q::text FROM pgmq.q_secret_dead q UNION ALL SELECT 'meta', m::text FROM pgmq.meta m WHERE m.queue_name LIKE 'secret%'
UNION ALL SELECT 'policy', p::text FROM pgmq.policy p WHERE p.queue_name LIKE 'secret%'
UNION ALL SELECT 'status', (s.due_map, s.pieces, s.next_due, s.waiting)::text FROM pgmq.engine_status() s WHERE s.queue_name LIKE 'secret%'
UNION ALL SELECT 'relation', (relname, relowner, relacl, relfilenode)::text FROM pg_class WHERE relname ~ 'secret'
UNION ALL SELECT 'column', (attrelid, attname, attacl)::text FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relname ~ 'secret')
UNION ALL SELECT 'trigger', t::text FROM pg_trigger t WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relname ~ 'secret');
SET client_min_messages = error;

-- The queue as it is, paused, with nothing to read, and empty.
SELECT count(*) FROM pgmq.read('secret', 0, 9);
CREATE TABLE pg_temp.before AS SELECT * FROM pg_temp.picture;
SELECT pg_temp.attempt_all(r, 'in use') FROM unnest('{regress_pgmq_stranger,regress_pgmq_clerk}'::text[]) r;
TABLE pg_temp.before EXCEPT TABLE pg_temp.picture;
TABLE pg_temp.picture EXCEPT TABLE pg_temp.before;
SELECT pgmq.pause('secret', 'infinity');
SELECT pg_temp.attempt_all(r, 'paused') FROM unnest('{regress_pgmq_stranger,regress_pgmq_clerk}'::text[]) r;
SELECT pgmq.resume('secret');
SELECT count(*) FROM pgmq.read('secret', 1000, 9);
SELECT pg_temp.attempt_all(r, 'in flight') FROM unnest('{regress_pgmq_stranger,regress_pgmq_clerk}'::text[]) r;
SELECT pgmq.purge_queue('secret');
SELECT count(*) FROM pgmq.read('secret', 1000, 9);
SELECT pg_temp.attempt_all(r, 'empty') FROM unnest('{regress_pgmq_stranger,regress_pgmq_clerk}'::text[]) r;
RESET client_min_messages;

-- No call keeps a lock on the queue, and only these return anything.
SELECT role, function, state, idle, answer FROM pg_temp.outcomes WHERE answer LIKE 'HOLDS%' ORDER BY 1, 2, 3, 4;
SELECT role, function, answer, count(*) = 8 AS always FROM pg_temp.outcomes
WHERE answer = 'returns' GROUP BY 1, 2, 3 ORDER BY 1, function::text COLLATE "C";
-- The others say 42501, or that they were called wrongly.
SELECT answer, count(*) > 100 AS many FROM pg_temp.outcomes WHERE answer <> 'returns' GROUP BY 1 ORDER BY 1;
SELECT function, answer, string_agg(DISTINCT CASE WHEN idle THEN 'idle' ELSE 'not idle' END, ', ') FROM pg_temp.outcomes
WHERE answer NOT IN ('42501', 'returns') GROUP BY 1, 2 ORDER BY function::text COLLATE "C";

-- Names: the existence of a queue is no secret, since the catalogs show it.
SET ROLE regress_pgmq_stranger;
SELECT pgmq.read('secret', 1, 1);
SELECT pgmq.read('secret_not', 1, 1);
SELECT relname FROM pg_class WHERE relname = 'q_secret';
SELECT count(*) FROM pgmq.meta;
-- A clerk learns names and policies, but not how queues stand.
SET ROLE regress_pgmq_clerk;
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name LIKE 'secret%' ORDER BY 1;
SELECT queue_name FROM pgmq.engine_status() WHERE queue_name LIKE 'secret%';
SET client_min_messages = error;	-- other tests' queues
SELECT queue_name FROM pgmq.metrics_all() WHERE queue_name LIKE 'secret%';
RESET client_min_messages;
RESET ROLE;
SELECT queue_name FROM pgmq.engine_status() WHERE queue_name LIKE 'secret%' ORDER BY 1;

-- Nor do they keep others from a name: no lock on it that lasts, nor one that
-- can be had through the server's own functions.
SET ROLE regress_pgmq_stranger;
BEGIN;
SELECT pgmq.drop_queue('secret_new');
SAVEPOINT before;
SELECT pgmq.acquire_queue_lock('secret_new');
ROLLBACK TO before;
SELECT pgmq.acquire_queue_lock('secret');
ROLLBACK TO before;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;
RESET ROLE;
BEGIN;
SELECT pgmq.acquire_queue_lock('secret');
SELECT classid, objsubid > 2 AS apart FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
ROLLBACK;

-- Dead letters that name a queue, and a policy that does, lock only the
-- caller's own queue, not one that the caller has no right to.
INSERT INTO pgmq.q_secret_dead (message, headers) VALUES ('1', '{"x-pgmq-dead-letter": {"queue": "secret"}}');
SELECT pgmq.set_policy('secret', '{"max_reads": null, "dead_letter_queue": null}');
ALTER TABLE pgmq.q_secret_dead OWNER TO regress_pgmq_stranger;
SET ROLE regress_pgmq_stranger;
SELECT pg_temp.attempt($$SELECT pgmq.redrive('secret_dead', 9)$$);
SELECT pg_temp.attempt($$SELECT pgmq.set_policy('secret_dead', '{"dead_letter_queue": "secret", "max_reads": 1}')$$);
RESET ROLE;
ALTER TABLE pgmq.q_secret_dead OWNER TO CURRENT_USER;

-- Nor does a role that makes and drops queues of its own take those of others
-- out of meta, with which their topics would go.
GRANT SELECT, DELETE ON pgmq.meta TO regress_pgmq_stranger;
INSERT INTO pgmq.meta VALUES ('secret_nothing', false, false);
SET ROLE regress_pgmq_stranger;
DELETE FROM pgmq.meta WHERE queue_name = 'secret';
DELETE FROM pgmq.meta WHERE queue_name = 'secret_nothing';
RESET ROLE;
REVOKE SELECT, DELETE ON pgmq.meta FROM regress_pgmq_stranger;
SELECT pattern FROM pgmq.list_topic_bindings('secret');

-- Our trigger on a table that is no queue makes no map in shared memory.
CREATE SCHEMA regress_pgmq AUTHORIZATION regress_pgmq_stranger;
SET ROLE regress_pgmq_stranger;
CREATE TABLE regress_pgmq.q_secret_own (msg_id bigint, vt timestamptz);
CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON regress_pgmq.q_secret_own FOR EACH ROW EXECUTE FUNCTION pgmq._announce();
ALTER TABLE regress_pgmq.q_secret_own ENABLE ALWAYS TRIGGER pgmq_announce;
INSERT INTO regress_pgmq.q_secret_own SELECT n * 1000000, now() FROM generate_series(1, 100) n;
-- Nor does the guard of pgmq.meta on others' tables lock what it guards.
CREATE TABLE regress_pgmq.guarded ();
CREATE TRIGGER pgmq_guard BEFORE DELETE ON regress_pgmq.guarded EXECUTE FUNCTION pgmq._guard_meta();
DELETE FROM regress_pgmq.guarded;
DROP TABLE regress_pgmq.guarded;
RESET ROLE;
ALTER TABLE regress_pgmq.q_secret_own SET SCHEMA pgmq;
INSERT INTO pgmq.meta VALUES ('secret_own', false, false);
SELECT due_map IN ('none', 'no shared memory') AS no_map FROM pgmq.engine_status() WHERE queue_name = 'secret_own';
INSERT INTO pgmq.q_secret_own VALUES (1, now());
SELECT due_map IN ('none') AS no_map FROM pgmq.engine_status() WHERE queue_name = 'secret_own';
DELETE FROM pgmq.meta WHERE queue_name = 'secret_own';
DROP TABLE pgmq.q_secret_own;
DROP SCHEMA regress_pgmq;

-- Monitoring: everything about the queues, nothing of what is in them.
CREATE ROLE regress_pgmq_monitor;
GRANT pg_monitor TO regress_pgmq_monitor;
SELECT pgmq.send('secret', '"body"', '{"x-pgmq-dedup-id": "token"}'::jsonb), pgmq.archive('secret', 4), pgmq.send('secret', '"body"', '{"a": "header"}'::jsonb);
ANALYZE pgmq.q_secret, pgmq.a_secret, pgmq.d0_secret, pgmq.d1_secret, pgmq.d2_secret;
SET ROLE regress_pgmq_monitor;
SELECT queue_length, total_messages > 3 AS total FROM pgmq.metrics('secret');
SET client_min_messages = error;
SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name = 'secret';
RESET client_min_messages;
SELECT queue_name, due_map IS NOT NULL AS state FROM pgmq.engine_status() WHERE queue_name = 'secret';
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name = 'secret';
SELECT pgmq.get_policy('secret') ->> 'max_reads' AS policy;
SELECT pattern FROM pgmq.list_topic_bindings('secret');
SELECT queue_name FROM pgmq.list_notify_insert_throttles() WHERE queue_name = 'secret';
SELECT has_table_privilege(c.oid, 'SELECT') AS "table", string_agg(attname, ', ' ORDER BY attnum) FILTER (WHERE has_column_privilege(c.oid, attnum, 'SELECT')) AS columns,
	relname FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 WHERE relname ~ '^[qad][0-9]?_secret$' GROUP BY 1, 3 ORDER BY 3;
SELECT tablename, attname FROM pg_stats WHERE schemaname = 'pgmq' AND tablename ~ 'secret' AND attname IN ('message', 'headers', 'dedup_id');
SELECT pgmq.peek('secret', 'all', 9);
SELECT pgmq.peek_archive('secret', 9);
SELECT pgmq.read('secret', 30, 1);
SELECT * FROM pgmq.d0_secret;
SELECT headers FROM pgmq.q_secret;
SELECT q FROM pgmq.q_secret q;
SELECT count(*) FROM pgmq.q_secret WHERE message = '"body"';
COPY (SELECT message FROM pgmq.a_secret) TO STDOUT;
RESET ROLE;

SET client_min_messages = warning;
DROP VIEW pg_temp.picture;
DO $$ BEGIN EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
SELECT pgmq.drop_queue(q) FROM unnest('{secret,secret_dead}'::text[]) q;
DROP OWNED BY regress_pgmq_stranger, regress_pgmq_clerk, regress_pgmq_monitor;
DROP ROLE regress_pgmq_stranger, regress_pgmq_clerk, regress_pgmq_monitor;
