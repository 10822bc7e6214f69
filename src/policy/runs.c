/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  What maintenance last did in each queue, for maintenance_status.
 *
 * It is kept in shared memory, so it is lost when the server is restarted.  The
 * entry of a queue is one of those that follow the place of its hash value.  When
 * these are all taken, the queue that was maintained longest ago is forgotten.
 * The texts of errors are in a ring, so only the latest ones are known.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/runs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "policy/policy.h"

#define N_ENTRIES	12288
#define N_PROBES	128
#define N_ERRORS	64
#define ERROR_LEN	232

typedef struct RunEntry
{
	Oid			dboid;			/* InvalidOid: this entry is free */
	Oid			relid;			/* the queue table */
	PgmqRun		run;
} RunEntry;

typedef struct RunError
{
	Oid			dboid;
	Oid			relid;
	char		message[ERROR_LEN];
} RunError;

typedef struct RunArea
{
	LWLock		lock;
	TimestampTz since;			/* when the memory was made */
	bool		forgot;			/* a queue was forgotten for another one */
	int			next_error;
	RunError	errors[N_ERRORS];
	RunEntry	entries[N_ENTRIES];
} RunArea;

static RunArea *area = NULL;

/* How much shared memory this takes. */
Size
pgmq_run_size(void)
{
	return sizeof(RunArea);
}

/* Make it in shared memory; called once. */
void
pgmq_run_init(void *memory, Size size, int tranche)
{
	area = memory;
	memset(area, 0, sizeof(RunArea));
	LWLockInitialize(&area->lock, tranche);
	area->since = GetCurrentTimestamp();
}

/* Use it in this backend. */
void
pgmq_run_attach(void *memory)
{
	area = memory;
}

/* The entry in which a queue of this database may be, and then the next ones. */
static RunEntry *
run_probe(Oid relid, int probe)
{
	uint32		hash = hash_combine(murmurhash32(MyDatabaseId), murmurhash32(relid));

	return &area->entries[(hash % N_ENTRIES + probe) % N_ENTRIES];
}

/* The entry of a queue of this database, or NULL.  The lock is held. */
static RunEntry *
run_find(Oid relid)
{
	for (int i = 0; i < N_PROBES; i++)
	{
		RunEntry   *entry = run_probe(relid, i);

		if (entry->relid == relid && entry->dboid == MyDatabaseId)
			return entry;
		if (!OidIsValid(entry->dboid))
			break;
	}
	return NULL;
}

/* When a queue was last maintained. */
static TimestampTz
run_last(const RunEntry *entry)
{
	return Max(entry->run.begun, entry->run.failed);
}

/* The entry of a queue, new if it has none.  The lock is held, in exclusive mode. */
static RunEntry *
run_make(Oid relid)
{
	RunEntry   *entry = run_find(relid);

	if (entry != NULL)
		return entry;
	entry = run_probe(relid, 0);
	for (int i = 1; i < N_PROBES && OidIsValid(entry->dboid); i++)
	{
		RunEntry   *next = run_probe(relid, i);

		if (!OidIsValid(next->dboid) || run_last(next) < run_last(entry))
			entry = next;
	}
	area->forgot = area->forgot || OidIsValid(entry->dboid);
	memset(entry, 0, sizeof(RunEntry));
	entry->dboid = MyDatabaseId;
	entry->relid = relid;
	return entry;
}

/* The latest error of a queue, or NULL.  The lock is held. */
static RunError *
error_find(Oid relid)
{
	for (int i = 1; i <= N_ERRORS; i++)
	{
		RunError   *error = &area->errors[(area->next_error + N_ERRORS - i) % N_ERRORS];

		if (error->relid == relid && error->dboid == MyDatabaseId)
			return error;
	}
	return NULL;
}

/*
 * Maintenance of a queue of this database has come this far.  What is known of
 * its last error stays.
 */
void
pgmq_run_end(Oid relid, const PgmqRun *run)
{
	RunEntry   *entry;
	TimestampTz failed;

	if (area == NULL)
		return;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	entry = run_make(relid);
	failed = entry->run.failed;
	entry->run = *run;
	entry->run.failed = failed;
	LWLockRelease(&area->lock);
}

/* Maintenance of a queue of this database has failed. */
void
pgmq_run_fail(Oid relid, const char *message)
{
	RunError   *error;

	if (area == NULL)
		return;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	run_make(relid)->run.failed = GetCurrentTimestamp();
	error = error_find(relid);
	if (error == NULL)
	{
		error = &area->errors[area->next_error];
		area->next_error = (area->next_error + 1) % N_ERRORS;
	}
	error->dboid = MyDatabaseId;
	error->relid = relid;
	strlcpy(error->message, message, ERROR_LEN);
	error->message[pg_mbcliplen(message, strlen(message), ERROR_LEN - 1)] = '\0';
	LWLockRelease(&area->lock);
}

/*
 * The last run in a queue of this database, and the text of its last error,
 * palloc'd, or NULL; returns false if nothing is known.
 */
bool
pgmq_run_look(Oid relid, PgmqRun *run, char **message)
{
	char		copy[ERROR_LEN];
	RunEntry   *entry;
	RunError   *error;

	if (area == NULL)
		return false;
	copy[0] = '\0';
	LWLockAcquire(&area->lock, LW_SHARED);
	entry = run_find(relid);
	if (entry != NULL)
	{
		*run = entry->run;
		error = entry->run.failed != 0 ? error_find(relid) : NULL;
		if (error != NULL)
			strlcpy(copy, error->message, ERROR_LEN);
	}
	LWLockRelease(&area->lock);
	*message = copy[0] == '\0' ? NULL : pstrdup(copy);
	return entry != NULL;
}

/*
 * Since when runs are remembered; 0 without shared memory.  If *complete, a queue
 * of which nothing is known has had no run since then.
 */
TimestampTz
pgmq_run_since(bool *complete)
{
	*complete = area != NULL && !area->forgot;
	return area == NULL ? 0 : area->since;
}
