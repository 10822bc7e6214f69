/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  Queues of an earlier PGMQ: converting them to the layout that create
 *	  gives, and adopting tables that have no row of pgmq.meta yet.
 *
 * A queue that was taken over or restored works as it is, only slower: PGMQ's
 * index on vt makes each read write to an index.  Converting it changes what
 * belongs to its tables (indexes, storage parameters, defaults, keys,
 * grants), in place.  No row is rewritten and no column moves, since views,
 * grants and publications of users depend on them.
 *
 * A statement on the catalog returns the commands that are left to do.  So
 * there are none for a queue that has the layout, and a queue that was partly
 * converted is converted to the end.  The commands check the caller's rights and
 * take their own locks.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/convert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_convert_queue);
PG_FUNCTION_INFO_V1(pgmq_convert_queues_all);
PG_FUNCTION_INFO_V1(pgmq_adopt_queue);

/* Is index i the one that PGMQ creates on vt, by whichever name? */
#define IS_VT_INDEX \
	"(i.indnatts = 1 AND NOT i.indisunique" \
	" AND i.indexprs IS NULL AND i.indpred IS NULL" \
	" AND i.indkey[0] = (SELECT v.attnum FROM pg_attribute v" \
	" WHERE v.attrelid = i.indrelid AND v.attname = 'vt'))"

/* Is it the one that PGMQ creates for groups, which no statement here uses? */
#define IS_GIN_INDEX \
	"(i.amname = 'gin'" \
	" AND i.relname::text = 'q_' || $2 || '" PGMQ_GROUP_INDEX_SUFFIX "')"

/*
 * The columns that older versions of PGMQ did not have.  Without a default
 * they rewrite nothing, and every view and grant stays as it is.  Arguments as
 * below.  They come first, since the layout names them.
 */
static const char *const columns_sql =
"SELECT format('ALTER TABLE %s %s', c.oid::regclass,"
" string_agg(format('ADD COLUMN %I %s', n.name, n.type), ', ' ORDER BY n.place))"
" FROM pg_class c, (VALUES (1, 'headers', 'jsonb'),"
" (2, 'last_read_at', 'timestamp with time zone')) AS n (place, name, type)"
" WHERE (c.oid = $1 OR c.relnamespace = 'pgmq'::regnamespace"
" AND c.relname = ('a_' || $2)::name) AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
" AND NOT EXISTS (SELECT FROM pg_attribute a"
" WHERE a.attrelid = c.oid AND a.attname = n.name)"
" GROUP BY c.oid, c.relname ORDER BY c.relname DESC";

/*
 * The commands that a queue still needs: $1 is the queue's table, $2 the part
 * of its names that is its own, $3 its name as the caller gave it, $4 the
 * storage parameters of a queue, $5 the sequence that its ids come from.  Runs
 * with a safe search_path.
 */
