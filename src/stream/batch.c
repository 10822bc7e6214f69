/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One reference to many messages, which one read has leased.
 *
 * A read that wants many messages mostly acknowledges them together.  Until then,
 * or until its lease is over, a row for each of them would say the same.  So the
 * lease is one row, a *batch*, in the subscription's table, whose headers are
 *
 *	{"count": 3, "ids": [[101, 102], [104, 104]], "read_ct": 1,
 *	 "lease": [.., ..], "enqueued": [.., ..]}
 *
 * with ranges of ids, the begin and the end of the lease, and when the first and
 * the last message were sent, in microseconds.  Its msg_id is less than that of any
 * message, so that no verb takes it for one.  Whatever concerns some of its messages
 * *splits* it first: the row goes, and each message gets a reference of its own,
 * with the lease that it has.  So only the read that makes a batch, the
 * acknowledgement of all of it, and the counts know what a batch is.
 *
 * The ids of a batch are within SPAN of its first one, no batch has ids between
 * those of another one, and a row of one msg_id and read_ct never changes what it
 * says.  So a batch is found by a range of msg_id, and removed with a fence.
 *
 * A batch is found when its lease is over as any message is, by its vt.  The read that
 * finds it splits it, and looks again.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "stream/feed.h"
#include "stream/batch.h"

typedef struct Batches
{
	MemoryContext context;
	Batch	   *list;
	int			n;
	int			max;
} Batches;

/* Add a batch to some, if the row is one. */
static void
batches_add(Batches *batches, const Batch *batch)
{
	if (batches->n == batches->max)
	{
		MemoryContext old = MemoryContextSwitchTo(batches->context);

		batches->max = Max(16, batches->max * 2);
		batches->list = batches->list == NULL ? palloc(batches->max * sizeof(Batch)) :
			repalloc_huge(batches->list, batches->max * sizeof(Batch));
		MemoryContextSwitchTo(old);
	}
	batches->list[batches->n++] = *batch;
}

/* Row function: (msg_id, read_ct, vt, headers). */
static void
row_batch(TupleTableSlot *slot, void *state)
{
	Datum	   *values = slot->tts_values;
	Batch		batch;

	slot_getallattrs(slot);
	if (slot->tts_isnull[1] || slot->tts_isnull[2] || slot->tts_isnull[3] ||
		!pgmq_batch_parse(&batch, DatumGetInt64(values[0]), DatumGetJsonbP(values[3])) ||
		batch.read_ct != DatumGetInt32(values[1]))
		return;
	batch.vt = DatumGetTimestampTz(values[2]);
	batches_add(state, &batch);
}

/* Find the batches that may have ids from lo to hi, with the rights of the owner. */
static Batches
batches_find(const PgmqQueue *queue, int64 lo, int64 hi)
{
	Batches		batches = {.context = CurrentMemoryContext};
	PgmqArg		args[2];
	PgmqRole	saved;

	if (hi < 0)
		return batches;
	args[0] = PGMQ_ARG(Int64GetDatum(BATCH_KEY(Min(Max(lo, SPAN) - SPAN, BATCH_FIRST_MAX))));
	args[1] = PGMQ_ARG(Int64GetDatum(BATCH_KEY(Min(hi, BATCH_FIRST_MAX))));
	saved = pgmq_role_become_owner(queue->relid);
	pgmq_exec_each(queue, PGMQ_STMT_BATCHES, args, row_batch, &batches);
	pgmq_role_restore(saved);
	return batches;
}

/* ----------------------------------------------------------------
 *		Making one
 * ----------------------------------------------------------------
 */

/*
 * Lease some messages, in order, which a feeding gives out, as one; they were sent
 * at the times enqueued.  False if they are too scattered, or another batch is
 * among them.
 */
