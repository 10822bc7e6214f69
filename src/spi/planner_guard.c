/*-------------------------------------------------------------------------
 *
 * planner_guard.c
 *	  The planner guard: our statements are planned with index scans only.
 *
 * A generic plan made while a queue is empty would be a sequential scan, and
 * stay one when a hundred thousand messages arrive.  Our statements are
 * therefore always planned with index scans only.  They carry a private bit
 * in their cursor options, which reaches the planner on every planning, the
 * plan cache's own replanning included; the planner hook sees the bit and
 * holds the settings for the time of planning.  The settings are not held
 * while a statement runs, so triggers' own queries are planned as usual.  So
 * are queries that are planned while ours is, such as those of a function in
 * an index.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/planner_guard.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "jit/jit.h"
#include "optimizer/cost.h"
#include "optimizer/planner.h"

#include "spi/spi.h"

static planner_hook_type prev_planner = NULL;

/* The settings that are held while our statements are planned. */
static const struct
{
	bool	   *setting;
	bool		value;
}			held[] = {
	{&enable_indexscan, true},
	{&enable_tidscan, true},
	{&enable_seqscan, false},
	{&enable_bitmapscan, false},
	{&enable_sort, false},
	{&jit_enabled, false},
};

static bool holding = false;
static bool users[lengthof(held)];	/* while holding: the session's own */

/* The planner hook that was there before ours, or the server's planner. */
static PlannedStmt *
next_planner(Query *parse, const char *query_string, int cursor_options,
			 ParamListInfo bound_params)
{
	if (prev_planner)
		return prev_planner(parse, query_string, cursor_options, bound_params);
	return standard_planner(parse, query_string, cursor_options, bound_params);
}

/* Set the settings for our statements, or set the session's own again. */
static void
guard_hold(bool hold)
{
	if (hold == holding)
		return;
	for (int i = 0; i < lengthof(held); i++)
	{
		if (hold)
			users[i] = *held[i].setting;
		*held[i].setting = hold ? held[i].value : users[i];
	}
	holding = hold;
}

/*
 * Planner hook: plan our own statements with index scans only and without JIT,
 * whatever the session has set.  (The penalty for a scan without an index would
 * exceed JIT's threshold.)
 */
static PlannedStmt *
guard_planner(Query *parse, const char *query_string, int cursor_options,
			  ParamListInfo bound_params)
{
	bool		guarded = (cursor_options & PGMQ_CURSOR_OPT_GUARDED) != 0;
	bool		outer = holding;
	PlannedStmt *volatile result = NULL;

	if (guarded == outer)
		return next_planner(parse, query_string, cursor_options, bound_params);

	guard_hold(guarded);
	PG_TRY();
	{
		result = next_planner(parse, query_string, cursor_options, bound_params);
	}
	PG_FINALLY();
	{
		guard_hold(outer);
	}
	PG_END_TRY();
	return result;
}

/* Install the planner hook.  Called when the library is loaded. */
void
pgmq_guard_init(void)
{
	prev_planner = planner_hook;
	planner_hook = guard_planner;
}
