-- rights_creator: what a role that creates queues can do, and what it cannot, with the rights that
-- docs/how-to/privileges.md proposes
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE ROLE regress_pgmq_creator;
CREATE ROLE regress_pgmq_rival;
GRANT USAGE, CREATE ON SCHEMA pgmq TO regress_pgmq_creator, regress_pgmq_rival;
GRANT SELECT, INSERT, DELETE ON pgmq.meta TO regress_pgmq_creator, regress_pgmq_rival;
CREATE SCHEMA regress_pgmq_creator AUTHORIZATION regress_pgmq_creator;
GRANT USAGE ON SCHEMA regress_pgmq_creator TO PUBLIC;
SET ROLE regress_pgmq_creator;
-- The creator's code says by whose rights it ran; the planner runs immutable
-- functions.
CREATE FUNCTION regress_pgmq_creator.spy() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_pgmq_creator' THEN
		RAISE WARNING 'RAN AS %', replace(current_user, session_user, 'SUPERUSER');
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION regress_pgmq_creator.spy_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM regress_pgmq_creator.spy();
	RETURN coalesce(NEW, OLD);
END $$;
CREATE DOMAIN regress_pgmq_creator.id AS bigint CHECK (regress_pgmq_creator.spy());
CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(concat_ws(' ', SQLSTATE, SQLERRM, '-', detail), 'd[0-2]_', 'dN_', 'g');
END $$;
SELECT pgmq.create('creator');

