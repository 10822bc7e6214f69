
# A backend that serves queues for a long time does not grow: not by calls, not
# by errors, not by queues that it or others create and drop.  Nor does one that
# sees no more of them than invalidations, nor one that waits, nor the
# maintenance worker.
#
# MEMORY=full takes half an hour where the usual length takes half a minute.
use strict;
use warnings;

use File::Basename qw(dirname);
use FindBin;
use List::Util qw(min);
use lib dirname(__FILE__);
use PgmqSession qw(session begin result done);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = ($ENV{MEMORY} // '') eq 'full';
my $parts = 10;

# kB that what is ours may grow by, and what the system sees where no table
# comes or goes.
my $used_max = 64;
my $seen_max = $full ? 4096 : 1536;

my $node;

# A session that stays, and ends the test by an error.
sub stay { return session($node, 'postgres', $full ? 7200 : undef) }
sub begin_ask { begin($_[0], "$_[1];"); return }

sub answer
{
	my ($s) = @_;

	result($s);
	die $s->{err} if $s->{err} =~ /ERROR/;
	return $s->{out};
}

sub ask { begin_ask(@_); return answer($_[0]) }

# As memory() says, below the notifications that there may be.
sub memory { return ask($_[0], 'SELECT memory()') =~ /^(\S+) (\S+) (\S+)$/m }

# Measures a part's end each: what is the growth from the second to the last?
# What is resident can grow at once by what a single call needed and the allocator
# has kept; a leak shows in both halves.
sub growth
{
	my ($what, @measures) = @_;
	my ($from, $middle, $to) = @measures[ 1, $#measures / 2, -1 ];
	my @grown = map { $to->[$_] - $from->[$_] } 0 .. 2;

	$grown[2] = 2 * min($middle->[2] - $from->[2], $to->[2] - $middle->[2]);

	note "$what: " . join(', ', map { join '/', map { int } @$_ } @measures[ 0, 1, -1 ]) . " kB (ours/catalog cache/resident)";
	return @grown;
}

# Calls made so far, by the server's count.
sub calls
{
	return $node->safe_psql('postgres', q{
		SELECT sum(calls) FROM pg_stat_user_functions
		WHERE schemaname = 'pgmq' AND funcname NOT IN ('_announce', 'notify_queue_listeners')});
}

sub test_calls
{
	my ($mode) = @_;
	my $s = stay();
	my $rounds = $full ? 30 : 2;
	my @measures;
	my @calls;

	foreach (1 .. $parts)
	{
		ask($s, "CALL calls($rounds); SELECT pg_stat_force_next_flush()");
		push @measures, [ memory($s) ];
		push @calls, calls();
	}
	my ($used, $cache, $seen) = growth("$mode, calls", @measures);
	my $n = $calls[-1] - $calls[1];
	note sprintf '%s: %d calls, %.2f bytes each', $mode, $calls[-1], $used * 1024 / $n;
	cmp_ok($calls[-1], '>', $full ? 100_000 : 6_000, "$mode: calls were made");
	cmp_ok($used, '<', $used_max, "$mode: calls leave nothing behind");
	cmp_ok($cache, '<', $used_max, "$mode: nor in the catalog cache");
	cmp_ok($seen, '<', $seen_max, "$mode: nor anywhere");
	done($s);
}

sub test_coming_and_going
{
	my ($mode) = @_;
	my ($s, $user, $idle) = (stay(), stay(), stay());
	my $rounds = $full ? 250 : 4;
	my $patience = $mode eq 'plain' ? 0 : 1;
	my (@mine, @users, @idles, @bare);

	ask($s, 'CALL partitions()');
	ask($idle, q{SELECT pgmq.create('short'); SELECT pgmq.send('short', '1'); SELECT pgmq.read('short', 0, 1);
		LISTEN "pgmq.q_short.INSERT"; SELECT pgmq.drop_queue('short')});
	foreach (1 .. $parts)
	{
		ask($s, 'SELECT pg_advisory_lock(1)');
		begin_ask($user, "CALL follow($patience)");
		ask($s, "CALL come_and_go($rounds, true); CALL come_and_go($rounds, false)");
		ask($s, 'SELECT pg_advisory_unlock(1)');
		answer($user);
		push @mine, [ memory($s) ];
		push @users, [ memory($user) ];
		push @idles, [ memory($idle) ];
	}
	done($_) foreach $s, $user, $idle;
	$s = stay();
	foreach (1 .. $parts)
	{
		ask($s, "CALL bare(2 * $rounds)");
		push @bare, [ memory($s) ];
	}
	done($s);

	my ($used, $cache, $seen) = growth("$mode, queues come and go", @mine);
	my (undef, $bare) = growth("$mode, bare tables do", @bare);
	note sprintf '%s: catalog cache, bytes a round: %d, of bare tables %d', $mode,
		map { $_ * 1024 / 2 / $rounds / ($parts - 2) } $cache, $bare;
	cmp_ok($used, '<', $used_max, "$mode: queues that come and go leave nothing behind");
	cmp_ok($cache, '<', 2 * $bare, "$mode: but what the server remembers of any table");
	($used, $cache, $seen) = growth("$mode, who uses them", @users);
	cmp_ok($used, '<', $used_max, "$mode: nor do they where they are used");
	cmp_ok($cache, '<', 2 * $bare, "$mode: nor in the catalog cache there");
	($used, $cache, $seen) = growth("$mode, who knew one", @idles);
	cmp_ok($used + $cache, '<', $used_max, "$mode: nor where nobody does anything");
	cmp_ok($seen, '<', $seen_max, "$mode: by any measure");
}

# Where all is one transaction, what is not needed any more must go before its
# end.
sub test_one_transaction
{
	my ($mode) = @_;
	my $s = stay();
	my $rounds = $full ? 5_000 : 450;

	ask($s, "BEGIN; CALL one_transaction($rounds)");
	my $plans = ask($s, q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource'});
	note "$mode: $plans plans";
	cmp_ok($plans, '<', 600, "$mode: plans are limited in a transaction, too");
	ask($s, 'COMMIT');
	done($s);
}

# By default the plans of a session take less than 16 MB, however many queues it uses.
sub test_plans
{
	my ($mode) = @_;
	my $s = stay();

	$node->safe_psql('postgres', join ';', map { "SELECT pgmq.create('planned_$_')" } 1 .. 300);
	ask($s, 'CALL use_planned(300)');
	my ($count, $kilobytes) = split ' ', ask($s, q{SELECT count(*) FILTER (WHERE name = 'CachedPlanSource') || ' ' || sum(total_bytes) / 1024 FROM pg_backend_memory_contexts
		WHERE name IN ('pgmq_c plans', 'SPI Plan', 'CachedPlanSource', 'CachedPlanQuery', 'CachedPlan')});
	note "$mode: $count plans, ", int($kilobytes), ' kB';
	cmp_ok($kilobytes, '<', 16 * 1024, "$mode: plans for 300 queues fit into 16 MB");
	cmp_ok($count, '>', 400, "$mode: .. and are kept");
	done($s);
	$node->safe_psql('postgres', join ';', map { "SELECT pgmq.drop_queue('planned_$_')" } 1 .. 300);
}

# A session that looks at more queues than it will use again.  Each is measured
# in a fresh session, by the name of the memory context.
sub test_many
{
	my ($mode) = @_;
	my $n = $full ? 30_000 : 10_500;
	my $s = stay();

	ask($s, "CALL many($n)");
	done($s);
	foreach ([ 'SELECT count(*) FROM pgmq.engine_status()', 'queues' ], [ "CALL read_many($n)", 'policies', 'plans' ])
	{
		my ($sql, @whats) = @$_;

		$s = stay();
		ask($s, $sql);
		foreach my $what (@whats)
		{
			my $kilobytes = ask($s, "SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts WHERE name = 'pgmq_c $what'");
			note "$mode: $what: ", int($kilobytes), ' kB';
			cmp_ok($kilobytes, '<', 2300, "$mode: not all $what are remembered");
		}
		done($s);
	}
}

# A long redrive holds no more at its end than at its beginning: what a trigger
# on the way sees.
sub test_redrive
{
	my ($mode) = @_;
	my $s = stay();
	my $n = $full ? 1_000_000 : 30_000;

	ask($s, qq{SELECT pgmq.create('moved'), pgmq.create('spent');
		CREATE TABLE weight (message jsonb, bytes bigint);
		CREATE FUNCTION weigh() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN
			INSERT INTO weight SELECT new.message, sum(used_bytes) FROM pg_backend_memory_contexts;
			RETURN NULL;
		END \$\$;
		CREATE TRIGGER weigh AFTER INSERT ON pgmq.q_moved FOR EACH ROW WHEN (new.message IN ('2500', '@{[ $n - 500 ]}')) EXECUTE FUNCTION weigh();
		INSERT INTO pgmq.q_spent (message) SELECT to_jsonb(i) FROM generate_series(1, $n) i});
	is(ask($s, qq{SELECT pgmq.redrive('spent', $n, '{"to_queue": "moved"}')}), $n, "$mode: a long redrive");
	my $grown = ask($s, 'SELECT (max(bytes) FILTER (WHERE message::integer > 2500) - max(bytes) FILTER (WHERE message::integer = 2500)) / 1024 FROM weight');
	note "$mode: grown by $grown kB";
	cmp_ok($grown, '<', 128, "$mode: does not grow");
	ask($s, q{SELECT pgmq.drop_queue('moved'), pgmq.drop_queue('spent'); DROP TABLE weight; DROP FUNCTION weigh});
	done($s);
}

# A reader that waits for a message that it cannot have looks again and again.
# By what the server logs of it meanwhile, since all is gone when it has ended.
sub test_waiting
{
	my ($mode) = @_;
	my $holder = stay();
	my $asker = stay();
	my $seconds = $full ? 600 : 7;
	my @waiters = map { { sql => $_, s => stay() } } (
		"SELECT pgmq.read_with_poll('kept', 30, 1, $seconds + 4, 10)",
		"SELECT pgmq.read_grouped_with_poll('kept', 30, 1, $seconds + 4, 10)",
		"SELECT pgmq.read_any_with_poll('{kept}', 30, 1, $seconds + 4, 10)",
		"CALL pgmq.wait('kept', $seconds + 4)");

	ask($asker, q{SELECT pgmq.create('kept'), pgmq.send('kept', '1'), pgmq.set_policy('kept', '{"ttl": 1000, "ttl_header": true}')});
	ask($holder, 'BEGIN; SELECT FROM pgmq.q_kept FOR UPDATE');
	foreach my $waiter (@waiters)
	{
		$waiter->{pid} = ask($waiter->{s}, 'SELECT pg_backend_pid()');
		begin_ask($waiter->{s}, $waiter->{sql});
	}
	# the plans of the first look are no growth
	$node->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $_->{pid}")
		or die
		foreach @waiters;
	foreach my $pause (1, $seconds - 1)
	{
		sleep $pause;
		foreach my $waiter (@waiters)
		{
			my $log = -s $node->logfile;

			ask($asker, "SELECT pg_log_backend_memory_contexts($waiter->{pid})");
			$node->wait_for_log(qr/\[$waiter->{pid}\].*Grand total: .*; \d+ used/, $log);
			push @{ $waiter->{used} }, $1 / 1024
				if slurp_file($node->logfile, $log) =~ /\[$waiter->{pid}\].*Grand total: .*; (\d+) used/;
		}
	}
	foreach my $waiter (@waiters)
	{
		my ($from, $to) = @{ $waiter->{used} };

		answer($waiter->{s});
		note sprintf '%s: %s: %d, %d kB', $mode, $waiter->{sql}, $from, $to;
		cmp_ok($to - $from, '<', 32, "$mode: does not grow while it waits: $waiter->{sql}");
		done($waiter->{s});
	}
	done($_) foreach $holder, $asker;
}

# The worker, one round after another.
sub test_worker
{
	my $s = stay();
	my $rounds = $full ? 1000 : 20;
	my ($pid, $last, @seen, @used);
	my $query = q{SELECT state_change FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance' AND state = 'idle'};

	ask($s, q{SELECT pgmq.set_policy('pol', '{"ttl": 1, "archive_retention": 1, "dedup_window": 1, "max_reads": null, "expired": "drop"}')});
	$pid = ask($s, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance'});
	$last = '';
	foreach (1 .. $parts)
	{
		my $log = -s $node->logfile;

		foreach my $round (1 .. $rounds)
		{
			my $now;

			ask($s, q{SELECT pgmq.send('pol', '1'); INSERT INTO pgmq.a_pol (msg_id, vt, archived_at) VALUES (1, now(), '-infinity') ON CONFLICT DO NOTHING});
			kill 'HUP', $pid;
			do { $now = ask($s, $query) } while ($now eq '' || $now eq $last);
			$last = $now;
		}
		ask($s, "SELECT pg_log_backend_memory_contexts($pid)");
		$node->wait_for_log(qr/Grand total: .*; \d+ used/, $log);
		push @used, $1 / 1024 if slurp_file($node->logfile, $log) =~ /Grand total: .*; (\d+) used/;
		push @seen, slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+)/ ? $1 : 0;
	}
	note "worker: ", join(', ', map { int } @used), ' kB; resident ', join(', ', @seen);
	cmp_ok($used[-1] - $used[1], '<', $used_max, 'the worker does not grow');
	cmp_ok($seen[-1] - $seen[1], '<', $seen_max, '.. by any measure');
	done($s);
}

# Messages that are more than fits into an array go back in parts.
sub test_unarchive
{
	my ($mode) = @_;

	$node->safe_psql('postgres', q{SELECT pgmq.create('back'); INSERT INTO pgmq.a_back (msg_id, vt, message)
		SELECT i, now(), jsonb_build_object('body', repeat('x', 5 * 1024 * 1024)) FROM generate_series(1, 240) i});
	is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pgmq.unarchive('back', (SELECT array_agg(i) FROM generate_series(1, 240) i))}),
		240, "$mode: 240 messages of 5 MB are unarchived");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pgmq.a_back}), 0, "$mode: .. and leave the archive");
	return;
}

