/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Which messages a read takes, and what it learns on the way.
 *
 * With a due map a read claims ids, in order, and takes these from the table by
 * one statement.  Where something before them is due or unknown, it first looks
 * there, so that the map has what is ready and when the rest is due.  claim.c
 * says why a look is right; here its snapshot is taken after the map was asked
 * (each of our statements takes its own), and all rows of the blocks count that
 * it sees, whether they are locked or leased.
 *
 * A claim comes to nothing when the message was removed, is leased or delayed by
 * now, or is locked.  Then the read asks for the vt of what it missed and tells
 * the map.  From then on it only peeks, at more ids than it wants: the statement
 * takes as many as are wanted, and the read claims what the statement came to
 * when it has ended.  So no reader keeps messages from others that it does not
 * take.
 *
 * A read that does not see all rows, or not the newest ones, claims nothing and
 * does not look: under row-level security, with a filter, or with one snapshot
 * for the whole transaction.  It takes from the ranges of ids that have
 * something due, or from all ids without a map.  A transaction that made
 * something readable itself does not use the map.
 *
 * The verb drives the scan: it asks for what to take from, takes messages, and
 * says how many.  See pgmq_scan_begin.
 *
 * Now and then a read makes a full check of the map first; see check.c.
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
#include "port/pg_bitutils.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "duemap/duemap.h"

/* A read claims ids of no more blocks at a time. */
#define MAX_CLAIMS		256

/* A claim that came to nothing has the next one take so many times the ids. */
#define CLAIM_GROWTH	8
#define MAX_WANTED		(1 << 20)

/* How many messages a look begins with, and how many more the next one sees. */
#define LOOK_ROWS		1024
#define LOOK_GROWTH		4
#define MAX_LOOK_ROWS	(1 << 16)

/* For how long a read waits for one look of another reader (ms). */
#define LOOK_PATIENCE_MS	1000

/* Setting: whether reads use the map.  Announcements do not depend on it. */
bool		pgmq_use_due_map = true;

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
		pgmq_check_map(queue, map, now, from);
	return pgmq_map_next_due(map) > now;
}

/* ----------------------------------------------------------------
 *		Looking
 * ----------------------------------------------------------------
 */

/* The messages that a look sees, by block. */
typedef struct Seen
{
	TimestampTz now;
	PgmqFound  *found;
	int			n;
	int			max;
	int64		rows;
	int64		last;			/* id of the last one */
} Seen;

/* Row function: (msg_id, vt), in msg_id order. */
static void
row_seen(TupleTableSlot *slot, void *state)
{
	Seen	   *seen = state;
	PgmqFound  *found;
	int64		id;
	TimestampTz vt;

	slot_getallattrs(slot);
	id = DatumGetInt64(slot->tts_values[0]);
	vt = DatumGetTimestampTz(slot->tts_values[1]);
	seen->rows++;
	seen->last = id;
	if (seen->n == 0 || seen->found[seen->n - 1].first != PGMQ_BLOCK_FIRST(id))
	{
		if (seen->n == seen->max)
		{
			seen->max *= 2;
			seen->found = repalloc_huge(seen->found, seen->max * sizeof(PgmqFound));
		}
		seen->found[seen->n++] = (PgmqFound)
		{
			.first = PGMQ_BLOCK_FIRST(id),.due = PGMQ_DUE_NEVER
		};
	}
	found = &seen->found[seen->n - 1];
	if (vt <= seen->now)
		found->ready |= PGMQ_BLOCK_BIT(id);
	else
		found->due = Min(found->due, Min(vt, PGMQ_DUE_LAST));
}

/*
 * Make a look, from its beginning to the last of so many messages, and describe
 * what was seen.  Returns how far that is: the last id of a block.  *described is
 * false if there may be messages up to it that cannot be claimed.
 */
