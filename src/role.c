/*-------------------------------------------------------------------------
 *
 * role.c
 *	  Acting by a table owner's rights for a while.
 *
 * For tables that belong to the machinery and not to the caller, as
 * ri_triggers.c does it.  An error restores the role with the transaction.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/role.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "pgmq.h"

/* The owner of a relation that exists. */
Oid
pgmq_role_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Act as the owner of a table until pgmq_role_restore. */
PgmqRole
pgmq_role_become_owner(Oid relid)
{
	PgmqRole	saved;

	GetUserIdAndSecContext(&saved.roleid, &saved.context);
	SetUserIdAndSecContext(pgmq_role_owner(relid),
						   saved.context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);
	return saved;
}

/*
 * Refuse a table, locked, that somebody has put a trigger on for one of some
 * events (of TRIGGER_TYPE_EVENT_MASK): who was granted TRIGGER, by a GRANT ALL
 * ON ALL TABLES say, would run it by the owner's rights when the table is
 * written to by these.  Error: 55000.
 */
void
pgmq_role_check_triggers(Oid relid, int16 events)
{
	Relation	rel = relation_open(relid, NoLock);
	int			n = rel->trigdesc == NULL ? 0 : rel->trigdesc->numtriggers;

	for (int i = 0; i < n; i++)
		if (!rel->trigdesc->triggers[i].tgisinternal &&
			(rel->trigdesc->triggers[i].tgtype & events) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"" PGMQ_SCHEMA ".%s\" must not have triggers",
							RelationGetRelationName(rel)),
					 errdetail("Trigger \"%s\" would run with the rights of the table's owner.",
							   rel->trigdesc->triggers[i].tgname)));
	relation_close(rel, NoLock);
}

/*
 * As pgmq_role_become_owner, for an operation in which code of users may run that must not
 * reach beyond its owner's rights, whoever the caller is.
 */
PgmqRole
pgmq_role_restrict(Oid relid)
{
	PgmqRole	saved = pgmq_role_become_owner(relid);
	Oid			roleid;
	int			context;

	GetUserIdAndSecContext(&roleid, &context);
	SetUserIdAndSecContext(roleid, context | SECURITY_RESTRICTED_OPERATION);
	return saved;
}

void
pgmq_role_restore(PgmqRole saved)
{
	SetUserIdAndSecContext(saved.roleid, saved.context);
}
