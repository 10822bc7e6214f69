
# Dumps of parts of a database, and restores that do not go straight on: by
# several jobs, one queue, one schema, data only, while the queues are in use.
# Messages that come back can be read at once, and ids go on.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'");
$node->start;

my $partman = $node->safe_psql('postgres',
	q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'});
my $dir = $node->basedir;

sub sql { return $node->safe_psql(@_) }

# The ids that a read finds, each queue's, with what they say of themselves.
sub ids
{
	my ($db, $queue) = @_;
	return sql($db, "SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('$queue', 0, 1000)");
}

sub new_database
{
	my ($db, $setup) = @_;
	sql('postgres', "CREATE DATABASE $db");
	sql($db, $setup) if defined $setup;
	return $db;
}

sub dump_of
{
	my ($name, @options) = @_;
	$node->command_ok([ 'pg_dump', @options, '--file', "$dir/$name", 'source' ], "$name: dumped");
	return "$dir/$name";
}

sub restore_sql
{
	my ($db, $file) = @_;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $file, $db ],
		"$db: restored");
	return;
}

new_database(
	'source', q{
	CREATE ROLE docs_reader;
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('jobs'), pgmq.create('dead'), pgmq.create('Mixed Case'), pgmq.create_unlogged('fleeting');
	SELECT pgmq.set_policy('jobs', '{"max_reads": 50, "dead_letter_queue": "dead", "dedup_window": 86400}');
	SELECT pgmq.send('jobs', to_jsonb(n), jsonb_build_object('x-pgmq-dedup-id', n::text)) FROM generate_series(1, 5) n;
	SELECT pgmq.archive('jobs', 2), pgmq.delete('jobs', 3);
	SELECT pgmq.create_fifo_index('jobs');
	SELECT pgmq.send('fleeting', '1'), pgmq.send('Mixed Case', '1');
	SELECT pgmq.bind_topic('a.' || n, q) FROM generate_series(1, 20) n, unnest(ARRAY['jobs', 'Mixed Case']) q;
	SELECT pgmq.enable_notify_insert('jobs', 250), pgmq.enable_notify_insert('dead', 250);
	GRANT USAGE ON SCHEMA pgmq TO docs_reader;
	GRANT SELECT ON pgmq.q_jobs TO docs_reader;
	ALTER TABLE pgmq.q_jobs ENABLE ROW LEVEL SECURITY;
	CREATE POLICY visible ON pgmq.q_jobs USING (msg_id < 5)});
sql('source', q{
	CREATE SCHEMA partman;
	CREATE EXTENSION pg_partman SCHEMA partman;
	SELECT pgmq.create_partitioned('parts', '10', '1000');
	SELECT pgmq.send('parts', to_jsonb(n)) FROM generate_series(1, 25) n;
	SELECT pgmq.archive('parts', 7)}) if $partman;

# The messages that must have come back
sub check_all
{
	my ($db, $ids) = @_;

	is(ids($db, 'jobs'), '1 4 5', "$db: what was in the queue is read at once");
	is(sql($db, q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'jobs'}), 'on',
		"$db: by the map");
	is(sql($db, 'SELECT string_agg(msg_id::text, $$ $$) FROM pgmq.a_jobs'), '2', "$db: and archived");
	is(sql($db, q{SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "4"}'::jsonb),
			pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "6"}'::jsonb)}), '4|6',
		"$db: duplicates are known, ids go on");
	is(sql($db, q{SET ROLE docs_reader; SELECT string_agg(msg_id::text, ' ') FROM pgmq.q_jobs}),
		'1 4', "$db: grants and row-level security");
	is(ids($db, 'fleeting'), '1', "$db: an unlogged queue");
	is(ids($db, 'Mixed Case'), '1', "$db: a name in mixed case");
	is(sql($db, q{SELECT pgmq.get_policy('jobs') ->> 'dead_letter_queue',
			count(*), (SELECT count(*) FROM pgmq.notify_insert_throttle)
			FROM pgmq.topic_bindings}), 'dead|40|2',
		"$db: policy, bindings, throttles");
	is(sql($db, q{SELECT pgmq.drop_queue('jobs');
			SELECT count(*), (SELECT count(*) FROM pgmq.notify_insert_throttle),
			(SELECT count(*) FROM pgmq.policy) FROM pgmq.topic_bindings}), "t\n20|1|0",
		"$db: which go with their queue");
	if ($partman)
	{
		is(ids($db, 'parts'), join(' ', grep { $_ != 7 } 1 .. 25), "$db: a partitioned queue");
		is(sql($db, q{SELECT pgmq.send('parts', '1')}), '26', "$db: .. with its ids");
		is(sql($db, q{SELECT count(*) FROM partman.part_config WHERE parent_table LIKE 'pgmq.%'}),
			2, "$db: .. known to pg_partman");
	}
}

