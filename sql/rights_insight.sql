-- waiters, memory_status, maintenance_status, partition_status, horizon_costs,
-- health, overview: what they show to whom, in which transactions, and that they
-- call nothing that a user made; insight_status.pl and insight_health.pl have what
-- they show
CREATE ROLE regress_pgmq_seer;
CREATE ROLE regress_pgmq_sender;
CREATE ROLE regress_pgmq_monitor;
GRANT pg_monitor TO regress_pgmq_monitor;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_seer, regress_pgmq_sender;
SELECT pgmq.create('seen'), pgmq.create('unseen'), pgmq.create('seen_dead');
SELECT pgmq.grant_queue('seen', 'regress_pgmq_sender', 'send');
SELECT pgmq.set_policy('seen', '{"ttl": 60, "dead_letter_queue": "seen_dead"}');
SELECT pgmq.set_policy('unseen', '{"ttl": 60, "dead_letter_queue": "seen_dead"}');
SELECT pgmq.drop_queue('seen_dead');

-- Without SELECT on meta there is nothing to go by.
SET ROLE regress_pgmq_sender;
SELECT * FROM pgmq.waiters();
SELECT * FROM pgmq.partition_status();
SELECT * FROM pgmq.horizon_costs();
SELECT * FROM pgmq.health();
SELECT * FROM pgmq.overview();
SELECT count(*) FROM pgmq.memory_status();
SELECT queue_name FROM pgmq.maintenance_status();
RESET ROLE;

-- A role sees the queues on which it has some privilege.
GRANT SELECT ON pgmq.meta TO regress_pgmq_seer, regress_pgmq_sender;
CREATE FUNCTION seen() RETURNS TABLE(function text, queues text) LANGUAGE sql AS $$
	SELECT 'maintenance_status', string_agg(queue_name, ', ' ORDER BY queue_name)
	FROM pgmq.maintenance_status() WHERE queue_name ~ 'seen'
	UNION ALL
	SELECT 'health', string_agg(queue_name || ' ' || what, ', ' ORDER BY queue_name)
	FROM pgmq.health() WHERE queue_name ~ 'seen'
	UNION ALL
	SELECT 'overview', string_agg(queue_name, ', ' ORDER BY queue_name)
	FROM pgmq.overview(1000) WHERE queue_name ~ 'seen'
	UNION ALL
	SELECT '_queue_tables', string_agg(queue_name, ', ' ORDER BY queue_name)
	FROM pgmq._queue_tables() WHERE queue_name ~ 'seen'
	UNION ALL
	SELECT '_policies', string_agg(relid::regclass::text || ' ' || dead_letter_problem, ', ' ORDER BY relid::regclass::text)
	FROM pgmq._policies() WHERE relid::regclass::text ~ 'seen'
	UNION ALL
	SELECT '_first_messages', count(*)::text FROM pgmq._first_messages('unseen', 10, NULL)
$$;
SET ROLE regress_pgmq_seer;
SELECT * FROM seen();
SET ROLE regress_pgmq_sender;
SELECT * FROM seen();
SELECT * FROM pgmq._first_messages('seen', 10, NULL);
SET ROLE regress_pgmq_monitor;
SELECT * FROM seen();
SELECT * FROM pgmq._first_messages('seen', 10, NULL);
RESET ROLE;
SELECT * FROM seen();

-- A message's body is nowhere in it.
SELECT pgmq.send('seen', '"secret"', '{"key": "secret"}'::jsonb);
SELECT count(*) FROM pgmq.health('{"unread": 0, "behind": 0}') h WHERE h::text ~ 'secret';

-- They only read.
BEGIN READ ONLY;
SELECT count(*) > 0 AS ran FROM seen();
SELECT count(*) >= 0 AS ran FROM pgmq.waiters(), pgmq.memory_status(), pgmq.partition_status(), pgmq.horizon_costs();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) > 0 AS ran FROM seen();
ROLLBACK;

