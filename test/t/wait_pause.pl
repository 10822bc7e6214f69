
# Waiting readers of queues that are paused, and of many queues at once.
# Intervals are so long that nothing is found by looking again.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Longer than any test may take, and than a busy machine needs
my $long = 60;
my $soon = 20;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'\nmax_prepared_transactions = 5");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Begin to wait in a session of its own, and come back when it sleeps.
sub waits
{
	my $s = session($node);

	wait_in($s, "$_[0];");
	return $s;
}

# Returns its output; $took has how long that took.
my $took;

sub ends
{
	my ($s) = @_;

	result($s);
	$took = $s->{took};
	done($s);
	return $s->{out} . $s->{err};
}

my $poll = "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000)";

sub any
{
	my ($queues, $options) = @_;

	return "SELECT queue_name, msg_id FROM pgmq.read_any_with_poll('{$queues}', 600, 1, $long, 600000, '{$options}')";
}

sub fresh
{
	sql("SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues()");
	sql("SELECT pgmq.create(q) FROM unnest('{q,a,b,c}'::text[]) q");
}

sql('CREATE EXTENSION pgmq_c');

# Resuming
fresh();
sql("SELECT pgmq.pause('q', 'infinity'), pgmq.send_batch('q', '{1,2}'::jsonb[])");
my @s = (waits($poll), waits($poll));
sql("BEGIN; SELECT pgmq.resume('q'); ROLLBACK");
sql("SELECT pgmq.resume('q')");
is(join(' ', sort map { ends($_) } @s), '1 2', 'all who wait wake at resume');
cmp_ok($took, '<', $soon, 'at once');

# The time that was set
fresh();
sql("SELECT pgmq.send('q', '1'), pgmq.pause('q', clock_timestamp() + interval '3 s')");
my $s = waits($poll);
is(ends($s), '1', 'a pause ends when its time has come');
cmp_ok($took, '<', $soon, 'at once');

fresh();
sql("SELECT pgmq.send('q', '1'), pgmq.pause('q', 'infinity')");
$s = waits($poll);
sql("SELECT pgmq.pause('q', clock_timestamp() + interval '1 s')");
is(ends($s), '1', 'a pause is made shorter');
cmp_ok($took, '<', $soon, 'at once');

# COMMIT PREPARED wakes no reader; so waiting readers look at the interval
# while there is such a transaction
my $often = $poll =~ s/600000/100/r;

fresh();
sql("SELECT pgmq.send('q', '1'), pgmq.pause('q', 'infinity')");
@s = (waits($often), waits($often));
sql("BEGIN; SELECT pgmq.resume('q'); PREPARE TRANSACTION 'p'");
sql("COMMIT PREPARED 'p'");
sql("SELECT pgmq.send('q', '2')");
is(join(' ', sort map { ends($_) } @s), '1 2', 'resume in a transaction that is prepared');
cmp_ok($took, '<', $soon, 'at once');

fresh();
@s = (waits($often), waits($often));
sql("BEGIN; SELECT pgmq.send_batch('q', '{1,2}'::jsonb[]); PREPARE TRANSACTION 'p'");
sql("COMMIT PREPARED 'p'");
is(join(' ', sort map { ends($_) } @s), '1 2', 'a send in one');
cmp_ok($took, '<', $soon, 'at once');

fresh();
sql("SELECT pgmq.pause('q', 'infinity')");
sql("BEGIN; SELECT pgmq.resume('q'); PREPARE TRANSACTION 'p'");
sql("ROLLBACK PREPARED 'p'");
$s = waits("SELECT count(*) FROM pgmq.read_with_poll('q', 600, 1, 3, 100)");
sql("SELECT pgmq.send('q', '1')");
is(ends($s), '0', 'one that is rolled back resumes nothing');

# Pausing a queue that a reader waits for
fresh();
$s = waits("SELECT count(*) FROM pgmq.read_with_poll('q', 600, 1, 3, 600000)");
sql("SELECT pgmq.pause('q', 'infinity')");
sql("SELECT pgmq.send('q', '1')");
is(ends($s), '0', 'a pause stops one that is waiting');
is(sql("SELECT read_ct FROM pgmq.peek('q')"), '0', 'the message stays');

# Grouped reads, and the procedure that only waits
fresh();
sql("SELECT pgmq.send('q', '1'), pgmq.pause('q', 'infinity')");
@s = (waits("SELECT msg_id FROM pgmq.read_grouped_with_poll('q', 600, 1, $long, 600000)"));
sql("SELECT pgmq.resume('q')");
is(ends($s[0]), '1', 'grouped reads wake at resume');
cmp_ok($took, '<', $soon, 'at once');

fresh();
sql("SELECT pgmq.send('q', '1'), pgmq.pause('q', 'infinity')");
$s = waits("CALL pgmq.wait('q', $long)");
sql("SELECT pgmq.resume('q')");
is(ends($s), '', 'wait returns at resume');
cmp_ok($took, '<', $soon, 'at once');

# Many queues
foreach my $queue (qw(c a b))
{
	fresh();
	$s = waits(any('a,b,c', $queue eq 'b' ? '"order": "fair"' : ''));
	is(sql("SELECT sum(waiting) FROM pgmq.engine_status() WHERE queue_name IN ('a', 'b', 'c')"),
		3, 'one call waits for three queues');
	sql("SELECT pgmq.send('$queue', '1')");
	is(ends($s), "$queue|1", "it returns what comes into $queue");
	cmp_ok($took, '<', $soon, 'at once');
}
is(sql("SELECT sum(waiting) FROM pgmq.engine_status()"), 0, 'and waits no more');

fresh();
sql("SELECT pgmq.send('b', '1', 3)");
$s = waits(any('a,b', ''));
is(ends($s), 'b|1', 'a delay ends in one of them');
cmp_ok($took, '<', $soon, 'at once');

fresh();
sql("SELECT pgmq.send('b', '1'), pgmq.pause('b', 'infinity')");
$s = waits(any('a,b', ''));
sql("SELECT pgmq.resume('b')");
is(ends($s), 'b|1', 'a pause ends in one of them');
cmp_ok($took, '<', $soon, 'at once');

# A read that got a message from one queue hands on its wake-up in another.
fresh();
@s = (waits(any('a,b', '')), waits($poll =~ s/'q'/'b'/r));
sql("SELECT pgmq.send('a', '1')");
sql("SELECT pgmq.send('b', '2')");
is(join(' ', map { ends($_) } @s), 'a|1 1', 'the next one in the other queue wakes');
cmp_ok($took, '<', $soon, 'at once');

# DDL on one of them
fresh();
$s = waits(any('a,b', ''));
sql("SELECT pgmq.drop_queue('b')");
is(ends($s), '', 'dropping one of the queues sends it away');
cmp_ok($took, '<', $soon, 'at once');

$node->stop;
done_testing();
