-- Rows come back in msg_id order, whatever plan and whatever partitions they
-- come from.
-- what all verbs return, and how often a row is followed by a smaller one
CREATE FUNCTION pg_temp.disorder(call text, OUT n bigint, OUT inversions bigint) LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
	before bigint;
BEGIN
	n := 0;
	inversions := 0;
	FOR id IN EXECUTE 'SELECT ' || call LOOP
		n := n + 1;
		IF id < before THEN
			inversions := inversions + 1;
		END IF;
		before := id;
	END LOOP;
END
$$;
CREATE FUNCTION pg_temp.each_disorder(queue text) RETURNS TABLE (call text, n bigint, inversions bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH call IN ARRAY ARRAY[
		'msg_id FROM pgmq.read(%L, 0, 1)', 'msg_id FROM pgmq.read(%L, 0, 10)', 'msg_id FROM pgmq.read(%L, 0, 100)', 'msg_id FROM pgmq.read(%L, 0, 1000)',
		'msg_id FROM pgmq.read(%L, 0, 100, ''{"odd": true}'')', 'msg_id FROM pgmq.read_with_poll(%L, 0, 100, 0)',
		'msg_id FROM pgmq.set_vt(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(1, 300) i), -1)',
		'msg_id FROM pgmq.set_vt(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(251, 300) i), -1, (SELECT array_agg(1) FROM generate_series(251, 300) i))',
		'id FROM pgmq.delete(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(301, 350) i)) id',
		'id FROM pgmq.delete(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(351, 400) i), (SELECT array_agg(1) FROM generate_series(351, 400) i)) id',
		'id FROM pgmq.archive(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(401, 450) i)) id',
		'id FROM pgmq.archive(%L, (SELECT array_agg(i ORDER BY md5(i::text)) FROM generate_series(451, 500) i), (SELECT array_agg(1) FROM generate_series(451, 500) i)) id',
		'msg_id FROM pgmq.pop(%L, 10)', 'msg_id FROM pgmq.pop(%L, 150)'] LOOP
		SELECT d.n, d.inversions INTO n, inversions FROM pg_temp.disorder(format(call, queue)) d;
		call := left(call, 60);
		RETURN NEXT;
	END LOOP;
END
$$;

-- a small table just analyzed, where a hash join over a sequential scan is cheapest
SELECT pgmq.create('order');
SELECT count(*) FROM pgmq.send_batch('order', (SELECT array_agg(jsonb_build_object('n', n, 'odd', n % 2 = 1) ORDER BY n) FROM generate_series(1, 500) n));
-- the heap in another order than the ids
UPDATE pgmq.q_order SET vt = vt WHERE msg_id % 3 = 0;
UPDATE pgmq.q_order SET vt = vt WHERE msg_id % 7 = 0;
ANALYZE pgmq.q_order;
SELECT * FROM pg_temp.each_disorder('order');
SELECT pgmq.drop_queue('order');

-- partitioned by msg_id
CREATE SEQUENCE order_seq;
CREATE TABLE pgmq.q_order (msg_id bigint DEFAULT nextval('order_seq') PRIMARY KEY, read_ct int DEFAULT 0 NOT NULL, enqueued_at timestamptz DEFAULT now() NOT NULL,
	last_read_at timestamptz, vt timestamptz DEFAULT now() NOT NULL, message jsonb, headers jsonb) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.a_order (msg_id bigint NOT NULL, read_ct int DEFAULT 0 NOT NULL, enqueued_at timestamptz DEFAULT now() NOT NULL,
	last_read_at timestamptz, archived_at timestamptz DEFAULT now() NOT NULL, vt timestamptz NOT NULL, message jsonb, headers jsonb) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.a_order_default PARTITION OF pgmq.a_order DEFAULT;
-- made in another order than their bounds
CREATE TABLE pgmq.q_order_3 PARTITION OF pgmq.q_order FOR VALUES FROM (300) TO (400);
CREATE TABLE pgmq.q_order_1 PARTITION OF pgmq.q_order FOR VALUES FROM (0) TO (100);
CREATE TABLE pgmq.q_order_default PARTITION OF pgmq.q_order DEFAULT;
CREATE TABLE pgmq.q_order_2 PARTITION OF pgmq.q_order FOR VALUES FROM (100) TO (200);
SELECT count(*) FROM pgmq.send_batch('order', (SELECT array_agg(jsonb_build_object('n', n, 'odd', n % 2 = 1) ORDER BY n) FROM generate_series(1, 500) n));
ANALYZE pgmq.q_order;
SELECT * FROM pg_temp.each_disorder('order');
DROP TABLE pgmq.q_order, pgmq.a_order;

-- partitioned by time, each id in any partition
CREATE TABLE pgmq.q_order (msg_id bigint DEFAULT nextval('order_seq'), read_ct int DEFAULT 0 NOT NULL, enqueued_at timestamptz DEFAULT now() NOT NULL,
	last_read_at timestamptz, vt timestamptz DEFAULT now() NOT NULL, message jsonb, headers jsonb, PRIMARY KEY (msg_id, enqueued_at)) PARTITION BY RANGE (enqueued_at);
CREATE TABLE pgmq.a_order (msg_id bigint, read_ct int DEFAULT 0 NOT NULL, enqueued_at timestamptz DEFAULT now() NOT NULL,
	last_read_at timestamptz, archived_at timestamptz DEFAULT now() NOT NULL, vt timestamptz NOT NULL, message jsonb, headers jsonb,
	PRIMARY KEY (msg_id, archived_at)) PARTITION BY RANGE (archived_at);
CREATE TABLE pgmq.a_order_default PARTITION OF pgmq.a_order DEFAULT;
CREATE TABLE pgmq.q_order_1 PARTITION OF pgmq.q_order FOR VALUES FROM ('2001-01-01 00:00+00') TO ('2002-01-01 00:00+00');
CREATE TABLE pgmq.q_order_2 PARTITION OF pgmq.q_order FOR VALUES FROM ('2002-01-01 00:00+00') TO ('2003-01-01 00:00+00');
CREATE TABLE pgmq.q_order_3 PARTITION OF pgmq.q_order FOR VALUES FROM ('2003-01-01 00:00+00') TO ('2004-01-01 00:00+00');
CREATE TABLE pgmq.q_order_default PARTITION OF pgmq.q_order DEFAULT;
INSERT INTO pgmq.q_order (msg_id, enqueued_at, message)
SELECT n, timestamptz '2001-06-01 00:00+00' + n * 7 % 4 * interval '1 year', jsonb_build_object('n', n, 'odd', n % 2 = 1) FROM generate_series(1, 500) n;
ANALYZE pgmq.q_order;
SELECT * FROM pg_temp.each_disorder('order');

-- Here two rows can have one id; only the copy that is due is handed out.
TRUNCATE pgmq.q_order;
INSERT INTO pgmq.q_order (msg_id, enqueued_at, vt, message) VALUES
	(1, '2001-06-01 00:00+00', now() + '1 hour', '"leased"'),
	(1, '2002-06-01 00:00+00', now(), '"due"'),
	(2, '2002-06-01 00:00+00', now() + '1 hour', '"leased"'),
	(2, '2001-06-01 00:00+00', now(), '"due"'),
	(3, '2003-06-01 00:00+00', now() + '1 hour', '"leased"');
SELECT msg_id, read_ct, message FROM pgmq.read('order', 0, 10);
SELECT msg_id, read_ct, message FROM pgmq.read('order', 0, 10, '"due"');
SELECT msg_id, read_ct, message FROM pgmq.read_grouped('order', 0, 10);
SELECT msg_id, read_ct, message FROM pgmq.pop('order', 10);
SELECT msg_id, read_ct, message FROM pgmq.q_order ORDER BY msg_id;
SELECT * FROM pgmq.delete('order', ARRAY[1, 2]);
SELECT pgmq.archive('order', 3);
SELECT count(*) FROM pgmq.q_order;
-- A new message goes to its partition.
SELECT count(*) FROM pgmq.send('order', '{}');
SELECT tableoid::regclass FROM pgmq.q_order;
DROP TABLE pgmq.q_order, pgmq.a_order;
DROP SEQUENCE order_seq;
