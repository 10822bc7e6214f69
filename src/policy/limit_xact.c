/*-------------------------------------------------------------------------
 *
 * limit_xact.c
 *	  What this transaction did to queues with limits.
 *
 * A transaction remembers what it has added to each queue, at each level of
 * nested transactions, and has the most that this may come to counted as pending.
 * When it ends, what it has added in fact counts.
 *
 * The count of a table (limit_rows.c) does not see transactions that are in
 * progress.  Each of these has an entry in shared memory before it counts the
 * first of its rows: it counts the table itself if there is none, or waits for the
 * session that does.  So whatever the count has not seen is counted here, and
 * nothing else: what a transaction did before there were our triggers has ended
 * when they are made, since that takes a lock.
 *
 * The session that commits a prepared transaction knows nothing of this, so
 * such a transaction cannot be prepared.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/limit_xact.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "wait/wait.h"
#include "policy/policy.h"
#include "policy/limits.h"

/* The messages that a level of nested transactions has added to a queue. */
typedef struct LimitLevel
{
	struct LimitLevel *upper;
	int			level;
	bool		emptied;		/* it has removed all that was there before */
	PgmqContents change;		/* since then */
} LimitLevel;

/* A queue with limits; in TopTransactionContext. */
typedef struct LimitXact
{
	Oid			relid;
	struct LimitXact *next;
	LimitLevel *inner;
	PgmqContents pending;		/* the part of it that shared memory has */
	int64		first;			/* the least id that this statement has sent */
	int			begun;			/* the outermost level that made an entry, or
								 * 0; no one else has written since */
	int			counted;		/* the one that made the entry there is, or 0 */
	int			gone;			/* the level that ended its limits, or 0 */
} LimitXact;

/* Something that is taken back when a part of the transaction is rolled back. */
typedef struct PgmqLimitNote
{
	struct PgmqLimitNote *older;
	SubTransactionId subid;
	Oid			relid;

	/* a lease that was changed */
	bool		is_lease;
	int			frees;			/* 1: a place that others see as taken until
								 * it is committed; -1: takes it again */
	TimestampTz until;			/* when that place is free in any case */
	int64		msg_id;
	bool		has_value;
	int64		value;
	TimestampTz was;

	/* taken by a read */
	int64		places;			/* that no lease has used up */
	int64		tokens;
	double		rate;

	/* while it goes on */
	struct PgmqLimitNote *outer;	/* a trigger may read inside of a read */
	struct PgmqLimitNote *of_values;	/* what it has taken of values */
	struct PgmqLimitNote *next_value;
} PgmqLimitNote;

static LimitXact *xacts = NULL;
static PgmqLimitNote *notes = NULL; /* the newest one */
static bool has_leases = false; /* there is one of a lease */
static PgmqLimitNote *reading = NULL;	/* of the innermost read */
static Oid	dropped = InvalidOid;	/* a database */
bool		pgmq_limits_gives_back = false;
static object_access_hook_type prev_object_access = NULL;

/* ----------------------------------------------------------------
 *		Remembering
 * ----------------------------------------------------------------
 */

static LimitXact *
xact_find(Oid relid)
{
	LimitXact  *xact = xacts;

	while (xact != NULL && xact->relid != relid)
		xact = xact->next;
	return xact;
}

static LimitXact *
xact_get(Oid relid)
{
	LimitXact  *xact = xact_find(relid);

	if (xact == NULL)
	{
		xact = MemoryContextAllocZero(TopTransactionContext, sizeof(LimitXact));
		xact->relid = relid;
		xact->first = PG_INT64_MAX;
		xact->next = xacts;
		xacts = xact;
	}
	return xact;
}

static LimitLevel *
level_get(LimitXact *xact)
{
	int			level = GetCurrentTransactionNestLevel();

	if (xact->inner == NULL || xact->inner->level < level)
	{
		LimitLevel *inner = MemoryContextAllocZero(TopTransactionContext, sizeof(LimitLevel));

		inner->upper = xact->inner;
		inner->level = level;
		xact->inner = inner;
	}
	return xact->inner;
}

