/*-------------------------------------------------------------------------
 *
 * read_grouped.c
 *	  FIFO-group reads: messages of one group come one after the other.
 *
 * A message's group is its header x-pgmq-group (PGMQ_GROUP_SQL).  The oldest
 * message of a group is its *head*.  While the head cannot be read, because
 * it is in flight or delayed, nor can the rest of the group.
 *
 * The lock on its head is the lock on a group.  A reader that does not get it
 * at once leaves the group alone, so two readers never get one group at the
 * same time.  Messages are locked one by one, in order, each only after the one
 * before it, so nothing is locked that is not returned.
 *
 * Heads are looked for in two ways, since either alone has a bad case:
 *
 *	- Walking the queue in msg_id order, the first message seen of a group is
 *	  its head.  That finds the oldest groups at once, but a long backlog of
 *	  groups that are blocked must be walked past.
 *	- Stepping through the group index visits each group once, however long
 *	  its backlog, but finds the oldest head only after the last group.
 *
 * The walk goes first; when it gets long, both go on by turns, and whichever
 * is done first ends the search.  The cost is at most a small multiple of the
 * better way's.  Without the group index there is only the walk.
 *
 * The due map does not know where heads are, but it knows when nothing at all
 * is due; then there is no search.  After a search of a short queue in vain the
 * map is advanced.
 *
 * Each step of a search is a statement with a snapshot of its own.  So what it
 * found is tested again when it is locked.
 *
 * If the policy limits by the values of a header, a message whose value has had
 * enough is not taken, and its group is left alone as if another reader had it.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/read_grouped.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_read_grouped);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_with_poll);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_rr);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_rr_with_poll);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_head);
PG_FUNCTION_INFO_V1(pgmq_read_grouped_head_with_poll);

/*
 * How much the first turn of the walk looks at, and what each looks at when
 * they take turns; a step costs several times what a message on the walk does.
 */
#define WALK_FIRST		32
#define WALK_TURN		1024
#define STEP_TURN		256

/* In which order the messages of the groups are taken. */
typedef enum GroupOrder
{
	GROUP_FILL,					/* all of one group, then the next group */
	GROUP_ROUND_ROBIN,			/* one of each group, then the next of each */
	GROUP_HEAD					/* one of each group */
} GroupOrder;

typedef struct Message
{
	int64		msg_id;
	bool		readable;
} Message;

/* A group, in the order in which the groups' heads were found. */
typedef struct FifoGroup
{
	char	   *name;
	Message		head;
	int64		last_id;		/* the last message taken or looked at */
	Message    *next;			/* messages after it, looked at ahead */
	int			nnext;
	int			pos;			/* the first of them not yet taken */
	bool		ended;			/* nothing more can be taken */
} FifoGroup;

/* The groups that the search has seen. */
typedef struct SeenGroup
{
	char	   *name;
	uint32		status;
} SeenGroup;

#define SH_PREFIX seen
#define SH_ELEMENT_TYPE SeenGroup
#define SH_KEY_TYPE char *
#define SH_KEY name
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp((a), (b)) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The arguments of a grouped read, and the state of one attempt. */
typedef struct GroupRead
{
	PgmqQueue	queue;
	PgmqRows   *rows;
	PgmqArg		vt;				/* seconds */
	int64		qty;
	GroupOrder	order;

	TimestampTz now;
	MemoryContext context;		/* the memory of one attempt */
	seen_hash  *seen;
	List	   *heads;			/* Groups found and not yet tried */
	List	   *stepped;		/* Groups found by stepping, in no order */
	List	   *groups;			/* Groups whose head was taken */
	int64	   *ids;			/* messages taken, in order */
	int64		nids;
	int64		maxids;
	int64		nleased;		/* so many of them are leased */
	uint64		walked;			/* messages that the walk met */
	bool		disposes;		/* by the policy messages can be dead */
	PgmqDisposal disposal;
	const PgmqPolicy *by_value; /* it limits by values of a header; or NULL */
	PgmqLimitedRead limited;
	bool		quiet;			/* take of no value with much in flight */
	uint64		count;			/* messages that the last attempt has read */
	int64		upto;			/* what is after it must not be read yet, */
	bool		beyond;			/* and something was */
	bool		removed;		/* it has removed references, or split a batch */
} GroupRead;

