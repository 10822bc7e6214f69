-- Users' triggers on queue tables fire as for any INSERT, UPDATE and DELETE.
SELECT pgmq.create('trig');
CREATE TABLE fired (n serial, what text);
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.fired (what) VALUES (concat_ws(' ', tg_table_name, tg_when, tg_level, tg_op, coalesce(new.msg_id, old.msg_id)::text));
	RETURN NULL;
END
$$;
CREATE FUNCTION fired_stmt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.fired (what) VALUES (concat_ws(' ', tg_table_name, tg_when, tg_level, tg_op));
	RETURN NULL;
END
$$;
CREATE FUNCTION fired_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.fired (what) SELECT 'transition table of ' || count(*) FROM new_rows;
	RETURN NULL;
END
$$;
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION fired();
CREATE TRIGGER before_stmt BEFORE INSERT OR UPDATE OR DELETE ON pgmq.q_trig FOR EACH STATEMENT EXECUTE FUNCTION fired_stmt();
CREATE TRIGGER after_stmt AFTER INSERT OR UPDATE OR DELETE ON pgmq.q_trig FOR EACH STATEMENT EXECUTE FUNCTION fired_stmt();
CREATE TRIGGER transition AFTER INSERT ON pgmq.q_trig REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION fired_rows();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON pgmq.a_trig FOR EACH ROW EXECUTE FUNCTION fired();

-- send and send_batch: one statement each, one row trigger a message, in array order
SELECT * FROM pgmq.send('trig', '1');
SELECT * FROM pgmq.send_batch('trig', ARRAY['2', '3', '4', '5', '6', '7', '8']::jsonb[]);
SELECT what FROM fired ORDER BY n;
TRUNCATE fired;
-- read: one UPDATE, in msg_id order; what is leased is no longer updated
SELECT msg_id FROM pgmq.read('trig', 3600, 2);
SELECT what FROM fired ORDER BY n;
TRUNCATE fired;
SELECT msg_id FROM pgmq.set_vt('trig', ARRAY[2, 1], 30);
SELECT pgmq.delete('trig', 1);
SELECT pgmq.archive('trig', 2);
SELECT msg_id FROM pgmq.pop('trig', 1);
SELECT * FROM pgmq.archive('trig', ARRAY[5, 4]);
SELECT what FROM fired ORDER BY n;
DROP TRIGGER after_row ON pgmq.q_trig;
DROP TRIGGER before_stmt ON pgmq.q_trig;
DROP TRIGGER after_stmt ON pgmq.q_trig;
DROP TRIGGER transition ON pgmq.q_trig;
DROP TRIGGER after_row ON pgmq.a_trig;
TRUNCATE fired;

-- BEFORE INSERT may change the row, or swallow it.
CREATE FUNCTION censor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.message = '"swallow"' THEN
		RETURN NULL;
	ELSIF new.message = '"delay"' THEN
		new.vt := '2100-01-01 00:00+00';
	ELSIF new.message = '"change"' THEN
		new.message := '"changed"';
		new.headers := '{"by": "trigger"}';
	ELSIF new.message = '"renumber"' THEN
		new.msg_id := 1000;
	ELSIF new.message = '"fail"' THEN
		RAISE 'no' USING ERRCODE = 'ZX001';
	END IF;
	RETURN new;
END
$$;
CREATE TRIGGER censor BEFORE INSERT ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION censor();
TRUNCATE pgmq.q_trig RESTART IDENTITY;
SELECT * FROM pgmq.send('trig', '"swallow"');
SELECT pgmq.send('trig', '"swallow"') AS in_target_list;
SELECT * FROM pgmq.send('trig', '"delay"');
SELECT * FROM pgmq.send('trig', '"change"');
SELECT * FROM pgmq.send('trig', '"renumber"');
SELECT * FROM pgmq.send_batch('trig', ARRAY['1', '"swallow"', '"change"', '"swallow"', '2']::jsonb[]);
SELECT * FROM pgmq.send_batch('trig', ARRAY['"swallow"', '"swallow"']::jsonb[]);
\set VERBOSITY sqlstate
SELECT * FROM pgmq.send('trig', '"fail"');
SELECT * FROM pgmq.send_batch('trig', ARRAY['1', '"fail"']::jsonb[]);
\set VERBOSITY default
SELECT msg_id, message, headers FROM pgmq.read('trig', 0, 100);
SELECT msg_id, message, headers, vt = '2100-01-01 00:00+00' AS delayed FROM pgmq.q_trig ORDER BY msg_id;
DROP TRIGGER censor ON pgmq.q_trig;

