-- Feeding a subscription runs no code of others with the rights of its owner.
\set SHOW_CONTEXT never
CREATE ROLE regress_pgmq_streamer;
CREATE ROLE regress_pgmq_subscriber;
CREATE ROLE regress_pgmq_planter;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_streamer, regress_pgmq_subscriber, regress_pgmq_planter;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_streamer, regress_pgmq_subscriber;
CREATE SCHEMA sr_planted AUTHORIZATION regress_pgmq_planter;
SET ROLE regress_pgmq_streamer;
SELECT pgmq.create_stream('sr_log');
GRANT SELECT, INSERT ON pgmq.q_sr_log TO PUBLIC;
SET ROLE regress_pgmq_subscriber;
SELECT pgmq.create_subscription('sr_sub', 'sr_log', 'earliest');
GRANT ALL ON pgmq.q_sr_sub TO regress_pgmq_planter;

-- a trigger that calls a function of ours on a condition of its own
SET ROLE regress_pgmq_planter;
GRANT USAGE ON SCHEMA sr_planted TO PUBLIC;
CREATE TABLE sr_planted.seen (who name, what text);
GRANT INSERT ON sr_planted.seen TO PUBLIC;
CREATE FUNCTION sr_planted.note(what text) RETURNS boolean LANGUAGE sql AS
	'INSERT INTO sr_planted.seen VALUES (current_user, what); SELECT true';
CREATE FUNCTION sr_planted.note() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN PERFORM sr_planted.note(TG_OP); RETURN COALESCE(NEW, OLD); END';
CREATE TRIGGER sr_condition AFTER INSERT ON pgmq.q_sr_sub FOR EACH ROW
	WHEN (sr_planted.note('condition')) EXECUTE FUNCTION pgmq._announce();
SELECT pgmq.send('sr_log', '1'), pgmq.send('sr_log', '2'), pgmq.send('sr_log', '3');
SELECT msg_id FROM pgmq.read('sr_sub', 0, 9);
RESET ROLE;
DROP TRIGGER sr_condition ON pgmq.q_sr_sub;
SET ROLE regress_pgmq_planter;
CREATE TRIGGER sr_insert BEFORE INSERT ON pgmq.q_sr_sub FOR EACH ROW EXECUTE FUNCTION sr_planted.note();
SELECT msg_id FROM pgmq.read('sr_sub', 0, 9);
RESET ROLE;
DROP TRIGGER sr_insert ON pgmq.q_sr_sub;

-- a stream that shows its owner's rows to nobody else
ALTER TABLE pgmq.q_sr_log ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_planter;
SELECT msg_id FROM pgmq.read('sr_sub', 0, 9);
RESET ROLE;
ALTER TABLE pgmq.q_sr_log DISABLE ROW LEVEL SECURITY;

-- a policy of the stream's owner
SET ROLE regress_pgmq_streamer;
CREATE POLICY sr_stream ON pgmq.q_sr_log USING (sr_planted.note('policy'));
ALTER TABLE pgmq.q_sr_log ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_planter;
SELECT pgmq.delete('sr_sub', 3);
SELECT msg_id FROM pgmq.read_grouped('sr_sub', 0, 9);
SELECT queue_length FROM pgmq.metrics('sr_sub');
SELECT visible FROM pgmq.queue_depth('sr_sub');
SELECT pgmq.purge_queue('sr_sub');
RESET ROLE;
SELECT lag FROM pgmq.list_subscriptions('sr_log');
SELECT pgmq.purge_queue('sr_sub');
SELECT pgmq.seek('sr_sub', 'earliest');
SELECT pgmq.seek('sr_sub', 'latest');
SELECT pgmq.seek('sr_sub', timestamptz '2020-01-01');
DROP POLICY sr_stream ON pgmq.q_sr_log;
ALTER TABLE pgmq.q_sr_log DISABLE ROW LEVEL SECURITY;
TABLE sr_planted.seen;

-- a stream whose owner has given a column another type
SELECT pgmq.create_subscription('sr_some', 'sr_log', 'earliest', '{"pattern": "#"}');
SET ROLE regress_pgmq_streamer;
ALTER TABLE pgmq.q_sr_log ALTER headers TYPE bigint USING 4711;
RESET ROLE;
SELECT msg_id FROM pgmq.pop('sr_some');
SELECT msg_id FROM pgmq.pop('sr_sub');
SELECT queue_length FROM pgmq.metrics('sr_some');
SELECT count(*) FROM pgmq.list_subscriptions('sr_log');
ALTER TABLE pgmq.q_sr_log ALTER headers TYPE jsonb USING NULL;
SELECT pgmq.drop_queue('sr_some');

