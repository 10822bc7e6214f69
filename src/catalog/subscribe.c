/*-------------------------------------------------------------------------
 *
 * subscribe.c
 *	  Streams and subscriptions come and go: create_stream, create_subscription,
 *	  seek.
 *
 * A subscription's table is made as any queue's.  Its rows are references to
 * messages of the stream; feed.c inserts them when a reader wants some.
 *
 * seek locks the subscription's table against readers and everything else, so
 * that nobody feeds meanwhile.  It forgets all references and what was given out,
 * and lets read_ct go on beyond the greatest one that was ever returned: no fence
 * that a consumer still has fits a lease that comes later, nor a message that is not
 * read yet.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/subscribe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_create_stream);
PG_FUNCTION_INFO_V1(pgmq_create_subscription);
PG_FUNCTION_INFO_V1(pgmq_create_subscription_start);
PG_FUNCTION_INFO_V1(pgmq_create_subscription_filter);
PG_FUNCTION_INFO_V1(pgmq_seek);
PG_FUNCTION_INFO_V1(pgmq_seek_options);

/* So many messages before the one that is found by its time are looked at. */
#define TIME_WINDOW		1000

/* Where a subscription begins. */
typedef enum StartKind
{
	START_LATEST,
	START_ID,					/* at a message or the next one after it */
	START_TIME
} StartKind;

typedef struct Start
{
	StartKind	kind;
	int64		id;
	TimestampTz time;
} Start;

/* ----------------------------------------------------------------
 *		Streams
 * ----------------------------------------------------------------
 */

/* Refuse a queue whose ids are not drawn one by one.  Error: 55000. */
static void
check_sequence(const PgmqQueue *queue)
{
	Oid			sequence = pgmq_queue_sequence(queue->relid);
	HeapTuple	tuple;
	int64		cache = 0;

	if (OidIsValid(sequence))
	{
		tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence));
		if (HeapTupleIsValid(tuple))
		{
			cache = ((Form_pg_sequence) GETSTRUCT(tuple))->seqcache;
			ReleaseSysCache(tuple);
		}
	}
	if (cache != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" cannot be a stream", PGMQ_QUEUE_BASE(queue)),
				 cache == 0 ? errdetail("Its ids do not come from a sequence.") :
				 errdetail("The sequence of its ids caches " INT64_FORMAT " of them.", cache),
				 cache == 0 ? 0 :
				 errhint("Use ALTER SEQUENCE ... CACHE 1, so that ids are drawn in order.")));
}

/* Run a statement on the tables of streams, with the rights of their owner. */
static uint64
keep(const char *sql, int nargs, const Oid *argtypes, const PgmqArg *args, PgmqRowFn fn,
	 void *state)
{
	PgmqRole	saved = pgmq_stream_become_keeper();
	uint64		n = pgmq_exec_once(sql, nargs, argtypes, args, false, fn, state);

	pgmq_role_restore(saved);
	return n;
}

/* Note that a queue, which is locked, is a stream. */
void
pgmq_stream_put(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(queue->relid))};

	check_sequence(queue);
	keep("INSERT INTO " PGMQ_SCHEMA ".stream (stream) VALUES ($1)", 1, argtypes, args, NULL, NULL);
	pgmq_stream_changed(queue->relid);
}

/* Lock callback: is it the caller's?  Then send its waiters away. */
static void
callback_own(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	if (!OidIsValid(relid))
		return;
	pgmq_queue_check_right(relid, table->relname, PGMQ_NEED_OWNER);
	if (get_rel_relkind(relid) != '\0')
		pgmq_waiter_send_away(relid);
}

/* Lock a queue of the caller's against everything else, and send its waiters away. */
void
pgmq_queue_lock_own(PgmqQueue *queue, text *queue_name)
{
	pgmq_check_may_write("ALTER TABLE");
	pgmq_name_format(queue_name, 'q', queue->relname);
	queue->relid = RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, queue->relname, -1),
											AccessExclusiveLock, RVR_MISSING_OK,
											callback_own, NULL);
	if (!OidIsValid(queue->relid))
		pgmq_queue_missing(queue_name, queue->relname);
	AcceptInvalidationMessages();
}

