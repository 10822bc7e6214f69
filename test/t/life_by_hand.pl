
# Changes to queues that bypass the functions: tables dropped, the schema
# renamed, the extension dropped with tables left or its members taken out.
# Either it works or an error says what is missing; and everything works again
# once the change is undone.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->start;

my $db;
sub sql { return $node->safe_psql($db, $_[0]) }

# The notices and errors of a statement: severity, SQLSTATE and message
sub says
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql($db, "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n$sql", on_error_stop => 0);
	my @said = grep { !/pgmq_c has no shared memory/ } $err =~ /(\w+:  \w{5}: .*)/g;
	return join("\n", @said);
}

sub ids { return sql("SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('$_[0]', 0, 100)") }

# Everything that bears a queue's name
sub traces
{
	return sql(qq{
		SELECT string_agg(t, ' ' ORDER BY t COLLATE "C") FROM (
		SELECT relname::text FROM pg_class WHERE relname ~ '^[adq].?_$_[0]\$'
		UNION ALL SELECT 'meta' FROM pgmq.meta WHERE lower(queue_name) = '$_[0]'
		UNION ALL SELECT 'policy' FROM pgmq.policy WHERE lower(queue_name) = '$_[0]'
		UNION ALL SELECT 'binding' FROM pgmq.topic_bindings WHERE lower(queue_name) = '$_[0]'
		UNION ALL SELECT 'throttle' FROM pgmq.notify_insert_throttle WHERE lower(queue_name) = '$_[0]') x (t)});
}

my $all = 'a_jobs binding d0_jobs d1_jobs d2_jobs meta policy q_jobs throttle';

sub make_jobs
{
	sql(q{
		SELECT pgmq.create('Jobs');
		SELECT pgmq.set_policy('jobs', '{"dedup_window": 86400, "ttl": 86400}');
		SELECT pgmq.enable_notify_insert('jobs'), pgmq.bind_topic('a', 'jobs');
		SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb)});
}

