-- rights_escalation: code that users attach to tables does not run by the rights of
-- others
CREATE ROLE regress_pgmq_climber;
-- as is often done to let an application use its queues; it includes TRIGGER
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_climber;
SELECT pgmq.create('esc'), pgmq.create('esc_other'), pgmq.bind_topic('esc.*', 'esc'), pgmq.enable_notify_insert('esc');
SELECT pgmq.set_policy('esc', '{"dedup_window": 60}');
GRANT ALL ON ALL TABLES IN SCHEMA pgmq TO regress_pgmq_climber;
CREATE SCHEMA regress_pgmq_climb AUTHORIZATION regress_pgmq_climber;
SET ROLE regress_pgmq_climber;
CREATE TABLE regress_pgmq_climb.ran (place text, runs_as text);
GRANT INSERT ON regress_pgmq_climb.ran TO PUBLIC;
GRANT USAGE ON SCHEMA regress_pgmq_climb TO PUBLIC;
CREATE FUNCTION regress_pgmq_climb.run() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO regress_pgmq_climb.ran VALUES (TG_TABLE_NAME, current_user); RETURN OLD; END $$;
\set VERBOSITY terse

-- Rows of meta take others with them, by the rights of those tables' owner.
CREATE TRIGGER t BEFORE DELETE ON pgmq.topic_bindings FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
DELETE FROM pgmq.meta WHERE queue_name = 'esc';
DELETE FROM pgmq.topic_bindings WHERE queue_name = 'nothing';
RESET ROLE;
SELECT pgmq.drop_queue('esc');
DROP TRIGGER t ON pgmq.topic_bindings;
SET ROLE regress_pgmq_climber;
CREATE TRIGGER t AFTER DELETE ON pgmq.notify_insert_throttle FOR EACH STATEMENT EXECUTE FUNCTION regress_pgmq_climb.run();
DELETE FROM pgmq.meta WHERE queue_name = 'esc';
RESET ROLE;
-- ones that do not fire then hurt nobody
DROP TRIGGER t ON pgmq.notify_insert_throttle;
SET ROLE regress_pgmq_climber;
CREATE TRIGGER t AFTER INSERT OR UPDATE ON pgmq.notify_insert_throttle FOR EACH STATEMENT EXECUTE FUNCTION regress_pgmq_climb.run();
RESET ROLE;
SELECT pgmq.drop_queue('esc');
SELECT count(*) FROM pgmq.topic_bindings WHERE queue_name = 'esc';
DROP TRIGGER t ON pgmq.notify_insert_throttle;

-- The machinery's own tables
SELECT pgmq.create('esc');
SELECT pgmq.set_policy('esc', '{"dedup_window": 60, "ttl": 60}');
GRANT ALL ON ALL TABLES IN SCHEMA pgmq TO regress_pgmq_climber;
SET ROLE regress_pgmq_climber;
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON pgmq.policy FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON pgmq.d0_esc FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON pgmq.d1_esc FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON pgmq.d2_esc FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
DO $$ BEGIN PERFORM pgmq.send('esc', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb); EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE 'refused'; END $$;
RESET ROLE;
SELECT pgmq.pause('esc', 'infinity');
DROP TRIGGER t ON pgmq.policy;

