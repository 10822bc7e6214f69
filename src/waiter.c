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
 * was woken and looked in vain while something was due (a filter, a locked
 * row) passes the token down the list.  So does the first, who wakes by
 * itself when something falls due.  Nobody does so more often than every
 * PASS_MS, so that tokens which find no taker gather, and what they cost is
 * bounded however many are given.
 *
 * What becomes readable as time passes, nobody commits.  The first of the
 * list keeps the timer for all: it sleeps no longer than until the queue's
 * next due, and a commit with an earlier one wakes it to look at its watch.
 * Latches count monotonic time and due is by the clock, so no sleep is longer
 * than MAX_SLEEP_MS.
 *
 * What a prepared transaction did becomes visible when nobody is there to tell.
 * All are woken when it is prepared, see that by the map, and look again after
 * the interval until it has ended.
 *
 * Where something is due that was not to be had, its lock's holder may roll
 * back without telling anybody; without shared memory, or a map, nobody tells
 * anything; and a transaction of one snapshot would not see it.  Then the
 * read just looks again after the interval.
 *
 * Who reads groups also waits for a group's head to go away, which makes
 * nothing due that was not before.  Such a waiter says so in the list, and a
 * commit that removed messages wakes one of these.
 *
 * Lists are kept in buckets by the queue, each with a lock and counts, which
 * are all that a commit looks at when nobody waits.  A backend has a number of
 * places, so it can be in the lists of several queues at once; it sleeps once
 * for all, and leaves all.
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
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "engine.h"
#include "pgmq.h"

/* PGMQ's defaults, which stand for a NULL too. */
#define POLL_DEFAULT_SECONDS		5
#define POLL_DEFAULT_INTERVAL_MS	100

/* A shorter interval would only burn CPU. */
#define POLL_MIN_INTERVAL_MS		10

#define MAX_SLEEP_MS				60000
#define PASS_MS						100

#define N_BUCKETS					256
#define NOBODY						(-1)

/* A place in a list. */
typedef struct Waiter
{
	Oid			dboid;			/* the queue waited for */
	Oid			relid;
	int			prev;			/* in the bucket, in order of arrival */
	int			next;
	bool		grouped;		/* waits for a group's head to go, too */
	bool		woken;			/* and has not looked since */
	bool		sent_away;		/* somebody wants the queue's lock */
} Waiter;

typedef struct Bucket
{
	LWLock		lock;
	pg_atomic_uint32 count;
	pg_atomic_uint32 grouped;	/* of these */
	int			first;
	int			last;
	Oid			drain_dboid;	/* a queue that nobody is to wait for */
	Oid			drain_relid;
} Bucket;

/* A backend's places follow from the backend's number. */
typedef struct WaitArea
{
	Bucket		buckets[N_BUCKETS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} WaitArea;

static WaitArea *area = NULL;

/* The queues in whose lists this backend has its places; InvalidOid: none. */
static Oid	my_queues[PGMQ_MAX_WAITED];
static bool my_tokens[PGMQ_MAX_WAITED]; /* in which it has one */
static int	my_places = 0;		/* used ones end here */

/* The bucket whose drain this backend has opened. */
static Bucket *my_drain = NULL;

#define MY_PLACE(i)		(MyProcNumber * PGMQ_MAX_WAITED + (i))
#define MY_WAITER(i)	(&area->waiters[MY_PLACE(i)])

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

Size
pgmq_waiter_size(void)
{
	return offsetof(WaitArea, waiters) + (Size) MaxBackends * PGMQ_MAX_WAITED * sizeof(Waiter);
}

void
pgmq_waiter_init(void *memory, int tranche)
{
	area = memory;
	for (int i = 0; i < N_BUCKETS; i++)
	{
		LWLockInitialize(&area->buckets[i].lock, tranche);
		pg_atomic_init_u32(&area->buckets[i].count, 0);
		pg_atomic_init_u32(&area->buckets[i].grouped, 0);
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

static void
waiter_set(int i)
{
	area->waiters[i].woken = true;
	SetLatch(&GetPGProcByNumber(i / PGMQ_MAX_WAITED)->procLatch);
}

/*
 * Wake the first of a queue, from a waiter on, who is not woken yet; if
 * grouped, of those who wait for a group's head.
 */
static void
list_wake(int from, Oid relid, bool grouped)
{
	int			i = list_search(from, relid);

	while (i != NOBODY &&
		   (area->waiters[i].woken || (grouped && !area->waiters[i].grouped)))
		i = list_search(area->waiters[i].next, relid);
	if (i != NOBODY)
		waiter_set(i);
}

/* ----------------------------------------------------------------
 *		What a waiting backend does
 * ----------------------------------------------------------------
 */

/*
 * Enter the list of a queue with a place of this backend, or stay in it; a
 * look must follow.  False when it is to be the last one, since somebody waits
 * for the queue's lock.
 */
static bool
waiter_enter(int place, Oid relid, bool grouped)
{
	Bucket	   *bucket = bucket_of(relid);
	Waiter	   *me = MY_WAITER(place);
	bool		may_stay;

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	if (!OidIsValid(my_queues[place]))
	{
		me->sent_away = bucket->drain_relid == relid &&
			bucket->drain_dboid == MyDatabaseId;
		me->dboid = MyDatabaseId;
		me->relid = relid;
		me->grouped = grouped;
		me->next = NOBODY;
		me->prev = bucket->last;
		if (bucket->last == NOBODY)
			bucket->first = MY_PLACE(place);
		else
			area->waiters[bucket->last].next = MY_PLACE(place);
		bucket->last = MY_PLACE(place);
		pg_atomic_fetch_add_u32(&bucket->count, 1);
		if (grouped)
			pg_atomic_fetch_add_u32(&bucket->grouped, 1);
		my_queues[place] = relid;
		my_tokens[place] = me->woken = false;
	}
	my_tokens[place] = my_tokens[place] || me->woken;
	me->woken = false;
	may_stay = !me->sent_away;
	LWLockRelease(&bucket->lock);
	return may_stay;
}

/* Whether this backend is the first in a list that it is in. */
static bool
waiter_is_first(int place)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);
	bool		first;

	LWLockAcquire(&bucket->lock, LW_SHARED);
	first = list_search(bucket->first, my_queues[place]) == MY_PLACE(place);
	LWLockRelease(&bucket->lock);
	return first;
}

/* Wake the next in a list after this backend. */
static void
waiter_pass_on(int place)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	list_wake(MY_WAITER(place)->next, my_queues[place], false);
	LWLockRelease(&bucket->lock);
}

