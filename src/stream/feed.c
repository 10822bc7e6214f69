/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Giving a subscription references to the messages of its stream.
 *
 * A send to a stream does nothing for subscriptions.  A reader of a subscription
 * that finds fewer messages than it wants *feeds* it: it inserts references to
 * the next messages of the stream, which are then read as those of any queue.
 *
 * Ids are drawn before their messages are committed, so an id that is missing may
 * still come.  Feeding goes by what can be seen, and never by a greatest id.  The
 * ids are divided into blocks of 64, and pgmq.subscription_block says of each
 * block which ids were given out (mask), and for which transactions it waits
 * (waits): those that might still commit an id of it.  Once all of them have ended
 * a look at the block shows whatever there will be.  Then it is settled, and
 * needs no further look.  All blocks before the block done_before of a
 * subscription are settled.
 *
 * A transaction that draws an id has locked the stream's table before, in a mode
 * that conflicts with SHARE, and keeps the lock until the end of the transaction
 * has become visible.  So this order is what makes the list complete:
 *
 *	1. note the last id that was drawn,
 *	2. list the transactions that hold such a lock,
 *	3. look, with a new snapshot.
 *
 * An id up to the noted one that the look does not show belongs to a transaction
 * of the list, or will never come.  A transaction is known by its backend and a
 * number that starts again with the server, so pgmq.subscription_block also says
 * when the server had started.  A prepared one may have been any of those waited
 * for, so all wait for it.
 *
 * Feeding locks each block until the end of its transaction, and passes over
 * blocks that others have locked.  So a transaction that stays open after a read
 * holds up at most the other messages of the blocks that it has fed, and a
 * rollback leaves no trace.
 *
 * Feeding runs with the rights of the subscription's owner, who needs SELECT on
 * the stream.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/feed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* A call looks at so many windows at most. */
#define WINDOWS_MAX		64

bool		pgmq_feed_passed = false;

/* ----------------------------------------------------------------
 *		What there is to look at
 * ----------------------------------------------------------------
 */

/* The bits of the ids of a block that were drawn by now. */
static uint64
drawn_ids(const PgmqFeed *feed, int64 blk)
{
	if (PGMQ_FEED_LAST(blk) <= feed->drawn)
		return ALL_IDS;
	return PGMQ_FEED_FIRST(blk) > feed->drawn ? 0 :
		PGMQ_FEED_BIT(feed->drawn) | (PGMQ_FEED_BIT(feed->drawn) - 1);
}

/* Tell whether a look at noted blocks may show anything new. */
static bool
is_worth_a_look(const PgmqFeed *feed, const Blocks *blocks)
{
	if (blocks->settled || !blocks->ripe)
		return false;
	return blocks->first < blocks->last ||
		(drawn_ids(feed, blocks->first) & ~blocks->mask) != 0;
}

/*
 * Refuse a stream with policies for the owner of a subscription, since they would run
 * with the rights of that role.  The lock keeps it as it is.  Error: 55000.
 */
void
pgmq_feed_check_stream(const PgmqQueue *queue, const PgmqStream *stream)
{
	PgmqRole	saved = pgmq_role_become_owner(queue->relid);

	LockRelationOid(stream->stream, AccessShareLock);
	if (check_enable_rls(stream->stream, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the owner of subscription \"%s\" does not see all messages of its stream",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("The stream has row-level security.")));
	pgmq_role_restore(saved);
}

/*
 * Refuse a table of references with triggers of users, which would run with the
 * rights of its owner, and a stream with policies.  Error: 55000.
 */
void
pgmq_feed_check(const PgmqQueue *queue, const PgmqStream *stream)
{
	Relation	rel = relation_open(queue->relid, RowExclusiveLock);
	const Trigger *trigger = pgmq_role_find_trigger(rel, TRIGGER_TYPE_INSERT, true);

	if (trigger != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("subscription \"%s\" must not have triggers on INSERT",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("Trigger \"%s\" would run with the rights of the subscription's owner.",
						   trigger->tgname),
				 errhint("Create the trigger on the table of the stream.")));
	relation_close(rel, NoLock);
	pgmq_feed_check_stream(queue, stream);
}

/* ----------------------------------------------------------------
 *		Feeding blocks
 * ----------------------------------------------------------------
 */

/*
 * Insert references to the messages of a range of ids, but for those in except,
 * which is in order.  Returns how many.
 */
