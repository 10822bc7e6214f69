-- policy_redrive: messages that cannot go do not hold up others, and how much
-- it looks at
SELECT pgmq.create('rd_dead');
SELECT pgmq.create('rd_a');
SELECT pgmq.create('rd_b');
-- dead letters: message i is from where i says
CREATE FUNCTION rd_fill(VARIADIC whence text[]) RETURNS void LANGUAGE sql AS $$
	TRUNCATE pgmq.q_rd_dead, pgmq.q_rd_a, pgmq.q_rd_b RESTART IDENTITY;
	INSERT INTO pgmq.q_rd_dead (message, headers)
	SELECT to_jsonb(i), jsonb_build_object('x-pgmq-dead-letter', jsonb_build_object('queue', q)) FROM unnest(whence) WITH ORDINALITY AS f (q, i) $$;
CREATE VIEW rd AS
	SELECT 'dead' AS queue, jsonb_agg(message ORDER BY msg_id) AS messages FROM pgmq.q_rd_dead UNION ALL
	SELECT 'a', jsonb_agg(message ORDER BY msg_id) FROM pgmq.q_rd_a UNION ALL
	SELECT 'b', jsonb_agg(message ORDER BY msg_id) FROM pgmq.q_rd_b;
-- a queue that refuses some, and one that refuses all
ALTER TABLE pgmq.q_rd_a ADD CONSTRAINT rd_not CHECK (message NOT IN ('2', '5'));
SELECT rd_fill('rd_a', 'rd_a', 'rd_b', 'rd_a', 'rd_a', 'rd_a');
SELECT pgmq.redrive('rd_dead', 10);
SELECT * FROM rd;
ALTER TABLE pgmq.q_rd_a ADD CONSTRAINT rd_none CHECK (message IS NULL) NOT VALID;
SELECT rd_fill('rd_a', 'rd_b', 'rd_a', 'no such', 'rd_b', 'rd_dead', NULL);
SELECT pgmq.redrive('rd_dead', 10);
SELECT * FROM rd;
-- also where the caller names it
SELECT pgmq.redrive('rd_dead', 10, '{"to_queue": "rd_a"}');
SELECT * FROM rd;
ALTER TABLE pgmq.q_rd_a DROP CONSTRAINT rd_none;
SELECT pgmq.redrive('rd_dead', 10, '{"to_queue": "rd_a"}');
SELECT * FROM rd;
ALTER TABLE pgmq.q_rd_a DROP CONSTRAINT rd_not;
-- a trigger that swallows one, and one that raises
CREATE FUNCTION rd_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.message = '1' THEN RETURN NULL; ELSIF NEW.message = '2' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON pgmq.q_rd_a FOR EACH ROW EXECUTE FUNCTION rd_trigger();
SELECT rd_fill('rd_a', 'rd_a', 'rd_a', 'rd_b');
SELECT pgmq.redrive('rd_dead', 10);
SELECT * FROM rd;
DROP TRIGGER t ON pgmq.q_rd_a;
-- headers of a forger: a queue that the caller may not send to stays, and is not even locked
CREATE ROLE regress_pgmq_redriver;
GRANT USAGE ON SCHEMA pgmq TO regress_pgmq_redriver;
GRANT SELECT, UPDATE, DELETE ON pgmq.q_rd_dead TO regress_pgmq_redriver;
GRANT INSERT ON pgmq.q_rd_a TO regress_pgmq_redriver;
SELECT rd_fill('rd_b', 'rd_a', repeat('x', 70), 'meta', '../x', 'rd_a');
UPDATE pgmq.q_rd_dead SET headers = '{"x-pgmq-dead-letter": {"queue": {"a": 1}}}' WHERE message = '4';
UPDATE pgmq.q_rd_dead SET headers = '["x-pgmq-dead-letter"]' WHERE message = '5';
BEGIN;
SET ROLE regress_pgmq_redriver;
SELECT pgmq.redrive('rd_dead', 10);
RESET ROLE;
SELECT count(*) FROM pg_locks WHERE relation = 'pgmq.q_rd_b'::regclass AND pid = pg_backend_pid();
COMMIT;
SELECT * FROM rd;
-- qty bounds what is locked: those that can go, and no other
SELECT rd_fill('no such', 'rd_a', 'rd_a', 'rd_a');
BEGIN;
SELECT pgmq.redrive('rd_dead', 2);
SELECT message, xmax <> 0 AS locked FROM pgmq.q_rd_dead ORDER BY msg_id;
COMMIT;
-- and how many it looks at: qty, and a thousand that cannot go
SELECT rd_fill(VARIADIC array_fill(NULL::text, ARRAY[5000]) || 'rd_a'::text);
BEGIN;
SELECT pgmq.redrive('rd_dead', 1);
SELECT count(*) FROM pgmq.q_rd_dead WHERE xmax <> 0;
COMMIT;
SELECT pgmq.redrive('rd_dead', 4000);
SELECT pgmq.redrive('rd_dead', 4001);
SELECT pgmq.redrive('rd_dead', 2147483647);
-- the halving ends; what comes behind still goes
ALTER TABLE pgmq.q_rd_a ADD CONSTRAINT rd_none CHECK (message IS NULL) NOT VALID;
SELECT rd_fill(VARIADIC array_fill('rd_a'::text, ARRAY[2500]) || 'rd_b'::text);
SELECT pgmq.redrive('rd_dead', 3000);
SELECT jsonb_array_length(messages), queue FROM rd;
DROP VIEW rd;
DROP FUNCTION rd_fill(text[]), rd_trigger();
SELECT pgmq.drop_queue('rd_dead'), pgmq.drop_queue('rd_a'), pgmq.drop_queue('rd_b');
DROP OWNED BY regress_pgmq_redriver;
DROP ROLE regress_pgmq_redriver;
