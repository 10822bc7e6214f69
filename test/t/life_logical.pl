
# Logical replication of everything (FOR ALL TABLES): queues of all kinds, their
# archives, policies and deduplication.  Rows that are applied are announced to
# the due map and wake waiting readers; then the subscriber takes over.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqLife;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical', extra => ['--no-sync']);
$publisher->append_conf('postgresql.conf', 'max_connections = 20');
$publisher->start;

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical', extra => ['--no-sync']);
$subscriber->append_conf('postgresql.conf',
	"shared_preload_libraries = 'pgmq_c'\nmax_connections = 20\n"
	  . "max_logical_replication_workers = 8\nmax_worker_processes = 16");
$subscriber->start;

my $partman = $publisher->safe_psql('postgres',
	q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'});

$publisher->safe_psql('postgres', 'CREATE DATABASE work; ALTER DATABASE work SET timezone = UTC');
$publisher->safe_psql('work', 'CREATE EXTENSION pgmq_c');
$publisher->safe_psql('work', 'CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman')
  if $partman;
life_fill($publisher, 'work', partitioned => $partman);
life_streams($publisher, 'work');
$publisher->safe_psql('work', 'CREATE PUBLICATION everything FOR ALL TABLES');

# The subscriber gets the definitions from a dump, and the rows by replication.
my $dump = $publisher->basedir . '/schema.sql';
$publisher->command_ok([ 'pg_dump', '--schema-only', '--no-publications', '--file', $dump, 'work' ],
	'definitions are dumped');
$subscriber->safe_psql('postgres',
	'CREATE ROLE life_reader; CREATE DATABASE work; ALTER DATABASE work SET timezone = UTC');
$subscriber->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'work' ],
	'and restored');
$subscriber->safe_psql('work',
	"CREATE SUBSCRIPTION sub CONNECTION '" . $publisher->connstr . " dbname=work' PUBLICATION everything");
$subscriber->poll_query_until('work',
	q{SELECT count(*) > 5 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel})
  or die 'the tables were not copied';

sub same
{
	my ($name) = @_;

	$publisher->wait_for_catchup('sub');
	life_is_same(
		life_messages($subscriber, 'work', logged => 1),
		life_messages($publisher, 'work', logged => 1), $name);
	is( $subscriber->safe_psql('work', q{SELECT * FROM pgmq.meta ORDER BY 1; SELECT * FROM pgmq.policy ORDER BY 1;
			SELECT pattern, queue_name, compiled_regex FROM pgmq.topic_bindings ORDER BY 1;
			SELECT queue_name, throttle_interval_ms FROM pgmq.notify_insert_throttle ORDER BY 1}),
		$publisher->safe_psql('work', q{SELECT * FROM pgmq.meta ORDER BY 1; SELECT * FROM pgmq.policy ORDER BY 1;
			SELECT pattern, queue_name, compiled_regex FROM pgmq.topic_bindings ORDER BY 1;
			SELECT queue_name, throttle_interval_ms FROM pgmq.notify_insert_throttle ORDER BY 1}),
		"$name: and what is known of queues");
	return;
}

# Can be read there, and looked at by the map: looks twice, so that the map knows
sub due
{
	my ($queue) = @_;
	my $look = "SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('$queue', 0, 1000)";

	$subscriber->safe_psql('work', "BEGIN; $look; ROLLBACK");
	return $subscriber->safe_psql('work', "BEGIN; $look; ROLLBACK");
}

same('copied at first');
is($subscriber->safe_psql('work', 'SELECT count(*) FROM pgmq.q_fleeting'), 0, 'but for the unlogged queue');
is($subscriber->safe_psql('work', q{SELECT count(*) FROM pgmq.engine_status() WHERE due_map = 'not announced'}),
	0, 'every queue there has its trigger');

# Changes of messages are replicated, too, and are announced.  The subscriber's
# map knows each queue before.
$publisher->safe_psql('work', q{SELECT pgmq.create('empty') FROM pgmq.purge_queue('empty')});
$publisher->wait_for_catchup('sub');
$subscriber->safe_psql('work', q{SELECT pgmq.read('jobs', 36000, 1000); SELECT pgmq.read('jobs', 36000, 1000)});
is(due('jobs'), '', 'the map of the subscriber: nothing is due');
$publisher->safe_psql('work', q{SELECT pgmq.send('jobs', '"sent"'); SELECT pgmq.set_vt('jobs', 201, 0);
	SELECT pgmq.nack('jobs', 10); SELECT pgmq.delete('jobs', 11); SELECT pgmq.archive('jobs', 12)});
$publisher->wait_for_catchup('sub');
is(due('jobs'), '10 201 203', 'sent, made readable, given back: readable there at once');

# A reader that waits there wakes, long before it would look again.
foreach my $call (
	q{SELECT msg_id FROM pgmq.read_with_poll('empty', 0, 1, 60, 60000)},
	q{CALL pgmq.wait('empty', 60); SELECT msg_id FROM pgmq.read('empty', 0, 1)})
{
	my $waiter = life_session($subscriber, 'work');
	my $since = time;

	life_begin($waiter, $call);
	$subscriber->poll_query_until('work',
		q{SELECT waiting = 1 FROM pgmq.engine_status() WHERE queue_name = 'empty'})
	  or die 'nobody waits';
	my $id = $publisher->safe_psql('work', q{SELECT pgmq.send('empty', '1')});
	is(life_result($waiter), $id, "woken by an applied message: $call");
	cmp_ok(time - $since, '<', 40, 'before its interval');
	$publisher->safe_psql('work', "SELECT pgmq.delete('empty', $id)");
	$publisher->wait_for_catchup('sub');
	life_end($waiter);
}

