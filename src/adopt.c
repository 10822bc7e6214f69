/*-------------------------------------------------------------------------
 *
 * adopt.c
 *	  Queues of a PGMQ that was here before: bringing them to the layout that
 *	  create gives.
 *
 * A queue that was taken over or restored works as it is, only slower: PGMQ's
 * index on vt makes each read write to an index.  Converting it changes what
 * hangs on its tables (indexes, storage parameters, defaults, keys, grants),
 * in place.  No row is rewritten and no column moves, since views, grants and
 * publications of users stand on them.
 *
 * What is left to do is asked from the catalog, as a list of commands, so
 * that there is nothing to do for a queue that is as it should be, and a
 * queue that was converted by half is converted to the end.  The commands
 * check the caller's rights and take their own locks.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/adopt.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "compat.h"
#include "pgmq.h"

PG_FUNCTION_INFO_V1(pgmq_convert_queue);

/*
 * The commands that a queue still needs: $1 is the queue's table, $2 the part
 * of its names that is its own, $3 its name as the caller gave it, $4 the
 * storage parameters of create.  Runs with a safe search_path.
 */
static const char *const commands_sql =
"WITH queue AS MATERIALIZED ("
" SELECT c.oid, c.relkind"
" FROM pg_class c WHERE c.oid = $1), "
/* the tables that hold rows, and the others above them */
"piece AS MATERIALIZED ("
" SELECT oid AS relid, relkind = 'r' AS isleaf, 'q' AS kind FROM queue"
" UNION SELECT t.relid, t.isleaf, 'q'"
" FROM queue q, pg_partition_tree(q.oid) t"
" UNION SELECT a.oid, a.relkind = 'r', 'a' FROM queue q, pg_class a"
" WHERE a.relnamespace = 'pgmq'::regnamespace AND a.relname = 'a_' || $2"
" UNION SELECT t.relid, t.isleaf, 'a' FROM pg_class a, pg_partition_tree(a.oid) t"
" WHERE a.relnamespace = 'pgmq'::regnamespace AND a.relname = 'a_' || $2), "
"index AS MATERIALIZED ("
" SELECT i.indexrelid::regclass AS name, x.relname, m.amname, i.*"
" FROM piece p JOIN pg_index i ON i.indrelid = p.relid"
" JOIN pg_class x ON x.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = x.relam"
" WHERE p.kind = 'q' AND NOT x.relispartition) "
/* PGMQ's index on vt */
"SELECT 1, format('DROP INDEX IF EXISTS %s', i.name)"
" FROM index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
" AND a.attname = 'vt' AND a.attnum = i.indkey[0]"
" WHERE i.amname = 'btree' AND i.indnatts = 1 AND NOT i.indisunique"
" AND i.indexprs IS NULL AND i.indpred IS NULL "
/* PGMQ's GIN index for groups becomes the one that serves them */
"UNION ALL "
"SELECT s.step, CASE s.step WHEN 2"
" THEN format('DROP INDEX IF EXISTS %s', i.name)"
" ELSE format('SELECT pgmq.create_fifo_index(%L)', $3) END"
" FROM index i, generate_series(2, 3) AS s (step)"
" WHERE i.amname = 'gin' AND i.relname = 'q_' || $2 || '" PGMQ_GROUP_INDEX_SUFFIX "' "
/* storage parameters, where there are rows */
"UNION ALL "
"SELECT 4, format('ALTER TABLE %s SET (%s)', p.relid::regclass, $4)"
" FROM piece p JOIN pg_class c ON c.oid = p.relid"
" WHERE p.kind = 'q' AND p.isleaf"
" AND NOT coalesce(c.reloptions, '{}')"
" @> string_to_array(replace($4, ' ', ''), ',') "
/* a default for vt, so that plain INSERT and COPY need not give it */
"UNION ALL "
"SELECT 5, format('ALTER TABLE %s ALTER vt SET DEFAULT now()', q.oid::regclass)"
" FROM queue q JOIN pg_attribute a ON a.attrelid = q.oid AND a.attname = 'vt'"
" WHERE NOT a.atthasdef "
/* ids never repeat: the sequence outlives a crash, though the queue does not */
"UNION ALL "
"SELECT 6, format('ALTER SEQUENCE %s SET LOGGED', s.oid::regclass)"
" FROM queue q JOIN pg_depend d ON d.refobjid = q.oid"
" AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass"
" AND d.deptype = 'i'"
" JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
" WHERE s.relpersistence = 'u' "
/* monitoring sees how the queue is, not what is in it */
"UNION ALL "
"SELECT 7, format('REVOKE SELECT ON %s FROM pg_monitor', p.relid::regclass)"
" FROM piece p JOIN pg_class c ON c.oid = p.relid, aclexplode(c.relacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT' "
"UNION ALL "
"SELECT 8, format('GRANT SELECT (%s) ON %s TO pg_monitor',"
" string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), p.relid::regclass)"
" FROM piece p JOIN pg_attribute a ON a.attrelid = p.relid"
" AND a.attname IN ('msg_id', 'read_ct', 'enqueued_at', 'last_read_at',"
" 'archived_at', 'vt')"
" GROUP BY p.relid"
" HAVING bool_or(NOT EXISTS (SELECT FROM aclexplode(a.attacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT')) "
"UNION ALL "
"SELECT 9, format('GRANT SELECT ON SEQUENCE %s TO pg_monitor', s.oid::regclass)"
" FROM queue q JOIN pg_depend d ON d.refobjid = q.oid"
" AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass"
" AND d.deptype = 'i'"
" JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
" WHERE NOT EXISTS (SELECT FROM aclexplode(s.relacl) g"
" WHERE g.grantee = 'pg_monitor'::regrole AND g.privilege_type = 'SELECT') "
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
" ORDER BY 1";

