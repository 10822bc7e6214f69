-- Arguments without a type, as node-pg sends all, JDBC with
-- stringtype=unspecified its strings and timestamps, psycopg its strings, None
-- and empty lists.  A driver that asks for the types of its parameters is told
-- these.
SELECT pgmq.create('untyped');
SELECT pgmq.set_policy('untyped', '{"dead_letter_queue": "untyped_dead", "create_dead_letter_queue": true}');
SELECT pgmq.create_fifo_index('untyped_dead');
SELECT pgmq.bind_topic('untyped.*', 'untyped');
CREATE FUNCTION pg_temp.fill(n integer) RETURNS void LANGUAGE sql AS $$
	TRUNCATE pgmq.q_untyped RESTART IDENTITY;
	SELECT pgmq.send_batch('untyped', array_fill('1'::jsonb, ARRAY[n]));
$$;
CREATE VIEW pg_temp.later AS
	SELECT msg_id, read_ct, greatest(-9999, 10 * round(extract(epoch FROM vt - clock_timestamp()) / 10)) AS "after", headers FROM pgmq.q_untyped;

-- Sending: the form of the third argument shows what it is, and so does that of
-- a delay.
PREPARE send3 AS SELECT pgmq.send($1, $2, $3);
PREPARE send4 AS SELECT pgmq.send($1, $2, $3, $4);
PREPARE send_delay AS SELECT pgmq.send($1, $2, delay => $3);
PREPARE send_both AS SELECT pgmq.send(queue_name => $1, msg => $2, headers => $3, delay => $4);
PREPARE batch3 AS SELECT pgmq.send_batch($1, $2, $3);
PREPARE batch4 AS SELECT pgmq.send_batch($1, $2, $3, $4);
PREPARE batch_delay AS SELECT pgmq.send_batch($1, $2, delay => $3);
PREPARE topic3 AS SELECT pgmq.send_batch_topic($1, $2, $3);
PREPARE topic4 AS SELECT pgmq.send_batch_topic($1, $2, $3, $4);
EXECUTE send3('untyped', '1', '{"h": 1}');
EXECUTE send3('untyped', '2', '60');
EXECUTE send3('untyped', '3', '1 minute');
EXECUTE send3('untyped', '4', 'PT1M0.2S');
EXECUTE send3('untyped', '5', '00:01');
EXECUTE send3('untyped', '6', '1.5');
EXECUTE send3('untyped', '7', '-1 hour');
EXECUTE send4('untyped', '8', '{"h": 8}', '1 hour 30 minutes');
EXECUTE send4('untyped', '9', NULL, NULL);
EXECUTE send4('untyped', '10', '{"h": 10}', '2000-01-01 00:00+00');
EXECUTE send_delay('untyped', '11', '600');
EXECUTE send_delay('untyped', '12', NULL);
EXECUTE send_both('untyped', '13', '{"h": 13}', '10 minutes');
EXECUTE batch3('untyped', '{14,15}', '{NULL,NULL}');
EXECUTE batch3('untyped', '{16}', '{"{\"h\": 16}"}');
EXECUTE batch3('untyped', '{17}', '1 day');
EXECUTE batch3('untyped', '{18}', NULL);
EXECUTE batch4('untyped', '{19}', '{"{\"h\": 19}"}', '30');
EXECUTE batch4('untyped', '{20}', NULL, NULL);
EXECUTE batch_delay('untyped', '{21}', '0.4 s');
EXECUTE topic3('untyped.x', '{22}', '1 day');
EXECUTE topic3('untyped.x', '{23}', '[2:2]={"{\"h\": 23}"}');
EXECUTE topic4('untyped.x', '{24}', NULL, '60');
SELECT msg_id, "after", headers FROM pg_temp.later ORDER BY 1;
-- with their types
TRUNCATE pgmq.q_untyped RESTART IDENTITY;
SELECT pgmq.send('untyped', '1', interval '1 minute');
SELECT pgmq.send('untyped', '2', '{"h": 2}'::jsonb, interval '1 minute');
SELECT pgmq.send('untyped', '3', delay => '1 minute'::text), pgmq.send('untyped', '4', '60'::varchar), pgmq.send('untyped', '5', '{"h": 5}'::varchar);
SELECT pgmq.send_batch('untyped', '{6}', interval '1 minute');
SELECT pgmq.send_batch('untyped', '{7}', '{NULL}'::jsonb[], interval '1 minute');
SELECT pgmq.send_batch_topic('untyped.x', '{8}', interval '1 minute');
SELECT pgmq.send_batch_topic('untyped.x', '{9}', '{NULL}'::jsonb[], interval '1 minute');
SELECT msg_id, "after", headers FROM pg_temp.later ORDER BY 1;
-- more than one row, and beside another set
SELECT pgmq.send('untyped', '1', delay => '5'), n FROM generate_series(1, 2) n;
SELECT pgmq.send('untyped', '1', interval '5 s'), generate_series(1, 2);
\set VERBOSITY sqlstate
EXECUTE send4('untyped', '1', NULL, 'soon');
EXECUTE batch3('untyped', '{1}', '[{"h": 1}]');
EXECUTE batch3('untyped', '{1}', '{1,2}');
EXECUTE send_delay('untyped', '1', '1 hour]');
SELECT pgmq.send('untyped', '1', NULL::interval);
SELECT pgmq.send('untyped', '1', interval '178000000 years');
\set VERBOSITY default
EXECUTE send_delay('untyped', '1', 'in an hour');

