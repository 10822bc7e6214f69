
# A router and its shards: databases of one server, or servers of their own.
package PgmqRouter;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PgmqShape;
use Test::More;

our @EXPORT = qw(need_router need_mover router_server shard_address add_shard fails rows move_command move said);

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

my $python;

# The test that calls this needs tools/pgmq-move as well.
sub need_mover
{
	need_router();
	($python) = grep { system("$_ -c 'import psycopg' 2>/dev/null") == 0 } 'python3', '/usr/bin/python3';
	plan skip_all => 'no python3 with psycopg (package python3-psycopg)' unless $python;
	return $python;
}

sub move_command
{
	my ($router, @arguments) = @_;

	return ($python, dirname(abs_path(__FILE__)) . '/../../tools/pgmq-move', '--router', $router->connstr('router'), @arguments);
}

my $said;

# Run it, to the end or to a step after which it stops: its exit code.
sub move
{
	my ($router, $stop, @arguments) = @_;
	local $ENV{PGMQ_MOVE_STOP_AFTER} = $stop // '';

	delete $ENV{PGMQ_MOVE_STOP_AFTER} unless $stop;
	IPC::Run::run([ move_command($router, @arguments) ],
		'>&', \$said, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $? >> 8;
}

# What it said.
sub said { return $said }

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
