/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The newest server's names, on older servers.
 *
 * This is the only file that looks at PG_VERSION_NUM.  Include it after the
 * server's headers and before pgmq.h.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGMQ_COMPAT_H
#define PGMQ_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "pgmq_c needs PostgreSQL 15 or newer"
#endif

/* Since 16 postgres.h leaves the varlena macros to whoever needs them. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Since 16 one function tells who owns what, and one who may; here for what we ask about. */
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

/* Since 17 a backend's number is a variable of its own. */
#if PG_VERSION_NUM < 170000
#define MyProcNumber	(MyProc->pgprocno)
#endif

#endif							/* PGMQ_COMPAT_H */
