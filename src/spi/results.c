/*-------------------------------------------------------------------------
 *
 * results.c
 *	  The result of a set-returning function: collected, and in order.
 *
 * Rows go from the executor straight into the function's tuplestore.  Most
 * plans return them in msg_id order already; when one does not, they are
 * sorted here.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/results.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "spi/spi.h"

struct PgmqRows
{
	ReturnSetInfo *rsinfo;		/* whose tuplestore collects the rows */
	bool		by_priority;	/* the order is by keys, not by msg_id */
	bool		sorted;			/* so far in order */
	int64		last_id;		/* the largest, or the largest key */
	PgmqRowTest test;			/* only rows that pass it are stored */
	void	   *test_state;
	PgmqRowFn	watch;			/* gets all rows, before the test */
	void	   *watch_state;
	bool		need_body;		/* rows without a body are not stored, but
								 * their ids kept here: */
	int64	   *bodiless;
	int			nbodiless;
	int			maxbodiless;
	List	   *batches;		/* of PgmqRowKept */
	int32		most_reads;		/* the greatest read_ct stored since then */
	MemoryContext context;
};

/*
 * Begin the result of a set-returning function, which is empty at first.
 * Errors as InitMaterializedSRF (0A000 where no set is accepted).
 */
PgmqRows *
pgmq_rows_begin(FunctionCallInfo fcinfo)
{
	PgmqRows   *rows = palloc0(sizeof(PgmqRows));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	rows->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	rows->sorted = true;
	rows->last_id = PG_INT64_MIN;
	return rows;
}

/*
 * Whether a set of at most one value is asked for its first.  A value a call
 * is cheaper than a tuplestore of one; but then, the caller asks again until
 * it is told that there is no more, and in a target list beside a longer set
 * even when it was told that this was all.  The function must not do its work
 * a second time.  Error: 0A000 where no set is accepted.
 */
bool
pgmq_set_first(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	return SRF_IS_FIRSTCALL();
}

/* The answer to every call but the first. */
Datum
pgmq_set_end(FunctionCallInfo fcinfo)
{
	FuncCallContext *set = SRF_PERCALL_SETUP();

	SRF_RETURN_DONE(set);
}

/* The answer to the first call: the value. */
Datum
pgmq_set_value(FunctionCallInfo fcinfo, Datum value)
{
	FuncCallContext *set = SRF_FIRSTCALL_INIT();

	SRF_RETURN_NEXT(set, value);
}

/* The answer to the first call: the set is empty. */
Datum
pgmq_set_none(FunctionCallInfo fcinfo)
{
	((ReturnSetInfo *) fcinfo->resultinfo)->isDone = ExprEndResult;
	PG_RETURN_NULL();
}

/* From now on store only rows that pass a test; all of them if it is NULL. */
void
pgmq_rows_test(PgmqRows *rows, PgmqRowTest test, void *state)
{
	rows->test = test;
	rows->test_state = state;
}

/* From now on hand each row to a function first; to none if it is NULL. */
void
pgmq_rows_watch(PgmqRows *rows, PgmqRowFn fn, void *state)
{
	rows->watch = fn;
	rows->watch_state = state;
}

/* Whether the rows of the statements to come are messages in the order of keys. */
void
pgmq_rows_by_priority(PgmqRows *rows, bool by_priority)
{
	rows->by_priority = by_priority;
}

/* The type of the rows. */
TupleDesc
pgmq_rows_desc(const PgmqRows *rows)
{
	return rows->rsinfo->setDesc;
}

/*
 * From now on the rows are messages of a subscription.  Those whose stream has no
 * such message any more are not stored; see pgmq_rows_bodiless.
 */
void
pgmq_rows_need_body(PgmqRows *rows)
{
	rows->need_body = true;
	rows->nbodiless = 0;
	rows->batches = NIL;
	rows->most_reads = 0;
	rows->context = CurrentMemoryContext;
}

/* The ids of the rows that were not stored, and how many; they are forgotten. */
int
pgmq_rows_bodiless(PgmqRows *rows, int64 **ids)
{
	int			n = rows->nbodiless;

	*ids = rows->bodiless;
	rows->bodiless = NULL;
	rows->nbodiless = rows->maxbodiless = 0;
	return n;
}

/* The rows that stand for many messages, which are forgotten. */
List *
pgmq_rows_batches(PgmqRows *rows)
{
	List	   *batches = rows->batches;

	rows->batches = NIL;
	return batches;
}

/* How many rows there are that were not stored. */
int
pgmq_rows_count_bodiless(const PgmqRows *rows)
{
	return rows->nbodiless + list_length(rows->batches);
}

