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
 * remembered: whatever snapshot a look has, it sees one vt or the other, and
 * the due time is a lower bound of both.  So a read's own
 * lease costs no more than the call of the trigger.
 *
 * The trigger fires at the end of a statement, by name after or before users'
 * own triggers.  A read in such a trigger, or in the very statement that
 * inserts, may use a map that does not know of the row yet, and miss it.
 *
 * The remembered rows are announced after the commit, when other transactions
 * can see them: up to a number of blocks by their exact ids, more by ranges.
 *
 * The ids that the transaction's reads have claimed are remembered, too.  The
 * commit says when they can be read again.  When the transaction is rolled back,
 * or the subtransaction that claimed them, or is prepared, they are given back,
 * including those that a statement did not find: this transaction may itself
 * have deleted them.
 *
 * A trigger on the table may read from the queue while the statement of another
 * read goes on.  What becomes of that one's claims is not known before its
 * statement has ended, so until then nobody else changes them.
 *
 * A transaction that has an xid may roll back what its looks have seen.  So the
 * ids it has looked at are remembered as ranges, and become unknown when
 * anything in it is rolled back, when it is prepared, and when it was looked at
 * before DDL of its own, which the identity may not show.
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
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"

PG_FUNCTION_INFO_V1(pgmq_announce);

/* So many ranges of ids that a transaction has looked at stay apart. */
#define MAX_LOOKED		8

/*
 * The memory that this transaction has of a queue; in TopTransactionContext.
 */
typedef struct PgmqXactQueue
{
	PgmqLocal  *local;
	int			ntouches;
	PgmqTouch	touches[PGMQ_MAX_TOUCHES];
	int			wake;			/* PgmqWake: which other waiters to wake */
	bool		gone;			/* dropped, if the transaction commits */
	int			nclaims;
	int			max_claims;
	PgmqClaim  *claims;			/* in the order in which they were claimed */
	int			nsettled;		/* so many of the first ones are settled */
	TimestampTz lapse;			/* when the first lease of the others ends */
	int			nlooked;		/* where it looked with an xid */
	PgmqRange	looked[MAX_LOOKED];
	bool		looked_more;	/* the last of these has more than that */
	PgmqMapRef	looked_map;
	uint64		marks;			/* of the cached queue, when it first did */
	slist_node	node;
} PgmqXactQueue;

static slist_head xact_queues = SLIST_STATIC_INIT(xact_queues);

/*
 * Queues whose waiters are woken once the commit has sent its invalidations, for
 * what all are woken for is something that is cached, or once its locks are gone,
 * which have kept the others from messages; these may also go by an abort.
 * That is later than the transaction callback, when resources are released.
 * In TopMemoryContext.
 */
typedef struct Wake
{
	Oid			relid;
	bool		all;			/* all of its waiters, or one */
} Wake;

static Wake *wakes = NULL;
static int	nwakes = 0;
static int	max_wakes = 0;
static bool wake_database = false;	/* the waiters of all queues */
static bool wakes_are_due = false;	/* the transaction has ended */
static bool unlocks = false;	/* a subtransaction is being rolled back */

/* ----------------------------------------------------------------
 *		Remembering
 * ----------------------------------------------------------------
 */

/* The memory that this transaction has of a queue. */
static PgmqXactQueue *
xact_queue(PgmqLocal *local)
{
	if (local->xact == NULL)
	{
		PgmqXactQueue *queue = MemoryContextAllocZero(TopTransactionContext,
													  sizeof(PgmqXactQueue));

		queue->local = local;
		queue->lapse = PGMQ_DUE_NEVER;
		slist_push_head(&xact_queues, &queue->node);
		local->xact = queue;
	}
	return local->xact;
}

/*
 * Remember that the commit of this transaction is to wake some waiters of a
 * queue, which is open, though it makes nothing due.  Errors: out of memory.
 */
