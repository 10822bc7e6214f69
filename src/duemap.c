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
 * Who announces and who may raise is xact.c's and look.c's; here are the
 * structure and its rules:
 *
 *	- A queue's map is a radix tree of 64-way nodes over the blocks.  A slot
 *	  of a node has a due, which is the least of the child's if it has one,
 *	  and else holds for all ids below it: one such slot can stand for a block
 *	  or, higher up, for a great many.  What the tree does not cover, ids at
 *	  its far end and negative ones, has an edge each, which always exists.
 *	- Nodes come from a fixed pool.  When there is none, a slot (or an edge)
 *	  takes the announcement for all that is below it; before that, the
 *	  queue's own farthest future is merged.  So an announcement cannot fail.
 *	- A queue has a slot in a fixed table.  When none is free the one not used
 *	  for longest goes.  An announcement that finds its slot gone, or never
 *	  had one, moves a *loss counter* (one of many, by the table's OID); a map
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
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

#define FANOUT_BITS		6
#define FANOUT			(1 << FANOUT_BITS)

/* A slot of a node on this level stands for this many bits of ids. */
#define SLOT_SHIFT(level)	(PGMQ_BLOCK_BITS + FANOUT_BITS * (level))

/* On this level a node covers all ids that are not negative. */
#define TOP_LEVEL		9

#define NO_NODE			(-1)

/* Nodes wanted free before an announcement: two edges of a range, all levels. */
#define NODES_WANTED	(2 * (TOP_LEVEL + 1))

/* The net is cast no more often, and takes no more of the time. */
#define NET_PERIOD			(10 * USECS_PER_SEC)
#define NET_COST_FACTOR		100

#define N_LOSS_COUNTERS	1024
#define MAX_PREPARED	8

typedef struct MapNode
{
	TimestampTz due[FANOUT];
	uint64		tag[FANOUT];	/* version; with a child, its number */
	uint64		children;		/* bit set: the slot has a child */
} MapNode;

#define HAS_CHILD(node, i)	(((node)->children & (UINT64CONST(1) << (i))) != 0)
#define NODE(n)				(&nodes[n])

/* What lies beyond the tree. */
typedef struct Edge
{
	TimestampTz due;
	uint64		version;
} Edge;

struct PgmqMap
{
	LWLock		lock;
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	uint64		generation;		/* moves when the slot changes hands */
	uint64		last_used;		/* reading of the directory's clock */

	uint64		identity;		/* of what the map is a map; see identity.c */
	uint32		losses;			/* loss counter when last made unknown */
	bool		listed;			/* earlier prepared transactions are known */
	int			nprepared;		/* prepared transactions that wrote here */
	TransactionId prepared[MAX_PREPARED];

	Edge		below;			/* ids less than zero */
	Edge		above;			/* ids that the tree does not cover */
	int32		root;
	int			level;			/* of the root; -1 without one */
	int			nnodes;

	TimestampTz net_next;		/* when the net is to be cast again */
	uint64		net_finds;

	int			waiter_first;	/* waiting backends; see waiter.c */
	int			waiter_last;
};

typedef struct Directory
{
	LWLock		lock;			/* the keys of all maps */
	pg_atomic_uint64 version;	/* last version drawn */
	pg_atomic_uint64 clock;		/* counts attachments */
	pg_atomic_uint32 losses[N_LOSS_COUNTERS];
	int			nmaps;
	int			nnodes;
	slock_t		free_lock;
	int32		free_first;		/* free nodes, linked by tag[0] */
	int			nfree;
	Size		nodes_offset;
	PgmqMap		maps[FLEXIBLE_ARRAY_MEMBER];
} Directory;

static Directory *directory = NULL;
static MapNode *nodes = NULL;

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* Lay out the directory and the nodes in size bytes; called once. */
void
pgmq_map_init(void *memory, Size size, int tranche)
{
	Directory  *dir = memory;
	MapNode    *pool;

	/* a sixth for the maps: over 10,000 queues by default */
	dir->nmaps = size / 6 / sizeof(PgmqMap);
	dir->nodes_offset = MAXALIGN(offsetof(Directory, maps) + dir->nmaps * sizeof(PgmqMap));
	dir->nnodes = (size - dir->nodes_offset) / sizeof(MapNode);
	LWLockInitialize(&dir->lock, tranche);
	pg_atomic_init_u64(&dir->version, 0);
	pg_atomic_init_u64(&dir->clock, 0);
	for (int i = 0; i < N_LOSS_COUNTERS; i++)
		pg_atomic_init_u32(&dir->losses[i], 0);
	SpinLockInit(&dir->free_lock);
	for (int i = 0; i < dir->nmaps; i++)
	{
		memset(&dir->maps[i], 0, sizeof(PgmqMap));
		LWLockInitialize(&dir->maps[i].lock, tranche);
		dir->maps[i].root = NO_NODE;
		dir->maps[i].waiter_first = dir->maps[i].waiter_last = -1;
	}
	pool = (MapNode *) ((char *) dir + dir->nodes_offset);
	for (int i = 0; i < dir->nnodes; i++)
		pool[i].tag[0] = i + 1 < dir->nnodes ? i + 1 : -1;
	dir->free_first = 0;
	dir->nfree = dir->nnodes;
}

/* Use the memory in this backend. */
void
pgmq_map_use(void *memory)
{
	directory = memory;
	nodes = (MapNode *) ((char *) directory + directory->nodes_offset);
}

static inline uint64
next_version(void)
{
	return pg_atomic_add_fetch_u64(&directory->version, 1);
}

static inline pg_atomic_uint32 *
loss_counter(Oid dboid, Oid relid)
{
	return &directory->losses[hash_combine(murmurhash32(dboid), murmurhash32(relid)) % N_LOSS_COUNTERS];
}

/* ----------------------------------------------------------------
 *		Nodes.  The map's lock is held exclusively, but for finding.
 * ----------------------------------------------------------------
 */

/* A node with all slots set to due, each with a version of its own; or none. */
static int32
node_alloc(PgmqMap *map, TimestampTz due)
{
	int32		n;
	uint64		version;

	/* one queue may have a quarter of the pool */
	if (map->nnodes >= Max(directory->nnodes / 4, NODES_WANTED))
		return NO_NODE;
	SpinLockAcquire(&directory->free_lock);
	n = directory->free_first;
	if (n != NO_NODE)
	{
		directory->free_first = (int32) NODE(n)->tag[0];
		directory->nfree--;
	}
	SpinLockRelease(&directory->free_lock);
	if (n == NO_NODE)
		return NO_NODE;

	map->nnodes++;
	version = next_version();
	for (int i = 0; i < FANOUT; i++)
	{
		NODE(n)->due[i] = due;
		NODE(n)->tag[i] = version;
	}
	NODE(n)->children = 0;
	return n;
}

static void
node_free(PgmqMap *map, int32 n)
{
	map->nnodes--;
	SpinLockAcquire(&directory->free_lock);
	NODE(n)->tag[0] = (uint64) (int64) directory->free_first;
	directory->free_first = n;
	directory->nfree++;
	SpinLockRelease(&directory->free_lock);
}

static void
node_free_all(PgmqMap *map, int32 n)
{
	for (int i = 0; i < FANOUT; i++)
		if (HAS_CHILD(NODE(n), i))
			node_free_all(map, (int32) NODE(n)->tag[i]);
	node_free(map, n);
}

static TimestampTz
node_min(int32 n)
{
	TimestampTz min = NODE(n)->due[0];

	for (int i = 1; i < FANOUT; i++)
		min = Min(min, NODE(n)->due[i]);
	return min;
}

static inline void
slot_set_child(MapNode *node, int i, int32 child)
{
	node->children |= UINT64CONST(1) << i;
	node->tag[i] = child;
	node->due[i] = node_min(child);
}

/* Make a slot stand for all below it, from now on. */
static inline void
slot_set(PgmqMap *map, MapNode *node, int i, TimestampTz due)
{
	if (HAS_CHILD(node, i))
	{
		node_free_all(map, (int32) node->tag[i]);
		node->children &= ~(UINT64CONST(1) << i);
	}
	node->due[i] = due;
	node->tag[i] = next_version();
}

/*
 * Announce due for the ids lo to hi, which count from the node's first.
 */
static void
node_lower(PgmqMap *map, int32 n, int level, uint64 lo, uint64 hi, TimestampTz due)
{
	int			shift = SLOT_SHIFT(level);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		MapNode    *node = NODE(n);
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (level > 0 && !(lo <= first && hi >= last))
		{
			/* part of a slot: go down, if there is or can be a node */
			if (!HAS_CHILD(node, i) && node->due[i] == PGMQ_DUE_NEVER)
			{
				int32		child = node_alloc(map, PGMQ_DUE_NEVER);

				if (child != NO_NODE)
					slot_set_child(node, i, child);
			}
			if (HAS_CHILD(node, i))
			{
				node_lower(map, (int32) node->tag[i], level - 1,
						   Max(lo, first) - first, Min(hi, last) - first, due);
				node->due[i] = Min(node->due[i], due);
				continue;
			}
		}
		slot_set(map, node, i, Min(node->due[i], due));
	}
}

