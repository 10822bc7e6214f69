/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  The poll loop of waiting readers: read, sleep, read again.
 *
 * wait_list.c has the lists by which a commit wakes a reader.  This file has
 * what a reader does that is in such lists, or in none.
 *
 * Sometimes the read just repeats after the interval: when something is due that
 * it could not get, for the holder of its lock may roll back, which wakes no
 * waiter; when there is no shared memory or no map, so that nothing is
 * announced; and when the transaction has one snapshot, which shows nothing new.
 *
 * A wake-up that was in vain is passed on.  The first sleeping waiter also
 * passes one on whenever it has read in vain, and the waiter that had the
 * watch gives one to the first.  No waiter does that more often than every
 * PASS_MS, so that the cost of wake-ups is bounded.
 *
 * Latches use the monotonic clock and due times the system's clock, so no sleep
 * is longer than MAX_SLEEP_MS.
 *
 * The commit of a prepared transaction wakes no waiter.  All waiters are woken
 * by PREPARE TRANSACTION, see it in the map, and read again after the interval
 * until the transaction has ended.
 *
 * A session that has not loaded the library wakes no waiter when it drops a
 * queue or changes its trigger.  The server's caches hear of it, so a long
 * sleep stops every CHECK_MS to see what they have heard, and ends if that
 * was about one of its queues.
 *
 * A message that is leased for a client that has gone is unavailable to all
 * others until the lease ends.  So a waiting read checks that its client is
 * still connected: while it sleeps, before each read, and when it has taken
 * something.  The server can tell where it has epoll or kqueue.  A client whose
 * machine went away without a word stays until TCP notices.
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
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

/* PGMQ's defaults, which are also used for NULL. */
#define POLL_DEFAULT_SECONDS		5
#define POLL_DEFAULT_INTERVAL_MS	100

/* A shorter interval would only burn CPU. */
#define POLL_MIN_INTERVAL_MS		10

#define MAX_SLEEP_MS				60000
#define PASS_MS						100
#define CHECK_MS					5000
/* Microseconds: limits that end so soon after each other are one end. */
#define LIMIT_SLACK					1000

/*
 * A wait without an interval of the caller's spends no more than one part in
 * READ_PART of its time reading in vain, but reads at least every READ_MAX_MS.
 */
#define READ_PART					50
#define READ_MAX_MS					10000

