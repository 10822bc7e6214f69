/*-------------------------------------------------------------------------
 *
 * arg.c
 *	  What the arguments mean that many verbs take: how many, and when.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/arg.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

/*
 * Argument argno, how many messages are wanted, as a bigint.
 * Errors: 22004 when NULL, which PGMQ takes for "all there are"; 2201W with
 * the server's text when negative, as the LIMIT that it is.
 */
PgmqArg
pgmq_qty_arg(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("qty must not be null")));
	if (PG_GETARG_INT32(argno) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
				 errmsg("LIMIT must not be negative")));
	return PGMQ_ARG(Int64GetDatum((int64) PG_GETARG_INT32(argno)));
}

/*
 * The point in time that lies an integer number of seconds after now; where
 * a delay or a lease ends.  A NULL stays one, for the column's constraint to
 * refuse.
 */
PgmqArg
pgmq_after(TimestampTz now, PgmqArg seconds)
{
	if (seconds.isnull)
		return PGMQ_ARG_NULL;

	/* An int32 of seconds, 68 years, cannot leave the type's range. */
	return PGMQ_ARG(TimestampTzGetDatum(now +
										(int64) DatumGetInt32(seconds.value) * USECS_PER_SEC));
}
