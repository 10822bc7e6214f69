/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving messages from one queue to another, above all dead letters.
 *
 * It is one statement, so that a message is in one of the two.  Where others
 * are not to be held up by a message that is refused, the statement is tried
 * in a subtransaction; if that fails it is tried with halves of the messages,
 * down to those that are refused.
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
#include "utils/resowner.h"
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
 * So many of n messages went from a queue.  Error: 09000 when that is not all.
 * They may have been the heads of groups, which somebody may be waiting for.
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
				 errhint("See its triggers and row-level security, and those of the queue they go to.")));
}

/*
 * Move messages, which are locked, from one open queue to another, where they
 * are readable from $2 plus $3 seconds for each on.  headers is an expression
 * over gone, the old message, and dead: what is known of it.
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

	sql = psprintf("WITH gone AS (DELETE FROM %s WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"
				   " RETURNING msg_id, message, headers)"
				   " INSERT INTO %s (vt, message, headers)"
				   " SELECT $2 OPERATOR(pg_catalog.+) ((dead.place OPERATOR(pg_catalog.-) 1)"
				   "::pg_catalog.float8 OPERATOR(pg_catalog.*) $3"
				   " OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval),"
				   " gone.message, %s FROM gone JOIN ROWS FROM"
				   " (pg_catalog.unnest($1), pg_catalog.unnest($4), pg_catalog.unnest($5))"
				   " WITH ORDINALITY AS dead (msg_id, read_ct, reason, place)"
				   " ON dead.msg_id OPERATOR(pg_catalog.=) gone.msg_id ORDER BY gone.msg_id",
				   pstrdup(quote_qualified_identifier(PGMQ_SCHEMA, from->relname)),
				   pstrdup(quote_qualified_identifier(PGMQ_SCHEMA, to->relname)),
				   headers);
	pgmq_move_check(from, pgmq_exec_once(sql, lengthof(argtypes), argtypes, args, false,
										 NULL, NULL), n);
}

/*
 * The headers of a dead letter: its own, and one that says whence and why.
 * Headers to which none can be added, or from which taking it away again would
 * not give back the same, are kept in that one as a whole; but what goes round
 * in a circle does not grow for ever.
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
 * Refuse a dead-letter queue of another owner than that whom the policy's
 * owner knew: its name may be anybody's by now, who is not to have the
 * messages and whose triggers nobody wants to run.  Error: 55000.
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

/* Lock callback: may dead letters go there, and may the caller send them? */
static void
callback_dead(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (!OidIsValid(relid) || relid == old_relid || get_rel_relkind(relid) == '\0')
		return;
	if (!pgmq_queue_may(relid, PGMQ_NEED_INSERT))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->relname);
	check_owner(arg, relid);
}

/*
 * Open the dead-letter queue that a queue's policy names; wait says whether to
 * wait for its lock, as a call does that is about dead letters.  A read or
 * maintenance does not: what somebody does to that queue is not to hold up
 * this one.
 * Errors: 55000 when the policy names none, or it is another one by now, 42P01
 * when it does not exist, 42501, 55P03 when the lock is not to be had.
 */
void
pgmq_move_open_dead(const PgmqQueue *queue, const PgmqPolicy *policy, bool wait, PgmqQueue *dead)
{
	DeadOpen	open = {queue, policy};

	if (policy == NULL || policy->dead_letter[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has no dead-letter queue", PGMQ_QUEUE_BASE(queue)),
				 errhint("Name one by pgmq.set_policy(), key \"dead_letter_queue\".")));
	pgmq_check_may_write("INSERT");
	strlcpy(dead->relname, policy->dead_letter, NAMEDATALEN);
	dead->relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, dead->relname, -1),
										   RowExclusiveLock,
										   RVR_MISSING_OK | (wait ? 0 : RVR_NOWAIT),
										   callback_dead, &open);
	if (!OidIsValid(dead->relid))
		pgmq_queue_missing(cstring_to_text(PGMQ_QUEUE_BASE(dead)), dead->relname);
	AcceptInvalidationMessages();
	check_owner(&open, dead->relid);
	pgmq_queue_check_shape(dead);
}

/* Move messages, which are locked, from an open queue to its dead-letter queue. */
void
pgmq_move_dead(const PgmqQueue *queue, const PgmqQueue *to, const PgmqMoved *dead, int n)
{
	pgmq_move(queue, to, DEAD_HEADERS, dead, n, GetCurrentTimestamp(), 0);
}

/* ----------------------------------------------------------------
 *		Moving what can be moved
 * ----------------------------------------------------------------
 */

/* So long (ms) a move that does not wait for a queue waits for what is below it. */
#define LOCK_TIMEOUT_MS	500

/* Whether what was raised says nothing of the queues. */
static bool
error_is_ours(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* 40: to be tried again */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* 53 */
		case ERRCODE_OPERATOR_INTERVENTION: /* 57: cancel, shutdown */
		case ERRCODE_SYSTEM_ERROR:	/* 58 */
		case ERRCODE_CONFIG_FILE_ERROR: /* F0 */
		case ERRCODE_INTERNAL_ERROR:	/* XX */
			return true;
		default:
			return false;
	}
}

/*
 * Move messages by fn in a subtransaction.  Returns the error, if it says
 * something of the queues or the messages.  Unless it is to wait, no lock
 * that the move comes to (a partition's, a unique value's, one that a trigger
 * takes) is waited for any longer than a moment.
 */
ErrorData *
pgmq_move_try(PgmqMoveFn fn, void *state, bool wait, PgmqMoved *dead, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int			nestlevel = NewGUCNestLevel();

		if (!wait && (LockTimeout == 0 || LockTimeout > LOCK_TIMEOUT_MS))
			(void) set_config_option("lock_timeout", CppAsString2(LOCK_TIMEOUT_MS),
									 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		fn(state, dead, n);
		AtEOXact_GUC(true, nestlevel);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL)
		pgmq_lock_check_overdue(error);
	if (error != NULL && error_is_ours(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/*
 * Move messages by fn but those that are refused: if not all together then in
 * halves.
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

	/* a lock that was not to be had concerns them all */
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
