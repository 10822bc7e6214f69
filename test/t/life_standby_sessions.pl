
# Queues on a standby and after a recovery: sessions of a standby, its
# promotion, and a database recovered to a point in the middle of its work.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqLife;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, has_archiving => 1, extra => ['--no-sync']);
$primary->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
max_connections = 20
pgmq_c.maintain_database = 'work'
pgmq_c.maintain_interval = 1
});
$primary->start;
$primary->safe_psql('postgres', 'CREATE DATABASE work');
$primary->safe_psql('work', 'CREATE EXTENSION pgmq_c');
life_fill($primary, 'work');
$primary->safe_psql('work', q{SELECT pgmq.create('busy'), pgmq.create('old'), pgmq.create('signal');
	SELECT pgmq.set_policy('old', '{"ttl": 1000}'); SELECT pgmq.send('old', '1')});

# A base backup while messages come and go
my $script = $primary->basedir . '/busy.sql';
append_to_file($script, q{
SELECT count(*) FROM pgmq.send_batch('busy', '{1,2,3}'::jsonb[]);
WITH r AS (SELECT array_agg(msg_id) AS ids FROM pgmq.read('busy', 36000, 4))
SELECT pgmq.archive('busy', ids[1]), pgmq.delete('busy', ids[2]), pgmq.nack('busy', ids[3]) FROM r;
});
my ($bench_out, $bench_err) = ('', '');
my $busy = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '3', '-T', '600', '-R', '300', '-h', $primary->host, '-p', $primary->port, '-f', $script, 'work' ],
	'>', \$bench_out, '2>', \$bench_err);
my $going = q{SELECT count(*) > 20 FROM pgmq.a_busy};
$primary->poll_query_until('work', $going) or die 'nothing happens';
$primary->backup('backup');
my $archived = $primary->safe_psql('work', 'SELECT count(*) FROM pgmq.a_busy');
$primary->poll_query_until('work', $going =~ s/20/$archived + 20/r) or die 'nothing happens any more';
$busy->signal('TERM');
$busy->finish;
is($bench_err =~ /ERROR|FATAL/ ? $bench_err : '', '', 'a backup from a busy server');

sub messages { return life_messages($_[0], 'work', logged => 1) }

# But for the unlogged queue, whose messages are not there, and for sequences:
# after a recovery they are up to 32 further on
sub catalog
{
	return join "\n", map { s/"total_messages": \d+//r }
	  grep { !/fleeting|^sequence/ } split /\n/, life_catalog($_[0], 'work');
}

my $messages = messages($primary);
my $catalog = catalog($primary);

$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('middle')});
my $time = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');

# A standby
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1, has_restoring => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is(messages($standby), $messages, 'a standby shows every message');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance'}),
	0, 'a standby has no worker');

my $session = life_session($standby, 'work');
like(life_ask($session, q{CALL pgmq.wait('signal', 60)}), qr/ERROR:  25006:/, 'a standby does not wait');

# Changes from here on belong to the time after the point
life_goes_on($primary, 'work', 'after the point');
$primary->safe_psql('work', q{SELECT pgmq.purge_queue('busy')});
$primary->wait_for_catchup($standby);

# Promotion
$primary->safe_psql('work', q{SELECT pgmq.send('busy', '1', 3600);
	SELECT pgmq.send_batch('busy', '{2,3,4,5}'::jsonb[]); SELECT pgmq.read('busy', 36000, 1)});
$primary->wait_for_catchup($standby);
is(life_ask($session, q{SELECT count(*) FROM pgmq.peek('busy', 'visible')}), 3, 'a standby shows what is visible');
my $before = messages($primary);
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->stop;
$standby->promote;
is(messages($standby), $before, 'promoted: every message is there');
is( $standby->safe_psql('work', q{SELECT count(*) FROM pgmq.q_fleeting;
		SELECT string_agg(message::text, ' ') FROM pgmq.read('busy', 36000, 100)}),
	"0\n3 4 5", 'promoted: what is due is found at once, the unlogged queue is empty');
life_begin($session, q{CALL pgmq.wait('signal', 120); SELECT message FROM pgmq.read('signal', 0, 1)});
$standby->poll_query_until('work', q{SELECT waiting = 1 FROM pgmq.engine_status() WHERE queue_name = 'signal'})
  or die 'nobody waits';
$standby->safe_psql('work', q{SELECT pgmq.send('signal', '"after promotion"')});
is(life_result($session), '"after promotion"', 'promoted: a session of the standby waits and is woken');
life_end($session);
ok( $standby->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance'}),
	'promoted: the worker starts');
is($standby->safe_psql('work', q{SELECT sum(net_finds) FROM pgmq.engine_status()}), 0,
	'promoted: the map had hidden nothing');
$standby->stop;

# Recovered to the point, by its name and by the time
foreach my $target ("recovery_target_name = 'middle'", "recovery_target_time = '$time'")
{
	my ($how) = $target =~ /target_(\w+)/;
	my $node = PostgreSQL::Test::Cluster->new("by_$how");

	$node->init_from_backup($primary, 'backup', has_restoring => 1);
	$node->append_conf('postgresql.conf',
		"$target\nrecovery_target_action = 'promote'\npgmq_c.maintain_database = ''\narchive_mode = off");
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'no end of recovery';
	is(messages($node), $messages, "by $how: every message as it was");
	life_is_same(catalog($node), $catalog, "by $how: and all the rest");
	is($node->safe_psql('work', 'SELECT count(*) FROM pgmq.q_fleeting; SELECT count(*) FROM pgmq.a_fleeting'),
		"0\n1", "by $how: the unlogged queue is empty, its archive is not");

	# exactly what is due by the rows, the fences of before, and all verbs
	my $due = q{SELECT coalesce(md5(string_agg(msg_id::text, ' ' ORDER BY msg_id)), ''), count(*) FROM };
	my $rows = $node->safe_psql('work', "$due pgmq.q_busy WHERE vt <= clock_timestamp()");
	is($node->safe_psql('work', "$due pgmq.read('busy', 36000, 1000000)"),
		$rows, "by $how: what is due is read");
	is( $node->safe_psql('work', q{SELECT count(*) FROM pgmq.read('busy', 36000, 1000000);
			SELECT count(*) > 0 AND bool_and(pgmq.delete('busy', msg_id, read_ct)) FROM pgmq.peek('busy', 'in_flight', 5);
			SELECT pgmq.send('busy', '1') > max(msg_id) FROM pgmq.a_busy}),
		"0\nt\nt", "by $how: leases hold, fences fit, ids go on");
	life_goes_on($node, 'work', "by $how");
	$node->stop;
}

done_testing();
