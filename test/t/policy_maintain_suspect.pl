
# A trigger that ends the session that maintains, by an error that is FATAL,
# holds up its own queue and no other: neither the worker's rounds nor CALL.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use FindBin;
use lib $FindBin::RealBin;
use PgmqClock;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.maintain_database = 'worked'
pgmq_c.maintain_interval = 1
pgmq_c.maintain_time_limit = 3
});
start_with_clock($node);

# Mallory owns two queues and can do this: any role may set exit_on_error, and
# since 17 also transaction_timeout. An earlier CALL of mallory's own does not
# hide which queue was in hand.
my $timeout = $node->safe_psql('postgres',
	"SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'");
my $ending = "PERFORM set_config('exit_on_error', 'on', true); RAISE EXCEPTION 'that was all';";
my $timing = $timeout
  ? "PERFORM set_config('transaction_timeout', '10', true); PERFORM pg_sleep(60);"
  : $ending;
my $setup = qq{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create(q) FROM unnest('{a_bad,a_dead,b_bad,jobs}'::text[]) q;
	ALTER TABLE pgmq.q_a_bad OWNER TO mallory;
	ALTER TABLE pgmq.q_a_dead OWNER TO mallory;
	ALTER TABLE pgmq.q_b_bad OWNER TO mallory;
	GRANT USAGE ON SCHEMA pgmq TO mallory;
	CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN CALL pgmq.maintain(); @{[$ending =~ s/'/''/gr]} END';
	CREATE FUNCTION times() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN @{[$timing =~ s/'/''/gr]} RETURN NEW; END';
	CREATE TRIGGER times AFTER INSERT ON pgmq.q_a_dead FOR EACH ROW EXECUTE FUNCTION times();
	CREATE TRIGGER ends AFTER DELETE ON pgmq.q_b_bad FOR EACH ROW EXECUTE FUNCTION ends();
	INSERT INTO pgmq.q_a_bad (enqueued_at) VALUES ('-infinity');
	INSERT INTO pgmq.q_b_bad (enqueued_at) VALUES ('-infinity');
	INSERT INTO pgmq.q_jobs (enqueued_at) VALUES ('-infinity');
	SELECT pgmq.set_policy('a_bad', '{"ttl": 60, "expired": "dead_letter", "dead_letter_queue": "a_dead"}');
	SELECT pgmq.set_policy('b_bad', '{"ttl": 60}');
	SELECT pgmq.set_policy('jobs', '{"ttl": 60}')};
$node->safe_psql('postgres', 'CREATE ROLE mallory');
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'worked', 'called';

my $log = -s $node->logfile;
$node->safe_psql('worked', "BEGIN; $setup; COMMIT");
ok($node->poll_query_until('worked', 'SELECT count(*) = 0 FROM pgmq.q_jobs'),
	'the worker serves another queue');
$node->wait_for_log(qr/WARNING: .*queue "a_bad" is not maintained until/, $log);

# CALL: the first one ends with its session, the others leave the queue out.
$node->safe_psql('called', $setup);
my ($rc, $out, $err) = $node->psql('called', 'CALL pgmq.maintain()');
isnt($rc, 0, 'CALL is ended');
like($err, $timeout ? qr/transaction timeout/ : qr/that was all/, 'by the trigger');
($rc, $out, $err) = $node->psql('called', 'CALL pgmq.maintain()');
like($err, qr/WARNING:  queue "a_bad" is not maintained until/, 'the next one leaves it out');
is($node->safe_psql('called', 'SELECT count(*) FROM pgmq.q_jobs'),
	0, 'serves others before other queues of its owner');
isnt($rc, 0, 'and comes to these after that');
($rc, $out, $err) = $node->psql('called', 'CALL pgmq.maintain()');
is($rc, 0, 'both are left out');
like($err, qr/queue "a_bad" is not .*queue "b_bad" is not/s, 'and it is said');

# An error that ends the statement counts, too; one of the queue does not.
$node->safe_psql('called', q{
	SELECT pgmq.create('slow');
	CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN PERFORM pg_sleep(600); END';
	CREATE TRIGGER sleeps AFTER DELETE ON pgmq.q_slow FOR EACH ROW EXECUTE FUNCTION sleeps();
	SELECT pgmq.set_policy('slow', '{"ttl": 60}');
	INSERT INTO pgmq.q_slow (enqueued_at) VALUES ('-infinity')});
($rc, $out, $err) = $node->psql('called', "SET statement_timeout = 500; CALL pgmq.maintain()");
like($err, qr/statement timeout/, 'a trigger that does not end');
$node->safe_psql('called', "INSERT INTO pgmq.q_jobs (enqueued_at) VALUES ('-infinity')");
($rc, $out, $err) = $node->psql('called', "SET statement_timeout = '60s'; CALL pgmq.maintain()");
is($rc, 0, 'holds up no other queue either');
like($err, qr/queue "slow" is not maintained until/, 'and is named');

# The worker ends a batch itself that takes longer than a round may.
$node->safe_psql('worked', q{
	SELECT pgmq.create('a_slow');
	CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN PERFORM pg_sleep(600); END';
	CREATE TRIGGER sleeps AFTER DELETE ON pgmq.q_a_slow FOR EACH ROW EXECUTE FUNCTION sleeps();
	INSERT INTO pgmq.q_a_slow (enqueued_at) VALUES ('-infinity');
	SELECT pgmq.set_policy('a_slow', '{"ttl": 60}')});
$node->wait_for_log(qr/\] WARNING: +queue "a_slow" is not maintained until/, $log);
$node->safe_psql('worked', "INSERT INTO pgmq.q_jobs (enqueued_at) VALUES ('-infinity')");
ok($node->poll_query_until('worked', 'SELECT count(*) = 0 FROM pgmq.q_jobs'),
	'the worker does not wait for a trigger that does not end');

# The trigger has gone: the queue is served. The other one waits longer each time;
# without a clock that can be set, this takes a minute.
$node->safe_psql('worked', 'DROP TRIGGER ends ON pgmq.q_b_bad');
set_clock(61);
my $waits = qr/\] WARNING: +queue "a_bad" is not maintained until ([^\n]+)/;
$node->wait_for_log(qr/$waits.*\] WARNING: +queue "a_bad" is not maintained until (?!\1)/s, $log);
my %seen;
my @until = grep { !$seen{$_}++ } slurp_file($node->logfile, $log) =~ /$waits/g;
is($node->safe_psql('worked', "SELECT timestamptz '$until[1]' - '$until[0]' > '2 minutes'"),
	't', 'a minute, then two');
is($node->safe_psql('worked', 'SELECT count(*) FROM pgmq.q_a_bad'), 1, 'nothing is lost');
ok($node->poll_query_until('worked', 'SELECT NOT EXISTS (TABLE pgmq.q_b_bad)'),
	'served when the trigger has gone');

done_testing();
