
# A library and an SQL script of different versions: new SQL with the old library
# still in memory, the new library with old SQL, and both libraries in one server.
# Old functions go on; new ones work, or say what to do (55000).
#
# The old library is built here from the source of its commit, in test/data by
# tools/lib.sh where there is a history to have it from.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use lib dirname(__FILE__);
use PgmqLife;
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first = '1.0.0';
my @later = ('1.1.0');

# Every function of 1.0.0, with results that do not depend on the clock.
my $each = q{
	SET client_min_messages = warning;
	SELECT pgmq.create('one'), pgmq.create_non_partitioned('two'), pgmq.create_unlogged('three'), pgmq.create('four');
	SELECT pgmq.send('one', '1'), pgmq.send('one', '2', '{"h": 1}'::jsonb), pgmq.send('one', '3', 0),
		pgmq.send('one', '4', now()), pgmq.send('one', '5', '{"h": 2}'::jsonb, 0),
		pgmq.send('one', '6', '{"h": 3}'::jsonb, now()), pgmq.send('one', '7', '{"h": 4}');
	SELECT * FROM pgmq.send_batch('one', '{8,9}'::jsonb[]);
	SELECT * FROM pgmq.send_batch('one', '{10}'::jsonb[], '{"1"}'::jsonb[]);
	SELECT * FROM pgmq.send_batch('one', '{11}'::jsonb[], 0);
	SELECT * FROM pgmq.send_batch('one', '{12}'::jsonb[], now());
	SELECT * FROM pgmq.send_batch('one', '{13}'::jsonb[], '{"1"}'::jsonb[], 0);
	SELECT * FROM pgmq.send_batch('one', '{14}'::jsonb[], '{"1"}'::jsonb[], now());
	SELECT * FROM pgmq._send_batch('one', '{15,16,17,18,19,20}'::jsonb[], NULL, now());
	SELECT pgmq._validate_batch_params('{1}'::jsonb[], NULL);
	SELECT msg_id, read_ct, message, headers FROM pgmq.read('one', 36000, 2);
	SELECT msg_id, read_ct, message FROM pgmq.read_with_poll('one', 36000, 3, 1);
	SELECT queue_name, msg_id, read_ct, message FROM pgmq.read_any('{two,one}', 36000, 2);
	SELECT queue_name, msg_id, message FROM pgmq.read_any_with_poll('{two,one}', 36000, 2, 1);
	CALL pgmq.wait('one', 1);
	SELECT msg_id, message FROM pgmq.pop('one');
	SELECT msg_id, message FROM pgmq.peek('one', 'visible', 3);
	SELECT pgmq.delete('one', 1), pgmq.delete('one', 2, 1), pgmq.delete('one', 3, 7);
	SELECT pgmq.delete('one', ARRAY[3, 99]); SELECT pgmq.delete('one', ARRAY[4, 5], ARRAY[1, 2]);
	SELECT pgmq.archive('one', 5), pgmq.archive('one', 6, 1), pgmq.archive('one', 7, 9);
	SELECT pgmq.archive('one', ARRAY[7, 99]); SELECT pgmq.archive('one', ARRAY[8, 9], ARRAY[1, 2]);
	SELECT msg_id, read_ct, message, headers FROM pgmq.peek_archive('one');
	SELECT pgmq.unarchive('one', 5); SELECT pgmq.unarchive('one', ARRAY[6, 7]);
	SELECT msg_id FROM pgmq.set_vt('one', 11, 0); SELECT msg_id FROM pgmq.set_vt('one', 11, 0, 0);
	SELECT msg_id FROM pgmq.set_vt('one', 11, now()); SELECT msg_id FROM pgmq.set_vt('one', 11, now(), 0);
	SELECT msg_id FROM pgmq.set_vt('one', ARRAY[11], 0); SELECT msg_id FROM pgmq.set_vt('one', ARRAY[11], 0, ARRAY[0]);
	SELECT msg_id FROM pgmq.set_vt('one', ARRAY[11], now()); SELECT msg_id FROM pgmq.set_vt('one', ARRAY[11], now(), ARRAY[0]);
	SELECT pgmq.nack('one', 11), pgmq.nack('one', 11, 0), pgmq.nack('one', 11, 0, 5);
	SELECT pgmq.nack('one', ARRAY[11]); SELECT pgmq.nack('one', ARRAY[11], 0);
	SELECT pgmq.nack('one', ARRAY[11], ARRAY[0]); SELECT pgmq.nack('one', ARRAY[11], 0, ARRAY[5]);
	SELECT pgmq.nack('one', ARRAY[11], ARRAY[0], ARRAY[0]);
	SELECT pgmq.set_policy('one', '{"max_reads": 5, "dead_letter_queue": "two"}'), pgmq.get_policy('one');
	SELECT pgmq.dead_letter('one', 11, 'bad'), pgmq.dead_letter('one', 12, 'bad', 0);
	SELECT pgmq.dead_letter('one', ARRAY[13], 'bad'); SELECT pgmq.dead_letter('one', ARRAY[14], 'bad', ARRAY[0]);
	SELECT pgmq.redrive('two', 1), pgmq.redrive('two', 1, '{"to_queue": "four"}');
	SELECT pgmq.forward('one', 15, 'four', '"on"', NULL, 0);
	SELECT pgmq.pause('one', 'infinity'); SELECT count(*) FROM pgmq.read('one', 0, 1); SELECT pgmq.resume('one');
	CALL pgmq.maintain();
	SELECT pgmq.create_fifo_index('four'), pgmq._create_fifo_index_if_not_exists('three'), pgmq.create_fifo_indexes_all();
	SELECT pgmq.send('four', to_jsonb(n), jsonb_build_object('x-pgmq-group', n % 3)) FROM generate_series(1, 9) n;
	SELECT msg_id FROM pgmq.read_grouped('four', 0, 3); SELECT msg_id FROM pgmq.read_grouped_with_poll('four', 0, 3, 1);
	SELECT msg_id FROM pgmq.read_grouped_rr('four', 0, 3); SELECT msg_id FROM pgmq.read_grouped_rr_with_poll('four', 0, 3, 1);
	SELECT msg_id FROM pgmq.read_grouped_head('four', 0, 3); SELECT msg_id FROM pgmq.read_grouped_head_with_poll('four', 0, 3, 1);
	SELECT pgmq.validate_topic_pattern('a.*'), pgmq.validate_routing_key('a.b'), pgmq.validate_queue_name('x');
	SELECT pgmq.bind_topic('a.*', 'three'), pgmq.bind_topic('a.#', 'four');
	SELECT * FROM pgmq.test_routing('a.b') ORDER BY 1;
	SELECT pgmq.send_topic('a.b', '1'), pgmq.send_topic('a.b', '1', 0), pgmq.send_topic('a.b', '1', '{}', 0);
	SELECT * FROM pgmq.send_batch_topic('a.b', '{1}'); SELECT * FROM pgmq.send_batch_topic('a.b', '{1}', 0);
	SELECT * FROM pgmq.send_batch_topic('a.b', '{1}', now()); SELECT * FROM pgmq.send_batch_topic('a.b', '{1}', '{"{}"}'::jsonb[]);
	SELECT * FROM pgmq.send_batch_topic('a.b', '{1}', '{"{}"}'::jsonb[], 0); SELECT * FROM pgmq.send_batch_topic('a.b', '{1}', '{"{}"}'::jsonb[], now());
	SELECT pattern, queue_name FROM pgmq.list_topic_bindings() ORDER BY 1; SELECT pattern FROM pgmq.list_topic_bindings('three');
	SELECT pgmq.unbind_topic('a.*', 'three');
	SELECT pgmq.enable_notify_insert('one', 500), pgmq.update_notify_insert('one', 0);
	SELECT queue_name, throttle_interval_ms FROM pgmq.list_notify_insert_throttles();
	LISTEN "pgmq.q_one.INSERT"; SELECT pgmq.send('one', '99'); UNLISTEN *; SELECT pgmq.disable_notify_insert('one');
	SELECT queue_name, queue_length, queue_visible_length, total_messages FROM pgmq.metrics('one');
	SELECT queue_name, queue_length, queue_visible_length, total_messages FROM pgmq.metrics_all() ORDER BY 1;
	SELECT queue_name, waiting, net_finds FROM pgmq.engine_status() ORDER BY 1;
	SELECT queue_name, is_partitioned, is_unlogged FROM pgmq.list_queues() ORDER BY 1;
	SELECT pgmq.format_table_name('One', 'q'), pgmq._belongs_to_pgmq('meta'), pgmq._get_partition_col('5'),
		pgmq._extension_exists('plpgsql'), pgmq._get_pg_partman_schema() IS NULL, pgmq._get_pg_partman_major_version() IS NULL;
	SELECT pgmq._ensure_pg_partman_installed();
	SELECT pgmq.create_partitioned('five', '0');
	SELECT pgmq.convert_archive_partitioned('one', '0');
	SELECT pgmq.acquire_queue_lock('one'), pgmq.detach_archive('one');
	SELECT pgmq.convert_queue('one'); SELECT pgmq.convert_queues('{one}'); SELECT pgmq.convert_queues_all();
	SELECT pgmq.purge_queue('one'), pgmq.drop_queue('one'), pgmq.drop_queue('two', false), pgmq.drop_queue('three'), pgmq.drop_queue('four');
};