bool
pgmq_batch_put(const PgmqQueue *queue, const int64 *ids, const TimestampTz *enqueued, int n,
			   int32 read_ct, TimestampTz now, TimestampTz until)
{
	Batch		batch = {
		.read_ct = read_ct,.last_read = now,.vt = until,.count = n
	};
	Batches		others;
	PgmqArg		args[6];
	PgmqRole	saved;
	uint64		done;

	for (int i = 0; i < n; i++)
	{
		int64		id = ids[i];

		if (i > 0 && batch.ranges[batch.nranges - 1].hi == id - 1)
		{
			batch.ranges[batch.nranges - 1].hi = id;
			continue;
		}
		if (batch.nranges == RANGES_MAX)
			return false;
		batch.ranges[batch.nranges++] = (IdRange)
		{
			id, id
		};
	}
	batch.key = BATCH_KEY(batch.ranges[0].lo);
	batch.enqueued[0] = enqueued[0];
	batch.enqueued[1] = enqueued[n - 1];
	if (batch.ranges[0].lo <= 0 || pgmq_batch_last(&batch) > BATCH_FIRST_MAX ||
		pgmq_batch_last(&batch) - batch.ranges[0].lo >= SPAN || !pgmq_batch_has_times(&batch))
		return false;
	others = batches_find(queue, batch.ranges[0].lo, pgmq_batch_last(&batch));
	for (int i = 0; i < others.n; i++)
		if (pgmq_batch_last(&others.list[i]) >= batch.ranges[0].lo)
			return false;
	args[0] = PGMQ_ARG(Int64GetDatum(batch.key));
	args[1] = PGMQ_ARG(Int32GetDatum(read_ct));
	args[2] = PGMQ_ARG(TimestampTzGetDatum(enqueued[0]));
	args[3] = PGMQ_ARG(TimestampTzGetDatum(now));
	args[4] = PGMQ_ARG(TimestampTzGetDatum(until));
	args[5] = PGMQ_ARG(JsonbPGetDatum(pgmq_batch_json(&batch)));
	saved = pgmq_role_become_owner(queue->relid);
	done = pgmq_exec(queue, PGMQ_STMT_BATCH_PUT, args);
	pgmq_role_restore(saved);
	if (done > 0)
		pgmq_stats_pending(queue->relid)->counts[PGMQ_STAT_SENT] += n - 1;
	return done > 0;
}

/* ----------------------------------------------------------------
 *		Splitting one
 * ----------------------------------------------------------------
 */

/*
 * Run a delete of a batch's row, with the rights of the owner, or with the caller's if it
 * runs code that users have made.  Returns how many rows it deleted.
 */
static uint64
row_remove(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args)
{
	PgmqRole	saved;
	uint64		n;

	if (pgmq_feed_runs_code(queue->relid))
		return pgmq_exec(queue, id, args);
	saved = pgmq_role_become_owner(queue->relid);
	n = pgmq_exec(queue, id, args);
	pgmq_role_restore(saved);
	return n;
}

/*
 * Remove the row of a batch; false if it is not there any more.  wait: whether to wait
 * for a transaction that has locked it.
 */
static bool
batch_remove(const PgmqQueue *queue, const Batch *batch, bool wait)
{
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(batch->key)), PGMQ_ARG(Int32GetDatum(batch->read_ct))
	};

	if (!wait)
	{
		PgmqRole	saved = pgmq_role_become_owner(queue->relid);
		bool		is_free = pgmq_exec(queue, PGMQ_STMT_BATCH_LOCK, args) > 0;

		pgmq_role_restore(saved);
		if (!is_free)
			return false;
	}
	return row_remove(queue, PGMQ_STMT_DELETE_FENCED, args) > 0;
}

/*
 * The row of a batch is gone: give its messages, but for those in done, which is in
 * order, references of their own, and count those that the stream does not have any more.
 */
