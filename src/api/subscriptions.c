/*-------------------------------------------------------------------------
 *
 * subscriptions.c
 *	  How far the subscriptions of streams have come.
 *
 * A role sees a subscription if it has some right to it or to its stream.  What is
 * shown are numbers, so they are counted with the rights of the owners, as metrics
 * does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/subscriptions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"
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
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_list_subscriptions);
PG_FUNCTION_INFO_V1(pgmq_list_subscriptions_all);

/* A row of pgmq.subscription. */
typedef struct Known
{
	Oid			subscription;
	Oid			stream;
	TimestampTz created;
	int64		lost;
} Known;

typedef struct Listing
{
	MemoryContext context;
	List	   *list;			/* of Known * */
} Listing;

/* Row function: (subscription, stream, created_at, lost). */
static void
row_known(TupleTableSlot *slot, void *state)
{
	Listing    *listing = state;
	MemoryContext old = MemoryContextSwitchTo(listing->context);
	Known	   *known = palloc(sizeof(Known));

	slot_getallattrs(slot);
	known->subscription = DatumGetObjectId(slot->tts_values[0]);
	known->stream = DatumGetObjectId(slot->tts_values[1]);
	known->created = DatumGetTimestampTz(slot->tts_values[2]);
	known->lost = DatumGetInt64(slot->tts_values[3]);
	listing->list = lappend(listing->list, known);
	MemoryContextSwitchTo(old);
}

/* What a subscription was given and has not finished. */
typedef struct Given
{
	int64		in_flight;
	int64		count;
	TimestampTz oldest;			/* when the first was sent; DT_NOEND for none */
} Given;

/* Row function: the numbers of a Given, in which each batch is one row. */
static void
row_given(TupleTableSlot *slot, void *state)
{
	Given	   *given = state;

	slot_getallattrs(slot);
	given->in_flight = DatumGetInt64(slot->tts_values[0]);
	given->count = DatumGetInt64(slot->tts_values[1]);
	given->oldest = slot->tts_isnull[2] ? DT_NOEND : DatumGetTimestampTz(slot->tts_values[2]);
}

/* A subscription that is put into the result. */
typedef struct Listed
{
	PgmqRows   *rows;
	const Known *known;
	TimestampTz now;
} Listed;

/* Add a subscription to the result for pgmq_each_try. */
static bool
put_subscription(text *name, void *state)
{
	static const Oid argtypes[] = {TIMESTAMPTZOID};
	const Listed *listed = state;
	const Known *known = listed->known;
	PgmqQueue	queue = {.relid = known->subscription};
	PgmqArg		args[] = {PGMQ_ARG(TimestampTzGetDatum(listed->now))};
	PgmqStream	stream;
	Given		given = {0};
	PgmqUnfed	unfed;
	PgmqBatchCount batched;
	PgmqQueueStats stats;
	TimestampTz oldest;
	Datum		values[8];
	bool		nulls[8] = {false};
	PgmqRole	saved;
	char	   *relname;
	char	   *stream_name;

	if (!ConditionalLockRelationOid(known->subscription, AccessShareLock) ||
		!ConditionalLockRelationOid(known->stream, AccessShareLock))
		return false;
	relname = get_rel_name(known->subscription);
	stream_name = get_rel_name(known->stream);
	if (relname == NULL || stream_name == NULL)
		return false;
	strlcpy(queue.relname, relname, NAMEDATALEN);
	if (!pgmq_stream_subscribes(queue.relid, &stream))
		return false;

	pgmq_feed_count(&queue, &stream, listed->now, &unfed);
	saved = pgmq_role_become_owner(queue.relid);
	pgmq_exec_once(pgmq_plan_text(&queue, "SELECT pg_catalog.count(*) FILTER (WHERE last_read_at IS NOT NULL"
								  " AND vt OPERATOR(pg_catalog.>) $1),"
								  " pg_catalog.count(*), pg_catalog.min(enqueued_at) FROM {q}"),
				   1, argtypes, args, false, row_given, &given);
	pgmq_role_restore(saved);
	pgmq_batches_count(&queue, listed->now, &batched);
	given.in_flight += batched.more - batched.more_due;
	given.count += batched.more;
	oldest = Min(given.oldest, unfed.oldest);

	values[0] = CStringGetTextDatum(stream_name + 2);
	values[1] = PointerGetDatum(name);
	values[2] = TimestampTzGetDatum(known->created);
	nulls[3] = !pgmq_shmem_attach() || !pgmq_slot_read(queue.relid, &stats) || stats.last_read == 0;
	values[3] = nulls[3] ? (Datum) 0 : TimestampTzGetDatum(stats.last_read);
	values[4] = Int64GetDatum(given.in_flight);
	values[5] = Int64GetDatum(given.count + unfed.count);
	nulls[6] = oldest == DT_NOEND;
	values[6] = Int64GetDatum(Max(listed->now - oldest, 0) / USECS_PER_SEC);
	values[7] = Int64GetDatum(known->lost);
	pgmq_rows_put(listed->rows, values, nulls);
	return true;
}

/* Tell whether a table has rows here, unlike an unlogged one on a standby. */
static bool
has_rows(Oid relid)
{
	return !RecoveryInProgress() || get_rel_persistence(relid) != RELPERSISTENCE_UNLOGGED;
}

/*
 * List the subscriptions of a stream; of all if it is InvalidOid.  One that cannot be
 * counted is left out with a WARNING; one that is locked by DDL, or has no rows on a
 * standby, without one.
 */
static Datum
list(FunctionCallInfo fcinfo, Oid stream)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(stream))};
	Listed		listed = {.rows = pgmq_rows_begin(fcinfo),.now = GetCurrentTimestamp()};
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
				   1, argtypes, args, true, row_known, &listing);
	pgmq_role_restore(saved);
	foreach(lc, listing.list)
	{
		const Known *known = listed.known = lfirst(lc);
		const char *name = get_rel_name(known->subscription);

		if (name != NULL && has_rows(known->subscription) && has_rows(known->stream) &&
			(pgmq_queue_may(known->subscription, PGMQ_NEED_ANY) ||
			 pgmq_queue_may(known->stream, PGMQ_NEED_ANY)))
			(void) pgmq_each_try(cstring_to_text(name + 2), put_subscription, &listed, false);
	}
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
