/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  What this transaction has to count.
 *
 * The counts of a transaction are pending until it commits.  Each
 * subtransaction has pending counters of its own, which become the parent's
 * when it commits.  PREPARE TRANSACTION forgets everything: the session that
 * commits what was prepared knows nothing of it.
 *
 * Sends and deliveries are counted by our trigger on the queue's table, which
 * sees rows as they are stored, whatever statement writes them.  A delivery is
 * an update that raises read_ct by one.  The trigger alone sees the row before
 * that too: when it became readable, and whether its lease ran out.  A read
 * that returns a row says so; one that leases a message only to dispose of it
 * says that it is not delivered.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stats/counters.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "stats/stats.h"

/* When the cache has more queues, all are removed from it. */
#define LOCAL_MAX		10000

const double pgmq_time_bounds[PGMQ_TIME_BOUNDS] = {
	0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200
};

/* A queue, as this backend knows it. */
typedef struct LocalQueue
{
	Oid			relid;			/* hash key */
	int			slot;			/* where it was the last time, or -1 */
	struct Pending *pending;	/* of the innermost subtransaction */
} LocalQueue;

/*
 * The counts of a queue that a subtransaction, or the transaction, has; in
 * TopTransactionContext.
 */
typedef struct Pending
{
	LocalQueue *queue;
	struct Pending *upper;		/* of an outer level, of the same queue */
	struct Pending *next;		/* of all queues; levels never rise along it */
	int			level;			/* of nested transactions */
	bool		gone;			/* the queue is dropped */
	PgmqStats	stats;
} Pending;

static HTAB *locals = NULL;
static LocalQueue *last_local = NULL;	/* of the last call */
static Pending *pendings = NULL;

/*
 * Messages that the running statements lease and that are not delivered; those of
 * one queue in the order in which the trigger will see them.  A user's trigger
 * may run a statement within another.  In TopTransactionContext.
 */
typedef struct Undelivered
{
	Oid			relid;			/* InvalidOid: the trigger has seen it */
	int			level;			/* of nested transactions */
	int64		msg_id;
} Undelivered;

static Undelivered *undelivered = NULL;
static int	nundelivered = 0;
static int	max_undelivered = 0;
static int	undelivered_seen = 0;	/* so many, from the first */

/* ----------------------------------------------------------------
 *		Counting
 * ----------------------------------------------------------------
 */

