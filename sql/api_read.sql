-- api_read: take messages under a lease
SELECT pgmq.create('read');
SELECT count(*) FROM pgmq.send_batch('read', (SELECT array_agg(jsonb_build_object('n', n, 'odd', n % 2 = 1) ORDER BY n)
											  FROM generate_series(1, 10) n));

-- The oldest first, qty at most; the row returned is the row stored.
SELECT clock_timestamp() AS before \gset
CREATE TEMP TABLE got AS SELECT * FROM pgmq.read('read', 30, 3);
SELECT msg_id, read_ct, message, headers, vt - last_read_at AS lease,
	   last_read_at BETWEEN :'before' AND clock_timestamp() AS read_now FROM got;
SELECT count(DISTINCT (vt, last_read_at)) AS clock_readings FROM got;
SELECT count(*) AS same FROM got JOIN pgmq.q_read q USING (msg_id, read_ct, enqueued_at, last_read_at, vt, message);
-- These are in flight: the next read goes on behind them.
SELECT msg_id, read_ct FROM pgmq.read('read', 30, 2);
-- A lease of no length, or that ended long since, hides nothing.
SELECT msg_id, read_ct, vt - last_read_at AS lease FROM pgmq.read('read', 0, 2);
SELECT msg_id, read_ct, vt - last_read_at AS lease FROM pgmq.read('read', -10, 2);
SELECT msg_id, read_ct, vt - last_read_at AS lease FROM pgmq.read('read', 2147483647, 2);
-- no more than there are
SELECT msg_id FROM pgmq.read('read', 30, 100);
SELECT * FROM pgmq.read('read', 30, 100);
SELECT * FROM pgmq.read('read', 30, 0);
-- Delayed messages are not read, expired leases are.
UPDATE pgmq.q_read SET vt = CASE WHEN msg_id % 3 = 0 THEN now() - interval '1 us' ELSE now() + interval '1 hour' END;
SELECT msg_id, read_ct FROM pgmq.read('read', 0, 100);

-- qty
\set VERBOSITY sqlstate
SELECT * FROM pgmq.read('read', 30, NULL);
SELECT * FROM pgmq.read('read', 30, -1);
SELECT * FROM pgmq.read('read', NULL, 1);
\set VERBOSITY default
-- Where the read finds nothing, no row could lack a vt.
SELECT * FROM pgmq.read('read', NULL, 0);
SELECT count(*) FROM pgmq.read('read', 0, 2147483647);

-- conditional: messages that contain it
UPDATE pgmq.q_read SET vt = now();
SELECT msg_id FROM pgmq.read('read', 0, 100, '{"odd": true}');
SELECT msg_id FROM pgmq.read('read', 0, 2, '{"odd": false}');
SELECT msg_id FROM pgmq.read('read', 0, 100, '{"odd": true, "n": 7}');
SELECT msg_id FROM pgmq.read('read', 0, 100, '{"even": true}');
SELECT count(*) FROM pgmq.read('read', 0, 100, '{}');
SELECT count(*) FROM pgmq.read('read', 0, 100, NULL);
SELECT count(*) FROM pgmq.read(queue_name => 'read', vt => 0, qty => 100, conditional => '{"n": 1}');
-- A filter that is no object filters too: nothing but {} is empty.
SELECT count(*) FROM pgmq.read('read', 0, 100, '[]');
SELECT count(*) FROM pgmq.read('read', 0, 100, '"n"');
SELECT count(*) FROM pgmq.read('read', 0, 100, 'null');
INSERT INTO pgmq.q_read (message) VALUES ('[1, 2, 3]'), (NULL), ('"n"');
SELECT message FROM pgmq.read('read', 0, 100, '[2]');
SELECT message FROM pgmq.read('read', 0, 100, '"n"');
SELECT count(*) FROM pgmq.read('read', 0, 100);

-- A message that arrives by plain INSERT or COPY is one.
TRUNCATE pgmq.q_read RESTART IDENTITY;
INSERT INTO pgmq.q_read (message) VALUES ('{"by": "insert"}');
COPY pgmq.q_read (message) FROM STDIN;
{"by": "copy"}
\.
SELECT msg_id, read_ct, message FROM pgmq.read('read', 30, 10);

-- The counter stops at the end of its type instead of blocking the queue.
TRUNCATE pgmq.q_read RESTART IDENTITY;
INSERT INTO pgmq.q_read (message, read_ct) VALUES ('1', 2147483646), ('2', 2147483647);
SELECT msg_id, read_ct FROM pgmq.read('read', 0, 10);
SELECT msg_id, read_ct FROM pgmq.read('read', 0, 10);

-- the ends of the id's range
INSERT INTO pgmq.q_read (msg_id, message) OVERRIDING SYSTEM VALUE VALUES (9223372036854775807, '"last"'), (-9223372036854775808, '"first"');
SELECT msg_id, message FROM pgmq.read('read', 0, 10);

-- Rows come back in order, in a target list as in FROM.
SELECT (pgmq.read('read', 30, 2)).msg_id;
SELECT (r).msg_id, (r).read_ct FROM (SELECT pgmq.read('read', 30, 1) AS r OFFSET 0) s;
SELECT pgmq.drop_queue('read');

-- A read is a HOT update: no index entry is written.
SELECT pgmq.create('read_hot');
SELECT count(*) FROM pgmq.send_batch('read_hot', (SELECT array_agg('{"some": "payload"}'::jsonb) FROM generate_series(1, 1000)));
DO $$
BEGIN
	FOR n IN 1..500 LOOP
		PERFORM pgmq.read('read_hot', 30, 1);
		COMMIT;
	END LOOP;
	FOR n IN 1..30 LOOP
		PERFORM pgmq.read('read_hot', 0, 100);
		COMMIT;
	END LOOP;
END
$$;
SELECT pg_stat_force_next_flush();
SELECT n_tup_upd, n_tup_hot_upd >= 0.95 * n_tup_upd AS hot FROM pg_stat_user_tables WHERE relname = 'q_read_hot';
SELECT pgmq.drop_queue('read_hot');
