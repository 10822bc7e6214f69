/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  What a queue does about messages: its policy, putting messages in,
 *	  deduplication, expiry and dead letters, moving, maintenance.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/policy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_POLICY_H
#define PGMQ_POLICY_H

#include "utils/hsearch.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"

/* The treatment of messages that expired. */
#define PGMQ_EXPIRED_DROP			1
#define PGMQ_EXPIRED_DEAD_LETTER	2

/* The messages that a stream keeps. */
#define PGMQ_RETENTION_LIMITS		1
#define PGMQ_RETENTION_CONSUMED		2

/* How the delay of a nack grows with the number of reads. */
#define PGMQ_BACKOFF_FIXED			1
#define PGMQ_BACKOFF_LINEAR			2
#define PGMQ_BACKOFF_EXPONENTIAL	3

/* The treatment of messages that are too many. */
#define PGMQ_OVERFLOW_ERROR			1
#define PGMQ_OVERFLOW_DROP_OLDEST	2

/* A queue's policy; 0, false and "" stand for none.  Times are in seconds. */
typedef struct PgmqPolicy
{
	int32		max_reads;		/* a message is delivered at most this often;
								 * then it goes to the dead-letter queue */
	char		dead_letter[NAMEDATALEN];	/* table of the dead-letter queue */
	Oid			dead_letter_owner;	/* its owner when it was named */
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
	bool		priorities;		/* header x-pgmq-priority is read; priority.c */
	int			retention;		/* of a stream, and its limits: */
	double		retention_age;
	double		retention_count;
	double		retention_bytes;
	int32		max_length;		/* so many messages can be in the queue, */
	int64		max_bytes;		/* and so many bytes */
	int			overflow;
	int32		max_in_flight;	/* reads stop when so many messages are leased */
	double		rate;			/* reads return so many messages a second, */
	int32		burst;			/* and so many at once after a rest */
	char		limit_by[NAMEDATALEN];	/* the header whose values the rest is
										 * for */
	int32		max_in_flight_each;
	double		rate_each;
	int32		burst_each;
	bool		fair;			/* values with much in flight come last */
	TimestampTz paused_until;	/* reads return nothing before */
} PgmqPolicy;

/* A row of pgmq.policy, not checked; see pgmq_policy_rows. */
typedef struct PgmqPolicyRow
{
	text	   *queue_name;
	Jsonb	   *policy;
	TimestampTz paused_until;	/* DT_NOBEGIN: it is not paused */
	bool		has_owner;		/* the table notes owners */
	text	   *owner;			/* of the dead-letter queue when it was named,
								 * or NULL */
} PgmqPolicyRow;

/* Gets the id of a message that was sent. */
typedef void (*PgmqIdFn) (int64 id, void *state);

/* ---- worker.c, maintain.c: what policies want done when nobody reads ---- */
extern int	pgmq_maintain_time_limit;
extern void pgmq_worker_init(void);
extern bool pgmq_maintain_all(bool may_commit, bool may_report, bool worker);

/* ---- suspect.c: what outlives the session that maintained ---- */
/* The treatment of a queue, by what is known of it and its owner. */
typedef enum PgmqSuspicion
{
	PGMQ_SUSPECT_NO,
	PGMQ_SUSPECT_LAST,			/* its turn comes after all others' */
	PGMQ_SUSPECT_WAITS			/* it is left out */
} PgmqSuspicion;

extern void pgmq_suspect_init(void);
extern bool pgmq_suspect_hold(Oid relid, Oid owner);
extern void pgmq_suspect_release(bool done);
extern void pgmq_suspect_note(int code, Datum arg);
extern PgmqSuspicion pgmq_suspect_look(Oid relid, Oid owner, TimestampTz *until, bool *told);
extern uint32 pgmq_suspect_failures(int worker);
extern void pgmq_suspect_set_failures(int worker, uint32 failures);

extern TimestampTz pgmq_suspect_until(Oid relid);

