/*-------------------------------------------------------------------------
 *
 * ack.c
 *	  Acknowledging messages: delete, archive, set_vt.
 *
 * Each verb takes one id or an array of ids, and each has a fenced form.  That
 * form also takes the read_ct that the consumer's read returned, and does
 * nothing to a message that has been read since.  So a consumer whose lease
 * has expired cannot affect the lease of another consumer.
 *
 * Batches lock messages in the order of msg_id (by the index, or by the loop
 * over fenced ids), so two batches with the same ids do not deadlock.
 *
 * Each function takes ROW EXCLUSIVE on the queue's table and, for archive, on
 * that of the archive.  Errors: those of pgmq_queue_open.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/ack.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_delete);
PG_FUNCTION_INFO_V1(pgmq_delete_batch);
PG_FUNCTION_INFO_V1(pgmq_delete_fenced);
PG_FUNCTION_INFO_V1(pgmq_delete_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_archive);
PG_FUNCTION_INFO_V1(pgmq_archive_batch);
PG_FUNCTION_INFO_V1(pgmq_archive_fenced);
PG_FUNCTION_INFO_V1(pgmq_archive_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_set_vt);
PG_FUNCTION_INFO_V1(pgmq_set_vt_at);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_at);
PG_FUNCTION_INFO_V1(pgmq_set_vt_fenced);
PG_FUNCTION_INFO_V1(pgmq_set_vt_fenced_at);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_set_vt_batch_fenced_at);

static void
queue_open_arg(PgmqQueue *queue, FunctionCallInfo fcinfo, PgmqNeed need)
{
	pgmq_queue_open(queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock, need,
					need == PGMQ_NEED_DELETE ? "DELETE" : "UPDATE");
}

/*
 * Tell waiting readers that count messages have been removed, and return
 * whether there were any.  If one was the head of a group, the next message of
 * the group can be read now.
 */
static bool
remove_told(const PgmqQueue *queue, uint64 count)
{
	if (count > 0)
		pgmq_xact_wake(queue->relid, PGMQ_WAKE_GROUPED);
	return count > 0;
}

/* Messages that are being deleted or archived. */
typedef struct Ack
{
	PgmqStats  *stats;
	PgmqRows   *rows;			/* result for the ids; NULL: not wanted */
	TimestampTz now;
	PgmqTimes	times;			/* of the message that was found last */
	uint64		gone;			/* messages that have left the queue */
	int64		kept;			/* messages that are in the archive */
} Ack;

/* Row function: a message that is to leave the queue. */
static void
row_found(TupleTableSlot *slot, void *state)
{
	pgmq_stats_times_row(slot, &((Ack *) state)->times);
}

/* Row function: the message that was found last has left the queue, (msg_id, ..). */
static void
row_acked(TupleTableSlot *slot, void *state)
{
	Ack		   *ack = state;
	bool		isnull;

	ack->gone++;
	pgmq_stats_acked(ack->stats, &ack->times, ack->now);
	if (ack->rows != NULL)
		pgmq_rows_put_id(DatumGetInt64(slot_getattr(slot, 1, &isnull)), ack->rows);
}

/* Row function: a message has left the queue, (msg_id, times, kept). */
static void
row_counted(TupleTableSlot *slot, void *state)
{
	Ack		   *ack = state;
	bool		isnull;

	row_found(slot, state);
	row_acked(slot, state);
	ack->kept = DatumGetInt64(slot_getattr(slot, 4, &isnull));
}

/*
 * Tell whether an archive may discard a row that is inserted, because of a
 * trigger or a rule.  A partitioned archive may always do so, since a partition
 * can have a trigger that the table does not have.
 */
static bool
archive_may_swallow(Oid archive)
{
	/* locked already, so that no trigger is created before the statement runs */
	Relation	rel = relation_open(archive, NoLock);
	bool		result;

	result = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || rel->rd_rules != NULL ||
		(rel->trigdesc != NULL && rel->trigdesc->trig_insert_before_row);
	relation_close(rel, NoLock);
	return result;
}

