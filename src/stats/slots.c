/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  What is kept of each queue, in shared memory.
 *
 * A queue has a slot in a fixed table, found by hash, from the first commit on
 * that has something to count.  When all slots are taken, a queue without one
 * cannot count, but each of its commits moves a clock hand on by one slot: that
 * slot's activity is halved, and the slot is given to the queue if the activity
 * was 0.  So a queue keeps its slot as long as it commits once while the hand
 * goes round, which it does the faster the more commits of queues without a
 * slot there are.
 *
 * A queue without a slot has had nothing to count since the directory's time
 * "since", which is set whenever a commit could not be counted or a slot was
 * taken from a queue.
 *
 * In recovery nothing is counted, though transactions are committed.  Where the
 * server starts with a recovery that may last, counting begins with the first
 * use after it, and "since" is 0 until then.
 *
 * Locks: the directory's lock, then one slot's lock.  A slot's key changes under
 * both, so either suffices to read it.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stats/slots.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "stats/stats.h"

/* How many queues have a slot; without preload the memory is what there is. */
#define DEFAULT_SLOTS			10000
#define SLOTS_WITHOUT_PRELOAD	1000

#define MAX_ACTIVITY	255

#define NO_SLOT			(-1)

typedef struct Slot
{
	LWLock		lock;
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	int			first;			/* of the chain with this slot's number */
	int			next;			/* in the chain, or among the free ones */
	uint32		activity;		/* commits since the clock hand came by */
	PgmqQueueStats stats;
} Slot;

typedef struct Directory
{
	LWLock		lock;			/* the keys and chains of all slots */
	int			nslots;
	int			nused;			/* this many, from the first, have had a queue */
	int			free;			/* the first of those given back */
	int			hand;
	TimestampTz since;
	Slot		slots[FLEXIBLE_ARRAY_MEMBER];
} Directory;

static Directory *directory = NULL;
static int	max_slots = DEFAULT_SLOTS;

/* ----------------------------------------------------------------
 *		Finding the slot of a queue
 * ----------------------------------------------------------------
 */

static int *
slot_chain(Oid dboid, Oid relid)
{
	uint32		hash = hash_combine(murmurhash32(dboid), murmurhash32(relid));

	return &directory->slots[hash % directory->nslots].first;
}

/* The number of a queue's slot, or NO_SLOT; the directory's lock is held. */
static int
slot_search(Oid dboid, Oid relid)
{
	int			i = directory->nslots == 0 ? NO_SLOT : *slot_chain(dboid, relid);

	while (i != NO_SLOT &&
		   (directory->slots[i].relid != relid || directory->slots[i].dboid != dboid))
		i = directory->slots[i].next;
	return i;
}

/* Put a slot that is in no chain into that of a queue. */
static void
slot_link(int i, Oid dboid, Oid relid)
{
	int		   *link = slot_chain(dboid, relid);
	Slot	   *slot = &directory->slots[i];

	slot->dboid = dboid;
	slot->relid = relid;
	slot->next = *link;
	*link = i;
}

/* Take a slot out of its chain. */
static void
slot_unlink(int i)
{
	Slot	   *slot = &directory->slots[i];
	int		   *link = slot_chain(slot->dboid, slot->relid);

	while (*link != i)
		link = &directory->slots[*link].next;
	*link = slot->next;
	slot->dboid = slot->relid = InvalidOid;
}

/*
 * A slot for another queue, in no chain; NO_SLOT when there is none now.  The
 * directory's lock is held, in exclusive mode.
 */
static int
slot_get(TimestampTz now)
{
	int			i = directory->free;
	bool		idle;

	if (i != NO_SLOT)
	{
		directory->free = directory->slots[i].next;
		return i;
	}
	if (directory->nused < directory->nslots)
		return directory->nused++;
	if (directory->nslots == 0)
		return NO_SLOT;
	directory->since = now;
	i = directory->hand;
	directory->hand = (i + 1) % directory->nslots;
	LWLockAcquire(&directory->slots[i].lock, LW_EXCLUSIVE);
	idle = directory->slots[i].activity == 0;
	if (idle)
		slot_unlink(i);
	else
		directory->slots[i].activity /= 2;
	LWLockRelease(&directory->slots[i].lock);
	return idle ? i : NO_SLOT;
}

