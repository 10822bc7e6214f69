/*-------------------------------------------------------------------------
 *
 * queue_stats.c
 *	  Showing what was counted of queues: queue_stats, its histograms, and
 *	  queue_depth, which counts what is there.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/queue_stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_queue_stats);
PG_FUNCTION_INFO_V1(pgmq_reset_queue_stats);
PG_FUNCTION_INFO_V1(pgmq_stat_bounds);
PG_FUNCTION_INFO_V1(pgmq_stat_quantile);
PG_FUNCTION_INFO_V1(pgmq_queue_depth);

/* The columns of queue_stats; the counters and histograms are in their order. */
enum
{
	COL_QUEUE_NAME,
	COL_STATE,
	COL_STATS_RESET,
	COL_COUNTS,
	COL_LAST_SEND = COL_COUNTS + PGMQ_NUM_STATS,
	COL_LAST_READ,
	COL_LAST_ACK,
	COL_TIMES,
	COL_READABLE = COL_TIMES + 3 * PGMQ_NUM_TIMES,
	NUM_COLS
};

/* The queues that are shown, and what holds for all of them. */
typedef struct Shown
{
	PgmqRows   *rows;
	MemoryContext context;		/* for one row */
	Oid			schema;			/* of their tables */
	bool		all;			/* the caller may see all queues */
	PgmqCounting counting;
	TimestampTz now;
	MemoryContext outer;
	List	   *streams;		/* OIDs of streams and subscriptions */
} Shown;

/* Begin to look at what was counted of queues. */
void
pgmq_counting_begin(PgmqCounting *counting)
{
	memset(counting, 0, sizeof(*counting));
	if (!pgmq_shmem_attach())
		counting->off = "no shared memory";
	else if ((counting->unused = pgmq_slots_unused(&counting->since)) < 0)
		counting->off = "switched off";
	else if (RecoveryInProgress())
		counting->off = "standby";
}

/* Get the counters of a queue; returns why it has none, or NULL. */
const char *
pgmq_counting_look(const PgmqCounting *counting, Oid relid, PgmqQueueStats *kept)
{
	memset(kept, 0, sizeof(*kept));
	kept->since = counting->since;
	if (counting->off != NULL)
		return counting->off;
	return !pgmq_slot_read(relid, kept) && counting->unused == 0 ? "memory full" : NULL;
}

/* Show what is kept of a queue. */
static void
put_stats(const PgmqQueueStats *kept, Datum *values, bool *nulls)
{
	const PgmqStats *stats = &kept->stats;

	pgmq_put_time(values, nulls, COL_STATS_RESET, kept->since);
	pgmq_put_time(values, nulls, COL_LAST_SEND, kept->last_send);
	pgmq_put_time(values, nulls, COL_LAST_READ, kept->last_read);
	pgmq_put_time(values, nulls, COL_LAST_ACK, kept->last_ack);
	for (int i = 0; i < PGMQ_NUM_STATS; i++)
	{
		values[COL_COUNTS + i] = Int64GetDatum(stats->counts[i]);
		nulls[COL_COUNTS + i] = false;
	}
	for (int t = 0; t < PGMQ_NUM_TIMES; t++)
	{
		int			column = COL_TIMES + 3 * t;

		values[column] = Int64GetDatum(stats->times[t]);
		values[column + 1] = Float8GetDatum(stats->seconds[t]);
		values[column + 2] = pgmq_int8_array(stats->buckets[t], PGMQ_TIME_BOUNDS + 1).value;
		nulls[column] = nulls[column + 1] = nulls[column + 2] = false;
	}
}

/* Row function: a stream or a subscription, (its OID). */
static void
row_stream(TupleTableSlot *slot, void *state)
{
	Shown	   *shown = state;
	MemoryContext old = MemoryContextSwitchTo(shown->outer);

	slot_getallattrs(slot);
	shown->streams = lappend_oid(shown->streams, DatumGetObjectId(slot->tts_values[0]));
	MemoryContextSwitchTo(old);
}