/*
 * Archive messages, where the archive may discard some.
 * Error: 09000 if a trigger of the archive discarded a message, which would
 * otherwise be lost.
 */
static void
archive_counted(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args, Ack *ack)
{
	pgmq_exec_each(queue, PGMQ_STMT_ARCHIVE_COUNTED + (id - PGMQ_STMT_ARCHIVE), args,
				   row_counted, ack);
	if (ack->kept < ack->gone)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("only " INT64_FORMAT " of " UINT64_FORMAT " messages of queue \"%s\" could be archived",
						ack->kept, ack->gone, PGMQ_QUEUE_BASE(queue)),
				 errhint("Check the triggers of table \"" PGMQ_SCHEMA ".a_%s\". Delete messages that must not be archived.",
						 PGMQ_QUEUE_BASE(queue))));
}

/*
 * Delete or archive messages.  Returns their number, and adds their ids to rows
 * unless that is NULL.  Errors: those of archive_counted.
 */
static uint64
ack_exec(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args, PgmqRows *rows)
{
	bool		archive = id >= PGMQ_STMT_ARCHIVE;
	Ack			ack = {
		.stats = pgmq_stats_pending(queue->relid),.rows = rows,.now = GetCurrentTimestamp()
	};
	PgmqStream	stream;

	/* a subscription archives nothing, since its stream has the messages */
	if (archive && pgmq_stream_look(queue->relid, &stream))
	{
		if (stream.kind == PGMQ_STREAM_LOG)
			(void) pgmq_stream_open(queue, &stream);
		id = PGMQ_STMT_DELETE + (id - PGMQ_STMT_ARCHIVE);
		archive = false;
	}
	if (archive &&
		archive_may_swallow(pgmq_archive_open(queue, RowExclusiveLock, PGMQ_NEED_INSERT)))
		archive_counted(queue, id, args, &ack);
	else if (id == PGMQ_STMT_DELETE_BATCH || id == PGMQ_STMT_ARCHIVE_BATCH)
		pgmq_exec_watched(queue, id, args, row_found, row_acked, &ack);
	else
	{
		ack.gone = pgmq_exec_watched(queue, id, args, row_found, NULL, &ack);
		if (ack.gone > 0)
			pgmq_stats_acked(ack.stats, &ack.times, ack.now);
	}
	if (rows != NULL)
		pgmq_rows_sort(rows);
	ack.stats->counts[PGMQ_STAT_ACKED] += ack.gone;
	if (archive)
		ack.stats->counts[PGMQ_STAT_ARCHIVED] += ack.gone;
	return ack.gone;
}

/*
 * A message of a subscription that was not found may be in a batch, or it was not
 * given to the subscription yet: then it is passed over.  Somebody may have split the
 * batch, or given it, meanwhile.
 */
static bool
ack_elsewhere(const PgmqQueue *queue, const PgmqStream *stream, PgmqStmtId id, const PgmqArg *args,
			  bool fenced)
{
	PgmqIdArg	one = {
		.msg_id = DatumGetInt64(args[0].value),.read_ct = fenced ? DatumGetInt32(args[1].value) : 0
	};

	if (PGMQ_IS_BATCH(one.msg_id))
		return false;
	if (pgmq_batches_ack(queue, &one, 1, fenced, NULL) == 0)
		return true;
	if (!fenced)
	{
		if (pgmq_feed_pass(queue, stream, one.msg_id))
		{
			pgmq_stats_count(queue->relid, PGMQ_STAT_ACKED, 1);
			return true;
		}
		/* who was giving it out may have leased it with others */
		if (pgmq_batches_ack(queue, &one, 1, false, NULL) == 0)
			return true;
	}
	return remove_told(queue, ack_exec(queue, id, args, NULL));
}

