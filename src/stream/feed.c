/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  Giving a subscription references to the messages of its stream.
 *
 * A send to a stream does nothing for subscriptions.  A reader of a subscription
 * that finds nothing to read *feeds* it: it inserts references to the next
 * messages of the stream, which are then read as those of any queue.
 *
 * Ids are drawn before their messages are committed, so an id that is missing may
 * still come.  Feeding goes by what can be seen, and never by a greatest id.  The
 * ids are divided into blocks of 64, and pgmq.subscription_block says of each
 * block which ids were given out (mask), and for whom it waits (waits): the
 * transactions that might still commit an id of it.  Once all of them have ended
 * a look at the block shows whatever there will be.  Then it is settled, and
 * needs no further look.  Below the floor of a subscription all blocks are.
 *
 * Who draws an id has locked the stream's table before, in a mode that conflicts
 * with SHARE, and keeps the lock until the end of the transaction has become
 * visible.  So this order is what makes the list complete:
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
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"

/* One statement feeds at most so many blocks. */
#define WINDOW_MAX		16

/* A call looks at so many windows at most. */
#define WINDOWS_MAX		64

/* A transaction locks at most so many blocks, since the server's locks are few. */
#define LOCKS_MAX		512

/* So many settled blocks are worth forgetting, or noting as one. */
#define FOLD_MIN		16

#define ALL_IDS			(~UINT64CONST(0))

/* Some blocks as pgmq.subscription_block has them. */
typedef struct Blocks
{
	int64		first;
	int64		last;
	uint64		mask;			/* of a single block: ids given out */
	bool		settled;
	bool		ripe;			/* one of those it waits for has ended */
} Blocks;

struct PgmqFeed
{
	const PgmqQueue *queue;
	const PgmqStream *stream;
	int64		drawn;			/* the last id drawn, */
	PgmqArg		waits;			/* and who might still commit it or one before */
	int64	   *open;
	int			nopen;
	int64		floor;			/* the first block that is not finished */
	bool		exists;
	Blocks	   *blocks;
	int			n;
	int			max;
	MemoryContext context;
	int64	   *ids;			/* that were given out just now */
	int			nids;
	int			maxids;
};

/* How many blocks the transaction has locked. */
static LocalTransactionId locks_by = InvalidLocalTransactionId;
static int	locks_held = 0;

/* ----------------------------------------------------------------
 *		What there is to look at
 * ----------------------------------------------------------------
 */

/* List the transactions that hold a lock under which ids are drawn. */
static void
list_open(PgmqFeed *feed)
{
	LOCKTAG		tag;
	VirtualTransactionId *vxids;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, feed->stream->stream);
	vxids = GetLockConflicts(&tag, ShareLock, &feed->nopen);
	feed->open = palloc(Max(feed->nopen, 1) * sizeof(int64));
	for (int i = 0; i < feed->nopen; i++)
		feed->open[i] = PGMQ_VXID_BACKEND(vxids[i]) == -1 ?
			-(int64) vxids[i].localTransactionId :
			((int64) PGMQ_VXID_BACKEND(vxids[i]) + 1) << 32 | vxids[i].localTransactionId;
	feed->waits = pgmq_int8_array(feed->open, feed->nopen);
}

/* Row function: (floor, blk, upto, mask, waits, boot). */
static void
row_blocks(TupleTableSlot *slot, void *state)
{
	PgmqFeed   *feed = state;
	Datum	   *values = slot->tts_values;
	ArrayType  *waits;
	int64	   *waited;
	int			nwaited;
	Blocks	   *blocks;

	slot_getallattrs(slot);
	feed->exists = true;
	feed->floor = DatumGetInt64(values[0]);
	if (slot->tts_isnull[1])
		return;
	if (feed->n == feed->max)
	{
		MemoryContext old = MemoryContextSwitchTo(feed->context);

		feed->max = Max(64, feed->max * 2);
		feed->blocks = feed->blocks == NULL ? palloc(feed->max * sizeof(Blocks)) :
			repalloc_huge(feed->blocks, feed->max * sizeof(Blocks));
		MemoryContextSwitchTo(old);
	}
	blocks = &feed->blocks[feed->n++];
	blocks->first = DatumGetInt64(values[1]);
	blocks->last = DatumGetInt64(values[2]);
	blocks->mask = (uint64) DatumGetInt64(values[3]);
	waits = DatumGetArrayTypeP(values[4]);
	waited = (int64 *) ARR_DATA_PTR(waits);
	nwaited = ArrayGetNItems(ARR_NDIM(waits), ARR_DIMS(waits));
	blocks->settled = nwaited == 0 || blocks->mask == ALL_IDS;
	blocks->ripe = !blocks->settled && DatumGetTimestampTz(values[5]) != PgStartTime;
	for (int i = 0; i < nwaited && !blocks->settled && !blocks->ripe; i++)
	{
		int			j = 0;

		while (j < feed->nopen && feed->open[j] != waited[i])
			j++;
		blocks->ripe = j == feed->nopen;
	}
}

