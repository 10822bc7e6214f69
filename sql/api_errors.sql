-- Bad input: every message verb in every form, every argument in turn NULL,
-- empty, negative, huge or otherwise strange, the others good.  The outcome
-- is ok or an SQLSTATE; what a call did is undone.
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RAISE SQLSTATE 'ZZZZZ';
EXCEPTION
	WHEN SQLSTATE 'ZZZZZ' THEN RETURN 'ok';
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;

SELECT pgmq.create('errors');
SELECT pgmq.send('errors', '{}');

CREATE TEMP TABLE good (arg text, type regtype, value text);
INSERT INTO good VALUES
	('queue_name', 'text', 'errors'),
	('msg', 'jsonb', '{}'),
	('msgs', 'jsonb[]', '{"{}"}'),
	('headers', 'jsonb', '{}'),
	('headers', 'jsonb[]', '{"{}"}'),
	('delay', 'integer', '0'),
	('delay', 'timestamptz', '2020-01-01 00:00+00'),
	('delay', 'interval', '-1 s'),
	('delay', 'text', '0'),
	('delay', 'varchar', '0'),
	('headers_or_delay', 'text', '1'),
	('vt', 'integer', '1'),
	('vt', 'timestamptz', '2020-01-01 00:00+00'),
	('vt', 'interval', '-1 s'),
	('vt', 'text', '0'),
	('qty', 'integer', '1'),
	('conditional', 'jsonb', '{}'),
	('max_poll_seconds', 'integer', '0'),
	('poll_interval_ms', 'integer', '10'),
	('msg_id', 'bigint', '1'),
	('msg_ids', 'bigint[]', '{1}'),
	('msg_id_or_ids', 'text', '1'),
	('read_ct_or_cts', 'text', '0'),
	('read_ct', 'integer', '0'),
	('read_cts', 'integer[]', '{0}');

CREATE TEMP TABLE strange (n serial, type regtype, value text, shown text);
INSERT INTO strange (type, value, shown) VALUES
	('text', NULL, 'NULL'), ('text', '', 'empty'), ('text', 'no such queue', 'unknown'), ('text', 'a;b', 'a;b'),
	('text', repeat('x', 48), '48 bytes'), ('text', repeat('x', 62), '62 bytes'), ('text', repeat('x', 100000), '100000 bytes'),
	('text', 'errors_msg_id_seq', 'a sequence'), ('text', 'errors_pkey', 'an index'),
	('integer', NULL, 'NULL'), ('integer', '0', '0'), ('integer', '-1', '-1'),
	('integer', '-2147483648', 'min'), ('integer', '2147483647', 'max'),
	('bigint', NULL, 'NULL'), ('bigint', '0', '0'), ('bigint', '-1', '-1'),
	('bigint', '-9223372036854775808', 'min'), ('bigint', '9223372036854775807', 'max'),
	('bigint[]', NULL, 'NULL'), ('bigint[]', '{}', '{}'), ('bigint[]', '{NULL}', '{NULL}'), ('bigint[]', '{-1}', '{-1}'),
	('bigint[]', '{1,1}', 'two'), ('bigint[]', '{{1,2},{3,4}}', '2-D'), ('bigint[]', '[5:5]={1}', '[5:5]'),
	('integer[]', NULL, 'NULL'), ('integer[]', '{}', '{}'), ('integer[]', '{NULL}', '{NULL}'), ('integer[]', '{-1}', '{-1}'),
	('integer[]', '{0,0}', 'two'), ('integer[]', '{{0}}', '2-D'),
	('jsonb', NULL, 'NULL'), ('jsonb', 'null', 'null'), ('jsonb', '[]', '[]'), ('jsonb', '"x"', '"x"'),
	('jsonb[]', NULL, 'NULL'), ('jsonb[]', '{}', '{}'), ('jsonb[]', '{NULL}', '{NULL}'), ('jsonb[]', '{1,2}', 'two'),
	('timestamptz', NULL, 'NULL'), ('timestamptz', '-infinity', '-infinity'), ('timestamptz', 'infinity', 'infinity'),
	('interval', NULL, 'NULL'), ('interval', '-178000000 y', 'min'), ('interval', '178000000 y', 'max'),
	('timestamptz', '4713-01-01 00:00+00 BC', 'min'), ('timestamptz', '294276-12-31 23:59:59.999999+00', 'max');

CREATE TEMP TABLE verbs AS
SELECT p.oid::regprocedure AS fn, p.oid, a.name AS arg, a.type::oid::regtype AS type, a.ord
FROM pg_proc p, unnest(p.proargnames, p.proargtypes::oid[]) WITH ORDINALITY AS a (name, type, ord)
WHERE pronamespace = 'pgmq'::regnamespace
  AND (proname IN ('send', 'send_batch', '_send_batch', 'pop', 'delete', 'archive', 'set_vt') OR proname LIKE 'read%'
	   OR proname LIKE '%\_and\_read%')
  AND proname NOT LIKE 'read_any%'; -- it takes several queues: see read_any
-- each argument has its good value
SELECT fn, arg FROM verbs LEFT JOIN good USING (arg, type) WHERE value IS NULL;

