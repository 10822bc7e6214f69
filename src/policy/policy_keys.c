/*-------------------------------------------------------------------------
 *
 * policy_keys.c
 *	  The keys of a policy, and what their values may be.
 *
 * A policy is a jsonb object.  policy.c reads it and keeps it as the struct that
 * is made here.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/policy_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/common.h"
#include "policy/policy.h"

/* The kinds of values of a key, and how the struct holds them. */
typedef enum KeyKind
{
	KEY_INTEGER,				/* int32 */
	KEY_LONG,					/* int64 */
	KEY_NUMBER,					/* double */
	KEY_BOOLEAN,				/* bool */
	KEY_WORD,					/* int, from 1 on: which of its words */
	KEY_QUEUE,					/* char[NAMEDATALEN]: the table's name */
	KEY_HEADER					/* char[NAMEDATALEN] */
} KeyKind;

#define MAX_WORDS		3

/* How much of a bad value an error shows, in bytes. */
#define SHOWN_MAX		64

typedef struct PolicyKey
{
	const char *name;
	KeyKind		kind;
	size_t		offset;
	double		min;
	double		max;
	const char *words[MAX_WORDS];
} PolicyKey;

#define FIELD(field)	offsetof(PgmqPolicy, field)
#define INTEGER(field, max)		{#field, KEY_INTEGER, FIELD(field), 1, max, {NULL}}
#define NUMBER(field, min, max) {#field, KEY_NUMBER, FIELD(field), min, max, {NULL}}
#define BOOLEAN(field)			{#field, KEY_BOOLEAN, FIELD(field), 0, 0, {NULL}}
#define WORD(field, ...)		{#field, KEY_WORD, FIELD(field), 0, 0, {__VA_ARGS__}}
#define YEARS(n)				((n) * 365.0 * 24 * 60 * 60)

/* Times are in seconds. */
static const PolicyKey policy_keys[] = {
	INTEGER(max_reads, 2147483646),
	{"dead_letter_queue", KEY_QUEUE, FIELD(dead_letter), 0, 0, {NULL}},
	WORD(backoff, "fixed", "linear", "exponential"),
	NUMBER(backoff_base, 0, YEARS(1)),
	NUMBER(backoff_factor, 1, 100),
	NUMBER(backoff_cap, 0, YEARS(10)),
	BOOLEAN(backoff_jitter),
	INTEGER(dedup_window, YEARS(1)),
	INTEGER(ttl, YEARS(60)),
	BOOLEAN(ttl_header),
	WORD(expired, "drop", "dead_letter"),
	INTEGER(archive_retention, YEARS(60)),
	BOOLEAN(strict_fifo),
	BOOLEAN(priorities),
	WORD(retention, "limits", "consumed"),
	NUMBER(retention_age, 1, YEARS(60)),
	NUMBER(retention_count, 1, 1e15),
	NUMBER(retention_bytes, 1, 1e15),
	INTEGER(max_length, 2147483646),
	{"max_bytes", KEY_LONG, FIELD(max_bytes), 1, 1e15, {NULL}},
	WORD(overflow, "error", "drop_oldest"),
	INTEGER(max_in_flight, 2147483646),
	NUMBER(rate, 0.001, 1000000),
	INTEGER(burst, 1000000),
	{"limit_by", KEY_HEADER, FIELD(limit_by), 0, 0, {NULL}},
	INTEGER(max_in_flight_each, 2147483646),
	NUMBER(rate_each, 0.001, 1000000),
	INTEGER(burst_each, 1000000),
	BOOLEAN(fair),
};

/* Raise the error about a bad value of a key. */
pg_noreturn static void
value_error(const PolicyKey *key, JsonbValue *value)
{
	StringInfoData must;
	Jsonb	   *doc = JsonbValueToJsonb(value);
	char	   *shown = JsonbToCString(NULL, &doc->root, VARSIZE(doc));
	int			len = strlen(shown);

	if (len > SHOWN_MAX)
		shown = psprintf("%.*s...", pg_mbcliplen(shown, len, SHOWN_MAX), shown);
	initStringInfo(&must);
	switch (key->kind)
	{
		case KEY_INTEGER:
		case KEY_LONG:
			appendStringInfo(&must, "an integer from %.0f to %.0f", key->min, key->max);
			break;
		case KEY_NUMBER:
			appendStringInfo(&must, "a number from %.15g to %.15g", key->min, key->max);
			break;
		case KEY_BOOLEAN:
			appendStringInfoString(&must, "true or false");
			break;
		case KEY_WORD:
			for (int i = 0; i < MAX_WORDS && key->words[i] != NULL; i++)
				appendStringInfo(&must, i == 0 ? "\"%s\"" : ", \"%s\"", key->words[i]);
			break;
		case KEY_QUEUE:
			appendStringInfoString(&must, "the name of a queue");
			break;
		case KEY_HEADER:
			appendStringInfo(&must, "the name of a header of 1 to %d bytes", NAMEDATALEN - 1);
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for policy key \"%s\": %s", key->name, shown),
			 errdetail("The value must be %s, or null for none.", must.data)));
}

/* A number as the nearest double, which may be infinite. */
static double
value_number(const PolicyKey *key, JsonbValue *value)
{
	double		number;

	if (value->type != jbvNumeric)
		value_error(key, value);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	if (!(number >= key->min && number <= key->max))
		value_error(key, value);
	return number;
}

