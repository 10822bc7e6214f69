/*-------------------------------------------------------------------------
 *
 * set_policy.c
 *	  Setting and showing a queue's policy; pausing and resuming the
 *	  queue.
 *
 * Only the owner of the queue may do this.  Rows of pgmq.policy are written with
 * the rights of that table's owner.  Backends that keep the old policy learn of
 * the change by an invalidation of the queue table, which goes out with the commit.
 *
 * Priorities are the one part of a policy that changes the queue's table: see
 * pgmq_layout_set_priorities.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/set_policy.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "duemap/duemap.h"
#include "policy/policy.h"
#include "stream/stream.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_set_policy);
PG_FUNCTION_INFO_V1(pgmq_get_policy);
PG_FUNCTION_INFO_V1(pgmq_pause);
PG_FUNCTION_INFO_V1(pgmq_resume);

/* A chain of dead-letter queues longer than this is taken for a cycle. */
#define MAX_DEAD_LETTER_CHAIN	100

/*
 * The base that a policy gets with its first back-off: it outlasts a restart
 * of what the consumers need.  It is written into the policy, so that
 * policies from before this keep the base that they were made with.
 */
#define BACKOFF_DEFAULTS(policy) \
	"CASE WHEN $2 OPERATOR(pg_catalog.->>) 'backoff'::pg_catalog.text IS NULL" \
	" OR " policy " OPERATOR(pg_catalog.->>) 'backoff'::pg_catalog.text IS NOT NULL" \
	" THEN '{}'::pg_catalog.jsonb ELSE '{\"backoff_base\": 10}'::pg_catalog.jsonb END"

/* A policy on its way out of a statement. */
typedef struct PolicyDoc
{
	MemoryContext context;
	Jsonb	   *doc;
} PolicyDoc;

/* Row function: keep the first column, a jsonb. */
static void
row_doc(TupleTableSlot *slot, void *state)
{
	PolicyDoc  *policy = state;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);
	MemoryContext old = MemoryContextSwitchTo(policy->context);

	policy->doc = (Jsonb *) PG_DETOAST_DATUM_COPY(value);
	MemoryContextSwitchTo(old);
}

/*
 * Open the queue of argument 0 in order to change its policy.
 * Error: 42501 when the caller does not own it.
 */
static void
queue_open_owned(PgmqQueue *queue, FunctionCallInfo fcinfo)
{
	pgmq_queue_open(queue, pgmq_name_arg(fcinfo, 0), AccessShareLock,
					PGMQ_NEED_OWNER, "UPDATE");
	pgmq_queue_check_shape(queue);
}

/*
 * Lock the queue for a change of its priorities, if the new values of its policy
 * have one.  What others are queued up for is the lock on the name, so that no
 * two wait for each other's lock on the table.  Returns whether there is one.
 */
static bool
priorities_lock(FunctionCallInfo fcinfo, Jsonb *doc, bool wanted)
{
	PgmqQueue	queue;
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&doc->root, "priorities", strlen("priorities"), &value) == NULL)
		return false;
	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), NoLock, PGMQ_NEED_OWNER, "UPDATE");
	pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
	queue_open_owned(&queue, fcinfo);
	if (pgmq_layout_has_priorities(&queue, wanted))
		return false;
	pgmq_waiter_send_away(queue.relid);
	LockRelationOid(queue.relid, wanted ? ShareRowExclusiveLock : AccessExclusiveLock);
	return !pgmq_layout_has_priorities(&queue, wanted);
}

/*
 * Run a statement on pgmq.policy about a queue, whose name in some form is
 * $1, and tell the backends that keep its policy.  The number of rows.
 */
static uint64
policy_write_as(const PgmqQueue *queue, Datum name, const char *sql, Oid argtype,
				Datum value, PgmqRowFn fn, void *state)
{
	Oid			argtypes[] = {TEXTOID, argtype};
	PgmqArg		args[] = {PGMQ_ARG(name), PGMQ_ARG(value)};
	Oid			table = pgmq_policy_table(false);
	PgmqRole	saved;
	uint64		count;

	LockRelationOid(table, RowExclusiveLock);
	pgmq_role_check_triggers(table, TRIGGER_TYPE_EVENT_MASK, false);
	saved = pgmq_role_become_owner(table);
	count = pgmq_exec_once(sql, OidIsValid(argtype) ? 2 : 1,
						   argtypes, args, false, fn, state);
	pgmq_role_restore(saved);
	CacheInvalidateRelcacheByRelid(queue->relid);
	CommandCounterIncrement();
	return count;
}

