-- extend: a consumer's heartbeat for all that it holds, and what it has lost.
SELECT pgmq.create('extended');
SELECT count(*) FROM pgmq.send_batch('extended', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 10) n));
SELECT msg_id, read_ct FROM pgmq.read('extended', 100, 4);

-- Nothing is lost, and the leases last longer; that of a message not named does not.
SELECT * FROM pgmq.extend('extended', ARRAY[3, 1, 2], ARRAY[1, 1, 1], 200);
SELECT msg_id, read_ct, vt - last_read_at > '150 s' AS longer FROM pgmq.q_extended WHERE msg_id <= 4 ORDER BY msg_id;
-- A lease never gets shorter, and a call that changes nothing writes nothing.
SELECT ctid AS before FROM pgmq.q_extended WHERE msg_id = 1 \gset
SELECT * FROM pgmq.extend('extended', ARRAY[1], ARRAY[1], 10);
SELECT * FROM pgmq.extend('extended', ARRAY[1], ARRAY[1], 0);
SELECT vt - last_read_at > '150 s' AS longer, ctid = :'before' AS untouched FROM pgmq.q_extended WHERE msg_id = 1;

-- Lost: somebody read 1 again, 2 is done, 99 never was; 3 is still ours, and 4 is too
-- though its lease has ended, since nobody has read it.
SELECT count(*) FROM pgmq.set_vt('extended', ARRAY[1, 4], 0);
SELECT msg_id, read_ct FROM pgmq.read('extended', 0, 1);
SELECT pgmq.delete('extended', 2, 1);
SELECT * FROM pgmq.extend('extended', ARRAY[99, 4, 3, NULL, 2, 1], ARRAY[1, 1, 1, 1, 1, 1], 300);
SELECT msg_id, read_ct, vt > now() + interval '250 s' AS ours FROM pgmq.q_extended WHERE msg_id <= 4 ORDER BY msg_id;
-- A pair given twice counts once; of several fences for one id any may hold.
SELECT * FROM pgmq.extend('extended', ARRAY[3, 3, 3, 1, 1], ARRAY[1, 2, 1, 0, 1], 300);
-- in the select list, named, and with literals that have no type
SELECT pgmq.extend(queue_name => 'extended', msg_ids => '{1,2,3}', read_cts => '{1,1,1}', vt => 300);

-- A message put off by nack keeps its time.
SELECT pgmq.nack('extended', 3, 1000, 1);
SELECT * FROM pgmq.extend('extended', ARRAY[3], ARRAY[1], 10);
SELECT vt > now() + interval '900 s' AS put_off FROM pgmq.q_extended WHERE msg_id = 3;

-- A lease lasts whole seconds since its read, and what nobody has read until then.
SELECT count(*) FROM pgmq.read('extended', 10, 10);
UPDATE pgmq.q_extended SET last_read_at = NULL WHERE msg_id = 5;
UPDATE pgmq.q_extended SET last_read_at = '-infinity' WHERE msg_id = 6;
UPDATE pgmq.q_extended SET last_read_at = last_read_at + interval '1 year' WHERE msg_id = 7;
SELECT * FROM pgmq.extend('extended', ARRAY[5, 6, 7, 8, 9], ARRAY[1, 1, 1, 1, 1], 100);
SELECT msg_id, CASE WHEN isfinite(last_read_at) THEN vt - last_read_at = date_trunc('second', vt - last_read_at) END AS whole,
	vt - clock_timestamp() BETWEEN '60 s' AND '101 s' AS extended
FROM pgmq.q_extended WHERE msg_id BETWEEN 5 AND 9 ORDER BY msg_id;

-- Rights: those of a reader are enough.
CREATE ROLE regress_extend;
SELECT pgmq.grant_queue('extended', 'regress_extend', 'read');
SET ROLE regress_extend;
SELECT * FROM pgmq.extend('extended', ARRAY[3, 99], ARRAY[1, 1], 10);
RESET ROLE;
SELECT pgmq.revoke_queue('extended', 'regress_extend', 'read');
SET ROLE regress_extend;
SELECT * FROM pgmq.extend('extended', ARRAY[3], ARRAY[1], 10);
RESET ROLE;

-- Without an id nothing is done; what is missing or wrong otherwise is an error.
SELECT * FROM pgmq.extend('extended', NULL, ARRAY[1], 10);
SELECT * FROM pgmq.extend('extended', '{}', '{}', 10);
SELECT * FROM pgmq.extend('extended', ARRAY[3], ARRAY[1], NULL);
SELECT * FROM pgmq.extend('extended', ARRAY[3], ARRAY[1], -1);
\set VERBOSITY sqlstate
SELECT * FROM pgmq.extend('extended', ARRAY[3], NULL, 10);
SELECT * FROM pgmq.extend('extended', ARRAY[3, 4], ARRAY[1, NULL], 10);
SELECT * FROM pgmq.extend('extended', ARRAY[3, 4], ARRAY[1], 10);
SELECT * FROM pgmq.extend(NULL, ARRAY[3], ARRAY[1], 10);
SELECT * FROM pgmq.extend('no_such_queue', ARRAY[3], ARRAY[1], 10);
BEGIN READ ONLY;
SELECT * FROM pgmq.extend('extended', ARRAY[3], ARRAY[1], 10);
ROLLBACK;
\set VERBOSITY default

SELECT pgmq.drop_queue('extended');
DROP OWNED BY regress_extend;
DROP ROLE regress_extend;
