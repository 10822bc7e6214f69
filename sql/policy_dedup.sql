-- policy_dedup: a second send within the window stores nothing, and returns the first id
CREATE FUNCTION dedup_id(id text) RETURNS jsonb LANGUAGE sql
AS $$ SELECT jsonb_build_object('x-pgmq-dedup-id', id) $$;
CREATE FUNCTION refused(queue text, headers jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM pgmq.send(queue, '0', headers);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
CREATE VIEW dedup_tables AS
SELECT relname, relpersistence, pg_get_userbyid(relowner) = current_user AS mine
FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relkind = 'r' AND relname ~ '^d[0-9]_'
ORDER BY relname COLLATE "C";
SELECT pgmq.create('Dedup_Q');

-- Without a policy the header means nothing, whatever it is.
SELECT pgmq.send('dedup_q', '1', dedup_id('a')), pgmq.send('dedup_q', '2', '{"x-pgmq-dedup-id": 5, "x-pgmq-ttl": "x"}');
SELECT * FROM dedup_tables;

-- With one it does from then on.
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 300}');
SELECT * FROM dedup_tables;
SELECT DISTINCT reloptions FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relname ~ '^d[0-9]_' AND relkind = 'r';
SELECT pgmq.send('dedup_q', '3', dedup_id('a'));
SELECT pgmq.send('dedup_q', '4', dedup_id('a'));
SELECT pgmq.send('dedup_q', '4', dedup_id('b'), 60), pgmq.send('DEDUP_Q', '5', dedup_id('b'));
SELECT pgmq.send('dedup_q', '6'), pgmq.send('dedup_q', '6', '{"x-pgmq-group": "g"}'), pgmq.send('dedup_q', '6', NULL::jsonb);
SELECT msg_id, message FROM pgmq.q_dedup_q ORDER BY 1;

-- The id of a message that was consumed is still remembered.
SELECT count(*) FROM pgmq.pop('dedup_q', 100);
SELECT pgmq.purge_queue('dedup_q');
SELECT pgmq.send('dedup_q', '7', dedup_id('a'));
SELECT count(*) FROM pgmq.q_dedup_q;

-- Batches keep their order, with old ids in their places; also within one batch.
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['1', '2', '3', '4', '5', '6']::jsonb[],
	ARRAY[dedup_id('z'), dedup_id('a'), NULL, dedup_id('c'), dedup_id('z'), dedup_id('b')]);
SELECT msg_id, message, headers FROM pgmq.q_dedup_q ORDER BY 1;
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['1', '2']::jsonb[], ARRAY[dedup_id('z'), dedup_id('a')]);
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['7', '8']::jsonb[], ARRAY[dedup_id('d'), dedup_id('d')], 10);
SELECT * FROM pgmq.send_batch('dedup_q', '{}'::jsonb[], '{}'::jsonb[]);
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['9', NULL]::jsonb[]);
SELECT count(*) FROM pgmq.q_dedup_q;

-- Ids are compared byte by byte; a whole transaction sees its own.
SELECT pgmq.send('dedup_q', '1', dedup_id('E')) <> pgmq.send('dedup_q', '1', dedup_id('e')) AS differ;
SELECT pgmq.send('dedup_q', '1', dedup_id(E'\u00e9')) = pgmq.send('dedup_q', '1', '{"x-pgmq-dedup-id": "\u00e9"}') AS same;
SELECT pgmq.send('dedup_q', '1', dedup_id($$'; DROP TABLE pgmq.q_dedup_q; --$$)) = pgmq.send('dedup_q', '1', dedup_id($$'; DROP TABLE pgmq.q_dedup_q; --$$)) AS same;
SELECT count(DISTINCT s) FROM generate_series(1, 100) i, pgmq.send('dedup_q', to_jsonb(i), dedup_id('n' || i % 10)) s;

