
# What a read costs that claims its messages, and what becomes of claims when
# their session ends, is prepared, or commits while others wait.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_prepared_transactions = 2
autovacuum = off
lock_timeout = '20s'
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A queue with so many messages, which the map knows
sub queue_of
{
	my ($name, $n) = @_;
	return sql("SELECT pgmq.create('$name');
		SELECT count(*) FROM pgmq.send_batch('$name', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, $n) i));
		SELECT count(*) FROM pgmq.read('$name', 0, $n, '{\"no\": \"such\"}')");
}

# The buffers that a read of one message takes, in a session that has planned it
sub buffers
{
	my ($name) = @_;
	my $out = sql("BEGIN; SAVEPOINT s; SELECT FROM pgmq.read('$name', 600, 1); ROLLBACK TO s;
		SELECT FROM pgmq.read('$name', 600, 1); ROLLBACK TO s;
		EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT FROM pgmq.read('$name', 600, 1); ROLLBACK");
	my ($hit) = $out =~ /hit=(\d+)/;
	my ($read) = $out =~ /read=(\d+)/;
	return $hit + ($read // 0);
}

sub got
{
	my ($name, $n) = @_;
	return sql("SELECT coalesce(string_agg(msg_id::text, ' '), 'nothing') FROM pgmq.read('$name', 600, $n)");
}

sql('CREATE EXTENSION pgmq_c');

# ---- what is beside a message costs nothing
queue_of('alone', 1);
my $alone = buffers('alone');
queue_of('beside', 64);
is(got('beside', 63), join(' ', 1 .. 63), 'all messages of a block but one are leased');
cmp_ok(buffers('beside'), '<=', 1.1 * $alone, '.. which costs the read of the last one nothing');
queue_of('dead', 64);
my $old = session($node);
ask($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pgmq.q_dead;');
sql(q{SELECT count(*) FROM pgmq.delete('dead', ARRAY(SELECT msg_id FROM pgmq.read('dead', 600, 63)))});
cmp_ok(buffers('dead'), '<=', 1.1 * $alone, '.. nor do dead ones that vacuum may not remove');
done($old);

# ---- many leases of an open transaction
queue_of('many', 20001);
my $holder = session($node);
is(ask($holder, "BEGIN; SELECT count(*) FROM pgmq.read('many', 600, 20000);"), '20000', 'a transaction has many messages');
cmp_ok(buffers('many'), '<=', 1.5 * $alone, '.. which costs other reads little');
is(got('many', 9), '20001', '.. and they find the rest');
is(got('many', 9), 'nothing', '.. once');

# ---- a session ends
sql("SELECT pg_terminate_backend($holder->{pid})");
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $holder->{pid})") or die;
$holder->{psql}->kill_kill;
is(got('many', 2), '1 2', 'when it is terminated its messages are there again');
is(sql("SELECT count(*) FROM pgmq.read('many', 600, 100000)"), 19998, '.. all of them');

# ---- claims in vain
queue_of('locked', 5000);
$holder = session($node);
ask($holder, 'BEGIN; SELECT FROM pgmq.q_locked WHERE msg_id < 5000 FOR UPDATE;');
is(got('locked', 1), '5000', 'a read passes over thousands of locked messages');
is(got('locked', 1), 'nothing', '.. and finds that there is nothing else');
ask($holder, 'COMMIT;');
is(got('locked', 3), '1 2 3', '.. until they are unlocked');
queue_of('gone', 5000);
sql('DELETE FROM pgmq.q_gone WHERE msg_id < 5000');
is(got('gone', 1), '5000', 'or of messages that are gone');

# ---- prepared
queue_of('prepared', 3);
sql(q{BEGIN; SELECT FROM pgmq.read('prepared', 600, 2); PREPARE TRANSACTION 'p'});
is(got('prepared', 9), '3', 'a prepared transaction keeps what it has');
is(got('prepared', 9), 'nothing', '.. as long as it is open');
sql(q{ROLLBACK PREPARED 'p'});
is(got('prepared', 9), '1 2', '.. and it is there when that is rolled back');
queue_of('kept', 2);
sql(q{BEGIN; SELECT FROM pgmq.read('kept', 2, 1); PREPARE TRANSACTION 'p'});
is(got('kept', 9), '2', 'another one');
sql(q{COMMIT PREPARED 'p'});
$node->poll_query_until('postgres', q{SELECT msg_id = 1 FROM pgmq.read('kept', 600, 9)}) or die;
pass('.. commits, and the lease ends');

# ---- waiters, whose intervals are too long to help
my $poll = q{SELECT msg_id FROM pgmq.read_with_poll('waited', 600, 1, 50, 600000);};
queue_of('waited', 1);
my $waiter = session($node);
ask($holder, q{BEGIN; SELECT FROM pgmq.read('waited', 600, 1);});
wait_in($waiter, $poll);
ask($holder, 'ROLLBACK;');
is(result($waiter), '1', 'a waiter gets what is rolled back');
cmp_ok($waiter->{took}, '<', 40, '.. at once');
sql(q{SELECT pgmq.purge_queue('waited'); SELECT pgmq.send('waited', '2')});
ask($holder, q{BEGIN; SELECT FROM pgmq.read('waited', 1, 1);});
wait_in($waiter, $poll);
ask($holder, 'COMMIT;');
is(result($waiter), '2', '.. and what was leased for a short time');
cmp_ok($waiter->{took}, '<', 40, '.. when that is over');
done($waiter, $holder);

is(sql('SELECT sum(net_finds) FROM pgmq.engine_status()'), 0, 'the map has hidden nothing');
done_testing();
