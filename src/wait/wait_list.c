/*-------------------------------------------------------------------------
 *
 * wait_list.c
 *	  The lists of waiting readers, and which of them are woken.
 *
 * A waiting read (poll.c) enters its queue's list, *then* reads, and then
 * sleeps on its latch.  A commit that makes something readable there announces
 * it in the due map and then wakes one waiter of the list.  (It does not use
 * NOTIFY, whose lock at commit is for the whole database.)
 *
 * A wake-up must not be lost with the waiter that has it.  A waiter that leaves
 * the list, with a message, out of time or by an error, wakes the next one.  A
 * waiter that was woken and read in vain while something was due (a filter, a
 * locked row) passes the wake-up down the list.
 *
 * A wake-up goes to the first waiter that sleeps, for one that reads may be
 * blocked by a trigger or a lock.  Waiters before it in the list may have read
 * too soon, so they read again before they sleep for long.
 *
 * When a message becomes readable as time passes, there is no commit.  One
 * sleeping waiter has the *watch* for its queue: it sleeps no longer than until
 * the next due time.  When it stops sleeping another one gets the watch.  A
 * commit with an earlier due time makes a sleeping waiter wake earlier.
 *
 * A reader of groups also waits for the head of a group to be removed, which
 * makes nothing due that was not due before.  The list says which waiters are
 * such readers, and a commit that removed messages wakes one of them.
 *
 * Lists are kept in buckets by the queue, each with a lock and counts.  A commit
 * reads only the counts when there is no waiter.  A backend has a number of
 * places, so that it can be in the lists of several queues at once.  Its places
 * are a stack, for a trigger may wait inside of a read that waits.
 *
 * A command that drops or purges the queue first sends its waiters away: they
 * return with nothing and release their lock on the table.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/wait/wait_list.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "wait/wait.h"

#define N_BUCKETS		256
#define NOBODY			(-1)

/* A place in a list. */
typedef struct Waiter
{
	Oid			dboid;			/* the queue waited for */
	Oid			relid;
	int			prev;			/* in the bucket, in order of arrival */
	int			next;
	TimestampTz watch;			/* it sleeps no longer than until then */
	TimestampTz since;			/* its wait began */
	PgmqWaitKind kind;
	bool		asleep;			/* it sleeps, or is about to */
	bool		woken;			/* it has a wake-up and has not read since */
	bool		again;			/* a wake-up passed it by since it began to
								 * read */
	bool		sent_away;		/* a command wants the queue's lock */
} Waiter;

typedef struct Bucket
{
	LWLock		lock;
	pg_atomic_uint32 count;
	pg_atomic_uint32 grouped;	/* of these */
	int			first;
	int			last;
	Oid			closed_dboid;	/* a queue that is closed to waiters */
	Oid			closed_relid;
} Bucket;

/* A backend's places follow from the backend's number. */
typedef struct WaitArea
{
	Bucket		buckets[N_BUCKETS];
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} WaitArea;

static WaitArea *area = NULL;

/*
 * For each place of this backend the queue in whose list it is, or InvalidOid,
 * and the subtransaction in which its wait began.
 */
static Oid	my_queues[PGMQ_MAX_WAITED];
static SubTransactionId my_subids[PGMQ_MAX_WAITED];
static int	my_places = 0;		/* used ones end here */

/* The bucket in which this backend has closed a queue to waiters. */
static Bucket *my_closed = NULL;

#define MY_PLACE(i)		(MyProcNumber * PGMQ_MAX_WAITED + (i))
#define MY_WAITER(i)	(&area->waiters[MY_PLACE(i)])

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* How much shared memory the lists take. */
Size
pgmq_waiter_size(void)
{
	return offsetof(WaitArea, waiters) + (Size) MaxBackends * PGMQ_MAX_WAITED * sizeof(Waiter);
}

/* Make the lists in shared memory; called once. */
void
pgmq_waiter_init(void *memory, Size size, int tranche)
{
	area = memory;
	for (int i = 0; i < N_BUCKETS; i++)
	{
		LWLockInitialize(&area->buckets[i].lock, tranche);
		pg_atomic_init_u32(&area->buckets[i].count, 0);
		pg_atomic_init_u32(&area->buckets[i].grouped, 0);
		area->buckets[i].first = area->buckets[i].last = NOBODY;
		area->buckets[i].closed_dboid = area->buckets[i].closed_relid = InvalidOid;
	}
}