-- Messages of what was rolled back do not count.
BEGIN;
SELECT count(*) FROM pgmq.send('dedup_q', '1', dedup_id('back'));
SAVEPOINT s;
SELECT count(*) FROM pgmq.send('dedup_q', '2', dedup_id('back to'));
SELECT count(*) FROM pgmq.send('dedup_q', '2', dedup_id('back'));
ROLLBACK TO s;
SELECT count(*) FROM pgmq.send('dedup_q', '3', dedup_id('back to'));
COMMIT;
SELECT message FROM pgmq.q_dedup_q WHERE headers->>'x-pgmq-dedup-id' LIKE 'back%' ORDER BY msg_id;
DO $$ BEGIN
	PERFORM pgmq.send('dedup_q', '4', dedup_id('caught'));
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	PERFORM pgmq.send('dedup_q', '5', dedup_id('caught'));
END $$;
SELECT message FROM pgmq.q_dedup_q WHERE headers->>'x-pgmq-dedup-id' = 'caught';

-- Malformed ones.
SELECT left(refused('dedup_q', h), 220) FROM (VALUES
	('{"x-pgmq-dedup-id": ""}'::jsonb), ('{"x-pgmq-dedup-id": 5}'), ('{"x-pgmq-dedup-id": null}'), ('{"x-pgmq-dedup-id": true}'),
	('{"x-pgmq-dedup-id": ["a"]}'), ('{"x-pgmq-dedup-id": {"a": 1}}'), (dedup_id(repeat('x', 257))), (dedup_id(repeat(E'\u00e9', 129))),
	('[]'), ('"x-pgmq-dedup-id"'), ('["x-pgmq-dedup-id"]'), ('null'), ('{"x-pgmq-ttl": "x"}')) AS t (h);
SELECT length(refused('dedup_q', dedup_id(repeat(E'\u0001', 1000000)))) < 300 AS bounded;
SELECT refused('dedup_q', dedup_id(repeat('x', 256))), refused('dedup_q', dedup_id(repeat('x', 256)));
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['1', '2']::jsonb[], ARRAY[dedup_id('good'), '{"x-pgmq-dedup-id": 1}']);
SELECT count(*) FROM pgmq.q_dedup_q WHERE headers->>'x-pgmq-dedup-id' = 'good';

-- x-pgmq-ttl, where the policy reads it.
SELECT pgmq.set_policy('dedup_q', '{"ttl_header": true}');
SELECT left(refused('dedup_q', h), 220) FROM (VALUES
	('{"x-pgmq-ttl": 1}'::jsonb), ('{"x-pgmq-ttl": 0.5}'), ('{"x-pgmq-ttl": 0}'), ('{"x-pgmq-ttl": -1}'), ('{"x-pgmq-ttl": "1"}'), ('{"x-pgmq-ttl": null}'),
	('{"x-pgmq-ttl": 1e300}'), ('{"x-pgmq-ttl": 1e400}'), ('{"x-pgmq-ttl": 1e-400}'), ('{"x-pgmq-ttl": [1]}'), ('{"x-pgmq-ttl": {"1": 1}}'), ('[1]')) AS t (h);
SELECT * FROM pgmq.send_batch('dedup_q', ARRAY['1', '2']::jsonb[], ARRAY[NULL, '{"x-pgmq-ttl": false}']::jsonb[]);

-- Entries that are older than the window do not count, wherever they stand.
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 1000, "ttl_header": null}');
SELECT pgmq.send('dedup_q', '1', dedup_id('old')) AS old \gset
SELECT pgmq.send('dedup_q', '1', dedup_id('young')) AS young \gset
DO $$ BEGIN
	FOR i IN 0..2 LOOP
		EXECUTE format('UPDATE pgmq.d%s_dedup_q SET sent_at = sent_at - CASE dedup_id WHEN ''old'' THEN interval ''1001 s'' ELSE interval ''500 s'' END', i);
	END LOOP;
END $$;
SELECT pgmq.send('dedup_q', '1', dedup_id('young')) = :young AS same, pgmq.send('dedup_q', '1', dedup_id('old')) > :young AS later;
SELECT pgmq.send('dedup_q', '1', dedup_id('young')) = :young AS same, pgmq.send('dedup_q', '1', dedup_id('old')) > :young AS later;

