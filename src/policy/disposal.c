/*-------------------------------------------------------------------------
 *
 * disposal.c
 *	  Expired and over-read messages: finding them and disposing of them.
 *
 * A message is *dead* when its queue's policy forbids to deliver it again: it
 * was read max_reads times, or it has expired.  A read that meets a dead message
 * does not return it but disposes of it: the message is moved to the dead-letter
 * queue, or deleted.  Where there is one dead message there are mostly more, so
 * the read also disposes of a bounded number of others.  (A hundred thousand of
 * them are gone after a hundred reads, none of which took long.)
 *
 * The rule is written twice: in C (row_passes), for the rows that a read has
 * leased, and in SQL (DEAD in statements.c), to find dead messages and to pass
 * them over.  One rule in SQL was tried and measured: as a column of what
 * read() leases it costs 27 % more instructions for one message, and as a search
 * ahead of each read 77 %, while the test in C costs 0.2 %.
 *
 * Disposing can fail for reasons that do not concern the reader: rights on the
 * dead-letter queue, its constraints, triggers and locks, or its absence.  So
 * what can be moved is moved (pgmq_move_parts).  Messages that are refused stay
 * in their queue with a warning, and are put off for a while, so that no read
 * meets them meanwhile.
 *
 * Some failures concern all messages: the dead-letter queue does not exist, is
 * locked, refuses the reader or refuses nearly everything.  Then the messages
 * stay as they were, there is one warning, and reads of this backend pass dead
 * messages over.  They try again after a while, or after DDL on one of the
 * tables.  A large number of messages that nobody can move is put off as well,
 * because each read would have to walk past all of them.  Putting messages off
 * cannot replace what the backend remembers: where only the reader's rights are
 * missing, another reader or maintenance must still meet the messages.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/disposal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"
#include "stream/stream.h"
#include "policy/policy.h"

/*
 * A sweep goes over so many messages that are due, and a read sweeps until it
 * has disposed of so many; it may be a sweep's worth more.
 */
#define SWEEP_WINDOW	1000
#define SWEEP_MAX		1500

/* Where nothing can be moved the next attempt waits so long (microseconds). */
#define RETRY_AFTER		(10 * USECS_PER_SEC)

/*
 * A read that found PUT_OFF_MIN messages then has the next reads put off the dead
 * ones among PUT_OFF_WINDOW due messages each.
 */
#define PUT_OFF_MIN		100
#define PUT_OFF_WINDOW	10000

/*
 * How long (microseconds) a message that was refused is put off; not whole
 * seconds, as a lease lasts (counters.c).
 */
#define PUT_OFF_FOR		(60 * USECS_PER_SEC + 1)

/* With more such queues than this all are forgotten, and tried again. */
#define UNMOVABLE_MAX		1000

/* Queues whose dead messages could not be disposed of. */
typedef struct Unmovable
{
	Oid			relid;			/* hash key: the queue table */
	char		dead_letter[NAMEDATALEN];
	Oid			dead_relid;		/* the table of that name, if any */
	TimestampTz until;			/* try again then */
	bool		puts_off;		/* reads put off what they meet */
} Unmovable;

static HTAB *unmovable_hash = NULL;

/* ----------------------------------------------------------------
 *		Finding dead messages
 * ----------------------------------------------------------------
 */

/* Seconds until a message expires, by its headers or by the policy; 0: never. */
static double
message_ttl(const PgmqPolicy *policy, Datum headers, bool isnull)
{
	double		ttl = policy->ttl;

	if (policy->ttl_header && !isnull)
	{
		Jsonb	   *doc = DatumGetJsonbP(headers);
		JsonbValue	value;

		if (pgmq_header_find(doc, PGMQ_HEADER_TTL, &value) && value.type == jbvNumeric)
		{
			double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																	NumericGetDatum(value.val.numeric)));

			/* malformed is ignored; what rounds to no microsecond is, too */
			if (number >= 0.0000005)
				ttl = number;
		}
		if ((Pointer) doc != DatumGetPointer(headers))
			pfree(doc);
	}
	return Min(ttl, PGMQ_TTL_MAX);
}