/* ---- runs.c: what maintenance last did ---- */
typedef struct PgmqRun
{
	TimestampTz begun;			/* 0: no run has come to an end */
	int64		usecs;			/* how long it took, without rests */
	int64		rows;			/* messages and archived messages that it
								 * removed */
	bool		more;			/* there may be more to do */
	TimestampTz failed;			/* the last error; 0: none */
} PgmqRun;

extern Size pgmq_run_size(void);
extern void pgmq_run_init(void *memory, Size size, int tranche);
extern void pgmq_run_attach(void *memory);
extern void pgmq_run_end(Oid relid, const PgmqRun *run);
extern void pgmq_run_fail(Oid relid, const char *message);
extern bool pgmq_run_look(Oid relid, PgmqRun *run, char **message);
extern TimestampTz pgmq_run_since(bool *complete);

/* ---- headers.c: what headers mean to a send ---- */
extern void pgmq_header_check_ttl(Jsonb *headers);
extern void pgmq_header_check_priority(Jsonb *headers);
extern text *pgmq_header_dedup_id(Jsonb *headers);
extern uint32 pgmq_header_group_hash(Jsonb *headers);
extern int64 pgmq_header_value_hash(Jsonb *headers, const char *name);
extern void pgmq_header_warn(const PgmqQueue *queue, const PgmqPolicy *policy,
							 Jsonb *headers);

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

extern void pgmq_policy_parse(Jsonb *doc, PgmqPolicy *policy);
extern void pgmq_policy_check_kind(const PgmqQueue *queue, PgmqStreamKind kind,
								   const PgmqPolicy *policy);
extern Oid	pgmq_policy_table(bool missing_ok);
extern void *pgmq_policy_remember(HTAB **hash, const char *name, Size entrysize,
								  long max, Oid relid, bool *found);
extern uint64 pgmq_policy_invals(void);
extern const PgmqPolicy *pgmq_policy(const PgmqQueue *queue);
extern bool pgmq_policy_pauses(const PgmqPolicy *policy, TimestampTz now);
extern bool pgmq_policy_pauses_stream(Oid relid, TimestampTz now);
extern TimestampTz pgmq_policy_paused_until(Oid relid);
extern void pgmq_policy_limit(Oid relid, TimestampTz until);
extern TimestampTz pgmq_policy_limited_until(Oid relid);
extern void pgmq_policy_inval(Datum arg, Oid relid);
extern bool pgmq_policy_is_referenced(void);
extern bool pgmq_policy_forget(const PgmqQueue *queue);
extern List *pgmq_policy_names(void);
extern List *pgmq_policy_rows(void);
extern JsonbValue *pgmq_policy_value(Jsonb *policy, const char *key);
extern bool pgmq_policy_is_maintained(Jsonb *policy);
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
extern void pgmq_idtable_open_all(const PgmqQueue *queue, int current, Relation *rels);
extern void pgmq_idtable_create(const PgmqQueue *queue, int table);
extern void pgmq_idtable_drop(const PgmqQueue *queue, int table);

/* ---- dedup.c: which deduplication ids a queue has seen lately ---- */
/* No message of the window had the id. */
#define PGMQ_DEDUP_NEW		PG_INT64_MIN

/* The result of a look for ids, for storing the new ones. */
typedef struct PgmqDedup
{
	Relation	rel;			/* the current table, open and locked */
	ItemPointerData *rows;		/* where each id is in it, if it is */
	uint64		puts;			/* to see whether that may have changed .. */
	uint64		invals;			/* .. and whether the table may have */
} PgmqDedup;

extern void pgmq_dedup_find(const PgmqQueue *queue, const PgmqPolicy *policy,
							Snapshot before, text **ids, int n, bool alone,
							int64 *msg_ids, PgmqDedup *dedup);
extern void pgmq_dedup_put(const PgmqQueue *queue, PgmqDedup *dedup, text **ids,
						   const int64 *msg_ids, int n);
extern void pgmq_dedup_end(PgmqDedup *dedup);
extern void pgmq_dedup_set(const PgmqQueue *queue, int32 old_window,
						   int32 window);
