
# A router and its shards: databases of one server, or servers of their own.
package PgmqRouter;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PgmqShape;
use Test::More;

our @EXPORT = qw(need_router router_server shard_address add_shard fails rows);

# The test that calls this needs the router's extension, and PL/Proxy.
sub need_router
{
	my $folder = PgmqShape::share_folder();

	plan skip_all => 'PL/Proxy is not installed (package postgresql-NN-plproxy)'
	  unless -e "$folder/plproxy.control";
	plan skip_all => 'pgmq_router is not installed (make -C router install)'
	  unless -e "$folder/pgmq_router.control";
	return;
}

# A server with a database "router", and as many shards s0, s1 ..; conf is for
# postgresql.conf.
sub router_server
{
	my ($shards, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new('router');

	$node->init(allows_streaming => 'logical', extra => ['--no-sync']);
	$node->append_conf('postgresql.conf', $conf) if $conf;
	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE router');
	$node->psql('router', 'CREATE EXTENSION pgmq_router CASCADE');
	foreach my $n (0 .. $shards - 1)
	{
		$node->safe_psql('postgres', "CREATE DATABASE s$n");
		$node->safe_psql("s$n", 'CREATE EXTENSION pgmq_c');
		add_shard($node, $node, "s$n");
	}
	return $node;
}

sub shard_address
{
	my ($node, $db) = @_;

	return sprintf("host=%s port=%s dbname=%s", $node->host, $node->port, $db);
}

sub add_shard
{
	my ($router, $node, $db) = @_;
	my $address = shard_address($node, $db);

	return $router->safe_psql('router', "SELECT pgmq_router.add_shard('$address')");
}

# A statement in the router fails by an SQLSTATE, with a text, and without a
# word of PL/Proxy's.
sub fails
{
	my ($node, $sql, $state, $text, $name, %how) = @_;
	my ($rc, undef, $err) =
	  $node->psql($how{db} // 'router', $sql, on_error_stop => 1,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	$name //= "$state: $sql";
	like($err, qr/(ERROR|FATAL):  $state: .*$text/s, $name);
	$err =~ s/^\S*NOTICE:.*\n//mg;
	unlike($err, qr/REMOTE|PL\/Proxy/, "$name, in our words");
	return $err;
}

# What statements return, or the error.
sub rows
{
	my ($node, $sql, $db) = @_;

	my ($rc, $out, $err) = $node->psql($db // 'router', $sql, on_error_stop => 1);

	return $rc == 0 ? $out : $err;
}

1;
