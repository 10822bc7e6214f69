/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Routing keys, patterns, bindings, fan-out.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/topic.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_bind_topic);
PG_FUNCTION_INFO_V1(pgmq_unbind_topic);
PG_FUNCTION_INFO_V1(pgmq_test_routing);
PG_FUNCTION_INFO_V1(pgmq_send_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_topic);
PG_FUNCTION_INFO_V1(pgmq_send_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_at);
PG_FUNCTION_INFO_V1(pgmq_list_topic_bindings);
PG_FUNCTION_INFO_V1(pgmq_list_topic_bindings_queue);
PG_FUNCTION_INFO_V1(pgmq_validate_routing_key);
PG_FUNCTION_INFO_V1(pgmq_validate_topic_pattern);

Datum
pgmq_bind_topic(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_unbind_topic(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_test_routing(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_topic_headers_delay(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_topic(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_topic_delay(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic_headers(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic_delay(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic_at(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic_headers_delay(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_send_batch_topic_headers_at(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_list_topic_bindings(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_list_topic_bindings_queue(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_validate_routing_key(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_validate_topic_pattern(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
