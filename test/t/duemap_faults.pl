
# Faults around the due map: a clock that steps, processes that are shot,
# errors at the last moment, cancels while committing, a database that is
# dropped under its users; and the full check, of a map that was deceived.
use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use lib dirname(__FILE__);
use PgmqClock;
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
autovacuum = off
synchronous_commit = local
synchronous_standby_names = nobody
wal_level = replica
max_wal_senders = 1
lock_timeout = '20s'
restart_after_crash = on
max_prepared_transactions = 2
});
$node->append_conf('postgresql.conf', 'max_notify_queue_pages = 64') if $node->pg_version >= 17;
start_with_clock($node);
my $db = 'postgres';

sub sql { return $node->safe_psql($db, $_[0]) }
sub got { return sql("SELECT got('$_[0]')") }
sub exhaust { got($_[0]); return got($_[0]) }

sub set_up
{
	sql(q{
		CREATE EXTENSION pgmq_c;
		CREATE FUNCTION got(queue text) RETURNS text LANGUAGE sql AS
		$$ SELECT coalesce(string_agg(msg_id::text, ' ' ORDER BY msg_id), 'nothing')
		   FROM pgmq.read(queue, 600, 1000000) $$;
		SELECT pgmq.create('due');
	});
}

# Shoot a session, and see the server through what follows.
sub shoot
{
	my ($s, $pid) = @_;

	kill 'KILL', $pid;
	eval { $s->{in} .= "\\q\n"; $s->{psql}->finish };
	$node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
}

sub wait_until_waiting
{
	$node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $_[0]") or die;
}

set_up();

# ---- clocks

SKIP:
{
	skip 'no compiler, or no 64-bit integers, for a clock that steps', 16 unless can_step();

	sql(q{SELECT pgmq.send('due', '1')});
	is(exhaust('due'), 'nothing', 'a message is in flight');
	set_clock(1000);
	is(got('due'), '1', 'a step forward of the clock ends its lease');
	is(got('due'), 'nothing', '.. once');
	set_clock(-10000);
	is(exhaust('due'), 'nothing', 'a step back gives it longer');
	sql(q{SELECT pgmq.send('due', '2'), pgmq.send('due', '3', 60)});
	is(got('due'), '2', '.. and what is sent then can be read then');
	is(exhaust('due'), 'nothing', '.. unless delayed');

	my $s = session($node, $db);
	my $pid = ask($s, 'SELECT pg_backend_pid();');
	my $began = time;
	begin($s, q{SELECT count(*) FROM pgmq.read_with_poll('due', 1, 1, 2);});
	wait_until_waiting($pid);
	set_clock(-20000);
	# the server's own timeouts would not end it
	while ($s->{out} !~ /said/ && time - $began < $PostgreSQL::Test::Utils::timeout_default / 2)
	{
		$s->{psql}->pump_nb;
		usleep(10_000);
	}
	like($s->{out}, qr/^0\nsaid/, 'a wait ends in time when the clock steps back');
	set_clock(10000), result($s) if $s->{out} !~ /said/;
	set_clock(-9900);
	is(got('due'), '3', 'a step forward ends a delay');
	$s->{in} .= "\\q\n";
	$s->{psql}->finish;
	set_clock(0);
	sql('TRUNCATE pgmq.q_due');

	# a session that gets the processor now and then only
	is(exhaust('due'), 'nothing', 'a queue is empty');
	set_clock(0, 3000);
	my (undef, $count) = $node->psql($db, q{SET statement_timeout = '60s';
		SELECT count(*) FROM pgmq.read_with_poll('due', 1, 1, 1)});
	is($count, 0, '.. and a wait ends, though time passes while it finds out how long to sleep');
	set_clock(0);

	# Queues use up the memory, and are dropped: another queue gets their
	# memory
	my $scattered = q{INSERT INTO pgmq.q_%s (msg_id, vt, message) OVERRIDING SYSTEM VALUE
		SELECT i * 4096, now() + interval '1 day', '{}' FROM generate_series(1, 4000) i};
	my $bytes = q{SELECT bytes FROM pgmq.engine_status() WHERE queue_name = 'roomy'};
	for my $queue (map { "full$_" } 1 .. 4)
	{
		sql("SELECT pgmq.create('$queue')");
		sql(sprintf($scattered, $queue));
		is(exhaust($queue), 'nothing', "queue \"$queue\" takes its part of the memory");
	}
	sql(q{SELECT pgmq.create('roomy')});
	sql(sprintf($scattered, 'roomy'));
	exhaust('roomy');
	cmp_ok(sql($bytes), '<', 1_000_000, 'which leaves little to another');
	sql("SELECT pgmq.drop_queue('full$_')") for 1 .. 4;
	for my $minute (1 .. 3)
	{
		set_clock(61 * $minute);
		sql(q{TRUNCATE pgmq.q_roomy});
		sql(sprintf($scattered, 'roomy'));
		exhaust('roomy');
	}
	cmp_ok(sql($bytes), '>', 3_000_000, 'until they are dropped');
	sql(q{SELECT pgmq.drop_queue('roomy')});
	set_clock(0);
}

