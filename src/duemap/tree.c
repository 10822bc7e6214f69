/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  The structure of a due map: a due time for every message id.
 *
 * A tree has the due time of each block of 64 ids.  It is a radix tree of 64-way
 * nodes over the blocks:
 *
 *	- A slot of a node has a due time.  If the slot has a child, it is the least
 *	  of the child's; if not, it holds for all ids below the slot, which are one
 *	  block or, higher up, a great many.
 *	- There are two edges for ids that the root does not cover: the larger ones,
 *	  and the negative ones.
 *	- Nodes come from a fixed pool that all trees share.  When it runs out, a
 *	  tree merges the slots with its latest due times; when that is not enough,
 *	  a whole slot or edge is lowered for a part of it.  So lowering cannot fail.
 *
 * Each slot without a child, and each edge, has a version.  Versions are drawn
 * from one sequence and never used twice, so a range that was merged, dropped
 * and made again in between cannot be mistaken for the one that was found.
 *
 * The caller holds a lock on the tree, in exclusive mode if it changes the tree.
 * Nothing here raises an error, since it is called in commit callbacks.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/tree.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/spin.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/tree.h"

#define FANOUT_BITS		6
#define FANOUT			(1 << FANOUT_BITS)

/* A slot of a node on this level stands for this many bits of ids. */
#define SLOT_SHIFT(level)	(PGMQ_BLOCK_BITS + FANOUT_BITS * (level))

/* On this level a node covers all ids that are not negative. */
#define TOP_LEVEL		9

#define NO_NODE			(-1)

/* Free nodes wanted before lowering: for both ends of a range, on all levels. */
#define NODES_WANTED	(2 * (TOP_LEVEL + 1))

typedef struct MapNode
{
	TimestampTz due[FANOUT];
	uint64		tag[FANOUT];	/* version; with a child, its number */
	uint64		children;		/* bit set: the slot has a child */
} MapNode;

#define HAS_CHILD(node, i)	(((node)->children & (UINT64CONST(1) << (i))) != 0)
#define NODE(n)				(&pool->nodes[n])

/* The nodes of all trees. */
typedef struct NodePool
{
	pg_atomic_uint64 version;	/* last version drawn */
	pg_atomic_uint64 merges;	/* how often nodes were too few for a tree */
	slock_t		lock;			/* of the rest */
	int32		first;			/* free nodes, linked by tag[0] */
	int			nfree;
	int			nnodes;
	MapNode		nodes[FLEXIBLE_ARRAY_MEMBER];
} NodePool;

static NodePool *pool = NULL;

/* ----------------------------------------------------------------
 *		The pool
 * ----------------------------------------------------------------
 */

/* Make a pool of size bytes of shared memory; called once. */
void
pgmq_tree_init(void *memory, Size size, int tranche)
{
	pool = memory;
	pool->nnodes = (size - offsetof(NodePool, nodes)) / sizeof(MapNode);
	pg_atomic_init_u64(&pool->version, 0);
	pg_atomic_init_u64(&pool->merges, 0);
	SpinLockInit(&pool->lock);
	for (int i = 0; i < pool->nnodes; i++)
		NODE(i)->tag[0] = (uint64) (int64) (i + 1 < pool->nnodes ? i + 1 : NO_NODE);
	pool->first = 0;
	pool->nfree = pool->nnodes;
}

/* Use the pool in this backend. */
void
pgmq_tree_attach(void *memory)
{
	pool = memory;
}

/* Whether the pool is running out of nodes. */
bool
pgmq_tree_is_short(void)
{
	return pool->nfree < pool->nnodes / 8;
}

/* Draw a version. */
uint64
pgmq_tree_version(void)
{
	return pg_atomic_add_fetch_u64(&pool->version, 1);
}

/* ----------------------------------------------------------------
 *		Nodes
 * ----------------------------------------------------------------
 */

/* Get a node whose slots have all this due time; NO_NODE if there is none. */
static int32
node_alloc(PgmqTree *tree, TimestampTz due)
{
	int32		n;
	uint64		version;

	/* one queue may have a quarter of the pool */
	if (tree->nnodes >= Max(pool->nnodes / 4, NODES_WANTED))
		return NO_NODE;
	SpinLockAcquire(&pool->lock);
	n = pool->first;
	if (n != NO_NODE)
	{
		pool->first = (int32) NODE(n)->tag[0];
		pool->nfree--;
	}
	SpinLockRelease(&pool->lock);
	if (n == NO_NODE)
		return NO_NODE;

	tree->nnodes++;
	version = pgmq_tree_version();
	for (int i = 0; i < FANOUT; i++)
	{
		NODE(n)->due[i] = due;
		NODE(n)->tag[i] = version;
	}
	NODE(n)->children = 0;
	return n;
}

