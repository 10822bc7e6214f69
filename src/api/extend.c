/*-------------------------------------------------------------------------
 *
 * extend.c
 *	  The heartbeat of a consumer: leases of many messages go on, and the
 *	  consumer learns which messages it has lost.
 *
 * A heartbeat must come in time for all its messages, so it waits for none of
 * them.  A message that a running transaction has locked is either being
 * finished by the consumer itself, and needs no longer lease, or being taken
 * by somebody else, which the fence of the next call shows.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/extend.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(pgmq_extend);

/* The messages that a consumer believes to hold. */
typedef struct Leases
{
	PgmqIdArg  *ids;
	int			nids;
	bool	   *held;			/* by number: the fence still holds */
	int64	   *free;			/* of these, what nobody has locked */
	int			nfree;
} Leases;

/* The number of the lease on a message as it is, (msg_id, read_ct); -1 for none. */
static int
lease_find(const Leases *leases, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	/* no fence is NULL */
	if (slot->tts_isnull[0] || slot->tts_isnull[1])
		return -1;
	return pgmq_ids_find(leases->ids, leases->nids, true, DatumGetInt64(slot->tts_values[0]),
						 DatumGetInt32(slot->tts_values[1]));
}

/* Row function: a message that somebody may have locked. */
static void
row_seen(TupleTableSlot *slot, void *state)
{
	Leases	   *leases = state;
	int			found = lease_find(leases, slot);

	if (found >= 0)
		leases->held[found] = true;
}

/* Row function: one that is locked for us now. */
static void
row_free(TupleTableSlot *slot, void *state)
{
	Leases	   *leases = state;
	int			found = lease_find(leases, slot);

	/* a partitioned queue may hold one id twice */
	if (found < 0 || leases->held[found])
		return;
	leases->held[found] = true;
	leases->free[leases->nfree++] = leases->ids[found].msg_id;
}

/*
 * extend(queue_name text, msg_ids bigint[], read_cts integer[], vt integer)
 * returns table (lost_msg_id bigint)
 *
 * Has the leases of messages last for vt seconds from now at least, and never
 * for less than before.  Returns the ids of messages that are lost: those that
 * have been read again, and those that do not exist any more.  Takes ROW
 * EXCLUSIVE on the queue, and waits for no row.
 * Errors: 22004 for a NULL vt or fence, 22023 for a negative vt, 2202E when
 * the arrays differ in length, and those of pgmq_queue_open.
 */
Datum
pgmq_extend(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	Leases		leases = {0};
	int64		nlost = 0;
	bool	   *batched;
	PgmqArg		args[2];
	PgmqQueue	queue;

	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("vt must not be null")));
	if (PG_GETARG_INT32(3) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("vt must not be negative: %d", PG_GETARG_INT32(3))));
	leases.ids = pgmq_ids_arg(fcinfo, 2, &leases.nids);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock, PGMQ_NEED_UPDATE,
					"UPDATE");
	if (leases.nids == 0)
		return (Datum) 0;

	leases.held = palloc0(leases.nids * sizeof(bool));
	leases.free = palloc(leases.nids * sizeof(int64));
	args[0] = pgmq_ids_array(leases.ids, leases.nids);
	pgmq_batches_split(&queue, leases.ids, leases.nids, false);
	/* what somebody else is splitting has references afterwards */
	batched = palloc0(leases.nids * sizeof(bool));
	pgmq_batches_hold(&queue, leases.ids, leases.nids, batched);
	pgmq_exec_each(&queue, PGMQ_STMT_HOLD_FREE, args, row_free, &leases);
	if (leases.nfree < leases.nids)
		pgmq_exec_each(&queue, PGMQ_STMT_READ_CTS, args, row_seen, &leases);
	for (int i = 0; i < leases.nids; i++)
		leases.held[i] |= batched[i];
	args[0] = pgmq_int8_array(leases.free, leases.nfree);
	args[1] = pgmq_from_now(PGMQ_ARG_FROM(3));
	pgmq_stats_count(queue.relid, PGMQ_STAT_EXTENDED, pgmq_exec(&queue, PGMQ_STMT_EXTEND, args));

	/* of several fences for one id any may hold */
	for (int i = 0, first = 0; first < leases.nids; first = i)
	{
		bool		held = false;

		for (; i < leases.nids && leases.ids[i].msg_id == leases.ids[first].msg_id; i++)
			held |= leases.held[i];
		if (!held)
		{
			pgmq_rows_put_id(leases.ids[first].msg_id, rows);
			nlost++;
		}
	}
	pgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, nlost);
	return (Datum) 0;
}
