/*-------------------------------------------------------------------------
 *
 * each.c
 *	  Doing something with every queue.
 *
 * pgmq.meta may have rows of queues whose tables were dropped, renamed or
 * damaged by hand, and of queues of other roles.  An error about one of them
 * becomes a warning, and the others are done.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/each.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "common/common.h"
#include "catalog/catalog.h"

/*
 * The names in meta as a list of texts, without the queues to which the caller
 * lacks the right needed.
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

/* One call of a function for a queue. */
typedef struct EachCall
{
	text	   *queue_name;
	PgmqEachFn	fn;
	void	   *state;
	bool		keep;
	bool		result;
} EachCall;

static bool
each_call(void *arg)
{
	EachCall   *call = arg;

	call->result = call->fn(call->queue_name, call->state);
	return call->keep && call->result;
}

/*
 * Call fn for a queue, in a subtransaction; what it returns, or false and a
 * warning when it fails with any error but a cancel (57014).  Its changes
 * stay if keep is true and it returned true.  Otherwise the subtransaction is
 * rolled back even though fn wrote nothing, because of its locks: those of
 * thousands of queues would fill the lock table, and be gone through at the
 * end of each subtransaction.
 */
bool
pgmq_each_try(text *queue_name, PgmqEachFn fn, void *state, bool keep)
{
	EachCall	call = {queue_name, fn, state, keep, false};
	ErrorData  *error = pgmq_try(each_call, &call);

	if (error == NULL)
		return call.result;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("queue \"%s\" is left out: %s",
					text_to_cstring(queue_name), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	return false;
}
