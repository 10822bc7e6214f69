/*-------------------------------------------------------------------------
 *
 * health.c
 *	  What pgmq.health() asks about queues; the findings are in its SQL.
 *
 * Nothing here waits for a lock.  Only _first_messages keeps one for as long as it
 * reads a queue's table.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/health.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_queue_tables);
PG_FUNCTION_INFO_V1(pgmq_policies);
PG_FUNCTION_INFO_V1(pgmq_first_messages);
PG_FUNCTION_INFO_V1(pgmq_last_id);
PG_FUNCTION_INFO_V1(pgmq_health_limits);

/* The columns of _queue_tables. */
enum
{
	COL_QUEUE_NAME,
	COL_RELID,
	COL_ARCHIVE,
	COL_ARCHIVE_PAGES,
	COL_DUE_MAP,
	COL_NEXT_DUE,
	COL_WAITING,
	COL_NET_FINDS,
	COL_STATE,
	COL_STATS_RESET,
	COL_SENT,
	COL_ACKED,
	COL_REDELIVERED,
	COL_EXPIRED_LEASES,
	COL_DEAD_LETTERS,
	COL_DEAD_REFUSED,
	COL_LAST_SEND,
	COL_LAST_READ,
	COL_LENGTH,
	COL_BYTES,
	COL_IN_FLIGHT,
	COL_HELD_BACK,
	TABLES_COLUMNS
};

#define POLICIES_COLUMNS	4

/* A limit beyond which pgmq.health() reports something. */
typedef struct HealthLimit
{
	const char *name;
	double		value;			/* unless an option says otherwise */
	double		max;
} HealthLimit;

/* Seconds, a number, a share. */
#define MAX_SECONDS			3e9
#define MAX_NUMBER			1e15
#define MAX_SHARE			1

/* The columns of _health_limits. */
static const HealthLimit limits[] = {
	{"horizon", 900, MAX_SECONDS},
	{"horizon_xacts", 1000000, MAX_NUMBER},
	{"prepared", 900, MAX_SECONDS},
	{"vacuum", 900, MAX_SECONDS},
	{"dead_rows", 100000, MAX_NUMBER},
	{"unread", 300, MAX_SECONDS},
	{"behind", 900, MAX_SECONDS},
	{"reads", 10, MAX_NUMBER},
	{"expired_leases", 10, MAX_NUMBER},
	{"memory", 0.9, MAX_SHARE},
	{"connections", 0.8, MAX_SHARE},
	{"ids", 0.9, MAX_SHARE},
	{"maintenance", 900, MAX_SECONDS},
	{"table_bytes", 10737418240.0, MAX_NUMBER},
};

/*
 * How many pages a table has, or its partitions, as the last vacuum or ANALYZE saw
 * it, without a lock.
 */
static int64
table_pages(Oid relid, bool of_children)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	int64		pages = 0;
	bool		has_children;
	ListCell   *lc;

	if (!HeapTupleIsValid(tuple))
		return 0;
	form = (Form_pg_class) GETSTRUCT(tuple);
	has_children = of_children && form->relhassubclass;
	if (form->relkind != RELKIND_PARTITIONED_TABLE)
		pages = Max(form->relpages, 0);
	ReleaseSysCache(tuple);
	if (has_children)
		foreach(lc, find_inheritance_children(relid, NoLock))
			pages += table_pages(lfirst_oid(lc), false);
	return pages;
}

/* Fill in what was counted of a queue; all columns are NULL if nothing was. */
static void
put_counted(const PgmqCounting *counting, Oid relid, Datum *values, bool *nulls)
{
	PgmqQueueStats kept;
	const char *why = pgmq_counting_look(counting, relid, &kept);
	const int64 *counts = kept.stats.counts;

	values[COL_STATE] = CStringGetTextDatum(why == NULL ? "on" : why);
	for (int i = COL_STATE + 1; i <= COL_LAST_READ; i++)
		nulls[i] = why != NULL;
	if (why != NULL)
		return;
	pgmq_put_time(values, nulls, COL_STATS_RESET, kept.since);
	pgmq_put_time(values, nulls, COL_LAST_SEND, kept.last_send);
	pgmq_put_time(values, nulls, COL_LAST_READ, kept.last_read);
	values[COL_SENT] = Int64GetDatum(counts[PGMQ_STAT_SENT]);
	values[COL_ACKED] = Int64GetDatum(counts[PGMQ_STAT_ACKED]);
	values[COL_REDELIVERED] = Int64GetDatum(counts[PGMQ_STAT_REDELIVERED]);
	values[COL_EXPIRED_LEASES] = Int64GetDatum(counts[PGMQ_STAT_EXPIRED_LEASES]);
	values[COL_DEAD_LETTERS] = Int64GetDatum(counts[PGMQ_STAT_DEAD_MAX_READS] +
											 counts[PGMQ_STAT_DEAD_EXPIRED] +
											 counts[PGMQ_STAT_DEAD_EXPLICIT]);
	values[COL_DEAD_REFUSED] = Int64GetDatum(counts[PGMQ_STAT_DEAD_REFUSED]);
}

