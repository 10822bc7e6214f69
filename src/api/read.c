/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Reading messages: read and read_with_poll under a lease, pop for good.
 *
 * The clock is read once for each part of the scan (scan.now): messages that
 * are due by then are taken, and leased until then plus the visibility
 * timeout.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/read.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "wait/wait.h"
#include "stats/stats.h"
#include "duemap/duemap.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_read);
PG_FUNCTION_INFO_V1(pgmq_read_with_poll);
PG_FUNCTION_INFO_V1(pgmq_pop);

/* Whether a lease of so many seconds hides a message. */
#define HIDES(vt) (!(vt).isnull && DatumGetInt32((vt).value) > 0)

/* The arguments and state of one attempt. */
typedef struct ReadState
{
	PgmqQueue	queue;
	PgmqRows   *rows;
	PgmqArg		vt;				/* seconds */
	int64		qty;
	PgmqArg		conditional;	/* jsonb; NULL: no filter */
	bool		disposes;		/* by its policy messages can be dead */
	PgmqDisposal disposal;
	bool		pops;
	const int64 *value;			/* of the header that the policy limits by;
								 * NULL: any */
	uint64		count;			/* messages that the last attempt has read */
	bool		more;			/* it stopped, or holds what others want */
} ReadState;

/* A read tries no more values of a header than this; the next one goes on. */
#define VALUES_MAX		1000

/* Microseconds: a read that waits, and has tried so many in vain, goes on after this. */
#define VALUES_PAUSE	100000

/*
 * The filter of a read, argument argno.  NULL means no filter, and so does an
 * empty object, which is replaced with NULL.
 */
static PgmqArg
conditional_arg(FunctionCallInfo fcinfo, int argno)
{
	Jsonb	   *filter;

	if (PG_ARGISNULL(argno))
		return PGMQ_ARG_NULL;
	filter = PG_GETARG_JSONB_P(argno);
	if (JB_ROOT_IS_OBJECT(filter) && JB_ROOT_COUNT(filter) == 0)
		return PGMQ_ARG_NULL;
	return PGMQ_ARG(JsonbPGetDatum(filter));
}

/* Read from a part of a scan.  passing: no dead ones, by the policy of the disposal. */
static uint64
read_part(ReadState *read, const PgmqScan *scan, int64 lo, int64 qty, bool passing)
{
	PgmqArg		args[6 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(scan->now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		pgmq_after(scan->now, read->vt),
		scan->by_ids ? scan->ids : PGMQ_ARG(Int64GetDatum(lo)),
		PGMQ_ARG(Int64GetDatum(scan->hi)),
		read->conditional,
		PGMQ_ARG_NULL,
		PGMQ_ARG_NULL,
		PGMQ_ARG(BoolGetDatum(false))
	};
	PgmqStmtId	stmt = PGMQ_STMT_READ_RANGE;

	if (scan->by_ids)
		stmt = (passing ? PGMQ_STMT_READ_IDS_PASSING : PGMQ_STMT_READ_IDS) + scan->sorts;
	else if (passing || !read->conditional.isnull)
		stmt = PGMQ_STMT_READ_PASSING;
	else if (scan->claimed && scan->by_place)
		stmt = PGMQ_STMT_READ_RUN;
	else if (PGMQ_ALL_IDS(lo, scan->hi))
		stmt = PGMQ_STMT_READ;
	if (passing)
		pgmq_disposal_args(&read->disposal, args + (scan->by_ids ? 4 : 6));
	return pgmq_exec_rows(&read->queue, stmt, args, read->rows);
}

/* Read messages with the value read->value. */
static uint64
read_value(ReadState *read, const PgmqScan *scan, int64 qty, bool passing)
{
	PgmqArg		args[5 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(scan->now)),
		PGMQ_ARG(Int64GetDatum(qty)),
		pgmq_after(scan->now, read->vt),
		PGMQ_ARG(Int64GetDatum(*read->value)),
		read->conditional,
		PGMQ_ARG_NULL,
		PGMQ_ARG_NULL,
		PGMQ_ARG(BoolGetDatum(false))
	};

	if (passing)
		pgmq_disposal_args(&read->disposal, args + 5);
	return pgmq_exec_rows(&read->queue, passing || !read->conditional.isnull ?
						  PGMQ_STMT_READ_VALUE_PASSING : PGMQ_STMT_READ_VALUE, args, read->rows);
}

