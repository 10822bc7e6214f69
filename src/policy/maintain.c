/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  What policies require while nobody reads: disposing of dead messages,
 *	  deleting old archived ones, truncating tables of deduplication ids.
 *
 * A round goes over all queues, one batch of each work in each, and over
 * those where there is more again, so that no backlog keeps another queue
 * from its turn.  It deals with the messages that were there when it began:
 * those that come meanwhile, say from a trigger that puts deleted ones back,
 * are for the next one.  It also ends when its time is over, but not before
 * each queue has had a turn.  A worker's batch that takes longer than that is
 * canceled.
 *
 * Each batch is a transaction of its own where the caller may commit, and is
 * followed by a rest as long as the batch, so that maintenance takes half of
 * a session's time at most.  Within it a subtransaction holds the batch, so
 * that an error is a warning about one queue and the others get their turn.
 * An error that ends the session cannot be caught; see suspect.c.  Rows that
 * another session has locked are skipped, and so are queues that DDL has
 * locked; several sessions may maintain at once, and share the work.
 *
 * Triggers of users run here as anywhere.  They run as the owner of the
 * queue, not as the caller, and cannot leave anything behind that would run
 * as another role: in a security-restricted operation, as when autovacuum
 * calls users' functions, and with settings that are put back.  Deferred
 * triggers run at once where we commit; elsewhere the server refuses them
 * here.
 *
 * Messages that are leased are left alone, expired or not, until their lease
 * has ended.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/maintain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "policy/policy.h"

PG_FUNCTION_INFO_V1(pgmq_maintain);

/* Messages that one transaction concerns itself with. */
#define BATCH		1000

/* The longest rest (microseconds) after a batch. */
#define REST_MAX	USECS_PER_SEC

/* Seconds that a round may take; 0: as many as it needs. */
int			pgmq_maintain_time_limit = 60;

/* A round over all queues. */
typedef struct Round
{
	bool		may_commit;
	bool		may_report;
	bool		worker;
	TimestampTz begun;
	MemoryContext context;		/* for one batch */
} Round;

/* A queue's turns in a round. */
typedef struct Turn
{
	text	   *queue_name;
	Oid			relid;
	PgmqRun		run;			/* so far */
	bool		has_begun;
	uint32		done;			/* a bit for each step */
	int64		from;			/* ids from here on are still to be looked at, */
	int64		last;			/* up to the last when the round came here
								 * first */
	double		archived;		/* no more were in the archive then; -1:
								 * unknown */
} Turn;

/* Does one batch of some work; whether there may be more of it. */
struct Maintain;
typedef bool (*StepFn) (struct Maintain *m);

/* A batch: the queue that is being maintained. */
typedef struct Maintain
{
	const Round *round;
	Turn	   *turn;
	PgmqQueue	queue;
	const PgmqPolicy *policy;
	bool		holds;			/* suspect.c knows of messages in hand */
	StepFn		step;			/* the batch's work */
	int64		rows;			/* how many it removed */
	bool		more;			/* there may be more of it */
} Maintain;

/* ----------------------------------------------------------------
 *		The steps
 * ----------------------------------------------------------------
 */

/* Messages that have expired, or were read too often. */
static bool
step_dead(Maintain *m)
{
	const PgmqPolicy *policy = m->policy;
	Turn	   *turn = m->turn;

	if (policy->max_reads == 0 && policy->ttl == 0 && !policy->ttl_header)
		return false;
	if (!turn->has_begun &&
		!pgmq_exec_int8(&m->queue, PGMQ_STMT_LAST_ID, NULL, &turn->last))
		return false;
	turn->has_begun = true;
	return pgmq_disposal_sweep(&m->queue, policy, &turn->from, BATCH, &m->rows) &&
		turn->from < turn->last;
}

/* No table has more rows than this: for an archive, locked, or its partitions. */
static double
rows_at_most(Oid relid)
{
	double		pages = 0;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);

		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
			pages += RelationGetNumberOfBlocks(rel);
		relation_close(rel, NoLock);
	}
	return pages * MaxHeapTuplesPerPage;
}

/* Delete messages that have been in the archive for long enough. */
static bool
step_archive(Maintain *m)
{
	Turn	   *turn = m->turn;
	TimestampTz until = m->round->begun - m->policy->archive_retention * USECS_PER_SEC;
	PgmqArg		args[] = {
		PGMQ_ARG(TimestampTzGetDatum(until)),
		PGMQ_ARG(Int64GetDatum(BATCH))
	};
	Oid			archive;

	if (m->policy->archive_retention == 0)
		return false;
	archive = pgmq_archive_find(&m->queue, RowExclusiveLock, PGMQ_NEED_DELETE, false);
	if (!OidIsValid(archive))
		return false;
	m->rows = pgmq_exec(&m->queue, PGMQ_STMT_RETAIN, args);
	if (m->rows < BATCH)
		return false;

	/* there is nothing else to tell what a trigger has put back since */
	if (turn->archived < 0)
		turn->archived = rows_at_most(archive);
	turn->archived -= BATCH;
	return turn->archived > 0;
}