void
pgmq_xact_wake(Oid relid, PgmqWake whom)
{
	PgmqXactQueue *queue;
	bool		later = (whom & (PGMQ_WAKE_ALL | PGMQ_WAKE_UNLOCKED)) != 0;

	if (!pgmq_shmem_attach())
		return;
	queue = xact_queue(pgmq_local_known(relid));
	if (later && nwakes == max_wakes)
	{
		int			max = Max(8, max_wakes * 2);

		wakes = wakes == NULL ? MemoryContextAlloc(TopMemoryContext, max * sizeof(Wake)) :
			repalloc(wakes, max * sizeof(Wake));
		max_wakes = max;
	}
	if (later && !(queue->wake & whom))
	{
		wakes[nwakes].relid = relid;
		wakes[nwakes++].all = whom == PGMQ_WAKE_ALL;
	}
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

/* The key of a row of a queue with priorities. */
static int64
row_key(const PgmqLocalTable *table, TupleTableSlot *slot, int64 id)
{
	bool		isnull = true;
	Datum		headers = (Datum) 0;

	if (table->headers != InvalidAttrNumber)
		headers = slot_getattr(slot, table->headers, &isnull);
	return pgmq_priority_key(headers, isnull, id);
}

/* Whether a row has kept its key; mostly it has kept its headers. */
static bool
same_key(const PgmqLocalTable *table, TupleTableSlot *old, TupleTableSlot *new, int64 id)
{
	bool		old_isnull;
	bool		new_isnull;
	Datum		old_headers;
	Datum		new_headers;

	if (table->headers == InvalidAttrNumber)
		return true;
	old_headers = slot_getattr(old, table->headers, &old_isnull);
	new_headers = slot_getattr(new, table->headers, &new_isnull);
	if (old_isnull && new_isnull)
		return true;
	if (!old_isnull && !new_isnull && datumIsEqual(old_headers, new_headers, false, -1))
		return true;
	return pgmq_priority_key(old_headers, old_isnull, id) ==
		pgmq_priority_key(new_headers, new_isnull, id);
}

/*
 * _announce() returns trigger: remembers a row inserted or made visible.  With
 * an argument it does so by its key, for a queue with priorities.
 */
Datum
pgmq_announce(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const PgmqLocalTable *table;
	PgmqXactQueue *queue;
	TupleTableSlot *slot;
	TupleTableSlot *old = NULL;
	int64		id;
	int64		old_id = 0;
	TimestampTz vt;
	bool		isnull;
	bool		priorities;

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
	priorities = trigger->tg_trigger->tgnargs > 0;
	id = DatumGetInt64(slot_getattr(slot, table->msg_id, &isnull));
	vt = DatumGetTimestampTz(slot_getattr(slot, table->vt, &isnull));

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		old = trigger->tg_trigslot;
		old_id = DatumGetInt64(slot_getattr(old, table->msg_id, &isnull));
		if (old_id == id && (!priorities || same_key(table, old, slot, id)))
		{
			if (DatumGetTimestampTz(slot_getattr(old, table->vt, &isnull)) <= vt)
				return PointerGetDatum(NULL);
			old = NULL;
		}
	}
	queue = xact_queue(pgmq_local_announced(table));
	if (priorities)
	{
		/* where it was it may still be ready, and be given out too soon */
		if (old != NULL)
			queue->ntouches = pgmq_touch_add(queue->touches, queue->ntouches,
											 row_key(table, old, old_id), PGMQ_DUE_NOW,
											 PGMQ_DUE_NEVER);
		id = row_key(table, slot, id);
	}
	queue->ntouches = pgmq_touch_add(queue->touches, queue->ntouches, id, vt, vt);
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
 *		Claims and looks
 * ----------------------------------------------------------------
 */

/*
 * Give back what this transaction has leased itself until now: it can read that
 * again.  It is not readable for others yet, so a claim of theirs would come to
 * nothing.
 */
static void
queue_lapse(PgmqXactQueue *queue, TimestampTz now)
{
	const PgmqLocal *local = queue->local;

	queue->lapse = PGMQ_DUE_NEVER;
	for (int i = queue->nsettled; i < queue->nclaims; i++)
	{
		PgmqClaim  *claim = &queue->claims[i];

		if (!claim->ended)
			continue;
		if (claim->due <= now)
		{
			pgmq_map_settle(local->map, local->relid, claim->first, claim->held, claim->held,
							PGMQ_DUE_NEVER);
			claim->held = 0;
		}
		if (claim->held != 0)
			queue->lapse = Min(queue->lapse, claim->due);
		else if (i == queue->nsettled)
			queue->nsettled++;
	}
}

/*
 * Claim ids, or begin a look, as pgmq_map_claim does, with room for
 * claimer->max claims.  Returns the place of the first claim for
 * pgmq_xact_claims, or -1 when the map cannot be used.  Errors: out of memory.
 */
int
pgmq_xact_claim(PgmqLocal *local, PgmqMapRef map, PgmqClaimer *claimer)
{
	PgmqXactQueue *queue = xact_queue(local);
	int			at = queue->nclaims;

	/* an error must not come between the claim and our remembering it */
	if (at + claimer->max > queue->max_claims)
	{
		int			max = Max(at + claimer->max, 2 * queue->max_claims);
		Size		size = max * sizeof(PgmqClaim);

		queue->claims = queue->claims == NULL ? MemoryContextAlloc(TopTransactionContext, size) :
			repalloc_huge(queue->claims, size);
		queue->max_claims = max;
	}
	if (queue->lapse < PGMQ_DUE_NEVER)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (queue->lapse <= now)
			queue_lapse(queue, now);
	}
	claimer->claims = queue->claims + at;
	claimer->subid = GetCurrentSubTransactionId();
	if (!pgmq_map_claim(map, claimer))
		return -1;
	queue->nclaims = at + claimer->n;
	return at;
}

