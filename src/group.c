/*-------------------------------------------------------------------------
 *
 * group.c
 *	  FIFO-group reads.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/group.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_read_grouped);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_with_poll);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_rr);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_rr_with_poll);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_head);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_head_with_poll);

Datum
pgmq_read_grouped(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_read_grouped_with_poll(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_read_grouped_rr(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_read_grouped_rr_with_poll(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_read_grouped_head(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_read_grouped_head_with_poll(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
