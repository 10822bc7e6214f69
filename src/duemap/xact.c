/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  What this transaction touched, and telling the due map at its end.
 *
 * Every queue table has a trigger of ours, AFTER INSERT OR UPDATE FOR EACH
 * ROW, enabled ALWAYS.  It remembers id and vt of each row as
 * stored, however the row got there: by our functions, plain SQL, COPY,
 * logical replication, or straight into a partition.  Writers remember
 * always; whether anybody looks at a map is not their business.
 *
 * An update that makes a message readable later, not sooner, need not be
 * remembered: whatever snapshot a reader raises by, it sees one vt or the
 * other, and due is a lower bound of both.  So a read's own lease costs no
 * more than the call of the trigger.
 *
 * It fires at the end of a statement, by name after or before users' own
 * triggers.  A read in such a trigger, or in the very statement that inserts,
 * may go by a map that does not know of the row yet, and miss it.
 *
 * After the commit, when others can see it, what was remembered is announced.
 * A reader may also have left a raise for then: a transaction with an xid
 * may still roll back what it saw itself, so it raises nothing before its
 * own commit, nothing at all when a subtransaction has rolled back since
 * (which may have held the lease that it counted on), and nothing when it is
 * prepared.
 *
 * What makes nothing due but is worth a look is remembered likewise, as whom
 * to wake: that messages are gone (which may have been a group's heads) by
 * the verbs that remove them, so not of plain SQL.
 *
 * The callbacks at commit may not fail: all they use was made before, and
 * they only take LWLocks and write what is there.
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
#include "duemap/duemap.h"

PG_FUNCTION_INFO_V1(pgmq_announce);

/* Ids no farther apart than this are one range. */
#define TOUCH_GAP		(1 << PGMQ_BLOCK_BITS)

/* A raise that waits for the commit; in TopTransactionContext. */
typedef struct PgmqPending
{
	PgmqLocal  *local;
	uint64		marks;			/* of it, when the raise was left */
	PgmqMapRef	map;
	PgmqDue		due;
	int64		upto;
	TimestampTz least;			/* of mins */
	int			nmins;
	PgmqMin    *mins;
	slist_node	node;
} PgmqPending;

static slist_head touched = SLIST_STATIC_INIT(touched);
static slist_head raises = SLIST_STATIC_INIT(raises);
static uint64 raises_round = 1; /* moves whenever the list is emptied */

/*
 * Queues to wake all waiters of, once the commit has sent its invalidations:
 * what they are woken for is something that was kept.  That is later than the
 * callback, in the release of resources.  In TopMemoryContext.
 */
static Oid *wakes = NULL;
static int	nwakes = 0;
static int	max_wakes = 0;
static bool wake_database = false;	/* or those of all queues there are */
static bool wakes_are_due = false;	/* the transaction has committed */

/* ----------------------------------------------------------------
 *		Remembering
 * ----------------------------------------------------------------
 */

static void
touch_extend(PgmqTouch *touch, int64 lo, int64 hi, TimestampTz due)
{
	touch->lo = Min(touch->lo, lo);
	touch->hi = Max(touch->hi, hi);
	touch->due = Min(touch->due, due);
}

/* Whether an id lies in a range, or so near that they may be one. */
static bool
touch_is_near(const PgmqTouch *touch, int64 id)
{
	if (id < touch->lo)
		return (uint64) touch->lo - (uint64) id <= TOUCH_GAP;
	return id <= touch->hi || (uint64) id - (uint64) touch->hi <= TOUCH_GAP;
}

/* List a queue of which something is about to be remembered. */
static void
local_list(PgmqLocal *local)
{
	if (local->ntouches == 0 && local->wake == 0 && !local->gone)
		slist_push_head(&touched, &local->touched);
}

/* Remember that this transaction made a message readable from due on. */
static void
touch_add(PgmqLocal *local, int64 id, TimestampTz due)
{
	PgmqTouch  *touch;

	for (int i = local->ntouches; --i >= 0;)
	{
		touch = &local->touches[i];
		if (touch_is_near(touch, id))
		{
			touch_extend(touch, id, id, due);
			return;
		}
	}
	local_list(local);
	if (local->ntouches == PGMQ_MAX_TOUCHES)
	{
		/* one range for the lot */
		for (int i = 1; i < local->ntouches; i++)
			touch_extend(&local->touches[0], local->touches[i].lo,
						 local->touches[i].hi, local->touches[i].due);
		touch_extend(&local->touches[0], id, id, due);
		local->ntouches = 1;
		return;
	}
	local->touches[local->ntouches++] = (PgmqTouch)
	{
		id, id, due
	};
}

/*
 * Remember that the commit of this transaction is to wake some of those who
 * wait for a queue, which is open, though it makes nothing due.
 */
void
pgmq_xact_wake(Oid relid, PgmqWake whom)
{
	PgmqLocal  *local;

	if (!pgmq_shmem_attach())
		return;
	local = pgmq_local_known(relid);
	if ((whom & PGMQ_WAKE_ALL) && nwakes == max_wakes)
	{
		int			max = Max(8, max_wakes * 2);

		wakes = wakes == NULL ? MemoryContextAlloc(TopMemoryContext, max * sizeof(Oid)) :
			repalloc(wakes, max * sizeof(Oid));
		max_wakes = max;
	}
	if ((whom & PGMQ_WAKE_ALL) && !(local->wake & PGMQ_WAKE_ALL))
		wakes[nwakes++] = relid;
	local_list(local);
	local->wake |= whom;
}

/* The same for all who wait for any queue of this database. */
void
pgmq_xact_wake_database(void)
{
	wake_database = pgmq_shmem_attach();
}

/*
 * This transaction is about to drop a queue, which is locked: if it commits,
 * what its map takes is to be given back.
 */
void
pgmq_xact_drop(Oid relid)
{
	PgmqLocal  *local;

	if (!pgmq_shmem_attach())
		return;
	local = pgmq_local_known(relid);
	local_list(local);
	local->gone = true;
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
	/* without memory now there is none until a restart */
	if (!pgmq_shmem_attach())
		return PointerGetDatum(NULL);
	table = pgmq_local_table(trigger->tg_relation, fcinfo->flinfo->fn_oid);
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

/* The raises of a queue that wait for this transaction's commit. */
static int
local_npending(const PgmqLocal *local)
{
	return local->pending_round == raises_round ? local->npending : 0;
}

/*
 * Whether there is a point in raising what begins with an id: what this
 * transaction will raise after its commit need not be found out again.
 */
bool
pgmq_xact_may_raise(const PgmqLocal *local, int64 lo)
{
	int			n = local_npending(local);

	return n == 0 || lo > local->pending[n - 1]->upto;
}

/*
 * Leave out of n pieces that are due what this transaction will raise anyway:
 * for itself that holds already, as long as nothing was announced there since
 * and until the least of what is left.  How many pieces remain.
 */
int
pgmq_xact_leave_out(const PgmqLocal *local, TimestampTz now, PgmqDue *dues, int n)
{
	int			npending = local_npending(local);
	int			at = 0;
	int			kept = 0;

	if (npending == 0)
		return n;
	for (int i = 0; i < n; i++)
	{
		PgmqDue		due = dues[i];

		for (; at < npending && local->pending[at]->due.lo <= due.lo; at++)
		{
			const PgmqPending *raise = local->pending[at];

			/* it may be a piece's beginning only */
			if (raise->upto >= due.lo && raise->due.version == due.version &&
				raise->marks == local->marks && raise->least > now)
			{
				if (raise->upto >= due.hi)
					break;
				due.lo = raise->upto + 1;
			}
		}
		if (at == npending || local->pending[at]->due.lo > due.lo)
			dues[kept++] = due;
	}
	return kept;
}

/*
 * Raise a piece of the map now, or after the commit if this transaction may
 * still roll back something that it saw.  mins is the caller's to free.
 */
void
pgmq_xact_raise(PgmqLocal *local, PgmqMapRef map, const PgmqDue *due, int64 upto,
				const PgmqMin *mins, int nmins)
{
	PgmqPending *raise;

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
	{
		pgmq_map_raise(map, due, upto, mins, nmins);
		return;
	}
	if (local->pending_round != raises_round)
	{
		local->pending_round = raises_round;
		local->npending = 0;
		local->max_pending = 8;
		local->pending = MemoryContextAlloc(TopTransactionContext,
											local->max_pending * sizeof(PgmqPending *));
	}
	if (local->npending == local->max_pending)
	{
		local->max_pending *= 2;
		local->pending = repalloc_huge(local->pending,
									   local->max_pending * sizeof(PgmqPending *));
	}
	raise = MemoryContextAlloc(TopTransactionContext, sizeof(PgmqPending));
	raise->local = local;
	raise->marks = local->marks;
	raise->map = map;
	raise->due = *due;
	raise->upto = upto;
	raise->least = PGMQ_DUE_NEVER;
	for (int i = 0; i < nmins; i++)
		raise->least = Min(raise->least, mins[i].due);
	raise->nmins = nmins;
	raise->mins = MemoryContextAllocHuge(TopTransactionContext, Max(nmins, 1) * sizeof(PgmqMin));
	memcpy(raise->mins, mins, nmins * sizeof(PgmqMin));
	slist_push_head(&raises, &raise->node);
	local->pending[local->npending++] = raise;
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/* Announce all that was remembered, and wake who waits for it. */
static void
touched_announce(void)
{
	slist_iter	iter;

	slist_foreach(iter, &touched)
	{
		PgmqLocal  *local = slist_container(PgmqLocal, touched, iter.cur);
		TimestampTz due = PGMQ_DUE_NEVER;

		for (int i = 0; i < local->ntouches; i++)
		{
			pgmq_map_announce(local->map, local->relid, local->touches[i].lo,
							  local->touches[i].hi, local->touches[i].due);
			due = Min(due, local->touches[i].due);
		}
		if (local->ntouches > 0)
			pgmq_waiter_wake(local->relid, PGMQ_WAKE_ONE, due);
		if (local->wake & PGMQ_WAKE_GROUPED)
			pgmq_waiter_wake(local->relid, PGMQ_WAKE_GROUPED, PGMQ_DUE_NOW);
		if (local->gone)
			pgmq_map_drop(local->relid);
	}
}

static void
raises_forget(void)
{
	slist_init(&raises);
	raises_round++;
}

static void
touched_forget(void)
{
	while (!slist_is_empty(&touched))
	{
		PgmqLocal  *local = slist_container(PgmqLocal, touched, slist_pop_head_node(&touched));

		local->ntouches = local->wake = 0;
		local->gone = false;
	}
	raises_forget();
}

/*
 * This transaction is prepared.  Where a queue that it wrote to has no map, the
 * one that is made next finds our locks.  A queue without identity is noted
 * too, for it may have one again before we end: not all of its partitions are
 * locked by us.  Who waits is woken to see it.
 */
static void
touched_prepare(void)
{
	slist_iter	iter;

	slist_foreach(iter, &touched)
	{
		PgmqLocal  *local = slist_container(PgmqLocal, touched, iter.cur);

		if (local->ntouches == 0 && (local->wake & PGMQ_WAKE_ALL) == 0)
			continue;
		pgmq_map_prepare(local->map, local->relid, GetTopTransactionIdIfAny());
		pgmq_waiter_wake(local->relid, PGMQ_WAKE_ALL, PGMQ_DUE_NOW);
	}
}

/* Transaction callback.  Must not raise. */
void
pgmq_xact_end(XactEvent event, void *arg)
{
	slist_iter	iter;

	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
	{
		pgmq_map_leave();
		pgmq_shmem_retry();
	}
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			slist_foreach(iter, &raises)
			{
				PgmqPending *raise = slist_container(PgmqPending, node, iter.cur);

				/* not after DDL of our own, which the identity may not show */
				if (raise->marks == raise->local->marks)
					pgmq_map_raise(raise->map, &raise->due, raise->upto,
								   raise->mins, raise->nmins);
			}
			touched_announce();
			touched_forget();
			wakes_are_due = true;
			pgmq_waiter_undrain();
			pgmq_local_sweep();
			break;
		case XACT_EVENT_ABORT:
			pgmq_waiter_end(0);
			pgmq_waiter_undrain();
			touched_forget();
			nwakes = 0;
			wake_database = false;
			pgmq_local_sweep();
			break;
		case XACT_EVENT_PREPARE:
			touched_prepare();
			pgmq_waiter_undrain();
			touched_forget();
			nwakes = 0;
			wake_database = false;
			pgmq_local_sweep();
			break;
		default:
			break;
	}
}

/* Resource release callback, likewise. */
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
 * Subtransaction callback: what the raises counted on may be undone, and a
 * queue not dropped.  (One that was before has been locked since.)
 */
void
pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	pgmq_map_leave();
	pgmq_shmem_retry();
	raises_forget();
	pgmq_waiter_subabort(subid);
	pgmq_waiter_undrain();
}
