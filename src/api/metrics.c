/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Counting.
 *
 * One statement under one snapshot, ages by the clock.  It reads what
 * pg_monitor is granted and nothing else, and works on a standby.
 *
 * Where the due map says that there is nothing, there is nothing to be
 * counted: so only the ids between are, in as many ranges as need be, and the
 * dead cost nothing.  A map that is asked before the snapshot is taken can
 * only have forgotten what that snapshot does not see.  A message whose
 * sender has committed and not announced it yet may be missed, as by a read:
 * its send and the count overlap.  Without a map, with a snapshot that may be
 * older than it, or where the ranges hold most of the table, the whole queue
 * is scanned.
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

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
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

/* A table of fewer pages is small, and need not be thought about. */
#define SMALL_PAGES		128

/* As many ids are as dear to look up in the index as a page is to read. */
#define IDS_PER_PAGE	16

/* So many pages of a default partition are counted: 80 MB. */
#define MAX_DEFAULT_PAGES	10000

#define NO_DEFAULT			(-1)
#define NOT_NOW				(-2)

/* More ranges than this are merged. */
#define MAX_RANGES		1024

#define METRICS_SQL \
	"SELECT pg_catalog.count(*)," \
	" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $1)," \
	" pg_catalog.max(enqueued_at), pg_catalog.min(enqueued_at)"

/* A row of it in the making. */
typedef struct Metrics
{
	TimestampTz now;
	Datum		values[NUM_COLS];
	bool		nulls[NUM_COLS];
} Metrics;

/* Age in whole seconds, rounded, within the range of its type. */
static int32
age_seconds(TimestampTz now, TimestampTz then)
{
	double		seconds = rint(((double) now - (double) then) / USECS_PER_SEC);

	return (int32) Min(Max(seconds, (double) PG_INT32_MIN), (double) PG_INT32_MAX);
}

/* Ranges of ids, in order and apart. */
typedef struct Ranges
{
	int			n;
	uint64		gap;			/* ids no farther apart are one range */
	int64		lo[MAX_RANGES];
	int64		hi[MAX_RANGES];
} Ranges;

/* Make the ranges half as many, at least, by bridging the narrowest gaps. */
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

/* Add a range beyond all others. */
static void
ranges_add(Ranges *ranges, int64 lo, int64 hi)
{
	/* what lies in two ranges would be counted twice */
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
 * The ranges of ids that a queue may have messages in, by its map; false if
 * there is no map to go by.
 */
static bool
ranges_find(const PgmqQueue *queue, Ranges *ranges)
{
	PgmqMapRef	map;
	int64		from = PG_INT64_MIN;

	/* a standby announces nothing, and its map knows nothing */
	if (!pgmq_use_due_map || IsolationUsesXactSnapshot() || RecoveryInProgress())
		return false;
	map = pgmq_xact_map(pgmq_local_known(queue->relid));
	if (map.map == NULL)
		return false;

	ranges->n = 0;
	ranges->gap = 1;
	for (;;)
	{
		PgmqRange	dues[64];
		int			n = pgmq_map_find(map, PGMQ_DUE_LAST, from, dues, lengthof(dues));

		if (n < 0)
			return false;
		/* since the last time pieces may have been merged into one */
		for (int i = 0; i < n; i++)
			ranges_add(ranges, Max(dues[i].lo, from), dues[i].hi);
		if (n < lengthof(dues) || dues[n - 1].hi == PG_INT64_MAX)
			return true;
		from = dues[n - 1].hi + 1;
	}
}

/*
 * Whether so much of a queue lies in ranges that it takes less to scan all of
 * its table in turn.
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

/* Row function: what the scan of the queue says. */
static void
row_scan(TupleTableSlot *slot, void *state)
{
	Metrics    *m = state;
	bool		isnull;
	Datum		newest;
	Datum		oldest;

	m->values[COL_QUEUE_LENGTH] = slot_getattr(slot, 1, &isnull);
	m->values[COL_VISIBLE_LENGTH] = slot_getattr(slot, 2, &isnull);
	newest = slot_getattr(slot, 3, &m->nulls[COL_NEWEST_AGE]);
	if (!m->nulls[COL_NEWEST_AGE])
		m->values[COL_NEWEST_AGE] =
			Int32GetDatum(age_seconds(m->now, DatumGetTimestampTz(newest)));
	oldest = slot_getattr(slot, 4, &m->nulls[COL_OLDEST_AGE]);
	if (!m->nulls[COL_OLDEST_AGE])
		m->values[COL_OLDEST_AGE] =
			Int32GetDatum(age_seconds(m->now, DatumGetTimestampTz(oldest)));
}

/*
 * How many rows the default partition of a table has; NO_DEFAULT when there is
 * none, NOT_NOW when somebody has it locked, whom no count is to wait for.
 * So many pages are counted, and where there are more the rest by them: what
 * is in a default partition is there by mistake, and may be much.
 *
 * The scan runs nobody's code and shows nothing but the number, so the right to
 * the queue is enough.
 */
static int64
default_partition_rows(Oid relid)
{
	Oid			partition = InvalidOid;
	Relation	rel;
	BlockNumber pages;
	TableScanDesc scan;
	TupleTableSlot *slot;
	int64		n = 0;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		partition = get_default_partition_oid(relid);
	if (!OidIsValid(partition) || get_rel_relkind(partition) != RELKIND_RELATION)
		return NO_DEFAULT;
	if (!ConditionalLockRelationOid(partition, AccessShareLock))
		return NOT_NOW;
	rel = try_relation_open(partition, NoLock);
	if (rel == NULL)
		return NO_DEFAULT;
	pages = RelationGetNumberOfBlocks(rel);
	slot = table_slot_create(rel, NULL);
	/* from the first page on, wherever others' scans are */
	scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot) &&
		   ItemPointerGetBlockNumber(&slot->tts_tid) < MAX_DEFAULT_PAGES)
		n++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	return pages <= MAX_DEFAULT_PAGES ? n : (int64) ((double) n * pages / MAX_DEFAULT_PAGES);
}

