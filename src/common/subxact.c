/*-------------------------------------------------------------------------
 *
 * subxact.c
 *	  Trying something in a subtransaction, which catches all errors but a
 *	  cancel of the statement.
 *
 * An error's code does not tell a cancel: a trigger can raise any error by the
 * code of a cancel (57014), and it can catch a cancel and go on.  So that
 * neither a queue's trigger keeps the other queues from their turn, nor a
 * cancel is lost, we take note of the signal itself, by a handler before the
 * server's.  The server's timers use the same signal.  Of these the one of
 * statement_timeout cancels the statement, but that of lock_timeout does not:
 * it makes the wait for the lock fail.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/subxact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

#include "common/common.h"

/* Values of cancel_seen. */
#define CANCEL_NONE			0
#define CANCEL_REQUEST		1	/* by a user */
#define CANCEL_TIMEOUT		2	/* by statement_timeout */

static volatile sig_atomic_t cancel_seen = CANCEL_NONE;

/* Signal handler for SIGINT: take note of a cancel, and do what the server does. */
static void
cancel_handler(SIGNAL_ARGS)
{
	if (get_timeout_indicator(STATEMENT_TIMEOUT, false))
		cancel_seen = CANCEL_TIMEOUT;
	else if (!get_timeout_indicator(LOCK_TIMEOUT, false))
		cancel_seen = CANCEL_REQUEST;
	StatementCancelHandler(postgres_signal_arg);
}

/*
 * Begin to take note of cancels, with what is not yet raised of one.  The
 * handler stays; it is set each time because another library may have set its
 * own meanwhile.
 */
static void
cancel_watch(void)
{
	CHECK_FOR_INTERRUPTS();
	pqsignal(SIGINT, cancel_handler);
	cancel_seen = CANCEL_NONE;
	if (QueryCancelPending && cancel_seen == CANCEL_NONE)
		cancel_seen = CANCEL_REQUEST;
}

/* Raise a cancel that has come, even if it was caught; error may be NULL. */
static void
cancel_check(ErrorData *error)
{
	CHECK_FOR_INTERRUPTS();
	if (cancel_seen == CANCEL_NONE)
		return;
	if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 cancel_seen == CANCEL_TIMEOUT ?
			 errmsg("canceling statement due to statement timeout") :
			 errmsg("canceling statement due to user request")));
}

/*
 * Call fn(state) in a subtransaction, which stays if fn returns true, and is
 * rolled back if it returns false or fails.  The memory context and the
 * resource owner are the caller's, also in fn.
 *
 * Returns the error that fn failed with, in the caller's memory context; or
 * NULL.  Raises 57014 when the statement was canceled meanwhile, also if fn
 * has caught the cancel, or failed with another error.
 */
ErrorData *
pgmq_try(PgmqTryFn fn, void *state)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	int			outer = cancel_seen;

	cancel_watch();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (fn(state))
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	cancel_check(error);
	/* for a call that this one is part of */
	cancel_seen = outer;
	return error;
}