static const char *const commands_sql =
/* the queue and its archive */
"WITH root AS MATERIALIZED ("
" SELECT oid, relname, 'q' AS kind, relkind FROM pg_class WHERE oid = $1"
" UNION ALL SELECT oid, relname, 'a', relkind FROM pg_class"
" WHERE relnamespace = 'pgmq'::regnamespace AND relname = ('a_' || $2)::name"
" AND relkind IN ('r', 'p')), "
/* these and their partitions */
"piece AS MATERIALIZED ("
" SELECT c.oid, r.kind, c.relkind, c.reloptions, c.oid = r.oid AS isroot,"
" EXISTS (SELECT FROM aclexplode(c.relacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT') AS readable"
" FROM root r, LATERAL (SELECT r.oid UNION"
" SELECT t.relid FROM pg_partition_tree(r.oid) t) AS t (oid)"
" JOIN pg_class c ON c.oid = t.oid), "
"index AS MATERIALIZED ("
" SELECT x.relname, m.amname, i.*"
" FROM piece p JOIN pg_index i ON i.indrelid = p.oid"
" JOIN pg_class x ON x.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = x.relam"
" WHERE p.kind = 'q' AND NOT x.relispartition), "
/* the caller may not change one of another role */
"sequence AS MATERIALIZED ("
" SELECT s.oid, s.relpersistence, s.relacl, s.relnamespace = q.relnamespace"
" AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
" AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass"
" AND d.deptype IN ('a', 'i')) AS is_free"
" FROM pg_class s JOIN pg_class q ON q.oid = $1 AND q.relowner = s.relowner"
" WHERE s.oid = $5) "
/* PGMQ's index on vt, which every read writes to, and the one for groups */
"SELECT 1, format('DROP INDEX IF EXISTS %s', i.indexrelid::regclass)"
" FROM index i WHERE " IS_VT_INDEX " OR " IS_GIN_INDEX " "
"UNION ALL "
"SELECT 2, format('SELECT pgmq.create_fifo_index(%L)', $3)"
" FROM index i WHERE " IS_GIN_INDEX " "
/* how rows are stored */
"UNION ALL "
"SELECT 3, format('ALTER TABLE %s SET (%s)', p.oid::regclass, $4)"
" FROM piece p"
" WHERE p.kind = 'q' AND p.relkind = 'r'"
" AND EXISTS (SELECT FROM string_to_table(replace($4, ' ', ''), ',') AS o (option)"
" WHERE option NOT LIKE 'toast.%' AND option <> ALL (coalesce(p.reloptions, '{}'))) "
/* a default for vt, so that plain INSERT and COPY need not give it */
"UNION ALL "
"SELECT 4, format('ALTER TABLE %s ALTER vt SET DEFAULT now()', r.oid::regclass)"
" FROM root r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = 'vt'"
" WHERE NOT a.atthasdef "
/* a primary key where PGMQ had none; a partitioned one needs more columns */
"UNION ALL "
"SELECT 5, format('ALTER TABLE %s ADD PRIMARY KEY (msg_id%s)',"
" r.oid::regclass, (SELECT string_agg(', ' || quote_ident(a.attname), '')"
" FROM pg_partitioned_table t JOIN pg_attribute a ON a.attrelid = t.partrelid"
" AND a.attnum = ANY (t.partattrs) AND a.attname <> 'msg_id'"
" WHERE t.partrelid = r.oid))"
" FROM root r"
" WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisprimary) "
/* ids never repeat: the sequence outlives a crash, though the queue does not */
"UNION ALL "
"SELECT 6, format('ALTER SEQUENCE %s SET LOGGED', s.oid::regclass)"
" FROM sequence s WHERE s.relpersistence = 'u' "
/* and it goes where the table goes, as after create */
"UNION ALL "
"SELECT 12, format('ALTER SEQUENCE %s OWNED BY %s.msg_id', s.oid::regclass, $1::regclass)"
" FROM sequence s WHERE s.is_free "
/* pg_monitor reads all but the messages' contents */
"UNION ALL "
"SELECT 7, format('REVOKE SELECT ON %s FROM pg_monitor', p.oid::regclass)"
" FROM piece p WHERE p.readable "
"UNION ALL "
"SELECT 8, format('GRANT SELECT (%s) ON %s TO pg_monitor',"
" string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), p.oid::regclass)"
" FROM piece p JOIN pg_attribute a ON a.attrelid = p.oid"
" AND a.attname IN ('msg_id', 'read_ct', 'enqueued_at', 'last_read_at',"
" 'archived_at', 'vt')"
" WHERE p.isroot OR p.readable"
" GROUP BY p.oid, p.readable"
/* REVOKE takes what was granted on columns, too */
" HAVING p.readable OR bool_or(NOT EXISTS (SELECT FROM aclexplode(a.attacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT')) "
"UNION ALL "
"SELECT 9, format('GRANT SELECT ON SEQUENCE %s TO pg_monitor', s.oid::regclass)"
" FROM sequence s"
" WHERE NOT EXISTS (SELECT FROM aclexplode(s.relacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT') "
/* the trigger that maintains the due map exists, and fires in every role */
"UNION ALL "
"SELECT s.step, format(s.ddl, r.oid::regclass)"
" FROM root r, (VALUES (10, '" PGMQ_ANNOUNCE_SQL "', 'DOAR'),"
" (11, '" PGMQ_ANNOUNCE_ALWAYS_SQL "', 'A')) AS s (step, ddl, states)"
" WHERE r.kind = 'q' AND NOT EXISTS (SELECT FROM pg_trigger t"
" WHERE t.tgrelid = r.oid AND t.tgname = 'pgmq_announce'"
" AND strpos(s.states, t.tgenabled::text) > 0) "
"ORDER BY 1, 2";

/*
 * Indexes of users' own over what a read changes: they are kept, and so is
 * their cost.  $1 is the queue's table.
 */
static const char *const costly_sql =
"SELECT DISTINCT i.indexrelid::regclass::text"
" FROM pg_index i"
" JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
" AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid"
" JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
" WHERE i.indrelid = $1 AND a.attname IN ('vt', 'read_ct', 'last_read_at')"
" AND NOT " IS_VT_INDEX
" ORDER BY 1";

/*
 * Lock a table of a queue in order to change it.  Only its owner gets the
 * lock, which keeps out another session that would change it too.  Readers and
 * writers go on until the first command locks them out.
 */
static Oid
table_lock(text *name, char *relname)
{
	Oid			relid = pgmq_queue_lock(relname, ShareUpdateExclusiveLock, PGMQ_NEED_OWNER);

	if (!OidIsValid(relid))
		pgmq_queue_missing(name, relname);
	return relid;
}

/*
 * Run a statement that returns commands, and then the commands.  The catalog is
 * read with the latest snapshot, whatever the isolation level.  Returns the
 * number of commands.
 */
static int
commands_run(const char *sql, int nargs, const Oid *types, PgmqArg *args)
{
	PgmqTexts	commands = {CurrentMemoryContext, NIL};
	ListCell   *lc;

	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once(sql, nargs, types, args, true, pgmq_row_texts, &commands);
	PopActiveSnapshot();
	foreach(lc, commands.list)
		pgmq_exec_ddl("%s", text_to_cstring(lfirst(lc)));
	return list_length(commands.list);
}