/* Look up what is noted of the blocks from first to last. */
static void
load_blocks(PgmqFeed *feed, int64 first, int64 last)
{
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(feed->queue->relid)),
		PGMQ_ARG(Int64GetDatum(first)),
		PGMQ_ARG(Int64GetDatum(last))
	};
	PgmqRole	saved = pgmq_stream_become_keeper();

	feed->n = 0;
	feed->exists = false;
	pgmq_exec_each(NULL, PGMQ_STMT_BLOCKS, args, row_blocks, feed);
	pgmq_role_restore(saved);
}

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
 * Refuse a table of references with triggers of users, which would run with the
 * rights of its owner, and a stream whose rows are hidden from the owner.
 * Errors: 55000.
 */
static void
check_tables(const PgmqFeed *feed)
{
	Relation	rel = relation_open(feed->queue->relid, NoLock);
	int			n = rel->trigdesc == NULL ? 0 : rel->trigdesc->numtriggers;

	for (int i = 0; i < n; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		HeapTuple	tuple;
		bool		is_ours;

		if (trigger->tgisinternal || (trigger->tgtype & TRIGGER_TYPE_INSERT) == 0)
			continue;
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid));
		is_ours = HeapTupleIsValid(tuple) &&
			((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (!is_ours)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("subscription \"%s\" must not have triggers on INSERT",
							PGMQ_QUEUE_BASE(feed->queue)),
					 errdetail("Trigger \"%s\" would run with the rights of the subscription's owner.",
							   trigger->tgname),
					 errhint("Create the trigger on the table of the stream.")));
	}
	relation_close(rel, NoLock);
}

/* ----------------------------------------------------------------
 *		Feeding blocks
 * ----------------------------------------------------------------
 */

/* Lock a block for feeding; false if that is not possible now. */
static bool
lock_block(const PgmqFeed *feed, int64 blk)
{
	if (locks_by != PGMQ_MY_LXID)
	{
		locks_by = PGMQ_MY_LXID;
		locks_held = 0;
	}
	if (locks_held >= LOCKS_MAX || !pgmq_lock_block(feed->queue, blk, false))
		return false;
	locks_held++;
	return true;
}

/* Row function: an id that was given out. */
static void
row_fed(TupleTableSlot *slot, void *state)
{
	PgmqFeed   *feed = state;
	bool		isnull;

	if (feed->nids == feed->maxids)
	{
		MemoryContext old = MemoryContextSwitchTo(feed->context);

		feed->maxids = Max(64, feed->maxids * 2);
		feed->ids = feed->ids == NULL ? palloc(feed->maxids * sizeof(int64)) :
			repalloc_huge(feed->ids, feed->maxids * sizeof(int64));
		MemoryContextSwitchTo(old);
	}
	feed->ids[feed->nids++] = DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

/* Note the masks of n blocks. */
static void
put_blocks(PgmqFeed *feed, const int64 *blks, const int64 *masks, int n)
{
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(feed->queue->relid)),
		pgmq_int8_array(blks, n),
		pgmq_int8_array(masks, n),
		PGMQ_ARG(Int64GetDatum(PGMQ_FEED_BLOCK(feed->drawn + 1))),
		feed->waits,
		PGMQ_ARG(TimestampTzGetDatum(PgStartTime))
	};
	PgmqRole	saved;

	if (n == 0)
		return;
	saved = pgmq_stream_become_keeper();
	pgmq_exec(NULL, PGMQ_STMT_BLOCKS_PUT, args);
	pgmq_role_restore(saved);
}

static int
id_cmp(const void *a, const void *b)
{
	int64		ia = *(const int64 *) a;
	int64		ib = *(const int64 *) b;

	return (ia > ib) - (ia < ib);
}

/*
 * The same for a subscription with a filter: all messages count as given out, and
 * those that fulfil the condition get references.  Returns how many these are.
 */
