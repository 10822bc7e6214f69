-- A relation that has a queue's name but is not a queue: every verb fails with
-- 42809, and leaves it as it is.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RETURN 'ok';
EXCEPTION
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
CREATE FUNCTION pg_temp.outcomes(queue text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT pg_temp.outcome(format(call, queue)), ', ') FROM (VALUES
		('SELECT pgmq.send(%L, ''{}'')'),
		('SELECT pgmq.send_batch(%L, ''{1,2}''::jsonb[])'),
		('SELECT pgmq.read(%L, 30, 1)'),
		('SELECT pgmq.read(%L, 30, 1, ''{"n": 1}'')'),
		('SELECT pgmq.read_with_poll(%L, 30, 1, 60)'),
		('SELECT pgmq.read_grouped(%L, 30, 1)'),
		('SELECT pgmq.read_grouped_rr(%L, 30, 1)'),
		('SELECT pgmq.read_grouped_head(%L, 30, 1)'),
		('SELECT pgmq.pop(%L)'),
		('SELECT pgmq.delete(%L, 1)'),
		('SELECT pgmq.delete(%L, ARRAY[1])'),
		('SELECT pgmq.delete(%L, 1, 1)'),
		('SELECT pgmq.delete(%L, ARRAY[1], ARRAY[1])'),
		('SELECT pgmq.archive(%L, 1)'),
		('SELECT pgmq.archive(%L, ARRAY[1])'),
		('SELECT pgmq.archive(%L, 1, 1)'),
		('SELECT pgmq.archive(%L, ARRAY[1], ARRAY[1])'),
		('SELECT pgmq.set_vt(%L, 1, 1)'),
		('SELECT pgmq.set_vt(%L, ARRAY[1], 1)'),
		('SELECT pgmq.set_vt(%L, 1, 1, 1)'),
		('SELECT pgmq.set_vt(%L, ARRAY[1], 1, ARRAY[1])')) AS v (call)
$$;
CREATE TABLE pgmq.a_no (msg_id bigint PRIMARY KEY, read_ct int, enqueued_at timestamptz, last_read_at timestamptz,
						archived_at timestamptz DEFAULT now(), vt timestamptz, message jsonb, headers jsonb);
CREATE TABLE the_table (msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, read_ct int DEFAULT 0, enqueued_at timestamptz DEFAULT now(),
						last_read_at timestamptz, vt timestamptz DEFAULT now(), message jsonb, headers jsonb);
INSERT INTO the_table (message) VALUES ('{}');

-- a view, though it could be written to
CREATE VIEW pgmq.q_no AS SELECT * FROM the_table;
SELECT pg_temp.outcomes('no');
SELECT pgmq.send('no', '{}');
DROP VIEW pgmq.q_no;
CREATE MATERIALIZED VIEW pgmq.q_no AS SELECT * FROM the_table;
SELECT pg_temp.outcomes('no');
DROP MATERIALIZED VIEW pgmq.q_no;
CREATE SEQUENCE pgmq.q_no;
SELECT pg_temp.outcomes('no');
DROP SEQUENCE pgmq.q_no;
CREATE INDEX q_no ON pgmq.a_no (vt);
SELECT pg_temp.outcomes('no');
DROP INDEX pgmq.q_no;
CREATE TYPE pgmq.q_no AS (msg_id bigint, read_ct int, enqueued_at timestamptz, last_read_at timestamptz, vt timestamptz, message jsonb, headers jsonb);
SELECT pg_temp.outcomes('no');
DROP TYPE pgmq.q_no;
CREATE FOREIGN DATA WRAPPER pgmq_regress_fdw;
CREATE SERVER pgmq_regress_server FOREIGN DATA WRAPPER pgmq_regress_fdw;
CREATE FOREIGN TABLE pgmq.q_no (msg_id bigint, read_ct int, enqueued_at timestamptz, last_read_at timestamptz, vt timestamptz,
								message jsonb, headers jsonb) SERVER pgmq_regress_server;
SELECT pg_temp.outcomes('no');
DROP FOREIGN TABLE pgmq.q_no;
DROP FOREIGN DATA WRAPPER pgmq_regress_fdw CASCADE;