/* Fill in what is counted for limits; all columns are NULL if nothing is. */
static void
put_limits(Oid relid, Datum *values, bool *nulls)
{
	PgmqLimitsLook look;

	for (int i = COL_LENGTH; i < TABLES_COLUMNS; i++)
		nulls[i] = true;
	if (!pgmq_limits_look(relid, &look))
		return;
	for (int i = COL_LENGTH; i < TABLES_COLUMNS; i++)
		nulls[i] = false;
	values[COL_LENGTH] = Int64GetDatum(look.length);
	values[COL_BYTES] = Int64GetDatum(look.bytes);
	values[COL_IN_FLIGHT] = Int32GetDatum(look.in_flight);
	pgmq_put_time(values, nulls, COL_HELD_BACK, look.denied_at);
}

/*
 * _queue_tables()
 * returns table (queue_name text, relid oid, archive oid, archive_pages bigint,
 *				  due_map text, next_due timestamptz, waiting integer,
 *				  net_finds bigint, state text, stats_reset timestamptz,
 *				  sent bigint, acked bigint, redelivered bigint,
 *				  expired_leases bigint, dead_letters bigint, dead_refused bigint,
 *				  last_send_at timestamptz, last_read_at timestamptz,
 *				  length bigint, bytes bigint, in_flight integer,
 *				  held_back_at timestamptz)
 *
 * The facts that health and overview need of each queue that is a table and on which
 * the caller has some privilege: one pass over thousands of queues costs less than
 * one each for engine_status and queue_stats, and joining them.
 * Error: 42501 without SELECT on table meta.
 */
Datum
pgmq_queue_tables(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqCounting counting;
	ListCell   *lc;

	pgmq_counting_begin(&counting);
	foreach(lc, pgmq_meta_names())
	{
		PgmqQueue	queue;
		PgmqEngine	engine;
		Oid			archive;
		char		relkind;
		Datum		values[TABLES_COLUMNS];
		bool		nulls[TABLES_COLUMNS] = {false};

		if (!pgmq_queue_to_show(lfirst(lc), &queue))
			continue;
		relkind = get_rel_relkind(queue.relid);
		if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
			continue;
		archive = pgmq_archive_known(&queue);
		pgmq_engine_look(&queue, &engine);
		values[COL_QUEUE_NAME] = PointerGetDatum(lfirst(lc));
		values[COL_RELID] = ObjectIdGetDatum(queue.relid);
		values[COL_ARCHIVE] = ObjectIdGetDatum(archive);
		nulls[COL_ARCHIVE] = !OidIsValid(archive);
		values[COL_ARCHIVE_PAGES] = Int64GetDatum(table_pages(archive, true));
		values[COL_DUE_MAP] = CStringGetTextDatum(engine.due_map);
		values[COL_NEXT_DUE] = TimestampTzGetDatum(engine.next_due);
		nulls[COL_NEXT_DUE] = !engine.is_due;
		values[COL_WAITING] = Int32GetDatum(engine.waiting);
		values[COL_NET_FINDS] = Int64GetDatum(engine.net_finds);
		put_counted(&counting, queue.relid, values, nulls);
		put_limits(queue.relid, values, nulls);
		pgmq_rows_put(rows, values, nulls);
	}
	return (Datum) 0;
}

/*
 * The reason why no message can get from a queue to the dead-letter queue that
 * its policy names, as text; NULL if it names none, or one that is there.
 */
