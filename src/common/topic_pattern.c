/*-------------------------------------------------------------------------
 *
 * topic_pattern.c
 *	  Routing keys and the patterns that they match.
 *
 * A pattern says by its beginning how it is matched.  Without one of the
 * prefixes below it is PGMQ's: * stands for one or more characters without a
 * dot, # for any characters or none, and everything else for itself.  The
 * generated column compiled_regex of topic_bindings expresses the same as a
 * regular expression for readers of the table.  Patterns are matched here
 * instead: the server caches only 32 compiled expressions, so with more bindings
 * each send would compile all of them.
 *
 *	amqp:PATTERN		* stands for one word between dots, # for any number of
 *						words or none
 *	headers:OBJECT		messages with these headers, or with any of them if its
 *						member x-match says so; null stands for any value
 *	alternate:PATTERN	what no other binding takes and the pattern of AMQP
 *						matches
 *
 * A message in a stream has its routing key in a header, by which subscriptions
 * are filtered.
 *
 * No routing key has a colon.  So a reader that knows PGMQ's patterns only, such
 * as PGMQ itself, finds that none of the others matches.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/topic_pattern.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "common/common.h"

PG_FUNCTION_INFO_V1(pgmq_validate_routing_key);
PG_FUNCTION_INFO_V1(pgmq_validate_topic_pattern);

/* Longest routing key and pattern, in characters. */
#define TOPIC_MAX_LENGTH	255

/* The member of a headers pattern that is not a header. */
#define X_MATCH				"x-match"

static const char *const prefixes[] = {
	[PGMQ_TOPIC_PGMQ] = "",
	[PGMQ_TOPIC_AMQP] = "amqp:",
	[PGMQ_TOPIC_HEADERS] = "headers:",
	[PGMQ_TOPIC_ALTERNATE] = "alternate:"
};

/* How a pattern is matched, and in *rest what comes after its prefix. */
PgmqTopicKind
pgmq_topic_kind(text *pattern, text **rest)
{
	const char *str = VARDATA_ANY(pattern);
	size_t		len = VARSIZE_ANY_EXHDR(pattern);

	for (PgmqTopicKind kind = PGMQ_TOPIC_AMQP; kind <= PGMQ_TOPIC_ALTERNATE; kind++)
	{
		size_t		prefix = strlen(prefixes[kind]);

		if (len >= prefix && memcmp(str, prefixes[kind], prefix) == 0)
		{
			*rest = cstring_to_text_with_len(str + prefix, len - prefix);
			return kind;
		}
	}
	*rest = pattern;
	return PGMQ_TOPIC_PGMQ;
}

/* Argument argno, which must not be NULL or empty.  Error: P0001. */
text *
pgmq_topic_nonempty_arg(FunctionCallInfo fcinfo, int argno, const char *what)
{
	text	   *value = PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		PGMQ_TOPIC_ERROR("%s cannot be NULL or empty", what);
	return value;
}

/* Check the length of a key or a pattern.  Error: P0001. */
static void
topic_length(const char *what, const char *str)
{
	int			nchars = pg_mbstrlen(str);

	if (nchars > TOPIC_MAX_LENGTH)
		PGMQ_TOPIC_ERROR("%s length cannot exceed %d characters, got %d characters",
						 what, TOPIC_MAX_LENGTH, nchars);
}

/* Tell whether a character is one of which the words of a key are made. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_';
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
	size_t		len = strlen(str);

	topic_length(what, str);
	for (const char *c = str; *c != '\0'; c++)
	{
		if (!is_letter(*c) && *c != '.' && strchr(wildcards, *c) == NULL)
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

/* Check that the wildcards of an AMQP pattern are words.  Error: P0001. */
static void
amqp_validate(const char *str)
{
	for (const char *c = str; *c != '\0'; c++)
		if ((*c == '*' || *c == '#') &&
			((c > str && c[-1] != '.') || (c[1] != '\0' && c[1] != '.')))
			PGMQ_TOPIC_ERROR("wildcards of an AMQP pattern must be whole words. Got: %s", str);
}

/*
 * The headers that a pattern asks for: in *any whether one of them is enough.
 * Errors: 22P02 if it is not JSON, 22023 if it is not an object or its x-match
 * is unknown.
 */
static Jsonb *
headers_wanted(text *object, bool *any)
{
	Jsonb	   *wanted = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															CStringGetDatum(text_to_cstring(object))));
	JsonbValue	value;
	JsonbValue *match;

	if (!JB_ROOT_IS_OBJECT(wanted))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("headers pattern must be a JSON object"),
				 errdetail("The pattern is \"%s%s\".", prefixes[PGMQ_TOPIC_HEADERS],
						   text_to_cstring(object))));
	match = getKeyJsonValueFromContainer(&wanted->root, X_MATCH, strlen(X_MATCH), &value);
	*any = match != NULL && match->type == jbvString && match->val.string.len == 3 &&
		memcmp(match->val.string.val, "any", 3) == 0;
	if (match != NULL && !*any &&
		!(match->type == jbvString && match->val.string.len == 3 &&
		  memcmp(match->val.string.val, "all", 3) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" of a headers pattern must be \"all\" or \"any\"", X_MATCH),
				 errdetail("The pattern is \"%s%s\".", prefixes[PGMQ_TOPIC_HEADERS],
						   text_to_cstring(object))));
	return wanted;
}

