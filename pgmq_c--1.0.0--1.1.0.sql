/* pgmq_c--1.0.0--1.1.0.sql: what 1.1.0 adds */

-- complain if script is sourced in psql, rather than via CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION pgmq_c UPDATE" to load this file. \quit /* extension name */

/*
 * This runs after pgmq_c--1.0.0.sql in CREATE EXTENSION, and alone in ALTER
 * EXTENSION .. UPDATE.  Under the name pgmq it can run again over itself.
 */
SET LOCAL search_path TO pg_catalog, pg_temp;

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
