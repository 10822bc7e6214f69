/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  Streams and subscriptions: which queue is one, and how a subscription gets
 *	  its references to the messages of its stream.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_STREAM_H
#define PGMQ_STREAM_H

#include "common/common.h"
#include "spi/spi.h"

/* So many consecutive ids are a block, a bit of a mask for each. */
#define PGMQ_FEED_BITS		6
#define PGMQ_FEED_BLOCK(id) ((id) >> PGMQ_FEED_BITS)
#define PGMQ_FEED_FIRST(blk) ((int64) ((uint64) (blk) << PGMQ_FEED_BITS))
#define PGMQ_FEED_LAST(blk) (PGMQ_FEED_FIRST(blk) + 63)
#define PGMQ_FEED_BIT(id)	(UINT64CONST(1) << ((id) & 63))

typedef enum PgmqStreamKind
{
	PGMQ_STREAM_NONE,			/* a queue as any other */
	PGMQ_STREAM_LOG,			/* a stream */
	PGMQ_STREAM_SUBSCRIPTION
} PgmqStreamKind;

/* The kind of a queue.  The rest is of a subscription. */
typedef struct PgmqStream
{
	PgmqStreamKind kind;
	Oid			stream;			/* the table with its messages */
	int32		read_base;		/* the read_ct of new references */
	int32		read_known;		/* no greater read_ct is noted */
	Jsonb	   *message;		/* it takes only messages whose body contains
								 * this, unless it is NULL, */
	Jsonb	   *headers;		/* and whose headers contain this, */
	text	   *pattern;		/* and that this pattern of topics takes */
	bool		more;			/* feeding stopped, though there may be more */
	bool		removed;		/* a read has removed references, or split a
								 * batch */
	int64		lo;				/* where there is something new, by */
	int64		hi;				/* pgmq_take_more */
} PgmqStream;

#define PGMQ_STREAM_FILTERS(s) \
	((s)->message != NULL || (s)->headers != NULL || (s)->pattern != NULL)

/* A read, or a pop, that takes new messages as they are given out. */
typedef struct PgmqLease
{
	PgmqRows   *rows;			/* where they go */
	PgmqArg		vt;				/* how long they are leased, seconds */
	bool		pops;
	bool		whole;			/* one row may stand for all it gets */
	int64		count;			/* how many it got */
} PgmqLease;

/* The messages that a subscription was not given yet. */
typedef struct PgmqUnfed
{
	int64		count;
	int64		due;			/* of these, those that can be read */
	TimestampTz oldest;			/* when the first was sent; DT_NOEND for none */
	TimestampTz newest;			/* DT_NOBEGIN for none */
	TimestampTz due_since;		/* since when one can be read; DT_NOEND for
								 * none */
} PgmqUnfed;

/* ---- state.c: which queue is a stream or a subscription ---- */
extern bool pgmq_stream_look(Oid relid, PgmqStream *stream);
extern bool pgmq_stream_subscribes(Oid relid, PgmqStream *stream);
extern void pgmq_stream_check_seen(const PgmqQueue *queue);
extern Oid	pgmq_stream_kept(Oid relid);
extern bool pgmq_stream_open(const PgmqQueue *queue, PgmqStream *stream);
extern bool pgmq_stream_target(const PgmqQueue *queue, PgmqQueue *target);
extern Oid	pgmq_stream_table(const char *name, bool missing_ok);
extern PgmqRole pgmq_stream_become_keeper(void);
extern void pgmq_stream_changed(Oid relid);
extern void pgmq_stream_note_reads(const PgmqQueue *queue, PgmqStream *stream, int32 read_ct);
extern void pgmq_stream_note_lost(Oid subscription, int64 lost);
extern void pgmq_stream_forget(Oid relid);
extern void pgmq_stream_init(void);
extern void pgmq_stream_inval(Datum arg, Oid relid);

/* ---- feed.c: giving a subscription references to messages ---- */
/* The blocks of a subscription that are looked at, and by what they are settled. */
typedef struct PgmqFeed PgmqFeed;

/* Set when a feeding has passed over messages that others have locked. */
extern bool pgmq_feed_passed;

extern int64 pgmq_feed(const PgmqQueue *queue, PgmqStream *stream, int64 wanted,
					   bool in_order, PgmqLease *lease);
extern bool pgmq_feed_late(const PgmqQueue *queue, const PgmqStream *stream, int64 *upto);
extern bool pgmq_feed_pass(const PgmqQueue *queue, const PgmqStream *stream, int64 msg_id);
extern void pgmq_feed_check_stream(const PgmqQueue *queue, const PgmqStream *stream);
extern void pgmq_feed_begin_at(const PgmqQueue *queue, const PgmqStream *stream, int64 first);
extern void pgmq_feed_begin_now(const PgmqQueue *queue, const PgmqStream *stream);

extern int64 pgmq_feed_finished(const PgmqQueue *queue, const PgmqStream *stream);
extern int	pgmq_feed_leave_busy(const PgmqQueue *queue, const PgmqStream *stream, int64 *ids, int n);
extern int64 pgmq_feed_count_unfed(const PgmqQueue *queue, const PgmqStream *stream,
								   const int64 *ids, int n);
extern void pgmq_feed_count(const PgmqQueue *queue, const PgmqStream *stream, TimestampTz now,
							PgmqUnfed *unfed);

/* ---- filter.c: subscriptions that take only some messages ---- */
extern void pgmq_filter_option(const char *option, const JsonbValue *value, void *state);

/* ---- retain.c: removing the oldest messages of a stream ---- */
/* The limits of what a stream keeps; 0 and false stand for none. */
typedef struct PgmqRetention
{
	double		age;			/* seconds */
	double		count;			/* messages */
	double		bytes;
	bool		consumed;		/* what all subscriptions have finished */
} PgmqRetention;

extern bool pgmq_retain(const PgmqQueue *queue, const PgmqRetention *retention,
						int64 limit, int64 *rows);

/* ---- batch.c: one reference to many messages ---- */
/* What the batches of a subscription have. */
typedef struct PgmqBatchCount
{
	int64		rows;
	int64		more;			/* messages beyond one for each row */
	int64		more_due;		/* of those that can be read */
	TimestampTz newest;			/* when the last message was sent */
} PgmqBatchCount;

extern void pgmq_batches_split(const PgmqQueue *queue, const PgmqIdArg *ids, int nids, bool wait);
extern bool pgmq_batches_split_all(const PgmqQueue *queue, PgmqStream *stream, TimestampTz until);
extern bool pgmq_batches_hinder(const PgmqQueue *queue);
extern void pgmq_batches_expired(const PgmqQueue *queue, PgmqStream *stream, List *rows);
extern void pgmq_batches_count(const PgmqQueue *queue, TimestampTz now, PgmqBatchCount *count);
extern void pgmq_batches_list(const PgmqQueue *queue, int64 from, PgmqArg *arrays);
extern int64 pgmq_batches_first(const PgmqQueue *queue);
extern void pgmq_batches_hold(const PgmqQueue *queue, const PgmqIdArg *ids, int nids, bool *held);
extern int	pgmq_batches_ack(const PgmqQueue *queue, PgmqIdArg *ids, int nids, bool fenced, PgmqRows *rows);

/* ---- take.c: reads of subscriptions ---- */
extern void pgmq_stream_note_missing(const PgmqQueue *queue, const PgmqStream *stream, const int64 *ids, int n);
extern bool pgmq_take_more(const PgmqQueue *queue, PgmqStream *stream, PgmqRows *rows,
						   int64 wanted, bool in_order, PgmqLease *lease);

#endif							/* PGMQ_STREAM_H */
