
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
	SELECT pgmq.create('q'), pgmq.create_unlogged('fast')});
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
	'fast q', 'list_queues');
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
