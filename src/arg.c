/*-------------------------------------------------------------------------
 *
 * arg.c
 *	  What the arguments mean that many verbs take: how many, when, and which
 *	  arrays make a batch.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/arg.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
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

/* array_length(array, 1), which is what PGMQ compares; -1 for none. */
static int
array_length_1(ArrayType *array)
{
	return ARR_NDIM(array) > 0 ? ARR_DIMS(array)[0] : -1;
}

/*
 * The checks of a batch: msgs and headers are arrays.
 * Errors: P0001 for no messages, or not as many headers as messages.
 */
void
pgmq_batch_validate(PgmqArg msgs, PgmqArg headers)
{
	int			nmsgs = -1;

	if (!msgs.isnull)
		nmsgs = array_length_1(DatumGetArrayTypeP(msgs.value));
	if (nmsgs < 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("msgs cannot be NULL or empty")));
	if (!headers.isnull)
	{
		int			nheaders = array_length_1(DatumGetArrayTypeP(headers.value));

		if (nheaders != nmsgs)
			ereport(ERROR,
					(errcode(ERRCODE_RAISE_EXCEPTION),
					 errmsg("headers array length (%d) must match msgs array length (%d)",
							Max(nheaders, 0), nmsgs)));
	}
}
