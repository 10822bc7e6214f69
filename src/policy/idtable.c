/*-------------------------------------------------------------------------
 *
 * idtable.c
 *	  The tables that hold a queue's deduplication ids: d0_ to d2_<name>.
 *
 * They belong to the owner of pgmq.policy, or to the queue's owner, because a
 * dump keeps the owner of a table but not that of the extension.  All three have
 * one owner.  They are created, truncated and dropped with that owner's rights.
 * Their rows are written in C, so a role that may send need not, and cannot,
 * touch them.
 *
 * Any role that may create queues can create tables of these names, and a role
 * with grants can add triggers or constraints to ours.  So a table that has
 * anything beyond what we give it is refused before any rights are taken over.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/idtable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
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

/* When the tables of more queues are kept all are forgotten: 1 MB. */
#define KEPT_MAX		10000

/* The lock of a sender on a table. */
#define MODE(table, current)	((table) == (current) ? RowExclusiveLock : AccessShareLock)

/* The tables of a queue, and when they were opened and checked. */
typedef struct IdTables
{
	Oid			relid;			/* hash key: the queue table */
	Oid			tables[PGMQ_IDTABLES];
	uint64		invals;			/* by pgmq_policy_invals */
} IdTables;

static HTAB *idtables = NULL;

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

/*
 * Whether an index of an open table runs no code of users: it is a B-tree of
 * columns alone, in the order that their types have by default.
 */
static bool
index_is_plain(Relation rel, Oid relid)
{
	Relation	index = index_open(relid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	bool		isnull;
	oidvector  *classes = (oidvector *)
	DatumGetPointer(SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
									Anum_pg_index_indclass, &isnull));
	bool		plain = index->rd_rel->relam == BTREE_AM_OID &&
	heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) &&
	heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);

	for (int i = 0; plain && i < form->indnkeyatts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), form->indkey.values[i] - 1);

		plain = index->rd_indcollation[i] == column->attcollation &&
			GetDefaultOpClass(column->atttypid, BTREE_AM_OID) == classes->values[i];
	}
	index_close(index, AccessShareLock);
	return plain;
}

/*
 * The fault of the indexes of an open table, or NULL.  There must be the
 * primary key, of the ids.  Others may be there, as a REINDEX CONCURRENTLY
 * makes one for a while, and leaves it behind when it is canceled.
 */
static const char *
table_misfit_index(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	const char *misfit = NULL;
	HeapTuple	tuple;
	ListCell   *lc;

	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(rel->rd_pkindex));
	if (!HeapTupleIsValid(tuple) ||
		((Form_pg_index) GETSTRUCT(tuple))->indnatts != 1 ||
		((Form_pg_index) GETSTRUCT(tuple))->indkey.values[0] != PGMQ_IDTABLE_ID)
		misfit = "It has no primary key of column \"dedup_id\" alone.";
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	foreach(lc, indexes)
		if (misfit == NULL && lfirst_oid(lc) != rel->rd_pkindex &&
			!index_is_plain(rel, lfirst_oid(lc)))
		misfit = psprintf("Its index \"%s\" is not a B-tree of plain columns.",
						  get_rel_name(lfirst_oid(lc)));
	list_free(indexes);
	return misfit;
}

/*
 * An addition to an open table that is not ours, as a sentence for an error's
 * detail; NULL when it is as we make it.  Everything that can run code of
 * users must be looked for, also what only the planner would run.  It is
 * looked for in the relcache, at each use, and costs little beside a
 * statement.
 */
static const char *
table_misfit(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char *misfit;

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
	if ((misfit = table_misfit_index(rel)) != NULL)
		return misfit;
	if (RelationGetStatExtList(rel) != NIL)
		return "It has extended statistics.";
	return NULL;
}