/*
 * create_stream(queue_name text) returns void
 *
 * An empty queue of the caller's becomes one.  Errors: 55000 for a queue that has
 * messages, or whose ids are not drawn one by one; those of create.
 */
Datum
pgmq_create_stream(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	queue;
	PgmqStream	stream;
	int64		id;

	pgmq_check_may_write("CREATE TABLE");
	if (pgmq_layout_begin(&queue, queue_name, PGMQ_KIND_LOGGED))
	{
		pgmq_layout_create_queue(PGMQ_QUEUE_BASE(&queue), PGMQ_KIND_LOGGED);
		pgmq_layout_create_archive(PGMQ_QUEUE_BASE(&queue), NULL);
		pgmq_layout_finish(&queue, queue_name, PGMQ_KIND_LOGGED);
	}
	pgmq_queue_lock_own(&queue, queue_name);
	pgmq_queue_check_shape(&queue);
	if (pgmq_stream_look(queue.relid, &stream))
	{
		if (stream.kind == PGMQ_STREAM_LOG)
			PG_RETURN_VOID();
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" is a subscription", PGMQ_QUEUE_BASE(&queue))));
	}
	if (pgmq_exec_int8(&queue, PGMQ_STMT_LAST_ID, NULL, &id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has messages", PGMQ_QUEUE_BASE(&queue)),
				 errhint("Use pgmq.convert_to_stream(), which keeps them and their consumers.")));
	pgmq_policy_check_kind(&queue, PGMQ_STREAM_LOG, pgmq_policy(&queue));
	pgmq_stream_put(&queue);

	/* its rows are never updated */
	if (get_rel_relkind(queue.relid) == RELKIND_RELATION)
		pgmq_exec_ddl("ALTER TABLE %s SET (fillfactor = 100)",
					  pgmq_layout_name("", queue.relname, ""));
	PG_RETURN_VOID();
}

/* ----------------------------------------------------------------
 *		Where a subscription begins
 * ----------------------------------------------------------------
 */

#define START_HINT		"It is 'earliest', 'latest', a msg_id or a time."

/* Error context callback: what else a text could have been that is no time. */
static void
start_error(void *arg)
{
	errhint(START_HINT);
}

/* The meaning of a text: earliest, latest, an id or a time.  Error: 22007 and others. */
static Start
start_parse(text *value)
{
	char	   *word = text_to_cstring(value);
	char	   *end;
	Start		start = {.kind = START_ID};
	ErrorContextCallback callback;

	if (pg_strcasecmp(word, "latest") == 0)
		start.kind = START_LATEST;
	else if (pg_strcasecmp(word, "earliest") == 0)
		start.id = PG_INT64_MIN;
	else
	{
		errno = 0;
		start.id = strtoll(word, &end, 10);
		if (errno != 0 || end == word || *end != '\0')
		{
			start.kind = START_TIME;
			callback.callback = start_error;
			callback.arg = NULL;
			callback.previous = error_context_stack;
			error_context_stack = &callback;
			start.time = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
																 CStringGetDatum(word),
																 ObjectIdGetDatum(InvalidOid),
																 Int32GetDatum(-1)));
			error_context_stack = callback.previous;
		}
	}
	return start;
}

/*
 * Argument argno, where a subscription begins: a text, an id or a time.
 * Errors: 22004 when it is NULL, and those of start_parse.
 */
static Start
start_arg(FunctionCallInfo fcinfo, int argno)
{
	Oid		   *types;
	int			ntypes;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("start must not be null"),
				 errhint(START_HINT)));
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &ntypes);
	if (types[argno] == INT8OID)
		return (Start)
	{
		.kind = START_ID,.id = PG_GETARG_INT64(argno)
	};
	if (types[argno] == TIMESTAMPTZOID)
		return (Start)
	{
		.kind = START_TIME,.time = PG_GETARG_TIMESTAMPTZ(argno)
	};
	return start_parse(PG_GETARG_TEXT_PP(argno));
}

