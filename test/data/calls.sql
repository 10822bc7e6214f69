-- What spi_memory.pl has backends do: every function of the extension, in
-- every way that ends differently; and the same tables without the extension.
CREATE EXTENSION pgmq_c;
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_partman') THEN
		CREATE SCHEMA partman;
		CREATE EXTENSION pg_partman SCHEMA partman;
	END IF;
END
$$;
SELECT pgmq.create('long'), pgmq.create('pol'), pgmq.create('dead'), pgmq.create('groups'),
	pgmq.create_unlogged('un'), pgmq.create('picky');
SELECT pgmq.set_policy('un', '{"priorities": true}');
SELECT pgmq.bind_topic('order.*', 'long'), pgmq.bind_topic('order.#', 'un');
SELECT pgmq.enable_notify_insert('long', 0);
ALTER TABLE pgmq.q_picky ADD CHECK (message <> '"no"');
SELECT pgmq.create_stream('log'), pgmq.create('turned');
SELECT pgmq.create_subscription('sub', 'log'), pgmq.create_subscription('all', 'log', 'earliest'),
	pgmq.create_subscription('later', 'log', 1), pgmq.create_subscription('since', 'log', now()),
	pgmq.create_subscription('some', 'log', 'latest', '{"message": {"n": 1}}'), pgmq.convert_to_stream('turned', 'turned_log');
SELECT pgmq.send('log', '{"n": 1}'), pgmq.read('some', 0, 1), pgmq.pop('all', 10), pgmq.list_subscriptions('log'), pgmq.list_subscriptions();
SELECT pgmq.seek('sub', 'latest'), pgmq.seek('some', 'latest', '{"force": true}'), pgmq.seek('since', now()), pgmq.seek('later', 1);
-- limits need shared memory
DO $$
BEGIN
	IF current_setting('shared_preload_libraries') <> '' THEN
		PERFORM pgmq.create('limited');
		PERFORM pgmq.set_policy('limited', '{"max_length": 10}');
		PERFORM pgmq.send('limited', '1');
	END IF;
END
$$;
CREATE SEQUENCE names;

