-- install: the members of the extension; PGMQ's functions are all there under
-- their exact signatures
\pset format unaligned
\pset tuples_only on

-- Members, without what the server makes for each type or table.
SELECT pg_describe_object(classid, objid, objsubid)
FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgmq_c')
	AND NOT (classid = 'pg_type'::regclass AND EXISTS (
		SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
		WHERE t.oid = d.objid AND (t.typcategory = 'A' OR c.relkind <> 'c')))
ORDER BY pg_describe_object(classid, objid, objsubid) COLLATE "C";

-- Functions: all run by their caller's rights, and none in parallel.
SELECT format('%s(%s) -> %s%s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid),
	CASE provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE '' END)
FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace
ORDER BY proname COLLATE "C", pg_get_function_arguments(oid) COLLATE "C";
SELECT proname FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace
	AND (prosecdef OR proisstrict OR proparallel <> 'u' OR proleakproof OR proconfig IS NOT NULL OR prokind <> 'f'
		OR (proretset AND prorows <> 1000) OR proacl IS NOT NULL)
ORDER BY proname COLLATE "C";

-- Types and tables, column by column.
SELECT format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
	|| CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
	|| coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('c', 'r') AND a.attnum > 0
ORDER BY c.relkind, c.relname COLLATE "C", a.attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'pgmq'::regnamespace ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'pgmq'::regnamespace AND contype IN ('f', 'u', 'c') ORDER BY conname COLLATE "C";

-- Everything is described.
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgmq_c')
	AND classid = 'pg_proc'::regclass AND obj_description(objid, classid::regclass::name) IS NULL;

-- The tables that monitoring may read.
SELECT relname || ' ' || has_table_privilege('pg_monitor', oid, 'SELECT')::text
FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace AND relkind = 'r' ORDER BY 1;
SELECT defaclacl FROM pg_default_acl WHERE defaclnamespace = 'pgmq'::regnamespace;

