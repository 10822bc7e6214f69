/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  The lists of waiting readers in shared memory, and waking them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/wait/wait.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_WAIT_H
#define PGMQ_WAIT_H

#include "common/common.h"

/* ---- wait_list.c: the lists of waiting readers ---- */
/* A backend can be in the lists of this many queues at once. */
#define PGMQ_MAX_WAITED		64

/* Which waiters to wake. */
typedef enum PgmqWake
{
	PGMQ_WAKE_ONE = 0,			/* one, for what becomes due */
	PGMQ_WAKE_GROUPED = 1 << 0, /* one that reads groups */
	PGMQ_WAKE_ALL = 1 << 1,
	PGMQ_WAKE_UNLOCKED = 1 << 2 /* one, when the transaction's locks are gone */
} PgmqWake;

/* The kinds of waits. */
typedef enum PgmqWaitKind
{
	PGMQ_WAIT_READ,
	PGMQ_WAIT_GROUPED,			/* it waits for heads of groups to be removed,
								 * too */
	PGMQ_WAIT_FREE				/* CALL wait, without a snapshot */
} PgmqWaitKind;

/* A waiter, as pgmq_waiter_list shows it. */
typedef struct PgmqWaiting
{
	Oid			relid;			/* the queue table */
	int			pid;
	PgmqWaitKind kind;
	TimestampTz since;			/* its wait began */
} PgmqWaiting;

/* Shared memory. */
extern Size pgmq_waiter_size(void);
extern void pgmq_waiter_init(void *memory, Size size, int tranche);
extern void pgmq_waiter_attach(void *memory);

/*
 * For callbacks, of transactions that wake waiters or have waited: they raise
 * no error and allocate nothing.
 */
extern void pgmq_waiter_wake(Oid relid, PgmqWake whom, TimestampTz due);
extern void pgmq_waiter_wake_database(void);
extern void pgmq_waiter_end(int first);
extern void pgmq_waiter_subabort(SubTransactionId subid);
extern void pgmq_waiter_reopen(void);

/* For commands; errors are those of attaching to shared memory. */
extern int	pgmq_waiter_count(Oid relid);
extern int	pgmq_waiter_list(PgmqWaiting **waiting);
extern void pgmq_waiter_send_away(Oid relid);
extern void pgmq_waiter_drop(Oid relid);

/* The reasons why a sleep ended. */
typedef struct PgmqWakeUp
{
	bool		watched;		/* it had the watch */
	bool		woken;			/* a wake-up, not used or passed on yet */
	bool		due;			/* its watch: something is due by now */
	TimestampTz watch;			/* the watch's due time, if it is to come; or
								 * PGMQ_DUE_NEVER */
} PgmqWakeUp;

/*
 * For the poll loop.  A place is a number of this backend's from
 * pgmq_waiter_begin.  They raise no error.
 */
extern int	pgmq_waiter_begin(int n, int *nplaces);
extern Oid	pgmq_waiter_queue(int place);
extern bool pgmq_waiter_enter(int place, Oid relid, PgmqWaitKind kind, TimestampTz since,
							  PgmqWakeUp *wakeup);
extern void pgmq_waiter_hand_over(Oid relid, TimestampTz due);
extern bool pgmq_waiter_rest(int place, bool *is_first, bool *again);
extern bool pgmq_waiter_watch(int place, TimestampTz due);
extern bool pgmq_waiter_sleeps_on(int place, TimestampTz *watch);
extern void pgmq_waiter_pass_on(int place, bool to_first);
extern void pgmq_waiter_leave(int place);
extern bool pgmq_waiter_leave_until(int place, TimestampTz next);

#endif							/* PGMQ_WAIT_H */
