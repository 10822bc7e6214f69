/*-------------------------------------------------------------------------
 *
 * convert_stream.c
 *	  Making a queue that is in use a stream and a subscription.
 *
 * The queue's table gets the name of the stream, and a table of references takes
 * its place: for each message one with its lease and its count of reads.  So
 * consumers go on under the queue's name, with their leases and fences, and what is
 * sent to it goes to the stream.
 *
 * The queue is locked against everything else meanwhile.  So no transaction has
 * drawn an id that it may still commit, and all ids up to the last are settled.
 *
 * Copyright (c) 2026, pgmq_c contributors
 *
 * IDENTIFICATION
 *	  src/catalog/convert_stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "common/common.h"
#include "spi/spi.h"
#include "stream/stream.h"
#include "policy/policy.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgmq_convert_to_stream);

/*
 * Refuse what a conversion would break: a queue that is one already, partitions
 * that pg_partman knows by the name, and promises to senders that the policy makes.
 * Errors: 55000, 0A000.
 */
static void
check_convertible(const PgmqQueue *queue)
{
	const PgmqPolicy *policy = pgmq_policy(queue);
	PgmqStream	stream;

	if (pgmq_stream_look(queue->relid, &stream))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 stream.kind == PGMQ_STREAM_LOG ?
				 errmsg("queue \"%s\" is a stream", PGMQ_QUEUE_BASE(queue)) :
				 errmsg("queue \"%s\" is a subscription", PGMQ_QUEUE_BASE(queue))));
	if (get_rel_relkind(queue->relid) != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("queue \"%s\" is partitioned", PGMQ_QUEUE_BASE(queue)),
				 errhint("Create a partitioned queue, and make it a stream with pgmq.create_stream() while it is empty.")));
	if (policy != NULL && (policy->dedup_window > 0 || policy->strict_fifo))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the policy of queue \"%s\" has \"%s\"", PGMQ_QUEUE_BASE(queue),
						policy->dedup_window > 0 ? "dedup_window" : "strict_fifo"),
				 errdetail("Messages are sent to the stream, whose policy is another one."),
				 errhint("Remove the key, convert the queue, and set the key in the policy of the stream.")));
	pgmq_policy_check_kind(queue, PGMQ_STREAM_LOG, policy);
}

/*
 * Give the roles that have privileges on the stream's table, which was the queue's,
 * the same on the table of references.
 */
static void
copy_privileges(Oid from, const char *to)
{
	static const Oid argtypes[] = {OIDOID, TEXTOID};
	PgmqArg		args[] = {PGMQ_ARG(ObjectIdGetDatum(from)), PGMQ_ARG(CStringGetTextDatum(to))};
	PgmqTexts	grants = {CurrentMemoryContext, NIL};
	ListCell   *lc;

	pgmq_exec_once("SELECT pg_catalog.format('GRANT %s%s ON %s TO %s%s', a.privilege_type,"
				   " ' (' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(x.name)"
				   " OPERATOR(pg_catalog.||) ')', $2,"
				   " CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'"
				   " ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text) END,"
				   " CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) FROM"
				   " (SELECT NULL::pg_catalog.text, relacl, relowner FROM pg_catalog.pg_class"
				   " WHERE oid OPERATOR(pg_catalog.=) $1 UNION ALL"
				   " SELECT t.attname::pg_catalog.text, t.attacl, c.relowner FROM pg_catalog.pg_attribute t"
				   " JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.attrelid"
				   " WHERE t.attrelid OPERATOR(pg_catalog.=) $1 AND t.attnum OPERATOR(pg_catalog.>) 0"
				   " AND t.attname OPERATOR(pg_catalog.=) ANY (ARRAY['msg_id', 'read_ct', 'enqueued_at',"
				   " 'last_read_at', 'vt', 'message', 'headers']::pg_catalog.name[])) AS x (name, acl, owner),"
				   " LATERAL pg_catalog.aclexplode(x.acl) AS a"
				   " WHERE a.grantee OPERATOR(pg_catalog.<>) x.owner",
				   2, argtypes, args, true, pgmq_row_texts, &grants);
	foreach(lc, grants.list)
		pgmq_exec_ddl("%s", text_to_cstring(lfirst(lc)));
}

