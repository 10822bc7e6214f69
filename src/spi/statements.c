/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  Every hot SQL text, as one table.
 *
 * {q} stands for the quoted, schema-qualified queue table, {a} for the archive,
 * {s} for the stream of a subscription, {m} and {h} for the body and the headers
 * of a message of {q}, wherever they are; values are parameters only.  {k} is
 * what messages are read in the order of: msg_id, or where a queue has priorities
 * their key, on which it has an index (priority.c).  The due map and all ranges
 * for it have the same.  {o} is that for ORDER BY where ids are given.  Every
 * function and operator is qualified, so that a hostile search_path changes
 * nothing; types are given by OID.
 *
 * Statements are planned once per backend and queue, generically, and by
 * planner_guard.c with index scans only.  That determines their shapes:
 *
 *	- The rows to take are chosen by ARRAY(SELECT .. FOR UPDATE SKIP LOCKED).
 *	  As a join (FROM cte, IN) a generic plan would hash the whole queue.
 *	- A read of all ids has no range, because the index would compare both ends
 *	  with each entry of each page it comes to.
 *	- The outer command repeats the visibility test: a partitioned queue can
 *	  hold one msg_id twice, of which one copy may be leased.
 *	- Rows come back in whatever order the plan has; the callers sort.
 *	- read_ct stops one short of its type's end, since a failure there would
 *	  block the queue for ever.  A table that users made may hold NULL there,
 *	  which counts as 0.  A message with NULL for its age is never too old.
 *
 * $1 is the message, the id or ids.  Times are parameters, too: the caller reads
 * the clock.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/statements.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "common/common.h"
#include "spi/spi.h"

/*
 * The columns of pgmq.message_record, in its order; also what archive carries
 * over, where archived_at is left to its default.
 */
#define RECORD "msg_id, read_ct, enqueued_at, last_read_at, vt, {m}, {h}"
#define STORED "msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers"

#define EQ " OPERATOR(pg_catalog.=) "
#define LT " OPERATOR(pg_catalog.<) "
#define LE " OPERATOR(pg_catalog.<=) "
#define GE " OPERATOR(pg_catalog.>=) "
#define GT " OPERATOR(pg_catalog.>) "

/* Only messages in a range. */
#define RANGE(lo, hi) " AND {k}" GE lo " AND {k}" LE hi

/* Up to $2 messages readable at $1, in order, locked. */
#define TAKEN(column, table, filter, order) \
	"ARRAY(SELECT " column " FROM " table " WHERE vt" LE "$1" filter \
	" ORDER BY " order " LIMIT $2 FOR UPDATE SKIP LOCKED)"
#define TAKE(filter, order) TAKEN("msg_id", "{q}", filter, order)

/* Of those only the ones with ids of an array. */
#define AMONG(ids) " AND msg_id" EQ "ANY (" ids ")"

/*
 * The same, of one table, found again by where they are and not by the index.
 * A message that was changed since the snapshot, and is readable still, is
 * locked and left: the claim of its id came to nothing.
 */
#define TAKE_RUN(lo, hi) \
	" WHERE ctid" EQ "ANY (" TAKEN("ctid", "ONLY {q}", RANGE(lo, hi), "{k}") ") AND vt" LE "$1" \
	" RETURNING " RECORD

/* A lease that begins now and ends at $3. */
#define LEASE(now) LEASE_IN("{q}", now)
#define LEASE_IN(table, now) \
	"UPDATE " table " SET vt = $3, last_read_at = " now "," \
	" read_ct = LEAST(COALESCE(read_ct, 0), 2147483646) OPERATOR(pg_catalog.+) 1"

/* A read: lease the messages taken. */
#define READ(filter, order) \
	LEASE("$1") " WHERE msg_id" EQ "ANY (" TAKE(filter, order) ") AND vt" LE "$1" \
	" RETURNING " RECORD

/*
 * Up to $2 messages with a value; with a range of values in place of one no plan
 * can be by msg_id.
 */
#define TAKE_VALUE(value, filter) \
	" WHERE msg_id" EQ "ANY (ARRAY(SELECT msg_id FROM {q} WHERE vt" LE "$1" \
	" AND {v}" GE value " AND {v}" LE value filter \
	" ORDER BY {v}, msg_id LIMIT $2 FOR UPDATE SKIP LOCKED)) AND vt" LE "$1 RETURNING " RECORD

#define POP(filter, order) \
	"DELETE FROM {q} WHERE msg_id" EQ "ANY (" TAKE(filter, order) ") AND vt" LE "$1" \
	" RETURNING " RECORD

/*
 * Whether a message is dead, that is, not to be delivered any more, at the time
 * now: it was read max_reads times, or is as old as its header says, if
 * ttl_header, or as ttl says (seconds).  disposal.c has the same rule for rows
 * already leased.  No header, and no number however large or small, makes it fail.
 */
