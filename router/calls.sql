-- Made by generate.sql from the catalog of pgmq_c 1.2.0: do not edit.

-- refused: acquire_queue_lock
CREATE FUNCTION pgmq.acquire_queue_lock(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.acquire_queue_lock', $1);
END
$$;

-- refused: adopt_queue
CREATE FUNCTION pgmq.adopt_queue(queue_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.adopt_queue', $1);
END
$$;

-- id: archive
CREATE FUNCTION pgmq_router.archive(integer, text, bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.archive(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: archive
CREATE FUNCTION pgmq_router.archive(integer, text, bigint, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::bigint, $4::integer);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id bigint, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.archive(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: archive
CREATE FUNCTION pgmq_router.archive(integer, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: archive
CREATE FUNCTION pgmq_router.archive(integer, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id_or_ids text, read_ct_or_cts text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: archive
CREATE FUNCTION pgmq_router.archive(integer, text, bigint[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::bigint[]);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, pgmq_router._pick($2, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: archive
CREATE FUNCTION pgmq_router.archive(integer, text, bigint[], integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.archive($2::text, $3::bigint[], $4::integer[]);
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[], read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.archive(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: archive_and_read
CREATE FUNCTION pgmq_router.archive_and_read(integer, text, bigint[], integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.archive_and_read($2::text, $3::bigint[], $4::integer, $5::integer);
$$;
CREATE FUNCTION pgmq.archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0);
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
	END IF;
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, _ids, $3, $4);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: archive_and_read
CREATE FUNCTION pgmq_router.archive_and_read(integer, text, bigint[], integer, integer, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.archive_and_read($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer[]);
$$;
CREATE FUNCTION pgmq.archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_cts integer[] := $5;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids, cardinality(_cts)) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0, pgmq_router._pick(_cts, _g.positions));
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_cts := '{}';
	END IF;
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, _ids, $3, $4, _cts);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: archive_and_read_with_poll
CREATE FUNCTION pgmq_router.archive_and_read_with_poll(integer, text, bigint[], integer, integer, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.archive_and_read_with_poll($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer, $7::integer);
$$;
CREATE FUNCTION pgmq.archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_left float8 := $5;
	_until timestamptz := clock_timestamp() + make_interval(secs => $5);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0);
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_left := 0;
	END IF;
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read_with_poll(_s, $1, _ids, $3, $4, _slice, $6);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, _ids, $3, $4);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	EXIT WHEN cardinality(_ids) > 0;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($6, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- read: archive_and_read_with_poll
CREATE FUNCTION pgmq_router.archive_and_read_with_poll(integer, text, bigint[], integer, integer, integer, integer, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.archive_and_read_with_poll($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer, $7::integer, $8::integer[]);
$$;
CREATE FUNCTION pgmq.archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer, poll_interval_ms integer, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_cts integer[] := $7;
	_left float8 := $5;
	_until timestamptz := clock_timestamp() + make_interval(secs => $5);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids, cardinality(_cts)) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0, pgmq_router._pick(_cts, _g.positions));
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_cts := '{}';
		_left := 0;
	END IF;
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read_with_poll(_s, $1, _ids, $3, $4, _slice, $6, _cts);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.archive_and_read(_s, $1, _ids, $3, $4, _cts);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	EXIT WHEN cardinality(_ids) > 0;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($6, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- first: bind_topic
CREATE FUNCTION pgmq_router.bind_topic(integer, text, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.bind_topic($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.bind_topic(pattern text, queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_first($2);
BEGIN
	PERFORM pgmq_router.bind_topic(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- refused: convert_archive_partitioned
CREATE FUNCTION pgmq.convert_archive_partitioned(table_name text, partition_interval text DEFAULT '10000'::text, retention_interval text DEFAULT '100000'::text, leading_partition integer DEFAULT 10) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.convert_archive_partitioned', NULL);
END
$$;

-- refused: convert_queue
CREATE FUNCTION pgmq.convert_queue(queue_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.convert_queue', $1);
END
$$;

-- refused: convert_queues
CREATE FUNCTION pgmq.convert_queues(queue_names text[]) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.convert_queues', NULL);
END
$$;

-- refused: convert_queues_all
CREATE FUNCTION pgmq.convert_queues_all() RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.convert_queues_all', NULL);
END
$$;

-- create_beside: convert_to_stream
CREATE FUNCTION pgmq_router.convert_to_stream(integer, text, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.convert_to_stream($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.convert_to_stream(queue_name text, stream_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($2, $1);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.convert_to_stream(_s, $1, $2);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create: create
CREATE FUNCTION pgmq_router."create"(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq."create"($2::text);
$$;
CREATE FUNCTION pgmq."create"(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place($1, 1, false, NULL);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router."create"(_s, $1);
		IF _s <> _shards[1] THEN
			PERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- all: create_fifo_index
CREATE FUNCTION pgmq_router.create_fifo_index(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_fifo_index($2::text);
$$;
CREATE FUNCTION pgmq.create_fifo_index(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.create_fifo_index(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: create_fifo_indexes_all
CREATE FUNCTION pgmq_router.create_fifo_indexes_all(integer) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_fifo_indexes_all() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.create_fifo_indexes_all() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		PERFORM pgmq_router.create_fifo_indexes_all(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- create: create_non_partitioned
CREATE FUNCTION pgmq_router.create_non_partitioned(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_non_partitioned($2::text);
$$;
CREATE FUNCTION pgmq.create_non_partitioned(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place($1, 1, false, NULL);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_non_partitioned(_s, $1);
		IF _s <> _shards[1] THEN
			PERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create: create_partitioned
CREATE FUNCTION pgmq_router.create_partitioned(integer, text, text, text, integer) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_partitioned($2::text, $3::text, $4::text, $5::integer);
$$;
CREATE FUNCTION pgmq.create_partitioned(queue_name text, partition_interval text DEFAULT '10000'::text, retention_interval text DEFAULT '100000'::text, premake integer DEFAULT 4) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place($1, 1, false, NULL);
	_only integer := pgmq_router._shard_only($1, 'create_partitioned');
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_partitioned(_s, $1, $2, $3, $4);
		IF _s <> _shards[1] THEN
			PERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create: create_stream
CREATE FUNCTION pgmq_router.create_stream(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_stream($2::text);
$$;
CREATE FUNCTION pgmq.create_stream(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place($1, 1, false, NULL);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_stream(_s, $1);
		IF _s <> _shards[1] THEN
			PERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create_beside: create_subscription
CREATE FUNCTION pgmq_router.create_subscription(integer, text, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_subscription($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($1, $2);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_subscription(_s, $1, $2);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create_beside: create_subscription
CREATE FUNCTION pgmq_router.create_subscription(integer, text, text, bigint) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_subscription($2::text, $3::text, $4::bigint);
$$;
CREATE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($1, $2, $3::text);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_subscription(_s, $1, $2, $3);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create_beside: create_subscription
CREATE FUNCTION pgmq_router.create_subscription(integer, text, text, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_subscription($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($1, $2, $3::text);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_subscription(_s, $1, $2, $3);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create_beside: create_subscription
CREATE FUNCTION pgmq_router.create_subscription(integer, text, text, text, jsonb) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_subscription($2::text, $3::text, $4::text, $5::jsonb);
$$;
CREATE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start text, filter jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($1, $2, $3::text);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_subscription(_s, $1, $2, $3, $4);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create_beside: create_subscription
CREATE FUNCTION pgmq_router.create_subscription(integer, text, text, timestamp with time zone) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_subscription($2::text, $3::text, $4::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.create_subscription(subscription_name text, queue_name text, start timestamp with time zone) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place_beside($1, $2, $3::text);
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_subscription(_s, $1, $2, $3);
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- create: create_unlogged
CREATE FUNCTION pgmq_router.create_unlogged(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.create_unlogged($2::text);
$$;
CREATE FUNCTION pgmq.create_unlogged(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._place($1, 1, false, NULL);
	_only integer := pgmq_router._shard_only($1, 'create_unlogged');
BEGIN
	FOREACH _s IN ARRAY _shards LOOP
		PERFORM pgmq_router.create_unlogged(_s, $1);
		IF _s <> _shards[1] THEN
			PERFORM * FROM pgmq_router._begin_ids(_s, $1, ((array_position(_shards, _s) - 1)::bigint << 46) + 1);
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, bigint, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::bigint, $4::text);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.dead_letter(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, bigint, text, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::bigint, $4::text, $5::integer);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id bigint, reason text, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.dead_letter(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::text, $4::text, $5::text);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_id_or_ids text, reason text, read_ct_or_cts text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, bigint[], text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::bigint[], $4::text);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: dead_letter
CREATE FUNCTION pgmq_router.dead_letter(integer, text, bigint[], text, integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.dead_letter($2::text, $3::bigint[], $4::text, $5::integer[]);
$$;
CREATE FUNCTION pgmq.dead_letter(queue_name text, msg_ids bigint[], reason text, read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.dead_letter(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- id: delete
CREATE FUNCTION pgmq_router.delete(integer, text, bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_id bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.delete(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: delete
CREATE FUNCTION pgmq_router.delete(integer, text, bigint, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::bigint, $4::integer);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_id bigint, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.delete(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: delete
CREATE FUNCTION pgmq_router.delete(integer, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: delete
CREATE FUNCTION pgmq_router.delete(integer, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_id_or_ids text, read_ct_or_cts text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: delete
CREATE FUNCTION pgmq_router.delete(integer, text, bigint[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::bigint[]);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, pgmq_router._pick($2, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: delete
CREATE FUNCTION pgmq_router.delete(integer, text, bigint[], integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.delete($2::text, $3::bigint[], $4::integer[]);
$$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[], read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.delete(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: delete_and_read
CREATE FUNCTION pgmq_router.delete_and_read(integer, text, bigint[], integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.delete_and_read($2::text, $3::bigint[], $4::integer, $5::integer);
$$;
CREATE FUNCTION pgmq.delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0);
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
	END IF;
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, _ids, $3, $4);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: delete_and_read
CREATE FUNCTION pgmq_router.delete_and_read(integer, text, bigint[], integer, integer, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.delete_and_read($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer[]);
$$;
CREATE FUNCTION pgmq.delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_cts integer[] := $5;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids, cardinality(_cts)) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0, pgmq_router._pick(_cts, _g.positions));
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_cts := '{}';
	END IF;
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, _ids, $3, $4, _cts);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: delete_and_read_with_poll
CREATE FUNCTION pgmq_router.delete_and_read_with_poll(integer, text, bigint[], integer, integer, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.delete_and_read_with_poll($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer, $7::integer);
$$;
CREATE FUNCTION pgmq.delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_left float8 := $5;
	_until timestamptz := clock_timestamp() + make_interval(secs => $5);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0);
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_left := 0;
	END IF;
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read_with_poll(_s, $1, _ids, $3, $4, _slice, $6);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, _ids, $3, $4);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	EXIT WHEN cardinality(_ids) > 0;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($6, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- read: delete_and_read_with_poll
CREATE FUNCTION pgmq_router.delete_and_read_with_poll(integer, text, bigint[], integer, integer, integer, integer, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.delete_and_read_with_poll($2::text, $3::bigint[], $4::integer, $5::integer, $6::integer, $7::integer, $8::integer[]);
$$;
CREATE FUNCTION pgmq.delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer, max_poll_seconds integer, poll_interval_ms integer, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_g record;
	_ids bigint[] := $2;
	_cts integer[] := $7;
	_left float8 := $5;
	_until timestamptz := clock_timestamp() + make_interval(secs => $5);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	IF cardinality(_order) > 1 AND cardinality(_ids) > 0 THEN
		FOR _g IN SELECT * FROM pgmq_router._groups($1, _ids, cardinality(_cts)) LOOP
		BEGIN
			_s := _g.shard;
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, pgmq_router._pick(_ids, _g.positions), $3, 0, pgmq_router._pick(_cts, _g.positions));
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		_ids := '{}';
		_cts := '{}';
		_left := 0;
	END IF;
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read_with_poll(_s, $1, _ids, $3, $4, _slice, $6, _cts);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.delete_and_read(_s, $1, _ids, $3, $4, _cts);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	EXIT WHEN cardinality(_ids) > 0;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($6, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- all: detach_archive
CREATE FUNCTION pgmq_router.detach_archive(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.detach_archive($2::text);
$$;
CREATE FUNCTION pgmq.detach_archive(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.detach_archive(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- refused: disable_notify_insert
CREATE FUNCTION pgmq.disable_notify_insert(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.disable_notify_insert', $1);
END
$$;

-- drop: drop_queue
CREATE FUNCTION pgmq_router.drop_queue(integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.drop_queue($2::text);
$$;
CREATE FUNCTION pgmq.drop_queue(queue_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[];
	_dropped boolean := false;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('pgmq_router.' || lower($1), 0));
	IF NOT EXISTS (SELECT FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1)) THEN
		PERFORM pgmq_router._check_block();
		RAISE NOTICE 'pgmq queue `%` does not exist', $1;
		RETURN false;
	END IF;
	_shards := pgmq_router._shards_all($1);
	DELETE FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1);
	BEGIN
		FOREACH _s IN ARRAY _shards LOOP
			_dropped := pgmq_router.drop_queue(_s, $1) OR _dropped;
		END LOOP;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	RETURN _dropped;
END
$$;

-- drop: drop_queue
CREATE FUNCTION pgmq_router.drop_queue(integer, text, boolean) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.drop_queue($2::text, $3::boolean);
$$;
CREATE FUNCTION pgmq.drop_queue(queue_name text, partitioned boolean) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[];
	_dropped boolean := false;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('pgmq_router.' || lower($1), 0));
	IF NOT EXISTS (SELECT FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1)) THEN
		PERFORM pgmq_router._check_block();
		RAISE NOTICE 'pgmq queue `%` does not exist', $1;
		RETURN false;
	END IF;
	_shards := pgmq_router._shards_all($1);
	DELETE FROM pgmq_router.queue AS d WHERE d.queue_name = lower($1);
	BEGIN
		FOREACH _s IN ARRAY _shards LOOP
			_dropped := pgmq_router.drop_queue(_s, $1, $2) OR _dropped;
		END LOOP;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	RETURN _dropped;
END
$$;

-- refused: enable_notify_insert
CREATE FUNCTION pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer DEFAULT 250) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.enable_notify_insert', $1);
END
$$;

-- everywhere: engine_status
CREATE FUNCTION pgmq_router.engine_status(integer) RETURNS TABLE(queue_name text, due_map text, pieces bigint, bytes bigint, next_due timestamp with time zone, waiting integer, net_finds bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.engine_status() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.engine_status() RETURNS TABLE(queue_name text, due_map text, pieces bigint, bytes bigint, next_due timestamp with time zone, waiting integer, net_finds bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.engine_status(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: extend
CREATE FUNCTION pgmq_router.extend(integer, text, bigint[], integer[], integer) RETURNS TABLE(lost_msg_id bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.extend($2::text, $3::bigint[], $4::integer[], $5::integer);
$$;
CREATE FUNCTION pgmq.extend(queue_name text, msg_ids bigint[], read_cts integer[], vt integer) RETURNS TABLE(lost_msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.extend(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.extend(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), $4);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- anywhere: format_table_name
CREATE FUNCTION pgmq_router.format_table_name(integer, text, text) RETURNS text LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.format_table_name($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.format_table_name(queue_name text, prefix text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN pgmq_router.format_table_name(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- id: forward
CREATE FUNCTION pgmq_router.forward(integer, text, bigint, text, jsonb, jsonb, integer) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.forward($2::text, $3::bigint, $4::text, $5::jsonb, $6::jsonb, $7::integer);
$$;
CREATE FUNCTION pgmq.forward(queue_name text, msg_id bigint, to_queue text, msg jsonb, headers jsonb, read_ct integer) RETURNS bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._check_target(pgmq_router._shard_of($1, $2), $3);
BEGIN
	RETURN pgmq_router.forward(_s, $1, $2, $3, $4, $5, $6);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- first: get_policy
CREATE FUNCTION pgmq_router.get_policy(integer, text) RETURNS jsonb LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.get_policy($2::text);
$$;
CREATE FUNCTION pgmq.get_policy(queue_name text) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_first($1);
BEGIN
	RETURN pgmq_router.get_policy(_s, $1);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- all: grant_queue
CREATE FUNCTION pgmq_router.grant_queue(integer, text, text, text[]) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.grant_queue($2::text, $3::text, VARIADIC $4::text[]);
$$;
CREATE FUNCTION pgmq.grant_queue(queue_name text, role text, VARIADIC privileges text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.grant_queue(_s, $1, $2, $3);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: health
CREATE FUNCTION pgmq_router.health(integer, jsonb) RETURNS TABLE(severity text, queue_name text, what text, since timestamp with time zone, evidence text, advice text) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.health($2::jsonb);
$$;
CREATE FUNCTION pgmq.health(options jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(severity text, queue_name text, what text, since timestamp with time zone, evidence text, advice text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.health(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: horizon
CREATE FUNCTION pgmq_router.horizon(integer) RETURNS TABLE(kind text, pid integer, name text, state text, since timestamp with time zone, xacts bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.horizon() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.horizon() RETURNS TABLE(kind text, pid integer, name text, state text, since timestamp with time zone, xacts bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.horizon(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: horizon_costs
CREATE FUNCTION pgmq_router.horizon_costs(integer) RETURNS TABLE(queue_name text, dead_rows bigint, live_rows bigint, bytes bigint, last_vacuum timestamp with time zone, kind text, pid integer, name text, since timestamp with time zone, xacts bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.horizon_costs() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.horizon_costs() RETURNS TABLE(queue_name text, dead_rows bigint, live_rows bigint, bytes bigint, last_vacuum timestamp with time zone, kind text, pid integer, name text, since timestamp with time zone, xacts bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.horizon_costs(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: list_notify_insert_throttles
CREATE FUNCTION pgmq_router.list_notify_insert_throttles(integer) RETURNS TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_notify_insert_throttles() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.list_notify_insert_throttles() RETURNS TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.list_notify_insert_throttles(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- list_queues: list_queues
CREATE FUNCTION pgmq_router.list_queues(integer) RETURNS SETOF pgmq.queue_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_queues() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.list_queues() RETURNS SETOF pgmq.queue_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_rows pgmq.queue_record[];
	_all pgmq.queue_record[];
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		_rows := ARRAY(SELECT r FROM pgmq_router.list_queues(_s) AS r);
		_all := _all || _rows;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN QUERY SELECT DISTINCT ON (lower(r.queue_name)) r.* FROM unnest(_all) AS r
		ORDER BY lower(r.queue_name), r.created_at;
END
$$;

-- everywhere: list_subscriptions
CREATE FUNCTION pgmq_router.list_subscriptions(integer) RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_subscriptions() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.list_subscriptions() RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.list_subscriptions(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: list_subscriptions
CREATE FUNCTION pgmq_router.list_subscriptions(integer, text) RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_subscriptions($2::text);
$$;
CREATE FUNCTION pgmq.list_subscriptions(queue_name text) RETURNS TABLE(stream_name text, subscription_name text, created_at timestamp with time zone, last_read_at timestamp with time zone, in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.list_subscriptions(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: list_topic_bindings
CREATE FUNCTION pgmq_router.list_topic_bindings(integer) RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_topic_bindings() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.list_topic_bindings() RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.list_topic_bindings(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- first: list_topic_bindings
CREATE FUNCTION pgmq_router.list_topic_bindings(integer, text) RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.list_topic_bindings($2::text);
$$;
CREATE FUNCTION pgmq_router._list_topic_bindings(text) RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_first($1);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.list_topic_bindings(_s, $1);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;
CREATE FUNCTION pgmq.list_topic_bindings(queue_name text) RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
LANGUAGE sql
AS 'SELECT * FROM pgmq_router._list_topic_bindings($1)';

-- in_order: locked
CREATE FUNCTION pgmq_router.locked(integer, text, integer, bigint) RETURNS TABLE(msg_id bigint, vt timestamp with time zone, transaction xid, pid integer) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.locked($2::text, $3::integer, $4::bigint);
$$;
CREATE FUNCTION pgmq.locked(queue_name text, qty integer DEFAULT 1000, after_msg_id bigint DEFAULT NULL::bigint) RETURNS TABLE(msg_id bigint, vt timestamp with time zone, transaction xid, pid integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_left integer := $2;
	_n bigint;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.locked(_s, $1, _left, $3);
		GET DIAGNOSTICS _n = ROW_COUNT;
		_left := _left - _n;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	EXIT WHEN _left <= 0;
	END LOOP;
END
$$;

-- refused: maintain
CREATE PROCEDURE pgmq.maintain()
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.maintain', NULL);
END
$$;

-- everywhere: maintenance_status
CREATE FUNCTION pgmq_router.maintenance_status(integer) RETURNS TABLE(queue_name text, since timestamp with time zone, last_run timestamp with time zone, duration interval, rows bigint, more boolean, last_error text, last_error_at timestamp with time zone, left_out_until timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.maintenance_status() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.maintenance_status() RETURNS TABLE(queue_name text, since timestamp with time zone, last_run timestamp with time zone, duration interval, rows bigint, more boolean, last_error text, last_error_at timestamp with time zone, left_out_until timestamp with time zone)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.maintenance_status(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: memory_status
CREATE FUNCTION pgmq_router.memory_status(integer) RETURNS TABLE(state text, since timestamp with time zone, bytes bigint, maps integer, maps_max integer, nodes integer, nodes_max integer, evictions bigint, merges bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.memory_status() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.memory_status() RETURNS TABLE(state text, since timestamp with time zone, bytes bigint, maps integer, maps_max integer, nodes integer, nodes_max integer, evictions bigint, merges bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.memory_status(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: metrics
CREATE FUNCTION pgmq_router.metrics(integer, text) RETURNS pgmq.metrics_result LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.metrics($2::text);
$$;
CREATE FUNCTION pgmq.metrics(queue_name text) RETURNS pgmq.metrics_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_all pgmq.metrics_result[];
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		_all := array_append(_all, pgmq_router.metrics(_s, $1));
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN (SELECT ROW(lower($1), sum(r.queue_length)::bigint, min(r.newest_msg_age_sec), max(r.oldest_msg_age_sec), sum(r.total_messages & 70368744177663)::bigint, max(r.scrape_time), sum(r.queue_visible_length)::bigint, sum(r.default_partition_length)::bigint) FROM unnest(_all) AS r);
END
$$;

-- metrics_all: metrics_all
CREATE FUNCTION pgmq_router.metrics_all(integer) RETURNS SETOF pgmq.metrics_result LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.metrics_all() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.metrics_all() RETURNS SETOF pgmq.metrics_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_rows pgmq.metrics_result[];
	_all pgmq.metrics_result[];
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		_rows := ARRAY(SELECT r FROM pgmq_router.metrics_all(_s) AS r);
		_all := _all || _rows;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN QUERY SELECT r.queue_name, sum(r.queue_length)::bigint, min(r.newest_msg_age_sec), max(r.oldest_msg_age_sec), sum(r.total_messages & 70368744177663)::bigint, max(r.scrape_time), sum(r.queue_visible_length)::bigint, sum(r.default_partition_length)::bigint FROM unnest(_all) AS r GROUP BY r.queue_name ORDER BY r.queue_name;
END
$$;

-- id: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.nack(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint, $4::integer);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.nack(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint, integer, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint, $4::integer, $5::integer);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.nack(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint, integer, integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint, $4::integer, $5::integer, $6::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id bigint, delay integer, read_ct integer, error text) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.nack(_s, $1, $2, $3, $4, $5);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: nack
CREATE FUNCTION pgmq_router.nack(integer, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: nack
CREATE FUNCTION pgmq_router.nack(integer, text, text, integer) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::text, $4::integer);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay integer) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: nack
CREATE FUNCTION pgmq_router.nack(integer, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: nack
CREATE FUNCTION pgmq_router.nack(integer, text, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::text, $4::text, $5::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: nack
CREATE FUNCTION pgmq_router.nack(integer, text, text, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::text, $4::text, $5::text, $6::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text, error text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3, $4, $5);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[]);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[], integer) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[], $4::integer);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[], integer, integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[], $4::integer, $5::integer[]);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[], integer, integer[], text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[], $4::integer, $5::integer[], $6::text);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[], error text) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3, $4, $5);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions), $5);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[], integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[], $4::integer[]);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: nack
CREATE FUNCTION pgmq_router.nack(integer, text, bigint[], integer[], integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.nack($2::text, $3::bigint[], $4::integer[], $5::integer[]);
$$;
CREATE FUNCTION pgmq.nack(queue_name text, msg_ids bigint[], delays integer[], read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3), cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.nack(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: overview
CREATE FUNCTION pgmq_router.overview(integer, integer) RETURNS TABLE(queue_name text, messages bigint, ready_for interval, waiting bigint, sent bigint, acked bigint, redelivered bigint, dead bigint, last_send interval, last_read interval, trouble text) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.overview($2::integer);
$$;
CREATE FUNCTION pgmq.overview(qty integer DEFAULT 30) RETURNS TABLE(queue_name text, messages bigint, ready_for interval, waiting bigint, sent bigint, acked bigint, redelivered bigint, dead bigint, last_send interval, last_read interval, trouble text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.overview(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- everywhere: partition_status
CREATE FUNCTION pgmq_router.partition_status(integer) RETURNS TABLE(queue_name text, table_name text, partitioned_by text, partitions integer, ahead integer, ids_left bigint, time_left interval, default_rows bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.partition_status() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.partition_status() RETURNS TABLE(queue_name text, table_name text, partitioned_by text, partitions integer, ahead integer, ids_left bigint, time_left interval, default_rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.partition_status(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: pause
CREATE FUNCTION pgmq_router.pause(integer, text, timestamp with time zone) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.pause($2::text, $3::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.pause(queue_name text, until timestamp with time zone) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.pause(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- in_order: peek
CREATE FUNCTION pgmq_router.peek(integer, text, text, integer, bigint) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.peek($2::text, $3::text, $4::integer, $5::bigint);
$$;
CREATE FUNCTION pgmq.peek(queue_name text, state text DEFAULT 'all'::text, qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL::bigint) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_left integer := $3;
	_n bigint;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.peek(_s, $1, $2, _left, $4);
		GET DIAGNOSTICS _n = ROW_COUNT;
		_left := _left - _n;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	EXIT WHEN _left <= 0;
	END LOOP;
END
$$;

-- in_order: peek_archive
CREATE FUNCTION pgmq_router.peek_archive(integer, text, integer, bigint) RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, archived_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.peek_archive($2::text, $3::integer, $4::bigint);
$$;
CREATE FUNCTION pgmq.peek_archive(queue_name text, qty integer DEFAULT 100, after_msg_id bigint DEFAULT NULL::bigint) RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, archived_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_left integer := $2;
	_n bigint;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.peek_archive(_s, $1, _left, $3);
		GET DIAGNOSTICS _n = ROW_COUNT;
		_left := _left - _n;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN cardinality(pgmq_router._shards_all($1)) = 1 THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	EXIT WHEN _left <= 0;
	END LOOP;
END
$$;

-- read: pop
CREATE FUNCTION pgmq_router.pop(integer, text, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.pop($2::text, $3::integer);
$$;
CREATE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.pop(_s, $1, $2);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: purge_queue
CREATE FUNCTION pgmq_router.purge_queue(integer, text) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.purge_queue($2::text);
$$;
CREATE FUNCTION pgmq.purge_queue(queue_name text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_all bigint[];
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		_all := array_append(_all, pgmq_router.purge_queue(_s, $1));
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN (SELECT sum(r)::bigint FROM unnest(_all) AS r);
END
$$;

-- queue_depth: queue_depth
CREATE FUNCTION pgmq_router.queue_depth(integer, text) RETURNS TABLE(queue_name text, visible bigint, delayed bigint, in_flight bigint, oldest_visible_age double precision) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.queue_depth($2::text);
$$;
CREATE FUNCTION pgmq_router._queue_depth(text) RETURNS TABLE(queue_name text, visible bigint, delayed bigint, in_flight bigint, oldest_visible_age double precision)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_shards integer[] := pgmq_router._shards_all($1);
BEGIN
	RETURN QUERY SELECT lower($1), sum(r.visible)::bigint, sum(r.delayed)::bigint, sum(r.in_flight)::bigint,
			max(r.oldest_visible_age)
		FROM unnest(_shards) AS s(shard)
			CROSS JOIN LATERAL pgmq_router.queue_depth(s.shard, $1) AS r;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;
CREATE FUNCTION pgmq.queue_depth(queue_name text) RETURNS TABLE(queue_name text, visible bigint, delayed bigint, in_flight bigint, oldest_visible_age double precision)
LANGUAGE sql
AS 'SELECT * FROM pgmq_router._queue_depth($1)';

-- everywhere: queue_stats
CREATE FUNCTION pgmq_router.queue_stats(integer) RETURNS TABLE(queue_name text, state text, stats_reset timestamp with time zone, sent bigint, deduplicated bigint, delivered bigint, redelivered bigint, expired_leases bigint, acked bigint, archived bigint, nacked bigint, released bigint, extended bigint, fence_refused bigint, dead_max_reads bigint, dead_expired bigint, dead_explicit bigint, dead_refused bigint, dropped_expired bigint, reads bigint, empty_reads bigint, waits bigint, wakeups bigint, wakeups_in_vain bigint, dead_clients bigint, last_send_at timestamp with time zone, last_read_at timestamp with time zone, last_ack_at timestamp with time zone, wait_count bigint, wait_seconds double precision, wait_buckets bigint[], processing_count bigint, processing_seconds double precision, processing_buckets bigint[], age_count bigint, age_seconds double precision, age_buckets bigint[], readable bigint) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.queue_stats() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.queue_stats() RETURNS TABLE(queue_name text, state text, stats_reset timestamp with time zone, sent bigint, deduplicated bigint, delivered bigint, redelivered bigint, expired_leases bigint, acked bigint, archived bigint, nacked bigint, released bigint, extended bigint, fence_refused bigint, dead_max_reads bigint, dead_expired bigint, dead_explicit bigint, dead_refused bigint, dropped_expired bigint, reads bigint, empty_reads bigint, waits bigint, wakeups bigint, wakeups_in_vain bigint, dead_clients bigint, last_send_at timestamp with time zone, last_read_at timestamp with time zone, last_ack_at timestamp with time zone, wait_count bigint, wait_seconds double precision, wait_buckets bigint[], processing_count bigint, processing_seconds double precision, processing_buckets bigint[], age_count bigint, age_seconds double precision, age_buckets bigint[], readable bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.queue_stats(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: read
CREATE FUNCTION pgmq_router.read(integer, text, integer, integer, jsonb) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read($2::text, $3::integer, $4::integer, $5::jsonb);
$$;
CREATE FUNCTION pgmq.read(queue_name text, vt integer, qty integer, conditional jsonb DEFAULT '{}'::jsonb) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read(_s, $1, $2, $3, $4);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read_any: read_any
CREATE FUNCTION pgmq_router.read_any(integer, text[], integer, integer, jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_any($2::text[], $3::integer, $4::integer, $5::jsonb);
$$;
CREATE FUNCTION pgmq_router._read_any(text[], integer, integer, jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_q text;
	_others integer;
BEGIN
	FOREACH _q IN ARRAY coalesce($1, '{}') LOOP
		_others := pgmq_router._shard_only(_q, 'read_any');
		_s := coalesce(_s, _others);
		IF _s <> _others THEN
			RAISE feature_not_supported
				USING MESSAGE = 'read_any is not for queues on different servers',
					HINT = 'Create queues that are read together beside each other, or read them one by one.';
		END IF;
	END LOOP;
	_s := coalesce(_s, 0);
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read_any(_s, $1, $2, $3, $4);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(_q, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
END
$$;
CREATE FUNCTION pgmq.read_any(queue_names text[], vt integer, qty integer, options jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
LANGUAGE sql
AS 'SELECT * FROM pgmq_router._read_any($1, $2, $3, $4)';

-- read_any: read_any_with_poll
CREATE FUNCTION pgmq_router.read_any_with_poll(integer, text[], integer, integer, integer, integer, jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_any_with_poll($2::text[], $3::integer, $4::integer, $5::integer, $6::integer, $7::jsonb);
$$;
CREATE FUNCTION pgmq_router._read_any_with_poll(text[], integer, integer, integer, integer, jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_q text;
	_others integer;
BEGIN
	FOREACH _q IN ARRAY coalesce($1, '{}') LOOP
		_others := pgmq_router._shard_only(_q, 'read_any_with_poll');
		_s := coalesce(_s, _others);
		IF _s <> _others THEN
			RAISE feature_not_supported
				USING MESSAGE = 'read_any_with_poll is not for queues on different servers',
					HINT = 'Create queues that are read together beside each other, or read them one by one.';
		END IF;
	END LOOP;
	_s := coalesce(_s, 0);
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read_any_with_poll(_s, $1, $2, $3, $4, $5, $6);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(_q, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
END
$$;
CREATE FUNCTION pgmq.read_any_with_poll(queue_names text[], vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, options jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(queue_name text, msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, last_read_at timestamp with time zone, vt timestamp with time zone, message jsonb, headers jsonb)
LANGUAGE sql
AS 'SELECT * FROM pgmq_router._read_any_with_poll($1, $2, $3, $4, $5, $6)';

-- read: read_grouped
CREATE FUNCTION pgmq_router.read_grouped(integer, text, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped($2::text, $3::integer, $4::integer);
$$;
CREATE FUNCTION pgmq.read_grouped(queue_name text, vt integer, qty integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read_grouped(_s, $1, $2, $3);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: read_grouped_head
CREATE FUNCTION pgmq_router.read_grouped_head(integer, text, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped_head($2::text, $3::integer, $4::integer);
$$;
CREATE FUNCTION pgmq.read_grouped_head(queue_name text, vt integer, qty integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read_grouped_head(_s, $1, $2, $3);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: read_grouped_head_with_poll
CREATE FUNCTION pgmq_router.read_grouped_head_with_poll(integer, text, integer, integer, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped_head_with_poll($2::text, $3::integer, $4::integer, $5::integer, $6::integer);
$$;
CREATE FUNCTION pgmq.read_grouped_head_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_left float8 := $4;
	_until timestamptz := clock_timestamp() + make_interval(secs => $4);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped_head_with_poll(_s, $1, $2, $3, _slice, $5);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped_head(_s, $1, $2, $3);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($5, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- read: read_grouped_rr
CREATE FUNCTION pgmq_router.read_grouped_rr(integer, text, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped_rr($2::text, $3::integer, $4::integer);
$$;
CREATE FUNCTION pgmq.read_grouped_rr(queue_name text, vt integer, qty integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
BEGIN
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.read_grouped_rr(_s, $1, $2, $3);
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- read: read_grouped_rr_with_poll
CREATE FUNCTION pgmq_router.read_grouped_rr_with_poll(integer, text, integer, integer, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped_rr_with_poll($2::text, $3::integer, $4::integer, $5::integer, $6::integer);
$$;
CREATE FUNCTION pgmq.read_grouped_rr_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_left float8 := $4;
	_until timestamptz := clock_timestamp() + make_interval(secs => $4);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped_rr_with_poll(_s, $1, $2, $3, _slice, $5);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped_rr(_s, $1, $2, $3);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($5, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- read: read_grouped_with_poll
CREATE FUNCTION pgmq_router.read_grouped_with_poll(integer, text, integer, integer, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_grouped_with_poll($2::text, $3::integer, $4::integer, $5::integer, $6::integer);
$$;
CREATE FUNCTION pgmq.read_grouped_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_left float8 := $4;
	_until timestamptz := clock_timestamp() + make_interval(secs => $4);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped_with_poll(_s, $1, $2, $3, _slice, $5);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.read_grouped(_s, $1, $2, $3);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($5, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- read: read_with_poll
CREATE FUNCTION pgmq_router.read_with_poll(integer, text, integer, integer, integer, integer, jsonb) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.read_with_poll($2::text, $3::integer, $4::integer, $5::integer, $6::integer, $7::jsonb);
$$;
CREATE FUNCTION pgmq.read_with_poll(queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100, conditional jsonb DEFAULT '{}'::jsonb) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[];
	_answered boolean := false;
	_left float8 := $4;
	_until timestamptz := clock_timestamp() + make_interval(secs => $4);
	_slice integer;
BEGIN
LOOP
	_order := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_read($1));
	_slice := least(ceil(_left), 5);
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		IF cardinality(_order) = 1 THEN
			RETURN QUERY SELECT * FROM pgmq_router.read_with_poll(_s, $1, $2, $3, _slice, $5, $6);
		ELSE
			RETURN QUERY SELECT * FROM pgmq_router.read(_s, $1, $2, $3, $6);
		END IF;
		_answered := true;
		IF FOUND THEN
			RETURN;
		END IF;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _answered THEN 'lost' ELSE pgmq_router._go_on(_order, _s, 'lost') END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	_left := least(_left, extract(epoch FROM _until - clock_timestamp()));
	EXIT WHEN _left <= 0 OR _left IS NULL;
	IF cardinality(_order) > 1 THEN
		PERFORM pg_sleep(least(_left, greatest($5, 1) / 1000.0));
	END IF;
END LOOP;
END
$$;

-- some: redrive
CREATE FUNCTION pgmq_router.redrive(integer, text, integer) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.redrive($2::text, $3::integer);
$$;
CREATE FUNCTION pgmq.redrive(queue_name text, qty integer) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_done bigint := 0;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		EXIT WHEN _done >= $2;
		_done := _done + pgmq_router.redrive(_s, $1, ($2 - _done)::integer);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN _done;
END
$$;

-- some: redrive
CREATE FUNCTION pgmq_router.redrive(integer, text, integer, jsonb) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.redrive($2::text, $3::integer, $4::jsonb);
$$;
CREATE FUNCTION pgmq.redrive(queue_name text, qty integer, options jsonb) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_done bigint := 0;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		EXIT WHEN _done >= $2;
		_done := _done + pgmq_router.redrive(_s, $1, ($2 - _done)::integer, $3);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN _done;
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint, integer, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint, $4::integer, $5::integer);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay integer, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint, interval, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint, $4::interval, $5::integer);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay interval, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint, text, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint, $4::text, $5::integer);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay text, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint, timestamp with time zone, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint, $4::timestamp with time zone, $5::integer);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, delay timestamp with time zone, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint, integer) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint, $4::integer);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id bigint, read_ct integer) RETURNS boolean
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.release(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: release
CREATE FUNCTION pgmq_router.release(integer, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: release
CREATE FUNCTION pgmq_router.release(integer, text, text, text) RETURNS SETOF boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_id_or_ids text, read_ct_or_cts text) RETURNS SETOF boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint[]);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, pgmq_router._pick($2, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: release
CREATE FUNCTION pgmq_router.release(integer, text, bigint[], integer[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.release($2::text, $3::bigint[], $4::integer[]);
$$;
CREATE FUNCTION pgmq.release(queue_name text, msg_ids bigint[], read_cts integer[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($3)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.release(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: reset_queue_stats
CREATE FUNCTION pgmq_router.reset_queue_stats(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.reset_queue_stats($2::text);
$$;
CREATE FUNCTION pgmq.reset_queue_stats(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.reset_queue_stats(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: resume
CREATE FUNCTION pgmq_router.resume(integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.resume($2::text);
$$;
CREATE FUNCTION pgmq.resume(queue_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_all boolean[];
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		_all := array_append(_all, pgmq_router.resume(_s, $1));
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN (SELECT bool_or(r) FROM unnest(_all) AS r);
END
$$;

-- all: revoke_queue
CREATE FUNCTION pgmq_router.revoke_queue(integer, text, text, text[]) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.revoke_queue($2::text, $3::text, VARIADIC $4::text[]);
$$;
CREATE FUNCTION pgmq.revoke_queue(queue_name text, role text, VARIADIC privileges text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.revoke_queue(_s, $1, $2, $3);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: seek
CREATE FUNCTION pgmq_router.seek(integer, text, bigint) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.seek($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.seek(subscription_name text, start bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_start($1, $2::text);
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.seek(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: seek
CREATE FUNCTION pgmq_router.seek(integer, text, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.seek($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.seek(subscription_name text, start text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_start($1, $2::text);
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.seek(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: seek
CREATE FUNCTION pgmq_router.seek(integer, text, text, jsonb) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.seek($2::text, $3::text, $4::jsonb);
$$;
CREATE FUNCTION pgmq.seek(subscription_name text, start text, options jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_start($1, $2::text);
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.seek(_s, $1, $2, $3);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- all: seek
CREATE FUNCTION pgmq_router.seek(integer, text, timestamp with time zone) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.seek($2::text, $3::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.seek(subscription_name text, start timestamp with time zone) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_start($1, $2::text);
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		PERFORM pgmq_router.seek(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, NULL));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, character varying) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::character varying);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay character varying) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, NULL));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, integer) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::integer);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay integer) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, NULL));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, interval) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::interval);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay interval) RETURNS SETOF bigint
LANGUAGE plpgsql
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, NULL));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, timestamp with time zone) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay timestamp with time zone) RETURNS SETOF bigint
LANGUAGE plpgsql
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, NULL));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, jsonb) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::jsonb);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, $3));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, jsonb, integer) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::jsonb, $5::integer);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay integer) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, $3));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, jsonb, interval) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::jsonb, $5::interval);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay interval) RETURNS SETOF bigint
LANGUAGE plpgsql
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, $3));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, jsonb, text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::jsonb, $5::text);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay text) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, $3));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, jsonb, timestamp with time zone) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::jsonb, $5::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb, delay timestamp with time zone) RETURNS SETOF bigint
LANGUAGE plpgsql
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, $3));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send: send
CREATE FUNCTION pgmq_router.send(integer, text, jsonb, text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send($2::text, $3::jsonb, $4::text);
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers_or_delay text) RETURNS SETOF bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_order integer[] := coalesce(pgmq_router._alone($1), pgmq_router._shards_to_send($1, pgmq_router._headers($3)));
BEGIN
	FOREACH _s IN ARRAY _order LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_order, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[]);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), NULL) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions)) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], integer) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::integer);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay integer) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), NULL) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), $3) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], interval) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::interval);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay interval) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), NULL) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), $3) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::text);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay text) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), NULL) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), $3) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], timestamp with time zone) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay timestamp with time zone) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), NULL) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), $3) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], jsonb[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::jsonb[]);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), $3) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions)) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], jsonb[], integer) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::jsonb[], $5::integer);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), $3) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), $4) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], jsonb[], interval) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::jsonb[], $5::interval);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay interval) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), $3) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), $4) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], jsonb[], text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::jsonb[], $5::text);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay text) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), $3) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), $4) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch: send_batch
CREATE FUNCTION pgmq_router.send_batch(integer, text, jsonb[], jsonb[], timestamp with time zone) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.send_batch($2::text, $3::jsonb[], $4::jsonb[], $5::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay timestamp with time zone) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_ids bigint[];
	_all bigint[];
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT * FROM pgmq_router._groups_to_send($1, cardinality($2), $3) LOOP
		FOREACH _s IN ARRAY _g.shards LOOP
		BEGIN
			IF _g.positions IS NULL THEN
				RETURN QUERY SELECT * FROM pgmq_router.send_batch(_s, $1, $2, $3, $4);
				RETURN;
			END IF;
			_ids := ARRAY(SELECT m FROM pgmq_router.send_batch(_s, $1, pgmq_router._pick($2, _g.positions), pgmq_router._pick($3, _g.positions), $4) AS m);
			EXIT;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed($1, _s, pgmq_router._go_on(_g.shards, _s, 'connect'), SQLSTATE, SQLERRM, _d, _h);
		END;
		END LOOP;
		FOR _i IN 1 .. cardinality(_ids) LOOP
			_all[_g.positions[_i]] := _ids[_i];
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(_all);
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[]) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), NULL) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions)) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), NULL) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), $3) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay interval) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), NULL) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), $3) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay text) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), NULL) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), $3) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay timestamp with time zone) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), NULL) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), $3) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[]) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), $3) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), pgmq_router._pick($3, _r.positions)) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay integer) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), $3) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), pgmq_router._pick($3, _r.positions), $4) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay interval) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), $3) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), pgmq_router._pick($3, _r.positions), $4) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay text) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), $3) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), pgmq_router._pick($3, _r.positions), $4) AS m;
	END LOOP;
