/*-------------------------------------------------------------------------
 *
 * untyped.c
 *	  The forms of the verbs for arguments without a type, and for intervals.
 *
 * Many clients send parameters without a type.  If a verb has several forms,
 * such as one for an id and one for an array of ids, PostgreSQL cannot choose
 * among them, unless one of them takes a text, which it then prefers.
 * Therefore each of these verbs has a form that takes texts.  It finds out
 * what they mean (argument_text.c) and calls the form for that.
 *
 * Such a form names an argument as the other forms do only if a call that
 * names the argument was ambiguous without this form.  Otherwise PostgreSQL
 * would prefer the new form, and a call that has always worked would find
 * another function.
 *
 * Some verbs return a boolean for an id, and a set of ids for an array.  Their
 * form for texts returns a set of at most one boolean: one row for an id, and
 * none for an empty array.  Any other array is an error.
 *
 * Errors: those of the form that is called; 22023, 22P02 and 22008 for a text
 * that cannot be read, 42725 for an array where only an id is accepted.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/untyped.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "spi/spi.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_send_any);
PG_FUNCTION_INFO_V1(pgmq_send_interval);
PG_FUNCTION_INFO_V1(pgmq_send_headers_interval);
PG_FUNCTION_INFO_V1(pgmq_send_headers_untyped);
PG_FUNCTION_INFO_V1(pgmq_send_batch_interval);
PG_FUNCTION_INFO_V1(pgmq_send_batch_untyped);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_interval);
PG_FUNCTION_INFO_V1(pgmq_send_batch_headers_untyped);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_interval);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_untyped);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_interval);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_untyped);
PG_FUNCTION_INFO_V1(pgmq_delete_untyped);
PG_FUNCTION_INFO_V1(pgmq_delete_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_archive_untyped);
PG_FUNCTION_INFO_V1(pgmq_archive_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_set_vt_interval);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_interval);
PG_FUNCTION_INFO_V1(pgmq_set_vt_fenced_interval);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_fenced_interval);
PG_FUNCTION_INFO_V1(pgmq_set_vt_untyped_vt);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_untyped_vt);
PG_FUNCTION_INFO_V1(pgmq_set_vt_fenced_untyped_vt);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_fenced_untyped_vt);
PG_FUNCTION_INFO_V1(pgmq_set_vt_untyped_ids);
PG_FUNCTION_INFO_V1(pgmq_set_vt_untyped);
PG_FUNCTION_INFO_V1(pgmq_set_vt_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_nack_untyped);
PG_FUNCTION_INFO_V1(pgmq_nack_delay_untyped_ids);
PG_FUNCTION_INFO_V1(pgmq_nack_delay_untyped);
PG_FUNCTION_INFO_V1(pgmq_nack_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_nack_error_untyped);
PG_FUNCTION_INFO_V1(pgmq_release_untyped);
PG_FUNCTION_INFO_V1(pgmq_release_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_release_interval);
PG_FUNCTION_INFO_V1(pgmq_release_untyped_delay);
PG_FUNCTION_INFO_V1(pgmq_dead_letter_untyped);
PG_FUNCTION_INFO_V1(pgmq_dead_letter_fenced_untyped);
PG_FUNCTION_INFO_V1(pgmq_unarchive_untyped);

/* The most arguments that one of these functions has. */
#define MAX_ARGS	5

/*
 * Declare call, a copy of a call whose arguments can be changed.  The arguments
 * of the call itself cannot, because the executor keeps constants in them for
 * the next call.
 */
#define CALL_COPY(call) \
	LOCAL_FCINFO(call, MAX_ARGS); \
	memcpy(call, fcinfo, SizeForFunctionCallInfo(fcinfo->nargs))

/* ----------------------------------------------------------------
 *		Calling the typed form
 * ----------------------------------------------------------------
 */

/* Call fn, and pass on whether its result is NULL. */
static Datum
call_typed(FunctionCallInfo fcinfo, FunctionCallInfo call, PGFunction fn)
{
	Datum		result = fn(call);

	fcinfo->isnull = call->isnull;
	return result;
}