/* A message of a stream, as row_message finds it. */
typedef struct Found
{
	int64		id;
	TimestampTz sent;
	bool		any;
} Found;

/* Row function: (msg_id, enqueued_at). */
static void
row_message(TupleTableSlot *slot, void *state)
{
	Found	   *found = state;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0])
		return;
	found->any = true;
	found->id = DatumGetInt64(slot->tts_values[0]);
	found->sent = slot->tts_isnull[1] ? DT_NOBEGIN : DatumGetTimestampTz(slot->tts_values[1]);
}

/* Look for the message that a SELECT on the stream returns, with the owner's rights. */
static Found
find_message(const PgmqQueue *queue, const char *sql, PgmqArg one, PgmqArg two)
{
	static const Oid argtypes[] = {INT8OID, TIMESTAMPTZOID};
	PgmqArg		args[] = {one, two};
	Found		found = {.any = false};

	pgmq_exec_once_guarded(pgmq_plan_text(queue, sql), 2, argtypes, args, row_message, &found);
	return found;
}

/*
 * The first message that was sent at a time or later.  Ids rise with the time, but
 * for those of transactions that were open for long: a binary search finds a
 * place, and of the messages before it those that fit are taken as well.
 */
static int64
find_time(const PgmqQueue *queue, TimestampTz time)
{
	PgmqArg		at = PGMQ_ARG(TimestampTzGetDatum(time));
	PgmqRole	saved = pgmq_role_become_owner(queue->relid);
	Found		first = find_message(queue, "SELECT msg_id, enqueued_at FROM {s}"
									 " WHERE $1 IS NULL AND $2 IS NULL ORDER BY msg_id LIMIT 1",
									 PGMQ_ARG_NULL, PGMQ_ARG_NULL);
	Found		last = find_message(queue, "SELECT msg_id, enqueued_at FROM {s}"
									" WHERE $1 IS NULL AND $2 IS NULL ORDER BY msg_id DESC LIMIT 1",
									PGMQ_ARG_NULL, PGMQ_ARG_NULL);
	int64		lo = first.id;
	int64		hi = last.any ? last.id + 1 : 0;
	Found		before;

	/*
	 * all before lo were sent before the time, the one at hi or after it was
	 * not
	 */
	while (last.any && lo < hi)
	{
		int64		middle = lo + (hi - lo) / 2;
		Found		found = find_message(queue, "SELECT msg_id, enqueued_at FROM {s}"
										 " WHERE msg_id OPERATOR(pg_catalog.>=) $1 AND $2 IS NULL"
										 " ORDER BY msg_id LIMIT 1",
										 PGMQ_ARG(Int64GetDatum(middle)), PGMQ_ARG_NULL);

		if (found.any && found.id < hi && found.sent < time)
			lo = found.id + 1;
		else
			hi = middle;
	}
	before = find_message(queue, "SELECT pg_catalog.min(msg_id), NULL::timestamp with time zone FROM"
						  " (SELECT msg_id, enqueued_at FROM {s}"
						  " WHERE msg_id OPERATOR(pg_catalog.<) $1"
						  " ORDER BY msg_id DESC LIMIT " CppAsString2(TIME_WINDOW) ") AS stored"
						  " WHERE enqueued_at OPERATOR(pg_catalog.>=) $2",
						  PGMQ_ARG(Int64GetDatum(lo)), at);
	pgmq_role_restore(saved);
	return before.any ? before.id : lo;
}

/*
 * Let a subscription of which nothing is noted begin somewhere.  Error: 55000 if the stream
 * has row-level security.
 */
