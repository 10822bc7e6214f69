/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Which ranges of ids a read looks at, and what it learns there.
 *
 * With a due map a read asks the table only for the ranges of ids that are
 * due, in id order, until it has enough.  The blocks before the last message
 * it took are exhausted then.  The scan reads which messages are left in them
 * and advances their due times in the map, so that no other read looks there
 * before something can be read.
 *
 * The verb drives the scan: it asks for the next range, takes messages from
 * it, and says how many.  See pgmq_scan_begin.
 *
 * The map stays right because of the order of the steps: a range's version is
 * noted first (pgmq_map_find), *then* a snapshot is taken (each of our
 * statements takes its own), and all rows of the block count that the snapshot
 * sees, whether they are locked or leased.  A read that does not see all rows,
 * or not the newest ones, advances nothing: under row-level security, with a
 * filter, or with one snapshot for the whole transaction.  A transaction that
 * made something readable itself does not use the map.
 *
 * Now and then a read makes a full check of the map: it reads a part of the
 * table without the map, and the next check continues after that part.  It is
 * a bug when the check finds a readable message that the map hides; it is
 * logged and counted.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/scan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "duemap/duemap.h"

/* How many ranges a scan that begins at the first one gets at a time. */
#define FEW_RANGES		64

/*
 * A scan begins with at least this many ids, and takes more at each further
 * step: the index checks all entries of a page within the range before it
 * returns the first.
 */
#define FIRST_STEP		(2 << PGMQ_BLOCK_BITS)
#define STEP_GROWTH		16

/* A step of this many ids or more is the whole range. */
#define MAX_STEP		(INT64CONST(1) << 40)

/* A scan that took longer than this (microseconds) in vain is repeated once. */
#define LONG_SCAN		10000

/* How many messages one full check reads. */
#define CHECK_ROWS		10000

/* How long a full check waits for a committed sender to announce (ms). */
#define CHECK_PATIENCE_MS	1000

/* Setting: whether reads use the map.  Announcements do not depend on it. */
bool		pgmq_use_due_map = true;

/* ----------------------------------------------------------------
 *		Advancing due times
 * ----------------------------------------------------------------
 */

/* The remaining messages of some blocks: the least vt of each. */
typedef struct Left
{
	PgmqMin    *mins;
	int			n;
	int			max;
} Left;

/* Row function: (msg_id, vt), in msg_id order. */
static void
row_left(TupleTableSlot *slot, void *state)
{
	Left	   *left = state;
	int64		id;
	TimestampTz vt;

	slot_getallattrs(slot);
	id = DatumGetInt64(slot->tts_values[0]);
	vt = DatumGetTimestampTz(slot->tts_values[1]);
	if (left->n > 0 &&
		PGMQ_BLOCK_FIRST(left->mins[left->n - 1].id) == PGMQ_BLOCK_FIRST(id))
	{
		left->mins[left->n - 1].due = Min(left->mins[left->n - 1].due, vt);
		return;
	}
	if (left->n == left->max)
	{
		left->max *= 2;
		left->mins = repalloc_huge(left->mins, left->max * sizeof(PgmqMin));
	}
	left->mins[left->n++] = (PgmqMin)
	{
		id, vt
	};
}

/*
 * Advance the due times of the current run of ranges, which was exhausted up
 * to an id that ends a block.
 */
static void
scan_advance(PgmqScan *scan, int64 upto)
{
	const PgmqRange *ranges = &scan->ranges[scan->at];
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(ranges[0].lo)),
		PGMQ_ARG(Int64GetDatum(upto))
	};
	Left		left = {.max = 64};
	int			from = 0;

	left.mins = palloc(left.max * sizeof(PgmqMin));
	pgmq_exec_each(scan->queue, PGMQ_STMT_LEFT, args, row_left, &left);

	for (int i = 0; i < scan->run && ranges[i].lo <= upto; i++)
	{
		int			n = from;

		while (n < left.n && left.mins[n].id <= ranges[i].hi)
			n++;
		pgmq_xact_advance(scan->local, scan->map, &ranges[i], Min(upto, ranges[i].hi),
						  left.mins + from, n - from);
		from = n;
	}
	pfree(left.mins);
}

