/*-------------------------------------------------------------------------
 *
 * directory.c
 *	  Which queue has which due map.
 *
 * A queue has a slot in a fixed table, found by hash.  When none is free, a
 * hand goes round the slots and takes one that was not used since it last
 * came by; it does not go far before it takes any.  When nodes run out, maps
 * that nobody looks at give up theirs.  An announcement that
 * finds its slot gone, or never had one, moves a *loss counter* (one of many,
 * by the table's OID); a map whose counter has moved makes itself unknown
 * before it is looked at.
 *
 * A map also knows which prepared transactions wrote to its queue.  One that
 * knows of any cannot be taken.
 *
 * Locks: directory lock, then one map's lock.  A map's key and generation
 * change under both, so either suffices to read them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/directory.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "duemap.h"
#include "engine.h"
#include "pgmq.h"

/* How many maps in use are spared when one must go. */
#define MAX_SPARED		64

/* How often maps must give up nodes when these run out. */
#define RECLAIM_PERIOD	(60 * USECS_PER_SEC)

#define NO_MAP			(-1)

PgmqDirectory *pgmq_directory = NULL;

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* Make a directory in size bytes of shared memory; called once. */
void
pgmq_map_init(void *memory, Size size, int tranche)
{
	pgmq_directory = memory;
	pgmq_directory->nmaps = (size - offsetof(PgmqDirectory, maps)) / sizeof(PgmqMap);
	LWLockInitialize(&pgmq_directory->lock, tranche);
	pgmq_directory->nused = 0;
	pgmq_directory->hand = 0;
	pg_atomic_init_u64(&pgmq_directory->reclaimed, 0);
	for (int i = 0; i < PGMQ_LOSS_COUNTERS; i++)
		pg_atomic_init_u32(&pgmq_directory->losses[i], 0);
	memset(pgmq_directory->maps, 0, pgmq_directory->nmaps * sizeof(PgmqMap));
	for (int i = 0; i < pgmq_directory->nmaps; i++)
	{
		LWLockInitialize(&pgmq_directory->maps[i].lock, tranche);
		pgmq_directory->maps[i].first = NO_MAP;
		pgmq_tree_make(&pgmq_directory->maps[i].tree);
		pg_atomic_init_u32(&pgmq_directory->maps[i].readers, 0);
		pg_atomic_init_u32(&pgmq_directory->maps[i].turn, 0);
	}
}

/* Use the directory in this backend. */
void
pgmq_map_use(void *memory)
{
	pgmq_directory = memory;
}

/* ----------------------------------------------------------------
 *		Which map is whose
 * ----------------------------------------------------------------
 */

/* Where the chain begins that a queue's map is in, if it has one. */
static inline int *
map_chain(Oid dboid, Oid relid)
{
	return &pgmq_directory->maps[pgmq_map_hash(dboid, relid) % pgmq_directory->nmaps].first;
}

/* The directory's lock is held. */
PgmqMap *
pgmq_directory_search(Oid dboid, Oid relid)
{
	for (int i = *map_chain(dboid, relid); i != NO_MAP; i = pgmq_directory->maps[i].next)
		if (pgmq_directory->maps[i].relid == relid && pgmq_directory->maps[i].dboid == dboid)
			return &pgmq_directory->maps[i];
	return NULL;
}

/*
 * Which of those have not ended: into kept, which has room for PGMQ_MAX_PREPARED,
 * and *more; the number of the former.
 */
int
pgmq_map_prepared(const PgmqMap *map, TransactionId *kept, TransactionId *more)
{
	int			nkept = 0;

	for (int i = 0; i < map->nprepared; i++)
		if (TransactionIdIsInProgress(map->prepared[i]))
			kept[nkept++] = map->prepared[i];

	/*
	 * The nameless have ended for certain when nothing as old is in progress.
	 * A parallel query may take no snapshot, and leaves that to others.
	 */
	*more = map->more_prepared;
	if (nkept == 0 && TransactionIdIsValid(*more) && !IsInParallelMode() &&
		TransactionIdPrecedes(*more, GetLatestSnapshot()->xmin))
		*more = InvalidTransactionId;
	return nkept;
}

/*
 * A prepared transaction that wrote here may become visible at any time, with
 * nobody to announce it.  False while there is one; when the last has ended
 * the map is made unknown.
 */
bool
pgmq_map_check_prepared(PgmqMap *map)
{
	TransactionId kept[PGMQ_MAX_PREPARED];
	TransactionId more;
	int			nkept;

	if (!map->listed || !pgmq_map_has_prepared(map))
		return map->listed;

	/* this may fail, so change nothing before it is done */
	nkept = pgmq_map_prepared(map, kept, &more);
	if (nkept < map->nprepared || more != map->more_prepared)
		pgmq_tree_set_unknown(&map->tree);
	memcpy(map->prepared, kept, nkept * sizeof(TransactionId));
	map->nprepared = nkept;
	map->more_prepared = more;
	return !pgmq_map_has_prepared(map);
}

/*
 * A map for another queue, locked: one that has had none yet, or one that its
 * queue must do without.  What a map knows of prepared transactions must not
 * be lost while there are any; NULL if they all know of some.  The
 * directory's lock is held, exclusively.
 */
