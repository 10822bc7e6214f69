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
#include "catalog/pg_class.h"
#include "miscadmin.h"
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
 * The same for an operation in which code of users may run that must not
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