static int64
insert_references(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept)
{
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(lo)), PGMQ_ARG(Int64GetDatum(hi)),
		pgmq_int8_array(except, nexcept), PGMQ_ARG(Int32GetDatum(feed->stream->read_base))
	};
	PgmqRole	saved = pgmq_role_become_owner(feed->queue->relid);
	int64		count;

	feed->given.n = 0;
	if (PGMQ_STREAM_FILTERS(feed->stream))
		count = pgmq_feed_filtered(feed, lo, hi, except, nexcept);
	else
	{
		pgmq_exec_each(feed->queue, PGMQ_STMT_FEED, args, pgmq_stream_row_id, &feed->given);
		count = feed->given.n;
	}
	pgmq_role_restore(saved);
	if (feed->given.n > 0)
	{
		feed->lo = Min(feed->lo, feed->given.ids[0]);
		feed->hi = Max(feed->hi, feed->given.ids[feed->given.n - 1]);
	}
	return count;
}

/*
 * Feed the n blocks from blk on, all of which are locked: look again what is noted
 * of them, insert references, and note them.  Returns how many there were.  A lease
 * gets at most limit: the ids after the last one are noted as if they were not drawn.
 */
static int64
feed_locked(PgmqFeed *feed, int64 blk, int n, int64 limit)
{
	int64		drawn = feed->drawn;
	uint64		masks[WINDOW_MAX] = {0};
	bool		noted[WINDOW_MAX] = {false};
	bool		done[WINDOW_MAX] = {false};
	int64		put_blks[WINDOW_MAX];
	int64		put_masks[WINDOW_MAX];
	int			nput = 0;
	int64	   *except = palloc(n * 64 * sizeof(int64));
	int			nexcept = 0;
	int			nskipped = 0;
	int64		count = -1;
	int64		lo = PGMQ_FEED_FIRST(blk);
	int64		hi = Min(PGMQ_FEED_LAST(blk + n - 1), drawn);

	pgmq_feed_load(feed, blk, blk + n - 1);
	for (int i = 0; i < feed->n; i++)
	{
		Blocks	   *blocks = &feed->blocks[i];

		for (int64 b = Max(blocks->first, blk); b <= Min(blocks->last, blk + n - 1); b++)
		{
			noted[b - blk] = true;
			masks[b - blk] |= blocks->mask;
			done[b - blk] |= blocks->settled || blocks->first < blocks->last;
		}
	}
	for (int i = 0; i < n; i++)
	{
		done[i] |= !feed->exists || blk + i < feed->done_before;
		for (int bit = 0; bit < 64; bit++)
			if (done[i] || (masks[i] & (UINT64CONST(1) << bit)) != 0)
				except[nexcept++] = PGMQ_FEED_FIRST(blk + i) + bit;
	}
	/* mostly the first ids of the first block were given out */
	while (lo < hi && nskipped < nexcept && except[nskipped] == lo)
	{
		lo++;
		nskipped++;
	}
	if (feed->lease != NULL)
		count = pgmq_lease_range(feed, lo, hi, except + nskipped, nexcept - nskipped, limit);
	if (count < 0)
		count = insert_references(feed, lo, hi, except + nskipped, nexcept - nskipped);
	else if (count == limit)
		feed->drawn = feed->given.ids[feed->given.n - 1];
	pfree(except);

	for (int i = 0; i < feed->given.n; i++)
		masks[PGMQ_FEED_BLOCK(feed->given.ids[i]) - blk] |= PGMQ_FEED_BIT(feed->given.ids[i]);
	for (int i = 0, next = 0; i < n; i++)
	{
		int			before = next;

		while (next < feed->given.n && PGMQ_FEED_BLOCK(feed->given.ids[next]) == blk + i)
			next++;
		/* nothing has changed in a block to which more is to come */
		if (done[i] || (noted[i] && next == before && drawn_ids(feed, blk + i) != ALL_IDS))
			continue;
		put_blks[nput] = blk + i;
		put_masks[nput++] = (int64) masks[i];
	}
	pgmq_feed_put(feed, put_blks, put_masks, nput);
	feed->drawn = drawn;
	return count;
}

/* Remember some blocks that another transaction has locked. */
static void
pass_over(PgmqFeed *feed, int64 first, int64 last)
{
	if (feed->npassed < lengthof(feed->passed))
	{
		feed->passed[feed->npassed].first = first;
		feed->passed[feed->npassed++].last = last;
	}
}

