/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A background worker for each database in a setting, which maintains the
 *	  queues there unasked.
 *
 * There are workers only with shared_preload_libraries.  One that fails, for
 * there is no such database, say, ends, and is started again by the postmaster
 * after a while; so is one whose error is not that of a single queue.
 *
 * It connects as the superuser that owns the cluster, and does nothing by that
 * role's rights but to choose the queues: see maintain.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "pgmq.h"

/* Seconds until a worker that failed is started again. */
#define RESTART_SECONDS		10

static char *maintain_database = NULL;
static int	maintain_interval = 60; /* seconds */

extern PGDLLEXPORT void pgmq_worker_main(Datum arg);

/* Register a worker for a database. */
static void
worker_register(const char *database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_SECONDS,
		.bgw_library_name = "pgmq_c",
		.bgw_function_name = "pgmq_worker_main",
		.bgw_type = "pgmq_c maintenance",
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "pgmq_c maintenance of %s", database);
	strlcpy(worker.bgw_extra, database, BGW_EXTRALEN);
	RegisterBackgroundWorker(&worker);
}

/* Check hook: is it a list of names? */
static bool
databases_check(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitGUCList(copy, ',', &names);
	ListCell   *lc;

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	else
	{
		foreach(lc, names)
		{
			if (strlen(lfirst(lc)) >= NAMEDATALEN)
			{
				GUC_check_errdetail("The name \"%s\" is too long.", (char *) lfirst(lc));
				valid = false;
			}
		}
	}
	list_free(names);
	pfree(copy);
	return valid;
}

/* At load: the settings; if it is not too late for them, the workers. */
void
pgmq_worker_init(void)
{
	char	   *names;
	List	   *databases;
	ListCell   *lc;

	DefineCustomIntVariable("pgmq_c.maintain_interval",
							"Sets the time between two rounds of the maintenance worker.",
							NULL, &maintain_interval, 60, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomStringVariable("pgmq_c.maintain_database",
							   "Lists the databases whose queues a background worker maintains.",
							   NULL, &maintain_database, "",
							   PGC_POSTMASTER, GUC_LIST_INPUT,
							   databases_check, NULL, NULL);

	/*
	 * pg_upgrade notes the transaction counter of the old server before it
	 * starts it, and drops and makes databases in the new one.
	 */
	if (IsBinaryUpgrade)
		return;

	names = pstrdup(maintain_database);
	(void) SplitGUCList(names, ',', &databases);
	foreach(lc, databases)
		worker_register(lfirst(lc));
	list_free(databases);
	pfree(names);
}

/*
 * Do what there is to do, if the database has our tables; in a memory context
 * that outlives the transactions.
 */
static void
worker_round(MemoryContext context)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, "CALL pgmq.maintain()");
	if (OidIsValid(pgmq_policy_table(true)))
		pgmq_maintain_all(true);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* A worker's life. */
void
pgmq_worker_main(Datum arg)
{
	MemoryContext context;
	uint32		event = WaitEventExtensionNew("PgmqWorkerMain");

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);

	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);

	/* what the database says is for sessions that somebody waits for */
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "false", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);

	context = AllocSetContextCreate(TopMemoryContext, "pgmq_c worker", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		worker_round(context);
		MemoryContextReset(context);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 maintain_interval * 1000L, event);
		ResetLatch(MyLatch);
	}
}
