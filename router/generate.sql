/*
 * Makes calls.sql, the second part of pgmq_router's script, from the catalog of
 * this database, which has pgmq_c:
 *
 *   psql -XAtq -v ON_ERROR_STOP=1 -f generate.sql >calls.sql
 *
 * Each function pgmq.f becomes a pair: pgmq_router.f(shard, ..) in PL/Proxy,
 * which calls it on a shard, and pgmq.f(..) in PL/pgSQL, with the signature it
 * has on a shard, which chooses the shards and translates errors.  (PL/Proxy
 * functions that return sets lose rows in a select list, so there must be a
 * function around them.)  How it chooses is the function's kind.
 */
SET client_min_messages = warning;
SET search_path = pg_catalog, pg_temp;

-- The kind of each function: how it is routed.
CREATE FUNCTION pg_temp.kind(p pg_proc) RETURNS text LANGUAGE sql AS $gen$
SELECT CASE
	WHEN p.prorettype = 'trigger'::regtype OR p.proname LIKE '\_%' THEN 'none'
	WHEN p.proname IN ('format_table_name', 'validate_routing_key', 'validate_topic_pattern', 'validate_queue_name',
		'stat_bounds', 'stat_quantile') THEN 'anywhere'
	WHEN p.proname IN ('send') THEN 'send'
	WHEN p.proname IN ('send_batch') THEN 'send_batch'
	WHEN p.proname IN ('send_topic', 'send_batch_topic') THEN p.proname
	WHEN p.proname IN ('test_routing') THEN p.proname
	WHEN p.proname IN ('read', 'pop', 'read_grouped', 'read_grouped_rr', 'read_grouped_head', 'read_with_poll',
		'read_grouped_with_poll', 'read_grouped_rr_with_poll', 'read_grouped_head_with_poll',
		'delete_and_read', 'archive_and_read', 'delete_and_read_with_poll', 'archive_and_read_with_poll') THEN 'read'
	WHEN p.proname IN ('read_any', 'read_any_with_poll') THEN 'read_any'
	WHEN p.proname = 'forward' THEN 'id'
	WHEN p.proname IN ('archive', 'delete', 'dead_letter', 'extend', 'nack', 'release', 'set_vt', 'unarchive') THEN
		CASE p.proargnames[2] WHEN 'msg_id' THEN 'id' WHEN 'msg_ids' THEN 'ids' WHEN 'msg_id_or_ids' THEN 'ids_text' END
	WHEN p.proname IN ('create', 'create_non_partitioned', 'create_unlogged', 'create_partitioned', 'create_stream') THEN 'create'
	WHEN p.proname IN ('create_subscription', 'convert_to_stream') THEN 'create_beside'
	WHEN p.proname = 'drop_queue' THEN 'drop'
	WHEN p.proname IN ('get_policy', 'bind_topic', 'unbind_topic') OR p.proname = 'list_topic_bindings' AND p.pronargs = 1 THEN 'first'
	WHEN p.proname IN ('set_policy', 'pause', 'resume', 'grant_queue', 'revoke_queue', 'purge_queue', 'create_fifo_index',
		'reset_queue_stats', 'metrics', 'detach_archive', 'seek') OR p.proname = 'list_subscriptions' AND p.pronargs = 1 THEN 'all'
	WHEN p.proname IN ('queue_depth', 'metrics_all', 'list_queues') THEN p.proname
	WHEN p.proname = 'redrive' THEN 'some'
	WHEN p.proname IN ('peek', 'peek_archive', 'locked') THEN 'in_order'
	WHEN p.proname IN ('engine_status', 'health', 'horizon', 'horizon_costs',
		'list_subscriptions', 'list_topic_bindings', 'list_notify_insert_throttles', 'maintenance_status', 'memory_status', 'overview',
		'partition_status', 'queue_stats', 'waiters', 'create_fifo_indexes_all') THEN 'everywhere'
	-- of a session or a server: LISTEN, locks, conversions, maintenance; and
	-- what is not known here
	ELSE 'refused' END
$gen$;

