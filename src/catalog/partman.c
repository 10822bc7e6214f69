/*-------------------------------------------------------------------------
 *
 * partman.c
 *	  The only file that knows pg_partman, versions 4 and 5.
 *
 * pg_partman may live in any schema.  It knows a table by the text
 * <schema>.<name>, unquoted, and keeps a row in part_config for it.  New
 * partitions take their storage parameters from a template table, which it
 * makes in its own schema unless given one.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/partman.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"

/* How pg_partman names a table of ours. */
#define CONFIG_NAME(relname)	psprintf("%s.%s", PGMQ_SCHEMA, relname)

typedef struct Partman
{
	bool		found;
	int			version;		/* the major one */
	char		schema[NAMEDATALEN];
} Partman;

static void
row_partman(TupleTableSlot *slot, void *state)
{
	Partman    *partman = state;
	bool		isnull;

	partman->found = true;
	strlcpy(partman->schema, NameStr(*DatumGetName(slot_getattr(slot, 1, &isnull))),
			NAMEDATALEN);
	partman->version = atoi(TextDatumGetCString(slot_getattr(slot, 2, &isnull)));
}

static Partman
partman_find(void)
{
	Partman		partman = {false};

	pgmq_exec_once("SELECT n.nspname, e.extversion FROM pg_catalog.pg_extension AS e"
				   " JOIN pg_catalog.pg_namespace AS n"
				   " ON e.extnamespace OPERATOR(pg_catalog.=) n.oid"
				   " WHERE e.extname OPERATOR(pg_catalog.=) 'pg_partman'",
				   0, NULL, NULL, false, row_partman, &partman);
	return partman;
}

/* An object of pg_partman's, quoted and qualified. */
static char *
partman_name(const Partman *partman, const char *name)
{
	return quote_qualified_identifier(partman->schema, name);
}

/* The name that pg_partman gives to the template of a table, if it makes it. */
static char *
template_relname(const char *relname)
{
	char	   *name = psprintf("template_%s_%s", PGMQ_SCHEMA, relname);

	/* The longest queue name fills it, see PGMQ_MAX_NAME. */
	name[Min(strlen(name), NAMEDATALEN - 1)] = '\0';
	return name;
}

static Oid
template_find(const Partman *partman, const char *relname)
{
	Oid			schema = get_namespace_oid(partman->schema, true);

	return OidIsValid(schema) ?
		get_relname_relid(template_relname(relname), schema) : InvalidOid;
}

/* Error: P0001 when pg_partman is not installed. */
void
pgmq_partman_require(void)
{
	if (!partman_find().found)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("pg_partman is required for partitioned queues"),
				 errhint("Install the package of pg_partman for this server, then run CREATE EXTENSION pg_partman in this database.")));
}

/*
 * Have pg_partman make and maintain the partitions of a new partitioned
 * table; see pgmq_partman_require.  Its rows about a table of the same name
 * that was dropped by hand are removed first.
 *
 * plan->start is the value that the first partition is to hold; NULL for
 * where the table's data, or time, begins.
 * Errors are pg_partman's, mostly P0001.
 */
void
pgmq_partman_manage(const char *relname, const PgmqPartitions *plan)
{
	Partman		partman = partman_find();
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID, TEXTOID};
	PgmqArg		name = PGMQ_ARG(CStringGetTextDatum(CONFIG_NAME(relname)));
	PgmqArg		args[] = {
		name,
		PGMQ_ARG(CStringGetTextDatum(plan->column)),
		PGMQ_ARG(CStringGetTextDatum(partman.version < 5 ? "native" : "range")),
		plan->interval,
		PGMQ_ARG(Int32GetDatum(plan->premake)),
		plan->start,
	};
	PgmqArg		config[] = {name, plan->retention};
	int			nestlevel = NewGUCNestLevel();

	/*
	 * It trusts the search_path for operators, and leaves it set for the
	 * session as it found it, SET LOCAL or not.
	 */
	RestrictSearchPath();
	pgmq_partman_forget(relname);
	pgmq_exec_once(psprintf("SELECT %s(p_parent_table => $1, p_control => $2,"
							" p_type => $3, p_interval => $4, p_premake => $5,"
							" p_start_partition => $6)",
							partman_name(&partman, "create_parent")),
				   lengthof(args), types, args, false, NULL, NULL);
	pgmq_exec_once(psprintf("UPDATE %s SET retention = $2,"
							" retention_keep_table = false,"
							" retention_keep_index = true,"
							" automatic_maintenance = 'on'"
							" WHERE parent_table OPERATOR(pg_catalog.=) $1",
							partman_name(&partman, "part_config")),
				   lengthof(config), types, config, false, NULL, NULL);
	AtEOXact_GUC(false, nestlevel);
}

/*
 * The table, quoted and qualified, that partitions to come take their storage
 * parameters from; NULL when there is none.
 */
char *
pgmq_partman_template(const char *relname)
{
	Partman		partman = partman_find();

	return OidIsValid(template_find(&partman, relname)) ?
		partman_name(&partman, template_relname(relname)) : NULL;
}

/*
 * Have pg_partman forget a table that is gone, and drop the template that it
 * made for it.  Does nothing when it is not installed.
 */
void
pgmq_partman_forget(const char *relname)
{
	Partman		partman = partman_find();
	Oid			types[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(CONFIG_NAME(relname)))};
	char	   *template;

	if (!partman.found)
		return;
	pgmq_exec_once(psprintf("DELETE FROM %s WHERE parent_table OPERATOR(pg_catalog.=) $1",
							partman_name(&partman, "part_config")),
				   1, types, args, false, NULL, NULL);
	template = pgmq_partman_template(relname);
	if (template != NULL)
		pgmq_exec_ddl("DROP TABLE %s", template);
}

/*
 * The same for a queue whose tables were dropped by hand, as far as the
 * caller has the rights to that.
 */
void
pgmq_partman_clean(const char *relname)
{
	const AclMode needed = ACL_SELECT | ACL_DELETE;
	Partman		partman = partman_find();
	Oid			schema = partman.found ? get_namespace_oid(partman.schema, true) : InvalidOid;
	Oid			config = OidIsValid(schema) ? get_relname_relid("part_config", schema) : InvalidOid;
	Oid			template;

	if (!OidIsValid(config) ||
		object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_USAGE) != ACLCHECK_OK ||
		pg_class_aclmask(config, GetUserId(), needed, ACLMASK_ALL) != needed)
		return;
	template = template_find(&partman, relname);
	if (!OidIsValid(template) || object_ownercheck(RelationRelationId, template, GetUserId()))
		pgmq_partman_forget(relname);
}
