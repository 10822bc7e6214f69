/*-------------------------------------------------------------------------
 *
 * dedup.c
 *	  Which deduplication ids a queue has seen lately.
 *
 * A queue whose policy has a dedup window has three tables beside it, d0_ to
 * d2_<name>, one row for each id: which message had it, and when it was sent.
 * Time is cut into generations as long as the window (or GENERATION_MIN), and
 * generation n is table n mod 3.  A send looks for an id in the current and
 * in the previous generation, which hold all of the window, and writes into
 * the current one.  The third table holds nothing that counts, and is
 * truncated by pgmq_dedup_rotate when nobody uses it: the ids that leave the
 * window are never deleted one by one.
 *
 * What counts is always told by sent_at.  So a table that nobody truncated in
 * time is only larger than need be: what is left in it is too old, and gives
 * way when its id comes again.
 *
 * The tables belong to the owner of pgmq.policy and are used by his rights:
 * who may send need not, and cannot, touch them.  Or to the queue's owner, and
 * are used by his: a dump keeps who owns a table, but not who owns the
 * extension.  A table of such a name that is another's is refused, since what
 * hangs on it would run by those rights.
 *
 * Whoever sends holds the locks of lock.c: the ids' own, from before the look
 * until the end of the transaction, which makes the second sender of an id
 * wait for the first; and the gate, which a change of the window closes.
 * Looks take the newest snapshot whatever the isolation level, since the
 * first sender may have committed after the second one's snapshot.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/dedup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "pgmq.h"

/*
 * No generation is shorter, in seconds, so that maintenance once in this time
 * or in a window meets each of them when it can be truncated.
 */
#define GENERATION_MIN		600

/* Where the ids of messages go that are found. */
typedef struct FoundState
{
	int64	   *msg_ids;
	int			n;
} FoundState;

/* ----------------------------------------------------------------
 *		The tables
 * ----------------------------------------------------------------
 */

static void
table_name(const PgmqQueue *queue, int table, char *relname)
{
	if (snprintf(relname, NAMEDATALEN, "d%d_%s", table,
				 PGMQ_QUEUE_BASE(queue)) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("queue name \"%s\" is too long for deduplication",
						PGMQ_QUEUE_BASE(queue))));
}

/* Its quoted and qualified name. */
static char *
table_quoted(const PgmqQueue *queue, int table)
{
	char		relname[NAMEDATALEN];

	table_name(queue, table, relname);
	return quote_qualified_identifier(PGMQ_SCHEMA, relname);
}

/* The OID of one of a queue's tables, without a lock; or InvalidOid. */
static Oid
table_find(const PgmqQueue *queue, int table)
{
	char		relname[NAMEDATALEN];

	table_name(queue, table, relname);
	return get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
}

/* Does it belong to the queue's owner?  To the caller, if the queue is gone. */
static bool
table_is_queue_owners(const PgmqQueue *queue, Oid relid)
{
	return pgmq_role_owner(relid) ==
		(OidIsValid(queue->relid) ? pgmq_role_owner(queue->relid) : GetUserId());
}

/* Is it a table of ours? */
static bool
table_is_ours(const PgmqQueue *queue, Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_RELATION &&
		(pgmq_role_owner(relid) == pgmq_role_owner(pgmq_policy_table(false)) ||
		 table_is_queue_owners(queue, relid));
}

/*
 * Lock one of a queue's tables for use; its OID.
 * Errors: 55000 when it is missing or, unless it is only read, has triggers;
 * 42P07 when it is not ours.
 */
static Oid
table_lock(const PgmqQueue *queue, int table, LOCKMODE lockmode)
{
	char		relname[NAMEDATALEN];
	Oid			relid;

	table_name(queue, table, relname);
	relid = RangeVarGetRelid(makeRangeVar(PGMQ_SCHEMA, relname, -1), lockmode, true);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" of the deduplication ids of queue \"%s\" does not exist",
						PGMQ_SCHEMA, relname, PGMQ_QUEUE_BASE(queue)),
				 errhint("The owner of the queue makes it anew by pgmq.set_policy() with an empty object.")));
	if (!table_is_ours(queue, relid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s.%s\" already exists", PGMQ_SCHEMA, relname),
				 errdetail("Deduplication in queue \"%s\" needs this name, and the relation is not a table of the extension's owner or the queue's.",
						   PGMQ_QUEUE_BASE(queue))));
	if (lockmode != AccessShareLock)
		pgmq_role_check_triggers(relid, TRIGGER_TYPE_EVENT_MASK);
	return relid;
}