/*
 * Forget the ids lo to hi, whole blocks: nothing there.  What cannot be
 * forgotten alone, for want of a node, stays as it is.
 */
static void
node_clear(PgmqMap *map, int32 n, int level, uint64 lo, uint64 hi)
{
	int			shift = SLOT_SHIFT(level);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		MapNode    *node = NODE(n);
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;
		int32		child;

		if (node->due[i] == PGMQ_DUE_NEVER)
			continue;
		if (lo <= first && hi >= last)
		{
			slot_set(map, node, i, PGMQ_DUE_NEVER);
			continue;
		}
		Assert(level > 0);
		if (!HAS_CHILD(node, i))
		{
			child = node_alloc(map, node->due[i]);
			if (child == NO_NODE)
				continue;
			slot_set_child(node, i, child);
		}
		child = (int32) node->tag[i];
		node_clear(map, child, level - 1, Max(lo, first) - first, Min(hi, last) - first);
		node->due[i] = node_min(child);
		if (node->due[i] == PGMQ_DUE_NEVER)
			slot_set(map, node, i, PGMQ_DUE_NEVER);
	}
}

/* Merge the farthest future that a node holds; false if there is none. */
static bool
node_merge_farthest(PgmqMap *map, int32 n)
{
	MapNode    *node = NODE(n);
	int			farthest = -1;

	for (int i = 0; i < FANOUT; i++)
		if (HAS_CHILD(node, i) &&
			(farthest < 0 || node->due[i] >= node->due[farthest]))
			farthest = i;
	if (farthest < 0)
		return false;
	if (!node_merge_farthest(map, (int32) node->tag[farthest]))
		slot_set(map, node, farthest, node->due[farthest]);
	return true;
}