-- Bad input.
SELECT * FROM pgmq._first_messages(NULL, 10, NULL);
SELECT * FROM pgmq._first_messages('seen', NULL, NULL);
SELECT * FROM pgmq._first_messages('seen', -1, NULL);
SELECT * FROM pgmq._first_messages('no$such', 10, NULL);
SELECT * FROM pgmq._first_messages('seen_not', 10, NULL);
SELECT count(*) FROM pgmq.overview(0);
SELECT count(*) > 1 AS all_queues FROM pgmq.overview(NULL);
SELECT * FROM pgmq.overview(-1);

-- Rows of meta and policy that were made by hand.
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('seen;--', false, false), ('seen_gone', false, false);
CREATE VIEW pgmq.q_seen_view AS SELECT 1 AS msg_id;
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('seen_view', false, false);
INSERT INTO pgmq.policy (queue_name, policy) VALUES ('seen_gone', '{"ttl": 1}'), ('seen_view', '[1]');
SELECT * FROM seen();
UPDATE pgmq.policy SET policy = '{"dead_letter_queue": 1, "max_reads": "x", "ttl": null}' WHERE queue_name = 'seen_view';
SELECT * FROM seen();
UPDATE pgmq.policy SET policy = '{"dead_letter_queue": "a;b", "max_reads": 1e100}' WHERE queue_name = 'seen_view';
SELECT * FROM seen();
UPDATE pgmq.policy SET policy = policy || '{"max_reads": -1e100}' WHERE queue_name = 'seen';
SELECT count(*) > 0 AS ran FROM pgmq.health();
UPDATE pgmq.policy SET policy = policy - 'max_reads' WHERE queue_name = 'seen';
DELETE FROM pgmq.meta WHERE queue_name LIKE 'seen\_%' OR queue_name = 'seen;--';
DELETE FROM pgmq.policy WHERE queue_name LIKE 'seen\_%';
DROP VIEW pgmq.q_seen_view;

