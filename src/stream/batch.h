/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  What a batch says, for batch.c and batch_json.c.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_BATCH_H
#define PGMQ_BATCH_H

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "spi/spi.h"
#include "stream/feed.h"

/* The msg_id of a batch, by its first id. */
#define BATCH_KEY(first)	(PG_INT64_MIN + (first))
#define BATCH_FIRST_MAX		(PGMQ_BATCH_FIRST(PGMQ_BATCH_END) - 1)

/* Ids of a batch are less than so many apart. */
#define SPAN			(WINDOW_MAX * 64)

/* More ranges are more than the references that they replace. */
#define RANGES_MAX		16

/* Some consecutive ids. */
typedef struct IdRange
{
	int64		lo;
	int64		hi;
} IdRange;

/* A batch as it is stored. */
typedef struct Batch
{
	int64		key;
	int32		read_ct;
	TimestampTz vt;
	TimestampTz last_read;
	TimestampTz enqueued[2];	/* the first and the last message */
	int			count;			/* messages */
	int			nranges;
	IdRange		ranges[RANGES_MAX];
} Batch;

/* ---- batch_json.c: what a batch says ---- */
extern Jsonb *pgmq_batch_json(const Batch *batch);
extern bool pgmq_batch_parse(Batch *batch, int64 key, Jsonb *json);
extern bool pgmq_batch_has_times(const Batch *batch);
extern bool pgmq_batch_has(const Batch *batch, int64 id);
extern int64 pgmq_batch_last(const Batch *batch);

#endif							/* PGMQ_BATCH_H */