/*
 * A pattern as it is stored: of headers patterns that mean the same there is one
 * spelling.  Errors: those of headers_wanted.
 */
static text *
pattern_stored(text *pattern)
{
	text	   *rest;
	Jsonb	   *wanted;
	bool		any;

	if (pgmq_topic_kind(pattern, &rest) != PGMQ_TOPIC_HEADERS)
		return pattern;
	wanted = headers_wanted(rest, &any);
	return cstring_to_text(psprintf("%s%s", prefixes[PGMQ_TOPIC_HEADERS],
									JsonbToCString(NULL, &wanted->root, VARSIZE(wanted))));
}

/* Argument argno, a pattern as it is stored.  Errors: P0001, and those of headers_wanted. */
text *
pgmq_topic_stored_arg(FunctionCallInfo fcinfo, int argno)
{
	return pattern_stored(pgmq_topic_nonempty_arg(fcinfo, argno, "pattern"));
}

/*
 * Check that a pattern can be bound, and return it as it is stored.
 * Errors: P0001, and those of headers_wanted.
 */
text *
pgmq_topic_check_pattern(text *given)
{
	text	   *pattern = pattern_stored(given);
	text	   *rest;
	char	   *str;
	PgmqTopicKind kind = pgmq_topic_kind(pattern, &rest);

	if (kind == PGMQ_TOPIC_HEADERS)
	{
		topic_length("pattern", text_to_cstring(pattern));
		return pattern;
	}
	if (VARSIZE_ANY_EXHDR(rest) == 0)
		PGMQ_TOPIC_ERROR("pattern cannot be NULL or empty");
	str = text_to_cstring(rest);
	topic_validate("pattern", rest, "*#",
				   "dots, hyphens, underscores, *, and #");
	if (kind != PGMQ_TOPIC_PGMQ)
	{
		amqp_validate(str);
		return pattern;
	}
	if (strstr(str, "**") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain consecutive stars (**). Use # for multi-segment matching. Got: %s", str);
	if (strstr(str, "##") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain consecutive hashes (##). A single # already matches zero or more segments. Got: %s", str);
	if (strstr(str, "*#") != NULL || strstr(str, "#*") != NULL)
		PGMQ_TOPIC_ERROR("pattern cannot contain adjacent wildcards (*# or #*). Separate wildcards with dots. Got: %s", str);
	return pattern;
}

/* Argument argno, a pattern that can be bound, as it is stored.  Errors: as above. */
text *
pgmq_topic_pattern_arg(FunctionCallInfo fcinfo, int argno)
{
	return pgmq_topic_check_pattern(pgmq_topic_nonempty_arg(fcinfo, argno, "pattern"));
}

/*
 * Tell whether a valid key matches a pattern of PGMQ's.  This reads the pattern
 * once and tracks every position in the key that the pattern can have reached, so
 * no pattern takes longer than its length times that of the key.  (The pattern
 * need not be valid, because the table of bindings can be written directly.)
 */
static bool
pgmq_matches(text *key_text, text *pattern_text)
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

/* Cut a text at its dots; the number of words, of which each begins at starts[i]. */
static int
words_of(text *value, int *starts)
{
	const char *str = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);
	int			n = 0;

	starts[n++] = 0;
	for (int i = 0; i < len && n <= TOPIC_MAX_LENGTH; i++)
		if (str[i] == '.')
			starts[n++] = i + 1;
	starts[n] = len + 1;
	return n;
}

/*
 * Tell whether a valid key matches a pattern of AMQP.  The same as above, with
 * words in the place of characters.
 */
static bool
amqp_matches(text *key, text *pattern)
{
	int			key_words[TOPIC_MAX_LENGTH + 2];
	int			pattern_words[TOPIC_MAX_LENGTH + 2];
	int			nkey = words_of(key, key_words);
	int			npattern = words_of(pattern, pattern_words);
	bool		upto[TOPIC_MAX_LENGTH + 2] = {true};	/* reached words */

	for (int p = 0; p < npattern; p++)
	{
		const char *word = VARDATA_ANY(pattern) + pattern_words[p];
		int			len = pattern_words[p + 1] - pattern_words[p] - 1;

		if (len == 1 && *word == '#')
		{
			for (int k = 1; k <= nkey; k++)
				upto[k] |= upto[k - 1];
			continue;
		}
		for (int k = nkey; k > 0; k--)
			upto[k] = upto[k - 1] &&
				((len == 1 && *word == '*') ||
				 (len == key_words[k] - key_words[k - 1] - 1 &&
				  memcmp(word, VARDATA_ANY(key) + key_words[k - 1], len) == 0));
		upto[0] = false;
	}
	return upto[nkey];
}

/* Tell whether two values are the same. */
static bool
values_equal(JsonbValue *a, JsonbValue *b)
{
	return compareJsonbContainers(&JsonbValueToJsonb(a)->root, &JsonbValueToJsonb(b)->root) == 0;
}

/* Tell whether a message has all of the headers wanted, or any of them. */
static bool
headers_match(Jsonb *headers, Jsonb *wanted, bool any)
{
	JsonbIterator *it = JsonbIteratorInit(&wanted->root);
	JsonbValue	name;
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &name, true);
	while (JsonbIteratorNext(&it, &name, true) == WJB_KEY)
	{
		const char *str = name.val.string.val;
		int			len = name.val.string.len;
		JsonbValue	found;
		bool		matches;

		(void) JsonbIteratorNext(&it, &value, true);
		if (len == strlen(X_MATCH) && memcmp(str, X_MATCH, len) == 0)
			continue;
		matches = headers != NULL && JB_ROOT_IS_OBJECT(headers) &&
			getKeyJsonValueFromContainer(&headers->root, str, len, &found) != NULL &&
			(value.type == jbvNull || values_equal(&value, &found));
		if (matches == any)
			return any;
	}
	return !any;
}

/*
 * Tell whether a pattern matches some of n messages with a valid key (NULL: none)
 * and their headers (NULL: none), and in takes[] which.  Other bindings are not
 * considered.
 * Errors: those of headers_wanted, if the table was written directly.
 */
bool
pgmq_topic_takes(text *pattern, text *key, Jsonb *const *headers, int n, bool *takes)
{
	text	   *rest;
	PgmqTopicKind kind = pgmq_topic_kind(pattern, &rest);
	bool		some = false;

	if (kind == PGMQ_TOPIC_HEADERS)
	{
		bool		any;
		Jsonb	   *wanted = headers_wanted(rest, &any);

		for (int i = 0; i < n; i++)
			some |= takes[i] = headers_match(headers[i], wanted, any);
		return some;
	}
	if (key != NULL)
		some = kind == PGMQ_TOPIC_PGMQ ? pgmq_matches(key, rest) : amqp_matches(key, rest);
	memset(takes, some, n);
	return some;
}

/* ----------------------------------------------------------------
 *		Routing keys in headers
 * ----------------------------------------------------------------
 */

/* The routing key in a message's headers (NULL: none), if it is a valid one. */
static text *
key_in_headers(Jsonb *headers)
{
	JsonbValue	value;
	const char *str;
	int			len;

	if (!pgmq_header_find(headers, PGMQ_HEADER_ROUTING_KEY, &value) || value.type != jbvString)
		return NULL;
	str = value.val.string.val;
	len = value.val.string.len;
	if (len == 0 || len > TOPIC_MAX_LENGTH)
		return NULL;
	for (int i = 0; i < len; i++)
		if (!is_letter(str[i]) && (str[i] != '.' || i == 0 || i == len - 1 || str[i - 1] == '.'))
			return NULL;
	return cstring_to_text_with_len(str, len);
}

/*
 * Tell whether a valid pattern, but none of alternate queues, matches a message
 * that is stored with its headers (NULL: none).
 */
bool
pgmq_topic_takes_stored(text *pattern, Jsonb *headers)
{
	bool		takes;

	return pgmq_topic_takes(pattern, key_in_headers(headers), &headers, 1, &takes);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken what, const char *str, int len)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, str);
	value.val.string.len = len;
	pushJsonbValue(state, what, &value);
}

/* Headers (NULL: none) with a routing key in them. */
Jsonb *
pgmq_topic_add_key(Jsonb *headers, text *key)
{
	JsonbParseState *state = NULL;
	Jsonb	   *added;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (headers != NULL && !JB_ROOT_IS_OBJECT(headers))
	{
		JsonbValue	value = {.type = jbvBinary};

		push_string(&state, WJB_KEY, PGMQ_HEADER_HEADERS, strlen(PGMQ_HEADER_HEADERS));
		value.val.binary.data = &headers->root;
		value.val.binary.len = VARSIZE_ANY_EXHDR(headers);
		if (JB_ROOT_IS_SCALAR(headers))
			(void) JsonbExtractScalar(&headers->root, &value);
		pushJsonbValue(&state, WJB_VALUE, &value);
		headers = NULL;
	}
	push_string(&state, WJB_KEY, PGMQ_HEADER_ROUTING_KEY, strlen(PGMQ_HEADER_ROUTING_KEY));
	push_string(&state, WJB_VALUE, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	added = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return headers == NULL ? added :
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(headers), JsonbPGetDatum(added)));
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
