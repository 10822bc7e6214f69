/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A background worker for each database in a setting, which maintains the
 *	  queues there unasked.
 *
 * There are workers only with shared_preload_libraries.  One whose error is not
 * that of a single queue ends, and is started again by the postmaster after a
 * while.  So does one that cannot connect, for there is no such database, say.
 * The next then connects to no database, and looks whether there is one by now,
 * before it tries again: so the server's log has one line about it, not one
 * every ten seconds.
 *
 * It connects as the superuser that owns the cluster, and does nothing by that
 * role's rights but to choose the queues: see maintain.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/worker.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"

#include "common/common.h"
#include "policy/policy.h"

/*
 * Seconds until a worker that failed is started again. A worker that could
 * not connect waits that long first, and twice as long each further time.
 */
#define RESTART_SECONDS		10
#define RESTART_MAX			300

static char *maintain_database = NULL;
static uint32 wait_event = 0;	/* shown while a worker sleeps */
static int	maintain_interval = 60; /* seconds */

extern PGDLLEXPORT void pgmq_worker_main(Datum arg);

/* Register a worker, by its number, for a database. */
static void
worker_register(int number, const char *database)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_SECONDS,
		.bgw_library_name = "pgmq_c",
		.bgw_function_name = "pgmq_worker_main",
		.bgw_type = "pgmq_c maintenance",
		.bgw_main_arg = Int32GetDatum(number),
	};

	snprintf(worker.bgw_name, BGW_MAXLEN, "pgmq_c maintenance of %s", database);
	strlcpy(worker.bgw_extra, database, BGW_EXTRALEN);
	RegisterBackgroundWorker(&worker);
}

/* Check hook: is it a list of names? */
static bool
databases_check(char **newval, void **extra, GucSource source)
{
	static bool told = false;
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitGUCList(copy, ',', &names);
	ListCell   *lc;

	/* no worker is started after this */
	if (pgmq_shmem_too_late("pgmq_c.maintain_database", source, &told))
		**newval = '\0';
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
	DefineCustomIntVariable("pgmq_c.maintain_time_limit",
							"Sets the maximum duration of a round of maintenance.",
							"Each queue gets at least one turn, however long that takes. 0 means no limit.",
							&pgmq_maintain_time_limit, 60, 0, 86400,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable("pgmq_c.maintain_database",
							   "Lists the databases whose queues a background worker maintains.",
							   NULL, &maintain_database, "",
							   process_shared_preload_libraries_in_progress ?
							   PGC_POSTMASTER : PGC_SIGHUP, GUC_LIST_INPUT,
							   databases_check, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	pgmq_suspect_init();

	/*
	 * pg_upgrade notes the transaction counter of the old server before it
	 * starts it, and drops and makes databases in the new one.
	 */
	if (IsBinaryUpgrade)
		return;

	names = pstrdup(maintain_database);
	(void) SplitGUCList(names, ',', &databases);
	foreach(lc, databases)
		worker_register(foreach_current_index(lc), lfirst(lc));
	list_free(databases);
	pfree(names);
}

/* Sleep until so long (milliseconds) after a time; signals are seen to. */
static void
worker_sleep(TimestampTz since, int64 msecs)
{
	for (;;)
	{
		int64		elapsed;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			break;
		}
		elapsed = (GetCurrentTimestamp() - since) / 1000;
		/* a clock that was set back is not waited for */
		if (elapsed >= msecs || elapsed < 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 msecs - elapsed, wait_event);
		ResetLatch(MyLatch);
	}
}

/* ----------------------------------------------------------------
 *		Connecting
 * ----------------------------------------------------------------
 */

/* In the number of a worker's failures: its database is there by now. */
#define CONNECT_NOW	0x80000000

static bool connecting = false;

/* Exit callback: did the worker get as far as its database? */
static void
connect_exit(int code, Datum arg)
{
	int			number = DatumGetInt32(arg);

	if (connecting)
		pgmq_suspect_set_failures(number, (pgmq_suspect_failures(number) & ~CONNECT_NOW) + 1);
}

/*
 * Whether a database is there that one can connect to.  A scan, as in the
 * server's launchers: without a database there is no index to go by.
 */
static bool
database_is_there(const char *database)
{
	bool		result = false;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->datname), database) == 0)
			result = form->datallowconn;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return result;
}

/*
 * Wait, without a database, until that of the worker is there, and end: the
 * process cannot connect twice.
 */
static void
worker_await(int number, const char *database)
{
	uint32		failures = pgmq_suspect_failures(number);
	int64		seconds = Min((int64) RESTART_SECONDS << Min(failures - 1, 10), RESTART_MAX);

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	pgstat_report_activity(STATE_IDLE, NULL);
	do
	{
		worker_sleep(GetCurrentTimestamp(), seconds * 1000);
		seconds = RESTART_SECONDS;
	} while (!database_is_there(database));
	pgmq_suspect_set_failures(number, failures | CONNECT_NOW);
	proc_exit(1);
}

/* Connect to the worker's database. */
static void
worker_connect(int number)
{
	uint32		failures = pgmq_suspect_failures(number);

	if (failures > 0 && (failures & CONNECT_NOW) == 0)
		worker_await(number, MyBgworkerEntry->bgw_extra);
	before_shmem_exit(connect_exit, Int32GetDatum(number));
	connecting = true;
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);
	connecting = false;
	pgmq_suspect_set_failures(number, 0);
}

/*
 * Set what the database or the role may have set otherwise, which is meant for
 * sessions that somebody waits for, and would end the worker, or keep it from
 * its work.
 */
static void
worker_settings(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"transaction_timeout", "0"},	/* since 17 */
		{"idle_in_transaction_session_timeout", "0"},
		{"exit_on_error", "false"},
		{"default_transaction_read_only", "false"},
		{"default_transaction_isolation", "read committed"},
		{"role", "none"},
	};

	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	StartTransactionCommand();
	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i].name, true, false) != NULL)
			SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
	CommitTransactionCommand();
}

/* ----------------------------------------------------------------
 *		Rounds
 * ----------------------------------------------------------------
 */

/*
 * Do what there is to do, if the database has our tables; in a memory context
 * that outlives the transactions.  Whether there is more.
 */
static bool
worker_round(MemoryContext context)
{
	bool		more = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, "CALL pgmq.maintain()");
	if (OidIsValid(pgmq_policy_table(true)))
		more = pgmq_maintain_all(true, true, true);
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

/* A worker's life. */
void
pgmq_worker_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	wait_event = WaitEventExtensionNew("PgmqWorkerMain");
	worker_connect(DatumGetInt32(arg));
	worker_settings();

	context = AllocSetContextCreate(TopMemoryContext, "pgmq_c worker", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		TimestampTz began = GetCurrentTimestamp();
		bool		more = worker_round(context);

		MemoryContextReset(context);
		worker_sleep(began, more ? 0 : maintain_interval * 1000L);
	}
}
