/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  LISTEN/NOTIFY for outside listeners.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/notify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_enable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_disable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_update_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_list_notify_insert_throttles);
PG_FUNCTION_INFO_V1(pgmq_notify_queue_listeners);

Datum
pgmq_enable_notify_insert(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_disable_notify_insert(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_update_notify_insert(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_list_notify_insert_throttles(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_notify_queue_listeners(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
