-- Grouped reads where the due map says that nothing, or not yet, is due: what
-- they return must not depend on it.
SET client_min_messages = warning;
SELECT pgmq.create('dg');
CREATE FUNCTION pg_temp.got() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(msg_id::text, ' '), 'nothing')
	FROM pgmq.read_grouped_head('dg', 600, 5) $$;
CREATE FUNCTION pg_temp.send(grp text, delay integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT pgmq.send('dg', '1', jsonb_build_object('x-pgmq-group', grp), delay) $$;

-- empty, twice: the second look need not be one
SELECT pg_temp.got(), pg_temp.got();
SELECT pg_temp.send('a', 0), pg_temp.send('a', 0), pg_temp.send('b', 3600);
SELECT pg_temp.got(), pg_temp.got();
-- the head is gone: its group goes on
SELECT pgmq.delete('dg', 1);
SELECT pg_temp.got(), pg_temp.got();
-- what was delayed is due now
SELECT count(*) FROM pgmq.set_vt('dg', 3, 0);
SELECT pg_temp.got(), pg_temp.got();
-- a read that is rolled back
SELECT pg_temp.send('c', 0);
BEGIN;
SELECT pg_temp.got(), pg_temp.got();
ROLLBACK;
SELECT pg_temp.got(), pg_temp.got();

-- a trigger that was switched off is set right
ALTER TABLE pgmq.q_dg DISABLE TRIGGER ALL;
SELECT pgmq.convert_queue('dg'), pgmq.convert_queue('dg');
SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'pgmq.q_dg'::regclass AND tgname = 'pgmq_announce';
DROP TRIGGER pgmq_announce ON pgmq.q_dg;
SELECT pgmq.convert_queue('dg'), pgmq.convert_queue('dg');
SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'pgmq.q_dg'::regclass AND tgname = 'pgmq_announce';
SELECT pgmq.drop_queue('dg');