/* Delete or archive one message.  Returns whether it existed. */
static Datum
ack_one(FunctionCallInfo fcinfo, PgmqStmtId id, bool fenced)
{
	PgmqArg		args[2] = {PGMQ_ARG_FROM(1)};
	PgmqStream	stream;
	PgmqQueue	queue;
	bool		batch;
	bool		done;

	if (fenced)
		args[1] = pgmq_fence_arg(fcinfo, 2);
	queue_open_arg(&queue, fcinfo, PGMQ_NEED_DELETE);
	batch = !args[0].isnull && PGMQ_IS_BATCH(DatumGetInt64(args[0].value)) && pgmq_stream_subscribes(queue.relid, &stream);
	done = !batch && remove_told(&queue, ack_exec(&queue, id, args, NULL));
	if (!done && !args[0].isnull && pgmq_stream_subscribes(queue.relid, &stream))
		done = ack_elsewhere(&queue, &stream, id, args, fenced);
	pgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, fenced && !done);
	PG_RETURN_BOOL(done);
}

/*
 * Delete or archive several messages of a subscription: what batches have, then the
 * others together, then those that were not found one by one.
 */
static void
ack_subscribed(const PgmqQueue *queue, const PgmqStream *stream, PgmqStmtId id, PgmqIdArg *ids,
			   int nids, PgmqRows *rows)
{
	int			left;
	PgmqArg		arg;
	int64	   *found;
	int64		nfound;
	int64		at = 0;

	for (; nids > 0 && PGMQ_IS_BATCH(ids->msg_id); ids++)
		nids--;
	left = pgmq_batches_ack(queue, ids, nids, false, rows);
	if (left == 0)
		return;
	arg = pgmq_ids_array(ids, left);
	remove_told(queue, ack_exec(queue, id, &arg, rows));
	if (rows == NULL || pgmq_rows_count(rows) == nids)
		return;
	found = pgmq_rows_ids(rows, &nfound);
	/* both are in order */
	for (int i = 0; i < left; i++)
	{
		arg = PGMQ_ARG(Int64GetDatum(ids[i].msg_id));
		while (at < nfound && found[at] < ids[i].msg_id)
			at++;
		if ((at == nfound || found[at] > ids[i].msg_id) &&
			ack_elsewhere(queue, stream, id == PGMQ_STMT_ARCHIVE_BATCH ? PGMQ_STMT_ARCHIVE : PGMQ_STMT_DELETE,
						  &arg, false))
			pgmq_rows_put_id(ids[i].msg_id, rows);
	}
	pgmq_rows_sort(rows);
}

/*
 * Delete or archive the messages of an open queue that the argument msg_ids names.
 * Adds the ids of those that existed to rows unless that is NULL.
 */
void
pgmq_ack_batch(const PgmqQueue *queue, PgmqStmtId id, FunctionCallInfo fcinfo, PgmqRows *rows)
{
	PgmqArg		arg = PGMQ_ARG_FROM(1);
	PgmqStream	stream;
	PgmqIdArg  *ids;
	int			nids;

	if (!pgmq_stream_subscribes(queue->relid, &stream))
		remove_told(queue, ack_exec(queue, id, &arg, rows));
	else
	{
		ids = pgmq_ids_arg(fcinfo, -1, &nids);
		ack_subscribed(queue, &stream, id, ids, nids, rows);
	}
}

/*
 * Delete or archive several messages of an open queue, each with a fence.  Adds
 * the ids of those that are done to rows unless that is NULL.  Returns how many
 * acknowledgements came too late, and moves these to the front of ids.
 */
