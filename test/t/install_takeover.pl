
# CREATE EXTENSION pgmq_c over a PGMQ in use, as an extension and as plain SQL,
# of every version from 1.0 on: all of it stays where it is, and all that users
# built upon it goes on working.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync' ]);
$node->append_conf('postgresql.conf', 'wal_level = logical');
$node->start;

# This must be the same afterwards: no message touched, no table rewritten, no
# object made again.
my $unchanged = q{
	SELECT 'file', relname, oid, relfilenode FROM pg_class
	WHERE relnamespace = 'pgmq'::regnamespace AND relkind IN ('r', 'i', 'S')
	AND relname !~ 'throttle'
	UNION ALL
	SELECT 'type', typname, oid, 0 FROM pg_type
	WHERE typnamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'trigger', tgname, oid, tgfoid FROM pg_trigger
	WHERE NOT tgisinternal
	UNION ALL
	SELECT 'function', oid::regprocedure::text, oid, proowner FROM pg_proc
	WHERE pronamespace IN ('pgmq'::regnamespace, 'public'::regnamespace)
	AND (proname, pronargs) NOT IN
		(('enable_notify_insert', 1), ('create_partitioned', 3),
		 ('create_partitioned', 4), ('pop', 1), ('read', 3),
		 ('read_with_poll', 5))
	UNION ALL
	SELECT 'row', concat_ws(' ', xmin, ctid, jsonb_strip_nulls(row)), 0, 0 FROM (
		SELECT xmin, ctid, to_jsonb(m) FROM pgmq.meta m
		UNION ALL SELECT xmin, ctid, to_jsonb(q) FROM pgmq.q_jobs q
		UNION ALL SELECT xmin, ctid, to_jsonb(q) FROM pgmq.a_jobs q
		UNION ALL SELECT xmin, ctid, to_jsonb(q) FROM pgmq.q_myqueue q
		UNION ALL SELECT xmin, ctid, to_jsonb(q) FROM pgmq.q_fleeting q
		UNION ALL SELECT xmin, ctid, to_jsonb(q) FROM pgmq.q_parts q) q (xmin, ctid, row)
	ORDER BY 1, 2, 3};
my $throttles = q{SELECT to_jsonb(t) FROM pgmq.notify_insert_throttle t ORDER BY 1::text};

my $members = q{
	SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgmq_c')
	ORDER BY 1};

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION pgmq_c');
my $sends = q{SELECT oid::regprocedure FROM pg_proc
	WHERE proname = 'send' AND pronamespace = 'pgmq'::regnamespace
	ORDER BY oid::regprocedure::text};
my $fresh_members = $node->safe_psql('fresh', $members);