/*
 * convert_to_stream(queue_name text, stream_name text) returns void
 *
 * Errors: 42P07 if there is a queue of the stream's name; those of
 * check_convertible; 42501 for a caller that is not the owner.
 */
Datum
pgmq_convert_to_stream(PG_FUNCTION_ARGS)
{
	text	   *queue_name = pgmq_name_arg(fcinfo, 0);
	text	   *stream_name = pgmq_name_arg(fcinfo, 1);
	PgmqQueue	queue;
	PgmqQueue	log;
	PgmqQueue	references;
	PgmqStream	stream;
	PgmqKind	kind;
	Oid			owner;
	int64		drawn = 0;
	char	   *table;

	pgmq_check_may_write("ALTER TABLE");
	if (!pgmq_layout_begin(&log, stream_name, PGMQ_KIND_LOGGED))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("queue \"%s\" already exists", PGMQ_QUEUE_BASE(&log)),
				 errhint("Choose another name for the stream.")));
	pgmq_queue_lock_own(&queue, queue_name);
	pgmq_lock_name(PGMQ_QUEUE_BASE(&queue));
	pgmq_queue_check_shape(&queue);
	check_convertible(&queue);
	kind = pgmq_layout_kind(queue.relid);
	owner = pgmq_role_owner(queue.relid);
	table = pgmq_layout_name("", queue.relname, "");

	/* the stream */
	pgmq_exec_ddl("ALTER TABLE %s RENAME TO %s", table, quote_identifier(log.relname));
	log.relid = queue.relid;
	pgmq_layout_create_archive(PGMQ_QUEUE_BASE(&log), NULL);
	pgmq_layout_grant_archive(PGMQ_QUEUE_BASE(&log));
	pgmq_meta_put(&log, stream_name, kind);
	pgmq_stream_put(&log);

	/* the references, under the name of the queue */
	pgmq_layout_create_queue(PGMQ_QUEUE_BASE(&queue), kind);
	pgmq_layout_announce(PGMQ_QUEUE_BASE(&queue));
	references = queue;
	references.relid = get_relname_relid(queue.relname, get_rel_namespace(log.relid));
	pgmq_exec_ddl("INSERT INTO %s (msg_id, read_ct, enqueued_at, last_read_at, vt, headers)"
				  " OVERRIDING SYSTEM VALUE"
				  " SELECT msg_id, COALESCE(read_ct, 0), enqueued_at, last_read_at, vt,"
				  " CASE WHEN pg_catalog.jsonb_typeof(headers) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text"
				  " THEN headers END FROM %s", table, pgmq_layout_name("", log.relname, ""));
	pgmq_exec_ddl("UPDATE %s SET vt = enqueued_at WHERE last_read_at IS NOT NULL"
				  " AND vt OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()",
				  pgmq_layout_name("", log.relname, ""));
	copy_privileges(log.relid, table);
	if (owner != GetUserId())
	{
		const char *name = quote_identifier(GetUserNameFromId(owner, false));

		pgmq_exec_ddl("ALTER TABLE %s OWNER TO %s", table, name);
		pgmq_exec_ddl("ALTER TABLE %s OWNER TO %s",
					  pgmq_layout_name("a_", PGMQ_QUEUE_BASE(&log), ""), name);
	}
	pgmq_subscription_put(&references, log.relid, PGMQ_ARG_NULL);
	if (!pgmq_stream_look(references.relid, &stream) || !pgmq_sequence_look(log.relid, &drawn))
		elog(ERROR, "stream \"%s\" is not there", log.relname);
	pgmq_feed_begin_at(&references, &stream, Max(drawn, 0) + 1);
	PG_RETURN_VOID();
}
