/*-------------------------------------------------------------------------
 *
 * suspect.c
 *	  The queues that ended a session of maintenance, remembered for the
 *	  next ones.
 *
 * A trigger of a queue's owner can end the session that maintains the queue:
 * by a timeout whose error is FATAL, or by exit_on_error.  No code of ours can
 * catch that, and the next round would meet the same queue.  So the queue that
 * was in hand then is a *suspect*: it waits for a minute, and twice as long
 * each further time, and the other queues of its owner come last.
 *
 * In the same way a worker remembers that it could not connect.
 *
 * The memory is in the server's main segment, so there is none without
 * shared_preload_libraries.  It holds a few suspects; when there are more, the
 * one that would be tried first is forgotten.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/suspect.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "policy/policy.h"

#define SUSPECTS_MAX	128
#define WORKERS_MAX		128

/* How long (microseconds) a suspect waits the first time, and at most. */
#define WAIT_FIRST		(60 * USECS_PER_SEC)
#define WAIT_MAX		(3600 * USECS_PER_SEC)

/* A suspect that was not met again for so long (microseconds) is forgotten. */
#define FORGET_AFTER	(24 * 3600 * USECS_PER_SEC)

typedef struct Suspect
{
	Oid			dboid;			/* InvalidOid: this entry is free */
	Oid			relid;			/* the queue table */
	Oid			owner;
	int			deaths;			/* how many sessions have ended with it */
	TimestampTz until;			/* it waits */
	bool		told;			/* a session has said so */
} Suspect;

typedef struct SuspectArea
{
	slock_t		lock;
	Suspect		suspects[SUSPECTS_MAX];
	pg_atomic_uint32 failures[WORKERS_MAX]; /* to connect, one after the other */
} SuspectArea;

static SuspectArea *area = NULL;
static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

/* The queue that this session has in hand, and its owner. */
static Oid	held = InvalidOid;
static Oid	held_owner = InvalidOid;

static void
suspect_request(void)
{
	if (prev_request_hook)
		prev_request_hook();
	RequestAddinShmemSpace(sizeof(SuspectArea));
}