/* Remember a message that is to be disposed of. */
static void
disposal_add(PgmqDisposal *disposal, int64 msg_id, int32 read_ct, bool over)
{
	PgmqMoved  *dead;

	if (disposal->n == disposal->max)
	{
		MemoryContext old = MemoryContextSwitchTo(disposal->context);

		disposal->max = Max(64, disposal->max * 2);
		disposal->dead = disposal->dead == NULL ? palloc(disposal->max * sizeof(PgmqMoved)) :
			repalloc_huge(disposal->dead, disposal->max * sizeof(PgmqMoved));
		MemoryContextSwitchTo(old);
	}
	dead = &disposal->dead[disposal->n++];
	disposal->sorted = false;
	dead->msg_id = msg_id;
	dead->read_ct = read_ct;
	dead->reason = over ? disposal->over : disposal->expired;
}

/*
 * Row test for a read's rows, which are leased already: whether to return the
 * message.  A dead one is remembered.
 */
static bool
row_passes(TupleTableSlot *slot, void *state)
{
	PgmqDisposal *disposal = state;
	const PgmqPolicy *policy = &disposal->policy;
	int64		msg_id;
	int32		read_ct;
	double		ttl;
	bool		over;

	slot_getallattrs(slot);
	msg_id = DatumGetInt64(slot->tts_values[0]);
	read_ct = DatumGetInt32(slot->tts_values[1]);
	disposal->last = Max(disposal->last, disposal->by_priority ?
						 pgmq_priority_row_key(slot) : msg_id);

	over = policy->max_reads > 0 && read_ct > policy->max_reads;
	if (!over)
	{
		ttl = message_ttl(policy, slot->tts_values[6], slot->tts_isnull[6]);
		if (ttl == 0 || slot->tts_isnull[2] || DatumGetTimestampTz(slot->tts_values[2]) >
			disposal->now - (int64) rint(ttl * USECS_PER_SEC))
			return true;
	}
	/* the read that met it does not count, since nobody gets it */
	disposal_add(disposal, msg_id, read_ct - 1, over);
	pgmq_stats_undelivered(disposal->queue->relid, msg_id);
	return false;
}

/* Row function: a dead message, (msg_id, read_ct, over-read). */
static void
row_dead(TupleTableSlot *slot, void *state)
{
	const PgmqDisposal *disposal = state;

	slot_getallattrs(slot);
	/* a batch that was leased before there was a policy is split first */
	if (PGMQ_IS_BATCH(DatumGetInt64(slot->tts_values[0])) &&
		OidIsValid(pgmq_stream_kept(disposal->queue->relid)))
		return;
	disposal_add(state, DatumGetInt64(slot->tts_values[0]),
				 DatumGetInt32(slot->tts_values[1]), DatumGetBool(slot->tts_values[2]));
}

/* ----------------------------------------------------------------
 *		Disposing of messages during a read
 * ----------------------------------------------------------------
 */

static int
dead_cmp(const void *a, const void *b)
{
	int64		ia = ((const PgmqMoved *) a)->msg_id;
	int64		ib = ((const PgmqMoved *) b)->msg_id;

	return (ia > ib) - (ia < ib);
}

/* Whether a message is among those remembered. */
bool
pgmq_disposal_has(PgmqDisposal *disposal, int64 msg_id)
{
	PgmqMoved	key = {.msg_id = msg_id};

	if (!disposal->sorted)
		qsort(disposal->dead, disposal->n, sizeof(PgmqMoved), dead_cmp);
	disposal->sorted = true;
	return bsearch(&key, disposal->dead, disposal->n, sizeof(PgmqMoved), dead_cmp) != NULL;
}

/* The last arguments of a statement that has the rule about dead messages. */
void
pgmq_disposal_args(const PgmqDisposal *disposal, PgmqArg args[PGMQ_DEAD_ARGS])
{
	const PgmqPolicy *policy = &disposal->policy;

	args[0] = policy->max_reads > 0 ? PGMQ_ARG(Int32GetDatum(policy->max_reads)) : PGMQ_ARG_NULL;
	args[1] = policy->ttl > 0 ? PGMQ_ARG(Int32GetDatum(policy->ttl)) : PGMQ_ARG_NULL;
	args[2] = PGMQ_ARG(BoolGetDatum(policy->ttl_header));
}