-- An entry within the window counts in whichever table it is: a lookup goes through the other
-- ones, too.
CREATE FUNCTION dedup_shift(seconds integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- as if so many seconds had passed: window 1000 makes generations of 1000 s
	EXECUTE format('CREATE TEMP TABLE shifted AS SELECT dedup_id, msg_id, sent_at - interval ''%s s'' AS sent_at FROM (TABLE pgmq.d0_dedup_q UNION ALL TABLE pgmq.d1_dedup_q UNION ALL TABLE pgmq.d2_dedup_q) t', seconds);
	TRUNCATE pgmq.d0_dedup_q, pgmq.d1_dedup_q, pgmq.d2_dedup_q;
	FOR i IN 0..2 LOOP
		EXECUTE format('INSERT INTO pgmq.d%s_dedup_q SELECT * FROM shifted WHERE floor(extract(epoch FROM sent_at - ''2000-01-01 00:00:00+00'') / 1000)::bigint %% 3 = %s ON CONFLICT DO NOTHING', i, i);
	END LOOP;
	DROP TABLE shifted;
END $$;
SELECT pgmq.send('dedup_q', '1', dedup_id('shift')) AS shift \gset
SELECT dedup_shift(300);
SELECT pgmq.send('dedup_q', '1', dedup_id('shift')) = :shift AS same;
SELECT dedup_shift(300);
SELECT pgmq.send('dedup_q', '1', dedup_id('shift')) = :shift AS same;
SELECT dedup_shift(300);
SELECT pgmq.send('dedup_q', '1', dedup_id('shift')) = :shift AS same;
SELECT dedup_shift(300);
SELECT pgmq.send('dedup_q', '1', dedup_id('shift')) > :shift AS later;

-- .. and whichever the clock says is current: when it goes back, by a failover too, ids that were
-- sent later by that clock are still known, and not truncated.  At each moment one of the three
-- tables is the one whose turn comes next.
CREATE PROCEDURE dedup_place(place int, at interval) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE pgmq.d0_dedup_q, pgmq.d1_dedup_q, pgmq.d2_dedup_q;
	EXECUTE format('INSERT INTO pgmq.d%s_dedup_q VALUES (''clock'', 4711, clock_timestamp() + $1)', place) USING at;
	COMMIT;
END $$;
CREATE PROCEDURE dedup_try(at interval) LANGUAGE plpgsql AS $$
BEGIN
	FOR place IN 0..2 LOOP
		CALL dedup_place(place, at);
		RAISE INFO '% from table %: % %', at, place, pgmq.send('dedup_q', '1', dedup_id('clock')) = 4711,
			(SELECT array_agg(s = 4711) FROM pgmq.send_batch('dedup_q', '{1,2,3}'::jsonb[], ARRAY[dedup_id('other'), dedup_id('clock'), dedup_id('clock')]) s);
		COMMIT;
	END LOOP;
END $$;
CALL dedup_try('2 seconds');
CALL dedup_try('2 hours');
CALL dedup_try('-990 seconds');
CALL dedup_try('-1010 seconds');
CALL dedup_place(0, '2 seconds');
CALL pgmq.maintain();
SELECT pgmq.send('dedup_q', '1', dedup_id('clock'));
CALL dedup_place(1, '2 seconds');
CALL pgmq.maintain();
SELECT pgmq.send('dedup_q', '1', dedup_id('clock'));
CALL dedup_place(2, '2 seconds');
CALL pgmq.maintain();
SELECT pgmq.send('dedup_q', '1', dedup_id('clock'));
-- Entries that are too old are truncated when the turn of their table comes:
-- one of the three.
CALL dedup_place(0, '-1 day');
INSERT INTO pgmq.d1_dedup_q TABLE pgmq.d0_dedup_q;
INSERT INTO pgmq.d2_dedup_q TABLE pgmq.d0_dedup_q;
CALL pgmq.maintain();
SELECT (SELECT count(*) FROM pgmq.d0_dedup_q) + (SELECT count(*) FROM pgmq.d1_dedup_q) + (SELECT count(*) FROM pgmq.d2_dedup_q) AS rest;

-- While the transaction of the first send runs its id counts, however long that takes.
BEGIN;
SELECT pgmq.send('dedup_q', '1', dedup_id('long')) AS long \gset
DO $$ BEGIN
	FOR i IN 0..2 LOOP
		EXECUTE format('UPDATE pgmq.d%s_dedup_q SET sent_at = sent_at - interval ''2 hours''', i);
	END LOOP;
END $$;
SELECT pgmq.send('dedup_q', '1', dedup_id('long')) = :long AS same;
COMMIT;
SELECT pgmq.send('dedup_q', '1', dedup_id('long')) > :long AS later;

-- Another window: ids that were sent within it are still known.
SELECT pgmq.send('dedup_q', '1', dedup_id('window')) AS w \gset
SELECT count(*) FROM generate_series(700, 7000, 900) s, pgmq.set_policy('dedup_q', format('{"dedup_window": %s}', s)::jsonb) p,
	pgmq.send('dedup_q', '1', dedup_id('window')) i WHERE p IS NOT NULL AND i = :w;
-- .. in whichever table they are.
CALL dedup_try('-2000 seconds');

-- No window: the tables go, and with them the ids.
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": null}');
SELECT * FROM dedup_tables;
SELECT pgmq.send('dedup_q', '1', dedup_id('window')) > :w AS later;
BEGIN;
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 1000}');
SELECT pgmq.send('dedup_q', '1', dedup_id('t')) = pgmq.send('dedup_q', '1', dedup_id('t')) AS same;
ROLLBACK;
SELECT * FROM dedup_tables;
SELECT pgmq.send('dedup_q', '1', dedup_id('t')) <> pgmq.send('dedup_q', '1', dedup_id('t')) AS differ;

