
# What the functions that show the state of the server say: waiters(),
# memory_status(), maintenance_status(), partition_status() and horizon_costs(),
# each with what it shows brought about, and gone again.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'pgmq_c'
pgmq_c.shared_memory = '1MB'
max_prepared_transactions = 5
autovacuum = off});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q{CREATE EXTENSION pgmq_c;
	CREATE ROLE stranger;
	CREATE ROLE sender;
	GRANT USAGE ON SCHEMA pgmq TO stranger, sender;
	GRANT SELECT ON pgmq.meta TO stranger, sender;
	SELECT pgmq.create('Jobs'), pgmq.create('other');
	SELECT pgmq.grant_queue('jobs', 'sender', 'send')});

# waiters()

my %in = (
	read => "SELECT pgmq.read_with_poll('jobs', 30, 1, 600, 600000);",
	read_any => "SELECT pgmq.read_any_with_poll('{jobs,other}', 30, 1, 600, 600000);",
	read_grouped => "SELECT pgmq.read_grouped_with_poll('jobs', 30, 1, 600, 600000);",
	wait => "CALL pgmq.wait('jobs', 600);",
	atomic => "BEGIN; CALL pgmq.wait('jobs', 600);");
my %shown = (
	read => 'Jobs read', read_any => 'Jobs read, other read',
	read_grouped => 'Jobs read_grouped', wait => 'Jobs wait', atomic => 'Jobs read');

is(sql('SELECT count(*) FROM pgmq.waiters()'), 0, 'nobody waits');
foreach my $what (sort keys %in)
{
	my $s = session($node);
	my $query = "SELECT string_agg(queue_name || ' ' || kind, ', ' ORDER BY queue_name) FROM pgmq.waiters() WHERE pid = $s->{pid}";

	wait_in($s, $in{$what});
	is(sql($query), $shown{$what}, "$what waits");
	is(sql("SELECT bool_and(since BETWEEN query_start - interval '1 second' AND now()) FROM pgmq.waiters() JOIN pg_stat_activity USING (pid)"),
		't', '.. since its query began');
	is(sql("SET ROLE stranger; SELECT count(*) FROM pgmq.waiters()"), 0, '.. which a role without a privilege is not shown');
	is(sql("SET ROLE sender; SELECT string_agg(DISTINCT queue_name, ',') FROM pgmq.waiters()"), 'Jobs', '.. and any other for its queues');
	sql("SELECT pg_cancel_backend($s->{pid})");
	result($s);
	is(sql('SELECT count(*) FROM pgmq.waiters()'), 0, '.. and no longer');
	done($s);
}
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('jobs')});
my $s = session($node, 'second');
wait_in($s, $in{read});
is(sql('SELECT count(*) FROM pgmq.waiters()'), 0, 'waiters in another database are not shown');
is($node->safe_psql('second', 'SELECT count(*) FROM pgmq.waiters()'), 1, '.. but there');
sql("SELECT pg_cancel_backend($s->{pid})");
done($s);

# memory_status()

sub memory { return sql("SELECT $_[0] FROM pgmq.memory_status()") }

is(memory('state'), 'on', 'there is memory');
is(memory("since BETWEEN pg_postmaster_start_time() - interval '1 minute' AND now()"), 't', '.. since the server started');
is(memory('maps'), $node->safe_psql('second', 'SELECT maps FROM pgmq.memory_status()'), 'each database shows the maps of all');
my $maps = memory('maps');
sql(q{SELECT pgmq.create('third'); SELECT pgmq.send('third', '1'), pgmq.read('third', 30, 1)});
is(memory('maps'), $maps + 1, 'a queue takes a map');
is(memory('evictions + merges'), 0, 'nothing was pressed for room');
sql(q{INSERT INTO pgmq.q_third (msg_id, vt, message) OVERRIDING SYSTEM VALUE
		SELECT j * 262144::bigint, now() + interval '1 day', NULL FROM generate_series(1, 500) AS j;
	SELECT pgmq.read('third', 30, 1)});
is(memory('nodes > 0 AND nodes <= nodes_max AND bytes > nodes'), 't', 'messages far from each other take nodes');
isnt(memory('merges'), 0, 'a queue that would take more than a quarter of the nodes has its map merged');
my $max = memory('maps_max');
for my $i (1 .. 1 + int($max / 100))
{
	sql("SELECT pgmq.create('many_$i' || j), pgmq.send('many_$i' || j, '1') FROM generate_series(1, 100) j");
}
is(memory('maps = maps_max'), 't', 'more queues than maps use them all');
isnt(memory('evictions'), 0, '.. and take them from each other');
is(sql(q{SET pgmq_c.due_map = off; SELECT state FROM pgmq.memory_status()}), 'switched off', 'a session can do without');

# maintenance_status()

sub maintained { return sql("SELECT $_[0] FROM pgmq.maintenance_status() WHERE queue_name = 'Jobs'") }

