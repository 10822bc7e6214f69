
# What CREATE EXTENSION pgmq_c refuses to take over, and that it does nothing
# for anybody with the rights it runs with: it is trusted, so it runs as a
# superuser for whoever may create things in the database, in a schema where
# others have been.
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
$node->start;
$node->safe_psql('postgres',
	'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE boss SUPERUSER LOGIN');

# A new database of alice's, with what the SQL makes of it.
my $serial = 0;

sub database
{
	my ($sql, $user) = @_;
	my $db = 'db' . ++$serial;

	$node->safe_psql('postgres', "CREATE DATABASE $db OWNER alice");
	$node->safe_psql($db, 'GRANT CREATE ON DATABASE ' . $db . ' TO bob');
	run_as($db, $user, $sql) if $sql;
	return $db;
}

sub run_as
{
	my ($db, $user, $sql) = @_;

	return $node->safe_psql($db, "SET SESSION AUTHORIZATION $user;\n$sql");
}

sub refused
{
	my ($name, $db, $user, $error) = @_;
	my ($rc, $out, $err) = $node->psql($db,
		"SET SESSION AUTHORIZATION $user;\n\\set VERBOSITY verbose\nCREATE EXTENSION pgmq_c");

	isnt($rc, 0, "$name: refused");
	like($err, $error, "$name: and says why");
	is( $node->safe_psql($db,
			q{SELECT count(*) FROM pg_extension WHERE extname LIKE 'pgmq%';
			  SELECT count(*) FROM pg_proc WHERE probin LIKE '%pgmq%'}),
		"0\n0",
		"$name: nothing is left of it");
	return;
}

my $shape = "CREATE SCHEMA pgmq;\n" . shape_sql('1.13.1');

# Trust: who owns an object can change it

my $db = database($shape, 'alice');
refused(
	"a role's PGMQ by a superuser", $db, 'boss',
	qr/ERROR:  42501: cannot take over table pgmq.meta of role "alice"\nHINT:  Run the command as "alice"/
);
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is( $node->safe_psql(
		$db,
		q{SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
		  WHERE pronamespace = 'pgmq'::regnamespace;
		  SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
		  WHERE relnamespace = 'pgmq'::regnamespace;
		  SELECT DISTINCT pg_get_userbyid(extowner) FROM pg_extension
		  WHERE extname = 'pgmq_c'}),
	"alice\nalice\nalice",
	"a role's PGMQ by the role itself: all of it is hers");

$db = database($shape, 'boss');
refused("a superuser's PGMQ by a role", $db, 'alice',
	qr/42501: cannot take over table pgmq.meta of role "boss"/);

$db = database($shape, 'bob');
refused("another role's PGMQ by the database's owner",
	$db, 'alice', qr/42501: cannot take over table pgmq.meta of role "bob"/);
$node->safe_psql($db, 'GRANT bob TO alice');
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is( $node->safe_psql(
		$db,
		q{SELECT pg_get_userbyid(relowner) FROM pg_class
		  WHERE oid = 'pgmq.meta'::regclass;
		  SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
		  WHERE pronamespace = 'pgmq'::regnamespace AND proname = 'delete'}),
	"bob\nbob",
	"by a member of the role: it stays the role's, new functions too");
$node->safe_psql($db, 'REVOKE bob FROM alice');

$db = database($shape, 'boss');
run_as($db, 'boss', 'ALTER TABLE pgmq.topic_bindings OWNER TO bob');
refused("one table of another role's",
	$db, 'boss',
	qr/42501: cannot take over table pgmq.topic_bindings of role "bob"/);

# The extension's owner answers for its members

SKIP:
{
	skip 'the share folder is not writable', 5 unless share_is_private();

	$db = database();
	shape_extension($node, $db, '1.13.1', 'alice');
	foreach my $user ('bob', 'boss')
	{
		my ($rc, $out, $err) = $node->psql($db,
			"SET SESSION AUTHORIZATION $user; CREATE EXTENSION pgmq_c");
		like(
			$err,
			qr/cannot take over table pgmq.meta of role "alice"/,
			"a role's extension by $user: refused");
	}
	is( $node->safe_psql($db, q{SELECT extname FROM pg_extension WHERE extname LIKE 'pgmq%'}),
		'pgmq', 'and it is still there');
	run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
	is( $node->safe_psql(
			$db,
			q{SELECT extname, pg_get_userbyid(extowner) FROM pg_extension
			  WHERE extname LIKE 'pgmq%';
			  SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
			  WHERE pronamespace = 'pgmq'::regnamespace}),
		"pgmq_c|alice\nalice",
		'by the role itself: taken over');
	is( run_as(
			$db, 'alice',
			q{SELECT pgmq.create('mine'); SELECT pgmq.send('mine', '1');
			  SELECT pgmq.drop_queue('mine')}),
		"\n1\nt",
		'and she can use it');
}

