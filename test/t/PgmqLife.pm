
# A database with queues of every kind in use, what there is to see of them, and
# whether they go on: for the tests of what happens to a database in its life.
package PgmqLife;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(life_fill life_streams life_streams_go_on life_messages life_catalog life_goes_on life_is_same
  life_session life_begin life_result life_ask life_end);

# Queues in use, for any version of pgmq_c from 1.0.0 on.  The caller has made
# the extension, and, where there is to be a partitioned queue, pg_partman.
# The role of the connection need not be a superuser.
my $fill = q{
	SELECT pgmq.create('jobs'), pgmq.create('Mixed "Case"'), pgmq.create('groups'),
		pgmq.create('letters'), pgmq.create('paused'), pgmq.create('empty'),
		pgmq.create_unlogged('fleeting'), pgmq.create('hand');
	SELECT pgmq.send('jobs', to_jsonb(n)) FROM generate_series(1, 200) n;
	SELECT pgmq.send('jobs', '"delayed"', 3600);
	SELECT pgmq.send('jobs', '"long past"', -3600);
	SELECT pgmq.read('jobs', 36000, 20);
	SELECT pgmq.archive('jobs', ARRAY[1, 2, 3]);
	SELECT pgmq.delete('jobs', ARRAY[4, 150, 200]);
	SELECT pgmq.send('Mixed "Case"', NULL::jsonb);
	SELECT pgmq.set_policy('Mixed "Case"', '{"dedup_window": 86400, "archive_retention": 86400}');
	SELECT pgmq.send('Mixed "Case"', '1', '{"x-pgmq-dedup-id": "a"}'::jsonb);
	SELECT pgmq.archive('Mixed "Case"', 2);
	SELECT pgmq.create_fifo_index('groups');
	SELECT pgmq.set_policy('groups', '{"strict_fifo": true}');
	SELECT pgmq.send('groups', to_jsonb(n), jsonb_build_object('x-pgmq-group', 'g' || n % 3))
	FROM generate_series(1, 30) n;
	SELECT pgmq.read_grouped_head('groups', 36000, 1);
	SELECT pgmq.set_policy('letters', '{"max_reads": 1, "dead_letter_queue": "dead",
		"create_dead_letter_queue": true, "ttl": 864000, "backoff": "linear"}');
	SELECT pgmq.send_batch('letters', '{1,2,3}'::jsonb[]);
	SELECT pgmq.read('letters', 0, 1);
	SELECT pgmq.read('letters', 36000, 1);
	SELECT pgmq.send('paused', '1');
	SELECT pgmq.pause('paused', 'infinity');
	SELECT pgmq.send('fleeting', '"soon gone"');
	SELECT pgmq.send_batch('fleeting', '{1,2,3}'::jsonb[]);
	SELECT pgmq.archive('fleeting', 2);
	SELECT pgmq.bind_topic('logs.#', 'jobs'), pgmq.bind_topic('*.error', 'Mixed "Case"');
	SELECT pgmq.enable_notify_insert('jobs', 250), pgmq.enable_notify_insert('hand', 0);
	SELECT setval('pgmq.q_empty_msg_id_seq', 9000000000);
	ALTER TABLE pgmq.q_hand ADD COLUMN extra text DEFAULT 'x';
	CREATE INDEX hand_idx ON pgmq.q_hand ((message->>'a'));
	CREATE SCHEMA mine;
	CREATE TABLE mine.seen (id bigint);
	CREATE FUNCTION mine.see() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN INSERT INTO mine.seen VALUES (NEW.msg_id); RETURN NEW; END';
	CREATE TRIGGER see BEFORE INSERT ON pgmq.q_hand FOR EACH ROW EXECUTE FUNCTION mine.see();
	CREATE VIEW mine.waiting AS SELECT msg_id, message FROM pgmq.q_hand;
	CREATE FUNCTION mine.enqueue(jsonb) RETURNS bigint LANGUAGE sql
		BEGIN ATOMIC SELECT pgmq.send('hand', $1); END;
	INSERT INTO pgmq.q_hand (message, vt) SELECT '{"a": 1}', v
	FROM unnest('{2020-01-01,infinity}'::timestamptz[]) v;
	GRANT USAGE ON SCHEMA pgmq TO life_reader;
	GRANT SELECT ON pgmq.q_jobs, pgmq.meta TO life_reader;
	GRANT INSERT ON pgmq.q_hand TO life_reader;
	REVOKE EXECUTE ON FUNCTION pgmq.delete(text, bigint, integer) FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION pgmq.delete(text, bigint, integer) TO life_reader;
	CREATE POLICY odd ON pgmq.q_hand FOR SELECT TO life_reader USING (msg_id % 2 = 1);
	ALTER TABLE pgmq.q_hand ENABLE ROW LEVEL SECURITY;
};

