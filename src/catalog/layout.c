/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  What a queue is made of: its tables, and how they are stored.
 *
 * All files that create queues (manage, partition, convert) use this one, so
 * that every queue has the same layout.
 *
 * Storage of a queue table, which is small at most times and churns:
 *
 *	- No index but the primary key.  A read changes vt, read_ct and
 *	  last_read_at; none of them is indexed, so the new version needs no index
 *	  entry and is pruned within its page (HOT), if the page has room.
 *	- fillfactor 50: the versions that a batch makes cannot be pruned before
 *	  it commits, so a page needs room for a second version of each of its
 *	  rows.  With 70 a third to a half of the updates of batches of 100 leave
 *	  their page.
 *	- toast_tuple_target 128: a row that is too long for one page in four is
 *	  shortened down to this, that is, its whole payload leaves the row.  A
 *	  read then copies a pointer instead of up to 2 kB.
 *	- Vacuum after 1000 dead rows and 2 %: the scan for messages passes over
 *	  what was deleted at the front of the index until vacuum has been there.
 *	  The default of 20 % lets a backlog of millions rot.  It pauses less than
 *	  usual since it mostly meets pages that are in memory.
 *	- Analyze hardly ever: our statements' plans do not depend on statistics,
 *	  and each ANALYZE makes every session plan them again.
 *
 * The archive only grows, for which the defaults are right.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/layout.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"

/* The columns that monitoring may see: all but the messages' contents. */
#define PUBLIC_COLUMNS		"msg_id, read_ct, enqueued_at, last_read_at, vt"

/* The columns between msg_id and the end of the two tables. */
#define READ_COLUMNS \
	" read_ct integer DEFAULT 0 NOT NULL," \
	" enqueued_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL," \
	" last_read_at timestamp with time zone,"
#define BODY_COLUMNS \
	" vt timestamp with time zone DEFAULT pg_catalog.now() NOT NULL," \
	" message pg_catalog.jsonb," \
	" headers pg_catalog.jsonb"

static const char *const kind_names[] = {
	[PGMQ_KIND_LOGGED] = "an ordinary",
	[PGMQ_KIND_UNLOGGED] = "an unlogged",
	[PGMQ_KIND_PARTITIONED] = "a partitioned",
};

/* ----------------------------------------------------------------
 *		Names
 * ----------------------------------------------------------------
 */

/* pgmq.<prefix><base><suffix>, quoted, palloc'd. */
char *
pgmq_layout_name(const char *prefix, const char *base, const char *suffix)
{
	return quote_qualified_identifier(PGMQ_SCHEMA,
									  psprintf("%s%s%s", prefix, base, suffix));
}

/*
 * Create an index on a table, which is quoted and qualified, under a name of
 * ours, or where that is taken under one that the server chooses.
 */
static void
make_index(const char *name, const char *table, const char *columns)
{
	bool		is_free = !OidIsValid(get_relname_relid(name, get_namespace_oid(PGMQ_SCHEMA, false)));

	pgmq_exec_ddl("CREATE INDEX %s ON %s (%s)",
				  is_free ? quote_identifier(name) : "", table, columns);
}

/* The quoted name of a queue's sequence, which was made with its table. */
static char *
sequence_name(const char *base)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	Oid			table = get_relname_relid(psprintf("q_%s", base), schema);
	char	   *name = get_rel_name(pgmq_queue_sequence(table));

	return pgmq_layout_name("", name, "");
}

/* ----------------------------------------------------------------
 *		Tables
 * ----------------------------------------------------------------
 */

/*
 * The columns of a queue table as SQL.  They end before the primary key,
 * which a partitioned queue may need to be another one.
 *
 * Sequences and primary keys get their names, q_x_msg_id_seq and q_x_pkey,
 * from the server, which takes another one where a table that was renamed
 * still has it.
 */
#define QUEUE_COLUMNS(generated) \
	"msg_id bigint GENERATED " generated " AS IDENTITY NOT NULL," \
	READ_COLUMNS BODY_COLUMNS

