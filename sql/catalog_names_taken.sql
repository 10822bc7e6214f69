-- catalog_names_taken: another relation has a name that the queue's sequence, keys or
-- indexes would get, as after its tables were renamed away
SELECT pgmq.create('nt');
SELECT pgmq.create_fifo_index('nt');
SELECT pgmq.send('nt', '"old"', headers => '{"x-pgmq-group": "g"}');
ALTER TABLE pgmq.q_nt RENAME TO q_nt_old;
ALTER TABLE pgmq.a_nt RENAME TO a_nt_old;

-- a queue of the same name
SELECT pgmq.create('nt');
SELECT pgmq.create_fifo_index('nt');
SELECT pgmq.create_fifo_index('nt');
SELECT pg_get_serial_sequence('pgmq.q_nt', 'msg_id'), pg_get_serial_sequence('pgmq.q_nt_old', 'msg_id');
SELECT indrelid::regclass AS tab, indexrelid::regclass AS index, pg_get_indexdef(indexrelid) AS def
FROM pg_index WHERE indrelid IN ('pgmq.q_nt'::regclass, 'pgmq.a_nt'::regclass) ORDER BY 1, 2;
SELECT has_sequence_privilege('pg_monitor', pg_get_serial_sequence('pgmq.q_nt', 'msg_id'), 'SELECT') AS monitored;
SELECT pgmq.send('nt', '"new"', headers => '{"x-pgmq-group": "g"}');
SELECT msg_id, message FROM pgmq.read_grouped('nt', 30, 5);
SELECT total_messages FROM pgmq.metrics('nt');
SELECT pgmq.archive('nt', 1);

-- the old one is a queue by its new name, with the index it has
SELECT pgmq.create('nt_old');
SELECT pgmq.create_fifo_index('nt_old');
SELECT msg_id, message FROM pgmq.read_grouped('nt_old', 30, 5);
SELECT pgmq.drop_queue('nt'), pgmq.drop_queue('nt_old');

-- unlogged: the sequence is not
SELECT pgmq.create_unlogged('nt');
ALTER TABLE pgmq.q_nt RENAME TO q_nt_old;
ALTER TABLE pgmq.a_nt RENAME TO a_nt_old;
SELECT pgmq.create_unlogged('nt');
SELECT relpersistence FROM pg_class WHERE oid = pg_get_serial_sequence('pgmq.q_nt', 'msg_id')::regclass;
DROP TABLE pgmq.q_nt_old, pgmq.a_nt_old;
-- only the archive is
ALTER TABLE pgmq.a_nt RENAME TO a_nt_old;
SELECT pgmq.create_unlogged('nt');
SELECT pgmq.send('nt', '1'), pgmq.archive('nt', 1);
SELECT pgmq.drop_queue('nt');
DROP TABLE pgmq.a_nt_old;

-- A FIFO index under another name counts, on a partitioned queue too; an index of another shape
-- does not.
SELECT pgmq.create('nt');
CREATE INDEX nt_partial ON pgmq.q_nt ((COALESCE(headers ->> 'x-pgmq-group', '_default_fifo_group') COLLATE "C"), msg_id) WHERE read_ct = 0;
CREATE INDEX nt_bytes ON pgmq.q_nt ((COALESCE(headers ->> 'x-pgmq-group', '_default_fifo_group')), msg_id);
CREATE INDEX q_nt_fifo_idx ON pgmq.q_nt (enqueued_at);
SELECT pgmq.create_fifo_index('nt');
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'pgmq.q_nt'::regclass ORDER BY indexrelid::regclass::text;
DROP INDEX pgmq.q_nt_coalesce_msg_id_idx;
CREATE INDEX nt_equal ON pgmq.q_nt ((COALESCE(headers ->> 'x-pgmq-group', '_default_fifo_group') COLLATE "C"), msg_id);
SELECT pgmq.create_fifo_index('nt');
-- whatever the path shadows
CREATE SCHEMA nt_evil;
CREATE OPERATOR nt_evil.->> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = jsonb_object_field_text);
SET search_path = nt_evil, pg_catalog;
SELECT pgmq.create_fifo_index('nt');
RESET search_path;
DROP SCHEMA nt_evil CASCADE;
-- one that CREATE INDEX CONCURRENTLY left behind is replaced
DROP INDEX pgmq.nt_equal, pgmq.q_nt_fifo_idx;
SELECT pgmq.create_fifo_index('nt');
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pgmq.q_nt_fifo_idx'::regclass;
SELECT pgmq.create_fifo_index('nt');
SELECT indisvalid FROM pg_index WHERE indexrelid = 'pgmq.q_nt_fifo_idx'::regclass;

-- convert_queue
ALTER TABLE pgmq.q_nt DROP CONSTRAINT q_nt_pkey;
CREATE TABLE pgmq.q_nt_pkey (a integer);
SELECT pgmq.convert_queue('nt');
SELECT pgmq.convert_queue('nt');
DROP TABLE pgmq.q_nt_pkey;
DROP INDEX pgmq.q_nt_fifo_idx;
CREATE INDEX q_nt_fifo_idx ON pgmq.q_nt USING gin (headers);
CREATE INDEX nt_equal ON pgmq.q_nt ((COALESCE(headers ->> 'x-pgmq-group', '_default_fifo_group') COLLATE "C"), msg_id);
SELECT pgmq.convert_queue('nt');
SELECT pgmq.convert_queue('nt');
SELECT pgmq.drop_queue('nt');
