/*-------------------------------------------------------------------------
 *
 * notify_setup.c
 *	  Switching notifications of a queue on and off.
 *
 * A queue notifies if it has the trigger that enable_notify_insert creates.
 * The least time between two notifications is a row of
 * notify_insert_throttle.  Only these functions write such a row; see
 * notify.c for what the trigger does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/notify_setup.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_enable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_disable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_update_notify_insert);

#define TRIGGER_NAME		"trigger_notify_queue_insert_listeners"

/* The trigger that a queue table has under our name. */
typedef enum TriggerState
{
	TRIGGER_NONE,
	TRIGGER_OURS,				/* a trigger that calls our function */
	TRIGGER_CURRENT,			/* one just as enable_notify_insert creates it */
	TRIGGER_FOREIGN				/* a trigger that calls another function */
} TriggerState;

/*
 * Look for the trigger on a table that the caller has locked.  queue_name is
 * the argument that the trigger should have.
 */
static TriggerState
trigger_state(Oid relid, const char *queue_name)
{
	Relation	rel = relation_open(relid, NoLock);
	TriggerState state = TRIGGER_NONE;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];
		char	   *function;

		if (strcmp(trigger->tgname, TRIGGER_NAME) != 0)
			continue;
		function = get_func_name(trigger->tgfoid);
		if (function == NULL || strcmp(function, PGMQ_NOTIFY_FUNCTION) != 0 ||
			get_func_namespace(trigger->tgfoid) != get_namespace_oid(PGMQ_SCHEMA, false))
			state = TRIGGER_FOREIGN;
		else if (trigger->tgenabled != TRIGGER_DISABLED &&
				 trigger->tgenabled != TRIGGER_FIRES_ON_REPLICA &&
				 trigger->tgtype == (TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT) &&
				 trigger->tgqual == NULL && trigger->tgnargs == 1 &&
				 strcmp(trigger->tgargs[0], queue_name) == 0)
			state = TRIGGER_CURRENT;
		else
			state = TRIGGER_OURS;
		break;
	}
	relation_close(rel, NoLock);
	return state;
}

/* Lock the name of a queue until commit, and put the name of its table into relname. */
static void
queue_lock(text *queue_name, char *relname)
{
	pgmq_name_format(queue_name, 'q', relname);
	pgmq_lock_name(relname + 2);
}

/* Raise PGMQ's error (P0001) for a queue that is not in meta. */
static void
queue_unknown(text *queue_name, const char *advice)
{
	ereport(ERROR,
			(errcode(ERRCODE_RAISE_EXCEPTION),
			 errmsg("Queue \"%s\" does not exist. Create %s first using pgmq.create()",
					text_to_cstring(queue_name), advice)));
}

/* Refuse an interval, argument 1, that is NULL.  Error: 22004. */
static void
interval_not_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("throttle_interval_ms must not be null")));
}

/* Write the throttle row of a queue again. */
static void
throttle_row_write(text *name, PgmqArg interval)
{
	static const Oid argtypes[] = {TEXTOID, INT4OID};
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(name)), interval};

	pgmq_exec_once("INSERT INTO " PGMQ_SCHEMA "." PGMQ_NOTIFY_TABLE
				   " (queue_name, throttle_interval_ms) VALUES ($1, $2)"
				   " ON CONFLICT (queue_name) DO UPDATE SET"
				   " throttle_interval_ms = EXCLUDED.throttle_interval_ms,"
				   " last_notified_at = DEFAULT",
				   2, argtypes, args, false, NULL, NULL);
}

/*
 * enable_notify_insert(queue_name text,
 *						throttle_interval_ms integer DEFAULT 250) returns void
 *
 * For a queue that notifies already this sets the interval and ends one that is
 * running.  The trigger is changed, under SHARE ROW EXCLUSIVE, only if it is
 * not as it should be.
 * Errors: P0001, 22004, 42622 for a name that is too long for a channel, 42710
 * if another trigger has the name, 42501.
 */