/* Use the lists in this backend. */
void
pgmq_waiter_attach(void *memory)
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
waiter_nudge(int i)
{
	SetLatch(&GetPGProcByNumber(i / PGMQ_MAX_WAITED)->procLatch);
}

static void
waiter_set(int i)
{
	area->waiters[i].woken = true;
	waiter_nudge(i);
}

/* Whether a waiter sleeps and was not woken. */
static bool
waiter_is_idle(const Waiter *waiter)
{
	return waiter->asleep && !waiter->woken;
}

/*
 * Wake the first waiter of a queue, from one on, that sleeps and is not woken
 * yet; if grouped, only readers of groups count.  Waiters before it that are
 * reading read again.  If none sleeps, the first of these is woken.
 */
static void
list_wake(int from, Oid relid, bool grouped)
{
	int			first = NOBODY;

	for (int i = list_search(from, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
	{
		Waiter	   *waiter = &area->waiters[i];

		if (waiter->woken || (grouped && waiter->kind != PGMQ_WAIT_GROUPED))
			continue;
		if (waiter->asleep)
		{
			waiter_set(i);
			return;
		}
		waiter->again = true;

		/* a wait of our own inside of this one would repeat without end */
		if (first == NOBODY && i / PGMQ_MAX_WAITED != MyProcNumber)
			first = i;
	}
	if (first != NOBODY)
		waiter_set(first);
}

/*
 * Give the watch for a due time to one of a queue's sleeping waiters, unless
 * one has it: its sleep gets shorter.  If none sleeps there is nothing to do,
 * since a waiter finds the due time before it sleeps.  Whether one has it now.
 */
static bool
list_watch(Bucket *bucket, Oid relid, TimestampTz due)
{
	int			first = NOBODY;

	if (due >= PGMQ_DUE_LAST)
		return false;
	for (int i = list_search(bucket->first, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
	{
		if (!waiter_is_idle(&area->waiters[i]))
			continue;
		if (area->waiters[i].watch <= due)
			return true;
		if (first == NOBODY)
			first = i;
	}
	if (first != NOBODY)
	{
		area->waiters[first].watch = due;
		waiter_nudge(first);
	}
	return first != NOBODY;
}

/* ----------------------------------------------------------------
 *		What a waiting backend does
 * ----------------------------------------------------------------
 */

/*
 * Get places for a wait for n queues, or as many as are left: *nplaces of them,
 * from the number that is returned.  A wait inside of another one gets places
 * after that one's.  pgmq_waiter_end returns them.
 */
int
pgmq_waiter_begin(int n, int *nplaces)
{
	int			first = my_places;

	*nplaces = Min(n, PGMQ_MAX_WAITED - my_places);
	while (my_places < first + *nplaces)
	{
		my_queues[my_places] = InvalidOid;
		my_subids[my_places++] = GetCurrentSubTransactionId();
	}
	return first;
}

/* The queue in whose list a place of this backend is; InvalidOid if in none. */
Oid
pgmq_waiter_queue(int place)
{
	return my_queues[place];
}

/*
 * Enter the list of a queue with a place of this backend, or stay in it; a read
 * must follow.  since is when the wait began.  *wakeup says what ended the sleep,
 * if the place was asleep.
 * False when the read is to be the last one, since a command wants the queue's
 * lock.
 */
bool
pgmq_waiter_enter(int place, Oid relid, PgmqWaitKind kind, TimestampTz since, PgmqWakeUp *wakeup)
{
	Bucket	   *bucket = bucket_of(relid);
	Waiter	   *me = MY_WAITER(place);
	TimestampTz now = GetCurrentTimestamp();
	bool		may_stay;
	TimestampTz watch;

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	if (!OidIsValid(my_queues[place]))
	{
		me->sent_away = bucket->closed_relid == relid &&
			bucket->closed_dboid == MyDatabaseId;
		me->dboid = MyDatabaseId;
		me->relid = relid;
		me->kind = kind;
		me->since = since;
		me->woken = me->asleep = false;
		me->next = NOBODY;
		me->prev = bucket->last;
		if (bucket->last == NOBODY)
			bucket->first = MY_PLACE(place);
		else
			area->waiters[bucket->last].next = MY_PLACE(place);
		bucket->last = MY_PLACE(place);
		pg_atomic_fetch_add_u32(&bucket->count, 1);
		if (kind == PGMQ_WAIT_GROUPED)
			pg_atomic_fetch_add_u32(&bucket->grouped, 1);
		my_queues[place] = relid;
	}
	watch = me->watch;
	wakeup->watched = me->asleep && watch < PGMQ_DUE_NEVER;
	wakeup->woken = me->woken;
	wakeup->due = wakeup->watched && watch <= now;
	wakeup->watch = wakeup->watched && watch > now ? watch : PGMQ_DUE_NEVER;
	me->woken = me->again = me->asleep = false;
	may_stay = !me->sent_away;
	LWLockRelease(&bucket->lock);
	return may_stay;
}

/*
 * This backend had the watch for a queue and may be busy for long: a sleeping
 * waiter, if there is one, gets the watch for the next due time.
 */
void
pgmq_waiter_hand_over(Oid relid, TimestampTz due)
{
	Bucket	   *bucket = bucket_of(relid);

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	(void) list_watch(bucket, relid, due);
	LWLockRelease(&bucket->lock);
}

/*
 * A place of this backend, in a list, has read in vain and is to sleep.  True
 * if it was given a wake-up meanwhile, and must not sleep.  If not, whether it
 * is the first that sleeps, and whether it is to read again soon.
 */
bool
pgmq_waiter_rest(int place, bool *is_first, bool *again)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);
	Waiter	   *me = MY_WAITER(place);
	int			first;
	bool		woken;

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	woken = me->woken;
	*again = me->again;
	me->asleep = true;
	me->watch = PGMQ_DUE_NEVER;
	first = list_search(bucket->first, me->relid);
	while (first != MY_PLACE(place) && !waiter_is_idle(&area->waiters[first]))
		first = list_search(area->waiters[first].next, me->relid);
	*is_first = first == MY_PLACE(place);
	LWLockRelease(&bucket->lock);
	return woken;
}

/*
 * A place of this backend is to sleep, and this is the next due time of its
 * queue: whether it gets the watch, since no other sleeping waiter has it.
 */
bool
pgmq_waiter_watch(int place, TimestampTz due)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);
	Waiter	   *me = MY_WAITER(place);
	int			i;

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	i = list_search(bucket->first, me->relid);
	while (i != NOBODY &&
		   (!waiter_is_idle(&area->waiters[i]) || area->waiters[i].watch > due))
		i = list_search(area->waiters[i].next, me->relid);
	if (i == NOBODY)
		me->watch = due;
	LWLockRelease(&bucket->lock);
	return i == NOBODY;
}

