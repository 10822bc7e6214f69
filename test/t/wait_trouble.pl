
# Trouble around a waiting read: its client dies, others like it are blocked,
# its queue is renamed, a part of it is rolled back, or all messages are spent.
# Intervals are so long that nothing is found by looking again, unless the test
# is about that.
use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# Longer than any test may take, and than a busy machine needs
my $long = 60;
my $soon = 15;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'\nmax_prepared_transactions = 5");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub stop_waiting
{
	foreach my $s (@_)
	{
		sql("SELECT pg_cancel_backend($s->{pid})");
		result($s);
	}
}

sub poll
{
	my ($queue, $interval) = @_;

	$interval //= 600000;
	return "SELECT msg_id FROM pgmq.read_with_poll('$queue', 600, 1, $long, $interval);";
}

sub fresh
{
	sql("SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues() ORDER BY queue_name");
	sql("SELECT pgmq.create('q')");
	# the first look makes the map
	sql("SELECT pgmq.read('q', 1, 1)");
}

# The ticks of CPU a process has used; undef where that cannot be known
sub ticks
{
	open(my $file, '<', "/proc/$_[0]/stat") or return undef;
	my @fields = split ' ', (<$file> =~ s/^.*\)//r);
	return $fields[11] + $fields[12];
}

# The part of the time, in percent, that a session computes
sub busy
{
	my ($s) = @_;
	my ($before, $since) = (ticks($s->{pid}), time);

	return undef unless defined $before;
	sleep 2;
	return (ticks($s->{pid}) - $before) / (time - $since);
}

sub is_idle
{
	my ($s, $name) = @_;

  SKIP:
	{
		my $busy = busy($s);
		skip 'no /proc here', 1 unless defined $busy;
		# one that goes round and round has a whole CPU, or what others leave of it
		cmp_ok($busy, '<', 12, $name);
	}
}

sql('CREATE EXTENSION pgmq_c');
my @s = map { session($node) } 1 .. 4;

#
# The client
#
my $wait_event = sql('SHOW server_version_num') >= 170000 ? 'Pgmq' : 'Extension';

fresh();
wait_in($s[0], poll('q'));
wait_in($s[1], "CALL pgmq.wait('q', $long);");
is(sql("SELECT string_agg(wait_event, ' ' ORDER BY wait_event) FROM pg_stat_activity WHERE pid IN ($s[0]{pid}, $s[1]{pid})"),
	$wait_event eq 'Pgmq' ? 'PgmqRead PgmqWait' : 'Extension Extension', 'a wait has a name where the server has names');
ok($node->poll_query_until('postgres',
		"SELECT state = 'idle' OR xact_start IS NULL FROM pg_stat_activity WHERE pid = $s[1]{pid}"), 'pgmq.wait ..');
is(sql("SELECT state FROM pg_stat_activity WHERE pid = $s[1]{pid}"), 'active', '.. shows no transaction');
stop_waiting(@s[0 .. 1]);
is(sql("SELECT xact_start IS NULL FROM pg_stat_activity WHERE pid = $s[1]{pid}"), 't', '.. nor is there one after it');
SKIP:
{
	skip 'a transaction has no time limit before 17', 1 if $wait_event ne 'Pgmq';
	is(ask($s[1], "SET transaction_timeout = '1s'; CALL pgmq.wait('q', 3); RESET transaction_timeout; SELECT 'here';"),
		'here', 'transaction_timeout does not end pgmq.wait');
}

foreach my $wait (poll('q'), "SELECT msg_id FROM pgmq.read_grouped_with_poll('q', 600, 1, $long, 600000);",
	"SELECT msg_id FROM pgmq.read_any_with_poll('{q}', 600, 1, $long, 600000);", "CALL pgmq.wait('q', $long);")
{
	fresh();
	my @dead = map { session($node) } 1 .. 3;
	wait_in($_, $wait) foreach @dead;
	is(sql('SELECT waiting FROM pgmq.engine_status()'), 3, "three wait: $wait");
	# two that are killed while they sleep, and one that only finds out later
	kill 'STOP', $dead[2]{pid};
	my $since = time;
	$_->{psql}->signal('KILL') foreach @dead;
	$node->poll_query_until('postgres', 'SELECT waiting = 1 FROM pgmq.engine_status()') or die;
	cmp_ok(time - $since, '<', $soon, '.. whose clients are killed, and wait no more');
	sql("SELECT pgmq.send('q', '1')");
	kill 'CONT', $dead[2]{pid};
	ok($node->poll_query_until('postgres', 'SELECT waiting = 0 FROM pgmq.engine_status()'), '.. also the one that was held up');
	is(sql("SELECT msg_id, read_ct FROM pgmq.read('q', 600, 10)"), '1|1', '.. so that others get the message');
	eval { $_->{psql}->finish } foreach @dead;
}