/* A list of strings, and where it outlives the statement it comes from. */
typedef struct TextList
{
	MemoryContext context;
	List	   *items;
} TextList;

/* Add the last column of a row, a text. */
static void
text_collect(TupleTableSlot *slot, void *state)
{
	TextList   *list = state;
	MemoryContext old = MemoryContextSwitchTo(list->context);
	bool		isnull;
	Datum		value;

	value = slot_getattr(slot, slot->tts_tupleDescriptor->natts, &isnull);
	if (!isnull)
		list->items = lappend(list->items, TextDatumGetCString(value));
	MemoryContextSwitchTo(old);
}

/*
 * convert_queue(queue_name text) returns boolean
 *
 * False when there was nothing to do.
 */
Datum
pgmq_convert_queue(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID};
	text	   *name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;
	PgmqArg		args[4];
	TextList	commands = {CurrentMemoryContext, NIL};
	TextList	costly = {CurrentMemoryContext, NIL};
	int			nestlevel;
	ListCell   *lc;

	/*
	 * This lock keeps out whoever converts the same queue.  Readers and
	 * writers go on until the first command locks them out.
	 */
	pgmq_queue_open(&queue, name, ShareUpdateExclusiveLock, "ALTER TABLE");
	pgmq_queue_check_shape(&queue);

	nestlevel = NewGUCNestLevel();
	RestrictSearchPath();

	args[0] = PGMQ_ARG(ObjectIdGetDatum(queue.relid));
	args[1] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_BASE(&queue)));
	args[2] = PGMQ_ARG(PointerGetDatum(name));
	args[3] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_OPTIONS));
	pgmq_exec_once(commands_sql, lengthof(types), types, args, false,
				   text_collect, &commands);
	foreach(lc, commands.items)
		pgmq_exec_ddl("%s", (const char *) lfirst(lc));

	pgmq_exec_once(costly_sql, 1, types, args, false, text_collect, &costly);
	foreach(lc, costly.items)
		ereport(NOTICE,
				(errmsg("index \"%s\" makes every read of queue \"%s\" write to it",
						(const char *) lfirst(lc), text_to_cstring(name)),
				 errhint("Drop it if nothing else needs it.")));

	AtEOXact_GUC(false, nestlevel);
	PG_RETURN_BOOL(commands.items != NIL);
}
