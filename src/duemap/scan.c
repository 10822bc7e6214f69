/*-------------------------------------------------------------------------
 *
 * scan.c
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
 * The net.  Now and then a read looks at a piece of the table, the map
 * notwithstanding, and the next such one goes on behind it.  What it finds
 * that can be read and the map hides is logged and counted, and is a bug.
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

/*
 * Pieces of the map that are asked for at a time; the most when many readers
 * are to begin at different ones.
 */
#define FEW_DUES		64
#define MAX_DUES		256

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

/* Messages that the net takes in at a time. */
#define NET_ROWS		10000

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

/* What is in the net. */
typedef struct Net
{
	PgmqMapRef	map;
	TimestampTz now;
	int64		rows;
	int64		last;			/* id */
	int64		nhidden;		/* so many can be read, and the map hides them */
	int64		hidden;			/* the first of these */
} Net;

/* Row function: (msg_id, vt), in msg_id order. */
static void
row_net(TupleTableSlot *slot, void *state)
{
	Net		   *net = state;

	slot_getallattrs(slot);
	net->rows++;
	net->last = DatumGetInt64(slot->tts_values[0]);
	if (DatumGetTimestampTz(slot->tts_values[1]) <= net->now &&
		pgmq_map_hides(net->map, net->last, net->now) &&
		net->nhidden++ == 0)
		net->hidden = net->last;
}

/*
 * Cast the net: look at a piece of the table, and see whether the map hides
 * anything that can be read.  If so the map is made unknown, and the read
 * that follows finds it.
 */
static void
look_net(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, int64 from)
{
	Net			net = {.map = map,.now = now};
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(from)),
		PGMQ_ARG(Int64GetDatum(NET_ROWS))
	};
	bool		around;

	pgmq_exec_each(queue, PGMQ_STMT_NET, args, row_net, &net);
	around = net.rows < NET_ROWS || net.last == PG_INT64_MAX;

	/*
	 * One message of them will do to be sure.  It may have been taken, and
	 * its block raised, since the snapshot; or it was committed just now, by
	 * a sender that is on its way to announce it.
	 */
	for (int waited = 0; net.nhidden > 0 && waited < NET_PATIENCE_MS; waited++)
	{
		PgmqArg		peek[] = {
			PGMQ_ARG(TimestampTzGetDatum(now)),
			PGMQ_ARG(Int64GetDatum(net.hidden)),
			PGMQ_ARG(Int64GetDatum(net.hidden))
		};
		int64		id;

		if (!pgmq_map_hides(map, net.hidden, now) ||
			!pgmq_exec_int8(queue, PGMQ_STMT_PEEK, peek, &id))
			net.nhidden = 0;
		else
			pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	if (net.nhidden > 0)
		ereport(LOG,
				(errmsg("due map of queue \"%s\" had hidden message %lld",
						PGMQ_QUEUE_BASE(queue), (long long) net.hidden),
				 errdetail("It had hidden %lld of %lld messages looked at.",
						   (long long) net.nhidden, (long long) net.rows)));
	pgmq_map_net_done(map, now, GetCurrentTimestamp() - now, net.nhidden,
					  around ? PG_INT64_MIN : net.last + 1);
}

/* Whether reads of this transaction may go by a queue's map. */
static inline bool
look_uses(PgmqMapRef map)
{
	return map.map != NULL && pgmq_use_due_map && !IsolationUsesXactSnapshot();
}

