/*-------------------------------------------------------------------------
 *
 * peek.c
 *	  Looking into a queue or its archive without touching anything; and
 *	  sending again what was archived.
 *
 * Peeking takes no row lock and goes by no map: it is a plain SELECT, which a
 * read-only transaction and a standby can run as well.
 *
 * What is unarchived leaves the archive and enters the queue in one
 * transaction, as a new message.  Of two sessions that unarchive the same
 * message the second waits for the first's row lock, and finds nothing.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/peek.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_peek);
PG_FUNCTION_INFO_V1(pgmq_peek_archive);
PG_FUNCTION_INFO_V1(pgmq_unarchive);
PG_FUNCTION_INFO_V1(pgmq_unarchive_batch);

/*
 * Argument argno, the state in which messages must be; NULL for any.
 * Errors: 22023 for an unknown one, 22004 for a NULL.
 */
static PgmqArg
state_arg(FunctionCallInfo fcinfo, int argno)
{
	static const char *const states[] = {"visible", "delayed", "in_flight"};
	char	   *state;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("state must not be null"),
				 errhint("The states are: visible, delayed, in_flight, all.")));
	state = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strcmp(state, "all") == 0)
		return PGMQ_ARG_NULL;
	for (int i = 0; i < lengthof(states); i++)
		if (strcmp(state, states[i]) == 0)
			return PGMQ_ARG_FROM(argno);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown state of messages: \"%s\"", state),
			 errhint("The states are: visible, delayed, in_flight, all.")));
}

/*
 * The first id after argument argno, from which a page begins; NULL: from the
 * start.  False when there can be none.
 */
static bool
first_arg(FunctionCallInfo fcinfo, int argno, PgmqArg *first)
{
	int64		after = PG_ARGISNULL(argno) ? PG_INT64_MIN : PG_GETARG_INT64(argno);

	if (after == PG_INT64_MAX)
		return false;
	*first = PGMQ_ARG(Int64GetDatum(PG_ARGISNULL(argno) ? after : after + 1));
	return true;
}

/*
 * peek(queue_name text, state text, qty integer, after_msg_id bigint)
 * returns setof message_record
 */
Datum
pgmq_peek(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqArg		args[4];
	PgmqQueue	queue;
	bool		some;

	args[1] = pgmq_qty_arg(fcinfo, 2);
	args[2] = state_arg(fcinfo, 1);
	args[3] = PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
	some = first_arg(fcinfo, 3, &args[0]);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock,
					PGMQ_NEED_SELECT, NULL);
	if (some)
		pgmq_exec_rows(&queue, PGMQ_STMT_PEEK, args, rows);
	return (Datum) 0;
}

/*
 * Refuse a caller that lacks the right to a queue's archive (42501), before it
 * waits for a lock of the queue or holds one.  False when there is none.
 */
static bool
archive_check(text *queue_name, PgmqNeed need)
{
	char		relname[NAMEDATALEN];
	Oid			relid;

	if (!pgmq_name_fits(queue_name, 'a', relname))
		return false;
	relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	if (OidIsValid(relid) && !pgmq_queue_may(relid, need))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, relname);
	return OidIsValid(relid);
}

/*
 * peek_archive(queue_name text, qty integer, after_msg_id bigint)
 * returns table (the columns of an archive)
 */
Datum
pgmq_peek_archive(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqArg		args[2];
	PgmqQueue	queue;
	text	   *queue_name;
	bool		some;

	args[1] = pgmq_qty_arg(fcinfo, 1);
	some = first_arg(fcinfo, 2, &args[0]);
	/* it takes rights to the archive only; if there is none, to the queue */
	queue_name = pgmq_name_arg(fcinfo, 0);
	pgmq_queue_open(&queue, queue_name, AccessShareLock,
					archive_check(queue_name, PGMQ_NEED_SELECT) ? PGMQ_NEED_NOTHING : PGMQ_NEED_ANY,
					NULL);
	if (!some)
	{
		args[0] = PGMQ_ARG(Int64GetDatum(PG_INT64_MAX));
		args[1] = PGMQ_ARG(Int64GetDatum(0));
	}
	pgmq_exec_rows(&queue, PGMQ_STMT_PEEK_ARCHIVE, args, rows);
	return (Datum) 0;
}

/* A message on its way from the archive to the queue. */
typedef struct Returned
{
	int64		old_id;
	PgmqArg		message;
	PgmqArg		headers;
} Returned;

/*
 * They go in parts, since all in memory may be too much, and too much for an
 * array: so many are taken out of the archive at a time, and put into the
 * queue by so many bytes, or one.
 */
#define UNARCHIVE_PART		32
#define UNARCHIVE_BYTES		(64 * 1024 * 1024)

/* Those of a part, and the new ids of all. */
typedef struct Unarchive
{
	MemoryContext part;			/* reset after each */
	Returned   *messages;
	int			count;
	int			max;
	MemoryContext context;
	int64	   *ids;
	int			nids;
	int			max_ids;
} Unarchive;

/* A jsonb column of a row, copied. */
static PgmqArg
column_copy(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? PGMQ_ARG_NULL :
		PGMQ_ARG(PointerGetDatum(PG_DETOAST_DATUM_COPY(value)));
}

/* Row function: (msg_id, message, headers), gone from the archive. */
static void
row_returned(TupleTableSlot *slot, void *state)
{
	Unarchive  *un = state;
	MemoryContext old = MemoryContextSwitchTo(un->part);
	bool		isnull;

	if (un->count == un->max)
	{
		un->max *= 2;
		un->messages = repalloc(un->messages, un->max * sizeof(Returned));
	}
	un->messages[un->count++] = (Returned)
	{
		DatumGetInt64(slot_getattr(slot, 1, &isnull)),
			column_copy(slot, 2), column_copy(slot, 3)
	};
	MemoryContextSwitchTo(old);
}

