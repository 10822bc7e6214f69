-- Kept plans follow every change of the queue's tables, and never become
-- sequential scans.
SET client_min_messages = warning;
CREATE PROCEDURE pg_temp.all_verbs(queue text, OUT outcome text) LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
BEGIN
	SELECT array_agg(s) INTO ids FROM pgmq.send_batch(queue, ARRAY['1', '2', '3', '4', '5', '6', '7']::jsonb[]) s;
	ids := ids || (SELECT s FROM pgmq.send(queue, '8') s);
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.read(queue, 30, 3)) = ids[1:3], 'read';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.read(queue, 30, 3, '4')) = ids[4:4], 'conditional read';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.pop(queue)) = ids[5:5], 'pop';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.set_vt(queue, ids[1], 0)) = ids[1:1], 'set_vt';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.set_vt(queue, ids[1:2], 0)) = ids[1:2], 'set_vt of several';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.set_vt(queue, ids[1:2], 0, ARRAY[1, 1])) = ids[1:2], 'fenced set_vt';
	ASSERT pgmq.delete(queue, ids[1]), 'delete';
	ASSERT (SELECT array_agg(d) FROM pgmq.delete(queue, ids[1:3]) d) = ids[2:3], 'delete of several';
	ASSERT pgmq.delete(queue, ids[4], 1), 'fenced delete';
	ASSERT pgmq.archive(queue, ids[6]), 'archive';
	ASSERT (SELECT array_agg(d) FROM pgmq.archive(queue, ids[6:7]) d) = ids[7:7], 'archive of several';
	ASSERT pgmq.archive(queue, ids[8], 0), 'fenced archive';
	outcome := 'ok, from ' || ids[1];
END
$$;
SELECT pgmq.create('plan');
CALL pg_temp.all_verbs('plan', NULL);
CALL pg_temp.all_verbs('plan', NULL);

