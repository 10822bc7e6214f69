/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving messages from one queue to another, mostly dead letters.
 *
 * One statement moves them, so that a message is always in one of the two
 * queues.  Where a message that is refused must not hold up others, the statement
 * runs in a subtransaction.  When it fails the halves are tried, and so on down to
 * the messages that are refused.  For a batch of a thousand with one refused
 * message that takes some 20 subtransactions, where one by one would take a
 * thousand and as many transaction ids.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/move.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "policy/policy.h"

/* The ids of messages, as an array for a statement. */
PgmqArg
pgmq_move_ids(const PgmqMoved *dead, int n)
{
	int64	   *ids = palloc_extended(n * sizeof(int64), MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
		ids[i] = dead[i].msg_id;
	return pgmq_int8_array(ids, n);
}

/*
 * Check that all of n messages have left a queue; count is how many did.
 * Readers that wait for groups are woken at the commit, since the messages may
 * have been the heads of their groups.
 * Error: 09000 when count is less than n.
 */
void
pgmq_move_check(const PgmqQueue *queue, uint64 count, int n)
{
	pgmq_xact_wake(queue->relid, PGMQ_WAKE_GROUPED);
	if (count < n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("only " UINT64_FORMAT " of %d messages of queue \"%s\" could be moved",
						count, n, PGMQ_QUEUE_BASE(queue)),
				 errhint("Check the triggers and the row-level security policies of both queues.")));
}

/*
 * Move n messages from one open queue to another.  The caller has locked the
 * messages.  They are readable there from vt on, each further one spacing
 * (seconds) later.  headers is an SQL expression for the new headers, over gone,
 * the old message, and dead, what is known of it.
 * Error: 09000 when not all arrived, and those of the two tables.
 */
void
pgmq_move(const PgmqQueue *from, const PgmqQueue *to, const char *headers,
		  const PgmqMoved *dead, int n, TimestampTz vt, double spacing)
{
	static const Oid argtypes[] = {
		INT8ARRAYOID, TIMESTAMPTZOID, FLOAT8OID, INT4ARRAYOID, TEXTARRAYOID, TEXTOID
	};
	Datum	   *reads = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum	   *reasons = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc_extended(n * sizeof(bool), MCXT_ALLOC_HUGE);
	int			lbound = 1;
	PgmqArg		args[6];
	char	   *sql;

	for (int i = 0; i < n; i++)
	{
		reads[i] = Int32GetDatum(dead[i].read_ct);
		nulls[i] = dead[i].reason == NULL;
		reasons[i] = PointerGetDatum(dead[i].reason);
	}
	args[0] = pgmq_move_ids(dead, n);
	args[1] = PGMQ_ARG(TimestampTzGetDatum(vt));
	args[2] = PGMQ_ARG(Float8GetDatum(spacing));
	args[3] = PGMQ_ARG(PointerGetDatum(construct_array(reads, n, INT4OID, sizeof(int32),
													   true, TYPALIGN_INT)));
	args[4] = PGMQ_ARG(PointerGetDatum(construct_md_array(reasons, nulls, 1, &n, &lbound,
														  TEXTOID, -1, false,
														  TYPALIGN_INT)));
	args[5] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_BASE(from)));

	sql = psprintf("WITH gone AS (%s) INSERT INTO %s (vt, message, headers)"
				   " SELECT $2 OPERATOR(pg_catalog.+) ((dead.place OPERATOR(pg_catalog.-) 1)"
				   "::pg_catalog.float8 OPERATOR(pg_catalog.*) $3"
				   " OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval),"
				   " gone.message, %s FROM gone JOIN ROWS FROM"
				   " (pg_catalog.unnest($1), pg_catalog.unnest($4), pg_catalog.unnest($5))"
				   " WITH ORDINALITY AS dead (msg_id, read_ct, reason, place)"
				   " ON dead.msg_id OPERATOR(pg_catalog.=) gone.msg_id ORDER BY gone.msg_id",
				   pgmq_plan_text(from, "DELETE FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"
								  " RETURNING msg_id, {m} AS message, {h} AS headers"),
				   pstrdup(quote_qualified_identifier(PGMQ_SCHEMA, to->relname)),
				   headers);
	pgmq_move_check(from, pgmq_exec_once(sql, lengthof(argtypes), argtypes, args, false,
										 NULL, NULL), n);
}

/*
 * The headers of a dead letter: its own, and one that says from which queue
 * it came and why.  Headers to which none can be added, or from which taking
 * it away again would not give back the same, are kept in that one as a
 * whole; but what goes round in a circle does not grow for ever.
 */
