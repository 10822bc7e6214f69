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

#include "common/common.h"
#include "spi/spi.h"

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
} PgmqPolicy;

/* Gets the id of a message that was sent. */
typedef void (*PgmqIdFn) (int64 id, void *state);

/* ---- worker.c, maintain.c: what policies want done when nobody reads ---- */
extern int	pgmq_maintain_time_limit;
extern void pgmq_worker_init(void);
extern bool pgmq_maintain_all(bool may_commit, bool may_report, bool worker);

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

/* ---- headers.c: what headers mean to a send ---- */
extern void pgmq_header_check_ttl(Jsonb *headers);
extern text *pgmq_header_dedup_id(Jsonb *headers);
extern uint32 pgmq_header_group_hash(Jsonb *headers);
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

extern int	pgmq_dedup_find(const PgmqQueue *queue, const PgmqPolicy *policy,
							Snapshot before, text **ids, int n, bool alone,
							int64 *msg_ids);
extern void pgmq_dedup_put(const PgmqQueue *queue, int table, text **ids,
						   const int64 *msg_ids, int n);
extern void pgmq_dedup_set(const PgmqQueue *queue, int32 old_window,
						   int32 window);
extern void pgmq_dedup_drop(const PgmqQueue *queue);
extern int64 pgmq_dedup_rotate(const PgmqQueue *queue,
							   const PgmqPolicy *policy);

/* ---- enqueue.c: putting messages in, as the policy says ---- */
extern bool pgmq_put(const PgmqQueue *queue, PgmqArg vt, PgmqArg msg,
					 PgmqArg headers, int64 *id);
extern void pgmq_put_batch(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);
extern void pgmq_put_again(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
						   PgmqArg headers, PgmqIdFn fn, void *state);

/* Messages that live longer (seconds) live so long. */
#define PGMQ_TTL_MAX			3000000000.0

/* The arguments of a statement that knows what is spent. */
#define PGMQ_SPENT_ARGS			3

/* A message that is to go elsewhere. */
typedef struct PgmqDead
{
	int64		msg_id;
	int32		read_ct;		/* how often somebody got it */
	text	   *reason;			/* NULL: none, or it is to be dropped */
} PgmqDead;

/* Halving ends after so many errors: at least that many / 12 were found. */
#define PGMQ_REFUSALS_MAX		64

/* What became of messages that could not be moved or dropped all at once. */
typedef struct PgmqRefusal
{
	ErrorData  *error;			/* why the first of them */
	int			nerrors;
	int64		ids[PGMQ_REFUSALS_MAX]; /* those that were refused */
	int			n;
	int			done;			/* so many went */
	bool		gave_up;		/* there may be others */
} PgmqRefusal;

/* Moves or drops n messages, or raises an error. */
typedef void (*PgmqMoveFn) (void *state, PgmqDead *dead, int n);

/* A read, and the messages it met that nobody is to have. */
typedef struct PgmqScreen
{
	const PgmqQueue *queue;
	PgmqPolicy	policy;
	MemoryContext context;
	text	   *over;			/* the reasons */
	text	   *expired;		/* NULL: drop it */
	TimestampTz now;
	bool		passing;		/* use statements that pass them over */
	bool		movable;		/* there is where to, for who reads */
	bool		stuck;			/* there is not, and it is known */
	int64		lo;				/* where the first attempt looks for others, */
	int64		hi;				/* up to here */
	int			disposed;		/* how many, so far */
	PgmqDead   *dead;
	int			n;
	int			max;
	bool		sorted;			/* dead is, by msg_id */
	int64		last;			/* the largest id among all rows tested */
} PgmqScreen;

/* ---- dead.c ---- */
extern bool pgmq_screen_begin(PgmqScreen *screen, const PgmqQueue *queue);
extern void pgmq_screen_rows(PgmqScreen *screen, TimestampTz now, PgmqRows *rows);
extern bool pgmq_screen_has(PgmqScreen *screen, int64 msg_id);
extern void pgmq_screen_args(const PgmqScreen *screen, PgmqArg args[PGMQ_SPENT_ARGS]);
extern void pgmq_screen_dispose(PgmqScreen *screen, int64 hi);
extern void pgmq_screen_ahead(PgmqScreen *screen, TimestampTz now,
							  int64 lo, int64 hi, int64 qty);
extern bool pgmq_screen_sweep(const PgmqQueue *queue, int64 *from, int64 limit);
extern void pgmq_dead_inval(Datum arg, Oid relid);

/* ---- move.c ---- */
extern PgmqArg pgmq_dead_ids(const PgmqDead *dead, int n);
extern void pgmq_dead_removed(const PgmqQueue *queue, uint64 count, int n);
extern void pgmq_dead_open(const PgmqQueue *queue, const PgmqPolicy *policy,
						   bool wait, PgmqQueue *dead);
extern void pgmq_dead_put(const PgmqQueue *queue, const PgmqQueue *to,
						  const PgmqDead *dead, int n);
extern void pgmq_dead_transfer(const PgmqQueue *from, const PgmqQueue *to,
							   const char *headers, const PgmqDead *dead,
							   int n, TimestampTz vt, double spacing);
extern ErrorData *pgmq_move_try(PgmqMoveFn fn, void *state, bool wait,
								PgmqDead *dead, int n);
extern void pgmq_move_parts(PgmqMoveFn fn, void *state, bool wait,
							PgmqDead *dead, int n, PgmqRefusal *refusal);

#endif							/* PGMQ_POLICY_H */