/* Put a key's value, which is not null, into a policy. */
static void
policy_put(PgmqPolicy *policy, const PolicyKey *key, JsonbValue *value)
{
	void	   *field = (char *) policy + key->offset;
	double		number;
	int			word;

	switch (key->kind)
	{
		case KEY_INTEGER:
		case KEY_LONG:
			number = value_number(key, value);
			if (number != rint(number))
				value_error(key, value);
			if (key->kind == KEY_LONG)
				*(int64 *) field = (int64) number;
			else
				*(int32 *) field = (int32) number;
			break;
		case KEY_NUMBER:
			*(double *) field = value_number(key, value);
			break;
		case KEY_BOOLEAN:
			if (value->type != jbvBool)
				value_error(key, value);
			*(bool *) field = value->val.boolean;
			break;
		case KEY_WORD:
			if (value->type != jbvString)
				value_error(key, value);
			for (word = 0; word < MAX_WORDS && key->words[word] != NULL; word++)
				if (value->val.string.len == strlen(key->words[word]) &&
					memcmp(value->val.string.val, key->words[word],
						   value->val.string.len) == 0)
					break;
			if (word == MAX_WORDS || key->words[word] == NULL)
				value_error(key, value);
			*(int *) field = word + 1;
			break;
		case KEY_QUEUE:
			if (value->type != jbvString ||
				!pgmq_name_is_valid(cstring_to_text_with_len(value->val.string.val,
															 value->val.string.len),
									(char *) field))
				value_error(key, value);
			break;
		case KEY_HEADER:
			if (value->type != jbvString ||
				value->val.string.len < 1 || value->val.string.len >= NAMEDATALEN)
				value_error(key, value);
			memcpy(field, value->val.string.val, value->val.string.len);
			break;
	}
}

static const PolicyKey *
key_find(const JsonbValue *name)
{
	for (int i = 0; i < lengthof(policy_keys); i++)
		if (name->val.string.len == strlen(policy_keys[i].name) &&
			memcmp(name->val.string.val, policy_keys[i].name,
				   name->val.string.len) == 0)
			return &policy_keys[i];
	return NULL;
}

/* The names of all keys that set_policy takes, for a hint. */
static char *
key_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(policy_keys); i++)
		appendStringInfo(&names, "%s, ", policy_keys[i].name);
	appendStringInfoString(&names, PGMQ_POLICY_CREATE_KEY);
	return names.data;
}

/*
 * Read a policy.  A key that is null counts as absent.
 * Errors, all 22023: it is not an object, a key is unknown, a value is bad.
 */
void
pgmq_policy_parse(Jsonb *doc, PgmqPolicy *policy)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	name;
	JsonbValue	value;

	*policy = (PgmqPolicy)
	{
		.backoff_base = 1,.backoff_factor = 2,.backoff_cap = 3600,
			.backoff_jitter = true,.paused_until = DT_NOBEGIN
	};

	if (!JB_ROOT_IS_OBJECT(doc))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("policy must be a JSON object")));

	it = JsonbIteratorInit(&doc->root);
	(void) JsonbIteratorNext(&it, &name, true);
	while ((token = JsonbIteratorNext(&it, &name, true)) == WJB_KEY)
	{
		const PolicyKey *key = key_find(&name);

		(void) JsonbIteratorNext(&it, &value, true);
		if (key == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown policy key \"%s\"",
							pnstrdup(name.val.string.val, name.val.string.len)),
					 errhint("The keys are: %s.", key_names())));
		if (value.type != jbvNull)
			policy_put(policy, key, &value);
	}
	Assert(token == WJB_END_OBJECT);
}

/*
 * Refuse a policy (NULL: none) that a queue of a kind cannot have.  The row
 * of a reference has only some of the headers, and the messages that are counted,
 * sent, kept or in order are those of another table.  Error: 0A000.
 */
void
pgmq_policy_check_kind(const PgmqQueue *queue, PgmqStreamKind kind, const PgmqPolicy *policy)
{
	const char *key = policy == NULL || kind == PGMQ_STREAM_LOG ? NULL :
	policy->retention_age > 0 ? "retention_age" :
	policy->retention_count > 0 ? "retention_count" :
	policy->retention_bytes > 0 ? "retention_bytes" :
	policy->retention > 0 ? "retention" :
	kind == PGMQ_STREAM_NONE ? NULL :
	policy->dedup_window > 0 ? "dedup_window" :
	policy->strict_fifo ? "strict_fifo" : NULL;

	if (key != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 kind == PGMQ_STREAM_NONE ?
				 errmsg("queue \"%s\" cannot have policy key \"%s\"", PGMQ_QUEUE_BASE(queue), key) :
				 errmsg("subscription \"%s\" cannot have policy key \"%s\"", PGMQ_QUEUE_BASE(queue), key),
				 kind == PGMQ_STREAM_NONE ? errdetail("It is not a stream.") :
				 errdetail("Messages are sent to its stream, and kept there."),
				 kind == PGMQ_STREAM_NONE ? 0 : errhint("Set the key in the policy of the stream.")));
	key = policy == NULL || kind == PGMQ_STREAM_NONE ? NULL :
		policy->priorities ? "priorities" :
		policy->max_length > 0 ? "max_length" :
		policy->max_bytes > 0 ? "max_bytes" :
		policy->max_in_flight > 0 ? "max_in_flight" :
		policy->rate > 0 ? "rate" :
		policy->limit_by[0] != '\0' ? "limit_by" : NULL;

	if (key != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("streams and subscriptions cannot have policy key \"%s\"", key),
				 errdetail("It is in the policy of queue \"%s\".", PGMQ_QUEUE_BASE(queue))));
}
