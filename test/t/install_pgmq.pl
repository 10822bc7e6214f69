
# `make install-pgmq`: the whole product under the name pgmq, for everyone who
# says CREATE EXTENSION pgmq, with or without a version of PGMQ's, and for
# databases and dumps that have PGMQ's own extension.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a server of its own: its share folder is not writable'
  unless share_is_private();

my $tool = abs_path(dirname(__FILE__) . '/../../tools/install-pgmq.sh');
my $folder = PgmqShape::share_folder();

sub aside
{
	my ($from, $to) = @_;

	rename($_, $_ =~ s/\Q$from\E$/$to/r)
	  foreach grep { /\/pgmq(\.control|--[^\/]*\.sql)\Q$from\E$/ }
	  glob("$folder/pgmq*");
	return;
}

# Leave the folder as it was found.
aside('', '.found');

END
{
	if (defined $folder)
	{
		my $rc = $?;

		unlink(glob("$folder/pgmq.control"), glob("$folder/pgmq--*.sql"));
		aside('.found', '');
		$? = $rc;
	}
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync' ]);
$node->append_conf('postgresql.conf', 'wal_level = logical');
$node->start;

my $serial = 0;

sub database
{
	my ($sql) = @_;
	my $db = 'db' . ++$serial;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, $sql) if $sql;
	return $db;
}

my $version = q{SELECT string_agg(extname || ' ' || extversion, ', ')
	FROM pg_extension WHERE extname LIKE 'pgmq%'};

# The functions, and how many are this product's.
my $functions = q{
	SELECT count(*), count(*) FILTER (WHERE probin = '$libdir/pgmq_c')
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname LIKE 'pgmq%')};

my $use = q{SELECT pgmq.create('work'); SELECT pgmq.send('work', '1');
	SELECT message FROM pgmq.read('work', 30, 1);
	SELECT pgmq.archive('work', 1, 1)};

my $db = database('CREATE EXTENSION pgmq_c');
my $all = $node->safe_psql($db, $functions);
my ($count, $ours) = split /\|/, $all;
cmp_ok($ours, '>=', 76, 'under its own name: all functions');

# A PGMQ that is already in the folder is not overwritten
append_to_file("$folder/pgmq.control", "default_version = '1.12.0'\n");
command_fails_like([ $tool, 'install', $folder ],
	qr/pgmq\.control belongs to another extension named pgmq/, 'refuses to overwrite files of PGMQ');
is(slurp_file("$folder/pgmq.control"),
	"default_version = '1.12.0'\n", 'and leaves them alone');
unlink("$folder/pgmq.control");

# Databases of PGMQ's, made before this product takes its name
my %theirs;
foreach my $was (@PgmqShape::versions)
{
	$db = database();
	shape_extension($node, $db, $was);
	shape_data($node, $db, $was);
	shape_user($node, $db, $was);
	$theirs{$was} = $db;
}
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN');
my $alices = database();
$node->safe_psql('postgres', "ALTER DATABASE $alices OWNER TO alice");
shape_extension($node, $alices, '1.13.1', 'alice');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $theirs{'1.13.1'} ],
	'dump of a database with PGMQ');
my $old_dump = $node->basedir . '/old_dump.sql';
$node->command_ok([ 'pg_dump', '--file', $old_dump, $theirs{'1.10.0'} ],
	'dump of a database with an older PGMQ');

command_ok([ $tool, 'install', $folder ], 'installed under the name pgmq');
command_ok([ $tool, 'install', $folder ], 'and again over itself');

# Plain
$db = database('CREATE EXTENSION pgmq');
is($node->safe_psql($db, "$version; $functions; $use"),
	"pgmq 1.13.1\n$all\n\n1\n1\nt", 'CREATE EXTENSION pgmq');
