
# Limits: what is in a queue and what is in flight is counted again after a restart and
# a crash, many readers share a rate exactly, the clock steps, and what cannot be prepared.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqClock;
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_prepared_transactions = 2
pgmq_c.limit_entries = 20
autovacuum = off
lock_timeout = '20s'
});

start_with_clock($node);

sub sql { return $node->safe_psql('postgres', $_[0]) }

# The SQLSTATE with which a statement fails
sub fails
{
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$_[0]");
	return $err =~ /ERROR:\s+(\w+)/ ? $1 : "none: $err";
}

sub got { return sql("SELECT count(*) FROM pgmq.$_[0]") }

sql(q{
CREATE EXTENSION pgmq_c;
SELECT pgmq.create(q) FROM unnest('{long,large,flight,each,rate,other}'::text[]) q;
SELECT pgmq.set_policy('long', '{"max_length": 3}');
SELECT pgmq.set_policy('large', '{"max_bytes": 100}');
SELECT pgmq.set_policy('flight', '{"max_in_flight": 3}');
SELECT pgmq.set_policy('each', '{"limit_by": "tenant", "max_in_flight_each": 1}');
SELECT pgmq.set_policy('rate', '{"rate": 100, "burst": 1}');
SELECT pgmq.set_policy('other', '{"max_in_flight": 20}');
SELECT pgmq.send_batch('long', '{1, 2}');
SELECT pgmq.send('large', to_jsonb(repeat('x', 60)));
SELECT pgmq.send_batch('flight', '{1, 2, 3, 4, 5, 6}');
SELECT pgmq.send_batch('each', '{1, 2, 3}',
	ARRAY['{"tenant": "a"}', '{"tenant": "b"}', '{"tenant": "a"}']::jsonb[]);
SELECT pgmq.read('flight', 600, 2);
SELECT pgmq.read('each', 600, 1);
});

# ---- the counts are made again
sub check_counts
{
	my ($when) = @_;
	is(fails(q{SELECT pgmq.send_batch('long', '{3, 4}')}), '53400', "$when: what is in the queue counts");
	is(fails(q{SELECT pgmq.send('large', to_jsonb(repeat('x', 60)))}), '53400', '.. in bytes, too');
	is(sql(q{BEGIN; SELECT count(*) FROM pgmq.send('long', '3'); ROLLBACK}), '1', '.. and there is room for the rest');
	is(sql(q{BEGIN; SELECT count(*) FROM pgmq.read('flight', 600, 5); ROLLBACK}), '1', '.. what is in flight counts');
	is(sql(q{BEGIN; SELECT string_agg(message::text, ' ') FROM pgmq.read('each', 600, 5); ROLLBACK}), '2',
		'.. for each value');
	return;
}
check_counts('at first');
$node->stop;
start_with_clock($node);
check_counts('after a restart');

# what an open transaction did is lost in a crash, and what was committed is not
my $open = session($node);
ask($open, q{BEGIN; SELECT FROM pgmq.send('long', '3'); SELECT FROM pgmq.read('flight', 600, 1);
	SELECT FROM pgmq.delete('long', 1);});
sql(q{SELECT pgmq.delete('long', 2); SELECT pgmq.send('long', '4')});
$node->stop('immediate');
done($open);
start_with_clock($node);
check_counts('after a crash');
is(sql(q{SELECT pgmq.delete('flight', 1)}), 't', 'one that was in flight is deleted');
is(got(q{read('flight', 600, 5)}), '2', '.. and makes room');

# ---- two-phase commit
foreach my $statement (q{pgmq.send('long', '3')}, q{pgmq.delete('long', 1)}, q{pgmq.delete('flight', 2)})
{
	is(fails("BEGIN; SELECT $statement; PREPARE TRANSACTION 'limits';"), '0A000', "no PREPARE after $statement");
}
is(sql('SELECT count(*) FROM pg_prepared_xacts'), '0', '.. at all');
check_counts_rest();

sub check_counts_rest
{
	is(fails(q{SELECT pgmq.send_batch('long', '{3, 4}')}), '53400', '.. and what was sent is not counted');
	is(got(q{send('long', '3')}), '1', '.. nor is its room taken');
	is(got(q{read('flight', 600, 5)}), '0', '.. nor is what was deleted free');
	return;
}

# ---- a database that is dropped: nothing of it is left for another one under its OID
sql('CREATE DATABASE model');
$node->safe_psql('model', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('q');
	SELECT pgmq.set_policy('q', '{"max_length": 1}'); SELECT pgmq.send('q', '1')});
sql('CREATE DATABASE copy TEMPLATE model');
$node->safe_psql('copy', q{SELECT pgmq.delete('q', 1)});
my $oid = sql(q{SELECT oid FROM pg_database WHERE datname = 'copy'});
sql('DROP DATABASE copy');
sql("CREATE DATABASE copy OID $oid TEMPLATE model");
my (undef, undef, $full) = $node->psql('copy', q{SELECT pgmq.send('q', '2')});
like($full, qr/queue "q" is full/, 'a dropped database leaves no count to another one');

