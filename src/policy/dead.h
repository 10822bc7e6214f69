/*-------------------------------------------------------------------------
 *
 * dead.h
 *	  What dead.c and move.c offer: messages that are not to be read any more,
 *	  and moving them elsewhere.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/dead.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_DEAD_H
#define PGMQ_DEAD_H

#include "pgmq.h"

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
}			PgmqDead;

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
typedef void (*PgmqMoveFn) (void *state, PgmqDead * dead, int n);

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
}			PgmqScreen;

/* ---- dead.c ---- */

extern bool pgmq_screen_begin(PgmqScreen * screen, const PgmqQueue *queue);
extern void pgmq_screen_rows(PgmqScreen * screen, TimestampTz now, PgmqRows *rows);
extern bool pgmq_screen_has(PgmqScreen * screen, int64 msg_id);
extern void pgmq_screen_args(const PgmqScreen * screen, PgmqArg args[PGMQ_SPENT_ARGS]);
extern void pgmq_screen_dispose(PgmqScreen * screen, int64 hi);
extern void pgmq_screen_ahead(PgmqScreen * screen, TimestampTz now,
							  int64 lo, int64 hi, int64 qty);
extern bool pgmq_screen_sweep(const PgmqQueue *queue, int64 *from, int64 limit);
extern void pgmq_dead_inval(Datum arg, Oid relid);

/* ---- move.c ---- */

extern PgmqArg pgmq_dead_ids(const PgmqDead * dead, int n);
extern void pgmq_dead_removed(const PgmqQueue *queue, uint64 count, int n);
extern void pgmq_dead_open(const PgmqQueue *queue, const PgmqPolicy * policy,
						   bool wait, PgmqQueue *dead);
extern void pgmq_dead_put(const PgmqQueue *queue, const PgmqQueue *to,
						  const PgmqDead * dead, int n);
extern void pgmq_dead_transfer(const PgmqQueue *from, const PgmqQueue *to,
							   const char *headers, const PgmqDead * dead,
							   int n, TimestampTz vt, double spacing);
extern ErrorData *pgmq_move_try(PgmqMoveFn fn, void *state, bool wait,
								PgmqDead * dead, int n);
extern void pgmq_move_parts(PgmqMoveFn fn, void *state, bool wait,
							PgmqDead * dead, int n, PgmqRefusal *refusal);

#endif							/* PGMQ_DEAD_H */
