/*-------------------------------------------------------------------------
 *
 * read_any.c
 *	  Reading from several queues in one call.
 *
 * The queues are opened in the order of their tables' names, in whatever order
 * they are given, so that calls with the same queues lock them in the same
 * order.  Each queue is read as read() does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/read_any.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_read_any);
PG_FUNCTION_INFO_V1(pgmq_read_any_with_poll);

/* A read of several queues. */
typedef struct AnyRead
{
	PgmqQueue	queues[PGMQ_MAX_WAITED];	/* in the caller's order */
	text	   *names[PGMQ_MAX_WAITED];
	int			nqueues;
	PgmqRows   *rows;			/* result: the name of a queue and a message */
	PgmqRows   *messages;		/* the messages of one queue */
	PgmqArg		vt;
	int64		qty;
	bool		fair;
	bool		asked[PGMQ_MAX_WAITED]; /* which queues were read */
	bool		found[PGMQ_MAX_WAITED]; /* and had messages */
	bool		ended;			/* a wait ends, though there may be no message */
} AnyRead;

/*
 * Take an option of a read: whether all queues have an equal share.
 * Error: 22023 for an unknown option or a bad value.
 */
static void
any_option(const char *option, const JsonbValue *value, void *state)
{
	AnyRead    *any = state;
	char	   *order = NULL;

	if (strcmp(option, "order") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown option \"%s\"", option),
				 errhint("The only option is: order.")));
	if (value->type == jbvString)
		order = pnstrdup(value->val.string.val, value->val.string.len);
	any->fair = order != NULL && strcmp(order, "fair") == 0;
	if (!any->fair && (order == NULL || strcmp(order, "priority") != 0))
		pgmq_option_invalid(option, "\"priority\" or \"fair\"");
}

static int
queue_cmp(const void *a, const void *b)
{
	return strcmp((*(PgmqQueue *const *) a)->relname, (*(PgmqQueue *const *) b)->relname);
}

/*
 * Open the queues of an array of names.  A queue that is named twice counts
 * once.
 * Errors: those of pgmq_queue_open; 22004 for NULL, 54000 for too many queues.
 */
static void
any_open(AnyRead *any, FunctionCallInfo fcinfo, int argno)
{
	PgmqQueue  *sorted[PGMQ_MAX_WAITED];
	Datum	   *names;
	bool	   *nulls;
	int			nnames;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("queue names must not be null")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &nnames);
	for (int i = 0; i < nnames; i++)
	{
		char		relname[NAMEDATALEN];
		int			same = 0;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("queue name must not be null")));
		pgmq_name_format(DatumGetTextPP(names[i]), 'q', relname);
		while (same < any->nqueues && strcmp(any->queues[same].relname, relname) != 0)
			same++;
		if (same < any->nqueues)
			continue;
		if (any->nqueues == PGMQ_MAX_WAITED)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("cannot read from more than %d queues at once", PGMQ_MAX_WAITED)));
		any->names[any->nqueues] = DatumGetTextPP(names[i]);
		strcpy(any->queues[any->nqueues++].relname, relname);
	}

	for (int i = 0; i < any->nqueues; i++)
		sorted[i] = &any->queues[i];
	qsort(sorted, any->nqueues, sizeof(PgmqQueue *), queue_cmp);
	for (int i = 0; i < any->nqueues; i++)
		pgmq_queue_open(sorted[i], any->names[sorted[i] - any->queues],
						RowExclusiveLock, PGMQ_NEED_UPDATE, "UPDATE");
}

/* Begin a read whose arguments are (queue_names, vt, qty, ...). */
static void
any_begin(AnyRead *any, FunctionCallInfo fcinfo, int options_argno)
{
	any->rows = pgmq_rows_begin(fcinfo);
	any->messages = pgmq_rows_unlabelled(any->rows);
	any->vt = PGMQ_ARG_FROM(1);
	any->qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 2).value);
	any->fair = false;
	pgmq_options_arg(fcinfo, options_argno, any_option, any);
	memset(any->asked, 0, sizeof(any->asked));
	memset(any->found, 0, sizeof(any->found));
	any->nqueues = 0;
	any_open(any, fcinfo, 0);
}

/* Read up to qty messages of one queue.  Returns the number of messages read. */
static int64
any_read_one(AnyRead *any, int i, int64 qty)
{
	int64		count = pgmq_read_queue(&any->queues[i], any->vt, qty, any->messages,
										&any->ended);

	any->asked[i] = true;
	any->found[i] = any->found[i] || count > 0;

	pgmq_rows_move(any->messages, any->rows, PointerGetDatum(any->names[i]));
	return count;
}

/*
 * Read once.  Returns the number of messages read.
 *
 * By priority, each queue is read for as many messages as the queues before it
 * left over.  Fairly, each queue is read for an equal share of what is left,
 * beginning with one at random.  Then the queues that may have more messages
 * are read for the shares that others did not use up, unless the messages are
 * not hidden, since the same ones would be read again.
 */
static uint64
any_read_once(void *state)
{
	AnyRead    *any = state;
	int			n = any->nqueues;
	int64		left = any->qty;
	int			begin = !any->fair ? 0 :
	(int) pg_prng_uint64_range(&pg_global_prng_state, 0, n - 1);
	bool		hides = !any->vt.isnull && DatumGetInt32(any->vt.value) > 0;
	bool		more[PGMQ_MAX_WAITED] = {false};

	any->ended = false;
	for (int i = 0; i < n && left > 0; i++)
	{
		int64		share = any->fair ? (left + n - i - 1) / (n - i) : left;
		int64		count = any_read_one(any, (begin + i) % n, share);

		more[i] = count == share;
		left -= count;
	}
	for (int i = 0; any->fair && hides && i < n && left > 0; i++)
		if (more[i])
			left -= any_read_one(any, (begin + i) % n, left);
	return any->qty - left;
}

/* Read for a wait. */
static uint64
any_poll_once(void *state)
{
	AnyRead    *any = state;
	uint64		count = any_read_once(any);

	return count + (count == 0 && any->ended);
}

/* Count a read of each queue that was asked. */
static void
any_count(const AnyRead *any)
{
	for (int i = 0; i < any->nqueues; i++)
		if (any->asked[i])
			pgmq_stats_read(any->queues[i].relid, any->found[i]);
}

/*
 * read_any(queue_names text[], vt integer, qty integer, options jsonb)
 * returns table (queue_name text, the columns of a message)
 */
Datum
pgmq_read_any(PG_FUNCTION_ARGS)
{
	AnyRead		any;

	any_begin(&any, fcinfo, 3);
	if (any.nqueues > 0)
		any_read_once(&any);
	any_count(&any);
	return (Datum) 0;
}

/*
 * read_any_with_poll(queue_names text[], vt integer, qty integer,
 *					  max_poll_seconds integer, poll_interval_ms integer,
 *					  options jsonb)
 * returns table (queue_name text, the columns of a message)
 */
Datum
pgmq_read_any_with_poll(PG_FUNCTION_ARGS)
{
	AnyRead		any;

	any_begin(&any, fcinfo, 5);
	if (any.nqueues > 0)
		pgmq_poll(any.queues, any.nqueues, 0, any_poll_once, &any,
				  PGMQ_ARG_FROM(3), PGMQ_ARG_FROM(4));
	any_count(&any);
	return (Datum) 0;
}
