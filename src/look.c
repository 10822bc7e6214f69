/*-------------------------------------------------------------------------
 *
 * look.c
 *	  Which ids a read looks at, and what it learns there.
 *
 * With a due map a read asks the table only for the runs of blocks that are
 * due, in id order, until it has what it wants.  Behind it lie blocks that it
 * has exhausted; it asks what is left in them and raises them in the map, so
 * that nobody looks there again before something can be read.
 *
 * The order in which that happens is what makes the map safe: the piece's
 * version is noted (pgmq_map_find), *then* a snapshot is taken (each of our
 * statements takes its own), and in that snapshot all rows of the block
 * count, locked or leased by whomever.  A read that does not see all rows, or
 * not the newest, raises nothing: under row-level security, with a filter,
 * with a transaction's one snapshot.  A transaction that made something
 * readable itself looks at everything.
 *
 * The net.  Now and then a read looks at everything, the map notwithstanding.
 * Had the map hidden any of what it finds, that is logged and counted, and is
 * a bug.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/look.c
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

#include "compat.h"
#include "pgmq.h"

/* Pieces of the map that are asked for at a time. */
#define MAX_DUES		64

/*
 * A look begins with so many ids at least, and goes on with more each time it
 * found too little: the index checks each entry of a page it comes to, as far
 * as the range goes, before it returns the first.
 */
#define FIRST_STEP		(2 << PGMQ_BLOCK_BITS)
#define STEP_GROWTH		16

/* Wider than this is the whole range. */
#define MAX_STEP		(INT64CONST(1) << 40)

/* A look that took longer (microseconds) is worth another. */
#define LONG_LOOK		10000

/* How long the net waits for a sender that has committed to announce it. */
#define NET_PATIENCE_MS	1000

/* Setting: whether reads look by the map.  Announcing knows no such thing. */
bool		pgmq_use_due_map = true;

/* What is left of some blocks: the least vt of each. */
typedef struct Left
{
	PgmqMin    *mins;
	int			n;
	int			max;
} Left;

/* Takes nothing, whatever there is. */
static uint64
take_nothing(void *state, TimestampTz now, int64 lo, int64 hi, int64 qty, int64 *last)
{
	return 0;
}

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
 * Raise pieces of the map that were exhausted up to an id, which ends a
 * block.
 */
static void
look_raise(const PgmqQueue *queue, PgmqLocal *local, PgmqMapRef map,
		   const PgmqDue *dues, int ndues, int64 upto)
{
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(dues[0].lo)),
		PGMQ_ARG(Int64GetDatum(upto))
	};
	Left		left = {.max = 64};
	int			from = 0;

	left.mins = palloc(left.max * sizeof(PgmqMin));
	pgmq_exec_each(queue, PGMQ_STMT_LEFT, args, row_left, &left);

	for (int i = 0; i < ndues && dues[i].lo <= upto; i++)
	{
		int			n = from;

		while (n < left.n && left.mins[n].id <= dues[i].hi)
			n++;
		pgmq_xact_raise(local, map, &dues[i], Min(upto, dues[i].hi), left.mins + from, n - from);
		from = n;
	}
	pfree(left.mins);
}

/*
 * Take up to qty messages with ids from lo to hi.  by_steps: what is there to
 * be taken most likely lies at the beginning.
 */
static uint64
look_range(TimestampTz now, int64 lo, int64 hi, int64 qty, bool by_steps,
		   PgmqTakeRangeFn take, void *state, int64 *last)
{
	uint64		count = 0;
	int64		step = by_steps && qty < MAX_STEP / 2 ? Max(FIRST_STEP, 2 * qty) : MAX_STEP;

	for (;;)
	{
		/* negative ids are one piece */
		int64		first = Max(lo, 0);
		int64		end = step >= MAX_STEP || hi - first < step ? hi : first + step - 1;

		count += take(state, now, lo, end, qty - count, last);
		if (count >= qty || end >= hi)
			return count;
		lo = end + 1;
		step *= STEP_GROWTH;
	}
}

/*
 * How many of some messages, which can be read at now, the map hides.  One
 * may have been committed just now, by a sender that is on its way to
 * announce it.
 */
static int64
net_finds(PgmqMapRef map, TimestampTz now, const int64 *ids, int64 nids, int64 *first)
{
	int64		finds = 0;
	int			waited = 0;

	for (int64 i = 0; i < nids; i++)
	{
		while (waited < NET_PATIENCE_MS && pgmq_map_hides(map, ids[i], now))
		{
			pg_usleep(1000);
			CHECK_FOR_INTERRUPTS();
			waited++;
		}
		if (pgmq_map_hides(map, ids[i], now) && finds++ == 0)
			*first = ids[i];
	}
	return finds;
}

/* Say what the net cast at now has found, and how long that took. */
static void
net_done(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, int64 elapsed,
		 int64 finds, int64 first, uint64 count)
{
	if (finds > 0)
		ereport(LOG,
				(errmsg("due map of queue \"%s\" had hidden message %lld",
						PGMQ_QUEUE_BASE(queue), (long long) first),
				 errdetail("It had hidden %lld of the %llu messages found.",
						   (long long) finds, (unsigned long long) count)));
	pgmq_map_net_done(map, now, elapsed, finds);
}

