-- policy_limits_reads: max_in_flight, rate, and both for each value of a header
-- (the second expected output is of a server without shared memory)
SET client_min_messages = warning;
SELECT pgmq.create('limr');
SELECT pgmq.set_policy('limr', '{"max_in_flight": 3}');
SELECT pgmq.get_policy('limr') = '{}' AS cannot \gset
\if :cannot
	SELECT pgmq.drop_queue('limr');
	\quit
\endif
CREATE FUNCTION limr(qty integer DEFAULT 100, vt integer DEFAULT 30) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(message::text, ' ' ORDER BY msg_id) FROM pgmq.read('limr', vt, qty) $$;
CREATE FUNCTION limr_send(tenant text, n integer) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM pgmq.send_batch('limr', ARRAY(SELECT to_jsonb(tenant || i) FROM generate_series(1, n) i),
		ARRAY(SELECT jsonb_build_object('tenant', tenant) FROM generate_series(1, n))) $$;

-- values
SELECT pgmq.set_policy('limr', '{"max_in_flight": 0}');
SELECT pgmq.set_policy('limr', '{"rate": 0}');
SELECT pgmq.set_policy('limr', '{"rate": -1}');
SELECT pgmq.set_policy('limr', '{"rate": 1000001}');
SELECT pgmq.set_policy('limr', '{"rate": "10"}');
SELECT pgmq.set_policy('limr', '{"burst": 0}');
SELECT pgmq.set_policy('limr', '{"max_in_flight_each": 1}');
SELECT pgmq.set_policy('limr', '{"rate_each": 1}');
SELECT pgmq.set_policy('limr', '{"fair": true}');
SELECT pgmq.set_policy('limr', '{"limit_by": ""}');
SELECT pgmq.set_policy('limr', '{"limit_by": 1}');
SELECT pgmq.set_policy('limr', jsonb_build_object('limit_by', repeat('x', 64)));

