/*-------------------------------------------------------------------------
 *
 * idtable.c
 *	  The tables that hold a queue's deduplication ids: d0_ to d2_<name>.
 *
 * They belong to the owner of pgmq.policy and are written by that role's rights:
 * a role that may send need not, and cannot, touch them.  Or they belong to the
 * queue's owner, and are written by the rights of that one: a dump keeps who owns a table,
 * but not who owns the extension.  All three have one owner.
 *
 * Everybody who may create queues can make tables of these names, and a role
 * with grants can hang things on ours.  So a table that has anything but what
 * we give it is refused before any rights are taken over.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/idtable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"

/* ----------------------------------------------------------------
 *		Which are ours
 * ----------------------------------------------------------------
 */

void
pgmq_idtable_name(const PgmqQueue *queue, int table, char *relname)
{
	if (snprintf(relname, NAMEDATALEN, "d%d_%s", table,
				 PGMQ_QUEUE_BASE(queue)) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("queue name \"%s\" is too long for deduplication",
						PGMQ_QUEUE_BASE(queue))));
}

/* Its quoted and qualified name. */
char *
pgmq_idtable_quoted(const PgmqQueue *queue, int table)
{
	char		relname[NAMEDATALEN];

	pgmq_idtable_name(queue, table, relname);
	return quote_qualified_identifier(PGMQ_SCHEMA, relname);
}

/* The OID of one of a queue's tables, without a lock; or InvalidOid. */
static Oid
table_find(const PgmqQueue *queue, int table)
{
	char		relname[NAMEDATALEN];

	pgmq_idtable_name(queue, table, relname);
	return get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
}

/*
 * May a role own the tables of a queue?  If the queue is gone the caller
 * stands for its owner.
 */
static bool
is_our_owner(const PgmqQueue *queue, Oid owner)
{
	return owner == pgmq_role_owner(pgmq_policy_table(false)) ||
		owner == (OidIsValid(queue->relid) ? pgmq_role_owner(queue->relid) : GetUserId());
}

/* Has an open relation the columns that we give to such a table, and no others? */
static bool
table_has_columns(Relation rel)
{
	static const struct
	{
		const char *name;
		Oid			type;
		Oid			collation;
	}			columns[PGMQ_IDTABLE_COLUMNS] = {
		{"dedup_id", TEXTOID, C_COLLATION_OID},
		{"msg_id", INT8OID, InvalidOid},
		{"sent_at", TIMESTAMPTZOID, InvalidOid},
	};
	TupleDesc	desc = RelationGetDescr(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition ||
		desc->natts != PGMQ_IDTABLE_COLUMNS)
		return false;
	for (int i = 0; i < PGMQ_IDTABLE_COLUMNS; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->attinhcount > 0 || column->atthasdef ||
			column->attidentity != '\0' || column->attgenerated != '\0' ||
			column->atttypid != columns[i].type ||
			column->attcollation != columns[i].collation ||
			strcmp(NameStr(column->attname), columns[i].name) != 0)
			return false;
	}
	return true;
}

/* Is the primary key, of the ids, the only index? */
static bool
table_has_key(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	HeapTuple	tuple;
	bool		result = false;

	if (list_length(indexes) != 1 || rel->rd_pkindex != linitial_oid(indexes))
		return false;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(rel->rd_pkindex));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		result = index->indnatts == 1 && index->indkey.values[0] == PGMQ_IDTABLE_ID;
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return result;
}

/*
 * What an open table has that we did not give it, as a sentence for an error's
 * detail; NULL when it is as we make it.  All that code of users can hang on
 * must be looked for, also what only the planner would run.  It is looked for
 * in the relcache, at each use, and costs little beside a statement.
 */
static const char *
table_misfit(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (!table_has_columns(rel))
		return "It has other columns than such a table.";
	if (desc->constr != NULL && desc->constr->num_check > 0)
		return psprintf("It has check constraint \"%s\".", desc->constr->check[0].ccname);
	if (rel->trigdesc != NULL)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[0];

		if (trigger->tgisinternal && OidIsValid(trigger->tgconstraint))
			return psprintf("Constraint \"%s\"%s%s%s hangs on it.",
							get_constraint_name(trigger->tgconstraint),
							OidIsValid(trigger->tgconstrrelid) ? " of table \"" : "",
							OidIsValid(trigger->tgconstrrelid) ? get_rel_name(trigger->tgconstrrelid) : "",
							OidIsValid(trigger->tgconstrrelid) ? "\"" : "");
		return psprintf("It has trigger \"%s\".", trigger->tgname);
	}
	if (rel->rd_rules != NULL)
		return "It has a rule.";
	if (rel->rd_rel->relrowsecurity)
		return "It has row-level security.";
	if (rel->rd_rel->relhassubclass)
		return "Other tables inherit from it.";
	if (!table_has_key(rel))
		return "It has other indexes than a primary key of column \"dedup_id\".";
	if (RelationGetStatExtList(rel) != NIL)
		return "It has extended statistics.";
	return NULL;
}

/*
 * Refuse (55000) an open relation, which is to be one of a queue's tables,
 * unless it is as we make it and belongs to one who may own it.
 */
