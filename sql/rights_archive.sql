-- rights_archive: a table that has the name of an archive and belongs to another role is no archive
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE ROLE regress_pgmq_victim;
CREATE ROLE regress_pgmq_planter;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_victim, regress_pgmq_planter;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_victim, regress_pgmq_planter;
CREATE SCHEMA regress_pgmq_planter AUTHORIZATION regress_pgmq_planter;
GRANT USAGE ON SCHEMA regress_pgmq_planter TO PUBLIC;
SET ROLE regress_pgmq_planter;
CREATE FUNCTION regress_pgmq_planter.spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'RAN AS %', CASE WHEN current_user = 'regress_pgmq_victim' THEN current_user ELSE 'SUPERUSER' END;
	RETURN coalesce(NEW, OLD);
END $$;
SET ROLE regress_pgmq_victim;
SELECT pgmq.create('vq');
SELECT pgmq.set_policy('vq', '{"archive_retention": 1}');
SELECT count(*) FROM pgmq.send_batch('vq', '{1,2,3}'::jsonb[]);
ALTER TABLE pgmq.a_vq RENAME TO vq_old;
SET ROLE regress_pgmq_planter;
CREATE TABLE pgmq.a_vq (LIKE pgmq.vq_old INCLUDING ALL);
-- which the planter may not look at
RESET ROLE;
CREATE TABLE regress_pgmq_planter.shape (LIKE pgmq.vq_old INCLUDING ALL);
GRANT SELECT ON regress_pgmq_planter.shape TO regress_pgmq_planter;
SET ROLE regress_pgmq_planter;
CREATE TABLE pgmq.a_vq (LIKE regress_pgmq_planter.shape INCLUDING ALL);
CREATE TRIGGER spy BEFORE INSERT OR DELETE OR UPDATE ON pgmq.a_vq FOR EACH ROW EXECUTE FUNCTION regress_pgmq_planter.spy();
INSERT INTO pgmq.a_vq (msg_id, vt, message, archived_at) SELECT g, now(), '"forged"', now() - interval '1 day' FROM generate_series(10, 12) g;
GRANT ALL ON pgmq.a_vq TO PUBLIC;

-- Neither the owner nor a superuser archives there, takes from there, or changes it.
\set VERBOSITY default
SET ROLE regress_pgmq_victim;
SELECT pgmq.archive('vq', 1);
\set VERBOSITY terse
SELECT * FROM pgmq.archive('vq', '{1,2}'::bigint[]);
SELECT pgmq.archive('vq', 1, 0);
SELECT * FROM pgmq.archive('vq', '{1,2}'::bigint[], '{0,0}'::int[]);
SELECT pgmq.unarchive('vq', 10);
SELECT * FROM pgmq.unarchive('vq', '{10,11}'::bigint[]);
SELECT message FROM pgmq.peek_archive('vq', 9);
SELECT pgmq.convert_queue('vq');
SELECT pgmq.create('vq');
CALL pgmq.maintain();
RESET ROLE;
SELECT pgmq.archive('vq', 1);
SELECT pgmq.unarchive('vq', 10);
SELECT message FROM pgmq.peek_archive('vq', 9);
SELECT pgmq.convert_queue('vq');
SELECT pgmq.create('vq');
SELECT pgmq.grant_queue('vq', 'regress_pgmq_victim', 'read');
SELECT pgmq.revoke_queue('vq', 'regress_pgmq_planter', 'read');
CALL pgmq.maintain();
DELETE FROM pgmq.meta WHERE queue_name = 'vq';
SELECT pgmq.adopt_queue('vq');
SELECT pgmq.create('vq');
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('vq', false, false);
SELECT count(*) FROM pgmq.q_vq;
SELECT count(*) FROM pgmq.a_vq;

