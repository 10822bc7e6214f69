-- policy_maintain: the work of policies when nobody reads
SELECT pgmq.create(q) FROM unnest('{maintain_q,maintain_none,maintain_bad,maintain_z}'::text[]) q;

-- Expired by the policy: leased messages stay until their lease has ended, all others go.
SELECT count(*) FROM pgmq.send_batch('maintain_q', '{1,2,3,4}'::jsonb[]);
SELECT pgmq.send('maintain_q', '5', 1000);
SELECT pgmq.send('maintain_none', '1');
SELECT msg_id FROM pgmq.read('maintain_q', 1000, 2);
UPDATE pgmq.q_maintain_q SET enqueued_at = now() - interval '1 hour' WHERE msg_id <> 3;
UPDATE pgmq.q_maintain_none SET enqueued_at = now() - interval '1 hour';
SELECT pgmq.set_policy('maintain_q', '{"ttl": 1800}');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_q');
SELECT msg_id FROM pgmq.set_vt('maintain_q', 2, 0);
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_q');
SELECT count(*) FROM pgmq.q_maintain_none;

-- By a header, if the policy says that headers count; it goes before the policy's time.
SELECT pgmq.create('maintain_header');
INSERT INTO pgmq.q_maintain_header (headers, enqueued_at)
SELECT jsonb_build_object('x-pgmq-ttl', ttl::jsonb), e FROM (VALUES
	('10', now() - interval '11 s'), ('0.5', now() - interval '1 s'), ('7200', now() - interval '1 h'),
	('1e400', now() - interval '1 h'), ('-1', now() - interval '1 h'), ('0', now() - interval '1 h'),
	('"10"', now() - interval '1 h'), ('null', now() - interval '1 h'), ('[1]', now() - interval '1 h'),
	('10', 'infinity'), ('10', '-infinity')) AS t (ttl, e);
INSERT INTO pgmq.q_maintain_header (headers, enqueued_at)
VALUES (NULL, now() - interval '1 h'), ('[]', now() - interval '1 h'), ('{}', '-infinity');
SELECT pgmq.set_policy('maintain_header', '{"ttl_header": true}');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_header');
SELECT pgmq.set_policy('maintain_header', '{"ttl": 60}');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_header');
SELECT pgmq.set_policy('maintain_header', '{"ttl_header": null}');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_header');
SELECT pgmq.drop_queue('maintain_header');

-- Dead letters: expired messages, and those that were read too often; the ones that cannot
-- be moved stay.
SELECT pgmq.create('maintain_dying');
SELECT pgmq.purge_queue('maintain_none');
SELECT count(*) FROM pgmq.send_batch('maintain_dying', '{1,2,3,4}'::jsonb[]);
SELECT msg_id FROM pgmq.read('maintain_dying', 0, 1);
SELECT msg_id FROM pgmq.set_vt('maintain_dying', 1, 1000);
SELECT msg_id FROM pgmq.read('maintain_dying', 1000, 1);
SELECT msg_id FROM pgmq.set_vt('maintain_dying', 1, 0);
SELECT pgmq.set_policy('maintain_dying', '{"max_reads": 1, "ttl_header": true, "expired": "dead_letter",
	"dead_letter_queue": "maintain_none"}');
UPDATE pgmq.q_maintain_dying SET headers = '{"x-pgmq-ttl": 1}', enqueued_at = '-infinity' WHERE msg_id = 3;
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_dying');
SELECT message, headers->'x-pgmq-dead-letter'->>'reason' AS reason FROM pgmq.peek('maintain_none');
UPDATE pgmq.q_maintain_dying SET read_ct = 1, vt = now();
SELECT pgmq.drop_queue('maintain_none');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_dying');
SELECT pgmq.create('maintain_none');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_dying');
SELECT message, headers->'x-pgmq-dead-letter'->>'reason' AS reason FROM pgmq.peek('maintain_none');
SELECT pgmq.drop_queue('maintain_dying');