/* The table of the dead-letter queue, if there is one. */
static Oid
dead_letter_relid(const PgmqPolicy *policy)
{
	return get_relname_relid(policy->dead_letter, get_namespace_oid(PGMQ_SCHEMA, false));
}

/*
 * Warn of dead messages that could not be disposed of, by the error that an
 * attempt has raised.
 */
static void
warn_stay(const PgmqDisposal *disposal, const ErrorData *error, const char *detail)
{
	const char *name = PGMQ_QUEUE_BASE(disposal->queue);

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 disposal->policy.dead_letter[0] != '\0' ?
			 errmsg("cannot move dead letters of queue \"%s\": %s", name, error->message) :
			 errmsg("cannot delete expired messages of queue \"%s\": %s", name, error->message),
			 errdetail_internal("%s", detail),
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/*
 * Note that messages of a queue cannot be disposed of: this backend does not try
 * for a while.  Its reads pass them over, or if put_off is true put off those
 * that they meet.  error is the reason to warn of, NULL if that has been done.
 */
static void
disposal_fail(PgmqDisposal *disposal, const ErrorData *error, bool put_off)
{
	Unmovable  *entry;
	bool		found;

	disposal->passing = true;
	entry = pgmq_policy_remember(&unmovable_hash, "pgmq_c queues whose dead messages cannot be moved",
								 sizeof(Unmovable), UNMOVABLE_MAX, disposal->queue->relid, &found);
	if (found && strcmp(entry->dead_letter, disposal->policy.dead_letter) != 0)
		found = false;
	strlcpy(entry->dead_letter, disposal->policy.dead_letter, NAMEDATALEN);
	entry->dead_relid = dead_letter_relid(&disposal->policy);
	entry->until = GetCurrentTimestamp() + RETRY_AFTER;
	entry->puts_off = put_off;
	if (!found && error != NULL)
		warn_stay(disposal, error, _("They stay in the queue, and are tried again later."));
}

/* Put those to be moved before those to be dropped; how many they are. */
static int
dead_part(PgmqMoved *dead, int n)
{
	int			nmove = 0;

	for (int i = 0; i < n; i++)
	{
		if (dead[i].reason != NULL)
		{
			PgmqMoved	swap = dead[i];

			dead[i] = dead[nmove];
			dead[nmove++] = swap;
		}
	}
	return nmove;
}

/*
 * Move or drop messages remembered.  Before an error it is noted whether they
 * could be moved at all, so that it may be about single ones.
 */
static void
disposal_remove(void *state, PgmqMoved *dead, int n)
{
	PgmqDisposal *disposal = state;
	int			nmove = dead_part(dead, n);
	PgmqQueue	to;

	disposal->sorted = false;
	if (nmove > 0)
	{
		disposal->movable = false;
		pgmq_move_open_dead(disposal->queue, &disposal->policy, false, &to);
		disposal->movable = true;	/* the right to send there was asked for */
		pgmq_move_dead(disposal->queue, &to, dead, nmove);
		for (int i = 0; i < nmove; i++)
			pgmq_stats_count(disposal->queue->relid, dead[i].reason == disposal->over ?
							 PGMQ_STAT_DEAD_MAX_READS : PGMQ_STAT_DEAD_EXPIRED, 1);
	}
	if (nmove < n)
	{
		PgmqArg		args[] = {pgmq_move_ids(dead + nmove, n - nmove)};

		pgmq_move_check(disposal->queue,
						pgmq_exec(disposal->queue, PGMQ_STMT_DELETE_BATCH, args), n - nmove);
		pgmq_stats_count(disposal->queue->relid, PGMQ_STAT_DROPPED_EXPIRED, n - nmove);
	}
}

/* Remember the dead ones among the first due messages, window of them, of a range. */
static void
disposal_find(PgmqDisposal *disposal, int64 lo, int64 hi, int64 window)
{
	PgmqArg		args[4 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(disposal->now)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi)),
		PGMQ_ARG(Int64GetDatum(window)),
	};

	pgmq_disposal_args(disposal, args + 4);
	pgmq_exec_each(disposal->queue, PGMQ_STMT_DEAD, args, row_dead, disposal);
}

