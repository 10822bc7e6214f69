/*-------------------------------------------------------------------------
 *
 * common.h
 *	  What all folders use: names of queues, opening a queue (lock and rights),
 *	  common arguments, roles, subtransactions, and shared memory.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/common.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_COMMON_H
#define PGMQ_COMMON_H

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "storage/lockdefs.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/relcache.h"
#include "utils/resowner.h"

#include "common/compat.h"

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
 * Special due times.  PGMQ_DUE_NOW means unknown, PGMQ_DUE_NEVER that nothing is
 * there, and PGMQ_DUE_MAYBE that an open transaction has seen nothing there.
 * PGMQ_DUE_LAST stands for what is there but never becomes readable.
 */
#define PGMQ_DUE_NOW		PG_INT64_MIN
#define PGMQ_DUE_NEVER		PG_INT64_MAX
#define PGMQ_DUE_MAYBE		(PGMQ_DUE_NEVER - 1)
#define PGMQ_DUE_LAST		(PGMQ_DUE_NEVER - 2)

/*
 * Picks a queue's row by its column queue_name, in whichever case it was given;
 * $1 is the name of the queue's table, which was folded by the same rule.
 */
#define PGMQ_META_IS \
	"pg_catalog.lower('q_'::pg_catalog.text OPERATOR(pg_catalog.||)" \
	" queue_name::pg_catalog.text) OPERATOR(pg_catalog.=) $1"

#define PGMQ_HEADER_TTL			"x-pgmq-ttl"
#define PGMQ_HEADER_DEDUP_ID	"x-pgmq-dedup-id"
#define PGMQ_HEADER_GROUP		"x-pgmq-group"
#define PGMQ_HEADER_ERROR		"x-pgmq-error"
#define PGMQ_HEADER_PRIORITY	"x-pgmq-priority"
#define PGMQ_HEADER_ROUTING_KEY	"x-pgmq-routing-key"

/* Headers that are no object become this member of one. */
#define PGMQ_HEADER_HEADERS		"x-pgmq-headers"

/* Find a header; false if there is none, as in headers that are NULL or no object. */
static inline bool
pgmq_header_find(Jsonb *headers, const char *name, JsonbValue *value)
{
	return headers != NULL && JB_ROOT_IS_OBJECT(headers) &&
		getKeyJsonValueFromContainer(&headers->root, name, strlen(name), value) != NULL;
}

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

/* The role that pgmq_role_restore goes back to. */
typedef struct PgmqRole
{
	Oid			roleid;
	int			context;
} PgmqRole;

/* The part of a queue's relation names that is the queue's own. */
#define PGMQ_QUEUE_BASE(queue)	((queue)->relname + 2)

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

/* ---- arguments.c: what common arguments mean ---- */
/* A message that an argument names, with its fence and its place there. */
typedef struct PgmqIdArg
{
	int64		msg_id;
	int32		read_ct;		/* the fence; 0 without one */
	int			place;			/* in the array */
} PgmqIdArg;

/* Takes one option of an argument that is a JSON object. */
typedef void (*PgmqOptionFn) (const char *option, const JsonbValue *value, void *state);

extern void pgmq_options_arg(FunctionCallInfo fcinfo, int argno, PgmqOptionFn fn, void *state);
pg_noreturn extern void pgmq_option_invalid(const char *option, const char *must);
extern PgmqArg pgmq_qty_arg(FunctionCallInfo fcinfo, int argno);
extern PgmqArg pgmq_fence_arg(FunctionCallInfo fcinfo, int argno);
extern PgmqIdArg *pgmq_id_arg(FunctionCallInfo fcinfo, int ct_argno, int *nids);
extern PgmqIdArg *pgmq_ids_arg(FunctionCallInfo fcinfo, int cts_argno, int *nids);
extern int	pgmq_ids_find(const PgmqIdArg *pairs, int nids, bool fenced,
						  int64 msg_id, int32 read_ct);
extern PgmqArg pgmq_int8_array(const int64 *values, int64 n);
extern PgmqArg pgmq_ids_array(const PgmqIdArg *pairs, int nids);
extern PgmqArg pgmq_after(TimestampTz now, PgmqArg seconds);
extern PgmqArg pgmq_from_now(PgmqArg seconds);
extern void pgmq_batch_validate(PgmqArg msgs, PgmqArg headers);

