-- stats_counters: what each verb counts, by pgmq.queue_stats
-- (the second expected output is of a server without shared memory)
SET client_min_messages = warning;
SELECT pgmq.create('st');
SELECT pgmq.create('st_dead');
-- what is not 0, and no times
CREATE FUNCTION st(queue text DEFAULT 'st') RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', '[' || state || ']', (SELECT string_agg(key || '=' || value, ' ' ORDER BY place)
		FROM json_each_text(row_to_json(s)) WITH ORDINALITY AS f (key, value, place)
		WHERE value ~ '^[1-9][0-9]*$' AND key <> 'readable'))
	FROM pgmq.stat_queues s WHERE queue_name = queue $$;
CREATE FUNCTION st_buckets(buckets bigint[]) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(n || ' <= ' || COALESCE((pgmq.stat_bounds())[place]::text, 'any'), ', ' ORDER BY place)
	FROM unnest(buckets) WITH ORDINALITY AS b (n, place) WHERE n > 0 AND place > 7 $$;
-- the bucket of each time, by its bound, and how many are in it
CREATE FUNCTION st_times(queue text DEFAULT 'st') RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', 'wait', st_buckets(wait_buckets), 'processing', st_buckets(processing_buckets),
		'age', st_buckets(age_buckets))
	FROM pgmq.stat_queues WHERE queue_name = queue $$;
-- an hour passes
CREATE FUNCTION st_later(queue text DEFAULT 'st') RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE format('UPDATE pgmq.%I SET vt = vt - interval ''1 hour'', enqueued_at = enqueued_at - interval ''1 hour'','
		' last_read_at = last_read_at - interval ''1 hour''', 'q_' || queue); END $$;
SELECT st();

-- Sent: by any path, and nothing that is rolled back.
SELECT FROM pgmq.send('st', '{"n": 1}');
SELECT FROM pgmq.send_batch('st', ARRAY['{"n": 2}', '{"n": 3}']::jsonb[]);
INSERT INTO pgmq.q_st (message) VALUES ('{"n": 4}');
COPY pgmq.q_st (message) FROM stdin;
{"n": 5}
{"n": 6}
\.
BEGIN;
SELECT FROM pgmq.send('st', '{"n": 7}');
ROLLBACK;
BEGIN;
SELECT FROM pgmq.send('st', '{"n": 8}');
SAVEPOINT one;
SELECT FROM pgmq.send('st', '{"n": 9}');
SAVEPOINT two;
SELECT FROM pgmq.send('st', '{"n": 10}');
RELEASE two;
ROLLBACK TO one;
SAVEPOINT three;
SELECT FROM pgmq.send('st', '{"n": 11}');
SAVEPOINT four;
SELECT FROM pgmq.send('st', '{"n": 12}');
RELEASE three;
SELECT st() AS not_yet;
COMMIT;
DO $$ BEGIN
	PERFORM pgmq.send('st', '{"n": 13}');
	BEGIN
		PERFORM pgmq.send('st', '{"n": 14}');
		RAISE EXCEPTION 'undone';
	EXCEPTION WHEN raise_exception THEN NULL; END;
	BEGIN
		PERFORM pgmq.send('st', '{"n": 15}');
	EXCEPTION WHEN raise_exception THEN NULL; END;
END $$;
SELECT st(), (SELECT count(*) FROM pgmq.q_st) AS there;

-- Read, given back in each way, and read again: only a lease that ran out has expired.
SELECT st_later();
SELECT count(*) FROM pgmq.read('st', 30, 6);
SELECT pgmq.nack('st', 1);
SELECT pgmq.release('st', 2);
SELECT msg_id FROM pgmq.set_vt('st', 3, 0);
SELECT count(*) FROM pgmq.read('st', 30, 3);
SELECT st(), st_times();
SELECT st_later();
SELECT count(*) FROM pgmq.read('st', 30, 6);
SELECT st(), st_times();
-- a read without a lease has none that could run out
SELECT pgmq.purge_queue('st');
SELECT pgmq.reset_queue_stats('st');
SELECT FROM pgmq.send('st', '{"n": 1}');
SELECT read_ct FROM pgmq.read('st', 0, 1);
SELECT read_ct FROM pgmq.read('st', 0, 1);
SELECT count(*) FROM pgmq.read('st', 0, 1, '{"n": 2}');
SELECT count(*) FROM pgmq.read_with_poll('st', 0, 1, 1, 10, '{"n": 2}');
SELECT read_ct FROM pgmq.read_grouped('st', 0, 1);
SELECT read_ct FROM pgmq.read_any(ARRAY['st_dead', 'st'], 30, 1);
SELECT st(), st('st_dead');
-- an acknowledgement that reads is a read
SELECT count(*) FROM pgmq.delete_and_read('st', '{}', 30, 1);
SELECT count(*) FROM pgmq.archive_and_read_with_poll('st', '{}', 30, 1, 0, 10);
SELECT count(*) FROM pgmq.delete_and_read('st', '{1}', 30, 1, '{9}');
SELECT st();

