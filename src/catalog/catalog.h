/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Queues come and go: what a queue is made of, partitions, conversion,
 *	  grants, and the list of queues.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/catalog.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_CATALOG_H
#define PGMQ_CATALOG_H

#include "common/common.h"

/* The kinds of queue. */
typedef enum PgmqKind
{
	PGMQ_KIND_LOGGED,
	PGMQ_KIND_UNLOGGED,
	PGMQ_KIND_PARTITIONED
} PgmqKind;

/* How a table is to be partitioned; see pgmq_partman_manage. */
typedef struct PgmqPartitions
{
	const char *column;			/* partitioned by this */
	PgmqArg		interval;		/* texts, as pg_partman takes them */
	PgmqArg		retention;
	PgmqArg		start;			/* first value; NULL: where the data begins */
	int			premake;		/* how many partitions to have ahead */
} PgmqPartitions;

/* ---- sequence.c: the sequence of a queue's ids; InvalidOid for none ---- */
extern int64 pgmq_queue_last_id(Oid relid);
extern Oid	pgmq_sequence_free(const PgmqQueue *queue);
extern void pgmq_sequence_drop(Oid sequence);

/*
 * ---- meta.c: the rows of pgmq.meta ----
 *
 * They run with the caller's rights to meta (42501), but for pgmq_meta_key.
 * Names are palloc'd in the caller's memory context.
 */
extern text *pgmq_meta_name(text *queue_name);
extern text *pgmq_meta_key(const PgmqQueue *queue);
extern bool pgmq_meta_find(const PgmqQueue *queue, PgmqKind *kind);
extern void pgmq_meta_put(const PgmqQueue *queue, text *queue_name,
						  PgmqKind kind);
extern void pgmq_meta_forget(const PgmqQueue *queue);
extern List *pgmq_meta_names(void);

/* ---- each.c: doing something with every queue ---- */
/* Does it with one queue; true if it did or found something. */
typedef bool (*PgmqEachFn) (text *queue_name, void *state);

extern List *pgmq_each_names(PgmqNeed need);
extern bool pgmq_each_try(text *queue_name, PgmqEachFn fn, void *state, bool keep);

/*
 * ---- layout.c: what a queue is made of ----
 *
 * base is the part of a queue's relation names that is its own, in lower case
 * and unquoted; a table is given quoted and qualified.
 */
extern char *pgmq_layout_name(const char *prefix, const char *base,
							  const char *suffix);
extern PgmqKind pgmq_layout_kind(Oid relid);
extern bool pgmq_layout_draws_ids(Oid relid);
extern bool pgmq_layout_begin(PgmqQueue *queue, text *queue_name, PgmqKind kind);
extern void pgmq_layout_finish(const PgmqQueue *queue, text *queue_name,
							   PgmqKind kind);
extern void pgmq_layout_create_queue(const char *base, PgmqKind kind);
extern void pgmq_layout_create_queue_partitioned(const char *base,
												 const char *column);
extern void pgmq_layout_create_archive(const char *base, const char *column);
extern Oid	pgmq_layout_group_index(const PgmqQueue *queue);
extern bool pgmq_layout_create_fifo_index(const PgmqQueue *queue);
extern bool pgmq_layout_has_priorities(const PgmqQueue *queue, bool wanted);
extern void pgmq_layout_set_priorities(const PgmqQueue *queue, bool wanted);
extern void pgmq_layout_set_storage(const char *table);
extern void pgmq_layout_grant_archive(const char *base);
extern void pgmq_layout_announce(const char *base);

/* How a queue table is stored; layout.c says why. */
#define PGMQ_QUEUE_OPTIONS \
	"fillfactor=50, toast_tuple_target=128," \
	" autovacuum_vacuum_threshold=1000," \
	" autovacuum_vacuum_scale_factor=0.02," \
	" autovacuum_vacuum_cost_delay=1," \
	" autovacuum_analyze_threshold=100000," \
	" autovacuum_analyze_scale_factor=1"
#define PGMQ_QUEUE_TOAST_OPTIONS \
	"toast.autovacuum_vacuum_threshold=1000," \
	" toast.autovacuum_vacuum_scale_factor=0.02," \
	" toast.autovacuum_vacuum_cost_delay=1"

/* ---- subscribe.c: streams and subscriptions ---- */
struct PgmqStream;
extern int64 pgmq_subscription_purge(const PgmqQueue *queue, struct PgmqStream *stream);
extern void pgmq_stream_drop(const PgmqQueue *queue);
extern void pgmq_queue_lock_own(PgmqQueue *queue, text *queue_name);
extern void pgmq_stream_put(const PgmqQueue *queue);
extern void pgmq_subscription_put(const PgmqQueue *queue, Oid stream, PgmqArg filter);

/* ---- bounds.c: where partitions end ---- */
typedef struct PgmqBounds
{
	char		column[NAMEDATALEN];	/* partitioned by this; "": by an
										 * expression, or by several columns */
	bool		by_time;
	bool		ends;			/* the last partition has an end, */
	int64		end;			/* a msg_id or a TimestampTz */
	int			ahead;			/* partitions that begin after a position */
	int			partitions;		/* with the default one */
} PgmqBounds;

#define PGMQ_NO_DEFAULT			(-1)
#define PGMQ_DEFAULT_LOCKED		(-2)

extern bool pgmq_bounds_find(Oid relid, int64 last_id, PgmqBounds *bounds);
extern int64 pgmq_bounds_default_rows(Oid relid);

/*
 * ---- partman.c: the only file that knows pg_partman ----
 *
 * relname is a table's name, unqualified and unquoted.  P0001 when pg_partman is
 * not installed, or refuses.
 */
extern void pgmq_partman_require(void);
extern void pgmq_partman_manage(const char *relname, const PgmqPartitions *plan);
extern char *pgmq_partman_template(const char *relname);
extern void pgmq_partman_forget(const char *relname);
extern void pgmq_partman_clean(const char *relname);

#endif							/* PGMQ_CATALOG_H */