/* Collects what is due; see pgmq_map_find. */
typedef struct Finder
{
	TimestampTz now;
	uint64		from;
	PgmqDue    *dues;
	int			max;
	int			n;
} Finder;

static void
node_find(int32 n, int level, uint64 base, Finder *finder)
{
	MapNode    *node = NODE(n);
	int			shift = SLOT_SHIFT(level);

	for (int i = 0; i < FANOUT && finder->n < finder->max; i++)
	{
		uint64		first = base + ((uint64) i << shift);
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (node->due[i] > finder->now || last < finder->from)
			continue;
		if (HAS_CHILD(node, i))
			node_find((int32) node->tag[i], level - 1, first, finder);
		else
			finder->dues[finder->n++] = (PgmqDue)
			{
				.lo = (int64) first, .hi = (int64) last, .version = node->tag[i]
			};
	}
}

/* The slot that holds an id's due: its due and version. */
static Edge
node_slot(int32 n, int level, uint64 id)
{
	for (;; level--)
	{
		int			i = (id >> SLOT_SHIFT(level)) & (FANOUT - 1);

		if (!HAS_CHILD(NODE(n), i))
			return (Edge) {NODE(n)->due[i], NODE(n)->tag[i]};
		n = (int32) NODE(n)->tag[i];
	}
}

