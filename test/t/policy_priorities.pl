
# Priorities: what a read costs behind a great many messages of the lowest
# priority, and what is left of the order after a crash, a restart, a prepared
# transaction, a dump, and without shared memory.
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

my $database = 'postgres';
sub sql { return $node->safe_psql($database, $_[0]) }

# Send messages with priorities
sub put
{
	my ($name, @priorities) = @_;
	sql("SELECT pgmq.send('$name', '$_', '{\"x-pgmq-priority\": $_}'::jsonb)") for @priorities;
	return;
}

# Read messages; the priorities are the messages
sub got
{
	my ($name, $n, $vt) = @_;
	$vt //= 600;
	return sql("SELECT coalesce(string_agg(message::text, ' '), 'nothing') FROM pgmq.read('$name', $vt, $n)");
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

sql('CREATE EXTENSION pgmq_c');
sql("SELECT pgmq.create(q), pgmq.set_policy(q, '{\"priorities\": true}') FROM unnest('{few,many,small}'::text[]) q");
# the first plans are made while the queues are empty
is(got($_, 1), 'nothing', "$_ is empty") for qw(few many small);
sql(q{SELECT count(*) FROM pgmq.send_batch('many', ARRAY(SELECT '0'::jsonb FROM generate_series(1, 100000)))});

# ---- what is lower costs nothing
put($_, 9) for qw(few many);
my $few = buffers('few');
cmp_ok(buffers('many'), '<=', 1.5 * $few, 'a read of one behind 100,000 lower ones costs what one alone does');
is(got('many', 3), '9 0 0', '.. and finds it');
put('many', 9, 1, 5);
is(got('many', 4), '9 5 1 0', '.. and others that come later');

# ---- with a map or without
sub check_order
{
	my ($when) = @_;
	put('many', 2, 8, 3);
	is(got('many', 2), '8 3', "$when: the highest come first");
	cmp_ok(buffers('many'), '<=', 2 * $few, '.. which costs no more');
	is(got('many', 2), '2 0', '.. then the others');
	put('many', 7);
	is(got('many', 1), '7', '.. and what comes late');
	return;
}
check_order('with a map');
put('many', 4, 6);
my $leased = got('many', 1);
is($leased, '6', 'one is leased');
$node->stop('immediate');
$node->start;
is(got('many', 2), '4 0', 'after a crash what was not leased comes first');
check_order('after a crash');
put('few', 3, 7);
$node->restart;
is(got('few', 1, 0), '9', 'after a restart what a rollback gave back comes first');
check_order('after a restart');

# ---- prepared transactions
put('small', 1, 2);
sql(q{BEGIN; SELECT pgmq.send('small', '9', '{"x-pgmq-priority": 9}'::jsonb); PREPARE TRANSACTION 'high'});
is(got('small', 1), '2', 'a message of a prepared transaction is not there');
sql(q{COMMIT PREPARED 'high'});
is(got('small', 1), '9', '.. until that is committed');
sql(q{BEGIN; UPDATE pgmq.q_small SET headers = '{"x-pgmq-priority": 7}', message = '7' WHERE message = '1'; PREPARE TRANSACTION 'change'});
put('small', 4, 8);
is(got('small', 1), '8', 'beside a change of priority that is prepared');
sql(q{COMMIT PREPARED 'change'});
is(got('small', 2), '7 4', '.. and after it');

# ---- a waiting reader is woken by any priority
my $waiter = session($node);
wait_in($waiter, q{SELECT message FROM pgmq.read_with_poll('small', 600, 1, 60);});
put('small', 5);
is(result($waiter), '5', 'a waiting reader gets what comes');
# and one that waits does not keep the policy from being changed
wait_in($waiter, q{SELECT count(*) FROM pgmq.read_with_poll('small', 600, 1, 60);});
sql(q{SELECT pgmq.set_policy('small', '{"priorities": false}')});
is(result($waiter), '0', 'a waiting reader makes way for a change of the policy');
done($waiter);
put('small', 1, 3, 2);
is(got('small', 3, 0), '1 3 2', '.. after which ids make the order');
sql(q{SELECT pgmq.set_policy('small', '{"priorities": true}')});
is(got('small', 3, 0), '3 2 1', '.. and priorities again');

# ---- a dump brings the order with it
my $file = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr('restored') ], 'restored');
$database = 'restored';
is(got('small', 3), '3 2 1', 'a dump brings the order with it');
put('small', 6);
is(got('small', 1), '6', '.. for what comes, too');
is(sql(q{SELECT count(*) FROM pg_index WHERE indrelid = 'pgmq.q_small'::regclass}), '2', '.. and the index');
$database = 'postgres';

# ---- without shared memory, before version 17
is(sql(q{SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()}), '0', 'the due map has hidden nothing');
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;
check_order('without preloading');
$node->stop;
done_testing();
