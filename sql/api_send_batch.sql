-- api_send_batch: several messages by one INSERT, ids in the order of the array
SELECT pgmq.create('send_batch');

SELECT clock_timestamp() AS before \gset
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}']::jsonb[]);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 4}', '{"n": 5}']::jsonb[], ARRAY['{"h": 4}', NULL]::jsonb[]);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 6}', '{"n": 7}']::jsonb[], 100);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 8}', '{"n": 9}']::jsonb[], timestamptz '2100-01-01 00:00+00');
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 10}', '{"n": 11}']::jsonb[], ARRAY[NULL, '{"h": 11}']::jsonb[], 100);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['{"n": 12}', '{"n": 13}']::jsonb[], ARRAY['{"h": 12}', '{"h": 13}']::jsonb[],
							  timestamptz '2100-01-01 00:00+00');
SELECT * FROM pgmq._send_batch('send_batch', ARRAY['{"n": 14}']::jsonb[], ARRAY['{"h": 14}']::jsonb[],
							   timestamptz '2100-01-01 00:00+00');
SELECT * FROM pgmq.send_batch(queue_name => 'send_batch', msgs => ARRAY['{"n": 15}']::jsonb[], headers => ARRAY['{"h": 15}']::jsonb[],
							  delay => 100);
SELECT * FROM pgmq.send_batch(queue_name => 'send_batch', msgs => ARRAY['{"n": 16}']::jsonb[], delay => 100);
SELECT msg_id, message, headers,
	   CASE WHEN vt = '2100-01-01 00:00+00' THEN 'at'
			WHEN vt BETWEEN timestamptz :'before' + interval '100 s' AND clock_timestamp() + interval '100 s' THEN 'delay'
			WHEN vt BETWEEN :'before' AND clock_timestamp() THEN 'now' END AS due
FROM pgmq.q_send_batch ORDER BY msg_id;

-- One clock reading for the whole batch.
SELECT count(*), count(DISTINCT vt) FROM pgmq.q_send_batch WHERE message ->> 'n' IN ('1', '2', '3');

-- Ids follow the array in a large batch too.
TRUNCATE pgmq.q_send_batch RESTART IDENTITY;
SELECT count(*), count(*) FILTER (WHERE id <> n) AS out_of_order
FROM ROWS FROM (pgmq.send_batch('send_batch', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 10000) n)))
	 WITH ORDINALITY AS s (id, n);
SELECT count(*) FILTER (WHERE to_jsonb(msg_id) <> message) AS out_of_order FROM pgmq.q_send_batch;
TRUNCATE pgmq.q_send_batch RESTART IDENTITY;

-- NULL elements are messages without a body, NULL headers are no headers.
SELECT * FROM pgmq.send_batch('send_batch', ARRAY[NULL, '1', NULL]::jsonb[], NULL::jsonb[]);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY['4']::jsonb[], NULL, 0);
-- Arrays with other bounds than one, and in two dimensions, which PGMQ counts by the first.
SELECT * FROM pgmq.send_batch('send_batch', '[5:6]={5,6}'::jsonb[], '[-1:0]={"{\"h\": 5}","{\"h\": 6}"}'::jsonb[]);
SELECT * FROM pgmq.send_batch('send_batch', ARRAY[['7', '8'], ['9', '10']]::jsonb[]);
SELECT msg_id, message, headers FROM pgmq.q_send_batch ORDER BY msg_id;

-- Refusals of PGMQ's have the same words and the same code.
\set VERBOSITY terse
SELECT pgmq.send_batch('send_batch', NULL::jsonb[]);
SELECT pgmq.send_batch('send_batch', '{}'::jsonb[]);
SELECT pgmq.send_batch('send_batch', '{}'::jsonb[], '{}'::jsonb[]);
SELECT pgmq.send_batch('send_batch', ARRAY['1', '2']::jsonb[], ARRAY['{}']::jsonb[]);
SELECT pgmq.send_batch('send_batch', ARRAY['1']::jsonb[], ARRAY['{}', '{}']::jsonb[]);
SELECT pgmq.send_batch('send_batch', ARRAY['1']::jsonb[], '{}'::jsonb[]);
SELECT pgmq._validate_batch_params(NULL, NULL);
SELECT pgmq._validate_batch_params('{}', NULL);
SELECT pgmq._validate_batch_params(ARRAY['1', '2']::jsonb[], ARRAY['{}']::jsonb[]);
\set VERBOSITY sqlstate
SELECT pgmq.send_batch('send_batch', NULL::jsonb[]);
SELECT pgmq.send_batch('send_batch', ARRAY['1', '2']::jsonb[], ARRAY['{}']::jsonb[]);
\set VERBOSITY default
SELECT pgmq._validate_batch_params(ARRAY['1']::jsonb[], NULL);
SELECT pgmq._validate_batch_params(ARRAY['1', '2']::jsonb[], ARRAY['{}', NULL]::jsonb[]);

-- The internal form pads and checks nothing.
TRUNCATE pgmq.q_send_batch RESTART IDENTITY;
SELECT * FROM pgmq._send_batch('send_batch', NULL, NULL, now());
SELECT * FROM pgmq._send_batch('send_batch', '{}', NULL, now());
SELECT * FROM pgmq._send_batch('send_batch', ARRAY['1', '2']::jsonb[], ARRAY['{"h": 1}']::jsonb[], now());
SELECT msg_id, message, headers FROM pgmq.q_send_batch ORDER BY msg_id;

-- All or nothing: one bad row, and none is sent.
ALTER TABLE pgmq.q_send_batch ADD CHECK (message <> '13');
TRUNCATE pgmq.q_send_batch;
\set VERBOSITY sqlstate
SELECT pgmq.send_batch('send_batch', ARRAY['12', '13', '14']::jsonb[]);
\set VERBOSITY default
SELECT count(*) FROM pgmq.q_send_batch;

SELECT pgmq.drop_queue('send_batch');
