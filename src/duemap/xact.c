/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  What this transaction did to queues, and telling the due maps at its end.
 *
 * Every queue table has a trigger of ours, AFTER INSERT OR UPDATE FOR EACH
 * ROW, enabled ALWAYS.  It remembers id and vt of each row as stored, whether
 * the row came from our functions, plain SQL, COPY, logical replication, or
 * straight into a partition.  Writers always remember; whether any read uses a
 * map does not matter to them.
 *
 * An update that makes a message readable later, not sooner, need not be
 * remembered: whatever snapshot a reader advances a block by, it sees one vt
 * or the other, and the due time is a lower bound of both.  So a read's own
 * lease costs no more than the call of the trigger.
 *
 * The trigger fires at the end of a statement, by name after or before users'
 * own triggers.  A read in such a trigger, or in the very statement that
 * inserts, may use a map that does not know of the row yet, and miss it.
 *
 * The remembered rows are announced after the commit, when other transactions
 * can see them.  A transaction that has an xid also defers its advances to
 * the commit, since it may still roll back what it saw itself.  They are
 * discarded when a subtransaction is rolled back, which may have held a lease
 * that they count on, and by PREPARE TRANSACTION.
 *
 * Some changes make nothing due, but waiting readers must look again: removed
 * messages, which may have been the heads of groups.  The verbs that remove
 * messages remember that; plain SQL does not.
 *
 * The callbacks at commit must not fail: all that they use was allocated
 * before, and they only take LWLocks and change shared memory.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/xact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"

PG_FUNCTION_INFO_V1(pgmq_announce);

/* Touched ids no farther apart than this become one range. */
#define TOUCH_GAP		(1 << PGMQ_BLOCK_BITS)

/* Ranges that a transaction remembers of a queue before it merges them. */
#define MAX_TOUCHES		8

/* A range of ids in which the transaction made something readable. */
typedef struct Touch
{
	int64		lo;
	int64		hi;
	TimestampTz due;			/* the least in the range */
} Touch;

/* An advance that is deferred to the commit. */
typedef struct Advance
{
	uint64		marks;			/* of the cached queue, when it was deferred */
	PgmqMapRef	map;
	PgmqRange	range;
	int64		upto;
	TimestampTz least;			/* of mins */
	int			nmins;
	PgmqMin    *mins;
} Advance;

/*
 * The memory that this transaction has of a queue; in TopTransactionContext.
 */
typedef struct PgmqXactQueue
{
	PgmqLocal  *local;
	int			ntouches;
	Touch		touches[MAX_TOUCHES];
	int			wake;			/* PgmqWake: which other waiters to wake */
	bool		gone;			/* dropped, if the transaction commits */
	int			nadvances;
	int			max_advances;
	Advance    *advances;		/* by id */
	slist_node	node;
} PgmqXactQueue;

static slist_head xact_queues = SLIST_STATIC_INIT(xact_queues);

/*
 * Queues whose waiters are all woken once the commit has sent its
 * invalidations, for what they are woken for is something that is cached.
 * That is later than the transaction callback, when resources are released.
 * In TopMemoryContext.
 */
static Oid *wakes = NULL;
static int	nwakes = 0;
static int	max_wakes = 0;
static bool wake_database = false;	/* the waiters of all queues */
static bool wakes_are_due = false;	/* the transaction has committed */

/* ----------------------------------------------------------------
 *		Remembering
 * ----------------------------------------------------------------
 */

static void
touch_extend(Touch *touch, int64 lo, int64 hi, TimestampTz due)
{
	touch->lo = Min(touch->lo, lo);
	touch->hi = Max(touch->hi, hi);
	touch->due = Min(touch->due, due);
}

/* Whether an id lies in a range or near it. */
static bool
touch_is_near(const Touch *touch, int64 id)
{
	if (id < touch->lo)
		return (uint64) touch->lo - (uint64) id <= TOUCH_GAP;
	return id <= touch->hi || (uint64) id - (uint64) touch->hi <= TOUCH_GAP;
}

