/*-------------------------------------------------------------------------
 *
 * retain.c
 *	  Retention: removing the oldest messages of a stream.
 *
 * Maintenance does it, some messages at a time, by the stream's policy: what is older
 * than retention_age, what is beyond retention_count messages or retention_bytes, and,
 * with retention "consumed", what all subscriptions have finished.  The limits
 * always win, so that a subscription that nobody reads cannot fill the disk.
 *
 * A call deletes messages, and for each subscription the references to them.  A
 * reference that goes away so is lost, and so is a message among them that was not
 * given out yet.  Nothing waits for a subscription: what another transaction is
 * giving out is left for the next time, and where its table or a reference is
 * locked the reference stays, and the read that finds it without a message counts
 * it (take.c).  Each loss goes with the one row whose removal shows it, so none is
 * counted twice.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/retain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* A call locks about so many blocks of all subscriptions, since the server's locks are few. */
#define LOCKS_MAX		512

/* The OIDs of a stream's subscriptions. */
static Ids
list_subscriptions(Oid stream)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(stream))};
	Ids			ids = {.context = CurrentMemoryContext};
	PgmqRole	saved = pgmq_stream_become_keeper();

	pgmq_exec_once("SELECT subscription::pg_catalog.oid::pg_catalog.int8"
				   " FROM " PGMQ_SCHEMA ".subscription WHERE stream OPERATOR(pg_catalog.=) $1"
				   " ORDER BY 1", 1, argtypes, args, true, pgmq_stream_row_id, &ids);
	pgmq_role_restore(saved);
	return ids;
}

/* Open a subscription if that is possible without waiting. */
static bool
try_open(PgmqQueue *queue, Oid relid, LOCKMODE lockmode)
{
	char	   *name;

	if (!ConditionalLockRelationOid(relid, lockmode))
		return false;
	name = get_rel_name(relid);
	if (name == NULL)
	{
		UnlockRelationOid(relid, lockmode);
		return false;
	}
	queue->relid = relid;
	strlcpy(queue->relname, name, NAMEDATALEN);
	return true;
}

/* Tell whether a delete from a table would run code that a user has made. */
bool
pgmq_feed_runs_code(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	bool		result = pgmq_role_find_trigger(rel, TRIGGER_TYPE_DELETE, true) != NULL ||
	pgmq_role_find_reference(rel) != NULL;

	relation_close(rel, NoLock);
	return result;
}

/* ----------------------------------------------------------------
 *		How far
 * ----------------------------------------------------------------
 */

/* Set *upto to the greater of it and what a statement on the stream returns. */
static void
extend_to(const PgmqQueue *queue, const char *sql, Oid type, Datum value, int64 *upto)
{
	PgmqArg		args[] = {PGMQ_ARG(value)};
	Ids			ids = {.context = CurrentMemoryContext};

	pgmq_exec_once_guarded(pgmq_plan_text(queue, sql), 1, &type, args, pgmq_stream_row_id, &ids);
	if (ids.n > 0)
		*upto = Max(*upto, ids.ids[0]);
}

/* The last message up to which all subscriptions have finished all. */
static int64
finished_by_all(const Ids *subscriptions)
{
	static const Oid argtypes[] = {INT8OID};
	PgmqArg		args[1];
	int64		upto = PG_INT64_MAX;

	if (subscriptions->n == 0)
		return PG_INT64_MIN;
	for (int i = 0; i < subscriptions->n; i++)
	{
		PgmqQueue	queue;
		PgmqStream	stream;
		Ids			first = {.context = CurrentMemoryContext};
		PgmqRole	saved;
		int64		batched;

		/*
		 * each look has a new snapshot: what is fed is in the table by then,
		 * and what a batch had when it was split has references
		 */
		if (!try_open(&queue, (Oid) subscriptions->ids[i], AccessShareLock) ||
			!pgmq_stream_subscribes(queue.relid, &stream))
			return PG_INT64_MIN;
		upto = Min(upto, pgmq_feed_finished(&queue, &stream));
		batched = pgmq_batches_first(&queue);
		upto = Min(upto, batched - 1);
		saved = pgmq_role_become_owner(queue.relid);
		args[0] = PGMQ_ARG(Int64GetDatum(PGMQ_BATCH_END));
		pgmq_exec_once_guarded(pgmq_plan_text(&queue, "SELECT msg_id FROM {q}"
											  " WHERE msg_id OPERATOR(pg_catalog.>=) $1 ORDER BY msg_id LIMIT 1"),
							   1, argtypes, args, pgmq_stream_row_id, &first);
		pgmq_role_restore(saved);
		if (first.n > 0)
			upto = Min(upto, first.ids[0] - 1);
	}
	return upto;
}

