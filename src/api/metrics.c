/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Counting the messages of queues.
 *
 * One statement, or one scan, counts the rows of a queue under one snapshot, and ages
 * are relative to the clock.  It reads only what pg_monitor is granted, and works on a
 * standby.  What the rows of a subscription do not show is counted before.
 *
 * The due map knows ranges of ids in which there are no messages.  Only the
 * ids between those ranges are counted, so deleted rows cost nothing.  The map
 * is asked before the snapshot is taken, so messages that the map no longer
 * knows are not visible to the snapshot either.  A message whose sender has
 * committed but not yet announced it may be missed, as by a read; in that case
 * the send and the count overlap.  The whole queue is scanned if there is no
 * map, if the snapshot may be older than the map, or if the ranges hold most
 * of the table.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/metrics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "optimizer/paths.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "duemap/duemap.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_metrics);
PG_FUNCTION_INFO_V1(pgmq_metrics_all);

/* The columns of pgmq.metrics_result. */
enum
{
	COL_QUEUE_NAME,
	COL_QUEUE_LENGTH,
	COL_NEWEST_AGE,
	COL_OLDEST_AGE,
	COL_TOTAL,
	COL_SCRAPE_TIME,
	COL_VISIBLE_LENGTH,
	COL_DEFAULT_LENGTH,
	NUM_COLS
};

static const Oid result_types[NUM_COLS] = {
	TEXTOID, INT8OID, INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID
};

/* A table with fewer pages than this is small, and its size does not matter. */
#define SMALL_PAGES		128

/* Looking up so many ids in the index costs as much as reading a page. */
#define IDS_PER_PAGE	16

/* Reading fewer pages than this costs less than planning a statement. */
#define PLAN_PAGES		16

/* More ranges than this are merged. */
#define MAX_RANGES		1024

#define METRICS_SQL \
	"SELECT pg_catalog.count(*)," \
	" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $1)," \
	" pg_catalog.max(enqueued_at), pg_catalog.min(enqueued_at)"

/* The metrics of one queue. */
typedef struct Metrics
{
	TimestampTz now;
	int64		length;
	int64		visible;
	TimestampTz newest;			/* DT_NOBEGIN, and */
	TimestampTz oldest;			/* DT_NOEND, for none */
	Datum		values[NUM_COLS];
	bool		nulls[NUM_COLS];
} Metrics;

/* An age in seconds, rounded and limited to the range of an integer. */
static int32
age_seconds(TimestampTz now, TimestampTz then)
{
	double		seconds = rint(((double) now - (double) then) / USECS_PER_SEC);

	return (int32) Min(Max(seconds, (double) PG_INT32_MIN), (double) PG_INT32_MAX);
}

/* Ranges of ids, in ascending order, which do not overlap. */
typedef struct Ranges
{
	int			n;
	uint64		gap;			/* ranges no farther apart are merged */
	int64		lo[MAX_RANGES];
	int64		hi[MAX_RANGES];
} Ranges;

/* Halve the number of ranges, at least, by merging those with the narrowest gaps. */
static void
ranges_merge(Ranges *ranges)
{
	do
	{
		int			last = 0;

		ranges->gap *= 2;
		for (int i = 1; i < ranges->n; i++)
		{
			if ((uint64) ranges->lo[i] - (uint64) ranges->hi[last] > ranges->gap)
				ranges->lo[++last] = ranges->lo[i];
			ranges->hi[last] = ranges->hi[i];
		}
		ranges->n = last + 1;
	} while (ranges->n > MAX_RANGES / 2);
}

/* Add a range that lies beyond all others. */
static void
ranges_add(Ranges *ranges, int64 lo, int64 hi)
{
	/* a message in two ranges would be counted twice */
	Assert(lo <= hi);
	Assert(ranges->n == 0 || lo > ranges->hi[ranges->n - 1]);
	if (ranges->n == MAX_RANGES)
		ranges_merge(ranges);
	if (ranges->n > 0 &&
		(uint64) lo - (uint64) ranges->hi[ranges->n - 1] <= ranges->gap)
		ranges->hi[ranges->n - 1] = hi;
	else
	{
		ranges->lo[ranges->n] = lo;
		ranges->hi[ranges->n++] = hi;
	}
}