-- Functions of users do not run: neither those that are first in the search_path nor
-- what stands beside the tables.
CREATE SCHEMA insight_evil;
CREATE FUNCTION insight_evil.pg_stat_get_live_tuples(oid) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
CREATE FUNCTION insight_evil.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
CREATE FUNCTION insight_evil.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
CREATE OPERATOR insight_evil.<= (FUNCTION = insight_evil.less, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE VIEW insight_evil.pg_class AS SELECT 1 / 0 AS oid;
CREATE FUNCTION insight_evil.runs() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
ALTER TABLE pgmq.q_seen ADD CONSTRAINT evil CHECK (insight_evil.runs()) NOT VALID;
SET search_path = insight_evil, pg_catalog, public;
SELECT * FROM seen();
SELECT readable, most_reads FROM pgmq._first_messages('seen', 10, NULL);
SELECT count(*) >= 0 AS ran FROM pgmq.waiters(), pgmq.memory_status(), pgmq.partition_status(), pgmq.horizon_costs();
RESET search_path;

-- A caller who does not see all rows is told nothing about them.
ALTER TABLE pgmq.q_seen ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_monitor;
SELECT readable FROM pgmq._first_messages('seen', 10, NULL);
RESET ROLE;
ALTER TABLE pgmq.q_seen DISABLE ROW LEVEL SECURITY;

-- One who may see only some columns counts no messages by the rights of the owner.
GRANT SELECT (vt) ON pgmq.q_seen TO regress_pgmq_seer;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_seer;
SET ROLE regress_pgmq_seer;
SELECT * FROM pgmq.queue_depth('seen');
RESET ROLE;
GRANT SELECT (read_ct) ON pgmq.q_seen TO regress_pgmq_seer;
SET ROLE regress_pgmq_seer;
SELECT visible FROM pgmq.queue_depth('seen');
RESET ROLE;
REVOKE SELECT (vt, read_ct) ON pgmq.q_seen FROM regress_pgmq_seer;

-- Even planning calls functions of an index.  They run as the owner of the queue,
-- and an error of theirs does not keep health from the other queues.
ALTER TABLE pgmq.q_seen OWNER TO regress_pgmq_seer;
GRANT USAGE ON SCHEMA insight_evil TO public;
CREATE FUNCTION insight_evil.folded(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'called as %', current_user;
	RETURN $1;
END $$;
CREATE INDEX evil ON pgmq.q_seen ((insight_evil.folded(1)));
\c -
SELECT readable FROM pgmq._first_messages('seen', 10, NULL);
\c -
SELECT queue_length FROM pgmq.metrics('seen');
\c -
SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name = 'seen';
\c -
SELECT visible FROM pgmq.queue_depth('seen');
CREATE OR REPLACE FUNCTION insight_evil.folded(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'called as %', current_user;
END $$;
\c -
SELECT readable FROM pgmq._first_messages('seen', 10, NULL);

DROP INDEX pgmq.evil;

-- A default can call nextval for any sequence.  Its last id is for those who may know it.
CREATE SEQUENCE insight_evil.secret START 42 MAXVALUE 50;
SELECT nextval('insight_evil.secret') FROM generate_series(1, 5);
REVOKE ALL ON SEQUENCE insight_evil.secret FROM public;
SELECT pgmq.create('seen_parts');
CREATE TABLE insight_evil.parts (LIKE pgmq.q_seen_parts) PARTITION BY RANGE (msg_id);
CREATE TABLE insight_evil.part PARTITION OF insight_evil.parts FOR VALUES FROM (1) TO (51);
DROP TABLE pgmq.q_seen_parts;
ALTER TABLE insight_evil.parts RENAME TO q_seen_parts;
ALTER TABLE insight_evil.q_seen_parts SET SCHEMA pgmq;
ALTER TABLE pgmq.q_seen_parts ALTER msg_id SET DEFAULT nextval('insight_evil.secret');
ALTER TABLE pgmq.q_seen_parts OWNER TO regress_pgmq_seer;
GRANT SELECT ON pgmq.q_seen_parts TO regress_pgmq_monitor;
CREATE FUNCTION known() RETURNS TABLE(ids_left bigint, last_id bigint) LANGUAGE sql AS $$
	SELECT ids_left, pgmq._last_id(queue_name, 'insight_evil.secret'::regclass)
	FROM pgmq.partition_status() WHERE queue_name = 'seen_parts' AND table_name = 'q_seen_parts'
$$;
SELECT * FROM known();
SET ROLE regress_pgmq_seer;
SELECT * FROM known();
SELECT count(*) > 0 AS ran FROM pgmq.health();
SET ROLE regress_pgmq_monitor;
SELECT * FROM known();
RESET ROLE;
GRANT USAGE ON SEQUENCE insight_evil.secret TO regress_pgmq_seer;
SET ROLE regress_pgmq_seer;
SELECT * FROM known();
RESET ROLE;

-- Nor is that of another sequence, or of a queue that is not the caller's.
SELECT pgmq._last_id('unseen', 'pgmq.q_unseen_msg_id_seq'::regclass), pgmq._last_id('unseen', 'insight_evil.secret'::regclass),
	pgmq._last_id('unseen', NULL), pgmq._last_id('unseen', 0), pgmq._last_id('no$such', 0);
SET ROLE regress_pgmq_seer;
SELECT pgmq._last_id('unseen', 'pgmq.q_unseen_msg_id_seq'::regclass);
RESET ROLE;
SELECT pgmq._last_id(NULL, 0);
SELECT pgmq.drop_queue('seen_parts');
DROP FUNCTION known();

DROP SCHEMA insight_evil CASCADE;
DROP FUNCTION seen();
SELECT pgmq.drop_queue('seen'), pgmq.drop_queue('unseen');
REVOKE ALL ON SCHEMA pgmq FROM regress_pgmq_seer, regress_pgmq_sender;
REVOKE ALL ON pgmq.meta FROM regress_pgmq_seer, regress_pgmq_sender;
DROP ROLE regress_pgmq_seer, regress_pgmq_sender, regress_pgmq_monitor;
