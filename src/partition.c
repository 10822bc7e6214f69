/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  The only room that knows pg_partman.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/partition.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_create_partitioned);
PG_FUNCTION_INFO_V1(pgmq_convert_archive_partitioned);
PG_FUNCTION_INFO_V1(pgmq_get_partition_col);
PG_FUNCTION_INFO_V1(pgmq_ensure_pg_partman_installed);

Datum
pgmq_create_partitioned(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_convert_archive_partitioned(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_get_partition_col(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}

Datum
pgmq_ensure_pg_partman_installed(PG_FUNCTION_ARGS)
{
	elog(ERROR, "not there yet");
}
