/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments that many verbs take: how many, when, and which arrays
 *	  make a batch.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/arguments.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/qunique.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"

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
 * The time that is an integer number of seconds after now, at which a delay or
 * a lease ends.  A NULL stays NULL, which the column's constraint refuses.
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

/* The same, counted from the present time. */
PgmqArg
pgmq_from_now(PgmqArg seconds)
{
	return pgmq_after(GetCurrentTimestamp(), seconds);
}

/* Refuse a NULL fence, which no read_ct would equal.  Error: 22004. */
static void
fence_check(bool isnull, const char *argname)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", argname)));
}

/*
 * Argument argno, the read_ct of a fenced call on one message.
 * Error: 22004 when it is NULL.
 */
PgmqArg
pgmq_fence_arg(FunctionCallInfo fcinfo, int argno)
{
	fence_check(PG_ARGISNULL(argno), "read_ct");
	return PGMQ_ARG_FROM(argno);
}

static int
id_arg_cmp(const void *a, const void *b)
{
	const PgmqIdArg *ia = a;
	const PgmqIdArg *ib = b;

	if (ia->msg_id != ib->msg_id)
		return ia->msg_id > ib->msg_id ? 1 : -1;
	return (ia->read_ct > ib->read_ct) - (ia->read_ct < ib->read_ct);
}

/*
 * The arguments msg_ids (1) and read_cts (cts_argno; -1: there is none) as
 * pairs in msg_id order, each once; an id that is NULL names no message and is
 * left out.
 * Errors: 22004 for a NULL fence, 2202E when the arrays differ in length.
 */
PgmqIdArg *
pgmq_ids_arg(FunctionCallInfo fcinfo, int cts_argno, int *nids)
{
	PgmqIdArg  *pairs;
	Datum	   *ids;
	Datum	   *cts = NULL;
	bool	   *id_nulls;
	bool	   *ct_nulls;
	int			n;
	int			ncts;

	*nids = 0;
	if (cts_argno >= 0)
		fence_check(PG_ARGISNULL(cts_argno), "read_cts");
	if (PG_ARGISNULL(1))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT8OID, sizeof(int64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, &id_nulls, &n);
	if (cts_argno >= 0)
	{
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(cts_argno), INT4OID, sizeof(int32),
						  true, TYPALIGN_INT, &cts, &ct_nulls, &ncts);
		if (n != ncts)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("read_cts has %d elements, msg_ids has %d", ncts, n)));
	}

	pairs = palloc(n * sizeof(PgmqIdArg));
	for (int i = 0; i < n; i++)
	{
		if (cts != NULL)
			fence_check(ct_nulls[i], "element of read_cts");
		if (id_nulls[i])
			continue;
		pairs[*nids].msg_id = DatumGetInt64(ids[i]);
		pairs[*nids].read_ct = cts == NULL ? 0 : DatumGetInt32(cts[i]);
		pairs[(*nids)++].place = i;
	}
	if (*nids > 0)
	{
		qsort(pairs, *nids, sizeof(PgmqIdArg), id_arg_cmp);
		*nids = qunique(pairs, *nids, sizeof(PgmqIdArg), id_arg_cmp);
	}
	return pairs;
}

/*
 * The number of a message among the pairs, by its id and, if they are fenced,
 * its read_ct; -1 when no pair names it.
 */
int
pgmq_ids_find(const PgmqIdArg *pairs, int nids, bool fenced, int64 msg_id, int32 read_ct)
{
	PgmqIdArg	key = {msg_id, fenced ? read_ct : 0, 0};
	const PgmqIdArg *found = bsearch(&key, pairs, nids, sizeof(PgmqIdArg), id_arg_cmp);

	return found == NULL ? -1 : found - pairs;
}

/*
 * Ids or other numbers, as an array of bigint.  construct_array would want them as
 * Datums first.  Error: 54000 for more than fit.
 */
PgmqArg
pgmq_int8_array(const int64 *values, int64 n)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + n * sizeof(int64);
	ArrayType  *array;

	if (n == 0)
		return PGMQ_ARG(PointerGetDatum(construct_empty_array(INT8OID)));
	if (!AllocSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("array size exceeds the maximum allowed (%d)", (int) MaxAllocSize)));
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = INT8OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), values, n * sizeof(int64));
	return PGMQ_ARG(PointerGetDatum(array));
}

/* The ids of pairs, as an array of bigint for a statement. */
PgmqArg
pgmq_ids_array(const PgmqIdArg *pairs, int nids)
{
	int64	   *ids = palloc(nids * sizeof(int64));

	for (int i = 0; i < nids; i++)
		ids[i] = pairs[i].msg_id;
	return pgmq_int8_array(ids, nids);
}

/*
 * The arguments msg_id (1) and read_ct (ct_argno; -1: there is none) as one
 * pair; *nids is 0 when msg_id is NULL.
 * Error: 22004 for a NULL fence.
 */
PgmqIdArg *
pgmq_id_arg(FunctionCallInfo fcinfo, int ct_argno, int *nids)
{
	PgmqIdArg  *pair = palloc0(sizeof(PgmqIdArg));

	if (ct_argno >= 0)
		pair->read_ct = DatumGetInt32(pgmq_fence_arg(fcinfo, ct_argno).value);
	*nids = PG_ARGISNULL(1) ? 0 : 1;
	if (*nids > 0)
		pair->msg_id = PG_GETARG_INT64(1);
	return pair;
}

/*
 * Argument argno, options: call fn for each of them; NULL has none.
 * Error: 22023 if it is not an object.
 */
void
pgmq_options_arg(FunctionCallInfo fcinfo, int argno, PgmqOptionFn fn, void *state)
{
	Jsonb	   *options;
	JsonbIterator *it;
	JsonbValue	name;
	JsonbValue	value;

	if (PG_ARGISNULL(argno))
		return;
	options = PG_GETARG_JSONB_P(argno);
	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	it = JsonbIteratorInit(&options->root);
	(void) JsonbIteratorNext(&it, &name, true);
	while (JsonbIteratorNext(&it, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		fn(pnstrdup(name.val.string.val, name.val.string.len), &value, state);
	}
}

/* Say that an option is not what it must be.  Error: 22023. */
void
pgmq_option_invalid(const char *option, const char *must)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", option),
			 errdetail("The value must be %s.", must)));
}

/* array_length(array, 1), which PGMQ compares; -1 where that is NULL. */
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
