-- One row stands for the messages that one read of a subscription has leased, until something concerns some of them.
\set VERBOSITY terse
SELECT pgmq.create_stream('sb_log'), pgmq.create_subscription('sb', 'sb_log');
SELECT count(*) FROM pgmq.send_batch('sb_log', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 2000) n),
	ARRAY(SELECT CASE WHEN n % 2 = 0 THEN jsonb_build_object('x-pgmq-group', 'g' || n % 4) END FROM generate_series(1, 2000) n));
CREATE FUNCTION sb_ids(first int, last int) RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY(SELECT generate_series(first::bigint, last))';
CREATE VIEW sb_rows AS SELECT count(*) FILTER (WHERE msg_id < 0) AS batches, count(*) FILTER (WHERE msg_id > 0) AS messages FROM pgmq.q_sb;

SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sb', 30, 100);
TABLE sb_rows;
-- what can be seen of it
SELECT queue_length, queue_visible_length FROM pgmq.metrics('sb');
SELECT visible, delayed, in_flight FROM pgmq.queue_depth('sb');
SELECT in_flight, lag FROM pgmq.list_subscriptions('sb_log');
SELECT min(msg_id), max(msg_id), count(*), bool_and(message = jsonb_build_object('n', msg_id)) AS message, bool_and(read_ct = 1 AND vt - last_read_at = '30 s') AS lease
	FROM pgmq.peek('sb', 'in_flight', 1000);
SELECT msg_id, headers FROM pgmq.peek('sb', 'all', 2, 98);
SELECT count(*) FROM pgmq.peek('sb', 'visible', 10);

-- acknowledged together
SELECT count(*), min(d), max(d) FROM pgmq.delete('sb', sb_ids(1, 100)) d;
TABLE sb_rows;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(1, 100));
-- with fences, of which one does not fit
SELECT count(*) FROM pgmq.read('sb', 30, 100);
SELECT count(*), min(d), max(d) FROM pgmq.delete('sb', sb_ids(101, 200), ARRAY(SELECT CASE n WHEN 150 THEN 2 ELSE 1 END FROM generate_series(101, 200) n)) d;
TABLE sb_rows;
SELECT msg_id, read_ct, vt - last_read_at AS lease FROM pgmq.q_sb;
SELECT pgmq.delete('sb', 150, 1);
-- by the next read
SELECT count(*) FROM pgmq.read('sb', 30, 100);
SELECT min(msg_id), count(*) FROM pgmq.archive_and_read('sb', sb_ids(201, 300), 30, 50);
SELECT msg_id, read_ct FROM pgmq.delete_and_read('sb', ARRAY[301, 302]::bigint[], 30, 1, ARRAY[1, 3]);
TABLE sb_rows;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(302, 351));
TABLE sb_rows;

