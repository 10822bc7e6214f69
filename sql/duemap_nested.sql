-- Reads inside of reads: a trigger on a queue's table reads from the same queue
-- while the statement of another read goes on.  Neither may give out what the
-- other one has, and whatever way the transaction ends nothing readable is
-- hidden afterwards.
SET client_min_messages = warning;
SELECT pgmq.create('nested');
CREATE FUNCTION got(qty integer DEFAULT 1000000, lease integer DEFAULT 600) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(msg_id::text, ' '), 'nothing') FROM pgmq.read('nested', lease, qty) $$;
-- messages 1 to hi, which the map knows to be readable; but 1 and 2 have gone
CREATE PROCEDURE fill(hi integer) LANGUAGE plpgsql AS
$$ BEGIN
	TRUNCATE pgmq.q_nested;
	COMMIT;
	PERFORM got();
	COMMIT;
	FOR i IN 1..hi / 64 + 1 LOOP
		INSERT INTO pgmq.q_nested (msg_id, message, headers) OVERRIDING SYSTEM VALUE
		SELECT id, '1', jsonb_build_object('x-pgmq-group', id % 4) FROM generate_series(64 * (i - 1), least(64 * i - 1, hi)) id WHERE id > 0;
		COMMIT;
	END LOOP;
	DELETE FROM pgmq.q_nested WHERE msg_id <= 2;
END $$;
-- the trigger does what inside() does, once
CREATE TABLE work (todo boolean, did text);
CREATE FUNCTION inside() RETURNS text LANGUAGE sql AS $$ SELECT NULL $$;
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
	IF pg_trigger_depth() = 1 AND (SELECT todo FROM work) THEN
		UPDATE work SET todo = false;
		UPDATE work SET did = inside();
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER nest AFTER UPDATE OR DELETE ON pgmq.q_nested FOR EACH ROW EXECUTE FUNCTION nest();
CREATE FUNCTION outside(qty integer) RETURNS TABLE (outer_read text, inner_read text) LANGUAGE plpgsql AS
$$ BEGIN
	DELETE FROM work;
	INSERT INTO work VALUES (true);
	outer_read := got(qty);
	inner_read := (SELECT did FROM work);
	RETURN NEXT;
END $$;

-- the inner read gets what the outer one leaves
CALL fill(10);
CREATE OR REPLACE FUNCTION inside() RETURNS text LANGUAGE sql AS $$ SELECT got(3) $$;
BEGIN;
SELECT * FROM outside(2);
ROLLBACK;
BEGIN;
SELECT * FROM outside(2);
SELECT got(2);
COMMIT;
SELECT got();

-- .. and it misses more than the outer one takes, which was in vain
CREATE OR REPLACE FUNCTION inside() RETURNS text LANGUAGE plpgsql AS
$$ BEGIN DELETE FROM pgmq.q_nested WHERE msg_id > 3; RETURN got(); END $$;
CALL fill(40);
BEGIN;
SELECT * FROM outside(1);
ROLLBACK;
SELECT got();
CALL fill(40);
BEGIN;
SAVEPOINT s;
SELECT * FROM outside(1);
ROLLBACK TO s;
SELECT got(8);
COMMIT;
SELECT got();

-- .. of many blocks, in each of which the outer one has a single message
CREATE OR REPLACE FUNCTION inside() RETURNS text LANGUAGE plpgsql AS
$$ BEGIN
	-- the others can be read by now, and are readable again at once
	PERFORM pg_sleep(greatest(extract(epoch FROM max(vt) - clock_timestamp()), 0)) FROM pgmq.q_nested WHERE msg_id % 64 <> 0;
	BEGIN
		PERFORM got(lease => 0);
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	DELETE FROM pgmq.q_nested WHERE msg_id % 64 <> 0;
	RETURN got();
END $$;
TRUNCATE pgmq.q_nested;
INSERT INTO pgmq.q_nested (msg_id, vt, message) OVERRIDING SYSTEM VALUE
SELECT id, clock_timestamp() + interval '1 s' * (id % 64 <> 0)::int, '1' FROM generate_series(1, 12800) id;
BEGIN;
SELECT count(*) FROM outside(200);
ROLLBACK;
SELECT count(*) FROM pgmq.read('nested', 600, 1000000);

-- what the outer one has looked at becomes unknown before it has claimed all of it
CREATE OR REPLACE FUNCTION inside() RETURNS text LANGUAGE plpgsql AS
$$ BEGIN
	PERFORM 1 / 0;
EXCEPTION WHEN division_by_zero THEN RETURN 'undone';
END $$;
TRUNCATE pgmq.q_nested;
INSERT INTO pgmq.q_nested (msg_id, message) OVERRIDING SYSTEM VALUE SELECT id * 4096, '1' FROM generate_series(1, 600) id;
BEGIN;
SELECT cardinality(ids), ids[1], ids[600], inner_read
FROM (SELECT string_to_array(outer_read, ' ') AS ids, inner_read FROM outside(1000)) AS r;
ROLLBACK;
SELECT count(*) FROM pgmq.read('nested', 600, 1000000);