extern void pgmq_dedup_drop(const PgmqQueue *queue);
extern int64 pgmq_dedup_rotate(const PgmqQueue *queue,
							   const PgmqPolicy *policy);

/*
 * ---- enqueue.c: putting messages in, as the policy says ----
 *
 * The queue must have been opened with PGMQ_NEED_INSERT: a caller that may not
 * send must not learn which deduplication ids were sent.
 */
extern bool pgmq_put(const PgmqQueue *queue, PgmqArg vt, PgmqArg msg,
					 PgmqArg headers, int64 *id);
extern void pgmq_put_batch(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);
extern void pgmq_put_again(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);

/* Messages that live longer (seconds) live so long. */
#define PGMQ_TTL_MAX			3000000000.0

/* The arguments of a statement that has the rule about dead messages. */
#define PGMQ_DEAD_ARGS			3

/* A message that is moved or deleted. */
typedef struct PgmqMoved
{
	int64		msg_id;
	int32		read_ct;		/* how often it was delivered */
	text	   *reason;			/* NULL: none, or it is to be deleted */
} PgmqMoved;

/* Halving ends after so many errors; by then it has found at least 5 messages. */
#define PGMQ_REFUSALS_MAX		64

/* The outcome for messages that could not be moved or deleted all at once. */
typedef struct PgmqRefusal
{
	ErrorData  *error;			/* the first one */
	int			nerrors;
	int64		ids[PGMQ_REFUSALS_MAX]; /* the messages that were refused */
	int			n;
	int			done;			/* how many were moved or deleted */
	bool		gave_up;		/* others may not have been tried */
} PgmqRefusal;

/* Moves or deletes n messages, or raises an error. */
typedef void (*PgmqMoveFn) (void *state, PgmqMoved *dead, int n);

/* The dead messages that a read met and disposes of. */
typedef struct PgmqDisposal
{
	const PgmqQueue *queue;
	PgmqPolicy	policy;
	MemoryContext context;
	text	   *over;			/* the reason for over-read messages */
	text	   *expired;		/* and for expired ones; NULL: delete them */
	TimestampTz now;
	bool		passing;		/* use statements that pass dead messages over */
	bool		movable;		/* the reader can send to the dead-letter
								 * queue */
	bool		puts_off;		/* it is known that nobody can: put off what
								 * is met */
	int64		lo;				/* where the first attempt looks for others, */
	int64		hi;				/* up to here */
	int			disposed;		/* how many, so far */
	PgmqMoved  *dead;
	int			n;
	int			max;
	bool		sorted;			/* dead is, by msg_id */
	bool		by_priority;	/* the order is by keys */
	int64		last;			/* the largest id, or key, among all rows
								 * tested */
} PgmqDisposal;

/*
 * ---- disposal.c: expired and over-read messages ----
 *
 * A read begins a disposal, reads by statements whose rows are tested, and runs
 * the disposal when there are any dead messages among them; or it disposes ahead
 * and then uses statements that pass dead messages over.  All but _begin need a
 * ROW EXCLUSIVE lock on the queue.  A failure is a WARNING, not an error; errors
 * that say nothing about the queues are raised.  Memory: the context of _begin.
 */
extern bool pgmq_disposal_begin(PgmqDisposal *disposal, const PgmqQueue *queue,
								const PgmqPolicy *policy);
extern void pgmq_disposal_test(PgmqDisposal *disposal, TimestampTz now, PgmqRows *rows);
extern bool pgmq_disposal_has(PgmqDisposal *disposal, int64 msg_id);
extern void pgmq_disposal_args(const PgmqDisposal *disposal, PgmqArg args[PGMQ_DEAD_ARGS]);
extern void pgmq_disposal_run(PgmqDisposal *disposal, int64 hi);
extern void pgmq_disposal_ahead(PgmqDisposal *disposal, TimestampTz now,
								int64 lo, int64 hi, int64 qty);
extern bool pgmq_disposal_sweep(const PgmqQueue *queue, const PgmqPolicy *policy,
								int64 *from, int64 limit, int64 *rows);
