-- A stream keeps its messages, and each subscription reads all of them like a queue.
SELECT pgmq.create_stream('st_orders');
SELECT pgmq.create_stream('st_orders');
SELECT pgmq.send('st_orders', '{"n": 1}');
SELECT pgmq.create_subscription('st_ship', 'st_orders', 'earliest');
SELECT pgmq.create_subscription('st_bill', 'st_orders');
SELECT pgmq.create_subscription('st_bill', 'st_orders');
SELECT pgmq.send('st_orders', format('{"n": %s}', n)::jsonb, '{"x-pgmq-group": "g", "k": 1}'::jsonb) FROM generate_series(2, 4) n;

SELECT msg_id, read_ct, message, headers FROM pgmq.read('st_ship', 30, 2);
SELECT msg_id, read_ct, message, headers FROM pgmq.read('st_bill', 30, 9);
SELECT msg_id, message FROM pgmq.read('st_ship', 30, 9);
SELECT pgmq.delete('st_ship', 1), pgmq.archive('st_ship', 2), pgmq.delete('st_ship', 2);
SELECT pgmq.nack('st_ship', 3, 0, 1, 'no paper');
SELECT msg_id, read_ct, message, headers FROM pgmq.read('st_ship', 30, 9);
SELECT msg_id, message FROM pgmq.peek('st_ship', 'all', 9);
-- a subscription archives nothing, and the stream has all
SELECT count(*) FROM pgmq.a_st_ship;
SELECT count(*) FROM pgmq.q_st_orders;

-- A message that a subscription was not given yet is acknowledged as well.
SELECT pgmq.send('st_orders', format('{"n": %s}', n)::jsonb) FROM generate_series(5, 8) n;
SELECT pgmq.delete('st_ship', 6), pgmq.delete('st_ship', 6), pgmq.delete('st_ship', 99);
SELECT pgmq.delete('st_ship', 7, 1);
SELECT * FROM pgmq.archive('st_ship', ARRAY[8, NULL, 8, 3, 99]);
SELECT msg_id FROM pgmq.read('st_ship', 30, 9);

-- A message that is sent to a subscription goes to its stream.
SELECT pgmq.send('st_ship', '{"n": 9}');
SELECT msg_id, message FROM pgmq.pop('st_bill', 9);

-- Deleted from the stream it is gone for all; a body that is NULL comes as JSON null.
SELECT pgmq.send('st_orders', NULL::jsonb), pgmq.send('st_orders', '{"n": 11}');
SELECT msg_id FROM pgmq.read('st_bill', 0, 9);
SELECT pgmq.delete('st_orders', 11);
SELECT msg_id, message FROM pgmq.read('st_bill', 30, 9);
SELECT msg_id FROM pgmq.peek('st_bill', 'all', 100);

-- The filter of a read looks at the body.
SELECT msg_id, message FROM pgmq.read('st_ship', 30, 9, '{"n": 9}');

-- Groups are read in order.
SELECT pgmq.create_subscription('st_group', 'st_orders', 'earliest');
SELECT msg_id, headers FROM pgmq.read_grouped_head('st_group', 30, 9);
SELECT msg_id FROM pgmq.read_grouped_head('st_group', 30, 9);

-- Policies are those of the subscription.
SELECT pgmq.set_policy('st_bill', '{"max_reads": 1, "dead_letter_queue": "st_dead", "create_dead_letter_queue": true}');
SELECT msg_id FROM pgmq.set_vt('st_bill', 10, 0);
SELECT msg_id FROM pgmq.read('st_bill', 0, 9);
SELECT message, headers #- '{x-pgmq-dead-letter,at}' AS headers FROM pgmq.read('st_dead', 30, 1);

-- Pause one subscription, or all by the stream.
SELECT pgmq.pause('st_group', 'infinity');
SELECT msg_id FROM pgmq.read('st_group', 30, 9);
SELECT pgmq.resume('st_group');
SELECT pgmq.pause('st_orders', 'infinity');
SELECT msg_id FROM pgmq.read('st_group', 30, 9);
SELECT msg_id FROM pgmq.pop('st_group', 9);
SELECT pgmq.resume('st_orders');
SELECT msg_id FROM pgmq.read('st_group', 30, 1);

-- A stream is not read itself.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never

SELECT * FROM pgmq.read('st_orders', 30, 1);
SELECT * FROM pgmq.pop('st_orders', 1);
SELECT * FROM pgmq.read_grouped('st_orders', 30, 1);
\set VERBOSITY default
SELECT pgmq.create_subscription('st_more', 'st_ship');
SELECT pgmq.create_subscription('st_dead', 'st_orders');
SELECT pgmq.create_subscription('st_none', 'st_nothing');
SELECT pgmq.create_subscription('st_orders', 'st_orders');
SELECT pgmq.create_stream('st_ship');
SELECT pgmq.create_stream('st_dead');
SELECT pgmq.drop_queue('st_orders');
SELECT pgmq.create('st_cached');
ALTER SEQUENCE pgmq.q_st_cached_msg_id_seq CACHE 10;
SELECT pgmq.create_stream('st_cached');
SELECT pgmq.drop_queue('st_cached');

