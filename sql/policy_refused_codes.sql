-- policy_refused_codes: a trigger of a dead-letter queue stops no other queue, whatever the code of the error that it raises
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT pgmq.create('codes');
SELECT pgmq.set_policy('codes', '{"max_reads": 2, "dead_letter_queue": "codes_dead", "create_dead_letter_queue": true}');
-- the message that is refused says by which code
CREATE FUNCTION codes_raise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.message ? 'code' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = NEW.message ->> 'code';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER codes BEFORE INSERT ON pgmq.q_codes_dead FOR EACH ROW EXECUTE FUNCTION codes_raise();
CREATE FUNCTION codes_spent(code text) RETURNS void LANGUAGE sql AS $$
	TRUNCATE pgmq.q_codes, pgmq.q_codes_dead;
	INSERT INTO pgmq.q_codes (vt, message, read_ct) VALUES
		(now(), '{"dead": 1}', 2), (now(), jsonb_build_object('code', code), 2), (now(), '{"dead": 2}', 2), (now(), '{"live": 1}', 0) $$;
CREATE FUNCTION codes_try(code text, OUT of text, OUT is_read jsonb, OUT is_dead jsonb, OUT stays jsonb) LANGUAGE plpgsql AS $$
BEGIN
	of = code;
	PERFORM codes_spent(code);
	SELECT jsonb_agg(message) FROM pgmq.read('codes', 60, 9) INTO is_read;
	SELECT jsonb_agg(message) FROM pgmq.q_codes_dead INTO is_dead;
	SELECT jsonb_agg(message) FROM pgmq.q_codes WHERE read_ct = 2 AND vt > clock_timestamp() + '50 s' INTO stays;
END $$;
SET client_min_messages = error;
SELECT r.* FROM unnest('{23514,40001,40P01,53000,53100,53200,53300,55P03,57014,57P01,57P05,58000,58030,F0000,XX000,XX001}'::text[]) code, codes_try(code) r;
-- maintenance goes on behind it
DO $$
DECLARE
	code text;
BEGIN
	FOREACH code IN ARRAY '{40001,53100,53200,57014,58030,XX000}'::text[] LOOP
		PERFORM codes_spent(code);
		CALL pgmq.maintain();
		RAISE INFO '% % dead', code, (SELECT count(*) FROM pgmq.q_codes_dead);
	END LOOP;
END $$;
-- and so does redrive, where the queue that the message came from refuses it
SELECT codes_spent('XX000');
ALTER TABLE pgmq.q_codes_dead DISABLE TRIGGER codes;
SELECT count(*) FROM pgmq.read('codes', 0, 9);
CREATE TRIGGER codes BEFORE INSERT ON pgmq.q_codes FOR EACH ROW EXECUTE FUNCTION codes_raise();
SELECT pgmq.redrive('codes_dead', 9);
SELECT message FROM pgmq.q_codes_dead;
DROP TRIGGER codes ON pgmq.q_codes;
ALTER TABLE pgmq.q_codes_dead ENABLE TRIGGER codes;

-- A serialization failure ends a call that only another snapshot could finish, and a cancel
-- is a cancel.
SELECT codes_spent('40001');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT message FROM pgmq.read('codes', 60, 9);
ROLLBACK;
CREATE OR REPLACE FUNCTION codes_raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
SELECT codes_spent('57014');
SET statement_timeout = '1s';
SELECT message FROM pgmq.read('codes', 60, 9);
RESET statement_timeout;
SELECT pgmq.drop_queue(q) FROM unnest('{codes,codes_dead}'::text[]) q;
DROP FUNCTION codes_raise, codes_spent, codes_try;