CREATE FUNCTION pg_temp.call(verb oid, instead_of text DEFAULT NULL, value text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT * FROM %s(%s)', (SELECT proname FROM (SELECT 'pgmq.' || quote_ident(p.proname) AS proname
															   FROM pg_proc p WHERE p.oid = verb) n),
				  string_agg(format('%s => %L::%s', v.arg, CASE WHEN v.arg = instead_of THEN call.value ELSE g.value END, v.type), ', '
							 ORDER BY v.ord))
	FROM verbs v JOIN good g USING (arg, type) WHERE v.oid = verb
$$;

-- With good arguments only, each is ok.
SELECT fn, pg_temp.outcome(pg_temp.call(oid)) FROM (SELECT DISTINCT fn, oid FROM verbs) f
WHERE pg_temp.outcome(pg_temp.call(oid)) <> 'ok';

-- queue_name is the same everywhere.
SELECT shown AS queue_name, string_agg(DISTINCT pg_temp.outcome(pg_temp.call(oid, 'queue_name', value)), ', ') AS outcome, count(*) > 35 AS of_all
FROM verbs JOIN strange USING (type) WHERE arg = 'queue_name' GROUP BY n, shown ORDER BY n;

-- the other arguments
SELECT replace(fn::text, 'timestamp with time zone', 'timestamptz') AS fn, arg,
	   string_agg(shown || ': ' || pg_temp.outcome(pg_temp.call(oid, arg, value)), ', ' ORDER BY n) AS outcome
FROM verbs JOIN strange USING (type) WHERE arg <> 'queue_name'
GROUP BY fn, arg, ord ORDER BY fn::text COLLATE "C", ord;

-- None of these calls changed anything.
SELECT msg_id, read_ct, message, headers FROM pgmq.q_errors;
SELECT count(*) FROM pgmq.a_errors;

-- Values of a wrong type find no function, or no value.
SELECT call, pg_temp.outcome(call) FROM (VALUES
	($$SELECT pgmq.send('errors', 1)$$),
	($$SELECT pgmq.send('errors', 'no json')$$),
	($$SELECT pgmq.send('errors', '{}'::json)$$),
	($$SELECT pgmq.send('errors', '{}'::text)$$),
	($$SELECT pgmq.send('errors', '{}', 1.5)$$),
	($$SELECT pgmq.send('errors', '{}', 3000000000)$$),
	($$SELECT pgmq.send('errors', '{}', true)$$),
	($$SELECT pgmq.send('errors', '{}', interval '1 s')$$),
	($$SELECT pgmq.send('errors', '{}', date '2020-01-01')$$),
	($$SELECT pgmq.send(1, '{}')$$),
	($$SELECT pgmq.send('errors')$$),
	($$SELECT pgmq.send('errors', msg => '{}', message => '{}')$$),
	($$SELECT pgmq.send_batch('errors', ARRAY['{}'])$$),
	($$SELECT pgmq.send_batch('errors', '{}')$$),
	($$SELECT pgmq.read('errors', 'soon', 1)$$),
	($$SELECT pgmq.read('errors', 1.5, 1)$$),
	($$SELECT pgmq.read('errors', 1, 3000000000)$$),
	($$SELECT pgmq.read('errors', 1, 1, 'no json')$$),
	($$SELECT pgmq.read('errors', 1)$$),
	($$SELECT pgmq.pop('errors', 'all')$$),
	($$SELECT pgmq.delete('errors', 'one')$$),
	($$SELECT pgmq.delete('errors', 1.5)$$),
	($$SELECT pgmq.delete('errors', ARRAY['one'])$$),
	($$SELECT pgmq.delete('errors', 99999999999999999999)$$),
	($$SELECT pgmq.archive('errors', ARRAY[1.5])$$),
	($$SELECT pgmq.set_vt('errors', 1, interval '1 s')$$),
	($$SELECT pgmq.set_vt('errors', 1, 'soon')$$)) AS c (call);

-- An unknown queue: clients parse the message; the rest is for people.
SELECT pgmq.send('No such', '{}');
SELECT * FROM pgmq.read('no_such', 1, 1);
SELECT pgmq.archive('no_such', 1);
\set VERBOSITY terse
SELECT pgmq.send(NULL, '{}');
SELECT * FROM pgmq.read('errors', 1, NULL);
SELECT * FROM pgmq.read('errors', 1, -1);
SELECT * FROM pgmq.pop('errors', NULL);
SELECT pgmq.delete('errors', 1, NULL);
SELECT * FROM pgmq.delete('errors', ARRAY[1], NULL);
SELECT * FROM pgmq.delete('errors', ARRAY[1], ARRAY[NULL]::integer[]);
SELECT * FROM pgmq.delete('errors', ARRAY[1], ARRAY[1, 2]);
SELECT pgmq.send('errors', '{}', NULL::integer);
SELECT pgmq.send('a$b', '{}');
SELECT pgmq.read('a''b', 1, 1);

-- A transaction that caught an error goes on, and so does the session.
BEGIN;
SELECT count(*) FROM pgmq.send('errors', '{"n": 2}');
SAVEPOINT s;
SELECT * FROM pgmq.read('errors', 1, NULL);
ROLLBACK TO s;
SELECT * FROM pgmq.read('errors', NULL, 10);
ROLLBACK TO s;
SELECT count(*) FROM pgmq.read('errors', 30, 10);
COMMIT;
SELECT count(*) FROM pgmq.q_errors WHERE read_ct = 1;
\set VERBOSITY default

SELECT pgmq.drop_queue('errors');