-- max_in_flight: a read returns what there is room for
SELECT FROM pgmq.send_batch('limr', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20) i));
SELECT limr(2);
SELECT limr(2);
SELECT limr(2);
SELECT count(*) FROM pgmq.read_grouped('limr', 30, 5);
SELECT count(*) FROM pgmq.read_any('{limr}', 30, 5);
SELECT count(*) FROM pgmq.read('limr', 30, 5, '{}');
-- deleted, archived, given back, or with the lease taken back, a message is not in flight
SELECT pgmq.delete('limr', 1);
SELECT limr();
SELECT pgmq.archive('limr', 2);
SELECT limr();
SELECT pgmq.nack('limr', 3, 3600);
SELECT limr();
SELECT pgmq.release('limr', 4);
SELECT limr();
SELECT FROM pgmq.set_vt('limr', 4, 0);
SELECT limr();
DELETE FROM pgmq.q_limr WHERE msg_id = 4;
SELECT limr();
SELECT message FROM pgmq.delete_and_read('limr', ARRAY[5], 30, 5);
-- a longer lease is the same one; a pop takes none
SELECT FROM pgmq.set_vt('limr', 7, 60);
SELECT limr();
SELECT message FROM pgmq.pop('limr', 1);
-- grouped reads
SELECT pgmq.delete('limr', ARRAY[6, 7]);
SELECT message FROM pgmq.read_grouped('limr', 30, 5);
-- in a transaction what it gives up itself is free for it
BEGIN;
SELECT pgmq.delete('limr', 8) ;
SELECT limr();
SAVEPOINT s;
ROLLBACK TO s;
ROLLBACK;
BEGIN;
SELECT pgmq.delete('limr', 8);
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT limr();
ROLLBACK TO s;
SELECT limr();
-- a lease of its own is over at once
SELECT pgmq.delete('limr', (SELECT max(msg_id) FROM pgmq.q_limr WHERE vt > now() AND msg_id > 8 AND read_ct > 0));
SELECT limr();
ROLLBACK;
SELECT limr();
BEGIN;
SELECT pgmq.delete('limr', 10);
PREPARE TRANSACTION 'limr';
SELECT limr();
-- but once, if it takes it again, and not when its lease would have ended anyway
SELECT pgmq.set_policy('limr', '{"max_in_flight": 1}');
SELECT pgmq.delete('limr', ARRAY(SELECT msg_id FROM pgmq.q_limr WHERE read_ct > 0 AND vt > now()));
SELECT limr();
BEGIN;
SELECT pgmq.release('limr', 13), limr() = '13' AS again;
SELECT pgmq.release('limr', 13), limr() = '13' AS again, limr();
SELECT pgmq.nack('limr', 13, 60);
SELECT pgmq.delete('limr', 13);
SELECT limr(2);
ROLLBACK;
SELECT FROM pgmq.set_vt('limr', 13, 1);
BEGIN;
SELECT vt AS lease_end FROM pgmq.q_limr WHERE msg_id = 13 \gset
SELECT pgmq.delete('limr', 13);
SELECT pg_sleep_until(:'lease_end');
SELECT limr(2);
COMMIT;
-- what is in flight when the policy is set counts, and purging ends it
SELECT pgmq.set_policy('limr', '{"max_in_flight": null}');
SELECT limr(2);
SELECT pgmq.set_policy('limr', '{"max_in_flight": 6}');
SELECT limr();
SELECT pgmq.set_policy('limr', '{"max_in_flight": 2}');
SELECT limr();
SELECT pgmq.purge_queue('limr');
SELECT limr_send('a', 10);
SELECT limr();
-- leases end as time passes, which ends a wait
SELECT pgmq.delete('limr', ARRAY(SELECT msg_id FROM pgmq.q_limr WHERE read_ct > 0));
SELECT limr(100, 1);
SELECT limr();
SELECT count(*) FROM pgmq.read_with_poll('limr', 30, 2, 60);
-- a message that was read and purged by one transaction is gone
SELECT pgmq.purge_queue('limr');
SELECT limr_send('a', 5);
BEGIN;
SELECT limr();
SELECT pgmq.purge_queue('limr');
SAVEPOINT s;
SELECT limr_send('b', 1);
SELECT limr();
ROLLBACK TO s;
COMMIT;
SELECT limr_send('c', 3);
SELECT limr();
BEGIN;
SAVEPOINT s;
SELECT pgmq.purge_queue('limr');
ROLLBACK TO s;
SELECT limr();
COMMIT;
SELECT limr();
-- over-read messages count no longer than they are there
SELECT pgmq.create('limr_dead');
SELECT FROM pgmq.set_policy('limr', '{"max_in_flight": 2, "max_reads": 1, "dead_letter_queue": "limr_dead"}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('a', 5);
SELECT limr(2, 0);
SELECT limr();
SELECT limr();
SELECT FROM pgmq.set_policy('limr', '{"max_in_flight": null, "max_reads": null, "dead_letter_queue": null}');
SELECT count(*) FROM pg_trigger WHERE tgname ~ 'limits';

-- a read that fails takes nothing, and the next one in its transaction is limited as ever
SELECT FROM pgmq.set_policy('limr', '{"max_in_flight": 2}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('f', 5);
CREATE FUNCTION limr_fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fails'; END $$;
CREATE TRIGGER fails AFTER UPDATE ON pgmq.q_limr FOR EACH ROW WHEN (OLD.message = '"f2"') EXECUTE FUNCTION limr_fail();
BEGIN;
DO $$ BEGIN PERFORM limr(2); EXCEPTION WHEN raise_exception THEN RAISE INFO '%', sqlerrm; END $$;
SELECT limr(1);
DROP TRIGGER fails ON pgmq.q_limr;
UPDATE pgmq.q_limr SET read_ct = 1, vt = now() + '1 h' WHERE message = '"f3"';
SELECT limr();
UPDATE pgmq.q_limr SET vt = now() WHERE message = '"f3"';
SELECT limr();
COMMIT;
SELECT limr();
DROP FUNCTION limr_fail();
SELECT FROM pgmq.set_policy('limr', '{"max_in_flight": null}');

-- rate: a burst at once, and the rest as time passes
SELECT pgmq.set_policy('limr', '{"rate": 0.001, "burst": 3}');
SELECT pgmq.purge_queue('limr');
SELECT limr();
SELECT limr_send('b', 10);
SELECT limr(2);
-- what was rolled back does not count, nor a read that found nothing
BEGIN;
SELECT limr();
SELECT limr();
SAVEPOINT s;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT limr();
ROLLBACK TO s;
SELECT limr();
COMMIT;
SELECT limr();
SELECT count(*) FROM pgmq.pop('limr', 1);
SELECT count(*) FROM pgmq.read_grouped('limr', 30, 1);
-- a change of the policy holds at once, for those who wait as well
SELECT pgmq.set_policy('limr', '{"rate": 1000, "burst": 2}');
SELECT count(*) FROM pgmq.read_with_poll('limr', 30, 1, 60);
-- a transaction that only reads can be prepared, where the server has that
SELECT FROM pgmq.set_policy('limr', '{"rate": null, "burst": null}');

-- by the value of a header
SELECT pgmq.set_policy('limr', '{"limit_by": "tenant", "max_in_flight_each": 2}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('noisy', 1000);
SELECT limr_send('b', 1);
SELECT limr_send('c', 3);
SELECT FROM pgmq.send('limr', '"none"');
SELECT FROM pgmq.send('limr', '"null"', '{"tenant": null}'::jsonb);
SELECT FROM pgmq.send('limr', '"no object"', '[1]'::jsonb);
SELECT FROM pgmq.send('limr', '"number"', '{"tenant": 1.50}'::jsonb);
SELECT FROM pgmq.send('limr', '"object"', '{"tenant": {"a": 1}}'::jsonb);
-- a megabyte
SELECT FROM pgmq.send('limr', '"large"', jsonb_build_object('tenant', repeat('x', 1000000)));
SELECT FROM pgmq.send('limr', '"large"', jsonb_build_object('tenant', repeat('x', 1000000)));
SELECT FROM pgmq.send('limr', '"large"', jsonb_build_object('tenant', repeat('x', 1000000)));
SELECT limr(1000);
SELECT limr();
SELECT pgmq.delete('limr', (SELECT min(msg_id) FROM pgmq.q_limr));
SELECT limr();
-- a wait goes on while all values have had enough
SELECT clock_timestamp() AS begun \gset
CALL pgmq.wait('limr', 1);
SELECT clock_timestamp() - :'begun' >= '1 s' AS waited;
SELECT FROM pgmq.send('limr', '"new"', '{"tenant": "new"}'::jsonb);
SELECT clock_timestamp() AS begun \gset
CALL pgmq.wait('limr', 60);
SELECT clock_timestamp() - :'begun' < '30 s' AS found, limr();
-- with a filter, and where messages die
SELECT pgmq.delete('limr', (SELECT min(msg_id) FROM pgmq.q_limr));
SELECT message FROM pgmq.read('limr', 30, 10, '"noisy7"');
SELECT FROM pgmq.set_policy('limr', '{"max_reads": 1, "dead_letter_queue": "limr_dead"}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('d', 4);
SELECT limr(100, 0);
SELECT limr(100);
SELECT limr(100);
SELECT FROM pgmq.set_policy('limr', '{"max_reads": null, "dead_letter_queue": null}');
-- a rate for each
SELECT pgmq.purge_queue('limr');
SELECT pgmq.set_policy('limr', '{"max_in_flight_each": null, "rate_each": 0.001, "burst_each": 2}');
SELECT limr_send('a', 5);
SELECT limr_send('b', 5);
SELECT limr();
SELECT limr();
-- both for the queue and for each
SELECT pgmq.set_policy('limr', '{"max_in_flight": 3, "max_in_flight_each": 2, "rate_each": null, "burst_each": null}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('a', 5);
SELECT limr_send('b', 5);
SELECT count(*) FROM pgmq.read('limr', 30, 10);
-- fair: with 30 in flight and more than a tenth of all, a value comes after others
SELECT pgmq.set_policy('limr', '{"max_in_flight": null, "max_in_flight_each": null, "fair": true}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('noisy', 100);
SELECT count(*) FROM pgmq.read('limr', 30, 40);
SELECT limr_send('quiet', 3);
SELECT limr(4);
SELECT limr(1);
-- grouped reads: a group whose next message has a value that had enough is left alone
CREATE FUNCTION limr_groups(rounds integer DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (VALUES ('a', 'g', 3), ('a', 'h', 1), ('b', 'i', 3)) v (tenant, grp, count),
		generate_series(1, count * rounds) n,
		pgmq.send('limr', to_jsonb(tenant || n || grp), jsonb_build_object('tenant', tenant, 'x-pgmq-group', grp)) $$;
CREATE FUNCTION limr_grouped(kind text, qty integer DEFAULT 100, vt integer DEFAULT 30) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE got text; BEGIN
	EXECUTE format('SELECT string_agg(message::text, '' '') FROM pgmq.%I(''limr'', %s, %s)', kind, vt, qty) INTO got;
	RETURN got; END $$;
SELECT pgmq.set_policy('limr', '{"fair": null, "max_in_flight_each": 2}');
SELECT pgmq.purge_queue('limr');
SELECT limr_groups();
SELECT limr_grouped('read_grouped', 100, 0);
SELECT limr_grouped('read_grouped');
SELECT limr_grouped('read_grouped');
SELECT pgmq.delete('limr', (SELECT min(msg_id) FROM pgmq.q_limr));
SELECT limr_grouped('read_grouped');
SELECT pgmq.purge_queue('limr');
SELECT limr_groups();
SELECT limr_grouped('read_grouped_rr');
SELECT pgmq.purge_queue('limr');
SELECT limr_groups();
SELECT limr_grouped('read_grouped_head');
-- what is rolled back, or is disposed of, does not count; what is purged does until the commit
BEGIN;
SELECT pgmq.purge_queue('limr');
SELECT limr_groups();
SAVEPOINT s;
SELECT limr_grouped('read_grouped');
ROLLBACK TO s;
SELECT limr_grouped('read_grouped', 1);
COMMIT;
SELECT limr_grouped('read_grouped_head');
SELECT FROM pgmq.set_policy('limr', '{"max_reads": 1, "dead_letter_queue": "limr_dead", "max_in_flight_each": null,
	"rate_each": 0.001, "burst_each": 3}');
SELECT pgmq.purge_queue('limr');
SELECT limr_groups();
SELECT limr_grouped('read_grouped', 1, 0);
SELECT limr_grouped('read_grouped');
SELECT count(*) FROM pgmq.q_limr_dead;
SELECT limr_grouped('read_grouped_head');
-- and of each: a noisy value comes after the others
SELECT FROM pgmq.set_policy('limr', '{"max_reads": null, "dead_letter_queue": null, "rate_each": null,
	"burst_each": null, "fair": true}');
SELECT pgmq.purge_queue('limr');
SELECT limr_groups(12);
SELECT limr_grouped('read_grouped', 32);
SELECT limr_grouped('read_grouped', 3);
SELECT limr_grouped('read_grouped', 1);
-- pop: by the rate of each, while what is in flight is none of its business
SELECT FROM pgmq.set_policy('limr', '{"fair": null, "max_in_flight_each": 1, "rate_each": 0.001, "burst_each": 2}');
SELECT pgmq.purge_queue('limr');
SELECT limr_send('p', 5);
SELECT limr_send('q', 5);
BEGIN;
SELECT string_agg(message::text, ' ' ORDER BY message) FROM pgmq.pop('limr', 3);
ROLLBACK;
SELECT string_agg(message::text, ' ' ORDER BY message) FROM pgmq.pop('limr', 10);
SELECT string_agg(message::text, ' ' ORDER BY message) FROM pgmq.pop('limr', 10);
SELECT FROM pgmq.set_policy('limr', '{"max_reads": 1, "dead_letter_queue": "limr_dead", "rate_each": null, "burst_each": null}');
SELECT limr(1, 0);
SELECT string_agg(message::text, ' ' ORDER BY message) FROM pgmq.pop('limr', 2);
SELECT string_agg(message::text, ' ' ORDER BY message) FROM pgmq.pop('limr', 10);
SELECT FROM pgmq.set_policy('limr', '{"max_reads": null, "dead_letter_queue": null, "max_in_flight_each": null, "fair": true}');
SELECT limr_send('noisy', 3);
DROP FUNCTION limr_groups(integer);
DROP FUNCTION limr_grouped(text, integer, integer);
-- with more values that have had enough than one read tries, a later one goes on
SELECT pgmq.create('limv');
SET client_min_messages = notice;
SELECT FROM pgmq.set_policy('limv', '{"limit_by": "tenant", "rate_each": 1}');
SET client_min_messages = warning;
SELECT pgmq.set_policy('limv', '{"rate_each": null, "max_in_flight_each": 1}');
SELECT count(*) FROM pgmq.send_batch('limv', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 1200) i),
	ARRAY(SELECT jsonb_build_object('tenant', i) FROM generate_series(1, 1200) i));
SELECT count(*) FROM pgmq.read('limv', 600, 2000);
SELECT count(*) FROM pgmq.read('limv', 600, 2000);
DO $$ BEGIN FOR k IN 1 .. 13 LOOP
	PERFORM pgmq.send('limv', to_jsonb(k), jsonb_build_object('tenant', 'x' || k));
	PERFORM pgmq.read('limv', 600, 5);
END LOOP; END $$;
SELECT message FROM pgmq.read_with_poll('limv', 600, 5, 20);
SELECT pgmq.drop_queue('limv');
-- another header, and none
SELECT pgmq.set_policy('limr', '{"limit_by": "x-pgmq-group"}');
SELECT pg_get_indexdef('pgmq.q_limr_limit_idx'::regclass);
SELECT limr(1);
SELECT pgmq.set_policy('limr', '{"limit_by": null, "fair": null}');
SELECT to_regclass('pgmq.q_limr_limit_idx');
SELECT pgmq.drop_queue('limr_dead');
SELECT pgmq.drop_queue('limr');
DROP FUNCTION limr(integer, integer);
DROP FUNCTION limr_send(text, integer);
