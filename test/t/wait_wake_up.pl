
# Waiting where one session, or a server that stays up, does not reach: what
# becomes of a wake-up whose waiter goes away, of waiters whose queue does, and
# of timers.  Intervals are so long that nothing is found by looking again.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# Longer than any test may take, and than a busy machine needs
my $long = 60;
my $soon = 10;

my $node;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $poll = "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000);";
my $grouped = "SELECT msg_id FROM pgmq.read_grouped_with_poll('q', 600, 1, $long, 600000);";

sub fresh
{
	sql("SELECT pgmq.drop_queue('q')") if sql("SELECT to_regclass('pgmq.q_q') IS NOT NULL") eq 't';
	sql("SELECT pgmq.create('q')");
}

# A process's state letter, and the ticks of CPU it has used; () where that
# cannot be known
sub proc_stat
{
	open(my $file, '<', "/proc/$_[0]/stat") or return;
	my @fields = split ' ', (<$file> =~ s/^.*\)//r);
	return ($fields[0], $fields[11] + $fields[12]);
}

# Have a waiter get a wake-up when it is about to be ended
sub end_woken
{
	my ($s, $how) = @_;

	kill 'STOP', $s->{pid};
	for (1 .. 1000)
	{
		my ($state) = proc_stat($s->{pid});
		last if !defined $state || $state eq 'T';
		usleep(1000);
	}
	sql("SELECT pgmq.send('q', '{}')");
	sql("SELECT $how($s->{pid})");
	kill 'CONT', $s->{pid};
}

