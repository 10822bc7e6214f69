/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  References that are inserted leased, for a read that wants many messages.
 *
 * Feeding inserts references that everybody can read, and the read that has fed
 * them then takes them by an update.  A read that wants many gets exactly these
 * many: their references are inserted with its lease, and the bodies are returned
 * at once.  A pop needs no references.  Messages whose time has not come get
 * references as ever.
 *
 * The update would do more where the table of references has triggers, rules or
 * row-level security, and where the caller has rights to some columns only, and
 * feeding leaves out what another unique index refuses, so all of that is left to
 * them.
 *
 * Another reader may have passed over the blocks that we have locked, and there
 * may be more in them than we take, so one is woken when the locks are gone.
 *
 * The bodies are read with the rights of the caller, and the references inserted
 * with those of the subscription's owner.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/lease.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* For fewer messages it costs more to look at the blocks each time. */
#define LEASE_MIN		16

/* New messages, and what their references need. */
typedef struct Leased
{
	PgmqFeed   *feed;
	TimestampTz now;
	Datum		until;
	TupleTableSlot *slot;		/* a row of the result */
	PgmqStats  *stats;
	Datum	   *ids;			/* of the references to insert */
	Datum	   *enqueued;
	Datum	   *vts;
	Datum	   *headers;
	bool	   *no_headers;
	int			n;
} Leased;

/* Whether a table of references has other unique indexes than that of the ids. */
static bool
may_conflict(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	bool		result = false;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		result |= (index->indisunique || index->indisexclusion) && !index->indisprimary;
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return result;
}

/*
 * Let a feeding lease what it gives out to a read that wants so many messages, if that
 * is all that the read's own statement would do.
 */
