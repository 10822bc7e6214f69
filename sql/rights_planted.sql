-- rights_planted: tables that another role has prepared under a queue's names become no queue by create or set_policy
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE ROLE regress_pgmq_gardener;
CREATE ROLE regress_pgmq_tenant;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_gardener, regress_pgmq_tenant;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_gardener, regress_pgmq_tenant;
SET ROLE regress_pgmq_gardener;
SELECT pgmq.create('model');
CREATE TABLE pgmq.q_pl (LIKE pgmq.q_model INCLUDING ALL);
CREATE TABLE pgmq.a_pl (LIKE pgmq.a_model INCLUDING ALL);
GRANT ALL ON pgmq.q_pl, pgmq.a_pl TO PUBLIC;
\set VERBOSITY default
RESET ROLE;
SELECT pgmq.create('pl');
\set VERBOSITY terse
SELECT pgmq.create_unlogged('pl');
SET ROLE regress_pgmq_tenant;
SELECT pgmq.create('pl');
-- one of the two is enough to refuse
CREATE TABLE pgmq.q_half (LIKE pgmq.q_pl INCLUDING ALL);
SET ROLE regress_pgmq_gardener;
CREATE TABLE pgmq.a_half (LIKE pgmq.a_model INCLUDING ALL);
SET ROLE regress_pgmq_tenant;
SELECT pgmq.create('half');
RESET ROLE;
SELECT pgmq.create('half');
SELECT queue_name FROM pgmq.meta WHERE queue_name IN ('pl', 'half');

-- The role may make a queue of its own tables; a superuser must say so
-- explicitly.
SET ROLE regress_pgmq_gardener;
SELECT pgmq.create('pl');
SELECT pgmq.drop_queue('pl');
CREATE TABLE pgmq.q_pl (LIKE pgmq.q_model INCLUDING ALL);
CREATE TABLE pgmq.a_pl (LIKE pgmq.a_model INCLUDING ALL);
RESET ROLE;
SELECT pgmq.adopt_queue('pl');

-- A queue of another role stays what it is, and the notice says whose it is.
\set VERBOSITY default
SELECT pgmq.create('pl');
SET ROLE regress_pgmq_tenant;
SELECT pgmq.create('pl');
SELECT pgmq.create_unlogged('pl');

-- Nor does it become the dead-letter queue of a role that expects its own to be
-- created.
SELECT pgmq.create('work');
SELECT pgmq.set_policy('work', '{"max_reads": 3, "dead_letter_queue": "model", "create_dead_letter_queue": true}');
\set VERBOSITY terse
RESET ROLE;
SELECT pgmq.set_policy('work', '{"max_reads": 3, "dead_letter_queue": "model", "create_dead_letter_queue": true}');
SET ROLE regress_pgmq_tenant;
SELECT pgmq.get_policy('work');
-- It is accepted by its name; and then it is no news.
SELECT pgmq.set_policy('work', '{"max_reads": 3, "dead_letter_queue": "model"}');
SELECT pgmq.set_policy('work', '{"max_reads": 4, "dead_letter_queue": "model", "create_dead_letter_queue": true}');
-- One's own is created, found again, and found by others.
SELECT pgmq.set_policy('work', '{"dead_letter_queue": "work_dead", "create_dead_letter_queue": true}');
SELECT pgmq.set_policy('work', '{"dead_letter_queue": "work_dead", "create_dead_letter_queue": true}');
RESET ROLE;
SELECT pgmq.set_policy('work', '{"dead_letter_queue": "work_dead", "create_dead_letter_queue": true}');
-- Planted tables that meta does not know are refused as well.
SET ROLE regress_pgmq_gardener;
CREATE TABLE pgmq.q_pl2 (LIKE pgmq.q_model INCLUDING ALL);
CREATE TABLE pgmq.a_pl2 (LIKE pgmq.a_model INCLUDING ALL);
RESET ROLE;
SELECT pgmq.set_policy('work', '{"dead_letter_queue": "pl2", "create_dead_letter_queue": true}');
DROP TABLE pgmq.q_pl2;
SELECT pgmq.set_policy('work', '{"dead_letter_queue": "pl2", "create_dead_letter_queue": true}');
DROP TABLE pgmq.a_pl2, pgmq.q_half, pgmq.a_half;
-- A default can name any sequence.  Privileges on a queue are none on the sequence of another role.
CREATE SEQUENCE public.planted_ids;
SELECT format('ALTER TABLE pgmq.q_model ALTER msg_id DROP IDENTITY, ALTER msg_id SET DEFAULT nextval(%L::regclass)', 'public.planted_ids'::regclass::oid) AS alter \gset
SET ROLE regress_pgmq_gardener;
:alter;
RESET ROLE;
SELECT pgmq.grant_queue('model', 'regress_pgmq_tenant', 'inspect');
SELECT has_sequence_privilege('regress_pgmq_tenant', 'public.planted_ids', 'SELECT') AS sequence,
	   has_column_privilege('regress_pgmq_tenant', 'pgmq.q_model', 'vt', 'SELECT') AS vt;
GRANT SELECT ON SEQUENCE public.planted_ids TO regress_pgmq_tenant;
SELECT pgmq.revoke_queue('model', 'regress_pgmq_tenant', 'inspect');
SELECT has_sequence_privilege('regress_pgmq_tenant', 'public.planted_ids', 'SELECT') AS sequence,
	   has_column_privilege('regress_pgmq_tenant', 'pgmq.q_model', 'vt', 'SELECT') AS vt;
SET client_min_messages = warning;
SELECT pgmq.drop_queue(q) FROM unnest('{work,work_dead,pl,model}'::text[]) q;
DROP SEQUENCE public.planted_ids;
DROP OWNED BY regress_pgmq_gardener, regress_pgmq_tenant;
DROP ROLE regress_pgmq_gardener, regress_pgmq_tenant;
