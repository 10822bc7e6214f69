
# Transaction ids that wrap around while queues are in use: three leaps of a
# third of the range each, after which autovacuum freezes what is there beside
# producers and consumers.  Nothing is lost, handed out twice or forgotten.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_prepared_transactions = 10
fsync = off
autovacuum = on
autovacuum_naptime = '1s'
autovacuum_max_workers = 4
autovacuum_freeze_max_age = 100000
autovacuum_multixact_freeze_max_age = 10000
autovacuum_vacuum_cost_delay = 0
});
$node->start;

my $dir = $node->basedir;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ids { return sql("SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('$_[0]', 600, 100)") }

# Stop, and start with another next transaction id.
sub leap_to
{
	my ($xid) = @_;
	my $segment = sprintf '%s/pg_xact/%04X', $node->data_dir, $xid / (1 << 20);

	$node->stop;
	$node->command_ok([ 'pg_resetwal', '-x', $xid, $node->data_dir ], "next transaction id is $xid");
	if (!-e $segment)
	{
		open my $file, '>', $segment or die;
		print $file "\0" x (1 << 18);
		close $file;
	}
	$node->start;
}

sub busy
{
	my $b = { out => '', err => '' };
	$b->{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '3', '-T', '120', '-R', '300', '-f', "$dir/busy.sql", $node->connstr('postgres') ],
		'>', \$b->{out}, '2>', \$b->{err});
	return $b;
}

append_to_file("$dir/busy.sql", q{
SELECT pgmq.send('busy', to_jsonb(nextval('sent')), '{"x-pgmq-group": "g"}');
SELECT count(*) FROM pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read('busy', 600, 2)));
});

sql(q{
	CREATE EXTENSION pgmq_c;
	CREATE SEQUENCE sent;
	SELECT pgmq.create('old'), pgmq.create('busy'), pgmq.create('grouped'), pgmq.create('dedup'), pgmq.create('prep');
	SELECT pgmq.send('old', '1'), pgmq.send('old', '2'), pgmq.send('old', '3', 3600);
	SELECT pgmq.set_policy('dedup', '{"dedup_window": 86400}');
	SELECT pgmq.send('dedup', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
	SELECT pgmq.send('grouped', to_jsonb(n), jsonb_build_object('x-pgmq-group', n % 2)) FROM generate_series(1, 6) n;
	SELECT pgmq.enable_notify_insert('old', 0)});
is(ids('old'), '1 2', 'messages are read');
is(ids('old'), '', '.. once');
is(sql(q{SELECT string_agg(msg_id::text, ' ') FROM pgmq.read_grouped_rr('grouped', 600, 2)}), '1 2', 'heads of groups are leased');

my $last = 4294967296 - 400;
foreach my $xid (1366 << 20, 2731 << 20, $last)
{
	leap_to($xid);
	is(ids('old'), '', "$xid: what is in flight stays so");
	is(sql(q{SELECT pgmq.send('dedup', '2', '{"x-pgmq-dedup-id": "a"}'::jsonb)}), '1', "$xid: a duplicate is known");
	is(sql(q{SELECT count(*) FROM pgmq.read_grouped('grouped', 600, 9)}), 0, "$xid: groups wait for their heads");
	is(sql(q{SELECT pgmq.set_vt('old', 1, 0); SELECT msg_id FROM pgmq.read('old', 600, 5)}) =~ /^1$/m, 1, "$xid: what is given back is read");

	my $b = busy();
	if ($xid == $last)
	{
		# across the end
		sql(q{BEGIN; SELECT pgmq.send('prep', '1'); PREPARE TRANSACTION 'before'});
		ok($node->poll_query_until('postgres', 'SELECT pg_current_xact_id()::text::numeric > 4294967296 + 500'), "$xid: around");
		is(ids('prep'), '', "$xid: what was prepared before the end is not there");
		is(sql(q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'prep'}), 'prepared transaction', "$xid: .. which the map knows");
		sql(q{COMMIT PREPARED 'before'});
		is(ids('prep'), '1', "$xid: .. until it commits");
		is(ids('prep'), '', "$xid: .. and is read once");
		is(sql(q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'prep'}), 'on', "$xid: .. by the map");
	}
	ok($node->poll_query_until('postgres', 'SELECT max(age(datfrozenxid)) < 1000000 FROM pg_database'),
		"$xid: autovacuum has frozen all databases");
	ok($node->poll_query_until('postgres', "SELECT max(age(relfrozenxid)) < 1000000 FROM pg_class WHERE relname IN ('q_busy', 'q_old')"),
		"$xid: .. beside readers");
	$b->{run}->signal('TERM');
	$b->{run}->finish;
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	is(join('', $b->{err} =~ /ERROR.*/g), '', "$xid: who met no error");
}

sql(q{SELECT count(*) FROM pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read('busy', 600, 10000)))});
is(sql(q{SELECT (SELECT last_value FROM sent) - count(*), count(*) - count(DISTINCT message), max(read_ct),
		(SELECT count(*) FROM pgmq.q_busy) FROM pgmq.a_busy}), '0|0|1|0', 'nothing was lost or doubled');
is(sql(q{SELECT pgmq.delete('grouped', ARRAY[1, 2]); SELECT string_agg(msg_id::text, ' ') FROM pgmq.read_grouped_rr('grouped', 600, 2)}), "1\n2\n3 4",
	'groups go on');
is(sql(q{SELECT pgmq.set_vt('old', 3, 0); SELECT msg_id FROM pgmq.read('old', 600, 5)}) =~ /^3$/m, 1, 'a message that was delayed all the time is read');
is(sql(q{SELECT sum(net_finds) FROM pgmq.engine_status()}), '0', 'the net found nothing');

# Rows that several transactions have locked (multixacts), through savepoints
{
	sql(q{SELECT pgmq.create('locked'); SELECT pgmq.send('locked', '1'), pgmq.send('locked', '2')});
	my @s = map { $node->background_psql('postgres') } 1 .. 4;
	foreach my $i (0 .. 3)
	{
		$s[$i]->query_safe('BEGIN; SAVEPOINT a;');
		$s[$i]->query_safe('SELECT msg_id FROM pgmq.q_locked WHERE msg_id = 1 FOR KEY SHARE;');
		$s[$i]->query_safe('SAVEPOINT b;');
		$s[$i]->query_safe('SELECT msg_id FROM pgmq.q_locked WHERE msg_id = 1 FOR SHARE;');
	}
	is(ids('locked'), '2', 'a message that many have locked is passed over');
	$s[0]->query_safe('ROLLBACK TO b;');
	$s[$_]->query_safe($_ % 2 ? 'COMMIT;' : 'ROLLBACK;') foreach 0 .. 2;
	is(ids('locked'), '', '.. as long as one has');
	$s[3]->query_safe('COMMIT;');
	is(ids('locked'), '1', '.. and then read');
	is(ids('locked'), '', '.. once');
	$_->quit foreach @s;
	is(sql(q{SELECT pgmq.archive('locked', ARRAY[1, 2])}), "1\n2", '.. and archived');
}

done_testing();