/*
 * The slot of a queue of this database, locked in exclusive mode, with its number
 * in *number, which says at first where it was the last time.  If the queue has
 * none it gets one, if it can.  NULL: it has none, or nothing is counted.
 */
static Slot *
slot_lock(int *number, Oid relid, TimestampTz now)
{
	Slot	   *slot;
	int			i = *number;

	if (directory == NULL || RecoveryInProgress())
		return NULL;
	if (i != NO_SLOT)
	{
		slot = &directory->slots[i];
		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		if (slot->relid == relid && slot->dboid == MyDatabaseId)
			return slot;
		LWLockRelease(&slot->lock);
	}
	LWLockAcquire(&directory->lock, LW_SHARED);
	i = slot_search(MyDatabaseId, relid);
	if (i == NO_SLOT)
	{
		LWLockRelease(&directory->lock);
		LWLockAcquire(&directory->lock, LW_EXCLUSIVE);
		i = slot_search(MyDatabaseId, relid);
	}
	if (i == NO_SLOT && directory->since == 0)
		directory->since = now;
	if (i == NO_SLOT && (i = slot_get(now)) != NO_SLOT)
	{
		slot = &directory->slots[i];
		LWLockAcquire(&slot->lock, LW_EXCLUSIVE);
		slot_link(i, MyDatabaseId, relid);
		slot->activity = 0;
		memset(&slot->stats, 0, sizeof(slot->stats));
		slot->stats.since = directory->since;
	}
	else if (i != NO_SLOT)
		LWLockAcquire(&directory->slots[i].lock, LW_EXCLUSIVE);
	LWLockRelease(&directory->lock);
	*number = i;
	return i == NO_SLOT ? NULL : &directory->slots[i];
}

/* ----------------------------------------------------------------
 *		What is kept
 * ----------------------------------------------------------------
 */

/* Add what a transaction has counted of a queue, which has committed at now. */
void
pgmq_slot_add(int *number, Oid relid, const PgmqStats *stats, TimestampTz now)
{
	Slot	   *slot = slot_lock(number, relid, now);
	PgmqQueueStats *kept;

	if (slot == NULL)
		return;
	kept = &slot->stats;
	pgmq_stats_sum(&kept->stats, stats);
	if (stats->counts[PGMQ_STAT_SENT] > 0)
		kept->last_send = now;
	if (stats->counts[PGMQ_STAT_READS] > 0)
		kept->last_read = now;
	if (stats->counts[PGMQ_STAT_ACKED] > 0)
		kept->last_ack = now;
	if (slot->activity < MAX_ACTIVITY)
		slot->activity++;
	LWLockRelease(&slot->lock);
}

/* A queue of this database was dropped: give its slot back. */
void
pgmq_slot_free(Oid relid)
{
	int			i;

	if (directory == NULL)
		return;
	LWLockAcquire(&directory->lock, LW_EXCLUSIVE);
	i = slot_search(MyDatabaseId, relid);
	if (i != NO_SLOT)
	{
		LWLockAcquire(&directory->slots[i].lock, LW_EXCLUSIVE);
		slot_unlink(i);
		directory->slots[i].next = directory->free;
		directory->free = i;
		LWLockRelease(&directory->slots[i].lock);
	}
	LWLockRelease(&directory->lock);
}

/* Whether a queue of this database has a slot. */
bool
pgmq_slot_exists(Oid relid)
{
	bool		exists;

	if (directory == NULL)
		return false;
	LWLockAcquire(&directory->lock, LW_SHARED);
	exists = slot_search(MyDatabaseId, relid) != NO_SLOT;
	LWLockRelease(&directory->lock);
	return exists;
}

/* Copy what is kept of a queue of this database; false if it has no slot. */
bool
pgmq_slot_read(Oid relid, PgmqQueueStats *stats)
{
	int			i;

	LWLockAcquire(&directory->lock, LW_SHARED);
	i = slot_search(MyDatabaseId, relid);
	if (i != NO_SLOT)
	{
		LWLockAcquire(&directory->slots[i].lock, LW_SHARED);
		*stats = directory->slots[i].stats;
		LWLockRelease(&directory->slots[i].lock);
	}
	LWLockRelease(&directory->lock);
	return i != NO_SLOT;
}

