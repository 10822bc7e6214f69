-- spi_error_context: errors say what went wrong, and whose code it was, but not
-- which statements this extension runs
SELECT pgmq.create('ec');
SELECT pgmq.send_batch('ec', '{1,2,3}'::jsonb[], '{"{\"x-pgmq-group\": \"g\"}",null,null}'::jsonb[]);
CREATE FUNCTION ec_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;

-- kept plans; the context of a user's code stays
CREATE TRIGGER ec BEFORE INSERT OR UPDATE OR DELETE ON pgmq.q_ec FOR EACH ROW EXECUTE FUNCTION ec_refuse();
SELECT pgmq.send('ec', '4');
SELECT pgmq.send_batch('ec', '{4,5}'::jsonb[]);
SELECT pgmq.read('ec', 30, 1);
SELECT pgmq.read_grouped('ec', 30, 1);
SELECT pgmq.pop('ec');
SELECT pgmq.delete('ec', 1);
SELECT pgmq.archive('ec', 1);
SELECT pgmq.set_vt('ec', 1, 30);
DROP TRIGGER ec ON pgmq.q_ec;
-- and the statement by which a user called us
DO $$ BEGIN PERFORM pgmq.send('ec_none', '1'); END $$;
-- nested, on the same queue
CREATE FUNCTION ec_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.message = '1' THEN
		PERFORM pgmq.send('ec', '2');
	END IF;
	RAISE EXCEPTION 'refused %', new.message;
END
$$;
CREATE TRIGGER ec BEFORE INSERT ON pgmq.q_ec FOR EACH ROW EXECUTE FUNCTION ec_again();
SELECT pgmq.send('ec', '1');
DROP TRIGGER ec ON pgmq.q_ec;
-- what cannot be planned
BEGIN;
ALTER TABLE pgmq.a_ec DROP COLUMN message;
SELECT pgmq.archive('ec', 1);
ROLLBACK;
BEGIN;
ALTER TABLE pgmq.a_ec RENAME TO a_ec_old;
SELECT pgmq.archive('ec', 1);
ROLLBACK;
-- statements that are run once
BEGIN;
ALTER TABLE pgmq.meta RENAME queue_name TO name;
SELECT pgmq.metrics_all();
ROLLBACK;
BEGIN;
ALTER TABLE pgmq.meta RENAME is_unlogged TO is_fast;
SELECT pgmq.create('ec_two');
ROLLBACK;
-- commands
CREATE VIEW ec_view AS SELECT msg_id FROM pgmq.q_ec;
SELECT pgmq.drop_queue('ec');
DROP VIEW ec_view;
-- a name with a line's end in it
SELECT pgmq.create(E'ec\ntwo');
CREATE TRIGGER ec BEFORE INSERT ON pgmq."q_ec
two" FOR EACH ROW EXECUTE FUNCTION ec_refuse();
SELECT pgmq.send(E'ec\ntwo', '1');
SELECT pgmq.drop_queue(E'ec\ntwo');
SELECT pgmq.drop_queue('ec');
DROP FUNCTION ec_refuse(), ec_again();
