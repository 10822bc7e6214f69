/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  Running one statement through SPI: kept, fetched in pieces, or run once.
 *
 * Only this file and plans.c talk to SPI.  Kept statements run with read_only =
 * false: in READ COMMITTED each has a new snapshot, so that a polling read
 * sees what was committed meanwhile.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/exec.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/execExpr.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"

/* Hands every row to a function, after checking the row's type. */
typedef struct FnReceiver
{
	DestReceiver pub;
	TupleDesc	expected;		/* NULL: any type will do */
	PgmqRowFn	fn;
	void	   *state;
} FnReceiver;

/* A function that is handed rows as they are found, and what finds them. */
typedef struct Watch
{
	PgmqRowFn	fn;
	void	   *state;
	ExecProcNodeMtd scan;
} Watch;

struct PgmqCursor
{
	Portal		portal;
};

/* ----------------------------------------------------------------
 *		Receiving rows
 * ----------------------------------------------------------------
 */

static bool
receiver_row(TupleTableSlot *slot, DestReceiver *self)
{
	FnReceiver *receiver = (FnReceiver *) self;

	receiver->fn(slot, receiver->state);
	return true;
}

/* Refuse rows that are not of the function's row type.  Error: 42804. */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	TupleDesc	expected = ((FnReceiver *) self)->expected;
	bool		same;

	if (expected == NULL)
		return;
	same = desc->natts == expected->natts;
	for (int i = 0; same && i < desc->natts; i++)
		same = TupleDescAttr(desc, i)->atttypid == TupleDescAttr(expected, i)->atttypid &&
			!TupleDescAttr(expected, i)->attisdropped;
	if (!same)
		pgmq_rows_mismatch();
}

static void
receiver_nothing(DestReceiver *self)
{
}

static void
receiver_init(FnReceiver *receiver, TupleDesc expected, PgmqRowFn fn, void *state)
{
	receiver->pub.receiveSlot = receiver_row;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_nothing;
	receiver->pub.rDestroy = receiver_nothing;
	receiver->pub.mydest = DestNone;
	receiver->expected = expected;
	receiver->fn = fn;
	receiver->state = state;
}

/* ----------------------------------------------------------------
 *		Watching rows
 *
 * DELETE .. RETURNING costs 5 % of a delete, for it fetches the row again, and
 * makes another one.  So we look at the row while the executor has it.  It lets
 * us say how a parameter is evaluated, and tells us which node of the plan asks
 * for it; if that is an index scan, we put ourselves before the function that
 * gets its rows.
 * ----------------------------------------------------------------
 */

/* Executor callback: get the next row of an index scan. */
static TupleTableSlot *
watch_scan(PlanState *node)
{
	const Watch *watch = node->state->es_param_list_info->paramCompileArg;
	TupleTableSlot *result = watch->scan(node);

	if (!TupIsNull(result))
		watch->fn(node->ps_ProjInfo ? node->ps_ExprContext->ecxt_scantuple : result,
				  watch->state);
	return result;
}

/* Executor callback: how to evaluate a parameter. */
static void
watch_compile(ParamListInfo params, Param *param, ExprState *expr, Datum *value, bool *isnull)
{
	Watch	   *watch = params->paramCompileArg;
	PlanState  *node = expr->parent;
	ExprEvalStep step = {
		.opcode = EEOP_PARAM_EXTERN,.resvalue = value,.resnull = isnull,
		.d.param = {.paramid = param->paramid,.paramtype = param->paramtype}
	};

	/* all index scans have the same function */
	if (node != NULL && IsA(node, IndexScanState) && node->ExecProcNode != watch_scan)
	{
		watch->scan = node->ExecProcNode;
		node->ExecProcNode = watch_scan;
	}
	ExprEvalPushStep(expr, &step);
}

/* ----------------------------------------------------------------
 *		Running one statement
 * ----------------------------------------------------------------
 */

static ParamListInfo
make_params(int nargs, const Oid *argtypes, const PgmqArg *args)
{
	ParamListInfo params = makeParamList(nargs);

	for (int i = 0; i < nargs; i++)
	{
		params->params[i].value = args[i].value;
		params->params[i].isnull = args[i].isnull;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = argtypes[i];
	}
	return params;
}

/* Run a plan; the number of rows it processed. */
static uint64
plan_run(SPIPlanPtr plan, ParamListInfo params, bool read_only, DestReceiver *dest)
{
	SPIExecuteOptions options = {
		.params = params,
		.read_only = read_only,
		.dest = dest,
	};
	int			rc = SPI_execute_plan_extended(plan, &options);

	if (rc < 0)
		elog(ERROR, "SPI_execute_plan_extended returned %s",
			 SPI_result_code_string(rc));
	return SPI_processed;
}

