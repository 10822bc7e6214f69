-- Privileges and row-level security are those of the caller, at every call,
-- also with plans that were kept for another role.
SELECT pgmq.create('rls');
CREATE ROLE regress_pgmq_a;
CREATE ROLE regress_pgmq_b;
CREATE ROLE regress_pgmq_none;
SELECT count(*) FROM pgmq.send_batch('rls', (SELECT array_agg(jsonb_build_object('n', n) ORDER BY n) FROM generate_series(1, 20) n),
	(SELECT array_agg(jsonb_build_object('tenant', CASE n % 2 WHEN 1 THEN 'regress_pgmq_a' ELSE 'regress_pgmq_b' END) ORDER BY n)
	 FROM generate_series(1, 20) n));
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT string_agg(r::text, '' '') FROM ' || call || ' r' INTO result;
	RAISE SQLSTATE 'ZZZZZ';
EXCEPTION
	WHEN SQLSTATE 'ZZZZZ' THEN RETURN coalesce(result, 'nothing');
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
CREATE TEMP TABLE verbs (n serial, call text);
GRANT SELECT ON verbs TO PUBLIC;
INSERT INTO verbs (call) VALUES
	($$pgmq.send('rls', '{}')$$),
	($$pgmq.send_batch('rls', '{1,2}'::jsonb[])$$),
	($$(SELECT msg_id FROM pgmq.read('rls', 30, 3))$$),
	($$(SELECT msg_id FROM pgmq.read('rls', 30, 3, '{"n": 2}'))$$),
	($$(SELECT msg_id FROM pgmq.read_with_poll('rls', 30, 3, 0))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped('rls', 30, 3))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped_rr('rls', 30, 3))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped_head('rls', 30, 3))$$),
	($$(SELECT msg_id FROM pgmq.pop('rls', 3))$$),
	($$pgmq.delete('rls', 1)$$),
	($$pgmq.delete('rls', 2)$$),
	($$pgmq.delete('rls', ARRAY[1,2,3])$$),
	($$pgmq.delete('rls', 1, 0)$$),
	($$pgmq.archive('rls', 1)$$),
	($$pgmq.archive('rls', 2)$$),
	($$pgmq.archive('rls', ARRAY[1,2,3])$$),
	($$pgmq.archive('rls', ARRAY[1,2,3], ARRAY[0,0,0])$$),
	($$(SELECT msg_id FROM pgmq.set_vt('rls', ARRAY[1,2,3], 0))$$),
	($$(SELECT msg_id FROM pgmq.set_vt('rls', 2, 0, 0))$$);

-- The owner keeps a plan of everything.
SELECT regexp_replace(call, '^.*(pgmq\.\w+).*$', '\1') AS verb, pg_temp.outcome(call) AS owner FROM verbs ORDER BY n;

-- No privilege: 42501, first for the schema, then for the table.
SET ROLE regress_pgmq_none;
SELECT DISTINCT pg_temp.outcome(call) FROM verbs;
RESET ROLE;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_a, regress_pgmq_b, regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT DISTINCT pg_temp.outcome(call) FROM verbs;
\set VERBOSITY terse
SELECT pgmq.send('rls', '{}');
SELECT * FROM pgmq.read('rls', 30, 1);
\set VERBOSITY default
RESET ROLE;
-- One privilege after the other: each verb asks for what its statement needs.
GRANT SELECT ON pgmq.q_rls TO regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT string_agg(DISTINCT split_part(call, '(', CASE WHEN call LIKE '(%' THEN 2 ELSE 1 END), ', ') FROM verbs WHERE pg_temp.outcome(call) <> '42501';
RESET ROLE;
GRANT INSERT ON pgmq.q_rls TO regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.send('rls', '{}')$$) <> '42501' AS sends, pg_temp.outcome($$pgmq.read('rls', 1, 1)$$) AS reads,
	   pg_temp.outcome($$pgmq.delete('rls', 1)$$) AS deletes;
