/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Giving out the ids of a due map's tree, and looks at what is due.
 *
 * A reader *claims* the lowest ids that are ready, and only then touches the
 * table, so readers do not meet there.  What was claimed is no longer ready.
 * The reader that claimed it says what became of it: xact.c does at the end of the
 * transaction, and scan.c at once where the claim came to nothing.
 *
 * Where something lower is due or unknown, the reader must first *look* there.
 * A look begins by taking all that is known of a run of slots: they have
 * nothing, and are marked.  What is announced from then on is entered as ever.
 * Then the reader takes a snapshot, and *describes* what it sees: it adds the
 * ids that are readable to those that are ready, and lowers the due time for
 * the others.  So nothing that a look says can overwrite what was announced
 * meanwhile, and it need not be refused.  An id that is claimed is left out,
 * since its transaction will still say what became of it.
 *
 * A mark has the version of the look.  Where it is gone, because the slot was
 * merged or the map was reset, the slot is unknown and the look says nothing.
 * Other readers pass by what is being looked at.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/claim.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "common/common.h"
#include "duemap/duemap.h"
#include "duemap/tree.h"

/* A look takes no more slots than this. */
#define LOOK_SLOTS		256

/* ----------------------------------------------------------------
 *		Claiming
 * ----------------------------------------------------------------
 */

/*
 * Whether something from first to last must be looked at before it is claimed.
 * A slot that is unknown must be, even if the claimer has looked there: it has become
 * unknown since, and the mask of ids that were ready may have been lost.
 */
static inline bool
must_look(const PgmqClaimer *claimer, TimestampTz due, uint64 ready, int64 last)
{
	if (due == PGMQ_DUE_NOW)
		return true;
	return last > claimer->seen &&
		(due <= claimer->now || (claimer->verifies && ready != 0));
}

/*
 * Add the slot from first to last to the look; false if the look ends before
 * it.  The version is drawn with the first one.
 */
static bool
look_extend(PgmqClaimer *claimer, int64 first, int64 last)
{
	PgmqLook   *look = &claimer->look;

	if (look->version == 0)
	{
		look->version = pgmq_tree_version();
		look->first = first;
		look->lo = Max(first, PGMQ_BLOCK_FIRST(claimer->from));
		look->nslots = 0;
	}
	else if (look->hi + 1 != first || look->nslots == LOOK_SLOTS)
		return false;
	look->hi = last;
	look->nslots++;
	return true;
}

/* Whether the claimer has enough. */
static inline bool
claimer_is_full(const PgmqClaimer *claimer)
{
	return claimer->wanted == 0 || claimer->n == claimer->max;
}

/* Claim the lowest ids of a block that are ready, and return them. */
static uint64
claim_ids(PgmqClaimer *claimer, int64 first, uint64 ready)
{
	PgmqClaim  *claim = &claimer->claims[claimer->n];
	uint64		ids = 0;

	if (first < claimer->from)
		ready &= ~UINT64CONST(0) << (claimer->from - first);
	if (pg_popcount64(ready) <= claimer->wanted)
		ids = ready;
	else
		for (int64 i = 0; i < claimer->wanted; i++)
			ids |= (ready & ~ids) & -(ready & ~ids);
	if (ids == 0)
		return 0;
	*claim = (PgmqClaim)
	{
		.first = first,.ids = ids,.held = claimer->peeks ? 0 : ids,
			.due = PGMQ_DUE_NEVER,.subid = claimer->subid
	};
	claimer->n++;
	claimer->wanted -= pg_popcount64(ids);
	return ids;
}

/* Of the ids of a block none are ready any more, and these are claimed. */
static inline void
slot_claim(PgmqNode *node, int i, uint64 ids, uint64 claimed)
{
	node->ready[i] &= ~ids;
	if (node->ready[i] == 0)
		node->has_ready &= ~BIT(i);
	node->claimed[i] |= claimed;
	if (node->claimed[i] != 0)
		node->has_claimed |= BIT(i);
}

