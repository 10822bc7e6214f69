/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  What pgmq.meta knows of a queue.
 *
 * Sending, reading and acknowledging never come here: a queue is its table.
 * meta tells management the name as it was given, which bindings, throttles
 * and notification channels use.
 *
 * Its owner can put any other table in its place, so every statement casts
 * what it returns to the type that is read here.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/meta.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_guard_meta);

typedef struct NameState
{
	MemoryContext context;
	text	   *name;
} NameState;

typedef struct NameList
{
	MemoryContext context;
	List	   *list;
} NameList;

/* Row function: keep the first column, a text. */
static void
row_name(TupleTableSlot *slot, void *arg)
{
	NameState  *state = arg;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->name = DatumGetTextPCopy(value);
	MemoryContextSwitchTo(old);
}

/*
 * A queue's name as it was given at create, whichever way it is written
 * here; NULL when meta knows no such queue.
 */
text *
pgmq_meta_name(text *queue_name)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(queue_name))};
	NameState	state = {CurrentMemoryContext, NULL};

	/* databases of PGMQ may hold both spellings: then the one written here */
	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE pg_catalog.lower(queue_name::pg_catalog.text)"
				   " OPERATOR(pg_catalog.=) pg_catalog.lower($1)"
				   " ORDER BY queue_name::pg_catalog.text"
				   " OPERATOR(pg_catalog.=) $1 DESC LIMIT 1",
				   1, argtypes, args, false, row_name, &state);
	return state.name;
}

/*
 * The name by which meta knows an open queue, as it is now; NULL when it does
 * not.  An owner of the queue need not have a right to meta, so it is read by
 * the rights of its own owner, and of nobody else: it may be a view of his.
 * Databases of PGMQ may hold several spellings, of which this is always the
 * same one.
 */
text *
pgmq_meta_key(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	NameState	state = {CurrentMemoryContext, NULL};
	Oid			meta = get_relname_relid("meta", get_namespace_oid(PGMQ_SCHEMA, false));
	PgmqRole	saved;

	if (!OidIsValid(meta))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"" PGMQ_SCHEMA ".meta\" does not exist")));
	saved = pgmq_role_become_owner(meta);
	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE " PGMQ_META_IS
				   " ORDER BY queue_name::pg_catalog.text COLLATE pg_catalog.\"C\" DESC LIMIT 1",
				   1, argtypes, args, true, row_name, &state);
	PopActiveSnapshot();
	pgmq_role_restore(saved);
	return state.name;
}

/* Row function: the kind of queue that is_partitioned and is_unlogged say. */
static void
row_kind(TupleTableSlot *slot, void *state)
{
	bool		isnull;
	bool		partitioned = DatumGetBool(slot_getattr(slot, 1, &isnull));
	bool		unlogged = DatumGetBool(slot_getattr(slot, 2, &isnull));

	*(PgmqKind *) state = partitioned ? PGMQ_KIND_PARTITIONED :
		unlogged ? PGMQ_KIND_UNLOGGED : PGMQ_KIND_LOGGED;
}

/*
 * Whether meta knows a queue, and as what kind.  As it is now: in REPEATABLE
 * READ the transaction's own snapshot may be older than the lock that create
 * or drop waited for.
 */
bool
pgmq_meta_find(const PgmqQueue *queue, PgmqKind *kind)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	uint64		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = pgmq_exec_once("SELECT is_partitioned::pg_catalog.bool, is_unlogged::pg_catalog.bool"
						   " FROM " PGMQ_SCHEMA ".meta WHERE " PGMQ_META_IS,
						   1, argtypes, args, true, row_kind, kind);
	PopActiveSnapshot();
	return found > 0;
}

/* Note that a queue, which meta does not know, is there, and of which kind. */
void
pgmq_meta_put(const PgmqQueue *queue, text *queue_name, PgmqKind kind)
{
	static const Oid argtypes[] = {TEXTOID, BOOLOID, BOOLOID};
	PgmqArg		args[] = {
		PGMQ_ARG(PointerGetDatum(queue_name)),
		PGMQ_ARG(BoolGetDatum(kind == PGMQ_KIND_PARTITIONED)),
		PGMQ_ARG(BoolGetDatum(kind == PGMQ_KIND_UNLOGGED)),
	};

	pgmq_exec_once("INSERT INTO " PGMQ_SCHEMA ".meta"
				   " (queue_name, is_partitioned, is_unlogged)"
				   " VALUES ($1, $2, $3)",
				   3, argtypes, args, false, NULL, NULL);
}