-- A message is read again for one reason or another: only a lease that ran out has expired.
CREATE PROCEDURE st_again(happens text) LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pgmq.purge_queue('st');
	PERFORM pgmq.send('st', '1');
	-- read twice, so that a release leaves one of the reads
	PERFORM pgmq.read('st', 30, 1);
	PERFORM st_later();
	PERFORM pgmq.read('st', 30, 1);
	EXECUTE replace(happens, '$', (SELECT max(msg_id)::text FROM pgmq.q_st));
	PERFORM st_later();
	COMMIT;
	PERFORM pgmq.reset_queue_stats('st');
	PERFORM pgmq.read('st', 30, 1);
	COMMIT;
END $$;
CREATE FUNCTION st_expired() RETURNS text LANGUAGE sql AS $$
	SELECT CASE expired_leases WHEN 1 THEN 'expired' WHEN 0 THEN 'given back' END || ', redelivered ' || redelivered
	FROM pgmq.stat_queues WHERE queue_name = 'st' $$;
CALL st_again('SELECT');
SELECT st_expired();
CALL st_again($$ SELECT pgmq.release('st', ARRAY[$], ARRAY[2]) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.nack('st', $) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.nack('st', $, 60) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.set_vt('st', $, 0) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.set_vt('st', $, 60) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.set_vt('st', ARRAY[$], clock_timestamp() + interval '1 minute') $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.extend('st', ARRAY[$], ARRAY[2], 60) $$);
SELECT st_expired();
-- the last of several decides
CALL st_again($$ SELECT pgmq.set_vt('st', $, 60); SELECT pgmq.extend('st', ARRAY[$], ARRAY[2], 90) $$);
SELECT st_expired();
CALL st_again($$ SELECT pgmq.extend('st', ARRAY[$], ARRAY[2], 90); SELECT pgmq.set_vt('st', $, 60) $$);
SELECT st_expired();

-- Acknowledged: with the times, and by fences.
SELECT pgmq.purge_queue('st');
SELECT FROM pgmq.send_batch('st', array_fill('{"n": 1}'::jsonb, '{9}'));
SELECT count(*) FROM pgmq.read('st', 7200, 8);
SELECT min(msg_id) AS first, pgmq.reset_queue_stats('st') FROM pgmq.q_st \gset
SELECT st_later();
SELECT pgmq.delete('st', :first), pgmq.delete('st', :first);
SELECT pgmq.delete('st', :first + 1, 2), pgmq.delete('st', :first + 1, 1);
SELECT count(*) FROM pgmq.delete('st', ARRAY[:first + 2, :first + 3, :first + 2, NULL, 0]);
SELECT count(*) FROM pgmq.delete('st', ARRAY[:first + 4, :first + 5], ARRAY[1, 2]);
SELECT pgmq.archive('st', :first + 5), pgmq.archive('st', :first + 6, 2);
SELECT count(*) FROM pgmq.archive('st', ARRAY[:first + 6, :first + 6]);
SELECT count(*) FROM pgmq.archive('st', ARRAY[:first + 7], ARRAY[1]);
SELECT st(), st_times();
SELECT count(*) FROM pgmq.pop('st', 2);
SELECT count(*) FROM pgmq.pop('st', 2);
SELECT st(), st_times();
-- fences of the other verbs
SELECT pgmq.purge_queue('st');
SELECT FROM pgmq.send_batch('st', array_fill('{"n": 1}'::jsonb, '{9}'));
SELECT min(msg_id) AS first, pgmq.reset_queue_stats('st') FROM pgmq.q_st \gset
SELECT count(*) FROM pgmq.read('st', 30, 9);
SELECT pgmq.nack('st', :first, 0, 2);
SELECT count(*) FROM pgmq.nack('st', ARRAY[:first, :first + 1], 0, ARRAY[2, 1]);
SELECT count(*) FROM pgmq.release('st', ARRAY[:first, :first + 2], ARRAY[2, 1]);
SELECT count(*) FROM pgmq.set_vt('st', :first, 0, 2);
SELECT count(*) FROM pgmq.set_vt('st', ARRAY[:first, :first + 3], 0, ARRAY[2, 1]);
SELECT count(*) AS lost FROM pgmq.extend('st', ARRAY[:first, :first + 3, :first + 4, :first + 5], ARRAY[2, 1, 1, 1], 60);
-- leases that last longer already
SELECT count(*) AS lost FROM pgmq.extend('st', ARRAY[:first + 4, :first + 5], ARRAY[1, 1], 30);
SELECT pgmq.forward('st', :first, 'st_dead', '{}', NULL, 2);
SELECT pgmq.forward('st', :first, 'st_dead', '{}', NULL, 1) IS NOT NULL AS forwarded;
SELECT st(), st('st_dead');