/* As policy_write_as, by the name of the queue's table. */
static uint64
policy_write(const PgmqQueue *queue, const char *sql, Oid argtype, Datum value,
			 PgmqRowFn fn, void *state)
{
	return policy_write_as(queue, CStringGetTextDatum(queue->relname), sql,
						   argtype, value, fn, state);
}

/*
 * As policy_write, for a statement that changes the row whose key is $1, or
 * makes it.  A queue has one row, whatever spellings of its name meta knows:
 * the one that is there, as it is now, or the one of the name in meta.
 */
static void
policy_upsert(const PgmqQueue *queue, const char *sql, Oid argtype, Datum value,
			  PgmqRowFn fn, void *state)
{
	static const Oid argtypes[] = {TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(CStringGetTextDatum(queue->relname))};
	PgmqTexts	keys = {CurrentMemoryContext, NIL};
	text	   *name = pgmq_meta_key(queue);
	PgmqRole	saved;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" is not listed in " PGMQ_SCHEMA ".meta",
						PGMQ_QUEUE_BASE(queue)),
				 errhint("Call pgmq.create() with its name to list it.")));

	saved = pgmq_role_become_owner(pgmq_policy_table(false));
	PushActiveSnapshot(GetLatestSnapshot());
	pgmq_exec_once("SELECT queue_name::pg_catalog.text" PGMQ_POLICY_ROWS,
				   1, argtypes, args, true, pgmq_row_texts, &keys);
	PopActiveSnapshot();
	pgmq_role_restore(saved);
	if (keys.list != NIL)
		name = linitial(keys.list);

	policy_write_as(queue, PointerGetDatum(name), sql, argtype, value, fn, state);

	/* a version before 1.2.0 made one for each spelling */
	if (list_length(keys.list) > 1)
		policy_write(queue,
					 pgmq_policy_is_referenced() ?
					 "UPDATE " PGMQ_SCHEMA ".policy SET policy = '{}', paused_until = NULL WHERE " PGMQ_META_IS
					 " AND queue_name::pg_catalog.text OPERATOR(pg_catalog.<>) $2" :
					 "DELETE FROM " PGMQ_SCHEMA ".policy WHERE " PGMQ_META_IS
					 " AND queue_name::pg_catalog.text OPERATOR(pg_catalog.<>) $2",
					 TEXTOID, PointerGetDatum(name), NULL, NULL);
}

/*
 * Check the dead-letter queue of a queue's policy: that it exists, and that
 * following the dead letters of dead letters does not lead back.
 */
static void
dead_letter_check(const PgmqQueue *queue, const PgmqPolicy *policy)
{
	const char *relname = policy->dead_letter;
	PgmqStream	own;
	Oid			stream = pgmq_stream_subscribes(queue->relid, &own) ? own.stream : InvalidOid;

	for (int i = 0; *relname != '\0'; i++)
	{
		PgmqQueue	next;
		const PgmqPolicy *next_policy;
		text	   *name = cstring_to_text(relname + 2);

		if (strcmp(relname, queue->relname) == 0 || i == MAX_DEAD_LETTER_CHAIN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 i == 0 ?
					 errmsg("queue \"%s\" cannot be its own dead-letter queue",
							PGMQ_QUEUE_BASE(queue)) :
					 errmsg("dead-letter queue \"%s\" leads back to queue \"%s\"",
							policy->dead_letter + 2, PGMQ_QUEUE_BASE(queue))));
		if (i == 0)
		{
			/* no lock, since the caller needs no right to that queue */
			pgmq_queue_open(&next, name, NoLock, PGMQ_NEED_NOTHING, NULL);
			pgmq_queue_check_shape(&next);
			if (pgmq_stream_subscribes(next.relid, NULL))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("dead-letter queue \"%s\" is a subscription",
								PGMQ_QUEUE_BASE(&next)),
						 errhint("Name a queue of its own for the dead letters.")));
		}
		else
		{
			strlcpy(next.relname, relname, NAMEDATALEN);
			next.relid = get_relname_relid(relname, get_rel_namespace(queue->relid));
			if (!OidIsValid(next.relid))
				return;
		}
		if (next.relid == stream)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("dead-letter queue \"%s\" leads back to the stream of subscription \"%s\"",
							policy->dead_letter + 2, PGMQ_QUEUE_BASE(queue))));
		next_policy = pgmq_policy(&next);
		if (next_policy == NULL)
			return;
		relname = next_policy->dead_letter;
	}
}