my $fill_partitioned = q{
	SELECT pgmq.create_partitioned('parts', '100', '100000', 2);
	SELECT pgmq.send_batch('parts', (SELECT array_agg(to_jsonb(n)) FROM generate_series(1, 250) n));
	SELECT pgmq.read('parts', 36000, 3);
	SELECT pgmq.archive('parts', ARRAY[1, 150]);
};

# The view that the extension's users have of their database, except for the
# messages, in a form that is the same for every version of the server.  Since
# 17 partitions are identity columns as their parents are.
my $catalog = q{
	SELECT 'queue', to_jsonb(q)::text FROM pgmq.list_queues() q
	UNION ALL SELECT 'policy', to_jsonb(p)::text FROM pgmq.policy p
	UNION ALL SELECT 'binding', to_jsonb(b)::text FROM pgmq.topic_bindings b
	UNION ALL SELECT 'throttle', to_jsonb(t)::text FROM pgmq.notify_insert_throttle t
	UNION ALL SELECT 'metrics', (to_jsonb(m) - 'scrape_time' - 'newest_msg_age_sec'
		- 'oldest_msg_age_sec' - 'default_partition_length')::text
	FROM pgmq.metrics_all() m
	UNION ALL SELECT 'routine', p.oid::regprocedure::text || ' '
		|| array_to_string(array(SELECT unnest(coalesce(p.proacl,
			acldefault('f', p.proowner)))::text ORDER BY 1), ' ')
	FROM pg_proc p WHERE p.pronamespace::regnamespace::text IN ('pgmq', 'mine')
	UNION ALL SELECT 'relation', concat_ws(' ', c.relname, c.relkind, c.relpersistence,
		c.relreplident, c.reloptions, c.relrowsecurity, c.relowner::regrole,
		array_to_string(array(SELECT unnest(coalesce(c.relacl, acldefault(
			CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner)))::text
			ORDER BY 1), ' '))
	FROM pg_class c
	WHERE c.relnamespace::regnamespace::text IN ('pgmq', 'mine') AND c.relkind <> 't'
	UNION ALL SELECT 'sequence', concat_ws(' ', s.sequencename, s.last_value)
	FROM pg_sequences s WHERE s.schemaname = 'pgmq'
	UNION ALL SELECT 'column', concat_ws(' ', c.relname, a.attname,
		format_type(a.atttypid, a.atttypmod), a.attnotnull,
		CASE WHEN NOT c.relispartition THEN a.attidentity END,
		a.attgenerated, a.attacl)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'p')
	AND NOT a.attisdropped
	UNION ALL SELECT 'index', pg_get_indexdef(i.indexrelid)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
	WHERE c.relnamespace = 'pgmq'::regnamespace
	UNION ALL SELECT 'trigger', tgenabled::text || ' ' || pg_get_triggerdef(oid)
	FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL SELECT 'row policy', concat_ws(' ', polname, polrelid::regclass,
		pg_get_expr(polqual, polrelid))
	FROM pg_policy
	UNION ALL SELECT 'extension', concat_ws(' ', extname, extversion, extowner::regrole)
	FROM pg_extension WHERE extname ~ '^pgmq'
	UNION ALL SELECT 'member', pg_describe_object(classid, objid, objsubid)
	FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname ~ '^pgmq')
	AND classid <> 'pg_type'::regclass
	UNION ALL SELECT 'dumped', unnest(extconfig)::regclass::text
	FROM pg_extension WHERE extname ~ '^pgmq'
	ORDER BY 1, 2};

