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
 *	- A block also has two masks of ids: those that are ready to be given out, for
 *	  which its due time does not count, and those that were given out.
 *	- There are two edges for ids that the root does not cover: the larger ones,
 *	  and the negative ones.  They have no masks.
 *	- Nodes come from a fixed pool that all trees share.  When it runs out, a
 *	  tree merges the slots with its latest due times; when that is not enough,
 *	  a whole slot or edge is lowered for a part of it.  So lowering cannot fail.
 *
 * A slot without a child, or an edge, may be *looked at* by a reader; claim.c
 * says what that is.  Elsewhere it counts as unknown.  A look has a version.
 * Versions are drawn from one sequence and never used twice, so a slot that was
 * merged, dropped and made again in between is not taken for the one that a
 * look began with.
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

#include "port/pg_bitutils.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/tree.h"

/* Free nodes wanted before lowering: for both ends of a range, on all levels. */
#define NODES_WANTED	(2 * (TOP_LEVEL + 1))

PgmqNodePool *pgmq_pool = NULL;

/* ----------------------------------------------------------------
 *		The pool
 * ----------------------------------------------------------------
 */

/* Make a pool of size bytes of shared memory; called once. */
void
pgmq_tree_init(void *memory, Size size, int tranche)
{
	pgmq_pool = memory;
	pgmq_pool->nnodes = (size - offsetof(PgmqNodePool, nodes)) / sizeof(PgmqNode);
	pg_atomic_init_u64(&pgmq_pool->version, 0);
	pg_atomic_init_u64(&pgmq_pool->merges, 0);
	SpinLockInit(&pgmq_pool->lock);
	for (int i = 0; i < pgmq_pool->nnodes; i++)
		NODE(i)->tag[0] = (uint64) (int64) (i + 1 < pgmq_pool->nnodes ? i + 1 : NO_NODE);
	pgmq_pool->first = 0;
	pgmq_pool->nfree = pgmq_pool->nnodes;
}

/* Use the pool in this backend. */
void
pgmq_tree_attach(void *memory)
{
	pgmq_pool = memory;
}

/* Whether the pool is running out of nodes. */
bool
pgmq_tree_is_short(void)
{
	return pgmq_pool->nfree < pgmq_pool->nnodes / 8;
}

/* Draw a version. */
uint64
pgmq_tree_version(void)
{
	return pg_atomic_add_fetch_u64(&pgmq_pool->version, 1);
}

/* ----------------------------------------------------------------
 *		Nodes
 * ----------------------------------------------------------------
 */

/*
 * Get a node whose slots have all this due time, and are part of this look if
 * it is not 0; NO_NODE if there is none.
 */
int32
pgmq_node_alloc(PgmqTree *tree, TimestampTz due, uint64 look)
{
	PgmqNode   *node;
	int32		n;

	/* one queue may have a quarter of the pool */
	if (tree->nnodes >= Max(pgmq_pool->nnodes / 4, NODES_WANTED))
		return NO_NODE;
	SpinLockAcquire(&pgmq_pool->lock);
	n = pgmq_pool->first;
	if (n != NO_NODE)
	{
		pgmq_pool->first = (int32) NODE(n)->tag[0];
		pgmq_pool->nfree--;
	}
	SpinLockRelease(&pgmq_pool->lock);
	if (n == NO_NODE)
		return NO_NODE;

	tree->nnodes++;
	node = NODE(n);
	memset(node, 0, sizeof(PgmqNode));
	for (int i = 0; i < FANOUT; i++)
	{
		node->due[i] = due;
		node->tag[i] = look;
	}
	if (look != 0)
		node->looked = ~UINT64CONST(0);
	return n;
}

static void
node_free(PgmqTree *tree, int32 n)
{
	tree->nnodes--;
	SpinLockAcquire(&pgmq_pool->lock);
	NODE(n)->tag[0] = (uint64) (int64) pgmq_pool->first;
	pgmq_pool->first = n;
	pgmq_pool->nfree++;
	SpinLockRelease(&pgmq_pool->lock);
}

