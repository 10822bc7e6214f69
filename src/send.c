/*-------------------------------------------------------------------------
 *
 * send.c
 *	  Putting messages in.
 *
 * Each call is one INSERT: users' statement triggers fire once, their row
 * triggers once a message, in array order, and the ids rise in that order.
 *
 * The SQL functions differ only in which of headers and delay they take, and
 * whether a delay is a number of seconds from now or a point in time.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_send);
PG_FUNCTION_INFO_V1(pgmq_send_headers);
PG_FUNCTION_INFO_V1(pgmq_send_delay);
PG_FUNCTION_INFO_V1(pgmq_send_at);
PG_FUNCTION_INFO_V1(pgmq_send_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_headers_at);
PG_FUNCTION_INFO_V1(pgmq_send_any);
PG_FUNCTION_INFO_V1(pgmq_send_batch);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers);
PG_FUNCTION_INFO_V1(pgmq_send_batch_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_unchecked);
PG_FUNCTION_INFO_V1(pgmq_validate_batch_params);

/* The visibility time of a message sent now. */
static PgmqArg
vt_now(void)
{
	return PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
}

/* The visibility time from a delay in seconds; a NULL stays one. */
static PgmqArg
vt_delay(PgmqArg delay)
{
	return pgmq_after(GetCurrentTimestamp(), delay);
}

/*
 * Send one message.  Returns its id as the only row of a set, or no row when
 * a BEFORE trigger swallowed it.  A value a call is cheaper than a tuplestore
 * of one; but then, the caller asks again until it is told that there is no
 * more, and in a target list beside a longer set even when it was told that
 * this was all.  A second call must not send.
 */
static Datum
send_one(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg vt)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FuncCallContext *set;
	PgmqQueue	queue;
	int64		id;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	if (!SRF_IS_FIRSTCALL())
	{
		set = SRF_PERCALL_SETUP();
		SRF_RETURN_DONE(set);
	}

	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	if (!pgmq_put(&queue, vt, PGMQ_ARG_FROM(1), headers, &id))
	{
		rsinfo->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}
	set = SRF_FIRSTCALL_INIT();
	SRF_RETURN_NEXT(set, Int64GetDatum(id));
}

/* send(queue_name text, msg jsonb) returns setof bigint */
Datum
pgmq_send(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_NULL, vt_now());
}

/* send(queue_name text, msg jsonb, headers jsonb) returns setof bigint */
Datum
pgmq_send_headers(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_FROM(2), vt_now());
}

/* send(queue_name text, msg jsonb, delay integer) returns setof bigint */
Datum
pgmq_send_delay(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_NULL, vt_delay(PGMQ_ARG_FROM(2)));
}

/* send(queue_name text, msg jsonb, delay timestamptz) returns setof bigint */
Datum
pgmq_send_at(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_NULL, PGMQ_ARG_FROM(2));
}

/*
 * send(queue_name text, msg jsonb, headers jsonb, delay integer)
 * returns setof bigint
 */
Datum
pgmq_send_headers_delay(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_FROM(2), vt_delay(PGMQ_ARG_FROM(3)));
}

/*
 * send(queue_name text, msg jsonb, headers jsonb, delay timestamptz)
 * returns setof bigint
 */
Datum
pgmq_send_headers_at(PG_FUNCTION_ARGS)
{
	return send_one(fcinfo, PGMQ_ARG_FROM(2), PGMQ_ARG_FROM(3));
}

/*
 * Read a text as a type's input function does.
 * Error: 22023 for whatever data exception that function raises.
 */
static PgmqArg
arg_input(PGFunction input, char *str)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		value;

	PG_TRY();
	{
		value = DirectFunctionCall3(input, CStringGetDatum(str),
									ObjectIdGetDatum(InvalidOid),
									Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("headers or delay \"%s\" is neither a JSON object, an integer nor a timestamp", str),
				 errdetail_internal("%s", error->message)));
	}
	PG_END_TRY();
	return PGMQ_ARG(value);
}

