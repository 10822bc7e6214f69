/*
 * The catalog shape of a PGMQ 1.13.1 installation: what a take-over finds.
 *
 * Written from the facts of PGMQ's interface (names, arguments, types, tables,
 * grants), not from its code: no function here does anything, and each says
 * so when called.  pgmq_shape_back.sql leads back to older versions;
 * test/t/PgmqShape.pm loads either as an extension or as plain SQL.
 */
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
	queue_name varchar,
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

CREATE TABLE pgmq.meta (
	queue_name varchar UNIQUE NOT NULL,
	is_partitioned boolean NOT NULL,
	is_unlogged boolean NOT NULL,
	created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE UNLOGGED TABLE pgmq.notify_insert_throttle (
	queue_name varchar UNIQUE NOT NULL
		CONSTRAINT notify_insert_throttle_meta_queue_name_fk
		REFERENCES pgmq.meta (queue_name) ON DELETE CASCADE,
	throttle_interval_ms integer NOT NULL DEFAULT 0,
	last_notified_at timestamp with time zone NOT NULL
		DEFAULT to_timestamp(0)
);
CREATE INDEX idx_notify_throttle_active
	ON pgmq.notify_insert_throttle (queue_name, last_notified_at)
	WHERE throttle_interval_ms > 0;
CREATE TABLE pgmq.topic_bindings (
	pattern text NOT NULL,
	queue_name text NOT NULL
		REFERENCES pgmq.meta (queue_name) ON DELETE CASCADE,
	bound_at timestamp with time zone DEFAULT now() NOT NULL,
	compiled_regex text GENERATED ALWAYS AS (
		'^' || replace(replace(replace(pattern, '.', '\.'),
			'*', '[^.]+'), '#', '.*') || '$') STORED,
	CONSTRAINT topic_bindings_unique_pattern_queue UNIQUE (pattern, queue_name)
);
CREATE INDEX idx_topic_bindings_covering
	ON pgmq.topic_bindings (pattern) INCLUDE (queue_name, compiled_regex);

GRANT USAGE ON SCHEMA pgmq TO pg_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA pgmq TO pg_monitor;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA pgmq TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT SELECT ON TABLES TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT SELECT ON SEQUENCES TO pg_monitor;

/* Send */
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, headers jsonb)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay integer)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send(
	queue_name text,
	msg jsonb,
	delay timestamp with time zone)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send(
	queue_name text,
	msg jsonb,
	headers jsonb,
	delay integer)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send(
	queue_name text,
	msg jsonb,
	headers jsonb,
	delay timestamp with time zone)
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[])
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], headers jsonb[])
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay integer)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch(
	queue_name text,
	msgs jsonb[],
	delay timestamp with time zone)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch(
	queue_name text,
	msgs jsonb[],
	headers jsonb[],
	delay integer)
