/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  What is counted for limits, in shared memory.
 *
 * A queue whose policy limits something has an entry, which is made when the
 * policy is set or, after a start of the server, when the queue is first used.
 * The entry is exact: it counts what the count of the table has seen and what
 * transactions have done since.  limit_xact.c says why none is counted twice.
 *
 * What a transaction sends counts at once, as pending, since it may commit; what
 * it removes counts when it has committed.  So the sum is never below what is
 * in the queue, whatever becomes of the transactions that are open.
 *
 * A message that is in flight is counted as long as its lease lasts by what has
 * been committed, or by an open transaction, whichever is later.  Readers reserve
 * the places of the messages that they are about to lease.
 *
 * A rate is kept by one number, the time at which the bucket will be full of
 * tokens.  It goes by the monotonic clock, which no one sets.
 *
 * One lock protects everything.  It is held for a few dozen instructions at a
 * time, but for the search for leases that have ended, which is made when one has.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/limits.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "policy/policy.h"
#include "policy/limits.h"

/* How many queues can have limits; without preload the memory is what there is. */
#define DEFAULT_QUEUES			2000
#define QUEUES_WITHOUT_PRELOAD	200

#define NONE			(-1)

/* The same of messages in flight and values of headers. */
#define DEFAULT_ENTRIES			30000
#define ENTRIES_WITHOUT_PRELOAD	3000

/*
 * How many microseconds of tokens that came while readers waited for them are kept
 * beyond the burst, since no reader wakes in time to the microsecond.
 */
#define LATENESS		100000

/* A value with so many messages in flight, and this share of all, yields to others. */
#define NOISY_MIN		30
#define NOISY_SHARE		0.1

/* The tokens of a rate. */
typedef struct LimitBucket
{
	double		full;			/* microseconds of the monotonic clock */
	bool		denied;			/* a reader has waited since the last token */
} LimitBucket;

/* A queue. */
typedef struct LimitQueue
{
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	int			first;			/* of the chain with this queue's number */
	int			next;			/* in the chain, or among the free ones */
	bool		ready;			/* all has been counted */
	PgmqContents contents;		/* by the transactions that have committed */
	PgmqContents pending;		/* what open transactions may add to that */
	int			entries;		/* the first of its messages in flight and
								 * values */
	int			in_flight;
	int			reserved;		/* places for messages that are being read */
	TimestampTz next_end;		/* no lease ends before */
	bool		starved;		/* a reader got nothing, and none was woken
								 * since */
	LimitBucket bucket;
	int64		turn;			/* the value that was last read from */
} LimitQueue;

/* A message in flight, or a value of the header that a policy limits by. */
typedef struct LimitEntry
{
	int			queue;			/* its number */
	int			first;			/* of the chain with this entry's number */
	int			chain;			/* the next one, or among the free ones */
	int			prev;			/* of its queue */
	int			next;
	int64		key;			/* msg_id, or a hash of the value */
	bool		is_value;

	/* a message */
	TimestampTz until;			/* the end of its lease, as committed */
	TimestampTz open;			/* and by the transaction that changes it */
	int			value;			/* of its header, or NONE */

	/* a value */
	int			in_flight;
	int			reserved;
	LimitBucket bucket;
} LimitEntry;

typedef struct LimitArea
{
	LWLock		lock;
	int			nqueues;
	int			nused;			/* this many, from the first, have been used */
	int			free;			/* the first of those given back */
	int			nentries;
	int			free_entry;
	LimitQueue	queues[FLEXIBLE_ARRAY_MEMBER];
} LimitArea;

static LimitArea *area = NULL;
static LimitEntry *entries = NULL;
static int	max_queues = DEFAULT_QUEUES;
static int	max_entries = DEFAULT_ENTRIES;

/* ----------------------------------------------------------------
 *		Finding a queue
 * ----------------------------------------------------------------
 */

static int *
queue_chain(Oid relid)
{
	uint32		hash = hash_combine(murmurhash32(MyDatabaseId), murmurhash32(relid));

	return &area->queues[hash % area->nqueues].first;
}

/* A queue of this database, or NULL; the lock is held. */
static LimitQueue *
queue_find(Oid relid)
{
	int			i = *queue_chain(relid);

	while (i != NONE && (area->queues[i].relid != relid || area->queues[i].dboid != MyDatabaseId))
		i = area->queues[i].next;
	return i == NONE ? NULL : &area->queues[i];
}