/*
 * Look at blocks that are noted as one, since there was nothing in them.  If there
 * is something by now, forget that note, so that they are fed.  *busy says whether
 * another transaction looks at them.
 */
static bool
look_at_gap(PgmqFeed *feed, const Blocks *gap, bool *busy)
{
	int64		blk = gap->first;
	int64		mask = 0;

	if (!pgmq_feed_lock(feed, gap->first))
	{
		pass_over(feed, gap->first, gap->last);
		*busy = true;
		return false;
	}
	if (pgmq_feed_next_stored(feed, PGMQ_FEED_FIRST(gap->first), PGMQ_FEED_LAST(gap->last)) == PG_INT64_MAX)
	{
		pgmq_feed_put(feed, &blk, &mask, 1);
		return false;
	}

	/*
	 * no more than this row: others may have fed some of the blocks since we
	 * looked
	 */
	pgmq_feed_change(feed, "DELETE FROM " BLOCK_TABLE " WHERE subscription OPERATOR(pg_catalog.=) $1"
					 " AND blk OPERATOR(pg_catalog.=) $2 AND upto OPERATOR(pg_catalog.=) $3"
					 " AND ($4, $5) IS NOT NULL", gap->first, gap->last);
	return true;
}

/*
 * Feed blocks that are worth a look until wanted references were inserted.  Adds
 * to *windows how many windows were looked at.  Returns how many references; *busy
 * says whether another transaction has some of the blocks.
 */
static int64
feed_run(PgmqFeed *feed, int64 first, int64 last, int64 wanted, bool in_order,
		 int *windows, bool *busy)
{
	int64		count = 0;

	while (first <= last && count < wanted && *windows < WINDOWS_MAX)
	{
		int64		max = Min(last - first + 1,
							  Min((wanted - count + feed->skipped + 63) / 64, WINDOW_MAX));
		int			n = 0;
		int64		fed;
		int64		next;

		CHECK_FOR_INTERRUPTS();
		feed->skipped = 0;
		while (n < max && pgmq_feed_lock(feed, first + n))
			n++;
		if (n < max)
		{
			pass_over(feed, first + n, first + n);
			*busy = true;
		}
		if (n == 0)
		{
			if (in_order || pgmq_feed_locks_full())
				break;
			first++;
			(*windows)++;
			continue;
		}
		fed = feed_locked(feed, first, n, wanted - count);
		(*windows)++;
		count += fed;
		first += n;
		if (in_order && *busy)
			break;
		if (fed > 0 || feed->given.n > 0 || first >= last)
			continue;

		/* there may be nothing for a long way */
		next = pgmq_feed_next_stored(feed, PGMQ_FEED_FIRST(first), feed->drawn);
		next = next == PG_INT64_MAX ? last : Min(PGMQ_FEED_BLOCK(next), last);
		if (next > first && pgmq_feed_lock(feed, first))
		{
			pgmq_feed_change(feed, PUT_BLOCKS("0", "$4"), first, next - 1);
			first = next;
		}
	}
	return count;
}

/* ----------------------------------------------------------------
 *		What was not given out
 * ----------------------------------------------------------------
 */

/* Ids between two that a subscription was not given. */
typedef struct Hole
{
	int64		lo;
	int64		hi;
	Blocks		noted;			/* what is noted of them; 0 for nothing */
} Hole;

/* The first message of a hole; PG_INT64_MAX for none. */
static int64
first_in_hole(PgmqFeed *feed, const Hole *hole)
{
	PgmqArg		range[] = {
		PGMQ_ARG(Int64GetDatum(hole->lo)), PGMQ_ARG(Int64GetDatum(hole->hi)),
		PGMQ_ARG(Int64GetDatum(64))
	};
	PgmqRole	saved = pgmq_role_become_owner(feed->queue->relid);

	feed->given.n = 0;
	pgmq_exec_each(feed->queue, PGMQ_STMT_STORED, range, pgmq_stream_row_id, &feed->given);
	pgmq_role_restore(saved);
	for (int i = 0; i < feed->given.n; i++)
		if ((hole->noted.mask & PGMQ_FEED_BIT(feed->given.ids[i])) == 0)
			return feed->given.ids[i];
	return PG_INT64_MAX;
}

/*
 * A feeding has given out nothing: say whether it has passed over messages.  The
 * transaction that has them may roll back, which wakes no waiter.
 */
