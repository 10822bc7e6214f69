-- a dead-letter queue that refuses one message takes the others
SELECT pgmq.create('ref');
SELECT pgmq.set_policy('ref', '{"max_reads": 2, "dead_letter_queue": "ref_dead", "create_dead_letter_queue": true}');
-- n messages that were read too often, and two live ones
CREATE FUNCTION ref_spent(n integer) RETURNS void LANGUAGE sql AS $$
	TRUNCATE pgmq.q_ref, pgmq.q_ref_dead RESTART IDENTITY;
	INSERT INTO pgmq.q_ref (vt, message, read_ct, headers)
	SELECT clock_timestamp(), to_jsonb(i), CASE WHEN i > n THEN 0 ELSE 2 END, jsonb_build_object('x-pgmq-group', i) FROM generate_series(1, n + 2) i $$;
-- the refused messages as they are in the queue: unchanged, but put off
CREATE VIEW ref_stays AS SELECT message, read_ct, vt > clock_timestamp() AND vt <= clock_timestamp() + '60 s' AS later
	FROM pgmq.q_ref WHERE read_ct = 2 ORDER BY msg_id;
-- warnings name ids
\set VERBOSITY terse
\set SHOW_CONTEXT never

ALTER TABLE pgmq.q_ref_dead ADD CONSTRAINT ref_not CHECK (message NOT IN ('3', '4', '7')) NOT VALID;
SELECT ref_spent(10);
\set VERBOSITY default
SELECT message FROM pgmq.read('ref', 60, 1);
\set VERBOSITY terse
SELECT array_agg(message ORDER BY msg_id) FROM pgmq.q_ref_dead;
SELECT * FROM ref_stays;
-- no read meets them any more, in this session or in another
SELECT message FROM pgmq.read('ref', 60, 5);
SELECT message FROM pgmq.read('ref', 60, 5);
-- until a minute later; and messages that are spent meanwhile go
INSERT INTO pgmq.q_ref (vt, message, read_ct) SELECT now(), to_jsonb(i), 2 FROM generate_series(20, 22) i;
UPDATE pgmq.q_ref SET vt = now() WHERE read_ct = 2;
SELECT message FROM pgmq.read('ref', 60, 5);
SELECT array_agg(message ORDER BY msg_id) FROM pgmq.q_ref_dead;
SELECT * FROM ref_stays;
-- mended
ALTER TABLE pgmq.q_ref_dead DROP CONSTRAINT ref_not;
UPDATE pgmq.q_ref SET vt = now() WHERE read_ct = 2;
SELECT message FROM pgmq.read('ref', 60, 5);
SELECT message, headers #>> '{x-pgmq-dead-letter,read_ct}' AS reads FROM pgmq.q_ref_dead ORDER BY msg_id DESC LIMIT 3;

-- Every way of reading.  A message that was leased and then put off does not
-- count as read.
ALTER TABLE pgmq.q_ref_dead ADD CONSTRAINT ref_not CHECK (message <> '2') NOT VALID;
SELECT ref_spent(3); SELECT message FROM pgmq.read('ref', 60, 3); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
SELECT ref_spent(3); SELECT message FROM pgmq.read('ref', 60, 1, '4'); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
SELECT ref_spent(3); SELECT message FROM pgmq.read_with_poll('ref', 60, 1, 1); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
SELECT ref_spent(3); SELECT message FROM pgmq.pop('ref', 1); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
SELECT ref_spent(3); SELECT message FROM pgmq.read_grouped('ref', 60, 2); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
SELECT ref_spent(3); SELECT message FROM pgmq.read_grouped_rr('ref', 60, 2); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
-- it keeps its group waiting, as a message that is in flight does
SELECT ref_spent(3);
UPDATE pgmq.q_ref SET headers = '{"x-pgmq-group": "g"}' WHERE message IN ('2', '4');
SELECT message FROM pgmq.read_grouped('ref', 60, 2);
-- maintenance tries it each time, and goes on behind it
SELECT ref_spent(3);
CALL pgmq.maintain();
SELECT message, read_ct FROM pgmq.q_ref ORDER BY msg_id;
SELECT count(*) FROM pgmq.q_ref_dead;
-- in a transaction, which goes on
SELECT ref_spent(3);
BEGIN;
SELECT * FROM pgmq.send('ref', '"in the transaction"');
SAVEPOINT s;
SELECT message FROM pgmq.read('ref', 60, 9);
ROLLBACK TO s;
SELECT message FROM pgmq.read('ref', 60, 9);
COMMIT;
SELECT count(*) FROM pgmq.q_ref_dead;
SELECT * FROM ref_stays;
ALTER TABLE pgmq.q_ref_dead DROP CONSTRAINT ref_not;

