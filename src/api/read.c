/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Taking messages: read under a lease, pop for good, wait for some.
 *
 * One clock reading serves a whole attempt: what is due by it is taken, and
 * leased until it plus the visibility timeout.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_read);
PG_FUNCTION_INFO_V1(pgmq_read_with_poll);
PG_FUNCTION_INFO_V1(pgmq_pop);
PG_FUNCTION_INFO_V1(pgmq_wait);

/* Messages that a wait peeks at, at a time, when it found others locked. */
#define PEEK_TURN		1024

/* What one attempt needs to know. */
typedef struct ReadState
{
	PgmqQueue	queue;
	PgmqRows   *rows;
	PgmqArg		vt;				/* seconds */
	int64		qty;
	PgmqArg		conditional;	/* jsonb; NULL: no filter */
	bool		screened;		/* its policy knows of spent messages */
	PgmqScreen	screen;
} ReadState;

/*
 * The filter of a read, argument argno: an empty object filters nothing, so
 * it becomes the NULL that says so.
 */
static PgmqArg
conditional_arg(FunctionCallInfo fcinfo, int argno)
{
	Jsonb	   *filter;

	if (PG_ARGISNULL(argno))
		return PGMQ_ARG_NULL;
	filter = PG_GETARG_JSONB_P(argno);
	if (JB_ROOT_IS_OBJECT(filter) && JB_ROOT_COUNT(filter) == 0)
		return PGMQ_ARG_NULL;
	return PGMQ_ARG(JsonbPGetDatum(filter));
}

/* Read what is readable between two ids. */
static uint64
read_range(ReadState *read, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	PgmqArg		args[] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		pgmq_after(now, read->vt),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi)),
		read->conditional
	};
	PgmqStmtId	stmt = !read->conditional.isnull ? PGMQ_STMT_READ_CONDITIONAL :
	PGMQ_ALL_IDS(lo, hi) ? PGMQ_STMT_READ : PGMQ_STMT_READ_RANGE;

	return pgmq_exec_rows(&read->queue, stmt, args, read->rows);
}

/* Read what is readable between two ids, but nothing that is spent. */
static uint64
read_range_passing(ReadState *read, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	PgmqArg		args[6 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		pgmq_after(now, read->vt),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi)),
		read->conditional
	};

	pgmq_screen_args(&read->screen, args + 6);
	return pgmq_exec_rows(&read->queue, PGMQ_STMT_READ_PASSING, args, read->rows);
}

/*
 * Read what is readable between two ids of a queue whose policy knows of spent
 * messages, and dispose of those that are met.
 */
static uint64
read_range_screened(ReadState *read, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	PgmqScreen *screen = &read->screen;
	uint64		count = 0;

	for (;;)
	{
		pgmq_screen_rows(screen, now, read->rows);
		if (screen->passing)
		{
			count += read_range_passing(read, now, lo, hi, qty - count);
			break;
		}
		count += read_range(read, now, lo, hi, qty - count) - screen->n;
		if (screen->n == 0)
			break;
		pgmq_screen_dispose(screen, hi);
		if (count >= qty || screen->last >= hi)
			break;
		lo = screen->last + 1;
	}
	pgmq_rows_test(read->rows, NULL, NULL);
	return count;
}

/* Read once; the number of messages taken. */
static uint64
read_once(void *state)
{
	ReadState  *read = state;
	TimestampTz now;
	PgmqScan	scan;

	read->screened = pgmq_screen_begin(&read->screen, &read->queue);
	now = GetCurrentTimestamp();
	if (pgmq_policy_pauses(&read->queue, now))
		return 0;
	pgmq_scan_begin(&scan, &read->queue, now, read->qty, !read->conditional.isnull);
	while (pgmq_scan_next(&scan))
	{
		uint64		count = read->screened ?
		read_range_screened(read, scan.now, scan.lo, scan.hi, scan.wanted) :
		read_range(read, scan.now, scan.lo, scan.hi, scan.wanted);

		pgmq_scan_took(&scan, count, pgmq_rows_last_id(read->rows));
	}
	return scan.count;
}

/*
 * Read for a wait, which ends also when it has disposed of something: until
 * the commit nobody else sees that, and the messages are locked.
 */
static uint64
poll_once(void *state)
{
	ReadState  *read = state;
	uint64		count = read_once(read);

	return count + (read->screened ? read->screen.disposed : 0);
}

