
# Sends to other servers that belong to a local transaction: an outbox whose
# forwarder may die at any time, and an INSERT by postgres_fdw.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run;
use lib dirname(__FILE__);
use PgmqRouter;
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_router();
my ($python) = grep { system("$_ -c 'import psycopg' 2>/dev/null") == 0 } 'python3', '/usr/bin/python3';
my $forwarder = abs_path(dirname(__FILE__) . '/../../examples/python/forwarder.py');
my $node = router_server(2, "shared_preload_libraries = 'pgmq_c'");

rows($node, q{SELECT pgmq_router.create('orders', 2, by_key => true)});
rows($node, q{SELECT pgmq.set_policy('orders', '{"dedup_window": 3600}')});
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('outbox'); CREATE TABLE sale (n integer)});

# --------------------------------------------------------------------------
# An outbox
# --------------------------------------------------------------------------

SKIP:
{
	skip 'no python3 with psycopg (package python3-psycopg)', 4 unless $python;

	$node->safe_psql('shop', qq{
		BEGIN; INSERT INTO sale VALUES ($_); SELECT pgmq.send('outbox', '$_', '{"to": "orders"}'::jsonb); } . ($_ % 5 ? 'COMMIT' : 'ROLLBACK'))
	  foreach 1 .. 20;

	# These cannot be sent, and hold up no other.
	$node->safe_psql('shop', q{SELECT pgmq.send('outbox', '"no headers"'), pgmq.send('outbox', '"no queue"', '{"to": "nowhere"}'::jsonb);
		UPDATE pgmq.q_outbox SET vt = now() - interval '1 hour'});

	# It dies when it has sent, and has not deleted.
	my $die = q{
import sys
sys.path.insert(0, sys.argv[1])
import forwarder, psycopg
here, there = (psycopg.connect(c, autocommit=True) for c in sys.argv[2:4])
class Dies:
    def execute(self, text, values):
        if 'delete' in text:
            sys.exit(7)
        return here.execute(text, values)
forwarder.forward(Dies() if sys.argv[4] == 'die' else here, there, 'outbox', 0)
};
	foreach my $how ('die', 'live')
	{
		IPC::Run::run([ $python, '-B', '-c', $die, dirname($forwarder), $node->connstr('shop'), $node->connstr('router'), $how ],
			'2>', \my $err);
		is($? >> 8, $how eq 'die' ? 7 : 0, "a forwarder that shall $how") or diag($err);
		$node->safe_psql('shop', q{SELECT pgmq.set_vt('outbox', msg_id, 0) FROM pgmq.peek('outbox')});
	}
	is(rows($node, q{SELECT count(*), count(DISTINCT message) FROM pgmq.peek('orders')}), '16|16', 'what was committed is there once');
	is(rows($node, q{SELECT count(*) FROM sale} , 'shop') . rows($node, q{SELECT queue_length FROM pgmq.metrics('outbox')}, 'shop'), '162', 'and has left the outbox, but for what cannot be sent');
}

# --------------------------------------------------------------------------
# postgres_fdw
# --------------------------------------------------------------------------

if (rows($node, q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '1')
{
	my ($host, $port) = ($node->host, $node->port);

	rows($node, q{SELECT pgmq_router.create('mail')});
	my $db = rows($node, q{SELECT 's' || shard FROM pgmq_router.slots('mail')});
	$node->safe_psql('shop', qq{
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname '$db');
		CREATE USER MAPPING FOR CURRENT_USER SERVER far;
		CREATE SCHEMA far;
		CREATE FOREIGN TABLE far.q_mail (vt timestamptz, message jsonb, headers jsonb)
			SERVER far OPTIONS (schema_name 'pgmq', table_name 'q_mail')});
	my $insert = q{INSERT INTO far.q_mail (vt, message) VALUES (clock_timestamp(), };
	$node->safe_psql('shop', "BEGIN; $insert '1'); ROLLBACK");
	$node->safe_psql('shop', "BEGIN; $insert '2'); SAVEPOINT s; $insert '3'); ROLLBACK TO s; $insert '4'); COMMIT");
	is(rows($node, q{SELECT string_agg(message::text, ' ') FROM pgmq.read('mail', 0, 10)}), '2 4', 'ROLLBACK and savepoints hold');

	rows($node, q{SELECT pgmq.purge_queue('mail')});
	my $s = session($node, $db);
	begin($s, q{SELECT message FROM pgmq.read_with_poll('mail', 1, 1, 60);});
	$node->poll_query_until($db, q{SELECT count(*) = 1 FROM pgmq.waiters()}) or die 'it does not wait';
	$node->safe_psql('shop', "$insert '5')");
	is(result($s), '5', 'a waiting reader wakes');
	cmp_ok($s->{took}, '<', 55, 'at the commit');
	is(rows($node, q{SELECT due_map, net_finds FROM pgmq.engine_status() WHERE queue_name = 'mail'}, $db), 'on|0', 'the due map stays on');
	done($s);
}

done_testing();