#define TTL_NUMBER \
	"pg_catalog.numeric(headers OPERATOR(pg_catalog.->) '" PGMQ_HEADER_TTL "'::pg_catalog.text)"
#define DEAD(now, max_reads, ttl, ttl_header) \
	"(read_ct" GE max_reads " OR enqueued_at" LE "(" now " OPERATOR(pg_catalog.-)" \
	" (pg_catalog.float8(pg_catalog.round(" \
	"CASE WHEN NOT " ttl_header " THEN " ttl "::pg_catalog.numeric" \
	" WHEN pg_catalog.jsonb_typeof(headers OPERATOR(pg_catalog.->)" \
	" '" PGMQ_HEADER_TTL "'::pg_catalog.text)" EQ "'number'::pg_catalog.text" \
	" THEN CASE WHEN " TTL_NUMBER GE "0.0000005 THEN LEAST(" TTL_NUMBER ", 3000000000)" \
	" ELSE " ttl "::pg_catalog.numeric END" \
	" ELSE " ttl "::pg_catalog.numeric END, 6))" \
	" OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval)))"

/* Messages readable at $1, and from which queue they came as dead letters. */
#define DEAD_LETTERS(which) \
	"SELECT msg_id, headers OPERATOR(pg_catalog.->)" \
	" '" PGMQ_HEADER_DEAD_LETTER "'::pg_catalog.text OPERATOR(pg_catalog.->>)" \
	" 'queue'::pg_catalog.text FROM {q} WHERE vt" LE "$1 AND " which " ORDER BY msg_id"

#define ARCHIVE(which) \
	"WITH gone AS (DELETE FROM {q} WHERE " which " RETURNING " STORED ")" \
	" INSERT INTO {a} (" STORED ") TABLE gone"

/*
 * The same, without reading the archive: for each message that has left the
 * queue, as the last column, how many are in the archive.  That is fewer when a
 * trigger swallowed some.
 */
#define ARCHIVE_COUNTED(which) \
	"WITH gone AS (DELETE FROM {q} WHERE " which " RETURNING " STORED ")," \
	" kept AS (INSERT INTO {a} (" STORED ") TABLE gone RETURNING 1)" \
	" SELECT msg_id, enqueued_at, last_read_at, (SELECT pg_catalog.count(*) FROM kept) FROM gone"

/* Headers as an object, to which more can be added. */
#define HEADERS_OBJECT \
	"CASE WHEN headers IS NULL THEN '{}'::pg_catalog.jsonb" \
	" WHEN pg_catalog.jsonb_typeof(headers)" EQ "'object'::pg_catalog.text THEN headers" \
	" ELSE pg_catalog.jsonb_build_object('" PGMQ_HEADER_HEADERS "', headers) END"

/* New references of a subscription; of the headers they have what others need. */
#define REFERENCE \
	"INSERT INTO {q} (msg_id, enqueued_at, headers, read_ct, vt, last_read_at)" \
	" OVERRIDING SYSTEM VALUE" \
	" SELECT stored.msg_id, stored.enqueued_at," \
	" CASE WHEN (stored.headers OPERATOR(pg_catalog.?) '" PGMQ_HEADER_GROUP "'::pg_catalog.text" \
	" OR stored.headers OPERATOR(pg_catalog.?) '" PGMQ_HEADER_TTL "'::pg_catalog.text)" \
	" AND pg_catalog.jsonb_typeof(stored.headers)" EQ "'object'::pg_catalog.text" \
	" THEN pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(" \
	"'" PGMQ_HEADER_GROUP "', stored.headers OPERATOR(pg_catalog.->)" \
	" '" PGMQ_HEADER_GROUP "'::pg_catalog.text," \
	" '" PGMQ_HEADER_TTL "', stored.headers OPERATOR(pg_catalog.->)" \
	" '" PGMQ_HEADER_TTL "'::pg_catalog.text)) END, "
#define FEED \
	REFERENCE "$4, stored.vt, NULL FROM {s} AS stored "
#define FED \
	" ORDER BY stored.msg_id ON CONFLICT DO NOTHING RETURNING msg_id"

#define SET_VT(which) \
	"UPDATE {q} SET vt = $2 WHERE " which " RETURNING " RECORD

/* The state of a message at $4. */
#define PEEK_STATE \
	"CASE WHEN vt" LE "$4 THEN 'visible' WHEN read_ct" EQ "0 THEN 'delayed' ELSE 'in_flight' END"

#define ONE			"msg_id" EQ "$1"
#define SEVERAL		"msg_id" EQ "ANY ($1)"

