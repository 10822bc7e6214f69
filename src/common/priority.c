/*-------------------------------------------------------------------------
 *
 * priority.c
 *	  The priorities of messages, and the order that they make.
 *
 * A message has one of ten levels, by a header.  Where a queue has priorities,
 * its messages are in the order of their keys: a key has the level in its high
 * bits, the highest first, and the id below it.  The due map and the statements
 * that go by it take keys instead of ids, and know nothing of levels.
 *
 * A queue has priorities if the trigger that announces its rows has an argument,
 * for that trigger makes the keys.  It is replaced only under a lock that keeps
 * out readers and writers.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/common/priority.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/reltrigger.h"
#include "utils/rel.h"

#include "common/common.h"

PG_FUNCTION_INFO_V1(pgmq_priority_key_sql);

/*
 * The priority that a number means: the nearest one.  NaN counts as 0.
 */
static int
number_level(Numeric number)
{
	bool		is_far = false;
	int32		level = numeric_int4_opt_error(number, &is_far);

	/* this takes longer */
	if (is_far)
		return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												  NumericGetDatum(number))) > 0 ? PGMQ_PRIORITY_MAX : 0;
	return Max(0, Min(level, PGMQ_PRIORITY_MAX));
}

/* Whether a number is one of the priorities. */
bool
pgmq_priority_is_valid(Numeric number)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number),
											NumericGetDatum(int64_to_numeric(number_level(number)))));
}

/*
 * The priority of a message by its headers.  Whatever they are, this raises no
 * error: a row may come by other ways than a send, and an index calls this.
 */
static int
headers_level(Datum headers, bool isnull)
{
	Jsonb	   *doc;
	JsonbValue	value;
	int			level = 0;

	if (isnull)
		return 0;
	doc = DatumGetJsonbP(headers);
	if (pgmq_header_find(doc, PGMQ_HEADER_PRIORITY, &value) && value.type == jbvNumeric)
		level = number_level(value.val.numeric);
	if ((Pointer) doc != DatumGetPointer(headers))
		pfree(doc);
	return level;
}

/*
 * The key of a message with priorities, by its headers (jsonb).  An id that
 * does not fit makes a negative key, which comes before all others: it is found
 * in no promised order.
 */
int64
pgmq_priority_key(Datum headers, bool isnull, int64 id)
{
	if (id < 0 || id > PGMQ_KEY_ID_MAX)
		return id | PG_INT64_MIN;
	return ((int64) (PGMQ_PRIORITY_MAX - headers_level(headers, isnull)) << PGMQ_KEY_ID_BITS) | id;
}

/* The key of a row that begins with the columns of pgmq.message_record. */
int64
pgmq_priority_row_key(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		headers;
	int64		id = DatumGetInt64(slot_getattr(slot, 1, &isnull));

	headers = slot_getattr(slot, 7, &isnull);
	return pgmq_priority_key(headers, isnull, id);
}

/* The same, or its id in a queue without priorities. */
int64
pgmq_row_key(TupleTableSlot *slot, bool priorities)
{
	bool		isnull;

	return priorities ? pgmq_priority_row_key(slot) : DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

/* _priority_key(headers jsonb, msg_id bigint) returns bigint */
Datum
pgmq_priority_key_sql(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_INT64(pgmq_priority_key(PG_GETARG_DATUM(0), PG_ARGISNULL(0), PG_GETARG_INT64(1)));
}

/*
 * Whether a queue has priorities.  It is locked.  identity.c asks the same of the
 * catalog.
 */
bool
pgmq_priority_is_on(Oid queue)
{
	Relation	rel = relation_open(queue, NoLock);
	TriggerDesc *triggers = rel->trigdesc;
	Oid			function = triggers == NULL ? InvalidOid : pgmq_role_find_function(queue, PGMQ_ANNOUNCE_FUNCTION);
	bool		result = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgfoid == function && trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
			(trigger->tgtype & PGMQ_ANNOUNCE_EVENTS) == PGMQ_ANNOUNCE_EVENTS &&
			TRIGGER_FOR_AFTER(trigger->tgtype) && trigger->tgnattr == 0 &&
			trigger->tgqual == NULL)
		{
			result = trigger->tgnargs > 0;
			break;
		}
	}
	relation_close(rel, NoLock);
	return result;
}
