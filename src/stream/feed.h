/*-------------------------------------------------------------------------
 *
 * feed.h
 *	  The notes about the blocks of a subscription, for the files of this folder.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/feed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_FEED_H
#define PGMQ_FEED_H

#include "executor/tuptable.h"

#include "stream/stream.h"

/* One statement feeds at most so many blocks. */
#define WINDOW_MAX		16

#define ALL_IDS			(~UINT64CONST(0))

/* Some blocks as pgmq.subscription_block has them. */
typedef struct Blocks
{
	int64		first;
	int64		last;
	uint64		mask;			/* of a single block: ids given out */
	bool		settled;
	bool		ripe;			/* one of those it waits for has ended */
} Blocks;

/* Ids, or OIDs, that pgmq_stream_row_id collects. */
typedef struct Ids
{
	MemoryContext context;
	int64	   *ids;
	int			n;
	int			max;
} Ids;

struct PgmqFeed
{
	const PgmqQueue *queue;
	const PgmqStream *stream;
	int64		drawn;			/* the last id drawn, */
	PgmqArg		waits;			/* and what may still commit it or one before */
	int64	   *open;
	int			nopen;
	int64		done_before;	/* the first block that is not finished */
	bool		exists;
	Blocks	   *blocks;
	int			n;
	int			max;
	MemoryContext context;
	Ids			given;			/* what was given out just now, in order */
	int64		lo;				/* what was given references */
	int64		hi;
	PgmqLease  *lease;			/* the read that gets what is new; NULL: any */
	int			skipped;		/* so many ids of the next block were given */
	struct
	{
		int64		first;
		int64		last;
	}			passed[64];		/* blocks that others have locked */
	int			npassed;
};

#define BLOCK_TABLE		PGMQ_SCHEMA ".subscription_block"
#define DROP_BLOCKS \
	"DELETE FROM " BLOCK_TABLE " WHERE subscription OPERATOR(pg_catalog.=) $1" \
	" AND blk OPERATOR(pg_catalog.>=) $2 AND upto OPERATOR(pg_catalog.<=) $3" \
	" AND ($4, $5) IS NOT NULL"
#define PUT_BLOCKS(mask, waits) \
	"INSERT INTO " BLOCK_TABLE " (subscription, blk, upto, mask, waits, boot)" \
	" VALUES ($1, $2, $3, " mask ", CASE WHEN $4 IS NULL THEN '{}'::pg_catalog.int8[] ELSE " waits " END, $5)" \
	" ON CONFLICT DO NOTHING"

/* ---- blocks.c: the notes about blocks ---- */
extern bool pgmq_feed_begin(PgmqFeed *feed, const PgmqQueue *queue, const PgmqStream *stream);
extern void pgmq_feed_list_open(PgmqFeed *feed);
extern void pgmq_feed_load(PgmqFeed *feed, int64 first, int64 last);
extern void pgmq_feed_put(PgmqFeed *feed, const int64 *blks, const int64 *masks, int n);
extern void pgmq_feed_change(const PgmqFeed *feed, const char *sql, int64 first, int64 last);
extern bool pgmq_feed_lock(const PgmqFeed *feed, int64 blk);
extern bool pgmq_feed_locks_full(void);
extern int64 pgmq_feed_next_stored(PgmqFeed *feed, int64 lo, int64 hi);
extern void pgmq_stream_row_id(TupleTableSlot *slot, void *state);

/* ---- filter.c: subscriptions that take only some messages ---- */
extern int64 pgmq_feed_filtered(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept);

/* ---- feed.c: what feeding needs ---- */
extern void pgmq_feed_check(const PgmqQueue *queue, const PgmqStream *stream);

/* Whether a table has CHECK constraints, which the row of a batch may not fulfil. */
#define HAS_CHECKS(rel) \
	((rel)->rd_att->constr != NULL && (rel)->rd_att->constr->num_check > 0)

/* ---- retain.c ---- */
extern bool pgmq_feed_runs_code(Oid relid);

/* ---- batch.c: one reference to many messages ---- */
extern bool pgmq_batch_put(const PgmqQueue *queue, const int64 *ids, const TimestampTz *enqueued, int n,
						   int32 read_ct, TimestampTz now, TimestampTz until);

/* ---- lease.c: references that are leased from the first ---- */
extern void pgmq_lease_begin(PgmqFeed *feed, PgmqLease *lease, int64 wanted);
extern int64 pgmq_lease_range(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept,
							  int64 limit);

/* ---- progress.c: how far a subscription has come ---- */
extern void pgmq_feed_fold(PgmqFeed *feed);
extern int64 pgmq_feed_last_given(const PgmqFeed *feed);

#endif							/* PGMQ_FEED_H */