static char *
dead_letter_problem(const PgmqQueue *queue, const PgmqPolicyRow *row)
{
	JsonbValue *value = pgmq_policy_value(row->policy, "dead_letter_queue");
	text	   *name;
	char		relname[NAMEDATALEN];
	Oid			relid;
	Oid			owner;
	const char *misfit;

	if (value == NULL || value->type != jbvString)
		return NULL;
	name = cstring_to_text_with_len(value->val.string.val, value->val.string.len);
	relid = pgmq_name_is_valid(name, relname) ?
		get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false)) : InvalidOid;
	owner = OidIsValid(relid) ? pgmq_role_find_owner(relid) : InvalidOid;
	if (!OidIsValid(owner))
		return psprintf(_("Dead-letter queue \"%s\" does not exist."), text_to_cstring(name));
	misfit = pgmq_queue_misfit(relid, false);
	if (misfit != NULL)
		return psprintf(_("Dead-letter queue \"%s\" is not a queue. %s"), text_to_cstring(name), misfit);
	if (row->has_owner && owner != pgmq_role_find_owner(queue->relid) &&
		(row->owner == NULL || owner != get_role_oid(text_to_cstring(row->owner), true)))
		return psprintf(_("Dead-letter queue \"%s\" has another owner than when the policy was set."),
						text_to_cstring(name));
	if (pgmq_stream_subscribes(relid, NULL))
		return psprintf(_("Dead-letter queue \"%s\" is a subscription."), text_to_cstring(name));
	return NULL;
}

/*
 * _policies()
 * returns table (relid oid, policy jsonb, paused_until timestamptz,
 *				  dead_letter_problem text)
 *
 * The policies of the queues on which the caller has some privilege.
 */
Datum
pgmq_policies(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	ListCell   *lc;

	foreach(lc, pgmq_policy_rows())
	{
		const PgmqPolicyRow *row = lfirst(lc);
		PgmqQueue	queue;
		char	   *problem;
		Datum		values[POLICIES_COLUMNS];
		bool		nulls[POLICIES_COLUMNS] = {false};

		if (!pgmq_queue_to_show(row->queue_name, &queue))
			continue;
		problem = dead_letter_problem(&queue, row);
		values[0] = ObjectIdGetDatum(queue.relid);
		values[1] = JsonbPGetDatum(row->policy);
		values[2] = TimestampTzGetDatum(row->paused_until);
		values[3] = problem == NULL ? (Datum) 0 : CStringGetTextDatum(problem);
		nulls[2] = TIMESTAMP_IS_NOBEGIN(row->paused_until);
		nulls[3] = problem == NULL;
		pgmq_rows_put(rows, values, nulls);
	}
	return (Datum) 0;
}

/* A question about the first messages of a queue, and the tuplestore that gets the answer. */
typedef struct FirstMessages
{
	PgmqRows   *rows;
	PgmqArg		args[3];
	bool		subscribes;
	PgmqStream	stream;
} FirstMessages;

/*
 * Row function: a row of _first_messages.  The reads of a subscription count since the
 * last seek, and a batch is named by its first message.
 */
static void
row_first(TupleTableSlot *slot, void *state)
{
	const FirstMessages *first = state;
	Datum	   *values = slot->tts_values;

	slot_getallattrs(slot);
	if (first->subscribes && !slot->tts_isnull[4])
		values[4] = Int32GetDatum(Max(DatumGetInt32(values[4]) - first->stream.read_base, 0));
	if (first->subscribes && !slot->tts_isnull[5] && PGMQ_IS_BATCH(DatumGetInt64(values[5])))
		values[5] = Int64GetDatum(PGMQ_BATCH_FIRST(DatumGetInt64(values[5])));
	pgmq_rows_put(first->rows, values, slot->tts_isnull);
}

/*
 * Answer for pgmq_each_try.  Even planning a query calls functions that the owner
 * of a table has put into its indexes, so this runs with the owner's rights.
 */
static bool
first_each(text *queue_name, void *state)
{
	static const char *const columns[] = {"msg_id", "vt", "read_ct", "last_read_at"};
	static const Oid argtypes[] = {TIMESTAMPTZOID, INT8OID, INT4OID};
	FirstMessages *first = state;
	PgmqQueue	queue;
	PgmqRole	saved;

	if (!pgmq_queue_try_open(&queue, queue_name, AccessShareLock) ||
		pgmq_queue_misfit(queue.relid, false) != NULL ||
		!pgmq_queue_may_all(queue.relid, ACL_SELECT, columns, lengthof(columns)) ||
		check_enable_rls(queue.relid, InvalidOid, true) == RLS_ENABLED)
		return false;
	first->subscribes = pgmq_stream_subscribes(queue.relid, &first->stream);
	if (first->subscribes && !first->args[2].isnull)
		first->args[2] = PGMQ_ARG(Int32GetDatum((int32) Min((int64) DatumGetInt32(first->args[2].value) +
															first->stream.read_base, PG_INT32_MAX)));
	saved = pgmq_role_become_owner(queue.relid);
	pgmq_exec_once_guarded(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $1),"
									" pg_catalog.min(vt) FILTER (WHERE vt OPERATOR(pg_catalog.<=) $1),"
									" pg_catalog.count(*) FILTER (WHERE read_ct OPERATOR(pg_catalog.>=) $3),"
									" pg_catalog.min(last_read_at) FILTER (WHERE read_ct OPERATOR(pg_catalog.>=) $3),"
									" pg_catalog.max(read_ct),"
									" (pg_catalog.array_agg(msg_id ORDER BY read_ct DESC, msg_id))[1]"
									" FROM (SELECT msg_id, vt, read_ct, last_read_at"
									" FROM %s ORDER BY msg_id LIMIT $2) m",
									pgmq_layout_name("", queue.relname, "")),
						   lengthof(argtypes), argtypes, first->args, row_first, first);
	pgmq_role_restore(saved);
	return true;
}

