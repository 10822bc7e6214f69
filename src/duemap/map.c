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
 * The map is a hint and errs on one side only.  If a due time is too early, a
 * read looks in vain; it must never be later than a read could return the
 * message.  A message becomes readable by a commit, which is announced
 * (pgmq_map_announce lowers the due time), or by the passing of time, which the
 * due time allows for.  Only a reader advances a due time, when it has seen in
 * a snapshot what is left in the block, and only if nothing was announced there
 * since before the snapshot: it notes the block's *version* first, and the
 * advance is refused if the version has changed.  All versions are drawn from
 * one sequence for all queues and never used twice, so that a block which was
 * merged, dropped and made again cannot be mistaken for the one noted.
 *
 * tree.c has the structure, and directory.c says which queue has which map;
 * xact.c and scan.c decide what is announced and when an advance is allowed.
 * At first everything is unknown.
 *
 * pgmq_map_announce and pgmq_map_advance are called in commit callbacks, where
 * an error would be a panic: they take LWLocks and change shared memory, and
 * call nothing that could raise an error.
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

/* Full checks take no more than one part in this many of the time. */
#define CHECK_COST_FACTOR		100

/* The map in which this transaction counts as a reader. */
static PgmqMap *reading = NULL;

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
 * Find the ranges that are due by now, from an id on, in order: at most max,
 * each with the version that an advance must show.  Returns their number, or -1
 * when the map cannot be used and the read must look at everything.
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

/*
 * Count this transaction as a reader of a map.  Returns with which of the
 * ranges that are due it begins: 0, the first, if no other transaction reads.
 * Several readers would all come to the same messages, and to messages that
 * others took after their snapshots; so each begins at another range.  The
 * transaction counts until pgmq_map_leave, which is also called at its end,
 * since the messages that it took are locked until then.
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
 * No longer count this transaction as a reader.  The count belongs to the
 * slot, whichever queue has it by now.  For callbacks.
 */
void
pgmq_map_leave(void)
{
	if (reading != NULL)
		pg_atomic_fetch_sub_u32(&reading->readers, 1);
	reading = NULL;
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
		/* what prepared transactions have committed was not announced */
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
 * Announce after the commit that something with an id from lo to hi can be read
 * from due on.  For callbacks.
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
 * Advance the due times of a range's blocks up to upto, the last id of one.  In
 * a snapshot that was taken after the range was found, they held nothing but
 * what mins say, which are in id order.  For callbacks.
 */
void
pgmq_map_advance(PgmqMapRef ref, const PgmqRange *range, int64 upto,
				 const PgmqMin *mins, int nmins)
{
	PgmqMap    *map;

	if (pgmq_tree_is_short())
		pgmq_directory_reclaim();
	map = pgmq_map_lock(ref, LW_EXCLUSIVE);
	if (map == NULL)
		return;
	if (map->identity == ref.identity &&
		pgmq_tree_slot(&map->tree, range->lo).version == range->version)
	{
		pgmq_tree_clear(&map->tree, range->lo, upto);
		for (int i = 0; i < nmins; i++)
			pgmq_tree_lower(&map->tree, mins[i].id, mins[i].id, mins[i].due);
	}
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
		hidden = map_holds(map, ref) && pgmq_tree_slot(&map->tree, id).due > now;
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
