/*-------------------------------------------------------------------------
 *
 * dead.c
 *	  Messages that are not to be read any more: telling which, and disposing
 *	  of them.
 *
 * A message is *spent* when its queue's policy says that nobody is to have it
 * again: it was read as often as it may be, or it has expired.  A read that
 * meets a spent message does not return it but disposes of it: moves it to
 * the dead-letter queue, or drops it.  Where one is there are more, mostly;
 * so a read that met one sweeps a bounded number of others along with it.
 * (A hundred thousand of them are gone after a hundred reads, and none of
 * these was long.)
 *
 * Telling is done twice, by the same rule: here, of rows that a read has
 * leased, which costs reads of a queue where nothing is spent next to nothing;
 * and in SQL (SPENT in statements.c), to find spent messages and to pass them over.
 *
 * Disposing can fail, for reasons that are no concern of a reader: rights on
 * the dead-letter queue, its constraints, its triggers, its locks, its
 * absence.  So what can be moved is moved (pgmq_move_parts).  Messages that are
 * refused stay in their queue, with a warning, and are put off for a while, so
 * that no read meets them meanwhile.
 *
 * Where that leads nowhere, since the queue is not there, or is locked, or not
 * for the reader, or nearly everything is refused, the messages stay as they
 * were, there is one warning, and reads of this backend pass spent messages
 * over; after a while, or after DDL on one of the tables, they try again.
 * Many messages that nobody can move are put off as well, or each read would
 * walk past all of them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/dead.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "policy/policy.h"

/*
 * A sweep goes over so many messages that are due, and a read sweeps until it
 * has disposed of so many; it may be a sweep's worth more.
 */
#define SWEEP_WINDOW	1000
#define SWEEP_MAX		1500

/* How long (microseconds) it is not tried again where nothing can be moved. */
#define STUCK_FOR		(10 * USECS_PER_SEC)

/*
 * If a read found so many then, the next ones put off those among so many
 * messages that are due, or twice as many.
 */
#define PUT_OFF_MIN		100
#define STUCK_WINDOW	10000

/* How long (microseconds) a message that was refused is put off. */
#define REFUSED_FOR		(60 * USECS_PER_SEC)

/* When there are more such queues all are forgotten, and tried again. */
#define STUCK_MAX		1000

/* Queues whose spent messages could not be disposed of. */
typedef struct Stuck
{
	Oid			relid;			/* hash key: the queue table */
	char		dead_letter[NAMEDATALEN];
	Oid			dead_relid;		/* the table of that name, if any */
	TimestampTz until;			/* try again then */
	bool		puts_off;		/* reads put off what they meet */
} Stuck;

static HTAB *stuck_hash = NULL;

/* ----------------------------------------------------------------
 *		Telling what is spent
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

		if (JB_ROOT_IS_OBJECT(doc) &&
			getKeyJsonValueFromContainer(&doc->root, PGMQ_HEADER_TTL,
										 strlen(PGMQ_HEADER_TTL), &value) != NULL &&
			value.type == jbvNumeric)
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
screen_add(PgmqScreen *screen, int64 msg_id, int32 read_ct, bool over)
{
	PgmqDead   *dead;

	if (screen->n == screen->max)
	{
		MemoryContext old = MemoryContextSwitchTo(screen->context);

		screen->max = Max(64, screen->max * 2);
		screen->dead = screen->dead == NULL ? palloc(screen->max * sizeof(PgmqDead)) :
			repalloc_huge(screen->dead, screen->max * sizeof(PgmqDead));
		MemoryContextSwitchTo(old);
	}
	dead = &screen->dead[screen->n++];
	screen->sorted = false;
	dead->msg_id = msg_id;
	dead->read_ct = read_ct;
	dead->reason = over ? screen->over : screen->expired;
}

/*
 * Row test for a read's rows, already leased: whether the reader may have the
 * row.  A row that it may not have is remembered.  Dead letters are decided here.
 */