static LocalQueue *
local_find(Oid relid)
{
	LocalQueue *local;
	bool		found;

	if (locals == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(Oid),.entrysize = sizeof(LocalQueue),.hcxt = CacheMemoryContext
		};

		locals = hash_create("pgmq_c statistics", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	local = hash_search(locals, &relid, HASH_ENTER, &found);
	if (!found)
	{
		local->slot = -1;
		local->pending = NULL;
	}
	return local;
}

/* The pending counts of a queue of this level of nested transactions. */
static Pending *
pending_find(Oid relid, int level)
{
	Pending    *pending;

	if (last_local == NULL || last_local->relid != relid)
		last_local = local_find(relid);
	pending = last_local->pending;
	if (pending == NULL || pending->level < level)
	{
		pending = MemoryContextAllocZero(TopTransactionContext, sizeof(Pending));
		pending->queue = last_local;
		pending->upper = last_local->pending;
		pending->level = level;
		pending->next = pendings;
		pendings = pending;
		last_local->pending = pending;
	}
	return pending;
}

/*
 * Where to count what this subtransaction does with a queue; good until it ends.
 * Never NULL: without shared memory it leads nowhere.
 */
PgmqStats *
pgmq_stats_pending(Oid relid)
{
	static PgmqStats nowhere;

	if (!pgmq_shmem_attach())
		return &nowhere;
	return &pending_find(relid, GetCurrentTransactionNestLevel())->stats;
}

void
pgmq_stats_count(Oid relid, PgmqStat stat, int64 n)
{
	if (n > 0)
		pgmq_stats_pending(relid)->counts[stat] += n;
}

/* Count something now, though the transaction is to be rolled back. */
void
pgmq_stats_count_now(Oid relid, PgmqStat stat)
{
	PgmqStats	stats = {.counts = {0}};
	int			slot = -1;

	if (!pgmq_shmem_attach())
		return;
	stats.counts[stat] = 1;
	pgmq_slot_add(&slot, relid, &stats, GetCurrentTimestamp());
}

/* Count a read, and whether it returned a message. */
void
pgmq_stats_read(Oid relid, bool found)
{
	PgmqStats  *stats = pgmq_stats_pending(relid);

	stats->counts[PGMQ_STAT_READS]++;
	if (!found)
		stats->counts[PGMQ_STAT_EMPTY_READS]++;
}

/* Add a time to a histogram.  Clocks step: what would be negative counts as 0. */
void
pgmq_stats_time(PgmqStats *stats, PgmqTime time, TimestampTz from, TimestampTz to)
{
	double		seconds;
	int			bucket = 0;

	if (TIMESTAMP_NOT_FINITE(from) || TIMESTAMP_NOT_FINITE(to))
		return;
	/* as integers they could overflow */
	seconds = Max(((double) to - (double) from) / USECS_PER_SEC, 0);
	while (bucket < PGMQ_TIME_BOUNDS && seconds > pgmq_time_bounds[bucket])
		bucket++;
	stats->times[time]++;
	stats->buckets[time][bucket]++;
	stats->seconds[time] += seconds;
}

/*
 * Count the delivery, at now, of a message that had these values before.
 *
 * After a seek the read_ct of a subscription's messages begins above 0, but what was
 * not read since has no last_read_at.
 *
 * A lease lasts whole seconds, from last_read_at to vt, also after extend.
 * Whatever else sets vt takes the clock's time, so that vt is whole seconds away
 * from last_read_at only once in a million times.
 */
void
pgmq_stats_delivered(PgmqStats *stats, int32 reads, TimestampTz vt,
					 bool was_read, TimestampTz last_read, TimestampTz now)
{
	stats->counts[PGMQ_STAT_DELIVERED]++;
	if (reads <= 0 || !was_read)
		pgmq_stats_time(stats, PGMQ_TIME_WAIT, vt, now);
	else
	{
		stats->counts[PGMQ_STAT_REDELIVERED]++;
		if (vt > last_read && (vt - last_read) % USECS_PER_SEC == 0)
			stats->counts[PGMQ_STAT_EXPIRED_LEASES]++;
	}
}

/* Of a lease that was counted as delivered, after one that ended at vt: it was none. */
void
pgmq_stats_not_delivered(PgmqStats *stats, TimestampTz vt, TimestampTz last_read)
{
	stats->counts[PGMQ_STAT_DELIVERED]--;
	stats->counts[PGMQ_STAT_REDELIVERED]--;
	if (vt > last_read && (vt - last_read) % USECS_PER_SEC == 0)
		stats->counts[PGMQ_STAT_EXPIRED_LEASES]--;
}

/* The columns of a table that deliveries are told by; 0: it has no such column. */
typedef struct RowColumns
{
	Oid			type;			/* of the table's rows */
	AttrNumber	msg_id;
	AttrNumber	read_ct;
	AttrNumber	enqueued_at;
	AttrNumber	last_read_at;
	AttrNumber	vt;
} RowColumns;

static AttrNumber
column_find(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0)
			return i + 1;
	return InvalidAttrNumber;
}

/* The columns of a row's table. */
static const RowColumns *
row_columns(TupleDesc desc)
{
	static RowColumns columns = {InvalidOid};

	if (columns.type != desc->tdtypeid)
	{
		columns.type = desc->tdtypeid;
		columns.msg_id = column_find(desc, "msg_id");
		columns.read_ct = column_find(desc, "read_ct");
		columns.enqueued_at = column_find(desc, "enqueued_at");
		columns.last_read_at = column_find(desc, "last_read_at");
		columns.vt = column_find(desc, "vt");
	}
	return &columns;
}