-- dropped and made again
SELECT pgmq.drop_queue('plan');
SELECT pgmq.create('plan');
CALL pg_temp.all_verbs('plan', NULL);
-- in a transaction that is rolled back, and a subtransaction
BEGIN;
SELECT pgmq.drop_queue('plan');
SELECT pgmq.create('plan');
CALL pg_temp.all_verbs('plan', NULL);
SAVEPOINT s;
SELECT pgmq.drop_queue('plan');
SELECT pgmq.create('plan');
CALL pg_temp.all_verbs('plan', NULL);
ROLLBACK TO s;
CALL pg_temp.all_verbs('plan', NULL);
ROLLBACK;
CALL pg_temp.all_verbs('plan', NULL);
BEGIN;
SAVEPOINT s;
SELECT pgmq.drop_queue('plan');
\set VERBOSITY sqlstate
SELECT pgmq.send('plan', '1');
\set VERBOSITY default
ROLLBACK TO s;
CALL pg_temp.all_verbs('plan', NULL);
COMMIT;
-- changed under the plans within one transaction
BEGIN;
ALTER TABLE pgmq.q_plan RENAME TO q_plan5;
ALTER TABLE pgmq.a_plan RENAME TO a_plan5;
CALL pg_temp.all_verbs('plan5', NULL);
CREATE TABLE pgmq.q_plan (LIKE pgmq.q_plan5 INCLUDING ALL);
CREATE TABLE pgmq.a_plan (LIKE pgmq.a_plan5 INCLUDING ALL);
CALL pg_temp.all_verbs('plan', NULL);
CALL pg_temp.all_verbs('plan5', NULL);
SAVEPOINT s;
ALTER TABLE pgmq.q_plan5 DROP COLUMN headers;
\set VERBOSITY sqlstate
SELECT pgmq.read('plan5', 0, 1);
\set VERBOSITY default
ROLLBACK TO s;
CALL pg_temp.all_verbs('plan5', NULL);
ROLLBACK;
CALL pg_temp.all_verbs('plan', NULL);
-- renamed: the name is what counts, not the table that had it
ALTER TABLE pgmq.q_plan RENAME TO q_plan2;
ALTER TABLE pgmq.a_plan RENAME TO a_plan2;
CALL pg_temp.all_verbs('plan2', NULL);
\set VERBOSITY sqlstate
SELECT pgmq.send('plan', '1');
\set VERBOSITY default
SELECT pgmq.create('plan3');
CALL pg_temp.all_verbs('plan3', NULL);
BEGIN;
ALTER TABLE pgmq.q_plan2 RENAME TO q_plan4;
ALTER TABLE pgmq.q_plan3 RENAME TO q_plan2;
ALTER TABLE pgmq.q_plan4 RENAME TO q_plan3;
ALTER TABLE pgmq.a_plan2 RENAME TO a_plan4;
ALTER TABLE pgmq.a_plan3 RENAME TO a_plan2;
ALTER TABLE pgmq.a_plan4 RENAME TO a_plan3;
COMMIT;
CALL pg_temp.all_verbs('plan2', NULL);
CALL pg_temp.all_verbs('plan3', NULL);
ALTER TABLE pgmq.q_plan2 RENAME TO q_plan;
ALTER TABLE pgmq.a_plan2 RENAME TO a_plan;
CALL pg_temp.all_verbs('plan', NULL);
SELECT pgmq.drop_queue('plan');
-- columns that come and go
ALTER TABLE pgmq.q_plan3 ADD COLUMN note text DEFAULT 'none';
CALL pg_temp.all_verbs('plan3', NULL);
ALTER TABLE pgmq.q_plan3 DROP COLUMN note;
ALTER TABLE pgmq.a_plan3 ADD COLUMN note text;
CALL pg_temp.all_verbs('plan3', NULL);
ALTER TABLE pgmq.q_plan3 DROP COLUMN headers;
ALTER TABLE pgmq.q_plan3 ADD COLUMN headers jsonb;
CALL pg_temp.all_verbs('plan3', NULL);
-- what else invalidates
ANALYZE pgmq.q_plan3;
CALL pg_temp.all_verbs('plan3', NULL);
VACUUM FULL pgmq.q_plan3;
CALL pg_temp.all_verbs('plan3', NULL);
TRUNCATE pgmq.q_plan3;
CALL pg_temp.all_verbs('plan3', NULL);
CREATE INDEX ON pgmq.q_plan3 (vt);
CALL pg_temp.all_verbs('plan3', NULL);
DISCARD PLANS;
CALL pg_temp.all_verbs('plan3', NULL);
SELECT pgmq.drop_queue('plan3');
RESET client_min_messages;

-- Plans that are made while the queue is empty are index scans when it fills.
CREATE VIEW pg_temp.scans AS SELECT seq_scan, idx_tup_fetch FROM pg_stat_user_tables WHERE relid = to_regclass('pgmq.q_empty');
CREATE PROCEDURE pg_temp.each_verb() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgmq.send('empty', '{}'), pgmq.send_batch('empty', ARRAY['{}']::jsonb[]);
	PERFORM pgmq.read('empty', 30, 1), pgmq.read('empty', 30, 100), pgmq.read('empty', 30, 1, '{"n": 1}'), pgmq.read_with_poll('empty', 30, 1, 0);
	PERFORM pgmq.pop('empty'), pgmq.pop('empty', 100);
	PERFORM pgmq.set_vt('empty', 1000, 30), pgmq.set_vt('empty', ARRAY[1000, 1001], 30), pgmq.set_vt('empty', ARRAY[1000, 1001], 30, ARRAY[1, 2]);
	PERFORM pgmq.delete('empty', 2000), pgmq.delete('empty', ARRAY[2001, 2002]), pgmq.delete('empty', 2003, 0);
	PERFORM pgmq.archive('empty', 3000), pgmq.archive('empty', ARRAY[3001, 3002]), pgmq.archive('empty', 3003, 0);
