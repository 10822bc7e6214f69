/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  Queues come and go: create, drop, purge.
 *
 * create and drop of one queue are held apart by a lock on its name in lower
 * case (lock.c); the tables' own locks do the rest.  A caller that may not drop
 * or empty a queue gets the error before the table is locked, so that the
 * attempt blocks no other session (as RangeVarCallbackForDropRelation does).
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/manage.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_create);
PG_FUNCTION_INFO_V1(pgmq_create_unlogged);
PG_FUNCTION_INFO_V1(pgmq_drop_queue);
PG_FUNCTION_INFO_V1(pgmq_drop_queue_deprecated);
PG_FUNCTION_INFO_V1(pgmq_purge_queue);
PG_FUNCTION_INFO_V1(pgmq_close_queue);
PG_FUNCTION_INFO_V1(pgmq_detach_archive);
PG_FUNCTION_INFO_V1(pgmq_create_fifo_index);
PG_FUNCTION_INFO_V1(pgmq_create_fifo_indexes_all);
PG_FUNCTION_INFO_V1(pgmq_acquire_queue_lock);

/* How many names of queues a warning shows. */
#define MAX_SHOWN	10

static void
queue_create(FunctionCallInfo fcinfo, PgmqKind kind)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;

	pgmq_check_may_write("CREATE TABLE");
	if (!pgmq_layout_begin(&queue, queue_name, kind))
		return;
	pgmq_layout_create_queue(PGMQ_QUEUE_BASE(&queue), kind);
	pgmq_layout_create_archive(PGMQ_QUEUE_BASE(&queue), NULL);
	pgmq_layout_finish(&queue, queue_name, kind);
}

/* create(queue_name text) and create_non_partitioned(queue_name text) */
Datum
pgmq_create(PG_FUNCTION_ARGS)
{
	queue_create(fcinfo, PGMQ_KIND_LOGGED);
	PG_RETURN_VOID();
}

/* create_unlogged(queue_name text) */
Datum
pgmq_create_unlogged(PG_FUNCTION_ARGS)
{
	queue_create(fcinfo, PGMQ_KIND_UNLOGGED);
	PG_RETURN_VOID();
}

/*
 * Is the relation that is about to be locked a table of its own?  Dropping
 * "x_default" must not hit a partition of queue "x".
 */
static void
check_is_table(const RangeVar *table, Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	if ((relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE) ||
		get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not a message queue",
						table->schemaname, table->relname),
				 errdetail(relkind == RELKIND_RELATION ?
						   "It is a partition of another table." :
						   "It is not a table.")));
}

/* Lock callback: may the caller drop the table? */
static void
callback_drop(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (!OidIsValid(relid) || get_rel_relkind(relid) == '\0')
		return;
	check_is_table(table, relid);
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()) &&
		!object_ownercheck(NamespaceRelationId, get_rel_namespace(relid), GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, table->relname);
	pgmq_waiter_send_away(relid);
}

/* Lock callback: may the caller count and truncate the table? */
static void
callback_purge(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	AclMode		needed[] = {ACL_SELECT, ACL_TRUNCATE};

	if (!OidIsValid(relid) || get_rel_relkind(relid) == '\0')
		return;
	check_is_table(table, relid);
	for (int i = 0; i < lengthof(needed); i++)
	{
		AclResult	result = pg_class_aclcheck(relid, GetUserId(), needed[i]);

		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_TABLE, table->relname);
	}
	pgmq_waiter_send_away(relid);
}

/*
 * Lock a table of the schema if callback raises no error.  Returns its OID, or
 * InvalidOid when it does not exist.
 */
static Oid
table_lock(char *relname, LOCKMODE lockmode, RangeVarGetRelidCallback callback)
{
	return RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, relname, -1),
									lockmode, RVR_MISSING_OK, callback, NULL);
}

/*
 * Drop a table, if there is one, and what pg_partman knows about it.  Returns
 * false when there is none.
 */
static bool
table_drop(char *relname)
{
	Oid			relid = table_lock(relname, AccessExclusiveLock, callback_drop);
	bool		partitioned;

	if (!OidIsValid(relid))
		return false;
	partitioned = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
	pgmq_exec_ddl("DROP TABLE %s", pgmq_layout_name("", relname, ""));
	if (partitioned)
		pgmq_partman_forget(relname);
	return true;
}

