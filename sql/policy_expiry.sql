-- policy_expiry: messages that are too old are not read
SELECT pgmq.create('exp');
SELECT pgmq.create('exp_dead');
-- a message for each age in seconds
CREATE FUNCTION exp_put(message jsonb, age double precision, headers jsonb DEFAULT NULL) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO pgmq.q_exp (vt, enqueued_at, message, headers) VALUES (now() - '1 s'::interval, now() - age * '1 s'::interval, message, headers) $$;

-- Without a policy a header says nothing.
SELECT exp_put('"old"', 1e8, '{"x-pgmq-ttl": 1}');
SELECT message FROM pgmq.read('exp', 0, 10);

-- The policy's: for all messages, dropped.
SELECT pgmq.set_policy('exp', '{"ttl": 60}');
SELECT exp_put('"50"', 50), exp_put('"70"', 70), exp_put('"header"', 70, '{"x-pgmq-ttl": 1000}');
SELECT message FROM pgmq.read('exp', 0, 10);
SELECT message FROM pgmq.q_exp;
SELECT pgmq.purge_queue('exp');

-- Headers, where the policy says that they count; they go before the policy's.
SELECT pgmq.set_policy('exp', '{"ttl_header": true}');
SELECT exp_put('"50"', 50), exp_put('"70"', 70), exp_put('"1000"', 70, '{"x-pgmq-ttl": 1000}'), exp_put('"10"', 20, '{"x-pgmq-ttl": 10}'),
	exp_put('"0.5"', 1, '{"x-pgmq-ttl": 0.5}'), exp_put('"30.5"', 20, '{"x-pgmq-ttl": 30.5}');
SELECT message FROM pgmq.pop('exp', 10);
SELECT count(*) FROM pgmq.q_exp;
-- malformed ones do not; huge and tiny ones do no harm, here and where reads pass them over
CREATE FUNCTION exp_odd() RETURNS void LANGUAGE sql AS $$
	SELECT exp_put(to_jsonb(h || ' ' || age), age, h::jsonb) FROM unnest(ARRAY['null', '[]', '["x-pgmq-ttl"]', '"x-pgmq-ttl"', '7', '{"x-pgmq-ttl": "10"}',
		'{"x-pgmq-ttl": null}', '{"x-pgmq-ttl": 0}', '{"x-pgmq-ttl": -10}', '{"x-pgmq-ttl": [10]}', '{"x-pgmq-ttl": {"x-pgmq-ttl": 10}}', '{"x-pgmq-ttl": true}',
		'{"x-pgmq-ttl": 1e400}', '{"x-pgmq-ttl": -1e400}', '{"x-pgmq-ttl": 1e-400}', '{"x-pgmq-ttl": 0.0000004}', '{"x-pgmq-ttl": 0.000001}', '{"x-pgmq-ttl": 99999999999999999999}']) h,
		unnest('{50, 70}'::double precision[]) age $$;
SELECT exp_odd();
SELECT message #>> '{}' AS message FROM pgmq.read('exp', 0, 100);
SELECT count(*) FROM pgmq.q_exp;
-- the same when nothing can be removed
SELECT pgmq.purge_queue('exp');
CREATE FUNCTION exp_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stay'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON pgmq.q_exp FOR EACH ROW EXECUTE FUNCTION exp_refuse();
SELECT exp_odd();
SELECT count(*) FROM pgmq.read('exp', 0, 100);
SELECT count(*) FROM pgmq.read('exp', 0, 100);
SELECT message #>> '{}' AS message FROM pgmq.read('exp', 60, 100);
SELECT count(*) FROM pgmq.read_grouped('exp', 0, 100);
SELECT count(*) FROM pgmq.q_exp;
DROP TRIGGER refuse ON pgmq.q_exp;
DROP FUNCTION exp_refuse();
SELECT pgmq.purge_queue('exp');
-- times at the ends
SELECT pgmq.set_policy('exp', '{"ttl": 1892160000}');
INSERT INTO pgmq.q_exp (vt, enqueued_at, message) VALUES ('-infinity', '-infinity', '1'), ('-infinity', 'infinity', '2'), ('-infinity', '4714-11-24 00:00:00+00 BC', '3'), ('-infinity', '294276-12-31', '4');
SELECT message FROM pgmq.read('exp', 0, 10);
SELECT message FROM pgmq.pop('exp', 10);

