/*-------------------------------------------------------------------------
 *
 * waiter.c
 *	  Blocked readers: try, sleep, try again.
 *
 * A waiting read looks at an interval.  Between two looks it sleeps on its
 * latch, so that a cancel, statement_timeout, termination or the death of
 * the postmaster end the wait at once.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/waiter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "pgmq.h"

/* PGMQ's defaults, which stand for a NULL too. */
#define POLL_DEFAULT_SECONDS		5
#define POLL_DEFAULT_INTERVAL_MS	100

/* A shorter interval would only burn CPU. */
#define POLL_MIN_INTERVAL_MS		10

/*
 * Call take until it returns that it took something or max_seconds (an
 * integer argument) have passed; once in any case.  interval_ms (likewise)
 * is the pause between two calls.
 */
void
pgmq_poll(PgmqTakeFn take, void *state, PgmqArg max_seconds, PgmqArg interval_ms)
{
	int64		seconds = max_seconds.isnull ? POLL_DEFAULT_SECONDS :
	DatumGetInt32(max_seconds.value);
	int64		interval = interval_ms.isnull ? POLL_DEFAULT_INTERVAL_MS :
	Max(DatumGetInt32(interval_ms.value), POLL_MIN_INTERVAL_MS);
	TimestampTz deadline = GetCurrentTimestamp() + seconds * USECS_PER_SEC;

	while (take(state) == 0)
	{
		/* rounded up, or the last millisecond would not be waited for */
		int64		left = (deadline - GetCurrentTimestamp() + 999) / 1000;

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, interval), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
