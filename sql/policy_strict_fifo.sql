-- policy_strict_fifo: what a send locks, and that it is the group that a read means
CREATE VIEW locks AS SELECT classid::regclass AS queue, objid, objsubid, mode FROM pg_locks
WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted ORDER BY objsubid, objid;
SELECT pgmq.create('strict_sql');

-- Nothing without the policy.
BEGIN;
SELECT pgmq.send('strict_sql', '1', '{"x-pgmq-group": "a"}'::jsonb);
SELECT count(*) FROM locks;
COMMIT;
SELECT pgmq.set_policy('strict_sql', '{"strict_fifo": true}');

-- It takes one lock for each group, apart from the locks that users can take, and a share in that
-- of the queue.
BEGIN;
SELECT pgmq.send('strict_sql', '1', '{"x-pgmq-group": "a"}'::jsonb);
SELECT pgmq.send('strict_sql', '1', '{"x-pgmq-group": "a", "b": 1}'::jsonb);
SELECT queue, objsubid > 2 AS own, mode FROM locks;
SELECT objid AS a FROM locks WHERE mode = 'ExclusiveLock' \gset
COMMIT;
SELECT count(*) FROM locks;

-- Messages that a reader takes for one group are one group here.
CREATE FUNCTION group_lock(headers jsonb) RETURNS oid LANGUAGE plpgsql AS $$
DECLARE
	lock oid;
BEGIN
	PERFORM pgmq.send('strict_sql', '1', headers);
	SELECT objid INTO STRICT lock FROM locks WHERE mode = 'ExclusiveLock';
	RAISE EXCEPTION USING MESSAGE = lock::text, ERRCODE = 'P0002';
EXCEPTION WHEN no_data_found THEN
	RETURN SQLERRM::oid;
END $$;
SELECT group_lock('{"x-pgmq-group": "a"}') = :a AS a, group_lock('{"x-pgmq-group": "b"}') <> :a AS b;
SELECT count(DISTINCT group_lock(h)), min(h ->> 'x-pgmq-group') FROM unnest(ARRAY['{"x-pgmq-group": 1}', '{"x-pgmq-group": "1"}']::jsonb[]) h;
SELECT count(DISTINCT group_lock(h)) FROM unnest(ARRAY['{"x-pgmq-group": 1}', '{"x-pgmq-group": 1.0}']::jsonb[]) h;
SELECT count(DISTINCT group_lock(h)) FROM unnest(ARRAY['{"x-pgmq-group": true}', '{"x-pgmq-group": "true"}']::jsonb[]) h;
SELECT count(DISTINCT group_lock(h)) FROM unnest(ARRAY['{"x-pgmq-group": {"b": [1, "x"], "a": null}}', '{"x-pgmq-group": "{\"a\": null, \"b\": [1, \"x\"]}"}']::jsonb[]) h;
SELECT count(DISTINCT group_lock(h)) FROM unnest(ARRAY[NULL, '{}', 'null', '[]', '"x-pgmq-group"', '["x-pgmq-group"]', '1', '{"x-pgmq-group": null}', '{"x-pgmq-group": "_default_fifo_group"}']::jsonb[]) h;
SELECT group_lock(jsonb_build_object('x-pgmq-group', repeat('x', 1000000))) IS NOT NULL AS huge;

-- A batch locks its groups, of which there may be more than the server has locks for: then it has the queue to itself.
BEGIN;
SELECT count(*) FROM pgmq.send_batch('strict_sql', '{1,2,3}'::jsonb[], ARRAY['{"x-pgmq-group": "a"}', '{"x-pgmq-group": "b"}', '{"x-pgmq-group": "a"}']::jsonb[]);
SELECT queue, mode FROM locks;
SELECT count(*) FROM pgmq.send_batch('strict_sql', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20000) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-group', i::text) FROM generate_series(1, 20000) i));
SELECT queue, mode FROM locks;
ROLLBACK;

-- Both policies, both kinds of lock; and each queue for itself.
SELECT pgmq.create('strict_two');
SELECT pgmq.set_policy('strict_two', '{"strict_fifo": true, "dedup_window": 1000}');
BEGIN;
SELECT pgmq.send('strict_two', '1', '{"x-pgmq-group": "a", "x-pgmq-dedup-id": "a"}'::jsonb);
SELECT queue, mode FROM locks;
COMMIT;
BEGIN;
SELECT pgmq.send('strict_two', '1', '{"x-pgmq-group": "a"}'::jsonb);
SELECT queue, mode FROM locks;
COMMIT;

-- The same holds for a batch over ten queues, of either kind.
SELECT count(pgmq.create('strict_many_' || i)), count(pgmq.set_policy('strict_many_' || i, '{"strict_fifo": true, "dedup_window": 1000}')),
	count(pgmq.bind_topic('strict.many', 'strict_many_' || i)) FROM generate_series(1, 10) i;
BEGIN;
SELECT count(*) FROM pgmq.send_batch_topic('strict.many', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 3000) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-group', i, 'x-pgmq-dedup-id', i::text) FROM generate_series(1, 3000) i));
SELECT mode, count(*) FROM locks GROUP BY 1;
COMMIT;
BEGIN;
SELECT count(*) FROM pgmq.send_batch_topic('strict.many', ARRAY(SELECT to_jsonb(i) FROM generate_series(2995, 3024) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-group', i, 'x-pgmq-dedup-id', i::text) FROM generate_series(2995, 3024) i));
SELECT mode, count(*) FROM locks GROUP BY 1;
COMMIT;
SELECT count(*), count(DISTINCT message) FROM pgmq.q_strict_many_7;
SELECT count(pgmq.drop_queue('strict_many_' || i)) FROM generate_series(1, 10) i;

SELECT pgmq.drop_queue(q) FROM unnest('{strict_sql,strict_two}'::text[]) q;
DROP FUNCTION group_lock(jsonb);
DROP VIEW locks;
