-- api_send: one message, in each form of the function
SELECT pgmq.create('send');

-- The id is the only row.  A message is readable from the moment it was sent.
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.send('send', '{"form": "plain"}');
SELECT msg_id, read_ct, message, headers, last_read_at IS NULL AS unread,
	   vt BETWEEN :'before' AND clock_timestamp() AS vt_is_now,
	   enqueued_at BETWEEN :'before' AND clock_timestamp() AS enqueued_now
FROM pgmq.q_send;
TRUNCATE pgmq.q_send;

-- every form, by position
SELECT * FROM pgmq.send('send', '{"form": "headers"}', '{"h": 1}'::jsonb);
SELECT * FROM pgmq.send('send', '{"form": "delay"}', 100);
SELECT * FROM pgmq.send('send', '{"form": "at"}', timestamptz '2100-01-01 00:00+00');
SELECT * FROM pgmq.send('send', '{"form": "headers, delay"}', '{"h": 2}', 100);
SELECT * FROM pgmq.send('send', '{"form": "headers, at"}', '{"h": 3}', timestamptz '2100-01-01 00:00+00');
-- and by name
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n plain"}');
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n headers"}', headers => '{"h": 4}');
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n delay"}', delay => 100);
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n at"}', delay => timestamptz '2100-01-01 00:00+00');
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n headers, delay"}', headers => '{"h": 5}', delay => 100);
SELECT * FROM pgmq.send(queue_name => 'send', msg => '{"form": "n headers, at"}', headers => '{"h": 6}',
						delay => timestamptz '2100-01-01 00:00+00');
SELECT msg_id, message ->> 'form' AS form, headers,
	   CASE WHEN vt = '2100-01-01 00:00+00' THEN 'at'
			WHEN vt BETWEEN timestamptz :'before' + interval '100 s' AND clock_timestamp() + interval '100 s' THEN 'delay'
			WHEN vt BETWEEN :'before' AND clock_timestamp() THEN 'now' END AS due
FROM pgmq.q_send ORDER BY msg_id;
TRUNCATE pgmq.q_send;

-- An untyped third literal: its form shows what it is.
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.send('send', '{"n": 1}', '{"h": 1}');
SELECT * FROM pgmq.send('send', '{"n": 2}', E' \n{"h": 2}');
SELECT * FROM pgmq.send('send', '{"n": 3}', '100');
SELECT * FROM pgmq.send('send', '{"n": 4}', ' -100 ');
SELECT * FROM pgmq.send('send', '{"n": 5}', '2100-01-01 00:00+00');
SELECT * FROM pgmq.send('send', '{"n": 6}', 'infinity');
SELECT * FROM pgmq.send('send', '{"n": 7}', NULL);
SELECT message ->> 'n' AS n, headers,
	   CASE WHEN vt = '2100-01-01 00:00+00' THEN 'at'
			WHEN vt = 'infinity' THEN 'never'
			WHEN vt BETWEEN timestamptz :'before' + interval '100 s' AND clock_timestamp() + interval '100 s' THEN 'delay'
			WHEN vt BETWEEN timestamptz :'before' - interval '100 s' AND clock_timestamp() - interval '100 s' THEN 'long since'
			WHEN vt BETWEEN :'before' AND clock_timestamp() THEN 'now' END AS due
FROM pgmq.q_send ORDER BY msg_id;
\set VERBOSITY terse
SELECT pgmq.send('send', '{}', '');
SELECT pgmq.send('send', '{}', '[1]');
SELECT pgmq.send('send', '{}', '"h"');
SELECT pgmq.send('send', '{}', 'null');
SELECT pgmq.send('send', '{}', '{"h": ');
SELECT pgmq.send('send', '{}', '1 2');
SELECT pgmq.send('send', '{}', '99999999999');
SELECT pgmq.send('send', '{}', '2100-13-01');
\set VERBOSITY default
TRUNCATE pgmq.q_send;

-- PGMQ accepts these: no body, no headers, any JSON for either, a negative
-- delay.
SELECT * FROM pgmq.send('send', NULL);
SELECT * FROM pgmq.send('send', 'null');
SELECT * FROM pgmq.send('send', '"text"', '[1, 2]'::jsonb);
SELECT * FROM pgmq.send('send', '12', NULL::jsonb);
SELECT * FROM pgmq.send('send', '[]', 'true', -5);
SELECT * FROM pgmq.send('send', '[]', NULL, '-infinity'::timestamptz);
SELECT message, headers, message IS NULL AS no_body, vt <= clock_timestamp() AS due FROM pgmq.q_send ORDER BY msg_id;

-- The function may stand wherever a set-returning function may.
SELECT pgmq.send('send', '{"place": "target list"}') IS NOT NULL AS sent;
SELECT n, send IS NOT NULL AS sent FROM generate_series(1, 3) n, pgmq.send('send', to_jsonb(n));
SELECT count(*) FROM (SELECT pgmq.send('send', to_jsonb(n)) FROM generate_series(1, 1000) n) s;
DO $$
BEGIN
	PERFORM pgmq.send('send', '{"place": "plpgsql"}');
END
$$;
SELECT count(*) FROM pgmq.q_send;

-- Beside other sets it is one row, sent once.
TRUNCATE pgmq.q_send RESTART IDENTITY;
SELECT pgmq.send('send', '1'), generate_series(1, 3) AS n, pgmq.send('send', '2', '{"h": 2}');
SELECT n, pgmq.send('send', to_jsonb(n)), unnest(ARRAY['a', 'b']) AS two FROM generate_series(1, 2) n;
SELECT pgmq.send('send', '3'), generate_series(1, 3) AS n LIMIT 1;
SELECT l.* FROM generate_series(1, 2) n, LATERAL (SELECT pgmq.send('send', to_jsonb(n)), generate_series(1, 3) AS m LIMIT 2) l;
SELECT l.* FROM generate_series(1, 2) n, LATERAL (SELECT pgmq.send('send', to_jsonb(n)) LIMIT 1) l;
SELECT * FROM ROWS FROM (pgmq.send('send', '4'), generate_series(1, 2)) AS r (send, n);
SELECT count(*) FROM pgmq.q_send;

-- Names are folded as the tables' are.
SELECT count(*) FROM pgmq.send('SEND', '{}');

-- A rolled back send leaves nothing but a hole in the ids.
TRUNCATE pgmq.q_send RESTART IDENTITY;
BEGIN;
SELECT pgmq.send('send', '{}');
ROLLBACK;
SELECT pgmq.send('send', '{}');
SELECT array_agg(msg_id) FROM pgmq.q_send;

SELECT pgmq.drop_queue('send');
