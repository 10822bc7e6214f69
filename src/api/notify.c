/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  LISTEN/NOTIFY for outside listeners.
 *
 * A queue with notification on has an AFTER INSERT row trigger, so a message
 * may come by any way: send, plain INSERT, COPY, straight into a partition.
 * The trigger only *notes*, in the transaction's own memory, that the queue
 * has news; the transaction's end does the rest:
 *
 *	- Before commit (PRE_COMMIT, where an error is still harmless and what
 *	  NOTIFY collects is still sent) each queue noted notifies once, unless
 *	  it did so less than its throttle interval ago.
 *	- The interval begins at the commit that notified.  A sender that rolls
 *	  back, or fails after PRE_COMMIT, has not used it up.
 *	- A ROLLBACK TO SAVEPOINT drops what was noted since.
 *	- A transaction that has executed NOTIFY cannot be prepared: at PREPARE
 *	  TRANSACTION the notes are dropped with a warning.
 *
 * The throttle's interval is a row of notify_insert_throttle, but no sender
 * ever writes one: they would wait for each other, and could deadlock.  When
 * a queue last notified is kept in the backend's own memory, see Throttle
 * below.  Where the row is missing (PGMQ's table was unlogged, so a crash
 * emptied it) the default interval holds.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/notify.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "lib/ilist.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_enable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_disable_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_update_notify_insert);
PG_FUNCTION_INFO_V1(pgmq_notify_queue_listeners);

#define TRIGGER_NAME		"trigger_notify_queue_insert_listeners"
#define TRIGGER_FUNCTION	"notify_queue_listeners"
#define THROTTLE_TABLE		"notify_insert_throttle"
#define THROTTLE_INDEX		"notify_insert_throttle_queue_name_key"
#define DEFAULT_INTERVAL_MS 250

/* After this many queues the throttle forgets, and they notify once more. */
#define THROTTLE_MAX_QUEUES 1000

/* When a queue last notified. */
typedef struct Throttle
{
	char		queue_name[NAMEDATALEN];	/* hash key */
	TransactionId row_xmin;		/* writer of the row that set the interval */
	TimestampTz last;			/* when it last notified; DT_NOBEGIN: never */
} Throttle;

/* This transaction has put messages into a queue that notifies. */
typedef struct Note
{
	slist_node	node;
	Oid			trigger;		/* which noted it: one note each */
	SubTransactionId subid;		/* the subtransaction it depends on */
	char		queue_name[NAMEDATALEN];
	char		channel[NAMEDATALEN];
	int			interval_ms;
	TransactionId row_xmin;
	Throttle   *claimed;		/* set when it notified */
	TimestampTz when;
} Note;

static slist_head notes = SLIST_STATIC_INIT(notes);
static HTAB *throttles = NULL;

/* ----------------------------------------------------------------
 *		The throttle: when did a queue last notify?
 *
 * Nothing outside these two functions knows that each backend throttles for
 * itself.
 * ----------------------------------------------------------------
 */

/* Called before the claims of a transaction.  May raise. */
static void
throttle_prepare(void)
{
	HASHCTL		ctl = {.keysize = NAMEDATALEN,.entrysize = sizeof(Throttle)};

	if (throttles != NULL &&
		hash_get_num_entries(throttles) >= THROTTLE_MAX_QUEUES)
	{
		hash_destroy(throttles);
		throttles = NULL;
	}
	if (throttles == NULL)
		throttles = hash_create("pgmq_c notify throttle", 16, &ctl,
								HASH_ELEM | HASH_STRINGS);
}

/*
 * Where to enter that a queue notifies now; NULL when it must not, because
 * it did less than its interval ago.  May raise.
 *
 * A call that sets the interval writes the row anew, which ends a running one.
 */
static Throttle *
throttle_claim(const Note *note, TimestampTz now)
{
	Throttle   *throttle;
	bool		found;

	throttle = hash_search(throttles, note->queue_name, HASH_ENTER, &found);
	if (!found || throttle->row_xmin != note->row_xmin)
	{
		throttle->row_xmin = note->row_xmin;
		throttle->last = DT_NOBEGIN;
	}

	/* a last time in the future is a clock that was set back: not a reason */
	if (throttle->last != DT_NOBEGIN && throttle->last <= now &&
		!TimestampDifferenceExceeds(throttle->last, now, note->interval_ms))
		return NULL;
	return throttle;
}

/* ----------------------------------------------------------------
 *		Noting: the trigger
 * ----------------------------------------------------------------
 */

