-- catalog_queue_name: which names a queue can have, and what becomes of them
\set VERBOSITY terse
SET client_min_messages = warning;

-- A name that PGMQ refuses is refused in PGMQ's words, P0001.
SELECT pgmq.create('a$b');
SELECT pgmq.create('a;b');
SELECT pgmq.create('a''b');
SELECT pgmq.create('a--b');
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.create('q"; DROP TABLE pgmq.meta; --');
SELECT pgmq.create(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.format_table_name('Some', 'q'), pgmq.format_table_name('-', 'a'),
	   pgmq.format_table_name(NULL, 'q') IS NULL AS "null";
SELECT pgmq.format_table_name('a--b', 'q');

-- Everything else is a name: it is quoted wherever it is used.
SELECT n, pgmq.create(n)::text AS "create" FROM (VALUES (''), (' '), ('a b'), ('a.b'), ('a"b'), ('a-b'),
	('select'), ('a\b'), ('a%sb'), ('a{q}b'), ('1'), ('größe'), (E'a\nb')) v (n);
SELECT n, pgmq.send(n, '{}') AS send, (pgmq.metrics(n)).queue_length, pgmq.archive(n, 1), pgmq.purge_queue(n)
FROM (VALUES (''), (' '), ('a b'), ('a.b'), ('a"b'), ('a-b'),
	('select'), ('a\b'), ('a%sb'), ('a{q}b'), ('1'), ('größe'), (E'a\nb')) v (n);
SELECT pgmq.create_fifo_index('a"b');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'pgmq."q_a""b"'::regclass ORDER BY 1;
SELECT n, pgmq.drop_queue(n) FROM (VALUES (''), (' '), ('a b'), ('a.b'), ('a"b'), ('a-b'),
	('select'), ('a\b'), ('a%sb'), ('a{q}b'), ('1'), ('größe'), (E'a\nb')) v (n);

-- 47 bytes and no more, as given and in lower case.
SELECT pgmq.validate_queue_name(repeat('x', 47)), pgmq.validate_queue_name(NULL);
SELECT pgmq.validate_queue_name(repeat('x', 48));
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.create(repeat('x', 47));
SELECT pgmq.create_fifo_index(repeat('x', 47));
SELECT pgmq.send(repeat('X', 47), '{}');
SELECT relname, length(relname) FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relname LIKE '%xxxxxxxxxx%' ORDER BY 1;
SELECT pgmq.drop_queue(repeat('x', 47));
SELECT pgmq.create(repeat('x', 48));
SELECT pgmq.create_unlogged(repeat('x', 48));
SELECT pgmq.create_partitioned(repeat('x', 48));
SELECT pgmq.create(repeat('é', 24));
SELECT pgmq.create(repeat('é', 23));
SELECT pgmq.drop_queue(repeat('é', 23));
-- A longer name names no queue; it is never cut off to reach another one.
SELECT pgmq.create(repeat('x', 47));
SELECT pgmq.send(repeat('x', 62), '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.drop_queue(repeat('x', 62));
SELECT pgmq.drop_queue(repeat('x', 61));
SELECT pgmq.drop_queue(repeat('x', 47));

-- One queue whatever the case; its name is kept as first given.
SELECT pgmq.create('MyQueue');
SET client_min_messages = notice;
SELECT pgmq.create('myqueue');
SELECT pgmq.create('MYQUEUE');
SELECT queue_name FROM pgmq.list_queues() WHERE lower(queue_name) = 'myqueue';
SELECT pgmq.send('mYqUEUE', '{}');
SELECT queue_name, queue_length FROM pgmq.metrics('MYqueue');
SET client_min_messages = error;	-- other tests' queues
SELECT queue_name, queue_length FROM pgmq.metrics_all() WHERE lower(queue_name) = 'myqueue';
SET client_min_messages = notice;
SELECT pgmq.purge_queue('myQueue');
SELECT pgmq.drop_queue('MYQUEUE');
SELECT queue_name FROM pgmq.list_queues() WHERE lower(queue_name) = 'myqueue';
SELECT to_regclass('pgmq.q_myqueue'), to_regclass('pgmq.a_myqueue');

-- A name whose relations are another queue's: an error that names the relation.
\set VERBOSITY default
SELECT pgmq.create('z');
SELECT pgmq.create('z_pkey');
SELECT pgmq.create('z_msg_id_seq');
\echo :LAST_ERROR_SQLSTATE
SELECT pgmq.send('z_pkey', '{}');
SELECT pgmq.drop_queue('z_pkey');
SELECT pgmq.purge_queue('z_pkey');
SELECT pgmq.create('y_pkey');
\set VERBOSITY terse
SELECT pgmq.create('y');
SELECT to_regclass('pgmq.q_y'), (SELECT count(*) FROM pgmq.meta WHERE queue_name = 'y');
SELECT pgmq.drop_queue('z'), pgmq.drop_queue('y_pkey'), pgmq.drop_queue('y');
