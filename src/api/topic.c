/*-------------------------------------------------------------------------
 *
 * topic.c
 *	  Bindings of queues to topics, and sending to a topic.
 *
 * A message sent to a topic has a routing key, such as orders.eu.created.  It
 * goes to every queue that is bound to a pattern which the key or the message's
 * headers match; see topic_pattern.c for patterns.  What no binding takes goes to
 * the alternate queues, and if there is none the setting says whether that is an
 * error.
 *
 * A stream gets the routing key as a header, by which its subscriptions can be
 * filtered.
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
#include "utils/array.h"
#include "utils/builtins.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_bind_topic);
PG_FUNCTION_INFO_V1(pgmq_unbind_topic);
PG_FUNCTION_INFO_V1(pgmq_test_routing);
PG_FUNCTION_INFO_V1(pgmq_test_routing_headers);
PG_FUNCTION_INFO_V1(pgmq_send_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_topic);
PG_FUNCTION_INFO_V1(pgmq_send_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_at);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_delay);
PG_FUNCTION_INFO_V1(pgmq_send_batch_topic_headers_at);

int			pgmq_unroutable = PGMQ_UNROUTABLE_IGNORE;

/* A queue to which messages are sent. */
typedef struct Route
{
	char		relname[NAMEDATALEN];	/* the queue table */
	text	   *queue_name;
	bool	   *takes;			/* which of the messages */
	PgmqQueue	queue;			/* what is opened, */
	bool		stream;			/* and whether it is a stream */
} Route;

/* A search for the bindings that messages match. */
typedef struct Routing
{
	text	   *key;
	Jsonb	  **headers;		/* of each message; NULL: none */
	int			nmsgs;
	bool	   *takes;			/* room for the answer of one binding */
	bool	   *routed;			/* messages that a binding takes */
	bool		alternates;		/* look for the alternate queues only */
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
	text	   *pattern = pgmq_topic_stored_arg(fcinfo, 0);
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

/* A search for the bindings of so many messages, whose headers are none yet. */
static void
routing_begin(Routing *routing, text *key, int nmsgs)
{
	memset(routing, 0, sizeof(Routing));
	routing->key = key;
	routing->nmsgs = nmsgs;
	routing->headers = palloc0(Max(nmsgs, 1) * sizeof(Jsonb *));
	routing->takes = palloc0(Max(nmsgs, 1) * sizeof(bool));
	routing->routed = palloc0(Max(nmsgs, 1) * sizeof(bool));
	routing->context = CurrentMemoryContext;
}

/*
 * Tell whether a binding takes some of the messages, and note in routing->takes
 * which.  The alternate queues take those that are not routed.
 */
static bool
binding_takes(Routing *routing, text *pattern)
{
	text	   *rest;
	bool		some = false;

	if ((pgmq_topic_kind(pattern, &rest) == PGMQ_TOPIC_ALTERNATE) != routing->alternates ||
		!pgmq_topic_takes(pattern, routing->key, routing->headers, routing->nmsgs, routing->takes))
		return false;
	for (int i = 0; i < routing->nmsgs; i++)
	{
		if (routing->alternates)
			routing->takes[i] &= !routing->routed[i];
		some |= routing->takes[i];
	}
	return some;
}

/* Note that a binding takes messages. */
static void
note_routed(Routing *routing, const bool *takes)
{
	for (int i = 0; i < routing->nmsgs; i++)
		routing->routed[i] |= takes[i];
}

/* The first message that nothing takes; -1 when there is none. */
static int
find_unrouted(const Routing *routing)
{
	for (int i = 0; i < routing->nmsgs; i++)
		if (!routing->routed[i])
			return i;
	return -1;
}

/* Row function: add the bindings whose pattern matches to the result. */
static void
row_binding(TupleTableSlot *slot, void *state)
{
	Routing    *routing = state;
	text	   *rest;
	bool		isnull[3];

	slot_getallattrs(slot);
	if (!binding_takes(routing, DatumGetTextPP(slot->tts_values[0])))
		return;
	if (!routing->alternates)
		note_routed(routing, routing->takes);
	memcpy(isnull, slot->tts_isnull, sizeof(isnull));
	/* the expression is for PGMQ's patterns */
	isnull[2] |= pgmq_topic_kind(DatumGetTextPP(slot->tts_values[0]), &rest) != PGMQ_TOPIC_PGMQ;
	pgmq_rows_put(routing->rows, slot->tts_values, isnull);
}

/* The bindings that take a message with these headers (NULL: none). */
static Datum
test_routing(FunctionCallInfo fcinfo, Jsonb *headers)
{
	PgmqRows   *rows = pgmq_rows_begin(fcinfo);
	Routing		routing;

	routing_begin(&routing, pgmq_topic_key_arg(fcinfo, 0), 1);
	routing.rows = rows;
	routing.headers[0] = headers;
	do
	{
		pgmq_exec_once("SELECT pattern::pg_catalog.text, queue_name::pg_catalog.text,"
					   " compiled_regex::pg_catalog.text"
					   " FROM " PGMQ_SCHEMA ".topic_bindings"
					   " WHERE pattern IS NOT NULL AND queue_name IS NOT NULL"
					   " ORDER BY pattern, queue_name",
					   0, NULL, NULL, true, row_binding, &routing);
		routing.alternates = !routing.alternates;
	} while (routing.alternates && find_unrouted(&routing) >= 0);
	return (Datum) 0;
}

/*
 * test_routing(routing_key text)
 * returns table (pattern text, queue_name text, compiled_regex text)
 */
Datum
pgmq_test_routing(PG_FUNCTION_ARGS)
{
	return test_routing(fcinfo, NULL);
}

/*
 * test_routing(routing_key text, headers jsonb)
 * returns table (pattern text, queue_name text, compiled_regex text)
 */
Datum
pgmq_test_routing_headers(PG_FUNCTION_ARGS)
{
	return test_routing(fcinfo, PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1));
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

	if (!binding_takes(routing, DatumGetTextPP(slot_getattr(slot, 1, &isnull))))
		return;
	old = MemoryContextSwitchTo(routing->context);
	route = palloc(sizeof(Route));
	route->queue_name = DatumGetTextPCopy(slot_getattr(slot, 2, &isnull));
	pgmq_name_format(route->queue_name, 'q', route->relname);
	route->takes = palloc(routing->nmsgs * sizeof(bool));
	memcpy(route->takes, routing->takes, routing->nmsgs * sizeof(bool));
	routing->routes = lappend(routing->routes, route);
	MemoryContextSwitchTo(old);
}