/*
 * The value of a row's column; false if it is NULL, or not of this type, as it
 * may be by now.
 */
static inline bool
row_value(TupleTableSlot *slot, AttrNumber column, Oid type, Datum *value)
{
	bool		isnull = true;

	if (column > 0 && column <= slot->tts_tupleDescriptor->natts &&
		TupleDescAttr(slot->tts_tupleDescriptor, column - 1)->atttypid == type)
		*value = slot_getattr(slot, column, &isnull);
	return !isnull;
}

/* Whether a message that was leased is the next of a queue's that is not delivered. */
static bool
undelivered_take(Oid relid, int64 msg_id)
{
	int			i = undelivered_seen;

	while (i < nundelivered && undelivered[i].relid != relid)
		i++;
	if (i == nundelivered || undelivered[i].msg_id != msg_id)
		return false;
	undelivered[i].relid = InvalidOid;
	while (undelivered_seen < nundelivered && !OidIsValid(undelivered[undelivered_seen].relid))
		undelivered_seen++;
	return true;
}

/* Count what our trigger on a queue's table fires for, a row inserted or updated. */
void
pgmq_stats_row(Oid relid, const TriggerData *trigger)
{
	TupleTableSlot *old = trigger->tg_trigslot;
	TupleTableSlot *new = trigger->tg_newslot;
	const RowColumns *columns;
	Datum		id;
	Datum		value;
	Datum		vt;
	Datum		now;
	int32		reads;
	bool		was_read;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		pgmq_stats_pending(relid)->counts[PGMQ_STAT_SENT]++;
		return;
	}
	columns = row_columns(RelationGetDescr(trigger->tg_relation));
	reads = row_value(old, columns->read_ct, INT4OID, &value) ? DatumGetInt32(value) : 0;
	if (!row_value(new, columns->read_ct, INT4OID, &value) ||
		(int64) DatumGetInt32(value) != (int64) reads + 1 ||
		!row_value(new, columns->last_read_at, TIMESTAMPTZOID, &now) ||
		!row_value(old, columns->vt, TIMESTAMPTZOID, &vt) ||
		!row_value(old, columns->msg_id, INT8OID, &id))
		return;
	if (undelivered_take(relid, DatumGetInt64(id)))
		return;
	was_read = row_value(old, columns->last_read_at, TIMESTAMPTZOID, &value);
	pgmq_stats_delivered(pgmq_stats_pending(relid), reads, DatumGetTimestampTz(vt),
						 was_read, was_read ? DatumGetTimestampTz(value) : 0,
						 DatumGetTimestampTz(now));
}

/* The times in a row that has columns of a queue's table. */
void
pgmq_stats_times_row(TupleTableSlot *row, PgmqTimes *times)
{
	const RowColumns *columns = row_columns(row->tts_tupleDescriptor);
	Datum		value;

	times->enqueued = row_value(row, columns->enqueued_at, TIMESTAMPTZOID, &value) ?
		DatumGetTimestampTz(value) : DT_NOBEGIN;
	times->last_read = row_value(row, columns->last_read_at, TIMESTAMPTZOID, &value) ?
		DatumGetTimestampTz(value) : DT_NOBEGIN;
}

/* A message with these times was acknowledged now. */
void
pgmq_stats_acked(PgmqStats *stats, const PgmqTimes *times, TimestampTz now)
{
	pgmq_stats_time(stats, PGMQ_TIME_AGE, times->enqueued, now);
	pgmq_stats_time(stats, PGMQ_TIME_PROCESSING, times->last_read, now);
}

