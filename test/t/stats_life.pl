
# Statistics through a server's life: a clean shutdown alone keeps them, each
# database has its own, and the busiest queues have theirs if there is not enough
# memory for all.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Copy qw(copy);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync'], allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
autovacuum = off
max_prepared_transactions = 2
restart_after_crash = on
});
$node->start;
my $file = $node->data_dir . '/pg_stat/pgmq_c.stat';

sub query
{
	my ($sql, $db) = @_;
	return $node->safe_psql($db // 'postgres', $sql);
}

# Columns of a queue's row.
sub row
{
	my ($queue, $columns, $db) = @_;
	return query("SELECT $columns FROM pgmq.stat_queues s WHERE queue_name = '$queue'", $db);
}

my $counters = 'state, sent, delivered, acked, wait_count, age_count';

# The row of queue a when the server has stopped and started again.
sub restarted
{
	my ($mode) = @_;
	$node->stop($mode);
	$node->start;
	return row('a', $counters);
}

# Work that counts 3 sent, 2 delivered and 1 acknowledged.
sub work
{
	my ($queue, $db) = @_;
	query("SELECT pgmq.send('$queue', '1') FROM generate_series(1, 3)", $db);
	query("SELECT pgmq.delete('$queue', msg_id) FROM pgmq.read('$queue', 3000, 2) LIMIT 1", $db);
	return;
}

query(q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('a')});
work('a');
my $counted = 'on|3|2|1|2|1';
is(row('a', $counters), $counted, 'a queue counts');
my $all = row('a', "(to_jsonb(s) - 'readable')::text");

# ---- a restart
is(restarted('fast'), $counted, 'a clean restart keeps the counters');
is(row('a', "(to_jsonb(s) - 'readable')::text"), $all, '... and all else');
ok(!-e $file, 'there is no file while the server runs');
is(restarted('smart'), $counted, 'another one keeps them, too');
$node->stop('fast');
ok(-s $file, 'there is a file while the server is down');
copy($file, "$file.kept") or die;
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->start;
query(q{SELECT pgmq.send('a', '1')});
$node->stop('fast');
$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'pgmq_c'});
$node->start;
is(row('a', $counters), 'on|0|0|0|0|0', 'a file is of no use when the server has run without the library');
like(slurp_file($node->logfile), qr/does not use the statistics in file "pg_stat\/pgmq_c.stat"/, '... which the log says');

work('a');
my $start = query('SELECT pg_postmaster_start_time()');
is(restarted('immediate'), 'on|0|0|0|0|0', 'an immediate shutdown loses the counters');
is(row('a', "stats_reset >= '$start' AND stats_reset > now() - interval '1 hour'"), 't', '... and stats_reset says from when they are');

work('a');
$node->stop('fast');
# one byte is wrong
open(my $handle, '+<:raw', $file) or die;
seek($handle, -100, 2);
print $handle 'x';
close($handle);
$node->start;
is(row('a', $counters), 'on|0|0|0|0|0', 'a damaged file is not used');
$node->stop('fast');
copy("$file.kept", $file) or die;
$node->start;
is(row('a', $counters), 'on|0|0|0|0|0', 'nor is one of another shutdown');

# ---- a crash
work('a');
my $other = session($node);
kill 'KILL', $other->{pid};
$other->{psql}->kill_kill;
ok($node->poll_query_until('postgres', q{SELECT state = 'on' AND sent = 0 AND delivered = 0
	FROM pgmq.stat_queues WHERE queue_name = 'a'}), 'a crash loses the counters');
work('a');
is(row('a', $counters), $counted, '... and the queue counts again');

# ---- two databases
query('CREATE DATABASE other TEMPLATE postgres');
is(row('a', $counters, 'other'), 'on|0|0|0|0|0', 'a queue of another database with the same OID counts apart');
work('a', 'other');
work('a', 'other');
is(row('a', $counters, 'other'), 'on|6|4|2|4|2', '... what is done there');
is(row('a', $counters), $counted, '... and nothing of it here');
$node->restart;
is(row('a', 'sent', 'other') . row('a', 'sent'), '63', '... also after a restart');

# ---- prepared transactions
query(q{BEGIN; SELECT pgmq.send('a', '1'); PREPARE TRANSACTION 'one'});
query(q{BEGIN; SELECT pgmq.send('a', '1'); PREPARE TRANSACTION 'two'});
is(row('a', 'sent'), '3', 'a prepared transaction has counted nothing');
query(q{COMMIT PREPARED 'one'});
query(q{ROLLBACK PREPARED 'two'});
is(row('a', 'sent'), '3', '... nor does it when it is committed');

# ---- reset while counting
my @senders = map { session($node) } 1 .. 2;
begin($_, q{DO $$ BEGIN FOR i IN 1 .. 1000 LOOP PERFORM pgmq.send('a', '1'); COMMIT; END LOOP; END $$;}) foreach @senders;
query(q{SELECT pgmq.reset_queue_stats('a')}) for 1 .. 10;
result($_) foreach @senders;
cmp_ok(row('a', 'sent'), '<=', 2000, 'a reset while two sessions count is survived');
query(q{SELECT pgmq.reset_queue_stats('a')});
begin($_, q{DO $$ BEGIN FOR i IN 1 .. 500 LOOP PERFORM pgmq.send('a', '1'); COMMIT; END LOOP; END $$;}) foreach @senders;
result($_) foreach @senders;
is(row('a', 'sent'), '1000', '... after which two sessions count all');
done(@senders);

