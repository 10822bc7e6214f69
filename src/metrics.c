/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Counting.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/metrics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_metrics);
PG_FUNCTION_INFO_V1(pgmq_metrics_all);

Datum
pgmq_metrics(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_metrics_all(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
