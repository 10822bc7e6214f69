-- Topics: bindings, routing, fan-out.
SET client_min_messages = warning;

SELECT pgmq.create('topic_a'), pgmq.create('Topic_B'), pgmq.create('topic_c');

-- bind: idempotent, by any spelling of the queue's name, under the one given
SELECT pgmq.bind_topic('logs.#', 'topic_a');
SELECT pgmq.bind_topic('logs.#', 'topic_a');
SELECT pgmq.bind_topic('logs.*', 'TOPIC_A');
SELECT pgmq.bind_topic('logs.*', 'topic_b');
SELECT pgmq.bind_topic('a.*.b', 'topic_c');
SELECT pgmq.bind_topic('x#y', 'topic_c');
SELECT pattern, queue_name, bound_at = now() AS now, compiled_regex FROM pgmq.list_topic_bindings();
SELECT pattern, queue_name, compiled_regex FROM pgmq.list_topic_bindings('TOPIC_b');
SELECT count(*) FROM pgmq.list_topic_bindings('nope');
SELECT count(*) FROM pgmq.list_topic_bindings(NULL);

-- newest first, then by pattern
UPDATE pgmq.topic_bindings SET bound_at = now() + '1 hour' WHERE pattern = 'x#y';
SELECT pattern, queue_name FROM pgmq.list_topic_bindings();
SELECT pattern, queue_name FROM pgmq.list_topic_bindings('topic_c');

-- routing
SELECT k, r.* FROM unnest(ARRAY['logs.error', 'logs.a.b', 'logs', 'log', 'a.b', 'a.x.b', 'a.x.y.b', 'xy', 'x.y.y', 'xyz']) AS k
LEFT JOIN pgmq.test_routing(k) AS r ON true;

-- one message for each queue, however many of its patterns match
SELECT pgmq.send_topic('logs.error', '{"n": 1}');
SELECT pgmq.send_topic('logs.a.b', '{"n": 2}', 3600);
SELECT pgmq.send_topic('a.x.b', '{"n": 3}', '{"h": 1}', 0);
SELECT pgmq.send_topic('nobody', '{"n": 4}');
SELECT pgmq.send_topic(routing_key => 'xy', msg => 'null', delay => 0);
SELECT tableoid::regclass, msg_id, message, headers, vt > clock_timestamp() AS delayed
FROM (SELECT tableoid, * FROM pgmq.q_topic_a UNION ALL SELECT tableoid, * FROM pgmq.q_topic_b UNION ALL SELECT tableoid, * FROM pgmq.q_topic_c) AS q
ORDER BY 1, 2;
-- a NULL delay is the table's to refuse
\set VERBOSITY terse
SELECT pgmq.send_topic('xy', '{}', NULL::integer);
\set VERBOSITY default

-- batches: every queue, in order, ids in the order of the array
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 1}', NULL, '{"b": 3}']::jsonb[]);
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 4}']::jsonb[], ARRAY['{"h": 4}']::jsonb[]);
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 5}']::jsonb[], 3600);
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 6}']::jsonb[], 'infinity'::timestamptz);
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 7}']::jsonb[], ARRAY['{"h": 7}']::jsonb[], 3600);
SELECT * FROM pgmq.send_batch_topic('logs.x', ARRAY['{"b": 8}']::jsonb[], ARRAY['{"h": 8}']::jsonb[], '2000-01-01'::timestamptz);
SELECT * FROM pgmq.send_batch_topic('nobody', ARRAY['{}']::jsonb[]);
SELECT msg_id, message, headers, vt > clock_timestamp() AS delayed, vt = 'infinity' AS infinite, vt = '2000-01-01' AS past
FROM pgmq.q_topic_b WHERE message ? 'b' OR message IS NULL ORDER BY msg_id;

-- in the order of the tables, not of the bindings; then one row each
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '% %', TG_TABLE_NAME, NEW.msg_id;
	RETURN NULL;
END
$$;
CREATE TRIGGER tell AFTER INSERT ON pgmq.q_topic_a FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT ON pgmq.q_topic_b FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell AFTER INSERT ON pgmq.q_topic_c FOR EACH ROW EXECUTE FUNCTION tell();
SELECT pgmq.bind_topic('order.*', 'topic_c'), pgmq.bind_topic('order.*', 'topic_a'), pgmq.bind_topic('order.*', 'topic_b');
SELECT pgmq.send_topic('order.1', '{}');
SELECT * FROM pgmq.send_batch_topic('order.1', ARRAY['{}', '{}']::jsonb[]);
DROP FUNCTION tell CASCADE;

-- a row that a trigger swallows was sent nevertheless
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pgmq.q_topic_b FOR EACH ROW EXECUTE FUNCTION swallow();
SELECT pgmq.send_topic('order.1', '{}');
SELECT queue_name FROM pgmq.send_batch_topic('order.1', ARRAY['{}']::jsonb[]);
DROP FUNCTION swallow CASCADE;

-- a sender must be allowed to read the bindings and to write the queues
CREATE ROLE regress_topic;
GRANT USAGE ON SCHEMA pgmq TO regress_topic;
SET ROLE regress_topic;
SELECT pgmq.send_topic('xy', '{}');
RESET ROLE;
GRANT SELECT ON pgmq.topic_bindings TO regress_topic;
SET ROLE regress_topic;
SELECT pgmq.send_topic('xy', '{}');
SELECT pgmq.send_topic('nobody', '{}');
RESET ROLE;
GRANT INSERT, SELECT ON pgmq.q_topic_c TO regress_topic;
SET ROLE regress_topic;
SELECT pgmq.send_topic('xy', '{}');
RESET ROLE;
DROP OWNED BY regress_topic;
DROP ROLE regress_topic;

