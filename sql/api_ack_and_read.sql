-- delete_and_read and archive_and_read: the batch forms of delete and archive,
-- followed by a read, in one statement
SELECT pgmq.create('anr');
SELECT count(*) FROM pgmq.send_batch('anr', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 30) n));

-- A worker's loop: nothing to acknowledge at first, then what it has read.
SELECT msg_id, read_ct, message, vt > last_read_at + '99 s' AS leased FROM pgmq.delete_and_read('anr', '{}', 100, 2);
SELECT msg_id, read_ct, message FROM pgmq.delete_and_read('anr', ARRAY[1, 2], 100, 2);
SELECT msg_id, read_ct, message FROM pgmq.archive_and_read('anr', ARRAY[3, 4], 100, 2);
SELECT msg_id, read_ct, message FROM pgmq.delete_and_read('anr', ARRAY[5, 6], 100, 2, ARRAY[1, 1]);
SELECT msg_id, read_ct, message FROM pgmq.archive_and_read('anr', ARRAY[7, 8], 100, 2, ARRAY[1, 1]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.a_anr;
SELECT min(msg_id), count(*) FROM pgmq.q_anr;

-- The rows of the call are those that read returns, with all columns.
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[9, 10], 0, 0);
SELECT pg_typeof(r) FROM pgmq.delete_and_read('anr', NULL, 0, 1) r;

-- Like delete: an id that is gone, unknown, given twice or NULL does no harm, and nothing tells of it.
SELECT msg_id FROM pgmq.delete_and_read('anr', ARRAY[1, 11, 11, NULL, -1, 99], 100, 1);
SELECT msg_id FROM pgmq.archive_and_read('anr', ARRAY[12, 12, NULL, 99], 100, 1);
SELECT msg_id FROM pgmq.delete_and_read('anr', ARRAY[NULL]::bigint[], 100, 1);
SELECT msg_id FROM pgmq.archive_and_read('anr', NULL, 100, 1);
SELECT min(msg_id) FROM pgmq.q_anr;

-- Fenced, an acknowledgement that comes too late is a row with only its msg_id,
-- after the messages; those in time hold.
SELECT msg_id, read_ct FROM pgmq.read('anr', 0, 100) LIMIT 2;
SELECT msg_id, read_ct FROM pgmq.read('anr', 100, 2);
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[16, 99, 17], 0, 0, ARRAY[1, 1, 1]);
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[20, 16, 99, 17], 100, 2, ARRAY[1, 1, 0, 2]);
SELECT msg_id, read_ct FROM pgmq.archive_and_read('anr', ARRAY[98, 16, 18], 100, 1, ARRAY[0, 2, 1]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_anr;
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.a_anr;
-- A program drops these rows by a condition, and counts them by another.
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[1], 0, 1, ARRAY[1]) WHERE read_ct IS NOT NULL;
SELECT array_agg(msg_id) FILTER (WHERE read_ct IS NULL) AS late FROM pgmq.delete_and_read('anr', ARRAY[2, 1], 0, 1, ARRAY[1, 1]);
-- Of two fences of an id one may hold.  A message that is read again by the call is there twice.
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[22, 22], 0, 0, ARRAY[3, 1]);
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[23], 0, 1, ARRAY[7]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_anr;

-- named arguments, also those of the forms that wait
SELECT msg_id FROM pgmq.delete_and_read(queue_name => 'anr', msg_ids => ARRAY[23], vt => 100, qty => 1);
SELECT msg_id FROM pgmq.archive_and_read(queue_name => 'anr', msg_ids => ARRAY[24], vt => 100, qty => 1, read_cts => ARRAY[2]);
SELECT msg_id FROM pgmq.delete_and_read_with_poll(queue_name => 'anr', msg_ids => '{}', vt => 100, qty => 1);
SELECT msg_id FROM pgmq.archive_and_read_with_poll(queue_name => 'anr', msg_ids => '{}', vt => 100, qty => 1, max_poll_seconds => 60,
	poll_interval_ms => NULL, read_cts => '{}');

-- A wait that has ids never begins, whatever became of the ids; one without ids does as read_with_poll.
SELECT pgmq.purge_queue('anr');
SELECT pgmq.send('anr', '31', 1000), pgmq.send('anr', '32', 1000) \gset
SET statement_timeout = '60s';
SELECT msg_id FROM pgmq.delete_and_read_with_poll('anr', ARRAY[31], 0, 1, 1000000);
SELECT msg_id FROM pgmq.delete_and_read_with_poll('anr', ARRAY[31], 0, 1, 1000000, 10);
SELECT * FROM pgmq.archive_and_read_with_poll('anr', ARRAY[31], 0, 1, 1000000, 10, ARRAY[0]);
SELECT * FROM pgmq.archive_and_read_with_poll('anr', ARRAY[32], 0, 1, 1000000, 10, ARRAY[0]);
RESET statement_timeout;
SELECT msg_id FROM pgmq.delete_and_read_with_poll('anr', '{}', 0, 1, 0);
SELECT msg_id FROM pgmq.delete_and_read_with_poll('anr', ARRAY[NULL]::bigint[], 0, 1, 0, 10, ARRAY[1]);
SELECT count(*) FROM pgmq.q_anr;

