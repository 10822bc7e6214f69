/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Locks on a queue's name, dedup ids and groups, and on blocks of a
 *	  subscription, held until the transaction ends.
 *
 * They are heavyweight locks of the advisory kind, so that deadlocks are
 * found, lock_timeout holds, and PREPARE TRANSACTION keeps them.  The last
 * field of their tag, which is 1 or 2 for users' advisory locks, is one of
 * PgmqLockKind, so none of ours can be one of theirs.  pg_locks shows the
 * queue's OID as classid, 0 for that of a name, and the kind as objsubid.
 *
 * Groups and dedup ids, of which there may be many, are hashed into a fixed
 * number of locks.  A batch takes its locks in rising order, so that batches do
 * not deadlock.  Each transaction that takes any of them first takes the
 * queue's dedup lock in share mode.  A batch that would need more than a few
 * takes the dedup lock exclusively instead, and none of them, so that no batch
 * fills the server's lock table.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lock.h"
#include "utils/inval.h"

#include "common/common.h"

static void
lock_take(Oid relid, PgmqLockKind kind, uint32 number, LOCKMODE lockmode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, relid, number, kind);
	(void) LockAcquire(&tag, lockmode, false, false);
}

/*
 * Lock a name, in lower case, against sessions that create or drop a queue of
 * that name.  The queue need not exist.  Two names may share a lock.
 */
void
pgmq_lock_name(const char *name)
{
	lock_take(InvalidOid, PGMQ_LOCK_NAME,
			  hash_bytes((const unsigned char *) name, strlen(name)), ExclusiveLock);
}

/*
 * Lock a block of a subscription, which is being given references, until the
 * transaction ends; false if another transaction has it and wait is false.  Blocks
 * that are 2^32 apart share a lock.
 */
bool
pgmq_lock_block(const PgmqQueue *queue, int64 blk, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, queue->relid, (uint32) blk, PGMQ_LOCK_BLOCK);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Lock what is known of a subscription's finished blocks, if nobody has. */
bool
pgmq_lock_fold(const PgmqQueue *queue)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, queue->relid, 0, PGMQ_LOCK_FOLD);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Take a queue's dedup lock: in ShareLock mode its settings for deduplication
 * cannot change; in ExclusiveLock mode, to change them, no other transaction
 * relies on them.  The policy that is read after it is the newest.
 */
void
pgmq_lock_dedup(const PgmqQueue *queue, LOCKMODE lockmode)
{
	lock_take(queue->relid, PGMQ_LOCK_DEDUP, 0, lockmode);
	AcceptInvalidationMessages();
}

/* Keep other sessions from counting a queue for its limits, until it is done. */
void
pgmq_lock_limits(const PgmqQueue *queue)
{
	lock_take(queue->relid, PGMQ_LOCK_LIMITS, 0, ExclusiveLock);
}

void
pgmq_unlock_limits(const PgmqQueue *queue)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, queue->relid, 0, PGMQ_LOCK_LIMITS);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

/*
 * Take a queue's dedup lock for a send: in share mode or, with many, exclusively
 * if possible.  Returns true if it was taken exclusively, so that none of the
 * locks of ids and groups need be taken.  A transaction that has sent to the
 * queue before has the lock in share mode already.  It does not wait for the
 * exclusive one, because two such transactions would wait for each other.
 */
bool
pgmq_lock_dedup_many(const PgmqQueue *queue, bool many)
{
	LOCKTAG		tag;
	bool		shared;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, queue->relid, 0, PGMQ_LOCK_DEDUP);
	shared = LockAcquire(&tag, ShareLock, false, false) != LOCKACQUIRE_OK;
	if (many)
	{
		if (!shared)
			LockRelease(&tag, ShareLock, false);
		many = LockAcquire(&tag, ExclusiveLock, false, shared) != LOCKACQUIRE_NOT_AVAIL;
	}
	AcceptInvalidationMessages();
	return many;
}

/* The number of locks in a set. */
int
pgmq_lock_count(const PgmqLockSet *set)
{
	int			count = 0;

	for (int i = 0; i < lengthof(set->words); i++)
		count += pg_popcount64(set->words[i]);
	return count;
}

/* Add the lock of a hash to a set. */
void
pgmq_lock_add(PgmqLockSet *set, uint32 hash)
{
	uint32		number = hash % PGMQ_LOCK_SET_SIZE;

	set->words[number / 64] |= UINT64CONST(1) << (number % 64);
}

/* Take the locks of a set, in rising order. */
void
pgmq_lock_all(const PgmqQueue *queue, PgmqLockKind kind, const PgmqLockSet *set)
{
	for (int i = 0; i < lengthof(set->words); i++)
		for (uint64 word = set->words[i]; word != 0; word &= word - 1)
			lock_take(queue->relid, kind, i * 64 + pg_rightmost_one_pos64(word),
					  ExclusiveLock);
}
