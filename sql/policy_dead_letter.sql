-- dead letters: messages read too often, those given up, and sending them back
SELECT pgmq.create('dl');
SELECT pgmq.set_policy('dl', '{"max_reads": 2, "dead_letter_queue": "DL_dead", "create_dead_letter_queue": true}');
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name ILIKE 'dl_dead';
-- what a dead letter says about itself, except for the time
CREATE VIEW dl_dead AS SELECT msg_id, read_ct, message, headers #- '{x-pgmq-dead-letter,at}' AS headers,
	(headers #>> '{x-pgmq-dead-letter,at}')::timestamptz BETWEEN now() - interval '1 hour' AND clock_timestamp() AS at
	FROM pgmq.q_dl_dead ORDER BY msg_id;

-- Two reads return it; the third moves it instead, and returns live ones.
SELECT * FROM pgmq.send('dl', '{"n": 1}', '{"k": "v"}'::jsonb);
SELECT * FROM pgmq.send('dl', '{"n": 2}');
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);
SELECT * FROM pgmq.send('dl', '{"n": 3}');
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);
SELECT * FROM dl_dead;
SELECT msg_id FROM pgmq.q_dl;
-- A read that rolls back did not happen.
BEGIN;
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);
SELECT count(*) FROM dl_dead;
ROLLBACK;
SELECT count(*) FROM dl_dead;
SELECT msg_id, read_ct FROM pgmq.read('dl', 0, 10);

-- Every way of reading; one row is asked for, and it is a live one.
CREATE FUNCTION dl_spent(n integer) RETURNS void LANGUAGE sql AS $$
	DELETE FROM pgmq.q_dl; DELETE FROM pgmq.q_dl_dead;
	INSERT INTO pgmq.q_dl (vt, message, read_ct, headers)
	SELECT clock_timestamp(), to_jsonb(i), CASE WHEN i > n THEN 0 ELSE 2 END, jsonb_build_object('x-pgmq-group', i % 3) FROM generate_series(1, n + 2) i $$;
SELECT dl_spent(3); SELECT message FROM pgmq.read('dl', 0, 1, '{}'); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read('dl', 0, 1, '4'); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read('dl', 0, 2, '2'); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read_with_poll('dl', 0, 1, 1); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.pop('dl', 1); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read_grouped('dl', 0, 1); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read_grouped('dl', 10, 9); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read_grouped_rr('dl', 0, 2); SELECT count(*) FROM dl_dead;
SELECT dl_spent(3); SELECT message FROM pgmq.read_grouped_head('dl', 0, 2); SELECT count(*) FROM dl_dead;
-- a message that a read returns for the last time, with a lease of no length, is not moved by
-- the same read
SELECT pgmq.create('dl_last'), pgmq.set_policy('dl_last', '{"max_reads": 2, "dead_letter_queue": "dl_last_dead", "create_dead_letter_queue": true}');
INSERT INTO pgmq.q_dl_last (vt, message, read_ct, headers) SELECT now(), to_jsonb(i), ('{2,2,1,0}'::int[])[i], jsonb_build_object('x-pgmq-group', i > 2) FROM generate_series(1, 4) i;
SELECT message, read_ct FROM pgmq.read_grouped_head('dl_last', 0, 9);
SELECT message, read_ct FROM pgmq.q_dl_last ORDER BY 1;
SELECT pgmq.drop_queue('dl_last'), pgmq.drop_queue('dl_last_dead');
-- a message that no read returns does not end a wait
SELECT dl_spent(0); SELECT count(*) FROM pgmq.pop('dl', 10);
INSERT INTO pgmq.q_dl (vt, message, read_ct) SELECT clock_timestamp(), '0', 2;
SELECT clock_timestamp() AS before \gset
CALL pgmq.wait('dl', 1);
SELECT clock_timestamp() - :'before' > '0.9 s' AS waited;