/*
 * The same for a queue in which messages can be dead: dispose of those that are
 * met.  The scan goes on after those it has given out by their ids.
 */
static uint64
read_part_disposing(ReadState *read, const PgmqScan *scan)
{
	PgmqDisposal *disposal = &read->disposal;
	int64		lo = scan->lo;
	uint64		count = 0;

	for (;;)
	{
		pgmq_disposal_test(disposal, scan->now, read->rows);
		count += (read->value != NULL ?
				  read_value(read, scan, scan->wanted - count, disposal->passing) :
				  read_part(read, scan, lo, scan->wanted - count, disposal->passing)) - disposal->n;
		if (disposal->n == 0)
			break;
		pgmq_disposal_run(disposal, pgmq_scan_reach(scan, disposal->last));
		if (scan->claimed || count >= scan->wanted || disposal->last >= scan->hi)
			break;
		lo = disposal->last + 1;
	}
	pgmq_rows_test(read->rows, NULL, NULL);
	return count;
}

/*
 * Begin a scan for up to qty messages; fed, unless it is NULL, says which ids this
 * subscription got.
 */
static void
scan_begin(PgmqScan *scan, const ReadState *read, TimestampTz now, int64 qty,
		   const PgmqStream *fed)
{
	if (fed != NULL && !PGMQ_ALL_IDS(fed->lo, fed->hi))
		pgmq_scan_begin_within(scan, &read->queue, now, qty, fed->lo, fed->hi);
	else
		pgmq_scan_begin(scan, &read->queue, now, qty, !read->conditional.isnull);
}

/* Read what a scan finds, up to qty messages. */
static uint64
read_scan(ReadState *read, TimestampTz now, int64 qty, const PgmqStream *fed)
{
	PgmqScan	scan;

	scan_begin(&scan, read, now, qty, fed);
	while (pgmq_scan_next(&scan))
	{
		pgmq_rows_watch(read->rows, scan.claimed ? pgmq_scan_row : NULL, &scan);
		pgmq_scan_took(&scan, read->disposes ? read_part_disposing(read, &scan) :
					   read_part(read, &scan, scan.lo, scan.wanted, false));
	}
	pgmq_rows_watch(read->rows, NULL, NULL);
	return scan.count;
}

static uint64 pop_part(ReadState *pop, const PgmqScan *scan);

/*
 * Read or pop up to qty messages whose values are allowed now, one value after the other
 * from the one whose turn it is.  quiet: only values that have little in flight.
 */
static uint64
read_values(ReadState *read, PgmqLimitedRead *limited, const PgmqPolicy *policy,
			int64 qty, bool quiet)
{
	int64		turn = pgmq_limits_turn(read->queue.relid);
	int64		value = turn;
	bool		wrapped = false;
	uint64		count = 0;
	int			tries;

	for (tries = 0; tries < VALUES_MAX && count < qty; tries++)
	{
		PgmqArg		args[] = {PGMQ_ARG(Int64GetDatum(value))};

		/* as after a scan of all ids */
		PgmqScan	scan = {.now = GetCurrentTimestamp(),.lo = PG_INT64_MIN,.hi = PG_INT64_MAX};
		uint64		n;

		if (!pgmq_exec_int8(&read->queue, PGMQ_STMT_NEXT_VALUE, args, &value))
		{
			if (wrapped)
				break;
			/* no hash is less in practice */
			value = PG_INT64_MIN;
			wrapped = true;
			continue;
		}
		if (wrapped && value > turn)
			break;
		scan.wanted = pgmq_limits_value_begin(limited, policy, scan.now, value, qty - count, quiet);
		if (scan.wanted == 0)
			continue;
		read->value = &value;
		if (read->pops)
			n = pop_part(read, &scan);
		else
			n = read->disposes ? read_part_disposing(read, &scan) :
				read_value(read, &scan, scan.wanted, false);
		read->value = NULL;
		pgmq_limits_value_end(limited, value, n);
		count += n;
		if (n > 0)
			pgmq_limits_set_turn(read->queue.relid, value);
	}

	/* the others come next, soon if the read waits for a limit */
	if (tries == VALUES_MAX && count == 0 && !quiet)
	{
		pgmq_limits_set_turn(read->queue.relid, value);
		if (limited->until < PGMQ_DUE_LAST)
			limited->until = Min(limited->until, GetCurrentTimestamp() + VALUES_PAUSE);
	}
	return count;
}

