-- api_read_any: several queues in one read
SELECT pgmq.create(q) FROM unnest('{Any_A,any_b,any_c}'::text[]) q;
SELECT count(*) FROM (SELECT pgmq.send_batch('any_a', '{11,12}'::jsonb[])
	UNION ALL SELECT pgmq.send_batch('any_b', '{21,22,23}'::jsonb[])
	UNION ALL SELECT pgmq.send('any_c', '31', '{"h": 1}'::jsonb)) s;

-- By priority: in the order of the list, and on from there until there are enough.
SELECT queue_name, msg_id, read_ct, message, headers FROM pgmq.read_any('{any_b,any_a,any_c}', 0, 4);
SELECT queue_name, msg_id FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 1);
SELECT queue_name, msg_id, vt > clock_timestamp() AS leased, last_read_at >= enqueued_at AS read
FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 3);
SELECT queue_name, msg_id, read_ct FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 100);
SELECT queue_name, msg_id FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 100);
CREATE FUNCTION back() RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM unnest('{any_a,any_b,any_c}'::text[]) q, pgmq.set_vt(q, '{1,2,3}'::bigint[], 0) $$;

-- Fairly: a share of each, then the rest, whichever queue it begins with.
SELECT back();
SELECT queue_name, count(*) FROM pgmq.read_any('{any_a,any_b,any_c}', 0, 3, '{"order": "fair"}') GROUP BY 1 ORDER BY 1;
SELECT queue_name, count(*) FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 6, '{"order": "fair"}') GROUP BY 1 ORDER BY 1;
SELECT back();
SELECT count(*) FROM pgmq.read_any('{any_a,any_b,any_c}', 1000, 5, '{"order": "fair"}');
SELECT back();

-- No message comes twice, also when the read does not hide it.
SELECT queue_name, msg_id, count(*) FROM generate_series(1, 20) i,
	LATERAL (SELECT * FROM pgmq.read_any('{any_a,any_b,any_c}', i * 0, 100, '{"order": "fair"}')
		UNION ALL SELECT * FROM pgmq.read_any('{any_a,any_b,any_c}', i * 0, 4, '{"order": "fair"}')) r
GROUP BY i, queue_name, msg_id HAVING count(*) > 2;
SELECT count(DISTINCT queue_name) FROM generate_series(1, 100) i,
	LATERAL pgmq.read_any('{any_a,any_b,any_c}', i * 0, 1, '{"order": "fair"}');
SELECT count(DISTINCT queue_name) FROM generate_series(1, 100) i,
	LATERAL pgmq.read_any('{any_a,any_b,any_c}', i * 0, 1, '{"order": "priority"}');

-- A queue counts once, whatever case it is written in, and comes back as it was written first.
SELECT queue_name, msg_id FROM pgmq.read_any('{ANY_A,any_a,Any_A}', 0, 10);
SELECT count(*) FROM pgmq.read_any('{}', 0, 10);
SELECT count(*) FROM pgmq.read_any_with_poll('{}', 0, 10, 60);
SELECT count(*) FROM pgmq.read_any('{any_a}', 0, 0);
SELECT queue_name, msg_id FROM pgmq.read_any(ARRAY[['any_c', 'any_a'], ['any_c', 'any_b']], 0, 2);
SELECT count(*) FROM pgmq.read_any(array_fill('any_a'::text, ARRAY[1000]), 0, 10);

-- A paused queue is passed over.
SELECT pgmq.pause('any_a', 'infinity');
SELECT queue_name, msg_id FROM pgmq.read_any('{any_a,any_b}', 0, 1);
SELECT count(*) FROM pgmq.read_any_with_poll('{any_a}', 0, 1, 0);
SELECT pgmq.resume('any_a');

-- The poll form does not wait when there is something.
SELECT queue_name, msg_id FROM pgmq.read_any_with_poll('{any_a,any_c}', 1000, 10, 60, 60000);
SELECT queue_name FROM pgmq.read_any_with_poll('{any_c,any_b}', 1000, 1, 60, 60000, '{"order": "fair"}');
SELECT count(*) FROM pgmq.read_any_with_poll('{any_a,any_c}', 1000, 10, 0);
SELECT count(*) FROM pgmq.read_any_with_poll('{any_a,any_c}', 1000, 10, 1, NULL, NULL);

-- Arguments that it refuses.
SELECT pgmq.read_any(NULL, 0, 1);
SELECT pgmq.read_any('{any_a,NULL}', 0, 1);
SELECT pgmq.read_any('{any_a,any_none}', 0, 1);
SELECT pgmq.read_any('{any_a,"a;b"}', 0, 1);
SELECT pgmq.read_any('{any_a}', 0, NULL);
SELECT pgmq.read_any('{any_a}', 0, -1);
SELECT back();
\set VERBOSITY sqlstate
SELECT pgmq.read_any('{any_a}', NULL, 1);
\set VERBOSITY default
SELECT pgmq.read_any('{any_a}', 0, 1, '[]');
SELECT pgmq.read_any('{any_a}', 0, 1, '{"fair": true}');
SELECT pgmq.read_any('{any_a}', 0, 1, '{"order": "random"}');
SELECT pgmq.read_any('{any_a}', 0, 1, '{"order": null}');
SELECT pgmq.read_any(ARRAY(SELECT 'any_' || i FROM generate_series(1, 65) i), 0, 1);
SELECT pgmq.read_any(ARRAY(SELECT 'any_' || i FROM generate_series(1, 64) i), 0, 1);
BEGIN READ ONLY;
SELECT pgmq.read_any('{any_a}', 0, 1);
ROLLBACK;

-- By the caller's rights: without them on one of the queues nothing is read.
CREATE ROLE regress_pgmq_any;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_any;
GRANT SELECT, UPDATE ON pgmq.q_any_a TO regress_pgmq_any;
SET ROLE regress_pgmq_any;
\set VERBOSITY terse
SELECT queue_name, msg_id FROM pgmq.read_any('{any_a}', 0, 1);
SELECT queue_name, msg_id FROM pgmq.read_any('{any_a,any_b}', 0, 10);
RESET ROLE;

-- In REPEATABLE READ, in a subtransaction, from kinds of queue at once.
SELECT pgmq.create_unlogged('any_fast');
SELECT pgmq.send('any_fast', '1');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SAVEPOINT s;
SELECT count(*) FROM pgmq.read_any('{any_fast,any_a}', 1000, 10);
ROLLBACK TO s;
SELECT queue_name, msg_id FROM pgmq.read_any('{any_fast,any_c}', 1000, 10);
COMMIT;

SELECT pgmq.drop_queue(q) FROM unnest('{any_a,any_b,any_c,any_fast}'::text[]) q;
DROP FUNCTION back();
DROP OWNED BY regress_pgmq_any;
DROP ROLE regress_pgmq_any;
