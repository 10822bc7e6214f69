-- A subscription goes on wherever it is told to.
SELECT pgmq.create_stream('sk_log');
SELECT count(*) FROM pgmq.send_batch('sk_log', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 200) n));
UPDATE pgmq.q_sk_log SET enqueued_at = timestamptz '2026-01-01 00:00Z' + msg_id * interval '1 min';
SELECT pgmq.create_subscription('sk_sub', 'sk_log', 150);
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', 'earliest');
SELECT min(msg_id), max(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', 'latest');
SELECT count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', 64);
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', 63::bigint);
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', '2026-01-01 01:40Z');
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', timestamptz '2026-01-01 01:40:30Z');
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', timestamptz '2025-01-01');
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', timestamptz '2100-01-01');
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
-- one that was sent out of turn, by a transaction that took long
UPDATE pgmq.q_sk_log SET enqueued_at = '2026-01-02' WHERE msg_id = 90;
SELECT pgmq.seek('sk_sub', timestamptz '2026-01-01 01:40Z');
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
-- before all, and in the future: then from that message on
SELECT pgmq.seek('sk_sub', -5);
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT pgmq.seek('sk_sub', 202);
SELECT count(*) FROM pgmq.pop('sk_sub', 1000);
SELECT count(*) FROM pgmq.send_batch('sk_log', ARRAY(SELECT to_jsonb(n) FROM generate_series(201, 203) n));
SELECT min(msg_id), count(*) FROM pgmq.pop('sk_sub', 1000);

-- No fence from before a seek fits a lease after it.
SELECT pgmq.seek('sk_sub', 203);
SELECT msg_id, read_ct FROM pgmq.read('sk_sub', 0, 1);
SELECT msg_id, read_ct FROM pgmq.read('sk_sub', 30, 1) \gset old_
SELECT pgmq.seek('sk_sub', 203);
SELECT pgmq.seek('sk_sub', '203', '{"force": true}');
SELECT pgmq.delete('sk_sub', 203, :old_read_ct);
SELECT count(*) FROM pgmq.read('sk_sub', 30, 1) WHERE read_ct > :old_read_ct;
SELECT pgmq.delete('sk_sub', 203, :old_read_ct);
-- nor if the message was acknowledged before
SELECT pgmq.delete('sk_sub', 203);
SELECT read_ct AS now_read_ct FROM pgmq.peek('sk_sub', 'all', 1);
SELECT pgmq.seek('sk_sub', 203);
SELECT read_ct > :old_read_ct + 1 AS rises FROM pgmq.read('sk_sub', 30, 1);
-- nor does it fit a message that was not read since
SELECT count(*) > 0 AS some FROM pgmq.send_batch('sk_log', array_fill('0'::jsonb, ARRAY[3]));
SELECT max(read_ct) AS old_read_ct FROM pgmq.read('sk_sub', 0, 100) \gset
SELECT pgmq.seek('sk_sub', '203', '{"force": true}');
SELECT count(*) FROM pgmq.read('sk_sub', 30, 1);
SELECT max(msg_id) AS unread FROM pgmq.q_sk_sub WHERE last_read_at IS NULL \gset
SELECT pgmq.delete('sk_sub', :unread, :old_read_ct), (SELECT count(*) FROM pgmq.delete('sk_sub', ARRAY[:unread], ARRAY[:old_read_ct]));
SELECT count(*) FROM pgmq.delete('sk_log', ARRAY[:unread, :unread - 1, :unread - 2]);
-- and the greatest number of reads counts anew
SELECT pgmq.set_policy('sk_sub', '{"max_reads": 2, "dead_letter_queue": "sk_dead", "create_dead_letter_queue": true}');
SELECT pgmq.seek('sk_sub', '203', '{"force": true}');
SELECT count(*) FROM pgmq.read('sk_sub', 0, 1);
SELECT count(*) FROM pgmq.read('sk_sub', 0, 1);
SELECT count(*) FROM pgmq.read('sk_sub', 0, 1);
SELECT message, headers #- '{x-pgmq-dead-letter,at}' #- '{x-pgmq-dead-letter,read_ct}' AS headers FROM pgmq.read('sk_dead', 30, 1);

-- what cannot be
SELECT pgmq.seek('sk_log', 'earliest');
SELECT pgmq.seek('sk_sub', 'yesterdayish');
SELECT pgmq.seek('sk_sub', NULL::text);
SELECT pgmq.seek('sk_sub', 'earliest', '{"forced": true}');
SELECT pgmq.seek('sk_nothing', 'earliest');
SELECT pgmq.drop_queue('sk_sub'), pgmq.drop_queue('sk_dead'), pgmq.drop_queue('sk_log');
