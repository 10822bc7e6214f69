/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  The counts behind the limits of a queue, in shared memory.
 *
 * A queue whose policy limits something has an entry, which is made when the
 * policy is set or, after a start of the server, when the queue is first used.
 * The entry is exact: it has the messages that a count of the table has found, and
 * the changes by transactions since.  limit_xact.c says why none is counted twice.
 *
 * A message that a transaction sends counts at once, as pending, since the
 * transaction may commit; one that it removes stops counting when it has committed.
 * So the sum is never below the contents of the queue, however the open transactions
 * end.
 *
 * limit_reads.c counts what is in flight, and tokens.
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

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "policy/policy.h"
#include "policy/limits.h"

/* How many queues can have limits; without preload the memory is what there is. */
#define DEFAULT_QUEUES			2000
#define QUEUES_WITHOUT_PRELOAD	200

/* The same of messages in flight and values of headers. */
#define DEFAULT_ENTRIES			30000
#define ENTRIES_WITHOUT_PRELOAD	3000

PgmqLimitArea *pgmq_limit_area = NULL;
PgmqLimitEntry *pgmq_limit_entries = NULL;
static int	max_queues = DEFAULT_QUEUES;
static int	max_entries = DEFAULT_ENTRIES;

/* ----------------------------------------------------------------
 *		Finding a queue
 * ----------------------------------------------------------------
 */

static int *
queue_chain(Oid dboid, Oid relid)
{
	uint32		hash = hash_combine(murmurhash32(dboid), murmurhash32(relid));

	return &pgmq_limit_area->queues[hash % pgmq_limit_area->nqueues].first;
}

/* A queue of this database, or NULL; the lock is held. */
static PgmqLimitQueue *
queue_find(Oid relid)
{
	int			i = *queue_chain(MyDatabaseId, relid);

	while (i != PGMQ_LIMIT_NONE && (pgmq_limit_area->queues[i].relid != relid || pgmq_limit_area->queues[i].dboid != MyDatabaseId))
		i = pgmq_limit_area->queues[i].next;
	return i == PGMQ_LIMIT_NONE ? NULL : &pgmq_limit_area->queues[i];
}

/* The same, with the lock taken if there is one; else it is not held. */
PgmqLimitQueue *
pgmq_limits_lock(Oid relid)
{
	PgmqLimitQueue *queue;

	if (pgmq_limit_area == NULL || pgmq_limit_area->nqueues == 0)
		return NULL;
	LWLockAcquire(&pgmq_limit_area->lock, LW_EXCLUSIVE);
	queue = queue_find(relid);
	if (queue == NULL)
		LWLockRelease(&pgmq_limit_area->lock);
	return queue;
}

/* ----------------------------------------------------------------
 *		Queues
 * ----------------------------------------------------------------
 */

/* Make sure that there is memory.  Error: 55000. */
void
pgmq_limits_require(void)
{
	if (!pgmq_shmem_attach() || pgmq_limit_area == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("limits of queues need the shared memory of pgmq_c"),
				 errhint("Add pgmq_c to shared_preload_libraries, and restart the server.")));
}

/* Whether a queue of this database has an entry, and all was counted for it. */
bool
pgmq_limits_known(Oid relid)
{
	PgmqLimitQueue *queue;
	bool		known;

	if (pgmq_limit_area == NULL || pgmq_limit_area->nqueues == 0)
		return false;
	LWLockAcquire(&pgmq_limit_area->lock, LW_SHARED);
	queue = queue_find(relid);
	known = queue != NULL && queue->ready;
	LWLockRelease(&pgmq_limit_area->lock);
	return known;
}

/* All that is in a queue has been counted. */
void
pgmq_limits_ready(Oid relid)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);

	if (queue == NULL)
		return;
	queue->ready = true;
	LWLockRelease(&pgmq_limit_area->lock);
}

/*
 * Make an entry for a queue that has these contents, in place of the one that it
 * may have; false when there is no room for one more.  Messages in flight are to
 * be added, and then it is ready.
 */