int
pgmq_ack_fenced(const PgmqQueue *queue, PgmqStmtId id, PgmqIdArg *ids, int nids, PgmqRows *rows)
{
	PgmqStream	stream;
	bool		is_subscription = pgmq_stream_subscribes(queue->relid, &stream);
	bool		first = is_subscription && nids > 1;
	int			nlate = 0;

	if (first)
		nids = pgmq_batches_ack(queue, ids, nids, true, rows);
	for (int i = 0; i < nids; i++)
	{
		PgmqArg		args[] = {
			PGMQ_ARG(Int64GetDatum(ids[i].msg_id)),
			PGMQ_ARG(Int32GetDatum(ids[i].read_ct))
		};

		if ((is_subscription && PGMQ_IS_BATCH(ids[i].msg_id)) ||
			(!remove_told(queue, ack_exec(queue, id, args, NULL)) &&
			 !(is_subscription && !first && ack_elsewhere(queue, &stream, id, args, true))))
			ids[nlate++] = ids[i];
		else if (rows != NULL)
			pgmq_rows_put_id(ids[i].msg_id, rows);
	}
	pgmq_stats_count(queue->relid, PGMQ_STAT_FENCE_REFUSED, nlate);
	return nlate;
}

/* Delete or archive several messages.  Returns the ids of those that existed. */
static Datum
ack_batch(FunctionCallInfo fcinfo, PgmqStmtId id)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqQueue	queue;

	queue_open_arg(&queue, fcinfo, PGMQ_NEED_DELETE);
	pgmq_ack_batch(&queue, id, fcinfo, rows);
	return (Datum) 0;
}

/* Delete or archive several messages, each with a fence. */
static Datum
ack_batch_fenced(FunctionCallInfo fcinfo, PgmqStmtId id)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	int			nids;
	PgmqIdArg  *ids = pgmq_ids_arg(fcinfo, 2, &nids);
	PgmqQueue	queue;

	queue_open_arg(&queue, fcinfo, PGMQ_NEED_DELETE);
	(void) pgmq_ack_fenced(&queue, id, ids, nids, rows);
	pgmq_rows_sort(rows);
	return (Datum) 0;
}

/* delete(queue_name text, msg_id bigint) returns boolean */
Datum
pgmq_delete(PG_FUNCTION_ARGS)
{
	return ack_one(fcinfo, PGMQ_STMT_DELETE, false);
}

/* delete(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_delete_batch(PG_FUNCTION_ARGS)
{
	return ack_batch(fcinfo, PGMQ_STMT_DELETE_BATCH);
}

/* delete(queue_name text, msg_id bigint, read_ct integer) returns boolean */
Datum
pgmq_delete_fenced(PG_FUNCTION_ARGS)
{
	return ack_one(fcinfo, PGMQ_STMT_DELETE_FENCED, true);
}

/*
 * delete(queue_name text, msg_ids bigint[], read_cts integer[])
 * returns setof bigint
 */
Datum
pgmq_delete_batch_fenced(PG_FUNCTION_ARGS)
{
	return ack_batch_fenced(fcinfo, PGMQ_STMT_DELETE_FENCED);
}

/* archive(queue_name text, msg_id bigint) returns boolean */
Datum
pgmq_archive(PG_FUNCTION_ARGS)
{
	return ack_one(fcinfo, PGMQ_STMT_ARCHIVE, false);
}

/* archive(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_archive_batch(PG_FUNCTION_ARGS)
{
	return ack_batch(fcinfo, PGMQ_STMT_ARCHIVE_BATCH);
}

/* archive(queue_name text, msg_id bigint, read_ct integer) returns boolean */
Datum
pgmq_archive_fenced(PG_FUNCTION_ARGS)
{
	return ack_one(fcinfo, PGMQ_STMT_ARCHIVE_FENCED, true);
}

/*
 * archive(queue_name text, msg_ids bigint[], read_cts integer[])
 * returns setof bigint
 */
Datum
pgmq_archive_batch_fenced(PG_FUNCTION_ARGS)
{
	return ack_batch_fenced(fcinfo, PGMQ_STMT_ARCHIVE_FENCED);
}

/* Split the batches of the messages that are to be changed, argument 1. */
static void
split_named(const PgmqQueue *queue, FunctionCallInfo fcinfo, bool several)
{
	PgmqIdArg  *ids;
	int			nids;

	if (!pgmq_stream_subscribes(queue->relid, NULL))
		return;
	ids = several ? pgmq_ids_arg(fcinfo, -1, &nids) : pgmq_id_arg(fcinfo, -1, &nids);
	pgmq_batches_split(queue, ids, nids, true);
}

