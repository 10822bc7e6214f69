/*-------------------------------------------------------------------------
 *
 * notify.c
 *	  Notifying listeners (LISTEN) of new messages.
 *
 * A queue that notifies has an AFTER INSERT row trigger, so it does not matter
 * how a message arrives: by send, a plain INSERT, COPY, or directly in a
 * partition.  The trigger only adds a note, in the memory of the transaction,
 * that the queue has new messages.  The end of the transaction does the rest:
 *
 *	- Before commit, each queue with a note notifies once, unless it did so
 *	  less than its throttle interval ago.  This happens at PRE_COMMIT, where
 *	  an error is still harmless and NOTIFY still sends what it collects.
 *	- The interval begins at the commit of the transaction that notified.  A
 *	  transaction that aborts does not begin it.
 *	- ROLLBACK TO SAVEPOINT removes the notes that were added since.
 *	- A transaction that has executed NOTIFY cannot be prepared, so PREPARE
 *	  TRANSACTION removes the notes with a warning.
 *
 * The throttle interval is in a row of notify_insert_throttle, but senders
 * never write that row, because they would wait for each other and could
 * deadlock.  Each backend remembers for itself when a queue last notified, see
 * Throttle.  If the row does not exist (PGMQ's table was unlogged, so a crash
 * emptied it), the default interval applies.
 *
 * notify_setup.c creates and drops the trigger.
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
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_notify_queue_listeners);

#define THROTTLE_INDEX		"notify_insert_throttle_queue_name_key"
#define DEFAULT_INTERVAL_MS 250

/*
 * With more queues than this the throttle starts again, so each may notify
 * once more.
 */
#define THROTTLE_MAX_QUEUES 1000

/* When a queue last notified. */
typedef struct Throttle
{
	char		queue_name[NAMEDATALEN];	/* hash key */
	TransactionId row_xmin;		/* writer of the row that set the interval */
	TimestampTz last;			/* when it last notified; DT_NOBEGIN: never */
} Throttle;

/* This transaction has added messages to a queue that notifies. */
typedef struct Note
{
	slist_node	node;
	Oid			trigger;		/* the trigger that added it; one note each */
	SubTransactionId subid;		/* the subtransaction that added it */
	char		queue_name[NAMEDATALEN];
	char		channel[NAMEDATALEN];
	int			interval_ms;
	TransactionId row_xmin;
	Throttle   *claimed;		/* set once it has notified */
	TimestampTz when;
} Note;

static slist_head notes = SLIST_STATIC_INIT(notes);
static HTAB *throttles = NULL;

/* ----------------------------------------------------------------
 *		The throttle: when a queue last notified
 *
 * Only these two functions know that each backend throttles for itself.
 * ----------------------------------------------------------------
 */

/* Called before the first claim of a transaction.  May raise an error. */
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
 * Return where to record that a queue notifies now, or NULL if it must not,
 * because it did so less than its interval ago.  May raise an error.
 *
 * A function that sets the interval writes the row again, and so ends an
 * interval that is running.
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

	/* a time in the future means that the clock was set back; ignore it */
	if (throttle->last != DT_NOBEGIN && throttle->last <= now &&
		!TimestampDifferenceExceeds(throttle->last, now, note->interval_ms))
		return NULL;
	return throttle;
}

/* ----------------------------------------------------------------
 *		Noting: the trigger
 * ----------------------------------------------------------------
 */

/* Tell whether rows of a table can be looked up by a column with this index. */
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
 * Read the throttle interval of a queue.  The sender needs no privilege for
 * this, since the trigger reads on behalf of the queue.
 */
static void
throttle_row_read(const char *queue_name, Note *note)
{
	Oid			namespace = get_namespace_oid(PGMQ_SCHEMA, true);
	Oid			table = get_relname_relid(PGMQ_NOTIFY_TABLE, namespace);
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

/* The name of a table, or of its topmost ancestor if it is a partition. */
static const char *
table_name(Relation rel)
{
	List	   *ancestors = NIL;
	const char *name = NULL;

	/* a partition that is being detached has no ancestors either */
	if (rel->rd_rel->relispartition)
		ancestors = get_partition_ancestors(RelationGetRelid(rel));
	if (ancestors != NIL)
		name = get_rel_name(llast_oid(ancestors));
	return name ? name : RelationGetRelationName(rel);
}

/* Add a note that a queue has new messages, for one trigger. */
static void
note_add(Relation rel, const Trigger *trigger)
{
	Note	   *note = MemoryContextAllocZero(TopTransactionContext, sizeof(Note));
	const char *name;

	/* the triggers of PGMQ before 1.13.1 have no argument */
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
				 errmsg("queue \"%s\" cannot notify because the name of its channel would be too long",
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
 * Runs for each row, so all calls but the first of a transaction must be cheap.
 * Error: 39P01 if it is not called by an AFTER INSERT trigger.
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
						PGMQ_NOTIFY_FUNCTION)));

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

/* Before commit: notify for the queues with a note.  May raise an error. */
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

		/* several partitions may have a note for one queue; NOTIFY sends one */
		if (note->claimed != NULL)
			Async_Notify(note->channel, NULL);
	}
}

/* After commit: begin the intervals.  Must not raise an error. */
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

/* Transaction callback.  Raises errors at PRE_COMMIT only. */
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
			slist_init(&notes); /* the transaction frees the memory */
			break;
		default:
			break;
	}
}

/* Subtransaction callback.  Must not raise an error. */
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
			/*
			 * free it, or a loop of failing subtransactions would collect
			 * many
			 */
			slist_delete_current(&iter);
			pfree(note);
		}
	}
}