/* Create the queue table of a queue that is not partitioned. */
void
pgmq_layout_create_queue(const char *base, PgmqKind kind)
{
	bool		unlogged = kind == PGMQ_KIND_UNLOGGED;

	Assert(kind != PGMQ_KIND_PARTITIONED);
	pgmq_exec_ddl("%s TABLE %s (" QUEUE_COLUMNS("ALWAYS") ", PRIMARY KEY (msg_id))"
				  " WITH (" PGMQ_QUEUE_OPTIONS ", " PGMQ_QUEUE_TOAST_OPTIONS ")",
				  unlogged ? "CREATE UNLOGGED" : "CREATE",
				  pgmq_layout_name("q_", base, ""));

	/* After a crash the messages are gone, but no id is given out again. */
	if (unlogged)
		pgmq_exec_ddl("ALTER SEQUENCE %s SET LOGGED", sequence_name(base));
}

/*
 * Create a partitioned queue table, without partitions.  The ids are only
 * BY DEFAULT so that pg_partman can move messages out of the default
 * partition.
 */
void
pgmq_layout_create_queue_partitioned(const char *base, const char *column)
{
	bool		by_id = strcmp(column, "msg_id") == 0;

	pgmq_exec_ddl("CREATE TABLE %s (" QUEUE_COLUMNS("BY DEFAULT") ", PRIMARY KEY (msg_id%s))"
				  " PARTITION BY RANGE (%s)",
				  pgmq_layout_name("q_", base, ""),
				  by_id ? "" : ", enqueued_at", column);
	/* By id the primary key serves. */
	if (!by_id)
		make_index(psprintf("q_%s_part_idx", base), pgmq_layout_name("q_", base, ""), column);
}

/*
 * Create an archive table; partitioned, without partitions, by column when
 * that is not NULL.
 */
void
pgmq_layout_create_archive(const char *base, const char *column)
{
	bool		by_id = column == NULL || strcmp(column, "msg_id") == 0;

	pgmq_exec_ddl("CREATE TABLE %s (msg_id bigint NOT NULL," READ_COLUMNS
				  " archived_at timestamp with time zone DEFAULT pg_catalog.now() NOT NULL,"
				  BODY_COLUMNS ", PRIMARY KEY (msg_id%s))%s",
				  pgmq_layout_name("a_", base, ""),
				  by_id ? "" : ", archived_at",
				  column == NULL ? "" : psprintf(" PARTITION BY RANGE (%s)", column));
	make_index(psprintf("archived_at_idx_%s", base), pgmq_layout_name("a_", base, ""),
			   "archived_at");
}

/*
 * Give a queue table the storage parameters of a queue: the table itself or
 * a partition, by its quoted and qualified name.
 */
void
pgmq_layout_set_storage(const char *table)
{
	pgmq_exec_ddl("ALTER TABLE %s SET (" PGMQ_QUEUE_OPTIONS ", "
				  PGMQ_QUEUE_TOAST_OPTIONS ")", table);
}

/*
 * Have every row that becomes readable announced to the due map, also those
 * that a replication worker writes.  table is quoted and qualified.
 */
static void
set_announce(const char *table)
{
	pgmq_exec_ddl(PGMQ_ANNOUNCE_SQL, table);
	pgmq_exec_ddl(PGMQ_ANNOUNCE_ALWAYS_SQL, table);
}

/* Let pg_monitor see the public columns of a queue, and its sequence. */
static void
grant_queue(const char *base)
{
	pgmq_exec_ddl("GRANT SELECT (" PUBLIC_COLUMNS ") ON %s TO pg_monitor",
				  pgmq_layout_name("q_", base, ""));
	pgmq_exec_ddl("GRANT SELECT ON SEQUENCE %s TO pg_monitor", sequence_name(base));
}

/* Do both for a queue table that is new. */
void
pgmq_layout_announce(const char *base)
{
	set_announce(pgmq_layout_name("q_", base, ""));
	grant_queue(base);
}

/* The same for an archive. */
void
pgmq_layout_grant_archive(const char *base)
{
	pgmq_exec_ddl("GRANT SELECT (" PUBLIC_COLUMNS ", archived_at) ON %s TO pg_monitor",
				  pgmq_layout_name("a_", base, ""));
}

/* The columns of the index that serves reads by group. */
#define GROUP_COLUMNS		PGMQ_GROUP_SQL ", msg_id"

/* How the server shows them. */
#define GROUP_COLUMNS_SHOWN \
	" USING btree (COALESCE((headers ->> '" PGMQ_HEADER_GROUP "'::text)," \
	" '" PGMQ_DEFAULT_GROUP "'::text) COLLATE \"C\", msg_id)"

