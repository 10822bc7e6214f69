/*-------------------------------------------------------------------------
 *
 * pgmq_c.c
 *	  Module magic, and the hooks, callbacks and settings that the server
 *	  calls.
 *
 * The words used everywhere, in one sense each: a *queue* holds *messages*.
 * A producer *sends* a message; a consumer *reads* it, which leases it for
 * the *visibility timeout* (vt): until then no other read returns it, it is
 * *in flight*.  A message that was never read and whose vt is in the future
 * is *delayed*.  When the work is done the consumer *deletes* the message, or
 * *archives* it: moves it to the queue's archive table.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/pgmq_c.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

PG_MODULE_MAGIC_EXT(.name = "pgmq_c",.version = "1.2.0");

extern PGDLLEXPORT void _PG_init(void);

/*
 * The scripts of this version name this symbol, which no earlier library has,
 * before they do anything.  Each version adds one, and keeps those of earlier
 * versions, which can still be installed.
 */
PG_FUNCTION_INFO_V1(pgmq_library_1_2_0);

Datum
pgmq_library_1_2_0(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

/*
 * The parts of shared memory.  The directory has a sixth of
 * pgmq_c.shared_memory, which is over 10,000 maps by default.
 */
static const PgmqShmemPart shmem_parts[] = {
	{pgmq_waiter_size, 0, pgmq_waiter_init, pgmq_waiter_attach},
	{pgmq_run_size, 0, pgmq_run_init, pgmq_run_attach},
	{pgmq_slots_size, 0, pgmq_slots_init, pgmq_slots_attach},
	{pgmq_limits_size, 0, pgmq_limits_init, pgmq_limits_attach},
	{NULL, 6, pgmq_directory_init, pgmq_directory_attach},
	{NULL, 1, pgmq_tree_init, pgmq_tree_attach}
};

static const struct config_enum_entry unroutable_options[] = {
	{"ignore", PGMQ_UNROUTABLE_IGNORE, false},
	{"error", PGMQ_UNROUTABLE_ERROR, false},
	{NULL, 0, false}
};

/* There are few places for relcache callbacks; we take one. */
static void
pgmq_inval(Datum arg, Oid relid)
{
	pgmq_plan_inval(arg, relid);
	pgmq_local_inval(arg, relid);
	pgmq_policy_inval(arg, relid);
	pgmq_disposal_inval(arg, relid);
	pgmq_stream_inval(arg, relid);
}

/*
 * Syscache callback: a schema may have been renamed.  That invalidates none of
 * its tables, nor does a lock on them prevent it, so forget what was found by
 * the name.
 */
static void
pgmq_inval_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	pgmq_policy_inval(arg, InvalidOid);
	pgmq_disposal_inval(arg, InvalidOid);
	pgmq_stream_inval(arg, InvalidOid);
}

void
_PG_init(void)
{
	pgmq_shmem_init(shmem_parts, lengthof(shmem_parts));
	pgmq_slots_setting();
	pgmq_limits_setting();
	pgmq_worker_init();
	DefineCustomBoolVariable("pgmq_c.due_map",
							 "Enables reads to use due maps.",
							 NULL, &pgmq_use_due_map, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pgmq_c.max_plans",
							"Sets how many plans of statements on queues a session keeps.",
							NULL, &pgmq_max_plans, PGMQ_MAX_PLANS_DEFAULT,
							PGMQ_MAX_PLANS_MIN, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("pgmq_c.unroutable",
							 "What becomes of messages sent to a topic that no binding takes.",
							 NULL, &pgmq_unroutable, PGMQ_UNROUTABLE_IGNORE, unroutable_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pgmq_c");
	pgmq_stream_init();
	pgmq_guard_init();
	pgmq_ddl_init();
	pgmq_limits_hook();
	CacheRegisterRelcacheCallback(pgmq_inval, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, pgmq_inval_schema, (Datum) 0);
	RegisterXactCallback(pgmq_plan_xact, NULL);
	RegisterXactCallback(pgmq_xact_end, NULL);
	RegisterSubXactCallback(pgmq_xact_subend, NULL);
	RegisterResourceReleaseCallback(pgmq_xact_release, NULL);
	RegisterXactCallback(pgmq_stats_xact, NULL);
	RegisterSubXactCallback(pgmq_stats_subxact, NULL);
	RegisterXactCallback(pgmq_limits_xact, NULL);
	RegisterSubXactCallback(pgmq_limits_subxact, NULL);
	RegisterXactCallback(pgmq_notify_xact, NULL);
	RegisterSubXactCallback(pgmq_notify_subxact, NULL);
}