unlike(($node->psql($db, q{DROP EXTENSION pgmq CASCADE; CREATE EXTENSION pgmq}))[2], qr/WARNING|ERROR/, '.. again');
is($node->safe_psql($db, q{SELECT queue_name FROM pgmq.list_queues(); SELECT count(*) FROM pgmq.a_work}),
	"work\n1", '.. takes over what is there');
$node->safe_psql($db, 'ALTER EXTENSION pgmq UPDATE');

# The two names in one database
my ($rc, $out, $err) = $node->psql($db,
	"\\set VERBOSITY verbose\nCREATE EXTENSION pgmq_c");
like(
	$err,
	qr/55000: extension "pgmq" is installed in this database\nDETAIL:  "pgmq" and "pgmq_c" are two names of one product/,
	'not beside the name pgmq');
is($node->safe_psql($db, "$version; SELECT message FROM pgmq.a_work"),
	"pgmq 1.13.1\n1", 'nothing happened to it');
$db = database('CREATE EXTENSION pgmq_c');
($rc, $out, $err) = $node->psql($db, "CREATE EXTENSION pgmq");
like(
	$err,
	qr/extension "pgmq_c" is installed in this database/,
	'nor the name pgmq beside pgmq_c');
is($node->safe_psql($db, $version), 'pgmq_c 1.2.0', 'nothing happened to it');

