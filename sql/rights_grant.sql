-- rights_grant: grant_queue and revoke_queue, and what each privilege is good for
\set VERBOSITY terse
CREATE ROLE regress_pgmq_owner;
CREATE ROLE regress_pgmq_send;
CREATE ROLE regress_pgmq_read;
CREATE ROLE regress_pgmq_inspect;
CREATE ROLE regress_pgmq_manage;
CREATE ROLE regress_pgmq_none;
CREATE ROLE regress_pgmq_hand;
CREATE ROLE "regress pgmq ""Odd""";
SELECT pgmq.create('granted');
ALTER TABLE pgmq.q_granted OWNER TO regress_pgmq_owner;
ALTER TABLE pgmq.a_granted OWNER TO regress_pgmq_owner;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_owner WITH GRANT OPTION;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_none;

-- The privileges of a role on the queue's relations, in words.
CREATE FUNCTION pg_temp.acl(role name) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s %s%s%s', c.relname, g.privilege_type,
		' (' || string_agg(o.attname, ', ' ORDER BY o.attnum) || ')',
		CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
	FROM pg_class c
	CROSS JOIN LATERAL (SELECT c.relacl AS acl, NULL AS attname, 0 AS attnum
		UNION ALL SELECT attacl, attname, attnum FROM pg_attribute WHERE attrelid = c.oid) o
	CROSS JOIN aclexplode(o.acl) g
	WHERE c.relname ~ '^[qa]_granted' AND g.grantee = CASE role WHEN 'public' THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = role) END
	GROUP BY c.relname, g.privilege_type, o.attname IS NULL, g.is_grantable
	ORDER BY c.relname DESC, g.privilege_type, o.attname IS NULL DESC
$$;
CREATE FUNCTION pg_temp.same(a name, b name) RETURNS boolean LANGUAGE sql AS
	$$ SELECT array(SELECT pg_temp.acl(a)) = array(SELECT pg_temp.acl(b)) $$;

-- Each privilege is what the same GRANTs by hand are.
SET ROLE regress_pgmq_owner;
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'send');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_read', 'read');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_inspect', 'inspect');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_manage', 'manage');
RESET ROLE;
SELECT pg_temp.acl('regress_pgmq_send') AS send;
SELECT pg_temp.acl('regress_pgmq_read') AS read;
SELECT pg_temp.acl('regress_pgmq_inspect') AS inspect;
SELECT pg_temp.acl('regress_pgmq_manage') AS manage;

GRANT INSERT (vt, message, headers), SELECT (msg_id) ON pgmq.q_granted TO regress_pgmq_hand;
SELECT pg_temp.same('regress_pgmq_hand', 'regress_pgmq_send');
REVOKE ALL ON pgmq.q_granted FROM regress_pgmq_hand;
GRANT SELECT, DELETE, UPDATE (vt, read_ct, last_read_at) ON pgmq.q_granted TO regress_pgmq_hand;
GRANT INSERT, SELECT (msg_id) ON pgmq.a_granted TO regress_pgmq_hand;
SELECT pg_temp.same('regress_pgmq_hand', 'regress_pgmq_read');
REVOKE ALL ON pgmq.q_granted, pgmq.a_granted FROM regress_pgmq_hand;
GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, vt) ON pgmq.q_granted TO regress_pgmq_hand;
GRANT SELECT (msg_id, read_ct, enqueued_at, last_read_at, vt, archived_at) ON pgmq.a_granted TO regress_pgmq_hand;
GRANT SELECT ON SEQUENCE pgmq.q_granted_msg_id_seq TO regress_pgmq_hand;
SELECT pg_temp.same('regress_pgmq_hand', 'regress_pgmq_inspect');
REVOKE ALL ON pgmq.q_granted, pgmq.a_granted, pgmq.q_granted_msg_id_seq FROM regress_pgmq_hand;
GRANT SELECT, TRUNCATE ON pgmq.q_granted TO regress_pgmq_hand;
GRANT SELECT, DELETE, TRUNCATE ON pgmq.a_granted TO regress_pgmq_hand;
SELECT pg_temp.same('regress_pgmq_hand', 'regress_pgmq_manage');