#define READ_FULL(read) ((read)->nids >= (read)->qty)

/* ----------------------------------------------------------------
 *		Finding heads
 * ----------------------------------------------------------------
 */

/* Whether a group is seen for the first time. */
static bool
group_is_new(GroupRead *read, char *name)
{
	bool		found;

	seen_insert(read->seen, name, &found);
	return !found;
}

/*
 * Row function of both ways to look for heads: (msg_id, readable, group).
 * On the walk, a group not seen before has its head here, which can be tried
 * at once; what stepping finds must wait until the last group is known.
 */
static void
row_head(GroupRead *read, TupleTableSlot *slot, bool walking)
{
	MemoryContext old = MemoryContextSwitchTo(read->context);
	char	   *name;

	slot_getallattrs(slot);
	name = TextDatumGetCString(slot->tts_values[2]);
	if (walking && !group_is_new(read, name))
		pfree(name);
	else
	{
		FifoGroup  *group = palloc0(sizeof(FifoGroup));

		group->name = name;
		group->head.msg_id = DatumGetInt64(slot->tts_values[0]);
		group->head.readable = DatumGetBool(slot->tts_values[1]);
		if (walking)
			read->heads = lappend(read->heads, group);
		else
			read->stepped = lappend(read->stepped, group);
	}
	MemoryContextSwitchTo(old);
}

static void
row_walk(TupleTableSlot *slot, void *state)
{
	row_head(state, slot, true);
}

static void
row_step(TupleTableSlot *slot, void *state)
{
	row_head(state, slot, false);
}

static int
group_cmp(const ListCell *a, const ListCell *b)
{
	int64		ia = ((const FifoGroup *) lfirst(a))->head.msg_id;
	int64		ib = ((const FifoGroup *) lfirst(b))->head.msg_id;

	return (ia > ib) - (ia < ib);
}

/* ----------------------------------------------------------------
 *		Taking messages
 * ----------------------------------------------------------------
 */

/* The value of a message, by which the policy limits; false when it has gone. */
static bool
message_value(GroupRead *read, int64 msg_id, int64 *value)
{
	PgmqArg		args[] = {PGMQ_ARG(Int64GetDatum(msg_id))};

	return pgmq_exec_int8(&read->queue, PGMQ_STMT_VALUE, args, value);
}

/* Lock a message; false when it is not to be had. */
static bool
message_take(GroupRead *read, Message message)
{
	int64		value = 0;
	PgmqArg		args[2 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(Int64GetDatum(message.msg_id)),
		PGMQ_ARG(TimestampTzGetDatum(read->now))
	};
	PgmqStmtId	stmt = PGMQ_STMT_GROUP_LOCK;

	if (!message.readable)
		return false;
	if (message.msg_id > read->upto)
	{
		read->beyond = true;
		return false;
	}
	/* with a lease of no length, what this read has leased is readable */
	if (!read->vt.isnull && DatumGetInt32(read->vt.value) <= 0)
		for (int64 i = 0; i < read->nleased; i++)
			if (read->ids[i] == message.msg_id)
				return false;
	if (read->disposes && read->disposal.passing)
	{
		stmt = PGMQ_STMT_GROUP_LOCK_PASSING;
		pgmq_disposal_args(&read->disposal, args + 2);
	}
	if (read->by_value != NULL &&
		(!message_value(read, message.msg_id, &value) ||
		 pgmq_limits_value_begin(&read->limited, read->by_value, read->now, value, 1, read->quiet) == 0))
		return false;
	if (pgmq_exec(&read->queue, stmt, args) == 0)
	{
		if (read->by_value != NULL)
			pgmq_limits_value_end(&read->limited, value, 0);
		return false;
	}

	if (read->nids == read->maxids)
	{
		read->maxids *= 2;
		read->ids = repalloc_huge(read->ids, read->maxids * sizeof(int64));
	}
	read->ids[read->nids++] = message.msg_id;
	return true;
}

/* Row function: a message of a group, (msg_id, readable). */
static void
row_next(TupleTableSlot *slot, void *state)
{
	FifoGroup  *group = state;

	slot_getallattrs(slot);
	group->next[group->nnext].msg_id = DatumGetInt64(slot->tts_values[0]);
	group->next[group->nnext++].readable = DatumGetBool(slot->tts_values[1]);
}

