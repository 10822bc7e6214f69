/*-------------------------------------------------------------------------
 *
 * map.c
 *	  The due map: when is each block of message ids next readable?
 *
 * Ids are divided into blocks of 64.  For each block of a queue the map has
 * one point in time, its *due time*: a lower bound of the next instant at which
 * any message in the block can be read.  PGMQ_DUE_NOW means that this is not
 * known, PGMQ_DUE_NEVER that nothing is there.  A read asks the table only for
 * blocks that are due, so that messages which are delayed or in flight, and
 * dead rows that vacuum may not remove yet, cost nothing.
 *
 * Of single messages it knows which ones are *ready* to be given out, and which
 * were.  For these the due time of their block does not count.
 *
 * The map is a hint and errs on one side only.  If it says too much, a read looks
 * in vain; it must never keep reads from a message longer than the message
 * itself does.  A message becomes readable by a commit, which is announced, or by
 * the passing of time, which the due time allows for.  Only a look advances a due
 * time: claim.c says how.
 *
 * tree.c and claim.c have the structure, and directory.c says which queue has
 * which map; xact.c and scan.c decide what is announced, claimed and looked at.
 * At first everything is unknown.
 *
 * Functions for commit callbacks, where an error would be a panic, take LWLocks and
 * change shared memory, and call nothing that could raise an error.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/map.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/map.h"

/* Full checks take no more than one part in this many of the time. */
#define CHECK_COST_FACTOR		100

/* The look that this backend makes, and where; its version is 0 if it makes none. */
static PgmqLook looking;
static PgmqMapRef looking_at;

/*
 * Lock the map that a queue table has now, whichever state of the queue it
 * describes: an announcement must reach a map that was made since the row was
 * written.  NULL if there is none.
 */
static PgmqMap *
map_lock_any(PgmqMapRef ref, Oid relid)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	return map != NULL ? map : pgmq_directory_lock(relid, LW_EXCLUSIVE);
}

/*
 * Whether a reference still leads to its map.  This takes no lock, so the
 * answer is tested again under the lock by whatever uses the reference.
 */
bool
pgmq_map_is_current(PgmqMapRef ref)
{
	return ref.map->generation == ref.generation && ref.map->identity == ref.identity;
}

/*
 * Find the ranges in which something can be read by now, or at all if now is
 * PGMQ_DUE_MAYBE; from an id on, in order, at most max.  Returns their number, or
 * -1 when the map cannot be used and the read must look at everything.
 */
int
pgmq_map_find(PgmqMapRef ref, TimestampTz now, int64 from, PgmqRange *ranges, int max)
{
	PgmqMap    *map;
	int			n = -1;

	if (!pgmq_shmem_usable() || (map = pgmq_map_lock(ref, LW_SHARED)) == NULL)
		return -1;
	if (!map->used)
		map->used = true;		/* it does not matter if this is lost */
	if (map->identity == ref.identity && map->listed)
		n = pgmq_tree_find(&map->tree, now, from, ranges, max);
	LWLockRelease(&map->lock);
	return n;
}

/* Whether what a map says can be relied on; its lock is held. */
static bool
map_holds(const PgmqMap *map, PgmqMapRef ref)
{
	return pgmq_shmem_usable() && map->identity == ref.identity && map->listed;
}

/* Whether a known prepared transaction of the queue is open; the lock is held. */
static bool
map_is_prepared(const PgmqMap *map)
{
	return TransactionIdIsValid(map->prepared) && TransactionIdIsInProgress(map->prepared);
}

/* Whether a prepared transaction that wrote to the queue is known, and open. */
bool
pgmq_map_has_open_prepared(PgmqMapRef ref)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	bool		open;

	if (map == NULL)
		return false;
	open = map_is_prepared(map);
	LWLockRelease(&map->lock);
	return open;
}

