/*-------------------------------------------------------------------------
 *
 * duemap.h
 *	  When what can be read: the due map, what a backend and a transaction know
 *	  of it, and which ids a read looks at.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/duemap/duemap.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_DUEMAP_H
#define PGMQ_DUEMAP_H

#include "common/common.h"
#include "wait/wait.h"

/* ---- ddl.c: statements that change what a queue is ---- */
extern void pgmq_ddl_init(void);

/* ---- tree.c: a time for every message id ---- */
extern void pgmq_tree_init(void *memory, Size size, int tranche);
extern void pgmq_tree_attach(void *memory);

/* Ids fall into blocks of this many bits. */
#define PGMQ_BLOCK_BITS		6
#define PGMQ_BLOCK_FIRST(id)	((int64) ((uint64) (id) & ~((UINT64CONST(1) << PGMQ_BLOCK_BITS) - 1)))

/* A piece of a tree that was due, from which a look begins. */
typedef struct PgmqDue
{
	int64		lo;
	int64		hi;
	uint64		version;
} PgmqDue;

/* ---- map.c: when is each block of ids next readable? ---- */
typedef struct PgmqMap PgmqMap;

/* A backend's way to a queue's map. */
typedef struct PgmqMapRef
{
	PgmqMap    *map;			/* NULL: has none */
	uint64		generation;		/* of the slot */
	uint64		identity;		/* of what it was when attached */
} PgmqMapRef;

/* What an operator wants to know of a map. */
typedef struct PgmqMapStatus
{
	bool		usable;
	bool		prepared;		/* not usable for prepared transactions */
	int64		pieces;
	int64		bytes;
	TimestampTz next_due;
	int64		net_finds;
} PgmqMapStatus;

/* Nothing in the block of this id can be read before due. */
typedef struct PgmqMin
{
	int64		id;
	TimestampTz due;
} PgmqMin;

extern void pgmq_directory_init(void *memory, Size size, int tranche);
extern void pgmq_directory_attach(void *memory);
extern bool pgmq_map_is_current(PgmqMapRef ref);
extern PgmqMapRef pgmq_map_search(Oid relid, uint64 identity);
extern PgmqMapRef pgmq_map_attach(Oid relid, uint64 identity);
extern int	pgmq_map_find(PgmqMapRef ref, TimestampTz now, int64 from,
						  PgmqDue *dues, int max);
extern uint32 pgmq_map_enter(PgmqMapRef ref);
extern void pgmq_map_leave(void);
extern bool pgmq_map_has_open_prepared(PgmqMapRef ref);
extern TimestampTz pgmq_map_next_due(PgmqMapRef ref);
extern TimestampTz pgmq_map_due_after(PgmqMapRef ref, TimestampTz after);
extern bool pgmq_map_status(Oid relid, uint64 identity,
							PgmqMapStatus *status);
extern void pgmq_map_announce(PgmqMapRef ref, Oid relid, int64 lo, int64 hi,
							  TimestampTz due);
extern void pgmq_map_raise(PgmqMapRef ref, const PgmqDue *due, int64 upto,
						   const PgmqMin *mins, int nmins);
extern void pgmq_map_prepare(PgmqMapRef ref, Oid relid, TransactionId xid);
extern bool pgmq_map_must_list(PgmqMapRef ref);
extern void pgmq_map_list(PgmqMapRef ref, TransactionId prepared);
extern void pgmq_map_drop(Oid relid);
extern bool pgmq_map_net_claim(PgmqMapRef ref, TimestampTz now, int64 *from);
extern bool pgmq_map_hides(PgmqMapRef ref, int64 id, TimestampTz now);
extern void pgmq_map_net_done(PgmqMapRef ref, TimestampTz now, int64 elapsed,
							  int64 finds, int64 next);

/* ---- identity.c: of what a map is a map ---- */
/* The trigger function on every queue table. */
#define PGMQ_ANNOUNCE_FUNCTION	"_announce"

/* DDL to make it, and to have it fire always; %s is the queue table. */
#define PGMQ_ANNOUNCE_SQL \
	"CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON %s" \
	" FOR EACH ROW EXECUTE FUNCTION pgmq._announce()"
