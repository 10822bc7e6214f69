/*-------------------------------------------------------------------------
 *
 * take.c
 *	  Reads of subscriptions: what a read does when it has not got enough.
 *
 * A read takes references as it takes the messages of any queue; the statement
 * fetches the bodies from the stream.  A reference whose message has left the
 * stream, by a delete or by retention, is not returned but removed.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/take.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/rls.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* A read by groups has that many references to choose from, and for each message. */
#define LOOK_AHEAD		1000
#define LOOK_AHEAD_EACH 10

/* A read that takes only some messages has so many fed at most. */
#define FEED_MAX		10000

/*
 * Remove references whose message the stream does not have any more.  Those that
 * retention has passed count as lost.  The caller may not see all messages of the
 * stream, so it is asked with the rights of the subscription's owner.  Where the
 * removal would run code of users it runs with the caller's.
 */
static void
remove_references(const PgmqQueue *queue, const PgmqStream *stream, const int64 *ids, int n)
{
	static const Oid argtypes[] = {INT8ARRAYOID};
	PgmqArg		args[] = {pgmq_int8_array(ids, n)};
	Ids			missing = {.context = CurrentMemoryContext};
	PgmqRole	saved = pgmq_role_become_owner(queue->relid);

	if (check_enable_rls(stream->stream, InvalidOid, true) == RLS_ENABLED)
	{
		pgmq_role_restore(saved);
		return;
	}
	pgmq_exec_once(pgmq_plan_text(queue, "SELECT id FROM pg_catalog.unnest($1) AS id"
								  " WHERE NOT EXISTS (SELECT FROM {s} AS stored"
								  " WHERE stored.msg_id OPERATOR(pg_catalog.=) id)"),
				   1, argtypes, args, false, pgmq_stream_row_id, &missing);
	args[0] = pgmq_int8_array(missing.ids, missing.n);
	if (pgmq_feed_runs_code(queue->relid))
		pgmq_role_restore(saved);
	pgmq_exec_once(pgmq_plan_text(queue, "DELETE FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"),
				   1, argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
	pgmq_stream_note_missing(queue, stream, missing.ids, missing.n);
}

/* Count some messages that the stream does not have as lost if retention has passed them. */
void
pgmq_stream_note_missing(const PgmqQueue *queue, const PgmqStream *stream, const int64 *ids, int n)
{
	static const Oid lost_types[] = {INT8ARRAYOID, OIDOID};
	PgmqArg		args[] = {pgmq_int8_array(ids, n), PGMQ_ARG(ObjectIdGetDatum(stream->stream))};
	PgmqRole	saved;
	int64		lost = 0;

	if (n == 0)
		return;
	saved = pgmq_stream_become_keeper();
	pgmq_exec_once("SELECT pg_catalog.count(*) FROM pg_catalog.unnest($1) AS id"
				   " JOIN " PGMQ_SCHEMA ".stream AS s ON s.stream OPERATOR(pg_catalog.=) $2"
				   " AND id OPERATOR(pg_catalog.<=) s.retained_after",
				   2, lost_types, args, false, pgmq_row_int8, &lost);
	pgmq_role_restore(saved);
	pgmq_stream_note_lost(queue->relid, lost);
}

/* Count the references that there are, up to a limit. */
static int64
count_references(const PgmqQueue *queue, int64 limit)
{
	PgmqArg		args[] = {PGMQ_ARG(Int64GetDatum(limit))};
	PgmqRole	saved = pgmq_role_become_owner(queue->relid);
	int64		count = 0;

	(void) pgmq_exec_int8(queue, PGMQ_STMT_REFERENCES, args, &count);
	pgmq_role_restore(saved);
	return count;
}

/*
 * A read of a subscription, whose rows need a body, has looked, and wants more.  Returns
 * whether another look is worth while, from stream->lo to stream->hi.  in_order: it
 * reads by groups.  lease, unless it is NULL, gets new messages at once where that
 * can be.
 */
bool
pgmq_take_more(const PgmqQueue *queue, PgmqStream *stream, PgmqRows *rows, int64 wanted,
			   bool in_order, PgmqLease *lease)
{
	int64		leased = lease == NULL ? 0 : lease->count;
	int64		fed;
	int64	   *ids;
	int			n = pgmq_rows_bodiless(rows, &ids);
	List	   *batches = pgmq_rows_batches(rows);

	pgmq_stream_note_reads(queue, stream, pgmq_rows_most_reads(rows));
	stream->lo = PG_INT64_MIN;
	stream->hi = PG_INT64_MAX;
	if (n > 0)
		remove_references(queue, stream, ids, n);
	if (batches != NIL)
		pgmq_batches_expired(queue, stream, batches);
	if (n > 0 || batches != NIL)
	{
		stream->removed = true;
		return wanted > 0;
	}
	if (wanted <= 0)
		return false;
	if (in_order)
	{
		int64		ahead = LOOK_AHEAD + LOOK_AHEAD_EACH * Min(wanted, LOOK_AHEAD);

		if (count_references(queue, ahead) >= ahead)
			return false;
	}
	fed = pgmq_feed(queue, stream, Min(wanted, FEED_MAX), in_order, lease);
	if (lease == NULL || lease->count == leased)
		return fed > 0;
	pgmq_stream_note_reads(queue, stream, pgmq_rows_most_reads(rows));
	leased = lease->count - leased;
	return leased < wanted && (fed > leased || fed >= FEED_MAX || stream->more);
}
