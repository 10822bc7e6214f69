/*-------------------------------------------------------------------------
 *
 * locked.c
 *	  Showing which messages are locked, and by which transaction.
 *
 * If a message is due and no read returns it, a running transaction that has
 * read, deleted or changed it has locked it.  A query with FOR UPDATE would
 * lock the messages itself.  Therefore this examines the row headers, as
 * pgrowlocks does, and locks no row.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/locked.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/subtrans.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(pgmq_locked);

#define LOCKED_COLUMNS	4

/* At most so many transactions that hold one row are shown. */
#define MAX_HOLDERS		16

/*
 * Collect the running transactions that hold a row which our snapshot sees, and
 * return their number.  Subtransactions are not resolved to their parents.
 * Only row headers of the heap can be examined; for another table access
 * method there are no holders.
 */
static int
row_holders(Oid relid, ItemPointer tid, TransactionId *xids)
{
	Relation	rel = table_open(relid, NoLock);
	TransactionId xmax = InvalidTransactionId;
	uint16		infomask = 0;
	int			n = 0;

	if (rel->rd_tableam == GetHeapamTableAmRoutine())
	{
		Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		Page		page = BufferGetPage(buffer);
		ItemId		item;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		item = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));
		if (ItemIdIsNormal(item))
		{
			HeapTupleHeader header = (HeapTupleHeader) PageGetItem(page, item);

			infomask = header->t_infomask;
			if ((infomask & HEAP_XMAX_INVALID) == 0)
				xmax = HeapTupleHeaderGetRawXmax(header);
		}
		UnlockReleaseBuffer(buffer);
	}
	table_close(rel, NoLock);

	if (infomask & HEAP_XMAX_IS_MULTI)
	{
		MultiXactMember *members;
		int			nmembers = MultiXactIdIsValid(xmax) ?
		GetMultiXactIdMembers(xmax, &members, HEAP_LOCKED_UPGRADED(infomask),
							  HEAP_XMAX_IS_LOCKED_ONLY(infomask)) : 0;

		for (int i = 0; i < nmembers && n < MAX_HOLDERS; i++)
			if (TransactionIdIsInProgress(members[i].xid))
				xids[n++] = members[i].xid;
	}
	else if (TransactionIdIsNormal(xmax) && TransactionIdIsInProgress(xmax))
		xids[n++] = xmax;
	return n;
}

/* As PGMQ_STMT_LOCKED for a subscription: a batch is shown, and has its place, by its first message. */
#define FIRST_ID \
	"CASE WHEN msg_id OPERATOR(pg_catalog.<) (-4611686018427387904) THEN" \
	" msg_id OPERATOR(pg_catalog.+) 9223372036854775807 OPERATOR(pg_catalog.+) 1 ELSE msg_id END"
#define LOCKED_REFERENCES \
	"SELECT " FIRST_ID " AS first, vt, tableoid, ctid FROM {q}" \
	" WHERE " FIRST_ID " OPERATOR(pg_catalog.>) $1 ORDER BY first LIMIT $2"

/* Row function: a message that may be locked, (msg_id, vt, tableoid, ctid). */
static void
row_locked(TupleTableSlot *slot, void *state)
{
	TransactionId xids[MAX_HOLDERS];
	int			n;

	slot_getallattrs(slot);
	n = row_holders(DatumGetObjectId(slot->tts_values[2]),
					(ItemPointer) DatumGetPointer(slot->tts_values[3]), xids);
	for (int i = 0; i < n; i++)
	{
		TransactionId xid = SubTransGetTopmostTransaction(xids[i]);
		int			pid = BackendXidGetPid(xid);
		Datum		values[LOCKED_COLUMNS] = {
			slot->tts_values[0], slot->tts_values[1],
			TransactionIdGetDatum(xid), Int32GetDatum(pid)
		};

		/* a prepared transaction has no process */
		bool		nulls[LOCKED_COLUMNS] = {false, slot->tts_isnull[1], false, pid == 0};

		pgmq_rows_put(state, values, nulls);
	}
}

/*
 * locked(queue_name text, qty integer, after_msg_id bigint)
 * returns table (msg_id bigint, vt timestamptz, transaction xid, pid integer)
 *
 * Returns those of the first qty messages after an id that a running
 * transaction has locked, once for each such transaction.  Takes ACCESS SHARE
 * on the queue.
 * Errors: 22004 for a NULL qty, 42501 without SELECT on the columns.
 */
Datum
pgmq_locked(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	static const Oid argtypes[] = {INT8OID, INT8OID};
	PgmqArg		args[2];
	PgmqQueue	queue;
	int64		after = PG_ARGISNULL(2) ? PG_INT64_MIN : PG_GETARG_INT64(2);

	args[0] = PGMQ_ARG(Int64GetDatum(after));
	args[1] = pgmq_qty_arg(fcinfo, 1);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock,
					PGMQ_NEED_SELECT, NULL);
	pgmq_queue_check_shape(&queue);
	if (pgmq_stream_subscribes(queue.relid, NULL))
		pgmq_exec_once(pgmq_plan_text(&queue, LOCKED_REFERENCES), lengthof(argtypes), argtypes, args,
					   false, row_locked, rows);
	else
		pgmq_exec_each(&queue, PGMQ_STMT_LOCKED, args, row_locked, rows);
	return (Datum) 0;
}
