/* pgmq_c--1.2.0.sql: the SQL interface of pgmq_c */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pgmq_c" to load this file. \quit /* extension name */

/*
 * 1. Taking over a PGMQ that is already here
 *
 * It may be an extension or a plain SQL installation, and it stays where it
 * is: its types, tables and functions become members of this extension, the
 * functions are then replaced in place (section 3), and what users built upon
 * them never notices.  Section 4 tidies up.
 *
 * This may run with a superuser's rights for somebody who is none, in a
 * schema where others have been.  So no code found here is run, and an object
 * is taken over only if it has PGMQ's shape and belongs to a role that the
 * installing one acts for: who owns an object can change it behind the back
 * of everyone who trusts the extension.
 */
SET LOCAL search_path TO pg_catalog, pg_temp;

/*
 * A server that preloaded the library of an earlier version runs that until
 * it is started again, and a session that has used it until it ends.  Better
 * to hear of it now than at a call.
 */
DO LANGUAGE plpgsql $library$
BEGIN
	CREATE FUNCTION pg_temp.pgmq_probe() RETURNS void
	AS 'MODULE_PATHNAME', 'pgmq_library_1_2_0'
	LANGUAGE C;
	DROP FUNCTION pg_temp.pgmq_probe();
EXCEPTION
	WHEN undefined_function THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'an earlier version of the library of "pgmq_c" is loaded', /* extension name */
			HINT = 'Restart the server if its shared_preload_libraries has the library; connect again otherwise.';
END
$library$;

/*
 * This extension, and the one that it takes over.  The product has two names,
 * of which a database can have one.
 */
CREATE TEMPORARY TABLE pgmq_extension AS
SELECT e.oid, e.extname AS name, e.extowner AS owner,
	e.extname = 'pgmq_c' AS is_self, /* extension name */
	EXISTS (SELECT FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
			WHERE d.refclassid = 'pg_extension'::regclass
			AND d.refobjid = e.oid AND d.deptype = 'e'
			AND d.classid = 'pg_proc'::regclass
			AND p.probin LIKE '%pgmq\_c%') AS is_product
FROM pg_extension e
WHERE e.extname = 'pgmq' OR e.extname = 'pgmq' || '_c';

/*
 * What is there.  A superuser acts for superusers only, not for whoever made
 * a schema of this name; an extension answers for its members.
 */
CREATE TEMPORARY TABLE pgmq_found AS
WITH shape (name, columns) AS (VALUES
	('message_record',
	 'msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, '
	 'last_read_at timestamp with time zone, vt timestamp with time zone, '
	 'message jsonb, headers jsonb'),
	('queue_record',
	 'queue_name character varying, is_partitioned boolean, '
	 'is_unlogged boolean, created_at timestamp with time zone'),
	('metrics_result',
	 'queue_name text, queue_length bigint, newest_msg_age_sec integer, '
	 'oldest_msg_age_sec integer, total_messages bigint, '
	 'scrape_time timestamp with time zone, queue_visible_length bigint, '
	 'default_partition_length bigint'),
	('meta',
	 'queue_name character varying, is_partitioned boolean, '
	 'is_unlogged boolean, created_at timestamp with time zone'),
	('notify_insert_throttle',
	 'queue_name character varying, throttle_interval_ms integer, '
	 'last_notified_at timestamp with time zone'),
	('topic_bindings',
	 'pattern text, queue_name text, bound_at timestamp with time zone, '
	 'compiled_regex text')),
