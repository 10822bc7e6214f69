
# Databases that are copied, renamed, moved and dropped while queues are in
# use: each has queues of its own, whatever the map knows of another that had
# or has the same tables.  Tablespaces.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "max_connections = 40\nfsync = off");
$node->start;

my $dir = $node->basedir;
mkdir "$dir/$_" or die foreach 'fast', 'slow';
$node->safe_psql('postgres', "CREATE TABLESPACE $_ LOCATION '$dir/$_'") foreach 'fast', 'slow';

sub sql { return $node->safe_psql(@_) }
sub ids { return sql($_[0], "SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('" . ($_[1] // 'q') . "', 600, 100)") }

# Reads twice, so that the map knows that there is nothing.
sub exhausted { ids(@_); return ids(@_) eq '' }

# A session that waits for a message, and what it got
sub waiter
{
	my ($db, $seconds) = @_;
	my $w = { out => '', err => '' };
	my $name = "waiter_$db";
	$w->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($db) . " application_name=$name", '-c',
			"SELECT msg_id FROM pgmq.read_with_poll('q', 600, 1, $seconds, 100)" ],
		'>', \$w->{out}, '2>', \$w->{err});
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = '$name' AND query LIKE '%poll%' AND state = 'active'");
	return $w;
}

sub got { my ($w) = @_; $w->{run}->finish; chomp $w->{out}; return "$w->{out}$w->{err}" }

foreach my $preload ('', 'pgmq_c')
{
	my $name = $preload ? 'with the map' : 'without';
	my $on = $preload || $node->pg_version >= 17 ? 'on' : 'no shared memory';

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->restart;

	# A copy has messages of its own, under the same OIDs.
	sql('postgres', 'CREATE DATABASE source');
	sql('source', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('q'); SELECT pgmq.send('q', to_jsonb(n)) FROM generate_series(1, 3) n});
	is(sql('source', q{SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('q', 600, 2)}), '1 2', "$name: a database with messages in flight");
	sql('postgres', 'CREATE DATABASE copy TEMPLATE source');
	is(ids('copy'), '3', "$name: a copy has what was not in flight");
	is(ids('copy'), '', "$name: .. once");
	is(ids('source'), '3', "$name: .. and the other has it, too");
	ok(exhausted('source'), "$name: .. once");
	is(sql('copy', q{SELECT pgmq.send('q', '4')}), '4', "$name: ids go on in the copy");
	is(ids('source'), '', "$name: .. and nothing comes of it in the other");
	is(sql('source', q{SELECT due_map FROM pgmq.engine_status()}), $on, "$name: .. which has its map");
	is(ids('copy'), '4', "$name: .. but where it was sent");
	my $w = waiter('source', 60);
	sql('copy', q{SELECT pgmq.send('q', '5')});
	is(sql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiter_source'}), 1, "$name: who waits there is not woken from here");
	sql('source', q{SELECT pgmq.send('q', '"for the waiter"')});
	is(got($w), '4', "$name: .. but from there");
	is(ids('copy'), '5', "$name: .. and the copy has its own");

	# Dropped while somebody waits elsewhere, and copied again
	ok(exhausted('copy'), "$name: the copy is empty");
	$w = waiter('source', 60);
	sql('postgres', 'DROP DATABASE copy');
	sql('source', q{SELECT pgmq.send('q', '5')});
	is(got($w), '5', "$name: a dropped database is none of the others' business");
	sql('source', q{SELECT pgmq.send('q', '6')});
	sql('postgres', 'CREATE DATABASE copy TEMPLATE source');
	is(ids('copy'), '6', "$name: a new copy");
	my $oid = sql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'copy'});
	ok(exhausted('copy'), "$name: is read");
	sql('postgres', "DROP DATABASE copy; CREATE DATABASE copy OID $oid TEMPLATE source");
	is(ids('copy'), '6', "$name: another copy under the same OID");

	# Dropped under those who wait in it
	$w = waiter('copy', 60);
	sql('postgres', 'DROP DATABASE copy WITH (FORCE)');
	like(got($w), qr/terminating connection/, "$name: who waits in a database that is dropped is told");
	is(sql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiter_copy'}), 0, "$name: .. and gone");

	# Renamed
	is(ids('source'), '6', "$name: before a rename");
	ok(exhausted('source'), "$name: .. all is read");
	sql('source', q{SELECT pgmq.send('q', '7')});
	sql('postgres', 'ALTER DATABASE source RENAME TO renamed');
	is(ids('renamed'), '7', "$name: after it");

	# Moved as a whole
	ok(exhausted('renamed'), "$name: .. all is read");
	sql('renamed', q{SELECT pgmq.set_vt('q', 2, 0)});
	sql('postgres', 'ALTER DATABASE renamed SET TABLESPACE fast');
	is(ids('renamed'), '2', "$name: after the move to another tablespace");
	is(sql('renamed', q{SELECT due_map, net_finds FROM pgmq.engine_status()}), "$on|0", "$name: .. the map is right");

	# Queues in tablespaces
	is(sql('renamed', q{
		SET default_tablespace = slow; SET temp_tablespaces = slow;
		SELECT pgmq.create('slow'), pgmq.set_policy('slow', '{"dedup_window": 60}');
		SELECT string_agg(DISTINCT coalesce(spcname, 'default'), ' ') FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace
		WHERE relname ~ '^[qa]_slow$' OR relname ~ '^q_slow_pkey'}), "|{\"dedup_window\": 60}\nslow",
		"$name: default_tablespace holds for queues");
	is(sql('renamed', q{SELECT pgmq.send('slow', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb)}), '1', "$name: sent there");
	sql('renamed', 'ALTER TABLE pgmq.q_slow SET TABLESPACE pg_default; ALTER INDEX pgmq.q_slow_pkey SET TABLESPACE fast');
	is(ids('renamed', 'slow'), '1', "$name: and read after the move");
	ok(exhausted('renamed', 'slow'), "$name: .. once");
	sql('renamed', q{SELECT pgmq.drop_queue('slow')});

	# Many databases
	my @many = map { "many$_" } 1 .. ($preload ? 3 : 1);
	sql('postgres', "CREATE DATABASE $_ TEMPLATE renamed") foreach @many;
	sql($_, q{SELECT pgmq.set_vt('q', 1, 0)}) foreach @many;
	is(join(' ', map { ids($_) } @many), join(' ', (1) x @many), "$name: many databases, each with its own");
	is(join('', map { ids($_) } @many, 'renamed'), '', "$name: .. once");
	is(sql($_, q{SELECT due_map, net_finds FROM pgmq.engine_status()}), "$on|0", "$name: $_") foreach @many;
	sql('postgres', "DROP DATABASE $_") foreach @many, 'renamed';
}

done_testing();
