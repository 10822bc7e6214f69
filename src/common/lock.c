/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Locks on what a queue is about, held until the transaction ends.
 *
 * They are heavyweight locks of the advisory kind, so that deadlocks are
 * found, lock_timeout holds, and PREPARE TRANSACTION keeps them.  The last
 * field of their tag, which is 1 or 2 for users' advisory locks, is one of
 * PgmqLockKind, so none of ours can be one of theirs.  pg_locks shows the
 * queue's OID as classid, 0 for that of a name, and the kind as objsubid.
 *
 * Groups and ids, of which there may be many, are hashed into a fixed number of
 * locks, and several are taken in rising order, so that batches do not
 * deadlock.  All who take any of these share the queue's *gate*, which the
 * documentation calls the dedup lock; a batch that
 * would need more than a few has the gate to itself and takes none, so that no
 * batch fills the server's lock table, over however many queues.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "common/common.h"

static void
lock_take(Oid relid, PgmqLockKind kind, uint32 number, LOCKMODE lockmode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, relid, number, kind);
	(void) LockAcquire(&tag, lockmode, false, false);
}

/*
 * Hold off others that create or drop a queue of this name, which is in lower
 * case and need not be there.  Two names may share a lock.
 */
void
pgmq_lock_name(const char *name)
{
	lock_take(InvalidOid, PGMQ_LOCK_NAME,
			  hash_bytes((const unsigned char *) name, strlen(name)), ExclusiveLock);
}

/*
 * Hold off a change of what a queue does about duplicates (ShareLock), or the
 * sends that go by it (ExclusiveLock).  After it the policy is the newest.
 */
void
pgmq_lock_gate(const PgmqQueue *queue, LOCKMODE lockmode)
{
	lock_take(queue->relid, PGMQ_LOCK_GATE, 0, lockmode);
	AcceptInvalidationMessages();
}

/*
 * Close the gate against a change, and against those who have it to
 * themselves; with many, against all, so that none of the locks behind it
 * need be taken: then true.  A transaction that has sent to the queue before
 * shares the gate already.  It does not wait to have it alone, or two such
 * transactions would wait for each other.
 */
bool
pgmq_lock_gate_many(const PgmqQueue *queue, bool many)
{
	LOCKTAG		tag;
	bool		shared;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, queue->relid, 0, PGMQ_LOCK_GATE);
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

/* How many locks were noted. */
int
pgmq_lock_count(const PgmqLockSet *set)
{
	int			count = 0;

	for (int i = 0; i < lengthof(set->words); i++)
		count += pg_popcount64(set->words[i]);
	return count;
}

/* Note that the lock of a hash is to be taken. */
void
pgmq_lock_add(PgmqLockSet *set, uint32 hash)
{
	uint32		number = hash % PGMQ_LOCK_SET_SIZE;

	set->words[number / 64] |= UINT64CONST(1) << (number % 64);
}

/* Take the locks that were noted, in rising order. */
void
pgmq_lock_all(const PgmqQueue *queue, PgmqLockKind kind, const PgmqLockSet *set)
{
	for (int i = 0; i < lengthof(set->words); i++)
		for (uint64 word = set->words[i]; word != 0; word &= word - 1)
			lock_take(queue->relid, kind, i * 64 + pg_rightmost_one_pos64(word),
					  ExclusiveLock);
}

/*
 * Raise the statement's timeout (57014) if a lock's, error, hid it.  When both
 * are over the server raises the one that was over first and forgets the
 * other: who catches that one would go on for ever.
 */
void
pgmq_lock_check_overdue(const ErrorData *error)
{
	TimestampTz over = get_timeout_finish_time(STATEMENT_TIMEOUT);

	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE &&
		StatementTimeout > 0 && !get_timeout_active(STATEMENT_TIMEOUT) &&
		over > GetCurrentStatementStartTimestamp() && over <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling statement due to statement timeout")));
}

/*
 * Raise an error again that cancels the statement (57014), of which others'
 * work is no longer wanted either.  One that a trigger or a policy raised by
 * that code is an error like any: else whoever owns one queue could keep the
 * rest from their turn.
 */
void
pgmq_lock_check_cancel(ErrorData *error)
{
	pgmq_lock_check_overdue(error);
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && error->funcname != NULL &&
		strcmp(error->funcname, "ProcessInterrupts") == 0)
		ReThrowError(error);
}