object AS (
	SELECT CASE c.relkind WHEN 'c' THEN 'pg_type'::regclass
			ELSE 'pg_class'::regclass END AS class,
		CASE c.relkind WHEN 'c' THEN c.reltype ELSE c.oid END AS oid,
		c.relowner AS owner,
		s.columns AS expected,
		(SELECT string_agg(format('%s %s', a.attname,
				format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
		 FROM pg_attribute a
		 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 AND c.relkind = CASE WHEN s.name LIKE '%\_re%' THEN 'c' ELSE 'r'
			END::"char"
		 -- a dropped attribute would leave a hole in each row of ours
		 AND (c.relkind <> 'c' OR NOT EXISTS (
			SELECT FROM pg_attribute h
			WHERE h.attrelid = c.oid AND h.attisdropped))) AS columns,
		c.ctid AS version
	FROM shape s
	JOIN pg_class c ON c.relname = s.name
	WHERE c.relnamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'pg_proc'::regclass, p.oid, p.proowner, NULL, NULL, p.ctid
	FROM pg_proc p
	WHERE p.pronamespace = 'pgmq'::regnamespace AND p.prokind IN ('f', 'p'))
SELECT o.*, i.type, i.identity, d.refobjid AS extension,
	coalesce(x.is_self, false)
	OR a.owner = me.owner
	OR CASE WHEN r.rolsuper
		THEN (SELECT rolsuper FROM pg_roles WHERE oid = a.owner)
		ELSE pg_has_role(me.owner, a.owner, 'USAGE') END AS trusted
FROM object o
CROSS JOIN pg_identify_object(o.class, o.oid, 0) i
LEFT JOIN pg_depend d ON d.classid = o.class AND d.objid = o.oid
	AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
LEFT JOIN pgmq_extension x ON x.oid = d.refobjid
JOIN pgmq_extension me ON me.is_self
JOIN pg_roles r ON r.oid = me.owner
CROSS JOIN LATERAL (SELECT coalesce(x.owner, o.owner)) a (owner)
WHERE d.refobjid IS NULL OR x.oid IS NOT NULL;

/*
 * What depends on something, in words: a view rather than its rule.
 *
 * The functions here are called with the very types of their arguments, or
 * another of the name, made in pg_temp before, could be preferred.
 */
CREATE FUNCTION pg_temp.pgmq_description(d pg_depend)
RETURNS text LANGUAGE sql
AS $description$
	SELECT CASE d.classid
		WHEN 'pg_rewrite'::regclass THEN pg_describe_object('pg_class'::regclass,
			(SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid), 0)
		ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
$description$;

DO LANGUAGE plpgsql $refuse$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
	has_headers boolean;
	dependents text;
	o record;
BEGIN
	SELECT * INTO o FROM pgmq_extension WHERE is_product AND NOT is_self;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('extension "%s" is installed in this database', o.name),
			DETAIL = format('"%s" and "%s" are two names of one product; a database can have one of them.', o.name, self);
	END IF;

	/* A function that nobody answers for is let be, and is in the way if it
	 * has the arguments of one of ours. */
	DELETE FROM pgmq_found
	WHERE class = 'pg_proc'::regclass AND extension IS NULL AND NOT trusted;

	FOR o IN
		SELECT *, pg_get_userbyid(owner) AS role
		FROM pgmq_found WHERE NOT trusted
		ORDER BY class DESC, identity
	LOOP
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('cannot take over %s %s of role "%s"', o.type, o.identity, o.role),
			HINT = format('Run the command as "%s", who needs the CREATE privilege on the database.', o.role);
	END LOOP;

	/*
	 * PGMQ before 1.10 has no last_read_at, before 1.5 no headers.  The order
	 * of the columns is part of the contract, and functions of users return
	 * this very type; so it is changed in place, and each column takes the
	 * next one's name.  What stands on a column by its number, or has stored
	 * rows of the type, would silently mean another.
	 */
	SELECT f.columns LIKE '%, headers jsonb' INTO has_headers
	FROM pgmq_found f
	WHERE f.identity = 'pgmq.message_record'
	AND f.columns || CASE WHEN f.columns LIKE '%, headers jsonb' THEN ''
		ELSE ', headers jsonb' END
		= replace(f.expected, 'last_read_at timestamp with time zone, ', '');
	IF FOUND THEN
		SELECT string_agg(DISTINCT pg_temp.pgmq_description(d), ', ')
		INTO dependents
		FROM pg_type t
		JOIN pg_depend d ON CASE d.refclassid
			WHEN 'pg_type'::regclass THEN d.refobjid IN (t.oid, t.typarray)
			WHEN 'pg_class'::regclass THEN d.refobjid = t.typrelid
			WHEN 'pg_proc'::regclass THEN d.refobjid IN (
				SELECT p.oid FROM pg_proc p
				WHERE p.prorettype IN (t.oid, t.typarray)
				OR t.oid = ANY (p.proargtypes)
				OR t.oid = ANY (p.proallargtypes)) END
		WHERE t.oid = to_regtype('pgmq.message_record')
		AND d.deptype IN ('n', 'a')
		-- the body of other functions is a text
		AND NOT (d.classid = 'pg_proc'::regclass
				 AND (SELECT p.prosqlbody IS NULL FROM pg_proc p
					  WHERE p.oid = d.objid));
		IF dependents IS NOT NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'dependent_objects_still_exist',
				MESSAGE = 'cannot take over composite type pgmq.message_record',
				DETAIL = format('Its columns change, and these objects depend on them: %s.', dependents),
				HINT = 'Drop these objects, and make them again afterwards.';
		END IF;
		ALTER TYPE pgmq.message_record RENAME ATTRIBUTE vt TO last_read_at;
		ALTER TYPE pgmq.message_record RENAME ATTRIBUTE message TO vt;
		ALTER TYPE pgmq.message_record
			ALTER ATTRIBUTE vt TYPE timestamp with time zone;
		IF has_headers THEN
			ALTER TYPE pgmq.message_record RENAME ATTRIBUTE headers TO message;
		ELSE
			ALTER TYPE pgmq.message_record ADD ATTRIBUTE message jsonb;
		END IF;
		ALTER TYPE pgmq.message_record ADD ATTRIBUTE headers jsonb;
		UPDATE pgmq_found SET columns = expected
		WHERE identity = 'pgmq.message_record';
	END IF;

	/* PGMQ 1.13 has one more column than 1.5, which has one more than 1.4. */
	FOR o IN
		SELECT a.attribute
		FROM pgmq_found f,
			string_to_table(substr(f.expected, length(f.columns) + 3), ', ')
			WITH ORDINALITY a (attribute, place)
		WHERE f.identity = 'pgmq.metrics_result'
		AND starts_with(f.expected, f.columns || ', ')
		AND f.columns LIKE '%, scrape_time timestamp with time zone%'
		ORDER BY a.place
	LOOP
		EXECUTE format('ALTER TYPE pgmq.metrics_result ADD ATTRIBUTE %s CASCADE',
			o.attribute);
		UPDATE pgmq_found SET columns = expected
		WHERE identity = 'pgmq.metrics_result';
	END LOOP;

	FOR o IN
		SELECT * FROM pgmq_found WHERE columns IS DISTINCT FROM expected
		ORDER BY class DESC, identity
	LOOP
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = format('cannot take over %s %s', o.type, o.identity),
			DETAIL = format('It should have the columns %s%s.', o.expected,
				CASE o.type WHEN 'composite type' THEN ', and none that was dropped' END);
	END LOOP;
END
$refuse$;

/*
 * Functions of ours that are not there yet are made by section 3; what is not
 * replaced there, section 4 lets go again.
 */
DO LANGUAGE plpgsql $move$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
	theirs pgmq_extension := (SELECT x FROM pgmq_extension x WHERE NOT is_self);
	o record;
BEGIN
	/* All members of theirs, and queues, which PGMQ before 1.6 made members of
	 * its own so that pg_dump passed them over. */
	FOR o IN
		SELECT i.type, i.identity, x.name AS extension
		FROM pg_depend d
		JOIN pgmq_extension x ON x.oid = d.refobjid
		CROSS JOIN pg_identify_object(d.classid, d.objid, d.objsubid) i
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND (NOT x.is_self
			 OR i.schema = 'pgmq' AND i.type IN ('table', 'sequence')
			 AND i.name ~ '^"?[qa]_')
		-- since 17 array and row types are members, too, and go with the rest
		AND NOT EXISTS (SELECT FROM pg_depend p
			WHERE p.classid = d.classid AND p.objid = d.objid
			AND p.deptype = 'i' AND p.classid = 'pg_type'::regclass)
	LOOP
		EXECUTE format('ALTER EXTENSION %I DROP %s %s', o.extension,
			replace(o.type, 'composite type', 'type'), o.identity);
	END LOOP;

	FOR o IN
		SELECT replace(f.type, 'composite type', 'type') AS type, f.identity
		FROM pgmq_found f
		WHERE f.extension IS NULL OR f.extension = theirs.oid
	LOOP
		EXECUTE format('ALTER EXTENSION %I ADD %s %s',
			self, o.type, o.identity);
	END LOOP;

	/* DROP EXTENSION would drop what users marked as depending on it. */
	FOR o IN
		SELECT i.type, i.identity
		FROM pg_depend d
		CROSS JOIN pg_identify_object(d.classid, d.objid, d.objsubid) i
		WHERE d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = theirs.oid AND d.deptype = 'x'
	LOOP
		EXECUTE format('ALTER %s %s NO DEPENDS ON EXTENSION %I',
			o.type, o.identity, theirs.name);
		EXECUTE format('ALTER %s %s DEPENDS ON EXTENSION %I',
			o.type, o.identity, self);
	END LOOP;

	IF theirs.oid IS NOT NULL THEN
		EXECUTE format('DROP EXTENSION %I', theirs.name);
	END IF;
END
$move$;

/*
 * CREATE OR REPLACE changes neither the result of a function nor the names of
 * its arguments, and takes no default away.  A function that returned another
 * type has to be made anew, so nothing may depend on it, and section 4 gives
 * the new one its owner and grants.  Names and defaults are laid aside, to be
 * given back to what section 3 does not replace.
 */
CREATE FUNCTION pg_temp.pgmq_dependents(function oid)
RETURNS text LANGUAGE sql
AS $dependents$
	SELECT string_agg(DISTINCT pg_temp.pgmq_description(d), ', ')
	FROM pg_depend d
	WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = function
$dependents$;

CREATE TEMPORARY TABLE pgmq_renewed AS
SELECT f.oid, f.type, f.identity, f.owner, p.proacl AS acl,
	pg_get_function_result(f.oid) AS result, r.result AS expected
FROM (VALUES
	('send(text, jsonb, integer)', 'SETOF bigint'),
	('send_batch(text, jsonb[], integer)', 'SETOF bigint'),
	('set_vt(text, bigint, integer)', 'SETOF pgmq.message_record'),
	('delete(text, bigint)', 'boolean'),
	('delete(text, bigint[])', 'SETOF bigint'),
	('archive(text, bigint)', 'boolean'),
	('archive(text, bigint[])', 'SETOF bigint'),
	('create(text)', 'void'),
	('create_non_partitioned(text)', 'void'),
	('create_unlogged(text)', 'void'),
	('drop_queue(text, boolean)', 'boolean'),
	('purge_queue(text)', 'bigint'),
	('detach_archive(text)', 'void'),
	('list_queues()', 'SETOF pgmq.queue_record'),
	('metrics(text)', 'pgmq.metrics_result'),
	('metrics_all()', 'SETOF pgmq.metrics_result')) r (function, result)
JOIN pgmq_found f ON f.class = 'pg_proc'::regclass
	AND f.oid = to_regprocedure('pgmq.' || r.function)
JOIN pg_proc p ON p.oid = f.oid
WHERE pg_get_function_result(f.oid) IS DISTINCT FROM r.result;

DO LANGUAGE plpgsql $renew$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT r.*, pg_temp.pgmq_dependents(r.oid) AS dependents
		FROM pgmq_renewed r
		ORDER BY r.identity
	LOOP
		IF o.dependents IS NOT NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'dependent_objects_still_exist',
				MESSAGE = format('cannot take over %s %s', o.type, o.identity),
				DETAIL = format('Its result changes from %s to %s, and these objects depend on it: %s.',
					o.result, o.expected, o.dependents),
				HINT = 'Drop these objects, and make them again afterwards.';
		END IF;
		EXECUTE format('DROP FUNCTION %s', o.identity);
	END LOOP;
END
$renew$;

DELETE FROM pgmq_found f USING pgmq_renewed r
WHERE f.class = 'pg_proc'::regclass AND f.oid = r.oid;

CREATE TEMPORARY TABLE pgmq_arguments AS
SELECT p.oid, p.proargnames AS names,
	p.pronargdefaults AS ndefaults, p.proargdefaults AS defaults
FROM pgmq_found f JOIN pg_proc p ON p.oid = f.oid
WHERE f.class = 'pg_proc'::regclass
AND (p.pronargdefaults > 0
	 OR p.proargnames IS NOT NULL AND p.proargmodes IS NULL);

UPDATE pg_proc p
SET proargnames = CASE WHEN p.proargmodes IS NOT NULL THEN p.proargnames END,
	pronargdefaults = 0, proargdefaults = NULL
FROM pgmq_arguments a
WHERE p.oid = a.oid;

UPDATE pgmq_found f SET version = p.ctid
FROM pg_proc p
WHERE f.class = 'pg_proc'::regclass AND f.oid = p.oid;

/*
 * Whether table meta is as PGMQ or this script made it, but for a trigger of
 * this function.  What users hung on it would run with the rights of this
 * script, and be it while a query of meta is planned.
 */
CREATE FUNCTION pg_temp.pgmq_meta_is_plain(known regprocedure)
RETURNS boolean LANGUAGE sql
AS $plain$
	SELECT NOT (c.relhasrules OR c.relhassubclass
		OR EXISTS (SELECT FROM pg_trigger t
				   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
				   AND t.tgfoid IS DISTINCT FROM known)
		OR EXISTS (SELECT FROM pg_constraint k
				   WHERE k.conrelid = c.oid AND k.contype = 'c')
		OR EXISTS (SELECT FROM pg_index i
				   WHERE i.indrelid = c.oid
				   AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
		OR EXISTS (SELECT FROM pg_statistic_ext e
				   WHERE e.stxrelid = c.oid))
	FROM pg_class c
	WHERE c.oid = to_regclass('pgmq.meta')
$plain$;

/*
 * Without a key, meta has a queue twice that was created twice, and nothing
 * can refer to it.
 */
DO LANGUAGE plpgsql $key$
DECLARE
	identity "char";
BEGIN
	SELECT c.relreplident INTO identity
	FROM pg_class c
	WHERE c.oid = to_regclass('pgmq.meta')
	AND NOT EXISTS (
		SELECT FROM pg_index i
		JOIN pg_attribute a ON a.attrelid = i.indrelid
			AND a.attnum = i.indkey[0] AND a.attname = 'queue_name'
		WHERE i.indrelid = c.oid
		AND i.indnkeyatts = 1 AND i.indisunique AND i.indimmediate
		AND i.indisvalid AND i.indpred IS NULL);
	IF NOT FOUND THEN
		RETURN;
	END IF;

	/* SET NOT NULL looks into checks, and a DELETE fires triggers */
	LOCK TABLE pgmq.meta IN ACCESS EXCLUSIVE MODE;
	IF NOT pg_temp.pgmq_meta_is_plain(NULL::regprocedure) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = 'cannot take over table pgmq.meta',
			DETAIL = 'It has no key, and triggers, rules, checks, indexes, statistics or children that are not PGMQ''s.',
			HINT = 'Add a unique constraint on column "queue_name".';
	END IF;

	/* a table that is published needs an identity for a DELETE */
	ALTER TABLE pgmq.meta REPLICA IDENTITY FULL;
	DELETE FROM pgmq.meta m
	USING (SELECT ctid, row_number() OVER (PARTITION BY queue_name
			ORDER BY created_at, ctid) AS place FROM pgmq.meta) d
	WHERE m.ctid = d.ctid AND d.place > 1;
	IF identity = 'n' THEN
		ALTER TABLE pgmq.meta REPLICA IDENTITY NOTHING;
	ELSIF identity <> 'f' THEN
		ALTER TABLE pgmq.meta REPLICA IDENTITY DEFAULT;
	END IF;
	ALTER TABLE pgmq.meta ALTER queue_name SET NOT NULL,
		ADD CONSTRAINT meta_queue_name_key UNIQUE (queue_name);
END
$key$;

--
-- Types.  The order of the columns is part of the contract.
--

DO $$
BEGIN
	IF pg_catalog.to_regtype('pgmq.message_record') IS NULL THEN
		CREATE TYPE pgmq.message_record AS (
			msg_id bigint,
			read_ct integer,
			enqueued_at timestamp with time zone,
			last_read_at timestamp with time zone,
			vt timestamp with time zone,
			message pg_catalog.jsonb,
			headers pg_catalog.jsonb
		);
	END IF;
	IF pg_catalog.to_regtype('pgmq.queue_record') IS NULL THEN
		CREATE TYPE pgmq.queue_record AS (
			queue_name character varying,
			is_partitioned boolean,
			is_unlogged boolean,
			created_at timestamp with time zone
		);
	END IF;
	IF pg_catalog.to_regtype('pgmq.metrics_result') IS NULL THEN
		CREATE TYPE pgmq.metrics_result AS (
			queue_name pg_catalog.text,
			queue_length bigint,
			newest_msg_age_sec integer,
			oldest_msg_age_sec integer,
			total_messages bigint,
			scrape_time timestamp with time zone,
			queue_visible_length bigint,
			default_partition_length bigint
		);
	END IF;
END
$$;

COMMENT ON TYPE pgmq.message_record IS 'a message as the reading functions return it';
COMMENT ON TYPE pgmq.queue_record IS 'a queue as list_queues returns it';
COMMENT ON TYPE pgmq.metrics_result IS 'the state of a queue at scrape_time';

--
-- Tables.  Queues themselves are no members of the extension: pg_dump dumps
-- them as the ordinary tables they are, and the rows here beside them.
--

CREATE TABLE IF NOT EXISTS pgmq.meta (
	queue_name character varying NOT NULL,
	is_partitioned boolean NOT NULL,
	is_unlogged boolean NOT NULL,
	created_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL,
	CONSTRAINT meta_queue_name_key PRIMARY KEY (queue_name)
);

CREATE TABLE IF NOT EXISTS pgmq.notify_insert_throttle (
	queue_name character varying NOT NULL,
	throttle_interval_ms integer DEFAULT 0 NOT NULL,
	last_notified_at timestamp with time zone DEFAULT pg_catalog.to_timestamp(0) NOT NULL,
	CONSTRAINT notify_insert_throttle_queue_name_key PRIMARY KEY (queue_name),
	CONSTRAINT notify_insert_throttle_meta_queue_name_fk FOREIGN KEY (queue_name)
		REFERENCES pgmq.meta (queue_name) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_notify_throttle_active
	ON pgmq.notify_insert_throttle (queue_name, last_notified_at)
	WHERE throttle_interval_ms OPERATOR(pg_catalog.>) 0;

CREATE TABLE IF NOT EXISTS pgmq.topic_bindings (
	pattern pg_catalog.text NOT NULL,
	queue_name pg_catalog.text NOT NULL
		REFERENCES pgmq.meta (queue_name) ON DELETE CASCADE,
	bound_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL,
	compiled_regex pg_catalog.text GENERATED ALWAYS AS (
		'^' OPERATOR(pg_catalog.||)
		pg_catalog.replace(pg_catalog.replace(
			pg_catalog.regexp_replace(pattern, E'([.+?^$(){}|\\[\\]\\\\])', E'\\\\\\1', 'g'),
			'*', '[^.]+'), '#', '.*')
		OPERATOR(pg_catalog.||) '$') STORED,
	CONSTRAINT topic_bindings_unique_pattern_queue PRIMARY KEY (pattern, queue_name)
);
CREATE INDEX IF NOT EXISTS idx_topic_bindings_covering
	ON pgmq.topic_bindings (pattern) INCLUDE (queue_name, compiled_regex);

-- No reference to pgmq.meta: pg_restore --jobs loads the two in any order.
CREATE TABLE IF NOT EXISTS pgmq.policy (
	queue_name pg_catalog.text NOT NULL,
	policy pg_catalog.jsonb DEFAULT '{}' NOT NULL,
	paused_until timestamp with time zone,
	dead_letter_owner pg_catalog.text,
	PRIMARY KEY (queue_name)
);

/*
 * Whose the dead-letter queues are that the policies name, which before 1.2.0
 * nobody noted: of those who own them now.  What users hung on the table would
 * run with the rights of this script, and be it while a query of it is planned:
 * then nothing is noted.
 */
DO LANGUAGE plpgsql $owners$
BEGIN
	IF EXISTS (SELECT FROM pg_attribute
			   WHERE attrelid = 'pgmq.policy'::regclass AND attname = 'dead_letter_owner')
	THEN
		RETURN;
	END IF;
	ALTER TABLE pgmq.policy ADD COLUMN dead_letter_owner pg_catalog.text;
	IF EXISTS (SELECT FROM pg_class c
			   WHERE c.oid = 'pgmq.policy'::regclass
			   AND (c.relhasrules OR c.relhassubclass OR c.relrowsecurity
					OR EXISTS (SELECT FROM pg_trigger t
							   WHERE t.tgrelid = c.oid)
					OR EXISTS (SELECT FROM pg_constraint k
							   WHERE k.conrelid = c.oid AND k.contype = 'c')
					OR EXISTS (SELECT FROM pg_attribute a
							   WHERE a.attrelid = c.oid AND a.attgenerated <> '')
					OR EXISTS (SELECT FROM pg_index i
							   WHERE i.indrelid = c.oid AND NOT i.indisprimary)
					OR EXISTS (SELECT FROM pg_statistic_ext e
							   WHERE e.stxrelid = c.oid)))
	THEN
		RAISE WARNING 'dead-letter queues that belong to another owner than their queue get no messages'
			USING DETAIL = 'Table "pgmq.policy" has triggers, rules, checks, indexes, statistics or children that are not PGMQ''s.',
			HINT = 'Name such a queue again by pgmq.set_policy(), key "dead_letter_queue".';
		RETURN;
	END IF;
	UPDATE pgmq.policy p SET dead_letter_owner = pg_get_userbyid(d.relowner)::text
	FROM pg_class d
	WHERE d.relnamespace = 'pgmq'::regnamespace
	AND d.relname = lower('q_' || (p.policy ->> 'dead_letter_queue'));
END
$owners$;

COMMENT ON TABLE pgmq.meta IS 'one row for each queue';
COMMENT ON COLUMN pgmq.meta.queue_name IS 'name as given when the queue was created; its tables are named in lower case';
COMMENT ON TABLE pgmq.notify_insert_throttle IS 'queues that notify on insert, and how often at most';
COMMENT ON COLUMN pgmq.notify_insert_throttle.throttle_interval_ms IS 'least time between two notifications in milliseconds; 0 for no limit';
COMMENT ON TABLE pgmq.topic_bindings IS 'which routing keys go to which queues';
COMMENT ON COLUMN pgmq.topic_bindings.pattern IS '* stands for one segment of a routing key, # for any characters';
COMMENT ON TABLE pgmq.policy IS 'queues with a policy, and queues that are paused; change it by set_policy, pause and resume';
COMMENT ON COLUMN pgmq.policy.paused_until IS 'reads return nothing before';
COMMENT ON COLUMN pgmq.policy.dead_letter_owner IS 'whose the dead-letter queue was when the policy named it; one of another owner gets no messages';

SELECT pg_catalog.pg_extension_config_dump('pgmq.meta', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.notify_insert_throttle', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.topic_bindings', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.policy', '');

--
-- Sending messages: src/api/send.c
--

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb) IS
'Send a message. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb) IS
'Send a message with headers. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, integer) IS
'Send a message that can be read after delay seconds. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, timestamp with time zone) IS
'Send a message that can be read from a point in time on. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, integer) IS
'Send a message with headers that can be read after delay seconds. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, timestamp with time zone) IS
'Send a message with headers that can be read from a point in time on. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers_or_delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, text) IS
'Send a message; what an untyped third literal means is seen by its form: a JSON object is headers, an integer a delay in seconds, a timestamp a point in time. Returns the msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, interval) IS
'Send a message that can be read after an interval. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, interval) IS
'Send a message with headers that can be read after an interval. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, delay character varying)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, character varying) IS
'Send a message; for a delay that is named and has no type. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, text) IS
'Send a message with headers; what a delay without a type means is seen by its form: an integer, an interval, a point in time, or NULL for none. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[]) IS
'Send several messages. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[]) IS
'Send several messages, each with the headers at its place. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], integer) IS
'Send several messages that can be read after delay seconds. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], timestamp with time zone) IS
'Send several messages that can be read from a point in time on. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], integer) IS
'Send several messages, each with the headers at its place, that can be read after delay seconds. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], timestamp with time zone) IS
'Send several messages, each with the headers at its place, that can be read from a point in time on. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], interval) IS
'Send several messages that can be read after an interval. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], interval) IS
'Send several messages, each with the headers at its place, that can be read after an interval. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], text) IS
'Send several messages; what a third argument without a type means is seen by its form: an array of JSON is headers, an integer, an interval or a point in time a delay. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], text) IS
'Send several messages, each with the headers at its place; what a delay without a type means is seen by its form. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq._send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_unchecked'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._send_batch(text, jsonb[], jsonb[], timestamp with time zone) IS
'Internal: send_batch without its checks.';

CREATE OR REPLACE FUNCTION pgmq._validate_batch_params(msgs jsonb[], headers jsonb[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_validate_batch_params'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._validate_batch_params(jsonb[], jsonb[]) IS
'Internal: the checks of send_batch.';


--
-- Reading messages: src/api/read.c
--

CREATE OR REPLACE FUNCTION pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read(text, integer, integer, jsonb) IS
'Read up to qty messages, oldest first, and hide them from other reads for vt seconds. Only messages that contain conditional, when it is not empty.';

CREATE OR REPLACE FUNCTION pgmq.read_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_with_poll(text, integer, integer, integer, integer, jsonb) IS
'As read, but wait up to max_poll_seconds for a message when there is none.';

CREATE OR REPLACE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_pop'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.pop(text, integer) IS
'Read up to qty messages, oldest first, and delete them at once: at most once delivery.';

--
-- Waiting for messages: src/api/wait.c
--

CREATE OR REPLACE PROCEDURE pgmq.wait(queue_name text, max_poll_seconds integer)
AS 'MODULE_PATHNAME', 'pgmq_wait'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.wait(text, integer) IS
'Wait up to max_poll_seconds until a message can be read. Commits first and holds no snapshot and no lock while it waits, unless it is called inside a transaction block or a function.';

--
-- Reading from several queues: src/api/read_any.c
--

CREATE OR REPLACE FUNCTION pgmq.read_any(queue_names text[], vt integer, qty integer, options jsonb DEFAULT '{}')
RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_read_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_any(text[], integer, integer, jsonb) IS
'Read up to qty messages from several queues: from each what the ones before it in the list leave to be had, or with {"order": "fair"} an equal share of all.';

CREATE OR REPLACE FUNCTION pgmq.read_any_with_poll(queue_names text[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, options jsonb DEFAULT '{}')
RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_read_any_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_any_with_poll(text[], integer, integer, integer, integer, jsonb) IS
'As read_any, but wait up to max_poll_seconds for a message in any of the queues when there is none.';


--
-- Reading FIFO groups: src/api/read_grouped.c
--

CREATE OR REPLACE FUNCTION pgmq.read_grouped(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped(text, integer, integer) IS
'Read up to qty messages in FIFO order within their group (header x-pgmq-group), filling up from the group with the oldest message. A group with a message in flight waits.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_with_poll(text, integer, integer, integer, integer) IS
'As read_grouped, but wait up to max_poll_seconds for a message when there is none.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_rr(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_rr'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_rr(text, integer, integer) IS
'Read up to qty messages in FIFO order within their group (header x-pgmq-group), taking from the groups in turn. A group with a message in flight waits.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_rr_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_rr_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_rr_with_poll(text, integer, integer, integer, integer) IS
'As read_grouped_rr, but wait up to max_poll_seconds for a message when there is none.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_head'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_head(text, integer, integer) IS
'Read the oldest message of each of up to qty groups (header x-pgmq-group). A group with a message in flight waits.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_head_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_head_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_head_with_poll(text, integer, integer, integer, integer) IS
'As read_grouped_head, but wait up to max_poll_seconds for a message when there is none.';

--
-- Acknowledging messages: src/api/ack.c
--

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_delete'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint) IS
'Delete one message. False when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_delete_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint[]) IS
'Delete several messages. Returns the ids of those there were.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint, integer) IS
'Delete one message unless it was read again since the read that returned read_ct. False when it was, or is gone.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_delete_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint[], integer[]) IS
'Delete several messages, but none that was read again since the read that returned its read_ct. Returns the ids done.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text) IS
'Delete one message, whose id has no type. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text, text) IS
'Delete one message, by arguments without a type, unless it was read again since the read that returned read_ct. Returns whether it was deleted; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint) IS
'Move one message to the archive. False when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_archive_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint[]) IS
'Move several messages to the archive. Returns the ids of those there were.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint, integer) IS
'Move one message to the archive unless it was read again since the read that returned read_ct. False when it was, or is gone.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_archive_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint[], integer[]) IS
'Move several messages to the archive, but none that was read again since the read that returned its read_ct. Returns the ids done.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text) IS
'Move one message, whose id has no type, to the archive. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text, text) IS
'Move one message, by arguments without a type, to the archive, unless it was read again since the read that returned read_ct. Returns whether it was moved; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, integer) IS
'Make a message readable from vt seconds from now on. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], integer) IS
'Make several messages readable from vt seconds from now on. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, integer, integer) IS
'Make a message readable from vt seconds from now on, unless it was read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], integer, integer[]) IS
'Make several messages readable from vt seconds from now on, but none that was read again since the read that returned its read_ct. Returns the messages changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, timestamp with time zone) IS
'Make a message readable from a point in time on. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], timestamp with time zone) IS
'Make several messages readable from a point in time on. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, timestamp with time zone, integer) IS
'Make a message readable from a point in time on, unless it was read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], timestamp with time zone, integer[]) IS
'Make several messages readable from a point in time on, but none that was read again since the read that returned its read_ct. Returns the messages changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, interval) IS
'Make a message readable after an interval. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], interval) IS
'Make several messages readable after an interval. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, interval, integer) IS
'Make a message readable after an interval, unless it was read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], interval, integer[]) IS
'Make several messages readable after an interval, but none that was read again since the read that returned its read_ct. Returns the messages changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text) IS
'Make a message readable later; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text) IS
'Make several messages readable later; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text, integer) IS
'Make a message readable later, unless it was read again since the read that returned read_ct; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text, integer[]) IS
'Make several messages readable later, but none that was read again since the read that returned its read_ct; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the messages changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, integer) IS
'Make one message or several, whose ids have no type, readable from vt seconds from now on. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text) IS
'Make one message or several readable later, by arguments without a type. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text, read_ct_or_cts text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text, text) IS
'Make one message or several readable later, by arguments without a type, but none that was read again since the read that returned its read_ct. Returns the messages changed.';


--
-- Giving messages back: src/api/nack.c
--

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint) IS
'Give a message back, to be read again after the delay of the back-off policy, or at once without one. False when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer) IS
'Give a message back, to be read again after delay seconds; NULL leaves the delay to the policy. False when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer, integer) IS
'Give a message back, unless it was read again since the read that returned read_ct; a delay of NULL is left to the policy. False when it was, or is gone.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[]) IS
'Give several messages back, to be read again after the delay of the back-off policy. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer) IS
'Give several messages back, to be read again after delay seconds; NULL leaves the delay to the policy. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delays'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer[]) IS
'Give several messages back, each to be read again after its delay in seconds; where it is NULL, the policy decides. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer, integer[]) IS
'Give several messages back after delay seconds, but none that was read again since the read that returned its read_ct. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delays_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer[], integer[]) IS
'Give several messages back, each after its delay in seconds, but none that was read again since the read that returned its read_ct. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer, error text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer, integer, text) IS
'Give a message back and keep an error in its header x-pgmq-error, unless it was read again since the read that returned read_ct; a delay of NULL is left to the policy. False when it was, or is gone.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[], error text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer, integer[], text) IS
'Give several messages back and keep an error in their header x-pgmq-error, but in none that was read again since the read that returned its read_ct. Returns the ids given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text) IS
'Give one message back, whose id has no type. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay integer)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, integer) IS
'Give one message back, whose id has no type, to be read again after delay seconds. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text) IS
'Give one message back, by arguments without a type. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text) IS
'Give one message back, by arguments without a type, unless it was read again since the read that returned read_ct. Returns whether it was given back; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text, error text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text, text) IS
'Give one message back and keep an error in its header x-pgmq-error, by arguments without a type. Returns whether it was given back; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint) IS
'End the lease of a message as if it had not been read: it is readable at once, and read_ct is what it was. False when it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer) IS
'End the lease of a message as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[]) IS
'End the leases of several messages as if they had not been read. Returns the ids of those that were in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[], integer[]) IS
'End the leases of several messages as if they had not been read, but of none that was read again since the read that returned its read_ct. Returns the ids released.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay integer, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer, integer) IS
'Put a message off for delay seconds as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay timestamp with time zone, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, timestamp with time zone, integer) IS
'Put a message off until a point in time as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay interval, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, interval, integer) IS
'Put a message off for an interval as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay text, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, text, integer) IS
'Put a message off as if it had not been read; what a delay without a type means is seen by its form: an integer, an interval or a point in time. False when it was read again, or is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text) IS
'End the lease of one message, whose id has no type, as if it had not been read. Returns whether it was in flight; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text, text) IS
'End the lease of one message, by arguments without a type, as if it had not been read. Returns whether it was in flight and not read again; no row for an empty array.';

--
-- Dead letters: src/api/dead_letter.c
--

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint, text) IS
'Move a message to the dead-letter queue of its queue. False when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint, text, integer) IS
'Move a message to the dead-letter queue of its queue, unless it was read again since the read that returned read_ct. False when it was, or is gone.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint[], text) IS
'Move several messages to the dead-letter queue of their queue. Returns the ids moved.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text, read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint[], text, integer[]) IS
'Move several messages to the dead-letter queue of their queue, but none that was read again since the read that returned its read_ct. Returns the ids moved.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text) IS
'Move one message, whose id has no type, to the dead-letter queue of its queue. Returns whether there was one; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text, text) IS
'Move one message, by arguments without a type, to the dead-letter queue of its queue, unless it was read again since the read that returned read_ct. Returns whether it was moved; no row for an empty array.';

CREATE OR REPLACE FUNCTION pgmq.redrive(queue_name text, qty integer)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_redrive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.redrive(text, integer) IS
'Move up to qty messages from a dead-letter queue back to the queues they came from. Returns how many.';

CREATE OR REPLACE FUNCTION pgmq.redrive(queue_name text, qty integer, options jsonb)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_redrive_options'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.redrive(text, integer, jsonb) IS
'Move up to qty messages from a dead-letter queue back to the queues they came from, or to the queue that option to_queue names, at most per_second of them each second to one queue. Returns how many.';

CREATE OR REPLACE FUNCTION pgmq.forward(queue_name text, msg_id bigint, to_queue text, msg jsonb, headers jsonb, read_ct integer)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_forward'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.forward(text, bigint, text, jsonb, jsonb, integer) IS
'Delete a message and send another to a queue, both or none, unless the message was read again since the read that returned read_ct. Returns the id of the new message; NULL when it was, or is gone.';


--
-- Looking into a queue: src/api/peek.c
--

CREATE OR REPLACE FUNCTION pgmq.peek(queue_name text, state text DEFAULT 'all', qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_peek'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.peek(text, text, integer, bigint) IS
'Show up to qty messages in a state (visible, delayed, in_flight, all) with ids after after_msg_id, oldest first, without touching them.';

CREATE OR REPLACE FUNCTION pgmq.peek_archive(queue_name text, qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, archived_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_peek_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.peek_archive(text, integer, bigint) IS
'Show up to qty archived messages with ids after after_msg_id, oldest first.';

--
-- Sending archived messages again: src/api/unarchive.c
--

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_id bigint)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, bigint) IS
'Send an archived message again, as a new one whose header x-pgmq-unarchived names the old one, and remove it from the archive. Returns the new id, or NULL when there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, bigint[]) IS
'Send several archived messages again, oldest first. Returns the new ids of those there were.';

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_id_or_ids text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, text) IS
'Send one archived message again or several, whose ids have no type. Returns the new ids of those there were.';


--
-- Topics: src/api/topic.c
--

CREATE OR REPLACE FUNCTION pgmq.bind_topic(pattern text, queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_bind_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.bind_topic(text, text) IS
'Send messages whose routing key matches pattern to a queue: * stands for one segment between dots, # for any characters.';

CREATE OR REPLACE FUNCTION pgmq.unbind_topic(pattern text, queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_unbind_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unbind_topic(text, text) IS
'Undo bind_topic. False when there was no such binding.';

CREATE OR REPLACE FUNCTION pgmq.test_routing(routing_key text)
RETURNS TABLE(pattern text, queue_name text, compiled_regex text)
AS 'MODULE_PATHNAME', 'pgmq_test_routing'
LANGUAGE C STABLE;
COMMENT ON FUNCTION pgmq.test_routing(text) IS
'The bindings that a routing key matches.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, headers jsonb, delay integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb, jsonb, integer) IS
'Send a message with headers, readable after delay seconds, to every queue bound to its routing key. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb) IS
'Send a message to every queue bound to its routing key. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, delay integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb, integer) IS
'Send a message, readable after delay seconds, to every queue bound to its routing key. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[]) IS
'Send several messages to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[]) IS
'Send several messages, each with the headers at its place, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], integer) IS
'Send several messages, readable after delay seconds, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], timestamp with time zone) IS
'Send several messages, readable from a point in time on, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay integer)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], integer) IS
'Send several messages, each with the headers at its place, readable after delay seconds, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], timestamp with time zone) IS
'Send several messages, each with the headers at its place, readable from a point in time on, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], interval) IS
'Send several messages, readable after an interval, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], interval) IS
'Send several messages, each with the headers at its place, readable after an interval, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], text) IS
'Send several messages to every queue bound to their routing key; what a third argument without a type means is seen by its form: an array of JSON is headers, an integer, an interval or a point in time a delay. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], text) IS
'Send several messages, each with the headers at its place, to every queue bound to their routing key; what a delay without a type means is seen by its form. Returns each queue and msg_id.';

CREATE OR REPLACE FUNCTION pgmq.list_topic_bindings()
RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT b.pattern, b.queue_name, b.bound_at, b.compiled_regex
	FROM pgmq.topic_bindings AS b
	ORDER BY b.bound_at DESC, b.pattern, b.queue_name;
END;
COMMENT ON FUNCTION pgmq.list_topic_bindings() IS
'List all topic bindings.';

CREATE OR REPLACE FUNCTION pgmq.list_topic_bindings(queue_name text)
RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT b.pattern, b.queue_name, b.bound_at, b.compiled_regex
	FROM pgmq.topic_bindings AS b
	WHERE pg_catalog.lower(b.queue_name) OPERATOR(pg_catalog.=)
		pg_catalog.lower(list_topic_bindings.queue_name)
	ORDER BY b.bound_at DESC, b.pattern, b.queue_name;
END;
COMMENT ON FUNCTION pgmq.list_topic_bindings(text) IS
'List the topic bindings of a queue.';

--
-- Routing keys and patterns: src/api/topic_pattern.c
--

CREATE OR REPLACE FUNCTION pgmq.validate_routing_key(routing_key text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_validate_routing_key'
LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION pgmq.validate_routing_key(text) IS
'True, or an error that says what is wrong with a routing key.';

CREATE OR REPLACE FUNCTION pgmq.validate_topic_pattern(pattern text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_validate_topic_pattern'
LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION pgmq.validate_topic_pattern(text) IS
'True, or an error that says what is wrong with a topic pattern.';


--
-- Notifications: src/api/notify.c
--

CREATE OR REPLACE FUNCTION pgmq.notify_queue_listeners()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_notify_queue_listeners'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.notify_queue_listeners() IS
'Trigger function of enable_notify_insert.';


--
-- Switching notifications on and off: src/api/notify_setup.c
--

CREATE OR REPLACE FUNCTION pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer DEFAULT 250)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_enable_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.enable_notify_insert(text, integer) IS
'Notify channel pgmq.q_<name>.INSERT when messages are sent, at most once in throttle_interval_ms milliseconds.';

CREATE OR REPLACE FUNCTION pgmq.disable_notify_insert(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_disable_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.disable_notify_insert(text) IS
'Notify no longer when messages are sent.';

CREATE OR REPLACE FUNCTION pgmq.update_notify_insert(queue_name text, throttle_interval_ms integer)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_update_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.update_notify_insert(text, integer) IS
'Change how often a queue notifies at most.';

CREATE OR REPLACE FUNCTION pgmq.list_notify_insert_throttles()
RETURNS TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT t.queue_name::pg_catalog.text, t.throttle_interval_ms, t.last_notified_at
	FROM pgmq.notify_insert_throttle AS t
	ORDER BY t.queue_name;
END;
COMMENT ON FUNCTION pgmq.list_notify_insert_throttles() IS
'List the queues that notify on insert.';

--
-- Metrics: src/api/metrics.c
--

CREATE OR REPLACE FUNCTION pgmq.metrics(queue_name text)
RETURNS pgmq.metrics_result
AS 'MODULE_PATHNAME', 'pgmq_metrics'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.metrics(text) IS
'The state of a queue: its length, how much of it can be read now, the ages of its oldest and newest message in seconds, and how many messages were ever sent.';

CREATE OR REPLACE FUNCTION pgmq.metrics_all()
RETURNS SETOF pgmq.metrics_result
AS 'MODULE_PATHNAME', 'pgmq_metrics_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.metrics_all() IS
'The state of every queue that the caller may count; one that cannot be examined is left out with a warning.';

--
-- The state of shared memory: src/api/status.c
--

CREATE OR REPLACE FUNCTION pgmq.engine_status()
RETURNS TABLE(queue_name text, due_map text, pieces bigint, bytes bigint, next_due timestamp with time zone, waiting integer, net_finds bigint)
AS 'MODULE_PATHNAME', 'pgmq_engine_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.engine_status() IS
'How each queue that you have any right to stands in shared memory: whether reads go by its due map (on) or why not, the pieces of the map and the bytes they take, when something can next be read (null: unknown if there are pieces, nothing is to come otherwise), how many sessions wait for it, and how often the net found what the map would have hidden, which should be never.';

--
-- Locked messages, and what keeps vacuum from removing rows: src/api/locked.c
--

CREATE OR REPLACE FUNCTION pgmq.locked(queue_name text, qty integer DEFAULT 1000, after_msg_id bigint DEFAULT NULL)
RETURNS TABLE(msg_id bigint, vt timestamp with time zone, transaction xid, pid integer)
AS 'MODULE_PATHNAME', 'pgmq_locked'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.locked(text, integer, bigint) IS
'Of the first qty messages (after an id, if one is given), those that a running transaction has locked, and which one. pid is null for a prepared transaction. Locks nothing itself.';

CREATE OR REPLACE FUNCTION pgmq.horizon()
RETURNS TABLE(kind text, pid integer, name text, state text, since timestamp with time zone, xacts bigint)
LANGUAGE sql
BEGIN ATOMIC
	SELECT h.kind, h.pid, h.name, h.state, h.since, h.xacts
	FROM (
		SELECT CASE a.backend_type WHEN 'walsender' THEN 'standby' ELSE 'session' END AS kind,
			a.pid, concat_ws(' ', a.usename, nullif(a.application_name, '')) AS name,
			a.state, a.xact_start AS since,
			greatest(age(a.backend_xid), age(a.backend_xmin))::bigint AS xacts
		FROM pg_stat_activity a
		WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
		AND a.pid <> pg_backend_pid()
		AND (a.datname = current_database() OR a.backend_type = 'walsender')
		UNION ALL
		SELECT 'prepared transaction', NULL, p.gid, 'prepared', p.prepared,
			age(p.transaction)::bigint
		FROM pg_prepared_xacts p
		WHERE p.database = current_database()
		UNION ALL
		SELECT 'replication slot', s.active_pid, s.slot_name::text,
			CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL,
			age(s.xmin)::bigint
		FROM pg_replication_slots s
		WHERE s.xmin IS NOT NULL) h
	ORDER BY h.xacts DESC, h.kind, h.pid;
END;
COMMENT ON FUNCTION pgmq.horizon() IS
'What keeps vacuum from removing dead rows of this database''s tables, oldest first: sessions, prepared transactions, replication slots and standbys, and for how many transactions. pg_monitor sees all sessions, other roles their own.';


--
-- Policies: src/api/set_policy.c
--

CREATE OR REPLACE FUNCTION pgmq.set_policy(queue_name text, policy jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'pgmq_set_policy'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_policy(text, jsonb) IS
'Change the policy of a queue: keys that are absent stay as they are, those that are null are removed. Returns the whole policy. For the owner of the queue. Keys: max_reads, dead_letter_queue, create_dead_letter_queue, backoff, backoff_base, backoff_factor, backoff_cap, backoff_jitter, ttl, ttl_header, expired, dedup_window, archive_retention, strict_fifo.';

CREATE OR REPLACE FUNCTION pgmq.get_policy(queue_name text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'pgmq_get_policy'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.get_policy(text) IS
'The policy of a queue; an empty object when it has none. For who has any right to the queue.';

CREATE OR REPLACE FUNCTION pgmq.pause(queue_name text, until timestamp with time zone)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_pause'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.pause(text, timestamp with time zone) IS
'Have reads of a queue return nothing until a point in time; sends go on. For the owner of the queue.';

CREATE OR REPLACE FUNCTION pgmq.resume(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_resume'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.resume(text) IS
'End the pause of a queue, and wake its waiting readers. False when it was not paused.';

--
-- Maintenance: src/policy/maintain.c
--

CREATE OR REPLACE PROCEDURE pgmq.maintain()
AS 'MODULE_PATHNAME', 'pgmq_maintain'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.maintain() IS
'Do what the policies of your queues want done when nobody reads: drop or dead-letter expired messages, delete what is too old in archives, forget ids that have left the window for duplicates. Commits as it goes, unless it is called inside a transaction block or a function.';


--
-- Creating and dropping queues: src/catalog/manage.c
--

CREATE OR REPLACE FUNCTION pgmq.create(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create(text) IS
'Create a queue, unless it exists.';

CREATE OR REPLACE FUNCTION pgmq.create_non_partitioned(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_non_partitioned(text) IS
'Create a queue, unless it exists.';

CREATE OR REPLACE FUNCTION pgmq.create_unlogged(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_unlogged'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_unlogged(text) IS
'Create an unlogged queue, unless it exists: faster, and empty after a crash or failover. Its archive is logged.';

CREATE OR REPLACE FUNCTION pgmq.drop_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_drop_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.drop_queue(text) IS
'Drop a queue and its archive. False when there is no such queue.';

CREATE OR REPLACE FUNCTION pgmq.drop_queue(queue_name text, partitioned boolean)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_drop_queue_deprecated'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.drop_queue(text, boolean) IS
'Deprecated: drop_queue(queue_name).';

CREATE OR REPLACE FUNCTION pgmq.purge_queue(queue_name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_purge_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.purge_queue(text) IS
'Remove all messages of a queue. Returns how many there were.';

CREATE OR REPLACE FUNCTION pgmq.detach_archive(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_detach_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.detach_archive(text) IS
'Deprecated: does nothing.';

CREATE OR REPLACE FUNCTION pgmq.create_fifo_index(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_index'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_fifo_index(text) IS
'Create the index that serves the grouped reads of a queue, unless it exists.';

CREATE OR REPLACE FUNCTION pgmq.create_fifo_indexes_all()
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_indexes_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_fifo_indexes_all() IS
'Create the index that serves grouped reads for every queue; one that cannot have it gives a warning.';


CREATE OR REPLACE FUNCTION pgmq.acquire_queue_lock(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_acquire_queue_lock'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.acquire_queue_lock(text) IS
'Hold off other sessions that create or drop this queue until the transaction ends. For who has any right to the queue, or may create one.';

CREATE OR REPLACE FUNCTION pgmq._create_fifo_index_if_not_exists(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_index'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._create_fifo_index_if_not_exists(text) IS
'Internal: create_fifo_index.';


--
-- Partitioned queues: src/catalog/partition.c
--

CREATE OR REPLACE FUNCTION pgmq.create_partitioned(queue_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', premake integer DEFAULT 4)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_partitioned(text, text, text, integer) IS
'Create a queue partitioned by pg_partman, unless it exists: by msg_id when partition_interval is an integer, else by time. Partitions older than retention_interval are dropped with the messages in them.';

CREATE OR REPLACE FUNCTION pgmq.convert_archive_partitioned(table_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', leading_partition integer DEFAULT 10)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_convert_archive_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_archive_partitioned(text, text, text, integer) IS
'Replace the archive of queue table_name by one partitioned by pg_partman. The old archive, with its messages, is kept as a_<name>_old.';

CREATE OR REPLACE FUNCTION pgmq._belongs_to_pgmq(table_name text)
RETURNS boolean
LANGUAGE sql
RETURN EXISTS (
	SELECT FROM pg_catalog.pg_depend AS d
	JOIN pg_catalog.pg_extension AS e ON d.refobjid = e.oid
	JOIN pg_catalog.pg_class AS c ON d.objid = c.oid
	WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
		AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
		AND d.deptype = 'e'
		AND e.extname IN ('pgmq', 'pgmq_c')
		AND c.relname = table_name
);
COMMENT ON FUNCTION pgmq._belongs_to_pgmq(text) IS
'Internal: whether a table is a member of the extension.';

CREATE OR REPLACE FUNCTION pgmq._get_partition_col(partition_interval text)
RETURNS text
AS 'MODULE_PATHNAME', 'pgmq_get_partition_col'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._get_partition_col(text) IS
'Internal: the column that a queue is partitioned by.';

CREATE OR REPLACE FUNCTION pgmq._extension_exists(extension_name text)
RETURNS boolean
LANGUAGE sql
RETURN EXISTS (
	SELECT FROM pg_catalog.pg_extension WHERE extname = extension_name
);
COMMENT ON FUNCTION pgmq._extension_exists(text) IS
'Internal: whether an extension is installed.';

CREATE OR REPLACE FUNCTION pgmq._ensure_pg_partman_installed()
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_ensure_pg_partman_installed'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._ensure_pg_partman_installed() IS
'Internal: an error when pg_partman is not installed.';

CREATE OR REPLACE FUNCTION pgmq._get_pg_partman_schema()
RETURNS text
LANGUAGE sql
RETURN (
	SELECT n.nspname::pg_catalog.text
	FROM pg_catalog.pg_extension AS e
	JOIN pg_catalog.pg_namespace AS n ON e.extnamespace = n.oid
	WHERE e.extname = 'pg_partman'
);
COMMENT ON FUNCTION pgmq._get_pg_partman_schema() IS
'Internal: the schema of pg_partman.';

CREATE OR REPLACE FUNCTION pgmq._get_pg_partman_major_version()
RETURNS integer
LANGUAGE sql
RETURN (
	SELECT pg_catalog.split_part(extversion, '.', 1)::integer
	FROM pg_catalog.pg_extension
	WHERE extname = 'pg_partman'
);
COMMENT ON FUNCTION pgmq._get_pg_partman_major_version() IS
'Internal: the major version of pg_partman.';

--
-- Adopting and converting queues: src/catalog/convert.c
--

CREATE OR REPLACE FUNCTION pgmq.adopt_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_adopt_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.adopt_queue(text) IS
'Make the tables q_<name> and a_<name>, which are there already, a queue, with the layout of a new one. Returns false when they are one already.';

CREATE OR REPLACE FUNCTION pgmq.convert_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_convert_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queue(text) IS
'Bring a queue that PGMQ made to the layout of a new one, in place. Returns false when it has it already.';

CREATE OR REPLACE FUNCTION pgmq.convert_queues(queue_names text[])
RETURNS SETOF text
LANGUAGE sql
BEGIN ATOMIC
	SELECT n.name FROM pg_catalog.unnest(queue_names) WITH ORDINALITY n (name, place)
	WHERE pgmq.convert_queue(n.name)
	ORDER BY n.place;
END;
COMMENT ON FUNCTION pgmq.convert_queues(text[]) IS
'As convert_queue, for several queues. Returns the names of those that were changed.';

CREATE OR REPLACE FUNCTION pgmq.convert_queues_all()
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pgmq_convert_queues_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queues_all() IS
'As convert_queue, for all queues; one that cannot be converted gives a warning. Returns the names of those that were changed.';

--
-- Privileges on queues: src/catalog/grant.c
--

CREATE OR REPLACE FUNCTION pgmq.grant_queue(queue_name text, role text, VARIADIC privileges text[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_grant_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.grant_queue(text, text, text[]) IS
'Grant a role (or public) privileges on a queue, one or more of send; read (and delete, archive); inspect (all but what messages say); manage (purge, look, empty the archive). They are privileges on its tables.';

CREATE OR REPLACE FUNCTION pgmq.revoke_queue(queue_name text, role text, VARIADIC privileges text[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_revoke_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.revoke_queue(text, text, text[]) IS
'Take back what grant_queue gave. What another privilege of the role needs, it keeps.';


--
-- The list of queues: src/catalog/meta.c
--

CREATE OR REPLACE FUNCTION pgmq.list_queues()
RETURNS SETOF pgmq.queue_record
LANGUAGE sql
BEGIN ATOMIC
	SELECT queue_name, is_partitioned, is_unlogged, created_at
	FROM pgmq.meta
	ORDER BY queue_name;
END;
COMMENT ON FUNCTION pgmq.list_queues() IS
'List all queues.';

/*
 * The foreign keys that refer to meta delete with their tables' owner's
 * rights, so no trigger of others may run then.  And nobody takes a queue out
 * of it that is not his own.  (First of what locks tables: create and
 * drop_queue, too, come to meta before the others.)
 */
CREATE OR REPLACE FUNCTION pgmq._guard_meta()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_guard_meta'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._guard_meta() IS
'Internal: refuses to delete a queue from pgmq.meta that is not the caller''s, or when triggers of others would run by the rights of the owner of its bindings.';
CREATE OR REPLACE TRIGGER pgmq_guard BEFORE DELETE ON pgmq.meta
	FOR EACH ROW EXECUTE FUNCTION pgmq._guard_meta();

--
-- The due map: src/duemap/xact.c
--

CREATE OR REPLACE FUNCTION pgmq._announce()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_announce'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._announce() IS
'Internal: trigger function of every queue table; tells the due map what can be read when.';

--
-- Names of queues: src/common/queue.c
--

CREATE OR REPLACE FUNCTION pgmq.format_table_name(queue_name text, prefix text)
RETURNS text
AS 'MODULE_PATHNAME', 'pgmq_format_table_name'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.format_table_name(text, text) IS
'The name of the table of a queue: prefix q for its messages, a for its archive.';

CREATE OR REPLACE FUNCTION pgmq.validate_queue_name(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_validate_queue_name'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.validate_queue_name(text) IS
'An error when a queue cannot have this name.';

/*
 * pg_restore --jobs loads meta and the tables that refer to it in any order,
 * and would lose the rows that come too early.  So nobody checks row by row
 * that the queue is there, as bind_topic and enable_notify_insert do anyway.
 * What belongs to a queue goes with it as ever.
 */
DO LANGUAGE plpgsql $restore$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT t.tgrelid::regclass AS name, t.tgname
		FROM pg_constraint k
		JOIN pg_trigger t ON t.tgconstraint = k.oid AND t.tgrelid = k.conrelid
		WHERE k.contype = 'f' AND k.confrelid = 'pgmq.meta'::regclass
		AND k.conrelid IN ('pgmq.topic_bindings'::regclass,
			'pgmq.notify_insert_throttle'::regclass)
		AND t.tgisinternal
		ORDER BY 1, 2
	LOOP
		EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', o.name, o.tgname);
	END LOOP;
END
$restore$;

/*
 * Before 17 only a library that is preloaded has shared memory.  Who has asked to
 * hear of errors only is not told.
 */
DO LANGUAGE plpgsql $memory$
DECLARE
	libraries text := current_setting('shared_preload_libraries');
BEGIN
	IF current_setting('server_version_num')::int < 170000
		AND strpos(libraries, 'pgmq_c') = 0
		AND current_setting('client_min_messages') = 'warning'
	THEN
		SET LOCAL client_min_messages TO notice;
		RAISE NOTICE 'pgmq_c has no shared memory on this server, so reads and waiting reads do more work than they had to'
			USING HINT = format('Put this line into postgresql.conf and restart the server: shared_preload_libraries = %L',
				concat_ws(', ', nullif(libraries, ''), 'pgmq_c'));
	END IF;
END
$memory$;

/*
 * 4. Tidying up after a take-over, and adopting what is nobody's
 *
 * On a fresh installation most of this finds nothing to do.  CREATE EXTENSION
 * silences notices; what is done here, users should hear of.
 */
SET LOCAL client_min_messages TO notice;

/*
 * A role that was kept from calling a function is kept from its new forms too:
 * a new function gets owner and grants of the one that was there with the first
 * of its arguments, or of another one of its name: of one that everybody may
 * call if there is one, since a role that may call that is kept from nothing.
 * Everything else that is new belongs to the extension's
 * owner, which need not be the superuser that this runs as.
 */
DO LANGUAGE plpgsql $own$
DECLARE
	me pgmq_extension := (SELECT x FROM pgmq_extension x WHERE is_self);
	o record;
	g record;
BEGIN
	FOR o IN
		SELECT i.type, i.identity, s.acl,
			coalesce(s.owner, me.owner)::regrole AS owner
		FROM pg_depend d
		CROSS JOIN pg_identify_object(d.classid, d.objid, 0) i
		LEFT JOIN LATERAL (
			SELECT CASE WHEN r.oid IS NULL THEN old.proacl ELSE r.acl END AS acl,
				coalesce(r.owner, old.proowner) AS owner
			FROM pg_proc new
			JOIN pg_proc old ON old.pronamespace = new.pronamespace
				AND old.proname = new.proname
			LEFT JOIN pgmq_found f ON f.class = d.classid AND f.oid = old.oid
			LEFT JOIN pgmq_renewed r ON to_regprocedure(r.identity) = old.oid
			WHERE new.oid = d.objid AND d.classid = 'pg_proc'::regclass
			-- one of a user's own that has the name says nothing
			AND (old.ctid <> f.version OR r.oid IS NOT NULL
				 OR f.oid IS NOT NULL
				 AND new.proargtypes::text LIKE old.proargtypes::text || ' %')
			ORDER BY new.oid = old.oid DESC,
				new.proargtypes::text LIKE old.proargtypes::text || ' %' DESC,
				has_function_privilege('public', old.oid, 'EXECUTE') DESC,
				old.pronargs <= new.pronargs DESC, old.pronargs DESC,
				old.proargtypes::text LIMIT 1) s ON true
		WHERE d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = me.oid AND d.deptype = 'e'
		AND (d.classid, d.objid) NOT IN (SELECT class, oid FROM pgmq_found)
		AND i.schema = 'pgmq'
		AND NOT EXISTS (SELECT FROM pg_depend p
			WHERE p.classid = d.classid AND p.objid = d.objid
			AND p.deptype = 'i' AND p.classid = 'pg_type'::regclass)
	LOOP
		EXECUTE format('ALTER %s %s OWNER TO %s',
			replace(o.type, 'composite type', 'type'), o.identity, o.owner);
		CONTINUE WHEN o.acl IS NULL;
		EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', o.identity);
		FOR g IN SELECT * FROM aclexplode(o.acl)
		LOOP
			EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s',
				o.identity,
				CASE g.grantee WHEN 0 THEN 'PUBLIC'
					ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
				|| CASE WHEN g.is_grantable AND g.grantee <> 0
					THEN ' WITH GRANT OPTION' ELSE '' END;
		END LOOP;
	END LOOP;
END
$own$;

/*
 * What was not replaced: functions that PGMQ 1.13.1 has no more, and what
 * users put into the schema.
 */
DELETE FROM pgmq_found f
WHERE class = 'pg_proc'::regclass
AND NOT EXISTS (SELECT FROM pg_proc p
				WHERE p.oid = f.oid AND p.ctid = f.version);

/*
 * It gets its arguments' names and defaults back.  What was replaced may have
 * lost a default: then a view or such that calls it, and may lack that
 * argument, could not be run any more.
 */
UPDATE pg_proc p
SET proargnames = a.names, pronargdefaults = a.ndefaults,
	proargdefaults = a.defaults
FROM pgmq_arguments a
JOIN pgmq_found f ON f.class = 'pg_proc'::regclass AND f.oid = a.oid
WHERE p.oid = a.oid;

DO LANGUAGE plpgsql $defaults$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT i.type, i.identity, pg_temp.pgmq_dependents(p.oid) AS dependents
		FROM pgmq_arguments a
		JOIN pg_proc p ON p.oid = a.oid AND p.pronargdefaults < a.ndefaults
		CROSS JOIN pg_identify_object('pg_proc'::regclass, p.oid, 0) i
		ORDER BY i.identity
	LOOP
		CONTINUE WHEN o.dependents IS NULL;
		RAISE EXCEPTION USING
			ERRCODE = 'dependent_objects_still_exist',
			MESSAGE = format('cannot take over %s %s', o.type, o.identity),
			DETAIL = format('Its last argument has no default any more, and these objects depend on it: %s.', o.dependents),
			HINT = 'Drop these objects, and make them again afterwards.';
	END LOOP;
END
$defaults$;

DO LANGUAGE plpgsql $release$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
	dependents text;
	o record;
BEGIN
	FOR o IN
		SELECT f.oid, f.type, f.identity, f.extension,
			f.oid IN (
				to_regprocedure('pgmq.create_partitioned(text, text, text)'),
				to_regprocedure('pgmq.enable_notify_insert(text)'),
				to_regprocedure('pgmq.pop(text)'),
				to_regprocedure('pgmq.read(text, integer, integer)'),
				to_regprocedure('pgmq.read_with_poll(text, integer, integer, integer, integer)'))
			AS retired
		FROM pgmq_found f
		WHERE f.class = 'pg_proc'::regclass
	LOOP
		dependents := CASE WHEN o.retired THEN pg_temp.pgmq_dependents(o.oid) END;
		IF dependents IS NOT NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'dependent_objects_still_exist',
				MESSAGE = format('cannot take over %s %s', o.type, o.identity),
				DETAIL = format('Another form takes its place, and these objects depend on it: %s.', dependents),
				HINT = 'Drop these objects, and make them again afterwards.';
		END IF;
		EXECUTE format('ALTER EXTENSION %I DROP %s %s',
			self, o.type, o.identity);
		IF o.retired THEN
			EXECUTE format('DROP FUNCTION %s', o.identity);
		ELSIF o.extension IS NOT NULL THEN
			RAISE NOTICE '% % is no longer a member of an extension',
				o.type, o.identity;
		END IF;
	END LOOP;
END
$release$;

/*
 * Tables that were there: what PGMQ left unlogged must outlive a crash, and
 * what it left without a primary key must be replicable.
 */
DO LANGUAGE plpgsql $complete$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT f.identity, c.relpersistence, k.index
		FROM pgmq_found f
		JOIN pg_class c ON c.oid = f.oid
		LEFT JOIN LATERAL (
			SELECT x.relname AS index
			FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
			WHERE i.indrelid = c.oid AND c.relreplident = 'd'
			AND i.indisunique AND i.indimmediate AND i.indisvalid
			AND i.indpred IS NULL AND i.indexprs IS NULL
			AND NOT EXISTS (
				SELECT FROM pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
				AND NOT a.attnotnull)
			AND NOT EXISTS (
				SELECT FROM pg_index p
				WHERE p.indrelid = c.oid AND p.indisprimary)
			ORDER BY x.relname LIMIT 1) k ON true
		WHERE f.class = 'pg_class'::regclass
	LOOP
		IF o.relpersistence = 'u' THEN
			EXECUTE format('ALTER TABLE %s SET LOGGED', o.identity);
		END IF;
		IF o.index IS NOT NULL THEN
			EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I',
				o.identity, o.index);
		END IF;
	END LOOP;
END
$complete$;

/*
 * The tables that queues have, or could have, and what older versions of PGMQ
 * did not give them: headers before 1.5, last_read_at before 1.10, and 1.10.0
 * forgot the latter for new queues.  Two tables that are in no row of meta are
 * a queue that was there when an extension was dropped, or something that a
 * user moved out of the way; the latter's sequence has the former name still.
 */
CREATE TEMPORARY TABLE pgmq_table AS
SELECT c.oid, left(c.relname::text, 1) AS kind,
	substr(c.relname::text, 3) AS base, c.relname AS name,
	c.relkind = 'p' AS is_partitioned, c.relpersistence = 'u' AS is_unlogged,
	m.missing, m.addition,
	CASE WHEN c.relname ~ '^q' THEN m.draws_ids END AS draws_ids,
	coalesce(
		(SELECT bool_and(starts_with(x.relname::text, c.relname::text || '_msg_id_seq'))
		 FROM pg_depend d JOIN pg_class x ON x.oid = d.objid AND x.relkind = 'S'
		 WHERE d.classid = 'pg_class'::regclass
		 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
		 AND d.deptype IN ('i', 'a')),
		(SELECT starts_with(k.conname::text, c.relname::text || '_pkey')
		 FROM pg_constraint k
		 WHERE k.conrelid = c.oid AND k.contype = 'p')) AS has_own_name,
	false AS is_known
FROM pg_class c
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE a.attnum IS NULL) AS missing,
		string_agg(format('ADD COLUMN %I %s', e.name, e.type), ', '
			ORDER BY e.place) FILTER (WHERE a.attnum IS NULL) AS addition,
		bool_and(a.attnum IS NOT NULL OR e.place > 0 AND c.reloftype = 0)
		AND bool_and(a.attnum IS NULL OR a.atttypid = e.type::regtype) AS fits,
		bool_or(e.name = 'msg_id' AND (a.attidentity <> '' OR a.atthasdef))
		AS draws_ids
	FROM (VALUES
		('msg_id', 'bigint', 0), ('read_ct', 'integer', 0),
		('enqueued_at', 'timestamp with time zone', 0),
		('vt', 'timestamp with time zone', 0), ('message', 'jsonb', 0),
		('archived_at', 'timestamp with time zone', 0),
		('headers', 'jsonb', 1), ('last_read_at', 'timestamp with time zone', 2))
		e (name, type, place)
	LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = e.name
		AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relname ~ '^a' OR e.name <> 'archived_at') m
WHERE c.relnamespace = 'pgmq'::regnamespace
AND c.relname ~ '^[qa]_.' AND c.relname !~ '[$;'']|--'
AND octet_length(c.relname::text) <= 2 + 47
AND c.relname::text = lower(c.relname::text)
AND c.relkind IN ('r', 'p') AND NOT c.relispartition
AND m.fits;

/*
 * What meta knows is completed.  When meta was there before, that is all;
 * other tables become a queue by adopt_queue.  When it was not, nobody knows,
 * and what was not renamed is adopted.  A column without a default rewrites
 * nothing and runs no code of users.
 */
DO LANGUAGE plpgsql $adopt$
DECLARE
	is_plain CONSTANT boolean :=
		pg_temp.pgmq_meta_is_plain(to_regprocedure('pgmq._guard_meta()'));
	is_new CONSTANT boolean := NOT EXISTS (
		SELECT FROM pgmq_found WHERE identity = 'pgmq.meta');
	o record;
BEGIN
	IF is_plain THEN
		UPDATE pgmq_table t SET is_known = true
		FROM (SELECT DISTINCT lower(queue_name) AS base FROM pgmq.meta) m
		WHERE m.base = t.base;
	ELSE
		RAISE WARNING 'queues that are not in table "pgmq.meta" are not looked for'
			USING DETAIL = 'The table has triggers, rules, checks, indexes, statistics or children that are not PGMQ''s.';
	END IF;

	FOR o IN
		SELECT q.base AS name, q.is_partitioned, q.is_unlogged,
			is_new AND coalesce(q.has_own_name, false) AS is_orphan
		FROM pgmq_table q JOIN pgmq_table a ON a.base = q.base
		WHERE q.kind = 'q' AND q.draws_ids AND a.kind = 'a'
		AND NOT q.is_known AND is_plain
		ORDER BY q.base
	LOOP
		IF o.is_orphan THEN
			INSERT INTO pgmq.meta
				(queue_name, is_partitioned, is_unlogged, created_at)
			VALUES (o.name, o.is_partitioned, o.is_unlogged, now());
			UPDATE pgmq_table SET is_known = true WHERE base = o.name;
			RAISE NOTICE 'adopted queue "%"', o.name;
		ELSE
			RAISE NOTICE 'tables "q_%" and "a_%" are not adopted as a queue',
				o.name, o.name
				USING DETAIL = CASE WHEN is_new
					THEN 'The table of messages was renamed, or has no sequence of its own.'
					ELSE 'Table "pgmq.meta" does not have the queue.' END,
				HINT = format('If they are to be one, use SELECT pgmq.adopt_queue(%L).', o.name);
		END IF;
	END LOOP;

	FOR o IN
		SELECT name, addition FROM pgmq_table
		WHERE missing > 0 AND (is_known OR NOT is_plain)
		ORDER BY base, kind DESC
	LOOP
		EXECUTE format('ALTER TABLE pgmq.%I %s', o.name, o.addition);
	END LOOP;
END
$adopt$;

/*
 * DROP EXTENSION forgets policies and leaves tables.  Whose queue refused
 * duplicates should know that it does not any more.  No query looks into
 * pgmq.policy: users' index expressions would run by this script's rights.
 */
DO LANGUAGE plpgsql $dedup$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT substr(d.relname::text, 4) AS name
		FROM pg_class d
		JOIN pg_class q ON q.relnamespace = d.relnamespace
			AND q.relname::text = 'q_' || substr(d.relname::text, 4)
		WHERE d.relnamespace = 'pgmq'::regnamespace AND d.relname ~ '^d0_.'
		AND d.relkind = 'r' AND q.relkind IN ('r', 'p')
		AND pg_relation_size('pgmq.policy') = 0
		ORDER BY 1
	LOOP
		RAISE WARNING 'queue "%" has deduplication ids, but no policy that counts them', o.name
			USING HINT = 'They count again when pgmq.set_policy() has set the dedup_window that the queue had.';
	END LOOP;
END
$dedup$;

/*
 * Monitoring sees how the queues are, not what is in them.  PGMQ let members
 * of pg_monitor read every message.
 */
GRANT USAGE ON SCHEMA pgmq TO pg_monitor;
GRANT SELECT ON pgmq.meta, pgmq.notify_insert_throttle, pgmq.topic_bindings,
	pgmq.policy TO pg_monitor;

DO LANGUAGE plpgsql $monitor$
DECLARE
	done boolean := false;
	o record;
BEGIN
	FOR o IN
		SELECT d.defaclrole::regrole AS role,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END
			AS objects
		FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) g
		WHERE d.defaclnamespace = 'pgmq'::regnamespace
		AND d.defaclobjtype IN ('r', 'S')
		AND g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT'
	LOOP
		EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA pgmq '
			'REVOKE SELECT ON %s FROM pg_monitor', o.role, o.objects);
		done := true;
	END LOOP;

	FOR o IN
		SELECT c.oid::regclass AS name, k.columns
		FROM pg_class c
		CROSS JOIN aclexplode(c.relacl) g
		CROSS JOIN LATERAL (
			SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
				FILTER (WHERE a.attname IN ('msg_id', 'read_ct', 'enqueued_at',
					'last_read_at', 'archived_at', 'vt')) AS columns,
				count(*) FILTER (WHERE a.attname IN ('msg_id', 'vt', 'message'))
				AS needed
			FROM pg_attribute a
			WHERE a.attrelid = c.oid AND a.attnum > 0
			AND NOT a.attisdropped) k
		WHERE c.relnamespace = 'pgmq'::regnamespace
		AND c.relkind IN ('r', 'p') AND k.needed = 3
		AND g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT'
	LOOP
		EXECUTE format('REVOKE SELECT ON %s FROM pg_monitor', o.name);
		EXECUTE format('GRANT SELECT (%s) ON %s TO pg_monitor',
			o.columns, o.name);
		done := true;
	END LOOP;

	IF done THEN
		RAISE NOTICE 'role "pg_monitor" can no longer read messages'
			USING DETAIL = 'It keeps all that metrics need; PGMQ''s default privileges in schema "pgmq" are removed.';
	END IF;
END
$monitor$;

/*
 * pg_dump leaves out the privileges that an extension gave, and takes for such
 * all that there were when an object joined or when this script granted
 * something on it.  Let them be what a fresh installation gives, or a dump
 * would lose what users granted and revoked.
 */
CREATE TEMPORARY TABLE pgmq_initial AS
SELECT o.classoid, o.objoid,
	CASE WHEN d.objid IS NOT NULL AND c.relkind = 'r'
		THEN acldefault('r', c.relowner)
			|| makeaclitem('pg_monitor'::regrole, c.relowner, 'SELECT', false)
		END AS acl
FROM (SELECT 'pg_namespace'::regclass, 'pgmq'::regnamespace::oid
	  UNION ALL
	  SELECT 'pg_class'::regclass, oid FROM pg_class
	  WHERE relnamespace = 'pgmq'::regnamespace
	  UNION ALL
	  SELECT 'pg_type'::regclass, oid FROM pg_type
	  WHERE typnamespace = 'pgmq'::regnamespace
	  UNION ALL
	  SELECT 'pg_proc'::regclass, oid FROM pg_proc
	  WHERE pronamespace = 'pgmq'::regnamespace) o (classoid, objoid)
LEFT JOIN pg_class c ON c.oid = o.objoid AND o.classoid = 'pg_class'::regclass
LEFT JOIN pg_depend d ON d.classid = o.classoid AND d.objid = o.objoid
	AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';

DELETE FROM pg_init_privs i
USING pgmq_initial n
WHERE i.classoid = n.classoid AND i.objoid = n.objoid
AND (n.acl IS NULL OR i.objsubid <> 0);

UPDATE pg_init_privs i
SET initprivs = n.acl
FROM pgmq_initial n
WHERE i.classoid = n.classoid AND i.objoid = n.objoid AND i.objsubid = 0;

/* Since 17 there is a note for each role in them, too. */
DELETE FROM pg_shdepend s
USING pgmq_initial n
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
AND s.classid = n.classoid AND s.objid = n.objoid AND s.deptype = 'i'
AND NOT EXISTS (
	SELECT FROM aclexplode(n.acl) g
	WHERE s.refobjid IN (g.grantor, g.grantee) AND s.objsubid = 0);

DROP FUNCTION pg_temp.pgmq_meta_is_plain(regprocedure);
DROP FUNCTION pg_temp.pgmq_dependents(oid);
DROP FUNCTION pg_temp.pgmq_description(pg_depend);
DROP TABLE pgmq_table;
DROP TABLE pgmq_initial;
DROP TABLE pgmq_arguments;
DROP TABLE pgmq_renewed;
DROP TABLE pgmq_found;
DROP TABLE pgmq_extension;