# What every queue does after whatever happened: reads, ids, policies, groups,
# topics and privileges.  With what it should say.
my @goes_on = (
	'what is in flight or delayed is not read, the rest is' =>
	  q{SELECT count(*), min(msg_id), max(msg_id), max(read_ct) FROM pgmq.read('jobs', 36000, 1000)},
	'179|21|202|1',
	'ids go on' => q{SELECT pgmq.send('jobs', '7'); SELECT pgmq.send('empty', '1');
		SELECT msg_id FROM pgmq.read('jobs', 30, 10); SELECT msg_id FROM pgmq.read('empty', 30, 10)},
	"203\n9000000001\n203\n9000000001",
	'the fence knows what was read before' =>
	  q{SELECT pgmq.delete('jobs', 5, 0), pgmq.delete('jobs', 5, 1), pgmq.archive('jobs', 21, 1)},
	'f|t|t',
	'a duplicate is one, and what was archived stays so' =>
	  q{SELECT pgmq.send('Mixed "Case"', '2', '{"x-pgmq-dedup-id": "a"}'::jsonb);
		SELECT pgmq.send('Mixed "Case"', '2', '{"x-pgmq-dedup-id": "b"}'::jsonb);
		SELECT msg_id, message FROM pgmq."a_mixed ""case"""},
	"2\n3\n2|1",
	'groups whose head is in flight wait' =>
	  q{SELECT msg_id FROM pgmq.read_grouped_head('groups', 36000, 10)},
	"2\n3",
	'a spent message becomes a dead letter, and can come back' =>
	  q{SELECT msg_id FROM pgmq.read('letters', 36000, 10);
		SELECT msg_id FROM pgmq.set_vt('letters', 2, 0);
		SELECT count(*) FROM pgmq.read('letters', 0, 10);
		SELECT message FROM pgmq.read('dead', 0, 10);
		SELECT pgmq.redrive('dead', 10)},
	"3\n2\n0\n1\n2\n2",
	'a pause lasts until it ends' =>
	  q{SELECT count(*) FROM pgmq.read('paused', 30, 1); SELECT pgmq.resume('paused');
		SELECT msg_id FROM pgmq.read('paused', 30, 1)},
	"0\nt\n1",
	'topics' => q{SELECT pgmq.send_topic('logs.error', '8')},
	2,
	'triggers and functions of users' =>
	  q{SELECT mine.enqueue('{"a": 2}'); SELECT max(id) FROM mine.seen;
		SELECT count(*) FROM mine.waiting; SELECT msg_id FROM pgmq.read('hand', 30, 10)},
	"3\n3\n3\n1\n3",
	'queues come and go' =>
	  q{SELECT count(*) FROM pgmq.purge_queue('letters'); SET client_min_messages = error;
		SELECT pgmq.drop_queue('dead'); RESET client_min_messages;
		SELECT count(*) FROM pgmq.create('anew'); SELECT pgmq.send('anew', '1');
		SELECT count(*) FROM pgmq.pop('anew')},
	"1\nt\n1\n1\n1",
	'the due map had hidden nothing' =>
	  q{SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()},
	0,
	'every queue is announced' =>
	  q{SELECT queue_name FROM pgmq.engine_status() WHERE due_map = 'not announced'},
	'');

sub life_fill
{
	my ($node, $db, %params) = @_;
	my $extra = $params{user} ? [ '-U', $params{user} ] : [];

	$node->safe_psql('postgres',
		"SELECT 'CREATE ROLE life_reader' WHERE to_regrole('life_reader') IS NULL\\gexec");
	$node->safe_psql($db, $fill, extra_params => $extra);
	$node->safe_psql($db, $fill_partitioned) if $params{partitioned};
	return;
}

# A stream with two subscriptions, half read, and one whose messages are gone.
sub life_streams
{
	my ($node, $db) = @_;

	$node->safe_psql($db, q{
		SELECT pgmq.create_stream('events'), pgmq.create_stream('gone');
		SELECT pgmq.create_subscription('events_half', 'events', 'earliest'),
			pgmq.create_subscription('events_none', 'events', 'earliest'),
			pgmq.create_subscription('gone_all', 'gone', 'earliest');
		SELECT setval('pgmq.q_gone_msg_id_seq', 5000000);
		SELECT pgmq.send_batch('events', array_fill('1'::jsonb, ARRAY[100])),
			pgmq.send_batch('gone', array_fill('1'::jsonb, ARRAY[10]));
		SELECT count(*) FROM pgmq.pop('events_half', 40);
		SELECT count(*) FROM pgmq.read('events_half', 36000, 20);
		SELECT count(*) FROM pgmq.read('events_none', 36000, 5);
		SELECT count(*) FROM pgmq.pop('gone_all', 100);
		SELECT count(*) FROM pgmq.delete('gone', ARRAY(SELECT msg_id FROM pgmq.q_gone))});
	return;
}