/* ----------------------------------------------------------------
 *		One queue's map.  Its lock is held exclusively.
 * ----------------------------------------------------------------
 */

/* Whether the tree covers an id that is not negative. */
static inline bool
map_covers(const PgmqMap *map, uint64 id)
{
	return map->level >= TOP_LEVEL ||
		(map->level >= 0 && id >> SLOT_SHIFT(map->level + 1) == 0);
}

static void
map_set_unknown(PgmqMap *map)
{
	if (map->root != NO_NODE)
		node_free_all(map, map->root);
	map->root = NO_NODE;
	map->level = -1;
	map->below = (Edge) {PGMQ_DUE_NOW, next_version()};
	map->above = (Edge) {PGMQ_DUE_NOW, next_version()};
}

/*
 * Grow the tree until it covers an id; false if nodes run out first.  What
 * it newly covers had the due of the edge.
 */
static bool
map_cover(PgmqMap *map, uint64 id)
{
	if (map->root == NO_NODE)
	{
		map->root = node_alloc(map, map->above.due);
		if (map->root == NO_NODE)
			return false;
		map->level = 0;
		/* the lowest levels of a tree that must grow at once are no use */
		while (!map_covers(map, id))
			map->level++;
	}
	while (!map_covers(map, id))
	{
		int32		root = node_alloc(map, map->above.due);

		if (root == NO_NODE)
			return false;
		slot_set_child(NODE(root), 0, map->root);
		map->root = root;
		map->level++;
	}
	if (map->level == TOP_LEVEL)
	{
		/* everything; the slots beyond the largest id must not be found */
		map->above.due = PGMQ_DUE_NEVER;
		for (int i = PG_INT64_MAX >> SLOT_SHIFT(TOP_LEVEL); ++i < FANOUT;)
			NODE(map->root)->due[i] = PGMQ_DUE_NEVER;
	}
	return true;
}

/* Take away roots that hold nothing, or no more than their first child. */
static void
map_shrink(PgmqMap *map)
{
	while (map->root != NO_NODE)
	{
		MapNode    *root = NODE(map->root);
		int32		child = NO_NODE;

		for (int i = 1; i < FANOUT; i++)
			if (root->due[i] != PGMQ_DUE_NEVER)
				return;
		if (map->above.due != PGMQ_DUE_NEVER)
			return;
		if (root->due[0] != PGMQ_DUE_NEVER)
		{
			if (!HAS_CHILD(root, 0))
				return;
			child = (int32) root->tag[0];
		}
		node_free(map, map->root);
		map->root = child;
		map->level = child == NO_NODE ? -1 : map->level - 1;
	}
}

static inline void
edge_lower(Edge *edge, TimestampTz due)
{
	edge->due = Min(edge->due, due);
	edge->version = next_version();
}

static void
map_lower(PgmqMap *map, int64 lo, int64 hi, TimestampTz due)
{
	if (lo < 0)
	{
		edge_lower(&map->below, due);
		if (hi < 0)
			return;
		lo = 0;
	}

	if (map->root != NO_NODE &&
		(directory->nfree < NODES_WANTED || map->nnodes + NODES_WANTED > directory->nnodes / 4))
		(void) node_merge_farthest(map, map->root);

	/* an edge that knows of something already takes this too */
	if (!map_covers(map, hi) &&
		(map->above.due != PGMQ_DUE_NEVER || !map_cover(map, hi)))
	{
		edge_lower(&map->above, due);
		if (map->root == NO_NODE || !map_covers(map, lo))
			return;
		hi = ((int64) 1 << SLOT_SHIFT(map->level + 1)) - 1;
	}
	node_lower(map, map->root, map->level, lo, hi, due);
}

