/* pgmq_c--1.1.0--1.2.0.sql: what 1.2.0 adds */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION pgmq_c UPDATE" to load this file. \quit /* extension name */

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

/* The extension, and its members before this script. */
CREATE TEMPORARY TABLE pgmq_extension AS
SELECT oid, extname AS name, extowner AS owner, true AS is_self
FROM pg_extension
WHERE extname = 'pgmq_c'; /* extension name */

CREATE TEMPORARY TABLE pgmq_found AS
SELECT d.classid AS class, d.objid AS oid
FROM pg_depend d JOIN pgmq_extension e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';

--
-- Sending messages: src/api/send.c
--

CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, interval) IS
'Send a message that can be read after an interval. Returns its msg_id.';

CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, interval) IS
'Send a message with headers that can be read after an interval. Returns its msg_id.';

CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay character varying)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_any'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, character varying) IS
'Send a message; for a delay that is named and has no type. Returns its msg_id.';

CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send(text, jsonb, jsonb, text) IS
'Send a message with headers; what a delay without a type means is seen by its form: an integer, an interval, a point in time, or NULL for none. Returns its msg_id.';

CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], interval) IS
'Send several messages that can be read after an interval. Returns their msg_ids in the order of the array.';

CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay interval)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], interval) IS
'Send several messages, each with the headers at its place, that can be read after an interval. Returns their msg_ids in the order of the array.';

CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], text) IS
'Send several messages; what a third argument without a type means is seen by its form: an array of JSON is headers, an integer, an interval or a point in time a delay. Returns their msg_ids in the order of the array.';

CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_send_batch_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], text) IS
'Send several messages, each with the headers at its place; what a delay without a type means is seen by its form. Returns their msg_ids in the order of the array.';



--
-- Acknowledging messages: src/api/ack.c
--

CREATE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text) IS
'Delete one message, whose id has no type. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_delete_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.delete(text, text, text) IS
'Delete one message, by arguments without a type, unless it was read again since the read that returned read_ct. Returns whether it was deleted; no row for an empty array.';

CREATE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text) IS
'Move one message, whose id has no type, to the archive. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_archive_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.archive(text, text, text) IS
'Move one message, by arguments without a type, to the archive, unless it was read again since the read that returned read_ct. Returns whether it was moved; no row for an empty array.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, interval) IS
'Make a message readable after an interval. Returns the message.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], interval) IS
'Make several messages readable after an interval. Returns the messages.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, interval, integer) IS
'Make a message readable after an interval, unless it was read again since the read that returned read_ct. Returns the message, or no row.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], interval, integer[]) IS
'Make several messages readable after an interval, but none that was read again since the read that returned its read_ct. Returns the messages changed.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text) IS
'Make a message readable later; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the message.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text) IS
'Make several messages readable later; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the messages.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text, read_ct integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint, text, integer) IS
'Make a message readable later, unless it was read again since the read that returned read_ct; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the message, or no row.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text, read_cts integer[])
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_batch_fenced_untyped_vt'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, bigint[], text, integer[]) IS
'Make several messages readable later, but none that was read again since the read that returned its read_ct; what a vt without a type means is seen by its form: an integer, an interval or a point in time. Returns the messages changed.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt integer)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, integer) IS
'Make one message or several, whose ids have no type, readable from vt seconds from now on. Returns the messages.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text) IS
'Make one message or several readable later, by arguments without a type. Returns the messages.';

CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text, read_ct_or_cts text)
RETURNS SETOF pgmq.message_record
AS 'MODULE_PATHNAME', 'pgmq_set_vt_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.set_vt(text, text, text, text) IS
'Make one message or several readable later, by arguments without a type, but none that was read again since the read that returned its read_ct. Returns the messages changed.';


--
-- Giving messages back: src/api/nack.c
--

CREATE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer, error text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint, integer, integer, text) IS
'Give a message back and keep an error in its header x-pgmq-error, unless it was read again since the read that returned read_ct; a delay of NULL is left to the policy. False when it was, or is gone.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[], error text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_nack_batch_error'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, bigint[], integer, integer[], text) IS
'Give several messages back and keep an error in their header x-pgmq-error, but in none that was read again since the read that returned its read_ct. Returns the ids given back.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text) IS
'Give one message back, whose id has no type. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay integer)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped_ids'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, integer) IS
'Give one message back, whose id has no type, to be read again after delay seconds. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_delay_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text) IS
'Give one message back, by arguments without a type. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text) IS
'Give one message back, by arguments without a type, unless it was read again since the read that returned read_ct. Returns whether it was given back; no row for an empty array.';

CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text, error text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_nack_error_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.nack(text, text, text, text, text) IS
'Give one message back and keep an error in its header x-pgmq-error, by arguments without a type. Returns whether it was given back; no row for an empty array.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint) IS
'End the lease of a message as if it had not been read: it is readable at once, and read_ct is what it was. False when it is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer) IS
'End the lease of a message as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[]) IS
'End the leases of several messages as if they had not been read. Returns the ids of those that were in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_ids bigint[], read_cts integer[])
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_release_batch_fenced'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint[], integer[]) IS
'End the leases of several messages as if they had not been read, but of none that was read again since the read that returned its read_ct. Returns the ids released.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay integer, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, integer, integer) IS
'Put a message off for delay seconds as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay timestamp with time zone, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_at'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, timestamp with time zone, integer) IS
'Put a message off until a point in time as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay interval, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, interval, integer) IS
'Put a message off for an interval as if it had not been read, unless it was read again since the read that returned read_ct. False when it was, or is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay text, read_ct integer)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped_delay'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, bigint, text, integer) IS
'Put a message off as if it had not been read; what a delay without a type means is seen by its form: an integer, an interval or a point in time. False when it was read again, or is not in flight.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text) IS
'End the lease of one message, whose id has no type, as if it had not been read. Returns whether it was in flight; no row for an empty array.';

CREATE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_release_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.release(text, text, text) IS
'End the lease of one message, by arguments without a type, as if it had not been read. Returns whether it was in flight and not read again; no row for an empty array.';

--
-- Dead letters: src/api/dead_letter.c
--

CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text) IS
'Move one message, whose id has no type, to the dead-letter queue of its queue. Returns whether there was one; no row for an empty array.';

CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text, read_ct_or_cts text)
RETURNS SETOF boolean
AS 'MODULE_PATHNAME', 'pgmq_dead_letter_fenced_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.dead_letter(text, text, text, text) IS
'Move one message, by arguments without a type, to the dead-letter queue of its queue, unless it was read again since the read that returned read_ct. Returns whether it was moved; no row for an empty array.';









--
-- Sending archived messages again: src/api/unarchive.c
--

CREATE FUNCTION pgmq.unarchive(queue_name text, msg_id_or_ids text)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'pgmq_unarchive_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.unarchive(text, text) IS
'Send one archived message again or several, whose ids have no type. Returns the new ids of those there were.';



--
-- Topics: src/api/topic.c
--

CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], interval) IS
'Send several messages, readable after an interval, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay interval)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_interval'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], interval) IS
'Send several messages, each with the headers at its place, readable after an interval, to every queue bound to their routing key. Returns each queue and msg_id.';

CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], text) IS
'Send several messages to every queue bound to their routing key; what a third argument without a type means is seen by its form: an array of JSON is headers, an integer, an interval or a point in time a delay. Returns each queue and msg_id.';

CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay text)
RETURNS TABLE(queue_name text, msg_id bigint)
AS 'MODULE_PATHNAME', 'pgmq_send_batch_topic_headers_untyped'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], text) IS
'Send several messages, each with the headers at its place, to every queue bound to their routing key; what a delay without a type means is seen by its form. Returns each queue and msg_id.';


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
COMMENT ON COLUMN pgmq.policy.dead_letter_owner IS 'whose the dead-letter queue was when the policy named it; one of another owner gets no messages';

--
-- Adopting and converting queues: src/catalog/convert.c
--

CREATE OR REPLACE FUNCTION pgmq.convert_queues_all()
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pgmq_convert_queues_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queues_all() IS
'As convert_queue, for all queues; one that cannot be converted gives a warning. Returns the names of those that were changed.';

CREATE OR REPLACE FUNCTION pgmq.adopt_queue(queue_name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'pgmq_adopt_queue'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.adopt_queue(text) IS
'Make the tables q_<name> and a_<name>, which are there already, a queue, with the layout of a new one. Returns false when they are one already.';

--
-- Descriptions that differ from those of 1.1.0, in the order of the install script
--

COMMENT ON FUNCTION pgmq.metrics_all() IS
'The state of every queue that the caller may count; one that cannot be examined is left out with a warning.';
COMMENT ON FUNCTION pgmq.engine_status() IS
'How each queue that you have any right to stands in shared memory: whether reads go by its due map (on) or why not, the pieces of the map and the bytes they take, when something can next be read (null: unknown if there are pieces, nothing is to come otherwise), how many sessions wait for it, and how often the net found what the map would have hidden, which should be never.';
COMMENT ON FUNCTION pgmq.create_fifo_indexes_all() IS
'Create the index that serves grouped reads for every queue; one that cannot have it gives a warning.';

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
			SELECT old.proacl AS acl, old.proowner AS owner
			FROM pg_proc new
			JOIN pg_proc old ON old.pronamespace = new.pronamespace
				AND old.proname = new.proname
			JOIN pgmq_found f ON f.class = d.classid AND f.oid = old.oid
			WHERE new.oid = d.objid AND d.classid = 'pg_proc'::regclass
			ORDER BY new.proargtypes::text LIKE old.proargtypes::text || ' %' DESC,
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

DROP TABLE pgmq_found;
DROP TABLE pgmq_extension;
