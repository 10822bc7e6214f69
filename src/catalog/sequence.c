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
 * The sequence that a column's default calls nextval for, which the table need
 * not own; or InvalidOid.
 */
static Oid
default_sequence(Oid relid, AttrNumber column)
{
	Oid			attrdef = GetAttrDefaultOid(relid, column);
	Relation	depend;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	if (!OidIsValid(attrdef))
		return InvalidOid;
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&key[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(AttrDefaultRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(attrdef));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, key);
	while (!OidIsValid(result) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(tuple);

		if (row->refclassid == RelationRelationId &&
			get_rel_relkind(row->refobjid) == RELKIND_SEQUENCE)
			result = row->refobjid;
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

/*
 * The sequence of a table's msg_id; or InvalidOid.  It may be in another schema,
 * and belong to another role, when the column only has a default that calls
 * nextval.
 */
Oid
pgmq_queue_sequence(Oid relid)
{
	AttrNumber	msg_id = get_attnum(relid, "msg_id");
	Oid			owned = InvalidOid;
	Oid			drawn;
	ListCell   *lc;

	foreach(lc, getOwnedSequences(relid))
	{
		Oid			sequence = lfirst_oid(lc);
		Oid			table;
		int32		column;

		if (sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &table, &column) &&
			table == relid && column == msg_id)
			return sequence;
		if (sequenceIsOwned(sequence, DEPENDENCY_AUTO, &table, &column) &&
			table == relid && column == msg_id)
			owned = sequence;
	}
	drawn = msg_id == InvalidAttrNumber ? InvalidOid : default_sequence(relid, msg_id);
	return OidIsValid(drawn) ? drawn : owned;
}

/*
 * Whether a role that has a right to a queue may know the last id of its sequence:
 * the sequence belongs to the owner of the queue, or the role may read it.  A
 * column can have a default that calls nextval for any sequence there is.
 */
static bool
may_know(Oid relid, Oid sequence, bool *may_read)
{
	bool		is_missing = false;
	Oid			owner = pgmq_role_find_owner(sequence);

	*may_read = pg_class_aclcheck_ext(sequence, GetUserId(), ACL_SELECT | ACL_USAGE,
									  &is_missing) == ACLCHECK_OK;
	return *may_read || (OidIsValid(owner) && owner == pgmq_role_find_owner(relid));
}

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
	if (!may_know(relid, sequence, &may_read))
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

/*
 * The same for a caller who has a right to the queue: without a wait for a lock,
 * and without one that stays.  Returns false if that is not possible, and if the
 * caller may not know it.
 */
bool
pgmq_sequence_look(Oid relid, int64 *last)
{
	Oid			sequence = pgmq_queue_sequence(relid);
	Relation	rel;
	Buffer		buffer;
	HeapTupleHeader tuple;
	Form_pg_sequence_data data;
	bool		may_read;

	if (get_rel_relkind(sequence) != RELKIND_SEQUENCE || !may_know(relid, sequence, &may_read))
		return false;
	rel = pgmq_open_now(sequence);
	if (rel == NULL)
		return false;
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	tuple = (HeapTupleHeader) PageGetItem(BufferGetPage(buffer),
										  PageGetItemId(BufferGetPage(buffer), FirstOffsetNumber));
	data = (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
	*last = data->is_called || data->last_value == PG_INT64_MIN ? data->last_value :
		data->last_value - 1;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return true;
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