# Those that the calls above have reached, or cannot reach: an error is not
# counted, and two are triggers.
my $missed = q{
	SELECT p.oid::regprocedure FROM pg_proc p
	WHERE p.pronamespace = 'pgmq'::regnamespace AND p.probin = '$libdir/pgmq_c'
	AND NOT EXISTS (SELECT FROM pg_stat_user_functions s WHERE s.funcid = p.oid)
	AND p.proname NOT IN ('_ensure_pg_partman_installed', 'create_partitioned', 'convert_archive_partitioned')
	ORDER BY 1};

my $root = abs_path(dirname(__FILE__) . '/../..');
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $libdir = `$pg_config --pkglibdir`;
chomp $libdir;

plan skip_all => 'needs a server of its own: its folders are not writable'
  unless share_is_private() && -w $libdir;

# Libraries: today's, the old one, and the old one with another layout of the
# shared memory.
my $alone = PostgreSQL::Test::Utils::tempdir();
my %library = (new => "$alone/new.so");

copy("$libdir/pgmq_c.so", $library{new}) or die "copy of pgmq_c.so: $!";

sub build
{
	my ($name) = @_;

	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES COPT)};
	system_log('make', '-s', '-C', "$alone/$name", "PG_CONFIG=$pg_config", 'with_llvm=no', 'all') == 0
	  or die "version $first does not build";
	$library{$name} = "$alone/$name/pgmq_c.so";
	return;
}