-- Acknowledging: a boolean for an id, nothing for no ids.
PREPARE delete2 AS SELECT pgmq.delete($1, $2);
PREPARE delete3 AS SELECT pgmq.delete($1, $2, $3);
PREPARE archive2 AS SELECT pgmq.archive($1, $2);
PREPARE archive3 AS SELECT pgmq.archive($1, $2, $3);
PREPARE set_vt3 AS SELECT msg_id, vt > clock_timestamp() AS off FROM pgmq.set_vt($1, $2, $3);
PREPARE set_vt4 AS SELECT msg_id, vt > clock_timestamp() AS off FROM pgmq.set_vt($1, $2, $3, $4);
PREPARE set_vt_named AS SELECT msg_id, vt > clock_timestamp() AS off FROM pgmq.set_vt(queue_name => $1, msg_id => $2, vt => $3);
PREPARE set_vt_ids AS SELECT msg_id, vt > clock_timestamp() AS off FROM pgmq.set_vt(queue_name => $1, msg_ids => $2, vt => $3);
PREPARE set_vt_fenced AS SELECT msg_id FROM pgmq.set_vt(queue_name => $1, msg_id => $2, vt => $3, read_ct => $4);
SELECT pg_temp.fill(9);
EXECUTE delete2('untyped', '1');
EXECUTE delete2('untyped', '1');
EXECUTE delete2('untyped', NULL);
EXECUTE delete2('untyped', '{}');
EXECUTE delete3('untyped', '2', '7');
EXECUTE delete3('untyped', '2', '0');
EXECUTE delete3('untyped', '{}', '{}');
EXECUTE archive2('untyped', '3');
EXECUTE archive2('untyped', '{}');
EXECUTE archive3('untyped', '4', '0');
EXECUTE set_vt3('untyped', '5', '60');
EXECUTE set_vt3('untyped', '{6,5}', '0.5 s');
EXECUTE set_vt3('untyped', '{}', '1');
EXECUTE set_vt3('untyped', '5', 'yesterday');
EXECUTE set_vt4('untyped', '5', '5 minutes', '0');
EXECUTE set_vt4('untyped', '{5,6}', '2000-01-01 00:00+00', '{0,1}');
EXECUTE set_vt_named('untyped', '7', '1 h');
EXECUTE set_vt_ids('untyped', '{7,8}', '-1');
EXECUTE set_vt_fenced('untyped', '7', '1 h', '1');
SELECT msg_id FROM pgmq.set_vt('untyped', '{}', 30);
SELECT msg_id FROM pgmq.set_vt('untyped', '7', 30);
SELECT msg_id FROM pgmq.set_vt('untyped', 8, interval '1 h');
SELECT msg_id FROM pgmq.set_vt('untyped', ARRAY[7, 8], interval '1 h');
SELECT msg_id FROM pgmq.set_vt('untyped', 8, interval '1 h', 0);
SELECT msg_id FROM pgmq.set_vt('untyped', ARRAY[7, 8], interval '1 h', ARRAY[0, 1]);
SELECT count(*) FROM pgmq.q_untyped;
SELECT pgmq.delete('untyped', '9'), n FROM generate_series(1, 2) n;
\set VERBOSITY sqlstate
EXECUTE delete2('untyped', 'x');
EXECUTE delete2('untyped', '{x}');
EXECUTE delete2('untyped', '1.0');
EXECUTE delete2('untyped_not', '{}');
EXECUTE delete3('untyped', '1', NULL);
EXECUTE delete3('untyped', '1', '{1}');
EXECUTE set_vt3('untyped', '7', NULL);
EXECUTE set_vt3('untyped', '1', 'x');
EXECUTE set_vt4('untyped', '{1,2}', '1', '{1}');
\set VERBOSITY default
EXECUTE delete2('untyped', '{5,6}');
SELECT pgmq.delete('untyped', msg_ids => '{5,6}');