static void
node_free(PgmqTree *tree, int32 n)
{
	tree->nnodes--;
	SpinLockAcquire(&pool->lock);
	NODE(n)->tag[0] = (uint64) (int64) pool->first;
	pool->first = n;
	pool->nfree++;
	SpinLockRelease(&pool->lock);
}

static void
node_free_all(PgmqTree *tree, int32 n)
{
	for (int i = 0; i < FANOUT; i++)
		if (HAS_CHILD(NODE(n), i))
			node_free_all(tree, (int32) NODE(n)->tag[i]);
	node_free(tree, n);
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

/* Set a slot for all ids below it, and drop its child. */
static inline void
slot_set(PgmqTree *tree, MapNode *node, int i, TimestampTz due)
{
	if (HAS_CHILD(node, i))
	{
		node_free_all(tree, (int32) node->tag[i]);
		node->children &= ~(UINT64CONST(1) << i);
	}
	node->due[i] = due;
	node->tag[i] = pgmq_tree_version();
}

/* Lower the due times of the ids lo to hi, which count from the node's first. */
static void
node_lower(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi, TimestampTz due)
{
	int			shift = SLOT_SHIFT(level);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		MapNode    *node = NODE(n);
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (level > 0 && !(lo <= first && hi >= last))
		{
			/* a part of a slot: descend, if there is or can be a node */
			if (!HAS_CHILD(node, i) && node->due[i] == PGMQ_DUE_NEVER)
			{
				int32		child = node_alloc(tree, PGMQ_DUE_NEVER);

				if (child != NO_NODE)
					slot_set_child(node, i, child);
			}
			if (HAS_CHILD(node, i))
			{
				node_lower(tree, (int32) node->tag[i], level - 1,
						   Max(lo, first) - first, Min(hi, last) - first, due);
				node->due[i] = Min(node->due[i], due);
				continue;
			}
		}
		slot_set(tree, node, i, Min(node->due[i], due));
	}
}

/*
 * Nothing is at the ids lo to hi, which are whole blocks.  A part of a slot
 * stays as it is when there is no node for it.
 */
static void
node_clear(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi)
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
			slot_set(tree, node, i, PGMQ_DUE_NEVER);
			continue;
		}
		Assert(level > 0);
		if (!HAS_CHILD(node, i))
		{
			child = node_alloc(tree, node->due[i]);
			if (child == NO_NODE)
				continue;
			slot_set_child(node, i, child);
		}
		child = (int32) node->tag[i];
		node_clear(tree, child, level - 1, Max(lo, first) - first, Min(hi, last) - first);
		node->due[i] = node_min(child);
		if (node->due[i] == PGMQ_DUE_NEVER)
			slot_set(tree, node, i, PGMQ_DUE_NEVER);
	}
}

/* Merge the child with the latest due time below a node; false if there is none. */
static bool
node_merge_farthest(PgmqTree *tree, int32 n)
{
	MapNode    *node = NODE(n);
	int			farthest = -1;

	for (int i = 0; i < FANOUT; i++)
		if (HAS_CHILD(node, i) &&
			(farthest < 0 || node->due[i] >= node->due[farthest]))
			farthest = i;
	if (farthest < 0)
		return false;
	if (!node_merge_farthest(tree, (int32) node->tag[farthest]))
		slot_set(tree, node, farthest, node->due[farthest]);
	return true;
}

/* Collects ranges that are due. */
typedef struct Finder
{
	TimestampTz now;
	uint64		from;
	PgmqRange  *ranges;
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
			finder->ranges[finder->n++] = (PgmqRange)
		{
			.lo = (int64) first,.hi = (int64) last,.version = node->tag[i]
		};
	}
}

/* The due time and version that hold for an id. */
static PgmqEdge
node_slot(int32 n, int level, uint64 id)
{
	for (;; level--)
	{
		int			i = (id >> SLOT_SHIFT(level)) & (FANOUT - 1);

		if (!HAS_CHILD(NODE(n), i))
			return (PgmqEdge)
		{
			NODE(n)->due[i], NODE(n)->tag[i]
		};
		n = (int32) NODE(n)->tag[i];
	}
}

/* ----------------------------------------------------------------
 *		Trees
 * ----------------------------------------------------------------
 */

/* Whether the tree covers an id that is not negative. */
static inline bool
tree_covers(const PgmqTree *tree, uint64 id)
{
	return tree->level >= TOP_LEVEL ||
		(tree->level >= 0 && id >> SLOT_SHIFT(tree->level + 1) == 0);
}

