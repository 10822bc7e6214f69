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

-- Plans that a session kept from before meet the same path.
CREATE PROCEDURE pg_temp.verbs() LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pgmq.read('path', -1, 1);
END
$$;
CALL pg_temp.verbs();

SET search_path = pg_temp, evil, pg_catalog;

-- The trap bites: a statement that does not qualify its names is fooled.
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
RESET client_min_messages;

-- Everything at once: all operators, functions and types of pg_catalog that can
-- be had again, each in its own form but raising an error, before the real
-- ones; and tables of the names of ours and of the catalogs.
CREATE SCHEMA evil;
SET client_min_messages = error;
CREATE TABLE evil.log (what text, done integer);
DO $$
DECLARE
	o record;
	done integer;
BEGIN
	-- functions first, for the operators
	done := 0;
	FOR o IN SELECT p.oid, proname, pg_get_function_arguments(p.oid) AS args, pg_get_function_result(p.oid) AS result, provolatile
		FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND provariadic = 0
		AND NOT proargtypes::oid[] && '{cstring,internal,trigger,event_trigger}'::regtype[]::oid[]
		AND prorettype <> ALL ('{cstring,internal,trigger,event_trigger,fdw_handler,index_am_handler,tsm_handler,table_am_handler,language_handler}'::regtype[])
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql %s AS $f$ BEGIN RAISE ''evil function %s''; END $f$',
				o.proname, o.args, o.result, CASE o.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END, o.oid::regprocedure);
			done := done + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	INSERT INTO evil.log VALUES ('functions', done);
	done := 0;
	FOR o IN SELECT oprname, oprleft, oprright, oprkind, oprcode, proname FROM pg_operator JOIN pg_proc p ON p.oid = oprcode WHERE oprnamespace = 'pg_catalog'::regnamespace
	LOOP
		BEGIN
			EXECUTE format('CREATE OPERATOR evil.%s (FUNCTION = evil.%I, %s RIGHTARG = %s)', o.oprname, o.proname,
				CASE o.oprkind WHEN 'b' THEN format('LEFTARG = %s,', format_type(o.oprleft, NULL)) ELSE '' END, format_type(o.oprright, NULL));
			done := done + 1;
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
	INSERT INTO evil.log VALUES ('operators', done);
	done := 0;
	FOR o IN SELECT typname FROM pg_type t WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^_'
	LOOP
		EXECUTE format('CREATE TYPE evil.%I AS (evil integer)', o.typname);
		done := done + 1;
	END LOOP;
	FOR o IN SELECT relname FROM pg_class WHERE relnamespace IN ('pg_catalog'::regnamespace, 'pgmq'::regnamespace) AND relkind IN ('r', 'v', 'c') AND relname !~ '^[qad]'
	LOOP
		EXECUTE format('CREATE TEMP TABLE %I (evil integer)', o.relname);
	END LOOP;
	INSERT INTO evil.log VALUES ('types', done);