-- Where a result is put together from those of several shards: for a row, its
-- columns; for a set of rows, their order.
CREATE FUNCTION pg_temp.combined(name text) RETURNS text LANGUAGE sql AS $gen$
SELECT CASE name
	WHEN 'set_policy' THEN '(array_agg(r))[1]'
	WHEN 'resume' THEN 'bool_or(r)'
	WHEN 'purge_queue' THEN 'sum(r)::bigint'
	WHEN 'redrive' THEN 'sum(r)::bigint'
	WHEN 'metrics' THEN 'lower($1), sum(r.queue_length)::bigint, min(r.newest_msg_age_sec), max(r.oldest_msg_age_sec), sum(r.total_messages & 70368744177663)::bigint, max(r.scrape_time), sum(r.queue_visible_length)::bigint, sum(r.default_partition_length)::bigint'
	END
$gen$;

-- The end of a block that calls shard _s: where go_on allows, it goes on.
CREATE FUNCTION pg_temp.failed(level integer, queue_name text, go_on text) RETURNS text LANGUAGE sql AS $gen$
	SELECT string_agg(repeat(E'\t', level) || line || E'\n', '' ORDER BY n)
	FROM unnest(ARRAY['EXCEPTION WHEN OTHERS OR query_canceled THEN',
		E'\tGET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;',
		format(E'\tPERFORM pgmq_router._failed(%s, _s, %s, SQLSTATE, SQLERRM, _d, _h);', queue_name, go_on)]) WITH ORDINALITY AS l(line, n)
$gen$;

-- The call of a queue in one slot, as nearly each is: to group what goes to one
-- shard would cost as much as the rest of the router's own part.
CREATE FUNCTION pg_temp.alone(queue_name text, give text) RETURNS text LANGUAGE sql AS $gen$
	SELECT E'\t_s := (pgmq_router._alone($1))[1];\n\tIF _s IS NOT NULL THEN\n\tBEGIN\n\t\t' || give || E'\n\t\tRETURN;\n'
		|| pg_temp.failed(1, queue_name, '''no''') || E'\tEND;\n\tEND IF;\n'
$gen$;

CREATE FUNCTION pg_temp.body(p pg_proc, kind text) RETURNS text LANGUAGE plpgsql AS $gen$
DECLARE
	n integer := p.pronargs;
	names text[] := p.proargnames[:p.pronargs];
	is_set boolean := p.proretset;
	is_void boolean := p.prorettype = 'void'::regtype;
	args text := (SELECT string_agg(format('$%s', i), ', ' ORDER BY i) FROM generate_series(1, p.pronargs) AS i);
	name text := quote_ident(p.proname);
	base text := quote_ident(regexp_replace(p.proname, '_with_poll$', ''));
	give text;			-- a call to shard _s whose result is what we return
	queue text := '$1';
	declared text := E'DECLARE\n\t_d pg_catalog.text;\n\t_h pg_catalog.text;\n';
	headers_at integer := (SELECT i FROM generate_subscripts(names, 1) AS i WHERE names[i] IN ('headers', 'headers_or_delay'));
	polls boolean := p.proname LIKE '%\_with\_poll';
	acks integer := array_position(names, 'msg_ids');
	qty_at integer := array_position(names, 'qty');
	start_at integer := array_position(names, 'start');
	list text;
	picked text;
	others text;
	combined text := pg_temp.combined(p.proname);