-- A refusal can come from a trigger that raises, one that swallows, or row-level security.
CREATE FUNCTION ref_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.message = '2' THEN IF TG_ARGV[0] = 'swallow' THEN RETURN NULL; END IF; RAISE 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON pgmq.q_ref_dead FOR EACH ROW EXECUTE FUNCTION ref_trigger('raise');
SELECT ref_spent(3); SELECT message FROM pgmq.read('ref', 60, 1); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
CREATE OR REPLACE TRIGGER t BEFORE INSERT ON pgmq.q_ref_dead FOR EACH ROW EXECUTE FUNCTION ref_trigger('swallow');
SELECT ref_spent(3); SELECT message FROM pgmq.read('ref', 60, 1); SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
DROP TRIGGER t ON pgmq.q_ref_dead;
CREATE ROLE regress_pgmq_refused;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_refused;
GRANT ALL ON pgmq.q_ref, pgmq.q_ref_dead TO regress_pgmq_refused;
ALTER TABLE pgmq.q_ref_dead ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON pgmq.q_ref_dead WITH CHECK (message <> '2');
SELECT ref_spent(3);
SET ROLE regress_pgmq_refused;
SELECT message FROM pgmq.read('ref', 60, 1);
RESET ROLE;
SELECT * FROM ref_stays; SELECT count(*) FROM pgmq.q_ref_dead;
ALTER TABLE pgmq.q_ref_dead DISABLE ROW LEVEL SECURITY;
-- a pause concerns reads only
SELECT pgmq.pause('ref_dead', 'infinity');
SELECT ref_spent(3); SELECT message FROM pgmq.read('ref', 60, 1); SELECT count(*) FROM pgmq.q_ref_dead;

-- Where all are refused, a read tries for a limited time, and then returns
-- others.
ALTER TABLE pgmq.q_ref_dead ADD CONSTRAINT ref_none CHECK (message IS NULL) NOT VALID;
SELECT ref_spent(3000);
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT count(*) BETWEEN 1 AND 100 AS put_off FROM ref_stays WHERE later;
SELECT count(*) FROM pgmq.q_ref WHERE read_ct = 2;
ALTER TABLE pgmq.q_ref_dead DROP CONSTRAINT ref_none;
-- Messages that are to be dropped go, even though the others cannot.
SELECT pgmq.set_policy('ref', '{"ttl": 1000}');
ALTER TABLE pgmq.q_ref_dead ADD CONSTRAINT ref_not CHECK (message <> '2') NOT VALID;
SELECT ref_spent(3);
UPDATE pgmq.q_ref SET read_ct = 0, enqueued_at = now() - interval '1 hour' WHERE message IN ('1', '3');
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT message FROM pgmq.q_ref ORDER BY msg_id;
SELECT * FROM ref_stays;
-- This read said so, and the next one does not pass over messages that come
-- later.
INSERT INTO pgmq.q_ref (message, read_ct, enqueued_at) VALUES ('20', 2, now()), ('21', 0, now() - interval '1 hour');
SELECT message FROM pgmq.read('ref', 60, 9);
SELECT message FROM pgmq.q_ref ORDER BY msg_id;
SELECT message FROM pgmq.q_ref_dead ORDER BY msg_id;
-- Maintenance, too: dropped messages stay dropped, also when they are more than
-- a batch.
SELECT ref_spent(3);
UPDATE pgmq.q_ref SET read_ct = 0, enqueued_at = now() - interval '1 hour' WHERE message IN ('1', '3');
INSERT INTO pgmq.q_ref (message, enqueued_at) SELECT '0', now() - interval '1 hour' FROM generate_series(1, 2500);
CALL pgmq.maintain();
SELECT message FROM pgmq.q_ref ORDER BY msg_id;
ALTER TABLE pgmq.q_ref_dead DROP CONSTRAINT ref_not;
-- Where there is no dead-letter queue, messages that are to be dropped go as well, whatever is
-- before them.
SELECT ref_spent(2500);
INSERT INTO pgmq.q_ref (message, read_ct, enqueued_at) SELECT '0', 0, now() - interval '1 hour' FROM generate_series(1, 2500);
INSERT INTO pgmq.q_ref (message, read_ct, enqueued_at) VALUES ('"both"', 2, now() - interval '1 hour');
ALTER TABLE pgmq.q_ref_dead RENAME TO q_ref_away;
CALL pgmq.maintain();
SELECT count(*) FILTER (WHERE read_ct = 2) AS to_be_moved, count(*) FILTER (WHERE message = '0') AS to_be_dropped FROM pgmq.q_ref;
-- Reads that meet many such messages put them off, so that the next reads do not walk past
-- them.
DELETE FROM pgmq.q_ref WHERE message = '"both"';
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT later, count(*) FROM ref_stays GROUP BY 1;
ALTER TABLE pgmq.q_ref_away RENAME TO q_ref_dead;
SELECT ref_spent(2500);
ALTER TABLE pgmq.q_ref_dead RENAME TO q_ref_away;
SELECT message FROM pgmq.pop('ref', 1);
SELECT message FROM pgmq.read_grouped('ref', 60, 1);
SELECT message FROM pgmq.read('ref', 60, 1);
SELECT later, count(*) FROM ref_stays GROUP BY 1;
ALTER TABLE pgmq.q_ref_away RENAME TO q_ref_dead;
UPDATE pgmq.q_ref SET vt = now() WHERE read_ct = 2;
CALL pgmq.maintain();
SELECT count(*) FROM pgmq.q_ref_dead;
DROP VIEW ref_stays;
DROP FUNCTION ref_spent(integer), ref_trigger() CASCADE;
SELECT pgmq.drop_queue('ref'), pgmq.drop_queue('ref_dead');
DROP OWNED BY regress_pgmq_refused;
DROP ROLE regress_pgmq_refused;
