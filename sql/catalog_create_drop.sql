-- catalog_create_drop: queues come and go

SELECT pgmq.create('cd');
SELECT pgmq.create_non_partitioned('cd_np');
SELECT pgmq.create_unlogged('cd_un');
SELECT queue_name, is_partitioned, is_unlogged, created_at <= now() AS created
FROM pgmq.list_queues() WHERE queue_name LIKE 'cd%';
-- in order of name
SELECT array_agg(queue_name) = array_agg(queue_name ORDER BY queue_name) AS sorted FROM pgmq.list_queues();

-- Of an unlogged queue only the messages are unlogged: not the archive, and
-- not the sequence, so that no id is given out twice after a crash.
SELECT relname, relpersistence FROM pg_class
WHERE relname IN ('q_cd', 'a_cd', 'q_cd_msg_id_seq', 'q_cd_un', 'a_cd_un', 'q_cd_un_msg_id_seq')
ORDER BY relname;

-- Create again: nothing happens, and a notice says so; of another kind too.
SELECT pgmq.send('cd', '{"kept": true}');
SELECT pgmq.create('cd');
SELECT pgmq.create_non_partitioned('cd');
SELECT pgmq.create_unlogged('cd');
SELECT pgmq.create('cd_un');
SELECT pgmq.create_unlogged('cd_un');
SELECT message FROM pgmq.q_cd;
SELECT count(*) FROM pgmq.meta WHERE queue_name LIKE 'cd%';

-- An archive that is missing is made again.
DROP TABLE pgmq.a_cd;
SELECT pgmq.create('cd');
SELECT pgmq.archive('cd', 1);

-- Drop: the tables, the row, and what refers to it.
INSERT INTO pgmq.topic_bindings (pattern, queue_name) VALUES ('cd.#', 'cd');
INSERT INTO pgmq.notify_insert_throttle (queue_name) VALUES ('cd');
SELECT pgmq.drop_queue('cd');
SELECT count(*) FROM pg_class WHERE relname IN ('q_cd', 'a_cd', 'q_cd_msg_id_seq', 'archived_at_idx_cd');
SELECT (SELECT count(*) FROM pgmq.meta WHERE queue_name = 'cd') AS meta,
	   (SELECT count(*) FROM pgmq.topic_bindings WHERE queue_name = 'cd') AS bindings,
	   (SELECT count(*) FROM pgmq.notify_insert_throttle WHERE queue_name = 'cd') AS throttles;

-- Drop what is not there.
SELECT pgmq.drop_queue('cd');
SELECT pgmq.drop_queue('cd', false);
SELECT pgmq.drop_queue('cd_np', true);
SELECT to_regclass('pgmq.q_cd_np') IS NULL AS gone;

-- No archive or no row in meta is no error.
SELECT pgmq.create('cd');
DROP TABLE pgmq.a_cd;
DELETE FROM pgmq.meta WHERE queue_name = 'cd';
SELECT pgmq.drop_queue('cd');

-- A queue with a dependent view stays.
SELECT pgmq.create('cd');
CREATE VIEW cd_view AS SELECT msg_id FROM pgmq.q_cd;
SELECT pgmq.drop_queue('cd');
SELECT pgmq.send('cd', '{}');
DROP VIEW cd_view;
SELECT pgmq.drop_queue('cd');

-- When the transaction rolls back, a dropped queue is there again and a new
-- one never existed.
BEGIN;
SELECT pgmq.create('cd');
SELECT pgmq.send('cd', '{}');
ROLLBACK;
SELECT pgmq.send('cd', '{}');
SELECT pgmq.create('cd');
BEGIN;
SELECT pgmq.send('cd', '{}');
SELECT pgmq.drop_queue('cd');
ROLLBACK;
SELECT pgmq.send('cd', '{}') IS NOT NULL AS sent;
SELECT pgmq.drop_queue('cd');

-- Tables that look like a queue become one.
CREATE TABLE pgmq.q_cd (msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, read_ct int NOT NULL DEFAULT 0,
	enqueued_at timestamptz NOT NULL DEFAULT now(), vt timestamptz NOT NULL, message jsonb,
	headers jsonb, last_read_at timestamptz);
SELECT pgmq.create('cd');
CREATE TABLE pgmq.a_cd (msg_id bigint PRIMARY KEY, read_ct int NOT NULL DEFAULT 0,
	enqueued_at timestamptz NOT NULL DEFAULT now(), archived_at timestamptz NOT NULL DEFAULT now(),
	vt timestamptz NOT NULL, message jsonb, headers jsonb);
