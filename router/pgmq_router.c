/*-------------------------------------------------------------------------
 *
 * pgmq_router.c
 *	  What the router cannot say in PL/pgSQL.
 *
 * A call that is routed commits on its shard by itself, so a ROLLBACK here
 * would not undo it.  Therefore it is refused in a transaction block, unless
 * the setting pgmq_router.allow_transactions says that the caller knows.  Only
 * the server knows for certain whether there is a block: a comparison of
 * transaction_timestamp() and statement_timestamp() is wrong for a pipeline.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  router/pgmq_router.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(pgmq_router_check_block);
PG_FUNCTION_INFO_V1(pgmq_router_report);

extern PGDLLEXPORT void _PG_init(void);

static bool allow_transactions = false;

void
_PG_init(void)
{
	DefineCustomBoolVariable("pgmq_router.allow_transactions",
							 "Allows calls of queues in a transaction block.",
							 "They commit on their shard by themselves, and a ROLLBACK does not undo them.",
							 &allow_transactions,
							 false,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("pgmq_router");
}

/*
 * pgmq_router._check_block(): true, or an error.  A block of PL/pgSQL with an
 * EXCEPTION clause counts as a transaction block: it can roll back, too.
 */
Datum
pgmq_router_check_block(PG_FUNCTION_ARGS)
{
	if (!allow_transactions && IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a queue of another server cannot be used in a transaction block"),
				 errdetail("A ROLLBACK would not undo what has been done on that server."),
				 errhint("Call it outside of the block, or set \"pgmq_router.allow_transactions\" to \"on\".")));
	PG_RETURN_BOOL(true);
}

/*
 * pgmq_router._report(sqlstate, message, detail, hint, is_warning): raise an
 * error, or a warning, whose detail and hint may be NULL.
 */
Datum
pgmq_router_report(PG_FUNCTION_ARGS)
{
	const char *state;
	const char *message;
	const char *detail = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	const char *hint = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));

	/* every role may call it */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("sqlstate, message and is_warning cannot be NULL")));
	state = text_to_cstring(PG_GETARG_TEXT_PP(0));
	message = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strlen(state) != 5)
		state = "XX000";
	ereport(PG_GETARG_BOOL(4) ? WARNING : ERROR,
			(errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])),
			 errmsg_internal("%s", message),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
	PG_RETURN_VOID();
}
