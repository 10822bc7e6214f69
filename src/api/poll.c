/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  Blocked readers: looking, sleeping, looking again.
 *
 * The lists by which a commit wakes a reader are in waiter.c.  Here is what
 * one does that is in such lists, or in none.
 *
 * Where something is due that was not to be had, its lock's holder may roll
 * back without telling anybody; without shared memory, or a map, nobody tells
 * anything; and a transaction of one snapshot would not see it.  Then the
 * read just looks again after the interval.
 *
 * A token that was in vain is passed on.  So does the first that sleeps pass
 * one on whenever it has looked again in vain, and the one that watched the
 * clock gives one to the first.  Nobody does so more often than every PASS_MS,
 * so that tokens which find no taker gather, and what they cost is bounded
 * however many are given.
 *
 * Latches count monotonic time and due is by the clock, so no sleep is longer
 * than MAX_SLEEP_MS.
 *
 * A session that has not loaded the library tells nobody when it drops a queue
 * or changes its trigger.  The server's caches hear of it, so a sleep that lasts
 * stops every CHECK_MS to see what they have heard, and ends if that was about
 * one of its queues.
 *
 * What a prepared transaction did becomes visible when nobody is there to tell.
 * All are woken when it is prepared, see that by the map, and look again after
 * the interval until it has ended.
 *
 * A message that is leased for a client that has gone is lost to all others
 * until the lease ends.  So a read that waits sees whether its client is still
 * there: while it sleeps, before each look, and when it has taken something.
 * The server can tell where it has epoll or kqueue.  A client whose machine
 * went away without a word is there until TCP finds out.
 *
 * Cancel, statement_timeout, termination and the death of the postmaster end
 * a wait at once.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/poll.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "common/common.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "api/api.h"

/* PGMQ's defaults, which stand for a NULL too. */
#define POLL_DEFAULT_SECONDS		5
#define POLL_DEFAULT_INTERVAL_MS	100

/* A shorter interval would only burn CPU. */
#define POLL_MIN_INTERVAL_MS		10

#define MAX_SLEEP_MS				60000
#define PASS_MS						100
#define CHECK_MS					5000

/*
 * A wait whose interval is ours to choose spends no more than this part of its
 * time looking in vain, but looks after so many milliseconds at the latest.
 */
#define LOOK_PART					50
#define LOOK_MAX_MS					10000

/* How long a wait may last, and how it goes on. */
typedef struct Wait
{
	instr_time	begun;			/* by a clock that nobody sets */
	int64		longest;		/* ms */
	int64		interval;		/* ms */
	int			flags;
	uint32		event;			/* for pg_stat_activity */
	TimestampTz looked;			/* when the last look began */
	TimestampTz found;			/* and when it ended */
	const PgmqQueue *queues;
	int			nqueues;
	int			place;			/* the first of ours in the lists */
	int			nplaces;		/* queues after these are in no list */
	PgmqWakeUp	told[PGMQ_MAX_WAITED];	/* and not passed on yet, of a queue */
	TimestampTz watches[PGMQ_MAX_WAITED];	/* what it watched for, of a queue */
	PgmqMapRef	maps[PGMQ_MAX_WAITED];
	TimestampTz passed[PGMQ_MAX_WAITED];	/* when a token was, in a queue */
} Wait;

/* ----------------------------------------------------------------
 *		The client
 * ----------------------------------------------------------------
 */

/* Whether there is a client, and the server can tell that it has gone. */
static bool
client_can_be_seen(void)
{
	return MyProcPort != NULL && FeBeWaitSet != NULL && WaitEventSetCanReportClosed();
}

/* The client has gone: end the session as the server does when it finds out. */
static void
client_has_gone(void)
{
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

static void
client_check(void)
{
	if (client_can_be_seen() && !pq_check_connection())
		client_has_gone();
}

/* Sleep until the latch is set, the time has passed or the client has gone. */
static void
client_sleep(int64 ms, uint32 event)
{
	WaitEvent	occurred;

	if (!client_can_be_seen())
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, event);
	else
	{
		/* whatever uses this set says first what it wants of the socket */
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
		if (WaitEventSetWait(FeBeWaitSet, ms, &occurred, 1, event) == 1)
		{
			if (occurred.events & WL_POSTMASTER_DEATH)
				proc_exit(1);
			if (occurred.events & WL_SOCKET_CLOSED)
				client_has_gone();
		}
	}
	ResetLatch(MyLatch);
}

/* ----------------------------------------------------------------
 *		Waiting
 * ----------------------------------------------------------------
 */

