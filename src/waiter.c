/*-------------------------------------------------------------------------
 *
 * waiter.c
 *	  Blocked readers, and whom to wake.
 *
 * A waiting read enters its queue's list, *then* looks, and then sleeps on
 * its latch.  A commit that makes something readable there, announced by then
 * in the due map, wakes one of the list.  (No NOTIFY: its commit lock is the
 * whole database's.)
 *
 * A wake-up is a token that must not die with who has it.  Whoever leaves the
 * list, with a message, out of time or by an error, wakes the next; whoever
 * looked in vain while something was due (a filter, a locked row) passes the
 * token down the list.
 *
 * What becomes readable as time passes, nobody commits.  The first of the
 * list keeps the timer for all: it sleeps no longer than until the queue's
 * next due, and a commit with an earlier one wakes it to look at its watch.
 * Latches count monotonic time and due is by the clock, so no sleep is longer
 * than MAX_SLEEP_MS.
 *
 * Where something is due that was not to be had, its lock's holder may roll
 * back without telling anybody; without shared memory, or a map, nobody tells
 * anything; and a transaction of one snapshot would not see it.  Then the
 * read just looks again after the interval.
 *
 * Lists are kept in buckets by the queue, each with a lock and a count, which
 * is all that a commit looks at when nobody waits.
 *
 * Who would drop or purge the queue first sends its waiters away, who return
 * with nothing and let go of the table's lock.
 *
 * Cancel, statement_timeout, termination and the death of the postmaster end
 * a wait at once.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/waiter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "pgmq.h"

/* PGMQ's defaults, which stand for a NULL too. */
#define POLL_DEFAULT_SECONDS		5
#define POLL_DEFAULT_INTERVAL_MS	100

/* A shorter interval would only burn CPU. */
#define POLL_MIN_INTERVAL_MS		10

#define MAX_SLEEP_MS				60000

#define N_BUCKETS					256
#define NOBODY						(-1)

typedef struct Waiter
{
	Oid			dboid;			/* the queue waited for */
	Oid			relid;
	bool		woken;			/* and has not looked since */
	bool		sent_away;		/* somebody wants the queue's lock */
	int			prev;			/* in the bucket, in order of arrival */
	int			next;
} Waiter;

typedef struct Bucket
{
	LWLock		lock;
	pg_atomic_uint32 count;
	int			first;
	int			last;
	Oid			drain_dboid;	/* a queue that nobody is to wait for */
	Oid			drain_relid;
} Bucket;

