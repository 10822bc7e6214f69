/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far a subscription has come, what is ahead of it, and where it begins.
 *
 * Settled blocks are forgotten: done_before moves over them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/progress.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "port/pg_bitutils.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/*
 * So many settled blocks are worth forgetting, or noting as one.  Beside an old
 * snapshot each look goes over all versions of the rows that are not forgotten.
 */
#define FORGET_MIN		4
#define FOLD_MIN		16

/* ----------------------------------------------------------------
 *		Forgetting what is finished
 * ----------------------------------------------------------------
 */

/*
 * The first block that is not finished, going on from done_before; so many of the
 * list begin before it.  Blocks that are noted as one may have others among them, which
 * another transaction has noted meanwhile.  Once they are settled, so are those.
 */
static int64
first_unfinished(const PgmqFeed *feed, int *nfinished)
{
	int64		before = feed->done_before;
	int			i = 0;

	for (; i < feed->n && feed->blocks[i].first <= before; i++)
	{
		if (feed->blocks[i].settled)
			before = Max(before, feed->blocks[i].last + 1);
		else if (feed->blocks[i].first == before)
			break;
	}
	*nfinished = i;
	return before;
}

/* Note that all blocks before one are done, as were those before another one. */
static void
note_done(const PgmqFeed *feed, int64 was, int64 before)
{
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(feed->queue->relid)),
		PGMQ_ARG(Int64GetDatum(was)),
		PGMQ_ARG(Int64GetDatum(before))
	};
	PgmqRole	saved = pgmq_stream_become_keeper();

	pgmq_exec(NULL, PGMQ_STMT_BLOCKS_DONE, args);
	pgmq_role_restore(saved);
}

/*
 * Move done_before over blocks that are settled, and note a run of others as one,
 * if there are so many, and nobody else does it.
 */
void
pgmq_feed_fold(PgmqFeed *feed)
{
	int64		before;
	int			i;

	(void) first_unfinished(feed, &i);
	if (i < FORGET_MIN && feed->n - i < FOLD_MIN)
		return;
	if (!pgmq_lock_fold(feed->queue))
		return;
	pgmq_feed_load(feed, PG_INT64_MIN, PG_INT64_MAX);
	before = first_unfinished(feed, &i);
	if (before > feed->done_before)
		note_done(feed, feed->done_before, before);
	while (i < feed->n)
	{
		int			from = i;

		while (i < feed->n && feed->blocks[i].settled &&
			   (i == from || feed->blocks[i].first == feed->blocks[i - 1].last + 1))
			i++;
		if (i - from >= FOLD_MIN)
		{
			int64		first = feed->blocks[from].first;
			int64		last = feed->blocks[i - 1].last;

			pgmq_feed_change(feed, DROP_BLOCKS, first, last);
			pgmq_feed_change(feed, PUT_BLOCKS("-1", "'{}'"), first, last);
		}
		else if (i == from)
			i++;
	}
}

/*
 * The last id up to which a subscription was given all that it will get.  In the first
 * block that is not settled that is the id before the first that was not given out.
 */
int64
pgmq_feed_finished(const PgmqQueue *queue, const PgmqStream *stream)
{
	PgmqFeed	feed;
	int			nfinished;
	int64		blk;
	int			given = 0;

	if (!pgmq_feed_begin(&feed, queue, stream))
		return PG_INT64_MIN;
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists)
		return PG_INT64_MIN;
	blk = first_unfinished(&feed, &nfinished);
	for (int i = nfinished; i < feed.n; i++)
		if (feed.blocks[i].first == blk && feed.blocks[i].last == blk)
			while (given < 64 && ((blk == 0 && given == 0) ||
								  (feed.blocks[i].mask & (UINT64CONST(1) << given)) != 0))
				given++;
	return PGMQ_FEED_FIRST(blk) - 1 + given;
}

/*
 * Remove from some messages, in order, those that another transaction may be giving
 * out to a subscription, since nobody could say whether it loses them.  Returns how
 * many are left.  The locks that are needed for that stay until the transaction ends.
 */
