/*-------------------------------------------------------------------------
 *
 * duemap.c
 *	  The due map: when is each block of message ids next readable?
 *
 * Ids fall into blocks of 64.  For each block of a queue the map has one
 * point in time, *due*: a lower bound of the next instant at which any
 * message in it can be read.  DUE_NOW: unknown, look.  DUE_NEVER: nothing
 * there.  A read asks the table only for the blocks that are due, so that
 * messages delayed, in flight, or dead behind a pinned horizon cost nothing.
 *
 * The map is a hint and errs on one side.  Where it says "due" too early, a
 * look is wasted; it must never say "not due" of a message that a read would
 * return.  A message becomes readable by a commit, which is announced
 * (pgmq_map_announce lowers due), or by time passing, which due allows for.
 * Only a reader raises due, when it has seen in a snapshot what is left in a
 * block, and only if nothing was announced there since before the snapshot:
 * it notes the block's *version* first, and the raise is refused if that has
 * moved.  All versions are drawn from one sequence for all queues and never
 * used twice, so a block that was merged, dropped and made anew meanwhile
 * cannot be mistaken for the one noted.
 *
 * The structure is duetree.c's; who announces and who may raise is xact.c's
 * and look.c's.  Here is which queue has which map:
 *
 *	- A queue has a slot in a fixed table, found by hash.  When none is free, a
 *	  hand goes round the slots and takes one that was not used since it last
 *	  came by; it does not go far before it takes any.  When nodes run out,
 *	  maps that nobody looks at give up theirs.  An announcement that finds
 *	  its slot gone, or never had one, moves a *loss counter* (one of many, by the table's OID); a map
 *	  whose counter has moved makes itself unknown before it is looked at.
 *	- Unknown is the state of everything at first.
 *
 * pgmq_map_announce and pgmq_map_raise are called in commit callbacks, where
 * an error would be a panic: they take LWLocks and change shared words, and
 * call nothing that could raise.
 *
 * Locks: directory lock, then one map's lock.  A map's key and generation
 * change under both, so either suffices to read them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

/* The net goes around no more often, and takes no more of the time. */
#define NET_PERIOD			(10 * USECS_PER_SEC)
#define NET_COST_FACTOR		100

#define N_LOSS_COUNTERS	1024

/* Prepared transactions that a map knows by name. */
#define MAX_PREPARED	8

/* How many maps in use are spared when one must go. */
#define MAX_SPARED		64

/* How often maps must give up nodes when these run out. */
#define RECLAIM_PERIOD	(60 * USECS_PER_SEC)

#define NO_MAP			(-1)

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
	uint32		losses;			/* loss counter when last made unknown */
	bool		listed;			/* earlier prepared transactions are known */
	int			nprepared;		/* prepared transactions that wrote here */
	TransactionId prepared[MAX_PREPARED];
	TransactionId more_prepared;	/* the newest of those that were too many */

	PgmqTree	tree;

	pg_atomic_uint32 readers;	/* transactions that take messages here */
	pg_atomic_uint32 turn;		/* counts looks beside others */

	TimestampTz net_begun;		/* when the net was cast from the beginning */
	int64		net_from;		/* from where it is to go on */
	TimestampTz net_last;		/* when it was cast */
	TimestampTz net_next;		/* and is to be cast again */
	uint64		net_finds;
};

typedef struct Directory
{
	LWLock		lock;			/* the keys and chains of all maps */
	pg_atomic_uint32 losses[N_LOSS_COUNTERS];
	int			nmaps;
	int			nused;			/* the first so many have had a queue */
	int			hand;			/* the next to go, perhaps */
	pg_atomic_uint64 reclaimed; /* when nodes were taken from maps */
	PgmqMap		maps[FLEXIBLE_ARRAY_MEMBER];
} Directory;

static Directory *directory = NULL;

/* The map in which this transaction counts as a reader. */
static PgmqMap *reading = NULL;

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* Make a directory in size bytes of shared memory; called once. */
void
pgmq_map_init(void *memory, Size size, int tranche)
{
	directory = memory;
	directory->nmaps = (size - offsetof(Directory, maps)) / sizeof(PgmqMap);
	LWLockInitialize(&directory->lock, tranche);
	directory->nused = 0;
	directory->hand = 0;
	pg_atomic_init_u64(&directory->reclaimed, 0);
	for (int i = 0; i < N_LOSS_COUNTERS; i++)
		pg_atomic_init_u32(&directory->losses[i], 0);
	memset(directory->maps, 0, directory->nmaps * sizeof(PgmqMap));
	for (int i = 0; i < directory->nmaps; i++)
	{
		LWLockInitialize(&directory->maps[i].lock, tranche);
		directory->maps[i].first = NO_MAP;
		pgmq_tree_make(&directory->maps[i].tree);
		pg_atomic_init_u32(&directory->maps[i].readers, 0);
		pg_atomic_init_u32(&directory->maps[i].turn, 0);
	}
}

