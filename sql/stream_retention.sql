-- Retention removes the oldest messages of a stream, and counts what a subscription loses.
SELECT pgmq.create_stream('rt_log');
SELECT pgmq.create_subscription('rt_fast', 'rt_log');
SELECT pgmq.create_subscription('rt_slow', 'rt_log');
SELECT pgmq.create_subscription('rt_never', 'rt_log');
SELECT count(*) FROM pgmq.send_batch('rt_log', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 300) n));
SELECT count(*) FROM pgmq.pop('rt_fast', 1000);
SELECT count(*) FROM pgmq.read('rt_slow', 1000, 10);
SELECT count(*) FROM pgmq.delete('rt_slow', ARRAY[1, 2, 3]);
SELECT subscription_name, in_flight, lag, oldest_age_sec >= 0 AS has_age, lost FROM pgmq.list_subscriptions('rt_log');

-- by "consumed" nothing goes before all have finished it
SELECT pgmq.set_policy('rt_log', '{"retention": "consumed"}');
CALL pgmq.maintain();
SELECT min(msg_id), count(*) FROM pgmq.q_rt_log;
SELECT count(*) FROM pgmq.pop('rt_never', 2);
CALL pgmq.maintain();
SELECT min(msg_id), count(*) FROM pgmq.q_rt_log;

-- limits win
SELECT pgmq.set_policy('rt_log', '{"retention_count": 100}');
CALL pgmq.maintain();
SELECT min(msg_id), count(*) FROM pgmq.q_rt_log;
SELECT subscription_name, in_flight, lag, lost FROM pgmq.list_subscriptions('rt_log');
CALL pgmq.maintain();
SELECT subscription_name, in_flight, lag, lost FROM pgmq.list_subscriptions('rt_log');
SELECT min(msg_id), count(*) FROM pgmq.pop('rt_never', 1000);
SELECT min(msg_id), count(*) FROM pgmq.pop('rt_slow', 1000);
SELECT subscription_name, in_flight, lag, lost FROM pgmq.list_subscriptions('rt_log');

SELECT severity, queue_name, what FROM pgmq.health() WHERE queue_name LIKE 'rt%' ORDER BY 2;

-- by bytes and by age
SELECT pgmq.set_policy('rt_log', '{"retention": "limits", "retention_count": null, "retention_bytes": 5000}');
SELECT count(*) FROM pgmq.send_batch('rt_log', ARRAY(SELECT to_jsonb(repeat('x', 76)) FROM generate_series(1, 100) n));
CALL pgmq.maintain();
SELECT count(*) BETWEEN 40 AND 60 FROM pgmq.q_rt_log;
SELECT pgmq.set_policy('rt_log', '{"retention_bytes": null, "retention_age": 3600}');
UPDATE pgmq.q_rt_log SET enqueued_at = now() - interval '2 h' WHERE msg_id <= 390;
CALL pgmq.maintain();
SELECT min(msg_id), count(*) FROM pgmq.q_rt_log;
SELECT subscription_name, lag, lost FROM pgmq.list_subscriptions('rt_log');

-- A reference that was locked meanwhile is counted by the read that misses its message.
SELECT pgmq.seek('rt_fast', 'earliest');
SELECT msg_id FROM pgmq.read('rt_fast', 0, 2);
DELETE FROM pgmq.q_rt_log WHERE msg_id = 392;
SELECT msg_id FROM pgmq.peek('rt_fast', 'all', 2);
SELECT msg_id FROM pgmq.read('rt_fast', 600, 2);
SELECT subscription_name, lost FROM pgmq.list_subscriptions() WHERE stream_name = 'rt_log';
SELECT pgmq.set_policy('rt_log', '{"retention_forever": 1}');
SELECT pgmq.set_policy('rt_log', '{"retention": "always"}');
SELECT pgmq.drop_queue('rt_fast'), pgmq.drop_queue('rt_slow'), pgmq.drop_queue('rt_never');
SELECT pgmq.drop_queue('rt_log');

-- what each of many subscriptions loses is counted
SELECT FROM pgmq.create_stream('rtn_many');
SELECT count(pgmq.create_subscription('rtn_many_' || i, 'rtn_many')) FROM generate_series(1, 40) i;
SELECT count(*) FROM pgmq.send_batch('rtn_many', array_fill('1'::jsonb, ARRAY[2000]));
SELECT pgmq.set_policy('rtn_many', jsonb_build_object('retention_count', 10)) IS NOT NULL AS set;
CALL pgmq.maintain();
SELECT (SELECT count(*) FROM pgmq.q_rtn_many) AS kept, lost, count(*)
FROM pgmq.list_subscriptions('rtn_many') GROUP BY lost;
SELECT count(pgmq.drop_queue('rtn_many_' || i)) FROM generate_series(1, 40) i;
SELECT pgmq.drop_queue('rtn_many');