sub take_over
{
	my ($version, $how) = @_;
	my $db = shape_database($node, $version, $how);
	my $bindings = !shape_before($version, '1.11.0');
	my $throttled = !shape_before($version, '1.8.0');
	my $views = !shape_before($version, '1.10.0');
	my $typed = !shape_before($version, '1.2.0');

	shape_data($node, $db, $version);
	shape_user($node, $db, $version);

	# A function that DROP EXTENSION would drop, a queue that it would drop
	# because a PGMQ of long ago made it a member, and a function that some
	# user made one.
	$node->safe_psql(
		$db, q{
		ALTER FUNCTION public.auto_dropped() DEPENDS ON EXTENSION pgmq;
		ALTER EXTENSION pgmq ADD FUNCTION pgmq.my_wrapper(jsonb)}
		  . (shape_before($version, '1.6.0') ? '' : '; ALTER EXTENSION pgmq ADD TABLE pgmq.a_jobs'))
	  if $how eq 'extension';

	my $before = $node->safe_psql($db, $unchanged);
	my $throttles_before = $throttled ? $node->safe_psql($db, $throttles) : '';

	# Without a key, creating a queue twice made two rows.
	$node->safe_psql($db, q{INSERT INTO pgmq.meta VALUES ('jobs', false, false, now())})
	  unless $typed;

	# Functions that returned another type are made again, and before 1.2
	# all did.
	$before =~ s/^function\|pgmq\.(?!my_wrapper).*\n//mg unless $typed;
	my ($rc, $out, $err) = $node->psql($db, 'CREATE EXTENSION pgmq_c');
	is($rc, 0, "$db: created") or diag $err;
	like(
		$err,
		qr/NOTICE:  role "pg_monitor" can no longer read messages/,
		"$db: says what changed for monitoring");

	my %was = map { $_ => 1 } split /\n/, $before;
	my %is = map { $_ => 1 } split /\n/, $node->safe_psql($db, $unchanged);
	is_deeply([ grep { !$is{$_} } sort keys %was ],
		[], "$db: nothing moved, rewritten or made anew");

	is($node->safe_psql($db, $throttles), $throttles_before, "$db: nor the throttles");
	is( $node->safe_psql(
			$db,
			q{SELECT relname, relkind FROM pg_class c
			  WHERE relnamespace = 'pgmq'::regnamespace
			  AND relname ~ '^[qa]_(jobs|myqueue|fleeting|parts|parts_default|parts_p10)$'
			  AND relkind IN ('r', 'p') AND NOT (
				SELECT array_agg(attname::text) @> '{headers,last_read_at}'
				FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped)}),
		'',
		"$db: every queue has its columns");

	is($node->safe_psql($db, $members),
		$fresh_members, "$db: has the members of a fresh installation");
	is( $node->safe_psql($db,
			q{SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension}),
		'pgmq_c plpgsql',
		"$db: PGMQ is no extension any more");
	is( $node->safe_psql(
			$db,
			q{SELECT count(*) FROM pg_proc
			  WHERE pronamespace = 'pgmq'::regnamespace
			  AND probin IS DISTINCT FROM '$libdir/pgmq_c'
			  AND prosqlbody IS NULL}),
		'1',
		"$db: every function replaced, but the user's own");
	is( $node->safe_psql($db,
			'SELECT count(*) FROM pgmq.meta; SELECT public.auto_dropped()'),
		"4\n1",
		"$db: queues known, function that depends on the extension kept");

	# Functions that users call
	$node->safe_psql($db, 'CREATE VIEW public.queue_lengths AS SELECT * FROM pgmq.metrics_all()')
	  unless $typed;
	is( $node->safe_psql($db,
			q{SELECT public.enqueue('{"n": 4}'); SELECT pgmq.my_wrapper('5')}),
		"4\n5",
		"$db: functions of users send");
	is( $node->safe_psql($db, 'SELECT * FROM public.one_job')
		  =~ /^3\|1\|.*\{"n": 3\}\|$/ ? 1 : 0,
		1,
		"$db: view reads past the message in flight")
	  if $views;
	is( $node->safe_psql(
			$db,
			q{SELECT msg_id, read_ct, message FROM public.take(2);
			  SELECT msg_id FROM public.job_messages ORDER BY 1}),
		'3|' . ($views ? 2 : 1) . qq(|{"n": 3}\n4|1|{"n": 4}\n2\n3\n4\n5),
		"$db: function reads");
	is( $node->safe_psql($db,
			'SELECT queue_name, queue_length FROM public.queue_lengths ORDER BY 1'),
		"MyQueue|1\nfleeting|1\njobs|4\nparts|25",
		"$db: view on metrics");
	is( $node->safe_psql(
			$db,
			q{SELECT message FROM pgmq.read('MyQueue', 30, 5);
			  SELECT message FROM pgmq.read('fleeting', 30, 5);
			  SELECT sum(message::int) FROM pgmq.read('parts', 30, 50);
			  SELECT pgmq.send('parts', '26');
			  SELECT pgmq.archive('MyQueue', 1);
			  SELECT message FROM pgmq.a_myqueue}),
		qq("a"\n{"f": 1}\n325\n26\nt\n"a"),
		"$db: queues of every kind are read");

	# Notifications, by the old triggers if there were any
	$node->safe_psql($db,
		q{SELECT pgmq.enable_notify_insert('jobs', 0), pgmq.enable_notify_insert('MyQueue')})
	  if shape_before($version, '1.7.0');
	($rc, $out, $err) = $node->psql(
		$db,
		q{LISTEN "pgmq.q_jobs.INSERT";
		  SELECT FROM pgmq.send('jobs', '6');});
	like($out, qr/notification "pgmq.q_jobs.INSERT"/, "$db: trigger notifies");
	($rc, $out, $err) = $node->psql(
		$db,
		q{LISTEN "pgmq.q_myqueue.INSERT";
		  SELECT FROM pgmq.send('MyQueue', '6');});
	like(
		$out,
		qr/notification "pgmq.q_myqueue.INSERT"/,
		"$db: trigger without argument notifies")
	  unless shape_before($version, '1.7.0');

	# Bindings
	if ($bindings)
	{
		is( $node->safe_psql(
				$db,
				q{SELECT pattern, queue_name, compiled_regex
				  FROM pgmq.list_topic_bindings() ORDER BY 1;
				  SELECT pgmq.send_topic('logs.error', '7')}),
			"*.error|MyQueue|^[^.]+\\.error\$\nlogs.#|jobs|^logs\\..*\$\n2",
			"$db: bindings route");
	}

	# Rights
	is( $node->safe_psql(
			$db,
			q{SELECT oid::regprocedure, array_to_string(
				array(SELECT replace(unnest(proacl)::text, quote_ident(current_user), 'me')
					  ORDER BY 1), ' ')
			  FROM pg_proc
			  WHERE pronamespace = 'pgmq'::regnamespace AND proacl IS NOT NULL
			  ORDER BY oid::regprocedure::text}),
		join("\n",
			'pgmq.archive(text,bigint)|me=X/me',
			'pgmq.archive(text,bigint,integer)|me=X/me',
			'pgmq.delete(text,bigint)|me=X/me shape_admin=X*/me shape_reader=X/me',
			'pgmq.delete(text,bigint,integer)|me=X/me shape_admin=X*/me shape_reader=X/me',
			map { "$_|me=X/me" } shape_before($version, '1.5.0')
			? (split /\n/, $node->safe_psql('fresh', $sends))
			: 'pgmq.send(text,jsonb,jsonb)'),
		"$db: new forms have the grants of their siblings");
	is( $node->safe_psql(
			$db,
			q{SET ROLE shape_reader;
			  SELECT msg_id FROM pgmq.q_jobs;
			  UPDATE pgmq.q_jobs SET vt = now() - interval '1 second'
			  WHERE msg_id = 3;
			  SELECT msg_id FROM pgmq.read('jobs', 0, 10);
			  SELECT pgmq.delete('jobs', 2)}),
		"3\n3\nf",
		"$db: policies hold");
	($rc, $out, $err) = $node->psql(
		$db,
		q{SET ROLE shape_reader; SELECT pgmq.archive('jobs', 3, 1)},
		on_error_stop => 1);
	like(
		$err,
		qr/permission denied for function archive/,
		"$db: fenced form is revoked as its sibling is");
	is( $node->safe_psql(
			$db,
			q{SET ROLE pg_monitor;
			  SELECT count(vt) > 0 FROM pgmq.q_fleeting;
			  SELECT count(vt) > 0 FROM pgmq.q_parts_p0;
			  SELECT last_value > 0 FROM pgmq.q_jobs_msg_id_seq}),
		"t\nt\nt",
		"$db: monitoring counts messages");
	foreach my $table ('q_jobs', 'a_jobs', 'q_parts_p0', 'a_myqueue')
	{
		($rc, $out, $err) = $node->psql($db,
			"SET ROLE pg_monitor; SELECT message FROM pgmq.$table");
		like(
			$err,
			qr/permission denied for table $table/,
			"$db: monitoring reads no messages of $table");
	}
	is( $node->safe_psql(
			$db,
			q{SELECT count(*) FROM pg_default_acl;
			  CREATE TABLE pgmq.later ();
			  SELECT relacl FROM pg_class WHERE relname = 'later'}),
		"0\n",
		"$db: nor of tables to come");

	is( $node->safe_psql(
			$db,
			q{SELECT count(*) FROM pg_shdepend
			  WHERE deptype = 'i' AND refobjid = 'shape_reader'::regrole}),
		'0',
		"$db: no trace of users' grants among the initial ones");

	# These tables must outlive a crash, and be replicated
	is( $node->safe_psql(
			$db,
			q{SELECT relpersistence, relreplident FROM pg_class
			  WHERE relname = 'notify_insert_throttle';
			  UPDATE pgmq.meta SET created_at = now();
			  DELETE FROM pgmq.topic_bindings}),
		$throttled ? 'p|i' : 'p|d',
		"$db: throttle is logged; published tables can be changed");

	# Messages that were archived before, and messages in flight
	is( $node->safe_psql(
			$db,
			q{SELECT msg_id, read_ct, message FROM pgmq.peek_archive('jobs', 10);
			  SELECT msg_id, read_ct, vt::date FROM pgmq.q_jobs WHERE vt > '2099-01-01';
			  SELECT pgmq.unarchive('jobs', 1) IS NOT NULL;
			  SELECT message FROM pgmq.q_jobs WHERE headers ? 'x-pgmq-unarchived';
			  SELECT count(*) FROM pgmq.a_jobs}),
		qq(1|1|{"n": 1}\n2|4|2100-01-01\nt\n{"n": 1}\n0),
		"$db: what was archived can be seen, and sent again");

	# And back again: only the extension's own objects go with it.
	($rc, $out, $err) = $node->psql($db, 'DROP EXTENSION pgmq_c CASCADE');
	is($rc, 0, "$db: dropped");
	is( $node->safe_psql(
			$db,
			q{SELECT count(*) FROM pgmq.q_jobs;
			  CREATE EXTENSION pgmq_c;
			  SELECT queue_name, is_partitioned, is_unlogged
			  FROM pgmq.list_queues() ORDER BY 1}),
		($bindings ? 7 : 6)
		  . "\nfleeting|f|t\njobs|f|f\nmyqueue|f|f\nparts|t|f",
		"$db: queues are adopted when it comes back");
	return;
}

my @kinds = ('sql');
if (share_is_private())
{
	unshift @kinds, 'extension';
}
else
{
	diag 'share folder not writable: PGMQ as an extension is not tested';
}

foreach my $how (@kinds)
{
	foreach my $version (@PgmqShape::versions)
	{
		take_over($version, $how);
	}
}

done_testing();
