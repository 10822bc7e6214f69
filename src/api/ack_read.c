/*-------------------------------------------------------------------------
 *
 * ack_read.c
 *	  Acknowledging messages and reading the next ones in one statement.
 *
 * A consumer that acknowledges by its next read has one commit for each batch
 * of messages instead of two.
 *
 * The forms that wait do so only if they are called without ids.  Otherwise
 * they read once, since nothing that an acknowledgement has locked may stay
 * locked, and no message that it has removed may stay uncommitted, while the
 * call sleeps.
 *
 * A fenced acknowledgement that comes too late is a row of the result in which
 * all columns but msg_id are NULL.  A message always has a read_ct.  So a
 * program tells the two apart with any driver, behind any pooler and without a
 * second call, and the other acknowledgements of the call hold.  These rows
 * come after the messages.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/ack_read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_delete_and_read);
PG_FUNCTION_INFO_V1(pgmq_delete_and_read_fenced);
PG_FUNCTION_INFO_V1(pgmq_delete_and_read_with_poll);
PG_FUNCTION_INFO_V1(pgmq_delete_and_read_with_poll_fenced);
PG_FUNCTION_INFO_V1(pgmq_archive_and_read);
PG_FUNCTION_INFO_V1(pgmq_archive_and_read_fenced);
PG_FUNCTION_INFO_V1(pgmq_archive_and_read_with_poll);
PG_FUNCTION_INFO_V1(pgmq_archive_and_read_with_poll_fenced);

/* The arguments of an attempt to read, and whether one has found a message. */
typedef struct NextRead
{
	PgmqQueue	queue;
	PgmqRows   *rows;
	PgmqArg		vt;				/* seconds */
	int64		qty;
	bool		found;
} NextRead;

/* Read once; zero if a wait is to go on. */
static uint64
next_once(void *state)
{
	NextRead   *next = state;
	bool		ended = false;
	uint64		count = pgmq_read_queue(&next->queue, next->vt, next->qty, next->rows, &ended);

	next->found |= count > 0;
	return count + (count == 0 && ended);
}

/*
 * The functions of this file, whose arguments are (queue_name, msg_ids, vt,
 * qty, ...): ack is the statement that acknowledges, poll_argno the argument
 * max_poll_seconds, which poll_interval_ms follows, and cts_argno that with
 * the fences; -1 where there is none.
 *
 * The rights to delete or archive and to read are needed even without ids, so
 * that a consumer that lacks one hears of it at its first call.  No archive is
 * locked through a wait.
 * Errors: those of delete or archive, and those of read.
 */
static Datum
ack_and_read(FunctionCallInfo fcinfo, PgmqStmtId ack, int poll_argno, int cts_argno)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	NextRead	next = {
		.rows = pgmq_rows_begin(fcinfo),
		.vt = PGMQ_ARG_FROM(2),
		.qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 3).value)
	};
	int			nlate = 0;
	int			nids;
	PgmqIdArg  *ids = pgmq_ids_arg(fcinfo, cts_argno, &nids);

	if (ack == PGMQ_STMT_ARCHIVE_BATCH || ack == PGMQ_STMT_ARCHIVE_FENCED)
		(void) pgmq_archive_check_may(queue_name, PGMQ_NEED_INSERT);
	pgmq_queue_open(&next.queue, queue_name, RowExclusiveLock, PGMQ_NEED_DELETE, "DELETE");
	pgmq_queue_check_right(next.queue.relid, next.queue.relname, PGMQ_NEED_UPDATE);

	if (nids == 0 && poll_argno >= 0)
	{
		pgmq_poll(&next.queue, 1, 0, next_once, &next,
				  PGMQ_ARG_FROM(poll_argno), PGMQ_ARG_FROM(poll_argno + 1));
		pgmq_stats_read(next.queue.relid, next.found);
		return (Datum) 0;
	}
	if (cts_argno >= 0)
		nlate = pgmq_ack_fenced(&next.queue, ack, ids, nids, NULL);
	else if (nids > 0)
		pgmq_ack_batch(&next.queue, ack, fcinfo, NULL);
	(void) next_once(&next);
	pgmq_stats_read(next.queue.relid, next.found);
	for (int i = 0; i < nlate; i++)
		pgmq_rows_put_id_alone(next.rows, ids[i].msg_id);
	return (Datum) 0;
}

/*
 * delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer)
 * returns setof message_record
 */
Datum
pgmq_delete_and_read(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_DELETE_BATCH, -1, -1);
}

/*
 * delete_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			read_cts integer[])
 * returns setof message_record
 */
Datum
pgmq_delete_and_read_fenced(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_DELETE_FENCED, -1, 4);
}

/*
 * delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			max_poll_seconds integer, poll_interval_ms integer)
 * returns setof message_record
 */
Datum
pgmq_delete_and_read_with_poll(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_DELETE_BATCH, 4, -1);
}

/*
 * delete_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			max_poll_seconds integer, poll_interval_ms integer,
 *			read_cts integer[])
 * returns setof message_record
 */
Datum
pgmq_delete_and_read_with_poll_fenced(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_DELETE_FENCED, 4, 6);
}

/*
 * archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer)
 * returns setof message_record
 */
Datum
pgmq_archive_and_read(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_ARCHIVE_BATCH, -1, -1);
}

/*
 * archive_and_read(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			read_cts integer[])
 * returns setof message_record
 */
Datum
pgmq_archive_and_read_fenced(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_ARCHIVE_FENCED, -1, 4);
}

/*
 * archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			max_poll_seconds integer, poll_interval_ms integer)
 * returns setof message_record
 */
Datum
pgmq_archive_and_read_with_poll(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_ARCHIVE_BATCH, 4, -1);
}

/*
 * archive_and_read_with_poll(queue_name text, msg_ids bigint[], vt integer, qty integer,
 *			max_poll_seconds integer, poll_interval_ms integer,
 *			read_cts integer[])
 * returns setof message_record
 */
Datum
pgmq_archive_and_read_with_poll_fenced(PG_FUNCTION_ARGS)
{
	return ack_and_read(fcinfo, PGMQ_STMT_ARCHIVE_FENCED, 4, 6);
}
