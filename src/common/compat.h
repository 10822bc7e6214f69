/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The newest server's names, on older servers.
 *
 * This is the only file that uses PG_VERSION_NUM.  It must be included after
 * the server's headers, as common.h does.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_COMPAT_H
#define PGMQ_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "pgmq_c needs PostgreSQL 15 or newer"
#endif

/* Since 16 postgres.h does not include the varlena macros. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Since 16 one function checks ownership, and one privileges, of objects of any kind. */
#if PG_VERSION_NUM < 160000
#define object_ownercheck(classid, objid, roleid) \
	((classid) == RelationRelationId ? \
	 pg_class_ownercheck(objid, roleid) : pg_namespace_ownercheck(objid, roleid))
#define object_aclcheck(classid, objid, roleid, mode) \
	((void) (classid), pg_namespace_aclcheck(objid, roleid, mode))
#endif

/* Since 18 a module names itself and its version. */
#if PG_VERSION_NUM < 180000
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

/* Since 18 this stands before a declaration, and nothing after it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* Since 17 the server has this; the caller opens and closes a GUC nest level. */
#if PG_VERSION_NUM < 170000
#include "utils/guc.h"

static inline void
RestrictSearchPath(void)
{
	set_config_option("search_path", "pg_catalog, pg_temp",
					  PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}
#endif

/* Since 17 shared memory can be had without shared_preload_libraries. */
#if PG_VERSION_NUM >= 170000
#define PGMQ_HAVE_DSM_REGISTRY
#include "storage/dsm_registry.h"
#endif

/*
 * The declarations of libpq/libpq.h about the client's connection.  That file
 * needs the headers of GSSAPI and OpenSSL, which a package that builds
 * extensions does not bring.
 */
#include "storage/latch.h"

extern bool pq_check_connection(void);
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;

#ifndef FeBeWaitSetSocketPos
#define FeBeWaitSetSocketPos 0
#endif

/* Since 17 an extension's waits have names. */
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 170000
#define WaitEventExtensionNew(name) PG_WAIT_EXTENSION
#endif

/* Since 17 a transaction may be limited in time; these stop the limit's timer, and start it anew. */
#if PG_VERSION_NUM >= 170000
#include "storage/proc.h"
#include "utils/timeout.h"

static inline void
pgmq_transaction_timer_stop(void)
{
	if (TransactionTimeout > 0)
		disable_timeout(TRANSACTION_TIMEOUT, false);
}

static inline void
pgmq_transaction_timer_start(void)
{
	if (TransactionTimeout > 0)
		enable_timeout_after(TRANSACTION_TIMEOUT, TransactionTimeout);
}
#else
#define pgmq_transaction_timer_stop()	((void) 0)
#define pgmq_transaction_timer_start()	((void) 0)
#endif

/* Since 17 other words name a backend in a transaction's number, and its own number. */
#if PG_VERSION_NUM >= 170000
#define PGMQ_VXID_BACKEND(vxid) ((vxid).procNumber)
#define PGMQ_MY_LXID	(MyProc->vxid.lxid)
#else
#define PGMQ_VXID_BACKEND(vxid) ((vxid).backendId)
#define PGMQ_MY_LXID	(MyProc->lxid)
#endif

/* Since 17 it can be asked for stronger locks, too. */
#if PG_VERSION_NUM >= 170000
#define PGMQ_LOCK_HELD(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define PGMQ_LOCK_HELD(tag, mode) LockHeldByMe(tag, mode)
#endif

/* Since 17 a backend's number is a variable of its own. */
#if PG_VERSION_NUM < 170000
#define MyProcNumber	(MyProc->pgprocno)
#endif

#endif							/* PGMQ_COMPAT_H */
