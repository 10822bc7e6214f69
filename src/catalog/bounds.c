/*-------------------------------------------------------------------------
 *
 * bounds.c
 *	  Where the partitions of a table end, and what is in the default one.
 *
 * This waits for no lock, and keeps none.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/bounds.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "catalog/catalog.h"

/* At most so many pages of a default partition are read: 80 MB. */
#define MAX_DEFAULT_PAGES	10000

/*
 * The column by which a table is partitioned, where its last partition ends, and
 * how many partitions begin after the last id, or in the future.
 * Returns false for a table that is not partitioned in the way that
 * create_partitioned does it, and for one that is locked.
 */
bool
pgmq_bounds_find(Oid relid, int64 last_id, PgmqBounds *bounds)
{
	Relation	rel;
	PartitionKey key;
	PartitionDesc desc;
	PartitionBoundInfo info;
	Oid			type;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return false;
	rel = pgmq_open_now(relid);
	if (rel == NULL)
		return false;
	key = RelationGetPartitionKey(rel);
	desc = RelationGetPartitionDesc(rel, true);
	info = desc->boundinfo;
	type = key->partnatts == 1 ? key->parttypid[0] : InvalidOid;
	memset(bounds, 0, sizeof(*bounds));
	bounds->by_time = type == TIMESTAMPTZOID;
	bounds->partitions = desc->nparts;
	if (OidIsValid(type) && key->partattrs[0] != 0)
		strlcpy(bounds->column, get_attname(relid, key->partattrs[0], false), NAMEDATALEN);
	if (key->strategy == PARTITION_STRATEGY_RANGE && info != NULL && info->ndatums > 0 &&
		info->kind[info->ndatums - 1][0] == PARTITION_RANGE_DATUM_VALUE &&
		(type == INT8OID || type == TIMESTAMPTZOID))
	{
		bounds->end = DatumGetInt64(info->datums[info->ndatums - 1][0]);
		bounds->ends = !bounds->by_time || !TIMESTAMP_NOT_FINITE(bounds->end);
		for (int i = info->ndatums - 2; i >= 0; i--)
			if (info->kind[i][0] == PARTITION_RANGE_DATUM_VALUE && info->indexes[i + 1] >= 0 &&
				DatumGetInt64(info->datums[i][0]) > (bounds->by_time ? GetCurrentTimestamp() : last_id))
				bounds->ahead++;
	}
	relation_close(rel, AccessShareLock);
	return true;
}

/*
 * Return the number of rows in the default partition of a table;
 * PGMQ_NO_DEFAULT if there is none, and PGMQ_DEFAULT_LOCKED if it is locked, since
 * a count should not wait, or cannot be read here.  Rows get into a default partition by mistake,
 * and there may be many.  Therefore only the first pages are counted, and the
 * rest is estimated.
 *
 * The scan runs no code of users and shows only the number of rows, so a
 * privilege on the queue is sufficient.
 */
int64
pgmq_bounds_default_rows(Oid relid)
{
	Oid			partition = InvalidOid;
	Relation	rel;
	BlockNumber pages;
	TableScanDesc scan;
	TupleTableSlot *slot;
	int64		n = 0;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		partition = get_default_partition_oid(relid);
	if (!OidIsValid(partition) || get_rel_relkind(partition) != RELKIND_RELATION)
		return PGMQ_NO_DEFAULT;
	rel = pgmq_open_now(partition);
	if (rel == NULL)
		return PGMQ_DEFAULT_LOCKED;
	pages = RelationGetNumberOfBlocks(rel);
	slot = table_slot_create(rel, NULL);
	/* begin at the first page, and do not join another scan */
	scan = table_beginscan_strat(rel, GetActiveSnapshot(), 0, NULL, true, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot) &&
		   ItemPointerGetBlockNumber(&slot->tts_tid) < MAX_DEFAULT_PAGES)
		n++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	relation_close(rel, AccessShareLock);
	return pages <= MAX_DEFAULT_PAGES ? n : (int64) ((double) n * pages / MAX_DEFAULT_PAGES);
}
