/*-------------------------------------------------------------------------
 *
 * state.c
 *	  Which queue is a stream or a subscription.
 *
 * A stream is a queue whose messages stay.  A subscription is a queue whose
 * table holds references to the messages of a stream: rows with the id, the lease
 * and the count of reads, but without the body.
 *
 * pgmq.stream and pgmq.subscription name the tables by their OIDs, so that a
 * table that takes the name of another one is neither.  Both tables, and those
 * of feed.c, belong to the owner of the extension and are read and written with
 * that role's rights, since no role that uses a queue may change them.
 *
 * Each backend keeps which queues are streams or subscriptions.  A change sends a
 * relcache invalidation of the queue's table, as that of a policy does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/state.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"

/* When so many queues are kept all are forgotten. */
#define KEPT_MAX		10000

/* How many names of subscriptions a hint shows. */
#define MAX_SHOWN		5

typedef struct StreamEntry
{
	Oid			relid;			/* hash key: the queue table */
	PgmqStream	stream;
} StreamEntry;

static HTAB *stream_hash = NULL;
static uint64 stream_invals = 0;

/* The transaction that last noted a count of reads, which it may roll back. */
static LocalTransactionId noted_by = InvalidLocalTransactionId;

/*
 * The OID of one of the tables that say what is a stream.  InvalidOid if it does
 * not exist and missing_ok is true, otherwise error 42P01.
 */
Oid
pgmq_stream_table(const char *name, bool missing_ok)
{
	Oid			schema = get_namespace_oid(PGMQ_SCHEMA, true);
	Oid			table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(table) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"" PGMQ_SCHEMA ".%s\" does not exist", name),
				 errhint("Update the extension with ALTER EXTENSION.")));
	return table;
}

/* Act as the owner of these tables until pgmq_role_restore. */
PgmqRole
pgmq_stream_become_keeper(void)
{
	return pgmq_role_become_owner(pgmq_stream_table("subscription", false));
}

/* A condition of a filter, which outlives the statement. */
static void *
condition(TupleTableSlot *slot, int column)
{
	MemoryContext old;
	void	   *result;

	if (slot->tts_isnull[column])
		return NULL;
	old = MemoryContextSwitchTo(TopTransactionContext);
	result = PG_DETOAST_DATUM_COPY(slot->tts_values[column]);
	MemoryContextSwitchTo(old);
	return result;
}

/* Row function: a row of stream_load. */
static void
row_stream(TupleTableSlot *slot, void *state)
{
	PgmqStream *stream = state;
	Datum	   *values = slot->tts_values;

	slot_getallattrs(slot);
	stream->kind = slot->tts_isnull[0] ? PGMQ_STREAM_LOG : PGMQ_STREAM_SUBSCRIPTION;
	if (stream->kind == PGMQ_STREAM_LOG)
		return;
	stream->stream = DatumGetObjectId(values[0]);
	stream->read_base = DatumGetInt32(values[1]);
	stream->message = condition(slot, 2);
	stream->headers = condition(slot, 3);
	stream->pattern = condition(slot, 4);
	stream->read_known = DatumGetInt32(values[5]);
}

