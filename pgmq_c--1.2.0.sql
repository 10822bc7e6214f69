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
			END::"char") AS columns,
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

DO LANGUAGE plpgsql $refuse$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
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

	IF EXISTS (SELECT FROM pgmq_found
			   WHERE identity = 'pgmq.message_record'
			   AND columns NOT LIKE '%, last_read_at %'
			   AND columns LIKE 'msg_id bigint, read_ct integer, %')
	THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = 'cannot take over a PGMQ older than 1.10',
			HINT = 'Update PGMQ to version 1.10 or newer first.';
	END IF;

	/* PGMQ 1.13 has one more column than 1.10 to 1.12. */
	IF EXISTS (SELECT FROM pgmq_found
			   WHERE identity = 'pgmq.metrics_result'
			   AND expected = columns || ', default_partition_length bigint')
	THEN
		ALTER TYPE pgmq.metrics_result
			ADD ATTRIBUTE default_partition_length bigint;
		UPDATE pgmq_found SET columns = expected
		WHERE identity = 'pgmq.metrics_result';
	END IF;

	FOR o IN
		SELECT * FROM pgmq_found WHERE columns IS DISTINCT FROM expected
		ORDER BY class DESC, identity
	LOOP
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = format('cannot take over %s %s', o.type, o.identity),
			DETAIL = format('It should have the columns %s.', o.expected);
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
	PRIMARY KEY (queue_name)
);

COMMENT ON TABLE pgmq.meta IS 'one row for each queue';
COMMENT ON COLUMN pgmq.meta.queue_name IS 'name as given when the queue was created; its tables are named in lower case';
COMMENT ON TABLE pgmq.notify_insert_throttle IS 'queues that notify on insert, and how often at most';
COMMENT ON COLUMN pgmq.notify_insert_throttle.throttle_interval_ms IS 'least time between two notifications in milliseconds; 0 for no limit';
COMMENT ON TABLE pgmq.topic_bindings IS 'which routing keys go to which queues';
COMMENT ON COLUMN pgmq.topic_bindings.pattern IS '* stands for one segment of a routing key, # for any characters';
COMMENT ON TABLE pgmq.policy IS 'queues with a policy, and queues that are paused; change it by set_policy, pause and resume';
COMMENT ON COLUMN pgmq.policy.paused_until IS 'reads return nothing before';