/* What this transaction remembers of a queue. */
static PgmqXactQueue *
xact_queue(PgmqLocal *local)
{
	if (local->xact == NULL)
	{
		PgmqXactQueue *queue = MemoryContextAllocZero(TopTransactionContext,
													  sizeof(PgmqXactQueue));

		queue->local = local;
		slist_push_head(&xact_queues, &queue->node);
		local->xact = queue;
	}
	return local->xact;
}

/* Remember that this transaction made a message readable from due on. */
static void
touch_add(PgmqLocal *local, int64 id, TimestampTz due)
{
	PgmqXactQueue *queue = xact_queue(local);
	Touch	   *touches = queue->touches;

	for (int i = queue->ntouches; --i >= 0;)
	{
		if (touch_is_near(&touches[i], id))
		{
			touch_extend(&touches[i], id, id, due);
			return;
		}
	}
	if (queue->ntouches == MAX_TOUCHES)
	{
		/* one range for them all */
		for (int i = 1; i < MAX_TOUCHES; i++)
			touch_extend(&touches[0], touches[i].lo, touches[i].hi, touches[i].due);
		touch_extend(&touches[0], id, id, due);
		queue->ntouches = 1;
		return;
	}
	touches[queue->ntouches++] = (Touch)
	{
		id, id, due
	};
}

/*
 * Remember that the commit of this transaction is to wake some waiters of a
 * queue, which is open, though it makes nothing due.  Errors: out of memory.
 */
void
pgmq_xact_wake(Oid relid, PgmqWake whom)
{
	PgmqXactQueue *queue;

	if (!pgmq_shmem_attach())
		return;
	queue = xact_queue(pgmq_local_known(relid));
	if ((whom & PGMQ_WAKE_ALL) && nwakes == max_wakes)
	{
		int			max = Max(8, max_wakes * 2);

		wakes = wakes == NULL ? MemoryContextAlloc(TopMemoryContext, max * sizeof(Oid)) :
			repalloc(wakes, max * sizeof(Oid));
		max_wakes = max;
	}
	if ((whom & PGMQ_WAKE_ALL) && !(queue->wake & PGMQ_WAKE_ALL))
		wakes[nwakes++] = relid;
	queue->wake |= whom;
}

/* The same for all waiters of all queues of this database. */
void
pgmq_xact_wake_database(void)
{
	wake_database = pgmq_shmem_attach();
}

/*
 * Remember that this transaction drops a queue, which is locked: its commit
 * returns what the map takes.  Errors: out of memory.
 */
void
pgmq_xact_drop(Oid relid)
{
	if (pgmq_shmem_attach())
		xact_queue(pgmq_local_known(relid))->gone = true;
}

/* _announce() returns trigger: remembers a row inserted or made visible */
Datum
pgmq_announce(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const PgmqLocalTable *table;
	TupleTableSlot *slot;
	int64		id;
	TimestampTz vt;
	bool		isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an AFTER trigger for each row",
						PGMQ_ANNOUNCE_FUNCTION)));
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
		trigger->tg_relation->rd_rel->relispartition)
	{
		table = pgmq_local_table(trigger->tg_relation, fcinfo->flinfo->fn_oid);
		id = DatumGetInt64(slot_getattr(trigger->tg_trigslot, table->msg_id, &isnull));
		if (table->is_queue)
			pgmq_twice_check(trigger->tg_relation, table->queue, id,
							 &trigger->tg_trigslot->tts_tid);
	}
	/* without shared memory nothing needs to be announced */
	if (!pgmq_shmem_attach())
		return PointerGetDatum(NULL);
	table = pgmq_local_table(trigger->tg_relation, fcinfo->flinfo->fn_oid);
	if (table->is_queue)
		pgmq_stats_row(table->queue, trigger);
	slot = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : trigger->tg_trigslot;
	id = DatumGetInt64(slot_getattr(slot, table->msg_id, &isnull));
	vt = DatumGetTimestampTz(slot_getattr(slot, table->vt, &isnull));

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		slot = trigger->tg_trigslot;
		if (DatumGetInt64(slot_getattr(slot, table->msg_id, &isnull)) == id &&
			DatumGetTimestampTz(slot_getattr(slot, table->vt, &isnull)) <= vt)
			return PointerGetDatum(NULL);
	}
	touch_add(pgmq_local_announced(table), id, vt);
	return PointerGetDatum(NULL);
}