/* Read from a queue whose policy limits by the values of a header. */
static uint64
read_by_value(ReadState *read, PgmqLimitedRead *limited, const PgmqPolicy *policy, int64 qty)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		count;

	Assert(policy != NULL);
	if (pgmq_scan_is_idle(&read->queue, now))
		return 0;
	count = read_values(read, limited, policy, qty, policy->fair);
	if (policy->fair && count < qty)
		count += read_values(read, limited, policy, qty - count, false);
	/* the map may say that more is due than is */
	if (count == 0 && limited->until >= PGMQ_DUE_LAST)
		pgmq_scan_only(&read->queue, now);
	return count;
}

/*
 * Whether new messages of a subscription can go to a read as they are: none of them
 * can be dead, and no limit applies.
 */
static bool
takes_all(const PgmqPolicy *policy)
{
	return policy == NULL ||
		(policy->ttl == 0 && !policy->ttl_header && !policy->priorities &&
		 policy->max_in_flight == 0 && policy->rate == 0 && policy->limit_by[0] == '\0');
}

/* Read once; the number of messages taken. */
static uint64
read_once(void *state)
{
	ReadState  *read = state;
	const PgmqPolicy *policy = pgmq_policy(&read->queue);
	TimestampTz now = GetCurrentTimestamp();
	PgmqStream	stream;
	bool		subscribes = pgmq_stream_open(&read->queue, &stream);
	PgmqLimitedRead limited;
	PgmqLease	lease = {.rows = read->rows,.vt = read->vt};
	bool		leases = subscribes && HIDES(read->vt) && read->conditional.isnull &&
	takes_all(policy);
	int64		qty;

	lease.whole = policy == NULL || policy->max_reads == 0;
	read->disposes = pgmq_disposal_begin(&read->disposal, &read->queue, policy);
	read->count = 0;
	read->more = false;
	pgmq_rows_by_priority(read->rows, policy != NULL && policy->priorities);
	if (pgmq_policy_pauses(policy, now) || (subscribes && pgmq_policy_pauses_stream(stream.stream, now)))
		return 0;
	qty = pgmq_limits_read_begin(&limited, &read->queue, policy, now, read->qty, true);
	if (qty == 0)
		return 0;
	if (subscribes)
		pgmq_rows_need_body(read->rows);
	/* a read that passes over single messages has to see those of a batch */
	if (subscribes && (!read->conditional.isnull || pgmq_batches_hinder(&read->queue) ||
					   (read->disposes && read->disposal.passing)))
		(void) pgmq_batches_split_all(&read->queue, &stream, now);
	read->count = pgmq_limits_by_value(policy) ? read_by_value(read, &limited, policy, qty) :
		read_scan(read, now, qty, NULL);

	/* with a lease of no length, another round would return the same messages */
	while (subscribes &&
		   pgmq_take_more(&read->queue, &stream, read->rows,
						  read->count > 0 && !HIDES(read->vt) ? 0 :
						  qty - read->count - lease.count, false, leases ? &lease : NULL))
		read->count += read_scan(read, GetCurrentTimestamp(), qty - read->count - lease.count, &stream);
	read->count += lease.count;
	read->more = subscribes && (stream.more || stream.removed);
	pgmq_limits_read_end(&limited, read->count);
	return read->count;
}

/*
 * Whether a wait ends after a read that took nothing: it has disposed of something, passed
 * over many messages that a subscription does not take, removed references whose message
 * is gone, or split a batch.  Until the commit no other session sees that, and the
 * messages are locked.
 */
static bool
ends_wait(const ReadState *read)
{
	return (read->disposes && read->disposal.disposed > 0) || read->more;
}

/* Read for a wait. */
static uint64
poll_once(void *state)
{
	ReadState  *read = state;
	uint64		count = read_once(read);

	return count + (count == 0 && ends_wait(read));
}