static int
route_cmp(const ListCell *a, const ListCell *b)
{
	return strcmp(((Route *) lfirst(a))->relname, ((Route *) lfirst(b))->relname);
}

/* Have a route take what another one takes. */
static void
route_add(Route *route, const Route *other, int nmsgs)
{
	for (int i = 0; i < nmsgs; i++)
		route->takes[i] |= other->takes[i];
}

/*
 * The queues that get the messages, each once, in the order of their tables'
 * names.
 * Error: P0002 if nothing takes a message, and the setting asks for it.
 */
static List *
routes_find(Routing *routing)
{
	ListCell   *lc;
	Route	   *last = NULL;

	do
	{
		pgmq_exec_each(NULL, PGMQ_STMT_BINDINGS, NULL, row_route, routing);
		foreach(lc, routing->routes)
			note_routed(routing, ((Route *) lfirst(lc))->takes);
		routing->alternates = !routing->alternates;
	} while (routing->alternates && find_unrouted(routing) >= 0);

	if (pgmq_unroutable == PGMQ_UNROUTABLE_ERROR && find_unrouted(routing) >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no queue takes a message with routing key \"%s\"",
						text_to_cstring(routing->key)),
				 routing->nmsgs == 1 ? 0 :
				 errdetail("It is number %d of the messages.", find_unrouted(routing) + 1),
				 errhint("Bind a queue to a pattern that matches it, or an alternate queue, or set \"pgmq_c.unroutable\" to \"ignore\".")));
	list_sort(routing->routes, route_cmp);
	foreach(lc, routing->routes)
	{
		Route	   *route = lfirst(lc);

		if (last == NULL || strcmp(route->relname, last->relname) != 0)
		{
			last = route;
			continue;
		}
		route_add(last, route, routing->nmsgs);
		routing->routes = foreach_delete_current(routing->routes, lc);
	}
	return routing->routes;
}

/*
 * Open the queues of routes.  A subscription stands for its stream, which gets
 * each message once, however many of its subscriptions are bound.
 * Takes ROW EXCLUSIVE on each of them.
 */
static List *
routes_open(const Routing *routing, List *routes)
{
	List	   *streams = NIL;
	ListCell   *lc;

	foreach(lc, routes)
	{
		Route	   *route = lfirst(lc);
		PgmqStream	stream;
		PgmqQueue	target;
		ListCell   *other;

		CHECK_FOR_INTERRUPTS();
		pgmq_queue_open(&route->queue, route->queue_name, RowExclusiveLock, PGMQ_NEED_INSERT, "INSERT");
		route->stream = pgmq_stream_look(route->queue.relid, &stream);
		if (!route->stream)
			continue;
		if (pgmq_stream_target(&route->queue, &target))
			route->queue = target;
		foreach(other, streams)
			if (((Route *) lfirst(other))->queue.relid == route->queue.relid)
			break;
		if (other == NULL)
			streams = lappend(streams, route);
		else
		{
			route_add(lfirst(other), route, routing->nmsgs);
			routes = foreach_delete_current(routes, lc);
		}
	}
	return routes;
}