/* ----------------------------------------------------------------
 *		The full check
 * ----------------------------------------------------------------
 */

/* The findings of a full check. */
typedef struct Check
{
	PgmqMapRef	map;
	TimestampTz now;
	int64		rows;			/* messages that it has read */
	int64		last;			/* id of the last one */
	int64		nhidden;		/* readable messages that the map hides */
	int64		hidden;			/* id of the first of these */
} Check;

/* Row function: (msg_id, vt), in msg_id order. */
static void
row_check(TupleTableSlot *slot, void *state)
{
	Check	   *check = state;

	slot_getallattrs(slot);
	check->rows++;
	check->last = DatumGetInt64(slot->tts_values[0]);
	if (DatumGetTimestampTz(slot->tts_values[1]) <= check->now &&
		pgmq_map_hides(check->map, check->last, check->now) &&
		check->nhidden++ == 0)
		check->hidden = check->last;
}

/*
 * Check whether the map hides anything readable in the part of the table that
 * begins with an id.  If it does, the map is made unknown, so that the read
 * that follows finds the message.
 */
static void
check_map(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, int64 from)
{
	Check		check = {.map = map,.now = now};
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(from)),
		PGMQ_ARG(Int64GetDatum(CHECK_ROWS))
	};
	bool		at_end;

	pgmq_exec_each(queue, PGMQ_STMT_CHECK, args, row_check, &check);
	at_end = check.rows < CHECK_ROWS || check.last == PG_INT64_MAX;

	/*
	 * One hidden message is enough to be sure.  Since the snapshot it may
	 * have been taken and its block advanced, or its sender committed just
	 * now and is about to announce it.
	 */
	for (int waited = 0; check.nhidden > 0 && waited < CHECK_PATIENCE_MS; waited++)
	{
		PgmqArg		again[] = {
			PGMQ_ARG(TimestampTzGetDatum(now)),
			PGMQ_ARG(Int64GetDatum(check.hidden)),
			PGMQ_ARG(Int64GetDatum(check.hidden))
		};
		int64		id;

		if (!pgmq_map_hides(map, check.hidden, now) ||
			!pgmq_exec_int8(queue, PGMQ_STMT_FIRST_READABLE, again, &id))
			check.nhidden = 0;
		else
			pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	if (check.nhidden > 0)
		ereport(LOG,
				(errmsg("due map of queue \"%s\" had hidden message %lld",
						PGMQ_QUEUE_BASE(queue), (long long) check.hidden),
				 errdetail("The map had hidden %lld of %lld checked messages.",
						   (long long) check.nhidden, (long long) check.rows)));
	pgmq_map_check_done(map, now, GetCurrentTimestamp() - now, check.nhidden,
						at_end ? PG_INT64_MIN : check.last + 1);
}

/* ----------------------------------------------------------------
 *		The scan
 * ----------------------------------------------------------------
 */

/* Whether reads of this transaction may use a queue's map. */
static inline bool
map_is_usable(PgmqMapRef map)
{
	return map.map != NULL && pgmq_use_due_map && !IsolationUsesXactSnapshot();
}

