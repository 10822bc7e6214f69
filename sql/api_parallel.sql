-- A wrapper that says it is parallel safe, and calls what is not, gets an
-- error (25000) when its query runs in parallel, and harms nothing.
SELECT pgmq.create('parallel');
SELECT pgmq.send('parallel', '1', '{"x-pgmq-group": "g"}'::jsonb);
SELECT pgmq.bind_topic('a', 'parallel');
CREATE FUNCTION parallel_call(call text) RETURNS void
PARALLEL SAFE LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT * FROM pgmq.' || call;
END
$$;
SELECT set_config(name, 'regress', false) FROM pg_settings
WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
\set VERBOSITY terse
SELECT parallel_call($$read('parallel', 30, 1)$$);
SELECT parallel_call($$read('parallel', 30, 0)$$);
SELECT parallel_call($$read_grouped('parallel', 30, 1)$$);
SELECT parallel_call($$read_any('{parallel}', 30, 1)$$);
SELECT parallel_call($$read_with_poll('parallel', 30, 1, 0)$$);
SELECT parallel_call($$pop('parallel')$$);
SELECT parallel_call($$send('parallel', '1')$$);
SELECT parallel_call($$delete('parallel', 1)$$);
SELECT parallel_call($$delete('parallel', 1, 0)$$);
SELECT parallel_call($$archive('parallel', ARRAY[1])$$);
SELECT parallel_call($$delete_and_read('parallel', '{}', 30, 0)$$);
SELECT parallel_call($$archive_and_read('parallel', '{1}', 30, 1, '{0}')$$);
SELECT parallel_call($$set_vt('parallel', 1, 1)$$);
SELECT parallel_call($$nack('parallel', 1)$$);
SELECT parallel_call($$nack('parallel', 1, 1, 0)$$);
SELECT parallel_call($$dead_letter('parallel', 1, 'r')$$);
SELECT parallel_call($$redrive('parallel', 1)$$);
SELECT parallel_call($$forward('parallel', 1, 'parallel', '1', NULL, 0)$$);
SELECT parallel_call($$unarchive('parallel', 1)$$);
SELECT parallel_call($$set_policy('parallel', '{"ttl": 1}')$$);
SELECT parallel_call($$pause('parallel', 'infinity')$$);
SELECT parallel_call($$create('parallel')$$);
SELECT parallel_call($$create_fifo_index('parallel')$$);
SELECT parallel_call($$purge_queue('parallel')$$);
SELECT parallel_call($$drop_queue('parallel')$$);
SELECT parallel_call($$convert_queue('parallel')$$);
SELECT parallel_call($$enable_notify_insert('parallel')$$);
SELECT parallel_call($$disable_notify_insert('parallel')$$);
SELECT parallel_call($$update_notify_insert('parallel', 1)$$);
SELECT parallel_call($$bind_topic('a', 'parallel')$$);
SELECT parallel_call($$unbind_topic('a', 'parallel')$$);
SELECT parallel_call($$send_topic('a', '1')$$);
SELECT parallel_call($$send_batch_topic('a', '{1,2}'::jsonb[])$$);
SELECT parallel_call($$create_fifo_indexes_all()$$);
SELECT parallel_call($$grant_queue('parallel', 'pg_monitor', 'inspect')$$);
SELECT parallel_call($$revoke_queue('parallel', 'pg_monitor', 'inspect')$$);
SELECT parallel_call($$acquire_queue_lock('parallel')$$);
-- functions that only look may run there
SELECT parallel_call($$peek('parallel')$$);
SELECT parallel_call($$peek_archive('parallel')$$);
SELECT parallel_call($$metrics('parallel')$$);
SELECT parallel_call($$engine_status()$$);
SELECT parallel_call($$test_routing('a')$$);
SELECT parallel_call($$get_policy('parallel')$$);
\set VERBOSITY default
SELECT set_config(name, reset_val, false) FROM pg_settings
WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT msg_id, read_ct FROM pgmq.q_parallel;
DROP FUNCTION parallel_call;
SELECT pgmq.drop_queue('parallel');