-- Many: each read disposes of some, and returns live ones at once.
SELECT dl_spent(5000);
SELECT message FROM pgmq.read('dl', 86400, 1);
SELECT count(*) BETWEEN 1000 AND 3000 AS some FROM dl_dead;
SELECT message FROM pgmq.read('dl', 86400, 1);
SELECT count(*) FROM pgmq.read('dl', 86400, 1);
SELECT count(*) FROM pgmq.read('dl', 86400, 1);
SELECT count(*) FROM dl_dead;
SELECT bool_and(headers #>> '{x-pgmq-dead-letter,read_ct}' = '2'), count(DISTINCT message) FROM dl_dead;
SELECT dl_spent(3000);
SELECT message FROM pgmq.read_grouped('dl', 86400, 1);
SELECT message FROM pgmq.pop('dl', 1);

-- One that is refused stays, put off, and a warning is given.
SELECT dl_spent(2);
ALTER TABLE pgmq.q_dl_dead ADD CONSTRAINT no_two CHECK (message <> '2');
SELECT message, read_ct FROM pgmq.read('dl', 86400, 1);
SELECT message, read_ct FROM pgmq.read('dl', 86400, 1);
SELECT message FROM pgmq.pop('dl', 1);
SELECT message FROM pgmq.read_grouped('dl', 86400, 9);
SELECT message, read_ct, vt <= clock_timestamp() AS readable FROM pgmq.q_dl ORDER BY msg_id;
SELECT count(*) FROM dl_dead;
-- repaired
ALTER TABLE pgmq.q_dl_dead DROP CONSTRAINT no_two;
UPDATE pgmq.q_dl SET vt = now() WHERE read_ct = 2;
SELECT message FROM pgmq.read('dl', 86400, 1);
SELECT message, headers #>> '{x-pgmq-dead-letter,read_ct}' AS reads FROM dl_dead;

-- A trigger that swallows loses nothing either.
CREATE FUNCTION dl_swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pgmq.q_dl_dead FOR EACH ROW EXECUTE FUNCTION dl_swallow();
SELECT dl_spent(2);
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT count(*) FROM pgmq.q_dl;
DROP TRIGGER swallow ON pgmq.q_dl_dead;
UPDATE pgmq.q_dl SET vt = now() WHERE read_ct = 2;
CREATE TRIGGER swallow BEFORE DELETE ON pgmq.q_dl FOR EACH ROW EXECUTE FUNCTION dl_swallow();
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT count(*) FROM dl_dead;
DROP TRIGGER swallow ON pgmq.q_dl;
UPDATE pgmq.q_dl SET vt = now() WHERE read_ct = 2;
DROP FUNCTION dl_swallow();
-- The surrounding transaction goes on, and what it did stays.
ALTER TABLE pgmq.q_dl_dead ADD CONSTRAINT no_two CHECK (message <> '2');
BEGIN;
SELECT * FROM pgmq.send('dl', '"in the transaction"');
SAVEPOINT s;
SELECT message FROM pgmq.read('dl', 0, 9);
ROLLBACK TO s;
SELECT message FROM pgmq.read('dl', 0, 9);
COMMIT;
ALTER TABLE pgmq.q_dl_dead DROP CONSTRAINT no_two;
UPDATE pgmq.q_dl SET vt = now() WHERE read_ct = 2;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT message FROM pgmq.read('dl', 0, 9);
SELECT count(*) FROM dl_dead;
COMMIT;

-- A reader without rights on the dead-letter queue.
CREATE ROLE regress_pgmq_dead;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_dead;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_dl TO regress_pgmq_dead;
SELECT dl_spent(2);
SET ROLE regress_pgmq_dead;
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT pgmq.dead_letter('dl', 1, 'hopeless');
SELECT message FROM pgmq.read('dl', 0, 1);
RESET ROLE;
SELECT count(*) FROM pgmq.q_dl;
GRANT INSERT ON pgmq.q_dl_dead TO regress_pgmq_dead;
SET ROLE regress_pgmq_dead;
SELECT message FROM pgmq.read('dl', 0, 1);
RESET ROLE;
SELECT count(*) FROM dl_dead;
-- A reader that may not delete.
REVOKE DELETE ON pgmq.q_dl FROM regress_pgmq_dead;
SELECT dl_spent(1);
SET ROLE regress_pgmq_dead;
SELECT message FROM pgmq.read('dl', 0, 1);
RESET ROLE;

SELECT message FROM pgmq.read('dl', 0, 1);
-- A dead-letter queue that is gone, and comes again.
SELECT dl_spent(1);
DROP VIEW dl_dead;
SELECT pgmq.drop_queue('dl_dead');
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT pgmq.dead_letter('dl', (SELECT min(msg_id) FROM pgmq.q_dl), 'hopeless');
SELECT pgmq.create('dl_dead');
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT message FROM pgmq.q_dl_dead;

-- dead_letter: single and batch, fenced; reads are those the message had
TRUNCATE pgmq.q_dl, pgmq.q_dl_dead;
SELECT pgmq.set_policy('dl', '{"max_reads": null}');
INSERT INTO pgmq.q_dl (msg_id, vt, message, read_ct, headers) OVERRIDING SYSTEM VALUE VALUES
	(101, now(), '101', 1, NULL), (102, now(), '102', 2, '{}'), (103, now() + '1 h', '103', 3, '[1]'), (104, now(), '104', 4, 'null'),
	(105, now(), NULL, 5, '"x"'), (106, now(), '106', 6, '{"x-pgmq-dead-letter": 1, "a": 2}'), (107, now(), '107', 7, '{"a": {"b": 1}}');
CREATE TABLE dl_was AS SELECT * FROM pgmq.q_dl;
SELECT pgmq.dead_letter('dl', 101, 'no "good"'), pgmq.dead_letter('dl', 101, 'gone'), pgmq.dead_letter('dl', NULL::bigint, 'none');
SELECT pgmq.dead_letter('dl', 102, NULL, 1), pgmq.dead_letter('dl', 102, NULL, 2);
SELECT * FROM pgmq.dead_letter('dl', ARRAY[104, 103, 103, NULL, 999], '');
SELECT * FROM pgmq.dead_letter('dl', ARRAY[107, 106, 105], 'fenced', ARRAY[7, 5, 5]);
SELECT * FROM pgmq.dead_letter('dl', ARRAY[106, 106], 'fenced', ARRAY[5, 6]);
SELECT * FROM pgmq.dead_letter('dl', NULL::bigint[], 'none') a, pgmq.dead_letter('dl', '{}'::bigint[], 'none', '{}') b;
SELECT msg_id, message, headers #- '{x-pgmq-dead-letter,at}' AS headers FROM pgmq.q_dl_dead ORDER BY msg_id;
-- redrive gives back the same, in order
SELECT pgmq.redrive('dl_dead', 2), pgmq.redrive('dl_dead', 0);
SELECT pgmq.redrive('dl_dead', 100), pgmq.redrive('dl_dead', 100);
SELECT d.msg_id, was.msg_id AS was, d.read_ct, d.message IS NOT DISTINCT FROM was.message AND
	COALESCE(d.headers, '{}') IS NOT DISTINCT FROM COALESCE(was.headers, '{}') AS same, d.headers
	FROM pgmq.q_dl d LEFT JOIN dl_was was ON d.message IS NOT DISTINCT FROM was.message ORDER BY 1;

-- to another queue, slowly
SELECT pgmq.create('dl_other');
SELECT count(*) FROM pgmq.dead_letter('dl', (SELECT array_agg(msg_id) FROM pgmq.q_dl), 'again');
SELECT pgmq.redrive('dl_dead', 4, '{"to_queue": "DL_other", "per_second": 2}');
SELECT message, vt - min(vt) OVER () AS after, headers FROM pgmq.q_dl_other ORDER BY msg_id;
SELECT pgmq.redrive('dl_dead', 100, '{}');
-- messages that came from no queue, from one that no longer exists, or from this one
SELECT pgmq.send('dl_dead', '1'), pgmq.send('dl_dead', '2', '{"x-pgmq-dead-letter": {"queue": "dl_nowhere"}}'::jsonb),
	pgmq.send('dl_dead', '3', '{"x-pgmq-dead-letter": {"queue": "dl_dead"}}'::jsonb),
	pgmq.send('dl_dead', '4', '{"x-pgmq-dead-letter": {"queue": "a;''\" $ --"}}'::jsonb),
	pgmq.send('dl_dead', '5', '{"x-pgmq-dead-letter": ["queue"]}'::jsonb), pgmq.send('dl_dead', '6', '["x-pgmq-dead-letter"]'::jsonb),
	pgmq.send('dl_dead', '7', '{"x-pgmq-dead-letter": {"queue": 1}}'::jsonb),
	pgmq.send('dl_dead', '8', jsonb_build_object('x-pgmq-dead-letter', jsonb_build_object('queue', repeat('x', 1000)))),
	pgmq.send('dl_dead', '9', '{"x-pgmq-dead-letter": {"queue": "dl_other"}, "a": 1}'::jsonb);
SELECT pgmq.redrive('dl_dead', 1);
SELECT message, headers FROM pgmq.q_dl_other WHERE message = '9';
SELECT pgmq.redrive('dl_dead', 100);
SELECT pgmq.redrive('dl_dead', 100, '{"to_queue": "dl_other"}');
SELECT message, left(headers::text, 70) FROM pgmq.q_dl_other WHERE msg_id > 5 ORDER BY msg_id;
-- more than a batch of them, some to stay
SELECT count(*) FROM pgmq.send_batch('dl_dead', (SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 2500) i),
	(SELECT array_agg(jsonb_build_object('x-pgmq-dead-letter', jsonb_build_object('queue', CASE WHEN i % 10 = 0 THEN 'dl_gone' ELSE 'dl_other' END))) FROM generate_series(1, 2500) i));