/* The messages that a transaction has added to a queue; *emptied: since it removed all. */
static PgmqContents
xact_change(const LimitXact *xact, bool *emptied)
{
	PgmqContents change = {0};

	*emptied = false;
	for (const LimitLevel *level = xact->inner; level != NULL && !*emptied; level = level->upper)
	{
		change.length += level->change.length;
		change.bytes += level->change.bytes;
		*emptied = level->emptied;
	}
	return change;
}

/*
 * Have counted as pending what a transaction may add.  What is in the queue when it
 * commits, with all that others may add: what it removes itself is gone by then.
 */
static PgmqContents
xact_pend(LimitXact *xact)
{
	bool		emptied;
	PgmqContents change = xact_change(xact, &emptied);
	PgmqContents pending = {Max(change.length, 0), Max(change.bytes, 0)};
	PgmqContents more = {
		pending.length - xact->pending.length, pending.bytes - xact->pending.bytes
	};
	PgmqContents sum = pgmq_limits_pend(xact->relid, more);

	xact->pending = pending;
	if (emptied)
		return change;
	sum.length += change.length - pending.length;
	sum.bytes += change.bytes - pending.bytes;
	return sum;
}

/*
 * This transaction has added so much to a queue, which has an entry.  What is in
 * it when it commits, with all that others may add.
 */
PgmqContents
pgmq_limits_note(Oid relid, PgmqContents more)
{
	LimitXact  *xact = xact_get(relid);
	LimitLevel *level = level_get(xact);

	level->change.length += more.length;
	level->change.bytes += more.bytes;
	return xact_pend(xact);
}

/* A statement has sent an id; PG_INT64_MAX: it has ended. */
void
pgmq_limits_sent(Oid relid, int64 id)
{
	LimitXact  *xact = xact_get(relid);

	xact->first = id == PG_INT64_MAX ? id : Min(xact->first, id);
}

/* The least id that the running statement has sent to a queue. */
int64
pgmq_limits_first(Oid relid)
{
	return xact_get(relid)->first;
}

/* Whether a transaction has written to a queue before its innermost level began. */
static bool
xact_wrote_before(const LimitXact *xact)
{
	for (const LimitLevel *level = xact->inner; level != NULL; level = level->upper)
		if (level->level < GetCurrentTransactionNestLevel())
			return true;
	for (const PgmqLimitNote *note = notes; note != NULL; note = note->older)
		if (note->is_lease && note->relid == xact->relid && note->subid < GetCurrentSubTransactionId())
			return true;
	return false;
}

/* Whether this transaction keeps all others from a queue since it made an entry for it. */
bool
pgmq_limits_is_own(Oid relid)
{
	const LimitXact *xact = xact_find(relid);

	return xact != NULL && xact->begun > 0;
}

/*
 * This transaction is about to make an entry for a queue, which no other one
 * writes to, and counts its own messages, too.  If that is rolled back, others may
 * make an entry, which does not have what the rest of this transaction has written.
 * Error: 55006 if there is such a rest.
 */
void
pgmq_limits_counted(const PgmqQueue *queue)
{
	LimitXact  *xact = xact_get(queue->relid);

	if (xact->begun == 0 && xact_wrote_before(xact))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot change the limits of queue \"%s\" in a subtransaction",
						PGMQ_QUEUE_BASE(queue)),
				 errdetail("The transaction wrote to the queue before the subtransaction began."),
				 errhint("Change them in a transaction of their own.")));
	xact->inner = NULL;
	xact->pending = (PgmqContents)
	{
		0
	};
	xact->counted = GetCurrentTransactionNestLevel();
	if (xact->begun == 0)
		xact->begun = xact->counted;
	xact->gone = 0;
}

static PgmqLimitNote *
note_add(Oid relid)
{
	PgmqLimitNote *note = MemoryContextAllocZero(TopTransactionContext, sizeof(PgmqLimitNote));

	note->subid = GetCurrentSubTransactionId();
	note->relid = relid;
	return note;
}

/* Notes count from when they are on the list, which nothing may fail after. */
static void
note_link(PgmqLimitNote *note)
{
	note->older = notes;
	notes = note;
}