/* ----------------------------------------------------------------
 *		Removing
 * ----------------------------------------------------------------
 */

/* Keep those of some messages, in order, that are in the first few blocks. */
static void
cut_blocks(Ids *ids, int max)
{
	int			nblocks = 0;

	for (int i = 0; i < ids->n; i++)
		if ((i == 0 || PGMQ_FEED_BLOCK(ids->ids[i]) != PGMQ_FEED_BLOCK(ids->ids[i - 1])) &&
			++nblocks > max)
			ids->n = i;
}

/* Remove from some messages those that a subscription is just being given. */
static void
leave_busy(Oid subscription, Ids *ids)
{
	PgmqQueue	queue;
	PgmqStream	stream;

	if (try_open(&queue, subscription, AccessShareLock) &&
		pgmq_stream_subscribes(queue.relid, &stream))
		ids->n = pgmq_feed_leave_busy(&queue, &stream, ids->ids, ids->n);
}

/* Count what a subscription loses with some messages, and remove its references. */
static void
count_lost(Oid subscription, const Ids *ids)
{
	static const Oid argtypes[] = {INT8ARRAYOID};
	PgmqArg		args[] = {pgmq_int8_array(ids->ids, ids->n)};
	PgmqQueue	queue;
	PgmqStream	stream;
	PgmqRole	saved;
	PgmqIdArg  *pairs;
	int64		lost = 0;

	if (!try_open(&queue, subscription, RowExclusiveLock) ||
		!pgmq_stream_subscribes(queue.relid, &stream))
		return;
	lost = pgmq_feed_count_unfed(&queue, &stream, ids->ids, ids->n);
	pairs = palloc0(ids->n * sizeof(PgmqIdArg));
	for (int i = 0; i < ids->n; i++)
		pairs[i].msg_id = ids->ids[i];
	/* where that would run code of users the read that finds them counts them */
	if (!pgmq_feed_runs_code(queue.relid))
	{
		saved = pgmq_role_become_owner(queue.relid);
		pgmq_batches_split(&queue, pairs, ids->n, false);
		lost += (int64) pgmq_exec_once_guarded(pgmq_plan_text(&queue,
															  "DELETE FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY (ARRAY("
															  "SELECT msg_id FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"
															  " ORDER BY msg_id FOR UPDATE SKIP LOCKED))"),
											   1, argtypes, args, NULL, NULL);
		pgmq_role_restore(saved);
	}
	pgmq_stream_note_lost(queue.relid, lost);
}

/* A subscription whose losses are counted, in a subtransaction. */
typedef struct Loss
{
	Oid			subscription;
	const Ids  *ids;
} Loss;

static bool
count_lost_try(void *state)
{
	count_lost(((Loss *) state)->subscription, ((Loss *) state)->ids);
	return true;
}

/*
 * Remove up to limit messages that a stream, which is open, need not keep any
 * more, with the rights of its owner.  Adds their number to *rows.  Returns whether
 * there may be more.  Nothing is done for a queue that is no stream.
 */