/*
 * Call fn for one message, and return its boolean as a set.  delay_argno and
 * ct_argno are the arguments with a delay and a fence, or -1.  For an empty
 * array fn is called with NULL as the id, so that the errors about the queue
 * are the same.
 * Error: 42725 for an array that is not empty.
 */
static Datum
say_one(FunctionCallInfo fcinfo, PGFunction fn, int delay_argno, int ct_argno)
{
	bool		several;
	Datum		result;

	CALL_COPY(call);

	if (!pgmq_set_first(fcinfo))
		return pgmq_set_end(fcinfo);
	several = pgmq_call_ids(call);
	if (several)
	{
		ArrayType  *ids = DatumGetArrayTypeP(call->args[1].value);

		if (ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids)) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
					 errmsg("an array of message ids without a type is ambiguous"),
					 errhint("Cast the array to bigint[], or pass it by name: msg_ids => ...")));
		call->args[1].isnull = true;
	}
	if (delay_argno >= 0)
		pgmq_call_input(call, delay_argno, INT4OID);
	if (ct_argno >= 0 && several)
		pgmq_call_set(call, ct_argno, Int32GetDatum(0));
	else if (ct_argno >= 0)
		pgmq_call_input(call, ct_argno, INT4OID);
	result = fn(call);
	return several ? pgmq_set_none(fcinfo) : pgmq_set_value(fcinfo, result);
}

/* Call fn with an interval argument replaced with a point in time. */
static Datum
interval_form(FunctionCallInfo fcinfo, int argno, PGFunction fn)
{
	CALL_COPY(call);

	if (fcinfo->flinfo->fn_retset && !pgmq_set_first(fcinfo))
		return pgmq_set_end(fcinfo);
	pgmq_call_interval(call, argno);
	return call_typed(fcinfo, call, fn);
}

/* Call fn with a text argument replaced with a point in time. */
static Datum
time_form(FunctionCallInfo fcinfo, int argno, const char *what, PGFunction fn)
{
	CALL_COPY(call);

	pgmq_call_meaning(call, argno, what, InvalidOid);
	return call_typed(fcinfo, call, fn);
}

/*
 * Call the form of a send that fits a text argument: plain if it is NULL,
 * headers if it is headers of type headers_type (InvalidOid: it cannot be
 * headers), and at if it is a point in time.
 */
static Datum
send_form(FunctionCallInfo fcinfo, int argno, Oid headers_type,
		  PGFunction plain, PGFunction headers, PGFunction at)
{
	CALL_COPY(call);

	if (!pgmq_set_first(fcinfo))
		return pgmq_set_end(fcinfo);
	switch (pgmq_call_meaning(call, argno, OidIsValid(headers_type) ? "headers or delay" : "delay",
							  headers_type))
	{
		case PGMQ_MEANS_NOTHING:
			return call_typed(fcinfo, call, plain);
		case PGMQ_MEANS_HEADERS:
			Assert(headers != NULL);
			return call_typed(fcinfo, call, headers);
		case PGMQ_MEANS_TIME:
			break;
	}
	return call_typed(fcinfo, call, at);
}

/* ----------------------------------------------------------------
 *		Sending
 * ----------------------------------------------------------------
 */

/*
 * send(queue_name text, msg jsonb, headers_or_delay text) and
 * send(queue_name text, msg jsonb, delay varchar) return setof bigint
 */
Datum
pgmq_send_any(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 2, JSONBOID, pgmq_send, pgmq_send_headers, pgmq_send_at);
}

/* send(queue_name text, msg jsonb, delay interval) */
Datum
pgmq_send_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_send_at);
}

/* send(queue_name text, msg jsonb, headers jsonb, delay interval) */
Datum
pgmq_send_headers_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 3, pgmq_send_headers_at);
}

/* send(queue_name text, msg jsonb, headers jsonb, delay text) */
Datum
pgmq_send_headers_untyped(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 3, InvalidOid, pgmq_send_headers, NULL, pgmq_send_headers_at);
}

/* send_batch(queue_name text, msgs jsonb[], delay interval) */
Datum
pgmq_send_batch_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_send_batch_at);
}

/*
 * send_batch(queue_name text, msgs jsonb[], delay text), which may be
 * headers
 */
