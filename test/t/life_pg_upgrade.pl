
# pg_upgrade of a cluster with queues in use.  From an older server where
# OLD_BINDIR names one that has pgmq_c installed (tools/pg-upgrade.sh); otherwise
# from this version to itself, which pg_upgrade does as well.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqLife;
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $new_bindir = `$ENV{PG_CONFIG} --bindir`;
chomp $new_bindir;
my $old_bindir = $ENV{OLD_BINDIR} || $new_bindir;
my $old_config = "$old_bindir/pg_config";

sub cluster
{
	my ($name, $bindir, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => dirname($bindir));

	$node->init(extra => [ '--no-sync', '--data-checksums' ]);
	$node->append_conf('postgresql.conf', $_) foreach @conf;
	return $node;
}

# The worker must leave a server alone that pg_upgrade has started.
my @conf = (
	"shared_preload_libraries = 'pgmq_c'",
	"pgmq_c.maintain_database = 'postgres, plain'",
	'pgmq_c.maintain_interval = 1');
my $old = cluster('old', $old_bindir, @conf);
$old->start;
my $version = $old->safe_psql('postgres', 'SHOW server_version') =~ s/\D.*//sr;
my $partman = $old->safe_psql('postgres',
	q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'});

$old->safe_psql('postgres', 'CREATE EXTENSION pgmq_c; CREATE EXTENSION amcheck;
	CREATE ROLE alice LOGIN; CREATE DATABASE hers OWNER alice');
$old->safe_psql('postgres', "CREATE DATABASE $_") foreach 'plain', 'first', 'taken';

# As it is today, and as it was in its first version
$old->safe_psql('plain', 'CREATE EXTENSION pgmq_c');
$old->safe_psql('first', "CREATE EXTENSION pgmq_c VERSION '1.0.0'");
if ($partman)
{
	$old->safe_psql($_, 'CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman')
	  foreach 'plain', 'first';
}
life_fill($old, $_, partitioned => $partman) foreach 'plain', 'first';
$old->safe_psql('postgres', 'CREATE DATABASE streams');
$old->safe_psql('streams', 'CREATE EXTENSION pgmq_c');
life_streams($old, 'streams');

# Of a PGMQ that was taken over
shape_install($old, 'taken', '1.13.1');
shape_data($old, 'taken', '1.13.1');
$old->safe_psql('taken', 'CREATE EXTENSION pgmq_c');

# By the owner of a database who is no superuser
$old->safe_psql('hers', "CREATE EXTENSION pgmq_c VERSION '1.0.0'", extra_params => [ '-U', 'alice' ]);
life_fill($old, 'hers', user => 'alice');

# Under PGMQ's name
my $tool = abs_path(dirname(__FILE__) . '/../../tools/install-pgmq.sh');
my @folders = map { my $dir = `$_ --sharedir`; chomp $dir; "$dir/extension" }
  $old_config, $ENV{PG_CONFIG};
my $named = !grep { !-w $_ || -e "$_/pgmq.control" } @folders;

if ($named)
{
	system_or_bail($tool, 'install', $_) foreach @folders;
	$old->safe_psql('postgres', 'CREATE DATABASE named');
	$old->safe_psql('named', 'CREATE EXTENSION pgmq');
	life_fill($old, 'named');
}

END
{
	my $rc = $?;

	if ($named)
	{
		system($tool, 'uninstall', $_) foreach @folders;
	}
	$? = $rc;
}

my @dbs = ('plain', 'first', 'taken', 'hers', 'streams', $named ? 'named' : ());
my %messages = map { $_ => life_messages($old, $_) } @dbs;
my %catalog = map { $_ => life_catalog($old, $_) } @dbs;
my $plain = $catalog{plain};

cmp_ok(length($messages{$_}), '>', 500, "$_: there are messages") foreach @dbs;
$old->stop;

# Differences because a newer server uses other words, or because of what
# pg_upgrade does to any extension
sub words
{
	my ($text) = @_;

	# it belongs to the role that runs pg_upgrade
	$text =~ s/^(extension\|\S* \S*).*/$1/mg;

	# the right to maintain a table came with 17
	$text =~ s/(=a\w*r\w*d\w*D\w*x\w*t)m/$1/g;
	return $text;
}

# Whether pg_upgrade into a cluster failed by nothing but the option pg_attver,
# which some servers set on columns by themselves and a newer one may not know.
sub failed_by_attver
{
	my ($new) = @_;
	my @errors;

	foreach my $file (glob($new->data_dir . '/pg_upgrade_output.d/*/log/*'))
	{
		push @errors, grep { /\b(?:ERROR|FATAL|PANIC|error):/ } split(/^/, slurp_file($file))
		  if -f $file;
	}
	return @errors > 0 && !grep { !/unrecognized parameter "pg_attver"/ } @errors;
}

my $help = `$new_bindir/pg_upgrade --help`;
my @modes = ($ENV{OLD_BINDIR} ? 'copy' : (), 'link', $help =~ /--swap/ ? 'swap' : ());

# Only a copy leaves the old cluster as it was, so each mode but the last is
# given one of its own.
foreach my $mode (@modes)
{
	my $from = $old;

	if ($mode ne $modes[-1])
	{
		$from = cluster("from_$mode", $old_bindir);
		system_or_bail('rm', '-rf', $from->data_dir);
		system_or_bail('cp', '-a', $old->data_dir, $from->data_dir);
	}

	my $new = cluster("to_$mode", $new_bindir, @conf);
	my $name = "$version to " . $new->pg_version->major . " $mode";
	my @command = (
		'pg_upgrade', '--old-bindir', $old_bindir, '--new-bindir', $new_bindir,
		'--old-datadir', $from->data_dir, '--new-datadir', $new->data_dir,
		'--old-port', $from->port, '--new-port', $new->port,
		'--socketdir', $new->host, $mode eq 'copy' ? () : "--$mode",
		$help =~ /--no-sync/ ? '--no-sync' : ());

	chdir ${PostgreSQL::Test::Utils::tmp_check};
	$new->command_ok([ @command, '--check' ], "$name: clusters are compatible");
	my $upgraded = $new->run_log(\@command);

  SKIP:
	{
		skip "$name: the servers cannot, for their own option pg_attver", 1
		  if !$upgraded && failed_by_attver($new);
		ok($upgraded, "$name: upgraded");
	}
	next if !$upgraded;
	$new->start;

	foreach my $db (@dbs)
	{
		is(life_messages($new, $db), $messages{$db}, "$name, $db: every message is there");
		life_is_same(words(life_catalog($new, $db)), words($catalog{$db}), "$name, $db: and all the rest");
	}
	$new->command_ok(
		[
			'pg_amcheck', '--all', '--heapallindexed', '--install-missing',
			'--port', $new->port, '--host', $new->host
		],
		"$name: tables and indexes are sound");

	# The first version goes on, before and after its update
	life_is_same(
		$new->safe_psql('first',
			q{SELECT queue_name, msg_id FROM pgmq.read_any('{jobs,hand}', 0, 1000)}),
		$new->safe_psql('plain',
			q{SELECT queue_name, msg_id FROM pgmq.read_any('{jobs,hand}', 0, 1000)}),
		"$name, first: reads by 1.0.0");
	$new->safe_psql($_,
		q{UPDATE pgmq.q_jobs SET read_ct = 0 WHERE msg_id > 20})
	  foreach 'first', 'plain';
	$new->safe_psql($_, 'ALTER EXTENSION pgmq_c UPDATE') foreach 'first', 'hers';
	life_is_same(
		life_catalog($new, 'first') =~ s/"(created_at|bound_at)": "[^"]*"//gr,
		life_catalog($new, 'plain') =~ s/"(created_at|bound_at)": "[^"]*"//gr,
		"$name, first: updated, as today's");
	life_goes_on($new, $_, "$name, $_", $_ eq 'hers' ? (user => 'alice') : ())
	  foreach grep { $_ ne 'taken' && $_ ne 'streams' } @dbs;
	life_streams_go_on($new, 'streams', "$name, streams");
	is( $new->safe_psql(
			'taken',
			q{SELECT msg_id FROM pgmq.read('jobs', 30, 9); SELECT pgmq.send('jobs', '{}');
			  SELECT pgmq.convert_queues_all();
			  SELECT sum(message::int) FROM pgmq.read('parts', 30, 50);
			  SELECT pgmq.send('fleeting', '1')}),
		"3\n4\nMyQueue\nfleeting\njobs\nparts\n325\n2",
		"$name, taken: what was PGMQ's goes on");
	is( $new->safe_psql(
			'plain',
			q{SELECT min(msg_id), max(msg_id) FROM pgmq.read('parts', 36000, 1000);
			  SELECT pgmq.send('parts', '1')}),
		"4|250\n251",
		"$name, plain: the partitioned queue goes on")
	  if $partman;
	ok( $new->poll_query_until(
			'postgres',
			q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance'}),
		"$name: the workers are at work");
	unlike(slurp_file($new->logfile), qr/PANIC|TRAP|XX000|terminated by signal/, "$name: no crash");
	$new->stop;
}

done_testing();
