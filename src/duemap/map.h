/*-------------------------------------------------------------------------
 *
 * map.h
 *	  What lies in the directory of due maps, for directory.c and map.c.
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
#include "storage/lwlock.h"

#include "duemap/tree.h"

/* The full check goes around a queue no more often. */
#define PGMQ_CHECK_PERIOD		(10 * USECS_PER_SEC)

struct PgmqMap
{
	LWLock		lock;
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	uint64		generation;		/* moves when the slot changes hands */
	int			first;			/* of the chain with this slot's number */
	int			next;			/* in the chain that this map is in */
	bool		used;			/* since the hand came by */

	uint64		identity;		/* of what the map is a map; see identity.c */
	bool		listed;			/* no prepared transaction wrote here */
	TransactionId prepared;		/* else one that did, if one is known */

	PgmqTree	tree;

	pg_atomic_uint32 readers;	/* transactions that take messages here */
	pg_atomic_uint32 turn;		/* counts looks beside others */

	TimestampTz check_begun;	/* when it last began with the first id */
	int64		check_from;		/* from where it is to go on */
	TimestampTz check_last;		/* when it was cast */
	TimestampTz check_next;		/* and is to be cast again */
	uint64		check_finds;
};

typedef struct PgmqDirectory
{
	LWLock		lock;			/* the keys and chains of all maps */
	int			nmaps;
	int			nused;			/* the first so many have had a queue */
	int			hand;			/* the next to go, perhaps */
	pg_atomic_uint64 reclaimed; /* when nodes were taken from maps */
	PgmqMap		maps[FLEXIBLE_ARRAY_MEMBER];
} PgmqDirectory;

extern PgmqDirectory *pgmq_directory;

static inline uint32
pgmq_map_hash(Oid dboid, Oid relid)
{
	return hash_combine(murmurhash32(dboid), murmurhash32(relid));
}

/* Lock the map that a backend attached to, if it still is that queue's. */
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
