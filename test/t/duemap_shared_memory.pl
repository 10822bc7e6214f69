
# Shared memory is what it was, however many queues have been there: more than
# there are maps, with ids from 1 to the largest there is, in sizes that go up
# and down, dropped by whom they are read or by others, undone, or left by a
# server that crashed.
#
# How much there is for a queue is asked of the engine itself: queues that want
# all of it are made, and it says how much they have got.
#
# MEMORY=full makes it a day's worth of queues.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $full = ($ENV{MEMORY} // '') eq 'full';
my $node;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# kB that five queues get that would each take more than a quarter.
sub room { return sql('CALL room()') }

# The memory that the server has allotted under our name, and altogether.
sub allotted
{
	return sql(q{SELECT coalesce(sum(allocated_size) FILTER (WHERE name = 'pgmq_c'), 0), sum(allocated_size) FROM pg_shmem_allocations});
}

# psql at work on statements, each a transaction of its own.
sub start_session
{
	my $out = '';

	return IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), map { ('-c', $_) } @_ ],
		'<', \undef, '&>', \$out,
		IPC::Run::timeout($full ? 7200 : $PostgreSQL::Test::Utils::timeout_default));
}

sub waiting { return sql('SELECT coalesce(sum(waiting), 0) FROM pgmq.engine_status()') }

