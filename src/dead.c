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
 * and in SQL (SPENT in stmt.c), to find spent messages and to pass them over.
 *
 * Disposing can fail, for reasons that are no concern of who reads: rights on
 * the dead-letter queue, its constraints, its triggers, its absence.  It is
 * done in a subtransaction.  If that fails, the messages stay as they were,
 * there is one warning, and reads of this backend pass spent messages over;
 * after a while, or after DDL on one of the tables, they try again.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/dead.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "dead.h"
#include "pgmq.h"

/*
 * A sweep goes over so many messages that are due, and a read sweeps until it
 * has disposed of so many; it may be a sweep's worth more.
 */
#define SWEEP_WINDOW	1000
#define SWEEP_MAX		1500

/* How long (microseconds) reads pass over what could not be disposed of. */
#define STUCK_FOR		(10 * USECS_PER_SEC)

/* Queues whose spent messages could not be disposed of. */
typedef struct Stuck
{
	Oid			relid;			/* hash key: the queue table */
	char		dead_letter[NAMEDATALEN];
	Oid			dead_relid;		/* the table of that name, if any */
	TimestampTz until;			/* try again then */
}			Stuck;

static HTAB *stuck_hash = NULL;

/* ----------------------------------------------------------------
 *		Moving messages
 * ----------------------------------------------------------------
 */

static ArrayType *
int8_array(const PgmqDead * dead, int n)
{
	Datum	   *ids = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(dead[i].msg_id);
	return construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						   TYPALIGN_DOUBLE);
}

/*
 * So many of n messages went from a queue.  Error: 09000 when that is not all.
 * They may have been the heads of groups, which somebody may be waiting for.
 */
static void
removed_check(const PgmqQueue *queue, uint64 count, int n)
{
	pgmq_xact_wake(queue->relid, PGMQ_WAKE_GROUPED);
	if (count < n)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
				 errmsg("only " UINT64_FORMAT " of %d messages of queue \"%s\" could be moved",
						count, n, PGMQ_QUEUE_BASE(queue)),
				 errhint("See its triggers and row-level security, and those of the queue they go to.")));
}

/*
 * Move messages, which are locked, from one open queue to another, where they
 * are readable from $2 plus $3 seconds for each on.  headers is an expression
 * over gone, the old message, and dead: what is known of it.
 */