# One that dies while it looks, and takes
fresh();
sql(q{CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF current_setting('application_name') = 'slow' THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN NULL; END $$;
	CREATE TRIGGER gate AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT EXECUTE FUNCTION gate()});
ask($s[3], 'SELECT pg_advisory_lock(1);');
{
	my $dead = session($node);
	ask($dead, "SET application_name = 'slow';");
	wait_in($dead, poll('q'));
	sql("SELECT pgmq.send('q', '1')");
	until_is($dead, "wait_event = 'advisory'");
	$dead->{psql}->signal('KILL');
	eval { $dead->{psql}->finish };
	ask($s[3], 'SELECT pg_advisory_unlock(1);');
	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $dead->{pid})") or die;
	is(sql("SELECT msg_id, read_ct FROM pgmq.read('q', 600, 10)"), '1|1', 'a message that a client takes that has gone meanwhile is given back');
}

#
# The first in the list is blocked where it looks
#
fresh();
sql(q{CREATE TRIGGER gate AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT EXECUTE FUNCTION gate()});
ask($s[3], 'SELECT pg_advisory_lock(1);');
ask($s[0], "SET application_name = 'slow';");
wait_in($s[0], poll('q'));
wait_in($s[$_], poll('q')) for 1 .. 2;
sql("SELECT pgmq.send('q', '1', 4)");
sql("SELECT pgmq.send('q', '2')");
until_is($s[0], "wait_event = 'advisory'");
sql("SELECT pgmq.send('q', '3')");
$s[1]{psql}->pump until $s[1]{out} =~ /said\n$/ || $s[2]{out} =~ /said\n$/ || !IPC::Run::pumpable($s[2]{psql}) || ($s[2]{psql}->pump_nb, 0);
my ($first, $second) = $s[1]{out} =~ /said/ ? @s[1, 2] : @s[2, 1];
is(result($first), 3, 'a message that is sent beside a blocked waiter is read');
is(result($second), 1, '.. and so is one whose delay ends');
cmp_ok($second->{took}, '<', $soon, '.. then');
ask($s[3], 'SELECT pg_advisory_unlock(1);');
is(result($s[0]), 2, '.. and the blocked one gets its own');
ask($s[0], 'RESET application_name;');

#
# No reader goes round without sleeping
#
fresh();
wait_in($s[0], "CALL pgmq.wait('q', $long);");
sql("SELECT pgmq.pause('q', 'infinity')");
sql('ALTER TABLE pgmq.q_q DISABLE TRIGGER ALL');
sql('ALTER TABLE pgmq.q_q ENABLE TRIGGER ALL');
sql("SELECT pgmq.resume('q')");
is_idle($s[0], 'a wait for a queue whose trigger does not announce any more sleeps');
sql("SELECT pgmq.send('q', '1')");
result($s[0]);
cmp_ok($s[0]{took}, '<', $soon, '.. and looks again');

fresh();
wait_in($s[0], "CALL pgmq.wait('q', $long);");
sql('ALTER TABLE pgmq.q_q DISABLE TRIGGER pgmq_announce');
sql("SELECT pgmq.send('q', '1')");
result($s[0]);
cmp_ok($s[0]{took}, '<', $soon, 'a wait notices that its queue announces no longer');

# .. also when it writes into one of its queues, whose map it does not use then
fresh();
sql(q{SELECT pgmq.create('other');
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF pg_current_xact_id_if_assigned() IS NOT NULL OR current_setting('application_name') = 'notes'
		THEN PERFORM pgmq.send('other', '0', 3600); END IF; RETURN NULL; END $$;
	CREATE TRIGGER note AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT EXECUTE FUNCTION note();
	SELECT pgmq.read('other', 1, 1)});