static int64
scan_look(PgmqScan *scan, const PgmqLook *look, bool *described)
{
	Seen		seen = {.now = scan->now,.max = 64};
	int64		rows = look->lo < 0 ? PG_INT64_MAX : Max(scan->look_rows, Min(scan->wanted, MAX_LOOK_ROWS));
	int64		upto = look->hi;

	seen.found = palloc(seen.max * sizeof(PgmqFound));
	for (;;)
	{
		PgmqArg		args[] = {
			PGMQ_ARG(Int64GetDatum(look->lo)),
			PGMQ_ARG(Int64GetDatum(look->hi)),
			PGMQ_ARG(Int64GetDatum(rows))
		};

		pgmq_exec_each(scan->queue, PGMQ_STMT_LEFT, args, row_seen, &seen);
		if (seen.rows < rows)
			break;

		/* the last block may have more */
		if (seen.n > 1)
		{
			upto = seen.found[--seen.n].first - 1;
			break;
		}
		seen.n = seen.rows = 0;
		rows *= 2;
	}
	if (look->lo >= 0)
		scan->look_rows = Min(rows, MAX_LOOK_ROWS / LOOK_GROWTH) * LOOK_GROWTH;
	*described = pgmq_xact_describe(scan->local, scan->map, look, upto, seen.found, seen.n);
	pfree(seen.found);
	return upto;
}

/* ----------------------------------------------------------------
 *		Claiming
 * ----------------------------------------------------------------
 */

/* The claim of this statement that an id belongs to; NULL if it was not claimed. */
static PgmqClaim *
scan_claim_of(PgmqScan *scan, int64 id)
{
	PgmqClaim  *claims = pgmq_xact_claims(scan->local, scan->claims_at);

	/* most plans return the rows in order */
	if (scan->claim_at >= scan->nclaims || claims[scan->claim_at].first > id)
		scan->claim_at = 0;
	while (scan->claim_at < scan->nclaims && PGMQ_BLOCK_LAST(claims[scan->claim_at].first) < id)
		scan->claim_at++;
	if (scan->claim_at == scan->nclaims || claims[scan->claim_at].first > id)
		return NULL;
	return &claims[scan->claim_at];
}

/* Row function: a message that the verb has taken.  It can be read again at its vt, if it is not removed. */
void
pgmq_scan_row(TupleTableSlot *slot, void *state)
{
	PgmqScan   *scan = state;
	int64		id = pgmq_row_key(slot, scan->local->priorities);
	PgmqClaim  *claim = scan_claim_of(scan, id);

	slot_getallattrs(slot);
	if (claim == NULL)
		return;
	claim->taken |= PGMQ_BLOCK_BIT(id);
	if (!scan->removes)
		claim->due = Min(claim->due, DatumGetTimestampTz(slot->tts_values[4]));
	scan->ntaken++;
}

/* Of the ids of a claim those up to an id. */
static inline uint64
claim_upto(const PgmqClaim *claim, int64 id)
{
	if (id < claim->first)
		return 0;
	if (id >= PGMQ_BLOCK_LAST(claim->first))
		return claim->ids;
	return claim->ids & (PGMQ_BLOCK_BIT(id) | (PGMQ_BLOCK_BIT(id) - 1));
}

/*
 * Say what became of the ids that the verb has not taken: those that it did not
 * come to are given back, and of the others it is asked when they can be read.
 */
