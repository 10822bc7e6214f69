-- spi_planner_guard: queries that are planned while our own statements are being
-- planned, such as those of a function in an index, are planned by the session's
-- settings
SET client_min_messages = warning;
CREATE TABLE nested (id int PRIMARY KEY);
INSERT INTO nested SELECT generate_series(1, 3);
ANALYZE nested;
CREATE FUNCTION nested_count(plus bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE 'SELECT count(*) FROM public.nested WHERE id = 2' INTO n;
	RETURN n + plus;
END $$;
SELECT pgmq.create('nested');
SELECT pgmq.send('nested', '1');
CREATE INDEX ON pgmq.q_nested ((read_ct + nested_count(1)));

-- Planning looks into the index again, and so calls the function.
CREATE FUNCTION nested_scans(OUT seq bigint, OUT idx bigint) LANGUAGE sql AS
$$ SELECT pg_stat_get_xact_numscans('nested'::regclass), pg_stat_get_xact_numscans('nested_pkey'::regclass) $$;
BEGIN;
SELECT * FROM nested_scans() \gset before_
ALTER INDEX pgmq.q_nested_expr_idx SET (fillfactor = 80);
SELECT msg_id FROM pgmq.read('nested', 0, 1);
SELECT seq > :before_seq AS seq, idx > :before_idx AS idx FROM nested_scans();
COMMIT;

-- .. which may be the other ones
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT * FROM nested_scans() \gset before_
ALTER INDEX pgmq.q_nested_expr_idx SET (fillfactor = 81);
SELECT msg_id FROM pgmq.read('nested', 0, 1);
SELECT seq > :before_seq AS seq, idx > :before_idx AS idx FROM nested_scans();
COMMIT;
SHOW enable_seqscan;

-- .. also after an error in there
CREATE OR REPLACE FUNCTION nested_count(plus bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN RAISE 'no count'; END $$;
ALTER INDEX pgmq.q_nested_expr_idx SET (fillfactor = 82);
\set VERBOSITY terse
SELECT msg_id FROM pgmq.read('nested', 0, 1);
\set VERBOSITY default
SHOW enable_seqscan;
SHOW enable_sort;

SELECT pgmq.drop_queue('nested');
DROP FUNCTION nested_count, nested_scans;
DROP TABLE nested;