#define DEAD_HEADER "'" PGMQ_HEADER_DEAD_LETTER "'::pg_catalog.text"
#define IS_PLAIN_OBJECT \
	"gone.headers IS NULL OR pg_catalog.jsonb_typeof(gone.headers)" \
	" OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND gone.headers OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb" \
	" AND NOT gone.headers OPERATOR(pg_catalog.?) " DEAD_HEADER \
	" OR pg_catalog.jsonb_typeof(gone.headers) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND gone.headers OPERATOR(pg_catalog.?) " DEAD_HEADER \
	" AND pg_catalog.pg_column_size(gone.headers) OPERATOR(pg_catalog.>) 65536"
#define DEAD_HEADERS \
	"CASE WHEN pg_catalog.jsonb_typeof(gone.headers) OPERATOR(pg_catalog.=)" \
	" 'object'::pg_catalog.text THEN gone.headers ELSE '{}'::pg_catalog.jsonb END" \
	" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(" DEAD_HEADER "," \
	" pg_catalog.jsonb_build_object('queue', $6, 'msg_id', gone.msg_id," \
	" 'read_ct', dead.read_ct, 'reason', dead.reason, 'at', $2)" \
	" OPERATOR(pg_catalog.||) CASE WHEN " IS_PLAIN_OBJECT " THEN '{}'::pg_catalog.jsonb" \
	" ELSE pg_catalog.jsonb_build_object('headers', gone.headers) END)"

/* A queue whose dead-letter queue is about to be locked. */
typedef struct DeadOpen
{
	const PgmqQueue *queue;
	const PgmqPolicy *policy;
} DeadOpen;

/*
 * Refuse a dead-letter queue whose owner is neither the one that the policy's
 * owner knew nor the owner of the queue.  Another role may have taken the name
 * since, and that role must not get the messages, nor have its triggers run.
 * Error: 55000.
 */
static void
check_owner(const DeadOpen *open, Oid relid)
{
	const PgmqPolicy *policy = open->policy;
	Oid			owner = pgmq_role_owner(relid);

	if (policy->dead_letter_any || owner == policy->dead_letter_owner ||
		owner == pgmq_role_owner(open->queue->relid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("dead-letter queue \"%s\" of queue \"%s\" has another owner than when the policy was set",
					policy->dead_letter + 2, PGMQ_QUEUE_BASE(open->queue)),
			 errhint("The owner of queue \"%s\" can accept the new one by pgmq.set_policy(), key \"dead_letter_queue\".",
					 PGMQ_QUEUE_BASE(open->queue))));
}

/*
 * Lock callback: check, before the lock is requested, that dead letters may go
 * there and that the caller may send them.  Errors: 42501, 55000.
 */
static void
callback_dead(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (!OidIsValid(relid) || get_rel_relkind(relid) == '\0')
		return;
	if (!pgmq_queue_may(relid, PGMQ_NEED_INSERT))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->relname);
	check_owner(arg, relid);
}

/*
 * Open, with a ROW EXCLUSIVE lock until the end of the transaction, the
 * dead-letter queue that the policy of an open queue names.  A call about dead
 * letters waits for the lock.  A read or maintenance does not, because DDL on the
 * dead-letter queue must not hold up this queue.
 * Errors: 55000 when the policy names none, or the queue has another owner by now or is a subscription,
 * 42P01 when it does not exist, 42501 without the right to send to it, 55P03 when
 * wait is false and the lock is not available.
 */
void
pgmq_move_open_dead(const PgmqQueue *queue, const PgmqPolicy *policy, bool wait, PgmqQueue *dead)
{
	DeadOpen	open = {queue, policy};

	if (policy == NULL || policy->dead_letter[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has no dead-letter queue", PGMQ_QUEUE_BASE(queue)),
				 errhint("Name one with pgmq.set_policy(), key \"dead_letter_queue\".")));
	pgmq_check_may_write("INSERT");
	strlcpy(dead->relname, policy->dead_letter, NAMEDATALEN);
	dead->relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, dead->relname, -1),
										   RowExclusiveLock,
										   RVR_MISSING_OK | (wait ? 0 : RVR_NOWAIT),
										   callback_dead, &open);
	if (!OidIsValid(dead->relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("dead-letter queue \"%s\" does not exist", PGMQ_QUEUE_BASE(dead)),
				 errhint("Create it with pgmq.create(), or change the policy.")));
	AcceptInvalidationMessages();
	check_owner(&open, dead->relid);
	pgmq_queue_check_shape(dead);
	if (pgmq_stream_subscribes(dead->relid, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dead-letter queue \"%s\" is a subscription", PGMQ_QUEUE_BASE(dead)),
				 errhint("Name another queue with pgmq.set_policy(), key \"dead_letter_queue\".")));
}