int
pgmq_feed_leave_busy(const PgmqQueue *queue, const PgmqStream *stream, int64 *ids, int n)
{
	PgmqFeed	feed;
	int			nfinished;
	int64		unfinished;
	bool		busy = false;
	int			left = 0;

	if (n == 0 || !pgmq_feed_begin(&feed, queue, stream))
		return n;
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	unfinished = first_unfinished(&feed, &nfinished);
	if (!feed.exists)
		return n;
	for (int i = 0; i < n; i++)
	{
		int64		blk = PGMQ_FEED_BLOCK(ids[i]);

		if (i == 0 || blk != PGMQ_FEED_BLOCK(ids[i - 1]))
			busy = blk >= unfinished && !pgmq_lock_block(queue, blk, false);
		if (!busy)
			ids[left++] = ids[i];
	}
	return left;
}

/*
 * How many of some messages, in order, a subscription was not given and will not be
 * when they are gone.  Messages of blocks that are being given out do not count.
 */
int64
pgmq_feed_count_unfed(const PgmqQueue *queue, const PgmqStream *stream, const int64 *ids, int n)
{
	PgmqFeed	feed;
	int			nfinished;
	int64		count = 0;
	bool		locked = false;

	if (n == 0 || !pgmq_feed_begin(&feed, queue, stream))
		return 0;
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists || first_unfinished(&feed, &nfinished) > PGMQ_FEED_BLOCK(ids[n - 1]))
		return 0;

	/* lock, then look again */
	for (int i = 0; i < n; i++)
		if (i == 0 || PGMQ_FEED_BLOCK(ids[i]) != PGMQ_FEED_BLOCK(ids[i - 1]))
			(void) pgmq_lock_block(queue, PGMQ_FEED_BLOCK(ids[i]), false);
	pgmq_feed_load(&feed, PG_INT64_MIN, PG_INT64_MAX);
	for (int i = 0; i < n; i++)
	{
		int64		blk = PGMQ_FEED_BLOCK(ids[i]);
		bool		given = blk < feed.done_before;

		if (i == 0 || blk != PGMQ_FEED_BLOCK(ids[i - 1]))
			locked = pgmq_lock_block(queue, blk, false);
		for (int j = 0; j < feed.n && !given; j++)
			given = feed.blocks[j].first <= blk && blk <= feed.blocks[j].last &&
				(feed.blocks[j].settled || (feed.blocks[j].mask & PGMQ_FEED_BIT(ids[i])) != 0);
		count += locked && !given;
	}
	return count;
}

/* The last id that a subscription was given, or passed over, by what was loaded of all blocks. */
int64
pgmq_feed_last_given(const PgmqFeed *feed)
{
	int64		id = feed->exists ? PGMQ_FEED_FIRST(feed->done_before) - 1 : 0;

	for (int i = 0; i < feed->n; i++)
	{
		const Blocks *blocks = &feed->blocks[i];

		if (blocks->settled)
			id = Max(id, PGMQ_FEED_LAST(blocks->last));
		else if (blocks->first == blocks->last && blocks->mask != 0)
			id = Max(id, PGMQ_FEED_FIRST(blocks->first) + pg_leftmost_one_pos64(blocks->mask));
	}
	return Min(id, Max(feed->drawn, 0));
}

/* ----------------------------------------------------------------
 *		What is still to be given out
 * ----------------------------------------------------------------
 */

/* So many messages are counted; the rest is estimated by the ids. */
#define COUNT_MAX		100000

/*
 * The last id that a subscription was given, or passed over; all after it are still
 * to be given out, and of those before it what is committed late, and what readers
 * passed over or left of blocks.  These are in ranges of ids, of which not all need be
 * messages: two arrays.  Sets *ids to how many ids they have.
 */