static bool
row_passes(TupleTableSlot *slot, void *state)
{
	PgmqScreen *screen = state;
	const PgmqPolicy *policy = &screen->policy;
	int64		msg_id;
	int32		read_ct;
	double		ttl;
	bool		over;

	slot_getallattrs(slot);
	msg_id = DatumGetInt64(slot->tts_values[0]);
	read_ct = DatumGetInt32(slot->tts_values[1]);
	screen->last = Max(screen->last, msg_id);

	over = policy->max_reads > 0 && read_ct > policy->max_reads;
	if (!over)
	{
		ttl = message_ttl(policy, slot->tts_values[6], slot->tts_isnull[6]);
		if (ttl == 0 || slot->tts_isnull[2] || DatumGetTimestampTz(slot->tts_values[2]) >
			screen->now - (int64) rint(ttl * USECS_PER_SEC))
			return true;
	}
	/* the read that met it does not count, since nobody gets it */
	screen_add(screen, msg_id, read_ct - 1, over);
	return false;
}

/* Row function: a spent message, (msg_id, read_ct, over). */
static void
row_spent(TupleTableSlot *slot, void *state)
{
	slot_getallattrs(slot);
	screen_add(state, DatumGetInt64(slot->tts_values[0]),
			   DatumGetInt32(slot->tts_values[1]), DatumGetBool(slot->tts_values[2]));
}

/* ----------------------------------------------------------------
 *		Screening a read
 * ----------------------------------------------------------------
 */

static int
dead_cmp(const void *a, const void *b)
{
	int64		ia = ((const PgmqDead *) a)->msg_id;
	int64		ib = ((const PgmqDead *) b)->msg_id;

	return (ia > ib) - (ia < ib);
}

/* Whether a message is among those remembered. */
bool
pgmq_screen_has(PgmqScreen *screen, int64 msg_id)
{
	PgmqDead	key = {.msg_id = msg_id};

	if (!screen->sorted)
		qsort(screen->dead, screen->n, sizeof(PgmqDead), dead_cmp);
	screen->sorted = true;
	return bsearch(&key, screen->dead, screen->n, sizeof(PgmqDead), dead_cmp) != NULL;
}

/* The last arguments of a statement that knows what is spent. */
void
pgmq_screen_args(const PgmqScreen *screen, PgmqArg args[PGMQ_SPENT_ARGS])
{
	const PgmqPolicy *policy = &screen->policy;

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

/* Warn of messages that are not to be read, and are not removed either. */
static void
warn_stay(const PgmqScreen *screen, const ErrorData *error, const char *detail)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("messages of queue \"%s\" stay there unread that are to be removed: %s",
					PGMQ_QUEUE_BASE(screen->queue), error->message),
			 errdetail_internal("%s", detail)));
}

/*
 * Have this backend not try to remove messages of a queue for a while.  Its
 * reads put off those that they meet, or pass all of them over.  error is
 * what to warn of; NULL when that has been done.
 */
