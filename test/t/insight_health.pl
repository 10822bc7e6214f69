
# health(): each finding is brought about, is what it says, and goes when its
# cause has gone.  Options set the limits that would otherwise take minutes or
# gigabytes.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, extra => ['--no-sync']);
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'pgmq_c'
pgmq_c.stat_queues = 100
max_prepared_transactions = 5
max_connections = 20
autovacuum = off});
$node->start;

my $where = $node;

sub sql { return $where->safe_psql('postgres', $_[0]) }

# The findings: "severity queue what", worst first
sub findings
{
	my ($options, $before) = @_;

	$options //= '{}';
	$before = defined $before ? "$before;" : '';
	return sql("$before SELECT concat_ws(' ', severity, queue_name, what) FROM pgmq.health('$options')");
}

# A column of the finding of a kind
sub of
{
	my ($column, $what, $options) = @_;

	$options //= '{}';
	return sql("SELECT $column FROM pgmq.health('$options') WHERE what = '$what'");
}

sql(q{CREATE EXTENSION pgmq_c;
	CREATE ROLE owner;
	GRANT CREATE, USAGE ON SCHEMA pgmq TO owner;
	CREATE ROLE stranger;
	CREATE ROLE inspector;
	GRANT USAGE ON SCHEMA pgmq TO stranger, inspector;
	GRANT SELECT ON pgmq.meta TO stranger, inspector;
	CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused here'; END $$});
is(findings(), '', 'all is well without queues');
sql(q{SELECT pgmq.create('Jobs');
	SELECT pgmq.grant_queue('jobs', 'inspector', 'inspect');
	SELECT pgmq.send('jobs', '1'), pgmq.read('jobs', 600, 1)});
is(findings(), '', '.. and with one that is read');

# Options
my ($status, $out, $err);
($status, $out, $err) = $node->psql('postgres', q{\set VERBOSITY verbose
SELECT * FROM pgmq.health('{"horizons": 1}')});
like($err, qr/22023: unknown option "horizons"/, 'an option that does not exist');
foreach my $bad ('"1"', '-1', '3.1e9', '[]', 'true')
{
	($status, $out, $err) = $node->psql('postgres', qq{\\set VERBOSITY verbose
SELECT * FROM pgmq.health('{"horizon": $bad}')});
	like($err, qr/22023: invalid value for option "horizon"/, "a limit of $bad");
}
($status, $out, $err) = $node->psql('postgres', q{SELECT * FROM pgmq.health('[]')});
like($err, qr/options must be a JSON object/, 'options that are no object');
is(sql(q{SELECT count(*) FROM pgmq.health(NULL)}), 0, 'no options');
is(findings('{"horizon": null}'), '', 'an option that is null sets nothing');
is(findings('{"horizon": 3e9, "unread": 3e9, "behind": 3e9, "maintenance": 3e9, "prepared": 3e9, "vacuum": 3e9, "dead_rows": 1e15}'), '', 'the largest limits');

# Nobody reads, then somebody did
sql(q{SELECT pgmq.create('fresh'), pgmq.send('fresh', '1')});
is(findings(), '', 'a message that has just been sent');
is(findings('{"unread": 0}'), 'critical fresh nobody reads', 'a queue that nobody reads');
like(of('evidence', 'nobody reads', '{"unread": 0}'), qr/^About 1 messages are there, the first could be read since .*, and nobody has read since .*\.$/, '.. with its length');
is(findings('{"unread": 0}', 'SET ROLE stranger'), '', '.. which a role without a privilege is not told');
is(findings('{"unread": 0}', 'SET ROLE inspector'), '', '.. nor one that may see another queue');
sql(q{SELECT pgmq.grant_queue('fresh', 'inspector', 'inspect')});
is(findings('{"unread": 0}', 'SET ROLE inspector'), 'critical fresh nobody reads', '.. one that may inspect it is');
sql(q{SELECT pgmq.pause('fresh', 'infinity')});
is(findings('{"unread": 0}'), '', 'nobody has to read while the queue is paused');
sql(q{SELECT pgmq.resume('fresh')});
my $s = session($node);
wait_in($s, q{SELECT pgmq.read_with_poll('fresh', 600, 1, 600, 600000, '{"no": "such"}');});
is(findings('{"unread": 0, "behind": 3e9}'), '', '.. nor while somebody waits');
sql("SELECT pg_cancel_backend($s->{pid})");
done($s);
sql(q{SELECT pgmq.read('fresh', 0, 1)});
is(findings('{"unread": 0, "behind": 3e9}'), 'critical fresh reading stopped', 'a message that is there again after its lease');
is(of('since = (SELECT last_read_at FROM pgmq.queue_stats() WHERE queue_name = $$fresh$$)', 'reading stopped', '{"unread": 0}'), 't', '.. since the last read');
is(findings('{"behind": 0}'), 'warning fresh readers behind', '.. while the queue is read');
is(of('since = (SELECT vt FROM pgmq.q_fresh)', 'readers behind', '{"behind": 0}'), 't', '.. since the first message could be read');
sql(q{SELECT pgmq.pop('fresh', 1)});
is(findings('{"unread": 0, "behind": 0}'), '', '.. and no longer when it is empty');
sql(q{SELECT pgmq.drop_queue('fresh')});

# Subscriptions
sql(q{SELECT pgmq.create_stream('log'), pgmq.create_subscription('Late', 'log');
	SELECT pgmq.send('log', '1');
	UPDATE pgmq.q_log SET enqueued_at = now() - interval '1 h', vt = now() - interval '1 h'});
is(findings(), '', 'a subscription that is new');
is(findings('{"unread": 0}'), 'warning Late subscription abandoned', '.. and one that nobody reads; nobody has to read the stream');
foreach my $queue ('late', 'log')
{
	sql(qq{SELECT pgmq.pause('$queue', 'infinity')});
	is(findings('{"unread": 0}'), '', ".. unless $queue is paused");
	sql(qq{SELECT pgmq.resume('$queue')});
}
sql(q{SELECT pgmq.read('late', 600, 1)});
is(findings('{"behind": 60}'), 'warning Late subscription behind', '.. and one that is behind');
is(sql(q{SELECT queue_name || ': ' || trouble FROM pgmq.overview() WHERE trouble IS NOT NULL}), 'Late: subscription behind', '.. which overview() shows, too');
sql(q{SELECT pgmq.pause('log', 'infinity')});
is(findings('{"behind": 60}'), '', '.. unless its stream is paused');
sql(q{SELECT pgmq.resume('log'), pgmq.delete('late', 1)});
is(findings('{"unread": 0, "behind": 0}'), '', '.. and no longer when it has finished all');
sql(q{SELECT pgmq.drop_queue('late'), pgmq.drop_queue('log')});

# Poison
sql(q{SELECT pgmq.read('jobs', 0, 1) FROM pgmq.set_vt('jobs', 1, 0);
	SELECT pgmq.read('jobs', 0, 1), pgmq.read('jobs', 600, 1)});
is(findings('{"reads": 4}'), 'warning Jobs poison message', 'a message that is read again and again');
is(of('evidence', 'poison message', '{"reads": 4}'), 'Message 1 was read 4 times, and is still there.', '.. which is named');
sql(q{SELECT pgmq.create('dead'), pgmq.set_policy('jobs', '{"max_reads": 4, "dead_letter_queue": "dead"}')});
is(findings('{"reads": 4}'), '', '.. is no matter where the policy ends that');

# Limits
sql(q{SELECT pgmq.create('narrow'), pgmq.set_policy('narrow', '{"max_length": 2, "max_bytes": 1000}');
	SELECT pgmq.send('narrow', '1')});
is(findings(), '', 'a queue of limited length with room');
sql(q{SELECT pgmq.send('narrow', '2')});
is(findings(), 'critical narrow queue full', '.. and without');
like(of('evidence', 'queue full'), qr/^It has 2 messages and \d+ bytes, and its policy allows 2 messages and 1000 bytes: sends are refused\.$/, '.. by what is counted');
sql(q{SELECT pgmq.set_policy('narrow', '{"overflow": "drop_oldest"}')});
is(findings(), '', '.. where the oldest are dropped nothing is refused');
sql(q{SELECT pgmq.set_policy('narrow', '{"overflow": null}'); SELECT pgmq.pop('narrow', 1)});
is(findings(), '', '.. and not when a message has gone');
sql(q{SELECT pgmq.set_policy('narrow', '{"max_length": 10}'); SELECT pgmq.send('narrow', to_jsonb(repeat('x', 600)))});
is(findings(), '', 'one message more of the average size fits');
sql(q{SELECT pgmq.send('narrow', to_jsonb(repeat('x', 300)))});
is(findings(), 'critical narrow queue full', '.. or does not');
sql(q{SELECT pgmq.set_policy('narrow', '{"max_length": null, "max_bytes": null, "max_in_flight": 1}');
	SELECT pgmq.read('narrow', 600, 1)});
is(findings('{"behind": 0}'), 'warning narrow readers behind', 'a limit that has held up no read');
sql(q{SELECT pgmq.read('narrow', 600, 1)});
is(findings('{"behind": 0}'), 'warning narrow limits hold back', '.. and one that has');
like(of('evidence', 'limits hold back', '{"behind": 0}'), qr/^About \d+ messages are there, the first could be read since .*, 1 are in flight, and a read got less than it asked for at .*\.$/, '.. how much');
sql(q{SELECT pgmq.set_policy('narrow', '{"max_in_flight": null, "rate": 0.001}'); SELECT pgmq.read('narrow', 600, 1), pgmq.read('narrow', 600, 1)});
is(findings('{"behind": 0}'), 'warning narrow limits hold back', '.. a rate, too');
sql(q{SELECT pgmq.set_policy('narrow', '{"rate": null}')});
is(findings('{"behind": 0}'), 'warning narrow readers behind', '.. until it is gone');
sql(q{SELECT pgmq.drop_queue('narrow')});

# Leases
sql(q{SELECT pgmq.create('leased'), pgmq.send('leased', '1'), pgmq.read('leased', 1, 1);
	SELECT pgmq.read_with_poll('leased', 1, 1, 60);
	SELECT pgmq.read_with_poll('leased', 600, 1, 60)});
is(findings('{"expired_leases": 2}'), 'warning leased leases expire', 'leases that run out, and nothing is acknowledged');
is(of('evidence', 'leases expire', '{"expired_leases": 2}'), '2 leases ran out before their messages were acknowledged, 0 messages were acknowledged.', '.. how often');
sql(q{SELECT pgmq.delete('leased', 1), pgmq.send('leased', '1'), pgmq.pop('leased', 1)});
is(findings('{"expired_leases": 2}'), '', '.. until as many are acknowledged');
sql(q{SELECT pgmq.drop_queue('leased')});

# Dead letters: refused, waiting, without their queue
sql(q{CREATE TRIGGER fails BEFORE INSERT ON pgmq.q_dead FOR EACH ROW EXECUTE FUNCTION fails();
	SELECT pgmq.set_vt('jobs', 1, 0)});
$node->psql('postgres', q{SELECT pgmq.read('jobs', 600, 1)});
is(findings('{"unread": 0}'), 'critical Jobs dead letters refused', 'a dead letter that a trigger refuses');
like(of('evidence', 'dead letters refused', '{"unread": 0}'), qr/^1 of the first messages were read 4 times or more, and are still in the queue; 1 attempts to move some failed\.$/, '.. is counted');
sql(q{DROP TRIGGER fails ON pgmq.q_dead;
	SELECT pgmq.set_vt('jobs', 1, 0)});
sql(q{SELECT pgmq.read('jobs', 600, 1)});
is(findings('{"unread": 0}'), 'info dead dead letters wait', '.. and gone when it has been moved');
like(of('evidence', 'dead letters wait'), qr/^1 dead letters/, '.. to where it waits');
sql(q{SELECT pgmq.purge_queue('dead')});
is(findings('{"unread": 0}'), '', '.. until that is empty');
sql(q{SELECT pgmq.drop_queue('dead')});
is(findings(), 'critical Jobs dead-letter queue unusable', 'a dead-letter queue that was dropped');
is(of('evidence', 'dead-letter queue unusable'), 'Dead-letter queue "dead" does not exist. Messages that should go there stay in the queue.', '.. is named');
is(findings('{}', 'SET ROLE stranger'), '', '.. and not told to a role without a privilege');
sql(q{CREATE VIEW pgmq.q_dead AS SELECT 1 AS one});
like(of('evidence', 'dead-letter queue unusable'), qr/"dead" is not a queue\. It is not a table\./, 'a view in its place');
sql(q{DROP VIEW pgmq.q_dead; SELECT pgmq.create('dead')});
is(findings(), '', '.. and gone when there is one again');
sql(q{ALTER TABLE pgmq.q_dead OWNER TO owner});
like(of('evidence', 'dead-letter queue unusable'), qr/has another owner than when the policy was set/, 'a dead-letter queue of another role');
sql(q{SELECT pgmq.set_policy('jobs', '{"dead_letter_queue": "dead"}')});
is(findings(), '', '.. and gone when the policy accepts it');
sql(q{SELECT pgmq.set_policy('jobs', '{"dead_letter_queue": null, "max_reads": null}'); SELECT pgmq.drop_queue('dead')});

# The map
sql(q{SELECT pgmq.create('unkept'), pgmq.read('unkept', 30, 1);
	ALTER TABLE pgmq.q_unkept DISABLE TRIGGER pgmq_announce});
is(findings(), 'warning unkept map not kept', 'a table whose changes are not announced');
sql(q{ALTER TABLE pgmq.q_unkept ENABLE ALWAYS TRIGGER pgmq_announce});
is(findings(), '', '.. and are again');
sql(q{SELECT pgmq.drop_queue('unkept')});
is(findings('{}', 'SET pgmq_c.due_map = off'), 'warning no due map', 'reads that use no map');
sql(q{SELECT pgmq.create('net'), pgmq.send('net', '1'), pgmq.read('net', 600, 1)});
$s = session($node);
ask($s, q{SELECT pgmq.read('net', 600, 1); SELECT pgmq.read('net', 600, 1);});
sql(q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'pgmq.q_net'::regclass});
sql(q{UPDATE pgmq.q_net SET vt = now()});
ask($s, q{
	DO $$ BEGIN
		FOR i IN 1..1200 LOOP
			EXIT WHEN EXISTS (SELECT FROM pgmq.read('net', 600, 1));
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $$;});
is(ask($s, q{SELECT concat_ws(' ', severity, queue_name, what, evidence) FROM pgmq.health();}),
	'critical net message hidden Full checks found 1 messages that the due map had hidden.', 'a message that was hidden');
done($s);
sql(q{SELECT pgmq.drop_queue('net')});
is(findings(), '', '.. and gone with the queue');

# Memory
is(findings('{"memory": 0.0005}'), '', 'one map of thousands');
sql(q{SELECT pgmq.create('map' || i), pgmq.send('map' || i, '1'), pgmq.pop('map' || i, 1) FROM generate_series(1, 10) AS i});
is(findings('{"memory": 0.0005}'), 'warning memory nearly full', 'more maps than the limit');
like(of('evidence', 'memory nearly full', '{"memory": 0.0005}'), qr/^11 of \d+ maps and \d+ of \d+ nodes are in use\. Queues lost their map to others 0 times/, '.. are counted');
sql(q{SELECT pgmq.drop_queue('map' || i) FROM generate_series(1, 10) AS i});
is(findings('{"memory": 0.0005}'), '', '.. and gone with their queues');
sql(q{SELECT pgmq.create('stat' || i), pgmq.send('stat' || i, '1'), pgmq.pop('stat' || i, 1) FROM generate_series(1, 130) AS i});
is(findings('{"maintenance": 3e9}'), 'info statistics full', 'more queues than are counted');
sql(qq{SELECT pgmq.drop_queue('stat' || i) FROM generate_series($_ * 10 + 1, $_ * 10 + 10) AS i}) foreach 0 .. 12;
is(findings(), '', '.. and gone with them');

# Connections
$s = session($node);
is(findings('{"connections": 0.1}'), '', 'connections that do not wait are no matter of ours');
wait_in($s, q{SELECT pgmq.read_with_poll('jobs', 600, 1, 600, 600000);});
is(findings('{"connections": 0.1}'), 'warning connections nearly used up', 'waiters take connections');
like(of('evidence', 'connections nearly used up', '{"connections": 0.1}'), qr/^2 of 17 connections are in use, 1 of them wait/, '.. so many');
sql("SELECT pg_cancel_backend($s->{pid})");
result($s);
is(findings('{"connections": 0.1}'), '', '.. and no longer');

# The horizon
ask($s, q{BEGIN; SELECT pgmq.read('jobs', 600, 1); SELECT pg_current_xact_id();});
is(findings(), '', 'a transaction that has just begun');
is(findings('{"horizon": 0}'), 'warning horizon pinned', 'one that is old');
like(of('advice', 'horizon pinned', '{"horizon": 0}'), qr/pg_terminate_backend\($s->{pid}\)/, '.. and how to end it');
is(of('since = (SELECT xact_start FROM pg_stat_activity WHERE pid = ' . $s->{pid} . ')', 'horizon pinned', '{"horizon": 0}'), 't', '.. since it began');
sql(q{SELECT pgmq.send_batch('jobs', array_agg('1'::jsonb)) FROM generate_series(1, 500);
	SELECT count(*) FROM pgmq.pop('jobs', 500)});
sql('VACUUM pgmq.q_jobs');
is(findings('{"horizon": 0, "dead_rows": 100, "vacuum": 60}'), 'critical horizon pinned', 'it costs dead rows');
like(of('evidence', 'horizon pinned', '{"horizon": 0}'), qr/The queues have \d+ dead rows, "Jobs" has \d+ of them\./, '.. of which queue');
ask($s, 'ROLLBACK;');
is(findings('{"horizon": 0}'), '', '.. and no longer');

# Vacuum
sql(q{SELECT pgmq.send_batch('jobs', array_agg('1'::jsonb)) FROM generate_series(1, 500);
	SELECT count(*) FROM pgmq.pop('jobs', 500); SELECT pg_stat_force_next_flush()});
is(findings('{"dead_rows": 100, "vacuum": 0}'), 'warning Jobs vacuum behind', 'dead rows that could be removed');
sql('VACUUM pgmq.q_jobs');
is(findings('{"dead_rows": 100, "vacuum": 0}'), '', '.. and are');

# Prepared transactions
sql(q{BEGIN; SELECT pgmq.send('jobs', '1'); PREPARE TRANSACTION 'it''s forgotten'});
is(findings(), '', 'a transaction that was just prepared');
is(findings('{"prepared": 0, "horizon": 0}'), 'critical prepared transaction left', 'one that was prepared long ago');
is(of('advice', 'prepared transaction left', '{"prepared": 0}'), q{COMMIT PREPARED 'it''s forgotten' or ROLLBACK PREPARED 'it''s forgotten'.}, '.. and how to end it');
like(of('evidence', 'prepared transaction left', '{"prepared": 0}'), qr/and 1 have no due map because/, '.. which queues it affects');
sql(q{ROLLBACK PREPARED 'it''s forgotten'});
is(findings('{"prepared": 0, "horizon": 0}'), '', '.. and no longer');

# Maintenance
sql(q{SELECT pgmq.set_policy('jobs', '{"ttl": 1000, "archive_retention": 60}')});
is(findings(), '', 'maintenance may wait for a while');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pgmq.health('{"maintenance": 1}') WHERE what = 'maintenance silent' AND queue_name = 'Jobs'}),
	'not for longer');
