/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  Statements: kept plans, running one, the hot SQL texts, results.  Nothing
 *	  outside of this folder talks to SPI.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/spi.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_SPI_H
#define PGMQ_SPI_H

#include "common/common.h"

/*
 * The statements of statements.c, one kept plan each per queue and backend.  One
 * that is _SORTED comes next to the one that it differs from.
 */
typedef enum PgmqStmtId
{
	PGMQ_STMT_SEND,
	PGMQ_STMT_SEND_BATCH,
	PGMQ_STMT_READ,
	PGMQ_STMT_READ_RANGE,
	PGMQ_STMT_READ_IDS,
	PGMQ_STMT_READ_IDS_SORTED,
	PGMQ_STMT_READ_RUN,
	PGMQ_STMT_POP,
	PGMQ_STMT_POP_RANGE,
	PGMQ_STMT_POP_IDS,
	PGMQ_STMT_POP_IDS_SORTED,
	PGMQ_STMT_POP_RUN,
	PGMQ_STMT_LEFT,
	PGMQ_STMT_VT,
	PGMQ_STMT_FIRST_READABLE,
	PGMQ_STMT_LOCKED,
	PGMQ_STMT_CHECK,
	PGMQ_STMT_DELETE,
	PGMQ_STMT_DELETE_BATCH,
	PGMQ_STMT_DELETE_FENCED,
	PGMQ_STMT_ARCHIVE,
	PGMQ_STMT_ARCHIVE_BATCH,
	PGMQ_STMT_ARCHIVE_FENCED,
	PGMQ_STMT_ARCHIVE_COUNTED,	/* these count what arrived in the archive */
	PGMQ_STMT_ARCHIVE_BATCH_COUNTED,
	PGMQ_STMT_ARCHIVE_FENCED_COUNTED,
	PGMQ_STMT_SET_VT,
	PGMQ_STMT_SET_VT_BATCH,
	PGMQ_STMT_SET_VT_FENCED,
	PGMQ_STMT_SET_VT_ERROR,
	PGMQ_STMT_RELEASE,
	PGMQ_STMT_GROUP_WALK,
	PGMQ_STMT_GROUP_HEADS,
	PGMQ_STMT_GROUP_NEXT,
	PGMQ_STMT_GROUP_LOCK,
	PGMQ_STMT_GROUP_LEASE,
	PGMQ_STMT_DEAD_IDLE,
	PGMQ_STMT_LAST_ID,
	PGMQ_STMT_RETAIN,
	PGMQ_STMT_PEEK,
	PGMQ_STMT_PEEK_ARCHIVE,
	PGMQ_STMT_UNARCHIVE,
	PGMQ_STMT_READ_PASSING,		/* these pass dead messages over */
	PGMQ_STMT_READ_IDS_PASSING,
	PGMQ_STMT_READ_IDS_PASSING_SORTED,
	PGMQ_STMT_POP_PASSING,
	PGMQ_STMT_POP_IDS_PASSING,
	PGMQ_STMT_POP_IDS_PASSING_SORTED,
	PGMQ_STMT_FIRST_READABLE_PASSING,
	PGMQ_STMT_GROUP_LOCK_PASSING,
	PGMQ_STMT_DEAD,
	PGMQ_STMT_UNREAD,
	PGMQ_STMT_HOLD,
	PGMQ_STMT_HOLD_FREE,
	PGMQ_STMT_READ_CTS,
	PGMQ_STMT_EXTEND,
	PGMQ_STMT_DROP_OLDEST,
	PGMQ_STMT_NEXT_VALUE,
	PGMQ_STMT_FIRST_READABLE_VALUE,
	PGMQ_STMT_READ_VALUE,
	PGMQ_STMT_READ_VALUE_PASSING,
	PGMQ_STMT_POP_VALUE,
	PGMQ_STMT_POP_VALUE_PASSING,
	PGMQ_STMT_VALUE,
	PGMQ_STMT_DEAD_LETTERS,
	PGMQ_STMT_DEAD_LETTERS_LOCK,
	PGMQ_STMT_FEED,				/* on a subscription */
	PGMQ_STMT_FEED_IDS,
	PGMQ_STMT_FEED_BODIES,
	PGMQ_STMT_FEED_SPLIT,
	PGMQ_STMT_PEEK_BATCHES,
	PGMQ_STMT_BATCHES,
	PGMQ_STMT_BATCH_PUT,
	PGMQ_STMT_BATCH_LOCK,
	PGMQ_STMT_STORED,
	PGMQ_STMT_REFERENCES,
	PGMQ_STMT_BINDINGS,			/* on no queue */
	PGMQ_STMT_BLOCKS,
	PGMQ_STMT_BLOCKS_PUT,
	PGMQ_STMT_BLOCKS_DONE,
	PGMQ_NUM_STMTS
} PgmqStmtId;

