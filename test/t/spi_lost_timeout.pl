
# A statement's timeout that is over together with a lock's is not lost, though
# metrics_all goes on after the latter.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION pgmq_c; SELECT pgmq.create('q')");

sub start
{
	my ($name, $sql, $out, $err) = @_;
	return IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') . " application_name=$name",
			map { ('-c', $_) } split /; /, $sql ],
		'<', \undef, '>', $out, '2>', $err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}

my ($out, $err, $none) = ('', '', '');
my $holder = start('holder', "BEGIN; LOCK TABLE pgmq.q_q; SELECT pg_sleep(1000)", \$none, \$none);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'")
  or die 'no lock is held';

# It waits for the lock, and is stopped until both times are over; without
# the statement's it would go on for a thousand times that of the lock.
my $reader = start('reader',
	"SET lock_timeout = 3000; SET statement_timeout = 3100;"
	  . " SELECT count(*) FROM (SELECT pgmq.metrics_all() FROM generate_series(1, 1000)) m",
	\$out, \$err);
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'reader' AND wait_event_type = 'Lock'")
  or die "no session waits for the lock: $err";
my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'reader'");
kill 'STOP', $pid;
$node->poll_query_until('postgres',
	"SELECT clock_timestamp() > query_start + interval '3.2 s' FROM pg_stat_activity WHERE application_name = 'reader'");
kill 'CONT', $pid;
$reader->finish;
like($err, qr/canceling statement due to statement timeout/, 'the statement ends');
is($out, '', 'without a result');

$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'");
$holder->finish;
done_testing();