-- A missing table: an error says what to do, and that does it.
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 1000}');
DROP TABLE pgmq.d0_dedup_q, pgmq.d1_dedup_q, pgmq.d2_dedup_q;
SELECT regexp_replace(refused('dedup_q', dedup_id('t')), 'd[0-2]', 'dN'), refused('dedup_q', NULL);
SELECT pgmq.set_policy('dedup_q', '{}');
SELECT refused('dedup_q', dedup_id('t'));

-- A table of that name which is another's is not touched.
CREATE ROLE regress_pgmq_dedup;
CREATE ROLE regress_pgmq_dedup_owner;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_dedup, regress_pgmq_dedup_owner;
ALTER TABLE pgmq.d0_dedup_q OWNER TO regress_pgmq_dedup;
ALTER TABLE pgmq.d1_dedup_q OWNER TO regress_pgmq_dedup;
ALTER TABLE pgmq.d2_dedup_q OWNER TO regress_pgmq_dedup;
SELECT regexp_replace(refused('dedup_q', dedup_id('t')), 'd[0-2]', 'dN');
SELECT pgmq.set_policy('dedup_q', '{"ttl": 5}');
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": null}');
SELECT relname FROM dedup_tables;
DROP TABLE pgmq.d0_dedup_q, pgmq.d1_dedup_q, pgmq.d2_dedup_q;

-- Roles: one that may only INSERT can send, and can neither see nor change the
-- ids.
ALTER TABLE pgmq.q_dedup_q OWNER TO regress_pgmq_dedup_owner;
SET ROLE regress_pgmq_dedup_owner;
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 1000}');
GRANT INSERT, SELECT (msg_id) ON pgmq.q_dedup_q TO regress_pgmq_dedup;
RESET ROLE;
SELECT * FROM dedup_tables;
SET ROLE regress_pgmq_dedup;
SELECT pgmq.send('dedup_q', '1', dedup_id('role')) = pgmq.send('dedup_q', '1', dedup_id('role')) AS same;
SELECT count(DISTINCT s) FROM pgmq.send_batch('dedup_q', ARRAY['1', '2']::jsonb[], ARRAY[dedup_id('role'), dedup_id('role 2')]) s;
SELECT current_user;
SELECT count(*) FROM pgmq.d0_dedup_q;
INSERT INTO pgmq.d0_dedup_q VALUES ('role', 1, now());
TRUNCATE pgmq.d1_dedup_q;
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": null}');
RESET ROLE;
REVOKE INSERT ON pgmq.q_dedup_q FROM regress_pgmq_dedup;
SET ROLE regress_pgmq_dedup;
SELECT refused('dedup_q', dedup_id('role 3'));