/*
 * Find the ranges of ids in which a queue may have messages, by its due map.
 * Returns false if there is no map that can be used.  That of a queue with
 * priorities has ranges of keys, not of ids.
 */
static bool
ranges_find(const PgmqQueue *queue, Ranges *ranges)
{
	const PgmqLocal *local;
	PgmqMapRef	map;
	int64		from = PG_INT64_MIN;

	/* nothing is announced on a standby, so its map knows nothing */
	if (!pgmq_use_due_map || IsolationUsesXactSnapshot() || RecoveryInProgress())
		return false;
	local = pgmq_local_known(queue->relid);
	map = pgmq_xact_map(local);
	if (map.map == NULL || local->priorities)
		return false;

	ranges->n = 0;
	ranges->gap = 1;
	for (;;)
	{
		PgmqRange	found[64];
		int			n = pgmq_map_find(map, PGMQ_DUE_MAYBE, from, found, lengthof(found));

		if (n < 0)
			return false;
		/* pieces may have been merged since the last call */
		for (int i = 0; i < n; i++)
			ranges_add(ranges, Max(found[i].lo, from), found[i].hi);
		if (n < lengthof(found) || found[n - 1].hi == PG_INT64_MAX)
			return true;
		from = found[n - 1].hi + 1;
	}
}

/*
 * Tell whether the ranges hold so much of a queue that a scan of its whole table
 * is cheaper.
 */
static bool
ranges_are_most(const PgmqQueue *queue, const Ranges *ranges)
{
	Relation	rel;
	double		pages;
	double		ids = 0;
	int64		last;

	if (get_rel_relkind(queue->relid) != RELKIND_RELATION)
		return false;
	rel = table_open(queue->relid, NoLock);
	pages = RelationGetNumberOfBlocks(rel);
	table_close(rel, NoLock);
	if (pages < SMALL_PAGES)
		return false;

	last = pgmq_queue_last_id(queue->relid);
	for (int i = 0; i < ranges->n; i++)
		ids += Max((double) Min(ranges->hi[i], last) - (double) Max(ranges->lo[i], 0), 0);
	return ids > pages * IDS_PER_PAGE;
}

/* Row function: the counts and times of a queue. */
static void
row_scan(TupleTableSlot *slot, void *state)
{
	Metrics    *m = state;

	slot_getallattrs(slot);
	m->length += DatumGetInt64(slot->tts_values[0]);
	m->visible += DatumGetInt64(slot->tts_values[1]);
	if (!slot->tts_isnull[2])
		m->newest = Max(m->newest, DatumGetTimestampTz(slot->tts_values[2]));
	if (!slot->tts_isnull[3])
		m->oldest = Min(m->oldest, DatumGetTimestampTz(slot->tts_values[3]));
}

/*
 * Tell whether to scan a whole table without a statement, which takes half the
 * time for each row, and none for a plan, but is not done in parallel.  ranges:
 * the statement would not look at the whole table.
 */
static bool
plain_is_cheap(Relation rel, bool ranges)
{
	double		pages = RelationGetNumberOfBlocks(rel);

	/* as many pages as these make the planner ask for a second worker */
	return pages < PLAN_PAGES ||
		(!ranges && (pages < 3.0 * min_parallel_table_scan_size ||
					 max_parallel_workers_per_gather < 2));
}

/*
 * Count a whole table, if that is cheap.  It runs nothing that users made.
 * Returns false if a statement is to count, also since this is no plain table or
 * has other columns.
 */
