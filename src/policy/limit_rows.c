/*-------------------------------------------------------------------------
 *
 * limit_rows.c
 *	  What happens to the rows of a queue with limits: our triggers there, the
 *	  count of what is there at first, and room for what comes.
 *
 * A queue has our triggers while its policy limits what only they can see: they
 * count each row that comes or goes, whatever statement writes it.  Other
 * queues do not have them, and pay nothing.
 *
 * A row that is too many is an error of its statement, so that nothing of it is
 * stored.  A replication worker counts its rows and does not refuse any: they
 * were accepted where they were sent.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/limit_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "policy/limits.h"

PG_FUNCTION_INFO_V1(pgmq_limits);

/* The most messages that are dropped by one statement. */
#define DROP_MAX		1000

/* The columns of a queue table that are looked at; 0: it has no such column. */
typedef struct RowColumns
{
	Oid			type;			/* of the table's rows */
	AttrNumber	msg_id;
	AttrNumber	read_ct;
	AttrNumber	vt;
	AttrNumber	message;
	AttrNumber	headers;
} RowColumns;

/* ----------------------------------------------------------------
 *		Rows
 * ----------------------------------------------------------------
 */

static AttrNumber
column_find(TupleDesc desc, const char *name, Oid type)
{
	for (int i = 0; i < desc->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), name) == 0 &&
			TupleDescAttr(desc, i)->atttypid == type)
			return i + 1;
	return InvalidAttrNumber;
}

/* The columns of a row's table. */
static const RowColumns *
row_columns(TupleDesc desc)
{
	static RowColumns columns = {InvalidOid};

	if (columns.type != desc->tdtypeid || desc->tdtypeid == RECORDOID)
	{
		columns.type = desc->tdtypeid;
		columns.msg_id = column_find(desc, "msg_id", INT8OID);
		columns.read_ct = column_find(desc, "read_ct", INT4OID);
		columns.vt = column_find(desc, "vt", TIMESTAMPTZOID);
		columns.message = column_find(desc, "message", JSONBOID);
		columns.headers = column_find(desc, "headers", JSONBOID);
	}
	return &columns;
}

/* How many bytes a column of a row takes, as pg_column_size says. */
static int64
column_bytes(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;
	Datum		value;

	if (column == InvalidAttrNumber || column > slot->tts_tupleDescriptor->natts)
		return 0;
	value = slot_getattr(slot, column, &isnull);
	return isnull ? 0 : toast_datum_size(value);
}

static int64
row_bytes(TupleTableSlot *slot)
{
	const RowColumns *columns = row_columns(slot->tts_tupleDescriptor);

	return column_bytes(slot, columns->message) + column_bytes(slot, columns->headers);
}

static int64
row_id(TupleTableSlot *slot)
{
	AttrNumber	column = row_columns(slot->tts_tupleDescriptor)->msg_id;
	bool		isnull = true;
	Datum		value = column == InvalidAttrNumber ? (Datum) 0 : slot_getattr(slot, column, &isnull);

	return isnull ? PG_INT64_MAX : DatumGetInt64(value);
}

/* Until when a row is in flight, if it is at now; else PGMQ_NO_LEASE. */
static TimestampTz
row_lease(TupleTableSlot *slot, TimestampTz now)
{
	const RowColumns *columns = row_columns(slot->tts_tupleDescriptor);
	bool		isnull;
	Datum		value;

	if (columns->read_ct == InvalidAttrNumber || columns->vt == InvalidAttrNumber)
		return PGMQ_NO_LEASE;
	value = slot_getattr(slot, columns->read_ct, &isnull);
	if (isnull || DatumGetInt32(value) <= 0)
		return PGMQ_NO_LEASE;
	value = slot_getattr(slot, columns->vt, &isnull);
	return isnull || DatumGetTimestampTz(value) <= now ? PGMQ_NO_LEASE : DatumGetTimestampTz(value);
}

/* A hash of the header of a row that a policy limits by, in *value; NULL without one. */
static const int64 *
row_value(TupleTableSlot *slot, const PgmqPolicy *policy, int64 *value)
{
	AttrNumber	column = row_columns(slot->tts_tupleDescriptor)->headers;
	bool		isnull = true;
	Datum		headers = (Datum) 0;

	if (policy->limit_by[0] == '\0')
		return NULL;
	if (column != InvalidAttrNumber)
		headers = slot_getattr(slot, column, &isnull);
	*value = pgmq_header_value_hash(isnull ? NULL : DatumGetJsonbP(headers), policy->limit_by);
	return value;
}

