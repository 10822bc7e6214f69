-- Notification on insert: turning it on and off.  The isolation tests show
-- what listeners hear.
SET client_min_messages = notice;

CREATE FUNCTION outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
CREATE VIEW triggers AS
SELECT tgrelid::regclass AS table, tgname, tgenabled, pg_get_triggerdef(oid) AS definition
FROM pg_trigger WHERE tgname = 'trigger_notify_queue_insert_listeners' ORDER BY 1;

SELECT pgmq.create('notify_a'), pgmq.create('Notify_B');

-- what is refused, and in which order
SELECT outcome($$SELECT pgmq.enable_notify_insert('nope')$$);
SELECT outcome($$SELECT pgmq.enable_notify_insert('nope', -1)$$);
SELECT outcome($$SELECT pgmq.enable_notify_insert('notify_a', -1)$$);
SELECT outcome($$SELECT pgmq.enable_notify_insert('notify_a', NULL)$$);
SELECT outcome($$SELECT pgmq.enable_notify_insert(NULL)$$);
SELECT outcome($$SELECT pgmq.enable_notify_insert('')$$);
SELECT outcome($$SELECT pgmq.update_notify_insert('nope', 1)$$);
SELECT outcome($$SELECT pgmq.update_notify_insert('nope', -1)$$);
SELECT outcome($$SELECT pgmq.update_notify_insert('notify_a', 1)$$);
SELECT outcome($$SELECT pgmq.update_notify_insert('notify_a', NULL)$$);
SELECT outcome($$SELECT pgmq.update_notify_insert(NULL, 1)$$);
SELECT outcome($$SELECT pgmq.disable_notify_insert(NULL)$$);
TABLE triggers;
TABLE pgmq.notify_insert_throttle;

-- on: the trigger, with the queue's name as it was created, and the row
SELECT pgmq.enable_notify_insert('notify_a');
SELECT pgmq.enable_notify_insert(queue_name => 'notify_b', throttle_interval_ms => 0);
TABLE triggers;
SELECT queue_name, throttle_interval_ms, last_notified_at = to_timestamp(0) AS never FROM pgmq.notify_insert_throttle ORDER BY queue_name;
SELECT queue_name, throttle_interval_ms, last_notified_at = to_timestamp(0) AS never FROM pgmq.list_notify_insert_throttles();

-- again: the same trigger stays, the row is written again
UPDATE pgmq.notify_insert_throttle SET last_notified_at = now();
SELECT oid AS trigger FROM pg_trigger WHERE tgrelid = 'pgmq.q_notify_a'::regclass AND tgname LIKE 'trigger_notify%' \gset
SELECT pgmq.enable_notify_insert('NOTIFY_A', 500);
SELECT oid = :trigger AS same FROM pg_trigger WHERE tgrelid = 'pgmq.q_notify_a'::regclass AND tgname LIKE 'trigger_notify%';
SELECT throttle_interval_ms, last_notified_at = to_timestamp(0) AS never FROM pgmq.list_notify_insert_throttles() WHERE queue_name = 'notify_a';
SELECT count(*) FROM pgmq.list_notify_insert_throttles();

-- a trigger that is not as it should be is replaced: without PGMQ's argument,
-- disabled
DROP TRIGGER trigger_notify_queue_insert_listeners ON pgmq.q_notify_a;
CREATE CONSTRAINT TRIGGER trigger_notify_queue_insert_listeners AFTER INSERT ON pgmq.q_notify_a DEFERRABLE FOR EACH ROW EXECUTE FUNCTION pgmq.notify_queue_listeners();
ALTER TABLE pgmq.q_notify_b DISABLE TRIGGER trigger_notify_queue_insert_listeners;
SELECT pgmq.enable_notify_insert('notify_a'), pgmq.enable_notify_insert('notify_b');
TABLE triggers;

-- another interval
SELECT pgmq.update_notify_insert('NOTIFY_a', 1000);
SELECT pgmq.update_notify_insert('Notify_B', 0);
SELECT queue_name, throttle_interval_ms FROM pgmq.list_notify_insert_throttles();
-- a crash took the row, not the trigger: it is on
DELETE FROM pgmq.notify_insert_throttle WHERE queue_name = 'notify_a';
SELECT pgmq.update_notify_insert('notify_a', 77);
SELECT throttle_interval_ms FROM pgmq.list_notify_insert_throttles() WHERE queue_name = 'notify_a';

-- off, also when it is
SELECT pgmq.disable_notify_insert('NOTIFY_B');
SELECT pgmq.disable_notify_insert('notify_b');
SELECT pgmq.disable_notify_insert('nope');
SELECT "table" FROM triggers;
SELECT queue_name FROM pgmq.list_notify_insert_throttles();
SELECT outcome($$SELECT pgmq.update_notify_insert('notify_b', 1)$$);