# Every operation on queues, with a publication of everything
$publisher->safe_psql('work', q{DELETE FROM pgmq.q_jobs WHERE msg_id > 202; UPDATE pgmq.q_jobs
	SET vt = 'infinity' WHERE msg_id IN (10, 201); DELETE FROM pgmq.q_empty;
	UPDATE pgmq.q_jobs SET read_ct = read_ct, vt = vt});
$publisher->safe_psql('work',
	q{SELECT pgmq.send_batch('letters', '{7,8}'::jsonb[]); SELECT pgmq.read('letters', 0, 10);
	  SELECT pgmq.read('letters', 0, 10); SELECT pgmq.pop('groups'); SELECT pgmq.redrive('dead', 1);
	  SELECT pgmq.send('Mixed "Case"', '2', '{"x-pgmq-dedup-id": "b"}'::jsonb);
	  SELECT pgmq.set_policy('Mixed "Case"', '{"dedup_window": 100}'); CALL pgmq.maintain();
	  SELECT pgmq.unarchive('jobs', 1); SELECT pgmq.pause('hand', 'infinity'); SELECT pgmq.resume('paused');
	  SELECT pgmq.bind_topic('a.b', 'jobs'); SELECT pgmq.unbind_topic('logs.#', 'jobs');
	  SELECT pgmq.forward('jobs', 20, 'hand', '{"a": 5}', NULL, 1);
	  SELECT pgmq.send_topic('a.b', '1')});
$publisher->safe_psql('work', q{SELECT pgmq.send_batch('parts', '{1,2,3}'::jsonb[]); SELECT pgmq.archive('parts', 5);
	SELECT pgmq.delete('parts', 6); SELECT pgmq.read('parts', 30, 3)}) if $partman;
same('after all verbs');

# A purge is a TRUNCATE; the map knows that the table is another one.
is(due('groups') ne '', 1, 'before a purge');
$publisher->safe_psql('work', q{SELECT pgmq.purge_queue('groups')});
$publisher->wait_for_catchup('sub');
is(due('groups'), '', 'a purge empties the queue there');
$publisher->safe_psql('work', q{SELECT pgmq.send('groups', '1', '{"x-pgmq-group": "x"}'::jsonb)});
same('after a purge');
is(due('groups'), 31, 'and what comes then is read');

# A new queue: its tables by another dump
$publisher->safe_psql('work', q{SELECT pgmq.create('later'); SELECT pgmq.set_policy('later', '{"dedup_window": 60}');
	SELECT pgmq.send('later', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb)});
$publisher->command_ok([ 'pg_dump', '--schema-only', '--table', 'pgmq.*_later', '--file', $dump, 'work' ],
	'the definition of a new queue is dumped');
$subscriber->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'work' ],
	'and restored');
$subscriber->safe_psql('work', 'ALTER SUBSCRIPTION sub REFRESH PUBLICATION');
$subscriber->poll_query_until('work', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel})
  or die 'the new tables were not copied';
same('with a new queue');
is(due('later'), 1, 'which is read');

# The subscriber takes over.  Sequences are not replicated: by the statement in
# the documentation every queue goes on after what it has seen.
$publisher->stop;
$subscriber->safe_psql('work', q{ALTER SUBSCRIPTION sub DISABLE; ALTER SUBSCRIPTION sub SET (slot_name = NONE);
	DROP SUBSCRIPTION sub});
my $docs = slurp_file(dirname(__FILE__) . '/../../docs/operations/replication.md');
my ($setval) = $docs =~ /(DO \$sequences\$.*?\$sequences\$;)/s;
ok($setval, 'the documentation has it');
my ($rc, $out, $err) = $subscriber->psql('work', q{SELECT pgmq.send('letters', '1') FROM generate_series(1, 3)});
like($err, qr/duplicate key/, 'without it, ids would come twice');
$subscriber->safe_psql('work', $setval);
my $last = $subscriber->safe_psql('work',
	q{SELECT max(msg_id) FROM (SELECT msg_id FROM pgmq.q_jobs UNION ALL SELECT msg_id FROM pgmq.a_jobs) m});
cmp_ok($subscriber->safe_psql('work', q{SELECT pgmq.send('jobs', '"after"')}), '>', $last, 'ids go on');
is($subscriber->safe_psql('work', q{SELECT pgmq.send('Mixed "Case"', '3', '{"x-pgmq-dedup-id": "a"}'::jsonb)}),
	2, 'a duplicate is known');
cmp_ok($subscriber->safe_psql('work', q{SELECT pgmq.send('parts', '"after"')}), '>', 253, 'of a partitioned queue too')
  if $partman;
is( $subscriber->safe_psql('work', q{SELECT count(*) FROM pgmq.send('fleeting', '1');
		SELECT count(*) FROM pgmq.read('fleeting', 0, 1); SELECT count(*) FROM pgmq.create('new');
		SELECT pgmq.drop_queue('paused')}),
	"1\n1\n1\nt", 'queues go on, come and go');
life_streams_go_on($subscriber, 'work', 'taken over');
is($subscriber->safe_psql('work', q{SELECT sum(net_finds) FROM pgmq.engine_status()}), 0,
	'the map had hidden nothing');
$subscriber->stop;
done_testing();