-- what must fail, each in another place
CREATE TABLE bad (stmt text);
INSERT INTO bad VALUES
($$SELECT pgmq.send('not there', '{}')$$),
($$SELECT pgmq.send('picky', '"no"')$$),
($$SELECT pgmq.send_batch('picky', ARRAY['1', '"no"']::jsonb[])$$),
($$SELECT pgmq.send_topic('order..x', '{}')$$),
($$SELECT pgmq.read('long', 0, -1)$$),
($$SELECT pgmq.read_any(ARRAY['long', 'not there'], 0, 1)$$),
($$SELECT pgmq.dead_letter('long', ARRAY[1], 'why')$$),
($$SELECT pgmq.redrive('not there', 1)$$),
($$SELECT pgmq.extend('long', ARRAY[1], ARRAY[1], -1)$$),
($$SELECT pgmq.set_policy('pol', '{"max_reads": "many"}')$$),
($$SELECT pgmq.send('pol', '{}', '{"x-pgmq-ttl": "soon"}'::jsonb)$$),
($$SELECT pgmq.create('no good name; really not')$$),
($$SELECT pgmq.forward('long', m.msg_id, 'not there', '{}', NULL, m.read_ct) FROM pgmq.read('long', 0, 1) AS m$$),
($$SELECT pgmq.validate_topic_pattern('a b')$$),
($$SELECT pgmq.metrics('not there')$$),
($$SELECT 1 / (SELECT count(*) - 1 FROM pgmq.read('long', 0, 1))$$),
($$SELECT pgmq.enable_notify_insert('not there')$$),
($$SELECT pgmq.unarchive('not there', 1)$$),
($$SELECT pgmq.nack('pol', 1, -1)$$),
($$SELECT pgmq.delete('long', '{1,2}')$$),
($$SELECT pgmq.set_vt('long', 1, 'soon')$$),
($$SELECT pgmq.send_batch('long', '{1}', '{"{", "}"}')$$);
CREATE PROCEDURE sends() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgmq.send('long', '1'), pgmq.send('long', '2', '{"h": 1}'::jsonb), pgmq.send('long', '3', 0),
		pgmq.send('long', '4', now()), pgmq.send('long', '5', '{"h": 1}'::jsonb, 0),
		pgmq.send('long', '6', '{"h": 1}'::jsonb, now()), pgmq.send('long', '7', '{"h": 1}');
	PERFORM pgmq.send_batch('long', ARRAY['1', '2']::jsonb[]), pgmq.send_batch('long', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[]),
		pgmq.send_batch('long', ARRAY['1']::jsonb[], 0), pgmq.send_batch('long', ARRAY['1']::jsonb[], now()),
		pgmq.send_batch('long', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[], 0),
		pgmq.send_batch('long', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[], now()),
		pgmq._send_batch('long', ARRAY['1']::jsonb[], NULL, now());
	PERFORM pgmq.send_topic('order.new', '1'), pgmq.send_topic('order.new', '1', 0), pgmq.send_topic('order.new', '1', '{}', 0),
		pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[]), pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[], 0),
		pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[], now()),
		pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[]),
		pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[], 0),
		pgmq.send_batch_topic('order.new', ARRAY['1']::jsonb[], ARRAY['{}']::jsonb[], now());
	PERFORM pgmq.send('un', '{"n": 1}'), pgmq.send('picky', '1');
	PERFORM pgmq.send('pol', '1', format('{"x-pgmq-dedup-id": "%s", "x-pgmq-ttl": 60}', i % 3)::jsonb) FROM generate_series(1, 4) AS i;
	PERFORM pgmq.send_batch('pol', ARRAY['2', '3', '4', '5', '6', '7']::jsonb[], ARRAY['{"x-pgmq-dedup-id": "a"}', '{}', NULL, NULL, NULL, NULL]::jsonb[]);
	PERFORM pgmq.send('groups', '1', format('{"x-pgmq-group": "%s"}', i % 4)::jsonb) FROM generate_series(1, 12) AS i;
END
$$;
-- the forms for intervals and for arguments without a type, and release
CREATE PROCEDURE untyped() LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
	cts int[];
	s interval := '0.1 s';