# ---- the net

SKIP:
{
	skip 'no clock that steps, or no pg_surgery, which undoes a DELETE', 10
	  unless can_step() && sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_surgery'});

	sql(q{CREATE EXTENSION pg_surgery;
		SELECT pgmq.create(q) FROM unnest(ARRAY['deceived', 'grouped', 'waited']) q;
		SELECT pgmq.send(q, '1') FROM unnest(ARRAY['deceived', 'grouped', 'waited']) q});
	my $old = session($node, $db);
	ask($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pgmq.q_deceived;');
	for my $queue ('deceived', 'grouped', 'waited')
	{
		my $ctid = sql("SELECT ctid FROM pgmq.q_$queue");
		sql("SELECT pgmq.delete('$queue', 1)");
		is(exhaust($queue), 'nothing', "queue \"$queue\" is empty");
		sql("SELECT heap_force_freeze('pgmq.q_$queue', ARRAY['$ctid'::tid])");
		is(sql("SELECT count(*) FROM pgmq.q_$queue WHERE vt <= now()"), 1, '.. but not any more');
	}
	sql(q{INSERT INTO pgmq.q_deceived (msg_id, message) OVERRIDING SYSTEM VALUE VALUES (1000, '2')});
	# there is a full check every 10 seconds
	set_clock(11);
	is(got('deceived'), '1 1000', 'a full check finds it');
	is(sql(q{SELECT count(*) FROM pgmq.read_grouped('grouped', 600, 10)}), 1, '.. also for a grouped read');
	sql(q{CALL pgmq.wait('waited', 0)});
	my $log = slurp_file($node->logfile);
	like($log, qr/LOG:  due map of queue "deceived" had hidden message 1\n.*DETAIL:  The map had hidden 1 of 2 checked messages/, '.. and it is logged');
	is(sql(q{SELECT string_agg(queue_name || ' ' || net_finds, ' ' ORDER BY 1) FROM pgmq.engine_status() WHERE net_finds > 0}),
		'deceived 1 grouped 1 waited 1', '.. and counted, for a wait too');
	$old->{in} .= "\\q\n";
	$old->{psql}->finish;
	set_clock(0);
}

# ---- errors at the last moment

sql(q{
	SELECT pgmq.create('late'), pgmq.create('slow');
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too late'; END $$;
	CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON pgmq.q_late DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION fail();
	SELECT pgmq.send('due', '1') FROM generate_series(1, 3);
});
my $messages = sql('SELECT string_agg(msg_id::text, $$ $$ ORDER BY msg_id) FROM pgmq.q_due');
my $s = session($node, $db);
is(ask($s, q{BEGIN; SELECT got('due'), got('due'); SELECT pgmq.send('late', '1') IS NULL; COMMIT;}),
	"$messages|nothing\nf", 'a commit that fails');
like($s->{err}, qr/too late/, '.. at its last moment');
is(got('late'), 'nothing', '.. sends nothing');
is(got('due'), $messages, '.. and gives back what it had read');
is(got('due'), 'nothing', '.. once');

sql(q{CREATE TABLE skew (v int); SELECT count(*) FROM pgmq.set_vt('due', ARRAY(SELECT msg_id FROM pgmq.q_due), 0)});
exhaust('late');
my $other = session($node, $db);
ask($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM skew;') for $s, $other;
ask($s, q{INSERT INTO skew VALUES (1); SELECT got('due'); SELECT pgmq.send('due', '4') IS NULL;});
ask($other, 'INSERT INTO skew VALUES (1); COMMIT;');
ask($s, 'COMMIT;');
like($s->{err}, qr/could not serialize access/, 'a serialization failure at commit');
is(got('due'), $messages, '.. gives back what was read too');
$_->{in} .= "\\q\n", $_->{psql}->finish for $s, $other;

# PREPARE TRANSACTION fails when the map has been told of it
sql(q{BEGIN; CREATE TABLE prepared (); PREPARE TRANSACTION 'one'});
my ($ret, $out, $err) = $node->psql($db, q{BEGIN; SELECT pgmq.send('due', '5'); PREPARE TRANSACTION 'one'});
like($err, qr/transaction identifier "one" is already in use/, 'a PREPARE TRANSACTION that fails');
sql(q{ROLLBACK PREPARED 'one'});
is(exhaust('due'), 'nothing', '.. sends nothing');
is(sql(q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'due'}), 'on', '.. and the map is used');

# NOTIFY has no room left
SKIP:
{
	skip 'the queue of notifications cannot be made small', 4 if $node->pg_version < 17;

	my $listener = session($node, $db);
	ask($listener, q{LISTEN something; BEGIN; SELECT 1;});
	sql(q{SELECT pgmq.create('loud'), pgmq.enable_notify_insert('loud', 0)});
	exhaust('loud');
	$node->psql($db, q{SELECT pg_notify('something', repeat('x', 7900) || n) FROM generate_series(1, 20) n})
	  for 1 .. 10;
	($ret, $out, $err) = $node->psql($db, q{SELECT pgmq.send('loud', '1') FROM got('due'), pgmq.set_vt('due', (SELECT min(msg_id) FROM pgmq.q_due), 0)});
	like($err, qr/too many notifications in the NOTIFY queue/, 'a commit that has no room for its notification');
	is(exhaust('loud'), 'nothing', '.. sends nothing');
	is(exhaust('due'), 'nothing', '.. and makes nothing readable');
	$listener->{in} .= "ROLLBACK;\n\\q\n";
	$listener->{psql}->finish;
	# which makes room
	sql('SELECT pg_notification_queue_usage()');
	sql(q{SELECT pgmq.send('loud', '2')});
	is(got('loud'), sql('SELECT max(msg_id) FROM pgmq.q_loud'), '.. which can be done later');
}

# A commit that takes its time: over for its session, not for others
$s = session($node, $db);
my $pid = ask($s, 'SELECT pg_backend_pid();');
begin($s, q{SET synchronous_commit = on; SELECT pgmq.send('slow', '1') IS NULL;});
$node->poll_query_until('postgres', "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid") or die;
is(exhaust('slow'), 'nothing', 'before a commit is there for all');
sql("SELECT pg_cancel_backend($pid)");
is(result($s), 'f', '.. it ends');
is(got('slow'), 1, '.. and is announced after that');
$s->{in} .= "\\q\n";
$s->{psql}->finish;

# Cancels at any moment of many commits
sql(q{SELECT pgmq.create('cancelled')});
my @victims;
for my $n (1 .. 3)
{
	my $v = { in => "SET application_name = 'victim';\n" . join('', map {
		"BEGIN; SELECT pgmq.send('cancelled', '$_'); SELECT count(*) FROM pgmq.read('cancelled', 0, 3); COMMIT;\n" } 1 .. 200) . "\\q\n",
		out => '', err => '' };
	$v->{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($db), '-f', '-' ],
		'<', \$v->{in}, '>', \$v->{out}, '2>', \$v->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$v->{psql}->pump_nb;
	push @victims, $v;
}
$s = session($node, $db);
while (grep { $_->{psql}->pumpable } @victims)
{
	ask($s, q{SELECT pg_cancel_backend(pid), pg_sleep(random() / 1000)
		FROM pg_stat_activity WHERE application_name = 'victim';});
	$_->{psql}->pumpable && $_->{psql}->pump_nb for @victims;
}
$_->{psql}->finish for @victims;
$s->{in} .= "\\q\n";
$s->{psql}->finish;
like(join('', map { $_->{err} } @victims), qr/canceling statement/, 'commits are cancelled');
is(got('cancelled'), sql('SELECT string_agg(msg_id::text, $$ $$ ORDER BY msg_id) FROM pgmq.q_cancelled'),
	'.. and none of what was sent is hidden');

# ---- processes that are shot

sql('TRUNCATE pgmq.q_due');
my $id = sql(q{SELECT pgmq.send('due', '1')});
exhaust('due');
$s = session($node, $db);
$pid = ask($s, 'SELECT pg_backend_pid();');
ask($s, qq{BEGIN; SELECT pgmq.send('due', '2'), pgmq.set_vt('due', $id, 0);});
shoot($s, $pid);
is(sql(q{SELECT due_map, next_due FROM pgmq.engine_status() WHERE queue_name = 'due'}), 'none|',
	'after a writer was shot nothing is known');
is(got('due'), 'nothing', '.. and it has written nothing');

$s = session($node, $db);
$pid = ask($s, 'SELECT pg_backend_pid();');
my $w = session($node, $db);
begin($w, q{CALL pgmq.wait('due', 60);});
begin($s, q{CALL pgmq.wait('due', 60);});
wait_until_waiting($pid);
shoot($s, $pid);
eval { $w->{in} .= "\\q\n"; $w->{psql}->finish };
is(sql(q{SELECT waiting FROM pgmq.engine_status() WHERE queue_name = 'due'}), 0, 'after a waiting session was shot no session waits');
$s = session($node, $db);
$pid = ask($s, 'SELECT pg_backend_pid();');
begin($s, q{SELECT message FROM pgmq.read_with_poll('due', 600, 1, 60, 60000);});
wait_until_waiting($pid);
sql(q{SELECT pgmq.send('due', '"woken"')});
is(result($s), '"woken"', '.. and the next one that waits is woken');
$s->{in} .= "\\q\n";
$s->{psql}->finish;

# ---- a database dropped under those who use it

sql('CREATE DATABASE gone');
$db = 'gone';
set_up();
exhaust('due');
$s = session($node, $db);
$pid = ask($s, 'SELECT pg_backend_pid();');
begin($s, q{CALL pgmq.wait('due', 60);});
wait_until_waiting($pid);
$w = session($node, $db);
ask($w, q{BEGIN; SELECT pgmq.send('due', '1'), pgmq.send('due', '2');});
$db = 'postgres';
sql('DROP DATABASE gone WITH (FORCE)');
eval { $_->{in} .= "\\q\n"; $_->{psql}->finish } for $s, $w;
sql('CREATE DATABASE gone');
$db = 'gone';
set_up();
is(got('due'), 'nothing', 'a database that was dropped and made again');
is(sql(q{SELECT waiting FROM pgmq.engine_status()}), 0, '.. with nobody waiting');
sql(q{SELECT pgmq.send('due', '1')});
is(got('due'), '1', '.. has its own messages');
$db = 'postgres';

# ---- the server's log

unlike(slurp_file($node->logfile), qr/PANIC|TRAP:|terminated by signal (?!9\b)/, 'nothing has upset the server');
$node->stop;

done_testing();
