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

-- A subscription may have a pattern for routing keys.  A stream that is bound gets each message once, with its key.
SELECT pgmq.create_stream('fl_topics');
SELECT pgmq.create_subscription('fl_all', 'fl_topics');
SELECT pgmq.create_subscription('fl_eu_orders', 'fl_topics', 'latest', '{"pattern": "orders.eu.*"}');
SELECT pgmq.create_subscription('fl_amqp', 'fl_topics', 'latest', '{"pattern": "amqp:orders.#"}');
SELECT pgmq.create_subscription('fl_vip', 'fl_topics', 'latest', '{"pattern": "headers:{\"x-match\": \"any\", \"vip\": true, \"big\": null}"}');
SELECT pgmq.create_subscription('fl_both', 'fl_topics', 'latest', '{"pattern": "orders.#", "message": {"n": 2}, "headers": {"x-pgmq-routing-key": "orders.us.new"}}');
SELECT pgmq.bind_topic('orders.#', 'fl_topics'), pgmq.bind_topic('amqp:orders.#', 'fl_topics'), pgmq.bind_topic('amqp:orders.#', 'fl_all'), pgmq.bind_topic('returns', 'fl_eu_orders');
SELECT pgmq.send_topic('orders.eu.new', '{"n": 1}', '{"vip": true}', 0);
SELECT pgmq.send_topic('orders.us.new', '{"n": 2}');
SELECT pgmq.send_topic('orders', '{"n": 3}'), pgmq.send_topic('returns', '{"n": 4}');
SELECT * FROM pgmq.send_batch_topic('orders.eu.gone', ARRAY['{"n": 5}', '{"n": 6}', '{"n": 7}', '{"n": 8}']::jsonb[], ARRAY['{"a": 1}', NULL, '[1, {"a": null}]', '"text"']::jsonb[]);
-- a sender may set the key itself; what is no valid key matches no pattern
SELECT count(*) FROM pgmq.send_batch('fl_topics', array_fill('{"n": 9}'::jsonb, ARRAY[8]), ARRAY[
	'{"x-pgmq-routing-key": "orders.eu.own"}', '{"x-pgmq-routing-key": 5}', '{"x-pgmq-routing-key": ""}', '{"x-pgmq-routing-key": "orders..eu"}',
	'{"x-pgmq-routing-key": "orders.eu."}', '["x-pgmq-routing-key"]', NULL, jsonb_build_object('x-pgmq-routing-key', 'orders.eu.' || repeat('x', 10000))]);
SELECT msg_id, message ->> 'n' AS n, left(headers::text, 80) AS headers FROM pgmq.read('fl_all', 30, 100);
SELECT s, ARRAY(SELECT msg_id FROM pgmq.read(s, 30, 100)) FROM unnest('{fl_eu_orders,fl_amqp,fl_vip,fl_both}'::text[]) s;
SELECT subscription_name, lag, lost FROM pgmq.list_subscriptions('fl_topics');
-- an own key gives way to that of send_topic
SELECT pgmq.send_topic('orders.eu.two', '{"n": 10}', '{"x-pgmq-routing-key": "other"}', 0);
SELECT headers FROM pgmq.read('fl_eu_orders', 30, 1);
-- a plain queue gets its headers as they are
SELECT pgmq.create('fl_plain');
SELECT pgmq.bind_topic('orders.eu.*', 'fl_plain');
SELECT pgmq.send_topic('orders.eu.new', '{"n": 11}', '{"vip": true}', 0);
SELECT headers FROM pgmq.read('fl_plain', 30, 1);
SELECT pgmq.create_subscription('fl_bad', 'fl_topics', 'latest', '{"pattern": "orders.**"}');
SELECT pgmq.create_subscription('fl_bad', 'fl_topics', 'latest', '{"pattern": ""}');
SELECT pgmq.create_subscription('fl_bad', 'fl_topics', 'latest', '{"pattern": 5}');
SELECT pgmq.create_subscription('fl_bad', 'fl_topics', 'latest', '{"pattern": "alternate:#"}');
SELECT pgmq.create_subscription('fl_bad', 'fl_topics', 'latest', '{"pattern": "headers:[]"}');
SELECT pgmq.drop_queue(n) FROM unnest(ARRAY['fl_eu', 'fl_big', 'fl_none', 'fl_log', 'fl_all', 'fl_eu_orders', 'fl_amqp', 'fl_vip', 'fl_both', 'fl_topics', 'fl_plain']) n;