/*
 * Refuse a dead-letter queue that was to be created and is there already,
 * when it belongs neither to the queue's owner nor to the caller: a role may
 * have made it in order to get the messages.  There is no error if old, the
 * policy so far, trusts that queue as well.  Error: 55000.
 */
static void
dead_letter_check_owner(const PgmqQueue *queue, const PgmqPolicy *old,
						const char *relname, Oid owner)
{
	if (owner == pgmq_role_owner(queue->relid) || owner == GetUserId() ||
		(old != NULL && old->dead_letter_owner == owner &&
		 strcmp(old->dead_letter, relname) == 0))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("dead-letter queue \"%s\" exists and has another owner than queue \"%s\"",
					relname + 2, PGMQ_QUEUE_BASE(queue)),
			 errdetail("It belongs to role \"%s\".", GetUserNameFromId(owner, false)),
			 errhint("Name it without \"" PGMQ_POLICY_CREATE_KEY "\" to accept it.")));
}

/*
 * Note the owner of the dead-letter queue that a policy names.  A queue that
 * another role makes under its name later gets no messages, until the
 * policy's owner names it again.  The owner's name is kept and not an OID,
 * since a dump has to bring the note back.
 *
 * If the queue was to be created it may have become another role's while its name
 * was locked, so it is the owner that is noted who is checked, against old.
 */
static void
dead_letter_note(const PgmqQueue *queue, const PgmqPolicy *policy, bool create,
				 const PgmqPolicy *old)
{
	char	   *owner_name = "";

	if (policy->dead_letter[0] != '\0')
	{
		Oid			relid = get_relname_relid(policy->dead_letter, get_rel_namespace(queue->relid));
		Oid			owner = OidIsValid(relid) ? pgmq_role_find_owner(relid) : InvalidOid;

		if (!OidIsValid(owner))
			pgmq_queue_missing(cstring_to_text(policy->dead_letter + 2), policy->dead_letter);
		if (create)
			dead_letter_check_owner(queue, old, policy->dead_letter, owner);
		owner_name = GetUserNameFromId(owner, false);
	}
	if (get_attnum(pgmq_policy_table(false), "dead_letter_owner") == InvalidAttrNumber)
		return;
	policy_write(queue,
				 "UPDATE " PGMQ_SCHEMA ".policy SET dead_letter_owner ="
				 " CASE WHEN $2 OPERATOR(pg_catalog.<>) ''::pg_catalog.text THEN $2 END"
				 " WHERE " PGMQ_META_IS,
				 TEXTOID, CStringGetTextDatum(owner_name), NULL, NULL);
}

/*
 * Take the key "create_dead_letter_queue" out of the argument of set_policy;
 * *create is whether it was true.  Error: 22023 when it is neither that nor
 * false nor null.
 */
static Jsonb *
create_key_take(Jsonb *doc, bool *create)
{
	JsonbValue	value;

	*create = false;
	if (!JB_ROOT_IS_OBJECT(doc) ||
		getKeyJsonValueFromContainer(&doc->root, PGMQ_POLICY_CREATE_KEY, strlen(PGMQ_POLICY_CREATE_KEY), &value) == NULL)
		return doc;
	if (value.type != jbvBool && value.type != jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for policy key \"%s\"", PGMQ_POLICY_CREATE_KEY),
				 errdetail("The value must be true, false or null.")));
	*create = value.type == jbvBool && value.val.boolean;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(doc),
											  CStringGetTextDatum(PGMQ_POLICY_CREATE_KEY)));
}

/*
 * Create the dead-letter queue that a policy names, unless it exists.  old is
 * the policy so far, or NULL.
 * Errors: those of pgmq.create, and of dead_letter_check_owner.
 */
