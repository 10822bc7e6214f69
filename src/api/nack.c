/*-------------------------------------------------------------------------
 *
 * nack.c
 *	  Giving a message back, so that it is read again after a while.
 *
 * nack says that an attempt has failed.  The caller says how long to wait, or
 * the queue's policy does, by the number of times that the message was read.
 * The error can be kept in a header, which goes with the message wherever it
 * goes.
 *
 * release says that there was no attempt: the lease ends, and the read that
 * began it does not count.  So it concerns messages in flight only, and a
 * second release of the same lease finds none.
 *
 * Messages are locked first, in msg_id order, so that their read_ct is the one
 * that counts.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/nack.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_nack);
PG_FUNCTION_INFO_V1(pgmq_nack_delay);
PG_FUNCTION_INFO_V1(pgmq_nack_fenced);
PG_FUNCTION_INFO_V1(pgmq_nack_batch);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delay);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delays);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delays_fenced);
PG_FUNCTION_INFO_V1(pgmq_nack_error);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_error);
PG_FUNCTION_INFO_V1(pgmq_release);
PG_FUNCTION_INFO_V1(pgmq_release_fenced);
PG_FUNCTION_INFO_V1(pgmq_release_batch);
PG_FUNCTION_INFO_V1(pgmq_release_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_release_delay);
PG_FUNCTION_INFO_V1(pgmq_release_at);

/* The longest delay, in seconds, that a policy comes to. */
#define MAX_BACKOFF		(10 * 365.0 * 24 * 60 * 60)

/* How much of an error is kept, in bytes. */
#define ERROR_MAX		8192

/* The messages to be given back, and when each is to be read again. */
typedef struct Nack
{
	PgmqQueue	queue;
	const PgmqPolicy *policy;
	TimestampTz now;
	PgmqIdArg  *ids;			/* the arguments of the call */
	int			nids;
	bool		fenced;
	int32	   *delays;			/* by place; NULL: delay */
	bool	   *delay_nulls;
	PgmqArg		delay;			/* NULL: the policy decides */
	bool		release;		/* the read does not count */
	PgmqArg		vt;				/* of what is released; NULL: now */
	PgmqArg		error;			/* to be kept in the headers; NULL: none */
	int64	   *held;			/* the messages found */
	TimestampTz *vts;
	int			nheld;
} Nack;

/* How long to wait before the next read of a message, in seconds. */
static double
backoff(const PgmqPolicy *policy, int32 read_ct)
{
	double		reads = Max(read_ct, 1);
	double		delay = 0;

	if (policy == NULL || policy->backoff == 0)
		return 0;
	switch (policy->backoff)
	{
		case PGMQ_BACKOFF_FIXED:
			delay = policy->backoff_base;
			break;
		case PGMQ_BACKOFF_LINEAR:
			delay = policy->backoff_base * reads;
			break;
		case PGMQ_BACKOFF_EXPONENTIAL:
			/* may be infinite, but not nothing times infinity */
			delay = policy->backoff_base == 0 ? 0 :
				policy->backoff_base * pow(policy->backoff_factor, reads - 1);
			break;
	}
	delay = Min(delay, Min(policy->backoff_cap, MAX_BACKOFF));
	/* messages that fail together must not return together, nor at once */
	if (policy->backoff_jitter)
		delay *= 0.5 + 0.5 * pg_prng_double(&pg_global_prng_state);
	return delay;
}

/* Row function: a message held, (msg_id, read_ct). */
static void
row_held(TupleTableSlot *slot, void *state)
{
	Nack	   *nack = state;
	int64		msg_id;
	int32		read_ct;
	int			found;
	PgmqArg		delay = nack->delay;
	TimestampTz vt;

	slot_getallattrs(slot);
	msg_id = DatumGetInt64(slot->tts_values[0]);
	read_ct = DatumGetInt32(slot->tts_values[1]);
	found = pgmq_ids_find(nack->ids, nack->nids, nack->fenced, msg_id, read_ct);
	/* a partitioned queue may hold one id twice */
	if (found < 0 || nack->nheld == nack->nids)
		return;
	if (nack->delays != NULL)
	{
		int			place = nack->ids[found].place;

		delay = nack->delay_nulls[place] ? PGMQ_ARG_NULL :
			PGMQ_ARG(Int32GetDatum(nack->delays[place]));
	}
	if (nack->release)
		vt = nack->vt.isnull ? nack->now : DatumGetTimestampTz(nack->vt.value);
	else if (delay.isnull)
		vt = nack->now + (int64) (backoff(nack->policy, read_ct) * USECS_PER_SEC);
	else
		vt = DatumGetTimestampTz(pgmq_after(nack->now, delay).value);
	nack->held[nack->nheld] = msg_id;
	nack->vts[nack->nheld++] = vt;
}

/* A delay that the caller gives; error 22023 when it is negative. */
static void
delay_check(int32 delay)
{
	if (delay < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("delay must not be negative: %d", delay)));
}

/*
 * Argument argno (-1: there is none), one delay for all; NULL: the policy
 * decides.
 */
