/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  Sending messages elsewhere: dead_letter, redrive, forward.
 *
 * Each removes a message from one queue and puts it into another in one
 * transaction, so after any failure it is in one of them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/dead_letter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_dead_letter);
PG_FUNCTION_INFO_V1(pgmq_dead_letter_fenced);
PG_FUNCTION_INFO_V1(pgmq_dead_letter_batch);
PG_FUNCTION_INFO_V1(pgmq_dead_letter_batch_fenced);
PG_FUNCTION_INFO_V1(pgmq_redrive);
PG_FUNCTION_INFO_V1(pgmq_redrive_options);
PG_FUNCTION_INFO_V1(pgmq_forward);

/* ----------------------------------------------------------------
 *		dead_letter
 * ----------------------------------------------------------------
 */

/* The messages that a consumer gives up. */
typedef struct DeadLetters
{
	PgmqIdArg  *ids;			/* the arguments of the call */
	int			nids;
	bool		fenced;
	text	   *reason;
	PgmqMoved  *dead;			/* the messages found */
	int			n;
} DeadLetters;

/* Row function: a message held, (msg_id, read_ct). */
static void
row_held(TupleTableSlot *slot, void *state)
{
	DeadLetters *letters = state;
	int64		msg_id;
	int32		read_ct;

	slot_getallattrs(slot);
	msg_id = DatumGetInt64(slot->tts_values[0]);
	read_ct = slot->tts_isnull[1] ? 0 : DatumGetInt32(slot->tts_values[1]);
	if (letters->n < letters->nids &&
		pgmq_ids_find(letters->ids, letters->nids, letters->fenced, msg_id, read_ct) >= 0)
		letters->dead[letters->n++] = (PgmqMoved)
	{
		msg_id, read_ct, letters->reason
	};
}

/* Move the messages named to the dead-letter queue. */
static void
dead_letter(DeadLetters *letters, FunctionCallInfo fcinfo)
{
	PgmqQueue	queue;
	PgmqQueue	to;
	PgmqArg		ids;

	letters->reason = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_DELETE, "DELETE");
	/* before any message is locked, since it may take long */
	pgmq_move_open_dead(&queue, pgmq_policy(&queue), true, &to);
	if (letters->nids > 0)
	{
		letters->dead = palloc(letters->nids * sizeof(PgmqMoved));
		ids = pgmq_ids_array(letters->ids, letters->nids);
		pgmq_batches_split(&queue, letters->ids, letters->nids, true);
		pgmq_exec_each(&queue, PGMQ_STMT_HOLD, &ids, row_held, letters);
	}
	if (letters->n > 0)
		pgmq_move_dead(&queue, &to, letters->dead, letters->n);
	pgmq_stats_count(queue.relid, PGMQ_STAT_DEAD_EXPLICIT, letters->n);
	if (letters->fenced)
		pgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, letters->nids - letters->n);
}

static Datum
dead_letter_one(FunctionCallInfo fcinfo, int ct_argno)
{
	DeadLetters letters = {.fenced = ct_argno >= 0};

	letters.ids = pgmq_id_arg(fcinfo, ct_argno, &letters.nids);
	dead_letter(&letters, fcinfo);
	PG_RETURN_BOOL(letters.n > 0);
}

static Datum
dead_letter_batch(FunctionCallInfo fcinfo, int cts_argno)
{
	DeadLetters letters = {.fenced = cts_argno >= 0};
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);

	letters.ids = pgmq_ids_arg(fcinfo, cts_argno, &letters.nids);
	dead_letter(&letters, fcinfo);
	for (int i = 0; i < letters.n; i++)
		pgmq_rows_put_id(letters.dead[i].msg_id, rows);
	return (Datum) 0;
}

/* dead_letter(queue_name text, msg_id bigint, reason text) returns boolean */
Datum
pgmq_dead_letter(PG_FUNCTION_ARGS)
{
	return dead_letter_one(fcinfo, -1);
}

/* dead_letter(queue_name text, msg_id bigint, reason text, read_ct integer) */
Datum
pgmq_dead_letter_fenced(PG_FUNCTION_ARGS)
{
	return dead_letter_one(fcinfo, 3);
}

/*
 * dead_letter(queue_name text, msg_ids bigint[], reason text)
 * returns setof bigint
 */