bool
pgmq_retain(const PgmqQueue *queue, const PgmqRetention *retention, int64 limit, int64 *rows)
{
	static const Oid argtypes[] = {INT8OID, INT8OID};
	static const Oid delete_types[] = {INT8ARRAYOID};
	static const Oid keep_types[] = {OIDOID, INT8OID};
	PgmqStream	stream;
	Ids			subscriptions;
	Ids			ids = {.context = CurrentMemoryContext};
	PgmqArg		args[2];
	int64		upto = PG_INT64_MIN;
	int			found;
	int			max_blocks;
	PgmqRole	saved;

	if (!pgmq_stream_look(queue->relid, &stream) || stream.kind != PGMQ_STREAM_LOG ||
		!pgmq_lock_fold(queue))
		return false;
	subscriptions = list_subscriptions(queue->relid);
	max_blocks = Max(LOCKS_MAX / Max(subscriptions.n, 1), 1);
	limit = Min(limit, max_blocks * 64);
	if (retention->age > 0)
	{
		TimestampTz before = GetCurrentTimestamp() - (int64) (retention->age * USECS_PER_SEC);

		/* the first ones, as long as none is young enough */
		extend_to(queue, "SELECT pg_catalog.max(msg_id) FROM (SELECT msg_id,"
				  " pg_catalog.bool_and(enqueued_at OPERATOR(pg_catalog.<) $1)"
				  " OVER (ORDER BY msg_id) AS old"
				  " FROM (SELECT msg_id, enqueued_at FROM {q} ORDER BY msg_id LIMIT 1000) AS first)"
				  " AS marked WHERE old",
				  TIMESTAMPTZOID, TimestampTzGetDatum(before), &upto);
	}
	if (retention->count > 0)
		extend_to(queue, "SELECT msg_id FROM {q} ORDER BY msg_id DESC OFFSET $1 LIMIT 1",
				  INT8OID, Int64GetDatum((int64) retention->count), &upto);
	if (retention->bytes > 0)
		extend_to(queue, "SELECT msg_id FROM (SELECT msg_id,"
				  " pg_catalog.sum(COALESCE(pg_catalog.pg_column_size(message), 0)"
				  " OPERATOR(pg_catalog.+) COALESCE(pg_catalog.pg_column_size(headers), 0))"
				  " OVER (ORDER BY msg_id DESC) AS bytes FROM {q}) AS sized"
				  " WHERE bytes OPERATOR(pg_catalog.>) $1::pg_catalog.numeric"
				  " ORDER BY msg_id DESC LIMIT 1",
				  INT8OID, Int64GetDatum((int64) retention->bytes), &upto);
	if (retention->consumed)
	{
		int64		finished = finished_by_all(&subscriptions);

		upto = Max(upto, finished);
	}
	if (upto == PG_INT64_MIN)
		return false;

	args[0] = PGMQ_ARG(Int64GetDatum(upto));
	args[1] = PGMQ_ARG(Int64GetDatum(limit));
	pgmq_exec_once_guarded(pgmq_plan_text(queue, "SELECT msg_id FROM {q} WHERE msg_id OPERATOR(pg_catalog.<=) $1"
										  " ORDER BY msg_id LIMIT $2 FOR UPDATE SKIP LOCKED"),
						   2, argtypes, args, pgmq_stream_row_id, &ids);
	found = ids.n;
	cut_blocks(&ids, max_blocks);
	if (ids.n < found)
		found = limit;
	for (int i = 0; i < subscriptions.n; i++)
		leave_busy((Oid) subscriptions.ids[i], &ids);
	if (ids.n == 0)
		return false;
	args[0] = pgmq_int8_array(ids.ids, ids.n);
	pgmq_exec_once_guarded(pgmq_plan_text(queue, "DELETE FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"),
						   1, delete_types, args, NULL, NULL);

	/* what is found missing from here on was lost, not deleted */
	upto = ids.ids[ids.n - 1];
	args[0] = PGMQ_ARG(ObjectIdGetDatum(queue->relid));
	args[1] = PGMQ_ARG(Int64GetDatum(upto));
	saved = pgmq_stream_become_keeper();
	pgmq_exec_once("UPDATE " PGMQ_SCHEMA ".stream SET retained_after = $2"
				   " WHERE stream OPERATOR(pg_catalog.=) $1"
				   " AND retained_after OPERATOR(pg_catalog.<) $2",
				   2, keep_types, args, false, NULL, NULL);
	pgmq_role_restore(saved);
	for (int i = 0; i < subscriptions.n; i++)
	{
		Loss		loss = {(Oid) subscriptions.ids[i], &ids};
		ErrorData  *error = pgmq_try(count_lost_try, &loss);

		if (error != NULL)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("could not count what subscription \"%s\" lost: %s",
							get_rel_name(loss.subscription), error->message)));
	}
	*rows += ids.n;
	return found == limit;
}
