
# Notification on insert and what needs a server's life cycle: prepared
# transactions, a crash, and PGMQ's throttle table, which a crash empties.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 10');
$node->start;

# Run a script in a session that listens; the channels it was notified on,
# and what it was told by the server.
sub heard
{
	my ($script) = @_;
	my ($rc, $out, $err) = $node->psql('postgres',
		qq{LISTEN "pgmq.q_orders.INSERT"; LISTEN "pgmq.q_other.INSERT";\n$script});
	is($rc, 0, "script runs") or diag($err);
	return ([ $out =~ /^Asynchronous notification "([^"]*)"/mg ], $err);
}

my $channel = 'pgmq.q_orders.INSERT';

$node->safe_psql('postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('orders'), pgmq.create('other');
	SELECT pgmq.enable_notify_insert('orders', 3600000);
	SELECT pgmq.enable_notify_insert('other', 3600000)});

# --- prepared transactions ---

my ($channels, $err) = heard(q{
	BEGIN;
	SELECT pgmq.send('orders', '1');
	SELECT pgmq.send('other', '1');
	PREPARE TRANSACTION 'sent';
	COMMIT PREPARED 'sent';
	SELECT 1;});
is_deeply($channels, [], 'a prepared transaction does not notify');
my @warnings = $err =~ /WARNING:/g;
is(scalar @warnings, 1, '.. says so once');
like($err, qr/listeners are not notified of messages sent by a prepared transaction/,
	'.. in these words');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgmq.q_orders}), 1,
	'.. and its message is there');

($channels) = heard(q{
	BEGIN;
	SELECT pgmq.send('orders', '2');
	PREPARE TRANSACTION 'sent';
	ROLLBACK PREPARED 'sent';
	SELECT pgmq.send('other', '2');
	SELECT pgmq.send('orders', '3');});
is_deeply($channels, [ 'pgmq.q_other.INSERT', $channel ],
	'.. nor leaves anything behind in its session, nor uses up the interval');

(undef, $err) = heard(q{
	BEGIN;
	SELECT pgmq.read('orders', 0, 1);
	PREPARE TRANSACTION 'read';
	COMMIT PREPARED 'read';
	BEGIN;
	SAVEPOINT s;
	SELECT pgmq.send('orders', '3');
	ROLLBACK TO s;
	PREPARE TRANSACTION 'nothing';
	COMMIT PREPARED 'nothing';});
unlike($err, qr/WARNING/, 'no warning where nothing was sent');

# --- a crash ---

$node->stop('immediate');
$node->start;
is( $node->safe_psql('postgres', q{
		SELECT string_agg(queue_name || ' ' || throttle_interval_ms, ', ' ORDER BY queue_name)
		FROM pgmq.list_notify_insert_throttles()}),
	'orders 3600000, other 3600000', 'intervals survive a crash');
($channels) = heard(q{
	SELECT pgmq.send('orders', '4');
	SELECT pgmq.send('orders', '5');});
is_deeply($channels, [$channel], 'queues notify after a crash, throttled');

# PGMQ's table was unlogged: its rows are gone, the trigger is not.
$node->safe_psql('postgres',
	'ALTER TABLE pgmq.notify_insert_throttle SET UNLOGGED');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgmq.notify_insert_throttle'),
	0, 'a crash empties an unlogged throttle table');
($channels) = heard(q{
	SELECT pgmq.send('orders', '6');
	SELECT pg_sleep(0.3);
	SELECT pgmq.send('orders', '7');});
is_deeply($channels, [ $channel, $channel ],
	'queues notify without their row');
$node->safe_psql('postgres', q{SELECT pgmq.update_notify_insert('orders', 0)});
is($node->safe_psql('postgres', 'SELECT * FROM pgmq.notify_insert_throttle') =~ /^orders\|0\|/, 1,
	'.. and can be given one');

$node->stop;
done_testing();