Datum
pgmq_dead_letter_batch(PG_FUNCTION_ARGS)
{
	return dead_letter_batch(fcinfo, -1);
}

/*
 * dead_letter(queue_name text, msg_ids bigint[], reason text,
 *			   read_cts integer[])
 */
Datum
pgmq_dead_letter_batch_fenced(PG_FUNCTION_ARGS)
{
	return dead_letter_batch(fcinfo, 3);
}

/* ----------------------------------------------------------------
 *		redrive
 * ----------------------------------------------------------------
 */

/* Messages that are looked at, and moved, at a time. */
#define REDRIVE_BATCH	1000
#define REDRIVE_FEW		64

/* So many that cannot go a redrive passes over, to find qty that can. */
#define REDRIVE_PASS	1000

/* The headers that a message had before it became a dead letter. */
#define DEAD_HEADER "'" PGMQ_HEADER_DEAD_LETTER "'::pg_catalog.text"
#define DEAD_TAKEN \
	"CASE WHEN gone.headers OPERATOR(pg_catalog.->) " DEAD_HEADER \
	" OPERATOR(pg_catalog.?) 'headers'::pg_catalog.text" \
	" THEN gone.headers OPERATOR(pg_catalog.->) " DEAD_HEADER \
	" OPERATOR(pg_catalog.->) 'headers'::pg_catalog.text" \
	" ELSE gone.headers OPERATOR(pg_catalog.-) " DEAD_HEADER " END"

/*
 * The same, without the error that a nack has put there, which may have
 * wrapped headers to which none can be added.  A message without a header
 * left had NULL.
 */
#define ERROR_HEADER "'" PGMQ_HEADER_ERROR "'::pg_catalog.text"
#define LIVE_HEADERS \
	"CASE WHEN COALESCE(pg_catalog.jsonb_typeof(gone.headers OPERATOR(pg_catalog.->) " \
	DEAD_HEADER "), '') OPERATOR(pg_catalog.<>) 'object'::pg_catalog.text THEN gone.headers" \
	" ELSE (SELECT CASE WHEN pg_catalog.jsonb_typeof(taken.headers)" \
	" OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND taken.headers OPERATOR(pg_catalog.?) " ERROR_HEADER \
	" AND taken.headers OPERATOR(pg_catalog.?) '" PGMQ_HEADER_HEADERS "'::pg_catalog.text" \
	" THEN taken.headers OPERATOR(pg_catalog.->) '" PGMQ_HEADER_HEADERS "'::pg_catalog.text" \
	" WHEN pg_catalog.jsonb_typeof(taken.headers) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND taken.headers OPERATOR(pg_catalog.-) " ERROR_HEADER \
	" OPERATOR(pg_catalog.=) '{}'::pg_catalog.jsonb" \
	" AND NOT gone.headers OPERATOR(pg_catalog.->) " DEAD_HEADER \
	" OPERATOR(pg_catalog.?) 'headers'::pg_catalog.text THEN NULL" \
	" WHEN pg_catalog.jsonb_typeof(taken.headers) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" THEN taken.headers OPERATOR(pg_catalog.-) " ERROR_HEADER \
	" ELSE taken.headers END FROM (SELECT " DEAD_TAKEN " AS headers) AS taken) END"

/* A queue where messages go, or cannot go. */
typedef struct Target
{
	char		name[NAMEDATALEN];	/* hash key: as the header has it */
	struct Redrive *redrive;
	PgmqQueue	queue;
	bool		usable;
	PgmqMoved  *dead;			/* messages to be sent there next */
	int			n;
	int64		sent;			/* number of messages sent there */
} Target;

/* Dead letters on their way. */
typedef struct Redrive
{
	PgmqQueue	queue;			/* the dead-letter queue */
	MemoryContext context;		/* outlives each statement */
	HTAB	   *targets;
	Target	   *only;			/* all go there; NULL: each where it came from */
	double		spacing;		/* seconds from one to the next */
	TimestampTz now;
	int64		last;			/* looked at up to this id */
	int64		looked;			/* at so many */
	int64		ids[REDRIVE_BATCH]; /* those that have a place to go */
	int			n;
	int			max;
	int64		stay;			/* so many have none */
	int64		refused;		/* so many were not taken there */
	int			sqlerrcode;		/* why the first of them */
	char	   *error;
} Redrive;

