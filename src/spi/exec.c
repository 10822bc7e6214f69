/*-------------------------------------------------------------------------
 *
 * exec.c
 *	  The only room that talks to SPI: kept plans, and running one statement.
 *
 * Plans are kept per backend, queue table and statement, and never trusted
 * without the table's lock (pgmq_queue_open takes it first):
 *
 *	- A plan is built when it is first asked for, and again when the relcache
 *	  marked its queue or the plan cache its query; then from the text on,
 *	  since a rename leaves the old text naming nothing.  (Same rule as
 *	  ri_FetchPreparedPlan.)
 *	- A plan that is no longer wanted is *retired*, not freed: a trigger on
 *	  the queue may have called us while that very plan is running.  Only the
 *	  sweep frees, when none is running: at the end of a transaction, or before
 *	  a plan is built if there are too many.
 *	- The relcache callback marks and does nothing else; it may fire at any
 *	  lock or catalog access, also inside our own build.  So a mark is cleared
 *	  before the build and the plan is stored last.
 *	- There are no more than PLAN_MAX plans, retired ones included.  The queue
 *	  not used for longest loses its own first, and a newcomer is mostly next:
 *	  so who goes round more queues than that keeps the plans of most, where
 *	  the strict rule would throw away each one just before it is wanted.
 *
 * Statements run with read_only = false: in READ COMMITTED each has a new
 * snapshot, so that a polling read sees what was committed meanwhile.
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
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"

/* About 20 kB each: 80 MB. */
#define PLAN_MAX			4000

/* When plans are thrown away, one newcomer of so many is to stay. */
#define PLAN_STAYS			4

typedef struct PlanEntry
{
	Oid			relid;			/* hash key: the queue table, 0 for none */
	bool		stale;			/* the relcache marked it */
	dlist_node	lru;
	bool		guest;			/* the next to go */
	int			nplans;
	SPIPlanPtr	plans[PGMQ_NUM_STMTS];
} PlanEntry;

/* Hands every row to a function, after checking the row's type. */
typedef struct FnReceiver
{
	DestReceiver pub;
	TupleDesc	expected;		/* NULL: anything goes */
	PgmqRowFn	fn;
	void	   *state;
} FnReceiver;

struct PgmqCursor
{
	Portal		portal;
};

static MemoryContext plan_context = NULL;
static HTAB *plan_hash = NULL;
static dlist_head plan_lru = DLIST_STATIC_INIT(plan_lru);	/* oldest first */
static int	plan_count = 0;		/* of all entries */
static List *plan_retired = NIL;	/* of SPIPlanPtr */
static bool plan_have_stale = false;
static int	plans_running = 0;

/* ----------------------------------------------------------------
 *		Kept plans
 * ----------------------------------------------------------------
 */

/* Take a plan out of use; the sweep frees it. */
static void
plan_retire(PlanEntry *entry, PgmqStmtId id)
{
	if (entry->plans[id] != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(plan_context);

		plan_retired = lappend(plan_retired, entry->plans[id]);
		MemoryContextSwitchTo(old);
		entry->plans[id] = NULL;
		entry->nplans--;
		plan_count--;
	}
}

static void
plan_retire_all(PlanEntry *entry)
{
	for (int i = 0; i < PGMQ_NUM_STMTS; i++)
		plan_retire(entry, i);
}

/* Remove an entry that has no plans. */
static void
entry_remove(PlanEntry *entry)
{
	Assert(entry->nplans == 0);
	dlist_delete(&entry->lru);
	hash_search(plan_hash, &entry->relid, HASH_REMOVE, NULL);
}

