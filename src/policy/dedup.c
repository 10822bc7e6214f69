/*-------------------------------------------------------------------------
 *
 * dedup.c
 *	  Which deduplication ids a queue has seen lately.
 *
 * A queue whose policy has a dedup window has three tables beside it, those of
 * idtable.c, one row for each id: which message had it, and when it was sent.
 * Time is cut into generations as long as the window (or GENERATION_MIN), and
 * generation n is table n mod 3.  A send writes into the table of the current
 * generation.  As a rule the previous generation holds the rest of the window,
 * and the third table nothing that counts: pgmq_dedup_rotate truncates it, so
 * that the ids that leave the window are never deleted one by one.
 *
 * That is the rule, but the clock may go back, by a failover too, and the
 * length of the generations changes with the window.  So sent_at alone
 * decides whether an entry counts: a send looks into all three tables, and a
 * table is truncated only when it holds nothing of the window.  A table that
 * was not truncated in time is only larger than necessary: its entries are
 * too old, and each is replaced when its id comes again.
 *
 * While the transaction of the first send runs its id counts, however long
 * that takes.  A sender of the same id waits for it, and takes a snapshot
 * before it waits: what that does not see was still running when the sender
 * asked, and counts whatever sent_at says.
 *
 * Ids are looked for and stored by scans and inserts in C.  As statements they
 * would cost as much as the message's own, and keep the locks on the tables that
 * are only read until the end of the transaction; the third table could hardly
 * be truncated while there are senders.  The locks below make that safe without
 * ON CONFLICT: nobody else stores an id between a sender's look and its insert.
 *
 * A sender holds the locks of lock.c: the ids' own, from before the look
 * until the end of the transaction, which makes the second sender of an id
 * wait for the first; and the queue's dedup lock, which a change of the window
 * takes alone.
 * Looks take the newest snapshot whatever the isolation level, since the
 * first sender may have committed after the second one's snapshot.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/dedup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"

/*
 * No generation is shorter, in seconds, so that maintenance once in this time
 * or in a window meets each of them when it can be truncated.
 */
#define GENERATION_MIN		600

/* How often, a millisecond apart, a truncation tries to be alone. */
#define TRUNCATE_TRIES		20

/* A look for ids. */
typedef struct Look
{
	TimestampTz after;			/* ids sent later count */
	Snapshot	before;			/* so do those it does not see */
	text	  **ids;
	int			n;
	int64	   *msg_ids;		/* of the ids that count, by place; or NULL */
	TimestampTz *sent_at;
} Look;

/* How often ids were stored. */
static uint64 put_count = 0;

/* Which table is current at a time, for a window in seconds. */
static int
table_at(TimestampTz time, int32 window)
{
	int64		length = Max(window, GENERATION_MIN) * USECS_PER_SEC;
	int			table = time / length % PGMQ_IDTABLES;

	/* a clock that was not set yet */
	return table < 0 ? table + PGMQ_IDTABLES : table;
}

/* ----------------------------------------------------------------
 *		Ids
 * ----------------------------------------------------------------
 */

static void
lock_ids(const PgmqQueue *queue, text **ids, int n)
{
	PgmqLockSet set = {{0}};

	for (int i = 0; i < n; i++)
		pgmq_lock_add(&set, hash_bytes((unsigned char *) VARDATA_ANY(ids[i]),
									   VARSIZE_ANY_EXHDR(ids[i])));
	pgmq_lock_all(queue, PGMQ_LOCK_DEDUP_ID, &set);
}

/* Was the transaction that wrote a row still running when the look began? */
static bool
was_running(HeapTuple tuple, Snapshot before)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);

	return !HeapTupleHeaderXminFrozen(tuple->t_data) &&
		(TransactionIdIsCurrentTransactionId(xmin) || XidInMVCCSnapshot(xmin, before));
}

/*
 * Look for ids in one table, by the newest snapshot.  rows, unless it is NULL, gets
 * where the row of each of them is, whether it counts or not.
 */
static void
look_in(const Look *look, Relation rel, ItemPointerData *rows)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; rows != NULL && i < look->n; i++)
		ItemPointerSetInvalid(&rows[i]);
	if (rows == NULL && RelationGetNumberOfBlocks(rel) == 0)
		return;
	for (int i = 0; i < look->n; i++)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple	tuple;

		ScanKeyEntryInitialize(&key, 0, PGMQ_IDTABLE_ID, BTEqualStrategyNumber, InvalidOid,
							   C_COLLATION_OID, F_TEXTEQ, PointerGetDatum(look->ids[i]));
		scan = systable_beginscan(rel, rel->rd_pkindex, true, GetActiveSnapshot(), 1, &key);
		tuple = systable_getnext(scan);
		if (HeapTupleIsValid(tuple))
		{
			bool		isnull;
			int64		msg_id = DatumGetInt64(heap_getattr(tuple, PGMQ_IDTABLE_MSG_ID, desc, &isnull));
			TimestampTz sent_at = DatumGetTimestampTz(heap_getattr(tuple, PGMQ_IDTABLE_SENT_AT,
																   desc, &isnull));

			if (rows != NULL)
				rows[i] = tuple->t_self;

			/* another window may make two of them count: the later one does */
			if (look->msg_ids != NULL &&
				(sent_at > look->after || was_running(tuple, look->before)) &&
				(look->msg_ids[i] == PGMQ_DEDUP_NEW || sent_at > look->sent_at[i]))
			{
				look->msg_ids[i] = msg_id;
				look->sent_at[i] = sent_at;
			}
		}
		systable_endscan(scan);
	}
}

