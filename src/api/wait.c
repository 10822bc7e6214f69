/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Waiting until a message can be read, without taking it.
 *
 * wait() is a procedure, so that it can commit: it holds neither a snapshot
 * nor a lock while it waits.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/wait.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_wait);

/* Messages that a wait peeks at, at a time, when it found others locked. */
#define PEEK_TURN		1024

/* The state of a wait. */
typedef struct WaitState
{
	text	   *queue_name;
	PgmqQueue	queue;
	const PgmqPolicy *policy;	/* as it was when the queue was opened */
	bool		atomic;			/* the procedure must not commit */
	int			disposed;		/* messages that one attempt disposed of */
	int64		found;			/* the id of a message that can be read */
	bool		any;			/* there is such a message */
} WaitState;

/*
 * Tell whether a row that our snapshot sees could be locked.  This does not
 * lock it, because a lock would need an xid and make other readers skip the
 * row.  Rows of another table access method than heap count as free.
 */
static bool
row_is_free(Oid relid, ItemPointer tid)
{
	Relation	rel = table_open(relid, NoLock);
	bool		is_free = true;

	if (rel->rd_tableam == GetHeapamTableAmRoutine())
	{
		Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		Page		page = BufferGetPage(buffer);
		HeapTupleData tuple;
		ItemId		item;
		TM_Result	result;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
		Assert(ItemIdIsNormal(item));
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = relid;
		tuple.t_self = *tid;
		result = HeapTupleSatisfiesUpdate(&tuple, GetCurrentCommandId(false), buffer);

		/* a row that our own transaction has locked is free, too */
		is_free = result == TM_Ok ||
			(result == TM_BeingModified &&
			 !(tuple.t_data->t_infomask & HEAP_XMAX_IS_MULTI) &&
			 TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmax(tuple.t_data)));
		UnlockReleaseBuffer(buffer);
	}
	table_close(rel, NoLock);
	return is_free;
}

/* Row function: a message that is due, (msg_id, tableoid, ctid). */
static void
row_peek(TupleTableSlot *slot, void *state)
{
	WaitState  *wait = state;

	if (wait->any)
		return;
	slot_getallattrs(slot);
	wait->found = DatumGetInt64(slot->tts_values[0]);
	wait->any = row_is_free(DatumGetObjectId(slot->tts_values[1]),
							(ItemPointer) DatumGetPointer(slot->tts_values[2]));
}

/*
 * Tell whether a wait may dispose of expired and over-read messages: it must
 * commit at once, its role must be able to do so by a read, and the lock must
 * be free.
 */
static bool
wait_may_dispose(const WaitState *wait)
{
	Oid			relid = wait->queue.relid;

	return !wait->atomic && !XactReadOnly && !IsolationUsesXactSnapshot() &&
		pgmq_queue_may(relid, PGMQ_NEED_DELETE) && pgmq_queue_may(relid, PGMQ_NEED_UPDATE) &&
		ConditionalLockRelationOid(relid, RowExclusiveLock);
}

/* Look at the rows of a statement for one that can be read; pass over those that others have locked. */
static void
peek(WaitState *wait, PgmqStmtId stmt, const PgmqArg *args)
{
	PgmqCursor *cursor = pgmq_cursor_open(&wait->queue, stmt, args);
	uint64		turn = 1;

	wait->any = false;
	while (pgmq_cursor_fetch(cursor, turn, row_peek, wait) == turn && !wait->any)
		turn = Min(turn * 2, PEEK_TURN);
	pgmq_cursor_close(cursor);
}

/*
 * Look for a message that can be read in a queue whose policy limits by the values
 * of a header.  A dead one counts: the read that comes then disposes of it.
 * *limited: there may be others, whose values have had enough.
 */
static bool
peek_values(WaitState *wait, TimestampTz now, bool *limited)
{
	PgmqLimitedRead read;
	int64		value = PG_INT64_MIN;	/* no hash is less in practice */

	wait->any = false;
	if (pgmq_limits_read_begin(&read, &wait->queue, wait->policy, now, 1, true) > 0)
	{
		PgmqArg		args[2] = {PGMQ_ARG(TimestampTzGetDatum(now))};

		while (!wait->any)
		{
			args[1] = PGMQ_ARG(Int64GetDatum(value));
			if (!pgmq_exec_int8(&wait->queue, PGMQ_STMT_NEXT_VALUE, args + 1, &value))
				break;
			CHECK_FOR_INTERRUPTS();
			if (pgmq_limits_value_begin(&read, wait->policy, now, value, 1, false) == 0)
				continue;
			args[1] = PGMQ_ARG(Int64GetDatum(value));
			peek(wait, PGMQ_STMT_FIRST_READABLE_VALUE, args);
			pgmq_limits_value_end(&read, value, 0);
		}
	}
	*limited = read.until < PGMQ_DUE_LAST;
	pgmq_limits_read_end(&read, 0);
	return wait->any;
}