-- Nor does a role that may not send learn what was sent.
SELECT refused('dedup_q', dedup_id('role'));
SELECT count(*) FROM pgmq.send_batch('dedup_q', ARRAY['1']::jsonb[], ARRAY[dedup_id('role')]);
RESET ROLE;

-- No role's triggers run by the rights of the tables' owner.
GRANT ALL ON ALL TABLES IN SCHEMA pgmq TO regress_pgmq_dedup;
CREATE FUNCTION leap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'here as %', current_user;
	RETURN NEW;
END $$;
SET ROLE regress_pgmq_dedup;
CREATE TRIGGER leap BEFORE INSERT ON pgmq.policy FOR EACH ROW EXECUTE FUNCTION leap();
CREATE TRIGGER leap BEFORE INSERT ON pgmq.d0_dedup_q FOR EACH ROW EXECUTE FUNCTION leap();
CREATE TRIGGER leap BEFORE INSERT ON pgmq.d1_dedup_q FOR EACH ROW EXECUTE FUNCTION leap();
CREATE TRIGGER leap BEFORE TRUNCATE ON pgmq.d2_dedup_q EXECUTE FUNCTION leap();
SELECT regexp_replace(refused('dedup_q', dedup_id('leap')), 'd[0-2]', 'dN');
RESET ROLE;
SET ROLE regress_pgmq_dedup_owner;
SELECT pgmq.pause('dedup_q', 'infinity');
SELECT pgmq.resume('dedup_q');
RESET ROLE;
DROP TRIGGER leap ON pgmq.policy;
SELECT pgmq.set_policy('dedup_q', '{"dedup_window": 900}');
DROP FUNCTION leap CASCADE;
REVOKE ALL ON ALL TABLES IN SCHEMA pgmq FROM regress_pgmq_dedup;
GRANT INSERT, SELECT (msg_id) ON pgmq.q_dedup_q TO regress_pgmq_dedup;
SET ROLE regress_pgmq_dedup;
SELECT refused('dedup_q', dedup_id('leap'));
RESET ROLE;

-- Triggers: a message that one leaves out is not remembered, and a batch says that it
-- cannot tell which one that was.
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN NEW.message <> '"out"' THEN NEW END;
END $$;
CREATE TRIGGER leave_out BEFORE INSERT ON pgmq.q_dedup_q FOR EACH ROW EXECUTE FUNCTION leave_out();
SELECT pgmq.send('dedup_q', '"out"', dedup_id('out'));
SELECT count(*) FROM pgmq.send('dedup_q', '"in"', dedup_id('out'));
SELECT * FROM pgmq.send_batch('dedup_q', '{1,"\"out\"",3}'::jsonb[], ARRAY[dedup_id('t1'), dedup_id('t2'), NULL]);
DROP TRIGGER leave_out ON pgmq.q_dedup_q;

