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
		pgmq_exec_rows(&queue, PGMQ_STMT_PAGE, args, rows);
	return (Datum) 0;
}

/*
 * Refuse a caller who has not the right to a queue's archive (42501), before
 * he waits for a lock of the queue or holds one.  False when there is none.
 */
bool
pgmq_api_check_archive(text *queue_name, PgmqNeed need)
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
					pgmq_api_check_archive(queue_name, PGMQ_NEED_SELECT) ? PGMQ_NEED_NOTHING : PGMQ_NEED_ANY,
					NULL);
	if (!some)
	{
		args[0] = PGMQ_ARG(Int64GetDatum(PG_INT64_MAX));
		args[1] = PGMQ_ARG(Int64GetDatum(0));
	}
	pgmq_exec_rows(&queue, PGMQ_STMT_PAGE_ARCHIVE, args, rows);
	return (Datum) 0;
}
