
# Owners and grants that change hands: REASSIGN OWNED, DROP OWNED, OWNER TO,
# for the owner of a queue, for the extension's, who is no superuser here, and
# for a role that was granted something.  Roles can be dropped afterwards;
# between two steps calls work by the grants that there are, and say which one
# is missing.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub as { return $node->safe_psql('postgres', "SET ROLE $_[0]; $_[1]") }

sub fails
{
	my ($role, $sql, $error, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET ROLE $role; $sql");
	like($err, qr/ERROR:  $error/, $name);
}

# The owner of each object
sub owner_of
{
	my ($pattern) = @_;
	return sql(qq{SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class
		WHERE relnamespace = 'pgmq'::regnamespace AND relname ~ '$pattern'});
}

my $config = '^(meta|policy|topic_bindings|notify_insert_throttle)$';

sql(q{
	CREATE ROLE installer; CREATE ROLE heir; CREATE ROLE maker; CREATE ROLE maker2; CREATE ROLE reader; CREATE ROLE half;
	GRANT CREATE ON DATABASE postgres TO installer, heir;
	SET ROLE installer;
	CREATE EXTENSION pgmq_c;
	GRANT USAGE, CREATE ON SCHEMA pgmq TO maker, maker2;
	GRANT SELECT, INSERT, DELETE ON pgmq.meta, pgmq.topic_bindings TO maker, maker2;
	GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.notify_insert_throttle TO maker, maker2;
	GRANT USAGE ON SCHEMA pgmq TO reader, half;
	SET ROLE maker;
	SELECT pgmq.create('jobs'), pgmq.set_policy('jobs', '{"dedup_window": 86400}'), pgmq.bind_topic('a', 'jobs');
	SELECT pgmq.enable_notify_insert('jobs');
	SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
	GRANT SELECT, INSERT, UPDATE, DELETE ON pgmq.q_jobs TO reader});
is(as('reader', q{SELECT msg_id FROM pgmq.read('jobs', 0, 1)}), 1, 'a role with grants');
is(owner_of('_jobs') . ' ' . owner_of($config), 'installer maker installer',
	'queues are their makers, ids and the rest the one who made the extension');

# The extension gets another owner.
sql('REASSIGN OWNED BY installer TO heir');
is(owner_of($config) . ' ' . owner_of('^d._jobs'), 'heir heir', 'REASSIGN OWNED by the owner of the extension');
is(sql(q{SELECT extowner::regrole FROM pg_extension WHERE extname = 'pgmq_c'}), 'heir', '.. hands it on');
is(as('maker', q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb)}), 1, 'ids are known');
is(as('maker', q{SELECT pgmq.send('jobs', '2', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), 2, '.. and new ones noted');
is(as('maker', q{SELECT pgmq.set_policy('jobs', '{"dedup_window": 172800}')}), '{"dedup_window": 172800}', 'the policy can be changed');
is(as('maker', q{SELECT pgmq.pause('jobs', 'infinity'), pgmq.resume('jobs')}), '|t', '.. and the queue paused');
is(as('maker', q{SELECT pgmq.create('more'), pgmq.drop_queue('more')}), '|t', 'queues come and go');
sql('DROP OWNED BY installer; DROP ROLE installer');
is(as('maker', q{SELECT pgmq.send_topic('a', '3')}), 1, 'its old owner is gone');

# A role with grants goes.
sql('DROP OWNED BY reader; DROP ROLE reader');
is(as('maker', q{SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('jobs', 0, 10)}), '1 2 3', 'a reader is gone, not the messages');

# The queue by half: its table has another owner than its archive.
sql('ALTER TABLE pgmq.q_jobs OWNER TO half');
is(owner_of('^q_jobs') . ' ' . owner_of('^a_jobs'), 'half maker', 'the table alone changes hands');
is(as('half', q{SELECT pgmq.send('jobs', '4')}), 4, 'its owner sends');
is(as('half', q{SELECT count(*) FROM pgmq.read('jobs', 0, 10)}), 4, '.. and reads');
fails('half', q{SELECT pgmq.archive('jobs', 1)}, '55000: table "pgmq.a_jobs" cannot be the archive of queue "jobs"',
	'.. but has no archive');
fails('half', q{SELECT pgmq.drop_queue('jobs')}, '42501: permission denied for table meta', '.. and is told what is not granted');
fails('maker', q{SELECT pgmq.send('jobs', '5')}, '42501: permission denied for table q_jobs', 'the owner of the archive cannot send');
fails('maker', q{SELECT pgmq.drop_queue('jobs')}, '42501: must be owner of table q_jobs', '.. nor drop');
sql('GRANT SELECT, DELETE ON pgmq.meta TO half');
like(($node->psql('postgres', q{SET ROLE half; BEGIN; SELECT pgmq.drop_queue('jobs'); SELECT count(*) FROM pgmq.a_jobs}))[2],
	qr/NOTICE:  table "pgmq.a_jobs" is not dropped with queue "jobs".*ERROR:  permission denied for table a_jobs/s,
	'the owner of the queue drops it without the archive');
fails('NONE', q{ALTER SEQUENCE pgmq.q_jobs_msg_id_seq OWNER TO maker}, '0A000: cannot change owner of sequence', 'the sequence goes with the table');

# Rights on the schema are taken away.
sql('REVOKE USAGE ON SCHEMA pgmq FROM half');
fails('half', q{SELECT pgmq.send('jobs', '5')}, '42501: permission denied for schema pgmq', 'without the schema nothing goes');
sql('GRANT USAGE ON SCHEMA pgmq TO half; ALTER TABLE pgmq.q_jobs OWNER TO maker');
is(as('maker', q{SELECT pgmq.archive('jobs', ARRAY[1, 2])}), "1\n2", 'all is well again');

# Queues go to another role with all that they have.
sql('REASSIGN OWNED BY maker TO maker2');
is(owner_of('^[qa]_jobs'), 'maker2', 'REASSIGN OWNED by the owner of a queue');
sql('DROP OWNED BY maker; DROP ROLE maker');
is(as('maker2', q{SELECT pgmq.send('jobs', '5', '{"x-pgmq-dedup-id": "b"}'::jsonb)}), 2, 'ids are known');
is(as('maker2', q{SELECT pgmq.send('jobs', '5'); SELECT count(*) FROM pgmq.read('jobs', 0, 10)}), "5\n3", 'sent and read');
is(as('maker2', q{SELECT pgmq.enable_notify_insert('jobs'), pgmq.disable_notify_insert('jobs'), pgmq.unbind_topic('a', 'jobs')}), '||t', 'and managed');
is(as('maker2', q{SELECT pgmq.set_policy('jobs', '{"ttl": 86400}') ->> 'ttl'}), '86400', 'its policy, too');

# A queue goes with its owner.
sql('DROP OWNED BY maker2; DROP ROLE maker2');
is(sql(q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^[aqd].?_jobs$'}), 'd0_jobs d1_jobs d2_jobs',
	'DROP OWNED by the owner of a queue');
is(sql(q{SELECT count(*) FROM pgmq.engine_status()}), 0, 'the engine has forgotten it');
sql(q{SELECT pgmq.drop_queue('jobs')});
is(sql(q{SELECT count(*), (SELECT count(*) FROM pgmq.policy), to_regclass('pgmq.d0_jobs') FROM pgmq.meta}), '0|0|', 'drop_queue clears away the rest');

# The extension goes with its owner, but not with queues of others.
sql(q{SELECT pgmq.create('theirs'), pgmq.send('theirs', '1')});
fails('NONE', 'DROP OWNED BY heir', '2BP01: cannot drop desired object', 'DROP OWNED by the owner of the extension spares queues of others');
is(sql(q{SELECT msg_id FROM pgmq.read('theirs', 0, 1)}), 1, '.. which work');
sql('DROP OWNED BY heir CASCADE; DROP OWNED BY half; DROP ROLE heir, half');
is(sql(q{SELECT count(*) FROM pg_extension WHERE extname = 'pgmq_c'}), 0, '.. unless told to');
is(sql(q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('jobs'), pgmq.send('jobs', '1'); SELECT msg_id FROM pgmq.read('jobs', 0, 1); SELECT due_map, net_finds FROM pgmq.engine_status()}),
	"|1\n1\non|0", 'and everything can start again');

done_testing();