/* How it shows the column of the index of priorities. */
#define PRIORITY_COLUMN_SHOWN	" USING btree (" PGMQ_KEY_SQL ")"

/* Whether an index serves reads, by its columns as the server shows them. */
static bool
index_serves(Oid relid, const char *columns)
{
	Relation	index = index_open(relid, AccessShareLock);
	bool		result = index->rd_index->indisvalid &&
	heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
	strstr(pg_get_indexdef_string(relid), columns) != NULL;

	index_close(index, AccessShareLock);
	return result;
}

/* Whether an index serves no read: PGMQ's GIN index, or an invalid one. */
static bool
index_is_useless(Oid relid)
{
	Relation	index = index_open(relid, AccessShareLock);
	bool		result = index->rd_rel->relam == GIN_AM_OID || !index->rd_index->indisvalid;

	index_close(index, AccessShareLock);
	return result;
}

/*
 * The index of an open queue that serves reads by its columns, by whichever name;
 * InvalidOid when there is none.
 */
static Oid
index_find(const PgmqQueue *queue, const char *columns)
{
	Relation	rel = table_open(queue->relid, NoLock);
	List	   *indexes = RelationGetIndexList(rel);
	int			nestlevel = NewGUCNestLevel();
	Oid			result = InvalidOid;
	ListCell   *lc;

	/* the server qualifies operators that the path does not find */
	RestrictSearchPath();
	foreach(lc, indexes)
		if (!OidIsValid(result) && index_serves(lfirst_oid(lc), columns))
		result = lfirst_oid(lc);
	AtEOXact_GUC(false, nestlevel);
	table_close(rel, NoLock);
	return result;
}

/* The index of an open queue that serves reads by group. */
Oid
pgmq_layout_group_index(const PgmqQueue *queue)
{
	return index_find(queue, GROUP_COLUMNS_SHOWN);
}

/*
 * Create the index that serves reads by group, unless there is one.  PGMQ's
 * index of its name is a GIN index, which serves nothing here and is replaced;
 * so is one that was left behind by a CREATE INDEX CONCURRENTLY that failed.
 * The queue is open, under a lock that prevents others from creating it.
 * Returns false when there was nothing to do.
 */
bool
pgmq_layout_create_fifo_index(const PgmqQueue *queue)
{
	char	   *relname = psprintf("%s" PGMQ_GROUP_INDEX_SUFFIX, queue->relname);
	Oid			relid = pgmq_layout_group_index(queue);

	if (OidIsValid(relid))
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists, skipping", get_rel_name(relid))));
		return false;
	}

	/* The queue's lock keeps its indexes as they are. */
	relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	if (OidIsValid(relid) && IndexGetRelation(relid, true) == queue->relid &&
		index_is_useless(relid))
	{
		ereport(NOTICE,
				(errmsg("index \"%s\" cannot serve reads by group and is replaced",
						relname)));
		pgmq_exec_ddl("DROP INDEX %s", pgmq_layout_name("", relname, ""));
	}
	make_index(relname, pgmq_layout_name("", queue->relname, ""), GROUP_COLUMNS);
	return true;
}

/* Whether an open queue has what priorities take, or nothing of it, as is wanted. */
bool
pgmq_layout_has_priorities(const PgmqQueue *queue, bool wanted)
{
	return pgmq_priority_is_on(queue->relid) == wanted &&
		OidIsValid(index_find(queue, PRIORITY_COLUMN_SHOWN)) == wanted;
}

/*
 * Give an open queue priorities, or take them away: the argument of its trigger,
 * and the index on keys.  This needs SHARE ROW EXCLUSIVE for the trigger, so
 * that nobody has ids in mind where there are keys, and ACCESS EXCLUSIVE to
 * drop the index.
 */