static void
note_passed(PgmqFeed *feed)
{
	for (int i = 0; i < feed->npassed && !pgmq_feed_passed; i++)
	{
		Hole		hole = {
			.lo = PGMQ_FEED_FIRST(feed->passed[i].first),.hi = PGMQ_FEED_LAST(feed->passed[i].last)
		};

		pgmq_feed_load(feed, feed->passed[i].first, feed->passed[i].last);
		for (int j = 0; j < feed->n && feed->passed[i].first == feed->passed[i].last; j++)
			hole.noted.mask |= feed->blocks[j].settled ? ALL_IDS : feed->blocks[j].mask;
		pgmq_feed_passed = first_in_hole(feed, &hole) != PG_INT64_MAX;
	}
}

/* ----------------------------------------------------------------
 *		What others call
 * ----------------------------------------------------------------
 */

/*
 * Give an open subscription references to at least wanted more messages of its
 * stream, if there are so many, and return how many it got; stream->more says
 * whether it stopped before the end.  in_order: not to messages after some that
 * another transaction is giving out.  lease: the read that gets what can be leased,
 * or NULL.
 * Errors: 42501 if the owner may not read the stream, 55000 if the subscription
 * has triggers or the stream row-level security.
 */
int64
pgmq_feed(const PgmqQueue *queue, PgmqStream *stream, int64 wanted, bool in_order,
		  PgmqLease *lease)
{
	PgmqFeed	feed;
	int64		count = 0;
	int64		next;
	int64		head;
	int			windows = 0;
	int			n;
	bool		busy = false;
	Blocks	   *blocks;

	stream->more = false;
	stream->lo = PG_INT64_MAX;
	stream->hi = PG_INT64_MIN;
	if (!pgmq_feed_begin(&feed, queue, stream))
		return 0;
	wanted = Max(wanted, 1);
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists)
		return 0;
	pgmq_feed_fold(&feed);
	pgmq_feed_check(queue, stream);
	pgmq_lease_begin(&feed, lease, wanted);

	/* feeding uses the list itself */
	n = feed.n;
	blocks = feed.blocks;
	feed.blocks = NULL;
	feed.n = feed.max = 0;
	next = feed.done_before;
	head = PGMQ_FEED_BLOCK(feed.drawn);
	for (int i = 0; i <= n && count < wanted && windows < WINDOWS_MAX && !(busy && in_order); i++)
	{
		int64		first = i < n ? blocks[i].first : head + 1;

		if (i < n && blocks[i].first == blocks[i].last && is_worth_a_look(&feed, &blocks[i]) &&
			next == first)
		{
			/* with the ones after it, if there is no other row there */
			if (feed.lease != NULL)
				feed.skipped = pg_popcount64(blocks[i].mask);
			first = i + 1 < n ? blocks[i + 1].first : head + 1;
			count += feed_run(&feed, next, Min(first - 1, head), wanted - count, in_order,
							  &windows, &busy);
			next = Max(next, first);
			continue;
		}
		if (next < first)
			count += feed_run(&feed, next, Min(first - 1, head), wanted - count, in_order,
							  &windows, &busy);
		if (i == n || count >= wanted || (busy && in_order))
			continue;
		if (is_worth_a_look(&feed, &blocks[i]))
		{
			if (blocks[i].first == blocks[i].last)
				count += feed_run(&feed, first, first, wanted - count, in_order, &windows, &busy);
			else if (look_at_gap(&feed, &blocks[i], &busy))
				count += feed_run(&feed, blocks[i].first, Min(blocks[i].last, head),
								  wanted - count, in_order, &windows, &busy);
		}
		next = Max(next, blocks[i].last + 1);
	}
	stream->lo = feed.lo;
	stream->hi = feed.hi;
	stream->more = windows >= WINDOWS_MAX || pgmq_feed_locks_full();
	if (count == 0)
		note_passed(&feed);
	return count;
}

/*
 * Find the ranges of ids before the last given one of which some may still be given
 * out, by what was loaded of all blocks.  Returns how many there are.
 */
