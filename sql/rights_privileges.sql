-- rights_privileges: who may do what with queues
\set VERBOSITY terse
CREATE ROLE regress_pgmq_monitor;
GRANT pg_monitor TO regress_pgmq_monitor;
CREATE ROLE regress_pgmq_maker;
CREATE ROLE regress_pgmq_nobody;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_nobody;
SELECT pgmq.create('priv');
SELECT pgmq.send('priv', '{"secret": true}'), pgmq.send('priv', '{"secret": true}'), pgmq.archive('priv', 1);

-- Monitoring sees how a queue stands, not what is in it.
SET ROLE regress_pgmq_monitor;
SELECT queue_name FROM pgmq.list_queues() WHERE queue_name = 'priv';
SELECT queue_length, total_messages, queue_visible_length FROM pgmq.metrics('priv');
SET client_min_messages = error;	-- other tests' queues
SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name = 'priv';
RESET client_min_messages;
SELECT msg_id, read_ct, last_read_at, enqueued_at <= now() AS enqueued, vt <= now() AS visible FROM pgmq.q_priv;
SELECT msg_id, read_ct, archived_at <= now() AS archived FROM pgmq.a_priv;
SELECT last_value FROM pgmq.q_priv_msg_id_seq;
SELECT message FROM pgmq.q_priv;
SELECT headers FROM pgmq.q_priv;
SELECT message FROM pgmq.a_priv;
SELECT headers FROM pgmq.a_priv;
SELECT * FROM pgmq.read('priv', 30, 1);
SELECT pgmq.purge_queue('priv');
SELECT pgmq.drop_queue('priv');
RESET ROLE;

-- A role without rights.
SET ROLE regress_pgmq_nobody;
SELECT * FROM pgmq.list_queues();
\set VERBOSITY sqlstate
SELECT pgmq.create('priv_no');
\set VERBOSITY terse
SELECT pgmq.create('priv');
SELECT pgmq.drop_queue('priv');
SELECT pgmq.purge_queue('priv');
SELECT pgmq.create_fifo_index('priv');
SELECT pgmq.metrics('priv');
RESET ROLE;

-- A plain role creates queues of its own: it owns their tables.
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_maker;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_maker;
SET ROLE regress_pgmq_maker;
SELECT pgmq.create('priv_own');
SELECT pgmq.create_unlogged('priv_un');
SELECT pgmq.create('priv_own');
SELECT relname, relowner::regrole FROM pg_class WHERE relname ~ '^[qa]_priv_own' AND relkind IN ('r', 'S') ORDER BY 1;
SELECT pgmq.send('priv_own', '{}'), pgmq.archive('priv_own', 1), pgmq.purge_queue('priv_own');
SELECT pgmq.create_fifo_index('priv_own');
SELECT queue_length FROM pgmq.metrics('priv_own');
SELECT pgmq.drop_queue('priv');
SELECT pgmq.drop_queue('priv_un');
RESET ROLE;
SET ROLE regress_pgmq_monitor;
SELECT queue_length, total_messages FROM pgmq.metrics('priv_own');
RESET ROLE;
SET ROLE regress_pgmq_maker;
SELECT pgmq.drop_queue('priv_own');
RESET ROLE;

-- A role that waits need not see messages.
GRANT SELECT (msg_id, vt, tableoid, ctid) ON pgmq.q_priv TO regress_pgmq_nobody;
SET ROLE regress_pgmq_nobody;
CALL pgmq.wait('priv', 0);
RESET ROLE;
REVOKE SELECT (msg_id, vt, tableoid, ctid) ON pgmq.q_priv FROM regress_pgmq_nobody;
-- But a role that may not look may not wait either, not even for the first
-- message.
SELECT pgmq.create('priv_wait');
SELECT pgmq.grant_queue('priv_wait', 'regress_pgmq_nobody', 'send', 'inspect');
SELECT count(*) FROM pgmq.read('priv_wait', 30, 1);
SET ROLE regress_pgmq_nobody;
CALL pgmq.wait('priv_wait', 0);
RESET ROLE;
SELECT pgmq.drop_queue('priv_wait');

-- The right to empty a queue is TRUNCATE, and to count it.
GRANT TRUNCATE ON pgmq.q_priv TO regress_pgmq_nobody;
SET ROLE regress_pgmq_nobody;
SELECT pgmq.purge_queue('priv');
RESET ROLE;
GRANT SELECT ON pgmq.q_priv TO regress_pgmq_nobody;
SET ROLE regress_pgmq_nobody;
SELECT pgmq.purge_queue('priv');
RESET ROLE;

SELECT pgmq.drop_queue('priv');
DROP OWNED BY regress_pgmq_monitor, regress_pgmq_maker, regress_pgmq_nobody;
DROP ROLE regress_pgmq_monitor, regress_pgmq_maker, regress_pgmq_nobody;