extern void pgmq_disposal_inval(Datum arg, Oid relid);

/* ---- limits.c, limit_*.c: limits; limits.h has what they share ---- */
extern void pgmq_limits_setting(void);
extern Size pgmq_limits_size(void);
extern void pgmq_limits_init(void *memory, Size size, int tranche);
extern void pgmq_limits_attach(void *memory);
extern void pgmq_limits_hook(void);
extern char *pgmq_limits_value_sql(const PgmqQueue *queue);
extern void pgmq_limits_set(const PgmqQueue *queue, const PgmqPolicy *old, const PgmqPolicy *policy);

/* A read of a queue, whose policy may limit it. */
typedef struct PgmqLimitedRead
{
	Oid			relid;
	struct PgmqLimitNote *note; /* the places and tokens it has taken; NULL:
								 * none */
	TimestampTz until;			/* values were refused until then, at the
								 * latest */
	TimestampTz next;			/* when a token comes, if it took the last one */
} PgmqLimitedRead;

/* The counts of a queue with limits, as of commits. */
typedef struct PgmqLimitsLook
{
	int64		length;
	int64		bytes;
	int			in_flight;
	TimestampTz denied_at;		/* when a read got less than it wanted, or 0 */
} PgmqLimitsLook;

extern bool pgmq_limits_look(Oid relid, PgmqLimitsLook *look);

/* Whether a policy, or NULL, limits reads by the values of a header. */
static inline bool
pgmq_limits_by_value(const PgmqPolicy *policy)
{
	return policy != NULL &&
		(policy->max_in_flight_each > 0 || policy->rate_each > 0 || policy->fair);
}

/*
 * A read asks how many messages it may return, and says how many it did; an
 * error ends it as well.  It must not begin to wait in between.  now is the time by
 * which it takes messages: a lease that has not ended by then keeps its place.
 */
extern int64 pgmq_limits_read_begin(PgmqLimitedRead *read, const PgmqQueue *queue,
									const PgmqPolicy *policy, TimestampTz now, int64 qty,
									bool leases);
extern void pgmq_limits_read_end(PgmqLimitedRead *read, int64 count);
extern int64 pgmq_limits_value_begin(PgmqLimitedRead *read, const PgmqPolicy *policy, TimestampTz now,
									 int64 value, int64 qty, bool quiet);
extern void pgmq_limits_value_end(PgmqLimitedRead *read, int64 value, int64 count);
extern int64 pgmq_limits_turn(Oid relid);
extern void pgmq_limits_set_turn(Oid relid, int64 value);
extern void pgmq_limits_wait(Oid relid);
extern bool pgmq_limits_allow(const PgmqQueue *queue, const PgmqPolicy *policy);

/* While it is true, leases that are changed end: messages are given back. */
extern bool pgmq_limits_gives_back;
extern void pgmq_limits_xact(XactEvent event, void *arg);
extern void pgmq_limits_subxact(SubXactEvent event, SubTransactionId subid,
								SubTransactionId parent, void *arg);

/* ---- move.c: moving messages from queue to queue ---- */
extern PgmqArg pgmq_move_ids(const PgmqMoved *dead, int n);
extern void pgmq_move_check(const PgmqQueue *queue, uint64 count, int n);
extern void pgmq_move_open_dead(const PgmqQueue *queue, const PgmqPolicy *policy,
								bool wait, PgmqQueue *dead);
extern void pgmq_move_dead(const PgmqQueue *queue, const PgmqQueue *to,
						   const PgmqMoved *dead, int n);
extern void pgmq_move(const PgmqQueue *from, const PgmqQueue *to,
					  const char *headers, const PgmqMoved *dead,
					  int n, TimestampTz vt, double spacing);
extern ErrorData *pgmq_move_try(PgmqMoveFn fn, void *state, bool wait,
								PgmqMoved *dead, int n);
extern void pgmq_move_parts(PgmqMoveFn fn, void *state, bool wait,
							PgmqMoved *dead, int n, PgmqRefusal *refusal);

#endif							/* PGMQ_POLICY_H */
