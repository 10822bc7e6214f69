-- policy_limits: max_length, max_bytes and what becomes of what is too many
-- (the second expected output is of a server without shared memory)
SET client_min_messages = warning;
SELECT pgmq.create('lim');
-- it takes shared memory
SELECT pgmq.set_policy('lim', '{"max_length": 3}');
SELECT pgmq.get_policy('lim') = '{}' AS cannot \gset
\if :cannot
	SELECT pgmq.drop_queue('lim');
	\quit
\endif
CREATE FUNCTION lim() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(message::text, ' ' ORDER BY msg_id) FROM pgmq.q_lim $$;
CREATE FUNCTION lim_long(n integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT to_jsonb(string_agg(md5(i::text), '')) FROM generate_series(1, n) i $$;

-- values
SELECT pgmq.set_policy('lim', '{"max_length": 0}');
SELECT pgmq.set_policy('lim', '{"max_length": -1}');
SELECT pgmq.set_policy('lim', '{"max_length": 2147483647}');
SELECT pgmq.set_policy('lim', '{"max_length": 1.5}');
SELECT pgmq.set_policy('lim', '{"max_length": "3"}');
SELECT pgmq.set_policy('lim', '{"max_bytes": 0}');
SELECT pgmq.set_policy('lim', '{"max_bytes": 1e16}');
SELECT pgmq.set_policy('lim', '{"overflow": "drop_newest"}');

-- one too many is refused, and of a batch nothing is stored
SELECT pgmq.send('lim', '1');
\set VERBOSITY sqlstate
SELECT pgmq.send_batch('lim', '{2, 3, 4}');
\set VERBOSITY default
SELECT lim();
SELECT FROM pgmq.send_batch('lim', '{2, 3}');
SELECT pgmq.send('lim', '4');
-- whatever statement inserts it
INSERT INTO pgmq.q_lim (vt, message) VALUES (now(), '4');
COPY pgmq.q_lim (vt, message) FROM stdin;
2026-01-01	4
\.
SELECT lim();
-- what leaves makes room: by any verb, and by hand
SELECT pgmq.delete('lim', 1);
SELECT FROM pgmq.send('lim', '4');
SELECT pgmq.send('lim', '5');
DELETE FROM pgmq.q_lim WHERE message = '2';
SELECT FROM pgmq.send('lim', '5');
SELECT pgmq.send('lim', '6');
SELECT message FROM pgmq.pop('lim', 1);
SELECT FROM pgmq.send('lim', '6');
SELECT pgmq.send('lim', '7');
SELECT message FROM pgmq.read('lim', 0, 1);
SELECT pgmq.archive('lim', (SELECT min(msg_id) FROM pgmq.q_lim));
SELECT FROM pgmq.send('lim', '7');
SELECT pgmq.send('lim', '8');
-- what comes back from the archive is limited as well
SELECT pgmq.unarchive('lim', (SELECT min(msg_id) FROM pgmq.a_lim));
SELECT pgmq.purge_queue('lim');
SELECT FROM pgmq.send_batch('lim', '{1, 2, 3}');
SELECT pgmq.send('lim', '4');

-- in one transaction: what it removes makes room for it, and a rollback takes that back
BEGIN;
SELECT FROM pgmq.delete('lim', (SELECT min(msg_id) FROM pgmq.q_lim));
SELECT FROM pgmq.send('lim', '4');
SAVEPOINT s;
SELECT FROM pgmq.send('lim', '5');
ROLLBACK TO s;
SELECT FROM pgmq.delete('lim', (SELECT min(msg_id) FROM pgmq.q_lim));
ROLLBACK TO s;
SELECT FROM pgmq.send('lim', '5');
ROLLBACK;
SELECT lim();
BEGIN;
TRUNCATE pgmq.q_lim;
SELECT FROM pgmq.send_batch('lim', '{7, 8, 9}');
SAVEPOINT s;
SELECT FROM pgmq.send('lim', '10');
ROLLBACK TO s;
SAVEPOINT s;
TRUNCATE pgmq.q_lim;
SELECT FROM pgmq.send('lim', '10');
ROLLBACK TO s;
SELECT FROM pgmq.send('lim', '10');
ROLLBACK;
SELECT lim();
SELECT pgmq.send('lim', '4');
BEGIN;
SELECT FROM pgmq.delete('lim', ARRAY(SELECT msg_id FROM pgmq.q_lim));
SAVEPOINT a;
SAVEPOINT b;
SELECT FROM pgmq.send_batch('lim', '{4, 5}');
RELEASE a;
COMMIT;
SELECT FROM pgmq.send('lim', '6');
SELECT pgmq.send('lim', '7');
SELECT lim();

-- what is there when the policy is set counts, also what the same transaction sent
SELECT pgmq.set_policy('lim', '{"max_length": null}');
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'limits';
SELECT FROM pgmq.send('lim', '7');
BEGIN;
SELECT FROM pgmq.send('lim', '8');
SELECT pgmq.set_policy('lim', '{"max_length": 6}');
SELECT FROM pgmq.send('lim', '9');
ROLLBACK;
SELECT FROM pgmq.send('lim', '8');
BEGIN;
SELECT pgmq.set_policy('lim', '{"max_length": 6}');
SELECT FROM pgmq.send('lim', '9');
COMMIT;
SELECT pgmq.send('lim', '10');
-- if a change of limits is rolled back, what the transaction sent before still counts
BEGIN;
SELECT FROM pgmq.delete('lim', ARRAY(SELECT msg_id FROM pgmq.q_lim ORDER BY msg_id LIMIT 2));
SELECT FROM pgmq.send('lim', '11');
SAVEPOINT s;
SELECT pgmq.set_policy('lim', '{"max_in_flight": 9}');
ROLLBACK TO s;
SELECT FROM pgmq.send('lim', '12');
SELECT pgmq.send('lim', '13');
ROLLBACK;
-- so does what was leased
BEGIN;
SELECT FROM pgmq.set_policy('lim', '{"max_in_flight": 1}');
COMMIT;
BEGIN;
SELECT message FROM pgmq.read('lim', 30, 2);
SAVEPOINT s;
SELECT pgmq.set_policy('lim', '{"max_length": null}');
ROLLBACK TO s;
SELECT message FROM pgmq.read('lim', 30, 2);
ROLLBACK;
-- nobody else counts where the transaction has set limits before
BEGIN;
SELECT FROM pgmq.set_policy('lim', '{"max_length": null, "max_in_flight": null}');
SELECT FROM pgmq.delete('lim', (SELECT min(msg_id) FROM pgmq.q_lim));
SELECT FROM pgmq.set_policy('lim', '{"max_length": 6}');
SELECT FROM pgmq.send('lim', '11');
SAVEPOINT s;
SELECT FROM pgmq.set_policy('lim', '{"max_in_flight": 9}');
SELECT pgmq.send('lim', '12');
ROLLBACK TO s;
SAVEPOINT t;
SELECT pgmq.send('lim', '12');
ROLLBACK TO t;
SELECT FROM pgmq.delete('lim', (SELECT min(msg_id) FROM pgmq.q_lim));
SAVEPOINT t;
SELECT FROM pgmq.send('lim', '12');
ROLLBACK TO t;
SELECT FROM pgmq.send('lim', '12');
SELECT pgmq.send('lim', '13');
ROLLBACK;
SELECT FROM pgmq.set_policy('lim', '{"max_in_flight": null}');
-- a limit below what is there
SELECT pgmq.set_policy('lim', '{"max_length": 2}');
SELECT pgmq.send('lim', '10');
SELECT lim();

-- dropping the oldest
SELECT pgmq.set_policy('lim', '{"overflow": "drop_oldest"}');
SELECT FROM pgmq.send('lim', '10');
SELECT lim();
SELECT FROM pgmq.send_batch('lim', '{11, 12}');
SELECT lim();
-- not what the statement itself sends
SELECT pgmq.send_batch('lim', '{13, 14, 15}');
INSERT INTO pgmq.q_lim (vt, message) VALUES (now(), '13'), (now(), '14');
SELECT lim();
-- nor what is in flight; what is delayed goes
SELECT message FROM pgmq.read('lim', 30, 1);
SELECT FROM pgmq.send('lim', '15', 60);
SELECT lim();
SELECT FROM pgmq.send('lim', '16');
SELECT lim();
SELECT message FROM pgmq.read('lim', 30, 1);
SELECT pgmq.send('lim', '17');
SELECT lim();
-- and not by the rights of those who send: they need none but that
SELECT pgmq.purge_queue('lim');
CREATE ROLE regress_lim_sender;
SELECT pgmq.grant_queue('lim', 'regress_lim_sender', 'send');
SET ROLE regress_lim_sender;
SELECT FROM pgmq.send_batch('lim', '{1, 2}');
SELECT FROM pgmq.send_batch('lim', '{3}');
RESET ROLE;
SELECT lim();
SELECT dropped_expired FROM pgmq.stat_queues WHERE queue_name = 'lim';
-- a trigger there would run by the owner's rights
CREATE FUNCTION lim_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
CREATE TRIGGER stranger BEFORE DELETE ON pgmq.q_lim FOR EACH ROW EXECUTE FUNCTION lim_trigger();
SELECT pgmq.send('lim', '4');
DROP TRIGGER stranger ON pgmq.q_lim;
-- and so would the condition of one that calls our function
CREATE FUNCTION lim_condition(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN RAISE NOTICE 'condition'; RETURN true; END $$;
CREATE TRIGGER stranger AFTER DELETE ON pgmq.q_lim FOR EACH ROW
	WHEN (lim_condition(OLD.msg_id)) EXECUTE FUNCTION pgmq._limits();
SELECT pgmq.send('lim', '4');
DROP TRIGGER stranger ON pgmq.q_lim;
DROP FUNCTION lim_condition(bigint);
SELECT lim();

-- bytes, as stored: of bodies and headers
SELECT pgmq.set_policy('lim', '{"max_length": null, "max_bytes": 2000, "overflow": null}');
SELECT pgmq.purge_queue('lim');
SELECT FROM pgmq.send('lim', lim_long(30), '{"a": 1}');
SELECT sum(pg_column_size(message) + pg_column_size(headers)) BETWEEN 900 AND 1100 FROM pgmq.q_lim;
SELECT FROM pgmq.send('lim', lim_long(40));
SELECT FROM pgmq.send('lim', lim_long(20));
-- headers that grow count, and are not refused
SELECT msg_id AS id FROM pgmq.read('lim', 30, 1) \gset
UPDATE pgmq.q_lim SET headers = lim_long(30) WHERE msg_id = :id;
SELECT pgmq.send('lim', '1');
SELECT pgmq.set_policy('lim', '{"overflow": "drop_oldest"}');
SELECT FROM pgmq.send('lim', '1');
SELECT count(*), sum(pg_column_size(message) + COALESCE(pg_column_size(headers), 0)) <= 2000 FROM pgmq.q_lim;
-- a message that is larger than the limit fits in no queue
SELECT pgmq.send('lim', lim_long(200));
SELECT count(*) FROM pgmq.q_lim;

-- what cannot be
BEGIN;
SELECT FROM pgmq.send('lim', '1');
PREPARE TRANSACTION 'lim';
-- replication stores what was accepted elsewhere
SELECT pgmq.set_policy('lim', '{"max_length": 1, "max_bytes": null, "overflow": null}');
SET session_replication_role = replica;
INSERT INTO pgmq.q_lim (vt, message) VALUES (now(), '1');
RESET session_replication_role;
SELECT count(*) FROM pgmq.q_lim;

-- dead letters that find no room stay
SELECT pgmq.create('lim_dead');
SELECT FROM pgmq.send('lim_dead', '0');
SELECT pgmq.set_policy('lim_dead', '{"max_length": 1}');
SELECT pgmq.set_policy('lim', '{"max_length": 10, "max_reads": 1, "dead_letter_queue": "lim_dead"}');
SELECT pgmq.purge_queue('lim');
SELECT FROM pgmq.send('lim', '1');
SELECT message FROM pgmq.read('lim', 0, 1);
SELECT message FROM pgmq.read('lim', 0, 1);
SELECT lim();

SELECT pgmq.drop_queue('lim_dead');
SELECT pgmq.drop_queue('lim');
DROP FUNCTION lim();
DROP FUNCTION lim_long(integer);
DROP FUNCTION lim_trigger();
DROP OWNED BY regress_lim_sender;
DROP ROLE regress_lim_sender;