/* Leave a list, if in one, and wake the next. */
static void
waiter_leave(int place)
{
	Bucket	   *bucket;
	Waiter	   *me = MY_WAITER(place);

	if (!OidIsValid(my_queues[place]))
		return;
	bucket = bucket_of(my_queues[place]);
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
	if (me->grouped)
		pg_atomic_fetch_sub_u32(&bucket->grouped, 1);
	list_wake(bucket->first, me->relid, false);
	my_queues[place] = InvalidOid;
	LWLockRelease(&bucket->lock);
}

/* Leave all lists.  Also for callbacks. */
void
pgmq_waiter_end(void)
{
	while (my_places > 0)
	{
		waiter_leave(my_places - 1);
		my_places--;
	}
}

/* ----------------------------------------------------------------
 *		What others do
 * ----------------------------------------------------------------
 */

/*
 * Wake one who waits for a queue of this database, where something can be read
 * from due on, as its map knows by now; or one who waits for a group's head to
 * go; or all, who should look.  For callbacks.
 */
void
pgmq_waiter_wake(Oid relid, PgmqWake whom, TimestampTz due)
{
	Bucket	   *bucket;
	int			first;

	if (area == NULL)
		return;
	bucket = bucket_of(relid);

	/* the map's lock, or the commit, was a barrier between due and this */
	if (pg_atomic_read_u32(whom == PGMQ_WAKE_GROUPED ? &bucket->grouped : &bucket->count) == 0)
		return;
	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	first = list_search(bucket->first, relid);
	if (whom == PGMQ_WAKE_ALL)
	{
		for (int i = first; i != NOBODY; i = list_search(area->waiters[i].next, relid))
			waiter_set(i);
	}
	else if (whom == PGMQ_WAKE_ONE && due > GetCurrentTimestamp())
	{
		/* the timer's keeper, even if it was woken and has looked too soon */
		if (first != NOBODY)
			waiter_set(first);
	}
	else
		list_wake(first, relid, whom == PGMQ_WAKE_GROUPED);
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
		waiter_set(i);
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

/*
 * This transaction drops a table, whose lock it has.  Who waits for it without
 * a lock of his own, and would look in vain in a while, sees that at once.
 */
void
pgmq_waiter_drop(Oid relid)
{
	if (area != NULL && pgmq_waiter_count(relid) > 0)
		pgmq_waiter_drain(relid);
}

/* The transaction, or a part of it, ends: close the drain.  For callbacks. */
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
	TimestampTz looked;			/* when the last look began */
	int			nqueues;
	PgmqMapRef	maps[PGMQ_MAX_WAITED];
	TimestampTz passed[PGMQ_MAX_WAITED];	/* when a token was, in a queue */
} Wait;