static void
scan_settle(PgmqScan *scan)
{
	PgmqClaim  *claims = pgmq_xact_claims(scan->local, scan->claims_at);
	int64		last = PG_INT64_MAX;
	int64		nmissed = 0;
	int64	   *missed;
	Seen		seen = {.now = PG_INT64_MIN,.max = 8};
	PgmqArg		args[1];

	/* a statement that took what was wanted went no farther than that */
	for (int i = 0; scan->ntaken >= scan->asked && i < scan->nclaims; i++)
		if (claims[i].taken != 0)
			last = claims[i].first + pg_leftmost_one_pos64(claims[i].taken);

	missed = palloc(scan->nids * sizeof(int64));
	for (int i = 0; i < scan->nclaims; i++)
	{
		if (scan->peeked)
			pgmq_xact_claim_late(scan->local, scan->claims_at + i, claim_upto(&claims[i], last));
		for (uint64 ids = claim_upto(&claims[i], last) & ~claims[i].taken; ids != 0; ids &= ids - 1)
			missed[nmissed++] = pgmq_scan_id(scan, claims[i].first + pg_rightmost_one_pos64(ids));
	}
	Assert(nmissed <= scan->nids);
	if (last < PG_INT64_MAX)
	{
		/* what is to be read as a range is still unknown, and comes later */
		scan->from = last + 1;
		scan->gap_lo = 1;
		scan->gap_hi = 0;
		scan->at_end = false;
	}
	seen.found = palloc(seen.max * sizeof(PgmqFound));
	if (nmissed > 0)
	{
		args[0] = pgmq_int8_array(missed, nmissed);
		pgmq_exec_each(scan->queue, PGMQ_STMT_VT, args, row_seen, &seen);
		scan->more = Min(scan->more, MAX_WANTED / CLAIM_GROWTH) * CLAIM_GROWTH;
	}
	for (int i = 0, at = 0; i < scan->nclaims; i++)
	{
		PgmqClaim  *claim = pgmq_xact_claims(scan->local, scan->claims_at) + i;
		uint64		back = claim->ids & ~claim_upto(claim, last);
		TimestampTz due = PGMQ_DUE_NEVER;

		for (; at < seen.n && seen.found[at].first <= claim->first; at++)
			if (seen.found[at].first == claim->first)
				due = seen.found[at].ready != 0 ? PGMQ_DUE_NOW : seen.found[at].due;
		pgmq_xact_settle(scan->local, claim, back, due);
	}
	if (nmissed > 0)
		pgmq_xact_forget_missed(scan->local, scan->claims_at);
	scan->nclaims = 0;
	pfree(seen.found);
	pfree(missed);
}

/* Put the ids claimed into the scan, for the statement: as a range if they are one. */
static void
scan_put_ids(PgmqScan *scan)
{
	const PgmqClaim *claims = pgmq_xact_claims(scan->local, scan->claims_at);
	const PgmqClaim *last = &claims[scan->nclaims - 1];

	scan->lo = claims->first + pg_rightmost_one_pos64(claims->ids);
	scan->hi = last->first + pg_leftmost_one_pos64(last->ids);
	scan->claimed = true;
	scan->by_ids = scan->local->priorities || scan->hi - scan->lo != scan->nids - 1;
	scan->sorts = scan->peeked && scan->local->priorities;
	scan->asked = scan->wanted;
	if (scan->by_ids)
	{
		int64	   *ids = palloc(scan->nids * sizeof(int64));
		int64		n = 0;

		for (int i = 0; i < scan->nclaims; i++)
			for (uint64 left = claims[i].ids; left != 0; left &= left - 1)
				ids[n++] = pgmq_scan_id(scan, claims[i].first + pg_rightmost_one_pos64(left));
		Assert(n == scan->nids);
		scan->ids = pgmq_int8_array(ids, n);
		pfree(ids);
	}
}

/* The scan goes on after an id; it ends with the last one there is. */
static void
scan_go_on(PgmqScan *scan, int64 id)
{
	scan->at_end = id == PG_INT64_MAX;
	if (!scan->at_end)
		scan->from = Max(scan->from, id + 1);
	scan->seen = Max(scan->seen, PGMQ_BLOCK_LAST(id));
}

/* Take from all ids that are left, without the map. */
static void
scan_whole(PgmqScan *scan)
{
	scan->claims = false;
	scan->map.map = NULL;
	scan->ranges[0].lo = scan->from;
	scan->ranges[0].hi = PG_INT64_MAX;
	scan->nranges = 1;
	scan->at = 0;
	scan->at_end = true;
}

/*
 * Claim as many ids as are wanted, and make the looks that this takes; false
 * when there is nothing more to claim.  Only looks if nothing is wanted.
 */
