/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  A queue's policy: reading it, and keeping it in the backend.
 *
 * A policy is a jsonb object in pgmq.policy, keys as in policy_keys below.
 * set_policy.c writes it; sends and reads ask here, and get a struct.
 *
 * The struct is kept per backend and queue table.  Above all a backend
 * remembers that a queue has none, so that such a queue pays for a look into
 * a hash table.  A change of a policy sends a relcache invalidation of the
 * queue table with it, and a backend that has the table's lock has received
 * it.
 *
 * Callers get a copy: an invalidation may come at any time, and removes the
 * struct.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/policy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
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

/* When the policies of more queues are kept all are forgotten: 2 MB. */
#define KEPT_MAX		10000

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

/* An entry of the cache. */
typedef struct PolicyEntry
{
	Oid			relid;			/* hash key: the queue table */
	bool		exists;			/* else the queue has no policy */
	TimestampTz limited_until;	/* see pgmq_policy_limited_until */
	PgmqPolicy	policy;
} PolicyEntry;

/* A row of pgmq.policy. */
typedef struct PolicyRow
{
	MemoryContext context;
	Jsonb	   *policy;
	TimestampTz paused_until;
	char		dead_letter_owner[NAMEDATALEN];
} PolicyRow;

static HTAB *policy_hash = NULL;
static uint64 policy_invals = 0;	/* how many invalidations came */

/* ----------------------------------------------------------------
 *		A policy's values
 * ----------------------------------------------------------------
 */

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

/* ----------------------------------------------------------------
 *		The table, and what is kept of it
 * ----------------------------------------------------------------
 */

/*
 * The OID of the table of policies.  If it does not exist: InvalidOid when
 * missing_ok is true, otherwise error 42P01.
 */
Oid
pgmq_policy_table(bool missing_ok)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, true);
	Oid			table = OidIsValid(schema) ? get_relname_relid("policy", schema) : InvalidOid;

	if (!OidIsValid(table) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"" PGMQ_SCHEMA ".policy\" does not exist")));
	return table;
}

/* Row function: (policy jsonb, paused_until timestamptz, dead_letter_owner text). */
static void
row_policy(TupleTableSlot *slot, void *state)
{
	PolicyRow  *row = state;
	MemoryContext old = MemoryContextSwitchTo(row->context);

	slot_getallattrs(slot);
	row->policy = (Jsonb *) PG_DETOAST_DATUM_COPY(slot->tts_values[0]);
	row->paused_until = slot->tts_isnull[1] ? DT_NOBEGIN :
		DatumGetTimestampTz(slot->tts_values[1]);
	if (!slot->tts_isnull[2])
		text_to_cstring_buffer(DatumGetTextPP(slot->tts_values[2]), row->dead_letter_owner,
							   NAMEDATALEN);
	MemoryContextSwitchTo(old);
}

/*
 * Fetch a queue's policy from the table, as it is now whatever the isolation
 * level, since what is kept outlives the transaction.  It is fetched with the
 * rights of the table's owner, since any role that may use the queue may have it.
 * False when there is none.
 */
static bool
policy_load(const PgmqQueue *queue, PgmqPolicy *policy)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	PolicyRow	row = {.context = CurrentMemoryContext};
	Oid			table = pgmq_policy_table(true);
	PgmqRole	saved;
	bool		has_owner;

	if (!OidIsValid(table))
		return false;
	has_owner = get_attnum(table, "dead_letter_owner") != InvalidAttrNumber;
	saved = pgmq_role_become_owner(table);
	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once(psprintf("SELECT policy::pg_catalog.jsonb, paused_until::pg_catalog.timestamptz,"
							" %s::pg_catalog.text" PGMQ_POLICY_ROWS " LIMIT 1",
							has_owner ? "dead_letter_owner" : "NULL"),
				   1, argtypes, args, true, row_policy, &row);
	PopActiveSnapshot();
	pgmq_role_restore(saved);

	if (row.policy == NULL)
		return false;
	pgmq_policy_parse(row.policy, policy);
	policy->paused_until = row.paused_until;
	if (row.dead_letter_owner[0] != '\0')
		policy->dead_letter_owner = get_role_oid(row.dead_letter_owner, true);
	policy->dead_letter_any = !has_owner;
	return true;
}

/*
 * The entry of a queue in a hash table of what this backend remembers of
 * queues, by the OIDs of their tables; *found says whether it was there.  The
 * table is made when there is none.  When it has max entries all are forgotten.
 */
void *
pgmq_policy_remember(HTAB **hash, const char *name, Size entrysize, long max,
					 Oid relid, bool *found)
{
	if (*hash != NULL && hash_get_num_entries(*hash) >= max)
	{
		hash_destroy(*hash);
		*hash = NULL;
	}
	if (*hash == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = entrysize};

		ctl.hcxt = CacheMemoryContext;
		*hash = hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	return hash_search(*hash, &relid, HASH_ENTER, found);
}

