
# Committed messages, leases and archives survive a crash.  An unlogged queue
# is empty afterwards, as it must be, but its ids go on, so that its archive
# never gets one of them twice.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_prepared_transactions = 2");
$node->start;

sub content
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT * FROM $table ORDER BY msg_id");
}

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('logged'), pgmq.create_unlogged('fast'), pgmq.create('prepared');
	SELECT pgmq.send_batch(q, (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 100) n))
	FROM unnest(ARRAY['logged', 'fast']) q;
	SELECT pgmq.read(q, 1000, 10), pgmq.read(q, -1, 1) FROM unnest(ARRAY['logged', 'fast']) q;
	SELECT pgmq.archive(q, ARRAY[1, 50]) FROM unnest(ARRAY['logged', 'fast']) q;
	SELECT pgmq.delete(q, ARRAY[2, 51]) FROM unnest(ARRAY['logged', 'fast']) q;
	SELECT pgmq.set_vt(q, 60, 500) FROM unnest(ARRAY['logged', 'fast']) q});

# Transactions that are prepared, and not yet decided, when it happens.
$node->safe_psql(
	'postgres', q{
	SELECT pgmq.send_batch('prepared', ARRAY['1', '2', '3', '4', '5', '6', '7', '8']::jsonb[])});
for my $n (0, 4)
{
	$node->safe_psql(
		'postgres', qq{
		BEGIN;
		SELECT pgmq.read('prepared', 1000, 1, '@{[ $n + 1 ]}');
		SELECT pgmq.delete('prepared', $n + 2), pgmq.archive('prepared', $n + 3);
		SELECT pgmq.send('prepared', '"prepared"');
		PREPARE TRANSACTION 'decide_$n'});
}

my %before = map { $_ => content($_) } qw(pgmq.q_logged pgmq.a_logged pgmq.a_fast);
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgmq.q_fast'),
	96, 'the unlogged queue has messages');

# A transaction that is not committed when it happens is gone, and takes
# nothing with it.
my ($stdin, $stdout, $stderr) = ('', '', '');
my $session = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \$stdin, '>', \$stdout, '2>', \$stderr,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$stdin .= q{
	BEGIN;
	SELECT pgmq.send('logged', '"lost"'), pgmq.send('fast', '"lost"');
	SELECT count(*) FROM pgmq.read('logged', 1000, 10);
	SELECT pgmq.delete('logged', ARRAY[70, 71, 72]);
	SELECT pgmq.archive('logged', 73);
	SELECT 'done';
};
$session->pump until $stdout =~ /done/;

$node->stop('immediate');
$session->kill_kill;
$node->start;

for my $table (sort keys %before)
{
	is(content($table), $before{$table}, "$table is as it was");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgmq.q_fast'),
	0, 'the unlogged queue is empty');

# A lease holds through the crash, and what was being read is readable.
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*), min(msg_id), count(*) FILTER (WHERE msg_id BETWEEN 1 AND 10), max(read_ct)
		  FROM pgmq.read('logged', 30, 1000)}),
	'87|11|0|2',
	'leases hold');

# A prepared transaction is still prepared: it holds its messages, and then
# commits or rolls back.
my $states = q{SELECT string_agg(msg_id || ':' || read_ct, ' ' ORDER BY msg_id) FROM pgmq.q_prepared};
is( $node->safe_psql('postgres', q{SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('prepared', -1, 100)}),
	'4 8', 'messages of prepared transactions are passed over');
$node->safe_psql('postgres', q{COMMIT PREPARED 'decide_0'});
is($node->safe_psql('postgres', $states), '1:1 4:1 5:0 6:0 7:0 8:1 9:0', 'one is committed');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'decide_4'});
is($node->safe_psql('postgres', $states), '1:1 4:1 5:0 6:0 7:0 8:1 9:0', 'the other rolled back');
is( $node->safe_psql('postgres', q{SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('prepared', 30, 100)}),
	'4 5 6 7 8 9', 'and all is readable but what the first one leased');
is(content('pgmq.a_prepared') =~ /^3\|/ ? 1 : 0, 1, 'or archived');

# Ids go on.
my $logged = $node->safe_psql('postgres', q{SELECT pgmq.send('logged', '"new"')});
cmp_ok($logged, '>', 100, 'ids of the logged queue go on');
my $fast = $node->safe_psql('postgres', q{SELECT pgmq.send('fast', '"new"')});
cmp_ok($fast, '>', 100, 'ids of the unlogged queue go on');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pgmq.send_batch('fast', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 100) n))}),
	100, 'the unlogged queue works on');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(pgmq.archive('fast', msg_id)) FROM pgmq.read('fast', 30, 1000)}),
	101, 'and its archive takes every message');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgmq.a_fast'),
	103, 'beside those from before');

# The same after a second crash, this time right after a send.
$fast = $node->safe_psql('postgres', q{SELECT pgmq.send('fast', '"new"')});
$node->stop('immediate');
$node->start;
cmp_ok($node->safe_psql('postgres', q{SELECT pgmq.send('fast', '"new"')}),
	'>', $fast, 'ids of the unlogged queue go on again');

$node->stop;
done_testing();