static void
wait_begin(Wait *wait, const PgmqQueue *queues, int nqueues, int flags,
		   PgmqArg max_seconds, PgmqArg interval_ms)
{
	static uint32 read_event = 0;
	static uint32 wait_event = 0;
	int64		seconds = max_seconds.isnull ? POLL_DEFAULT_SECONDS :
	DatumGetInt32(max_seconds.value);
	int64		interval = interval_ms.isnull ? POLL_DEFAULT_INTERVAL_MS :
	DatumGetInt32(interval_ms.value);

	Assert(nqueues <= PGMQ_MAX_WAITED);
	if (wait_event == 0)
	{
		read_event = WaitEventExtensionNew("PgmqRead");
		wait_event = WaitEventExtensionNew("PgmqWait");
	}
	memset(wait, 0, sizeof(*wait));
	INSTR_TIME_SET_CURRENT(wait->begun);
	wait->longest = seconds * 1000;
	wait->interval = Max(interval, POLL_MIN_INTERVAL_MS);
	wait->flags = flags;
	wait->event = (flags & PGMQ_POLL_FREE) ? wait_event : read_event;
	wait->queues = queues;
	wait->nqueues = nqueues;
	wait->place = pgmq_waiter_begin(nqueues, &wait->nplaces);
}

/* How many milliseconds of a wait are left. */
static int64
wait_left(const Wait *wait)
{
	instr_time	passed;

	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, wait->begun);
	return Max(wait->longest - (int64) INSTR_TIME_GET_MILLISEC(passed), 0);
}

/*
 * Milliseconds until a point in time, rounded up so as not to wake before; one
 * if it has come, so that no two looks follow each other without a pause.
 */
static int64
ms_until(TimestampTz time)
{
	TimestampTz now = GetCurrentTimestamp();

	if (time <= now)
		return 1;
	if (time >= now + MAX_SLEEP_MS * INT64CONST(1000))
		return MAX_SLEEP_MS;
	return (time - now + 999) / 1000;
}

/* The queue in whose list we are for one of a wait's; InvalidOid: in none. */
static Oid
wait_listed(const Wait *wait, int i)
{
	return i < wait->nplaces ? pgmq_waiter_queue(wait->place + i) : InvalidOid;
}

/*
 * Enter the lists of all queues that tell when something can be read there,
 * and leave all others.  False when the look that follows is to be the last.
 */
static bool
wait_enter(Wait *wait)
{
	bool		may_stay = true;

	for (int i = 0; i < wait->nplaces; i++)
	{
		Oid			relid = wait->queues[i].relid;
		int			place = wait->place + i;

		/* a wait without a lock may find another queue under the name */
		if (wait_listed(wait, i) != relid)
			pgmq_waiter_leave(place);
		wait->maps[i] = pgmq_xact_map(pgmq_local(relid));
		if (wait->maps[i].map == NULL || !pgmq_use_due_map || IsolationUsesXactSnapshot())
			pgmq_waiter_leave(place);
		else
		{
			PgmqWakeUp	told;

			may_stay = pgmq_waiter_enter(place, relid,
										 (wait->flags & PGMQ_POLL_GROUPED) != 0,
										 &told) && may_stay;
			if (told.watched)
			{
				/* the map may not tell any more what the watch was kept for */
				TimestampTz due = pgmq_map_due_after(wait->maps[i], GetCurrentTimestamp());

				pgmq_waiter_hand_over(relid, Min(due, told.watch));
			}
			wait->told[i].woken |= told.woken;
			wait->told[i].due |= told.due;
			wait->watches[i] = told.watch;
		}
	}
	return may_stay;
}

/*
 * How long to sleep for a queue after a look in vain.  In its list no longer
 * than until something is due there, by its map, if nobody else sees to that;
 * where something is due, or nobody tells, for the interval, or until a token
 * may be passed on.  While the queue is paused nothing of that matters.  Not
 * at all when we were told meanwhile, and only then.
 */
static int64
wait_one(Wait *wait, int i, TimestampTz paused_until)
{
	int			place = wait->place + i;
	int64		interval = Min(wait->interval, MAX_SLEEP_MS);
	int64		longest = MAX_SLEEP_MS;
	TimestampTz due;
	bool		is_first;
	bool		again;

	if (!OidIsValid(wait_listed(wait, i)))
		return interval;
	if (pgmq_waiter_rest(place, &is_first, &again))
		return 0;

	/* all are woken when a pause is to end sooner, but not by COMMIT PREPARED */
	if (paused_until > GetCurrentTimestamp())
	{
		if (pgmq_map_has_open_prepared(wait->maps[i]))
			return Min(interval, ms_until(paused_until));
		return ms_until(paused_until);
	}
	if (again)
		longest = PASS_MS;

	/* what was due when the look began was not to be had */
	if (pgmq_map_next_due(wait->maps[i]) > wait->looked)
		memset(&wait->told[i], 0, sizeof(PgmqWakeUp));
	else
	{
		PgmqWakeUp	told = wait->told[i];

		if (wait->flags & PGMQ_POLL_FREE)
			interval = Max(interval, Min((wait->found - wait->looked) / 1000 * LOOK_PART,
										 LOOK_MAX_MS));
		longest = Min(longest, interval);
		/* not whoever just looks again, or all would wake all */
		if (is_first || told.woken || told.due)
		{
			if (wait->looked >= wait->passed[i] &&
				wait->looked < wait->passed[i] + PASS_MS * INT64CONST(1000))
				longest = Min(longest, PASS_MS);
			else
			{
				pgmq_waiter_pass_on(place, told.due && !is_first);
				wait->passed[i] = wait->looked;
				memset(&wait->told[i], 0, sizeof(PgmqWakeUp));
			}
		}
	}

	/* the map may not tell any more, see wait_enter */
	due = pgmq_map_due_after(wait->maps[i], wait->looked);
	due = Min(due, wait->watches[i]);
	if (due <= GetCurrentTimestamp() || pgmq_waiter_watch(place, due))
	{
		/* Min is a macro */
		int64		ms = ms_until(due);

		longest = Min(longest, ms);
	}
	return longest;
}

