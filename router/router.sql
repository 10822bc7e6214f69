/*
 * pgmq_router: the directory of queues, and what the functions in schema pgmq
 * share.  Those functions are in the second part of this script, which
 * generate.sql makes from the catalog of a database with pgmq_c.
 */
\echo Use "CREATE EXTENSION pgmq_router" to load this file. \quit

CREATE SCHEMA pgmq_router;
GRANT USAGE ON SCHEMA pgmq, pgmq_router TO PUBLIC;

-- ---------------------------------------------------------------------------
-- The types that the functions of queues return: those of pgmq_c
-- ---------------------------------------------------------------------------

CREATE TYPE pgmq.message_record AS (
	msg_id bigint,
	read_ct integer,
	enqueued_at timestamp with time zone,
	last_read_at timestamp with time zone,
	vt timestamp with time zone,
	message jsonb,
	headers jsonb
);

CREATE TYPE pgmq.queue_record AS (
	queue_name character varying,
	is_partitioned boolean,
	is_unlogged boolean,
	created_at timestamp with time zone
);

CREATE TYPE pgmq.metrics_result AS (
	queue_name text,
	queue_length bigint,
	newest_msg_age_sec integer,
	oldest_msg_age_sec integer,
	total_messages bigint,
	scrape_time timestamp with time zone,
	queue_visible_length bigint,
	default_partition_length bigint
);

-- ---------------------------------------------------------------------------
-- The directory
-- ---------------------------------------------------------------------------

CREATE TABLE pgmq_router.shard (
	shard integer PRIMARY KEY CHECK (shard >= 0),
	connection text NOT NULL
);
COMMENT ON TABLE pgmq_router.shard IS
	'The servers with pgmq_c, and how clients connect to them.';

CREATE TABLE pgmq_router.queue (
	queue_name text PRIMARY KEY CHECK (queue_name = pg_catalog.lower(queue_name)),
	shards integer[] NOT NULL CHECK (pg_catalog.cardinality(shards) BETWEEN 1 AND 128),
	by_key boolean NOT NULL DEFAULT false,
	moving_slot integer,
	moving_to integer REFERENCES pgmq_router.shard,
	created_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
	CHECK ((moving_slot IS NULL) = (moving_to IS NULL))
);
COMMENT ON TABLE pgmq_router.queue IS
	'Where each queue is: slot k is on shards[k + 1], and its message ids begin with k * 2^46 + 1.';

SELECT pg_catalog.pg_extension_config_dump('pgmq_router.shard', '');
SELECT pg_catalog.pg_extension_config_dump('pgmq_router.queue', '');
GRANT SELECT ON pgmq_router.shard, pgmq_router.queue TO PUBLIC;

CREATE FUNCTION pgmq_router._check_block() RETURNS boolean
LANGUAGE c AS 'MODULE_PATHNAME', 'pgmq_router_check_block';

CREATE FUNCTION pgmq_router._alone(queue_name text) RETURNS integer[]
LANGUAGE c AS 'MODULE_PATHNAME', 'pgmq_router_alone';

CREATE FUNCTION pgmq_router._report(sqlstate text, message text, detail text, hint text, is_warning boolean)
RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'pgmq_router_report';

-- ---------------------------------------------------------------------------
-- Which shards a call goes to
--
-- These are called by the functions in schema pgmq, for all but queues in one
-- slot: _alone knows these.  Those that are called by functions without a
-- search_path of their own set it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pgmq_router._queue(name text) RETURNS pgmq_router.queue
LANGUAGE plpgsql
AS $$
DECLARE
	-- an assignment costs less than PERFORM
	ok boolean := pgmq_router._check_block();
	q pgmq_router.queue;
BEGIN
	SELECT * INTO q FROM pgmq_router.queue AS d WHERE d.queue_name = lower(name);
	IF NOT FOUND THEN
		IF name IS NULL THEN
			RAISE null_value_not_allowed
				USING MESSAGE = 'null values cannot be formatted as an SQL identifier';
		END IF;
		RAISE undefined_table
			USING MESSAGE = format('relation "pgmq.q_%s" does not exist', lower(name)),
				DETAIL = format('Queue "%s" does not exist.', name),
				HINT = 'Create the queue with pgmq.create(), or list the queues with pgmq.list_queues().';
	END IF;
	RETURN q;
END
$$;
COMMENT ON FUNCTION pgmq_router._queue(text) IS
	'The directory''s row of a queue. Errors: 42P01, 22004; 25001 in a transaction block.';