/*
 * Drop the archive of a queue that is gone, and that the role owned.  A table
 * of its name that does not belong to the queue stays, and so does an archive
 * that the caller may not drop.
 */
static void
archive_drop(const PgmqQueue *queue, Oid queue_owner)
{
	char	   *relname = psprintf("a_%s", PGMQ_QUEUE_BASE(queue));
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	Oid			relid = get_relname_relid(relname, schema);

	if (OidIsValid(relid) && get_rel_relkind(relid) != '\0' &&
		(!pgmq_archive_may_own(pgmq_role_owner(relid), queue_owner) ||
		 !(object_ownercheck(RelationRelationId, relid, GetUserId()) ||
		   object_ownercheck(NamespaceRelationId, schema, GetUserId()))))
		ereport(NOTICE,
				(errmsg("table \"" PGMQ_SCHEMA ".%s\" is not dropped with queue \"%s\"",
						relname, PGMQ_QUEUE_BASE(queue)),
				 errdetail("The table belongs to role \"%s\", the queue belonged to role \"%s\".",
						   GetUserNameFromId(pgmq_role_owner(relid), false),
						   GetUserNameFromId(queue_owner, false))));
	else
		table_drop(relname);
}

/* Whether the caller may take a queue out of meta. */
static bool
may_change_meta(void)
{
	const AclMode needed = ACL_SELECT | ACL_DELETE;
	Oid			meta = get_relname_relid("meta", get_namespace_oid(PGMQ_SCHEMA, false));

	return OidIsValid(meta) &&
		pg_class_aclmask(meta, GetUserId(), needed, ACLMASK_ALL) == needed;
}

/* Forget all but the tables of a queue. */
static void
queue_forget(PgmqQueue *queue)
{
	pgmq_dedup_drop(queue);
	(void) pgmq_policy_forget(queue);
	pgmq_meta_forget(queue);
}

/*
 * Remove what is left of a queue whose table was dropped by hand.  The queue has
 * no owner any more, so a role may do it that may delete its row of meta, and
 * owns the archive if there is one.
 */
static void
queue_drop_rest(PgmqQueue *queue)
{
	PgmqKind	kind;

	if (!may_change_meta() || !pgmq_meta_find(queue, &kind))
		return;
	table_drop(psprintf("a_%s", PGMQ_QUEUE_BASE(queue)));
	pgmq_partman_clean(queue->relname);
	pgmq_partman_clean(psprintf("a_%s", PGMQ_QUEUE_BASE(queue)));
	queue_forget(queue);
}

/*
 * Whether the caller may lock a name: it has some right to the queue of that
 * name, could create one, or could delete its row of meta.
 */
static bool
may_lock_name(const char *relname)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	Oid			relid = get_relname_relid(relname, schema);

	return (OidIsValid(relid) && pgmq_queue_may(relid, PGMQ_NEED_ANY)) ||
		object_ownercheck(NamespaceRelationId, schema, GetUserId()) ||
		object_aclcheck(NamespaceRelationId, schema, GetUserId(),
						ACL_CREATE) == ACLCHECK_OK || may_change_meta();
}

/*
 * Warn if other queues send their dead letters to a queue that was dropped.  It
 * is no error, since any role may name any queue in a policy of its own.
 */
static void
warn_dead_letters(const PgmqQueue *queue)
{
	List	   *names = pgmq_policy_names_dead(queue);
	StringInfoData shown;
	ListCell   *lc;

	if (names == NIL)
		return;
	initStringInfo(&shown);
	foreach(lc, names)
	{
		if (foreach_current_index(lc) == MAX_SHOWN)
		{
			appendStringInfoString(&shown, ", ...");
			break;
		}
		appendStringInfo(&shown, "%s\"%s\"", shown.len == 0 ? "" : ", ",
						 text_to_cstring(lfirst(lc)));
	}
	ereport(WARNING,
			(errmsg("queue \"%s\" was the dead-letter queue of others", PGMQ_QUEUE_BASE(queue)),
			 errdetail("Dead letters now stay in their queues: %s.", shown.data),
			 errhint("Set another dead-letter queue for each with pgmq.set_policy().")));
}