static bool
scan_claim(PgmqScan *scan)
{
	PgmqClaimer claimer = {.verifies = scan->wanted == 0,.max = MAX_CLAIMS};
	int64		wanted = Min(scan->wanted, MAX_WANTED);

	wanted = Min(wanted * scan->more, Max(wanted, MAX_WANTED));
	scan->nids = scan->ntaken = scan->nclaims = scan->claim_at = 0;
	scan->peeked = claimer.peeks = wanted > scan->wanted;
	while (!scan->at_end && scan->gap_lo > scan->gap_hi &&
		   (scan->nids < wanted || claimer.verifies) && claimer.max > 0)
	{
		int			at;
		bool		described;
		bool		again;
		int64		upto;

		claimer.from = scan->from;
		claimer.seen = scan->seen;
		claimer.wanted = wanted - scan->nids;
		at = pgmq_xact_claim(scan->local, scan->map, &claimer);
		if (at < 0)
		{
			/* it was lost, or is of no use any more */
			scan_whole(scan);
			break;
		}
		scan->now = claimer.now;
		if (!scan->passed)
			scan->nlooks = claimer.nlooks;
		scan->passed |= claimer.passed;
		if (claimer.n > 0)
		{
			const PgmqClaim *last = &claimer.claims[claimer.n - 1];

			if (scan->nclaims == 0)
				scan->claims_at = at;
			scan->nclaims += claimer.n;
			scan->nids = wanted - claimer.wanted;
			claimer.max -= claimer.n;
			scan_go_on(scan, last->first + pg_leftmost_one_pos64(last->ids));
		}
		if (claimer.look.version == 0)
			break;
		again = claimer.look.lo < scan->seen;
		upto = scan_look(scan, &claimer.look, &described);
		scan->seen = Max(scan->seen, upto);
		if (claimer.verifies)
			scan_go_on(scan, upto);
		else if (!described || again)
		{
			/*
			 * To be read as a range, after what was claimed.  What was lost
			 * once since a look can be lost again, and the read must end.
			 */
			scan->gap_lo = claimer.look.lo;
			scan->gap_hi = upto;
		}
	}
	return scan->nids > 0;
}

/*
 * A read has found nothing, but has passed by what other readers look at: wait
 * until one of them says what it has seen, and begin again.  A reader that looks
 * may wait for a lock that we hold, so this does not last for ever.
 */
static void
scan_await_look(PgmqScan *scan)
{
	scan->passed = false;
	scan->from = scan->seen = PG_INT64_MIN;
	scan->at_end = false;
	if (!pgmq_map_await_look(scan->map, scan->nlooks, LOOK_PATIENCE_MS))
		scan_whole(scan);
}

/* ----------------------------------------------------------------
 *		The scan
 * ----------------------------------------------------------------
 */

/* The next run of adjacent ranges to take from; false if there is none. */
static bool
scan_next_run(PgmqScan *scan)
{
	PgmqRange  *ranges = scan->ranges;

	if (scan->at == scan->nranges)
	{
		if (scan->at_end)
			return false;
		scan->now = GetCurrentTimestamp();
		scan->nranges = pgmq_map_find(scan->map, scan->now, scan->from, ranges, PGMQ_SCAN_RANGES);
		scan->at = 0;
		if (scan->nranges < 0)
			scan_whole(scan);
		scan->at_end |= scan->nranges < PGMQ_SCAN_RANGES ||
			ranges[scan->nranges - 1].hi == PG_INT64_MAX;
		if (scan->nranges == 0)
			return false;
		/* slots may have been merged since the last time */
		ranges[0].lo = Max(ranges[0].lo, scan->from);
		if (!scan->at_end)
			scan->from = ranges[scan->nranges - 1].hi + 1;
	}
	scan->lo = ranges[scan->at].lo;
	do
		scan->hi = ranges[scan->at++].hi;
	while (scan->at < scan->nranges && ranges[scan->at].lo == scan->hi + 1);
	return true;
}

/* Whether the rows of a queue are in one table, where ctid tells them apart. */
static bool
is_one_table(const PgmqQueue *queue)
{
	Relation	rel = RelationIdGetRelation(queue->relid);
	bool		result = rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relhassubclass;

	RelationClose(rel);
	return result;
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
	scan->claimed = scan->by_ids = scan->by_place = scan->removes = false;
	scan->local = pgmq_local(queue->relid);
	scan->map = pgmq_xact_map(scan->local);
	scan->from = scan->seen = PG_INT64_MIN;
	scan->at_end = scan->passed = scan->claims = false;
	scan->at = scan->nranges = scan->nclaims = 0;
	scan->gap_lo = 1;
	scan->gap_hi = 0;
	scan->more = 1;
	scan->look_rows = LOOK_ROWS;
	if (!map_is_usable(scan->map))
	{
		scan_whole(scan);
		return;
	}
	if (!sees_all(queue))
		return;
	scan->claims = !filtered;
	scan->by_place = scan->claims && is_one_table(queue);
	if (check && qty > 0 && pgmq_map_check_claim(scan->map, now, &from))
	{
		pgmq_check_map(queue, scan->map, now, from);
		scan->now = GetCurrentTimestamp();
	}
}

