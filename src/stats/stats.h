/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters and times of queues: what happened to their messages, and how
 *	  long it took.
 *
 * docs/reference/statistics.md defines each of them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stats/stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_STATS_H
#define PGMQ_STATS_H

#include "commands/trigger.h"

#include "common/common.h"

/* The counters, in the order of the columns of pgmq.queue_stats. */
typedef enum PgmqStat
{
	PGMQ_STAT_SENT,
	PGMQ_STAT_DEDUPLICATED,
	PGMQ_STAT_DELIVERED,
	PGMQ_STAT_REDELIVERED,
	PGMQ_STAT_EXPIRED_LEASES,
	PGMQ_STAT_ACKED,
	PGMQ_STAT_ARCHIVED,
	PGMQ_STAT_NACKED,
	PGMQ_STAT_RELEASED,
	PGMQ_STAT_EXTENDED,
	PGMQ_STAT_FENCE_REFUSED,
	PGMQ_STAT_DEAD_MAX_READS,
	PGMQ_STAT_DEAD_EXPIRED,
	PGMQ_STAT_DEAD_EXPLICIT,
	PGMQ_STAT_DEAD_REFUSED,
	PGMQ_STAT_DROPPED_EXPIRED,
	PGMQ_STAT_READS,
	PGMQ_STAT_EMPTY_READS,
	PGMQ_STAT_WAITS,
	PGMQ_STAT_WAKEUPS,
	PGMQ_STAT_WAKEUPS_IN_VAIN,
	PGMQ_STAT_DEAD_CLIENTS,
	PGMQ_NUM_STATS
} PgmqStat;

/* The times that have a histogram, in the order of the columns. */
typedef enum PgmqTime
{
	PGMQ_TIME_WAIT,				/* until the first delivery */
	PGMQ_TIME_PROCESSING,		/* from the last read to the acknowledgement */
	PGMQ_TIME_AGE,				/* from the send to the acknowledgement */
	PGMQ_NUM_TIMES
} PgmqTime;

/* The upper bounds of the buckets, in seconds; one more bucket has the rest. */
#define PGMQ_TIME_BOUNDS	16

extern const double pgmq_time_bounds[PGMQ_TIME_BOUNDS];

typedef struct PgmqStats
{
	int64		counts[PGMQ_NUM_STATS];
	int64		times[PGMQ_NUM_TIMES];	/* how many there were, */
	double		seconds[PGMQ_NUM_TIMES];	/* their sum, */
	int64		buckets[PGMQ_NUM_TIMES][PGMQ_TIME_BOUNDS + 1];	/* and how long they
																 * were */
} PgmqStats;

/* All that is kept of a queue; the times are 0 when there was none. */
typedef struct PgmqQueueStats
{
	TimestampTz since;			/* stats contains all of what was committed
								 * since then */
	TimestampTz last_send;
	TimestampTz last_read;
	TimestampTz last_ack;
	PgmqStats	stats;
} PgmqQueueStats;

/* The times of a message that is acknowledged; not finite where it has none. */
typedef struct PgmqTimes
{
	TimestampTz enqueued;
	TimestampTz last_read;
} PgmqTimes;

/*
 * ---- counters.c: what this transaction has to count ----
 *
 * Only _row, _delivered, _count, _read, _pending, _undelivered and _drop may
 * raise an error, when out of memory.  What they count is added when the
 * transaction commits, and forgotten with a subtransaction or transaction that
 * is rolled back, or prepared.
 */
extern PgmqStats *pgmq_stats_pending(Oid relid);
extern void pgmq_stats_count(Oid relid, PgmqStat stat, int64 n);
extern void pgmq_stats_count_now(Oid relid, PgmqStat stat);
extern void pgmq_stats_read(Oid relid, bool found);
extern void pgmq_stats_row(Oid relid, const TriggerData *trigger);
extern void pgmq_stats_not_delivered(PgmqStats *stats, TimestampTz vt, TimestampTz last_read);
extern void pgmq_stats_delivered(PgmqStats *stats, int32 reads, TimestampTz vt,
								 bool was_read, TimestampTz last_read, TimestampTz now);
extern void pgmq_stats_undelivered(Oid relid, int64 msg_id);
extern void pgmq_stats_undelivered_none(Oid relid);
extern void pgmq_stats_time(PgmqStats *stats, PgmqTime time, TimestampTz from, TimestampTz to);
extern void pgmq_stats_times_row(TupleTableSlot *row, PgmqTimes *times);
extern void pgmq_stats_acked(PgmqStats *stats, const PgmqTimes *times, TimestampTz now);
extern void pgmq_stats_drop(Oid relid);
extern void pgmq_stats_sum(PgmqStats *stats, const PgmqStats *more);
extern void pgmq_stats_xact(XactEvent event, void *arg);
extern void pgmq_stats_subxact(SubXactEvent event, SubTransactionId subid,
							   SubTransactionId parent, void *arg);

/*
 * ---- slots.c: what is kept of each queue, in shared memory ----
 *
 * All for callbacks: they raise no error and allocate nothing.  *slot is where
 * the queue was the last time, -1 if that is not known.
 */
extern void pgmq_slot_add(int *slot, Oid relid, const PgmqStats *stats, TimestampTz now);
extern void pgmq_slot_free(Oid relid);
extern bool pgmq_slot_exists(Oid relid);
extern bool pgmq_slot_read(Oid relid, PgmqQueueStats *stats);
extern void pgmq_slot_reset(Oid relid, TimestampTz now);
extern int	pgmq_slots_unused(TimestampTz *since);

/* The memory, and the setting for its size. */
extern void pgmq_slots_setting(void);
extern Size pgmq_slots_size(void);
extern void pgmq_slots_init(void *memory, Size size, int tranche);
extern void pgmq_slots_attach(void *memory);

/*
 * ---- saved.c: a file that keeps them while the server is down ----
 *
 * For the postmaster, when nothing else runs.
 */
typedef struct PgmqSavedQueue
{
	Oid			dboid;
	Oid			relid;
	uint32		activity;
	PgmqQueueStats stats;
} PgmqSavedQueue;

/* Gets the i-th queue; false if there is none. */
typedef bool (*PgmqSavedFn) (int i, PgmqSavedQueue *queue);

extern void pgmq_saved_write(TimestampTz since, int n, PgmqSavedFn fn);
extern PgmqSavedQueue *pgmq_saved_read(TimestampTz *since, int *n, bool wanted);

#endif							/* PGMQ_STATS_H */