/*
 * Begin to dispose of the dead messages that a read of an open queue meets, by
 * the queue's policy, NULL if it has none.  False when by that policy no message
 * can be dead; then the other functions must not be called.
 */
bool
pgmq_disposal_begin(PgmqDisposal *disposal, const PgmqQueue *queue, const PgmqPolicy *policy)
{
	Unmovable  *entry;
	PgmqStream	stream;

	if (policy == NULL ||
		(policy->max_reads == 0 && policy->ttl == 0 && !policy->ttl_header))
		return false;
	memset(disposal, 0, sizeof(*disposal));
	disposal->queue = queue;
	disposal->policy = *policy;
	if (policy->max_reads > 0 && pgmq_stream_look(queue->relid, &stream))
		disposal->policy.max_reads = (int32) Min((int64) policy->max_reads + stream.read_base,
												 PG_INT32_MAX - 1);
	disposal->context = CurrentMemoryContext;
	disposal->by_priority = policy->priorities && pgmq_priority_is_on(queue->relid);
	disposal->over = cstring_to_text("max_reads");
	disposal->expired = policy->expired == PGMQ_EXPIRED_DEAD_LETTER ?
		cstring_to_text("expired") : NULL;
	if (unmovable_hash != NULL &&
		(entry = hash_search(unmovable_hash, &queue->relid, HASH_FIND, NULL)) != NULL &&
		GetCurrentTimestamp() < entry->until &&
		strcmp(entry->dead_letter, policy->dead_letter) == 0 &&
		entry->dead_relid == dead_letter_relid(policy))
	{
		disposal->puts_off = entry->puts_off;
		disposal->passing = !entry->puts_off;
	}
	return true;
}

/*
 * Have the rows of the next statement, which reads at now, tested, unless it is
 * one that passes dead messages over.
 */
void
pgmq_disposal_test(PgmqDisposal *disposal, TimestampTz now, PgmqRows *rows)
{
	disposal->now = now;
	disposal->n = 0;
	disposal->last = PG_INT64_MIN;
	pgmq_rows_test(rows, disposal->passing ? NULL : row_passes, disposal);
}

/*
 * Find others among the first ones due between two ids, if there are ids
 * between them, and move or drop all messages remembered.
 */
static void
disposal_remove_all(void *state, PgmqMoved *dead, int n)
{
	PgmqDisposal *disposal = state;

	if (disposal->lo <= disposal->hi)
		disposal_find(disposal, disposal->lo, disposal->hi, SWEEP_WINDOW);
	disposal_remove(disposal, disposal->dead, disposal->n);
}

/*
 * Remove those of the messages remembered that can be, after an attempt to
 * remove all has raised an error, or when it is known that it would.
 */
