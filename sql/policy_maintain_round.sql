-- policy_maintain_round: a round goes round all queues by batches, ends where it began, and when its time is over
SELECT pgmq.create(q) FROM unnest('{round_a,round_b,round_c}'::text[]) q;
CREATE TABLE round_log (id bigint GENERATED ALWAYS AS IDENTITY, queue text, xact xid8, a_deleted bigint);
CREATE FUNCTION round_logs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO public.round_log (queue, xact, a_deleted) VALUES (TG_TABLE_NAME, pg_current_xact_id(),
		pg_stat_get_tuples_deleted('pgmq.q_round_a'::regclass) + pg_stat_get_tuples_deleted('pgmq.a_round_a'::regclass));
	RETURN NULL; END $$;
CREATE TRIGGER logs AFTER DELETE ON pgmq.q_round_a FOR EACH STATEMENT EXECUTE FUNCTION round_logs();
CREATE TRIGGER logs AFTER DELETE ON pgmq.a_round_a FOR EACH STATEMENT EXECUTE FUNCTION round_logs();
CREATE TRIGGER logs AFTER DELETE ON pgmq.q_round_b FOR EACH STATEMENT EXECUTE FUNCTION round_logs();
SELECT pgmq.set_policy(q, '{"ttl": 60, "archive_retention": 60}') FROM unnest('{round_a,round_b,round_c}'::text[]) q;
INSERT INTO pgmq.q_round_a (enqueued_at) SELECT now() - interval '1 hour' FROM generate_series(1, 2500);
INSERT INTO pgmq.a_round_a (msg_id, archived_at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 3500) i;
INSERT INTO pgmq.q_round_b (enqueued_at) VALUES (now() - interval '1 hour');

-- The second queue has its turn after one batch of each work of the first; and by then the server has
-- been told of these batches.
CALL pgmq.maintain();
SELECT queue, min(id) AS first, max(id) AS last, count(*), count(DISTINCT xact) AS transactions, min(a_deleted) AS told_first
FROM round_log GROUP BY queue ORDER BY min(id);

-- A trigger that puts back what is deleted does not keep a round going: not in the queue,
CREATE FUNCTION round_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO pgmq.q_round_c (enqueued_at) VALUES (OLD.enqueued_at);
	RETURN NULL; END $$;
CREATE TRIGGER again AFTER DELETE ON pgmq.q_round_c FOR EACH ROW EXECUTE FUNCTION round_again();
INSERT INTO pgmq.q_round_c (enqueued_at) SELECT now() - interval '1 hour' FROM generate_series(1, 1000);
SET pgmq_c.maintain_time_limit = 0;
SET statement_timeout = '60s';
CALL pgmq.maintain();
SELECT count(*), min(msg_id) > 1000 AS all_again, max(msg_id) <= 3000 AS soon_over FROM pgmq.q_round_c;
-- nor in the archive
CREATE FUNCTION round_again_there() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO pgmq.a_round_c (msg_id, archived_at) VALUES (OLD.msg_id, OLD.archived_at);
	RETURN NULL; END $$;
CREATE TRIGGER again AFTER DELETE ON pgmq.a_round_c FOR EACH ROW EXECUTE FUNCTION round_again_there();
INSERT INTO pgmq.a_round_c (msg_id, archived_at) SELECT i, now() - interval '1 hour' FROM generate_series(1, 1000) i;
CALL pgmq.maintain();
SELECT count(*) FROM pgmq.a_round_c;
RESET statement_timeout;
DROP TRIGGER again ON pgmq.q_round_c;
DROP TRIGGER again ON pgmq.a_round_c;

-- The time of a round is limited, but each queue has a turn in it: of each work a batch.
SET pgmq_c.maintain_time_limit = 1;
CREATE OR REPLACE FUNCTION round_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pg_sleep(1.1);
	RETURN NULL; END $$;
CREATE TRIGGER slow AFTER DELETE ON pgmq.q_round_a FOR EACH STATEMENT EXECUTE FUNCTION round_again();
INSERT INTO pgmq.q_round_a (enqueued_at) SELECT now() - interval '1 hour' FROM generate_series(1, 1500);
INSERT INTO pgmq.q_round_b (enqueued_at) VALUES (now() - interval '1 hour');
CALL pgmq.maintain();
SELECT (SELECT count(*) FROM pgmq.q_round_a) AS a, (SELECT count(*) FROM pgmq.q_round_b) AS b,
	(SELECT count(*) FROM pgmq.q_round_c) AS c;
RESET pgmq_c.maintain_time_limit;
DROP TRIGGER slow ON pgmq.q_round_a;
CALL pgmq.maintain();
SELECT (SELECT count(*) FROM pgmq.q_round_a) AS a, (SELECT count(*) FROM pgmq.q_round_b) AS b,
	(SELECT count(*) FROM pgmq.q_round_c) AS c;

-- It works below a procedure, too.
CREATE PROCEDURE round_outer() LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO pgmq.q_round_a (enqueued_at) SELECT now() - interval '1 hour' FROM generate_series(1, 1500);
	COMMIT;
	CALL pgmq.maintain();
	INSERT INTO round_log (queue, xact) SELECT 'outer', pg_current_xact_id();
END $$;
TRUNCATE round_log;
CALL round_outer();
SELECT queue, count(DISTINCT xact) AS transactions FROM round_log GROUP BY queue ORDER BY 1;
SELECT count(*) FROM pgmq.q_round_a;

-- Where the server counts the call itself (track_functions = all), the call leaves the statistics to the
-- server until it ends, and is counted.
INSERT INTO pgmq.q_round_a (enqueued_at) SELECT now() - interval '1 hour' FROM generate_series(1, 2500);
TRUNCATE round_log;
SELECT coalesce(pg_stat_get_function_calls('pgmq.maintain'::regproc), 0) AS calls_before \gset
SET track_functions = 'all';
CALL pgmq.maintain();
RESET track_functions;
SELECT pg_stat_force_next_flush();
SELECT pg_stat_get_function_calls('pgmq.maintain'::regproc) - :calls_before AS calls;
SELECT queue, count(DISTINCT xact) AS transactions FROM round_log GROUP BY queue ORDER BY 1;

SELECT pgmq.drop_queue(q) FROM unnest('{round_a,round_b,round_c}'::text[]) q;
DROP TABLE round_log;
DROP FUNCTION round_logs(), round_again(), round_again_there();
DROP PROCEDURE round_outer();
