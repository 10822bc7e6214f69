/*-------------------------------------------------------------------------
 *
 * unarchive.c
 *	  Sending archived messages again.
 *
 * A message leaves the archive and enters the queue in one transaction, as a
 * new message.  When two sessions unarchive the same message, the second one
 * waits for the row lock of the first, and then finds nothing.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/unarchive.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_unarchive);
PG_FUNCTION_INFO_V1(pgmq_unarchive_batch);

/* A message on its way from the archive to the queue. */
typedef struct Returned
{
	int64		old_id;
	PgmqArg		message;
	PgmqArg		headers;
} Returned;

/*
 * Messages are moved in parts, because all of them may need too much memory,
 * or exceed the size of an array.  A part is so many messages from the
 * archive.  They are sent in batches of so many bytes, or of one message.
 */
#define UNARCHIVE_PART		32
#define UNARCHIVE_BYTES		(64 * 1024 * 1024)

/* The messages of the current part, and the new ids of all messages. */
typedef struct Unarchive
{
	MemoryContext part;			/* reset after each part */
	Returned   *messages;
	int			count;
	int			max;
	MemoryContext context;
	int64	   *ids;
	int			nids;
	int			max_ids;
} Unarchive;

/* Copy a jsonb column of a row. */
static PgmqArg
column_copy(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return isnull ? PGMQ_ARG_NULL :
		PGMQ_ARG(PointerGetDatum(PG_DETOAST_DATUM_COPY(value)));
}

/* Row function: a message removed from the archive, (msg_id, message, headers). */
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

/* Receive the new id of a message. */
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

/* Make a jsonb[] of values that may be NULL. */
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

/* Send messages again that have been removed from the archive. */
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
				 errmsg("could not send all archived messages to queue \"%s\"",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("A BEFORE trigger discarded a message.")));
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
 * Send the archived messages with these ids again, oldest first.  The ids must
 * be in ascending order.  Puts the new ids into un->ids, in the current memory
 * context.
 * Error: 09000 if a trigger discarded a message, which would otherwise be
 * lost.
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

	(void) pgmq_archive_check_may(queue_name, PGMQ_NEED_DELETE);
	pgmq_queue_open(&queue, queue_name, RowExclusiveLock, PGMQ_NEED_INSERT, "INSERT");
	(void) pgmq_archive_open(&queue, RowExclusiveLock, PGMQ_NEED_DELETE);
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
		pgmq_rows_put_id(un.ids[i], rows);
	return (Datum) 0;
}
