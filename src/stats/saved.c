/*-------------------------------------------------------------------------
 *
 * saved.c
 *	  The file that keeps statistics while the server is down.
 *
 * It is written when the server has shut down cleanly, and read and removed when
 * the server starts.  It belongs to one checkpoint, the one that the shutdown
 * has made.  A server that starts with another one has run without us since, or
 * has crashed, or is a copy, and the file is of no use.
 *
 * Nothing here raises an error, but the server's own if it cannot read its
 * control file.  A failure is logged, and statistics begin anew.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/stats/saved.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "common/common.h"
#include "stats/stats.h"

#define SAVED_FILE	PGSTAT_STAT_PERMANENT_DIRECTORY "/pgmq_c.stat"
#define SAVED_TEMP	SAVED_FILE ".tmp"

/* Changes with any change of what is in the file. */
#define SAVED_MAGIC	0x70676d01

typedef struct SavedHeader
{
	uint32		magic;
	uint32		queue_size;		/* of one queue in the file */
	uint64		system;			/* of the server that has written it */
	XLogRecPtr	checkpoint;
	TimestampTz since;
	int32		n;
	pg_crc32c	crc;			/* of the queues */
} SavedHeader;

/* The checkpoint of a clean shutdown that the control file has; false: none. */
static bool
shutdown_checkpoint(SavedHeader *header)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	bool		clean = crc_ok && control->state == DB_SHUTDOWNED;

	header->system = control->system_identifier;
	header->checkpoint = control->checkPoint;
	pfree(control);
	return clean;
}

static void
log_failure(const char *what)
{
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, SAVED_FILE)));
}

/* Write all queues that fn gets, of n; header.crc and n are set. */
static bool
write_queues(FILE * file, SavedHeader *header, int n, PgmqSavedFn fn)
{
	PgmqSavedQueue queue;

	memset(&queue, 0, sizeof(queue));
	header->n = 0;
	INIT_CRC32C(header->crc);
	for (int i = 0; i < n; i++)
	{
		if (!fn(i, &queue))
			continue;
		COMP_CRC32C(header->crc, &queue, sizeof(queue));
		header->n++;
		if (fwrite(&queue, sizeof(queue), 1, file) != 1)
			return false;
	}
	FIN_CRC32C(header->crc);
	return true;
}

/* Write the file, if the server has shut down cleanly. */
void
pgmq_saved_write(TimestampTz since, int n, PgmqSavedFn fn)
{
	SavedHeader header = {.magic = SAVED_MAGIC,.queue_size = sizeof(PgmqSavedQueue),.since = since};
	FILE	   *file;
	bool		written;

	if (!shutdown_checkpoint(&header))
		return;
	file = AllocateFile(SAVED_TEMP, PG_BINARY_W);
	if (file == NULL)
	{
		log_failure("write");
		return;
	}
	/* the header once more when it is known */
	written = fwrite(&header, sizeof(header), 1, file) == 1 &&
		write_queues(file, &header, n, fn) &&
		fseeko(file, 0, SEEK_SET) == 0 &&
		fwrite(&header, sizeof(header), 1, file) == 1;
	if (FreeFile(file) != 0 || !written)
	{
		log_failure("write");
		unlink(SAVED_TEMP);
		return;
	}
	(void) durable_rename(SAVED_TEMP, SAVED_FILE, LOG);
}

/* Read the queues that the header announces; NULL if they are not all there. */
static PgmqSavedQueue *
read_queues(FILE * file, const SavedHeader *header)
{
	Size		size = (Size) header->n * sizeof(PgmqSavedQueue);
	PgmqSavedQueue *queues = palloc_extended(Max(size, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	pg_crc32c	crc;

	if (queues == NULL || fread(queues, 1, size, file) != size)
		return NULL;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, queues, size);
	FIN_CRC32C(crc);
	return EQ_CRC32C(crc, header->crc) ? queues : NULL;
}

/*
 * Read the file, and remove it.  The queues, palloc'd, and their number; NULL
 * when there is no file of the shutdown before this start, or it is not wanted.
 */
PgmqSavedQueue *
pgmq_saved_read(TimestampTz *since, int *n, bool wanted)
{
	SavedHeader header;
	SavedHeader now;
	PgmqSavedQueue *queues = NULL;
	FILE	   *file = AllocateFile(SAVED_FILE, PG_BINARY_R);

	if (file == NULL)
	{
		if (errno != ENOENT)
			log_failure("read");
		return NULL;
	}
	if (wanted && fread(&header, sizeof(header), 1, file) == 1 && header.magic == SAVED_MAGIC &&
		header.queue_size == sizeof(PgmqSavedQueue) && header.n >= 0 &&
		shutdown_checkpoint(&now) &&
		header.system == now.system && header.checkpoint == now.checkpoint)
		queues = read_queues(file, &header);
	FreeFile(file);
	if (unlink(SAVED_FILE) != 0)
		log_failure("remove");
	if (queues == NULL)
		ereport(LOG,
				(errmsg("pgmq_c does not use the statistics in file \"%s\"", SAVED_FILE),
				 errdetail("They were not saved by the last shutdown of this server, or it starts with a recovery.")));
	else
	{
		*since = header.since;
		*n = header.n;
	}
	return queues;
}
