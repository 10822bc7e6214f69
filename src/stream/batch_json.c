/*-------------------------------------------------------------------------
 *
 * batch_json.c
 *	  What a batch says: its headers, written and read.
 *
 * A user may have written anything there, so reading it raises no error.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/batch_json.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/batch.h"

static JsonbValue
json_int8(int64 value)
{
	return (JsonbValue)
	{
		.type = jbvNumeric,.val.numeric = int64_to_numeric(value)
	};
}

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value = {
		.type = jbvString,.val.string = {strlen(key), unconstify(char *, key)}
	};

	pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_int8(JsonbParseState **state, JsonbIteratorToken where, int64 number)
{
	JsonbValue	value = json_int8(number);

	pushJsonbValue(state, where, &value);
}

static void
push_pair(JsonbParseState **state, int64 one, int64 two)
{
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	push_int8(state, WJB_ELEM, one);
	push_int8(state, WJB_ELEM, two);
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* What a batch says, palloc'd. */
Jsonb *
pgmq_batch_json(const Batch *batch)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "ids");
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < batch->nranges; i++)
		push_pair(&state, batch->ranges[i].lo, batch->ranges[i].hi);
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	push_key(&state, "count");
	push_int8(&state, WJB_VALUE, batch->count);
	push_key(&state, "enqueued");
	push_pair(&state, batch->enqueued[0], batch->enqueued[1]);
	push_key(&state, "lease");
	push_pair(&state, batch->last_read, batch->vt);
	push_key(&state, "read_ct");
	push_int8(&state, WJB_VALUE, batch->read_ct);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A number of a JSON value; false if it is none. */
static bool
json_number(const JsonbValue *value, int64 *number)
{
	bool		fits;

	if (value == NULL || value->type != jbvNumeric)
		return false;
	fits = !numeric_is_nan(value->val.numeric) && !numeric_is_inf(value->val.numeric);
	if (fits)
	{
		/* a user may have written anything, and this must not fail */
		Datum text = DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric));
		char	   *end;

		errno = 0;
		*number = strtoll(DatumGetCString(text), &end, 10);
		fits = errno == 0 && *end == '\0';
	}
	return fits;
}

static JsonbValue *
json_member(JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(object, key, strlen(key), NULL);
}

/* An array of two numbers. */
static bool
json_pair(JsonbValue *value, int64 *one, int64 *two)
{
	JsonbContainer *array;

	if (value == NULL || value->type != jbvBinary)
		return false;
	array = value->val.binary.data;
	return JsonContainerIsArray(array) && JsonContainerSize(array) == 2 &&
		json_number(getIthJsonbValueFromContainer(array, 0), one) &&
		json_number(getIthJsonbValueFromContainer(array, 1), two);
}

/* Whether all times are some that can be computed with. */
bool
pgmq_batch_has_times(const Batch *batch)
{
	return IS_VALID_TIMESTAMP(batch->last_read) && IS_VALID_TIMESTAMP(batch->vt) &&
		IS_VALID_TIMESTAMP(batch->enqueued[0]) && IS_VALID_TIMESTAMP(batch->enqueued[1]);
}

/* Understand what a batch says; false if it is none. */
bool
pgmq_batch_parse(Batch *batch, int64 key, Jsonb *json)
{
	JsonbValue *ids;
	JsonbContainer *array;
	int64		read_ct;
	int64		count = 0;
	int64		next = PGMQ_BATCH_FIRST(key);

	batch->key = key;
	batch->nranges = 0;
	if (!PGMQ_IS_BATCH(key) || !JB_ROOT_IS_OBJECT(json))
		return false;
	ids = json_member(&json->root, "ids");
	if (ids == NULL || ids->type != jbvBinary || !JsonContainerIsArray(ids->val.binary.data) ||
		!json_number(json_member(&json->root, "read_ct"), &read_ct) ||
		!json_pair(json_member(&json->root, "lease"), &batch->last_read, &batch->vt) ||
		!json_pair(json_member(&json->root, "enqueued"), &batch->enqueued[0], &batch->enqueued[1]))
		return false;
	array = ids->val.binary.data;
	batch->nranges = JsonContainerSize(array);
	if (batch->nranges == 0 || batch->nranges > RANGES_MAX || read_ct <= 0 || read_ct > PG_INT32_MAX)
		return false;
	for (int i = 0; i < batch->nranges; i++)
	{
		IdRange    *range = &batch->ranges[i];

		if (!json_pair(getIthJsonbValueFromContainer(array, i), &range->lo, &range->hi) ||
			range->lo < next || (i == 0 && range->lo > next) || range->hi < range->lo ||
			range->hi - PGMQ_BATCH_FIRST(key) >= SPAN)
			return false;
		count += range->hi - range->lo + 1;
		next = range->hi + 1;
	}
	batch->read_ct = (int32) read_ct;
	batch->count = (int) count;
	return pgmq_batch_has_times(batch);
}

/* Whether a batch has a message. */
bool
pgmq_batch_has(const Batch *batch, int64 id)
{
	for (int i = 0; i < batch->nranges; i++)
		if (batch->ranges[i].lo <= id && id <= batch->ranges[i].hi)
			return true;
	return false;
}

int64
pgmq_batch_last(const Batch *batch)
{
	return batch->ranges[batch->nranges - 1].hi;
}