/*
 * Convert a queue, which is locked, to the layout of a new one.  Returns false
 * when there was nothing to do.  Error: 42809 when it lacks a queue's columns.
 */
static bool
queue_convert(const PgmqQueue *queue, text *name)
{
	static const Oid types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID, OIDOID};
	static const char *const detours[] = {"enable_seqscan", "enable_mergejoin", "enable_hashjoin"};
	PgmqArg		args[5];
	PgmqTexts	costly = {CurrentMemoryContext, NIL};
	int			done;
	int			nestlevel;
	ListCell   *lc;

	nestlevel = NewGUCNestLevel();
	RestrictSearchPath();

	args[0] = PGMQ_ARG(ObjectIdGetDatum(queue->relid));
	args[1] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_BASE(queue)));
	args[2] = PGMQ_ARG(PointerGetDatum(name));
	args[3] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_OPTIONS ", "
										   PGMQ_QUEUE_TOAST_OPTIONS));
	args[4] = PGMQ_ARG(ObjectIdGetDatum(pgmq_queue_sequence(queue->relid)));

	/* by the catalog's indexes, however many queues there are */
	for (int i = 0; i < lengthof(detours); i++)
		set_config_option(detours[i], "off", PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
	/* Its commands change what has the archive's name. */
	(void) pgmq_archive_find(queue, NoLock, PGMQ_NEED_NOTHING, true);
	done = commands_run(columns_sql, 2, types, args);
	pgmq_queue_check_shape(queue);
	done += commands_run(commands_sql, lengthof(types), types, args);

	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once(costly_sql, 1, types, args, true, pgmq_row_texts, &costly);
	PopActiveSnapshot();
	foreach(lc, costly.list)
		ereport(NOTICE,
				(errmsg("every read of queue \"%s\" has to write to index \"%s\"",
						text_to_cstring(name), text_to_cstring(lfirst(lc))),
				 errhint("Drop the index if no other statement needs it.")));

	AtEOXact_GUC(false, nestlevel);
	return done > 0;
}

/* Convert a queue by its name; false when there was nothing to do. */
static bool
queue_convert_each(text *name, void *state)
{
	PgmqQueue	queue;

	pgmq_check_may_write("ALTER TABLE");
	pgmq_name_format(name, 'q', queue.relname);
	queue.relid = table_lock(name, queue.relname);
	return queue_convert(&queue, name);
}

/* convert_queue(queue_name text) returns boolean */
Datum
pgmq_convert_queue(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(queue_convert_each(pgmq_name_arg(fcinfo, 0), NULL));
}

/*
 * convert_queues_all() returns setof text
 *
 * An error about a queue becomes a warning.
 */
Datum
pgmq_convert_queues_all(PG_FUNCTION_ARGS)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	ListCell   *lc;

	pgmq_check_may_write("ALTER TABLE");
	foreach(lc, pgmq_each_names(PGMQ_NEED_ANY))
	{
		Datum		value = PointerGetDatum(lfirst(lc));
		bool		isnull = false;

		if (pgmq_each_try(lfirst(lc), queue_convert_each, NULL, true))
			pgmq_rows_put(rows, &value, &isnull);
	}
	return (Datum) 0;
}

/*
 * adopt_queue(queue_name text) returns boolean
 *
 * Returns false when meta has the queue already.  A policy of the same name was
 * that of another queue, and is forgotten.
 *
 * Errors: 42P01 when one of the tables does not exist, 42501 when the caller does
 * not own both, 42809 when one has not the columns.
 */
Datum
pgmq_adopt_queue(PG_FUNCTION_ARGS)
{
	text	   *name = pgmq_name_arg(fcinfo, 0);
	char		archive[NAMEDATALEN];
	const char *misfit;
	PgmqQueue	queue;
	PgmqKind	recorded;
	Oid			archive_id;

	pgmq_check_may_write("ALTER TABLE");
	pgmq_name_validate(name);
	pgmq_name_format(name, 'q', queue.relname);
	pgmq_name_format(name, 'a', archive);
	pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
	queue.relid = table_lock(name, queue.relname);
	archive_id = pgmq_archive_find(&queue, ShareUpdateExclusiveLock, PGMQ_NEED_OWNER, true);
	if (!OidIsValid(archive_id))
		pgmq_queue_missing(name, archive);
	if (pgmq_meta_find(&queue, &recorded))
		PG_RETURN_BOOL(false);

	queue_convert(&queue, name);
	misfit = pgmq_queue_misfit(archive_id, true);
	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not an archive of messages", PGMQ_SCHEMA, archive),
				 errdetail("%s", misfit)));
	if (!pgmq_layout_draws_ids(queue.relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not a message queue", PGMQ_SCHEMA, queue.relname),
				 errdetail("Its column \"msg_id\" has no default.")));
	pgmq_policy_forget(&queue);
	pgmq_meta_put(&queue, name, pgmq_layout_kind(queue.relid));
	PG_RETURN_BOOL(true);
}