/*
 * The same for others: up to qty messages of an open queue, no filter.  Adds
 * to *disposed how many it disposed of.
 */
uint64
pgmq_read_queue(const PgmqQueue *queue, PgmqArg vt, int64 qty, PgmqRows *rows, int *disposed)
{
	ReadState	read = {
		.queue = *queue,.rows = rows,.vt = vt,.qty = qty,.conditional = PGMQ_ARG_NULL
	};
	uint64		count = read_once(&read);

	if (read.screened)
		*disposed += read.screen.disposed;
	return count;
}

/* Begin a read whose arguments are (queue_name, vt, qty, ...). */
static void
read_begin(ReadState *read, FunctionCallInfo fcinfo, int conditional_argno)
{
	read->rows = pgmq_rows_begin(fcinfo);
	read->vt = PGMQ_ARG_FROM(1);
	read->qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 2).value);
	read->conditional = conditional_arg(fcinfo, conditional_argno);
	pgmq_queue_open(&read->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_UPDATE, "UPDATE");
}

/*
 * read(queue_name text, vt integer, qty integer, conditional jsonb)
 * returns setof message_record
 */
Datum
pgmq_read(PG_FUNCTION_ARGS)
{
	ReadState	read;

	read_begin(&read, fcinfo, 3);
	read_once(&read);
	return (Datum) 0;
}

/*
 * read_with_poll(queue_name text, vt integer, qty integer,
 *				  max_poll_seconds integer, poll_interval_ms integer,
 *				  conditional jsonb)
 * returns setof message_record
 */
Datum
pgmq_read_with_poll(PG_FUNCTION_ARGS)
{
	ReadState	read;

	read_begin(&read, fcinfo, 5);
	pgmq_poll(&read.queue, 1, 0, poll_once, &read, PGMQ_ARG_FROM(3), PGMQ_ARG_FROM(4));
	return (Datum) 0;
}

/* Pop what is readable between two ids. */
static uint64
pop_range(ReadState *pop, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	PgmqArg		args[] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi))
	};
	PgmqStmtId	stmt = PGMQ_ALL_IDS(lo, hi) ? PGMQ_STMT_POP : PGMQ_STMT_POP_RANGE;

	return pgmq_exec_rows(&pop->queue, stmt, args, pop->rows);
}

/* The same, but nothing that is spent, which is disposed of first. */
static uint64
pop_range_screened(ReadState *pop, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	PgmqArg		args[4 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi))
	};

	pgmq_screen_ahead(&pop->screen, now, lo, hi, qty);
	pgmq_screen_args(&pop->screen, args + 4);
	return pgmq_exec_rows(&pop->queue, PGMQ_STMT_POP_PASSING, args, pop->rows);
}

/* pop(queue_name text, qty integer) returns setof message_record */
Datum
pgmq_pop(PG_FUNCTION_ARGS)
{
	ReadState	pop = {.rows = pgmq_rows_begin(fcinfo)};
	TimestampTz now;
	PgmqScan	scan;

	pop.qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 1).value);
	pgmq_queue_open(&pop.queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_DELETE, "DELETE");
	pop.screened = pgmq_screen_begin(&pop.screen, &pop.queue);
	now = GetCurrentTimestamp();
	if (pgmq_policy_pauses(&pop.queue, now))
		return (Datum) 0;
	pgmq_scan_begin(&scan, &pop.queue, now, pop.qty, false);
	while (pgmq_scan_next(&scan))
	{
		uint64		count = pop.screened ?
		pop_range_screened(&pop, scan.now, scan.lo, scan.hi, scan.wanted) :
		pop_range(&pop, scan.now, scan.lo, scan.hi, scan.wanted);

		pgmq_scan_took(&scan, count, pgmq_rows_last_id(pop.rows));
	}
	if (scan.count > 0)
		pgmq_xact_wake(pop.queue.relid, PGMQ_WAKE_GROUPED);
	return (Datum) 0;
}

/* What a wait needs to know. */
typedef struct WaitState
{
	text	   *queue_name;
	PgmqQueue	queue;
	bool		atomic;			/* may not commit */
	int			disposed;		/* spent messages, by one look */
	int64		found;			/* a message that could be read */
	bool		any;			/* there is one */
} WaitState;