/* ---- queue.c: names of queues, and opening one ---- */
/*
 * The least right to a queue's table that a caller must have.  SELECT, INSERT,
 * UPDATE and DELETE may also be held on one of its columns only.
 */
typedef enum PgmqNeed
{
	PGMQ_NEED_NOTHING,			/* no lock is taken, or a later check fails */
	PGMQ_NEED_ANY,				/* any right to its messages */
	PGMQ_NEED_SELECT, PGMQ_NEED_INSERT, PGMQ_NEED_UPDATE, PGMQ_NEED_DELETE,
	PGMQ_NEED_TRIGGER, PGMQ_NEED_OWNER
} PgmqNeed;

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
extern void pgmq_queue_check_right(Oid relid, const char *relname, PgmqNeed need);
extern bool pgmq_queue_may_all(Oid relid, AclMode mode,
							   const char *const *columns, int ncolumns);

/* ---- last_id.c: the sequence of a queue's ids; InvalidOid for none ---- */
extern Oid	pgmq_queue_sequence(Oid relid);
extern Relation pgmq_open_now(Oid relid);
extern bool pgmq_sequence_may_know(Oid relid, Oid sequence, bool *may_read);
extern bool pgmq_sequence_look(Oid relid, int64 *last);

/* ---- archive.c: which table is the archive of a queue ---- */
extern bool pgmq_archive_may_own(Oid archive_owner, Oid queue_owner);
extern bool pgmq_archive_is_own(const PgmqQueue *queue, Oid archive);
extern Oid	pgmq_archive_known(const PgmqQueue *queue);
extern void pgmq_archive_check(const PgmqQueue *queue, Oid archive);
extern bool pgmq_archive_check_may(text *queue_name, PgmqNeed need);
extern Oid	pgmq_archive_find(const PgmqQueue *queue, LOCKMODE lockmode,
							  PgmqNeed need, bool wait);
extern Oid	pgmq_archive_open(const PgmqQueue *queue, LOCKMODE lockmode,
							  PgmqNeed need);

/*
 * ---- role.c: acting with a table owner's rights ----
 *
 * Check the table's triggers and references, under its lock, before becoming its
 * owner.  An error restores the role with the transaction.
 */
extern Oid	pgmq_role_find_owner(Oid relid);
extern Oid	pgmq_role_owner(Oid relid);
extern PgmqRole pgmq_role_become_owner(Oid relid);
extern PgmqRole pgmq_role_become_counter(Oid relid);
extern void pgmq_role_restore(PgmqRole saved);
extern Oid	pgmq_role_find_function(Oid relid, const char *name);
extern const struct Trigger *pgmq_role_find_trigger(Relation rel, int16 events, bool ours);
extern void pgmq_role_check_triggers(Oid relid, int16 events, bool ours);
extern const struct Trigger *pgmq_role_find_reference(Relation rel);
extern void pgmq_role_check_references(Oid relid);

/* ---- lock.c: locks on a queue's name, dedup ids and groups ---- */
/* The kinds of locks; part of their tags, where users' locks have 1 or 2. */
typedef enum PgmqLockKind
{
	PGMQ_LOCK_DEDUP = 20807,
	PGMQ_LOCK_GROUP,
	PGMQ_LOCK_DEDUP_ID,
	PGMQ_LOCK_NAME,
	PGMQ_LOCK_BLOCK,
	PGMQ_LOCK_FOLD,
	PGMQ_LOCK_LIMITS
} PgmqLockKind;

/* Into how many locks of a kind a queue's groups or ids are hashed. */
#define PGMQ_LOCK_SET_SIZE	1024

/*
 * A batch that would take more locks of a kind than this takes the queue's
 * dedup lock exclusively, and none of them.
 */
#define PGMQ_LOCK_FEW		32

/* The locks of a kind that are to be taken, a bit for each. */
typedef struct PgmqLockSet
{
	uint64		words[PGMQ_LOCK_SET_SIZE / 64];
} PgmqLockSet;

extern void pgmq_lock_name(const char *name);
extern bool pgmq_lock_block(const PgmqQueue *queue, int64 blk, bool wait);
extern bool pgmq_lock_fold(const PgmqQueue *queue);
extern void pgmq_lock_dedup(const PgmqQueue *queue, LOCKMODE lockmode);
extern void pgmq_lock_limits(const PgmqQueue *queue);
extern void pgmq_unlock_limits(const PgmqQueue *queue);
extern bool pgmq_lock_dedup_many(const PgmqQueue *queue, bool many);
extern int	pgmq_lock_count(const PgmqLockSet *set);
extern void pgmq_lock_add(PgmqLockSet *set, uint32 hash);
extern void pgmq_lock_all(const PgmqQueue *queue, PgmqLockKind kind,
						  const PgmqLockSet *set);

