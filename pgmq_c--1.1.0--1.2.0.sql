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
-- Sending (send.c)
--

--
-- Reading (read.c, group.c)
--

--
-- Acknowledging (ack.c)
--

--
-- Giving back, and sending elsewhere (nack.c, dead_letter.c)
--

--
-- Managing queues (manage.c, partition.c)
--

--
-- Policies (set_policy.c)
--

--
-- Looking into a queue (peek.c)
--

--
-- Metrics and diagnostics (metrics.c, locked.c)
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
-- Moving in (adopt.c)
--

/*
 * A role that was kept from calling a function is kept from its new forms too:
 * a new function gets owner and grants of the one that was there with the first
 * of its arguments.  Everything else that is new belongs to the extension's
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

DROP TABLE pgmq_found;
DROP TABLE pgmq_extension;
