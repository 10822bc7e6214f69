/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Acting with a table owner's rights for a while.
 *
 * This is for the extension's own tables, to which the caller has no rights, as
 * ri_triggers.c does it.  An error restores the role with the transaction.
 *
 * No code that a user made may run with rights that are taken over.  So a table
 * that is written to with them must not have triggers of users.  Nor may a
 * foreign key of another owner refer to it: its statements fire the triggers of
 * the table that refers.  GRANT ALL is enough for a role to make both.  Should
 * some code of a user run nevertheless, it runs in a security-restricted
 * operation, in which it cannot leave anything behind that would run later with
 * other rights.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/role.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "common/common.h"

/* The owner of a relation; InvalidOid if it does not exist. */
Oid
pgmq_role_find_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The same.  Error: an internal one if it does not exist. */
Oid
pgmq_role_owner(Oid relid)
{
	Oid			owner = pgmq_role_find_owner(relid);

	if (!OidIsValid(owner))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return owner;
}

/*
 * Act as the owner of a table, in a security-restricted operation, until
 * pgmq_role_restore.
 */
PgmqRole
pgmq_role_become_owner(Oid relid)
{
	PgmqRole	saved;

	GetUserIdAndSecContext(&saved.roleid, &saved.context);
	SetUserIdAndSecContext(pgmq_role_owner(relid),
						   saved.context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	return saved;
}

/*
 * Act as the owner of a queue that the caller may count, until pgmq_role_restore,
 * since planning a query calls functions that the owner has put into the table's
 * indexes.  A caller who does not see all rows counts as itself.
 */
PgmqRole
pgmq_role_become_counter(Oid relid)
{
	PgmqRole	self;

	if (check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED)
		return pgmq_role_become_owner(relid);
	GetUserIdAndSecContext(&self.roleid, &self.context);
	return self;
}

/* Act as the role that was saved again. */
void
pgmq_role_restore(PgmqRole saved)
{
	SetUserIdAndSecContext(saved.roleid, saved.context);
}

/*
 * The function without arguments of a name that is in the schema of a table.  The
 * schema's name does not matter, since renaming it invalidates no table.
 */
Oid
pgmq_role_find_function(Oid relid, const char *name)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(get_rel_namespace(relid)));
}

/*
 * The trigger of a user, if there is one, that an open table has for one of some
 * events (of TRIGGER_TYPE_EVENT_MASK).  One that calls a function of ours counts
 * only if ours is false, or a condition could call others.
 */
const Trigger *
pgmq_role_find_trigger(Relation rel, int16 events, bool ours)
{
	int			n = rel->trigdesc == NULL ? 0 : rel->trigdesc->numtriggers;

	for (int i = 0; i < n; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		HeapTuple	tuple;
		Form_pg_proc function;
		bool		is_ours = false;

		if (trigger->tgisinternal || (trigger->tgtype & events) == 0)
			continue;
		if (ours && trigger->tgqual == NULL &&
			HeapTupleIsValid(tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(trigger->tgfoid))))
		{
			/* only superusers can create functions in C */
			function = (Form_pg_proc) GETSTRUCT(tuple);
			is_ours = function->prolang == ClanguageId &&
				function->pronamespace == RelationGetNamespace(rel);
			ReleaseSysCache(tuple);
		}
		if (!is_ours)
			return trigger;
	}
	return NULL;
}

/*
 * Refuse a table, which is locked, that has such a trigger, since it would run
 * with the owner's rights.  Error: 55000.
 */
void
pgmq_role_check_triggers(Oid relid, int16 events, bool ours)
{
	Relation	rel = relation_open(relid, NoLock);
	const Trigger *trigger = pgmq_role_find_trigger(rel, events, ours);

	if (trigger != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"" PGMQ_SCHEMA ".%s\" must not have triggers",
						RelationGetRelationName(rel)),
				 errdetail("Trigger \"%s\" would run with the rights of the table's owner.",
						   trigger->tgname)));
	relation_close(rel, NoLock);
}

/*
 * The trigger, if there is one, by which a foreign key of another owner's
 * table follows what happens to the rows of an open table.
 */
const Trigger *
pgmq_role_find_reference(Relation rel)
{
	int			n = rel->trigdesc == NULL ? 0 : rel->trigdesc->numtriggers;

	for (int i = 0; i < n; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		Oid			owner;

		if (!trigger->tgisinternal || !OidIsValid(trigger->tgconstrrelid) ||
			RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK)
			continue;
		owner = pgmq_role_find_owner(trigger->tgconstrrelid);
		if (OidIsValid(owner) && owner != rel->rd_rel->relowner)
			return trigger;
	}
	return NULL;
}

/*
 * Refuse a table, which is locked, to which a foreign key of another owner's
 * table refers.  Error: 55000.
 */
void
pgmq_role_check_references(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	const Trigger *trigger = pgmq_role_find_reference(rel);

	if (trigger != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"" PGMQ_SCHEMA ".%s\" must not be referenced by tables of other owners",
						RelationGetRelationName(rel)),
				 errdetail("Constraint \"%s\" of table \"%s\" would run with the rights of the table's owner.",
						   get_constraint_name(trigger->tgconstraint),
						   get_rel_name(trigger->tgconstrrelid)),
				 errhint("Drop the constraint, and revoke REFERENCES on the table.")));
	relation_close(rel, NoLock);
}
