/*-------------------------------------------------------------------------
 *
 * limit_reads.c
 *	  The counts behind the limits of reads, in shared memory: messages in flight,
 *	  and tokens.
 *
 * A message that is in flight is counted as long as its lease lasts by what has
 * been committed, or by an open transaction, whichever is later.  Readers reserve
 * the places of the messages that they are about to lease.
 *
 * A rate is kept by one number, the time at which the bucket will be full of
 * tokens.  It goes by the monotonic clock, which no one sets.
 *
 * All is protected by the lock of the memory.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/limit_reads.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "portability/instr_time.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "policy/policy.h"
#include "policy/limits.h"

/*
 * How many microseconds of tokens that came while readers waited for them are kept
 * beyond the burst, since no reader wakes in time to the microsecond.
 */
#define LATENESS		100000

/* A value with so many messages in flight, and this share of all, yields to others. */
#define NOISY_MIN		30
#define NOISY_SHARE		0.1

/* ----------------------------------------------------------------
 *		Messages in flight, and values
 * ----------------------------------------------------------------
 */

static int *
entry_chain(int queue, bool is_value, int64 key)
{
	uint32		hash = hash_combine(murmurhash32(queue * 2 + is_value),
									murmurhash32((uint32) key ^ (uint32) (key >> 32)));

	return &pgmq_limit_entries[hash % pgmq_limit_area->nentries].first;
}

/* A message or value of a queue, or PGMQ_LIMIT_NONE.  Here and below the lock is held. */
static int
entry_find(const PgmqLimitQueue *queue, bool is_value, int64 key)
{
	int			number = queue - pgmq_limit_area->queues;
	int			i = pgmq_limit_area->nentries == 0 ? PGMQ_LIMIT_NONE : *entry_chain(number, is_value, key);

	while (i != PGMQ_LIMIT_NONE && (pgmq_limit_entries[i].key != key || pgmq_limit_entries[i].queue != number ||
									pgmq_limit_entries[i].is_value != is_value))
		i = pgmq_limit_entries[i].chain;
	return i;
}