static bool
count_plain(Oid relid, bool ranges, Metrics *m)
{
	AttrNumber	enqueued_at = get_attnum(relid, "enqueued_at");
	AttrNumber	vt = get_attnum(relid, "vt");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (get_rel_relkind(relid) != RELKIND_RELATION || has_subclass(relid) ||
		check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED ||
		get_atttype(relid, enqueued_at) != TIMESTAMPTZOID ||
		get_atttype(relid, vt) != TIMESTAMPTZOID)
		return false;

	rel = table_open(relid, NoLock);
	if (!plain_is_cheap(rel, ranges))
	{
		table_close(rel, NoLock);
		return false;
	}
	/* as for a statement */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, Max(enqueued_at, vt));
		m->length++;
		if (!slot->tts_isnull[vt - 1] &&
			DatumGetTimestampTz(slot->tts_values[vt - 1]) <= m->now)
			m->visible++;
		if (!slot->tts_isnull[enqueued_at - 1])
		{
			TimestampTz enqueued = DatumGetTimestampTz(slot->tts_values[enqueued_at - 1]);

			m->newest = Max(m->newest, enqueued);
			m->oldest = Min(m->oldest, enqueued);
		}
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	PopActiveSnapshot();
	return true;
}

/* Tell whether the caller may read the columns that are counted. */
static bool
may_count(Oid relid)
{
	static const char *const columns[] = {"msg_id", "vt", "enqueued_at"};

	return pgmq_queue_may_all(relid, ACL_SELECT, columns, lengthof(columns));
}

/*
 * Count the messages of a subscription that its rows do not show: those of batches but
 * for one of each, which its row stands for, and those that it was not given yet.
 */
static void
count_more(const PgmqQueue *queue, const PgmqStream *stream, Metrics *m)
{
	PgmqBatchCount batches;
	PgmqUnfed	unfed;

	pgmq_feed_count(queue, stream, m->now, &unfed);
	pgmq_batches_count(queue, m->now, &batches);
	m->length += batches.more + unfed.count;
	m->visible += batches.more_due + unfed.due;
	m->newest = Max(m->newest, Max(batches.newest, unfed.newest));
	m->oldest = Min(m->oldest, unfed.oldest);
}

/* Count the rows of a queue. */
static void
count_rows(const PgmqQueue *queue, Metrics *m)
{
	Oid			argtypes[] = {TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID};
	PgmqArg		args[3] = {PGMQ_ARG(TimestampTzGetDatum(m->now))};
	char	   *table = pgmq_layout_name("", queue->relname, "");
	Ranges	   *ranges = palloc(sizeof(Ranges));
	bool		by_ranges;
	PgmqRole	saved;

	by_ranges = ranges_find(queue, ranges) &&
		!(ranges->n == 1 && PGMQ_ALL_IDS(ranges->lo[0], ranges->hi[0])) &&
		!ranges_are_most(queue, ranges);
	if (!count_plain(queue->relid, by_ranges, m))
	{
		saved = pgmq_role_become_counter(queue->relid);
		if (!by_ranges)
			pgmq_exec_once(psprintf(METRICS_SQL " FROM %s", table),
						   1, argtypes, args, false, row_scan, m);
		else
		{
			args[1] = pgmq_int8_array(ranges->lo, ranges->n);
			args[2] = pgmq_int8_array(ranges->hi, ranges->n);
			pgmq_exec_once_guarded(psprintf(METRICS_SQL " FROM ROWS FROM"
											" (pg_catalog.unnest($2), pg_catalog.unnest($3))"
											" AS r (lo, hi) JOIN %s"
											" ON msg_id OPERATOR(pg_catalog.>=) r.lo"
											" AND msg_id OPERATOR(pg_catalog.<=) r.hi", table),
								   3, argtypes, args, row_scan, m);
		}
		pgmq_role_restore(saved);
	}
	pfree(ranges);
}

/*
 * Take the metrics of a queue.  By-reference values are allocated in the current
 * memory context.  Returns false if the caller has a privilege on the queue,
 * but not one that lets it count messages.
 * Errors: those of pgmq_queue_open.
 */