static void
begin_at(const PgmqQueue *queue, const PgmqStream *stream, const Start *start)
{
	int64		id = start->id;
	int64		drawn;

	pgmq_feed_check_stream(queue, stream);
	if (start->kind == START_LATEST)
	{
		pgmq_feed_begin_now(queue, stream);
		return;
	}
	if (start->kind == START_TIME)
		id = find_time(queue, start->time);
	if (!pgmq_sequence_look(stream->stream, &drawn))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the last id of the stream cannot be read now")));

	/* an id that was not drawn yet may be drawn any time later */
	if (id <= 0)
	{
		PgmqRole	saved = pgmq_role_become_owner(queue->relid);
		Found		first = find_message(queue, "SELECT msg_id, enqueued_at FROM {s}"
										 " WHERE msg_id OPERATOR(pg_catalog.>=) $1 AND $2 IS NULL"
										 " ORDER BY msg_id LIMIT 1",
										 PGMQ_ARG(Int64GetDatum(id)), PGMQ_ARG_NULL);

		pgmq_role_restore(saved);
		id = first.any ? Max(Min(first.id, 0), PGMQ_BATCH_END) : 0;
	}
	pgmq_feed_begin_at(queue, stream, id);
}

/* ----------------------------------------------------------------
 *		Subscriptions
 * ----------------------------------------------------------------
 */

/* Open the stream of a subscription that is to be created. */
static void
stream_open(PgmqQueue *queue, text *queue_name)
{
	PgmqStream	stream;

	pgmq_queue_open(queue, queue_name, AccessShareLock, PGMQ_NEED_SELECT, "CREATE TABLE");
	if (pg_class_aclcheck(queue->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, queue->relname);
	if (pgmq_stream_subscribes(queue->relid, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" is a subscription", PGMQ_QUEUE_BASE(queue)),
				 errhint("Create the subscription to its stream, which pgmq.list_subscriptions() shows.")));
	if (stream.kind != PGMQ_STREAM_LOG)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" is not a stream", PGMQ_QUEUE_BASE(queue)),
				 errhint("Create a stream with pgmq.create_stream(), or make the queue one with pgmq.convert_to_stream().")));
	if (check_enable_rls(queue->relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("stream \"%s\" has row-level security", PGMQ_QUEUE_BASE(queue)),
				 errdetail("A subscription gives out what its owner can see.")));
	check_sequence(queue);
}

/* Note that a queue, which is locked, is a subscription; see its columns. */
void
pgmq_subscription_put(const PgmqQueue *queue, Oid stream, PgmqArg filter)
{
	static const Oid argtypes[] = {OIDOID, OIDOID, JSONBOID};
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(queue->relid)), PGMQ_ARG(ObjectIdGetDatum(stream)), filter
	};

	keep("INSERT INTO " PGMQ_SCHEMA ".subscription (subscription, stream, filter)"
		 " VALUES ($1, $2, $3)", 3, argtypes, args, NULL, NULL);
	pgmq_stream_changed(queue->relid);
	CommandCounterIncrement();
	AcceptInvalidationMessages();
}

static Datum
create_subscription(FunctionCallInfo fcinfo, const Start *start, PgmqArg filter)
{
	text	   *name = pgmq_name_arg(fcinfo, 0);
	PgmqQueue	stream;
	PgmqQueue	queue;
	PgmqStream	state;
	PgmqKind	kind;

	pgmq_check_may_write("CREATE TABLE");
	stream_open(&stream, pgmq_name_arg(fcinfo, 1));
	kind = pgmq_layout_kind(stream.relid) == PGMQ_KIND_UNLOGGED ?
		PGMQ_KIND_UNLOGGED : PGMQ_KIND_LOGGED;
	if (!pgmq_layout_begin(&queue, name, kind))
	{
		if (pgmq_stream_subscribes(queue.relid, &state) &&
			state.stream == stream.relid)
			PG_RETURN_VOID();
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("queue \"%s\" already exists", PGMQ_QUEUE_BASE(&queue)),
				 errdetail("It is not a subscription to stream \"%s\".", PGMQ_QUEUE_BASE(&stream))));
	}
	pgmq_layout_create_queue(PGMQ_QUEUE_BASE(&queue), kind);
	pgmq_layout_create_archive(PGMQ_QUEUE_BASE(&queue), NULL);
	pgmq_layout_finish(&queue, name, kind);
	pgmq_queue_lock_own(&queue, name);
	pgmq_subscription_put(&queue, stream.relid, filter);
	if (!pgmq_stream_look(queue.relid, &state))
		elog(ERROR, "subscription \"%s\" is not there", queue.relname);
	begin_at(&queue, &state, start);
	PG_RETURN_VOID();
}