-- Giving back, and sending elsewhere.
PREPARE nack2 AS SELECT pgmq.nack($1, $2);
PREPARE nack3 AS SELECT pgmq.nack($1, $2, $3);
PREPARE nack4 AS SELECT pgmq.nack($1, $2, $3, $4);
PREPARE nack5 AS SELECT pgmq.nack($1, $2, $3, $4, $5);
PREPARE release2 AS SELECT pgmq.release($1, $2);
PREPARE release3 AS SELECT pgmq.release($1, $2, $3);
PREPARE release4 AS SELECT pgmq.release($1, $2, $3, $4);
PREPARE dead3 AS SELECT pgmq.dead_letter($1, $2, $3);
PREPARE dead4 AS SELECT pgmq.dead_letter($1, $2, $3, $4);
PREPARE unarchive2 AS SELECT pgmq.unarchive($1, $2);
SELECT pg_temp.fill(9);
SELECT count(*) FROM pgmq.read('untyped', 600, 9);
EXECUTE nack2('untyped', '1');
EXECUTE nack2('untyped', '{}');
EXECUTE nack3('untyped', '2', '60');
EXECUTE nack3('untyped', '2', NULL);
SELECT pgmq.nack('untyped', '{}', 60);
EXECUTE nack4('untyped', '3', '60', '1');
EXECUTE nack4('untyped', '3', NULL, '2');
EXECUTE nack5('untyped', '4', NULL, '1', 'it broke');
EXECUTE release2('untyped', '5');
EXECUTE release2('untyped', '5');
EXECUTE release2('untyped', '{}');
EXECUTE release3('untyped', '6', '1');
EXECUTE release3('untyped', '{}', '{}');
EXECUTE release4('untyped', '7', '1 minute', '1');
EXECUTE dead3('untyped', '8', 'hopeless');
EXECUTE dead3('untyped', '{}', 'hopeless');
EXECUTE dead4('untyped', '9', 'hopeless', '1');
SELECT msg_id, read_ct, "after", headers FROM pg_temp.later ORDER BY 1;
SELECT headers #>> '{x-pgmq-dead-letter,reason}' FROM pgmq.q_untyped_dead;
TRUNCATE pgmq.a_untyped;
SELECT pgmq.archive('untyped', ARRAY[1, 2, 3]);
EXECUTE unarchive2('untyped', '2');
EXECUTE unarchive2('untyped', '2');
EXECUTE unarchive2('untyped', '{3,1}');
EXECUTE unarchive2('untyped', '{}');

-- The types that a driver is told when it asks for those of its parameters.
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY 1;
DEALLOCATE ALL;

-- A call that names an argument by the name of the typed form finds that form,
-- and a call that was typed before finds the same one still.
PREPARE a AS SELECT pgmq.delete(queue_name => 'untyped', msg_id => $1);
PREPARE b AS SELECT pgmq.delete('untyped', $1, read_ct => $2);
PREPARE c AS SELECT pgmq.delete('untyped', 5, $1);
PREPARE d AS SELECT pgmq.nack('untyped', 5, $1);
PREPARE e AS SELECT pgmq.nack('untyped', 5, $1, $2);
PREPARE f AS SELECT pgmq.nack('untyped', msg_ids => $1);
PREPARE g AS SELECT pgmq.dead_letter('untyped', msg_id => $1, reason => $2);
PREPARE h AS SELECT pgmq.send('untyped', '1', headers => $1);
PREPARE i AS SELECT pgmq.read('untyped', $1, $2);
PREPARE j AS SELECT pgmq.send_topic('untyped.x', '1', $1);
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY 1;
DEALLOCATE ALL;
DROP VIEW pg_temp.later;
SELECT pgmq.drop_queue('untyped'), pgmq.drop_queue('untyped_dead');
