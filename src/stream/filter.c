/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Subscriptions that take only some messages of their stream.
 *
 * A filter is a JSON object: what a body contains (message), what headers contain
 * (headers), and a pattern of topics.  The statement that makes references asks
 * for the first two; patterns are matched by the code that matches bindings.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stream/filter.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/builtins.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "stream/feed.h"

/* Refuse a pattern that cannot be bound, and one of alternate queues.  Errors: P0001, 22023. */
static void
check_pattern(text *pattern)
{
	text	   *rest;

	if (pgmq_topic_kind(pattern, &rest) == PGMQ_TOPIC_ALTERNATE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a filter cannot have the pattern of an alternate queue"),
				 errdetail("The pattern is \"%s\".", text_to_cstring(pattern))));
	(void) pgmq_topic_check_pattern(pattern);
}

/* Check one condition of a filter, an option of create_subscription.  Errors: 22023, P0001. */
void
pgmq_filter_option(const char *option, const JsonbValue *value, void *state)
{
	if (strcmp(option, "message") == 0 || strcmp(option, "headers") == 0)
	{
		if (value->type != jbvBinary)
			pgmq_option_invalid(option, "an object or an array, as for the operator @>");
		return;
	}
	if (strcmp(option, "pattern") == 0)
	{
		if (value->type != jbvString)
			pgmq_option_invalid(option, "a text");
		check_pattern(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown condition \"%s\" in a filter", option),
			 errhint("The conditions are: message, headers, pattern.")));
}

static int
id_cmp(const void *a, const void *b)
{
	int64		ia = *(const int64 *) a;
	int64		ib = *(const int64 *) b;

	return (ia > ib) - (ia < ib);
}

/* Remove from ids those that are in except, which is in order. */
static void
remove_ids(Ids *ids, const int64 *except, int nexcept)
{
	int			n = 0;

	for (int i = 0; i < ids->n; i++)
		if (bsearch(&ids->ids[i], except, nexcept, sizeof(int64), id_cmp) == NULL)
			ids->ids[n++] = ids->ids[i];
	ids->n = n;
}

/* Messages of a stream, and those of them that a pattern takes. */
typedef struct Sifted
{
	Ids		   *stored;
	Ids			taken;
	text	   *pattern;		/* NULL: it takes all */
} Sifted;

/* Row function: (msg_id, headers). */
static void
row_sift(TupleTableSlot *slot, void *state)
{
	Sifted	   *sifted = state;
	bool		isnull;
	Datum		headers;

	pgmq_stream_row_id(slot, sifted->stored);
	headers = sifted->pattern == NULL ? (Datum) 0 : slot_getattr(slot, 2, &isnull);
	if (sifted->pattern == NULL ||
		pgmq_topic_takes_stored(sifted->pattern, isnull ? NULL : DatumGetJsonbP(headers)))
		pgmq_stream_row_id(slot, &sifted->taken);
}

/*
 * Insert references to the messages of a range of ids that a filter takes, but for
 * those in except, which is in order.  All the others count as given out, too.
 * Returns how many references.
 */
int64
pgmq_feed_filtered(PgmqFeed *feed, int64 lo, int64 hi, const int64 *except, int nexcept)
{
	const PgmqStream *stream = feed->stream;
	PgmqArg		range[] = {
		PGMQ_ARG(Int64GetDatum(lo)), PGMQ_ARG(Int64GetDatum(hi)),
		PGMQ_ARG(Int64GetDatum(hi - lo + 1))
	};
	PgmqArg		args[] = {
		PGMQ_ARG_NULL,
		stream->message == NULL ? PGMQ_ARG_NULL : PGMQ_ARG(JsonbPGetDatum(stream->message)),
		stream->headers == NULL ? PGMQ_ARG_NULL : PGMQ_ARG(JsonbPGetDatum(stream->headers)),
		PGMQ_ARG(Int32GetDatum(stream->read_base))
	};
	Sifted		sifted = {
		.stored = &feed->given,.taken.context = feed->context,.pattern = stream->pattern
	};

	pgmq_exec_each(feed->queue, PGMQ_STMT_STORED, range, row_sift, &sifted);
	remove_ids(&feed->given, except, nexcept);
	remove_ids(&sifted.taken, except, nexcept);
	args[0] = pgmq_int8_array(sifted.taken.ids, sifted.taken.n);
	return sifted.taken.n == 0 ? 0 : (int64) pgmq_exec(feed->queue, PGMQ_STMT_FEED_IDS, args);
}
