-- api_set_vt: change when a message is readable
SELECT pgmq.create('set_vt');
SELECT count(*) FROM pgmq.send_batch('set_vt', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 10) n));

-- seconds from now, or a point in time; the message is returned, and not counted as read
SELECT clock_timestamp() AS before \gset
SELECT msg_id, read_ct, last_read_at, message,
	   vt BETWEEN timestamptz :'before' + interval '100 s' AND clock_timestamp() + interval '100 s' AS in_time FROM pgmq.set_vt('set_vt', 1, 100);
SELECT msg_id, vt = '2100-01-01 00:00+00' AS at FROM pgmq.set_vt('set_vt', 2, timestamptz '2100-01-01 00:00+00');
SELECT msg_id, vt BETWEEN timestamptz :'before' - interval '5 s' AND clock_timestamp() - interval '5 s' AS in_time
FROM pgmq.set_vt(queue_name => 'set_vt', msg_id => 3, vt => -5);
SELECT msg_id, vt FROM pgmq.set_vt(queue_name => 'set_vt', msg_id => 4, vt => timestamptz 'infinity');
SELECT msg_id FROM pgmq.read('set_vt', 0, 3);
-- the row returned is the row stored
CREATE TEMP TABLE got AS SELECT * FROM pgmq.set_vt('set_vt', 3, 100);
SELECT got.msg_id, got.read_ct, got.last_read_at IS NOT NULL AS was_read,
	   got IS NOT DISTINCT FROM (q.msg_id, q.read_ct, q.enqueued_at, q.last_read_at, q.vt, q.message, q.headers) AS same
FROM got JOIN pgmq.q_set_vt q USING (msg_id);

-- none there
SELECT * FROM pgmq.set_vt('set_vt', 100, 1);
SELECT * FROM pgmq.set_vt('set_vt', NULL::bigint, 1);
SELECT * FROM pgmq.set_vt('set_vt', 100, timestamptz '2100-01-01 00:00+00');

-- Several: in order, each once, with one vt.
SELECT msg_id FROM pgmq.set_vt('set_vt', ARRAY[10, 100, 8, 9, -1, 8, NULL, 1], 100);
SELECT count(DISTINCT vt) FROM pgmq.q_set_vt WHERE msg_id IN (1, 8, 9, 10);
SELECT msg_id, vt = '2100-01-01 00:00+00' AS at FROM pgmq.set_vt('set_vt', ARRAY[6, 5], timestamptz '2100-01-01 00:00+00');
SELECT msg_id, vt < now() AS due FROM pgmq.set_vt(queue_name => 'set_vt', msg_ids => ARRAY[6, 5], vt => -100);
SELECT msg_id, vt FROM pgmq.set_vt(queue_name => 'set_vt', msg_ids => ARRAY[6, 5], vt => timestamptz '-infinity');
SELECT * FROM pgmq.set_vt('set_vt', '{}'::bigint[], 1);
SELECT * FROM pgmq.set_vt('set_vt', NULL::bigint[], 1);
SELECT msg_id FROM pgmq.read('set_vt', 0, 100);

-- A NULL is no time, where there is a message to give it to.
\set VERBOSITY sqlstate
SELECT * FROM pgmq.set_vt('set_vt', 1, NULL::integer);
SELECT * FROM pgmq.set_vt('set_vt', 1, NULL::timestamptz);
SELECT * FROM pgmq.set_vt('set_vt', ARRAY[1], NULL::integer);
SELECT * FROM pgmq.set_vt('set_vt', 1, NULL);
SELECT * FROM pgmq.set_vt('set_vt', NULL, 1);
\set VERBOSITY default
SELECT * FROM pgmq.set_vt('set_vt', 100, NULL::integer);

SELECT pgmq.drop_queue('set_vt');