/*
 * A place of this backend, in a list, was asleep until the latch was set:
 * whether it can sleep on, and until when it has the watch.
 */
bool
pgmq_waiter_sleeps_on(int place, TimestampTz *watch)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);
	Waiter	   *me = MY_WAITER(place);
	bool		sleeps_on;

	LWLockAcquire(&bucket->lock, LW_SHARED);
	sleeps_on = !me->woken;
	*watch = me->watch;
	LWLockRelease(&bucket->lock);
	return sleeps_on;
}

/*
 * Pass a wake-up on, from a place of this backend down the list; or to the
 * first waiter in the list, for what became due as time passed.
 */
void
pgmq_waiter_pass_on(int place, bool to_first)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	list_wake(to_first ? bucket->first : MY_WAITER(place)->next, my_queues[place], false);
	LWLockRelease(&bucket->lock);
}

/*
 * Leave a list, if in one.  The next waiter is woken; or, if nothing could be read
 * before next and this one has no wake-up since, one that sleeps gets the watch
 * for that: true if there is one.
 */
bool
pgmq_waiter_leave_until(int place, TimestampTz next)
{
	Bucket	   *bucket;
	Waiter	   *me;
	bool		watched = false;

	if (!OidIsValid(my_queues[place]))
		return false;
	bucket = bucket_of(my_queues[place]);
	me = MY_WAITER(place);
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
	if (me->kind == PGMQ_WAIT_GROUPED)
		pg_atomic_fetch_sub_u32(&bucket->grouped, 1);
	if (next > GetCurrentTimestamp() && !me->woken)
		watched = list_watch(bucket, me->relid, next);
	else
		list_wake(bucket->first, me->relid, false);
	if (me->asleep)
		(void) list_watch(bucket, me->relid, me->watch);
	my_queues[place] = InvalidOid;
	LWLockRelease(&bucket->lock);
	return watched;
}

/* Leave a list, if in one, and wake the next waiter.  For callbacks, too. */
void
pgmq_waiter_leave(int place)
{
	(void) pgmq_waiter_leave_until(place, DT_NOBEGIN);
}

/* Leave all lists from a place on, and return the places.  For callbacks, too. */
void
pgmq_waiter_end(int first)
{
	while (my_places > first)
		pgmq_waiter_leave(--my_places);
}