/*
 * send(queue_name text, msg jsonb, headers_or_delay text)
 * returns setof bigint
 *
 * What an untyped third literal resolves to, which with PGMQ is ambiguous: a
 * JSON object is headers, an integer a delay in seconds, a timestamp the
 * visibility time, NULL none of them.
 * Error: 22023 for anything else.
 */
Datum
pgmq_send_any(PG_FUNCTION_ARGS)
{
	char	   *str;
	char	   *digits;

	if (PG_ARGISNULL(2))
		return send_one(fcinfo, PGMQ_ARG_NULL, vt_now());

	str = text_to_cstring(PG_GETARG_TEXT_PP(2));
	str += strspn(str, " \t\n\r\f\v");
	if (*str == '{')
		return send_one(fcinfo, arg_input(jsonb_in, str), vt_now());
	digits = str + (*str == '+' || *str == '-');
	if (digits[strspn(digits, "0123456789 \t\n\r\f\v")] == '\0')
		return send_one(fcinfo, PGMQ_ARG_NULL, vt_delay(arg_input(int4in, str)));
	return send_one(fcinfo, PGMQ_ARG_NULL, arg_input(timestamptz_in, str));
}

/* Add an id to the result. */
static void
put_id(int64 id, void *rows)
{
	Datum		value = Int64GetDatum(id);
	bool		isnull = false;

	pgmq_rows_put(rows, &value, &isnull);
}

/* Send a batch; the ids are the set returned, in array order. */
static Datum
send_batch(FunctionCallInfo fcinfo, bool validate, PgmqArg headers, PgmqArg vt)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqQueue	queue;

	if (validate)
		pgmq_batch_validate(PGMQ_ARG_FROM(1), headers);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	pgmq_put_batch(&queue, vt, PGMQ_ARG_FROM(1), headers, put_id, rows);
	return (Datum) 0;
}

/* send_batch(queue_name text, msgs jsonb[]) returns setof bigint */
Datum
pgmq_send_batch(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_NULL, vt_now());
}

/* send_batch(queue_name text, msgs jsonb[], headers jsonb[]) */
Datum
pgmq_send_batch_headers(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_FROM(2), vt_now());
}

/* send_batch(queue_name text, msgs jsonb[], delay integer) */
Datum
pgmq_send_batch_delay(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_NULL, vt_delay(PGMQ_ARG_FROM(2)));
}

/* send_batch(queue_name text, msgs jsonb[], delay timestamptz) */
Datum
pgmq_send_batch_at(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_NULL, PGMQ_ARG_FROM(2));
}

/* send_batch(queue_name text, msgs jsonb[], headers jsonb[], delay integer) */
Datum
pgmq_send_batch_headers_delay(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_FROM(2), vt_delay(PGMQ_ARG_FROM(3)));
}

/*
 * send_batch(queue_name text, msgs jsonb[], headers jsonb[],
 *			  delay timestamptz)
 */
Datum
pgmq_send_batch_headers_at(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, true, PGMQ_ARG_FROM(2), PGMQ_ARG_FROM(3));
}

/*
 * _send_batch(queue_name text, msgs jsonb[], headers jsonb[],
 *			   delay timestamptz)
 *
 * Without the checks: no messages are none, headers that are missing NULL.
 */
Datum
pgmq_send_batch_unchecked(PG_FUNCTION_ARGS)
{
	return send_batch(fcinfo, false, PGMQ_ARG_FROM(2), PGMQ_ARG_FROM(3));
}

/* _validate_batch_params(msgs jsonb[], headers jsonb[]) returns void */
Datum
pgmq_validate_batch_params(PG_FUNCTION_ARGS)
{
	pgmq_batch_validate(PGMQ_ARG_FROM(0), PGMQ_ARG_FROM(1));
	PG_RETURN_VOID();
}
