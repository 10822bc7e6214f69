-- metrics, queue_depth and overview also count the messages that a subscription was not given yet.
SELECT FROM pgmq.create_stream('si_log');
SELECT FROM pgmq.create_subscription('si_all', 'si_log', 'earliest');
SELECT FROM pgmq.create_subscription('si_none', 'si_log', 'earliest');
CREATE VIEW si_shown AS
	SELECT m.queue_name, m.queue_length AS length, m.queue_visible_length AS visible, m.total_messages AS total,
		m.newest_msg_age_sec / 10 AS newest_10s, m.oldest_msg_age_sec / 10 AS oldest_10s,
		d.visible AS d_visible, d.delayed, d.in_flight, floor(d.oldest_visible_age / 10) AS readable_10s,
		(SELECT s.lag FROM pgmq.list_subscriptions('si_log') s WHERE s.subscription_name = m.queue_name) AS lag,
		(SELECT o.messages FROM pgmq.overview(1000) o WHERE o.queue_name = m.queue_name) AS overview
	FROM unnest(ARRAY['si_all', 'si_none']) n, pgmq.metrics(n) m, pgmq.queue_depth(n) d;
SELECT * FROM si_shown;
SELECT count(*) FROM pgmq.send_batch('si_log', array_fill('1'::jsonb, ARRAY[100]));
SELECT count(*) FROM pgmq.send_batch('si_log', array_fill('1'::jsonb, ARRAY[7]), 3600);
UPDATE pgmq.q_si_log SET enqueued_at = now() - interval '100 s', vt = now() - interval '100 s' WHERE msg_id = 1;
UPDATE pgmq.q_si_log SET enqueued_at = now() - interval '50 s', vt = now() - interval '50 s' WHERE msg_id BETWEEN 2 AND 100;
UPDATE pgmq.q_si_log SET enqueued_at = now() - interval '30 s' WHERE msg_id > 100;
SELECT * FROM si_shown;

-- with one lease, with a batch, and a message that was given back
SELECT msg_id FROM pgmq.read('si_all', 300, 1);
SELECT count(*) FROM pgmq.read('si_all', 300, 20);
SELECT pgmq.nack('si_all', 5, 600);
SELECT * FROM si_shown;
SELECT count(*) FROM pgmq.delete('si_all', ARRAY(SELECT generate_series(1, 10)));
SELECT * FROM si_shown;

-- The due map of a subscription does not know the messages that it was not given yet.
SELECT queue_name, readable FROM pgmq.queue_stats() WHERE queue_name LIKE 'si\_%' ORDER BY 1;

-- all messages were given out
SELECT count(*) FROM pgmq.pop('si_all', 1000);
SELECT queue_name, length, visible, delayed, in_flight, lag FROM si_shown;

-- a delayed message is no lease after a seek, too
SELECT pgmq.seek('si_all', '101', '{"force": true}');
SELECT count(*) FROM pgmq.read('si_all', 300, 1);
SELECT queue_name, length, visible, delayed, in_flight, lag FROM si_shown;

-- A message that is acknowledged before it was given out leaves those before it to be counted.
SELECT pgmq.create_stream('si_far'), pgmq.create_subscription('si_far_sub', 'si_far');
SELECT count(*) FROM pgmq.send_batch('si_far', array_fill('1'::jsonb, ARRAY[2000]));
SELECT pgmq.delete('si_far_sub', 1000);
SELECT lag FROM pgmq.list_subscriptions('si_far');
SELECT queue_length, queue_visible_length FROM pgmq.metrics('si_far_sub');
SELECT count(*) FROM pgmq.pop('si_far_sub', 2000);
SELECT pgmq.drop_queue('si_far_sub'), pgmq.drop_queue('si_far');

-- After 10,000 messages the others are estimated by their ids, of which some were rolled back.
DELETE FROM pgmq.q_si_log WHERE msg_id BETWEEN 50 AND 60;
INSERT INTO pgmq.q_si_log (vt, message) SELECT now() + CASE WHEN n % 2 = 0 THEN interval '1 h' ELSE interval '-1 s' END, '1'
	FROM generate_series(1, 10500) n;
SELECT setval('pgmq.q_si_log_msg_id_seq', 20000);
SELECT queue_name, length, round(visible, -3) AS visible, total, delayed + d_visible AS depth, lag, overview FROM si_shown;

-- One subscription that cannot be counted keeps no other from being shown.
CREATE ROLE regress_pgmq_nobody;
ALTER TABLE pgmq.q_si_none OWNER TO regress_pgmq_nobody;
\set SHOW_CONTEXT never
SELECT subscription_name FROM pgmq.list_subscriptions('si_log');
SET client_min_messages = error;
SELECT count(*) FROM pgmq.health() WHERE queue_name = 'si_none';
RESET client_min_messages;
ALTER TABLE pgmq.q_si_none OWNER TO CURRENT_USER;
DROP ROLE regress_pgmq_nobody;

-- the table of the stream was dropped by hand
SELECT count(*) FROM pgmq.read('si_none', 300, 3);
DROP VIEW si_shown;
DROP TABLE pgmq.q_si_log, pgmq.a_si_log;
SELECT queue_length, total_messages FROM pgmq.metrics('si_none');
SELECT visible, in_flight FROM pgmq.queue_depth('si_none');
SELECT count(*) FROM pgmq.list_subscriptions() WHERE subscription_name LIKE 'si\_%';
SELECT pgmq.drop_queue('si_none'), pgmq.drop_queue('si_all'), pgmq.drop_queue('si_log');
DELETE FROM pgmq.meta WHERE queue_name = 'si_log';