END
$$;

-- send_batch_topic: send_batch_topic
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[], delay timestamp with time zone) RETURNS TABLE(queue_name text, msg_id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, cardinality($2), $3) LOOP
		RETURN QUERY SELECT _r.queue_name::text, m FROM pgmq.send_batch(_r.queue_name, pgmq_router._pick($2, _r.positions), pgmq_router._pick($3, _r.positions), $4) AS m;
	END LOOP;
END
$$;

-- send_topic: send_topic
CREATE FUNCTION pgmq.send_topic(routing_key text, msg jsonb) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, 1, NULL) LOOP
		PERFORM pgmq.send(_r.queue_name, $2);
		_n := _n + 1;
	END LOOP;
	RETURN _n;
END
$$;

-- send_topic: send_topic
CREATE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, delay integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, 1, NULL) LOOP
		PERFORM pgmq.send(_r.queue_name, $2, $3);
		_n := _n + 1;
	END LOOP;
	RETURN _n;
END
$$;

-- send_topic: send_topic
CREATE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, headers jsonb, delay integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_r record;
	_n integer := 0;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _r IN SELECT * FROM pgmq_router._topic_groups($1, 1, ARRAY[$3]) LOOP
		PERFORM pgmq.send(_r.queue_name, $2, $3, $4);
		_n := _n + 1;
	END LOOP;
	RETURN _n;
