/*-------------------------------------------------------------------------
 *
 * check.c
 *	  The full check of a due map against its table.
 *
 * Now and then a read checks the map: it reads a part of the table without the
 * map, and the next check continues after that part.  It is a bug when the
 * check finds a readable message that the map hides; it is logged and counted.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "duemap/duemap.h"

/* How many messages one full check reads. */
#define CHECK_ROWS		10000

/* How long a full check waits for a committed sender to announce (ms). */
#define CHECK_PATIENCE_MS	1000

/* The findings of a full check. */
typedef struct Check
{
	PgmqMapRef	map;
	TimestampTz now;
	int64		rows;			/* messages that it has read */
	int64		last;			/* id of the last one */
	int64		nhidden;		/* readable messages that the map hides */
	int64		hidden;			/* id of the first of these */
} Check;

/* Row function: (msg_id, vt), in msg_id order. */
static void
row_check(TupleTableSlot *slot, void *state)
{
	Check	   *check = state;

	slot_getallattrs(slot);
	check->rows++;
	check->last = DatumGetInt64(slot->tts_values[0]);
	if (DatumGetTimestampTz(slot->tts_values[1]) <= check->now &&
		pgmq_map_hides(check->map, check->last, check->now) &&
		check->nhidden++ == 0)
		check->hidden = check->last;
}

/*
 * Check whether the map hides anything readable in the part of the table that
 * begins with an id.  If it does, the map is made unknown, so that the read
 * that follows finds the message.  Errors are those of statements.
 */
void
pgmq_check_map(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now, int64 from)
{
	Check		check = {.map = map,.now = now};
	PgmqArg		args[] = {
		PGMQ_ARG(Int64GetDatum(from)),
		PGMQ_ARG(Int64GetDatum(CHECK_ROWS))
	};
	bool		at_end;

	pgmq_exec_each(queue, PGMQ_STMT_CHECK, args, row_check, &check);
	at_end = check.rows < CHECK_ROWS || check.last == PG_INT64_MAX;

	/*
	 * One hidden message is enough to be sure.  Since the snapshot it may
	 * have been taken and its block advanced, or its sender committed just
	 * now and is about to announce it.
	 */
	for (int waited = 0; check.nhidden > 0 && waited < CHECK_PATIENCE_MS; waited++)
	{
		PgmqArg		again[] = {
			PGMQ_ARG(TimestampTzGetDatum(now)),
			PGMQ_ARG(Int64GetDatum(check.hidden)),
			PGMQ_ARG(Int64GetDatum(check.hidden))
		};
		int64		id;

		if (!pgmq_map_hides(map, check.hidden, now) ||
			!pgmq_exec_int8(queue, PGMQ_STMT_FIRST_READABLE, again, &id))
			check.nhidden = 0;
		else
			pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	if (check.nhidden > 0)
		ereport(LOG,
				(errmsg("due map of queue \"%s\" had hidden message %lld",
						PGMQ_QUEUE_BASE(queue), (long long) check.hidden),
				 errdetail("The map had hidden %lld of %lld checked messages.",
						   (long long) check.nhidden, (long long) check.rows)));
	pgmq_map_check_done(map, now, GetCurrentTimestamp() - now, check.nhidden,
						at_end ? PG_INT64_MIN : check.last + 1);
}
