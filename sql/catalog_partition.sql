-- catalog_partition: queues and archives that pg_partman keeps in partitions
\set VERBOSITY terse
SELECT i, pgmq._get_partition_col(i) FROM (VALUES ('10000'), (' 7 '), ('-7'), ('2147483647'), ('2147483648'), ('1 day'),
	('daily'), ('1.5'), (''), ('x'), (NULL)) v (i);
SELECT pgmq.create_partitioned('part');
SELECT pgmq.convert_archive_partitioned('part');
SELECT pgmq._ensure_pg_partman_installed();
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq._get_pg_partman_schema() IS NULL AS schema, pgmq._get_pg_partman_major_version() IS NULL AS version;
SELECT count(*) = 0 AS no_partman FROM pg_available_extensions WHERE name = 'pg_partman' \gset
\if :no_partman
\quit
\endif

-- In any schema.
SET client_min_messages = warning;
CREATE SCHEMA part_man;
CREATE EXTENSION pg_partman SCHEMA part_man;
SELECT pgmq._ensure_pg_partman_installed(), pgmq._get_pg_partman_schema(), pgmq._get_pg_partman_major_version() >= 4 AS version;

-- Arguments
SELECT pgmq.create_partitioned('part', premake => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.create_partitioned('part', premake => -1);
SELECT pgmq.create_partitioned('part', premake => NULL);
SELECT pgmq.create_partitioned('part', NULL);
SELECT pgmq.create_partitioned('part', '0');
SELECT pgmq.create_partitioned(NULL);
SELECT pgmq.create_partitioned('part', '100', 'two weeks');
SELECT pgmq.create_partitioned('part', '1 day', 'x');
\set VERBOSITY sqlstate
SELECT pgmq.create_partitioned('part', 'no interval', '1 day');
SELECT pgmq.create_partitioned('part.dotted');
\set VERBOSITY default
BEGIN READ ONLY;
SELECT pgmq.create_partitioned('part');
ROLLBACK;
SELECT to_regclass('pgmq.q_part') IS NULL AS nothing_left, (SELECT count(*) FROM part_man.part_config) AS configured;

-- By id, twice.
SELECT pgmq.create_partitioned('Part', '100', '500', 2);
SET client_min_messages = notice;
SELECT pgmq.create_partitioned('part', '100', '500', 2);
SELECT pgmq.create('part');
SELECT queue_name, is_partitioned, is_unlogged FROM pgmq.list_queues() WHERE queue_name ILIKE 'part';
SELECT parent_table, control, partition_interval, retention, retention_keep_table, retention_keep_index,
	   automatic_maintenance, premake FROM part_man.part_config ORDER BY parent_table DESC;
\d pgmq.q_part
\d pgmq.a_part
SELECT relid::regclass, pg_get_expr(relpartbound, oid) FROM pg_partition_tree('pgmq.q_part') t JOIN pg_class c ON c.oid = t.relid
WHERE isleaf ORDER BY relname COLLATE "C";

-- Messages go in and come out as in any other queue.
SELECT count(*) FROM pgmq.send_batch('part', (SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 250) i));
SELECT msg_id, message FROM pgmq.read('part', 30, 3);
SELECT msg_id FROM pgmq.set_vt('part', 2, 0);
SELECT pgmq.delete('part', 1);
SELECT pgmq.archive('part', ARRAY[3, 150, 250]);
SELECT tableoid::regclass, msg_id FROM pgmq.a_part ORDER BY msg_id;
SELECT msg_id FROM pgmq.pop('part', 2);
SELECT queue_length, total_messages, default_partition_length FROM pgmq.metrics('part');

-- Partitions are stored like a queue, those to come too.
CALL part_man.run_maintenance_proc();
SELECT count(*) > 4 AS more, count(*) FILTER (WHERE reloptions IS DISTINCT FROM
	(SELECT reloptions FROM pg_class WHERE oid = 'pgmq.q_part_p0'::regclass)) AS other, min(reloptions::text)
FROM pg_partition_tree('pgmq.q_part') t JOIN pg_class c ON c.oid = t.relid WHERE isleaf;
-- and reads are HOT
SELECT pg_stat_force_next_flush();
SELECT relname, n_tup_upd, n_tup_hot_upd = n_tup_upd AS hot FROM pg_stat_user_tables WHERE relname = 'q_part_p0';
-- Messages beyond the partitions go to the default one, and metrics counts
-- them.
SELECT count(*) FROM pgmq.send_batch('part', array_fill('{}'::jsonb, ARRAY[500]));
-- (counted, whether or not an ANALYZE has been there)
SELECT default_partition_length = (SELECT count(*) FROM pgmq.q_part_default) AS counted,
	default_partition_length > 0 AS spilled FROM pgmq.metrics('part');