/* create_subscription(subscription_name text, queue_name text) returns void */
Datum
pgmq_create_subscription(PG_FUNCTION_ARGS)
{
	Start		start = {.kind = START_LATEST};

	return create_subscription(fcinfo, &start, PGMQ_ARG_NULL);
}

/* create_subscription(subscription_name text, queue_name text, start text | bigint | timestamptz) */
Datum
pgmq_create_subscription_start(PG_FUNCTION_ARGS)
{
	Start		start = start_arg(fcinfo, 2);

	return create_subscription(fcinfo, &start, PGMQ_ARG_NULL);
}

/*
 * create_subscription(subscription_name text, queue_name text, start text,
 *					   filter jsonb)
 */
Datum
pgmq_create_subscription_filter(PG_FUNCTION_ARGS)
{
	Start		start = start_arg(fcinfo, 2);

	pgmq_options_arg(fcinfo, 3, pgmq_filter_option, NULL);
	return create_subscription(fcinfo, &start, PGMQ_ARG_FROM(3));
}

/* ----------------------------------------------------------------
 *		Seek
 * ----------------------------------------------------------------
 */

/* Take the option of seek. */
static void
seek_option(const char *option, const JsonbValue *value, void *state)
{
	if (strcmp(option, "force") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown option \"%s\"", option),
				 errhint("The only option is: force.")));
	if (value->type != jbvBool)
		pgmq_option_invalid(option, "true or false");
	*(bool *) state = value->val.boolean;
}

/*
 * Let a subscription of the caller's, which is locked, begin anew.  Returns how
 * many references it had.
 */
static int64
subscription_restart(const PgmqQueue *queue, PgmqStream *stream, const Start *start)
{
	static const Oid argtypes[] = {OIDOID, INT4OID};
	PgmqArg		args[2] = {PGMQ_ARG(ObjectIdGetDatum(queue->relid))};
	int64		count = 0;
	int64		most = 0;
	int64		noted = 0;
	PgmqBatchCount batched;

	/* where a read that was rolled back had more, its fence is worth nothing */
	pgmq_exec_once(pgmq_plan_text(queue, "SELECT COALESCE(pg_catalog.max(read_ct), 0)::pg_catalog.int8 FROM {q}"),
				   0, NULL, NULL, false, pgmq_row_int8, &most);
	pgmq_batches_count(queue, 0, &batched);
	count = batched.more + (int64) pgmq_exec_once(pgmq_plan_text(queue, "DELETE FROM {q}"), 0, NULL, NULL, false, NULL, NULL);

	/* what this backend has kept may be from before other reads */
	keep("SELECT COALESCE(pg_catalog.max(value), 0) FROM " PGMQ_SCHEMA ".subscription_note"
		 " WHERE subscription OPERATOR(pg_catalog.=) $1"
		 " AND kind OPERATOR(pg_catalog.=) 'reads'::pg_catalog.text",
		 1, argtypes, args, pgmq_row_int8, &noted);
	most = Min(Max(most, noted), PG_INT32_MAX / 2);

	/*
	 * one more, since an acknowledgement can name a reference that was not
	 * read
	 */
	if (most > stream->read_base)
		stream->read_base = (int32) most + 1;
	args[1] = PGMQ_ARG(Int32GetDatum(stream->read_base));
	keep("DELETE FROM " PGMQ_SCHEMA ".subscription_block"
		 " WHERE subscription OPERATOR(pg_catalog.=) $1 AND $2 IS NOT NULL",
		 2, argtypes, args, NULL, NULL);
	keep("DELETE FROM " PGMQ_SCHEMA ".subscription_note"
		 " WHERE subscription OPERATOR(pg_catalog.=) $1 AND $2 IS NOT NULL"
		 " AND kind OPERATOR(pg_catalog.<>) 'lost'::pg_catalog.text",
		 2, argtypes, args, NULL, NULL);
	keep("UPDATE " PGMQ_SCHEMA ".subscription SET read_base = $2"
		 " WHERE subscription OPERATOR(pg_catalog.=) $1",
		 2, argtypes, args, NULL, NULL);
	begin_at(queue, stream, start);
	pgmq_stream_changed(queue->relid);
	return count;
}