/*
 * This transaction, which wrote to the queue, is prepared, and other sessions
 * cannot end it yet.  Its commit will not be announced, so reads do without the
 * map until it has ended.  For callbacks.
 */
void
pgmq_map_prepare(PgmqMapRef ref, Oid relid, TransactionId xid)
{
	PgmqMap    *map = map_lock_any(ref, relid);

	if (map == NULL)
		return;
	map->prepared = xid;
	map->listed = false;
	LWLockRelease(&map->lock);
}

/*
 * Whether the caller must find out if a prepared transaction wrote to the
 * queue, and report it to pgmq_map_list: the map is new, or the transaction
 * that was known has ended.
 */
bool
pgmq_map_must_list(PgmqMapRef ref)
{
	PgmqMap    *map;
	bool		must;

	/* this takes no lock; pgmq_map_find tests it again */
	if (ref.map->listed || (map = pgmq_map_lock(ref, LW_EXCLUSIVE)) == NULL)
		return false;
	must = !map->listed && !map_is_prepared(map);
	if (must)
		map->prepared = InvalidTransactionId;
	LWLockRelease(&map->lock);
	return must;
}

/*
 * The caller found this prepared transaction that wrote to the queue, or found
 * none.  One that was prepared since is known already, and stays so.
 */
void
pgmq_map_list(PgmqMapRef ref, TransactionId prepared)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	if (!map->listed && !TransactionIdIsValid(map->prepared))
	{
		map->prepared = prepared;
		map->listed = !TransactionIdIsValid(prepared);
		/* nobody announced the commits of prepared transactions */
		if (map->listed)
			pgmq_tree_set_unknown(&map->tree);
	}
	LWLockRelease(&map->lock);
}

/* When anything in the queue can next be read; PGMQ_DUE_NOW if unknown. */
TimestampTz
pgmq_map_next_due(PgmqMapRef ref)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	TimestampTz due = PGMQ_DUE_NOW;

	if (map != NULL)
	{
		if (map_holds(map, ref))
			due = pgmq_tree_min(&map->tree);
		LWLockRelease(&map->lock);
	}
	return due;
}

/*
 * The first due time after a point in time; PGMQ_DUE_NEVER if there is none or
 * it is not known.
 */
TimestampTz
pgmq_map_due_after(PgmqMapRef ref, TimestampTz after)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	TimestampTz due = PGMQ_DUE_NEVER;

	if (map != NULL)
	{
		if (map_holds(map, ref))
			due = pgmq_tree_min_after(&map->tree, after);
		LWLockRelease(&map->lock);
	}
	return due;
}

/*
 * The state of a queue table's map; false if there is none.  identity is the
 * queue's now, without which the map is not usable.
 */
bool
pgmq_map_status(Oid relid, uint64 identity, PgmqMapStatus *status)
{
	PgmqMap    *map;
	PgmqMapRef	ref;

	if (!pgmq_shmem_usable() || (map = pgmq_directory_lock(relid, LW_SHARED)) == NULL)
		return false;
	ref = pgmq_map_refer(map);
	ref.identity = identity;
	status->usable = map_holds(map, ref);
	status->prepared = map_is_prepared(map);
	pgmq_tree_size(&map->tree, &status->pieces, &status->bytes);
	status->next_due = status->usable ? pgmq_tree_min(&map->tree) : PGMQ_DUE_NOW;
	status->check_finds = map->check_finds;
	LWLockRelease(&map->lock);
	return true;
}

/*
 * How many messages of a queue can be read now, by its map, whichever state of
 * the queue that describes; -1 if it does not know.
 */
int64
pgmq_map_count_ready(Oid relid, TimestampTz now)
{
	PgmqMap    *map;
	int64		count;

	if (!pgmq_shmem_usable() || (map = pgmq_directory_lock(relid, LW_SHARED)) == NULL)
		return -1;
	count = map->listed ? pgmq_tree_count_ready(&map->tree, now) : -1;
	LWLockRelease(&map->lock);
	return count;
}

