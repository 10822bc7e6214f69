-- delete
SELECT pgmq.create('delete');
SELECT count(*) FROM pgmq.send_batch('delete', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 20) n));

-- true when there was such a message
SELECT pgmq.delete('delete', 1);
SELECT pgmq.delete('delete', 1);
SELECT pgmq.delete('delete', 100), pgmq.delete('delete', 0), pgmq.delete('delete', -1), pgmq.delete('delete', 9223372036854775807);
SELECT pgmq.delete(queue_name => 'delete', msg_id => 2);
SELECT pgmq.delete('delete', NULL::bigint);
-- whatever state it is in
SELECT msg_id FROM pgmq.read('delete', 30, 1);
UPDATE pgmq.q_delete SET vt = now() + '1 hour' WHERE msg_id = 4;
SELECT pgmq.delete('delete', 3), pgmq.delete('delete', 4);

-- Several: it returns the ids of those that existed, in order, each once.
SELECT * FROM pgmq.delete('delete', ARRAY[10, 100, 8, 9, -1, 8, NULL, 1]);
SELECT * FROM pgmq.delete(queue_name => 'delete', msg_ids => ARRAY[5, 6]);
SELECT * FROM pgmq.delete('delete', ARRAY[5, 6]);
SELECT * FROM pgmq.delete('delete', '{}'::bigint[]);
SELECT * FROM pgmq.delete('delete', NULL::bigint[]);
SELECT * FROM pgmq.delete('delete', ARRAY[NULL]::bigint[]);
SELECT * FROM pgmq.delete('delete', ARRAY[[11, 12], [14, 13]]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_delete;

-- a large batch, in any order
TRUNCATE pgmq.q_delete RESTART IDENTITY;
SELECT count(*) FROM pgmq.send_batch('delete', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 10000) n));
SELECT count(*), count(*) FILTER (WHERE id <> n * 2) AS out_of_order
FROM ROWS FROM (pgmq.delete('delete', (SELECT array_agg(n * 2 ORDER BY md5(n::text)) FROM generate_series(1, 6000) n)))
	 WITH ORDINALITY AS d (id, n);
SELECT count(*), count(*) FILTER (WHERE msg_id % 2 = 0) AS even FROM pgmq.q_delete;

-- An untyped NULL does not single out one function.
\set VERBOSITY sqlstate
SELECT pgmq.delete('delete', NULL);
\set VERBOSITY default

BEGIN;
SELECT pgmq.delete('delete', 1);
ROLLBACK;
SELECT pgmq.delete('delete', 1);
SELECT count(*) FROM pgmq.a_delete;

SELECT pgmq.drop_queue('delete');