-- A plain REVOKE undoes it; and revoke_queue what was granted by hand.
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_hand', 'manage');
SELECT pg_temp.acl('regress_pgmq_hand');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_hand', 'send', 'read', 'inspect', 'manage');
REVOKE ALL ON pgmq.q_granted, pgmq.a_granted, pgmq.q_granted_msg_id_seq FROM regress_pgmq_hand;
SELECT pg_temp.acl('regress_pgmq_hand');

-- Each role makes each call.  The calls are undone.
CREATE FUNCTION pg_temp.may(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT * FROM ' || call;
	RAISE SQLSTATE 'ZZZZZ';
EXCEPTION
	WHEN SQLSTATE 'ZZZZZ' THEN RETURN 'yes';
	WHEN insufficient_privilege THEN RETURN '-';
	WHEN OTHERS THEN RETURN SQLSTATE;
END
$$;
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
CREATE TEMP TABLE calls (n serial, call text);
INSERT INTO calls (call) VALUES
	($$pgmq.send('granted', '{}')$$), ($$pgmq.send_batch('granted', '{1,2}'::jsonb[])$$), ($$pgmq.send('granted', '{}', '{"h": 1}'::jsonb, 5)$$),
	($$pgmq.read('granted', 30, 1)$$), ($$pgmq.read('granted', 30, 0)$$), ($$pgmq.read('granted', 30, 1, '{"n": 1}')$$),
	($$pgmq.read_with_poll('granted', 30, 1, 0)$$), ($$pgmq.read_any('{granted}', 30, 1)$$), ($$pgmq.read_any_with_poll('{granted}', 30, 1, 0)$$),
	($$pgmq.read_grouped('granted', 30, 1)$$), ($$pgmq.read_grouped_rr('granted', 30, 1)$$), ($$pgmq.read_grouped_head('granted', 30, 1)$$),
	($$pgmq.pop('granted')$$), ($$pgmq.delete('granted', 1)$$), ($$pgmq.delete('granted', '{1}'::bigint[])$$), ($$pgmq.delete('granted', 1, 0)$$),
	($$pgmq.archive('granted', 1)$$), ($$pgmq.archive('granted', '{1}'::bigint[])$$), ($$pgmq.set_vt('granted', 1, 5)$$),
	($$pgmq.nack('granted', 1)$$), ($$pgmq.peek('granted', 'all', 5)$$), ($$pgmq.peek_archive('granted', 5)$$), ($$pgmq.unarchive('granted', 1)$$),
	($$pgmq.metrics('granted')$$), ($$pgmq.get_policy('granted')$$),
	($$pgmq.purge_queue('granted')$$), ($$pgmq.drop_queue('granted')$$), ($$pgmq.set_policy('granted', '{"ttl": 9}')$$),
	($$pgmq.pause('granted', 'infinity')$$), ($$pgmq.resume('granted')$$), ($$pgmq.create_fifo_index('granted')$$),
	($$pgmq.convert_queue('granted')$$), ($$pgmq.grant_queue('granted', 'regress_pgmq_none', 'send')$$),
	($$pgmq.revoke_queue('granted', 'regress_pgmq_none', 'inspect')$$),
	($$(SELECT msg_id FROM pgmq.q_granted) q$$), ($$(SELECT msg_id FROM pgmq.a_granted) a$$),
	($$(SELECT msg_id, vt, read_ct FROM pgmq.q_granted) q$$), ($$(SELECT headers FROM pgmq.q_granted) q$$),
	($$(SELECT msg_id, archived_at FROM pgmq.a_granted) a$$), ($$(SELECT message FROM pgmq.a_granted) a$$);
GRANT SELECT ON calls TO PUBLIC;
GRANT SELECT, DELETE ON pgmq.meta TO regress_pgmq_owner;	-- for drop_queue
CREATE TEMP TABLE answers (call text, role text, answer text);
GRANT INSERT ON answers TO PUBLIC;
SELECT count(*) FROM pgmq.send_batch('granted', '{1,2}'::jsonb[]);
SET client_min_messages = error;
DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY '{owner,send,read,inspect,manage,none}'::text[] LOOP
		EXECUTE format('SET LOCAL ROLE regress_pgmq_%s', role);
		INSERT INTO answers SELECT call, role, pg_temp.may(call) FROM calls ORDER BY n;
		RESET ROLE;
	END LOOP;
END
$$;
RESET client_min_messages;
SELECT replace(c.call, 'granted', '.') AS call, max(answer) FILTER (WHERE role = 'owner') AS owner, max(answer) FILTER (WHERE role = 'send') AS send,
	max(answer) FILTER (WHERE role = 'read') AS read, max(answer) FILTER (WHERE role = 'inspect') AS inspect,
	max(answer) FILTER (WHERE role = 'manage') AS manage, max(answer) FILTER (WHERE role = 'none') AS "none"
FROM answers a JOIN calls c USING (call) GROUP BY c.n, c.call ORDER BY c.n;

-- Revoking one privilege takes nothing that another needs: all pairs, and all four, less
-- each one.
DO $$
DECLARE
	all_of text[] := '{send,read,inspect,manage}';
	have text[];
	lost text;
	expected text[];
	got text[];
BEGIN
	FOR i IN 1 .. 15 LOOP
		have := array(SELECT p FROM unnest(all_of) WITH ORDINALITY AS u (p, n) WHERE i & (1 << (n - 1)::int) <> 0);
		CONTINUE WHEN cardinality(have) IN (1, 3);
		FOREACH lost IN ARRAY have LOOP
			PERFORM pgmq.revoke_queue('granted', 'regress_pgmq_hand', VARIADIC all_of);
			ASSERT NOT EXISTS (SELECT pg_temp.acl('regress_pgmq_hand')), 'nothing is left';
			PERFORM pgmq.grant_queue('granted', 'regress_pgmq_hand', VARIADIC array_remove(have, lost));
			expected := array(SELECT format('%s %s', relname, mode) FROM pg_class, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) mode
				WHERE relname ~ '^[qa]_granted$' AND has_table_privilege('regress_pgmq_hand', oid, mode)
				UNION ALL SELECT format('%s %s %s', attrelid::regclass, attname, mode) FROM pg_attribute, unnest('{SELECT,INSERT,UPDATE}'::text[]) mode
				WHERE attrelid IN ('pgmq.q_granted'::regclass, 'pgmq.a_granted'::regclass) AND attnum > 0
				AND has_column_privilege('regress_pgmq_hand', attrelid, attnum, mode) ORDER BY 1);
			PERFORM pgmq.revoke_queue('granted', 'regress_pgmq_hand', VARIADIC all_of);
			PERFORM pgmq.grant_queue('granted', 'regress_pgmq_hand', VARIADIC have);
			PERFORM pgmq.revoke_queue('granted', 'regress_pgmq_hand', lost);
			got := array(SELECT format('%s %s', relname, mode) FROM pg_class, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) mode
				WHERE relname ~ '^[qa]_granted$' AND has_table_privilege('regress_pgmq_hand', oid, mode)
				UNION ALL SELECT format('%s %s %s', attrelid::regclass, attname, mode) FROM pg_attribute, unnest('{SELECT,INSERT,UPDATE}'::text[]) mode
				WHERE attrelid IN ('pgmq.q_granted'::regclass, 'pgmq.a_granted'::regclass) AND attnum > 0
				AND has_column_privilege('regress_pgmq_hand', attrelid, attnum, mode) ORDER BY 1);
			ASSERT got = expected, format('%s less %s: %s, not %s', have, lost, got, expected);
		END LOOP;
	END LOOP;