void
pgmq_dead_transfer(const PgmqQueue *from, const PgmqQueue *to, const char *headers,
				   const PgmqDead * dead, int n, TimestampTz vt, double spacing)
{
	static const Oid argtypes[] = {
		INT8ARRAYOID, TIMESTAMPTZOID, FLOAT8OID, INT4ARRAYOID, TEXTARRAYOID, TEXTOID
	};
	Datum	   *reads = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	Datum	   *reasons = palloc_extended(n * sizeof(Datum), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc_extended(n * sizeof(bool), MCXT_ALLOC_HUGE);
	int			lbound = 1;
	PgmqArg		args[6];
	char	   *sql;

	for (int i = 0; i < n; i++)
	{
		reads[i] = Int32GetDatum(dead[i].read_ct);
		nulls[i] = dead[i].reason == NULL;
		reasons[i] = PointerGetDatum(dead[i].reason);
	}
	args[0] = PGMQ_ARG(PointerGetDatum(int8_array(dead, n)));
	args[1] = PGMQ_ARG(TimestampTzGetDatum(vt));
	args[2] = PGMQ_ARG(Float8GetDatum(spacing));
	args[3] = PGMQ_ARG(PointerGetDatum(construct_array(reads, n, INT4OID, sizeof(int32),
													   true, TYPALIGN_INT)));
	args[4] = PGMQ_ARG(PointerGetDatum(construct_md_array(reasons, nulls, 1, &n, &lbound,
														  TEXTOID, -1, false,
														  TYPALIGN_INT)));
	args[5] = PGMQ_ARG(CStringGetTextDatum(PGMQ_QUEUE_BASE(from)));

	sql = psprintf("WITH gone AS (DELETE FROM %s WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"
				   " RETURNING msg_id, message, headers)"
				   " INSERT INTO %s (vt, message, headers)"
				   " SELECT $2 OPERATOR(pg_catalog.+) ((dead.place OPERATOR(pg_catalog.-) 1)"
				   "::pg_catalog.float8 OPERATOR(pg_catalog.*) $3"
				   " OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval),"
				   " gone.message, %s FROM gone JOIN ROWS FROM"
				   " (pg_catalog.unnest($1), pg_catalog.unnest($4), pg_catalog.unnest($5))"
				   " WITH ORDINALITY AS dead (msg_id, read_ct, reason, place)"
				   " ON dead.msg_id OPERATOR(pg_catalog.=) gone.msg_id ORDER BY gone.msg_id",
				   pstrdup(quote_qualified_identifier(PGMQ_SCHEMA, from->relname)),
				   pstrdup(quote_qualified_identifier(PGMQ_SCHEMA, to->relname)),
				   headers);
	removed_check(from, pgmq_exec_once(sql, lengthof(argtypes), argtypes, args, false,
									   NULL, NULL), n);
}

/*
 * The headers of a dead letter: its own, and one that says whence and why.
 * Headers to which none can be added, or from which taking it away again would
 * not give back the same, are kept in that one as a whole; but what goes round
 * in a circle does not grow for ever.
 */
#define DEAD_HEADER "'" PGMQ_HEADER_DEAD_LETTER "'::pg_catalog.text"
#define IS_PLAIN_OBJECT \
	"gone.headers IS NULL OR pg_catalog.jsonb_typeof(gone.headers)" \
	" OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND gone.headers OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb" \
	" AND NOT gone.headers OPERATOR(pg_catalog.?) " DEAD_HEADER \
	" OR pg_catalog.jsonb_typeof(gone.headers) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text" \
	" AND gone.headers OPERATOR(pg_catalog.?) " DEAD_HEADER \
	" AND pg_catalog.pg_column_size(gone.headers) OPERATOR(pg_catalog.>) 65536"
#define DEAD_HEADERS \
	"CASE WHEN pg_catalog.jsonb_typeof(gone.headers) OPERATOR(pg_catalog.=)" \
	" 'object'::pg_catalog.text THEN gone.headers ELSE '{}'::pg_catalog.jsonb END" \
	" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(" DEAD_HEADER "," \
	" pg_catalog.jsonb_build_object('queue', $6, 'msg_id', gone.msg_id," \
	" 'read_ct', dead.read_ct, 'reason', dead.reason, 'at', $2)" \
	" OPERATOR(pg_catalog.||) CASE WHEN " IS_PLAIN_OBJECT " THEN '{}'::pg_catalog.jsonb" \
	" ELSE pg_catalog.jsonb_build_object('headers', gone.headers) END)"

/*
 * Open the dead-letter queue that a queue's policy names.
 * Errors: 55000 when it names none, 42P01 when it does not exist.
 */
static void
dead_letter_open(const PgmqQueue *queue, const PgmqPolicy * policy, PgmqQueue *dead)
{
	if (policy == NULL || policy->dead_letter[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has no dead-letter queue", PGMQ_QUEUE_BASE(queue)),
				 errhint("Name one by pgmq.set_policy(), key \"dead_letter_queue\".")));
	pgmq_queue_open(dead, cstring_to_text(policy->dead_letter + 2), RowExclusiveLock,
					PGMQ_NEED_INSERT, "INSERT");
	pgmq_queue_check_shape(dead);
}

/*
 * Move messages, which are locked, to the dead-letter queue of an open queue.
 * Errors: of dead_letter_open; 42501; whatever constraints and triggers raise.
 */
void
pgmq_dead_move(const PgmqQueue *queue, const PgmqPolicy * policy,
			   const PgmqDead * dead, int n)
{
	PgmqQueue	to;

	dead_letter_open(queue, policy, &to);
	if (n > 0)
		pgmq_dead_transfer(queue, &to, DEAD_HEADERS, dead, n, GetCurrentTimestamp(), 0);
}

/* ----------------------------------------------------------------
 *		Telling what is spent
 * ----------------------------------------------------------------
 */

/* Seconds until a message expires, by its headers or by the policy; 0: never. */
static double
message_ttl(const PgmqPolicy * policy, Datum headers, bool isnull)
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
screen_add(PgmqScreen * screen, int64 msg_id, int32 read_ct, bool over)
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
 * Row test for a read's rows, already leased: whether the reader may have it.
 * What he may not have is remembered.
 */
static bool
row_passes(TupleTableSlot *slot, void *state)
{
	PgmqScreen *screen = state;
	const		PgmqPolicy *policy = &screen->policy;
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
		if (ttl == 0 || DatumGetTimestampTz(slot->tts_values[2]) >
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
pgmq_screen_has(PgmqScreen * screen, int64 msg_id)
{
	PgmqDead	key = {.msg_id = msg_id};

	if (!screen->sorted)
		qsort(screen->dead, screen->n, sizeof(PgmqDead), dead_cmp);
	screen->sorted = true;
	return bsearch(&key, screen->dead, screen->n, sizeof(PgmqDead), dead_cmp) != NULL;
}

/* The last arguments of a statement that knows what is spent. */
void
pgmq_screen_args(const PgmqScreen * screen, PgmqArg args[PGMQ_SPENT_ARGS])
{
	const		PgmqPolicy *policy = &screen->policy;

	args[0] = policy->max_reads > 0 ? PGMQ_ARG(Int32GetDatum(policy->max_reads)) : PGMQ_ARG_NULL;
	args[1] = policy->ttl > 0 ? PGMQ_ARG(Int32GetDatum(policy->ttl)) : PGMQ_ARG_NULL;
	args[2] = PGMQ_ARG(BoolGetDatum(policy->ttl_header));
}

/* The table of the dead-letter queue, if there is one. */
static Oid
dead_letter_relid(const PgmqPolicy * policy)
{
	return get_relname_relid(policy->dead_letter, get_namespace_oid(PGMQ_SCHEMA, false));
}

/* Have reads of a queue pass spent messages over for a while. */
static void
screen_stuck(PgmqScreen * screen, ErrorData *error)
{
	Stuck	   *stuck;
	bool		found;

	screen->passing = true;
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
	if (!found)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("messages of queue \"%s\" stay there unread that are to be removed: %s",
						PGMQ_QUEUE_BASE(screen->queue), error->message),
				 errdetail("Some were read too often, or have expired.")));
}

/* Whether what was raised says nothing of the queues. */
static bool
error_is_ours(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:	/* 40: to be tried again */
		case ERRCODE_INSUFFICIENT_RESOURCES:	/* 53 */
		case ERRCODE_OPERATOR_INTERVENTION: /* 57: cancel, shutdown */
		case ERRCODE_SYSTEM_ERROR:	/* 58 */
		case ERRCODE_CONFIG_FILE_ERROR: /* F0 */
		case ERRCODE_INTERNAL_ERROR:	/* XX */
			return true;
		default:
			return false;
	}
}