-- BEFORE UPDATE and DELETE: a row that they keep back is neither changed nor
-- returned.
CREATE FUNCTION keep_odd() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF old.msg_id % 2 = 1 THEN
		RETURN NULL;
	ELSIF tg_op = 'DELETE' THEN
		RETURN old;
	END IF;
	new.headers := '{"by": "trigger"}';
	RETURN new;
END
$$;
TRUNCATE pgmq.q_trig RESTART IDENTITY;
SELECT count(*) FROM pgmq.send_batch('trig', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 12) n));
CREATE TRIGGER keep_odd BEFORE UPDATE OR DELETE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION keep_odd();
-- without the map: with it, a read goes on until it has as many as it wants
SET pgmq_c.due_map = off;
SELECT msg_id, read_ct, headers FROM pgmq.read('trig', 0, 4);
RESET pgmq_c.due_map;
SELECT msg_id, headers FROM pgmq.set_vt('trig', ARRAY[5, 6], 0);
SELECT msg_id FROM pgmq.set_vt('trig', 7, 0);
SELECT pgmq.delete('trig', 1), pgmq.delete('trig', 2), pgmq.delete('trig', 3, 0), pgmq.delete('trig', 4, 1);
SELECT * FROM pgmq.delete('trig', ARRAY[5, 6]);
SELECT pgmq.archive('trig', 7), pgmq.archive('trig', 8);
SELECT * FROM pgmq.archive('trig', ARRAY[9, 10], ARRAY[0, 0]);
SELECT msg_id FROM pgmq.pop('trig', 100);
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.q_trig;
SELECT array_agg(msg_id ORDER BY msg_id) FROM pgmq.a_trig WHERE message > '6';
DROP TRIGGER keep_odd ON pgmq.q_trig;

-- A BEFORE INSERT on the archive that swallows: the message is gone from the
-- queue, and not reported as archived.
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER swallow BEFORE INSERT ON pgmq.a_trig FOR EACH ROW EXECUTE FUNCTION swallow();
SELECT pgmq.archive('trig', 11);
SELECT count(*) FROM pgmq.q_trig WHERE msg_id = 11;
DROP TRIGGER swallow ON pgmq.a_trig;

-- A trigger may use the queue it stands on, with the very plan that is
-- running, and invalidate that plan while it does.
CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	ANALYZE pgmq.q_trig;
	IF new.message ->> 'depth' <> '0' THEN
		PERFORM pgmq.send('trig', jsonb_build_object('depth', (new.message ->> 'depth')::int - 1));
	END IF;
	ANALYZE pgmq.q_trig;
	PERFORM pgmq.read('trig', 0, 1);
	PERFORM pgmq.set_vt('trig', new.msg_id, 0);
	ANALYZE pgmq.q_trig;
	RETURN NULL;
END
$$;
TRUNCATE pgmq.q_trig RESTART IDENTITY;
CREATE TRIGGER nested AFTER INSERT ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION nested();
SELECT * FROM pgmq.send('trig', '{"depth": 5}');
SELECT * FROM pgmq.send_batch('trig', ARRAY['{"depth": 2}', '{"depth": 1}', '{"depth": 0}']::jsonb[]);
SELECT msg_id, message FROM pgmq.q_trig ORDER BY msg_id;
DROP TRIGGER nested ON pgmq.q_trig;

CREATE FUNCTION nested_read() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 4 THEN
		ANALYZE pgmq.q_trig;
		PERFORM pgmq.read('trig', 3600, 1);
		ANALYZE pgmq.q_trig;
	END IF;
	RETURN new;