foreach my $mode (split ' ', $ENV{MODES} || 'plain preload')
{
	$node = PostgreSQL::Test::Cluster->new($mode);
	$node->init(extra => ['--no-sync']);
	$node->append_conf(
		'postgresql.conf', q{
autovacuum = off
synchronous_commit = off
client_min_messages = error
log_min_messages = warning
log_min_error_statement = panic
track_functions = all
});
	$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.maintain_database = 'postgres'
pgmq_c.maintain_interval = '1h'
}) if $mode eq 'preload';
	$node->start;
	$node->safe_psql('postgres', slurp_file("$FindBin::Bin/../data/calls.sql"));
	test_calls($mode);
	test_coming_and_going($mode);
	test_one_transaction($mode);
	test_plans($mode);
	test_waiting($mode);
	test_redrive($mode);
	is($node->safe_psql('postgres', q{
		SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
		WHERE pronamespace = 'pgmq'::regnamespace
			AND NOT EXISTS (SELECT FROM pg_stat_user_functions WHERE funcid = oid)
			AND (current_setting('shared_preload_libraries') <> '' OR proname <> '_limits')
			AND (to_regnamespace('partman') IS NOT NULL OR proname !~ 'partman|partitioned')}),
		'', "$mode: every function was called");
	test_worker() if $mode eq 'preload';
	test_many($mode) if $mode eq 'preload';
	test_unarchive($mode) if $mode eq 'preload';
	unlike(slurp_file($node->logfile), qr/WARNING:.*(leak|not closed|still referenced)/, "$mode: nothing was left open");
	$node->stop;
}
done_testing();