static void
node_free_all(PgmqTree *tree, int32 n)
{
	for (int i = 0; i < FANOUT; i++)
		if (HAS_CHILD(NODE(n), i))
			node_free_all(tree, CHILD(NODE(n), i));
	node_free(tree, n);
}

/* The least due time of a node; what is being looked at is unknown. */
static TimestampTz
node_min(const PgmqNode *node)
{
	TimestampTz min = node->due[0];

	if (node->looked != 0)
		return PGMQ_DUE_NOW;
	for (int i = 1; i < FANOUT; i++)
		min = Min(min, node->due[i]);
	return min;
}

/* Whether there is nothing in a slot. */
static inline bool
slot_is_empty(const PgmqNode *node, int i)
{
	return node->due[i] == PGMQ_DUE_NEVER &&
		((node->looked | node->has_ready | node->has_claimed) & BIT(i)) == 0;
}

/* Give a slot a child. */
void
pgmq_slot_set_child(PgmqNode *node, int i, int32 child)
{
	node->children |= BIT(i);
	node->looked &= ~BIT(i);
	node->tag[i] = child;
	node->due[i] = node_min(NODE(child));
	if (NODE(child)->has_ready != 0)
		node->has_ready |= BIT(i);
	if (NODE(child)->has_claimed != 0)
		node->has_claimed |= BIT(i);
}

/* Set a slot for all ids below it, and drop its child, masks and look. */
void
pgmq_slot_set(PgmqTree *tree, PgmqNode *node, int i, TimestampTz due)
{
	if (HAS_CHILD(node, i))
		node_free_all(tree, CHILD(node, i));
	node->children &= ~BIT(i);
	node->looked &= ~BIT(i);
	node->has_ready &= ~BIT(i);
	node->has_claimed &= ~BIT(i);
	node->ready[i] = node->claimed[i] = 0;
	node->tag[i] = 0;
	node->due[i] = due;
}

/* The child of a slot has changed.  It is dropped if there is nothing in it. */
void
pgmq_slot_update(PgmqTree *tree, PgmqNode *node, int i)
{
	const PgmqNode *child = NODE(CHILD(node, i));

	node->due[i] = node_min(child);
	node->has_ready &= ~BIT(i);
	if (child->has_ready != 0)
		node->has_ready |= BIT(i);
	node->has_claimed &= ~BIT(i);
	if (child->has_claimed != 0)
		node->has_claimed |= BIT(i);
	if (slot_is_empty(node, i))
		pgmq_slot_set(tree, node, i, PGMQ_DUE_NEVER);
}

/*
 * Make sure that a slot has a child if nothing is known to be there that a
 * child could not tell apart; whether it has one.
 */
static bool
slot_split(PgmqTree *tree, PgmqNode *node, int i)
{
	if (!HAS_CHILD(node, i) && node->due[i] >= PGMQ_DUE_MAYBE && !IS_LOOKED_AT(node, i))
	{
		int32		child = pgmq_node_alloc(tree, node->due[i], 0);

		if (child != NO_NODE)
			pgmq_slot_set_child(node, i, child);
	}
	return HAS_CHILD(node, i);
}

/* Whether lowering all ids of a slot to due at once would lose something. */
static inline bool
slot_has_more(const PgmqNode *node, int i, TimestampTz due)
{
	return HAS_CHILD(node, i) &&
		((node->has_claimed & BIT(i)) != 0 ||
		 ((node->has_ready & BIT(i)) != 0 && due != PGMQ_DUE_NOW));
}

/* Lower the due times of the ids lo to hi, which count from the node's first. */
static void
node_lower(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi, TimestampTz due)
{
	int			shift = SLOT_SHIFT(level);
	PgmqNode   *node = NODE(n);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;
		bool		is_whole = lo <= first && hi >= last;

		/* a part of a slot: descend, if there is or can be a node */
		if (level > 0 &&
			(is_whole ? slot_has_more(node, i, due) : slot_split(tree, node, i)))
			node_lower(tree, CHILD(node, i), level - 1,
					   Max(lo, first) - first, Min(hi, last) - first, due);
		else if (HAS_CHILD(node, i))
			pgmq_slot_set(tree, node, i, node->due[i]);
		node->due[i] = Min(node->due[i], due);
	}
}