/* ----------------------------------------------------------------
 *		Counting a queue
 * ----------------------------------------------------------------
 */

/* The result of counting a queue. */
typedef struct Count
{
	const PgmqPolicy *policy;
	TimestampTz now;
	PgmqContents contents;
	int64		nleases;
	int64		max;
	PgmqInFlight *leases;
	bool		has_values;
} Count;

/* Add a row. */
static void
count_row(Count *count, TupleTableSlot *slot)
{
	TimestampTz until = PGMQ_NO_LEASE;

	if (pgmq_limits_contents(count->policy))
	{
		count->contents.length++;
		count->contents.bytes += row_bytes(slot);
	}
	if (pgmq_limits_leases(count->policy))
		until = row_lease(slot, count->now);
	if (until == PGMQ_NO_LEASE)
		return;
	if (count->nleases == count->max)
	{
		count->max *= 2;
		count->leases = repalloc_huge(count->leases, count->max * sizeof(PgmqInFlight));
	}
	count->leases[count->nleases++] = (PgmqInFlight)
	{
		.msg_id = row_id(slot),.until = until
	};
	count->has_values = row_value(slot, count->policy, &count->leases[count->nleases - 1].value) != NULL;
}

/* Add what is in a table, in a state of it. */
static void
count_table(Count *count, Oid relid, Snapshot snapshot)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleTableSlot *slot;
	TableScanDesc scan;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
	{
		slot = table_slot_create(rel, NULL);
		scan = table_beginscan(rel, snapshot, 0, NULL);
		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		{
			CHECK_FOR_INTERRUPTS();
			count_row(count, slot);
		}
		table_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(rel, AccessShareLock);
}

/* Error: 53400 for lack of a setting. */
pg_noreturn static void
too_many(const char *what, const char *setting)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg_internal("%s", what),
			 errhint("Raise the setting %s, and restart the server.", setting)));
}

#define TOO_MANY_ENTRIES() \
	too_many(_("too many messages of queues with limits are in flight"), "pgmq_c.limit_entries")

/*
 * Count a queue, and make its entry.  own: with what this transaction has done;
 * it is counted by its rows otherwise.
 */
static void
queue_count(const PgmqQueue *queue, const PgmqPolicy *policy, bool own)
{
	Count		count = {.policy = policy,.now = GetCurrentTimestamp(),.max = 64};
	Snapshot	snapshot;
	ListCell   *lc;

	count.leases = palloc(count.max * sizeof(PgmqInFlight));
	if (pgmq_limits_contents(policy) || pgmq_limits_leases(policy))
	{
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		if (!own)
			snapshot->curcid = FirstCommandId;
		foreach(lc, find_all_inheritors(queue->relid, AccessShareLock, NULL))
			count_table(&count, lfirst_oid(lc), snapshot);
		UnregisterSnapshot(snapshot);
	}
	if (!pgmq_limits_begin(queue->relid, &count.contents))
		too_many(_("too many queues have limits"), "pgmq_c.limit_queues");
	for (int64 i = 0; i < count.nleases; i++)
		if (!pgmq_limits_lease_found(queue->relid, count.leases[i].msg_id,
									 count.has_values ? &count.leases[i].value : NULL,
									 count.leases[i].until))
			TOO_MANY_ENTRIES();
	pgmq_limits_ready(queue->relid);
	pfree(count.leases);
}

/* The events that our triggers on a table fire for, as far as they differ by policy; 0: none. */
typedef struct Triggers
{
	int16		rows;
	int16		statements;
	int			columns;		/* UPDATE of so many columns; 0: of all */
} Triggers;

static Triggers
triggers_find(Relation rel)
{
	Triggers	found = {0};
	Oid			function = pgmq_role_find_function(RelationGetRelid(rel), PGMQ_LIMITS_FUNCTION);

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid != function || trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			continue;
		if (!TRIGGER_FOR_ROW(trigger->tgtype))
			found.statements = trigger->tgtype;
		else
		{
			found.rows = trigger->tgtype;
			found.columns = trigger->tgnattr;
		}
	}
	return found;
}