/* Row function: a queue, (queue_name, name of its table). */
static void
row_queue(TupleTableSlot *slot, void *state)
{
	Shown	   *shown = state;
	PgmqQueueStats kept;
	Datum		values[NUM_COLS];
	bool		nulls[NUM_COLS];
	const char *why;
	MemoryContext old;
	Oid			relid;
	char		relkind;
	int64		readable;

	slot_getallattrs(slot);

	/* several times as fast as a join with pg_class, which has all tables */
	relid = get_relname_relid(NameStr(*DatumGetName(slot->tts_values[1])), shown->schema);
	relkind = get_rel_relkind(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		return;
	if (!shown->all && !pgmq_queue_may(relid, PGMQ_NEED_ANY))
		return;
	old = MemoryContextSwitchTo(shown->context);
	memset(nulls, true, sizeof(nulls));
	why = pgmq_counting_look(&shown->counting, relid, &kept);
	if (why == NULL)
		put_stats(&kept, values, nulls);
	values[COL_QUEUE_NAME] = slot->tts_values[0];
	values[COL_STATE] = CStringGetTextDatum(why == NULL ? "on" : why);
	nulls[COL_QUEUE_NAME] = nulls[COL_STATE] = false;

	/*
	 * nothing is announced on a standby, so its map knows nothing; that of a
	 * subscription does not know what it was not given yet, and nobody reads
	 * a stream
	 */
	readable = RecoveryInProgress() || list_member_oid(shown->streams, relid) ? -1 :
		pgmq_map_count_ready(relid, shown->now);
	values[COL_READABLE] = Int64GetDatum(readable);
	nulls[COL_READABLE] = readable < 0;
	pgmq_rows_put(shown->rows, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(shown->context);
}

/*
 * queue_stats() returns table (queue_name text, state text, stats_reset
 * timestamptz, ...)
 *
 * Takes no lock on queues, and reads none of their tables.  Error: 42501 without
 * SELECT on table meta.
 */
Datum
pgmq_queue_stats(PG_FUNCTION_ARGS)
{
	Shown		shown = {
		.rows = pgmq_rows_begin(fcinfo),.now = GetCurrentTimestamp(),.outer = CurrentMemoryContext
	};
	PgmqRole	saved;

	pgmq_counting_begin(&shown.counting);
	shown.all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	shown.context = AllocSetContextCreate(CurrentMemoryContext, "pgmq_c statistics of a queue",
										  ALLOCSET_SMALL_SIZES);
	shown.schema = get_namespace_oid(PGMQ_SCHEMA, false);
	if (OidIsValid(pgmq_stream_table("subscription", true)))
	{
		saved = pgmq_stream_become_keeper();
		pgmq_exec_once("SELECT subscription::pg_catalog.oid FROM " PGMQ_SCHEMA ".subscription"
					   " UNION ALL SELECT stream::pg_catalog.oid FROM " PGMQ_SCHEMA ".stream",
					   0, NULL, NULL, true, row_stream, &shown);
		pgmq_role_restore(saved);
	}
	pgmq_exec_once("SELECT queue_name::pg_catalog.text,"
				   " ('q_'::pg_catalog.text OPERATOR(pg_catalog.||)"
				   " pg_catalog.lower(queue_name::pg_catalog.text))::pg_catalog.name"
				   " FROM " PGMQ_SCHEMA ".meta",
				   0, NULL, NULL, true, row_queue, &shown);
	return (Datum) 0;
}

/* Set the counters of a queue to 0 for pgmq_each_try. */
static bool
reset_each(text *queue_name, void *state)
{
	PgmqQueue	queue;

	pgmq_queue_open(&queue, queue_name, AccessShareLock, PGMQ_NEED_OWNER, NULL);
	if (pgmq_shmem_attach())
		pgmq_slot_reset(queue.relid, GetCurrentTimestamp());
	return true;
}

/*
 * reset_queue_stats(queue_name text) returns void
 *
 * Takes effect at once, whether or not the transaction commits.  NULL: all
 * queues that the caller owns.  Errors: 42P01, 42501 for a caller that is not the
 * owner.
 */
Datum
pgmq_reset_queue_stats(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!PG_ARGISNULL(0))
		(void) reset_each(PG_GETARG_TEXT_PP(0), NULL);
	else
		foreach(lc, pgmq_each_names(PGMQ_NEED_OWNER))
			(void) pgmq_each_try(lfirst(lc), reset_each, NULL, false);
	PG_RETURN_VOID();
}

/* stat_bounds() returns double precision[] */
Datum
pgmq_stat_bounds(PG_FUNCTION_ARGS)
{
	Datum		bounds[PGMQ_TIME_BOUNDS];

	for (int i = 0; i < PGMQ_TIME_BOUNDS; i++)
		bounds[i] = Float8GetDatum(pgmq_time_bounds[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(bounds, PGMQ_TIME_BOUNDS, FLOAT8OID, sizeof(float8),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * stat_quantile(buckets bigint[], quantile double precision)
 * returns double precision
 *
 * In seconds, as if the times of a bucket were spread evenly over it; those in
 * the last one count as its lower bound.  NULL if there are none, and for a NULL
 * argument.  Error: 22023.
 */
Datum
pgmq_stat_quantile(PG_FUNCTION_ARGS)
{
	Datum	   *buckets;
	bool	   *nulls;
	int			n;
	double		quantile;
	double		total = 0;
	double		below = 0;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	quantile = PG_GETARG_FLOAT8(1);
	if (!(quantile >= 0 && quantile <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantile must be between 0 and 1")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &buckets, &nulls, &n);
	if (n != PGMQ_TIME_BOUNDS + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("buckets must have %d elements, not %d", PGMQ_TIME_BOUNDS + 1, n)));
	for (int i = 0; i < n; i++)
		total += nulls[i] ? 0 : Max(DatumGetInt64(buckets[i]), 0);
	if (total == 0)
		PG_RETURN_NULL();
	for (int i = 0; i < PGMQ_TIME_BOUNDS; i++)
	{
		double		lower = i == 0 ? 0 : pgmq_time_bounds[i - 1];
		double		count = nulls[i] ? 0 : Max(DatumGetInt64(buckets[i]), 0);

		if (count > 0 && below + count >= quantile * total)
			PG_RETURN_FLOAT8(lower + (pgmq_time_bounds[i] - lower) *
							 Max(quantile * total - below, 0) / count);
		below += count;
	}
	PG_RETURN_FLOAT8(pgmq_time_bounds[PGMQ_TIME_BOUNDS - 1]);
}

/* What queue_depth counts besides rows: the messages of a subscription that have none. */
typedef struct Depth
{
	PgmqRows   *rows;
	TimestampTz now;
	PgmqBatchCount batches;
	PgmqUnfed	unfed;
} Depth;

/* Row function: the counts of a queue, in which each batch is one row. */
static void
row_depth(TupleTableSlot *slot, void *state)
{
	const Depth *depth = state;
	const PgmqBatchCount *batches = &depth->batches;
	const PgmqUnfed *unfed = &depth->unfed;
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	slot_getallattrs(slot);
	values[1] = Int64GetDatum(DatumGetInt64(values[1]) + batches->more_due + unfed->due);
	values[2] = Int64GetDatum(DatumGetInt64(values[2]) + unfed->count - unfed->due);
	values[3] = Int64GetDatum(DatumGetInt64(values[3]) + batches->more - batches->more_due);
	if (unfed->due > 0)
	{
		double		age = (double) (depth->now - unfed->due_since) / USECS_PER_SEC;

		values[4] = Float8GetDatum(nulls[4] ? age : Max(age, DatumGetFloat8(values[4])));
		nulls[4] = false;
	}
	pgmq_rows_put(depth->rows, values, nulls);
}

/*
 * queue_depth(queue_name text)
 * returns table (queue_name text, visible bigint, delayed bigint,
 *				  in_flight bigint, oldest_visible_age double precision)
 *
 * Reads the whole table.  Errors: those of pgmq_queue_open; 42501 if the caller may
 * not count messages.
 */
Datum
pgmq_queue_depth(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID, TIMESTAMPTZOID, INT4OID};
	static const char *const columns[] = {"vt", "read_ct"};
	Depth		depth = {.rows = pgmq_rows_begin(fcinfo),.now = GetCurrentTimestamp()};
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqArg		args[] = {
		PGMQ_ARG(PointerGetDatum(queue_name)),
		PGMQ_ARG(TimestampTzGetDatum(depth.now)),
		PGMQ_ARG(Int32GetDatum(0))
	};
	PgmqQueue	queue;
	PgmqStream	stream;
	bool		subscribes;
	PgmqRole	saved;

	pgmq_queue_open(&queue, queue_name, AccessShareLock, PGMQ_NEED_SELECT, NULL);
	pgmq_queue_check_shape(&queue);
	if (!pgmq_queue_may_all(queue.relid, ACL_SELECT, columns, lengthof(columns)))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, queue.relname);
	subscribes = pgmq_stream_subscribes(queue.relid, &stream);
	if (subscribes)
		args[2] = PGMQ_ARG(Int32GetDatum(stream.read_base));
	if (subscribes && check_enable_rls(queue.relid, InvalidOid, true) != RLS_ENABLED)
	{
		pgmq_feed_count(&queue, &stream, depth.now, &depth.unfed);
		pgmq_batches_count(&queue, depth.now, &depth.batches);
	}
	saved = pgmq_role_become_counter(queue.relid);
	pgmq_exec_once(psprintf("SELECT $1,"
							" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $2),"
							" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.>) $2"
							" AND read_ct OPERATOR(pg_catalog.=) $3),"
							" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.>) $2"
							" AND (read_ct OPERATOR(pg_catalog.=) $3) IS NOT TRUE),"
							" pg_catalog.date_part('epoch', $2 OPERATOR(pg_catalog.-)"
							" pg_catalog.min(vt) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $2))"
							" FROM %s", pgmq_layout_name("", queue.relname, "")),
				   3, argtypes, args, false, row_depth, &depth);
	pgmq_role_restore(saved);
	return (Datum) 0;
}
