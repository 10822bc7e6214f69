/*-------------------------------------------------------------------------
 *
 * topic_pattern.c
 *	  Routing keys and the patterns that they match.
 *
 * In a pattern * stands for one or more characters without a dot, # for any
 * characters or none, and everything else for itself.  The generated column
 * compiled_regex of topic_bindings expresses the same as a regular expression
 * for readers of the table.  Patterns are matched here instead: the server
 * caches only 32 compiled expressions, so with more bindings each send would
 * compile all of them.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/api/topic_pattern.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "common/common.h"
#include "api/api.h"

PG_FUNCTION_INFO_V1(pgmq_validate_routing_key);
PG_FUNCTION_INFO_V1(pgmq_validate_topic_pattern);

/* Longest routing key and pattern, in characters. */
#define TOPIC_MAX_LENGTH	255

/* Argument argno, which must not be NULL or empty.  Error: P0001. */
text *
pgmq_topic_nonempty_arg(FunctionCallInfo fcinfo, int argno, const char *what)
{
	text	   *value = PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		PGMQ_TOPIC_ERROR("%s cannot be NULL or empty", what);
	return value;
}

/*
 * Check what must be true of both keys and patterns.  wildcards are the
 * characters allowed besides letters, digits, hyphen, underscore and dot;
 * allowed is how the error message names all of them.  Error: P0001.
 */
static void
topic_validate(const char *what, text *value, const char *wildcards,
			   const char *allowed)
{
	char	   *str = text_to_cstring(value);
	int			nchars = pg_mbstrlen(str);
	size_t		len = strlen(str);

	if (nchars > TOPIC_MAX_LENGTH)
		PGMQ_TOPIC_ERROR("%s length cannot exceed %d characters, got %d characters",
						 what, TOPIC_MAX_LENGTH, nchars);
	for (const char *c = str; *c != '\0'; c++)
	{
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			  (*c >= '0' && *c <= '9') || strchr(".-_", *c) != NULL ||
			  strchr(wildcards, *c) != NULL))
			PGMQ_TOPIC_ERROR("%s contains invalid characters. Only alphanumeric, %s are allowed. Got: %s",
							 what, allowed, str);
	}
	if (str[0] == '.')
		PGMQ_TOPIC_ERROR("%s cannot start with a dot. Got: %s", what, str);
	if (str[len - 1] == '.')
		PGMQ_TOPIC_ERROR("%s cannot end with a dot. Got: %s", what, str);
	if (strstr(str, "..") != NULL)
		PGMQ_TOPIC_ERROR("%s cannot contain consecutive dots. Got: %s", what, str);
}

/* Argument argno, a routing key.  Errors: P0001. */
text *
pgmq_topic_key_arg(FunctionCallInfo fcinfo, int argno)
{
	text	   *key = pgmq_topic_nonempty_arg(fcinfo, argno, "routing_key");

	topic_validate("routing_key", key, "", "dots, hyphens, and underscores");
	return key;
}

/* Argument argno, a pattern that can be bound.  Errors: P0001. */
text *
pgmq_topic_pattern_arg(FunctionCallInfo fcinfo, int argno)
{
	text	   *pattern = pgmq_topic_nonempty_arg(fcinfo, argno, "pattern");
	char	   *str = text_to_cstring(pattern);

	topic_validate("pattern", pattern, "*#",
				   "dots, hyphens, underscores, *, and #");
	if (strstr(str, "**") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain consecutive stars (**). Use # for multi-segment matching. Got: %s", str);
	if (strstr(str, "##") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain consecutive hashes (##). A single # already matches zero or more segments. Got: %s", str);
	if (strstr(str, "*#") != NULL || strstr(str, "#*") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain adjacent wildcards (*# or #*). Separate wildcards with dots. Got: %s", str);
	return pattern;
}

/*
 * Tell whether a valid key matches a pattern.  This reads the pattern once and
 * tracks every position in the key that the pattern can have reached, so no
 * pattern takes longer than its length times that of the key.  (The pattern
 * need not be valid, because the table of bindings can be written directly.)
 */
bool
pgmq_topic_matches(text *key_text, text *pattern_text)
{
	const char *key = VARDATA_ANY(key_text);
	int			len = VARSIZE_ANY_EXHDR(key_text);
	const char *pattern = VARDATA_ANY(pattern_text);
	const char *end = pattern + VARSIZE_ANY_EXHDR(pattern_text);
	bool		upto[TOPIC_MAX_LENGTH + 1] = {true};	/* reached positions */

	for (; pattern < end; pattern++)
	{
		bool		before = upto[0];	/* upto[i - 1] as it was */
		bool		possible;

		if (*pattern != '#')
			upto[0] = false;
		possible = upto[0];
		for (int i = 1; i <= len; i++)
		{
			char		c = key[i - 1];
			bool		now = upto[i];

			if (*pattern == '#')
				upto[i] = now || upto[i - 1];
			else if (*pattern == '*')
				upto[i] = (before || upto[i - 1]) && c != '.';
			else
				upto[i] = before && c == *pattern;
			before = now;
			possible |= upto[i];
		}
		if (!possible)
			return false;
	}
	return upto[len];
}

/* validate_routing_key(routing_key text) returns boolean */
Datum
pgmq_validate_routing_key(PG_FUNCTION_ARGS)
{
	pgmq_topic_key_arg(fcinfo, 0);
	PG_RETURN_BOOL(true);
}

/* validate_topic_pattern(pattern text) returns boolean */
Datum
pgmq_validate_topic_pattern(PG_FUNCTION_ARGS)
{
	pgmq_topic_pattern_arg(fcinfo, 0);
	PG_RETURN_BOOL(true);
}