-- Each verb on one message, or some, leaves the others as they are.
CREATE FUNCTION sb_try(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
	n int;
	result text;
	got bigint[];
BEGIN
	SELECT min(msg_id), count(*) INTO first, n FROM pgmq.read('sb', 30, 20);
	EXECUTE replace(what, '$1', first::text) INTO result;
	SELECT array_agg(msg_id - first ORDER BY msg_id) INTO got FROM pgmq.peek('sb', 'in_flight', 1000) WHERE read_ct = 1 AND vt > clock_timestamp() + '25 s';
	PERFORM count(*) FROM pgmq.delete('sb', sb_ids(first::int, first::int + 19));
	RETURN format('%s of %s: %s; left %s, gone %s', what, n, result, array_length(got, 1), (SELECT array_agg(g) FROM generate_series(0, 19) g WHERE g <> ALL (got)));
END $$;
SELECT sb_try('SELECT pgmq.delete(''sb'', $1 + 3)');
SELECT sb_try('SELECT pgmq.delete(''sb'', $1 + 3, 1)');
SELECT sb_try('SELECT pgmq.delete(''sb'', $1 + 3, 2)');
SELECT sb_try('SELECT pgmq.archive(''sb'', $1 + 3)');
SELECT sb_try('SELECT array_agg(d - $1) FROM pgmq.delete(''sb'', ARRAY[$1, $1 + 19, 5]) d');
SELECT sb_try('SELECT array_agg(d - $1) FROM pgmq.archive(''sb'', ARRAY[$1 + 1, $1 + 5], ARRAY[2, 1]) d');
SELECT sb_try('SELECT msg_id - $1 FROM pgmq.set_vt(''sb'', $1 + 3, 0)');
SELECT sb_try('SELECT array_agg(msg_id - $1) FROM pgmq.set_vt(''sb'', ARRAY[$1 + 3, $1 + 4], 5)');
SELECT sb_try('SELECT array_agg(msg_id - $1) FROM pgmq.set_vt(''sb'', ARRAY[$1 + 3, $1 + 4], 5, ARRAY[1, 2])');
SELECT sb_try('SELECT msg_id - $1 FROM pgmq.set_vt(''sb'', $1 + 3, 5, 2)');
SELECT sb_try('SELECT pgmq.nack(''sb'', $1 + 3)');
SELECT sb_try('SELECT array_agg(n - $1) FROM pgmq.nack(''sb'', ARRAY[$1 + 3, $1 + 4], 5, ARRAY[1, 2]) n');
SELECT sb_try('SELECT pgmq.nack(''sb'', $1 + 3, 0, 1, ''no'')');
SELECT sb_try('SELECT pgmq.release(''sb'', $1 + 3)');
SELECT sb_try('SELECT array_agg(lost_msg_id - $1) FROM pgmq.extend(''sb'', ARRAY[$1 + 3, $1 + 4, $1 + 20], ARRAY[1, 2, 1], 10)');
SELECT sb_try('SELECT pgmq.forward(''sb'', $1 + 3, ''sb_log'', ''{}'', NULL, 1) > 2000');
SELECT sb_try('SELECT pgmq.forward(''sb'', $1 + 3, ''sb_log'', ''{}'', NULL, 2)');
SELECT pgmq.create('sb_dead');
SELECT pgmq.set_policy('sb', '{"dead_letter_queue": "sb_dead"}');
SELECT sb_try('SELECT pgmq.dead_letter(''sb'', $1 + 3, ''why'', 1)');
SELECT message ? 'n' AS body, headers -> 'x-pgmq-dead-letter' ->> 'queue' AS queue FROM pgmq.q_sb_dead;
-- the id of the row is that of no message
SELECT count(*) FROM pgmq.read('sb', 30, 20);
SELECT msg_id AS key, msg_id + 9223372036854775807 + 1 AS first FROM pgmq.q_sb WHERE msg_id < 0 ORDER BY 1 DESC LIMIT 1 \gset
SELECT pgmq.delete('sb', :key), pgmq.delete('sb', :key, 1), pgmq.archive('sb', :key), pgmq.nack('sb', :key), pgmq.release('sb', :key);
SELECT count(*) FROM pgmq.delete('sb', ARRAY[:key]);
SELECT count(*) FROM pgmq.delete('sb', ARRAY[:key, :key + 1], ARRAY[1, 1]);
SELECT count(*) FROM pgmq.set_vt('sb', :key, 0);
SELECT count(*) FROM pgmq.set_vt('sb', ARRAY[:key], 0, ARRAY[1]);
SELECT count(*) FROM pgmq.peek('sb', 'in_flight', 1000) WHERE msg_id BETWEEN :first AND :first + 19;

-- A lease that is over: all messages come again, in order, by any read.
SELECT pgmq.seek('sb', '1', '{"force": true}');
SELECT pgmq.purge_queue('sb_dead');
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sb', 30, 100);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sb', 30, 100);
SELECT over_read, most_reads, most_read FROM pgmq._first_messages('sb', 1000, 2);
UPDATE pgmq.q_sb SET vt = now() - interval '1 s';
SELECT queue_length, queue_visible_length FROM pgmq.metrics('sb');
SELECT visible, delayed, in_flight FROM pgmq.queue_depth('sb');
SELECT array_agg(msg_id), min(read_ct) - max(read_ct) AS same FROM pgmq.read('sb', 30, 3);
SELECT array_agg(msg_id) FROM pgmq.pop('sb', 3);
SELECT array_agg(msg_id) FROM pgmq.read('sb', 30, 3, '{"n": 50}');
SELECT array_agg(msg_id) FROM pgmq.read_grouped('sb', 30, 3);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sb', 30, 500);
SELECT pgmq.seek('sb', '1', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 100);
UPDATE pgmq.q_sb SET vt = now();
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.pop('sb', 150);
TABLE sb_rows;
-- groups: nothing of a group while a batch has some of it
SELECT pgmq.seek('sb', '1', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 10);
SELECT count(*) FROM pgmq.read_grouped('sb', 30, 10);
TABLE sb_rows;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(1, 10));
SELECT array_agg(msg_id) FROM pgmq.read_grouped_head('sb', 30, 10);
-- a policy that says when a message is dead
SELECT pgmq.seek('sb', '1', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 10);
SELECT pgmq.set_policy('sb', '{"max_reads": 1}');
TABLE sb_rows;
UPDATE pgmq.q_sb SET vt = now();
CALL pgmq.maintain();
SELECT count(*), count(DISTINCT message) FROM pgmq.q_sb_dead;
SELECT pgmq.set_policy('sb', '{"max_reads": null}');