Datum
pgmq_send_batch_untyped(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 2, JSONBARRAYOID, pgmq_send_batch, pgmq_send_batch_headers,
					 pgmq_send_batch_at);
}

/*
 * send_batch(queue_name text, msgs jsonb[], headers jsonb[],
 *			delay interval)
 */
Datum
pgmq_send_batch_headers_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 3, pgmq_send_batch_headers_at);
}

/*
 * send_batch(queue_name text, msgs jsonb[], headers jsonb[],
 *			delay text)
 */
Datum
pgmq_send_batch_headers_untyped(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 3, InvalidOid, pgmq_send_batch_headers, NULL,
					 pgmq_send_batch_headers_at);
}

/* send_batch_topic(routing_key text, msgs jsonb[], delay interval) */
Datum
pgmq_send_batch_topic_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_send_batch_topic_at);
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[], delay text), which may be
 * headers
 */
Datum
pgmq_send_batch_topic_untyped(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 2, JSONBARRAYOID, pgmq_send_batch_topic, pgmq_send_batch_topic_headers,
					 pgmq_send_batch_topic_at);
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[],
 *			delay interval)
 */
Datum
pgmq_send_batch_topic_headers_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 3, pgmq_send_batch_topic_headers_at);
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[],
 *			delay text)
 */
Datum
pgmq_send_batch_topic_headers_untyped(PG_FUNCTION_ARGS)
{
	return send_form(fcinfo, 3, InvalidOid, pgmq_send_batch_topic_headers, NULL,
					 pgmq_send_batch_topic_headers_at);
}

/* ----------------------------------------------------------------
 *		Acknowledging
 * ----------------------------------------------------------------
 */

/* delete(queue_name text, msg_id_or_ids text) returns setof boolean */
Datum
pgmq_delete_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_delete, -1, -1);
}

/* delete(queue_name text, msg_id_or_ids text, read_ct_or_cts text) */
Datum
pgmq_delete_fenced_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_delete_fenced, -1, 2);
}

/* archive(queue_name text, msg_id_or_ids text) returns setof boolean */
Datum
pgmq_archive_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_archive, -1, -1);
}

/* archive(queue_name text, msg_id_or_ids text, read_ct_or_cts text) */
Datum
pgmq_archive_fenced_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_archive_fenced, -1, 2);
}

/* set_vt(queue_name text, msg_id bigint, vt interval) */
Datum
pgmq_set_vt_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_set_vt_at);
}

/* set_vt(queue_name text, msg_ids bigint[], vt interval) */
Datum
pgmq_set_vt_batch_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_set_vt_batch_at);
}

/* set_vt(queue_name text, msg_id bigint, vt interval, read_ct integer) */
Datum
pgmq_set_vt_fenced_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_set_vt_fenced_at);
}

/* set_vt(queue_name text, msg_ids bigint[], vt interval, read_cts integer[]) */
Datum
pgmq_set_vt_batch_fenced_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_set_vt_batch_fenced_at);
}

/* set_vt(queue_name text, msg_id bigint, vt text) */
Datum
pgmq_set_vt_untyped_vt(PG_FUNCTION_ARGS)
{
	return time_form(fcinfo, 2, "vt", pgmq_set_vt_at);
}

/* set_vt(queue_name text, msg_ids bigint[], vt text) */
Datum
pgmq_set_vt_batch_untyped_vt(PG_FUNCTION_ARGS)
{
	return time_form(fcinfo, 2, "vt", pgmq_set_vt_batch_at);
}

/* set_vt(queue_name text, msg_id bigint, vt text, read_ct integer) */
Datum
pgmq_set_vt_fenced_untyped_vt(PG_FUNCTION_ARGS)
{
	return time_form(fcinfo, 2, "vt", pgmq_set_vt_fenced_at);
}

/* set_vt(queue_name text, msg_ids bigint[], vt text, read_cts integer[]) */
Datum
pgmq_set_vt_batch_fenced_untyped_vt(PG_FUNCTION_ARGS)
{
	return time_form(fcinfo, 2, "vt", pgmq_set_vt_batch_fenced_at);
}