/*
 * The map that reads of this transaction may use for a queue; its map is NULL
 * if there is none, or the transaction itself made something readable there.
 */
PgmqMapRef
pgmq_xact_map(const PgmqLocal *local)
{
	if (local->identity == 0 || (local->xact != NULL && local->xact->ntouches > 0))
		return (PgmqMapRef)
	{
		NULL, 0, 0
	};
	return local->map;
}

/* ----------------------------------------------------------------
 *		Advancing
 * ----------------------------------------------------------------
 */

/*
 * Whether it is worth while to advance what begins with an id: not what this
 * transaction will advance at its commit anyway.
 */
bool
pgmq_xact_may_advance(const PgmqLocal *local, int64 lo)
{
	const PgmqXactQueue *queue = local->xact;

	return queue == NULL || queue->nadvances == 0 ||
		lo > queue->advances[queue->nadvances - 1].upto;
}

/*
 * Leave out of n ranges, which are due by now, what this transaction has
 * deferred an advance of: it has seen that nothing is readable there, which
 * holds until something is announced there or the least of what is left is
 * due.  How many ranges remain.
 */
int
pgmq_xact_leave_out(const PgmqLocal *local, TimestampTz now, PgmqRange *ranges, int n)
{
	const PgmqXactQueue *queue = local->xact;
	int			at = 0;
	int			kept = 0;

	if (queue == NULL || queue->nadvances == 0)
		return n;
	for (int i = 0; i < n; i++)
	{
		PgmqRange	range = ranges[i];

		for (; at < queue->nadvances && queue->advances[at].range.lo <= range.lo; at++)
		{
			const Advance *advance = &queue->advances[at];

			/* it may cover the beginning of the range only */
			if (advance->upto >= range.lo && advance->range.version == range.version &&
				advance->marks == local->marks && advance->least > now)
			{
				if (advance->upto >= range.hi)
					break;
				range.lo = advance->upto + 1;
			}
		}
		if (at == queue->nadvances || queue->advances[at].range.lo > range.lo)
			ranges[kept++] = range;
	}
	return kept;
}

/*
 * Advance a range of a map as pgmq_map_advance does: now, or at the commit if
 * the transaction has an xid.  mins is copied.  Errors: out of memory.
 */