/* Row function: that there is one. */
static void
row_any(TupleTableSlot *slot, void *state)
{
	*(bool *) state = true;
}

static Datum
seek(FunctionCallInfo fcinfo, const Start *start, bool force)
{
	PgmqQueue	queue;
	PgmqStream	stream;
	bool		leased = false;

	pgmq_queue_lock_own(&queue, pgmq_name_arg(fcinfo, 0));
	if (!pgmq_stream_subscribes(queue.relid, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" is not a subscription", PGMQ_QUEUE_BASE(&queue)),
				 errhint("List the subscriptions with pgmq.list_subscriptions().")));
	if (!force)
		pgmq_exec_once(pgmq_plan_text(&queue, "SELECT 1 FROM {q} WHERE last_read_at IS NOT NULL"
									  " AND vt OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()"
									  " AND read_ct OPERATOR(pg_catalog.>) 0 LIMIT 1"),
					   0, NULL, NULL, false, row_any, &leased);
	if (leased)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("messages of subscription \"%s\" are in flight", PGMQ_QUEUE_BASE(&queue)),
				 errhint("Wait until they are acknowledged or their leases are over, or call pgmq.seek() with the option force: their consumers can then no longer acknowledge them with a fence.")));
	(void) subscription_restart(&queue, &stream, start);
	PG_RETURN_VOID();
}

/* seek(subscription_name text, start text | bigint | timestamptz) returns void */
Datum
pgmq_seek(PG_FUNCTION_ARGS)
{
	Start		start = start_arg(fcinfo, 1);

	return seek(fcinfo, &start, false);
}

/* seek(subscription_name text, start text, options jsonb) returns void */
Datum
pgmq_seek_options(PG_FUNCTION_ARGS)
{
	Start		start = start_arg(fcinfo, 1);
	bool		force = false;

	pgmq_options_arg(fcinfo, 2, seek_option, &force);
	return seek(fcinfo, &start, force);
}

/*
 * Purge an open subscription, which is locked: it goes on with what is sent from
 * now on.  Returns how many messages it would still have given out, as far as they
 * were fed.
 */
int64
pgmq_subscription_purge(const PgmqQueue *queue, PgmqStream *stream)
{
	Start		start = {.kind = START_LATEST};

	return subscription_restart(queue, stream, &start);
}

/*
 * Before a queue, which is locked, is dropped: refuse a stream that has
 * subscriptions, and forget what is noted of it otherwise.  Error: 2BP01.
 */
void
pgmq_stream_drop(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(queue->relid))};
	PgmqStream	stream;
	PgmqTexts	names = {CurrentMemoryContext, NIL};

	if (!pgmq_stream_look(queue->relid, &stream))
		return;
	if (stream.kind == PGMQ_STREAM_LOG)
		keep("SELECT pg_catalog.substr(c.relname::pg_catalog.text, 3)"
			 " FROM " PGMQ_SCHEMA ".subscription s JOIN pg_catalog.pg_class c"
			 " ON c.oid OPERATOR(pg_catalog.=) s.subscription"
			 " WHERE s.stream OPERATOR(pg_catalog.=) $1 ORDER BY 1 LIMIT 1",
			 1, argtypes, args, pgmq_row_texts, &names);
	if (names.list != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop stream \"%s\" because it has subscriptions",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("\"%s\" is a subscription to it.", text_to_cstring(linitial(names.list))),
				 errhint("Drop them first with pgmq.drop_queue(); pgmq.list_subscriptions() lists them.")));
	pgmq_stream_forget(queue->relid);
}