#define PGMQ_ANNOUNCE_ALWAYS_SQL \
	"ALTER TABLE %s ENABLE ALWAYS TRIGGER pgmq_announce"

extern uint64 pgmq_identity(List *tables);

/* ---- twice.c: no id twice in a queue that is partitioned by time ---- */
extern void pgmq_twice_check(Relation part, Oid queue, int64 id, ItemPointer self);

/* ---- local.c: queues as this backend knows them ---- */
/* Ranges that a transaction remembers of a queue before it merges them. */
#define PGMQ_MAX_TOUCHES	8

/* A range of ids in which a transaction made something readable. */
typedef struct PgmqTouch
{
	int64		lo;
	int64		hi;
	TimestampTz due;			/* the least in the range */
} PgmqTouch;

/* A queue; below identity and map is what xact.c knows of it. */
typedef struct PgmqLocal
{
	Oid			relid;			/* hash key: the queue table */
	bool		valid;			/* identity and map are up to date */
	uint64		marks;			/* how often the relcache marked it */
	uint64		identity;		/* 0: not all in it is announced, so no map */
	PgmqMapRef	map;

	uint64		pending_round;	/* the round of raises that has some of it: */
	struct PgmqPending **pending;	/* by id */
	int			npending;
	int			max_pending;
	int			ntouches;		/* in this transaction */
	PgmqTouch	touches[PGMQ_MAX_TOUCHES];
	int			wake;			/* PgmqWake: whom else to wake at its commit */
	bool		gone;			/* dropped, if this transaction commits */
	slist_node	touched;		/* in its list if there is any of these */
} PgmqLocal;

/* A table whose rows our trigger sees: the queue table, or a partition. */
typedef struct PgmqLocalTable
{
	Oid			relid;			/* hash key */
	Oid			queue;			/* the queue table */
	bool		is_queue;		/* as far as known: beside our function */
	AttrNumber	msg_id;
	AttrNumber	vt;
	bool		valid;
} PgmqLocalTable;

extern PgmqLocal *pgmq_local(Oid relid);
extern PgmqLocal *pgmq_local_known(Oid relid);
extern PgmqLocal *pgmq_local_announced(const PgmqLocalTable *table);
extern PgmqMapRef pgmq_local_map(const PgmqLocal *local);
extern const PgmqLocalTable *pgmq_local_table(Relation rel, Oid function);
extern void pgmq_local_inval(Datum arg, Oid relid);
extern void pgmq_local_sweep(void);

/* ---- xact.c: what this transaction touched ---- */
extern bool pgmq_xact_may_raise(const PgmqLocal *local, int64 lo);
extern int	pgmq_xact_leave_out(const PgmqLocal *local, TimestampTz now,
								PgmqDue *dues, int n);
extern void pgmq_xact_raise(PgmqLocal *local, PgmqMapRef map,
							const PgmqDue *due, int64 upto,
							const PgmqMin *mins, int nmins);
extern void pgmq_xact_wake(Oid relid, PgmqWake whom);
extern void pgmq_xact_wake_database(void);
extern void pgmq_xact_drop(Oid relid);
extern void pgmq_xact_end(XactEvent event, void *arg);
extern void pgmq_xact_release(ResourceReleasePhase phase, bool is_commit,
							  bool is_top, void *arg);
extern void pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
							 SubTransactionId parent, void *arg);

/* ---- scan.c: which ids a read looks at ---- */
/* Whether a range is all ids. */
#define PGMQ_ALL_IDS(lo, hi)	((lo) == PG_INT64_MIN && (hi) == PG_INT64_MAX)

/*
 * Takes up to qty messages with ids from lo to hi that are readable at now,
 * oldest first.  Returns how many, and the largest id among them.
 */
typedef uint64 (*PgmqTakeRangeFn) (void *state, TimestampTz now,
								   int64 lo, int64 hi, int64 qty, int64 *last);

extern bool pgmq_use_due_map;
extern bool pgmq_look_is_idle(const PgmqQueue *queue, TimestampTz now);
extern void pgmq_look_only(const PgmqQueue *queue, TimestampTz now);
extern uint64 pgmq_look(const PgmqQueue *queue, TimestampTz now, int64 qty,
						bool filtered, PgmqTakeRangeFn take, void *state);

#endif							/* PGMQ_DUEMAP_H */
