/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Names of queues, and opening a queue: name -> OID -> lock.
 *
 * A queue's name becomes relation names by one rule, kept here.  A name is
 * resolved afresh on every call: the table's OID under its lock is the only
 * truth, so no cache has to learn that another session drops, renames or
 * creates a queue again.
 *
 * Errors about queues are raised here and nowhere else, so that their texts
 * and codes cannot drift apart.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "common/common.h"

PG_FUNCTION_INFO_V1(pgmq_format_table_name);
PG_FUNCTION_INFO_V1(pgmq_validate_queue_name);

typedef struct QueueColumn
{
	const char *name;
	Oid			type;
	bool		archive;		/* only the archive has it */
} QueueColumn;

/* The columns that the statements of statements.c rely on. */
static const QueueColumn queue_columns[] = {
	{"msg_id", INT8OID, false},
	{"read_ct", INT4OID, false},
	{"enqueued_at", TIMESTAMPTZOID, false},
	{"last_read_at", TIMESTAMPTZOID, false},
	{"vt", TIMESTAMPTZOID, false},
	{"message", JSONBOID, false},
	{"headers", JSONBOID, false},
	{"archived_at", TIMESTAMPTZOID, true},
};

/* Whether a name has none of the characters that PGMQ refuses. */
static bool
name_is_plain(const char *name, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (name[i] == '$' || name[i] == ';' || name[i] == '\'' ||
			(name[i] == '-' && i + 1 < len && name[i + 1] == '-'))
			return false;
	}
	return true;
}

/*
 * Refuse these characters, with PGMQ's words.  (Quoting makes all of them
 * safe; clients match the error.)
 */
static void
name_check_characters(const char *name, int len)
{
	if (!name_is_plain(name, len))
		/* PGMQ's words, with its backslash: clients compare them */
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("queue name contains invalid characters: $, ;, --, or \\'")));
}

/*
 * Whether a text can be the name of a queue; writes the name of its table into
 * relname (NAMEDATALEN bytes).
 */
bool
pgmq_name_is_valid(text *queue_name, char *relname)
{
	return name_is_plain(VARDATA_ANY(queue_name), VARSIZE_ANY_EXHDR(queue_name)) &&
		pgmq_name_fits(queue_name, 'q', relname);
}

/*
 * The lower-case relation name <prefix>_<queue_name>, palloc'd.  Same rule
 * as SQL's lower() under the database's collation, which is how PGMQ named
 * the tables that are already there.
 */
static char *
name_fold(const char *name, int len, const char *prefix)
{
	StringInfoData full;
	bool		plain = true;

	initStringInfo(&full);
	appendStringInfo(&full, "%s_", prefix);
	appendBinaryStringInfo(&full, name, len);

	for (int i = 0; i < full.len && plain; i++)
		plain = !IS_HIGHBIT_SET(full.data[i]) &&
			!(full.data[i] >= 'A' && full.data[i] <= 'Z');
	if (plain)
		return full.data;
	return str_tolower(full.data, full.len, DEFAULT_COLLATION_OID);
}

/*
 * Write the name of a queue's relation into relname (NAMEDATALEN bytes):
 * prefix 'q' for the queue table, 'a' for the archive.  Returns false when the
 * name is too long for a relation, and so for a queue; it is never truncated,
 * since that name could be another table's.
 * Error: P0001 for characters that PGMQ refuses.
 */
bool
pgmq_name_fits(text *queue_name, char prefix, char *relname)
{
	char		prefix_str[2] = {prefix, '\0'};
	char	   *folded;

	name_check_characters(VARDATA_ANY(queue_name),
						  VARSIZE_ANY_EXHDR(queue_name));
	folded = name_fold(VARDATA_ANY(queue_name),
					   VARSIZE_ANY_EXHDR(queue_name), prefix_str);
	return strlcpy(relname, folded, NAMEDATALEN) < NAMEDATALEN;
}

/* The same; error 42P01 when it is too long. */
void
pgmq_name_format(text *queue_name, char prefix, char *relname)
{
	if (!pgmq_name_fits(queue_name, prefix, relname))
		pgmq_queue_missing(queue_name,
						   psprintf("%c_%s", prefix, text_to_cstring(queue_name)));
}

/*
 * Refuse a name for a new queue that is longer than PGMQ_MAX_NAME bytes, as
 * given or in lower case: P0001.  (PGMQ's text says characters, and clients
 * match it.)
 */
void
pgmq_name_validate(text *queue_name)
{
	int			len = VARSIZE_ANY_EXHDR(queue_name);

	if (len > PGMQ_MAX_NAME ||
		strlen(name_fold(VARDATA_ANY(queue_name), len, "q")) > PGMQ_MAX_NAME + 2)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("queue name is too long, maximum length is %d characters",
						PGMQ_MAX_NAME)));
}

