/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  Privileges on a queue.
 *
 * A queue's privileges are those on its tables: grant_queue and revoke_queue
 * only spell out the GRANTs, so what they give is what \dp shows, pg_dump
 * keeps and a plain REVOKE takes back.  The table of rights below is the one
 * place that says what a privilege consists of.
 *
 * No privilege's rights are all part of another's, so the tables show which
 * privileges a role has.  A REVOKE for one privilege can take rights of another:
 * SELECT on a table is one right, though several privileges need it.  So what
 * the role had and is to keep is granted again afterwards.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/grant.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_grant_queue);
PG_FUNCTION_INFO_V1(pgmq_revoke_queue);

/* The relations of a queue that privileges are about. */
typedef enum Part
{
	PART_QUEUE,
	PART_ARCHIVE,
	PART_SEQUENCE,				/* that msg_id is drawn from */
	NUM_PARTS
} Part;

#define SEND		(1 << 0)
#define READ		(1 << 1)
#define INSPECT		(1 << 2)
#define MANAGE		(1 << 3)

static const char *const privilege_names[] = {"send", "read", "inspect", "manage"};

#define MAX_COLUMNS		6

/* One right that a privilege consists of. */
typedef struct Right
{
	int			privilege;
	Part		part;
	AclMode		mode;
	const char *columns[MAX_COLUMNS];	/* none: the whole relation */
} Right;

/*
 * The rights that each privilege consists of.  A send needs to see msg_id for
 * RETURNING, and an archive to see that of the archive.
 */
static const Right rights[] = {
	{SEND, PART_QUEUE, ACL_INSERT, {"vt", "message", "headers"}},
	{SEND, PART_QUEUE, ACL_SELECT, {"msg_id"}},

	{READ, PART_QUEUE, ACL_SELECT, {NULL}},
	{READ, PART_QUEUE, ACL_UPDATE, {"vt", "read_ct", "last_read_at"}},
	{READ, PART_QUEUE, ACL_DELETE, {NULL}},
	{READ, PART_ARCHIVE, ACL_INSERT, {NULL}},
	{READ, PART_ARCHIVE, ACL_SELECT, {"msg_id"}},

	{INSPECT, PART_QUEUE, ACL_SELECT,
	{"msg_id", "read_ct", "enqueued_at", "last_read_at", "vt"}},
	{INSPECT, PART_ARCHIVE, ACL_SELECT,
	{"msg_id", "read_ct", "enqueued_at", "last_read_at", "archived_at", "vt"}},
	{INSPECT, PART_SEQUENCE, ACL_SELECT, {NULL}},

	{MANAGE, PART_QUEUE, ACL_SELECT, {NULL}},
	{MANAGE, PART_QUEUE, ACL_TRUNCATE, {NULL}},
	{MANAGE, PART_ARCHIVE, ACL_SELECT, {NULL}},
	{MANAGE, PART_ARCHIVE, ACL_DELETE, {NULL}},
	{MANAGE, PART_ARCHIVE, ACL_TRUNCATE, {NULL}},
};

/* The arguments of a call. */
typedef struct GrantCall
{
	int			privileges;		/* a set of them */
	Oid			role;			/* ACL_ID_PUBLIC for everybody */
	char	   *role_sql;
	Oid			parts[NUM_PARTS];	/* InvalidOid: there is none */
	const char *names[NUM_PARTS];	/* in SQL; they may be gone at any time */
} GrantCall;

/* ----------------------------------------------------------------
 *		Arguments
 * ----------------------------------------------------------------
 */

static int
privilege_find(const char *name)
{
	for (int i = 0; i < lengthof(privilege_names); i++)
		if (strcmp(name, privilege_names[i]) == 0)
			return 1 << i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown queue privilege \"%s\"", name),
			 errhint("The privileges are: send, read, inspect, manage.")));
}

/*
 * The privileges that argument argno, a text[], names.
 * Errors: 22004 for a NULL, 22023 for no privilege, or an unknown one.
 */