/* Claim from a node; false when the claimer is to go no farther. */
static bool
node_claim(PgmqTree *tree, int32 n, int level, uint64 base, PgmqClaimer *claimer)
{
	PgmqNode   *node = NODE(n);
	int			shift = SLOT_SHIFT(level);
	uint64		from = Max(claimer->from, 0);
	uint64		begin = from <= base ? 0 : (from - base) >> shift;

	for (int i = Min(begin, FANOUT); i < FANOUT; i++)
	{
		uint64		first = base + ((uint64) i << shift);
		uint64		last = first + (UINT64CONST(1) << shift) - 1;
		bool		go_on = true;

		if (node->due[i] > claimer->now && ((node->has_ready | node->looked) & BIT(i)) == 0)
			continue;
		if (HAS_CHILD(node, i))
		{
			go_on = node_claim(tree, CHILD(node, i), level - 1, first, claimer);
			pgmq_slot_update(tree, node, i);
		}
		else if (IS_LOOKED_AT(node, i))
		{
			claimer->passed = true;
			go_on = claimer->look.version == 0;
		}
		else if (must_look(claimer, node->due[i], node->ready[i], last))
		{
			go_on = look_extend(claimer, first, last);
			if (go_on)
			{
				node->looked |= BIT(i);
				node->tag[i] = claimer->look.version;
				node->due[i] = PGMQ_DUE_NEVER;
				node->ready[i] = 0;
				node->has_ready &= ~BIT(i);
			}
		}
		else if (claimer->look.version != 0)
			go_on = false;
		else if (!claimer->verifies)
		{
			uint64		ids = claim_ids(claimer, first, node->ready[i]);

			if (!claimer->peeks)
				slot_claim(node, i, ids, ids);
			go_on = !claimer_is_full(claimer);
		}
		if (!go_on)
			return false;
	}
	return true;
}

/* The same from an edge, where nothing but a look is possible. */
static bool
edge_claim(PgmqEdge *edge, int64 first, int64 last, PgmqClaimer *claimer)
{
	if (edge->look != 0)
		claimer->passed = true;
	else if (must_look(claimer, edge->due, 0, last) && look_extend(claimer, first, last))
	{
		edge->look = claimer->look.version;
		edge->due = PGMQ_DUE_NEVER;
		return false;
	}
	return claimer->look.version == 0;
}

/*
 * Claim up to claimer->wanted ids from claimer->from on, in order, and note
 * them.  This stops before a slot that is unknown, and before one that is due
 * unless it ends by claimer->seen; then that slot and those next to it of which
 * this is true as well are the look that the caller must make.  If
 * claimer->verifies, no id is claimed, and slots with ids that are ready are
 * looked at as well.  If claimer->peeks, the ids stay ready until the caller
 * knows which of them it has taken; see pgmq_tree_claim_late.
 */
void
pgmq_tree_claim(PgmqTree *tree, PgmqClaimer *claimer)
{
	claimer->n = 0;
	claimer->look.version = 0;
	if (claimer->from < 0 && !edge_claim(&tree->below, PG_INT64_MIN, -1, claimer))
		return;
	if (tree->root != NO_NODE)
	{
		bool		go_on = node_claim(tree, tree->root, tree->level, 0, claimer);

		if (!go_on)
			return;
	}
	(void) edge_claim(&tree->above, pgmq_tree_end(tree), PG_INT64_MAX, claimer);
}

static uint64
node_claim_late(PgmqTree *tree, int32 n, int level, uint64 first, uint64 ids, uint64 taken)
{
	PgmqNode   *node = NODE(n);
	int			i = (first >> SLOT_SHIFT(level)) & (FANOUT - 1);
	uint64		claimed = taken;

	if (level == 0)
	{
		claimed |= node->ready[i] & ids;
		slot_claim(node, i, ids, claimed);
	}
	else if (HAS_CHILD(node, i))
	{
		claimed = node_claim_late(tree, CHILD(node, i), level - 1, first, ids, taken);
		pgmq_slot_update(tree, node, i);
	}
	return claimed;
}

/*
 * Claim ids of a block that the caller has tried to take, and has taken in
 * part.  Those that it has not taken and that are not ready any more belong to
 * others, which have claimed or looked at them since.  Returns the caller's.
 */
uint64
pgmq_tree_claim_late(PgmqTree *tree, int64 first, uint64 ids, uint64 taken)
{
	if (first < 0 || !pgmq_tree_covers(tree, first))
		return taken;
	return node_claim_late(tree, tree->root, tree->level, first, ids, taken);
}

