-- The owner of the extension, who need not be a superuser, can alter its
-- tables and types: a table or type that no longer fits is an error, never a
-- crash.
SELECT pgmq.create('altered');
SELECT pgmq.bind_topic('#', 'altered');
\set VERBOSITY sqlstate

-- the row type of metrics
BEGIN;
ALTER TYPE pgmq.metrics_result ALTER ATTRIBUTE total_messages TYPE text;
SAVEPOINT s;
SELECT * FROM pgmq.metrics('altered');
ROLLBACK TO s;
SELECT pgmq.metrics('altered');
ROLLBACK TO s;
SELECT * FROM pgmq.metrics_all();
ROLLBACK;
BEGIN;
ALTER TYPE pgmq.metrics_result DROP ATTRIBUTE default_partition_length;
SAVEPOINT s;
SELECT * FROM pgmq.metrics('altered');
ROLLBACK TO s;
SELECT * FROM pgmq.metrics_all();
ROLLBACK;

-- another table in meta's place: names of another type, or none
BEGIN;
ALTER TABLE pgmq.meta RENAME TO meta_away;
CREATE TABLE pgmq.meta (queue_name bigint, is_partitioned text, is_unlogged text);
INSERT INTO pgmq.meta VALUES (5, 'yes', 'no'), (NULL, NULL, NULL);
SELECT queue_length FROM pgmq.metrics_all();
SELECT pgmq.create_fifo_indexes_all();
SAVEPOINT s;
SELECT pgmq.create('5');
ROLLBACK TO s;
UPDATE pgmq.meta SET is_partitioned = 'perhaps';
SELECT pgmq.create('5');
ROLLBACK;

-- another table in the place of the bindings
BEGIN;
ALTER TABLE pgmq.topic_bindings RENAME TO bindings_away;
CREATE TABLE pgmq.topic_bindings (pattern text, queue_name bigint, compiled_regex bigint);
INSERT INTO pgmq.topic_bindings VALUES ('#', 5, 5), (NULL, 6, 6), ('#', NULL, NULL);
SELECT * FROM pgmq.test_routing('a');
SELECT pgmq.create('5');
SELECT pgmq.send_topic('a', '{}');
SELECT * FROM pgmq.send_batch_topic('a', '{1,2}'::jsonb[]);
ROLLBACK;

-- another index in the place of the one that finds a queue's throttle
SELECT pgmq.enable_notify_insert('altered', 0);
BEGIN;
ALTER TABLE pgmq.notify_insert_throttle DROP CONSTRAINT notify_insert_throttle_queue_name_key;
CREATE INDEX notify_insert_throttle_queue_name_key ON pgmq.notify_insert_throttle USING hash (queue_name);
SELECT pgmq.send('altered', '{}');
ROLLBACK;
BEGIN;
ALTER TABLE pgmq.notify_insert_throttle DROP CONSTRAINT notify_insert_throttle_queue_name_key;
CREATE INDEX notify_insert_throttle_queue_name_key ON pgmq.notify_insert_throttle (last_notified_at);
SELECT pgmq.send('altered', '{}');
ROLLBACK;

\set VERBOSITY default
SELECT pgmq.send_topic('a', '{}');
SELECT pgmq.drop_queue('altered');
