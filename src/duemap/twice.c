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
 * The trigger runs at the end of a statement, for one row after the other, when
 * all of its rows are in place.  So one look into all partitions serves for many
 * rows: it notes every row that has an id from that of the first on.  A row that
 * is alone there with its id needs no look of its own, since a later row of that id
 * would meet it.
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
#include "access/xact.h"
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

/*
 * An index of a partition that finds a row by its id, which is column *msg_id.
 * InvalidOid if there is none, for all rows would be read then (this is a queue
 * of PGMQ that was not converted).  The same for an empty partition, which most
 * are: a row that is inserted there now will find ours.
 */
static Oid
id_index(Relation rel, AttrNumber *msg_id)
{
	Oid			result = InvalidOid;
	List	   *indexes;
	ListCell   *lc;

	if (RelationGetNumberOfBlocks(rel) == 0)
		return InvalidOid;
	*msg_id = get_attnum(RelationGetRelid(rel), "msg_id");
	indexes = RelationGetIndexList(rel);
	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (form->indisvalid && form->indkey.values[0] == *msg_id &&
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
	Oid			index = id_index(rel, &msg_id);
	bool		found = false;
	TransactionId wait_for;

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

		/* the lock of the table above keeps the partition where it is */
		relation_close(part, AccessShareLock);
	}
	return found;
}

/* ----------------------------------------------------------------
 *		One look for many rows
 * ----------------------------------------------------------------
 */

/* A row that a look has met. */
typedef struct TwiceRow
{
	int64		id;
	Oid			part;
	ItemPointerData self;
} TwiceRow;

/* How many rows are noted at most: at first, and when one look follows another. */
#define TWICE_ROWS_FIRST	64
#define TWICE_ROWS_MAX		1024

/*
 * The last look: all rows of a queue with ids from first to last, in order, as
 * this subtransaction saw them.  They include those of transactions that have
 * not ended.
 */
typedef struct TwiceLook
{
	Oid			queue;			/* InvalidOid: there is none */
	TransactionId xid;
	int64		first;
	int64		last;
	int			limit;
	int			nrows;
	TwiceRow	rows[TWICE_ROWS_MAX];
} TwiceLook;

static TwiceLook looked;

static int
row_cmp(const void *a, const void *b)
{
	int64		ia = ((const TwiceRow *) a)->id;
	int64		ib = ((const TwiceRow *) b)->id;

	return (ia > ib) - (ia < ib);
}

/* Note a row; if there are too many, the look ends at a lower id. */
static void
looked_add(int64 id, Oid part, ItemPointer self)
{
	if (looked.nrows == looked.limit)
	{
		qsort(looked.rows, looked.nrows, sizeof(TwiceRow), row_cmp);
		looked.nrows /= 2;
		looked.last = looked.rows[looked.nrows].id - 1;
		while (looked.nrows > 0 && looked.rows[looked.nrows - 1].id > looked.last)
			looked.nrows--;
	}
	if (id <= looked.last)
		looked.rows[looked.nrows++] = (TwiceRow)
	{
		id, part, *self
	};
}

/* Note the rows of a partition.  The index gives them in the order of their ids. */
static void
leaf_look(Relation rel)
{
	AttrNumber	msg_id;
	Oid			index = id_index(rel, &msg_id);
	SnapshotData dirty;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(index))
		return;
	InitDirtySnapshot(dirty);
	ScanKeyInit(&key, msg_id, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(looked.first));
	scan = systable_beginscan(rel, index, true, &dirty, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		int64		id = DatumGetInt64(heap_getattr(tuple, msg_id, RelationGetDescr(rel), &isnull));

		if (id > looked.last)
			break;
		looked_add(id, RelationGetRelid(rel), &tuple->t_self);
	}
	systable_endscan(scan);
}

/* The same for a partitioned table; it is open. */
static void
tree_look(Relation rel)
{
	PartitionDesc parts = RelationGetPartitionDesc(rel, true);

	for (int i = 0; i < parts->nparts; i++)
	{
		Relation	part = relation_open(parts->oids[i], AccessShareLock);

		if (part->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			tree_look(part);
		else if (part->rd_rel->relkind == RELKIND_RELATION)
			leaf_look(part);
		relation_close(part, AccessShareLock);
	}
}

/* The first row of an id that the last look has met, if it was of this queue. */
static const TwiceRow *
looked_find(Oid queue, TransactionId xid, int64 id)
{
	int			low = 0;
	int			high = looked.nrows;

	if (looked.queue != queue || looked.xid != xid)
		return NULL;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (looked.rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < looked.nrows && looked.rows[low].id == id ? &looked.rows[low] : NULL;
}

/*
 * Whether the row at self was in place when this subtransaction looked, and
 * was alone with its id.  It looks if it has not met the id.
 */
static bool
is_alone(Relation rel, int64 id, Relation self_rel, ItemPointer self)
{
	TransactionId xid = GetCurrentTransactionId();
	Oid			queue = RelationGetRelid(rel);
	const TwiceRow *row = looked_find(queue, xid, id);

	if (row == NULL)
	{
		bool		again = looked.queue == queue && looked.xid == xid;

		looked.queue = InvalidOid;
		looked.xid = xid;
		looked.first = id;
		looked.last = PG_INT64_MAX;
		looked.nrows = 0;
		looked.limit = again ? Min(looked.limit * 2, TWICE_ROWS_MAX) : TWICE_ROWS_FIRST;
		tree_look(rel);
		qsort(looked.rows, looked.nrows, sizeof(TwiceRow), row_cmp);
		looked.queue = queue;
		row = looked_find(queue, xid, id);
	}
	return row != NULL && row->part == RelationGetRelid(self_rel) &&
		ItemPointerEquals((ItemPointer) &row->self, self) &&
		(row == &looked.rows[looked.nrows - 1] || row[1].id != id);
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
		!is_alone(rel, id, part, self) && tree_has(rel, id, part, self))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("duplicate message id " INT64_FORMAT " in \"%s.%s\"",
						id, PGMQ_SCHEMA, RelationGetRelationName(rel)),
				 errdetail("The sequence of message ids was probably set back."),
				 errhint("Use setval() to set the sequence beyond the largest existing id."),
				 errtable(rel)));
	relation_close(rel, NoLock);
}