/*
 * Move messages from an open queue to its open dead-letter queue.  The caller has
 * locked the messages.  Errors: as pgmq_move, and those of the two tables.
 */
void
pgmq_move_dead(const PgmqQueue *queue, const PgmqQueue *to, const PgmqMoved *dead, int n)
{
	pgmq_move(queue, to, DEAD_HEADERS, dead, n, GetCurrentTimestamp(), 0);
}

/* ----------------------------------------------------------------
 *		Moving what can be moved
 * ----------------------------------------------------------------
 */

/* A move that does not wait for a queue waits for any other lock so long (ms). */
#define LOCK_TIMEOUT_MS	500

/* Whether an error was raised by code in a procedural language of the server's. */
static bool
error_is_of_function(const ErrorData *error)
{
	static const char *const files[] = {"pl_", "plperl", "plpy", "pltcl"};

	for (int i = 0; error->filename != NULL && i < lengthof(files); i++)
		if (strncmp(error->filename, files[i], strlen(files[i])) == 0)
			return true;
	return false;
}

/*
 * Raise an error again that says nothing about the queues: a lack of the
 * server's resources, and a conflict with other transactions that only a new
 * snapshot ends.  A code alone says little.  A trigger of the dead-letter
 * queue can raise any, and its owner is not to stop the queue that the dead
 * letters come from.
 */
static void
error_check(ErrorData *error)
{
	if ((error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE && IsolationUsesXactSnapshot()) ||
		((error->sqlerrcode == ERRCODE_OUT_OF_MEMORY || error->sqlerrcode == ERRCODE_DISK_FULL) &&
		 !error_is_of_function(error)))
		ReThrowError(error);
}

/* One call of a function that moves messages. */
typedef struct MoveCall
{
	PgmqMoveFn	fn;
	void	   *state;
	bool		wait;
	PgmqMoved  *dead;
	int			n;
} MoveCall;

static bool
move_call(void *arg)
{
	MoveCall   *call = arg;
	int			nestlevel = NewGUCNestLevel();

	if (!call->wait && (LockTimeout == 0 || LockTimeout > LOCK_TIMEOUT_MS))
		(void) set_config_option("lock_timeout", CppAsString2(LOCK_TIMEOUT_MS),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	call->fn(call->state, call->dead, call->n);
	AtEOXact_GUC(true, nestlevel);
	return true;
}

/*
 * Move messages by fn in a subtransaction.  Returns NULL, or the error that fn
 * has raised, in the current memory context.  An error that says nothing about
 * the queues or the messages (a cancel, 40001, no memory) is raised again.
 * Unless wait is true, the move waits at most LOCK_TIMEOUT_MS for each lock that
 * it needs below the queue: a partition's, a unique value's, one of a trigger.
 */
ErrorData *
pgmq_move_try(PgmqMoveFn fn, void *state, bool wait, PgmqMoved *dead, int n)
{
	MoveCall	call = {fn, state, wait, dead, n};
	ErrorData  *error = pgmq_try(move_call, &call);

	if (error != NULL)
		error_check(error);
	return error;
}

/*
 * Move messages by fn except those that are refused: all together if possible,
 * otherwise in halves.  The result is added to *refusal.  It gives up after
 * PGMQ_REFUSALS_MAX errors, or when a lock is not available.
 * Errors: as pgmq_move_try raises them.
 */
void
pgmq_move_parts(PgmqMoveFn fn, void *state, bool wait,
				PgmqMoved *dead, int n, PgmqRefusal *refusal)
{
	ErrorData  *error;

	if (n == 0 || refusal->gave_up)
		return;
	if (refusal->nerrors == PGMQ_REFUSALS_MAX)
	{
		refusal->gave_up = true;
		return;
	}
	error = pgmq_move_try(fn, state, wait, dead, n);
	if (error == NULL)
	{
		refusal->done += n;
		return;
	}
	refusal->nerrors++;
	if (refusal->error == NULL)
		refusal->error = error;

	/* a lock that is not available concerns all messages */
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
	{
		refusal->error = error;
		refusal->gave_up = true;
		return;
	}
	if (n == 1)
	{
		if (refusal->n == 0)
			refusal->error = error;
		refusal->ids[refusal->n++] = dead[0].msg_id;
		return;
	}
	pgmq_move_parts(fn, state, wait, dead, n / 2, refusal);
	pgmq_move_parts(fn, state, wait, dead + n / 2, n - n / 2, refusal);
}
