/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Errors do not show the text of our own statements.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/spi/errors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "spi/spi.h"

/* Remove the lines that contain a text from an error's context. */
static void
context_cut(char *context, const char *text)
{
	char	   *found;

	while ((found = strstr(context, text)) != NULL)
	{
		char	   *end = strchr(found + strlen(text), '\n');

		while (found > context && found[-1] != '\n')
			found--;
		if (end != NULL)
			memmove(found, end + 1, strlen(end + 1) + 1);
		else if (found > context)
			found[-1] = '\0';
		else
			*found = '\0';
	}
}

/*
 * In a PG_CATCH block: raise the error again without the text of our statement.
 * SPI adds it to the context, where one or two kB that no user wrote would only
 * get in the way.  The error is copied into the context memory.
 */
void
pgmq_error_rethrow(const char *sql, MemoryContext memory)
{
	ErrorData  *error;

	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	if (error->context != NULL && sql[0] != '\0')
		context_cut(error->context, sql);
	if (error->context != NULL && error->context[0] == '\0')
		error->context = NULL;
	if (error->internalquery != NULL && strcmp(error->internalquery, sql) == 0)
	{
		error->internalquery = NULL;
		error->internalpos = 0;
	}
	FlushErrorState();
	ReThrowError(error);
}