static void
remove_some(PgmqDisposal *disposal, PgmqRefusal *refusal, ErrorData *error)
{
	int			nmove = dead_part(disposal->dead, disposal->n);

	disposal->sorted = false;
	if (error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		disposal->movable = false;
	*refusal = (PgmqRefusal)
	{
		.error = error
	};
	if (pgmq_queue_may(disposal->queue->relid, PGMQ_NEED_DELETE))
	{
		pgmq_move_parts(disposal_remove, disposal, false,
						disposal->dead + nmove, disposal->n - nmove, refusal);
		if (disposal->movable)
			pgmq_move_parts(disposal_remove, disposal, false, disposal->dead, nmove, refusal);
		else if (nmove > 0)
			refusal->gave_up = true;
	}
	else
		refusal->gave_up = true;
	disposal->disposed += refusal->done;
	if (error != NULL)
		pgmq_stats_count(disposal->queue->relid, PGMQ_STAT_DEAD_REFUSED, disposal->n - refusal->done);
}

/* Warn of messages that were refused. */
static void
refusal_warn(const PgmqDisposal *disposal, const PgmqRefusal *refusal)
{
	const char *detail = refusal->n == 1 ?
	_("Message " INT64_FORMAT " stays in the queue, and is tried again later.") :
	_("Message " INT64_FORMAT " and others, %d in all, stay in the queue, and are tried again later.");

	warn_stay(disposal, refusal->error, psprintf(detail, refusal->ids[0], refusal->n));
}

/*
 * Whether messages that could not be removed are to be put off: if there are
 * so many that each read would spend its time on passing them over.  Where
 * only the reader's rights are missing another role may be able to remove
 * them.
 */
static bool
should_put_off(const PgmqDisposal *disposal, const ErrorData *error)
{
	return disposal->n >= PUT_OFF_MIN && !disposal->movable &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE && pgmq_queue_may(disposal->queue->relid, PGMQ_NEED_DELETE);
}

/*
 * Dispose of the messages remembered, and of others among the first ones due
 * in a range of ids or keys, in which none of them lies.  When something stays, or
 * when it was enough, the rest of this read passes dead messages over.
 */
static void
disposal_dispose(PgmqDisposal *disposal, int64 lo, int64 hi)
{
	int			nmet = disposal->n;
	PgmqArg		args[2] = {pgmq_move_ids(disposal->dead, nmet), PGMQ_ARG(TimestampTzGetDatum(disposal->now))};
	PgmqMoved  *met = palloc_extended(nmet * sizeof(PgmqMoved), MCXT_ALLOC_HUGE);
	ErrorData  *error = NULL;
	PgmqRefusal refusal = {0};
	bool		put_off = disposal->puts_off;

	if (nmet > 0)
		memcpy(met, disposal->dead, nmet * sizeof(PgmqMoved));
	if (!disposal->puts_off)
	{
		disposal->movable = true;
		disposal->lo = lo;
		disposal->hi = hi;
		error = pgmq_move_try(disposal_remove_all, disposal, false, NULL, 0);
	}
	if (!disposal->puts_off && error == NULL)
		disposal->disposed += disposal->n;
	else
	{
		/*
		 * the messages found are locked no longer, and another reader may
		 * have them by now
		 */
		if (nmet > 0)
			memcpy(disposal->dead, met, nmet * sizeof(PgmqMoved));
		disposal->n = nmet;
		if (lo <= hi)
			disposal_find(disposal, lo, hi, disposal->puts_off ? PUT_OFF_WINDOW : SWEEP_WINDOW);
		disposal->movable = disposal->movable && !disposal->puts_off;
		remove_some(disposal, &refusal, error);
		/* no client got those that were met: their lease did not happen */
		if (nmet > 0)
			pgmq_exec(disposal->queue, PGMQ_STMT_UNREAD, args);
		if (error != NULL)
		{
			disposal->passing = true;
			if (refusal.gave_up)
				put_off = should_put_off(disposal, refusal.error);
		}
		if (put_off || refusal.n > 0)
		{
			args[0] = put_off ? pgmq_move_ids(disposal->dead, disposal->n) :
				pgmq_int8_array(refusal.ids, refusal.n);
			args[1] = PGMQ_ARG(TimestampTzGetDatum(disposal->now + PUT_OFF_FOR));
			pgmq_exec(disposal->queue, PGMQ_STMT_SET_VT_BATCH, args);
			disposal->disposed += disposal->puts_off ? disposal->n : 0;
		}
	}
	if (error != NULL && refusal.gave_up)
		disposal_fail(disposal, refusal.error, put_off);
	else if (unmovable_hash != NULL && !disposal->puts_off)
		hash_search(unmovable_hash, &disposal->queue->relid, HASH_REMOVE, NULL);
	if (error != NULL && !refusal.gave_up && refusal.n > 0)
		refusal_warn(disposal, &refusal);
	if (disposal->disposed >= (disposal->puts_off ? PUT_OFF_WINDOW : SWEEP_MAX))
		disposal->passing = true;
	disposal->n = 0;
}

/*
 * Dispose of the dead messages among the rows tested, and of others after
 * them, up to an id or key.  Waits for the locks of the dead-letter queue, and of
 * anything below it, for a short time only: a lock that is not to be had
 * counts as a refusal.
 */
void
pgmq_disposal_run(PgmqDisposal *disposal, int64 hi)
{
	pgmq_stats_undelivered_none(disposal->queue->relid);
	if (disposal->last < hi)
		disposal_dispose(disposal, disposal->last + 1, hi);
	else
		disposal_dispose(disposal, 1, 0);
}

/*
 * Dispose of the dead ones among the first qty due messages of a range, and if
 * there are any of further ones.  For statements that cannot test what they
 * took: those that delete it, and those that only look.
 */
void
pgmq_disposal_ahead(PgmqDisposal *disposal, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	disposal->now = now;
	disposal->n = 0;
	if (disposal->passing)
		return;
	disposal_find(disposal, lo, hi, Min(qty, SWEEP_WINDOW));
	if (disposal->n > 0)
	{
		disposal->n = 0;
		disposal_dispose(disposal, lo, hi);
	}
}

/*
 * Dispose of up to limit dead messages of an open queue that nobody has leased,
 * ids from *from on; returns whether there may be more, from the new *from on, and
 * adds to *rows how many it disposed of.  For maintenance.  When *from is PG_INT64_MIN this is the first batch of a round
 * and everything is tried; after that, if no message can be moved, only those
 * that are to be deleted.  Errors: as pgmq_move_try raises them.
 */
bool
pgmq_disposal_sweep(const PgmqQueue *queue, const PgmqPolicy *policy, int64 *from, int64 limit,
					int64 *rows)
{
	PgmqDisposal disposal;
	PgmqArg		args[4 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
		PGMQ_ARG(Int64GetDatum(limit)),
		PGMQ_ARG(Int64GetDatum(*from))
	};
	ErrorData  *error;
	PgmqRefusal refusal;
	PgmqStream	stream;
	bool		drops;

	if (!pgmq_disposal_begin(&disposal, queue, policy))
		return false;
	if (*from == PG_INT64_MIN && pgmq_stream_subscribes(queue->relid, &stream))
		(void) pgmq_batches_split_all(queue, &stream, GetCurrentTimestamp());
	drops = *from != PG_INT64_MIN && (disposal.puts_off || disposal.passing);
	if (drops && disposal.expired != NULL)
		return false;
	pgmq_disposal_args(&disposal, args + 3);
	args[3 + PGMQ_DEAD_ARGS] = PGMQ_ARG(BoolGetDatum(drops));
	pgmq_exec_each(queue, PGMQ_STMT_DEAD_IDLE, args, row_dead, &disposal);
	if (disposal.n == 0)
		return false;
	*from = disposal.dead[disposal.n - 1].msg_id;
	disposal.movable = true;
	disposal.lo = 1;
	disposal.hi = 0;
	error = pgmq_move_try(disposal_remove_all, &disposal, false, NULL, 0);
	if (error != NULL)
	{
		int			n = disposal.n;

		remove_some(&disposal, &refusal, error);
		if (refusal.n > 0)
			refusal_warn(&disposal, &refusal);
		else if (refusal.gave_up)
			warn_stay(&disposal, refusal.error, _("They stay in the queue, and are tried again later."));
		if (refusal.gave_up)
			disposal_fail(&disposal, NULL, should_put_off(&disposal, refusal.error));
		*rows += disposal.disposed;
		return n == limit;
	}
	*rows += disposal.n;
	return disposal.n == limit;
}

/* Relcache callback: one of the tables was changed, so try again. */
void
pgmq_disposal_inval(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	Unmovable  *entry;

	if (unmovable_hash == NULL || hash_get_num_entries(unmovable_hash) == 0)
		return;
	hash_seq_init(&scan, unmovable_hash);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (!OidIsValid(relid) || entry->relid == relid || entry->dead_relid == relid)
			entry->until = DT_NOBEGIN;
}