/*
 * Claim ids, or begin a look; see pgmq_tree_claim.  The clock is read under the
 * lock, so what is ready was so by then.  False when the map cannot be used and
 * the read must look at everything.
 */
bool
pgmq_map_claim(PgmqMapRef ref, PgmqClaimer *claimer)
{
	PgmqMap    *map;
	bool		holds;

	claimer->n = 0;
	claimer->look.version = 0;
	if (pgmq_tree_is_short())
		pgmq_directory_reclaim();
	if ((map = pgmq_map_lock(ref, LW_EXCLUSIVE)) == NULL)
		return false;
	map->used = true;
	holds = map_holds(map, ref);
	if (holds)
	{
		claimer->now = GetCurrentTimestamp();
		claimer->nlooks = pg_atomic_read_u32(&map->nlooks);
		pgmq_tree_claim(&map->tree, claimer);
		looking = claimer->look;
		looking_at = ref;
	}
	LWLockRelease(&map->lock);
	return holds;
}

/*
 * The look that this backend makes has ended, and the map says what it has found.
 * The count and the readers that wait for it belong to the slot, whichever queue
 * has it by now.
 */
static void
look_has_ended(PgmqMapRef ref)
{
	looking.version = 0;
	pg_atomic_fetch_add_u32(&ref.map->nlooks, 1);
	ConditionVariableBroadcast(&ref.map->look_end);
}

/*
 * End a look; see pgmq_tree_describe.  provisional: what it saw may be the work
 * of its own transaction, and pgmq_map_confirm or pgmq_map_lower will follow.
 * False if messages that it saw cannot be claimed.
 */
bool
pgmq_map_describe(PgmqMapRef ref, const PgmqLook *look, int64 upto,
				  const PgmqFound *found, int nfound, bool provisional)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);
	bool		described = false;

	if (map != NULL)
	{
		/* after a change of the identity the marks are gone */
		if (map->identity == ref.identity)
			described = pgmq_tree_describe(&map->tree, look, upto, found, nfound,
										   provisional ? PGMQ_DUE_MAYBE : PGMQ_DUE_NEVER);
		LWLockRelease(&map->lock);
	}
	look_has_ended(ref);
	return described;
}

/* The look that this backend makes, if any, has failed. */
void
pgmq_map_abandon(void)
{
	PgmqMap    *map;

	if (looking.version == 0)
		return;
	if ((map = pgmq_map_lock(looking_at, LW_EXCLUSIVE)) != NULL)
	{
		pgmq_tree_abandon(&map->tree, &looking);
		LWLockRelease(&map->lock);
	}
	look_has_ended(looking_at);
}

/*
 * Wait until another look has ended than the first nlooks of this map.  False if
 * none has for so long.  Errors: interrupts.
 */
bool
pgmq_map_await_look(PgmqMapRef ref, uint32 nlooks, int patience_ms)
{
	static uint32 event = 0;
	bool		ended;

	if (event == 0)
		event = WaitEventExtensionNew("PgmqLook");
	while (!(ended = pg_atomic_read_u32(&ref.map->nlooks) != nlooks) &&
		   !ConditionVariableTimedSleep(&ref.map->look_end, patience_ms, event))
		;
	ConditionVariableCancelSleep();
	return ended;
}

/*
 * Say what became of ids of a block that were claimed: these are held no longer,
 * those are to be given out again, and others can be read from due on.
 */
void
pgmq_map_settle(PgmqMapRef ref, Oid relid, int64 first, uint64 held, uint64 back,
				TimestampTz due)
{
	PgmqMap    *map = map_lock_any(ref, relid);

	if (map == NULL)
		return;
	if (due < PGMQ_DUE_NEVER)
		pgmq_tree_lower(&map->tree, first, first, due);
	if (back != 0)
		(void) pgmq_tree_ready(&map->tree, first, back);
	pgmq_tree_unclaim(&map->tree, first, held);
	LWLockRelease(&map->lock);
}

