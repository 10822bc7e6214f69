
# pg_dump and pg_restore of a database with queues: every message, queue,
# binding, notification and grant comes back, and ids go on where they were.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqLife;
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync' ]);
$node->append_conf('postgresql.conf', 'wal_level = logical');
$node->start;

# The parts of a database with queues that its users see.
my $content = q{
	SELECT 'queue', to_jsonb(q)::text FROM pgmq.list_queues() q
	UNION ALL SELECT 'binding', to_jsonb(b)::text FROM pgmq.topic_bindings b
	UNION ALL SELECT 'throttle', to_jsonb(t)::text
	FROM pgmq.notify_insert_throttle t
	UNION ALL SELECT 'metrics', (to_jsonb(m) - 'scrape_time'
		- 'newest_msg_age_sec' - 'oldest_msg_age_sec'
		- 'default_partition_length')::text
	FROM pgmq.metrics_all() m
	UNION ALL SELECT 'routine', p.oid::regprocedure::text || ' '
		|| array_to_string(array(SELECT unnest(coalesce(p.proacl,
			acldefault('f', p.proowner)))::text ORDER BY 1), ' ')
	FROM pg_proc p
	WHERE p.pronamespace IN ('pgmq'::regnamespace, 'public'::regnamespace)
	UNION ALL SELECT 'relation', concat_ws(' ', c.relname, c.relkind,
		c.relpersistence, c.relreplident, c.reloptions, c.relrowsecurity,
		array_to_string(array(SELECT unnest(coalesce(c.relacl, acldefault(
			CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)))::text
			ORDER BY 1), ' '))
	FROM pg_class c
	WHERE c.relnamespace IN ('pgmq'::regnamespace, 'public'::regnamespace)
	UNION ALL SELECT 'column', concat_ws(' ', c.relname, a.attname,
		format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
		a.attgenerated, a.attacl, pg_get_expr(d.adbin, d.adrelid))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'p')
	UNION ALL SELECT 'index', pg_get_indexdef(i.indexrelid)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
	WHERE c.relnamespace = 'pgmq'::regnamespace
	UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger
	WHERE NOT tgisinternal
	UNION ALL SELECT 'policy', concat_ws(' ', polname, polrelid::regclass,
		pg_get_expr(polqual, polrelid))
	FROM pg_policy
	UNION ALL SELECT 'schema', array_to_string(
		array(SELECT unnest(nspacl)::text ORDER BY 1), ' ')
	FROM pg_namespace WHERE nspname = 'pgmq'
	UNION ALL SELECT 'extension', concat_ws(' ', extname, extversion)
	FROM pg_extension
	ORDER BY 1, 2};

sub tables
{
	my ($db) = @_;
	my @tables = split /\n/, $node->safe_psql(
		$db,
		q{SELECT oid::regclass::text FROM pg_class
		  WHERE relnamespace = 'pgmq'::regnamespace
		  AND relkind IN ('r', 'p') AND relname ~ '^([qa]|d[0-2])_' ORDER BY 1});

	return join '',
	  map { "$_:\n" . $node->safe_psql($db, "SELECT * FROM $_ ORDER BY 1") . "\n" }
	  @tables;
}

my $file = $node->basedir . '/dump';

