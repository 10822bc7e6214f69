/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Bindings of queues to topics, and sending to a topic.
 *
 * A message sent to a topic has a routing key, such as orders.eu.created.  It
 * goes to every queue that is bound to a pattern which the key matches; see
 * topic_pattern.c for patterns.
 *
 * The message is sent to the queues in the order of their tables' names.  So
 * two senders that block each other (by users' triggers or unique indexes)
 * lock in the same order, and do not deadlock.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/topic.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_bind_topic);
PG_FUNCTION_INFO_V1(pgmq_unbind_topic);
PG_FUNCTION_INFO_V1(pgmq_test_routing);
PG_FUNCTION_INFO_V1(pgmq_send_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_topic);
PG_FUNCTION_INFO_V1(pgmq_send_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_at);

/* A queue to which a message is sent. */
typedef struct Route
{
	char		relname[NAMEDATALEN];	/* the queue table */
	text	   *queue_name;
} Route;

/* A search for the bindings that a key matches. */
typedef struct Routing
{
	text	   *key;
	MemoryContext context;		/* of the routes */
	List	   *routes;			/* of Route *, those found so far */
	PgmqRows   *rows;			/* result for the bindings, if they are wanted */
} Routing;

/* ----------------------------------------------------------------
 *		Bindings
 * ----------------------------------------------------------------
 */

/*
 * bind_topic(pattern text, queue_name text) returns void
 *
 * Binding a queue again changes nothing.  The binding has the name with which
 * the queue was created.  A concurrent drop_queue has to wait for the lock on
 * the name, and then deletes the binding as well.  The queue's table is not
 * locked, since the caller need not have any privilege on it.
 * Errors: P0001, 25006.
 */
Datum
pgmq_bind_topic(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID, TEXTOID};
	text	   *pattern = pgmq_topic_pattern_arg(fcinfo, 0);
	text	   *given = pgmq_topic_nonempty_arg(fcinfo, 1, "queue_name");
	text	   *name;
	PgmqArg		args[2];
	PgmqQueue	queue;
	PgmqKind	kind;

	pgmq_check_may_write("INSERT");
	name = pgmq_meta_name(given);
	args[0] = PGMQ_ARG(PointerGetDatum(pattern));
	args[1] = PGMQ_ARG(PointerGetDatum(name));
	if (name != NULL)
	{
		pgmq_name_format(name, 'q', queue.relname);
		pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
	}
	if (name == NULL || !pgmq_meta_find(&queue, &kind))
		PGMQ_TOPIC_ERROR("Queue \"%s\" does not exist. Create the queue first using pgmq.create()",
						 text_to_cstring(given));
	pgmq_exec_once("INSERT INTO " PGMQ_SCHEMA ".topic_bindings"
				   " (pattern, queue_name) VALUES ($1, $2)"
				   " ON CONFLICT (pattern, queue_name) DO NOTHING",
				   2, argtypes, args, false, NULL, NULL);
	PG_RETURN_VOID();
}

/* unbind_topic(pattern text, queue_name text) returns boolean */
Datum
pgmq_unbind_topic(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID, TEXTOID};
	text	   *pattern = pgmq_topic_nonempty_arg(fcinfo, 0, "pattern");
	text	   *name = pgmq_topic_nonempty_arg(fcinfo, 1, "queue_name");
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(pattern)),
	PGMQ_ARG(PointerGetDatum(name))};
	uint64		gone;

	pgmq_check_may_write("DELETE");
	gone = pgmq_exec_once("DELETE FROM " PGMQ_SCHEMA ".topic_bindings"
						  " WHERE pattern OPERATOR(pg_catalog.=) $1"
						  " AND pg_catalog.lower(queue_name)"
						  " OPERATOR(pg_catalog.=) pg_catalog.lower($2)",
						  2, argtypes, args, false, NULL, NULL);
	PG_RETURN_BOOL(gone > 0);
}