/* A message that a statement has just leased is not delivered. */
void
pgmq_stats_undelivered(Oid relid, int64 msg_id)
{
	Undelivered *added;

	if (nundelivered == max_undelivered)
	{
		int			max = Max(64, max_undelivered * 2);

		undelivered = undelivered == NULL ?
			MemoryContextAlloc(TopTransactionContext, max * sizeof(Undelivered)) :
			repalloc_huge(undelivered, max * sizeof(Undelivered));
		max_undelivered = max;
	}
	added = &undelivered[nundelivered++];
	added->relid = relid;
	added->level = GetCurrentTransactionNestLevel();
	added->msg_id = msg_id;
}

/*
 * Forget messages of a queue, or of all, that were leased in nested transactions
 * of this level or below.
 */
static void
undelivered_forget(Oid relid, int level)
{
	int			n = 0;

	for (int i = undelivered_seen; i < nundelivered; i++)
		if (OidIsValid(undelivered[i].relid) &&
			((OidIsValid(relid) && undelivered[i].relid != relid) || undelivered[i].level < level))
			undelivered[n++] = undelivered[i];
	nundelivered = n;
	undelivered_seen = 0;
}

/* No statement that leases messages of a queue is running in this subtransaction. */
void
pgmq_stats_undelivered_none(Oid relid)
{
	undelivered_forget(relid, GetCurrentTransactionNestLevel());
}

/* Remember that this transaction drops a table, if it is a queue's that counts. */
void
pgmq_stats_drop(Oid relid)
{
	if (pgmq_shmem_attach() && pgmq_slot_exists(relid))
		pending_find(relid, GetCurrentTransactionNestLevel())->gone = true;
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/* Add counters to others.  For callbacks. */
void
pgmq_stats_sum(PgmqStats *stats, const PgmqStats *more)
{
	for (int i = 0; i < PGMQ_NUM_STATS; i++)
		if (more->counts[i] != 0)
			stats->counts[i] += more->counts[i];
	for (int t = 0; t < PGMQ_NUM_TIMES; t++)
	{
		if (more->times[t] == 0)
			continue;
		stats->times[t] += more->times[t];
		stats->seconds[t] += more->seconds[t];
		for (int i = 0; i <= PGMQ_TIME_BOUNDS; i++)
			if (more->buckets[t][i] != 0)
				stats->buckets[t][i] += more->buckets[t][i];
	}
}

/* Take the first of what is pending off its lists. */
static Pending *
pending_pop(void)
{
	Pending    *pending = pendings;

	pendings = pending->next;
	pending->queue->pending = pending->upper;
	return pending;
}

/* Transaction callback: must not raise an error. */
void
pgmq_stats_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT)
		return;
	/* the memory goes with the transaction */
	while (pendings != NULL)
	{
		Pending    *pending = pending_pop();

		if (event == XACT_EVENT_COMMIT && pending->gone)
			pgmq_slot_free(pending->queue->relid);
		else if (event == XACT_EVENT_COMMIT)
			pgmq_slot_add(&pending->queue->slot, pending->queue->relid, &pending->stats,
						  GetCurrentTransactionStopTimestamp());
	}
	undelivered = NULL;
	nundelivered = max_undelivered = undelivered_seen = 0;
	if (locals != NULL && hash_get_num_entries(locals) > LOCAL_MAX)
	{
		hash_destroy(locals);
		locals = NULL;
		last_local = NULL;
	}
}

/* Subtransaction callback: must not raise an error. */
void
pgmq_stats_subxact(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	Pending    *pending;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		undelivered_forget(InvalidOid, level);
		while (pendings != NULL && pendings->level >= level)
			pfree(pending_pop());
	}
	if (event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (Pending **link = &pendings; (pending = *link) != NULL && pending->level >= level;)
	{
		Pending    *upper = pending->upper;

		pending->level = level - 1;
		if (upper == NULL || upper->level < level - 1)
			link = &pending->next;
		else
		{
			pgmq_stats_sum(&upper->stats, &pending->stats);
			upper->gone = upper->gone || pending->gone;
			pending->queue->pending = upper;
			*link = pending->next;
			pfree(pending);
		}
	}
}
