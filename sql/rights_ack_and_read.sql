-- rights_ack_and_read: delete_and_read needs what delete and read need,
-- archive_and_read what archive and read need, also when there is no id
CREATE ROLE regress_pgmq_anr;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_anr;
SELECT pgmq.create('rights_anr');
SELECT count(*) FROM pgmq.send_batch('rights_anr', ARRAY['1', '2', '3', '4']::jsonb[]);
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT string_agg(msg_id || coalesce(''/'' || read_ct, '' late''), '', '') FROM pgmq.%s', call) INTO result;
	RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.outcomes() RETURNS TABLE (call text, outcome text) LANGUAGE sql AS $$
	SELECT call, pg_temp.outcome(call) FROM (VALUES
		('delete_and_read(''rights_anr'', ''{}'', 0, 0)'),
		('delete_and_read(''rights_anr'', ''{}'', 0, 1)'),
		('delete_and_read_with_poll(''rights_anr'', ''{}'', 0, 1, 0)'),
		('delete_and_read(''rights_anr'', ''{9}'', 0, 1, ''{0}'')'),
		('archive_and_read(''rights_anr'', ''{}'', 0, 1)'),
		('archive_and_read_with_poll(''rights_anr'', ''{}'', 0, 1, 0)'),
		('archive_and_read(''rights_anr'', ''{9}'', 0, 1, ''{0}'')')) AS c (call)
$$;
GRANT SELECT ON pgmq.q_rights_anr TO regress_pgmq_anr;

GRANT UPDATE ON pgmq.q_rights_anr TO regress_pgmq_anr;
SET ROLE regress_pgmq_anr;
SELECT * FROM pg_temp.outcomes();
RESET ROLE;
REVOKE UPDATE ON pgmq.q_rights_anr FROM regress_pgmq_anr;
GRANT DELETE ON pgmq.q_rights_anr TO regress_pgmq_anr;
SET ROLE regress_pgmq_anr;
SELECT * FROM pg_temp.outcomes();
RESET ROLE;
-- All but the archive; and a column of the queue is not enough.
GRANT UPDATE (vt) ON pgmq.q_rights_anr TO regress_pgmq_anr;
SET ROLE regress_pgmq_anr;
SELECT * FROM pg_temp.outcomes();
RESET ROLE;
GRANT UPDATE ON pgmq.q_rights_anr TO regress_pgmq_anr;
SET ROLE regress_pgmq_anr;
SELECT * FROM pg_temp.outcomes();
RESET ROLE;
-- The privilege to read a queue includes both.
REVOKE ALL ON pgmq.q_rights_anr FROM regress_pgmq_anr;
SELECT pgmq.grant_queue('rights_anr', 'regress_pgmq_anr', 'read');
SET ROLE regress_pgmq_anr;
SELECT * FROM pg_temp.outcomes();
RESET ROLE;

-- A message that row security hides is not acknowledged, and fenced it is late.
ALTER TABLE pgmq.q_rights_anr ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON pgmq.q_rights_anr USING (msg_id % 2 = 1);
SELECT msg_id, read_ct FROM pgmq.q_rights_anr ORDER BY msg_id;
SET ROLE regress_pgmq_anr;
SELECT pg_temp.outcome('delete_and_read(''rights_anr'', ''{1,2}'', 0, 9)');
SELECT pg_temp.outcome('archive_and_read(''rights_anr'', ''{2,3}'', 0, 9, ''{0,1}'')');
RESET ROLE;
SELECT msg_id, read_ct FROM pgmq.q_rights_anr ORDER BY msg_id;

SELECT pgmq.drop_queue('rights_anr');
DROP OWNED BY regress_pgmq_anr;
DROP ROLE regress_pgmq_anr;
