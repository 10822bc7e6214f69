/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The one piece of shared memory, and when a backend may use it.
 *
 * With shared_preload_libraries it is part of the server's main segment.
 * Since PostgreSQL 17 it can also be had later, from the DSM registry.  Then it
 * has the default size, because the first session makes it for all others.
 *
 * The piece begins with a magic number and the layout's version.  When the
 * library was replaced on disk some sessions may still run the old one.  A
 * library that finds another layout sets the flag "off", and from then on
 * neither uses the memory, until the server restarts.
 *
 * The registry may have no room.  Then a transaction goes without the memory,
 * which is safe as long as no other session has it, since what the transaction
 * writes is announced to no map.  It holds a lock to its end, the *mark*.  A
 * session that gets the memory meanwhile makes no use of the maps until no
 * transaction holds the mark any more; then the memory is *settled*.
 *
 * It holds the wait lists (wait_list.c), what maintenance last did (runs.c),
 * statistics (slots.c), the maps (directory.c) and their nodes (tree.c).
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "common/common.h"

#define SEGMENT_NAME	"pgmq_c"
#define SEGMENT_MAGIC	0x70676d71

/* Changes with any change of the structs in the memory. */
#define SEGMENT_LAYOUT	6

#define DEFAULT_MEMORY_KB	(16 * 1024)

typedef struct Segment
{
	uint32		magic;
	uint32		layout;
	pg_atomic_uint32 off;
	pg_atomic_uint32 settled;	/* no transaction writes without the memory */
	int			tranche;
	Size		size;			/* of all */
} Segment;

/* The parts of the memory, in this order. */
static const PgmqShmemPart *parts = NULL;
static int	nparts = 0;

static int	memory_kb = DEFAULT_MEMORY_KB;
static Segment *segment = NULL;
static bool preloaded = false;
static bool without = false;	/* this transaction has gone without */
static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

/*
 * For check hooks: whether a setting has no effect because the library was
 * loaded too late for it.  Warns, once for each setting: *told is its memory.
 */
bool
pgmq_shmem_too_late(const char *setting, GucSource source, bool *told)
{
	if (preloaded)
		return false;
	if (source > PGC_S_DYNAMIC_DEFAULT && !*told)
		ereport(WARNING,
				(errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM),
				 errmsg("setting \"%s\" has no effect", setting),
				 errdetail("The server did not load the library \"pgmq_c\" when it started."),
				 errhint("Add pgmq_c to shared_preload_libraries, and restart the server.")));
	*told = *told || source > PGC_S_DYNAMIC_DEFAULT;
	return true;
}

/* Check hook: without preload the memory has its default size, if there is any. */
static bool
memory_check(int *newval, void **extra, GucSource source)
{
	static bool told = false;

	if (pgmq_shmem_too_late("pgmq_c.shared_memory", source, &told))
		*newval = DEFAULT_MEMORY_KB;
	return true;
}

#ifndef PGMQ_HAVE_DSM_REGISTRY
/* Show hook, where there is no memory without preload. */
static const char *
memory_show(void)
{
	return "none";
}
#else
#define memory_show		NULL
#endif

/*
 * The setting is for the maps; wait lists and statistics come on top.  Without preload the
 * size is always that of layout 3, because the registry refuses a session that
 * asks for another size than the first one, which may run another build.  So a
 * layout that needs more for something else leaves less for the maps.
 */
static Size
segment_size(void)
{
	Size		size;

	if (!preloaded)
		return 24 + MAXALIGN(256 * (sizeof(LWLock) + 24) + (Size) MaxBackends * 64 * 20) +
			(Size) DEFAULT_MEMORY_KB * 1024;
	size = MAXALIGN(sizeof(Segment)) + (Size) memory_kb * 1024;
	for (int i = 0; i < nparts; i++)
		size += parts[i].size != NULL ? MAXALIGN(parts[i].size()) : 0;
	return size;
}

/* The size of a part that begins at an offset. */
static Size
part_size(const Segment *seg, const PgmqShmemPart *part, Size offset)
{
	return part->size != NULL ? MAXALIGN(part->size()) :
		MAXALIGN_DOWN((seg->size - offset) / part->shares);
}

/* Make the parts from one on; the later ones first, since an earlier one may use them. */
static void
part_init(Segment *seg, int i, Size offset)
{
	if (i < nparts)
	{
		Size		size = part_size(seg, &parts[i], offset);

		part_init(seg, i + 1, offset + size);
		parts[i].init((char *) seg + offset, size, seg->tranche);
	}
}

static void
segment_init(void *memory)
{
	Segment    *seg = memory;

	seg->magic = SEGMENT_MAGIC;
	seg->layout = SEGMENT_LAYOUT;
	pg_atomic_init_u32(&seg->off, 0);
	pg_atomic_init_u32(&seg->settled, preloaded ? 1 : 0);
	seg->size = segment_size();
	seg->tranche = LWLockNewTrancheId();
	part_init(seg, 0, MAXALIGN(sizeof(Segment)));
}

/* Make the memory known to this backend, unless it is another layout's. */
static void
segment_use(Segment *seg)
{
	Size		offset = MAXALIGN(sizeof(Segment));

	if (seg->magic != SEGMENT_MAGIC || seg->layout != SEGMENT_LAYOUT)
	{
		pg_atomic_write_u32(&seg->off, 1);
		return;
	}
	segment = seg;
	LWLockRegisterTranche(seg->tranche, "pgmq_c");
	for (int i = 0; i < nparts; i++)
	{
		parts[i].attach((char *) seg + offset);
		offset += part_size(seg, &parts[i], offset);
	}
}

