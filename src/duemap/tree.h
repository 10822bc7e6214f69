/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  The structure of a due map, for tree.c, claim.c and map.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/tree.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_TREE_H
#define PGMQ_TREE_H

#include "port/atomics.h"
#include "storage/spin.h"

#include "duemap/duemap.h"

#define FANOUT_BITS		6
#define FANOUT			(1 << FANOUT_BITS)

/* A slot of a node on this level stands for this many bits of ids. */
#define SLOT_SHIFT(level)	(PGMQ_BLOCK_BITS + FANOUT_BITS * (level))

/* On this level a node covers all ids that are not negative. */
#define TOP_LEVEL		9

#define NO_NODE			(-1)
#define BIT(i)			(UINT64CONST(1) << (i))

/* The masks have a bit for each slot; ready and claimed one for each id. */
typedef struct PgmqNode
{
	TimestampTz due[FANOUT];
	uint64		tag[FANOUT];	/* the child's number, or the version of a
								 * look */
	uint64		ready[FANOUT];	/* of a block: ids to be given out */
	uint64		claimed[FANOUT];	/* and ids that were */
	uint64		children;		/* the slot has a child */
	uint64		looked;			/* it has none, and is being looked at */
	uint64		has_ready;		/* something in or below it is ready */
	uint64		has_claimed;	/* or claimed */
} PgmqNode;

/* Ids that no node covers. */
typedef struct PgmqEdge
{
	TimestampTz due;
	uint64		look;			/* version of the look at it; 0 if none */
} PgmqEdge;

typedef struct PgmqTree
{
	PgmqEdge	below;			/* ids less than zero */
	PgmqEdge	above;			/* ids that the root does not cover */
	int32		root;
	int			level;			/* of the root; -1 without one */
	int			nnodes;
} PgmqTree;

/* The nodes of all trees. */
typedef struct PgmqNodePool
{
	pg_atomic_uint64 version;	/* last version drawn */
	pg_atomic_uint64 merges;	/* how often nodes were too few for a tree */
	slock_t		lock;			/* of the rest */
	int32		first;			/* free nodes, linked by tag[0] */
	int			nfree;
	int			nnodes;
	PgmqNode	nodes[FLEXIBLE_ARRAY_MEMBER];
} PgmqNodePool;

extern PgmqNodePool *pgmq_pool;

#define NODE(n)					(&pgmq_pool->nodes[n])
#define HAS_CHILD(node, i)		(((node)->children & BIT(i)) != 0)
#define CHILD(node, i)			((int32) (node)->tag[i])
#define IS_LOOKED_AT(node, i)	(((node)->looked & BIT(i)) != 0)

/* Whether the tree covers an id that is not negative. */
static inline bool
pgmq_tree_covers(const PgmqTree *tree, uint64 id)
{
	return tree->level >= TOP_LEVEL ||
		(tree->level >= 0 && id >> SLOT_SHIFT(tree->level + 1) == 0);
}

/* The first id of the edge above; if the root covers all, that has nothing. */
static inline int64
pgmq_tree_end(const PgmqTree *tree)
{
	if (tree->root == NO_NODE)
		return 0;
	return tree->level >= TOP_LEVEL ? PG_INT64_MAX : (int64) 1 << SLOT_SHIFT(tree->level + 1);
}

/*
 * The caller holds a lock on the tree, in exclusive mode if it changes the tree.
 * All are for callbacks.
 */

/* ---- tree.c: the structure, lowering, finding ---- */
extern bool pgmq_tree_is_short(void);
extern uint64 pgmq_tree_version(void);
extern void pgmq_tree_make(PgmqTree *tree);
extern void pgmq_tree_set_unknown(PgmqTree *tree);
extern void pgmq_tree_lower(PgmqTree *tree, int64 lo, int64 hi, TimestampTz due);
extern bool pgmq_tree_ready(PgmqTree *tree, int64 first, uint64 ids);
extern bool pgmq_tree_hides(const PgmqTree *tree, int64 id, TimestampTz now);
extern TimestampTz pgmq_tree_min(const PgmqTree *tree);
extern TimestampTz pgmq_tree_min_after(const PgmqTree *tree, TimestampTz after);
extern int	pgmq_tree_find(const PgmqTree *tree, TimestampTz now, int64 from,
						   PgmqRange *ranges, int max);
extern int64 pgmq_tree_count_ready(const PgmqTree *tree, TimestampTz now);
extern void pgmq_tree_size(const PgmqTree *tree, int64 *pieces, int64 *bytes);

/* for claim.c */
extern int32 pgmq_node_alloc(PgmqTree *tree, TimestampTz due, uint64 look);
extern void pgmq_slot_set_child(PgmqNode *node, int i, int32 child);
extern void pgmq_slot_set(PgmqTree *tree, PgmqNode *node, int i, TimestampTz due);
extern void pgmq_slot_update(PgmqTree *tree, PgmqNode *node, int i);
extern bool pgmq_tree_cover(PgmqTree *tree, uint64 id);
extern void pgmq_tree_shrink(PgmqTree *tree);

/* ---- claim.c: giving out ids, and looks ---- */
extern void pgmq_tree_claim(PgmqTree *tree, PgmqClaimer *claimer);
extern uint64 pgmq_tree_claim_late(PgmqTree *tree, int64 first, uint64 ids, uint64 taken);
extern void pgmq_tree_unclaim(PgmqTree *tree, int64 first, uint64 ids);
extern bool pgmq_tree_describe(PgmqTree *tree, const PgmqLook *look, int64 upto,
							   const PgmqFound *found, int nfound, TimestampTz empty);
extern void pgmq_tree_abandon(PgmqTree *tree, const PgmqLook *look);
extern void pgmq_tree_confirm(PgmqTree *tree, int64 lo, int64 hi);

#endif							/* PGMQ_TREE_H */