RESET ROLE;
GRANT UPDATE ON pgmq.q_rls TO regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.read('rls', 1, 1)$$) <> '42501' AS reads, pg_temp.outcome($$pgmq.delete('rls', 1)$$) AS deletes;
RESET ROLE;
GRANT DELETE ON pgmq.q_rls TO regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.delete('rls', 1)$$) AS deletes, pg_temp.outcome($$pgmq.archive('rls', 1)$$) AS archives;
RESET ROLE;
GRANT INSERT, SELECT ON pgmq.a_rls TO regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.archive('rls', 1)$$) AS archives;
RESET ROLE;
-- and taken away again
REVOKE INSERT, UPDATE ON pgmq.q_rls FROM regress_pgmq_none;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.send('rls', '{}')$$) AS sends, pg_temp.outcome($$pgmq.read('rls', 1, 1)$$) AS reads,
	   pg_temp.outcome($$pgmq.delete('rls', 1)$$) AS deletes;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION pgmq.delete(text, bigint) FROM PUBLIC;
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$pgmq.delete('rls', 1)$$) AS one, pg_temp.outcome($$pgmq.delete('rls', ARRAY[1])$$) AS several;
RESET ROLE;
GRANT EXECUTE ON FUNCTION pgmq.delete(text, bigint) TO PUBLIC;

-- Row-level security: each tenant sees its own.
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_rls, pgmq.a_rls TO regress_pgmq_a, regress_pgmq_b;
ALTER TABLE pgmq.q_rls ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_a;
SELECT DISTINCT pg_temp.outcome(call) FROM verbs WHERE call NOT LIKE '%send%';
RESET ROLE;
CREATE POLICY tenant ON pgmq.q_rls USING (headers ->> 'tenant' = current_user);
SET ROLE regress_pgmq_a;
SELECT regexp_replace(call, '^.*(pgmq\.\w+).*$', '\1') AS verb, pg_temp.outcome(call) AS a FROM verbs ORDER BY n;
SET ROLE regress_pgmq_b;
SELECT regexp_replace(call, '^.*(pgmq\.\w+).*$', '\1') AS verb, pg_temp.outcome(call) AS b FROM verbs ORDER BY n;
RESET ROLE;
-- To and fro within one transaction, and one statement kept by the session.
PREPARE take AS SELECT msg_id FROM pgmq.read('rls', 30, 1);
BEGIN;
SET LOCAL ROLE regress_pgmq_a;
EXECUTE take;
SET LOCAL ROLE regress_pgmq_b;
EXECUTE take;
SET LOCAL ROLE regress_pgmq_a;
EXECUTE take;
RESET ROLE;
EXECUTE take;
ROLLBACK;
-- A row that a policy forbids is not written.
SET ROLE regress_pgmq_a;
\set VERBOSITY terse
SELECT pgmq.send('rls', '{}', '{"tenant": "regress_pgmq_b"}');
\set VERBOSITY default
SELECT count(*) FROM pgmq.send('rls', '{"n": 21}', '{"tenant": "regress_pgmq_a"}');
RESET ROLE;
-- Policies apart: one that reads may not delete, and one may do so only with some.
DROP POLICY tenant ON pgmq.q_rls;
CREATE POLICY sees ON pgmq.q_rls FOR SELECT USING (true);
CREATE POLICY leases ON pgmq.q_rls FOR UPDATE TO regress_pgmq_a USING (msg_id < 10) WITH CHECK (true);
CREATE POLICY deletes ON pgmq.q_rls FOR DELETE TO regress_pgmq_b USING (msg_id < 3);
SET ROLE regress_pgmq_a;
SELECT pg_temp.outcome($$(SELECT msg_id FROM pgmq.read('rls', 30, 100))$$) AS reads, pg_temp.outcome($$pgmq.delete('rls', ARRAY[1, 2, 3])$$) AS deletes;
SET ROLE regress_pgmq_b;
SELECT pg_temp.outcome($$(SELECT msg_id FROM pgmq.read('rls', 30, 100))$$) AS reads, pg_temp.outcome($$pgmq.delete('rls', ARRAY[1, 2, 3])$$) AS deletes,
	   pg_temp.outcome($$pgmq.archive('rls', ARRAY[1, 2, 3])$$) AS archives;
RESET ROLE;
-- row_security = off refuses instead of filtering
SET ROLE regress_pgmq_a;
SET row_security = off;
SELECT pg_temp.outcome($$pgmq.read('rls', 30, 1)$$);
RESET row_security;
RESET ROLE;
-- The owner is not bound by policies unless forced.
SELECT pg_temp.outcome($$(SELECT msg_id FROM pgmq.read('rls', 30, 2))$$);

-- The other verbs, with policies on the archive and on the dead-letter queue too.
SELECT pgmq.create('rls_dead'), pgmq.create('rls_all');
SELECT count(*) FROM pgmq.send_batch('rls_all', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 12) n),
	(SELECT array_agg(jsonb_build_object('tenant', CASE n % 2 WHEN 1 THEN 'regress_pgmq_a' ELSE 'regress_pgmq_b' END) ORDER BY n) FROM generate_series(1, 12) n));