/*
 * By this transaction a message is in flight until a time, or not any more.
 * value is NULL or a hash of its header.  False when it cannot be counted.
 */
bool
pgmq_limits_note_lease(Oid relid, int64 msg_id, const int64 *value, TimestampTz until)
{
	PgmqLimitNote *note = note_add(relid);
	bool		reads = until != PGMQ_NO_LEASE && reading != NULL && reading->relid == relid;
	bool		reserved = reads && reading->places > 0;
	PgmqLimitNote *of_value = reads && value != NULL ? reading->of_values : NULL;

	while (of_value != NULL && (of_value->value != *value || of_value->places == 0))
		of_value = of_value->next_value;

	note->is_lease = true;
	note->msg_id = msg_id;
	note->has_value = value != NULL;
	note->value = value == NULL ? 0 : *value;
	if (!pgmq_limits_lease(relid, msg_id, value, until, reserved, of_value != NULL, &note->was, &note->until))
		return false;
	note->frees = (until == PGMQ_NO_LEASE) - (note->was == PGMQ_NO_LEASE);
	if (reserved)
		reading->places--;
	if (of_value != NULL)
		of_value->places--;
	note_link(note);
	has_leases = true;
	return true;
}

/* This transaction has truncated the table of a queue. */
void
pgmq_limits_emptied(Oid relid)
{
	LimitXact  *xact = xact_get(relid);
	LimitLevel *level = level_get(xact);

	level->emptied = true;
	level->change = (PgmqContents)
	{
		0
	};
	(void) xact_pend(xact);

	/* no trigger has seen that the messages which it has read are gone */
	for (const PgmqLimitNote *note = notes; note != NULL; note = note->older)
		if (note->is_lease && note->relid == relid)
			(void) pgmq_limits_note_lease(relid, note->msg_id, note->has_value ? &note->value : NULL,
										  PGMQ_NO_LEASE);
}

/*
 * How many messages of a queue, with a value of the header if it is not NULL, are
 * in flight at now and until this transaction commits: it may read as many in their
 * place.
 */
static int64
notes_freed(Oid relid, const int64 *value, TimestampTz now)
{
	int64		n = 0;

	if (!has_leases)
		return 0;
	for (const PgmqLimitNote *note = notes; note != NULL; note = note->older)
		if (note->frees != 0 && note->until > now && note->relid == relid &&
			(value == NULL || (note->has_value && note->value == *value)))
			n += note->frees;
	return n;
}

/*
 * Begin a read of up to qty messages: how many it may return by the queue's
 * policy, which may be NULL.  leases: they will be in flight.
 * Errors: those of pgmq_limits_ensure.
 */
int64
pgmq_limits_read_begin(PgmqLimitedRead *read, const PgmqQueue *queue, const PgmqPolicy *policy,
					   TimestampTz now, int64 qty, bool leases)
{
	PgmqPolicy	limits;
	PgmqLimitNote *note;
	int64		n;

	read->note = NULL;
	read->relid = queue->relid;
	read->until = read->next = PGMQ_DUE_LAST;
	if (!pgmq_limits_reads(policy) || qty == 0)
		return qty;
	limits = *policy;
	if (!leases)
		limits.max_in_flight = 0;
	pgmq_limits_ensure(queue, policy);
	note = note_add(queue->relid);
	note->rate = limits.rate;
	n = pgmq_limits_take(queue->relid, &limits, notes_freed(queue->relid, NULL, now), qty,
						 now, &read->until, &read->next);
	pgmq_policy_limit(queue->relid, n == 0 ? read->until : DT_NOBEGIN);
	if (n == 0)
		return 0;
	note->places = limits.max_in_flight > 0 ? n : 0;
	note->tokens = n;
	note_link(note);
	note->outer = reading;
	reading = read->note = note;
	return n;
}