static bool
queue_drop(text *queue_name)
{
	PgmqQueue	queue;
	PgmqKind	kind;
	Oid			sequence = InvalidOid;
	Oid			owner = InvalidOid;
	bool		found;

	pgmq_check_may_write("DROP TABLE");
	found = pgmq_name_fits(queue_name, 'q', queue.relname);
	if (found && !may_lock_name(queue.relname))
	{
		found = OidIsValid(get_relname_relid(queue.relname,
											 get_namespace_oid(PGMQ_SCHEMA, false)));
		if (found)
			aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, queue.relname);
	}
	if (found)
	{
		pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
		queue.relid = table_lock(queue.relname, AccessExclusiveLock, callback_drop);

		/* do not drop another table that has a queue's name by chance */
		if (OidIsValid(queue.relid) && !pgmq_meta_find(&queue, &kind))
			pgmq_queue_check_shape(&queue);
		if (OidIsValid(queue.relid))
		{
			owner = pgmq_role_owner(queue.relid);
			pgmq_stream_drop(&queue);
			pgmq_xact_drop(queue.relid);
			pgmq_dedup_drop(&queue);	/* while it is known whose they are */
			sequence = pgmq_sequence_free(&queue);
		}
		found = OidIsValid(queue.relid) && table_drop(queue.relname);
		pgmq_sequence_drop(sequence);
		queue.relid = InvalidOid;
		if (!found)
			queue_drop_rest(&queue);
	}
	if (!found)
	{
		ereport(NOTICE,
				(errmsg("pgmq queue `%s` does not exist",
						text_to_cstring(queue_name))));
		return false;
	}

	/* After the queue, as every statement on both of them locks. */
	archive_drop(&queue, owner);
	queue_forget(&queue);
	warn_dead_letters(&queue);
	return true;
}

/*
 * drop_queue(queue_name text) returns boolean
 *
 * Returns false, with a notice, when there is no such queue.  If its table was
 * dropped by hand, what is left of it is removed.
 *
 * Errors: 42501 for a caller that is not the owner, 42809 for a table that is
 * no queue.
 */
Datum
pgmq_drop_queue(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(queue_drop(pgmq_name_arg(fcinfo, 0)));
}

/* drop_queue(queue_name text, partitioned boolean) returns boolean */
Datum
pgmq_drop_queue_deprecated(PG_FUNCTION_ARGS)
{
	ereport(WARNING,
			(errmsg("drop_queue(queue_name, partitioned) is deprecated and will be removed in PGMQ v2.0. Use drop_queue(queue_name) instead")));
	queue_drop(pgmq_name_arg(fcinfo, 0));
	PG_RETURN_BOOL(true);
}

/*
 * purge_queue(queue_name text) returns bigint
 *
 * The count is taken under the lock, with the latest snapshot whatever the
 * isolation level, because that is what TRUNCATE removes.
 *
 * Errors: 42P01 for an unknown queue, 42501 without SELECT and TRUNCATE on it,
 * or under row-level security.
 */
Datum
pgmq_purge_queue(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	char	   *table;
	int64		count = 0;
	PgmqQueue	queue;
	PgmqStream	stream;

	pgmq_check_may_write("TRUNCATE TABLE");
	pgmq_name_format(queue_name, 'q', queue.relname);
	queue.relid = table_lock(queue.relname, AccessExclusiveLock, callback_purge);
	if (!OidIsValid(queue.relid))
		pgmq_queue_missing(queue_name, queue.relname);

	/*
	 * TRUNCATE knows no policies, and would remove what the caller may not
	 * see
	 */
	if (check_enable_rls(queue.relid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot purge queue \"%s\" under row-level security",
						PGMQ_QUEUE_BASE(&queue)),
				 errhint("Delete messages, or let the owner of the queue purge it.")));

	AcceptInvalidationMessages();
	if (pgmq_stream_subscribes(queue.relid, &stream))
		PG_RETURN_INT64(pgmq_subscription_purge(&queue, &stream));
	table = pgmq_layout_name("", queue.relname, "");
	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once(psprintf("SELECT pg_catalog.count(*) FROM %s", table),
				   0, NULL, NULL, true, pgmq_row_int8, &count);
	PopActiveSnapshot();
	pgmq_exec_ddl("TRUNCATE TABLE %s", table);
	PG_RETURN_INT64(count);
}

