-- A subscription with a filter gets only what fulfils its condition.
SELECT pgmq.create_stream('fl_log');
SELECT pgmq.create_subscription('fl_eu', 'fl_log', 'earliest', '{"message": {"region": "eu"}}');
SELECT pgmq.create_subscription('fl_big', 'fl_log', 'earliest', '{"message": {"region": "eu"}, "headers": {"size": "big"}}');
SELECT count(*) FROM pgmq.send_batch('fl_log',
	ARRAY(SELECT jsonb_build_object('n', n, 'region', CASE WHEN n % 3 = 0 THEN 'eu' ELSE 'us' END) FROM generate_series(1, 3000) n),
	ARRAY(SELECT jsonb_build_object('size', CASE WHEN n > 2900 THEN 'big' ELSE 'small' END) FROM generate_series(1, 3000) n));
SELECT min(msg_id), count(*), count(*) FILTER (WHERE message ->> 'region' = 'eu') FROM pgmq.read('fl_eu', 30, 5000);
SELECT msg_id, message FROM pgmq.read('fl_big', 30, 2);
SELECT count(*) FROM pgmq.pop('fl_big', 5000);
SELECT pgmq.send('fl_log', '{"region": "us"}');
SELECT count(*) FROM pgmq.pop('fl_big', 5000);
-- what is filtered out counts as finished
SELECT subscription_name, lag, lost FROM pgmq.list_subscriptions('fl_log');
SELECT pgmq.delete('fl_big', 3001);
-- a poll that has passed over many messages may return early
SELECT pgmq.create_subscription('fl_none', 'fl_log', 'earliest', '{"message": {"region": "none"}}');
SELECT count(*) FROM pgmq.read_with_poll('fl_none', 30, 1, 1, 10);
SELECT lag FROM pgmq.list_subscriptions('fl_log') WHERE subscription_name = 'fl_none';
SELECT pgmq.create_subscription('fl_bad', 'fl_log', 'earliest', '{"body": {"region": "none"}}');
SELECT pgmq.create_subscription('fl_bad', 'fl_log', 'earliest', '{"message": 1}');
SELECT pgmq.create_subscription('fl_bad', 'fl_log', 'earliest', '[]');
SELECT pgmq.drop_queue(n) FROM unnest(ARRAY['fl_eu', 'fl_big', 'fl_none', 'fl_log']) n;
