/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  Putting messages into an open queue, as its policy says.
 *
 * A queue without a policy that concerns sends takes one INSERT, whatever the
 * number of messages.  With one, in this order:
 *
 *	1. the headers that the policy reads are checked;
 *	2. strict FIFO: the groups are locked until the transaction ends.  The ids
 *	   are drawn after that, so in a group they rise as the senders commit;
 *	3. deduplication: the ids are locked, and looked for.  Messages that
 *	   were sent before are left out, and their old ids returned;
 *	4. one INSERT of what is left, and the new ids are kept in mind.
 *
 * Locks are taken in the same order by all senders: the queue's dedup lock,
 * groups, ids, each in rising order (lock.c).  For many groups or ids the dedup
 * lock is taken alone.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/enqueue.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "policy/policy.h"

/* Where the ids of a batch go. */
typedef struct IdState
{
	PgmqIdFn	fn;
	void	   *state;
} IdState;

/* An array of ids that is being filled. */
typedef struct IdArray
{
	int64	   *ids;
	int			n;
	int			max;
} IdArray;

/* A message of a batch that has a deduplication id. */
typedef struct DedupItem
{
	text	   *id;
	int			index;			/* in the batch */
	int			first;			/* of the batch's messages with this id */
} DedupItem;

/* The parts of several messages that the policy is about. */
typedef struct Wishes
{
	PgmqLockSet groups;
	DedupItem  *items;
	int			nitems;
	Snapshot	before;			/* of before any lock was waited for, if there
								 * are ids */
	bool		alone;			/* no other session sends, so no locks are
								 * needed */
} Wishes;

/* Row function: the first column is the id of a message. */
static void
row_id(TupleTableSlot *slot, void *arg)
{
	IdState    *ids = arg;
	bool		isnull;

	ids->fn(DatumGetInt64(slot_getattr(slot, 1, &isnull)), ids->state);
}

/* Row function: put the id of a message into an IdArray. */
static void
row_collect(TupleTableSlot *slot, void *arg)
{
	IdArray    *array = arg;
	bool		isnull;

	if (array->n < array->max)
		array->ids[array->n] = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	array->n++;
}

/* Of a policy, which may be NULL: itself if it is about what is sent; else NULL. */
static const PgmqPolicy *
send_policy(const PgmqPolicy *policy)
{
	if (policy != NULL &&
		(policy->ttl_header || policy->dedup_window > 0 || policy->strict_fifo ||
		 policy->priorities))
		return policy;
	return NULL;
}

/*
 * Read a message's headers.  index is its place in the batch.
 * Error: 22023 when one that the policy reads is malformed.
 */
static void
wishes_add(Wishes *wishes, const PgmqPolicy *policy, Jsonb *headers, int index)
{
	text	   *id;

	if (policy->ttl_header)
		pgmq_header_check_ttl(headers);
	if (policy->priorities)
		pgmq_header_check_priority(headers);
	if (policy->strict_fifo)
		pgmq_lock_add(&wishes->groups, pgmq_header_group_hash(headers));
	if (policy->dedup_window > 0 && (id = pgmq_header_dedup_id(headers)) != NULL)
		wishes->items[wishes->nitems++] = (DedupItem)
	{
		id, index, index
	};
}

/*
 * Take the queue's dedup lock if there are groups or ids to lock after it.
 * Returns the policy as it is then, by which there may be no ids to look for.
 */
static const PgmqPolicy *
lock_dedup(const PgmqQueue *queue, const PgmqPolicy *policy, Wishes *wishes)
{
	int			ngroups = pgmq_lock_count(&wishes->groups);

	if (wishes->nitems == 0 && ngroups == 0)
		return policy;
	if (wishes->nitems > 0)
		wishes->before = RegisterSnapshot(GetLatestSnapshot());
	wishes->alone = pgmq_lock_dedup_many(queue, ngroups > PGMQ_LOCK_FEW ||
										 wishes->nitems > PGMQ_LOCK_FEW);
	if (wishes->nitems > 0)
	{
		policy = pgmq_policy(queue);
		if (policy == NULL || policy->dedup_window == 0)
		{
			UnregisterSnapshot(wishes->before);
			wishes->nitems = 0;
		}
	}
	if (!wishes->alone)
		pgmq_lock_all(queue, PGMQ_LOCK_GROUP, &wishes->groups);
	return policy;
}