/*
 * _close_queue(queue_name text) returns void
 *
 * For moving a queue to another server.  Locks the queue and its archive until
 * the transaction ends, so that they can be read and not changed.  The name is
 * locked first, as drop_queue locks it, which the transaction calls next.
 *
 * Errors: 42P01 for an unknown queue, 42501 for a caller that is not the owner.
 */
Datum
pgmq_close_queue(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;

	pgmq_check_may_write("LOCK TABLE");
	pgmq_name_format(queue_name, 'q', queue.relname);
	if (!may_lock_name(queue.relname))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, queue.relname);
	pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
	queue.relid = table_lock(queue.relname, ExclusiveLock, callback_drop);
	if (!OidIsValid(queue.relid))
		pgmq_queue_missing(queue_name, queue.relname);
	pgmq_queue_check_shape(&queue);
	table_lock(psprintf("a_%s", PGMQ_QUEUE_BASE(&queue)), ExclusiveLock, callback_drop);
	PG_RETURN_VOID();
}

/* detach_archive(queue_name text) returns void */
Datum
pgmq_detach_archive(PG_FUNCTION_ARGS)
{
	ereport(WARNING,
			(errmsg("detach_archive(queue_name) is deprecated and is a no-op. It will be removed in PGMQ v2.0. Archive tables are no longer member objects.")));
	PG_RETURN_VOID();
}

/*
 * Make the index of a queue; *found tells whether there is such a queue.  The
 * lock prevents others from making the same index.  Returns false when there was
 * nothing to do.
 */
static bool
fifo_index_create(text *queue_name, PgmqQueue *queue, bool *found)
{
	pgmq_check_may_write("CREATE INDEX");
	pgmq_name_format(queue_name, 'q', queue->relname);
	queue->relid = pgmq_queue_lock(queue->relname, ShareRowExclusiveLock, PGMQ_NEED_OWNER);
	*found = OidIsValid(queue->relid);
	if (!*found)
		return false;
	pgmq_queue_check_shape(queue);
	return pgmq_layout_create_fifo_index(queue);
}

/* create_fifo_index(queue_name text) returns void */
Datum
pgmq_create_fifo_index(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;
	bool		found;

	fifo_index_create(queue_name, &queue, &found);
	if (!found)
		pgmq_queue_missing(queue_name, queue.relname);
	PG_RETURN_VOID();
}

/* The same, for pgmq_each_try; false for a queue that does not exist. */
static bool
fifo_index_each(text *queue_name, void *state)
{
	PgmqQueue	queue;
	bool		found;

	return pgmq_name_is_valid(queue_name, queue.relname) &&
		fifo_index_create(queue_name, &queue, &found);
}

/*
 * create_fifo_indexes_all() returns void
 *
 * An error about a queue becomes a warning.
 */
Datum
pgmq_create_fifo_indexes_all(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	pgmq_check_may_write("CREATE INDEX");
	foreach(lc, pgmq_each_names(PGMQ_NEED_ANY))
		pgmq_each_try(lfirst(lc), fifo_index_each, NULL, true);
	PG_RETURN_VOID();
}

/*
 * acquire_queue_lock(queue_name text) returns void
 *
 * Errors: 42501 for a caller that has no right to the queue and may not create
 * one; 25000 in a parallel query, since the lock would go with the worker.
 */
Datum
pgmq_acquire_queue_lock(PG_FUNCTION_ARGS)
{
	PreventCommandIfParallelMode("acquire_queue_lock");
	if (!PG_ARGISNULL(0))
	{
		char		relname[NAMEDATALEN];

		pgmq_name_format(PG_GETARG_TEXT_PP(0), 'q', relname);
		if (!may_lock_name(relname))
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, relname);
		pgmq_lock_name(relname + 2);
	}
	PG_RETURN_VOID();
}
