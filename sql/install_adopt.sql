--
-- Queues that were here before: orphans of a dropped extension are adopted,
-- queues of PGMQ's layout are converted
--
\set home :DBNAME
CREATE DATABASE regression_pgmq_adopt;
\c regression_pgmq_adopt
\set SHOW_CONTEXT never

--
-- Orphans
--
-- this silences the warning that there is no shared memory
SET client_min_messages TO error;
CREATE EXTENSION pgmq_c;
RESET client_min_messages;
SELECT pgmq.create('plain'), pgmq.create_unlogged('fleeting');
SELECT pgmq.send('plain', '1');
DROP EXTENSION pgmq_c CASCADE;

-- these are queues
CREATE TABLE pgmq.q_parts (LIKE pgmq.q_plain INCLUDING DEFAULTS INCLUDING IDENTITY)
	PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_parts_default PARTITION OF pgmq.q_parts DEFAULT;
CREATE TABLE pgmq.a_parts (LIKE pgmq.a_plain) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.a_parts_default PARTITION OF pgmq.a_parts DEFAULT;
CREATE TABLE pgmq."q_it is ""mine""" (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq."a_it is ""mine""" (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq.q_own_default (own text, LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq.a_own_default (LIKE pgmq.a_plain INCLUDING ALL, own text);
CREATE TABLE pgmq.q_12345678901234567890123456789012345678901234567 (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq.a_12345678901234567890123456789012345678901234567 (LIKE pgmq.a_plain INCLUDING ALL);

-- these are not: no archive, no message, another type, no id of its own, not
-- in lower case, a name that no queue can have, too long a name, a view
CREATE TABLE pgmq.q_alone (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq.q_no_message (LIKE pgmq.q_plain INCLUDING ALL);
ALTER TABLE pgmq.q_no_message DROP message;
CREATE TABLE pgmq.a_no_message (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq.q_type (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq.a_type (LIKE pgmq.a_plain INCLUDING ALL);
ALTER TABLE pgmq.a_type ALTER message TYPE text;
CREATE TABLE pgmq.q_no_id (LIKE pgmq.q_plain INCLUDING DEFAULTS);
CREATE TABLE pgmq.a_no_id (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq."q_Capital" (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq."a_Capital" (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq."q_dollar$" (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq."a_dollar$" (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq."q_da--sh" (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq."a_da--sh" (LIKE pgmq.a_plain INCLUDING ALL);
CREATE TABLE pgmq.q_123456789012345678901234567890123456789012345678 (LIKE pgmq.q_plain INCLUDING ALL);
CREATE TABLE pgmq.a_123456789012345678901234567890123456789012345678 (LIKE pgmq.a_plain INCLUDING ALL);
CREATE VIEW pgmq.q_view AS SELECT * FROM pgmq.q_plain;
CREATE VIEW pgmq.a_view AS SELECT * FROM pgmq.a_plain;

SET client_min_messages TO error;
CREATE EXTENSION pgmq_c;
RESET client_min_messages;
SELECT queue_name, is_partitioned, is_unlogged, created_at = now() AS now
FROM pgmq.list_queues() ORDER BY 1;
SELECT pgmq.send(queue_name, '2'), queue_name FROM pgmq.list_queues() ORDER BY 2;
SELECT msg_id, message FROM pgmq.read('plain', 0, 5);
DROP VIEW pgmq.q_view, pgmq.a_view;
SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues();
SELECT count(*) FROM pgmq.list_queues();
DROP EXTENSION pgmq_c CASCADE;
SET client_min_messages TO warning;
DROP SCHEMA pgmq CASCADE;

--
-- Conversion
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set shape :abs_srcdir '/test/data/pgmq_shape.sql'
\set queues :abs_srcdir '/test/data/pgmq_queues.sql'
\set ECHO none
CREATE SCHEMA pgmq;
\i :shape
\i :queues
CREATE TABLE pgmq.q_times (LIKE pgmq.q_parts INCLUDING ALL) PARTITION BY RANGE (enqueued_at);
CREATE TABLE pgmq.q_times_default PARTITION OF pgmq.q_times DEFAULT;
CREATE TABLE pgmq.a_times (LIKE pgmq.a_parts INCLUDING ALL) PARTITION BY RANGE (archived_at);
CREATE TABLE pgmq.a_times_default PARTITION OF pgmq.a_times DEFAULT;
CREATE INDEX ON pgmq.q_times_default (vt);
INSERT INTO pgmq.meta VALUES ('times', true, false);
\set ECHO all
SET client_min_messages TO error;
CREATE EXTENSION pgmq_c;
RESET client_min_messages;
SELECT pgmq.create('made'), pgmq.create_unlogged('made_unlogged');

-- They work as they are
SELECT msg_id, read_ct, message FROM pgmq.read('jobs', 0, 5);
SELECT msg_id, read_ct, message FROM pgmq.read('MyQueue', 0, 5);

-- but a read writes to an index
CREATE FUNCTION hot(rounds integer) RETURNS TABLE (updated bigint, hot bigint)
LANGUAGE plpgsql
AS $$
DECLARE
	queue CONSTANT regclass := 'pgmq.q_jobs';
	were_updated CONSTANT bigint := pg_stat_get_xact_tuples_updated(queue);
	were_hot CONSTANT bigint := pg_stat_get_xact_tuples_hot_updated(queue);
BEGIN
	PERFORM pgmq.read('jobs', 0, 1) FROM generate_series(1, rounds);
	RETURN QUERY SELECT
		pg_stat_get_xact_tuples_updated(queue) - were_updated,
		pg_stat_get_xact_tuples_hot_updated(queue) - were_hot;
END
$$;
SELECT * FROM hot(20);

-- The parts of a queue that one made by create lacks (+), and the reverse (-)
CREATE VIEW layout (name, item) AS
SELECT c.relname::text, 'option ' || o.option
FROM pg_class c, unnest(c.reloptions) AS o (option)
UNION ALL
SELECT c.relname, 'toast option ' || o.option
FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid,
	unnest(t.reloptions) AS o (option)
UNION ALL
SELECT c.relname, 'index ' || regexp_replace(
	replace(pg_get_indexdef(i.indexrelid), substr(c.relname, 3), '#'),
	'.* ON ', '')
FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid
UNION ALL
SELECT c.relname, 'column ' || concat_ws(' ', a.attname,
	format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
	a.attstorage::text, pg_get_expr(d.adbin, d.adrelid),
	(SELECT string_agg(g.grantee::regrole || ' ' || g.privilege_type, ', ')
	 FROM aclexplode(a.attacl) g))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
UNION ALL
SELECT c.relname, 'grant ' || g.grantee::regrole || ' ' || g.privilege_type
FROM pg_class c, aclexplode(c.relacl) g
WHERE g.grantee <> c.relowner
UNION ALL
SELECT c.relname, 'persistence ' || c.relpersistence::text
FROM pg_class c;
CREATE FUNCTION differs(one text, model text) RETURNS SETOF text
LANGUAGE sql
AS $$
	SELECT s.sign || l.item FROM layout l
	JOIN (VALUES (one, model, '+ '), (model, one, '- ')) s (a, b, sign) ON l.name = s.a
	WHERE NOT EXISTS (SELECT FROM layout m WHERE m.name = s.b AND m.item = l.item)
	ORDER BY s.sign COLLATE "C", l.item COLLATE "C"
$$;
SELECT * FROM differs('q_jobs', 'q_made');

CREATE TEMP TABLE before AS
SELECT c.oid, c.relfilenode, a.attname, a.attnum
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'p');

SELECT pgmq.convert_queue('jobs');
SELECT pgmq.convert_queue('jobs');
SELECT pgmq.convert_queues('{fleeting,jobs,parts}');
SELECT pgmq.convert_queues_all();
SELECT pgmq.convert_queues_all();
SELECT pgmq.convert_queue('made'), pgmq.convert_queue('made_unlogged');

-- nothing was rewritten, no column moved
SELECT * FROM before b
WHERE NOT EXISTS (
	SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE (c.oid, c.relfilenode, a.attname, a.attnum)
		= (b.oid, b.relfilenode, b.attname, b.attnum));

SELECT pgmq.drop_queue('made');
SELECT pgmq.create('made');
SELECT * FROM differs('q_jobs', 'q_made');
SELECT * FROM differs('a_jobs', 'a_made');
SELECT * FROM differs('q_jobs_msg_id_seq', 'q_made_msg_id_seq');
SELECT * FROM differs('q_fleeting', 'q_made_unlogged');
SELECT * FROM differs('a_fleeting', 'a_made_unlogged');
SELECT pgmq.create_fifo_index('made');
SELECT * FROM differs('q_myqueue', 'q_made');
SELECT relpersistence FROM pg_class WHERE relname = 'q_fleeting_msg_id_seq';
SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'p' AND conrelid::regclass::text ~ 'pgmq.[qa]_(times|parts)'
ORDER BY conrelid::regclass::text;
SELECT indexname FROM pg_indexes
WHERE schemaname = 'pgmq' AND (indexdef ~ '\(vt' OR indexdef ~ 'gin');
\d pgmq.q_parts
SELECT item FROM layout
WHERE name = 'q_parts_p10' AND item !~ '^column' ORDER BY item COLLATE "C";

SELECT msg_id, read_ct, message FROM pgmq.read('jobs', 0, 5);
SELECT msg_id, read_ct, message FROM pgmq.read_grouped('MyQueue', 0, 5);
SELECT count(*) FROM pgmq.read('parts', 0, 100);
COPY pgmq.q_jobs (message) FROM STDIN;
"copied"
\.
SELECT message FROM pgmq.pop('jobs', 2);

-- A read is a HOT update now
SELECT pgmq.send('jobs', '"hot"');
SELECT * FROM hot(20);

-- An index of a user's is kept, with a warning
CREATE INDEX mine ON pgmq.q_jobs (read_ct) WHERE vt > '2020-01-01';
SELECT pgmq.convert_queue('jobs');
DROP INDEX pgmq.mine;

-- After a restore of a dump that PGMQ was in, monitoring may read again
GRANT SELECT ON pgmq.q_jobs, pgmq.a_jobs TO pg_monitor;
SELECT pgmq.convert_queue('jobs');
SELECT has_table_privilege('pg_monitor', 'pgmq.q_jobs', 'SELECT') AS q,
	has_table_privilege('pg_monitor', 'pgmq.a_jobs', 'SELECT') AS a,
	has_column_privilege('pg_monitor', 'pgmq.q_jobs', 'vt', 'SELECT') AS vt;

-- Errors
\set VERBOSITY sqlstate
SELECT pgmq.convert_queue('unknown');
SELECT pgmq.convert_queue(NULL);
SELECT pgmq.convert_queue('bad$name');
SELECT pgmq.convert_queues('{jobs,unknown}');
SELECT pgmq.convert_queues(NULL);
CREATE TABLE pgmq.q_other (a int);
SELECT pgmq.convert_queue('other');
BEGIN READ ONLY;
SELECT pgmq.convert_queue('jobs');
ROLLBACK;
CREATE ROLE regress_pgmq_other;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_other;
CREATE INDEX q_jobs_vt_idx ON pgmq.q_jobs (vt);
SET ROLE regress_pgmq_other;
SELECT pgmq.convert_queue('jobs');
RESET ROLE;

-- A hostile search_path changes nothing
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.format(text, regclass) RETURNS text LANGUAGE sql
AS $$ SELECT 'DROP TABLE pgmq.a_jobs' $$;
SET search_path TO hostile, pg_catalog;
SELECT pgmq.convert_queue('jobs');
SHOW search_path;
RESET search_path;
SELECT count(*) FROM pgmq.a_jobs;

DROP OWNED BY regress_pgmq_other;
DROP ROLE regress_pgmq_other;
\c :home
DROP DATABASE regression_pgmq_adopt;