static void
suspect_startup(void)
{
	bool		found;

	if (prev_startup_hook)
		prev_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct("pgmq_c maintenance", sizeof(SuspectArea), &found);
	if (!found)
	{
		memset(area, 0, sizeof(SuspectArea));
		SpinLockInit(&area->lock);
		for (int i = 0; i < WORKERS_MAX; i++)
			pg_atomic_init_u32(&area->failures[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* At load, if it is not too late for shared memory. */
void
pgmq_suspect_init(void)
{
	prev_request_hook = shmem_request_hook;
	shmem_request_hook = suspect_request;
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = suspect_startup;
}

/* ----------------------------------------------------------------
 *		Suspects
 * ----------------------------------------------------------------
 */

/* The entry of a queue, or NULL.  The lock is held. */
static Suspect *
suspect_find(Oid relid)
{
	for (int i = 0; i < SUSPECTS_MAX; i++)
		if (area->suspects[i].relid == relid && area->suspects[i].dboid == MyDatabaseId)
			return &area->suspects[i];
	return NULL;
}

/* A free entry, or that of the suspect to be tried first.  The lock is held. */
static Suspect *
suspect_take(void)
{
	Suspect    *least = &area->suspects[0];

	for (int i = 0; i < SUSPECTS_MAX; i++)
	{
		Suspect    *suspect = &area->suspects[i];

		if (!OidIsValid(suspect->dboid))
			return suspect;
		if (suspect->until < least->until)
			least = suspect;
	}
	return least;
}

/*
 * Exit callback, and for the error that ends a round: the queue in hand, if
 * there is one, becomes a suspect.
 */
void
pgmq_suspect_note(int code, Datum arg)
{
	TimestampTz now = GetCurrentTimestamp();
	Suspect    *suspect;

	if (!OidIsValid(held) || area == NULL)
		return;
	SpinLockAcquire(&area->lock);
	suspect = suspect_find(held);
	if (suspect == NULL)
	{
		suspect = suspect_take();
		suspect->dboid = MyDatabaseId;
		suspect->relid = held;
		suspect->deaths = 0;
	}
	suspect->owner = held_owner;
	suspect->until = now + Min(WAIT_FIRST << Min(suspect->deaths, 10), WAIT_MAX);
	suspect->deaths++;
	suspect->told = false;
	SpinLockRelease(&area->lock);
	held = InvalidOid;
}

/*
 * This session takes a queue in hand, and is to release it.  False when it has
 * one: a trigger of that queue calls maintenance, and is answered for by it.
 */
bool
pgmq_suspect_hold(Oid relid, Oid owner)
{
	static bool registered = false;

	if (area == NULL || OidIsValid(held))
		return false;
	if (!registered)
	{
		before_shmem_exit(pgmq_suspect_note, (Datum) 0);
		registered = true;
	}
	held = relid;
	held_owner = owner;
	return true;
}

/*
 * The session has come through with a batch of the queue in hand.  done: no work
 * of the queue is left, so that it is no suspect any more.
 */
void
pgmq_suspect_release(bool done)
{
	Suspect    *suspect;

	if (!OidIsValid(held) || area == NULL)
		return;
	SpinLockAcquire(&area->lock);
	suspect = suspect_find(held);
	if (done && suspect != NULL)
		suspect->dboid = suspect->relid = InvalidOid;
	SpinLockRelease(&area->lock);
	held = InvalidOid;
}

/*
 * Tell what is known of a queue and its owner.  With PGMQ_SUSPECT_WAITS
 * *until says how long, and *told whether a session has said so before.
 */
PgmqSuspicion
pgmq_suspect_look(Oid relid, Oid owner, TimestampTz *until, bool *told)
{
	TimestampTz now = GetCurrentTimestamp();
	PgmqSuspicion result = PGMQ_SUSPECT_NO;

	if (area == NULL)
		return result;
	SpinLockAcquire(&area->lock);
	for (int i = 0; i < SUSPECTS_MAX; i++)
	{
		Suspect    *suspect = &area->suspects[i];

		if (suspect->dboid != MyDatabaseId)
			continue;
		if (suspect->until + FORGET_AFTER < now)
			suspect->dboid = suspect->relid = InvalidOid;
		else if (suspect->relid == relid && suspect->until > now &&
				 suspect->until <= now + WAIT_MAX)
		{
			*until = suspect->until;
			*told = suspect->told;
			suspect->told = true;
			result = PGMQ_SUSPECT_WAITS;
			break;
		}
		else if (suspect->owner == owner || suspect->relid == relid)
			result = PGMQ_SUSPECT_LAST;
	}
	SpinLockRelease(&area->lock);
	return result;
}

/* Until when maintenance leaves a queue out; 0 if it does not.  Only shows it. */
TimestampTz
pgmq_suspect_until(Oid relid)
{
	Suspect    *suspect;
	TimestampTz until = 0;

	if (area == NULL)
		return 0;
	SpinLockAcquire(&area->lock);
	suspect = suspect_find(relid);
	if (suspect != NULL)
		until = suspect->until;
	SpinLockRelease(&area->lock);
	return until > GetCurrentTimestamp() ? until : 0;
}

/* ----------------------------------------------------------------
 *		Workers that cannot connect
 * ----------------------------------------------------------------
 */

/* How often in a row a worker, by its number, has failed to connect. */
uint32
pgmq_suspect_failures(int worker)
{
	if (area == NULL || worker >= WORKERS_MAX)
		return 0;
	return pg_atomic_read_u32(&area->failures[worker]);
}

void
pgmq_suspect_set_failures(int worker, uint32 failures)
{
	if (area != NULL && worker < WORKERS_MAX)
		pg_atomic_write_u32(&area->failures[worker], failures);
}
