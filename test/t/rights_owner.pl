
# Rights that need more than one session or one database: the owners of what is
# installed, the grants that a dump keeps, waiting, and what listeners hear.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('security');
$node->init(auth_extra => [ '--create-role', 'builder,stranger,app' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'");
$node->start;
$node->safe_psql('postgres',
	'CREATE ROLE builder LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE app LOGIN');

# The output of SQL, and its error, as a role
sub as
{
	my ($role, $db, $sql) = @_;
	my ($out, $err);

	$node->psql($db, $sql, extra_params => [ '-U', $role ], stdout => \$out, stderr => \$err);
	return ($out, $err);
}

# A database's owner, who is no superuser, installs the extension: all of it is
# his, by way of 1.0.0 or not, and he can grant on what he makes.
my $owners = q{
	SELECT DISTINCT pg_get_userbyid(owner) FROM (
		SELECT proowner FROM pg_proc WHERE pronamespace = 'pgmq'::regnamespace
		UNION ALL SELECT relowner FROM pg_class WHERE relnamespace = 'pgmq'::regnamespace
		UNION ALL SELECT typowner FROM pg_type WHERE typnamespace = 'pgmq'::regnamespace
		UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'pgmq') AS o (owner)};
foreach my $version ('1.2.0', '1.0.0')
{
	my $db = 'own_' . ($version =~ s/\.//gr);

	$node->safe_psql('postgres', "CREATE DATABASE $db OWNER builder");
	my ($out, $err) = as('builder', $db,
		"CREATE EXTENSION pgmq_c VERSION '$version'; ALTER EXTENSION pgmq_c UPDATE;");
	unlike($err, qr/ERROR/, "$version: a plain role installs it");
	is($node->safe_psql($db, $owners), 'builder', "$version: everything is his");
	($out, $err) = as('builder', $db,
		"SELECT pgmq.create('mine'); SELECT pgmq.grant_queue('mine', 'app', 'send', 'read')");
	is($err, '', "$version: he grants privileges on his queue");
	($out, $err) = as('app', $db,
		"SELECT pgmq.send('mine', '1'); SELECT message FROM pgmq.read('mine', 30, 1)");
	is($out, "1\n1", "$version: which are good");
	($out, $err) = as('app', $db, "SELECT pgmq.grant_queue('mine', 'stranger', 'read')");
	like($err, qr/permission denied for table q_mine/, "$version: but not to be granted on");
	($out, $err) = as('stranger', $db, "SELECT pgmq.read('mine', 30, 1)");
	like($err, qr/permission denied for schema pgmq/, "$version: others do not even see the schema");
}

# A dump keeps what was granted, as it keeps GRANT.
my $acl = q{
	SELECT relname, NULL, relacl FROM pg_class WHERE relname ~ '^[qa]_mine'
	UNION ALL SELECT attrelid::regclass::text, attname, attacl FROM pg_attribute
	WHERE attrelid::regclass::text ~ '^pgmq\.[qa]_mine' AND attacl IS NOT NULL ORDER BY 1, 2};
as('builder', 'own_120', q{SELECT pgmq.set_policy('mine', '{"dedup_window": 3600}');
	SELECT pgmq.send('mine', '1'); SELECT pgmq.send('mine', '1', '{"x-pgmq-dedup-id": "once"}'::jsonb)});
$node->safe_psql('own_120', "SELECT pgmq.grant_queue('mine', 'app', 'inspect', 'manage'),"
	  . " pgmq.grant_queue('mine', 'public', 'send'), pgmq.revoke_queue('mine', 'app', 'manage')");
$node->safe_psql('postgres', 'CREATE DATABASE restored OWNER builder');
$node->command_ok(
	[ 'pg_dump', '-Fc', '-f', $node->basedir . '/dump', '-d', $node->connstr('own_120') ],
	'the database is dumped');
$node->command_ok(
	[ 'pg_restore', '-d', $node->connstr('restored'), $node->basedir . '/dump' ],
	'and restored');
is($node->safe_psql('restored', $acl), $node->safe_psql('own_120', $acl),
	'with all privileges');
my ($out, $err) = as('app', 'restored', "SELECT count(*) FROM pgmq.read('mine', 30, 9)");
is($err, '', 'which are good there');

# .. and the tables that belong to a queue, though the extension now belongs to
# the role that restored it.  The owner of the extension's tables before was the
# queue's, too.
($out, $err) = as('builder', 'restored', q{
	SELECT pgmq.send('mine', '1', '{"x-pgmq-dedup-id": "once"}'::jsonb);
	SELECT pgmq.send('mine', '1', '{"x-pgmq-dedup-id": "new"}'::jsonb);
	SELECT pgmq.set_policy('mine', '{"dedup_window": 9000}');
	SELECT pgmq.send('mine', '1', '{"x-pgmq-dedup-id": "once"}'::jsonb);
	CALL pgmq.maintain()});
is("$out $err", qq{3\n4\n{"dedup_window": 9000}\n3 }, 'ids against duplicates are known there');
is( $node->safe_psql('restored', q{SELECT pgmq.drop_queue('mine');
		SELECT count(*) FROM pg_class WHERE relname ~ '^d[0-2]_mine'}),
	"t\n0", 'and go with their queue');

# A stranger cannot wait where there is nothing to read, and so no statement
# that would refuse.
my $db = 'own_120';
$node->safe_psql($db, "GRANT USAGE ON SCHEMA pgmq TO stranger; SELECT pgmq.create('empty');"
	  . " SELECT count(*) FROM pgmq.read('empty', 30, 1)");
is($node->safe_psql($db, "SELECT due_map, pieces FROM pgmq.engine_status() WHERE queue_name = 'empty'"),
	'on|0', 'the map says that nothing is due');
foreach my $call (
	'SELECT pgmq.read(%s, 30, 1)',
	'SELECT pgmq.pop(%s)',
	'SELECT pgmq.read_with_poll(%s, 30, 1, 100, 100000)',
	'SELECT pgmq.read_grouped_with_poll(%s, 30, 1, 100, 100000)',
	'SELECT pgmq.read_grouped_rr_with_poll(%s, 30, 1, 100, 100000)',
	'SELECT pgmq.read_grouped_head_with_poll(%s, 30, 1, 100, 100000)',
	'SELECT pgmq.read_any_with_poll(ARRAY[%s], 30, 1, 100, 100000)',
	'CALL pgmq.wait(%s, 100)')
{
	my $begin = time;
	my $sql = sprintf($call, "'empty'");

	($out, $err) = as('stranger', $db, $sql);
	ok( $err =~ /permission denied for table q_empty/ && time - $begin < 50,
		"refused at once: $sql") or diag($err);
}
is($node->safe_psql($db, "SELECT sum(waiting) FROM pgmq.engine_status()"), '0', 'nobody waits');

# Every role that can connect hears that something was sent, and not what.
$node->safe_psql($db, "SELECT pgmq.enable_notify_insert('mine', 0)");
$out = $node->safe_psql($db, q{
	SET ROLE stranger;
	LISTEN "pgmq.q_mine.INSERT";
	RESET ROLE;
	SELECT count(*) FROM pgmq.send('mine', '"secret"')});
like($out, qr/^1\nAsynchronous notification "pgmq.q_mine.INSERT" received from server process with PID \d+\.$/,
	'any role can listen, and hears no more than a name');

$node->stop;
done_testing();