/* A target by its name; open, locked and usable if there is such a queue. */
static Target *
target_open(Redrive *redrive, const char *name)
{
	Target	   *target;
	bool		found;

	target = hash_search(redrive->targets, name, HASH_ENTER, &found);
	if (found)
		return target;
	memset((char *) target + NAMEDATALEN, 0, sizeof(Target) - NAMEDATALEN);
	target->redrive = redrive;
	snprintf(target->queue.relname, NAMEDATALEN, "q_%s", name);

	/*
	 * Any role that can send to the dead-letter queue can write any name. So
	 * it is no error when there is no such queue for the caller.  A queue
	 * that the caller may not use is not locked, and one that another session
	 * has locked is not waited for.  A subscription has no messages of its
	 * own, and what is sent to its stream goes to all.
	 */
	target->queue.relid = RangeVarGetRelid(makeRangeVar(PGMQ_SCHEMA,
														target->queue.relname, -1),
										   NoLock, true);
	if (OidIsValid(target->queue.relid) &&
		pgmq_queue_may(target->queue.relid, PGMQ_NEED_INSERT))
	{
		target->queue.relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA,
																	target->queue.relname, -1),
													   RowExclusiveLock,
													   RVR_MISSING_OK | RVR_SKIP_LOCKED,
													   NULL, NULL);
		target->usable = OidIsValid(target->queue.relid) &&
			target->queue.relid != redrive->queue.relid &&
			pgmq_queue_misfit(target->queue.relid, false) == NULL &&
			pgmq_queue_may(target->queue.relid, PGMQ_NEED_INSERT) &&
			!pgmq_stream_subscribes(target->queue.relid, NULL);
	}
	if (target->usable)
		target->dead = MemoryContextAlloc(redrive->context,
										  REDRIVE_BATCH * sizeof(PgmqMoved));
	return target;
}

/* Where a dead letter goes, by a row of DEAD_LETTERS; NULL: nowhere. */
static Target *
row_target(Redrive *redrive, TupleTableSlot *slot)
{
	Target	   *target = redrive->only;
	char	   *name;

	slot_getallattrs(slot);
	if (target == NULL && !slot->tts_isnull[1])
	{
		name = TextDatumGetCString(slot->tts_values[1]);
		if (strlen(name) < NAMEDATALEN - strlen("q_"))
			target = target_open(redrive, name);
		pfree(name);
	}
	return target != NULL && target->usable ? target : NULL;
}

/* Row function: a message that may go, if fewer than enough have been found. */
static void
row_look(TupleTableSlot *slot, void *state)
{
	Redrive    *redrive = state;

	if (redrive->n == redrive->max)
		return;
	redrive->looked++;
	redrive->last = DatumGetInt64(slot_getattr(slot, 1, &slot->tts_isnull[0]));
	if (row_target(redrive, slot) == NULL)
		redrive->stay++;
	else
		redrive->ids[redrive->n++] = redrive->last;
}

/* Row function: a message that goes, which is locked now. */
static void
row_take(TupleTableSlot *slot, void *state)
{
	Target	   *target = row_target(state, slot);

	if (target != NULL && target->n < REDRIVE_BATCH)
		target->dead[target->n++] = (PgmqMoved)
	{
		DatumGetInt64(slot->tts_values[0]), 0, NULL
	};
}

/* Move messages to a target. */
static void
target_send(void *state, PgmqMoved *dead, int n)
{
	Target	   *target = state;
	Redrive    *redrive = target->redrive;

	pgmq_move(&redrive->queue, &target->queue, LIVE_HEADERS, dead, n,
			  redrive->now + (int64) (target->sent * redrive->spacing * USECS_PER_SEC),
			  redrive->spacing);
	target->sent += n;
}

/*
 * Lock the messages found, and move them but those that their queue refuses;
 * how many went.  Only a call that names the queue waits for locks there.
 */