SELECT pgmq.redrive('dl_dead', 2000);
SELECT pgmq.redrive('dl_dead', 2000);

-- Nor does a dead letter whose header names a queue of another owner, as anybody
-- can write it, stop the others.
SELECT pgmq.create('dl_role'), pgmq.create('dl_role_dead');
GRANT ALL ON pgmq.q_dl_role, pgmq.q_dl_role_dead TO regress_pgmq_dead;
SET ROLE regress_pgmq_dead;
SELECT pgmq.send('dl_role_dead', '1', '{"x-pgmq-dead-letter": {"queue": "dl_other"}}'::jsonb),
	pgmq.send('dl_role_dead', '2', '{"x-pgmq-dead-letter": {"queue": "dl_role"}}'::jsonb);
SELECT pgmq.redrive('dl_role_dead', 10);
SELECT pgmq.redrive('dl_role_dead', 10, '{"to_queue": "dl_other"}');
SELECT message FROM pgmq.q_dl_role;
RESET ROLE;
SELECT pgmq.drop_queue('dl_role'), pgmq.drop_queue('dl_role_dead');

-- To many queues at a time, each gets its own messages.
SELECT count(pgmq.create('dl_to_' || i)) FROM generate_series(1, 20) i;
SELECT count(*) FROM pgmq.send_batch('dl_dead', (SELECT array_agg(to_jsonb(i % 20 + 1)) FROM generate_series(1, 4000) i),
	(SELECT array_agg(jsonb_build_object('x-pgmq-dead-letter', jsonb_build_object('queue', 'dl_to_' || i % 20 + 1))) FROM generate_series(1, 4000) i));