/* Count a message as in flight, or not any more. */
static void
entry_count(const PgmqLimitEntry *entry, int n)
{
	pgmq_limit_area->queues[entry->queue].in_flight += n;
	if (entry->value != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[entry->value].in_flight += n;
}

static void
entry_free(int i)
{
	PgmqLimitEntry *entry = &pgmq_limit_entries[i];
	int		   *link = entry_chain(entry->queue, entry->is_value, entry->key);

	if (!entry->is_value)
		entry_count(entry, -1);
	while (*link != i)
		link = &pgmq_limit_entries[*link].chain;
	*link = entry->chain;
	if (entry->prev != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[entry->prev].next = entry->next;
	else
		pgmq_limit_area->queues[entry->queue].entries = entry->next;
	if (entry->next != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[entry->next].prev = entry->prev;
	entry->chain = pgmq_limit_area->free_entry;
	pgmq_limit_area->free_entry = i;
}

static double
clock_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (double) INSTR_TIME_GET_MICROSEC(now);
}

/* The messages of a queue whose leases have ended are not in flight any more. */
static void
leases_end(PgmqLimitQueue *queue, TimestampTz now)
{
	int			next;

	if (queue->next_end > now)
		return;
	queue->next_end = PGMQ_DUE_NEVER;
	for (int i = queue->entries; i != PGMQ_LIMIT_NONE; i = next)
	{
		TimestampTz end = Max(pgmq_limit_entries[i].until, pgmq_limit_entries[i].open);

		next = pgmq_limit_entries[i].next;
		if (pgmq_limit_entries[i].is_value)
			continue;
		if (end <= now)
			entry_free(i);
		else
			queue->next_end = Min(queue->next_end, end);
	}
}

/*
 * Free what says nothing: messages whose leases have ended, and values with nothing
 * in flight, whose buckets are full.
 */
static void
entries_reclaim(void)
{
	double		now = clock_now();
	TimestampTz time = GetCurrentTimestamp();

	for (int q = 0; q < pgmq_limit_area->nused; q++)
	{
		int			next;

		if (!OidIsValid(pgmq_limit_area->queues[q].dboid))
			continue;
		leases_end(&pgmq_limit_area->queues[q], time);
		for (int i = pgmq_limit_area->queues[q].entries; i != PGMQ_LIMIT_NONE; i = next)
		{
			next = pgmq_limit_entries[i].next;
			if (pgmq_limit_entries[i].is_value && pgmq_limit_entries[i].in_flight == 0 && pgmq_limit_entries[i].reserved == 0 &&
				pgmq_limit_entries[i].bucket.full <= now)
				entry_free(i);
		}
	}
}

/* A new message or value of a queue, or PGMQ_LIMIT_NONE when there is no room. */
static int
entry_new(PgmqLimitQueue *queue, bool is_value, int64 key)
{
	int			number = queue - pgmq_limit_area->queues;
	int			i;
	int		   *link;

	if (pgmq_limit_area->free_entry == PGMQ_LIMIT_NONE)
		entries_reclaim();
	i = pgmq_limit_area->free_entry;
	if (i == PGMQ_LIMIT_NONE)
		return PGMQ_LIMIT_NONE;
	pgmq_limit_area->free_entry = pgmq_limit_entries[i].chain;
	link = entry_chain(number, is_value, key);
	pgmq_limit_entries[i].queue = number;
	pgmq_limit_entries[i].key = key;
	pgmq_limit_entries[i].is_value = is_value;
	pgmq_limit_entries[i].until = pgmq_limit_entries[i].open = PGMQ_NO_LEASE;
	pgmq_limit_entries[i].value = PGMQ_LIMIT_NONE;
	pgmq_limit_entries[i].in_flight = pgmq_limit_entries[i].reserved = 0;
	pgmq_limit_entries[i].bucket = (PgmqLimitBucket)
	{
		0
	};
	pgmq_limit_entries[i].chain = *link;
	*link = i;
	pgmq_limit_entries[i].prev = PGMQ_LIMIT_NONE;
	pgmq_limit_entries[i].next = queue->entries;
	if (queue->entries != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[queue->entries].prev = i;
	queue->entries = i;
	return i;
}

static int
value_get(PgmqLimitQueue *queue, int64 hash)
{
	int			i = entry_find(queue, true, hash);

	return i == PGMQ_LIMIT_NONE ? entry_new(queue, true, hash) : i;
}

/*
 * Forget what is known of a queue: all, or only the messages that were in flight
 * by what has been committed.  The lock is held.
 */
void
pgmq_limits_drop_entries(PgmqLimitQueue *queue, bool all)
{
	int			next;

	for (int i = queue->entries; i != PGMQ_LIMIT_NONE; i = next)
	{
		next = pgmq_limit_entries[i].next;
		if (all || (!pgmq_limit_entries[i].is_value && pgmq_limit_entries[i].until != PGMQ_NO_LEASE))
			entry_free(i);
	}
}

/* A message is in flight until one of two times. */
static void
lease_put(PgmqLimitQueue *queue, int i, TimestampTz until, TimestampTz open)
{
	pgmq_limit_entries[i].until = until;
	pgmq_limit_entries[i].open = open;
	if (until == PGMQ_NO_LEASE && open == PGMQ_NO_LEASE)
		entry_free(i);
	else
		queue->next_end = Min(queue->next_end, Max(until, open));
}

/* A message that was not in flight is; value is NULL, or of its header. */
static int
lease_new(PgmqLimitQueue *queue, int64 msg_id, const int64 *value)
{
	int			v = value == NULL ? PGMQ_LIMIT_NONE : value_get(queue, *value);
	int			i;

	if (value != NULL && v == PGMQ_LIMIT_NONE)
		return PGMQ_LIMIT_NONE;
	/* no value that counts nothing may be reclaimed meanwhile */
	if (v != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[v].in_flight++;
	i = entry_new(queue, false, msg_id);
	if (v != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[v].in_flight--;
	if (i != PGMQ_LIMIT_NONE)
	{
		pgmq_limit_entries[i].value = v;
		entry_count(&pgmq_limit_entries[i], 1);
	}
	return i;
}

/* ----------------------------------------------------------------
 *		What is in flight
 * ----------------------------------------------------------------
 */

/*
 * By an open transaction a message is in flight until a time, or not at all; *was
 * is until when it was by this transaction, and *committed by what others have
 * committed.  value is NULL or the hash of its header.  If a place or a place of the
 * value was reserved, it is used up.  False when there is no room for it.
 */
bool
pgmq_limits_lease(Oid relid, int64 msg_id, const int64 *value, TimestampTz until,
				  bool reserved, bool value_reserved, TimestampTz *was, TimestampTz *committed)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	int			i;

	*was = *committed = PGMQ_NO_LEASE;
	if (queue == NULL)
		return true;
	i = entry_find(queue, false, msg_id);
	if (i == PGMQ_LIMIT_NONE && until != PGMQ_NO_LEASE)
	{
		i = lease_new(queue, msg_id, value);
		if (i == PGMQ_LIMIT_NONE)
		{
			LWLockRelease(&pgmq_limit_area->lock);
			return false;
		}
	}
	if (i != PGMQ_LIMIT_NONE)
	{
		*was = pgmq_limit_entries[i].open;
		*committed = pgmq_limit_entries[i].until;
		if (reserved)
			queue->reserved--;
		if (value_reserved && pgmq_limit_entries[i].value != PGMQ_LIMIT_NONE)
			pgmq_limit_entries[pgmq_limit_entries[i].value].reserved--;
		lease_put(queue, i, pgmq_limit_entries[i].until, until);
	}
	LWLockRelease(&pgmq_limit_area->lock);
	return true;
}

/*
 * The transaction that changed a lease has ended.  True if a reader that got
 * nothing is to be woken.
 */
bool
pgmq_limits_lease_end(Oid relid, int64 msg_id, bool commit)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	bool		wakes;
	int			i;

	if (queue == NULL)
		return false;
	i = entry_find(queue, false, msg_id);
	if (i != PGMQ_LIMIT_NONE)
		lease_put(queue, i, commit ? pgmq_limit_entries[i].open : pgmq_limit_entries[i].until,
				  commit ? pgmq_limit_entries[i].open : pgmq_limit_entries[i].until);
	wakes = queue->starved;
	queue->starved = false;
	LWLockRelease(&pgmq_limit_area->lock);
	return wakes;
}

/* A part of a transaction was rolled back: by the rest a message is in flight until was. */
bool
pgmq_limits_lease_back(Oid relid, int64 msg_id, const int64 *value, TimestampTz was)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	bool		wakes;
	int			i;

	if (queue == NULL)
		return false;
	i = entry_find(queue, false, msg_id);
	if (i == PGMQ_LIMIT_NONE && was != PGMQ_NO_LEASE)
		i = lease_new(queue, msg_id, value);
	if (i != PGMQ_LIMIT_NONE)
		lease_put(queue, i, pgmq_limit_entries[i].until, was);
	wakes = queue->starved;
	queue->starved = false;
	LWLockRelease(&pgmq_limit_area->lock);
	return wakes;
}

/* A count of the queue has found a message in flight; false when there is no room. */
bool
pgmq_limits_lease_found(Oid relid, int64 msg_id, const int64 *value, TimestampTz until)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	int			i;

	if (queue == NULL)
		return true;
	i = lease_new(queue, msg_id, value);
	if (i != PGMQ_LIMIT_NONE)
		lease_put(queue, i, until, until);
	LWLockRelease(&pgmq_limit_area->lock);
	return i != PGMQ_LIMIT_NONE;
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
bucket_look(PgmqLimitBucket *bucket, double now, double interval, int size, double *wait)
{
	double		oldest = bucket->denied ? now - LATENESS : now;
	double		tokens;

	/* a policy that has changed may have made it smaller */
	bucket->full = Min(Max(bucket->full, oldest), now + size * interval);
	tokens = floor(size - (bucket->full - now) / interval + 1e-6);
	*wait = tokens >= 1 ? 0 : bucket->full - now - (size - 1) * interval;
	return (int64) Max(Min(tokens, 1e15), 0);
}

/* Take so many messages of up to n; see pgmq_limits_take.  *next may be set. */
static int64
limit_take(int64 max_in_flight, int *reserved, int in_flight, TimestampTz next_end,
		   PgmqLimitBucket *bucket, double rate, int burst, int64 n,
		   TimestampTz now, TimestampTz *until, TimestampTz *next)
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
		if (n > 0 && bucket_look(bucket, clock, interval, Max(burst, 1), &wait) == 0)
			*next = now + (int64) Min(ceil(wait), 1e15);
	}
	if (max_in_flight > 0)
		*reserved += n;
	bucket->refused |= n == 0;
	return n;
}