#define PGMQ_STMT_MAX_ARGS	9

typedef struct PgmqStmt
{
	const char *sql;			/* with {q} and the like, see statements.c */
	int			nargs;
	Oid			argtypes[PGMQ_STMT_MAX_ARGS];
} PgmqStmt;

/* The result that a set-returning function collects; see pgmq_rows_begin. */
typedef struct PgmqRows PgmqRows;

/* Receives one row of a result; the slot is valid during the call only. */
typedef void (*PgmqRowFn) (TupleTableSlot *slot, void *state);

/* Texts that a row function collects, and where they outlive the statement. */
typedef struct PgmqTexts
{
	MemoryContext context;
	List	   *list;			/* of text * */
} PgmqTexts;

/*
 * The msg_id of a row of a subscription that is no message but a batch of them
 * (stream/batch.c): no message has one that is as small.
 */
#define PGMQ_BATCH_END		(-(INT64CONST(1) << 62))
#define PGMQ_IS_BATCH(id)	((id) < PGMQ_BATCH_END)
#define PGMQ_BATCH_FIRST(id)	((id) - PG_INT64_MIN)

/* Such a row, which is not returned; headers may be NULL. */
typedef struct PgmqRowKept
{
	int64		msg_id;
	Jsonb	   *headers;
} PgmqRowKept;

/* A result that is fetched in pieces; see pgmq_cursor_open. */
typedef struct PgmqCursor PgmqCursor;

/* Whether a row belongs to a result. */
typedef bool (*PgmqRowTest) (TupleTableSlot *slot, void *state);

/*
 * ---- results.c: the result of a set-returning function ----
 *
 * pgmq_set_* return a set of at most one value, without a tuplestore.
 * pgmq_rows_* collect rows in the caller's tuplestore; a PgmqRows lives in the
 * memory context in which it was begun, until the function returns.
 */
extern bool pgmq_set_first(FunctionCallInfo fcinfo);
extern Datum pgmq_set_end(FunctionCallInfo fcinfo);
extern Datum pgmq_set_value(FunctionCallInfo fcinfo, Datum value);
extern Datum pgmq_set_none(FunctionCallInfo fcinfo);
extern PgmqRows *pgmq_rows_begin(FunctionCallInfo fcinfo);
extern TupleDesc pgmq_rows_desc(const PgmqRows *rows);
extern void pgmq_rows_store(TupleTableSlot *slot, void *rows);
extern void pgmq_rows_test(PgmqRows *rows, PgmqRowTest test, void *state);
extern void pgmq_rows_watch(PgmqRows *rows, PgmqRowFn fn, void *state);
extern void pgmq_rows_by_priority(PgmqRows *rows, bool by_priority);
extern void pgmq_rows_need_body(PgmqRows *rows);
extern int	pgmq_rows_bodiless(PgmqRows *rows, int64 **ids);
extern List *pgmq_rows_batches(PgmqRows *rows);
extern int	pgmq_rows_count_bodiless(const PgmqRows *rows);
extern int32 pgmq_rows_most_reads(const PgmqRows *rows);
extern void pgmq_rows_sort(PgmqRows *rows);
extern void pgmq_rows_order(PgmqRows *rows, const int64 *ids, int64 nids);
extern void pgmq_rows_put(PgmqRows *rows, const Datum *values,
						  const bool *isnull);
extern void pgmq_rows_put_id(int64 id, void *state);
extern int64 pgmq_rows_count(const PgmqRows *rows);
extern int64 *pgmq_rows_ids(PgmqRows *rows, int64 *nids);
extern void pgmq_rows_put_id_alone(PgmqRows *rows, int64 id);
pg_noreturn extern void pgmq_rows_mismatch(void);
extern PgmqRows *pgmq_rows_unlabelled(const PgmqRows *labelled);
extern void pgmq_rows_move(PgmqRows *rows, PgmqRows *labelled, Datum label);

/*
 * ---- exec.c: running one statement; only it and plans.c talk to SPI ----
 *
 * A statement with a queue needs the queue open, that is, locked.  It runs with
 * the rights of the current user and raises what the server raises, without our
 * text in the context.  Row functions run in SPI's memory context, which is gone
 * afterwards.  None may be called in a commit or abort callback.
 */