/* Forget that ids of a block were claimed; whether a node was dropped. */
static bool
node_unclaim(PgmqTree *tree, int32 n, int level, uint64 first, uint64 ids)
{
	PgmqNode   *node = NODE(n);
	int			i = (first >> SLOT_SHIFT(level)) & (FANOUT - 1);
	bool		dropped = false;

	if (level == 0)
		node->claimed[i] &= ~ids;
	else if (HAS_CHILD(node, i))
	{
		dropped = node_unclaim(tree, CHILD(node, i), level - 1, first, ids);
		if (NODE(CHILD(node, i))->has_claimed != 0)
			return dropped;
		if (node->due[i] == PGMQ_DUE_NEVER && (node->has_ready & BIT(i)) == 0)
		{
			pgmq_slot_set(tree, node, i, PGMQ_DUE_NEVER);
			return true;
		}
	}
	if (level > 0 || node->claimed[i] == 0)
		node->has_claimed &= ~BIT(i);
	return dropped;
}

/* Ids of a block are claimed no longer. */
void
pgmq_tree_unclaim(PgmqTree *tree, int64 first, uint64 ids)
{
	if (first >= 0 && pgmq_tree_covers(tree, first) &&
		node_unclaim(tree, tree->root, tree->level, first, ids))
		pgmq_tree_shrink(tree);
}

/* ----------------------------------------------------------------
 *		Looks
 * ----------------------------------------------------------------
 */

/*
 * Nothing but what was announced since is at the ids lo to hi, which are whole
 * blocks that a look has taken.  False if it no longer has all of them, or if
 * there are not enough nodes to tell a part of a slot from the rest.
 */
static bool
node_describe(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi,
			  uint64 version, TimestampTz empty)
{
	PgmqNode   *node = NODE(n);
	int			shift = SLOT_SHIFT(level);
	bool		all = true;

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;
		bool		is_ours = IS_LOOKED_AT(node, i) && node->tag[i] == version;

		if (is_ours && lo <= first && hi >= last)
		{
			node->looked &= ~BIT(i);
			node->tag[i] = 0;
			node->due[i] = Min(node->due[i], empty);
			continue;
		}
		if (is_ours)
		{
			int32		child = pgmq_node_alloc(tree, node->due[i], version);

			if (child != NO_NODE)
				pgmq_slot_set_child(node, i, child);
		}
		if (HAS_CHILD(node, i))
		{
			all &= node_describe(tree, CHILD(node, i), level - 1,
								 Max(lo, first) - first, Min(hi, last) - first, version, empty);
			pgmq_slot_update(tree, node, i);
		}
		else
			all = false;
	}
	return all;
}

/* Slots that a look has taken and not described are unknown. */
static void
node_abandon(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi, uint64 version)
{
	PgmqNode   *node = NODE(n);
	int			shift = SLOT_SHIFT(level);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (HAS_CHILD(node, i))
		{
			if (node->due[i] != PGMQ_DUE_NOW)
				continue;
			node_abandon(tree, CHILD(node, i), level - 1,
						 Max(lo, first) - first, Min(hi, last) - first, version);
			pgmq_slot_update(tree, node, i);
		}
		else if (IS_LOOKED_AT(node, i) && node->tag[i] == version)
		{
			node->looked &= ~BIT(i);
			node->tag[i] = 0;
			node->due[i] = PGMQ_DUE_NOW;
		}
	}
}

/*
 * A look ends: what it has not described is unknown, as is what comes before it
 * in its first slot.
 */
void
pgmq_tree_abandon(PgmqTree *tree, const PgmqLook *look)
{
	int64		lo = Max(look->first, 0);
	int64		hi = pgmq_tree_covers(tree, PG_INT64_MAX) ? look->hi : Min(look->hi, pgmq_tree_end(tree) - 1);

	if (tree->below.look == look->version)
		tree->below = (PgmqEdge)
	{
		PGMQ_DUE_NOW, 0
	};
	if (tree->above.look == look->version)
		tree->above = (PgmqEdge)
	{
		PGMQ_DUE_NOW, 0
	};
	if (tree->root != NO_NODE && lo <= hi)
		node_abandon(tree, tree->root, tree->level, lo, hi, look->version);
}