my $setup = q{
CREATE EXTENSION pgmq_c;
CREATE SEQUENCE days;
-- each message is so far from the next one that it takes nodes of its own
CREATE PROCEDURE room(INOUT kilobytes bigint DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
	n int := 300;
BEGIN
	IF current_setting('pgmq_c.shared_memory', true) IS DISTINCT FROM '1MB' THEN
		n := 5000;
	END IF;
	FOR i IN 1..5 LOOP
		PERFORM pgmq.create('room' || i);
		EXECUTE format('INSERT INTO pgmq.q_room%s (msg_id, vt, message) OVERRIDING SYSTEM VALUE'
			' SELECT j * 262144::bigint, now() + ''1 day'', NULL FROM generate_series(1, %s) AS j', i, n);
		COMMIT;
		PERFORM pgmq.read('room' || i, 0, 1);
		COMMIT;
	END LOOP;
	SELECT sum(bytes) / 1024 INTO kilobytes FROM pgmq.engine_status() WHERE queue_name LIKE 'room%';
	FOR i IN 1..5 LOOP
		PERFORM pgmq.drop_queue('room' || i);
		COMMIT;
	END LOOP;
END
$$;
-- the life of a queue, each a different one
CREATE PROCEDURE day(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	q text;
	n bigint;
BEGIN
	FOR i IN 1..rounds LOOP
		n := nextval('days');
		q := 'day' || n;
		PERFORM pgmq.create(q);
		COMMIT;
		-- the first id: 1, .. 10^9, .., the largest but some
		PERFORM setval(format('pgmq.q_%s_msg_id_seq', q), CASE WHEN n % 20 = 19 THEN 9223372036854775000 ELSE (10 ^ (n % 19))::bigint END);
		PERFORM pgmq.send_batch(q, array_agg(to_jsonb(j)), j % 7) FROM generate_series(1, 20 + n::int % 300) AS j GROUP BY j % 7;
		COMMIT;
		PERFORM pgmq.read(q, 3600, 10), pgmq.pop(q, 10);
		COMMIT;
		PERFORM pgmq.read(q, 3600, 10000);
		COMMIT;
		IF n % 3 = 0 THEN
			PERFORM pgmq.purge_queue(q), pgmq.send(q, '1');
			COMMIT;
			PERFORM pgmq.read(q, 1, 1);
			ROLLBACK;
		END IF;
		-- the next one drops it, often another session; or it is left for good
		IF n % 10 <> 0 THEN
			PERFORM pgmq.drop_queue(queue_name) FROM pgmq.meta WHERE queue_name = 'day' || (n - 1);
			COMMIT;
		END IF;
		-- one that never was
		PERFORM pgmq.create('undone'), pgmq.send('undone', '1', j) FROM generate_series(1, 3) AS j;
		PERFORM pgmq.read('undone', 1, 1);
		ROLLBACK;
	END LOOP;
	PERFORM pgmq.drop_queue(queue_name) FROM pgmq.meta WHERE queue_name LIKE 'day%';
END
$$;
};

my @modes = ('preload');
push @modes, 'registry' if `pg_config --version` =~ m{ (1[7-9]|[2-9]\d)};
foreach my $mode (@modes)
{
	$node = PostgreSQL::Test::Cluster->new($mode);
	$node->init(extra => ['--no-sync']);
	$node->append_conf('postgresql.conf', q{
autovacuum = off
client_min_messages = error
log_min_messages = warning
log_min_error_statement = panic
restart_after_crash = on
synchronous_commit = off
});
	$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.shared_memory = '1MB'
}) if $mode eq 'preload';
	$node->start;
	sql($setup);

	my $room = room();
	my $allotted = allotted();
	note "$mode: $room kB for maps; allotted: $allotted";
	cmp_ok($room, '>', 700, "$mode: there is room for maps");
	is(room(), $room, "$mode: what was dropped has left it at once");

	# Several sessions, some of which wait for queues that are dropped
	# meanwhile.
	my $rounds = $full ? 3_000 : 45;
	foreach my $part (1 .. ($full ? 10 : 2))
	{
		my $day = 'CALL day(' . int($rounds / 3) . ')';
		my @waits = ('SET statement_timeout = 20',
			("SELECT pgmq.read_with_poll(max(queue_name), 1, 1, 60) FROM pgmq.meta") x ($full ? 500 : 50));
		my @sessions = map { start_session(@$_) } [$day], [$day], [$day], \@waits;

		$_->finish foreach @sessions;
		sql(q{SELECT pgmq.drop_queue(queue_name) FROM pgmq.meta});
		my $now = room();
		note "$mode: $now kB after ", sql('SELECT last_value FROM days'), ' queues';
		is($now, $room, "$mode: as much room as ever");
	}
	is(allotted(), $allotted, "$mode: nor was more memory taken");

	# Queues that come at once, more than there are maps, and go together.
	my $many = $full ? 20_000 : 750;
	if ($mode eq 'preload')
	{
		sql("DO \$\$ BEGIN FOR i IN 1..$many LOOP PERFORM pgmq.create('many' || i), pgmq.send('many' || i, '1', 60); COMMIT; PERFORM pgmq.read('many' || i, 0, 1); COMMIT; END LOOP; END \$\$");
		sql("DO \$\$ BEGIN FOR i IN 1..$many LOOP PERFORM pgmq.drop_queue('many' || i); COMMIT; END LOOP; END \$\$");
		is(room(), $room, "$mode: as much as ever after more queues than maps");
	}

	# Crashes, with sessions in every state.
	sql(q{SELECT pgmq.create('crash'), pgmq.create('room'), pgmq.send('crash', '1', 3600)});
	foreach (1 .. ($full ? 20 : 1))
	{
		my @sessions = map { start_session(@$_) } ["SELECT pgmq.read_with_poll('crash', 1, 1, 60)"],
			["SELECT pgmq.read_any_with_poll(ARRAY['crash', 'room'], 1, 1, 60)"], ['CALL day(1000)'];

		$node->poll_query_until('postgres', q{SELECT sum(waiting) >= 2 FROM pgmq.engine_status()}) or die 'nobody waits';
		my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE query ~ '^SELECT pgmq.read_with_poll'});
		kill 'KILL', $pid;
		eval { $_->finish } foreach @sessions;
		$node->poll_query_until('postgres', undef, '');
	}
	is(waiting(), 0, "$mode: nobody waits after a crash");
	sql(q{SELECT pgmq.drop_queue(queue_name) FROM pgmq.meta});
	is(room(), $room, "$mode: as much room as ever after a crash");
	is(allotted(), $allotted, "$mode: and as much memory");
	unlike(slurp_file($node->logfile), qr/WARNING:.*(leak|not closed|still referenced)/, "$mode: nothing was left open");
	$node->stop;
	is(join(' ', slurp_dir($node->data_dir . '/pg_dynshmem')), '. ..', "$mode: nor is any file left");
}
done_testing();