/*
 * Send a message to a topic, with a delay in seconds.  Returns the number of
 * queues that got it.
 * Errors: P0001 for arguments that PGMQ refuses, 42P01 if the table of a bound
 * queue does not exist, and those of routes_find and pgmq_put.
 */
static Datum
send_topic(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg delay)
{
	text	   *key = pgmq_topic_key_arg(fcinfo, 0);
	PgmqArg		vt = pgmq_from_now(delay);
	Routing		routing;
	List	   *routes;
	ListCell   *lc;

	if (PG_ARGISNULL(1))
		PGMQ_TOPIC_ERROR("msg cannot be NULL");
	if (!delay.isnull && DatumGetInt32(delay.value) < 0)
		PGMQ_TOPIC_ERROR("delay cannot be negative, got: %d",
						 DatumGetInt32(delay.value));

	routing_begin(&routing, key, 1);
	if (!headers.isnull)
		routing.headers[0] = DatumGetJsonbP(headers.value);
	routes = routes_open(&routing, routes_find(&routing));
	foreach(lc, routes)
	{
		Route	   *route = lfirst(lc);
		int64		id;

		CHECK_FOR_INTERRUPTS();
		pgmq_put(&route->queue, vt, PGMQ_ARG_FROM(1), !route->stream ? headers :
				 PGMQ_ARG(JsonbPGetDatum(pgmq_topic_add_key(routing.headers[0], key))), &id);
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

/* Whether a route takes all messages of a batch. */
static bool
takes_all(const Route *route, int nmsgs)
{
	for (int i = 0; i < nmsgs; i++)
		if (!route->takes[i])
			return false;
	return true;
}

/*
 * Those elements of an array of JSON that a queue takes.  NULL stays NULL, and so
 * do elements that are missing.
 */
static PgmqArg
array_taken(PgmqArg array, const bool *takes, int nmsgs)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	int			taken = 0;
	int			lbound = 1;

	if (array.isnull)
		return array;
	deconstruct_array(DatumGetArrayTypeP(array.value), JSONBOID, -1, false, TYPALIGN_INT,
					  &elems, &nulls, &n);
	for (int i = 0; i < Min(n, nmsgs); i++)
	{
		if (!takes[i])
			continue;
		elems[taken] = elems[i];
		nulls[taken++] = nulls[i];
	}
	return PGMQ_ARG(PointerGetDatum(construct_md_array(elems, nulls, 1, &taken, &lbound,
													   JSONBOID, -1, false, TYPALIGN_INT)));
}

/* The headers of those messages that a stream takes, with the routing key. */
static PgmqArg
headers_for_stream(const Routing *routing, const Route *route)
{
	Datum	   *elems = palloc(routing->nmsgs * sizeof(Datum));
	int			n = 0;

	for (int i = 0; i < routing->nmsgs; i++)
		if (route->takes[i])
			elems[n++] = JsonbPGetDatum(pgmq_topic_add_key(routing->headers[i], routing->key));
	return PGMQ_ARG(PointerGetDatum(construct_array(elems, n, JSONBOID, -1, false, TYPALIGN_INT)));
}

/* Note the headers of each message of a batch. */
static void
batch_headers(Routing *routing, PgmqArg headers)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	if (headers.isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(headers.value), JSONBOID, -1, false, TYPALIGN_INT,
					  &elems, &nulls, &n);
	for (int i = 0; i < Min(n, routing->nmsgs); i++)
		if (!nulls[i])
			routing->headers[i] = DatumGetJsonbP(elems[i]);
}

/* Send a batch to a topic.  Returns rows of queue_name and msg_id. */
static Datum
send_batch_topic(FunctionCallInfo fcinfo, PgmqArg headers, PgmqArg vt)
{
	BatchState	state = {.rows = pgmq_rows_begin(fcinfo)};
	text	   *key = pgmq_topic_key_arg(fcinfo, 0);
	PgmqArg		msgs = PGMQ_ARG_FROM(1);
	ArrayType  *array;
	Routing		routing;
	ListCell   *lc;

	pgmq_batch_validate(msgs, headers);
	array = DatumGetArrayTypeP(msgs.value);
	routing_begin(&routing, key, ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
	batch_headers(&routing, headers);
	foreach(lc, routes_open(&routing, routes_find(&routing)))
	{
		Route	   *route = lfirst(lc);
		bool		all = takes_all(route, routing.nmsgs);

		CHECK_FOR_INTERRUPTS();
		state.queue_name = route->queue_name;
		pgmq_put_batch(&route->queue, vt,
					   all ? msgs : array_taken(msgs, route->takes, routing.nmsgs),
					   route->stream ? headers_for_stream(&routing, route) :
					   all ? headers : array_taken(headers, route->takes, routing.nmsgs),
					   put_sent, &state);
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