void
pgmq_xact_advance(PgmqLocal *local, PgmqMapRef map, const PgmqRange *range, int64 upto,
				  const PgmqMin *mins, int nmins)
{
	PgmqXactQueue *queue;
	Advance    *advance;
	Size		size = nmins * sizeof(PgmqMin);

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
	{
		pgmq_map_advance(map, range, upto, mins, nmins);
		return;
	}
	queue = xact_queue(local);
	if (queue->advances == NULL)
	{
		queue->advances = MemoryContextAlloc(TopTransactionContext, 8 * sizeof(Advance));
		queue->max_advances = 8;
	}
	else if (queue->nadvances == queue->max_advances)
	{
		queue->advances = repalloc_huge(queue->advances,
										queue->max_advances * 2 * sizeof(Advance));
		queue->max_advances *= 2;
	}
	advance = &queue->advances[queue->nadvances];
	advance->marks = local->marks;
	advance->map = map;
	advance->range = *range;
	advance->upto = upto;
	advance->least = PGMQ_DUE_NEVER;
	for (int i = 0; i < nmins; i++)
		advance->least = Min(advance->least, mins[i].due);
	advance->nmins = nmins;
	advance->mins = nmins == 0 ? NULL : MemoryContextAllocHuge(TopTransactionContext, size);
	if (nmins > 0)
		memcpy(advance->mins, mins, size);
	queue->nadvances++;
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/*
 * Advance what was deferred.  Where that is only a part of a range, the version
 * of the rest changes, and an advance of the rest is refused.
 */
static void
queue_advance(const PgmqXactQueue *queue)
{
	for (int i = queue->nadvances; --i >= 0;)
	{
		const Advance *advance = &queue->advances[i];

		/* not after DDL of our own, which the identity may not show */
		if (advance->marks == queue->local->marks)
			pgmq_map_advance(advance->map, &advance->range, advance->upto,
							 advance->mins, advance->nmins);
	}
}

/* Announce what was remembered, and wake waiters for it. */
static void
queue_announce(const PgmqXactQueue *queue)
{
	const PgmqLocal *local = queue->local;
	TimestampTz due = PGMQ_DUE_NEVER;

	for (int i = 0; i < queue->ntouches; i++)
	{
		pgmq_map_announce(local->map, local->relid, queue->touches[i].lo,
						  queue->touches[i].hi, queue->touches[i].due);
		due = Min(due, queue->touches[i].due);
	}
	if (queue->ntouches > 0)
		pgmq_waiter_wake(local->relid, PGMQ_WAKE_ONE, due);
	if (queue->wake & PGMQ_WAKE_GROUPED)
		pgmq_waiter_wake(local->relid, PGMQ_WAKE_GROUPED, PGMQ_DUE_NOW);
	if (queue->gone)
		pgmq_directory_drop(local->relid);
}

/*
 * This transaction is prepared.  Where a queue that it wrote to has no map, the
 * next one that is made finds our locks.  A queue without identity is noted
 * too, for it may have one again before we end: we do not lock all of its
 * partitions.  Waiters are woken to see it.
 */
static void
queue_prepare(const PgmqXactQueue *queue)
{
	const PgmqLocal *local = queue->local;

	if (queue->ntouches == 0 && (queue->wake & PGMQ_WAKE_ALL) == 0)
		return;
	pgmq_map_prepare(local->map, local->relid, GetTopTransactionIdIfAny());
	pgmq_waiter_wake(local->relid, PGMQ_WAKE_ALL, PGMQ_DUE_NOW);
}

/* Forget deferred advances: what they count on may have been undone. */
static void
advances_forget(void)
{
	slist_iter	iter;

	slist_foreach(iter, &xact_queues)
		slist_container(PgmqXactQueue, node, iter.cur)->nadvances = 0;
}

/* The memory goes with the transaction. */
static void
xact_forget(void)
{
	while (!slist_is_empty(&xact_queues))
		slist_container(PgmqXactQueue, node, slist_pop_head_node(&xact_queues))->local->xact = NULL;
}

/* Transaction callback: must not raise an error. */
void
pgmq_xact_end(XactEvent event, void *arg)
{
	slist_iter	iter;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	pgmq_map_leave();
	pgmq_shmem_retry();
	slist_foreach(iter, &xact_queues)
	{
		PgmqXactQueue *queue = slist_container(PgmqXactQueue, node, iter.cur);

		if (event == XACT_EVENT_COMMIT)
		{
			queue_advance(queue);
			queue_announce(queue);
		}
		else if (event == XACT_EVENT_PREPARE)
			queue_prepare(queue);
	}
	xact_forget();
	if (event == XACT_EVENT_COMMIT)
		wakes_are_due = true;
	else
	{
		nwakes = 0;
		wake_database = false;
	}
	if (event == XACT_EVENT_ABORT)
		pgmq_waiter_end(0);
	pgmq_waiter_reopen();
	pgmq_local_sweep();
}

/* Resource release callback: must not raise an error. */
void
pgmq_xact_release(ResourceReleasePhase phase, bool is_commit, bool is_top, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top || !wakes_are_due)
		return;
	wakes_are_due = false;
	if (wake_database)
		pgmq_waiter_wake_database();
	wake_database = false;
	while (nwakes > 0)
		pgmq_waiter_wake(wakes[--nwakes], PGMQ_WAKE_ALL, PGMQ_DUE_NOW);
}

/*
 * Subtransaction callback: must not raise an error.  Only advances are
 * forgotten.  Other notes of the subtransaction stay, which does no harm: a
 * needless announcement wastes a look, and a queue that is not dropped after
 * all gets a new map.
 */
void
pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	pgmq_map_leave();
	pgmq_shmem_retry();
	advances_forget();
	pgmq_waiter_subabort(subid);
	pgmq_waiter_reopen();
}
