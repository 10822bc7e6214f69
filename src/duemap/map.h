/*-------------------------------------------------------------------------
 *
 * map.h
 *	  The directory of due maps in shared memory, for directory.c and map.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/map.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_MAP_H
#define PGMQ_MAP_H

#include "access/transam.h"
#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

#include "duemap/tree.h"

/* A table is checked in full no more often than this. */
#define PGMQ_CHECK_PERIOD		(10 * USECS_PER_SEC)

struct PgmqMap
{
	LWLock		lock;
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	uint64		generation;		/* moves when the slot changes hands */
	int			first;			/* of the chain with this slot's number */
	int			next;			/* in the chain that this map is in */
	bool		used;			/* since the clock hand passed */

	uint64		identity;		/* which state of the queue it describes */
	bool		listed;			/* no open prepared transaction wrote here */
	TransactionId prepared;		/* one that did, if it is known */

	PgmqTree	tree;
	pg_atomic_uint32 nlooks;	/* looks that have ended */
	ConditionVariable look_end; /* readers wait here until one has */

	TimestampTz check_begun;	/* when a full check began at the first id */
	int64		check_from;		/* where the next one begins */
	TimestampTz check_last;		/* when the last one was */
	TimestampTz check_next;		/* when the next one is due */
	uint64		check_finds;
};

typedef struct PgmqDirectory
{
	LWLock		lock;			/* the keys and chains of all maps */
	int			nmaps;
	int			nused;			/* this many, from the first, have had a queue */
	int			hand;			/* the clock hand: may be taken next */
	pg_atomic_uint64 reclaimed; /* when maps last gave up nodes */
	uint64		evictions;		/* how often a map was taken for another queue */
	PgmqMap		maps[FLEXIBLE_ARRAY_MEMBER];
} PgmqDirectory;

extern PgmqDirectory *pgmq_directory;

static inline uint32
pgmq_map_hash(Oid dboid, Oid relid)
{
	return hash_combine(murmurhash32(dboid), murmurhash32(relid));
}

/* Lock the map that a reference leads to; NULL if another queue has it by now. */
static inline PgmqMap *
pgmq_map_lock(PgmqMapRef ref, LWLockMode mode)
{
	if (ref.map == NULL)
		return NULL;
	LWLockAcquire(&ref.map->lock, mode);
	if (ref.map->generation == ref.generation)
		return ref.map;
	LWLockRelease(&ref.map->lock);
	return NULL;
}

/* A reference for the backend to keep; the map's lock is held. */
static inline PgmqMapRef
pgmq_map_refer(PgmqMap *map)
{
	return (PgmqMapRef)
	{
		map, map->generation, map->identity
	};
}

extern PgmqMap *pgmq_directory_lock(Oid relid, LWLockMode mode);
extern void pgmq_directory_reclaim(void);

#endif							/* PGMQ_MAP_H */
