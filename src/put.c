/*-------------------------------------------------------------------------
 *
 * put.c
 *	  Putting messages into an open queue, as its policy says.
 *
 * A queue without a policy that concerns sends takes one INSERT, whatever the
 * number of messages.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/put.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"

#include "compat.h"
#include "pgmq.h"

/* Where the ids of a batch go. */
typedef struct IdState
{
	PgmqIdFn	fn;
	void	   *state;
}			IdState;

/* Row function: the first column is the id of a message. */
static void
row_id(TupleTableSlot *slot, void *arg)
{
	IdState    *ids = arg;
	bool		isnull;

	ids->fn(DatumGetInt64(slot_getattr(slot, 1, &isnull)), ids->state);
}

/*
 * Put one message (jsonb) into an open queue, readable from vt (timestamptz)
 * on, with headers (jsonb); each may be NULL.  Its id, or false when a BEFORE
 * trigger swallowed it.
 */
bool
pgmq_put(const PgmqQueue *queue, PgmqArg vt, PgmqArg msg, PgmqArg headers,
		 int64 *id)
{
	PgmqArg		args[] = {vt, msg, headers};

	return pgmq_exec_int8(queue, PGMQ_STMT_SEND, args, id);
}

/*
 * Put several messages (jsonb[]), with headers (jsonb[] or NULL), the shorter
 * array padded with nulls.  fn gets their ids in array order.
 */
void
pgmq_put_batch(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
			   PgmqArg headers, PgmqIdFn fn, void *state)
{
	PgmqArg		args[] = {vt, msgs, headers};
	IdState		ids = {fn, state};

	pgmq_exec_each(queue, PGMQ_STMT_SEND_BATCH, args, row_id, &ids);
}