BEGIN
	PERFORM pgmq.send('long', '1', s), pgmq.send('long', '1', '{}'::jsonb, s), pgmq.send('long', '1', delay => '-1 s'),
		pgmq.send('long', '1', '{"h": 1}'::jsonb, '0'), pgmq.send('long', '1', '1 s'), pgmq.send('long', '1', NULL);
	PERFORM pgmq.send_batch('long', '{1}', s), pgmq.send_batch('long', '{1}', '{NULL}'::jsonb[], s),
		pgmq.send_batch('long', '{1,2}', '{NULL,NULL}'), pgmq.send_batch('long', '{1}', '1 s'), pgmq.send_batch('long', '{1}', '{NULL}', 'now');
	PERFORM pgmq.send_batch_topic('order.new', '{1}', s), pgmq.send_batch_topic('order.new', '{1}', '{NULL}'::jsonb[], s),
		pgmq.send_batch_topic('order.new', '{1}', '{NULL}'), pgmq.send_batch_topic('order.new', '{1}', '{NULL}', '1');
	PERFORM pgmq.send_batch('long', array_fill('1'::jsonb, ARRAY[30]));
	SELECT array_agg(r.msg_id), array_agg(r.read_ct) INTO ids, cts FROM pgmq.read('long', 30, 30) AS r;
	PERFORM pgmq.set_vt('long', ids[1], s), pgmq.set_vt('long', ids[1:2], s), pgmq.set_vt('long', ids[1], s, cts[1]), pgmq.set_vt('long', ids[1:2], s, cts[1:2]),
		pgmq.set_vt('long', ids[1], '1 s'), pgmq.set_vt('long', ids[1:2], '1'), pgmq.set_vt('long', ids[1], 'now', cts[1]), pgmq.set_vt('long', ids[1:2], '1 s', cts[1:2]),
		pgmq.set_vt('long', ids[1]::text, 1), pgmq.set_vt('long', ids[1:2]::text, '1 s'), pgmq.set_vt('long', ids[1:2]::text, '1 s', cts[1:2]::text);
	PERFORM pgmq.extend('long', ids[1:2], cts[1:2], 1);
	PERFORM pgmq.delete_and_read('un', '{}', 0, 1), pgmq.delete_and_read('un', '{}', 0, 1, '{}'), pgmq.archive_and_read('un', '{}', 0, 1), pgmq.archive_and_read('un', '{}', 0, 1, '{}'),
		pgmq.delete_and_read_with_poll('un', '{}', 0, 1, 0), pgmq.delete_and_read_with_poll('un', '{}', 0, 1, 0, 10, '{}'),
		pgmq.archive_and_read_with_poll('un', '{}', 0, 1, 0), pgmq.archive_and_read_with_poll('un', '{}', 0, 1, 0, 10, '{}');
	PERFORM pgmq.nack('long', ids[3], 0, cts[3], 'e'), pgmq.nack('long', ids[4:5], 0, cts[4:5], 'e'), pgmq.nack('long', ids[6]::text), pgmq.nack('long', '{}'),
		pgmq.nack('long', ids[6]::text, 0), pgmq.nack('long', ids[6]::text, '0'), pgmq.nack('long', ids[6]::text, '0', '1'), pgmq.nack('long', ids[6]::text, NULL, '1', 'e');
	PERFORM pgmq.release('long', ids[7]), pgmq.release('long', ids[8], cts[8]), pgmq.release('long', ids[9:10]), pgmq.release('long', ids[11:12], cts[11:12]),
		pgmq.release('long', ids[13], 0, cts[13]), pgmq.release('long', ids[14], now(), cts[14]), pgmq.release('long', ids[15], s, cts[15]),
		pgmq.release('long', ids[16], '0', cts[16]), pgmq.release('long', ids[17]::text), pgmq.release('long', ids[18]::text, cts[18]::text);
	PERFORM pgmq.delete('long', ids[19]::text), pgmq.delete('long', ids[20]::text, cts[20]::text), pgmq.archive('long', ids[21]::text),
		pgmq.archive('long', ids[22]::text, cts[22]::text), pgmq.unarchive('long', ids[21]::text), pgmq.unarchive('long', ids[21:22]::text);
	PERFORM pgmq.send_batch('pol', '{1,2}');
	SELECT array_agg(r.msg_id), array_agg(r.read_ct) INTO ids, cts FROM pgmq.read('pol', 0, 2) AS r;
	PERFORM pgmq.dead_letter('pol', ids[1]::text, 'a'), pgmq.dead_letter('pol', ids[2]::text, 'a', cts[2]::text);
	PERFORM pgmq.pop('dead', 100), pgmq.pop('un', 100);
	UPDATE pgmq.q_long SET vt = now();
END
$$;
CREATE PROCEDURE reads() LANGUAGE plpgsql AS $$
DECLARE
	m pgmq.message_record;
	ids bigint[];
	cts int[];
	c refcursor;