/* Use the directory in this backend. */
void
pgmq_map_use(void *memory)
{
	directory = memory;
}

static inline uint32
key_hash(Oid dboid, Oid relid)
{
	return hash_combine(murmurhash32(dboid), murmurhash32(relid));
}

static inline pg_atomic_uint32 *
loss_counter(Oid dboid, Oid relid)
{
	return &directory->losses[key_hash(dboid, relid) % N_LOSS_COUNTERS];
}

/* ----------------------------------------------------------------
 *		Which map is whose
 * ----------------------------------------------------------------
 */

/*
 * Whether a reference still leads to its map.  Without a lock: what is true
 * now may be false under the lock, where it is tested again.
 */
bool
pgmq_map_is_current(PgmqMapRef ref)
{
	return ref.map->generation == ref.generation && ref.map->identity == ref.identity;
}

/* Lock the map that a backend attached to, if it still is that queue's. */
static PgmqMap *
map_lock(PgmqMapRef ref, LWLockMode mode)
{
	if (ref.map == NULL)
		return NULL;
	LWLockAcquire(&ref.map->lock, mode);
	if (ref.map->generation == ref.generation)
		return ref.map;
	LWLockRelease(&ref.map->lock);
	return NULL;
}

/* Where the chain begins that a queue's map is in, if it has one. */
static inline int *
map_chain(Oid dboid, Oid relid)
{
	return &directory->maps[key_hash(dboid, relid) % directory->nmaps].first;
}

/* The directory's lock is held. */
static PgmqMap *
map_search(Oid dboid, Oid relid)
{
	for (int i = *map_chain(dboid, relid); i != NO_MAP; i = directory->maps[i].next)
		if (directory->maps[i].relid == relid && directory->maps[i].dboid == dboid)
			return &directory->maps[i];
	return NULL;
}

/* Whether transactions that wrote here may be prepared still; unchecked. */
static inline bool
map_has_prepared(const PgmqMap *map)
{
	return map->nprepared > 0 || TransactionIdIsValid(map->more_prepared);
}

/*
 * Which of those have not ended: into kept, which has room for MAX_PREPARED,
 * and *more; the number of the former.
 */
static int
map_prepared(const PgmqMap *map, TransactionId *kept, TransactionId *more)
{
	int			nkept = 0;

	for (int i = 0; i < map->nprepared; i++)
		if (TransactionIdIsInProgress(map->prepared[i]))
			kept[nkept++] = map->prepared[i];

	/* the nameless have ended for certain when nothing as old is in progress */
	*more = map->more_prepared;
	if (nkept == 0 && TransactionIdIsValid(*more) &&
		TransactionIdPrecedes(*more, GetLatestSnapshot()->xmin))
		*more = InvalidTransactionId;
	return nkept;
}

/*
 * A prepared transaction that wrote here may become visible at any time, with
 * nobody to announce it.  False while there is one; when the last has ended
 * the map is made unknown.
 */
