/*-------------------------------------------------------------------------
 *
 * twice.c
 *	  No id twice in a queue that is partitioned by time.
 *
 * The primary key of such a queue must include the partition column, so it
 * allows the same msg_id with another enqueued_at, as happens when the sequence
 * was set back.  Then one call would delete two messages though only one was
 * processed.  So the trigger that announces each new row looks for its id in
 * all partitions, as a unique index would: with a snapshot that sees rows which
 * are not committed yet, and waits for their transactions to end.
 *
 * A replica accepts what its publisher has accepted.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/twice.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/trigger.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "duemap/duemap.h"

static bool
is_btree(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* An index of a partition that finds a msg_id; InvalidOid if there is none. */
static Oid
id_index(Relation rel, AttrNumber msg_id)
{
	Oid			result = InvalidOid;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (form->indisvalid && form->indkey.values[0] == msg_id &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			is_btree(form->indexrelid))
			result = form->indexrelid;
		ReleaseSysCache(tuple);
		if (OidIsValid(result))
			break;
	}
	list_free(indexes);
	return result;
}

/*
 * Whether a partition has a row with an id, besides the one at self of self_rel.
 * Waits for transactions that have inserted or deleted such a row.
 */
static bool
leaf_has(Relation rel, int64 id, Relation self_rel, ItemPointer self)
{
	AttrNumber	msg_id;
	Oid			index;
	bool		found = false;
	TransactionId wait_for;

	/* most are empty: a row that is inserted there now will find ours */
	if (RelationGetNumberOfBlocks(rel) == 0)
		return false;

	/* a queue of PGMQ that was not converted: all rows would be read */
	msg_id = get_attnum(RelationGetRelid(rel), "msg_id");
	index = id_index(rel, msg_id);
	if (!OidIsValid(index))
		return false;
	do
	{
		SnapshotData dirty;
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		InitDirtySnapshot(dirty);
		wait_for = InvalidTransactionId;
		ScanKeyInit(&key, msg_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
		scan = systable_beginscan(rel, index, true, &dirty, 1, &key);
		while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			if (rel->rd_id == self_rel->rd_id && ItemPointerEquals(&tuple->t_self, self))
				continue;
			wait_for = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
			if (TransactionIdIsValid(wait_for))
				break;
			found = true;
		}
		systable_endscan(scan);
		if (TransactionIdIsValid(wait_for))
			XactLockTableWait(wait_for, NULL, NULL, XLTW_None);
	} while (!found && TransactionIdIsValid(wait_for));
	return found;
}

/* The same for a partitioned table; it is open. */
static bool
tree_has(Relation rel, int64 id, Relation self_rel, ItemPointer self)
{
	PartitionDesc parts = RelationGetPartitionDesc(rel, true);
	bool		found = false;

	for (int i = 0; !found && i < parts->nparts; i++)
	{
		Relation	part = relation_open(parts->oids[i], AccessShareLock);

		if (part->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			found = tree_has(part, id, self_rel, self);
		else if (part->rd_rel->relkind == RELKIND_RELATION)
			found = leaf_has(part, id, self_rel, self);

		/* the lock stays, as that of a statement would */
		relation_close(part, NoLock);
	}
	return found;
}

/*
 * Refuse a row that was inserted into a partition of a queue when its id is
 * there already, and no unique index can say so.  Error: 23505.
 */
void
pgmq_twice_check(Relation part, Oid queue, int64 id, ItemPointer self)
{
	Relation	rel;
	PartitionKey key;

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return;
	rel = relation_open(queue, AccessShareLock);
	key = RelationGetPartitionKey(rel);
	if (key != NULL &&
		(key->partnatts != 1 || key->partattrs[0] != get_attnum(queue, "msg_id")) &&
		tree_has(rel, id, part, self))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("duplicate message id " INT64_FORMAT " in \"%s.%s\"",
						id, PGMQ_SCHEMA, RelationGetRelationName(rel)),
				 errdetail("The sequence of message ids was probably set back."),
				 errhint("Use setval() to set the sequence beyond the largest existing id."),
				 errtable(rel)));
	relation_close(rel, NoLock);
}