SELECT pgmq.archive('part', max(msg_id)) FROM pgmq.q_part;
SELECT default_partition_length = (SELECT count(*) FROM pgmq.q_part_default) + 1 AS counted FROM pgmq.metrics('part');
-- as long as something is there pg_partman can make no more partitions; this repairs it
SET client_min_messages = warning;
CALL part_man.partition_data_proc('pgmq.q_part');
CALL part_man.partition_data_proc('pgmq.a_part');
RESET client_min_messages;
SELECT default_partition_length, queue_length FROM pgmq.metrics('part');
SELECT msg_id, message, headers FROM pgmq.q_part WHERE msg_id IN (650, 749);
CALL part_man.run_maintenance_proc();
SELECT pgmq.send('part', '{}') > 0 AS goes_on, (SELECT default_partition_length FROM pgmq.metrics('part'));
SELECT pgmq.purge_queue('part');
SELECT pgmq.create_fifo_index('part');
SELECT pgmq.drop_queue('part_default');

-- Monitoring, a publication of all tables.
CREATE ROLE regress_pgmq_part;
GRANT pg_monitor TO regress_pgmq_part;
SET ROLE regress_pgmq_part;
SELECT queue_length FROM pgmq.metrics('part');
SELECT count(message) FROM pgmq.q_part;
RESET ROLE;
DROP ROLE regress_pgmq_part;
SELECT pgmq.send('part', '{}') IS NOT NULL AS sent;
SET client_min_messages = error;
CREATE PUBLICATION part_pub FOR ALL TABLES;
RESET client_min_messages;
SELECT count(*) FROM pgmq.read('part', 0, 1);
SELECT count(*) FROM pgmq.pop('part', 1);

-- Drop leaves nothing: tables, pg_partman's rows and its templates.
SELECT pgmq.drop_queue('part');
DROP PUBLICATION part_pub;
SELECT count(*) FROM part_man.part_config;
SELECT relname FROM pg_class WHERE relname LIKE '%\_part' AND relkind IN ('r', 'p');

-- A queue whose tables were dropped by hand can be created again.
SELECT pgmq.create_partitioned('part', '100');
DROP TABLE pgmq.q_part, pgmq.a_part;
SELECT pgmq.create_partitioned('part', '1 day', '7 days');

-- By time.
SELECT parent_table, control, retention FROM part_man.part_config ORDER BY parent_table DESC;
SELECT pgmq.send('part', '{"n": 1}'), pgmq.send('part', '{"n": 2}'), pgmq.send('part', '{"n": 3}');
SELECT msg_id, message FROM pgmq.read('part', 30, 2);
SELECT pgmq.archive('part', 1), pgmq.delete('part', 2), pgmq.delete('part', 2);
SELECT msg_id, message FROM pgmq.a_part;
-- no id twice, though the primary key has the time in it, too
SELECT setval('pgmq.q_part_msg_id_seq', 2);
SELECT pgmq.send('part', '{"n": 4}');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO pgmq.q_part (msg_id, enqueued_at) VALUES (7, now() - interval '100 days'), (8, now()), (7, now());
BEGIN;
INSERT INTO pgmq.q_part (msg_id, enqueued_at) VALUES (7, now());
DELETE FROM pgmq.q_part WHERE msg_id = 7;
INSERT INTO pgmq.q_part (msg_id, enqueued_at) VALUES (7, now() - interval '100 days');
UPDATE pgmq.q_part SET enqueued_at = now() WHERE msg_id = 7;
INSERT INTO pgmq.q_part (msg_id, enqueued_at) VALUES (7, now() + interval '1 s');
ROLLBACK;
SELECT pgmq.send('part', '{"n": 5}') > 3 AS beyond, count(*) FROM pgmq.q_part;
-- a message that pg_partman moves stays the same
INSERT INTO pgmq.q_part (msg_id, enqueued_at) VALUES (100, now() + interval '60 days');
-- pg_partman 5.5 compares times as texts, which is right only in the form of ISO
SET datestyle = 'ISO';
SET client_min_messages = warning;
CALL part_man.partition_data_proc('pgmq.q_part');
RESET client_min_messages;
RESET datestyle;
SELECT tableoid::regclass <> 'pgmq.q_part_default'::regclass AS moved FROM pgmq.q_part WHERE msg_id = 100;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('pgmq.q_part'::regclass, 'pgmq.a_part'::regclass) ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT pgmq.drop_queue('part');

-- pg_partman does not run with the caller's search_path, and does not change
-- it.
CREATE SCHEMA part_evil;
CREATE FUNCTION part_evil.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR part_evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = part_evil.never);
BEGIN;
SET LOCAL search_path = part_evil, pg_catalog;
SELECT pgmq.create_partitioned('part', '100', '500', 2);
SHOW search_path;
COMMIT;
SHOW search_path;
SELECT pgmq.drop_queue('part');
DROP OPERATOR part_evil.= (text, text);
DROP FUNCTION part_evil.never;
DROP SCHEMA part_evil;