/* set_vt(queue_name text, msg_id_or_ids text, vt integer) */
Datum
pgmq_set_vt_untyped_ids(PG_FUNCTION_ARGS)
{
	CALL_COPY(call);

	return call_typed(fcinfo, call, pgmq_call_ids(call) ? pgmq_set_vt_batch : pgmq_set_vt);
}

/* set_vt(queue_name text, msg_id_or_ids text, vt text) */
Datum
pgmq_set_vt_untyped(PG_FUNCTION_ARGS)
{
	CALL_COPY(call);

	pgmq_call_meaning(call, 2, "vt", InvalidOid);
	return call_typed(fcinfo, call, pgmq_call_ids(call) ? pgmq_set_vt_batch_at : pgmq_set_vt_at);
}

/*
 * set_vt(queue_name text, msg_id_or_ids text, vt text, read_ct_or_cts text)
 */
Datum
pgmq_set_vt_fenced_untyped(PG_FUNCTION_ARGS)
{
	bool		several;

	CALL_COPY(call);

	several = pgmq_call_ids(call);
	pgmq_call_meaning(call, 2, "vt", InvalidOid);
	pgmq_call_input(call, 3, several ? INT4ARRAYOID : INT4OID);
	return call_typed(fcinfo, call,
					  several ? pgmq_set_vt_batch_fenced_at : pgmq_set_vt_fenced_at);
}

/* ----------------------------------------------------------------
 *		Giving messages back, dead letters, unarchiving
 * ----------------------------------------------------------------
 */

/* nack(queue_name text, msg_id_or_ids text) returns setof boolean */
Datum
pgmq_nack_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_nack, -1, -1);
}

/* nack(queue_name text, msg_id_or_ids text, delay integer) */
Datum
pgmq_nack_delay_untyped_ids(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_nack_delay, -1, -1);
}

/* nack(queue_name text, msg_id_or_ids text, delay text) */
Datum
pgmq_nack_delay_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_nack_delay, 2, -1);
}

/*
 * nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text)
 */
Datum
pgmq_nack_fenced_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_nack_fenced, 2, 3);
}

/*
 * nack(queue_name text, msg_id_or_ids text, delay text, read_ct_or_cts text,
 *		error text)
 */
Datum
pgmq_nack_error_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_nack_error, 2, 3);
}

/* release(queue_name text, msg_id_or_ids text) returns setof boolean */
Datum
pgmq_release_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_release, -1, -1);
}

/* release(queue_name text, msg_id_or_ids text, read_ct_or_cts text) */
Datum
pgmq_release_fenced_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_release_fenced, -1, 2);
}

/* release(queue_name text, msg_id bigint, delay interval, read_ct integer) */
Datum
pgmq_release_interval(PG_FUNCTION_ARGS)
{
	return interval_form(fcinfo, 2, pgmq_release_at);
}

/* release(queue_name text, msg_id bigint, delay text, read_ct integer) */
Datum
pgmq_release_untyped_delay(PG_FUNCTION_ARGS)
{
	return time_form(fcinfo, 2, "delay", pgmq_release_at);
}

/*
 * dead_letter(queue_name text, msg_id_or_ids text, reason text)
 * returns setof boolean
 */
Datum
pgmq_dead_letter_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_dead_letter, -1, -1);
}

/*
 * dead_letter(queue_name text, msg_id_or_ids text, reason text,
 *			   read_ct_or_cts text)
 */
Datum
pgmq_dead_letter_fenced_untyped(PG_FUNCTION_ARGS)
{
	return say_one(fcinfo, pgmq_dead_letter_fenced, -1, 3);
}

/*
 * unarchive(queue_name text, msg_id_or_ids text) returns setof bigint
 *
 * Returns what the form for the argument returns, but no row instead of NULL.
 */
Datum
pgmq_unarchive_untyped(PG_FUNCTION_ARGS)
{
	Datum		id;

	CALL_COPY(call);

	if (!pgmq_set_first(fcinfo))
		return pgmq_set_end(fcinfo);
	if (pgmq_call_ids(call))
		return call_typed(fcinfo, call, pgmq_unarchive_batch);
	id = pgmq_unarchive(call);
	return call->isnull ? pgmq_set_none(fcinfo) : pgmq_set_value(fcinfo, id);
}