/* The net cast at now has caught what is in rows. */
static void
net_caught(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, PgmqRows *rows,
		   uint64 count)
{
	int64		elapsed = GetCurrentTimestamp() - now;
	int64	   *ids = pgmq_rows_ids(rows);
	int64		first = 0;
	int64		finds = net_finds(map, now, ids, count, &first);

	pfree(ids);
	net_done(queue, map, now, elapsed, finds, first, count);
}

/*
 * Cast the net: look at everything, and count what the map would have hidden.
 */
static uint64
look_net(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, int64 qty,
		 PgmqTakeRangeFn take, void *state, PgmqRows *rows)
{
	int64		last;
	uint64		count = take(state, now, PG_INT64_MIN, PG_INT64_MAX, qty, &last);

	if (rows != NULL)
		net_caught(queue, map, now, rows, count);
	else
	{
		int64		elapsed = GetCurrentTimestamp() - now;
		int64		first = 0;
		int64		finds = net_finds(map, now, &last, count, &first);

		/* only seen: another may have taken it since, and told the map */
		if (finds > 0)
			finds = take(state, now, first, first, 1, &last);
		net_done(queue, map, now, elapsed, finds, first, count);
	}
	return count;
}

/* Whether reads of this transaction may go by a queue's map. */
static inline bool
look_uses(PgmqMapRef map)
{
	return map.map != NULL && pgmq_use_due_map && !IsolationUsesXactSnapshot();
}

/*
 * Whether, by its map, nothing in an open queue can be read at now, or nothing
 * may be.  Does not say so when the net is to be cast: then *net becomes true,
 * and the caller looks, and tells pgmq_look_netted what it took.
 */
bool
pgmq_look_is_idle(const PgmqQueue *queue, TimestampTz now, bool *net)
{
	PgmqMapRef	map;

	*net = false;
	if (pgmq_policy_pauses(queue, now))
		return true;
	map = pgmq_xact_map(pgmq_xact_queue(queue->relid));
	if (!look_uses(map) || pgmq_map_next_due(map) <= now)
		return false;
	*net = pgmq_map_net_claim(map, now);
	return !*net;
}

/* What was looked for as if the queue were not idle: so many messages. */
void
pgmq_look_netted(const PgmqQueue *queue, TimestampTz now, PgmqRows *rows, uint64 count)
{
	net_caught(queue, pgmq_xact_map(pgmq_xact_queue(queue->relid)), now, rows, count);
}

/*
 * Look for up to qty messages that are readable at now, oldest first; take
 * does the taking, into rows; if these are NULL, it only sees what is there.
 * filtered: it does not take all that is readable.  The number of messages
 * taken.  The queue is open.
 */
uint64
pgmq_look(const PgmqQueue *queue, TimestampTz now, int64 qty, bool filtered,
		  PgmqTakeRangeFn take, void *state, PgmqRows *rows)
{
	PgmqLocal  *local = pgmq_xact_queue(queue->relid);
	PgmqMapRef	map = pgmq_xact_map(local);
	bool		may_raise;
	bool		again = false;
	uint64		count = 0;
	int64		from = PG_INT64_MIN;
	int64		last;

	if (qty == 0 || pgmq_policy_pauses(queue, now))
		return 0;
	if (!look_uses(map))
		return take(state, now, from, PG_INT64_MAX, qty, &last);

	may_raise = !filtered &&
		check_enable_rls(queue->relid, InvalidOid, true) != RLS_ENABLED;
	if (may_raise && take != take_nothing && pgmq_map_net_claim(map, now))
		return look_net(queue, map, now, qty, take, state, rows);

	for (;;)
	{
		PgmqDue		dues[MAX_DUES];
		int			n = pgmq_map_find(map, now, from, dues, MAX_DUES);
		int			run;

		if (n < 0)
			return count + take(state, now, from, PG_INT64_MAX, qty - count, &last);

		/* a run of adjacent pieces is one look */
		for (int i = 0; i < n; i += run)
		{
			int64		hi;
			uint64		taken;

			for (run = 1; i + run < n; run++)
				if (dues[i + run - 1].hi + 1 != dues[i + run].lo)
					break;
			hi = dues[i + run - 1].hi;

			taken = look_range(now, dues[i].lo, hi, qty - count, may_raise,
							   take, state, &last);
			count += taken;
			if (count >= qty)
				hi = last < 0 ? PG_INT64_MIN : PGMQ_BLOCK_FIRST(last) - 1;

			/* negative ids are one piece, raised as a whole */
			if (may_raise && hi >= Max(dues[i].lo, -1) &&
				pgmq_xact_may_raise(local, dues[i].lo))
				look_raise(queue, local, map, &dues[i], run, hi);
			if (count >= qty)
				return count;
		}
		if (n < MAX_DUES || dues[n - 1].hi == PG_INT64_MAX)
		{
			/*
			 * A long look in vain, over what was due and proved to be dead,
			 * may have come too late for all that its snapshot saw.  What it
			 * has raised is out of the way of another.
			 */
			if (count > 0 || again || GetCurrentTimestamp() - now < LONG_LOOK)
				return count;
			again = true;
			from = PG_INT64_MIN;
		}
		else
			from = dues[n - 1].hi + 1;
		now = GetCurrentTimestamp();
	}
}

/* Let the map know what is left in an open queue where it says there may be. */
void
pgmq_look_only(const PgmqQueue *queue, TimestampTz now)
{
	(void) pgmq_look(queue, now, 1, false, take_nothing, NULL, NULL);
}