/*
 * Lock ids, unless the caller has the queue's dedup lock alone, and look for them in
 * the window that ends now.  msg_ids gets for each of them the message that had
 * it, or PGMQ_DEDUP_NEW.  before is a snapshot of before the caller waited for
 * any lock: what it does not see counts whatever the window.  dedup is for
 * pgmq_dedup_put, and lasts until pgmq_dedup_end.
 */
void
pgmq_dedup_find(const PgmqQueue *queue, const PgmqPolicy *policy,
				Snapshot before, text **ids, int n, bool alone,
				int64 *msg_ids, PgmqDedup *dedup)
{
	int			current = table_at(GetCurrentTimestamp(), policy->dedup_window);
	Relation	rels[PGMQ_IDTABLES];
	Look		look = {
		.before = before,.ids = ids,.n = n,.msg_ids = msg_ids,
		.sent_at = palloc(n * sizeof(TimestampTz))
	};

	pgmq_idtable_open_all(queue, current, rels);
	dedup->rel = rels[current];
	dedup->rows = palloc(n * sizeof(ItemPointerData));
	dedup->puts = put_count;
	dedup->invals = pgmq_policy_invals();

	/* the window is told when nothing can be truncated any more */
	look.after = GetCurrentTimestamp() - policy->dedup_window * USECS_PER_SEC;
	if (!alone)
		lock_ids(queue, ids, n);

	for (int i = 0; i < n; i++)
		msg_ids[i] = PGMQ_DEDUP_NEW;
	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; i < lengthof(rels); i++)
		look_in(&look, rels[i], i == current ? dedup->rows : NULL);
	PopActiveSnapshot();

	/* the table to be written stays locked until the transaction ends */
	for (int i = 0; i < lengthof(rels); i++)
		if (i != current)
			relation_close(rels[i], AccessShareLock);
	pfree(look.sent_at);
}

/* Look again for where the rows of ids are. */
static void
rows_find(PgmqDedup *dedup, text **ids, int n)
{
	Look		look = {.ids = ids,.n = n};

	PushActiveSnapshot(GetLatestSnapshot());
	look_in(&look, dedup->rel, dedup->rows);
	PopActiveSnapshot();
}

/*
 * Store that messages have been sent now with ids, which pgmq_dedup_find did not
 * find.  dedup->rows is in the order of ids.
 */
void
pgmq_dedup_put(const PgmqQueue *queue, PgmqDedup *dedup, text **ids,
			   const int64 *msg_ids, int n)
{
	EState	   *estate;
	ResultRelInfo *info = makeNode(ResultRelInfo);
	TupleTableSlot *slot;
	TupleTableSlot *old;
	TimestampTz now = GetCurrentTimestamp();

	/* the queue's triggers have run: they may have changed the table .. */
	if (dedup->invals != pgmq_policy_invals())
		pgmq_idtable_check(queue, dedup->rel);
	/* .. or sent with the same ids */
	if (dedup->puts != put_count)
		rows_find(dedup, ids, n);

	estate = CreateExecutorState();
	InitResultRelInfo(info, dedup->rel, 0, NULL, 0);
	ExecOpenIndices(info, false);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(dedup->rel), &TTSOpsVirtual);
	old = MakeSingleTupleTableSlot(RelationGetDescr(dedup->rel), &TTSOpsVirtual);
	for (int i = 0; i < n; i++)
	{
		ExecClearTuple(slot);
		memset(slot->tts_isnull, false, PGMQ_IDTABLE_COLUMNS * sizeof(bool));
		slot->tts_values[PGMQ_IDTABLE_ID - 1] = PointerGetDatum(ids[i]);
		slot->tts_values[PGMQ_IDTABLE_MSG_ID - 1] = Int64GetDatum(msg_ids[i]);
		slot->tts_values[PGMQ_IDTABLE_SENT_AT - 1] = TimestampTzGetDatum(now);
		ExecStoreVirtualTuple(slot);

		/* a row that is there is too old to count */
		old->tts_tid = dedup->rows[i];
		if (ItemPointerIsValid(&old->tts_tid))
			ExecSimpleRelationUpdate(info, estate, NULL, old, slot);
		else
			ExecSimpleRelationInsert(info, estate, slot);
		ResetPerTupleExprContext(estate);
	}
	ExecDropSingleTupleTableSlot(old);
	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(info);
	FreeExecutorState(estate);
	put_count++;

	/* the next look sees it */
	CommandCounterIncrement();
}

