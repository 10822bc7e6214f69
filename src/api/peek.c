/*-------------------------------------------------------------------------
 *
 * peek.c
 *	  Looking into a queue or its archive without changing anything.
 *
 * These functions run a plain SELECT.  They take ACCESS SHARE and no row
 * locks, and do not use the due map, so they also work in a read-only
 * transaction and on a standby.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/peek.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(pgmq_peek);
PG_FUNCTION_INFO_V1(pgmq_peek_archive);

/*
 * Argument argno, the state that the messages must have; NULL for any state.
 * Errors: 22023 for an unknown state, 22004 for NULL.
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
 * Set *first to the first id after argument argno, at which a page begins, or
 * to the least id if the argument is NULL.  Returns false if there is no id
 * after the argument.
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
 * The statement that looks at a queue's messages, and the rest of its arguments.  Of a
 * subscription it shows those that batches stand for, unless policies hide rows.
 */
static PgmqStmtId
peek_statement(const PgmqQueue *queue, PgmqArg *args)
{
	int64		from = Max(DatumGetInt64(args[0].value), PGMQ_BATCH_END);

	if (!pgmq_stream_subscribes(queue->relid, NULL))
		return PGMQ_STMT_PEEK;
	args[0] = PGMQ_ARG(Int64GetDatum(from));
	pgmq_batches_list(queue, check_enable_rls(queue->relid, InvalidOid, true) == RLS_ENABLED ?
					  PG_INT64_MAX : from, args + 4);
	return PGMQ_STMT_PEEK_BATCHES;
}

/*
 * peek(queue_name text, state text, qty integer, after_msg_id bigint)
 * returns setof message_record
 */
Datum
pgmq_peek(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	PgmqArg		args[8];
	PgmqQueue	queue;
	bool		some;

	args[1] = pgmq_qty_arg(fcinfo, 2);
	args[2] = state_arg(fcinfo, 1);
	args[3] = PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
	some = first_arg(fcinfo, 3, &args[0]);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock,
					PGMQ_NEED_SELECT, NULL);
	if (some)
		pgmq_exec_rows(&queue, peek_statement(&queue, args), args, rows);
	return (Datum) 0;
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

	/*
	 * only privileges on the archive are needed, or on the queue if it has
	 * none
	 */
	queue_name = pgmq_name_arg(fcinfo, 0);
	pgmq_queue_open(&queue, queue_name, AccessShareLock,
					pgmq_archive_check_may(queue_name, PGMQ_NEED_SELECT) ? PGMQ_NEED_NOTHING : PGMQ_NEED_ANY,
					NULL);
	if (!some)
	{
		args[0] = PGMQ_ARG(Int64GetDatum(PG_INT64_MAX));
		args[1] = PGMQ_ARG(Int64GetDatum(0));
	}
	(void) pgmq_archive_open(&queue, AccessShareLock, PGMQ_NEED_SELECT);
	pgmq_exec_rows(&queue, PGMQ_STMT_PEEK_ARCHIVE, args, rows);
	return (Datum) 0;
}