void
pgmq_idtable_check(const PgmqQueue *queue, Relation rel)
{
	const char *misfit = table_misfit(rel);

	if (misfit == NULL && !is_our_owner(queue, rel->rd_rel->relowner))
		misfit = "It belongs neither to the owner of table \"" PGMQ_SCHEMA ".policy\" nor to that of the queue.";
	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" cannot hold the deduplication ids of queue \"%s\"",
						PGMQ_SCHEMA, RelationGetRelationName(rel), PGMQ_QUEUE_BASE(queue)),
				 errdetail("%s", misfit),
				 errhint("Put that right, or drop the table. The owner of the queue makes it anew by pgmq.set_policy() with an empty object.")));
}

/* Refuse tables of which not all belong to one. */
void
pgmq_idtable_check_owner(const PgmqQueue *queue, Relation first, Relation rel)
{
	if (first->rd_rel->relowner != rel->rd_rel->relowner)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" cannot hold the deduplication ids of queue \"%s\"",
						PGMQ_SCHEMA, RelationGetRelationName(rel), PGMQ_QUEUE_BASE(queue)),
				 errdetail("It has another owner than table \"%s.%s\".",
						   PGMQ_SCHEMA, RelationGetRelationName(first)),
				 errhint("Give both to the owner of the queue, or drop both. The owner of the queue makes them anew by pgmq.set_policy() with an empty object.")));
}

/*
 * Open one of a queue's tables, with a lock, and check it.  Where there is
 * none: NULL if missing_ok, and 55000 if not.
 */
Relation
pgmq_idtable_open(const PgmqQueue *queue, int table, LOCKMODE lockmode, bool missing_ok)
{
	char		relname[NAMEDATALEN];
	Oid			relid;
	Relation	rel;

	pgmq_idtable_name(queue, table, relname);
	relid = RangeVarGetRelid(makeRangeVar(PGMQ_SCHEMA, relname, -1), lockmode, true);
	if (!OidIsValid(relid) && missing_ok)
		return NULL;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" of the deduplication ids of queue \"%s\" does not exist",
						PGMQ_SCHEMA, relname, PGMQ_QUEUE_BASE(queue)),
				 errhint("The owner of the queue makes it anew by pgmq.set_policy() with an empty object.")));
	rel = relation_open(relid, NoLock);
	pgmq_idtable_check(queue, rel);
	return rel;
}

/* ----------------------------------------------------------------
 *		They come and go
 * ----------------------------------------------------------------
 */

void
pgmq_idtable_create(const PgmqQueue *queue, int table)
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
				  unlogged ? "UNLOGGED " : "", pgmq_idtable_quoted(queue, table));
	pgmq_exec_ddl("COMMENT ON TABLE %s IS 'deduplication ids of a queue; do not change'",
				  pgmq_idtable_quoted(queue, table));
}

/* The constraints by which other tables refer to an open one. */
static List *
references_find(Relation rel)
{
	List	   *result = NIL;
	int			n = rel->trigdesc == NULL ? 0 : rel->trigdesc->numtriggers;

	for (int i = 0; i < n; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (!trigger->tgisinternal || !OidIsValid(trigger->tgconstrrelid) ||
			RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK)
			continue;

		/* its owner may have it locked for as long as it likes */
		if (!ConditionalLockRelationOid(trigger->tgconstrrelid, AccessExclusiveLock))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("constraint \"%s\" of table \"%s\" refers to table \"%s.%s\", and is in use",
							get_constraint_name(trigger->tgconstraint),
							get_rel_name(trigger->tgconstrrelid),
							PGMQ_SCHEMA, RelationGetRelationName(rel)),
					 errhint("Drop the constraint, and revoke REFERENCES on the table.")));
		result = list_append_unique_oid(result, trigger->tgconstraint);
	}
	return result;
}

/*
 * Drop one of a queue's tables, if it is there and one of ours, with the
 * foreign keys that refer to it, as DROP .. CASCADE would: a role that was
 * granted REFERENCES on the table is not to keep a queue from being dropped.
 */
void
pgmq_idtable_drop(const PgmqQueue *queue, int table)
{
	Oid			relid = table_find(queue, table);
	Relation	rel;
	List	   *constraints = NIL;
	ListCell   *lc;
	bool		ours;
	PgmqRole	saved;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION ||
		!is_our_owner(queue, pgmq_role_owner(relid)))
		return;
	rel = try_relation_open(relid, AccessExclusiveLock);
	if (rel == NULL)
		return;
	ours = table_has_columns(rel) && is_our_owner(queue, rel->rd_rel->relowner) &&
		table_find(queue, table) == relid;
	if (ours)
		constraints = references_find(rel);
	relation_close(rel, NoLock);
	if (!ours)
		return;

	foreach(lc, constraints)
	{
		ObjectAddress object = {ConstraintRelationId, lfirst_oid(lc), 0};

		ereport(NOTICE,
				(errmsg("drop cascades to constraint %s on table %s",
						get_constraint_name(object.objectId), pgmq_idtable_quoted(queue, table))));
		performDeletion(&object, DROP_RESTRICT, 0);
	}
	saved = pgmq_role_become_owner(relid);
	pgmq_exec_ddl("DROP TABLE %s", pgmq_idtable_quoted(queue, table));
	pgmq_role_restore(saved);
}