/* The same, with the lock taken if there is one; else it is not held. */
static LimitQueue *
queue_lock(Oid relid)
{
	LimitQueue *queue;

	if (area == NULL || area->nqueues == 0)
		return NULL;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	queue = queue_find(relid);
	if (queue == NULL)
		LWLockRelease(&area->lock);
	return queue;
}

/* ----------------------------------------------------------------
 *		Messages in flight, and values
 * ----------------------------------------------------------------
 */

static int *
entry_chain(int queue, bool is_value, int64 key)
{
	uint32		hash = hash_combine(murmurhash32(queue * 2 + is_value),
									murmurhash32((uint32) key ^ (uint32) (key >> 32)));

	return &entries[hash % area->nentries].first;
}

/* A message or value of a queue, or NONE.  Here and below the lock is held. */
static int
entry_find(const LimitQueue *queue, bool is_value, int64 key)
{
	int			number = queue - area->queues;
	int			i = area->nentries == 0 ? NONE : *entry_chain(number, is_value, key);

	while (i != NONE && (entries[i].key != key || entries[i].queue != number ||
						 entries[i].is_value != is_value))
		i = entries[i].chain;
	return i;
}

/* Count a message as in flight, or not any more. */
static void
entry_count(const LimitEntry *entry, int n)
{
	area->queues[entry->queue].in_flight += n;
	if (entry->value != NONE)
		entries[entry->value].in_flight += n;
}

static void
entry_free(int i)
{
	LimitEntry *entry = &entries[i];
	int		   *link = entry_chain(entry->queue, entry->is_value, entry->key);

	if (!entry->is_value)
		entry_count(entry, -1);
	while (*link != i)
		link = &entries[*link].chain;
	*link = entry->chain;
	if (entry->prev != NONE)
		entries[entry->prev].next = entry->next;
	else
		area->queues[entry->queue].entries = entry->next;
	if (entry->next != NONE)
		entries[entry->next].prev = entry->prev;
	entry->chain = area->free_entry;
	area->free_entry = i;
}

static double
clock_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (double) INSTR_TIME_GET_MICROSEC(now);
}

/* Free what says nothing: values with nothing in flight, whose buckets are full. */
static void
entries_reclaim(void)
{
	double		now = clock_now();

	for (int q = 0; q < area->nused; q++)
	{
		int			next;

		if (!OidIsValid(area->queues[q].dboid))
			continue;
		for (int i = area->queues[q].entries; i != NONE; i = next)
		{
			next = entries[i].next;
			if (entries[i].is_value && entries[i].in_flight == 0 && entries[i].reserved == 0 &&
				entries[i].bucket.full <= now)
				entry_free(i);
		}
	}
}

/* A new message or value of a queue, or NONE when there is no room. */
static int
entry_new(LimitQueue *queue, bool is_value, int64 key)
{
	int			number = queue - area->queues;
	int			i;
	int		   *link;

	if (area->free_entry == NONE)
		entries_reclaim();
	i = area->free_entry;
	if (i == NONE)
		return NONE;
	area->free_entry = entries[i].chain;
	link = entry_chain(number, is_value, key);
	entries[i].queue = number;
	entries[i].key = key;
	entries[i].is_value = is_value;
	entries[i].until = entries[i].open = PGMQ_NO_LEASE;
	entries[i].value = NONE;
	entries[i].in_flight = entries[i].reserved = 0;
	entries[i].bucket = (LimitBucket)
	{
		0
	};
	entries[i].chain = *link;
	*link = i;
	entries[i].prev = NONE;
	entries[i].next = queue->entries;
	if (queue->entries != NONE)
		entries[queue->entries].prev = i;
	queue->entries = i;
	return i;
}

static int
value_get(LimitQueue *queue, int64 hash)
{
	int			i = entry_find(queue, true, hash);

	return i == NONE ? entry_new(queue, true, hash) : i;
}

/* The messages of a queue whose leases have ended are not in flight any more. */
static void
leases_end(LimitQueue *queue, TimestampTz now)
{
	int			next;

	if (queue->next_end > now)
		return;
	queue->next_end = PGMQ_DUE_NEVER;
	for (int i = queue->entries; i != NONE; i = next)
	{
		TimestampTz end = Max(entries[i].until, entries[i].open);

		next = entries[i].next;
		if (entries[i].is_value)
			continue;
		if (end <= now)
			entry_free(i);
		else
			queue->next_end = Min(queue->next_end, end);
	}
}