/*
 * A sleep has ended, or was interrupted: whether it goes on, and for how long.
 * It is to end when so much of the wait is left.
 */
static bool
wait_sleeps_on(const Wait *wait, int64 left, int64 *sleep)
{
	AcceptInvalidationMessages();
	/* a cache that the server has to fill at once may have needed a snapshot */
	InvalidateCatalogSnapshotConditionally();
	*sleep = wait_left(wait) - left;
	for (int i = 0; i < wait->nplaces; i++)
	{
		if (OidIsValid(wait_listed(wait, i)))
		{
			TimestampTz watch;
			int64		ms;

			if (!pgmq_waiter_sleeps_on(wait->place + i, &watch) ||
				watch <= GetCurrentTimestamp() ||
				!pgmq_local_is_valid(wait_listed(wait, i)))
				return false;
			ms = ms_until(watch);
			*sleep = Min(*sleep, ms);
		}
	}
	return *sleep > 0;
}

/*
 * Sleep, after a look in vain, until another is worth while.  False when the
 * time is up.
 */
static bool
wait_sleep(Wait *wait)
{
	int64		sleep = wait_left(wait);
	TimestampTz paused_until[PGMQ_MAX_WAITED];
	bool		told = false;
	int64		left;

	CHECK_FOR_INTERRUPTS();
	if (sleep == 0)
		return false;

	/* what looks a policy up may sleep on the latch, so before the rest */
	for (int i = 0; i < wait->nqueues; i++)
	{
		Oid			listed = wait_listed(wait, i);

		/* the look went to another queue, whose list we were not in */
		if (OidIsValid(listed) && listed != wait->queues[i].relid)
			return true;
		paused_until[i] = OidIsValid(listed) ? pgmq_policy_paused_until(listed) : 0;
	}
	for (int i = 0; i < wait->nqueues; i++)
	{
		/* Min is a macro, and this wakes others */
		int64		one = wait_one(wait, i, paused_until[i]);

		told = told || one == 0;
		sleep = Min(sleep, one);
	}

	/* a look follows a sleep, or a token that was given since the last look */
	Assert(sleep > 0 || told);
	if (wait->flags & PGMQ_POLL_FREE)
	{
		/* what remains of a transaction holds nothing, so it is none */
		pgmq_transaction_timer_stop();
		pgstat_report_xact_timestamp(0);
	}
	left = wait_left(wait) - sleep;
	do
	{
		client_sleep(Min(sleep, CHECK_MS), wait->event);
		CHECK_FOR_INTERRUPTS();
	} while (wait_sleeps_on(wait, left, &sleep));
	if (wait->flags & PGMQ_POLL_FREE)
	{
		pgstat_report_xact_timestamp(GetCurrentTransactionStartTimestamp());
		pgmq_transaction_timer_start();
	}
	return true;
}

/*
 * Call take, which looks into queues that are open at first, until it returns
 * that it did something or max_seconds (an integer argument) have passed;
 * once in any case.  interval_ms (likewise) is the pause between two calls
 * where nobody tells when the next one is worth while.
 *
 * There are at most PGMQ_MAX_WAITED queues, none of them twice.  take may
 * change what an element of the array says; what it allocates goes with the
 * attempt.  flags are of PgmqPollFlags.
 */
void
pgmq_poll(const PgmqQueue *queues, int nqueues, int flags,
		  PgmqTakeFn take, void *state,
		  PgmqArg max_seconds, PgmqArg interval_ms)
{
	Wait		wait;
	MemoryContext attempt = AllocSetContextCreate(CurrentMemoryContext,
												  "pgmq_c attempt",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(attempt);

	wait_begin(&wait, queues, nqueues, flags, max_seconds, interval_ms);
	for (;;)
	{
		bool		may_stay = wait_enter(&wait);

		/* what an attempt goes by may have been changed while we slept */
		AcceptInvalidationMessages();
		client_check();
		wait.looked = GetCurrentTimestamp();
		if (take(state) > 0)
		{
			/* a look may take long, and then it is rolled back */
			client_check();
			break;
		}
		wait.found = GetCurrentTimestamp();
		if (!may_stay || !wait_sleep(&wait))
			break;
		MemoryContextReset(attempt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(attempt);
	pgmq_waiter_end(wait.place);
}