# Things laid in the way beforehand, in a schema that others can use

$db = database('CREATE SCHEMA pgmq; GRANT ALL ON SCHEMA pgmq TO PUBLIC', 'boss');
run_as(
	$db, 'bob',
	q{CREATE FUNCTION pgmq.send(queue_name text, msg jsonb)
	  RETURNS SETOF bigint LANGUAGE plpgsql
	  AS $$ BEGIN RETURN NEXT 666; END $$});
refused("a function laid in the way",
	$db, 'boss', qr/function pgmq.send\(text,jsonb\) is not a member/);
refused("a function laid in the way of a role",
	$db, 'alice', qr/function pgmq.send\(text,jsonb\) is not a member/);

$db = database($shape, 'boss');
run_as($db, 'boss', 'GRANT ALL ON SCHEMA pgmq TO PUBLIC');
run_as(
	$db, 'bob',
	q{CREATE FUNCTION pgmq.delete(queue_name text, msg_id bigint, read_ct integer)
	  RETURNS boolean LANGUAGE plpgsql
	  AS $$ BEGIN RETURN true; END $$});
refused("a function laid in the way of a new form",
	$db, 'boss', qr/function pgmq.delete\(text,bigint,integer\) is not a member/);

$db = database('CREATE SCHEMA pgmq; GRANT ALL ON SCHEMA pgmq TO PUBLIC', 'boss');
run_as(
	$db, 'bob',
	q{CREATE TABLE pgmq.meta (queue_name varchar UNIQUE NOT NULL,
		is_partitioned boolean NOT NULL, is_unlogged boolean NOT NULL,
		created_at timestamptz NOT NULL DEFAULT now());
	  CREATE FUNCTION pgmq.trap() RETURNS trigger LANGUAGE plpgsql
	  AS $$ BEGIN EXECUTE 'ALTER ROLE bob SUPERUSER'; RETURN NEW; END $$;
	  CREATE TRIGGER trap BEFORE INSERT ON pgmq.meta
	  FOR EACH ROW EXECUTE FUNCTION pgmq.trap()});
refused("a table with a trap",
	$db, 'boss', qr/cannot take over table pgmq.meta of role "bob"/);

# Code of the installing role must not run with the script's rights

my $trap = q{
	CREATE FUNCTION public.spring() RETURNS boolean LANGUAGE plpgsql
	AS $$
	BEGIN
		IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
			EXECUTE 'ALTER ROLE alice SUPERUSER';
		END IF;
		RETURN true;
	END
	$$;
	CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spring(); RETURN NEW; END $$;
	CREATE FUNCTION public.trap(anyelement) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN RETURN public.spring(); END $$;
	CREATE FUNCTION public.lure(integer) RETURNS boolean
	IMMUTABLE LANGUAGE plpgsql
	AS $$ BEGIN RETURN public.spring(); END $$;
	CREATE FUNCTION pgmq.lower(varchar) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spring(); RETURN $1; END $$;
	CREATE FUNCTION pgmq.same(name, varchar) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN RETURN public.spring(); END $$;
	CREATE OPERATOR pgmq.= (FUNCTION = pgmq.same, LEFTARG = name, RIGHTARG = varchar);
};
my $orphan = q{
	INSERT INTO pgmq.meta VALUES ('present', false, false);
	INSERT INTO pgmq.notify_insert_throttle VALUES ('present');
	INSERT INTO pgmq.topic_bindings VALUES ('a', 'present');
	CREATE TABLE pgmq.q_lost (
		msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		read_ct integer DEFAULT 0 NOT NULL,
		enqueued_at timestamptz DEFAULT now() NOT NULL,
		last_read_at timestamptz, vt timestamptz NOT NULL,
		message jsonb, headers jsonb);
	CREATE TABLE pgmq.a_lost (
		msg_id bigint PRIMARY KEY,
		read_ct integer DEFAULT 0 NOT NULL,
		enqueued_at timestamptz DEFAULT now() NOT NULL,
		last_read_at timestamptz, archived_at timestamptz DEFAULT now() NOT NULL,
		vt timestamptz NOT NULL, message jsonb, headers jsonb);
};