END
$$;

-- SELECT that was granted on its own is not revoked with send.
REVOKE ALL ON pgmq.q_granted, pgmq.a_granted, pgmq.q_granted_msg_id_seq FROM regress_pgmq_hand;
GRANT SELECT ON pgmq.q_granted TO regress_pgmq_hand;
SELECT pgmq.grant_queue('granted', 'regress_pgmq_hand', 'send'), pgmq.revoke_queue('granted', 'regress_pgmq_hand', 'send');
SELECT pg_temp.acl('regress_pgmq_hand');
REVOKE ALL ON pgmq.q_granted FROM regress_pgmq_hand;

-- Everybody, and names that need quotes.
SELECT pgmq.grant_queue('granted', 'public', 'inspect');
SELECT pg_temp.acl('public');
SET ROLE regress_pgmq_none;
SELECT queue_length FROM pgmq.metrics('granted');
RESET ROLE;
SELECT pgmq.revoke_queue('granted', 'public', 'inspect');
SELECT pg_temp.acl('public');
SELECT has_schema_privilege('public', 'pgmq', 'USAGE') AS granted_with_it;
REVOKE USAGE ON SCHEMA pgmq FROM PUBLIC;
SELECT pgmq.grant_queue('GRANTED', 'regress pgmq "Odd"', 'send');
SELECT pg_temp.acl('regress pgmq "Odd"');
SELECT pgmq.grant_queue(queue_name => 'granted', role => 'regress pgmq "Odd"', VARIADIC privileges => '{inspect,send,send}');

