
# A queue's table is a table: it is vacuumed, rewritten, reindexed, moved to
# another tablespace, made unlogged and logged again, given a column, frozen,
# all while producers and consumers are at work, who notice nothing but a wait.
# At the end every message that was sent has been archived once, and
# pg_amcheck finds nothing.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync', '--data-checksums' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlock_timeout = '60s'");
$node->start;

my $dir = $node->basedir;
my $space = "$dir/space";
mkdir $space or die;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# The producers number their messages, so that the test knows which were sent.
# A consumer archives what it has read, by the fence, and reads in groups now
# and then.  Each statement is a transaction.
append_to_file("$dir/produce.sql", q{
\set n random(1, 5)
SELECT count(*) FROM pgmq.send_batch('busy', ARRAY(SELECT to_jsonb(nextval('sent')) FROM generate_series(1, :n)));
});
append_to_file("$dir/consume.sql", q{
SELECT count(*) FROM pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read('busy', 600, 7)));
});
append_to_file("$dir/grouped.sql", q{
SELECT count(*) FROM pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read_grouped('busy', 600, 3)));
});
append_to_file("$dir/wait.sql", q{
SELECT count(*) FROM pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read_with_poll('busy', 600, 2, 1, 50)));
});

my @changes = (
	'VACUUM pgmq.q_busy',
	'VACUUM (FREEZE) pgmq.q_busy',
	'VACUUM FULL pgmq.q_busy',
	'CLUSTER pgmq.q_busy USING q_busy_pkey',
	'REINDEX TABLE pgmq.q_busy',
	'REINDEX TABLE CONCURRENTLY pgmq.q_busy',
	'ANALYZE pgmq.q_busy',
	'ALTER TABLE pgmq.q_busy SET TABLESPACE space',
	'ALTER TABLE pgmq.q_busy SET TABLESPACE pg_default',
	'ALTER TABLE pgmq.q_busy SET UNLOGGED',
	'ALTER TABLE pgmq.q_busy SET LOGGED',
	'ALTER TABLE pgmq.q_busy ADD COLUMN note text',
	q{ALTER TABLE pgmq.q_busy ADD COLUMN sort int DEFAULT 3},
	'ALTER TABLE pgmq.q_busy ADD COLUMN slow timestamptz DEFAULT clock_timestamp()',
	'ALTER TABLE pgmq.q_busy DROP COLUMN note',
	'ALTER TABLE pgmq.q_busy SET (fillfactor = 90)',
	'BEGIN; ALTER TABLE pgmq.q_busy RENAME TO q_elsewhere; ALTER TABLE pgmq.q_elsewhere RENAME TO q_busy; COMMIT',
	'CREATE INDEX CONCURRENTLY extra ON pgmq.q_busy (enqueued_at)',
	'DROP INDEX CONCURRENTLY pgmq.extra',
	q{SELECT pgmq.create_fifo_index('busy')},
	'VACUUM FULL pgmq.a_busy',
	'REINDEX TABLE CONCURRENTLY pgmq.a_busy',
	'VACUUM FULL pg_class', 'VACUUM FULL pg_trigger', 'REINDEX TABLE pg_class');

my $amcheck = sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'});
sql(qq{
	CREATE EXTENSION pgmq_c;
	CREATE TABLESPACE space LOCATION '$space'});
sql('CREATE EXTENSION amcheck') if $amcheck;