-- our own triggers do no harm
SELECT pgmq.enable_notify_insert('sr_sub');
SET ROLE regress_pgmq_planter;
SELECT msg_id FROM pgmq.read('sr_sub', 0, 9);
RESET ROLE;
SELECT pgmq.disable_notify_insert('sr_sub');
TABLE sr_planted.seen;

-- A trigger on DELETE runs with the rights of who reads, not of the owner who removes what the stream has no more.
SELECT pgmq.seek('sr_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read('sr_sub', 0, 2);
SELECT pgmq.delete('sr_log', 1);
SET ROLE regress_pgmq_planter;
CREATE TRIGGER sr_delete BEFORE DELETE ON pgmq.q_sr_sub FOR EACH ROW EXECUTE FUNCTION sr_planted.note();
SELECT msg_id FROM pgmq.read('sr_sub', 0, 1);
RESET ROLE;
SELECT DISTINCT who, what FROM sr_planted.seen;
DROP TRIGGER sr_delete ON pgmq.q_sr_sub;
TRUNCATE sr_planted.seen;

-- Nor with those of the stream's owner, whose retention takes messages that a batch has.
GRANT ALL ON pgmq.q_sr_sub TO PUBLIC;
SELECT count(*) FROM pgmq.send_batch('sr_log', ARRAY(SELECT to_jsonb(n) FROM generate_series(4, 100) n));
SELECT pgmq.seek('sr_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read('sr_sub', 300, 50);
SET ROLE regress_pgmq_planter;
CREATE TRIGGER sr_delete BEFORE DELETE ON pgmq.q_sr_sub FOR EACH ROW EXECUTE FUNCTION sr_planted.note();
RESET ROLE;
SELECT pgmq.set_policy('sr_log', '{"retention_count": 20}');
CALL pgmq.maintain();
SELECT who, what FROM sr_planted.seen;
-- what was not given out yet is lost, and what the batch had when it is over
SELECT lost FROM pgmq.list_subscriptions('sr_log');
DROP TRIGGER sr_delete ON pgmq.q_sr_sub;
UPDATE pgmq.q_sr_sub SET vt = now();
SELECT min(msg_id), count(*) FROM pgmq.read('sr_sub', 300, 50);
SELECT lost FROM pgmq.list_subscriptions('sr_log');

-- Policies that come while batches are in flight hide no message that they show.
SELECT pgmq.seek('sr_sub', 'earliest', '{"force": true}');
SELECT count(*), min(read_ct) AS ct FROM pgmq.read('sr_sub', 300, 10) \gset
SELECT count(*) FROM pgmq.read('sr_sub', 300, 10);
CREATE POLICY sr_even ON pgmq.q_sr_sub USING (msg_id % 2 = 0);
ALTER TABLE pgmq.q_sr_sub ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_planter;
SELECT pgmq.delete('sr_sub', 81), pgmq.delete('sr_sub', 82);
SELECT array_agg(lost_msg_id) FROM pgmq.extend('sr_sub', ARRAY[83, 84], ARRAY[:ct, :ct], 600);
RESET ROLE;
SELECT msg_id FROM pgmq.q_sr_sub WHERE vt > now() + interval '500 s';
UPDATE pgmq.q_sr_sub SET vt = now() WHERE msg_id < 0;
SET ROLE regress_pgmq_planter;
SELECT array_agg(msg_id) FROM pgmq.read('sr_sub', 300, 10);
RESET ROLE;
ALTER TABLE pgmq.q_sr_sub DISABLE ROW LEVEL SECURITY;
SELECT pgmq.seek('sr_sub', 'earliest', '{"force": true}');
SELECT count(*) FROM pgmq.read('sr_sub', 300, 10);
UPDATE pgmq.q_sr_sub SET vt = now();
ALTER TABLE pgmq.q_sr_sub ENABLE ROW LEVEL SECURITY;
SET ROLE regress_pgmq_planter;
SELECT array_agg(msg_id) FROM pgmq.pop('sr_sub', 3);
SELECT array_agg(d) FROM pgmq.delete('sr_sub', ARRAY[84, 85, 86, 88]) d;
RESET ROLE;
SELECT count(*) FROM pgmq.q_sr_sub;

SELECT pgmq.drop_queue('sr_sub'), pgmq.drop_queue('sr_log');
DROP SCHEMA sr_planted CASCADE;
DROP OWNED BY regress_pgmq_streamer, regress_pgmq_subscriber, regress_pgmq_planter;
DROP ROLE regress_pgmq_streamer, regress_pgmq_subscriber, regress_pgmq_planter;
