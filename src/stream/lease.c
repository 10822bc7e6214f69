/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  References that are inserted leased, for a read that wants many messages.
 *
 * Feeding inserts references that everybody can read, and the read that has fed
 * them then takes them by an update.  A read that wants many gets exactly these
 * many: their references are inserted with its lease, and the bodies are returned
 * at once.  A pop needs no references, and where nothing but the lease is to be
 * known of the messages a batch stands for all of them (batch.c).  Messages whose
 * time has not come get references as ever.
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
#include "miscadmin.h"
#include "utils/acl.h"
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
#define LEASE_MIN		8

/* New messages, and those of them that need references: what is due, and what is not. */
typedef struct Leased
{
	PgmqFeed   *feed;
	TimestampTz now;
	TimestampTz until;
	TupleTableSlot *slot;		/* a row of the result */
	PgmqStats  *stats;
	int64	   *due;
	TimestampTz *enqueued;		/* when these were sent */
	int			ndue;
	int64	   *later;
	int			nlater;
	bool		whole;			/* a batch can stand for those due */
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
	{
		feed->lease = lease;
		lease->whole &= pgmq_role_find_trigger(rel, TRIGGER_TYPE_DELETE, true) == NULL &&
			pgmq_role_find_reference(rel) == NULL &&
			!HAS_CHECKS(rel) && RelationGetFKeyList(rel) == NIL;
	}
	relation_close(rel, NoLock);
}

/* Row function: return a new message, if its time has come, and note its reference. */
static void
row_lease(TupleTableSlot *slot, void *state)
{
	Leased	   *leased = state;
	PgmqFeed   *feed = leased->feed;
	PgmqLease  *lease = feed->lease;
	Datum	   *values = slot->tts_values;

	slot_getallattrs(slot);
	pgmq_stream_row_id(slot, &feed->given);
	if (DatumGetTimestampTz(values[4]) > leased->now)
	{
		leased->later[leased->nlater++] = DatumGetInt64(values[0]);
		return;
	}
	if (!lease->pops)
	{
		leased->whole &= !slot->tts_isnull[2];
		leased->enqueued[leased->ndue] = leased->whole ? DatumGetTimestampTz(values[2]) : 0;
		leased->due[leased->ndue] = DatumGetInt64(values[0]);
		pgmq_stats_delivered(leased->stats, feed->stream->read_base,
							 DatumGetTimestampTz(values[4]), false, 0, leased->now);
	}
	leased->ndue++;
	ExecClearTuple(leased->slot);
	memcpy(leased->slot->tts_values, values, 7 * sizeof(Datum));
	memcpy(leased->slot->tts_isnull, slot->tts_isnull, 7 * sizeof(bool));
	if (!lease->pops)
		leased->slot->tts_values[4] = TimestampTzGetDatum(leased->until);
	ExecStoreVirtualTuple(leased->slot);
	pgmq_rows_store(leased->slot, lease->rows);
	lease->count++;
}

/* Insert the references. */
static void
insert_leased(Leased *leased, int32 read_ct)
{
	PgmqFeed   *feed = leased->feed;
	PgmqArg		due[] = {
		pgmq_int8_array(leased->due, leased->ndue),
		PGMQ_ARG(Int32GetDatum(read_ct)),
		PGMQ_ARG(TimestampTzGetDatum(leased->until)),
		PGMQ_ARG(TimestampTzGetDatum(leased->now))
	};
	PgmqArg		later[] = {
		pgmq_int8_array(leased->later, leased->nlater), PGMQ_ARG_NULL, PGMQ_ARG_NULL,
		PGMQ_ARG(Int32GetDatum(feed->stream->read_base))
	};
	PgmqRole	saved;

	if (leased->whole && leased->ndue > 1 &&
		pgmq_batch_put(feed->queue, leased->due, leased->enqueued, leased->ndue, read_ct,
					   leased->now, leased->until))
		leased->ndue = 0;
	saved = pgmq_role_become_owner(feed->queue->relid);
	if (leased->ndue > 0)
		pgmq_exec(feed->queue, PGMQ_STMT_FEED_SPLIT, due);
	if (leased->nlater > 0)
		pgmq_exec(feed->queue, PGMQ_STMT_FEED_IDS, later);
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
	int32		read_ct = lease->pops ? base : Min(base, PG_INT32_MAX - 1) + 1;
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
	leased.until = lease->pops ? leased.now :
		DatumGetTimestampTz(pgmq_after(leased.now, lease->vt).value);
	leased.slot = MakeSingleTupleTableSlot(pgmq_rows_desc(lease->rows), &TTSOpsVirtual);
	leased.stats = pgmq_stats_pending(feed->queue->relid);
	leased.due = palloc(limit * sizeof(int64));
	leased.enqueued = palloc(limit * sizeof(TimestampTz));
	leased.later = palloc(limit * sizeof(int64));
	leased.whole = lease->whole;
	args[2] = pgmq_int8_array(except, nexcept);
	args[3] = PGMQ_ARG(Int64GetDatum(limit));
	args[4] = PGMQ_ARG(Int32GetDatum(read_ct));
	args[5] = lease->pops ? PGMQ_ARG_NULL : PGMQ_ARG(TimestampTzGetDatum(leased.now));
	pgmq_rows_watch(lease->rows, NULL, NULL);
	pgmq_exec_record(feed->queue, PGMQ_STMT_FEED_BODIES, args, lease->rows, row_lease, &leased);
	ExecDropSingleTupleTableSlot(leased.slot);
	if (lease->pops)
	{
		leased.stats->counts[PGMQ_STAT_SENT] += leased.ndue;
		leased.ndue = 0;
	}
	insert_leased(&leased, read_ct);
	return feed->given.n;
}
