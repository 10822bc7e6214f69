/*-------------------------------------------------------------------------
 *
 * directory.c
 *	  Which queue has which due map.
 *
 * A queue has a slot in a fixed table, found by hash.  When no slot is free, a
 * clock hand takes one that was not used since the hand last passed, or any
 * after it has passed a number of used ones.  When nodes run out, maps that no
 * read has used for a while give up theirs.  An announcement whose slot has
 * another queue by now, or that never had one, asks the directory.  Where there
 * is no map nothing is lost: one that is made later begins as unknown, and is
 * advanced by snapshots that see what was to be announced.
 *
 * A map also knows whether a prepared transaction wrote to its queue (see
 * pgmq_map_prepare).  This may be lost with the map, for the next map is told
 * by the locks of such a transaction.
 *
 * Locks: directory lock, then one map's lock.  A map's key and generation
 * change under both, so either suffices to read them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/directory.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/map.h"

/* How many used maps the clock hand passes before it takes one. */
#define MAX_SPARED		64

/* How often maps give up nodes when these run out. */
#define RECLAIM_PERIOD	(60 * USECS_PER_SEC)

#define NO_MAP			(-1)

PgmqDirectory *pgmq_directory = NULL;

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* Make a directory in size bytes of shared memory; called once. */
void
pgmq_directory_init(void *memory, Size size, int tranche)
{
	pgmq_directory = memory;
	pgmq_directory->nmaps = (size - offsetof(PgmqDirectory, maps)) / sizeof(PgmqMap);
	LWLockInitialize(&pgmq_directory->lock, tranche);
	pgmq_directory->nused = 0;
	pgmq_directory->hand = 0;
	pgmq_directory->evictions = 0;
	pg_atomic_init_u64(&pgmq_directory->reclaimed, 0);
	memset(pgmq_directory->maps, 0, pgmq_directory->nmaps * sizeof(PgmqMap));
	for (int i = 0; i < pgmq_directory->nmaps; i++)
	{
		LWLockInitialize(&pgmq_directory->maps[i].lock, tranche);
		pgmq_directory->maps[i].first = NO_MAP;
		pgmq_tree_make(&pgmq_directory->maps[i].tree);
		pg_atomic_init_u32(&pgmq_directory->maps[i].nlooks, 0);
		ConditionVariableInit(&pgmq_directory->maps[i].look_end);
	}
}

/* Use the directory in this backend. */
void
pgmq_directory_attach(void *memory)
{
	pgmq_directory = memory;
}

/* ----------------------------------------------------------------
 *		Finding the map of a queue
 * ----------------------------------------------------------------
 */

/* The beginning of the hash chain for a queue. */
static inline int *
map_chain(Oid dboid, Oid relid)
{
	return &pgmq_directory->maps[pgmq_map_hash(dboid, relid) % pgmq_directory->nmaps].first;
}

/* The map of a queue table of this database; the directory's lock is held. */
static PgmqMap *
directory_search(Oid relid)
{
	for (int i = *map_chain(MyDatabaseId, relid); i != NO_MAP; i = pgmq_directory->maps[i].next)
		if (pgmq_directory->maps[i].relid == relid && pgmq_directory->maps[i].dboid == MyDatabaseId)
			return &pgmq_directory->maps[i];
	return NULL;
}

/*
 * The map of a queue table of this database, locked; NULL if it has none.  For
 * callbacks.
 */
PgmqMap *
pgmq_directory_lock(Oid relid, LWLockMode mode)
{
	PgmqMap    *map;

	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	map = directory_search(relid);
	if (map != NULL)
		LWLockAcquire(&map->lock, mode);
	LWLockRelease(&pgmq_directory->lock);
	return map;
}

/*
 * Take a map for another queue, and lock it: one that has had no queue yet, or
 * one from a queue that must do without.  The directory's lock is held, in
 * exclusive mode.
 */
static PgmqMap *
map_take(void)
{
	PgmqMap    *map;
	int		   *link;

	if (pgmq_directory->nused < pgmq_directory->nmaps)
	{
		map = &pgmq_directory->maps[pgmq_directory->nused++];
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		return map;
	}
	for (int spared = 0;; spared++)
	{
		map = &pgmq_directory->maps[pgmq_directory->hand];
		pgmq_directory->hand = (pgmq_directory->hand + 1) % pgmq_directory->nmaps;
		if (!map->used || spared == MAX_SPARED)
			break;
		map->used = false;
	}
	pgmq_directory->evictions++;
	LWLockAcquire(&map->lock, LW_EXCLUSIVE);
	link = map_chain(map->dboid, map->relid);
	while (&pgmq_directory->maps[*link] != map)
		link = &pgmq_directory->maps[*link].next;
	*link = map->next;
	return map;
}

