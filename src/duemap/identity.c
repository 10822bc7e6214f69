/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Which state of a queue a due map describes.
 *
 * A map can be relied on as long as our trigger announces every change of the
 * queue's rows, and the rows are in the same place.  A command that breaks this
 * changes the queue's identity, and then the map is made unknown: another file
 * for the table (TRUNCATE, a rewrite), another trigger or another state of it
 * (DISABLE TRIGGER changes the catalog row), a partition more or less, another
 * database with an old OID.
 *
 * An identity is a hash of the catalog rows concerned; 0 stands for a table
 * that cannot have a map.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/identity.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "duemap/duemap.h"

static inline void
identity_add(uint64 *identity, uint64 value)
{
	*identity = hash_bytes_extended((const unsigned char *) &value,
									sizeof(value), *identity);
}

/* Add a column; false when there is none. */
static bool
identity_add_column(uint64 *identity, Oid relid, const char *name)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, name);

	if (!HeapTupleIsValid(tuple))
		return false;
	identity_add(identity, ((Form_pg_attribute) GETSTRUCT(tuple))->attnum);
	identity_add(identity, HeapTupleHeaderGetRawXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return true;
}

/*
 * Add the trigger that announces the rows of a table; false when the table
 * has none, or one that does not announce everything.
 */
static bool
identity_add_trigger(uint64 *identity, Oid relid, Oid function, bool *priorities)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		found = trigger->tgfoid == function &&
			trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
			(trigger->tgtype & PGMQ_ANNOUNCE_EVENTS) == PGMQ_ANNOUNCE_EVENTS &&
			TRIGGER_FOR_AFTER(trigger->tgtype) &&
			trigger->tgattr.dim1 == 0 &&
			heap_attisnull(tuple, Anum_pg_trigger_tgqual, NULL);
		if (found)
		{
			identity_add(identity, trigger->oid);
			identity_add(identity, HeapTupleHeaderGetRawXmin(tuple->t_data));
			*priorities = trigger->tgnargs > 0;
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/* Add a table that holds rows; false when its rows cannot be mapped. */
static bool
identity_add_table(uint64 *identity, Oid relid, Oid function, bool *priorities)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class class;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		return false;
	class = (Form_pg_class) GETSTRUCT(tuple);
	fits = (class->relkind == RELKIND_RELATION && !class->relhassubclass) ||
		class->relkind == RELKIND_PARTITIONED_TABLE;
	identity_add(identity, relid);
	identity_add(identity, class->relfilenode);
	ReleaseSysCache(tuple);
	return fits && identity_add_column(identity, relid, "msg_id") &&
		identity_add_column(identity, relid, "vt") &&
		identity_add_trigger(identity, relid, function, priorities);
}

/*
 * The identity of a queue, or 0.  tables has the OID of the queue table and
 * then those of all partitions.  *priorities is whether the queue has priorities,
 * that is, whether all triggers say so.
 */
uint64
pgmq_identity(List *tables, bool *priorities)
{
	uint64		identity = 0;
	Oid			function = pgmq_role_find_function(linitial_oid(tables), PGMQ_ANNOUNCE_FUNCTION);
	HeapTuple	database = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	ListCell   *lc;

	if (!HeapTupleIsValid(database))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	identity_add(&identity, MyDatabaseId);
	identity_add(&identity, HeapTupleHeaderGetRawXmin(database->t_data));
	ReleaseSysCache(database);

	if (!OidIsValid(function))
		return 0;
	foreach(lc, tables)
	{
		bool		own = false;

		if (!identity_add_table(&identity, lfirst_oid(lc), function, &own) ||
			(lc != list_head(tables) && own != *priorities))
			return 0;
		*priorities = own;
	}
	return Max(identity, 1);
}
