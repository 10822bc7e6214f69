--
-- peer.sql
--      What pgmq_c is compared with: a queue by PL/pgSQL and EXECUTE.
--
-- The usual way to write such functions: the queue's name is put into the text
-- of each statement by format(), so every call plans again.  The table has
-- PGMQ's columns and indexes: a primary key and an index on vt, so that no read
-- is a HOT update.  All storage parameters are the server's defaults.
--
CREATE SCHEMA peer;

CREATE FUNCTION peer.create_queue(queue_name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE peer.%I (
			msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			read_ct integer NOT NULL DEFAULT 0,
			enqueued_at timestamptz NOT NULL DEFAULT now(),
			last_read_at timestamptz,
			vt timestamptz NOT NULL,
			message jsonb,
			headers jsonb)', 'q_' || queue_name);
	EXECUTE format('CREATE INDEX ON peer.%I (vt)', 'q_' || queue_name);
END
$$;

-- Every call asks for the table's name, which is checked first.
CREATE FUNCTION peer.table_name(queue_name text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF queue_name ~ '[$;'']|--' THEN
		RAISE EXCEPTION 'invalid queue name';
	END IF;
	RETURN 'q_' || lower(queue_name);
END
$$;

CREATE FUNCTION peer.send(queue_name text, msg jsonb, headers jsonb,
						  vt timestamptz) RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE
		format('INSERT INTO peer.%I (vt, message, headers)
				VALUES ($1, $2, $3) RETURNING msg_id',
			   peer.table_name(queue_name))
		USING vt, msg, headers;
END
$$;

-- The short form hands on to the long one.
CREATE FUNCTION peer.send(queue_name text, msg jsonb) RETURNS SETOF bigint
LANGUAGE sql AS $$
	SELECT * FROM peer.send(queue_name, msg, NULL, clock_timestamp());
$$;

CREATE FUNCTION peer.send_batch(queue_name text, msgs jsonb[])
RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE
		format('INSERT INTO peer.%I (vt, message)
				SELECT clock_timestamp(), m FROM unnest($1) AS m
				RETURNING msg_id',
			   peer.table_name(queue_name))
		USING msgs;
END
$$;

CREATE FUNCTION peer.read(queue_name text, vt integer, qty integer)
RETURNS TABLE (msg_id bigint, read_ct integer, enqueued_at timestamptz,
			   last_read_at timestamptz, leased_until timestamptz,
			   message jsonb, headers jsonb)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE
		format('WITH next AS MATERIALIZED (
					SELECT msg_id FROM peer.%1$I
					WHERE vt <= clock_timestamp()
					ORDER BY msg_id LIMIT $1 FOR UPDATE SKIP LOCKED)
				UPDATE peer.%1$I AS q
				SET vt = clock_timestamp() + make_interval(secs => $2),
					read_ct = q.read_ct + 1,
					last_read_at = clock_timestamp()
				FROM next WHERE next.msg_id = q.msg_id
				RETURNING q.msg_id, q.read_ct, q.enqueued_at, q.last_read_at,
					q.vt, q.message, q.headers', peer.table_name(queue_name))
		USING qty, vt;
END
$$;

CREATE FUNCTION peer.delete(queue_name text, msg_id bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	gone bigint;
BEGIN
	EXECUTE format('DELETE FROM peer.%I WHERE msg_id = $1 RETURNING msg_id',
				   peer.table_name(queue_name))
		USING msg_id INTO gone;
	RETURN gone IS NOT NULL;
END
$$;

CREATE FUNCTION peer.delete(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE
		format('DELETE FROM peer.%I WHERE msg_id = ANY ($1) RETURNING msg_id',
			   peer.table_name(queue_name))
		USING msg_ids;
END
$$;

-- Waiting: try, sleep, try again.
CREATE FUNCTION peer.read_with_poll(queue_name text, vt integer, qty integer,
									max_poll_seconds integer,
									poll_interval_ms integer)
RETURNS TABLE (msg_id bigint, read_ct integer, enqueued_at timestamptz,
			   last_read_at timestamptz, leased_until timestamptz,
			   message jsonb, headers jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	stop_at timestamptz := clock_timestamp() + make_interval(secs => max_poll_seconds);
BEGIN
	LOOP
		RETURN QUERY SELECT * FROM peer.read(queue_name, vt, qty);
		IF FOUND OR clock_timestamp() >= stop_at THEN
			RETURN;
		END IF;
		PERFORM pg_sleep(poll_interval_ms / 1000.0);
	END LOOP;
END
$$;
