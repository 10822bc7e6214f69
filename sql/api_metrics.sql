-- api_metrics: how a queue stands
SELECT pgmq.create('m');
SELECT queue_name, queue_length, newest_msg_age_sec, oldest_msg_age_sec, total_messages,
	   scrape_time BETWEEN now() AND clock_timestamp() AS scraped_now, queue_visible_length, default_partition_length
FROM pgmq.metrics('m');

-- leased and delayed messages count, but cannot be seen
SELECT count(*) FROM pgmq.send_batch('m', array_fill('{}'::jsonb, ARRAY[10]));
SELECT count(*) FROM pgmq.send_batch('m', array_fill('{}'::jsonb, ARRAY[5]), 3600);
SELECT count(*) FROM pgmq.read('m', 3600, 3);
SELECT pgmq.delete('m', 1);
SELECT queue_length, queue_visible_length, total_messages FROM pgmq.metrics('m');

-- ages by the clock
UPDATE pgmq.q_m SET enqueued_at = clock_timestamp() - make_interval(secs => 100 * msg_id);
SELECT newest_msg_age_sec - 1500 BETWEEN -1300 AND -1295 AS newest, oldest_msg_age_sec - 1500 BETWEEN 0 AND 5 AS oldest
FROM pgmq.metrics('m');
-- also within a transaction that has been open for a while
BEGIN;
SELECT pg_sleep(0.01);
SELECT pgmq.send('m', '{}');
SELECT queue_visible_length, scrape_time > now() + interval '10 ms' AS scraped_later FROM pgmq.metrics('m');
ROLLBACK;
-- out of the range of their type
UPDATE pgmq.q_m SET enqueued_at = CASE msg_id WHEN 2 THEN '-infinity' WHEN 3 THEN '4000-01-01' ELSE now() END::timestamptz;
SELECT newest_msg_age_sec, oldest_msg_age_sec FROM pgmq.metrics('m');
UPDATE pgmq.q_m SET enqueued_at = 'infinity' WHERE msg_id = 3;
SELECT newest_msg_age_sec, oldest_msg_age_sec FROM pgmq.metrics('m');

-- all that were ever sent
SELECT pgmq.purge_queue('m');
SELECT queue_length, newest_msg_age_sec, oldest_msg_age_sec, total_messages FROM pgmq.metrics('m');

-- Where the name of a plain queue looks like a partition's, nothing is counted.
SELECT pgmq.create('m_default');
SELECT pgmq.send('m_default', '{}');
ANALYZE pgmq.q_m_default;
SELECT queue_length, default_partition_length FROM pgmq.metrics('m');
-- In a queue that has a default partition the rows in it are counted, as far
-- as they are known.
CREATE TABLE pgmq.q_m_part (LIKE pgmq.q_m INCLUDING DEFAULTS, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
ALTER TABLE pgmq.q_m_part ALTER msg_id SET DEFAULT 0;
CREATE TABLE pgmq.a_m_part (LIKE pgmq.a_m INCLUDING DEFAULTS, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
SELECT pgmq.create('m_part');
SELECT queue_length, total_messages, default_partition_length FROM pgmq.metrics('m_part');
CREATE TABLE pgmq.a_m_part_rest PARTITION OF pgmq.a_m_part DEFAULT;
SELECT default_partition_length FROM pgmq.metrics('m_part');
CREATE TABLE pgmq.q_m_part_rest PARTITION OF pgmq.q_m_part DEFAULT;
SELECT default_partition_length FROM pgmq.metrics('m_part');
INSERT INTO pgmq.q_m_part (msg_id) SELECT generate_series(1, 7);
INSERT INTO pgmq.a_m_part (msg_id) SELECT generate_series(1, 4);
ANALYZE pgmq.q_m_part, pgmq.a_m_part;
SELECT queue_length, default_partition_length FROM pgmq.metrics('m_part');

-- It only reads.
BEGIN READ ONLY;
SELECT queue_length FROM pgmq.metrics('m_part');
SELECT queue_name, queue_length FROM pgmq.metrics_all() WHERE queue_name LIKE 'm%';
COMMIT;

-- All queues, in order; one that cannot be examined is left out, and named.
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('m_lost', false, false);
SELECT pgmq.create('m_maimed');
ALTER TABLE pgmq.q_m_maimed DROP enqueued_at;
SELECT queue_name, queue_length FROM pgmq.metrics_all() WHERE queue_name LIKE 'm%';
-- the transaction goes on
BEGIN;
SELECT count(*) FROM pgmq.metrics_all() WHERE queue_name LIKE 'm%';
-- and no lock of the queues is kept
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'pgmq.q_m'::regclass;
COMMIT;
SELECT * FROM pgmq.metrics('m_lost');
SELECT * FROM pgmq.metrics('m_maimed');
DELETE FROM pgmq.meta WHERE queue_name = 'm_lost';

-- But a cancel cancels.
CREATE ROLE regress_pgmq_slow;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_slow;
GRANT SELECT ON ALL TABLES IN SCHEMA pgmq TO regress_pgmq_slow;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA pgmq TO regress_pgmq_slow;
ALTER TABLE pgmq.q_m_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON pgmq.q_m_default USING (pg_sleep(60) IS NULL);
SET ROLE regress_pgmq_slow;
SET statement_timeout = 100;
\set VERBOSITY terse
SELECT count(*) FROM pgmq.metrics_all();
\set VERBOSITY default
RESET ROLE;
-- nor does it matter that a function catches it, and raises something of its own
CREATE FUNCTION m_hide() RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'hidden'; END $$;
ALTER POLICY slow ON pgmq.q_m_default USING (m_hide() IS NULL);
SET ROLE regress_pgmq_slow;
\set VERBOSITY terse
SELECT count(*) FROM pgmq.metrics_all();
\set VERBOSITY default
RESET statement_timeout;
RESET ROLE;
DROP POLICY slow ON pgmq.q_m_default;
DROP FUNCTION m_hide();
-- and what a policy raises by the code of a cancel, or as an assertion, does not
CREATE FUNCTION m_raise(state text) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'no cancel' USING ERRCODE = state; END $$;
CREATE POLICY slow ON pgmq.q_m_default USING (m_raise('57014'));
SET ROLE regress_pgmq_slow;
SELECT queue_name FROM pgmq.metrics_all() WHERE queue_name IN ('m', 'm_default', 'm_part');
RESET ROLE;
ALTER POLICY slow ON pgmq.q_m_default USING (m_raise('P0004'));
SET ROLE regress_pgmq_slow;
SELECT queue_name FROM pgmq.metrics_all() WHERE queue_name IN ('m', 'm_default', 'm_part');
RESET ROLE;
DROP POLICY slow ON pgmq.q_m_default;
DROP FUNCTION m_raise(text);
-- and rows that a role may not see do not count
SET ROLE regress_pgmq_slow;
SELECT queue_length FROM pgmq.metrics('m_default');
RESET ROLE;
DROP OWNED BY regress_pgmq_slow;
DROP ROLE regress_pgmq_slow;

SELECT * FROM pgmq.metrics(NULL);
SELECT pgmq.drop_queue(q) FROM unnest(ARRAY['m', 'm_default', 'm_part', 'm_maimed']) q;