/* The common part of stmt_run and pgmq_cursor_open; see there. */
static uint64
stmt_start(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
		   Watch *watch, DestReceiver *dest, Portal *portal)
{
	const PgmqStmt *stmt = &pgmq_stmts[id];
	MemoryContext memory = CurrentMemoryContext;
	PgmqPlan   *volatile plan = NULL;
	volatile uint64 processed = 0;

	SPI_connect();
	PG_TRY();
	{
		ParamListInfo params = make_params(stmt->nargs, stmt->argtypes, args);
		SPIPlanPtr	spi;

		if (watch != NULL)
		{
			params->paramCompile = watch_compile;
			params->paramCompileArg = watch;
		}
		plan = pgmq_plan_begin(queue, id);
		spi = pgmq_plan_spi(plan);
		if (portal != NULL)
			*portal = SPI_cursor_open_with_paramlist(NULL, spi, params, false);
		else
			processed = plan_run(spi, params, false, dest);
		pgmq_plan_end(plan);
	}
	PG_CATCH();
	{
		char	   *text;

		MemoryContextSwitchTo(memory);
		text = pgmq_plan_failed_text(plan);

		if (plan != NULL)
			pgmq_plan_end(plan);
		pgmq_error_rethrow(text, memory);
	}
	PG_END_TRY();
	SPI_finish();
	return processed;
}

static uint64
stmt_run(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args, DestReceiver *dest)
{
	return stmt_start(queue, id, args, NULL, dest, NULL);
}

/*
 * Run a statement on an open queue, and discard the rows it returns.  Returns
 * the number of rows it processed.
 */
uint64
pgmq_exec(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args)
{
	return stmt_run(queue, id, args, None_Receiver);
}

/* Row function: keep the first column, a bigint, in *state. */
void
pgmq_row_int8(TupleTableSlot *slot, void *state)
{
	bool		isnull;

	*(int64 *) state = DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

/* Row function: add the last column, a text, to a PgmqTexts unless it is NULL. */
void
pgmq_row_texts(TupleTableSlot *slot, void *state)
{
	PgmqTexts  *texts = state;
	bool		isnull;
	Datum		value = slot_getattr(slot, slot->tts_tupleDescriptor->natts, &isnull);
	MemoryContext old = MemoryContextSwitchTo(texts->context);

	if (!isnull)
		texts->list = lappend(texts->list, DatumGetTextPCopy(value));
	MemoryContextSwitchTo(old);
}

/*
 * Run a statement that returns at most one bigint, in *value.  Returns false
 * when it returned none (a BEFORE trigger may suppress a row).
 */
bool
pgmq_exec_int8(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
			   int64 *value)
{
	FnReceiver	receiver;

	receiver_init(&receiver, NULL, pgmq_row_int8, value);
	return stmt_run(queue, id, args, &receiver.pub) > 0;
}

/*
 * Run a statement and hand each row to fn, which must copy what it keeps
 * into a memory context of its own choice.  queue is NULL for a statement on
 * no queue.
 */
void
pgmq_exec_each(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
			   PgmqRowFn fn, void *state)
{
	FnReceiver	receiver;

	receiver_init(&receiver, NULL, fn, state);
	stmt_run(queue, id, args, &receiver.pub);
}

/*
 * The same for a statement whose rows are of the type of a result, to which fn
 * adds what it wants.  Error: 42804 when they are not.
 */
void
pgmq_exec_record(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
				 PgmqRows *rows, PgmqRowFn fn, void *state)
{
	FnReceiver	receiver;

	receiver_init(&receiver, pgmq_rows_desc(rows), fn, state);
	stmt_run(queue, id, args, &receiver.pub);
	pgmq_rows_sort(rows);
}

/*
 * Run a statement that is watched.  watch gets each row of the queue's table that
 * an index scan with a parameter finds, which the statement may then leave alone,
 * or find again as another transaction has changed it.  fn, unless it is NULL,
 * gets the rows that the statement returns, each just after the row that it was
 * made of.  Returns the number of rows that were processed.
 */
uint64
pgmq_exec_watched(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
				  PgmqRowFn watch, PgmqRowFn fn, void *state)
{
	Watch		watching = {.fn = watch,.state = state};
	FnReceiver	receiver;

	receiver_init(&receiver, NULL, fn, state);
	return stmt_start(queue, id, args, &watching, fn ? &receiver.pub : None_Receiver, NULL);
}

/*
 * Run a statement whose rows begin with msg_id and add them to the result,
 * in msg_id order.  Returns the number of rows, without those that have no body.
 * Error: 42804 when the function's row type is not the statement's.
 */
uint64
pgmq_exec_rows(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
			   PgmqRows *rows)
{
	FnReceiver	receiver;
	int			bodiless = pgmq_rows_count_bodiless(rows);
	uint64		processed;

	receiver_init(&receiver, pgmq_rows_desc(rows), pgmq_rows_store, rows);
	processed = stmt_run(queue, id, args, &receiver.pub);
	pgmq_rows_sort(rows);
	return processed - (pgmq_rows_count_bodiless(rows) - bodiless);
}

/* ----------------------------------------------------------------
 *		Fetching in pieces
 * ----------------------------------------------------------------
 */

/*
 * Open a cursor over a SELECT, in the caller's memory context.  It sees one
 * snapshot however long it lives; an error closes it with the transaction.
 */
PgmqCursor *
pgmq_cursor_open(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args)
{
	PgmqCursor *cursor = palloc(sizeof(PgmqCursor));

	stmt_start(queue, id, args, NULL, NULL, &cursor->portal);

	/* CLOSE ALL in a user's function must not take it from under us */
	PinPortal(cursor->portal);
	return cursor;
}

/* Hand the next rows, at most count, to fn; returns how many there were. */
uint64
pgmq_cursor_fetch(PgmqCursor *cursor, int count, PgmqRowFn fn, void *state)
{
	FnReceiver	receiver;

	receiver_init(&receiver, NULL, fn, state);
	return PortalRunFetch(cursor->portal, FETCH_FORWARD, count, &receiver.pub);
}

void
pgmq_cursor_close(PgmqCursor *cursor)
{
	UnpinPortal(cursor->portal);
	SPI_cursor_close(cursor->portal);
	pfree(cursor);
}

/* ----------------------------------------------------------------
 *		Statements that are not kept
 * ----------------------------------------------------------------
 */

static uint64
once_run(const char *sql, int cursor_options, int nargs, const Oid *argtypes,
		 const PgmqArg *args, bool read_only, PgmqRowFn fn, void *state)
{
	FnReceiver	receiver;
	MemoryContext memory = CurrentMemoryContext;
	volatile uint64 processed = 0;

	receiver_init(&receiver, NULL, fn, state);
	SPI_connect();
	PG_TRY();
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(sql, nargs, (Oid *) argtypes, cursor_options);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor returned %s for %s",
				 SPI_result_code_string(SPI_result), sql);
		processed = plan_run(plan, make_params(nargs, argtypes, args), read_only,
							 fn ? &receiver.pub : None_Receiver);
	}
	PG_CATCH();
	{
		pgmq_error_rethrow(sql, memory);
	}
	PG_END_TRY();
	SPI_finish();
	return processed;
}

