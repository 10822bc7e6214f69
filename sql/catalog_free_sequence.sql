-- catalog_free_sequence: ids from a sequence that the queue's table does not own, as
-- it is after a tool took the queue apart for a backup
CREATE FUNCTION pg_temp.set_free(queue text, sequence text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE pgmq.%I ALTER msg_id DROP IDENTITY', 'q_' || queue);
	EXECUTE format('CREATE SEQUENCE IF NOT EXISTS %s', sequence);
	EXECUTE format('ALTER TABLE pgmq.%I ALTER msg_id SET DEFAULT nextval(%L)', 'q_' || queue, sequence);
END
$$;
CREATE ROLE regress_pgmq_fs;

SET client_min_messages = warning;
SELECT pgmq.create('fs');
SELECT pg_temp.set_free('fs', 'pgmq.q_fs_msg_id_seq');
SELECT pg_get_serial_sequence('pgmq.q_fs', 'msg_id');
SELECT pgmq.send_batch('fs', '{1,2,3}'::jsonb[]);

-- counted, and granted
SELECT queue_length, total_messages FROM pgmq.metrics('fs');
SELECT queue_length, total_messages FROM pgmq.metrics_all() WHERE queue_name = 'fs';
SELECT pgmq.grant_queue('fs', 'regress_pgmq_fs', 'inspect');
SELECT has_sequence_privilege('regress_pgmq_fs', 'pgmq.q_fs_msg_id_seq', 'SELECT');
SELECT pgmq.revoke_queue('fs', 'regress_pgmq_fs', 'inspect');
SELECT has_sequence_privilege('regress_pgmq_fs', 'pgmq.q_fs_msg_id_seq', 'SELECT');

-- dropped with the queue, and made again with it
SELECT pgmq.drop_queue('fs');
SELECT to_regclass('pgmq.q_fs_msg_id_seq');
SELECT pgmq.create('fs');
SELECT pgmq.send('fs', '1');
SELECT pg_get_serial_sequence('pgmq.q_fs', 'msg_id');

-- convert_queue ties the two together again, and does to it what create does
SELECT pg_temp.set_free('fs', 'pgmq.q_fs_msg_id_seq');
SELECT setval('pgmq.q_fs_msg_id_seq', 100);
SELECT pgmq.convert_queue('fs');
SELECT pgmq.convert_queue('fs');
SELECT pg_get_serial_sequence('pgmq.q_fs', 'msg_id'), has_sequence_privilege('pg_monitor', 'pgmq.q_fs_msg_id_seq', 'SELECT');
SELECT pgmq.send('fs', '1');
SELECT total_messages FROM pgmq.metrics('fs');
SELECT pgmq.drop_queue('fs');
SELECT to_regclass('pgmq.q_fs_msg_id_seq');

-- Where another object needs it, it stays, and create takes another name.
SELECT pgmq.create('fs');
SELECT pg_temp.set_free('fs', 'pgmq.q_fs_msg_id_seq');
CREATE TABLE fs_other (id bigint DEFAULT nextval('pgmq.q_fs_msg_id_seq'));
SELECT pgmq.drop_queue('fs');
INSERT INTO fs_other DEFAULT VALUES RETURNING id;
SELECT pgmq.create('fs');
SELECT pg_get_serial_sequence('pgmq.q_fs', 'msg_id');
SELECT pgmq.send('fs', '1');
SELECT pgmq.drop_queue('fs');
DROP TABLE fs_other;
-- one that belongs to another table's column
CREATE TABLE fs_other (id bigint);
SELECT pgmq.create('fs');
SELECT pg_temp.set_free('fs', 'pgmq.q_fs_msg_id_seq');
ALTER SEQUENCE pgmq.q_fs_msg_id_seq OWNER TO CURRENT_USER;
ALTER TABLE fs_other SET SCHEMA pgmq;
ALTER SEQUENCE pgmq.q_fs_msg_id_seq OWNED BY pgmq.fs_other.id;
SELECT pgmq.convert_queue('fs');
SELECT pgmq.send('fs', '1');
SELECT total_messages FROM pgmq.metrics('fs');
SELECT pgmq.drop_queue('fs');
SELECT to_regclass('pgmq.q_fs_msg_id_seq');
DROP TABLE pgmq.fs_other;

-- A sequence that was not made for the queue is used for counting, and stays.
CREATE SEQUENCE fs_common START 40;
SELECT pgmq.create('fs');
SELECT pg_temp.set_free('fs', 'fs_common');
SELECT pgmq.send('fs', '1');
SELECT total_messages FROM pgmq.metrics('fs');
SELECT pgmq.convert_queue('fs');
SELECT pgmq.drop_queue('fs');
SELECT to_regclass('fs_common');
-- one that another role owns needs a right to read it, even under the queue's name
SELECT pgmq.create('fs');
SELECT pg_temp.set_free('fs', 'pgmq.q_fs_msg_id_seq');
GRANT CREATE ON SCHEMA pgmq TO regress_pgmq_fs;
ALTER TABLE pgmq.q_fs OWNER TO regress_pgmq_fs;
SET ROLE regress_pgmq_fs;
SELECT total_messages FROM pgmq.metrics('fs');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT total_messages FROM pgmq.metrics('fs');
SELECT pgmq.convert_queue('fs');
SELECT pgmq.drop_queue('fs');
SELECT to_regclass('pgmq.q_fs_msg_id_seq');

DROP SEQUENCE fs_common, pgmq.q_fs_msg_id_seq;
REVOKE CREATE ON SCHEMA pgmq FROM regress_pgmq_fs;
DROP OWNED BY regress_pgmq_fs;
DROP ROLE regress_pgmq_fs;
