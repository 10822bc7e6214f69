
# A standby shows queues and refuses to change them, by the code that clients
# of a cluster look for (25006); promoted, it goes on where the primary ended.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => ['--no-sync']);
$primary->start;
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('q'), pgmq.create_unlogged('fast'), pgmq.create('parts'), pgmq.create('lost');
	CREATE UNLOGGED SEQUENCE pgmq.unlogged;
	DROP TABLE pgmq.q_parts, pgmq.q_lost;
	CREATE TABLE pgmq.q_parts (LIKE pgmq.q_q INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (msg_id);
	CREATE TABLE pgmq.q_lost (LIKE pgmq.q_q) PARTITION BY RANGE (msg_id);
	ALTER TABLE pgmq.q_lost ALTER msg_id SET DEFAULT nextval('pgmq.unlogged');
	CREATE TABLE pgmq.q_parts_1 PARTITION OF pgmq.q_parts FOR VALUES FROM (1) TO (1001);
	CREATE TABLE pgmq.q_parts_rest PARTITION OF pgmq.q_parts DEFAULT;
	CREATE TABLE pgmq.q_lost_1 PARTITION OF pgmq.q_lost FOR VALUES FROM (1) TO (1001);
	CREATE UNLOGGED TABLE pgmq.q_lost_rest PARTITION OF pgmq.q_lost DEFAULT;
	INSERT INTO pgmq.q_parts (msg_id, vt, message) OVERRIDING SYSTEM VALUE VALUES (5000, now(), '1')});
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

$primary->safe_psql(
	'postgres', q{
	SELECT pgmq.send_batch('q', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 100) n));
	SELECT pgmq.send('fast', '1');
	SELECT pgmq.read('q', 1000, 10);
	SELECT pgmq.archive('q', 1)});
$primary->wait_for_catchup($standby);

# Calls that only look work.
is( $standby->safe_psql(
		'postgres',
		q{SELECT queue_length, total_messages >= 100, queue_visible_length FROM pgmq.metrics('q')}),
	'99|t|90',
	'metrics');
is($standby->safe_psql('postgres', q{SELECT string_agg(queue_name, ' ' ORDER BY queue_name) FROM pgmq.list_queues()}),
	'fast lost parts q', 'list_queues');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pgmq.q_q}),
	99, 'SELECT');

is( $standby->safe_psql(
		'postgres',
		q{SELECT count(*) FILTER (WHERE state = 'in_flight'), count(*) FILTER (WHERE state = 'visible')
		FROM unnest('{in_flight,visible}'::text[]) state, pgmq.peek('q', state)}),
	'9|90',
	'peek');
is($standby->safe_psql('postgres', q{SELECT msg_id FROM pgmq.peek_archive('q')}),
	1, 'peek_archive');

# What shows the state of all queues does so, but for what a standby does not have.
is( $standby->safe_psql(
		'postgres',
		q{SELECT queue_name, ids_left > 900, default_rows FROM pgmq.partition_status() ORDER BY 1}),
	"lost||\nparts|t|1",
	'partition_status');
is( $standby->safe_psql(
		'postgres',
		q{SELECT string_agg(DISTINCT queue_name, ' ' ORDER BY queue_name) FROM pgmq.health('{"unread": 0, "behind": 0}') WHERE what ~ 'behind|nobody|default'}),
	'parts q',
	'health');
for my $function (qw(health overview engine_status waiters memory_status maintenance_status horizon_costs queue_stats))
{
	my ($status, undef, $said) =
	  $standby->psql('postgres', "SELECT count(*) FROM pgmq.$function()");
	is($said =~ s/^.*WARNING:  queue "lost" is left out: .*\n?//mr, '', "$function warns of nothing else than a lost partition");
	is($status, 0, '.. and runs');
}

# Calls that change something are refused.
for my $call (
	q{pgmq.send('q', '{}')},
	q{pgmq.send_batch('q', '{1,2}'::jsonb[])},
	q{pgmq.read('q', 30, 1)},
	q{pgmq.read_any('{q}', 30, 1)},
	q{pgmq.read_any_with_poll('{q}', 30, 1, 60)},
	q{pgmq.unarchive('q', 1)},
	q{pgmq.pause('q', 'infinity')},
	q{pgmq.read('q', 30, 1, '{"n": 1}')},
	q{pgmq.read_with_poll('q', 30, 1, 60)},
	q{pgmq.read_grouped('q', 30, 1)},
	q{pgmq.read_grouped_rr('q', 30, 1)},
	q{pgmq.read_grouped_head('q', 30, 1)},
	q{pgmq.read_grouped_head_with_poll('q', 30, 1, 60)},
	q{pgmq.pop('q')},
	q{pgmq.delete('q', 1)},
	q{pgmq.delete('q', ARRAY[1])},
	q{pgmq.delete('q', 1, 1)},
	q{pgmq.archive('q', 1)},
	q{pgmq.archive('q', ARRAY[1], ARRAY[1])},
	q{pgmq.set_vt('q', 1, 1)},
	q{pgmq.set_vt('q', ARRAY[1], 1)},
	q{pgmq.create('new')},
	q{pgmq.create_unlogged('new')},
	q{pgmq.drop_queue('q')},
	q{pgmq.purge_queue('q')},
	q{pgmq.create_fifo_index('q')},
	q{pgmq.enable_notify_insert('q')},
	q{pgmq.bind_topic('a.*', 'q')})
{
	my (undef, undef, $stderr) =
	  $standby->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT * FROM $call");
	like($stderr, qr/ERROR:  25006/, $call);
}
# An unlogged queue is not on a standby at all; a clear error says so.
my ($rc, undef, $stderr) =
  $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM pgmq.metrics('fast')");
unlike($stderr, qr/XX000|server closed/, 'an unlogged queue on a standby');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM pgmq.q_q'),
	99, 'nothing has changed');

$primary->stop;
$standby->promote;

# leases hold, ids go on
is( $standby->safe_psql(
		'postgres',
		q{SELECT count(*), min(msg_id), max(read_ct) FROM pgmq.read('q', 30, 1000)}),
	'90|11|1',
	'a promoted standby serves the queue');
cmp_ok($standby->safe_psql('postgres', q{SELECT pgmq.send('q', '"new"')}),
	'>', 100, 'ids go on');
cmp_ok($standby->safe_psql('postgres', q{SELECT pgmq.send('fast', '"new"')}),
	'>', 1, 'those of the unlogged queue too');
is( $standby->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pgmq.archive('q', (SELECT array_agg(msg_id) FROM pgmq.q_q))}),
	100, 'every message goes to the archive');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pgmq.create('new')}),
	1, 'a queue is made');

$standby->stop;
done_testing();
