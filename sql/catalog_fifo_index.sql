-- catalog_fifo_index: the index that serves reads by group
SELECT pgmq.create('fi');
SELECT pgmq.create_fifo_index('fi');
SELECT pgmq.create_fifo_index('FI');
SELECT pg_get_indexdef('pgmq.q_fi_fifo_idx'::regclass);
SELECT pgmq._create_fifo_index_if_not_exists('fi');

-- PGMQ's index of that name is replaced.
DROP INDEX pgmq.q_fi_fifo_idx;
CREATE INDEX q_fi_fifo_idx ON pgmq.q_fi USING gin (headers);
SELECT pgmq.create_fifo_index('fi');
SELECT amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE relname = 'q_fi_fifo_idx';

-- It serves: the part of it that a call reads depends on the messages taken,
-- not on the queue.
SELECT count(*) FROM pgmq.send_batch('fi',
	(SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 5000) i),
	(SELECT array_agg(jsonb_build_object('x-pgmq-group', 'g' || i % 1000)) FROM generate_series(1, 5000) i));
ANALYZE pgmq.q_fi;
SELECT pg_stat_force_next_flush();
SELECT seq_scan AS seq_before FROM pg_stat_user_tables WHERE relname = 'q_fi' \gset
SELECT idx_tup_read AS idx_before FROM pg_stat_user_indexes WHERE indexrelname = 'q_fi_fifo_idx' \gset
SELECT msg_id FROM pgmq.read_grouped('fi', 30, 7);
SELECT pg_stat_force_next_flush();
SELECT seq_scan - :seq_before AS seq_scans FROM pg_stat_user_tables WHERE relname = 'q_fi';
SELECT idx_tup_read - :idx_before BETWEEN 5 AND 100 AS served FROM pg_stat_user_indexes WHERE indexrelname = 'q_fi_fifo_idx';
-- a read changes none of its columns
SELECT n_tup_upd > 0 AND n_tup_hot_upd = n_tup_upd AS hot FROM pg_stat_user_tables WHERE relname = 'q_fi';

-- Partitions too, those to come included.
CREATE TABLE pgmq.q_fi_part (LIKE pgmq.q_fi INCLUDING DEFAULTS, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
ALTER TABLE pgmq.q_fi_part ALTER msg_id SET DEFAULT 0;
CREATE TABLE pgmq.a_fi_part (LIKE pgmq.a_fi INCLUDING ALL);
CREATE TABLE pgmq.q_fi_part_p0 PARTITION OF pgmq.q_fi_part FOR VALUES FROM (0) TO (10);
SELECT pgmq.create('fi_part');
SELECT pgmq.create_fifo_index('fi_part');
CREATE TABLE pgmq.q_fi_part_p1 PARTITION OF pgmq.q_fi_part FOR VALUES FROM (10) TO (20);
SELECT relid::regclass, level FROM pg_partition_tree('pgmq.q_fi_part_fifo_idx') ORDER BY level, relid::regclass::text COLLATE "C";
SELECT pgmq.create_fifo_index('fi_part');

-- All queues; one that is in meta but does not exist needs none.
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('fi_lost', false, false);
SELECT pgmq.create('fi_two');
SET client_min_messages = warning;
SELECT pgmq.create_fifo_indexes_all();
RESET client_min_messages;
SELECT count(*) FROM pgmq.meta m WHERE to_regclass('pgmq.' || quote_ident('q_' || lower(queue_name) || '_fifo_idx')) IS NULL
	AND queue_name <> 'fi_lost';
DELETE FROM pgmq.meta WHERE queue_name = 'fi_lost';

-- A name that is taken, and a queue that does not exist.
SELECT pgmq.drop_queue('fi_two');
SELECT pgmq.create('fi_two_fifo_idx');
SELECT pgmq.create('fi_two');
\set VERBOSITY terse
SELECT pgmq.create_fifo_index('fi_two');
\set VERBOSITY default
SELECT pgmq.create_fifo_index('fi_none');
SELECT pgmq.create_fifo_index(NULL);
BEGIN READ ONLY;
SELECT pgmq.create_fifo_index('fi');
ROLLBACK;
SELECT pgmq.drop_queue(q) FROM unnest(ARRAY['fi', 'fi_part', 'fi_two', 'fi_two_fifo_idx']) q;