/* All messages of a queue are gone, but those that the ending transaction has sent. */
static void
leases_drop(LimitQueue *queue)
{
	int			next;

	for (int i = queue->entries; i != NONE; i = next)
	{
		next = entries[i].next;
		if (!entries[i].is_value && entries[i].until != PGMQ_NO_LEASE)
			entry_free(i);
	}
}

/* A message is in flight until one of two times. */
static void
lease_put(LimitQueue *queue, int i, TimestampTz until, TimestampTz open)
{
	entries[i].until = until;
	entries[i].open = open;
	if (until == PGMQ_NO_LEASE && open == PGMQ_NO_LEASE)
		entry_free(i);
	else
		queue->next_end = Min(queue->next_end, Max(until, open));
}

/* A message that was not in flight is; value is NULL, or of its header. */
static int
lease_new(LimitQueue *queue, int64 msg_id, const int64 *value)
{
	int			v = value == NULL ? NONE : value_get(queue, *value);
	int			i;

	if (value != NULL && v == NONE)
		return NONE;
	/* no value that counts nothing may be reclaimed meanwhile */
	if (v != NONE)
		entries[v].in_flight++;
	i = entry_new(queue, false, msg_id);
	if (v != NONE)
		entries[v].in_flight--;
	if (i != NONE)
	{
		entries[i].value = v;
		entry_count(&entries[i], 1);
	}
	return i;
}

/* ----------------------------------------------------------------
 *		Queues
 * ----------------------------------------------------------------
 */

/* Make sure that there is memory.  Error: 55000. */
void
pgmq_limits_require(void)
{
	if (!pgmq_shmem_attach() || area == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("limits of queues need the shared memory of pgmq_c"),
				 errhint("Add pgmq_c to shared_preload_libraries, and restart the server.")));
}

/* Whether a queue of this database has an entry, and all was counted for it. */
bool
pgmq_limits_known(Oid relid)
{
	LimitQueue *queue;
	bool		known;

	if (area == NULL || area->nqueues == 0)
		return false;
	LWLockAcquire(&area->lock, LW_SHARED);
	queue = queue_find(relid);
	known = queue != NULL && queue->ready;
	LWLockRelease(&area->lock);
	return known;
}

/* All that is in a queue has been counted. */
void
pgmq_limits_ready(Oid relid)
{
	LimitQueue *queue = queue_lock(relid);

	if (queue == NULL)
		return;
	queue->ready = true;
	LWLockRelease(&area->lock);
}

/*
 * Make an entry for a queue that has these contents, in place of the one that it
 * may have; false when there is no room for one more.  Messages in flight are to
 * be added, and then it is ready.
 */
bool
pgmq_limits_begin(Oid relid, const PgmqContents *contents)
{
	LimitQueue *queue;
	int		   *link;
	int			i;

	if (area->nqueues == 0)
		return false;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	queue = queue_find(relid);
	if (queue == NULL)
	{
		i = area->free;
		if (i != NONE)
			area->free = area->queues[i].next;
		else if (area->nused < area->nqueues)
			i = area->nused++;
		else
		{
			LWLockRelease(&area->lock);
			return false;
		}
		link = queue_chain(relid);
		queue = &area->queues[i];
		queue->dboid = MyDatabaseId;
		queue->relid = relid;
		queue->entries = NONE;
		queue->starved = false;
		queue->bucket = (LimitBucket)
		{
			0
		};
		queue->next = *link;
		*link = i;
	}
	queue->ready = false;
	queue->contents = *contents;
	queue->pending = (PgmqContents)
	{
		0
	};
	while (queue->entries != NONE)
		entry_free(queue->entries);
	queue->in_flight = queue->reserved = 0;
	queue->next_end = PGMQ_DUE_NEVER;
	LWLockRelease(&area->lock);
	return true;
}

/* A queue has no limits any more. */
void
pgmq_limits_forget(Oid relid)
{
	LimitQueue *queue = queue_lock(relid);
	int		   *link;
	int			i;

	if (queue == NULL)
		return;
	i = queue - area->queues;
	for (link = queue_chain(relid); *link != i; link = &area->queues[*link].next)
		;
	*link = queue->next;
	while (queue->entries != NONE)
		entry_free(queue->entries);
	queue->dboid = queue->relid = InvalidOid;
	queue->next = area->free;
	area->free = i;
	LWLockRelease(&area->lock);
}