void
pgmq_layout_set_priorities(const PgmqQueue *queue, bool wanted)
{
	char	   *table = pgmq_layout_name("", queue->relname, "");
	Oid			index;

	pgmq_exec_ddl(PGMQ_ANNOUNCE_REPLACE_SQL, table, wanted ? "'priorities'" : "");
	pgmq_exec_ddl(PGMQ_ANNOUNCE_ALWAYS_SQL, table);
	index = index_find(queue, PRIORITY_COLUMN_SHOWN);
	if (wanted && !OidIsValid(index))
		make_index(psprintf("%s_priority_idx", queue->relname), table, PGMQ_KEY_SQL);
	for (; !wanted && OidIsValid(index); index = index_find(queue, PRIORITY_COLUMN_SHOWN))
		pgmq_exec_ddl("DROP INDEX %s", pgmq_layout_name("", get_rel_name(index), ""));
}

/* ----------------------------------------------------------------
 *		Creating a queue
 * ----------------------------------------------------------------
 */

/* The kind of queue that a table is. */
PgmqKind
pgmq_layout_kind(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? PGMQ_KIND_PARTITIONED :
		get_rel_persistence(relid) == RELPERSISTENCE_UNLOGGED ? PGMQ_KIND_UNLOGGED :
		PGMQ_KIND_LOGGED;
}

static void
refuse_taken(text *queue_name, const char *relname, const char *misfit)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s.%s\" already exists", PGMQ_SCHEMA, relname),
			 errdetail("Queue \"%s\" needs this name, and the relation is not one of its tables.  %s",
					   text_to_cstring(queue_name), misfit)));
}

/* A table of a queue that is about to be looked at. */
typedef struct TableLook
{
	text	   *queue_name;
	bool		known;			/* meta knows the queue */
} TableLook;

/*
 * Lock callback: may the caller know more of a table than that it is there,
 * and is it a queue's, or his own to make a queue of?  No role may take over
 * a table that another role has prepared, least of all a superuser.
 */
static void
callback_find(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	const TableLook *look = arg;
	Oid			owner;

	if (!OidIsValid(relid) || get_rel_relkind(relid) == '\0')
		return;
	if (!pgmq_queue_may(relid, PGMQ_NEED_ANY) &&
		object_aclcheck(NamespaceRelationId, get_rel_namespace(relid),
						GetUserId(), ACL_CREATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->relname);
	owner = pgmq_role_owner(relid);
	if (!look->known && owner != GetUserId())
		refuse_taken(look->queue_name, table->relname,
					 psprintf("It belongs to role \"%s\".", GetUserNameFromId(owner, false)));
}

static Oid
table_find(const char *relname, TableLook *look)
{
	return RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, pstrdup(relname), -1),
									AccessShareLock, RVR_MISSING_OK,
									callback_find, look);
}

/* Make the archive again that an open queue of the caller's has lost. */
static void
archive_complete(const PgmqQueue *queue)
{
	const char *base = PGMQ_QUEUE_BASE(queue);
	Oid			owner = pgmq_role_owner(queue->relid);

	pgmq_layout_create_archive(base, NULL);
	pgmq_layout_grant_archive(base);
	if (owner != GetUserId())
		pgmq_exec_ddl("ALTER TABLE %s OWNER TO %s", pgmq_layout_name("a_", base, ""),
					  quote_identifier(GetUserNameFromId(owner, false)));
}

/* Whether the msg_id of a queue table has a default or is an identity column. */
bool
pgmq_layout_draws_ids(Oid relid)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, "msg_id");
	Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);
	bool		result = column->attidentity != '\0' || column->atthasdef;

	ReleaseSysCache(tuple);
	return result;
}

/* Part of a notice: the owner of a queue that the caller wanted to create. */
static int
notice_owner(const PgmqQueue *queue)
{
	Oid			owner = pgmq_role_owner(queue->relid);

	return owner == GetUserId() ? 0 :
		errdetail("It belongs to role \"%s\".", GetUserNameFromId(owner, false));
}

/*
 * Begin to create a queue: fill in its names, lock its name against sessions
 * that create or drop the same one, and check what there is.
 *
 * True when the caller is to create its tables and then call
 * pgmq_layout_finish.  False when the queue is there already; a notice has
 * been given then.  Tables of the caller's that look like a queue's but are
 * in no row of meta become one; an archive that is missing is made again when
 * the queue is the caller's.
 *
 * Errors: P0001 for a bad name, 42P07 when the name of one of its tables is
 * taken by something else, 55000 when that of the archive is, 42501 when the
 * queue is there and the caller has nothing to do with it, 25006 in a read-only
 * transaction.
 */