-- The names of the tables for deduplication ids: each kind of plant, in each
-- of the three places, and in all.  All are refused before rights are taken over.
CREATE TABLE pg_temp.plants (n int, made text, then_made text);
INSERT INTO pg_temp.plants VALUES
	(1, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL CHECK (regress_pgmq_creator.spy()))', NULL),
	(2, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL, more boolean DEFAULT regress_pgmq_creator.spy())', NULL),
	(3, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL DEFAULT CASE WHEN regress_pgmq_creator.spy() THEN now() END)', NULL),
	(4, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL, more boolean GENERATED ALWAYS AS (regress_pgmq_creator.spy()) STORED)', NULL),
	(5, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id regress_pgmq_creator.id NOT NULL, sent_at timestamptz NOT NULL)', NULL),
	(6, 'CREATE VIEW %s AS SELECT ''a''::text COLLATE "C" AS dedup_id, 1::bigint AS msg_id, now() AS sent_at WHERE regress_pgmq_creator.spy()', NULL),
	(7, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL) PARTITION BY LIST (dedup_id)', NULL),
	(8, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE INDEX ON %s ((regress_pgmq_creator.spy()))'),
	(9, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE INDEX ON %s (dedup_id) WHERE regress_pgmq_creator.spy()'),
	(10, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE STATISTICS regress_pgmq_creator.s ON (regress_pgmq_creator.spy()), msg_id FROM %s'),
	(11, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE TRIGGER t BEFORE INSERT OR TRUNCATE ON %s EXECUTE FUNCTION regress_pgmq_creator.spy_trigger()'),
	(12, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE CONSTRAINT TRIGGER t AFTER INSERT ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_pgmq_creator.spy_trigger()'),
	(13, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE RULE r AS ON INSERT TO %s DO ALSO SELECT regress_pgmq_creator.spy()'),
	(14, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON %1$s USING (regress_pgmq_creator.spy())'),
	(15, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE TABLE regress_pgmq_creator.child (CHECK (regress_pgmq_creator.spy())) INHERITS (%s)'),
	(17, 'CREATE TABLE %s (dedup_id text COLLATE "C", msg_id bigint PRIMARY KEY, sent_at timestamptz NOT NULL)', NULL),
	(18, 'CREATE TABLE %s (dedup_id text COLLATE "C", msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', NULL),
	(19, 'CREATE TABLE %s (PRIMARY KEY (dedup_id)) INHERITS (regress_pgmq_creator.parent)', NULL),
	(20, 'CREATE TABLE %1$s PARTITION OF regress_pgmq_creator.parted (PRIMARY KEY (dedup_id)) FOR VALUES IN (''%1$s'')', NULL),
	(21, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint GENERATED BY DEFAULT AS IDENTITY, sent_at timestamptz NOT NULL)', NULL),
	(22, 'CREATE TABLE %s (dedup_id text COLLATE "POSIX" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', NULL),
	(16, 'CREATE TABLE %s (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', 'CREATE TABLE regress_pgmq_creator.refers (id text REFERENCES %s ON DELETE CASCADE)');
CREATE TABLE regress_pgmq_creator.parent (dedup_id text COLLATE "C", msg_id bigint NOT NULL, sent_at timestamptz NOT NULL);
CREATE TABLE regress_pgmq_creator.parted (LIKE regress_pgmq_creator.parent) PARTITION BY LIST (dedup_id);
CREATE FUNCTION pg_temp.plant(n int, places int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p record;
	place int;
BEGIN
	SELECT * FROM pg_temp.plants WHERE plants.n = plant.n INTO p;
	FOREACH place IN ARRAY places LOOP
		EXECUTE format(p.made, format('pgmq.d%s_creator', place));
		IF p.then_made IS NOT NULL AND (place = places[1] OR n NOT IN (10, 15, 16)) THEN
			EXECUTE format(p.then_made, format('pgmq.d%s_creator', place));
		END IF;
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.uproot() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT relname, relkind FROM pg_class WHERE relname ~ '^d[0-2]_creator$' AND pg_get_userbyid(relowner) = 'regress_pgmq_creator' LOOP
		EXECUTE format('DROP %s pgmq.%I CASCADE', CASE r.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, r.relname);
	END LOOP;
	DROP TABLE IF EXISTS regress_pgmq_creator.child, regress_pgmq_creator.refers;
END $$;
SET client_min_messages = warning;
CREATE TABLE pg_temp.answers (n int, places text, answer text);
DO $$
DECLARE
	n int;
	places int[];
BEGIN
	FOR n IN SELECT p.n FROM pg_temp.plants p ORDER BY 1 LOOP
		FOREACH places SLICE 1 IN ARRAY ARRAY[[0,0,0], [1,1,1], [2,2,2], [0,1,2]] LOOP
			SELECT array_agg(DISTINCT x ORDER BY x) FROM unnest(places) x INTO places;
			PERFORM pg_temp.plant(n, places);
			INSERT INTO pg_temp.answers VALUES (n, places::text, pg_temp.try($c$SELECT pgmq.set_policy('creator', '{"dedup_window": 60}')$c$));
			PERFORM pg_temp.uproot();
		END LOOP;
	END LOOP;
END $$;
SELECT n, count(DISTINCT places) AS places, answer FROM pg_temp.answers GROUP BY n, answer ORDER BY 1, 2;
SELECT pgmq.get_policy('creator'), count(*) FROM pg_class WHERE relname ~ '^d[0-2]_creator';

-- Nor are they used when the policy is there already, whatever role sends.
CREATE FUNCTION pg_temp.bare(places int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR place IN 0..2 LOOP
		IF place = ANY (places) THEN
			EXECUTE format('CREATE TABLE pgmq.d%s_creator (dedup_id text COLLATE "C" PRIMARY KEY, msg_id bigint NOT NULL, sent_at timestamptz NOT NULL)', place);
		END IF;
	END LOOP;
END $$;
SELECT pg_temp.bare('{0,1,2}');
SELECT pgmq.set_policy('creator', '{"dedup_window": 60}');
SELECT pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb), pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
RESET ROLE;
SELECT pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb), pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb);
SET ROLE regress_pgmq_creator;
SELECT pg_temp.uproot();
TRUNCATE pg_temp.answers;
GRANT SELECT, INSERT ON pg_temp.answers TO PUBLIC;
DO $$
DECLARE
	n int;
	places int[];
	call text;
BEGIN
	FOR n IN SELECT p.n FROM pg_temp.plants p ORDER BY 1 LOOP
		FOREACH places SLICE 1 IN ARRAY ARRAY[[0,0,0], [1,1,1], [2,2,2], [0,1,2]] LOOP
			SELECT array_agg(DISTINCT x ORDER BY x) FROM unnest(places) x INTO places;
			PERFORM pg_temp.plant(n, places);
			PERFORM pg_temp.bare((SELECT array_agg(x) FROM unnest('{0,1,2}'::int[]) x WHERE x <> ALL (places)));
			RESET ROLE;
			FOREACH call IN ARRAY ARRAY[$c$SELECT pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "c"}'::jsonb)$c$,
				$c$SELECT pgmq.send_batch('creator', '{1,2}'::jsonb[], '{"{\"x-pgmq-dedup-id\": \"c\"}","{\"x-pgmq-dedup-id\": \"d\"}"}'::jsonb[])$c$,
				$c$SELECT pgmq.set_policy('creator', '{"dedup_window": 30}')$c$] LOOP
				INSERT INTO pg_temp.answers VALUES (n, places::text, pg_temp.try(call));
			END LOOP;
			SET LOCAL ROLE regress_pgmq_creator;
			PERFORM pg_temp.uproot();
		END LOOP;
	END LOOP;
END $$;
SELECT n, count(DISTINCT places) AS places, count(*), left(answer, 5) FROM pg_temp.answers GROUP BY 1, 4 ORDER BY 1;

-- Tables of two owners are not used together.
SELECT pg_temp.uproot();
SELECT pgmq.set_policy('creator', '{}');
RESET ROLE;
SELECT relname, relowner = pg_get_userbyid(10)::regrole AS ours FROM pg_class WHERE relname ~ '^d[0-2]_creator$' ORDER BY 1;
DROP TABLE pgmq.d1_creator;
SET ROLE regress_pgmq_creator;
SELECT pg_temp.bare('{1}');
SELECT pg_temp.try($$SELECT pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "c"}'::jsonb)$$);
SELECT pg_temp.try($$SELECT pgmq.set_policy('creator', '{}')$$);
SELECT pgmq.set_policy('creator', '{"dedup_window": null}');
SELECT count(*) FROM pg_class WHERE relname ~ '^d[0-2]_creator';

-- The creator decides neither where nor how they are stored.
RESET ROLE;
CREATE ACCESS METHOD regress_pgmq_heap TYPE TABLE HANDLER heap_tableam_handler;
SET ROLE regress_pgmq_creator;
SET default_tablespace = 'pg_global';
SET default_table_access_method = regress_pgmq_heap;
SELECT pgmq.set_policy('creator', '{"dedup_window": 60}');
RESET default_tablespace;
RESET default_table_access_method;
SELECT DISTINCT amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE relname ~ '^d[0-2]_creator$';
RESET ROLE;
DROP ACCESS METHOD regress_pgmq_heap;
SET ROLE regress_pgmq_creator;

-- Nor does a trigger on the creator's queue get there between a look and a
-- write: not even with TRIGGER granted.
RESET ROLE;
GRANT ALL ON pgmq.d0_creator, pgmq.d1_creator, pgmq.d2_creator TO regress_pgmq_creator;
SET ROLE regress_pgmq_creator;
CREATE FUNCTION regress_pgmq_creator.between() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	FOR place IN 0..2 LOOP
		EXECUTE format('CREATE TRIGGER t BEFORE INSERT ON pgmq.d%s_creator FOR EACH ROW EXECUTE FUNCTION regress_pgmq_creator.spy_trigger()', place);
	END LOOP;
	RETURN NEW;
END $$;
CREATE TRIGGER between BEFORE INSERT ON pgmq.q_creator FOR EACH ROW EXECUTE FUNCTION regress_pgmq_creator.between();
SELECT pg_temp.try($$SELECT pgmq.send('creator', '1', '{"x-pgmq-dedup-id": "z"}'::jsonb)$$);
DROP TRIGGER between ON pgmq.q_creator;

-- A table that has such a name by chance is not dropped by the rights of its owner.
RESET ROLE;
CREATE TABLE pgmq.d0_chance (precious text);
INSERT INTO pgmq.d0_chance VALUES ('still there');
SET ROLE regress_pgmq_creator;
SELECT pgmq.create('chance');
SELECT pg_temp.try($$SELECT pgmq.set_policy('chance', '{"dedup_window": 60}')$$);
SELECT pgmq.drop_queue('chance');
RESET ROLE;
TABLE pgmq.d0_chance;
DROP TABLE pgmq.d0_chance;

-- A queue that is created has nothing of one that was there before: neither
-- when the row of meta went, nor when only the tables did.
SET ROLE regress_pgmq_rival;
SELECT pgmq.create('Heirloom');
SELECT pgmq.set_policy('heirloom', '{"dedup_window": 3600, "ttl": 1}');
SELECT pgmq.pause('heirloom', 'infinity');
SELECT pgmq.send('heirloom', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb) FROM generate_series(1, 1);
RESET ROLE;
DELETE FROM pgmq.meta WHERE queue_name = 'Heirloom';
DROP TABLE pgmq.q_heirloom, pgmq.a_heirloom;
SET ROLE regress_pgmq_creator;
SELECT pgmq.create('heirloom');
SELECT pgmq.get_policy('heirloom'), (SELECT count(*) FROM pg_class WHERE relname ~ '^d[0-2]_heirloom$');
SELECT pgmq.set_policy('heirloom', '{"dedup_window": 3600}');
SELECT pgmq.send('heirloom', '"new"', '{"x-pgmq-dedup-id": "a"}'::jsonb);
SELECT message FROM pgmq.read('heirloom', 0, 9);
SELECT pgmq.drop_queue('heirloom');
SET ROLE regress_pgmq_rival;
SELECT pgmq.create_unlogged('Heirloom');
SELECT pgmq.set_policy('heirloom', '{"dedup_window": 3600, "ttl": 1}');
RESET ROLE;
SELECT pgmq.bind_topic('creator.heir', 'heirloom'), pgmq.enable_notify_insert('heirloom', 5);
DROP TABLE pgmq.q_heirloom, pgmq.a_heirloom;
SET ROLE regress_pgmq_creator;
SELECT pgmq.create('heirloom');
SELECT pgmq.get_policy('heirloom'), (SELECT count(*) FROM pg_class WHERE relname ~ '^d[0-2]_heirloom$');
RESET ROLE;
SELECT queue_name, is_unlogged FROM pgmq.meta WHERE queue_name ILIKE 'heirloom';
SELECT count(*) FROM pgmq.topic_bindings WHERE queue_name ILIKE 'heirloom';
SELECT count(*) FROM pgmq.notify_insert_throttle WHERE queue_name ILIKE 'heirloom';

-- Tables that were there before they became a queue: no policy of another one of that name either.
DROP TABLE pgmq.q_heirloom, pgmq.a_heirloom;
DELETE FROM pgmq.meta WHERE queue_name = 'heirloom';
INSERT INTO pgmq.policy VALUES ('Heirloom', '{"ttl": 1}');
SET ROLE regress_pgmq_creator;
CREATE TABLE pgmq.q_heirloom (LIKE pgmq.q_creator INCLUDING ALL);
CREATE TABLE pgmq.a_heirloom (LIKE pgmq.a_creator INCLUDING ALL);
SELECT pgmq.get_policy('heirloom');
RESET client_min_messages;
SELECT pgmq.create('heirloom');
SET client_min_messages = warning;
SELECT pgmq.get_policy('heirloom');

-- The creator's rows in meta: another spelling of a name takes nothing from a
-- policy.
SET ROLE regress_pgmq_rival;
SELECT pgmq.create('pay');
SELECT pgmq.set_policy('pay', '{"ttl": 1000, "archive_retention": 1000}');
SET ROLE regress_pgmq_creator;
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES ('PAY', false, false), ('Pay', false, false);
SET ROLE regress_pgmq_rival;
SELECT pgmq.set_policy('pay', '{"backoff": "linear"}');
SELECT pgmq.get_policy('pay'), pgmq.get_policy('PAY');
SELECT pgmq.set_policy('PAY', '{"ttl": null}');
SELECT pgmq.pause('Pay', 'infinity');
RESET ROLE;
SELECT queue_name, policy, paused_until FROM pgmq.policy WHERE queue_name ILIKE 'pay';
-- Rows that an earlier version made are put right: the one that says most counts.
INSERT INTO pgmq.policy VALUES ('Pay', '{"backoff": "linear"}'), ('PAY', '{}');
SELECT pgmq.get_policy('pay');
SET ROLE regress_pgmq_rival;
SELECT pgmq.resume('pay'), pgmq.set_policy('pay', '{"ttl": 5}');
RESET ROLE;
SELECT queue_name, policy, paused_until FROM pgmq.policy WHERE queue_name ILIKE 'pay';
-- The creator cannot take out the row of another role's queue, whatever its
-- spelling.
SET ROLE regress_pgmq_creator;
SELECT pg_temp.try($$DELETE FROM pgmq.meta WHERE queue_name = 'PAY'$$);
SELECT pg_temp.try($$DELETE FROM pgmq.meta WHERE queue_name = 'pay'$$);

-- Objects of another role remain that role's.
SELECT c, pg_temp.try(c) FROM unnest(ARRAY[
	$$SELECT pgmq.send('pay', '1')$$, $$SELECT pgmq.read('pay', 1, 1)$$, $$SELECT pgmq.purge_queue('pay')$$, $$SELECT pgmq.drop_queue('pay')$$,
	$$SELECT pgmq.set_policy('pay', '{}')$$, $$SELECT pgmq.pause('pay', 'infinity')$$, $$SELECT pgmq.grant_queue('pay', 'regress_pgmq_creator', 'read')$$,
	$$SELECT pgmq.bind_topic('creator.*', 'creator')$$, $$SELECT pgmq.enable_notify_insert('pay')$$, $$SELECT pgmq.create_fifo_index('pay')$$,
	$$SELECT * FROM pgmq.policy$$, $$INSERT INTO pgmq.policy VALUES ('creator', '{}')$$, $$UPDATE pgmq.meta SET is_unlogged = true$$,
	$$CREATE TRIGGER t BEFORE INSERT ON pgmq.meta FOR EACH ROW EXECUTE FUNCTION regress_pgmq_creator.spy_trigger()$$,
	$$CREATE TABLE regress_pgmq_creator.refers (q varchar REFERENCES pgmq.meta (queue_name) ON DELETE CASCADE)$$,
	$$CREATE TABLE regress_pgmq_creator.refers (q text REFERENCES pgmq.policy ON DELETE CASCADE)$$,
	$$CREATE OR REPLACE FUNCTION pgmq.create(queue_name text) RETURNS void LANGUAGE sql AS 'SELECT'$$,
	$$DROP FUNCTION pgmq.send(text, jsonb)$$, $$DROP TABLE pgmq.q_pay$$, $$ALTER TABLE pgmq.policy RENAME TO away$$,
	$$ALTER SCHEMA pgmq RENAME TO mine$$]) AS c;

-- The creator can take a free name, and so be in the way of others.
CREATE TABLE pgmq.q_squatted ();
CREATE TABLE pgmq.d2_pay (dedup_id text);
SET ROLE regress_pgmq_rival;
SELECT pg_temp.try($$SELECT pgmq.create('squatted')$$);
SELECT pg_temp.try($$SELECT pgmq.set_policy('pay', '{"dedup_window": 60}')$$);
SELECT pgmq.get_policy('pay');

RESET ROLE;
SELECT count(*) FROM pgmq.drop_queue('creator') UNION ALL SELECT count(*) FROM pgmq.drop_queue('heirloom') UNION ALL SELECT count(*) FROM pgmq.drop_queue('pay');
SELECT count(*) FROM pgmq.meta WHERE queue_name ILIKE 'pay';
DROP OWNED BY regress_pgmq_creator, regress_pgmq_rival CASCADE;
DROP ROLE regress_pgmq_creator, regress_pgmq_rival;
