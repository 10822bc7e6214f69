/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  Queues come and go: create, drop, purge, list.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/manage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_create);
PG_FUNCTION_INFO_V1(pgmq_create_unlogged);
PG_FUNCTION_INFO_V1(pgmq_drop_queue);
PG_FUNCTION_INFO_V1(pgmq_drop_queue_deprecated);
PG_FUNCTION_INFO_V1(pgmq_purge_queue);
PG_FUNCTION_INFO_V1(pgmq_detach_archive);
PG_FUNCTION_INFO_V1(pgmq_list_queues);
PG_FUNCTION_INFO_V1(pgmq_create_fifo_index);
PG_FUNCTION_INFO_V1(pgmq_create_fifo_indexes_all);
PG_FUNCTION_INFO_V1(pgmq_acquire_queue_lock);
PG_FUNCTION_INFO_V1(pgmq_belongs_to_pgmq);
PG_FUNCTION_INFO_V1(pgmq_extension_exists);

Datum
pgmq_create(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_create_unlogged(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_drop_queue(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_drop_queue_deprecated(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_purge_queue(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_detach_archive(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_list_queues(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_create_fifo_index(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_create_fifo_indexes_all(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_acquire_queue_lock(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_belongs_to_pgmq(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_extension_exists(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