/* Forget the ids lo to hi, whole blocks and not negative. */
static void
map_clear(PgmqMap *map, int64 lo, int64 hi)
{
	if (hi == PG_INT64_MAX && !map_covers(map, hi))
	{
		/* all of the edge */
		map->above = (Edge) {PGMQ_DUE_NEVER, next_version()};
		if (map->root == NO_NODE || !map_covers(map, lo))
			return;
		hi = ((int64) 1 << SLOT_SHIFT(map->level + 1)) - 1;
	}
	else if (!map_covers(map, hi) && !map_cover(map, hi))
		return;
	node_clear(map, map->root, map->level, lo, hi);
	map_shrink(map);
}

/* The due and version that hold for an id. */
static Edge
map_slot(const PgmqMap *map, int64 id)
{
	if (id < 0)
		return map->below;
	if (!map_covers(map, id))
		return map->above;
	return node_slot(map->root, map->level, id);
}

static TimestampTz
map_min(const PgmqMap *map)
{
	TimestampTz min = Min(map->below.due, map->above.due);

	return map->root == NO_NODE ? min : Min(min, node_min(map->root));
}

/* ----------------------------------------------------------------
 *		Which map is whose
 * ----------------------------------------------------------------
 */

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

/* The directory's lock is held. */
static PgmqMap *
map_search(Oid dboid, Oid relid)
{
	for (int i = 0; i < directory->nmaps; i++)
		if (directory->maps[i].relid == relid && directory->maps[i].dboid == dboid)
			return &directory->maps[i];
	return NULL;
}

/*
 * The map of a queue table of this database, made if need be.  identity
 * tells of what it is a map (see identity.c); a map of anything else is made
 * unknown.  *listed false: the map is new, and the caller must note the
 * transactions that are prepared and then call pgmq_map_listed.  The reference is worth nothing (map NULL) without shared memory, or when
 * all maps have waiting readers.
 */
PgmqMapRef
pgmq_map_attach(Oid relid, uint64 identity, bool *listed)
{
	PgmqMapRef	ref = {NULL, 0};
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
		/* a free one, or else the one not used for longest */
		for (int i = 0; i < directory->nmaps; i++)
		{
			PgmqMap    *candidate = &directory->maps[i];

			if (candidate->waiter_first >= 0)
				continue;
			if (map == NULL || !OidIsValid(candidate->relid) ||
				(OidIsValid(map->relid) && candidate->last_used < map->last_used))
				map = candidate;
			if (!OidIsValid(map->relid))
				break;
		}
		if (map != NULL)
		{
			LWLockAcquire(&map->lock, LW_EXCLUSIVE);
			map->dboid = MyDatabaseId;
			map->relid = relid;
			map->generation = next_version();
			map->identity = identity;
			map->losses = pg_atomic_read_u32(loss_counter(MyDatabaseId, relid));
			map->nprepared = 0;
			map->listed = false;
			map->net_next = GetCurrentTimestamp() + NET_PERIOD;
			map->net_finds = 0;
			map_set_unknown(map);
			LWLockRelease(&map->lock);
		}
	}
	if (map != NULL)
	{
		LWLockAcquire(&map->lock, LW_EXCLUSIVE);
		if (map->identity != identity)
		{
			map->identity = identity;
			map_set_unknown(map);
		}
		map->last_used = pg_atomic_add_fetch_u64(&directory->clock, 1);
		*listed = map->listed;
		ref = (PgmqMapRef) {map, map->generation};
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
 * A prepared transaction that wrote here may become visible at any time, with
 * nobody to announce it.  False while there is one; when the last has ended
 * the map is made unknown.
 */
static bool
map_check_prepared(PgmqMap *map)
{
	int			kept = 0;

	if (!map->listed || map->nprepared == 0)
		return map->listed;
	for (int i = 0; i < map->nprepared; i++)
		if (TransactionIdIsInProgress(map->prepared[i]))
			map->prepared[kept++] = map->prepared[i];
	if (kept < map->nprepared)
		map_set_unknown(map);
	map->nprepared = kept;
	return kept == 0;
}

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
	Finder		finder = {.now = now, .from = Max(from, 0), .dues = dues, .max = max};

	if (!pgmq_shmem_usable() || (map = map_lock(ref, LW_SHARED)) == NULL)
		return -1;
	losses = pg_atomic_read_u32(loss_counter(map->dboid, map->relid));
	if (map->losses != losses || map->nprepared > 0 || !map->listed)
	{
		bool		usable;

		LWLockRelease(&map->lock);
		if ((map = map_lock(ref, LW_EXCLUSIVE)) == NULL)
			return -1;
		if (map->losses != losses)
		{
			map->losses = losses;
			map_set_unknown(map);
		}
		usable = map_check_prepared(map);
		if (!usable)
		{
			LWLockRelease(&map->lock);
			return -1;
		}
	}
	if (from < 0 && map->below.due <= now)
		dues[finder.n++] = (PgmqDue)
	{
		PG_INT64_MIN, -1, map->below.version
	};
	if (map->root != NO_NODE)
		node_find(map->root, map->level, 0, &finder);
	if (map->above.due <= now && finder.n < max)
		dues[finder.n++] = (PgmqDue)
	{
		map->level < 0 ? 0 : (int64) 1 << SLOT_SHIFT(map->level + 1),
			PG_INT64_MAX, map->above.version
	};
	LWLockRelease(&map->lock);
	return finder.n;
}

