/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  Kept plans: looked up, built, invalidated, and thrown away.
 *
 * Plans are kept per backend, queue table and statement, and never trusted
 * without the table's lock, which pgmq_queue_open takes first:
 *
 *	- A plan is built when it is first asked for.  It is built again, from the
 *	  text on, when the relcache marked its queue or the plan cache its query:
 *	  after a rename the old text names nothing.  (ri_FetchPreparedPlan has the
 *	  same rule.)
 *	- A plan that is no longer wanted may be running, because a trigger on the
 *	  queue may have called us.  So a fetched plan is in use until it is given
 *	  back, and one that is dropped meanwhile is freed then.
 *	- The relcache callback marks an entry and does nothing else, since it may
 *	  fire at any lock or catalog access, also inside our own build.  That is
 *	  why a mark is cleared before the build and the plan is stored last.
 *	- There are at most pgmq_c.max_plans plans.  When there are more, the queue
 *	  that was not used for the longest time loses its plans.
 *	  Most queues that come in while the cache is full are *probationary*: they
 *	  are the next to lose theirs.  So a session that goes round more queues
 *	  than that keeps the plans of most of them, where strict LRU would throw
 *	  away each plan just before it is wanted.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/plans.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "common/common.h"
#include "spi/spi.h"

/* While the cache is full, one new queue of so many is not probationary. */
#define PLAN_STAYS			4

/*
 * A key for ORDER BY that no index has, where the rows are found by their ids: it
 * keeps the planner from walking the index on keys.
 */
#define PGMQ_KEY_SORTED		PGMQ_KEY_SQL " OPERATOR(pg_catalog.+) 0::pg_catalog.int8"

/* The setting pgmq_c.max_plans. */
int			pgmq_max_plans = PGMQ_MAX_PLANS_DEFAULT;

/* Gives the text that {v} in a statement on a queue stands for; policy/ sets it. */
char	   *(*pgmq_plan_value) (const PgmqQueue *queue) = NULL;

StaticAssertDecl(PGMQ_MAX_PLANS_MIN > PGMQ_NUM_STMTS, "one queue has too many plans");

struct PgmqPlan
{
	SPIPlanPtr	spi;
	Oid			stream;			/* that it reads, or InvalidOid */
	int			uses;			/* how often it is fetched, and not given back */
	bool		dropped;		/* freed when it is not in use any more */
};

typedef struct PlanEntry
{
	Oid			relid;			/* hash key: the queue table, 0 for none */
	bool		stale;			/* the relcache marked it */
	dlist_node	lru;
	bool		probationary;	/* the next to lose its plans */
	int			nplans;
	PgmqPlan   *plans[PGMQ_NUM_STMTS];
} PlanEntry;

static MemoryContext plan_context = NULL;
static HTAB *plan_hash = NULL;
static dlist_head plan_lru = DLIST_STATIC_INIT(plan_lru);	/* oldest first */
static int	plan_count = 0;		/* of all entries */
static bool plan_have_stale = false;
static const char *plan_preparing = NULL;	/* the last text given to SPI */

/* Free a plan that is dropped, unless it is in use; an open cursor is no use. */
static void
plan_free(PgmqPlan *plan)
{
	if (plan->dropped && plan->uses == 0)
	{
		SPI_freeplan(plan->spi);
		pfree(plan);
	}
}

/* Keep a plan no longer.  Must not raise an error. */
static void
plan_drop(PlanEntry *entry, PgmqStmtId id)
{
	PgmqPlan   *plan = entry->plans[id];

	if (plan != NULL)
	{
		entry->plans[id] = NULL;
		entry->nplans--;
		plan_count--;
		plan->dropped = true;
		plan_free(plan);
	}
}

static void
plan_drop_all(PlanEntry *entry)
{
	for (int i = 0; i < PGMQ_NUM_STMTS; i++)
		plan_drop(entry, i);
}

/* Remove an entry that has no plans. */
static void
entry_remove(PlanEntry *entry)
{
	Assert(entry->nplans == 0);
	dlist_delete(&entry->lru);
	hash_search(plan_hash, &entry->relid, HASH_REMOVE, NULL);
}

