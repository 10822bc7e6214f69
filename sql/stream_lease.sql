-- A read of many new messages of a stream takes them as it gives them out.  What it returns, counts and leaves
-- is the same as where it first inserts references for all readers.  Which of both it did shows by how many
-- rows there are: one for all that it returned, a reference for each, or those of whole blocks of 64.
\set VERBOSITY terse
SELECT pgmq.create('sl_dead'), pgmq.create_stream('sl_log'), pgmq.create_subscription('sl_sub', 'sl_log');
SELECT count(*) FROM pgmq.send_batch('sl_log', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 1000) n),
	ARRAY(SELECT CASE WHEN n % 3 > 0 THEN jsonb_build_object('x-pgmq-group', 'g' || n % 7, 'other', n) END FROM generate_series(1, 1000) n));
CREATE VIEW sl_refs AS SELECT min(msg_id), max(msg_id), count(*), count(*) FILTER (WHERE vt > clock_timestamp() + '20 s') AS leased,
	min(read_ct) AS least, max(read_ct) AS most, count(last_read_at) AS was_read FROM pgmq.q_sl_sub;

SELECT min(msg_id), max(msg_id), count(*), min(read_ct), max(read_ct), bool_and(vt - last_read_at = '30 s') AS leased,
	bool_and(message = to_jsonb(msg_id)) AS message, bool_and(headers IS NOT DISTINCT FROM
		CASE WHEN msg_id % 3 > 0 THEN jsonb_build_object('x-pgmq-group', 'g' || msg_id % 7, 'other', msg_id) END) AS headers
	FROM pgmq.read('sl_sub', 30, 100);
TABLE sl_refs;
SELECT bool_and(headers IS NOT DISTINCT FROM CASE WHEN msg_id % 3 > 0 THEN jsonb_build_object('x-pgmq-group', 'g' || msg_id % 7) END)
	FROM pgmq.q_sl_sub WHERE msg_id > 0;
-- the next ones, without a gap; and what is left
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read_with_poll('sl_sub', 30, 100, 1, 100);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.delete_and_read('sl_sub', ARRAY[1, 2], 30, 100);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.pop('sl_sub', 100);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read_any(ARRAY['sl_sub'], 30, 5000);
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100);
TABLE sl_refs;
SELECT lag, lost FROM pgmq.list_subscriptions('sl_log') WHERE subscription_name = 'sl_sub';
-- a nack, and a fence
SELECT pgmq.nack('sl_sub', 20, 0, 1), pgmq.nack('sl_sub', 21, 0, 0), pgmq.delete('sl_sub', 22, 1), pgmq.delete('sl_sub', 23, 2);
SELECT msg_id, read_ct, message FROM pgmq.read('sl_sub', 30, 100);

-- The counters are the same by both.
SELECT pgmq.create_subscription('sl_two', 'sl_log', 'earliest'), pgmq.create_subscription('sl_three', 'sl_log', 'earliest');
CREATE UNIQUE INDEX sl_unique ON pgmq.q_sl_three (enqueued_at, msg_id);
SELECT q, count(*), array_length(ids, 1) FROM (VALUES ('sl_two'), ('sl_three')) v (q),
	LATERAL (SELECT array_agg(msg_id) AS ids FROM pgmq.read(q, 30, 1000)) r GROUP BY q, ids ORDER BY q;
SELECT pgmq.seek(q, 'earliest', '{"force": true}') FROM (VALUES ('sl_two'), ('sl_three')) v (q);
SELECT q, (SELECT count(*) FROM pgmq.read(q, 30, 300)) AS reads, (SELECT count(*) FROM pgmq.pop(q, 1000)) AS pops FROM (VALUES ('sl_two'), ('sl_three')) v (q);
SELECT count(*) AS two, (SELECT count(*) FROM pgmq.q_sl_three) AS three FROM pgmq.q_sl_two;
SELECT count(*), count(DISTINCT row(state, sent, delivered, redelivered, expired_leases, acked, reads, empty_reads, wait_count, age_count, processing_count)) AS kinds
	FROM pgmq.queue_stats() WHERE queue_name IN ('sl_two', 'sl_three');

