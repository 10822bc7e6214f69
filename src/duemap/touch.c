/*-------------------------------------------------------------------------
 *
 * touch.c
 *	  The ids that a transaction made readable, in a bounded number of touches.
 *
 * A touch has the exact ids of one block, as long as there are few; otherwise it
 * is a range.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/touch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/common.h"
#include "duemap/duemap.h"

/* Ids no farther apart than this become one range. */
#define TOUCH_GAP		(1 << PGMQ_BLOCK_BITS)

static void
touch_extend(PgmqTouch *touch, int64 lo, int64 hi, TimestampTz due)
{
	touch->lo = Min(touch->lo, lo);
	touch->hi = Max(touch->hi, hi);
	touch->due = Min(touch->due, due);
}

/* Whether an id lies in a range or near it. */
static bool
touch_is_near(const PgmqTouch *touch, int64 id)
{
	if (id < touch->lo)
		return (uint64) touch->lo - (uint64) id <= TOUCH_GAP;
	return id <= touch->hi || (uint64) id - (uint64) touch->hi <= TOUCH_GAP;
}

/*
 * Make one range of the two touches next to each other that have the narrowest
 * gap; how many remain.  Since there can be more touches than priorities, no
 * range grows from one priority to another, with all the ids between.
 */
static int
touches_merge_nearest(PgmqTouch *touches, int n)
{
	int			a = 0;
	int			b = 1;
	uint64		least = PG_UINT64_MAX;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
		{
			/* they do not overlap, but in a block or two */
			uint64		gap = touches[j].lo <= touches[i].hi ? 0 :
			(uint64) touches[j].lo - (uint64) touches[i].hi;

			if (i != j && touches[j].lo >= touches[i].lo && gap < least)
			{
				a = i;
				b = j;
				least = gap;
			}
		}
	touch_extend(&touches[a], touches[b].lo, touches[b].hi, touches[b].due);
	touches[a].ids = 0;
	touches[b] = touches[n - 1];
	return n - 1;
}

/* Make n touches ranges, one of those near each other; how many remain. */
static int
touches_merge(PgmqTouch *touches, int n)
{
	int			last = 0;

	touches[0].ids = 0;
	for (int i = 1; i < n; i++)
	{
		if (touch_is_near(&touches[last], touches[i].lo))
			touch_extend(&touches[last], touches[i].lo, touches[i].hi, touches[i].due);
		else
		{
			touches[++last] = touches[i];
			touches[last].ids = 0;
		}
	}
	return last + 1;
}

/*
 * Add a message that can be read from due on, at the latest from last on, to n
 * touches, of which there can be PGMQ_MAX_TOUCHES; how many there are then.  Where
 * there are too many, they get coarser, which only makes more ids due.
 */
int
pgmq_touch_add(PgmqTouch *touches, int n, int64 id, TimestampTz due, TimestampTz last)
{
	for (int i = n; --i >= 0;)
	{
		PgmqTouch  *touch = &touches[i];

		if (touch->ids != 0 && PGMQ_BLOCK_FIRST(touch->lo) == PGMQ_BLOCK_FIRST(id))
		{
			touch->ids |= PGMQ_BLOCK_BIT(id);
			touch->last = Max(touch->last, last);
		}
		else if (touch->ids != 0 || !touch_is_near(touch, id))
			continue;
		touch_extend(touch, id, id, due);
		return n;
	}
	if (n == PGMQ_MAX_TOUCHES)
		n = touches_merge(touches, n);
	if (n == PGMQ_MAX_TOUCHES)
		n = touches_merge_nearest(touches, n);
	touches[n++] = (PgmqTouch)
	{
		.lo = id,.hi = id,.ids = PGMQ_BLOCK_BIT(id),.due = due,.last = last
	};
	return n;
}
