-- api_release: the lease ends as if the message had not been read.
SELECT pgmq.create('release');
SELECT pgmq.set_policy('release', '{"max_reads": 2, "dead_letter_queue": "release_dead", "create_dead_letter_queue": true}');
-- The same policy set again gives no notice.
SELECT pgmq.set_policy('release', '{"max_reads": 2, "dead_letter_queue": "release_dead", "create_dead_letter_queue": true}');
SELECT pgmq.send_batch('release', '{1,2,3,4}');
CREATE VIEW pg_temp.state AS
	SELECT msg_id, read_ct, CASE WHEN vt <= clock_timestamp() THEN 'readable' WHEN vt < clock_timestamp() + '50 s' THEN 'soon' ELSE 'later' END AS state, headers FROM pgmq.q_release;

-- However often it is released, it is not read too often.
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 1);
SELECT pgmq.release('release', 1);
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 1);
SELECT pgmq.release('release', 1, 1);
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 1);
SELECT pgmq.release('release', 1, read_ct => 1);
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 1);
SELECT * FROM pg_temp.state WHERE msg_id = 1;

-- It does nothing for a message that nobody holds: released already, never
-- read, gone, its lease over, or read again since.
SELECT pgmq.release('release', 1, 2);
SELECT pgmq.release('release', 1), pgmq.release('release', 1);
SELECT pgmq.release('release', 2), pgmq.release('release', 99), pgmq.release('release', NULL::bigint);
SELECT msg_id FROM pgmq.read('release', 0, 1);
SELECT pgmq.release('release', 1), pgmq.release('release', 1, 1);
SELECT pgmq.send('release', '5', 600);
SELECT pgmq.release('release', 5);
SELECT * FROM pg_temp.state ORDER BY 1;

-- Put off.
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 9);
SELECT pgmq.release('release', 1, delay => 20, read_ct => 2);
SELECT pgmq.release('release', 2, interval '20 s', 1);
SELECT pgmq.release('release', 3, now() + '20 s', 1);
SELECT pgmq.release('release', 4, '20 s', 1);
SELECT * FROM pg_temp.state ORDER BY 1;
-- NULL: at once
UPDATE pgmq.q_release SET vt = now() WHERE msg_id = 4;
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 9);
SELECT pgmq.release('release', 4, NULL, 1);
SELECT state FROM pg_temp.state WHERE msg_id = 4;

-- Several.
UPDATE pgmq.q_release SET vt = now(), read_ct = 0;
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 4);
SELECT pgmq.release('release', ARRAY[3, 1, 1, NULL, 5, 99]);
SELECT pgmq.release('release', ARRAY[1, 2, 4], ARRAY[1, 1, 7]);
SELECT pgmq.release('release', ARRAY[]::bigint[]), pgmq.release('release', NULL::bigint[]);
SELECT * FROM pg_temp.state ORDER BY 1;

\set VERBOSITY sqlstate
SELECT pgmq.release('release', 1, -1, 1);
SELECT pgmq.release('release', 1, 'soon', 1);
SELECT pgmq.release('release', 1, NULL::integer);
SELECT pgmq.release('release', ARRAY[1], ARRAY[1, 1]);
SELECT pgmq.release('release_not', 1);
\set VERBOSITY default

-- nack keeps an error, the last one, beside the headers that there are.
TRUNCATE pgmq.q_release RESTART IDENTITY;
SELECT pgmq.send_batch('release', '{1,2,3}', ARRAY['{"tenant": "a"}', '[1]', NULL]::jsonb[]);
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 9);
SELECT pgmq.nack('release', 1, delay => 0, read_ct => 2, error => 'too late');
SELECT pgmq.nack('release', 1, delay => 0, read_ct => 1, error => 'first');
SELECT pgmq.nack('release', ARRAY[2, 3], 0, ARRAY[1, 1], 'both');
SELECT msg_id, headers FROM pgmq.peek('release');
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 9);
SELECT pgmq.nack('release', 1, NULL, 2, 'second');
SELECT pgmq.nack('release', 2, 0, 2, NULL);
SELECT pgmq.nack('release', 3, 0, 2, 'x' || repeat('é', 5000));
SELECT msg_id, CASE WHEN length(headers ->> 'x-pgmq-error') > 99 THEN to_jsonb(octet_length(headers ->> 'x-pgmq-error')) ELSE headers END FROM pgmq.peek('release');
-- it goes into the dead letter, also into that of a read too many
SELECT count(*) FROM pgmq.read('release', 600, 9);
SELECT headers -> 'tenant' AS tenant, left(headers ->> 'x-pgmq-error', 9) AS error, headers #> '{x-pgmq-dead-letter,headers}' AS odd, headers #>> '{x-pgmq-dead-letter,reason}' AS reason
FROM pgmq.peek('release_dead');
-- and goes when that one goes back, whose headers are as they were
SELECT pgmq.redrive('release_dead', 9);
SELECT message, headers FROM pgmq.peek('release') ORDER BY 1;
DELETE FROM pgmq.q_release WHERE msg_id > 4;

-- Keeping an error needs a right that reading does not.
CREATE ROLE regress_pgmq_reader;
SELECT pgmq.grant_queue('release', 'regress_pgmq_reader', 'read');
SET ROLE regress_pgmq_reader;
SELECT msg_id, read_ct FROM pgmq.read('release', 600, 9);
SELECT pgmq.nack('release', 4, 0, 1, 'no');
SELECT pgmq.nack('release', 4, 0, 1, NULL), pgmq.release('release', 4);
SELECT read_ct FROM pgmq.read('release', 600, 9);
RESET ROLE;
GRANT UPDATE (headers) ON pgmq.q_release TO regress_pgmq_reader;
SET ROLE regress_pgmq_reader;
SELECT pgmq.nack('release', 4, 0, 2, 'yes');
RESET ROLE;
SELECT headers -> 'x-pgmq-error' AS error FROM pgmq.peek('release');

-- A queue of an old PGMQ has no headers yet, and so no place for an error.
BEGIN;
ALTER TABLE pgmq.q_release RENAME headers TO other;
SET LOCAL ROLE regress_pgmq_reader;
SELECT pgmq.nack('release', 4, 0, 2, 'no');				-- 42809
ROLLBACK;

-- In REPEATABLE READ, and rolled back to a savepoint.
UPDATE pgmq.q_release SET read_ct = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT read_ct FROM pgmq.read('release', 600, 9);
SAVEPOINT s;
SELECT pgmq.release('release', 4);
ROLLBACK TO s;
SELECT pgmq.release('release', 4, 1), pgmq.release('release', 4);
COMMIT;

DROP VIEW pg_temp.state;
SELECT pgmq.drop_queue('release'), pgmq.drop_queue('release_dead');
DROP OWNED BY regress_pgmq_reader;
DROP ROLE regress_pgmq_reader;