-- Messages that come late, or again, come in their place; delayed ones wait for their time.
SELECT pgmq.seek('sl_sub', 'latest', '{"force": true}');
SELECT pgmq.send('sl_log', '"delayed"', 3600), count(*) FROM pgmq.send_batch('sl_log', array_fill('"now"'::jsonb, ARRAY[198]));
SELECT pgmq.send('sl_log', '"delayed"', '{"x-pgmq-group": "d"}'::jsonb, 3600);
SELECT pgmq.delete('sl_log', 1010);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sl_sub', 30, 50);
SELECT count(*) FROM pgmq.set_vt('sl_sub', ARRAY[1009, 1011, 1040], 0);
SELECT msg_id[1:5], array_length(msg_id, 1), msg_id = ARRAY(SELECT unnest(msg_id) ORDER BY 1) AS ordered
	FROM (SELECT array_agg(msg_id) AS msg_id FROM pgmq.read('sl_sub', 30, 50)) r;
SELECT count(*), count(DISTINCT msg_id), max(msg_id) FROM pgmq.pop('sl_sub', 500);
SELECT s.message, r.read_ct, r.last_read_at, r.vt > now() + '50 min' AS delayed, r.headers FROM pgmq.q_sl_sub r JOIN pgmq.q_sl_log s USING (msg_id) WHERE r.vt > now() + '1 min' ORDER BY msg_id;

-- After a seek the count of reads goes on, and no fence from before fits.
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SELECT min(read_ct) AS least, max(read_ct) AS most, count(*) FROM pgmq.read('sl_sub', 30, 100) \gset a_
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SELECT :a_least = :a_most AS same, min(read_ct) > :a_most + 1 AS more, count(*) FROM pgmq.read('sl_sub', 30, 100);
SELECT count(*) FROM pgmq.pop('sl_sub', 64);

-- A read that is rolled back has given out nothing.
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
BEGIN;
SELECT max(msg_id), count(*) FROM pgmq.read('sl_sub', 30, 100);
SAVEPOINT a;
SELECT max(msg_id), count(*) FROM pgmq.read('sl_sub', 30, 100);
SELECT max(msg_id), count(*) FROM pgmq.pop('sl_sub', 100);
ROLLBACK TO a;
SELECT max(msg_id), count(*) FROM pgmq.pop('sl_sub', 200);
COMMIT;
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sl_sub', 30, 100);
-- an old snapshot gives nothing out
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100);
COMMIT;

-- Headers of any kind come back by every read; a reference keeps of them only what others need.
SELECT pgmq.create_stream('sl_odd'), pgmq.create_subscription('sl_few', 'sl_odd'), pgmq.create_subscription('sl_many', 'sl_odd');
SELECT count(*) FROM pgmq.send_batch('sl_odd', array_fill('0'::jsonb, ARRAY[16]), ARRAY(SELECT
	(ARRAY['5', 'null', '["x-pgmq-group", 1]', '"x-pgmq-ttl"', '{"x-pgmq-group": null, "a": 1}', '{"x-pgmq-group": "g", "x-pgmq-ttl": 900, "a": 1}',
		'{"x-pgmq-group": {"b": [1]}}', '{"a": 1}'])[1 + n % 8]::jsonb FROM generate_series(1, 16) n));
SELECT msg_id, headers FROM pgmq.read('sl_many', 1, 16) WHERE msg_id <= 8;
SELECT pgmq.extend('sl_many', ARRAY[1], ARRAY[1], 1);
SELECT msg_id, headers FROM pgmq.q_sl_many WHERE msg_id <= 8 ORDER BY msg_id;
SELECT count(*) FROM pgmq.read('sl_few', 30, 8) JOIN pgmq.q_sl_odd AS stored USING (msg_id, headers);
SELECT count(*) FROM pgmq.q_sl_many JOIN pgmq.q_sl_few USING (msg_id) WHERE q_sl_many.headers IS DISTINCT FROM q_sl_few.headers;
SELECT count(*) FROM pgmq.set_vt('sl_many', ARRAY(SELECT generate_series(1, 16)), 0);
SELECT count(*), count(*) FILTER (WHERE read.headers = stored.headers) AS same FROM pgmq.read('sl_many', 30, 16) JOIN pgmq.q_sl_odd AS stored USING (msg_id);