-- Where ids are missing, and where one comes late between those that were given out.
SELECT pgmq.seek('sb', '1', '{"force": true}');
SELECT count(*) FROM pgmq.delete('sb_log', sb_ids(50, 60));
SELECT pgmq.delete('sb', 70);
SELECT count(*) FROM pgmq.read('sb', 30, 100);
SELECT headers -> 'ids' AS ids, headers -> 'count' AS count FROM pgmq.q_sb;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(1, 112));
TABLE sb_rows;
SELECT count(*) FROM pgmq.delete('sb_log', ARRAY(SELECT generate_series(120, 180, 2)::bigint));
SELECT count(*) FROM pgmq.read('sb', 30, 50);
TABLE sb_rows;

-- What the stream has no more: a message that is deleted, and one that is lost.
SELECT pgmq.seek('sb', '1001', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 20);
SELECT pgmq.delete('sb_log', 1005);
UPDATE pgmq.q_sb SET vt = now();
SELECT count(*), bool_or(msg_id = 1005) AS deleted FROM pgmq.read('sb', 30, 20);
SELECT pgmq.seek('sb', '1001', '{"force": true}');
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.read('sb', 30, 20);
SELECT pgmq.set_policy('sb_log', '{"retention_count": 985}');
CALL pgmq.maintain();
SELECT min(msg_id) FROM pgmq.q_sb_log;
SELECT lost, in_flight FROM pgmq.list_subscriptions('sb_log');
SELECT min(d), count(*) FROM pgmq.delete('sb', sb_ids(1001, 1021)) d;
-- "consumed" keeps what a batch has
SELECT pgmq.set_policy('sb_log', '{"retention_count": null, "retention": "consumed"}');
SELECT min(msg_id) AS first, max(msg_id) AS last, count(*) FROM pgmq.read('sb', 30, 20) \gset
CALL pgmq.maintain();
SELECT min(msg_id) = :first AS kept FROM pgmq.q_sb_log;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(:first, :last));
CALL pgmq.maintain();
SELECT min(msg_id) > :last - 64 AS removed FROM pgmq.q_sb_log;

-- What a savepoint undoes.
BEGIN;
SELECT min(msg_id) AS first, count(*) FROM pgmq.read('sb', 30, 20) \gset
SAVEPOINT a;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(:first, :first + 19));
ROLLBACK TO a;
SELECT pgmq.nack('sb', :first, 10);
ROLLBACK TO a;
SELECT batches, messages FROM sb_rows;
COMMIT;
SELECT count(*) FROM pgmq.delete('sb', sb_ids(:first, :first + 19));