-- The times count even if the role that deletes may not read them.
CREATE ROLE regress_pgmq_stats;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_stats;
GRANT SELECT (msg_id), DELETE ON pgmq.q_st TO regress_pgmq_stats;
SELECT pgmq.reset_queue_stats('st');
SET ROLE regress_pgmq_stats;
SELECT pgmq.delete('st', :first + 1);
SELECT count(*) FROM pgmq.delete('st', ARRAY[:first + 2, :first + 3]);
RESET ROLE;
SELECT st();

-- Times of partitions whose columns are in other places; and of no message that a trigger keeps.
CREATE TABLE pgmq.q_st_part (LIKE pgmq.q_st INCLUDING DEFAULTS, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
ALTER TABLE pgmq.q_st_part ALTER msg_id SET DEFAULT 0;
CREATE TABLE pgmq.q_st_part_1 (vt timestamptz NOT NULL, headers jsonb, gone text, enqueued_at timestamptz NOT NULL,
	message jsonb, read_ct integer NOT NULL, last_read_at timestamptz, msg_id bigint NOT NULL);
ALTER TABLE pgmq.q_st_part_1 DROP gone;
ALTER TABLE pgmq.q_st_part ATTACH PARTITION pgmq.q_st_part_1 FOR VALUES FROM (0) TO (100);
CREATE TABLE pgmq.q_st_part_2 PARTITION OF pgmq.q_st_part FOR VALUES FROM (100) TO (200);
CREATE TABLE pgmq.a_st_part (LIKE pgmq.a_st INCLUDING DEFAULTS, PRIMARY KEY (msg_id));
SELECT pgmq.create('st_part');
INSERT INTO pgmq.q_st_part (msg_id) SELECT unnest('{1,2,3,4,5,101,102,103,104,105}'::bigint[]);
SELECT st_later('st_part');
SELECT array_agg(msg_id) FROM pgmq.read('st_part', 0, 7);
SELECT pgmq.delete('st_part', 1), pgmq.delete('st_part', 101, 1), pgmq.delete('st_part', 2, 5);
SELECT array_agg(id) FROM pgmq.delete('st_part', ARRAY[2, 102]) id;
SELECT pgmq.archive('st_part', 3), pgmq.archive('st_part', 103);
SELECT array_agg(id) FROM pgmq.archive('st_part', ARRAY[4, 104]) id;
SELECT st('st_part'), st_times('st_part');
CREATE FUNCTION st_keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON pgmq.q_st_part_1 FOR EACH ROW EXECUTE FUNCTION st_keep();
SELECT pgmq.delete('st_part', 5), pgmq.archive('st_part', 5);
SELECT array_agg(id) FROM pgmq.delete('st_part', ARRAY[5, 105]) id;
SELECT st('st_part');
SELECT pgmq.drop_queue('st_part');

-- Deduplicated, dead letters and expired messages.
SELECT pgmq.purge_queue('st') > 0 AS purged, pgmq.purge_queue('st_dead') > 0 AS dead_purged;
SELECT pgmq.set_policy('st', '{"max_reads": 1, "dead_letter_queue": "st_dead", "dedup_window": 3600, "ttl_header": true}') IS NOT NULL AS set;
SELECT pgmq.reset_queue_stats('st'), pgmq.reset_queue_stats('st_dead');
SELECT FROM pgmq.send('st', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
SELECT FROM pgmq.send('st', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
SELECT count(*) FROM pgmq.send_batch('st', ARRAY['1', '2', '3']::jsonb[],
	ARRAY['{"x-pgmq-dedup-id": "a"}', '{"x-pgmq-dedup-id": "b"}', '{"x-pgmq-dedup-id": "b"}']::jsonb[]);
SELECT st();
SELECT count(*) FROM pgmq.read('st', 30, 10);
SELECT st_later();
SELECT FROM pgmq.send('st', '4');
-- two are over-read: neither delivered, nor an expired lease
SELECT count(*) FROM pgmq.read('st', 30, 10);
SELECT st(), st('st_dead');
SELECT max(msg_id) AS last FROM pgmq.q_st \gset
SELECT pgmq.dead_letter('st', :last, 'given up'), pgmq.dead_letter('st', :last, 'given up', 1);
SELECT st();
SELECT pgmq.set_policy('st', '{"max_reads": null, "expired": "dead_letter"}') IS NOT NULL AS set;
SELECT FROM pgmq.send('st', '5', '{"x-pgmq-ttl": 60}'::jsonb);
SELECT FROM pgmq.send('st', '6', '{"x-pgmq-ttl": 600000}'::jsonb);
SELECT st_later();
SELECT count(*) FROM pgmq.read('st', 30, 10);
SELECT st(), st_times();
-- a dead letter that is refused counts as often as it is met, and the other deaths do not
SELECT pgmq.drop_queue('st_dead');
SELECT FROM pgmq.send('st', '7', '{"x-pgmq-ttl": 60}'::jsonb);
SELECT st_later();
SET client_min_messages = error;
SELECT count(*) FROM pgmq.read('st', 30, 10);
SET client_min_messages = warning;
SELECT st();
SELECT pgmq.set_policy('st', '{"dead_letter_queue": null, "expired": "drop"}') IS NOT NULL AS set;
SELECT count(*) FROM pgmq.pop('st', 10);
SELECT st();

-- .. also where a trigger reads another queue in the middle of that, and undoes another read.
SELECT pgmq.purge_queue('st') >= 0 AS purged, pgmq.create('st_dead'), pgmq.create('st_other'),
	pgmq.set_policy('st', '{"max_reads": 1, "dead_letter_queue": "st_dead", "expired": null}') IS NOT NULL AS set;
SELECT FROM pgmq.send_batch('st', array_fill('1'::jsonb, '{5}'));
SELECT FROM pgmq.send_batch('st_other', array_fill('1'::jsonb, '{20}'));
SELECT count(*) FROM pgmq.read('st', 30, 5);
SELECT st_later();
SELECT FROM pgmq.send_batch('st', array_fill('2'::jsonb, '{3}'));
CREATE FUNCTION st_nested() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pgmq.read('st_other', 30, 1);
	BEGIN
		PERFORM pgmq.read('st_other', 30, 1);
		RAISE EXCEPTION 'undone';
	EXCEPTION WHEN raise_exception THEN NULL; END;
	RETURN NEW; END $$;
CREATE TRIGGER nested BEFORE UPDATE ON pgmq.q_st FOR EACH ROW EXECUTE FUNCTION st_nested();
SELECT pgmq.reset_queue_stats('st');
SELECT count(*) FROM pgmq.read('st', 30, 8);
SELECT st(), st('st_other');
DROP TRIGGER nested ON pgmq.q_st;
SELECT pgmq.drop_queue('st_dead'), pgmq.drop_queue('st_other');

-- A message that was put off because its dead letter is refused has no lease that could run out.
SELECT pgmq.create('st_dead');
ALTER TABLE pgmq.q_st_dead ADD CHECK (message = '"other"');
SELECT pgmq.purge_queue('st') >= 0 AS purged,
	pgmq.set_policy('st', '{"max_reads": 1, "expired": null, "dead_letter_queue": "st_dead"}') IS NOT NULL AS set;
SELECT FROM pgmq.send('st', '1');
SELECT count(*) FROM pgmq.read('st', 30, 1);
SELECT st_later();
SET client_min_messages = error;
SELECT count(*) FROM pgmq.read('st', 30, 1);
SET client_min_messages = warning;
SELECT vt > clock_timestamp() AS put_off, pgmq.set_policy('st', '{"max_reads": null}') IS NOT NULL AS set FROM pgmq.q_st;
SELECT st_later(), pgmq.reset_queue_stats('st');
SELECT count(*) FROM pgmq.read('st', 30, 1);
SELECT st_expired();
SELECT pgmq.drop_queue('st_dead');

-- A queue that is dropped and created again starts at 0, one that is renamed does not.
SELECT pgmq.drop_queue('st');
SELECT pgmq.create('st');
SELECT st();
SELECT FROM pgmq.send('st', '1');
BEGIN;
SELECT FROM pgmq.send('st', '1');
SELECT pgmq.drop_queue('st');
ROLLBACK;
SELECT st();
BEGIN;
SAVEPOINT one;
SELECT pgmq.drop_queue('st');
ROLLBACK TO one;
SELECT FROM pgmq.send('st', '1');
COMMIT;
SELECT st();
ALTER TABLE pgmq.q_st RENAME TO q_st_renamed;
UPDATE pgmq.meta SET queue_name = 'st_renamed' WHERE queue_name = 'st';
SELECT st('st_renamed');
ALTER TABLE pgmq.q_st_renamed RENAME TO q_st;
UPDATE pgmq.meta SET queue_name = 'st' WHERE queue_name = 'st_renamed';
SELECT pgmq.purge_queue('st');
SELECT st() AS purged;
-- the parts of a partitioned queue are one queue
CREATE TABLE pgmq.q_st_parts (LIKE pgmq.q_st INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_st_parts_1 PARTITION OF pgmq.q_st_parts FOR VALUES FROM (1) TO (10);
CREATE TABLE pgmq.a_st_parts (LIKE pgmq.a_st INCLUDING DEFAULTS) PARTITION BY RANGE (msg_id);
SELECT pgmq.adopt_queue('st_parts');
SELECT FROM pgmq.send('st_parts', '1');
INSERT INTO pgmq.q_st_parts_1 (msg_id, vt, message) OVERRIDING SYSTEM VALUE VALUES (9, now(), '2');
SELECT count(*) FROM pgmq.read('st_parts', 30, 10);
SELECT st('st_parts');
SELECT pgmq.drop_queue('st_parts');

-- A reset is not undone, and is the owner's.
BEGIN;
SELECT pgmq.reset_queue_stats('ST');
ROLLBACK;
SELECT st(), bool_and(stats_reset > now() - interval '1 minute') AS reset FROM pgmq.stat_queues WHERE queue_name = 'st';
SELECT FROM pgmq.send('st', '1');
SELECT pgmq.reset_queue_stats(NULL);
SELECT st();
SELECT FROM pgmq.send('st', '1');
\set VERBOSITY sqlstate
SELECT pgmq.reset_queue_stats('nowhere');
SET ROLE regress_pgmq_stats;
SELECT pgmq.reset_queue_stats('st');
\set VERBOSITY default
SELECT count(*) FROM pgmq.queue_stats();
RESET ROLE;
-- rows are shown to roles with a privilege on the queue, and all to members of pg_monitor
GRANT SELECT ON pgmq.meta TO regress_pgmq_stats;
SET ROLE regress_pgmq_stats;
SELECT queue_name FROM pgmq.queue_stats() ORDER BY queue_name;
SELECT pgmq.reset_queue_stats(NULL);
RESET ROLE;
SELECT st();
GRANT SELECT ON pgmq.q_st TO regress_pgmq_stats;
SET ROLE regress_pgmq_stats;
SELECT queue_name FROM pgmq.queue_stats() ORDER BY queue_name;
RESET ROLE;
REVOKE ALL ON pgmq.q_st FROM regress_pgmq_stats;
GRANT pg_monitor TO regress_pgmq_stats;
SET ROLE regress_pgmq_stats;
SELECT queue_name FROM pgmq.stat_queues ORDER BY queue_name;
RESET ROLE;

-- Quantiles.
SELECT pgmq.stat_bounds();
CREATE FUNCTION st_quantile(at integer[], quantile float8) RETURNS float8 LANGUAGE sql AS $$
	SELECT pgmq.stat_quantile(array_agg((SELECT count(*) FROM unnest(at) x WHERE x = i) ORDER BY i), quantile)
	FROM generate_series(1, 17) i $$;
SELECT st_quantile('{8}', 0), st_quantile('{8}', 0.5), st_quantile('{8}', 1), st_quantile('{1,8,8,17}', 0.75),
	st_quantile('{17}', 0.5), st_quantile('{}', 0.5), pgmq.stat_quantile(NULL, 0.5), st_quantile('{1}', NULL);
SELECT st_quantile('{1}', 1.5);
SELECT st_quantile('{1}', 'nan');
SELECT pgmq.stat_quantile('{1,2}', 0.5);

-- The messages that are in the queue are counted exactly.
SELECT pgmq.purge_queue('st') > 0 AS purged;
SELECT * FROM pgmq.queue_depth('st');
SELECT FROM pgmq.send_batch('st', array_fill('{}'::jsonb, '{3}'));
SELECT FROM pgmq.send('st', '{}', 3600);
SELECT count(*) FROM pgmq.read('st', 7200, 1);
SELECT queue_name, visible, delayed, in_flight, oldest_visible_age BETWEEN 0 AND 600 AS age FROM pgmq.queue_depth('st');
SELECT st_later();
SELECT queue_name, visible, delayed, in_flight, oldest_visible_age BETWEEN 3600 AND 4200 AS age FROM pgmq.queue_depth('st');
\set VERBOSITY sqlstate
SELECT * FROM pgmq.queue_depth('nowhere');
REVOKE pg_monitor FROM regress_pgmq_stats;
SET ROLE regress_pgmq_stats;
SELECT * FROM pgmq.queue_depth('st');
RESET ROLE;
\set VERBOSITY default
-- How many can be read now, where the due map knows.
CREATE FUNCTION st_readable() RETURNS text LANGUAGE sql AS $$
	SELECT COALESCE(readable::text, 'unknown') FROM pgmq.stat_queues WHERE queue_name = 'st_now' $$;
SELECT pgmq.create('st_now');
SELECT st_readable() AS before_a_read;
SELECT count(*) FROM pgmq.read('st_now', 30, 1);
SELECT st_readable() AS empty;
SELECT FROM pgmq.send_batch('st_now', array_fill('{}'::jsonb, '{200}'));
SELECT st_readable() AS sent;
SELECT FROM pgmq.send('st_now', '{}', 3600);
SELECT count(*) FROM pgmq.read('st_now', 3600, 70);
SELECT st_readable() AS some_in_flight;
SELECT pgmq.nack('st_now', 7, 0);
SELECT st_readable() AS one_back;
SELECT FROM pgmq.set_vt('st_now', 8, 1);
DO $$ BEGIN FOR i IN 1 .. 1000 LOOP
	EXIT WHEN st_readable() = 'unknown';
	PERFORM pg_sleep(0.01);
END LOOP; END $$;
SELECT st_readable() AS one_lease_over;
SELECT count(*) FROM pgmq.read('st_now', 3600, 2);
SELECT st_readable() AS looked;
-- A message that was not read since a seek counts as new.
SELECT FROM pgmq.create_stream('st_log'), pgmq.create_subscription('st_sub', 'st_log');
SELECT FROM pgmq.send_batch('st_log', array_fill('{}'::jsonb, '{4}'));
SELECT count(*) FROM pgmq.read('st_sub', 3600, 4);
SELECT st('st_sub');
SELECT FROM pgmq.seek('st_sub', 'earliest', '{"force": true}');
SELECT FROM pgmq.reset_queue_stats('st_sub');
SELECT msg_id, read_ct FROM pgmq.read_grouped('st_sub', 3600, 1);
SELECT msg_id, read_ct FROM pgmq.read('st_sub', 3600, 2);
SELECT FROM pgmq.send_batch('st_log', array_fill('{}'::jsonb, '{3}'));
SELECT msg_id, read_ct FROM pgmq.read('st_sub', 3600, 2);
SELECT msg_id, read_ct FROM pgmq.read('st_sub', 3600, 4);
SELECT st('st_sub') AS new;
SELECT pgmq.nack('st_sub', 1, 0), pgmq.nack('st_sub', 7, 0);
SELECT msg_id, read_ct FROM pgmq.read('st_sub', 3600, 4);
SELECT st('st_sub') AS again;
SELECT pgmq.drop_queue('st_sub'), pgmq.drop_queue('st_log');
SELECT pgmq.drop_queue('st_now');
SELECT pgmq.drop_queue('st');
DROP OWNED BY regress_pgmq_stats;
DROP ROLE regress_pgmq_stats;
DROP FUNCTION st, st_times, st_buckets, st_later, st_quantile, st_keep, st_readable;