/*
 * How many of n messages of a queue may be read at now, by its policy: tokens are
 * taken for them, and places reserved, that are to be given back if not used.  freed
 * places are counted as taken and will be free when this transaction commits.  If
 * there are none, *until is when there may be some, if nothing else happens before.
 * If this took the last token, *next is when the next one comes.
 */
int64
pgmq_limits_take(Oid relid, const PgmqPolicy *policy, int64 freed, int64 n, TimestampTz now,
				 TimestampTz *until, TimestampTz *next)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	int64		wanted = n;

	*until = *next = PGMQ_DUE_LAST;
	if (queue == NULL)
		return n;
	leases_end(queue, now);
	n = limit_take(policy->max_in_flight > 0 ? policy->max_in_flight + freed : 0, &queue->reserved, queue->in_flight, queue->next_end,
				   &queue->bucket, policy->rate, policy->burst, n, now, until, next);
	/* those who wait are not told to try in vain before the next token */
	if (n == 0 || *next < PGMQ_DUE_LAST)
		queue->starved = queue->bucket.refused = true;
	if (n < wanted)
		queue->denied_at = now;
	LWLockRelease(&pgmq_limit_area->lock);
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
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	int64		wanted = n;
	TimestampTz next;
	int			i;

	if (queue == NULL)
		return n;
	i = value_get(queue, value);
	if (i == PGMQ_LIMIT_NONE)
		n = -1;
	else if (quiet && pgmq_limit_entries[i].in_flight >= NOISY_MIN &&
			 pgmq_limit_entries[i].in_flight > NOISY_SHARE * queue->in_flight)
		n = 0;
	else
	{
		n = limit_take(policy->max_in_flight_each > 0 ? policy->max_in_flight_each + freed : 0,
					   &pgmq_limit_entries[i].reserved, pgmq_limit_entries[i].in_flight,
					   queue->next_end, &pgmq_limit_entries[i].bucket, policy->rate_each,
					   policy->burst_each, n, now, until, &next);
		if (n == 0)
			queue->starved = true;
		if (n < wanted)
			queue->denied_at = now;
	}
	LWLockRelease(&pgmq_limit_area->lock);
	return n;
}