sql('CALL pgmq.maintain()');
is(findings('{"maintenance": 600}'), '', '.. and no longer when it has run');
sql(q{CREATE TRIGGER fails BEFORE DELETE ON pgmq.a_jobs FOR EACH ROW EXECUTE FUNCTION fails();
	SELECT pgmq.send('jobs', '1');
	SELECT pgmq.archive('jobs', (SELECT max(msg_id) FROM pgmq.q_jobs));
	UPDATE pgmq.a_jobs SET archived_at = now() - interval '1 hour'});
$node->psql('postgres', 'CALL pgmq.maintain()');
is(findings(), 'warning Jobs maintenance fails', 'maintenance that fails');
is(of('evidence', 'maintenance fails'), 'refused here', '.. and why');
sql(q{CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM set_config('exit_on_error', 'on', false); RAISE 'the end'; END $$});
$node->psql('postgres', 'CALL pgmq.maintain()');
is(findings(), 'warning Jobs maintenance left out', '.. and one that ends the session');
sql(q{DROP TRIGGER fails ON pgmq.a_jobs});
$node->restart;
sql('CALL pgmq.maintain()');
is(findings(), '', '.. and gone when it runs again');

# Archives and deduplication ids
sql(q{SELECT pgmq.set_policy('jobs', '{"archive_retention": null, "ttl": null}');
	SELECT pgmq.send('jobs', '1');
	SELECT pgmq.archive('jobs', (SELECT max(msg_id) FROM pgmq.q_jobs))});