static int
privileges_arg(FunctionCallInfo fcinfo, int argno)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;
	int			result = 0;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("privileges must not be null")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argno), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("privileges must not be null")));
		result |= privilege_find(TextDatumGetCString(names[i]));
	}
	if (result == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no queue privilege is named"),
				 errhint("The privileges are: send, read, inspect, manage.")));
	return result;
}

/*
 * The role that argument argno, a text, names: as in has_table_privilege, the
 * name as it is, or "public" for everybody.
 * Errors: 22004 for NULL, 42704 for no such role.
 */
static void
role_arg(GrantCall *call, FunctionCallInfo fcinfo, int argno)
{
	char	   *name;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strcmp(name, "public") == 0)
	{
		call->role = ACL_ID_PUBLIC;
		call->role_sql = "PUBLIC";
	}
	else
	{
		call->role = get_role_oid(name, false);
		call->role_sql = pstrdup(quote_identifier(name));
	}
}

/* ----------------------------------------------------------------
 *		Looking at privileges
 * ----------------------------------------------------------------
 */

/* Does an access control list give a mode to this role itself? */
static bool
acl_gives(Datum datum, bool isnull, Oid owner, Oid role, AclMode mode)
{
	Acl		   *acl = isnull ? acldefault(OBJECT_TABLE, owner) : DatumGetAclPCopy(datum);
	AclMode		found = ACL_NO_RIGHTS;

	for (int i = 0; i < ACL_NUM(acl); i++)
		if (ACL_DAT(acl)[i].ai_grantee == role)
			found |= ACLITEM_GET_PRIVS(ACL_DAT(acl)[i]);
	pfree(acl);
	return (found & mode) == mode;
}

/* A table that does not exist (any more) gives every right. */
static bool
table_gives(Oid relid, Oid role, AclMode mode)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		isnull;
	Datum		acl;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return true;
	acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	result = acl_gives(acl, isnull, ((Form_pg_class) GETSTRUCT(tuple))->relowner,
					   role, mode);
	ReleaseSysCache(tuple);
	return result;
}

static bool
column_gives(Oid relid, const char *column, Oid role, AclMode mode)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, column);
	bool		isnull;
	Datum		acl;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	acl = SysCacheGetAttr(ATTNAME, tuple, Anum_pg_attribute_attacl, &isnull);
	result = !isnull && acl_gives(acl, false, InvalidOid, role, mode);
	ReleaseSysCache(tuple);
	return result;
}

/* Has the role been granted a right, on the table or on its columns? */
static bool
right_is_granted(const GrantCall *call, const Right *right)
{
	Oid			relid = call->parts[right->part];

	if (!OidIsValid(relid) || table_gives(relid, call->role, right->mode))
		return true;
	for (int i = 0; i < MAX_COLUMNS && right->columns[i] != NULL; i++)
		if (!column_gives(relid, right->columns[i], call->role, right->mode))
			return false;
	return right->columns[0] != NULL;
}

/* The privileges that the role has been granted, all of each. */
static int
privileges_granted(const GrantCall *call)
{
	int			result = SEND | READ | INSPECT | MANAGE;

	for (int i = 0; i < lengthof(rights); i++)
		if (!right_is_granted(call, &rights[i]))
			result &= ~rights[i].privilege;
	return result;
}

/*
 * Refuse a caller that may not grant the rights of a call.  GRANT itself would
 * only warn a role that has the privilege without its grant option.
 * Error: 42501.
 */
static void
check_may_grant(const GrantCall *call)
{
	for (int i = 0; i < lengthof(rights); i++)
	{
		const Right *right = &rights[i];
		Oid			relid = call->parts[right->part];
		AclMode		option = ACL_GRANT_OPTION_FOR(right->mode);
		int			ncolumns = 0;

		if ((call->privileges & right->privilege) == 0 || !OidIsValid(relid))
			continue;
		while (ncolumns < MAX_COLUMNS && right->columns[ncolumns] != NULL)
			ncolumns++;
		if (!pgmq_queue_may_all(relid, option, right->columns, ncolumns))
			aclcheck_error(ACLCHECK_NO_PRIV,
						   right->part == PART_SEQUENCE ? OBJECT_SEQUENCE : OBJECT_TABLE,
						   get_rel_name(relid));
	}
}