static void
wait_begin(Wait *wait, PgmqArg max_seconds, PgmqArg interval_ms)
{
	int64		seconds = max_seconds.isnull ? POLL_DEFAULT_SECONDS :
	DatumGetInt32(max_seconds.value);
	int64		interval = interval_ms.isnull ? POLL_DEFAULT_INTERVAL_MS :
	DatumGetInt32(interval_ms.value);

	INSTR_TIME_SET_CURRENT(wait->begun);
	wait->longest = seconds * 1000;
	wait->interval = Max(interval, POLL_MIN_INTERVAL_MS);
	memset(wait->passed, 0, sizeof(wait->passed));
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
 * Enter the lists of all queues that tell when something can be read there.
 * False when the look that follows is to be the last.
 */
static bool
wait_enter(Wait *wait, const PgmqQueue *queues, int nqueues, bool grouped)
{
	bool		may_stay = true;

	/*
	 * Who waits without a lock may find another queue under the name; and a
	 * trigger may wait for others inside of an attempt.
	 */
	for (int i = 0; i < my_places; i++)
		if (i >= nqueues || my_queues[i] != queues[i].relid)
			waiter_leave(i);

	wait->nqueues = nqueues;
	for (int i = 0; i < nqueues; i++)
	{
		wait->maps[i] = pgmq_local_map(pgmq_local(queues[i].relid));
		if (wait->maps[i].map == NULL || !pgmq_use_due_map ||
			IsolationUsesXactSnapshot())
			continue;
		my_places = Max(my_places, i + 1);
		may_stay = waiter_enter(i, queues[i].relid, grouped) && may_stay;
	}
	return may_stay;
}

/*
 * How long to sleep for a queue after a look in vain.  In its list no longer
 * than until something is due there, by its map, if nobody else sees to that;
 * where something is due, or nobody tells, for the interval, or until a token
 * may be passed on.  While the queue is paused nothing of that matters.
 */
static int64
wait_one(Wait *wait, int place)
{
	int64		interval = Min(wait->interval, MAX_SLEEP_MS);
	TimestampTz due;
	TimestampTz paused_until;
	bool		is_first;

	if (place >= my_places || !OidIsValid(my_queues[place]))
		return interval;

	/* what we did meanwhile may have slept on the latch, and reset it */
	if (MY_WAITER(place)->woken)
		return 0;

	/* all are woken when a pause is to end sooner, but not by COMMIT PREPARED */
	paused_until = pgmq_policy_paused_until(my_queues[place]);
	if (paused_until > GetCurrentTimestamp())
	{
		if (pgmq_map_has_open_prepared(wait->maps[place]))
			return Min(interval, ms_until(paused_until));
		return ms_until(paused_until);
	}
	due = pgmq_map_next_due(wait->maps[place]);
	is_first = waiter_is_first(place);
	if (due <= wait->looked)
	{
		/* not whoever just looks again, or all would wake all */
		if (is_first || my_tokens[place])
		{
			if (wait->looked >= wait->passed[place] &&
				wait->looked < wait->passed[place] + PASS_MS * INT64CONST(1000))
				return Min(interval, PASS_MS);
			waiter_pass_on(place);
			wait->passed[place] = wait->looked;
		}
		my_tokens[place] = false;
		return interval;
	}
	my_tokens[place] = false;
	return is_first ? ms_until(due) : MAX_SLEEP_MS;
}

/*
 * Sleep, after a look in vain, until another is worth while.  False when the
 * time is up.
 */
static bool
wait_sleep(Wait *wait)
{
	int64		sleep = wait_left(wait);

	CHECK_FOR_INTERRUPTS();
	if (sleep == 0)
		return false;
	for (int i = 0; i < wait->nqueues; i++)
	{
		/* Min is a macro, and this wakes others */
		int64		one = wait_one(wait, i);

		sleep = Min(sleep, one);
	}

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 sleep, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return true;
}

/*
 * Call take, which looks into queues that are open at first, until it returns
 * that it took something or max_seconds (an integer argument) have passed;
 * once in any case.  interval_ms (likewise) is the pause between two calls
 * where nobody tells when the next one is worth while.
 *
 * There are at most PGMQ_MAX_WAITED queues, none of them twice.  take may
 * change what an element of the array says; what it allocates goes with the
 * attempt.  grouped: that a message is gone may make another one readable.
 */
void
pgmq_poll(const PgmqQueue *queues, int nqueues, bool grouped,
		  PgmqTakeFn take, void *state,
		  PgmqArg max_seconds, PgmqArg interval_ms)
{
	Wait		wait;
	MemoryContext attempt = AllocSetContextCreate(CurrentMemoryContext,
												  "pgmq_c attempt",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(attempt);

	Assert(nqueues <= PGMQ_MAX_WAITED);
	wait_begin(&wait, max_seconds, interval_ms);
	for (;;)
	{
		bool		may_stay = wait_enter(&wait, queues, nqueues, grouped);

		/* what an attempt goes by may have been changed while we slept */
		AcceptInvalidationMessages();
		wait.looked = GetCurrentTimestamp();
		if (take(state) > 0 || !may_stay || !wait_sleep(&wait))
			break;
		MemoryContextReset(attempt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(attempt);
	pgmq_waiter_end();
}
