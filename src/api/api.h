/*-------------------------------------------------------------------------
 *
 * api.h
 *	  Declarations that the SQL functions share.
 *
 * The files of this folder are named by verbs.  Only functions that another
 * file of the folder calls are declared here; each says its contract where it
 * is defined.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/api.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_API_H
#define PGMQ_API_H

#include "utils/timestamp.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stats/stats.h"

/*
 * One attempt of a read that may wait.  Zero: it took nothing, and changed
 * nothing that is to be committed first.
 */
typedef uint64 (*PgmqTakeFn) (void *state);

/*
 * ---- read.c: reading messages ----
 *
 * Reads up to qty messages of an open queue into rows, and returns their
 * number.  Sets *ended if a wait ends though that is 0.
 */
extern uint64 pgmq_read_queue(const PgmqQueue *queue, PgmqArg vt, int64 qty,
							  PgmqRows *rows, bool *ended);

/* ---- ack.c: acknowledging messages ---- */
extern void pgmq_ack_batch(const PgmqQueue *queue, PgmqStmtId id, FunctionCallInfo fcinfo,
						   PgmqRows *rows);
extern int	pgmq_ack_fenced(const PgmqQueue *queue, PgmqStmtId id,
							PgmqIdArg *ids, int nids, PgmqRows *rows);

/*
 * ---- argument_text.c: the text of an argument that has no type ----
 *
 * These replace arguments of call, which must be a copy of the caller's call.
 * Errors: 22023 for a time or headers, 22P02 for an id.
 */
typedef enum PgmqMeaning
{
	PGMQ_MEANS_NOTHING,			/* it is NULL */
	PGMQ_MEANS_TIME,
	PGMQ_MEANS_HEADERS
} PgmqMeaning;

extern void pgmq_call_set(FunctionCallInfo call, int argno, Datum value);
extern PgmqMeaning pgmq_call_meaning(FunctionCallInfo call, int argno,
									 const char *what, Oid headers_type);
extern void pgmq_call_interval(FunctionCallInfo call, int argno);
extern void pgmq_call_input(FunctionCallInfo call, int argno, Oid type);
extern bool pgmq_call_ids(FunctionCallInfo call);

/* ---- the forms of the verbs that untyped.c calls ---- */
extern PGDLLEXPORT Datum pgmq_send(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_headers(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_send_batch_topic_headers_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_delete(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_delete_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_archive(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_archive_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_fenced_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_set_vt_batch_fenced_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_delay(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_nack_error(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_release_at(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_dead_letter(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_dead_letter_fenced(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_unarchive(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum pgmq_unarchive_batch(PG_FUNCTION_ARGS);

/* ---- topic.c: a setting ---- */
/* The treatment of a message that no binding takes; values of the setting. */
typedef enum PgmqUnroutable
{
	PGMQ_UNROUTABLE_IGNORE,
	PGMQ_UNROUTABLE_ERROR
} PgmqUnroutable;

extern int	pgmq_unroutable;

/* ---- notify.c: LISTEN/NOTIFY, and what notify_setup.c shares with it ---- */

/* The trigger function, and the table of intervals, both in schema pgmq. */
#define PGMQ_NOTIFY_FUNCTION	"notify_queue_listeners"
#define PGMQ_NOTIFY_TABLE		"notify_insert_throttle"

extern void pgmq_notify_xact(XactEvent event, void *arg);
extern void pgmq_notify_subxact(SubXactEvent event, SubTransactionId subid,
								SubTransactionId parent, void *arg);

/* ---- status.c: showing the state of queues ---- */
/* The state of a queue in shared memory. */
typedef struct PgmqEngine
{
	const char *due_map;		/* whether reads use it, and why not */
	int64		pieces;
	int64		bytes;
	bool		is_due;			/* a message will be readable */
	TimestampTz next_due;
	int			waiting;		/* sessions */
	int64		net_finds;
} PgmqEngine;

extern bool pgmq_queue_to_show(text *name, PgmqQueue *queue);
extern void pgmq_engine_look(const PgmqQueue *queue, PgmqEngine *engine);

/* ---- queue_stats.c: showing what was counted ---- */
/* The state that all queues shown have in common. */
typedef struct PgmqCounting
{
	const char *off;			/* why no queue counts; NULL if they do */
	int			unused;			/* slots that are not in use */
	TimestampTz since;			/* queues without a slot have counted nothing */
} PgmqCounting;

extern void pgmq_counting_begin(PgmqCounting *counting);
extern const char *pgmq_counting_look(const PgmqCounting *counting, Oid relid,
									  PgmqQueueStats *kept);

/* Fill in a time that may be 0, for none. */
static inline void
pgmq_put_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	values[column] = TimestampTzGetDatum(time);
	nulls[column] = time == 0;
}

/* ---- poll.c: blocked readers ---- */
/* Kinds of waits. */
typedef enum PgmqPollFlags
{
	PGMQ_POLL_GROUPED = 1 << 0, /* removing a message may make another one
								 * readable */
	PGMQ_POLL_FREE = 1 << 1		/* it holds no lock and no snapshot between
								 * two attempts */
} PgmqPollFlags;

extern void pgmq_poll(const PgmqQueue *queues, int nqueues, int flags,
					  PgmqTakeFn take, void *state,
					  PgmqArg max_seconds, PgmqArg interval_ms);

#endif							/* PGMQ_API_H */