-- An archive becomes partitioned; its messages stay where they are.
SELECT pgmq.create('par-t');
SELECT count(*) FROM pgmq.send_batch('par-t', array_fill('{}'::jsonb, ARRAY[1000]));
SELECT count(*) FROM pgmq.archive('par-t', ARRAY(SELECT generate_series(1, 950)));
SELECT pgmq.convert_archive_partitioned('Par-T', '100', '1000', 3);
SELECT relid::regclass, pg_get_expr(relpartbound, oid) FROM pg_partition_tree('pgmq."a_par-t"') t JOIN pg_class c ON c.oid = t.relid
WHERE isleaf ORDER BY relname COLLATE "C";
SELECT (SELECT count(*) FROM pgmq."a_par-t") AS archive, (SELECT count(*) FROM pgmq."a_par-t_old") AS old;
SELECT pgmq.archive('par-t', 1000);
SELECT tableoid::regclass FROM pgmq."a_par-t";
SELECT parent_table, control, retention, retention_keep_table, premake FROM part_man.part_config;
SELECT has_column_privilege('pg_monitor', 'pgmq."a_par-t"', 'archived_at', 'SELECT') AS monitor,
	   has_column_privilege('pg_monitor', 'pgmq."a_par-t"', 'message', 'SELECT') AS monitor_body;
SELECT pgmq.convert_archive_partitioned('par-t');
SELECT pgmq.convert_archive_partitioned('none');
SELECT pgmq.convert_archive_partitioned(NULL);
SELECT pgmq.drop_queue('par-t');
SELECT count(*) FROM part_man.part_config;
DROP TABLE pgmq."a_par-t_old";
-- Owner, grants and row-level security go along.
CREATE ROLE "regress pgmq own";
CREATE ROLE regress_pgmq_use;
SELECT pgmq.create('part');
ALTER TABLE pgmq.a_part OWNER TO "regress pgmq own";
ALTER TABLE pgmq.q_part OWNER TO "regress pgmq own";
GRANT USAGE ON SCHEMA pgmq TO "regress pgmq own";
GRANT INSERT ON pgmq.a_part TO regress_pgmq_use WITH GRANT OPTION;
GRANT SELECT (msg_id, headers) ON pgmq.a_part TO PUBLIC;
ALTER TABLE pgmq.a_part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "own ""rows""" ON pgmq.a_part FOR SELECT TO regress_pgmq_use, "regress pgmq own" USING (headers ->> 'role' = current_user);
CREATE POLICY adds ON pgmq.a_part AS RESTRICTIVE FOR INSERT WITH CHECK (msg_id > 0);
CREATE POLICY "all" ON pgmq.a_part USING (true);
SELECT pgmq.convert_archive_partitioned('part');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'a_part';
SELECT policyname, permissive, roles, cmd, qual, with_check FROM pg_policies WHERE tablename = 'a_part' ORDER BY 1;
SELECT n.policyname FROM pg_policies n JOIN pg_policies o USING (policyname, permissive, roles, cmd)
WHERE n.tablename = 'a_part' AND o.tablename = 'a_part_old' AND (n.qual, n.with_check) IS NOT DISTINCT FROM (o.qual, o.with_check) ORDER BY 1;
SELECT relowner::regrole, has_table_privilege('regress_pgmq_use', oid, 'INSERT WITH GRANT OPTION') AS "insert",
	   has_table_privilege('regress_pgmq_use', oid, 'SELECT') AS "select" FROM pg_class WHERE relname = 'a_part';
SELECT attname, has_column_privilege('regress_pgmq_use', attrelid, attnum, 'SELECT') AS "public",
	   has_column_privilege('pg_monitor', attrelid, attnum, 'SELECT') AS monitor