/*
 * Argument argno of an SQL function, which is a queue's name.
 * Error: 22004 when it is NULL.
 */
text *
pgmq_name_arg(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("queue name must not be null")));
	return PG_GETARG_TEXT_PP(argno);
}

/*
 * Say that a queue, or one of its relations, does not exist.  The message
 * is the server's own for that relation, since clients parse it.
 */
void
pgmq_queue_missing(text *queue_name, const char *relname)
{
	char	   *name = text_to_cstring(queue_name);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"%s.%s\" does not exist", PGMQ_SCHEMA, relname),
			 errdetail("Queue \"%s\" does not exist.", name),
			 errhint("Create the queue with pgmq.create(), or list the queues with pgmq.list_queues().")));
}

/*
 * Whether the caller has a right to a table, or to any of its columns.  It is
 * asked before anything is done for the caller; the statement that follows
 * checks all rights that it needs.  True for a table that was just dropped,
 * which the lock will show.
 */
bool
pgmq_queue_may(Oid relid, PgmqNeed need)
{
	static const AclMode modes[] = {
		[PGMQ_NEED_NOTHING] = ACL_NO_RIGHTS,
		[PGMQ_NEED_ANY] = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE,
		[PGMQ_NEED_SELECT] = ACL_SELECT,
		[PGMQ_NEED_INSERT] = ACL_INSERT,
		[PGMQ_NEED_UPDATE] = ACL_UPDATE,
		[PGMQ_NEED_DELETE] = ACL_DELETE,
		[PGMQ_NEED_TRIGGER] = ACL_TRIGGER,
		[PGMQ_NEED_OWNER] = ACL_NO_RIGHTS,
	};
	Oid			me = GetUserId();
	bool		is_missing = false;

	if (need == PGMQ_NEED_NOTHING)
		return true;
	if (need == PGMQ_NEED_OWNER)
		return get_rel_relkind(relid) == '\0' || object_ownercheck(RelationRelationId, relid, me);
	if (pg_class_aclcheck_ext(relid, me, modes[need], &is_missing) == ACLCHECK_OK || is_missing)
		return true;
	for (AclMode mode = ACL_INSERT; mode <= ACL_UPDATE; mode <<= 1)
		if ((modes[need] & mode) &&
			pg_attribute_aclcheck_all(relid, me, mode, ACLMASK_ANY) == ACLCHECK_OK)
			return true;
	return need == PGMQ_NEED_ANY && object_ownercheck(RelationRelationId, relid, me);
}

/*
 * Whether the caller has a right to a table, or to each of these columns of it.
 * A column that does not exist counts as one without the right.
 */
bool
pgmq_queue_may_all(Oid relid, AclMode mode, const char *const *columns, int ncolumns)
{
	Oid			me = GetUserId();

	if (pg_class_aclcheck(relid, me, mode) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < ncolumns; i++)
	{
		AttrNumber	attno = get_attnum(relid, columns[i]);

		if (attno == InvalidAttrNumber ||
			pg_attribute_aclcheck(relid, attno, me, mode) != ACLCHECK_OK)
			return false;
	}
	return ncolumns > 0;
}

/*
 * Refuse a relation to which the caller does not have a right.  A relation that
 * was just dropped passes, since the lock will show it.  Error: 42501.
 */
void
pgmq_queue_check_right(Oid relid, const char *relname, PgmqNeed need)
{
	if (!pgmq_queue_may(relid, need))
		aclcheck_error(need == PGMQ_NEED_OWNER ? ACLCHECK_NOT_OWNER : ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(relid)), relname);
}

/*
 * Lock callback: may the caller do what it is about to?  The server calls it
 * again for the same table if something has changed while the lock was waited
 * for, and so this and all other lock callbacks check again then.
 */
static void
callback_open(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (OidIsValid(relid))
		pgmq_queue_check_right(relid, table->relname, *(PgmqNeed *) arg);
}

/*
 * Lock a table of the schema by its name, if the caller has the right needed.
 * Returns its OID, or InvalidOid when there is none.  (The server's own
 * callbacks raise an internal error for a table that is being dropped.)
 * Error: 42501.
 */
Oid
pgmq_queue_lock(char *relname, LOCKMODE lockmode, PgmqNeed need)
{
	return RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, relname, -1),
									lockmode, RVR_MISSING_OK, callback_open, &need);
}

/*
 * Refuse, under the name of a command, to write in a read-only transaction
 * (25006), and in a parallel query (25000): a caller of ours may say that it
 * is parallel safe and not be.
 */
void
pgmq_check_may_write(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
}

