/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Queues and archives in partitions.
 *
 * An interval that is an integer partitions by msg_id, any other by time: a
 * queue by enqueued_at, an archive by archived_at.  The primary key must hold
 * the partition column, so by time it is (msg_id, that column); statements by
 * msg_id then search every partition, but by index.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/partition.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_create_partitioned);
PG_FUNCTION_INFO_V1(pgmq_convert_archive_partitioned);
PG_FUNCTION_INFO_V1(pgmq_get_partition_col);
PG_FUNCTION_INFO_V1(pgmq_ensure_pg_partman_installed);

/* Is the text an integer, as the server's cast would see it? */
static bool
is_integer(text *value)
{
	char	   *str = text_to_cstring(value);
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(str, &end, 10);
	if (end == str || errno != 0 || number < PG_INT32_MIN || number > PG_INT32_MAX)
		return false;
	while (isspace((unsigned char) *end))
		end++;
	return *end == '\0';
}

/*
 * The arguments partition_interval (1) and retention_interval (2).
 *
 * Errors: 22004 for a NULL interval, 22023 for an integer below 1; 22P02 or
 * 22007, from a cast, for a retention that is not of the interval's kind, which
 * would fail in every run of the maintenance.
 */
static PgmqPartitions
partitions_args(FunctionCallInfo fcinfo, const char *time_column)
{
	PgmqPartitions plan = {.start = PGMQ_ARG_NULL};
	Oid			types[] = {TEXTOID};
	bool		by_id;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("partition_interval must not be null")));
	by_id = is_integer(PG_GETARG_TEXT_PP(1));
	if (by_id && atol(text_to_cstring(PG_GETARG_TEXT_PP(1))) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_interval must be at least 1, got %s",
						text_to_cstring(PG_GETARG_TEXT_PP(1)))));
	plan.column = by_id ? "msg_id" : time_column;
	plan.interval = PGMQ_ARG_FROM(1);
	plan.retention = PGMQ_ARG_FROM(2);
	pgmq_exec_once(by_id ? "SELECT $1::bigint" : "SELECT $1::interval",
				   1, types, &plan.retention, true, NULL, NULL);
	return plan;
}

/*
 * Give a queue's partitions the storage parameters of a queue; future ones get
 * them from pg_partman's template.
 */
static void
set_storage(const char *relname)
{
	Oid			parent = get_relname_relid(relname,
										   get_namespace_oid(PGMQ_SCHEMA, false));
	char	   *template = pgmq_partman_template(relname);
	ListCell   *lc;

	foreach(lc, find_inheritance_children(parent, NoLock))
		pgmq_layout_set_storage(pgmq_layout_name("", get_rel_name(lfirst_oid(lc)), ""));
	if (template != NULL)
		pgmq_layout_set_storage(template);
}

/*
 * create_partitioned(queue_name text, partition_interval text,
 *					  retention_interval text, premake integer) returns void
 */
Datum
pgmq_create_partitioned(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqPartitions plan;
	PgmqQueue	queue;
	const char *base = PGMQ_QUEUE_BASE(&queue);

	pgmq_check_may_write("CREATE TABLE");
	pgmq_name_validate(queue_name);
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("premake must not be null")));
	if (PG_GETARG_INT32(3) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("premake must be at least 1, got %d", PG_GETARG_INT32(3))));
	pgmq_partman_require();
	plan = partitions_args(fcinfo, "enqueued_at");
	plan.premake = PG_GETARG_INT32(3);
	if (!pgmq_layout_begin(&queue, queue_name, PGMQ_KIND_PARTITIONED))
		PG_RETURN_VOID();

	pgmq_layout_create_queue_partitioned(base, plan.column);
	pgmq_partman_manage(queue.relname, &plan);
	set_storage(queue.relname);

	if (strcmp(plan.column, "enqueued_at") == 0)
		plan.column = "archived_at";
	pgmq_layout_create_archive(base, plan.column);
	pgmq_partman_manage(psprintf("a_%s", base), &plan);

	pgmq_layout_finish(&queue, queue_name, PGMQ_KIND_PARTITIONED);
	PG_RETURN_VOID();
}