-- Errors.
\set VERBOSITY default
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'send', 'drop');
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_send', VARIADIC '{}');
\set VERBOSITY terse
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'SEND');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'send', NULL);
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', VARIADIC NULL);
SELECT pgmq.grant_queue('granted', NULL, 'send');
SELECT pgmq.grant_queue(NULL, 'regress_pgmq_send', 'send');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_nobody', 'send');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send; DROP TABLE pgmq.meta', 'send');
SELECT pgmq.grant_queue('granted', repeat('x', 100), 'send');
SELECT pgmq.grant_queue('granted', '', 'send');
SELECT pgmq.grant_queue('granted_not', 'regress_pgmq_send', 'send');
BEGIN READ ONLY;
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'send');
ROLLBACK;

-- Only who may GRANT: the owner, and with the grant option.  Having the
-- privilege is not enough; GRANT by hand would only warn.
SET ROLE regress_pgmq_send;
SELECT pgmq.grant_queue('granted', 'regress_pgmq_none', 'send');
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_read', 'read');
RESET ROLE;
SELECT pg_temp.acl('regress_pgmq_none');
GRANT INSERT (vt, message, headers), SELECT (msg_id) ON pgmq.q_granted TO regress_pgmq_send WITH GRANT OPTION;
SET ROLE regress_pgmq_send;
SELECT pgmq.grant_queue('granted', 'regress_pgmq_none', 'send');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_none', 'read');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_hand', 'send');
RESET ROLE;
SELECT pg_temp.acl('regress_pgmq_none');
-- grants by a role with the grant option depend on it, and only that role
-- revokes them
SET ROLE regress_pgmq_owner;
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_none', 'send');
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_send', 'send');
RESET ROLE;
SET ROLE regress_pgmq_send;
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_none', 'send');
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_hand', 'send');
RESET ROLE;
SET ROLE regress_pgmq_owner;
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_send', 'send');
RESET ROLE;
SELECT pg_temp.acl('regress_pgmq_send');
-- a role that cannot grant USAGE gets an error, and nothing is granted by half
REVOKE USAGE ON SCHEMA pgmq FROM regress_pgmq_owner CASCADE;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_owner;
CREATE ROLE regress_pgmq_late;
SET ROLE regress_pgmq_owner;
\set VERBOSITY default
SELECT pgmq.grant_queue('granted', 'regress_pgmq_late', 'send');
\set VERBOSITY terse
RESET ROLE;
SELECT pg_temp.acl('regress_pgmq_late');

