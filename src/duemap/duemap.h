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

/* ---- tree.c, claim.c: what is known of every message id ---- */
extern void pgmq_tree_init(void *memory, Size size, int tranche);
extern void pgmq_tree_attach(void *memory);

/*
 * Ids are divided into blocks of 2^PGMQ_BLOCK_BITS.  Where a queue has priorities,
 * all that is called an id here is a key; see priority.c.
 */
#define PGMQ_BLOCK_BITS		6
#define PGMQ_BLOCK_FIRST(id)	((int64) ((uint64) (id) & ~((UINT64CONST(1) << PGMQ_BLOCK_BITS) - 1)))

#define PGMQ_BLOCK_LAST(id)		((int64) ((uint64) (id) | ((UINT64CONST(1) << PGMQ_BLOCK_BITS) - 1)))
#define PGMQ_BLOCK_BIT(id)		(UINT64CONST(1) << ((id) - PGMQ_BLOCK_FIRST(id)))

/* A range of ids in which something may be readable. */
typedef struct PgmqRange
{
	int64		lo;
	int64		hi;
} PgmqRange;

/* Ids of a block that a transaction made readable, or a range without masks. */
typedef struct PgmqTouch
{
	int64		lo;
	int64		hi;
	uint64		ids;			/* 0: any in the range */
	TimestampTz due;			/* the least vt */
	TimestampTz last;			/* and the latest */
} PgmqTouch;

/* A transaction remembers so many of a queue; more than there are priorities. */
#define PGMQ_MAX_TOUCHES	12

/* Ids of a block that were given out to a transaction. */
typedef struct PgmqClaim
{
	int64		first;			/* of the block */
	uint64		ids;			/* all of them */
	uint64		held;			/* those that the map has as claimed */
	uint64		taken;			/* those that a statement has taken */
	TimestampTz due;			/* the least vt that these have now */
	SubTransactionId subid;		/* which claimed them */
	bool		ended;			/* the statement that was to take them has */
} PgmqClaim;

/* A run of adjacent slots that a reader looks at. */
typedef struct PgmqLook
{
	int64		first;			/* of the first slot, which all is marked */
	int64		lo;				/* from where the reader looks, maybe within
								 * it */
	int64		hi;
	uint64		version;		/* 0: no look */
	int			nslots;
} PgmqLook;

/* The messages of a block that a look has found. */
typedef struct PgmqFound
{
	int64		first;			/* of the block */
	uint64		ready;			/* ids that can be read */
	TimestampTz due;			/* the least vt of the others */
} PgmqFound;

/* A reader that claims; see pgmq_tree_claim. */
typedef struct PgmqClaimer
{
	int64		from;			/* ids from here on */
	int64		seen;			/* up to here it has looked */
	int64		wanted;			/* so many more */
	bool		verifies;		/* it looks at what is ready, too */
	bool		peeks;			/* it claims what it has taken, afterwards */
	SubTransactionId subid;
	PgmqClaim  *claims;			/* room for max of them */
	int			max;

	/* result */
	int			n;
	TimestampTz now;			/* messages due by then were not passed over */
	PgmqLook	look;			/* the look it must make, if it has a version */
	bool		passed;			/* it passed by what others look at */
	uint32		nlooks;			/* so many looks had ended before */
} PgmqClaimer;

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
extern int64 pgmq_map_count_ready(Oid relid, TimestampTz now);
extern bool pgmq_map_status(Oid relid, uint64 identity,
							PgmqMapStatus *status);

/* Claims and looks; all for callbacks. */
extern bool pgmq_map_claim(PgmqMapRef ref, PgmqClaimer *claimer);
extern bool pgmq_map_describe(PgmqMapRef ref, const PgmqLook *look, int64 upto,
							  const PgmqFound *found, int nfound, bool provisional);
extern void pgmq_map_abandon(void);
extern uint64 pgmq_map_claim_late(PgmqMapRef ref, int64 first, uint64 ids, uint64 taken);
extern void pgmq_map_settle(PgmqMapRef ref, Oid relid, int64 first, uint64 held,
							uint64 back, TimestampTz due);

/* Waiting for what others look at; not for callbacks. */
extern bool pgmq_map_await_look(PgmqMapRef ref, uint32 nlooks, int patience_ms);

/* Other changes of a map; all for callbacks. */
extern void pgmq_map_announce(PgmqMapRef ref, Oid relid, const PgmqTouch *touch);
extern void pgmq_map_lower(PgmqMapRef ref, Oid relid, int64 lo, int64 hi, TimestampTz due);
extern void pgmq_map_confirm(PgmqMapRef ref, int64 lo, int64 hi);

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
/* DDL to make the trigger, and to have it fire always; %s is the queue table. */
#define PGMQ_ANNOUNCE_SQL \
	"CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON %s" \
	" FOR EACH ROW EXECUTE FUNCTION pgmq._announce()"
#define PGMQ_ANNOUNCE_REPLACE_SQL \
	"CREATE OR REPLACE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON %s" \
	" FOR EACH ROW EXECUTE FUNCTION pgmq._announce(%s)"
#define PGMQ_ANNOUNCE_ALWAYS_SQL \
	"ALTER TABLE %s ENABLE ALWAYS TRIGGER pgmq_announce"