static int64
insert_filtered(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept)
{
	const PgmqStream *stream = feed->stream;
	PgmqArg		range[] = {
		PGMQ_ARG(Int64GetDatum(lo)), PGMQ_ARG(Int64GetDatum(hi)),
		PGMQ_ARG(Int64GetDatum(hi - lo + 1))
	};
	PgmqArg		args[] = {
		PGMQ_ARG_NULL,
		stream->message == NULL ? PGMQ_ARG_NULL : PGMQ_ARG(JsonbPGetDatum(stream->message)),
		stream->headers == NULL ? PGMQ_ARG_NULL : PGMQ_ARG(JsonbPGetDatum(stream->headers)),
		PGMQ_ARG(Int32GetDatum(stream->read_base))
	};
	int			n = 0;

	pgmq_exec_each(feed->queue, PGMQ_STMT_STORED, range, row_fed, feed);
	for (int i = 0; i < feed->nids; i++)
		if (bsearch(&feed->ids[i], except, nexcept, sizeof(int64), id_cmp) == NULL)
			feed->ids[n++] = feed->ids[i];
	feed->nids = n;
	args[0] = pgmq_int8_array(feed->ids, n);
	return n == 0 ? 0 : (int64) pgmq_exec(feed->queue, PGMQ_STMT_FEED_IDS, args);
}

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

	feed->nids = 0;
	if (check_enable_rls(feed->stream->stream, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the owner of subscription \"%s\" does not see all messages of its stream",
						PGMQ_QUEUE_BASE(feed->queue)),
				 errdetail("The stream has row-level security.")));
	if (feed->stream->message != NULL || feed->stream->headers != NULL)
		count = insert_filtered(feed, lo, hi, except, nexcept);
	else
	{
		pgmq_exec_each(feed->queue, PGMQ_STMT_FEED, args, row_fed, feed);
		count = feed->nids;
	}
	pgmq_role_restore(saved);
	return count;
}

/*
 * Feed the n blocks from blk on, all of which are locked: look again what is noted
 * of them, insert references, and note them.  Returns how many there were.
 */
static int64
feed_locked(PgmqFeed *feed, int64 blk, int n)
{
	uint64		masks[WINDOW_MAX] = {0};
	bool		noted[WINDOW_MAX] = {false};
	bool		done[WINDOW_MAX] = {false};
	int64		put_blks[WINDOW_MAX];
	int64		put_masks[WINDOW_MAX];
	int			nput = 0;
	int64	   *except = palloc(n * 64 * sizeof(int64));
	int			nexcept = 0;
	int64		count;

	load_blocks(feed, blk, blk + n - 1);
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
		done[i] |= !feed->exists || blk + i < feed->floor;
		for (int bit = 0; bit < 64; bit++)
			if (done[i] || (masks[i] & (UINT64CONST(1) << bit)) != 0)
				except[nexcept++] = PGMQ_FEED_FIRST(blk + i) + bit;
	}
	count = insert_references(feed, PGMQ_FEED_FIRST(blk),
							  Min(PGMQ_FEED_LAST(blk + n - 1), feed->drawn), except, nexcept);
	pfree(except);

	for (int i = 0; i < feed->nids; i++)
		masks[PGMQ_FEED_BLOCK(feed->ids[i]) - blk] |= PGMQ_FEED_BIT(feed->ids[i]);
	for (int i = 0, next = 0; i < n; i++)
	{
		int			before = next;

		while (next < feed->nids && PGMQ_FEED_BLOCK(feed->ids[next]) == blk + i)
			next++;
		/* nothing has changed in a block to which more is to come */
		if (done[i] || (noted[i] && next == before && drawn_ids(feed, blk + i) != ALL_IDS))
			continue;
		put_blks[nput] = blk + i;
		put_masks[nput++] = (int64) masks[i];
	}
	put_blocks(feed, put_blks, put_masks, nput);
	return count;
}

/* The first message of the stream between two ids; PG_INT64_MAX for none. */
static int64
next_stored(PgmqFeed *feed, int64 lo, int64 hi)
{
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(lo)), PGMQ_ARG(Int64GetDatum(hi)),
		PGMQ_ARG(Int64GetDatum(1))
	};
	PgmqRole	saved = pgmq_role_become_owner(feed->queue->relid);
	int64		id = PG_INT64_MAX;

	(void) pgmq_exec_int8(feed->queue, PGMQ_STMT_STORED, args, &id);
	pgmq_role_restore(saved);
	return id;
}