/* The window for duplicates, of which a piece may be over. */
static bool
step_dedup(Maintain *m)
{
	if (m->policy->dedup_window > 0)
		(void) pgmq_dedup_rotate(&m->queue, m->policy);
	return false;
}

/* The oldest messages of a stream. */
static bool
step_retain(Maintain *m)
{
	const PgmqPolicy *policy = m->policy;
	PgmqRetention retention = {
		.age = policy->retention_age,
		.count = policy->retention_count,
		.bytes = policy->retention_bytes,
		.consumed = policy->retention == PGMQ_RETENTION_CONSUMED
	};

	if (retention.age == 0 && retention.count == 0 && retention.bytes == 0 && !retention.consumed)
		return false;
	return pgmq_retain(&m->queue, &retention, BATCH, &m->rows);
}

static const StepFn steps[] = {
	step_dead,
	step_retain,
	step_archive,
	step_dedup,
};

#define ALL_STEPS	((1u << lengthof(steps)) - 1)

/* ----------------------------------------------------------------
 *		A batch
 * ----------------------------------------------------------------
 */

/*
 * Do a batch by the rights of the queue's owner; m->more says whether there may
 * be more.  Nothing is done when the queue is gone, locked, or not the caller's any
 * more, as a round may take long and commits in between.
 */
static bool
batch_do(void *arg)
{
	Maintain   *m = arg;
	int			nestlevel;
	PgmqRole	saved;

	if (!pgmq_queue_try_open(&m->queue, m->turn->queue_name, RowExclusiveLock) ||
		!object_ownercheck(RelationRelationId, m->queue.relid, GetUserId()))
		return true;
	/* a worker has no portal that would see to it */
	PushActiveSnapshot(GetTransactionSnapshot());
	nestlevel = NewGUCNestLevel();
	m->holds = pgmq_suspect_hold(m->queue.relid, pgmq_role_owner(m->queue.relid));
	saved = pgmq_role_become_owner(m->queue.relid);
	if (m->round->may_commit)
		pgmq_exec_ddl("SET CONSTRAINTS ALL IMMEDIATE");
	m->policy = pgmq_policy(&m->queue);
	if (m->policy != NULL)
		m->more = m->step(m);
	pgmq_role_restore(saved);
	AtEOXact_GUC(false, nestlevel);
	PopActiveSnapshot();
	return true;
}

/*
 * The same in a subtransaction; whether there may be more.  False and a warning
 * when it fails with any error but a cancel.
 */
static bool
batch_try(Maintain *m)
{
	ErrorData  *error = pgmq_try(batch_do, m);

	if (error == NULL)
	{
		m->turn->run.rows += m->rows;
		return m->more;
	}
	pgmq_run_fail(m->turn->relid, error->message);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not maintain queue \"%s\": %s",
					text_to_cstring(m->turn->queue_name), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	return false;
}

/* Do nothing for a while (microseconds); signals are seen to. */
static void
rest(int64 usecs)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (usecs + 999) / 1000, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* End a batch that began then; where the caller may commit, for good. */
static void
batch_end(const Maintain *m, TimestampTz began)
{
	const Round *round = m->round;
	bool		wrote = TransactionIdIsValid(GetTopTransactionIdIfAny());

	if (round->may_commit && round->may_report)
		pgmq_exec_commit_reported();
	else if (round->may_commit)
		pgmq_exec_commit();
	if (round->worker)
		disable_timeout(STATEMENT_TIMEOUT, false);
	if (m->holds)
		pgmq_suspect_release(m->turn->done == ALL_STEPS);
	if (round->may_commit && wrote)
		rest(Max(Min(GetCurrentTimestamp() - began, REST_MAX), 0));
}

/* ----------------------------------------------------------------
 *		A round
 * ----------------------------------------------------------------
 */

/* Do a batch of each step that is not done; whether there may be more. */
static bool
turn_take(const Round *round, Turn *turn)
{
	MemoryContext context = CurrentMemoryContext;

	for (int i = 0; i < lengthof(steps); i++)
	{
		Maintain	m = {.round = round,.turn = turn,.step = steps[i]};
		TimestampTz began;

		if (turn->done & (1 << i))
			continue;
		CHECK_FOR_INTERRUPTS();
		began = GetCurrentTimestamp();
		if (turn->run.begun == 0)
			turn->run.begun = began;

		/* a client has timeouts of its own, and can be asked */
		if (round->worker && pgmq_maintain_time_limit > 0)
			enable_timeout_after(STATEMENT_TIMEOUT, pgmq_maintain_time_limit * 1000);
		MemoryContextSwitchTo(round->context);
		if (!batch_try(&m))
			turn->done |= 1 << i;
		MemoryContextSwitchTo(context);
		MemoryContextReset(round->context);
		turn->run.usecs += GetCurrentTimestamp() - began;
		batch_end(&m, began);

		/* gone, locked, or without a policy that can be read */
		if (m.policy == NULL)
			turn->done = ALL_STEPS;
		else
		{
			turn->run.more = turn->done != ALL_STEPS;
			pgmq_run_end(turn->relid, &turn->run);
		}
	}
	return turn->done != ALL_STEPS;
}

