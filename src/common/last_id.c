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
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
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
 * Lock a relation, if that is possible at once, and open it.  NULL if it is not,
 * and for one whose rows are not to be had here: an unlogged one has none on a
 * standby, and those of a temporary one are in the memory of its session.
 */
Relation
pgmq_open_now(Oid relid)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		UnlockRelationOid(relid, AccessShareLock);
	else if (RELATION_IS_OTHER_TEMP(rel) ||
			 (RELKIND_HAS_STORAGE(rel->rd_rel->relkind) &&
			  rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED && RecoveryInProgress()))
	{
		relation_close(rel, AccessShareLock);
		rel = NULL;
	}
	return rel;
}

/*
 * Whether a role that has a right to a queue may know the last id of its sequence:
 * the sequence belongs to the owner of the queue, or the role may read it.  A
 * column can have a default that calls nextval for any sequence there is.
 */
bool
pgmq_sequence_may_know(Oid relid, Oid sequence, bool *may_read)
{
	bool		is_missing = false;
	Oid			owner = pgmq_role_find_owner(sequence);

	*may_read = pg_class_aclcheck_ext(sequence, GetUserId(), ACL_SELECT | ACL_USAGE,
									  &is_missing) == ACLCHECK_OK;
	return *may_read || (OidIsValid(owner) && owner == pgmq_role_find_owner(relid));
}

/*
 * The last id of a queue's sequence, for a caller who has a right to the queue:
 * without a wait for a lock, and without one that stays.  Returns false if that is not possible, and if the
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

	if (get_rel_relkind(sequence) != RELKIND_SEQUENCE || !pgmq_sequence_may_know(relid, sequence, &may_read))
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