-- an application's trigger of that name stays
CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER trigger_notify_queue_insert_listeners AFTER INSERT ON pgmq.q_notify_b FOR EACH ROW EXECUTE FUNCTION mine();
SELECT outcome($$SELECT pgmq.enable_notify_insert('notify_b')$$);
SELECT outcome($$SELECT pgmq.update_notify_insert('notify_b', 1)$$);
SELECT pgmq.disable_notify_insert('notify_b');
SELECT tgfoid::regproc FROM pg_trigger WHERE tgrelid = 'pgmq.q_notify_b'::regclass AND tgname LIKE 'trigger_notify%';
-- and may have the name of our function in another schema
CREATE FUNCTION notify_queue_listeners() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DROP FUNCTION mine CASCADE;
CREATE TRIGGER trigger_notify_queue_insert_listeners AFTER INSERT ON pgmq.q_notify_b FOR EACH ROW EXECUTE FUNCTION notify_queue_listeners('Notify_B');
SELECT outcome($$SELECT pgmq.enable_notify_insert('notify_b')$$);
DROP FUNCTION notify_queue_listeners CASCADE;

-- names that need quoting, in SQL and in the trigger's argument
SELECT pgmq.create('Not "i\fy"');
SELECT pgmq.enable_notify_insert('NOT "I\FY"');
SELECT pgmq.enable_notify_insert('Not "i\fy"');
SELECT tgnargs, encode(tgargs, 'escape') FROM pg_trigger WHERE tgrelid = 'pgmq."q_not ""i\fy"""'::regclass AND tgname LIKE 'trigger_notify%';
SELECT pgmq.send('Not "i\fy"', '{}');
SELECT pgmq.disable_notify_insert('not "i\fy"');
SELECT pgmq.drop_queue('not "i\fy"');
-- the longest name still is a channel
SELECT pgmq.create(repeat('n', 47));
SELECT pgmq.enable_notify_insert(repeat('n', 47));
SELECT pgmq.send(repeat('n', 47), '{}');
SELECT pgmq.drop_queue(repeat('n', 47));

-- a name that is too long to be a channel: PGMQ counted characters
INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES (repeat('n', 50), false, false);
SELECT format('CREATE TABLE pgmq.%I (LIKE pgmq.q_notify_a INCLUDING ALL)', 'q_' || repeat('n', 50)) \gexec
SELECT outcome(format('SELECT pgmq.enable_notify_insert(%L)', repeat('n', 50)));
SELECT format('CREATE TRIGGER t AFTER INSERT ON pgmq.%I FOR EACH ROW EXECUTE FUNCTION pgmq.notify_queue_listeners()', 'q_' || repeat('n', 50)) \gexec
SELECT pgmq.send_batch(repeat('n', 50), ARRAY['{}', '{}']::jsonb[]);
SELECT format('DROP TABLE pgmq.%I', 'q_' || repeat('n', 50)) \gexec
DELETE FROM pgmq.meta WHERE queue_name = repeat('n', 50);

-- the trigger function does nothing else
CREATE TRIGGER before BEFORE INSERT ON pgmq.q_notify_b FOR EACH ROW EXECUTE FUNCTION pgmq.notify_queue_listeners();
SELECT outcome($$SELECT pgmq.send('notify_b', '{}')$$);
DROP TRIGGER before ON pgmq.q_notify_b;
CREATE TRIGGER after AFTER UPDATE ON pgmq.q_notify_b FOR EACH ROW EXECUTE FUNCTION pgmq.notify_queue_listeners();
SELECT outcome($$SELECT pgmq.send('notify_b', '{}')$$);
SELECT outcome($$SELECT pgmq.set_vt('notify_b', 2, 0)$$);
DROP TRIGGER after ON pgmq.q_notify_b;
SELECT outcome($$SELECT pgmq.notify_queue_listeners()$$);

-- a role that may not change the table may not turn it on or off
CREATE ROLE regress_notify;
GRANT USAGE ON SCHEMA pgmq TO regress_notify;
GRANT ALL ON pgmq.notify_insert_throttle, pgmq.meta TO regress_notify;
SET ROLE regress_notify;
SELECT outcome($$SELECT pgmq.enable_notify_insert('notify_b')$$);
-- the server calls it a relation or a table, by version
SELECT left(outcome($$SELECT pgmq.disable_notify_insert('notify_a')$$), 5) AS sqlstate;
RESET ROLE;
TABLE triggers;
DROP OWNED BY regress_notify;
DROP ROLE regress_notify;

-- a read-only transaction
BEGIN READ ONLY;
SELECT pgmq.enable_notify_insert('notify_a');
ROLLBACK;

-- a hostile search_path changes nothing
CREATE SCHEMA notify_hostile;
CREATE FUNCTION notify_hostile.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'hostile' $$;
CREATE FUNCTION notify_hostile.lie(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR notify_hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = notify_hostile.lie);
SET search_path = notify_hostile, pg_catalog;
SELECT pgmq.enable_notify_insert('NOTIFY_b', 9);
SELECT pgmq.send('notify_b', '{}');
SELECT pgmq.disable_notify_insert('notify_a');
SELECT queue_name, throttle_interval_ms FROM pgmq.list_notify_insert_throttles();
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA notify_hostile CASCADE;

-- all goes with the queue
SELECT pgmq.drop_queue('notify_a'), pgmq.drop_queue('notify_b');
SELECT count(*) FROM pgmq.list_notify_insert_throttles();
DROP VIEW triggers;
DROP FUNCTION outcome;
