/*-------------------------------------------------------------------------
 *
 * sequence.c
 *	  The sequence of a queue's ids.
 *
 * In a queue that create made the table owns it.  In one that was restored the
 * column may only have a default that calls nextval, and the table not own it.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/sequence.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"

/*
 * The last id of a queue's sequence; 0 when it has given out none.  A role that
 * may count the messages may know it, so the sequence is read with its owner's
 * rights if that is the owner of the queue.
 * Error: 42501 when it is not, and the caller may not read the sequence.
 */
int64
pgmq_queue_last_id(Oid relid)
{
	LOCAL_FCINFO(fcinfo, 1);
	Oid			sequence = pgmq_queue_sequence(relid);
	PgmqRole	saved = {InvalidOid, 0};
	Datum		value;
	bool		may_read;

	if (!OidIsValid(sequence))
		return 0;

	/* from 18 on the server shows no last id, and raises no error either */
	if (!pgmq_sequence_may_know(relid, sequence, &may_read))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SEQUENCE, get_rel_name(sequence));

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(sequence);
	fcinfo->args[0].isnull = false;
	if (!may_read)
		saved = pgmq_role_become_owner(sequence);
	value = pg_sequence_last_value(fcinfo);
	if (!may_read)
		pgmq_role_restore(saved);
	return fcinfo->isnull ? 0 : DatumGetInt64(value);
}

/* Whether a column of any table owns the sequence. */
static bool
is_owned(Oid sequence)
{
	Oid			table;
	int32		column;

	return sequenceIsOwned(sequence, DEPENDENCY_AUTO, &table, &column) ||
		sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &table, &column);
}

/* Whether anything depends on the sequence. */
static bool
is_needed(Oid sequence)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	bool		result;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(sequence));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	result = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

/*
 * The sequence of an open queue if it was made for the queue, as its name and
 * its owner show, and is not dropped with the table; or InvalidOid.
 */
Oid
pgmq_sequence_free(const PgmqQueue *queue)
{
	Oid			sequence = pgmq_queue_sequence(queue->relid);
	char	   *prefix = psprintf("%s_msg_id_seq", queue->relname);
	const char *name = get_rel_name(sequence);

	/* the server adds a number where the name is taken */
	if (name == NULL || strncmp(name, prefix, strlen(prefix)) != 0 ||
		name[strlen(prefix) + strspn(name + strlen(prefix), "0123456789")] != '\0' ||
		get_rel_namespace(sequence) != get_rel_namespace(queue->relid) ||
		pgmq_role_owner(sequence) != pgmq_role_owner(queue->relid) ||
		is_owned(sequence))
		return InvalidOid;
	return sequence;
}

/*
 * Drop such a sequence once the queue's table is gone, unless something else
 * needs it.
 */
void
pgmq_sequence_drop(Oid sequence)
{
	if (!OidIsValid(sequence))
		return;

	/* under the lock it keeps its name */
	LockRelationOid(sequence, AccessExclusiveLock);
	if (get_rel_relkind(sequence) == RELKIND_SEQUENCE && !is_owned(sequence) &&
		!is_needed(sequence) &&
		!OidIsValid(getExtensionOfObject(RelationRelationId, sequence)))
		pgmq_exec_ddl("DROP SEQUENCE %s",
					  quote_qualified_identifier(get_namespace_name(get_rel_namespace(sequence)),
												 get_rel_name(sequence)));
}