# ---- waiting reads
query(q{SELECT pgmq.create('woken')});
my $reader = session($node);
wait_in($reader, q{SELECT msg_id FROM pgmq.read_with_poll('woken', 30, 1, 600);});
query(q{SELECT pgmq.send('woken', '1')});
is(result($reader), '1', 'a waiting read returns what is sent');
my $waits = 'waits, wakeups, wakeups_in_vain, reads, empty_reads, delivered';
is(row('woken', $waits), '1|1|0|1|0|1', '... and counts as one wait, one wake-up and one read');
wait_in($reader, q{SELECT msg_id FROM pgmq.read_with_poll('woken', 30, 1, 600, 100, '"this"');});
query(q{SELECT pgmq.send('woken', '"that"')});
ok($node->poll_query_until('postgres', qq{SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $reader->{pid}}), 'another message wakes it');
query(q{SELECT pgmq.send('woken', '"this"')});
is(result($reader), '3', '... and the one that it waits for');
my ($wakeups, $in_vain) = split /\|/, row('woken', 'wakeups, wakeups_in_vain');
cmp_ok($wakeups, '>=', 2, '... which are wake-ups');
cmp_ok($in_vain, '>=', 1, '... of which one at least was in vain');
done($reader);

# ---- a client that has gone
SKIP:
{
	skip 'the server cannot tell that a client has gone', 1
	  if $^O ne 'linux';
	query(q{SELECT pgmq.create('waited')});
	my $waiter = session($node);
	wait_in($waiter, q{SELECT * FROM pgmq.read_with_poll('waited', 30, 1, 600);});
	$waiter->{psql}->kill_kill;
	ok($node->poll_query_until('postgres', q{SELECT dead_clients = 1 AND reads = 0
		FROM pgmq.stat_queues WHERE queue_name = 'waited'}), 'a wait whose client has gone is counted');
}

# ---- a standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', q{SELECT state, sent, stats_reset, wait_buckets FROM pgmq.stat_queues WHERE queue_name = 'a'}),
	'standby|||', 'on a standby the view can be read, and says that nothing is counted');
# the standby is there while this is counted elsewhere
work('a');
$node->wait_for_catchup($standby);
$standby->safe_psql('postgres', q{SELECT pgmq.reset_queue_stats('a')});
my $promoted = query('SELECT clock_timestamp()');
$standby->promote;
my $begun = q{SELECT state, sent, stats_reset > '%s' FROM pgmq.stat_queues WHERE queue_name = 'a'};
is($standby->safe_psql('postgres', sprintf($begun, $promoted)), 'on|0|t', '... until it is promoted, and stats_reset says from when');
$standby->safe_psql('postgres', q{SELECT pgmq.send('a', '1')});
is($standby->safe_psql('postgres', sprintf($begun, $promoted)), 'on|1|t', '... from then on it counts');
$standby->restart;
is($standby->safe_psql('postgres', sprintf($begun, $promoted)), 'on|1|t', '... also after a restart');
$standby->stop;
$standby->set_standby_mode;
$standby->start;
$standby->stop;
$standby->start;
$promoted = query('SELECT clock_timestamp()');
$standby->promote;
$standby->safe_psql('postgres', q{SELECT pgmq.send('a', '1')});
is($standby->safe_psql('postgres', sprintf($begun, $promoted)), 'on|1|t', 'a primary that became a standby counts anew when it is promoted');
$standby->stop;

# ---- more queues than slots
$node->append_conf('postgresql.conf', 'pgmq_c.stat_queues = 3');
query(q{SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues()});
# the other database has slots that a clean shutdown would keep
$node->stop('immediate');
$node->start;
query(q{SELECT pgmq.create(name) FROM unnest('{a,b,c,d,e}'::text[]) name});

sub commits
{
	my ($n, @queues) = @_;
	query("DO \$\$ BEGIN FOR i IN 1 .. $n LOOP "
		  . join('', map { "PERFORM pgmq.send('$_', '1'); COMMIT; " } @queues)
		  . 'END LOOP; END $$');
	return;
}

sub states
{
	return query(q{SELECT string_agg(concat_ws(' ', queue_name, state, sent), ', ' ORDER BY queue_name) FROM pgmq.stat_queues});
}
commits(10, 'a', 'b');
is(states(), 'a on 10, b on 10, c on 0, d on 0, e on 0', 'there are slots for all that count');
commits(40, 'a', 'b', 'c', 'd');
is(states(), 'a on 50, b on 50, c on 40, d memory full, e memory full', 'busy queues keep their slots, others say that they have none');
is(row('a', 'stats_reset < (SELECT min(enqueued_at) FROM pgmq.q_a)'), 't', '... and it is known that all was counted');
commits(200, 'a', 'b', 'd');
like(states(), qr/a on 250, b on 250, c memory full, d on \d+, e memory full/, 'a queue that is idle loses its slot to a busy one');
is(row('d', 'stats_reset > (SELECT min(enqueued_at) FROM pgmq.q_d)'), 't', '... which counts from then on');
query(q{SELECT pgmq.drop_queue('a')});
commits(2, 'c');
like(states(), qr/b on 250, c on 2, d on \d+, e memory full/, 'a dropped queue gives its slot back');
query(q{DROP TABLE pgmq.q_b});
commits(2, 'e');
like(states(), qr/c on 2, d on \d+, e on 2/, '... also one that is dropped by hand');
$node->append_conf('postgresql.conf', 'pgmq_c.stat_queues = 2');
$node->restart;
is(scalar(() = states() =~ /on [1-9]/g), 2, 'with fewer slots after a restart some queues keep theirs');
$node->append_conf('postgresql.conf', 'pgmq_c.stat_queues = 0');
$node->restart;
commits(2, 'c');
query(q{SELECT pgmq.reset_queue_stats('c')});
is(row('c', 'state, sent, stats_reset'), 'switched off||', 'without slots nothing is counted');
$node->stop;

done_testing();
