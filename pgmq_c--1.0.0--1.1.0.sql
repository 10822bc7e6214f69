/* pgmq_c--1.0.0--1.1.0.sql: what 1.1.0 adds */

-- complain if script is sourced in psql, rather than via CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION pgmq_c UPDATE" to load this file. \quit /* extension name */

/*
 * This runs after pgmq_c--1.0.0.sql in CREATE EXTENSION, and alone in ALTER
 * EXTENSION .. UPDATE.  Under the name pgmq it can run again over itself.
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
	AS 'MODULE_PATHNAME', 'pgmq_grant_queue'
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

COMMENT ON FUNCTION pgmq.get_policy(text) IS
'The policy of a queue; an empty object when it has none. For who has any right to the queue.';
COMMENT ON FUNCTION pgmq.acquire_queue_lock(text) IS
'Hold off other sessions that create or drop this queue until the transaction ends. For who has any right to the queue, or may create one.';
COMMENT ON FUNCTION pgmq.engine_status() IS
'How each queue that you have any right to stands in shared memory: whether reads go by its due map (on) or why not, the pieces of the map and the bytes they take, when something can next be read (-infinity: unknown), how many sessions wait for it, and how often the net found what the map would have hidden, which should be never.';

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

/* What is new belongs to the extension's owner, not to who runs this. */
DO LANGUAGE plpgsql $own$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT p.oid::regprocedure AS name, e.extowner::regrole AS owner
		FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass
			AND d.refobjid = e.oid AND d.deptype = 'e'
			AND d.classid = 'pg_proc'::regclass
		JOIN pg_proc p ON p.oid = d.objid
		WHERE e.extname = 'pgmq_c' /* extension name */
		AND p.proname IN ('grant_queue', 'revoke_queue', '_guard_meta')
		AND p.proowner <> e.extowner
	LOOP
		EXECUTE format('ALTER FUNCTION %s OWNER TO %s', o.name, o.owner);
	END LOOP;
END
$own$;
