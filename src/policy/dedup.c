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
 * A sender holds the locks of lock.c: the ids' own, from before the look
 * until the end of the transaction, which makes the second sender of an id
 * wait for the first; and the queue's dedup lock, which a change of the window
 * takes alone.
 * Looks take the newest snapshot whatever the isolation level, since the
 * first sender may have committed after the second one's snapshot.  They are
 * plain scans and not statements, so that the locks on the tables that are
 * only read end with the look; the third table could hardly be truncated
 * otherwise while there are senders.
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
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
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
	TimestampTz after;			/* what was sent later counts */
	Snapshot	before;			/* so does what this does not see */
	text	  **ids;
	int			n;
	int64	   *msg_ids;		/* what was found, in the place of its id */
	TimestampTz *sent_at;
} Look;

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

static ArrayType *
text_array(text **ids, int n)
{
	Datum	   *elems = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elems[i] = PointerGetDatum(ids[i]);
	return construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT);
}

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

/* Look for ids in one table, by the active snapshot. */
static void
look_in(const Look *look, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (RelationGetNumberOfBlocks(rel) == 0)
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

			/* another window may make two of them count: the later one does */
			if ((sent_at > look->after || was_running(tuple, look->before)) &&
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
 * any lock: what it does not see counts whatever the window.  The table, 0 to 2,
 * that the new ones are to be put into.
 */
int
pgmq_dedup_find(const PgmqQueue *queue, const PgmqPolicy *policy,
				Snapshot before, text **ids, int n, bool alone,
				int64 *msg_ids)
{
	int			current = table_at(GetCurrentTimestamp(), policy->dedup_window);
	Relation	rels[PGMQ_IDTABLES];
	Look		look = {
		.before = before,.ids = ids,.n = n,.msg_ids = msg_ids,
		.sent_at = palloc(n * sizeof(TimestampTz))
	};

	/* the table to be written stays locked until the transaction ends */
	for (int i = 0; i < lengthof(rels); i++)
	{
		rels[i] = pgmq_idtable_open(queue, i, i == current ?
									RowExclusiveLock : AccessShareLock, false);
		pgmq_idtable_check_owner(queue, rels[0], rels[i]);
	}

	/* the window is told when nothing can be truncated any more */
	look.after = GetCurrentTimestamp() - policy->dedup_window * USECS_PER_SEC;
	if (!alone)
		lock_ids(queue, ids, n);

	for (int i = 0; i < n; i++)
		msg_ids[i] = PGMQ_DEDUP_NEW;
	PushActiveSnapshot(GetLatestSnapshot());
	for (int i = 0; i < lengthof(rels); i++)
		look_in(&look, rels[i]);
	PopActiveSnapshot();

	for (int i = 0; i < lengthof(rels); i++)
		relation_close(rels[i], i == current ? NoLock : AccessShareLock);
	pfree(look.sent_at);
	return current;
}

/*
 * Store that messages have been sent now with these ids, in the table that
 * pgmq_dedup_find returned.
 */
void
pgmq_dedup_put(const PgmqQueue *queue, int table, text **ids,
			   const int64 *msg_ids, int n)
{
	/* again: the queue's triggers have run, and may have put something on it */
	Relation	rel = pgmq_idtable_open(queue, table, RowExclusiveLock, false);
	PgmqArg		args[3];
	PgmqRole	saved;

	if (n == 1)
	{
		args[0] = PGMQ_ARG(PointerGetDatum(ids[0]));
		args[1] = PGMQ_ARG(Int64GetDatum(msg_ids[0]));
	}
	else
	{
		args[0] = PGMQ_ARG(PointerGetDatum(text_array(ids, n)));
		args[1] = pgmq_int8_array(msg_ids, n);
	}
	args[2] = PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp()));
	saved = pgmq_role_become_owner(RelationGetRelid(rel));
	relation_close(rel, NoLock);
	pgmq_exec(queue, table +
			  (n == 1 ? PGMQ_STMT_DEDUP_PUT_ONE_0 : PGMQ_STMT_DEDUP_PUT_0), args);
	pgmq_role_restore(saved);
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

	/* all belong to one; and the caller has no say in where they are stored */
	saved = pgmq_role_become_owner(first != NULL ? RelationGetRelid(first) :
								   pgmq_policy_table(false));
	nestlevel = NewGUCNestLevel();
	(void) set_config_option("default_tablespace", "", PGC_USERSET, PGC_S_SESSION,
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
	idle = RelationGetNumberOfBlocks(rel) == 0;
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