-- PGMQ's 76 functions.  None may be missing or different.
CREATE TEMP TABLE api (name text, args text, result text, volatility text DEFAULT 'v');
INSERT INTO api (name, args, result) VALUES
	-- send
	('send', 'queue_name text, msg jsonb', 'SETOF bigint'),
	('send', 'queue_name text, msg jsonb, headers jsonb', 'SETOF bigint'),
	('send', 'queue_name text, msg jsonb, delay integer', 'SETOF bigint'),
	('send', 'queue_name text, msg jsonb, delay timestamptz', 'SETOF bigint'),
	('send', 'queue_name text, msg jsonb, headers jsonb, delay integer', 'SETOF bigint'),
	('send', 'queue_name text, msg jsonb, headers jsonb, delay timestamptz', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[]', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[], headers jsonb[]', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[], delay integer', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[], delay timestamptz', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[], headers jsonb[], delay integer', 'SETOF bigint'),
	('send_batch', 'queue_name text, msgs jsonb[], headers jsonb[], delay timestamptz', 'SETOF bigint'),
	('_validate_batch_params', 'msgs jsonb[], headers jsonb[]', 'void'),
	('_send_batch', 'queue_name text, msgs jsonb[], headers jsonb[], delay timestamptz', 'SETOF bigint'),
	-- read
	('read', 'queue_name text, vt integer, qty integer, conditional jsonb DEFAULT ''{}''::jsonb', 'SETOF pgmq.message_record'),
	('read_with_poll', 'queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, conditional jsonb DEFAULT ''{}''::jsonb', 'SETOF pgmq.message_record'),
	('read_grouped', 'queue_name text, vt integer, qty integer', 'SETOF pgmq.message_record'),
	('read_grouped_with_poll', 'queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100', 'SETOF pgmq.message_record'),
	('read_grouped_rr', 'queue_name text, vt integer, qty integer', 'SETOF pgmq.message_record'),
	('read_grouped_rr_with_poll', 'queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100', 'SETOF pgmq.message_record'),
	('read_grouped_head', 'queue_name text, vt integer, qty integer', 'SETOF pgmq.message_record'),
	('read_grouped_head_with_poll', 'queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100', 'SETOF pgmq.message_record'),
	('pop', 'queue_name text, qty integer DEFAULT 1', 'SETOF pgmq.message_record'),
	-- acknowledge
	('delete', 'queue_name text, msg_id bigint', 'boolean'),
	('delete', 'queue_name text, msg_ids bigint[]', 'SETOF bigint'),
	('archive', 'queue_name text, msg_id bigint', 'boolean'),
	('archive', 'queue_name text, msg_ids bigint[]', 'SETOF bigint'),
	('set_vt', 'queue_name text, msg_id bigint, vt timestamptz', 'SETOF pgmq.message_record'),
	('set_vt', 'queue_name text, msg_id bigint, vt integer', 'SETOF pgmq.message_record'),
	('set_vt', 'queue_name text, msg_ids bigint[], vt timestamptz', 'SETOF pgmq.message_record'),
	('set_vt', 'queue_name text, msg_ids bigint[], vt integer', 'SETOF pgmq.message_record'),
	-- manage
	('create', 'queue_name text', 'void'),
	('create_non_partitioned', 'queue_name text', 'void'),
	('create_unlogged', 'queue_name text', 'void'),
	('create_partitioned', 'queue_name text, partition_interval text DEFAULT ''10000''::text, retention_interval text DEFAULT ''100000''::text, premake integer DEFAULT 4', 'void'),
	('drop_queue', 'queue_name text', 'boolean'),
	('drop_queue', 'queue_name text, partitioned boolean', 'boolean'),
	('purge_queue', 'queue_name text', 'bigint'),
	('detach_archive', 'queue_name text', 'void'),
	('convert_archive_partitioned', 'table_name text, partition_interval text DEFAULT ''10000''::text, retention_interval text DEFAULT ''100000''::text, leading_partition integer DEFAULT 10', 'void'),
	('list_queues', '', 'SETOF pgmq.queue_record'),
	('metrics', 'queue_name text', 'pgmq.metrics_result'),
	('metrics_all', '', 'SETOF pgmq.metrics_result'),
	('create_fifo_index', 'queue_name text', 'void'),
	('create_fifo_indexes_all', '', 'void'),
	-- notify
	('enable_notify_insert', 'queue_name text, throttle_interval_ms integer DEFAULT 250', 'void'),
	('disable_notify_insert', 'queue_name text', 'void'),
	('update_notify_insert', 'queue_name text, throttle_interval_ms integer', 'void'),
	('notify_queue_listeners', '', 'trigger'),
	-- topics
	('bind_topic', 'pattern text, queue_name text', 'void'),
	('unbind_topic', 'pattern text, queue_name text', 'boolean'),
	('send_topic', 'routing_key text, msg jsonb, headers jsonb, delay integer', 'integer'),
	('send_topic', 'routing_key text, msg jsonb', 'integer'),
	('send_topic', 'routing_key text, msg jsonb, delay integer', 'integer'),
	('send_batch_topic', 'routing_key text, msgs jsonb[]', 'TABLE(queue_name text, msg_id bigint)'),
	('send_batch_topic', 'routing_key text, msgs jsonb[], headers jsonb[]', 'TABLE(queue_name text, msg_id bigint)'),
	('send_batch_topic', 'routing_key text, msgs jsonb[], delay integer', 'TABLE(queue_name text, msg_id bigint)'),
	('send_batch_topic', 'routing_key text, msgs jsonb[], delay timestamptz', 'TABLE(queue_name text, msg_id bigint)'),
	('send_batch_topic', 'routing_key text, msgs jsonb[], headers jsonb[], delay integer', 'TABLE(queue_name text, msg_id bigint)'),
	('send_batch_topic', 'routing_key text, msgs jsonb[], headers jsonb[], delay timestamptz', 'TABLE(queue_name text, msg_id bigint)'),
	-- helpers
	('format_table_name', 'queue_name text, prefix text', 'text'),
	('validate_queue_name', 'queue_name text', 'void'),
	('acquire_queue_lock', 'queue_name text', 'void'),
	('_belongs_to_pgmq', 'table_name text', 'boolean'),
	('_get_partition_col', 'partition_interval text', 'text'),
	('_extension_exists', 'extension_name text', 'boolean'),
	('_ensure_pg_partman_installed', '', 'void'),
	('_get_pg_partman_schema', '', 'text'),
	('_get_pg_partman_major_version', '', 'integer'),
	('_create_fifo_index_if_not_exists', 'queue_name text', 'void');
INSERT INTO api (name, args, result, volatility) VALUES
	('list_notify_insert_throttles', '', 'TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamptz)', 's'),
	('test_routing', 'routing_key text', 'TABLE(pattern text, queue_name text, compiled_regex text)', 's'),
	('list_topic_bindings', '', 'TABLE(pattern text, queue_name text, bound_at timestamptz, compiled_regex text)', 's'),
	('list_topic_bindings', 'queue_name text', 'TABLE(pattern text, queue_name text, bound_at timestamptz, compiled_regex text)', 's'),
	('validate_routing_key', 'routing_key text', 'boolean', 'i'),
	('validate_topic_pattern', 'pattern text', 'boolean', 'i');
SELECT count(*) FROM api;
UPDATE api SET args = replace(args, 'timestamptz', 'timestamp with time zone'),
	result = replace(result, 'timestamptz', 'timestamp with time zone');
SELECT a.* FROM api a WHERE NOT EXISTS (
	SELECT FROM pg_proc p WHERE p.pronamespace = 'pgmq'::regnamespace AND p.proname = a.name
		AND pg_get_function_arguments(p.oid) = a.args AND pg_get_function_result(p.oid) = a.result
		AND p.provolatile = a.volatility);
-- what there is besides
SELECT format('%s(%s)', proname, pg_get_function_arguments(oid)) FROM pg_proc p
WHERE pronamespace = 'pgmq'::regnamespace AND NOT EXISTS (
	SELECT FROM api a WHERE p.proname = a.name AND pg_get_function_arguments(p.oid) = a.args)
ORDER BY proname COLLATE "C", pg_get_function_arguments(oid) COLLATE "C";
DROP TABLE api;