/* The entry of a queue table; makes it or returns NULL if there is none. */
static PlanEntry *
plan_entry(Oid relid, bool make)
{
	PlanEntry  *entry;
	bool		found;

	if (plan_hash == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(PlanEntry)};

		if (plan_context == NULL)
			plan_context = AllocSetContextCreate(CacheMemoryContext,
												 "pgmq_c plans",
												 ALLOCSET_DEFAULT_SIZES);
		ctl.hcxt = plan_context;
		plan_hash = hash_create("pgmq_c plans", 64, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	entry = hash_search(plan_hash, &relid, make ? HASH_ENTER : HASH_FIND, &found);
	if (entry == NULL)
		return NULL;
	if (found)
		dlist_delete(&entry->lru);
	else
	{
		static int	newcomers = 0;

		entry->stale = false;
		entry->probationary = plan_count > pgmq_max_plans - PGMQ_NUM_STMTS &&
			++newcomers % PLAN_STAYS != 0;
		entry->nplans = 0;
		memset(entry->plans, 0, sizeof(entry->plans));
	}
	if (entry->probationary)
		dlist_push_head(&plan_lru, &entry->lru);
	else
		dlist_push_tail(&plan_lru, &entry->lru);
	return entry;
}

/* Keep a plan, in use, and drop others if there are too many. */
static PgmqPlan *
plan_keep(Oid relid, PgmqStmtId id, SPIPlanPtr spi, Oid stream)
{
	PgmqPlan   *plan = MemoryContextAlloc(plan_context, sizeof(PgmqPlan));

	/* the planner may have called us, and the entry be another */
	PlanEntry  *entry = plan_entry(relid, true);

	*plan = (PgmqPlan)
	{
		spi, stream, 1, false
	};
	plan_drop(entry, id);
	entry->plans[id] = plan;
	entry->nplans++;
	plan_count++;

	while (plan_count > pgmq_max_plans)
	{
		PlanEntry  *oldest = dlist_head_element(PlanEntry, lru, &plan_lru);

		/* but not the one that is about to run; there is another queue */
		if (oldest == entry)
			oldest = dlist_container(PlanEntry, lru, dlist_next_node(&plan_lru, &entry->lru));
		plan_drop_all(oldest);
		entry_remove(oldest);
	}
	return plan;
}

/*
 * The body and the headers of a message.  A subscription's table holds only
 * references: both are in its stream, and what the reference has of headers is
 * added to them.  There a body that is NULL comes as JSON null, so that NULL says
 * that the stream has no such message.  Then the headers are the reference's.
 */
static const char *const plain_columns[] = {"message", "headers"};
static const char *const stream_columns[] = {
	"(SELECT COALESCE(stored.message, 'null'::pg_catalog.jsonb) FROM {s} AS stored"
	" WHERE stored.msg_id OPERATOR(pg_catalog.=) {q}.msg_id)",
	"COALESCE((SELECT CASE WHEN {q}.headers IS NULL THEN stored.headers"
	" WHEN pg_catalog.jsonb_typeof(stored.headers) OPERATOR(pg_catalog.=)"
	" 'object'::pg_catalog.text THEN stored.headers OPERATOR(pg_catalog.||) {q}.headers"
	" ELSE {q}.headers END FROM {s} AS stored"
	" WHERE stored.msg_id OPERATOR(pg_catalog.=) {q}.msg_id), {q}.headers)"
};

/* Says which stream a table refers to; InvalidOid for none. */
Oid			(*pgmq_plan_stream) (Oid relid) = NULL;

static Oid
stream_of(const PgmqQueue *queue)
{
	return pgmq_plan_stream == NULL ? InvalidOid : pgmq_plan_stream(queue->relid);
}

/*
 * The name of the stream of a subscription, palloc'd.  Error: 42P01 if the stream does
 * not exist any more.
 */
char *
pgmq_plan_stream_name(const PgmqQueue *queue, Oid stream)
{
	char	   *name = get_rel_name(stream);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the stream of subscription \"%s\" does not exist any more",
						PGMQ_QUEUE_BASE(queue)),
				 errhint("Drop the subscription with pgmq.drop_queue().")));
	return name;
}

/*
 * The same for a statement.  The row functions rely on the types of the stream's columns,
 * which are checked here.  The lock keeps DDL from changing them.
 */
static char *
stream_name(const PgmqQueue *queue, Oid stream)
{
	PgmqQueue	opened = {.relid = stream};
	char	   *name;

	LockRelationOid(stream, AccessShareLock);
	name = pgmq_plan_stream_name(queue, stream);
	strlcpy(opened.relname, name, NAMEDATALEN);
	pgmq_queue_check_shape(&opened);
	return name;
}

/* Whether a statement on a subscription reads the stream. */
static bool
names_stream(const char *sql)
{
	return strstr(sql, "{s}") != NULL || strstr(sql, "{m}") != NULL || strstr(sql, "{h}") != NULL;
}

static void
append_text(StringInfo text, const PgmqQueue *queue, Oid stream, bool priorities, const char *sql)
{
	for (const char *p = sql; *p != '\0'; p++)
	{
		if (p[0] != '{' || p[1] == '\0' || p[2] != '}' || strchr("qasmhkov", p[1]) == NULL)
		{
			appendStringInfoChar(text, *p);
			continue;
		}
		if (p[1] == 'k' || p[1] == 'o')
			appendStringInfoString(text, !priorities ? "msg_id" : p[1] == 'k' ? PGMQ_KEY_SQL : PGMQ_KEY_SORTED);
		else if (p[1] == 'v')
			appendStringInfoString(text, pgmq_plan_value(queue));
		else if (p[1] == 'm' || p[1] == 'h')
			append_text(text, queue, stream, priorities,
						(OidIsValid(stream) ? stream_columns : plain_columns)[p[1] == 'h']);
		else
		{
			char	   *name = p[1] == 's' ? stream_name(queue, stream) :
			psprintf("%c_%s", p[1], PGMQ_QUEUE_BASE(queue));

			appendStringInfoString(text, quote_qualified_identifier(PGMQ_SCHEMA, name));
		}
		p += 2;
	}
}