foreach my $preload ('', 'pgmq_c')
{
	my $name = $preload ? 'with the map' : 'without';

	$db = $preload ? 'two' : 'one';
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->restart;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	sql('CREATE EXTENSION pgmq_c');

	# The queue's table
	make_jobs();
	is(traces('jobs'), $all, "$name: a queue and what belongs to it");
	is(ids('jobs'), '1', "$name: with a message");
	sql('DROP TABLE pgmq.q_jobs');
	like(says(q{SELECT pgmq.send('jobs', '1')}), qr/^ERROR:  42P01: relation "pgmq.q_jobs" does not exist/,
		"$name: its table was dropped by hand");
	like(says('SELECT pgmq.metrics_all()'), qr/^WARNING:  42P01: queue "Jobs" is left out/, "$name: monitoring says so");
	is(sql('SELECT count(*) FROM pgmq.engine_status()'), 0, "$name: the engine has forgotten it");
	like(says(q{SELECT pgmq.create('jobs')}), qr/^ERROR:  42P07: relation "pgmq.a_jobs" already exists/,
		"$name: its archive is in the way of a new one");

	sql(q{CREATE ROLE by_hand; GRANT USAGE ON SCHEMA pgmq TO by_hand; GRANT SELECT ON pgmq.meta TO by_hand});
	is(says(q{SET ROLE by_hand; SELECT pgmq.drop_queue('jobs')}), 'NOTICE:  00000: pgmq queue `jobs` does not exist',
		"$name: who may not drop it");
	is(traces('jobs'), 'a_jobs binding d0_jobs d1_jobs d2_jobs meta policy throttle', "$name: .. does not");
	sql('GRANT DELETE ON pgmq.meta TO by_hand; GRANT CREATE ON SCHEMA pgmq TO by_hand');
	is(says(q{SET ROLE by_hand; SELECT pgmq.drop_queue('jobs')}), 'ERROR:  42501: must be owner of table a_jobs',
		"$name: nor who does not own the archive");
	sql('DROP OWNED BY by_hand; DROP ROLE by_hand');

	is(says(q{SELECT pgmq.drop_queue('jobs')}), 'NOTICE:  00000: pgmq queue `jobs` does not exist', "$name: drop_queue");
	is(traces('jobs'), '', "$name: .. clears away what was left");
	make_jobs();
	is(ids('jobs'), '1', "$name: a new one works");

	# Both tables, and no drop_queue
	sql('DROP TABLE pgmq.q_jobs, pgmq.a_jobs');
	is(traces('jobs'), 'binding d0_jobs d1_jobs d2_jobs meta policy throttle', "$name: both tables dropped");
	sql(q{SELECT pgmq.create('jobs')});
	is(traces('jobs'), 'a_jobs meta q_jobs', "$name: a new queue has no old policy");
	is(sql(q{SELECT pgmq.send('jobs', '"new"', '{"x-pgmq-dedup-id": "a"}'::jsonb)}), '1', "$name: .. nor ids");
	is(ids('jobs'), '1', "$name: .. and its messages");
	sql(q{SELECT pgmq.drop_queue('jobs')});
	is(traces('jobs'), '', "$name: it goes");

	# The archive alone
	make_jobs();
	sql('DROP TABLE pgmq.a_jobs');
	is(ids('jobs'), '1', "$name: without its archive a queue is read");
	like(says(q{SELECT pgmq.archive('jobs', 1)}), qr/^ERROR:  42P01: relation "pgmq.a_jobs" does not exist/, "$name: .. says what is missing");
	sql(q{SELECT pgmq.create('jobs'); SELECT pgmq.archive('jobs', 1)});
	is(sql('SELECT count(*) FROM pgmq.a_jobs'), 1, "$name: .. and gets it anew by create");

	# A table of deduplication ids
	sql('DROP TABLE pgmq.d0_jobs, pgmq.d1_jobs, pgmq.d2_jobs');
	like(says(q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb)}),
		qr/^ERROR:  55000: table "pgmq.d\d_jobs" of the deduplication ids of queue "jobs" does not exist/, "$name: no table for ids");
	sql(q{SELECT pgmq.set_policy('jobs', '{}')});
	is(sql(q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), '2', "$name: .. is mended by set_policy");

	# The schema
	like(says('CREATE SCHEMA other; ALTER EXTENSION pgmq_c SET SCHEMA other'),
		qr/^ERROR:  0A000: extension "pgmq_c" does not support SET SCHEMA/, "$name: the schema is fixed");
	sql('ALTER SCHEMA pgmq RENAME TO elsewhere');
	my @calls = (
		q{send('jobs', '1')}, q{read('jobs', 0, 1)}, q{read_grouped('jobs', 0, 1)}, q{pop('jobs')},
		q{archive('jobs', 2)}, q{delete('jobs', 2)}, q{set_vt('jobs', 2, 0)}, q{metrics('jobs')},
		q{purge_queue('jobs')}, q{get_policy('jobs')}, q{set_policy('jobs', '{}')}, q{pause('jobs', 'infinity')},
		q{convert_queue('jobs')}, q{peek('jobs')}, q{nack('jobs', 2, 1)}, q{read_with_poll('jobs', 0, 1, 1)});
	is(says(join ";\n", map { "SELECT elsewhere.$_" } @calls),
		join("\n", ('ERROR:  42P01: relation "pgmq.q_jobs" does not exist') x @calls), "$name: renamed, nothing is found");
	unlike(says(join ";\n", 'CALL elsewhere.maintain()', map { "SELECT elsewhere.$_" }
				q{create('x')}, q{metrics_all()}, q{engine_status()}, q{list_queues()}, q{drop_queue('jobs')},
				q{bind_topic('a', 'jobs')}, q{send_topic('a', '1')}, 'convert_queues_all()'),
		qr/ERROR:  XX/, "$name: .. and nothing fails in an odd way");
	is(says(q{INSERT INTO elsewhere.q_jobs (message) VALUES ('3')}), '', "$name: the table can be written");
	sql('ALTER SCHEMA elsewhere RENAME TO pgmq');
	is(ids('jobs'), '2 3', "$name: and back: all is there");

	# Members
	sql('ALTER EXTENSION pgmq_c DROP FUNCTION pgmq.pop(text, integer)');
	is(sql(q{SELECT msg_id FROM pgmq.pop('jobs', 1)}), '2', "$name: a function that is no member works");
	sql('ALTER EXTENSION pgmq_c ADD FUNCTION pgmq.pop(text, integer)');
	sql('ALTER EXTENSION pgmq_c ADD TABLE pgmq.q_jobs');
	like(says(q{SELECT pgmq.drop_queue('jobs')}), qr/^ERROR:  2BP01: cannot drop table pgmq.q_jobs because extension pgmq_c requires it/,
		"$name: a queue that was made a member cannot be dropped");
	sql('ALTER EXTENSION pgmq_c DROP TABLE pgmq.q_jobs');

	# .. without the table of policies
	sql('ALTER EXTENSION pgmq_c DROP TABLE pgmq.policy; ALTER TABLE pgmq.policy RENAME TO hidden');
	is(ids('jobs'), '3', "$name: without pgmq.policy a queue is read");
	is(sql(q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), '4', "$name: .. and sent to");
	@calls = (q{get_policy('jobs')}, q{set_policy('jobs', '{}')}, q{set_policy('jobs', '{"dedup_window": 1}')},
		q{pause('jobs', 'infinity')}, q{resume('jobs')}, q{drop_queue('jobs')});
	is(says(join ";\n", map { "SELECT pgmq.$_" } @calls),
		join("\n", ('ERROR:  42P01: relation "pgmq.policy" does not exist') x @calls), "$name: .. what needs it says so");
	is(says('CALL pgmq.maintain()'), '', "$name: .. maintain");
	sql('ALTER TABLE pgmq.hidden RENAME TO policy; ALTER EXTENSION pgmq_c ADD TABLE pgmq.policy');
	is(sql(q{SELECT pgmq.get_policy('jobs') ->> 'ttl'}), '86400', "$name: .. and with it again");

	# The extension goes and comes, the queues stay
	like(says('DROP EXTENSION pgmq_c'), qr/^ERROR:  2BP01: cannot drop extension pgmq_c/, "$name: in use");
	is(sql('SELECT count(*) FROM pgmq.q_jobs'), 2, "$name: a backend that has used it");
	sql('DROP EXTENSION pgmq_c CASCADE');
	like(says('CREATE EXTENSION pgmq_c'),
		qr/^NOTICE:  00000: adopted queue "jobs"\nWARNING:  01000: queue "jobs" has deduplication ids, but no policy that uses them$/,
		"$name: a new extension adopts the queue, and tells that ids do not count");
	is(sql(q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), '5', "$name: .. which is so");
	is(sql('SELECT * FROM pgmq.convert_queues_all()'), 'jobs', "$name: its triggers are made");
	is(ids('jobs'), '3 4 5', "$name: and read");
	is(sql(q{SELECT pgmq.set_policy('jobs', '{"dedup_window": 86400}');
			SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), "{\"dedup_window\": 86400}\n2",
		"$name: the policy set again, the ids count");

	sql('DROP SCHEMA pgmq CASCADE');
	sql('CREATE EXTENSION pgmq_c');
	make_jobs();
	is(ids('jobs'), '1', "$name: after the schema was dropped all begins anew");
	is(sql('SELECT due_map, net_finds FROM pgmq.engine_status()'), 
		$preload || $node->pg_version >= 17 ? 'on|0' : 'no shared memory|0', "$name: the engine");
}

done_testing();