RETURNS SETOF bigint LANGUAGE sql
AS $$ SELECT 0::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch(
	queue_name text,
	msgs jsonb[],
	headers jsonb[],
	delay timestamp with time zone)
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._validate_batch_params(msgs jsonb[], headers jsonb[])
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._send_batch(
	queue_name text,
	msgs jsonb[],
	headers jsonb[],
	delay timestamp with time zone)
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* Read */
CREATE FUNCTION pgmq.read(
	queue_name text,
	vt integer,
	qty integer,
	conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_with_poll(
	queue_name text,
	vt integer,
	qty integer,
	max_poll_seconds integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 100,
	conditional jsonb DEFAULT '{}')
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped_with_poll(
	queue_name text,
	vt integer,
	qty integer,
	max_poll_seconds integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped_rr(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped_rr_with_poll(
	queue_name text,
	vt integer,
	qty integer,
	max_poll_seconds integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped_head(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_grouped_head_with_poll(
	queue_name text,
	vt integer,
	qty integer,
	max_poll_seconds integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* Acknowledge */
CREATE FUNCTION pgmq.delete(queue_name text, msg_id bigint)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id bigint)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[])
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(
	queue_name text,
	msg_id bigint,
	vt timestamp with time zone)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
RETURNS SETOF pgmq.message_record LANGUAGE sql
AS $$ SELECT NULL::pgmq.message_record WHERE false $$;
CREATE FUNCTION pgmq.set_vt(
	queue_name text,
	msg_ids bigint[],
	vt timestamp with time zone)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
RETURNS SETOF pgmq.message_record LANGUAGE sql
AS $$ SELECT NULL::pgmq.message_record WHERE false $$;

/* Queue management */
CREATE FUNCTION pgmq.create(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.create_non_partitioned(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.create_unlogged(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.create_partitioned(
	queue_name text,
	partition_interval text DEFAULT '10000',
	retention_interval text DEFAULT '100000',
	premake integer DEFAULT 4)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.drop_queue(queue_name text)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.drop_queue(queue_name text, partitioned boolean)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.purge_queue(queue_name text)
RETURNS bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.detach_archive(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.convert_archive_partitioned(
	table_name text,
	partition_interval text DEFAULT '10000',
	retention_interval text DEFAULT '100000',
	leading_partition integer DEFAULT 10)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.list_queues()
RETURNS SETOF pgmq.queue_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.metrics(queue_name text)
RETURNS pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.metrics_all()
RETURNS SETOF pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.create_fifo_index(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.create_fifo_indexes_all()
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* Notifications */
CREATE FUNCTION pgmq.enable_notify_insert(
	queue_name text,
	throttle_interval_ms integer DEFAULT 250)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.disable_notify_insert(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.update_notify_insert(queue_name text, throttle_interval_ms integer)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.list_notify_insert_throttles()
RETURNS TABLE(queue_name text, throttle_interval_ms integer, last_notified_at timestamp with time zone) LANGUAGE sql STABLE
AS $$ SELECT NULL::text, NULL::integer, NULL::timestamptz WHERE false $$;
CREATE FUNCTION pgmq.notify_queue_listeners()
RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RETURN NULL; END $$;

/* Topics */
CREATE FUNCTION pgmq.bind_topic(pattern text, queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.unbind_topic(pattern text, queue_name text)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.test_routing(routing_key text)
RETURNS TABLE(pattern text, queue_name text, compiled_regex text) LANGUAGE plpgsql STABLE
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_topic(
	routing_key text,
	msg jsonb,
	headers jsonb,
	delay integer)
RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_topic(routing_key text, msg jsonb)
RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_topic(routing_key text, msg jsonb, delay integer)
RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE sql
AS $$ SELECT NULL::text, NULL::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[])
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE sql
AS $$ SELECT NULL::text, NULL::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch_topic(routing_key text, msgs jsonb[], delay integer)
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE sql
AS $$ SELECT NULL::text, NULL::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch_topic(
	routing_key text,
	msgs jsonb[],
	delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE sql
AS $$ SELECT NULL::text, NULL::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch_topic(
	routing_key text,
	msgs jsonb[],
	headers jsonb[],
	delay integer)
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE sql
AS $$ SELECT NULL::text, NULL::bigint WHERE false $$;
CREATE FUNCTION pgmq.send_batch_topic(
	routing_key text,
	msgs jsonb[],
	headers jsonb[],
	delay timestamp with time zone)
RETURNS TABLE(queue_name text, msg_id bigint) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.list_topic_bindings()
RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text) LANGUAGE sql STABLE
AS $$ SELECT NULL::text, NULL::text, NULL::timestamptz, NULL::text WHERE false $$;
CREATE FUNCTION pgmq.list_topic_bindings(queue_name text)
RETURNS TABLE(pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text) LANGUAGE sql STABLE
AS $$ SELECT NULL::text, NULL::text, NULL::timestamptz, NULL::text WHERE false $$;
CREATE FUNCTION pgmq.validate_routing_key(routing_key text)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.validate_topic_pattern(pattern text)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* Helpers */
CREATE FUNCTION pgmq.format_table_name(queue_name text, prefix text)
RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.validate_queue_name(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.acquire_queue_lock(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._belongs_to_pgmq(table_name text)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._get_partition_col(partition_interval text)
RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._extension_exists(extension_name text)
RETURNS boolean LANGUAGE sql
AS $$ SELECT false $$;
CREATE FUNCTION pgmq._ensure_pg_partman_installed()
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq._get_pg_partman_schema()
RETURNS text LANGUAGE sql
AS $$ SELECT NULL::text $$;
CREATE FUNCTION pgmq._get_pg_partman_major_version()
RETURNS integer LANGUAGE sql
AS $$ SELECT 0 $$;
CREATE FUNCTION pgmq._create_fifo_index_if_not_exists(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