/* The entry of a queue table; NULL if there is none, unless it is to be made. */
static PlanEntry *
plan_entry(Oid relid, bool make)
{
	PlanEntry  *entry;
	bool		found;

	if (plan_hash == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(PlanEntry)};

		if (plan_context == NULL)
			plan_context = AllocSetContextCreate(CacheMemoryContext,
												 "pgmq_c plans",
												 ALLOCSET_DEFAULT_SIZES);
		ctl.hcxt = plan_context;
		plan_hash = hash_create("pgmq_c plans", 64, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	entry = hash_search(plan_hash, &relid, make ? HASH_ENTER : HASH_FIND, &found);
	if (entry == NULL)
		return NULL;
	if (found)
		dlist_delete(&entry->lru);
	else
	{
		static int	newcomers = 0;

		entry->stale = false;
		entry->guest = plan_count > PLAN_MAX - PGMQ_NUM_STMTS &&
			++newcomers % PLAN_STAYS != 0;
		entry->nplans = 0;
		memset(entry->plans, 0, sizeof(entry->plans));
	}
	if (entry->guest)
		dlist_push_head(&plan_lru, &entry->lru);
	else
		dlist_push_tail(&plan_lru, &entry->lru);
	return entry;
}

/*
 * Free what is retired, and what the relcache marked.  No kept plan is
 * running; an open cursor has a reference of its own to what it needs.
 */
static void
plan_sweep(void)
{
	ListCell   *lc;

	foreach(lc, plan_retired)
		SPI_freeplan((SPIPlanPtr) lfirst(lc));
	list_free(plan_retired);
	plan_retired = NIL;

	if (plan_have_stale)
	{
		HASH_SEQ_STATUS scan;
		PlanEntry  *entry;

		plan_have_stale = false;
		hash_seq_init(&scan, plan_hash);
		while ((entry = hash_seq_search(&scan)) != NULL)
		{
			if (!entry->stale)
				continue;
			for (int i = 0; i < PGMQ_NUM_STMTS; i++)
				if (entry->plans[i] != NULL)
					SPI_freeplan(entry->plans[i]);
			plan_count -= entry->nplans;
			entry->nplans = 0;
			entry_remove(entry);
		}
	}
}

/* Keep a plan, and throw others away if there are too many. */
static void
plan_keep(Oid relid, PgmqStmtId id, SPIPlanPtr plan)
{
	PlanEntry  *entry;

	/* a long transaction may retire many, as by DDL of its own */
	if (plans_running == 0 && plan_count + list_length(plan_retired) >= PLAN_MAX)
		plan_sweep();

	/* the planner may have called us, and what there was be gone */
	entry = plan_entry(relid, true);
	plan_retire(entry, id);
	entry->plans[id] = plan;
	entry->nplans++;
	plan_count++;

	while (plan_count > PLAN_MAX)
	{
		PlanEntry  *oldest = dlist_head_element(PlanEntry, lru, &plan_lru);

		/* but not the one that is about to run */
		if (oldest == entry)
		{
			if (!dlist_has_next(&plan_lru, &entry->lru))
				break;
			oldest = dlist_container(PlanEntry, lru, dlist_next_node(&plan_lru, &entry->lru));
		}
		plan_retire_all(oldest);
		entry_remove(oldest);
	}
}

/* A statement's text, with the names of this queue's tables. */
static char *
plan_text(const PgmqQueue *queue, const char *sql)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *p = sql; *p != '\0'; p++)
	{
		if (p[0] == '{' && p[1] != '\0' && strchr("qa012", p[1]) && p[2] == '}')
		{
			const char *letter = p[1] >= '0' && p[1] <= '2' ? "d" : "";
			char	   *name = psprintf("%s%c_%s", letter, p[1], PGMQ_QUEUE_BASE(queue));

			appendStringInfoString(&text, quote_qualified_identifier(PGMQ_SCHEMA, name));
			p += 2;
		}
		else
			appendStringInfoChar(&text, *p);
	}
	return text.data;
}

/*
 * The kept plan of a statement on a queue.  SPI is connected, the queue's
 * table is locked.  Without a queue the text names all of its tables, which
 * the plan cache follows by itself, and is planned as any other.
 */
static SPIPlanPtr
plan_fetch(const PgmqQueue *queue, PgmqStmtId id)
{
	const PgmqStmt *stmt = &pgmq_stmts[id];
	Oid			relid = queue ? queue->relid : InvalidOid;
	PlanEntry  *entry = plan_entry(relid, false);
	SPIPlanPtr	plan;

	if (entry != NULL)
	{
		if (entry->stale)
		{
			entry->stale = false;
			plan_retire_all(entry);
		}
		plan = entry->plans[id];
		if (plan != NULL && SPI_plan_is_valid(plan))
			return plan;
		plan_retire(entry, id);

		/* there may never be another */
		if (entry->nplans == 0)
			entry_remove(entry);
	}

	if (queue != NULL)
		pgmq_queue_check_shape(queue);
	plan = SPI_prepare_cursor(queue ? plan_text(queue, stmt->sql) : stmt->sql,
							  stmt->nargs, (Oid *) stmt->argtypes,
							  CURSOR_OPT_GENERIC_PLAN |
							  (queue ? PGMQ_CURSOR_OPT_GUARDED : 0));
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor returned %s for %s",
			 SPI_result_code_string(SPI_result), stmt->sql);

	SPI_keepplan(plan);
	plan_keep(relid, id, plan);
	return plan;
}

/* Relcache callback: mark only.  relid 0 means every relation. */
void
pgmq_exec_inval(Datum arg, Oid relid)
{
	PlanEntry  *entry;

	if (plan_hash == NULL)
		return;
	if (OidIsValid(relid))
	{
		entry = hash_search(plan_hash, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->stale = plan_have_stale = true;
	}
	else
	{
		HASH_SEQ_STATUS scan;

		hash_seq_init(&scan, plan_hash);
		while ((entry = hash_seq_search(&scan)) != NULL)
			entry->stale = plan_have_stale = true;
	}
}

/* Transaction callback.  Must not raise. */
void
pgmq_exec_xact(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	plan_sweep();
}

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

/*
 * The row type that our caller will read the rows by is a type that its
 * owner can alter; rows of another shape must never get there.
 */
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
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("result row type of the function is not what the queue returns")));
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