/*
 * A subtransaction is rolled back: end the waits that began in it, but not the
 * one that it is a part of.  For callbacks.
 */
void
pgmq_waiter_subabort(SubTransactionId subid)
{
	int			first = my_places;

	while (first > 0 && my_subids[first - 1] >= subid)
		first--;
	pgmq_waiter_end(first);
}

/* ----------------------------------------------------------------
 *		What other backends do
 * ----------------------------------------------------------------
 */

/*
 * Wake waiters of a queue of this database: one, when something can be read from
 * due on, which its map must know by now; one reader of groups; or all.  For
 * callbacks.
 */
void
pgmq_waiter_wake(Oid relid, PgmqWake whom, TimestampTz due)
{
	Bucket	   *bucket;
	int			first;

	if (area == NULL)
		return;
	bucket = bucket_of(relid);

	/* the map's lock, or the commit, was a memory barrier before this */
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
		(void) list_watch(bucket, relid, due);
	else
		list_wake(first, relid, whom == PGMQ_WAKE_GROUPED);
	LWLockRelease(&bucket->lock);
}

/* Wake all waiters of all queues of this database.  For callbacks. */
void
pgmq_waiter_wake_database(void)
{
	for (int i = 0; area != NULL && i < N_BUCKETS; i++)
	{
		Bucket	   *bucket = &area->buckets[i];

		if (pg_atomic_read_u32(&bucket->count) == 0)
			continue;
		LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
		for (int w = bucket->first; w != NOBODY; w = area->waiters[w].next)
			if (area->waiters[w].dboid == MyDatabaseId)
				waiter_set(w);
		LWLockRelease(&bucket->lock);
	}
}

/*
 * This transaction is about to request a lock on a queue that conflicts with
 * the locks of waiting readers: send them away, and close the queue to waiters
 * until the transaction ends.  Errors are those of pgmq_shmem_attach.
 */
void
pgmq_waiter_send_away(Oid relid)
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

	/* a bucket, and a backend, can have one closed queue only */
	if (my_closed == NULL && !OidIsValid(bucket->closed_relid))
	{
		bucket->closed_dboid = MyDatabaseId;
		bucket->closed_relid = relid;
		my_closed = bucket;
	}
	LWLockRelease(&bucket->lock);
}

/*
 * This transaction drops a table, whose lock it has.  A waiter that holds no
 * lock on it (pgmq.wait) is sent away at once.
 */
void
pgmq_waiter_drop(Oid relid)
{
	if (area != NULL && pgmq_waiter_count(relid) > 0)
		pgmq_waiter_send_away(relid);
}

/* The transaction, or a part of it, ends: reopen the queue.  For callbacks. */
void
pgmq_waiter_reopen(void)
{
	if (my_closed == NULL)
		return;
	LWLockAcquire(&my_closed->lock, LW_EXCLUSIVE);
	my_closed->closed_dboid = my_closed->closed_relid = InvalidOid;
	LWLockRelease(&my_closed->lock);
	my_closed = NULL;
}

/* How many waiters a queue of this database has.  Errors as above. */
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

/*
 * The waiters of all queues of this database, palloc'd in *waiting; returns
 * their number.  A backend that waits for several queues is there for each.
 * Errors as above.
 */
int
pgmq_waiter_list(PgmqWaiting **waiting)
{
	int			n = 0;

	if (!pgmq_shmem_attach())
		return 0;
	*waiting = palloc((Size) MaxBackends * PGMQ_MAX_WAITED * sizeof(PgmqWaiting));
	for (int b = 0; b < N_BUCKETS; b++)
	{
		Bucket	   *bucket = &area->buckets[b];

		if (pg_atomic_read_u32(&bucket->count) == 0)
			continue;
		LWLockAcquire(&bucket->lock, LW_SHARED);
		for (int i = bucket->first; i != NOBODY; i = area->waiters[i].next)
		{
			const Waiter *waiter = &area->waiters[i];

			/* one may have moved from bucket to bucket meanwhile */
			if (waiter->dboid != MyDatabaseId || n >= MaxBackends * PGMQ_MAX_WAITED)
				continue;
			(*waiting)[n++] = (PgmqWaiting)
			{
				.relid = waiter->relid,
					.pid = GetPGProcByNumber(i / PGMQ_MAX_WAITED)->pid,
					.kind = waiter->kind,
					.since = waiter->since
			};
		}
		LWLockRelease(&bucket->lock);
	}
	return n;
}