static void
dead_letter_create(const PgmqQueue *source, const PgmqPolicy *old, Jsonb *doc)
{
	JsonbValue	value;
	text	   *queue_name;
	PgmqQueue	queue;
	PgmqKind	kind;
	char		archive[NAMEDATALEN];
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, false);

	if (getKeyJsonValueFromContainer(&doc->root, "dead_letter_queue",
									 strlen("dead_letter_queue"), &value) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("policy key \"%s\" needs key \"dead_letter_queue\"", PGMQ_POLICY_CREATE_KEY),
				 errhint("It names the queue to create.")));
	queue_name = cstring_to_text_with_len(value.val.string.val, value.val.string.len);
	/* when a policy is set again the queue exists, which needs no notice */
	pgmq_name_format(queue_name, 'q', queue.relname);
	pgmq_name_format(queue_name, 'a', archive);
	queue.relid = get_relname_relid(queue.relname, schema);
	if (OidIsValid(queue.relid))
		dead_letter_check_owner(source, old, queue.relname, pgmq_role_owner(queue.relid));
	if (OidIsValid(queue.relid) &&
		OidIsValid(get_relname_relid(archive, schema)) && pgmq_meta_find(&queue, &kind))
		return;
	if (!pgmq_layout_begin(&queue, queue_name, PGMQ_KIND_LOGGED))
		return;
	pgmq_layout_create_queue(PGMQ_QUEUE_BASE(&queue), PGMQ_KIND_LOGGED);
	pgmq_layout_create_archive(PGMQ_QUEUE_BASE(&queue), NULL);
	pgmq_layout_finish(&queue, queue_name, PGMQ_KIND_LOGGED);
}

/*
 * set_policy(queue_name text, policy jsonb) returns jsonb
 *
 * The whole policy as it is now.  Errors: 22023 for a value that is not a
 * policy, 42P01 for a queue or dead-letter queue that does not exist, 42501
 * when the caller does not own the queue.
 */
Datum
pgmq_set_policy(PG_FUNCTION_ARGS)
{
	PgmqQueue	queue;
	PolicyDoc	merged = {CurrentMemoryContext, NULL};
	PgmqPolicy	policy;
	Jsonb	   *doc;
	bool		create;
	const PgmqPolicy *old;
	int32		old_window = 0;
	bool		sets_window;
	bool		sets_priorities;
	PgmqStream	stream;
	JsonbValue	value;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("policy must not be null")));
	doc = create_key_take(PG_GETARG_JSONB_P(1), &create);
	pgmq_policy_parse(doc, &policy);
	sets_priorities = priorities_lock(fcinfo, doc, policy.priorities);
	queue_open_owned(&queue, fcinfo);

	/* each sender either comes first, or sees the new window */
	sets_window = getKeyJsonValueFromContainer(&PG_GETARG_JSONB_P(1)->root,
											   "dedup_window", strlen("dedup_window"),
											   &value) != NULL;
	if (sets_window)
		pgmq_lock_dedup(&queue, ExclusiveLock);
	old = pgmq_policy(&queue);
	if (sets_window && old != NULL)
		old_window = old->dedup_window;

	policy_upsert(&queue,
				  "INSERT INTO " PGMQ_SCHEMA ".policy AS p (queue_name, policy)"
				  " VALUES ($1, pg_catalog.jsonb_strip_nulls("
				  BACKOFF_DEFAULTS("NULL::pg_catalog.jsonb") " OPERATOR(pg_catalog.||) $2))"
				  " ON CONFLICT (queue_name) DO UPDATE SET policy ="
				  " pg_catalog.jsonb_strip_nulls(" BACKOFF_DEFAULTS("p.policy")
				  " OPERATOR(pg_catalog.||) p.policy OPERATOR(pg_catalog.||) $2)"
				  " RETURNING policy::pg_catalog.jsonb",
				  JSONBOID, JsonbPGetDatum(doc), row_doc, &merged);
	pgmq_policy_parse(merged.doc, &policy);
	if (policy.dead_letter[0] == '\0' &&
		(policy.max_reads > 0 || policy.expired == PGMQ_EXPIRED_DEAD_LETTER))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("policy key \"%s\" needs key \"dead_letter_queue\"",
						policy.max_reads > 0 ? "max_reads" : "expired"),
				 errhint("It names the queue for dead letters; with \"" PGMQ_POLICY_CREATE_KEY "\": true that queue is created if it is missing.")));
	if (policy.limit_by[0] == '\0' && (policy.max_in_flight_each > 0 || policy.rate_each > 0 || policy.fair))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("policy key \"%s\" needs key \"limit_by\"",
						policy.max_in_flight_each > 0 ? "max_in_flight_each" :
						policy.rate_each > 0 ? "rate_each" : "fair"),
				 errhint("It names the header whose values are limited.")));
	if (policy.priorities && policy.limit_by[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("policy keys \"priorities\" and \"limit_by\" cannot be combined"),
				 errdetail("Reads go from one value of the header to the next.")));
	(void) pgmq_stream_look(queue.relid, &stream);
	pgmq_policy_check_kind(&queue, stream.kind, &policy);
	/* what the policy may say concerns each message of a batch */
	if (stream.kind == PGMQ_STREAM_SUBSCRIPTION)
		(void) pgmq_batches_split_all(&queue, &stream, DT_NOEND);
	if (create)
		dead_letter_create(&queue, old, merged.doc);
	dead_letter_check(&queue, &policy);
	if (create ||
		getKeyJsonValueFromContainer(&doc->root, "dead_letter_queue",
									 strlen("dead_letter_queue"), &value) != NULL)
		dead_letter_note(&queue, &policy, create, old);
	if (sets_priorities)
		pgmq_layout_set_priorities(&queue, policy.priorities);
	pgmq_dedup_set(&queue, sets_window ? old_window : policy.dedup_window,
				   policy.dedup_window);
	pgmq_limits_set(&queue, old, &policy);
	PG_RETURN_JSONB_P(merged.doc);
}

