/*
 * What a user hangs on PGMQ: rights of the roles shape_reader and shape_admin,
 * wrappers, views, policies, a publication.  All of it must survive a take-over
 * in place.
 */
GRANT USAGE ON SCHEMA pgmq TO shape_reader, shape_admin;
REVOKE EXECUTE ON FUNCTION pgmq.delete(text, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pgmq.archive(text, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pgmq.send(text, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgmq.delete(text, bigint) TO shape_reader;
GRANT EXECUTE ON FUNCTION pgmq.delete(text, bigint) TO shape_admin
	WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_jobs TO shape_reader;
GRANT SELECT ON pgmq.meta TO shape_reader;
ALTER TABLE pgmq.q_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_jobs ON pgmq.q_jobs TO shape_reader
	USING (message @> '{"n": 3}');

CREATE FUNCTION public.enqueue(body jsonb) RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
	SELECT s.s FROM pgmq.send('jobs', body) s;
END;
CREATE FUNCTION public.take(n integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$ BEGIN RETURN QUERY SELECT * FROM pgmq.read('jobs', 30, n); END $$;
CREATE FUNCTION public.auto_dropped() RETURNS integer LANGUAGE sql
AS $$ SELECT 1 $$;
CREATE VIEW public.job_messages AS
	SELECT msg_id, message FROM pgmq.q_jobs;
CREATE VIEW public.one_job AS
	SELECT * FROM pgmq.read('jobs', 0, 1);
CREATE VIEW public.queue_lengths AS
	SELECT * FROM pgmq.metrics_all();
CREATE TABLE public.seen (m pgmq.message_record);
CREATE FUNCTION public.jobs_audit() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER audit BEFORE INSERT ON pgmq.q_jobs
	FOR EACH ROW EXECUTE FUNCTION public.jobs_audit();
CREATE FUNCTION pgmq.my_wrapper(body jsonb) RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT * FROM pgmq.send('jobs', body) $$;
CREATE PUBLICATION everything FOR ALL TABLES;
ALTER TABLE pgmq.q_parts_p0 REPLICA IDENTITY FULL;
ALTER TABLE pgmq.q_parts_p10 REPLICA IDENTITY FULL;
ALTER TABLE pgmq.q_parts_default REPLICA IDENTITY FULL;
