
# The router when something fails: a shard that is down or dies in a call, PL/Proxy's
# own traps, a shard of another version, a ROLLBACK, a router that is a standby.
#
# The traps that a router over PL/Proxy must know, and the tests that have their names:
#
#    1  set-returning functions of PL/Proxy lose rows in a select list
#    2  when a shard cancels a statement, PL/Proxy may wait for ever
#    3  query_timeout is not checked while a shard is silent
#    4  connection errors are XX000, and a retry after a lost connection may double
#    5  SPLIT loses the order of an array                       (router_calls)
#    6  RUN ON ALL fails when one shard is down
#    7  a dead client's poll takes a message
#    8  waiting reads hold the lock that a move needs           (router_move)
#    9  a ROLLBACK undoes no create or drop on a shard
#   10  random routing does not find duplicates                 (router_calls, router_streams)
#   11  create takes a queue that is there already              (router_calls)
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqRouter;
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

need_router();
my $node = router_server(1, "shared_preload_libraries = 'pgmq_c'\nclient_connection_check_interval = 1s");
my $far = PostgreSQL::Test::Cluster->new('far');
$far->init(allows_streaming => 1, extra => ['--no-sync']);
$far->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'");
$far->start;
$far->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');

is(add_shard($node, $far, 'postgres'), 1, 'a shard on a server of its own');
rows($node, q{SELECT pgmq_router.create('near'), pgmq_router.create('far'), pgmq_router.create('wide', 2), pgmq_router.create('keyed', 2, true)});
is(rows($node, q{SELECT shards FROM pgmq_router.queue WHERE queue_name IN ('near', 'far') ORDER BY queue_name DESC}), "{0}\n{1}", 'queues are placed by turns');
rows($node, q{SELECT pgmq.send('wide', to_jsonb(n)) FROM generate_series(1, 40) AS n; SELECT pgmq.bind_topic('t', 'near'), pgmq.bind_topic('t', 'far')});

# --------------------------------------------------------------------------
# Rows are not lost in a select list
# --------------------------------------------------------------------------

is(rows($node, q{SELECT count(*) FROM (SELECT pgmq.peek('wide', qty => 100)) AS p}), 40, 'trap 1: a set in a select list');
is(rows($node, q{SELECT count(*) FROM (SELECT (pgmq.peek('wide', qty => 100)).message) AS p}), 40, 'and its columns');

# --------------------------------------------------------------------------
# A shard that cancels a statement
# --------------------------------------------------------------------------

$far->safe_psql('postgres', q{ALTER DATABASE postgres SET statement_timeout = '100ms'});
my $began = time;
is(rows($node, q{SELECT count(*) FROM pgmq.read_with_poll('far', 1, 1, 1)}), 0,
	'trap 2: statement_timeout of a shard does not reach the router, which could wait for ever');
ok(time - $began < 20, 'and did not wait for long');
$far->safe_psql('postgres', q{ALTER DATABASE postgres RESET statement_timeout});

my $poll = session($node, 'router');
begin($poll, q{SET statement_timeout = '1s'; SELECT * FROM pgmq.read_with_poll('far', 1, 1, 60);});
result($poll);
like($poll->{err}, qr/canceling statement due to statement timeout/, 'trap 3: statement_timeout of the router ends a wait on a silent shard');
done($poll);

# --------------------------------------------------------------------------
# A client that has gone takes no message
# --------------------------------------------------------------------------

my $gone = session($node, 'router');
begin($gone, q{SELECT * FROM pgmq.read_with_poll('far', 600, 1, 100);});
$far->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pgmq.waiters()}) or die 'it does not wait';
$gone->{psql}->kill_kill;
$far->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pgmq.waiters()}) or die 'it waits for ever';
rows($node, q{SELECT pgmq.send('far', '1')});
is(rows($node, q{SELECT read_ct FROM pgmq.pop('far')}), 0, 'trap 7: nobody had taken it');

# --------------------------------------------------------------------------
# A shard that dies in a call
# --------------------------------------------------------------------------

$poll = session($node, 'router');
begin($poll, q{SET client_min_messages = error; \set VERBOSITY verbose
SELECT * FROM pgmq.read_with_poll('far', 1, 1, 60);});
$far->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pgmq.waiters()}) or die 'it does not wait';
$far->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pgmq.waiters()});
result($poll);
like($poll->{err}, qr/ERROR:  08006: lost the connection to shard 1: terminating connection/, 'trap 4: a call whose session on the shard ends');
# A send whose session ends while it waits for its commit has committed.
rows($node, q{SELECT pgmq.set_policy('far', '{"dedup_window": 600}')});
$far->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$far->reload;
my $once = q{SELECT pgmq.send('far', '"once"', '{"x-pgmq-dedup-id": "once"}'::jsonb) > 0;};
begin($poll, $once);
$far->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'pgmq_router'})
  or die 'it does not wait for its commit';