/*
 * Run a statement once, planned as a client's would be, and hand its rows to
 * fn, which may be NULL.  Returns the number of rows it processed.
 */
uint64
pgmq_exec_once(const char *sql, int nargs, const Oid *argtypes,
			   const PgmqArg *args, bool read_only, PgmqRowFn fn, void *state)
{
	return once_run(sql, CURSOR_OPT_PARALLEL_OK, nargs, argtypes, args, read_only, fn, state);
}

/* The same, with index scans only, as kept plans are. */
uint64
pgmq_exec_once_guarded(const char *sql, int nargs, const Oid *argtypes,
					   const PgmqArg *args, PgmqRowFn fn, void *state)
{
	return once_run(sql, PGMQ_CURSOR_OPT_GUARDED, nargs, argtypes, args, false, fn, state);
}

/*
 * Commit the transaction, and begin another, where a procedure may do that.
 */
void
pgmq_exec_commit(void)
{
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	SPI_finish();
}

/*
 * Commit, report the statistics, and begin another transaction.  The server
 * reports them between two transactions only.  Below another procedure, which is
 * connected to SPI, they are reported at the end of the client's statement.
 * A report frees what has been counted, so this is for callers that the server
 * is not counting.
 */
void
pgmq_exec_commit_reported(void)
{
	MemoryContext context = CurrentMemoryContext;

	if (!SPI_inside_nonatomic_context())
	{
		HoldPinnedPortals();
		ForgetPortalSnapshots();
		CommitTransactionCommand();
		(void) pgstat_report_stat(true);
		StartTransactionCommand();
		MemoryContextSwitchTo(context);
	}
	/* one that SPI begins has a clock of its own */
	pgmq_exec_commit();
}

/* Run a utility statement, in which the caller has quoted the names. */
void
pgmq_exec_ddl(const char *fmt,...)
{
	MemoryContext memory = CurrentMemoryContext;
	StringInfoData sql;

	initStringInfo(&sql);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, fmt);
		needed = appendStringInfoVA(&sql, fmt, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&sql, needed);
	}

	SPI_connect();
	PG_TRY();
	{
		int			rc = SPI_execute(sql.data, false, 0);

		if (rc < 0)
			elog(ERROR, "SPI_execute returned %s for %s",
				 SPI_result_code_string(rc), sql.data);
	}
	PG_CATCH();
	{
		pgmq_error_rethrow(sql.data, memory);
	}
	PG_END_TRY();
	SPI_finish();
	pfree(sql.data);
}