static int
find_holes(const PgmqFeed *feed, Hole **holes)
{
	int64		last = pgmq_feed_last_given(feed);
	int64		next = PGMQ_FEED_FIRST(feed->done_before);
	int			n = 0;

	*holes = palloc0((2 * feed->n + 1) * sizeof(Hole));
	for (int i = 0; i <= feed->n; i++)
	{
		const Blocks *blocks = i < feed->n ? &feed->blocks[i] : NULL;
		int64		first = blocks == NULL ? last + 1 : PGMQ_FEED_FIRST(blocks->first);
		Hole	   *hole;

		/* blocks of which nothing is noted */
		if (next < first)
		{
			(*holes)[n].lo = next;
			(*holes)[n++].hi = first - 1;
		}
		if (blocks == NULL)
			break;
		next = Max(next, PGMQ_FEED_LAST(blocks->last) + 1);

		/* the last block counts only up to the last given id */
		if (!is_worth_a_look(feed, blocks) || first > last ||
			(last < next && (blocks->mask & (blocks->mask + 1)) == 0))
			continue;
		hole = &(*holes)[n++];
		hole->lo = first;
		hole->hi = Min(next - 1, last);
		hole->noted = *blocks;
	}
	return n;
}

/*
 * Before a read by groups: give an open subscription references to messages that
 * were committed after later ones were given out.  Returns false if another
 * transaction is doing that, or if this one cannot, since it has one snapshot: later
 * messages must not be read yet.  Nor must those after *upto, which others may give
 * out from now on.
 * Errors: as pgmq_feed.
 */
bool
pgmq_feed_late(const PgmqQueue *queue, const PgmqStream *stream, int64 *upto)
{
	PgmqFeed	feed;
	Hole	   *holes;
	int			nholes;
	int			windows = 0;
	bool		busy = false;
	bool		checked = false;
	bool		may_feed;

	*upto = PG_INT64_MAX;
	may_feed = pgmq_feed_begin(&feed, queue, stream);
	if (!may_feed && (RecoveryInProgress() || !pgmq_sequence_look(stream->stream, &feed.drawn)))
		return true;
	if (!may_feed)
		pgmq_feed_list_open(&feed);
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists)
		return true;
	if (may_feed)
		*upto = pgmq_feed_last_given(&feed);
	nholes = find_holes(&feed, &holes);
	if (nholes > 0)
		pgmq_feed_check_stream(queue, stream);
	for (int i = 0; i < nholes && !busy; i++)
	{
		int64		id = first_in_hole(&feed, &holes[i]);

		if (id == PG_INT64_MAX)
			continue;
		if (!may_feed)
			return false;
		if (!checked)
			pgmq_feed_check(queue, stream);
		checked = true;
		if (holes[i].noted.first < holes[i].noted.last && !look_at_gap(&feed, &holes[i].noted, &busy))
		{
			busy = true;
			break;
		}
		(void) feed_run(&feed, PGMQ_FEED_BLOCK(id), PGMQ_FEED_BLOCK(holes[i].hi), PG_INT64_MAX / 2,
						true, &windows, &busy);
		if (windows >= WINDOWS_MAX)
			busy = true;
	}
	pfree(holes);
	pgmq_feed_passed |= busy;
	return !busy;
}

/*
 * A message that is acknowledged before the subscription got a reference to it is
 * passed over.  Waits for a transaction that is feeding its block.  Returns true if the stream
 * has the message, and the subscription would have got it.  Error: 55000 if the stream
 * has row-level security.
 */
bool
pgmq_feed_pass(const PgmqQueue *queue, const PgmqStream *stream, int64 msg_id)
{
	PgmqFeed	feed;
	int64		blk = PGMQ_FEED_BLOCK(msg_id);
	int64		mask = 0;

	if (!pgmq_feed_begin(&feed, queue, stream) || msg_id > feed.drawn)
		return false;

	/*
	 * the transaction that had the lock may have removed the message, and
	 * counted it as lost
	 */
	(void) pgmq_lock_block(queue, blk, true);
	pgmq_feed_load(&feed, blk, blk);
	if (!feed.exists || blk < feed.done_before)
		return false;
	pgmq_feed_check_stream(queue, stream);
	if (pgmq_feed_next_stored(&feed, msg_id, msg_id) != msg_id)
		return false;
	for (int i = 0; i < feed.n; i++)
	{
		mask |= (int64) feed.blocks[i].mask;
		if (feed.blocks[i].settled || feed.blocks[i].first < feed.blocks[i].last)
			return false;
	}
	if (((uint64) mask & PGMQ_FEED_BIT(msg_id)) != 0)
		return false;
	mask |= (int64) PGMQ_FEED_BIT(msg_id);

	/* the other ids of the block are still to be looked at */
	feed.drawn = PGMQ_FEED_FIRST(blk) - 1;
	pgmq_feed_put(&feed, &blk, &mask, 1);
	return true;
}