/* Move or drop all messages remembered. */
static void
screen_remove(PgmqScreen * screen)
{
	PgmqDead   *dead = screen->dead;
	int			nmove = 0;

	/* those to be moved first */
	for (int i = 0; i < screen->n; i++)
	{
		if (dead[i].reason != NULL)
		{
			PgmqDead	swap = dead[i];

			dead[i] = dead[nmove];
			dead[nmove++] = swap;
		}
	}
	if (nmove > 0)
		pgmq_dead_move(screen->queue, &screen->policy, dead, nmove);
	if (nmove < screen->n)
	{
		int			n = screen->n - nmove;
		PgmqArg		args[] = {PGMQ_ARG(PointerGetDatum(int8_array(dead + nmove, n)))};

		removed_check(screen->queue,
					  pgmq_exec(screen->queue, PGMQ_STMT_DELETE_BATCH, args), n);
	}
}

/* Remember the spent ones of the first window due messages of a range. */
static void
screen_find(PgmqScreen * screen, int64 lo, int64 hi, int64 window)
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
pgmq_screen_begin(PgmqScreen * screen, const PgmqQueue *queue)
{
	const		PgmqPolicy *policy = pgmq_policy(queue);
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
		(stuck = hash_search(stuck_hash, &queue->relid, HASH_FIND, NULL)) != NULL)
		screen->passing = GetCurrentTimestamp() < stuck->until &&
			strcmp(stuck->dead_letter, policy->dead_letter) == 0 &&
			stuck->dead_relid == dead_letter_relid(policy);
	return true;
}