/* ----------------------------------------------------------------
 *		What is in a queue
 * ----------------------------------------------------------------
 */

/*
 * An open transaction may add so much more to a queue than it said before, or
 * less.  Returns what the queue has, with all that is pending.
 */
PgmqContents
pgmq_limits_pend(Oid relid, PgmqContents more)
{
	LimitQueue *queue = queue_lock(relid);
	PgmqContents sum = {0};

	if (queue == NULL)
		return sum;
	queue->pending.length += more.length;
	queue->pending.bytes += more.bytes;
	sum.length = queue->contents.length + queue->pending.length;
	sum.bytes = queue->contents.bytes + queue->pending.bytes;
	LWLockRelease(&area->lock);
	return sum;
}

/*
 * A transaction has ended that had so much pending: net is what it has added in
 * fact.  emptied: it has removed all that was there before it.
 */
void
pgmq_limits_settle(Oid relid, PgmqContents pending, bool emptied, PgmqContents net)
{
	LimitQueue *queue = queue_lock(relid);

	if (queue == NULL)
		return;
	if (emptied)
	{
		queue->contents = (PgmqContents)
		{
			0
		};
		leases_drop(queue);
	}
	queue->contents.length += net.length;
	queue->contents.bytes += net.bytes;
	queue->pending.length -= pending.length;
	queue->pending.bytes -= pending.bytes;
	LWLockRelease(&area->lock);
}

/* ----------------------------------------------------------------
 *		What is in flight
 * ----------------------------------------------------------------
 */

/*
 * By an open transaction a message is in flight until a time, or not at all; *was
 * is until when it was by this transaction.  value is NULL or the hash of its
 * header.  If a place or a place of the value was reserved, it is used up.
 * *frees: its place is free when the transaction commits.  False when there is no
 * room for it.
 */
bool
pgmq_limits_lease(Oid relid, int64 msg_id, const int64 *value, TimestampTz until,
				  bool reserved, bool value_reserved, TimestampTz *was, bool *frees)
{
	LimitQueue *queue = queue_lock(relid);
	int			i;

	*was = PGMQ_NO_LEASE;
	*frees = false;
	if (queue == NULL)
		return true;
	i = entry_find(queue, false, msg_id);
	if (i == NONE && until != PGMQ_NO_LEASE)
	{
		i = lease_new(queue, msg_id, value);
		if (i == NONE)
		{
			LWLockRelease(&area->lock);
			return false;
		}
	}
	if (i != NONE)
	{
		*was = entries[i].open;
		*frees = until == PGMQ_NO_LEASE && entries[i].until != PGMQ_NO_LEASE;
		if (reserved)
			queue->reserved--;
		if (value_reserved && entries[i].value != NONE)
			entries[entries[i].value].reserved--;
		lease_put(queue, i, entries[i].until, until);
	}
	LWLockRelease(&area->lock);
	return true;
}

/*
 * The transaction that changed a lease has ended.  True if a reader that got
 * nothing is to be woken.
 */
bool
pgmq_limits_lease_end(Oid relid, int64 msg_id, bool commit)
{
	LimitQueue *queue = queue_lock(relid);
	bool		wakes;
	int			i;

	if (queue == NULL)
		return false;
	i = entry_find(queue, false, msg_id);
	if (i != NONE)
		lease_put(queue, i, commit ? entries[i].open : entries[i].until,
				  commit ? entries[i].open : entries[i].until);
	wakes = queue->starved;
	queue->starved = false;
	LWLockRelease(&area->lock);
	return wakes;
}

/* A part of a transaction was rolled back: by the rest a message is in flight until was. */
bool
pgmq_limits_lease_back(Oid relid, int64 msg_id, const int64 *value, TimestampTz was)
{
	LimitQueue *queue = queue_lock(relid);
	bool		wakes;
	int			i;

	if (queue == NULL)
		return false;
	i = entry_find(queue, false, msg_id);
	if (i == NONE && was != PGMQ_NO_LEASE)
		i = lease_new(queue, msg_id, value);
	if (i != NONE)
		lease_put(queue, i, entries[i].until, was);
	wakes = queue->starved;
	queue->starved = false;
	LWLockRelease(&area->lock);
	return wakes;
}

