/*-------------------------------------------------------------------------
 *
 * local.c
 *	  Queues as this backend knows them: which map a queue has, and which
 *	  tables are its.
 *
 * A queue's identity is worked out and its map is found when it is first
 * asked for, and again when the relcache callback has marked one of its
 * tables.  The callback does no more than mark: it may come at any time.  What
 * was marked is forgotten at the end of the transaction, when nothing refers
 * to it; and so is everything when it gets too much.
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

/* When more queues are known all are forgotten: 4 MB. */
#define LOCAL_MAX		10000

static HTAB *locals = NULL;		/* of PgmqLocal */
static HTAB *tables = NULL;		/* of PgmqLocalTable */
static bool have_marked = false;	/* some queue may be swept */

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
	/* who waits holds no lock on it */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NIL;
	/* a partition is a piece of its queue, never a queue */
	if (get_rel_relispartition(relid))
		return NIL;
	return find_all_inheritors(relid, NoLock, NULL);
}

/* Make tables known as a queue's; whether any was not. */
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
 * A prepared transaction that wrote to one of some tables, or may have: its
 * locks say so.  The first that there is, or else InvalidTransactionId.
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

/* What this backend knows of a queue, which may be nothing yet. */
static PgmqLocal *
local_entry(Oid relid)
{
	PgmqLocal  *local;
	bool		found;

	make_hashes();
	local = hash_search(locals, &relid, HASH_ENTER, &found);
	if (found)
		return local;
	local->valid = false;
	local->marks = 0;
	local->pending_round = 0;
	local->identity = 0;
	local->map.map = NULL;
	local->ntouches = 0;
	local->wake = 0;
	local->gone = false;
	return local;
}

/*
 * A queue and its map, up to date.  make: if there is no map, make one.
 */
static PgmqLocal *
local_find(Oid relid, bool make)
{
	/* without shared memory there is nothing to know of any */
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

		/*
		 * The callback may mark it again from here on, if it knows the table
		 * that is changed: so go on until we meet no new one.
		 */
		do
		{
			local->valid = true;
			oids = queue_tables(relid);
		} while (tables_enter(relid, oids));
		if (oids != NIL)
			local->identity = pgmq_identity(oids);
		list_free(oids);
	}
	if (local->map.map == NULL && local->identity != 0)
		local->map = make ? pgmq_map_attach(relid, local->identity) :
			pgmq_map_search(relid, local->identity);
	if (make && local->map.map != NULL && pgmq_map_must_list(local->map))
		pgmq_map_list(local->map, max_prepared_xacts == 0 ? InvalidTransactionId :
					  prepared_writer(queue_tables(relid)));
	return local;
}

/*
 * A queue and its map, which is made if need be.  The queue table is locked,
 * but by who waits for it.  Good until the transaction ends.
 */
PgmqLocal *
pgmq_local(Oid relid)
{
	return local_find(relid, true);
}

/*
 * A queue and its map, if it has one.  For who counts it or shows how it
 * stands, and need not have a lock that keeps its triggers as they are.
 */
PgmqLocal *
pgmq_local_known(Oid relid)
{
	return local_find(relid, false);
}

/* The map by which a queue can be looked at; its map is NULL if by none. */
PgmqMapRef
pgmq_local_map(const PgmqLocal *local)
{
	if (local->identity == 0 || local->ntouches > 0)
		return (PgmqMapRef)
	{
		NULL, 0, 0
	};
	return local->map;
}

static void
local_mark(PgmqLocal *local)
{
	local->valid = false;
	local->marks++;
	have_marked = true;
}

/*
 * Forget the queues that were marked, and their tables: they may be gone, and
 * the others are soon known again; so are all when they are too many.  Not
 * while anything refers to them, so at the end of a transaction.
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

/* Relcache callback: mark only. */
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
 * A queue, to remember what is to be announced of it.  Anybody can have a table
 * with our trigger, but shared memory is for queues, and no map is made for
 * others.  They are remembered all the same: a table may become a queue again
 * before the transaction ends, without a lock that would have waited for us.
 */
PgmqLocal *
pgmq_local_announced(const PgmqLocalTable *table)
{
	return table->is_queue ? pgmq_local(table->queue) : local_entry(table->queue);
}

/* What our trigger, by its function, must know of the table that it fires for. */
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

		/* a partition that is being detached has no ancestors any more */
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
		table->valid = true;
	}
	return table;
}