# With a version of PGMQ's, and from there by update
foreach my $was ('1.4.4', '1.5.1', '1.8.0', '1.10.0', '1.11.1', '1.13.0')
{
	$db = database("CREATE EXTENSION pgmq VERSION '$was'");
	is($node->safe_psql($db, "$version; $functions; $use"),
		"pgmq $was\n$all\n\n1\n1\nt", "CREATE EXTENSION pgmq VERSION '$was'");
	$node->safe_psql($db,
		'REVOKE EXECUTE ON FUNCTION pgmq.delete(text, bigint) FROM PUBLIC');
	$node->safe_psql($db, 'ALTER EXTENSION pgmq UPDATE');
	is( $node->safe_psql(
			$db,
			"$version; $functions; SELECT message FROM pgmq.a_work;
			 SELECT oid::regprocedure FROM pg_proc WHERE proacl IS NOT NULL
			 AND pronamespace = 'pgmq'::regnamespace;
			 SELECT count(*) FROM pg_init_privs i JOIN pg_proc p
			 ON p.oid = i.objoid AND p.pronamespace = 'pgmq'::regnamespace"),
		"pgmq 1.13.1\n$all\n1\npgmq.delete(text,bigint)\n0",
		"and UPDATE from $was: same functions, queues and grants");
}

# PGMQ's own extension becomes this product
foreach my $was (@PgmqShape::versions)
{
	$db = $theirs{$was};
	$node->safe_psql($db, 'ALTER EXTENSION pgmq ADD TABLE pgmq.a_jobs')
	  unless shape_before($was, '1.6.0');
	$node->safe_psql($db, "ALTER EXTENSION pgmq UPDATE TO '1.13.0'")
	  if $was eq '1.13.1';
	$node->safe_psql($db, 'ALTER EXTENSION pgmq UPDATE');
	is( $node->safe_psql(
			$db,
			"$version; $functions;
			 SELECT string_agg(objid::regclass::text, ' ' ORDER BY objid::regclass::text)
			 FROM pg_depend
			 WHERE classid = 'pg_class'::regclass AND deptype = 'e'
			 AND objid::regclass::text LIKE 'pgmq.%'"),
		"pgmq 1.13.1\n$all\npgmq.meta pgmq.notify_insert_throttle pgmq.policy pgmq.stat_queues pgmq.stream pgmq.subscription pgmq.subscription_block pgmq.subscription_note pgmq.topic_bindings",
		"PGMQ $was: updated to this product");
	is( $node->safe_psql(
			$db,
			q{SELECT public.enqueue('{"n": 4}');
			  SELECT msg_id, read_ct FROM public.take(5);
			  SELECT queue_name FROM pgmq.list_queues() ORDER BY 1;
			  SELECT has_function_privilege('shape_reader', 'pgmq.delete(text, bigint, integer)', 'EXECUTE'),
			  has_function_privilege('shape_reader', 'pgmq.archive(text, bigint, integer)', 'EXECUTE'),
			  has_table_privilege('pg_monitor', 'pgmq.q_jobs', 'SELECT')}),
		"4\n3|1\n4|1\nMyQueue\nfleeting\njobs\nparts\nt|f|f",
		"PGMQ $was: queues, functions of users, grants");
}
# By the owner of a database and of PGMQ, who is no superuser
is( $node->safe_psql(
		$alices,
		"SET SESSION AUTHORIZATION alice;
		 ALTER EXTENSION pgmq UPDATE TO '1.13.0';
		 ALTER EXTENSION pgmq UPDATE;
		 $version; $functions; $use;
		 SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
		 WHERE pronamespace = 'pgmq'::regnamespace"),
	"pgmq 1.13.1\n$all\n\n1\n1\nt\nalice",
	'updated by its owner');

# A plain SQL installation
$db = database();
shape_install($node, $db, '1.13.1');
shape_data($node, $db, '1.13.1');
$node->safe_psql($db, 'CREATE EXTENSION pgmq');
is( $node->safe_psql($db,
		"$version; $functions; SELECT msg_id FROM pgmq.read('jobs', 30, 9)"),
	"pgmq 1.13.1\n$all\n3",
	'plain SQL installation: taken over');

# Dumps
foreach my $file ($dump, $old_dump)
{
	$db = database();
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, $db ],
		'dump of PGMQ restored');
	if ($file eq $old_dump)
	{
		like(
			($node->psql($db, q{SELECT pgmq.send('jobs', '1')}))[2],
			qr/"pgmq.q_jobs" is not a message queue\nDETAIL:  It has no column "last_read_at".*\nHINT:  If an older version of PGMQ created it, add the missing columns with pgmq.convert_queue\(\)/,
			'its queues lack a column');
		is($node->safe_psql($db, 'SELECT * FROM pgmq.convert_queues_all() ORDER BY 1'),
			"MyQueue\nfleeting\njobs\nparts", 'which they get');
	}
	is( $node->safe_psql(
			$db,
			qq{$version; $functions;
			   SELECT queue_name FROM pgmq.list_queues() ORDER BY 1;
			   SELECT public.enqueue('{"n": 4}');
			   SELECT msg_id, read_ct FROM public.take(5);
			   SELECT msg_id, vt::date FROM pgmq.q_jobs WHERE read_ct = 4;
			   SELECT message FROM pgmq.a_jobs;
			   SELECT sum(message::int) FROM pgmq.read('parts', 30, 50);
			   SELECT queue_name, throttle_interval_ms
			   FROM pgmq.list_notify_insert_throttles();
			   SELECT has_function_privilege('shape_reader', 'pgmq.delete(text, bigint)', 'EXECUTE'),
			   has_function_privilege('shape_reader', 'pgmq.archive(text, bigint)', 'EXECUTE')}
		),
		qq(pgmq 1.13.1\n$all\nMyQueue\nfleeting\njobs\nparts\n4\n3|1\n4|1\n)
		  . qq(2|2100-01-01\n{"n": 1}\n325\nMyQueue|250\njobs|0\nt|f),
		'and has its queues');
	is( $node->safe_psql($db,
			q{SELECT pattern, queue_name FROM pgmq.list_topic_bindings() ORDER BY 1}),
		$file eq $dump ? "*.error|MyQueue\nlogs.#|jobs" : '',
		'and its bindings');
	($rc, $out, $err) = $node->psql($db,
		q{LISTEN "pgmq.q_jobs.INSERT"; SELECT FROM pgmq.send('jobs', '9')});
	like($out, qr/notification "pgmq.q_jobs.INSERT"/, 'and notifies');
}

done_testing();