/* The greatest read_ct of the messages that were stored. */
int32
pgmq_rows_most_reads(const PgmqRows *rows)
{
	return rows->most_reads;
}

/* Tell whether a message of a subscription has a body, and remember what is asked for. */
static bool
row_has_body(TupleTableSlot *slot, PgmqRows *rows)
{
	slot_getallattrs(slot);
	if (!slot->tts_isnull[5])
	{
		rows->most_reads = Max(rows->most_reads, DatumGetInt32(slot->tts_values[1]));
		return true;
	}
	if (PGMQ_IS_BATCH(DatumGetInt64(slot->tts_values[0])))
	{
		MemoryContext old = MemoryContextSwitchTo(rows->context);
		PgmqRowKept *kept = palloc(sizeof(PgmqRowKept));

		kept->msg_id = DatumGetInt64(slot->tts_values[0]);
		kept->headers = slot->tts_isnull[6] ? NULL : DatumGetJsonbPCopy(slot->tts_values[6]);
		rows->batches = lappend(rows->batches, kept);
		MemoryContextSwitchTo(old);
		return false;
	}
	if (rows->nbodiless == rows->maxbodiless)
	{
		MemoryContext old = MemoryContextSwitchTo(rows->context);

		rows->maxbodiless = Max(64, rows->maxbodiless * 2);
		rows->bodiless = rows->bodiless == NULL ? palloc(rows->maxbodiless * sizeof(int64)) :
			repalloc_huge(rows->bodiless, rows->maxbodiless * sizeof(int64));
		MemoryContextSwitchTo(old);
	}
	rows->bodiless[rows->nbodiless++] = DatumGetInt64(slot->tts_values[0]);
	return false;
}

/* Row function: store a row that passes the test; its first column is msg_id. */
void
pgmq_rows_store(TupleTableSlot *slot, void *state)
{
	PgmqRows   *rows = state;
	bool		isnull;
	int64		id;

	if (rows->watch != NULL)
		rows->watch(slot, rows->watch_state);
	if (rows->need_body && !row_has_body(slot, rows))
		return;
	if (rows->test != NULL && !rows->test(slot, rows->test_state))
		return;
	id = rows->by_priority ? pgmq_priority_row_key(slot) :
		DatumGetInt64(slot_getattr(slot, 1, &isnull));
	if (id < rows->last_id)
		rows->sorted = false;
	else
		rows->last_id = id;
	tuplestore_puttupleslot(rows->rsinfo->setResult, slot);
}

/* A stored row, or an id, on its way to another place. */
typedef struct SortRow
{
	int64		key;
	int64		place;
	MinimalTuple tuple;
} SortRow;

static int
sort_row_cmp(const void *a, const void *b)
{
	int64		ka = ((const SortRow *) a)->key;
	int64		kb = ((const SortRow *) b)->key;

	return (ka > kb) - (ka < kb);
}

/*
 * Put the collected rows into the order of ids, an array that has the msg_id of
 * each of them; into msg_id order, or that of keys, when nids is 0.
 */