/* Set what is kept of a queue of this database to 0. */
void
pgmq_slot_reset(Oid relid, TimestampTz now)
{
	int			number = NO_SLOT;
	Slot	   *slot = slot_lock(&number, relid, now);

	if (slot == NULL)
		return;
	memset(&slot->stats, 0, sizeof(slot->stats));
	slot->stats.since = now;
	LWLockRelease(&slot->lock);
}

/*
 * How many slots are not in use, and since when queues without one have had
 * nothing to count; -1 when there are no slots at all.
 */
int
pgmq_slots_unused(TimestampTz *since)
{
	int			n;

	if (directory->nslots == 0)
		return -1;
	LWLockAcquire(&directory->lock, LW_EXCLUSIVE);
	if (directory->since == 0 && !RecoveryInProgress())
		directory->since = GetCurrentTimestamp();
	*since = directory->since;
	n = directory->nslots - directory->nused;
	for (int i = directory->free; i != NO_SLOT; i = directory->slots[i].next)
		n++;
	LWLockRelease(&directory->lock);
	return n;
}

/* ----------------------------------------------------------------
 *		The memory
 * ----------------------------------------------------------------
 */

/* The i-th slot, for the file. */
static bool
slot_save(int i, PgmqSavedQueue *queue)
{
	const Slot *slot = &directory->slots[i];

	queue->dboid = slot->dboid;
	queue->relid = slot->relid;
	queue->activity = slot->activity;
	queue->stats = slot->stats;
	return OidIsValid(slot->dboid);
}

/* Exit callback of the postmaster: keep everything, unless this is a crash. */
static void
slots_save(int code, Datum arg)
{
	if (code == 0)
		pgmq_saved_write(directory->since, directory->nused, slot_save);
}

/* Whether the server is in a recovery that may last, or will be. */
static bool
in_recovery(void)
{
	if (IsUnderPostmaster)
		return RecoveryInProgress();
	return access(STANDBY_SIGNAL_FILE, F_OK) == 0 || access(RECOVERY_SIGNAL_FILE, F_OK) == 0;
}

/* Take over what was kept while the server was down. */
static void
slots_restore(void)
{
	int			n;
	PgmqSavedQueue *queues = pgmq_saved_read(&directory->since, &n, directory->since != 0);

	if (queues == NULL)
		return;
	if (n > directory->nslots)
	{
		directory->since = GetCurrentTimestamp();
		n = directory->nslots;
	}
	for (int i = 0; i < n; i++)
	{
		slot_link(i, queues[i].dboid, queues[i].relid);
		directory->slots[i].activity = queues[i].activity;
		directory->slots[i].stats = queues[i].stats;
	}
	directory->nused = n;
	pfree(queues);
}

/* Check hook: without preload the number of slots is fixed. */
static bool
slots_check(int *newval, void **extra, GucSource source)
{
	static bool told = false;

	if (pgmq_shmem_too_late("pgmq_c.stat_queues", source, &told))
		*newval = SLOTS_WITHOUT_PRELOAD;
	return true;
}

/* At load, after pgmq_shmem_init. */
void
pgmq_slots_setting(void)
{
	DefineCustomIntVariable("pgmq_c.stat_queues",
							"Sets the number of queues that have statistics.",
							"The memory for them comes on top of pgmq_c.shared_memory. 0 counts nothing.",
							&max_slots, DEFAULT_SLOTS, 0, 1000000,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, slots_check, NULL, NULL);
}

Size
pgmq_slots_size(void)
{
	return offsetof(Directory, slots) + (Size) max_slots * sizeof(Slot);
}

/* Make the slots in size bytes of shared memory; called once. */
void
pgmq_slots_init(void *memory, Size size, int tranche)
{
	directory = memory;
	LWLockInitialize(&directory->lock, tranche);
	directory->nslots = (size - offsetof(Directory, slots)) / sizeof(Slot);
	directory->nused = directory->hand = 0;
	directory->free = NO_SLOT;
	directory->since = in_recovery() ? 0 : GetCurrentTimestamp();
	memset(directory->slots, 0, directory->nslots * sizeof(Slot));
	for (int i = 0; i < directory->nslots; i++)
	{
		LWLockInitialize(&directory->slots[i].lock, tranche);
		directory->slots[i].first = NO_SLOT;
	}
	/* in the postmaster, or in a server of one process */
	if (!IsUnderPostmaster)
	{
		slots_restore();
		on_shmem_exit(slots_save, (Datum) 0);
	}
}

void
pgmq_slots_attach(void *memory)
{
	directory = memory;
}
