/*-------------------------------------------------------------------------
 *
 * pgmq_router.c
 *	  What the router cannot say in PL/pgSQL, or not fast enough.
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

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

/* columns of pgmq_router.queue */
#define Anum_queue_name			1
#define Anum_queue_shards		2
#define Anum_queue_moving_slot	4

PG_FUNCTION_INFO_V1(pgmq_router_check_block);
PG_FUNCTION_INFO_V1(pgmq_router_alone);
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

static void
check_block(void)
{
	if (!allow_transactions && IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a queue of another server cannot be used in a transaction block"),
				 errdetail("A ROLLBACK would not undo what has been done on that server."),
				 errhint("Call it outside of the block, or set \"pgmq_router.allow_transactions\" to \"on\".")));
}

/*
 * pgmq_router._check_block(): true, or an error.  A block of PL/pgSQL with an
 * EXCEPTION clause counts as a transaction block: it can roll back, too.
 */
Datum
pgmq_router_check_block(PG_FUNCTION_ARGS)
{
	check_block();
	PG_RETURN_BOOL(true);
}

/*
 * pgmq_router._alone(queue_name): the shard of a queue in one slot that is not
 * being moved, as an array, and NULL for any other one, and for what is not a
 * queue: then functions in PL/pgSQL choose the shards, or say what is wrong.
 *
 * Nearly each call is of such a queue, and a query here would cost as much as
 * all else that the router does for it.
 */
Datum
pgmq_router_alone(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid("pgmq_router", true);
	Oid			directory = get_relname_relid("queue", schema);
	Oid			index = get_relname_relid("queue_pkey", schema);
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	row;
	text	   *name;
	char	   *folded;
	ArrayType  *shards = NULL;

	check_block();
	if (PG_ARGISNULL(0) || !OidIsValid(index) ||
		pg_class_aclcheck(directory, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(0);
	folded = str_tolower(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), DEFAULT_COLLATION_OID);
	ScanKeyEntryInitialize(&key, 0, Anum_queue_name, BTEqualStrategyNumber, InvalidOid,
						   DEFAULT_COLLATION_OID, F_TEXTEQ, CStringGetTextDatum(folded));
	rel = table_open(directory, AccessShareLock);
	scan = systable_beginscan(rel, index, true, GetActiveSnapshot(), 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		bool		not_moving;
		bool		isnull;

		(void) heap_getattr(row, Anum_queue_moving_slot, RelationGetDescr(rel), &not_moving);
		shards = DatumGetArrayTypePCopy(heap_getattr(row, Anum_queue_shards, RelationGetDescr(rel), &isnull));
		if (!not_moving || ArrayGetNItems(ARR_NDIM(shards), ARR_DIMS(shards)) != 1)
			shards = NULL;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (shards == NULL)
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(shards);
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
