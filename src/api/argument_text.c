/*-------------------------------------------------------------------------
 *
 * argument_text.c
 *	  Interpreting the text of an argument that has no type.
 *
 * These functions replace an argument of a call with a value of the type that
 * another form of the verb takes.  NULL stays NULL.  Values are allocated in
 * the current memory context.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/argument_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "api/api.h"

/* Set an argument. */
void
pgmq_call_set(FunctionCallInfo call, int argno, Datum value)
{
	call->args[argno].value = value;
	call->args[argno].isnull = false;
}

/* A text argument without leading white space, or NULL if it is NULL. */
static char *
arg_str(FunctionCallInfo call, int argno)
{
	char	   *str;

	if (call->args[argno].isnull)
		return NULL;
	str = TextDatumGetCString(call->args[argno].value);
	return str + strspn(str, " \t\n\r\f\v");
}

static bool
is_array(const char *str)
{
	return *str == '{' || *str == '[';
}

/* Tell whether a text is an integer, and so a number of seconds. */
static bool
is_integer(const char *str)
{
	str += *str == '+' || *str == '-';
	return str[strspn(str, "0123456789 \t\n\r\f\v")] == '\0';
}

/*
 * Tell whether a text can be an interval.  The input function ignores
 * unexpected characters, so it would accept a JSON array that has a number.
 */
static bool
may_be_interval(const char *str)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	while (*str != '\0')
	{
		size_t		len = strspn(str, "0123456789 .:+-@") + strspn(str, letters);

		if (len == 0)
			return false;
		str += len;
	}
	return true;
}

/* Convert a text by the input function of a type. */
static Datum
type_input(Oid type, char *str)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, str, ioparam, -1);
}

/*
 * Convert a text by the input function of a type.  Returns false if the
 * function refuses it, and sets *why to the reason.
 */
static bool
type_try(Oid type, char *str, Datum *value, char **why)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool understood = true;

	PG_TRY();
	{
		*value = type_input(type, str);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		*why = error->message;
		understood = false;
	}
	PG_END_TRY();
	return understood;
}

pg_noreturn static void
meaning_error(const char *what, const char *str, const char *must, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" is neither %san integer, a timestamp nor an interval",
					what, str, must),
			 errdetail_internal("%s", why)));
}

static Datum
after_interval(Datum interval)
{
	return DirectFunctionCall2(timestamptz_pl_interval,
							   TimestampTzGetDatum(GetCurrentTimestamp()), interval);
}

/*
 * Replace a text argument with a point in time, or with headers of type
 * headers_type unless that is InvalidOid.  A timestamp is a point in time, and
 * so is an integer (seconds) or an interval, counted from now.  what is the
 * name of the argument in errors.
 * Error: 22023 for any other text.
 */
PgmqMeaning
pgmq_call_meaning(FunctionCallInfo call, int argno, const char *what, Oid headers_type)
{
	char	   *str = arg_str(call, argno);
	const char *must = headers_type == JSONBOID ? "a JSON object, " :
	headers_type == JSONBARRAYOID ? "an array of JSON, " : "";
	char	   *why;
	char	   *ignored;
	Datum		value;

	if (str == NULL)
		return PGMQ_MEANS_NOTHING;
	if (OidIsValid(headers_type) &&
		(headers_type == JSONBOID ? *str == '{' : is_array(str)))
	{
		if (!type_try(headers_type, str, &value, &why))
			meaning_error(what, str, must, why);
		pgmq_call_set(call, argno, value);
		return PGMQ_MEANS_HEADERS;
	}
	if (is_integer(str))
	{
		if (!type_try(INT4OID, str, &value, &why))
			meaning_error(what, str, must, why);
		value = pgmq_from_now(PGMQ_ARG(value)).value;
	}
	/* a text that is a timestamp and an interval has always been a timestamp */
	else if (!type_try(TIMESTAMPTZOID, str, &value, &why))
	{
		if (!may_be_interval(str) || !type_try(INTERVALOID, str, &value, &ignored))
			meaning_error(what, str, must, why);
		value = after_interval(value);
	}
	pgmq_call_set(call, argno, value);
	return PGMQ_MEANS_TIME;
}

/* Replace an interval argument with the point in time that is so far from now. */
void
pgmq_call_interval(FunctionCallInfo call, int argno)
{
	if (!call->args[argno].isnull)
		pgmq_call_set(call, argno, after_interval(call->args[argno].value));
}

/* Replace a text argument with a value of a type, by its input function. */
void
pgmq_call_input(FunctionCallInfo call, int argno, Oid type)
{
	char	   *str = arg_str(call, argno);

	if (str != NULL)
		pgmq_call_set(call, argno, type_input(type, str));
}

/*
 * Replace the ids, text argument 1, with a bigint or an array of bigint.
 * Returns whether it is an array.
 */
bool
pgmq_call_ids(FunctionCallInfo call)
{
	char	   *str = arg_str(call, 1);
	bool		several = str != NULL && is_array(str);

	pgmq_call_input(call, 1, several ? INT8ARRAYOID : INT8OID);
	return several;
}