/*
 * Take the next message of a group whose last one was taken.  ahead is how
 * many more are likely to be wanted.
 */
static void
group_take_next(GroupRead *read, FifoGroup *group, int64 ahead)
{
	if (group->pos == group->nnext)
	{
		int64		limit = Min(ahead, WALK_TURN);
		PgmqArg		args[] = {
			PGMQ_ARG(TimestampTzGetDatum(read->now)),
			PGMQ_ARG(PointerGetDatum(cstring_to_text(group->name))),
			PGMQ_ARG(Int64GetDatum(group->last_id)),
			PGMQ_ARG(Int64GetDatum(limit))
		};

		if (group->next)
			pfree(group->next);
		group->next = MemoryContextAlloc(read->context, limit * sizeof(Message));
		group->nnext = group->pos = 0;
		pgmq_exec_each(&read->queue, PGMQ_STMT_GROUP_NEXT, args, row_next, group);
	}
	if (group->pos < group->nnext &&
		message_take(read, group->next[group->pos]))
		group->last_id = group->next[group->pos++].msg_id;
	else
		group->ended = true;
}

/* Take what the order wants of a group when its head is found. */
static void
group_take(GroupRead *read, FifoGroup *group)
{
	if (!message_take(read, group->head))
		return;
	group->last_id = group->head.msg_id;
	if (read->order == GROUP_ROUND_ROBIN)
		read->groups = lappend(read->groups, group);
	else if (read->order == GROUP_FILL)
		while (!group->ended && !READ_FULL(read))
			group_take_next(read, group, read->qty - read->nids);
}

/* Try the groups found so far. */
static void
groups_take(GroupRead *read)
{
	ListCell   *lc;

	foreach(lc, read->heads)
	{
		if (READ_FULL(read))
			break;
		group_take(read, lfirst(lc));
	}
	list_free(read->heads);
	read->heads = NIL;
}

/* Take further messages, one of each group in turn, until none has any. */
static void
groups_take_in_turn(GroupRead *read)
{
	while (read->groups != NIL)
	{
		ListCell   *lc;

		foreach(lc, read->groups)
		{
			FifoGroup  *group = lfirst(lc);

			if (READ_FULL(read))
				return;
			Assert(read->groups != NIL);
			group_take_next(read, group,
							(read->qty - read->nids) / list_length(read->groups) + 1);
			if (group->ended)
				read->groups = foreach_delete_current(read->groups, lc);
		}
	}
}

/* Try the groups that stepping found and the walk did not, oldest first. */
static void
groups_take_stepped(GroupRead *read)
{
	ListCell   *lc;

	foreach(lc, read->stepped)
	{
		FifoGroup  *group = lfirst(lc);

		if (group_is_new(read, group->name))
			read->heads = lappend(read->heads, group);
	}
	list_sort(read->heads, group_cmp);
	groups_take(read);
}

/* Find groups, oldest head first, and take from them. */
static void
groups_search(GroupRead *read)
{
	PgmqArg		args[] = {PGMQ_ARG(TimestampTzGetDatum(read->now))};
	PgmqCursor *walk = pgmq_cursor_open(&read->queue, PGMQ_STMT_GROUP_WALK, args);
	PgmqCursor *step = NULL;

	for (int turn = WALK_FIRST;; turn = Min(turn * 2, WALK_TURN))
	{
		uint64		n = pgmq_cursor_fetch(walk, turn, row_walk, read);

		read->walked += n;
		groups_take(read);
		if (READ_FULL(read) || n < turn)
			break;
		if (turn < WALK_TURN ||
			(step == NULL && !OidIsValid(pgmq_layout_group_index(&read->queue))))
			continue;
		if (step == NULL)
			step = pgmq_cursor_open(&read->queue, PGMQ_STMT_GROUP_HEADS, args);
		if (pgmq_cursor_fetch(step, STEP_TURN, row_step, read) < STEP_TURN)
		{
			groups_take_stepped(read);
			break;
		}
	}
	pgmq_cursor_close(walk);
	if (step != NULL)
		pgmq_cursor_close(step);
}

/* ----------------------------------------------------------------
 *		Reading
 * ----------------------------------------------------------------
 */