# Put a library into the server's folder as an installation would: a new file
# in the place of the old one.
sub install
{
	my ($name) = @_;

	copy($library{$name}, "$libdir/pgmq_c.so.new") or die "copy: $!";
	chmod 0755, "$libdir/pgmq_c.so.new";
	rename("$libdir/pgmq_c.so.new", "$libdir/pgmq_c.so") or die "rename: $!";
	return;
}

END
{
	my $rc = $?;

	install('new') if defined $alone && -e $library{new};
	$? = $rc;
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "track_functions = 'all'");
$node->start;
my $current = $node->safe_psql('postgres',
	q{SELECT default_version FROM pg_available_extensions WHERE name = 'pgmq_c'});
my $dsm = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;

if (-d "$root/test/data/$first/src")
{
	system_or_bail('cp', '-R', "$root/test/data/$first", "$alone/old");
	build('old');
}
if ($dsm && $library{old})
{
	system_or_bail('cp', '-R', "$alone/old", "$alone/foreign");
	my $text = slurp_file("$alone/foreign/src/shmem.c");

	$text =~ s/(#define SEGMENT_LAYOUT\s+)\d+/${1}999/ or die 'src/shmem.c has changed';
	unlink "$alone/foreign/src/shmem.c", "$alone/foreign/src/shmem.o";
	append_to_file("$alone/foreign/src/shmem.c", $text);
	build('foreign');
}

sub preload
{
	my ($name, $preload) = @_;

	install($name) if $name;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . ($preload ? 'pgmq_c' : '') . "'");
	$node->restart;
	return;
}