/*
 * _first_messages(queue_name text, qty integer, max_reads integer)
 * returns table (readable bigint, readable_since timestamptz, over_read bigint,
 *				  over_read_since timestamptz, most_reads integer, most_read bigint)
 *
 * Of the first qty messages of a queue: how many can be read, since when the first
 * of these; how many were read max_reads times or more, and when one of these was
 * last read, at the earliest; how often the one read most often was read, and its
 * msg_id.  No row if the caller may not see these columns in all rows, if the queue
 * does not exist, is a stream, has no rows on a standby, or is locked; none and a
 * warning if it cannot be read.
 */
Datum
pgmq_first_messages(PG_FUNCTION_ARGS)
{
	FirstMessages first = {
		.rows = pgmq_rows_begin(fcinfo),
		.args = {
			PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
			pgmq_qty_arg(fcinfo, 1),
			PGMQ_ARG_FROM(2)
		}
	};
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;
	PgmqStream	stream;

	/* most queues that are not to be looked at need no subtransaction */
	if (pgmq_queue_to_show(queue_name, &queue) && pgmq_queue_may(queue.relid, PGMQ_NEED_SELECT) &&
		!(RecoveryInProgress() && get_rel_persistence(queue.relid) == RELPERSISTENCE_UNLOGGED) &&
		!(pgmq_stream_look(queue.relid, &stream) && stream.kind == PGMQ_STREAM_LOG))
		(void) pgmq_each_try(queue_name, first_each, &first, false);
	return (Datum) 0;
}

/*
 * _last_id(queue_name text, sequence oid) returns bigint
 *
 * The last id that a sequence has given out for a queue; NULL if it is not that of
 * the queue, if the caller has no privilege on the queue or may not know the id, or
 * if the sequence is locked.
 */
Datum
pgmq_last_id(PG_FUNCTION_ARGS)
{
	PgmqQueue	queue;
	int64		last;

	if (PG_ARGISNULL(1) || !pgmq_queue_to_show(pgmq_name_arg(fcinfo, 0), &queue) ||
		pgmq_queue_sequence(queue.relid) != PG_GETARG_OID(1) ||
		!pgmq_sequence_look(queue.relid, &last))
		PG_RETURN_NULL();
	PG_RETURN_INT64(last);
}

/* Take an option of health: another value for a limit. */
static void
limit_option(const char *option, const JsonbValue *value, void *state)
{
	Datum	   *values = state;
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(limits); i++)
	{
		double		number;

		if (strcmp(option, limits[i].name) != 0)
		{
			appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", limits[i].name);
			continue;
		}
		if (value->type == jbvNull)
			return;
		number = value->type != jbvNumeric ? -1 :
			DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(value->val.numeric)));
		if (!(number >= 0 && number <= limits[i].max))
			pgmq_option_invalid(option, psprintf("a number from 0 to %.0f", limits[i].max));
		values[i] = Float8GetDatum(number);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%s\"", option),
			 errhint("The options are: %s.", names.data)));
}

/*
 * _health_limits(options jsonb) returns table (horizon double precision, ...)
 *
 * The limits of health, by its options.
 * Error: 22023 for an unknown option, or a value that is no limit.
 */
Datum
pgmq_health_limits(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	Datum		values[lengthof(limits)];
	bool		nulls[lengthof(limits)] = {false};

	for (int i = 0; i < lengthof(limits); i++)
		values[i] = Float8GetDatum(limits[i].value);
	pgmq_options_arg(fcinfo, 0, limit_option, values);
	pgmq_rows_put(rows, values, nulls);
	return (Datum) 0;
}