static PgmqMap *
map_take(void)
{
	PgmqMap    *map;

	if (pgmq_directory->nused < pgmq_directory->nmaps)
	{
		map = &pgmq_directory->maps[pgmq_directory->nused++];
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		return map;
	}
	for (int i = 0; i < pgmq_directory->nmaps + MAX_SPARED; i++)
	{
		map = &pgmq_directory->maps[pgmq_directory->hand];
		pgmq_directory->hand = (pgmq_directory->hand + 1) % pgmq_directory->nmaps;
		if (map->used && i < MAX_SPARED)
		{
			map->used = false;
			continue;
		}
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		if (!pgmq_map_has_prepared(map) || pgmq_map_check_prepared(map))
		{
			int		   *link = map_chain(map->dboid, map->relid);

			while (&pgmq_directory->maps[*link] != map)
				link = &pgmq_directory->maps[*link].next;
			*link = map->next;
			return map;
		}
		LWLockRelease(&map->lock);
	}
	return NULL;
}

/*
 * Nodes run out: now and then, make those maps unknown that nobody has looked
 * at since the last time, those of dropped queues among them.  For callbacks.
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
 * The map of a queue table of this database, if there is one and it is of
 * identity.
 */
PgmqMapRef
pgmq_map_search(Oid relid, uint64 identity)
{
	PgmqMapRef	ref = {NULL, 0, 0};
	PgmqMap    *map;

	if (!pgmq_shmem_attach())
		return ref;
	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	map = pgmq_directory_search(MyDatabaseId, relid);
	if (map != NULL)
	{
		LWLockAcquire(&map->lock, LW_SHARED);
		if (map->identity == identity && map->listed)
			ref = pgmq_map_refer(map);
		LWLockRelease(&map->lock);
	}
	LWLockRelease(&pgmq_directory->lock);
	return ref;
}

/*
 * The map of a queue table of this database, made if need be.  identity
 * tells of what it is a map (see identity.c); a map of anything else is made
 * unknown.  *listed false: the map is new, and the caller must note the
 * transactions that are prepared and then call pgmq_map_listed.  The
 * reference is worth nothing (map NULL) without shared memory, or when all
 * maps know of prepared transactions.
 */
PgmqMapRef
pgmq_map_attach(Oid relid, uint64 identity, bool *listed)
{
	PgmqMapRef	ref = {NULL, 0, 0};
	PgmqMap    *map;

	*listed = true;
	if (!pgmq_shmem_attach())
		return ref;

	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	map = pgmq_directory_search(MyDatabaseId, relid);
	if (map == NULL)
	{
		LWLockRelease(&pgmq_directory->lock);
		LWLockAcquire(&pgmq_directory->lock, LW_EXCLUSIVE);
		map = pgmq_directory_search(MyDatabaseId, relid);
	}
	if (map == NULL)
	{
		map = map_take();
		if (map != NULL)
		{
			int		   *link = map_chain(MyDatabaseId, relid);

			map->next = *link;
			*link = map - pgmq_directory->maps;
			map->dboid = MyDatabaseId;
			map->relid = relid;
			map->generation = pgmq_tree_version();
			map->identity = identity;
			map->losses = pg_atomic_read_u32(pgmq_map_losses(MyDatabaseId, relid));
			map->nprepared = 0;
			map->more_prepared = InvalidTransactionId;
			map->listed = false;
			map->net_last = GetCurrentTimestamp();
			map->net_next = map->net_last + PGMQ_NET_PERIOD;
			map->net_from = PG_INT64_MIN;
			map->net_finds = 0;
			pg_atomic_write_u32(&map->turn, 0);
			pgmq_tree_set_unknown(&map->tree);
			LWLockRelease(&map->lock);
		}
	}
	if (map != NULL)
	{
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		if (map->identity != identity)
		{
			map->identity = identity;
			pgmq_tree_set_unknown(&map->tree);
		}
		map->used = true;
		*listed = map->listed;
		ref = pgmq_map_refer(map);
		LWLockRelease(&map->lock);
	}
	LWLockRelease(&pgmq_directory->lock);
	return ref;
}

/*
 * A queue table of this database is gone: others may have the nodes of its
 * map, if it has one, and this itself first of all.  For callbacks.
 */
void
pgmq_map_drop(Oid relid)
{
	PgmqMap    *map;

	LWLockAcquire(&pgmq_directory->lock, LW_SHARED);
	map = pgmq_directory_search(MyDatabaseId, relid);
	if (map != NULL)
	{
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		pgmq_tree_set_unknown(&map->tree);
		map->used = false;
		LWLockRelease(&map->lock);
	}
	LWLockRelease(&pgmq_directory->lock);
}

/* ----------------------------------------------------------------
 *		Prepared transactions
 * ----------------------------------------------------------------
 */

/*
 * This transaction, which wrote to the queue, is about to be prepared.  It
 * cannot announce its commit itself, so the queue is looked at without the
 * map until it has ended; of those that are too many, until all that are as
 * old have ended.  False if the reference leads to no map in which to note it.
 */
bool
pgmq_map_prepare(PgmqMapRef ref, TransactionId xid)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);
	bool		known = false;

	if (map == NULL)
		return false;
	for (int i = 0; i < map->nprepared; i++)
		known = known || map->prepared[i] == xid;
	if (!known && map->nprepared < PGMQ_MAX_PREPARED)
		map->prepared[map->nprepared++] = xid;
	else if (!known && (!TransactionIdIsValid(map->more_prepared) ||
						TransactionIdPrecedes(map->more_prepared, xid)))
		map->more_prepared = xid;
	LWLockRelease(&map->lock);
	return true;
}

/* All transactions that were prepared before the map was made are noted. */
void
pgmq_map_listed(PgmqMapRef ref)
{
	PgmqMap    *map = pgmq_map_lock(ref, LW_EXCLUSIVE);

	if (map != NULL)
	{
		map->listed = true;
		LWLockRelease(&map->lock);
	}
}