/*
 * get_policy(queue_name text) returns jsonb
 *
 * Returns the policy, or an empty object for a queue without one.
 */
Datum
pgmq_get_policy(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID};
	PolicyDoc	policy = {CurrentMemoryContext, NULL};
	PgmqQueue	queue;
	PgmqArg		args[1];
	PgmqRole	saved;

	pgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), NoLock, PGMQ_NEED_ANY, NULL);
	args[0] = PGMQ_ARG(CStringGetTextDatum(queue.relname));
	saved = pgmq_role_become_owner(pgmq_policy_table(false));
	pgmq_exec_once("SELECT policy::pg_catalog.jsonb" PGMQ_POLICY_ROWS " LIMIT 1",
				   1, argtypes, args, false, row_doc, &policy);
	pgmq_role_restore(saved);
	if (policy.doc == NULL)
		return DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	PG_RETURN_JSONB_P(policy.doc);
}

/*
 * pause(queue_name text, until timestamptz) returns void
 *
 * Errors: 22004 when until is NULL, 42501 when the caller does not own the queue.
 */
Datum
pgmq_pause(PG_FUNCTION_ARGS)
{
	PgmqQueue	queue;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("until must not be null"),
				 errhint("Use 'infinity' to pause until pgmq.resume().")));
	queue_open_owned(&queue, fcinfo);
	policy_upsert(&queue,
				  "INSERT INTO " PGMQ_SCHEMA ".policy (queue_name, paused_until)"
				  " VALUES ($1, $2)"
				  " ON CONFLICT (queue_name) DO UPDATE"
				  " SET paused_until = EXCLUDED.paused_until",
				  TIMESTAMPTZOID, PG_GETARG_DATUM(1), NULL, NULL);

	/* it may have been paused until later */
	pgmq_xact_wake(queue.relid, PGMQ_WAKE_ALL);
	PG_RETURN_VOID();
}

/*
 * resume(queue_name text) returns boolean
 *
 * False when the queue was not paused.  Waiting readers wake at the commit.
 */
Datum
pgmq_resume(PG_FUNCTION_ARGS)
{
	PgmqQueue	queue;
	uint64		count;

	queue_open_owned(&queue, fcinfo);
	count = policy_write(&queue,
						 "UPDATE " PGMQ_SCHEMA ".policy SET paused_until = NULL"
						 " WHERE paused_until IS NOT NULL AND " PGMQ_META_IS,
						 InvalidOid, (Datum) 0, NULL, NULL);
	if (count > 0)
		pgmq_xact_wake(queue.relid, PGMQ_WAKE_ALL);
	PG_RETURN_BOOL(count > 0);
}