/* Run a rare statement on the blocks from first to last. */
static void
change_blocks(const PgmqFeed *feed, const char *sql, int64 first, int64 last)
{
	static const Oid argtypes[] = {OIDOID, INT8OID, INT8OID, INT8ARRAYOID, TIMESTAMPTZOID};
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(feed->queue->relid)),
		PGMQ_ARG(Int64GetDatum(first)), PGMQ_ARG(Int64GetDatum(last)),
		feed->waits, PGMQ_ARG(TimestampTzGetDatum(PgStartTime))
	};
	PgmqRole	saved = pgmq_stream_become_keeper();

	pgmq_exec_once(sql, lengthof(argtypes), argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
}

#define BLOCK_TABLE		PGMQ_SCHEMA ".subscription_block"
#define DROP_BLOCKS \
	"DELETE FROM " BLOCK_TABLE " WHERE subscription OPERATOR(pg_catalog.=) $1" \
	" AND blk OPERATOR(pg_catalog.>=) $2 AND upto OPERATOR(pg_catalog.<=) $3" \
	" AND ($4, $5) IS NOT NULL"
#define PUT_BLOCKS(mask, waits) \
	"INSERT INTO " BLOCK_TABLE " (subscription, blk, upto, mask, waits, boot)" \
	" VALUES ($1, $2, $3, " mask ", CASE WHEN $4 IS NULL THEN '{}'::pg_catalog.int8[] ELSE " waits " END, $5)" \
	" ON CONFLICT DO NOTHING"

/*
 * A look at blocks in which there was nothing, noted as one: if there is
 * something by now they are no longer noted, and so are fed.
 */
static bool
look_at_gap(PgmqFeed *feed, const Blocks *gap)
{
	int64		blk = gap->first;
	int64		mask = 0;

	if (!lock_block(feed, gap->first))
		return false;
	if (next_stored(feed, PGMQ_FEED_FIRST(gap->first), PGMQ_FEED_LAST(gap->last)) == PG_INT64_MAX)
	{
		put_blocks(feed, &blk, &mask, 1);
		return false;
	}
	change_blocks(feed, DROP_BLOCKS, gap->first, gap->last);
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
		int64		max = Min(last - first + 1, Min((wanted - count + 63) / 64, WINDOW_MAX));
		int			n = 0;
		int64		fed;
		int64		next;

		CHECK_FOR_INTERRUPTS();
		while (n < max && lock_block(feed, first + n))
			n++;
		if (n < max)
			*busy = true;
		if (n == 0)
		{
			if (in_order || locks_held >= LOCKS_MAX)
				break;
			first++;
			(*windows)++;
			continue;
		}
		fed = feed_locked(feed, first, n);
		(*windows)++;
		count += fed;
		first += n;
		if (in_order && *busy)
			break;
		if (fed > 0 || feed->nids > 0 || first >= last)
			continue;

		/* there may be nothing for a long way */
		next = next_stored(feed, PGMQ_FEED_FIRST(first), feed->drawn);
		next = next == PG_INT64_MAX ? last : Min(PGMQ_FEED_BLOCK(next), last);
		if (next > first && lock_block(feed, first))
		{
			change_blocks(feed, PUT_BLOCKS("0", "$4"), first, next - 1);
			first = next;
		}
	}
	return count;
}

/* ----------------------------------------------------------------
 *		Forgetting what is finished
 * ----------------------------------------------------------------
 */

/*
 * Move the floor over blocks that are settled, and note a run of others as one,
 * if there are so many, and nobody else does it.
 */
static void
fold(PgmqFeed *feed)
{
	int64		floor = feed->floor;
	int			i = 0;

	while (i < feed->n && feed->blocks[i].settled && feed->blocks[i].first <= floor)
		floor = Max(floor, feed->blocks[i++].last + 1);
	if (i < FOLD_MIN && feed->n - i < FOLD_MIN)
		return;
	if (!pgmq_lock_fold(feed->queue))
		return;
	load_blocks(feed, PG_INT64_MIN, PG_INT64_MAX);
	floor = feed->floor;
	for (i = 0; i < feed->n && feed->blocks[i].settled && feed->blocks[i].first <= floor; i++)
		floor = Max(floor, feed->blocks[i].last + 1);
	if (floor > feed->floor)
	{
		change_blocks(feed, DROP_BLOCKS, PG_INT64_MIN, floor - 1);
		change_blocks(feed, "UPDATE " PGMQ_SCHEMA ".subscription SET floor = $2"
					  " WHERE subscription OPERATOR(pg_catalog.=) $1"
					  " AND floor OPERATOR(pg_catalog.<) $2"
					  " AND ($3, $4, $5) IS NOT NULL", floor, floor);
	}
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

			change_blocks(feed, DROP_BLOCKS, first, last);
			change_blocks(feed, PUT_BLOCKS("-1", "'{}'"), first, last);
		}
		else if (i == from)
			i++;
	}
}

