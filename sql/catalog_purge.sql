-- catalog_purge: all messages of a queue at once
SELECT pgmq.create('purge');
SELECT pgmq.create_unlogged('purge_un');
SELECT pgmq.purge_queue('purge');
SELECT count(*) FROM pgmq.send_batch('purge', array_fill('{}'::jsonb, ARRAY[1000]));
SELECT count(*) FROM pgmq.send_batch('purge', array_fill('{}'::jsonb, ARRAY[10]), 3600);
SELECT count(*) FROM pgmq.read('purge', 3600, 5);
SELECT pgmq.archive('purge', 1);

-- hidden, leased and readable ones; the archive stays
SELECT pgmq.purge_queue('purge');
SELECT (SELECT count(*) FROM pgmq.q_purge) AS queue, (SELECT count(*) FROM pgmq.a_purge) AS archive;
SELECT pg_typeof(pgmq.purge_queue('purge'));
-- ids go on
SELECT pgmq.send('purge', '{}');
SELECT pgmq.purge_queue('purge_un'), pgmq.send('purge_un', '{}'), pgmq.purge_queue('purge_un');

-- a rollback undoes it
BEGIN;
SELECT pgmq.purge_queue('purge');
ROLLBACK;
SELECT msg_id FROM pgmq.q_purge;

-- statement triggers on TRUNCATE fire; a foreign key forbids
CREATE FUNCTION purge_trigger() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN RAISE NOTICE ''% %'', TG_OP, TG_TABLE_NAME; RETURN NULL; END';
CREATE TRIGGER t BEFORE TRUNCATE ON pgmq.q_purge EXECUTE FUNCTION purge_trigger();
SELECT pgmq.purge_queue('purge');
CREATE TABLE purge_fk (msg_id bigint REFERENCES pgmq.q_purge);
SELECT pgmq.purge_queue('purge');
DROP TABLE purge_fk;

-- partitions, made by hand
CREATE TABLE pgmq.q_purge_part (LIKE pgmq.q_purge INCLUDING DEFAULTS, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
ALTER TABLE pgmq.q_purge_part ALTER msg_id SET DEFAULT 0;
CREATE TABLE pgmq.a_purge_part (LIKE pgmq.a_purge INCLUDING ALL);
CREATE TABLE pgmq.q_purge_part_p0 PARTITION OF pgmq.q_purge_part FOR VALUES FROM (0) TO (10);
CREATE TABLE pgmq.q_purge_part_p1 PARTITION OF pgmq.q_purge_part FOR VALUES FROM (10) TO (20);
SELECT pgmq.create('purge_part');
INSERT INTO pgmq.q_purge_part (msg_id) VALUES (1), (2), (11);
SELECT pgmq.purge_queue('purge_part_p0');
SELECT pgmq.purge_queue('purge_part');
SELECT pgmq.purge_queue('purge_part');
SELECT pgmq.drop_queue('purge_part_p0');
SELECT pgmq.drop_queue('purge_part');

SELECT pgmq.purge_queue('purge_none');
SELECT pgmq.purge_queue(NULL);
SELECT pgmq.drop_queue('purge'), pgmq.drop_queue('purge_un');
DROP FUNCTION purge_trigger;