/* Of what a note has taken so much was used: give back the rest. */
static void
note_use(PgmqLimitNote *note, int64 count)
{
	if ((note->places > 0 || note->tokens > count) &&
		pgmq_limits_give(note->relid, note->has_value ? &note->value : NULL, note->places,
						 Max(note->tokens - count, 0), note->rate))
		pgmq_waiter_wake(note->relid, PGMQ_WAKE_ONE, PGMQ_DUE_NOW);
	note->places = 0;
	note->tokens = Min(note->tokens, count);
}

/* A read has returned so many messages. */
void
pgmq_limits_read_end(PgmqLimitedRead *read, int64 count)
{
	int64		taken = read->note == NULL ? 0 : read->note->tokens;

	if (read->note == NULL)
		return;
	reading = read->note->outer;
	for (PgmqLimitNote *note = read->note->of_values; note != NULL; note = note->next_value)
		note_use(note, note->tokens);
	note_use(read->note, count);
	if (count == 0 && read->until < PGMQ_DUE_LAST)
		pgmq_policy_limit(read->relid, read->until);
	else if (count == taken && read->next < PGMQ_DUE_LAST)
		pgmq_policy_limit(read->relid, read->next);
}

/*
 * Within a read, begin to read up to qty messages with a value: how many it may
 * return.  quiet: none if the value has much of what is in flight.
 * Error: 53400 when there is no room to count the value.
 */
int64
pgmq_limits_value_begin(PgmqLimitedRead *read, const PgmqPolicy *policy, TimestampTz now,
						int64 value, int64 qty, bool quiet)
{
	PgmqLimitNote *note = note_add(read->relid);
	int64		n = pgmq_limits_take_value(read->relid, policy, value, quiet,
										   notes_freed(read->relid, &value, now), qty,
										   now, &read->until);

	if (n < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many values of header \"%s\" are limited", policy->limit_by),
				 errhint("Raise the setting pgmq_c.limit_entries, and restart the server.")));
	if (n == 0)
	{
		/* a read may try many values */
		pfree(note);
		return 0;
	}
	note->has_value = true;
	note->value = value;
	note->rate = policy->rate_each;
	note->places = policy->max_in_flight_each > 0 ? n : 0;
	note->tokens = n;
	note_link(note);
	note->next_value = read->note->of_values;
	read->note->of_values = note;
	return n;
}

/* Of what was begun for a value last, so many messages were read. */
void
pgmq_limits_value_end(PgmqLimitedRead *read, int64 value, int64 count)
{
	PgmqLimitNote **link = &read->note->of_values;

	while (*link != NULL && (*link)->value != value)
		link = &(*link)->next_value;
	if (*link == NULL)
		return;
	note_use(*link, count);
	*link = (*link)->next_value;
}

/* Whether a read may return a message now. */
bool
pgmq_limits_allow(const PgmqQueue *queue, const PgmqPolicy *policy)
{
	PgmqLimitedRead read;
	int64		n = pgmq_limits_read_begin(&read, queue, policy, GetCurrentTimestamp(), 1, true);

	pgmq_limits_read_end(&read, 0);
	return n > 0;
}

/* This transaction ends the limits of a queue, or drops it. */
void
pgmq_limits_end(Oid relid)
{
	xact_get(relid)->gone = GetCurrentTransactionNestLevel();
}

/* Object access hook: a queue with limits may be dropped, or a database that has some. */
static void
limits_object_access(ObjectAccessType access, Oid classid, Oid objid, int subid, void *arg)
{
	if (prev_object_access != NULL)
		prev_object_access(access, classid, objid, subid, arg);
	if (classid == RelationRelationId && subid == 0 && access == OAT_DROP && pgmq_limits_known(objid))
		pgmq_limits_end(objid);
	if (classid == DatabaseRelationId && access == OAT_DROP)
		dropped = objid;
}

/* At load. */
void
pgmq_limits_hook(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = limits_object_access;
	pgmq_plan_value = pgmq_limits_value_sql;
}

/* ----------------------------------------------------------------
 *		The end of a transaction
 * ----------------------------------------------------------------
 */

/* Error: 0A000 for a transaction that is to be prepared, and wrote to a queue with limits. */
static void
check_prepare(void)
{
	if (xacts != NULL || has_leases)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has written to a queue with limits"),
				 errhint("Use COMMIT, or a queue whose policy has none of the keys max_length, max_bytes and max_in_flight.")));
}