/*
 * Make sure that what is in an open queue with limits is counted.
 * Errors: 55000 without shared memory, 53400 when that has no room.
 */
void
pgmq_limits_ensure(const PgmqQueue *queue, const PgmqPolicy *policy)
{
	pgmq_limits_require();
	if (pgmq_limits_known(queue->relid))
		return;
	pgmq_lock_limits(queue);
	if (!pgmq_limits_known(queue->relid))
	{
		bool		own = pgmq_limits_is_own(queue->relid);

		if (own)
			pgmq_limits_counted(queue);
		queue_count(queue, policy, own);
	}
	pgmq_unlock_limits(queue);
}

/* ----------------------------------------------------------------
 *		The triggers
 * ----------------------------------------------------------------
 */

/* The triggers that a policy, or NULL, needs. */
static Triggers
triggers_wanted(const PgmqPolicy *policy)
{
	Triggers	wanted = {0};

	if (!pgmq_limits_contents(policy) && !pgmq_limits_leases(policy))
		return wanted;
	wanted.rows = TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
	wanted.statements = TRIGGER_TYPE_TRUNCATE;
	if (pgmq_limits_contents(policy))
	{
		wanted.rows |= TRIGGER_TYPE_INSERT;
		wanted.statements |= TRIGGER_TYPE_INSERT;
	}
	/* a lease changes neither of these */
	if (!pgmq_limits_leases(policy))
		wanted.columns = 2;
	return wanted;
}

/* Make one of our triggers, or drop it if it is there. */
static void
trigger_set(Oid relid, const char *table, const char *name, int16 type, int columns)
{
	if (type == 0)
	{
		if (OidIsValid(get_trigger_oid(relid, name, true)))
			pgmq_exec_ddl("DROP TRIGGER %s ON %s", name, table);
		return;
	}
	pgmq_exec_ddl("CREATE OR REPLACE TRIGGER %s AFTER %s%s%s ON %s FOR EACH %s"
				  " EXECUTE FUNCTION " PGMQ_SCHEMA "." PGMQ_LIMITS_FUNCTION "()", name,
				  type & TRIGGER_TYPE_TRUNCATE ? "TRUNCATE" : "DELETE",
				  type & TRIGGER_TYPE_INSERT ? " OR INSERT" : "",
				  !(type & TRIGGER_TYPE_UPDATE) ? "" : columns > 0 ?
				  " OR UPDATE OF message, headers" : " OR UPDATE",
				  table, type & TRIGGER_TYPE_ROW ? "ROW" : "STATEMENT");
	pgmq_exec_ddl("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", table, name);
}

/* The value of the header by which the policy of an open queue limits, as SQL. */
char *
pgmq_limits_value_sql(const PgmqQueue *queue)
{
	const PgmqPolicy *policy = pgmq_policy(queue);

	return psprintf(PGMQ_VALUE_SQL, quote_literal_cstr(policy == NULL ? "" : policy->limit_by));
}

/*
 * The policy of an open queue has changed, from old, which may be NULL.  See to
 * its triggers, which takes a lock that no writer has, and to what is counted.
 * The caller owns the queue.  Errors: 0A000 for a partitioned queue, 55000
 * without shared memory.
 */