sub database
{
	my ($db, $version) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION pgmq_c VERSION '$version'") if $version;
	return;
}

# All calls, in one session each.
sub each_function
{
	my ($db) = @_;
	my ($rc, $out, $err) = $node->psql($db, $each, on_error_stop => 0);

	$err =~ s/^psql:<stdin>:\d+: //mg;
	# a newer library may hint where an older one did not
	$err =~ s/^HINT:.*\n//mg;
	$out =~ s/received from server process with PID \d+/received/;
	return "$out\n$err";
}

my $restart = qr/ERROR:  55000: an earlier version of the library of "pgmq_c" is loaded/;
my $serial = 0;

foreach my $preload (0, 1)
{
	my $mode = $preload ? 'preloaded' : 'not preloaded';
	my $expected;

	# The new library with old SQL
	preload('new', $preload);
	my $db = 'sql' . ++$serial;

	database($db, $first);
	my $got = each_function($db);

	unlike($got, qr/XX000|42883|server closed|could not/, "$mode, new library, old SQL: no function is missing");
	$node->restart;    # which writes the statistics of the sessions before
	is($node->safe_psql($db, $missed), '', "$mode, new library, old SQL: every function was called");
	database("life$serial", $first);
	life_fill($node, "life$serial");
	life_goes_on($node, "life$serial", "$mode, new library, old SQL");

	next unless $library{old};

	# The old library with old SQL is what that is to be compared with
	preload('old', $preload);
	$db = 'sql' . ++$serial;
	database($db, $first);
	life_is_same($got, each_function($db), "$mode, new library, old SQL: says what the old one said");

	# New files, while the old library is in memory
	database("life$serial", $first);
	life_fill($node, "life$serial");
	my $session = life_session($node, "life$serial");
	my $queue = q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'jobs'};

	like(life_ask($session, q{SELECT pgmq.send('jobs', '"old"')}), qr/^\d+$/, "$mode: a session with the old library");
	install('new');
	like(life_ask($session, 'ALTER EXTENSION pgmq_c UPDATE'), $restart, "$mode, old library in memory: no update");
	like(life_ask($session, $queue), qr/^(on|no shared memory)$/, "$mode, old library in memory: goes on");
	if ($preload)
	{
		my ($rc, $out, $err) = $node->psql("life$serial",
			"\\set VERBOSITY verbose\nALTER EXTENSION pgmq_c UPDATE");
		like($err, $restart, "$mode, old library in memory: no update by a new session");
		database('anew');
		($rc, $out, $err) = $node->psql('anew', "\\set VERBOSITY verbose\nCREATE EXTENSION pgmq_c");
		like($err, $restart, "$mode, old library in memory: no new installation");
		database("again$serial", $first);
		life_is_same(each_function("again$serial"), $got,
			"$mode, old library in memory: every function goes on");
		$node->safe_psql('postgres', "DROP DATABASE anew");
		life_end($session);
		$node->restart;
		$node->safe_psql("life$serial", 'ALTER EXTENSION pgmq_c UPDATE');
	}
	else
	{
		# This session has the new one: both work on the same queues.
		my $new = life_session($node, "life$serial");
		my $take = q{SELECT pgmq.delete('jobs', array_agg(msg_id)) IS NOT NULL FROM pgmq.read('jobs', 30, 1)};

		is(life_ask($new, 'ALTER EXTENSION pgmq_c UPDATE'), '', "$mode: a new session updates");
		my $both = join ',', map { (life_ask($session, $take), life_ask($new, $take)) } 1 .. 20;

		is($both, join(',', ('t') x 40), "$mode: two libraries read one queue");
		my $id = life_ask($session, q{SELECT pgmq.send('empty', '1')});
		is(life_ask($new, q{SELECT msg_id FROM pgmq.read('empty', 0, 1)}), $id, "$mode: from the old to the new");
		life_ask($new, "SELECT pgmq.delete('empty', $id)");
		life_begin($session, q{SELECT msg_id FROM pgmq.read_with_poll('empty', 0, 1, 60, 50)});
		$id = life_ask($new, q{SELECT pgmq.send('empty', '2')});
		is(life_result($session), $id, "$mode: from the new to the old that waits");
		life_ask($new, "SELECT pgmq.delete('empty', $id)");
		like(
			life_ask($session, "SELECT pgmq.grant_queue('jobs', 'life_reader', 'read')"),
			qr/^$|ERROR:  42883: could not find function/,
			"$mode: what is new, with the old library");
		is(life_ask($_, $queue), 'no shared memory', "$mode: they lay out the memory differently, and go without")
		  foreach $session, $new;
		life_end($session, $new);
		is($node->safe_psql("life$serial", q{SELECT sum(net_finds) FROM pgmq.engine_status()}),
			0, "$mode: nothing was hidden");
		$node->safe_psql("life$serial",
			q{SELECT pgmq.drop_queue('jobs'); SELECT pgmq.drop_queue('empty')});
	}
	is( $node->safe_psql("life$serial", q{SELECT extversion FROM pg_extension WHERE extname = 'pgmq_c'}),
		$current, "$mode: updated");
	database("today$serial", $current);
	life_fill($node, "today$serial");
	life_goes_on($node, "today$serial", "$mode, after the update");
}