/* The claims of this transaction from a place on, until it claims again. */
PgmqClaim *
pgmq_xact_claims(const PgmqLocal *local, int at)
{
	return local->xact->claims + at;
}

/*
 * A statement has ended that took from ids which are not claimed yet, the claim
 * at a place: claim these of them, which it has come to.
 */
void
pgmq_xact_claim_late(const PgmqLocal *local, int at, uint64 ids)
{
	PgmqXactQueue *queue = local->xact;
	PgmqClaim  *claim = &queue->claims[at];

	claim->ids = claim->held = pgmq_map_claim_late(local->map, claim->first, ids, claim->taken);
	queue->nsettled = Min(queue->nsettled, at);
}

/*
 * A statement has ended, which took what claim->taken says.  Of the others these
 * ids are to be given out again; what it did not find is readable from due on.
 */
void
pgmq_xact_settle(const PgmqLocal *local, PgmqClaim *claim, uint64 back, TimestampTz due)
{
	uint64		missed = claim->held & ~claim->taken;

	claim->ended = true;
	local->xact->lapse = Min(local->xact->lapse, claim->due);
	if (missed == 0)
		return;
	pgmq_map_settle(local->map, local->relid, claim->first, missed, back, due);
	claim->held &= ~missed;
}

/*
 * Remember what came to nothing of the claims from a place on, which have ended,
 * no longer than needed.  A read that goes on keeps its claims as they are.
 */
void
pgmq_xact_forget_missed(const PgmqLocal *local, int at)
{
	PgmqXactQueue *queue = local->xact;
	bool		may_undo = TransactionIdIsValid(GetTopTransactionIdIfAny());
	int			n = at;

	for (int i = at; i < queue->nclaims; i++)
	{
		const PgmqClaim *claim = &queue->claims[i];
		int			same = may_undo && claim->held == 0 ? n : 0;

		/* a read may miss the same ones again and again */
		while (--same >= 0 &&
			   (queue->claims[same].first != claim->first ||
				queue->claims[same].subid != claim->subid || !queue->claims[same].ended))
			;
		if (same >= 0)
			queue->claims[same].ids |= claim->ids;
		else if (may_undo || claim->held != 0)
			queue->claims[n++] = *claim;
	}
	queue->nclaims = n;
	/* one that is not settled may have moved to the place of one that is */
	queue->nsettled = Min(queue->nsettled, at);
}

/* Remember that this transaction has looked at the ids lo to hi. */
static void
looked_add(PgmqXactQueue *queue, int64 lo, int64 hi)
{
	PgmqRange  *last = queue->nlooked == 0 ? NULL : &queue->looked[queue->nlooked - 1];

	if (last != NULL && last->hi < lo && last->hi + 1 == lo)
		last->hi = hi;
	else if (queue->nlooked < MAX_LOOKED)
	{
		last = &queue->looked[queue->nlooked++];
		last->lo = lo;
		last->hi = hi;
	}
	else
	{
		last->lo = Min(last->lo, lo);
		last->hi = Max(last->hi, hi);
		queue->looked_more = true;
	}
}

/*
 * End a look as pgmq_map_describe does, and remember it if this transaction may
 * roll back what it has seen.  Errors: out of memory.
 */
