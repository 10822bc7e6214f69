
# metrics() of a large queue is planned as PGMQ's own query is: in parallel where
# that helps.  The plan is what auto_explain says.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'\nautovacuum = off");
$node->start;
plan skip_all => 'the server has no auto_explain'
  if $node->psql('postgres', q{LOAD 'auto_explain'}) != 0;

sub explain
{
	my ($settings) = @_;
	my ($out, $plan);

	$node->psql('postgres', qq{
		LOAD 'auto_explain';
		SET auto_explain.log_min_duration = 0;
		SET auto_explain.log_nested_statements = on;
		SET client_min_messages = log;
		SET min_parallel_table_scan_size = '1MB';
		$settings;
		SELECT queue_length, queue_visible_length FROM pgmq.metrics('q')},
		stdout => \$out, stderr => \$plan);
	return ($out, $plan);
}

$node->safe_psql('postgres', q{CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('q');
	SELECT pgmq.send_batch('q', array_agg('1'::jsonb)) FROM generate_series(1, 100000);
	ANALYZE pgmq.q_q});
my ($out, $plan) = explain('SET parallel_setup_cost = 0');
is($out, '100000|100000', 'all messages are counted');
like($plan, qr/Gather/, '.. in parallel');
($out, $plan) = explain('SET parallel_setup_cost = 0; SET max_parallel_workers_per_gather = 0');
is($out, '100000|100000', 'all messages are counted');
unlike($plan, qr/Gather/, '.. by one process, where that is so set');
($out, $plan) = explain(q{SET parallel_setup_cost = 0; BEGIN; SELECT pgmq.send('q', '1')});
is($out, "100001\n100001|100001", 'a message of the same transaction is counted as well');

$node->stop;
done_testing();