/* Whether reads of this transaction see all messages of a queue. */
static inline bool
sees_all(const PgmqQueue *queue)
{
	return check_enable_rls(queue->relid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * Whether, by its map, nothing in an open queue can be read at now.  Makes a
 * full check when one is due.  Errors are those of statements.
 */
bool
pgmq_scan_is_idle(const PgmqQueue *queue, TimestampTz now)
{
	PgmqMapRef	map;
	int64		from;

	map = pgmq_xact_map(pgmq_local(queue->relid));
	if (!map_is_usable(map) || pgmq_map_next_due(map) <= now)
		return false;
	if (sees_all(queue) && pgmq_map_check_claim(map, now, &from))
		check_map(queue, map, now, from);
	return pgmq_map_next_due(map) > now;
}

/* Let the verb read the next so many ids of the current run. */
static void
scan_step(PgmqScan *scan, int64 lo, int64 step)
{
	/* negative ids are one range */
	int64		first = Max(lo, 0);

	scan->lo = lo;
	scan->hi = step >= MAX_STEP || scan->run_hi - first < step ? scan->run_hi : first + step - 1;
	scan->step = step;
}

/* Begin a run: adjacent ranges from the next one on, which are read as one. */
static void
scan_begin_run(PgmqScan *scan)
{
	const PgmqRange *ranges = &scan->ranges[scan->at];
	int			left = scan->nranges - scan->at;
	int			run = 1;

	while (run < left && ranges[run - 1].hi + 1 == ranges[run].lo)
		run++;
	scan->run = run;
	scan->run_hi = ranges[run - 1].hi;

	/* readable messages most likely are at the beginning */
	scan_step(scan, ranges[0].lo,
			  scan->advances && scan->wanted < MAX_STEP / 2 ? Max(FIRST_STEP, 2 * scan->wanted) : MAX_STEP);
}

/* End a run, and advance what was exhausted of it. */
static void
scan_end_run(PgmqScan *scan)
{
	int64		lo = scan->ranges[scan->at].lo;
	int64		upto = scan->run_hi;

	/* a last message outside of the run does not tell what is exhausted */
	if (scan->wanted == 0)
		upto = scan->last < Max(lo, 0) || scan->last > upto ? PG_INT64_MIN :
			PGMQ_BLOCK_FIRST(scan->last) - 1;

	/* negative ids are one range, advanced as a whole */
	if (scan->advances && upto >= Max(lo, -1) && pgmq_xact_may_advance(scan->local, lo))
		scan_advance(scan, upto);
	scan->at += scan->run;
	scan->run = 0;
}

/* The rest of the way, without the map, is one range. */
static void
scan_whole(PgmqScan *scan)
{
	scan->ranges[0].lo = scan->from;
	scan->ranges[0].hi = scan->seen = scan->end;
	scan->nranges = 1;
	scan->advances = false;
	scan->repeated = true;
}

/*
 * Find the next ranges that are due on the way from scan->from to scan->end.
 * Begin with the place-th of them; the ones before it come last.
 */
static void
scan_find(PgmqScan *scan, uint32 place)
{
	PgmqRange  *ranges = scan->ranges;
	int			max = place < FEW_RANGES ? FEW_RANGES : PGMQ_SCAN_RANGES;
	int			n = pgmq_map_find(scan->map, scan->now, scan->from, ranges, max);

	scan->at = 0;
	if (n < 0)
	{
		scan_whole(scan);
		return;
	}
	scan->seen = n < max ? scan->end : Min(ranges[n - 1].hi, scan->end);
	while (n > 0 && ranges[n - 1].lo > scan->end)
		n--;
	if (n > 0)
		ranges[n - 1].hi = Min(ranges[n - 1].hi, scan->end);
	n = scan->nranges = pgmq_xact_leave_out(scan->local, scan->now, ranges, n);
	if (n > 1 && place % n > 0)
	{
		scan->at = place % n;
		scan->begin = ranges[scan->at].lo;
	}
}

/* Get more ranges; false when the scan has been everywhere. */
static bool
scan_get_more(PgmqScan *scan)
{
	if (scan->seen < scan->end)
		scan->from = scan->seen + 1;
	else if (scan->begin > PG_INT64_MIN)
	{
		/* now from the first id to where the scan began */
		scan->from = PG_INT64_MIN;
		scan->end = scan->begin - 1;
		scan->begin = PG_INT64_MIN;
	}
	else if (scan->count == 0 && !scan->repeated &&
			 GetCurrentTimestamp() - scan->now >= LONG_SCAN)
	{
		/*
		 * Messages may have become readable during a long scan of ranges that
		 * were due and held dead rows only.  These ranges are advanced, so
		 * another scan is short.
		 */
		scan->repeated = true;
		scan->from = PG_INT64_MIN;
		scan->end = PG_INT64_MAX;
	}
	else
		return false;
	scan->now = GetCurrentTimestamp();
	scan_find(scan, 0);
	return true;
}

/* Begin a scan.  check: a full check may come first. */
static void
scan_begin(PgmqScan *scan, const PgmqQueue *queue, TimestampTz now, int64 qty,
		   bool filtered, bool check)
{
	int64		from;

	scan->queue = queue;
	scan->now = now;
	scan->wanted = qty;
	scan->count = 0;
	scan->local = pgmq_local(queue->relid);
	scan->map = pgmq_xact_map(scan->local);
	scan->advances = scan->repeated = false;
	scan->from = scan->begin = PG_INT64_MIN;
	scan->end = PG_INT64_MAX;
	scan->at = scan->run = 0;
	if (qty == 0 || !map_is_usable(scan->map))
	{
		scan->map.map = NULL;
		scan_whole(scan);
		return;
	}

	scan->advances = !filtered && sees_all(queue);
	if (check && scan->advances && pgmq_map_check_claim(scan->map, now, &from))
	{
		check_map(queue, scan->map, now, from);
		scan->now = GetCurrentTimestamp();
	}
	scan_find(scan, pgmq_map_enter(scan->map));
}

/*
 * Begin a scan of an open queue for up to qty messages that are readable at
 * now.  filtered: the verb does not take all that are.
 *
 * The verb drives the scan to its end:
 *
 *		pgmq_scan_begin(&scan, queue, now, qty, filtered);
 *		while (pgmq_scan_next(&scan))
 *			pgmq_scan_took(&scan, count, last);
 *
 * where it takes up to scan.wanted messages that are readable at scan.now and
 * have ids from scan.lo to scan.hi, oldest first, and says how many it took
 * and the largest id among all it took.  scan.count is the sum.  Ranges come
 * in the order of ids, but several concurrent readers begin at different ones.
 *
 * Each range needs a snapshot that is taken after pgmq_scan_next.  The scan
 * allocates little, in the current memory context.  It raises the errors of
 * the statements that it runs.
 */
void
pgmq_scan_begin(PgmqScan *scan, const PgmqQueue *queue, TimestampTz now, int64 qty,
				bool filtered)
{
	scan_begin(scan, queue, now, qty, filtered, true);
}

/* The next range to take from; false when the scan has ended. */
bool
pgmq_scan_next(PgmqScan *scan)
{
	if (scan->run > 0)
	{
		if (scan->wanted > 0 && scan->hi < scan->run_hi)
		{
			scan_step(scan, scan->hi + 1, scan->step * STEP_GROWTH);
			return true;
		}
		scan_end_run(scan);
	}
	while (scan->wanted > 0)
	{
		if (scan->at < scan->nranges)
		{
			scan_begin_run(scan);
			return true;
		}
		if (!scan_get_more(scan))
			break;
	}

	/* a reader that took nothing may wait for long */
	if (scan->count == 0 && scan->map.map != NULL)
		pgmq_map_leave();
	return false;
}

/*
 * Advance the map of an open queue where it says that something may be
 * readable and nothing is.  Takes nothing.
 */
void
pgmq_scan_only(const PgmqQueue *queue, TimestampTz now)
{
	PgmqScan	scan;

	scan_begin(&scan, queue, now, 1, false, false);
	while (pgmq_scan_next(&scan))
		pgmq_scan_took(&scan, 0, PG_INT64_MIN);
}