BEGIN
	SELECT array_agg(r.msg_id), array_agg(r.read_ct) INTO ids, cts FROM pgmq.read('long', 30, 18) AS r;
	PERFORM pgmq.set_vt('long', ids[1], 0), pgmq.set_vt('long', ids[1:2], 0), pgmq.set_vt('long', ids[1], 30, cts[1]),
		pgmq.set_vt('long', ids[1:2], 30, cts[1:2]), pgmq.set_vt('long', ids[1], now()), pgmq.set_vt('long', ids[1:2], now()),
		pgmq.set_vt('long', ids[1], now(), cts[1]), pgmq.set_vt('long', ids[1:2], now(), cts[1:2]);
	PERFORM pgmq.nack('long', ids[1]), pgmq.nack('long', ids[1], 1), pgmq.nack('long', ids[1], 0, cts[1]),
		pgmq.nack('long', ids[1:2]), pgmq.nack('long', ids[1:2], 0), pgmq.nack('long', ids[1:2], ARRAY[0, 1]),
		pgmq.nack('long', ids[1:2], 0, cts[1:2]), pgmq.nack('long', ids[1:2], ARRAY[0, 0], cts[1:2]);
	PERFORM pgmq.delete('long', ids[3]), pgmq.delete('long', ids[4], cts[4]), pgmq.delete('long', ids[5:6]), pgmq.delete('long', ids[7:8], cts[7:8]);
	PERFORM pgmq.archive('long', ids[9]), pgmq.archive('long', ids[10], cts[10]), pgmq.archive('long', ids[11:12]), pgmq.archive('long', ids[13:14], cts[13:14]);
	PERFORM pgmq.peek('long', 'visible'), pgmq.peek_archive('long', 1), pgmq.unarchive('long', ids[9]), pgmq.unarchive('long', ids[11:12]);
	PERFORM pgmq.forward('long', ids[15], 'un', '{}', NULL, cts[15]);
	PERFORM pgmq.read_with_poll('long', 30, 1, 0), pgmq.read('un', 0, 1, '{"n": 1}'), pgmq.read_any(ARRAY['un', 'picky'], 0, 3),
		pgmq.read_any_with_poll(ARRAY['un', 'picky'], 0, 3, 0, 10, '{}'), pgmq.pop('un'), pgmq.pop('picky', 3);

	SELECT array_agg(r.msg_id), array_agg(r.read_ct) INTO ids, cts FROM pgmq.read('pol', 0, 5) AS r;
	PERFORM pgmq.dead_letter('pol', ids[1], 'a'), pgmq.dead_letter('pol', ids[2], 'a', cts[2]),
		pgmq.dead_letter('pol', ids[3:3], 'a'), pgmq.dead_letter('pol', ids[4:4], 'a', cts[4:4]);
	PERFORM pgmq.redrive('dead', 1), pgmq.redrive('dead', 1, '{"to_queue": "un"}'), pgmq.pop('dead', 10), pgmq.nack('pol', ids[5]);
	PERFORM pgmq.pop('pol', 100);

	PERFORM pgmq.read_grouped('groups', 0, 3), pgmq.read_grouped_rr('groups', 0, 3), pgmq.read_grouped_head('groups', 0, 3),
		pgmq.read_grouped_with_poll('groups', 0, 3, 0), pgmq.read_grouped_rr_with_poll('groups', 0, 3, 0),
		pgmq.read_grouped_head_with_poll('groups', 0, 3, 0);
	FOR m IN SELECT * FROM pgmq.read_grouped('groups', 30, 8) LOOP
		PERFORM pgmq.delete('groups', m.msg_id);
	END LOOP;
	OPEN c FOR SELECT (pgmq.read('groups', 0, 3)).*;
	FETCH c INTO m;
	PERFORM pgmq.purge_queue('picky');
	CLOSE c;
	PERFORM pgmq.pop('long', 100), pgmq.pop('un', 100), pgmq.pop('groups', 4);
	CALL untyped();
	PERFORM pgmq.pop('long', 100);
