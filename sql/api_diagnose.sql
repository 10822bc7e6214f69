-- locked, horizon: what an operator asks, at a bounded cost; api_locked.spec has
-- the cases that take several sessions
CREATE ROLE diagnose_user;
SELECT pgmq.create('Diagnose');
SELECT count(*) FROM pgmq.send_batch('diagnose', ARRAY['1', '2', '3']::jsonb[]);
SELECT * FROM pgmq.locked('diagnose');
-- the caller's own transaction counts
BEGIN;
SELECT msg_id FROM pgmq.read('diagnose', 30, 2);
SELECT msg_id, pid = pg_backend_pid() AS mine, transaction = pg_current_xact_id()::xid AS this FROM pgmq.locked('diagnose');
SAVEPOINT s;
SELECT pgmq.delete('diagnose', 3);
SELECT msg_id, transaction = pg_current_xact_id()::xid AS this FROM pgmq.locked('diagnose');
ROLLBACK TO s;
SELECT msg_id FROM pgmq.locked('diagnose');
COMMIT;
SELECT * FROM pgmq.locked('diagnose');

-- Bad input.
SELECT * FROM pgmq.locked('diagnose', NULL);
SELECT * FROM pgmq.locked('diagnose', -1);
SELECT * FROM pgmq.locked(NULL);
SELECT * FROM pgmq.locked('diagnose_not');
SELECT * FROM pgmq.locked('diagnose', 0);
SELECT * FROM pgmq.locked('diagnose', 2147483647, 9223372036854775807);

-- It only reads.
BEGIN READ ONLY;
SELECT * FROM pgmq.locked('diagnose');
SELECT count(*) >= 0 AS counted FROM pgmq.horizon();
COMMIT;

-- It shows what the caller may select.
GRANT USAGE ON SCHEMA pgmq TO diagnose_user;
SET ROLE diagnose_user;
SELECT * FROM pgmq.locked('diagnose');
RESET ROLE;
GRANT SELECT (msg_id, vt, tableoid, ctid) ON pgmq.q_diagnose TO diagnose_user;
SET ROLE diagnose_user;
SELECT * FROM pgmq.locked('diagnose');
SELECT count(*) >= 0 AS counted FROM pgmq.horizon();
RESET ROLE;

-- A hostile search_path changes nothing.
CREATE SCHEMA diagnose_evil;
CREATE FUNCTION diagnose_evil.age(xid) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
SET search_path = diagnose_evil, pg_catalog;
SELECT count(*) >= 0 AS counted FROM pgmq.horizon();
RESET search_path;

DROP SCHEMA diagnose_evil CASCADE;
REVOKE USAGE ON SCHEMA pgmq FROM diagnose_user;
SELECT pgmq.drop_queue('diagnose');
DROP ROLE diagnose_user;