static void
screen_stuck(PgmqScreen *screen, const ErrorData *error, bool put_off)
{
	Stuck	   *stuck;
	bool		found;

	screen->passing = true;
	if (stuck_hash != NULL && hash_get_num_entries(stuck_hash) >= STUCK_MAX)
	{
		hash_destroy(stuck_hash);
		stuck_hash = NULL;
	}
	if (stuck_hash == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(Stuck)};

		ctl.hcxt = CacheMemoryContext;
		stuck_hash = hash_create("pgmq_c stuck queues", 16, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	stuck = hash_search(stuck_hash, &screen->queue->relid, HASH_ENTER, &found);
	if (found && strcmp(stuck->dead_letter, screen->policy.dead_letter) != 0)
		found = false;
	strlcpy(stuck->dead_letter, screen->policy.dead_letter, NAMEDATALEN);
	stuck->dead_relid = dead_letter_relid(&screen->policy);
	stuck->until = GetCurrentTimestamp() + STUCK_FOR;
	stuck->puts_off = put_off;
	if (!found && error != NULL)
		warn_stay(screen, error, _("Some were read too often, or have expired."));
}

/* Put those to be moved before those to be dropped; how many they are. */
static int
dead_part(PgmqDead *dead, int n)
{
	int			nmove = 0;

	for (int i = 0; i < n; i++)
	{
		if (dead[i].reason != NULL)
		{
			PgmqDead	swap = dead[i];

			dead[i] = dead[nmove];
			dead[nmove++] = swap;
		}
	}
	return nmove;
}

/* Whether the rights to remove messages are there. */
static bool
may_delete(const PgmqQueue *queue)
{
	return pg_class_aclcheck(queue->relid, GetUserId(), ACL_DELETE) == ACLCHECK_OK;
}

/*
 * Move or drop messages remembered.  Before an error it is noted whether they
 * could be moved at all, so that it may be about single ones.
 */
static void
screen_remove(void *state, PgmqDead *dead, int n)
{
	PgmqScreen *screen = state;
	int			nmove = dead_part(dead, n);
	PgmqQueue	to;

	screen->sorted = false;
	if (nmove > 0)
	{
		screen->movable = false;
		pgmq_dead_open(screen->queue, &screen->policy, false, &to);
		screen->movable = true; /* the right to send there was asked for */
		pgmq_dead_put(screen->queue, &to, dead, nmove);
	}
	if (nmove < n)
	{
		PgmqArg		args[] = {pgmq_dead_ids(dead + nmove, n - nmove)};

		pgmq_dead_removed(screen->queue,
						  pgmq_exec(screen->queue, PGMQ_STMT_DELETE_BATCH, args), n - nmove);
	}
}

/* Remember the spent ones of the first window due messages of a range. */
static void
screen_find(PgmqScreen *screen, int64 lo, int64 hi, int64 window)
{
	PgmqArg		args[4 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(screen->now)),
		PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(hi)),
		PGMQ_ARG(Int64GetDatum(window)),
	};

	pgmq_screen_args(screen, args + 4);
	pgmq_exec_each(screen->queue, PGMQ_STMT_SPENT, args, row_spent, screen);
}

/*
 * Begin to screen a read's messages.  False when the queue's policy knows
 * nothing that could be spent; then there is nothing to do.
 */
bool
pgmq_screen_begin(PgmqScreen *screen, const PgmqQueue *queue)
{
	const PgmqPolicy *policy = pgmq_policy(queue);
	Stuck	   *stuck;

	if (policy == NULL ||
		(policy->max_reads == 0 && policy->ttl == 0 && !policy->ttl_header))
		return false;
	memset(screen, 0, sizeof(*screen));
	screen->queue = queue;
	screen->policy = *policy;
	screen->context = CurrentMemoryContext;
	screen->over = cstring_to_text("max_reads");
	screen->expired = policy->expired == PGMQ_EXPIRED_DEAD_LETTER ?
		cstring_to_text("expired") : NULL;
	if (stuck_hash != NULL &&
		(stuck = hash_search(stuck_hash, &queue->relid, HASH_FIND, NULL)) != NULL &&
		GetCurrentTimestamp() < stuck->until &&
		strcmp(stuck->dead_letter, policy->dead_letter) == 0 &&
		stuck->dead_relid == dead_letter_relid(policy))
	{
		screen->stuck = stuck->puts_off;
		screen->passing = !stuck->puts_off;
	}
	return true;
}

/*
 * The statement to come reads messages with this clock: have its rows
 * screened, unless it is one that passes spent messages over.
 */
void
pgmq_screen_rows(PgmqScreen *screen, TimestampTz now, PgmqRows *rows)
{
	screen->now = now;
	screen->n = 0;
	screen->last = PG_INT64_MIN;
	pgmq_rows_test(rows, screen->passing ? NULL : row_passes, screen);
}

/*
 * Find others among the first ones due between two ids, if there are ids
 * between them, and move or drop all messages remembered.
 */
static void
screen_remove_all(void *state, PgmqDead *dead, int n)
{
	PgmqScreen *screen = state;

	if (screen->lo <= screen->hi)
		screen_find(screen, screen->lo, screen->hi, SWEEP_WINDOW);
	screen_remove(screen, screen->dead, screen->n);
}