BEGIN
	give := CASE WHEN is_set THEN format('RETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);', name, args)
		WHEN is_void THEN format('PERFORM pgmq_router.%s(_s, %s);', name, args)
		ELSE format('RETURN pgmq_router.%s(_s, %s);', name, args) END;
	give := replace(give, '(_s, )', '(_s)');
	IF n = 0 OR names[1] <> 'queue_name' THEN
		queue := 'NULL';
	END IF;

	CASE kind
	WHEN 'id', 'ids_text', 'first' THEN
		-- One shard, or an error.
		RETURN declared || format(E'\t_s integer := %s;\nBEGIN\n\t%s\n',
			CASE WHEN p.proname = 'forward' THEN format('pgmq_router._check_target(pgmq_router._shard_of($1, $2), $%s)', array_position(names, 'to_queue'))
				WHEN kind = 'id' THEN 'coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2))'
				WHEN kind = 'ids_text' THEN 'pgmq_router._shard_of_text($1, $2)'
				ELSE format('pgmq_router._shard_first($%s)', array_position(names, 'queue_name')) END, give)
			|| pg_temp.failed(0, queue, '''no''') || 'END';

	WHEN 'anywhere' THEN
		-- The first shard that answers.
		RETURN declared || E'\t_s integer;\nBEGIN\n'
			|| E'\tFOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP\n\tBEGIN\n'
			|| E'\t\t' || give || E'\n' || CASE WHEN is_set OR is_void THEN E'\t\tRETURN;\n' ELSE '' END
			|| pg_temp.failed(1, queue, '''lost''') || E'\tEND;\n\tEND LOOP;\nEND';

	WHEN 'send' THEN
		-- A message that has no key goes to another shard if one is down.
		RETURN declared || format(E'\t_s integer;\n\t_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, %s));\nBEGIN\n',
				CASE WHEN headers_at IS NULL THEN 'NULL'
					WHEN names[headers_at] = 'headers' THEN format('$%s', headers_at)
					ELSE format('pgmq_router._headers($%s)', headers_at) END)
			|| E'\tFOREACH _s IN ARRAY _order LOOP\n\tBEGIN\n\t\t' || give || E'\n\t\tRETURN;\n'
			|| pg_temp.failed(1, queue, 'pgmq_router._go_on(_order, _s, ''connect'')')
			|| E'\tEND;\n\tEND LOOP;\nEND';

	WHEN 'send_batch' THEN
		-- A group of messages after the other; ids in the order of the messages.
		picked := (SELECT string_agg(CASE WHEN p.proargtypes[i - 1]::regtype = 'jsonb[]'::regtype
				THEN format('pgmq_router._pick($%s, _g.positions)', i) ELSE format('$%s', i) END, ', ' ORDER BY i)
			FROM generate_series(1, n) AS i);
		RETURN declared || E'\t_s integer;\n\t_g record;\n\t_ids bigint[];\n\t_all bigint[];\nBEGIN\n' || pg_temp.alone(queue, give)
			|| format(E'\tFOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), %s) LOOP\n',
				coalesce('$' || headers_at, 'NULL'))
			|| E'\t\tFOREACH _s IN ARRAY _g.shards LOOP\n\t\tBEGIN\n'
			|| E'\t\t\tIF _g.positions IS NULL THEN\n\t\t\t\t' || give || E'\n\t\t\t\tRETURN;\n\t\t\tEND IF;\n'
			|| format(E'\t\t\t_ids := ARRAY(SELECT m FROM pgmq_router.%s(_s, %s) AS m);\n\t\t\tEXIT;\n', name, picked)
			|| pg_temp.failed(2, queue, 'pgmq_router._go_on(_g.shards, _s, ''connect'')')
			|| E'\t\tEND;\n\t\tEND LOOP;\n'
			|| E'\t\tFOR _i IN 1 .. cardinality(_ids) LOOP\n\t\t\t_all[_g.positions[_i]] := _ids[_i];\n\t\tEND LOOP;\n'
			|| E'\tEND LOOP;\n\tRETURN QUERY SELECT * FROM unnest(_all);\nEND';

	WHEN 'ids' THEN
		-- Each shard that has some of the messages.  A result that lists what
		-- was lost must be whole.
		others := (SELECT string_agg(format('cardinality($%s)', i), ', ' ORDER BY i) FROM generate_series(3, n) AS i
			WHERE p.proargtypes[i - 1]::regtype::text LIKE '%[]');
		picked := (SELECT string_agg(CASE WHEN p.proargtypes[i - 1]::regtype::text LIKE '%[]'
				THEN format('pgmq_router._pick($%s, _g.positions)', i) ELSE format('$%s', i) END, ', ' ORDER BY i)
			FROM generate_series(1, n) AS i);
		RETURN declared || E'\t_s integer;\n\t_g record;\n\t_answered boolean := false;\nBEGIN\n' || pg_temp.alone(queue, give)
			|| format(E'\tFOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2%s) AS g LOOP\n',
				coalesce(', ' || others, ''))
			|| E'\tBEGIN\n\t\t_s := _g.shard;\n'
			|| format(E'\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n\t\t_answered := true;\n', name, picked)
			|| pg_temp.failed(1, queue, CASE WHEN p.proname = 'extend' THEN '''no'''
				ELSE 'CASE WHEN _g.is_last AND NOT _answered THEN ''no'' ELSE ''lost'' END' END)
			|| E'\tEND;\n\tEND LOOP;\nEND';

	WHEN 'read' THEN
		/*
		 * A random slot, then the others until something comes.  A poll of one
		 * slot waits there, for a few seconds at a time, so that it looks again
		 * where the queue is; a poll of several looks at them by turns.
		 */
		list := (SELECT string_agg(CASE WHEN names[i] = 'max_poll_seconds' THEN '_slice'
				WHEN names[i] = 'msg_ids' THEN '_ids'
				WHEN names[i] = 'read_cts' THEN '_cts'
				ELSE format('$%s', i) END, ', ' ORDER BY i) FROM generate_series(1, n) AS i);
		picked := (SELECT string_agg(CASE WHEN names[i] = 'msg_ids' THEN '_ids' WHEN names[i] = 'read_cts' THEN '_cts'
				ELSE format('$%s', i) END, ', ' ORDER BY i) FROM generate_series(1, n) AS i
			WHERE names[i] NOT IN ('max_poll_seconds', 'poll_interval_ms'));
		RETURN declared || E'\t_s integer;\n\t_order integer[];\n\t_answered boolean := false;\n'
			|| CASE WHEN acks IS NOT NULL THEN format(E'\t_g record;\n\t_ids bigint[] := $%s;\n', acks) ELSE '' END
			|| CASE WHEN array_position(names, 'read_cts') IS NOT NULL
				THEN format(E'\t_cts integer[] := $%s;\n', array_position(names, 'read_cts')) ELSE '' END
			|| CASE WHEN polls THEN format(E'\t_left float8 := $%s;\n\t_until timestamptz := clock_timestamp() + make_interval(secs => $%s);\n\t_slice integer;\n',
				array_position(names, 'max_poll_seconds'), array_position(names, 'max_poll_seconds')) ELSE '' END
			|| E'BEGIN\n'
			|| CASE WHEN polls THEN E'LOOP\n' ELSE '' END
			|| E'\t_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));\n'
			-- Acknowledgements in several slots come first.
			|| CASE WHEN acks IS NULL THEN '' ELSE
				E'\tIF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN\n'
				|| format(E'\t\tFOR _g IN SELECT * FROM pgmq_router._groups($1, _ids%s) LOOP\n\t\tBEGIN\n\t\t\t_s := _g.shard;\n',
					CASE WHEN array_position(names, 'read_cts') IS NOT NULL THEN ', cardinality(_cts)' ELSE '' END)
				|| format(E'\t\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n', base,
					(SELECT string_agg(CASE WHEN names[i] = 'msg_ids' THEN 'pgmq_router._pick(_ids, _g.positions)'
						WHEN names[i] = 'read_cts' THEN 'pgmq_router._pick(_cts, _g.positions)'
						WHEN names[i] = 'qty' THEN '0'
						ELSE format('$%s', i) END, ', ' ORDER BY i) FROM generate_series(1, n) AS i
					WHERE names[i] NOT IN ('max_poll_seconds', 'poll_interval_ms')))
				|| pg_temp.failed(2, queue, '''no''')
				|| E'\t\tEND;\n\t\tEND LOOP;\n'
				|| E'\t\t_ids := ''{}'';\n'
				|| CASE WHEN array_position(names, 'read_cts') IS NOT NULL THEN E'\t\t_cts := ''{}'';\n' ELSE '' END
				|| CASE WHEN polls THEN E'\t\t_left := 0;\n' ELSE '' END
				|| E'\tEND IF;\n' END
			|| CASE WHEN polls THEN E'\t_slice := least(ceil(_left), 5);\n' ELSE '' END
			|| E'\tFOREACH _s IN ARRAY _order LOOP\n\tBEGIN\n'
			|| CASE WHEN polls THEN
				format(E'\t\tIF cardinality(_order) = 1 THEN\n\t\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n'
					'\t\tELSE\n\t\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n\t\tEND IF;\n', name, list, base, picked)
				ELSE format(E'\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n', name, list) END
			|| E'\t\t_answered := true;\n\t\tIF FOUND THEN\n\t\t\tRETURN;\n\t\tEND IF;\n'
			|| pg_temp.failed(1, queue, 'CASE WHEN _answered THEN ''lost'' ELSE pgmq_router._go_on(_order, _s, ''lost'') END')
			|| E'\tEND;\n\tEND LOOP;\n'
			|| CASE WHEN polls THEN
				CASE WHEN acks IS NULL THEN '' ELSE
					-- what acknowledges does not wait
					E'\tEXIT WHEN cardinality(_ids) > 0;\n' END
				|| E'\t_left := least(_left, extract(epoch FROM _until - clock_timestamp()));\n'
				|| E'\tEXIT WHEN _left <= 0 OR _left IS NULL;\n'
				|| format(E'\tIF cardinality(_order) > 1 THEN\n\t\tPERFORM pg_sleep(least(_left, greatest($%s, 1) / 1000.0));\n\tEND IF;\n',
					array_position(names, 'poll_interval_ms'))
				|| E'END LOOP;\n' ELSE '' END
			|| 'END';

	WHEN 'read_any' THEN
		-- Queues of one shard only.
		RETURN declared || E'\t_s integer;\n\t_q text;\n\t_others integer;\nBEGIN\n'
			|| E'\tFOREACH _q IN ARRAY coalesce($1, ''{}'') LOOP\n'
			|| format(E'\t\t_others := pgmq_router._shard_only(_q, ''%s'');\n', name)
			|| E'\t\t_s := coalesce(_s, _others);\n'
			|| E'\t\tIF _s <> _others THEN\n\t\t\tRAISE feature_not_supported\n'
			|| format(E'\t\t\t\tUSING MESSAGE = ''%s is not for queues on different servers'',\n', name)
			|| E'\t\t\t\t\tHINT = ''Create queues that are read together beside each other, or read them one by one.'';\n\t\tEND IF;\n'
			|| E'\tEND LOOP;\n\t_s := coalesce(_s, 0);\n\tBEGIN\n\t\t' || give || E'\n'
			|| pg_temp.failed(1, '_q', '''no''') || E'\tEND;\nEND';

	WHEN 'create' THEN
		RETURN declared || E'\t_s integer;\n\t_shards integer[] := pgmq_router._place($1, 1, false, NULL);\n'
			|| CASE WHEN p.proname IN ('create_partitioned', 'create_unlogged') THEN format(E'\t_only integer := pgmq_router._shard_only($1, ''%s'');\n', p.proname) ELSE '' END
			|| E'BEGIN\n'
			|| format(E'\tFOREACH _s IN ARRAY _shards LOOP\n\t\tPERFORM pgmq_router.%s(_s, %s);\n', name, args)
			|| E'\t\tIF _s <> _shards[1] THEN\n'
			|| E'\t\t\tPERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);\n\t\tEND IF;\n\tEND LOOP;\n'
			|| pg_temp.failed(0, queue, '''no''') || 'END';

	WHEN 'create_beside' THEN
		-- A subscription is beside its stream, and a stream that a queue becomes
		-- beside the queue.  Their ids are those of the other one.
		RETURN declared || format(E'\t_s integer;\n\t_shards integer[] := pgmq_router._place_beside(%s%s);\nBEGIN\n',
				CASE p.proname WHEN 'create_subscription' THEN '$1, $2' ELSE '$2, $1' END, CASE WHEN start_at IS NULL THEN '' ELSE format(', $%s::text', start_at) END)
			|| format(E'\tFOREACH _s IN ARRAY _shards LOOP\n\t\t%s\n\tEND LOOP;\n', give)
			|| pg_temp.failed(0, '$1', '''no''') || 'END';

	WHEN 'drop' THEN
		RETURN declared || E'\t_s integer;\n\t_shards integer[];\n\t_dropped boolean := false;\nBEGIN\n'
			|| E'\tPERFORM pg_advisory_xact_lock(hashtextextended(''pgmq_router.'' || lower($1), 0));\n'
			|| E'\tIF NOT EXISTS (SELECT FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1)) THEN\n'
			|| E'\t\tPERFORM pgmq_router._check_block();\n'
			|| E'\t\tRAISE NOTICE ''pgmq queue `%` does not exist'', $1;\n\t\tRETURN false;\n\tEND IF;\n'
			|| E'\t_shards := pgmq_router._shards_all($1);\n'
			|| E'\tDELETE FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1);\n'
			|| E'\tBEGIN\n\t\tFOREACH _s IN ARRAY _shards LOOP\n'
			|| format(E'\t\t\t_dropped := pgmq_router.%s(_s, %s) OR _dropped;\n\t\tEND LOOP;\n', name, args)
			|| pg_temp.failed(1, queue, '''no''') || E'\tEND;\n\tRETURN _dropped;\nEND';

	WHEN 'all' THEN
		RETURN declared || E'\t_s integer;\n'
			|| CASE WHEN combined IS NULL THEN '' ELSE format(E'\t_all %s[];\n', format_type(p.prorettype, NULL)) END
			|| E'BEGIN\n'
			|| CASE p.proname WHEN 'set_policy' THEN E'\tPERFORM pgmq_router._prepare_policy($1, $2);\n'
				WHEN 'seek' THEN format(E'\tPERFORM pgmq_router._check_start($1, $%s::text);\n', start_at) ELSE '' END
			|| E'\tFOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP\n\tBEGIN\n'
			|| CASE WHEN is_void OR is_set THEN E'\t\t' || give || E'\n'
				ELSE format(E'\t\t_all := array_append(_all, pgmq_router.%s(_s, %s));\n', name, args) END
			-- what is only looked at may be partial
			|| pg_temp.failed(1, queue, CASE WHEN p.proname IN ('metrics', 'list_subscriptions')
				THEN 'CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN ''no'' ELSE ''lost'' END' ELSE '''no''' END)
			|| E'\tEND;\n\tEND LOOP;\n'
			|| CASE WHEN combined IS NULL THEN '' ELSE
				format(E'\tRETURN (SELECT %s FROM unnest(_all) AS r);\n', CASE WHEN combined LIKE '%,%' AND combined NOT LIKE '(%' THEN 'ROW(' || combined || ')' ELSE combined END) END
			|| 'END';

	WHEN 'some' THEN
		RETURN declared || E'\t_s integer;\n\t_done bigint := 0;\nBEGIN\n\tFOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP\n\tBEGIN\n'
			|| format(E'\t\tEXIT WHEN _done >= $%s;\n\t\t_done := _done + pgmq_router.%s(_s, %s);\n', qty_at, name,
				replace(args, '$' || qty_at, format('($%s - _done)::integer', qty_at)))
			|| pg_temp.failed(1, queue, '''no''') || E'\tEND;\n\tEND LOOP;\n\tRETURN _done;\nEND';

	WHEN 'in_order' THEN
		-- Ids rise from slot to slot.
		RETURN declared || format(E'\t_s integer;\n\t_left integer := $%s;\n\t_n bigint;\nBEGIN\n', qty_at)
			|| E'\tFOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP\n\tBEGIN\n'
			|| format(E'\t\tRETURN QUERY SELECT * FROM pgmq_router.%s(_s, %s);\n', name, replace(args, '$' || qty_at, '_left'))
			|| E'\t\tGET DIAGNOSTICS _n = ROW_COUNT;\n\t\t_left := _left - _n;\n'
			|| pg_temp.failed(1, queue, 'CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN ''no'' ELSE ''lost'' END')
			|| E'\tEND;\n\tEXIT WHEN _left <= 0;\n\tEND LOOP;\nEND';

	WHEN 'everywhere' THEN
		-- What the shards that answer say, and a warning for each other one.
		RETURN declared || E'\t_s integer;\nBEGIN\n\tPERFORM pgmq_router._check_block();\n'
			|| E'\tFOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP\n\tBEGIN\n\t\t' || give || E'\n'
			|| pg_temp.failed(1, 'NULL', '''lost''') || E'\tEND;\n\tEND LOOP;\nEND';

	WHEN 'queue_depth' THEN
		RETURN declared || E'\t_s integer;\n\t_shards integer[] := pgmq_router._shards_all($1);\nBEGIN\n'
			|| E'\tRETURN QUERY SELECT lower($1), sum(r.visible)::bigint, sum(r.delayed)::bigint, sum(r.in_flight)::bigint,\n'
			|| E'\t\t\tmax(r.oldest_visible_age)\n'
			|| E'\t\tFROM unnest(_shards) AS s(shard)\n'
			|| E'\t\t\tCROSS JOIN LATERAL pgmq_router.queue_depth(s.shard, $1) AS r;\n'
			|| pg_temp.failed(0, queue, '''no''') || 'END';

	WHEN 'list_queues', 'metrics_all' THEN
		-- A row a queue, whatever the number of its slots.
		RETURN declared || E'\t_s integer;\n' || format(E'\t_rows %s[];\n\t_all %1$s[];\nBEGIN\n', format_type(p.prorettype, NULL))
			|| E'\tPERFORM pgmq_router._check_block();\n'
			|| E'\tFOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP\n\tBEGIN\n'
			|| format(E'\t\t_rows := ARRAY(SELECT r FROM pgmq_router.%s(_s) AS r);\n\t\t_all := _all || _rows;\n', name)
			|| pg_temp.failed(1, 'NULL', '''lost''') || E'\tEND;\n\tEND LOOP;\n'
			|| CASE kind WHEN 'list_queues' THEN
				E'\tRETURN QUERY SELECT DISTINCT ON (lower(r.queue_name)) r.* FROM unnest(_all) AS r\n\t\tORDER BY lower(r.queue_name), r.created_at;\n'
			ELSE format(E'\tRETURN QUERY SELECT %s FROM unnest(_all) AS r GROUP BY r.queue_name ORDER BY r.queue_name;\n',
				replace(pg_temp.combined('metrics'), 'lower($1)', 'r.queue_name')) END
			|| 'END';

	WHEN 'refused' THEN
		RETURN format(E'BEGIN\n\tPERFORM pgmq_router._refuse(''pgmq.%s'', %s);\nEND', name,
			CASE WHEN names[1] = 'queue_name' AND p.proargtypes[0] = 'text'::regtype THEN '$1' ELSE 'NULL' END);

	WHEN 'test_routing' THEN
		-- Bindings are on the first shard of their queue.  Alternate queues are
		-- for what nothing else takes, on any shard.
		RETURN E'BEGIN\n\tPERFORM pgmq_router._check_block();\n'
			|| format(E'\tRETURN QUERY SELECT * FROM pgmq_router._routes($1, %s);\nEND', CASE WHEN n > 1 THEN '$2' ELSE 'NULL' END);

	WHEN 'send_topic', 'send_batch_topic' THEN
		RETURN E'DECLARE\n\t_r record;\n\t_n integer := 0;\nBEGIN\n\tPERFORM pgmq_router._check_block();\n'
			|| format(E'\tFOR _r IN SELECT * FROM pgmq_router._topic_groups($1, %s, %s) LOOP\n',
				CASE kind WHEN 'send_topic' THEN '1' ELSE 'cardinality($2)' END,
				CASE WHEN headers_at IS NULL THEN 'NULL' WHEN kind = 'send_topic' THEN format('ARRAY[$%s]', headers_at)
					ELSE format('$%s', headers_at) END)
			|| CASE kind WHEN 'send_topic' THEN format(E'\t\tPERFORM pgmq.send(_r.queue_name, %s);\n\t\t_n := _n + 1;\n\tEND LOOP;\n\tRETURN _n;\nEND',
					(SELECT string_agg(format('$%s', i), ', ' ORDER BY i) FROM generate_series(2, n) AS i))
				ELSE format(E'\t\tRETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, %s) AS m;\n\tEND LOOP;\nEND',
					(SELECT string_agg(CASE WHEN p.proargtypes[i - 1]::regtype = 'jsonb[]'::regtype
							THEN format('pgmq_router._pick($%s, _r.positions)', i) ELSE format('$%s', i) END, ', ' ORDER BY i)
						FROM generate_series(2, n) AS i)) END;
	END CASE;
