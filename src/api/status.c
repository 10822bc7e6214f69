/*-------------------------------------------------------------------------
 *
 * status.c
 *	  Showing the state of the queues: in shared memory, of maintenance, of
 *	  partitions.
 *
 * This changes nothing: it neither creates a due map nor takes the memory of
 * another queue's map.  It waits for no lock on a queue, and keeps none, so it
 * can go over thousands of queues.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "catalog/catalog.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_engine_status);
PG_FUNCTION_INFO_V1(pgmq_waiters);
PG_FUNCTION_INFO_V1(pgmq_memory_status);
PG_FUNCTION_INFO_V1(pgmq_maintenance_status);
PG_FUNCTION_INFO_V1(pgmq_partition_status);

#define STATUS_COLUMNS		7
#define WAITERS_COLUMNS		4
#define MEMORY_COLUMNS		9
#define MAINTENANCE_COLUMNS	9
#define PARTITION_COLUMNS	8

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
 * Find a queue by a name that meta has, to show its state: *queue, if it exists
 * and the caller has some privilege on it.  Without a lock, a queue that is being
 * dropped may look odd.
 */
bool
pgmq_queue_to_show(text *name, PgmqQueue *queue)
{
	/* a role that may create queues can insert any name into meta */
	if (!pgmq_name_is_valid(name, queue->relname))
		return false;
	queue->relid = get_relname_relid(queue->relname, get_namespace_oid(PGMQ_SCHEMA, false));
	return OidIsValid(queue->relid) && pgmq_queue_may(queue->relid, PGMQ_NEED_ANY);
}

/* So many microseconds, as an interval. */
static Datum
interval_of(int64 usecs)
{
	return DirectFunctionCall2(timestamp_mi, TimestampGetDatum(usecs), TimestampGetDatum(0));
}

/* The state of a queue that is to be shown, in shared memory. */
void
pgmq_engine_look(const PgmqQueue *queue, PgmqEngine *engine)
{
	PgmqLocal  *local = pgmq_local_known(queue->relid);
	PgmqMapStatus status = {.next_due = PGMQ_DUE_NOW};
	bool		has_map = pgmq_map_status(queue->relid, local->identity, &status);

	engine->due_map = map_state(local->identity != 0, has_map, &status);
	engine->pieces = status.pieces;
	engine->bytes = status.bytes;
	engine->next_due = status.next_due;
	/* no infinity, which many drivers cannot represent */
	engine->is_due = has_map && status.next_due != PGMQ_DUE_NOW &&
		status.next_due < PGMQ_DUE_LAST;
	engine->waiting = pgmq_waiter_count(queue->relid);
	engine->net_finds = status.check_finds;
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
		PgmqQueue	queue;
		PgmqEngine	engine;
		Datum		values[STATUS_COLUMNS];
		bool		nulls[STATUS_COLUMNS] = {false};

		if (!pgmq_queue_to_show(lfirst(lc), &queue))
			continue;
		pgmq_engine_look(&queue, &engine);
		values[0] = PointerGetDatum(lfirst(lc));
		values[1] = CStringGetTextDatum(engine.due_map);
		values[2] = Int64GetDatum(engine.pieces);
		values[3] = Int64GetDatum(engine.bytes);
		values[4] = TimestampTzGetDatum(engine.next_due);
		values[5] = Int32GetDatum(engine.waiting);
		values[6] = Int64GetDatum(engine.net_finds);
		nulls[4] = !engine.is_due;
		pgmq_rows_put(rows, values, nulls);
	}
	return (Datum) 0;
}

/* qsort comparator: by queue, the longest wait first. */
static int
waiting_compare(const void *a, const void *b)
{
	const PgmqWaiting *x = a;
	const PgmqWaiting *y = b;

	if (x->relid != y->relid)
		return x->relid < y->relid ? -1 : 1;
	return x->since < y->since ? -1 : x->since > y->since;
}