ask($s[0], "SET application_name = 'notes';");
ask($s[1], "BEGIN; SELECT pgmq.send('q', '1'); SELECT pgmq.send('other', '1');");
wait_in($s[0], "SELECT msg_id FROM pgmq.read_any_with_poll('{q,other}', 600, 1, $long, 600000);");
ask($s[2], "BEGIN; SELECT pgmq.pause('other', 'infinity'); COMMIT;");
sql("SELECT pgmq.send('q', '2'); ");
is(result($s[0]), 2, 'one that writes into a queue it waits for gets what is in the other');
ask($s[1], 'ROLLBACK;');
ask($s[0], 'RESET application_name;');

#
# A rollback inside of a wait does not end the wait
#
fresh();
sql(q{SELECT pgmq.set_policy('q', '{"max_reads": 1, "dead_letter_queue": "dead", "create_dead_letter_queue": true}');
	ALTER TABLE pgmq.q_dead ADD CHECK (message <> '"refused"');
	SELECT pgmq.send('q', '"refused"'), pgmq.read('q', 0, 1)});
wait_in($s[0], poll('q'));
is(sql("SELECT waiting FROM pgmq.engine_status() WHERE queue_name = 'q'"), 1, 'one whose dead letter was refused is still in the list');
sql("SELECT pgmq.send('q', '2')");
is(result($s[0]), 2, '.. and gets the next message');
cmp_ok($s[0]{took}, '<', $soon, '.. soon');
like($s[0]{err}, qr/WARNING.*cannot move dead letters of queue "q"/, '.. and was told');

# A wait inside of a wait, in a subtransaction that fails
fresh();
sql(q{SELECT pgmq.create('other'), pgmq.read('other', 1, 1);
	CREATE SEQUENCE nestings;
	CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF nextval('nestings') > 1 THEN RETURN NULL; END IF;
		PERFORM * FROM pgmq.read_with_poll('other', 1, 1, 1, 600000);
		PERFORM * FROM pgmq.read_with_poll('q', 1, 1, 0, 600000, '"none"');
		RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN RETURN NULL; END $$;
	CREATE TRIGGER nested AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT
	WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION nested();
	SELECT pgmq.send('q', '1')});
begin($s[0], "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000, '\"wanted\"');");
$node->poll_query_until('postgres', "SELECT waiting = 1 FROM pgmq.engine_status() WHERE queue_name = 'other'") or die;
is(sql("SELECT waiting FROM pgmq.engine_status() WHERE queue_name = 'q'"), 1, 'a wait goes on while there is one inside of it');
$node->poll_query_until('postgres', "SELECT waiting = 0 FROM pgmq.engine_status() WHERE queue_name = 'other'") or die;
is(sql("SELECT waiting FROM pgmq.engine_status() WHERE queue_name = 'q'"), 1, '.. and after it');
sql("SELECT pgmq.send('q', '\"wanted\"')");
is(result($s[0]), 2, '.. and gets what it waits for');
cmp_ok($s[0]{took}, '<', $soon, '.. soon');
is(sql('SELECT sum(waiting) FROM pgmq.engine_status()'), 0, '.. and leaves no place');

#
# Another queue under the name
#
foreach my $end ('COMMIT', "PREPARE TRANSACTION 'p'")
{
	fresh();
	sql("SELECT pgmq.create('new'), pgmq.read('new', 1, 1)");
	wait_in($s[0], "CALL pgmq.wait('q', $long);");
	sql(qq{BEGIN; ALTER TABLE pgmq.q_q RENAME TO q_old; ALTER TABLE pgmq.q_new RENAME TO q_q; $end});
	sql("COMMIT PREPARED 'p'") if $end ne 'COMMIT';
	sql("INSERT INTO pgmq.q_q (vt, message) VALUES (now(), '1')");
	result($s[0]);
	is($s[0]{err}, '', "a wait finds the table that has its queue's name now ($end)");
	cmp_ok($s[0]{took}, '<', $soon, '.. soon');
	sql('DROP TABLE pgmq.q_old');
}

# .. or no table has it any more
fresh();
wait_in($s[0], "\\set VERBOSITY sqlstate\nCALL pgmq.wait('q', $long);");
sql('ALTER SCHEMA pgmq RENAME TO elsewhere');
result($s[0]);
like($s[0]{err}, qr/ERROR:  (42P01|3F000)/, 'a wait ends when its schema is renamed');
cmp_ok($s[0]{took}, '<', $soon, '.. soon');
sql('ALTER SCHEMA elsewhere RENAME TO pgmq');
ask($s[0], '\\set VERBOSITY default');