extern uint64 pgmq_exec(const PgmqQueue *queue, PgmqStmtId id,
						const PgmqArg *args);
extern bool pgmq_exec_int8(const PgmqQueue *queue, PgmqStmtId id,
						   const PgmqArg *args, int64 *value);
extern void pgmq_exec_each(const PgmqQueue *queue, PgmqStmtId id,
						   const PgmqArg *args, PgmqRowFn fn, void *state);
extern void pgmq_exec_record(const PgmqQueue *queue, PgmqStmtId id, const PgmqArg *args,
							 PgmqRows *rows, PgmqRowFn fn, void *state);
extern uint64 pgmq_exec_watched(const PgmqQueue *queue, PgmqStmtId id,
								const PgmqArg *args, PgmqRowFn watch,
								PgmqRowFn fn, void *state);
extern uint64 pgmq_exec_rows(const PgmqQueue *queue, PgmqStmtId id,
							 const PgmqArg *args, PgmqRows *rows);

/* Row functions; their state is an int64, or a PgmqTexts. */
extern void pgmq_row_int8(TupleTableSlot *slot, void *state);
extern void pgmq_row_texts(TupleTableSlot *slot, void *state);

extern PgmqCursor *pgmq_cursor_open(const PgmqQueue *queue, PgmqStmtId id,
									const PgmqArg *args);
extern uint64 pgmq_cursor_fetch(PgmqCursor *cursor, int count,
								PgmqRowFn fn, void *state);
extern void pgmq_cursor_close(PgmqCursor *cursor);

extern uint64 pgmq_exec_once(const char *sql, int nargs, const Oid *argtypes,
							 const PgmqArg *args, bool read_only,
							 PgmqRowFn fn, void *state);
extern uint64 pgmq_exec_once_guarded(const char *sql, int nargs,
									 const Oid *argtypes, const PgmqArg *args,
									 PgmqRowFn fn, void *state);
extern void pgmq_exec_commit(void);
extern void pgmq_exec_commit_reported(void);
extern void pgmq_exec_ddl(const char *fmt,...) pg_attribute_printf(1, 2);

/*
 * ---- plans.c: kept plans, for exec.c ----
 *
 * SPI is connected.  pgmq_plan_begin and pgmq_plan_end are called around each
 * run of a kept plan, the latter also when it fails.  The last two are callbacks.
 */
typedef struct PgmqPlan PgmqPlan;

/* With 26 kB a plan, as they are on average, these are 13 MB. */
#define PGMQ_MAX_PLANS_DEFAULT	500
#define PGMQ_MAX_PLANS_MIN		100 /* more than there are statements */

extern int	pgmq_max_plans;
extern char *(*pgmq_plan_value) (const PgmqQueue *queue);
extern PgmqPlan *pgmq_plan_begin(const PgmqQueue *queue, PgmqStmtId id);
extern struct _SPI_plan *pgmq_plan_spi(const PgmqPlan *plan);
extern void pgmq_plan_end(PgmqPlan *plan);
extern Oid	(*pgmq_plan_stream) (Oid relid);
extern char *pgmq_plan_stream_name(const PgmqQueue *queue, Oid stream);
extern char *pgmq_plan_failed_text(const PgmqPlan *plan);
extern char *pgmq_plan_text(const PgmqQueue *queue, const char *sql);
extern void pgmq_plan_inval(Datum arg, Oid relid);
extern void pgmq_plan_xact(XactEvent event, void *arg);

/* ---- errors.c: errors do not show our statements ---- */
pg_noreturn extern void pgmq_error_rethrow(const char *sql, MemoryContext memory);

/* ---- planner_guard.c: our statements are planned with index scans only ---- */
/* The cursor option that marks them; the server's own are the low bits. */
#define PGMQ_CURSOR_OPT_GUARDED	(1 << 30)

extern void pgmq_guard_init(void);

/* ---- statements.c: every hot SQL text ---- */
extern const PgmqStmt pgmq_stmts[PGMQ_NUM_STMTS];

/* The FIFO group of a message, as SQL; what create_fifo_index indexes. */
#define PGMQ_GROUP_SQL \
	"(COALESCE(headers OPERATOR(pg_catalog.->>) '" PGMQ_HEADER_GROUP "'::pg_catalog.text," \
	" '" PGMQ_DEFAULT_GROUP "'::pg_catalog.text) COLLATE pg_catalog.\"C\")"

#endif							/* PGMQ_SPI_H */