void
pgmq_lease_begin(PgmqFeed *feed, PgmqLease *lease, int64 wanted)
{
	Oid			relid = feed->queue->relid;
	Oid			stream = feed->stream->stream;
	Oid			user = GetUserId();
	AclMode		changes = lease != NULL && lease->pops ? ACL_DELETE : ACL_UPDATE;
	Relation	rel;

	if (lease == NULL || wanted < LEASE_MIN || PGMQ_STREAM_FILTERS(feed->stream) ||
		check_enable_rls(stream, InvalidOid, true) == RLS_ENABLED ||
		pg_class_aclcheck(relid, user, ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(relid, user, changes) != ACLCHECK_OK ||
		pg_class_aclcheck(stream, user, ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(stream, pgmq_role_owner(relid), ACL_SELECT) != ACLCHECK_OK)
		return;
	rel = relation_open(relid, NoLock);
	if (rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relhassubclass &&
		!rel->rd_rel->relrowsecurity && rel->rd_rules == NULL && !may_conflict(rel) &&
		pgmq_role_find_trigger(rel, lease->pops ? TRIGGER_TYPE_DELETE : TRIGGER_TYPE_UPDATE,
							   true) == NULL)
		feed->lease = lease;
	relation_close(rel, NoLock);
}

/* Of the headers of a message what its reference may need, in the current context. */
static Datum
reference_headers(Datum headers, bool *isnull)
{
	static const char *const keys[] = {PGMQ_HEADER_GROUP, PGMQ_HEADER_TTL};
	Jsonb	   *jsonb = DatumGetJsonbP(headers);
	JsonbParseState *state = NULL;
	Datum		result = 0;

	for (int i = 0; i < lengthof(keys) && JB_ROOT_IS_OBJECT(jsonb); i++)
	{
		JsonbValue	key = {.type = jbvString};
		JsonbValue *value;

		key.val.string.val = unconstify(char *, keys[i]);
		key.val.string.len = strlen(keys[i]);
		value = findJsonbValueFromContainer(&jsonb->root, JB_FOBJECT, &key);
		if (value == NULL)
			continue;
		if (state == NULL)
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, value);
	}
	*isnull = state == NULL;
	if (state != NULL)
		result = JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	if ((Pointer) jsonb != DatumGetPointer(headers))
		pfree(jsonb);
	return result;
}

/* Row function: return a new message, if its time has come, and note its reference. */
static void
row_lease(TupleTableSlot *slot, void *state)
{
	Leased	   *leased = state;
	PgmqFeed   *feed = leased->feed;
	PgmqLease  *lease = feed->lease;
	Datum	   *values = slot->tts_values;
	bool		due;
	MemoryContext old;

	slot_getallattrs(slot);
	pgmq_stream_row_id(slot, &feed->given);
	due = DatumGetTimestampTz(values[4]) <= leased->now;
	if (!due || !lease->pops)
	{
		old = MemoryContextSwitchTo(feed->context);
		leased->ids[leased->n] = values[0];
		leased->enqueued[leased->n] = values[2];
		leased->vts[leased->n] = values[4];
		leased->no_headers[leased->n] = slot->tts_isnull[6];
		if (!slot->tts_isnull[6])
			leased->headers[leased->n] = reference_headers(values[6], &leased->no_headers[leased->n]);
		leased->n++;
		MemoryContextSwitchTo(old);
	}
	if (!due)
		return;
	if (!lease->pops)
		pgmq_stats_delivered(leased->stats, feed->stream->read_base,
							 DatumGetTimestampTz(values[4]), false, 0, leased->now);
	ExecClearTuple(leased->slot);
	memcpy(leased->slot->tts_values, values, 7 * sizeof(Datum));
	memcpy(leased->slot->tts_isnull, slot->tts_isnull, 7 * sizeof(bool));
	if (!lease->pops)
		leased->slot->tts_values[4] = leased->until;
	ExecStoreVirtualTuple(leased->slot);
	pgmq_rows_store(leased->slot, lease->rows);
	lease->count++;
}

/* An array of values of 8 bytes. */
static PgmqArg
array_of(Datum *values, int n, Oid type)
{
	return PGMQ_ARG(PointerGetDatum(construct_array(values, n, type, 8, FLOAT8PASSBYVAL,
													TYPALIGN_DOUBLE)));
}

/* Insert the references. */
static void
insert_leased(Leased *leased, PgmqArg read_ct)
{
	PgmqFeed   *feed = leased->feed;
	int			n = leased->n;
	int			lb = 1;
	PgmqArg		args[] = {
		array_of(leased->ids, n, INT8OID),
		array_of(leased->enqueued, n, TIMESTAMPTZOID),
		array_of(leased->vts, n, TIMESTAMPTZOID),
		PGMQ_ARG(Int32GetDatum(feed->stream->read_base)),
		PGMQ_ARG(PointerGetDatum(construct_md_array(leased->headers, leased->no_headers, 1, &n, &lb,
													JSONBOID, -1, false, TYPALIGN_INT))),
		PGMQ_ARG(TimestampTzGetDatum(leased->now)),
		PGMQ_ARG(leased->until),
		read_ct
	};
	PgmqRole	saved = pgmq_role_become_owner(feed->queue->relid);

	pgmq_exec(feed->queue, PGMQ_STMT_FEED_LEASED, args);
	pgmq_role_restore(saved);
}

/*
 * Give out the first limit messages of a range of ids, but for those in except, which is
 * in order: return what can be read now, and insert the references.  Returns how
 * many there were, or -1 if some have references already, which is left to others.
 */
int64
pgmq_lease_range(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept, int64 limit)
{
	PgmqLease  *lease = feed->lease;
	int32		base = feed->stream->read_base;
	PgmqArg		args[6];
	Leased		leased = {.feed = feed};
	PgmqRole	saved;
	int64		id;
	uint64		found;

	feed->given.n = 0;
	while (nexcept > 0 && *except == lo)
	{
		except++;
		nexcept--;
		lo++;
	}
	args[0] = PGMQ_ARG(Int64GetDatum(lo));
	args[1] = PGMQ_ARG(Int64GetDatum(hi));
	args[2] = PGMQ_ARG(Int64GetDatum(1));
	saved = pgmq_role_become_owner(feed->queue->relid);
	found = pgmq_exec_int8(feed->queue, PGMQ_STMT_LEFT, args, &id);
	pgmq_role_restore(saved);
	if (found)
		return -1;

	limit = Min(limit, hi - lo + 1);
	if (limit <= 0)
		return 0;
	pgmq_xact_wake(feed->queue->relid, PGMQ_WAKE_UNLOCKED);
	leased.now = GetCurrentTimestamp();
	leased.until = lease->pops ? TimestampTzGetDatum(leased.now) :
		pgmq_after(leased.now, lease->vt).value;
	leased.slot = MakeSingleTupleTableSlot(pgmq_rows_desc(lease->rows), &TTSOpsVirtual);
	leased.stats = pgmq_stats_pending(feed->queue->relid);
	leased.ids = palloc(limit * sizeof(Datum));
	leased.enqueued = palloc(limit * sizeof(Datum));
	leased.vts = palloc(limit * sizeof(Datum));
	leased.headers = palloc0(limit * sizeof(Datum));
	leased.no_headers = palloc(limit * sizeof(bool));
	args[2] = pgmq_int8_array(except, nexcept);
	args[3] = PGMQ_ARG(Int64GetDatum(limit));
	args[4] = PGMQ_ARG(Int32GetDatum(lease->pops ? base : Min(base, PG_INT32_MAX - 1) + 1));
	args[5] = lease->pops ? PGMQ_ARG_NULL : PGMQ_ARG(TimestampTzGetDatum(leased.now));
	pgmq_rows_watch(lease->rows, NULL, NULL);
	pgmq_exec_record(feed->queue, PGMQ_STMT_FEED_BODIES, args, lease->rows, row_lease, &leased);
	ExecDropSingleTupleTableSlot(leased.slot);
	if (lease->pops)
		leased.stats->counts[PGMQ_STAT_SENT] += feed->given.n - leased.n;
	if (leased.n > 0)
		insert_leased(&leased, args[4]);
	return feed->given.n;
}