Datum
pgmq_enable_notify_insert(PG_FUNCTION_ARGS)
{
	text	   *given = pgmq_name_arg(fcinfo, 0);
	char		relname[NAMEDATALEN];
	PgmqQueue	queue;
	text	   *name;
	char	   *name_str;
	TriggerState state;

	interval_not_null(fcinfo);
	if (PG_GETARG_INT32(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("throttle_interval_ms must be non-negative")));

	name = pgmq_meta_name(given);
	if (name == NULL)
		queue_unknown(given, "it");
	name_str = text_to_cstring(name);
	if (strlen(PGMQ_SCHEMA ".q_.INSERT") + strlen(name_str) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of queue \"%s\" is too long for a notification channel",
						name_str)));

	/* two sessions must not create the trigger at the same time */
	queue_lock(name, relname);
	/* this lock is for looking; the commands below check and take their own */
	pgmq_queue_open(&queue, name, AccessShareLock, PGMQ_NEED_TRIGGER, "CREATE TRIGGER");
	state = trigger_state(queue.relid, name_str);
	if (state == TRIGGER_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" of queue \"%s\" does not call %s.%s()",
						TRIGGER_NAME, name_str, PGMQ_SCHEMA, PGMQ_NOTIFY_FUNCTION),
				 errhint("Rename the trigger.")));
	if (state != TRIGGER_CURRENT)
	{
		const char *table = quote_qualified_identifier(PGMQ_SCHEMA, queue.relname);

		if (state == TRIGGER_OURS)
			pgmq_exec_ddl("DROP TRIGGER " TRIGGER_NAME " ON %s", table);
		pgmq_exec_ddl("CREATE CONSTRAINT TRIGGER " TRIGGER_NAME
					  " AFTER INSERT ON %s DEFERRABLE FOR EACH ROW"
					  " EXECUTE FUNCTION " PGMQ_SCHEMA "." PGMQ_NOTIFY_FUNCTION "(%s)",
					  table, quote_literal_cstr(name_str));
	}
	throttle_row_write(name, PGMQ_ARG_FROM(1));
	PG_RETURN_VOID();
}

/*
 * disable_notify_insert(queue_name text) returns void
 *
 * The queue need not exist; if there is no trigger to drop, a NOTICE says so.
 */
Datum
pgmq_disable_notify_insert(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID};
	text	   *given = pgmq_name_arg(fcinfo, 0);
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(given))};
	char		relname[NAMEDATALEN];
	Oid			relid;

	queue_lock(given, relname);
	relid = pgmq_queue_lock(relname, AccessShareLock, PGMQ_NEED_OWNER);
	if (OidIsValid(relid) && trigger_state(relid, "") == TRIGGER_FOREIGN)
		ereport(NOTICE,
				(errmsg("trigger \"%s\" for relation \"%s.%s\" does not call %s.%s(), skipping",
						TRIGGER_NAME, PGMQ_SCHEMA, relname,
						PGMQ_SCHEMA, PGMQ_NOTIFY_FUNCTION)));
	else
		pgmq_exec_ddl("DROP TRIGGER IF EXISTS " TRIGGER_NAME " ON %s",
					  quote_qualified_identifier(PGMQ_SCHEMA, relname));

	pgmq_exec_once("DELETE FROM " PGMQ_SCHEMA "." PGMQ_NOTIFY_TABLE
				   " WHERE pg_catalog.lower(queue_name::pg_catalog.text)"
				   " OPERATOR(pg_catalog.=) pg_catalog.lower($1)",
				   1, argtypes, args, false, NULL, NULL);
	PG_RETURN_VOID();
}

/*
 * update_notify_insert(queue_name text, throttle_interval_ms integer)
 * returns void
 *
 * A queue notifies if it has the trigger or the row: PGMQ's table of rows was
 * unlogged, so a crash may have emptied it.
 * Errors: P0001, 22004, 42501.
 */
Datum
pgmq_update_notify_insert(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TEXTOID};
	text	   *given = pgmq_name_arg(fcinfo, 0);
	char		relname[NAMEDATALEN];
	text	   *name;
	PgmqArg		args[1];
	PgmqQueue	queue;
	TriggerState state;

	interval_not_null(fcinfo);
	if (PG_GETARG_INT32(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("throttle_interval_ms must be non-negative, got: %d",
						PG_GETARG_INT32(1))));

	name = pgmq_meta_name(given);
	if (name == NULL)
		queue_unknown(given, "the queue");
	queue_lock(name, relname);

	pgmq_queue_open(&queue, name, AccessShareLock, PGMQ_NEED_TRIGGER, "UPDATE");
	state = trigger_state(queue.relid, text_to_cstring(name));
	args[0] = PGMQ_ARG(PointerGetDatum(name));
	if ((state == TRIGGER_NONE || state == TRIGGER_FOREIGN) &&
		pgmq_exec_once("SELECT 1 FROM " PGMQ_SCHEMA "." PGMQ_NOTIFY_TABLE
					   " WHERE queue_name::pg_catalog.text OPERATOR(pg_catalog.=) $1",
					   1, argtypes, args, false, NULL, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("Queue \"%s\" does not have notify_insert enabled. Enable it first using pgmq.enable_notify_insert()",
						text_to_cstring(given))));
	throttle_row_write(name, PGMQ_ARG_FROM(1));
	PG_RETURN_VOID();
}
