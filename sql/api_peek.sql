-- api_peek: looking without touching; unarchive: sending again
SELECT pgmq.create('peek_q');
SELECT pgmq.send_batch('peek_q', '{1,2,3,4}'::jsonb[]);
SELECT pgmq.send_batch('peek_q', '{5,6}'::jsonb[], 1000);
SELECT msg_id FROM pgmq.read('peek_q', 1000, 2);
SELECT msg_id FROM pgmq.read('peek_q', 0, 1);

-- By state.  A message that was read is visible again when its lease has ended.
SELECT state, (SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', state, 100, NULL))
FROM unnest('{visible,delayed,in_flight,all}'::text[]) state;
SELECT msg_id, read_ct, last_read_at IS NULL AS never_read, message, headers FROM pgmq.peek('PEEK_Q');

-- In pages.
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', 'all', 2);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', 'all', 2, 2);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', 'in_flight', 1, 1);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', 'all', 0);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', after_msg_id => 4);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', after_msg_id => -9223372036854775808);
SELECT array_agg(msg_id) FROM pgmq.peek('peek_q', after_msg_id => 9223372036854775807);

-- It changes and locks nothing: a read-only transaction can do it, and takes no xid.
BEGIN READ ONLY;
SELECT count(*) FROM pgmq.peek('peek_q');
SELECT count(*) FROM pgmq.peek_archive('peek_q');
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_xid;
SELECT DISTINCT mode FROM pg_locks WHERE relation = 'pgmq.q_peek_q'::regclass;
SELECT pgmq.unarchive('peek_q', 1);
ROLLBACK;
SELECT array_agg(read_ct ORDER BY msg_id) FROM pgmq.q_peek_q;

-- A pause does not hide anything from it.
SELECT pgmq.pause('peek_q', 'infinity');
SELECT count(*) FROM pgmq.peek('peek_q', 'visible');
SELECT pgmq.resume('peek_q');

-- Arguments that it refuses.
SELECT pgmq.peek('peek_q', 'invisible');
SELECT pgmq.peek('peek_q', 'ALL');
SELECT pgmq.peek('peek_q', '');
SELECT pgmq.peek('peek_q', NULL);
SELECT pgmq.peek('peek_q', 'all', NULL);
SELECT pgmq.peek('peek_q', 'all', -1);
SELECT pgmq.peek(NULL);
SELECT pgmq.peek('peek_none');
SELECT pgmq.peek_archive('peek_none');
SELECT pgmq.unarchive('peek_none', 1);

-- The archive.
SELECT pgmq.archive('peek_q', '{1,2,3,4}'::bigint[]);
SELECT msg_id, read_ct, archived_at >= enqueued_at AS archived, vt > now() AS leased, message, headers
FROM pgmq.peek_archive('peek_q');
SELECT array_agg(msg_id) FROM pgmq.peek_archive('peek_q', 2, 1);
SELECT count(*) FROM pgmq.peek_archive('peek_q', 0);
SELECT pgmq.peek_archive('peek_q', -1);

-- Sent again: a new message, never read, whose header names the old one.
UPDATE pgmq.a_peek_q SET archived_at = '2026-01-02 03:04:05+00';
UPDATE pgmq.a_peek_q SET headers = '{"a": 1, "x-pgmq-unarchived": "old"}' WHERE msg_id = 2;
UPDATE pgmq.a_peek_q SET headers = '[1]' WHERE msg_id = 3;
UPDATE pgmq.a_peek_q SET headers = 'null', message = NULL WHERE msg_id = 4;
SET timezone = 'UTC';
SELECT pgmq.unarchive('peek_q', 1);
SELECT pgmq.unarchive('peek_q', 1);
SELECT pgmq.unarchive('peek_q', NULL::bigint);
SELECT * FROM pgmq.unarchive('peek_q', '{}'::bigint[]);
SELECT * FROM pgmq.unarchive('peek_q', NULL::bigint[]);
SELECT * FROM pgmq.unarchive('peek_q', '{4,3,2,3,1,NULL,99}'::bigint[]);
RESET timezone;
SELECT count(*) FROM pgmq.a_peek_q;
SELECT msg_id, read_ct, message, headers FROM pgmq.read('peek_q', 0, 10);