SELECT pgmq.set_policy('rls_all', '{"dead_letter_queue": "rls_dead", "max_reads": 5}');
SELECT count(*) FROM pgmq.archive('rls_all', '{9,10}'::bigint[]);
SELECT count(*) FROM pgmq.dead_letter('rls_all', '{11,12}'::bigint[], 'lost');
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON pgmq.q_rls_all, pgmq.a_rls_all, pgmq.q_rls_dead TO regress_pgmq_a, regress_pgmq_b;
GRANT SELECT ON SEQUENCE pgmq.q_rls_all_msg_id_seq TO regress_pgmq_a, regress_pgmq_b;
GRANT SELECT ON pgmq.meta, pgmq.topic_bindings TO regress_pgmq_a, regress_pgmq_b;
SELECT pgmq.bind_topic('rls.all', 'rls_all');
ALTER TABLE pgmq.q_rls_all ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgmq.a_rls_all ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgmq.q_rls_dead ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pgmq.q_rls_all USING (headers ->> 'tenant' = current_user);
CREATE POLICY tenant ON pgmq.a_rls_all USING (headers ->> 'tenant' = current_user);
CREATE POLICY tenant ON pgmq.q_rls_dead USING (headers ->> 'tenant' = current_user);
-- 1 to 8 are in the queue, 9 and 10 archived, 11 and 12 dead letters 1 and 2;
-- the odd ones are a's.
TRUNCATE verbs;
INSERT INTO verbs (call) VALUES
	($$(SELECT msg_id FROM pgmq.peek('rls_all', 'all', 99))$$),
	($$(SELECT msg_id FROM pgmq.peek_archive('rls_all', 99))$$),
	($$(SELECT msg_id FROM pgmq.read_any('{rls_all,rls_dead}', 30, 99))$$),
	($$(SELECT msg_id FROM pgmq.read_any_with_poll('{rls_dead,rls_all}', 30, 99, 0))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped_with_poll('rls_all', 30, 99, 0))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped_rr_with_poll('rls_all', 30, 99, 0))$$),
	($$(SELECT msg_id FROM pgmq.read_grouped_head_with_poll('rls_all', 30, 99, 0))$$),
	($$pgmq.nack('rls_all', 1, 9)$$),
	($$pgmq.nack('rls_all', 1, 9, 0)$$),
	($$pgmq.nack('rls_all', '{1,2,3}'::bigint[], '{9,9,9}'::integer[])$$),
	($$pgmq.dead_letter('rls_all', 1, 'x')$$),
	($$pgmq.dead_letter('rls_all', '{1,2,3}'::bigint[], 'x')$$),
	($$pgmq.dead_letter('rls_all', '{1,2,3}'::bigint[], 'x', '{0,0,0}'::integer[])$$),
	($$pgmq.redrive('rls_dead', 99)$$),
	($$pgmq.redrive('rls_dead', 99, '{"to_queue": "rls_all"}')$$),
	($$(SELECT forward IS NOT NULL FROM pgmq.forward('rls_all', 1, 'rls_dead', '1', '{"tenant": "regress_pgmq_a"}', 0))$$),
	($$(SELECT unarchive IS NOT NULL FROM pgmq.unarchive('rls_all', 9))$$),
	($$(SELECT count(*) FROM pgmq.unarchive('rls_all', '{9,10}'::bigint[]))$$),
	($$pgmq.delete('rls_all', '{1,2,3}'::bigint[], '{0,0,0}'::integer[])$$),
	($$pgmq.archive('rls_all', 1, 0)$$),
	($$(SELECT msg_id FROM pgmq.set_vt('rls_all', 1, now()))$$),
	($$(SELECT msg_id FROM pgmq.set_vt('rls_all', '{1,2,3}'::bigint[], now()))$$),
	($$(SELECT msg_id FROM pgmq.set_vt('rls_all', '{1,2,3}'::bigint[], 0, '{0,0,0}'::integer[]))$$),
	($$(SELECT queue_length, queue_visible_length FROM pgmq.metrics('rls_all'))$$),
	($$(SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name = 'rls_all')$$),
	($$pgmq.send_topic('rls.all', '1', '{"tenant": "regress_pgmq_a"}'::jsonb, 0)$$),
	($$(SELECT queue_name FROM pgmq.send_batch_topic('rls.all', '{1}', '{"{\"tenant\": \"regress_pgmq_a\"}"}'::jsonb[]))$$),
	($$pgmq.purge_queue('rls_all')$$);
