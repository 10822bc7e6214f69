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
 *	- A plan that is no longer wanted is *retired*, not freed, because a trigger
 *	  on the queue may have called us while that very plan is running.  Only
 *	  the sweep frees plans, when none is running: at the end of a transaction,
 *	  or before a plan is built if there are too many.
 *	- The relcache callback marks an entry and does nothing else, since it may
 *	  fire at any lock or catalog access, also inside our own build.  That is
 *	  why a mark is cleared before the build and the plan is stored last.
 *	- There are at most PLAN_MAX plans, retired ones included.  When there are
 *	  more, the queue that was not used for the longest time loses its plans.
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
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "common/common.h"
#include "spi/spi.h"

/* A plan takes about 20 kB, so this is some 80 MB. */
#define PLAN_MAX			4000

/* While the cache is full, one new queue of so many is not probationary. */
#define PLAN_STAYS			4

typedef struct PlanEntry
{
	Oid			relid;			/* hash key: the queue table, 0 for none */
	bool		stale;			/* the relcache marked it */
	dlist_node	lru;
	bool		probationary;	/* the next to lose its plans */
	int			nplans;
	SPIPlanPtr	plans[PGMQ_NUM_STMTS];
} PlanEntry;

static MemoryContext plan_context = NULL;
static HTAB *plan_hash = NULL;
static dlist_head plan_lru = DLIST_STATIC_INIT(plan_lru);	/* oldest first */
static int	plan_count = 0;		/* of all entries */
static List *plan_retired = NIL;	/* of SPIPlanPtr */
static bool plan_have_stale = false;
static int	plans_running = 0;

/* Take a plan out of use; the sweep frees it. */
static void
plan_retire(PlanEntry *entry, PgmqStmtId id)
{
	if (entry->plans[id] != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(plan_context);

		plan_retired = lappend(plan_retired, entry->plans[id]);
		MemoryContextSwitchTo(old);
		entry->plans[id] = NULL;
		entry->nplans--;
		plan_count--;
	}
}

static void
plan_retire_all(PlanEntry *entry)
{
	for (int i = 0; i < PGMQ_NUM_STMTS; i++)
		plan_retire(entry, i);
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
		entry->probationary = plan_count > PLAN_MAX - PGMQ_NUM_STMTS &&
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

/*
 * Free what is retired, and what the relcache marked.  No kept plan is
 * running; an open cursor has a reference of its own to what it needs.
 */
static void
plan_sweep(void)
{
	ListCell   *lc;

	foreach(lc, plan_retired)
		SPI_freeplan((SPIPlanPtr) lfirst(lc));
	list_free(plan_retired);
	plan_retired = NIL;

	if (plan_have_stale)
	{
		HASH_SEQ_STATUS scan;
		PlanEntry  *entry;

		plan_have_stale = false;
		hash_seq_init(&scan, plan_hash);
		while ((entry = hash_seq_search(&scan)) != NULL)
		{
			if (!entry->stale)
				continue;
			for (int i = 0; i < PGMQ_NUM_STMTS; i++)
				if (entry->plans[i] != NULL)
					SPI_freeplan(entry->plans[i]);
			plan_count -= entry->nplans;
			entry->nplans = 0;
			entry_remove(entry);
		}
	}
}

/* Keep a plan, and retire others if there are too many. */
static void
plan_keep(Oid relid, PgmqStmtId id, SPIPlanPtr plan)
{
	PlanEntry  *entry;

	/* a long transaction may retire many, as by DDL of its own */
	if (plans_running == 0 && plan_count + list_length(plan_retired) >= PLAN_MAX)
		plan_sweep();

	/* the planner may have called us, and the entry be gone */
	entry = plan_entry(relid, true);
	plan_retire(entry, id);
	entry->plans[id] = plan;
	entry->nplans++;
	plan_count++;

	while (plan_count > PLAN_MAX)
	{
		PlanEntry  *oldest = dlist_head_element(PlanEntry, lru, &plan_lru);

		/* but not the one that is about to run */
		if (oldest == entry)
		{
			if (!dlist_has_next(&plan_lru, &entry->lru))
				break;
			oldest = dlist_container(PlanEntry, lru, dlist_next_node(&plan_lru, &entry->lru));
		}
		plan_retire_all(oldest);
		entry_remove(oldest);
	}
}

/* A statement's text with the names of this queue's tables, palloc'd. */
char *
pgmq_plan_text(const PgmqQueue *queue, const char *sql)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *p = sql; *p != '\0'; p++)
	{
		if (p[0] == '{' && p[1] != '\0' && strchr("qa012", p[1]) && p[2] == '}')
		{
			const char *letter = p[1] >= '0' && p[1] <= '2' ? "d" : "";
			char	   *name = psprintf("%s%c_%s", letter, p[1], PGMQ_QUEUE_BASE(queue));

			appendStringInfoString(&text, quote_qualified_identifier(PGMQ_SCHEMA, name));
			p += 2;
		}
		else
			appendStringInfoChar(&text, *p);
	}
	return text.data;
}

/*
 * The kept plan of a statement on a queue.  SPI must be connected, and the
 * queue's table locked.  Without a queue (NULL) the text itself names all
 * tables, which the plan cache follows, and is planned as a client's would be.
 * The plan is valid until the sweep.
 */
SPIPlanPtr
pgmq_plan_fetch(const PgmqQueue *queue, PgmqStmtId id)
{
	const PgmqStmt *stmt = &pgmq_stmts[id];
	Oid			relid = queue ? queue->relid : InvalidOid;
	PlanEntry  *entry = plan_entry(relid, false);
	SPIPlanPtr	plan;

	if (entry != NULL)
	{
		if (entry->stale)
		{
			entry->stale = false;
			plan_retire_all(entry);
		}
		plan = entry->plans[id];
		if (plan != NULL && SPI_plan_is_valid(plan))
			return plan;
		plan_retire(entry, id);

		/* it may never get another one */
		if (entry->nplans == 0)
			entry_remove(entry);
	}

	if (queue != NULL)
		pgmq_queue_check_shape(queue);
	plan = SPI_prepare_cursor(queue ? pgmq_plan_text(queue, stmt->sql) : stmt->sql,
							  stmt->nargs, (Oid *) stmt->argtypes,
							  CURSOR_OPT_GENERIC_PLAN |
							  (queue ? PGMQ_CURSOR_OPT_GUARDED : 0));
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor returned %s for %s",
			 SPI_result_code_string(SPI_result), stmt->sql);

	SPI_keepplan(plan);
	plan_keep(relid, id, plan);
	return plan;
}

/* A kept plan begins to run, or is done, also by an error. */
void
pgmq_plan_begin(void)
{
	plans_running++;
}

void
pgmq_plan_end(void)
{
	plans_running--;
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

/* Transaction callback.  Must not raise an error. */
void
pgmq_plan_xact(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	plan_sweep();
}
