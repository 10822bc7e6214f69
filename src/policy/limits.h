/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  What the files about limits (limits.c, limit_*.c) share.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/policy/limits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_LIMITS_H
#define PGMQ_LIMITS_H

#include "storage/lwlock.h"

#include "policy/policy.h"

/* Our trigger function on the tables of queues with limits, and the triggers. */
#define PGMQ_LIMITS_FUNCTION	"_limits"
#define PGMQ_LIMITS_ROWS		"pgmq_limits"
#define PGMQ_LIMITS_STATEMENTS	"pgmq_limits_statement"

/* A hash of the header that a policy limits by, as SQL; what is indexed. */
#define PGMQ_VALUE_SQL \
	"(COALESCE(pg_catalog.hashtextextended((headers OPERATOR(pg_catalog.->>) %s::pg_catalog.text)" \
	" COLLATE pg_catalog.\"C\", 0::pg_catalog.int8), 0::pg_catalog.int8))"
#define PGMQ_VALUE_INDEX_SUFFIX	"_limit_idx"

/* A message that is not in flight. */
#define PGMQ_NO_LEASE			PG_INT64_MIN

/* A queue's contents: how many messages, and their bytes. */
typedef struct PgmqContents
{
	int64		length;
	int64		bytes;
} PgmqContents;

/* A message in flight. */
typedef struct PgmqInFlight
{
	int64		msg_id;
	int64		value;			/* a hash of its header */
	TimestampTz until;
} PgmqInFlight;

/* Whether a policy limits the length or the bytes; NULL stands for a queue without one. */
static inline bool
pgmq_limits_contents(const PgmqPolicy *policy)
{
	return policy != NULL && (policy->max_length > 0 || policy->max_bytes > 0);
}

static inline bool
pgmq_limits_leases(const PgmqPolicy *policy)
{
	return policy != NULL &&
		(policy->max_in_flight > 0 || policy->max_in_flight_each > 0 || policy->fair);
}

/* Whether it limits reads. */
static inline bool
pgmq_limits_reads(const PgmqPolicy *policy)
{
	return policy != NULL && (policy->max_in_flight > 0 || policy->rate > 0 ||
							  policy->max_in_flight_each > 0 || policy->rate_each > 0 || policy->fair);
}

/* ---- the shared memory, for limits.c and limit_reads.c ---- */
#define PGMQ_LIMIT_NONE			(-1)

/* What a queue or a value gives to reads, by the tokens of its rate and by places. */
typedef struct PgmqLimitBucket
{
	double		full;			/* microseconds of the monotonic clock */
	bool		denied;			/* a reader has waited since the last token */
	bool		refused;		/* a reader got nothing of it, and none was
								 * woken since something was given back */
} PgmqLimitBucket;

/* A queue. */
typedef struct PgmqLimitQueue
{
	Oid			dboid;			/* key; InvalidOid: not in use */
	Oid			relid;
	int			first;			/* of the chain with this queue's number */
	int			next;			/* in the chain, or among the free ones */
	bool		ready;			/* all has been counted */
	PgmqContents contents;		/* by the transactions that have committed */
	PgmqContents pending;		/* what open transactions may add to that */
	int			entries;		/* the first of its messages in flight and
								 * values */
	int			in_flight;
	int			reserved;		/* places for messages that are being read */
	TimestampTz next_end;		/* no lease ends before */
	bool		starved;		/* a reader got nothing, of the queue or a
								 * value, and none was woken since a lease
								 * ended */
	TimestampTz denied_at;		/* when a read got less than it wanted */
	PgmqLimitBucket bucket;
	int64		turn;			/* the value that was last read from */
} PgmqLimitQueue;

/* A message in flight, or a value of the header that a policy limits by. */
typedef struct PgmqLimitEntry
{
	int			queue;			/* its number */
	int			first;			/* of the chain with this entry's number */
	int			chain;			/* the next one, or among the free ones */
	int			prev;			/* of its queue */
	int			next;
	int64		key;			/* msg_id, or a hash of the value */
	bool		is_value;

	/* a message */
	TimestampTz until;			/* the end of its lease, as committed */
	TimestampTz open;			/* and by the transaction that changes it */
	int			value;			/* of its header, or PGMQ_LIMIT_NONE */

	/* a value */
	int			in_flight;
	int			reserved;
	PgmqLimitBucket bucket;
} PgmqLimitEntry;

typedef struct PgmqLimitArea
{
	LWLock		lock;
	int			nqueues;
	int			nused;			/* this many, from the first, have been used */
	int			free;			/* the first of those given back */
	int			nentries;
	int			free_entry;
	PgmqLimitQueue queues[FLEXIBLE_ARRAY_MEMBER];
} PgmqLimitArea;

extern PgmqLimitArea *pgmq_limit_area;
extern PgmqLimitEntry *pgmq_limit_entries;
extern PgmqLimitQueue *pgmq_limits_lock(Oid relid);
extern void pgmq_limits_drop_entries(PgmqLimitQueue *queue, bool all);

/*
 * ---- limits.c, limit_reads.c: counts in shared memory ----
 *
 * All but _require are for callbacks.  They do nothing for a queue that has no
 * entry; only _begin makes one.
 */
extern void pgmq_limits_require(void);
extern bool pgmq_limits_known(Oid relid);
extern bool pgmq_limits_begin(Oid relid, const PgmqContents *contents);
extern void pgmq_limits_ready(Oid relid);
extern void pgmq_limits_forget(Oid relid);
extern void pgmq_limits_forget_database(Oid dboid);
extern PgmqContents pgmq_limits_pend(Oid relid, PgmqContents more);
extern void pgmq_limits_settle(Oid relid, PgmqContents pending, bool emptied, PgmqContents change);

extern bool pgmq_limits_lease(Oid relid, int64 msg_id, const int64 *value, TimestampTz until,
							  bool reserved, bool value_reserved, TimestampTz *was, TimestampTz *committed);
extern bool pgmq_limits_lease_end(Oid relid, int64 msg_id, bool commit);
extern bool pgmq_limits_lease_back(Oid relid, int64 msg_id, const int64 *value, TimestampTz was);
extern bool pgmq_limits_lease_found(Oid relid, int64 msg_id, const int64 *value, TimestampTz until);
extern int64 pgmq_limits_take(Oid relid, const PgmqPolicy *policy, int64 freed, int64 n, TimestampTz now,
							  TimestampTz *until, TimestampTz *next);
extern int64 pgmq_limits_take_value(Oid relid, const PgmqPolicy *policy, int64 value, bool quiet,
									int64 freed, int64 n, TimestampTz now, TimestampTz *until);
extern bool pgmq_limits_give(Oid relid, const int64 *value, int64 places, int64 tokens, double rate);

/* ---- limit_xact.c: what this transaction did to queues with limits ---- */
extern PgmqContents pgmq_limits_note(Oid relid, PgmqContents more);
extern void pgmq_limits_emptied(Oid relid);
extern void pgmq_limits_sent(Oid relid, int64 id);
extern int64 pgmq_limits_first(Oid relid);
extern bool pgmq_limits_note_lease(Oid relid, int64 msg_id, const int64 *value, TimestampTz until);
extern bool pgmq_limits_is_own(Oid relid);
extern void pgmq_limits_counted(const PgmqQueue *queue);
extern void pgmq_limits_end(Oid relid);

/* ---- limit_rows.c: what happens to the rows of a queue with limits ---- */
extern void pgmq_limits_ensure(const PgmqQueue *queue, const PgmqPolicy *policy);

#endif							/* PGMQ_LIMITS_H */
