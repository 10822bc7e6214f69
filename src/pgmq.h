/*-------------------------------------------------------------------------
 *
 * pgmq.h
 *	  Types of pgmq_c, and the prototypes of each room under its file's name.
 *
 * The floors, from the top: verbs (send, read, group, ack, topic, notify,
 * manage, partition, grant, metrics, adopt) - layout - waiter, meta, partman - SQL
 * (exec, guard, stmt) - ground (queue, arg, header, lock).
 * Calls go down only; src/README.md draws the house.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/pgmq.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_H
#define PGMQ_H

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "storage/lockdefs.h"
#include "utils/resowner.h"
#include "utils/jsonb.h"
#include "utils/relcache.h"

/* The schema that holds everything. */
#define PGMQ_SCHEMA			"pgmq"

/*
 * Longest queue name, in bytes.  The longest relation name derived from it,
 * archived_at_idx_<name>, then still fits into NAMEDATALEN.
 */
#define PGMQ_MAX_NAME		47

/* The group index of queue table q_x is q_x_fifo_idx where that name is free. */
#define PGMQ_GROUP_INDEX_SUFFIX "_fifo_idx"

/*
 * Times from which something can be read.  The last one is of what is there but
 * will never be readable, as far as is known.
 */
#define PGMQ_DUE_NOW		PG_INT64_MIN
#define PGMQ_DUE_NEVER		PG_INT64_MAX
#define PGMQ_DUE_LAST		(PGMQ_DUE_NEVER - 1)

/*
 * Picks a queue's row by its column queue_name, whatever case that was given
 * in; $1 is the name of the queue's table, which was folded by the same rule.
 */
#define PGMQ_META_IS \
	"pg_catalog.lower('q_'::pg_catalog.text OPERATOR(pg_catalog.||)" \
	" queue_name::pg_catalog.text) OPERATOR(pg_catalog.=) $1"

#define PGMQ_HEADER_TTL			"x-pgmq-ttl"
#define PGMQ_HEADER_DEDUP_ID	"x-pgmq-dedup-id"
#define PGMQ_HEADER_GROUP		"x-pgmq-group"
#define PGMQ_HEADER_ERROR		"x-pgmq-error"

/* The group of messages without a header for it. */
#define PGMQ_DEFAULT_GROUP		"_default_fifo_group"

/* The longest deduplication id, in bytes. */
#define PGMQ_DEDUP_ID_MAX		256

/* The header that a dead letter has. */
#define PGMQ_HEADER_DEAD_LETTER	"x-pgmq-dead-letter"

/* A queue that is open: its table is locked until the transaction ends. */
typedef struct PgmqQueue
{
	Oid			relid;			/* the queue table, pgmq.q_<name> */
	char		relname[NAMEDATALEN];	/* its name: q_<name in lower case> */
} PgmqQueue;

/* What happens to messages that expired. */
#define PGMQ_EXPIRED_DROP			1
#define PGMQ_EXPIRED_DEAD_LETTER	2

/* How the delay of a nack grows with the number of reads. */
#define PGMQ_BACKOFF_FIXED			1
#define PGMQ_BACKOFF_LINEAR			2
#define PGMQ_BACKOFF_EXPONENTIAL	3

/* A queue's policy; 0, false and "" stand for none.  Times are in seconds. */
typedef struct PgmqPolicy
{
	int32		max_reads;		/* a read beyond it becomes a dead letter */
	char		dead_letter[NAMEDATALEN];	/* table of the dead-letter queue */
	Oid			dead_letter_owner;	/* whose it was when it was named */
	bool		dead_letter_any;	/* the SQL before 1.2.0 does not note that */
	int			backoff;
	double		backoff_base;
	double		backoff_factor;
	double		backoff_cap;
	bool		backoff_jitter;
	int32		dedup_window;	/* header x-pgmq-dedup-id is read if set */
	int32		ttl;			/* of messages without a header */
	bool		ttl_header;		/* header x-pgmq-ttl is read */
	int			expired;
	int32		archive_retention;
	bool		strict_fifo;
	TimestampTz paused_until;	/* reads return nothing before */
}			PgmqPolicy;

