/* pgmq_c--1.2.0.sql: the SQL interface of pgmq_c */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pgmq_c" to load this file. \quit /* extension name */

/*
 * 1. Taking over a PGMQ that exists already
 *
 * PGMQ may be here as an extension or as plain SQL, and it stays where it is:
 * its types, tables and functions become members of this extension, and section
 * 3 replaces the functions in place, so that what users built upon them keeps
 * working.  Section 4 completes the take-over.
 *
 * This script may run with the rights of a superuser on behalf of a role that is
 * none, in a schema in which other roles have created objects.  Therefore it runs
 * no code that it finds here, and takes an object over only if it has PGMQ's
 * shape and belongs to a role for which the installing role acts: the owner of
 * an object could change it later and so deceive every user of the extension.
 */
SET LOCAL search_path TO pg_catalog, pg_temp;

/*
 * A server that preloaded the library of an earlier version runs that library
 * until it is restarted, and a session that has used it runs it until the session
 * ends.  It is better to fail now than at the first call of a new function.
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
			HINT = 'Restart the server if its shared_preload_libraries contains the library; reconnect otherwise.';
END
$library$;

/*
 * This extension, and the one that it takes over.  The product has two names, and
 * a database can have it under one of them.
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
 * The objects that exist.  A superuser acts for superusers only, not for just any
 * role that created a schema of this name.  The owner of an extension answers for
 * its members.
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
 * Describe a dependent object, with the view in the place of its rule.
 *
 * The functions in pg_temp are called with exactly the types of their arguments.
 * Otherwise another function of the same name, created in pg_temp before, could
 * be preferred.
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
			DETAIL = format('"%s" and "%s" are two names of one product; a database can have only one of them.', o.name, self);
	END IF;

	/*
	 * An older snapshot would not show what another session has attached to meta
	 * since, though it would run.
	 */
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
		AND to_regclass('pgmq.meta') IS NOT NULL
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_transaction_state',
			MESSAGE = 'cannot take over table pgmq.meta in a transaction that does not see the latest changes of it',
			HINT = 'Run the command in a transaction whose isolation level is READ COMMITTED.';
	END IF;

	/*
	 * A function of a role that is not trusted is left alone.  If it has the
	 * arguments of one of ours, CREATE OR REPLACE fails below.
	 */
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
			HINT = format('Run the command as role "%s", which needs the CREATE privilege on the database.', o.role);
	END LOOP;

	/*
	 * PGMQ has no last_read_at before 1.10, and no headers before 1.5.  The
	 * order of the columns is part of the contract, and functions of users
	 * return this very type.  Therefore the type is changed in place: each
	 * column takes the name of the next one.  Objects that refer to a column
	 * by its number, or store rows of the type, would silently refer to
	 * another column, so they are refused.
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
		-- other functions have a text as their body, which names its columns
		AND NOT (d.classid = 'pg_proc'::regclass
				 AND (SELECT p.prosqlbody IS NULL FROM pg_proc p
					  WHERE p.oid = d.objid));
		IF dependents IS NOT NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'dependent_objects_still_exist',
				MESSAGE = 'cannot take over composite type pgmq.message_record',
				DETAIL = format('Its columns change, and these objects depend on them: %s.', dependents),
				HINT = 'Drop these objects and create them again afterwards.';
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

	/* metrics_result has one more column in PGMQ 1.5, and another one in 1.13. */
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
 * Section 3 creates the functions that do not exist yet.  Section 4 releases the
 * functions that section 3 has not replaced.
 */
DO LANGUAGE plpgsql $move$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
	theirs pgmq_extension := (SELECT x FROM pgmq_extension x WHERE NOT is_self);
	o record;
BEGIN
	/*
	 * All members of the other extension, and the queues: PGMQ before 1.6 made
	 * them members as well, so that pg_dump skipped them.
	 */
	FOR o IN
		SELECT i.type, i.identity, x.name AS extension
		FROM pg_depend d
		JOIN pgmq_extension x ON x.oid = d.refobjid
		CROSS JOIN pg_identify_object(d.classid, d.objid, d.objsubid) i
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		AND (NOT x.is_self
			 OR i.schema = 'pgmq' AND i.type IN ('table', 'sequence')
			 AND i.name ~ '^"?[qa]_')
		-- array and row types are members since PostgreSQL 17; they follow their table
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

	/* DROP EXTENSION would drop the objects that users marked as depending on it. */
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
 * CREATE OR REPLACE cannot change the result type of a function or the names of
 * its arguments, and cannot remove a default.  A function that returned another
 * type has to be created anew, so nothing may depend on it; section 4 gives the
 * new function the owner and the grants of the old one.  Names and defaults of
 * arguments are removed here, and section 4 gives them back to the functions that
 * section 3 does not replace.
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
				HINT = 'Drop these objects and create them again afterwards.';
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
 * Tell whether table meta is as PGMQ or this script created it, apart from a
 * trigger that calls the function known.  Anything that users attached to the
 * table would run with the rights of this script, even while a query of meta is
 * merely planned.
 */
