/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  The headers of a message that matter to a send.
 *
 * Where a queue's policy reads a header it is checked; where it does not, a
 * sender that counts on it is told once.  Headers that are no JSON object hold
 * nothing to read.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/headers.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"

/* How much of a bad value an error shows, in bytes. */
#define SHOWN_MAX		64

/* The longest time to live: 60 years, in seconds. */
#define TTL_MAX			(60 * 365.0 * 24 * 60 * 60)

/* When there were warnings about more queues all are forgotten. */
#define WARNED_MAX		1000

/* A queue that this session was warned of. */
typedef struct Warned
{
	Oid			relid;			/* hash key: the queue table */
	bool		ttl;
	bool		dedup_id;
	bool		priority;
} Warned;

static HTAB *warned_hash = NULL;

/* A header's value for an error, or the beginning of it. */
static char *
value_shown(JsonbValue *value)
{
	JsonbValue	shown = *value;
	Jsonb	   *doc;
	char	   *str;
	int			len;

	if (value->type == jbvBinary)
		return pstrdup(JsonContainerIsArray(value->val.binary.data) ?
					   "an array" : "an object");
	/* before it is written out, which can make it six times longer */
	if (value->type == jbvString)
		shown.val.string.len = pg_mbcliplen(value->val.string.val,
											value->val.string.len, SHOWN_MAX);
	doc = JsonbValueToJsonb(&shown);
	str = JsonbToCString(NULL, &doc->root, VARSIZE(doc));
	len = strlen(str);
	if (len <= SHOWN_MAX && (value->type != jbvString ||
							 shown.val.string.len == value->val.string.len))
		return str;
	return psprintf("%.*s...", pg_mbcliplen(str, len, SHOWN_MAX), str);
}

pg_noreturn static void
value_error(const char *name, JsonbValue *value, const char *must)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for header \"%s\": %s", name, value_shown(value)),
			 errdetail("The queue's policy reads this header, which must be %s.", must)));
}

/* Check a message's own time to live, if it has one. */
void
pgmq_header_check_ttl(Jsonb *headers)
{
	JsonbValue	value;

	if (!pgmq_header_find(headers, PGMQ_HEADER_TTL, &value))
		return;
	if (value.type == jbvNumeric)
	{
		double		seconds = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																 NumericGetDatum(value.val.numeric)));

		if (seconds > 0 && seconds <= TTL_MAX)
			return;
	}
	value_error(PGMQ_HEADER_TTL, &value,
				psprintf("a number of seconds greater than 0 and at most %.0f", TTL_MAX));
}

/* Check a message's priority, if it has one. */
void
pgmq_header_check_priority(Jsonb *headers)
{
	JsonbValue	value;

	if (!pgmq_header_find(headers, PGMQ_HEADER_PRIORITY, &value))
		return;
	if (value.type != jbvNumeric || !pgmq_priority_is_valid(value.val.numeric))
		value_error(PGMQ_HEADER_PRIORITY, &value,
					psprintf("an integer from 0 to %d", PGMQ_PRIORITY_MAX));
}

/* A message's deduplication id; NULL when it has none. */
text *
pgmq_header_dedup_id(Jsonb *headers)
{
	JsonbValue	value;

	if (!pgmq_header_find(headers, PGMQ_HEADER_DEDUP_ID, &value))
		return NULL;
	if (value.type != jbvString ||
		value.val.string.len < 1 || value.val.string.len > PGMQ_DEDUP_ID_MAX)
		value_error(PGMQ_HEADER_DEDUP_ID, &value,
					psprintf("a string of 1 to %d bytes", PGMQ_DEDUP_ID_MAX));
	return cstring_to_text_with_len(value.val.string.val, value.val.string.len);
}

/*
 * A hash of the group that a message belongs to: of the text that
 * PGMQ_GROUP_SQL makes of the header, or of nothing for the default group.
 */
uint32
pgmq_header_group_hash(Jsonb *headers)
{
	JsonbValue	value;
	Jsonb	   *doc;
	char	   *str;

	if (!pgmq_header_find(headers, PGMQ_HEADER_GROUP, &value) || value.type == jbvNull)
	{
		str = PGMQ_DEFAULT_GROUP;
		return hash_bytes((unsigned char *) str, strlen(str));
	}
	if (value.type == jbvString)
		return hash_bytes((unsigned char *) value.val.string.val,
						  value.val.string.len);
	doc = JsonbValueToJsonb(&value);
	str = JsonbToCString(NULL, &doc->root, VARSIZE(doc));
	return hash_bytes((unsigned char *) str, strlen(str));
}

/*
 * A hash of the value of a message's header: the one that PGMQ_VALUE_SQL makes, 0
 * if there is none.
 */
int64
pgmq_header_value_hash(Jsonb *headers, const char *name)
{
	JsonbValue	value;
	Jsonb	   *doc;
	char	   *str;

	if (!pgmq_header_find(headers, name, &value) || value.type == jbvNull)
		return 0;
	if (value.type == jbvString)
		return (int64) hash_bytes_extended((unsigned char *) value.val.string.val,
										   value.val.string.len, 0);
	doc = JsonbValueToJsonb(&value);
	str = JsonbToCString(NULL, &doc->root, VARSIZE(doc));
	return (int64) hash_bytes_extended((unsigned char *) str, strlen(str), 0);
}

/* Warn, once in a session, of a header that has no effect. */
static void
warn_once(const PgmqQueue *queue, bool *warned, const char *name, const char *key)
{
	if (*warned)
		return;
	*warned = true;
	ereport(WARNING,
			(errmsg("header \"%s\" of a message to queue \"%s\" has no effect",
					name, PGMQ_QUEUE_BASE(queue)),
			 errdetail("The queue's policy does not read this header."),
			 errhint("Set policy key \"%s\" by pgmq.set_policy().", key)));
}

/*
 * Warn of headers of a message that have no effect, since the queue's policy
 * (NULL: it has none) does not read them.
 */
void
pgmq_header_warn(const PgmqQueue *queue, const PgmqPolicy *policy, Jsonb *headers)
{
	JsonbValue	value;
	bool		ttl = (policy == NULL || !policy->ttl_header) &&
	pgmq_header_find(headers, PGMQ_HEADER_TTL, &value);
	bool		dedup_id = (policy == NULL || policy->dedup_window == 0) &&
	pgmq_header_find(headers, PGMQ_HEADER_DEDUP_ID, &value);
	bool		priority = (policy == NULL || !policy->priorities) &&
	pgmq_header_find(headers, PGMQ_HEADER_PRIORITY, &value);
	Warned	   *warned;
	bool		found;

	if (!ttl && !dedup_id && !priority)
		return;
	warned = pgmq_policy_remember(&warned_hash, "pgmq_c warned queues", sizeof(Warned), WARNED_MAX,
								  queue->relid, &found);
	if (!found)
		warned->ttl = warned->dedup_id = warned->priority = false;
	if (ttl)
		warn_once(queue, &warned->ttl, PGMQ_HEADER_TTL, "ttl_header");
	if (dedup_id)
		warn_once(queue, &warned->dedup_id, PGMQ_HEADER_DEDUP_ID, "dedup_window");
	if (priority)
		warn_once(queue, &warned->priority, PGMQ_HEADER_PRIORITY, "priorities");
}