/*
 * The statement to come reads messages with this clock: have its rows
 * screened, unless it is one that passes spent messages over.
 */
void
pgmq_screen_rows(PgmqScreen * screen, TimestampTz now, PgmqRows *rows)
{
	screen->now = now;
	screen->n = 0;
	screen->last = PG_INT64_MIN;
	pgmq_rows_test(rows, screen->passing ? NULL : row_passes, screen);
}

/*
 * Dispose of the messages remembered, and of others among the first ones due
 * in a range of ids, in which none of them lies.  When that fails, or when it
 * was enough, the rest of this read is to pass spent messages over.
 */
static void
screen_dispose(PgmqScreen * screen, int64 lo, int64 hi)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			nmet = screen->n;
	ArrayType  *met = int8_array(screen->dead, nmet);
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (lo <= hi)
			screen_find(screen, lo, hi, SWEEP_WINDOW);
		screen_remove(screen);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_END_TRY();

	if (error == NULL)
	{
		if (stuck_hash != NULL)
			hash_search(stuck_hash, &screen->queue->relid, HASH_REMOVE, NULL);
		screen->disposed += screen->n;
		if (screen->disposed >= SWEEP_MAX)
			screen->passing = true;
	}
	else
	{
		PgmqArg		args[] = {
			PGMQ_ARG(PointerGetDatum(met)),
			PGMQ_ARG(TimestampTzGetDatum(screen->now))
		};

		if (error_is_ours(error->sqlerrcode))
			ReThrowError(error);

		/* nobody got them: their lease did not happen */
		if (nmet > 0)
			pgmq_exec(screen->queue, PGMQ_STMT_UNREAD, args);
		screen_stuck(screen, error);
	}
	screen->n = 0;
}

/*
 * Dispose of the spent messages among the rows tested, and of others after
 * them, up to an id.
 */
void
pgmq_screen_dispose(PgmqScreen * screen, int64 hi)
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
pgmq_screen_ahead(PgmqScreen * screen, TimestampTz now, int64 lo, int64 hi, int64 qty)
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
 * maintenance, to which what goes wrong is an error.
 */
bool
pgmq_screen_sweep(const PgmqQueue *queue, int64 *from, int64 limit)
{
	PgmqScreen	screen;
	PgmqArg		args[3 + PGMQ_SPENT_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(GetCurrentTimestamp())),
		PGMQ_ARG(Int64GetDatum(limit)),
		PGMQ_ARG(Int64GetDatum(*from))
	};

	if (!pgmq_screen_begin(&screen, queue))
		return false;
	pgmq_screen_args(&screen, args + 3);
	pgmq_exec_each(queue, PGMQ_STMT_SPENT_IDLE, args, row_spent, &screen);
	if (screen.n == 0)
		return false;
	*from = screen.dead[screen.n - 1].msg_id;
	screen_remove(&screen);
	pgmq_xact_wake(queue->relid, PGMQ_WAKE_GROUPED);
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