END
$gen$;

-- The types of the arguments, for the call on a shard.
CREATE FUNCTION pg_temp.cast_args(p pg_proc) RETURNS text LANGUAGE sql AS $gen$
	SELECT coalesce(string_agg(format('%s$%s::%s', CASE WHEN p.provariadic <> 0 AND i = p.pronargs THEN 'VARIADIC ' END,
		i + 1, format_type(p.proargtypes[i - 1], NULL)), ', ' ORDER BY i), '')
	FROM generate_series(1, p.pronargs) AS i
$gen$;

CREATE FUNCTION pg_temp.pair(p pg_proc) RETURNS text LANGUAGE plpgsql AS $gen$
DECLARE
	kind text := pg_temp.kind(p);
	name text := quote_ident(p.proname);
	signature text := pg_get_function_arguments(p.oid);
	result text := pg_get_function_result(p.oid);
	types text := (SELECT string_agg(format_type(t, NULL), ', ' ORDER BY i) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, i));
	far text := '';
	is_twice boolean;
	is_plain boolean;
	styles text := '';
	outer_one text := '';
BEGIN
	IF kind NOT IN ('none', 'refused', 'send_topic', 'send_batch_topic', 'test_routing') THEN
		-- A shard parses and plans each call: without FROM that costs less.
		far := format(E'CREATE FUNCTION pgmq_router.%s(integer%s) RETURNS %s LANGUAGE plproxy AS $$\n\tCLUSTER ''pgmq''; RUN ON $1;\n\tSELECT %spgmq.%s(%s)%s;\n$$;\n',
			name, ', ' || types, result,
			CASE WHEN (SELECT t.typtype = 'b' FROM pg_type AS t WHERE t.oid = p.prorettype) THEN '' ELSE '* FROM ' END,
			name, pg_temp.cast_args(p), CASE WHEN p.pronargs = 0 THEN ' WHERE $1::integer IS NOT NULL' ELSE '' END);
	END IF;
	is_twice := EXISTS (SELECT FROM unnest(p.proargnames, p.proargmodes) AS a(name, mode)
		GROUP BY a.name HAVING count(*) FILTER (WHERE a.mode = 'i') > 0 AND count(*) FILTER (WHERE a.mode = 't') > 0);
	-- PL/pgSQL wants an argument and a column of different names; SQL does not.
	IF is_twice THEN
		outer_one := format(E'CREATE FUNCTION pgmq.%s(%s) RETURNS %s\nLANGUAGE sql\nAS ''SELECT * FROM pgmq_router._%s(%s)'';\n',
			name, signature, result, p.proname,
			(SELECT string_agg('$' || i, ', ' ORDER BY i) FROM generate_series(1, p.pronargs) AS i));
		name := 'pgmq_router._' || p.proname;
		signature := types;
	ELSE
		name := 'pgmq.' || name;
	END IF;
	-- To set search_path costs a fourth of what the router does for a call of one
	-- message, so these functions name all by its schema, and use no operator.
	-- A time, and an interval, go to a shard as text, which it must read as it was meant.
	IF far <> '' THEN
		SELECT coalesce(string_agg(DISTINCT CASE t WHEN 'timestamptz'::regtype THEN E'SET datestyle = ISO\n'
				WHEN 'interval'::regtype THEN E'SET intervalstyle = postgres\n' END, ''), '') INTO styles
			FROM unnest(p.proargtypes) AS t;
	END IF;
	is_plain := kind IN ('id', 'send') OR kind = 'read' AND NOT p.proargnames && '{msg_ids,max_poll_seconds}';
	RETURN format(E'-- %s: %s\n%sCREATE %s %s(%s)%s\nLANGUAGE plpgsql\n%s%sAS $$\n#variable_conflict use_column\n%s\n$$;\n%s',
		kind, p.proname, far, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, name, signature,
		CASE WHEN p.prokind = 'p' THEN '' ELSE ' RETURNS ' || result END,
		CASE WHEN is_plain THEN '' ELSE E'SET search_path = pg_catalog, pg_temp\n' END, styles, pg_temp.body(p, kind), outer_one);
END
$gen$;

SELECT '-- Made by generate.sql from the catalog of pgmq_c ' || e.extversion || ': do not edit.' || E'\n'
FROM pg_extension AS e WHERE e.extname IN ('pgmq_c', 'pgmq');

SELECT pg_temp.pair(p)
FROM pg_proc AS p
WHERE p.pronamespace = 'pgmq'::regnamespace AND pg_temp.kind(p) <> 'none'
	AND EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid
		WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass
			AND e.extname IN ('pgmq_c', 'pgmq'))
ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C";
