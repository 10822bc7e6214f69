-- api_forward: acknowledge and send on, both or neither
SELECT pgmq.create('fwd');
SELECT pgmq.create('fwd_next');
SELECT count(*) FROM pgmq.send_batch('fwd', ARRAY['1', '2', '3']::jsonb[]);
SELECT msg_id, read_ct FROM pgmq.read('fwd', 0, 2);

SELECT pgmq.forward('fwd', 1, 'FWD_next', '{"step": 2}', '{"k": 1}', 1);
SELECT pgmq.forward('fwd', 1, 'fwd_next', '{"step": 2}', NULL, 1);
-- read again since
SELECT msg_id, read_ct FROM pgmq.read('fwd', 0, 1);
SELECT pgmq.forward('fwd', 2, 'fwd_next', '2', NULL, 1);
SELECT pgmq.forward('fwd', NULL, 'fwd_next', '2', NULL, 1);
SELECT pgmq.forward('fwd', 2, 'fwd_next', NULL, NULL, 2);
SELECT msg_id FROM pgmq.q_fwd;
SELECT msg_id, read_ct, message, headers, vt <= clock_timestamp() AS readable FROM pgmq.q_fwd_next ORDER BY 1;
-- to itself
SELECT pgmq.forward(queue_name => 'fwd', msg_id => 3, to_queue => 'fwd', msg => '"next"', headers => NULL, read_ct => 0);
SELECT msg_id, message, read_ct FROM pgmq.q_fwd;

-- A call that fails leaves the message where it is.
CREATE FUNCTION fwd_swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pgmq.q_fwd_next FOR EACH ROW EXECUTE FUNCTION fwd_swallow();
SELECT pgmq.forward('fwd', 4, 'fwd_next', '1', NULL, 0);
DROP TRIGGER swallow ON pgmq.q_fwd_next;
DROP FUNCTION fwd_swallow();
CREATE ROLE regress_pgmq_forward;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_forward;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_fwd TO regress_pgmq_forward;
SET ROLE regress_pgmq_forward;
SELECT pgmq.forward('fwd', 4, 'fwd_next', '1', NULL, 0);
RESET ROLE;
\set VERBOSITY sqlstate
SELECT pgmq.forward('fwd', 4, 'fwd_nowhere', '1', NULL, 0);	-- 42P01
SELECT pgmq.forward('fwd_nowhere', 4, 'fwd_next', '1', NULL, 0);
SELECT pgmq.forward('fwd', 4, 'fwd_next', '1', NULL, NULL);	-- 22004
SELECT pgmq.forward('fwd', 4, NULL, '1', NULL, 0);
SELECT pgmq.forward(NULL, 4, 'fwd_next', '1', NULL, 0);
\set VERBOSITY default
SELECT msg_id FROM pgmq.q_fwd;
SELECT count(*) FROM pgmq.q_fwd_next;

SELECT pgmq.drop_queue(q) FROM unnest('{fwd,fwd_next}'::text[]) q;
DROP OWNED BY regress_pgmq_forward;
DROP ROLE regress_pgmq_forward;
