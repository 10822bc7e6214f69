-- A queue gets dead letters if it belongs to the owner that it had when the policy named it, and not for its name.
CREATE ROLE regress_pgmq_app;
CREATE ROLE regress_pgmq_ops;
CREATE ROLE regress_pgmq_thief;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_app, regress_pgmq_ops, regress_pgmq_thief;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_app, regress_pgmq_ops, regress_pgmq_thief;
-- another role makes a queue that all may write to, with a trigger that says
-- as which role it runs
CREATE FUNCTION own_make(name text, owner text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', owner);
	PERFORM pgmq.create(name);
	EXECUTE format('GRANT ALL ON pgmq.%I TO PUBLIC', 'q_' || name);
	EXECUTE format('CREATE TRIGGER t BEFORE INSERT ON pgmq.%I FOR EACH ROW EXECUTE FUNCTION public.own_trigger()', 'q_' || name);
	RESET ROLE;
END $$;
CREATE FUNCTION own_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'trigger on % runs as %', TG_RELNAME, current_user; RETURN NEW; END $$;
SET client_min_messages = warning;
SELECT own_make('own_dead', 'regress_pgmq_ops');
RESET client_min_messages;
SET ROLE regress_pgmq_app;
SELECT pgmq.create('own');
SELECT pgmq.set_policy('own', '{"max_reads": 1, "dead_letter_queue": "Own_Dead"}');
SELECT pgmq.get_policy('own');
RESET ROLE;
SELECT dead_letter_owner FROM pgmq.policy WHERE queue_name = 'own';
CREATE FUNCTION own_spent() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pgmq.q_own; INSERT INTO pgmq.q_own (message, read_ct) VALUES ('"secret"', 1), ('"live"', 0) $$;
SELECT own_spent();
SET ROLE regress_pgmq_app;
SELECT message FROM pgmq.read('own', 0, 1);
RESET ROLE;
SELECT message FROM pgmq.q_own_dead;

-- Its owner drops it, and hears which queues name it; another role makes a queue of the same name.
SET ROLE regress_pgmq_ops;
SELECT pgmq.drop_queue('own_dead');
RESET ROLE;
SELECT own_make('own_dead', 'regress_pgmq_thief');
SELECT own_spent();
SET ROLE regress_pgmq_app;
SELECT message FROM pgmq.read('own', 0, 1);
SELECT message FROM pgmq.read('own', 0, 1);
SELECT pgmq.dead_letter('own', (SELECT min(msg_id) FROM pgmq.q_own), 'hopeless');
CALL pgmq.maintain();
-- other keys of the policy change nothing
SELECT pgmq.set_policy('own', '{"ttl": 86400}');
SELECT pgmq.dead_letter('own', (SELECT min(msg_id) FROM pgmq.q_own), 'hopeless');
RESET ROLE;
SELECT message FROM pgmq.q_own_dead;
-- but the owner of the queue may name the new one
SET ROLE regress_pgmq_app;
SELECT pgmq.set_policy('own', '{"dead_letter_queue": "own_dead"}');
SELECT message FROM pgmq.read('own', 0, 1);
RESET ROLE;
SELECT message FROM pgmq.q_own_dead;
-- It may be dropped and made again by its owner, and by the owner of the queue.
SELECT pgmq.drop_queue('own_dead');
SELECT own_make('own_dead', 'regress_pgmq_thief'), own_spent();
SELECT message FROM pgmq.read('own', 0, 1);
SELECT message FROM pgmq.q_own_dead;
SELECT pgmq.drop_queue('own_dead');
SELECT own_make('own_dead', 'regress_pgmq_app'), own_spent();
SELECT message FROM pgmq.read('own', 0, 1);
SELECT message FROM pgmq.q_own_dead;
-- the same by ALTER TABLE
ALTER TABLE pgmq.q_own_dead OWNER TO regress_pgmq_ops;
SELECT own_spent();
SELECT message FROM pgmq.read('own', 0, 1);
ALTER TABLE pgmq.q_own_dead OWNER TO regress_pgmq_thief;
SELECT message FROM pgmq.read('own', 0, 1);
SELECT message FROM pgmq.q_own_dead;
-- no dead-letter queue, no owner
SELECT pgmq.set_policy('own', '{"dead_letter_queue": null, "max_reads": null}');
SELECT dead_letter_owner FROM pgmq.policy WHERE queue_name = 'own';
-- the names of many are not all shown
SELECT count(pgmq.create('own_' || i)) FROM generate_series(1, 12) i;
SELECT count(pgmq.set_policy('own_' || i, '{"dead_letter_queue": "OWN_dead"}')) FROM generate_series(1, 12) i;
ALTER TABLE pgmq.a_own_dead OWNER TO regress_pgmq_thief;
SELECT pgmq.drop_queue('own_dead');
SELECT count(pgmq.drop_queue('own_' || i)) FROM generate_series(1, 12) i;
SELECT pgmq.drop_queue('own');
DROP FUNCTION own_make(text, text), own_trigger(), own_spent();
DROP OWNED BY regress_pgmq_app, regress_pgmq_ops, regress_pgmq_thief;
DROP ROLE regress_pgmq_app, regress_pgmq_ops, regress_pgmq_thief;