/* Whom to become again; see pgmq_role_become_owner. */
typedef struct PgmqRole
{
	Oid			roleid;
	int			context;
}			PgmqRole;

/* The kinds of queue. */
typedef enum PgmqKind
{
	PGMQ_KIND_LOGGED,
	PGMQ_KIND_UNLOGGED,
	PGMQ_KIND_PARTITIONED
} PgmqKind;

/* The part of a queue's relation names that is the queue's own. */
#define PGMQ_QUEUE_BASE(queue)	((queue)->relname + 2)

/* The statements of stmt.c, one kept plan each per queue and backend. */
typedef enum PgmqStmtId
{
	PGMQ_STMT_SEND,
	PGMQ_STMT_SEND_BATCH,
	PGMQ_STMT_READ,
	PGMQ_STMT_READ_RANGE,
	PGMQ_STMT_READ_CONDITIONAL,
	PGMQ_STMT_POP,
	PGMQ_STMT_POP_RANGE,
	PGMQ_STMT_LEFT,
	PGMQ_STMT_PEEK,
	PGMQ_STMT_LOCKED,
	PGMQ_STMT_NET,
	PGMQ_STMT_DELETE,
	PGMQ_STMT_DELETE_BATCH,
	PGMQ_STMT_DELETE_FENCED,
	PGMQ_STMT_ARCHIVE,
	PGMQ_STMT_ARCHIVE_BATCH,
	PGMQ_STMT_ARCHIVE_FENCED,
	PGMQ_STMT_ARCHIVE_COUNTED,	/* these count what arrived, in the same order */
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
	PGMQ_STMT_SPENT_IDLE,
	PGMQ_STMT_LAST_ID,
	PGMQ_STMT_RETAIN,
	PGMQ_STMT_PAGE,
	PGMQ_STMT_PAGE_ARCHIVE,
	PGMQ_STMT_UNARCHIVE,
	PGMQ_STMT_READ_PASSING,		/* these pass spent messages over */
	PGMQ_STMT_POP_PASSING,
	PGMQ_STMT_PEEK_PASSING,
	PGMQ_STMT_GROUP_LOCK_PASSING,
	PGMQ_STMT_SPENT,
	PGMQ_STMT_UNREAD,
	PGMQ_STMT_HOLD,
	PGMQ_STMT_DEAD_LETTERS,
	PGMQ_STMT_DEAD_LETTERS_LOCK,
	PGMQ_STMT_DEDUP_PUT_0,		/* by the current table */
	PGMQ_STMT_DEDUP_PUT_1,
	PGMQ_STMT_DEDUP_PUT_2,
	PGMQ_STMT_DEDUP_PUT_ONE_0,
	PGMQ_STMT_DEDUP_PUT_ONE_1,
	PGMQ_STMT_DEDUP_PUT_ONE_2,
	PGMQ_STMT_BINDINGS,			/* on no queue */
	PGMQ_NUM_STMTS
} PgmqStmtId;

#define PGMQ_STMT_MAX_ARGS	9

typedef struct PgmqStmt
{
	const char *sql;			/* {q} is the queue table, {a} the archive,
								 * {0} to {2} are those of its dedup ids */
	int			nargs;
	Oid			argtypes[PGMQ_STMT_MAX_ARGS];
} PgmqStmt;

/* One argument of a statement. */
typedef struct PgmqArg
{
	Datum		value;
	bool		isnull;
} PgmqArg;

#define PGMQ_ARG(v)			((PgmqArg) {(v), false})
#define PGMQ_ARG_NULL		((PgmqArg) {(Datum) 0, true})
/* The SQL function's own argument n, handed through as it came. */
#define PGMQ_ARG_FROM(n) \
	((PgmqArg) {PG_GETARG_DATUM(n), PG_ARGISNULL(n)})

/* How a table is to be partitioned; see pgmq_partman_manage. */
typedef struct PgmqPartitions
{
	const char *column;			/* partitioned by this */
	PgmqArg		interval;		/* texts, as pg_partman takes them */
	PgmqArg		retention;
	PgmqArg		start;			/* first value; NULL: where the data begins */
	int			premake;		/* how many partitions to have ahead */
} PgmqPartitions;