void
pgmq_dedup_end(PgmqDedup *dedup)
{
	relation_close(dedup->rel, NoLock);
	pfree(dedup->rows);
}

/* ----------------------------------------------------------------
 *		Tables come and go
 * ----------------------------------------------------------------
 */

/* Drop a queue's tables, as far as there are any. */
void
pgmq_dedup_drop(const PgmqQueue *queue)
{
	/* a name that does not fit has no tables */
	if (strlen(PGMQ_QUEUE_BASE(queue)) + 3 >= NAMEDATALEN)
		return;
	for (int table = 0; table < PGMQ_IDTABLES; table++)
		pgmq_idtable_drop(queue, table);
}

/*
 * Give a queue the tables that its policy needs, which has just changed from
 * a window of old_window; 0 is none.  If the window has changed the caller
 * has the dedup lock alone.
 */
void
pgmq_dedup_set(const PgmqQueue *queue, int32 old_window, int32 window)
{
	Relation	rels[PGMQ_IDTABLES];
	Relation	first = NULL;
	PgmqRole	saved;
	int			nestlevel;

	if (window == 0)
	{
		if (old_window != 0)
			pgmq_dedup_drop(queue);
		return;
	}

	/* those that are there are checked before any rights are taken over */
	for (int table = 0; table < lengthof(rels); table++)
	{
		rels[table] = pgmq_idtable_open(queue, table, RowExclusiveLock, true);
		if (rels[table] == NULL)
			continue;
		if (first == NULL)
			first = rels[table];
		pgmq_idtable_check_owner(queue, first, rels[table]);
	}

	/*
	 * all belong to one; and the caller has no say in where and how they are
	 * stored
	 */
	saved = pgmq_role_become_owner(first != NULL ? RelationGetRelid(first) :
								   pgmq_policy_table(false));
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("default_tablespace", "", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("default_table_access_method", "heap", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	for (int table = 0; table < lengthof(rels); table++)
		if (rels[table] != NULL)
			relation_close(rels[table], NoLock);
		else
			pgmq_idtable_create(queue, table);
	AtEOXact_GUC(false, nestlevel);
	pgmq_role_restore(saved);
}

/* Has an open table a row that was sent after a time? */
static bool
table_has_after(Relation rel, TimestampTz time)
{
	ScanKeyData key;
	SysScanDesc scan;
	bool		result;

	ScanKeyInit(&key, PGMQ_IDTABLE_SENT_AT, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(time));
	PushActiveSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(rel, InvalidOid, false, GetActiveSnapshot(), 1, &key);
	result = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	PopActiveSnapshot();
	return result;
}

/*
 * Truncate the table of an open queue that is the next to be current, unless
 * it is empty, somebody writes to it, or it holds something of the window.
 * The number of tables truncated, 0 or 1.
 */
int64
pgmq_dedup_rotate(const PgmqQueue *queue, const PgmqPolicy *policy)
{
	char		relname[NAMEDATALEN];
	TimestampTz now = GetCurrentTimestamp();
	int			table;
	Oid			relid;
	Relation	rel;
	bool		idle;
	PgmqRole	saved;

	if (policy == NULL || policy->dedup_window == 0)
		return 0;
	table = (table_at(now, policy->dedup_window) + 1) % PGMQ_IDTABLES;
	pgmq_idtable_name(queue, table, relname);

	/* this lock keeps out those that write, and their rows are all there */
	relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, relname, -1), ShareLock,
									 RVR_MISSING_OK | RVR_SKIP_LOCKED, NULL, NULL);
	if (!OidIsValid(relid))
		return 0;
	rel = relation_open(relid, NoLock);
	/* only a table has pages */
	idle = rel->rd_rel->relkind == RELKIND_RELATION && RelationGetNumberOfBlocks(rel) == 0;
	if (!idle)
	{
		pgmq_idtable_check(queue, rel);
		idle = table_has_after(rel, GetCurrentTimestamp() -
							   policy->dedup_window * USECS_PER_SEC);
	}
	relation_close(rel, NoLock);

	/* those that only look are soon gone */
	for (int i = 0; !idle && !ConditionalLockRelationOid(relid, AccessExclusiveLock); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == TRUNCATE_TRIES)
			idle = true;
		else
			pg_usleep(1000L);
	}
	if (!idle)
	{
		saved = pgmq_role_become_owner(relid);
		pgmq_exec_ddl("TRUNCATE TABLE %s", pgmq_idtable_quoted(queue, table));
		pgmq_role_restore(saved);
	}
	UnlockRelationOid(relid, ShareLock);
	return idle ? 0 : 1;
}
