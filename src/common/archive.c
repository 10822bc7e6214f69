/*-------------------------------------------------------------------------
 *
 * archive.c
 *	  Which table is the archive of a queue.
 *
 * An archive is found by its name, and a role that may create queues can make
 * a table of that name when the archive was dropped, renamed or left out of a
 * dump.  Messages would go there, and its triggers would run by the rights of
 * the roles that archive.  So an archive must belong to a role that could do
 * all that with the queue itself, or to the owner of pgmq.meta.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/archive.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "common/common.h"

/* An archive that is about to be locked. */
typedef struct ArchiveOpen
{
	const PgmqQueue *queue;
	PgmqNeed	need;
} ArchiveOpen;

/* Whether a role may own the archive of a queue that another role owns. */
bool
pgmq_archive_may_own(Oid archive_owner, Oid queue_owner)
{
	Oid			meta;

	if (archive_owner == queue_owner || has_privs_of_role(archive_owner, queue_owner))
		return true;
	meta = get_relname_relid("meta", get_namespace_oid(PGMQ_SCHEMA, false));
	return OidIsValid(meta) && archive_owner == pgmq_role_find_owner(meta);
}

/* Whether a table may be the archive of a queue; also when one is gone by now. */
bool
pgmq_archive_is_own(const PgmqQueue *queue, Oid archive)
{
	Oid			owner = pgmq_role_find_owner(archive);
	Oid			queue_owner = pgmq_role_find_owner(queue->relid);

	return !OidIsValid(owner) || !OidIsValid(queue_owner) ||
		pgmq_archive_may_own(owner, queue_owner);
}

/*
 * The archive of a queue, to show its state: without a lock, and without a check
 * of the caller's privileges.  InvalidOid if there is none.
 */
Oid
pgmq_archive_known(const PgmqQueue *queue)
{
	char		relname[NAMEDATALEN];
	Oid			relid;

	snprintf(relname, NAMEDATALEN, "a_%s", PGMQ_QUEUE_BASE(queue));
	relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	return OidIsValid(relid) && pgmq_archive_is_own(queue, relid) ? relid : InvalidOid;
}

/*
 * Refuse a table as the archive of a queue, unless it belongs to a role that
 * may own it.  Error: 55000.
 */
void
pgmq_archive_check(const PgmqQueue *queue, Oid archive)
{
	if (pgmq_archive_is_own(queue, archive))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"" PGMQ_SCHEMA ".a_%s\" cannot be the archive of queue \"%s\"",
					PGMQ_QUEUE_BASE(queue), PGMQ_QUEUE_BASE(queue)),
			 errdetail("The table belongs to role \"%s\", the queue to role \"%s\".",
					   GetUserNameFromId(pgmq_role_owner(archive), false),
					   GetUserNameFromId(pgmq_role_owner(queue->relid), false)),
			 errhint("Give the table to the owner of the queue, or rename or drop it.")));
}

/*
 * Check that the caller has a privilege on the archive of a queue.  This comes
 * before the queue is locked, so that a role without the privilege neither
 * holds nor waits for a lock.  Returns false if there is no archive.
 * Error: 42501.
 */
bool
pgmq_archive_check_may(text *queue_name, PgmqNeed need)
{
	char		relname[NAMEDATALEN];
	Oid			relid;

	if (!pgmq_name_fits(queue_name, 'a', relname))
		return false;
	relid = get_relname_relid(relname, get_namespace_oid(PGMQ_SCHEMA, false));
	if (OidIsValid(relid))
		pgmq_queue_check_right(relid, relname, need);
	return OidIsValid(relid);
}

/*
 * Lock callback: is it the archive, and may the caller do what it is about to?
 * It is asked again after a wait for the lock, since the owner and the rights
 * may have changed.
 */
static void
callback_archive(const RangeVar *table, Oid relid, Oid old_relid, void *arg)
{
	const ArchiveOpen *open = arg;

	if (!OidIsValid(relid))
		return;
	pgmq_archive_check(open->queue, relid);
	pgmq_queue_check_right(relid, table->relname, open->need);
}

/*
 * Find the archive of an open queue and lock it, for a caller who has a right
 * to it; its OID.  InvalidOid when there is none; and, unless it is to wait,
 * when another session has it locked.  The caller is checked before the lock,
 * so that no session waits for the lock of a table that is no archive.
 *
 * The lock keeps the name on the table, so a statement that comes after it
 * finds the same one.
 * Errors: 55000 when it belongs to a role that may not own it, 42501.
 */
Oid
pgmq_archive_find(const PgmqQueue *queue, LOCKMODE lockmode, PgmqNeed need, bool wait)
{
	char		relname[NAMEDATALEN];
	ArchiveOpen open = {queue, need};

	snprintf(relname, NAMEDATALEN, "a_%s", PGMQ_QUEUE_BASE(queue));
	return RangeVarGetRelidExtended(makeRangeVar(PGMQ_SCHEMA, relname, -1), lockmode,
									RVR_MISSING_OK | (wait ? 0 : RVR_SKIP_LOCKED),
									callback_archive, &open);
}

/*
 * The same, waiting for the lock; where there is none: error 42P01, or 42809
 * when the relation of the queue's name is no queue.
 */
Oid
pgmq_archive_open(const PgmqQueue *queue, LOCKMODE lockmode, PgmqNeed need)
{
	Oid			relid = pgmq_archive_find(queue, lockmode, need, true);

	if (OidIsValid(relid))
		return relid;
	pgmq_queue_check_shape(queue);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation \"" PGMQ_SCHEMA ".a_%s\" does not exist", PGMQ_QUEUE_BASE(queue)),
			 errdetail("Queue \"%s\" has no archive.", PGMQ_QUEUE_BASE(queue)),
			 errhint("The owner of the queue makes it anew by pgmq.create().")));
}