sub round_trip
{
	my ($db, $format, $primary) = @_;
	my $copy = "${db}_$format";
	my $messages = tables($db);
	my $was = $node->safe_psql($db, $content);

	$node->command_ok(
		[ 'pg_dump', '--format', $format, '--file', "$file.$copy", $db ],
		"$copy: dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $copy");
	if ($format eq 'p')
	{
		$node->command_ok(
			[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$file.$copy", $copy ],
			"$copy: restored");
	}
	else
	{
		$node->command_ok(
			[ 'pg_restore', '--exit-on-error', '--dbname', $copy, "$file.$copy" ],
			"$copy: restored");
	}
	is(tables($copy), $messages, "$copy: every message is there");
	life_is_same(
		$primary->($node->safe_psql($copy, $content)),
		$primary->($was),
		"$copy: and all the rest");
	return $copy;
}

# Made by this extension

$node->safe_psql('postgres', 'CREATE ROLE reader; CREATE DATABASE own');
$node->safe_psql(
	'own', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('jobs'), pgmq.create('Mixed "Case"'),
		pgmq.create_unlogged('fleeting');
	SELECT pgmq.send('jobs', to_jsonb(n)) FROM generate_series(1, 5) n;
	SELECT pgmq.send('jobs', '{"later": 1}', '{"x-pgmq-group": "g"}', 3600);
	SELECT pgmq.read('jobs', 3600, 2);
	SELECT pgmq.archive('jobs', 1);
	SELECT pgmq.delete('jobs', 3);
	SELECT pgmq.send('fleeting', '"soon gone"');
	SELECT pgmq.send('Mixed "Case"', NULL::jsonb);
	SELECT pgmq.create_fifo_index('jobs');
	SELECT pgmq.bind_topic('logs.#', 'jobs');
	SELECT pgmq.bind_topic('*.error', 'Mixed "Case"');
	SELECT pgmq.enable_notify_insert('jobs', 250);
	SELECT pgmq.enable_notify_insert('Mixed "Case"', 0);
	SELECT pgmq.set_policy('Mixed "Case"', '{"dedup_window": 86400}');
	SELECT pgmq.send('Mixed "Case"', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
	GRANT USAGE ON SCHEMA pgmq TO reader;
	GRANT SELECT ON pgmq.q_jobs, pgmq.meta TO reader;
	REVOKE EXECUTE ON FUNCTION pgmq.delete(text, bigint, integer) FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION pgmq.delete(text, bigint, integer) TO reader;
});

foreach my $format ('p', 'c')
{
	my $copy = round_trip('own', $format, sub { $_[0] });

	is( $node->safe_psql(
			$copy,
			q{SELECT pgmq.send('jobs', '7');
			  SELECT pgmq.send('fleeting', '2');
			  SELECT pgmq.send('Mixed "Case"', '2');
			  SELECT pgmq.send('Mixed "Case"', '2', '{"x-pgmq-dedup-id": "a"}'::jsonb);
			  SELECT msg_id FROM pgmq.read('jobs', 30, 10);
			  SELECT pgmq.send_topic('logs.error', '8')}),
		"7\n2\n3\n2\n4\n5\n7\n2",
		"$copy: ids go on, duplicates are known, what is in flight stays so, bindings route");
	my ($rc, $out, $err) = $node->psql($copy,
		q{LISTEN "pgmq.q_jobs.INSERT"; SELECT FROM pgmq.send('jobs', '9')});
	like($out, qr/notification "pgmq.q_jobs.INSERT"/, "$copy: notifies");
}

# Taken over, with what users had granted and revoked before.  The restored
# database is a fresh installation: primary keys where the other has unique
# constraints, and its own expression for a generated column.

$node->safe_psql('postgres', 'CREATE DATABASE taken');
shape_install($node, 'taken', '1.13.1');
shape_data($node, 'taken', '1.13.1');
shape_user($node, 'taken');
$node->safe_psql('taken', 'CREATE EXTENSION pgmq_c; DROP PUBLICATION everything');

foreach my $format ('p', 'c')
{
	my $copy = round_trip(
		'taken', $format,
		sub {
			my ($text) = @_;
			$text =~
			  s/^(relation\|(?:meta|notify_insert_throttle|topic_bindings) r p) [di]/$1/mg;
			$text =~ s/^(column\|topic_bindings compiled_regex) .*/$1/mg;
			return $text;
		});

	is( $node->safe_psql(
			$copy,
			q{SELECT has_function_privilege('shape_reader', 'pgmq.delete(text, bigint, integer)', 'EXECUTE'),
			  has_function_privilege('shape_reader', 'pgmq.archive(text, bigint, integer)', 'EXECUTE'),
			  has_table_privilege('shape_reader', 'pgmq.meta', 'SELECT'),
			  has_schema_privilege('shape_reader', 'pgmq', 'USAGE'),
			  has_table_privilege('pg_monitor', 'pgmq.q_jobs', 'SELECT'),
			  has_column_privilege('pg_monitor', 'pgmq.q_jobs', 'vt', 'SELECT')}),
		't|f|t|t|f|t',
		"$copy: grants from before the take-over are restored");
	is( $node->safe_psql($copy,
			q{SELECT public.enqueue('{"n": 4}'); SELECT msg_id FROM public.take(5)}),
		"4\n3\n4",
		"$copy: functions of users work");
}

done_testing();