extern uint64 pgmq_identity(List *tables, bool *priorities);

/* ---- touch.c: the ids that a transaction made readable ---- */
extern int	pgmq_touch_add(PgmqTouch *touches, int n, int64 id, TimestampTz due,
						   TimestampTz last);

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
	bool		priorities;		/* the map has keys instead of ids */
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
	AttrNumber	headers;		/* 0: it has none */
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
extern int	pgmq_xact_claim(PgmqLocal *local, PgmqMapRef map, PgmqClaimer *claimer);
extern PgmqClaim *pgmq_xact_claims(const PgmqLocal *local, int at);
extern void pgmq_xact_claim_late(const PgmqLocal *local, int at, uint64 ids);
extern void pgmq_xact_settle(const PgmqLocal *local, PgmqClaim *claim, uint64 back,
							 TimestampTz due);
extern void pgmq_xact_forget_missed(const PgmqLocal *local, int at);
extern bool pgmq_xact_describe(PgmqLocal *local, PgmqMapRef map, const PgmqLook *look,
							   int64 upto, const PgmqFound *found, int nfound);
extern void pgmq_xact_wake(Oid relid, PgmqWake whom);
extern void pgmq_xact_wake_database(void);
extern void pgmq_xact_drop(Oid relid);
extern void pgmq_xact_end(XactEvent event, void *arg);
extern void pgmq_xact_release(ResourceReleasePhase phase, bool is_commit,
							  bool is_top, void *arg);
extern void pgmq_xact_subend(SubXactEvent event, SubTransactionId subid,
							 SubTransactionId parent, void *arg);

/* ---- check.c: the full check of a map ---- */
extern void pgmq_check_map(const PgmqQueue *queue, PgmqMapRef map, TimestampTz now,
						   int64 from);

/* ---- scan.c: which messages a read takes ---- */
/* Whether a range is all ids. */
#define PGMQ_ALL_IDS(lo, hi)	((lo) == PG_INT64_MIN && (hi) == PG_INT64_MAX)

/* How many ranges a scan gets from the map at a time, at most. */
#define PGMQ_SCAN_RANGES	256

/* A scan, which the verb drives; see pgmq_scan_begin. */
typedef struct PgmqScan
{
	/* for the verb */
	TimestampTz now;			/* take messages that are readable by then */
	bool		claimed;		/* the messages to take have been claimed */
	bool		by_ids;			/* take from the ids, not from the range */
	bool		sorts;			/* by a _SORTED statement, to take some of
								 * them */
	bool		by_place;		/* one table has them, so ctid says which */
	bool		removes;		/* the verb removes what it takes */
	PgmqArg		ids;			/* bigint[], in order; if by_ids */
	int64		lo;				/* the range, or the least and largest key */
	int64		hi;
	int64		wanted;			/* how many more are wanted */
	uint64		count;			/* how many were taken */

	/* for scan.c */
	const PgmqQueue *queue;
	PgmqLocal  *local;
	PgmqMapRef	map;
	bool		claims;			/* it takes by claims */
	bool		at_end;			/* there is nothing beyond what it has */
	bool		passed;			/* it passed by what others look at */
	bool		peeked;			/* the claims are to be made afterwards */
	uint32		nlooks;			/* so many looks had ended before */
	int64		from;			/* where it goes on */
	int64		seen;			/* up to here it has looked */
	int64		look_rows;		/* how many messages the next look sees */
	int64		more;			/* so many times as many as are wanted it
								 * claims */
	int64		asked;			/* how many the statement was to take */
	int64		nids;			/* of the claims */
	int64		ntaken;			/* of these */
	int			claims_at;		/* where the claims are, for pgmq_xact_claims */
	int			nclaims;
	int			claim_at;		/* the one of the last row */
	int64		gap_lo;			/* ids that were looked at in vain: to be read
								 * as */
	int64		gap_hi;			/* a range */
	int			at;				/* the next range */
	int			nranges;
	PgmqRange	ranges[PGMQ_SCAN_RANGES];
} PgmqScan;

extern bool pgmq_use_due_map;
extern bool pgmq_scan_is_idle(const PgmqQueue *queue, TimestampTz now);
extern void pgmq_scan_only(const PgmqQueue *queue, TimestampTz now);
extern void pgmq_scan_begin_within(PgmqScan *scan, const PgmqQueue *queue, TimestampTz now,
								   int64 qty, int64 lo, int64 hi);
extern void pgmq_scan_begin(PgmqScan *scan, const PgmqQueue *queue,
							TimestampTz now, int64 qty, bool filtered);
extern bool pgmq_scan_next(PgmqScan *scan);
extern void pgmq_scan_row(TupleTableSlot *slot, void *state);
extern int64 pgmq_scan_reach(const PgmqScan *scan, int64 from);

/* The id of a message by what the map has of it. */
static inline int64
pgmq_scan_id(const PgmqScan *scan, int64 key)
{
	return scan->local->priorities ? PGMQ_KEY_ID(key) : key;
}

/* The verb has taken so many messages. */
static inline void
pgmq_scan_took(PgmqScan *scan, uint64 count)
{
	scan->count += count;
	scan->wanted -= Min(scan->wanted, (int64) count);
}

#endif							/* PGMQ_DUEMAP_H */
