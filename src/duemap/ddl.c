/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Waking waiters when a command changes or drops their queue.
 *
 * A waiting read holds a lock on its queue's table, which keeps most of these
 * commands out.  pgmq.wait holds none.  Its queue may be dropped; the queue or
 * the schema may be renamed, so that the name is another table's; its trigger
 * may be disabled, so that sent messages are no longer announced.  The server
 * calls a hook for each of these, whichever command does it, and at the commit
 * the waiters of the table look again.
 *
 * The hook is called only in sessions that have loaded the library.  Of
 * commands in other sessions the waiting backend learns from its own caches,
 * see poll.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/ddl.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"

static object_access_hook_type prev_object_access = NULL;

/* The table of a trigger, as this command leaves it. */
static Oid
trigger_table(Oid trigger)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			table = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		table = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return table;
}

/* Whether a relation is a table that this transaction has not created. */
static bool
is_old_table(Oid relid)
{
	Relation	rel = RelationIdGetRelation(relid);
	bool		is_old;

	if (rel == NULL)
		return false;
	is_old = rel->rd_createSubid == InvalidSubTransactionId &&
		(rel->rd_rel->relkind == RELKIND_RELATION ||
		 rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE);
	RelationClose(rel);
	return is_old;
}

/* A table is changed, which may be a queue's: wake its waiters at the commit. */
static void
table_altered(Oid relid)
{
	char	   *relname = OidIsValid(relid) ? get_rel_name(relid) : NULL;

	if (relname != NULL && strncmp(relname, "q_", 2) == 0 &&
		get_rel_namespace(relid) == get_namespace_oid(PGMQ_SCHEMA, true) &&
		is_old_table(relid))
		pgmq_xact_wake(relid, PGMQ_WAKE_ALL);
}

/* Object access hook.  The catalogs may still show the state before the change. */
static void
ddl_object_access(ObjectAccessType access, Oid classid, Oid objid, int subid, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, classid, objid, subid, arg);
	if (classid == RelationRelationId && subid == 0)
	{
		if (access == OAT_DROP)
		{
			pgmq_waiter_drop(objid);
			pgmq_stats_drop(objid);
		}
		else if (access == OAT_POST_ALTER)
			table_altered(objid);
	}
	else if (classid == NamespaceRelationId && access == OAT_POST_ALTER &&
			 objid == get_namespace_oid(PGMQ_SCHEMA, true))
		pgmq_xact_wake_database();
	else if (classid == TriggerRelationId &&
			 (access == OAT_POST_ALTER || access == OAT_DROP))
		table_altered(trigger_table(objid));
}

/* At load. */
void
pgmq_ddl_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = ddl_object_access;
}
