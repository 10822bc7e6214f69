/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  The rows of pgmq.meta, one for each queue.
 *
 * Sending, reading and acknowledging do not use it: a queue is its table.  meta
 * has a queue's name as it was given, which bindings, throttles and notification
 * channels use.
 *
 * The owner of meta can put any other table in its place, so every statement
 * casts what it returns to the type that is read here.
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

/*
 * A queue's name as it was given to create, in whichever case it is written
 * here; NULL when meta has no such queue.  palloc'd in the caller's context.
 */
text *
pgmq_meta_name(text *queue_name)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(queue_name))};
	PgmqTexts	names = {CurrentMemoryContext, NIL};

	/* databases of PGMQ may hold both spellings: then the one written here */
	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE pg_catalog.lower(queue_name::pg_catalog.text)"
				   " OPERATOR(pg_catalog.=) pg_catalog.lower($1)"
				   " ORDER BY queue_name::pg_catalog.text"
				   " OPERATOR(pg_catalog.=) $1 DESC LIMIT 1",
				   1, argtypes, args, false, pgmq_row_texts, &names);
	return names.list == NIL ? NULL : linitial(names.list);
}

/*
 * The name that meta has for an open queue at this moment; NULL when it has
 * none.  The owner of a queue need not have a right to meta, so it is read with
 * the rights of meta's own owner, and no other role's: it may be a view of that
 * owner.  Databases of PGMQ may hold several spellings, of which this always
 * returns the same one.
 */
text *
pgmq_meta_key(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	PgmqTexts	names = {CurrentMemoryContext, NIL};
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
				   1, argtypes, args, true, pgmq_row_texts, &names);
	PopActiveSnapshot();
	pgmq_role_restore(saved);
	return names.list == NIL ? NULL : linitial(names.list);
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
 * Whether meta has a queue, and of which kind.  It is read with the latest
 * snapshot: in REPEATABLE READ that of the transaction may be older than the
 * lock that create or drop waited for.
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

/* Add a queue, which meta does not have, with its kind. */
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
 * Delete a queue's row, if meta has it, and with it its bindings and throttle.
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

/* The names of all queues, as a list of texts, in order. */
List *
pgmq_meta_names(void)
{
	PgmqTexts	names = {CurrentMemoryContext, NIL};

	pgmq_exec_once("SELECT queue_name::pg_catalog.text FROM " PGMQ_SCHEMA ".meta"
				   " WHERE queue_name IS NOT NULL ORDER BY queue_name",
				   0, NULL, NULL, false, pgmq_row_texts, &names);
	return names.list;
}

/* ----------------------------------------------------------------
 *		What goes with a row
 * ----------------------------------------------------------------
 */

/*
 * Refuse to delete the row of a queue that is not the caller's.  To drop
 * queues of its own a role needs DELETE on meta, and so on all rows.  But
 * deleting a row deletes its bindings, and messages sent by topic would no
 * longer arrive.  Error: 42501.
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
 * Foreign keys delete a queue's bindings and its throttle with its row, with the
 * rights of those tables' owner.  So there must be no triggers of users that fire
 * then, nor foreign keys of other owners.  And the queue must be the caller's.
 * Errors: 55000, 42501.
 */
Datum
pgmq_guard_meta(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	static const char *const tables[] = {"topic_bindings", "notify_insert_throttle"};
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);

	/* any role can give a table this trigger, also one that may not lock ours */
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

		/* under the lock no trigger can be added after the check */
		LockRelationOid(relid, RowExclusiveLock);
		if (get_rel_relkind(relid) == '\0')
			continue;
		pgmq_role_check_triggers(relid, TRIGGER_TYPE_DELETE, false);
		pgmq_role_check_references(relid);
	}
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		return PointerGetDatum(NULL);
	guard_row(trigger);
	return PointerGetDatum(trigger->tg_trigtuple);
}
