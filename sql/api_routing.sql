-- Bindings by AMQP's patterns and by headers beside PGMQ's, alternate queues, and what becomes of messages that nothing takes.
SET client_min_messages = warning;
SELECT count(pgmq.create('routing_' || q)) FROM unnest('{pgmq,amqp,eu,any,lost}'::text[]) AS q;

-- Bindings of each kind, which their prefix tells.
SELECT pgmq.bind_topic('order.#', 'routing_pgmq');
SELECT pgmq.bind_topic('amqp:order.#', 'routing_amqp');
SELECT pgmq.bind_topic('headers:{"region": "eu", "vip": true}', 'routing_eu');
SELECT pgmq.bind_topic('headers:{"x-match": "any", "size": 5, "weight": null}', 'routing_any');
-- the same again, in another spelling
SELECT pgmq.bind_topic('headers:{ "vip":true, "region":"eu" }', 'Routing_EU');
SELECT pattern, queue_name FROM pgmq.topic_bindings WHERE queue_name ~ '^routing_' ORDER BY queue_name;

-- AMQP's # is no word too, PGMQ's is not
SELECT k, r.pattern, r.queue_name, r.compiled_regex FROM unnest('{order,order.paid,order.eu.paid,orders,x.order}'::text[]) AS k
LEFT JOIN pgmq.test_routing(k) AS r ON true;

-- headers: all of them, or any, by value and type; null stands for any value
SELECT h, (SELECT array_agg(queue_name ORDER BY queue_name) FROM pgmq.test_routing('x', h)) AS queues
FROM unnest(ARRAY['{"region": "eu", "vip": true}', '{"region": "eu", "vip": true, "more": [1]}', '{"region": "eu"}', '{"region": "eu", "vip": "true"}',
	'{"size": 5}', '{"size": 5.0}', '{"size": "5"}', '{"weight": "heavy"}', '{"weight": null}', '{"region": "eu", "vip": true, "size": 5}',
	'{}', '[]', '"region"', 'null', NULL]::jsonb[]) AS h;
-- objects and arrays are values, too
SELECT pgmq.bind_topic('headers:{"to": {"city": "Rome", "zip": [1, 2]}}', 'routing_any');
SELECT h, (SELECT array_agg(queue_name) FROM pgmq.test_routing('x', h)) AS queues
FROM unnest(ARRAY['{"to": {"zip": [1, 2], "city": "Rome"}}', '{"to": {"city": "Rome"}}', '{"to": {"zip": [2, 1], "city": "Rome"}}']::jsonb[]) AS h;
SELECT pgmq.unbind_topic('headers:{"to": {"zip": [1, 2], "city": "Rome"}}', 'ROUTING_any'), pgmq.unbind_topic('headers:{"to": 1}', 'routing_any');

-- no header is needed for all of none, and none is enough for any of none
SELECT pgmq.bind_topic('headers:{}', 'routing_lost'), pgmq.bind_topic('headers:{"x-match": "any"}', 'routing_eu');
SELECT pattern, queue_name FROM pgmq.test_routing('x', NULL);
SELECT pgmq.unbind_topic('headers:{}', 'routing_lost'), pgmq.unbind_topic('headers:{"x-match": "any"}', 'routing_eu');

-- sending
SELECT pgmq.send_topic('order', '1');
SELECT pgmq.send_topic('order.paid', '2', '{"region": "eu", "vip": true}', 0);
SELECT pgmq.send_topic('x', '3', '{"size": 5}', 0);
SELECT pgmq.send_topic('x', '4', 60);
SELECT tableoid::regclass, message FROM (
	SELECT tableoid, message FROM pgmq.q_routing_pgmq UNION ALL SELECT tableoid, message FROM pgmq.q_routing_amqp
	UNION ALL SELECT tableoid, message FROM pgmq.q_routing_eu UNION ALL SELECT tableoid, message FROM pgmq.q_routing_any) AS q
ORDER BY tableoid::regclass::text, message;