/* The ids of a block are ready; false if the block has no masks, so it is due. */
static bool
node_ready(PgmqTree *tree, int32 n, int level, uint64 first, uint64 ids)
{
	PgmqNode   *node = NODE(n);
	int			i = (first >> SLOT_SHIFT(level)) & (FANOUT - 1);

	if (level == 0)
		node->ready[i] |= ids;
	else if (!slot_split(tree, node, i) ||
			 !node_ready(tree, CHILD(node, i), level - 1, first, ids))
	{
		node->due[i] = PGMQ_DUE_NOW;
		return false;
	}
	node->has_ready |= BIT(i);
	return true;
}

/* Merge the child with the latest due time below a node; false if there is none. */
static bool
node_merge_farthest(PgmqTree *tree, int32 n)
{
	PgmqNode   *node = NODE(n);
	uint64		has_more = node->has_ready | node->has_claimed;
	int			farthest = -1;
	TimestampTz latest = PGMQ_DUE_NOW;

	for (int i = 0; i < FANOUT; i++)
	{
		TimestampTz due = (has_more & BIT(i)) != 0 ? PGMQ_DUE_NOW : node->due[i];

		if (HAS_CHILD(node, i) && due >= latest)
		{
			farthest = i;
			latest = due;
		}
	}
	if (farthest < 0)
		return false;
	if (node_merge_farthest(tree, CHILD(node, farthest)))
		pgmq_slot_update(tree, node, farthest);
	else
		pgmq_slot_set(tree, node, farthest, latest);
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

/* Whether a slot has something that is readable at now, as far as is known. */
static inline bool
slot_is_due(const PgmqNode *node, int i, TimestampTz now)
{
	return node->due[i] <= now || ((node->has_ready | node->looked) & BIT(i)) != 0 ||
		(now >= PGMQ_DUE_MAYBE && (node->has_claimed & BIT(i)) != 0);
}

static inline bool
edge_is_due(const PgmqEdge *edge, TimestampTz now)
{
	return edge->due <= now || edge->look != 0;
}

static void
node_find(int32 n, int level, uint64 base, Finder *finder)
{
	PgmqNode   *node = NODE(n);
	int			shift = SLOT_SHIFT(level);

	for (int i = 0; i < FANOUT && finder->n < finder->max; i++)
	{
		uint64		first = base + ((uint64) i << shift);
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (last < finder->from || !slot_is_due(node, i, finder->now))
			continue;
		if (HAS_CHILD(node, i))
			node_find(CHILD(node, i), level - 1, first, finder);
		else
			finder->ranges[finder->n++] = (PgmqRange)
		{
			(int64) first, (int64) last
		};
	}
}

/* ----------------------------------------------------------------
 *		Trees
 * ----------------------------------------------------------------
 */

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
	pgmq_tree_make(tree);
	tree->below.due = tree->above.due = PGMQ_DUE_NOW;
	tree->below.look = tree->above.look = 0;
}

/*
 * Grow the tree until it covers an id; false if nodes run out first.  The ids
 * that it covers then are as the edge was.
 */
bool
pgmq_tree_cover(PgmqTree *tree, uint64 id)
{
	PgmqEdge   *above = &tree->above;

	if (tree->root == NO_NODE)
	{
		tree->root = pgmq_node_alloc(tree, above->due, above->look);
		if (tree->root == NO_NODE)
			return false;
		tree->level = 0;
		/* a tree that must grow at once does not need its lowest levels */
		while (!pgmq_tree_covers(tree, id))
			tree->level++;
	}
	while (!pgmq_tree_covers(tree, id))
	{
		int32		root = pgmq_node_alloc(tree, above->due, above->look);

		if (root == NO_NODE)
			return false;
		pgmq_slot_set_child(NODE(root), 0, tree->root);
		tree->root = root;
		tree->level++;
	}
	if (tree->level == TOP_LEVEL)
	{
		/* it covers all; slots beyond the largest id must not be found */
		above->due = PGMQ_DUE_NEVER;
		above->look = 0;
		for (int i = PG_INT64_MAX >> SLOT_SHIFT(TOP_LEVEL); ++i < FANOUT;)
			pgmq_slot_set(tree, NODE(tree->root), i, PGMQ_DUE_NEVER);
	}
	return true;
}