/* Row function: add the bindings whose pattern matches to the result. */
static void
row_binding(TupleTableSlot *slot, void *state)
{
	Routing    *routing = state;

	slot_getallattrs(slot);
	if (pgmq_topic_matches(routing->key, DatumGetTextPP(slot->tts_values[0])))
		pgmq_rows_put(routing->rows, slot->tts_values, slot->tts_isnull);
}

/*
 * test_routing(routing_key text)
 * returns table (pattern text, queue_name text, compiled_regex text)
 */
Datum
pgmq_test_routing(PG_FUNCTION_ARGS)
{
	Routing		routing = {.rows = pgmq_rows_begin(fcinfo)};

	routing.key = pgmq_topic_key_arg(fcinfo, 0);
	pgmq_exec_once("SELECT pattern::pg_catalog.text, queue_name::pg_catalog.text,"
				   " compiled_regex::pg_catalog.text"
				   " FROM " PGMQ_SCHEMA ".topic_bindings"
				   " WHERE pattern IS NOT NULL AND queue_name IS NOT NULL"
				   " ORDER BY pattern, queue_name",
				   0, NULL, NULL, true, row_binding, &routing);
	return (Datum) 0;
}

/* ----------------------------------------------------------------
 *		Sending to a topic
 * ----------------------------------------------------------------
 */

/* Row function: add the queue of a binding whose pattern matches to the routes. */
static void
row_route(TupleTableSlot *slot, void *state)
{
	Routing    *routing = state;
	bool		isnull;
	MemoryContext old;
	Route	   *route;

	if (!pgmq_topic_matches(routing->key, DatumGetTextPP(slot_getattr(slot, 1, &isnull))))
		return;
	old = MemoryContextSwitchTo(routing->context);
	route = palloc(sizeof(Route));
	route->queue_name = DatumGetTextPCopy(slot_getattr(slot, 2, &isnull));
	pgmq_name_format(route->queue_name, 'q', route->relname);
	routing->routes = lappend(routing->routes, route);
	MemoryContextSwitchTo(old);
}

static int
route_cmp(const ListCell *a, const ListCell *b)
{
	return strcmp(((Route *) lfirst(a))->relname, ((Route *) lfirst(b))->relname);
}

/* The queues that get messages with this key, each once, in the order of their tables' names. */
static List *
routes_find(text *key)
{
	Routing		routing = {key, CurrentMemoryContext, NIL, NULL};
	ListCell   *lc;
	Route	   *last = NULL;

	pgmq_exec_each(NULL, PGMQ_STMT_BINDINGS, NULL, row_route, &routing);
	list_sort(routing.routes, route_cmp);
	foreach(lc, routing.routes)
	{
		Route	   *route = lfirst(lc);

		if (last != NULL && strcmp(route->relname, last->relname) == 0)
			routing.routes = foreach_delete_current(routing.routes, lc);
		else
			last = route;
	}
	return routing.routes;
}

/*
 * Send a message to a topic, with a delay in seconds.  Returns the number of
 * queues that got it.  Takes ROW EXCLUSIVE on each of them.
 * Errors: P0001 for arguments that PGMQ refuses, 42P01 if the table of a bound
 * queue does not exist, and those of pgmq_put.
 */
static Datum
send_topic(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg delay)
{
	text	   *key = pgmq_topic_key_arg(fcinfo, 0);
	PgmqArg		vt = pgmq_from_now(delay);
	List	   *routes;
	ListCell   *lc;

	if (PG_ARGISNULL(1))
		PGMQ_TOPIC_ERROR("msg cannot be NULL");
	if (!delay.isnull && DatumGetInt32(delay.value) < 0)
		PGMQ_TOPIC_ERROR("delay cannot be negative, got: %d",
						 DatumGetInt32(delay.value));

	routes = routes_find(key);
	foreach(lc, routes)
	{
		PgmqQueue	queue;
		int64		id;

		CHECK_FOR_INTERRUPTS();
		pgmq_queue_open(&queue, ((Route *) lfirst(lc))->queue_name,
						RowExclusiveLock, PGMQ_NEED_INSERT, "INSERT");
		pgmq_put(&queue, vt, PGMQ_ARG_FROM(1), headers, &id);
	}
	PG_RETURN_INT32(list_length(routes));
}