/*
 * The same for others: up to qty messages of an open queue, no filter.
 */
uint64
pgmq_read_queue(const PgmqQueue *queue, PgmqArg vt, int64 qty, PgmqRows *rows, bool *ended)
{
	ReadState	read = {
		.queue = *queue,.rows = rows,.vt = vt,.qty = qty,.conditional = PGMQ_ARG_NULL
	};
	uint64		count = read_once(&read);

	*ended |= ends_wait(&read);
	return count;
}

/*
 * Begin a read whose arguments are (queue_name, vt, qty, ...): open the queue
 * with ROW EXCLUSIVE.  Errors: those of pgmq_queue_open and pgmq_qty_arg.
 */
static void
read_begin(ReadState *read, FunctionCallInfo fcinfo, int conditional_argno)
{
	read->rows = pgmq_rows_begin(fcinfo);
	read->vt = PGMQ_ARG_FROM(1);
	read->qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 2).value);
	read->conditional = conditional_arg(fcinfo, conditional_argno);
	read->pops = false;
	read->value = NULL;
	pgmq_queue_open(&read->queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_UPDATE, "UPDATE");
}

/*
 * read(queue_name text, vt integer, qty integer, conditional jsonb)
 * returns setof message_record
 */
Datum
pgmq_read(PG_FUNCTION_ARGS)
{
	ReadState	read;

	read_begin(&read, fcinfo, 3);
	pgmq_stats_read(read.queue.relid, read_once(&read) > 0);
	return (Datum) 0;
}

/*
 * read_with_poll(queue_name text, vt integer, qty integer,
 *				  max_poll_seconds integer, poll_interval_ms integer,
 *				  conditional jsonb)
 * returns setof message_record
 */
Datum
pgmq_read_with_poll(PG_FUNCTION_ARGS)
{
	ReadState	read;

	read_begin(&read, fcinfo, 5);
	pgmq_poll(&read.queue, 1, 0, poll_once, &read, PGMQ_ARG_FROM(3), PGMQ_ARG_FROM(4));
	pgmq_stats_read(read.queue.relid, read.count > 0);
	return (Datum) 0;
}

/* The messages that a pop takes. */
typedef struct Popped
{
	PgmqStats  *stats;
	TimestampTz now;
} Popped;

/* Row test for a pop's rows, which all are returned: count one. */
static bool
row_popped(TupleTableSlot *slot, void *state)
{
	Popped	   *popped = state;
	Datum	   *values = slot->tts_values;

	slot_getallattrs(slot);
	pgmq_stats_delivered(popped->stats, slot->tts_isnull[1] ? 0 : DatumGetInt32(values[1]),
						 DatumGetTimestampTz(values[4]), !slot->tts_isnull[3],
						 DatumGetTimestampTz(values[3]), popped->now);
	popped->stats->counts[PGMQ_STAT_ACKED]++;
	if (!slot->tts_isnull[2])
		pgmq_stats_time(popped->stats, PGMQ_TIME_AGE, DatumGetTimestampTz(values[2]), popped->now);
	return true;
}

/* Pop from a part of a scan. */
static uint64
pop_part(ReadState *pop, const PgmqScan *scan)
{
	PgmqArg		args[4 + PGMQ_DEAD_ARGS] = {
		PGMQ_ARG(TimestampTzGetDatum(scan->now)),
		PGMQ_ARG(Int64GetDatum(scan->wanted)),
		scan->by_ids ? scan->ids : PGMQ_ARG(Int64GetDatum(scan->lo)),
		PGMQ_ARG(Int64GetDatum(scan->hi))
	};
	PgmqStmtId	stmt = PGMQ_STMT_POP_RANGE;

	if (pop->value != NULL)
		args[2] = PGMQ_ARG(Int64GetDatum(*pop->value));
	if (pop->disposes)
	{
		/* no dead ones, which are disposed of first */
		pgmq_disposal_ahead(&pop->disposal, scan->now, scan->lo,
							pgmq_scan_reach(scan, scan->hi), scan->wanted);
		pgmq_disposal_args(&pop->disposal, args + (scan->by_ids || pop->value != NULL ? 3 : 4));
		stmt = scan->by_ids ? PGMQ_STMT_POP_IDS_PASSING + scan->sorts : PGMQ_STMT_POP_PASSING;
		if (pop->value != NULL)
			stmt = PGMQ_STMT_POP_VALUE_PASSING;
	}
	else if (pop->value != NULL)
		stmt = PGMQ_STMT_POP_VALUE;
	else if (scan->by_ids)
		stmt = PGMQ_STMT_POP_IDS + scan->sorts;
	else if (scan->claimed && scan->by_place)
		stmt = PGMQ_STMT_POP_RUN;
	else if (PGMQ_ALL_IDS(scan->lo, scan->hi))
		stmt = PGMQ_STMT_POP;
	return pgmq_exec_rows(&pop->queue, stmt, args, pop->rows);
}