# Several jobs.  They load tables in any order: here in the worst, too.
my $folder = dump_of('folder', '--format=directory');
new_database('jobs4');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '--jobs=4', '--dbname=jobs4', $folder ],
	'jobs4: restored by four jobs');
check_all('jobs4');

my ($list) = run_command([ 'pg_restore', '--list', $folder ]);
my $data = qr/^\d+; \d+ \d+ TABLE DATA /m;
my ($meta) = $list =~ /($data.* meta .*\n)/;
$list =~ s/\Q$meta\E//;
ok($list =~ s/(.*$data.*?\n)/$1$meta/s, 'a list with pgmq.meta last');
append_to_file("$dir/list", $list);
new_database('worst');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', "--use-list=$dir/list", '--dbname=worst', $folder ],
	'worst: restored with pgmq.meta last');
check_all('worst');

# All queues, and nothing else of the database
new_database('schemas');
restore_sql('schemas', dump_of('schema.sql', '--schema=pgmq', '--extension=pgmq_c',
		$partman ? ('--schema=partman', '--extension=pg_partman') : ()));
check_all('schemas');

# Tables first, rows later
new_database('split');
restore_sql('split', dump_of('tables.sql', '--schema-only'));
is(sql('split', 'SELECT count(*) FROM pgmq.list_queues()'), 0, 'split: tables, and no queue listed');
restore_sql('split', dump_of('rows.sql', '--data-only'));
check_all('split');

# One queue, into a database that has others
my $single = dump_of('single.sql', '--table=pgmq.q_jobs', '--table=pgmq.a_jobs');
new_database('single', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('other'); SELECT pgmq.send('other', '1')});
restore_sql('single', $single);
is(ids('single', 'jobs'), '1 4 5', 'single: the queue works at once');
is(sql('single', q{SELECT pgmq.create('jobs'); SELECT queue_name FROM pgmq.list_queues() ORDER BY 1}),
	"\njobs\nother", 'single: and is listed when it was created');
is(sql('single', q{SELECT pgmq.send('jobs', '6'); SELECT pgmq.archive('jobs', 6); SELECT pgmq.convert_queue('jobs')}),
	"6\nt\nf", 'single: .. as a whole one');
is(sql('single', q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'jobs'}), 'on',
	'single: .. with its map');
is(ids('single', 'other'), '1', 'single: others are as before');

# .. or out of a dump of all, as the manual says, beside one whose name goes on
sql('source', q{SELECT pgmq.create('jobs-2')});
my $all = dump_of('all.dump', '--format=custom');
my ($filter) = slurp_file("$FindBin::Bin/../../docs/operations/backup.md") =~ /(grep \S+ '.*_jobs.*') >jobs.list/;
new_database('listed', 'CREATE EXTENSION pgmq_c');
$node->command_ok([ 'sh', '-c', "pg_restore --list $all | $filter >$dir/jobs.list" ], 'listed: a list');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', "--use-list=$dir/jobs.list", '--dbname=listed', $all ],
	'listed: restored');
my $made_of = q{SELECT relname, relkind, pg_get_indexdef(c.oid) FROM pg_class c
	WHERE relnamespace = 'pgmq'::regnamespace AND relname ~ '_jobs' AND relname !~ '^d._|-' ORDER BY 1};