FROM pg_attribute WHERE attrelid = 'pgmq.a_part'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pgmq.drop_queue('part');
DROP TABLE pgmq.a_part_old;
-- Functions of the owner do not run with the rights of a superuser that converts the archive.
CREATE FUNCTION part_checks(bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RAISE WARNING 'a superuser runs it'; END IF;
	RETURN true; END $$;
CREATE DOMAIN part_domain AS bigint CHECK (part_checks(VALUE));
SELECT pgmq.create('part');
ALTER TABLE pgmq.a_part OWNER TO "regress pgmq own";
ALTER TABLE pgmq.q_part OWNER TO "regress pgmq own";
SET ROLE "regress pgmq own";
CREATE POLICY checks ON pgmq.a_part USING (msg_id = ANY ('{1}'::part_domain[]));
RESET ROLE;
SELECT pgmq.convert_archive_partitioned('part');
SELECT policyname, qual FROM pg_policies WHERE tablename = 'a_part';
SELECT pgmq.drop_queue('part');
DROP TABLE pgmq.a_part_old;
DROP DOMAIN part_domain;
SELECT pgmq.create('part');
DROP TABLE pgmq.q_part;
CREATE VIEW pgmq.q_part AS SELECT 1::bigint AS msg_id WHERE part_checks(1);
SELECT pgmq.convert_archive_partitioned('part');
DROP VIEW pgmq.q_part;
SELECT pgmq.drop_queue('part');
DROP FUNCTION part_checks;
REVOKE USAGE ON SCHEMA pgmq FROM "regress pgmq own";
DROP ROLE "regress pgmq own", regress_pgmq_use;
-- Other objects that users have added are refused by name, since the new one would
-- lack them.
SELECT pgmq.create('part');
CREATE FUNCTION part_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
ALTER TABLE pgmq.a_part ADD COLUMN "my own" text, ADD CHECK (msg_id > 0), ADD UNIQUE (enqueued_at),
	ALTER COLUMN message SET COMPRESSION pglz, ALTER COLUMN headers SET STORAGE external, ALTER COLUMN vt SET STATISTICS 10,
	ALTER COLUMN last_read_at SET DEFAULT now(), SET (fillfactor = 50), REPLICA IDENTITY FULL;
CREATE INDEX part_gin ON pgmq.a_part USING gin (message);
CREATE INDEX part_some ON pgmq.a_part (archived_at) WHERE msg_id > 5;
CREATE TRIGGER mine AFTER INSERT ON pgmq.a_part FOR EACH ROW EXECUTE FUNCTION part_nothing();
CREATE RULE mine AS ON DELETE TO pgmq.a_part WHERE false DO ALSO NOTHING;
CREATE STATISTICS pgmq.part_stats ON read_ct, vt FROM pgmq.a_part;
CREATE TABLE part_refers (id bigint CONSTRAINT part_fkey REFERENCES pgmq.a_part);
SET client_min_messages = error;
CREATE PUBLICATION part_pub FOR TABLE pgmq.a_part;
RESET client_min_messages;
SELECT pgmq.convert_archive_partitioned('part');
\echo :LAST_ERROR_SQLSTATE
DROP PUBLICATION part_pub;
DROP TABLE part_refers;
DROP STATISTICS pgmq.part_stats;
ALTER TABLE pgmq.a_part SET UNLOGGED, DROP COLUMN "my own", RESET (fillfactor), REPLICA IDENTITY DEFAULT;
SELECT pgmq.convert_archive_partitioned('part');
SELECT pgmq.drop_queue('part');
DROP FUNCTION part_nothing();
-- where there is none a stranger locks no name
CREATE ROLE regress_pgmq_use;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_use;
SET ROLE regress_pgmq_use;
BEGIN;
SELECT pgmq.convert_archive_partitioned('part');
SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
RESET ROLE;
REVOKE USAGE ON SCHEMA pgmq FROM regress_pgmq_use;
DROP ROLE regress_pgmq_use;
-- what is no archive
CREATE VIEW pgmq.a_part AS SELECT 1 AS one;
SELECT pgmq.convert_archive_partitioned('part');
DROP VIEW pgmq.a_part;
-- by time, and of the longest name
SELECT pgmq.create(repeat('p', 47));
SELECT pgmq.convert_archive_partitioned(repeat('p', 47), '1 month', '1 year');
SELECT pgmq.send(repeat('p', 47), '{}'), pgmq.archive(repeat('p', 47), 1);
SELECT pgmq.drop_queue(repeat('p', 47));
SELECT string_agg(format('DROP TABLE pgmq.%I', relname), '; ') AS drop FROM pg_class WHERE relname LIKE 'a\_ppp%\_old' AND relkind = 'r' \gset
:drop;
SELECT relname FROM pg_class WHERE relname LIKE '%ppppp%' AND relkind IN ('r', 'p');

-- pg_partman's rows of a queue whose tables were dropped by hand are removed when the name is used
-- again, and when the queue is dropped.
SELECT pgmq.create_partitioned('part');
DROP TABLE pgmq.q_part, pgmq.a_part;
SELECT pgmq.create('part');
SELECT count(*) FROM part_man.part_config;
SELECT pgmq.drop_queue('part');
SELECT pgmq.create_partitioned('part');
DROP TABLE pgmq.q_part, pgmq.a_part;
SELECT pgmq.drop_queue('part');
SELECT count(*) FROM part_man.part_config;

DROP EXTENSION pg_partman;
DROP SCHEMA part_man;