/* What a set-returning function collects; see pgmq_rows_begin. */
typedef struct PgmqRows PgmqRows;

/* Sees one row of a result; the slot is valid during the call only. */
typedef void (*PgmqRowFn) (TupleTableSlot *slot, void *state);

/* Gets the id of a message that was sent. */
typedef void (*PgmqIdFn) (int64 id, void *state);

/* A result that is fetched in pieces; see pgmq_cursor_open. */
typedef struct PgmqCursor PgmqCursor;

/* Whether a row belongs into a result. */
typedef bool (*PgmqRowTest) (TupleTableSlot *slot, void *state);

/*
 * One attempt of a read that may wait.  Zero: it took nothing, and changed
 * nothing that is to be committed first.
 */
typedef uint64 (*PgmqTakeFn) (void *state);

/* ---- worker.c, maintain.c: what policies want done when nobody reads ---- */

extern int	pgmq_maintain_time_limit;
extern void pgmq_worker_init(void);
extern bool pgmq_maintain_all(bool may_commit, bool worker);

/* ---- suspect.c: what outlives the session that maintained ---- */

/* What is to be done with a queue, by what is known of it and its owner. */
typedef enum PgmqSuspicion
{
	PGMQ_SUSPECT_NO,
	PGMQ_SUSPECT_LAST,			/* its turn comes after all others' */
	PGMQ_SUSPECT_WAITS			/* it is left out */
} PgmqSuspicion;

extern void pgmq_suspect_init(void);
extern bool pgmq_suspect_hold(Oid relid, Oid owner);
extern void pgmq_suspect_release(void);
extern void pgmq_suspect_note(int code, Datum arg);
extern PgmqSuspicion pgmq_suspect_look(Oid relid, Oid owner, TimestampTz *until, bool *told);
extern uint32 pgmq_suspect_failures(int worker);
extern void pgmq_suspect_set_failures(int worker, uint32 failures);

/* ---- read.c: taking messages ---- */

extern uint64 pgmq_read_queue(const PgmqQueue *queue, PgmqArg vt, int64 qty,
							  PgmqRows *rows, int *disposed);

/* ---- meaning.c: what the text of an argument without a type says ---- */

typedef enum PgmqMeaning
{
	PGMQ_MEANS_NOTHING,			/* it is NULL */
	PGMQ_MEANS_TIME,
	PGMQ_MEANS_HEADERS
} PgmqMeaning;

extern void pgmq_call_set(FunctionCallInfo call, int argno, Datum value);
extern PgmqMeaning pgmq_call_meaning(FunctionCallInfo call, int argno,
									 const char *what, Oid headers_type);
extern void pgmq_call_interval(FunctionCallInfo call, int argno);
extern void pgmq_call_input(FunctionCallInfo call, int argno, Oid type);
extern bool pgmq_call_ids(FunctionCallInfo call);

/* ---- untyped.c calls these verbs, for arguments without a type ---- */