END
$$;
CREATE PROCEDURE looks(n int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgmq.set_policy('pol', format('{"max_reads": %s, "dead_letter_queue": "dead", "dedup_window": %s, "ttl_header": true, "backoff": "linear", "expired": "dead_letter", "archive_retention": 1}',
		3 + n % 3, 60 + n % 2)::jsonb), pgmq.get_policy('pol');
	PERFORM pgmq.set_policy('groups', jsonb_build_object('strict_fifo', n % 2 = 0));
	PERFORM pgmq._priority_key('{"x-pgmq-priority": 3}', n), pgmq._priority_key(NULL, n);
	PERFORM pgmq.send('un', '1', jsonb_build_object('x-pgmq-priority', n % 10));
	PERFORM pgmq.pause('picky', now() + '1 hour'), pgmq.read('picky', 0, 1), pgmq.resume('picky');
	CALL pgmq.maintain();
	CALL pgmq.wait('long', 0);
	PERFORM pgmq.metrics('long'), pgmq.metrics_all(), pgmq.engine_status(), pgmq.locked('long'), pgmq.horizon(), pgmq.adopt_queue('long'), pgmq.list_queues(), pgmq.list_notify_insert_throttles(),
		pgmq.list_topic_bindings(), pgmq.list_topic_bindings('long'), pgmq.test_routing('order.new'), pgmq.test_routing('order.new', '{}');
	PERFORM pgmq.waiters(), pgmq.memory_status(), pgmq.maintenance_status(), pgmq.partition_status(), pgmq.horizon_costs(),
		pgmq.health(), pgmq.overview(), pgmq._close_queue('long'), pgmq._queue_tables(), pgmq._policies(), pgmq._first_messages('long', 10, 5),
		pgmq._last_id('long', 'pgmq.q_long_msg_id_seq'::regclass),
		pgmq._health_limits('{}');
	PERFORM pgmq.queue_stats();
	PERFORM pgmq.reset_queue_stats('long'), pgmq.stat_bounds(), pgmq.stat_quantile(array_fill(1::bigint, '{17}'), 0.5), pgmq.queue_depth('long');
	PERFORM pgmq.disable_notify_insert('long'), pgmq.enable_notify_insert('long', 0), pgmq.update_notify_insert('long', 1);
	PERFORM pgmq.unbind_topic('order.#', 'un'), pgmq.bind_topic('order.#', 'un'), pgmq.bind_topic('amqp:order.#', 'un'), pgmq.bind_topic('headers:{"h": 1}', 'un');
	PERFORM pgmq.create_fifo_index('groups'), pgmq._create_fifo_index_if_not_exists('groups'), pgmq.create_fifo_indexes_all();
	PERFORM pgmq.validate_routing_key('a.b'), pgmq.validate_topic_pattern('a.*'), pgmq.validate_queue_name('long'),
		pgmq.format_table_name('long', 'q'), pgmq.acquire_queue_lock('long'), pgmq.detach_archive('long'),
		pgmq._validate_batch_params(ARRAY['1']::jsonb[], NULL), pgmq._belongs_to_pgmq('q_long'), pgmq._get_partition_col('1 day'),
		pgmq._extension_exists('pg_partman');
	PERFORM pgmq.grant_queue('long', 'pg_monitor', 'send'), pgmq.revoke_queue('long', 'pg_monitor', 'send');
	PERFORM pgmq.convert_queue('long'), pgmq.convert_queues(ARRAY['long']), pgmq.convert_queues_all();
	PERFORM pgmq.create('long'), pgmq.create_non_partitioned('long'), pgmq.drop_queue('never there'), pgmq.drop_queue('never there', false);
END
$$;
-- caught, and undone: so are the calls before it
CREATE PROCEDURE errors() LANGUAGE plpgsql AS $$
DECLARE
	s text;
	failed int := 0;
BEGIN
	FOR s IN SELECT stmt FROM bad LOOP
		BEGIN
			PERFORM pgmq.send('long', '1');
			EXECUTE s;
		EXCEPTION WHEN others THEN
			IF sqlstate LIKE 'XX%' THEN
				RAISE;
			END IF;
			failed := failed + 1;
		END;
	END LOOP;
	BEGIN
		CALL sends();
		CALL reads();
		RAISE 'undo';
	EXCEPTION WHEN raise_exception THEN
	END;
	IF failed <> (SELECT count(*) FROM bad) THEN
		RAISE 'only % of what must fail did', failed;
	END IF;
END
$$;
CREATE PROCEDURE calls(rounds int) LANGUAGE plpgsql AS $$
BEGIN
	CALL looks(0);
	FOR n IN 1..rounds LOOP
		CALL sends();
		CALL reads();
		IF n % 2 = 0 THEN
			CALL errors();
		END IF;
		COMMIT;
		CALL sends();
		CALL reads();
		ROLLBACK;
		IF n % 7 = 0 THEN
			CALL looks(n);
			COMMIT;
			ANALYZE pgmq.q_long;
			COMMIT;
		END IF;
	END LOOP;
	TRUNCATE pgmq.a_long;
END
$$;
CREATE PROCEDURE partitions() LANGUAGE plpgsql AS $$
BEGIN
	IF to_regnamespace('partman') IS NULL THEN
		RETURN;
	END IF;
	PERFORM pgmq._ensure_pg_partman_installed(), pgmq._get_pg_partman_schema(), pgmq._get_pg_partman_major_version();
	PERFORM pgmq.create_partitioned('parts', '100', '1000', 2);
	PERFORM pgmq.convert_archive_partitioned('parts', '100', '1000');
	PERFORM pgmq.send('parts', '1'), pgmq.read('parts', 0, 1), pgmq.archive('parts', 1);
	PERFORM pgmq.drop_queue('parts');
	EXECUTE 'DROP TABLE IF EXISTS pgmq.a_parts_old';
END
$$;
CREATE PROCEDURE come_and_go(rounds int, committed boolean) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	m pgmq.message_record;
BEGIN
	FOR n IN 1..rounds LOOP
		q := CASE n % 2 WHEN 0 THEN 'short' ELSE 'short_' || nextval('names') END;
		IF n % 5 = 0 THEN
			PERFORM pgmq.create_unlogged(q);
		ELSE
			PERFORM pgmq.create(q);
		END IF;
		IF committed THEN
			COMMIT;
		END IF;
		PERFORM pgmq.send(q, '{}'), pgmq.send_batch(q, ARRAY['1', '2', '3']::jsonb[], 0);
		FOR m IN SELECT * FROM pgmq.read(q, 10, 2) LOOP
			PERFORM pgmq.archive(q, m.msg_id, m.read_ct);
		END LOOP;
		IF n % 4 = 0 THEN
			PERFORM pgmq.set_policy(q, '{"max_reads": 3, "dead_letter_queue": "dead", "dedup_window": 10, "strict_fifo": true}'), pgmq.create_fifo_index(q),
				pgmq.enable_notify_insert(q, 10), pgmq.bind_topic('a.' || n, q);
			IF committed THEN
			COMMIT;
		END IF;
			PERFORM pgmq.send(q, '1', '{"x-pgmq-group": "g", "x-pgmq-dedup-id": "d"}'::jsonb), pgmq.read_grouped(q, 10, 2), pgmq.read_with_poll(q, 1, 1, 0), pgmq.unbind_topic('a.' || n, q);
		END IF;
		IF committed THEN
			COMMIT;
		END IF;
		PERFORM pgmq.delete(q, 3), pgmq.pop(q), pgmq.metrics(q);
		PERFORM pgmq.drop_queue(q);
		IF committed THEN
			COMMIT;
		ELSE
			ROLLBACK;
		END IF;
	END LOOP;
END
$$;
-- Plans and more are made anew, again and again, in one transaction.
CREATE PROCEDURE one_transaction(rounds int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1..rounds LOOP
		EXECUTE format('ALTER TABLE pgmq.q_picky SET (fillfactor = %s)', 50 + n % 2);
		PERFORM pgmq.send('picky', '1'), pgmq.send_batch('picky', ARRAY['1', '2']::jsonb[]), pgmq.read('picky', 0, 1),
			pgmq.set_vt('picky', 1, 1), pgmq.archive('picky', 1), pgmq.archive('picky', ARRAY[1]), pgmq.delete('picky', 1),
			pgmq.delete('picky', ARRAY[1]), pgmq.delete('picky', 1, 1), pgmq.pop('picky', 9);
		BEGIN
			PERFORM pgmq.send('picky', '"no"');
		EXCEPTION WHEN check_violation THEN
		END;
	END LOOP;
END
$$;
-- What workers ask of each of many queues.
CREATE PROCEDURE use_planned(n int) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	ids bigint[];
BEGIN
	FOR i IN 1..n LOOP
		q := 'planned_' || i;
		ids := array_append(ARRAY(SELECT pgmq.send_batch(q, ARRAY['1', '2', '3', '4', '5', '6']::jsonb[])), pgmq.send(q, '7'));
		PERFORM pgmq.read(q, 30, 4), pgmq.set_vt(q, ids[1], 1), pgmq.delete(q, ids[1]), pgmq.archive(q, ids[2]),
			pgmq.archive(q, ids[3:4]), pgmq.nack(q, ids[5]), pgmq.pop(q);
		COMMIT;
	END LOOP;
END
$$;
-- Another uses the queue that comes and goes, as long as it does: while there
-- is lock 1.
CREATE PROCEDURE follow(patience int) LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1) LOOP
		BEGIN
			PERFORM pgmq.send('short', '1'), pgmq.read('short', 0, 1), pgmq.metrics('short');
		EXCEPTION WHEN undefined_table OR deadlock_detected THEN
		END;
		COMMIT;
		BEGIN
			CALL pgmq.wait('short', patience);
		EXCEPTION WHEN undefined_table THEN
		END;
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END
$$;
-- The tables of a queue, without the extension.
CREATE PROCEDURE bare(rounds int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1..rounds LOOP
		CREATE TABLE q_bare (msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, read_ct int DEFAULT 0 NOT NULL,
			enqueued_at timestamptz DEFAULT now() NOT NULL, last_read_at timestamptz, vt timestamptz DEFAULT now() NOT NULL,
			message jsonb, headers jsonb);
		CREATE TABLE a_bare (msg_id bigint PRIMARY KEY, read_ct int DEFAULT 0 NOT NULL, enqueued_at timestamptz DEFAULT now() NOT NULL,
			last_read_at timestamptz, archived_at timestamptz DEFAULT now() NOT NULL, vt timestamptz NOT NULL, message jsonb, headers jsonb);
		CREATE INDEX ON a_bare (archived_at);
		CREATE TRIGGER announce AFTER INSERT OR UPDATE ON q_bare
			FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
		ALTER TABLE q_bare ENABLE ALWAYS TRIGGER announce;
		GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, vt) ON q_bare TO pg_monitor;
		GRANT SELECT ON SEQUENCE q_bare_msg_id_seq TO pg_monitor;
		GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, archived_at, vt) ON a_bare TO pg_monitor;
		COMMIT;
		DROP TABLE q_bare, a_bare;
		COMMIT;
	END LOOP;