CREATE FUNCTION pg_temp.pgmq_meta_is_plain(known regprocedure)
RETURNS boolean LANGUAGE sql
AS $plain$
	SELECT NOT (c.relkind <> 'r' OR c.relhasrules OR c.relhassubclass
		-- it may have changed since its columns were looked at
		OR EXISTS (SELECT FROM pg_attribute a
				   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
				   AND a.atttypid NOT IN ('character varying'::regtype,
					'boolean'::regtype, 'timestamp with time zone'::regtype))
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
 * Without a key, meta has two rows for a queue that was created twice, and no
 * foreign key can refer to it.
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

	/* SET NOT NULL evaluates check constraints, and DELETE fires triggers */
	LOCK TABLE pgmq.meta IN ACCESS EXCLUSIVE MODE;
	IF NOT pg_temp.pgmq_meta_is_plain(NULL::regprocedure) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = 'cannot take over table pgmq.meta',
			DETAIL = 'It has no key, and triggers, rules, checks, indexes, statistics, children or types of columns that are not PGMQ''s.',
			HINT = 'Add a unique constraint on column "queue_name".';
	END IF;

	/* a published table needs a replica identity for a DELETE */
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

/*
 * 2. Types and tables
 *
 * The order of the columns of a type is part of the contract.
 */

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

COMMENT ON TYPE pgmq.message_record IS 'A message, as the functions that read messages return it.';
COMMENT ON TYPE pgmq.queue_record IS 'A queue, as list_queues returns it.';
COMMENT ON TYPE pgmq.metrics_result IS 'The metrics of a queue at scrape_time.';

/*
 * The queues themselves are not members of the extension: pg_dump dumps them as
 * ordinary tables, together with the rows of the tables below.
 */

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

-- This table does not refer to pgmq.meta, because pg_restore --jobs loads the two in any order.
CREATE TABLE IF NOT EXISTS pgmq.policy (
	queue_name pg_catalog.text NOT NULL,
	policy pg_catalog.jsonb DEFAULT '{}' NOT NULL,
	paused_until timestamp with time zone,
	dead_letter_owner pg_catalog.text,
	PRIMARY KEY (queue_name)
);

/*
 * The policies that were set before 1.2.0 do not say which role owned their
 * dead-letter queue.  It is taken to be the role that owns the queue now.  Anything
 * that users attached to the table would run with the rights of this script, even
 * while a query of the table is merely planned; in that case no owner is recorded.
 * An older snapshot would not show what another session has attached since.
 */
DO LANGUAGE plpgsql $owners$
BEGIN
	IF EXISTS (SELECT FROM pg_attribute
			   WHERE attrelid = 'pgmq.policy'::regclass AND attname = 'dead_letter_owner')
	THEN
		RETURN;
	END IF;
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_transaction_state',
			MESSAGE = 'cannot change table pgmq.policy in a transaction that does not see the latest changes of it',
			HINT = 'Run the command in a transaction whose isolation level is READ COMMITTED.';
	END IF;
	ALTER TABLE pgmq.policy ADD COLUMN dead_letter_owner pg_catalog.text;
	IF EXISTS (SELECT FROM pg_class c
			   WHERE c.oid = 'pgmq.policy'::regclass
			   AND (c.relkind <> 'r'
					OR c.relhasrules OR c.relhassubclass OR c.relrowsecurity
					-- a type of a user can have a cast of the user, which is called
					OR EXISTS (SELECT FROM pg_attribute a
							   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
							   AND a.atttypid NOT IN ('text'::regtype, 'jsonb'::regtype,
								'timestamp with time zone'::regtype))
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
		RAISE WARNING 'dead-letter queues whose owner is not the owner of their queue get no messages'
			USING DETAIL = 'Table "pgmq.policy" has triggers, rules, checks, indexes, statistics, children or types of columns that are not PGMQ''s.',
			HINT = 'Name such a dead-letter queue again with pgmq.set_policy(), key "dead_letter_queue".';
		RETURN;
	END IF;
	UPDATE pgmq.policy p SET dead_letter_owner = pg_get_userbyid(d.relowner)::text
	FROM pg_class d
	WHERE d.relnamespace = 'pgmq'::regnamespace
	AND d.relname = lower('q_' || (p.policy ->> 'dead_letter_queue'));
END
$owners$;

COMMENT ON TABLE pgmq.meta IS 'The queues, one row for each.';
COMMENT ON COLUMN pgmq.meta.queue_name IS 'The name as it was given when the queue was created. The tables of the queue are named in lower case.';
COMMENT ON TABLE pgmq.notify_insert_throttle IS 'The queues that send notifications, and how often at most.';
COMMENT ON COLUMN pgmq.notify_insert_throttle.throttle_interval_ms IS 'The least time between two notifications in milliseconds; 0 means no limit.';
COMMENT ON TABLE pgmq.topic_bindings IS 'The queues to which messages with a routing key go.';
COMMENT ON COLUMN pgmq.topic_bindings.pattern IS '* stands for one or more characters of a routing key without a dot, # for any characters or none. Patterns that begin with amqp:, headers: or alternate: are matched in other ways.';
COMMENT ON TABLE pgmq.policy IS 'The queues that have a policy, and those that are paused. Use set_policy, pause and resume to change it.';
COMMENT ON COLUMN pgmq.policy.paused_until IS 'Reads return nothing before this time.';
COMMENT ON COLUMN pgmq.policy.dead_letter_owner IS 'The role that owned the dead-letter queue when the policy named it. If the dead-letter queue has another owner, no messages are moved to it.';

SELECT pg_catalog.pg_extension_config_dump('pgmq.meta', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.notify_insert_throttle', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.topic_bindings', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.policy', '');

/*
 * Streams and subscriptions, by the OIDs of their tables, which a dump writes as
 * names.  Only the functions of the extension change these tables.
 */
CREATE TABLE IF NOT EXISTS pgmq.stream (
	stream pg_catalog.regclass NOT NULL,
	created_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL,
	retained_after pg_catalog.int8 DEFAULT 0 NOT NULL,
	PRIMARY KEY (stream)
);
CREATE TABLE IF NOT EXISTS pgmq.subscription (
	subscription pg_catalog.regclass NOT NULL,
	stream pg_catalog.regclass NOT NULL,
	created_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL,
	read_base pg_catalog.int4 DEFAULT 0 NOT NULL,
	filter pg_catalog.jsonb,
	PRIMARY KEY (subscription)
);
CREATE TABLE IF NOT EXISTS pgmq.subscription_block (
	subscription pg_catalog.regclass NOT NULL,
	blk pg_catalog.int8 NOT NULL,
	upto pg_catalog.int8 NOT NULL,
	mask pg_catalog.int8 NOT NULL,
	waits pg_catalog.int8[] NOT NULL,
	boot timestamp with time zone NOT NULL,
	PRIMARY KEY (subscription, blk)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000,
	autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);
CREATE TABLE IF NOT EXISTS pgmq.subscription_note (
	subscription pg_catalog.regclass NOT NULL,
	kind pg_catalog.text NOT NULL,
	value pg_catalog.int8 NOT NULL,
	id pg_catalog.uuid DEFAULT pg_catalog.gen_random_uuid() NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS subscription_note_idx
	ON pgmq.subscription_note (subscription, kind, value);

COMMENT ON TABLE pgmq.stream IS 'The queues that are streams: messages stay in them, and are read from subscriptions.';
COMMENT ON COLUMN pgmq.stream.retained_after IS 'Retention has removed messages up to this msg_id.';
COMMENT ON TABLE pgmq.subscription IS 'The queues that are subscriptions, and the stream of each.';
COMMENT ON COLUMN pgmq.subscription.read_base IS 'The read_ct from which that of each message counts, since the last seek.';
COMMENT ON COLUMN pgmq.subscription.filter IS 'The subscription gets only messages that fulfil this condition.';
COMMENT ON TABLE pgmq.subscription_block IS 'Blocks of msg_ids of which a subscription was given some messages: which ones, and which transactions may still commit others.';
COMMENT ON TABLE pgmq.subscription_note IS 'How many messages a subscription has lost to retention, the greatest read_ct it has returned, and the block of 64 msg_ids before which it has no more to get, in several rows.';

SELECT pg_catalog.pg_extension_config_dump('pgmq.stream', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.subscription', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.subscription_block', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.subscription_note', '');

/*
 * 3. Functions
 *
 * The sections follow the folders of src/, from what users call downwards, and
 * each names the file of its C functions.  The forms of a function that take an
 * interval, or arguments without a type, stand beside the other forms; their C
 * functions are in src/api/untyped.c.
 */

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
'Send a message that can be read from a given time on. Returns its msg_id.';

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
'Send a message with headers that can be read from a given time on. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers_or_delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, text) IS
'Send a message. The third argument has no type: a JSON object is read as headers; an integer (seconds), a timestamp or an interval is read as the delay. Returns its msg_id.';

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
'Send a message with a delay that is passed by name and has no type. It is read as an integer (seconds), a timestamp or an interval. Returns its msg_id.';

CREATE OR REPLACE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, text) IS
'Send a message with headers and a delay that has no type. The delay is read as an integer (seconds), a timestamp or an interval; NULL means no delay. Returns its msg_id.';

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
'Send several messages with headers. Each message has the element of headers at its own position. Returns their msg_ids in the order of the array.';

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
'Send several messages that can be read from a given time on. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], integer) IS
'Send several messages with headers that can be read after delay seconds. Each message has the element of headers at its own position. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], timestamp with time zone) IS
'Send several messages with headers that can be read from a given time on. Each message has the element of headers at its own position. Returns their msg_ids in the order of the array.';

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
'Send several messages with headers that can be read after an interval. Each message has the element of headers at its own position. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], text) IS
'Send several messages. The third argument has no type: an array of JSON is read as headers; an integer (seconds), a timestamp or an interval is read as the delay. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], text) IS
'Send several messages with headers and a delay that has no type. The delay is read as an integer (seconds), a timestamp or an interval. Each message has the element of headers at its own position. Returns their msg_ids in the order of the array.';

CREATE OR REPLACE FUNCTION pgmq._send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_unchecked'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._send_batch(text, jsonb[], jsonb[], timestamp with time zone) IS
'Internal: sends a batch as send_batch does, but without checking the arguments.';

CREATE OR REPLACE FUNCTION pgmq._validate_batch_params(msgs jsonb[], headers jsonb[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_validate_batch_params'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._validate_batch_params(jsonb[], jsonb[]) IS
'Internal: checks the arguments of send_batch, and raises an error if they are not valid.';

--
-- Reading messages: src/api/read.c
--

CREATE OR REPLACE FUNCTION pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read(text, integer, integer, jsonb) IS
'Read up to qty messages, oldest first, and hide them from other reads for vt seconds. If conditional is not empty, only messages that contain it are read.';

CREATE OR REPLACE FUNCTION pgmq.read_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_with_poll(text, integer, integer, integer, integer, jsonb) IS
'Read messages as read does, but if there is none wait for one for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_pop'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.pop(text, integer) IS
'Read up to qty messages, oldest first, and delete them at once, so that each is delivered at most once.';

--
-- Waiting for messages: src/api/wait.c
--

CREATE OR REPLACE PROCEDURE pgmq.wait(queue_name text, max_poll_seconds integer)
AS 'MODULE_PATHNAME', 'pgmq_wait'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.wait(text, integer) IS
'Wait for up to max_poll_seconds until a message can be read. The procedure commits first, and holds neither a snapshot nor a lock while it waits, unless it is called inside a transaction block or a function.';

--
-- Reading from several queues: src/api/read_any.c
--

CREATE OR REPLACE FUNCTION pgmq.read_any(queue_names text[], vt integer, qty integer, options jsonb DEFAULT '{}')
RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_read_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_any(text[], integer, integer, jsonb) IS
'Read up to qty messages from several queues. The queues are read in the order of the list until qty messages are found; with the option {"order": "fair"} all queues have an equal share.';

CREATE OR REPLACE FUNCTION pgmq.read_any_with_poll(queue_names text[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, options jsonb DEFAULT '{}')
RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_read_any_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_any_with_poll(text[], integer, integer, integer, integer, jsonb) IS
'Read messages as read_any does, but if there is none wait for one in any of the queues for up to max_poll_seconds.';

--
-- Reading FIFO groups: src/api/read_grouped.c
--

CREATE OR REPLACE FUNCTION pgmq.read_grouped(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped(text, integer, integer) IS
'Read up to qty messages, in FIFO order within each group (header x-pgmq-group). All messages of the group with the oldest message come first, then those of the next group. A group is skipped while its oldest message cannot be read.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_with_poll(text, integer, integer, integer, integer) IS
'Read messages as read_grouped does, but if there is none wait for one for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_rr(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_rr'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_rr(text, integer, integer) IS
'Read up to qty messages, in FIFO order within each group (header x-pgmq-group). The groups take turns, one message each. A group is skipped while its oldest message cannot be read.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_rr_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_rr_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_rr_with_poll(text, integer, integer, integer, integer) IS
'Read messages as read_grouped_rr does, but if there is none wait for one for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_head'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_head(text, integer, integer) IS
'Read the oldest message of each of up to qty groups (header x-pgmq-group). A group is skipped while its oldest message cannot be read.';

CREATE OR REPLACE FUNCTION pgmq.read_grouped_head_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_read_grouped_head_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.read_grouped_head_with_poll(text, integer, integer, integer, integer) IS
'Read messages as read_grouped_head does, but if there is none wait for one for up to max_poll_seconds.';

--
-- Acknowledging messages: src/api/ack.c
--

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_delete'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint) IS
'Delete a message. Returns false if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_delete_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint[]) IS
'Delete several messages. Returns the ids of the messages that were deleted.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint, integer) IS
'Delete a message, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_delete_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, bigint[], integer[]) IS
'Delete several messages, except those that have been read again since the read that returned their read_ct. Returns the ids of the messages that were deleted.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text) IS
'Delete a message. The id has no type. Returns whether the message was deleted; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text, text) IS
'Delete a message, unless it has been read again since the read that returned read_ct. The arguments have no type. Returns whether the message was deleted; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint) IS
'Move a message to the archive. Returns false if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_archive_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint[]) IS
'Move several messages to the archive. Returns the ids of the messages that were moved.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint, integer) IS
'Move a message to the archive, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_archive_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, bigint[], integer[]) IS
'Move several messages to the archive, except those that have been read again since the read that returned their read_ct. Returns the ids of the messages that were moved.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text) IS
'Move a message to the archive. The id has no type. Returns whether the message was moved; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text, text) IS
'Move a message to the archive, unless it has been read again since the read that returned read_ct. The arguments have no type. Returns whether the message was moved; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, integer) IS
'Make a message readable vt seconds from now. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], integer) IS
'Make several messages readable vt seconds from now. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, integer, integer) IS
'Make a message readable vt seconds from now, unless it has been read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], integer, integer[]) IS
'Make several messages readable vt seconds from now, except those that have been read again since the read that returned their read_ct. Returns the messages that were changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, timestamp with time zone) IS
'Make a message readable from a given time on. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], timestamp with time zone) IS
'Make several messages readable from a given time on. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, timestamp with time zone, integer) IS
'Make a message readable from a given time on, unless it has been read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], timestamp with time zone, integer[]) IS
'Make several messages readable from a given time on, except those that have been read again since the read that returned their read_ct. Returns the messages that were changed.';

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
'Make a message readable after an interval, unless it has been read again since the read that returned read_ct. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], interval, integer[]) IS
'Make several messages readable after an interval, except those that have been read again since the read that returned their read_ct. Returns the messages that were changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text) IS
'Make a message readable at another time. vt has no type and is read as an integer (seconds), a timestamp or an interval. Returns the message.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text) IS
'Make several messages readable at another time. vt has no type and is read as an integer (seconds), a timestamp or an interval. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text, integer) IS
'Make a message readable at another time, unless it has been read again since the read that returned read_ct. vt has no type and is read as an integer (seconds), a timestamp or an interval. Returns the message, or no row.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text, integer[]) IS
'Make several messages readable at another time, except those that have been read again since the read that returned their read_ct. vt has no type and is read as an integer (seconds), a timestamp or an interval. Returns the messages that were changed.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, integer) IS
'Make one or several messages readable vt seconds from now. The id or the array of ids has no type. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text) IS
'Make one or several messages readable at another time. The arguments have no type: vt is read as an integer (seconds), a timestamp or an interval. Returns the messages.';

CREATE OR REPLACE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text, read_ct_or_cts text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text, text) IS
'Make one or several messages readable at another time, except those that have been read again since the read that returned their read_ct. The arguments have no type: vt is read as an integer (seconds), a timestamp or an interval. Returns the messages that were changed.';

--
-- Extending leases: src/api/extend.c
--

CREATE OR REPLACE FUNCTION pgmq.extend(queue_name text, msg_ids bigint[], read_cts integer[], vt integer)
RETURNS TABLE(lost_msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_extend'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.extend(text, bigint[], integer[], integer) IS
'Have the leases of several messages last for at least vt seconds from now, except those of messages that have been read again since the read that returned their read_ct. Waits for no other transaction. Returns the ids of the messages that are lost: they have been read again, or do not exist any more.';

-- Acknowledging and reading in one statement: src/api/ack_read.c
--

CREATE OR REPLACE FUNCTION pgmq.delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_delete_and_read'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete_and_read(text, bigint[], integer, integer) IS
'Delete several messages, and read up to qty others as read does, in one transaction. Returns the messages that were read.';

CREATE OR REPLACE FUNCTION pgmq.delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_delete_and_read_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete_and_read(text, bigint[], integer, integer, integer[]) IS
'Delete several messages, except those that have been read again since the read that returned their read_ct, and read up to qty others as read does, in one transaction. An acknowledgement that did nothing, since it came too late, is returned as a row in which all columns but msg_id are NULL.';

CREATE OR REPLACE FUNCTION pgmq.delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_delete_and_read_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete_and_read_with_poll(text, bigint[], integer, integer, integer, integer) IS
'Acknowledge and read messages as delete_and_read does, but if msg_ids names no message wait for one to read for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer, poll_interval_ms integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_delete_and_read_with_poll_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete_and_read_with_poll(text, bigint[], integer, integer, integer, integer, integer[]) IS
'Acknowledge and read messages as the form of delete_and_read with read_cts does, but if msg_ids names no message wait for one to read for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_archive_and_read'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive_and_read(text, bigint[], integer, integer) IS
'Archive several messages, and read up to qty others as read does, in one transaction. Returns the messages that were read.';

CREATE OR REPLACE FUNCTION pgmq.archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_archive_and_read_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive_and_read(text, bigint[], integer, integer, integer[]) IS
'Archive several messages, except those that have been read again since the read that returned their read_ct, and read up to qty others as read does, in one transaction. An acknowledgement that did nothing, since it came too late, is returned as a row in which all columns but msg_id are NULL.';

CREATE OR REPLACE FUNCTION pgmq.archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_archive_and_read_with_poll'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive_and_read_with_poll(text, bigint[], integer, integer, integer, integer) IS
'Acknowledge and read messages as archive_and_read does, but if msg_ids names no message wait for one to read for up to max_poll_seconds.';

CREATE OR REPLACE FUNCTION pgmq.archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer, poll_interval_ms integer, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_archive_and_read_with_poll_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive_and_read_with_poll(text, bigint[], integer, integer, integer, integer, integer[]) IS
'Acknowledge and read messages as the form of archive_and_read with read_cts does, but if msg_ids names no message wait for one to read for up to max_poll_seconds.';

--
-- Giving messages back: src/api/nack.c
--

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint) IS
'Give a message back to the queue, to be read again after the delay of the back-off policy, or at once if there is no such policy. Returns false if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer) IS
'Give a message back to the queue, to be read again after delay seconds. A delay of NULL leaves the delay to the policy. Returns false if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer, integer) IS
'Give a message back to the queue, to be read again after delay seconds, unless it has been read again since the read that returned read_ct. A delay of NULL leaves the delay to the policy. Returns false if it has been, or if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[]) IS
'Give several messages back to the queue, to be read again after the delay of the back-off policy, or at once if there is no such policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer) IS
'Give several messages back to the queue, to be read again after delay seconds. A delay of NULL leaves the delay to the policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delays'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer[]) IS
'Give several messages back to the queue, each to be read again after its own delay in seconds. A delay of NULL leaves the delay to the policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer, integer[]) IS
'Give several messages back to the queue, to be read again after delay seconds, except those that have been read again since the read that returned their read_ct. A delay of NULL leaves the delay to the policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_delays_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer[], integer[]) IS
'Give several messages back to the queue, each to be read again after its own delay in seconds, except those that have been read again since the read that returned their read_ct. A delay of NULL leaves the delay to the policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer, error text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer, integer, text) IS
'Give a message back to the queue and keep an error in its header x-pgmq-error, unless it has been read again since the read that returned read_ct. A delay of NULL leaves the delay to the policy. Returns false if it has been, or if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[], error text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer, integer[], text) IS
'Give several messages back to the queue and keep an error in their header x-pgmq-error, except those that have been read again since the read that returned their read_ct. A delay of NULL leaves the delay to the policy. Returns the ids of the messages that were given back.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text) IS
'Give a message back to the queue, to be read again after the delay of the back-off policy. The id has no type. Returns whether the message was given back; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay integer)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, integer) IS
'Give a message back to the queue, to be read again after delay seconds. The id has no type. A delay of NULL leaves the delay to the policy. Returns whether the message was given back; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text) IS
'Give a message back to the queue, to be read again after delay seconds. The arguments have no type. A delay of NULL leaves the delay to the policy. Returns whether the message was given back; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text) IS
'Give a message back to the queue, to be read again after delay seconds, unless it has been read again since the read that returned read_ct. The arguments have no type. A delay of NULL leaves the delay to the policy. Returns whether the message was given back; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text, error text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text, text) IS
'Give a message back to the queue and keep an error in its header x-pgmq-error, unless it has been read again since the read that returned read_ct. The arguments have no type. A delay of NULL leaves the delay to the policy. Returns whether the message was given back; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint) IS
'End the lease of a message as if it had not been read. The message can be read at once, and its read_ct is again what it was before the read. Returns false if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer) IS
'End the lease of a message as if it had not been read, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[]) IS
'End the leases of several messages as if they had not been read. Returns the ids of the messages that were in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[], integer[]) IS
'End the leases of several messages as if they had not been read, except those that have been read again since the read that returned their read_ct. Returns the ids of the messages that were released.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay integer, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer, integer) IS
'Put a message off for delay seconds as if it had not been read, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay timestamp with time zone, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, timestamp with time zone, integer) IS
'Put a message off until a given time as if it had not been read, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay interval, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, interval, integer) IS
'Put a message off for an interval as if it had not been read, unless it has been read again since the read that returned read_ct. Returns false if it has been, or if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay text, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, text, integer) IS
'Put a message off as if it had not been read, unless it has been read again since the read that returned read_ct. The delay has no type and is read as an integer (seconds), a timestamp or an interval. Returns false if it has been, or if it is not in flight.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text) IS
'End the lease of a message as if it had not been read. The id has no type. Returns whether the message was in flight; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text, text) IS
'End the lease of a message as if it had not been read, unless it has been read again since the read that returned read_ct. The arguments have no type. Returns whether the message was released; an empty array returns no row.';

--
-- Dead letters: src/api/dead_letter.c
--

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint, text) IS
'Move a message to the dead-letter queue of its queue. The header x-pgmq-dead-letter keeps the reason. Returns false if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint, text, integer) IS
'Move a message to the dead-letter queue of its queue, unless it has been read again since the read that returned read_ct. The header x-pgmq-dead-letter keeps the reason. Returns false if it has been, or if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint[], text) IS
'Move several messages to the dead-letter queue of their queue. The header x-pgmq-dead-letter keeps the reason. Returns the ids of the messages that were moved.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text, read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, bigint[], text, integer[]) IS
'Move several messages to the dead-letter queue of their queue, except those that have been read again since the read that returned their read_ct. The header x-pgmq-dead-letter keeps the reason. Returns the ids of the messages that were moved.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text) IS
'Move a message to the dead-letter queue of its queue. The id has no type. Returns whether the message was moved; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text, text) IS
'Move a message to the dead-letter queue of its queue, unless it has been read again since the read that returned read_ct. The arguments have no type. Returns whether the message was moved; an empty array returns no row.';

CREATE OR REPLACE FUNCTION pgmq.redrive(queue_name text, qty integer)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_redrive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.redrive(text, integer) IS
'Move up to qty messages from a dead-letter queue back to the queues that they came from. Returns how many were moved.';

CREATE OR REPLACE FUNCTION pgmq.redrive(queue_name text, qty integer, options jsonb)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_redrive_options'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.redrive(text, integer, jsonb) IS
'Move up to qty messages from a dead-letter queue back to the queues that they came from, or to the queue that the option to_queue names. The option per_second spreads them out: at most that many can be read from one queue each second. Returns how many were moved.';

CREATE OR REPLACE FUNCTION pgmq.forward(queue_name text, msg_id bigint, to_queue text, msg jsonb, headers jsonb, read_ct integer)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_forward'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.forward(text, bigint, text, jsonb, jsonb, integer) IS
'Delete a message and send another one to a queue, either both or neither, unless the first has been read again since the read that returned read_ct. Returns the msg_id of the new message, or NULL if the first has been read again or does not exist.';

--
-- Looking into a queue: src/api/peek.c
--

CREATE OR REPLACE FUNCTION pgmq.peek(queue_name text, state text DEFAULT 'all', qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_peek'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.peek(text, text, integer, bigint) IS
'Show up to qty messages in a state (visible, delayed, in_flight or all), oldest first, without changing them. If after_msg_id is given, only messages with a greater msg_id are shown.';

CREATE OR REPLACE FUNCTION pgmq.peek_archive(queue_name text, qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, archived_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
AS 'MODULE_PATHNAME', 'pgmq_peek_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.peek_archive(text, integer, bigint) IS
'Show up to qty archived messages, oldest first. If after_msg_id is given, only messages with a greater msg_id are shown.';

--
-- Sending archived messages again: src/api/unarchive.c
--

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_id bigint)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, bigint) IS
'Send an archived message again and remove it from the archive. The new message names the archived one in its header x-pgmq-unarchived. Returns the new msg_id, or NULL if there is no such message.';

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, bigint[]) IS
'Send several archived messages again, oldest first, and remove them from the archive. Returns the new msg_ids of the messages that were found.';

CREATE OR REPLACE FUNCTION pgmq.unarchive(queue_name text, msg_id_or_ids text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, text) IS
'Send one or several archived messages again. The id or the array of ids has no type. Returns the new msg_ids of the messages that were found.';

--
-- Topics: src/api/topic.c
--

CREATE OR REPLACE FUNCTION pgmq.bind_topic(pattern text, queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_bind_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.bind_topic(text, text) IS
'Bind a queue to a pattern, so that it gets every message whose routing key matches. In a pattern, * stands for one or more characters without a dot, and # for any characters or none. In a pattern that begins with amqp:, * stands for one word between dots and # for any number of words. A pattern of headers: and a JSON object matches messages that have these headers, whatever their routing key. A pattern that begins with alternate: is matched as with amqp:, and takes only what no other binding takes.';

CREATE OR REPLACE FUNCTION pgmq.unbind_topic(pattern text, queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_unbind_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unbind_topic(text, text) IS
'Remove a binding of a queue to a pattern. Returns false if there is no such binding.';

CREATE OR REPLACE FUNCTION pgmq.test_routing(routing_key text)
RETURNS TABLE(pattern text, queue_name text, compiled_regex text)
AS 'MODULE_PATHNAME', 'pgmq_test_routing'
LANGUAGE C STABLE;
COMMENT ON FUNCTION pgmq.test_routing(text) IS
'List the bindings that a routing key matches.';

CREATE OR REPLACE FUNCTION pgmq.test_routing(routing_key text, headers jsonb)
RETURNS TABLE(pattern text, queue_name text, compiled_regex text)
AS 'MODULE_PATHNAME', 'pgmq_test_routing_headers'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.test_routing(text, jsonb) IS
'Show the bindings that take a message with a routing key and headers; those of alternate queues if no other does. compiled_regex is null for patterns that begin with amqp:, headers: or alternate:.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, headers jsonb, delay integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb, jsonb, integer) IS
'Send a message with headers to every queue that is bound to its routing key. It can be read after delay seconds. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb) IS
'Send a message to every queue that is bound to its routing key. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, delay integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'pgmq_send_topic_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_topic(text, jsonb, integer) IS
'Send a message to every queue that is bound to its routing key. It can be read after delay seconds. Returns the number of queues.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[]) IS
'Send several messages to every queue that is bound to their routing key. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[]) IS
'Send several messages with headers to every queue that is bound to their routing key. Each message has the element of headers at its own position. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], integer) IS
'Send several messages to every queue that is bound to their routing key. They can be read after delay seconds. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], timestamp with time zone) IS
'Send several messages to every queue that is bound to their routing key. They can be read from a given time on. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay integer)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], integer) IS
'Send several messages with headers to every queue that is bound to their routing key. Each message has the element of headers at its own position. They can be read after delay seconds. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], timestamp with time zone) IS
'Send several messages with headers to every queue that is bound to their routing key. Each message has the element of headers at its own position. They can be read from a given time on. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], interval) IS
'Send several messages to every queue that is bound to their routing key. They can be read after an interval. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], interval) IS
'Send several messages with headers to every queue that is bound to their routing key. Each message has the element of headers at its own position. They can be read after an interval. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], text) IS
'Send several messages to every queue that is bound to their routing key. The third argument has no type: an array of JSON is read as headers; an integer (seconds), a timestamp or an interval is read as the delay. Returns the queue and the msg_id of each.';

CREATE OR REPLACE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], text) IS
'Send several messages with headers to every queue that is bound to their routing key. Each message has the element of headers at its own position. The delay has no type and is read as an integer (seconds), a timestamp or an interval. Returns the queue and the msg_id of each.';

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
-- Routing keys and patterns: src/common/topic_pattern.c
--

CREATE OR REPLACE FUNCTION pgmq.validate_routing_key(routing_key text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_validate_routing_key'
LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION pgmq.validate_routing_key(text) IS
'Return true if a routing key is valid, and raise an error that says what is wrong if it is not.';

CREATE OR REPLACE FUNCTION pgmq.validate_topic_pattern(pattern text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_validate_topic_pattern'
LANGUAGE C IMMUTABLE;
COMMENT ON FUNCTION pgmq.validate_topic_pattern(text) IS
'Return true if a topic pattern is valid, and raise an error that says what is wrong if it is not.';

--
-- Notifications: src/api/notify.c
--

CREATE OR REPLACE FUNCTION pgmq.notify_queue_listeners()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_notify_queue_listeners'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.notify_queue_listeners() IS
'Trigger function that enable_notify_insert attaches to a queue.';

--
-- Switching notifications on and off: src/api/notify_setup.c
--

CREATE OR REPLACE FUNCTION pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer DEFAULT 250)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_enable_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.enable_notify_insert(text, integer) IS
'Send a notification on channel pgmq.q_<name>.INSERT when messages are sent, at most once in throttle_interval_ms milliseconds.';

CREATE OR REPLACE FUNCTION pgmq.disable_notify_insert(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_disable_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.disable_notify_insert(text) IS
'Stop sending notifications when messages are sent to a queue.';

CREATE OR REPLACE FUNCTION pgmq.update_notify_insert(queue_name text, throttle_interval_ms integer)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_update_notify_insert'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.update_notify_insert(text, integer) IS
'Change the least time between two notifications of a queue.';

CREATE OR REPLACE FUNCTION pgmq.list_notify_insert_throttles()
RETURNS TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone)
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT t.queue_name::pg_catalog.text, t.throttle_interval_ms, t.last_notified_at
	FROM pgmq.notify_insert_throttle AS t
	ORDER BY t.queue_name;
END;
COMMENT ON FUNCTION pgmq.list_notify_insert_throttles() IS
'List the queues that send notifications.';

--
-- Metrics: src/api/metrics.c
--

CREATE OR REPLACE FUNCTION pgmq.metrics(queue_name text)
RETURNS pgmq.metrics_result
AS 'MODULE_PATHNAME', 'pgmq_metrics'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.metrics(text) IS
'Return the metrics of a queue: the number of its messages, the number of those that can be read now, the ages of the newest and the oldest message in seconds, and how many msg_ids were ever given out.';

CREATE OR REPLACE FUNCTION pgmq.metrics_all()
RETURNS SETOF pgmq.metrics_result
AS 'MODULE_PATHNAME', 'pgmq_metrics_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.metrics_all() IS
'Return the metrics of every queue on which you have the privilege to count messages. A queue that cannot be examined is left out with a warning.';

--
-- Statistics: src/api/queue_stats.c
--

CREATE OR REPLACE FUNCTION pgmq.queue_stats()
RETURNS TABLE(queue_name text, state text, stats_reset timestamp with time zone, sent bigint, deduplicated bigint, delivered bigint, redelivered bigint, expired_leases bigint, acked bigint, archived bigint, nacked bigint, released bigint, extended bigint, fence_refused bigint, dead_max_reads bigint, dead_expired bigint, dead_explicit bigint, dead_refused bigint, dropped_expired bigint, reads bigint, empty_reads bigint, waits bigint, wakeups bigint, wakeups_in_vain bigint, dead_clients bigint, last_send_at timestamp with time zone, last_read_at timestamp with time zone, last_ack_at timestamp with time zone, wait_count bigint, wait_seconds double precision, wait_buckets bigint[], processing_count bigint, processing_seconds double precision, processing_buckets bigint[], age_count bigint, age_seconds double precision, age_buckets bigint[], readable bigint)
AS 'MODULE_PATHNAME', 'pgmq_queue_stats'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.queue_stats() IS
'Show what was counted of each queue on which you have some privilege since stats_reset, without reading the queues: messages sent, delivered, acknowledged, given back and lost to dead letters, reads, waits, histograms of how long messages waited, were processed and lived, and how many messages can be read now, where the due map knows. Column state is on, or says why nothing is counted. Members of pg_monitor see all queues.';

CREATE OR REPLACE VIEW pgmq.stat_queues AS
SELECT * FROM pgmq.queue_stats();
COMMENT ON VIEW pgmq.stat_queues IS
'The rows of pgmq.queue_stats().';

CREATE OR REPLACE FUNCTION pgmq.reset_queue_stats(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_reset_queue_stats'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.reset_queue_stats(text) IS
'Set what was counted of a queue to 0, at once and even if the transaction rolls back. NULL stands for all queues that you own. Only the owner of the queue may do this.';

CREATE OR REPLACE FUNCTION pgmq.stat_bounds()
RETURNS double precision[]
AS 'MODULE_PATHNAME', 'pgmq_stat_bounds'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.stat_bounds() IS
'Return the upper bounds, in seconds, of the buckets of the histograms in queue_stats. Each histogram has one more bucket, for longer times.';

CREATE OR REPLACE FUNCTION pgmq.stat_quantile(buckets bigint[], quantile double precision)
RETURNS double precision
AS 'MODULE_PATHNAME', 'pgmq_stat_quantile'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.stat_quantile(bigint[], double precision) IS
'Return a quantile (0.5 is the median) of the times in the buckets of a histogram of queue_stats, in seconds, interpolated within the bucket; NULL if there are none. Times beyond the last bound count as that bound.';

CREATE OR REPLACE FUNCTION pgmq.queue_depth(queue_name text)
RETURNS TABLE(queue_name text, visible bigint, delayed bigint, in_flight bigint, oldest_visible_age double precision)
AS 'MODULE_PATHNAME', 'pgmq_queue_depth'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.queue_depth(text) IS
'Count the messages of a queue by state: those that can be read now, those that are delayed and those that are in flight, and return for how many seconds the first of them could have been read. Reads the whole table.';

--
-- The state of shared memory, maintenance and partitions: src/api/status.c
--

CREATE OR REPLACE FUNCTION pgmq.engine_status()
RETURNS TABLE(queue_name text, due_map text, pieces bigint, bytes bigint, next_due timestamp with time zone, waiting integer, net_finds bigint)
AS 'MODULE_PATHNAME', 'pgmq_engine_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.engine_status() IS
'Show the state of the queues in shared memory, for each queue on which you have some privilege: whether reads use its due map (on) or why not, the number of pieces of the map and the bytes they take, when the next message can be read (null if that is unknown, or if there are no pieces and so nothing will be due), how many sessions wait for the queue, and how often a full check found a message that the map had hidden, which should never happen.';

CREATE OR REPLACE FUNCTION pgmq.waiters()
RETURNS TABLE(queue_name text, pid integer, kind text, since timestamp with time zone)
AS 'MODULE_PATHNAME', 'pgmq_waiters'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.waiters() IS
'List the sessions that wait for a message, for the queues that have a due map and on which you have some privilege: what they wait in (read, read_grouped, or wait, which holds no snapshot) and since when. A session that waits for several queues has a row for each.';

CREATE OR REPLACE FUNCTION pgmq.memory_status()
RETURNS TABLE(state text, since timestamp with time zone, bytes bigint, maps integer, maps_max integer, nodes integer, nodes_max integer, evictions bigint, merges bigint)
AS 'MODULE_PATHNAME', 'pgmq_memory_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.memory_status() IS
'Show how much of the memory for due maps all databases use: queues that have a map, nodes of which the maps consist, and how many there can be of each; how often a queue lost its map to another queue, and how often a map was coarsened for lack of nodes, since the memory was made.';

CREATE OR REPLACE FUNCTION pgmq.maintenance_status()
RETURNS TABLE(queue_name text, since timestamp with time zone, last_run timestamp with time zone, duration interval, rows bigint, more boolean, last_error text, last_error_at timestamp with time zone, left_out_until timestamp with time zone)
AS 'MODULE_PATHNAME', 'pgmq_maintenance_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.maintenance_status() IS
'Show what maintenance last did in each queue that was maintained, or whose policy needs it, and on which you have some privilege: when the last run began, how long it worked, how many messages it removed, whether it left more to do, the last error, and until when maintenance leaves the queue out because sessions ended with it. Runs before since, the start of the server, are not known.';

CREATE OR REPLACE FUNCTION pgmq.partition_status()
RETURNS TABLE(queue_name text, table_name text, partitioned_by text, partitions integer, ahead integer, ids_left bigint, time_left interval, default_rows bigint)
AS 'MODULE_PATHNAME', 'pgmq_partition_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.partition_status() IS
'Show for each partitioned queue on which you have some privilege, and for its archive, how many partitions there are, how many of these begin after the last id or in the future, how many ids or how much time is left until the last one ends, and how many rows are in the default partition, where none should be.';

--
-- The subscriptions of streams: src/api/subscriptions.c
--

CREATE OR REPLACE FUNCTION pgmq.list_subscriptions(queue_name text)
RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint)
AS 'MODULE_PATHNAME', 'pgmq_list_subscriptions'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.list_subscriptions(text) IS
'List the subscriptions of a stream: when each was last read, how many of its messages are in flight, how many it has not finished (lag) and the age of the oldest of these in seconds, and how many retention removed before it had finished them (lost).';

CREATE OR REPLACE FUNCTION pgmq.list_subscriptions()
RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint)
AS 'MODULE_PATHNAME', 'pgmq_list_subscriptions_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.list_subscriptions() IS
'List the subscriptions of all streams, as far as you have some privilege on the subscription or its stream.';

--
-- Questions of health about queues: src/api/health.c
--

CREATE OR REPLACE FUNCTION pgmq._queue_tables()
RETURNS TABLE(queue_name text, relid oid, archive oid, archive_pages bigint, due_map text, next_due timestamp with time zone, waiting integer, net_finds bigint, state text, stats_reset timestamp with time zone, sent bigint, acked bigint, redelivered bigint, expired_leases bigint, dead_letters bigint, dead_refused bigint, last_send_at timestamp with time zone, last_read_at timestamp with time zone, length bigint, bytes bigint, in_flight integer, held_back_at timestamp with time zone)
AS 'MODULE_PATHNAME', 'pgmq_queue_tables'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._queue_tables() IS
'Internal: returns the tables of the queues on which you have some privilege, and what memory has about each queue.';

CREATE OR REPLACE FUNCTION pgmq._policies()
RETURNS TABLE(relid oid, policy jsonb, paused_until timestamp with time zone, dead_letter_problem text)
AS 'MODULE_PATHNAME', 'pgmq_policies'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._policies() IS
'Internal: returns the policies of the queues on which you have some privilege, and why a queue cannot have its dead letters moved.';

CREATE OR REPLACE FUNCTION pgmq._first_messages(queue_name text, qty integer, max_reads integer)
RETURNS TABLE(readable bigint, readable_since timestamp with time zone, over_read bigint, over_read_since timestamp with time zone, most_reads integer, most_read bigint)
AS 'MODULE_PATHNAME', 'pgmq_first_messages'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._first_messages(text, integer, integer) IS
'Internal: returns what is to be said about the first qty messages of a queue, or nothing if you may not count its messages.';

CREATE OR REPLACE FUNCTION pgmq._last_id(queue_name text, sequence oid)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_last_id'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._last_id(text, oid) IS
'Internal: returns the last id that a sequence has given out for a queue, if the caller may know it and nothing has locked the sequence.';

--
-- Locked messages, and what keeps vacuum from removing rows: src/api/locked.c
--

CREATE OR REPLACE FUNCTION pgmq.locked(queue_name text, qty integer DEFAULT 1000, after_msg_id bigint DEFAULT NULL)
RETURNS TABLE(msg_id bigint, vt timestamp with time zone, transaction xid, pid integer)
AS 'MODULE_PATHNAME', 'pgmq_locked'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.locked(text, integer, bigint) IS
'Show which of the first qty messages are locked by a running transaction, and by which one. If after_msg_id is given, the first qty messages with a greater msg_id are examined. pid is null for a prepared transaction. The function itself locks no message.';

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
'Show what keeps vacuum from removing dead rows in this database, oldest first: sessions, prepared transactions, replication slots and standbys, with the age of each in transactions. Members of pg_monitor see all sessions, other roles see their own.';

CREATE OR REPLACE FUNCTION pgmq.horizon_costs()
RETURNS TABLE(queue_name text, dead_rows bigint, live_rows bigint, bytes bigint, last_vacuum timestamp with time zone, kind text, pid integer, name text, since timestamp with time zone, xacts bigint)
LANGUAGE sql
SET jit TO off
BEGIN ATOMIC
	SELECT t.queue_name, t.dead, t.live, t.bytes, t.last_vacuum, h.kind, h.pid, h.name, h.since, h.xacts
	FROM (
		SELECT q.queue_name, sum(s.dead)::bigint AS dead, sum(s.live)::bigint AS live,
			sum(c.relpages::numeric * current_setting('block_size')::bigint
				* s.dead / greatest(s.dead + s.live, 1))::bigint AS bytes,
			min(greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))) AS last_vacuum
		FROM pgmq._queue_tables() q
		LEFT JOIN pg_inherits i ON i.inhparent = q.relid
		JOIN pg_class c ON c.oid = coalesce(i.inhrelid, q.relid)
		CROSS JOIN LATERAL (
			SELECT pg_stat_get_dead_tuples(c.oid) AS dead,
				pg_stat_get_live_tuples(c.oid) AS live) s
		GROUP BY q.queue_name) t
	LEFT JOIN (SELECT * FROM pgmq.horizon() LIMIT 1) h ON true
	WHERE t.dead > 0
	ORDER BY t.dead DESC, t.queue_name;
END;
COMMENT ON FUNCTION pgmq.horizon_costs() IS
'Show how many dead rows each queue has on which you have some privilege, most first: how much of its table they take, when it was last vacuumed, and which holder of the horizon, the first that horizon shows, keeps vacuum from removing them. Rows that died after the last vacuum may be removable.';

--
-- Findings with advice: src/api/health.c
--

CREATE OR REPLACE FUNCTION pgmq._health_limits(options jsonb)
RETURNS TABLE(horizon double precision, horizon_xacts double precision, prepared double precision, vacuum double precision, dead_rows double precision, unread double precision, behind double precision, reads double precision, expired_leases double precision, memory double precision, connections double precision, ids double precision, maintenance double precision, table_bytes double precision)
AS 'MODULE_PATHNAME', 'pgmq_health_limits'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._health_limits(jsonb) IS
'Internal: returns the limits that options set for health, and those that they do not set.';

/* One SELECT for each kind of finding, over what is known of each queue (q). */
CREATE OR REPLACE FUNCTION pgmq.health(options jsonb DEFAULT '{}')
RETURNS TABLE(severity text, queue_name text, what text, since timestamp with time zone, evidence text, advice text)
LANGUAGE sql
SET jit TO off
BEGIN ATOMIC
	WITH l AS MATERIALIZED (
		SELECT x.*, statement_timestamp() AS now,
			statement_timestamp() - make_interval(secs => x.unread) AS unread_before,
			statement_timestamp() - make_interval(secs => x.behind) AS behind_before
		FROM pgmq._health_limits(options) x
	),
	policies AS MATERIALIZED (SELECT * FROM pgmq._policies()),
	runs AS MATERIALIZED (SELECT * FROM pgmq.maintenance_status()),
	parts AS MATERIALIZED (SELECT * FROM pgmq.partition_status()),
	t AS MATERIALIZED (SELECT * FROM pgmq._queue_tables()),
	-- by the names that they were created with, as queues
	s AS MATERIALIZED (
		SELECT x.*, coalesce(t.queue_name, x.subscription_name) AS queue_name
		FROM pgmq.list_subscriptions() x
		LEFT JOIN t ON lower(t.queue_name) = x.subscription_name
	),
	-- what vacuum says of partitions
	v AS MATERIALIZED (
		SELECT i.inhparent AS relid,
			sum(pg_stat_get_dead_tuples(c.oid))::bigint AS dead,
			sum(pg_stat_get_live_tuples(c.oid))::bigint AS live,
			min(coalesce(greatest(pg_stat_get_last_vacuum_time(c.oid),
				pg_stat_get_last_autovacuum_time(c.oid)), '-infinity')) AS last_vacuum
		FROM t
		JOIN pg_inherits i ON i.inhparent = t.relid
		JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p')
		GROUP BY i.inhparent
	),
	q AS MATERIALIZED (
		SELECT t.*,
			coalesce(v.dead, pg_stat_get_dead_tuples(t.relid)) AS dead,
			coalesce(v.live, pg_stat_get_live_tuples(t.relid)) AS live,
			coalesce(v.last_vacuum, greatest(pg_stat_get_last_vacuum_time(t.relid),
				pg_stat_get_last_autovacuum_time(t.relid)), '-infinity') AS last_vacuum,
			p.policy, p.paused_until, p.dead_letter_problem,
			CASE WHEN jsonb_typeof(p.policy -> 'max_reads') = 'number'
				THEN (p.policy ->> 'max_reads')::numeric END AS max_reads,
			d.name IS NOT NULL AS is_dead_letters,
			CASE WHEN jsonb_typeof(p.policy -> 'max_length') = 'number'
				THEN (p.policy ->> 'max_length')::numeric END AS max_length,
			CASE WHEN jsonb_typeof(p.policy -> 'max_bytes') = 'number'
				THEN (p.policy ->> 'max_bytes')::numeric END AS max_bytes,
			coalesce(t.held_back_at >= l.unread_before
				AND p.policy ?| ARRAY['max_in_flight', 'rate', 'max_in_flight_each', 'rate_each'], false) AS is_held_back
		FROM l CROSS JOIN t
		LEFT JOIN v ON v.relid = t.relid
		LEFT JOIN policies p ON p.relid = t.relid
		LEFT JOIN (SELECT DISTINCT lower(x.policy ->> 'dead_letter_queue') AS name FROM policies x) d
			ON d.name = lower(t.queue_name)
	),
	-- a stream that is paused pauses its subscriptions
	paused AS MATERIALIZED (SELECT lower(q.queue_name) AS name FROM q, l WHERE q.paused_until > l.now),
	-- the first messages of those queues that may have some to report
	f AS MATERIALIZED (
		SELECT q.*, m.readable, m.readable_since, m.over_read, m.over_read_since, m.most_reads, m.most_read
		FROM (
			SELECT q.* FROM q, l
			WHERE (q.live > 0 OR q.sent > 0 OR q.state <> 'on')
			AND (q.is_dead_letters OR q.redelivered > 0 OR q.dead_refused > 0
				OR q.state <> 'on' OR q.due_map <> 'on'
				OR q.last_read_at IS NULL OR q.last_read_at < l.unread_before
				OR coalesce(q.next_due < l.behind_before, true))
			ORDER BY q.live DESC LIMIT 200) q
		CROSS JOIN LATERAL pgmq._first_messages(q.queue_name, 1000,
			greatest(least(q.max_reads, 2147483647), 0)::integer) m
	),
	-- what dead rows the horizon keeps
	cost AS (
		SELECT coalesce(sum(q.dead), 0)::bigint AS dead,
			(array_agg(q.queue_name ORDER BY q.dead DESC))[1] AS worst, max(q.dead) AS worst_dead
		FROM q
	),
	found (severity, queue_name, what, since, evidence, advice) AS (
		-- Findings about the server

		SELECT CASE WHEN cost.dead > l.dead_rows THEN 'critical' ELSE 'warning' END,
			NULL::text, 'horizon pinned', h.since,
			format('%s %s keeps vacuum from removing what died in the last %s transactions. The queues have %s dead rows, "%s" has %s of them.',
				h.kind, concat_ws(' ', h.name, '(pid ' || h.pid || ')'), h.xacts, cost.dead, cost.worst, cost.worst_dead),
			CASE h.kind
				WHEN 'session' THEN format('End its transaction, or the session: SELECT pg_terminate_backend(%s). Set idle_in_transaction_session_timeout.', h.pid)
				WHEN 'replication slot' THEN format('Drop it if nobody needs it: SELECT pg_drop_replication_slot(%L).', h.name)
				ELSE 'End long queries on the standby, or set hot_standby_feedback = off there.' END
		FROM pgmq.horizon() h, l, cost
		WHERE h.kind <> 'prepared transaction' AND cost.worst IS NOT NULL
		AND (h.since < l.now - make_interval(secs => l.horizon)
			OR h.since IS NULL AND h.xacts > l.horizon_xacts)
		UNION ALL
		SELECT CASE WHEN cost.dead > l.dead_rows OR m.n > 0 THEN 'critical' ELSE 'warning' END,
			NULL, 'prepared transaction left', x.prepared,
			format('Transaction %L of role %s is prepared and has not ended for %s transactions. The queues have %s dead rows, and %s have no due map because of a prepared transaction.',
				x.gid, x.owner, age(x.transaction), cost.dead, m.n),
			format('COMMIT PREPARED %L or ROLLBACK PREPARED %L.', x.gid, x.gid)
		FROM pg_prepared_xacts x, l, cost,
			(SELECT count(*) AS n FROM q WHERE q.due_map = 'prepared transaction') m
		WHERE x.database = current_database() AND cost.worst IS NOT NULL
		AND x.prepared < l.now - make_interval(secs => l.prepared)
		UNION ALL
		SELECT 'warning', NULL, 'no due map', NULL,
			CASE m.state WHEN 'no shared memory'
				THEN 'The server has no shared memory for pgmq_c: reads walk over messages in flight, and waiting reads poll.'
				ELSE 'The setting pgmq_c.due_map is off in this session.' END,
			CASE m.state WHEN 'no shared memory'
				THEN 'Add pgmq_c to shared_preload_libraries, and restart the server.'
				ELSE 'Look for the setting in pg_settings and pg_db_role_setting, and reset it.' END
		FROM pgmq.memory_status() m
		WHERE m.state IN ('no shared memory', 'switched off') AND EXISTS (SELECT FROM q)
		UNION ALL
		SELECT 'warning', NULL, 'memory nearly full', m.since,
			format('%s of %s maps and %s of %s nodes are in use. Queues lost their map to others %s times, and maps were coarsened %s times.',
				m.maps, m.maps_max, m.nodes, m.nodes_max, m.evictions, m.merges),
			'Raise pgmq_c.shared_memory, and restart the server.'
		FROM pgmq.memory_status() m, l
		WHERE m.maps >= l.memory * m.maps_max OR m.nodes >= l.memory * m.nodes_max
		UNION ALL
		SELECT 'info', NULL, 'statistics full', NULL,
			format('%s queues are not counted.', count(*)),
			'Raise pgmq_c.stat_queues, and restart the server.'
		FROM q WHERE q.state = 'memory full' HAVING count(*) > 0
		UNION ALL
		SELECT CASE WHEN c.n >= c.max THEN 'critical' ELSE 'warning' END,
			NULL, 'connections nearly used up', NULL,
			format('%s of %s connections are in use, %s of them wait for a message.', c.n, c.max, w.n),
			'Let one session wait for several queues by read_any_with_poll, use fewer waiters or a pooler, or raise max_connections.'
		FROM (SELECT count(*) AS n,
				current_setting('max_connections')::integer
				- current_setting('superuser_reserved_connections')::integer AS max
			  FROM pg_stat_activity a WHERE a.backend_type = 'client backend') c,
			(SELECT count(DISTINCT x.pid) AS n FROM pgmq.waiters() x) w, l
		WHERE c.n >= l.connections * c.max AND w.n > 0
		UNION ALL
		SELECT 'warning', CASE WHEN count(*) = 1 THEN min(m.queue_name) END, 'maintenance silent',
			min(coalesce(m.last_run, m.since)),
			format('%s queues have a policy, and were not maintained since then, "%s" among them.', count(*), min(m.queue_name)),
			'Let pg_cron call pgmq.maintain(), or set pgmq_c.maintain_database; see the log of the server if one of them is at work.'
		FROM runs m, l
		WHERE coalesce(m.last_run, m.since) < l.now - make_interval(secs => l.maintenance)
		AND m.left_out_until IS NULL
		HAVING count(*) > 0
		UNION ALL
		SELECT 'warning', CASE WHEN count(*) = 1 THEN min(q.queue_name) END, 'map not kept', NULL,
			format('The tables of %s queues lack the trigger pgmq_announce, or have partitions or children that do, "%s" among them: reads of them use no due map.',
				count(*), min(q.queue_name)),
			format('SELECT pgmq.convert_queue(%L).', min(q.queue_name))
		FROM q WHERE q.due_map = 'not announced' HAVING count(*) > 0

		-- Findings about one queue
		UNION ALL
		SELECT 'critical', q.queue_name, 'message hidden', NULL,
			format('Full checks found %s messages that the due map had hidden.', q.net_finds),
			'This is a bug of pgmq_c, or the catalog was changed by hand: please report it. The messages are readable again.'
		FROM q WHERE q.net_finds > 0
		UNION ALL
		SELECT 'critical', q.queue_name, 'dead-letter queue unusable', NULL,
			q.dead_letter_problem || ' Messages that should go there stay in the queue.',
			'Create it, or name another one by pgmq.set_policy(), key "dead_letter_queue".'
		FROM q WHERE q.dead_letter_problem IS NOT NULL
		UNION ALL
		SELECT 'critical', f.queue_name, 'dead letters refused', f.over_read_since,
			format('%s of the first messages were read %s times or more, and are still in the queue%s.',
				f.over_read, f.max_reads, '; ' || f.dead_refused || ' attempts to move some failed'),
			'See the warnings in the log of the server: a trigger or a constraint of the dead-letter queue refuses them.'
		FROM f, l
		WHERE f.over_read > 0 AND f.over_read_since < l.unread_before
		AND coalesce(f.dead_refused, 1) > 0 AND f.dead_letter_problem IS NULL
		UNION ALL
		SELECT 'critical', f.queue_name, 'nobody reads',
			greatest(f.stats_reset, f.readable_since),
			format('About %s messages are there, the first could be read since %s, and nobody has read since %s.',
				greatest(f.live, f.readable), date_trunc('second', f.readable_since), date_trunc('second', f.stats_reset)),
			'Start the consumers of the queue, or stop its producers.'
		FROM f, l
		WHERE f.readable_since < l.unread_before AND f.waiting = 0 AND NOT f.is_dead_letters AND NOT f.is_held_back
		AND coalesce(f.paused_until <= l.now, true)
		AND f.last_read_at IS NULL AND f.stats_reset < l.unread_before
		UNION ALL
		SELECT 'critical', f.queue_name, 'reading stopped', f.last_read_at,
			format('About %s messages are there, the first could be read since %s, and the last read was at %s.',
				greatest(f.live, f.readable), date_trunc('second', f.readable_since), date_trunc('second', f.last_read_at)),
			'Look for the consumers of the queue: are they running, or do they hang?'
		FROM f, l
		WHERE f.readable_since < l.unread_before AND f.waiting = 0 AND NOT f.is_dead_letters AND NOT f.is_held_back
		AND coalesce(f.paused_until <= l.now, true)
		AND f.last_read_at < l.unread_before
		UNION ALL
		SELECT 'warning', f.queue_name, 'readers behind', f.readable_since,
			format('About %s messages are there, and the first could be read since %s.',
				greatest(f.live, f.readable), date_trunc('second', f.readable_since)),
			'Start more consumers, or see what makes each message take long.'
		FROM f, l
		WHERE f.readable_since < l.behind_before AND NOT f.is_dead_letters AND NOT f.is_held_back
		AND coalesce(f.paused_until <= l.now, true)
		AND (f.last_read_at >= l.unread_before OR f.state <> 'on' OR f.waiting > 0)
		UNION ALL
		SELECT 'warning', f.queue_name, 'limits hold back', f.readable_since,
			format('About %s messages are there, the first could be read since %s, %s are in flight, and a read got less than it asked for at %s.',
				greatest(f.live, f.readable), date_trunc('second', f.readable_since), f.in_flight, date_trunc('second', f.held_back_at)),
			'Raise the limits of its policy (max_in_flight, rate, max_in_flight_each, rate_each) by pgmq.set_policy(), or see what makes messages in flight take long.'
		FROM f, l
		WHERE f.readable_since < l.behind_before AND f.is_held_back
		AND coalesce(f.paused_until <= l.now, true)
		UNION ALL
		SELECT 'critical', q.queue_name, 'queue full', NULL,
			format('It has %s messages and %s bytes, and its policy allows %s: sends are refused.', q.length, q.bytes,
				concat_ws(' and ', q.max_length || ' messages', q.max_bytes || ' bytes')),
			'Start more consumers, or raise max_length or max_bytes of its policy by pgmq.set_policy().'
		FROM q
		WHERE (q.length >= q.max_length OR q.bytes + q.bytes / greatest(q.length, 1) > q.max_bytes)
		AND coalesce(q.policy ->> 'overflow' <> 'drop_oldest', true)
		UNION ALL
		SELECT 'info', f.queue_name, 'dead letters wait', f.readable_since,
			format('%s dead letters or more are there.', f.readable),
			format('Look at them by pgmq.peek(%L); pgmq.redrive(%L, 100) sends 100 back.', f.queue_name, f.queue_name)
		FROM f WHERE f.is_dead_letters AND f.readable > 0
		UNION ALL
		SELECT 'warning', f.queue_name, 'poison message', NULL,
			format('Message %s was read %s times, and is still there.', f.most_read, f.most_reads),
			'Limit it by pgmq.set_policy(), keys "max_reads" and "dead_letter_queue"; pgmq.dead_letter() moves one message.'
		FROM f, l
		WHERE f.most_reads >= l.reads AND f.max_reads IS NULL
		UNION ALL
		SELECT 'warning', q.queue_name, 'leases expire', q.stats_reset,
			format('%s leases ran out before their messages were acknowledged, %s messages were acknowledged.', q.expired_leases, q.acked),
			'Read with a longer vt, or call pgmq.extend() while messages are processed; pgmq.reset_queue_stats() then counts anew.'
		FROM q, l
		WHERE q.expired_leases >= l.expired_leases AND q.expired_leases > q.acked
		UNION ALL
		SELECT 'warning', q.queue_name, 'vacuum behind', nullif(q.last_vacuum, '-infinity'),
			format('The table has %s dead rows and %s live ones.', q.dead, q.live),
			format('VACUUM pgmq.%I; see whether autovacuum is on, has free workers, and gets the locks.', c.relname)
		FROM q JOIN pg_class c ON c.oid = q.relid, l
		WHERE q.dead > l.dead_rows AND q.dead > q.live
		AND q.last_vacuum < l.now - make_interval(secs => l.vacuum)
		UNION ALL
		SELECT CASE WHEN least(p.ids_left, 1) <= 0 OR p.time_left <= '0' THEN 'critical' ELSE 'warning' END,
			p.queue_name, 'partitions run out', NULL,
			format('Table pgmq.%I is at its last partition, with %s left.', p.table_name, coalesce(p.ids_left || ' ids', p.time_left::text)),
			'Let pg_partman''s run_maintenance_proc() run, more often or with a larger premake.'
		FROM parts p
		WHERE p.ahead = 0
		UNION ALL
		SELECT 'warning', p.queue_name, 'rows in the default partition', NULL,
			format('The default partition of table pgmq.%I has %s rows.', p.table_name, p.default_rows),
			format('CALL partition_data_proc(%L) of pg_partman, then run_maintenance_proc().', 'pgmq.' || p.table_name)
		FROM parts p
		WHERE p.default_rows > 0
		UNION ALL
		SELECT 'critical', q.queue_name, 'ids run out', NULL,
			format('Sequence pgmq.%I is at %s of %s.', c.relname, last_id, s.seqmax),
			format('ALTER SEQUENCE pgmq.%I MAXVALUE with a larger value, or NO MAXVALUE.', c.relname)
		FROM pg_sequence s
		JOIN pg_class c ON c.oid = s.seqrelid
		JOIN q ON c.relname = lower('q_' || q.queue_name || '_msg_id_seq')::name
		CROSS JOIN LATERAL pgmq._last_id(q.queue_name, s.seqrelid) last_id, l
		WHERE c.relnamespace = 'pgmq'::regnamespace AND s.seqmax < 9223372036854775807
		AND s.seqincrement > 0 AND NOT s.seqcycle AND last_id >= l.ids * s.seqmax
		UNION ALL
		SELECT 'warning', m.queue_name, 'maintenance fails', m.last_error_at,
			m.last_error,
			'See the log of the server, and the triggers and constraints of the queue, its archive and its dead-letter queue.'
		FROM runs m
		WHERE m.last_error_at >= coalesce(m.last_run, '-infinity') AND m.left_out_until IS NULL
		UNION ALL
		SELECT 'warning', m.queue_name, 'maintenance left out', NULL,
			format('The last session that maintained the queue ended, or was canceled, and it is left out until %s.', date_trunc('second', m.left_out_until)),
			'Check the triggers of the queue, of its archive and of its dead-letter queue.'
		FROM runs m
		WHERE m.left_out_until IS NOT NULL
		UNION ALL
		SELECT 'critical', s.queue_name, 'messages lost', NULL,
			format('Retention removed %s messages of stream %s that the subscription had not finished.', s.lost, s.stream_name),
			format('Raise the limits of the stream by pgmq.set_policy(%L, ..), or start more consumers of the subscription.', s.stream_name)
		FROM s
		WHERE s.lost > 0
		UNION ALL
		SELECT 'warning', s.queue_name, 'subscription abandoned', s.last_read_at,
			format('It has %s messages of stream %s to finish, the oldest since %s.', s.lag, s.stream_name,
				date_trunc('second', l.now - make_interval(secs => s.oldest_age_sec))),
			format('Start its consumers, or SELECT pgmq.drop_queue(%L).', s.subscription_name)
		FROM s, l
		WHERE s.lag > 0 AND s.oldest_age_sec > l.unread AND s.in_flight = 0
		AND coalesce(s.last_read_at < l.unread_before, s.created_at < l.unread_before)
		AND NOT EXISTS (SELECT FROM paused p WHERE p.name IN (s.subscription_name, s.stream_name))
		UNION ALL
		SELECT 'warning', s.queue_name, 'subscription behind', NULL,
			format('It has %s messages of stream %s to finish, the oldest since %s.', s.lag, s.stream_name,
				date_trunc('second', l.now - make_interval(secs => s.oldest_age_sec))),
			'Start more consumers, or see what makes each message take long.'
		FROM s, l
		WHERE s.lag > 0 AND s.oldest_age_sec > l.behind AND s.last_read_at >= l.unread_before
		AND NOT EXISTS (SELECT FROM paused p WHERE p.name IN (s.subscription_name, s.stream_name))
		UNION ALL
		SELECT 'info', q.queue_name, 'archive grows', NULL,
			format('The archive has %s, and the policy has no archive_retention.', pg_size_pretty(a.bytes)),
			format('SELECT pgmq.set_policy(%L, ''{"archive_retention": 2592000}'') keeps 30 days.', q.queue_name)
		FROM q, l,
			LATERAL (SELECT q.archive_pages * current_setting('block_size')::bigint AS bytes) a
		WHERE a.bytes > l.table_bytes AND NOT coalesce(q.policy ? 'archive_retention', false)
		UNION ALL
		SELECT 'warning', d.queue_name, 'deduplication ids grow', NULL,
			format('The tables of deduplication ids have %s.', pg_size_pretty(d.bytes)),
			'See whether maintenance runs, or use a smaller dedup_window.'
		FROM (
			SELECT q.queue_name, sum(c.relpages::bigint) * current_setting('block_size')::bigint AS bytes
			FROM q
			JOIN pg_class c ON c.relnamespace = 'pgmq'::regnamespace AND c.relkind = 'r'
				AND c.relname ~ '^d[012]_' AND substr(c.relname::text, 4) = lower(q.queue_name)
			GROUP BY q.queue_name) d, l
		WHERE d.bytes > l.table_bytes
	)
	SELECT found.severity, found.queue_name, found.what, found.since, found.evidence, found.advice
	FROM found
	ORDER BY array_position(ARRAY['critical', 'warning', 'info'], found.severity),
		found.what, found.queue_name;
END;
COMMENT ON FUNCTION pgmq.health(jsonb) IS
'Report what is wrong with the queues on which you have some privilege, and with what they need of the server, worst first: how severe it is, since when it is so, what shows it, and what to do. No row means that all is well. Options set limits: horizon, prepared, vacuum, unread, behind and maintenance (seconds), horizon_xacts, dead_rows, reads, expired_leases and table_bytes (numbers), memory, connections and ids (shares of 1).';

CREATE OR REPLACE FUNCTION pgmq.overview(qty integer DEFAULT 30)
RETURNS TABLE(queue_name text, messages bigint, ready_for interval, waiting bigint, sent bigint, acked bigint, redelivered bigint, dead bigint, last_send interval, last_read interval, trouble text)
LANGUAGE sql
SET jit TO off
BEGIN ATOMIC
	WITH h AS MATERIALIZED (
		SELECT f.queue_name, string_agg(f.what, ', ' ORDER BY f.place) AS trouble, min(f.place) AS place
		FROM (SELECT x.queue_name, x.what, row_number() OVER () AS place FROM pgmq.health() x) f
		GROUP BY f.queue_name
	),
	t AS MATERIALIZED (SELECT * FROM pgmq._queue_tables()),
	v AS MATERIALIZED (
		SELECT i.inhparent AS relid, sum(pg_stat_get_live_tuples(i.inhrelid))::bigint AS live
		FROM t
		JOIN pg_inherits i ON i.inhparent = t.relid
		GROUP BY i.inhparent
	),
	q AS MATERIALIZED (
		SELECT t.queue_name, coalesce(s.lag, v.live, pg_stat_get_live_tuples(t.relid)) AS messages,
			CASE WHEN t.next_due <= statement_timestamp()
				THEN statement_timestamp() - t.next_due END AS ready_for,
			t.waiting, t.sent, t.acked, t.redelivered, t.dead_letters AS dead,
			t.last_send_at, t.last_read_at, h.trouble, h.place
		FROM t
		LEFT JOIN v ON v.relid = t.relid
		LEFT JOIN pgmq.list_subscriptions() s ON s.subscription_name = lower(t.queue_name)
		LEFT JOIN h ON h.queue_name = t.queue_name
	),
	r AS (
		SELECT 0 AS part, format('(%s queues)', count(*)) AS queue_name, sum(q.messages)::bigint AS messages,
			max(q.ready_for) AS ready_for, sum(q.waiting)::bigint AS waiting, sum(q.sent)::bigint AS sent,
			sum(q.acked)::bigint AS acked, sum(q.redelivered)::bigint AS redelivered, sum(q.dead)::bigint AS dead,
			max(q.last_send_at) AS last_send_at, max(q.last_read_at) AS last_read_at,
			(SELECT h.trouble FROM h WHERE h.queue_name IS NULL) AS trouble, NULL::bigint AS place
		FROM q
		UNION ALL
		(SELECT 1, q.*
		 FROM q
		 ORDER BY q.place NULLS LAST, q.messages DESC, q.queue_name
		 LIMIT qty)
	)
	SELECT r.queue_name, r.messages, date_trunc('second', r.ready_for), r.waiting, r.sent, r.acked,
		r.redelivered, r.dead, date_trunc('second', statement_timestamp() - r.last_send_at),
		date_trunc('second', statement_timestamp() - r.last_read_at), r.trouble
	FROM r
	ORDER BY r.part, r.place NULLS LAST, r.messages DESC, r.queue_name;
END;
COMMENT ON FUNCTION pgmq.overview(integer) IS
'Show all queues on which you have some privilege in one row, and then qty of them, those with findings of health first and then the longest: about how many messages they have, for how long one has been ready, how many sessions wait, what was counted since stats_reset, how long ago the last send and read were, and what health finds. For psql: SELECT * FROM pgmq.overview() \watch 2';

--
-- Policies: src/api/set_policy.c
--

CREATE OR REPLACE FUNCTION pgmq.set_policy(queue_name text, policy jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'pgmq_set_policy'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_policy(text, jsonb) IS
'Change the policy of a queue. Keys that are absent keep their value, keys that are null are removed. Returns the whole policy. Only the owner of the queue may do this. Keys: max_reads, dead_letter_queue, create_dead_letter_queue, backoff, backoff_base, backoff_factor, backoff_cap, backoff_jitter, ttl, ttl_header, expired, dedup_window, archive_retention, strict_fifo, priorities, max_length, max_bytes, overflow, max_in_flight, rate, burst, limit_by, max_in_flight_each, rate_each, burst_each, fair; of a stream retention, retention_age, retention_count, retention_bytes.';

CREATE OR REPLACE FUNCTION pgmq.get_policy(queue_name text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'pgmq_get_policy'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.get_policy(text) IS
'Return the policy of a queue, or an empty object if it has none. This needs some privilege on the queue.';

CREATE OR REPLACE FUNCTION pgmq.pause(queue_name text, until timestamp with time zone)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_pause'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.pause(text, timestamp with time zone) IS
'Pause a queue until a given time: reads return nothing, but messages can be sent. Only the owner of the queue may do this.';

CREATE OR REPLACE FUNCTION pgmq.resume(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_resume'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.resume(text) IS
'End the pause of a queue and wake the sessions that wait to read from it. Returns false if the queue was not paused. Only the owner of the queue may do this.';

--
-- Maintenance: src/policy/maintain.c
--

CREATE OR REPLACE PROCEDURE pgmq.maintain()
AS 'MODULE_PATHNAME', 'pgmq_maintain'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.maintain() IS
'Do what the policies of your queues ask for when nobody reads: drop expired messages or move them to dead-letter queues, delete archived messages older than archive_retention and messages of streams beyond their retention, and delete deduplication ids older than dedup_window. The procedure commits after each batch, unless it is called inside a transaction block or a function, and ends after pgmq_c.maintain_time_limit.';

--
-- Creating and dropping queues: src/catalog/manage.c
--

CREATE OR REPLACE FUNCTION pgmq.create(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create(text) IS
'Create a queue if it does not exist.';

CREATE OR REPLACE FUNCTION pgmq.create_non_partitioned(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_non_partitioned(text) IS
'Create a queue if it does not exist.';

CREATE OR REPLACE FUNCTION pgmq.create_unlogged(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_unlogged'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_unlogged(text) IS
'Create an unlogged queue if it does not exist. It is faster than a logged one, and empty after a crash or a failover. Its archive is logged.';

CREATE OR REPLACE FUNCTION pgmq.drop_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_drop_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.drop_queue(text) IS
'Drop a queue and its archive. Returns false if there is no such queue.';

CREATE OR REPLACE FUNCTION pgmq.drop_queue(queue_name text, partitioned boolean)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_drop_queue_deprecated'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.drop_queue(text, boolean) IS
'Deprecated: use drop_queue(queue_name).';

CREATE OR REPLACE FUNCTION pgmq.purge_queue(queue_name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_purge_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.purge_queue(text) IS
'Delete all messages of a queue. Returns how many there were.';

CREATE OR REPLACE FUNCTION pgmq._close_queue(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_close_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._close_queue(text) IS
'Internal: locks a queue and its archive against changes until the transaction ends, and sends waiting readers away.';

CREATE OR REPLACE FUNCTION pgmq.detach_archive(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_detach_archive'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.detach_archive(text) IS
'Deprecated: has no effect.';

CREATE OR REPLACE FUNCTION pgmq.create_fifo_index(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_index'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_fifo_index(text) IS
'Create the index that grouped reads of a queue use, if it does not exist.';

CREATE OR REPLACE FUNCTION pgmq.create_fifo_indexes_all()
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_indexes_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_fifo_indexes_all() IS
'Create the index that grouped reads use for every queue. A queue for which that is not possible gives a warning.';

CREATE OR REPLACE FUNCTION pgmq.acquire_queue_lock(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_acquire_queue_lock'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.acquire_queue_lock(text) IS
'Keep other sessions from creating or dropping a queue until the transaction ends. This needs some privilege on the queue, or the right to create one.';

CREATE OR REPLACE FUNCTION pgmq._create_fifo_index_if_not_exists(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_index'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._create_fifo_index_if_not_exists(text) IS
'Internal: the same as create_fifo_index.';

--
-- Partitioned queues: src/catalog/partition.c
--

CREATE OR REPLACE FUNCTION pgmq.create_partitioned(queue_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', premake integer DEFAULT 4)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_partitioned(text, text, text, integer) IS
'Create a queue that pg_partman partitions, if it does not exist. It is partitioned by msg_id if partition_interval is an integer, and by time if it is an interval. Partitions older than retention_interval are dropped with the messages in them.';

CREATE OR REPLACE FUNCTION pgmq.convert_archive_partitioned(table_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', leading_partition integer DEFAULT 10)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_convert_archive_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_archive_partitioned(text, text, text, integer) IS
'Replace the archive of queue table_name with one that pg_partman partitions. The old archive is kept with its messages as a_<name>_old.';

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
'Internal: tells whether a table is a member of the extension.';

CREATE OR REPLACE FUNCTION pgmq._get_partition_col(partition_interval text)
RETURNS text
AS 'MODULE_PATHNAME', 'pgmq_get_partition_col'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._get_partition_col(text) IS
'Internal: returns the column by which a queue is partitioned.';

CREATE OR REPLACE FUNCTION pgmq._extension_exists(extension_name text)
RETURNS boolean
LANGUAGE sql
RETURN EXISTS (
	SELECT FROM pg_catalog.pg_extension WHERE extname = extension_name
);
COMMENT ON FUNCTION pgmq._extension_exists(text) IS
'Internal: tells whether an extension is installed.';

CREATE OR REPLACE FUNCTION pgmq._ensure_pg_partman_installed()
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_ensure_pg_partman_installed'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._ensure_pg_partman_installed() IS
'Internal: raises an error if pg_partman is not installed.';

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
'Internal: returns the schema of pg_partman.';

CREATE OR REPLACE FUNCTION pgmq._get_pg_partman_major_version()
RETURNS integer
LANGUAGE sql
RETURN (
	SELECT pg_catalog.split_part(extversion, '.', 1)::integer
	FROM pg_catalog.pg_extension
	WHERE extname = 'pg_partman'
);
COMMENT ON FUNCTION pgmq._get_pg_partman_major_version() IS
'Internal: returns the major version of pg_partman.';

--
-- Adopting and converting queues: src/catalog/convert.c
--

CREATE OR REPLACE FUNCTION pgmq.adopt_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_adopt_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.adopt_queue(text) IS
'Turn the existing tables q_<name> and a_<name> into a queue with the layout of a new one. Returns false if they are a queue already.';

CREATE OR REPLACE FUNCTION pgmq.convert_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_convert_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queue(text) IS
'Convert a queue that PGMQ created to the layout of a new one, in place. Returns false if it has that layout already.';

CREATE OR REPLACE FUNCTION pgmq.convert_queues(queue_names text[])
RETURNS SETOF text
LANGUAGE sql
BEGIN ATOMIC
	SELECT n.name FROM pg_catalog.unnest(queue_names) WITH ORDINALITY n (name, place)
	WHERE pgmq.convert_queue(n.name)
	ORDER BY n.place;
END;
COMMENT ON FUNCTION pgmq.convert_queues(text[]) IS
'Convert several queues as convert_queue does. Returns the names of the queues that were changed.';

CREATE OR REPLACE FUNCTION pgmq.convert_queues_all()
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pgmq_convert_queues_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queues_all() IS
'Convert all queues as convert_queue does. A queue that cannot be converted gives a warning. Returns the names of the queues that were changed.';

--
-- Streams and subscriptions: src/catalog/subscribe.c
--

CREATE OR REPLACE FUNCTION pgmq.create_stream(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_stream'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_stream(text) IS
'Create a stream if it does not exist: a queue whose messages stay, and are read from subscriptions. An empty queue of that name becomes one. Only its owner may do that.';

CREATE OR REPLACE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_subscription'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_subscription(text, text) IS
'Create a subscription to stream queue_name, if it does not exist. It gets the messages that are committed from now on, and is read like a queue.';

CREATE OR REPLACE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_subscription_start'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_subscription(text, text, text) IS
'Create a subscription to stream queue_name, if it does not exist, that begins at start: earliest, latest, a msg_id or a time.';

CREATE OR REPLACE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_subscription_start'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_subscription(text, text, bigint) IS
'Create a subscription to stream queue_name, if it does not exist, that begins at a msg_id.';

CREATE OR REPLACE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start timestamp with time zone)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_subscription_start'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_subscription(text, text, timestamp with time zone) IS
'Create a subscription to stream queue_name, if it does not exist, that begins with the messages that were sent at a time or later.';

CREATE OR REPLACE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start text, filter jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_subscription_filter'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_subscription(text, text, text, jsonb) IS
'Create a subscription to stream queue_name, if it does not exist, that begins at start: earliest, latest, a msg_id or a time. It gets only messages whose body contains what the filter has under message, whose headers contain what it has under headers, and whose routing key, header x-pgmq-routing-key, matches its pattern as in bind_topic. All others count as finished.';

CREATE OR REPLACE FUNCTION pgmq.seek(subscription_name text, start text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_seek'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.seek(text, text) IS
'Let a subscription go on at start: earliest, latest, a msg_id or a time. It gets the messages from there on again, read or not. This is refused while messages are in flight. Only the owner of the subscription may do this.';

CREATE OR REPLACE FUNCTION pgmq.seek(subscription_name text, start bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_seek'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.seek(text, bigint) IS
'Let a subscription go on at a msg_id. It gets the messages from there on again, read or not. This is refused while messages are in flight. Only the owner of the subscription may do this.';

CREATE OR REPLACE FUNCTION pgmq.seek(subscription_name text, start timestamp with time zone)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_seek'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.seek(text, timestamp with time zone) IS
'Let a subscription go on with the messages that were sent at a time or later. It gets the messages from there on again, read or not. This is refused while messages are in flight. Only the owner of the subscription may do this.';

CREATE OR REPLACE FUNCTION pgmq.seek(subscription_name text, start text, options jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_seek_options'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.seek(text, text, jsonb) IS
'Let a subscription go on at start: earliest, latest, a msg_id or a time. It gets the messages from there on again, read or not. With the option force this is not refused while messages are in flight; their consumers can no longer acknowledge them with a fence. Only the owner of the subscription may do this.';

--
-- Converting a queue to a stream: src/catalog/convert_stream.c
--

CREATE OR REPLACE FUNCTION pgmq.convert_to_stream(queue_name text, stream_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_convert_to_stream'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_to_stream(text, text) IS
'Make a queue a subscription to a new stream, which takes over its messages. Its senders and consumers go on under its name, and leases stay. Only the owner of the queue may do this.';

--
-- Privileges on queues: src/catalog/grant.c
--

CREATE OR REPLACE FUNCTION pgmq.grant_queue(queue_name text, role text, VARIADIC privileges text[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_grant_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.grant_queue(text, text, text[]) IS
'Grant a role (or public) one or several privileges on a queue: send; read (which includes delete and archive); inspect (everything but the contents of messages); manage (purge the queue, peek into it, empty the archive). They are granted as ordinary privileges on the tables of the queue.';

CREATE OR REPLACE FUNCTION pgmq.revoke_queue(queue_name text, role text, VARIADIC privileges text[])
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_revoke_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.revoke_queue(text, text, text[]) IS
'Revoke privileges that grant_queue granted. Table privileges that another privilege of the role needs are kept.';

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
 * The foreign keys that refer to meta delete rows with the rights of the owner of
 * their table, so no trigger of another role may run then.  A role can delete only
 * its own queues.  (This is the first statement that locks a table: create and
 * drop_queue lock meta before the other tables as well.)
 */
CREATE OR REPLACE FUNCTION pgmq._guard_meta()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_guard_meta'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._guard_meta() IS
'Internal: trigger function that refuses to delete a queue from pgmq.meta if the caller does not own the queue, or if triggers of other roles would run with the rights of the owner of its bindings.';
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
'Internal: trigger function of every queue table. It records in the due map when messages can be read.';

--
-- The order of messages with priorities: src/common/priority.c
--

CREATE OR REPLACE FUNCTION pgmq._priority_key(headers jsonb, msg_id bigint)
RETURNS bigint
AS 'MODULE_PATHNAME', 'pgmq_priority_key_sql'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION pgmq._priority_key(jsonb, bigint) IS
'Internal: returns what the messages of a queue with priorities are read in the order of.';

--
-- Limits: src/policy/limit_rows.c
--

CREATE OR REPLACE FUNCTION pgmq._limits()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_limits'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._limits() IS
'Internal: trigger function of the tables of queues with limits. It counts messages that come and go, and refuses or drops those that are too many.';

--
-- Names of queues: src/common/queue.c
--

CREATE OR REPLACE FUNCTION pgmq.format_table_name(queue_name text, prefix text)
RETURNS text
AS 'MODULE_PATHNAME', 'pgmq_format_table_name'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.format_table_name(text, text) IS
'Return the name of a table of a queue: prefix q stands for its messages, a for its archive.';

CREATE OR REPLACE FUNCTION pgmq.validate_queue_name(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_validate_queue_name'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.validate_queue_name(text) IS
'Raise an error if a queue cannot have this name.';

/*
 * pg_restore --jobs loads meta and the tables that refer to it in any order, and
 * would lose the rows that come too early.  Therefore the foreign keys do not check
 * that the queue exists; bind_topic and enable_notify_insert check it anyway.
 * Dropping a queue still deletes the rows that belong to it.
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
 * Before PostgreSQL 17 a library has shared memory only if it is preloaded.  A
 * session that wants to see errors only is not told.
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
		RAISE NOTICE 'pgmq_c has no shared memory on this server, so reads and waits do more work than necessary'
			USING HINT = format('Put this line into postgresql.conf and restart the server: shared_preload_libraries = %L',
				concat_ws(', ', nullif(libraries, ''), 'pgmq_c'));
	END IF;
END
$memory$;

/*
 * 4. Completing a take-over, and adopting tables without an extension
 *
 * On a fresh installation most of this finds nothing to do.  CREATE EXTENSION
 * suppresses notices, but users should see what is done here.
 */
SET LOCAL client_min_messages TO notice;

/*
 * A role that may not call a function may not call its new forms either.  A new
 * function gets the owner and the grants of an older function of its name (for
 * archive_and_read, of archive): the one that has the first of its arguments, if
 * there is one, and otherwise preferably one that every role may call, since then
 * no role has been kept from the name.
 * All other new objects belong to the owner of the extension, which need not be
 * the superuser that runs this script.
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
				AND old.proname = split_part(new.proname, '_and_read', 1)
			LEFT JOIN pgmq_found f ON f.class = d.classid AND f.oid = old.oid
			LEFT JOIN pgmq_renewed r ON to_regprocedure(r.identity) = old.oid
			WHERE new.oid = d.objid AND d.classid = 'pg_proc'::regclass
			-- a function that a user created under the name is not considered
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
 * The remaining functions, which were not replaced: functions that PGMQ 1.13.1 does
 * not have any more, and functions that users put into the schema.
 */
DELETE FROM pgmq_found f
WHERE class = 'pg_proc'::regclass
AND NOT EXISTS (SELECT FROM pg_proc p
				WHERE p.oid = f.oid AND p.ctid = f.version);

/*
 * These functions get the names and defaults of their arguments back.  A function
 * that was replaced may have lost a default: a view that calls it without that
 * argument could not be used any more, so that is an error.
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
			DETAIL = format('Its last argument no longer has a default, and these objects depend on it: %s.', o.dependents),
			HINT = 'Drop these objects and create them again afterwards.';
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
				HINT = 'Drop these objects and create them again afterwards.';
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
 * Tables that existed: PGMQ left some of them unlogged, and they must survive a
 * crash; it left some without a primary key, and they must be replicable.
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
 * The tables that belong to queues, or could belong to one, and the columns that
 * older versions of PGMQ did not give them: headers before 1.5 and last_read_at
 * before 1.10, which 1.10.0 forgot for new queues.  Two tables that no row of meta
 * names either belonged to a queue when an extension was dropped, or were renamed
 * by a user; in the second case the sequence still has the former name.
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
 * The queues that meta lists are completed.  If meta existed before, that is all;
 * adopt_queue makes a queue of other tables.  If meta did not exist, every pair of
 * tables that was not renamed is adopted.  A column without a default causes no
 * rewrite of the table and runs no code of users.
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
		RAISE WARNING 'cannot look for queues that are not in table "pgmq.meta"'
			USING DETAIL = 'The table has triggers, rules, checks, indexes, statistics, children or types of columns that are not PGMQ''s.';
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
				HINT = format('To make a queue of them, use SELECT pgmq.adopt_queue(%L).', o.name);
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
 * DROP EXTENSION drops the policies and leaves the tables.  The owner of a queue
 * that refused duplicates should learn that it no longer does.  No query reads
 * pgmq.policy, because index expressions of users would run with the rights of
 * this script.
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
		RAISE WARNING 'queue "%" has deduplication ids, but no policy that uses them', o.name
			USING HINT = 'They are used again when pgmq.set_policy() has set the dedup_window that the queue had.';
	END LOOP;
END
$dedup$;

/*
 * Members of pg_monitor can see the state of the queues, but not their messages.
 * PGMQ let them read every message.
 */
GRANT USAGE ON SCHEMA pgmq TO pg_monitor;
GRANT SELECT ON pgmq.meta, pgmq.notify_insert_throttle, pgmq.topic_bindings,
	pgmq.policy, pgmq.stream, pgmq.subscription, pgmq.subscription_block,
	pgmq.subscription_note, pgmq.stat_queues TO pg_monitor;

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
			USING DETAIL = 'It keeps the privileges that metrics need; PGMQ''s default privileges in schema "pgmq" are removed.';
	END IF;
END
$monitor$;

/*
 * pg_dump leaves out the privileges that an extension granted.  It takes all
 * privileges for such that existed when an object became a member, or when this
 * script granted something on it.  They are set to those of a fresh installation
 * here, because otherwise a dump would lose what users granted and revoked.
 */
CREATE TEMPORARY TABLE pgmq_initial AS
SELECT o.classoid, o.objoid,
	CASE WHEN d.objid IS NOT NULL AND c.relkind IN ('r', 'v')
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

/* Since PostgreSQL 17 there is also an entry for each role that they name. */
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