bool
pgmq_limits_begin(Oid relid, const PgmqContents *contents)
{
	PgmqLimitQueue *queue;
	int		   *link;
	int			i;

	if (pgmq_limit_area->nqueues == 0)
		return false;
	LWLockAcquire(&pgmq_limit_area->lock, LW_EXCLUSIVE);
	queue = queue_find(relid);
	if (queue == NULL)
	{
		i = pgmq_limit_area->free;
		if (i != PGMQ_LIMIT_NONE)
			pgmq_limit_area->free = pgmq_limit_area->queues[i].next;
		else if (pgmq_limit_area->nused < pgmq_limit_area->nqueues)
			i = pgmq_limit_area->nused++;
		else
		{
			LWLockRelease(&pgmq_limit_area->lock);
			return false;
		}
		link = queue_chain(MyDatabaseId, relid);
		queue = &pgmq_limit_area->queues[i];
		queue->dboid = MyDatabaseId;
		queue->relid = relid;
		queue->entries = PGMQ_LIMIT_NONE;
		queue->starved = false;
		queue->denied_at = 0;
		queue->turn = 0;
		queue->bucket = (PgmqLimitBucket)
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
	pgmq_limits_drop_entries(queue, true);
	queue->in_flight = queue->reserved = 0;
	queue->next_end = PGMQ_DUE_NEVER;
	LWLockRelease(&pgmq_limit_area->lock);
	return true;
}

/* Forget a queue; the lock is held. */
static void
queue_forget(PgmqLimitQueue *queue)
{
	int		   *link = queue_chain(queue->dboid, queue->relid);
	int			i = queue - pgmq_limit_area->queues;

	while (*link != i)
		link = &pgmq_limit_area->queues[*link].next;
	*link = queue->next;
	pgmq_limits_drop_entries(queue, true);
	queue->dboid = queue->relid = InvalidOid;
	queue->next = pgmq_limit_area->free;
	pgmq_limit_area->free = i;
}

/* A queue has no limits any more. */
void
pgmq_limits_forget(Oid relid)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);

	if (queue == NULL)
		return;
	queue_forget(queue);
	LWLockRelease(&pgmq_limit_area->lock);
}

/* A database was dropped, with all its queues. */
void
pgmq_limits_forget_database(Oid dboid)
{
	if (pgmq_limit_area == NULL)
		return;
	LWLockAcquire(&pgmq_limit_area->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pgmq_limit_area->nused; i++)
		if (pgmq_limit_area->queues[i].dboid == dboid)
			queue_forget(&pgmq_limit_area->queues[i]);
	LWLockRelease(&pgmq_limit_area->lock);
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
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	PgmqContents sum = {0};

	if (queue == NULL)
		return sum;
	queue->pending.length += more.length;
	queue->pending.bytes += more.bytes;
	sum.length = queue->contents.length + queue->pending.length;
	sum.bytes = queue->contents.bytes + queue->pending.bytes;
	LWLockRelease(&pgmq_limit_area->lock);
	return sum;
}

/*
 * A transaction has ended that had so much pending: change is what it has added in
 * fact.  emptied: it has removed all that was there before it.
 */
void
pgmq_limits_settle(Oid relid, PgmqContents pending, bool emptied, PgmqContents change)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);

	if (queue == NULL)
		return;
	if (emptied)
	{
		queue->contents = (PgmqContents)
		{
			0
		};
		pgmq_limits_drop_entries(queue, false);
	}
	queue->contents.length += change.length;
	queue->contents.bytes += change.bytes;
	queue->pending.length -= pending.length;
	queue->pending.bytes -= pending.bytes;
	LWLockRelease(&pgmq_limit_area->lock);
}

/* Get the counts of a queue; false if there are none. */
bool
pgmq_limits_look(Oid relid, PgmqLimitsLook *look)
{
	PgmqLimitQueue *queue = pgmq_limits_lock(relid);
	bool		ready;

	if (queue == NULL)
		return false;
	ready = queue->ready;
	look->length = queue->contents.length;
	look->bytes = queue->contents.bytes;
	look->in_flight = queue->in_flight;
	look->denied_at = queue->denied_at;
	LWLockRelease(&pgmq_limit_area->lock);
	return ready;
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
	return MAXALIGN(offsetof(PgmqLimitArea, queues) + (Size) nqueues * sizeof(PgmqLimitQueue));
}

Size
pgmq_limits_size(void)
{
	return entries_offset(max_queues) + (Size) max_entries * sizeof(PgmqLimitEntry);
}

/* Make the entries in shared memory; called once. */
void
pgmq_limits_init(void *memory, Size size, int tranche)
{
	pgmq_limit_area = memory;
	LWLockInitialize(&pgmq_limit_area->lock, tranche);
	pgmq_limit_area->nqueues = max_queues;
	pgmq_limit_area->nentries = max_entries;
	pgmq_limits_attach(memory);
	pgmq_limit_area->nused = 0;
	pgmq_limit_area->free = PGMQ_LIMIT_NONE;
	memset(pgmq_limit_area->queues, 0, pgmq_limit_area->nqueues * sizeof(PgmqLimitQueue));
	for (int i = 0; i < pgmq_limit_area->nqueues; i++)
		pgmq_limit_area->queues[i].first = PGMQ_LIMIT_NONE;
	pgmq_limit_area->free_entry = PGMQ_LIMIT_NONE;
	for (int i = pgmq_limit_area->nentries - 1; i >= 0; i--)
	{
		pgmq_limit_entries[i].first = PGMQ_LIMIT_NONE;
		pgmq_limit_entries[i].chain = pgmq_limit_area->free_entry;
		pgmq_limit_area->free_entry = i;
	}
}

void
pgmq_limits_attach(void *memory)
{
	pgmq_limit_area = memory;
	pgmq_limit_entries = (PgmqLimitEntry *) ((char *) memory + entries_offset(pgmq_limit_area->nqueues));
}
