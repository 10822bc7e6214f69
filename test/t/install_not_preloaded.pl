
# Without shared_preload_libraries: what is set in vain says so, and on servers
# that have no shared memory then, CREATE EXTENSION tells what to do.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
pgmq_c.shared_memory = '64MB'
pgmq_c.stat_queues = 5000
pgmq_c.maintain_database = 'postgres'
pgmq_c.maintain_interval = 7
pgmq_c.mistake = 1
});
$node->start;
my $registry = $node->pg_version >= 17;

my ($rc, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION pgmq_c');
my $create = $err;
if ($registry)
{
	unlike($create, qr/NOTICE/, 'CREATE EXTENSION has nothing to say where there is memory');
}
else
{
	like($create, qr/NOTICE:  pgmq_c has no shared memory on this server.*\n.*HINT:  Put this line into postgresql.conf and restart the server: shared_preload_libraries = 'pgmq_c'/,
		'CREATE EXTENSION tells the line to add');
}

($rc, $out, $err) = $node->psql('postgres', q{SELECT pgmq.create('q'); SELECT pgmq.send('q', '1')});
foreach my $setting ('shared_memory', 'stat_queues', 'maintain_database')
{
	my @said = $err =~ /WARNING:  setting "pgmq_c.$setting" has no effect\n.*DETAIL:  .*\n.*HINT:  Add pgmq_c to shared_preload_libraries, and restart the server\./g;
	is(scalar(@said), 1, "pgmq_c.$setting: a session says once that it has no effect");
}
like($err, qr/invalid configuration parameter name "pgmq_c.mistake"/, 'a mistake is named');
my @invalid = $err =~ /invalid configuration parameter name/g;
is(scalar(@invalid), 1, '.. and nothing else is taken for one');
is($node->safe_psql('postgres', q{LOAD 'pgmq_c'; SHOW pgmq_c.shared_memory; SHOW pgmq_c.maintain_database; SHOW pgmq_c.maintain_interval}),
	($registry ? '16MB' : 'none') . "\n\n7s", 'SHOW gives the value that holds');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'pgmq_c'}), 0, 'there is no worker');

# A reload gives no second warning
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{LOAD 'pgmq_c'});
$session->{stderr} = '';
$node->safe_psql('postgres', q{ALTER SYSTEM SET pgmq_c.shared_memory = '32MB'});
$node->reload;
$session->query(q{SELECT pg_reload_conf()}) foreach 1 .. 2;
is($session->query(q{SHOW pgmq_c.shared_memory}), $registry ? '16MB' : 'none', 'a reload changes nothing');
unlike($session->{stderr}, qr/WARNING/, '.. and is not spoken of');
$session->quit;

# Another library is preloaded
SKIP:
{
	skip 'there is no auto_explain', 1 unless -e $node->config_data('--pkglibdir') . '/auto_explain.so' && !$registry;

	$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'auto_explain'});
	$node->restart;
	($rc, $out, $err) = $node->psql('postgres', 'DROP EXTENSION pgmq_c CASCADE; CREATE EXTENSION pgmq_c');
	like($err, qr/: shared_preload_libraries = 'auto_explain, pgmq_c'/, '.. which stays in the line to add');
}

# This one is
$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'pgmq_c'});
$node->restart;
($rc, $out, $err) = $node->psql('postgres', q{SET client_min_messages = notice; DROP EXTENSION pgmq_c CASCADE; CREATE EXTENSION pgmq_c; SHOW pgmq_c.shared_memory});
is($out, '32MB', 'preloaded, it has its size');
unlike($err, qr/no shared memory|has no effect/, '.. and says nothing');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type ~ 'pgmq_c'}), '.. and there is a worker');
$node->stop;
done_testing();
