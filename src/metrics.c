/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Counting.
 *
 * One scan of the queue under one snapshot, ages by the clock.  It reads what
 * pg_monitor is granted and nothing else, and works on a standby.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/metrics.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

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
	m->values[COL_TOTAL] = slot_getattr(slot, 5, &isnull);
}

/*
 * How many rows the default partition of a table is thought to have; false
 * when it has none.
 */
static bool
default_partition_rows(Oid relid, int64 *rows)
{
	Oid			partition;
	HeapTuple	tuple;
	float4		reltuples;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return false;
	partition = get_default_partition_oid(relid);
	if (!OidIsValid(partition))
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	if (!HeapTupleIsValid(tuple))
		return false;
	reltuples = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);

	/* It is -1 as long as nobody has looked. */
	if (reltuples > 0)
		*rows += (int64) reltuples;
	return true;
}

/*
 * Take the metrics of a queue.  By-reference values are made in the caller's
 * memory context.
 */
static void
metrics_take(Metrics *m, text *queue_name)
{
	Oid			argtypes[] = {TIMESTAMPTZOID, TEXTOID};
	PgmqArg		args[2];
	int64		default_rows = 0;
	char	   *table;
	PgmqQueue	queue;

	pgmq_queue_open(&queue, queue_name, AccessShareLock, NULL);
	pgmq_queue_check_shape(&queue);
	memset(m->nulls, 0, sizeof(m->nulls));
	table = pgmq_layout_name("", queue.relname, "");
	m->now = GetCurrentTimestamp();
	m->values[COL_QUEUE_NAME] = PointerGetDatum(queue_name);
	m->values[COL_SCRAPE_TIME] = TimestampTzGetDatum(m->now);

	args[0] = PGMQ_ARG(TimestampTzGetDatum(m->now));
	args[1] = PGMQ_ARG(CStringGetTextDatum(table));
	pgmq_exec_once(psprintf("SELECT pg_catalog.count(*),"
							" pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $1),"
							" pg_catalog.max(enqueued_at), pg_catalog.min(enqueued_at),"
							" " PGMQ_LAST_ID_SQL("$2") " FROM %s", table),
				   2, argtypes, args, false, row_scan, m);

	/* The archive's counts only where the queue has one itself. */
	if (default_partition_rows(queue.relid, &default_rows))
	{
		Oid			archive = get_relname_relid(psprintf("a_%s", PGMQ_QUEUE_BASE(&queue)),
												get_namespace_oid(PGMQ_SCHEMA, false));

		if (OidIsValid(archive))
			default_partition_rows(archive, &default_rows);
		m->values[COL_DEFAULT_LENGTH] = Int64GetDatum(default_rows);
	}
	else
		m->nulls[COL_DEFAULT_LENGTH] = true;
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
	Metrics		m;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	check_result_type(desc);
	metrics_take(&m, pgmq_name_arg(fcinfo, 0));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  m.values, m.nulls)));
}

/*
 * The same, but false and a warning when it fails, with whatever the error
 * but a cancel.  A subtransaction that is always rolled back: it wrote
 * nothing, and the locks of thousands of queues would fill the lock table.
 */
static bool
metrics_try(Metrics *m, text *queue_name)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		metrics_take(m, queue_name);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return true;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_ASSERT_FAILURE)
		ReThrowError(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("queue \"%s\" is left out: %s",
					text_to_cstring(queue_name), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	return false;
}

/* metrics_all() returns setof metrics_result */
Datum
pgmq_metrics_all(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	check_result_type(rsinfo->setDesc);
	foreach(lc, pgmq_meta_names())
	{
		Metrics		m;

		if (metrics_try(&m, lfirst(lc)))
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
								 m.values, m.nulls);
	}
	return (Datum) 0;
}