/* What stmt_run and pgmq_cursor_open do alike; see there. */
static uint64
stmt_start(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
		   bool read_only, DestReceiver *dest, Portal *portal)
{
	const PgmqStmt *stmt = &pgmq_stmts[id];
	MemoryContext memory = CurrentMemoryContext;
	volatile bool running = false;
	volatile uint64 processed = 0;

	SPI_connect();
	PG_TRY();
	{
		SPIPlanPtr	plan = plan_fetch(queue, id);
		ParamListInfo params = make_params(stmt->nargs, stmt->argtypes, args);

		plans_running++;
		running = true;
		if (portal != NULL)
			*portal = SPI_cursor_open_with_paramlist(NULL, plan, params, read_only);
		else
			processed = plan_run(plan, params, read_only, dest);
		plans_running--;
	}
	PG_CATCH();
	{
		if (running)
			plans_running--;
		MemoryContextSwitchTo(memory);
		pgmq_error_rethrow(queue ? plan_text(queue, stmt->sql) : stmt->sql, memory);
	}
	PG_END_TRY();
	SPI_finish();
	return processed;
}

static uint64
stmt_run(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
		 bool read_only, DestReceiver *dest)
{
	return stmt_start(queue, id, args, read_only, dest, NULL);
}

/*
 * Run a statement on an open queue and drop the rows it returns; the number
 * of rows it processed.
 */
uint64
pgmq_exec(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args)
{
	return stmt_run(queue, id, args, false, None_Receiver);
}

/* Row function: keep the first column, a bigint. */
static void
row_int8(TupleTableSlot *slot, void *state)
{
	bool		isnull;

	*(int64 *) state = DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

/*
 * Run a statement that returns at most one bigint.  False when it returned
 * none (a BEFORE trigger may swallow a row).
 */
bool
pgmq_exec_int8(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
			   int64 *value)
{
	FnReceiver	receiver;

	receiver_init(&receiver, NULL, row_int8, value);
	return stmt_run(queue, id, args, false, &receiver.pub) > 0;
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
	stmt_run(queue, id, args, false, &receiver.pub);
}

/*
 * Run a statement whose rows begin with msg_id and add them to the result,
 * in msg_id order.  The number of rows.
 * Error: 42804 when the function's row type is not the statement's.
 */
uint64
pgmq_exec_rows(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
			   PgmqRows *rows)
{
	FnReceiver	receiver;
	uint64		processed;

	receiver_init(&receiver, pgmq_rows_desc(rows), pgmq_rows_store, rows);
	processed = stmt_run(queue, id, args, false, &receiver.pub);
	pgmq_rows_sort(rows);
	return processed;
}

/* ----------------------------------------------------------------
 *		Fetching in pieces
 * ----------------------------------------------------------------
 */

/*
 * Open a cursor over a SELECT.  It sees one snapshot however long it lives;
 * an error closes it with the transaction.
 */
PgmqCursor *
pgmq_cursor_open(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args)
{
	PgmqCursor *cursor = palloc(sizeof(PgmqCursor));

	stmt_start(queue, id, args, false, NULL, &cursor->portal);

	/* CLOSE ALL in a user's function must not take it from under us */
	PinPortal(cursor->portal);
	return cursor;
}

/* Hand the next rows, at most count, to fn; how many there were. */
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
 * Run a statement once, planned as any other, and hand its rows to fn, which
 * may be NULL.  The number of rows it processed.
 */
uint64
pgmq_exec_once(const char *sql, int nargs, const Oid *argtypes,
			   const PgmqArg *args, bool read_only, PgmqRowFn fn, void *state)
{
	return once_run(sql, 0, nargs, argtypes, args, read_only, fn, state);
}

/* The same, held to index scans as the kept ones are. */
uint64
pgmq_exec_once_guarded(const char *sql, int nargs, const Oid *argtypes,
					   const PgmqArg *args, PgmqRowFn fn, void *state)
{
	return once_run(sql, PGMQ_CURSOR_OPT_GUARDED, nargs, argtypes, args, false, fn, state);
}

/*
 * Commit the transaction, and begin another.  Only where a procedure may.
 */
void
pgmq_exec_commit(void)
{
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	SPI_finish();
}

/*
 * Commit, report the statistics, and begin another transaction.  They can be
 * reported between two transactions only, so below another procedure, which is
 * connected to SPI, it is left to the end of the client's statement.  A report
 * frees what has been counted, so it is for callers that are not counted
 * themselves.
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

/* Run a utility statement; names in it are quoted by the caller. */
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
