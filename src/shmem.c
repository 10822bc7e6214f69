/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The one piece of shared memory, and who may use it.
 *
 * With shared_preload_libraries it is part of the server's main segment.
 * Since PostgreSQL 17 it can also be had later, from the DSM registry; then
 * its size is the default, for whoever comes first makes it for all.
 *
 * The piece begins with a magic number and the layout's version.  A library
 * that meets another layout (it was replaced on disk, and some sessions still
 * run the old one) sets the flag "off", upon which both go without the memory
 * until the server restarts.
 *
 * In it lie those who wait (waiter.c), the maps (duemap.c) and their nodes
 * (duetree.c).
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "compat.h"
#include "duetree.h"
#include "engine.h"
#include "pgmq.h"

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
	int			tranche;
	Size		size;			/* of all */
} Segment;

static int	memory_kb = DEFAULT_MEMORY_KB;
static Segment *segment = NULL;
static bool preloaded = false;
static shmem_request_hook_type prev_request_hook = NULL;
static shmem_startup_hook_type prev_startup_hook = NULL;

/*
 * The setting is for the maps; those who wait for them come on top.  Without
 * it it is always what layout 3 took, for the registry refuses whoever asks
 * for another size than the first did: who may be another build's.  A layout
 * that needs more for something leaves less to the maps.
 */
static Size
segment_size(void)
{
	if (!preloaded)
		return 24 + MAXALIGN(256 * (sizeof(LWLock) + 24) + (Size) MaxBackends * 64 * 20) +
			(Size) DEFAULT_MEMORY_KB * 1024;
	return MAXALIGN(sizeof(Segment)) + MAXALIGN(pgmq_waiter_size()) + (Size) memory_kb * 1024;
}

/* Where in the memory what lies. */
static void
segment_carve(Segment *seg, void **waiters, void **maps, void **nodes)
{
	*waiters = (char *) seg + MAXALIGN(sizeof(Segment));
	*maps = (char *) *waiters + MAXALIGN(pgmq_waiter_size());

	/* a sixth for the directory: over 10,000 queues by default */
	*nodes = (char *) *maps + MAXALIGN((seg->size - ((char *) *maps - (char *) seg)) / 6);
}

static void
segment_init(void *memory)
{
	Segment    *seg = memory;
	void	   *waiters;
	void	   *maps;
	void	   *nodes;

	seg->magic = SEGMENT_MAGIC;
	seg->layout = SEGMENT_LAYOUT;
	pg_atomic_init_u32(&seg->off, 0);
	seg->size = segment_size();
	seg->tranche = LWLockNewTrancheId();
	segment_carve(seg, &waiters, &maps, &nodes);
	pgmq_tree_init(nodes, (char *) seg + seg->size - (char *) nodes);
	pgmq_waiter_init(waiters, seg->tranche);
	pgmq_map_init(maps, (char *) nodes - (char *) maps, seg->tranche);
}

/* Make the memory known to this backend, unless it is another layout's. */
static void
segment_use(Segment *seg)
{
	void	   *waiters;
	void	   *maps;
	void	   *nodes;

	if (seg->magic != SEGMENT_MAGIC || seg->layout != SEGMENT_LAYOUT)
	{
		pg_atomic_write_u32(&seg->off, 1);
		return;
	}
	segment = seg;
	LWLockRegisterTranche(seg->tranche, "pgmq_c");
	segment_carve(seg, &waiters, &maps, &nodes);
	pgmq_waiter_use(waiters);
	pgmq_map_use(maps);
	pgmq_tree_use(nodes);
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
bool
pgmq_shmem_usable(void)
{
	return segment != NULL && pg_atomic_read_u32(&segment->off) == 0;
}

/* Do without the memory, all of us, until the server restarts. */
void
pgmq_shmem_disable(void)
{
	if (segment != NULL)
		pg_atomic_write_u32(&segment->off, 1);
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

	if (segment == NULL && !preloaded && !tried)
	{
		bool		found;

		segment_use(GetNamedDSMSegment(SEGMENT_NAME, segment_size(),
									   segment_init, &found));
		tried = true;
	}
#endif
	return pgmq_shmem_usable();
}

/* At load: the setting, and the hooks if it is not too late for them. */
void
pgmq_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	preloaded = true;
	DefineCustomIntVariable("pgmq_c.shared_memory",
							"Sets the amount of shared memory that says which messages are due when.",
							"When it is used up reads get slower, nothing else.",
							&memory_kb, DEFAULT_MEMORY_KB, 1024, MAX_KILOBYTES,
							PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	prev_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