sql('VACUUM pgmq.a_jobs');
is(findings('{"table_bytes": 8000}'), 'info Jobs archive grows', 'an archive that is kept for ever');
like(of('evidence', 'archive grows', '{"table_bytes": 8000}'), qr/^The archive has 8192 bytes, and/, '.. its size');
sql(q{SELECT pgmq.set_policy('jobs', '{"archive_retention": 86400}')});
is(findings('{"table_bytes": 8000}'), '', '.. and one that is not');
sql(q{SELECT pgmq.set_policy('jobs', '{"archive_retention": null, "dedup_window": 86400}');
	SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "one"}'::jsonb)});
sql(qq{DO \$\$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relname ~ '^d._jobs\$' LOOP EXECUTE 'ANALYZE ' || t; END LOOP; END \$\$});
is(findings('{"table_bytes": 8000}'), "warning Jobs deduplication ids grow\ninfo Jobs archive grows", 'deduplication ids that pile up');
sql(q{SELECT pgmq.set_policy('jobs', '{"dedup_window": null, "archive_retention": 86400}')});
is(findings('{"table_bytes": 8000}'), '', '.. and none');
sql(q{SELECT pgmq.set_policy('jobs', '{"archive_retention": null}')});

# Ids and partitions
sql(q{SELECT pgmq.create('narrow'); ALTER SEQUENCE pgmq.q_narrow_msg_id_seq MAXVALUE 100});
is(findings(), '', 'a sequence with an end');
sql(q{SELECT setval('pgmq.q_narrow_msg_id_seq', 95)});
is(findings(), 'critical narrow ids run out', '.. that comes near');
my $altering = session($node);
ask($altering, 'BEGIN; ALTER SEQUENCE pgmq.q_narrow_msg_id_seq CACHE 2;');
is(findings('{}', q{SET lock_timeout = '10s'}), 'critical narrow ids run out', '.. and is not waited for while it is locked');
done($altering);
sql(q{SELECT pgmq.grant_queue('narrow', 'inspector', 'inspect');
	REVOKE ALL ON SEQUENCE pgmq.q_narrow_msg_id_seq FROM inspector});
is(sql(q{SET ROLE inspector; SELECT string_agg(what, ' ') FROM pgmq.health() WHERE queue_name = 'narrow'}), 'ids run out', '.. which a role hears that may inspect the queue');
sql(q{ALTER SEQUENCE pgmq.q_narrow_msg_id_seq NO MAXVALUE});
is(findings(), '', '.. and is taken away');
sql(q{
	CREATE TABLE parts (LIKE pgmq.q_narrow INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (msg_id);
	DROP TABLE pgmq.q_narrow;
	ALTER TABLE parts RENAME TO q_narrow;
	ALTER TABLE q_narrow SET SCHEMA pgmq;
	CREATE TABLE p1 PARTITION OF pgmq.q_narrow FOR VALUES FROM (1) TO (11);
	CREATE TABLE p2 PARTITION OF pgmq.q_narrow FOR VALUES FROM (11) TO (21);
	CREATE TABLE rest PARTITION OF pgmq.q_narrow DEFAULT});
is(findings(), 'warning narrow map not kept', 'a table that was partitioned by hand');
sql(q{SELECT pgmq.convert_queue('narrow')});
is(findings(), '', '.. with a partition to come');
sql(q{SELECT pgmq.send_batch('narrow', array_agg('1'::jsonb)) FROM generate_series(1, 15); SELECT pgmq.pop('narrow', 15)});
is(findings(), 'warning narrow partitions run out', '.. at the last one');
is(of('evidence', 'partitions run out'), 'Table pgmq.q_narrow is at its last partition, with 5 ids left.', '.. so many ids before its end');
sql(q{SELECT pgmq.send_batch('narrow', array_agg('1'::jsonb)) FROM generate_series(1, 10); SELECT count(*) FROM pgmq.pop('narrow', 5)});
is(findings(), "critical narrow partitions run out\nwarning narrow rows in the default partition", '.. and beyond it');
sql(q{SELECT pgmq.pop('narrow', 10); CREATE TABLE p3 PARTITION OF pgmq.q_narrow FOR VALUES FROM (21) TO (100); CREATE TABLE p4 PARTITION OF pgmq.q_narrow FOR VALUES FROM (100) TO (200)});
is(findings(), '', '.. and with more partitions');
sql(q{SELECT pgmq.drop_queue('narrow')});

# A standby: health works there, and its horizon shows here
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1\nprimary_slot_name = 'slot_one'");
sql(q{SELECT pg_create_physical_replication_slot('slot_one')});
$standby->start;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pgmq.horizon()}), 'a standby holds the horizon');
$standby->stop;
sql(q{SELECT pg_current_xact_id()}) foreach 1 .. 3;
is(findings(), '', 'a slot that has only just been left');
is(findings('{"horizon_xacts": 0}'), 'warning horizon pinned', '.. and one that was long ago');
is(of('advice', 'horizon pinned', '{"horizon_xacts": 0}'), q{Drop it if nobody needs it: SELECT pg_drop_replication_slot('slot_one').}, '.. and what to do');
$standby->start;
$where = $standby;
is(findings('{"unread": 0, "behind": 0, "horizon": 0}'), 'warning Jobs readers behind', 'a standby has no counters, but sees the messages');
is(sql('SELECT count(*) FROM pgmq.overview()'), 2, '.. and has an overview');
$standby->stop;
$where = $node;
sql(q{SELECT pg_drop_replication_slot('slot_one')});
is(findings('{"horizon_xacts": 0}'), '', '.. and no longer without the slot');

# Without shared memory
if ($node->safe_psql('postgres', 'SHOW server_version_num') < 170000)
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$node->restart;
	is(findings(), 'warning no due map', 'a server that did not load the library');
	is(sql('SELECT count(*) FROM pgmq.overview()'), 2, '.. has an overview');
}

$node->stop;
done_testing();