static bool
metrics_take(Metrics *m, text *queue_name)
{
	int64		default_rows;
	PgmqQueue	queue;
	PgmqStream	stream;
	bool		subscribes;

	pgmq_queue_open(&queue, queue_name, AccessShareLock, PGMQ_NEED_SELECT, NULL);
	pgmq_queue_check_shape(&queue);
	if (!may_count(queue.relid))
		return false;
	*m = (Metrics)
	{
		.now = GetCurrentTimestamp(),.newest = DT_NOBEGIN,.oldest = DT_NOEND
	};
	subscribes = pgmq_stream_subscribes(queue.relid, &stream);

	/*
	 * This comes first, so that a message that is given out meanwhile is
	 * counted twice rather than missed.
	 */
	if (subscribes && check_enable_rls(queue.relid, InvalidOid, true) != RLS_ENABLED)
		count_more(&queue, &stream, m);
	count_rows(&queue, m);
	m->values[COL_QUEUE_NAME] = PointerGetDatum(queue_name);
	m->values[COL_QUEUE_LENGTH] = Int64GetDatum(m->length);
	m->values[COL_NEWEST_AGE] = Int32GetDatum(age_seconds(m->now, m->newest));
	m->nulls[COL_NEWEST_AGE] = m->newest == DT_NOBEGIN;
	m->values[COL_OLDEST_AGE] = Int32GetDatum(age_seconds(m->now, m->oldest));
	m->nulls[COL_OLDEST_AGE] = m->oldest == DT_NOEND;
	m->values[COL_SCRAPE_TIME] = TimestampTzGetDatum(m->now);
	m->values[COL_VISIBLE_LENGTH] = Int64GetDatum(m->visible);

	/* read this after the count, which must not be greater */
	m->values[COL_TOTAL] = Int64GetDatum(pgmq_queue_last_id(subscribes ? stream.stream : queue.relid));

	/* the archive's default partition counts only if the queue has one */
	default_rows = pgmq_bounds_default_rows(queue.relid);
	m->nulls[COL_DEFAULT_LENGTH] = default_rows < 0;
	if (default_rows >= 0)
	{
		int64		archive_rows = pgmq_bounds_default_rows(pgmq_archive_known(&queue));

		m->nulls[COL_DEFAULT_LENGTH] = archive_rows == PGMQ_DEFAULT_LOCKED;
		m->values[COL_DEFAULT_LENGTH] = Int64GetDatum(default_rows + Max(archive_rows, 0));
	}
	return true;
}

/* Check that the result type has not been altered by its owner.  Error: 42804. */
static void
check_result_type(TupleDesc desc)
{
	bool		same = desc->natts == NUM_COLS;

	for (int i = 0; same && i < NUM_COLS; i++)
		same = TupleDescAttr(desc, i)->atttypid == result_types[i] &&
			!TupleDescAttr(desc, i)->attisdropped;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type pgmq.metrics_result does not have the expected columns")));
}

/*
 * metrics(queue_name text) returns metrics_result
 *
 * Errors: those of pgmq_queue_open; 42501 if the caller may not count messages.
 */
Datum
pgmq_metrics(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	char		relname[NAMEDATALEN];
	Metrics		m;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_result_type(desc);
	pgmq_name_format(queue_name, 'q', relname);
	if (!metrics_take(&m, queue_name))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", relname),
				 errhint("Privilege \"inspect\" on the queue lets a role count its messages; see pgmq.grant_queue().")));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  m.values, m.nulls)));
}

/* Take the metrics of a queue for pgmq_each_try. */
static bool
metrics_each(text *queue_name, void *state)
{
	return metrics_take(state, queue_name);
}

/*
 * metrics_all() returns setof metrics_result
 *
 * A queue that cannot be examined is left out with a WARNING; one that the
 * caller may not count is left out without one.
 */
Datum
pgmq_metrics_all(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	check_result_type(rsinfo->setDesc);
	foreach(lc, pgmq_each_names(PGMQ_NEED_SELECT))
	{
		Metrics		m;

		if (pgmq_each_try(lfirst(lc), metrics_each, &m, false))
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
								 m.values, m.nulls);
	}
	return (Datum) 0;
}
