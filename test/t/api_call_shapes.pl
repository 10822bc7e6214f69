# A call that PostgreSQL resolved with the version before resolves to the same
# function now, whatever the types of its arguments and whether they are named;
# and calls without types that were ambiguous are not any more.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

# Which function a call is: what a view that makes it depends on.  NULL where
# there is none, or no one.
$node->safe_psql('postgres', q{
	CREATE EXTENSION pgmq_c VERSION '1.1.0';

	CREATE FUNCTION resolved(call text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		found text;
	BEGIN
		EXECUTE 'CREATE TEMPORARY VIEW called AS SELECT FROM ' || call;
		SELECT d.refobjid::regprocedure INTO found
		FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
		JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
		WHERE r.ev_class = 'called'::regclass AND p.pronamespace = 'pgmq'::regnamespace;
		DROP VIEW called;
		RETURN found;
	EXCEPTION
		WHEN undefined_function OR ambiguous_function THEN RETURN NULL;
	END
	$$;

	-- Each verb with every combination of these types, which are those of its
	-- forms and what drivers send: no type is a literal without one.
	CREATE TABLE calls (n bigserial, call text, before text, after text);
	INSERT INTO calls (call)
	WITH RECURSIVE kinds (kind) AS (VALUES
		('NULL'), ('NULL::smallint'), ('NULL::integer'), ('NULL::bigint'), ('NULL::text'), ('NULL::varchar'),
		('NULL::jsonb'), ('NULL::jsonb[]'), ('NULL::bigint[]'), ('NULL::integer[]'),
		('NULL::timestamptz'), ('NULL::timestamp'), ('NULL::date'), ('NULL::interval')),
	verbs (verb, first, least, most) AS (VALUES
		('send', 'NULL', 2, 4), ('send', 'NULL::text', 3, 3), ('send_batch', 'NULL', 2, 4),
		('send_batch_topic', 'NULL', 2, 4), ('send_topic', 'NULL', 2, 4),
		('delete', 'NULL', 2, 3), ('delete', 'NULL::text', 2, 3), ('archive', 'NULL', 2, 3),
		('set_vt', 'NULL', 3, 4), ('set_vt', 'NULL::text', 3, 3), ('nack', 'NULL', 2, 4), ('nack', 'NULL::text', 2, 3),
		('dead_letter', 'NULL', 3, 4), ('unarchive', 'NULL', 2, 2), ('unarchive', 'NULL::text', 2, 2),
		('read', 'NULL', 3, 3), ('pop', 'NULL', 2, 2), ('redrive', 'NULL', 2, 3)),
	made (verb, args, n, most, least) AS (
		SELECT verb, first, 1, most, least FROM verbs
		UNION ALL
		SELECT verb, args || ', ' || kind, n + 1, most, least FROM made, kinds
		-- the fourth argument of all has few types
		WHERE n < most AND (n < 3 OR kind IN ('NULL', 'NULL::smallint', 'NULL::integer', 'NULL::integer[]', 'NULL::timestamptz', 'NULL::text'))
		AND (n <> 2 OR most < 4 OR kind NOT IN ('NULL::date', 'NULL::timestamp')))
	SELECT DISTINCT format('pgmq.%s(%s)', verb, args) FROM made WHERE n >= least;

	-- Named: what a form names, without types and with its own.
	INSERT INTO calls (call)
	SELECT format('pgmq.%s(%s)', p.proname,
		(SELECT string_agg(CASE WHEN i <= positional THEN '' ELSE proargnames[i] || ' => ' END
				|| CASE WHEN typed = 'all' OR typed = 'last' AND i = pronargs OR typed = 'second' AND i = 2
					THEN 'NULL::' || format_type(proargtypes[i - 1], NULL) ELSE 'NULL' END, ', ' ORDER BY i)
		 FROM generate_series(1, pronargs) i))
	FROM pg_proc p, unnest('{none,last,second,all}'::text[]) typed, generate_series(0, 2) positional
	WHERE p.pronamespace = 'pgmq'::regnamespace AND prokind = 'f' AND pronargs > 1 AND provariadic = 0
	AND prorettype <> 'trigger'::regtype;

	UPDATE calls SET before = resolved(call);
});

is($node->safe_psql('postgres', q{SELECT count(*) > 3000, count(before) > 300 FROM calls}), 't|t', 'there are calls, and some were resolved');

$node->safe_psql('postgres', q{
	ALTER EXTENSION pgmq_c UPDATE;
	UPDATE calls SET after = resolved(call);
});

# A typed varchar has a form of its own now in place of the one for a text, which
# is the same function in C.
is($node->safe_psql('postgres', q{
	SELECT call, before, after FROM calls
	LEFT JOIN pg_proc b ON b.oid = before::regprocedure LEFT JOIN pg_proc a ON a.oid = after::regprocedure
	WHERE before IS NOT NULL AND (a.prosrc, a.prorettype) IS DISTINCT FROM (b.prosrc, b.prorettype)
	ORDER BY n LIMIT 20}),
	'', 'a call that was resolved is resolved as before');

# Calls that were ambiguous, without a type or with some.
my @clear = (
	'delete(NULL, NULL)', 'delete(NULL, NULL, NULL)', 'archive(NULL, NULL)', 'archive(NULL, NULL, NULL)',
	'nack(NULL, NULL)', 'nack(NULL, NULL, NULL)', 'nack(NULL, NULL, NULL, NULL)', 'nack(NULL, NULL, NULL::smallint)',
	'set_vt(NULL, NULL, NULL)', 'set_vt(NULL, NULL, NULL, NULL)', 'set_vt(NULL, NULL, NULL::smallint)',
	'set_vt(NULL, NULL::bigint, NULL)', 'set_vt(NULL, NULL::bigint[], NULL)', 'set_vt(NULL, NULL::bigint, NULL, NULL::integer)',
	'set_vt(queue_name => NULL, msg_id => NULL, vt => NULL)', 'set_vt(queue_name => NULL, msg_ids => NULL, vt => NULL)',
	'send(NULL, NULL, NULL, NULL)', 'send(NULL, NULL, delay => NULL)', 'send(NULL, NULL, headers => NULL, delay => NULL)',
	'send_batch(NULL, NULL, NULL)', 'send_batch(NULL, NULL::jsonb[], NULL)', 'send_batch(NULL, NULL, NULL, NULL)', 'send_batch(NULL, NULL, delay => NULL)',
	'send_batch_topic(NULL, NULL, NULL)', 'send_batch_topic(NULL, NULL, NULL, NULL)',
	'dead_letter(NULL, NULL, NULL)', 'dead_letter(NULL, NULL, NULL, NULL)', 'unarchive(NULL, NULL)',
);
my $list = join ', ', map { "('pgmq.$_')" } @clear;
is($node->safe_psql('postgres', "INSERT INTO calls (call) SELECT c FROM (VALUES $list) v (c) WHERE c NOT IN (SELECT call FROM calls);"
		. " UPDATE calls SET after = resolved(call) WHERE after IS NULL AND call IN (SELECT c FROM (VALUES $list) v (c));"
		. " SELECT call, before, after FROM calls WHERE call IN (SELECT c FROM (VALUES $list) v (c)) AND (before IS NOT NULL OR after IS NULL)"),
	'', 'a call that was ambiguous is resolved');

note $node->safe_psql('postgres', q{SELECT count(*) FROM calls WHERE before IS NULL AND after IS NOT NULL}), ' more calls are resolved';

# A role that was kept from all forms of a verb is kept from the new ones, also
# from those that begin with the arguments of none.
$node->safe_psql('postgres', q{
	CREATE DATABASE kept;
	\c kept
	CREATE EXTENSION pgmq_c VERSION '1.1.0';
	CREATE ROLE stranger;
	REVOKE EXECUTE ON FUNCTION pgmq.archive(text, bigint), pgmq.archive(text, bigint[]),
		pgmq.archive(text, bigint, integer), pgmq.archive(text, bigint[], integer[]) FROM PUBLIC;
	ALTER EXTENSION pgmq_c UPDATE;
});
is($node->safe_psql('kept', q{
	SELECT proname, bool_or(has_function_privilege('stranger', oid, 'EXECUTE')), bool_and(has_function_privilege('stranger', oid, 'EXECUTE'))
	FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace AND proname ~ '^(archive|delete)' GROUP BY 1 ORDER BY 1}),
	"archive|f|f\narchive_and_read|f|f\narchive_and_read_with_poll|f|f\n"
	  . "delete|t|t\ndelete_and_read|t|t\ndelete_and_read_with_poll|t|t",
	'a role that was kept from a verb is kept from its new forms');

$node->stop;
done_testing();