/* When anything in the queue can next be read. */
TimestampTz
pgmq_map_next_due(PgmqMapRef ref)
{
	PgmqMap    *map = map_lock(ref, LW_SHARED);
	TimestampTz due = PGMQ_DUE_NOW;

	if (map != NULL)
	{
		due = map_min(map);
		LWLockRelease(&map->lock);
	}
	return due;
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
		map_lower(map, lo, hi, due);
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
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	if (map_slot(map, due->lo).version == due->version)
	{
		if (due->lo < 0)
			map->below = (Edge) {PGMQ_DUE_NEVER, next_version()};
		else
			map_clear(map, due->lo, upto);
		for (int i = 0; i < nmins; i++)
			map_lower(map, mins[i].id, mins[i].id, mins[i].due);
	}
	LWLockRelease(&map->lock);
}

/*
 * This transaction, which wrote to the queue, is about to be prepared.  It
 * cannot announce its commit itself, so the queue is looked at without the
 * map until it has ended.  Where there is no room to note that, the memory is
 * given up until a restart.
 */
void
pgmq_map_prepare(PgmqMapRef ref, TransactionId xid)
{
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
	{
		pgmq_shmem_disable();
		return;
	}
	if (map->nprepared < MAX_PREPARED)
		map->prepared[map->nprepared++] = xid;
	else
		pgmq_shmem_disable();
	LWLockRelease(&map->lock);
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

/*
 * Whether the net is to be cast now: a look at everything, the map
 * notwithstanding.  True for one caller in a while; it must say what it found.
 */
bool
pgmq_map_net_claim(PgmqMapRef ref, TimestampTz now)
{
	PgmqMap    *map = map_lock(ref, LW_SHARED);
	bool		claimed = false;

	if (map == NULL)
		return false;
	if (now >= map->net_next)
	{
		LWLockRelease(&map->lock);
		if ((map = map_lock(ref, LW_EXCLUSIVE)) == NULL)
			return false;
		claimed = now >= map->net_next;
		if (claimed)
			map->net_next = now + NET_PERIOD;
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
		hidden = map->listed && map->nprepared == 0 && map_slot(map, id).due > now;
		LWLockRelease(&map->lock);
	}
	return hidden;
}

/*
 * The net cast at now was drawn in after elapsed microseconds, with so many
 * messages that the map would have hidden.
 */
void
pgmq_map_net_done(PgmqMapRef ref, TimestampTz now, int64 elapsed, int finds)
{
	PgmqMap    *map = map_lock(ref, LW_EXCLUSIVE);

	if (map == NULL)
		return;
	map->net_next = now + Max(NET_PERIOD, NET_COST_FACTOR * elapsed);
	map->net_finds += finds;
	if (finds > 0)
		map_set_unknown(map);
	LWLockRelease(&map->lock);
}