$far->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
result($poll);
like($poll->{err}, qr/ERROR:  08006/, 'trap 4: a send whose session ends');
$far->safe_psql('postgres', q{SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names});
$far->reload;
rows($node, $once);
is(rows($node, q{SELECT count(*) FROM pgmq.peek('far') WHERE message = '"once"'}), 1, 'trap 4: sent again with its id it is there once');
rows($node, q{SELECT pgmq.purge_queue('far')});
begin($poll, q{SELECT * FROM pgmq.read_with_poll('far', 1, 1, 60);});
$far->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pgmq.waiters()}) or die 'it does not wait';
$far->stop('immediate');
result($poll);
like($poll->{err}, qr/ERROR:  080/, 'a call whose shard dies');
done($poll);

# --------------------------------------------------------------------------
# A shard that is down
# --------------------------------------------------------------------------

fails($node, q{SELECT pgmq.send('far', '1')}, '08001', 'could not connect to shard 1');
fails($node, q{SELECT * FROM pgmq.read('far', 1, 1)}, '08001', 'shard 1');
fails($node, q{SELECT pgmq.delete('far', 1)}, '08001', 'shard 1');
fails($node, q{SELECT * FROM pgmq.metrics('far')}, '08001', 'shard 1');
fails($node, q{SELECT pgmq.drop_queue('far')}, '08001', 'shard 1');
fails($node, q{SELECT pgmq_router.create('new', 2)}, '08001', 'shard 1');
fails($node, q{SELECT pgmq.send_topic('t', '{}')}, '08001', 'connect');
is(rows($node, q{SELECT queue_length FROM pgmq.metrics('near')}), 0, 'then a topic sends nothing at all');
is(rows($node, q{SELECT pgmq.send('near', '1')}), 1, 'the other shard works');

my ($rc, $out, $err) = $node->psql('router', q{SELECT pgmq.send('wide', to_jsonb(n)) FROM generate_series(41, 60) AS n});
is(scalar(split(/\n/, $out)), 20, 'a spread queue takes messages');
like($err, qr/WARNING:  could not connect to shard 1/, 'with a warning');
is(rows($node, q{SET client_min_messages = error; SELECT count(DISTINCT slots) FROM (SELECT shards FROM pgmq_router.queue) AS slots}) > 0 ? 1 : 0, 1, 'the directory is there');
($rc, $out, $err) = $node->psql('router', q{
	SELECT msg_id >> 46 <> (SELECT slot FROM pgmq_router.slots('wide') WHERE shard = 1) FROM pgmq.read('wide', 1, 3)});
is($out, "t\nt\nt", 'and gives those that it has');
foreach my $call (q{pgmq.metrics_all()}, q{pgmq.list_queues()}, q{pgmq.health()}, q{pgmq.queue_stats()}, q{pgmq.peek('wide')}, q{pgmq.metrics('wide')})
{
	my $found = $call =~ /health/ ? 'count(*) >= 0' : 'count(*) > 0';

	($rc, $out, $err) = $node->psql('router', "SELECT $found FROM $call", on_error_stop => 1);
	is($out, 't', "trap 6: $call is partial");
	like($err, qr/WARNING:  could not connect to shard 1/, 'and warns');
}
is(rows($node, q{SELECT shard, problem ~ 'could not connect' FROM pgmq_router.check()}), '1|t', 'check says which shard is down');
is( rows(
		$node, q{SET client_min_messages = error; SELECT count(*) > 0, bool_and(sent = 'to 0') FROM (
	SELECT CASE WHEN pgmq_router._key_slot(q, h) = (SELECT slot FROM pgmq_router.slots('keyed') WHERE shard = 0) THEN 'to 0' END AS sent
	FROM pgmq_router.queue AS q, generate_series(1, 20) AS n, jsonb_build_object('x-pgmq-group', n::text) AS h
	WHERE queue_name = 'keyed') AS s WHERE sent IS NOT NULL}), 't|t', 'keys of both slots');
fails($node, q{SELECT pgmq.send('keyed', '1', jsonb_build_object('x-pgmq-group', n::text)) FROM generate_series(1, 20) AS n}, '08001', 'shard 1',
	'a message with a key goes nowhere else');

