-- catalog_layout: how a queue is stored, so that a read costs little
SELECT pgmq.create('lay');
\d pgmq.q_lay
\d pgmq.a_lay
SELECT unnest(reloptions) FROM pg_class WHERE oid = 'pgmq.q_lay'::regclass;
SELECT unnest(t.reloptions) FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = 'pgmq.q_lay'::regclass;
SELECT reloptions FROM pg_class WHERE oid = 'pgmq.a_lay'::regclass;
SELECT pgmq.create_unlogged('lay_un');
SELECT (SELECT reloptions FROM pg_class WHERE oid = 'pgmq.q_lay'::regclass)
	 = (SELECT reloptions FROM pg_class WHERE oid = 'pgmq.q_lay_un'::regclass) AS same;

-- No index holds a column that a read changes.
SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid IN ('pgmq.q_lay'::regclass, 'pgmq.q_lay_un'::regclass) AND a.attname IN ('vt', 'read_ct', 'last_read_at');

-- COPY needs no more than the messages.
COPY pgmq.q_lay (message) FROM STDIN;
{"from": "copy 1"}
{"from": "copy 2"}
\.
SELECT msg_id, read_ct, message, headers FROM pgmq.read('lay', 30, 10);
-- and so does INSERT; the caller cannot choose ids
INSERT INTO pgmq.q_lay (message) VALUES ('{"from": "insert"}');
INSERT INTO pgmq.q_lay (msg_id, message) VALUES (100, '{}');
SELECT msg_id, message FROM pgmq.pop('lay');

-- Every table has a key that replication can use.
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'p')
	AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
ORDER BY 1;

-- Reads are HOT updates, in batches of any usual size.
CREATE PROCEDURE lay_read(queue text, batch int, times int, vt int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		PERFORM pgmq.read(queue, vt, batch);
		COMMIT;
	END LOOP;
END
$$;
SELECT pgmq.create('lay_' || batch) FROM (VALUES (1), (10), (100), (1000)) v (batch);
SELECT count(*) FROM (VALUES (1), (10), (100), (1000)) v (batch),
	pgmq.send_batch('lay_' || batch, array_fill('{"some": "thing", "of": "ordinary length"}'::jsonb, ARRAY[1000]));
CALL lay_read('lay_1', 1, 1000, 30);
CALL lay_read('lay_10', 10, 100, 30);
CALL lay_read('lay_100', 100, 10, 30);
-- the same hundred messages over and over
CALL lay_read('lay_1000', 100, 10, 0);
SELECT pg_stat_force_next_flush();
SELECT relname, n_tup_upd, n_tup_hot_upd >= 0.9 * n_tup_upd AS hot FROM pg_stat_user_tables
WHERE relname LIKE 'q\_lay\_1%' ORDER BY relname;

-- A payload that makes a row long leaves it as a whole, even if it could be
-- compressed to fit: 2560 bytes of which half repeat the other half.
SELECT pgmq.send('lay_un', (SELECT jsonb_build_object('long', repeat(string_agg(md5(i::text), ''), 2)) FROM generate_series(1, 40) i));
SELECT pg_relation_size(reltoastrelid) > 0 AS out_of_line FROM pg_class WHERE oid = 'pgmq.q_lay_un'::regclass;

DROP PROCEDURE lay_read;
SELECT pgmq.drop_queue(q) FROM unnest(ARRAY['lay', 'lay_un', 'lay_1', 'lay_10', 'lay_100', 'lay_1000']) q;