-- One that sends with the id of the message that is being sent: the message of the outer send
-- is the one that is remembered.
CREATE FUNCTION send_too() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		PERFORM pgmq.send('dedup_q', '"inner"', NEW.headers);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER send_too AFTER INSERT ON pgmq.q_dedup_q FOR EACH ROW EXECUTE FUNCTION send_too();
SELECT count(*) FROM pgmq.send('dedup_q', '"outer"', dedup_id('deep'));
SELECT count(*) FROM pgmq.send_batch('dedup_q', ARRAY['"outer 1"', '"outer 2"']::jsonb[], ARRAY[dedup_id('deep 1'), dedup_id('deep 2')]);
DROP TRIGGER send_too ON pgmq.q_dedup_q;
SELECT message FROM pgmq.q_dedup_q
WHERE msg_id = ANY (ARRAY(SELECT pgmq.send('dedup_q', '"late"', dedup_id(i)) FROM unnest(ARRAY['deep', 'deep 1', 'deep 2']) i)) ORDER BY msg_id;

-- One that sends with another id, while a row that was written by hand is as old as can be.
INSERT INTO pgmq.d0_dedup_q VALUES ('ancient', 1, '-infinity');
INSERT INTO pgmq.d1_dedup_q VALUES ('ancient', 1, '-infinity');
INSERT INTO pgmq.d2_dedup_q VALUES ('ancient', 1, '-infinity');
CREATE FUNCTION send_other() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		PERFORM pgmq.send('dedup_q', '"inner"', dedup_id('other'));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER send_other AFTER INSERT ON pgmq.q_dedup_q FOR EACH ROW EXECUTE FUNCTION send_other();
SELECT pgmq.send('dedup_q', '"outer"', dedup_id('ancient')) = pgmq.send('dedup_q', '"late"', dedup_id('ancient')) AS same;
DROP TRIGGER send_other ON pgmq.q_dedup_q;

-- One that puts a trigger on the tables of ids, after they were checked: it does not run.
CREATE FUNCTION plant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE TRIGGER send_too BEFORE INSERT ON pgmq.d0_dedup_q FOR EACH ROW EXECUTE FUNCTION send_too()';
	EXECUTE 'CREATE TRIGGER send_too BEFORE INSERT ON pgmq.d1_dedup_q FOR EACH ROW EXECUTE FUNCTION send_too()';
	EXECUTE 'CREATE TRIGGER send_too BEFORE INSERT ON pgmq.d2_dedup_q FOR EACH ROW EXECUTE FUNCTION send_too()';
	RETURN NEW;
END $$;
CREATE TRIGGER plant BEFORE INSERT ON pgmq.q_dedup_q FOR EACH ROW EXECUTE FUNCTION plant();
SELECT regexp_replace(refused('dedup_q', dedup_id('planted')), 'd[0-2]', 'dN');
DROP TRIGGER plant ON pgmq.q_dedup_q;
SELECT refused('dedup_q', dedup_id('planted'));

-- The tables are known again after each change: of a name, of an owner.
ALTER TABLE pgmq.d0_dedup_q RENAME TO elsewhere;
SELECT refused('dedup_q', dedup_id('renamed'));
CREATE TABLE pgmq.d0_dedup_q (LIKE pgmq.elsewhere);
SELECT refused('dedup_q', dedup_id('renamed'));
DROP TABLE pgmq.d0_dedup_q;
ALTER TABLE pgmq.elsewhere RENAME TO d0_dedup_q;
SELECT refused('dedup_q', dedup_id('renamed'));
ALTER TABLE pgmq.d1_dedup_q OWNER TO regress_pgmq_dedup;
SELECT refused('dedup_q', dedup_id('owned'));
ALTER TABLE pgmq.d1_dedup_q OWNER TO CURRENT_USER;
SELECT refused('dedup_q', dedup_id('owned'));

-- Gone with the queue.
SELECT pgmq.drop_queue('dedup_q');
SELECT * FROM dedup_tables;