/*
 * Open a queue: resolve its name and lock its table until the transaction
 * ends.  The lock is the one that the statement to come takes anyway; after
 * it no DDL can change the table, and all invalidations up to now have been
 * read, so that a kept plan's validity can be trusted.
 *
 * need is the least right that the caller must have.  It is checked before the
 * lock, so that a role that may not use a queue can neither hold nor wait for a
 * lock on it, nor reach its due map and its waiters.  (The statement that
 * follows checks all rights that it needs; but there is none when there is
 * nothing to do.)
 *
 * command names what is to be done, for the errors of pgmq_check_may_write;
 * NULL when it only reads.  Other errors: 42P01 no such queue,
 * 42501 no USAGE on the schema or no right to the queue, P0001 a bad name.
 */
void
pgmq_queue_open(PgmqQueue *queue, text *queue_name, LOCKMODE lockmode,
				PgmqNeed need, const char *command)
{
	/* Before the lock: a standby would refuse the lock with a vaguer error. */
	if (command != NULL)
		pgmq_check_may_write(command);

	pgmq_name_format(queue_name, 'q', queue->relname);
	queue->relid = pgmq_queue_lock(queue->relname, lockmode, need);
	if (!OidIsValid(queue->relid))
		pgmq_queue_missing(queue_name, queue->relname);

	/* a lock that this transaction had already has not read them */
	AcceptInvalidationMessages();
}

/*
 * Open a queue; returns false if it does not exist, or the lock cannot be had
 * at once.  No right is checked.
 * Error: P0001 for a bad name.
 */
bool
pgmq_queue_try_open(PgmqQueue *queue, text *queue_name, LOCKMODE lockmode)
{
	if (!pgmq_name_fits(queue_name, 'q', queue->relname))
		return false;
	queue->relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA,
														 queue->relname, -1),
											lockmode,
											RVR_MISSING_OK | RVR_SKIP_LOCKED,
											NULL, NULL);
	return OidIsValid(queue->relid);
}

/*
 * The reason why a relation cannot be a queue table, or an archive, as a
 * sentence for an error's detail; NULL when it can.
 */
const char *
pgmq_queue_misfit(Oid relid, bool archive)
{
	char		relkind = get_rel_relkind(relid);

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		return "It is not a table.";
	if (get_rel_relispartition(relid))
		return "It is a partition of another table.";

	for (int i = 0; i < lengthof(queue_columns); i++)
	{
		HeapTuple	tuple;
		bool		fits;

		if (queue_columns[i].archive && !archive)
			continue;
		tuple = SearchSysCacheAttName(relid, queue_columns[i].name);
		fits = HeapTupleIsValid(tuple) &&
			((Form_pg_attribute) GETSTRUCT(tuple))->atttypid == queue_columns[i].type;
		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (!fits)
			return psprintf("It has no column \"%s\" of type %s.",
							queue_columns[i].name,
							format_type_be(queue_columns[i].type));
	}
	return NULL;
}

/* Whether a table lacks a column that older versions of PGMQ did not have. */
static bool
queue_is_older(Oid relid)
{
	return get_attnum(relid, "msg_id") > 0 && get_attnum(relid, "vt") > 0 &&
		(get_attnum(relid, "last_read_at") <= 0 || get_attnum(relid, "headers") <= 0);
}

/*
 * Check that an open queue's relation is a table with a queue's columns.
 * Error: 42809.  It is called when a plan is built.  Any DDL on the table has
 * the plan built again, so that calls need not check the columns each time.
 */
void
pgmq_queue_check_shape(const PgmqQueue *queue)
{
	const char *misfit = pgmq_queue_misfit(queue->relid, false);

	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not a message queue",
						PGMQ_SCHEMA, queue->relname),
				 errdetail("%s", misfit),
				 queue_is_older(queue->relid) ?
				 errhint("If an older version of PGMQ created it, add the missing columns with pgmq.convert_queue().") : 0));
}

/*
 * format_table_name(queue_name text, prefix text) returns text
 *
 * NULL for a NULL argument.
 */
Datum
pgmq_format_table_name(PG_FUNCTION_ARGS)
{
	text	   *name;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = PG_GETARG_TEXT_PP(0);
	name_check_characters(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	PG_RETURN_TEXT_P(cstring_to_text(name_fold(VARDATA_ANY(name),
											   VARSIZE_ANY_EXHDR(name),
											   text_to_cstring(PG_GETARG_TEXT_PP(1)))));
}

/*
 * validate_queue_name(queue_name text) returns void
 */
Datum
pgmq_validate_queue_name(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0))
		pgmq_name_validate(PG_GETARG_TEXT_PP(0));
	PG_RETURN_VOID();
}
