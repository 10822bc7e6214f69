-- spi_max_plans: a session keeps no more plans than pgmq_c.max_plans, also where those
-- that go are running
SELECT count(pgmq.create('max_plans_' || i)) FROM generate_series(1, 60) i;
SHOW pgmq_c.max_plans;
SET pgmq_c.max_plans = 99;
SET pgmq_c.max_plans = 100;
CREATE FUNCTION plans() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource' AND ident ~ '(INTO|UPDATE|FROM) pgmq\.q_max_plans'
$$;
-- Whether each of the queues gave what was put into it.  These are 240 plans.
CREATE FUNCTION use_many() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	good boolean := true;
	id bigint;
	took bigint;
BEGIN
	FOR i IN 1..60 LOOP
		id := pgmq.send('max_plans_' || i, to_jsonb(i));
		SELECT msg_id INTO took FROM pgmq.read('max_plans_' || i, 0, 1) WHERE message = to_jsonb(i);
		good := good AND id IS NOT DISTINCT FROM took;
		PERFORM pgmq.set_vt('max_plans_' || i, id, 1);
		good := good AND pgmq.delete('max_plans_' || i, id);
	END LOOP;
	RETURN good;
END $$;

-- In one transaction, and in the next; the queues that were used last are those that have plans.
BEGIN;
SELECT use_many(), use_many();
SELECT plans() BETWEEN 50 AND 100 AS bounded;
COMMIT;
SELECT use_many();
SELECT plans() BETWEEN 50 AND 100 AS bounded;
SET pgmq_c.max_plans = 1000;
SELECT use_many();
SELECT plans() AS all;
-- A smaller number holds from the next new plan on.
SET pgmq_c.max_plans = 150;
SELECT pgmq.delete('max_plans_1', '{1}'::bigint[]);
SELECT plans() BETWEEN 100 AND 150 AS bounded;
SET pgmq_c.max_plans = 100;

-- By a trigger, while the plan of its queue runs; also when the plan of the outermost
-- call is made again further in, and when the call fails.
SELECT pgmq.create('max_plans_outer');
CREATE FUNCTION go_round() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT use_many() THEN
		RAISE 'the queues do not work';
	END IF;
	IF TG_OP = 'INSERT' AND pg_trigger_depth() < 3 THEN
		PERFORM pgmq.send('max_plans_outer', to_jsonb(pg_trigger_depth()));
		PERFORM use_many();
	END IF;
	IF new.message = '"bad"' THEN
		RAISE division_by_zero;
	END IF;
	RETURN new;
END $$;
CREATE TRIGGER go_round BEFORE INSERT OR UPDATE ON pgmq.q_max_plans_outer FOR EACH ROW EXECUTE FUNCTION go_round();
SELECT * FROM pgmq.send('max_plans_outer', '"first"');
SELECT * FROM pgmq.send_batch('max_plans_outer', ARRAY['"second"', '"third"']::jsonb[]);
DO $$
BEGIN
	PERFORM pgmq.send('max_plans_outer', '"bad"');
EXCEPTION WHEN division_by_zero THEN
	RAISE INFO 'failed';
END $$;
SELECT msg_id, read_ct, message FROM pgmq.read('max_plans_outer', 60, 4);
SELECT plans() BETWEEN 50 AND 100 AS bounded;

-- While a cursor of ours is open: the group's messages are fetched in pieces.
DROP TRIGGER go_round ON pgmq.q_max_plans_outer;
SELECT count(*) FROM pgmq.set_vt('max_plans_outer', '{1,2,3,4}'::bigint[], 0);
CREATE ROLE regress_pgmq_max_plans;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_max_plans;
SELECT pgmq.grant_queue('max_plans_outer', 'regress_pgmq_max_plans', 'read');
ALTER TABLE pgmq.q_max_plans_outer ENABLE ROW LEVEL SECURITY;
CREATE POLICY round ON pgmq.q_max_plans_outer USING (use_many());
SET ROLE regress_pgmq_max_plans;
SELECT msg_id, read_ct, message FROM pgmq.read_grouped('max_plans_outer', 0, 2);
SELECT msg_id, read_ct, message FROM pgmq.read('max_plans_outer', 0, 1);
RESET ROLE;
SELECT plans() BETWEEN 50 AND 100 AS bounded;

SELECT count(pgmq.drop_queue('max_plans_' || i)) FROM generate_series(1, 60) i;
SELECT pgmq.drop_queue('max_plans_outer');
SELECT plans();
DROP FUNCTION plans(), use_many(), go_round();
DROP OWNED BY regress_pgmq_max_plans;
DROP ROLE regress_pgmq_max_plans;