-- a batch: each message goes where its own headers send it, in the order of the array
SELECT * FROM pgmq.send_batch_topic('x', ARRAY['{"b": 1}', NULL, '{"b": 3}', '{"b": 4}', '{"b": 5}']::jsonb[],
	ARRAY['{"size": 5}', '{"region": "eu", "vip": true}', NULL, '{"region": "eu", "vip": true, "weight": 7}', 'null']::jsonb[]);
SELECT 'eu' AS queue, msg_id, message, headers FROM pgmq.q_routing_eu WHERE message ? 'b' OR message IS NULL
UNION ALL SELECT 'any', msg_id, message, headers FROM pgmq.q_routing_any WHERE message ? 'b' ORDER BY 1, 2;
-- without headers, and with some that nothing wants
SELECT * FROM pgmq.send_batch_topic('order', ARRAY['6', '7']::jsonb[]);
SELECT * FROM pgmq.send_batch_topic('order', ARRAY['8', '9']::jsonb[], ARRAY['{"h": 1}', '{"size": 5}']::jsonb[], 60);
SELECT * FROM pgmq.send_batch_topic('x', ARRAY['8', '9']::jsonb[], ARRAY['{"h": 1}', NULL]::jsonb[]);

-- Alternate queues get what no other binding takes, and only that.
SELECT pgmq.bind_topic('alternate:x.#', 'routing_lost');
SELECT k, h, (SELECT array_agg(pattern || ' ' || queue_name) FROM pgmq.test_routing(k, h)) AS bindings
FROM (VALUES ('x', NULL), ('x.y', '{"h": 1}'), ('y', NULL), ('x', '{"size": 5}'), ('order', NULL::jsonb)) AS v (k, h);
SELECT pgmq.send_topic('x', '10'), pgmq.send_topic('y', '11'), pgmq.send_topic('x.y', '12', '{"size": 5}', 0);
SELECT * FROM pgmq.send_batch_topic('x', ARRAY['13', '14', '15']::jsonb[], ARRAY['{"size": 5}', NULL, '{"h": 1}']::jsonb[]);
SELECT message FROM pgmq.q_routing_lost ORDER BY msg_id;
-- a queue can be both, and gets each message once
SELECT pgmq.bind_topic('alternate:#', 'routing_any'), pgmq.bind_topic('alternate:#', 'routing_lost');
SELECT * FROM pgmq.send_batch_topic('x', ARRAY['16', '17']::jsonb[], ARRAY['{"size": 5}', NULL]::jsonb[]);
SELECT pgmq.unbind_topic('alternate:#', 'routing_any'), pgmq.unbind_topic('alternate:#', 'routing_lost');

-- Nothing takes it: nobody minds, or it is an error, and then nothing is sent at all.
SHOW pgmq_c.unroutable;
SELECT pgmq.send_topic('y', '18');
SET pgmq_c.unroutable = error;
SELECT pgmq.send_topic('y', '19');
SELECT pgmq.send_topic('x', '20'), pgmq.send_topic('order', '21');
SELECT count(*) FROM pgmq.q_routing_any \gset before_
SELECT * FROM pgmq.send_batch_topic('y', ARRAY['22', '23']::jsonb[], ARRAY['{"size": 5}', '{"h": 1}']::jsonb[]);
SELECT count(*) - :before_count AS sent FROM pgmq.q_routing_any;
SELECT queue_name FROM pgmq.send_batch_topic('y', ARRAY['24', '25']::jsonb[], ARRAY['{"size": 5}', '{"weight": 1}']::jsonb[]);
\set VERBOSITY sqlstate
SELECT pgmq.send_topic('y', '26', '{}', 0);
\set VERBOSITY default
SET pgmq_c.unroutable = perhaps;
RESET pgmq_c.unroutable;