/* Gets the new id of a message. */
static void
unarchive_id(int64 id, void *state)
{
	Unarchive  *un = state;

	if (un->nids == un->max_ids)
	{
		un->max_ids *= 2;
		un->ids = repalloc_huge(un->ids, un->max_ids * sizeof(int64));
	}
	un->ids[un->nids++] = id;
}

static int
returned_cmp(const void *a, const void *b)
{
	int64		ia = ((const Returned *) a)->old_id;
	int64		ib = ((const Returned *) b)->old_id;

	return (ia > ib) - (ia < ib);
}

/* A jsonb[] of values that may be NULL. */
static PgmqArg
jsonb_array(const PgmqArg *values, int count)
{
	Datum	   *elems = palloc(count * sizeof(Datum));
	bool	   *nulls = palloc(count * sizeof(bool));
	int			lower = 1;

	for (int i = 0; i < count; i++)
	{
		elems[i] = values[i].value;
		nulls[i] = values[i].isnull;
	}
	return PGMQ_ARG(PointerGetDatum(construct_md_array(elems, nulls, 1, &count, &lower,
													   JSONBOID, -1, false, TYPALIGN_INT)));
}

/* Send some messages again that have left the archive. */
static void
unarchive_send(const PgmqQueue *queue, Unarchive *un, const Returned *messages, int n)
{
	PgmqArg    *bodies = palloc(n * sizeof(PgmqArg));
	PgmqArg    *headers = palloc(n * sizeof(PgmqArg));
	int			before = un->nids;

	for (int i = 0; i < n; i++)
	{
		bodies[i] = messages[i].message;
		headers[i] = messages[i].headers;
	}
	pgmq_put_again(queue, PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
				   jsonb_array(bodies, n), jsonb_array(headers, n), unarchive_id, un);
	if (un->nids - before < n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("queue \"%s\" did not take what was to be unarchived",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("A BEFORE trigger swallowed a message.")));
}

static int64
returned_size(const Returned *message)
{
	return (message->message.isnull ? 0 : VARSIZE_ANY(DatumGetPointer(message->message.value))) +
		(message->headers.isnull ? 0 : VARSIZE_ANY(DatumGetPointer(message->headers.value)));
}

/* Unarchive the messages with these ids. */
static void
unarchive_part(const PgmqQueue *queue, Unarchive *un, const PgmqIdArg *ids, int nids)
{
	MemoryContext old = MemoryContextSwitchTo(un->part);
	PgmqArg		args[] = {pgmq_ids_array(ids, nids)};
	int			first = 0;
	int64		bytes = 0;

	un->count = 0;
	un->max = UNARCHIVE_PART;
	un->messages = palloc(un->max * sizeof(Returned));
	pgmq_exec_each(queue, PGMQ_STMT_UNARCHIVE, args, row_returned, un);
	qsort(un->messages, un->count, sizeof(Returned), returned_cmp);
	for (int i = 0; i < un->count; i++)
	{
		int64		size = returned_size(&un->messages[i]);

		if (i > first && bytes + size > UNARCHIVE_BYTES)
		{
			unarchive_send(queue, un, un->messages + first, i - first);
			first = i;
			bytes = 0;
		}
		bytes += size;
	}
	if (un->count > first)
		unarchive_send(queue, un, un->messages + first, un->count - first);
	MemoryContextSwitchTo(old);
	MemoryContextReset(un->part);
}

/*
 * Send the archived messages with these ids, which rise, again, oldest first.
 * Their ids as sent are in un->ids.
 * Error: 09000 when a trigger swallowed one, which would be lost otherwise.
 */
static void
unarchive(FunctionCallInfo fcinfo, const PgmqIdArg *ids, int nids, Unarchive *un)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;

	un->context = CurrentMemoryContext;
	un->part = AllocSetContextCreate(CurrentMemoryContext, "pgmq_c unarchive",
									 ALLOCSET_DEFAULT_SIZES);
	un->nids = 0;
	un->max_ids = UNARCHIVE_PART;
	un->ids = palloc(un->max_ids * sizeof(int64));

	(void) archive_check(queue_name, PGMQ_NEED_DELETE);
	pgmq_queue_open(&queue, queue_name, RowExclusiveLock, PGMQ_NEED_INSERT, "INSERT");
	for (int i = 0; i < nids; i += UNARCHIVE_PART)
		unarchive_part(&queue, un, ids + i, Min(nids - i, UNARCHIVE_PART));
	MemoryContextDelete(un->part);
}

/* unarchive(queue_name text, msg_id bigint) returns bigint */
Datum
pgmq_unarchive(PG_FUNCTION_ARGS)
{
	Unarchive	un;
	int			nids;
	PgmqIdArg  *ids = pgmq_id_arg(fcinfo, -1, &nids);

	unarchive(fcinfo, ids, nids, &un);
	if (un.nids == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(un.ids[un.nids - 1]);
}

/* unarchive(queue_name text, msg_ids bigint[]) returns setof bigint */
Datum
pgmq_unarchive_batch(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	Unarchive	un;
	int			nids;
	PgmqIdArg  *ids = pgmq_ids_arg(fcinfo, -1, &nids);

	unarchive(fcinfo, ids, nids, &un);
	for (int i = 0; i < un.nids; i++)
	{
		Datum		value = Int64GetDatum(un.ids[i]);
		bool		isnull = false;

		pgmq_rows_put(rows, &value, &isnull);
	}
	return (Datum) 0;
}