static int64
find_position(PgmqFeed *feed, PgmqArg *ranges, int64 *ids)
{
	int64		position;
	int64		next;
	int64	   *lo;
	int64	   *hi;
	int			n = 0;

	pgmq_feed_load(feed, PG_INT64_MIN, PG_INT64_MAX);
	position = pgmq_feed_last_given(feed);
	next = PGMQ_FEED_FIRST(feed->done_before);
	lo = palloc_extended(((Size) feed->n * 65 + 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	hi = palloc_extended(((Size) feed->n * 65 + 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	for (int i = 0; feed->exists && feed->done_before <= PGMQ_FEED_BLOCK(position) && i <= feed->n; i++)
	{
		const Blocks *blocks = i < feed->n ? &feed->blocks[i] : NULL;
		int64		before = blocks == NULL ? position : Min(PGMQ_FEED_FIRST(blocks->first) - 1, position);

		/* of those that are noted as one none was given out */
		if (blocks != NULL && !blocks->settled && blocks->first < blocks->last)
			continue;
		if (next <= before)
		{
			lo[n] = next;
			hi[n++] = before;
		}
		if (blocks == NULL)
			break;
		for (int bit = 0; bit < 64 && !blocks->settled && blocks->ripe; bit++)
		{
			int64		id = PGMQ_FEED_FIRST(blocks->first) + bit;

			if ((blocks->mask & (UINT64CONST(1) << bit)) == 0 && id >= next && id <= position)
			{
				lo[n] = id;
				hi[n++] = id;
			}
		}
		if (PGMQ_FEED_LAST(blocks->last) >= position)
			break;
		next = Max(next, PGMQ_FEED_LAST(blocks->last) + 1);
	}
	*ids = 0;
	for (int i = 0; i < n; i++)
		*ids += hi[i] - lo[i] + 1;
	ranges[0] = pgmq_int8_array(lo, n);
	ranges[1] = pgmq_int8_array(hi, n);
	pfree(lo);
	pfree(hi);
	return position;
}

/* Row function: what the messages of a PgmqUnfed have. */
static void
row_unfed(TupleTableSlot *slot, void *state)
{
	PgmqUnfed  *unfed = state;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	slot_getallattrs(slot);
	unfed->count = DatumGetInt64(values[0]);
	unfed->due = DatumGetInt64(values[1]);
	unfed->oldest = nulls[2] ? DT_NOEND : DatumGetTimestampTz(values[2]);
	unfed->newest = nulls[3] ? DT_NOBEGIN : DatumGetTimestampTz(values[3]);
	unfed->due_since = nulls[4] ? DT_NOEND : DatumGetTimestampTz(values[4]);
}

/*
 * Count the messages that an open subscription was not given yet, also those that its
 * filter will not take; none if the stream is gone.  The stream is read with the rights
 * of its owner, since it may have policies and functions of that role.
 */
void
pgmq_feed_count(const PgmqQueue *queue, const PgmqStream *stream, TimestampTz now, PgmqUnfed *unfed)
{
	static const Oid argtypes[] = {INT8OID, INT8OID, INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID};
	PgmqFeed	feed;
	PgmqArg		args[5];
	PgmqRole	saved;
	int64		position;
	int64		ids;
	bool		known;

	*unfed = (PgmqUnfed)
	{
		.oldest = DT_NOEND,.newest = DT_NOBEGIN,.due_since = DT_NOEND
	};
	LockRelationOid(stream->stream, AccessShareLock);
	if (!OidIsValid(pgmq_role_find_owner(stream->stream)))
		return;

	/* also where nothing can be fed, as on a standby */
	known = pgmq_feed_begin(&feed, queue, stream) || pgmq_sequence_look(stream->stream, &feed.drawn);
	if (!known)
		feed.drawn = PG_INT64_MAX - 1;
	position = find_position(&feed, &args[2], &ids);
	args[0] = PGMQ_ARG(Int64GetDatum(position));
	args[1] = PGMQ_ARG(Int64GetDatum(COUNT_MAX));
	args[4] = PGMQ_ARG(TimestampTzGetDatum(now));
	saved = pgmq_role_become_owner(stream->stream);
	pgmq_exec_once_guarded(pgmq_plan_text(queue, "SELECT pg_catalog.count(*),"
								  " pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $5),"
								  " pg_catalog.min(enqueued_at),"
								  " CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<) $2"
								  " THEN pg_catalog.max(enqueued_at)"
								  " ELSE (SELECT enqueued_at FROM {s} ORDER BY msg_id DESC LIMIT 1) END,"
								  " pg_catalog.min(vt) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $5) FROM"
								  " ((SELECT vt, enqueued_at FROM {s} WHERE msg_id OPERATOR(pg_catalog.>) $1"
								  " ORDER BY msg_id LIMIT $2) UNION ALL (SELECT vt, enqueued_at FROM ROWS FROM"
								  " (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS r (lo, hi) JOIN {s}"
								  " ON msg_id OPERATOR(pg_catalog.>=) r.lo"
								  " AND msg_id OPERATOR(pg_catalog.<=) r.hi LIMIT $2)) AS first"),
				   5, argtypes, args, row_unfed, unfed);
	pgmq_role_restore(saved);
	ids += feed.drawn - Max(position, 0);
	if (known && unfed->count >= COUNT_MAX && ids > unfed->count)
	{
		unfed->due = (int64) ((double) unfed->due / unfed->count * ids);
		unfed->count = ids;
	}
}

/*
 * Begin a subscription, on which nothing is noted, at a message: all before count
 * as finished.
 */
void
pgmq_feed_begin_at(const PgmqQueue *queue, const PgmqStream *stream, int64 first)
{
	PgmqFeed	feed;
	int64		blk = PGMQ_FEED_BLOCK(first);
	int64		mask = (int64) (PGMQ_FEED_BIT(first) - 1);

	(void) pgmq_feed_begin(&feed, queue, stream);
	if (feed.waits.value == (Datum) 0)
		pgmq_feed_list_open(&feed);
	note_done(&feed, PG_INT64_MIN, blk);
	feed.drawn = PGMQ_FEED_FIRST(blk) - 1;
	if (mask != 0)
		pgmq_feed_put(&feed, &blk, &mask, 1);
}

/* So many ids before the last one may be of transactions that are still open. */
#define LATE_IDS		10000

/*
 * Begin a subscription with what is committed from now on: those of the last ids
 * that can be seen count as given out.
 */
void
pgmq_feed_begin_now(const PgmqQueue *queue, const PgmqStream *stream)
{
	PgmqFeed	feed;
	int64		blk;
	int64		last;
	int64		blks[WINDOW_MAX];
	int64		masks[WINDOW_MAX];
	int			n = 0;
	PgmqRole	saved;
	PgmqArg		args[3];

	if (!pgmq_feed_begin(&feed, queue, stream))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the last id of the stream cannot be read now")));
	last = PGMQ_FEED_BLOCK(feed.drawn);
	blk = feed.nopen == 0 ? last : Max(PGMQ_FEED_BLOCK(feed.drawn - LATE_IDS), 0);
	pgmq_feed_begin_at(queue, stream, PGMQ_FEED_FIRST(blk));

	args[0] = PGMQ_ARG(Int64GetDatum(PGMQ_FEED_FIRST(blk)));
	args[1] = PGMQ_ARG(Int64GetDatum(feed.drawn));
	args[2] = PGMQ_ARG(Int64GetDatum(LATE_IDS + 128));
	saved = pgmq_role_become_owner(queue->relid);
	feed.given.n = 0;
	pgmq_exec_each(queue, PGMQ_STMT_STORED, args, pgmq_stream_row_id, &feed.given);
	pgmq_role_restore(saved);
	for (int i = 0; blk <= last; blk++)
	{
		uint64		mask = 0;

		while (i < feed.given.n && PGMQ_FEED_BLOCK(feed.given.ids[i]) == blk)
			mask |= PGMQ_FEED_BIT(feed.given.ids[i++]);
		blks[n] = blk;
		masks[n++] = (int64) mask;
		if (n == WINDOW_MAX || blk == last)
		{
			pgmq_feed_put(&feed, blks, masks, n);
			n = 0;
		}
	}
}