static bool
map_check_prepared(PgmqMap *map)
{
	TransactionId kept[MAX_PREPARED];
	TransactionId more;
	int			nkept;

	if (!map->listed || !map_has_prepared(map))
		return map->listed;

	/* this may fail, so change nothing before it is done */
	nkept = map_prepared(map, kept, &more);
	if (nkept < map->nprepared || more != map->more_prepared)
		pgmq_tree_set_unknown(&map->tree);
	memcpy(map->prepared, kept, nkept * sizeof(TransactionId));
	map->nprepared = nkept;
	map->more_prepared = more;
	return !map_has_prepared(map);
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

	if (directory->nused < directory->nmaps)
	{
		map = &directory->maps[directory->nused++];
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		return map;
	}
	for (int i = 0; i < directory->nmaps + MAX_SPARED; i++)
	{
		map = &directory->maps[directory->hand];
		directory->hand = (directory->hand + 1) % directory->nmaps;
		if (map->used && i < MAX_SPARED)
		{
			map->used = false;
			continue;
		}
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		if (!map_has_prepared(map) || map_check_prepared(map))
		{
			int		   *link = map_chain(map->dboid, map->relid);

			while (&directory->maps[*link] != map)
				link = &directory->maps[*link].next;
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
static void
maps_reclaim(void)
{
	uint64		last = pg_atomic_read_u64(&directory->reclaimed);
	TimestampTz now = GetCurrentTimestamp();

	/* the clock may have been set back since */
	if ((now >= (TimestampTz) last && now - (TimestampTz) last < RECLAIM_PERIOD) ||
		!pg_atomic_compare_exchange_u64(&directory->reclaimed, &last, (uint64) now))
		return;
	for (int i = 0; i < directory->nused; i++)
	{
		PgmqMap    *map = &directory->maps[i];

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

/* A reference for the backend to keep; the map's lock is held. */
static inline PgmqMapRef
map_refer(PgmqMap *map)
{
	return (PgmqMapRef)
	{
		map, map->generation, map->identity
	};
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
	LWLockAcquire(&directory->lock, LW_SHARED);
	map = map_search(MyDatabaseId, relid);
	if (map != NULL)
	{
		LWLockAcquire(&map->lock, LW_SHARED);
		if (map->identity == identity && map->listed)
			ref = map_refer(map);
		LWLockRelease(&map->lock);
	}
	LWLockRelease(&directory->lock);
	return ref;
}

/*
 * The map of a queue table of this database, made if need be.  identity
 * tells of what it is a map (see identity.c); a map of anything else is made
 * unknown.  *listed false: the map is new, and the caller must note the
 * transactions that are prepared and then call pgmq_map_listed.  The reference is worth nothing (map NULL) without
 * shared memory, or when all maps know of prepared transactions.
 */
PgmqMapRef
pgmq_map_attach(Oid relid, uint64 identity, bool *listed)
{
	PgmqMapRef	ref = {NULL, 0, 0};
	PgmqMap    *map;

	*listed = true;
	if (!pgmq_shmem_attach())
		return ref;

	LWLockAcquire(&directory->lock, LW_SHARED);
	map = map_search(MyDatabaseId, relid);
	if (map == NULL)
	{
		LWLockRelease(&directory->lock);
		LWLockAcquire(&directory->lock, LW_EXCLUSIVE);
		map = map_search(MyDatabaseId, relid);
	}
	if (map == NULL)
	{
		map = map_take();
		if (map != NULL)
		{
			int		   *link = map_chain(MyDatabaseId, relid);

			map->next = *link;
			*link = map - directory->maps;
			map->dboid = MyDatabaseId;
			map->relid = relid;
			map->generation = pgmq_tree_version();
			map->identity = identity;
			map->losses = pg_atomic_read_u32(loss_counter(MyDatabaseId, relid));
			map->nprepared = 0;
			map->more_prepared = InvalidTransactionId;
			map->listed = false;
			map->net_last = GetCurrentTimestamp();
			map->net_next = map->net_last + NET_PERIOD;
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
		ref = map_refer(map);
		LWLockRelease(&map->lock);
	}
	LWLockRelease(&directory->lock);
	return ref;
}

/* ----------------------------------------------------------------
 *		What the floors above ask for
 * ----------------------------------------------------------------
 */

/*
 * What is due by now, from an id on, in order: at most max pieces of the map
 * into dues, each with the version to be shown when it is raised.  Returns
 * their number, or -1 when the map cannot be used and all must be looked at.
 */
int
pgmq_map_find(PgmqMapRef ref, TimestampTz now, int64 from, PgmqDue *dues, int max)
{
	PgmqMap    *map;
	uint32		losses;
	int			n;

	if (!pgmq_shmem_usable() || (map = map_lock(ref, LW_SHARED)) == NULL)
		return -1;
	losses = pg_atomic_read_u32(loss_counter(map->dboid, map->relid));
	if (map->identity != ref.identity)
	{
		LWLockRelease(&map->lock);
		return -1;
	}
	if (!map->used)
		map->used = true;		/* it does not matter if this is lost */
	if (map->losses != losses || map_has_prepared(map) || !map->listed)
	{
		bool		usable;

		LWLockRelease(&map->lock);
		if ((map = map_lock(ref, LW_EXCLUSIVE)) == NULL)
			return -1;
		if (map->identity != ref.identity)
		{
			LWLockRelease(&map->lock);
			return -1;
		}
		if (map->losses != losses)
		{
			map->losses = losses;
			pgmq_tree_set_unknown(&map->tree);
		}
		usable = map_check_prepared(map);
		if (!usable)
		{
			LWLockRelease(&map->lock);
			return -1;
		}
	}
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
	return pgmq_shmem_usable() && map->identity == ref.identity &&
		map->listed && !map_has_prepared(map) &&
		map->losses == pg_atomic_read_u32(loss_counter(map->dboid, map->relid));
}

/* When anything in the queue can next be read; PGMQ_DUE_NOW if unknown. */
TimestampTz
pgmq_map_next_due(PgmqMapRef ref)
{
	PgmqMap    *map = map_lock(ref, LW_SHARED);
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
 * How the map of a queue table stands, which is to be of identity; false if
 * there is none.
 */
bool
pgmq_map_status(Oid relid, uint64 identity, PgmqMapStatus *status)
{
	TransactionId kept[MAX_PREPARED];
	TransactionId more;
	PgmqMap    *map;
	PgmqMapRef	ref;

	if (!pgmq_shmem_usable())
		return false;
	LWLockAcquire(&directory->lock, LW_SHARED);
	map = map_search(MyDatabaseId, relid);
	if (map != NULL)
		LWLockAcquire(&map->lock, LW_SHARED);
	LWLockRelease(&directory->lock);
	if (map == NULL)
		return false;
	ref = map_refer(map);
	ref.identity = identity;
	status->usable = map_holds(map, ref);
	status->prepared = map_has_prepared(map) &&
		(map_prepared(map, kept, &more) > 0 || TransactionIdIsValid(more));
	pgmq_tree_size(&map->tree, &status->pieces, &status->bytes);
	status->next_due = status->usable ? pgmq_tree_min(&map->tree) : PGMQ_DUE_NOW;
	status->net_finds = map->net_finds;
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

	if (directory == NULL)
		return;
	map = map_lock(ref, LW_EXCLUSIVE);
	if (map == NULL)
		pg_atomic_fetch_add_u32(loss_counter(MyDatabaseId, relid), 1);
	else
	{
		pgmq_tree_lower(&map->tree, lo, hi, due);
		LWLockRelease(&map->lock);
	}
}

/*
 * Raise: in a snapshot taken after due was found, the ids from due->lo to
 * upto held nothing but what mins say, in id order.  upto ends a block.  For
 * callbacks.
 */
void
pgmq_map_raise(PgmqMapRef ref, const PgmqDue *due, int64 upto,
			   const PgmqMin *mins, int nmins)
{
	PgmqMap    *map;

	if (pgmq_tree_is_short())
		maps_reclaim();
	map = map_lock(ref, LW_EXCLUSIVE);
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

/*
 * This transaction, which wrote to the queue, is about to be prepared.  It
 * cannot announce its commit itself, so the queue is looked at without the
 * map until it has ended; of those that are too many, until all that are as
 * old have ended.  False if the reference leads to no map in which to note it.
 */
bool
pgmq_map_prepare(PgmqMapRef ref, TransactionId xid)
{
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);
	bool		known = false;

	if (map == NULL)
		return false;
	for (int i = 0; i < map->nprepared; i++)
		known = known || map->prepared[i] == xid;
	if (!known && map->nprepared < MAX_PREPARED)
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
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);

	if (map != NULL)
	{
		map->listed = true;
		LWLockRelease(&map->lock);
	}
}

/* The clock may have been set back since. */
static inline bool
net_is_due(const PgmqMap *map, TimestampTz now)
{
	return now >= map->net_next || now < map->net_last;
}

/*
 * Whether the net is to be cast now: a look at what comes from an id on, the
 * map notwithstanding.  True for one caller in a while; it must say what it
 * found.
 */
bool
pgmq_map_net_claim(PgmqMapRef ref, TimestampTz now, int64 *from)
{
	PgmqMap    *map = map_lock(ref, LW_SHARED);
	bool		claimed = false;

	if (map == NULL)
		return false;
	if (net_is_due(map, now))
	{
		LWLockRelease(&map->lock);
		if ((map = map_lock(ref, LW_EXCLUSIVE)) == NULL)
			return false;
		claimed = net_is_due(map, now);
		if (claimed)
		{
			if (map->net_from == PG_INT64_MIN)
				map->net_begun = now;
			map->net_last = now;
			map->net_next = now + NET_PERIOD;
			*from = map->net_from;
		}
	}
	LWLockRelease(&map->lock);
	return claimed;
}

/* Whether the map would have hidden a message that could be read at now. */
bool
pgmq_map_hides(PgmqMapRef ref, int64 id, TimestampTz now)
{
	PgmqMap    *map = map_lock(ref, LW_SHARED);
	bool		hidden = false;

	if (map != NULL)
	{
		hidden = map_holds(map, ref) && pgmq_tree_slot(&map->tree, id).due > now;
		LWLockRelease(&map->lock);
	}
	return hidden;
}

/*
 * The net cast at now was drawn in after elapsed microseconds, with so many
 * messages that the map would have hidden.  next: where to go on; the least
 * of all ids, if it has been around.
 */
void
pgmq_map_net_done(PgmqMapRef ref, TimestampTz now, int64 elapsed, int64 finds,
				  int64 next)
{
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	map->net_from = next;
	map->net_next = now + NET_COST_FACTOR * elapsed;
	if (next == PG_INT64_MIN)
		map->net_next = Max(map->net_next, map->net_begun + NET_PERIOD);
	map->net_finds += finds;
	if (finds > 0)
		pgmq_tree_set_unknown(&map->tree);
	LWLockRelease(&map->lock);
}