/*
 * A statement's text with the names of this queue's tables, palloc'd: {q} is the
 * queue, {a} its archive, {s} the stream of a subscription; {m} and {h} are the
 * body and the headers of a message of {q}.  {k} and {o} are what messages are read
 * in the order of, and what those with given ids are sorted by.
 * {v} is what the queue's policy limits by.
 */
char *
pgmq_plan_text(const PgmqQueue *queue, const char *sql)
{
	StringInfoData text;

	initStringInfo(&text);
	append_text(&text, queue, stream_of(queue), pgmq_priority_is_on(queue->relid), sql);
	return text.data;
}

/*
 * The kept plan of a statement on a queue.  SPI must be connected, and the
 * queue's table locked.  Without a queue (NULL) the text itself names all
 * tables, which the plan cache follows, and is planned as a client's would be.
 * The plan is in use until pgmq_plan_end, which must be called after an error,
 * too.
 */
PgmqPlan *
pgmq_plan_begin(const PgmqQueue *queue, PgmqStmtId id)
{
	const PgmqStmt *stmt = &pgmq_stmts[id];
	Oid			relid = queue ? queue->relid : InvalidOid;
	PlanEntry  *entry = plan_entry(relid, false);
	SPIPlanPtr	spi;

	/* without the lock a valid plan could be replanned when it runs */
	if (entry != NULL && entry->plans[id] != NULL && OidIsValid(entry->plans[id]->stream))
		LockRelationOid(entry->plans[id]->stream, AccessShareLock);
	if (entry != NULL)
	{
		PgmqPlan   *plan;

		if (entry->stale)
		{
			entry->stale = false;
			plan_drop_all(entry);
		}
		plan = entry->plans[id];
		if (plan != NULL && SPI_plan_is_valid(plan->spi))
		{
			plan->uses++;
			return plan;
		}
		plan_drop(entry, id);

		/* it may never get another one */
		if (entry->nplans == 0)
			entry_remove(entry);
	}

	plan_preparing = NULL;
	if (queue != NULL)
		pgmq_queue_check_shape(queue);
	plan_preparing = queue ? pgmq_plan_text(queue, stmt->sql) : stmt->sql;
	spi = SPI_prepare_cursor(plan_preparing, stmt->nargs, (Oid *) stmt->argtypes,
							 CURSOR_OPT_GENERIC_PLAN |
							 (queue ? PGMQ_CURSOR_OPT_GUARDED : 0));
	if (spi == NULL)
		elog(ERROR, "SPI_prepare_cursor returned %s for %s",
			 SPI_result_code_string(SPI_result), stmt->sql);

	SPI_keepplan(spi);
	return plan_keep(relid, id, spi, queue && names_stream(stmt->sql) ? stream_of(queue) : InvalidOid);
}

/*
 * In a PG_CATCH block: the text of the plan that failed, or of the one that could
 * not be made (NULL).  palloc'd.
 */
char *
pgmq_plan_failed_text(const PgmqPlan *plan)
{
	if (plan != NULL)
	{
		CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan->spi));

		return pstrdup(source->query_string);
	}
	return pstrdup(plan_preparing == NULL ? "" : plan_preparing);
}

SPIPlanPtr
pgmq_plan_spi(const PgmqPlan *plan)
{
	return plan->spi;
}

/* A plan has run.  Must not raise an error. */
void
pgmq_plan_end(PgmqPlan *plan)
{
	plan->uses--;
	plan_free(plan);
}

/* Relcache callback: mark only.  relid 0 means every relation. */
void
pgmq_plan_inval(Datum arg, Oid relid)
{
	PlanEntry  *entry;

	if (plan_hash == NULL)
		return;
	if (OidIsValid(relid))
	{
		entry = hash_search(plan_hash, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->stale = plan_have_stale = true;
	}
	else
	{
		HASH_SEQ_STATUS scan;

		hash_seq_init(&scan, plan_hash);
		while ((entry = hash_seq_search(&scan)) != NULL)
			entry->stale = plan_have_stale = true;
	}
}

/*
 * Transaction callback: drop what the relcache marked, since a queue that was
 * dropped is never asked for again.  Must not raise an error.
 */
void
pgmq_plan_xact(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS scan;
	PlanEntry  *entry;

	if ((event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE) || !plan_have_stale)
		return;
	plan_have_stale = false;
	hash_seq_init(&scan, plan_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->stale)
		{
			plan_drop_all(entry);
			entry_remove(entry);
		}
	}
}