static int64
redrive_batch(Redrive *redrive)
{
	PgmqArg		args[2] = {
		PGMQ_ARG(TimestampTzGetDatum(redrive->now)),
		pgmq_int8_array(redrive->ids, redrive->n)
	};
	HASH_SEQ_STATUS scan;
	Target	   *target;
	int64		count = 0;

	pgmq_exec_each(&redrive->queue, PGMQ_STMT_DEAD_LETTERS_LOCK, args, row_take, redrive);
	hash_seq_init(&scan, redrive->targets);
	while ((target = hash_seq_search(&scan)) != NULL)
	{
		PgmqRefusal refusal = {0};

		if (target->n == 0)
			continue;
		pgmq_move_parts(target_send, target, redrive->only != NULL,
						target->dead, target->n, &refusal);
		count += refusal.done;
		redrive->refused += target->n - refusal.done;
		if (refusal.error != NULL && redrive->error == NULL)
		{
			redrive->sqlerrcode = refusal.error->sqlerrcode;
			redrive->error = MemoryContextStrdup(redrive->context, refusal.error->message);
		}
		if (refusal.gave_up)
			target->usable = false;
		target->n = 0;
	}
	return count;
}

#define TO_QUEUE_HINT "Name a queue for all of them in option \"to_queue\" of pgmq.redrive()."

#define NO_SOURCE "is unknown, was dropped, is a subscription, or you may not send to it."

/* Warn of messages that stay in the dead-letter queue. */
static void
redrive_warn(const Redrive *redrive)
{
	int64		n = redrive->refused + redrive->stay;

	ereport(WARNING,
			(redrive->refused > 0 ? errcode(redrive->sqlerrcode) : 0,
			 errmsg_plural(INT64_FORMAT " message of queue \"%s\" was not redriven",
						   INT64_FORMAT " messages of queue \"%s\" were not redriven",
						   n, n, PGMQ_QUEUE_BASE(&redrive->queue)),
			 redrive->refused == 0 ?
			 errdetail_plural("Its source queue " NO_SOURCE, "Their source queue " NO_SOURCE, n) :
			 redrive->stay == 0 ?
			 errdetail("The target queue refused " INT64_FORMAT " of them; the first error was: %s",
					   redrive->refused, redrive->error) :
			 errdetail(INT64_FORMAT " of them were not tried, or have no source queue that you may send to."
					   " The target queue refused " INT64_FORMAT "; the first error was: %s",
					   redrive->stay, redrive->refused, redrive->error),
			 redrive->only == NULL ? errhint(TO_QUEUE_HINT) : 0));
}

/*
 * Move up to qty dead letters; how many there were.  Those that cannot go
 * stay, and are neither locked nor in the way of others.
 */
static int64
redrive_all(Redrive *redrive, int64 qty)
{
	MemoryContext batch_context = AllocSetContextCreate(CurrentMemoryContext,
														"pgmq_c redrive batch",
														ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(batch_context);
	int64		count = 0;
	int64		batch;
	int64		before;

	redrive->now = GetCurrentTimestamp();
	redrive->last = PG_INT64_MIN;
	while (count < qty)
	{
		PgmqArg		args[3];

		/* of those looked at all but qty may be in vain */
		batch = Min(Max(qty - count, REDRIVE_FEW), REDRIVE_BATCH);
		batch = Min(batch, Min(qty, PG_INT64_MAX - REDRIVE_PASS) + REDRIVE_PASS - redrive->looked);
		if (batch <= 0)
			break;
		args[0] = PGMQ_ARG(TimestampTzGetDatum(redrive->now));
		args[1] = PGMQ_ARG(Int64GetDatum(batch));
		args[2] = PGMQ_ARG(Int64GetDatum(redrive->last));
		redrive->n = 0;
		redrive->max = Min(qty - count, REDRIVE_BATCH);
		before = redrive->looked;
		pgmq_exec_each(&redrive->queue, PGMQ_STMT_DEAD_LETTERS, args, row_look, redrive);
		if (redrive->n > 0)
			count += redrive_batch(redrive);
		MemoryContextReset(batch_context);

		/* the end, unless as many were found as were wanted */
		if (redrive->looked - before < batch && redrive->n < redrive->max)
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch_context);

	if (redrive->stay > 0 || redrive->refused > 0)
		redrive_warn(redrive);
	return count;
}

/* Begin a redrive, whose arguments are (queue_name, qty, ...). */
static Redrive *
redrive_begin(FunctionCallInfo fcinfo, int64 *qty)
{
	Redrive    *redrive = palloc0(sizeof(Redrive));
	HASHCTL		ctl = {.keysize = NAMEDATALEN,.entrysize = sizeof(Target)};

	*qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 1).value);
	pgmq_queue_open(&redrive->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_DELETE, "DELETE");
	redrive->context = ctl.hcxt = CurrentMemoryContext;
	redrive->targets = hash_create("pgmq_c redrive", 16, &ctl,
								   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return redrive;
}