$far->start;
is(rows($node, q{SELECT pgmq.send('far', '1') > 0}), 't', 'back again');
is(rows($node, q{SELECT queue_length FROM pgmq.metrics('wide')}), 60, 'nothing is lost');
is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'check finds nothing');

# --------------------------------------------------------------------------
# A shard that dies while a queue is created or dropped there
# --------------------------------------------------------------------------

my %half = (
	q{pgmq_router.create('halves', 2)} => '0|halves|the directory does not have it',
	q{pgmq.drop_queue('halves')} => '0|halves|the shard does not have it');
foreach my $call (sort { $b cmp $a } keys %half)
{
	my $holder = session($far);
	my $caller = session($node, 'router');

	ask($holder, q{BEGIN; LOCK TABLE pgmq.meta;});
	begin($caller, "\\set VERBOSITY verbose\nSELECT $call;");
	$far->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'pgmq_router' AND wait_event_type = 'Lock'})
	  or die 'it does not wait';
	$far->stop('immediate');
	result($caller);
	like($caller->{err}, qr/ERROR:  08006: lost the connection to a?\s?shard/, "$call while a shard dies");
	done($caller);
	$holder->{psql}->kill_kill;
	$far->start;
	is(rows($node, q{SELECT shard, queue_name, problem FROM pgmq_router.check()}), $half{$call}, 'check finds what the other shard did');
	if ($call =~ /create/)
	{
		fails($node, "SELECT $call", '42P07', 'drop_queue\(0', 'and an error says how to mend it');
		rows($node, q{SELECT pgmq_router.drop_queue(0, 'halves')});
	}
	rows($node, "SELECT $call");
	is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'done again, nothing is left over');
}

# --------------------------------------------------------------------------
# A ROLLBACK on the router does not undo what shards did
# --------------------------------------------------------------------------

rows($node, q{SET pgmq_router.allow_transactions = on; BEGIN; SELECT pgmq_router.create('ghost', 2); ROLLBACK});
rows($node, q{SET pgmq_router.allow_transactions = on; BEGIN; SELECT pgmq.drop_queue('near'); ROLLBACK});
is(rows($node, q{SELECT shard, queue_name, problem FROM pgmq_router.check() ORDER BY 2, 1}),
	"0|ghost|the directory does not have it\n1|ghost|the directory does not have it\n0|near|the shard does not have it", 'trap 9: check lists both');
fails($node, q{SELECT pgmq_router.create('ghost', 2)}, '42P07', 'drop_queue\(0');
rows($node, q{SELECT pgmq_router.drop_queue(0, 'ghost'), pgmq_router.drop_queue(1, 'ghost'); SELECT pgmq_router.create('ghost', 2)});
rows($node, q{SELECT pgmq.drop_queue('near')});
is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'and all can be mended by the router');

# --------------------------------------------------------------------------
# Versions
# --------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE older');
$node->safe_psql('older', q{CREATE EXTENSION pgmq_c VERSION '1.1.0'});
my $address = shard_address($node, 'older');
fails($node, "SELECT pgmq_router.add_shard('$address')", '55000', 'pgmq_c 1.1.0', 'a shard of another version');
$address = shard_address($node, 'template1');
fails($node, "SELECT pgmq_router.add_shard('$address')", '55000', 'no pgmq_c', 'a shard without pgmq_c');
$address = shard_address($node, 'nowhere');
fails($node, "SELECT pgmq_router.add_shard('$address')", '08001', 'nowhere', 'a shard that is not there');
is(rows($node, q{SELECT count(*) FROM pgmq_router.shard}), 2, 'is not added');
$address = shard_address($far, 'postgres');
rows($node, "SELECT pgmq_router.set_shard(1, '$address application_name=changed')");
is(rows($node, q{SELECT pgmq_router.locate('far') ~ 'changed', pgmq.send('far', '1') > 0}), 't|t', 'another address');

# --------------------------------------------------------------------------
# A router that is a standby
# --------------------------------------------------------------------------

$node->backup('backup', backup_options => [ '-c', 'fast', '--no-sync' ]);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
is(rows($standby, q{SELECT pgmq.send('far', '"by a standby"') > 0}), 't', 'sends');
is(rows($standby, q{SELECT count(*) FROM pgmq.read('far', 0, 100)}), rows($node, q{SELECT queue_length FROM pgmq.metrics('far')}), 'reads');
fails($standby, q{SELECT pgmq.create('no')}, '25006', '', 'creates nothing');
rows($node, q{SELECT pgmq_router.drop_queue(1, 'far')});
fails($standby, q{SELECT pgmq.send('far', '1')}, '40001', 'moved', 'may look where a queue was, and says so');
$standby->stop;

done_testing();