/* Find out what a queue is at this moment, whatever the isolation level. */
static void
stream_load(Oid relid, PgmqStream *stream)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(relid))};
	PgmqRole	saved;

	memset(stream, 0, sizeof(*stream));
	if (!OidIsValid(pgmq_stream_table("subscription", true)))
		return;
	saved = pgmq_stream_become_keeper();
	/* a parallel worker has only the snapshot of its leader */
	PushActiveSnapshot(IsInParallelMode() ? GetActiveSnapshot() : GetLatestSnapshot());
	pgmq_exec_once("SELECT stream::pg_catalog.oid, read_base,"
				   " filter OPERATOR(pg_catalog.->) 'message'::pg_catalog.text,"
				   " filter OPERATOR(pg_catalog.->) 'headers'::pg_catalog.text,"
				   " filter OPERATOR(pg_catalog.->>) 'pattern'::pg_catalog.text,"
				   " GREATEST(read_base, (SELECT pg_catalog.max(n.value)"
				   " FROM " PGMQ_SCHEMA ".subscription_note n"
				   " WHERE n.subscription OPERATOR(pg_catalog.=) $1"
				   " AND n.kind OPERATOR(pg_catalog.=) 'reads'::pg_catalog.text))"
				   "::pg_catalog.int4 FROM " PGMQ_SCHEMA ".subscription"
				   " WHERE subscription OPERATOR(pg_catalog.=) $1"
				   " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL FROM " PGMQ_SCHEMA ".stream"
				   " WHERE stream OPERATOR(pg_catalog.=) $1",
				   1, argtypes, args, true, row_stream, stream);
	PopActiveSnapshot();
	pgmq_role_restore(saved);
}

/* Copy a part of a filter. */
static void *
part_copy(const void *part, MemoryContext context)
{
	void	   *copy;

	if (part == NULL)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE(part));
	memcpy(copy, part, VARSIZE(part));
	return copy;
}

/* Give a stream a filter of its own. */
static void
filter_copy(PgmqStream *stream, MemoryContext context)
{
	stream->message = part_copy(stream->message, context);
	stream->headers = part_copy(stream->headers, context);
	stream->pattern = part_copy(stream->pattern, context);
}

/* Forget what is kept of a queue, if anything. */
static void
forget(Oid relid)
{
	StreamEntry *entry = stream_hash == NULL ? NULL :
	hash_search(stream_hash, &relid, HASH_FIND, NULL);

	if (entry == NULL)
		return;
	if (entry->stream.message != NULL)
		pfree(entry->stream.message);
	if (entry->stream.headers != NULL)
		pfree(entry->stream.headers);
	if (entry->stream.pattern != NULL)
		pfree(entry->stream.pattern);
	hash_search(stream_hash, &relid, HASH_REMOVE, NULL);
}

/*
 * Find out whether the queue of an open table is a stream or a subscription; true if so.
 * For others it costs one look into a hash table.  A filter is in the current memory context,
 * or lives as long as the transaction.
 */
bool
pgmq_stream_look(Oid relid, PgmqStream *stream)
{
	StreamEntry *entry = stream_hash == NULL ? NULL :
	hash_search(stream_hash, &relid, HASH_FIND, NULL);
	uint64		invals = stream_invals;
	PgmqStream	kept;

	if (entry != NULL)
	{
		*stream = entry->stream;
		filter_copy(stream, CurrentMemoryContext);
		return stream->kind != PGMQ_STREAM_NONE;
	}
	stream_load(relid, stream);

	/* what was changed meanwhile, or may be rolled back, is not kept */
	if (invals != stream_invals || noted_by == PGMQ_MY_LXID ||
		!OidIsValid(pgmq_stream_table("subscription", true)))
		return stream->kind != PGMQ_STREAM_NONE;
	if (stream_hash != NULL && hash_get_num_entries(stream_hash) >= KEPT_MAX)
		pgmq_stream_inval((Datum) 0, InvalidOid);
	if (stream_hash == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(StreamEntry)};

		ctl.hcxt = CacheMemoryContext;
		stream_hash = hash_create("pgmq_c streams", 64, &ctl,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	kept = *stream;
	filter_copy(&kept, CacheMemoryContext);
	forget(relid);
	entry = hash_search(stream_hash, &relid, HASH_ENTER, NULL);
	entry->stream = kept;
	return stream->kind != PGMQ_STREAM_NONE;
}

/* The same; true if it is a subscription.  stream can be NULL. */
bool
pgmq_stream_subscribes(Oid relid, PgmqStream *stream)
{
	PgmqStream	look;

	if (stream == NULL)
		stream = &look;
	return pgmq_stream_look(relid, stream) && stream->kind == PGMQ_STREAM_SUBSCRIPTION;
}

/*
 * Check that the only snapshot of a transaction shows the rows of an open subscription:
 * a queue that became one meanwhile got its rows later.  Error: 40001.
 */
void
pgmq_stream_check_seen(const PgmqQueue *queue)
{
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(queue->relid))};
	PgmqRole	saved;
	uint64		seen;

	if (!IsolationUsesXactSnapshot())
		return;
	saved = pgmq_stream_become_keeper();
	seen = pgmq_exec_once("SELECT FROM " PGMQ_SCHEMA ".subscription"
						  " WHERE subscription OPERATOR(pg_catalog.=) $1",
						  1, argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
	if (seen == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to a concurrent change of queue \"%s\"",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("It became a subscription after the snapshot of the transaction was taken."),
				 errhint("Begin the transaction again.")));
}