/* Forget the newest note: what it says is so, or is taken back. */
static void
note_end(bool commit, bool is_top)
{
	const PgmqLimitNote *note = notes;
	bool		wakes = false;

	notes = note->older;
	if (note->is_lease && is_top)
		wakes = pgmq_limits_lease_end(note->relid, note->msg_id, commit);
	else if (note->is_lease)
		wakes = pgmq_limits_lease_back(note->relid, note->msg_id,
									   note->has_value ? &note->value : NULL, note->was);
	else if (!commit)
		wakes = pgmq_limits_give(note->relid, note->has_value ? &note->value : NULL, note->places,
								 note->tokens, note->rate);
	if (wakes)
		pgmq_waiter_wake(note->relid, PGMQ_WAKE_ONE, PGMQ_DUE_NOW);
}

/* Transaction callback: must not raise an error, but before PREPARE. */
void
pgmq_limits_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_PREPARE)
		check_prepare();
	/* tokens are used up whatever becomes of a prepared transaction */
	if (event == XACT_EVENT_PREPARE)
		notes = NULL;
	if (event != XACT_EVENT_PRE_COMMIT)
	{
		reading = NULL;
		pgmq_limits_gives_back = false;
	}
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	for (const LimitXact *xact = xacts; xact != NULL; xact = xact->next)
	{
		bool		emptied = false;
		PgmqContents change = {0};

		if (event == XACT_EVENT_COMMIT)
			change = xact_change(xact, &emptied);
		pgmq_limits_settle(xact->relid, xact->pending, emptied, change);
		if (event == XACT_EVENT_COMMIT ? xact->gone > 0 : xact->begun > 0)
			pgmq_limits_forget(xact->relid);
	}
	xacts = NULL;
	if (event == XACT_EVENT_COMMIT && OidIsValid(dropped))
		pgmq_limits_forget_database(dropped);
	dropped = InvalidOid;
	while (notes != NULL)
		note_end(event == XACT_EVENT_COMMIT, true);
	has_leases = false;
}

/* The end of a subtransaction of a level, for a queue. */
static void
xact_subend(LimitXact *xact, bool commit, int level)
{
	LimitLevel *inner = xact->inner;

	/* a statement may have failed */
	if (!commit)
		xact->first = PG_INT64_MAX;
	if (!commit && xact->counted >= level)
	{
		pgmq_limits_forget(xact->relid);
		xact->inner = NULL;
		xact->pending = (PgmqContents)
		{
			0
		};
		xact->counted = 0;
	}
	if (!commit && xact->begun >= level)
		xact->begun = 0;
	xact->begun = Min(xact->begun, level - 1);
	xact->counted = Min(xact->counted, level - 1);
	xact->gone = commit ? Min(xact->gone, level - 1) : xact->gone < level ? xact->gone : 0;
	if (inner == NULL || xact->inner == NULL || inner->level < level)
		return;
	if (!commit)
	{
		xact->inner = inner->upper;
		(void) xact_pend(xact);
	}
	else if (inner->upper == NULL || inner->upper->level < level - 1)
		inner->level = level - 1;
	else
	{
		LimitLevel *upper = inner->upper;

		if (inner->emptied)
			upper->change = (PgmqContents)
		{
			0
		};
		upper->emptied |= inner->emptied;
		upper->change.length += inner->change.length;
		upper->change.bytes += inner->change.bytes;
		xact->inner = upper;
	}
}

/* Subtransaction callback: must not raise an error. */
void
pgmq_limits_subxact(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		/* reads that began in it have ended; what they took is given back */
		while (notes != NULL && notes->subid >= subid)
		{
			if (reading == notes)
				reading = reading->outer;
			note_end(false, false);
		}
		pgmq_limits_gives_back = false;
	}
	for (LimitXact *xact = xacts; xact != NULL; xact = xact->next)
		xact_subend(xact, event == SUBXACT_EVENT_COMMIT_SUB, GetCurrentTransactionNestLevel());
}