static void
shmem_request(void)
{
	if (prev_request_hook)
		prev_request_hook();
	RequestAddinShmemSpace(segment_size());
}

static void
shmem_startup(void)
{
	bool		found;
	Segment    *seg;

	if (prev_startup_hook)
		prev_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	seg = ShmemInitStruct(SEGMENT_NAME, segment_size(), &found);
	if (!found)
		segment_init(seg);
	segment_use(seg);
	LWLockRelease(AddinShmemInitLock);
}

/* Whether the memory that this backend has is still in use. */
static bool
segment_is_on(void)
{
	return segment != NULL && pg_atomic_read_u32(&segment->off) == 0;
}

/* Whether reads may go by what it says. */
bool
pgmq_shmem_usable(void)
{
	return segment_is_on() && pg_atomic_read_u32(&segment->settled) != 0;
}

#ifdef PGMQ_HAVE_DSM_REGISTRY
/* The lock that is the mark.  Its object does not exist. */
static void
mark_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, InvalidOid, ExtensionRelationId, InvalidOid, 0);
}

/* Note that the memory is settled, if no transaction holds the mark. */
static void
segment_settle(void)
{
	LOCKTAG		mark;
	VirtualTransactionId *holders;

	mark_tag(&mark);
	if (LockHeldByMe(&mark, AccessShareLock, false))
		return;
	holders = GetLockConflicts(&mark, AccessExclusiveLock, NULL);
	if (!VirtualTransactionIdIsValid(holders[0]))
		pg_atomic_write_u32(&segment->settled, 1);
}

/*
 * The registry has raised an error: raise it again if other sessions may have the
 * memory, else warn.  The caller holds the mark.
 */
static void
segment_failed(ErrorData *error, bool found)
{
	static bool told = false;
	static const char *const hint =
	"Add pgmq_c to shared_preload_libraries, or give the server more dynamic shared memory, "
	"as by min_dynamic_shared_memory or a larger /dev/shm, and restart it.";

	/*
	 * No session has the memory when it could not be made.  These two codes
	 * come from making it only.  The first session that fails leaves a broken
	 * entry, and the others get an error about the size, which we never
	 * change.
	 */
	if (found && error->sqlerrcode != ERRCODE_DISK_FULL &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_RESOURCES &&
		(error->message_id == NULL || strstr(error->message_id, "size") == NULL ||
		 strstr(error->message_id, "DSM segment") == NULL))
	{
		error->detail = "Other sessions may use pgmq_c's shared memory, and would not notice what this one does.";
		error->hint = (char *) hint;
		ReThrowError(error);
	}
	if (!told)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("pgmq_c works without shared memory, and is slower"),
				 errdetail_internal("%s", error->message),
				 errhint("%s", hint)));
	told = true;
}

/* The piece that the registry hands out. */
typedef struct SegmentGot
{
	void	   *memory;
	bool		found;			/* it was there already */
} SegmentGot;

static bool
segment_try(void *arg)
{
	SegmentGot *got = arg;

	got->memory = GetNamedDSMSegment(SEGMENT_NAME, segment_size(), segment_init, &got->found);
	return true;
}

/*
 * Get the memory from the registry.  Returns false when this transaction, or the
 * part of it that may be rolled back, goes without it.
 */
static bool
segment_get(void)
{
	SegmentGot	got = {NULL, true};
	ErrorData  *error;
	LOCKTAG		mark;

	mark_tag(&mark);
	(void) LockAcquire(&mark, AccessShareLock, false, false);
	error = pgmq_try(segment_try, &got);
	if (error != NULL)
	{
		segment_failed(error, got.found);
		return false;
	}
	segment_use(got.memory);
	(void) LockRelease(&mark, AccessShareLock, false);
	return true;
}
#endif

/*
 * Try again to get the memory, now that the transaction has ended or a part of it
 * was rolled back, and with it the mark.  For callbacks.
 */
void
pgmq_shmem_retry(void)
{
	without = false;
}

/*
 * Whether there is shared memory for this backend to use; gets it if it can
 * be had.  May raise an error (out of memory), so never in a callback.
 */
bool
pgmq_shmem_attach(void)
{
#ifdef PGMQ_HAVE_DSM_REGISTRY
	static bool tried = false;

	if (!preloaded && IsInParallelMode())
	{
		bool		found;

		/* no subtransaction is allowed here, nor needed: nothing is written */
		if (!tried && !without)
			segment_use(GetNamedDSMSegment(SEGMENT_NAME, segment_size(), segment_init, &found));
		tried = tried || !without;
	}
	else if (!preloaded)
	{
		if (!tried && !without)
		{
			tried = segment_get();
			without = !tried;
		}
		if (segment_is_on() && pg_atomic_read_u32(&segment->settled) == 0)
			segment_settle();
	}
#endif
	return segment_is_on();
}

/*
 * At load: the setting, and the hooks if it is not too late for them.  The
 * parts must stay where they are.
 */
void
pgmq_shmem_init(const PgmqShmemPart *shmem_parts, int nshmem_parts)
{
	parts = shmem_parts;
	nparts = nshmem_parts;
	preloaded = process_shared_preload_libraries_in_progress;
	DefineCustomIntVariable("pgmq_c.shared_memory",
							"Sets the amount of shared memory for due maps.",
							"When it is used up, reads get slower but lose nothing.",
							&memory_kb, DEFAULT_MEMORY_KB, 1024, MAX_KILOBYTES,
							preloaded ? PGC_POSTMASTER : PGC_SIGHUP, GUC_UNIT_KB,
							memory_check, NULL, preloaded ? NULL : memory_show);
	if (!preloaded)
		return;
	prev_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
