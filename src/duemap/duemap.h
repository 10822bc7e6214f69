/*-------------------------------------------------------------------------
 *
 * duemap.h
 *	  When messages can be read: the due map, what a backend caches and a
 *	  transaction remembers of it, and which ids a read looks at.
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

/*
 * Functions that are marked "for callbacks" may be called when a transaction
 * ends: they raise no error and allocate nothing.  Of the others each comment
 * says which errors it raises, besides those of the system caches and of
 * running out of memory.
 */

/* ---- ddl.c: statements that change what a queue is ---- */
extern void pgmq_ddl_init(void);

/* ---- tree.c: a due time for every message id ---- */
extern void pgmq_tree_init(void *memory, Size size, int tranche);
extern void pgmq_tree_attach(void *memory);

/* Ids are divided into blocks of 2^PGMQ_BLOCK_BITS. */
#define PGMQ_BLOCK_BITS		6
#define PGMQ_BLOCK_FIRST(id)	((int64) ((uint64) (id) & ~((UINT64CONST(1) << PGMQ_BLOCK_BITS) - 1)))

/* A range of ids that is due, and its version in the tree when it was found. */
typedef struct PgmqRange
{
	int64		lo;
	int64		hi;
	uint64		version;
} PgmqRange;

/* ---- map.c, directory.c: when is each block of ids next readable? ---- */
typedef struct PgmqMap PgmqMap;

/* A backend's reference to a queue's map. */
typedef struct PgmqMapRef
{
	PgmqMap    *map;			/* NULL: it has none */
	uint64		generation;		/* of the slot */
	uint64		identity;		/* of the queue, when the reference was made */
} PgmqMapRef;

/* The columns that engine_status shows of a map. */
typedef struct PgmqMapStatus
{
	bool		usable;
	bool		prepared;		/* not usable for a prepared transaction */
	int64		pieces;			/* ranges with a due time of their own */
	int64		bytes;
	TimestampTz next_due;
	int64		check_finds;	/* messages that full checks found hidden */
} PgmqMapStatus;

/* Nothing in the block of this id can be read before due. */
typedef struct PgmqMin
{
	int64		id;
	TimestampTz due;
} PgmqMin;

/* The use of the memory for maps by all databases; see memory_status. */
typedef struct PgmqMemory
{
	int			maps_used;
	int			maps_total;
	uint64		evictions;
	int			nodes_used;
	int			nodes_total;
	Size		node_bytes;
	uint64		merges;
} PgmqMemory;

extern void pgmq_directory_memory(PgmqMemory *memory);
extern void pgmq_tree_memory(PgmqMemory *memory);

/* The directory: callers hold no lock of a map. */
extern void pgmq_directory_init(void *memory, Size size, int tranche);
extern void pgmq_directory_attach(void *memory);
extern PgmqMapRef pgmq_directory_find(Oid relid, uint64 identity);
extern PgmqMapRef pgmq_directory_make(Oid relid, uint64 identity);
extern void pgmq_directory_drop(Oid relid);

/* Questions to a map. None of these raises an error. */
extern bool pgmq_map_is_current(PgmqMapRef ref);
extern int	pgmq_map_find(PgmqMapRef ref, TimestampTz now, int64 from,
						  PgmqRange *ranges, int max);
extern TimestampTz pgmq_map_next_due(PgmqMapRef ref);
extern TimestampTz pgmq_map_due_after(PgmqMapRef ref, TimestampTz after);
extern bool pgmq_map_hides(PgmqMapRef ref, int64 id, TimestampTz now);
extern bool pgmq_map_status(Oid relid, uint64 identity,
							PgmqMapStatus *status);

/* Changes of a map; all for callbacks. */
extern void pgmq_map_announce(PgmqMapRef ref, Oid relid, int64 lo, int64 hi,
							  TimestampTz due);
extern void pgmq_map_advance(PgmqMapRef ref, const PgmqRange *range, int64 upto,
							 const PgmqMin *mins, int nmins);

/* Concurrent readers of a map; all for callbacks. */
extern uint32 pgmq_map_enter(PgmqMapRef ref);
extern void pgmq_map_leave(void);

/*
 * Prepared transactions.  Only pgmq_map_prepare is for callbacks: the others may
 * ask whether a transaction is in progress, which allocates memory.
 */
extern bool pgmq_map_has_open_prepared(PgmqMapRef ref);
extern void pgmq_map_prepare(PgmqMapRef ref, Oid relid, TransactionId xid);
extern bool pgmq_map_must_list(PgmqMapRef ref);
extern void pgmq_map_list(PgmqMapRef ref, TransactionId prepared);

/* The full check; all for callbacks. */
extern bool pgmq_map_check_claim(PgmqMapRef ref, TimestampTz now, int64 *from);
extern void pgmq_map_check_done(PgmqMapRef ref, TimestampTz now, int64 elapsed,
								int64 finds, int64 next);

/* ---- identity.c: which state of a queue a map describes ---- */
/* The trigger function on every queue table. */
#define PGMQ_ANNOUNCE_FUNCTION	"_announce"