/* Readers wait for the next token of a queue, though none has asked for it since the last. */
void
pgmq_limits_wait(Oid relid)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);

	if (queue == NULL)
		return;
	queue->bucket.denied = true;
	LWLockRelease(&pgmq_limit_area->lock);
}

/* The value whose messages were read last. */
int64
pgmq_limits_turn(Oid relid)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	int64		turn = 0;

	if (queue == NULL)
		return 0;
	turn = queue->turn;
	LWLockRelease(&pgmq_limit_area->lock);
	return turn;
}

void
pgmq_limits_set_turn(Oid relid, int64 value)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);

	if (queue == NULL)
		return;
	queue->turn = value;
	LWLockRelease(&pgmq_limit_area->lock);
}

/*
 * Give back places and tokens, of a value if it is not NULL.  True if a reader is to
 * be woken that got nothing of these.  One that got nothing of others is not: it
 * would take these, give them back in turn, and wake others without end.
 */
bool
pgmq_limits_give(Oid relid, const int64 *value, int64 places, int64 tokens, double rate)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	PgmqLimitBucket *bucket;
	int			i;
	bool		wakes = false;

	if (queue == NULL)
		return false;
	i = value == NULL ? PGMQ_LIMIT_NONE : entry_find(queue, true, *value);
	if (value == NULL)
		queue->reserved -= places;
	else if (i != PGMQ_LIMIT_NONE)
		pgmq_limit_entries[i].reserved -= places;
	bucket = i == PGMQ_LIMIT_NONE ? NULL : &pgmq_limit_entries[i].bucket;
	if (value == NULL)
		bucket = &queue->bucket;
	if (bucket != NULL)
	{
		if (rate > 0)
			bucket->full -= tokens * (USECS_PER_SEC / rate);
		wakes = bucket->refused;
		bucket->refused = false;
	}
	LWLockRelease(&pgmq_limit_area->lock);
	return wakes;
}