/* Lease the messages taken since the last time, and return them. */
static uint64
messages_lease(GroupRead *read)
{
	int64		n = read->nids - read->nleased;
	PgmqArg		args[] = {
		pgmq_int8_array(read->ids + read->nleased, n),
		PGMQ_ARG(TimestampTzGetDatum(read->now)),
		pgmq_after(read->now, read->vt)
	};

	return pgmq_exec_rows(&read->queue, PGMQ_STMT_GROUP_LEASE, args, read->rows);
}

/* Look for messages until there are enough, and lease them; how many. */
static uint64
messages_read(GroupRead *read)
{
	read->seen = seen_create(read->context, 64, NULL);
	read->heads = read->stepped = read->groups = NIL;
	groups_search(read);
	groups_take_in_turn(read);
	return read->nids == read->nleased ? 0 : messages_lease(read);
}

/*
 * The same for a queue in which messages can be dead.  They are taken
 * and leased as any other, then disposed of, and others looked for in their
 * place, but no more from the groups that others were got from.  Where dead
 * messages are passed over, they block their group.
 */
static uint64
messages_read_disposing(GroupRead *read)
{
	uint64		count = 0;

	for (;;)
	{
		int64		kept = read->nleased;

		pgmq_disposal_test(&read->disposal, read->now, read->rows);
		count += messages_read(read) - read->disposal.n;
		if (read->disposal.n == 0)
			break;

		for (int64 i = read->nleased; i < read->nids; i++)
		{
			int64		value;

			if (!pgmq_disposal_has(&read->disposal, read->ids[i]))
				read->ids[kept++] = read->ids[i];
			else if (read->by_value != NULL && message_value(read, read->ids[i], &value))
				pgmq_limits_value_end(&read->limited, value, 0);
		}
		read->nids = read->nleased = kept;
		pgmq_disposal_run(&read->disposal, PG_INT64_MAX);
		if (READ_FULL(read))
			break;
	}
	pgmq_rows_test(read->rows, NULL, NULL);
	return count;
}

/* Read what there is; the number of messages taken. */
static uint64
read_scan(GroupRead *read, const PgmqPolicy *policy)
{
	MemoryContext old;
	int64		qty = read->qty;
	uint64		count;

	if (pgmq_scan_is_idle(&read->queue, read->now))
	{
		pgmq_policy_limit(read->queue.relid, DT_NOBEGIN);
		return 0;
	}
	read->qty = pgmq_limits_read_begin(&read->limited, &read->queue, policy, read->now, qty, true);
	if (read->qty == 0)
	{
		read->qty = qty;
		return 0;
	}
	read->context = AllocSetContextCreate(CurrentMemoryContext, "pgmq_c grouped read",
										  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(read->context);
	read->nids = read->nleased = 0;
	read->walked = 0;
	read->maxids = 64;
	read->ids = palloc(read->maxids * sizeof(int64));

	read->disposes = pgmq_disposal_begin(&read->disposal, &read->queue, policy);
	read->by_value = pgmq_limits_by_value(policy) ? policy : NULL;
	read->quiet = read->by_value != NULL && policy->fair;
	count = read->disposes ? messages_read_disposing(read) : messages_read(read);
	if (read->quiet && !READ_FULL(read))
	{
		read->quiet = false;
		count += read->disposes ? messages_read_disposing(read) : messages_read(read);
	}
	if (read->order == GROUP_ROUND_ROBIN)
		pgmq_rows_order(read->rows, read->ids, read->nids);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(read->context);
	pgmq_limits_read_end(&read->limited, count);
	read->qty = qty;

	/* the queue is short: advance what the map says is due and is not */
	if (count == 0 && read->walked < WALK_TURN)
		pgmq_scan_only(&read->queue, read->now);
	return count;
}

/* Read once; the number of messages taken. */
static uint64
read_once(void *state)
{
	GroupRead  *read = state;
	const PgmqPolicy *policy = pgmq_policy(&read->queue);
	PgmqStream	stream;
	bool		subscribes = pgmq_stream_open(&read->queue, &stream);

	read->now = GetCurrentTimestamp();
	read->count = 0;
	if (read->qty == 0 || pgmq_policy_pauses(policy, read->now) ||
		(subscribes && pgmq_policy_pauses_stream(stream.stream, read->now)))
		return 0;
	if (subscribes)
		pgmq_rows_need_body(read->rows);
	read->upto = PG_INT64_MAX;
	do
	{
		int64		before = read->upto;

		/* the groups of what a batch has are not known */
		if (subscribes && (!pgmq_feed_late(&read->queue, &stream, &read->upto) ||
						   !pgmq_batches_split_all(&read->queue, &stream, DT_NOEND)))
			break;
		/* ids beyond the sequence never come to be given out */
		if (read->beyond && read->upto == before)
			read->upto = PG_INT64_MAX;
		read->beyond = false;
		read->now = GetCurrentTimestamp();
		read->count = read_scan(read, policy);
	} while (subscribes &&
			 (pgmq_take_more(&read->queue, &stream, read->rows,
							 read->count > 0 ? 0 : read->qty, true, NULL) || read->beyond) &&
			 read->count == 0);
	read->removed = subscribes && stream.removed;
	return read->count;
}

/*
 * Read for a wait, which ends also when it has disposed of something, removed references
 * whose message is gone, or split a batch: that is to be committed.  An acknowledgement of
 * what was in it waits for this transaction, and the messages after it for the
 * acknowledgement.
 */
static uint64
poll_once(void *state)
{
	GroupRead  *read = state;
	uint64		count;

	read->disposes = read->removed = false;
	count = read_once(read);
	return count + (read->disposes ? read->disposal.disposed : 0) + (count == 0 && read->removed);
}

/* Begin a grouped read, whose arguments are (queue_name, vt, qty, ...). */
static void
read_begin(GroupRead *read, FunctionCallInfo fcinfo, GroupOrder order)
{
	read->rows = pgmq_rows_begin(fcinfo);
	read->vt = PGMQ_ARG_FROM(1);
	read->qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 2).value);
	read->order = order;
	pgmq_queue_open(&read->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_UPDATE, "UPDATE");
}