-- Rows that somebody has made up are no batches, and harm nothing.
INSERT INTO pgmq.q_sb (msg_id, vt, read_ct, headers) OVERRIDING SYSTEM VALUE VALUES
	(-9223372036854775808 + 1500, now(), 1, '{"ids": [[1500, 1600]], "read_ct": 1}'),
	(-9223372036854775808 + 1501, now(), 1, '{"ids": [[1501, 9000000000000000000]], "count": 1, "lease": [1, 2], "enqueued": [1, 2], "read_ct": 1}'),
	(-9223372036854775808 + 1502, now(), 1, '{"ids": [[1502, 1501]], "count": 1, "lease": [1, 2], "enqueued": [1, 2], "read_ct": 1}'),
	(-9223372036854775808 + 1503, now(), 1, '{"ids": [["a", null]], "count": 1, "lease": [1, 2], "enqueued": [1, 2], "read_ct": 1}'),
	(-9223372036854775808 + 1504, now(), 1, '{"ids": [[1504, 1505]], "count": 1, "lease": [1e400, 2], "enqueued": [1, 2], "read_ct": 1e30}'),
	(-9223372036854775808 + 1505, now(), 1, '[1]'), (-9223372036854775808 + 1506, now(), 0, NULL),
	(-9223372036854775808, now(), 1, '{"ids": [[0, 5]], "count": 1, "lease": [1, 2], "enqueued": [1, 2], "read_ct": 1}');
SELECT pgmq.nack('sb', 1501), count(*) FROM pgmq.delete('sb', ARRAY[1500, 1501, 1502, 1503, 1504, 1505, 1506]);
SELECT count(*) > 0 AS some FROM pgmq.read('sb', 30, 100);
SELECT count(*) FROM pgmq.q_sb WHERE msg_id < -9223372036854775808 + 1510 AND headers -> 'count' IS DISTINCT FROM '100';

-- Where constraints say what a row may be, each message has a row.
SELECT pgmq.seek('sb', '1001', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 20);
UPDATE pgmq.q_sb SET vt = now();
ALTER TABLE pgmq.q_sb ADD CONSTRAINT sb_check CHECK (msg_id > 0) NOT VALID;
SELECT count(*) FROM pgmq.read('sb', 30, 20);
SELECT pgmq.seek('sb', '1001', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 20);
ALTER TABLE pgmq.q_sb DROP CONSTRAINT sb_check;
ALTER TABLE pgmq.q_sb ADD CONSTRAINT sb_key FOREIGN KEY (msg_id) REFERENCES pgmq.q_sb_log;
SELECT count(*) FROM pgmq.read('sb', 30, 20);
TABLE sb_rows;
ALTER TABLE pgmq.q_sb DROP CONSTRAINT sb_key;

-- A page of what is locked goes by the first message of a batch.
SELECT min(msg_id) AS first FROM pgmq.peek('sb', 'all', 1) \gset
SELECT pgmq.seek('sb', :'first', '{"force": true}');
SELECT count(*) FROM pgmq.read('sb', 30, 20);
SELECT pgmq.nack('sb', :first, 30);
SELECT count(*) FROM pgmq.read('sb', 30, 20);
TABLE sb_rows;
BEGIN;
SELECT count(*) FROM (SELECT FROM pgmq.q_sb FOR UPDATE) AS locks;
SELECT msg_id - :first AS msg_id FROM pgmq.locked('sb', 2);
SELECT msg_id - :first AS msg_id FROM pgmq.locked('sb', 3, :first + 17);
SELECT msg_id - :first AS msg_id FROM pgmq.locked('sb', 3, :first + 20);
ROLLBACK;

DROP VIEW sb_rows;
DROP FUNCTION sb_try, sb_ids;
SELECT pgmq.drop_queue('sb'), pgmq.drop_queue('sb_dead'), pgmq.drop_queue('sb_log');