/* Pop what a scan finds, up to qty messages. */
static uint64
pop_scan(ReadState *pop, TimestampTz now, int64 qty, const PgmqStream *fed)
{
	PgmqScan	scan;

	scan_begin(&scan, pop, now, qty, fed);
	scan.removes = true;
	while (pgmq_scan_next(&scan))
	{
		pgmq_rows_watch(pop->rows, scan.claimed ? pgmq_scan_row : NULL, &scan);
		pgmq_scan_took(&scan, pop_part(pop, &scan));
	}
	return scan.count;
}

/* pop(queue_name text, qty integer) returns setof message_record */
Datum
pgmq_pop(PG_FUNCTION_ARGS)
{
	ReadState	pop = {
		.rows = pgmq_rows_begin(fcinfo),.conditional = PGMQ_ARG_NULL,.pops = true
	};
	const PgmqPolicy *policy;
	TimestampTz now;
	PgmqLimitedRead limited;
	Popped		popped;
	PgmqStream	stream;
	PgmqLease	lease = {.rows = pop.rows,.pops = true};
	bool		subscribes;
	uint64		count;

	pop.qty = DatumGetInt64(pgmq_qty_arg(fcinfo, 1).value);
	pgmq_queue_open(&pop.queue, pgmq_name_arg(fcinfo, 0), RowExclusiveLock,
					PGMQ_NEED_DELETE, "DELETE");
	policy = pgmq_policy(&pop.queue);
	subscribes = pgmq_stream_open(&pop.queue, &stream);
	pop.disposes = pgmq_disposal_begin(&pop.disposal, &pop.queue, policy);
	now = GetCurrentTimestamp();
	if (pgmq_policy_pauses(policy, now) || (subscribes && pgmq_policy_pauses_stream(stream.stream, now)))
		pop.qty = 0;
	pop.qty = pgmq_limits_read_begin(&limited, &pop.queue, policy, now, pop.qty, false);
	popped.stats = pgmq_stats_pending(pop.queue.relid);
	popped.now = now;
	if (subscribes)
	{
		pgmq_rows_need_body(pop.rows);
		if (pop.disposes || pgmq_batches_hinder(&pop.queue))
			(void) pgmq_batches_split_all(&pop.queue, &stream, now);
	}
	pgmq_rows_by_priority(pop.rows, policy != NULL && policy->priorities);
	pgmq_rows_test(pop.rows, row_popped, &popped);
	if (pop.qty > 0 && pgmq_limits_by_value(policy))
	{
		PgmqPolicy	limits = *policy;

		/* what is popped is not in flight */
		limits.max_in_flight_each = 0;
		count = read_by_value(&pop, &limited, &limits, pop.qty);
	}
	else
		count = pop_scan(&pop, now, pop.qty, NULL);
	while (subscribes && pop.qty > 0 &&
		   pgmq_take_more(&pop.queue, &stream, pop.rows, pop.qty - count - lease.count, false,
						  takes_all(policy) ? &lease : NULL))
		count += pop_scan(&pop, GetCurrentTimestamp(), pop.qty - count - lease.count, &stream);
	count += lease.count;
	pgmq_limits_read_end(&limited, count);
	pgmq_stats_read(pop.queue.relid, count > 0);
	if (count > 0)
		pgmq_xact_wake(pop.queue.relid, PGMQ_WAKE_GROUPED);
	return (Datum) 0;
}