/*
 * Rename an index of the old archive, if it has one of that name, unless the
 * new name is taken.
 */
static void
index_rename(Oid archive, const char *name, const char *new_name)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	Oid			relid = get_relname_relid(name, schema);

	if (OidIsValid(relid) && IndexGetRelation(relid, true) == archive &&
		!OidIsValid(get_relname_relid(new_name, schema)))
		pgmq_exec_ddl("ALTER INDEX %s RENAME TO %s",
					  pgmq_layout_name("", name, ""), quote_identifier(new_name));
}

/*
 * The least id that a new archive of a queue may get, as an argument for
 * pg_partman; NULL when there is no such queue.  A view in the queue's place would
 * run its owner's functions with the caller's rights.
 * Errors: 42501 when the caller may not read the queue; 42809 when it is none.
 */
static PgmqArg
first_id(PgmqQueue *queue)
{
	int64		start;
	Oid			types[] = {INT8OID};
	PgmqArg		args[1];

	queue->relid = pgmq_queue_lock(queue->relname, AccessShareLock, PGMQ_NEED_SELECT);
	if (!OidIsValid(queue->relid))
		return PGMQ_ARG_NULL;
	pgmq_queue_check_shape(queue);
	args[0] = PGMQ_ARG(Int64GetDatum(pgmq_queue_last_id(queue->relid)));
	pgmq_exec_once(psprintf("SELECT COALESCE(pg_catalog.min(msg_id), $1) FROM %s",
							pgmq_layout_name("", queue->relname, "")),
				   1, types, args, false, pgmq_row_int8, &start);
	return PGMQ_ARG(CStringGetTextDatum(psprintf(INT64_FORMAT, start)));
}

/*
 * The commands that grant on table $2 what is granted on table $1, columns
 * included, as one text.  Runs with a safe search_path.
 */
static const char grants_sql[] =
"SELECT string_agg(format('GRANT %s%s ON %s TO %s%s', g.privilege_type,"
" ' (' || quote_ident(o.attname) || ')', $2::regclass,"
" CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END,"
" CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')"
" FROM (SELECT c.relacl AS acl, NULL::name AS attname"
" FROM pg_class c WHERE c.oid = $1"
" UNION ALL SELECT a.attacl, a.attname FROM pg_attribute a"
" JOIN pg_attribute n ON n.attname = a.attname"
" WHERE a.attrelid = $1 AND n.attrelid = $2 AND a.attnum > 0) AS o,"
" aclexplode(o.acl) AS g";

/*
 * The commands that give table $2 the row-level security of table $1.  A
 * policy that names its own table in a subquery does not fit, which is an
 * error rather than an archive that is open to all.
 */
static const char policies_sql[] =
"SELECT string_agg(s.command, '; ')"
" FROM (SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', $2::regclass)"
" FROM pg_class WHERE oid = $1 AND relrowsecurity"
" UNION ALL SELECT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', $2::regclass)"
" FROM pg_class WHERE oid = $1 AND relforcerowsecurity"
" UNION ALL SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s',"
" p.polname, $2::regclass,"
" CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,"
" CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT'"
" WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,"
" (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ')"
" FROM unnest(p.polroles) AS r),"
" ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',"
" ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')"
" FROM pg_policy p WHERE p.polrelid = $1) AS s (command)";

/*
 * The text that a statement about table $1, and $2, returns; NULL when it
 * says nothing.
 */
static char *
text_of(const char *sql, Oid first, Oid second)
{
	static const Oid types[] = {OIDOID, OIDOID};
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(first)),
		PGMQ_ARG(ObjectIdGetDatum(second)),
	};
	PgmqTexts	texts = {CurrentMemoryContext, NIL};

	pgmq_exec_once(sql, OidIsValid(second) ? 2 : 1, types, args, false, pgmq_row_texts, &texts);
	return texts.list == NIL ? NULL : text_to_cstring(linitial(texts.list));
}

/*
 * Give the new archive the old one's owner, grants and row-level security.  To
 * read a policy is to call the input functions of its constants' types, and these
 * check domains of users.  So it is read with the rights of the role that owns it.
 */