/* ----------------------------------------------------------------
 *		What others call
 * ----------------------------------------------------------------
 */

/* Begin to feed; false where that is not possible. */
static bool
feed_begin(PgmqFeed *feed, const PgmqQueue *queue, const PgmqStream *stream)
{
	*feed = (PgmqFeed)
	{
		.queue = queue,.stream = stream,.context = CurrentMemoryContext
	};

	/* one that is old shows neither new messages nor what others have fed */
	if (IsolationUsesXactSnapshot() || RecoveryInProgress() ||
		!pgmq_sequence_look(stream->stream, &feed->drawn))
		return false;
	list_open(feed);
	return true;
}

/*
 * Give an open subscription references to at least wanted more messages of its
 * stream, if there are so many, and return how many it got; stream->more says
 * whether it stopped before the end.  in_order: not to messages after some that
 * another transaction is giving out.
 * Errors: 42501 if the owner may not read the stream, 55000 if the subscription
 * has triggers or the stream row-level security.
 */
int64
pgmq_feed(const PgmqQueue *queue, PgmqStream *stream, int64 wanted, bool in_order)
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
	if (!feed_begin(&feed, queue, stream))
		return 0;
	wanted = Max(wanted, 1);
	load_blocks(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists)
		return 0;
	fold(&feed);
	check_tables(&feed);

	/* feeding uses the list itself */
	n = feed.n;
	blocks = feed.blocks;
	feed.blocks = NULL;
	feed.n = feed.max = 0;
	next = feed.floor;
	head = PGMQ_FEED_BLOCK(feed.drawn);
	for (int i = 0; i <= n && count < wanted && windows < WINDOWS_MAX && !(busy && in_order); i++)
	{
		int64		first = i < n ? blocks[i].first : head + 1;

		if (i < n && blocks[i].first == blocks[i].last && is_worth_a_look(&feed, &blocks[i]) &&
			next == first)
		{
			/* with the ones after it, if there is no other row there */
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
			else if (look_at_gap(&feed, &blocks[i]))
				count += feed_run(&feed, blocks[i].first, Min(blocks[i].last, head),
								  wanted - count, in_order, &windows, &busy);
		}
		next = Max(next, blocks[i].last + 1);
	}
	stream->more = windows >= WINDOWS_MAX || locks_held >= LOCKS_MAX;
	return count;
}

/*
 * A message that is acknowledged before the subscription got a reference to it is
 * passed over.  Waits for whoever is feeding its block.  Returns true if the stream
 * has the message, and the subscription would have got it.
 */
bool
pgmq_feed_pass(const PgmqQueue *queue, const PgmqStream *stream, int64 msg_id)
{
	PgmqFeed	feed;
	int64		blk = PGMQ_FEED_BLOCK(msg_id);
	int64		mask = 0;

	if (!feed_begin(&feed, queue, stream) || msg_id > feed.drawn ||
		next_stored(&feed, msg_id, msg_id) != msg_id)
		return false;
	(void) pgmq_lock_block(queue, blk, true);
	load_blocks(&feed, blk, blk);
	if (!feed.exists || blk < feed.floor)
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
	put_blocks(&feed, &blk, &mask, 1);
	return true;
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

	(void) feed_begin(&feed, queue, stream);
	if (feed.waits.value == (Datum) 0)
		list_open(&feed);
	change_blocks(&feed, "UPDATE " PGMQ_SCHEMA ".subscription SET floor = $2"
				  " WHERE subscription OPERATOR(pg_catalog.=) $1"
				  " AND ($3, $4, $5) IS NOT NULL", blk, blk);
	feed.drawn = PGMQ_FEED_FIRST(blk) - 1;
	if (mask != 0)
		put_blocks(&feed, &blk, &mask, 1);
}

/* So many ids before the last one may be of transactions that are still open. */
#define LATE_IDS		10000