/* The first id of the edge above. */
static inline int64
tree_end(const PgmqTree *tree)
{
	return tree->root == NO_NODE ? 0 : (int64) 1 << SLOT_SHIFT(tree->level + 1);
}

/*
 * Make a tree without nodes in memory that is zero.  The pool may not be there
 * yet, so the tree can be used after pgmq_tree_set_unknown only.
 */
void
pgmq_tree_make(PgmqTree *tree)
{
	tree->root = NO_NODE;
	tree->level = -1;
}

/* Make all ids unknown, and free the nodes. */
void
pgmq_tree_set_unknown(PgmqTree *tree)
{
	if (tree->root != NO_NODE)
		node_free_all(tree, tree->root);
	tree->root = NO_NODE;
	tree->level = -1;
	tree->below = (PgmqEdge)
	{
		PGMQ_DUE_NOW, pgmq_tree_version()
	};
	tree->above = (PgmqEdge)
	{
		PGMQ_DUE_NOW, pgmq_tree_version()
	};
}

/*
 * Grow the tree until it covers an id; false if nodes run out first.  The ids
 * that it covers then keep the due time of the edge.
 */
static bool
tree_cover(PgmqTree *tree, uint64 id)
{
	if (tree->root == NO_NODE)
	{
		tree->root = node_alloc(tree, tree->above.due);
		if (tree->root == NO_NODE)
			return false;
		tree->level = 0;
		/* a tree that must grow at once does not need its lowest levels */
		while (!tree_covers(tree, id))
			tree->level++;
	}
	while (!tree_covers(tree, id))
	{
		int32		root = node_alloc(tree, tree->above.due);

		if (root == NO_NODE)
			return false;
		slot_set_child(NODE(root), 0, tree->root);
		tree->root = root;
		tree->level++;
	}
	if (tree->level == TOP_LEVEL)
	{
		/* it covers all; slots beyond the largest id must not be found */
		tree->above.due = PGMQ_DUE_NEVER;
		for (int i = PG_INT64_MAX >> SLOT_SHIFT(TOP_LEVEL); ++i < FANOUT;)
			NODE(tree->root)->due[i] = PGMQ_DUE_NEVER;
	}
	return true;
}

/* Remove roots that hold nothing, or nothing but their first child. */
static void
tree_shrink(PgmqTree *tree)
{
	while (tree->root != NO_NODE)
	{
		MapNode    *root = NODE(tree->root);
		int32		child = NO_NODE;

		for (int i = 1; i < FANOUT; i++)
			if (root->due[i] != PGMQ_DUE_NEVER)
				return;
		if (tree->above.due != PGMQ_DUE_NEVER)
			return;
		if (root->due[0] != PGMQ_DUE_NEVER)
		{
			if (!HAS_CHILD(root, 0))
				return;
			child = (int32) root->tag[0];
		}
		else if (HAS_CHILD(root, 0))
			node_free_all(tree, (int32) root->tag[0]);
		node_free(tree, tree->root);
		tree->root = child;
		tree->level = child == NO_NODE ? -1 : tree->level - 1;
	}
}

static inline void
edge_lower(PgmqEdge *edge, TimestampTz due)
{
	edge->due = Min(edge->due, due);
	edge->version = pgmq_tree_version();
}

/* Something with an id from lo to hi can be read from due on. */
void
pgmq_tree_lower(PgmqTree *tree, int64 lo, int64 hi, TimestampTz due)
{
	/* a message with vt infinity is never readable, but must be counted */
	due = Min(due, PGMQ_DUE_LAST);
	if (lo < 0)
	{
		edge_lower(&tree->below, due);
		if (hi < 0)
			return;
		lo = 0;
	}

	if (tree->root != NO_NODE &&
		(pool->nfree < NODES_WANTED || tree->nnodes + NODES_WANTED > pool->nnodes / 4))
	{
		pg_atomic_fetch_add_u64(&pool->merges, 1);
		(void) node_merge_farthest(tree, tree->root);
	}

	/* an edge that has something due takes this too */
	if (!tree_covers(tree, hi) &&
		(tree->above.due != PGMQ_DUE_NEVER || !tree_cover(tree, hi)))
	{
		edge_lower(&tree->above, due);
		if (!tree_covers(tree, lo))
			return;
		hi = tree_end(tree) - 1;
	}
	node_lower(tree, tree->root, tree->level, lo, hi, due);
}