END
$$;
-- Queues that are there all at once, made the quick way: no more of them than
-- it takes to be looked at.  To read them fails, but not before it was asked for
-- their policies.
CREATE PROCEDURE many(n int) LANGUAGE sql SET allow_system_table_mods = on AS $$
	INSERT INTO pg_class SELECT (jsonb_populate_record(c, jsonb_build_object('oid', 1000000000 + i, 'relname', 'q_many_' || i))).*
		FROM pg_class AS c, generate_series(1, n) AS i WHERE c.oid = 'pgmq.q_picky'::regclass;
	INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) SELECT 'many_' || i, false, false FROM generate_series(1, n) AS i
$$;
CREATE PROCEDURE read_many(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		BEGIN
			PERFORM pgmq.read('many_' || i, 0, 1);
			RAISE assert_failure;
		EXCEPTION WHEN OTHERS THEN
		END;
		IF i % 50 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END
$$;
-- What this backend has, in kB: used, but for the two below; what the server
-- remembers of every table and sequence that was ever there; all that the
-- operating system sees.
CREATE FUNCTION memory() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', sum(used_bytes) FILTER (WHERE NOT server) / 1024, sum(used_bytes) FILTER (WHERE server) / 1024,
		coalesce(substring(pg_read_file('/proc/self/status', 0, 10000, true) FROM 'RssAnon:\s+(\d+)'), '0'))
	FROM (SELECT used_bytes, name IN ('CacheMemoryContext', 'Sequence values') AS server FROM pg_backend_memory_contexts) AS c
$$;