-- A foreign key is a trigger as well, and REFERENCES is part of GRANT ALL: what it deletes runs
-- triggers of the table that refers, deferred ones too.  So nothing is deleted where a table of
-- another owner refers to the machinery's tables.
SET client_min_messages = warning;
SELECT pgmq.create('esc_fk');
SELECT pgmq.set_policy('esc_fk', '{"dedup_window": 60}');
SELECT pgmq.pause('esc_fk', 'infinity');
GRANT ALL ON ALL TABLES IN SCHEMA pgmq TO regress_pgmq_climber;
SET ROLE regress_pgmq_climber;
CREATE TABLE regress_pgmq_climb.policies (q text REFERENCES pgmq.policy ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE);
CREATE TABLE regress_pgmq_climb.ids_0 (id text CONSTRAINT climbs REFERENCES pgmq.d0_esc_fk ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE regress_pgmq_climb.ids_1 (id text CONSTRAINT climbs REFERENCES pgmq.d1_esc_fk ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE regress_pgmq_climb.ids_2 (id text CONSTRAINT climbs REFERENCES pgmq.d2_esc_fk);
INSERT INTO regress_pgmq_climb.policies VALUES ('esc_fk');
CREATE TRIGGER t BEFORE UPDATE OR DELETE ON regress_pgmq_climb.policies FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
CREATE CONSTRAINT TRIGGER c AFTER UPDATE OR DELETE ON regress_pgmq_climb.policies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
RESET ROLE;
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT pgmq.set_policy('esc_fk', '{"dedup_window": 30}');
\set VERBOSITY terse
DO $$ BEGIN PERFORM pgmq.send('esc_fk', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb); EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE WARNING 'refused'; END $$;
SELECT pgmq.set_policy('esc_fk', '{"ttl": 60, "dedup_window": null}');
SELECT pgmq.resume('esc_fk');
-- The tables are new ones, without the grants, triggers and keys of the old
-- ones.
SELECT pgmq.set_policy('esc_fk', '{"dedup_window": 30}');
SELECT pgmq.send('esc_fk', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb) FROM generate_series(1, 2);
SET ROLE regress_pgmq_climber;
SELECT conname, conrelid::regclass FROM pg_constraint WHERE conrelid::regclass::text ~ '^regress_pgmq_climb' AND contype = 'f';
RESET ROLE;
-- The owner drops the queue as if there were none; the row that is referred to says nothing any more.
SELECT pgmq.drop_queue('esc_fk');
SELECT queue_name, policy, paused_until FROM pgmq.policy WHERE queue_name = 'esc_fk';
SELECT pgmq.create('esc_fk');
SELECT pgmq.set_policy('esc_fk', '{"dedup_window": 60}');
DROP TABLE regress_pgmq_climb.policies;
SELECT pgmq.drop_queue('esc_fk');
SELECT count(*) FROM pgmq.policy WHERE queue_name = 'esc_fk';
-- Rows of bindings and throttles go by the rights of those tables' owner.
SET ROLE regress_pgmq_climber;
CREATE TABLE regress_pgmq_climb.bindings (pattern text, queue_name text, CONSTRAINT climbs FOREIGN KEY (pattern, queue_name) REFERENCES pgmq.topic_bindings ON DELETE CASCADE);
RESET ROLE;
SELECT pgmq.drop_queue('esc_other');
DROP TABLE regress_pgmq_climb.bindings;
SET ROLE regress_pgmq_climber;
CREATE TABLE regress_pgmq_climb.throttles (queue_name text CONSTRAINT climbs REFERENCES pgmq.notify_insert_throttle ON DELETE SET NULL);
RESET ROLE;
SELECT pgmq.drop_queue('esc_other');
DROP TABLE regress_pgmq_climb.throttles;
RESET client_min_messages;

-- Maintenance acts as the owner of each queue, so code that others attach to it runs by these
-- rights, but by no more, whatever role calls.
CREATE ROLE regress_pgmq_owner;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_owner;
ALTER TABLE pgmq.q_esc OWNER TO regress_pgmq_owner;
GRANT ALL ON pgmq.q_esc TO regress_pgmq_climber;
INSERT INTO pgmq.q_esc (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
SET ROLE regress_pgmq_climber;
CREATE TRIGGER t BEFORE DELETE ON pgmq.q_esc FOR EACH ROW EXECUTE FUNCTION regress_pgmq_climb.run();
RESET ROLE;
CALL pgmq.maintain();

SELECT DISTINCT place, runs_as FROM regress_pgmq_climb.ran ORDER BY 1;
SELECT pgmq.drop_queue('esc'), pgmq.drop_queue('esc_other');
DROP SCHEMA regress_pgmq_climb CASCADE;
DROP OWNED BY regress_pgmq_climber, regress_pgmq_owner;
DROP ROLE regress_pgmq_climber, regress_pgmq_owner;