static PgmqArg
delay_arg(FunctionCallInfo fcinfo, int argno)
{
	if (argno < 0 || PG_ARGISNULL(argno))
		return PGMQ_ARG_NULL;
	delay_check(PG_GETARG_INT32(argno));
	return PGMQ_ARG_FROM(argno);
}

/*
 * Argument argno, one delay for each of msg_ids (1).
 * Errors: 2202E when the arrays differ in length.
 */
static void
delays_arg(Nack *nack, FunctionCallInfo fcinfo, int argno)
{
	Datum	   *delays;
	int			n;

	if (PG_ARGISNULL(argno) || PG_ARGISNULL(1))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), INT4OID, sizeof(int32), true,
					  TYPALIGN_INT, &delays, &nack->delay_nulls, &n);
	if (n != ArrayGetNItems(ARR_NDIM(PG_GETARG_ARRAYTYPE_P(1)),
							ARR_DIMS(PG_GETARG_ARRAYTYPE_P(1))))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("delays has %d elements, msg_ids has %d", n,
						ArrayGetNItems(ARR_NDIM(PG_GETARG_ARRAYTYPE_P(1)),
									   ARR_DIMS(PG_GETARG_ARRAYTYPE_P(1))))));
	nack->delays = palloc(Max(n, 1) * sizeof(int32));
	for (int i = 0; i < n; i++)
	{
		nack->delays[i] = DatumGetInt32(delays[i]);
		if (!nack->delay_nulls[i])
			delay_check(nack->delays[i]);
	}
}

/*
 * Argument argno, an error to be kept: as much of it as is.  NULL: none.
 */
static PgmqArg
error_arg(FunctionCallInfo fcinfo, int argno)
{
	text	   *error;
	int			len;

	if (argno < 0 || PG_ARGISNULL(argno))
		return PGMQ_ARG_NULL;
	error = PG_GETARG_TEXT_PP(argno);
	len = VARSIZE_ANY_EXHDR(error);
	if (len > ERROR_MAX)
		error = cstring_to_text_with_len(VARDATA_ANY(error),
										 pg_mbcliplen(VARDATA_ANY(error), len, ERROR_MAX));
	return PGMQ_ARG(PointerGetDatum(error));
}

/*
 * Check the right to change headers, which is not among those that reading
 * needs.  Errors: 42501; 42809 when there are no headers.
 */
static void
error_check_may(const PgmqQueue *queue)
{
	static const char *const columns[] = {"headers"};

	if (pgmq_queue_may_all(queue->relid, ACL_UPDATE, columns, lengthof(columns)))
		return;
	pgmq_queue_check_shape(queue);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", queue->relname),
			 errdetail("The error is kept in the message's headers."),
			 errhint("Have its owner grant UPDATE (headers) on the table.")));
}

/*
 * Give back one of the messages held, by its number among them; false when it
 * is not to be released, since no reader has it.
 */
static bool
nack_held(Nack *nack, int i)
{
	PgmqArg		args[3] = {
		PGMQ_ARG(Int64GetDatum(nack->held[i])),
		PGMQ_ARG(TimestampTzGetDatum(nack->vts[i])),
		nack->release ? PGMQ_ARG(TimestampTzGetDatum(nack->now)) : nack->error
	};
	uint64		count;

	/* the delay is no lease */
	pgmq_limits_gives_back = true;
	count = pgmq_exec(&nack->queue, nack->release ? PGMQ_STMT_RELEASE :
					  nack->error.isnull ? PGMQ_STMT_SET_VT : PGMQ_STMT_SET_VT_ERROR, args);
	pgmq_limits_gives_back = false;
	return count > 0 || !nack->release;
}

/* Give the messages named back; how many there were. */
static int
nack_all(Nack *nack, FunctionCallInfo fcinfo)
{
	PgmqArg		ids;
	int			count = 0;

	pgmq_queue_open(&nack->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_UPDATE, "UPDATE");
	if (!nack->error.isnull)
		error_check_may(&nack->queue);
	if (nack->nids == 0)
		return 0;
	nack->policy = nack->release ? NULL : pgmq_policy(&nack->queue);
	nack->held = palloc(nack->nids * sizeof(int64));
	nack->vts = palloc(nack->nids * sizeof(TimestampTz));
	ids = pgmq_ids_array(nack->ids, nack->nids);
	pgmq_batches_split(&nack->queue, nack->ids, nack->nids, true);
	nack->now = GetCurrentTimestamp();
	pgmq_exec_each(&nack->queue, PGMQ_STMT_HOLD, &ids, row_held, nack);
	for (int i = 0; i < nack->nheld; i++)
		if (nack_held(nack, i))
			nack->held[count++] = nack->held[i];
	pgmq_stats_count(nack->queue.relid, nack->release ? PGMQ_STAT_RELEASED : PGMQ_STAT_NACKED, count);
	if (nack->fenced)
		pgmq_stats_count(nack->queue.relid, PGMQ_STAT_FENCE_REFUSED, nack->nids - nack->nheld);
	return count;
}

