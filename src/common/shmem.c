/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The one piece of shared memory, and who may use it.
 *
 * With shared_preload_libraries it is part of the server's main segment.
 * Since PostgreSQL 17 it can also be had later, from the DSM registry; then
 * its size is the default, since the first session to come makes it for all.
 *
 * The piece begins with a magic number and the layout's version.  A library
 * that meets another layout (it was replaced on disk, and some sessions still
 * run the old one) sets the flag "off", upon which both go without the memory
 * until the server restarts.
 *
 * The registry may have no room.  Then a transaction goes without, which is
 * safe as long as nobody has the memory: what it writes is announced to no map.
 * It holds a lock to its end, the *mark*, and whoever gets the memory meanwhile
 * makes no use of the maps until nobody holds the mark any more, when the memory
 * is *settled*.
 *
 * It holds the wait lists (wait_list.c), the maps (directory.c) and their nodes
 * (tree.c).
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "common/common.h"

#define SEGMENT_NAME	"pgmq_c"
#define SEGMENT_MAGIC	0x70676d71

/* Changes with any change of what lies in the memory. */
#define SEGMENT_LAYOUT	4

#define DEFAULT_MEMORY_KB	(16 * 1024)

typedef struct Segment
{
	uint32		magic;
	uint32		layout;
	pg_atomic_uint32 off;
	pg_atomic_uint32 settled;	/* nobody writes who has gone without */
	int			tranche;
	Size		size;			/* of all */
} Segment;

/* What lies in the memory, in this order. */
static const PgmqShmemPart *parts = NULL;
static int	nparts = 0;

static int	memory_kb = DEFAULT_MEMORY_KB;
static Segment *segment = NULL;
static bool preloaded = false;
static bool without = false;	/* this transaction has gone without */
static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

/*
 * For check hooks: whether a setting has no effect, since the library was
 * loaded too late for it.  Says so, once for each setting.
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
 * The setting is for the maps; those who wait for them come on top.  Without
 * it it is always what layout 3 took, for the registry refuses whoever asks
 * for another size than the first did: who may be another build's.  A layout
 * that needs more for something leaves less to the maps.
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
/* The mark of those who go without: a lock on nothing. */
static void
mark_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, InvalidOid, ExtensionRelationId, InvalidOid, 0);
}

/* The memory is settled if nobody has the mark, nor we. */
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

/* An error of the registry; the caller holds the mark. */
static void
segment_failed(ErrorData *error, bool found)
{
	static bool told = false;
	static const char *const hint =
	"Add pgmq_c to shared_preload_libraries, or give the server more dynamic shared memory, "
	"as by min_dynamic_shared_memory or a larger /dev/shm, and restart it.";

	/*
	 * Nobody has the memory when it could not be made.  These codes come from
	 * making something only.  Who fails first leaves a broken entry, and the
	 * others are told of a size, which we never change.
	 */
	if (found && error->sqlerrcode != ERRCODE_DISK_FULL &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_RESOURCES &&
		(error->message_id == NULL || strstr(error->message_id, "size") == NULL ||
		 strstr(error->message_id, "DSM segment") == NULL))
	{
		error->detail = "Other sessions may have pgmq_c's shared memory, and would not hear of what this one does.";
		error->hint = (char *) hint;
		ReThrowError(error);
	}
	if (!told)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("pgmq_c goes without shared memory, and is slower"),
				 errdetail_internal("%s", error->message),
				 errhint("%s", hint)));
	told = true;
}

/*
 * Get the memory from the registry; false when this transaction, or the part of
 * it that may be rolled back, goes without.
 */
static bool
segment_get(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	void	   *volatile memory = NULL;
	bool		found = true;
	ErrorData  *volatile error = NULL;
	LOCKTAG		mark;

	mark_tag(&mark);
	(void) LockAcquire(&mark, AccessShareLock, false, false);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		memory = GetNamedDSMSegment(SEGMENT_NAME, segment_size(), segment_init, &found);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL)
	{
		segment_failed(error, found);
		return false;
	}
	segment_use(memory);
	(void) LockRelease(&mark, AccessShareLock, false);
	return true;
}
#endif

/*
 * The transaction has ended, or a part of it was rolled back, and the mark is
 * gone: try again.  For callbacks.
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

		/* it cannot go without, and need not, for it cannot write */
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
							"Sets the amount of shared memory that says which messages are due when.",
							"When it is used up reads get slower, nothing else.",
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