-- With a window for duplicates it is still a new message.
SELECT pgmq.set_policy('peek_q', '{"dedup_window": 60}');
SELECT pgmq.send('peek_q', '"one"', '{"x-pgmq-dedup-id": "one"}'::jsonb);
SELECT pgmq.archive('peek_q', 11);
SELECT pgmq.unarchive('peek_q', 11);
SELECT msg_id, headers ? 'x-pgmq-dedup-id' AS kept FROM pgmq.peek('peek_q', after_msg_id => 10);

-- A message that a trigger swallows stays in the archive.
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pgmq.q_peek_q FOR EACH ROW EXECUTE FUNCTION swallow();
SELECT pgmq.archive('peek_q', '{5,6}'::bigint[]);
SELECT pgmq.unarchive('peek_q', 5);
SELECT pgmq.unarchive('peek_q', '{5,6}'::bigint[]);
SELECT count(*) FROM pgmq.a_peek_q;
DROP TRIGGER swallow ON pgmq.q_peek_q;

-- Many and large ones come back in parts, in order.
SELECT pgmq.create('peek_large');
INSERT INTO pgmq.a_peek_large (msg_id, vt, message) SELECT i, now(), to_jsonb(i) FROM generate_series(1, 100) i;
INSERT INTO pgmq.a_peek_large (msg_id, vt, message) SELECT i, now(), jsonb_build_object('i', i, 'x', repeat('x', 23 * 1024 * 1024)) FROM generate_series(101, 103) i;
SELECT array_agg(u ORDER BY u) = array_agg(n::bigint) AS all_of_them
FROM pgmq.unarchive('peek_large', (SELECT array_agg(i ORDER BY i DESC) FROM generate_series(0, 110) i)) WITH ORDINALITY AS f (u, n);
SELECT count(*), bool_and(msg_id = coalesce(message ->> 'i', message #>> '{}')::bigint) AS in_order FROM pgmq.q_peek_large;
SELECT count(*) FROM pgmq.a_peek_large;
SELECT pgmq.drop_queue('peek_large');

-- By the caller's rights.
\set VERBOSITY terse
CREATE ROLE regress_pgmq_peek;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_peek;
SET ROLE regress_pgmq_peek;
SELECT pgmq.peek('peek_q');
RESET ROLE;
GRANT SELECT ON pgmq.q_peek_q TO regress_pgmq_peek;
GRANT SELECT, DELETE ON pgmq.a_peek_q TO regress_pgmq_peek;
SET ROLE regress_pgmq_peek;
SELECT count(*) > 0 AS some FROM pgmq.peek('peek_q');
SELECT count(*) FROM pgmq.peek_archive('peek_q');
SELECT pgmq.unarchive('peek_q', 5);
RESET ROLE;
SELECT count(*) FROM pgmq.a_peek_q;

-- Unlogged, and without an archive.
SELECT pgmq.create_unlogged('peek_fast');
SELECT pgmq.send('peek_fast', '1');
SELECT pgmq.archive('peek_fast', 1);
SELECT pgmq.unarchive('peek_fast', 1);
SELECT msg_id FROM pgmq.peek('peek_fast', 'visible');
DROP TABLE pgmq.a_peek_fast;
SELECT pgmq.peek_archive('peek_fast');
SELECT pgmq.unarchive('peek_fast', 1);

SELECT pgmq.drop_queue(q) FROM unnest('{peek_q,peek_fast}'::text[]) q;
DROP FUNCTION swallow();
DROP OWNED BY regress_pgmq_peek;
DROP ROLE regress_pgmq_peek;
