-- Names of queues that are no plain identifiers
SET client_min_messages = error;

-- A name that PGMQ accepts is a name: every verb works with it.
CREATE FUNCTION pg_temp.use(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r pgmq.message_record;
	n int;
BEGIN
	PERFORM pgmq.create(name);
	SELECT count(*) INTO n FROM pg_class
	WHERE relnamespace = 'pgmq'::regnamespace AND relname IN ('q_' || lower(name), 'a_' || lower(name));
	ASSERT n = 2, 'tables';
	ASSERT (SELECT * FROM pgmq.send(name, '{"n": 1}')) = 1, 'send';
	PERFORM pgmq.send_batch(name, ARRAY['{"n": 2}', '{"n": 3}', '{"n": 4}', '{"n": 5}']::jsonb[]);
	r := pgmq.read(name, 30, 1);
	ASSERT r.msg_id = 1 AND r.message = '{"n": 1}', 'read';
	r := pgmq.read(name, 30, 1, '{"n": 2}');
	ASSERT r.msg_id = 2, 'conditional read';
	ASSERT pgmq.delete(name, 1) AND pgmq.archive(name, 2), 'delete, archive';
	ASSERT (SELECT count(*) FROM pgmq.set_vt(name, 3, 0)) = 1, 'set_vt';
	ASSERT (SELECT count(*) FROM pgmq.read_with_poll(name, 30, 1, 0)) = 1, 'read_with_poll';
	ASSERT (SELECT array_agg(msg_id) FROM pgmq.pop(name, 10)) = '{4,5}', 'pop';
	ASSERT (SELECT array_agg(d) FROM pgmq.delete(name, ARRAY[3, 4]) d) = '{3}', 'delete of several';
	EXECUTE format('SELECT count(*) FROM pgmq.%I', 'a_' || lower(name)) INTO n;
	ASSERT n = 1, 'archived';
	ASSERT (SELECT count(*) FROM pgmq.list_queues() l WHERE l.queue_name = name) = 1, 'list_queues';
	ASSERT pgmq.drop_queue(name), 'drop_queue';
	SELECT count(*) INTO n FROM pg_class
	WHERE relnamespace = 'pgmq'::regnamespace AND relname IN ('q_' || lower(name), 'a_' || lower(name));
	ASSERT n = 0, 'tables gone';
	RETURN 'ok';
EXCEPTION
	WHEN raise_exception OR undefined_table OR wrong_object_type OR duplicate_table THEN
		RETURN SQLSTATE || ': ' || left(SQLERRM, 90);
END
$$;

SELECT shown, pg_temp.use(name) FROM (VALUES
	('plain', 'plain'), ('empty', ''), ('space', ' '), ('spaces', ' a  b '), ('dot', 'a.b'), ('dots', '..'), ('schema', 'public.x'),
	('double quote', 'a"b'), ('only quotes', '""'), ('quoted', '"x"'), ('backslash', 'a\b'), ('newline', E'a\nb'), ('tab', E'\t'),
	('percent', '100%s%I%'), ('braces', '{q}{a}'), ('parameter', '?1'), ('hyphen', 'a-b'), ('hyphens apart', 'a- -b'),
	('comment', '/* a */'), ('keyword', 'select'), ('comma', 'a, b'), ('parenthesis', 'x) select (1'), ('capitals', 'MiXed'),
	('digits', '123'), ('emoji', '🐘'), ('umlaut', 'übel'), ('backtick', '`x`'),
	('47 bytes', repeat('x', 47)), ('47 bytes, of several each', repeat('é', 23) || 'x')) AS n (shown, name);

-- A name that PGMQ refuses is refused by every function, in PGMQ's words.
SELECT shown, pg_temp.use(name) FROM (VALUES
	('dollar', 'a$b'), ('parameter', '$1'), ('semicolon', 'a;b'), ('comment', 'a--b'), ('only a comment', '--'), ('single quote', 'a''b'),
	('the classic', 'x''; DROP TABLE pgmq.meta; --'),
	('48 bytes', repeat('x', 48)), ('48 bytes, of two each', repeat('é', 24)), ('47 characters of two bytes', repeat('é', 47)),
	('64 bytes', repeat('x', 64)), ('a megabyte', repeat('x', 1000000))) AS n (shown, name);

-- A name that is too long is never cut to somebody else's.
SELECT pgmq.create(repeat('y', 47));
\set VERBOSITY sqlstate
SELECT pgmq.send(repeat('y', 48), '{}');
SELECT pgmq.read(repeat('y', 61), 1, 1);
SELECT pgmq.read(repeat('y', 62), 1, 1);
SELECT pgmq.read(repeat('y', 1000), 1, 1);
SELECT pgmq.drop_queue(repeat('y', 47));

-- Names whose relations would be, or are, parts of another queue.
SELECT pgmq.create('host');
SELECT pgmq.send('host', '{}');
SELECT name, pg_temp.use(name) FROM unnest(ARRAY['host_msg_id_seq', 'host_pkey']) AS name;
SELECT pgmq.send('host_pkey', '{}');
SELECT pgmq.read('host_msg_id_seq', 1, 1);
SELECT pgmq.pop('host_pkey');
SELECT pgmq.delete('host_msg_id_seq', 1);
SELECT pgmq.archive('host_pkey', 1);
SELECT pgmq.set_vt('host_msg_id_seq', 1, 1);
\set VERBOSITY default
SELECT msg_id, read_ct FROM pgmq.read('host', 30, 1);

-- Upper and lower case are one queue.
SELECT pgmq.send('HOST', '{"n": 2}');
SELECT msg_id FROM pgmq.read('Host', 30, 1);
SELECT pgmq.drop_queue('host');
SELECT relname FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relname LIKE '%host%';

-- A row that is not a queue's name, in a table that goes by names, does no harm to the
-- others.
SELECT pgmq.create('good');
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) SELECT name, false, false FROM unnest('{bad;name,long}'::text[]) AS n, repeat(n, 20) AS name;
INSERT INTO pgmq.policy (queue_name) SELECT queue_name FROM pgmq.meta WHERE queue_name ~ '^(bad|long)';
SELECT queue_name FROM pgmq.engine_status() WHERE queue_name ~ '^(bad|long|good)';
SELECT queue_name FROM pgmq.metrics_all() WHERE queue_name ~ '^(bad|long|good)';
SELECT pgmq.create_fifo_indexes_all();
CALL pgmq.maintain();
DELETE FROM pgmq.policy WHERE queue_name ~ '^(bad|long)';
DELETE FROM pgmq.meta WHERE queue_name ~ '^(bad|long)';
SELECT pgmq.drop_queue('good');
