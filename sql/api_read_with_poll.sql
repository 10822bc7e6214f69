-- api_read_with_poll: read, and wait when there is nothing
SELECT pgmq.create('poll');
SELECT pgmq.send('poll', '{"n": 1}'), pgmq.send('poll', '{"n": 2}'), pgmq.send('poll', '{"n": 3}');

-- It returns at once the messages that there are, also when they are fewer
-- than asked for.
SELECT msg_id, read_ct, vt - last_read_at AS lease FROM pgmq.read_with_poll('poll', 30, 2, 86400);
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 100, 86400, 10000);

-- Without a message it waits until its time is over.
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.read_with_poll('poll', 30, 2, 1);
SELECT clock_timestamp() - :'before' >= '1 s' AS waited;
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.read_with_poll('poll', 30, 2, 1, 2147483647);
SELECT clock_timestamp() - :'before' >= '1 s' AS waited;

-- No time, or less than none, is one look.
SELECT pgmq.send('poll', '{"n": 4}');
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 1, 0);
SELECT pgmq.send('poll', '{"n": 5}');
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 1, -1);
SELECT clock_timestamp() AS before \gset
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 1, 0);
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 1, -2147483648);

-- A delayed message, and one whose lease ends, is returned when it is due.
SELECT clock_timestamp() AS before \gset
SELECT pgmq.send('poll', '{"n": 6}', 1);
SELECT msg_id, last_read_at >= timestamptz :'before' + interval '1 s' AS when_due FROM pgmq.read_with_poll('poll', 1, 1, 60);
SELECT msg_id, read_ct FROM pgmq.read_with_poll('poll', 30, 1, 60, 10);

-- An interval of nothing does not burn the CPU, nor does it wait for ever.
-- Without the map, because with it a look in vain is not repeated.
SET pgmq_c.due_map = off;
CREATE SEQUENCE looks;
CREATE FUNCTION count_look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM nextval('public.looks');
	RETURN NULL;
END
$$;
CREATE TRIGGER count_look BEFORE UPDATE ON pgmq.q_poll FOR EACH STATEMENT EXECUTE FUNCTION count_look();
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.read_with_poll('poll', 30, 1, 1, 0);
SELECT * FROM pgmq.read_with_poll('poll', 30, 1, 1, -1);
SELECT clock_timestamp() - :'before' >= '2 s' AS waited;
SELECT last_value BETWEEN 2 AND 250 AS looks FROM looks;
RESET pgmq_c.due_map;
DROP TRIGGER count_look ON pgmq.q_poll;
DROP FUNCTION count_look();
DROP SEQUENCE looks;
-- NULLs stand for the defaults, of 5 seconds and 100 milliseconds.
SELECT pgmq.send('poll', '{"n": 7}', 1);
SELECT msg_id FROM pgmq.read_with_poll('poll', 30, 1, NULL, NULL, NULL);
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.read_with_poll('poll', 30, 1, NULL, NULL);
SELECT clock_timestamp() - :'before' >= '5 s' AS waited;

-- A drop that was rolled back sends no reader away.
SELECT pgmq.create('poll_kept');
BEGIN;
SAVEPOINT s;
SELECT pgmq.drop_queue('poll_kept');
ROLLBACK TO s;
SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.read_with_poll('poll_kept', 30, 1, 1);
SELECT clock_timestamp() - :'before' >= '1 s' AS waited;
COMMIT;
SELECT pgmq.drop_queue('poll_kept');

-- conditional
SELECT pgmq.send('poll', '{"n": 8}'), pgmq.send('poll', '{"n": 9}');
SELECT msg_id FROM pgmq.read_with_poll('poll', 0, 10, 1, 100, '{"n": 9}');
SELECT msg_id FROM pgmq.read_with_poll('poll', 0, 10, 1, 100, '{"n": 10}');
SELECT msg_id FROM pgmq.read_with_poll('poll', 0, 10, 1, 100, '{}');
SELECT msg_id FROM pgmq.read_with_poll(queue_name => 'poll', vt => 0, qty => 10, max_poll_seconds => 1, poll_interval_ms => 100,
									   conditional => '{"n": 8}');

-- Errors come before the waiting.
\set VERBOSITY sqlstate
SELECT * FROM pgmq.read_with_poll('poll', 0, NULL, 60);
SELECT * FROM pgmq.read_with_poll('poll', 0, -1, 60);
SELECT * FROM pgmq.read_with_poll('poll', NULL, 1, 60);
SELECT * FROM pgmq.read_with_poll('no such queue', 0, 1, 60);
-- statement_timeout ends the wait before its own time is over.
SET statement_timeout = '200ms';
SELECT * FROM pgmq.read_with_poll('poll', 0, 1, 86400, 100, '{"none": 1}');
SELECT * FROM pgmq.read_with_poll('poll', 0, 1, 86400, 60000, '{"none": 1}');
RESET statement_timeout;
\set VERBOSITY default

SELECT pgmq.drop_queue('poll');