END
$$;
TRUNCATE pgmq.q_trig RESTART IDENTITY;
SELECT count(*) FROM pgmq.send_batch('trig', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 100) n));
CREATE TRIGGER nested_read AFTER UPDATE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION nested_read();
SELECT msg_id FROM pgmq.read('trig', 3600, 2);
SELECT msg_id FROM pgmq.set_vt('trig', ARRAY[1, 2], 30);
SELECT count(*) FILTER (WHERE read_ct = 1) AS once, count(*) FILTER (WHERE read_ct > 1) AS more_often FROM pgmq.q_trig;
DROP TRIGGER nested_read ON pgmq.q_trig;
-- Before the row is leased, the inner read takes the row of the outer one, unless
-- that one has claimed it; PostgreSQL refuses that.
SET pgmq_c.due_map = off;
CREATE TRIGGER nested_read BEFORE UPDATE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION nested_read();
\set VERBOSITY sqlstate
SELECT msg_id FROM pgmq.read('trig', 3600, 2);
\set VERBOSITY default
DROP TRIGGER nested_read ON pgmq.q_trig;

CREATE FUNCTION nested_pop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 4 THEN
		ANALYZE pgmq.q_trig;
		ANALYZE pgmq.a_trig;
		PERFORM pgmq.archive('trig', old.msg_id + 1);
		PERFORM pgmq.pop('trig', 1);
		PERFORM pgmq.delete('trig', ARRAY[old.msg_id + 4]);
	END IF;
	RETURN NULL;
END
$$;
TRUNCATE pgmq.q_trig RESTART IDENTITY;
TRUNCATE pgmq.a_trig;
SELECT count(*) FROM pgmq.send_batch('trig', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 100) n));
CREATE TRIGGER nested_pop AFTER DELETE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION nested_pop();
SELECT pgmq.delete('trig', 1);
SELECT pgmq.archive('trig', 50);
SELECT * FROM pgmq.delete('trig', ARRAY[61, 60]);
SELECT (SELECT count(*) FROM pgmq.q_trig) AS left_over, (SELECT count(*) FROM pgmq.a_trig) AS archived;
DROP TRIGGER nested_pop ON pgmq.q_trig;
RESET pgmq_c.due_map;

-- A deferred constraint trigger waits for the commit.
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON pgmq.q_trig DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fired();
BEGIN;
SELECT count(*) FROM pgmq.send('trig', '1');
SELECT count(*) FROM fired;
COMMIT;
SELECT count(*) FROM fired;
DROP TRIGGER deferred ON pgmq.q_trig;

-- Our planner settings hold for our statements alone: a trigger's queries are
-- planned as usual.
CREATE FUNCTION settings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT relname FROM pg_catalog.pg_class ORDER BY relpages' LOOP
		INSERT INTO public.fired (what) VALUES (concat_ws(' ', current_setting('enable_seqscan'), current_setting('enable_sort'), line));
	END LOOP;
	RETURN NULL;
END
$$;
TRUNCATE fired;
CREATE TRIGGER settings AFTER UPDATE ON pgmq.q_trig FOR EACH ROW EXECUTE FUNCTION settings();
SELECT count(*) FROM pgmq.read('trig', 0, 1);
SELECT what FROM fired ORDER BY n;

-- Rules are respected as well, where PostgreSQL has them for such statements.
DROP TRIGGER settings ON pgmq.q_trig;
TRUNCATE fired;
TRUNCATE pgmq.q_trig RESTART IDENTITY;
CREATE RULE also AS ON INSERT TO pgmq.q_trig DO ALSO INSERT INTO public.fired (what) VALUES ('rule');
SELECT * FROM pgmq.send('trig', '1');
SELECT * FROM pgmq.send_batch('trig', ARRAY['2', '3']::jsonb[]);
DROP RULE also ON pgmq.q_trig;
CREATE RULE instead AS ON DELETE TO pgmq.q_trig DO INSTEAD NOTHING;
SELECT pgmq.delete('trig', 1);
DROP RULE instead ON pgmq.q_trig;
SELECT pgmq.delete('trig', 1);
SELECT what, count(*) FROM fired GROUP BY what;

SELECT pgmq.drop_queue('trig');
DROP TABLE fired;
DROP FUNCTION fired(), fired_stmt(), fired_rows(), censor(), keep_odd(), swallow(), nested(), nested_read(), nested_pop(), settings();
