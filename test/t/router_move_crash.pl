
# tools/pgmq-move: the router and both shards crash after each step of a move, and
# the move is resumed.  They lose what was not written to disk: whatever the
# servers are set to, a move decides nothing before it is.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqRouter;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_mover();
my $conf = "shared_preload_libraries = 'pgmq_c'\nsynchronous_commit = off\nwal_writer_delay = 10s\n";
my $node = router_server(0, $conf);
my @shards;
foreach my $n (0, 1)
{
	my $shard = PostgreSQL::Test::Cluster->new("shard$n");

	$shard->init(allows_streaming => 'logical', extra => ['--no-sync']);
	$shard->append_conf('postgresql.conf', $conf);
	$shard->start;
	$shard->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');
	add_shard($node, $shard, 'postgres');
	push @shards, $shard;
}

rows($node, q{SELECT pgmq.create('jobs'); SELECT pgmq.send('jobs', to_jsonb(n)) FROM generate_series(1, 50) AS n;
	SELECT count(*) FROM pgmq.read('jobs', 3600, 5)});
my ($from) = rows($node, q{SELECT shards[1] FROM pgmq_router.queue});
foreach my $case ([ 'mark' ], [ 'close' ], [ 'copy' ], [ 'drop' ], [ 'subscribe', '--large' ], [ 'caught up', '--large' ], [ 'copy', '--large' ],
	[ 'drop', '--large' ])
{
	my ($step, @how) = @$case;
	my $to = 1 - $from;

	# what has nothing to do with the move is on disk
	$_->safe_psql('postgres', 'CHECKPOINT') foreach $node, @shards;
	is(move($node, $step, @how, 'jobs', $from, $to), 3, "@how interrupted after $step") or diag(said());
	foreach my $server ($node, @shards)
	{
		$server->stop('immediate');
		$server->start;
	}
	is(move($node, undef, @how, 'jobs', $from, $to), 0, 'servers crash, and the move is done') or diag(said());
	is(rows($node, q{SELECT shards FROM pgmq_router.queue}), "{$to}", 'the router knows');
	is(rows($node, q{SELECT count(*), count(DISTINCT message), count(*) FILTER (WHERE vt > now() + '30 min') FROM pgmq.peek('jobs', 'all', 1000)}),
		'50|50|5', 'none is lost or doubled, and leases are held');
	is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'and nothing is left over');
	$from = $to;
}

# A directory that does not know of a move that was done, as one from a backup.
rows($node, "UPDATE pgmq_router.queue SET shards = ARRAY[1 - $from]");
isnt(move($node, undef, 'jobs', 1 - $from, $from), 0, 'a move from where the queue is not');
like(said(), qr/has no queue "jobs"$/, 'does not say to drop the only one');

done_testing();
