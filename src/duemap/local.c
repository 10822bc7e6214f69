/*-------------------------------------------------------------------------
 *
 * local.c
 *	  What this backend caches about queues: which map a queue has, and which
 *	  tables belong to it.
 *
 * A queue's identity is computed and its map is found when it is first needed,
 * and again after the relcache callback has marked one of its tables.  The
 * callback only marks, since it may come at any time.  Marked entries are
 * removed at the end of the transaction, when nothing refers to them, and all
 * entries when there are too many.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/local.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "duemap/duemap.h"

/* When the cache has more queues, all are removed from it. */
#define LOCAL_MAX		10000

static HTAB *locals = NULL;		/* of PgmqLocal */
static HTAB *tables = NULL;		/* of PgmqLocalTable */
static bool have_marked = false;	/* some entry may be removed */

static void
make_hashes(void)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid),.hcxt = CacheMemoryContext};

	if (tables != NULL)
		return;
	ctl.entrysize = sizeof(PgmqLocal);
	locals = hash_create("pgmq_c queues", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.entrysize = sizeof(PgmqLocalTable);
	tables = hash_create("pgmq_c tables", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* A queue's table and all its partitions; none when it was dropped. */
static List *
queue_tables(Oid relid)
{
	/* pgmq.wait holds no lock on it */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NIL;
	/* a partition belongs to a queue, and is never a queue itself */
	if (get_rel_relispartition(relid))
		return NIL;
	return find_all_inheritors(relid, NoLock, NULL);
}

/* Enter tables into the cache as a queue's; returns whether any is new. */
static bool
tables_enter(Oid queue, List *oids)
{
	ListCell   *lc;
	bool		any_new = false;

	foreach(lc, oids)
	{
		bool		found;
		PgmqLocalTable *table = hash_search(tables, &lfirst_oid(lc), HASH_ENTER, &found);

		if (!found)
			table->valid = false;
		any_new = any_new || !found || table->queue != queue;
		table->queue = queue;
	}
	return any_new;
}

/*
 * A prepared transaction whose locks say that it may have written to one of
 * some tables: the first one found, or InvalidTransactionId.
 */
static TransactionId
prepared_writer(List *oids)
{
	ListCell   *lc;
	TransactionId xid = InvalidTransactionId;

	foreach(lc, oids)
	{
		LOCKTAG		tag;
		VirtualTransactionId *holders;
		bool		more;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, lfirst_oid(lc));
		holders = GetLockConflicts(&tag, ShareLock, NULL);
		for (int i = 0; !TransactionIdIsValid(xid) && VirtualTransactionIdIsValid(holders[i]); i++)
			xid = VirtualTransactionIdIsRecoveredPreparedXact(holders[i]) ?
				holders[i].localTransactionId :
				TwoPhaseGetXidByVirtualXID(holders[i], &more);
	}
	return xid;
}

/* The cache entry of a queue, which is not valid yet if it is new. */
static PgmqLocal *
local_entry(Oid relid)
{
	PgmqLocal  *local;
	bool		found;

	make_hashes();
	local = hash_search(locals, &relid, HASH_ENTER, &found);
	if (found)
		return local;
	*local = (PgmqLocal)
	{
		.relid = relid
	};
	return local;
}

/* The cache entry of a queue, up to date.  make: make a map if there is none. */
static PgmqLocal *
local_find(Oid relid, bool make)
{
	/* without shared memory there is nothing to cache */
	static PgmqLocal unknown = {InvalidOid};
	PgmqLocal  *local;

	if (!pgmq_shmem_attach())
		return &unknown;
	AcceptInvalidationMessages();
	local = local_entry(relid);
	if (local->map.map != NULL && !pgmq_map_is_current(local->map))
		local->valid = false;
	if (!local->valid)
	{
		List	   *oids;

		local->map.map = NULL;
		local->identity = 0;
		local->priorities = false;

		/*
		 * The callback can mark the entry again from here on, but only if it
		 * knows the table that changed.  So repeat this until no table is
		 * new.
		 */
		do
		{
			local->valid = true;
			oids = queue_tables(relid);
		} while (tables_enter(relid, oids));
		if (oids != NIL)
			local->identity = pgmq_identity(oids, &local->priorities);
		list_free(oids);
	}
	if (local->map.map == NULL && local->identity != 0)
		local->map = make ? pgmq_directory_make(relid, local->identity) :
			pgmq_directory_find(relid, local->identity);
	if (make && local->map.map != NULL && pgmq_map_must_list(local->map))
		pgmq_map_list(local->map, max_prepared_xacts == 0 ? InvalidTransactionId :
					  prepared_writer(queue_tables(relid)));
	return local;
}

/*
 * The cache entry of a queue, with its map, which is made if there is none.
 * The caller holds a lock on the queue table, but for pgmq.wait.  The entry is
 * good until the transaction ends.  Errors: out of memory, and those of the
 * system caches; never to be called in a callback.
 */
PgmqLocal *
pgmq_local(Oid relid)
{
	return local_find(relid, true);
}

/*
 * The same, but no map is made.  For callers that only show a queue's state or
 * remember something about it, and need no lock that keeps its triggers.
 */
PgmqLocal *
pgmq_local_known(Oid relid)
{
	return local_find(relid, false);
}

/* Whether the cache has a queue, and nothing was changed about it since. */
bool
pgmq_local_is_valid(Oid relid)
{
	const PgmqLocal *local = locals == NULL ? NULL : hash_search(locals, &relid, HASH_FIND, NULL);

	return local != NULL && local->valid;
}

static void
local_mark(PgmqLocal *local)
{
	local->valid = false;
	local->marks++;
	have_marked = true;
}

/*
 * Remove marked queues and their tables from the cache, for they may have been
 * dropped; or everything, when there is too much.  Called at the end of a
 * transaction, when nothing refers to an entry.
 */
void
pgmq_local_sweep(void)
{
	HASH_SEQ_STATUS scan;
	PgmqLocal  *local;
	PgmqLocalTable *table;

	if (locals != NULL && hash_get_num_entries(locals) > LOCAL_MAX)
	{
		hash_destroy(locals);
		hash_destroy(tables);
		locals = tables = NULL;
		have_marked = false;
	}
	if (!have_marked)
		return;
	have_marked = false;
	hash_seq_init(&scan, locals);
	while ((local = hash_seq_search(&scan)) != NULL)
		if (!local->valid)
			(void) hash_search(locals, &local->relid, HASH_REMOVE, NULL);
	hash_seq_init(&scan, tables);
	while ((table = hash_seq_search(&scan)) != NULL)
		if (hash_search(locals, &table->queue, HASH_FIND, NULL) == NULL)
			(void) hash_search(tables, &table->relid, HASH_REMOVE, NULL);
}

/* Relcache callback: mark the queue of a table, or all (InvalidOid). */
void
pgmq_local_inval(Datum arg, Oid relid)
{
	PgmqLocalTable *table;
	PgmqLocal  *local;
	HASH_SEQ_STATUS scan;

	if (tables == NULL)
		return;
	if (OidIsValid(relid))
	{
		table = hash_search(tables, &relid, HASH_FIND, NULL);
		if (table == NULL)
			return;
		table->valid = false;
		local = hash_search(locals, &table->queue, HASH_FIND, NULL);
		if (local != NULL)
			local_mark(local);
		return;
	}
	hash_seq_init(&scan, tables);
	while ((table = hash_seq_search(&scan)) != NULL)
		table->valid = false;
	hash_seq_init(&scan, locals);
	while ((local = hash_seq_search(&scan)) != NULL)
		local_mark(local);
}

/*
 * The cache entry of a table that our trigger fires for, to remember what must
 * be announced.  Any role can put our trigger on a table of its own, so no map
 * is made for a table that is no queue.  It is remembered all the same: it may
 * become a queue again before the transaction ends, by a command whose lock
 * does not wait for us.
 */
PgmqLocal *
pgmq_local_announced(const PgmqLocalTable *table)
{
	return table->is_queue ? pgmq_local(table->queue) : local_entry(table->queue);
}

/*
 * Find what our trigger must know of the table that it fires for. function is
 * the trigger's function.  Error: 42809 if the table has not a queue's
 * columns.
 */
const PgmqLocalTable *
pgmq_local_table(Relation rel, Oid function)
{
	Oid			relid = RelationGetRelid(rel);
	PgmqLocalTable *table;
	bool		found;

	make_hashes();
	table = hash_search(tables, &relid, HASH_FIND, NULL);
	if (table == NULL || !table->valid)
	{
		Oid			queue = relid;
		AttrNumber	msg_id = get_attnum(relid, "msg_id");
		AttrNumber	vt = get_attnum(relid, "vt");

		/* a partition that is being detached no longer has ancestors */
		if (rel->rd_rel->relispartition)
		{
			List	   *ancestors = get_partition_ancestors(relid);

			if (ancestors != NIL)
				queue = llast_oid(ancestors);
		}
		if (msg_id == InvalidAttrNumber || vt == InvalidAttrNumber ||
			get_atttype(relid, msg_id) != INT8OID ||
			get_atttype(relid, vt) != TIMESTAMPTZOID)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a message queue",
							RelationGetRelationName(rel)),
					 errhint("Drop its trigger that calls %s.%s().",
							 PGMQ_SCHEMA, PGMQ_ANNOUNCE_FUNCTION)));
		table = hash_search(tables, &relid, HASH_ENTER, &found);
		table->queue = queue;
		table->is_queue = get_rel_namespace(queue) == get_func_namespace(function);
		table->msg_id = msg_id;
		table->vt = vt;
		table->headers = get_attnum(relid, "headers");
		table->valid = true;
	}
	return table;
}