-- a hostile search_path changes nothing
CREATE SCHEMA topic_hostile;
CREATE FUNCTION topic_hostile.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'hostile' $$;
CREATE FUNCTION topic_hostile.lie(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR topic_hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = topic_hostile.lie);
CREATE OPERATOR topic_hostile.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = topic_hostile.lie);
CREATE FUNCTION topic_hostile.replace(text, text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'hostile' $$;
CREATE TABLE topic_hostile.topic_bindings (pattern text, queue_name text, compiled_regex text, bound_at timestamptz);
INSERT INTO topic_hostile.topic_bindings VALUES ('#', 'topic_b', '.*', now());
SET search_path = topic_hostile, pg_catalog;
SELECT pgmq.bind_topic('hostile', 'TOPIC_C');
SELECT pattern, queue_name, compiled_regex FROM pgmq.test_routing('hostile');
SELECT pgmq.send_topic('hostile', '{}');
SELECT count(*) FROM pgmq.list_topic_bindings('nope');
SELECT pgmq.unbind_topic('hostile', 'topic_b'), pgmq.unbind_topic('hostile', 'Topic_C');
RESET search_path;
DROP SCHEMA topic_hostile CASCADE;

-- unbind
SELECT pgmq.unbind_topic('logs.*', 'TOPIC_B'), pgmq.unbind_topic('logs.*', 'topic_b');
SELECT pgmq.send_topic('logs.error', '{"n": 5}');

-- a kept plan notices that the bindings changed under it
BEGIN;
ALTER TABLE pgmq.topic_bindings ADD COLUMN note text;
SELECT pgmq.send_topic('logs.error', '{"n": 6}');
ROLLBACK;
SELECT pgmq.send_topic('logs.error', '{"n": 7}');

-- bindings go with their queue; a queue whose table was dropped by hand is
-- named, and no queue gets the message
SELECT pgmq.drop_queue('topic_b');
SELECT pattern, queue_name FROM pgmq.list_topic_bindings('topic_b');
SELECT max(msg_id) AS last FROM pgmq.q_topic_a \gset
BEGIN;
DROP TABLE pgmq.q_topic_c;
SAVEPOINT dropped;
\set VERBOSITY sqlstate
SELECT pgmq.send_topic('order.1', '{}');
\set VERBOSITY default
ROLLBACK TO dropped;
SELECT pgmq.send_topic('order.1', '{}');
ROLLBACK TO dropped;
SELECT count(*) FROM pgmq.q_topic_a WHERE msg_id > :last;
ROLLBACK;

-- Every legal pattern of up to five characters, against every legal key: what
-- is sent where, and what compiled_regex says, are two programs.
CREATE FUNCTION legal(query text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN true;
EXCEPTION WHEN raise_exception THEN
	RETURN false;
END
$$;
CREATE FUNCTION words(letters text[]) RETURNS SETOF text LANGUAGE sql AS $$
	WITH RECURSIVE word (w) AS (
		SELECT '' UNION ALL
		SELECT w || l FROM word, unnest(letters) AS l WHERE length(w) < 5)
	SELECT w FROM word
$$;
SELECT pgmq.create('topic_all');
DELETE FROM pgmq.topic_bindings;
SELECT count(pgmq.bind_topic(p, 'topic_all')) AS patterns FROM words('{a,.,*,#}') AS p
WHERE legal(format('SELECT pgmq.validate_topic_pattern(%L)', p));
CREATE TABLE key AS SELECT k FROM words('{a,b,.}') AS k
WHERE legal(format('SELECT pgmq.validate_routing_key(%L)', k));
CREATE TABLE by_regex AS SELECT pattern, k FROM pgmq.topic_bindings, key WHERE k ~ compiled_regex;
CREATE TABLE by_us AS SELECT r.pattern, k FROM key, pgmq.test_routing(k) AS r;
SELECT (SELECT count(*) FROM key) AS keys, (SELECT count(*) FROM by_us) AS matches;
(TABLE by_us EXCEPT TABLE by_regex) UNION ALL (TABLE by_regex EXCEPT TABLE by_us);
DROP TABLE key, by_regex, by_us;

-- every character that is legal in a pattern stands for itself in the regex
SELECT string_agg(chr(c), '') || '-_.-' AS all FROM generate_series(48, 122) AS c WHERE chr(c) ~ '[[:alnum:]]' \gset
SELECT pgmq.bind_topic(:'all', 'topic_all');
SELECT compiled_regex FROM pgmq.test_routing(:'all') WHERE pattern = :'all' AND :'all' ~ compiled_regex;
-- a pattern that was put into the table past bind_topic is taken literally,
-- too
INSERT INTO pgmq.topic_bindings VALUES ('a.(b|c)+', 'topic_all'), ('**', 'topic_all'), ('\', 'topic_all'), ('a?', 'topic_all'), ('', 'topic_all');
SELECT pattern, compiled_regex, 'aa' ~ compiled_regex AS regex, EXISTS (SELECT FROM pgmq.test_routing('aa') AS r WHERE r.pattern = b.pattern) AS routed
FROM pgmq.topic_bindings AS b WHERE pattern IN ('a.(b|c)+', '**', '\', 'a?', '') ORDER BY pattern COLLATE "C";

-- the longest of both
SELECT pgmq.bind_topic(repeat('*.', 127) || '*', 'topic_all');
SELECT count(*) FROM pgmq.test_routing(repeat('a.', 127) || 'a') WHERE length(pattern) = 255;
SELECT count(*) FROM pgmq.test_routing(repeat('a', 255)) WHERE length(pattern) = 255;

SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues() WHERE queue_name LIKE 'topic_%' ORDER BY queue_name;
SELECT count(*) FROM pgmq.topic_bindings;
DROP FUNCTION legal, words;