void
pgmq_rows_order(PgmqRows *rows, const int64 *ids, int64 nids)
{
	ReturnSetInfo *rsinfo = rows->rsinfo;
	int64		count = tuplestore_tuple_count(rsinfo->setResult);
	SortRow    *sort = palloc_extended(count * sizeof(SortRow), MCXT_ALLOC_HUGE);
	SortRow    *places = palloc_extended(nids * sizeof(SortRow), MCXT_ALLOC_HUGE);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rsinfo->setDesc,
													&TTSOpsMinimalTuple);
	int64		n = 0;

	for (int64 i = 0; i < nids; i++)
	{
		places[i].key = ids[i];
		places[i].place = i;
	}
	qsort(places, nids, sizeof(SortRow), sort_row_cmp);

	while (tuplestore_gettupleslot(rsinfo->setResult, true, false, slot))
	{
		bool		isnull;
		SortRow    *found;

		sort[n].key = rows->by_priority ? pgmq_priority_row_key(slot) :
			DatumGetInt64(slot_getattr(slot, 1, &isnull));
		found = nids == 0 ? NULL :
			bsearch(&sort[n], places, nids, sizeof(SortRow), sort_row_cmp);
		if (found != NULL)
			sort[n].key = found->place;
		sort[n++].tuple = ExecCopySlotMinimalTuple(slot);
	}
	qsort(sort, n, sizeof(SortRow), sort_row_cmp);

	tuplestore_clear(rsinfo->setResult);
	for (int64 i = 0; i < n; i++)
	{
		ExecStoreMinimalTuple(sort[i].tuple, slot, true);
		tuplestore_puttupleslot(rsinfo->setResult, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	pfree(sort);
	pfree(places);
	rows->sorted = true;
}

/* Put the collected rows into their order. */
void
pgmq_rows_sort(PgmqRows *rows)
{
	if (!rows->sorted)
		pgmq_rows_order(rows, NULL, 0);
}

/* Add a row to the result. */
void
pgmq_rows_put(PgmqRows *rows, const Datum *values, const bool *isnull)
{
	tuplestore_putvalues(rows->rsinfo->setResult, rows->rsinfo->setDesc,
						 (Datum *) values, (bool *) isnull);
}

/* Add a row that is an id to the result. */
void
pgmq_rows_put_id(int64 id, void *state)
{
	PgmqRows   *rows = state;
	Datum		value = Int64GetDatum(id);
	bool		isnull = false;

	if (id < rows->last_id)
		rows->sorted = false;
	else
		rows->last_id = id;
	pgmq_rows_put(rows, &value, &isnull);
}

/* How many rows a result has. */
int64
pgmq_rows_count(const PgmqRows *rows)
{
	return tuplestore_tuple_count(rows->rsinfo->setResult);
}

/* The ids of a result of ids, in the order of its rows. */
int64 *
pgmq_rows_ids(PgmqRows *rows, int64 *nids)
{
	Tuplestorestate *store = rows->rsinfo->setResult;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rows->rsinfo->setDesc, &TTSOpsMinimalTuple);
	int64	   *ids = palloc_extended(pgmq_rows_count(rows) * sizeof(int64), MCXT_ALLOC_HUGE);
	bool		isnull;

	*nids = 0;
	tuplestore_rescan(store);
	while (tuplestore_gettupleslot(store, true, false, slot))
		ids[(*nids)++] = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	tuplestore_rescan(store);
	ExecDropSingleTupleTableSlot(slot);
	return ids;
}

/*
 * Say that the row type of the function's result, which its owner can alter,
 * is not that of the rows.  Error: 42804.
 */
void
pgmq_rows_mismatch(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("result row type of the function is not what the queue returns")));
}

/*
 * Add a row of several columns to the result, with an id in the first one, and
 * NULL in all others.  Error: 42804 if the first is not a column for ids.
 */
void
pgmq_rows_put_id_alone(PgmqRows *rows, int64 id)
{
	TupleDesc	desc = rows->rsinfo->setDesc;
	Datum	   *values = palloc0(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));

	if (desc->natts == 0 || TupleDescAttr(desc, 0)->atttypid != INT8OID)
		pgmq_rows_mismatch();
	memset(isnull, true, desc->natts * sizeof(bool));
	values[0] = Int64GetDatum(id);
	isnull[0] = false;
	pgmq_rows_put(rows, values, isnull);
	pfree(values);
	pfree(isnull);
}

/*
 * Rows that are collected apart from a result of labelled rows, of its type
 * but for the first column, the label.
 */
PgmqRows *
pgmq_rows_unlabelled(const PgmqRows *labelled)
{
	TupleDesc	from = labelled->rsinfo->setDesc;
	TupleDesc	desc = CreateTemplateTupleDesc(from->natts - 1);
	PgmqRows   *rows = palloc0(sizeof(PgmqRows));

	for (int i = 1; i <= desc->natts; i++)
		TupleDescCopyEntry(desc, i, from, i + 1);
	rows->rsinfo = makeNode(ReturnSetInfo);
	rows->rsinfo->setDesc = desc;
	rows->rsinfo->setResult = tuplestore_begin_heap(false, false, work_mem);
	rows->sorted = true;
	rows->last_id = PG_INT64_MIN;
	return rows;
}

/* Move rows to a result of labelled rows. */
void
pgmq_rows_move(PgmqRows *rows, PgmqRows *labelled, Datum label)
{
	ReturnSetInfo *rsinfo = rows->rsinfo;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(rsinfo->setDesc,
													&TTSOpsMinimalTuple);
	Datum		values[MaxTupleAttributeNumber] = {label};
	bool		nulls[MaxTupleAttributeNumber] = {false};

	while (tuplestore_gettupleslot(rsinfo->setResult, true, false, slot))
	{
		slot_getallattrs(slot);
		memcpy(values + 1, slot->tts_values, rsinfo->setDesc->natts * sizeof(Datum));
		memcpy(nulls + 1, slot->tts_isnull, rsinfo->setDesc->natts * sizeof(bool));
		pgmq_rows_put(labelled, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_clear(rsinfo->setResult);
	rows->sorted = true;
	rows->last_id = PG_INT64_MIN;
}