static void
inherit_rights(Oid old_relid, const char *table, const char *relname)
{
	Oid			relid = get_relname_relid(relname,
										  get_namespace_oid(PGMQ_SCHEMA, false));
	Oid			owner = pgmq_role_owner(old_relid);
	int			nestlevel = NewGUCNestLevel();
	char	   *commands;

	RestrictSearchPath();
	if (owner != GetUserId())
		pgmq_exec_ddl("ALTER TABLE %s OWNER TO %s", table,
					  quote_identifier(GetUserNameFromId(owner, false)));
	if ((commands = text_of(grants_sql, old_relid, relid)) != NULL)
		pgmq_exec_ddl("%s", commands);
	if ((commands = text_of(policies_sql, old_relid, relid)) != NULL)
	{
		PgmqRole	saved = pgmq_role_become_owner(relid);

		pgmq_exec_ddl("%s", commands);
		pgmq_role_restore(saved);
	}
	AtEOXact_GUC(false, nestlevel);
}

/*
 * Additions to table $1 that no archive of ours has, and that a new one would
 * not get from it: by kind and name, as one text.  Runs with a safe
 * search_path.
 */
static const char *const extras_sql =
"SELECT string_agg(s.what, ', ' ORDER BY s.what COLLATE \"C\") FROM pg_class c"
" CROSS JOIN LATERAL ("
"SELECT CASE WHEN a.attname NOT IN ('msg_id', 'read_ct', 'enqueued_at', 'last_read_at',"
" 'archived_at', 'vt', 'message', 'headers') THEN format('column %I', a.attname)"
" WHEN a.attcompression <> '' THEN format('compression of column %I', a.attname)"
" WHEN a.attstorage <> t.typstorage THEN format('storage of column %I', a.attname)"
" WHEN COALESCE(a.attstattarget, -1) <> -1 OR a.attoptions::text ~ 'n_distinct'"
" THEN format('statistics of column %I', a.attname)"
" WHEN a.attname IN ('msg_id', 'last_read_at', 'message', 'headers') AND a.atthasdef"
" THEN format('default of column %I', a.attname)"
" WHEN a.attname IN ('last_read_at', 'message', 'headers') AND a.attnotnull"
" THEN format('NOT NULL of column %I', a.attname) END"
" FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
" WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
" UNION ALL SELECT format('constraint %I', o.conname) FROM pg_constraint o"
" WHERE o.conrelid = c.oid AND o.contype NOT IN ('p', 'n', 't')"
" UNION ALL SELECT format('constraint %I of %s', o.conname, o.conrelid::regclass)"
" FROM pg_constraint o WHERE o.confrelid = c.oid AND o.conrelid <> c.oid"
" UNION ALL SELECT format('index %I', n.relname) FROM pg_index i"
" JOIN pg_class n ON n.oid = i.indexrelid"
" WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint o"
" WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))"
" AND (i.indisunique OR i.indpred IS NOT NULL OR"
" pg_get_indexdef(i.indexrelid) !~ ' USING btree \\(archived_at\\)$')"
" UNION ALL SELECT format('trigger %I', g.tgname) FROM pg_trigger g"
" WHERE g.tgrelid = c.oid AND NOT g.tgisinternal"
" UNION ALL SELECT format('rule %I', r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid"
" UNION ALL SELECT format('statistics %I', e.stxname) FROM pg_statistic_ext e"
" WHERE e.stxrelid = c.oid"
" UNION ALL SELECT format('publication %I', p.pubname) FROM pg_publication_rel m"
" JOIN pg_publication p ON p.oid = m.prpubid WHERE m.prrelid = c.oid"
" UNION ALL SELECT 'inheritance' FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)"
" UNION ALL SELECT 'storage parameters' WHERE c.reloptions IS NOT NULL"
" UNION ALL SELECT 'a tablespace' WHERE c.reltablespace <> 0"
" UNION ALL SELECT 'a replica identity' WHERE c.relreplident <> 'd'"
" UNION ALL SELECT 'UNLOGGED' WHERE c.relpersistence = 'u') AS s (what) WHERE c.oid = $1";

