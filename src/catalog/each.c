/*-------------------------------------------------------------------------
 *
 * each.c
 *	  One thing done with every queue.
 *
 * pgmq.meta may hold anything: queues whose tables were dropped, renamed or
 * maimed by hand, and those of other roles.  What cannot be done with one of
 * them is told in a warning, and the others are done.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/each.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "common/common.h"
#include "catalog/catalog.h"

/*
 * The names in meta, but for queues to which the caller has not the right that
 * is needed at least: such a queue is none of the caller's business.
 */
List *
pgmq_each_names(PgmqNeed need)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	List	   *names = pgmq_meta_names();
	ListCell   *lc;

	foreach(lc, names)
	{
		char		relname[NAMEDATALEN];
		Oid			relid;

		if (!pgmq_name_is_valid(lfirst(lc), relname))
			continue;
		relid = get_relname_relid(relname, schema);
		if (OidIsValid(relid) && !pgmq_queue_may(relid, need))
			names = foreach_delete_current(names, lc);
	}
	return names;
}

/*
 * Call fn for a queue; what it returns, or false and a warning when it fails,
 * with whatever the error but a cancel.  What it did stays if keep is true
 * and it returned true.  Otherwise the subtransaction is rolled back: fn wrote
 * nothing, and the locks of thousands of queues would fill the lock table, and
 * be gone through at the end of each subtransaction.
 */
bool
pgmq_each_try(text *queue_name, PgmqEachFn fn, void *state, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	volatile bool result = false;

	CHECK_FOR_INTERRUPTS();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = fn(queue_name, state);
		if (keep && result)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return result;
	pgmq_lock_check_cancel(error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("queue \"%s\" is left out: %s",
					text_to_cstring(queue_name), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	return false;
}