-- Other kinds of queue, and hostile names.
SELECT pgmq.create_unlogged('dedup_u');
SELECT pgmq.create('dedup "x" {q} {0}%s');
SELECT pgmq.create(repeat('y', 47));
SELECT pgmq.set_policy(q, '{"dedup_window": 500}') FROM unnest(ARRAY['dedup_u', 'dedup "x" {q} {0}%s', repeat('y', 47)]) q;
SELECT * FROM dedup_tables;
SELECT pgmq.send(q, '1', dedup_id('a')), pgmq.send(q, '1', dedup_id('a')), (SELECT array_agg(s) FROM pgmq.send_batch(q, ARRAY['1', '2']::jsonb[], ARRAY[dedup_id('b'), dedup_id('a')]) s)
FROM unnest(ARRAY['dedup_u', 'dedup "x" {q} {0}%s', repeat('y', 47)]) q;
SELECT count(*) FROM pgmq.list_queues() WHERE queue_name NOT IN ('dedup_u', 'dedup "x" {q} {0}%s', repeat('y', 47));

-- A partitioned one.
CREATE TABLE pgmq.q_dedup_p (LIKE pgmq.q_dedup_u INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_dedup_p_1 PARTITION OF pgmq.q_dedup_p FOR VALUES FROM (1) TO (3);
CREATE TABLE pgmq.q_dedup_p_2 PARTITION OF pgmq.q_dedup_p FOR VALUES FROM (3) TO (100);
CREATE TABLE pgmq.a_dedup_p (LIKE pgmq.a_dedup_u INCLUDING ALL);
SELECT pgmq.create('dedup_p');
SELECT pgmq.set_policy('dedup_p', '{"dedup_window": 100, "strict_fifo": true}');
SELECT pgmq.send('dedup_p', '1', dedup_id('a')), pgmq.send('dedup_p', '1', dedup_id('a'));
SELECT * FROM pgmq.send_batch('dedup_p', '{1,2,3,4,5}'::jsonb[], ARRAY[dedup_id('e'), dedup_id('b'), dedup_id('a'), dedup_id('c'), dedup_id('d')]);
SELECT tableoid::regclass, msg_id, message FROM pgmq.q_dedup_p ORDER BY 2;

-- Through topics.
SELECT pgmq.bind_topic('dedup.*', 'dedup_u');
SELECT pgmq.create('dedup_plain');
SELECT pgmq.bind_topic('dedup.#', 'dedup_plain');
SELECT pgmq.send_topic('dedup.x', '2', dedup_id('topic'), 0), pgmq.send_topic('dedup.x', '2', dedup_id('topic'), 0);
SELECT * FROM pgmq.send_batch_topic('dedup.x', ARRAY['3', '4']::jsonb[], ARRAY[dedup_id('topic'), dedup_id('more')], 0) ORDER BY queue_name, msg_id;
SELECT (SELECT count(*) FROM pgmq.q_dedup_u), (SELECT count(*) FROM pgmq.q_dedup_plain);

-- A transaction with a snapshot from before: REPEATABLE READ and SERIALIZABLE send
-- as usual.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pgmq.send('dedup_u', '5', dedup_id('rr')) = pgmq.send('dedup_u', '5', dedup_id('rr')) AS same;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pgmq.send('dedup_u', '5', dedup_id('rr')) = pgmq.send('dedup_u', '5', dedup_id('rr')) AS same;
COMMIT;

-- A batch of more ids than the server has locks for.
SELECT count(DISTINCT s) FROM pgmq.send_batch('dedup_u', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20000) i),
	ARRAY(SELECT dedup_id('many ' || i % 15000) FROM generate_series(1, 20000) i)) s;
SELECT count(*) <= 1100 AS bounded FROM (SELECT 1 FROM pg_locks WHERE pid = pg_backend_pid()) l;

SELECT pgmq.drop_queue(q) FROM unnest(ARRAY['dedup_u', 'dedup_p', 'dedup_plain', 'dedup "x" {q} {0}%s', repeat('y', 47)]) q;
SELECT * FROM dedup_tables;
DROP VIEW dedup_tables;
DROP FUNCTION dedup_id(text), refused(text, jsonb), leave_out(), send_too(), send_other(), plant(), dedup_shift(integer);
DROP PROCEDURE dedup_place(integer, interval), dedup_try(interval);
DROP OWNED BY regress_pgmq_dedup, regress_pgmq_dedup_owner;
DROP ROLE regress_pgmq_dedup, regress_pgmq_dedup_owner;
