/*-------------------------------------------------------------------------
 *
 * engine.h
 *	  The rooms of the engine: which ids a read looks at, by the due map.
 *
 * Like pgmq.h, of which it is the lower floor, it groups the prototypes by
 * the file that defines them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/engine.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_ENGINE_H
#define PGMQ_ENGINE_H

#include "utils/guc.h"

#include "pgmq.h"

/* ---- shmem.c: the one piece of shared memory ---- */

/*
 * A part of the shared memory.  size: how much it takes, or NULL, and then it
 * takes one of so many shares of what is left for it and those after it.
 */
typedef struct PgmqShmemPart
{
	Size		(*size) (void);
	int			shares;
	void		(*init) (void *memory, Size size, int tranche);
	void		(*attach) (void *memory);
} PgmqShmemPart;

extern void pgmq_shmem_init(const PgmqShmemPart *parts, int nparts);
extern bool pgmq_shmem_too_late(const char *setting, GucSource source, bool *told);
extern bool pgmq_shmem_attach(void);
extern bool pgmq_shmem_usable(void);
extern void pgmq_shmem_retry(void);

/* ---- duetree.c: a time for every message id ---- */

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

/* ---- duemap.c: when is each block of ids next readable? ---- */

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
}			PgmqTouch;

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
}			PgmqLocalTable;

extern PgmqLocal *pgmq_local(Oid relid);
extern PgmqLocal *pgmq_local_known(Oid relid);
extern PgmqLocal *pgmq_local_announced(const PgmqLocalTable * table);
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

/* ---- look.c: which ids a read looks at ---- */

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

/* ---- waiter.c: a backend's places in the lists of those who wait ---- */

/* By what a sleep was ended. */
typedef struct PgmqTold
{
	bool		watched;		/* it had the watch */
	bool		woken;			/* a token, not used or passed on yet */
	bool		due;			/* its watch: something is due by now */
	TimestampTz watch;			/* something else will be due then, if not
								 * NEVER */
} PgmqTold;

extern int	pgmq_waiter_begin(int n, int *nplaces);
extern Oid	pgmq_waiter_queue(int place);
extern bool pgmq_waiter_enter(int place, Oid relid, bool grouped, PgmqTold *told);
extern void pgmq_waiter_hand_over(Oid relid, TimestampTz due);
extern bool pgmq_waiter_rest(int place, bool *is_first, bool *again);
extern bool pgmq_waiter_watch(int place, TimestampTz due);
extern bool pgmq_waiter_sleeps_on(int place, TimestampTz *watch);
extern void pgmq_waiter_pass_on(int place, bool to_first);
extern void pgmq_waiter_leave(int place);

#endif							/* PGMQ_ENGINE_H */
