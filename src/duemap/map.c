/*-------------------------------------------------------------------------
 *
 * map.c
 *	  The due map: when is each block of message ids next readable?
 *
 * Ids fall into blocks of 64.  For each block of a queue the map has one
 * point in time, *due*: a lower bound of the next instant at which any
 * message in it can be read.  DUE_NOW: unknown, look.  DUE_NEVER: nothing
 * there.  A read asks the table only for the blocks that are due, so that
 * messages delayed, in flight, or dead behind a pinned snapshot cost nothing.
 *
 * The map is a hint and errs on one side.  Where it says "due" too early, a
 * look is wasted; it must never say "not due" of a message that a read would
 * return.  A message becomes readable by a commit, which is announced
 * (pgmq_map_announce lowers due), or by time passing, which due allows for.
 * Only a reader advances due, when it has seen in a snapshot what is left in a
 * block, and only if nothing was announced there since before the snapshot:
 * it notes the block's *version* first, and the advance is refused if that has
 * changed.  All versions are drawn from one sequence for all queues and never
 * used twice, so a block that was merged, dropped and made anew meanwhile
 * cannot be mistaken for the one noted.
 *
 * The structure is in tree.c; directory.c says which queue has which map;
 * xact.c announces, and scan.c says what may be advanced.  At first every block
 * is unknown.
 *
 * pgmq_map_announce and pgmq_map_advance are called in commit callbacks, where
 * an error would be a panic: they take LWLocks and change shared words, and
 * call nothing that could raise.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/map.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/map.h"

/* The full check takes no more of the time than one in so many parts. */
#define CHECK_COST_FACTOR		100

/* The map in which this transaction counts as a reader. */
static PgmqMap *reading = NULL;

/*
 * Lock the map that a queue table has now, of whatever it is a map: what is
 * said of a queue must not pass by a map that was made since it was written.
 */
static PgmqMap *
map_lock_any(PgmqMapRef ref, Oid relid)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	return map != NULL ? map : pgmq_directory_lock(relid, LW_EXCLUSIVE);
}

/*
 * Whether a reference still leads to its map.  Without a lock: what is true
 * now may be false under the lock, where it is tested again.
 */
bool
pgmq_map_is_current(PgmqMapRef ref)
{
	return ref.map->generation == ref.generation && ref.map->identity == ref.identity;
}

/*
 * What is due by now, from an id on, in order: at most max pieces of the map
 * into dues, each with the version to be shown when it is advanced.  Returns
 * their number, or -1 when the map cannot be used and all must be looked at.
 */
int
pgmq_map_find(PgmqMapRef ref, TimestampTz now, int64 from, PgmqRange *dues, int max)
{
	PgmqMap    *map;
	int			n = -1;

	if (!pgmq_shmem_usable() || (map = pgmq_map_lock(ref, LW_SHARED)) == NULL)
		return -1;
	if (!map->used)
		map->used = true;		/* it does not matter if this is lost */
	if (map->identity == ref.identity && map->listed)
		n = pgmq_tree_find(&map->tree, now, from, dues, max);
	LWLockRelease(&map->lock);
	return n;
}

/*
 * Begin to take messages.  Returns at which of the pieces that are due: the
 * first, 0, for who is alone.  Several would all come to the same messages,
 * and to those that others took since their snapshots, which a stale snapshot
 * locks; so each begins elsewhere.  Until pgmq_map_leave, which is also called
 * at the end of the transaction, since until then what was taken is locked.
 */
uint32
pgmq_map_enter(PgmqMapRef ref)
{
	uint32		readers;

	if (reading != ref.map)
	{
		pgmq_map_leave();
		reading = ref.map;
		pg_atomic_fetch_add_u32(&reading->readers, 1);
	}
	readers = pg_atomic_read_u32(&ref.map->readers);
	return readers <= 1 ? 0 : pg_atomic_fetch_add_u32(&ref.map->turn, 1) % readers;
}

/*
 * No reader any more.  The count belongs to the slot, whosever it is by now.
 * For callbacks.
 */
void
pgmq_map_leave(void)
{
	if (reading != NULL)
		pg_atomic_fetch_sub_u32(&reading->readers, 1);
	reading = NULL;
}