/*
 * send_topic(routing_key text, msg jsonb, headers jsonb, delay integer)
 * returns integer
 */
Datum
pgmq_send_topic_headers_delay(PG_FUNCTION_ARGS)
{
	return send_topic(fcinfo, PGMQ_ARG_FROM(2), PGMQ_ARG_FROM(3));
}

/* send_topic(routing_key text, msg jsonb) returns integer */
Datum
pgmq_send_topic(PG_FUNCTION_ARGS)
{
	return send_topic(fcinfo, PGMQ_ARG_NULL, PGMQ_ARG(Int32GetDatum(0)));
}

/* send_topic(routing_key text, msg jsonb, delay integer) returns integer */
Datum
pgmq_send_topic_delay(PG_FUNCTION_ARGS)
{
	return send_topic(fcinfo, PGMQ_ARG_NULL, PGMQ_ARG_FROM(2));
}

/* The result of a batch, and the queue whose ids are being added. */
typedef struct BatchState
{
	PgmqRows   *rows;
	text	   *queue_name;
} BatchState;

/* Add the name of the queue and the id of a message to the result. */
static void
put_sent(int64 id, void *arg)
{
	BatchState *state = arg;
	Datum		values[2];
	bool		isnull[2] = {false};

	values[0] = PointerGetDatum(state->queue_name);
	values[1] = Int64GetDatum(id);
	pgmq_rows_put(state->rows, values, isnull);
}

/* Send a batch to a topic.  Returns rows of queue_name and msg_id. */
static Datum
send_batch_topic(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg vt)
{
	BatchState	state = {.rows = pgmq_rows_begin(fcinfo)};
	text	   *key = pgmq_topic_key_arg(fcinfo, 0);
	ListCell   *lc;

	pgmq_batch_validate(PGMQ_ARG_FROM(1), headers);
	foreach(lc, routes_find(key))
	{
		PgmqQueue	queue;

		CHECK_FOR_INTERRUPTS();
		state.queue_name = ((Route *) lfirst(lc))->queue_name;
		pgmq_queue_open(&queue, state.queue_name, RowExclusiveLock,
						PGMQ_NEED_INSERT, "INSERT");
		pgmq_put_batch(&queue, vt, PGMQ_ARG_FROM(1), headers, put_sent, &state);
	}
	return (Datum) 0;
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[])
 * returns table (queue_name text, msg_id bigint)
 */
Datum
pgmq_send_batch_topic(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_NULL,
							pgmq_from_now(PGMQ_ARG(Int32GetDatum(0))));
}

/* send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[]) */
Datum
pgmq_send_batch_topic_headers(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_FROM(2),
							pgmq_from_now(PGMQ_ARG(Int32GetDatum(0))));
}

/* send_batch_topic(routing_key text, msgs jsonb[], delay integer) */
Datum
pgmq_send_batch_topic_delay(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_NULL, pgmq_from_now(PGMQ_ARG_FROM(2)));
}

/* send_batch_topic(routing_key text, msgs jsonb[], delay timestamptz) */
Datum
pgmq_send_batch_topic_at(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_NULL, PGMQ_ARG_FROM(2));
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[],
 *					delay integer)
 */
Datum
pgmq_send_batch_topic_headers_delay(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_FROM(2), pgmq_from_now(PGMQ_ARG_FROM(3)));
}

/*
 * send_batch_topic(routing_key text, msgs jsonb[], headers jsonb[],
 *					delay timestamptz)
 */
Datum
pgmq_send_batch_topic_headers_at(PG_FUNCTION_ARGS)
{
	return send_batch_topic(fcinfo, PGMQ_ARG_FROM(2), PGMQ_ARG_FROM(3));
}