/* ----------------------------------------------------------------
 *		One message
 * ----------------------------------------------------------------
 */

static bool
put_by_policy(const PgmqQueue *queue, const PgmqPolicy *policy,
			  const PgmqArg *args, int64 *id)
{
	DedupItem	item;
	Wishes		wishes = {.items = &item};
	int64		known;
	PgmqDedup	dedup;
	bool		sent = true;

	wishes_add(&wishes, policy,
			   args[2].isnull ? NULL : DatumGetJsonbP(args[2].value), 0);
	policy = lock_dedup(queue, policy, &wishes);
	if (wishes.nitems == 0)
		return pgmq_exec_int8(queue, PGMQ_STMT_SEND, args, id);

	pgmq_dedup_find(queue, policy, wishes.before, &item.id, 1, wishes.alone, &known, &dedup);
	UnregisterSnapshot(wishes.before);
	if (known != PGMQ_DEDUP_NEW)
	{
		pgmq_stats_count(queue->relid, PGMQ_STAT_DEDUPLICATED, 1);
		*id = known;
	}
	else if ((sent = pgmq_exec_int8(queue, PGMQ_STMT_SEND, args, id)))
		pgmq_dedup_put(queue, &dedup, &item.id, id, 1);
	pgmq_dedup_end(&dedup);
	return sent;
}

/*
 * Put one message (jsonb) into an open queue, readable from vt (timestamptz)
 * on, with headers (jsonb); each may be NULL.  Its id, or false when a BEFORE
 * trigger swallowed it.
 */
bool
pgmq_put(const PgmqQueue *queue, PgmqArg vt, PgmqArg msg, PgmqArg headers,
		 int64 *id)
{
	PgmqArg		args[] = {vt, msg, headers};
	PgmqQueue	target;
	const PgmqPolicy *policy;

	if (pgmq_stream_target(queue, &target))
		queue = &target;
	policy = pgmq_policy(queue);
	if (!headers.isnull)
		pgmq_header_warn(queue, policy, DatumGetJsonbP(headers.value));
	policy = send_policy(policy);
	if (policy != NULL)
		return put_by_policy(queue, policy, args, id);
	return pgmq_exec_int8(queue, PGMQ_STMT_SEND, args, id);
}

/* ----------------------------------------------------------------
 *		Several messages
 * ----------------------------------------------------------------
 */

/* The elements of an array of jsonb, which may be NULL; how many. */
static int
elements(PgmqArg array, Datum **elems, bool **nulls)
{
	int			n = 0;

	if (!array.isnull)
		deconstruct_array(DatumGetArrayTypeP(array.value), JSONBOID, -1, false,
						  TYPALIGN_INT, elems, nulls, &n);
	return n;
}

/* The elements that are marked, out of n; those beyond nelems are null. */
static PgmqArg
elements_pick(const Datum *elems, const bool *nulls, int nelems,
			  const bool *marks, int n)
{
	Datum	   *picked = palloc(n * sizeof(Datum));
	bool	   *picked_nulls = palloc(n * sizeof(bool));
	int			count = 0;
	int			lower = 1;

	for (int i = 0; i < n; i++)
	{
		if (!marks[i])
			continue;
		picked_nulls[count] = i >= nelems || nulls[i];
		picked[count] = picked_nulls[count] ? (Datum) 0 : elems[i];
		count++;
	}
	return PGMQ_ARG(PointerGetDatum(construct_md_array(picked, picked_nulls, 1,
													   &count, &lower, JSONBOID,
													   -1, false, TYPALIGN_INT)));
}