-- A table that takes the name of a subscription's is none.
DROP TABLE pgmq.q_st_group;
SELECT pgmq.drop_queue('st_group');
SELECT pgmq.create('st_group');
SELECT * FROM pgmq.read('st_group', 30, 1);
SELECT pgmq.drop_queue('st_group');

-- A policy that other tables would have to know of is refused.
SELECT pgmq.set_policy('st_ship', '{"priorities": true}');
SELECT pgmq.set_policy('st_orders', '{"max_length": 5}');
SELECT pgmq.create('st_fair');
SELECT pgmq.set_policy('st_fair', '{"priorities": true, "limit_by": "tenant", "rate_each": 5}');
SELECT pgmq.set_policy('st_fair', '{"priorities": true}') IS NOT NULL;
SELECT pgmq.create_stream('st_fair');
SELECT pgmq.convert_to_stream('st_fair', 'st_fair_log');
SELECT pgmq.drop_queue('st_fair');

-- Purged, a subscription goes on with what comes; a stream is emptied.
SELECT pgmq.purge_queue('st_ship') > 0;
SELECT msg_id FROM pgmq.read('st_ship', 30, 9);
SELECT pgmq.send('st_orders', '{"n": 12}');
SELECT msg_id FROM pgmq.read('st_ship', 0, 9);
SELECT pgmq.purge_queue('st_orders') > 0;
SELECT msg_id FROM pgmq.read('st_ship', 30, 9);
SELECT pgmq.send('st_orders', '{"n": 13}');
SELECT msg_id FROM pgmq.read('st_ship', 30, 9);

SELECT pgmq.drop_queue('st_ship'), pgmq.drop_queue('st_bill'), pgmq.drop_queue('st_dead');
DELETE FROM pgmq.subscription WHERE subscription::oid NOT IN (SELECT oid FROM pg_class);
SELECT pgmq.drop_queue('st_orders');
SELECT count(*) FROM pgmq.subscription_block b WHERE b.subscription::oid IN (SELECT oid FROM pg_class);

-- a trigger that reads has no message yet for the id that its statement has drawn
SELECT FROM pgmq.create_stream('basics_nested');
SELECT FROM pgmq.create_subscription('basics_nested_sub', 'basics_nested');
CREATE FUNCTION basics_read() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pgmq.read(''basics_nested_sub'', 0, 100); RETURN NEW; END';
CREATE TRIGGER basics_read BEFORE INSERT ON pgmq.q_basics_nested
	FOR EACH ROW WHEN (NEW.message = '"reads"') EXECUTE FUNCTION basics_read();
SELECT count(*) FROM pgmq.send_batch('basics_nested', array_fill('1'::jsonb, ARRAY[62]));
SELECT pgmq.send('basics_nested', '"reads"');
SELECT count(*) FROM pgmq.pop('basics_nested_sub', 100);

-- a hint names only some of many subscriptions
SELECT FROM generate_series(1, 5) AS n, pgmq.create_subscription('basics_' || n, 'basics_nested');
SELECT pgmq.read('basics_nested', 0, 1);
SELECT count(pgmq.drop_queue('basics_' || n)) FROM generate_series(1, 5) AS n;
SELECT pgmq.drop_queue('basics_nested_sub');
SELECT pgmq.drop_queue('basics_nested');
DROP FUNCTION basics_read;

-- the last ids that there are
SELECT FROM pgmq.create_stream('basics_last');
SELECT FROM pgmq.create_subscription('basics_last_sub', 'basics_last');
SELECT setval('pgmq.q_basics_last_msg_id_seq', 9223372036854775807 - 50);
SELECT count(*) FROM pgmq.send_batch('basics_last', array_fill('1'::jsonb, ARRAY[50]));
SELECT count(*), min(msg_id) FROM pgmq.read('basics_last_sub', 30, 20);
SELECT in_flight, lag FROM pgmq.list_subscriptions('basics_last');
SELECT count(*), max(msg_id) FROM pgmq.read('basics_last_sub', 30, 40);
SELECT in_flight, lag FROM pgmq.list_subscriptions('basics_last');
SELECT count(*) FROM pgmq.delete('basics_last_sub', ARRAY(SELECT msg_id FROM pgmq.q_basics_last));
SELECT in_flight, lag FROM pgmq.list_subscriptions('basics_last');
SELECT pgmq.drop_queue('basics_last_sub');
SELECT pgmq.drop_queue('basics_last');

-- the table of a stream was dropped by hand
SELECT FROM pgmq.create_stream('basics_gone');
SELECT FROM pgmq.create_subscription('basics_gone_sub', 'basics_gone');
DROP TABLE pgmq.q_basics_gone, pgmq.a_basics_gone;
SELECT pgmq.send('basics_gone_sub', '1');
SELECT pgmq.drop_queue('basics_gone_sub');
DELETE FROM pgmq.meta WHERE queue_name = 'basics_gone';