/* How many invalidations came: what was seen at the same number is still so. */
uint64
pgmq_policy_invals(void)
{
	return policy_invals;
}

/* The entry that is kept of a queue, or NULL. */
static PolicyEntry *
kept_find(Oid relid)
{
	return policy_hash == NULL ? NULL : hash_search(policy_hash, &relid, HASH_FIND, NULL);
}

/*
 * The policy of an open queue, palloc'd in the current context; NULL when it has
 * none, which costs one look-up in a hash table.  Call it once, when the queue has
 * been opened: its lock guarantees that what is kept is up to date.
 * Error: 22023 when the row in the table is no policy.
 */
const PgmqPolicy *
pgmq_policy(const PgmqQueue *queue)
{
	PolicyEntry *entry;
	PolicyEntry loaded = {.relid = queue->relid};
	PgmqPolicy *result;

	entry = kept_find(queue->relid);
	if (entry == NULL)
	{
		uint64		invals = policy_invals;

		loaded.limited_until = DT_NOBEGIN;
		loaded.exists = policy_load(queue, &loaded.policy);
		entry = &loaded;

		/*
		 * It is not kept if it may have been changed meanwhile, or if the
		 * table is away: its return tells nothing about the queue.
		 */
		if (invals == policy_invals && OidIsValid(pgmq_policy_table(true)))
			*(PolicyEntry *) pgmq_policy_remember(&policy_hash, "pgmq_c policies", sizeof(PolicyEntry),
												  KEPT_MAX, queue->relid, NULL) = loaded;
	}
	if (!entry->exists)
		return NULL;
	result = palloc(sizeof(PgmqPolicy));
	*result = entry->policy;
	return result;
}

/* Whether a policy (NULL: there is none) has reads return nothing at now. */
bool
pgmq_policy_pauses(const PgmqPolicy *policy, TimestampTz now)
{
	return policy != NULL && policy->paused_until > now;
}

/*
 * Until when reads of a queue that this backend has just looked into return
 * nothing.  By what is kept only, since there may be no lock and no snapshot;
 * where nothing is kept the queue counts as not paused.
 */
TimestampTz
pgmq_policy_paused_until(Oid relid)
{
	PolicyEntry *entry = kept_find(relid);

	return entry != NULL && entry->exists ? entry->policy.paused_until : DT_NOBEGIN;
}

/* Keep until when limits have reads of a queue return nothing. */
void
pgmq_policy_limit(Oid relid, TimestampTz until)
{
	PolicyEntry *entry = kept_find(relid);

	if (entry != NULL)
		entry->limited_until = until;
}

/* What was kept: DT_NOBEGIN if the last read was not limited. */
TimestampTz
pgmq_policy_limited_until(Oid relid)
{
	PolicyEntry *entry = kept_find(relid);

	return entry != NULL ? entry->limited_until : DT_NOBEGIN;
}

/*
 * Whether foreign keys of other owners refer to the table of policies.  Locks it.
 */
bool
pgmq_policy_is_referenced(void)
{
	Relation	rel = relation_open(pgmq_policy_table(false), RowExclusiveLock);
	bool		referenced = pgmq_role_find_reference(rel) != NULL;

	relation_close(rel, NoLock);
	return referenced;
}

/*
 * Forget a queue's policy; whether it had one.  Where foreign keys of other
 * owners refer to the table the row stays, emptied: deleting it would run
 * triggers of their tables, or fail.  Errors: 55000 when there are triggers,
 * 40001 when the transaction's snapshot is too old to see it.
 */
bool
pgmq_policy_forget(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	PgmqPolicy	policy;
	Oid			table = pgmq_policy_table(true);
	bool		referenced;
	PgmqRole	saved;
	uint64		count;

	if (!OidIsValid(table))
		return false;
	referenced = pgmq_policy_is_referenced();
	pgmq_role_check_triggers(table, TRIGGER_TYPE_EVENT_MASK, NULL);
	saved = pgmq_role_become_owner(table);
	count = pgmq_exec_once(referenced ?
						   "UPDATE " PGMQ_SCHEMA ".policy SET policy = '{}', paused_until = NULL"
						   " WHERE " PGMQ_META_IS :
						   "DELETE FROM " PGMQ_SCHEMA ".policy WHERE " PGMQ_META_IS,
						   1, argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
	if (count == 0 && IsolationUsesXactSnapshot() && policy_load(queue, &policy))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	return count > 0;
}

/*
 * The names of the queues whose rows in pgmq.policy fulfil a condition, an SQL
 * expression over their columns and $1, as a list of texts, in order.
 */
static List *
names_where(const char *condition, PgmqArg arg)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqTexts	names = {CurrentMemoryContext, NIL};
	Oid			table = pgmq_policy_table(true);
	PgmqRole	saved;

	if (!OidIsValid(table))
		return NIL;
	saved = pgmq_role_become_owner(table);
	pgmq_exec_once(psprintf("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".policy"
							" WHERE queue_name IS NOT NULL AND %s ORDER BY 1", condition),
				   1, argtypes, &arg, false, pgmq_row_texts, &names);
	pgmq_role_restore(saved);
	return names.list;
}