-- tables with other columns
CREATE TABLE pgmq.q_no ();
SELECT pg_temp.outcomes('no');
SELECT pgmq.send('no', '{}');
DROP TABLE pgmq.q_no;
CREATE TABLE pgmq.q_no (LIKE the_table INCLUDING ALL);
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no DROP COLUMN headers;
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no ADD COLUMN headers json;
SELECT pg_temp.outcomes('no');
SELECT pgmq.send('no', '{}');
ALTER TABLE pgmq.q_no ALTER COLUMN headers TYPE jsonb;
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no RENAME COLUMN vt TO visible_from;
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no RENAME COLUMN visible_from TO vt;
ALTER TABLE pgmq.q_no ALTER COLUMN msg_id TYPE integer;
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no ALTER COLUMN msg_id TYPE bigint;
SELECT pg_temp.outcomes('no');
DROP TABLE pgmq.q_no;

-- a partition of another table, from the start or from now on
CREATE TABLE pgmq.q_parent (LIKE the_table) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_no PARTITION OF pgmq.q_parent DEFAULT;
SELECT pg_temp.outcomes('no');
SELECT pgmq.send('no', '{}');
ALTER TABLE pgmq.q_parent DETACH PARTITION pgmq.q_no;
ALTER TABLE pgmq.q_no ALTER msg_id ADD GENERATED ALWAYS AS IDENTITY, ALTER read_ct SET DEFAULT 0;
SELECT pg_temp.outcomes('no');
ALTER TABLE pgmq.q_no ALTER msg_id DROP IDENTITY;
ALTER TABLE pgmq.q_parent ATTACH PARTITION pgmq.q_no DEFAULT;
SELECT pg_temp.outcomes('no');
DROP TABLE pgmq.q_parent;

-- The row type, altered: an error where the rows come back, not a crash.
CREATE TABLE pgmq.q_no (LIKE the_table INCLUDING ALL);
PREPARE take AS SELECT * FROM pgmq.read('no', 0, 1);
SELECT count(*) FROM pgmq.send('no', '{}');
EXECUTE take \g /dev/null
\set VERBOSITY sqlstate
BEGIN;
ALTER TYPE pgmq.message_record ADD ATTRIBUTE note text;
SAVEPOINT s;
SELECT * FROM pgmq.read('no', 0, 1);
ROLLBACK TO s;
SELECT pgmq.read('no', 0, 1);
ROLLBACK TO s;
SELECT * FROM pgmq.pop('no');
ROLLBACK TO s;
SELECT * FROM pgmq.set_vt('no', ARRAY[1], 0);
ROLLBACK TO s;
SELECT * FROM pgmq.read_grouped('no', 0, 1);
ROLLBACK TO s;
SELECT pgmq.delete('no', 100);
ALTER TYPE pgmq.message_record DROP ATTRIBUTE note;
SAVEPOINT s;
SELECT * FROM pgmq.read('no', 0, 1);
ROLLBACK;
BEGIN;
ALTER TYPE pgmq.message_record ALTER ATTRIBUTE headers TYPE text;
SAVEPOINT s;
SELECT * FROM pgmq.read('no', 0, 1);
ROLLBACK TO s;
SELECT (pgmq.read('no', 0, 1)).message;
ROLLBACK;
BEGIN;
ALTER TYPE pgmq.message_record DROP ATTRIBUTE last_read_at;
SELECT * FROM pgmq.read('no', 0, 1);
ROLLBACK;
\set VERBOSITY default
EXECUTE take \g /dev/null
SELECT read_ct FROM pgmq.q_no;

-- Called where no set is expected.
CREATE FUNCTION pg_temp.by_oid() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 WHERE pgmq.send('no', '{}') = 1;
	RETURN 'ok';
EXCEPTION
	WHEN feature_not_supported THEN RETURN SQLSTATE;
END
$$;
SELECT pg_temp.by_oid();
DROP TABLE pgmq.q_no, pgmq.a_no, the_table;

-- a table that has a queue's name by chance is not dropped
CREATE TABLE pgmq.q_naq_chance (a integer);
SELECT pgmq.drop_queue('naq_chance');
SELECT 'pgmq.q_naq_chance'::regclass;
DROP TABLE pgmq.q_naq_chance;