CREATE FUNCTION pgmq_router._shard(q pgmq_router.queue, slot integer) RETURNS integer
LANGUAGE plpgsql
AS $$
BEGIN
	IF q.moving_slot = slot THEN
		RAISE serialization_failure
			USING MESSAGE = format('queue "%s" is being moved to another server', q.queue_name),
				HINT = 'Nothing was done. Try again in a moment.';
	END IF;
	RETURN q.shards[slot + 1];
END
$$;
COMMENT ON FUNCTION pgmq_router._shard(pgmq_router.queue, integer) IS
	'The shard of a slot. Error: 40001 while the slot is being moved.';

-- The slot that has the message: none has an id that is out of range, and then
-- the first one says so.
CREATE FUNCTION pgmq_router._slot(q pgmq_router.queue, msg_id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN pg_catalog.cardinality(q.shards) = 1 OR msg_id IS NULL
			OR msg_id OPERATOR(pg_catalog.>>) 46 NOT BETWEEN 0 AND pg_catalog.cardinality(q.shards) OPERATOR(pg_catalog.-) 1
		THEN 0
		ELSE (msg_id OPERATOR(pg_catalog.>>) 46)::pg_catalog.int4 END
$$;

CREATE FUNCTION pgmq_router._shard_of(name text, msg_id bigint) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	RETURN pgmq_router._shard(q, pgmq_router._slot(q, msg_id));
END
$$;

-- Of a queue in one slot, or of whichever slot is the first.
CREATE FUNCTION pgmq_router._shard_first(name text) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	RETURN pgmq_router._shard(q, 0);
END
$$;

-- Of the only slot.  A call that cannot be spread says so, with a hint.
CREATE FUNCTION pgmq_router._shard_only(name text, what text) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	IF cardinality(q.shards) > 1 THEN
		RAISE feature_not_supported
			USING MESSAGE = format('%s is not for a queue that is spread over servers', what),
				HINT = format('Connect to its servers: SELECT * FROM pgmq_router.slots(%L).', q.queue_name);
	END IF;
	RETURN pgmq_router._shard(q, 0);
END
$$;

-- Of ids in a text without a type: they must be of one slot.
CREATE FUNCTION pgmq_router._shard_of_text(name text, ids text) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
	slots integer[];
BEGIN
	IF cardinality(q.shards) = 1 OR ids IS NULL THEN
		RETURN pgmq_router._shard(q, 0);
	END IF;
	SELECT array_agg(DISTINCT pgmq_router._slot(q, id)) INTO slots
		FROM unnest(CASE WHEN ltrim(ids) LIKE '{%' THEN ids::bigint[] ELSE ARRAY[ids::bigint] END) AS id;
	IF cardinality(slots) > 1 THEN
		RAISE feature_not_supported
			USING MESSAGE = 'message ids without a type must be of one server',
				HINT = 'Cast the array to bigint[], or pass it by name: msg_ids => ...';
	END IF;
	RETURN pgmq_router._shard(q, coalesce(slots[1], 0));
END
$$;

-- All slots, in their order.
CREATE FUNCTION pgmq_router._shards_all(name text) RETURNS integer[]
LANGUAGE plpgsql
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	RETURN ARRAY(SELECT pgmq_router._shard(q, k)
		FROM pg_catalog.generate_series(0, pg_catalog.cardinality(q.shards) OPERATOR(pg_catalog.-) 1) AS k);
END
$$;

-- All slots but one that is being moved, from a random one on.
CREATE FUNCTION pgmq_router._shards_shuffled(q pgmq_router.queue) RETURNS integer[]
LANGUAGE plpgsql
AS $$
DECLARE
	n integer := cardinality(q.shards);
	first integer := floor(random() * n);
BEGIN
	IF n = 1 AND q.moving_slot IS NULL THEN
		RETURN q.shards;
	ELSIF n = 1 THEN
		RETURN ARRAY[pgmq_router._shard(q, 0)];
	END IF;
	RETURN ARRAY(SELECT q.shards[(first + k) % n + 1]
		FROM generate_series(0, n - 1) AS k
		WHERE (first + k) % n IS DISTINCT FROM q.moving_slot
		ORDER BY k);
END
$$;

CREATE FUNCTION pgmq_router._shards_to_read(name text) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN pgmq_router._shards_shuffled(pgmq_router._queue(name));
END
$$;

-- The slot of a message with a key, where the queue goes by keys; or else any.
CREATE FUNCTION pgmq_router._key_slot(q pgmq_router.queue, headers jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
	SELECT mod(hashtextextended(key, 0) & 9223372036854775807, cardinality(q.shards))::integer
	FROM coalesce(headers ->> 'x-pgmq-group', headers ->> 'x-pgmq-dedup-id') AS key
	WHERE q.by_key AND cardinality(q.shards) > 1 AND key IS NOT NULL
$$;

CREATE FUNCTION pgmq_router._shards_to_send(name text, headers jsonb) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
	slot integer;
BEGIN
	IF q.by_key AND headers IS NOT NULL THEN
		slot := pgmq_router._key_slot(q, headers);
		IF slot IS NOT NULL THEN
			RETURN ARRAY[pgmq_router._shard(q, slot)];
		END IF;
	END IF;
	RETURN pgmq_router._shards_shuffled(q);
END
$$;

-- A text without a type is a delay, or headers.
CREATE FUNCTION pgmq_router._headers(headers_or_delay text) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN pg_catalog.starts_with(pg_catalog.ltrim(headers_or_delay), '{') THEN headers_or_delay::pg_catalog.jsonb END
$$;

CREATE FUNCTION pgmq_router._headers(delay timestamp with time zone) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS 'SELECT NULL::pg_catalog.jsonb';

-- The shards that a batch goes to, and for each the positions of its messages;
-- NULL: all of them.
CREATE FUNCTION pgmq_router._groups_to_send(name text, n integer, headers jsonb[])
RETURNS TABLE (shards integer[], positions integer[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	IF NOT q.by_key OR cardinality(q.shards) = 1 OR cardinality(headers) IS DISTINCT FROM n THEN
		RETURN QUERY SELECT pgmq_router._shards_shuffled(q), NULL::integer[];
	ELSE
		RETURN QUERY
			SELECT CASE WHEN m.slot IS NULL THEN pgmq_router._shards_shuffled(q)
					ELSE ARRAY[pgmq_router._shard(q, m.slot)] END,
				m.positions
			FROM (SELECT k.slot, array_agg(h.position::integer ORDER BY h.position) AS positions
				FROM unnest(headers) WITH ORDINALITY AS h(headers, position)
				CROSS JOIN LATERAL (SELECT pgmq_router._key_slot(q, h.headers)) AS k(slot)
				GROUP BY k.slot) AS m
			ORDER BY m.positions[1];
	END IF;
END
$$;

-- The shards that have the messages, and for each the positions of its ids;
-- NULL: all of them.  Other arrays of the call have as many elements, or the
-- first shard says that they do not.
CREATE FUNCTION pgmq_router._groups(name text, ids bigint[], VARIADIC others integer[] DEFAULT '{}')
RETURNS TABLE (shard integer, positions integer[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
BEGIN
	IF cardinality(q.shards) = 1 OR coalesce(cardinality(ids), 0) = 0 OR cardinality(ids) <> ANY (others) THEN
		RETURN QUERY SELECT pgmq_router._shard(q, 0), NULL::integer[];
	ELSE
		RETURN QUERY
			SELECT pgmq_router._shard(q, pgmq_router._slot(q, i.id)), array_agg(i.position::integer ORDER BY i.position)
			FROM unnest(ids) WITH ORDINALITY AS i(id, position)
			GROUP BY pgmq_router._slot(q, i.id);
	END IF;
END
$$;

CREATE FUNCTION pgmq_router._pick(elements anyarray, positions integer[]) RETURNS anyarray
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN positions IS NULL OR elements IS NULL THEN elements
		ELSE ARRAY(SELECT elements[p.position]
			FROM pg_catalog.unnest(positions) WITH ORDINALITY AS p(position, n) ORDER BY p.n) END
$$;

-- ---------------------------------------------------------------------------
-- Errors
-- ---------------------------------------------------------------------------

/*
 * What PL/Proxy raised for a call to a shard: raise it as the shard did, and a
 * lost connection by its class; or warn of it, and return, where another shard
 * can serve the call.
 */
CREATE FUNCTION pgmq_router._failed(name text, shard integer, go_on text,
	state text, message text, detail text, hint text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	remote text[] := regexp_match(message, '^\S+\(\d+\): \[.*?\] REMOTE (\w+): (.*)$');
	own text[] := regexp_match(message, '^PL/Proxy function .*?\(\d+\): (.*)$');
BEGIN
	IF remote IS NOT NULL THEN
		message := remote[2];
		detail := regexp_replace(detail, '^Remote detail: ', '');
		hint := regexp_replace(hint, '^Remote hint: ', '');
		IF remote[1] <> 'ERROR' THEN
			-- the session there has ended, not this one
			state := '08006';
			message := format('lost the connection to %s: %s', coalesce('shard ' || shard, 'a shard'), message);
		END IF;
	ELSIF state = 'XX000' AND own IS NOT NULL THEN
		-- libpq's texts have several lines
		message := btrim(regexp_replace(own[1], '\s+', ' ', 'g'));
		IF message ~ 'PQconnect|connect timeout' THEN
			state := '08001';
			message := format('could not connect to %s: %s', coalesce('shard ' || shard, 'a shard'), message);
		ELSE
			state := '08006';
			message := format('lost the connection to %s: %s', coalesce('shard ' || shard, 'a shard'), message);
			hint := 'The call may have been carried out.';
		END IF;
	ELSIF state = '42704' AND message LIKE 'user mapping not found%' THEN
		hint := 'Say as which role of the shards: CREATE USER MAPPING FOR ... SERVER pgmq OPTIONS (user ''...'', password ''...'').';
	END IF;

	IF state = '08001' AND go_on IN ('connect', 'lost') OR state = '08006' AND go_on = 'lost' THEN
		PERFORM pgmq_router._report(state, message, NULL, NULL, true);
		RETURN;
	END IF;

	-- The queue is not there: has it been moved since we looked?
	IF state = '42P01' AND (SELECT d.moving_slot IS NOT NULL OR shard <> ALL (d.shards) OR pg_is_in_recovery()
			FROM pgmq_router.queue AS d WHERE d.queue_name = lower(name)) THEN
		RAISE serialization_failure
			USING MESSAGE = format('queue "%s" has been moved to another server', name),
				HINT = 'Nothing was done. Try again in a moment.';
	END IF;

	PERFORM pgmq_router._report(state, message, nullif(detail, ''), nullif(hint, ''), false);
END
$$;
COMMENT ON FUNCTION pgmq_router._failed(text, integer, text, text, text, text, text) IS
	'go_on says after which errors another shard serves the call: connect, where nothing has been done; lost, where it may have been; no.';

-- What go_on is for a shard of those that can serve a call: after the last one
-- there is no other.
CREATE FUNCTION pgmq_router._go_on(shards integer[], shard integer, go_on text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN shard = shards[cardinality(shards)] THEN 'no' ELSE go_on END
$$;

CREATE FUNCTION pgmq_router._refuse(what text, queue_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE feature_not_supported
		USING MESSAGE = format('%s cannot be called on a router', what),
			HINT = CASE WHEN queue_name IS NULL THEN 'Connect to the servers: SELECT * FROM pgmq_router.shard.'
				ELSE format('Connect to the queue''s server: SELECT pgmq_router.locate(%L).', queue_name) END;
END
$$;

-- ---------------------------------------------------------------------------
-- Calls to one shard that are not of pgmq's interface
-- ---------------------------------------------------------------------------

CREATE FUNCTION pgmq_router._version(integer) RETURNS SETOF text LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT e.extversion::text FROM pg_catalog.pg_extension AS e WHERE e.extname IN ('pgmq_c', 'pgmq')
		AND $1::integer IS NOT NULL;
$$;

CREATE FUNCTION pgmq_router._queues(integer) RETURNS SETOF text LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pg_catalog.lower(m.queue_name) FROM pgmq.meta AS m WHERE $1::integer IS NOT NULL;
$$;

-- Whether there is a queue; who asks needs no rights to the tables of pgmq.
CREATE FUNCTION pgmq_router._has_queue(integer, text) RETURNS boolean LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'pgmq' AND c.relname = 'q_' || pg_catalog.lower($2::text));
$$;

-- Let the ids of a new queue begin with those of its slot.
CREATE FUNCTION pgmq_router._begin_ids(integer, text, bigint) RETURNS SETOF bigint LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON $1;
	SELECT pg_catalog.setval(s.seq::regclass, $3::bigint, false)
		FROM pg_catalog.pg_get_serial_sequence(pg_catalog.format('pgmq.%I', 'q_' || pg_catalog.lower($2::text)), 'msg_id') AS s(seq)
		WHERE coalesce(pg_catalog.pg_sequence_last_value(s.seq::regclass), 0) < $3::bigint;
$$;

-- ---------------------------------------------------------------------------
-- What administrators call
-- ---------------------------------------------------------------------------

-- What every connection to a shard needs.  If a shard cancels a statement,
-- PL/Proxy may wait for it for ever, so no statement may time out there.  And
-- a wait there must end when the session here has ended.  Notices of shards would
-- come with words of PL/Proxy.  Times come as text, which must be read as it was
-- meant, whatever the style of the database there.
CREATE FUNCTION pgmq_router._connection(connection text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT connection
		|| CASE WHEN connection ~ '\mconnect_timeout\s*=' THEN '' ELSE ' connect_timeout=3' END
		|| CASE WHEN connection ~ '\mapplication_name\s*=' THEN '' ELSE ' application_name=pgmq_router' END
		|| CASE WHEN connection ~ '\moptions\s*=' THEN ''
			ELSE ' options=''-c statement_timeout=0 -c client_connection_check_interval=1s -c client_min_messages=error -c datestyle=ISO -c intervalstyle=postgres''' END
$$;

CREATE FUNCTION pgmq_router._set_connection(shard integer, connection text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	full_connection text := pgmq_router._connection(connection);
	verb text := 'ADD';
BEGIN
	IF connection ~* '\m((ssl)?password|user)\s*=|^\w+://' THEN
		RAISE invalid_parameter_value
			USING MESSAGE = 'a shard''s connection string must be in the form "host=... dbname=..." without user and password',
				HINT = 'These are options of a user mapping for server "pgmq".';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'pgmq') THEN
		EXECUTE format('CREATE SERVER pgmq FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping ''1'', query_timeout ''10'', p%s %L)',
			shard, full_connection);
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM pg_foreign_server, pg_options_to_table(srvoptions)
			WHERE srvname = 'pgmq' AND option_name = 'p' || shard) THEN
		verb := 'SET';
	END IF;
	EXECUTE format('ALTER SERVER pgmq OPTIONS (%s p%s %L)', verb, shard, full_connection);
END
$$;

CREATE FUNCTION pgmq_router._check_version(shard integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	there text;
	here text := (SELECT extversion FROM pg_extension WHERE extname = 'pgmq_router');
	d text;
	h text;
BEGIN
	BEGIN
		SELECT v INTO there FROM pgmq_router._version(shard) AS v;
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
		PERFORM pgmq_router._failed(NULL, shard, 'no', SQLSTATE, SQLERRM, d, h);
	END;
	IF there IS DISTINCT FROM here THEN
		RAISE object_not_in_prerequisite_state
			USING MESSAGE = format('shard %s has %s, not pgmq_c %s', shard, coalesce('pgmq_c ' || there, 'no pgmq_c'), here),
				HINT = 'The router and its shards have the same version.';
	END IF;
END
$$;

CREATE FUNCTION pgmq_router.add_shard(connection text) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	new integer;
BEGIN
	LOCK TABLE pgmq_router.shard IN SHARE ROW EXCLUSIVE MODE;
	new := (SELECT count(*) FROM pgmq_router.shard);
	PERFORM pgmq_router._set_connection(new, connection);
	IF NOT EXISTS (SELECT FROM pg_user_mappings WHERE srvname = 'pgmq' AND usename IN ('public', current_user)) THEN
		EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER pgmq OPTIONS (user %L)', current_user);
	END IF;
	PERFORM pgmq_router._check_version(new);
	INSERT INTO pgmq_router.shard VALUES (new, connection);
	RETURN new;
END
$$;
COMMENT ON FUNCTION pgmq_router.add_shard(text) IS
	'Add a server with pgmq_c, and return its number. Queues that are there already are not in the directory until they are adopted.';

CREATE FUNCTION pgmq_router.set_shard(shard integer, connection text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE pgmq_router.shard AS s SET connection = connection WHERE s.shard = shard;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('shard %s does not exist', shard);
	END IF;
	PERFORM pgmq_router._set_connection(shard, connection);
END
$$;
COMMENT ON FUNCTION pgmq_router.set_shard(integer, text) IS
	'Change how a shard is connected to, as when its server has got another address.';

CREATE FUNCTION pgmq_router._place(name text, shards integer, by_key boolean, beside text) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	q pgmq_router.queue;
	found_on integer[];
	s integer;
	d text;
	h text;
BEGIN
	PERFORM pgmq_router._check_block();
	IF name IS NULL OR name = '' OR shards IS NULL OR by_key IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'the queue''s name, shards and by_key cannot be NULL or empty';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('pgmq_router.' || lower(name), 0));
	SELECT * INTO q FROM pgmq_router.queue AS d WHERE d.queue_name = lower(name);
	IF FOUND THEN
		-- As pgmq.create does: what is there stays as it is.  Nothing is created
		-- where a queue is just being moved from.
		RETURN pgmq_router._shards_all(name);
	END IF;
	IF beside IS NOT NULL THEN
		q := pgmq_router._queue(beside);
		q.shards := pgmq_router._shards_all(beside);
	ELSE
		IF shards NOT BETWEEN 1 AND least(128, (SELECT count(*) FROM pgmq_router.shard)) THEN
			RAISE invalid_parameter_value
				USING MESSAGE = format('shards must be between 1 and the number of servers, %s, and at most 128',
					(SELECT count(*) FROM pgmq_router.shard));
		END IF;
		-- those with the fewest queues
		q.shards := ARRAY(SELECT s.shard FROM pgmq_router.shard AS s
			ORDER BY (SELECT count(*) FROM pgmq_router.queue AS d WHERE s.shard = ANY (d.shards)), s.shard
			LIMIT shards);
	END IF;

	-- A ROLLBACK or a crash in the middle of a create leaves queues that are not
	-- in the directory.  As pgmq.create does, take one that is there; but one
	-- that is to be spread begins with ids of its own.
	FOR s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
		BEGIN
			IF pgmq_router._has_queue(s, name) THEN
				found_on := found_on || s;
			END IF;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
			PERFORM pgmq_router._failed(NULL, s, CASE WHEN s = ANY (q.shards) THEN 'no' ELSE 'lost' END, SQLSTATE, SQLERRM, d, h);
		END;
	END LOOP;
	IF cardinality(found_on) = 1 AND cardinality(q.shards) = 1 AND beside IS NULL THEN
		q.shards := found_on;
	ELSIF found_on IS NOT NULL THEN
		RAISE duplicate_table
			USING MESSAGE = format('queue "%s" is on shards %s already, but not in the directory', name, found_on),
				HINT = format('Adopt it by SELECT pgmq_router.adopt(%s), or drop it by SELECT pgmq_router.drop_queue(%s, %L).', found_on[1], found_on[1], lower(name));
	END IF;
	INSERT INTO pgmq_router.queue (queue_name, shards, by_key)
		VALUES (lower(name), q.shards, by_key OR coalesce(q.by_key, false));
	RETURN q.shards;
END
$$;

CREATE FUNCTION pgmq_router.adopt(shard integer) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM pgmq_router._check_version(shard);
	RETURN QUERY
		INSERT INTO pgmq_router.queue AS d (queue_name, shards)
		SELECT n, ARRAY[shard] FROM pgmq_router._queues(shard) AS n
		WHERE NOT EXISTS (SELECT FROM pgmq_router.queue AS k WHERE k.queue_name = n)
		ORDER BY n
		RETURNING d.queue_name;
END
$$;
COMMENT ON FUNCTION pgmq_router.adopt(integer) IS
	'Enter the queues of a shard that the directory does not have, each in one slot, and return their names. The shard stays as it is.';

CREATE FUNCTION pgmq_router.slots(queue_name text)
RETURNS TABLE (slot integer, shard integer, connection text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (k.n - 1)::integer, s.shard, s.connection
	FROM pgmq_router.queue AS q
		CROSS JOIN LATERAL unnest(q.shards) WITH ORDINALITY AS k(shard, n)
		JOIN pgmq_router.shard AS s ON s.shard = k.shard
	WHERE q.queue_name = lower(slots.queue_name)
	ORDER BY k.n
$$;
COMMENT ON FUNCTION pgmq_router.slots(text) IS
	'The servers of a queue, one row a slot.';

CREATE FUNCTION pgmq_router.locate(queue_name text, slot integer DEFAULT 0) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found text;
BEGIN
	SELECT s.connection INTO found FROM pgmq_router.slots(locate.queue_name) AS s WHERE s.slot = locate.slot;
	IF found IS NULL THEN
		RAISE undefined_table
			USING MESSAGE = format('queue "%s" does not exist, or has no slot %s', queue_name, slot);
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION pgmq_router.locate(text, integer) IS
	'The connection string of the server that has a slot of a queue, for workers that go there themselves. They ask again after an error of class 08, and after 42P01.';

CREATE FUNCTION pgmq_router.check()
RETURNS TABLE (shard integer, queue_name text, problem text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s integer;
	there text[];
	d text;
	h text;
BEGIN
	FOR s IN SELECT k.shard FROM pgmq_router.shard AS k ORDER BY k.shard LOOP
		BEGIN
			PERFORM pgmq_router._check_version(s);
			there := ARRAY(SELECT n FROM pgmq_router._queues(s) AS n);
			RETURN QUERY
				SELECT s, n.name, 'the directory does not have it'
				FROM unnest(there) AS n(name)
				WHERE NOT EXISTS (SELECT FROM pgmq_router.queue AS q
					WHERE q.queue_name = n.name AND (s = ANY (q.shards) OR s = q.moving_to))
				UNION ALL
				SELECT s, q.queue_name, 'the shard does not have it'
				FROM pgmq_router.queue AS q
				WHERE s = ANY (q.shards) AND q.queue_name <> ALL (there)
				ORDER BY 2;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
			RETURN QUERY SELECT s, NULL::text, SQLERRM::text;
		END;
	END LOOP;
	RETURN QUERY
		SELECT q.shards[q.moving_slot + 1], q.queue_name,
			format('slot %s is being moved to shard %s', q.moving_slot, q.moving_to)
		FROM pgmq_router.queue AS q WHERE q.moving_slot IS NOT NULL;
END
$$;
COMMENT ON FUNCTION pgmq_router.check() IS
	'What is wrong: queues that only the directory or only a shard has, shards of another version or that do not answer, moves that did not end.';

CREATE FUNCTION pgmq_router.create(queue_name text, shards integer DEFAULT 1, by_key boolean DEFAULT false,
	beside text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM pgmq_router._place(queue_name, shards, by_key, beside);
	PERFORM pgmq.create(queue_name);
END
$$;
COMMENT ON FUNCTION pgmq_router.create(text, integer, boolean, text) IS
	'Create a queue on the servers with the fewest queues, or on those of the queue beside which it is to be. by_key: messages with the same group or deduplication id go to the same server.';

-- An id is the place to begin at in one slot only.
CREATE FUNCTION pgmq_router._check_start(name text, start text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF start ~ '^\s*[-+]?\d+\s*$' AND cardinality((pgmq_router._queue(name)).shards) > 1 THEN
		RAISE feature_not_supported
			USING MESSAGE = format('a message id is no place in stream or subscription "%s", which is spread over servers', name),
				HINT = 'Begin at earliest, at latest, or at a time.';
	END IF;
END
$$;

-- A queue that belongs to another one is on the same shards.
CREATE FUNCTION pgmq_router._place_beside(name text, beside text, start text DEFAULT NULL) RETURNS integer[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(beside);
BEGIN
	PERFORM pgmq_router._check_start(beside, start);
	IF (SELECT d.shards <> q.shards FROM pgmq_router.queue AS d WHERE d.queue_name = lower(name)) THEN
		RAISE feature_not_supported
			USING MESSAGE = format('queue "%s" is not on the servers of queue "%s"', name, beside),
				HINT = format('Create it by SELECT pgmq_router.create(..., beside => %L).', beside);
	END IF;
	RETURN pgmq_router._place(name, 1, false, beside);
END
$$;

-- What a policy promises must hold over all slots.  Its queue for dead letters
-- is beside its queue.
CREATE FUNCTION pgmq_router._prepare_policy(name text, policy jsonb) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q pgmq_router.queue := pgmq_router._queue(name);
	dead text := policy ->> 'dead_letter_queue';
	refused text;
BEGIN
	IF cardinality(q.shards) > 1 AND jsonb_typeof(policy) = 'object' THEN
		refused := (SELECT min(p.key) FROM jsonb_each(policy) AS p
			WHERE p.value NOT IN ('null', 'false') AND p.key IN ('priorities', 'max_length', 'max_bytes', 'overflow', 'max_in_flight',
				'rate', 'burst', 'limit_by', 'max_in_flight_each', 'rate_each', 'burst_each', 'fair', 'retention_count', 'retention_bytes'));
		IF refused IS NOT NULL THEN
			RAISE feature_not_supported
				USING MESSAGE = format('policy key "%s" is not for a queue that is spread over servers', refused),
					HINT = 'Each server would keep to it by itself. Use a queue in one slot.';
		END IF;
		refused := (SELECT min(p.key) FROM jsonb_each(policy) AS p
			WHERE p.value NOT IN ('null', 'false') AND p.key IN ('dedup_window', 'strict_fifo'));
		IF refused IS NOT NULL AND NOT q.by_key THEN
			RAISE feature_not_supported
				USING MESSAGE = format('policy key "%s" is not for a queue that is spread without by_key', refused),
					HINT = 'Messages with the same key must go to the same server: SELECT pgmq_router.create(..., by_key => true).';
		END IF;
	END IF;
	IF EXISTS (SELECT FROM pgmq_router.queue AS d WHERE d.queue_name = lower(dead)) THEN
		PERFORM pgmq_router._place_beside(dead, name);
	ELSIF policy -> 'create_dead_letter_queue' = 'true' THEN
		PERFORM pgmq_router.create(dead, beside => name);
	END IF;
END
$$;

-- A message goes to a queue on its own shard.
CREATE FUNCTION pgmq_router._check_target(shard integer, name text) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF shard <> ALL ((pgmq_router._queue(name)).shards) THEN
		RAISE feature_not_supported
			USING MESSAGE = format('queue "%s" is not on the server of the message', name),
				HINT = 'Create queues between which messages go beside each other, or send the message again and delete it.';
	END IF;
	RETURN shard;
END
$$;

-- ---------------------------------------------------------------------------
-- Topics: a binding is on the first shard of its queue
-- ---------------------------------------------------------------------------

-- All shards must answer, so that nothing is sent if one does not.
CREATE FUNCTION pgmq_router._bindings(text, jsonb)
RETURNS TABLE (pattern text, queue_name text, compiled_regex text) LANGUAGE plproxy AS $$
	CLUSTER 'pgmq'; RUN ON ALL;
	SELECT * FROM pgmq.test_routing($1::text, $2::jsonb);
$$;

-- The bindings that take a message; alternate ones if no other does.
CREATE FUNCTION pgmq_router._routes(routing_key text, headers jsonb)
RETURNS TABLE (pattern text, queue_name text, compiled_regex text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	d text;
	h text;
BEGIN
	RETURN QUERY
		WITH b AS (SELECT * FROM pgmq_router._bindings($1, $2))
		SELECT * FROM b
		WHERE b.pattern NOT LIKE 'alternate:%' OR NOT EXISTS (SELECT FROM b AS o WHERE o.pattern NOT LIKE 'alternate:%')
		ORDER BY b.queue_name, b.pattern;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	PERFORM pgmq_router._failed(NULL, NULL, 'no', SQLSTATE, SQLERRM, d, h);
END
$$;

-- The queues that messages go to, and the positions of those messages; NULL:
-- all of them.
CREATE FUNCTION pgmq_router._topic_groups(routing_key text, n integer, headers jsonb[])
RETURNS TABLE (queue_name text, positions integer[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF coalesce(cardinality(headers), n) <> n THEN
		RAISE raise_exception
			USING MESSAGE = format('headers array length (%s) must match msgs array length (%s)', cardinality(headers), n);
	END IF;
	IF headers IS NULL OR n = 1 THEN
		RETURN QUERY SELECT DISTINCT r.queue_name, NULL::integer[] FROM pgmq_router._routes($1, headers[1]) AS r ORDER BY 1;
		IF FOUND THEN
			RETURN;
		END IF;
	ELSE
		RETURN QUERY
			SELECT r.queue_name, array_agg(DISTINCT h.place::integer ORDER BY h.place::integer)
			FROM unnest(headers) WITH ORDINALITY AS h(header, place)
				CROSS JOIN LATERAL pgmq_router._routes($1, h.header) AS r
			GROUP BY r.queue_name
			ORDER BY r.queue_name;
		IF FOUND THEN
			RETURN;
		END IF;
	END IF;
	IF current_setting('pgmq_c.unroutable', true) = 'error' THEN
		RAISE no_data_found
			USING MESSAGE = format('no queue takes a message with routing key "%s"', $1),
				HINT = 'Bind a queue to a pattern that matches it, or an alternate queue, or set "pgmq_c.unroutable" to "ignore".';
	END IF;
END
$$;
COMMENT ON FUNCTION pgmq_router._topic_groups(text, integer, jsonb[]) IS
	'The queues that messages with a routing key go to.';