/* Can the rows of a table be looked up by a column in this index? */
static bool
index_serves(Oid index, Oid table, AttrNumber attno)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	HeapTuple	class_tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool		result = false;

	if (HeapTupleIsValid(tuple) && HeapTupleIsValid(class_tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		result = form->indrelid == table && form->indisvalid &&
			form->indkey.values[0] == attno &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			((Form_pg_class) GETSTRUCT(class_tuple))->relam == BTREE_AM_OID;
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (HeapTupleIsValid(class_tuple))
		ReleaseSysCache(class_tuple);
	return result;
}

/*
 * Read the throttle interval of a queue, with no privilege asked of the
 * sender, whose trigger reads on behalf of the queue.
 */
static void
throttle_row_read(const char *queue_name, Note *note)
{
	Oid			namespace = get_namespace_oid(PGMQ_SCHEMA, true);
	Oid			table = get_relname_relid(THROTTLE_TABLE, namespace);
	Oid			index = get_relname_relid(THROTTLE_INDEX, namespace);
	Relation	rel;
	AttrNumber	name_attno;
	AttrNumber	interval_attno;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	note->interval_ms = DEFAULT_INTERVAL_MS;
	note->row_xmin = InvalidTransactionId;

	rel = OidIsValid(table) ? try_table_open(table, AccessShareLock) : NULL;
	if (rel == NULL)
		return;
	name_attno = get_attnum(table, "queue_name");
	interval_attno = get_attnum(table, "throttle_interval_ms");
	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		name_attno <= 0 || get_atttype(table, name_attno) != VARCHAROID ||
		interval_attno <= 0 || get_atttype(table, interval_attno) != INT4OID)
	{
		table_close(rel, AccessShareLock);
		return;
	}

	ScanKeyEntryInitialize(&key, 0, name_attno, BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(RelationGetDescr(rel), name_attno - 1)->attcollation,
						   F_TEXTEQ, CStringGetTextDatum(queue_name));
	scan = systable_beginscan(rel, index, index_serves(index, table, name_attno),
							  GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		note->interval_ms = DatumGetInt32(heap_getattr(tuple, interval_attno,
													   RelationGetDescr(rel), &isnull));
		note->row_xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* The name of a table; of the whole table's when it is a partition. */
static const char *
table_name(Relation rel)
{
	List	   *ancestors = NIL;
	const char *name = NULL;

	/* none, too, while the partition is being detached */
	if (rel->rd_rel->relispartition)
		ancestors = get_partition_ancestors(RelationGetRelid(rel));
	if (ancestors != NIL)
		name = get_rel_name(llast_oid(ancestors));
	return name ? name : RelationGetRelationName(rel);
}

/* Note that a queue has news; trigger is what tells us. */
static void
note_add(Relation rel, const Trigger *trigger)
{
	Note	   *note = MemoryContextAllocZero(TopTransactionContext, sizeof(Note));
	const char *name;

	/* PGMQ's triggers have no argument before its 1.13.1 */
	if (trigger->tgnargs > 0)
		name = trigger->tgargs[0];
	else
	{
		name = table_name(rel);
		if (strncmp(name, "q_", 2) == 0)
			name += 2;
	}

	note->trigger = trigger->tgoid;
	note->subid = GetCurrentSubTransactionId();
	strlcpy(note->queue_name, name, NAMEDATALEN);
	if (snprintf(note->channel, NAMEDATALEN, "%s.q_%s.INSERT", PGMQ_SCHEMA, name) >= NAMEDATALEN)
	{
		ereport(WARNING,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("queue \"%s\" cannot notify: its channel's name would be too long",
						name)));
		note->channel[0] = '\0';
	}
	else
		throttle_row_read(name, note);
	slist_push_head(&notes, &note->node);
}

/*
 * notify_queue_listeners() returns trigger
 *
 * Runs for each row: all but the first of a transaction must cost nothing.
 */
Datum
pgmq_notify_queue_listeners(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	slist_iter	iter;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired by an AFTER INSERT trigger",
						TRIGGER_FUNCTION)));

	slist_foreach(iter, &notes)
	{
		if (slist_container(Note, node, iter.cur)->trigger == data->tg_trigger->tgoid)
			return PointerGetDatum(NULL);
	}
	note_add(data->tg_relation, data->tg_trigger);
	return PointerGetDatum(NULL);
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/* Before commit: notify for the queues noted.  May raise. */
static void
notes_notify(void)
{
	TimestampTz now = GetCurrentTimestamp();
	slist_iter	iter;

	throttle_prepare();
	slist_foreach(iter, &notes)
	{
		Note	   *note = slist_container(Note, node, iter.cur);

		if (note->channel[0] == '\0')
			continue;
		note->claimed = throttle_claim(note, now);
		note->when = now;

		/* several partitions may speak for one queue: NOTIFY sends one */
		if (note->claimed != NULL)
			Async_Notify(note->channel, NULL);
	}
}

/* After commit: the intervals begin.  Must not raise. */
static void
notes_confirm(void)
{
	slist_iter	iter;

	slist_foreach(iter, &notes)
	{
		Note	   *note = slist_container(Note, node, iter.cur);

		if (note->claimed != NULL)
			note->claimed->last = note->when;
	}
}

/* Transaction callback. */
void
pgmq_notify_xact(XactEvent event, void *arg)
{
	if (slist_is_empty(&notes))
		return;

	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			notes_notify();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(WARNING,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("listeners are not notified of messages sent by a prepared transaction"),
					 errdetail("A transaction that has executed NOTIFY cannot be prepared.")));
			break;
		case XACT_EVENT_COMMIT:
			notes_confirm();
			slist_init(&notes);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			slist_init(&notes); /* the memory is the transaction's */
			break;
		default:
			break;
	}
}

