/*-------------------------------------------------------------------------
 *
 * wait_list.c
 *	  The lists of blocked readers, and whom to wake.
 *
 * A waiting read (poll.c) enters its queue's list, *then* looks, and then
 * sleeps on its latch.  A commit that makes something readable there,
 * announced by then in the due map, wakes one of the list.  (No NOTIFY: its
 * commit lock is the whole database's.)
 *
 * A wake-up (*token* below) must not die with the waiter that has it.  A
 * waiter that leaves the list, with a message, out of time or by an error,
 * wakes the next.  A waiter that was woken and looked in vain while something
 * was due (a filter, a locked row) passes the token down the list.
 *
 * Only a waiter that sleeps can be relied on: one that looks may be blocked
 * there, by a trigger or a lock, for as long as that lasts.  So a token goes to
 * the first that sleeps.  Those that it passed over, since they were looking,
 * may have looked too soon, and look again before they sleep for long.
 *
 * No commit tells of messages that become readable as time passes.  One waiter
 * that sleeps watches the clock for all: it sleeps no longer than until the
 * queue's next due time.  When it stops sleeping another one gets the watch.  A
 * commit with an earlier due time has a sleeping waiter wake earlier.
 *
 * A reader of groups also waits for a group's head to go away, which makes
 * nothing due that was not before.  Such a waiter says so in the list, and a
 * commit that removed messages wakes one of these.
 *
 * Lists are kept in buckets by the queue, each with a lock and counts, which
 * are all that a commit looks at when nobody waits.  A backend has a number of
 * places, so it can be in the lists of several queues at once.  Its places
 * are a stack, for a trigger may wait inside of a read that waits.
 *
 * A session that drops or purges the queue first sends its waiters away: they
 * return with nothing and let go of the table's lock.  Until its transaction
 * ends the queue is *closed*: a waiter that comes looks once and returns.
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
	TimestampTz watch;			/* it sleeps until this is due, or for longer */
	bool		grouped;		/* waits for a group's head to go, too */
	bool		asleep;			/* or about to be, and does nothing else */
	bool		woken;			/* and has not looked since */
	bool		again;			/* was passed over since it began to look */
	bool		sent_away;		/* somebody wants the queue's lock */
} Waiter;

