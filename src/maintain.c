/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  What policies want done when nobody reads: messages that are
 *	  spent, old archives, the window for duplicates.
 *
 * The work is done in batches, each a transaction of its own where the caller
 * may commit.  Within it a subtransaction holds the batch, so that an error
 * is a warning about one queue and the others get their turn.  Rows that
 * somebody has locked are skipped, and so are queues that DDL has; several
 * sessions may maintain at once, and share the work.
 *
 * Triggers of users run here as anywhere.  They run as the owner of the queue,
 * whoever called, and cannot leave anything behind that would run as somebody
 * else: in a security-restricted operation, as when autovacuum calls users'
 * functions, and with settings that are put back.  Deferred triggers run at
 * once where we commit; elsewhere the server refuses them here.
 *
 * Messages that are leased are left alone, expired or not, until their lease
 * has ended.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/maintain.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "dead.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_maintain);

/* Messages that one transaction concerns itself with. */
#define BATCH		1000

/* The queue that is being maintained, and how far. */
typedef struct Maintain
{
	text	   *queue_name;
	PgmqQueue	queue;
	const		PgmqPolicy *policy;
	bool		may_commit;
	int64		from;			/* ids from here on are still to be looked at */
} Maintain;

/* Does one batch of some work; whether there may be more of it. */
typedef bool (*StepFn) (Maintain *m);

/* ----------------------------------------------------------------
 *		The steps
 * ----------------------------------------------------------------
 */

/* Messages that have expired, or were read too often. */
static bool
step_spent(Maintain *m)
{
	return pgmq_screen_sweep(&m->queue, &m->from, BATCH);
}

/* What has been in the archive for long enough. */
static bool
step_archive(Maintain *m)
{
	TimestampTz until = GetCurrentTimestamp() -
	m->policy->archive_retention * USECS_PER_SEC;
	PgmqArg		args[] = {
		PGMQ_ARG(TimestampTzGetDatum(until)),
		PGMQ_ARG(Int64GetDatum(BATCH))
	};
	Oid			archive;

	if (m->policy->archive_retention == 0)
		return false;
	archive = get_relname_relid(psprintf("a_%s", PGMQ_QUEUE_BASE(&m->queue)),
								get_rel_namespace(m->queue.relid));
	if (!OidIsValid(archive) || !ConditionalLockRelationOid(archive, RowExclusiveLock))
		return false;
	return pgmq_exec(&m->queue, PGMQ_STMT_RETAIN, args) >= BATCH;
}

/* The window for duplicates, of which a piece may be over. */
static bool
step_dedup(Maintain *m)
{
	if (m->policy->dedup_window > 0)
		(void) pgmq_dedup_rotate(&m->queue, m->policy);
	return false;
}

static const StepFn steps[] = {
	step_spent,
	step_archive,
	step_dedup,
};

/* ----------------------------------------------------------------
 *		A batch, a queue, all queues
 * ----------------------------------------------------------------
 */

/*
 * Do a batch by the rights of the queue's owner; whether there may be more.
 * Nothing is done when the queue is gone, or locked.
 */
static bool
batch_do(Maintain *m, StepFn step)
{
	bool		more = false;
	int			nestlevel;
	PgmqRole	saved;

	m->policy = NULL;
	if (!pgmq_queue_try_open(&m->queue, m->queue_name, RowExclusiveLock))
		return false;
	/* a worker has no portal that would see to it */
	PushActiveSnapshot(GetTransactionSnapshot());
	nestlevel = NewGUCNestLevel();
	saved = pgmq_role_become_owner(m->queue.relid);
	if (m->may_commit)
		pgmq_exec_ddl("SET CONSTRAINTS ALL IMMEDIATE");
	m->policy = pgmq_policy(&m->queue);
	if (m->policy != NULL)
		more = step(m);
	pgmq_role_restore(saved);
	AtEOXact_GUC(false, nestlevel);
	PopActiveSnapshot();
	return more;
}

/*
 * The same in a subtransaction: false and a warning when it fails, with
 * whatever the error but a cancel.
 */
static bool
batch_try(Maintain *m, StepFn step)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	volatile bool more = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		more = batch_do(m, step);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		more = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return more;
	pgmq_lock_check_cancel(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("queue \"%s\" could not be maintained: %s",
					text_to_cstring(m->queue_name), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	return false;
}

/* Whether the caller owns a queue. */
static bool
owns(text *queue_name)
{
	char		relname[NAMEDATALEN];
	Oid			relid = InvalidOid;

	if (pgmq_name_is_valid(queue_name, relname))
		relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	return OidIsValid(relid) && object_ownercheck(RelationRelationId, relid, GetUserId());
}

/*
 * Do what the policies of all queues want done that the caller owns; commit
 * between the batches if that is allowed.
 */
void
pgmq_maintain_all(bool may_commit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pgmq_c maintenance",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext batch = AllocSetContextCreate(context, "pgmq_c maintenance batch",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *names;
	ListCell   *lc;

	PushActiveSnapshot(GetTransactionSnapshot());
	names = pgmq_policy_names();
	PopActiveSnapshot();
	foreach(lc, names)
	{
		Maintain	m = {.queue_name = lfirst(lc),.may_commit = may_commit};

		if (!owns(m.queue_name))
			continue;
		for (int i = 0; i < lengthof(steps); i++)
		{
			bool		more = true;

			m.from = PG_INT64_MIN;
			while (more)
			{
				CHECK_FOR_INTERRUPTS();
				MemoryContextSwitchTo(batch);
				more = batch_try(&m, steps[i]);
				MemoryContextSwitchTo(context);
				MemoryContextReset(batch);
				if (may_commit)
					pgmq_exec_commit();
			}

			/* gone, locked, or without a policy that can be read */
			if (m.policy == NULL)
				break;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * maintain()
 *
 * A procedure.
 */
Datum
pgmq_maintain(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	bool		atomic = context == NULL || !IsA(context, CallContext) || context->atomic;

	pgmq_check_may_write("CALL");
	if (atomic)
		ereport(NOTICE,
				(errmsg("cannot commit here, so all maintenance is done in this transaction"),
				 errhint("Use CALL on its own, outside of a transaction block.")));
	pgmq_maintain_all(!atomic);
	PG_RETURN_VOID();
}