/* Remove roots that hold nothing, or nothing but their first child. */
void
pgmq_tree_shrink(PgmqTree *tree)
{
	while (tree->root != NO_NODE && tree->above.due == PGMQ_DUE_NEVER && tree->above.look == 0)
	{
		PgmqNode   *root = NODE(tree->root);
		int32		child = NO_NODE;

		for (int i = 1; i < FANOUT; i++)
			if (!slot_is_empty(root, i))
				return;
		if (!slot_is_empty(root, 0))
		{
			if (!HAS_CHILD(root, 0))
				return;
			child = CHILD(root, 0);
		}
		else if (HAS_CHILD(root, 0))
			node_free_all(tree, CHILD(root, 0));
		node_free(tree, tree->root);
		tree->root = child;
		tree->level = child == NO_NODE ? -1 : tree->level - 1;
	}
}

static inline void
edge_lower(PgmqEdge *edge, TimestampTz due)
{
	edge->due = Min(edge->due, due);
}

/*
 * Have the tree cover an id that is not negative, unless the edge must say what
 * there is about it.
 */
static bool
tree_reach(PgmqTree *tree, int64 id)
{
	if (tree->root != NO_NODE &&
		(pgmq_pool->nfree < NODES_WANTED || tree->nnodes + NODES_WANTED > pgmq_pool->nnodes / 4))
	{
		pg_atomic_fetch_add_u64(&pgmq_pool->merges, 1);
		(void) node_merge_farthest(tree, tree->root);
	}
	return pgmq_tree_covers(tree, id) ||
		(tree->above.due >= PGMQ_DUE_MAYBE && tree->above.look == 0 && pgmq_tree_cover(tree, id));
}

/*
 * Something with an id from lo to hi can be read from due on.  A message with vt
 * infinity is never readable, but must be counted.
 */
void
pgmq_tree_lower(PgmqTree *tree, int64 lo, int64 hi, TimestampTz due)
{
	due = Min(due, PGMQ_DUE_LAST);
	if (lo < 0)
	{
		edge_lower(&tree->below, due);
		if (hi < 0)
			return;
		lo = 0;
	}
	/* an edge that has something due takes this too */
	if (!tree_reach(tree, hi))
	{
		edge_lower(&tree->above, due);
		if (!pgmq_tree_covers(tree, lo))
			return;
		hi = pgmq_tree_end(tree) - 1;
	}
	node_lower(tree, tree->root, tree->level, lo, hi, due);
}

/*
 * The ids of a block can be given out.  Where there are no masks that could say
 * so the block is due, and this returns false.
 */
bool
pgmq_tree_ready(PgmqTree *tree, int64 first, uint64 ids)
{
	if (first < 0)
		edge_lower(&tree->below, PGMQ_DUE_NOW);
	else if (!tree_reach(tree, first))
		edge_lower(&tree->above, PGMQ_DUE_NOW);
	else
		return node_ready(tree, tree->root, tree->level, first, ids);
	return false;
}

/*
 * Whether by the tree nobody can come to a message at now.  What was claimed is
 * not hidden: its transaction will say what became of it.
 */
bool
pgmq_tree_hides(const PgmqTree *tree, int64 id, TimestampTz now)
{
	int32		n = tree->root;
	uint64		mask = BIT((uint64) id & (FANOUT - 1));

	if (id < 0)
		return !edge_is_due(&tree->below, now);
	if (!pgmq_tree_covers(tree, id))
		return !edge_is_due(&tree->above, now);
	for (int level = tree->level;; level--)
	{
		const PgmqNode *node = NODE(n);
		int			i = ((uint64) id >> SLOT_SHIFT(level)) & (FANOUT - 1);

		if (!HAS_CHILD(node, i))
			return node->due[i] > now && !IS_LOOKED_AT(node, i) &&
				((node->ready[i] | node->claimed[i]) & mask) == 0;
		n = CHILD(node, i);
	}
}