void
pgmq_limits_set(const PgmqQueue *queue, const PgmqPolicy *old, const PgmqPolicy *policy)
{
	Relation	rel = relation_open(queue->relid, AccessShareLock);
	char	   *table = quote_qualified_identifier(PGMQ_SCHEMA, queue->relname);
	bool		partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	Triggers	found = triggers_find(rel);
	Triggers	wanted = triggers_wanted(policy);
	char	   *index = psprintf("%s" PGMQ_VALUE_INDEX_SUFFIX, queue->relname);
	const char *by;
	const char *was_by;

	Assert(policy != NULL);
	relation_close(rel, NoLock);
	if (pgmq_limits_contents(policy) && partitioned)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("policy key \"%s\" is not supported for partitioned queues",
						policy->max_length > 0 ? "max_length" : "max_bytes"),
				 errdetail("Partitions may be dropped with their messages, which no count would notice.")));
	if (wanted.rows != 0 || pgmq_limits_reads(policy))
		pgmq_limits_require();
	else if (pgmq_limits_known(queue->relid))
		pgmq_limits_end(queue->relid);
	if (pgmq_limits_reads(old) || pgmq_limits_reads(policy))
		pgmq_xact_wake(queue->relid, PGMQ_WAKE_ALL);
	by = policy->limit_by;
	was_by = old == NULL ? "" : old->limit_by;
	if (found.rows == wanted.rows && found.statements == wanted.statements &&
		found.columns == wanted.columns && strcmp(by, was_by) == 0)
		return;

	/* waiting readers hold a lock that conflicts */
	pgmq_waiter_send_away(queue->relid);
	trigger_set(queue->relid, table, PGMQ_LIMITS_ROWS, wanted.rows, wanted.columns);
	trigger_set(queue->relid, table, PGMQ_LIMITS_STATEMENTS, wanted.statements, 0);
	if (strcmp(by, was_by) != 0)
	{
		if (was_by[0] != '\0')
			pgmq_exec_ddl("DROP INDEX IF EXISTS %s",
						  quote_qualified_identifier(PGMQ_SCHEMA, index));
		if (by[0] != '\0')
			pgmq_exec_ddl("CREATE INDEX %s ON %s (%s, msg_id)",
						  quote_identifier(index), table, pgmq_limits_value_sql(queue));
	}
	if (wanted.rows != 0)
	{
		pgmq_limits_counted(queue);
		queue_count(queue, policy, true);
	}
}

/* A queue with limits that a trigger fires for. */
typedef struct LimitedQueue
{
	PgmqQueue	queue;
	uint64		invals;			/* the policy is that of this number */
	bool		exists;
	PgmqPolicy	policy;
} LimitedQueue;

/* The queue of a trigger's table, and its policy; NULL if it has none. */
static LimitedQueue *
trigger_queue(const TriggerData *trigger, Oid function)
{
	static LimitedQueue limited;
	const PgmqLocalTable *table = pgmq_local_table(trigger->tg_relation, function);
	const PgmqPolicy *policy;
	char	   *relname;

	if (!table->is_queue)
		return NULL;
	if (limited.queue.relid != table->queue || limited.invals != pgmq_policy_invals())
	{
		relname = get_rel_name(table->queue);
		limited.queue.relid = InvalidOid;
		if (relname == NULL)
			return NULL;
		strlcpy(limited.queue.relname, relname, NAMEDATALEN);
		limited.invals = pgmq_policy_invals();
		limited.queue.relid = table->queue;
		policy = pgmq_policy(&limited.queue);
		limited.queue.relid = table->queue;
		limited.exists = policy != NULL;
		if (policy != NULL)
			limited.policy = *policy;
	}
	return limited.exists ? &limited : NULL;
}

/* Whether a queue has more than its policy allows. */
static bool
is_over(const PgmqPolicy *policy, PgmqContents sum)
{
	return (policy->max_length > 0 && sum.length > policy->max_length) ||
		(policy->max_bytes > 0 && sum.bytes > policy->max_bytes);
}

/* Error: 53400. */
pg_noreturn static void
queue_full(const LimitedQueue *limited, PgmqContents sum)
{
	const PgmqPolicy *policy = &limited->policy;
	const char *name = PGMQ_QUEUE_BASE(&limited->queue);

	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 policy->max_length > 0 && sum.length > policy->max_length ?
			 errmsg("queue \"%s\" is full: its policy has a max_length of %d", name, policy->max_length) :
			 errmsg("queue \"%s\" is full: its policy has a max_bytes of " INT64_FORMAT,
					name, policy->max_bytes),
			 policy->overflow == PGMQ_OVERFLOW_DROP_OLDEST ?
			 errdetail("Messages that are in flight or locked are not dropped.") : 0,
			 errhint("Send again when messages have been deleted or archived, or raise the limit by pgmq.set_policy().")));
}

/*
 * Drop the oldest messages, but none that this statement has sent, until what is
 * there fits, by the rights of the queue's
 * owner: those who send need not have the right to delete.
 * Errors: 53400 if that is not enough, 55000 if a trigger or a foreign key would
 * run code of others by these rights.
 */