SELECT pg_catalog.pg_extension_config_dump('pgmq.meta', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.notify_insert_throttle', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.topic_bindings', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq.policy', '');

--
-- Sending (send.c)
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
-- Reading (read.c, group.c)
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

CREATE OR REPLACE PROCEDURE pgmq.wait(queue_name text, max_poll_seconds integer)
AS 'MODULE_PATHNAME', 'pgmq_wait'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.wait(text, integer) IS
'Wait up to max_poll_seconds until a message can be read. Commits first and holds no snapshot and no lock while it waits, unless it is called inside a transaction block or a function.';

CREATE OR REPLACE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_pop'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.pop(text, integer) IS
'Read up to qty messages, oldest first, and delete them at once: at most once delivery.';

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
-- Acknowledging (ack.c)
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

--
-- Giving back, and sending elsewhere (nack.c, dead_letter.c)
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
-- Managing queues (manage.c, partition.c)
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

CREATE OR REPLACE FUNCTION pgmq.create_partitioned(queue_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', premake integer DEFAULT 4)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.create_partitioned(text, text, text, integer) IS
'Create a queue partitioned by pg_partman, unless it exists: by msg_id when partition_interval is an integer, else by time. Partitions older than retention_interval are dropped with the messages in them.';

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

CREATE OR REPLACE FUNCTION pgmq.convert_archive_partitioned(table_name text, partition_interval text DEFAULT '10000', retention_interval text DEFAULT '100000', leading_partition integer DEFAULT 10)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_convert_archive_partitioned'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_archive_partitioned(text, text, text, integer) IS
'Replace the archive of queue table_name by one partitioned by pg_partman. The old archive, with its messages, is kept as a_<name>_old.';

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
'Create the index that serves grouped reads for every queue.';

--
-- Who may do what with a queue (grant.c)
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
-- Policies (set_policy.c)
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

CREATE OR REPLACE PROCEDURE pgmq.maintain()
AS 'MODULE_PATHNAME', 'pgmq_maintain'
LANGUAGE C;
COMMENT ON PROCEDURE pgmq.maintain() IS
'Do what the policies of your queues want done when nobody reads: drop or dead-letter expired messages, delete what is too old in archives, forget ids that have left the window for duplicates. Commits as it goes, unless it is called inside a transaction block or a function.';

--
-- Looking into a queue (peek.c)
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

--
-- Metrics and diagnostics (metrics.c, locked.c)
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
'The state of every queue; one that cannot be examined is left out with a warning.';

CREATE OR REPLACE FUNCTION pgmq.engine_status()
RETURNS TABLE(queue_name text, due_map text, pieces bigint, bytes bigint, next_due timestamp with time zone, waiting integer, net_finds bigint)
AS 'MODULE_PATHNAME', 'pgmq_engine_status'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.engine_status() IS
'How each queue that you have any right to stands in shared memory: whether reads go by its due map (on) or why not, the pieces of the map and the bytes they take, when something can next be read (null: unknown if there are pieces, nothing is to come otherwise), how many sessions wait for it, and how often the net found what the map would have hidden, which should be never.';

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
-- Notifications (notify.c)
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

CREATE OR REPLACE FUNCTION pgmq.notify_queue_listeners()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_notify_queue_listeners'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.notify_queue_listeners() IS
'Trigger function of enable_notify_insert.';

--
-- Topics (topic.c)
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
-- Helpers
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

CREATE OR REPLACE FUNCTION pgmq.acquire_queue_lock(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_acquire_queue_lock'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.acquire_queue_lock(text) IS
'Hold off other sessions that create or drop this queue until the transaction ends. For who has any right to the queue, or may create one.';

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

CREATE OR REPLACE FUNCTION pgmq._announce()
RETURNS trigger
AS 'MODULE_PATHNAME', 'pgmq_announce'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._announce() IS
'Internal: trigger function of every queue table; tells the due map what can be read when.';

CREATE OR REPLACE FUNCTION pgmq._create_fifo_index_if_not_exists(queue_name text)
RETURNS void
AS 'MODULE_PATHNAME', 'pgmq_create_fifo_index'
LANGUAGE C;
COMMENT ON FUNCTION pgmq._create_fifo_index_if_not_exists(text) IS
'Internal: create_fifo_index.';

--
-- Moving in (adopt.c)
--

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
LANGUAGE sql
BEGIN ATOMIC
	SELECT m.queue_name FROM pgmq.meta m
	WHERE pgmq.convert_queue(m.queue_name)
	ORDER BY m.queue_name;
END;
COMMENT ON FUNCTION pgmq.convert_queues_all() IS
'As convert_queue, for all queues. Returns the names of those that were changed.';

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
 * Whoever was kept from calling a function is kept from its new forms too: a
 * new function gets owner and grants of the one that was there with the first
 * of its arguments.  Everything else that is new belongs to the extension's
 * owner, who need not be the superuser that this runs as.
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
			SELECT old.proacl AS acl, old.proowner AS owner
			FROM pg_proc new
			JOIN pg_proc old ON old.proname = new.proname
				AND new.proargtypes::text LIKE old.proargtypes::text || ' %'
			JOIN pgmq_found f ON f.class = d.classid AND f.oid = old.oid
			WHERE new.oid = d.objid AND d.classid = 'pg_proc'::regclass
			ORDER BY old.pronargs DESC LIMIT 1) s ON true
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
DO LANGUAGE plpgsql $release$
DECLARE
	self name := (SELECT name FROM pgmq_extension WHERE is_self);
	o record;
BEGIN
	FOR o IN
		SELECT f.type, f.identity, f.extension,
			f.oid IN (
				to_regprocedure('pgmq.create_partitioned(text, text, text)'),
				to_regprocedure('pgmq.enable_notify_insert(text)')) AS retired
		FROM pgmq_found f JOIN pg_proc p ON p.oid = f.oid
		WHERE f.class = 'pg_proc'::regclass AND p.ctid = f.version
	LOOP
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

/*
 * Queues that no longer stand in meta, because an extension was dropped and
 * left the messages where they were.  What users hung on meta would run with
 * the rights of this script, and be it while a query of meta is planned: then
 * the table is left alone.
 */
DO LANGUAGE plpgsql $adopt$
DECLARE
	o record;
BEGIN
	IF EXISTS (SELECT FROM pg_class c
			   WHERE c.oid = 'pgmq.meta'::regclass
			   AND (c.relhasrules OR c.relhassubclass
					OR EXISTS (SELECT FROM pg_trigger t
							   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
							   AND t.tgfoid IS DISTINCT FROM to_regprocedure('pgmq._guard_meta()'))
					OR EXISTS (SELECT FROM pg_constraint k
							   WHERE k.conrelid = c.oid AND k.contype = 'c')
					OR EXISTS (SELECT FROM pg_index i
							   WHERE i.indrelid = c.oid
							   AND (i.indexprs IS NOT NULL
									OR i.indpred IS NOT NULL))
					OR EXISTS (SELECT FROM pg_statistic_ext e
							   WHERE e.stxrelid = c.oid)))
	THEN
		RAISE WARNING 'queues that are not in table "pgmq.meta" are not looked for'
			USING DETAIL = 'The table has triggers, rules, checks, indexes, statistics or children that are not PGMQ''s.';
		RETURN;
	END IF;

	FOR o IN
		SELECT substr(q.relname::text, 3) AS name,
			q.relkind = 'p' AS is_partitioned,
			q.relpersistence = 'u' AS is_unlogged
		FROM pg_class q
		JOIN pg_class a ON a.relnamespace = q.relnamespace
			AND a.relname::text = 'a_' || substr(q.relname::text, 3)
		WHERE q.relnamespace = 'pgmq'::regnamespace
		AND q.relname ~ '^q_.' AND q.relname !~ '[$;'']|--'
		AND octet_length(q.relname::text) <= 2 + 47
		AND q.relname::text = lower(q.relname::text)
		AND q.relkind IN ('r', 'p') AND a.relkind IN ('r', 'p')
		AND NOT q.relispartition AND NOT a.relispartition
		AND NOT EXISTS (
			SELECT FROM (VALUES
				('msg_id', 'bigint'), ('read_ct', 'integer'),
				('enqueued_at', 'timestamp with time zone'),
				('last_read_at', 'timestamp with time zone'),
				('vt', 'timestamp with time zone'),
				('message', 'jsonb'), ('headers', 'jsonb'),
				('archived_at', 'timestamp with time zone')) e (name, type)
			CROSS JOIN (VALUES (q.oid, 'q'), (a.oid, 'a')) t (oid, kind)
			WHERE NOT (t.kind = 'q' AND e.name = 'archived_at')
			AND NOT EXISTS (
				SELECT FROM pg_attribute c
				WHERE c.attrelid = t.oid AND NOT c.attisdropped
				AND c.attname = e.name
				AND c.atttypid = e.type::regtype
				AND (t.kind || e.name <> 'qmsg_id'
					 OR c.attidentity <> '' OR c.atthasdef)))
		AND NOT EXISTS (
			SELECT FROM pgmq.meta m
			WHERE lower(m.queue_name) = substr(q.relname::text, 3))
		ORDER BY 1
	LOOP
		INSERT INTO pgmq.meta
			(queue_name, is_partitioned, is_unlogged, created_at)
		VALUES (o.name, o.is_partitioned, o.is_unlogged, now());
		RAISE NOTICE 'adopted queue "%"', o.name;
	END LOOP;
END
$adopt$;

DROP TABLE pgmq_initial;
DROP TABLE pgmq_found;
DROP TABLE pgmq_extension;
