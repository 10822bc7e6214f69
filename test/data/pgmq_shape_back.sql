/*
 * From the shape of PGMQ 1.13.1 back to older versions, one section a step.
 * test/t/PgmqShape.pm cuts this file at the "back to" lines.
 */

/* back to 1.13.0 */
/* (the notify trigger lost its argument; the catalog is the same) */

/* back to 1.12.0 */
DROP FUNCTION pgmq.metrics(text);
DROP FUNCTION pgmq.metrics_all();
DROP TYPE pgmq.metrics_result;
CREATE TYPE pgmq.metrics_result AS (
	queue_name text,
	queue_length bigint,
	newest_msg_age_sec integer,
	oldest_msg_age_sec integer,
	total_messages bigint,
	scrape_time timestamp with time zone,
	queue_visible_length bigint
);
CREATE FUNCTION pgmq.metrics(queue_name text)
RETURNS pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.metrics_all()
RETURNS SETOF pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
DROP FUNCTION pgmq.create_partitioned(text, text, text, integer);
CREATE FUNCTION pgmq.create_partitioned(
	queue_name text,
	partition_interval text DEFAULT '10000',
	retention_interval text DEFAULT '100000')
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.11.1 */
DROP FUNCTION pgmq.read_grouped_head_with_poll(
	text, integer, integer, integer, integer);

/* back to 1.11.0 */
DROP FUNCTION pgmq.read_grouped_head(text, integer, integer);
DROP FUNCTION pgmq._ensure_pg_partman_installed();
/* left over in databases that came from 1.7.0 */
CREATE FUNCTION pgmq.enable_notify_insert(queue_name text)
RETURNS void LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.10.1 */
DROP FUNCTION pgmq._validate_batch_params(jsonb[], jsonb[]);
DROP FUNCTION pgmq._send_batch(
	text, jsonb[], jsonb[], timestamp with time zone);
DROP FUNCTION pgmq.update_notify_insert(text, integer);
DROP FUNCTION pgmq.list_notify_insert_throttles();
DROP FUNCTION pgmq.bind_topic(text, text);
DROP FUNCTION pgmq.unbind_topic(text, text);
DROP FUNCTION pgmq.test_routing(text);
DROP FUNCTION pgmq.send_topic(text, jsonb);
DROP FUNCTION pgmq.send_topic(text, jsonb, integer);
DROP FUNCTION pgmq.send_topic(text, jsonb, jsonb, integer);
DROP FUNCTION pgmq.send_batch_topic(text, jsonb[]);
DROP FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[]);
DROP FUNCTION pgmq.send_batch_topic(text, jsonb[], integer);
DROP FUNCTION pgmq.send_batch_topic(text, jsonb[], timestamp with time zone);
DROP FUNCTION pgmq.send_batch_topic(text, jsonb[], jsonb[], integer);
DROP FUNCTION pgmq.send_batch_topic(
	text, jsonb[], jsonb[], timestamp with time zone);
DROP FUNCTION pgmq.list_topic_bindings();
DROP FUNCTION pgmq.list_topic_bindings(text);
DROP FUNCTION pgmq.validate_routing_key(text);
DROP FUNCTION pgmq.validate_topic_pattern(text);
DROP TABLE pgmq.topic_bindings;

/* back to 1.10.0 */
/* (create_* named the new column; the catalog is the same) */

/* back to 1.9.0 */
DROP TYPE pgmq.message_record CASCADE;
CREATE TYPE pgmq.message_record AS (
	msg_id bigint,
	read_ct integer,
	enqueued_at timestamp with time zone,
	vt timestamp with time zone,
	message jsonb,
	headers jsonb
);
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
CREATE FUNCTION pgmq.pop(queue_name text, qty integer DEFAULT 1)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_ids bigint[], vt integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.8.0 */
DROP FUNCTION pgmq.read_grouped(text, integer, integer);
DROP FUNCTION pgmq.read_grouped_rr(text, integer, integer);
DROP FUNCTION pgmq.read_grouped_with_poll(
	text, integer, integer, integer, integer);
DROP FUNCTION pgmq.read_grouped_rr_with_poll(
	text, integer, integer, integer, integer);
DROP FUNCTION pgmq.create_fifo_index(text);
DROP FUNCTION pgmq.create_fifo_indexes_all();
DROP FUNCTION pgmq._create_fifo_index_if_not_exists(text);

/* back to 1.7.0 */
DROP FUNCTION pgmq.set_vt(text, bigint[], integer);
DROP FUNCTION pgmq.enable_notify_insert(text, integer);
DROP TABLE pgmq.notify_insert_throttle;

/* back to 1.6.0 */
DROP FUNCTION pgmq.enable_notify_insert(text);
DROP FUNCTION pgmq.disable_notify_insert(text);
DROP FUNCTION pgmq.notify_queue_listeners();
DROP FUNCTION pgmq.pop(text, integer);
CREATE FUNCTION pgmq.pop(queue_name text)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.5.1 */
DROP FUNCTION pgmq.acquire_queue_lock(text);
DROP FUNCTION pgmq._extension_exists(text);