/* Whether reads of this transaction see all that is in a queue. */
static inline bool
look_sees_all(const PgmqQueue *queue)
{
	return check_enable_rls(queue->relid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * Whether, by its map, nothing in an open queue can be read at now, or nothing
 * may be.  Casts the net when it is time to.
 */
bool
pgmq_look_is_idle(const PgmqQueue *queue, TimestampTz now)
{
	PgmqMapRef	map;
	int64		from;

	map = pgmq_local_map(pgmq_local(queue->relid));
	if (!look_uses(map) || pgmq_map_next_due(map) <= now)
		return false;
	if (look_sees_all(queue) && pgmq_map_net_claim(map, now, &from))
		look_net(queue, map, now, from);
	return pgmq_map_next_due(map) > now;
}

/*
 * Look for up to qty messages by the map, from its place-th due piece on: to
 * the end, and then from the beginning to where it began.
 */
static uint64
look_by_map(const PgmqQueue *queue, PgmqLocal *local, PgmqMapRef map, uint32 place,
			TimestampTz now, int64 qty, bool may_raise,
			PgmqTakeRangeFn take, void *state)
{
	uint64		count = 0;
	bool		again = false;
	int64		begin = PG_INT64_MIN;
	bool		around = false; /* end at begin */
	int64		from = PG_INT64_MIN;
	int64		last;

	for (;;)
	{
		PgmqDue		dues[MAX_DUES];
		int			max = place < FEW_DUES ? FEW_DUES : MAX_DUES;
		int			n = pgmq_map_find(map, now, from, dues, max);
		int64		seen = n < max ? PG_INT64_MAX : dues[n - 1].hi;
		int			i = 0;
		int			run;

		if (n < 0)
		{
			/* the rest, without the map */
			count += take(state, now, from, around ? begin - 1 : PG_INT64_MAX,
						  qty - count, &last);
			if (count < qty && !around && begin > PG_INT64_MIN)
				count += take(state, now, PG_INT64_MIN, begin - 1, qty - count, &last);
			return count;
		}
		n = pgmq_xact_leave_out(local, now, dues, n);
		if (place > 0 && n > 1)
		{
			i = place % n;
			begin = i > 0 ? dues[i].lo : begin;
		}
		place = 0;
		if (around)
		{
			while (n > 0 && dues[n - 1].lo >= begin)
				n--;
			if (n > 0)
				dues[n - 1].hi = Min(dues[n - 1].hi, begin - 1);
			if (seen >= begin - 1)
				seen = PG_INT64_MAX;
		}

		/* a run of adjacent pieces is one look */
		for (; i < n; i += run)
		{
			int64		hi;

			for (run = 1; i + run < n; run++)
				if (dues[i + run - 1].hi + 1 != dues[i + run].lo)
					break;
			hi = dues[i + run - 1].hi;

			count += look_range(now, dues[i].lo, hi, qty - count, may_raise,
								take, state, &last);
			/* last may be of before, beyond begin */
			if (count >= qty)
				hi = last < 0 || around ? PG_INT64_MIN : PGMQ_BLOCK_FIRST(last) - 1;

			/* negative ids are one piece, raised as a whole */
			if (may_raise && hi >= Max(dues[i].lo, -1) &&
				pgmq_xact_may_raise(local, dues[i].lo))
				look_raise(queue, local, map, &dues[i], run, hi);
			if (count >= qty)
				return count;
		}
		if (seen < PG_INT64_MAX)
			from = seen + 1;
		else if (begin > PG_INT64_MIN && !around)
		{
			around = true;
			from = PG_INT64_MIN;
		}
		else
		{
			/*
			 * A long look in vain, over what was due and proved to be dead,
			 * may have come too late for all that its snapshot saw.  What it
			 * has raised is out of the way of another.
			 */
			if (count > 0 || again || GetCurrentTimestamp() - now < LONG_LOOK)
				return count;
			again = true;
			around = false;
			begin = from = PG_INT64_MIN;
		}
		now = GetCurrentTimestamp();
	}
}

/*
 * Look for up to qty messages that are readable at now, oldest first (among
 * several readers, oldest of what the others are not at); take does the
 * taking.  filtered: it does not take all that is readable.  The number of
 * messages taken.  The queue is open.
 */
uint64
pgmq_look(const PgmqQueue *queue, TimestampTz now, int64 qty, bool filtered,
		  PgmqTakeRangeFn take, void *state)
{
	PgmqLocal  *local = pgmq_local(queue->relid);
	PgmqMapRef	map = pgmq_local_map(local);
	bool		may_raise;
	uint64		count;
	int64		from;
	int64		last;

	if (qty == 0)
		return 0;
	if (!look_uses(map))
		return take(state, now, PG_INT64_MIN, PG_INT64_MAX, qty, &last);

	may_raise = !filtered && look_sees_all(queue);
	if (may_raise && take != take_nothing && pgmq_map_net_claim(map, now, &from))
	{
		look_net(queue, map, now, from);
		now = GetCurrentTimestamp();
	}

	count = look_by_map(queue, local, map, pgmq_map_enter(map), now, qty,
						may_raise, take, state);
	/* who took nothing may wait for long */
	if (count == 0)
		pgmq_map_leave();
	return count;
}

/* Let the map know what is left in an open queue where it says there may be. */
void
pgmq_look_only(const PgmqQueue *queue, TimestampTz now)
{
	(void) pgmq_look(queue, now, 1, false, take_nothing, NULL);
}