const PgmqStmt pgmq_stmts[PGMQ_NUM_STMTS] = {
	[PGMQ_STMT_SEND] = {
		"INSERT INTO {q} (vt, message, headers) VALUES ($1, $2, $3)"
		" RETURNING msg_id",
		3, {TIMESTAMPTZOID, JSONBOID, JSONBOID}
	},
	/* ROWS FROM pads the shorter of the arrays with nulls */
	[PGMQ_STMT_SEND_BATCH] = {
		"INSERT INTO {q} (vt, message, headers)"
		" SELECT $1, f.* FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS f"
		" RETURNING msg_id",
		3, {TIMESTAMPTZOID, JSONBARRAYOID, JSONBARRAYOID}
	},

	[PGMQ_STMT_READ] = {
		READ("", "{k}"),
		3, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID}
	},
	[PGMQ_STMT_READ_RANGE] = {
		READ(RANGE("$4", "$5"), "{k}"),
		5, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID}
	},
	[PGMQ_STMT_READ_IDS] = {
		READ(AMONG("$4"), "msg_id"),
		4, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8ARRAYOID}
	},
	[PGMQ_STMT_READ_IDS_SORTED] = {
		READ(AMONG("$4"), "{o}"),
		4, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8ARRAYOID}
	},
	[PGMQ_STMT_READ_RUN] = {
		LEASE_IN("ONLY {q}", "$1") TAKE_RUN("$4", "$5"),
		5, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID}
	},
	[PGMQ_STMT_POP] = {
		POP("", "{k}"),
		2, {TIMESTAMPTZOID, INT8OID}
	},
	[PGMQ_STMT_POP_RANGE] = {
		POP(RANGE("$3", "$4"), "{k}"),
		4, {TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID}
	},
	[PGMQ_STMT_POP_IDS] = {
		POP(AMONG("$3"), "msg_id"),
		3, {TIMESTAMPTZOID, INT8OID, INT8ARRAYOID}
	},
	[PGMQ_STMT_POP_IDS_SORTED] = {
		POP(AMONG("$3"), "{o}"),
		3, {TIMESTAMPTZOID, INT8OID, INT8ARRAYOID}
	},
	[PGMQ_STMT_POP_RUN] = {
		"DELETE FROM ONLY {q}" TAKE_RUN("$3", "$4"),
		4, {TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID}
	},
	/* the first $3 of what is left in a range, for the due map */
	[PGMQ_STMT_LEFT] = {
		"SELECT {k}, vt FROM {q}"
		" WHERE {k}" GE "$1 AND {k}" LE "$2 ORDER BY {k} LIMIT $3",
		3, {INT8OID, INT8OID, INT8OID}
	},
	/* the same for some ids */
	[PGMQ_STMT_VT] = {
		"SELECT {k}, vt FROM {q} WHERE " SEVERAL " ORDER BY {o}",
		1, {INT8ARRAYOID}
	},

	/* where the messages due at $1 in a range are, in order */
	[PGMQ_STMT_FIRST_READABLE] = {
		"SELECT msg_id, tableoid, ctid FROM {q} WHERE vt" LE "$1" RANGE("$2", "$3")
		" ORDER BY {k}",
		3, {TIMESTAMPTZOID, INT8OID, INT8OID}
	},

	/* $2 messages after an id, and where their rows are */
	[PGMQ_STMT_LOCKED] = {
		"SELECT msg_id, vt, tableoid, ctid FROM {q} WHERE msg_id" GT "$1"
		" ORDER BY msg_id LIMIT $2",
		2, {INT8OID, INT8OID}
	},

	/* $2 messages, and when they are readable, from one on */
	[PGMQ_STMT_CHECK] = {
		"SELECT {k}, vt FROM {q} WHERE {k}" GE "$1"
		" ORDER BY {k} LIMIT $2",
		2, {INT8OID, INT8OID}
	},

	[PGMQ_STMT_DELETE] = {
		"DELETE FROM {q} WHERE " ONE,
		1, {INT8OID}
	},
	[PGMQ_STMT_DELETE_BATCH] = {
		"DELETE FROM {q} WHERE " SEVERAL " RETURNING msg_id",
		1, {INT8ARRAYOID}
	},
	[PGMQ_STMT_DELETE_FENCED] = {
		"DELETE FROM {q} WHERE " ONE " AND read_ct" EQ "$2",
		2, {INT8OID, INT4OID}
	},
	[PGMQ_STMT_ARCHIVE] = {
		ARCHIVE(ONE),
		1, {INT8OID}
	},
	[PGMQ_STMT_ARCHIVE_BATCH] = {
		ARCHIVE(SEVERAL) " RETURNING msg_id",
		1, {INT8ARRAYOID}
	},
	[PGMQ_STMT_ARCHIVE_FENCED] = {
		ARCHIVE(ONE " AND read_ct" EQ "$2"),
		2, {INT8OID, INT4OID}
	},
	[PGMQ_STMT_ARCHIVE_COUNTED] = {
		ARCHIVE_COUNTED(ONE),
		1, {INT8OID}
	},
	[PGMQ_STMT_ARCHIVE_BATCH_COUNTED] = {
		ARCHIVE_COUNTED(SEVERAL) " ORDER BY msg_id",
		1, {INT8ARRAYOID}
	},
	[PGMQ_STMT_ARCHIVE_FENCED_COUNTED] = {
		ARCHIVE_COUNTED(ONE " AND read_ct" EQ "$2"),
		2, {INT8OID, INT4OID}
	},
	[PGMQ_STMT_SET_VT] = {
		SET_VT(ONE),
		2, {INT8OID, TIMESTAMPTZOID}
	},
	[PGMQ_STMT_SET_VT_BATCH] = {
		SET_VT(SEVERAL),
		2, {INT8ARRAYOID, TIMESTAMPTZOID}
	},
	[PGMQ_STMT_SET_VT_FENCED] = {
		SET_VT(ONE " AND read_ct" EQ "$3"),
		3, {INT8OID, TIMESTAMPTZOID, INT4OID}
	},

	/* as SET_VT, and the headers get error $3 */
	[PGMQ_STMT_SET_VT_ERROR] = {
		"UPDATE {q} SET vt = $2, headers = " HEADERS_OBJECT
		" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('" PGMQ_HEADER_ERROR "', $3)"
		" WHERE " ONE,
		3, {INT8OID, TIMESTAMPTZOID, TEXTOID}
	},

	/*
	 * end the lease of message $1 at $3, if there is one, as if it had not
	 * been read
	 */
	[PGMQ_STMT_RELEASE] = {
		"UPDATE {q} SET vt = $2, read_ct = read_ct OPERATOR(pg_catalog.-) 1"
		" WHERE " ONE " AND vt" GT "$3 AND read_ct" GT "0",
		3, {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	},

	/* the whole queue, oldest first: id, readable at $1, group */
	[PGMQ_STMT_GROUP_WALK] = {
		"SELECT msg_id, vt" LE "$1, " PGMQ_GROUP_SQL " FROM {q}"
		" ORDER BY msg_id",
		1, {TIMESTAMPTZOID}
	},
	/* the oldest message of every group, by stepping over the group index */
	[PGMQ_STMT_GROUP_HEADS] = {
		"WITH RECURSIVE head (msg_id, vt, grp) AS ("
		"(SELECT msg_id, vt, " PGMQ_GROUP_SQL " FROM {q}"
		" ORDER BY " PGMQ_GROUP_SQL ", msg_id LIMIT 1)"
		" UNION ALL"
		" SELECT next.msg_id, next.vt, next.grp FROM head, LATERAL ("
		"SELECT msg_id, vt, " PGMQ_GROUP_SQL " AS grp FROM {q}"
		" WHERE " PGMQ_GROUP_SQL GT "head.grp"
		" ORDER BY " PGMQ_GROUP_SQL ", msg_id LIMIT 1) AS next)"
		" SELECT msg_id, vt" LE "$1, grp FROM head",
		1, {TIMESTAMPTZOID}
	},
	/* at most $4 messages of group $2 after message $3, oldest first */
	[PGMQ_STMT_GROUP_NEXT] = {
		"SELECT msg_id, vt" LE "$1 FROM {q}"
		" WHERE " PGMQ_GROUP_SQL EQ "$2 AND msg_id" GT "$3"
		" ORDER BY " PGMQ_GROUP_SQL ", msg_id LIMIT $4",
		4, {TIMESTAMPTZOID, TEXTOID, INT8OID, INT8OID}
	},
	/* lock message $1 if it is still readable at $2 and not locked */
	[PGMQ_STMT_GROUP_LOCK] = {
		"SELECT 1 FROM {q} WHERE " ONE " AND vt" LE "$2"
		" FOR UPDATE SKIP LOCKED",
		2, {INT8OID, TIMESTAMPTZOID}
	},
	/* lease the messages locked */
	[PGMQ_STMT_GROUP_LEASE] = {
		LEASE("$2") " WHERE " SEVERAL " AND vt" LE "$2 RETURNING " RECORD,
		3, {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	},

	/*
	 * lock up to $2 dead messages that are leased to nobody, ids from $3 on;
	 * if $7, only those that were not read too often
	 */
	[PGMQ_STMT_DEAD_IDLE] = {
		"SELECT msg_id, read_ct, (read_ct" GE "$4) IS TRUE FROM {q} WHERE (vt" LE "$1"
		" OR read_ct" EQ "0) AND msg_id" GE "$3 AND " DEAD("$1", "$4", "$5", "$6") " IS TRUE"
		" AND (NOT $7 OR (read_ct" GE "$4) IS NOT TRUE)"
		" ORDER BY msg_id LIMIT $2 FOR UPDATE SKIP LOCKED",
		7, {TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT4OID, BOOLOID, BOOLOID}
	},
	/* the largest id that there is */
	[PGMQ_STMT_LAST_ID] = {
		"SELECT msg_id FROM {q} ORDER BY msg_id DESC LIMIT 1", 0, {0}
	},
	/* delete up to $2 messages that were archived before $1 */
	[PGMQ_STMT_RETAIN] = {
		"DELETE FROM {a} WHERE msg_id" EQ "ANY (ARRAY(SELECT msg_id FROM {a} WHERE archived_at"
		LE "$1 ORDER BY archived_at LIMIT $2 FOR UPDATE SKIP LOCKED)) AND archived_at" LE "$1",
		2, {TIMESTAMPTZOID, INT8OID}
	},

	/* up to $2 messages in state $3 (NULL: any) at $4, ids from $1 on */
	[PGMQ_STMT_PEEK] = {
		"SELECT " RECORD " FROM {q} WHERE msg_id" GE "$1 AND ($3 IS NULL OR $3" EQ PEEK_STATE ")"
		" ORDER BY msg_id LIMIT $2",
		4, {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID}
	},
	[PGMQ_STMT_PEEK_ARCHIVE] = {
		"SELECT msg_id, read_ct, enqueued_at, last_read_at, archived_at, vt, message, headers"
		" FROM {a} WHERE msg_id" GE "$1 ORDER BY msg_id LIMIT $2",
		2, {INT8OID, INT8OID}
	},

	/* out of the archive, with headers that say so */
	[PGMQ_STMT_UNARCHIVE] = {
		"DELETE FROM {a} WHERE " SEVERAL " RETURNING msg_id, message, " HEADERS_OBJECT
		" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('x-pgmq-unarchived',"
		" pg_catalog.jsonb_build_object('msg_id', msg_id, 'archived_at', archived_at))",
		1, {INT8ARRAYOID}
	},

	/*
	 * as the ones above, but a read takes only what contains $6, unless that
	 * is NULL; dead messages are neither taken nor touched
	 */
	[PGMQ_STMT_READ_PASSING] = {
		READ(RANGE("$4", "$5") " AND ($6 IS NULL OR {m} OPERATOR(pg_catalog.@>) $6)"
			 " AND " DEAD("$1", "$7", "$8", "$9") " IS NOT TRUE", "{k}"),
		9, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, JSONBOID,
		INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_READ_IDS_PASSING] = {
		READ(AMONG("$4") " AND " DEAD("$1", "$5", "$6", "$7") " IS NOT TRUE", "msg_id"),
		7, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8ARRAYOID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_READ_IDS_PASSING_SORTED] = {
		READ(AMONG("$4") " AND " DEAD("$1", "$5", "$6", "$7") " IS NOT TRUE", "{o}"),
		7, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8ARRAYOID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_POP_PASSING] = {
		POP(RANGE("$3", "$4") " AND " DEAD("$1", "$5", "$6", "$7") " IS NOT TRUE", "{k}"),
		7, {TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_POP_IDS_PASSING] = {
		POP(AMONG("$3") " AND " DEAD("$1", "$4", "$5", "$6") " IS NOT TRUE", "msg_id"),
		6, {TIMESTAMPTZOID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_POP_IDS_PASSING_SORTED] = {
		POP(AMONG("$3") " AND " DEAD("$1", "$4", "$5", "$6") " IS NOT TRUE", "{o}"),
		6, {TIMESTAMPTZOID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_FIRST_READABLE_PASSING] = {
		"SELECT msg_id, tableoid, ctid FROM {q} WHERE vt" LE "$1" RANGE("$2", "$3")
		" AND " DEAD("$1", "$4", "$5", "$6") " IS NOT TRUE ORDER BY {k}",
		6, {TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_GROUP_LOCK_PASSING] = {
		"SELECT 1 FROM {q} WHERE " ONE " AND vt" LE "$2"
		" AND " DEAD("$2", "$3", "$4", "$5") " IS NOT TRUE FOR UPDATE SKIP LOCKED",
		5, {INT8OID, TIMESTAMPTZOID, INT4OID, INT4OID, BOOLOID}
	},

	/*
	 * lock the dead ones among the first $4 due messages in a range, but not
	 * what the read of this moment returns with a lease of no length
	 */
	[PGMQ_STMT_DEAD] = {
		"SELECT msg_id, read_ct, (read_ct" GE "$5) IS TRUE FROM {q} WHERE vt" LE "$1"
		" AND {k}" GE "$2 AND {k}" LE "(SELECT pg_catalog.max(first.pos) FROM"
		" (SELECT {k} AS pos FROM {q} WHERE vt" LE "$1" RANGE("$2", "$3")
		" ORDER BY {k} LIMIT $4) AS first)"
		" AND " DEAD("$1", "$5", "$6", "$7") " IS TRUE"
		" AND (last_read_at" EQ "$1) IS NOT TRUE"
		" ORDER BY {k} FOR UPDATE SKIP LOCKED",
		7, {TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT4OID, INT4OID, BOOLOID}
	},
	/* take back a lease that was not returned to a client */
	[PGMQ_STMT_UNREAD] = {
		"UPDATE {q} SET vt = $2, read_ct = read_ct OPERATOR(pg_catalog.-) 1"
		" WHERE " SEVERAL,
		2, {INT8ARRAYOID, TIMESTAMPTZOID}
	},
	/* lock messages, and wait where others have them locked */
	[PGMQ_STMT_HOLD] = {
		"SELECT msg_id, read_ct FROM {q} WHERE " SEVERAL " ORDER BY msg_id FOR UPDATE",
		1, {INT8ARRAYOID}
	},
	/* the same without waiting: only messages that nobody has locked */
	[PGMQ_STMT_HOLD_FREE] = {
		"SELECT msg_id, read_ct FROM {q} WHERE " SEVERAL
		" ORDER BY msg_id FOR UPDATE SKIP LOCKED",
		1, {INT8ARRAYOID}
	},
	/* messages as they are, locked or not */
	[PGMQ_STMT_READ_CTS] = {
		"SELECT msg_id, read_ct FROM {q} WHERE " SEVERAL,
		1, {INT8ARRAYOID}
	},

	/*
	 * leases that end before $2 last until then, and on to whole seconds
	 * since the read, which tells a lease from other delays (counters.c)
	 */
	[PGMQ_STMT_EXTEND] = {
		"UPDATE {q} SET vt = CASE WHEN pg_catalog.isfinite(last_read_at)"
		" THEN pg_catalog.date_bin('1 second'::pg_catalog.interval, $2 OPERATOR(pg_catalog.+)"
		" '999999 microseconds'::pg_catalog.interval, last_read_at) ELSE $2 END"
		" WHERE " SEVERAL " AND vt" LT "$2",
		2, {INT8ARRAYOID, TIMESTAMPTZOID}
	},

	/* the $2 oldest messages before $3 that are not in flight at $1 */
	[PGMQ_STMT_DROP_OLDEST] = {
		"DELETE FROM {q} WHERE msg_id" EQ "ANY (ARRAY(SELECT msg_id FROM {q}"
		" WHERE (vt" LE "$1 OR read_ct" EQ "0) AND msg_id" LT "$3"
		" ORDER BY msg_id LIMIT $2 FOR UPDATE SKIP LOCKED))",
		3, {TIMESTAMPTZOID, INT8OID, INT8OID}
	},

	/* the first value after one that the policy limits by */
	[PGMQ_STMT_NEXT_VALUE] = {
		"SELECT {v} FROM {q} WHERE {v}" GT "$1 ORDER BY {v}, msg_id LIMIT 1",
		1, {INT8OID}
	},

	/* as PGMQ_STMT_FIRST_READABLE, of a value */
	[PGMQ_STMT_FIRST_READABLE_VALUE] = {
		"SELECT msg_id, tableoid, ctid FROM {q} WHERE vt" LE "$1"
		" AND {v}" GE "$2 AND {v}" LE "$2 ORDER BY {v}, msg_id",
		2, {TIMESTAMPTZOID, INT8OID}
	},

	/* the value of a message */
	[PGMQ_STMT_VALUE] = {
		"SELECT {v} FROM {q} WHERE " ONE,
		1, {INT8OID}
	},
	[PGMQ_STMT_READ_VALUE] = {
		LEASE("$1") TAKE_VALUE("$4", ""),
		4, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID}
	},
	[PGMQ_STMT_READ_VALUE_PASSING] = {
		LEASE("$1") TAKE_VALUE("$4", " AND ($5 IS NULL OR message OPERATOR(pg_catalog.@>) $5)"
							   " AND " DEAD("$1", "$6", "$7", "$8") " IS NOT TRUE"),
		8, {TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID, JSONBOID, INT4OID, INT4OID, BOOLOID}
	},
	[PGMQ_STMT_POP_VALUE] = {
		"DELETE FROM {q}" TAKE_VALUE("$3", ""),
		3, {TIMESTAMPTZOID, INT8OID, INT8OID}
	},
	[PGMQ_STMT_POP_VALUE_PASSING] = {
		"DELETE FROM {q}" TAKE_VALUE("$3", " AND " DEAD("$1", "$4", "$5", "$6") " IS NOT TRUE"),
		6, {TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT4OID, BOOLOID}
	},

	/*
	 * up to $2 messages readable at $1 after $3: id, and the queue it came
	 * from
	 */
	[PGMQ_STMT_DEAD_LETTERS] = {
		DEAD_LETTERS("msg_id" GT "$3") " LIMIT $2",
		3, {TIMESTAMPTZOID, INT8OID, INT8OID}
	},
	/* the same of those with ids $2, locked */
	[PGMQ_STMT_DEAD_LETTERS_LOCK] = {
		DEAD_LETTERS("msg_id" EQ "ANY ($2)") " FOR UPDATE SKIP LOCKED",
		2, {TIMESTAMPTZOID, INT8ARRAYOID}
	},

	/*
	 * references to the messages between two ids, but for ids $3; of the
	 * headers only those that a policy or a grouped read needs
	 */
	[PGMQ_STMT_FEED] = {
		FEED "WHERE stored.msg_id" GE "$1 AND stored.msg_id" LE "$2"
		" AND stored.msg_id OPERATOR(pg_catalog.<>) ALL ($3)" FED,
		4, {INT8OID, INT8OID, INT8ARRAYOID, INT4OID}
	},
	/* the same for ids $1, and messages that contain $2 and $3 if not NULL */
	[PGMQ_STMT_FEED_IDS] = {
		FEED "WHERE stored.msg_id" EQ "ANY ($1)"
		" AND ($2 IS NULL OR stored.message OPERATOR(pg_catalog.@>) $2)"
		" AND ($3 IS NULL OR stored.headers OPERATOR(pg_catalog.@>) $3)" FED,
		4, {INT8ARRAYOID, JSONBOID, JSONBOID, INT4OID}
	},

	/*
	 * the first $4 messages between two ids, but for ids $3, as they are when
	 * read
	 */
	[PGMQ_STMT_FEED_BODIES] = {
		"SELECT msg_id, $5, enqueued_at, $6, vt, COALESCE(message, 'null'::pg_catalog.jsonb),"
		" headers FROM {s} WHERE msg_id" GE "$1 AND msg_id" LE "$2"
		" AND msg_id OPERATOR(pg_catalog.<>) ALL ($3) ORDER BY msg_id LIMIT $4",
		6, {INT8OID, INT8OID, INT8ARRAYOID, INT8OID, INT4OID, TIMESTAMPTZOID}
	},

	/* references to messages $1 that are leased until $3, since $4 */
	[PGMQ_STMT_FEED_SPLIT] = {
		REFERENCE "$2, $3, $4 FROM {s} AS stored WHERE stored.msg_id" EQ "ANY ($1)" FED,
		4, {INT8ARRAYOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	},

	/*
	 * as PGMQ_STMT_PEEK, with the messages of batches: ids, read_ct,
	 * last_read_at, vt
	 */
	[PGMQ_STMT_PEEK_BATCHES] = {
		"SELECT " RECORD " FROM {q} WHERE msg_id" GE "$1 AND ($3 IS NULL OR $3" EQ PEEK_STATE ")"
		" AND EXISTS (SELECT FROM {s} AS stored WHERE stored.msg_id" EQ "{q}.msg_id)"
		" UNION ALL SELECT stored.msg_id, batch.read_ct, stored.enqueued_at, batch.last_read_at, batch.vt,"
		" COALESCE(stored.message, 'null'::pg_catalog.jsonb), stored.headers"
		" FROM ROWS FROM (pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),"
		" pg_catalog.unnest($8)) AS batch (msg_id, read_ct, last_read_at, vt)"
		" JOIN {s} AS stored ON stored.msg_id" EQ "batch.msg_id"
		" WHERE ($3 IS NULL OR $3" EQ "CASE WHEN batch.vt" LE "$4 THEN 'visible' ELSE 'in_flight' END)"
		" AND NOT EXISTS (SELECT FROM {q} WHERE msg_id" EQ "batch.msg_id)"
		" ORDER BY msg_id LIMIT $2",
		8, {INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8ARRAYOID, INT4ARRAYOID,
		TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID}
	},

	/* the rows that stand for many messages, between two ids of such rows */
	[PGMQ_STMT_BATCHES] = {
		"SELECT msg_id, read_ct, vt, headers FROM {q}"
		" WHERE msg_id" GE "$1 AND msg_id" LE "$2 AND headers IS NOT NULL ORDER BY msg_id",
		2, {INT8OID, INT8OID}
	},
	[PGMQ_STMT_BATCH_PUT] = {
		"INSERT INTO {q} (msg_id, read_ct, enqueued_at, last_read_at, vt, headers)"
		" OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
		6, {INT8OID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID}
	},
	[PGMQ_STMT_BATCH_LOCK] = {
		"SELECT 1 FROM {q} WHERE " ONE " AND read_ct" EQ "$2 FOR UPDATE SKIP LOCKED",
		2, {INT8OID, INT4OID}
	},
	/* the first $3 messages of the stream between two ids */
	[PGMQ_STMT_STORED] = {
		"SELECT msg_id, headers FROM {s} WHERE msg_id" GE "$1 AND msg_id" LE "$2"
		" ORDER BY msg_id LIMIT $3",
		3, {INT8OID, INT8OID, INT8OID}
	},
	/* how many references there are, if fewer than $1 */
	[PGMQ_STMT_REFERENCES] = {
		"SELECT pg_catalog.count(*) FROM (SELECT 1 FROM {q} LIMIT $1) AS first",
		1, {INT8OID}
	},

	/*
	 * on no queue: the blocks of subscription $1 between two; its first one,
	 * which is looked up once, not where it is used
	 */
	[PGMQ_STMT_BLOCKS] = {
		"SELECT s.done_before, b.blk, b.upto, b.mask, b.waits, b.boot"
		" FROM (SELECT COALESCE((SELECT pg_catalog.max(value) FROM " PGMQ_SCHEMA ".subscription_note"
		" WHERE subscription" EQ "$1 AND kind" EQ "'done'::pg_catalog.text), 0) AS done_before"
		" FROM " PGMQ_SCHEMA ".subscription WHERE subscription" EQ "$1 OFFSET 0) AS s"
		" LEFT JOIN " PGMQ_SCHEMA ".subscription_block AS b"
		" ON b.subscription" EQ "$1 AND b.blk" GE "s.done_before"
		" AND b.blk" LE "$3 AND b.upto" GE "$2"
		" ORDER BY b.blk",
		3, {OIDOID, INT8OID, INT8OID}
	},

	/*
	 * all blocks before $3 are done, as were those before $2.  This is a new
	 * row each time, which the index finds first, so that a look at it takes
	 * as long beside an old snapshot.
	 */
	[PGMQ_STMT_BLOCKS_DONE] = {
		"WITH blocks AS (DELETE FROM " PGMQ_SCHEMA ".subscription_block"
		" WHERE subscription" EQ "$1 AND blk" GE "$2 AND blk" LT "$3),"
		" notes AS (DELETE FROM " PGMQ_SCHEMA ".subscription_note"
		" WHERE subscription" EQ "$1 AND kind" EQ "'done'::pg_catalog.text"
		" AND value" GE "$2 AND value" LT "$3)"
		" INSERT INTO " PGMQ_SCHEMA ".subscription_note (subscription, kind, value)"
		" VALUES ($1, 'done', $3)",
		3, {OIDOID, INT8OID, INT8OID}
	},

	/*
	 * note for blocks $2 what was given out, and for whom those before $4
	 * wait. A block without anybody to wait for is settled; 0 stands for
	 * senders that are still to come.  Of those it waited for some have
	 * ended.
	 */
	[PGMQ_STMT_BLOCKS_PUT] = {
		"INSERT INTO " PGMQ_SCHEMA ".subscription_block AS b"
		" (subscription, blk, upto, mask, waits, boot)"
		" SELECT $1, u.blk, u.blk, u.mask, CASE WHEN u.mask" EQ "-1 THEN '{}'"
		" WHEN u.blk" LT "$4 THEN $5 ELSE '{0}' END, $6"
		" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u (blk, mask)"
		" ON CONFLICT (subscription, blk) DO UPDATE"
		" SET mask = b.mask OPERATOR(pg_catalog.|) EXCLUDED.mask, boot = EXCLUDED.boot,"
		" waits = CASE WHEN (b.mask OPERATOR(pg_catalog.|) EXCLUDED.mask)" EQ "-1 THEN '{}'"
		" WHEN b.upto" GE "$4 THEN '{0}'"
		" WHEN b.boot OPERATOR(pg_catalog.<>) $6 OR 0" EQ "ANY (b.waits) THEN $5"
		" ELSE ARRAY(SELECT c FROM pg_catalog.unnest($5) AS c WHERE c" EQ "ANY (b.waits)"
		" OR c" LT "0) END",
		6, {OIDOID, INT8ARRAYOID, INT8ARRAYOID, INT8OID, INT8ARRAYOID, TIMESTAMPTZOID}
	},

	/* on no queue: all topic bindings; the owner may have altered the table */
	[PGMQ_STMT_BINDINGS] = {
		"SELECT pattern::pg_catalog.text, queue_name::pg_catalog.text"
		" FROM " PGMQ_SCHEMA ".topic_bindings"
		" WHERE pattern IS NOT NULL AND queue_name IS NOT NULL",
		0, {0}
	},
};