/* Subtransaction callback.  Must not raise. */
void
pgmq_notify_subxact(SubXactEvent event, SubTransactionId subid,
					SubTransactionId parent, void *arg)
{
	slist_mutable_iter iter;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	slist_foreach_modify(iter, &notes)
	{
		Note	   *note = slist_container(Note, node, iter.cur);

		if (note->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			note->subid = parent;
		else
		{
			/* a loop of failing subtransactions must not pile them up */
			slist_delete_current(&iter);
			pfree(note);
		}
	}
}

/* ----------------------------------------------------------------
 *		Turning it on and off
 * ----------------------------------------------------------------
 */

/* What the trigger's name means on a queue table. */
typedef enum TriggerState
{
	TRIGGER_NONE,
	TRIGGER_OURS,				/* calls our function */
	TRIGGER_CURRENT,			/* and is what enable_notify_insert creates */
	TRIGGER_FOREIGN				/* somebody else's */
} TriggerState;

/*
 * Look for the trigger on a table that is locked.  queue_name is what it
 * should have as its argument.
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
		if (function == NULL || strcmp(function, TRIGGER_FUNCTION) != 0 ||
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

/* Hold off others that change this queue; its table's name into relname. */
static void
queue_lock(text *queue_name, char *relname)
{
	pgmq_name_format(queue_name, 'q', relname);
	pgmq_lock_name(relname + 2);
}

/* The error for a queue that meta does not know. */
static void
queue_unknown(text *queue_name, const char *advice)
{
	ereport(ERROR,
			(errcode(ERRCODE_RAISE_EXCEPTION),
			 errmsg("Queue \"%s\" does not exist. Create %s first using pgmq.create()",
					text_to_cstring(queue_name), advice)));
}

static void
interval_not_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("throttle_interval_ms must not be null")));
}

/* Write a queue's throttle row anew. */
static void
throttle_row_write(text *name, PgmqArg interval)
{
	static const Oid argtypes[] = {TEXTOID, INT4OID};
	PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(name)), interval};

	pgmq_exec_once("INSERT INTO " PGMQ_SCHEMA "." THROTTLE_TABLE
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
 * Done again it sets the interval and ends a running one; the trigger, and
 * the lock that changing it takes, only when it is not as it should be.
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

	/* Two sessions at once must not both create the trigger. */
	queue_lock(name, relname);
	/* To look at; the commands below take their own locks, if allowed to. */
	pgmq_queue_open(&queue, name, AccessShareLock, PGMQ_NEED_TRIGGER, "CREATE TRIGGER");
	state = trigger_state(queue.relid, name_str);
	if (state == TRIGGER_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" of queue \"%s\" does not call %s.%s()",
						TRIGGER_NAME, name_str, PGMQ_SCHEMA, TRIGGER_FUNCTION),
				 errhint("Rename the trigger.")));
	if (state != TRIGGER_CURRENT)
	{
		const char *table = quote_qualified_identifier(PGMQ_SCHEMA, queue.relname);

		if (state == TRIGGER_OURS)
			pgmq_exec_ddl("DROP TRIGGER " TRIGGER_NAME " ON %s", table);
		pgmq_exec_ddl("CREATE CONSTRAINT TRIGGER " TRIGGER_NAME
					  " AFTER INSERT ON %s DEFERRABLE FOR EACH ROW"
					  " EXECUTE FUNCTION " PGMQ_SCHEMA "." TRIGGER_FUNCTION "(%s)",
					  table, quote_literal_cstr(name_str));
	}
	throttle_row_write(name, PGMQ_ARG_FROM(1));
	PG_RETURN_VOID();
}

/*
 * disable_notify_insert(queue_name text) returns void
 *
 * Asks for no queue: what is not there is told by a NOTICE.
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
						PGMQ_SCHEMA, TRIGGER_FUNCTION)));
	else
		pgmq_exec_ddl("DROP TRIGGER IF EXISTS " TRIGGER_NAME " ON %s",
					  quote_qualified_identifier(PGMQ_SCHEMA, relname));

	pgmq_exec_once("DELETE FROM " PGMQ_SCHEMA "." THROTTLE_TABLE
				   " WHERE pg_catalog.lower(queue_name::pg_catalog.text)"
				   " OPERATOR(pg_catalog.=) pg_catalog.lower($1)",
				   1, argtypes, args, false, NULL, NULL);
	PG_RETURN_VOID();
}

/*
 * update_notify_insert(queue_name text, throttle_interval_ms integer)
 * returns void
 *
 * On is what has the trigger or the row: a crash took PGMQ's rows.
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
		pgmq_exec_once("SELECT 1 FROM " PGMQ_SCHEMA "." THROTTLE_TABLE
					   " WHERE queue_name::pg_catalog.text OPERATOR(pg_catalog.=) $1",
					   1, argtypes, args, false, NULL, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("Queue \"%s\" does not have notify_insert enabled. Enable it first using pgmq.enable_notify_insert()",
						text_to_cstring(given))));
	throttle_row_write(name, PGMQ_ARG_FROM(1));
	PG_RETURN_VOID();
}
