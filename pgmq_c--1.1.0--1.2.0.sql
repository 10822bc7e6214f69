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

COMMENT ON FUNCTION pgmq.create_fifo_indexes_all() IS
'Create the index that serves grouped reads for every queue; one that cannot have it gives a warning.';

--
-- Policies (set_policy.c)
--

--
-- Looking into a queue (peek.c)
--

--
-- Metrics and diagnostics (metrics.c)
--

COMMENT ON FUNCTION pgmq.metrics_all() IS
'The state of every queue that the caller may count; one that cannot be examined is left out with a warning.';

--
-- Moving in (adopt.c)
--

CREATE OR REPLACE FUNCTION pgmq.convert_queues_all()
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pgmq_convert_queues_all'
LANGUAGE C;
COMMENT ON FUNCTION pgmq.convert_queues_all() IS
'As convert_queue, for all queues; one that cannot be converted gives a warning. Returns the names of those that were changed.';

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