bool
pgmq_layout_begin(PgmqQueue *queue, text *queue_name, PgmqKind kind)
{
	const char *base = PGMQ_QUEUE_BASE(queue);
	const char *misfit;
	char		archive[NAMEDATALEN];
	Oid			archive_id;
	bool		is_mine;
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);
	TableLook	look = {queue_name, false};
	PgmqKind	present;

	pgmq_name_validate(queue_name);
	pgmq_name_format(queue_name, 'q', queue->relname);
	pgmq_name_format(queue_name, 'a', archive);
	pgmq_lock_name(base);

	if (OidIsValid(get_relname_relid(queue->relname, schema)) ||
		OidIsValid(get_relname_relid(archive, schema)))
		look.known = pgmq_meta_key(queue) != NULL;
	queue->relid = table_find(queue->relname, &look);
	archive_id = table_find(archive, &look);
	if (!OidIsValid(queue->relid) && !OidIsValid(archive_id))
		return true;

	if (!OidIsValid(queue->relid))
		refuse_taken(queue_name, archive, "There is no queue table beside it.");
	if ((misfit = pgmq_queue_misfit(queue->relid, false)) != NULL)
		refuse_taken(queue_name, queue->relname, misfit);
	is_mine = object_ownercheck(RelationRelationId, queue->relid, GetUserId());
	present = pgmq_layout_kind(queue->relid);
	if (!look.known && !pgmq_layout_draws_ids(queue->relid))
		refuse_taken(queue_name, queue->relname, "Its column \"msg_id\" has no default.");

	if (OidIsValid(archive_id))
	{
		if ((misfit = pgmq_queue_misfit(archive_id, true)) != NULL)
			refuse_taken(queue_name, archive, misfit);
		if (is_mine)
			pgmq_archive_check(queue, archive_id);
	}
	else if (!look.known)
		refuse_taken(queue_name, queue->relname, "There is no archive beside it.");
	else if (is_mine)
		archive_complete(queue);

	if (!look.known)
	{
		pgmq_meta_put(queue, queue_name, present);
		ereport(NOTICE,
				(errmsg("tables \"%s\" and \"%s\" exist already and are now %s queue \"%s\"",
						queue->relname, archive, kind_names[present],
						text_to_cstring(queue_name))));

		/* it may be that of another queue, which had the name before */
		if (pgmq_policy_forget(queue))
		{
			CacheInvalidateRelcacheByRelid(queue->relid);
			ereport(NOTICE,
					(errmsg("a policy of an earlier queue \"%s\" is forgotten",
							text_to_cstring(queue_name))));
		}
	}
	else if (present == kind)
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists, skipping", queue->relname),
				 notice_owner(queue)));
	else
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("queue \"%s\" already exists and remains %s queue",
						text_to_cstring(queue_name), kind_names[present]),
				 notice_owner(queue)));
	return false;
}

/*
 * Finish what pgmq_layout_begin began, once the tables exist.  There may have
 * been a queue of this name before, perhaps of another role, whose tables were
 * dropped by hand.  The new one inherits nothing from it: no policy, no dedup
 * ids, and no bindings or throttle, which go with the row of meta.
 */
void
pgmq_layout_finish(const PgmqQueue *queue, text *queue_name, PgmqKind kind)
{
	PgmqKind	recorded;
	PgmqStream	stream;
	Oid			relid = get_relname_relid(queue->relname, get_namespace_oid(PGMQ_SCHEMA, false));

	/* a table with this OID may have been one, and was dropped by hand */
	if (pgmq_stream_look(relid, &stream))
		pgmq_stream_forget(relid);
	pgmq_layout_announce(PGMQ_QUEUE_BASE(queue));
	pgmq_layout_grant_archive(PGMQ_QUEUE_BASE(queue));

	/* a partitioned queue has told pg_partman of its new tables by now */
	if (kind != PGMQ_KIND_PARTITIONED)
	{
		pgmq_partman_clean(queue->relname);
		pgmq_partman_clean(psprintf("a_%s", PGMQ_QUEUE_BASE(queue)));
	}
	pgmq_dedup_drop(queue);
	(void) pgmq_policy_forget(queue);
	if (pgmq_meta_find(queue, &recorded))
		pgmq_meta_forget(queue);
	pgmq_meta_put(queue, queue_name, kind);
}