extern PGDLLEXPORT Datum pgmq_send(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_delete(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_delete_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_archive(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_archive_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_fenced_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch_fenced_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_delay(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_error(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_dead_letter(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_dead_letter_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_unarchive(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_unarchive_batch(PG_FUNCTION_ARGS);

/* ---- arg.c: what common arguments mean ---- */

/* A message that an argument names, and what others say of it. */
typedef struct PgmqIdArg
{
	int64		msg_id;
	int32		read_ct;		/* the fence; 0 without one */
	int			place;			/* in the array */
}			PgmqIdArg;

extern PgmqArg pgmq_qty_arg(FunctionCallInfo fcinfo, int argno);
extern PgmqArg pgmq_fence_arg(FunctionCallInfo fcinfo, int argno);
extern PgmqIdArg * pgmq_id_arg(FunctionCallInfo fcinfo, int ct_argno, int *nids);
extern PgmqIdArg * pgmq_ids_arg(FunctionCallInfo fcinfo, int cts_argno, int *nids);
extern int	pgmq_ids_find(const PgmqIdArg * pairs, int nids, bool fenced,
						  int64 msg_id, int32 read_ct);
extern PgmqArg pgmq_int8_array(const int64 *values, int64 n);
extern PgmqArg pgmq_ids_array(const PgmqIdArg * pairs, int nids);
extern PgmqArg pgmq_after(TimestampTz now, PgmqArg seconds);
extern void pgmq_batch_validate(PgmqArg msgs, PgmqArg headers);

/* ---- queue.c: which queue is meant ---- */

/* What right to a queue a caller needs at least; the verbs': on a column. */
typedef enum PgmqNeed
{
	PGMQ_NEED_NOTHING,			/* for who takes no lock, or fails later */
	PGMQ_NEED_ANY,				/* any right to its messages */
	PGMQ_NEED_SELECT, PGMQ_NEED_INSERT, PGMQ_NEED_UPDATE, PGMQ_NEED_DELETE,
	PGMQ_NEED_TRIGGER, PGMQ_NEED_OWNER
}			PgmqNeed;

extern bool pgmq_name_fits(text *queue_name, char prefix, char *relname);
extern bool pgmq_name_is_valid(text *queue_name, char *relname);
extern void pgmq_name_format(text *queue_name, char prefix, char *relname);
extern void pgmq_name_validate(text *queue_name);
extern text *pgmq_name_arg(FunctionCallInfo fcinfo, int argno);
extern void pgmq_check_may_write(const char *command);
extern Oid	pgmq_queue_lock(char *relname, LOCKMODE lockmode, PgmqNeed need);
extern void pgmq_queue_open(PgmqQueue *queue, text *queue_name,
							LOCKMODE lockmode, PgmqNeed need,
							const char *command);
extern bool pgmq_queue_try_open(PgmqQueue *queue, text *queue_name,
								LOCKMODE lockmode);
pg_noreturn extern void pgmq_queue_missing(text *queue_name,
										   const char *relname);
extern const char *pgmq_queue_misfit(Oid relid, bool archive);
extern void pgmq_queue_check_shape(const PgmqQueue *queue);
extern bool pgmq_queue_may(Oid relid, PgmqNeed need);

/* ---- sequence.c: where a queue's ids come from ---- */

extern Oid	pgmq_queue_sequence(Oid relid);
extern int64 pgmq_queue_last_id(Oid relid);
extern Oid	pgmq_sequence_free(const PgmqQueue *queue);
extern void pgmq_sequence_drop(Oid sequence);

/* ---- role.c: acting by a table owner's rights ---- */

extern Oid	pgmq_role_owner(Oid relid);
extern PgmqRole pgmq_role_become_owner(Oid relid);
extern void pgmq_role_restore(PgmqRole saved);
extern void pgmq_role_check_triggers(Oid relid, int16 events);
extern const struct Trigger *pgmq_role_find_reference(Relation rel);
extern void pgmq_role_check_references(Oid relid);

/* ---- lock.c: locks on what a queue is about ---- */

/* What a lock is about; part of its tag, where users' locks have 1 or 2. */
typedef enum PgmqLockKind
{
	PGMQ_LOCK_GATE = 20807,
	PGMQ_LOCK_GROUP,
	PGMQ_LOCK_DEDUP_ID,
	PGMQ_LOCK_NAME
} PgmqLockKind;

/* Into how many locks of a kind a queue's groups or ids are hashed. */
#define PGMQ_LOCK_SET_SIZE	1024

/* A batch that would take more of a kind has the queue's gate to itself. */
#define PGMQ_LOCK_FEW		32

/* Which of them are wanted. */
typedef struct PgmqLockSet
{
	uint64		words[PGMQ_LOCK_SET_SIZE / 64];
} PgmqLockSet;

extern void pgmq_lock_name(const char *name);
extern void pgmq_lock_gate(const PgmqQueue *queue, LOCKMODE lockmode);
extern bool pgmq_lock_gate_many(const PgmqQueue *queue, bool many);
extern int	pgmq_lock_count(const PgmqLockSet *set);
extern void pgmq_lock_add(PgmqLockSet *set, uint32 hash);
extern void pgmq_lock_check_overdue(const ErrorData *error);
extern void pgmq_lock_check_cancel(ErrorData *error);
extern void pgmq_lock_all(const PgmqQueue *queue, PgmqLockKind kind,
						  const PgmqLockSet *set);

/* ---- header.c: what headers mean to a send ---- */

extern void pgmq_header_check_ttl(Jsonb *headers);
extern text *pgmq_header_dedup_id(Jsonb *headers);
extern uint32 pgmq_header_group_hash(Jsonb *headers);
extern void pgmq_header_warn(const PgmqQueue *queue, const PgmqPolicy * policy,
							 Jsonb *headers);

/* ---- rows.c: the result of a set-returning function ---- */

extern bool pgmq_set_first(FunctionCallInfo fcinfo);
extern Datum pgmq_set_end(FunctionCallInfo fcinfo);
extern Datum pgmq_set_value(FunctionCallInfo fcinfo, Datum value);
extern Datum pgmq_set_none(FunctionCallInfo fcinfo);
extern PgmqRows *pgmq_rows_begin(FunctionCallInfo fcinfo);
extern TupleDesc pgmq_rows_desc(const PgmqRows *rows);
extern void pgmq_rows_store(TupleTableSlot *slot, void *rows);
extern void pgmq_rows_test(PgmqRows *rows, PgmqRowTest test, void *state);
extern void pgmq_rows_sort(PgmqRows *rows);
extern void pgmq_rows_order(PgmqRows *rows, const int64 *ids, int64 nids);
extern int64 pgmq_rows_last_id(const PgmqRows *rows);
extern void pgmq_rows_put(PgmqRows *rows, const Datum *values,
						  const bool *isnull);
extern PgmqRows *pgmq_rows_unlabelled(const PgmqRows *labelled);
extern void pgmq_rows_move(PgmqRows *rows, PgmqRows *labelled, Datum label);

/* ---- exec.c: the only room that talks to SPI ---- */

extern uint64 pgmq_exec(const PgmqQueue *queue, PgmqStmtId id,
						const PgmqArg *args);
extern bool pgmq_exec_int8(const PgmqQueue *queue, PgmqStmtId id,
						   const PgmqArg *args, int64 *value);
extern void pgmq_exec_each(const PgmqQueue *queue, PgmqStmtId id,
						   const PgmqArg *args, PgmqRowFn fn, void *state);
extern uint64 pgmq_exec_rows(const PgmqQueue *queue, PgmqStmtId id,
							 const PgmqArg *args, PgmqRows *rows);

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

extern void pgmq_exec_inval(Datum arg, Oid relid);
extern void pgmq_exec_xact(XactEvent event, void *arg);

/* ---- error.c: what errors say ---- */

pg_noreturn extern void pgmq_error_rethrow(const char *sql, MemoryContext memory);

/* ---- guard.c: our statements are planned with index scans only ---- */

/* Marks them; the server's own options are the low bits. */
#define PGMQ_CURSOR_OPT_GUARDED	(1 << 30)

extern void pgmq_guard_init(void);

/* ---- meta.c: what pgmq.meta knows ---- */

extern text *pgmq_meta_name(text *queue_name);
extern text *pgmq_meta_key(const PgmqQueue *queue);
extern bool pgmq_meta_find(const PgmqQueue *queue, PgmqKind *kind);
extern void pgmq_meta_put(const PgmqQueue *queue, text *queue_name,
						  PgmqKind kind);
extern void pgmq_meta_forget(const PgmqQueue *queue);
extern List *pgmq_meta_names(void);

/* ---- each.c: one thing done with every queue ---- */

/* Does it with one; true if it did something, or has something to tell. */
typedef bool (*PgmqEachFn) (text *queue_name, void *state);

extern List *pgmq_each_names(PgmqNeed need);
extern bool pgmq_each_try(text *queue_name, PgmqEachFn fn, void *state, bool keep);

/* ---- policy.c: what a queue's policy is ---- */

/* A key that set_policy acts on, and that no policy has. */
#define PGMQ_POLICY_CREATE_KEY	"create_dead_letter_queue"

/*
 * The rest of a SELECT of a queue's row; $1 is the name of the queue's table.
 * Rows that come first of several, of different spellings, are the ones that
 * say most: versions before 1.2.0 left keys out of others.
 */
#define PGMQ_POLICY_ROWS \
	" FROM " PGMQ_SCHEMA ".policy WHERE policy IS NOT NULL AND " PGMQ_META_IS \
	" ORDER BY pg_catalog.length(policy::pg_catalog.text) DESC," \
	" queue_name::pg_catalog.text COLLATE pg_catalog.\"C\" DESC"

extern void pgmq_policy_parse(Jsonb *doc, PgmqPolicy * policy);
extern Oid	pgmq_policy_table(bool missing_ok);
extern const PgmqPolicy *pgmq_policy(const PgmqQueue *queue);
extern bool pgmq_policy_pauses(const PgmqQueue *queue, TimestampTz now);
extern TimestampTz pgmq_policy_paused_until(Oid relid);
extern void pgmq_policy_inval(Datum arg, Oid relid);
extern bool pgmq_policy_forget(const PgmqQueue *queue);
extern List *pgmq_policy_names(void);
extern List *pgmq_policy_names_dead(const PgmqQueue *queue);

/* ---- idtable.c: the tables that hold deduplication ids ---- */

/* A queue has so many, and their columns are these. */
#define PGMQ_IDTABLES	3
enum
{
	PGMQ_IDTABLE_ID = 1,
	PGMQ_IDTABLE_MSG_ID,
	PGMQ_IDTABLE_SENT_AT,
	PGMQ_IDTABLE_COLUMNS = PGMQ_IDTABLE_SENT_AT
};

extern void pgmq_idtable_name(const PgmqQueue *queue, int table, char *relname);
extern char *pgmq_idtable_quoted(const PgmqQueue *queue, int table);
extern void pgmq_idtable_check(const PgmqQueue *queue, Relation rel);
extern void pgmq_idtable_check_owner(const PgmqQueue *queue, Relation first,
									 Relation rel);
extern Relation pgmq_idtable_open(const PgmqQueue *queue, int table,
								  LOCKMODE lockmode, bool missing_ok);
extern void pgmq_idtable_create(const PgmqQueue *queue, int table);
extern void pgmq_idtable_drop(const PgmqQueue *queue, int table);

/* ---- dedup.c: which deduplication ids a queue has seen lately ---- */

/* No message of the window had the id. */
#define PGMQ_DEDUP_NEW		PG_INT64_MIN

extern int	pgmq_dedup_find(const PgmqQueue *queue, const PgmqPolicy * policy,
							Snapshot before, text **ids, int n, bool alone,
							int64 *msg_ids);
extern void pgmq_dedup_put(const PgmqQueue *queue, int table, text **ids,
						   const int64 *msg_ids, int n);
extern void pgmq_dedup_set(const PgmqQueue *queue, int32 old_window,
						   int32 window);
extern void pgmq_dedup_drop(const PgmqQueue *queue);
extern int64 pgmq_dedup_rotate(const PgmqQueue *queue,
							   const PgmqPolicy * policy);

/* ---- put.c: putting messages in, as the policy says ---- */

extern bool pgmq_put(const PgmqQueue *queue, PgmqArg vt, PgmqArg msg,
					 PgmqArg headers, int64 *id);
extern void pgmq_put_batch(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);
extern void pgmq_put_again(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);

/* ---- notify.c: LISTEN/NOTIFY ---- */

extern void pgmq_notify_xact(XactEvent event, void *arg);
extern void pgmq_notify_subxact(SubXactEvent event, SubTransactionId subid,
								SubTransactionId parent, void *arg);

/* ---- waiter.c: the lists of blocked readers, and whom to wake ---- */

/* So many queues can be waited for at once. */
#define PGMQ_MAX_WAITED		64

/* Whom to wake. */
typedef enum PgmqWake
{
	PGMQ_WAKE_ONE = 0,			/* one, for what becomes due */
	PGMQ_WAKE_GROUPED = 1 << 0, /* one that waits for a group's head to go */
	PGMQ_WAKE_ALL = 1 << 1
} PgmqWake;

extern Size pgmq_waiter_size(void);
extern void pgmq_waiter_init(void *memory, Size size, int tranche);
extern void pgmq_waiter_attach(void *memory);
extern void pgmq_waiter_wake(Oid relid, PgmqWake whom, TimestampTz due);
extern void pgmq_waiter_wake_database(void);
extern int	pgmq_waiter_count(Oid relid);
extern void pgmq_waiter_end(int first);
extern void pgmq_waiter_subabort(SubTransactionId subid);
extern void pgmq_waiter_drain(Oid relid);
extern void pgmq_waiter_drop(Oid relid);
extern void pgmq_waiter_undrain(void);

/* ---- poll.c: blocked readers ---- */

/* What a wait is like. */
typedef enum PgmqPollFlags
{
	PGMQ_POLL_GROUPED = 1 << 0, /* that a message is gone may make another
								 * readable */
	PGMQ_POLL_FREE = 1 << 1		/* it holds no lock and no snapshot between
								 * two attempts */
} PgmqPollFlags;

extern void pgmq_poll(const PgmqQueue *queues, int nqueues, int flags,
					  PgmqTakeFn take, void *state,
					  PgmqArg max_seconds, PgmqArg interval_ms);

/* ---- ddl.c: statements that change what a queue is ---- */

extern void pgmq_ddl_init(void);

/* ---- layout.c: what a queue is made of ---- */

extern char *pgmq_layout_name(const char *prefix, const char *base,
							  const char *suffix);
extern PgmqKind pgmq_layout_kind(Oid relid);
extern bool pgmq_layout_draws_ids(Oid relid);
extern bool pgmq_layout_begin(PgmqQueue *queue, text *queue_name, PgmqKind kind);
extern void pgmq_layout_finish(const PgmqQueue *queue, text *queue_name,
							   PgmqKind kind);
extern void pgmq_layout_create_queue(const char *base, PgmqKind kind);
extern void pgmq_layout_create_queue_partitioned(const char *base,
												 const char *column);
extern void pgmq_layout_create_archive(const char *base, const char *column);
extern Oid	pgmq_layout_group_index(const PgmqQueue *queue);
extern bool pgmq_layout_create_fifo_index(const PgmqQueue *queue);
extern void pgmq_layout_set_storage(const char *table);
extern void pgmq_layout_grant_archive(const char *base);

/* How a queue table is stored; layout.c says why. */
#define PGMQ_QUEUE_OPTIONS \
	"fillfactor=50, toast_tuple_target=128," \
	" autovacuum_vacuum_threshold=1000," \
	" autovacuum_vacuum_scale_factor=0.02," \
	" autovacuum_vacuum_cost_delay=1," \
	" autovacuum_analyze_threshold=100000," \
	" autovacuum_analyze_scale_factor=1"
#define PGMQ_QUEUE_TOAST_OPTIONS \
	"toast.autovacuum_vacuum_threshold=1000," \
	" toast.autovacuum_vacuum_scale_factor=0.02," \
	" toast.autovacuum_vacuum_cost_delay=1"

/* ---- partman.c: the only room that knows pg_partman ---- */

extern void pgmq_partman_require(void);
extern void pgmq_partman_manage(const char *relname, const PgmqPartitions *plan);
extern char *pgmq_partman_template(const char *relname);
extern void pgmq_partman_forget(const char *relname);

/* ---- stmt.c: every hot SQL text ---- */

extern const PgmqStmt pgmq_stmts[PGMQ_NUM_STMTS];

/* The FIFO group of a message, as SQL; what create_fifo_index indexes. */
#define PGMQ_GROUP_SQL \
	"(COALESCE(headers OPERATOR(pg_catalog.->>) '" PGMQ_HEADER_GROUP "'::pg_catalog.text," \
	" '" PGMQ_DEFAULT_GROUP "'::pg_catalog.text) COLLATE pg_catalog.\"C\")"

#endif							/* PGMQ_H */