/*
 * Nodes run out: now and then make unknown those maps that no read has used
 * since the last time, such as those of dropped queues.  For callbacks.
 */
void
pgmq_directory_reclaim(void)
{
	uint64		last = pg_atomic_read_u64(&pgmq_directory->reclaimed);
	TimestampTz now = GetCurrentTimestamp();

	/* the clock may have been set back since */
	if ((now >= (TimestampTz) last && now - (TimestampTz) last < RECLAIM_PERIOD) ||
		!pg_atomic_compare_exchange_u64(&pgmq_directory->reclaimed, &last, (uint64) now))
		return;
	for (int i = 0; i < pgmq_directory->nused; i++)
	{
		PgmqMap    *map = &pgmq_directory->maps[i];

		if (map->used)
			map->used = false;
		else if (map->tree.nnodes > 0 &&
				 LWLockConditionalAcquire(&map->lock, LW_EXCLUSIVE))
		{
			pgmq_tree_set_unknown(&map->tree);
			LWLockRelease(&map->lock);
		}
	}
}

/*
 * A reference to the map of a queue table of this database; its map is NULL if
 * there is none that can be used and describes this identity.  The caller has
 * attached to shared memory.
 */
PgmqMapRef
pgmq_directory_find(Oid relid, uint64 identity)
{
	PgmqMapRef	ref = {NULL, 0, 0};
	PgmqMap    *map = pgmq_directory_lock(relid, LW_SHARED);

	if (map == NULL)
		return ref;
	if (map->identity == identity && map->listed)
		ref = pgmq_map_refer(map);
	LWLockRelease(&map->lock);
	return ref;
}

/*
 * The same, but a map is made if there is none.  One that describes another
 * identity (see identity.c) is made unknown.
 */
PgmqMapRef
pgmq_directory_make(Oid relid, uint64 identity)
{
	PgmqMapRef	ref;
	PgmqMap    *map;

	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	map = directory_search(relid);
	if (map == NULL)
	{
		LWLockRelease(&pgmq_directory->lock);
		LWLockAcquire(&pgmq_directory->lock, LW_EXCLUSIVE);
		map = directory_search(relid);
	}
	if (map != NULL)
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
	else
	{
		int		   *link = map_chain(MyDatabaseId, relid);

		map = map_take();
		map->next = *link;
		*link = map - pgmq_directory->maps;
		map->dboid = MyDatabaseId;
		map->relid = relid;
		map->generation = pgmq_tree_version();
		map->identity = identity;
		map->listed = false;
		map->prepared = InvalidTransactionId;
		/* the read for which it is made may have taken the time before */
		map->check_last = 0;
		map->check_next = GetCurrentTimestamp() + PGMQ_CHECK_PERIOD;
		map->check_from = PG_INT64_MIN;
		map->check_finds = 0;
		pgmq_tree_set_unknown(&map->tree);
	}
	if (map->identity != identity)
	{
		map->identity = identity;
		pgmq_tree_set_unknown(&map->tree);
	}
	map->used = true;
	ref = pgmq_map_refer(map);
	LWLockRelease(&map->lock);
	LWLockRelease(&pgmq_directory->lock);
	return ref;
}

/*
 * A queue table of this database was dropped: its map, if it has one, gives up
 * its nodes and is the next to be taken.  For callbacks.
 */
void
pgmq_directory_drop(Oid relid)
{
	PgmqMap    *map = pgmq_directory_lock(relid, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	pgmq_tree_set_unknown(&map->tree);
	map->identity = 0;
	map->used = false;
	LWLockRelease(&map->lock);
}

/*
 * Set the counts of the directory.  Maps of queues that were dropped do not count.
 */
void
pgmq_directory_memory(PgmqMemory *memory)
{
	memory->maps_used = 0;
	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	for (int i = 0; i < pgmq_directory->nused; i++)
		if (pgmq_directory->maps[i].identity != 0)
			memory->maps_used++;
	memory->maps_total = pgmq_directory->nmaps;
	memory->evictions = pgmq_directory->evictions;
	LWLockRelease(&pgmq_directory->lock);
}
