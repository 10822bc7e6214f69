-- A grouped read goes through the queue by cursors.  Code of users that runs
-- meanwhile, here in a policy, cannot close those: an error, and no crash.
SELECT pgmq.create('cursors');
SELECT count(*) FROM pgmq.send_batch('cursors', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 100) n),
	(SELECT array_agg(jsonb_build_object('x-pgmq-group', n)) FROM generate_series(1, 100) n));
CREATE FUNCTION pg_temp.close_all() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	EXECUTE 'CLOSE ALL';
	RETURN true;
END
$$;
ALTER TABLE pgmq.q_cursors ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON pgmq.q_cursors USING (pg_temp.close_all());
CREATE ROLE regress_pgmq_cursors;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_cursors;
GRANT ALL ON pgmq.q_cursors TO regress_pgmq_cursors;
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO regress_pgmq_cursors', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
SET ROLE regress_pgmq_cursors;
\set VERBOSITY terse
SELECT count(*) FROM pgmq.read_grouped_head('cursors', 30, 100);
\set VERBOSITY default
RESET ROLE;
SELECT count(*) FROM pgmq.q_cursors WHERE read_ct > 0;
-- none stays open
SELECT count(*) FROM pg_cursors;
SELECT pgmq.drop_queue('cursors');
DROP OWNED BY regress_pgmq_cursors;
DROP ROLE regress_pgmq_cursors;