/* Refuse a table that has a misfit, as a sentence.  Error: 55000. */
static void
misfit_error(const PgmqQueue *queue, const char *relname, const char *misfit)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s.%s\" cannot hold the deduplication ids of queue \"%s\"",
					PGMQ_SCHEMA, relname, PGMQ_QUEUE_BASE(queue)),
			 errdetail("%s", misfit),
			 errhint("Correct that, or drop the table and have the owner of the queue call pgmq.set_policy() with an empty object, which recreates it.")));
}

#define FOREIGN_OWNER \
	"It belongs neither to the owner of table \"" PGMQ_SCHEMA ".policy\" nor to that of the queue."

/*
 * Lock callback: does the table belong to a role that may own it?  Another
 * owner could keep it locked for as long as it likes.
 */
static void
callback_owner(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (OidIsValid(relid) && get_rel_relkind(relid) != '\0' &&
		!is_our_owner(arg, pgmq_role_owner(relid)))
		misfit_error(arg, table->relname, FOREIGN_OWNER);
}

/*
 * Refuse (55000) an open relation, which is to be one of a queue's tables,
 * unless it is as we make it and its owner is one that is allowed.
 */
void
pgmq_idtable_check(const PgmqQueue *queue, Relation rel)
{
	const char *misfit = table_misfit(rel);

	if (misfit == NULL && !is_our_owner(queue, rel->rd_rel->relowner))
		misfit = FOREIGN_OWNER;
	if (misfit != NULL)
		misfit_error(queue, RelationGetRelationName(rel), misfit);
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
				 errhint("Give both to the owner of the queue, or drop both and have that owner call pgmq.set_policy() with an empty object, which recreates them.")));
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
	relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, relname, -1), lockmode,
									 RVR_MISSING_OK, callback_owner, (void *) queue);
	if (!OidIsValid(relid) && missing_ok)
		return NULL;
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" of the deduplication ids of queue \"%s\" does not exist",
						PGMQ_SCHEMA, relname, PGMQ_QUEUE_BASE(queue)),
				 errhint("The owner of the queue can recreate it by calling pgmq.set_policy() with an empty object.")));
	rel = relation_open(relid, NoLock);
	pgmq_idtable_check(queue, rel);
	return rel;
}

/* Open tables that were opened before; false if something has changed. */
static bool
open_kept(const IdTables *kept, int current, Relation *rels)
{
	for (int i = 0; i < PGMQ_IDTABLES; i++)
		LockRelationOid(kept->tables[i], MODE(i, current));
	if (kept->invals == pgmq_policy_invals())
	{
		for (int i = 0; i < PGMQ_IDTABLES; i++)
			rels[i] = relation_open(kept->tables[i], NoLock);
		return true;
	}
	for (int i = 0; i < PGMQ_IDTABLES; i++)
		UnlockRelationOid(kept->tables[i], MODE(i, current));
	return false;
}

/*
 * Open all three of an open queue, with the locks of a sender, and check them.
 * Their OIDs are kept until the next invalidation, of whatever table: a name, an
 * owner, or anything that is checked cannot change without one.
 */
void
pgmq_idtable_open_all(const PgmqQueue *queue, int current, Relation *rels)
{
	IdTables   *found = idtables == NULL ? NULL :
	hash_search(idtables, &queue->relid, HASH_FIND, NULL);
	IdTables	kept = {.relid = queue->relid,.invals = pgmq_policy_invals()};

	if (found != NULL && found->invals == kept.invals)
	{
		kept = *found;
		if (open_kept(&kept, current, rels))
			return;
		kept.invals = pgmq_policy_invals();
	}
	for (int i = 0; i < PGMQ_IDTABLES; i++)
	{
		rels[i] = pgmq_idtable_open(queue, i, MODE(i, current), false);
		pgmq_idtable_check_owner(queue, rels[0], rels[i]);
		kept.tables[i] = RelationGetRelid(rels[i]);
	}
	*(IdTables *) pgmq_policy_remember(&idtables, "pgmq_c tables of ids", sizeof(IdTables),
									   KEPT_MAX, queue->relid, NULL) = kept;
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

		/* its owner may keep it locked for any time */
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