-- All else does as before.
CREATE FUNCTION sl_try(what text, undo text, qty int DEFAULT 100, pops bool DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n int;
	refs int;
BEGIN
	PERFORM pgmq.seek('sl_sub', 'earliest', '{"force": true}');
	EXECUTE what;
	IF pops THEN
		SELECT count(*) INTO n FROM pgmq.pop('sl_sub', qty);
	ELSE
		SELECT count(*) INTO n FROM pgmq.read('sl_sub', 30, qty);
	END IF;
	EXECUTE undo;
	SELECT count(*) INTO refs FROM pgmq.q_sl_sub;
	RETURN format('%s returned, %s rows', n, refs);
END $$;
CREATE FUNCTION sl_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN COALESCE(NEW, OLD); END';
SELECT sl_try('', ''), sl_try('', '', 100, true);
SELECT sl_try('', '', 10), sl_try('', '', 10, true), sl_try('', '', 5), sl_try('', '', 5, true);
SELECT sl_try('CREATE TRIGGER sl BEFORE UPDATE ON pgmq.q_sl_sub FOR EACH ROW EXECUTE FUNCTION sl_row()', 'DROP TRIGGER sl ON pgmq.q_sl_sub');
SELECT sl_try('CREATE TRIGGER sl BEFORE DELETE ON pgmq.q_sl_sub FOR EACH ROW EXECUTE FUNCTION sl_row()', 'DROP TRIGGER sl ON pgmq.q_sl_sub', 100, true);
SELECT sl_try('CREATE RULE sl AS ON DELETE TO pgmq.q_sl_sub DO ALSO NOTHING', 'DROP RULE sl ON pgmq.q_sl_sub', 100, true);
SELECT sl_try('ALTER TABLE pgmq.q_sl_sub ENABLE ROW LEVEL SECURITY', 'ALTER TABLE pgmq.q_sl_sub DISABLE ROW LEVEL SECURITY');
SELECT sl_try('CREATE UNIQUE INDEX sl_place ON pgmq.q_sl_sub ((msg_id % 30))', 'DROP INDEX pgmq.sl_place');
SELECT sl_try('INSERT INTO pgmq.q_sl_sub (msg_id, vt) OVERRIDING SYSTEM VALUE VALUES (3, now() + ''1 day'')', '');
SELECT sl_try('CREATE TRIGGER sl BEFORE DELETE ON pgmq.q_sl_sub FOR EACH ROW EXECUTE FUNCTION sl_row()', 'DROP TRIGGER sl ON pgmq.q_sl_sub');
SELECT sl_try($$SELECT pgmq.set_policy('sl_sub', '{"max_reads": 3, "dead_letter_queue": "sl_dead"}')$$, $$SELECT pgmq.set_policy('sl_sub', '{"max_reads": null}')$$);
SELECT sl_try($$SELECT pgmq.set_policy('sl_sub', '{"ttl": 86400}')$$, $$SELECT pgmq.set_policy('sl_sub', '{}')$$);
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read('sl_sub', 0, 100);
SELECT count(*), max(read_ct) - min(read_ct) AS reads FROM pgmq.q_sl_sub;
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100, '5');
SELECT count(*) > 100 AS more FROM pgmq.q_sl_sub;
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read_grouped_rr('sl_sub', 30, 100);
SELECT count(*) > 100 AS more FROM pgmq.q_sl_sub;

-- A reader with rights to some columns only, or to some messages.
CREATE ROLE regress_pgmq_leaser;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_leaser;
GRANT SELECT, UPDATE, DELETE ON pgmq.q_sl_sub TO regress_pgmq_leaser;
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SET ROLE regress_pgmq_leaser;
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100);
RESET ROLE;
GRANT SELECT (msg_id, message, headers) ON pgmq.q_sl_log TO regress_pgmq_leaser;
SET ROLE regress_pgmq_leaser;
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100);
SELECT count(*) FROM pgmq.q_sl_sub;
RESET ROLE;
GRANT SELECT ON pgmq.q_sl_log TO regress_pgmq_leaser;
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SET ROLE regress_pgmq_leaser;
SELECT count(*) FROM pgmq.read('sl_sub', 30, 100);
SELECT count(*) FROM pgmq.q_sl_sub;
SELECT count(*) FROM pgmq.pop('sl_sub', 100);
RESET ROLE;
ALTER TABLE pgmq.q_sl_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY sl_even ON pgmq.q_sl_log USING (msg_id % 2 = 0);
SELECT pgmq.seek('sl_sub', 'earliest', '{"force": true}');
SET ROLE regress_pgmq_leaser;
SELECT count(*), bool_and(msg_id % 2 = 0) AS even FROM pgmq.read('sl_sub', 30, 100);
RESET ROLE;
SELECT count(*) >= 200 AS more FROM pgmq.q_sl_sub;

DROP VIEW sl_refs;
DROP FUNCTION sl_try, sl_row;
SELECT pgmq.drop_queue('sl_sub'), pgmq.drop_queue('sl_two'), pgmq.drop_queue('sl_three'), pgmq.drop_queue('sl_few'), pgmq.drop_queue('sl_many'), pgmq.drop_queue('sl_odd'), pgmq.drop_queue('sl_log'), pgmq.drop_queue('sl_dead');
DROP OWNED BY regress_pgmq_leaser;
DROP ROLE regress_pgmq_leaser;