static void
batch_open(const PgmqQueue *queue, const PgmqStream *stream, const Batch *batch,
		   const int64 *done, int ndone)
{
	int64	   *ids = palloc(batch->count * sizeof(int64));
	int			n = 0;
	Ids			kept = {.context = CurrentMemoryContext};
	PgmqArg		args[4];
	PgmqRole	saved;
	int			nlost = 0;

	for (int i = 0; i < batch->nranges; i++)
		for (int64 id = batch->ranges[i].lo; id <= batch->ranges[i].hi; id++)
		{
			if (ndone > 0 && *done == id)
			{
				done++;
				ndone--;
			}
			else
				ids[n++] = id;
		}
	if (n == 0)
		return;
	pgmq_feed_check(queue, stream);
	args[0] = pgmq_int8_array(ids, n);
	args[1] = PGMQ_ARG(Int32GetDatum(batch->read_ct));
	args[2] = PGMQ_ARG(TimestampTzGetDatum(batch->vt));
	args[3] = PGMQ_ARG(TimestampTzGetDatum(batch->last_read));
	saved = pgmq_role_become_owner(queue->relid);
	pgmq_exec_each(queue, PGMQ_STMT_FEED_SPLIT, args, pgmq_stream_row_id, &kept);
	pgmq_role_restore(saved);

	/* they were counted when they were given out */
	pgmq_stats_pending(queue->relid)->counts[PGMQ_STAT_SENT] -= kept.n;
	for (int i = 0, next = 0; i < n; i++)
	{
		if (next < kept.n && kept.ids[next] == ids[i])
			next++;
		else
			ids[nlost++] = ids[i];
	}
	pgmq_stream_note_missing(queue, stream, ids, nlost);
	pfree(ids);
}