/* A count of the queue has found a message in flight; false when there is no room. */
bool
pgmq_limits_lease_found(Oid relid, int64 msg_id, const int64 *value, TimestampTz until)
{
	LimitQueue *queue = queue_lock(relid);
	int			i;

	if (queue == NULL)
		return true;
	i = lease_new(queue, msg_id, value);
	if (i != NONE)
		lease_put(queue, i, until, until);
	LWLockRelease(&area->lock);
	return i != NONE;
}

/* ----------------------------------------------------------------
 *		What may be read
 * ----------------------------------------------------------------
 */

/*
 * How many tokens a bucket of a size has at now, of those that come at an
 * interval; *wait is how long it takes until there is one, if there is none.
 */
static int64
bucket_look(LimitBucket *bucket, double now, double interval, int size, double *wait)
{
	double		oldest = bucket->denied ? now - LATENESS : now;
	double		tokens;

	/* a policy that has changed may have made it smaller */
	bucket->full = Min(Max(bucket->full, oldest), now + size * interval);
	tokens = floor(size - (bucket->full - now) / interval + 1e-6);
	*wait = tokens >= 1 ? 0 : bucket->full - now - (size - 1) * interval;
	return (int64) Max(Min(tokens, 1e15), 0);
}

/* Take so many messages of up to n; see pgmq_limits_take. */
static int64
limit_take(int64 max_in_flight, int *reserved, int in_flight, TimestampTz next_end,
		   LimitBucket *bucket, double rate, int burst, int64 n,
		   TimestampTz now, TimestampTz *until)
{
	double		clock = 0;
	double		wait;
	double		interval = 0;

	if (max_in_flight > 0)
	{
		int64		places = Max(max_in_flight - in_flight - *reserved, 0);

		/* what is reserved may be given back at any moment */
		if (places == 0)
			*until = Min(*until, *reserved > 0 ? Min(next_end, now + LATENESS) : next_end);
		n = Min(n, places);
	}
	if (n > 0 && rate > 0)
	{
		clock = clock_now();
		interval = USECS_PER_SEC / rate;
		n = Min(n, bucket_look(bucket, clock, interval, Max(burst, 1), &wait));
		if (n == 0)
			*until = Min(*until, now + (int64) Min(ceil(wait), 1e15));
		bucket->denied = n == 0;
		bucket->full += n * interval;
	}
	if (max_in_flight > 0)
		*reserved += n;
	return n;
}

/*
 * How many of n messages of a queue may be read at now, by its policy: tokens are
 * taken for them, and places reserved, that are to be given back if not used.  freed
 * places are counted as taken and will be free when this transaction commits.  If
 * there are none, *until is when there may be some, if nothing else happens before.
 */
int64
pgmq_limits_take(Oid relid, const PgmqPolicy *policy, int64 freed, int64 n, TimestampTz now,
				 TimestampTz *until)
{
	LimitQueue *queue = queue_lock(relid);

	*until = PGMQ_DUE_LAST;
	if (queue == NULL)
		return n;
	leases_end(queue, now);
	n = limit_take(policy->max_in_flight > 0 ? policy->max_in_flight + freed : 0, &queue->reserved, queue->in_flight, queue->next_end,
				   &queue->bucket, policy->rate, policy->burst, n, now, until);
	if (n == 0)
		queue->starved = true;
	LWLockRelease(&area->lock);
	return n;
}

/*
 * The same of messages with a value of the header that the policy limits by.  quiet:
 * nothing if the value has much of what is in flight.  -1: no room to count.
 */
int64
pgmq_limits_take_value(Oid relid, const PgmqPolicy *policy, int64 value, bool quiet,
					   int64 freed, int64 n, TimestampTz now, TimestampTz *until)
{
	LimitQueue *queue = queue_lock(relid);
	int			i;

	if (queue == NULL)
		return n;
	i = value_get(queue, value);
	if (i == NONE)
		n = -1;
	else if (quiet && entries[i].in_flight >= NOISY_MIN &&
			 entries[i].in_flight > NOISY_SHARE * queue->in_flight)
		n = 0;
	else
	{
		n = limit_take(policy->max_in_flight_each > 0 ? policy->max_in_flight_each + freed : 0,
					   &entries[i].reserved, entries[i].in_flight,
					   queue->next_end, &entries[i].bucket, policy->rate_each,
					   policy->burst_each, n, now, until);
		if (n == 0)
			queue->starved = true;
	}
	LWLockRelease(&area->lock);
	return n;
}

