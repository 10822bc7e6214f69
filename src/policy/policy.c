/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  A queue's policy: reading it, and keeping it in the backend.
 *
 * A policy is a jsonb object in pgmq.policy, with the keys of policy_keys.c.
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

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "storage/lmgr.h"
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

/* When the policies of more queues are kept all are forgotten: 2 MB. */
#define KEPT_MAX		10000

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
 * Whether the policy of a stream has reads of all its subscriptions return nothing
 * at now.
 */
bool
pgmq_policy_pauses_stream(Oid relid, TimestampTz now)
{
	PgmqQueue	queue = {.relid = relid};
	const char *name;

	LockRelationOid(relid, AccessShareLock);
	name = get_rel_name(relid);
	if (name == NULL)
		return false;
	strlcpy(queue.relname, name, NAMEDATALEN);
	return pgmq_policy_pauses(pgmq_policy(&queue), now);
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

/* Until when the last read was limited; DT_NOBEGIN if it was not. */
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
	pgmq_role_check_triggers(table, TRIGGER_TYPE_EVENT_MASK, false);
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
	text	   *key;			/* the name of the last one in lower case */
} PolicyRows;

/* Whether of two rows of a queue the first is that of PGMQ_POLICY_ROWS. */
static bool
row_is_first(const PgmqPolicyRow *a, const PgmqPolicyRow *b)
{
	int			a_len = pg_mbstrlen(JsonbToCString(NULL, &a->policy->root, VARSIZE(a->policy)));
	int			b_len = pg_mbstrlen(JsonbToCString(NULL, &b->policy->root, VARSIZE(b->policy)));

	return a_len != b_len ? a_len > b_len :
		strcmp(text_to_cstring(a->queue_name), text_to_cstring(b->queue_name)) > 0;
}

/* Row function: a row of the table, after those of names that sort before. */
static void
row_rows(TupleTableSlot *slot, void *state)
{
	PolicyRows *result = state;
	MemoryContext old = MemoryContextSwitchTo(result->context);
	PgmqPolicyRow *row = palloc0(sizeof(PgmqPolicyRow));
	text	   *key;

	slot_getallattrs(slot);
	row->queue_name = DatumGetTextPCopy(slot->tts_values[0]);
	row->policy = (Jsonb *) PG_DETOAST_DATUM_COPY(slot->tts_values[1]);
	row->paused_until = slot->tts_isnull[2] ? DT_NOBEGIN :
		DatumGetTimestampTz(slot->tts_values[2]);
	row->has_owner = result->has_owner;
	if (!slot->tts_isnull[3])
		row->owner = DatumGetTextPCopy(slot->tts_values[3]);
	key = DatumGetTextPP(slot->tts_values[4]);
	if (result->key == NULL || VARSIZE_ANY_EXHDR(key) != VARSIZE_ANY_EXHDR(result->key) ||
		memcmp(VARDATA_ANY(key), VARDATA_ANY(result->key), VARSIZE_ANY_EXHDR(key)) != 0)
		result->rows = lappend(result->rows, row);
	else if (row_is_first(row, llast(result->rows)))
		llast(result->rows) = row;
	result->key = DatumGetTextPCopy(slot->tts_values[4]);
	MemoryContextSwitchTo(old);
}

/*
 * The rows of all queues with a policy, as a list of PgmqPolicyRow *, one for each
 * queue: that of PGMQ_POLICY_ROWS.  It is picked here, since the order of that would
 * have the server write each policy as text.
 */
List *
pgmq_policy_rows(void)
{
	Oid			table = pgmq_policy_table(true);
	PolicyRows	result = {.context = CurrentMemoryContext};
	PgmqRole	saved;

	if (!OidIsValid(table))
		return NIL;
	result.has_owner = get_attnum(table, "dead_letter_owner") != InvalidAttrNumber;
	saved = pgmq_role_become_owner(table);
	pgmq_exec_once(psprintf("SELECT queue_name::pg_catalog.text, policy::pg_catalog.jsonb,"
							" paused_until::pg_catalog.timestamptz, %s::pg_catalog.text,"
							" pg_catalog.lower(queue_name::pg_catalog.text) COLLATE pg_catalog.\"C\""
							" FROM " PGMQ_SCHEMA ".policy"
							" WHERE queue_name IS NOT NULL AND policy IS NOT NULL ORDER BY 5",
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
		"ttl", "ttl_header", "archive_retention", "dedup_window",
		"retention", "retention_age", "retention_count", "retention_bytes"
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