/* Whether the caller may see what is counted. */
static bool
may_count(Oid relid)
{
	static const char *const columns[] = {"msg_id", "vt", "enqueued_at"};

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < lengthof(columns); i++)
		if (pg_attribute_aclcheck(relid, get_attnum(relid, columns[i]),
								  GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			return false;
	return true;
}

/*
 * Take the metrics of a queue.  By-reference values are made in the caller's
 * memory context.  False when the caller may see some of it, but not enough
 * to count.
 */
static bool
metrics_take(Metrics *m, text *queue_name)
{
	Oid			argtypes[] = {TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID};
	PgmqArg		args[3];
	Ranges	   *ranges = palloc(sizeof(Ranges));
	int64		default_rows;
	char	   *table;
	PgmqQueue	queue;

	pgmq_queue_open(&queue, queue_name, AccessShareLock, PGMQ_NEED_SELECT, NULL);
	pgmq_queue_check_shape(&queue);
	if (!may_count(queue.relid))
		return false;
	memset(m->nulls, 0, sizeof(m->nulls));
	table = pgmq_layout_name("", queue.relname, "");
	m->now = GetCurrentTimestamp();
	m->values[COL_QUEUE_NAME] = PointerGetDatum(queue_name);
	m->values[COL_SCRAPE_TIME] = TimestampTzGetDatum(m->now);

	args[0] = PGMQ_ARG(TimestampTzGetDatum(m->now));
	if (!ranges_find(&queue, ranges) ||
		(ranges->n == 1 && PGMQ_ALL_IDS(ranges->lo[0], ranges->hi[0])) ||
		ranges_are_most(&queue, ranges))
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
	pfree(ranges);
	/* after the count, which may not be greater */
	m->values[COL_TOTAL] = Int64GetDatum(pgmq_queue_last_id(queue.relid));

	/* The archive's counts only where the queue has one itself. */
	default_rows = default_partition_rows(queue.relid);
	m->nulls[COL_DEFAULT_LENGTH] = default_rows < 0;
	if (default_rows >= 0)
	{
		Oid			archive = get_relname_relid(psprintf("a_%s", PGMQ_QUEUE_BASE(&queue)),
												get_namespace_oid(PGMQ_SCHEMA, false));
		int64		archive_rows = OidIsValid(archive) && pgmq_archive_is_own(&queue, archive) ?
		default_partition_rows(archive) : NO_DEFAULT;

		m->nulls[COL_DEFAULT_LENGTH] = archive_rows == NOT_NOW;
		m->values[COL_DEFAULT_LENGTH] = Int64GetDatum(default_rows + Max(archive_rows, 0));
	}
	return true;
}

/* The type is one that its owner can alter: 42804 when it was. */
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
				 errmsg("type pgmq.metrics_result has not the columns that were expected")));
}

/* metrics(queue_name text) returns metrics_result */
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

/* The same, for each queue; false when the caller may not count it. */
static bool
metrics_each(text *queue_name, void *state)
{
	return metrics_take(state, queue_name);
}

/* metrics_all() returns setof metrics_result */
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