/* The value whose messages were read last. */
int64
pgmq_limits_turn(Oid relid)
{
	LimitQueue *queue = queue_lock(relid);
	int64		turn = 0;

	if (queue == NULL)
		return 0;
	turn = queue->turn;
	LWLockRelease(&area->lock);
	return turn;
}

void
pgmq_limits_set_turn(Oid relid, int64 value)
{
	LimitQueue *queue = queue_lock(relid);

	if (queue == NULL)
		return;
	queue->turn = value;
	LWLockRelease(&area->lock);
}

/* Give back places and tokens, of a value if it is not NULL.  True if a reader that got nothing is to be woken. */
bool
pgmq_limits_give(Oid relid, const int64 *value, int64 places, int64 tokens, double rate)
{
	LimitQueue *queue = queue_lock(relid);
	int			i;
	bool		wakes;

	if (queue == NULL)
		return false;
	i = value == NULL ? NONE : entry_find(queue, true, *value);
	if (value == NULL)
		queue->reserved -= places;
	else if (i != NONE)
		entries[i].reserved -= places;
	if (rate > 0 && value == NULL)
		queue->bucket.full -= tokens * (USECS_PER_SEC / rate);
	else if (rate > 0 && i != NONE)
		entries[i].bucket.full -= tokens * (USECS_PER_SEC / rate);
	wakes = queue->starved;
	queue->starved = false;
	LWLockRelease(&area->lock);
	return wakes;
}

/* ----------------------------------------------------------------
 *		The memory
 * ----------------------------------------------------------------
 */

/* Check hook: without preload the number of queues is fixed. */
static bool
queues_check(int *newval, void **extra, GucSource source)
{
	static bool told = false;

	if (pgmq_shmem_too_late("pgmq_c.limit_queues", source, &told))
		*newval = QUEUES_WITHOUT_PRELOAD;
	return true;
}

/* Check hook: the same for entries. */
static bool
entries_check(int *newval, void **extra, GucSource source)
{
	static bool told = false;

	if (pgmq_shmem_too_late("pgmq_c.limit_entries", source, &told))
		*newval = ENTRIES_WITHOUT_PRELOAD;
	return true;
}

/* At load, after pgmq_shmem_init. */
void
pgmq_limits_setting(void)
{
	DefineCustomIntVariable("pgmq_c.limit_entries",
							"Sets the number of messages in flight and values of headers that can be counted for limits.",
							"The memory for them comes on top of pgmq_c.shared_memory.",
							&max_entries, DEFAULT_ENTRIES, 0, 10000000,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, entries_check, NULL, NULL);
	DefineCustomIntVariable("pgmq_c.limit_queues",
							"Sets the number of queues that can have limits.",
							"The memory for them comes on top of pgmq_c.shared_memory.",
							&max_queues, DEFAULT_QUEUES, 0, 1000000,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, queues_check, NULL, NULL);
}

static Size
entries_offset(int nqueues)
{
	return MAXALIGN(offsetof(LimitArea, queues) + (Size) nqueues * sizeof(LimitQueue));
}

Size
pgmq_limits_size(void)
{
	return entries_offset(max_queues) + (Size) max_entries * sizeof(LimitEntry);
}

/* Make the entries in shared memory; called once. */
void
pgmq_limits_init(void *memory, Size size, int tranche)
{
	area = memory;
	LWLockInitialize(&area->lock, tranche);
	area->nqueues = max_queues;
	area->nentries = max_entries;
	pgmq_limits_attach(memory);
	area->nused = 0;
	area->free = NONE;
	memset(area->queues, 0, area->nqueues * sizeof(LimitQueue));
	for (int i = 0; i < area->nqueues; i++)
		area->queues[i].first = NONE;
	area->free_entry = NONE;
	for (int i = area->nentries - 1; i >= 0; i--)
	{
		entries[i].first = NONE;
		entries[i].chain = area->free_entry;
		area->free_entry = i;
	}
}

void
pgmq_limits_attach(void *memory)
{
	area = memory;
	entries = (LimitEntry *) ((char *) memory + entries_offset(area->nqueues));
}
