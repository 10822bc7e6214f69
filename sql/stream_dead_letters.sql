-- The dead letters of a subscription are copies in a queue of their own.
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT pgmq.create_stream('sd_log'), pgmq.create_subscription('sd', 'sd_log'), pgmq.create_subscription('sd_other', 'sd_log');
SELECT pgmq.set_policy('sd', '{"max_reads": 1, "dead_letter_queue": "sd_dead", "create_dead_letter_queue": true}');
SELECT count(*) FROM pgmq.send_batch('sd_log', '{1,2,3}'::jsonb[]);
SELECT msg_id FROM pgmq.read('sd', 30, 10);
SELECT pgmq.dead_letter('sd', 3, 'bad');
SELECT pgmq.delete('sd', ARRAY[1, 2]);

-- A subscription has no messages of its own to which they could come back: they stay.
SELECT pgmq.redrive('sd_dead', 10);
SELECT pgmq.redrive('sd_dead', 10, '{"to_queue": "sd_other"}');
SELECT msg_id, message, headers -> 'x-pgmq-dead-letter' ->> 'queue' AS queue FROM pgmq.peek('sd_dead', 'all', 10);
SELECT count(*) FROM pgmq.read('sd', 30, 10);
-- They can go to a queue that the same service reads, or to the stream, for all subscriptions.
SELECT pgmq.create('sd_again');
SELECT pgmq.redrive('sd_dead', 10, '{"to_queue": "sd_again"}');
SELECT message FROM pgmq.read_any('{sd,sd_again}', 30, 10);

-- Nor can a subscription be a dead-letter queue, or the stream that the queue itself reads.
SELECT pgmq.create('sd_plain');
SELECT pgmq.set_policy('sd_plain', '{"max_reads": 1, "dead_letter_queue": "sd"}');
SELECT pgmq.set_policy('sd', '{"dead_letter_queue": "sd_log"}');
SELECT pgmq.set_policy('sd_dead', '{"max_reads": 9, "dead_letter_queue": "sd_log"}');
SELECT pgmq.set_policy('sd', '{"dead_letter_queue": "sd_dead"}');
SELECT pgmq.set_policy('sd_dead', '{"max_reads": null, "dead_letter_queue": null}');
-- One that becomes a subscription afterwards gets nothing, and nothing is lost.
SELECT pgmq.convert_to_stream('sd_dead', 'sd_dead_log');
SELECT pgmq.send('sd_log', '4');
SELECT message FROM pgmq.read('sd', 0, 10);
SELECT pgmq.dead_letter('sd', 4, 'bad');
SELECT message FROM pgmq.read('sd', 0, 10);
SELECT message FROM pgmq.peek('sd', 'all', 10);
SELECT severity, what, evidence FROM pgmq.health() WHERE queue_name = 'sd' AND what ~ 'dead';

-- A policy key that would do nothing.
SELECT pgmq.set_policy('sd_plain', '{"retention_age": 60}');
SELECT pgmq.set_policy('sd_plain', '{"retention": "consumed"}');
SELECT pgmq.set_policy('sd_other', '{"retention_count": 60}');
SELECT pgmq.set_policy('sd_other', '{"dedup_window": 60}');
SELECT pgmq.set_policy('sd_other', '{"strict_fifo": true}');
SELECT pgmq.set_policy('sd_log', '{"dedup_window": 60, "strict_fifo": true, "retention_bytes": 1000}');

SELECT pgmq.drop_queue(queue) FROM unnest('{sd,sd_other,sd_dead,sd_dead_log,sd_log,sd_plain,sd_again}'::text[]) AS queue;