/* The number of the generation at a time, for a window in seconds. */
static int64
generation_at(TimestampTz time, int32 window)
{
	int64		length = Max(window, GENERATION_MIN) * USECS_PER_SEC;

	return time / length;
}

/* ----------------------------------------------------------------
 *		Ids
 * ----------------------------------------------------------------
 */

/* Row function: (msg_id bigint), one for each id that was asked for. */
static void
row_found(TupleTableSlot *slot, void *state)
{
	FoundState *found = state;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	found->msg_ids[found->n++] = isnull ? PGMQ_DEDUP_NEW : DatumGetInt64(value);
}

static ArrayType *
text_array(text **ids, int n)
{
	Datum	   *elems = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elems[i] = PointerGetDatum(ids[i]);
	return construct_array(elems, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/*
 * Look for ids, whose locks the caller holds, in the window that ends now.
 * msg_ids gets for each of them the message that had it, or PGMQ_DEDUP_NEW.
 */
void
pgmq_dedup_find(PgmqDedup *dedup, const PgmqQueue *queue,
				const PgmqPolicy * policy, text **ids, int n, int64 *msg_ids)
{
	FoundState	found = {msg_ids, 0};
	PgmqArg		args[2];
	PgmqRole	saved;

	dedup->now = GetCurrentTimestamp();
	dedup->table = generation_at(dedup->now, policy->dedup_window) % 3;
	dedup->relid = table_lock(queue, dedup->table, RowExclusiveLock);
	(void) table_lock(queue, (dedup->table + 2) % 3, AccessShareLock);

	/* one by its own statement, at half the price of an array */
	args[0] = PGMQ_ARG(PointerGetDatum(n == 1 ? (void *) ids[0] :
									   (void *) text_array(ids, n)));
	args[1] = PGMQ_ARG(TimestampTzGetDatum(dedup->now -
										   policy->dedup_window * USECS_PER_SEC));
	saved = pgmq_role_become_owner(dedup->relid);
	pgmq_exec_latest(queue, dedup->table +
					 (n == 1 ? PGMQ_STMT_DEDUP_FIND_ONE_0 : PGMQ_STMT_DEDUP_FIND_0),
					 args, row_found, &found);
	pgmq_role_restore(saved);
}

/* Keep in mind that messages have been sent now with these ids. */
void
pgmq_dedup_put(const PgmqDedup *dedup, const PgmqQueue *queue,
			   text **ids, const int64 *msg_ids, int n)
{
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
	args[2] = PGMQ_ARG(TimestampTzGetDatum(dedup->now));
	saved = pgmq_role_become_owner(dedup->relid);
	pgmq_exec(queue, dedup->table +
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
	for (int table = 0; table < 3; table++)
	{
		Oid			relid;
		PgmqRole	saved;

		/* a name that does not fit has no tables */
		if (strlen(PGMQ_QUEUE_BASE(queue)) + 3 >= NAMEDATALEN)
			return;
		relid = table_find(queue, table);
		if (!OidIsValid(relid) || !table_is_ours(queue, relid))
			continue;
		saved = pgmq_role_become_owner(relid);
		pgmq_exec_ddl("DROP TABLE %s", table_quoted(queue, table));
		pgmq_role_restore(saved);
	}
}

static void
table_create(const PgmqQueue *queue, int table)
{
	bool		unlogged = get_rel_persistence(queue->relid) == RELPERSISTENCE_UNLOGGED;

	/*
	 * Rows are inserted and then truncated: nothing for a vacuum.  Nor does a
	 * plan of ours look at statistics, while each ANALYZE costs all sessions
	 * theirs.
	 */
	pgmq_exec_ddl("CREATE %sTABLE %s"
				  " (dedup_id pg_catalog.text COLLATE pg_catalog.\"C\" PRIMARY KEY,"
				  " msg_id bigint NOT NULL,"
				  " sent_at timestamp with time zone NOT NULL)"
				  " WITH (autovacuum_vacuum_insert_threshold=-1,"
				  " autovacuum_analyze_threshold=2147483647)",
				  unlogged ? "UNLOGGED " : "", table_quoted(queue, table));
	pgmq_exec_ddl("COMMENT ON TABLE %s IS 'deduplication ids of a queue; do not change'",
				  table_quoted(queue, table));
}

/*
 * Put what counts in a window that is new into the table that is current by
 * it, since the length of the generations may be another now.
 */
static void
tables_rearrange(const PgmqQueue *queue, int32 window)
{
	static const Oid argtypes[] = {TIMESTAMPTZOID};
	TimestampTz now = GetCurrentTimestamp();
	PgmqArg		args[] = {PGMQ_ARG(TimestampTzGetDatum(now - window * USECS_PER_SEC))};
	int			current = generation_at(now, window) % 3;

	for (int i = 1; i < 3; i++)
	{
		char	   *other = pstrdup(table_quoted(queue, (current + i) % 3));

		pgmq_exec_once(psprintf("INSERT INTO %s AS d SELECT * FROM %s"
								" WHERE sent_at OPERATOR(pg_catalog.>) $1"
								" ON CONFLICT (dedup_id) DO UPDATE"
								" SET msg_id = EXCLUDED.msg_id, sent_at = EXCLUDED.sent_at"
								" WHERE d.sent_at OPERATOR(pg_catalog.<) EXCLUDED.sent_at",
								table_quoted(queue, current), other),
					   1, argtypes, args, false, NULL, NULL);
		pgmq_exec_ddl("TRUNCATE TABLE %s", other);
	}
}

/*
 * Give a queue the tables that its policy needs, which has just changed from
 * a window of old_window; 0 is none.  The caller has closed the gate if it is
 * another now.
 */
void
pgmq_dedup_set(const PgmqQueue *queue, int32 old_window, int32 window)
{
	Oid			first;
	PgmqRole	saved;

	if (window == 0)
	{
		if (old_window != 0)
			pgmq_dedup_drop(queue);
		return;
	}

	/* all three belong to one */
	first = table_find(queue, 0);
	saved = pgmq_role_become_owner(OidIsValid(first) && table_is_queue_owners(queue, first) ?
								   queue->relid : pgmq_policy_table(false));
	for (int table = 0; table < 3; table++)
	{
		if (OidIsValid(table_find(queue, table)))
			(void) table_lock(queue, table, RowExclusiveLock);
		else
			table_create(queue, table);
	}
	if (window != old_window)
		tables_rearrange(queue, window);
	pgmq_role_restore(saved);
}

/*
 * Truncate the table of an open queue that holds nothing that counts, unless
 * it is empty or somebody uses it.  The number of tables truncated, 0 or 1.
 */
int64
pgmq_dedup_rotate(const PgmqQueue *queue, const PgmqPolicy * policy)
{
	Oid			relid;
	int			table;
	Relation	rel;
	bool		empty;
	PgmqRole	saved;

	if (policy == NULL || policy->dedup_window == 0)
		return 0;
	table = (generation_at(GetCurrentTimestamp(), policy->dedup_window) + 1) % 3;
	relid = table_find(queue, table);
	if (!OidIsValid(relid) ||
		!ConditionalLockRelationOid(relid, AccessExclusiveLock))
		return 0;

	/* it may have been dropped before we had the lock */
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return 0;
	empty = rel->rd_rel->relkind != RELKIND_RELATION ||
		RelationGetNumberOfBlocks(rel) == 0;
	relation_close(rel, NoLock);
	if (empty || table_find(queue, table) != relid || !table_is_ours(queue, relid))
		return 0;
	pgmq_role_check_triggers(relid, TRIGGER_TYPE_EVENT_MASK);

	/* by now its turn may have come, and somebody used it before our lock */
	if ((generation_at(GetCurrentTimestamp(), policy->dedup_window) + 1) % 3 != table)
		return 0;

	saved = pgmq_role_become_owner(relid);
	pgmq_exec_ddl("TRUNCATE TABLE %s", table_quoted(queue, table));
	pgmq_role_restore(saved);
	return 1;
}