/*
 * The stream that a queue reads, if this backend has looked and that is still
 * true; InvalidOid otherwise.  It needs no lock and no snapshot.
 */
Oid
pgmq_stream_kept(Oid relid)
{
	StreamEntry *entry = stream_hash == NULL ? NULL :
	hash_search(stream_hash, &relid, HASH_FIND, NULL);

	return entry == NULL || entry->stream.kind != PGMQ_STREAM_SUBSCRIPTION ? InvalidOid :
		entry->stream.stream;
}

/* The names of a stream's subscriptions, for a hint; NULL for none. */
static char *
subscription_names(Oid relid)
{
	static const Oid argtypes[] = {OIDOID, INT4OID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(relid)), PGMQ_ARG(Int32GetDatum(MAX_SHOWN + 1))};
	PgmqTexts	names = {CurrentMemoryContext, NIL};
	PgmqRole	saved = pgmq_stream_become_keeper();
	StringInfoData shown;
	ListCell   *lc;

	pgmq_exec_once("SELECT pg_catalog.substr(c.relname::pg_catalog.text, 3)"
				   " FROM " PGMQ_SCHEMA ".subscription s"
				   " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.subscription"
				   " WHERE s.stream OPERATOR(pg_catalog.=) $1 ORDER BY 1 LIMIT $2",
				   2, argtypes, args, true, pgmq_row_texts, &names);
	pgmq_role_restore(saved);
	initStringInfo(&shown);
	foreach(lc, names.list)
	{
		if (foreach_current_index(lc) == MAX_SHOWN)
			appendStringInfoString(&shown, " and others");
		else
			appendStringInfo(&shown, "%s%s", shown.len == 0 ? "" : ", ",
							 quote_literal_cstr(text_to_cstring(lfirst(lc))));
	}
	return shown.len == 0 ? NULL : shown.data;
}

/*
 * The same of an open queue, for a verb that takes messages: true if it is a
 * subscription.  Error: 55000 for a stream, from which only subscriptions read.
 */
bool
pgmq_stream_open(const PgmqQueue *queue, PgmqStream *stream)
{
	char	   *names;

	if (!pgmq_stream_look(queue->relid, stream))
		return false;
	if (stream->kind == PGMQ_STREAM_SUBSCRIPTION)
		return true;
	names = subscription_names(queue->relid);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("queue \"%s\" is a stream", PGMQ_QUEUE_BASE(queue)),
			 errdetail("Its messages stay, and are read from its subscriptions."),
			 names != NULL ? errhint("Its subscriptions are: %s.", names) :
			 errhint("Create a subscription with pgmq.create_subscription().")));
	return false;
}

/*
 * The queue that gets what is sent to an open queue: false if that is itself,
 * true if it is a subscription, whose stream is opened.  Error: 42501 without
 * the right to send to that.
 */