/*
 * Whether a row that our snapshot sees could be locked, which only looks at
 * it: a lock would take an xid, and make the row's readers pass over it.
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

		/* or it is our own transaction that has it */
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
 * Whether a wait may dispose of spent messages: when it commits at once, when
 * its role could do so by a read, and when the lock is to be had.
 */
static bool
wait_may_dispose(const WaitState *wait)
{
	Oid			relid = wait->queue.relid;
	Oid			me = GetUserId();

	return !wait->atomic && !XactReadOnly && !IsolationUsesXactSnapshot() &&
		pg_class_aclcheck(relid, me, ACL_DELETE) == ACLCHECK_OK &&
		(pg_class_aclcheck(relid, me, ACL_UPDATE) == ACLCHECK_OK ||
		 pg_attribute_aclcheck_all(relid, me, ACL_UPDATE, ACLMASK_ANY) == ACLCHECK_OK) &&
		ConditionalLockRelationOid(relid, RowExclusiveLock);
}

/* Whether something is readable between two ids: wait->found. */
static bool
peek_range(WaitState *wait, TimestampTz now, int64 lo, int64 hi)
{
	PgmqScreen	screen;
	PgmqArg		args[3 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(now)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi))
	};
	PgmqStmtId	stmt = PGMQ_STMT_FIRST_READABLE;
	PgmqCursor *cursor;
	uint64		turn = 1;

	if (pgmq_screen_begin(&screen, &wait->queue))
	{
		pgmq_screen_args(&screen, args + 3);
		stmt = PGMQ_STMT_FIRST_READABLE_PASSING;
	}
	cursor = pgmq_cursor_open(&wait->queue, stmt, args);

	/* what others have locked is passed over */
	wait->any = false;
	while (pgmq_cursor_fetch(cursor, turn, row_peek, wait) == turn && !wait->any)
		turn = Min(turn * 2, PEEK_TURN);
	pgmq_cursor_close(cursor);

	/* else they would be due, and looked at, as long as nobody reads */
	if (!wait->any && stmt == PGMQ_STMT_FIRST_READABLE_PASSING && !screen.passing && wait_may_dispose(wait))
	{
		pgmq_screen_ahead(&screen, now, lo, hi, PEEK_TURN);
		wait->disposed += screen.disposed;
	}
	return wait->any;
}

/*
 * Open the queue.  Who may not look into it may not wait for it either, not
 * even as long as there is nothing to look at.  Error: 42501.
 */
static void
wait_open(WaitState *wait)
{
	static const char *const columns[] = {"msg_id", "vt", "tableoid", "ctid"};
	Oid			me = GetUserId();

	pgmq_queue_open(&wait->queue, wait->queue_name, AccessShareLock,
					PGMQ_NEED_SELECT, "CALL");
	pgmq_queue_check_shape(&wait->queue);
	if (pg_class_aclcheck(wait->queue.relid, me, ACL_SELECT) == ACLCHECK_OK)
		return;
	for (int i = 0; i < lengthof(columns); i++)
	{
		AttrNumber	attnum = get_attnum(wait->queue.relid, columns[i]);

		if (pg_attribute_aclcheck(wait->queue.relid, attnum, me, ACL_SELECT) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, wait->queue.relname);
	}
}

/*
 * See whether there is something readable, and let go of all locks; while what
 * stands in the way is spent, and can be disposed of, see again.
 */
static uint64
wait_once(void *state)
{
	WaitState  *wait = state;
	TimestampTz now;
	PgmqScan	scan;

	do
	{
		CHECK_FOR_INTERRUPTS();
		wait_open(wait);
		wait->disposed = 0;
		now = GetCurrentTimestamp();
		pgmq_scan_begin(&scan, &wait->queue, now, pgmq_policy_pauses(&wait->queue, now) ? 0 : 1, false);
		while (pgmq_scan_next(&scan))
			pgmq_scan_took(&scan, peek_range(wait, scan.now, scan.lo, scan.hi), wait->found);
		if (!wait->atomic)
			pgmq_exec_commit();
	} while (scan.count == 0 && wait->disposed > 0);
	return scan.count;
}

/*
 * wait(queue_name text, max_poll_seconds integer)
 *
 * A procedure: returns when something can be read, or the time is up.  Where
 * it may, it commits first, and waits without a snapshot and without a lock,
 * so that it holds up neither vacuum nor DDL however long it waits.
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