# .. also when it looks just then, and sleeps over it
fresh();
sql("SELECT pgmq.create('new'), pgmq.read('new', 1, 1)");
wait_in($s[0], "CALL pgmq.wait('q', $long);");
kill 'STOP', $s[0]{pid};
sql('BEGIN; ALTER TABLE pgmq.q_q RENAME TO q_old; ALTER TABLE pgmq.q_new RENAME TO q_q; COMMIT');
kill 'CONT', $s[0]{pid};
$node->poll_query_until('postgres', q{SELECT waiting = 1 FROM pgmq.engine_status() WHERE queue_name = 'q'}) or die;
sql("SELECT pgmq.send('q', '1')");
result($s[0]);
cmp_ok($s[0]{took}, '<', $soon, '.. nor stays in the list of the old one');
sql('DROP TABLE pgmq.q_old');

#
# Many queues are resumed at once
#
{
	my $n = 24;
	my @many = map { session($node) } 1 .. $n;

	fresh();
	sql("SELECT pgmq.create('m' || i), pgmq.send('m' || i, '1'), pgmq.pause('m' || i, 'infinity') FROM generate_series(1, $n) i");
	wait_in($many[$_ - 1], poll("m$_")) for 1 .. $n;
	sql("SELECT pgmq.resume('m' || i) FROM generate_series(1, $n) i");
	my @got = map { result($_) } @many;
	is("@got", join(' ', (1) x $n), 'all who wait for any of many queues that are resumed at once wake');
	my ($worst) = sort { $b <=> $a } map { $_->{took} } @many;
	cmp_ok($worst, '<', $soon, '.. soon');
	done(@many);
}

#
# Spent messages
#
my $spend = q{INSERT INTO pgmq.q_q (vt, read_ct, message)
	SELECT now(), 1, '"spent"' FROM generate_series(1, %d)};
my $policy = q{SELECT pgmq.set_policy('q', '{"max_reads": 1, "dead_letter_queue": "dead", "create_dead_letter_queue": true}')};

foreach my $wait (poll('q'), "SELECT msg_id FROM pgmq.read_grouped_with_poll('q', 600, 1, $long, 600000);",
	"SELECT msg_id FROM pgmq.read_any_with_poll('{q,dead}', 600, 1, $long, 600000);")
{
	fresh();
	sql($policy);
	sql("SELECT pgmq.pause('dead', 'infinity')");
	wait_in($s[0], $wait);
	sql(sprintf($spend, 5));
	is(result($s[0]), '', "nobody waits on with dead letters in hand: $wait");
	cmp_ok($s[0]{took}, '<', $soon, '.. but returns');
	is(sql('SELECT count(*) FROM pgmq.q_dead'), 5, '.. when it has moved them');
}

fresh();
sql($policy);
sql(sprintf($spend, 5000));
wait_in($s[0], "CALL pgmq.wait('q', $long);");
ok($node->poll_query_until('postgres', 'SELECT count(*) = 5000 FROM pgmq.q_dead'), 'pgmq.wait disposes of spent messages');
is_idle($s[0], '.. and sleeps');
sql("SELECT pgmq.send('q', '1')");
result($s[0]);
cmp_ok($s[0]{took}, '<', $soon, '.. until there is something to read');

# .. also by a role that may not, or cannot, dispose of them
fresh();
sql($policy);
sql(sprintf($spend, 100_000));
sql(q{CREATE ROLE looks LOGIN; GRANT USAGE ON SCHEMA pgmq TO looks; GRANT SELECT ON pgmq.q_q TO looks;
	ANALYZE pgmq.q_q});
ask($s[0], 'SET ROLE looks;');
wait_in($s[0], "CALL pgmq.wait('q', $long);");
is_idle($s[0], 'one that may only look at spent messages does not look all the time');
is(sql('SELECT count(*) FROM pgmq.q_q'), 100_000, '.. nor disposes of them');
sql("SELECT pgmq.send('q', '1')");
result($s[0]);
cmp_ok($s[0]{took}, '<', $soon, '.. and sees what is sent');
is($s[0]{err}, '', '.. without a word of them');
ask($s[0], 'RESET ROLE;');

sql("DELETE FROM pgmq.q_q WHERE read_ct = 0; ALTER TABLE pgmq.q_dead ADD CHECK (message <> '\"spent\"')");
wait_in($s[0], "CALL pgmq.wait('q', $long);");
is_idle($s[0], 'nor does one whose dead letters are refused');
stop_waiting($s[0]);

is(sql('SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()'), 0, 'the net found nothing');
done(@s);
$node->stop;
done_testing();