/* Claim ids that the caller has tried to take; see pgmq_tree_claim_late. */
uint64
pgmq_map_claim_late(PgmqMapRef ref, int64 first, uint64 ids, uint64 taken)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return taken;
	taken = pgmq_tree_claim_late(&map->tree, first, ids, taken);
	LWLockRelease(&map->lock);
	return taken;
}

/* Announce after the commit what a transaction made readable. */
void
pgmq_map_announce(PgmqMapRef ref, Oid relid, const PgmqTouch *touch)
{
	PgmqMap    *map;

	if (pgmq_directory == NULL || (map = map_lock_any(ref, relid)) == NULL)
		return;
	if (touch->ids != 0 && touch->last <= GetCurrentTransactionStopTimestamp())
		(void) pgmq_tree_ready(&map->tree, PGMQ_BLOCK_FIRST(touch->lo), touch->ids);
	else
		pgmq_tree_lower(&map->tree, touch->lo, touch->hi, touch->due);
	LWLockRelease(&map->lock);
}

/* Something with an id from lo to hi can be read from due on. */
void
pgmq_map_lower(PgmqMapRef ref, Oid relid, int64 lo, int64 hi, TimestampTz due)
{
	PgmqMap    *map = map_lock_any(ref, relid);

	if (map == NULL)
		return;
	pgmq_tree_lower(&map->tree, lo, hi, due);
	LWLockRelease(&map->lock);
}

/* The transaction that described these ids provisionally has committed. */
void
pgmq_map_confirm(PgmqMapRef ref, int64 lo, int64 hi)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	pgmq_tree_confirm(&map->tree, lo, hi);
	LWLockRelease(&map->lock);
}

/* Whether the next full check is due.  The clock may have been set back. */
static inline bool
check_is_due(const PgmqMap *map, TimestampTz now)
{
	return now >= map->check_next || now < map->check_last;
}

/*
 * Whether the caller is to make a full check of the map now, from an id on.
 * True for one caller in a while, which must then call pgmq_map_check_done.
 */
bool
pgmq_map_check_claim(PgmqMapRef ref, TimestampTz now, int64 *from)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	bool		claimed = false;

	if (map == NULL)
		return false;
	if (check_is_due(map, now))
	{
		LWLockRelease(&map->lock);
		if ((map = pgmq_map_lock(ref, LW_EXCLUSIVE)) == NULL)
			return false;
		claimed = check_is_due(map, now);
		if (claimed)
		{
			if (map->check_from == PG_INT64_MIN)
				map->check_begun = now;
			map->check_last = now;
			map->check_next = now + PGMQ_CHECK_PERIOD;
			*from = map->check_from;
		}
	}
	LWLockRelease(&map->lock);
	return claimed;
}

/* Whether the map keeps reads at now from finding a message. */
bool
pgmq_map_hides(PgmqMapRef ref, int64 id, TimestampTz now)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	bool		hidden = false;

	if (map != NULL)
	{
		hidden = map_holds(map, ref) && pgmq_tree_hides(&map->tree, id, now);
		LWLockRelease(&map->lock);
	}
	return hidden;
}

/*
 * The full check that began at now took elapsed microseconds and found so many
 * readable messages that the map had hidden; then the map is made unknown.
 * next is the id where the next check begins, PG_INT64_MIN after the last one.
 */
void
pgmq_map_check_done(PgmqMapRef ref, TimestampTz now, int64 elapsed, int64 finds,
					int64 next)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	map->check_from = next;
	map->check_next = now + CHECK_COST_FACTOR * elapsed;
	if (next == PG_INT64_MIN)
		map->check_next = Max(map->check_next, map->check_begun + PGMQ_CHECK_PERIOD);
	map->check_finds += finds;
	if (finds > 0)
		pgmq_tree_set_unknown(&map->tree);
	LWLockRelease(&map->lock);
}
