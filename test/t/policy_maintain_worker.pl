
# The maintenance worker: does its round unasked, in each database of its
# setting, with the rights of the queues' owners only; shows what it is;
# outlives what goes wrong; and ends with the server.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.maintain_database = 'one, "Two", late'
pgmq_c.maintain_interval = 1
});
$node->start;
$node->safe_psql('postgres', $_)
  for ('CREATE DATABASE one', 'CREATE DATABASE "Two"');

sub workers
{
	my ($where) = @_;

	return "SELECT count(*) FROM pg_stat_activity"
	  . " WHERE backend_type = 'pgmq_c maintenance' AND $where";
}

# A queue with one message that has expired and one that has not, whose
# deletions tell who does them.
my $expired = q{
	INSERT INTO pgmq.q_jobs (message, enqueued_at)
	VALUES ('1', now() - interval '1 hour'), ('2', now())};
my $setup = qq{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('jobs');
	SELECT pgmq.set_policy('jobs', '{"ttl": 600}');
	CREATE TABLE told (who text);
	GRANT ALL ON told TO PUBLIC;
	CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.told VALUES (current_user || '' for '' || session_user); RETURN OLD; END';
	CREATE TRIGGER tell AFTER DELETE ON pgmq.q_jobs FOR EACH ROW EXECUTE FUNCTION tell();
	ALTER TABLE pgmq.q_jobs OWNER TO clerk;
	GRANT USAGE ON SCHEMA pgmq TO clerk;
	$expired};

# A database without the extension is no trouble, and one with it is served.
$node->safe_psql('postgres', 'CREATE ROLE clerk');
ok($node->poll_query_until('postgres', workers("datname IN ('one', 'Two')"), 2),
	'a worker for each database');
for my $db ('one', 'Two')
{
	$node->safe_psql($db, $setup);
	ok($node->poll_query_until($db, "SELECT count(*) = 1 FROM pgmq.q_jobs"),
		"$db: what has expired is dropped");
	is($node->safe_psql($db, 'SELECT message FROM pgmq.q_jobs'),
		'2', "$db: nothing else is");
	my $superuser = $node->safe_psql($db,
		"SELECT rolname FROM pg_roles WHERE oid = 10");
	is($node->safe_psql($db, 'SELECT who FROM told'),
		"clerk for $superuser", "$db: by the owner's rights");
}
is( $node->safe_psql(
		'postgres', q{SELECT DISTINCT application_name FROM pg_stat_activity
		WHERE backend_type = 'pgmq_c maintenance' AND datname = 'Two'}),
	'pgmq_c maintenance of Two',
	'it says what it does');

# A database that comes later is waited for, of which the log has one line.
ok( $node->poll_query_until('postgres', workers("datname IS NULL AND application_name = 'pgmq_c maintenance of late'"), 1),
	'a worker without a database waits');
$node->safe_psql('postgres', 'CREATE DATABASE late');
$node->safe_psql('late', $setup);
ok($node->poll_query_until('late', "SELECT count(*) = 1 FROM pgmq.q_jobs"),
	'a database that was missing');
my @missing = slurp_file($node->logfile) =~ /database "late" does not exist/g;
is(scalar(@missing), 1, 'was named once');

# An error in one queue is a warning, and the worker goes on.
my $log = -s $node->logfile;
$node->safe_psql(
	'one', qq{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN RAISE EXCEPTION ''no deletions today''; END';
	SELECT pgmq.create('held');
	SELECT pgmq.set_policy('held', '{"ttl": 600}');
	CREATE TRIGGER refuse BEFORE DELETE ON pgmq.q_held FOR EACH ROW EXECUTE FUNCTION refuse();
	INSERT INTO pgmq.q_held (enqueued_at) VALUES ('-infinity')});
my $pid = $node->safe_psql('one',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgmq_c maintenance' AND datname = 'one'");
$node->wait_for_log(
	qr/WARNING: .*cannot delete expired messages of queue "held": no deletions today/,
	$log);
$node->safe_psql('one', $expired);
ok($node->poll_query_until('one', "SELECT count(*) = 2 FROM pgmq.q_jobs"),
	'other queues are served');
is($node->safe_psql('one', workers("pid = $pid")), 1, 'by the same worker');

# Between its rounds it holds no snapshot and no lock.
ok( $node->poll_query_until('one', workers("pid = $pid AND state = 'idle' AND backend_xmin IS NULL AND backend_xid IS NULL"), 1),
	'it is idle');

# Ended by somebody, it is back.
$node->safe_psql('one', "SELECT pg_terminate_backend($pid)");
ok( $node->poll_query_until('one', workers("datname = 'one' AND pid <> $pid"), 1),
	'it is started again');

# The extension dropped under it, and made again.
$node->safe_psql('Two', 'DROP EXTENSION pgmq_c CASCADE; DROP SCHEMA IF EXISTS pgmq CASCADE');
$node->safe_psql('Two', 'DROP TABLE told; DROP FUNCTION tell()');
$node->safe_psql('Two', $setup);
ok($node->poll_query_until('Two', "SELECT count(*) = 1 FROM pgmq.q_jobs"),
	'a new extension is served');

# The worker ignores settings that the database has for its sessions.
$node->safe_psql(
	'postgres', q{
	ALTER DATABASE one SET default_transaction_read_only = on;
	ALTER DATABASE one SET statement_timeout = 1;
	ALTER DATABASE one SET lock_timeout = 1;
	ALTER DATABASE one SET idle_in_transaction_session_timeout = 1;
	ALTER DATABASE one SET exit_on_error = on;
	ALTER DATABASE one SET role = 'clerk';
	ALTER DATABASE one SET default_transaction_isolation = 'serializable'});
my $since17 = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
$node->safe_psql('postgres', 'ALTER DATABASE one SET transaction_timeout = 1') if $since17;
$node->restart;
ok($node->poll_query_until('postgres', workers("datname = 'one'"), 1), 'connected with them');
$node->safe_psql('postgres', 'ALTER DATABASE one RESET ALL');
$node->safe_psql('one', $expired);
ok( $node->poll_query_until('one', "SELECT count(*) = 3 FROM pgmq.q_jobs"),
	'settings of the database');
$node->safe_psql(
	'one', q{
	CREATE FUNCTION settings() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.told SELECT string_agg(name || ''='' || setting, '' '' ORDER BY name) FROM pg_settings
		WHERE (name ~ ''_timeout$'' OR name IN (''exit_on_error'', ''role'')) AND source IN (''override'', ''database'') AND setting <> boot_val;
	RETURN NULL; END';
	SELECT pgmq.create('super');
	SELECT pgmq.set_policy('super', '{"ttl": 60}');
	TRUNCATE told;
	CREATE TRIGGER settings AFTER DELETE ON pgmq.q_super FOR EACH ROW EXECUTE FUNCTION settings();
	INSERT INTO pgmq.q_super (enqueued_at) VALUES ('-infinity')});
ok($node->poll_query_until('one', 'SELECT count(*) = 1 FROM told'),
	'a role that is set hides no queue');
is($node->safe_psql('one', 'SELECT who FROM told'), '', 'no timeout is left, and no exit');

# A list that is not valid gives a message, and counts as empty.
$node->append_conf('postgresql.conf', q{pgmq_c.maintain_database = 'one,,two'});
$node->restart;
like(
	slurp_file($node->logfile),
	qr/WARNING: .*invalid value for parameter "pgmq_c.maintain_database": "one,,two"/,
	'a list with a hole is refused');
is($node->safe_psql('postgres', workers('true')), 0, 'no database, no worker');

done_testing();