/* A backend's waiter has the backend's number. */
typedef struct WaitArea
{
	Bucket		buckets[N_BUCKETS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} WaitArea;

static WaitArea *area = NULL;

/* The bucket whose list this backend is in. */
static Bucket *my_bucket = NULL;

/* The bucket whose drain this backend has opened. */
static Bucket *my_drain = NULL;

#define MY_WAITER	(&area->waiters[MyProcNumber])

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

Size
pgmq_waiter_size(void)
{
	return offsetof(WaitArea, waiters) + MaxBackends * sizeof(Waiter);
}

void
pgmq_waiter_init(void *memory, int tranche)
{
	area = memory;
	for (int i = 0; i < N_BUCKETS; i++)
	{
		LWLockInitialize(&area->buckets[i].lock, tranche);
		pg_atomic_init_u32(&area->buckets[i].count, 0);
		area->buckets[i].first = area->buckets[i].last = NOBODY;
		area->buckets[i].drain_dboid = area->buckets[i].drain_relid = InvalidOid;
	}
}

void
pgmq_waiter_use(void *memory)
{
	area = memory;
}

static Bucket *
bucket_of(Oid relid)
{
	return &area->buckets[hash_combine(murmurhash32(MyDatabaseId), murmurhash32(relid)) % N_BUCKETS];
}

/* ----------------------------------------------------------------
 *		Lists.  The bucket's lock is held.
 * ----------------------------------------------------------------
 */

/* From a waiter on, the first one of a queue; NOBODY if none. */
static int
list_search(int from, Oid relid)
{
	while (from != NOBODY &&
		   (area->waiters[from].relid != relid ||
			area->waiters[from].dboid != MyDatabaseId))
		from = area->waiters[from].next;
	return from;
}

/* Wake the first of a queue, from a waiter on, who is not woken yet. */
static void
list_wake(int from, Oid relid)
{
	int			i = list_search(from, relid);

	while (i != NOBODY && area->waiters[i].woken)
		i = list_search(area->waiters[i].next, relid);
	if (i != NOBODY)
	{
		area->waiters[i].woken = true;
		SetLatch(&GetPGProcByNumber(i)->procLatch);
	}
}

/* ----------------------------------------------------------------
 *		What a waiting backend does
 * ----------------------------------------------------------------
 */

/*
 * Enter the list of a queue, or stay in it; a look must follow.  False when
 * it is to be the last one, since somebody waits for the queue's lock.
 */
static bool
waiter_enter(Oid relid)
{
	Bucket	   *bucket = bucket_of(relid);
	Waiter	   *me = MY_WAITER;
	bool		may_stay;

	/* who waits without a lock may find another queue under the name */
	if (my_bucket != NULL && me->relid != relid)
		pgmq_waiter_end();
	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	if (my_bucket == NULL)
	{
		me->sent_away = bucket->drain_relid == relid &&
			bucket->drain_dboid == MyDatabaseId;
		me->dboid = MyDatabaseId;
		me->relid = relid;
		me->next = NOBODY;
		me->prev = bucket->last;
		if (bucket->last == NOBODY)
			bucket->first = MyProcNumber;
		else
			area->waiters[bucket->last].next = MyProcNumber;
		bucket->last = MyProcNumber;
		pg_atomic_fetch_add_u32(&bucket->count, 1);
		my_bucket = bucket;
	}
	me->woken = false;
	may_stay = !me->sent_away;
	LWLockRelease(&bucket->lock);
	return may_stay;
}

/* Whether this backend is the first in its queue's list. */
static bool
waiter_is_first(void)
{
	bool		first;

	LWLockAcquire(&my_bucket->lock, LW_SHARED);
	first = list_search(my_bucket->first, MY_WAITER->relid) == MyProcNumber;
	LWLockRelease(&my_bucket->lock);
	return first;
}

/* Wake the next in the list after this backend. */
static void
waiter_pass_on(void)
{
	LWLockAcquire(&my_bucket->lock, LW_EXCLUSIVE);
	list_wake(MY_WAITER->next, MY_WAITER->relid);
	LWLockRelease(&my_bucket->lock);
}

/* Leave the list, if in one, and wake the next.  Also for callbacks. */
void
pgmq_waiter_end(void)
{
	Bucket	   *bucket = my_bucket;
	Waiter	   *me;

	if (bucket == NULL)
		return;
	me = MY_WAITER;
	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	if (me->prev == NOBODY)
		bucket->first = me->next;
	else
		area->waiters[me->prev].next = me->next;
	if (me->next == NOBODY)
		bucket->last = me->prev;
	else
		area->waiters[me->next].prev = me->prev;
	pg_atomic_fetch_sub_u32(&bucket->count, 1);
	list_wake(bucket->first, me->relid);
	my_bucket = NULL;
	LWLockRelease(&bucket->lock);
}

/* ----------------------------------------------------------------
 *		What others do
 * ----------------------------------------------------------------
 */

/*
 * Something in a queue of this database can be read from due on, as its map
 * knows by now.  For callbacks.
 */
void
pgmq_waiter_wake(Oid relid, TimestampTz due)
{
	Bucket	   *bucket;

	if (area == NULL)
		return;
	bucket = bucket_of(relid);

	/* the map's lock, or the commit, was a barrier between due and this */
	if (pg_atomic_read_u32(&bucket->count) == 0)
		return;
	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	if (due > GetCurrentTimestamp())
	{
		int			first = list_search(bucket->first, relid);

		/* the timer's keeper, even if it was woken and has looked too soon */
		if (first != NOBODY)
		{
			area->waiters[first].woken = true;
			SetLatch(&GetPGProcByNumber(first)->procLatch);
		}
	}
	else
		list_wake(bucket->first, relid);
	LWLockRelease(&bucket->lock);
}

/*
 * This transaction is about to ask for a lock on a queue that its waiting
 * readers would keep from it: send them away, and whoever comes until it ends.
 */
void
pgmq_waiter_drain(Oid relid)
{
	Bucket	   *bucket;

	if (!pgmq_shmem_attach())
		return;
	bucket = bucket_of(relid);
	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	for (int i = list_search(bucket->first, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
	{
		area->waiters[i].sent_away = true;
		SetLatch(&GetPGProcByNumber(i)->procLatch);
	}

	/* one drain a bucket, and a backend; more are done without */
	if (my_drain == NULL && !OidIsValid(bucket->drain_relid))
	{
		bucket->drain_dboid = MyDatabaseId;
		bucket->drain_relid = relid;
		my_drain = bucket;
	}
	LWLockRelease(&bucket->lock);
}

/* The transaction ends: close the drain.  For callbacks. */
void
pgmq_waiter_undrain(void)
{
	if (my_drain == NULL)
		return;
	LWLockAcquire(&my_drain->lock, LW_EXCLUSIVE);
	my_drain->drain_dboid = my_drain->drain_relid = InvalidOid;
	LWLockRelease(&my_drain->lock);
	my_drain = NULL;
}

/* How many backends wait for a queue of this database. */
int
pgmq_waiter_count(Oid relid)
{
	Bucket	   *bucket;
	int			count = 0;

	if (!pgmq_shmem_attach())
		return 0;
	bucket = bucket_of(relid);
	LWLockAcquire(&bucket->lock, LW_SHARED);
	for (int i = list_search(bucket->first, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
		count++;
	LWLockRelease(&bucket->lock);
	return count;
}

/* ----------------------------------------------------------------
 *		Waiting
 * ----------------------------------------------------------------
 */

/* How long a wait may last, and how it goes on. */
typedef struct Wait
{
	instr_time	begun;			/* by a clock that nobody sets */
	int64		longest;		/* ms */
	int64		interval;		/* ms */
} Wait;

static Wait
wait_begin(PgmqArg max_seconds, PgmqArg interval_ms)
{
	int64		seconds = max_seconds.isnull ? POLL_DEFAULT_SECONDS :
	DatumGetInt32(max_seconds.value);
	int64		interval = interval_ms.isnull ? POLL_DEFAULT_INTERVAL_MS :
	DatumGetInt32(interval_ms.value);
	Wait		wait;

	INSTR_TIME_SET_CURRENT(wait.begun);
	wait.longest = seconds * 1000;
	wait.interval = Max(interval, POLL_MIN_INTERVAL_MS);
	return wait;
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

/* Milliseconds until a point in time, rounded up so as not to wake before. */
static int64
ms_until(TimestampTz time)
{
	TimestampTz now = GetCurrentTimestamp();

	if (time <= now)
		return 0;
	if (time >= now + MAX_SLEEP_MS * INT64CONST(1000))
		return MAX_SLEEP_MS;
	return (time - now + 999) / 1000;
}

/*
 * Sleep, after a look in vain, until another is worth while.  due is when the
 * queue next has something, by its map; in the list only if that says so.
 * False when the time is up.
 */
static bool
wait_sleep(const Wait *wait, TimestampTz due)
{
	int64		left = wait_left(wait);
	int64		sleep = MAX_SLEEP_MS;

	CHECK_FOR_INTERRUPTS();
	if (left == 0)
		return false;
	if (my_bucket == NULL || due <= GetCurrentTimestamp())
		sleep = wait->interval;
	else if (waiter_is_first())
		sleep = ms_until(due);
	if (my_bucket != NULL && due <= GetCurrentTimestamp())
		waiter_pass_on();

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(left, sleep), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}

/*
 * Call take, which looks into a queue that is open at first, until it returns that it took
 * something or max_seconds (an integer argument) have passed; once in any
 * case.  interval_ms (likewise) is the pause between two calls where nobody
 * tells when the next one is worth while.
 */
void
pgmq_poll(const PgmqQueue *queue, PgmqTakeFn take, void *state,
		  PgmqArg max_seconds, PgmqArg interval_ms)
{
	Wait		wait = wait_begin(max_seconds, interval_ms);

	for (;;)
	{
		PgmqMapRef	map = pgmq_xact_map(pgmq_xact_queue(queue->relid));
		bool		may_stay = true;

		if (map.map != NULL && pgmq_use_due_map && !IsolationUsesXactSnapshot())
			may_stay = waiter_enter(queue->relid);
		if (take(state) > 0 || !may_stay ||
			!wait_sleep(&wait, pgmq_map_next_due(map)))
			break;
	}
	pgmq_waiter_end();
}
