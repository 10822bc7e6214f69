--
-- Tables that were moved out of the way do not become a queue unasked
--
\set home :DBNAME
CREATE DATABASE regression_pgmq_adopt_queue;
\c regression_pgmq_adopt_queue
\set SHOW_CONTEXT never
CREATE EXTENSION pgmq_c;
CREATE ROLE regress_pgmq_adopter;
CREATE ROLE regress_pgmq_bystander;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_adopter;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_bystander;

-- A queue that stays, one that is moved away, one that is moved away with all
-- of its names, one whose ids come from a sequence of its own
SELECT pgmq.create('stays'), pgmq.create('rot'), pgmq.create('whole'), pgmq.create('free');
SELECT pgmq.send('rot', '1'), pgmq.send('rot', '2'), pgmq.send('whole', '1');
SELECT pgmq.archive('rot', 1);
ALTER TABLE pgmq.q_rot RENAME TO q_rot_old;
ALTER TABLE pgmq.a_rot RENAME TO a_rot_old;
ALTER TABLE pgmq.q_whole RENAME TO q_whole_old;
ALTER TABLE pgmq.a_whole RENAME TO a_whole_old;
ALTER SEQUENCE pgmq.q_whole_msg_id_seq RENAME TO q_whole_old_msg_id_seq;
ALTER TABLE pgmq.q_free ALTER msg_id DROP IDENTITY;
CREATE SEQUENCE pgmq.own;
ALTER TABLE pgmq.q_free ALTER msg_id SET DEFAULT nextval('pgmq.own');
DROP EXTENSION pgmq_c CASCADE;
-- the one that stays is of a PGMQ of long ago
ALTER TABLE pgmq.q_stays DROP last_read_at, DROP headers;
ALTER TABLE pgmq.a_stays DROP last_read_at, DROP headers;
CREATE EXTENSION pgmq_c;
SELECT queue_name FROM pgmq.list_queues() ORDER BY 1;
SELECT pgmq.send('stays', '1', '{"h": 1}'::jsonb), pgmq.archive('stays', 1);
SELECT message, headers FROM pgmq.peek_archive('stays');
-- it can still be read, but calls over all queues leave it out
SELECT count(*) FROM pgmq.metrics_all() WHERE queue_name = 'rot_old';

-- By a call it becomes one
SELECT pgmq.adopt_queue('rot_old');
SELECT pgmq.adopt_queue('rot_old'), pgmq.adopt_queue('Stays');
SELECT queue_name, is_partitioned, is_unlogged FROM pgmq.list_queues() WHERE queue_name = 'rot_old';
SELECT pgmq.convert_queue('rot_old');
SELECT msg_id, message FROM pgmq.read('rot_old', 0, 5);
SELECT pgmq.unarchive('rot_old', 1);

-- The tables of a PGMQ of long ago, and what lay around of another queue
CREATE TABLE pgmq.q_older (
	msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	read_ct integer DEFAULT 0 NOT NULL,
	enqueued_at timestamptz DEFAULT now() NOT NULL,
	vt timestamptz NOT NULL,
	message jsonb
);
CREATE TABLE pgmq.a_older (
	msg_id bigint PRIMARY KEY,
	read_ct integer DEFAULT 0 NOT NULL,
	enqueued_at timestamptz DEFAULT now() NOT NULL,
	archived_at timestamptz DEFAULT now() NOT NULL,
	vt timestamptz NOT NULL,
	message jsonb
);
INSERT INTO pgmq.q_older (vt, message) VALUES (now(), '1'), (now(), '2');
INSERT INTO pgmq.a_older (msg_id, vt, message) VALUES (100, now(), '0');
INSERT INTO pgmq.policy (queue_name, policy) VALUES ('older', '{"ttl": 1}');
CREATE VIEW seen AS SELECT * FROM pgmq.q_older;
SELECT pgmq.read('older', 0, 1);
BEGIN;
SELECT pgmq.convert_queue('older');
SELECT pgmq.convert_queue('older');
SELECT message FROM pgmq.read('older', 0, 5);
ROLLBACK;
SELECT pgmq.adopt_queue('Older');
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name = 'Older';
SELECT * FROM pgmq.policy;
SELECT message FROM pgmq.read('older', 0, 5);
SELECT message FROM pgmq.peek_archive('older');
SELECT pgmq.unarchive('older', 100), pgmq.archive('older', 2);
SELECT message FROM seen;

-- The caller must own both tables, and needs the rights that create needs
SELECT 'CREATE TABLE pgmq.q_' || n || ' (LIKE pgmq.q_older INCLUDING ALL)',
	'CREATE TABLE pgmq.a_' || n || ' (LIKE pgmq.a_older INCLUDING ALL)'
FROM unnest('{mine,half,no_message,no_default,bad_archive}'::text[]) n
\gexec
ALTER TABLE pgmq.q_mine OWNER TO regress_pgmq_adopter;
ALTER TABLE pgmq.a_mine OWNER TO regress_pgmq_adopter;
ALTER TABLE pgmq.q_half OWNER TO regress_pgmq_adopter;
ALTER TABLE pgmq.q_no_message DROP message CASCADE;
ALTER TABLE pgmq.q_no_default ALTER msg_id DROP IDENTITY;
ALTER TABLE pgmq.a_bad_archive ALTER headers TYPE text;
SET ROLE regress_pgmq_bystander;
SELECT pgmq.adopt_queue('mine');
SET ROLE regress_pgmq_adopter;
SELECT pgmq.adopt_queue('half');
\set VERBOSITY sqlstate
SELECT pgmq.adopt_queue('mine');
\set VERBOSITY default
RESET ROLE;
GRANT SELECT, INSERT ON pgmq.meta TO regress_pgmq_adopter;
SET ROLE regress_pgmq_adopter;
SELECT pgmq.adopt_queue('mine');
SELECT pgmq.send('mine', '1');
RESET ROLE;

-- Errors
SELECT pgmq.adopt_queue('unknown');
SELECT pgmq.adopt_queue(NULL);
SELECT pgmq.adopt_queue('bad$name');
SELECT pgmq.adopt_queue('a_name_that_is_longer_than_that_of_any_queue_may_be');
SELECT pgmq.adopt_queue('no_message');
SELECT pgmq.adopt_queue('no_default');
SELECT pgmq.adopt_queue('bad_archive');
CREATE VIEW pgmq.q_view AS SELECT 1 AS msg_id;
CREATE VIEW pgmq.a_view AS SELECT 1 AS msg_id;
SELECT pgmq.adopt_queue('view');
DROP TABLE pgmq.a_half;
SELECT pgmq.adopt_queue('half');
BEGIN READ ONLY;
SELECT pgmq.adopt_queue('half');
ROLLBACK;
SELECT queue_name FROM pgmq.list_queues() ORDER BY 1;

DROP OWNED BY regress_pgmq_adopter, regress_pgmq_bystander;
DROP ROLE regress_pgmq_adopter, regress_pgmq_bystander;
\c :home
DROP DATABASE regression_pgmq_adopt_queue;