SELECT pgmq.create('cd');
ALTER TABLE pgmq.a_cd ADD last_read_at timestamptz;
SELECT pgmq.create_unlogged('CD');
SELECT queue_name, is_partitioned, is_unlogged FROM pgmq.list_queues() WHERE queue_name ILIKE 'cd';
SELECT pgmq.send('cd', '{}'), pgmq.archive('cd', 1);
SELECT pgmq.drop_queue('cd');

-- Something else in the place of a table.
CREATE VIEW pgmq.q_cd AS SELECT 1 AS one;
SELECT pgmq.create('cd');
SELECT pgmq.drop_queue('cd');
SELECT pgmq.purge_queue('cd');
DROP VIEW pgmq.q_cd;
CREATE TABLE pgmq.a_cd (a int);
SELECT pgmq.create('cd');
DROP TABLE pgmq.a_cd;
-- A queue table that was restored without its sequence.
SELECT pgmq.create('cd');
DELETE FROM pgmq.meta WHERE queue_name = 'cd';
ALTER TABLE pgmq.q_cd ALTER msg_id DROP IDENTITY;
SELECT pgmq.create('cd');
ALTER TABLE pgmq.q_cd ALTER msg_id ADD GENERATED ALWAYS AS IDENTITY;
SELECT pgmq.create('cd');
SELECT pgmq.send('cd', '1');
SELECT pgmq.drop_queue('cd');
-- A call that fails halfway leaves nothing behind.
CREATE TYPE pgmq.a_cd AS ENUM ('taken');
\set VERBOSITY terse
SELECT pgmq.create('cd');
\set VERBOSITY default
DROP TYPE pgmq.a_cd;
SELECT to_regclass('pgmq.q_cd') IS NULL AS nothing_left;

-- A row of meta whose table was dropped by hand is corrected.
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('Cd', true, true);
SELECT pgmq.create('cd');
SELECT queue_name, is_partitioned, is_unlogged FROM pgmq.list_queues() WHERE queue_name ILIKE 'cd';
SELECT pgmq.drop_queue('cd');

-- A hostile search_path changes nothing.
CREATE SCHEMA cd_evil;
CREATE FUNCTION cd_evil.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''';
CREATE FUNCTION cd_evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''epoch''::timestamptz';
CREATE FUNCTION cd_evil.texteq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR cd_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = cd_evil.texteq);
CREATE TYPE cd_evil.jsonb AS (a int);
CREATE TABLE cd_evil.meta (LIKE pgmq.meta);
SELECT pgmq.create('cd_other');
SET search_path = cd_evil, pg_catalog;
SELECT pgmq.create('cd');
SELECT pgmq.create_fifo_index('cd');
SELECT pgmq.send('cd', '{}');
SELECT queue_length, total_messages FROM pgmq.metrics('cd');
SELECT pgmq.purge_queue('cd');
SELECT pgmq.drop_queue('cd');
RESET search_path;
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name LIKE 'cd%';
SELECT pgmq.drop_queue('cd_other');
SET client_min_messages = warning;
DROP SCHEMA cd_evil CASCADE;
RESET client_min_messages;

-- A read-only transaction.
BEGIN READ ONLY;
SELECT pgmq.create('cd');
ROLLBACK;
BEGIN READ ONLY;
SELECT pgmq.drop_queue('cd_un');
ROLLBACK;
BEGIN READ ONLY;
SELECT pgmq.purge_queue('cd_un');
ROLLBACK;
BEGIN READ ONLY;
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name LIKE 'cd%';
ROLLBACK;

-- Deprecated, and what stands in its place.
SELECT pgmq.detach_archive('cd_un');
SELECT pgmq.detach_archive(NULL);
SELECT to_regclass('pgmq.a_cd_un');
SELECT pgmq.drop_queue(NULL), pgmq.drop_queue('x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.create_unlogged(NULL);
SELECT pgmq.drop_queue('cd_un');

-- Helpers
SELECT pgmq._belongs_to_pgmq('meta'), pgmq._belongs_to_pgmq('pg_class'), pgmq._belongs_to_pgmq(NULL),
	   pgmq._extension_exists('plpgsql'), pgmq._extension_exists('no such'), pgmq._extension_exists(NULL);
BEGIN;
SELECT pgmq.acquire_queue_lock('Some'), pgmq.acquire_queue_lock('some'), pgmq.acquire_queue_lock(NULL);
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