is(sql('SELECT count(*) FROM pgmq.maintenance_status()'), 0, 'no policy, no maintenance');
sql(q{SELECT pgmq.set_policy('jobs', '{"strict_fifo": true}')});
is(sql('SELECT count(*) FROM pgmq.maintenance_status()'), 0, '.. nor with a policy that needs none');
sql(q{SELECT pgmq.set_policy('jobs', '{"strict_fifo": null, "ttl": 1000, "archive_retention": 60}')});
is(maintained('last_run IS NULL AND since < now() AND rows IS NULL AND more IS NULL AND last_error IS NULL'), 't', 'it has never run');
sql(q{SELECT pgmq.send_batch('jobs', array_agg('1'::jsonb)) FROM generate_series(1, 2500);
	UPDATE pgmq.q_jobs SET enqueued_at = now() - interval '1 hour' WHERE msg_id <= 1500;
	SELECT pgmq.archive('jobs', 2400);
	UPDATE pgmq.a_jobs SET archived_at = now() - interval '1 hour'});
sql('CALL pgmq.maintain()');
is(maintained("last_run BETWEEN now() - interval '1 minute' AND now() AND duration > '0' AND NOT more"), 't', 'it has run');
is(maintained('rows'), 1501, '.. and says how much it removed');
sql('CALL pgmq.maintain()');
is(maintained('rows'), 0, 'the next run has nothing to do');
sql(q{CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused here'; END $$;
	CREATE TRIGGER fails BEFORE DELETE ON pgmq.a_jobs FOR EACH ROW EXECUTE FUNCTION fails();
	SELECT pgmq.archive('jobs', 2300);
	UPDATE pgmq.a_jobs SET archived_at = now() - interval '1 hour'});
$node->psql('postgres', 'CALL pgmq.maintain()');
is(maintained('last_error'), 'refused here', 'a run that fails leaves its error');
is(maintained('last_error_at >= last_run'), 't', '.. and when it was');
sql('DROP TRIGGER fails ON pgmq.a_jobs; CALL pgmq.maintain()');
is(maintained("last_error || ' ' || (last_error_at < last_run)"), 'refused here true', '.. which stays when the next one does not');
is(sql("SET ROLE stranger; SELECT count(*) FROM pgmq.maintenance_status()"), 0, 'a role without a privilege is not shown the queue');
is(sql("SET ROLE sender; SELECT count(*) FROM pgmq.maintenance_status()"), 1, '.. any other is');

# A trigger that ends the session: the queue is left out
sql(q{CREATE TRIGGER fails BEFORE DELETE ON pgmq.a_jobs FOR EACH ROW EXECUTE FUNCTION fails();
	CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM set_config('exit_on_error', 'on', false); RAISE 'the end'; END $$;
	SELECT pgmq.archive('jobs', 2200);
	UPDATE pgmq.a_jobs SET archived_at = now() - interval '1 hour'});
$node->psql('postgres', 'CALL pgmq.maintain()');
is(maintained("left_out_until > now()"), 't', 'a queue that ended a session is left out');
sql('DROP TRIGGER fails ON pgmq.a_jobs');
$node->restart;
is(maintained('last_run IS NULL AND left_out_until IS NULL'), 't', 'a restart forgets all that');

# partition_status(), of queues that were partitioned by hand

sub partitions { return sql("SELECT string_agg($_[0], ', ' ORDER BY table_name DESC) FROM pgmq.partition_status() WHERE queue_name = '$_[1]'") }