SELECT pgmq.redrive('dl_dead', 5000);
SELECT count(*), sum((m).total_messages), bool_and(own) FROM (SELECT pgmq.metrics('dl_to_' || i) AS m,
	(SELECT count(*) = 200 FROM pgmq.peek('dl_to_' || i, qty => 4000) WHERE message = to_jsonb(i)) AS own FROM generate_series(1, 20) i) t;
SELECT count(*) FILTER (WHERE pgmq.drop_queue('dl_to_' || i)) FROM generate_series(1, 20) i;

-- An array is kept as a whole, however large and whatever is in it.
SELECT pgmq.create('dl_array');
SELECT pgmq.set_policy('dl_array', '{"dead_letter_queue": "dl_array_dead", "create_dead_letter_queue": true}');
SELECT pgmq.send('dl_array', '1', (SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 5000) i) || '["x-pgmq-dead-letter"]');
SELECT pgmq.dead_letter('dl_array', 1, 'hopeless'), pgmq.redrive('dl_array_dead', 1);
SELECT msg_id, jsonb_array_length(headers) FROM pgmq.q_dl_array;
SELECT pgmq.drop_queue('dl_array'), pgmq.drop_queue('dl_array_dead');

-- A circle that came about later goes round and loses nothing.
TRUNCATE pgmq.q_dl, pgmq.q_dl_dead, pgmq.q_dl_other;
SELECT pgmq.set_policy('dl', '{"max_reads": 1}');
UPDATE pgmq.policy SET policy = policy || '{"max_reads": 1, "dead_letter_queue": "dl_dead"}' WHERE queue_name = 'dl';
INSERT INTO pgmq.policy VALUES ('dl_dead', '{"max_reads": 1, "dead_letter_queue": "dl"}');
SELECT pgmq.resume('dl_dead');
SELECT message FROM pgmq.send('dl', '"round"', '{"k": 1}'::jsonb), pgmq.read('dl', 0, 1);
SELECT count(*) FROM pgmq.read('dl', 0, 1);
SELECT message FROM pgmq.read('dl_dead', 0, 1);
SELECT count(*) FROM pgmq.read('dl_dead', 0, 1);
SELECT message FROM pgmq.read('dl', 0, 1);
SELECT headers #- '{x-pgmq-dead-letter,at}' #- '{x-pgmq-dead-letter,headers,x-pgmq-dead-letter,at}' AS headers FROM pgmq.q_dl;