# Each version's script refuses the library of the one before, from which a new
# function may be all that has changed.
foreach my $before (grep { -d "$root/test/data/$_/src" } @later)
{
	system_or_bail('cp', '-R', "$root/test/data/$before", "$alone/$before");
	build($before);
	preload($before, 0);
	database("before$serial", $first);
	my $session = life_session($node, "before$serial");

	is(life_ask($session, "ALTER EXTENSION pgmq_c UPDATE TO '$before'"), '', "library of $before: its own script");
	install('new');
	like(life_ask($session, 'ALTER EXTENSION pgmq_c UPDATE'), $restart, "library of $before: not the newest");
	my $new = life_session($node, "before$serial");
	is(life_ask($new, 'ALTER EXTENSION pgmq_c UPDATE'), '', "library of $before: which a new session runs");
	life_end($session, $new);
}

# Two layouts of the shared memory in one server: both go without it.
SKIP:
{
	skip 'no two layouts can meet here', 4 unless $dsm && $library{foreign};

	foreach my $order ([ 'new', 'foreign' ], [ 'foreign', 'new' ])
	{
		my $name = join ' before ', @$order;

		preload($order->[0], 0);
		my $db = 'layout' . ++$serial;
		database($db, $first);
		$node->safe_psql($db, q{SELECT pgmq.create('q')});
		my $queue = q{SELECT due_map FROM pgmq.engine_status()};
		my $early = life_session($node, $db);

		life_ask($early, q{SELECT pgmq.send('q', '1'); SELECT msg_id FROM pgmq.read('q', 0, 1)});
		is(life_ask($early, $queue), 'on', "$name: the first has the memory");
		install($order->[1]);
		my $late = life_session($node, $db);

		is(life_ask($late, q{SELECT pgmq.send('q', '2'); SELECT msg_id FROM pgmq.read('q', 0, 9)}),
			"2\n1\n2", "$name: the second sees all messages");
		is(life_ask($_, $queue), 'no shared memory', "$name: both do without it") foreach $early, $late;
		is(life_ask($early, q{SELECT msg_id FROM pgmq.read('q', 0, 9)}), "1\n2", "$name: the first sees all messages");
		life_begin($early, q{SELECT msg_id FROM pgmq.read_with_poll('q', 0, 1, 60, 50, '{"a": 1}')});
		life_ask($late, q{SELECT pgmq.send('q', '{"a": 1}')});
		is(life_result($early), 3, "$name: a message reaches who waits");
		life_end($early, $late);
	}
}

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash');
$node->stop;
done_testing();