SET client_min_messages = error;
CREATE TEMP TABLE answers AS SELECT n, '' AS role, '' AS answer FROM verbs LIMIT 0;
GRANT INSERT ON answers TO PUBLIC;
SET ROLE regress_pgmq_a;
INSERT INTO answers SELECT n, 'a', pg_temp.outcome(call) FROM verbs ORDER BY n;
SET ROLE regress_pgmq_b;
INSERT INTO answers SELECT n, 'b', pg_temp.outcome(call) FROM verbs ORDER BY n;
RESET ROLE;
INSERT INTO answers SELECT n, 'owner', pg_temp.outcome(call) FROM verbs ORDER BY n;
RESET client_min_messages;
SELECT replace(v.call, 'rls_', '') AS call, max(answer) FILTER (WHERE role = 'a') AS a, max(answer) FILTER (WHERE role = 'b') AS b,
	max(answer) FILTER (WHERE role = 'owner') AS owner FROM verbs v JOIN answers USING (n) GROUP BY v.n, v.call ORDER BY v.n;
-- A spent message of another tenant is not disposed of.
UPDATE pgmq.q_rls_all SET read_ct = 5 WHERE msg_id IN (1, 2);
SET ROLE regress_pgmq_a;
SELECT pg_temp.outcome($$(SELECT msg_id FROM pgmq.read('rls_all', 30, 99))$$);
SELECT count(*) FROM pgmq.read('rls_all', 0, 99);
RESET ROLE;
SELECT msg_id, read_ct FROM pgmq.q_rls_all ORDER BY 1;
SELECT headers #>> '{x-pgmq-dead-letter,msg_id}' AS of, headers ->> 'tenant' AS tenant FROM pgmq.q_rls_dead ORDER BY 1;
-- A reader that may write to no dead-letter queue leaves the message where it
-- is.
DROP POLICY tenant ON pgmq.q_rls_dead;
CREATE POLICY nobody ON pgmq.q_rls_dead USING (true) WITH CHECK (false);
SET ROLE regress_pgmq_a;
SELECT pg_temp.outcome($$pgmq.dead_letter('rls_all', 3, 'x')$$);
RESET ROLE;
-- Maintenance is done for all, by the owner, also where policies are forced on him.
ALTER TABLE pgmq.q_rls_all FORCE ROW LEVEL SECURITY;
ALTER TABLE pgmq.q_rls_all OWNER TO regress_pgmq_none;
ALTER TABLE pgmq.a_rls_all OWNER TO regress_pgmq_none;
GRANT INSERT ON pgmq.q_rls_dead TO regress_pgmq_none;
ALTER POLICY nobody ON pgmq.q_rls_dead WITH CHECK (true);
SET ROLE regress_pgmq_none;
SELECT pg_temp.outcome($$(SELECT msg_id FROM pgmq.read('rls_all', 30, 99))$$);
SET client_min_messages = error;
BEGIN;
CALL pgmq.maintain();
COMMIT;
RESET client_min_messages;
RESET ROLE;
SELECT count(*) FROM pgmq.q_rls_all WHERE read_ct = 5;
-- Deduplication ids belong to the queue: a role that may send learns of ids of others,
-- and can take them.
SELECT pgmq.set_policy('rls_all', '{"dedup_window": 60}');
SET ROLE regress_pgmq_a;
SELECT pgmq.send('rls_all', '1', '{"tenant": "regress_pgmq_a", "x-pgmq-dedup-id": "shared"}'::jsonb) AS id \gset
SET ROLE regress_pgmq_b;
SELECT pgmq.send('rls_all', '1', '{"tenant": "regress_pgmq_b", "x-pgmq-dedup-id": "shared"}'::jsonb) = :id AS same_message;
-- and without the right to send, nothing
RESET ROLE;
REVOKE INSERT ON pgmq.q_rls_all FROM regress_pgmq_b;
SET ROLE regress_pgmq_b;
SELECT pg_temp.outcome($$pgmq.send('rls_all', '1', '{"x-pgmq-dedup-id": "shared"}'::jsonb)$$);
RESET ROLE;
SELECT pgmq.drop_queue('rls_all'), pgmq.drop_queue('rls_dead');
REVOKE ALL ON pgmq.meta, pgmq.topic_bindings FROM regress_pgmq_a, regress_pgmq_b;

SELECT pgmq.drop_queue('rls');
REVOKE USAGE ON SCHEMA pgmq FROM regress_pgmq_a, regress_pgmq_b, regress_pgmq_none;
DROP FUNCTION pg_temp.outcome(text);
DROP TABLE verbs;
DO $$ BEGIN EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
DROP ROLE regress_pgmq_a, regress_pgmq_b, regress_pgmq_none;