-- The privileges hold for tables that the queue gets later: those of
-- duplicates, a dead-letter queue (which needs a send of its own), a new
-- archive, a converted one.
SELECT pgmq.grant_queue('granted', 'regress_pgmq_send', 'send'), pgmq.grant_queue('granted', 'regress_pgmq_read', 'read');
SELECT pgmq.set_policy('granted', '{"dedup_window": 60, "max_reads": 1, "dead_letter_queue": "granted_dead", "create_dead_letter_queue": true}');
SELECT pgmq.purge_queue('granted');
SET ROLE regress_pgmq_send;
SELECT count(DISTINCT s) FROM (SELECT pgmq.send('granted', '1', '{"x-pgmq-dedup-id": "one"}'::jsonb) FROM generate_series(1, 2)) x (s);
SELECT has_table_privilege('pgmq.d0_granted', 'SELECT, INSERT, DELETE') AS touches_duplicates;
SET ROLE regress_pgmq_read;
SELECT count(*) FROM pgmq.read('granted', 0, 1);
SELECT count(*) FROM pgmq.read('granted', 0, 1);
SELECT pgmq.dead_letter('granted', max(msg_id), 'no') FROM pgmq.q_granted;
RESET ROLE;
SELECT pgmq.grant_queue('granted_dead', 'regress_pgmq_read', 'send');
SET ROLE regress_pgmq_read;
SELECT count(*) FROM pgmq.read('granted', 0, 1);
SELECT count(*) FROM pgmq.q_granted;
SELECT count(*) FROM pgmq.q_granted_dead;
RESET ROLE;
SELECT count(*) FROM pgmq.q_granted_dead;
CREATE TEMP TABLE before AS SELECT r, array(SELECT pg_temp.acl(r)) AS acl FROM unnest('{regress_pgmq_send,regress_pgmq_read,regress_pgmq_inspect,regress_pgmq_manage}'::name[]) r;
ALTER TABLE pgmq.q_granted RESET (fillfactor);
SELECT pgmq.convert_queue('granted');
SELECT r FROM before WHERE acl <> array(SELECT pg_temp.acl(r));
DROP TABLE pgmq.a_granted;
SELECT pgmq.revoke_queue('granted', 'regress_pgmq_read', 'read');
SELECT pgmq.grant_queue('granted', 'regress_pgmq_read', 'read');
SELECT pg_temp.acl('regress_pgmq_read');

-- A partitioned queue's partitions are reached through it.
CREATE TABLE pgmq.q_granted_p (LIKE pgmq.q_granted INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_granted_p_1 PARTITION OF pgmq.q_granted_p FOR VALUES FROM (0) TO (3);
CREATE TABLE pgmq.q_granted_p_2 PARTITION OF pgmq.q_granted_p DEFAULT;
CREATE TABLE pgmq.a_granted_p (LIKE pgmq.a_granted_dead INCLUDING ALL);
SELECT pgmq.create('granted_p');
SELECT pgmq.grant_queue('granted_p', 'regress_pgmq_send', 'send');
SELECT pgmq.grant_queue('granted_p', 'regress_pgmq_read', 'read', 'manage', 'inspect');
SET ROLE regress_pgmq_send;
SELECT count(*) FROM pgmq.send_batch('granted_p', '{1,2,3,4}'::jsonb[]);
SET ROLE regress_pgmq_read;
SELECT count(*) FROM pgmq.read('granted_p', 30, 10);
SELECT pgmq.archive('granted_p', 1), pgmq.delete('granted_p', 4);
SELECT queue_length, total_messages FROM pgmq.metrics('granted_p');
SELECT count(*) FROM pgmq.q_granted_p_1;
SELECT pgmq.purge_queue('granted_p');
RESET ROLE;
SELECT relname FROM pg_class WHERE relname ~ '^q_granted_p_.$' AND relacl IS NOT NULL;

SET client_min_messages = warning;
SELECT pgmq.drop_queue(q) FROM unnest('{granted,granted_dead,granted_p}'::text[]) q;
DO $$ BEGIN EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM PUBLIC', (SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema())); END $$;
DROP OWNED BY regress_pgmq_owner, regress_pgmq_send, regress_pgmq_read, regress_pgmq_inspect, regress_pgmq_manage, regress_pgmq_none, regress_pgmq_hand, regress_pgmq_late, "regress pgmq ""Odd""";
DROP ROLE regress_pgmq_owner, regress_pgmq_send, regress_pgmq_read, regress_pgmq_inspect, regress_pgmq_manage, regress_pgmq_none, regress_pgmq_hand, regress_pgmq_late, "regress pgmq ""Odd""";
