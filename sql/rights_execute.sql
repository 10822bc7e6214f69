-- rights_execute: where EXECUTE was revoked from PUBLIC and granted one by
-- one, as docs/how-to/privileges.md says
CREATE ROLE regress_pgmq_er;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_er;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_er;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.notify_insert_throttle TO regress_pgmq_er;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE call;
	RETURN 'ok';
EXCEPTION
	WHEN OTHERS THEN RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
SET client_min_messages = warning;
BEGIN;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA pgmq FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgmq.create(text), pgmq.create_unlogged(text), pgmq.send(text, jsonb), pgmq.read(text, integer, integer, jsonb),
	pgmq.archive(text, bigint), pgmq.convert_queue(text), pgmq.enable_notify_insert(text, integer), pgmq.disable_notify_insert(text),
	pgmq.drop_queue(text), pgmq.metrics(text) TO regress_pgmq_er;
SET ROLE regress_pgmq_er;
SELECT pg_temp.outcome($$SELECT pgmq.create('er')$$), pg_temp.outcome($$SELECT pgmq.create_unlogged('er')$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION pgmq._announce() TO regress_pgmq_er;
SET ROLE regress_pgmq_er;
SELECT pg_temp.outcome($$SELECT pgmq.create('er')$$), pg_temp.outcome($$SELECT pgmq.create_unlogged('er_two')$$);
SELECT pg_temp.outcome($$SELECT pgmq.enable_notify_insert('er')$$);
-- the triggers need no right of the sender, and a trigger that was dropped by hand
-- is made again
DROP TRIGGER pgmq_announce ON pgmq.q_er;
CREATE INDEX q_er_fifo_idx ON pgmq.q_er USING gin (headers);
SELECT pg_temp.outcome($$SELECT pgmq.convert_queue('er')$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION pgmq.notify_queue_listeners(), pgmq.create_fifo_index(text) TO regress_pgmq_er;
SET ROLE regress_pgmq_er;
SELECT pg_temp.outcome(c) FROM unnest(ARRAY[$$SELECT pgmq.enable_notify_insert('er')$$, $$SELECT pgmq.convert_queue('er')$$,
	$$SELECT pgmq.send('er', '1')$$, $$SELECT pgmq.read('er', 30, 1)$$, $$SELECT pgmq.archive('er', 1)$$, $$SELECT pgmq.metrics('er')$$,
	$$SELECT pgmq.disable_notify_insert('er')$$, $$SELECT pgmq.drop_queue('er')$$, $$SELECT pgmq.drop_queue('er_two')$$]) c;
RESET ROLE;
-- all members that are functions, and those that are procedures
SELECT p.prokind, pg_temp.outcome(format('ALTER FUNCTION %s OWNER TO CURRENT_USER', p.oid::regprocedure)) AS by_function,
	pg_temp.outcome(format('ALTER ROUTINE %s OWNER TO CURRENT_USER', p.oid::regprocedure)) AS by_routine, count(*) > 2 AS many
FROM pg_proc p WHERE p.pronamespace = 'pgmq'::regnamespace GROUP BY 1, 2, 3 ORDER BY 1, 2;
ROLLBACK;
DROP OWNED BY regress_pgmq_er;
DROP ROLE regress_pgmq_er;