/* DDL to make the trigger, and to have it fire always; %s is the queue table. */
#define PGMQ_ANNOUNCE_SQL \
	"CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON %s" \
	" FOR EACH ROW EXECUTE FUNCTION pgmq._announce()"
#define PGMQ_ANNOUNCE_ALWAYS_SQL \
	"ALTER TABLE %s ENABLE ALWAYS TRIGGER pgmq_announce"

extern uint64 pgmq_identity(List *tables);

/* ---- twice.c: no id twice in a queue that is partitioned by time ---- */
extern void pgmq_twice_check(Relation part, Oid queue, int64 id, ItemPointer self);

/* ---- local.c: what this backend caches about queues ---- */
/* A queue.  The entry lives until it is found invalid when a transaction ends. */
typedef struct PgmqLocal
{
	Oid			relid;			/* hash key: the queue table */
	bool		valid;			/* identity and map are up to date */
	uint64		marks;			/* how often the relcache marked it */
	uint64		identity;		/* 0: not all changes are announced, so no map */
	PgmqMapRef	map;
	struct PgmqXactQueue *xact; /* what xact.c remembers of it until the
								 * transaction ends; NULL: nothing */
} PgmqLocal;

/* A table whose rows our trigger sees: the queue table, or a partition. */
typedef struct PgmqLocalTable
{
	Oid			relid;			/* hash key */
	Oid			queue;			/* the queue table */
	bool		is_queue;		/* it is in the schema of our function */
	AttrNumber	msg_id;
	AttrNumber	vt;
	bool		valid;
} PgmqLocalTable;

extern PgmqLocal *pgmq_local(Oid relid);
extern PgmqLocal *pgmq_local_known(Oid relid);
extern bool pgmq_local_is_valid(Oid relid);
extern PgmqLocal *pgmq_local_announced(const PgmqLocalTable *table);
extern const PgmqLocalTable *pgmq_local_table(Relation rel, Oid function);
extern void pgmq_local_inval(Datum arg, Oid relid);
extern void pgmq_local_sweep(void);

/* ---- xact.c: what this transaction did to queues ---- */
extern PgmqMapRef pgmq_xact_map(const PgmqLocal *local);
extern bool pgmq_xact_may_advance(const PgmqLocal *local, int64 lo);
extern int	pgmq_xact_leave_out(const PgmqLocal *local, TimestampTz now,
								PgmqRange *ranges, int n);
extern void pgmq_xact_advance(PgmqLocal *local, PgmqMapRef map,
							  const PgmqRange *range, int64 upto,
							  const PgmqMin *mins, int nmins);
extern void pgmq_xact_wake(Oid relid, PgmqWake whom);
extern void pgmq_xact_wake_database(void);
extern void pgmq_xact_drop(Oid relid);
extern void pgmq_xact_end(XactEvent event, void *arg);
extern void pgmq_xact_release(ResourceReleasePhase phase, bool is_commit,
							  bool is_top, void *arg);
extern void pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
							 SubTransactionId parent, void *arg);

/* ---- scan.c: which ranges of ids a read looks at ---- */
/* Whether a range is all ids. */
#define PGMQ_ALL_IDS(lo, hi)	((lo) == PG_INT64_MIN && (hi) == PG_INT64_MAX)

/* How many ranges a scan gets from the map at a time, at most. */
#define PGMQ_SCAN_RANGES	256

/* A scan, which the verb drives; see pgmq_scan_begin. */
typedef struct PgmqScan
{
	/* for the verb */
	TimestampTz now;			/* what is readable at it is to be taken */
	int64		lo;				/* the range to take from */
	int64		hi;
	int64		wanted;			/* how many more are wanted */
	uint64		count;			/* how many were taken */

	/* for scan.c */
	const PgmqQueue *queue;
	PgmqLocal  *local;
	PgmqMapRef	map;
	bool		advances;		/* what was exhausted may be advanced */
	bool		repeated;		/* this is the last time around */
	int64		from;			/* the way to go: from here */
	int64		end;			/* up to here */
	int64		seen;			/* ranges up to here were fetched */
	int64		begin;			/* where the scan began, if not with the first */
	int64		last;			/* the largest id that was taken */
	int64		step;			/* how many ids the verb looks at */
	int64		run_hi;			/* where the run ends */
	int			at;				/* the first range of the run */
	int			run;			/* how many ranges are in it */
	int			nranges;
	PgmqRange	ranges[PGMQ_SCAN_RANGES];
} PgmqScan;

extern bool pgmq_use_due_map;
extern bool pgmq_scan_is_idle(const PgmqQueue *queue, TimestampTz now);
extern void pgmq_scan_only(const PgmqQueue *queue, TimestampTz now);
extern void pgmq_scan_begin(PgmqScan *scan, const PgmqQueue *queue,
							TimestampTz now, int64 qty, bool filtered);
extern bool pgmq_scan_next(PgmqScan *scan);

/*
 * The verb has taken so many messages from the range, and the largest id that
 * it has taken in the whole scan is last.
 */
static inline void
pgmq_scan_took(PgmqScan *scan, uint64 count, int64 last)
{
	scan->count += count;
	scan->wanted -= Min(scan->wanted, (int64) count);
	scan->last = last;
}

#endif							/* PGMQ_DUEMAP_H */
