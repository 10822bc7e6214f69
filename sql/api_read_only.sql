-- In a read-only transaction every verb is refused, by name: 25006.
SELECT pgmq.create('ro');
SELECT pgmq.send('ro', '{}');
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT * FROM pgmq.' || call;
	RETURN 'ok';
EXCEPTION
	WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
BEGIN READ ONLY;
SELECT call, pg_temp.outcome(call) FROM (VALUES
	($$send('ro', '{}')$$),
	($$send('ro', '{}', 1)$$),
	($$send('ro', '{}', '{"h": 1}'::jsonb)$$),
	($$send('ro', '{}', '1')$$),
	($$send_batch('ro', '{1,2}'::jsonb[])$$),
	($$_send_batch('ro', '{1,2}'::jsonb[], NULL, now())$$),
	($$read('ro', 30, 1)$$),
	($$read('ro', 30, 0)$$),
	($$read('ro', 30, 1, '{"n": 1}')$$),
	($$read_with_poll('ro', 30, 1)$$),
	($$read_grouped('ro', 30, 1)$$),
	($$read_grouped_with_poll('ro', 30, 1)$$),
	($$read_grouped_rr('ro', 30, 1)$$),
	($$read_grouped_rr_with_poll('ro', 30, 1)$$),
	($$read_grouped_head('ro', 30, 1)$$),
	($$read_grouped_head_with_poll('ro', 30, 1)$$),
	($$pop('ro')$$),
	($$delete('ro', 1)$$),
	($$delete('ro', ARRAY[1])$$),
	($$delete('ro', 1, 0)$$),
	($$delete('ro', ARRAY[1], ARRAY[0])$$),
	($$archive('ro', 1)$$),
	($$archive('ro', ARRAY[1])$$),
	($$archive('ro', 1, 0)$$),
	($$archive('ro', ARRAY[1], ARRAY[0])$$),
	($$delete_and_read('ro', '{}', 30, 0)$$),
	($$delete_and_read('ro', ARRAY[1], 30, 1, ARRAY[0])$$),
	($$delete_and_read_with_poll('ro', '{}', 30, 1)$$),
	($$archive_and_read('ro', ARRAY[1], 30, 1)$$),
	($$set_vt('ro', 1, 1)$$),
	($$set_vt('ro', ARRAY[1], 1)$$),
	($$set_vt('ro', 1, now())$$),
	($$set_vt('ro', 1, 1, 0)$$),
	($$set_vt('ro', ARRAY[1], 1, ARRAY[0])$$),
	($$_validate_batch_params(ARRAY['{}']::jsonb[], NULL)$$)) AS c (call);
-- The table can be read like any other.
SELECT msg_id, read_ct FROM pgmq.q_ro;
COMMIT;
-- also when the transaction became read-only after a plan was kept
SELECT msg_id FROM pgmq.read('ro', 0, 1);
BEGIN;
SELECT msg_id FROM pgmq.read('ro', 0, 1);
SET TRANSACTION READ ONLY;
\set VERBOSITY sqlstate
SELECT msg_id FROM pgmq.read('ro', 0, 1);
\set VERBOSITY default
ROLLBACK;
SELECT pgmq.drop_queue('ro');
