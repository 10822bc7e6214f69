/*-------------------------------------------------------------------------
 *
 * subscriptions.c
 *	  How far the subscriptions of streams have come.
 *
 * A role sees a subscription if it has some right to it or to its stream.  What is
 * shown are numbers, so they are counted with the rights of the subscription's
 * owner, as metrics does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/subscriptions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_list_subscriptions);
PG_FUNCTION_INFO_V1(pgmq_list_subscriptions_all);

/* So many messages are counted; the rest is estimated by the ids. */
#define COUNT_MAX		100000

/* A row of the result, and of pgmq.subscription. */
typedef struct Listed
{
	Oid			subscription;
	Oid			stream;
	TimestampTz created;
	int64		lost;
} Listed;

typedef struct Listing
{
	MemoryContext context;
	List	   *list;			/* of Listed * */
} Listing;

/* Row function: (subscription, stream, created_at, lost). */
static void
row_listed(TupleTableSlot *slot, void *state)
{
	Listing    *listing = state;
	MemoryContext old = MemoryContextSwitchTo(listing->context);
	Listed	   *listed = palloc(sizeof(Listed));

	slot_getallattrs(slot);
	listed->subscription = DatumGetObjectId(slot->tts_values[0]);
	listed->stream = DatumGetObjectId(slot->tts_values[1]);
	listed->created = DatumGetTimestampTz(slot->tts_values[2]);
	listed->lost = DatumGetInt64(slot->tts_values[3]);
	listing->list = lappend(listing->list, listed);
	MemoryContextSwitchTo(old);
}

/* Numbers that row_numbers collects; NULL counts as 0. */
typedef struct Numbers
{
	int64		values[4];
	bool		nulls[4];
} Numbers;

static void
row_numbers(TupleTableSlot *slot, void *state)
{
	Numbers    *numbers = state;

	slot_getallattrs(slot);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts && i < 4; i++)
	{
		numbers->nulls[i] = slot->tts_isnull[i];
		numbers->values[i] = slot->tts_isnull[i] ? 0 : DatumGetInt64(slot->tts_values[i]);
	}
}