END
$$;
SELECT pgmq.create('empty');
VACUUM ANALYZE pgmq.q_empty;
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan AS before, idx_tup_fetch AS fetched FROM scans \gset
CALL pg_temp.each_verb();
-- the same without our care, to see that there is a trap, and that the measure measures
SET plan_cache_mode = force_generic_plan;
PREPARE careless (bigint[]) AS DELETE FROM pgmq.q_empty WHERE msg_id = ANY ($1);
EXPLAIN (COSTS OFF) EXECUTE careless ('{1}');
RESET plan_cache_mode;
SELECT count(*) FROM pgmq.send_batch('empty', (SELECT array_agg('{"n": 1}'::jsonb) FROM generate_series(1, 100000)));
CALL pg_temp.each_verb();
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan - :before AS when_it_has_filled, idx_tup_fetch - :fetched < 10000 AS few_rows FROM scans;
ANALYZE pgmq.q_empty;
CALL pg_temp.each_verb();
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan - :before AS after_analyze, idx_tup_fetch - :fetched < 10000 AS few_rows FROM scans;
-- The session's own settings do not mislead the planner either.
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET random_page_cost = 1000;
SET jit_above_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
ANALYZE pgmq.q_empty;
CALL pg_temp.each_verb();
SET plan_cache_mode = force_custom_plan;
CALL pg_temp.each_verb();
RESET ALL;
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan - :before AS with_other_settings FROM scans;
CALL pg_temp.each_verb();
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan - :before AS and_back FROM scans;
SELECT count(*) > 100 FROM (SELECT * FROM pgmq.q_empty OFFSET 0) s;
SELECT pg_stat_force_next_flush() \g /dev/null
SELECT seq_scan - :before AS measured FROM scans;
DROP VIEW scans;
SELECT pgmq.drop_queue('empty');

-- More plans than are kept: queues make room.
SET pgmq_c.max_plans = 1300;
SET client_min_messages = warning;
DO $$
BEGIN
	FOR n IN 1..80 LOOP
		PERFORM pgmq.create('many' || n);
		COMMIT;
		PERFORM pgmq.send('many' || n, to_jsonb(n));
		PERFORM pgmq.send_batch('many' || n, ARRAY['0', '0', '0', '0', '0']::jsonb[]);
		PERFORM pgmq.read('many' || n, 0, 1);
		PERFORM pgmq.read('many' || n, 0, 1, '{"a": 1}');
		PERFORM pgmq.set_vt('many' || n, 2, 0);
		PERFORM pgmq.delete('many' || n, 3);
		PERFORM pgmq.delete('many' || n, ARRAY[4]);
		PERFORM pgmq.archive('many' || n, 5);
		PERFORM pgmq.set_vt('many' || n, ARRAY[2], 0);
		PERFORM pgmq.archive('many' || n, ARRAY[9]);
		PERFORM pgmq.pop('many' || n, 0);
		PERFORM pgmq.peek('many' || n);
		PERFORM pgmq.peek_archive('many' || n);
		PERFORM pgmq.nack('many' || n, 9, 1);
		PERFORM pgmq.read_grouped_head('many' || n, 0, 1);
		PERFORM pgmq.delete('many' || n, 9, 1);
		PERFORM pgmq.archive('many' || n, 9, 1);
		PERFORM pgmq.set_vt('many' || n, 9, 1, 1);
		PERFORM pgmq.metrics('many' || n);
		PERFORM pgmq.unarchive('many' || n, 99);
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) BETWEEN 1200 AND 1400 AS kept FROM pg_backend_memory_contexts WHERE name = 'SPI Plan';
-- most newcomers, not most of those that were there
SELECT n, EXISTS (SELECT FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident ~ ('q_many' || n || '\M')) AS kept
FROM unnest(ARRAY[1, 8, 40, 80]) n;
-- in one transaction too
DO $$
BEGIN
	FOR n IN 1..80 LOOP
		ASSERT (SELECT message FROM pgmq.read('many' || n, 0, 1)) = to_jsonb(n);
	END LOOP;
END
$$;
SELECT count(*) <= 1400 AS kept FROM pg_backend_memory_contexts WHERE name = 'SPI Plan';
DO $$
BEGIN
	FOR n IN 1..80 LOOP
		PERFORM pgmq.drop_queue('many' || n);
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) < 100 AS freed FROM pg_backend_memory_contexts WHERE name = 'SPI Plan';