/*
 * Begin a subscription with what is committed from now on: of the last ids those
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

	if (!feed_begin(&feed, queue, stream))
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
	feed.nids = 0;
	pgmq_exec_each(queue, PGMQ_STMT_STORED, args, row_fed, &feed);
	pgmq_role_restore(saved);
	for (int i = 0; blk <= last; blk++)
	{
		uint64		mask = 0;

		while (i < feed.nids && PGMQ_FEED_BLOCK(feed.ids[i]) == blk)
			mask |= PGMQ_FEED_BIT(feed.ids[i++]);
		blks[n] = blk;
		masks[n++] = (int64) mask;
		if (n == WINDOW_MAX || blk == last)
		{
			put_blocks(&feed, blks, masks, n);
			n = 0;
		}
	}
}

/* The first block of a list that is not finished, as far as it goes from the floor. */
static int64
first_unfinished(const PgmqFeed *feed)
{
	int64		floor = feed->floor;

	for (int i = 0; i < feed->n && feed->blocks[i].settled && feed->blocks[i].first <= floor; i++)
		floor = Max(floor, feed->blocks[i].last + 1);
	return floor;
}

/*
 * The last id before which a subscription was given all it will be.  Of the first
 * block that is not settled it is the id before the first that was not given out.
 */
int64
pgmq_feed_finished(const PgmqQueue *queue, const PgmqStream *stream)
{
	PgmqFeed	feed;
	int64		blk;
	int64		id;

	if (!feed_begin(&feed, queue, stream))
		return PG_INT64_MIN;
	load_blocks(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists)
		return PG_INT64_MIN;
	blk = first_unfinished(&feed);
	id = PGMQ_FEED_FIRST(blk);
	for (int i = 0; i < feed.n; i++)
		if (feed.blocks[i].first == blk && feed.blocks[i].last == blk)
			while (id <= PGMQ_FEED_LAST(blk) &&
				   (id == 0 || (feed.blocks[i].mask & PGMQ_FEED_BIT(id)) != 0))
				id++;
	return id - 1;
}

/*
 * How many of some messages, in order, a subscription was not given and will not be
 * when they are gone.  Messages of blocks that are being given out do not count.
 */
int64
pgmq_feed_count_unfed(const PgmqQueue *queue, const PgmqStream *stream, const int64 *ids, int n)
{
	PgmqFeed	feed;
	int64		count = 0;
	bool		locked = false;

	if (n == 0 || !feed_begin(&feed, queue, stream))
		return 0;
	load_blocks(&feed, PG_INT64_MIN, PG_INT64_MAX);
	if (!feed.exists || first_unfinished(&feed) > PGMQ_FEED_BLOCK(ids[n - 1]))
		return 0;

	/* lock, then look again */
	for (int i = 0; i < n; i++)
		if (i == 0 || PGMQ_FEED_BLOCK(ids[i]) != PGMQ_FEED_BLOCK(ids[i - 1]))
			(void) lock_block(&feed, PGMQ_FEED_BLOCK(ids[i]));
	load_blocks(&feed, PG_INT64_MIN, PG_INT64_MAX);
	for (int i = 0; i < n; i++)
	{
		int64		blk = PGMQ_FEED_BLOCK(ids[i]);
		bool		given = blk < feed.floor;

		if (i == 0 || blk != PGMQ_FEED_BLOCK(ids[i - 1]))
			locked = lock_block(&feed, blk);
		for (int j = 0; j < feed.n && !given; j++)
			given = feed.blocks[j].first <= blk && blk <= feed.blocks[j].last &&
				(feed.blocks[j].settled || (feed.blocks[j].mask & PGMQ_FEED_BIT(ids[i])) != 0);
		count += locked && !given;
	}
	return count;
}

/*
 * The last id that a subscription was given, or passed over; all after it are still
 * to be given out, and of those before it only what is committed late.
 */
int64
pgmq_feed_position(const PgmqQueue *queue, const PgmqStream *stream, int64 *drawn)
{
	PgmqFeed	feed;
	int64		id;

	if (!feed_begin(&feed, queue, stream))
		feed.drawn = 0;
	*drawn = feed.drawn;
	load_blocks(&feed, PG_INT64_MIN, PG_INT64_MAX);
	id = feed.exists ? PGMQ_FEED_FIRST(feed.floor) - 1 : 0;
	for (int i = 0; i < feed.n; i++)
	{
		const Blocks *blocks = &feed.blocks[i];

		if (blocks->settled)
			id = Max(id, PGMQ_FEED_LAST(blocks->last));
		else if (blocks->first == blocks->last && blocks->mask != 0)
			id = Max(id, PGMQ_FEED_FIRST(blocks->first) + pg_leftmost_one_pos64(blocks->mask));
	}
	return Min(id, Max(feed.drawn, 0));
}
