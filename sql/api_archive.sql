-- api_archive: move messages out of the queue, into its archive
SELECT pgmq.create('archive');
SELECT count(*) FROM pgmq.send_batch('archive', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 20) n),
									 (SELECT array_agg(jsonb_build_object('h', n) ORDER BY n) FROM generate_series(1, 20) n));

-- The archive keeps every column, and adds the time of archiving.
SELECT msg_id FROM pgmq.read('archive', 30, 2);
CREATE TEMP TABLE stored AS SELECT msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers FROM pgmq.q_archive;
SELECT clock_timestamp() AS before \gset
SELECT pgmq.archive('archive', 1);
SELECT pgmq.archive('archive', 3);
SELECT msg_id, archived_at BETWEEN :'before' AND clock_timestamp() AS archived_now FROM pgmq.a_archive ORDER BY msg_id;
SELECT count(*) AS same FROM stored s JOIN pgmq.a_archive a
ON s IS NOT DISTINCT FROM (a.msg_id, a.read_ct, a.enqueued_at, a.last_read_at, a.vt, a.message, a.headers);
SELECT msg_id FROM pgmq.q_archive WHERE msg_id < 5 ORDER BY msg_id;

-- true when there was such a message
SELECT pgmq.archive('archive', 1);
SELECT pgmq.archive('archive', 100), pgmq.archive('archive', 0), pgmq.archive('archive', -1), pgmq.archive('archive', NULL::bigint);
SELECT pgmq.archive(queue_name => 'archive', msg_id => 2);

-- Several: it returns the ids of those that existed, in order, each once.
SELECT * FROM pgmq.archive('archive', ARRAY[10, 100, 8, 9, -1, 8, NULL, 1]);
SELECT * FROM pgmq.archive(queue_name => 'archive', msg_ids => ARRAY[5, 6]);
SELECT * FROM pgmq.archive('archive', ARRAY[5, 6]);
SELECT * FROM pgmq.archive('archive', '{}'::bigint[]);
SELECT * FROM pgmq.archive('archive', NULL::bigint[]);
SELECT * FROM pgmq.archive('archive', ARRAY[NULL]::bigint[]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_archive;
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.a_archive;
SELECT count(DISTINCT archived_at) FROM pgmq.a_archive WHERE msg_id IN (8, 9, 10);

\set VERBOSITY sqlstate
SELECT pgmq.archive('archive', NULL);
-- An id that is in the archive already stays in the queue.
INSERT INTO pgmq.q_archive (msg_id, message) OVERRIDING SYSTEM VALUE VALUES (1, '"again"');
SELECT pgmq.archive('archive', 1);
SELECT pgmq.archive('archive', ARRAY[1, 7]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_archive WHERE msg_id IN (1, 7);
-- no archive, no archiving; the rest goes on
ALTER TABLE pgmq.a_archive RENAME TO elsewhere;
SELECT pgmq.archive('archive', 7);
SELECT pgmq.archive('archive', ARRAY[7]);
SELECT pgmq.archive('archive', 7, 0);
SELECT pgmq.delete('archive', 7);
ALTER TABLE pgmq.elsewhere RENAME TO a_archive;
SELECT pgmq.archive('archive', 4);
\set VERBOSITY default

-- A trigger of the archive that keeps messages away: they stay in the queue.
SELECT pgmq.create('archive_kept');
SELECT count(*) FROM pgmq.send_batch('archive_kept', ARRAY['1', '2', '3', '4']::jsonb[]);
CREATE FUNCTION archive_swallow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.message IN ('2', '3') THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON pgmq.a_archive_kept FOR EACH ROW EXECUTE FUNCTION archive_swallow();
SELECT pgmq.archive('archive_kept', 2);
SELECT pgmq.archive('archive_kept', ARRAY[2, 9]);
SELECT pgmq.archive('archive_kept', ARRAY[4, 3, 2, 1]);
SELECT pgmq.archive('archive_kept', 2, 0);
SELECT pgmq.archive('archive_kept', ARRAY[1, 2], ARRAY[0, 0]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_archive_kept;
SELECT pgmq.archive('archive_kept', 9), pgmq.archive('archive_kept', 2, 1);
SELECT pgmq.archive('archive_kept', ARRAY[4, 9, 1]);
ALTER TABLE pgmq.a_archive_kept DISABLE TRIGGER t;
SELECT pgmq.archive('archive_kept', ARRAY[4, 3, 2]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.a_archive_kept;
-- also where only a partition has the trigger
ALTER TABLE pgmq.a_archive_kept RENAME TO a_archive_part;
CREATE TABLE pgmq.a_archive_kept (LIKE pgmq.a_archive_part INCLUDING DEFAULTS) PARTITION BY RANGE (msg_id);
ALTER TABLE pgmq.a_archive_kept ATTACH PARTITION pgmq.a_archive_part DEFAULT;
ALTER TABLE pgmq.a_archive_part ENABLE TRIGGER t;
SELECT pgmq.send('archive_kept', '2') \gset
SELECT pgmq.archive('archive_kept', :send);
ALTER TABLE pgmq.a_archive_part DISABLE TRIGGER t;
SELECT pgmq.archive('archive_kept', ARRAY[:send, 99]);
-- a rule is no better
SELECT pgmq.send('archive_kept', '5');
CREATE RULE r AS ON INSERT TO pgmq.a_archive_kept DO INSTEAD NOTHING;
\set VERBOSITY terse
SELECT pgmq.archive('archive_kept', 6);
\set VERBOSITY default
SELECT array_agg(msg_id) FROM pgmq.q_archive_kept;
DROP TABLE pgmq.a_archive_kept;
SELECT pgmq.drop_queue('archive_kept');
DROP FUNCTION archive_swallow();

-- An archive with its columns in another order, as databases upgraded from early PGMQ have.
DROP TABLE pgmq.a_archive;
CREATE TABLE pgmq.a_archive (msg_id bigint PRIMARY KEY, read_ct int NOT NULL DEFAULT 0, enqueued_at timestamptz NOT NULL DEFAULT now(),
	archived_at timestamptz NOT NULL DEFAULT now(), vt timestamptz NOT NULL, message jsonb, headers jsonb, last_read_at timestamptz,
	note text DEFAULT 'new');
SELECT pgmq.archive('archive', 11);
SELECT msg_id, message, headers, note FROM pgmq.a_archive;

BEGIN;
SELECT pgmq.archive('archive', 12);
ROLLBACK;
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_archive;
SELECT count(*) FROM pgmq.a_archive;

SELECT pgmq.drop_queue('archive');
