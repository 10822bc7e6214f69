-- A hostile search_path changes nothing: not operators, functions, types,
-- nor tables of the same name that come first in it.
SELECT pgmq.create('path');
SELECT * FROM pgmq.send_batch('path', ARRAY['{"n": 1}', '{"n": 2}', '{"n": 3}', '{"n": 4}', '{"n": 5}', '{"n": 6}']::jsonb[]);

CREATE SCHEMA evil;
CREATE FUNCTION evil.never(timestamptz, timestamptz) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(bigint, bigint) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(integer, integer) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.never(jsonb, jsonb) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.minus_one(integer, integer) RETURNS integer LANGUAGE sql AS 'SELECT -1';
CREATE FUNCTION evil.other(jsonb, text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::pg_catalog.text$$;
CREATE FUNCTION evil.other(text, text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::pg_catalog.text$$;
DO $$
DECLARE
	op text;
	typ text;
BEGIN
	FOREACH op IN ARRAY '{=,<>,<,<=,>,>=}'::text[] LOOP
		FOREACH typ IN ARRAY '{timestamptz,bigint,integer,text,name,oid,jsonb}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.never, LEFTARG = %s, RIGHTARG = %s)', op, typ, typ);
		END LOOP;
	END LOOP;
END
$$;
CREATE OPERATOR evil.@> (FUNCTION = evil.never, LEFTARG = jsonb, RIGHTARG = jsonb);
CREATE OPERATOR evil.+ (FUNCTION = evil.minus_one, LEFTARG = integer, RIGHTARG = integer);
CREATE OPERATOR evil.->> (FUNCTION = evil.other, LEFTARG = jsonb, RIGHTARG = text);
CREATE OPERATOR evil.|| (FUNCTION = evil.other, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT pg_catalog.to_timestamp(0)$$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT pg_catalog.to_timestamp(0)$$;
CREATE FUNCTION evil.unnest(jsonb[]) RETURNS SETOF jsonb LANGUAGE sql AS $$SELECT '"evil"'::pg_catalog.jsonb$$;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::pg_catalog.text$$;
CREATE FUNCTION evil.format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'now';
CREATE FUNCTION evil.quote_ident(text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'::pg_catalog.text$$;
CREATE FUNCTION evil.hashtext(text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION evil.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'evil lock'; END$$;
CREATE TYPE evil.text AS (evil int);
CREATE TYPE evil.int8 AS (evil int);
CREATE TYPE evil.jsonb AS (evil int);
CREATE TYPE evil.timestamptz AS (evil int);
CREATE TYPE evil.message_record AS (evil int);
CREATE TABLE evil.q_path (LIKE pgmq.q_path INCLUDING ALL);
CREATE TABLE evil.meta (LIKE pgmq.meta);
CREATE TEMP TABLE q_path (LIKE pgmq.q_path INCLUDING ALL);
CREATE TEMP TABLE a_path (LIKE pgmq.a_path INCLUDING ALL);
CREATE TEMP TABLE meta (LIKE pgmq.meta);

-- Plans kept from a session's peaceful days meet the same path.
CREATE PROCEDURE pg_temp.verbs() LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pgmq.read('path', -1, 1);
END
$$;
CALL pg_temp.verbs();

SET search_path = pg_temp, evil, pg_catalog;

-- The trap bites: what is not qualified is fooled.
SELECT count(*) FROM q_path;
SELECT msg_id FROM pgmq.q_path WHERE msg_id = 1::bigint;
SELECT msg_id FROM pgmq.q_path WHERE vt <= clock_timestamp();
SELECT msg_id FROM pgmq.q_path WHERE message @> '{}'::pg_catalog.jsonb;
SELECT message ->> 'n'::pg_catalog.text AS n, 1 + 1 AS two FROM pgmq.q_path LIMIT 1;
SELECT * FROM unnest('{1}'::pg_catalog.jsonb[]);
SELECT pg_catalog.date_part('epoch', clock_timestamp()) AS clock, pg_catalog.date_part('epoch', now()) AS now, lower('X'::pg_catalog.text);
SELECT '(1)'::message_record;

-- Our verbs are not.
SELECT * FROM pgmq.send('path', '{"n": 7}');
SELECT * FROM pgmq.send_batch('path', '{"{\"n\": 8}","{\"n\": 9}"}'::pg_catalog.jsonb[], '{"{\"h\": 8}",NULL}'::pg_catalog.jsonb[]);
SELECT msg_id, read_ct, message, headers FROM pgmq.read('path', 0, 100);
SELECT msg_id, read_ct FROM pgmq.read('path', 0, 100, '{"n": 8}');
SELECT msg_id FROM pgmq.read_with_poll('path', 0, 1, 0);
SELECT msg_id FROM pgmq.read_grouped('path', 0, 2);
SELECT msg_id FROM pgmq.read_grouped_rr('path', 0, 2);
SELECT msg_id FROM pgmq.read_grouped_head('path', 0, 2);
SELECT msg_id FROM pgmq.set_vt('path', 1, -1);
SELECT msg_id FROM pgmq.set_vt('path', '{2,3}'::bigint[], -1);
SELECT msg_id FROM pgmq.set_vt('path', '{2,3}'::bigint[], -1, '{0,2}'::integer[]);
SELECT pgmq.delete('path', 1);
SELECT * FROM pgmq.delete('path', '{2}'::bigint[]);
SELECT pgmq.delete('path', 3, 0);
SELECT pgmq.archive('path', 4);
SELECT * FROM pgmq.archive('path', '{5}'::bigint[]);
SELECT pgmq.archive('path', 6, 99);
SELECT msg_id FROM pgmq.pop('path', 2);

-- Nor those of policies: a spent message, one that has expired, sent back and given up.
SELECT pgmq.set_policy('path', '{"max_reads": 1, "dead_letter_queue": "path_dead", "create_dead_letter_queue": true, "ttl": 1000, "ttl_header": true}');
SELECT pgmq.send('path', '"old"', '{"x-pgmq-ttl": 0.000001}'::pg_catalog.jsonb), pgmq.send('path', '"new"', '{"x-pgmq-ttl": 1000}'::pg_catalog.jsonb);
SELECT message FROM pgmq.read('path', 0, 100);
SELECT count(*) FROM pgmq.read_grouped('path', 0, 100);
SELECT message, headers OPERATOR(pg_catalog.#>) '{x-pgmq-dead-letter,reason}'::pg_catalog.text[] AS reason FROM pgmq.read('path_dead', -1, 100) WHERE message::pg_catalog.text OPERATOR(pg_catalog.=) '"new"'::pg_catalog.text;
SELECT pgmq.redrive('path_dead', 1), pgmq.redrive('path_dead', 100, '{"to_queue": "path", "per_second": 1000000}') OPERATOR(pg_catalog.>) 0 AS more;
SELECT count(*) OPERATOR(pg_catalog.>) 0 AS some FROM pgmq.pop('path', 1);
SELECT pgmq.send('path', '"last"');
SELECT pgmq.nack('path', pg_catalog.max(msg_id), 1), pgmq.dead_letter('path', pg_catalog.max(msg_id), 'x', 0) FROM pgmq.q_path;
SELECT pgmq.drop_queue('path_dead');

-- Managing them too.
SELECT pgmq.create('path2');
SELECT pgmq.send('path2', '{}');
SELECT pgmq.drop_queue('path2');

RESET search_path;
SELECT (SELECT count(*) FROM pg_temp.q_path) AS temp_q, (SELECT count(*) FROM pg_temp.a_path) AS temp_a,
	   (SELECT count(*) FROM evil.q_path) AS evil_q, (SELECT count(*) FROM pg_temp.meta) + (SELECT count(*) FROM evil.meta) AS evil_meta;
SELECT msg_id, message FROM pgmq.q_path ORDER BY msg_id;
SELECT msg_id, message FROM pgmq.a_path ORDER BY msg_id;

SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP TABLE pg_temp.q_path, pg_temp.a_path, pg_temp.meta;
SELECT pgmq.drop_queue('path');