/* Whether the time of a round is over. */
static bool
round_is_over(const Round *round)
{
	return pgmq_maintain_time_limit > 0 &&
		GetCurrentTimestamp() >= round->begun + pgmq_maintain_time_limit * USECS_PER_SEC;
}

/*
 * Go over queues, all of them at least once, and then over those where there is
 * more; whether there is still some when the time is over.
 */
static bool
round_go(const Round *round, List *turns)
{
	bool		first = true;
	bool		more = true;

	while (more)
	{
		ListCell   *lc;

		more = false;
		foreach(lc, turns)
		{
			if (!first && round_is_over(round))
				return true;
			if (turn_take(round, lfirst(lc)))
				more = true;
		}
		first = false;
	}
	return false;
}

/* The table of a queue that the caller owns; or InvalidOid. */
static Oid
owned_queue(text *queue_name)
{
	char		relname[NAMEDATALEN];
	Oid			relid = InvalidOid;

	if (pgmq_name_is_valid(queue_name, relname))
		relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	return OidIsValid(relid) && object_ownercheck(RelationRelationId, relid, GetUserId()) ?
		relid : InvalidOid;
}

/* Say that a queue is left out, since sessions have ended with it. */
static void
suspect_warn(text *queue_name, TimestampTz until)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("queue \"%s\" is not maintained until %s",
					text_to_cstring(queue_name), timestamptz_to_str(until)),
			 errdetail("The last session that maintained it ended, or was canceled, while it did so."),
			 errhint("Check the triggers of the queue, of its archive and of its dead-letter queue.")));
}

/*
 * The turns of all queues with a policy that the caller owns: first, and those
 * that are to come last.
 */
static void
round_turns(bool worker, List **first, List **last)
{
	List	   *names;
	ListCell   *lc;

	*first = *last = NIL;
	PushActiveSnapshot(GetTransactionSnapshot());
	names = pgmq_policy_names();
	PopActiveSnapshot();
	foreach(lc, names)
	{
		Turn	   *turn;
		Oid			relid = owned_queue(lfirst(lc));
		PgmqSuspicion suspicion;
		TimestampTz until = 0;
		bool		told = false;

		if (!OidIsValid(relid))
			continue;
		suspicion = pgmq_suspect_look(relid, pgmq_role_owner(relid), &until, &told);
		if (suspicion == PGMQ_SUSPECT_WAITS)
		{
			/* a worker's rounds would fill the log with it */
			if (!told || !worker)
				suspect_warn(lfirst(lc), until);
			continue;
		}
		turn = palloc0(sizeof(Turn));
		turn->queue_name = lfirst(lc);
		turn->relid = relid;
		turn->from = PG_INT64_MIN;
		turn->archived = -1;
		if (suspicion == PGMQ_SUSPECT_LAST)
			*last = lappend(*last, turn);
		else
			*first = lappend(*first, turn);
	}
}

/*
 * Do the work that the policies of all queues of the caller's ask for; commit
 * between the batches, and report the statistics then, if that is allowed.
 * Whether there is more to do, for which there was no time.
 */
bool
pgmq_maintain_all(bool may_commit, bool may_report, bool worker)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pgmq_c maintenance",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Round		round = {
		.may_commit = may_commit,
		.may_report = may_report,
		.worker = worker,
		.begun = GetCurrentTimestamp(),
		.context = AllocSetContextCreate(context, "pgmq_c maintenance batch",
										 ALLOCSET_DEFAULT_SIZES),
	};
	List	   *first;
	List	   *last;
	volatile bool more = false;

	(void) pgmq_shmem_attach();
	PG_TRY();
	{
		round_turns(worker, &first, &last);
		more = round_go(&round, first);
		if (round_go(&round, last))
			more = true;
	}
	PG_CATCH();
	{
		pgmq_suspect_note(0, (Datum) 0);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return more;
}

/*
 * maintain()
 *
 * A procedure.  Where the server counts this call (track_functions = all) it
 * has begun to do so in statistics that have not been reported, and a report
 * would free them while the server still points to them.
 */
Datum
pgmq_maintain(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	bool		atomic = context == NULL || !IsA(context, CallContext) || context->atomic;
	bool		counted = pgstat_track_functions > fcinfo->flinfo->fn_stats;

	pgmq_check_may_write("CALL");
	if (atomic)
		ereport(NOTICE,
				(errmsg("cannot commit here, so all maintenance is done in this transaction"),
				 errhint("Use CALL on its own, outside of a transaction block.")));
	if (pgmq_maintain_all(!atomic, !counted, false))
		ereport(NOTICE,
				(errmsg("maintenance has ended after %d s, and there is more to do",
						pgmq_maintain_time_limit),
				 errdetail("The time is limited by \"%s\".", "pgmq_c.maintain_time_limit"),
				 errhint("Call it again.")));
	PG_RETURN_VOID();
}
