/*-------------------------------------------------------------------------
 *
 * partman.c
 *	  The only room that knows pg_partman, versions 4 and 5.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/partman.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "pgmq.h"

/* Forget a table that was dropped, named in full. */
void
pgmq_partman_forget(const char *table)
{
}