/* Look for a message in a range that can be read, and put its id into wait->found. */
static bool
peek_range(WaitState *wait, TimestampTz now, int64 lo, int64 hi)
{
	PgmqDisposal disposal;
	PgmqArg		args[3 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi))
	};
	PgmqStmtId	stmt = PGMQ_STMT_FIRST_READABLE;

	if (pgmq_disposal_begin(&disposal, &wait->queue, wait->policy))
	{
		pgmq_disposal_args(&disposal, args + 3);
		stmt = PGMQ_STMT_FIRST_READABLE_PASSING;
	}
	peek(wait, stmt, args);

	/* otherwise the wait would find them due again and again */
	if (!wait->any && stmt == PGMQ_STMT_FIRST_READABLE_PASSING && !disposal.passing && wait_may_dispose(wait))
	{
		pgmq_disposal_ahead(&disposal, now, lo, hi, PEEK_TURN);
		wait->disposed += disposal.disposed;
	}
	return wait->any;
}

/*
 * Open the queue with ACCESS SHARE.  A role that may not read the queue may not
 * wait for it either, even while the queue is empty.
 * Errors: those of pgmq_queue_open; 42501.
 */
static void
wait_open(WaitState *wait)
{
	/* the last one for priorities and values */
	static const char *const columns[] = {"msg_id", "vt", "tableoid", "ctid", "headers"};
	int			ncolumns;

	pgmq_queue_open(&wait->queue, wait->queue_name, AccessShareLock,
					PGMQ_NEED_SELECT, "CALL");
	pgmq_queue_check_shape(&wait->queue);
	ncolumns = lengthof(columns) - (pgmq_priority_is_on(wait->queue.relid) ||
									pgmq_limits_by_value(pgmq_policy(&wait->queue)) ? 0 : 1);
	if (!pgmq_queue_may_all(wait->queue.relid, ACL_SELECT, columns, ncolumns))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, wait->queue.relname);
}

/*
 * Look for a message that can be read, and release all locks.  Do so again as
 * long as the attempt disposes of expired or over-read messages instead.
 */
static uint64
wait_once(void *state)
{
	WaitState  *wait = state;
	TimestampTz now;
	PgmqScan	scan;
	PgmqStream	stream;
	bool		subscribes;
	bool		paused;
	bool		found;
	int64		fed;

	do
	{
		fed = 0;
		CHECK_FOR_INTERRUPTS();
		wait_open(wait);
		wait->policy = pgmq_policy(&wait->queue);
		wait->disposed = 0;
		now = GetCurrentTimestamp();
		subscribes = pgmq_stream_open(&wait->queue, &stream);
		paused = pgmq_policy_pauses(wait->policy, now) ||
			(subscribes && pgmq_policy_pauses_stream(stream.stream, now)) ||
			!pgmq_limits_allow(&wait->queue, wait->policy);
		found = !paused && pgmq_limits_by_value(wait->policy) && !pgmq_scan_is_idle(&wait->queue, now) &&
			peek_values(wait, now, &paused);
		paused |= found;
		/* it takes nothing, so it claims nothing */
		pgmq_scan_begin(&scan, &wait->queue, now, paused ? 0 : 1, true);
		while (pgmq_scan_next(&scan))
			pgmq_scan_took(&scan, peek_range(wait, scan.now, scan.lo, scan.hi));
		if (scan.count == 0 && !paused && subscribes && wait->disposed == 0 &&
			!XactReadOnly && pgmq_queue_may(wait->queue.relid, PGMQ_NEED_UPDATE))
		{
			fed = pgmq_feed(&wait->queue, &stream, 1, false, NULL);
			if (stream.more && !wait->atomic)
				fed++;
		}
		if (scan.count == 0 && !paused && fed == 0)
			pgmq_scan_only(&wait->queue, now);
		if (!wait->atomic)
			pgmq_exec_commit();
	} while (scan.count == 0 && (wait->disposed > 0 || fed > 0));
	return found ? 1 : scan.count;
}

/*
 * wait(queue_name text, max_poll_seconds integer)
 *
 * This procedure returns when a message can be read, or when the time is up.
 * If it can commit, it does so first and waits without a snapshot and without
 * a lock, so that it delays neither vacuum nor DDL.  Otherwise it says so in a
 * NOTICE and waits in the transaction of the caller.
 */
Datum
pgmq_wait(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	WaitState	wait = {.queue_name = pgmq_name_arg(fcinfo, 0)};

	wait.atomic = context == NULL || !IsA(context, CallContext) || context->atomic;
	if (wait.atomic)
		ereport(NOTICE,
				(errmsg("cannot commit here, so this wait holds the transaction's snapshot"),
				 errhint("Use CALL on its own, outside of a transaction block.")));

	wait_open(&wait);
	if (!wait.atomic)
		pgmq_exec_commit();
	pgmq_poll(&wait.queue, 1, wait.atomic ? 0 : PGMQ_POLL_FREE, wait_once, &wait,
			  PGMQ_ARG_FROM(1), PGMQ_ARG_NULL);
	PG_RETURN_VOID();
}