/* The ids of a block that are claimed. */
static uint64
tree_claimed(const PgmqTree *tree, int64 first)
{
	int32		n = tree->root;

	if (first < 0 || !pgmq_tree_covers(tree, first))
		return 0;
	for (int level = tree->level;; level--)
	{
		const PgmqNode *node = NODE(n);
		int			i = ((uint64) first >> SLOT_SHIFT(level)) & (FANOUT - 1);

		if (!HAS_CHILD(node, i))
			return node->claimed[i];
		n = CHILD(node, i);
	}
}

/* Take over from an edge what a look up to an id saw there; whether it could. */
static bool
above_describe(PgmqTree *tree, const PgmqLook *look, int64 upto, TimestampTz empty)
{
	if (tree->above.look != look->version)
		return false;
	if (upto < PG_INT64_MAX)
		return pgmq_tree_cover(tree, upto);
	tree->above.due = Min(tree->above.due, empty);
	tree->above.look = 0;
	return true;
}

/*
 * End a look which saw all messages up to an id, the last one of a block: they
 * are in the nfound blocks found.  empty is the due time of a block where it saw
 * none.  False if something it saw is not described, so that there may be
 * messages in these ids which nobody can claim.
 */
bool
pgmq_tree_describe(PgmqTree *tree, const PgmqLook *look, int64 upto,
				   const PgmqFound *found, int nfound, TimestampTz empty)
{
	bool		all = true;
	int64		hi = upto;

	if (look->lo < 0)
	{
		all = tree->below.look == look->version;
		if (all)
			tree->below = (PgmqEdge)
		{
			Min(tree->below.due, empty), 0
		};
	}
	else
	{
		if (!pgmq_tree_covers(tree, hi))
		{
			all = above_describe(tree, look, upto, empty);
			if (!pgmq_tree_covers(tree, hi))
				hi = pgmq_tree_end(tree) - 1;
		}
		if (tree->root != NO_NODE && look->lo <= hi)
			all &= node_describe(tree, tree->root, tree->level, look->lo, hi, look->version, empty);
	}

	/*
	 * from the last one on, so that a lack of nodes leaves the first ones
	 * ready
	 */
	for (int i = nfound; --i >= 0;)
	{
		uint64		ids = found[i].ready & ~tree_claimed(tree, found[i].first);

		if (found[i].due < PGMQ_DUE_NEVER)
			pgmq_tree_lower(tree, found[i].first, found[i].first, found[i].due);
		if (ids != 0)
			all &= pgmq_tree_ready(tree, found[i].first, ids);
	}
	pgmq_tree_abandon(tree, look);
	pgmq_tree_shrink(tree);
	return all;
}

/* Where a node may have something by an open transaction, it has nothing. */
static void
node_confirm(PgmqTree *tree, int32 n, int level, uint64 lo, uint64 hi)
{
	PgmqNode   *node = NODE(n);
	int			shift = SLOT_SHIFT(level);

	for (int i = lo >> shift; i <= (int) (hi >> shift); i++)
	{
		uint64		first = (uint64) i << shift;
		uint64		last = first + (UINT64CONST(1) << shift) - 1;

		if (HAS_CHILD(node, i))
		{
			node_confirm(tree, CHILD(node, i), level - 1,
						 Max(lo, first) - first, Min(hi, last) - first);
			pgmq_slot_update(tree, node, i);
		}
		else if (node->due[i] == PGMQ_DUE_MAYBE)
			node->due[i] = PGMQ_DUE_NEVER;
	}
}

/*
 * The transaction that has looked at the ids lo to hi has committed, so where it
 * saw nothing there is nothing.
 */
void
pgmq_tree_confirm(PgmqTree *tree, int64 lo, int64 hi)
{
	if (lo < 0 && tree->below.due == PGMQ_DUE_MAYBE)
		tree->below.due = PGMQ_DUE_NEVER;
	if (!pgmq_tree_covers(tree, Max(hi, 0)))
	{
		if (tree->above.due == PGMQ_DUE_MAYBE)
			tree->above.due = PGMQ_DUE_NEVER;
		hi = pgmq_tree_end(tree) - 1;
	}
	lo = Max(lo, 0);
	if (tree->root != NO_NODE && lo <= hi)
		node_confirm(tree, tree->root, tree->level, lo, hi);
	pgmq_tree_shrink(tree);
}