static int
id_compare(const text *a, const text *b)
{
	int			alen = VARSIZE_ANY_EXHDR(a);
	int			blen = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));

	return order != 0 ? order : alen - blen;
}

/* By id, and those of one id as they stand in the batch. */
static int
item_compare(const void *a, const void *b)
{
	const DedupItem *x = a;
	const DedupItem *y = b;
	int			order = id_compare(x->id, y->id);

	return order != 0 ? order : x->index - y->index;
}

/*
 * Put a batch in which some messages have deduplication ids.  result gets the
 * ids of all of its n messages.
 */
static void
put_distinct(const PgmqQueue *queue, const PgmqPolicy *policy, PgmqArg vt,
			 PgmqArg msgs, PgmqArg headers, Wishes *wishes, int64 *result, int n)
{
	DedupItem  *items = wishes->items;
	text	  **ids = palloc(wishes->nitems * sizeof(text *));
	int		   *places = palloc(wishes->nitems * sizeof(int));
	int64	   *known = palloc(wishes->nitems * sizeof(int64));
	bool	   *marks = palloc(n * sizeof(bool));
	Datum	   *msg_elems = NULL;
	Datum	   *header_elems = NULL;
	bool	   *msg_nulls = NULL;
	bool	   *header_nulls = NULL;
	int			nmsgs = elements(msgs, &msg_elems, &msg_nulls);
	int			nheaders = elements(headers, &header_elems, &header_nulls);
	int			nids = 0;
	int			nnew = 0;
	IdArray		sent = {palloc(n * sizeof(int64)), 0, 0};
	PgmqDedup	dedup;

	/* each id once, and where it is met first */
	qsort(items, wishes->nitems, sizeof(DedupItem), item_compare);
	for (int i = 0; i < wishes->nitems; i++)
	{
		if (i > 0 && id_compare(items[i].id, items[i - 1].id) == 0)
			items[i].first = items[i - 1].first;
		else
		{
			places[nids] = items[i].index;
			ids[nids++] = items[i].id;
		}
	}
	pgmq_dedup_find(queue, policy, wishes->before, ids, nids, wishes->alone, known, &dedup);
	UnregisterSnapshot(wishes->before);

	/* to be sent: what has no id, and the first of each id that is new */
	memset(marks, true, n * sizeof(bool));
	for (int i = 0; i < wishes->nitems; i++)
		marks[items[i].index] = items[i].index == items[i].first;
	for (int i = 0; i < nids; i++)
	{
		if (known[i] == PGMQ_DEDUP_NEW)
			continue;
		result[places[i]] = known[i];
		marks[places[i]] = false;
	}
	for (int i = 0; i < n; i++)
		sent.max += marks[i];
	pgmq_stats_count(queue->relid, PGMQ_STAT_DEDUPLICATED, n - sent.max);
	if (sent.max > 0)
	{
		PgmqArg		args[3];

		args[0] = vt;
		args[1] = elements_pick(msg_elems, msg_nulls, nmsgs, marks, n);
		args[2] = elements_pick(header_elems, header_nulls, nheaders, marks, n);
		pgmq_exec_each(queue, PGMQ_STMT_SEND_BATCH, args, row_collect, &sent);
	}
	if (sent.n != sent.max)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a trigger on \"%s.%s\" discarded messages of a batch with deduplication ids",
						PGMQ_SCHEMA, queue->relname),
				 errdetail("%d of %d messages were stored, and it is not known which.",
						   sent.n, sent.max),
				 errhint("Send the messages one by one.")));

	for (int i = 0, next = 0; i < n; i++)
		if (marks[i])
			result[i] = sent.ids[next++];
	for (int i = 0; i < wishes->nitems; i++)
		result[items[i].index] = result[items[i].first];

	for (int i = 0; i < nids; i++)
	{
		if (known[i] != PGMQ_DEDUP_NEW)
			continue;
		ids[nnew] = ids[i];
		dedup.rows[nnew] = dedup.rows[i];
		known[nnew++] = result[places[i]];
	}
	if (nnew > 0)
		pgmq_dedup_put(queue, &dedup, ids, known, nnew);
	pgmq_dedup_end(&dedup);
}

