/*-------------------------------------------------------------------------
 *
 * status.c
 *	  Showing the state of the queues in shared memory.
 *
 * This changes nothing: it neither creates a due map nor takes the memory of
 * another queue's map.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_engine_status);

#define STATUS_COLUMNS	7

/* The reason why reads of a queue do not use its due map; "on" if they do. */
static const char *
map_state(bool announced, bool has_map, const PgmqMapStatus *status)
{
	if (!pgmq_shmem_attach())
		return "no shared memory";
	if (!pgmq_use_due_map)
		return "switched off";
	if (!announced)
		return "not announced";
	if (!has_map)
		return "none";
	if (status->usable)
		return "on";
	return status->prepared ? "prepared transaction" : "unknown";
}

/*
 * engine_status()
 * returns table (queue_name text, due_map text, pieces bigint, bytes bigint,
 *				  next_due timestamptz, waiting integer, net_finds bigint)
 *
 * Shows the queues on which the caller has some privilege.  Takes no lock on
 * them.  Error: 42501 without SELECT on table meta.
 */
Datum
pgmq_engine_status(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	ListCell   *lc;

	foreach(lc, pgmq_meta_names())
	{
		text	   *name = lfirst(lc);
		PgmqQueue	queue;
		PgmqLocal  *local;
		PgmqMapStatus status = {.next_due = PGMQ_DUE_NOW};
		bool		has_map;
		Datum		values[STATUS_COLUMNS];
		bool		nulls[STATUS_COLUMNS] = {false};

		/* a role that may create queues can insert any name into meta */
		if (!pgmq_name_is_valid(name, queue.relname))
			continue;
		/* without a lock, a queue that is being dropped may look odd */
		queue.relid = get_relname_relid(queue.relname,
										get_namespace_oid(PGMQ_SCHEMA, false));
		/* the time of sends and reads is shown to roles with a privilege only */
		if (!OidIsValid(queue.relid) || !pgmq_queue_may(queue.relid, PGMQ_NEED_ANY))
			continue;
		local = pgmq_local_known(queue.relid);
		has_map = pgmq_map_status(queue.relid, local->identity, &status);
		values[0] = PointerGetDatum(name);
		values[1] = CStringGetTextDatum(map_state(local->identity != 0, has_map, &status));
		values[2] = Int64GetDatum(status.pieces);
		values[3] = Int64GetDatum(status.bytes);
		values[4] = TimestampTzGetDatum(status.next_due);
		values[5] = Int32GetDatum(pgmq_waiter_count(queue.relid));
		values[6] = Int64GetDatum(status.check_finds);

		/* return no infinity, which many drivers cannot represent */
		nulls[4] = !has_map || status.next_due == PGMQ_DUE_NOW ||
			status.next_due >= PGMQ_DUE_LAST;
		pgmq_rows_put(rows, values, nulls);
	}
	return (Datum) 0;
}