END
$$;
CREATE FUNCTION evil.add(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil aggregate'; END $$;
CREATE FUNCTION evil.add_text(text, text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil aggregate'; END $$;
CREATE FUNCTION evil.add_any(anyelement, anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil aggregate'; END $$;
CREATE FUNCTION evil.add_bool(boolean, boolean) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil aggregate'; END $$;
CREATE AGGREGATE evil.count(*) (SFUNC = evil.add, STYPE = bigint);
CREATE AGGREGATE evil.max(bigint) (SFUNC = evil.add_any, STYPE = bigint);
CREATE AGGREGATE evil.max(timestamptz) (SFUNC = evil.add_any, STYPE = timestamptz);
CREATE AGGREGATE evil.min(bigint) (SFUNC = evil.add_any, STYPE = bigint);
CREATE AGGREGATE evil.min(timestamptz) (SFUNC = evil.add_any, STYPE = timestamptz);
CREATE AGGREGATE evil.string_agg(text, text) (SFUNC = evil.add_text, STYPE = text);
CREATE AGGREGATE evil.bool_or(boolean) (SFUNC = evil.add_bool, STYPE = boolean);
RESET client_min_messages;
SELECT what, done > CASE what WHEN 'functions' THEN 1500 WHEN 'operators' THEN 500 ELSE 50 END AS plenty FROM evil.log;
SELECT pgmq.create('path'), pgmq.create('path_dead');
SELECT count(*) FROM pgmq.send_batch('path', '{1,2,3,4,5,6,7,8,9,10,11,12,13,14}'::jsonb[]);
SELECT * INTO TEMP before FROM pgmq.meta WHERE queue_name ~ '^path';
DISCARD PLANS;

SET search_path = pg_temp, evil, pg_catalog;
-- The traps bite.
\set VERBOSITY terse
SELECT 1 = 1;
SELECT now();
SELECT count(*) FROM pgmq.q_path;
SELECT 1 IS DISTINCT FROM 2;
SELECT '(x)'::text;
SELECT * FROM pg_class;
SELECT * FROM meta;
-- No other session meets them.  All verbs, with whatever statement each has.
SELECT pgmq.send('path', '15');
SELECT pgmq.send('path', '16', '{"x-pgmq-group": "g"}'::pg_catalog.jsonb);
SELECT pgmq.send('path', '17', 0);
SELECT pgmq.send('path', '18', '{"a": 1}');
SELECT pgmq.send_batch('path', '{19,20}'::pg_catalog.jsonb[], '{null,null}'::pg_catalog.jsonb[], 0);
SELECT msg_id FROM pgmq.read('path', 0, 2);
SELECT msg_id FROM pgmq.read('path', 0, 2, '5');
SELECT msg_id FROM pgmq.read_with_poll('path', 0, 1, 0, 10);
SELECT msg_id FROM pgmq.read_any('{path,path_dead}', 0, 1);
SELECT msg_id FROM pgmq.read_any_with_poll('{path,path_dead}', 0, 1, 0);
SELECT msg_id FROM pgmq.read_grouped('path', 0, 1);
SELECT msg_id FROM pgmq.read_grouped_with_poll('path', 0, 1, 0);
SELECT pgmq.create_fifo_index('path');
SELECT msg_id FROM pgmq.read_grouped_rr('path', 0, 2);
SELECT msg_id FROM pgmq.read_grouped_head('path', 0, 2);
CALL pgmq.wait('path', 0);
SELECT msg_id FROM pgmq.peek('path', 'visible', 1);
SELECT msg_id FROM pgmq.set_vt('path', 1, 0);
SELECT msg_id FROM pgmq.set_vt('path', '{1,2}'::bigint[], 0, '{9,9}'::integer[]);
SELECT msg_id FROM pgmq.set_vt('path', '{1,2}'::bigint[], 0);
SELECT pgmq.nack('path', 1), pgmq.nack('path', '{2}'::bigint[], 0);
SELECT pgmq.delete('path', 1), pgmq.delete('path', '{2}'::bigint[]), pgmq.delete('path', 3, 99);
SELECT pgmq.archive('path', 4), pgmq.archive('path', '{5,6}'::bigint[]), pgmq.archive('path', 7, 99);
SELECT msg_id FROM pgmq.peek_archive('path', 1);
SELECT pgmq.unarchive('path', 4) IS NOT NULL AS again, pgmq.unarchive('path', '{5}'::bigint[]) IS NOT NULL AS again_too;
SELECT msg_id FROM pgmq.pop('path');
SELECT queue_length, total_messages FROM pgmq.metrics('path');
SELECT pgmq.set_policy('path', '{"max_reads": 1, "dead_letter_queue": "path_dead", "backoff": "exponential", "ttl": 1000, "ttl_header": true, "expired": "dead_letter", "dedup_window": 60, "archive_retention": 1, "strict_fifo": true}') IS NOT NULL AS policy;
SELECT pgmq.get_policy('path') IS NOT NULL AS policy;
SELECT pgmq.pause('path', 'infinity'), pgmq.resume('path');
SELECT pgmq.send('path', '1', '{"x-pgmq-dedup-id": "i", "x-pgmq-group": "g"}'::pg_catalog.jsonb) IS NOT NULL AS sent;
SELECT pgmq.send_batch('path', '{1,2}'::pg_catalog.jsonb[], '{"{\"x-pgmq-dedup-id\": \"i\"}","{\"x-pgmq-dedup-id\": \"j\"}"}'::pg_catalog.jsonb[]) IS NOT NULL AS sent;
SELECT pgmq.set_policy('path', '{"dedup_window": 6000}') IS NOT NULL AS policy;
SELECT msg_id FROM pgmq.read('path', 0, 1);
SELECT msg_id FROM pgmq.read('path', 0, 1, '9');
SELECT msg_id FROM pgmq.read_grouped('path', 0, 1);
SELECT msg_id FROM pgmq.pop('path');
CALL pgmq.wait('path', 0);
SELECT pgmq.nack('path', 10), pgmq.dead_letter('path', 10, 'x'), pgmq.dead_letter('path', '{12}'::bigint[], 'x');
SELECT pgmq.forward('path', 13, 'path_dead', '13', NULL, 0) IS NOT NULL AS forwarded;
SELECT pgmq.redrive('path_dead', 1), pgmq.redrive('path_dead', 1, '{"to_queue": "path", "per_second": 10}');
BEGIN;
CALL pgmq.maintain();
ROLLBACK;
SELECT pgmq.bind_topic('evil.*', 'path'), pgmq.send_topic('evil.x', '1'), pgmq.unbind_topic('evil.*', 'path');
SELECT routing.pattern FROM pgmq.test_routing('evil.y') routing;
SELECT pattern FROM pgmq.list_topic_bindings('path');
SELECT pgmq.enable_notify_insert('path', 0), pgmq.update_notify_insert('path', 1);
SELECT queue_name, throttle_interval_ms FROM pgmq.list_notify_insert_throttles() WHERE queue_name::pg_catalog.text OPERATOR(pg_catalog.=) 'path';
SELECT pgmq.send('path', '21') IS NOT NULL AS notified;
SELECT pgmq.disable_notify_insert('path');
SELECT pgmq.grant_queue('path', 'public', 'read', 'inspect'), pgmq.revoke_queue('path', 'public', 'read', 'inspect');
REVOKE USAGE ON SCHEMA pgmq FROM PUBLIC;
SELECT pgmq.convert_queue('path');
SELECT pgmq.convert_queues('{path}'::pg_catalog.text[]);
SELECT pgmq.format_table_name('Path', 'q'), pgmq.validate_queue_name('path'), pgmq._belongs_to_pgmq('meta'), pgmq._extension_exists('plpgsql');
SELECT pgmq.acquire_queue_lock('path');
SELECT pgmq.create('path3'), pgmq.create('path3'), pgmq.create_unlogged('path4');
SELECT pgmq.purge_queue('path3'), pgmq.drop_queue('path3'), pgmq.drop_queue('path4');
SELECT pgmq.create('path_fed'), pgmq.grant_queue('path_fed', 'public', 'read');
SELECT pgmq.send('path_fed', '1', '{"x-pgmq-group": "g"}'::pg_catalog.jsonb);
SELECT pgmq.convert_to_stream('path_fed', 'path_log'), pgmq.create_subscription('path_some', 'path_log', 'earliest', '{"message": {"a": 1}}');
SELECT msg_id FROM pgmq.read_grouped('path_fed', 0, 2);
SELECT pgmq.set_policy('path_log', '{"retention": "consumed", "retention_age": 1000, "retention_count": 1000, "retention_bytes": 100000}') IS NOT NULL AS policy;
SELECT pgmq.send('path_fed', '2') AS sent, pgmq.send_topic('evil.z', '{"a": 1}') AS topic;
SELECT pgmq.send_batch('path_log', '{3,4}'::pg_catalog.jsonb[]);
SELECT msg_id FROM pgmq.read('path_fed', 0, 1);
SELECT msg_id FROM pgmq.read('path_fed', 1000, 2);
SELECT msg_id FROM pgmq.read('path_some', 0, 9);
SELECT msg_id FROM pgmq.peek('path_fed', 'all', 9);
SELECT pgmq.set_vt('path_fed', 1, 0) IS NOT NULL AS set, pgmq.delete('path_fed', 1), pgmq.archive('path_fed', '{2}'::bigint[]) IS NOT NULL AS archived;
SELECT subscription_name FROM pgmq.list_subscriptions('path_log');
SELECT queue_length FROM pgmq.metrics('path_fed');
SELECT pgmq.seek('path_fed', 'earliest'), pgmq.seek('path_fed', 'latest'), pgmq.seek('path_fed', 2), pgmq.seek('path_fed', 'earliest', '{"force": true}');
SELECT msg_id FROM pgmq.pop('path_fed', 9);
BEGIN;
CALL pgmq.maintain();
ROLLBACK;
REVOKE USAGE ON SCHEMA pgmq FROM PUBLIC;
SELECT pgmq.purge_queue('path_some'), pgmq.drop_queue('path_some'), pgmq.drop_queue('path_fed'), pgmq.drop_queue('path_log');
SET client_min_messages = error;	-- other tests' queues
CREATE TABLE evil.seen AS SELECT queue_name AS q FROM pgmq.metrics_all();
INSERT INTO evil.seen SELECT queue_name FROM pgmq.engine_status();
INSERT INTO evil.seen SELECT queue_name FROM pgmq.list_queues();
INSERT INTO evil.seen SELECT pgmq.convert_queues_all();
SELECT pgmq.create_fifo_indexes_all();
RESET client_min_messages;
SET search_path = pg_catalog, public;
SELECT count(*) FROM evil.seen WHERE q = 'path';
SELECT count(*) FROM pgmq.meta WHERE queue_name ~ '^path';

SET client_min_messages = error;
DROP SCHEMA evil CASCADE;
DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || string_agg(oid::regclass::text, ', ') FROM pg_catalog.pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'); END $$;
SELECT pgmq.drop_queue('path'), pgmq.drop_queue('path_dead');