static void
drop_oldest(const LimitedQueue *limited, PgmqContents sum)
{
	const PgmqPolicy *policy = &limited->policy;
	const PgmqQueue *queue = &limited->queue;
	PgmqContents nothing = {0};
	PgmqArg		args[3];
	PgmqRole	saved;

	pgmq_role_check_triggers(queue->relid, TRIGGER_TYPE_DELETE, true);
	pgmq_role_check_references(queue->relid);
	saved = pgmq_role_become_owner(queue->relid);
	args[2] = PGMQ_ARG(Int64GetDatum(pgmq_limits_first(queue->relid)));
	for (; is_over(policy, sum); sum = pgmq_limits_note(queue->relid, nothing))
	{
		int64		n = 0;
		uint64		dropped;

		if (policy->max_length > 0)
			n = sum.length - policy->max_length;
		/* half of what the average says, for a large one may be among them */
		if (policy->max_bytes > 0 && sum.bytes > policy->max_bytes)
			n = Max(n, (int64) ((double) (sum.bytes - policy->max_bytes) / sum.bytes * sum.length / 2));
		n = Min(Max(n, 1), DROP_MAX);
		args[0] = PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
		args[1] = PGMQ_ARG(Int64GetDatum(n));
		dropped = pgmq_exec(queue, PGMQ_STMT_DROP_OLDEST, args);
		if (dropped == 0)
			queue_full(limited, sum);
		pgmq_stats_count(queue->relid, PGMQ_STAT_DROPPED_EXPIRED, dropped);
	}
	pgmq_role_restore(saved);
}

/* A row was inserted, updated or deleted: count it.  Error: 53400. */
static void
row_changed(const LimitedQueue *limited, const TriggerData *trigger)
{
	PgmqContents more = {0};
	PgmqContents sum;

	/* for UPDATE and DELETE this slot has the old row */
	more.bytes = row_bytes(trigger->tg_trigslot);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		more.length = 1;
	else
	{
		more.bytes = -more.bytes;
		if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
			more.length = -1;
		else
			more.bytes += row_bytes(trigger->tg_newslot);
	}
	if (more.length == 0 && more.bytes == 0)
		return;
	sum = pgmq_limits_note(limited->queue.relid, more);
	if (more.length > 0)
		pgmq_limits_sent(limited->queue.relid, row_id(trigger->tg_trigslot));
	if (more.length > 0 && limited->policy.overflow != PGMQ_OVERFLOW_DROP_OLDEST &&
		is_over(&limited->policy, sum) && !IsLogicalWorker() &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		queue_full(limited, sum);
}

/* A row was updated or deleted: its lease may have begun, changed or ended. */
static void
row_leased(const LimitedQueue *limited, const TriggerData *trigger)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz old = row_lease(trigger->tg_trigslot, now);
	TimestampTz new = PGMQ_NO_LEASE;
	int64		value;

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && !pgmq_limits_gives_back)
		new = row_lease(trigger->tg_newslot, now);
	if (old == new)
		return;
	if (!pgmq_limits_note_lease(limited->queue.relid, row_id(trigger->tg_trigslot),
								row_value(trigger->tg_trigslot, &limited->policy, &value), new))
		TOO_MANY_ENTRIES();
}

/* _limits() returns trigger: counts a row, or makes room for what was inserted */
Datum
pgmq_limits(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const LimitedQueue *limited;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an AFTER trigger",
						PGMQ_LIMITS_FUNCTION)));
	limited = trigger_queue(trigger, fcinfo->flinfo->fn_oid);
	if (limited == NULL)
		return PointerGetDatum(NULL);
	pgmq_limits_ensure(&limited->queue, &limited->policy);
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
	{
		if (pgmq_limits_contents(&limited->policy))
			row_changed(limited, trigger);
		if (pgmq_limits_leases(&limited->policy) && !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
			row_leased(limited, trigger);
	}
	else if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		pgmq_limits_emptied(limited->queue.relid);
	else if (limited->policy.overflow == PGMQ_OVERFLOW_DROP_OLDEST)
	{
		LimitedQueue copy = *limited;
		PgmqContents nothing = {0};
		PgmqContents sum = pgmq_limits_note(copy.queue.relid, nothing);

		/* a statement may run other triggers of ours */
		if (is_over(&copy.policy, sum))
			drop_oldest(&copy, sum);
		pgmq_limits_sent(copy.queue.relid, PG_INT64_MAX);
	}
	return PointerGetDatum(NULL);
}