/*
 * Remove those of the messages remembered that can be, after an attempt to
 * remove all has raised an error, or when it is known that it would.
 */
static void
remove_some(PgmqScreen *screen, PgmqRefusal *refusal, ErrorData *error)
{
	int			nmove = dead_part(screen->dead, screen->n);

	screen->sorted = false;
	if (error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		screen->movable = false;
	*refusal = (PgmqRefusal)
	{
		.error = error
	};
	if (may_delete(screen->queue))
	{
		pgmq_move_parts(screen_remove, screen, false,
						screen->dead + nmove, screen->n - nmove, refusal);
		if (screen->movable)
			pgmq_move_parts(screen_remove, screen, false, screen->dead, nmove, refusal);
		else if (nmove > 0)
			refusal->gave_up = true;
	}
	else
		refusal->gave_up = true;
	screen->disposed += refusal->done;
}

/* Warn of messages that were refused. */
static void
refusal_warn(const PgmqScreen *screen, const PgmqRefusal *refusal)
{
	const char *detail = refusal->n == 1 ?
	_("Message " INT64_FORMAT " was read too often, or has expired.") :
	_("Message " INT64_FORMAT " and others, %d in all, were read too often, or have expired.");

	warn_stay(screen, refusal->error, psprintf(detail, refusal->ids[0], refusal->n));
}

/*
 * Whether messages that could not be removed are to be put off: if there are
 * so many that each read would spend its time on passing them over.  Where
 * only the reader's rights are missing somebody else may be able to remove
 * them.
 */
static bool
puts_off(const PgmqScreen *screen, const ErrorData *error)
{
	return screen->n >= PUT_OFF_MIN && !screen->movable &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE && may_delete(screen->queue);
}

/*
 * Dispose of the messages remembered, and of others among the first ones due
 * in a range of ids, in which none of them lies.  When something stays, or
 * when it was enough, the rest of this read is to pass spent messages over.
 */
static void
screen_dispose(PgmqScreen *screen, int64 lo, int64 hi)
{
	int			nmet = screen->n;
	PgmqArg		args[2] = {pgmq_dead_ids(screen->dead, nmet), PGMQ_ARG(TimestampTzGetDatum(screen->now))};
	PgmqDead   *met = palloc_extended(nmet * sizeof(PgmqDead), MCXT_ALLOC_HUGE);
	ErrorData  *error = NULL;
	PgmqRefusal refusal = {0};
	bool		put_off = screen->stuck;

	if (nmet > 0)
		memcpy(met, screen->dead, nmet * sizeof(PgmqDead));
	if (!screen->stuck)
	{
		screen->movable = true;
		screen->lo = lo;
		screen->hi = hi;
		error = pgmq_move_try(screen_remove_all, screen, false, NULL, 0);
	}
	if (!screen->stuck && error == NULL)
		screen->disposed += screen->n;
	else
	{
		/* what was found is locked no longer, and may be somebody's by now */
		if (nmet > 0)
			memcpy(screen->dead, met, nmet * sizeof(PgmqDead));
		screen->n = nmet;
		if (lo <= hi)
			screen_find(screen, lo, hi, screen->stuck ? STUCK_WINDOW : SWEEP_WINDOW);
		screen->movable = screen->movable && !screen->stuck;
		remove_some(screen, &refusal, error);

		/* nobody got those that were met: their lease did not happen */
		if (nmet > 0)
			pgmq_exec(screen->queue, PGMQ_STMT_UNREAD, args);
		if (error != NULL)
		{
			screen->passing = true;
			if (refusal.gave_up)
				put_off = puts_off(screen, refusal.error);
		}
		if (put_off || refusal.n > 0)
		{
			args[0] = put_off ? pgmq_dead_ids(screen->dead, screen->n) :
				pgmq_int8_array(refusal.ids, refusal.n);
			args[1] = PGMQ_ARG(TimestampTzGetDatum(screen->now + REFUSED_FOR));
			pgmq_exec(screen->queue, PGMQ_STMT_SET_VT_BATCH, args);
			screen->disposed += screen->stuck ? screen->n : 0;
		}
	}
	if (error != NULL && refusal.gave_up)
		screen_stuck(screen, refusal.error, put_off);
	else if (stuck_hash != NULL && !screen->stuck)
		hash_search(stuck_hash, &screen->queue->relid, HASH_REMOVE, NULL);
	if (error != NULL && !refusal.gave_up && refusal.n > 0)
		refusal_warn(screen, &refusal);
	if (screen->disposed >= (screen->stuck ? STUCK_WINDOW : SWEEP_MAX))
		screen->passing = true;
	screen->n = 0;
}

/*
 * Dispose of the spent messages among the rows tested, and of others after
 * them, up to an id.
 */
void
pgmq_screen_dispose(PgmqScreen *screen, int64 hi)
{
	if (screen->last < hi)
		screen_dispose(screen, screen->last + 1, hi);
	else
		screen_dispose(screen, 1, 0);
}

/*
 * Dispose of what is spent among the first qty due messages of a range, and
 * then of more.  For what takes messages for good, and cannot look after.
 */
void
pgmq_screen_ahead(PgmqScreen *screen, TimestampTz now, int64 lo, int64 hi, int64 qty)
{
	screen->now = now;
	screen->n = 0;
	if (screen->passing)
		return;
	screen_find(screen, lo, hi, Min(qty, SWEEP_WINDOW));
	if (screen->n > 0)
	{
		screen->n = 0;
		screen_dispose(screen, lo, hi);
	}
}

/*
 * Dispose of up to limit messages that are spent and leased to nobody, ids
 * from *from on; whether there may be more, from the new *from on.  For
 * maintenance, which tries once each time that it begins with a queue; when
 * no message can be moved the rest of it is about those to be dropped.
 */
bool
pgmq_screen_sweep(const PgmqQueue *queue, int64 *from, int64 limit)
{
	PgmqScreen	screen;
	PgmqArg		args[4 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
		PGMQ_ARG(Int64GetDatum(limit)),
		PGMQ_ARG(Int64GetDatum(*from))
	};
	ErrorData  *error;
	PgmqRefusal refusal;
	bool		drops;

	if (!pgmq_screen_begin(&screen, queue))
		return false;
	drops = *from != PG_INT64_MIN && (screen.stuck || screen.passing);
	if (drops && screen.expired != NULL)
		return false;
	pgmq_screen_args(&screen, args + 3);
	args[3 + PGMQ_SPENT_ARGS] = PGMQ_ARG(BoolGetDatum(drops));
	pgmq_exec_each(queue, PGMQ_STMT_SPENT_IDLE, args, row_spent, &screen);
	if (screen.n == 0)
		return false;
	*from = screen.dead[screen.n - 1].msg_id;
	screen.movable = true;
	screen.lo = 1;
	screen.hi = 0;
	error = pgmq_move_try(screen_remove_all, &screen, false, NULL, 0);
	if (error != NULL)
	{
		int			n = screen.n;

		remove_some(&screen, &refusal, error);
		if (refusal.n > 0)
			refusal_warn(&screen, &refusal);
		else if (refusal.gave_up)
			warn_stay(&screen, refusal.error, _("Some were read too often, or have expired."));
		if (refusal.gave_up)
			screen_stuck(&screen, NULL, puts_off(&screen, refusal.error));
		return n == limit;
	}
	return screen.n == limit;
}

/* Relcache callback: one of the tables was changed, so try again. */
void
pgmq_dead_inval(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	Stuck	   *stuck;

	if (stuck_hash == NULL || hash_get_num_entries(stuck_hash) == 0)
		return;
	hash_seq_init(&scan, stuck_hash);
	while ((stuck = hash_seq_search(&scan)) != NULL)
		if (!OidIsValid(relid) || stuck->relid == relid || stuck->dead_relid == relid)
			stuck->until = DT_NOBEGIN;
}