/*
 * Refuse to replace an archive by one that would lack what users have added.
 * Error: 0A000, whose detail names that.
 */
static void
check_extras(Oid relid, const char *relname)
{
	char	   *extras;
	int			nestlevel = NewGUCNestLevel();

	RestrictSearchPath();
	extras = text_of(extras_sql, relid, InvalidOid);
	AtEOXact_GUC(false, nestlevel);
	if (extras != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot convert \"%s.%s\", since the new archive would lack some of its properties",
						PGMQ_SCHEMA, relname),
				 errdetail("These would be lost: %s.", extras),
				 errhint("Remove them, and add them to the new archive afterwards.")));
}

/* Lock the table, which must be the caller's; InvalidOid if there is none. */
static Oid
archive_find(char *relname, LOCKMODE lockmode)
{
	return pgmq_queue_lock(relname, lockmode, PGMQ_NEED_OWNER);
}

/*
 * convert_archive_partitioned(table_name text, partition_interval text,
 *							   retention_interval text,
 *							   leading_partition integer) returns void
 *
 * table_name is the queue's; leading_partition, how many partitions to make
 * ahead of the newest.  The new archive has the old one's owner, grants and
 * row-level security; an archive with other additions of users is refused.
 */
Datum
pgmq_convert_archive_partitioned(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	char		archive[NAMEDATALEN];
	const char *base = archive + 2;
	const char *misfit;
	char	   *table;
	Oid			relid;
	PgmqPartitions plan;
	PgmqQueue	queue;

	pgmq_check_may_write("ALTER TABLE");
	pgmq_partman_require();
	pgmq_name_format(queue_name, 'a', archive);
	plan = partitions_args(fcinfo, "archived_at");
	plan.premake = PG_ARGISNULL(3) ? 1 : Max(PG_GETARG_INT32(3), 1);

	/* a caller that owns no such archive must not lock its name */
	relid = archive_find(archive, NoLock);
	if (OidIsValid(relid))
	{
		pgmq_lock_name(base);
		relid = archive_find(archive, AccessExclusiveLock);
	}
	if (!OidIsValid(relid))
	{
		ereport(NOTICE, (errmsg("Table %s does not exists", archive)));
		PG_RETURN_VOID();
	}
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
	{
		ereport(NOTICE, (errmsg("Table %s is already partitioned", archive)));
		PG_RETURN_VOID();
	}

	misfit = pgmq_queue_misfit(relid, true);
	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not an archive of messages",
						PGMQ_SCHEMA, archive),
				 errdetail("%s", misfit)));

	pgmq_name_format(queue_name, 'q', queue.relname);
	queue.relid = get_relname_relid(queue.relname, get_namespace_oid(PGMQ_SCHEMA, false));
	if (OidIsValid(queue.relid))
		pgmq_archive_check(&queue, relid);
	check_extras(relid, archive);

	/* By id, the partitions begin where the queue is now. */
	if (strcmp(plan.column, "msg_id") == 0)
		plan.start = first_id(&queue);

	table = pgmq_layout_name("a_", base, "");
	pgmq_exec_ddl("ALTER TABLE %s RENAME TO %s", table,
				  quote_identifier(psprintf("%s_old", archive)));
	index_rename(relid, psprintf("a_%s_pkey", base), psprintf("a_%s_old_pkey", base));
	index_rename(relid, psprintf("archived_at_idx_%s", base), psprintf("a_%s_old_idx", base));
	pgmq_layout_create_archive(base, plan.column);
	pgmq_layout_grant_archive(base);
	inherit_rights(relid, table, archive);
	pgmq_partman_manage(archive, &plan);
	PG_RETURN_VOID();
}

/* _get_partition_col(partition_interval text) returns text */
Datum
pgmq_get_partition_col(PG_FUNCTION_ARGS)
{
	bool		by_id = PG_ARGISNULL(0) || is_integer(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(by_id ? "msg_id" : "enqueued_at"));
}

/* _ensure_pg_partman_installed() returns void */
Datum
pgmq_ensure_pg_partman_installed(PG_FUNCTION_ARGS)
{
	pgmq_partman_require();
	PG_RETURN_VOID();
}
