
# A session must not leave these behind, however a call ends: places in lists
# of waiters, locks, open files, temporary files, references.
#
# MEMORY=full does more of it.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = ($ENV{MEMORY} // '') eq 'full';
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_files_per_process = 100
autovacuum = off
synchronous_commit = off
client_min_messages = error
log_min_messages = warning
log_min_error_statement = panic
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub waiting { return sql('SELECT sum(waiting) FROM pgmq.engine_status()') }

# psql at work on statements, each a transaction of its own, errors or not;
# what it says goes where $out is.
sub start_session
{
	my ($out, @statements) = @_;
	my $in = join ";\n", @statements, '';

	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$in, '>', $out, '2>', \my $err,
		IPC::Run::timeout($full ? 7200 : $PostgreSQL::Test::Utils::timeout_default));
	$psql->pump while length $in;
	return $psql;
}

sql(slurp_file("$FindBin::Bin/../data/calls.sql"));

# Waits that end by a timeout, or with their session.
my @waits = (
	q{SELECT pgmq.read_with_poll('long', 1, 1, 60)},
	q{SELECT pgmq.read_any_with_poll(ARRAY['long', 'un', 'picky', 'dead'], 1, 1, 60)},
	q{SELECT pgmq.read_grouped_with_poll('groups', 1, 1, 60)},
	q{SELECT pgmq.read_grouped_rr_with_poll('groups', 1, 1, 60)},
	q{SELECT pgmq.read_grouped_head_with_poll('groups', 1, 1, 60)},
	q{CALL pgmq.wait('long', 60)});
my $out = '';
start_session(\$out, 'SET statement_timeout = 3', (@waits) x ($full ? 1700 : 40),
	'RESET statement_timeout', 'SELECT sum(waiting) FROM pgmq.engine_status()')->finish;
is($out, "0\n", 'no entry of a wait list is left in a session whose waits were cancelled');
is(waiting(), 0, '.. nor after it');

foreach (1 .. ($full ? 50 : 2))
{
	my @sessions = map { start_session(\my $none, $_) } @waits;

	# one waits for four
	$node->poll_query_until('postgres', 'SELECT sum(waiting) = 9 FROM pgmq.engine_status()') or die 'not all wait';
	sql(q{SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	eval { $_->finish } foreach @sessions;
}
is(waiting(), 0, 'no entry of a wait list is left of a session that was terminated');

# Locks and open files, after errors, each in a transaction of its own, and
# after calls.
my @bad = split /\n/, sql('SELECT stmt FROM bad');
my $fds = q{SELECT count(*) FROM pg_ls_dir('/proc/self/fd')};
my $calls = $full ? 100 : 5;
$out = '';
start_session(\$out, "CALL calls($calls)", $fds, (@bad) x 20, "CALL calls($calls)", "CALL come_and_go($calls, true)",
	"CALL come_and_go(20, false)",
	q{DO 'BEGIN FOR i IN 1..100 LOOP PERFORM pgmq.create(''f'' || i), pgmq.send(''f'' || i, ''1''), pgmq.read(''f'' || i, 0, 1); END LOOP; END'}, $fds,
	q{SELECT string_agg(locktype || ' ' || mode, ', ') FROM pg_locks
		WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid' AND relation IS DISTINCT FROM 'pg_locks'::regclass})->finish;
my ($before, $after, $locks) = (split /\n/, $out, -1)[ 0, -3, -2 ];
note "open files: $before, then $after";
cmp_ok($after, '<', 130, 'no more open files than the server wants');
is($locks, '', 'no lock outlives its transaction');

# Temporary files, of results that are not fetched to the end.
sql(q{SELECT pgmq.send_batch('long', (SELECT array_agg(to_jsonb(repeat(i::text, 200))) FROM generate_series(1, 3000) AS i))});
my $temp = q{SELECT count(*) FROM pg_ls_tmpdir()};
$out = '';
start_session(\$out, 'SET work_mem = 64', 'BEGIN', q{DECLARE c CURSOR FOR SELECT msg_id FROM pgmq.read('long', 0, 3000)}, 'FETCH 1 FROM c',
	$temp, 'CLOSE c', $temp, q{SELECT 1 / (msg_id - msg_id) FROM pgmq.read('long', 0, 3000)}, 'ROLLBACK', $temp)->finish;
like($out, qr/^\d+\n[1-9]\d*\n0\n0\n\z/, 'temporary files go with what needs them');

$node->stop;
unlike(slurp_file($node->logfile), qr/WARNING:.*(leak|not closed|non-empty)/, 'nothing was left open');
done_testing();
