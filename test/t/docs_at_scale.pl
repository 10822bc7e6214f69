
# Every query of docs/operations/ that looks at queues, over 8,000 queues and a
# million messages: none may take minutes or hide messages from readers.
# Takes a minute and a gigabyte, so it runs only when PGMQ_SCALE is set.  It says
# how long each query took, first in a session and then.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'PGMQ_SCALE is not set' if !$ENV{PGMQ_SCALE};

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync', '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_locks_per_transaction = 256
synchronous_commit = off
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');
$node->safe_psql('postgres', join "\n", map {
	"SELECT count(pgmq.create('many_' || i)) FROM generate_series($_ * 200, $_ * 200 + 199) i;"
} 1 .. 40);
$node->safe_psql('postgres', q{
	SELECT pgmq.create('jobs');
	INSERT INTO pgmq.q_jobs (message) SELECT to_jsonb(i) FROM generate_series(1, 1000000) i;
	SELECT pgmq.send('many_' || i, '1') FROM generate_series(200, 1199) i;
	SELECT count(*) FROM pgmq.read('jobs', 600, 1000);
	SELECT pgmq.create('failed');
	INSERT INTO pgmq.q_failed (message, headers)
	SELECT to_jsonb(i), jsonb_build_object('x-pgmq-dead-letter', jsonb_build_object('queue', 'many_' || i % 10, 'reason', 'reason ' || i % 3))
	FROM generate_series(1, 1000000) i});

my $page = join '', map { slurp_file($_) }
  sort glob(dirname(abs_path(__FILE__)) . '/../../docs/operations/*.md');
my $queries = 0;
while ($page =~ /^```sql\n(.*?)^```$/msg)
{
	my $block = $1;

	# queries that only look; docs_pages runs the examples that change
	# something
	next if $block !~ /^\s*(SELECT|WITH)\b/i || $block =~ /drop_queue|purge_queue|convert|pgmq\.send|dead_letter\(|read\(|SET /;
	my $what = substr($block =~ s/\s+/ /gr, 0, 70);
	my ($rc, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '20s';\n\\timing on\n$block\\echo again\n$block");
	is($err, '', "within 20 seconds: $what");

	# what a new session needs, and what it needs from then on
	my ($first, $again) = map { my $ms = 0; $ms += $1 while /^Time: ([\d.]+) ms/mg; $ms } split /^again$/m, $out;
	diag(sprintf('%6.0f ms, then %6.0f ms: %s', $first, $again // 0, $what)) if $err eq '';
	$queries++;
}
cmp_ok($queries, '>', 8, 'there were queries');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgmq.read('jobs', 600, 1000)}),
	1000, 'messages can be read as before');

done_testing();
