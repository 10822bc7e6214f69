/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  What pgmq.meta knows of a queue.
 *
 * Sending, reading and acknowledging never come here: a queue is its table.
 * meta tells management the name as it was given, which bindings, throttles
 * and notification channels use.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/meta.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"

#include "compat.h"
#include "pgmq.h"

typedef struct NameState
{
	MemoryContext context;
	text	   *name;
} NameState;

/* Row function: keep the first column, a text. */
static void
row_name(TupleTableSlot *slot, void *arg)
{
	NameState  *state = arg;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->name = DatumGetTextPCopy(value);
	MemoryContextSwitchTo(old);
}

/*
 * A queue's name as it was given at create, whichever way it is written
 * here; NULL when meta knows no such queue.
 */
text *
pgmq_meta_name(text *queue_name)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(queue_name))};
	NameState	state = {CurrentMemoryContext, NULL};

	/* databases of PGMQ may hold both spellings: then the one written here */
	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE pg_catalog.lower(queue_name::pg_catalog.text)"
				   " OPERATOR(pg_catalog.=) pg_catalog.lower($1)"
				   " ORDER BY queue_name::pg_catalog.text"
				   " OPERATOR(pg_catalog.=) $1 DESC LIMIT 1",
				   1, argtypes, args, false, row_name, &state);
	return state.name;
}