/* ----------------------------------------------------------------
 *		Granting and revoking
 * ----------------------------------------------------------------
 */

/* Run GRANT or REVOKE for one right. */
static void
right_change(const GrantCall *call, const Right *right, bool grant)
{
	static const struct
	{
		AclMode		mode;
		const char *name;
	}			modes[] = {
		{ACL_INSERT, "INSERT"},
		{ACL_SELECT, "SELECT"},
		{ACL_UPDATE, "UPDATE"},
		{ACL_DELETE, "DELETE"},
		{ACL_TRUNCATE, "TRUNCATE"},
	};
	Oid			relid = call->parts[right->part];
	StringInfoData sql;
	bool		is_missing = false;
	bool		wholly;

	if (!OidIsValid(relid))
		return;

	/*
	 * Revoke a right on columns from the whole table, which takes it from the
	 * columns, too.  But SELECT on the table may have been granted by itself;
	 * and a caller that may grant on columns only can revoke there only.
	 */
	wholly = right->columns[0] == NULL ||
		(!grant && right->mode != ACL_SELECT &&
		 pg_class_aclcheck_ext(relid, GetUserId(), ACL_GRANT_OPTION_FOR(right->mode),
							   &is_missing) == ACLCHECK_OK);
	initStringInfo(&sql);
	for (int i = 0; i < lengthof(modes); i++)
		if (modes[i].mode == right->mode)
			appendStringInfo(&sql, "%s %s", grant ? "GRANT" : "REVOKE", modes[i].name);
	if (!wholly)
	{
		for (int i = 0; i < MAX_COLUMNS && right->columns[i] != NULL; i++)
			appendStringInfo(&sql, "%s%s", i == 0 ? " (" : ", ", right->columns[i]);
		appendStringInfoChar(&sql, ')');
	}
	appendStringInfo(&sql, " ON %s %s %s %s",
					 right->part == PART_SEQUENCE ? "SEQUENCE" : "TABLE",
					 call->names[right->part],
					 grant ? "TO" : "FROM", call->role_sql);
	pgmq_exec_ddl("%s", sql.data);
	pfree(sql.data);
}

/* Grant or revoke all rights of a set of privileges. */
static void
rights_change(const GrantCall *call, int privileges, bool grant)
{
	for (int i = 0; i < lengthof(rights); i++)
		if (privileges & rights[i].privilege)
			right_change(call, &rights[i], grant);
}

static bool
schema_is_granted(const GrantCall *call)
{
	return object_aclcheck(NamespaceRelationId, get_namespace_oid(PGMQ_SCHEMA, false),
						   call->role, ACL_USAGE) == ACLCHECK_OK;
}

/*
 * Let the role use the schema, unless it can.
 * Error: 42501 when the caller may not grant that.
 */
static void
schema_grant(const GrantCall *call)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);

	if (schema_is_granted(call))
		return;
	if (object_aclcheck(NamespaceRelationId, schema, GetUserId(),
						ACL_GRANT_OPTION_FOR(ACL_USAGE)) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", PGMQ_SCHEMA),
				 errdetail("The role needs USAGE on the schema to use a queue, and you cannot grant that."),
				 errhint("Ask the owner of the schema to run: GRANT USAGE ON SCHEMA %s TO %s",
						 PGMQ_SCHEMA, call->role_sql)));

	/* one at a time, as with a queue; no queue has this name */
	pgmq_lock_name("");
	AcceptInvalidationMessages();
	if (schema_is_granted(call))
		return;
	pgmq_exec_ddl("GRANT USAGE ON SCHEMA " PGMQ_SCHEMA " TO %s", call->role_sql);
}

static void
part_set(GrantCall *call, Part part, Oid relid)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));
	char	   *name = get_rel_name(relid);
	bool		exists = schema != NULL && name != NULL;

	call->parts[part] = exists ? relid : InvalidOid;
	call->names[part] = exists ? pstrdup(quote_qualified_identifier(schema, name)) : NULL;
}