/*
 * Take an option of redrive.
 * Errors: 22023 for an unknown one or a bad value, 42P01 for no such queue,
 * 42501 for one that the caller may not send to.
 */
static void
redrive_option(const char *option, const JsonbValue *value, void *state)
{
	Redrive    *redrive = state;

	if (strcmp(option, "to_queue") == 0)
	{
		PgmqQueue	queue;

		if (value->type != jbvString)
			pgmq_option_invalid(option, "the name of a queue");
		pgmq_queue_open(&queue, cstring_to_text_with_len(value->val.string.val,
														 value->val.string.len),
						RowExclusiveLock, PGMQ_NEED_INSERT, "INSERT");
		pgmq_queue_check_shape(&queue);
		if (queue.relid == redrive->queue.relid)
			pgmq_option_invalid(option, "another queue");
		if (pgmq_stream_subscribes(queue.relid, NULL))
			pgmq_option_invalid(option, "a queue that is no subscription");
		redrive->only = target_open(redrive, PGMQ_QUEUE_BASE(&queue));
	}
	else if (strcmp(option, "per_second") == 0)
	{
		double		number = value->type != jbvNumeric ? 0 :
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(value->val.numeric)));

		if (!(number >= 0.001 && number <= 1000000))
			pgmq_option_invalid(option, "a number from 0.001 to 1000000");
		redrive->spacing = 1 / number;
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown option \"%s\"", option),
				 errhint("The options are: to_queue, per_second.")));
}

/*
 * redrive(queue_name text, qty integer) returns bigint
 *
 * Sends messages back to where each came from, readable at once.
 */
Datum
pgmq_redrive(PG_FUNCTION_ARGS)
{
	int64		qty;
	Redrive    *redrive = redrive_begin(fcinfo, &qty);

	PG_RETURN_INT64(redrive_all(redrive, qty));
}

/* redrive(queue_name text, qty integer, options jsonb) returns bigint */
Datum
pgmq_redrive_options(PG_FUNCTION_ARGS)
{
	int64		qty;
	Redrive    *redrive = redrive_begin(fcinfo, &qty);

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("options must not be null")));
	pgmq_options_arg(fcinfo, 2, redrive_option, redrive);
	PG_RETURN_INT64(redrive_all(redrive, qty));
}

/* ----------------------------------------------------------------
 *		forward
 * ----------------------------------------------------------------
 */

/*
 * forward(queue_name text, msg_id bigint, to_queue text, msg jsonb,
 *		   headers jsonb, read_ct integer) returns bigint
 *
 * The new message's id; NULL when the message is not there any more, or was
 * read since.
 */
Datum
pgmq_forward(PG_FUNCTION_ARGS)
{
	PgmqArg		args[] = {PGMQ_ARG_FROM(1), pgmq_fence_arg(fcinfo, 5)};
	PgmqQueue	queue;
	PgmqQueue	to;
	PgmqIdArg  *one;
	int			n;
	int64		id;

	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_DELETE, "DELETE");
	pgmq_queue_open(&to, pgmq_name_arg(fcinfo, 2), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	one = pgmq_id_arg(fcinfo, -1, &n);
	pgmq_batches_split(&queue, one, n, true);
	if (pgmq_exec(&queue, PGMQ_STMT_DELETE_FENCED, args) == 0)
	{
		pgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, 1);
		PG_RETURN_NULL();
	}
	pgmq_stats_count(queue.relid, PGMQ_STAT_ACKED, 1);
	pgmq_xact_wake(queue.relid, PGMQ_WAKE_GROUPED);
	if (!pgmq_put(&to, PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
				  PGMQ_ARG_FROM(3), PGMQ_ARG_FROM(4), &id))
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("a trigger of queue \"%s\" discarded the message",
						PGMQ_QUEUE_BASE(&to))));
	PG_RETURN_INT64(id);
}