foreach my $hook (
	'CREATE TRIGGER trap BEFORE INSERT ON pgmq.meta FOR EACH ROW EXECUTE FUNCTION public.trap()',
	'ALTER TABLE pgmq.meta ADD CHECK (public.trap(queue_name)) NOT VALID',
	"CREATE INDEX trap ON pgmq.meta ((public.lure(1)))",
	"CREATE INDEX trap ON pgmq.meta (created_at) WHERE public.lure(1)",
	"CREATE STATISTICS public.trap ON (public.lure(1)), queue_name FROM pgmq.meta",
	"CREATE TABLE public.child (CHECK (public.lure(1))) INHERITS (pgmq.meta)",
	"CREATE RULE trap AS ON INSERT TO pgmq.meta DO ALSO SELECT public.trap(NEW.queue_name)",
	"CREATE INDEX trap ON pgmq.notify_insert_throttle ((public.lure(1)))",
	"CREATE INDEX trap ON pgmq.notify_insert_throttle (queue_name) WHERE public.lure(1)",
	"ALTER TABLE pgmq.notify_insert_throttle ADD CHECK (public.lure(1))",
	"DROP INDEX pgmq.idx_topic_bindings_covering; CREATE INDEX trap ON pgmq.topic_bindings ((public.lure(1)))",
	"ALTER TABLE pgmq.meta ALTER created_at SET DEFAULT CASE WHEN public.trap(1) THEN now() END"
  )
{
	my $plain = $hook =~ /DEFAULT|throttle|bindings/;

	$db = database("$shape $trap $orphan $hook", 'alice');
	my ($rc, $out, $err) = $node->psql($db,
		"SET SESSION AUTHORIZATION alice; SET constraint_exclusion TO on; CREATE EXTENSION pgmq_c");
	is($rc, 0, "trap sprung by nobody: $hook") or diag $err;
	# As alice: a superuser who asks the table itself walks into the trap.
	is( run_as(
			$db, 'alice',
			q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice';
			  SELECT count(*) FROM ONLY pgmq.meta}),
		$plain ? "f\n2" : "f\n1",
		'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
	like(
		$err,
		$plain
		? qr/NOTICE:  adopted queue "lost"/
		: qr/WARNING:  queues that are not in table "pgmq.meta" are not looked for/,
		'and says what becomes of the orphan');
}

# Shapes

$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.9.0'), 'boss');
refused(
	"PGMQ 1.9", $db, 'boss',
	qr/0A000: cannot take over a PGMQ older than 1\.10\nHINT:  Update PGMQ to version 1\.10 or newer first\./
);
foreach my $change (
	'ALTER TABLE pgmq.meta ADD note text',
	'ALTER TABLE pgmq.topic_bindings DROP bound_at',
	'ALTER TABLE pgmq.notify_insert_throttle ALTER throttle_interval_ms TYPE bigint',
	'ALTER TYPE pgmq.queue_record ADD ATTRIBUTE note text',
	'ALTER TYPE pgmq.message_record ALTER ATTRIBUTE message TYPE json',
	'ALTER TYPE pgmq.metrics_result DROP ATTRIBUTE queue_visible_length')
{
	my ($object) = $change =~ /(\w+ pgmq\.\w+)/;

	$db = database("$shape; $change", 'boss');
	refused($change, $db, 'boss',
		qr/0A000: cannot take over (composite )?\L$object\E\nDETAIL:  It should have the columns/);
}
$db = database('CREATE SCHEMA pgmq; CREATE VIEW pgmq.meta AS SELECT 1 AS queue_name', 'boss');
refused("a view in place of a table",
	$db, 'boss', qr/0A000: cannot take over view pgmq.meta/);

# A fresh installation by the owner of a database

$db = database();
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is( $node->safe_psql(
		$db,
		q{SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
		  WHERE pronamespace = 'pgmq'::regnamespace;
		  SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
		  WHERE relnamespace = 'pgmq'::regnamespace;
		  SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'pgmq'}),
	"alice\nalice\nalice",
	'installed by the owner of a database: all of it is hers');
is( run_as(
		$db, 'alice',
		q{SELECT pgmq.create('mine'); SELECT pgmq.send('mine', '1');
		  SELECT pgmq.drop_queue('mine')}),
	"\n1\nt",
	'and she can use it');
is( $node->safe_psql(
		$db,
		q{SELECT c.relname, i.initprivs = c.relacl FROM pg_init_privs i
		  JOIN pg_class c ON c.oid = i.objoid
		  WHERE i.privtype = 'e' AND i.classoid = 'pg_class'::regclass
		  ORDER BY 1}),
	"meta|t\nnotify_insert_throttle|t\npolicy|t\ntopic_bindings|t",
	'and a dump has no grants of it to tell');
$node->safe_psql($db, 'REASSIGN OWNED BY alice TO bob; DROP OWNED BY alice');
is( $node->safe_psql(
		$db,
		q{SELECT count(*) FROM pg_init_privs
		  WHERE array_to_string(initprivs, ' ') LIKE '%alice%'}),
	$node->pg_version >= 17 ? '0' : '4',
	'and she can leave, where the server notes who is in it');

done_testing();