sub partitioned
{
	my ($name, $column, $ends) = @_;
	my $from = $column eq 'msg_id' ? 1 : "'2000-01-01'";

	(my $archived = $column) =~ s/enqueued/archived/;
	sql(qq{
		SELECT pgmq.create('$name');
		CREATE TABLE x_$name (LIKE pgmq.q_$name INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE ($column);
		CREATE TABLE y_$name (LIKE pgmq.a_$name INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE ($archived);
		DROP TABLE pgmq.q_$name, pgmq.a_$name;
		ALTER TABLE x_$name RENAME TO q_$name;
		ALTER TABLE y_$name RENAME TO a_$name;
		ALTER TABLE q_$name SET SCHEMA pgmq;
		ALTER TABLE a_$name SET SCHEMA pgmq;
		CREATE TABLE q_${name}_1 PARTITION OF pgmq.q_$name FOR VALUES FROM ($from) TO ($ends);
		CREATE TABLE q_${name}_rest PARTITION OF pgmq.q_$name DEFAULT;
		CREATE TABLE a_${name}_1 PARTITION OF pgmq.a_$name FOR VALUES FROM ($from) TO ($ends)});
	return;
}

is(sql('SELECT count(*) FROM pgmq.partition_status()'), 0, 'no queue is partitioned');
partitioned('by_id', 'msg_id', 1001);
is(partitions("table_name || ' ' || partitioned_by || ' ' || partitions || ' ' || ids_left || ' ' || coalesce(default_rows, -1)", 'by_id'),
	'q_by_id msg_id 2 1000 0, a_by_id msg_id 1 1000 -1', 'a queue partitioned by id');
sql(q{SELECT pgmq.send('by_id', '1')});
is(partitions('ids_left::text', 'by_id'), '999, 999', '.. has fewer ids left');
sql(q{INSERT INTO pgmq.q_by_id (msg_id, vt, message) OVERRIDING SYSTEM VALUE VALUES (5000, now(), '1')});
is(partitions('default_rows::text', 'by_id'), '1', '.. and one in the default partition');
partitioned('by_time', 'enqueued_at', "'2100-01-01'");
is(partitions("table_name || ' ' || partitioned_by || ' ' || (time_left = '2100-01-01'::timestamptz - now() OR time_left > '20000 days') || ' ' || (ids_left IS NULL)", 'by_time'),
	'q_by_time enqueued_at true true, a_by_time archived_at true true', 'a queue partitioned by time');
partitioned('for_ever', 'msg_id', 'MAXVALUE');
is(partitions("coalesce(ids_left::text, 'for ever')", 'for_ever'), 'for ever, for ever', 'one without an end');
partitioned('far', 'msg_id', '9223372036854775807');
sql('ALTER TABLE pgmq.q_far ALTER msg_id SET MINVALUE -10 RESTART WITH 0');
is(partitions("ids_left::text || coalesce(time_left::text, '')", 'far'), '9223372036854775807, 9223372036854775807', 'one with as many ids left as there can be');
sql(q{ALTER TABLE pgmq.q_far ALTER msg_id SET MINVALUE -9223372036854775808 RESTART WITH -9223372036854775808});
is(partitions("coalesce(ids_left::text, 'more than can be said')", 'far'), 'more than can be said, more than can be said', '.. and with all ids there are');
sql(q{SELECT setval(pg_get_serial_sequence('pgmq.q_far', 'msg_id'), 9223372036854775807)});
is(partitions("coalesce(ids_left::text, 'for ever')", 'far'), '0, 0', '.. and with none');
my $holder = session($node);
ask($holder, 'BEGIN; LOCK TABLE pgmq.q_by_id;');
is(partitions('table_name', 'by_id'), 'a_by_id', 'a locked table is left out, and not waited for');
done($holder);
is(sql("SET ROLE stranger; SELECT count(*) FROM pgmq.partition_status()"), 0, 'a role without a privilege is shown no queue');
is( sql(q{BEGIN; SELECT count(*) FROM pgmq.partition_status(), pgmq.waiters(), pgmq.maintenance_status(), pgmq.horizon_costs();
		SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
		WHERE l.pid = pg_backend_pid() AND c.relname ~ '^[qa]_'}) =~ s/^.*\n//r,
	0, 'no lock on a queue stays');

# horizon_costs()

sub costs { return sql("SELECT string_agg($_[0], ', ') FROM pgmq.horizon_costs()") }

sql('VACUUM pgmq.q_jobs, pgmq.q_third, pgmq.q_other');
is(sql(q{SELECT count(*) FROM pgmq.horizon_costs() WHERE queue_name = 'other'}), 0, 'no dead rows cost nothing');
sql(q{BEGIN; CREATE TABLE held (); PREPARE TRANSACTION 'forgotten'});
sql(q{SELECT pgmq.send_batch('other', array_agg('1'::jsonb)) FROM generate_series(1, 500);
	DELETE FROM pgmq.q_other;
	SELECT pg_stat_force_next_flush()});
sql('VACUUM pgmq.q_other');
is( sql(q{SELECT concat_ws(' ', dead_rows, live_rows, kind, name, bytes > 0, last_vacuum > since)
		FROM pgmq.horizon_costs() WHERE queue_name = 'other'}),
	'500 0 prepared transaction forgotten t t', 'what a prepared transaction costs');
is(sql(q{SET ROLE stranger; SELECT count(*) FROM pgmq.horizon_costs()}), 0, '.. which a role without a privilege is not shown');
sql(q{ROLLBACK PREPARED 'forgotten'});
sql('VACUUM pgmq.q_other');
is(sql(q{SELECT count(*) FROM pgmq.horizon_costs() WHERE queue_name = 'other'}), 0, '.. and no longer');
sql(q{BEGIN; INSERT INTO pgmq.q_other (vt, message) SELECT now(), '1' FROM generate_series(1, 600000); ROLLBACK;
	SELECT pg_stat_force_next_flush()});
sql(q{UPDATE pg_class SET relpages = 2147483647 WHERE oid = 'pgmq.q_other'::regclass});
is(sql(q{SELECT bytes FROM pgmq.horizon_costs() WHERE queue_name = 'other'}), 2147483647 * 8192, 'dead rows of a table of 16 TB');

$node->stop;
done_testing();