/* How long a wait may last, and how it goes on. */
typedef struct Wait
{
	instr_time	begun;			/* by the monotonic clock */
	TimestampTz since;			/* the same, by the other one */
	int64		longest;		/* ms */
	int64		interval;		/* ms */
	int			flags;
	uint32		event;			/* for pg_stat_activity */
	TimestampTz tried;			/* when the last read began */
	TimestampTz found;			/* and when it ended */
	const PgmqQueue *queues;
	int			nqueues;
	Oid			relids[PGMQ_MAX_WAITED];	/* of these, and of the streams
											 * that they read after them */
	int			nrelids;
	int			place;			/* the first of ours in the lists */
	int			nplaces;		/* it is in no list of the queues after these */
	bool		slept;
	bool		wakened[PGMQ_MAX_WAITED];	/* by a commit, for this read */
	PgmqWakeUp	wakeups[PGMQ_MAX_WAITED];	/* not passed on yet, of each
											 * queue */
	TimestampTz watches[PGMQ_MAX_WAITED];	/* the watches it had, of each
											 * queue */
	PgmqMapRef	maps[PGMQ_MAX_WAITED];
	TimestampTz passed[PGMQ_MAX_WAITED];	/* when a wake-up was, in each
											 * queue */
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

/*
 * The client has gone: end the session as the server does, which rolls back what
 * the transaction has counted.  Error: 08006.
 */
static void
client_has_gone(const Wait *wait)
{
	for (int i = 0; i < wait->nqueues; i++)
		pgmq_stats_count_now(wait->queues[i].relid, PGMQ_STAT_DEAD_CLIENTS);
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

static void
client_check(const Wait *wait)
{
	if (client_can_be_seen() && !pq_check_connection())
		client_has_gone(wait);
}

/* Sleep until the latch is set, the time has passed or the client has gone. */
static void
client_sleep(const Wait *wait, int64 ms)
{
	WaitEvent	occurred;

	if (!client_can_be_seen())
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, wait->event);
	else
	{
		/* each user of this set says first what it wants of the socket */
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
		if (WaitEventSetWait(FeBeWaitSet, ms, &occurred, 1, wait->event) == 1)
		{
			if (occurred.events & WL_POSTMASTER_DEATH)
				proc_exit(1);
			if (occurred.events & WL_SOCKET_CLOSED)
				client_has_gone(wait);
		}
	}
	ResetLatch(MyLatch);
}

/* ----------------------------------------------------------------
 *		Waiting
 * ----------------------------------------------------------------
 */

/*
 * Put down the queues of a wait, and the streams of those that are subscriptions,
 * as far as this backend knows them.
 */
static void
wait_put_relids(Wait *wait)
{
	wait->nrelids = wait->nqueues;
	for (int i = 0; i < wait->nqueues; i++)
		wait->relids[i] = wait->queues[i].relid;
	for (int i = 0; i < wait->nqueues; i++)
	{
		Oid			stream = pgmq_stream_kept(wait->queues[i].relid);
		int			same = 0;

		while (same < wait->nrelids && wait->relids[same] != stream)
			same++;
		if (OidIsValid(stream) && same == wait->nrelids && wait->nrelids < PGMQ_MAX_WAITED)
			wait->relids[wait->nrelids++] = stream;
	}
}

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
	wait->since = GetCurrentTimestamp();
	wait->longest = seconds * 1000;
	wait->interval = Max(interval, POLL_MIN_INTERVAL_MS);
	wait->flags = flags;
	wait->event = (flags & PGMQ_POLL_FREE) ? wait_event : read_event;
	wait->queues = queues;
	wait->nqueues = nqueues;
	wait_put_relids(wait);

	/* which of them are streams is not known before the first read */
	wait->place = pgmq_waiter_begin(Min(2 * nqueues, PGMQ_MAX_WAITED), &wait->nplaces);
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
 * Milliseconds until a point in time, rounded up so as not to wake before it; 1
 * if it has come, so that there is a pause between any two reads.
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

/* Whether a stream is among those that are waited for, or there is no place for it. */
static bool
wait_has(const Wait *wait, Oid stream)
{
	for (int i = wait->nqueues; i < wait->nrelids; i++)
		if (wait->relids[i] == stream)
			return true;
	return wait->nrelids >= wait->nplaces;
}

/* The queue in whose list we are for the i-th queue of a wait, or InvalidOid. */
static Oid
wait_listed(const Wait *wait, int i)
{
	return i < wait->nplaces ? pgmq_waiter_queue(wait->place + i) : InvalidOid;
}

static PgmqWaitKind
wait_kind(const Wait *wait)
{
	if (wait->flags & PGMQ_POLL_GROUPED)
		return PGMQ_WAIT_GROUPED;
	return wait->flags & PGMQ_POLL_FREE ? PGMQ_WAIT_FREE : PGMQ_WAIT_READ;
}

/*
 * Enter the lists of all queues that have a map, which is where commits are
 * announced, and leave all others.  False when the next read is to be the last.
 */
static bool
wait_enter(Wait *wait)
{
	bool		may_stay = true;

	wait_put_relids(wait);
	for (int i = 0; i < wait->nplaces; i++)
	{
		Oid			relid = i < wait->nrelids ? wait->relids[i] : InvalidOid;
		int			place = wait->place + i;

		/* a wait without a lock may find another queue under the name */
		if (wait_listed(wait, i) != relid)
			pgmq_waiter_leave(place);
		if (!OidIsValid(relid))
			continue;
		wait->maps[i] = pgmq_xact_map(pgmq_local(relid));
		if (wait->maps[i].map == NULL || !pgmq_use_due_map || IsolationUsesXactSnapshot())
			pgmq_waiter_leave(place);
		else
		{
			PgmqWakeUp	wakeup;

			may_stay = pgmq_waiter_enter(place, relid, wait_kind(wait), wait->since,
										 &wakeup) && may_stay;
			if (wakeup.watched)
			{
				/* the map may have lost the due time that the watch was for */
				TimestampTz due = pgmq_map_due_after(wait->maps[i], GetCurrentTimestamp());

				pgmq_waiter_hand_over(relid, Min(due, wakeup.watch));
			}
			wait->wakened[i] = wakeup.woken;
			pgmq_stats_count(relid, PGMQ_STAT_WAKEUPS, wakeup.woken);
			wait->wakeups[i].woken |= wakeup.woken;
			wait->wakeups[i].due |= wakeup.due;
			wait->watches[i] = wakeup.watch;

			/*
			 * the wake-up of a stream is meant for readers of all its
			 * subscriptions
			 */
			if (i >= wait->nqueues && (wakeup.woken || wakeup.due))
				pgmq_waiter_pass_on(place, false);
		}
	}
	return may_stay;
}

/* How long (ms) to sleep after a read that could not get what is due. */
static int64
interval_after(const Wait *wait)
{
	int64		interval = Min(wait->interval, MAX_SLEEP_MS);
	int64		longer = Min((wait->found - wait->tried) / 1000 * READ_PART, READ_MAX_MS);

	return (wait->flags & PGMQ_POLL_FREE) ? Max(interval, longer) : interval;
}

/*
 * How long (ms) to sleep for a queue after a read in vain; 0 when we were woken
 * meanwhile, and only then.  In its list, until the next due time if we get the
 * watch; if something is due already, for the interval or until a wake-up may be
 * passed on.  In no list, for the interval.  While the queue is paused, until
 * the pause ends.  If the read was limited, until that ends if we get the watch.
 */
static int64
wait_one(Wait *wait, int i, TimestampTz paused_until, TimestampTz limited_until)
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

	/* a stream always has messages; only a commit says that there are more */
	if (i >= wait->nqueues)
		return again ? 0 : longest;

	/* a change of the pause wakes all waiters, but not by COMMIT PREPARED */
	if (paused_until > GetCurrentTimestamp())
	{
		if (pgmq_map_has_open_prepared(wait->maps[i]))
			return Min(interval, ms_until(paused_until));
		return ms_until(paused_until);
	}
	if (limited_until != DT_NOBEGIN)
	{
		/* a wake-up would have others read in vain */
		memset(&wait->wakeups[i], 0, sizeof(PgmqWakeUp));
		if (limited_until <= GetCurrentTimestamp() || pgmq_waiter_watch(place, limited_until + LIMIT_SLACK))
			return ms_until(limited_until);
		return longest;
	}
	if (again)
		longest = PASS_MS;

	/* was something due when the read began that it could not get? */
	if (pgmq_map_next_due(wait->maps[i]) > wait->tried)
		memset(&wait->wakeups[i], 0, sizeof(PgmqWakeUp));
	else
	{
		PgmqWakeUp	wakeup = wait->wakeups[i];

		interval = interval_after(wait);
		longest = Min(longest, interval);
		/* not if it just reads again, or all waiters would wake each other */
		if (is_first || wakeup.woken || wakeup.due)
		{
			if (wait->tried >= wait->passed[i] &&
				wait->tried < wait->passed[i] + PASS_MS * INT64CONST(1000))
				longest = Min(longest, PASS_MS);
			else
			{
				pgmq_waiter_pass_on(place, wakeup.due && !is_first);
				wait->passed[i] = wait->tried;
				memset(&wait->wakeups[i], 0, sizeof(PgmqWakeUp));
			}
		}
	}

	/* see wait_enter for why the watch is kept */
	due = pgmq_map_due_after(wait->maps[i], wait->tried);
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
 * A sleep has ended, or the latch was set: whether it goes on, and for how long
 * (ms).  left is how much of the wait remains when the sleep is to end.
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
 * Sleep after a read in vain, until another one is worth while.  False when the
 * time is up.  Errors: interrupts, and those of looking up a policy.
 */
static bool
wait_sleep(Wait *wait)
{
	int64		sleep = wait_left(wait);
	TimestampTz paused_until[PGMQ_MAX_WAITED] = {0};
	TimestampTz limited_until[PGMQ_MAX_WAITED] = {0};
	bool		woken = false;
	int64		left;

	CHECK_FOR_INTERRUPTS();
	if (sleep == 0)
		return false;

	/* the lookup of a policy may use the latch, so it comes first */
	for (int i = 0; i < wait->nqueues; i++)
	{
		Oid			listed = wait_listed(wait, i);
		Oid			stream = pgmq_stream_kept(wait->queues[i].relid);

		/* the read was from another queue, whose list we were not in */
		if (OidIsValid(listed) && listed != wait->queues[i].relid)
			return true;
		paused_until[i] = OidIsValid(listed) ? pgmq_policy_paused_until(listed) : 0;
		if (OidIsValid(listed) && OidIsValid(stream))
		{
			TimestampTz until = pgmq_policy_paused_until(stream);

			/* the first read has found out that it reads a stream */
			if (!wait_has(wait, stream))
				return true;
			paused_until[i] = Max(paused_until[i], until);
		}
		limited_until[i] = OidIsValid(listed) ? pgmq_policy_limited_until(listed) : DT_NOBEGIN;
	}
	for (int i = wait->nqueues; i < wait->nrelids; i++)
		paused_until[i] = limited_until[i] = DT_NOBEGIN;
	for (int i = 0; i < wait->nrelids; i++)
	{
		/* Min is a macro, and wait_one wakes other waiters */
		int64		one = wait_one(wait, i, paused_until[i], limited_until[i]);

		woken = woken || one == 0;
		sleep = Min(sleep, one);
	}

	/* another transaction gives out what this one could not get from a stream */
	if (pgmq_feed_passed)
		sleep = Min(sleep, interval_after(wait));

	/* a read follows a sleep, or a wake-up since the last read */
	Assert(sleep > 0 || woken);
	if (wait->flags & PGMQ_POLL_FREE)
	{
		/* the transaction holds nothing now, so it is not reported */
		pgmq_transaction_timer_stop();
		pgstat_report_xact_timestamp(0);
	}
	/* time has passed since, and nothing is left if that was all there was */
	left = wait_left(wait);
	left = Max(left - sleep, 0);
	wait->slept = true;
	do
	{
		client_sleep(wait, Min(sleep, CHECK_MS));
		CHECK_FOR_INTERRUPTS();
	} while (wait_sleeps_on(wait, left, &sleep));
	if (wait->flags & PGMQ_POLL_FREE)
	{
		pgstat_report_xact_timestamp(GetCurrentTransactionStartTimestamp());
		pgmq_transaction_timer_start();
	}
	return true;
}

/* Count the wake-ups after which a read has found nothing. */
static void
wait_in_vain(Wait *wait)
{
	for (int i = 0; i < wait->nplaces; i++)
	{
		pgmq_stats_count(wait->relids[i], PGMQ_STAT_WAKEUPS_IN_VAIN, wait->wakened[i]);
		wait->wakened[i] = false;
	}
}

/*
 * The wait has read something.  If the queue's rate allows no more until a time,
 * others need not read before.  Of several queues some were not read.
 */
static void
wait_got(const Wait *wait)
{
	Oid			listed = wait_listed(wait, 0);

	if (wait->nqueues == 1 && OidIsValid(listed) &&
		pgmq_waiter_leave_until(wait->place, pgmq_policy_limited_until(listed)))
		pgmq_limits_wait(listed);
}

/*
 * Call take, which reads from the queues, until it returns that it did
 * something or max_seconds (an integer argument) have passed, but at least
 * once.  interval_ms (an integer argument) is the pause between two calls when
 * nothing announces that the next one is worth while.
 *
 * The queues are open at first, at most PGMQ_MAX_WAITED, and each there once.
 * take may change the elements of the array; it is called in a memory context
 * that is reset after each call.  flags are of PgmqPollFlags.  Errors: those of
 * take, interrupts, and 08006 when the client has gone.
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

		/* policies and tables may have changed while we slept */
		AcceptInvalidationMessages();
		client_check(&wait);
		wait.tried = GetCurrentTimestamp();
		pgmq_feed_passed = false;
		if (take(state) > 0)
		{
			/* take may last long; this rolls back what it did */
			client_check(&wait);
			wait_got(&wait);
			break;
		}
		wait_in_vain(&wait);
		wait.found = GetCurrentTimestamp();
		if (!may_stay || !wait_sleep(&wait))
			break;
		MemoryContextReset(attempt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(attempt);
	pgmq_waiter_end(wait.place);
	for (int i = 0; wait.slept && i < nqueues; i++)
		pgmq_stats_count(queues[i].relid, PGMQ_STAT_WAITS, 1);
}