-- Missing and wrong arguments: before anything is acknowledged.
SELECT pgmq.send('anr', '33'), pgmq.send('anr', '34');
SELECT msg_id FROM pgmq.read('anr', 0, 2);
\set VERBOSITY sqlstate
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33], 0, -1);
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33], 0, NULL);
SELECT * FROM pgmq.delete_and_read(NULL, ARRAY[33], 0, 1);
SELECT * FROM pgmq.delete_and_read('no_such', ARRAY[33], 0, 1);
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33], 0, 1, NULL);
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33, 34], 0, 1, ARRAY[1, NULL]);
SELECT * FROM pgmq.archive_and_read('anr', ARRAY[33, 34], 0, 1, ARRAY[1]);
SELECT * FROM pgmq.archive_and_read_with_poll('anr', NULL, 0, 1, 0, 10, NULL);
-- The read fails, and so nothing is acknowledged.
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33], NULL, 1);
-- an archive whose trigger discards messages
CREATE FUNCTION anr_swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t BEFORE INSERT ON pgmq.a_anr FOR EACH ROW EXECUTE FUNCTION anr_swallow();
SELECT * FROM pgmq.archive_and_read('anr', ARRAY[33], 0, 1);
SELECT * FROM pgmq.archive_and_read('anr', ARRAY[33], 0, 1, ARRAY[1]);
DROP FUNCTION anr_swallow CASCADE;
-- no archive: a call with ids needs one, a call without does not
ALTER TABLE pgmq.a_anr RENAME TO a_anr_away;
SELECT * FROM pgmq.archive_and_read('anr', ARRAY[33], 0, 1);
\set VERBOSITY default
SELECT msg_id, read_ct FROM pgmq.archive_and_read('anr', '{}', 0, 2);
ALTER TABLE pgmq.a_anr_away RENAME TO a_anr;

-- One transaction: what is rolled back was neither acknowledged nor read.
BEGIN;
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[33], 100, 1);
ROLLBACK;
SELECT msg_id, read_ct FROM pgmq.q_anr ORDER BY msg_id;

-- Policies.  While a queue is paused it acknowledges, and reads nothing.
SELECT pgmq.pause('anr', 'infinity');
SELECT msg_id FROM pgmq.delete_and_read('anr', ARRAY[33], 0, 1);
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[33], 0, 1, ARRAY[2]);
SELECT pgmq.resume('anr');
SELECT msg_id, read_ct FROM pgmq.q_anr;
-- Messages that were read too often become dead letters, and expired ones are dropped.
SELECT pgmq.create('anr_dead');
SELECT pgmq.set_policy('anr', '{"max_reads": 2, "dead_letter_queue": "anr_dead", "ttl": 1000}') IS NOT NULL AS set;
SELECT pgmq.send('anr', '35'), pgmq.send('anr', '36'), pgmq.send('anr', '37');
UPDATE pgmq.q_anr SET enqueued_at = now() - interval '1 day' WHERE msg_id = 36;
SELECT msg_id, read_ct FROM pgmq.archive_and_read('anr', ARRAY[35], 100, 2, ARRAY[0]);
SELECT message FROM pgmq.q_anr_dead;
SELECT array_agg(msg_id) FROM pgmq.q_anr;
-- A wait that met only such messages ends, so that what it did is committed.
SELECT pgmq.purge_queue('anr');
SELECT pgmq.send('anr', '38');
UPDATE pgmq.q_anr SET read_ct = 2;
SET statement_timeout = '60s';
SELECT msg_id FROM pgmq.delete_and_read_with_poll('anr', '{}', 100, 2, 1000000);
RESET statement_timeout;
SELECT message FROM pgmq.q_anr_dead ORDER BY msg_id;
-- An acknowledged message may be sent again once its window is over, and not before.
SELECT pgmq.set_policy('anr', '{"dedup_window": 60}') IS NOT NULL AS set;
SELECT pgmq.send('anr', '39', '{"x-pgmq-dedup-id": "a"}') AS id \gset
SELECT count(*) FROM pgmq.delete_and_read('anr', ARRAY[:id], 0, 1);
SELECT pgmq.send('anr', '39', '{"x-pgmq-dedup-id": "a"}') = :id AS same;
SELECT count(*) FROM pgmq.q_anr;

-- A partitioned queue: messages in order, and late acknowledgements after them.
ALTER TABLE pgmq.q_anr RENAME TO anr_old;
SELECT pgmq.drop_queue('anr_dead');
DROP TABLE pgmq.anr_old;
CREATE TABLE pgmq.q_anr (msg_id bigint GENERATED ALWAYS AS IDENTITY, read_ct int NOT NULL DEFAULT 0, enqueued_at timestamptz NOT NULL DEFAULT now(),
	last_read_at timestamptz, vt timestamptz NOT NULL, message jsonb, headers jsonb, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.anr_p1 PARTITION OF pgmq.q_anr FOR VALUES FROM (3) TO (100);
CREATE TABLE pgmq.anr_p2 PARTITION OF pgmq.q_anr FOR VALUES FROM (1) TO (3);
INSERT INTO pgmq.q_anr (vt, message) SELECT now(), to_jsonb(n) FROM generate_series(1, 5) n;
SELECT msg_id, read_ct FROM pgmq.delete_and_read('anr', ARRAY[2, 1], 0, 9, ARRAY[7, 7]);
SELECT pgmq.drop_queue('anr');

-- A row type that its owner has altered is refused, whether or not there is a message.
SELECT pgmq.create('anr');
BEGIN;
ALTER TYPE pgmq.message_record ALTER ATTRIBUTE msg_id TYPE text;
\set VERBOSITY sqlstate
SELECT * FROM pgmq.delete_and_read('anr', ARRAY[1], 0, 0, ARRAY[0]);
\set VERBOSITY default
ROLLBACK;
SELECT pgmq.drop_queue('anr');
