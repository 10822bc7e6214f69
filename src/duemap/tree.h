/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  The structure of a due map: a due time for every message id.
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

#include "duemap/duemap.h"

typedef struct PgmqEdge
{
	TimestampTz due;
	uint64		version;
} PgmqEdge;

typedef struct PgmqTree
{
	PgmqEdge	below;			/* ids less than zero */
	PgmqEdge	above;			/* ids that the root does not cover */
	int32		root;
	int			level;			/* of the root; -1 without one */
	int			nnodes;
} PgmqTree;

extern bool pgmq_tree_is_short(void);
extern uint64 pgmq_tree_version(void);
extern void pgmq_tree_make(PgmqTree *tree);
extern void pgmq_tree_set_unknown(PgmqTree *tree);
extern void pgmq_tree_lower(PgmqTree *tree, int64 lo, int64 hi, TimestampTz due);
extern void pgmq_tree_clear(PgmqTree *tree, int64 lo, int64 hi);
extern PgmqEdge pgmq_tree_slot(const PgmqTree *tree, int64 id);
extern TimestampTz pgmq_tree_min(const PgmqTree *tree);
extern TimestampTz pgmq_tree_min_after(const PgmqTree *tree, TimestampTz after);
extern int	pgmq_tree_find(const PgmqTree *tree, TimestampTz now, int64 from,
						   PgmqRange *ranges, int max);
extern void pgmq_tree_size(const PgmqTree *tree, int64 *pieces, int64 *bytes);

#endif							/* PGMQ_TREE_H */