/* The first of n sorted waiters whose queue is not before this one. */
static int
waiting_search(const PgmqWaiting *waiting, int n, Oid relid)
{
	int			lo = 0;
	int			hi = n;

	while (lo < hi)
	{
		int			middle = lo + (hi - lo) / 2;

		if (waiting[middle].relid < relid)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

/*
 * waiters()
 * returns table (queue_name text, pid integer, kind text, since timestamptz)
 *
 * Shows the sessions that wait for queues on which the caller has some privilege
 * and that have a due map.  A session that waits for several queues has a row for
 * each.  Error: 42501 without SELECT on table meta.
 */
Datum
pgmq_waiters(PG_FUNCTION_ARGS)
{
	static const char *const kinds[] = {
		[PGMQ_WAIT_READ] = "read",
		[PGMQ_WAIT_GROUPED] = "read_grouped",
		[PGMQ_WAIT_FREE] = "wait",
	};
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	List	   *names = pgmq_meta_names();
	PgmqWaiting *waiting;
	int			n = pgmq_waiter_list(&waiting);
	ListCell   *lc;

	if (n == 0)
		return (Datum) 0;
	qsort(waiting, n, sizeof(PgmqWaiting), waiting_compare);
	foreach(lc, names)
	{
		PgmqQueue	queue;

		if (!pgmq_queue_to_show(lfirst(lc), &queue))
			continue;
		for (int i = waiting_search(waiting, n, queue.relid);
			 i < n && waiting[i].relid == queue.relid; i++)
		{
			Datum		values[WAITERS_COLUMNS] = {
				PointerGetDatum(lfirst(lc)),
				Int32GetDatum(waiting[i].pid),
				CStringGetTextDatum(kinds[waiting[i].kind]),
				TimestampTzGetDatum(waiting[i].since),
			};
			bool		nulls[WAITERS_COLUMNS] = {false};

			pgmq_rows_put(rows, values, nulls);
		}
	}
	return (Datum) 0;
}

/*
 * memory_status()
 * returns table (state text, since timestamptz, bytes bigint, maps integer,
 *				  maps_max integer, nodes integer, nodes_max integer,
 *				  evictions bigint, merges bigint)
 *
 * One row for the server, which all databases share.
 */
Datum
pgmq_memory_status(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqMemory	memory = {0};
	Datum		values[MEMORY_COLUMNS];
	bool		nulls[MEMORY_COLUMNS];
	bool		attached = pgmq_shmem_attach();
	bool		complete;

	memset(nulls, !attached, sizeof(nulls));
	nulls[0] = false;
	values[0] = CStringGetTextDatum(!attached ? "no shared memory" :
									RecoveryInProgress() ? "standby" :
									!pgmq_use_due_map ? "switched off" : "on");
	if (attached)
	{
		pgmq_directory_memory(&memory);
		pgmq_tree_memory(&memory);
		values[1] = TimestampTzGetDatum(pgmq_run_since(&complete));
		values[2] = Int64GetDatum((int64) memory.nodes_used * memory.node_bytes);
		values[3] = Int32GetDatum(memory.maps_used);
		values[4] = Int32GetDatum(memory.maps_total);
		values[5] = Int32GetDatum(memory.nodes_used);
		values[6] = Int32GetDatum(memory.nodes_total);
		values[7] = Int64GetDatum(memory.evictions);
		values[8] = Int64GetDatum(memory.merges);
	}
	pgmq_rows_put(rows, values, nulls);
	return (Datum) 0;
}

/*
 * maintenance_status()
 * returns table (queue_name text, since timestamptz, last_run timestamptz,
 *				  duration interval, rows bigint, more boolean, last_error text,
 *				  last_error_at timestamptz, left_out_until timestamptz)
 *
 * Shows the queues on which the caller has some privilege, and that were
 * maintained or whose policy needs that.  since is null where a queue without last_run may have had a run.
 */
Datum
pgmq_maintenance_status(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	bool		attached = pgmq_shmem_attach();
	bool		complete;
	TimestampTz since = pgmq_run_since(&complete);
	ListCell   *lc;

	foreach(lc, pgmq_policy_rows())
	{
		const PgmqPolicyRow *row = lfirst(lc);
		PgmqQueue	queue;
		PgmqRun		run = {0};
		char	   *message = NULL;
		TimestampTz until;
		Datum		values[MAINTENANCE_COLUMNS];
		bool		nulls[MAINTENANCE_COLUMNS] = {false};

		if (!pgmq_queue_to_show(row->queue_name, &queue) ||
			(!(attached && pgmq_run_look(queue.relid, &run, &message)) &&
			 !pgmq_policy_is_maintained(row->policy)))
			continue;
		until = pgmq_suspect_until(queue.relid);
		values[0] = PointerGetDatum(row->queue_name);
		values[1] = TimestampTzGetDatum(since);
		values[2] = TimestampTzGetDatum(run.begun);
		values[3] = interval_of(run.usecs);
		values[4] = Int64GetDatum(run.rows);
		values[5] = BoolGetDatum(run.more);
		values[6] = message == NULL ? (Datum) 0 : CStringGetTextDatum(message);
		values[7] = TimestampTzGetDatum(run.failed);
		values[8] = TimestampTzGetDatum(until);
		nulls[1] = !attached || !complete;
		nulls[2] = nulls[3] = nulls[4] = nulls[5] = run.begun == 0;
		nulls[6] = message == NULL;
		nulls[7] = run.failed == 0;
		nulls[8] = until == 0;
		pgmq_rows_put(rows, values, nulls);
	}
	return (Datum) 0;
}

/* Add a row about a table of a queue, if it is partitioned. */
static void
partition_row(PgmqRows *rows, text *queue_name, Oid queue, Oid relid)
{
	char	   *relname;
	PgmqBounds	bounds;
	int64		in_default;
	bool		last_known;
	int64		last = 0;
	int64		left = 0;
	Datum		values[PARTITION_COLUMNS];
	bool		nulls[PARTITION_COLUMNS] = {false};

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE ||
		(relname = get_rel_name(relid)) == NULL)
		return;
	last_known = pgmq_sequence_look(queue, &last);
	if (!pgmq_bounds_find(relid, last, &bounds))
		return;
	in_default = pgmq_bounds_default_rows(relid);
	if (bounds.ends && bounds.by_time)
		left = bounds.end - GetCurrentTimestamp();
	else if (!last_known || !bounds.ends ||
			 (last < PG_INT64_MAX && pg_sub_s64_overflow(bounds.end, last + 1, &left)))
		bounds.ends = false;
	values[0] = PointerGetDatum(queue_name);
	values[1] = CStringGetTextDatum(relname);
	values[2] = CStringGetTextDatum(bounds.column);
	values[3] = Int32GetDatum(bounds.partitions);
	values[4] = Int32GetDatum(bounds.ahead);
	values[5] = Int64GetDatum(left);
	/* ids may be so many that they would stand for infinity as a time */
	values[6] = bounds.by_time ? interval_of(left) : (Datum) 0;
	values[7] = Int64GetDatum(in_default);
	nulls[4] = !bounds.ends;
	nulls[5] = !bounds.ends || bounds.by_time;
	nulls[6] = !bounds.ends || !bounds.by_time;
	nulls[7] = in_default < 0;
	pgmq_rows_put(rows, values, nulls);
}

/*
 * partition_status()
 * returns table (queue_name text, table_name text, partitioned_by text,
 *				  partitions integer, ahead integer, ids_left bigint,
 *				  time_left interval, default_rows bigint)
 *
 * Shows the partitioned tables of the queues on which the caller has some
 * privilege, except those that are locked.  Error: 42501 without SELECT on table
 * meta.
 */
Datum
pgmq_partition_status(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	ListCell   *lc;

	foreach(lc, pgmq_meta_names())
	{
		PgmqQueue	queue;
		Oid			archive;

		if (!pgmq_queue_to_show(lfirst(lc), &queue))
			continue;
		partition_row(rows, lfirst(lc), queue.relid, queue.relid);
		archive = pgmq_archive_known(&queue);
		if (OidIsValid(archive))
			partition_row(rows, lfirst(lc), queue.relid, archive);
	}
	return (Datum) 0;
}
