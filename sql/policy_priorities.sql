-- policy_priorities: which message is read next, by its header x-pgmq-priority
SET timezone = 'UTC';
SELECT pgmq.create('prio');

-- Without the policy there is a warning, and no order but that of the ids.
SELECT pgmq.send('prio', '"early"', '{"x-pgmq-priority": 3}'::jsonb);
SELECT pgmq.send('prio', '"early"', '{"x-pgmq-priority": 4}'::jsonb);
SELECT msg_id, headers FROM pgmq.read('prio', 0, 10);

-- With it, messages that were there before count as well.
SELECT pgmq.set_policy('prio', '{"priorities": true}');
SELECT count(*) FROM pgmq.send_batch('prio', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-priority', i % 10) FROM generate_series(1, 20) i));
SELECT msg_id, headers -> 'x-pgmq-priority' AS priority FROM pgmq.read('prio', 100, 5);
SELECT msg_id, headers -> 'x-pgmq-priority' AS priority FROM pgmq.pop('prio', 2);
SELECT msg_id, headers -> 'x-pgmq-priority' AS priority FROM pgmq.read('prio', 0, 100);
-- one that comes late is next
SELECT pgmq.send('prio', '"late"', '{"x-pgmq-priority": 9}'::jsonb);
SELECT msg_id, message FROM pgmq.read('prio', 100, 2);
-- and one with the lowest is last, as one without the header is
SELECT pgmq.send('prio', '"last"', '{"x-pgmq-priority": 0}'::jsonb);
SELECT pgmq.send('prio', '"none"', '{"a": 1}'::jsonb);
SELECT pgmq.send('prio', '"none"');
SELECT msg_id, message FROM pgmq.read('prio', 100, 100) OFFSET 14;
SELECT count(*) FROM pgmq.read('prio', 100, 100);

-- A send refuses what is no priority, and sends nothing of its batch.
\set VERBOSITY sqlstate
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": 10}'::jsonb);
\set VERBOSITY default
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": -1}'::jsonb);
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": 1.5}'::jsonb);
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": 1e400}'::jsonb);
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": "5"}'::jsonb);
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": null}'::jsonb);
SELECT pgmq.send('prio', '1', '{"x-pgmq-priority": [1]}'::jsonb);
SELECT pgmq.send_batch('prio', '{1,2}'::jsonb[], ARRAY['{"x-pgmq-priority": 1}', '{"x-pgmq-priority": true}']::jsonb[]);
SELECT pgmq.bind_topic('prio.#', 'prio');
SELECT pgmq.send_topic('prio.x', '1', '{"x-pgmq-priority": 11}'::jsonb, 0);
SELECT pgmq.unbind_topic('prio.#', 'prio');
SELECT pgmq.send('prio', '1.0', '{"x-pgmq-priority": 1.0}'::jsonb) > 0 AS sent, pgmq.send('prio', '"array"', '[1]'::jsonb) > 0 AS sent;
SELECT message, headers FROM pgmq.pop('prio', 5);
SELECT pgmq.purge_queue('prio') > 0 AS purged;

-- A row that comes by other ways has the priority that its number is nearest to, or 0.
INSERT INTO pgmq.q_prio (message, headers) SELECT to_jsonb(v), jsonb_build_object('x-pgmq-priority', v) FROM
	unnest(ARRAY['-5', '0.5', '1.5', '8.99', '9.5', '100', '1e20', '"9"', 'null', '[9]', '{"a": 9}', 'true']::jsonb[]) v;
INSERT INTO pgmq.q_prio (message, headers) VALUES ('"scalar"', '9'), ('"array"', '["x-pgmq-priority", 9]'), ('"null"', NULL),
	('"deep"', '{"a": {"x-pgmq-priority": 9}}');
COPY pgmq.q_prio (message, headers) FROM stdin;
"copied"	{"x-pgmq-priority": 8}
\.
SELECT message FROM pgmq.read('prio', 0, 100);
-- and an update of its headers is as good as another message
SELECT msg_id AS top FROM pgmq.read('prio', 0, 1) \gset
UPDATE pgmq.q_prio SET headers = '{"x-pgmq-priority": 2}' WHERE msg_id = :top;
UPDATE pgmq.q_prio SET headers = '{"x-pgmq-priority": 9}' WHERE message = '"scalar"';
SELECT message FROM pgmq.read('prio', 0, 5);
-- also while it is leased or delayed: it has its new priority when that has ended
SELECT message FROM pgmq.read('prio', 100, 2);
UPDATE pgmq.q_prio SET headers = '{"x-pgmq-priority": 3}' WHERE message = '"scalar"';
UPDATE pgmq.q_prio SET headers = '{"x-pgmq-priority": 7}' WHERE message = '"deep"';
SELECT message FROM pgmq.read('prio', 100, 3);
SELECT message FROM pgmq.set_vt('prio', (SELECT msg_id FROM pgmq.q_prio WHERE message = '"scalar"'), 0);
SELECT message FROM pgmq.set_vt('prio', (SELECT msg_id FROM pgmq.q_prio WHERE message = '"deep"'), 0);
SELECT message FROM pgmq.read('prio', 100, 4);
SELECT pgmq.purge_queue('prio') > 0 AS purged;

-- Ids that do not fit into a key are found, in no promised order.
INSERT INTO pgmq.q_prio (msg_id, message, headers) OVERRIDING SYSTEM VALUE
	SELECT i, to_jsonb(i::text), '{"x-pgmq-priority": 1}' FROM unnest(ARRAY[-9223372036854775808, -1, 0, 1125899906842623, 1125899906842624, 9223372036854775807]) i;
SELECT msg_id FROM pgmq.read('prio', 100, 4) ORDER BY msg_id;
SELECT msg_id FROM pgmq.read('prio', 100, 1);
SELECT msg_id FROM pgmq.read('prio', 100, 100) ORDER BY msg_id;
SELECT count(*) FROM pgmq.read('prio', 100, 100);
SELECT pgmq.purge_queue('prio') > 0 AS purged;

-- Delays, leases that end, and messages that are given back.
SELECT count(*) FROM pgmq.send_batch('prio', '{1,2,3,4}'::jsonb[],
	ARRAY['{}', '{"x-pgmq-priority": 1}', '{"x-pgmq-priority": 2}', '{"x-pgmq-priority": 3}']::jsonb[]);
SELECT pgmq.send('prio', '5', '{"x-pgmq-priority": 9}'::jsonb, 100) > 0 AS sent;
SELECT message FROM pgmq.read('prio', 100, 1);
SELECT message FROM pgmq.read('prio', 100, 1);
SELECT pgmq.release('prio', (SELECT msg_id FROM pgmq.q_prio WHERE message = '4'));
SELECT message FROM pgmq.set_vt('prio', (SELECT msg_id FROM pgmq.q_prio WHERE message = '5'), 0);
SELECT message FROM pgmq.read('prio', 100, 3);
SELECT pgmq.nack('prio', (SELECT msg_id FROM pgmq.q_prio WHERE message = '3'), 0, 1, 'failed');
SELECT message FROM pgmq.read('prio', 100, 3);
SELECT count(*) FROM pgmq.read('prio', 100, 3);
-- rolled back, to a savepoint or in full
BEGIN;
SELECT pgmq.send('prio', '6', '{"x-pgmq-priority": 5}'::jsonb) > 0 AS sent;
COMMIT;
SELECT pgmq.send('prio', '7', '{"x-pgmq-priority": 7}'::jsonb) > 0 AS sent;
BEGIN;
SAVEPOINT s;
SELECT message FROM pgmq.read('prio', 100, 1);
ROLLBACK TO s;
SELECT message FROM pgmq.read('prio', 100, 1);
ROLLBACK;
SELECT message FROM pgmq.read_with_poll('prio', 100, 5, 1);
-- others that wait, and several queues
SELECT pgmq.create('prio_other');
SELECT pgmq.send('prio_other', '"other"') > 0 AS sent;
SELECT count(*) FROM pgmq.send_batch('prio', '{1,2}'::jsonb[], ARRAY['{"x-pgmq-priority": 1}', '{"x-pgmq-priority": 2}']::jsonb[]);
SELECT queue_name, message FROM pgmq.read_any('{prio_other,prio}', 0, 10);
SELECT queue_name, message FROM pgmq.read_any('{prio,prio_other}', 0, 10, '{"order": "priority"}');
CALL pgmq.wait('prio', 0);
-- with a condition, in one snapshot, without the map, and of the transaction's own
SELECT message FROM pgmq.read('prio', 0, 10, '1');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT message FROM pgmq.read('prio', 0, 10);
COMMIT;
BEGIN;
SET LOCAL pgmq_c.due_map = off;
SELECT message FROM pgmq.read('prio', 0, 10);
COMMIT;
BEGIN;
SELECT pgmq.send('prio', '3', '{"x-pgmq-priority": 3}'::jsonb) > 0 AS sent;
SELECT message FROM pgmq.read('prio', 0, 10);
COMMIT;
SELECT message FROM pgmq.delete_and_read('prio', ARRAY[(SELECT max(msg_id) FROM pgmq.q_prio)], 0, 10);
SELECT queue_length, queue_visible_length FROM pgmq.metrics('prio');
SELECT pgmq.purge_queue('prio') > 0 AS purged;

-- Dead letters keep their priority, and come back with it.  Reads go on in order over the dead.
SELECT pgmq.set_policy('prio', '{"max_reads": 1, "dead_letter_queue": "prio_dead", "create_dead_letter_queue": true, "ttl_header": true}') IS NOT NULL AS set;
SELECT pgmq.set_policy('prio_dead', '{"priorities": true}');
SELECT count(*) FROM pgmq.send_batch('prio', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 30) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-priority', i % 3) FROM generate_series(1, 30) i));
SELECT count(*) FROM pgmq.read('prio', 0, 15);
SELECT message, headers -> 'x-pgmq-priority' AS priority FROM pgmq.read('prio', 100, 3);
SELECT message, headers -> 'x-pgmq-priority' AS priority FROM pgmq.pop('prio', 2);
SELECT count(*) FROM pgmq.q_prio_dead;
SELECT message, headers -> 'x-pgmq-priority' AS priority FROM pgmq.read('prio_dead', 0, 12) OFFSET 9;
SELECT pgmq.redrive('prio_dead', 100);
SELECT message, headers -> 'x-pgmq-priority' AS priority FROM pgmq.read('prio', 100, 3);
SELECT pgmq.set_policy('prio', '{"max_reads": null, "ttl_header": null}');
SELECT pgmq.purge_queue('prio') > 0 AS purged;

-- Reads by group do not ask for priorities: the order within a group wins.
SELECT count(*) FROM pgmq.send_batch('prio', '{1,2,3}'::jsonb[], ARRAY['{"x-pgmq-group": "a"}',
	'{"x-pgmq-group": "a", "x-pgmq-priority": 9}', '{"x-pgmq-group": "b", "x-pgmq-priority": 5}']::jsonb[]);
SELECT message FROM pgmq.read_grouped('prio', 0, 10);
SELECT message FROM pgmq.read_grouped_rr('prio', 0, 10);
SELECT message FROM pgmq.read_grouped_head('prio', 0, 10);
SELECT message FROM pgmq.read('prio', 0, 10);

-- All that it takes: a trigger with an argument, and an index, by which plans go.
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = 'pgmq.q_prio'::regclass;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'pgmq.q_prio'::regclass AND NOT indisprimary;
-- it is right without the index, which the policy makes again
DROP INDEX pgmq.q_prio_priority_idx;
SELECT message FROM pgmq.read('prio', 0, 10);
SELECT pgmq.set_policy('prio', '{"priorities": true}') IS NOT NULL AS set;
SELECT count(*) FROM pg_index WHERE indrelid = 'pgmq.q_prio'::regclass AND NOT indisprimary;
-- a name that is taken, and an index of the owner's own
SELECT pgmq.set_policy('prio', '{"priorities": null}') -> 'priorities' AS policy;
SELECT message FROM pgmq.read('prio', 0, 10);
SELECT count(*) FROM pg_index WHERE indrelid = 'pgmq.q_prio'::regclass AND NOT indisprimary;
CREATE TABLE pgmq.q_prio_priority_idx ();
SELECT pgmq.set_policy('prio', '{"priorities": true}') -> 'priorities' AS policy;
SELECT count(*) FROM pg_index WHERE indrelid = 'pgmq.q_prio'::regclass AND NOT indisprimary;
SELECT pgmq.set_policy('prio', '{"priorities": true}') -> 'priorities' AS policy;
SELECT count(*) FROM pg_index WHERE indrelid = 'pgmq.q_prio'::regclass AND NOT indisprimary;
DROP TABLE pgmq.q_prio_priority_idx;
-- on and off in one transaction, with reads between, committed and rolled back
BEGIN;
SELECT message FROM pgmq.read('prio', 0, 10);
SELECT pgmq.set_policy('prio', '{"priorities": false}') -> 'priorities' AS policy;
SELECT message FROM pgmq.read('prio', 0, 10);
SELECT pgmq.send('prio', '4', '{"x-pgmq-priority": 8}'::jsonb) > 0 AS sent;
SELECT pgmq.set_policy('prio', '{"priorities": true}') -> 'priorities' AS policy;
SELECT pgmq.send('prio', '5', '{"x-pgmq-priority": 7}'::jsonb) > 0 AS sent;
SELECT message FROM pgmq.read('prio', 0, 10);
COMMIT;
SELECT message FROM pgmq.read('prio', 0, 10);
BEGIN;
SELECT pgmq.set_policy('prio', '{"priorities": false}') -> 'priorities' AS policy;
SELECT message FROM pgmq.read('prio', 100, 10);
ROLLBACK;
SELECT message FROM pgmq.read('prio', 0, 10);
SELECT pgmq.set_policy('prio', '{"priorities": 1}');
-- only the owner
CREATE ROLE regress_prio;
GRANT USAGE ON SCHEMA pgmq TO regress_prio;
SELECT pgmq.grant_queue('prio', 'regress_prio', 'send', 'read');
SET ROLE regress_prio;
SELECT pgmq.set_policy('prio', '{"priorities": false}');
SELECT pgmq.send('prio', '6', '{"x-pgmq-priority": 9}'::jsonb) > 0 AS sent;
SELECT message FROM pgmq.read('prio', 0, 1);
RESET ROLE;
SELECT pgmq.revoke_queue('prio', 'regress_prio', 'send', 'read');
-- to wait for such a queue takes the right to see the headers
GRANT SELECT (msg_id, vt, tableoid, ctid) ON pgmq.q_prio TO regress_prio;
SET ROLE regress_prio;
CALL pgmq.wait('prio', 0);
RESET ROLE;
GRANT SELECT (headers) ON pgmq.q_prio TO regress_prio;
SET ROLE regress_prio;
CALL pgmq.wait('prio', 0);
RESET ROLE;
DROP OWNED BY regress_prio;
DROP ROLE regress_prio;

-- Other kinds of queues.
SELECT pgmq.create_unlogged('prio_unlogged');
SELECT pgmq.set_policy('prio_unlogged', '{"priorities": true}');
SELECT count(*) FROM pgmq.send_batch('prio_unlogged', '{1,2}'::jsonb[], ARRAY['{}', '{"x-pgmq-priority": 2}']::jsonb[]);
SELECT message FROM pgmq.read('prio_unlogged', 100, 10);
CREATE TABLE pgmq.q_prio_parts (msg_id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL, read_ct integer DEFAULT 0 NOT NULL,
	enqueued_at timestamptz DEFAULT now() NOT NULL, last_read_at timestamptz, vt timestamptz DEFAULT now() NOT NULL,
	message jsonb, headers jsonb, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
CREATE TABLE pgmq.q_prio_parts_1 PARTITION OF pgmq.q_prio_parts FOR VALUES FROM (1) TO (5);
CREATE TABLE pgmq.a_prio_parts (LIKE pgmq.q_prio_parts INCLUDING DEFAULTS, archived_at timestamptz DEFAULT now() NOT NULL, PRIMARY KEY (msg_id));
SELECT pgmq.adopt_queue('prio_parts');
SELECT pgmq.set_policy('prio_parts', '{"priorities": true}');
CREATE TABLE pgmq.q_prio_parts_2 PARTITION OF pgmq.q_prio_parts FOR VALUES FROM (5) TO (100);
SELECT count(*) FROM pgmq.send_batch('prio_parts', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 9) i),
	ARRAY(SELECT jsonb_build_object('x-pgmq-priority', i % 3) FROM generate_series(1, 9) i));
SELECT message FROM pgmq.read('prio_parts', 0, 4);
SELECT message FROM pgmq.read('prio_parts', 100, 100);
SELECT pgmq.set_policy('prio_parts', '{"priorities": false}');
SELECT count(*) FROM pg_index WHERE indrelid::regclass::text LIKE 'pgmq.q_prio_parts%' AND NOT indisprimary;
SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'pgmq.q_prio_parts%' AND (tgnargs > 0 OR tgenabled <> 'A');

SELECT queue_name, net_finds FROM pgmq.engine_status() WHERE queue_name LIKE 'prio%' AND net_finds > 0;
SELECT pgmq.drop_queue(q) FROM unnest('{prio,prio_other,prio_dead,prio_unlogged,prio_parts}'::text[]) q;