/*
 * When something can next be read.  PGMQ_DUE_NOW if something is ready, or was
 * claimed, since a rollback or a claim in vain wakes no waiter.
 */
TimestampTz
pgmq_tree_min(const PgmqTree *tree)
{
	TimestampTz min = Min(tree->below.due, tree->above.due);

	if (tree->below.look != 0 || tree->above.look != 0)
		return PGMQ_DUE_NOW;
	if (tree->root == NO_NODE)
		return min;
	if ((NODE(tree->root)->has_ready | NODE(tree->root)->has_claimed) != 0)
		return PGMQ_DUE_NOW;
	return Min(min, node_min(NODE(tree->root)));
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
			due = node_min_after(CHILD(NODE(n), i), after);
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
 * Find the ranges in which something can be read by now, or at all if now is
 * PGMQ_DUE_MAYBE; from an id on, in order, at most max.  Returns their number.
 */
int
pgmq_tree_find(const PgmqTree *tree, TimestampTz now, int64 from,
			   PgmqRange *ranges, int max)
{
	Finder		finder = {.now = now,.from = Max(from, 0),.ranges = ranges,.max = max};

	if (from < 0 && edge_is_due(&tree->below, now))
	{
		ranges[finder.n].lo = PG_INT64_MIN;
		ranges[finder.n++].hi = -1;
	}
	if (tree->root != NO_NODE)
		node_find(tree->root, tree->level, 0, &finder);
	if (edge_is_due(&tree->above, now) && finder.n < max)
	{
		ranges[finder.n].lo = pgmq_tree_end(tree);
		ranges[finder.n++].hi = PG_INT64_MAX;
	}
	return finder.n;
}

/* How many ids below a node are ready. */
static int64
node_count_ready(int32 n, int level)
{
	const PgmqNode *node = NODE(n);
	int64		count = 0;

	for (int i = 0; i < FANOUT; i++)
	{
		if ((node->has_ready & BIT(i)) == 0)
			continue;
		count += level == 0 ? pg_popcount64(node->ready[i]) :
			node_count_ready(CHILD(node, i), level - 1);
	}
	return count;
}

/* How many ids are ready; -1 if something else may be readable by now. */
int64
pgmq_tree_count_ready(const PgmqTree *tree, TimestampTz now)
{
	if (edge_is_due(&tree->below, now) || edge_is_due(&tree->above, now))
		return -1;
	if (tree->root == NO_NODE)
		return 0;
	return node_min(NODE(tree->root)) <= now ? -1 : node_count_ready(tree->root, tree->level);
}

/* How many ranges below a node can be due. */
static int64
node_count(int32 n)
{
	int64		count = 0;

	for (int i = 0; i < FANOUT; i++)
	{
		if (HAS_CHILD(NODE(n), i))
			count += node_count(CHILD(NODE(n), i));
		else if (!slot_is_empty(NODE(n), i))
			count++;
	}
	return count;
}

/* How many ranges a tree has, and how many bytes of the pool. */
void
pgmq_tree_size(const PgmqTree *tree, int64 *pieces, int64 *bytes)
{
	*pieces = (tree->below.due != PGMQ_DUE_NEVER || tree->below.look != 0) +
		(tree->above.due != PGMQ_DUE_NEVER || tree->above.look != 0);
	if (tree->root != NO_NODE)
		*pieces += node_count(tree->root);
	*bytes = (int64) tree->nnodes * sizeof(PgmqNode);
}

/* Set the counts of the pool. */
void
pgmq_tree_memory(PgmqMemory *memory)
{
	memory->nodes_total = pgmq_pool->nnodes;
	memory->nodes_used = pgmq_pool->nnodes - pgmq_pool->nfree;
	memory->node_bytes = sizeof(PgmqNode);
	memory->merges = pg_atomic_read_u64(&pgmq_pool->merges);
}