static Datum
read_grouped(FunctionCallInfo fcinfo, GroupOrder order)
{
	GroupRead	read;

	read_begin(&read, fcinfo, order);
	pgmq_stats_read(read.queue.relid, read_once(&read) > 0);
	return (Datum) 0;
}

static Datum
read_grouped_with_poll(FunctionCallInfo fcinfo, GroupOrder order)
{
	GroupRead	read;

	read_begin(&read, fcinfo, order);
	pgmq_poll(&read.queue, 1, PGMQ_POLL_GROUPED, poll_once, &read,
			  PGMQ_ARG_FROM(3), PGMQ_ARG_FROM(4));
	pgmq_stats_read(read.queue.relid, read.count > 0);
	return (Datum) 0;
}

/*
 * read_grouped(queue_name text, vt integer, qty integer)
 * returns setof message_record
 */
Datum
pgmq_read_grouped(PG_FUNCTION_ARGS)
{
	return read_grouped(fcinfo, GROUP_FILL);
}

/*
 * read_grouped_with_poll(queue_name text, vt integer, qty integer,
 *						  max_poll_seconds integer, poll_interval_ms integer)
 */
Datum
pgmq_read_grouped_with_poll(PG_FUNCTION_ARGS)
{
	return read_grouped_with_poll(fcinfo, GROUP_FILL);
}

/* read_grouped_rr: as read_grouped; the rows come in the order of turns */
Datum
pgmq_read_grouped_rr(PG_FUNCTION_ARGS)
{
	return read_grouped(fcinfo, GROUP_ROUND_ROBIN);
}

/* read_grouped_rr_with_poll: as read_grouped_with_poll */
Datum
pgmq_read_grouped_rr_with_poll(PG_FUNCTION_ARGS)
{
	return read_grouped_with_poll(fcinfo, GROUP_ROUND_ROBIN);
}

/* read_grouped_head: as read_grouped */
Datum
pgmq_read_grouped_head(PG_FUNCTION_ARGS)
{
	return read_grouped(fcinfo, GROUP_HEAD);
}

/* read_grouped_head_with_poll: as read_grouped_with_poll */
Datum
pgmq_read_grouped_head_with_poll(PG_FUNCTION_ARGS)
{
	return read_grouped_with_poll(fcinfo, GROUP_HEAD);
}