/* Whether that is all; if so fn has got the ids. */
static bool
put_batch_by_policy(const PgmqQueue *queue, const PgmqPolicy *policy, PgmqArg vt,
					PgmqArg msgs, PgmqArg headers, PgmqIdFn fn, void *state)
{
	Wishes		wishes = {.nitems = 0};
	Datum	   *elems = NULL;
	bool	   *nulls = NULL;
	int			nheaders = elements(headers, &elems, &nulls);
	int			nmsgs = msgs.isnull ? 0 :
	ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(msgs.value)),
				   ARR_DIMS(DatumGetArrayTypeP(msgs.value)));
	int			n = Max(nmsgs, nheaders);
	int64	   *result;

	wishes.items = palloc(n * sizeof(DedupItem));
	for (int i = 0; i < n; i++)
		wishes_add(&wishes, policy,
				   i < nheaders && !nulls[i] ? DatumGetJsonbP(elems[i]) : NULL, i);
	policy = lock_dedup(queue, policy, &wishes);
	if (wishes.nitems == 0)
		return false;

	result = palloc(n * sizeof(int64));
	put_distinct(queue, policy, vt, msgs, headers, &wishes, result, n);
	for (int i = 0; i < n; i++)
		fn(result[i], state);
	return true;
}

/* Warn of headers of a batch, which may be NULL, that have no effect. */
static void
warn_batch(const PgmqQueue *queue, const PgmqPolicy *policy, PgmqArg headers)
{
	Datum	   *elems = NULL;
	bool	   *nulls = NULL;
	int			n;

	if (headers.isnull)
		return;
	n = elements(headers, &elems, &nulls);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			pgmq_header_warn(queue, policy, DatumGetJsonbP(elems[i]));
}

/*
 * Put several messages (jsonb[]), with headers (jsonb[] or NULL), the shorter
 * array padded with nulls.  fn gets their ids in array order.
 */
void
pgmq_put_batch(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
			   PgmqArg headers, PgmqIdFn fn, void *state)
{
	PgmqArg		args[] = {vt, msgs, headers};
	IdState		ids = {fn, state};
	PgmqQueue	target;
	const PgmqPolicy *policy;

	if (pgmq_stream_target(queue, &target))
		queue = &target;
	policy = pgmq_policy(queue);
	warn_batch(queue, policy, headers);
	policy = send_policy(policy);
	if (policy != NULL &&
		put_batch_by_policy(queue, policy, vt, msgs, headers, fn, state))
		return;
	pgmq_exec_each(queue, PGMQ_STMT_SEND_BATCH, args, row_id, &ids);
}

/*
 * Put messages that have been in a queue before, like those that come back
 * from an archive or from a dead-letter queue.  Their headers were checked
 * when they were sent, or never, and they are duplicates of none but
 * themselves, so of the policy only strict FIFO holds: none gets lost.
 */
void
pgmq_put_again(const PgmqQueue *queue, PgmqArg vt, PgmqArg msgs,
			   PgmqArg headers, PgmqIdFn fn, void *state)
{
	PgmqArg		args[] = {vt, msgs, headers};
	IdState		ids = {fn, state};
	PgmqQueue	target;
	const PgmqPolicy *policy;
	const PgmqPolicy fifo = {.strict_fifo = true};

	if (pgmq_stream_target(queue, &target))
		queue = &target;
	policy = send_policy(pgmq_policy(queue));
	if (policy != NULL && policy->strict_fifo)
		(void) put_batch_by_policy(queue, &fifo, vt, msgs, headers, fn, state);
	pgmq_exec_each(queue, PGMQ_STMT_SEND_BATCH, args, row_id, &ids);
}
