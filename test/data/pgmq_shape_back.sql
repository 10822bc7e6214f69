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
/* (too old to be taken over) */
DROP FUNCTION pgmq.set_vt(text, bigint, timestamp with time zone);
DROP FUNCTION pgmq.set_vt(text, bigint[], timestamp with time zone);
ALTER TYPE pgmq.message_record DROP ATTRIBUTE last_read_at;
