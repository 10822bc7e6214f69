/*-------------------------------------------------------------------------
 *
 * argument_text.c
 *	  What the text of an argument without a type says.
 *
 * These functions replace an argument of a call by a value of the type that
 * another form of the verb takes.  A NULL stays one.
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

/* An argument that is a text, without the space before it; NULL if NULL. */
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

/* Whether a text is a number of seconds; if not it may still be a time. */
static bool
is_integer(const char *str)
{
	str += *str == '+' || *str == '-';
	return str[strspn(str, "0123456789 \t\n\r\f\v")] == '\0';
}

/*
 * Whether a text can be an interval.  The input function passes over odd
 * characters, so that it takes a JSON array of a number for one.
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

/* Read a text as the input function of a type does. */
static Datum
type_input(Oid type, char *str)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(type, &input, &ioparam);
	return OidInputFunctionCall(input, str, ioparam, -1);
}

/*
 * The same where str may be something else: false if the input function says
 * that it is.  The reason then is in *why.
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
 * Replace an argument that is a text by what it says: a point in time, when it
 * is a timestamp, or a number of seconds or an interval from now on; or
 * headers, of type headers_type, if it may be those.  A NULL stays one.
 * Error: 22023 for anything else.
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
		value = pgmq_after(GetCurrentTimestamp(), PGMQ_ARG(value)).value;
	}
	/* a text that is both has always been a timestamp */
	else if (!type_try(TIMESTAMPTZOID, str, &value, &why))
	{
		if (!may_be_interval(str) || !type_try(INTERVALOID, str, &value, &ignored))
			meaning_error(what, str, must, why);
		value = after_interval(value);
	}
	pgmq_call_set(call, argno, value);
	return PGMQ_MEANS_TIME;
}

/* Replace an argument that is an interval by the point in time it leads to. */
void
pgmq_call_interval(FunctionCallInfo call, int argno)
{
	if (!call->args[argno].isnull)
		pgmq_call_set(call, argno, after_interval(call->args[argno].value));
}

/* Replace an argument that is a text by a value of a type. */
void
pgmq_call_input(FunctionCallInfo call, int argno, Oid type)
{
	char	   *str = arg_str(call, argno);

	if (str != NULL)
		pgmq_call_set(call, argno, type_input(type, str));
}

/*
 * Replace the ids (argument 1), a text, by a bigint or an array of them;
 * whether it is an array.
 */
bool
pgmq_call_ids(FunctionCallInfo call)
{
	char	   *str = arg_str(call, 1);
	bool		several = str != NULL && is_array(str);

	pgmq_call_input(call, 1, several ? INT8ARRAYOID : INT8OID);
	return several;
}