/*
 * Begin a scan of an open queue for up to qty messages that are readable at
 * now.  filtered: the verb does not take all that are.
 *
 * The verb drives the scan to its end:
 *
 *		pgmq_scan_begin(&scan, queue, now, qty, filtered);
 *		while (pgmq_scan_next(&scan))
 *			pgmq_scan_took(&scan, count);
 *
 * where it takes up to scan.wanted messages that are readable at scan.now,
 * oldest first, and says how many it took; scan.count is the sum.  If
 * scan.by_ids, it takes them from scan.ids, a bigint[], if scan.sorts by a
 * statement that goes by priority; else from the ids scan.lo to scan.hi.  If
 * scan.claimed, it calls pgmq_scan_row for each that the statement returns,
 * whether or not it counts; and if scan.by_place as well, it may lock the rows of
 * ONLY the queue's table first, and find them again by ctid.  Ids rise from one
 * part to the next.  A verb that removes what it takes sets scan.removes.
 *
 * Each part needs a snapshot that is taken after pgmq_scan_next.  The scan
 * allocates little, in the current memory context.  It raises the errors of
 * the statements that it runs.
 */
void
pgmq_scan_begin(PgmqScan *scan, const PgmqQueue *queue, TimestampTz now, int64 qty,
				bool filtered)
{
	scan_begin(scan, queue, now, qty, filtered, true);
}

/*
 * The same for what this transaction has made readable between two ids: the map
 * does not know of it, and the rest of the table may be long.
 */
void
pgmq_scan_begin_within(PgmqScan *scan, const PgmqQueue *queue, TimestampTz now, int64 qty,
					   int64 lo, int64 hi)
{
	scan_begin(scan, queue, now, qty, false, false);
	scan_whole(scan);
	scan->ranges[0].lo = lo;
	scan->ranges[0].hi = hi;
}

/* Find the part to take from next; false when the scan has ended. */
bool
pgmq_scan_next(PgmqScan *scan)
{
	if (scan->nclaims > 0)
		scan_settle(scan);
	scan->claimed = scan->by_ids = false;
	while (scan->wanted > 0)
	{
		if (scan->gap_lo <= scan->gap_hi)
		{
			scan->lo = Max(scan->gap_lo, scan->from);
			scan->hi = scan->gap_hi;
			scan->gap_lo = 1;
			scan->gap_hi = 0;
			scan_go_on(scan, scan->hi);
			return true;
		}
		if (scan->claims && scan_claim(scan))
		{
			scan_put_ids(scan);
			return true;
		}
		if (scan->claims && scan->gap_lo <= scan->gap_hi)
			continue;
		if (scan->claims && scan->count == 0 && scan->passed)
		{
			scan_await_look(scan);
			continue;
		}
		return !scan->claims && scan_next_run(scan);
	}
	return false;
}

/*
 * The end of the ids from one on that have something due or ready next to each
 * other, for a verb that takes more than it was given.
 */
int64
pgmq_scan_reach(const PgmqScan *scan, int64 from)
{
	PgmqRange	ranges[64];
	int64		hi = from;
	int			n = scan->claimed ?
	pgmq_map_find(scan->map, scan->now, from, ranges, lengthof(ranges)) : -1;

	for (int i = 0; i < n && (ranges[i].lo <= hi || ranges[i].lo == hi + 1); i++)
		hi = ranges[i].hi;
	return n < 0 ? scan->hi : hi;
}

/*
 * Look where the map of an open queue says that something may be readable, so
 * that it says no more than is true.  Takes nothing.
 */
void
pgmq_scan_only(const PgmqQueue *queue, TimestampTz now)
{
	PgmqScan	scan;

	scan_begin(&scan, queue, now, 0, false, false);
	if (scan.claims)
		(void) scan_claim(&scan);
}