/* Whether what a map says holds; its lock is held. */
static bool
map_holds(const PgmqMap *map, PgmqMapRef ref)
{
	return pgmq_shmem_usable() && map->identity == ref.identity && map->listed;
}

/* Whether a prepared transaction is known that concerns the queue; locked. */
static bool
map_is_prepared(const PgmqMap *map)
{
	return TransactionIdIsValid(map->prepared) && TransactionIdIsInProgress(map->prepared);
}

/* Whether a transaction that concerns the queue is prepared, as far as known. */
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
 * This transaction, which wrote to the queue, is prepared, and others cannot
 * end it yet.  Nobody will announce its commit, so the queue is looked at
 * without the map until it has ended.  For callbacks.
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
 * Whether the caller is to find out if a prepared transaction wrote to the
 * queue, and say so by pgmq_map_list: since the map is new, or since the one
 * that was known has ended.
 */
bool
pgmq_map_must_list(PgmqMapRef ref)
{
	PgmqMap    *map;
	bool		must;

	/* without a lock; pgmq_map_find looks again */
	if (ref.map->listed || (map = pgmq_map_lock(ref, LW_EXCLUSIVE)) == NULL)
		return false;
	must = !map->listed && !map_is_prepared(map);
	if (must)
		map->prepared = InvalidTransactionId;
	LWLockRelease(&map->lock);
	return must;
}

/*
 * So it was when the caller looked: a prepared transaction wrote to the queue,
 * or none did.  If another was prepared since, that one is known.
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
		/* what the ended ones have committed was not announced */
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
 * When the next thing after a point in time becomes readable, whatever is due
 * by then; PGMQ_DUE_NEVER if that is not known.
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
 * How the map of a queue table stands, which is to be of identity; false if
 * there is none.
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
 * Announce, after the commit: from due on something between the ids lo and hi
 * can be read.  For callbacks.
 */
void
pgmq_map_announce(PgmqMapRef ref, Oid relid, int64 lo, int64 hi, TimestampTz due)
{
	PgmqMap    *map;

	if (pgmq_directory == NULL || (map = map_lock_any(ref, relid)) == NULL)
		return;
	pgmq_tree_lower(&map->tree, lo, hi, due);
	LWLockRelease(&map->lock);
}

/*
 * Advance: in a snapshot taken after due was found, the ids from due->lo to
 * upto held nothing but what mins say, in id order.  upto ends a block.  For
 * callbacks.
 */
void
pgmq_map_advance(PgmqMapRef ref, const PgmqRange *due, int64 upto,
				 const PgmqMin *mins, int nmins)
{
	PgmqMap    *map;

	if (pgmq_tree_is_short())
		pgmq_directory_reclaim();
	map = pgmq_map_lock(ref, LW_EXCLUSIVE);
	if (map == NULL)
		return;
	if (map->identity == ref.identity &&
		pgmq_tree_slot(&map->tree, due->lo).version == due->version)
	{
		pgmq_tree_clear(&map->tree, due->lo, upto);
		for (int i = 0; i < nmins; i++)
			pgmq_tree_lower(&map->tree, mins[i].id, mins[i].id, mins[i].due);
	}
	LWLockRelease(&map->lock);
}

/* The clock may have been set back since. */
static inline bool
check_is_due(const PgmqMap *map, TimestampTz now)
{
	return now >= map->check_next || now < map->check_last;
}

/*
 * Whether the full check is to be made now: a look at what comes from an id on,
 * whatever the map says.  True for one caller in a while, which must say by
 * pgmq_map_check_done what it found.
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

/* Whether the map would have hidden a message that could be read at now. */
bool
pgmq_map_hides(PgmqMapRef ref, int64 id, TimestampTz now)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_SHARED);
	bool		hidden = false;

	if (map != NULL)
	{
		hidden = map_holds(map, ref) && pgmq_tree_slot(&map->tree, id).due > now;
		LWLockRelease(&map->lock);
	}
	return hidden;
}

/*
 * The full check that began at now took elapsed microseconds, and found so many
 * messages that the map would have hidden.  next: where the next one goes on;
 * the least of all ids, if it has been around the queue.
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
