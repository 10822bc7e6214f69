-- The form of routing keys and topic patterns.  Clients match these
-- texts; every one has SQLSTATE P0001.
SET client_min_messages = warning;

CREATE FUNCTION outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION key(k text) RETURNS text LANGUAGE sql
AS $$ SELECT outcome(format('SELECT pgmq.validate_routing_key(%L)', k)) $$;
CREATE FUNCTION pattern(p text) RETURNS text LANGUAGE sql
AS $$ SELECT outcome(format('SELECT pgmq.validate_topic_pattern(%L)', p)) $$;

-- keys
SELECT k, key(k) FROM unnest(ARRAY['a', 'logs.error', 'A-b_c.0.9', '-', '_', 'a.b.c.d.e.f']) AS k;
SELECT k, key(k) FROM unnest(ARRAY[NULL, '', ' ', 'a b', 'a*', '#', 'a/b', E'a\n', 'é', 'a''b', '.', '..', '.a', 'a.', 'a..b', '.a.', '.a..b']) AS k;

-- lengths are in characters, and come before everything else
SELECT key(repeat('a', 255)), key(repeat('a', 256)), key(repeat('é', 256)), key(repeat('é', 255)) ~ 'invalid characters';

-- patterns
SELECT p, pattern(p) FROM unnest(ARRAY['a', '*', '#', 'logs.*', 'logs.#', '#.error', '*.*', '*.#', '#.*.#', 'a*b', 'a#b', 'a.*b*.c', 'A-b_c.0.9']) AS p;
SELECT p, pattern(p) FROM unnest(ARRAY[NULL, '', ' ', 'a b', 'a+', 'a|b', 'a?', '(a)', '[a]', 'a{1}', '^a', 'a$', E'a\\', E'a\n', 'é', '.', '.a', 'a.', 'a..b', '**', 'a.**', '##', 'a.##.b', '*#', '#*', 'a.*#', '#*.a']) AS p;
SELECT pattern(repeat('a', 255)), pattern(repeat('*.', 127) || '*'), pattern(repeat('a', 256)), pattern(repeat('é', 256));

-- the checks come in this order
SELECT p, pattern(p) FROM unnest(ARRAY['.é', '.a.', '.a..', 'a..**', '**.##', '##.*#']) AS p;

-- the callers check as well, before they look for a queue
SELECT outcome($$SELECT pgmq.bind_topic('a..b', 'nope')$$);
SELECT outcome($$SELECT pgmq.bind_topic(NULL, 'nope')$$);
SELECT outcome($$SELECT pgmq.bind_topic('', 'nope')$$);
SELECT outcome($$SELECT pgmq.bind_topic('a', '')$$);
SELECT outcome($$SELECT pgmq.bind_topic('a', NULL)$$);
SELECT outcome($$SELECT pgmq.bind_topic('a', 'nope')$$);
SELECT outcome($$SELECT pgmq.bind_topic('a', 'no;pe')$$);
SELECT outcome(format($$SELECT pgmq.bind_topic('a', %L)$$, repeat('x', 100))) ~ '^P0001 Queue "x{100}" does not exist. Create the queue first using pgmq.create\(\)$';
SELECT outcome($$SELECT pgmq.unbind_topic(NULL, 'nope')$$);
SELECT outcome($$SELECT pgmq.unbind_topic('', 'nope')$$);
SELECT outcome($$SELECT pgmq.unbind_topic('a', '')$$);
SELECT outcome($$SELECT pgmq.unbind_topic('a', NULL)$$);
SELECT outcome($$SELECT pgmq.unbind_topic('a..b', 'nope')$$);
SELECT outcome($$SELECT pgmq.test_routing('a.*')$$);
SELECT outcome($$SELECT pgmq.test_routing(NULL)$$);
SELECT outcome($$SELECT pgmq.send_topic('a.#', '{}')$$);
SELECT outcome($$SELECT pgmq.send_topic(NULL, '{}')$$);
SELECT outcome($$SELECT pgmq.send_topic('a', NULL)$$);
SELECT outcome($$SELECT pgmq.send_topic('a', NULL, 0)$$);
SELECT outcome($$SELECT pgmq.send_topic('a', NULL, NULL, -1)$$);
SELECT outcome($$SELECT pgmq.send_topic('a', '{}', -1)$$);
SELECT outcome($$SELECT pgmq.send_topic('a', '{}', '{}', -5)$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a..b', ARRAY['{}']::jsonb[])$$);
SELECT outcome($$SELECT pgmq.send_batch_topic(NULL, ARRAY['{}']::jsonb[])$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a', NULL)$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a', '{}'::jsonb[])$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a', ARRAY['{}']::jsonb[], ARRAY['{}', '{}']::jsonb[])$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a', ARRAY['{}']::jsonb[], '{}'::jsonb[], 0)$$);
SELECT outcome($$SELECT pgmq.send_batch_topic('a', ARRAY['{}', '{}']::jsonb[], ARRAY['{}']::jsonb[], now())$$);

DROP FUNCTION outcome, key, pattern;