-- what cannot be bound
SELECT pgmq.bind_topic('amqp:', 'routing_amqp');
SELECT pgmq.bind_topic('amqp:order*', 'routing_amqp');
SELECT pgmq.bind_topic('amqp:order.#x.y', 'routing_amqp');
SELECT pgmq.bind_topic('amqp:a..b', 'routing_amqp');
SELECT pgmq.bind_topic('amqp:a b', 'routing_amqp');
SELECT pgmq.bind_topic('alternate:*x', 'routing_amqp');
SELECT pgmq.bind_topic('AMQP:a', 'routing_amqp');
SELECT pgmq.bind_topic('headers:', 'routing_eu');
SELECT pgmq.bind_topic('headers:[1]', 'routing_eu');
SELECT pgmq.bind_topic('headers:{"x-match": "some", "a": 1}', 'routing_eu');
SELECT pgmq.bind_topic('headers:{"x-match": 5}', 'routing_eu');
SELECT pgmq.bind_topic('headers:{"a": "' || repeat('x', 300) || '"}', 'routing_eu');
\set VERBOSITY sqlstate
SELECT pgmq.bind_topic('headers:{"a": "\u0000"}', 'routing_eu');
SELECT pgmq.bind_topic('amqp:' || repeat('a', 256), 'routing_eu');
SELECT pgmq.validate_topic_pattern('headers:1');
\set VERBOSITY default
SELECT pgmq.validate_topic_pattern('amqp:#.a.*.#'), pgmq.validate_topic_pattern('headers:{"a": 1}'), pgmq.validate_topic_pattern('amqp:' || repeat('#.', 127) || 'a');
SELECT pgmq.bind_topic('amqp:#', 'routing_none');

-- PGMQ knows only its own patterns. To it the others match nothing.
SELECT count(*) FROM pgmq.topic_bindings WHERE pattern ~ ':' AND ('order.paid' ~ compiled_regex OR 'x' ~ compiled_regex);
-- what was put into the table past bind_topic
INSERT INTO pgmq.topic_bindings VALUES ('amqp:', 'routing_amqp'), ('amqp:a*.b', 'routing_amqp'), ('amqp:' || repeat('z.', 400), 'routing_amqp'), ('alternate:', 'routing_amqp'), ('amqp', 'routing_amqp'), (':', 'routing_amqp');
SELECT k, (SELECT array_agg(pattern ORDER BY pattern) FROM pgmq.test_routing(k)) AS patterns FROM unnest('{ax.b,zz,amqp}'::text[]) AS k;
INSERT INTO pgmq.topic_bindings VALUES ('headers:no JSON', 'routing_amqp');
\set VERBOSITY sqlstate
SELECT pgmq.send_topic('x', '27');
\set VERBOSITY default
DELETE FROM pgmq.topic_bindings;

-- Every AMQP pattern of up to four words, against every key: we, and a regular expression over words.
CREATE FUNCTION words(letters text[]) RETURNS SETOF text LANGUAGE sql AS $$
	WITH RECURSIVE word (w, n) AS (
		SELECT l, 1 FROM unnest(letters) AS l UNION ALL
		SELECT w || '.' || l, n + 1 FROM word, unnest(letters) AS l WHERE n < 4)
	SELECT w FROM word
$$;
SELECT count(pgmq.bind_topic('amqp:' || p, 'routing_amqp')) AS patterns FROM words('{a,bc,*,#}') AS p;
CREATE TABLE by_us AS SELECT r.pattern, k FROM words('{a,bc,b,ab}') AS k, pgmq.test_routing(k) AS r;
CREATE TABLE by_regex AS SELECT 'amqp:' || p AS pattern, k FROM words('{a,bc,*,#}') AS p, words('{a,bc,b,ab}') AS k
WHERE '.' || k ~ ('^' || replace(replace(replace('.' || p, '.', '\.'), '\.*', '\.[^.]+'), '\.#', '(\.[^.]+)*') || '$');
SELECT count(*) FROM by_us;
(TABLE by_us EXCEPT TABLE by_regex) UNION ALL (TABLE by_regex EXCEPT TABLE by_us);
DROP TABLE by_us, by_regex;
DROP FUNCTION words;

SELECT count(pgmq.drop_queue(queue_name)) FROM pgmq.list_queues() WHERE queue_name ~ '^routing_';