/*
 * Find the relations of a queue.  They may be dropped later.  Error: 55000
 * when the archive is another role's and rights are to be granted on it.
 * Revoking them from the queue must be possible all the same.
 */
static void
parts_find(GrantCall *call, text *queue_name, bool grant)
{
	PgmqQueue	queue;
	Oid			archive;

	pgmq_queue_open(&queue, queue_name, NoLock, PGMQ_NEED_NOTHING, NULL);
	part_set(call, PART_QUEUE, queue.relid);
	if (!OidIsValid(call->parts[PART_QUEUE]))
		pgmq_queue_missing(queue_name, queue.relname);
	pgmq_queue_check_shape(&queue);
	archive = get_relname_relid(psprintf("a_%s", PGMQ_QUEUE_BASE(&queue)),
								get_namespace_oid(PGMQ_SCHEMA, false));
	if (OidIsValid(archive) && grant)
		pgmq_archive_check(&queue, archive);
	else if (OidIsValid(archive) && !pgmq_archive_is_own(&queue, archive))
		archive = InvalidOid;
	part_set(call, PART_ARCHIVE, archive);

	/* the default of a column can name any sequence, also one of another role */
	part_set(call, PART_SEQUENCE, pgmq_queue_sequence(queue.relid));
	if (OidIsValid(call->parts[PART_SEQUENCE]) && get_rel_relkind(queue.relid) != '\0' &&
		pgmq_role_owner(call->parts[PART_SEQUENCE]) != pgmq_role_owner(queue.relid))
		call->parts[PART_SEQUENCE] = InvalidOid;
}

/*
 * Begin a call of (queue_name, role, privileges).  Other sessions' calls about
 * the queue wait, since two GRANTs on one table at the same time would fail.
 */
static void
call_begin(GrantCall *call, FunctionCallInfo fcinfo, bool grant)
{
	text	   *queue_name;
	char		relname[NAMEDATALEN];

	pgmq_check_may_write(grant ? "GRANT" : "REVOKE");
	call->privileges = privileges_arg(fcinfo, 2);
	role_arg(call, fcinfo, 1);
	queue_name = pgmq_name_arg(fcinfo, 0);
	parts_find(call, queue_name, grant);
	check_may_grant(call);

	pgmq_name_format(queue_name, 'q', relname);
	pgmq_lock_name(relname + 2);
	AcceptInvalidationMessages();
	parts_find(call, queue_name, grant);
	check_may_grant(call);
}

/*
 * grant_queue(queue_name text, role text, VARIADIC privileges text[])
 * returns void
 *
 * Errors: 22023 for an unknown privilege, 42704 for an unknown role, 42P01
 * for an unknown queue, 42501 for a caller that may not grant it.
 */
Datum
pgmq_grant_queue(PG_FUNCTION_ARGS)
{
	GrantCall	call;

	call_begin(&call, fcinfo, true);
	schema_grant(&call);
	rights_change(&call, call.privileges, true);
	PG_RETURN_VOID();
}

/*
 * revoke_queue(queue_name text, role text, VARIADIC privileges text[])
 * returns void
 *
 * Errors: those of grant_queue; 2BP01 when the role has granted it further. A
 * warning, 01006, when another role has granted it, too.
 */
Datum
pgmq_revoke_queue(PG_FUNCTION_ARGS)
{
	GrantCall	call;
	int			kept;

	call_begin(&call, fcinfo, false);
	kept = privileges_granted(&call) & ~call.privileges;
	rights_change(&call, call.privileges, false);
	rights_change(&call, kept & ~privileges_granted(&call), true);

	/* REVOKE does not warn of this */
	if ((privileges_granted(&call) & call.privileges) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING_PRIVILEGE_NOT_REVOKED),
				 errmsg("%s keeps privileges on the queue that were granted by others",
						call.role_sql),
				 errhint("The access privileges of its tables show their grantors.")));
	PG_RETURN_VOID();
}