/*
 * Nothing is at the ids lo to hi.  These are all negative ids, or whole blocks
 * of other ones.
 */
void
pgmq_tree_clear(PgmqTree *tree, int64 lo, int64 hi)
{
	if (lo < 0)
	{
		tree->below = (PgmqEdge)
		{
			PGMQ_DUE_NEVER, pgmq_tree_version()
		};
		return;
	}
	if (hi == PG_INT64_MAX && !tree_covers(tree, hi))
	{
		/* the whole edge, or nothing of it */
		if (lo > tree_end(tree))
			return;
		tree->above = (PgmqEdge)
		{
			PGMQ_DUE_NEVER, pgmq_tree_version()
		};
		if (!tree_covers(tree, lo))
			return;
		hi = tree_end(tree) - 1;
	}
	else if (!tree_covers(tree, hi) && !tree_cover(tree, hi))
		return;
	node_clear(tree, tree->root, tree->level, lo, hi);
	tree_shrink(tree);
}

/* The due time and version that hold for an id. */
PgmqEdge
pgmq_tree_slot(const PgmqTree *tree, int64 id)
{
	if (id < 0)
		return tree->below;
	if (!tree_covers(tree, id))
		return tree->above;
	return node_slot(tree->root, tree->level, id);
}

/* The least due time of all ids. */
TimestampTz
pgmq_tree_min(const PgmqTree *tree)
{
	TimestampTz min = Min(tree->below.due, tree->above.due);

	return tree->root == NO_NODE ? min : Min(min, node_min(tree->root));
}

/* The least due time in a node that comes after a point in time. */
static TimestampTz
node_min_after(int32 n, TimestampTz after)
{
	TimestampTz min = PGMQ_DUE_NEVER;

	for (int i = 0; i < FANOUT; i++)
	{
		TimestampTz due = NODE(n)->due[i];

		if (due <= after && HAS_CHILD(NODE(n), i))
			due = node_min_after((int32) NODE(n)->tag[i], after);
		if (due > after)
			min = Min(min, due);
	}
	return min;
}

/* The least due time of all ids that comes after a point in time. */
TimestampTz
pgmq_tree_min_after(const PgmqTree *tree, TimestampTz after)
{
	TimestampTz min = tree->root == NO_NODE ? PGMQ_DUE_NEVER : node_min_after(tree->root, after);

	if (tree->below.due > after)
		min = Min(min, tree->below.due);
	if (tree->above.due > after)
		min = Min(min, tree->above.due);
	return min;
}

/*
 * Find the ranges that are due by now, from an id on, in order: at most max.
 * Returns their number.
 */
int
pgmq_tree_find(const PgmqTree *tree, TimestampTz now, int64 from,
			   PgmqRange *ranges, int max)
{
	Finder		finder = {.now = now,.from = Max(from, 0),.ranges = ranges,.max = max};

	if (from < 0 && tree->below.due <= now)
	{
		ranges[finder.n].lo = PG_INT64_MIN;
		ranges[finder.n].hi = -1;
		ranges[finder.n++].version = tree->below.version;
	}
	if (tree->root != NO_NODE)
		node_find(tree->root, tree->level, 0, &finder);
	if (tree->above.due <= now && finder.n < max)
	{
		ranges[finder.n].lo = tree_end(tree);
		ranges[finder.n].hi = PG_INT64_MAX;
		ranges[finder.n++].version = tree->above.version;
	}
	return finder.n;
}

/* How many ranges below a node can be due. */
static int64
node_count(int32 n)
{
	int64		count = 0;

	for (int i = 0; i < FANOUT; i++)
	{
		if (HAS_CHILD(NODE(n), i))
			count += node_count((int32) NODE(n)->tag[i]);
		else if (NODE(n)->due[i] != PGMQ_DUE_NEVER)
			count++;
	}
	return count;
}

/* How many ranges a tree has, and how many bytes of the pool. */
void
pgmq_tree_size(const PgmqTree *tree, int64 *pieces, int64 *bytes)
{
	*pieces = (tree->below.due != PGMQ_DUE_NEVER) + (tree->above.due != PGMQ_DUE_NEVER);
	if (tree->root != NO_NODE)
		*pieces += node_count(tree->root);
	*bytes = (int64) tree->nnodes * sizeof(MapNode);
}

/* Set the counts of the pool. */
void
pgmq_tree_memory(PgmqMemory *memory)
{
	memory->nodes_total = pool->nnodes;
	memory->nodes_used = pool->nnodes - pool->nfree;
	memory->node_bytes = sizeof(MapNode);
	memory->merges = pg_atomic_read_u64(&pool->merges);
}