/* The number of the first of some messages, in order, that is not before an id. */
static int
ids_from(const PgmqIdArg *ids, int nids, int64 id)
{
	int			lo = 0;
	int			hi = nids;

	while (lo < hi)
	{
		int			middle = lo + (hi - lo) / 2;

		if (ids[middle].msg_id < id)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/* Whether a batch has some of the messages, in order, or is named itself. */
static bool
batch_has_some(const Batch *batch, const PgmqIdArg *ids, int nids)
{
	int			i = ids_from(ids, nids, batch->key);

	if (i < nids && ids[i].msg_id == batch->key)
		return true;
	for (i = ids_from(ids, nids, batch->ranges[0].lo); i < nids && ids[i].msg_id <= pgmq_batch_last(batch); i++)
		if (pgmq_batch_has(batch, ids[i].msg_id))
			return true;
	return false;
}

/*
 * Find the batches that some messages of an open queue, in order, may be in, and those
 * whose own msg_id is named.  A queue that is no subscription has none.  Error: 40001
 * if it became one after the snapshot of a transaction that has only one.
 */
static Batches
batches_of(const PgmqQueue *queue, PgmqStream *stream, const PgmqIdArg *ids, int nids)
{
	int64		lo = PG_INT64_MAX;
	int64		hi = PG_INT64_MIN;

	if (nids == 0 || !pgmq_stream_subscribes(queue->relid, stream))
		return (Batches)
	{
		.n = 0
	};

	pgmq_stream_check_seen(queue);
	for (int i = 0; i < nids; i++)
	{
		int64		id = PGMQ_IS_BATCH(ids[i].msg_id) ? PGMQ_BATCH_FIRST(ids[i].msg_id) : ids[i].msg_id;

		lo = Min(lo, id);
		hi = Max(hi, id);
	}
	return batches_find(queue, lo, hi);
}

/*
 * Before a verb changes some messages, in order, of an open queue: split the batches
 * that they are in.  wait: whether to wait for those that others have locked.
 */
void
pgmq_batches_split(const PgmqQueue *queue, const PgmqIdArg *ids, int nids, bool wait)
{
	PgmqStream	stream;
	Batches		batches;

	batches = batches_of(queue, &stream, ids, nids);
	for (int i = 0; i < batches.n; i++)
		if (batch_has_some(&batches.list[i], ids, nids) &&
			batch_remove(queue, &batches.list[i], wait))
			batch_open(queue, &stream, &batches.list[i], NULL, 0);
}

/*
 * Split all batches of an open subscription whose leases end by a time.  False if
 * another transaction has one of them locked.
 */
bool
pgmq_batches_split_all(const PgmqQueue *queue, PgmqStream *stream, TimestampTz until)
{
	Batches		batches = batches_find(queue, 0, PG_INT64_MAX);
	bool		all = true;

	for (int i = 0; i < batches.n; i++)
	{
		if (batches.list[i].vt > until)
			continue;
		if (batch_remove(queue, &batches.list[i], false))
		{
			batch_open(queue, stream, &batches.list[i], NULL, 0);
			stream->removed = true;
		}
		else
			all = false;
	}
	/* the other transaction may roll back, which wakes no waiter */
	pgmq_feed_passed |= !all;
	return all;
}

/*
 * Whether a read of an open subscription may not see the row of a batch, or not update
 * it, since policies or constraints say what a row may be.
 */
bool
pgmq_batches_hinder(const PgmqQueue *queue)
{
	Relation	rel = relation_open(queue->relid, NoLock);
	bool		result = HAS_CHECKS(rel) ||
	check_enable_rls(queue->relid, InvalidOid, true) == RLS_ENABLED;

	relation_close(rel, NoLock);
	return result;
}

/*
 * A read has found batches, of which these are the rows as they were returned: split
 * them.  Sets stream->lo and stream->hi to where their messages are.
 */
void
pgmq_batches_expired(const PgmqQueue *queue, PgmqStream *stream, List *rows)
{
	TimestampTz now = GetCurrentTimestamp();
	PgmqStats  *stats = pgmq_stats_pending(queue->relid);
	ListCell   *lc;

	stream->lo = PG_INT64_MAX;
	stream->hi = PG_INT64_MIN;
	foreach(lc, rows)
	{
		const PgmqRowKept *row = lfirst(lc);
		PgmqArg		arg = PGMQ_ARG(Int64GetDatum(row->msg_id));
		bool		read = row_remove(queue, PGMQ_STMT_DELETE, &arg) > 0;
		Batch		batch;

		if (row->headers == NULL || !pgmq_batch_parse(&batch, row->msg_id, row->headers))
			continue;
		/* the row itself was counted as delivered, unless it was popped */
		if (read)
			pgmq_stats_not_delivered(stats, batch.vt, batch.last_read);
		batch.vt = Min(batch.vt, now);
		batch_open(queue, stream, &batch, NULL, 0);
		stream->lo = Min(stream->lo, batch.ranges[0].lo);
		stream->hi = Max(stream->hi, pgmq_batch_last(&batch));
	}
}

/* ----------------------------------------------------------------
 *		Looking
 * ----------------------------------------------------------------
 */

/*
 * How many messages more than rows the batches of a subscription have, and of those that
 * can be read at a time.
 */
void
pgmq_batches_count(const PgmqQueue *queue, TimestampTz now, PgmqBatchCount *count)
{
	Batches		batches = batches_find(queue, 0, PG_INT64_MAX);

	*count = (PgmqBatchCount)
	{
		.rows = batches.n,.newest = DT_NOBEGIN
	};
	for (int i = 0; i < batches.n; i++)
	{
		count->more += batches.list[i].count - 1;
		if (batches.list[i].vt <= now)
			count->more_due += batches.list[i].count - 1;
		count->newest = Max(count->newest, batches.list[i].enqueued[1]);
	}
}

/*
 * The messages from an id on that batches have, as four arrays: ids, read_ct,
 * last_read_at, vt.
 */
void
pgmq_batches_list(const PgmqQueue *queue, int64 from, PgmqArg *arrays)
{
	Batches		batches = batches_find(queue, Max(from, 0), PG_INT64_MAX);
	int64		max = 0;
	int			n = 0;
	Datum	   *values[4];

	for (int i = 0; i < batches.n; i++)
		max += batches.list[i].count;
	for (int i = 0; i < 4; i++)
		values[i] = palloc_extended(Max(max, 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	for (int i = 0; i < batches.n; i++)
	{
		const Batch *batch = &batches.list[i];

		for (int j = 0; j < batch->nranges; j++)
			for (int64 id = Max(batch->ranges[j].lo, from); id <= batch->ranges[j].hi; id++)
			{
				values[0][n] = Int64GetDatum(id);
				values[1][n] = Int32GetDatum(batch->read_ct);
				values[2][n] = TimestampTzGetDatum(batch->last_read);
				values[3][n++] = TimestampTzGetDatum(batch->vt);
			}
	}
	for (int i = 0; i < 4; i++)
	{
		static const Oid types[] = {INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};

		arrays[i] = PGMQ_ARG(PointerGetDatum(construct_array(values[i], n, types[i],
															 types[i] == INT4OID ? 4 : 8, true,
															 types[i] == INT4OID ? TYPALIGN_INT : TYPALIGN_DOUBLE)));
	}
}

/* The first message that is in a batch; PG_INT64_MAX for none. */
int64
pgmq_batches_first(const PgmqQueue *queue)
{
	Batches		batches = batches_find(queue, 0, PG_INT64_MAX);

	return batches.n == 0 ? PG_INT64_MAX : batches.list[0].ranges[0].lo;
}

/*
 * Set held[i] if message i of some of an open queue, which are in order, is in a batch
 * whose fence fits.
 */
void
pgmq_batches_hold(const PgmqQueue *queue, const PgmqIdArg *ids, int nids, bool *held)
{
	PgmqStream	stream;
	Batches		batches;

	batches = batches_of(queue, &stream, ids, nids);
	for (int i = 0; i < batches.n; i++)
	{
		const Batch *batch = &batches.list[i];

		for (int j = ids_from(ids, nids, batch->ranges[0].lo);
			 j < nids && ids[j].msg_id <= pgmq_batch_last(batch); j++)
			held[j] |= ids[j].read_ct == batch->read_ct && pgmq_batch_has(batch, ids[j].msg_id);
	}
}

/* ----------------------------------------------------------------
 *		Acknowledging
 * ----------------------------------------------------------------
 */

/* Count messages of a batch as acknowledged, and add their ids to rows unless it is NULL. */
static void
batch_acked(const PgmqQueue *queue, const Batch *batch, const int64 *done, int n, PgmqRows *rows)
{
	PgmqStats  *stats = pgmq_stats_pending(queue->relid);
	TimestampTz now = GetCurrentTimestamp();
	double		span = Max((double) (pgmq_batch_last(batch) - batch->ranges[0].lo), 1);

	for (int i = 0; i < n; i++)
	{
		/* as if all had been sent at the same distances */
		double		part = (double) (done[i] - batch->ranges[0].lo) / span;
		PgmqTimes	times = {
			batch->enqueued[0] + (int64) (part * ((double) batch->enqueued[1] - (double) batch->enqueued[0])),
			batch->last_read
		};

		pgmq_stats_acked(stats, &times, now);
		if (rows != NULL)
			pgmq_rows_put_id(done[i], rows);
	}
	stats->counts[PGMQ_STAT_ACKED] += n;
}

/*
 * Acknowledge those of some messages, in order, of an open queue that are in
 * batches, if their fences fit, and add their ids to rows unless that is NULL.  A
 * batch of which more is left is split.  Moves the other messages to the front of ids,
 * and returns how many these are.  Where policies or triggers say what becomes of each
 * message the batches are only split.
 */
int
pgmq_batches_ack(const PgmqQueue *queue, PgmqIdArg *ids, int nids, bool fenced, PgmqRows *rows)
{
	PgmqStream	stream;
	Batches		batches;
	int64	   *done;
	bool	   *acked;
	int			left = 0;

	batches = batches_of(queue, &stream, ids, nids);
	if (batches.n == 0)
		return nids;
	if (check_enable_rls(queue->relid, InvalidOid, true) == RLS_ENABLED ||
		pgmq_feed_runs_code(queue->relid))
	{
		pgmq_batches_split(queue, ids, nids, true);
		return nids;
	}
	done = palloc(nids * sizeof(int64));
	acked = palloc0(nids * sizeof(bool));
	for (int i = 0; i < batches.n; i++)
	{
		const Batch *batch = &batches.list[i];
		int			first = ids_from(ids, nids, batch->ranges[0].lo);
		int			n = 0;

		for (int j = first; j < nids && ids[j].msg_id <= pgmq_batch_last(batch); j++)
			if (pgmq_batch_has(batch, ids[j].msg_id) && (!fenced || ids[j].read_ct == batch->read_ct))
				done[n++] = ids[j].msg_id;
		if (n == 0 || !batch_remove(queue, batch, true))
			continue;
		if (n < batch->count)
			batch_open(queue, &stream, batch, done, n);
		batch_acked(queue, batch, done, n, rows);
		for (int j = first, at = 0; at < n; j++)
			if (ids[j].msg_id == done[at] && (!fenced || ids[j].read_ct == batch->read_ct))
			{
				acked[j] = true;
				at++;
			}
	}
	for (int j = 0; j < nids; j++)
		if (!acked[j])
			ids[left++] = ids[j];
	pfree(done);
	pfree(acked);
	return left;
}
