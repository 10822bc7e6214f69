/*-------------------------------------------------------------------------
 *
 * send.c
 *	  Sending messages.
 *
 * Each call runs one INSERT.  Users' statement triggers therefore fire once,
 * and their row triggers once for each message, in the order of the array;
 * the ids ascend in that order.
 *
 * The SQL functions differ only in whether they take headers and a delay, and
 * in whether the delay is a number of seconds or a point in time.  The forms
 * for an interval and for arguments without a type are in untyped.c.
 *
 * Each function takes ROW EXCLUSIVE on the queue's table.  Errors: those of
 * pgmq_queue_open and pgmq_put.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_send);
PG_FUNCTION_INFO_V1(pgmq_send_headers);
PG_FUNCTION_INFO_V1(pgmq_send_delay);
PG_FUNCTION_INFO_V1(pgmq_send_at);
PG_FUNCTION_INFO_V1(pgmq_send_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_headers_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers);
PG_FUNCTION_INFO_V1(pgmq_send_batch_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_unchecked);
PG_FUNCTION_INFO_V1(pgmq_validate_batch_params);

/* The time from which a message without a delay is visible. */
static PgmqArg
vt_now(void)
{
	return PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
}

/*
 * Send one message.  Returns its id as the only row of a set, or no row if a
 * BEFORE trigger returned NULL for it.
 */
static Datum
send_one(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg vt)
{
	PgmqQueue	queue;
	int64		id;

	if (!pgmq_set_first(fcinfo))
		return pgmq_set_end(fcinfo);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	if (!pgmq_put(&queue, vt, PGMQ_ARG_FROM(1), headers, &id))
		return pgmq_set_none(fcinfo);
	return pgmq_set_value(fcinfo, Int64GetDatum(id));
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
	return send_one(fcinfo, PGMQ_ARG_NULL, pgmq_from_now(PGMQ_ARG_FROM(2)));
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
	return send_one(fcinfo, PGMQ_ARG_FROM(2), pgmq_from_now(PGMQ_ARG_FROM(3)));
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

/* Send a batch, and return the set of its ids in the order of the array. */
static Datum
send_batch(FunctionCallInfo fcinfo, bool validate, PgmqArg headers, PgmqArg vt)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqQueue	queue;

	if (validate)
		pgmq_batch_validate(PGMQ_ARG_FROM(1), headers);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	pgmq_put_batch(&queue, vt, PGMQ_ARG_FROM(1), headers, pgmq_rows_put_id, rows);
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
	return send_batch(fcinfo, true, PGMQ_ARG_NULL, pgmq_from_now(PGMQ_ARG_FROM(2)));
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
	return send_batch(fcinfo, true, PGMQ_ARG_FROM(2), pgmq_from_now(PGMQ_ARG_FROM(3)));
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
 * Sends without the checks: an empty array sends nothing, and a message
 * without an element of headers has no headers.
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
