-- policy_idtable_index: the tables of deduplication ids may have indexes that run no code of users
\set VERBOSITY terse
CREATE FUNCTION id_send(id text) RETURNS bigint LANGUAGE sql AS
	$$ SELECT pgmq.send('rx', '1', jsonb_build_object('x-pgmq-dedup-id', id)) $$;
SELECT pgmq.create('rx');
SELECT pgmq.set_policy('rx', '{"dedup_window": 3600}');
SELECT id_send('a');
REINDEX TABLE CONCURRENTLY pgmq.d0_rx;
SELECT id_send('a'), id_send('b');
-- as one that was canceled leaves it
CREATE INDEX d0_rx_pkey_ccnew ON pgmq.d0_rx (dedup_id);
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'pgmq.d0_rx_pkey_ccnew'::regclass;
SELECT id_send('a'), id_send('b'), id_send('c');
CREATE INDEX ON pgmq.d0_rx (sent_at, msg_id) INCLUDE (dedup_id);
SELECT id_send('a'), id_send('b'), id_send('d');
DROP INDEX pgmq.d0_rx_pkey_ccnew;
-- others are refused
CREATE INDEX d0_rx_other ON pgmq.d0_rx (dedup_id text_pattern_ops);
SELECT id_send('e');
DROP INDEX pgmq.d0_rx_other;
CREATE INDEX d0_rx_other ON pgmq.d0_rx (dedup_id COLLATE "POSIX");
SELECT id_send('e');
DROP INDEX pgmq.d0_rx_other;
CREATE INDEX d0_rx_other ON pgmq.d0_rx USING hash (dedup_id);
SELECT id_send('e');
DROP INDEX pgmq.d0_rx_other;
CREATE INDEX d0_rx_other ON pgmq.d0_rx (upper(dedup_id));
SELECT id_send('e');
DROP INDEX pgmq.d0_rx_other;
CREATE INDEX d0_rx_other ON pgmq.d0_rx (msg_id) WHERE msg_id > 0;
SELECT id_send('e');
DROP INDEX pgmq.d0_rx_other;
ALTER TABLE pgmq.d0_rx DROP CONSTRAINT d0_rx_pkey;
SELECT id_send('e');
-- maintenance asks no view for its pages
DROP TABLE pgmq.d0_rx, pgmq.d1_rx, pgmq.d2_rx;
CREATE VIEW pgmq.d0_rx AS SELECT 1;
CREATE VIEW pgmq.d1_rx AS SELECT 1;
CREATE VIEW pgmq.d2_rx AS SELECT 1;
SET client_min_messages = error;
CALL pgmq.maintain();
RESET client_min_messages;
DROP VIEW pgmq.d0_rx, pgmq.d1_rx, pgmq.d2_rx;
SELECT pgmq.drop_queue('rx');
DROP FUNCTION id_send;