/* The names of all queues with a policy, as a list of texts, in order. */
List *
pgmq_policy_names(void)
{
	return names_where("policy IS NOT NULL", PGMQ_ARG_NULL);
}

/* The rows that row_rows has added. */
typedef struct PolicyRows
{
	MemoryContext context;
	bool		has_owner;
	List	   *rows;			/* of PgmqPolicyRow * */
} PolicyRows;

/* Row function: a row of the table. */
static void
row_rows(TupleTableSlot *slot, void *state)
{
	PolicyRows *result = state;
	MemoryContext old = MemoryContextSwitchTo(result->context);
	PgmqPolicyRow *row = palloc0(sizeof(PgmqPolicyRow));

	slot_getallattrs(slot);
	row->queue_name = DatumGetTextPCopy(slot->tts_values[0]);
	row->policy = (Jsonb *) PG_DETOAST_DATUM_COPY(slot->tts_values[1]);
	row->paused_until = slot->tts_isnull[2] ? DT_NOBEGIN :
		DatumGetTimestampTz(slot->tts_values[2]);
	row->has_owner = result->has_owner;
	if (!slot->tts_isnull[3])
		row->owner = DatumGetTextPCopy(slot->tts_values[3]);
	result->rows = lappend(result->rows, row);
	MemoryContextSwitchTo(old);
}

/*
 * The rows of all queues with a policy, as a list of PgmqPolicyRow *, one for each
 * queue: that of PGMQ_POLICY_ROWS.
 */
List *
pgmq_policy_rows(void)
{
	Oid			table = pgmq_policy_table(true);
	PolicyRows	result = {CurrentMemoryContext, false, NIL};
	PgmqRole	saved;

	if (!OidIsValid(table))
		return NIL;
	result.has_owner = get_attnum(table, "dead_letter_owner") != InvalidAttrNumber;
	saved = pgmq_role_become_owner(table);
	pgmq_exec_once(psprintf("SELECT DISTINCT ON (pg_catalog.lower(queue_name::pg_catalog.text))"
							" queue_name::pg_catalog.text, policy::pg_catalog.jsonb,"
							" paused_until::pg_catalog.timestamptz, %s::pg_catalog.text"
							" FROM " PGMQ_SCHEMA ".policy"
							" WHERE queue_name IS NOT NULL AND policy IS NOT NULL"
							" ORDER BY pg_catalog.lower(queue_name::pg_catalog.text),"
							" pg_catalog.length(policy::pg_catalog.text) DESC,"
							" queue_name::pg_catalog.text COLLATE pg_catalog.\"C\" DESC",
							result.has_owner ? "dead_letter_owner" : "NULL"),
				   0, NULL, NULL, true, row_rows, &result);
	pgmq_role_restore(saved);
	return result.rows;
}

/*
 * The value of a key of a policy that was not checked, palloc'd; NULL if it is
 * not there.
 */
JsonbValue *
pgmq_policy_value(Jsonb *policy, const char *key)
{
	if (!JB_ROOT_IS_OBJECT(policy))
		return NULL;
	return getKeyJsonValueFromContainer(&policy->root, key, strlen(key), NULL);
}

/*
 * Whether a policy that was not checked needs maintenance.  Messages that were
 * read too often can wait for the next read.
 */
bool
pgmq_policy_is_maintained(Jsonb *policy)
{
	static const char *const keys[] = {
		"ttl", "ttl_header", "archive_retention", "dedup_window"
	};

	for (int i = 0; i < lengthof(keys); i++)
		if (pgmq_policy_value(policy, keys[i]) != NULL)
			return true;
	return false;
}

/* The names of the queues whose policies name a queue for their dead letters. */
List *
pgmq_policy_names_dead(const PgmqQueue *queue)
{
	return names_where("pg_catalog.lower('q_'::pg_catalog.text OPERATOR(pg_catalog.||)"
					   " (policy::pg_catalog.jsonb OPERATOR(pg_catalog.->>)"
					   " 'dead_letter_queue'::pg_catalog.text)) OPERATOR(pg_catalog.=) $1",
					   PGMQ_ARG(CStringGetTextDatum(queue->relname)));
}

/* Relcache callback: forget.  relid 0 means every relation. */
void
pgmq_policy_inval(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	PolicyEntry *entry;

	policy_invals++;
	if (policy_hash == NULL)
		return;
	if (OidIsValid(relid))
	{
		hash_search(policy_hash, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&scan, policy_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
		hash_search(policy_hash, &entry->relid, HASH_REMOVE, NULL);
}