/* back to 1.4.4 */
DROP FUNCTION pgmq.send(text, jsonb);
DROP FUNCTION pgmq.send(text, jsonb, jsonb);
DROP FUNCTION pgmq.send(text, jsonb, integer);
DROP FUNCTION pgmq.send(text, jsonb, timestamp with time zone);
DROP FUNCTION pgmq.send(text, jsonb, jsonb, integer);
DROP FUNCTION pgmq.send(text, jsonb, jsonb, timestamp with time zone);
DROP FUNCTION pgmq.send_batch(text, jsonb[]);
DROP FUNCTION pgmq.send_batch(text, jsonb[], jsonb[]);
DROP FUNCTION pgmq.send_batch(text, jsonb[], integer);
DROP FUNCTION pgmq.send_batch(text, jsonb[], timestamp with time zone);
DROP FUNCTION pgmq.send_batch(text, jsonb[], jsonb[], integer);
DROP FUNCTION pgmq.send_batch(
	text, jsonb[], jsonb[], timestamp with time zone);
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb, delay integer DEFAULT 0)
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_batch(queue_name text, msgs jsonb[], delay integer DEFAULT 0)
RETURNS SETOF bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
DROP TYPE pgmq.message_record CASCADE;
CREATE TYPE pgmq.message_record AS (
	msg_id bigint,
	read_ct integer,
	enqueued_at timestamp with time zone,
	vt timestamp with time zone,
	message jsonb
);
CREATE FUNCTION pgmq.read(queue_name text, vt integer, qty integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read_with_poll(
	queue_name text,
	vt integer,
	qty integer,
	max_poll_seconds integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 100)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.pop(queue_name text)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt integer)
RETURNS SETOF pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
DROP FUNCTION pgmq.drop_queue(text);
DROP FUNCTION pgmq.drop_queue(text, boolean);
CREATE FUNCTION pgmq.drop_queue(queue_name text, partitioned boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
DROP TYPE pgmq.metrics_result CASCADE;
CREATE TYPE pgmq.metrics_result AS (
	queue_name text,
	queue_length bigint,
	newest_msg_age_sec integer,
	oldest_msg_age_sec integer,
	total_messages bigint,
	scrape_time timestamp with time zone
);
CREATE FUNCTION pgmq.metrics(queue_name text)
RETURNS pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.metrics_all()
RETURNS SETOF pgmq.metrics_result LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.2.0 */
DROP FUNCTION pgmq.format_table_name(text, text);
DROP FUNCTION pgmq._get_pg_partman_schema();
DROP FUNCTION pgmq._get_pg_partman_major_version();
DROP FUNCTION pgmq.convert_archive_partitioned(text, text, text, integer);
DROP FUNCTION pgmq.pop(text);
CREATE FUNCTION pgmq.pop(queue_name text)
RETURNS pgmq.message_record LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;

/* back to 1.0.0 */
/* (a program in another language: no types, other names of arguments) */
DROP FUNCTION pgmq.validate_queue_name(text);
DROP FUNCTION pgmq._belongs_to_pgmq(text);
DROP FUNCTION pgmq._get_partition_col(text);
DROP TYPE pgmq.message_record CASCADE;
DROP TYPE pgmq.queue_record CASCADE;
DROP TYPE pgmq.metrics_result CASCADE;
DROP FUNCTION pgmq.send(text, jsonb, integer);
DROP FUNCTION pgmq.send_batch(text, jsonb[], integer);
DROP FUNCTION pgmq.archive(text, bigint[]);
DROP FUNCTION pgmq.delete(text, bigint[]);
CREATE FUNCTION pgmq.send(queue_name text, message jsonb, delay integer DEFAULT 0)
RETURNS bigint LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.send_batch(queue_name text, messages jsonb[], delay integer DEFAULT 0)
RETURNS TABLE(msg_id bigint) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.read(queue_name text, vt integer, "limit" integer)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb) LANGUAGE sql
AS $$ SELECT 0::bigint, 0, now(), now(), '0'::jsonb WHERE false $$;
CREATE FUNCTION pgmq.read_with_poll(
	queue_name text,
	vt integer,
	"limit" integer,
	poll_timeout_s integer DEFAULT 5,
	poll_interval_ms integer DEFAULT 250)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb) LANGUAGE sql
AS $$ SELECT 0::bigint, 0, now(), now(), '0'::jsonb WHERE false $$;
CREATE FUNCTION pgmq.pop(queue_name text)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb) LANGUAGE sql
AS $$ SELECT 0::bigint, 0, now(), now(), '0'::jsonb WHERE false $$;
CREATE FUNCTION pgmq.set_vt(queue_name text, msg_id bigint, vt_offset integer)
RETURNS TABLE(msg_id bigint, read_ct integer, enqueued_at timestamp with time zone, vt timestamp with time zone, message jsonb) LANGUAGE sql
AS $$ SELECT 0::bigint, 0, now(), now(), '0'::jsonb WHERE false $$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_ids bigint[])
RETURNS TABLE(archive boolean) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.delete(queue_name text, msg_ids bigint[])
RETURNS TABLE(delete boolean) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.list_queues()
RETURNS TABLE(queue_name text, is_partitioned boolean, is_unlogged boolean, created_at timestamp with time zone) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
CREATE FUNCTION pgmq.metrics(queue_name text)
RETURNS TABLE(queue_name text, queue_length bigint, newest_msg_age_sec integer, oldest_msg_age_sec integer, total_messages bigint, scrape_time timestamp with time zone) LANGUAGE sql
AS $$ SELECT ''::text, 0::bigint, 0, 0, 0::bigint, now() WHERE false $$;
CREATE FUNCTION pgmq.metrics_all()
RETURNS TABLE(queue_name text, queue_length bigint, newest_msg_age_sec integer, oldest_msg_age_sec integer, total_messages bigint, scrape_time timestamp with time zone) LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'only a shape'; END $$;
ALTER TABLE pgmq.meta DROP CONSTRAINT meta_queue_name_key;