typedef struct Bucket
{
	LWLock		lock;
	pg_atomic_uint32 count;
	pg_atomic_uint32 grouped;	/* of these */
	int			first;
	int			last;
	Oid			closed_dboid;	/* a queue that nobody is to wait for */
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
 * The queues in whose lists this backend has its places, InvalidOid where in
 * none, and the subtransactions in which the waits began that have them.
 */
static Oid	my_queues[PGMQ_MAX_WAITED];
static SubTransactionId my_subids[PGMQ_MAX_WAITED];
static int	my_places = 0;		/* used ones end here */

/* The bucket in which this backend has closed a queue. */
static Bucket *my_closed = NULL;

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

/* Whether a waiter does nothing but sleep, and nobody has woken it. */
static bool
waiter_is_idle(const Waiter *waiter)
{
	return waiter->asleep && !waiter->woken;
}

/*
 * Wake the first of a queue, from a waiter on, that sleeps and is not woken
 * yet; if grouped, of those who wait for a group's head.  Those before it
 * that are looking look again.  If nobody sleeps the first of these is woken.
 */
static void
list_wake(int from, Oid relid, bool grouped)
{
	int			first = NOBODY;

	for (int i = list_search(from, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
	{
		Waiter	   *waiter = &area->waiters[i];

		if (waiter->woken || (grouped && !waiter->grouped))
			continue;
		if (waiter->asleep)
		{
			waiter_set(i);
			return;
		}
		waiter->again = true;

		/* a wait inside of our own one would have us go round and round */
		if (first == NOBODY && i / PGMQ_MAX_WAITED != MyProcNumber)
			first = i;
	}
	if (first != NOBODY)
		waiter_set(first);
}

/*
 * Have one of a queue's sleepers watch for when something is due, unless there
 * is one that does: it makes its sleep shorter.  If nobody sleeps there is
 * nothing to do, since a waiter finds out before it sleeps.
 */
static void
list_watch(Bucket *bucket, Oid relid, TimestampTz due)
{
	int			first = NOBODY;

	if (due >= PGMQ_DUE_LAST)
		return;
	for (int i = list_search(bucket->first, relid); i != NOBODY;
		 i = list_search(area->waiters[i].next, relid))
	{
		if (!waiter_is_idle(&area->waiters[i]))
			continue;
		if (area->waiters[i].watch <= due)
			return;
		if (first == NOBODY)
			first = i;
	}
	if (first != NOBODY)
	{
		area->waiters[first].watch = due;
		waiter_nudge(first);
	}
}

/* ----------------------------------------------------------------
 *		What a waiting backend does
 * ----------------------------------------------------------------
 */

/*
 * Get places for a wait for n queues, as many as there are left; the first of
 * them.  Those of a wait that is inside of another one come after its places.
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

/* The queue in whose list a place of this backend is; InvalidOid: in none. */
Oid
pgmq_waiter_queue(int place)
{
	return my_queues[place];
}

/*
 * Enter the list of a queue with a place of this backend, or stay in it; a
 * look must follow.  told: by what it was ended, if this was a sleep.  False
 * when the look is to be the last one, since somebody waits for the queue's
 * lock.
 */
bool
pgmq_waiter_enter(int place, Oid relid, bool grouped, PgmqWakeUp *told)
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
		me->grouped = grouped;
		me->woken = me->asleep = false;
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
	}
	watch = me->watch;
	told->watched = me->asleep && watch < PGMQ_DUE_NEVER;
	told->woken = me->woken;
	told->due = told->watched && watch <= now;
	told->watch = told->watched && watch > now ? watch : PGMQ_DUE_NEVER;
	me->woken = me->again = me->asleep = false;
	may_stay = !me->sent_away;
	LWLockRelease(&bucket->lock);
	return may_stay;
}

/*
 * This backend had the watch over a queue and may be away for long: one that
 * sleeps, if any does, is to see to what is due there next.
 */
void
pgmq_waiter_hand_over(Oid relid, TimestampTz due)
{
	Bucket	   *bucket = bucket_of(relid);

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	list_watch(bucket, relid, due);
	LWLockRelease(&bucket->lock);
}

/*
 * A place of this backend, in a list, has looked in vain and is to sleep:
 * whether it has been given a token meanwhile, and is not to.  If it is,
 * whether it is the first that sleeps, and whether it is to look again soon.
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
 * Something is due in the queue of a place of this backend, which is to sleep:
 * whether it must wake for that, since no other one will.
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
 * A place of this backend, in a list, was asleep until now, and the latch was
 * set: whether it can sleep on, and until when it watches.
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
 * Pass a token on, from a place of this backend down the list; or give one to
 * the first in it, since something is due that nobody was told of.
 */
void
pgmq_waiter_pass_on(int place, bool to_first)
{
	Bucket	   *bucket = bucket_of(my_queues[place]);

	LWLockAcquire(&bucket->lock, LW_EXCLUSIVE);
	list_wake(to_first ? bucket->first : MY_WAITER(place)->next, my_queues[place], false);
	LWLockRelease(&bucket->lock);
}

/* Leave a list, if in one, and wake the next.  Also for callbacks. */
void
pgmq_waiter_leave(int place)
{
	Bucket	   *bucket;
	Waiter	   *me;

	if (!OidIsValid(my_queues[place]))
		return;
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
	if (me->grouped)
		pg_atomic_fetch_sub_u32(&bucket->grouped, 1);
	list_wake(bucket->first, me->relid, false);
	if (me->asleep)
		list_watch(bucket, me->relid, me->watch);
	my_queues[place] = InvalidOid;
	LWLockRelease(&bucket->lock);
}

/* Leave all lists that were entered from a place on.  Also for callbacks. */
void
pgmq_waiter_end(int first)
{
	while (my_places > first)
		pgmq_waiter_leave(--my_places);
}

/*
 * A subtransaction is rolled back, and with it the waits that began in it;
 * not the one that it is a part of.  For callbacks.
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
		list_watch(bucket, relid, due);
	else
		list_wake(first, relid, whom == PGMQ_WAKE_GROUPED);
	LWLockRelease(&bucket->lock);
}

/* Wake all who wait for any queue of this database.  For callbacks. */
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
 * This transaction is about to ask for a lock on a queue that its waiting
 * readers would keep from it: send them away, and whoever comes until it ends.
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

	/*
	 * A bucket has room for one closed queue, and a backend closes one;
	 * others are just told to go.
	 */
	if (my_closed == NULL && !OidIsValid(bucket->closed_relid))
	{
		bucket->closed_dboid = MyDatabaseId;
		bucket->closed_relid = relid;
		my_closed = bucket;
	}
	LWLockRelease(&bucket->lock);
}

/*
 * This transaction drops a table, whose lock it has.  A reader that waits for
 * it without a lock, and would look in vain in a while, sees that at once.
 */
void
pgmq_waiter_drop(Oid relid)
{
	if (area != NULL && pgmq_waiter_count(relid) > 0)
		pgmq_waiter_send_away(relid);
}

/* The transaction, or a part of it, ends: open the queue.  For callbacks. */
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