bool
pgmq_xact_describe(PgmqLocal *local, PgmqMapRef map, const PgmqLook *look, int64 upto,
				   const PgmqFound *found, int nfound)
{
	PgmqXactQueue *queue = xact_queue(local);

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return pgmq_map_describe(map, look, upto, found, nfound, false);
	if (queue->nlooked == 0)
		queue->marks = local->marks;
	looked_add(queue, look->lo, upto);
	queue->looked_map = map;
	return pgmq_map_describe(map, look, upto, found, nfound, true);
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/* Make unknown what this transaction has looked at; whether there was any. */
static bool
queue_forget_looks(PgmqXactQueue *queue)
{
	const PgmqLocal *local = queue->local;
	bool		looked = queue->nlooked > 0;

	for (int i = 0; i < queue->nlooked; i++)
		pgmq_map_lower(queue->looked_map, local->relid, queue->looked[i].lo, queue->looked[i].hi,
					   PGMQ_DUE_NOW);
	queue->nlooked = 0;
	queue->looked_more = false;
	return looked;
}

/*
 * The ids that a subtransaction and those in it have claimed can be given out
 * again, and those that the transaction has looked at are unknown.
 */
static void
queue_undo(PgmqXactQueue *queue, SubTransactionId subid)
{
	const PgmqLocal *local = queue->local;
	bool		any = queue_forget_looks(queue);

	/* those of a subtransaction have larger numbers, and came later */
	while (queue->nclaims > 0 && queue->claims[queue->nclaims - 1].subid >= subid)
	{
		const PgmqClaim *claim = &queue->claims[--queue->nclaims];

		pgmq_map_settle(local->map, local->relid, claim->first, claim->held, claim->ids,
						PGMQ_DUE_NEVER);
		any = true;
	}
	queue->nsettled = Min(queue->nsettled, queue->nclaims);
	if (any)
		pgmq_waiter_wake(local->relid, PGMQ_WAKE_ONE, PGMQ_DUE_NOW);
}

/*
 * Say when what was claimed can be read again, to a waiter as well, which may
 * have looked while the claim was open; and confirm what looks have seen.
 */
static void
queue_settle(PgmqXactQueue *queue)
{
	const PgmqLocal *local = queue->local;
	TimestampTz due = PGMQ_DUE_NEVER;

	for (int i = queue->nsettled; i < queue->nclaims; i++)
	{
		const PgmqClaim *claim = &queue->claims[i];

		pgmq_map_settle(local->map, local->relid, claim->first, claim->held,
						claim->held & ~claim->taken, claim->due);
		due = Min(due, claim->due);
	}
	/* another transaction may have made ids between the ranges provisional */
	if (queue->looked_more || queue->marks != local->marks)
		(void) queue_forget_looks(queue);
	for (int i = 0; i < queue->nlooked; i++)
		pgmq_map_confirm(queue->looked_map, queue->looked[i].lo, queue->looked[i].hi);
	if (due < PGMQ_DUE_NEVER)
		pgmq_waiter_wake(local->relid, PGMQ_WAKE_ONE, due);
}

/* Announce what was remembered, and wake waiters for it. */
static void
queue_announce(const PgmqXactQueue *queue)
{
	const PgmqLocal *local = queue->local;
	TimestampTz due = PGMQ_DUE_NEVER;

	for (int i = 0; i < queue->ntouches; i++)
	{
		pgmq_map_announce(local->map, local->relid, &queue->touches[i]);
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

	if (queue->ntouches == 0 && (queue->wake & (PGMQ_WAKE_ALL | PGMQ_WAKE_UNLOCKED)) == 0)
		return;
	pgmq_map_prepare(local->map, local->relid, GetTopTransactionIdIfAny());
	pgmq_waiter_wake(local->relid, PGMQ_WAKE_ALL, PGMQ_DUE_NOW);
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
	pgmq_map_abandon();
	pgmq_shmem_retry();
	slist_foreach(iter, &xact_queues)
	{
		PgmqXactQueue *queue = slist_container(PgmqXactQueue, node, iter.cur);

		if (event == XACT_EVENT_COMMIT)
		{
			queue_settle(queue);
			queue_announce(queue);
		}
		else
		{
			if (event == XACT_EVENT_PREPARE)
				queue_prepare(queue);
			queue_undo(queue, TopSubTransactionId);
		}
	}
	xact_forget();
	wakes_are_due = event != XACT_EVENT_PREPARE;
	if (event == XACT_EVENT_PREPARE)
		nwakes = 0;
	if (event != XACT_EVENT_COMMIT)
		wake_database = false;
	if (event == XACT_EVENT_ABORT)
		pgmq_waiter_end(0);
	pgmq_waiter_reopen();
	pgmq_local_sweep();
}

/* Resource release callback: must not raise an error. */
void
pgmq_xact_release(ResourceReleasePhase phase, bool is_commit, bool is_top, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	if (!is_top)
	{
		/* the others are due at the end of the transaction */
		for (int i = 0; unlocks && i < nwakes; i++)
			if (!wakes[i].all)
				pgmq_waiter_wake(wakes[i].relid, PGMQ_WAKE_ONE, PGMQ_DUE_NOW);
		unlocks = false;
		return;
	}
	if (!wakes_are_due)
		return;
	wakes_are_due = false;
	if (wake_database)
		pgmq_waiter_wake_database();
	wake_database = false;
	while (nwakes > 0)
	{
		const Wake *wake = &wakes[--nwakes];

		if (is_commit || !wake->all)
			pgmq_waiter_wake(wake->relid, wake->all ? PGMQ_WAKE_ALL : PGMQ_WAKE_ONE, PGMQ_DUE_NOW);
	}
}

/*
 * Subtransaction callback: must not raise an error.  Only claims and looks are
 * undone.  Other notes of the subtransaction stay, which does no harm: a
 * needless announcement wastes a look, and a queue that is not dropped after
 * all gets a new map.
 */
void
pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	slist_iter	iter;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	pgmq_map_abandon();
	pgmq_shmem_retry();
	slist_foreach(iter, &xact_queues)
		queue_undo(slist_container(PgmqXactQueue, node, iter.cur), subid);
	unlocks = true;
	pgmq_waiter_subabort(subid);
	pgmq_waiter_reopen();
}