bool
pgmq_stream_target(const PgmqQueue *queue, PgmqQueue *target)
{
	PgmqStream	stream;
	char	   *name;

	if (!pgmq_stream_subscribes(queue->relid, &stream))
		return false;
	name = pgmq_plan_stream_name(queue, stream.stream);
	strlcpy(target->relname, name, NAMEDATALEN);
	pgmq_queue_check_right(stream.stream, name, PGMQ_NEED_INSERT);
	LockRelationOid(stream.stream, RowExclusiveLock);
	target->relid = stream.stream;
	return true;
}

/* Have all backends look again what a table is. */
void
pgmq_stream_changed(Oid relid)
{
	if (get_rel_relkind(relid) != '\0')
		CacheInvalidateRelcacheByRelid(relid);
}

/* Add a row to the notes about a subscription. */
static void
note_put(Oid subscription, const char *kind, int64 value)
{
	static const Oid argtypes[] = {OIDOID, TEXTOID, INT8OID};
	PgmqArg		args[] = {
		PGMQ_ARG(ObjectIdGetDatum(subscription)),
		PGMQ_ARG(CStringGetTextDatum(kind)),
		PGMQ_ARG(Int64GetDatum(value))
	};
	PgmqRole	saved = pgmq_stream_become_keeper();

	pgmq_exec_once("INSERT INTO " PGMQ_SCHEMA ".subscription_note (subscription, kind, value)"
				   " VALUES ($1, $2, $3)", 3, argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
}

/*
 * Remember the greatest read_ct that a read of a subscription has returned.  A
 * seek lets the count go on after it, so that no fence from before fits a lease
 * after it.  It is a row of its own each time it rises, so that no reader waits
 * for another one.
 */
void
pgmq_stream_note_reads(const PgmqQueue *queue, PgmqStream *stream, int32 read_ct)
{
	if (read_ct <= stream->read_known)
		return;
	note_put(queue->relid, "reads", read_ct);
	stream->read_known = read_ct;
	noted_by = PGMQ_MY_LXID;
	forget(queue->relid);
}

/* Count messages that a subscription will not get. */
void
pgmq_stream_note_lost(Oid subscription, int64 lost)
{
	if (lost > 0)
		note_put(subscription, "lost", lost);
}

/* Forget that a table, which is to be dropped, was a stream or a subscription. */
void
pgmq_stream_forget(Oid relid)
{
	static const char *const statements[] = {
		"DELETE FROM " PGMQ_SCHEMA ".subscription_block WHERE subscription OPERATOR(pg_catalog.=) $1",
		"DELETE FROM " PGMQ_SCHEMA ".subscription_note WHERE subscription OPERATOR(pg_catalog.=) $1",
		"DELETE FROM " PGMQ_SCHEMA ".subscription WHERE subscription OPERATOR(pg_catalog.=) $1",
		"DELETE FROM " PGMQ_SCHEMA ".stream WHERE stream OPERATOR(pg_catalog.=) $1",
	};
	static const Oid argtypes[] = {OIDOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(relid))};
	PgmqRole	saved;

	if (!OidIsValid(pgmq_stream_table("subscription", true)))
		return;
	saved = pgmq_stream_become_keeper();
	for (int i = 0; i < lengthof(statements); i++)
		pgmq_exec_once(statements[i], 1, argtypes, args, false, NULL, NULL);
	pgmq_role_restore(saved);
	pgmq_stream_changed(relid);
}

/* The stream whose messages a table refers to, for the texts of statements. */
static Oid
stream_of(Oid relid)
{
	PgmqStream	stream;

	return pgmq_stream_subscribes(relid, &stream) ?
		stream.stream : InvalidOid;
}

void
pgmq_stream_init(void)
{
	pgmq_plan_stream = stream_of;
}

/* Relcache callback: forget.  relid 0 means every relation. */
void
pgmq_stream_inval(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	StreamEntry *entry;

	stream_invals++;
	if (stream_hash == NULL)
		return;
	if (OidIsValid(relid))
	{
		forget(relid);
		return;
	}
	hash_seq_init(&scan, stream_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
		forget(entry->relid);
}
