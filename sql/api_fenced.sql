-- The fenced forms of delete, archive and set_vt: they take the read_ct that
-- the consumer's read returned, and do nothing when it is no longer that.
SELECT pgmq.create('fenced');
SELECT count(*) FROM pgmq.send_batch('fenced', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 30) n));

-- The first consumer reads; its lease ends; the second reads the same.
SELECT msg_id, read_ct FROM pgmq.read('fenced', 0, 6);
SELECT msg_id, read_ct FROM pgmq.read('fenced', 100, 6);
-- The first consumer is too late,
SELECT pgmq.delete('fenced', 1, 1);
SELECT pgmq.archive('fenced', 2, 1);
SELECT * FROM pgmq.set_vt('fenced', 3, 0, 1);
SELECT * FROM pgmq.set_vt('fenced', 3, timestamptz '2100-01-01 00:00+00', 1);
SELECT * FROM pgmq.delete('fenced', ARRAY[1, 2], ARRAY[1, 1]);
SELECT * FROM pgmq.archive('fenced', ARRAY[1, 2], ARRAY[1, 1]);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[3, 4], 0, ARRAY[1, 1]);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[3, 4], timestamptz '2100-01-01 00:00+00', ARRAY[1, 1]);
SELECT count(*) FROM pgmq.a_fenced;
SELECT msg_id, read_ct, vt > now() AS in_flight FROM pgmq.q_fenced WHERE msg_id <= 6 ORDER BY msg_id;
-- and the second is not.
SELECT pgmq.delete('fenced', 1, 2);
SELECT pgmq.archive('fenced', 2, 2);
SELECT msg_id, read_ct, vt - last_read_at > '100 s' AS longer FROM pgmq.set_vt('fenced', 3, 200, 2);
SELECT msg_id, read_ct, vt = '2100-01-01 00:00+00' AS at FROM pgmq.set_vt('fenced', 4, timestamptz '2100-01-01 00:00+00', 2);
SELECT pgmq.delete('fenced', 1, 2), pgmq.archive('fenced', 2, 2);

-- Batches: the pairs that hold, in msg_id order, whatever order they are given in.
SELECT msg_id, read_ct FROM pgmq.read('fenced', 0, 5);
SELECT msg_id, read_ct FROM pgmq.read('fenced', 100, 2);
SELECT * FROM pgmq.delete('fenced', ARRAY[11, 9, 7, 100, NULL, 10, 8], ARRAY[1, 1, 1, 1, 1, 0, 2]);
SELECT * FROM pgmq.archive('fenced', ARRAY[14, 10, 12, 7, 100, NULL, 13], ARRAY[0, 1, 0, 2, 0, 0, 1]);
SELECT msg_id, vt < now() AS due FROM pgmq.set_vt('fenced', ARRAY[20, 18, 100, NULL, 19], -1000, ARRAY[0, 0, 0, 0, 1]);
SELECT msg_id, vt FROM pgmq.set_vt('fenced', ARRAY[20, 18, 100, NULL, 19], timestamptz 'infinity', ARRAY[0, 0, 0, 0, 1]);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_fenced;
SELECT msg_id, read_ct, message FROM pgmq.a_fenced ORDER BY msg_id;
-- A pair given twice counts once; of several fences for one id any may hold.
SELECT msg_id FROM pgmq.set_vt('fenced', ARRAY[21, 21, 22, 22], 0, ARRAY[0, 0, 1, 0]);
SELECT * FROM pgmq.archive('fenced', ARRAY[21, 21], ARRAY[0, 0]);
SELECT * FROM pgmq.delete('fenced', ARRAY[22, 22, 22], ARRAY[0, 1, 0]);

-- named
SELECT pgmq.delete(queue_name => 'fenced', msg_id => 23, read_ct => 0);
SELECT pgmq.archive(queue_name => 'fenced', msg_id => 24, read_ct => 0);
SELECT msg_id FROM pgmq.set_vt(queue_name => 'fenced', msg_id => 25, vt => 0, read_ct => 0);
SELECT msg_id FROM pgmq.delete(queue_name => 'fenced', msg_ids => ARRAY[26], read_cts => ARRAY[0]) AS msg_id;
SELECT msg_id FROM pgmq.archive(queue_name => 'fenced', msg_ids => ARRAY[27], read_cts => ARRAY[0]) AS msg_id;
SELECT msg_id FROM pgmq.set_vt(queue_name => 'fenced', msg_ids => ARRAY[28], vt => 0, read_cts => ARRAY[0]);

-- Without an id nothing is done; but a missing fence is an error: 22004.
SELECT pgmq.delete('fenced', NULL, 1), pgmq.archive('fenced', NULL::bigint, 1);
SELECT * FROM pgmq.delete('fenced', NULL::bigint[], ARRAY[1]);
SELECT * FROM pgmq.archive('fenced', '{}', '{}'::integer[]);
SELECT * FROM pgmq.set_vt('fenced', NULL::bigint[], 1, ARRAY[1]);
\set VERBOSITY sqlstate
SELECT pgmq.delete('fenced', 29, NULL);
SELECT pgmq.archive('fenced', 29, NULL);
SELECT * FROM pgmq.set_vt('fenced', 29, 1, NULL);
SELECT * FROM pgmq.set_vt('fenced', 29, timestamptz '2100-01-01 00:00+00', NULL);
SELECT * FROM pgmq.delete('fenced', ARRAY[29], NULL);
SELECT * FROM pgmq.archive('fenced', ARRAY[29], NULL);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[29], 1, NULL);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[29], timestamptz '2100-01-01 00:00+00', NULL);
SELECT * FROM pgmq.delete('fenced', ARRAY[29, 30], ARRAY[0, NULL]);
SELECT * FROM pgmq.archive('fenced', ARRAY[29, 30], ARRAY[0, NULL]);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[29, 30], 1, ARRAY[0, NULL]);
-- arrays of unequal length: 2202E
SELECT * FROM pgmq.delete('fenced', ARRAY[29, 30], ARRAY[0]);
SELECT * FROM pgmq.archive('fenced', ARRAY[29], ARRAY[0, 0]);
SELECT * FROM pgmq.set_vt('fenced', ARRAY[29], 1, '{}'::integer[]);
SELECT * FROM pgmq.set_vt('fenced', '{}', timestamptz '2100-01-01 00:00+00', ARRAY[0]);
\set VERBOSITY default
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_fenced WHERE msg_id > 28;

-- At the end of the counter a fence holds once more than it should; no earlier.
UPDATE pgmq.q_fenced SET read_ct = 2147483646 WHERE msg_id = 29;
SELECT pgmq.delete('fenced', 29, 2147483647), pgmq.delete('fenced', 29, 2147483646);

SELECT pgmq.drop_queue('fenced');