/* Change the visibility time of one message, or of the messages of an array. */
static Datum
set_vt(FunctionCallInfo fcinfo, PgmqStmtId id, PgmqArg vt, bool fenced)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqArg		args[3] = {PGMQ_ARG_FROM(1), vt};
	PgmqQueue	queue;
	uint64		n;

	if (fenced)
		args[2] = pgmq_fence_arg(fcinfo, 3);
	queue_open_arg(&queue, fcinfo, PGMQ_NEED_UPDATE);
	if (!args[0].isnull)
		split_named(&queue, fcinfo, id == PGMQ_STMT_SET_VT_BATCH);
	n = pgmq_exec_rows(&queue, id, args, rows);
	pgmq_stats_count(queue.relid, PGMQ_STAT_EXTENDED, n);
	pgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, fenced && n == 0);
	return (Datum) 0;
}

/* Change the visibility time of several messages, each with a fence. */
static Datum
set_vt_batch_fenced(FunctionCallInfo fcinfo, PgmqArg vt)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	int			nids;
	PgmqIdArg  *ids = pgmq_ids_arg(fcinfo, 3, &nids);
	PgmqQueue	queue;

	queue_open_arg(&queue, fcinfo, PGMQ_NEED_UPDATE);
	pgmq_batches_split(&queue, ids, nids, true);
	for (int i = 0; i < nids; i++)
	{
		PgmqArg		args[] = {
			PGMQ_ARG(Int64GetDatum(ids[i].msg_id)),
			vt,
			PGMQ_ARG(Int32GetDatum(ids[i].read_ct))
		};

		pgmq_stats_count(queue.relid,
						 pgmq_exec_rows(&queue, PGMQ_STMT_SET_VT_FENCED, args, rows) > 0 ?
						 PGMQ_STAT_EXTENDED : PGMQ_STAT_FENCE_REFUSED, 1);
	}
	return (Datum) 0;
}

/* set_vt(queue_name text, msg_id bigint, vt integer) */
Datum
pgmq_set_vt(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT, pgmq_from_now(PGMQ_ARG_FROM(2)), false);
}

/* set_vt(queue_name text, msg_id bigint, vt timestamptz) */
Datum
pgmq_set_vt_at(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT, PGMQ_ARG_FROM(2), false);
}

/* set_vt(queue_name text, msg_ids bigint[], vt integer) */
Datum
pgmq_set_vt_batch(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT_BATCH, pgmq_from_now(PGMQ_ARG_FROM(2)), false);
}

/* set_vt(queue_name text, msg_ids bigint[], vt timestamptz) */
Datum
pgmq_set_vt_batch_at(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT_BATCH, PGMQ_ARG_FROM(2), false);
}

/* set_vt(queue_name text, msg_id bigint, vt integer, read_ct integer) */
Datum
pgmq_set_vt_fenced(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT_FENCED, pgmq_from_now(PGMQ_ARG_FROM(2)), true);
}

/* set_vt(queue_name text, msg_id bigint, vt timestamptz, read_ct integer) */
Datum
pgmq_set_vt_fenced_at(PG_FUNCTION_ARGS)
{
	return set_vt(fcinfo, PGMQ_STMT_SET_VT_FENCED, PGMQ_ARG_FROM(2), true);
}

/* set_vt(queue_name text, msg_ids bigint[], vt integer, read_cts integer[]) */
Datum
pgmq_set_vt_batch_fenced(PG_FUNCTION_ARGS)
{
	return set_vt_batch_fenced(fcinfo, pgmq_from_now(PGMQ_ARG_FROM(2)));
}

/*
 * set_vt(queue_name text, msg_ids bigint[], vt timestamptz,
 *		  read_cts integer[])
 */
Datum
pgmq_set_vt_batch_fenced_at(PG_FUNCTION_ARGS)
{
	return set_vt_batch_fenced(fcinfo, PGMQ_ARG_FROM(2));
}
