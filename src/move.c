/*-------------------------------------------------------------------------
 *
 * move.c
 *	  Moving messages from one queue to another, above all dead letters.
 *
 * It is one statement, so that a message is in one of the two.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/move.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "dead.h"
#include "engine.h"
#include "pgmq.h"

/* The ids of messages, as an array for a statement. */
PgmqArg
pgmq_dead_ids(const PgmqDead * dead, int n)
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
pgmq_dead_removed(const PgmqQueue *queue, uint64 count, int n)
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
pgmq_dead_transfer(const PgmqQueue *from, const PgmqQueue *to, const char *headers,
				   const PgmqDead * dead, int n, TimestampTz vt, double spacing)
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
	args[0] = pgmq_dead_ids(dead, n);
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
	pgmq_dead_removed(from, pgmq_exec_once(sql, lengthof(argtypes), argtypes, args, false,
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

/*
 * Open the dead-letter queue that a queue's policy names.
 * Errors: 55000 when it names none, 42P01 when it does not exist.
 */
void
pgmq_dead_open(const PgmqQueue *queue, const PgmqPolicy * policy, PgmqQueue *dead)
{
	if (policy == NULL || policy->dead_letter[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has no dead-letter queue", PGMQ_QUEUE_BASE(queue)),
				 errhint("Name one by pgmq.set_policy(), key \"dead_letter_queue\".")));
	pgmq_queue_open(dead, cstring_to_text(policy->dead_letter + 2), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	pgmq_queue_check_shape(dead);
}

/* Move messages, which are locked, from an open queue to its dead-letter queue. */
void
pgmq_dead_put(const PgmqQueue *queue, const PgmqQueue *to, const PgmqDead * dead, int n)
{
	pgmq_dead_transfer(queue, to, DEAD_HEADERS, dead, n, GetCurrentTimestamp(), 0);
}

/*
 * Move messages, which are locked, to the dead-letter queue of an open queue.
 * Errors: of pgmq_dead_open; 42501; whatever constraints and triggers raise.
 */
void
pgmq_dead_move(const PgmqQueue *queue, const PgmqPolicy * policy,
			   const PgmqDead * dead, int n)
{
	PgmqQueue	to;

	pgmq_dead_open(queue, policy, &to);
	if (n > 0)
		pgmq_dead_put(queue, &to, dead, n);
}