/* Give one message back, whose fence is argument ct_argno, -1 without. */
static Datum
nack_one(Nack *nack, FunctionCallInfo fcinfo, int ct_argno)
{
	nack->fenced = ct_argno >= 0;
	nack->ids = pgmq_id_arg(fcinfo, ct_argno, &nack->nids);
	PG_RETURN_BOOL(nack_all(nack, fcinfo) > 0);
}

/* The same for several; the ids of those there were. */
static Datum
nack_batch(Nack *nack, FunctionCallInfo fcinfo, int cts_argno)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	int			count;

	nack->fenced = cts_argno >= 0;
	nack->ids = pgmq_ids_arg(fcinfo, cts_argno, &nack->nids);
	count = nack_all(nack, fcinfo);
	for (int i = 0; i < count; i++)
		pgmq_rows_put_id(nack->held[i], rows);
	return (Datum) 0;
}

/* ----------------------------------------------------------------
 *		nack
 * ----------------------------------------------------------------
 */

/*
 * Give back after a failed attempt. The arguments are those with a delay and
 * an error, or -1.
 */
#define FAILED(delay_argno, error_argno) \
	{ \
		.delay = delay_arg(fcinfo, delay_argno), .error = error_arg(fcinfo, error_argno), \
		.vt = PGMQ_ARG_NULL \
	}

/* nack(queue_name text, msg_id bigint) returns boolean */
Datum
pgmq_nack(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(-1, -1);

	return nack_one(&nack, fcinfo, -1);
}

/* nack(queue_name text, msg_id bigint, delay integer) returns boolean */
Datum
pgmq_nack_delay(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, -1);

	return nack_one(&nack, fcinfo, -1);
}

/* nack(queue_name text, msg_id bigint, delay integer, read_ct integer) */
Datum
pgmq_nack_fenced(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, -1);

	return nack_one(&nack, fcinfo, 3);
}

/* nack(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_nack_batch(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(-1, -1);

	return nack_batch(&nack, fcinfo, -1);
}

/* nack(queue_name text, msg_ids bigint[], delay integer) */
Datum
pgmq_nack_batch_delay(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, -1);

	return nack_batch(&nack, fcinfo, -1);
}

/* nack(queue_name text, msg_ids bigint[], delays integer[]) */
Datum
pgmq_nack_batch_delays(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(-1, -1);

	delays_arg(&nack, fcinfo, 2);
	return nack_batch(&nack, fcinfo, -1);
}

/*
 * nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[])
 */
Datum
pgmq_nack_batch_fenced(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, -1);

	return nack_batch(&nack, fcinfo, 3);
}

/*
 * nack(queue_name text, msg_ids bigint[], delays integer[],
 *		read_cts integer[])
 */
Datum
pgmq_nack_batch_delays_fenced(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(-1, -1);

	delays_arg(&nack, fcinfo, 2);
	return nack_batch(&nack, fcinfo, 3);
}

/*
 * nack(queue_name text, msg_id bigint, delay integer, read_ct integer,
 *		error text) returns boolean
 */
Datum
pgmq_nack_error(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, 4);

	return nack_one(&nack, fcinfo, 3);
}

/*
 * nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[],
 *		error text) returns setof bigint
 */
Datum
pgmq_nack_batch_error(PG_FUNCTION_ARGS)
{
	Nack		nack = FAILED(2, 4);

	return nack_batch(&nack, fcinfo, 3);
}

/* ----------------------------------------------------------------
 *		release
 * ----------------------------------------------------------------
 */

#define NOT_TRIED(when) \
	{ \
		.release = true, .delay = PGMQ_ARG_NULL, .error = PGMQ_ARG_NULL, .vt = (when) \
	}

/* release(queue_name text, msg_id bigint) returns boolean */
Datum
pgmq_release(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(PGMQ_ARG_NULL);

	return nack_one(&nack, fcinfo, -1);
}

/* release(queue_name text, msg_id bigint, read_ct integer) returns boolean */
Datum
pgmq_release_fenced(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(PGMQ_ARG_NULL);

	return nack_one(&nack, fcinfo, 2);
}

/* release(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_release_batch(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(PGMQ_ARG_NULL);

	return nack_batch(&nack, fcinfo, -1);
}

/*
 * release(queue_name text, msg_ids bigint[], read_cts integer[])
 * returns setof bigint
 */
Datum
pgmq_release_batch_fenced(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(PGMQ_ARG_NULL);

	return nack_batch(&nack, fcinfo, 2);
}

/*
 * release(queue_name text, msg_id bigint, delay integer, read_ct integer)
 * returns boolean
 */
Datum
pgmq_release_delay(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(pgmq_from_now(delay_arg(fcinfo, 2)));

	return nack_one(&nack, fcinfo, 3);
}

/*
 * release(queue_name text, msg_id bigint, delay timestamptz, read_ct integer)
 * returns boolean
 */
Datum
pgmq_release_at(PG_FUNCTION_ARGS)
{
	Nack		nack = NOT_TRIED(PGMQ_ARG_FROM(2));

	return nack_one(&nack, fcinfo, 3);
}
