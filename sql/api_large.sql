-- Large messages
SELECT pgmq.create('large');
CREATE TEMP TABLE payloads AS
SELECT size, jsonb_build_object('size', size, 'payload', (SELECT left(string_agg(md5(n::text), ''), size) FROM generate_series(1, size / 32 + 1) n)) AS payload
FROM unnest(ARRAY[1000, 2000, 3000, 8000, 30000, 100000, 300000, 1000000, 10000000]) AS size;
CREATE FUNCTION pg_temp.payload(size int) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT payload FROM pg_temp.payloads p WHERE p.size = payload.size
$$;
SELECT * FROM pgmq.send('large', pg_temp.payload(2000));
SELECT * FROM pgmq.send('large', pg_temp.payload(8000));
SELECT * FROM pgmq.send('large', pg_temp.payload(100000), jsonb_build_object('h', repeat('x', 100000)));
SELECT * FROM pgmq.send('large', pg_temp.payload(1000000));
SELECT * FROM pgmq.send('large', pg_temp.payload(10000000));
SELECT * FROM pgmq.send_batch('large', ARRAY[pg_temp.payload(3000), pg_temp.payload(300000)], ARRAY[NULL, pg_temp.payload(30000)]);

-- They come out as they went in.
CREATE TEMP TABLE got AS SELECT * FROM pgmq.read('large', 0, 100);
SELECT msg_id, message -> 'size' AS size, message = pg_temp.payload((message -> 'size')::int) AS same, length(headers::text) AS headers
FROM got ORDER BY msg_id;
SELECT msg_id, message = pg_temp.payload(300000) AS same FROM pgmq.read('large', 0, 10, '{"size": 300000}');

-- A read touches the row, not the payload: what lies beside the table stays as it was.
SELECT pg_relation_size(reltoastrelid) AS before, reltoastrelid AS toast FROM pg_class WHERE oid = 'pgmq.q_large'::regclass \gset
SELECT :before > 11000000 AS stored_beside;
DO $$
BEGIN
	FOR n IN 1..20 LOOP
		PERFORM pgmq.read('large', 0, 100);
		PERFORM pgmq.set_vt('large', ARRAY[1, 2, 3, 4, 5, 6, 7], 0);
		COMMIT;
	END LOOP;
END
$$;
SELECT pg_relation_size(:toast) = :before AS untouched;

-- archived and popped whole
SELECT pgmq.archive('large', 5);
SELECT * FROM pgmq.archive('large', ARRAY[3, 4]);
SELECT msg_id, message = pg_temp.payload((message -> 'size')::int) AS same, length(headers::text) AS headers FROM pgmq.a_large ORDER BY msg_id;
SELECT msg_id, message = pg_temp.payload((message -> 'size')::int) AS same, headers = pg_temp.payload(30000) AS same_headers
FROM pgmq.pop('large', 100);
SELECT count(*) FROM pgmq.q_large;
-- A message that was popped outlives its row: in a cursor that is held, and
-- after a vacuum.
SELECT * FROM pgmq.send('large', pg_temp.payload(1000000));
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT message FROM pgmq.pop('large');
COMMIT;
VACUUM pgmq.q_large;
CREATE TEMP TABLE held (message jsonb);
DO $$
DECLARE
	held refcursor := 'held';
	m jsonb;
BEGIN
	FETCH held INTO m;
	INSERT INTO held VALUES (m);
END
$$;
SELECT message = pg_temp.payload(1000000) AS same FROM held;
CLOSE held;

-- Many at once: a result that is larger than work_mem.
SET work_mem = '64kB';
SELECT count(*) FROM pgmq.send_batch('large', (SELECT array_agg(pg_temp.payload(1000) || jsonb_build_object('n', n) ORDER BY n) FROM generate_series(1, 3000) n));
SELECT count(*), count(*) FILTER (WHERE message ->> 'n' <> n::text) AS out_of_order
FROM ROWS FROM (pgmq.read('large', 0, 3000)) WITH ORDINALITY AS r (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers, n);
SELECT count(*), count(*) FILTER (WHERE message ->> 'n' <> n::text) AS out_of_order
FROM ROWS FROM (pgmq.pop('large', 5000)) WITH ORDINALITY AS r (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers, n);
RESET work_mem;

SELECT pgmq.drop_queue('large');
