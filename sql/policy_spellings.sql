-- policy_spellings: rows of pgmq.policy that an earlier version made for other spellings of a name go, or say nothing where another owner's table refers to them
\set VERBOSITY terse
CREATE ROLE regress_pgmq_refers;
CREATE SCHEMA regress_pgmq_refers AUTHORIZATION regress_pgmq_refers;
SELECT pgmq.create('spell');
INSERT INTO pgmq.policy VALUES ('spell', '{"ttl": 100000}'), ('SPELL', '{"ttl": 5}');
GRANT REFERENCES, SELECT ON pgmq.policy TO regress_pgmq_refers;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_refers;
SET ROLE regress_pgmq_refers;
CREATE TABLE regress_pgmq_refers.p (q text REFERENCES pgmq.policy ON DELETE CASCADE ON UPDATE CASCADE);
CREATE FUNCTION regress_pgmq_refers.run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'ran'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER DELETE OR UPDATE ON regress_pgmq_refers.p DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_pgmq_refers.run();
INSERT INTO regress_pgmq_refers.p VALUES ('SPELL'), ('spell');
RESET ROLE;
SELECT pgmq.set_policy('spell', '{"archive_retention": 7}');
SELECT pgmq.pause('spell', 'infinity');
SELECT queue_name, policy, paused_until FROM pgmq.policy WHERE queue_name ILIKE 'spell' ORDER BY queue_name COLLATE "C";
SELECT pgmq.get_policy('spell');
DROP SCHEMA regress_pgmq_refers CASCADE;
SELECT pgmq.set_policy('spell', '{"archive_retention": 8}');
SELECT queue_name, policy FROM pgmq.policy WHERE queue_name ILIKE 'spell';
SELECT pgmq.drop_queue('spell');
DROP OWNED BY regress_pgmq_refers;
DROP ROLE regress_pgmq_refers;