-- The archive, too, and more than a batch of each.
SELECT count(*) FROM pgmq.send_batch('maintain_q', (SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 2500) i));
SELECT count(*) FROM pgmq.archive('maintain_q', ARRAY(SELECT generate_series(100, 2305)));
UPDATE pgmq.a_maintain_q SET archived_at = now() - interval '1 day' WHERE msg_id < 2300;
UPDATE pgmq.q_maintain_q SET enqueued_at = now() - interval '1 hour';
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek('maintain_q');
SELECT count(*) FROM pgmq.a_maintain_q;
SELECT pgmq.set_policy('maintain_q', '{"archive_retention": 3600}');
CALL pgmq.maintain();
SELECT array_agg(msg_id) FROM pgmq.peek_archive('maintain_q');
CALL pgmq.maintain();
SELECT count(*) FROM pgmq.a_maintain_q;

-- The window for duplicates: ids that have left it leave the disk, those that
-- count stay.
SELECT pgmq.create('maintain_dedup');
SELECT pgmq.set_policy('maintain_dedup', '{"dedup_window": 1000}');
SELECT pgmq.send('maintain_dedup', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
CREATE VIEW maintain_ids AS SELECT dedup_id FROM (TABLE pgmq.d0_maintain_dedup
	UNION ALL TABLE pgmq.d1_maintain_dedup UNION ALL TABLE pgmq.d2_maintain_dedup) t;
INSERT INTO pgmq.d0_maintain_dedup (dedup_id, msg_id, sent_at) VALUES ('old', 0, '2020-01-01');
INSERT INTO pgmq.d1_maintain_dedup (dedup_id, msg_id, sent_at) VALUES ('old', 0, '2020-01-01');
INSERT INTO pgmq.d2_maintain_dedup (dedup_id, msg_id, sent_at) VALUES ('old', 0, '2020-01-01');
SELECT dedup_id, count(*) FROM maintain_ids GROUP BY 1 ORDER BY 1;
CALL pgmq.maintain();
SELECT dedup_id, count(*) FROM maintain_ids GROUP BY 1 ORDER BY 1;
SELECT pgmq.send('maintain_dedup', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
DROP VIEW maintain_ids;
SELECT pgmq.drop_queue('maintain_dedup');

-- In a transaction it cannot commit, says so, and can be rolled back.
INSERT INTO pgmq.q_maintain_q (message, enqueued_at) SELECT '1', now() - interval '1 hour' FROM generate_series(1, 2500);
BEGIN;
CALL pgmq.maintain();
SELECT count(*) FROM pgmq.q_maintain_q;
ROLLBACK;
SELECT count(*) FROM pgmq.q_maintain_q;
DO $$ BEGIN CALL pgmq.maintain(); END $$;
SELECT count(*) FROM pgmq.q_maintain_q;
BEGIN READ ONLY;
CALL pgmq.maintain();
ROLLBACK;

-- A fault of one queue neither keeps another from its turn, nor undoes earlier batches.
CREATE FUNCTION maintain_fails() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF OLD.msg_id = 2100 THEN RAISE EXCEPTION 'not this one' USING DETAIL = 'A detail.'; END IF; RETURN OLD; END $$;
CREATE TRIGGER fails BEFORE DELETE ON pgmq.q_maintain_bad FOR EACH ROW EXECUTE FUNCTION maintain_fails();
INSERT INTO pgmq.q_maintain_bad (message, enqueued_at) SELECT '1', now() - interval '1 hour' FROM generate_series(1, 2500);
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
INSERT INTO pgmq.a_maintain_bad (msg_id, archived_at) VALUES (1, now() - interval '1 hour');
SELECT pgmq.set_policy('maintain_bad', '{"ttl": 60, "archive_retention": 60}');
SELECT pgmq.set_policy('maintain_z', '{"ttl": 60}');
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('maintain_gone', false, false);
INSERT INTO pgmq.policy (queue_name, policy) VALUES ('maintain_gone', '{"ttl": 60}');
CALL pgmq.maintain();
SELECT count(*), min(msg_id) FROM pgmq.q_maintain_bad;
SELECT count(*) FROM pgmq.a_maintain_bad;
SELECT count(*) FROM pgmq.q_maintain_z;
-- nor does an error that its triggers raise by the code of a cancel
CREATE OR REPLACE FUNCTION maintain_fails() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no cancel' USING ERRCODE = 'query_canceled'; END $$;
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
CALL pgmq.maintain();
SELECT count(*) FROM pgmq.q_maintain_z;
UPDATE pgmq.policy SET policy = '{"ttl": "nonsense"}' WHERE queue_name = 'maintain_bad';
ALTER TABLE pgmq.q_maintain_bad DISABLE TRIGGER fails;
CALL pgmq.maintain();
SELECT pgmq.drop_queue('maintain_bad');

-- Without an archive there is nothing to keep.
SELECT pgmq.set_policy('maintain_z', '{"archive_retention": 60}');
DROP TABLE pgmq.a_maintain_z;
CALL pgmq.maintain();

-- Triggers run as the owner of the queue, whoever calls, and leave nothing behind.
CREATE ROLE regress_pgmq_owner;
CREATE ROLE regress_pgmq_other;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_owner, regress_pgmq_other;
ALTER TABLE pgmq.q_maintain_z OWNER TO regress_pgmq_owner;
CREATE TABLE maintain_log (who text, what text);
GRANT INSERT ON maintain_log TO PUBLIC;
CREATE FUNCTION maintain_logs() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
	INSERT INTO maintain_log VALUES (current_user, TG_NAME);
	PERFORM set_config('pgmq_test.left', 'behind', false);
	IF TG_NAME = 'immediate' THEN
		BEGIN
			SET ROLE NONE;
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO maintain_log VALUES (current_user, SQLERRM);
		END;
	END IF;
	RETURN OLD;
END $$;
CREATE TRIGGER immediate AFTER DELETE ON pgmq.q_maintain_z FOR EACH ROW EXECUTE FUNCTION maintain_logs();
CREATE CONSTRAINT TRIGGER later AFTER DELETE ON pgmq.q_maintain_z
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION maintain_logs();
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
CALL pgmq.maintain();
SELECT * FROM maintain_log;
SELECT current_setting('pgmq_test.left', true) = 'behind' AS left_behind, current_user = session_user AS myself;
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
BEGIN;
CALL pgmq.maintain();
ROLLBACK;

-- Each role maintains its own queues.
SET ROLE regress_pgmq_other;
CALL pgmq.maintain();
RESET ROLE;
SELECT count(*) FROM pgmq.q_maintain_z;
SET ROLE regress_pgmq_owner;
CALL pgmq.maintain();
RESET ROLE;
SELECT count(*) FROM pgmq.q_maintain_z;

-- Row-level security hides nothing from it.
ALTER TABLE pgmq.q_maintain_z ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
SET ROLE regress_pgmq_owner;
CALL pgmq.maintain();
RESET ROLE;
SELECT count(*) FROM pgmq.q_maintain_z;

-- A queue that is given away during a round is left to its new owner.
SELECT pgmq.create('maintain_y');
SELECT pgmq.set_policy('maintain_y', '{"ttl": 60}');
ALTER TABLE pgmq.q_maintain_y OWNER TO regress_pgmq_owner;
CREATE FUNCTION maintain_gives() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	ALTER TABLE pgmq.q_maintain_z OWNER TO regress_pgmq_other;
	RETURN OLD;
END $$;
CREATE TRIGGER gives BEFORE DELETE ON pgmq.q_maintain_y FOR EACH ROW EXECUTE FUNCTION maintain_gives();
INSERT INTO pgmq.q_maintain_y (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
INSERT INTO pgmq.q_maintain_z (message, enqueued_at) VALUES ('1', now() - interval '1 hour');
SET ROLE regress_pgmq_owner;
CALL pgmq.maintain();
RESET ROLE;
SELECT (SELECT count(*) FROM pgmq.q_maintain_y) AS y, (SELECT count(*) FROM pgmq.q_maintain_z) AS z;
SET ROLE regress_pgmq_other;
CALL pgmq.maintain();
RESET ROLE;
SELECT count(*) FROM pgmq.q_maintain_z;

DROP TABLE maintain_log;
SELECT pgmq.drop_queue(q) FROM unnest('{maintain_q,maintain_none,maintain_y,maintain_z}'::text[]) q;
DELETE FROM pgmq.policy WHERE queue_name = 'maintain_gone';
DELETE FROM pgmq.meta WHERE queue_name = 'maintain_gone';
DROP FUNCTION maintain_fails(), maintain_logs(), maintain_gives();
DROP OWNED BY regress_pgmq_owner, regress_pgmq_other;
DROP ROLE regress_pgmq_owner, regress_pgmq_other;