/* Add a subscription to the result, unless it is gone or locked by DDL. */
static void
put_subscription(PgmqRows *rows, const Listed *listed)
{
	static const Oid argtypes[] = {INT8OID, INT8OID, INT8ARRAYOID};
	PgmqQueue	queue = {.relid = listed->subscription};
	PgmqStream	stream;
	Numbers		fed = {{0}, {0}};
	Numbers		unfed = {{0}, {0}};
	PgmqBatchCount batched;
	PgmqQueueStats stats;
	Datum		values[8];
	bool		nulls[8] = {false};
	PgmqArg		args[3];
	PgmqRole	saved;
	int64		position;
	int64		drawn;
	const char *name;
	const char *stream_name;

	if (!pgmq_queue_may(listed->subscription, PGMQ_NEED_ANY) &&
		!pgmq_queue_may(listed->stream, PGMQ_NEED_ANY))
		return;
	if (!ConditionalLockRelationOid(listed->subscription, AccessShareLock) ||
		!ConditionalLockRelationOid(listed->stream, AccessShareLock))
		return;
	name = get_rel_name(listed->subscription);
	stream_name = get_rel_name(listed->stream);
	if (name == NULL || stream_name == NULL)
		return;
	strlcpy(queue.relname, name, NAMEDATALEN);
	if (!pgmq_stream_subscribes(queue.relid, &stream))
		return;

	position = pgmq_feed_position(&queue, &stream, &drawn, &args[2]);
	args[0] = PGMQ_ARG(Int64GetDatum(position));
	args[1] = PGMQ_ARG(Int64GetDatum(COUNT_MAX));
	saved = pgmq_role_become_owner(queue.relid);
	pgmq_exec_once(pgmq_plan_text(&queue, "SELECT pg_catalog.count(*) FILTER (WHERE last_read_at IS NOT NULL"
								  " AND vt OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()),"
								  " pg_catalog.count(*), pg_catalog.min(msg_id),"
								  " EXTRACT(epoch FROM pg_catalog.clock_timestamp()"
								  " OPERATOR(pg_catalog.-) pg_catalog.min(enqueued_at))::pg_catalog.int8"
								  " FROM {q}"),
				   0, NULL, NULL, true, row_numbers, &fed);
	pgmq_exec_once(pgmq_plan_text(&queue, "SELECT pg_catalog.count(*), pg_catalog.min(msg_id),"
								  " EXTRACT(epoch FROM pg_catalog.clock_timestamp()"
								  " OPERATOR(pg_catalog.-) pg_catalog.min(enqueued_at))::pg_catalog.int8 FROM"
								  " ((SELECT msg_id, enqueued_at FROM {s} WHERE msg_id OPERATOR(pg_catalog.>) $1"
								  " ORDER BY msg_id LIMIT $2) UNION ALL SELECT msg_id, enqueued_at FROM {s}"
								  " WHERE msg_id OPERATOR(pg_catalog.=) ANY ($3)) AS first"),
				   3, argtypes, args, true, row_numbers, &unfed);
	pgmq_role_restore(saved);
	pgmq_batches_count(&queue, GetCurrentTimestamp(), &batched);
	fed.values[0] += batched.more - batched.more_due;
	fed.values[1] += batched.more;
	if (unfed.values[0] >= COUNT_MAX)
		unfed.values[0] = Max(COUNT_MAX, drawn - position);

	values[0] = CStringGetTextDatum(stream_name + 2);
	values[1] = CStringGetTextDatum(name + 2);
	values[2] = TimestampTzGetDatum(listed->created);
	nulls[3] = !pgmq_shmem_attach() || !pgmq_slot_read(queue.relid, &stats) || stats.last_read == 0;
	values[3] = nulls[3] ? (Datum) 0 : TimestampTzGetDatum(stats.last_read);
	values[4] = Int64GetDatum(fed.values[0]);
	values[5] = Int64GetDatum(fed.values[1] + unfed.values[0]);
	nulls[6] = fed.values[1] + unfed.values[0] == 0;
	values[6] = Int64GetDatum(Max(Max(fed.values[3], unfed.values[2]), 0));
	values[7] = Int64GetDatum(listed->lost);
	pgmq_rows_put(rows, values, nulls);
}

/* List the subscriptions of a stream; of all if it is InvalidOid. */
static Datum
list(FunctionCallInfo fcinfo, Oid stream)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(stream))};
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	Listing		listing = {CurrentMemoryContext, NIL};
	PgmqRole	saved;
	ListCell   *lc;

	if (!OidIsValid(pgmq_stream_table("subscription", true)))
		return (Datum) 0;
	saved = pgmq_stream_become_keeper();
	pgmq_exec_once("SELECT s.subscription::pg_catalog.oid, s.stream::pg_catalog.oid, s.created_at,"
				   " COALESCE((SELECT pg_catalog.sum(n.value) FROM " PGMQ_SCHEMA ".subscription_note n"
				   " WHERE n.subscription OPERATOR(pg_catalog.=) s.subscription"
				   " AND n.kind OPERATOR(pg_catalog.=) 'lost'::pg_catalog.text), 0)::pg_catalog.int8"
				   " FROM " PGMQ_SCHEMA ".subscription s"
				   " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.subscription"
				   " WHERE $1 OPERATOR(pg_catalog.=) 0::pg_catalog.oid"
				   " OR s.stream OPERATOR(pg_catalog.=) $1 ORDER BY c.relname",
				   1, argtypes, args, true, row_listed, &listing);
	pgmq_role_restore(saved);
	foreach(lc, listing.list)
		put_subscription(rows, lfirst(lc));
	return (Datum) 0;
}

/*
 * list_subscriptions(queue_name text) returns table (stream_name text,
 * subscription_name text, created_at timestamptz, last_read_at timestamptz,
 * in_flight bigint, lag bigint, oldest_age_sec bigint, lost bigint)
 */
Datum
pgmq_list_subscriptions(PG_FUNCTION_ARGS)
{
	PgmqQueue	queue;

	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock, PGMQ_NEED_ANY, NULL);
	return list(fcinfo, queue.relid);
}

/* list_subscriptions(): the same of all streams */
Datum
pgmq_list_subscriptions_all(PG_FUNCTION_ARGS)
{
	return list(fcinfo, InvalidOid);
}
