/*-------------------------------------------------------------------------
 *
 * nack.c
 *	  Giving a message back: it is to be read again, after a while.
 *
 * How long a while, the caller says, or the queue's policy by the number of
 * times that the message was read.  Messages are locked first, in msg_id
 * order, so that their read_ct is the one that counts.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/nack.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_nack);
PG_FUNCTION_INFO_V1(pgmq_nack_delay);
PG_FUNCTION_INFO_V1(pgmq_nack_fenced);
PG_FUNCTION_INFO_V1(pgmq_nack_batch);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delay);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delays);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_nack_batch_delays_fenced);

/* The longest delay, in seconds, that a policy comes to. */
#define MAX_BACKOFF		(10 * 365.0 * 24 * 60 * 60)

/* What is to be given back, and when each is to be read again. */
typedef struct Nack
{
	PgmqQueue	queue;
	const		PgmqPolicy *policy;
	TimestampTz now;
	PgmqIdArg  *ids;			/* what the caller named */
	int			nids;
	bool		fenced;
	int32	   *delays;			/* by place; NULL: delay */
	bool	   *delay_nulls;
	PgmqArg		delay;			/* NULL: the policy decides */
	int64	   *held;			/* what there is of it */
	TimestampTz *vts;
	int			nheld;
}			Nack;

/* How long to wait before the next read of a message, in seconds. */
static double
backoff(const PgmqPolicy * policy, int32 read_ct)
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
	if (policy->backoff_jitter)
		delay *= pg_prng_double(&pg_global_prng_state);
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
	if (delay.isnull)
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
delays_arg(Nack * nack, FunctionCallInfo fcinfo, int argno)
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

/* Give the messages named back; how many there were. */
static int
nack_all(Nack * nack, FunctionCallInfo fcinfo)
{
	PgmqArg		ids;

	pgmq_queue_open(&nack->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_UPDATE, "UPDATE");
	if (nack->nids == 0)
		return 0;
	nack->policy = pgmq_policy(&nack->queue);
	nack->now = GetCurrentTimestamp();
	nack->held = palloc(nack->nids * sizeof(int64));
	nack->vts = palloc(nack->nids * sizeof(TimestampTz));
	ids = pgmq_ids_array(nack->ids, nack->nids);
	pgmq_exec_each(&nack->queue, PGMQ_STMT_HOLD, &ids, row_held, nack);
	for (int i = 0; i < nack->nheld; i++)
	{
		PgmqArg		args[] = {
			PGMQ_ARG(Int64GetDatum(nack->held[i])),
			PGMQ_ARG(TimestampTzGetDatum(nack->vts[i]))
		};

		pgmq_exec(&nack->queue, PGMQ_STMT_SET_VT, args);
	}
	return nack->nheld;
}

static Datum
nack_one(FunctionCallInfo fcinfo, int delay_argno, int ct_argno)
{
	Nack		nack = {.delay = delay_arg(fcinfo, delay_argno),.fenced = ct_argno >= 0};

	nack.ids = pgmq_id_arg(fcinfo, ct_argno, &nack.nids);
	PG_RETURN_BOOL(nack_all(&nack, fcinfo) > 0);
}

static Datum
nack_batch(FunctionCallInfo fcinfo, int delay_argno, int delays_argno, int cts_argno)
{
	Nack		nack = {.delay = delay_arg(fcinfo, delay_argno),.fenced = cts_argno >= 0};
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);

	if (delays_argno >= 0)
		delays_arg(&nack, fcinfo, delays_argno);
	nack.ids = pgmq_ids_arg(fcinfo, cts_argno, &nack.nids);
	nack_all(&nack, fcinfo);
	for (int i = 0; i < nack.nheld; i++)
	{
		Datum		id = Int64GetDatum(nack.held[i]);
		bool		isnull = false;

		pgmq_rows_put(rows, &id, &isnull);
	}
	return (Datum) 0;
}

/* nack(queue_name text, msg_id bigint) returns boolean */
Datum
pgmq_nack(PG_FUNCTION_ARGS)
{
	return nack_one(fcinfo, -1, -1);
}

/* nack(queue_name text, msg_id bigint, delay integer) returns boolean */
Datum
pgmq_nack_delay(PG_FUNCTION_ARGS)
{
	return nack_one(fcinfo, 2, -1);
}

/* nack(queue_name text, msg_id bigint, delay integer, read_ct integer) */
Datum
pgmq_nack_fenced(PG_FUNCTION_ARGS)
{
	return nack_one(fcinfo, 2, 3);
}

/* nack(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_nack_batch(PG_FUNCTION_ARGS)
{
	return nack_batch(fcinfo, -1, -1, -1);
}

/* nack(queue_name text, msg_ids bigint[], delay integer) */
Datum
pgmq_nack_batch_delay(PG_FUNCTION_ARGS)
{
	return nack_batch(fcinfo, 2, -1, -1);
}

/* nack(queue_name text, msg_ids bigint[], delays integer[]) */
Datum
pgmq_nack_batch_delays(PG_FUNCTION_ARGS)
{
	return nack_batch(fcinfo, -1, 2, -1);
}

/*
 * nack(queue_name text, msg_ids bigint[], delay integer, read_cts integer[])
 */
Datum
pgmq_nack_batch_fenced(PG_FUNCTION_ARGS)
{
	return nack_batch(fcinfo, 2, -1, 3);
}

/*
 * nack(queue_name text, msg_ids bigint[], delays integer[],
 *		read_cts integer[])
 */
Datum
pgmq_nack_batch_delays_fenced(PG_FUNCTION_ARGS)
{
	return nack_batch(fcinfo, -1, 2, 3);
}