-- Other kinds of queue.
SELECT pgmq.create_unlogged('dl_unlogged');
SELECT pgmq.set_policy('dl_unlogged', '{"max_reads": 1, "dead_letter_queue": "dl_other"}');
SELECT * FROM pgmq.send('dl_unlogged', '1');
SELECT msg_id FROM pgmq.read('dl_unlogged', 0, 1);
SELECT msg_id FROM pgmq.read('dl_unlogged', 0, 1);
SELECT message FROM pgmq.q_dl_other;
CREATE TABLE pgmq.q_dl_parts (LIKE pgmq.q_dl INCLUDING ALL) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_dl_parts_1 PARTITION OF pgmq.q_dl_parts FOR VALUES FROM (1) TO (3);
CREATE TABLE pgmq.q_dl_parts_2 PARTITION OF pgmq.q_dl_parts DEFAULT;
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('dl_parts', true, false);
SELECT pgmq.set_policy('dl_parts', '{"max_reads": 1, "dead_letter_queue": "dl_dead", "ttl": 60}');
INSERT INTO pgmq.q_dl_parts (vt, message, read_ct, enqueued_at) SELECT now(), to_jsonb(i), (i % 2), now() - i * '15 s'::interval FROM generate_series(1, 6) i;
SELECT message FROM pgmq.read('dl_parts', 10, 1);
SELECT message FROM pgmq.read_grouped('dl_parts', 10, 1);
SELECT message FROM pgmq.q_dl_parts;
SELECT message, headers #>> '{x-pgmq-dead-letter,reason}' AS reason FROM pgmq.q_dl_dead ORDER BY msg_id;
DROP TABLE pgmq.q_dl_parts;
DELETE FROM pgmq.meta WHERE queue_name = 'dl_parts';

-- Bad input
\set VERBOSITY sqlstate
SELECT pgmq.dead_letter('dl_other', 1, 'none named');		-- 55000
SELECT pgmq.dead_letter('dl_other', ARRAY[1], 'none named');
SELECT pgmq.dead_letter('dl_nowhere', 1, 'x');				-- 42P01
SELECT pgmq.dead_letter(NULL, 1, 'x');						-- 22004
SELECT pgmq.dead_letter('dl', 1, 'x', NULL);
SELECT pgmq.dead_letter('dl', ARRAY[1], 'x', NULL);
SELECT pgmq.dead_letter('dl', ARRAY[1], 'x', ARRAY[NULL::integer]);
SELECT pgmq.dead_letter('dl', ARRAY[1], 'x', ARRAY[1, 2]);	-- 2202E
SELECT pgmq.redrive('dl_nowhere', 1);						-- 42P01
SELECT pgmq.redrive(NULL, 1);								-- 22004
SELECT pgmq.redrive('dl_dead', NULL);
SELECT pgmq.redrive('dl_dead', 1, NULL);
SELECT pgmq.redrive('dl_dead', -1);							-- 2201W
SELECT pgmq.redrive('dl_dead', 1, '{"to_queue": "dl_nowhere"}');	-- 42P01
SELECT pgmq.redrive('dl_dead', 1, '{"to_queue": "dl_dead"}');		-- 22023, as the rest
SELECT pgmq.redrive('dl_dead', 1, '{"to_queue": null}');
SELECT pgmq.redrive('dl_dead', 1, '{"to_queu": "dl"}');
SELECT pgmq.redrive('dl_dead', 1, '[]');
SELECT pgmq.redrive('dl_dead', 1, '{"per_second": 0}');
SELECT pgmq.redrive('dl_dead', 1, '{"per_second": -1}');
SELECT pgmq.redrive('dl_dead', 1, '{"per_second": 1e400}');
SELECT pgmq.redrive('dl_dead', 1, '{"per_second": "1"}');
SELECT pgmq.set_policy('dl', '{"create_dead_letter_queue": 1}');
SELECT pgmq.set_policy('dl_other', '{"create_dead_letter_queue": true}');
\set VERBOSITY default
SELECT pgmq.set_policy('dl_other', '{"create_dead_letter_queue": null}'), pgmq.set_policy('dl_other', '{"create_dead_letter_queue": false}');

DROP FUNCTION dl_spent(integer);
DROP TABLE dl_was;
SELECT pgmq.drop_queue(q) FROM unnest('{dl,dl_dead,dl_other,dl_unlogged}'::text[]) q;
DROP OWNED BY regress_pgmq_dead;
DROP ROLE regress_pgmq_dead;