-- To the dead-letter queue; both reasons.
SELECT pgmq.set_policy('exp', '{"ttl": 60, "expired": "dead_letter", "dead_letter_queue": "exp_dead", "max_reads": 1}');
SELECT exp_put('"50"', 50), exp_put('"70"', 70);
SELECT message FROM pgmq.read('exp', 0, 10);
SELECT message FROM pgmq.read('exp', 0, 10);
SELECT message, headers #- '{x-pgmq-dead-letter,at}' AS headers FROM pgmq.q_exp_dead ORDER BY msg_id;
-- over its limit and expired: a dead letter, also where expired messages are
-- dropped
SELECT pgmq.set_policy('exp', '{"expired": "drop"}'), pgmq.purge_queue('exp_dead');
SELECT exp_put('"both"', 70), exp_put('"expired"', 70);
UPDATE pgmq.q_exp SET read_ct = 1 WHERE message = '"both"';
SELECT message FROM pgmq.read('exp', 0, 10);
SELECT message, headers #>> '{x-pgmq-dead-letter,reason}' AS reason FROM pgmq.q_exp_dead ORDER BY msg_id;
SELECT count(*) FROM pgmq.q_exp;
-- sent back, its age starts again at zero
SELECT pgmq.redrive('exp_dead', 10);
SELECT message FROM pgmq.read('exp', 0, 10);

-- Grouped reads, a partitioned and an unlogged queue.
SELECT exp_put('"a1"', 70, '{"x-pgmq-group": "a"}'), exp_put('"a2"', 0, '{"x-pgmq-group": "a"}'), exp_put('"b1"', 70, '{"x-pgmq-group": "b"}'), exp_put('"b2"', 0, '{"x-pgmq-group": "b"}');
SELECT message FROM pgmq.read_grouped_rr('exp', 10, 2);
SELECT pgmq.create_unlogged('exp_unlogged');
SELECT pgmq.set_policy('exp_unlogged', '{"ttl": 60}');
INSERT INTO pgmq.q_exp_unlogged (vt, enqueued_at, message) VALUES (now(), now() - '70 s'::interval, '1'), (now(), now(), '2');
SELECT message FROM pgmq.read('exp_unlogged', 0, 1);
SELECT count(*) FROM pgmq.q_exp_unlogged;

-- Rows of a table that allows NULL: no age, never read.  The test of rows that were read spares
-- them, and so does the test in SQL.
SELECT pgmq.purge_queue('exp'), pgmq.purge_queue('exp_dead');
SELECT pgmq.set_policy('exp', '{"ttl": 60, "expired": "dead_letter", "max_reads": 2}');
ALTER TABLE pgmq.q_exp ALTER enqueued_at DROP NOT NULL, ALTER read_ct DROP NOT NULL;
CREATE FUNCTION exp_null() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pgmq.q_exp; DELETE FROM pgmq.q_exp_dead;
	INSERT INTO pgmq.q_exp (message, enqueued_at, read_ct) VALUES ('"no age"', NULL, 1), ('"no count"', now(), NULL), ('"none"', NULL, NULL), ('"old"', now() - '70 s'::interval, NULL) $$;
SELECT exp_null();
SELECT message, read_ct FROM pgmq.read('exp', 0, 10) ORDER BY msg_id;
SELECT message, read_ct FROM pgmq.read('exp', 0, 10) ORDER BY msg_id;
SELECT message, headers #>> '{x-pgmq-dead-letter,reason}' AS reason, headers #>> '{x-pgmq-dead-letter,read_ct}' AS reads FROM pgmq.q_exp_dead ORDER BY msg_id;
SELECT exp_null();
CALL pgmq.maintain();
SELECT message FROM pgmq.pop('exp', 10);
SELECT message FROM pgmq.q_exp_dead;
SELECT exp_null();
SELECT message, read_ct FROM pgmq.read_grouped('exp', 0, 10) ORDER BY msg_id;
DROP FUNCTION exp_null();

DROP FUNCTION exp_odd();
DROP FUNCTION exp_put(jsonb, double precision, jsonb);
SELECT pgmq.drop_queue(q) FROM unnest('{exp,exp_dead,exp_unlogged}'::text[]) q;