foreach my $preload ('', 'pgmq_c')
{
	my $name = $preload ? 'with the map' : 'without';
	my %bench;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->restart;
	sql(q{SELECT pgmq.create('busy'); DROP SEQUENCE IF EXISTS sent; CREATE SEQUENCE sent;
		SELECT FROM pgmq.send('busy', '0', 'infinity'::timestamptz)});

	foreach my $work ([ 'produce', 2, 400 ], [ 'consume', 2, 2000 ], [ 'grouped', 1, 200 ], [ 'wait', 1, 1000 ])
	{
		my ($script, $clients, $rate) = @$work;
		my $b = $bench{$script} = { out => '', err => '' };
		$b->{run} = IPC::Run::start(
			[ 'pgbench', '-n', '-c', $clients, '-T', '120', '-R', $rate, '-M', ($script eq 'consume' ? 'prepared' : 'simple'),
				'-f', "$dir/$script.sql", $node->connstr('postgres') ],
			'>', \$b->{out}, '2>', \$b->{err});
	}

	# Between two changes the consumers get somewhere.
	my $archived = 0;
	my $stuck = '';
	foreach my $change (@changes)
	{
		# without a map the rewrites will do
		next if !$preload && $change !~ /(?:FULL|CLUSTER|CONCURRENTLY|TABLESPACE|LOGGED|slow).* *pgmq.q_/ && $change !~ /q_busy .*(?:SPACE|LOGGED|slow)/;
		if (!$node->poll_query_until('postgres', "SELECT count(*) > $archived FROM pgmq.a_busy"))
		{
			$stuck = "stuck before: $change";
			last;
		}
		$archived = sql('SELECT count(*) FROM pgmq.a_busy');
		my ($rc, $out, $err) = $node->psql('postgres', join('', map { "$_;\n" } split /; /, $change));
		is("$rc$err", '0', "$name: $change");
	}
	is($stuck, '', "$name: consumers went on after each");

	$bench{produce}->{run}->signal('TERM');
	$bench{produce}->{run}->finish;
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM pgmq.q_busy'), "$name: the queue was emptied");
	foreach my $b (values %bench)
	{
		if ($b != $bench{produce})
		{
			$b->{run}->signal('TERM');
			$b->{run}->finish;
		}
	}
	# a session that waited does so to the end, and takes the message that
	# comes
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	is(join('', map { "$_: $1" if $bench{$_}->{err} =~ /(ERROR.*)/ } sort keys %bench), '', "$name: nobody met an error");

	is(sql(q{SELECT count(*) - count(DISTINCT msg_id), count(*) - count(DISTINCT message), count(*) > 100,
			max((message #>> '{}')::bigint) <= (SELECT last_value FROM sent),max(read_ct) FROM pgmq.a_busy}),
		'0|0|t|t|1', "$name: each message was handed out once");
	is(sql(q{SELECT (SELECT last_value FROM sent) - count(*) FROM pgmq.a_busy}), '0', "$name: none was lost");
	is(sql(q{SELECT due_map, net_finds FROM pgmq.engine_status()}),
		$preload || $node->pg_version >= 17 ? 'on|0' : 'no shared memory|0', "$name: the engine is as it should be");
	is(sql(q{SELECT pgmq.send('busy', '1') IS NOT NULL; SELECT count(*) FROM pgmq.read('busy', 0, 10)}), "t\n1", "$name: the queue goes on");
	$node->command_ok([ 'pg_amcheck', '--heapallindexed', '--table=pgmq.?_busy', $node->connstr('postgres') ],
		"$name: pg_amcheck finds nothing") if $amcheck;

	# Its owner may empty it, too.
	is(sql(q{TRUNCATE pgmq.q_busy; SELECT count(*) FROM pgmq.read('busy', 0, 10)}), '0', "$name: truncated");
	like(sql(q{SELECT pgmq.send('busy', '1') > 100}), qr/t/, "$name: ids go on");
	is(sql(q{SELECT count(*) FROM pgmq.read('busy', 0, 10)}), 1, "$name: .. and are read");
	sql(q{TRUNCATE pgmq.q_busy RESTART IDENTITY});
	is(sql(q{SELECT pgmq.send('busy', '1'); SELECT msg_id FROM pgmq.read('busy', 0, 10)}), "1\n1", "$name: .. from the beginning if told to");
	sql(q{SELECT pgmq.drop_queue('busy')});
}

$node->stop;
$node->command_ok([ 'pg_checksums', '--check', $node->data_dir ], 'nor does pg_checksums');

done_testing();