# ---- many readers share a rate
sql(q{SELECT pgmq.send_batch('rate', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 2000) i))});
my @readers = map { session($node) } 1 .. 8;
begin($_, q{
	DO $$
	DECLARE stop timestamptz := clock_timestamp() + '3 s';
	BEGIN
		WHILE clock_timestamp() < stop LOOP
			PERFORM FROM pgmq.read_with_poll('rate', 600, 10, 1);
			COMMIT;
		END LOOP;
	END $$;}) foreach @readers;
result($_) foreach @readers;
my ($read, $due) = split /\|/, sql(q{
	SELECT count(*), 100 * extract(epoch FROM max(last_read_at) - min(last_read_at))
	FROM pgmq.q_rate WHERE read_ct > 0});
is(sql(q{SELECT max(read_ct) FROM pgmq.q_rate}), '1', '8 readers share a rate: no message comes twice');
# one of the burst, and the tenth of a second that may be late
cmp_ok($read, '<=', $due + 1 + 10, '.. they get no more than it allows');
cmp_ok($read, '>=', 0.9 * $due, '.. and no less, as far as the machine is fast enough');
cmp_ok($due, '>=', 200, '.. all the time');
cmp_ok(sql(q{SELECT wakeups_in_vain FROM pgmq.queue_stats() WHERE queue_name = 'rate'}), '<', $read / 4,
	'.. and no more of them are woken than there are tokens');
done(@readers);

# ---- readers that wait for a value, while the queue gives what they cannot use
sql(q{SELECT pgmq.create('both');
	SELECT pgmq.set_policy('both', '{"limit_by": "tenant", "max_in_flight_each": 1, "rate": 1000, "burst": 10}');
	SELECT pgmq.send_batch('both', '{1, 2, 3, 4}');
	SELECT pgmq.read('both', 600, 1)});
my @both = map { session($node) } 1 .. 3;
wait_in($_, q{SELECT message FROM pgmq.read_with_poll('both', 600, 5, 120);}) foreach @both;
my $vain = sql(q{SELECT wakeups FROM pgmq.queue_stats() WHERE queue_name = 'both'});
sql('SELECT pg_sleep(1)');
cmp_ok(sql(q{SELECT wakeups FROM pgmq.queue_stats() WHERE queue_name = 'both'}), '<', $vain + 10,
	'readers whose value has had enough do not wake each other');
sql(q{SELECT pgmq.delete('both', 1)});
my $since = time;
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pgmq.q_both WHERE read_ct > 0}) or die 'nobody reads';
cmp_ok(time - $since, '<', 60, '.. and what frees wakes one of them');
is(sql(q{SELECT string_agg(message::text, ' ') FROM pgmq.q_both WHERE read_ct > 0}), '2', '.. which gets what there is');
sql(q{SELECT pgmq.drop_queue('both')});
done(@both);

# ---- leases that have ended make room for those of other queues
sql(q{SELECT pgmq.send_batch('other', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20) i))});
is(fails(q{SELECT pgmq.read('other', 1, 20)}), '53400', 'there are no more entries than the setting says');
my $n = got(q{read('other', 1, 15)});
is($n, '15', '.. but so many');
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pgmq.q_other WHERE vt > clock_timestamp())})
  or die 'the leases never end';
sql(q{SELECT pgmq.set_policy('flight', '{"max_in_flight": 16}');
	SELECT pgmq.send_batch('flight', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 20) i))});
is(got(q{read('flight', 600, 20)}), '13', 'leases that have ended make room for those of another queue');

# ---- the clock steps
SKIP:
{
	skip 'no compiler, or no 64-bit integers, for a clock that steps', 7 unless can_step();

	sql(q{
	SELECT pgmq.create(q) FROM unnest('{slow,step,paced}'::text[]) q;
	SELECT pgmq.set_policy('slow', '{"rate": 0.001, "burst": 3}');
	SELECT pgmq.set_policy('paced', '{"rate": 0.5}');
	SELECT pgmq.set_policy('flight', '{"max_in_flight": null}');
	SELECT pgmq.set_policy('step', '{"max_in_flight": 2}');
	SELECT pgmq.send_batch(q, ARRAY(SELECT to_jsonb(i) FROM generate_series(1, 10) i)) FROM unnest('{slow,step}'::text[]) q});
	is(got(q{read('slow', 600, 10)}), '3', 'a burst');
	is(got(q{read('step', 600, 10)}), '2', 'messages are in flight');
	set_clock(100000);
	is(got(q{read('slow', 600, 1)}), '0', 'a step forward of the clock brings no tokens');
	is(got(q{read('step', 600, 10)}), '2', '.. and ends leases, which is for the clock to say');
	set_clock(-100000);
	is(got(q{read('step', 600, 10)}), '0', 'a step back leaves them in flight');
	sql(q{SELECT pgmq.send_batch('paced', '{1, 2}')});
	is(got(q{read('paced', 600, 5)}), '1', '.. a token is taken');
	set_clock(-200000);
	sql(q{UPDATE pgmq.q_paced SET vt = now() WHERE read_ct = 0});
	is(got(q{read_with_poll('paced', 600, 1, 60)}), '1', '.. and another step does not keep the next one');
	set_clock(0);
}

$node->stop;
done_testing();