/*
 * Forget a queue, if meta knows it; its bindings and throttle go along.
 * Error: 40001 when the transaction's snapshot is too old to see it.
 */
void
pgmq_meta_forget(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	PgmqKind	recorded;

	if (pgmq_exec_once("DELETE FROM " PGMQ_SCHEMA ".meta WHERE " PGMQ_META_IS,
					   1, argtypes, args, false, NULL, NULL) == 0 &&
		pgmq_meta_find(queue, &recorded))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

/* Row function: add the first column, a text, to a list. */
static void
row_add_name(TupleTableSlot *slot, void *state)
{
	NameList   *names = state;
	bool		isnull;
	Datum		name = slot_getattr(slot, 1, &isnull);
	MemoryContext old = MemoryContextSwitchTo(names->context);

	names->list = lappend(names->list, DatumGetTextPCopy(name));
	MemoryContextSwitchTo(old);
}

/* The names of all queues, as a list of texts, in order. */
List *
pgmq_meta_names(void)
{
	NameList	names = {CurrentMemoryContext, NIL};

	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE queue_name IS NOT NULL ORDER BY queue_name",
				   0, NULL, NULL, false, row_add_name, &names);
	return names.list;
}

/* ----------------------------------------------------------------
 *		What goes with a row
 * ----------------------------------------------------------------
 */

/*
 * Refuse to take a queue out of meta that is not the caller's.  To drop its own
 * queues a role needs DELETE on all rows, and with a row go the bindings of its
 * queue: what is sent by topic would not arrive any more.
 * Error: 42501.
 */
static void
guard_row(const TriggerData *trigger)
{
	Relation	rel = trigger->tg_relation;
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), "queue_name");
	char		relname[NAMEDATALEN];
	Datum		value = (Datum) 0;
	bool		isnull = true;
	Oid			output;
	Oid			relid;
	bool		is_varlena;

	/* the owner of meta could drop the trigger as well */
	if (object_ownercheck(RelationRelationId, RelationGetRelid(rel), GetUserId()))
		return;
	if (attno != InvalidAttrNumber)
		value = heap_getattr(trigger->tg_trigtuple, attno, RelationGetDescr(rel), &isnull);
	if (isnull)
		return;
	getTypeOutputInfo(get_atttype(RelationGetRelid(rel), attno), &output, &is_varlena);
	if (!pgmq_name_is_valid(cstring_to_text(OidOutputFunctionCall(output, value)), relname))
		return;
	relid = get_relname_relid(relname, RelationGetNamespace(rel));
	if (OidIsValid(relid) && !object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, relname);
}

/*
 * _guard_meta() returns trigger
 *
 * Foreign keys delete a queue's bindings and its throttle with its row, by
 * the rights of those tables' owner, whoever deletes it.  So there must be no
 * triggers of users that fire then, nor foreign keys of other owners.  And the
 * queue must be the caller's.
 */
Datum
pgmq_guard_meta(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	static const char *const tables[] = {"topic_bindings", "notify_insert_throttle"};
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);

	/* a role that may not lock our tables can make one with this trigger */
	if (!CALLED_AS_TRIGGER(fcinfo) ||
		RelationGetRelid(trigger->tg_relation) != get_relname_relid("meta", schema))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by a trigger of %s.meta",
						"_guard_meta", PGMQ_SCHEMA)));
	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = get_relname_relid(tables[i], schema);

		if (!OidIsValid(relid))
			continue;

		/* the lock keeps triggers from coming after this look */
		LockRelationOid(relid, RowExclusiveLock);
		if (get_rel_relkind(relid) == '\0')
			continue;
		pgmq_role_check_triggers(relid, TRIGGER_TYPE_DELETE);
		pgmq_role_check_references(relid);
	}
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		return PointerGetDatum(NULL);
	guard_row(trigger);
	return PointerGetDatum(trigger->tg_trigtuple);
}