/* ---- priority.c: the priorities of messages, and the order that they make ---- */
/* The trigger function on every queue table, and what its trigger must fire for. */
#define PGMQ_ANNOUNCE_FUNCTION	"_announce"
#define PGMQ_ANNOUNCE_EVENTS	(TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE)

#define PGMQ_PRIORITY_MAX		9

/* A key has as many bits for the id: a million ids a second last 35 years. */
#define PGMQ_KEY_ID_BITS		50
#define PGMQ_KEY_ID_MAX			((INT64CONST(1) << PGMQ_KEY_ID_BITS) - 1)

/* The id of a key that is not negative. */
#define PGMQ_KEY_ID(key)		((key) & PGMQ_KEY_ID_MAX)

/* The key of a message of a queue with priorities, as SQL; what its index has. */
#define PGMQ_KEY_SQL			PGMQ_SCHEMA "._priority_key(headers, msg_id)"

extern bool pgmq_priority_is_valid(Numeric number);
extern int64 pgmq_priority_key(Datum headers, bool isnull, int64 id);
extern int64 pgmq_priority_row_key(TupleTableSlot *slot);
extern int64 pgmq_row_key(TupleTableSlot *slot, bool priorities);
extern bool pgmq_priority_is_on(Oid queue);

/* ---- subxact.c: a call in a subtransaction, whose errors are caught ---- */
/* Returns true if what it did is to stay. */
typedef bool (*PgmqTryFn) (void *state);

extern ErrorData *pgmq_try(PgmqTryFn fn, void *state);

/* ---- topic_pattern.c: routing keys and patterns ---- */

/* Raise one of PGMQ's own errors (P0001). */
#define PGMQ_TOPIC_ERROR(...) \
	ereport(ERROR, (errcode(ERRCODE_RAISE_EXCEPTION), errmsg(__VA_ARGS__)))

/* How a pattern is matched; see topic_pattern.c. */
typedef enum PgmqTopicKind
{
	PGMQ_TOPIC_PGMQ,
	PGMQ_TOPIC_AMQP,
	PGMQ_TOPIC_HEADERS,
	PGMQ_TOPIC_ALTERNATE
} PgmqTopicKind;

extern text *pgmq_topic_nonempty_arg(FunctionCallInfo fcinfo, int argno, const char *what);
extern text *pgmq_topic_key_arg(FunctionCallInfo fcinfo, int argno);
extern text *pgmq_topic_pattern_arg(FunctionCallInfo fcinfo, int argno);
extern text *pgmq_topic_check_pattern(text *given);
extern text *pgmq_topic_stored_arg(FunctionCallInfo fcinfo, int argno);
extern PgmqTopicKind pgmq_topic_kind(text *pattern, text **rest);
extern bool pgmq_topic_takes(text *pattern, text *key, Jsonb *const *headers, int n,
							 bool *takes);
extern bool pgmq_topic_takes_stored(text *pattern, Jsonb *headers);
extern Jsonb *pgmq_topic_add_key(Jsonb *headers, text *key);

/* ---- shmem.c: the one piece of shared memory ---- */
/*
 * A part of the shared memory.  size returns how many bytes it takes; where it
 * is NULL the part takes one of so many shares of what is left for it and the
 * parts after it.  init fills the memory once per server, attach makes it known
 * to a backend.  Neither may raise an error.
 */
typedef struct PgmqShmemPart
{
	Size		(*size) (void);
	int			shares;
	void		(*init) (void *memory, Size size, int tranche);
	void		(*attach) (void *memory);
} PgmqShmemPart;

/*
 * attach gets the memory if it can be had, and may raise an error; usable says
 * whether reads may go by it.  retry is for callbacks.
 */
extern void pgmq_shmem_init(const PgmqShmemPart *parts, int nparts);
extern bool pgmq_shmem_too_late(const char *setting, GucSource source, bool *told);
extern bool pgmq_shmem_attach(void);
extern bool pgmq_shmem_usable(void);
extern void pgmq_shmem_retry(void);

#endif							/* PGMQ_COMMON_H */