-- A view of that name is refused by its owner, too.
SET ROLE regress_pgmq_planter;
ALTER TABLE pgmq.a_vq RENAME TO planted;
CREATE VIEW pgmq.a_vq AS TABLE pgmq.planted;
GRANT ALL ON pgmq.a_vq TO PUBLIC;
SET ROLE regress_pgmq_victim;
SELECT pgmq.archive('vq', 1);
SELECT message FROM pgmq.peek_archive('vq', 9);
SET ROLE regress_pgmq_planter;
DROP VIEW pgmq.a_vq;
ALTER TABLE pgmq.planted RENAME TO a_vq;

-- A session that has archived before goes by what the table is now.
SET ROLE regress_pgmq_victim;
SELECT pgmq.create('kept');
SELECT count(*) FROM pgmq.send_batch('kept', '{1,2,3,4}'::jsonb[]);
SELECT pgmq.archive('kept', 1);
RESET ROLE;
ALTER TABLE pgmq.a_kept OWNER TO regress_pgmq_planter;
SET ROLE regress_pgmq_victim;
SELECT pgmq.archive('kept', 2);
RESET ROLE;
ALTER TABLE pgmq.a_kept OWNER TO regress_pgmq_victim;
ALTER TABLE pgmq.q_kept OWNER TO regress_pgmq_planter;
SELECT pgmq.archive('kept', 2);
ALTER TABLE pgmq.q_kept OWNER TO regress_pgmq_victim;
-- One of a superuser is no threat, and one of a role that may do as the queue's owner does.
ALTER TABLE pgmq.a_kept OWNER TO CURRENT_USER;
GRANT ALL ON pgmq.a_kept TO regress_pgmq_victim;
SET ROLE regress_pgmq_victim;
SELECT pgmq.archive('kept', 2);
SELECT pgmq.unarchive('kept', 2);
SELECT pgmq.drop_queue('kept');
SELECT to_regclass('pgmq.a_kept');
RESET ROLE;
DROP TABLE pgmq.a_kept;
SELECT pgmq.create('kept');
SELECT pgmq.send('kept', '1');
CREATE ROLE regress_pgmq_team;
ALTER TABLE pgmq.q_kept OWNER TO regress_pgmq_team;
ALTER TABLE pgmq.a_kept OWNER TO regress_pgmq_victim;
SELECT pgmq.archive('kept', 1);
-- The role that the extension's tables belong to may own it, too, be it no superuser.
BEGIN;
ALTER TABLE pgmq.meta OWNER TO regress_pgmq_victim;
SELECT pgmq.archive('kept', 1);
ROLLBACK;
GRANT regress_pgmq_team TO regress_pgmq_victim;
SELECT pgmq.archive('kept', 1);

-- The owner can make a missing archive again, and it belongs to the owner whatever role
-- calls.
ALTER TABLE pgmq.a_kept RENAME TO kept_old;
SET ROLE regress_pgmq_planter;
\set VERBOSITY default
SELECT pgmq.create('kept');
\set VERBOSITY terse
SELECT to_regclass('pgmq.a_kept');
RESET ROLE;
SELECT pgmq.create('kept');
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('q_kept', 'a_kept') ORDER BY 1;
SELECT pgmq.send('kept', '2');
ALTER TABLE pgmq.a_kept RENAME TO kept_older;
\set VERBOSITY default
SELECT pgmq.archive('kept', 2);
\set VERBOSITY terse
SELECT count(*) FROM pgmq.q_kept;

-- The queue can be dropped; a table that is not its own stays.
SET ROLE regress_pgmq_victim;
\set VERBOSITY default
SELECT pgmq.drop_queue('vq');
\set VERBOSITY terse
SELECT to_regclass('pgmq.q_vq'), to_regclass('pgmq.a_vq');
RESET ROLE;
DROP TABLE pgmq.vq_old, pgmq.a_vq, pgmq.q_kept, pgmq.kept_old, pgmq.kept_older;
SELECT pgmq.drop_queue('kept');
DROP SCHEMA regress_pgmq_planter CASCADE;
DROP OWNED BY regress_pgmq_victim, regress_pgmq_planter, regress_pgmq_team;
DROP ROLE regress_pgmq_victim, regress_pgmq_planter, regress_pgmq_team;