is(sql('listed', $made_of), sql('source', $made_of), 'listed: with all indexes');
is(ids('listed', 'jobs'), '1 4 5', 'listed: the queue works at once');
is(sql('listed', q{SELECT count(*) FROM pg_class WHERE relname ~ 'jobs-2'}), 0, 'listed: without its neighbour');

# .. and into one that has no extension yet
new_database('later', 'CREATE SCHEMA pgmq');
my ($out, $err) = run_command([ 'psql', '-Xq', '-d', $node->connstr('later'), '-f', $single ]);
is(join(' ', $err =~ /ERROR:  (.*)/g),
	'function pgmq._announce() does not exist trigger "pgmq_announce" for table "q_jobs" does not exist'
	  . ' function pgmq.notify_queue_listeners() does not exist',
	'later: only triggers could not be made');
is(sql('later', q{CREATE EXTENSION pgmq_c; SELECT pgmq.convert_queue('jobs')}), 't', 'later: they are');
is(ids('later', 'jobs'), '1 4 5', 'later: the queue works');
is(sql('later', q{SELECT due_map FROM pgmq.engine_status()}), 'on', 'later: with its map');

# Messages only, into a queue that is there
my $messages = dump_of('messages.sql', '--data-only', '--table=pgmq.q_jobs',
	'--table=pgmq.a_jobs', '--table=pgmq.q_jobs_msg_id_seq');
new_database('loaded', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('jobs')});
is(ids('loaded', 'jobs') . ids('loaded', 'jobs'), '', 'loaded: nothing there');
restore_sql('loaded', $messages);
is(ids('loaded', 'jobs'), '1 4 5', 'loaded: messages that are loaded are announced');
is(sql('loaded', q{SELECT pgmq.send('jobs', '6')}), '6', 'loaded: ids go on');

sql('loaded', 'DELETE FROM pgmq.q_jobs; DELETE FROM pgmq.a_jobs');
is(ids('loaded', 'jobs') . ids('loaded', 'jobs'), '', 'loaded: nothing there');
restore_sql('loaded', dump_of('disabled.sql', '--data-only', '--disable-triggers',
		'--table=pgmq.q_jobs', '--table=pgmq.a_jobs'));
is(ids('loaded', 'jobs'), '1 4 5', 'loaded: .. with triggers disabled, too');
is(sql('loaded', q{SELECT pgmq.convert_queue('jobs'); SELECT count(*) FROM pgmq.read('jobs', 0, 10);
		SELECT due_map FROM pgmq.engine_status()}), "t\n3\non", 'loaded: the map comes back');

# A queue in use.  Messages go to the archive in one statement, so each is in
# one of the two, in every snapshot.
sql('source', q{SELECT pgmq.create('busy')});
append_to_file("$dir/busy.sql", q{
	SELECT pgmq.send('busy', '1');
	SELECT pgmq.archive('busy', ARRAY(SELECT msg_id FROM pgmq.read('busy', 60, 2)));
});
my $bench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-T', '60', '-f', "$dir/busy.sql", $node->connstr('source') ],
	'>', \my $bench_out, '2>', \my $bench_err);
$node->poll_query_until('source', 'SELECT count(*) > 200 FROM pgmq.a_busy');
my $busy = dump_of('busy', '--format=custom');
$bench->signal('TERM');
$bench->finish;
new_database('busy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs=2', '--dbname=busy', $busy ],
	'busy: restored');
is(sql('busy', q{
	SELECT count(*) - count(DISTINCT msg_id), count(*) > 200
	FROM (SELECT msg_id FROM pgmq.q_busy UNION ALL SELECT msg_id FROM pgmq.a_busy) m}), '0|t',
	'busy: each message is in one place');
is(sql('busy', q{
	SELECT pgmq.send('busy', '2') > max(msg_id)
	FROM (SELECT msg_id FROM pgmq.q_busy UNION ALL SELECT msg_id FROM pgmq.a_busy) m}), 't',
	'busy: no id is given out again');

is(sql($_, 'SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()'), 0, "$_: the net found nothing")
  for qw(jobs4 worst schemas split single later loaded busy);

done_testing();