# They go on where they were: what is in flight can be acknowledged, the rest is
# delivered once, and so is what comes.
sub life_streams_go_on
{
	my ($node, $db, $name) = @_;
	my $pop = q{SELECT count(*), count(DISTINCT msg_id), min(msg_id) FROM pgmq.pop('%s', 1000)};

	is( $node->safe_psql($db,
			q{SELECT subscription_name, in_flight, lag FROM pgmq.list_subscriptions('events') ORDER BY 1}),
		"events_half|20|60\nevents_none|5|100",
		"$name: subscriptions are where they were");
	is($node->safe_psql($db, sprintf($pop, 'events_half')), '40|40|61', "$name: the rest comes once");
	is($node->safe_psql($db, sprintf($pop, 'events_none')), '95|95|6', "$name: .. to each");
	is( $node->safe_psql($db, q{SELECT count(*) FROM pgmq.delete('events_half', ARRAY(SELECT generate_series(41, 60)));
			SELECT pgmq.delete('events_none', 1, 1), pgmq.delete('events_none', 2, 2), pgmq.nack('events_none', 3, 0);
			SELECT msg_id, read_ct FROM pgmq.read('events_none', 36000, 10)}),
		"20\nt|f|t\n3|2",
		"$name: what was in flight can be acknowledged, and comes again");
	foreach my $queue ('events', 'gone')
	{
		my $id = $node->safe_psql($db, "SELECT pgmq.send('$queue', '2')");

		is($node->safe_psql($db, sprintf($pop, $_)), "1|1|$id", "$name: $_ gets what comes")
		  foreach $queue eq 'gone' ? 'gone_all' : ('events_half', 'events_none');
	}
	return;
}

# All rows of queues, archives and deduplication; with logged => 1 those that a
# standby has too.
sub life_messages
{
	my ($node, $db, %params) = @_;
	my $logged = $params{logged} ? "AND relpersistence = 'p'" : '';
	my @tables = split /\n/, $node->safe_psql(
		$db,
		qq{SELECT oid::regclass::text FROM pg_class
		  WHERE relnamespace = 'pgmq'::regnamespace AND relkind IN ('r', 'p') $logged
		  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid
			AND classid = 'pg_class'::regclass AND deptype = 'e')
		  ORDER BY 1});

	return join '',
	  map { "$_:\n" . $node->safe_psql($db, "SELECT * FROM $_ t ORDER BY t::text") . "\n" }
	  @tables;
}

sub life_catalog
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, $catalog);
}

# The lines in which two listings differ: shorter to read than both.
sub life_is_same
{
	my ($got, $expected, $name) = @_;
	my %got = map { $_ => 1 } split /\n/, $got;
	my %expected = map { $_ => 1 } split /\n/, $expected;

	is_deeply(
		{
			missing => [ grep { !$got{$_} } sort keys %expected ],
			surplus => [ grep { !$expected{$_} } sort keys %got ]
		},
		{ missing => [], surplus => [] },
		$name);
	return;
}

sub life_goes_on
{
	my ($node, $db, $name, %params) = @_;
	my @todo = @goes_on;
	my $extra = $params{user} ? [ '-U', $params{user} ] : [];

	while (my ($what, $sql, $expected) = splice(@todo, 0, 3))
	{
		my ($rc, $out, $err) = $node->psql($db, $sql, extra_params => $extra);

		is($err . $out, $expected, "$name: $what");
	}
	return;
}

# A session that stays: the statements it gets, and its output, errors last.
sub life_session
{
	my ($node, $db) = @_;
	my $s = { in => '', out => '', err => '' };

	$s->{psql} = IPC::Run::start(
		[ $node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($db), '-f', '-' ],
		'<', \$s->{in}, '>', \$s->{out}, '2>', \$s->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $s;
}

sub life_begin
{
	my ($s, $sql) = @_;

	$s->{out} = $s->{err} = '';
	$s->{in} .= "$sql;\n\\echo said\n\\warn said\n";
	$s->{psql}->pump_nb;
	return;
}

sub life_result
{
	my ($s) = @_;

	$s->{psql}->pump until $s->{out} =~ s/said\n$//;
	$s->{psql}->pump until $s->{err} =~ s/said\n$//;
	return join "\n", map { chomp; $_ } grep { $_ ne '' } $s->{out}, $s->{err};
}

sub life_ask
{
	life_begin(@_);
	return life_result($_[0]);
}

sub life_end
{
	foreach my $s (@_)
	{
		eval { $s->{in} .= "\\q\n"; $s->{psql}->finish };
	}
	return;
}

1;