-- .. and the outer one goes on within a range that is unknown as a whole
TRUNCATE pgmq.q_nested;
INSERT INTO pgmq.q_nested (msg_id, message) OVERRIDING SYSTEM VALUE SELECT id, '1' FROM generate_series(4095, 4245) id;
BEGIN;
DELETE FROM work;
SELECT got(1);
DELETE FROM pgmq.q_nested WHERE msg_id BETWEEN 4096 AND 4195;
SELECT cardinality(ids), ids[1], ids[50], inner_read
FROM (SELECT string_to_array(outer_read, ' ') AS ids, inner_read FROM outside(100)) AS r;
ROLLBACK;
SELECT count(*) FROM pgmq.read('nested', 600, 1000000);

-- Every verb outside, every verb inside, before and after the rows are changed,
-- in a transaction that commits or rolls back, all of it or a part: what is
-- readable then?
CREATE TABLE outer_calls (call text);
INSERT INTO outer_calls VALUES
	($$pgmq.read('nested', 600, 3)$$), ($$pgmq.read('nested', 0, 3)$$), ($$pgmq.pop('nested', 3)$$),
	($$pgmq.read_any_with_poll('{nested}', 600, 3, 0)$$), ($$pgmq.read_grouped('nested', 600, 3)$$),
	($$pgmq.delete_and_read('nested', '{4}', 600, 3)$$), ($$pgmq.nack('nested', '{5,6}'::bigint[])$$);
CREATE TABLE inner_calls (call text);
INSERT INTO inner_calls SELECT 'SELECT count(*) FROM ' || call FROM outer_calls;
INSERT INTO inner_calls VALUES
	('INSERT INTO pgmq.q_nested (msg_id, message) OVERRIDING SYSTEM VALUE SELECT 13, ''2'' ON CONFLICT DO NOTHING'),
	('DELETE FROM pgmq.q_nested WHERE msg_id > 3'), ('SELECT got(), got()'), ('SELECT 1 / 0');
CREATE TABLE what (first_call text, then_call text, timing text);
CREATE OR REPLACE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS
$$ DECLARE
	this what := (SELECT w FROM what w);
BEGIN
	IF pg_trigger_depth() = 1 AND tg_when = this.timing THEN
		EXECUTE this.first_call;
		BEGIN
			EXECUTE this.then_call;
			EXECUTE this.first_call;
			PERFORM 1 / 0;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
		EXECUTE this.then_call;
	END IF;
	RETURN CASE WHEN tg_op = 'DELETE' THEN old ELSE new END;
END $$;
CREATE TRIGGER nest_before BEFORE UPDATE OR DELETE ON pgmq.q_nested FOR EACH ROW EXECUTE FUNCTION nest();
CREATE PROCEDURE try(call text, ending text) LANGUAGE plpgsql AS
$$ DECLARE
	this what := (SELECT w FROM what w);
	had bigint[];
	found bigint[];
BEGIN
	SET LOCAL session_replication_role = replica;
	DELETE FROM pgmq.q_nested;
	SET LOCAL session_replication_role = origin;
	INSERT INTO pgmq.q_nested (msg_id, message, headers) OVERRIDING SYSTEM VALUE
	SELECT id, '{"a": 1}', jsonb_build_object('x-pgmq-group', id % 3) FROM generate_series(1, 12) id;
	COMMIT;
	SET LOCAL session_replication_role = replica;
	DELETE FROM pgmq.q_nested WHERE msg_id <= 2;
	COMMIT;
	BEGIN
		EXECUTE 'SELECT count(*) FROM ' || call;
		IF ending = 'savepoint' THEN RAISE division_by_zero; END IF;
		EXECUTE 'SELECT count(*) FROM ' || call;
	EXCEPTION
		WHEN division_by_zero OR triggered_data_change_violation THEN NULL;
	END;
	IF ending = 'rollback' THEN ROLLBACK; ELSE COMMIT; END IF;
	SET LOCAL session_replication_role = replica;
	had := ARRAY(SELECT msg_id FROM pgmq.q_nested WHERE vt <= clock_timestamp() ORDER BY 1);
	found := ARRAY(SELECT msg_id FROM pgmq.read('nested', 600, 1000));
	IF NOT had <@ found THEN
		RAISE WARNING 'after % % in %, %: readable were %, found %', this.timing, this.then_call, call, ending, had, found;
	END IF;
	COMMIT;
END $$;
CREATE PROCEDURE try_all() LANGUAGE plpgsql AS
$$ DECLARE
	outer_call text;
	ending text;
BEGIN
	TRUNCATE what;
	INSERT INTO what VALUES ('SELECT', 'SELECT', '');
	FOR outer_call IN SELECT call FROM outer_calls LOOP
		FOR i IN 1..(SELECT count(*) FROM inner_calls) LOOP
			UPDATE what SET first_call = then_call, then_call = (SELECT call FROM inner_calls OFFSET i - 1 LIMIT 1);
			FOREACH ending IN ARRAY ARRAY['commit', 'rollback', 'savepoint'] LOOP
				UPDATE what SET timing = 'AFTER';
				CALL try(outer_call, ending);
				UPDATE what SET timing = 'BEFORE';
				CALL try(outer_call, ending);
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
CALL try_all();

DROP TABLE what, work, inner_calls, outer_calls;
DROP FUNCTION inside, outside, got;
DROP PROCEDURE fill, try, try_all;
SELECT pgmq.drop_queue('nested');
DROP FUNCTION nest;
