/*-------------------------------------------------------------------------
 *
 * last_id.c
 *	  The sequence of a queue's ids, and the last id that it gave out.
 *
 * In a queue that create made the table owns the sequence.  In one that was
 * restored the column may only have a default that calls nextval, and the table
 * not own it.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/last_id.c
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
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "common/common.h"

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
 * The last id of a queue's sequence without a check of rights: without a wait for
 * a lock, and without one that stays.  Returns false if that is not possible.
 */
bool
pgmq_sequence_look(Oid relid, int64 *last)
{
	Oid			sequence = pgmq_queue_sequence(relid);
	Relation	rel;
	Buffer		buffer;
	HeapTupleHeader tuple;
	Form_pg_sequence_data data;

	if (get_rel_relkind(sequence) != RELKIND_SEQUENCE || !ConditionalLockRelationOid(sequence, AccessShareLock))
		return false;
	rel = try_relation_open(sequence, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(sequence, AccessShareLock);
		return false;
	}
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	tuple = (HeapTupleHeader) PageGetItem(BufferGetPage(buffer),
										  PageGetItemId(BufferGetPage(buffer), FirstOffsetNumber));
	data = (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
	*last = data->is_called ? data->last_value : data->last_value - 1;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return true;
}
