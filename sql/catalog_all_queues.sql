-- catalog_all_queues: calls over all queues when some rows of meta are bad, and some
-- queues are none of the caller's business
CREATE ROLE regress_pgmq_aq;
CREATE ROLE regress_pgmq_aq_owner;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_aq, regress_pgmq_aq_owner;
GRANT SELECT ON pgmq.meta TO regress_pgmq_aq, regress_pgmq_aq_owner;
SELECT pgmq.create(q) FROM unnest(ARRAY['aq_a', 'aq_maimed', 'aq_view', 'aq_z']) q;
SELECT pgmq.send(q, '1') FROM unnest(ARRAY['aq_a', 'aq_z']) q;
ALTER TABLE pgmq.q_aq_maimed DROP COLUMN message;
DROP TABLE pgmq.q_aq_view;
CREATE VIEW pgmq.q_aq_view AS SELECT 1 AS one;
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('aq_bad;name', false, false), ('aq_gone', false, false),
	('AQ_Z', false, false), (repeat('aq_long', 20), false, false);
CREATE INDEX aq_a_vt ON pgmq.q_aq_a (vt);
CREATE INDEX aq_z_vt ON pgmq.q_aq_z (vt);

\set VERBOSITY terse
SELECT queue_name, queue_length FROM pgmq.metrics_all() WHERE queue_name ILIKE 'aq\_%';
SELECT queue_name FROM pgmq.engine_status() WHERE queue_name ILIKE 'aq\_%';
SELECT pgmq.create_fifo_indexes_all();
SELECT indexrelid::regclass FROM pg_index WHERE indrelid IN ('pgmq.q_aq_a'::regclass, 'pgmq.q_aq_z'::regclass) ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT * FROM pgmq.convert_queues_all();
SELECT * FROM pgmq.convert_queues_all();
SELECT indexrelid::regclass FROM pg_index WHERE indrelid IN ('pgmq.q_aq_a'::regclass, 'pgmq.q_aq_z'::regclass) ORDER BY indexrelid::regclass::text COLLATE "C";
-- what one names fails as before
SELECT * FROM pgmq.convert_queues(ARRAY['aq_a', 'aq_gone']);

-- all or nothing with the transaction
CREATE INDEX aq_a_vt ON pgmq.q_aq_a (vt);
BEGIN;
SET LOCAL client_min_messages = error;
SELECT pgmq.convert_queues_all();
ROLLBACK;
SELECT to_regclass('pgmq.aq_a_vt') IS NOT NULL AS still_there;
BEGIN READ ONLY;
SELECT pgmq.convert_queues_all();
ROLLBACK;
BEGIN READ ONLY;
SELECT pgmq.create_fifo_indexes_all();
ROLLBACK;
-- a cancel is one
BEGIN;
SET LOCAL client_min_messages = error;
SET LOCAL statement_timeout = 1;
DO $$ BEGIN FOR i IN 1 .. 100000 LOOP PERFORM pgmq.create_fifo_indexes_all(); END LOOP; END $$;
ROLLBACK;

-- A role that may see only meta learns nothing about the queues.
SET ROLE regress_pgmq_aq;
SELECT count(*) FROM pgmq.metrics_all();
SELECT count(*) FROM pgmq.engine_status();
SELECT pgmq.create_fifo_indexes_all();
SELECT * FROM pgmq.convert_queues_all();
RESET ROLE;
-- it is told of the bad rows, as far as it can look at them
DELETE FROM pgmq.meta WHERE queue_name IN ('aq_bad;name', 'aq_gone', 'AQ_Z') OR queue_name LIKE 'aq_longaq%';
SET ROLE regress_pgmq_aq;
SELECT count(*) FROM pgmq.metrics_all();
SELECT count(*) FROM pgmq.engine_status();
SELECT pgmq.create_fifo_indexes_all();
SELECT * FROM pgmq.convert_queues_all();
RESET ROLE;
-- a role that owns a queue has it converted, and is told of queues that it may use
-- but does not own
ALTER TABLE pgmq.q_aq_z OWNER TO regress_pgmq_aq_owner;
GRANT CREATE ON SCHEMA pgmq TO regress_pgmq_aq_owner;
CREATE INDEX aq_z_vt ON pgmq.q_aq_z (vt);
SELECT pgmq.grant_queue('aq_a', 'regress_pgmq_aq_owner', 'read');
SET ROLE regress_pgmq_aq_owner;
SELECT * FROM pgmq.convert_queues_all();
SELECT queue_name FROM pgmq.metrics_all();
RESET ROLE;

-- A role that may read may count; one that may send needs "inspect".
\set VERBOSITY default
SELECT pgmq.grant_queue('aq_a', 'regress_pgmq_aq', 'send');
SET ROLE regress_pgmq_aq;
SELECT queue_length FROM pgmq.metrics('aq_a');
SELECT count(*) FROM pgmq.metrics_all();
SELECT queue_length FROM pgmq.metrics('aq_z');
RESET ROLE;
SELECT pgmq.grant_queue('aq_a', 'regress_pgmq_aq', 'read');
SET ROLE regress_pgmq_aq;
SELECT queue_length, total_messages FROM pgmq.metrics('aq_a');
SELECT queue_name FROM pgmq.metrics_all();
RESET ROLE;
SELECT pgmq.revoke_queue('aq_a', 'regress_pgmq_aq', 'read');
SELECT pgmq.grant_queue('aq_a', 'regress_pgmq_aq', 'inspect');
SET ROLE regress_pgmq_aq;
SELECT queue_length, total_messages FROM pgmq.metrics('aq_a');
RESET ROLE;

SET client_min_messages = error;
DROP VIEW pgmq.q_aq_view;
SELECT pgmq.drop_queue(q) FROM unnest(ARRAY['aq_a', 'aq_maimed', 'aq_view', 'aq_z']) q;
DROP OWNED BY regress_pgmq_aq, regress_pgmq_aq_owner;
DROP ROLE regress_pgmq_aq, regress_pgmq_aq_owner;
