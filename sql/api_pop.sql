-- api_pop: read and delete at once
SELECT pgmq.create('pop');
SELECT count(*) FROM pgmq.send_batch('pop', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 10) n),
									 (SELECT array_agg(jsonb_build_object('h', n) ORDER BY n) FROM generate_series(1, 10) n));

-- One, the oldest, unless more are asked for; as it was stored.
CREATE TEMP TABLE stored AS SELECT msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers FROM pgmq.q_pop;
CREATE TEMP TABLE popped AS SELECT * FROM pgmq.pop('pop');
SELECT msg_id, read_ct, last_read_at, message, headers FROM popped;
SELECT count(*) AS same FROM popped p JOIN stored s ON p IS NOT DISTINCT FROM s;
SELECT msg_id FROM pgmq.pop('pop', 3);
SELECT msg_id FROM pgmq.pop(queue_name => 'pop', qty => 1);
SELECT msg_id FROM pgmq.q_pop ORDER BY msg_id;

-- neither messages in flight nor delayed ones
SELECT msg_id FROM pgmq.read('pop', 30, 1);
UPDATE pgmq.q_pop SET vt = now() + '1 hour' WHERE msg_id = 8;
SELECT msg_id FROM pgmq.pop('pop', 2);
SELECT msg_id FROM pgmq.q_pop ORDER BY msg_id;
-- a message that was read before shows it
UPDATE pgmq.q_pop SET vt = now() WHERE msg_id = 6;
SELECT msg_id, read_ct, last_read_at IS NOT NULL AS was_read FROM pgmq.pop('pop', 0);
SELECT msg_id, read_ct, last_read_at IS NOT NULL AS was_read FROM pgmq.pop('pop', 2147483647);
SELECT msg_id FROM pgmq.q_pop ORDER BY msg_id;
SELECT * FROM pgmq.pop('pop');

-- A NULL is not "everything".
UPDATE pgmq.q_pop SET vt = now();
\set VERBOSITY sqlstate
SELECT * FROM pgmq.pop('pop', NULL);
SELECT * FROM pgmq.pop('pop', -1);
\set VERBOSITY default
SELECT count(*) FROM pgmq.q_pop;

-- A rolled back pop took nothing.
BEGIN;
SELECT msg_id FROM pgmq.pop('pop');
ROLLBACK;
SELECT msg_id FROM pgmq.pop('pop');
-- The archive knows nothing of it.
SELECT count(*) FROM pgmq.a_pop;

SELECT pgmq.drop_queue('pop');
