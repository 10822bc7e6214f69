/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  What is noted of the blocks of a subscription, and their locks; feed.c
 *	  says what it means.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/blocks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* A transaction locks at most so many blocks, since the server's locks are few. */
#define LOCKS_MAX		512

/* How many blocks the transaction has locked. */
static LocalTransactionId locks_by = InvalidLocalTransactionId;
static int	locks_held = 0;

/* How the notes name a transaction. */
static int64
transaction_number(VirtualTransactionId vxid)
{
	return PGMQ_VXID_BACKEND(vxid) == -1 ? -(int64) vxid.localTransactionId :
		((int64) PGMQ_VXID_BACKEND(vxid) + 1) << 32 | vxid.localTransactionId;
}

/*
 * List the transactions that hold a lock under which ids are drawn.  Our own one is
 * among them if it does, since a trigger may read before the row of its id is there.
 */
void
pgmq_feed_list_open(PgmqFeed *feed)
{
	LOCKTAG		tag;
	VirtualTransactionId *vxids;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, feed->stream->stream);
	vxids = GetLockConflicts(&tag, ShareLock, &feed->nopen);
	feed->open = palloc((feed->nopen + 1) * sizeof(int64));
	for (int i = 0; i < feed->nopen; i++)
		feed->open[i] = transaction_number(vxids[i]);
	if (PGMQ_LOCK_HELD(&tag, RowExclusiveLock))
	{
		VirtualTransactionId own;

		GET_VXID_FROM_PGPROC(own, *MyProc);
		feed->open[feed->nopen++] = transaction_number(own);
	}
	feed->waits = pgmq_int8_array(feed->open, feed->nopen);
}

/* Row function: (done_before, blk, upto, mask, waits, boot). */
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
	feed->done_before = DatumGetInt64(values[0]);
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
void
pgmq_feed_load(PgmqFeed *feed, int64 first, int64 last)
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

/* Lock a block for feeding; false if that is not possible now. */
bool
pgmq_feed_lock(const PgmqFeed *feed, int64 blk)
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

/* Whether the transaction has locked as many blocks as it may. */
bool
pgmq_feed_locks_full(void)
{
	return locks_by == PGMQ_MY_LXID && locks_held >= LOCKS_MAX;
}

/* Row function: add the first column, a bigint that is not NULL, to some ids. */
void
pgmq_stream_row_id(TupleTableSlot *slot, void *state)
{
	Ids		   *ids = state;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (isnull)
		return;
	if (ids->n == ids->max)
	{
		MemoryContext old = MemoryContextSwitchTo(ids->context);

		ids->max = Max(64, ids->max * 2);
		ids->ids = ids->ids == NULL ? palloc(ids->max * sizeof(int64)) :
			repalloc_huge(ids->ids, ids->max * sizeof(int64));
		MemoryContextSwitchTo(old);
	}
	ids->ids[ids->n++] = DatumGetInt64(value);
}

/* Note the masks of n blocks. */
void
pgmq_feed_put(PgmqFeed *feed, const int64 *blks, const int64 *masks, int n)
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

/* The first message of the stream between two ids; PG_INT64_MAX for none. */
int64
pgmq_feed_next_stored(PgmqFeed *feed, int64 lo, int64 hi)
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
void
pgmq_feed_change(const PgmqFeed *feed, const char *sql, int64 first, int64 last)
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

/* Begin to feed; false where that is not possible. */
bool
pgmq_feed_begin(PgmqFeed *feed, const PgmqQueue *queue, const PgmqStream *stream)
{
	*feed = (PgmqFeed)
	{
		.queue = queue,.stream = stream,.context = CurrentMemoryContext,
			.given.context = CurrentMemoryContext,
			.lo = PG_INT64_MAX,.hi = PG_INT64_MIN
	};

	/* no DDL can change the stream once it has been checked */
	LockRelationOid(stream->stream, AccessShareLock);

	/* one that is old shows neither new messages nor what others have fed */
	if (IsolationUsesXactSnapshot() || RecoveryInProgress() ||
		!pgmq_sequence_look(stream->stream, &feed->drawn))
		return false;
	pgmq_feed_list_open(feed);
	return true;
}