END
$$;

-- all: set_policy
CREATE FUNCTION pgmq_router.set_policy(integer, text, jsonb) RETURNS jsonb LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.set_policy($2::text, $3::jsonb);
$$;
CREATE FUNCTION pgmq.set_policy(queue_name text, policy jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_all jsonb[];
BEGIN
	PERFORM pgmq_router._prepare_policy($1, $2);
	FOREACH _s IN ARRAY pgmq_router._shards_all($1) LOOP
	BEGIN
		_all := array_append(_all, pgmq_router.set_policy(_s, $1, $2));
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
	RETURN (SELECT (array_agg(r))[1] FROM unnest(_all) AS r);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, integer, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::integer, $5::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer, read_ct integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, interval) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::interval);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, interval, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::interval, $5::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt interval, read_ct integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, text) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::text);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, text, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::text, $5::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt text, read_ct integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, timestamp with time zone) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- id: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint, timestamp with time zone, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint, $4::timestamp with time zone, $5::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt timestamp with time zone, read_ct integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, text, integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::text, $4::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, text, text) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::text, $4::text);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, text, text, text) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::text, $4::text, $5::text);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id_or_ids text, vt text, read_ct_or_cts text) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], integer) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::integer);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], integer, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::integer, $5::integer[]);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], interval) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::interval);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], interval, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::interval, $5::integer[]);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt interval, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], text) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::text);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], text, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::text, $5::integer[]);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt text, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], timestamp with time zone) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::timestamp with time zone);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3);
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- ids: set_vt
CREATE FUNCTION pgmq_router.set_vt(integer, text, bigint[], timestamp with time zone, integer[]) RETURNS SETOF pgmq.message_record LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.set_vt($2::text, $3::bigint[], $4::timestamp with time zone, $5::integer[]);
$$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt timestamp with time zone, read_cts integer[]) RETURNS SETOF pgmq.message_record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = ISO
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, $2, $3, $4);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2, cardinality($4)) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.set_vt(_s, $1, pgmq_router._pick($2, _g.positions), $3, pgmq_router._pick($4, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- anywhere: stat_bounds
CREATE FUNCTION pgmq_router.stat_bounds(integer) RETURNS double precision[] LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.stat_bounds() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.stat_bounds() RETURNS double precision[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN pgmq_router.stat_bounds(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- anywhere: stat_quantile
CREATE FUNCTION pgmq_router.stat_quantile(integer, bigint[], double precision) RETURNS double precision LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.stat_quantile($2::bigint[], $3::double precision);
$$;
CREATE FUNCTION pgmq.stat_quantile(buckets bigint[], quantile double precision) RETURNS double precision
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN pgmq_router.stat_quantile(_s, $1, $2);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- test_routing: test_routing
CREATE FUNCTION pgmq.test_routing(routing_key text) RETURNS TABLE(pattern text, queue_name text, compiled_regex text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._check_block();
	RETURN QUERY SELECT * FROM pgmq_router._routes($1, NULL);
END
$$;

-- test_routing: test_routing
CREATE FUNCTION pgmq.test_routing(routing_key text, headers jsonb) RETURNS TABLE(pattern text, queue_name text, compiled_regex text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._check_block();
	RETURN QUERY SELECT * FROM pgmq_router._routes($1, $2);
END
$$;

-- id: unarchive
CREATE FUNCTION pgmq_router.unarchive(integer, text, bigint) RETURNS bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.unarchive($2::text, $3::bigint);
$$;
CREATE FUNCTION pgmq.unarchive(queue_name text, msg_id bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := coalesce((pgmq_router._alone($1))[1], pgmq_router._shard_of($1, $2));
BEGIN
	RETURN pgmq_router.unarchive(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids_text: unarchive
CREATE FUNCTION pgmq_router.unarchive(integer, text, text) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.unarchive($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.unarchive(queue_name text, msg_id_or_ids text) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_of_text($1, $2);
BEGIN
	RETURN QUERY SELECT * FROM pgmq_router.unarchive(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- ids: unarchive
CREATE FUNCTION pgmq_router.unarchive(integer, text, bigint[]) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.unarchive($2::text, $3::bigint[]);
$$;
CREATE FUNCTION pgmq.unarchive(queue_name text, msg_ids bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
	_g record;
	_answered boolean := false;
BEGIN
	_s := (pgmq_router._alone($1))[1];
	IF _s IS NOT NULL THEN
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.unarchive(_s, $1, $2);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
	END;
	END IF;
	FOR _g IN SELECT g.*, lead(1) OVER () IS NULL AS is_last FROM pgmq_router._groups($1, $2) AS g LOOP
	BEGIN
		_s := _g.shard;
		RETURN QUERY SELECT * FROM pgmq_router.unarchive(_s, $1, pgmq_router._pick($2, _g.positions));
		_answered := true;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, CASE WHEN _g.is_last AND NOT _answered THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- first: unbind_topic
CREATE FUNCTION pgmq_router.unbind_topic(integer, text, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.unbind_topic($2::text, $3::text);
$$;
CREATE FUNCTION pgmq.unbind_topic(pattern text, queue_name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer := pgmq_router._shard_first($2);
BEGIN
	RETURN pgmq_router.unbind_topic(_s, $1, $2);
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed(NULL, _s, 'no', SQLSTATE, SQLERRM, _d, _h);
END
$$;

-- refused: update_notify_insert
CREATE FUNCTION pgmq.update_notify_insert(queue_name text, throttle_interval_ms integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.update_notify_insert', $1);
END
$$;

-- anywhere: validate_queue_name
CREATE FUNCTION pgmq_router.validate_queue_name(integer, text) RETURNS void LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.validate_queue_name($2::text);
$$;
CREATE FUNCTION pgmq.validate_queue_name(queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		PERFORM pgmq_router.validate_queue_name(_s, $1);
		RETURN;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed($1, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- anywhere: validate_routing_key
CREATE FUNCTION pgmq_router.validate_routing_key(integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.validate_routing_key($2::text);
$$;
CREATE FUNCTION pgmq.validate_routing_key(routing_key text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN pgmq_router.validate_routing_key(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- anywhere: validate_topic_pattern
CREATE FUNCTION pgmq_router.validate_topic_pattern(integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pgmq.validate_topic_pattern($2::text);
$$;
CREATE FUNCTION pgmq.validate_topic_pattern(pattern text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN pgmq_router.validate_topic_pattern(_s, $1);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

-- refused: wait
CREATE PROCEDURE pgmq.wait(IN queue_name text, IN max_poll_seconds integer)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM pgmq_router._refuse('pgmq.wait', $1);
END
$$;

-- everywhere: waiters
CREATE FUNCTION pgmq_router.waiters(integer) RETURNS TABLE(queue_name text, pid integer, kind text, since timestamp with time zone) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT * FROM pgmq.waiters() WHERE $1::integer IS NOT NULL;
$$;
CREATE FUNCTION pgmq.waiters() RETURNS TABLE(queue_name text, pid integer, kind text, since timestamp with time zone)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	_d pg_catalog.text;
	_h pg_catalog.text;
	_s integer;
BEGIN
	PERFORM pgmq_router._check_block();
	FOR _s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
	BEGIN
		RETURN QUERY SELECT * FROM pgmq_router.waiters(_s);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS _d = PG_EXCEPTION_DETAIL, _h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, _s, 'lost', SQLSTATE, SQLERRM, _d, _h);
	END;
	END LOOP;
END
$$;