foreach my $preload ('pgmq_c', '')
{
	my $mode = $preload ? 'preload' : 'plain';

	$node = PostgreSQL::Test::Cluster->new($mode);
	$node->init(extra => ['--no-sync']);
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = '$preload'
restart_after_crash = on
lock_timeout = '${soon}s'
});
	$node->start;
	sql('CREATE EXTENSION pgmq_c');
	fresh();
	# the first look makes the map
	sql("SELECT pgmq.read('q', 1, 1)");
	my $told = sql("SELECT due_map FROM pgmq.engine_status()") eq 'on';
	my @s = map { session($node) } 1 .. 4;

	# The queue goes away
	wait_in($s[0], "\\set VERBOSITY sqlstate\nCALL pgmq.wait('q', $long);");
	sql("SELECT pgmq.drop_queue('q')");
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, "$mode: pgmq.wait ends when its queue is dropped");
	like($s[0]{err}, qr/^(psql:\S* ERROR:  42P01\s*)?$/, '.. with nothing, or an error that says so');
	ask($s[0], "\\set VERBOSITY default");

	# .. while the waiter looks, and sleeps over it, which uses up the signal
	fresh();
	sql(q{CREATE OR REPLACE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
		CREATE TRIGGER doze AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT EXECUTE FUNCTION doze()});
	# a filter has it look at the message, which it does not get
	sql("SELECT pgmq.send('q', '{}')");
	begin($s[0], $poll =~ s/600000/600000, '{"no": "such"}'/r);
	$node->poll_query_until('postgres',
		"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $s[0]{pid}") or die;
	SKIP:
	{
		skip 'nobody is told without shared memory', 1 unless $told;
		sql("SELECT pgmq.drop_queue('q')");
		is(result($s[0]), '', "$mode: a waiter that is busy is sent away as well");
	}
	if (!$told)
	{
		sql("SELECT pg_cancel_backend($s[0]{pid})");
		result($s[0]);
	}

	# Many readers that look again, because a due message is locked, do not
	# make each other look all the time
	SKIP:
	{
		skip 'nobody is told without shared memory', 1 unless $told;
		my $many = 16;
		my @many = map { session($node) } 1 .. $many;

		fresh();
		sql(q{CREATE UNLOGGED SEQUENCE looks;
			CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN PERFORM nextval('looks'); RETURN NULL; END $$;
			CREATE TRIGGER look AFTER UPDATE ON pgmq.q_q FOR EACH STATEMENT EXECUTE FUNCTION look();
			SELECT pgmq.send('q', '{}')});
		ask($s[0], 'BEGIN; SELECT msg_id FROM pgmq.q_q FOR UPDATE;');
		wait_in($_, "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 100);") foreach @many;
		my $looks = sql('SELECT -last_value FROM looks')
		  + sql('SELECT pg_sleep(2); SELECT last_value FROM looks') =~ s/^\s+//r;
		# each once at its interval and once by the first one's token,
		# every 100 ms
		cmp_ok($looks, '<=', 2 * 20 * $many + $many, "$mode: $many waiters before a locked message");
		sql("SELECT pg_cancel_backend($_->{pid})") foreach @many;
		result($_) foreach @many;

		# .. nor does every commit, when none of them is to have the message
		wait_in($_, "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000, '1');") foreach @many;
		my $looked = 'SELECT last_value, extract(epoch FROM clock_timestamp()) FROM looks';
		my @before = split /\|/, sql($looked);
		sql("SELECT pgmq.send('q', '{}');\n" x 300);
		usleep(500_000);
		my @after = split /\|/, sql($looked);
		# .. beside one for each: again once at its interval and once by another's
		# token
		cmp_ok($after[0] - $before[0], '<=', 300 + 20 * ($after[1] - $before[1]) * $many + $many,
			'.. and when messages are sent');
		sql("SELECT pgmq.send('q', '1') FROM generate_series(1, $many)");
		is(join(' ', sort { $a <=> $b } map { result($_) } @many), join(' ', map { $_ + 301 } 1 .. $many),
			'.. but each gets what it wants');
		done(@many);
		ask($s[0], 'ROLLBACK;');
	}

	# A commit to a stream wakes the readers of its subscriptions, with a filter or without
	SKIP:
	{
		skip 'nobody is told without shared memory', 4 unless $told;
		sql(q{SELECT pgmq.create_stream('stream');
			SELECT pgmq.create_subscription('all', 'stream'),
				pgmq.create_subscription('some', 'stream', 'latest', '{"pattern": "a.#"}')});
		wait_in($s[0], $poll =~ s/'q'/'all'/r);
		wait_in($s[1], $poll =~ s/'q'/'some'/r);
		sql(q{SELECT pgmq.send('stream', '1', '{"x-pgmq-routing-key": "a.b"}'::jsonb)});
		foreach ([ $s[0], 'all' ], [ $s[1], 'one with a filter' ])
		{
			is(result($_->[0]), 1, "$mode: a reader of a subscription to $_->[1] gets the message");
			cmp_ok($_->[0]{took}, '<', $soon, '.. soon');
		}
		sql("SELECT pgmq.drop_queue(queue) FROM unnest('{all,some,stream}'::text[]) AS queue");
	}

	# No snapshot and no transaction is held, not even by readers that look
	# again
	fresh();
	wait_in($s[0], "CALL pgmq.wait('q', $long);");
	ok($node->poll_query_until('postgres', "SELECT backend_xmin IS NULL AND backend_xid IS NULL"
		. " AND NOT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.relation = 'pgmq.q_q'::regclass)"
		. " FROM pg_stat_activity AS a WHERE pid = $s[0]{pid} AND wait_event_type = 'Extension'"),
		"$mode: pgmq.wait holds no snapshot and no lock");
	sql("SELECT pgmq.send('q', '{}')");
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, '.. and ends when a message is sent');

	# A locked message cannot be read, so it does not end a wait
	ask($s[1], "BEGIN; SELECT msg_id FROM pgmq.q_q FOR UPDATE;");
	ask($s[0], "CALL pgmq.wait('q', 1);");
	cmp_ok($s[0]{took}, '>=', 1, "$mode: pgmq.wait passes over a message that is locked");
	sql("SELECT pgmq.send('q', '{}')");
	ask($s[0], "CALL pgmq.wait('q', $long);");
	cmp_ok($s[0]{took}, '<', $soon, '.. and sees the one behind it');
	is(sql("SELECT msg_id FROM pgmq.read('q', 600, 1)"), 2, '.. which can be read');
	wait_in($s[0], "CALL pgmq.wait('q', $long);");
	ask($s[1], 'ROLLBACK;');
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, '.. and the other when its lock goes');
	ask($s[0], "BEGIN; SELECT msg_id FROM pgmq.q_q WHERE msg_id = 1 FOR UPDATE; CALL pgmq.wait('q', $long); ROLLBACK;");
	cmp_ok($s[0]{took}, '<', $soon, '.. but not what it has locked itself');

	# A change that no hook sees, as those of a session without the library
	fresh();
	wait_in($s[0], "CALL pgmq.wait('q', $long);");
	sql("UPDATE pg_class SET relname = 'q_other' WHERE oid = 'pgmq.q_q'::regclass");
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, "$mode: a wait survives that nobody tells of its queue, not for long");
	sql("UPDATE pg_class SET relname = 'q_q' WHERE oid = 'pgmq.q_other'::regclass");

	# The extension goes away
	fresh();
	wait_in($s[0], "CALL pgmq.wait('q', " . ($told ? $long : 2) . ');');
	sql('DROP EXTENSION pgmq_c CASCADE; DROP SCHEMA IF EXISTS pgmq CASCADE');
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, "$mode: a wait survives its extension, not for long");
	sql('CREATE EXTENSION pgmq_c');
	fresh();
	is(ask($s[0], "SELECT pgmq.send('q', '{}'); $poll"), "1\n1", '.. and meets the next one');

	if (!$told)
	{
		done(@s);
		$node->stop;
		next;
	}

	# Drop and purge send waiters away
	fresh();
	wait_in($s[0], $poll);
	wait_in($s[1], $grouped);
	sql("SELECT pgmq.purge_queue('q')");
	is(result($s[$_]), '', 'purge sends a waiter away, with nothing') for 0 .. 1;
	wait_in($s[0], $poll);
	wait_in($s[1], "CALL pgmq.wait('q', $long);");
	wait_in($s[2], $poll);
	sql("SELECT pgmq.drop_queue('q')");
	result($s[$_]) for 0 .. 2;
	is("$s[0]{out}$s[0]{err}$s[2]{out}$s[2]{err}", '', '.. and so does drop');
	cmp_ok($s[1]{took}, '<', $soon, '.. soon');

	# Without our functions, too, once there is the lock
	fresh();
	wait_in($s[0], "\\set VERBOSITY sqlstate\nCALL pgmq.wait('q', $long);");
	ask($s[1], 'BEGIN; DROP TABLE pgmq.q_q, pgmq.a_q;');
	is($s[0]{out}, '', 'a DROP TABLE is not there before its commit');
	ask($s[1], 'COMMIT;');
	result($s[0]);
	cmp_ok($s[0]{took}, '<', $soon, 'pgmq.wait ends when the table is dropped');
	like($s[0]{err}, qr/^psql:\S* ERROR:  42P01\s*$/, '.. and says so');
	ask($s[0], "\\set VERBOSITY default");
	sql("SELECT pgmq.create('q')");
	wait_in($s[0], "CALL pgmq.wait('q', $long);");
	ask($s[1], 'BEGIN; DROP TABLE pgmq.q_q, pgmq.a_q; ROLLBACK;');
	sql("SELECT pgmq.send('q', '{}')");
	is(result($s[0]) . $s[0]{err}, '', '.. without an error when it was not');

	# A wake-up does not die with its waiter
	foreach my $end ([ 'cancelled', 'pg_cancel_backend', $poll ],
		[ 'cancelled in pgmq.wait', 'pg_cancel_backend', "CALL pgmq.wait('q', $long);" ],
		[ 'cancelled in a savepoint', 'pg_cancel_backend', "BEGIN; SAVEPOINT s;\n$poll" ],
		[ 'cancelled in a grouped read', 'pg_cancel_backend', $grouped ],
		[ 'terminated', 'pg_terminate_backend', $poll ])
	{
		my ($name, $how, $sql) = @$end;

		fresh();
		wait_in($s[0], $sql);
		wait_in($s[1], $poll);
		is(sql('SELECT waiting, next_due FROM pgmq.engine_status()'), '2|', 'two wait for nothing');
		end_woken($s[0], $how);
		is(result($s[1]), 1, "a waiter is woken when one is $name");
		cmp_ok($s[1]{took}, '<', $soon, '.. soon');
		if ($how eq 'pg_cancel_backend')
		{
			result($s[0]);
			like($s[0]{err}, qr/canceling statement/, '.. which it was');
			ask($s[0], 'ROLLBACK;') if $sql =~ /BEGIN/;
		}
	}
	done($s[0]);
	$s[0] = session($node);

	fresh();
	wait_in($s[0], "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000, '{\"a\": 1}');");
	wait_in($s[1], $poll);
	sql("SELECT pgmq.send('q', '{\"b\": 1}')");
	is(result($s[1]), 1, 'a waiter is woken when another does not want the message');
	cmp_ok($s[1]{took}, '<', $soon, '.. soon');
	sql("SELECT pgmq.send('q', '{\"a\": 1}')");
	is(result($s[0]), 2, '.. who gets what it wants');

	fresh();
	wait_in($s[$_], $poll) for 0 .. 3;
	is(sql("SELECT waiting FROM pgmq.engine_status()"), 4, 'four wait');
	sql("SELECT pgmq.send_batch('q', array_fill('{}'::jsonb, ARRAY[4]))");
	is(join(' ', sort map { result($_) } @s), '1 2 3 4', '.. and one commit of four messages wakes all');
	is(sql("SELECT waiting FROM pgmq.engine_status()"), 0, '.. so that nobody waits');

	# A queue that is paused, and no more
	fresh();
	sql("SELECT pgmq.send_batch('q', array_fill('{}'::jsonb, ARRAY[2])), pgmq.pause('q', 'infinity')");
	wait_in($s[$_], $poll) for 0 .. 1;
	sql("SELECT pgmq.resume('q')");
	is(join(' ', sort map { result($_) } @s[0 .. 1]), '1 2', 'resume wakes all');
	cmp_ok($s[1]{took}, '<', $soon, '.. soon');

	# Timers
	fresh();
	wait_in($s[0], $poll);
	wait_in($s[1], $poll);
	sql("SELECT pgmq.send('q', '{}', 3)");
	sql("SELECT pg_cancel_backend($s[0]{pid})");
	result($s[0]);
	is(result($s[1]), 1, 'a delayed message is read when the session with the watch is gone');
	cmp_ok($s[1]{took}, '<', $soon, '.. when it is due');
	is(sql("SELECT last_read_at - enqueued_at BETWEEN '3 s' AND '$soon s' FROM pgmq.q_q"), 't', '.. not before');

	fresh();
	sql("SELECT pgmq.send('q', '{}'), pgmq.read('q', 2, 1)");
	sql("SELECT pgmq.send('q', '{}', 1000)");
	sql("SELECT pgmq.read('q', 2, 1)");
	wait_in($s[0], $poll);
	is(result($s[0]), 1, 'a message is read again when its lease ends');
	cmp_ok($s[0]{took}, '<', $soon, '.. soon');
	wait_in($s[0], $poll);
	sql("SELECT pgmq.set_vt('q', 2, 1)");
	is(result($s[0]), 2, '.. and one that becomes due sooner');
	cmp_ok($s[0]{took}, '<', $soon, '.. then');

	# A group's next message is readable when its head is gone
	fresh();
	sql("SELECT pgmq.send('q', '{}', '{\"x-pgmq-group\": \"a\"}'::jsonb) FROM generate_series(1, 8)");
	my $head = 1;
	is(ask($s[0], $grouped), $head, 'the head of a group');
	foreach my $how ("pgmq.delete('q', %d)", "pgmq.archive('q', %d)",
		"pgmq.delete('q', ARRAY[%d])", "pgmq.archive('q', ARRAY[%d])",
		"pgmq.delete('q', %d, 1)", "pgmq.archive('q', ARRAY[%d], ARRAY[1])")
	{
		my $call = sprintf($how, $head);

		# behind another reader, which does not read groups
		wait_in($s[1], "SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $long, 600000, '{\"none\": 1}');");
		wait_in($s[0], $grouped);
		ask($s[2], "BEGIN; SELECT $call;");
		ask($s[2], 'COMMIT;');
		is(result($s[0]), ++$head, "the next one after $call");
		cmp_ok($s[0]{took}, '<', $soon, '.. soon');
		sql("SELECT pg_cancel_backend($s[1]{pid})");
		result($s[1]);
	}
	sql("SELECT pgmq.set_vt('q', $head, 0)");
	ask($s[2], "BEGIN; SELECT msg_id FROM pgmq.pop('q');");
	wait_in($s[0], $grouped);
	ask($s[2], 'COMMIT;');
	is(result($s[0]), ++$head, 'the next one after a pop');
	cmp_ok($s[0]{took}, '<', $soon, '.. soon');

	# A wait uses no CPU while nothing happens
	fresh();
	sql("SELECT pgmq.send('q', '{}', 1000)");
	foreach my $wait ($poll, $grouped, "CALL pgmq.wait('q', $long);")
	{
		wait_in($s[0], $wait);
	  SKIP:
		{
			my ($state, $before) = proc_stat($s[0]{pid});
			skip 'no /proc here', 1 unless defined $before;
			sleep 1;
			my ($after_state, $after) = proc_stat($s[0]{pid});
			cmp_ok($after - $before, '<=', 1, "no CPU while waiting: $wait");
		}
		sql("SELECT pg_cancel_backend($s[0]{pid})");
		result($s[0]);
	}

	# A waiter is shot, and all sessions end with it
	fresh();
	wait_in($s[0], $poll);
	wait_in($s[1], $poll);
	is(sql("SELECT waiting, next_due FROM pgmq.engine_status()"), '2|', 'two wait for a message that does not come');
	kill 'KILL', $s[0]{pid};
	done(@s);
	$node->poll_query_until('postgres', undef, '');
	is(sql("SELECT waiting, next_due FROM pgmq.engine_status()"), '0|',
		'after a crash no session waits, and the map is empty');
	@s = map { session($node) } 1 .. 2;
	wait_in($s[0], $poll);
	sql("SELECT pgmq.send('q', '{}')");
	is(result($s[0]), 1, '.. and waiters are woken');
	is(sql('SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()'), 0, 'the net found nothing');
	done(@s);
	$node->stop;
}

done_testing();
