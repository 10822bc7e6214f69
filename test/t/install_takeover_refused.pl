
# What CREATE EXTENSION pgmq_c refuses to take over, and that it does nothing
# for anybody with the rights it runs with: it is trusted, so it runs as a
# superuser for whoever may create things in the database, in a schema where
# others have been.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
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
	qr/ERROR:  42501: cannot take over table pgmq.meta of role "alice"\nHINT:  Run the command as role "alice"/
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
		"f\n1",
		'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
	like(
		$err,
		$plain
		? qr/NOTICE:  tables "q_lost" and "a_lost" are not adopted as a queue\n.*\n.*adopt_queue\('lost'\)/
		: qr/WARNING:  cannot look for queues that are not in table "pgmq.meta"/,
		'and says what becomes of the orphan');
}

# The update gives policies a column, and looks at the others for that.  What else
# the table has then does not run either, and no policy gets an owner.
my $cast = q{
	CREATE TYPE public.bait AS (word text);
	CREATE FUNCTION public.swallow(public.bait) RETURNS jsonb LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spring(); RETURN '{"dead_letter_queue": "dead"}'; END $$;
	CREATE CAST (public.bait AS jsonb) WITH FUNCTION public.swallow(public.bait) AS IMPLICIT;
	CREATE FUNCTION public.swallow_text(public.bait) RETURNS text LANGUAGE plpgsql
	AS $$ BEGIN PERFORM public.spring(); RETURN 'dead'; END $$;
	CREATE CAST (public.bait AS text) WITH FUNCTION public.swallow_text(public.bait) AS IMPLICIT;
};
foreach my $hook (
	'CREATE TRIGGER trap BEFORE UPDATE ON pgmq.policy FOR EACH ROW EXECUTE FUNCTION public.trap()',
	'ALTER TABLE pgmq.policy ADD CHECK (public.trap(queue_name)) NOT VALID',
	'CREATE INDEX trap ON pgmq.policy ((public.lure(1)))',
	'ALTER TABLE pgmq.policy ALTER policy DROP DEFAULT,'
	. ' ALTER policy TYPE public.bait USING row(policy)::public.bait')
{
	$db = database('CREATE SCHEMA pgmq', 'alice');
	run_as($db, 'alice', "$trap $cast" . q{
		CREATE EXTENSION pgmq_c VERSION '1.1.0';
		SELECT pgmq.create('dead'); SELECT pgmq.create('live');
		SELECT pgmq.set_policy('live', '{"max_reads": 1, "dead_letter_queue": "dead"}');} . $hook);
	my ($rc, $out, $err) =
	  $node->psql($db, 'SET SESSION AUTHORIZATION alice; ALTER EXTENSION pgmq_c UPDATE');
	is($rc, 0, "updated: $hook") or diag $err;
	like($err, qr/WARNING:  dead-letter queues whose owner is not .* get no messages/, 'and says what is left');
	is(run_as($db, 'alice', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice';
		  SELECT dead_letter_owner IS NULL FROM pgmq.policy}),
		"f\nt", 'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
}

# An old snapshot does not show what another session has made since.
foreach my $case (
	[ "CREATE EXTENSION pgmq_c VERSION '1.1.0'", 'policy', 'ALTER EXTENSION pgmq_c UPDATE' ],
	[ shape_sql('1.13.1'), 'meta', 'CREATE EXTENSION pgmq_c' ])
{
	my ($before, $table, $command) = @$case;

	$db = database("CREATE SCHEMA pgmq; $before; $trap", 'alice');
	my $s = session($node);
	ask($s, "\\c $db\nSET SESSION AUTHORIZATION alice; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;");
	run_as($db, 'alice', "CREATE INDEX trap ON pgmq.$table ((public.lure(1)));"
		  . "CREATE TRIGGER trap AFTER UPDATE ON pgmq.$table FOR EACH STATEMENT EXECUTE FUNCTION public.trap()");
	ask($s, "$command; COMMIT;");
	like($s->{err}, qr/ERROR:  cannot .* table pgmq.$table in a transaction that does not see/,
		"$command: refused with an old snapshot");
	done($s);
	is($node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f',
		'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
}
$db = database();
run_as($db, 'alice', q{SET default_transaction_isolation TO 'serializable'; CREATE EXTENSION pgmq_c});
is(run_as($db, 'alice', q{SELECT pgmq.create('q'); SELECT pgmq.send('q', '1')}), "\n1",
	'a fresh installation is possible in any isolation level');

# A type that changes while the take-over waits for the table
$db = database("$shape $trap $orphan $cast ALTER TABLE pgmq.notify_insert_throttle"
	  . ' DROP CONSTRAINT notify_insert_throttle_meta_queue_name_fk;'
	  . 'ALTER TABLE pgmq.topic_bindings DROP CONSTRAINT topic_bindings_queue_name_fkey', 'alice');
{
	my ($changer, $s) = (session($node), session($node));

	ask($changer, "\\c $db\nSET SESSION AUTHORIZATION alice; BEGIN;"
		  . ' ALTER TABLE pgmq.meta ALTER queue_name TYPE public.bait USING row(queue_name)::public.bait;');
	$s->{pid} = ask($s, "\\c $db\nSET SESSION AUTHORIZATION alice; SELECT pg_backend_pid();");
	begin($s, 'CREATE EXTENSION pgmq_c;');
	until_is($s, "wait_event_type = 'Lock'");
	ask($changer, 'COMMIT;');
	result($s);
	like($s->{err}, qr/WARNING:  cannot look for queues that are not in table "pgmq.meta"/,
		'a type that changes during the take-over is seen');
	done($changer, $s);
	is($node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f',
		'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
}

# Shapes

# An object that refers to columns by their number, or to a result or a default
# that no longer exists, is named; without it the take-over goes on.
foreach my $case (
	[ '1.9.0', q{CREATE VIEW public.mine AS SELECT msg_id, vt FROM pgmq.read('q', 1, 1)},
		'DROP VIEW public.mine', qr/composite type pgmq.message_record\nDETAIL:  .*: view public.mine\.\nHINT:  Drop these/ ],
	[ '1.9.0', q{CREATE TABLE public.mine (m pgmq.message_record); CREATE VIEW public.also AS SELECT (m).vt FROM public.mine},
		'DROP TABLE public.mine CASCADE', qr/composite type pgmq.message_record\nDETAIL:  .*: column m of table public.mine, view public.also\.\n/ ],
	[ '1.9.0', q{CREATE TABLE public.mine (m pgmq.message_record[])},
		'DROP TABLE public.mine', qr/composite type pgmq.message_record\nDETAIL:  .*: column m of table public.mine\.\n/ ],
	[ '1.5.1', q{CREATE TABLE public.mine OF pgmq.message_record},
		'DROP TABLE public.mine', qr/composite type pgmq.message_record\nDETAIL:  .*: table public.mine\.\n/ ],
	[ '1.5.1', q{CREATE DOMAIN public.mine AS pgmq.message_record; CREATE TABLE public.stored (m public.mine)},
		'DROP DOMAIN public.mine CASCADE', qr/composite type pgmq.message_record\nDETAIL:  .*: type public.mine\.\n/ ],
	[ '1.5.1', q{CREATE FUNCTION public.mine() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT msg_id FROM pgmq.pop('q'); END},
		'DROP FUNCTION public.mine()', qr/composite type pgmq.message_record\nDETAIL:  .*: function public.mine\(\)\.\n/ ],
	[ '1.4.4', q{CREATE VIEW public.mine AS SELECT pgmq.send('q', '1')},
		'DROP VIEW public.mine', qr/function pgmq.send\(.*\)\nDETAIL:  Its last argument no longer has a default, .*: view public.mine\.\n/ ],
	[ '1.0.0', q{CREATE VIEW public.mine AS SELECT queue_name FROM pgmq.list_queues()},
		'DROP VIEW public.mine', qr/function pgmq.list_queues\(\)\nDETAIL:  Its result changes from TABLE\(.*\) to SETOF pgmq.queue_record, .*: view public.mine\.\n/ ],
	[ '1.12.0', q{CREATE FUNCTION public.mine() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT pgmq.create_partitioned('q'); END},
		'DROP FUNCTION public.mine()', qr/function pgmq.create_partitioned\(.*\)\nDETAIL:  .*: function public.mine\(\)\.\n/ ])
{
	my ($version, $sql, $cure, $error) = @$case;

	$db = database("CREATE SCHEMA pgmq;\n" . shape_sql($version) . "; $sql", 'alice');
	refused("$version: $sql", $db, 'alice', qr/2BP01: cannot take over $error/);
	run_as($db, 'alice', "$cure; CREATE EXTENSION pgmq_c");
	is(run_as($db, 'alice', q{SELECT pgmq.create('q'); SELECT pgmq.send('q', '1'); SELECT vt IS NOT NULL, message FROM pgmq.read('q', 1, 1)}),
		"\n1\nt|1", "$version: taken over without it");
}

# Names and defaults of users' own functions in the schema are theirs.
$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.4.4') . q{;
	CREATE FUNCTION pgmq.send(queue_name text, how_often integer DEFAULT 3) RETURNS text
	LANGUAGE plpgsql AS $$ BEGIN RETURN queue_name || how_often; END $$;
	CREATE VIEW public.mine AS SELECT pgmq.send(queue_name => 'q') AS s}, 'alice');
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is(run_as($db, 'alice', q{SELECT pgmq.send(how_often => 4, queue_name => 'q'); SELECT pgmq.send('r'::text); SELECT s FROM public.mine}),
	"q4\nr3\nq3", "a user's function keeps its arguments");

# Without a key, twice in meta, and with what would run while a key is made
foreach my $hook (
	'CREATE TRIGGER trap BEFORE DELETE ON pgmq.meta FOR EACH ROW EXECUTE FUNCTION public.trap()',
	'ALTER TABLE pgmq.meta ALTER queue_name DROP NOT NULL, ADD CHECK (public.lure(1)) NOT VALID')
{
	$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.0.0') . "; $trap"
		  . q{INSERT INTO pgmq.meta VALUES ('twice', false, false), ('twice', false, false);}
		  . $hook, 'alice');
	refused("no key: $hook", $db, 'alice',
		qr/0A000: cannot take over table pgmq.meta\nDETAIL:  It has no key, and triggers.*\nHINT:  Add a unique constraint/);
	is($node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f', 'and no rights given away');
	$node->safe_psql('postgres', 'ALTER ROLE alice NOSUPERUSER');
}
$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.0.0')
	  . q{; INSERT INTO pgmq.meta VALUES ('twice', false, false), ('twice', false, false)}, 'alice');
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is(run_as($db, 'alice', 'SELECT queue_name FROM pgmq.list_queues()'), 'twice', 'a queue that is twice in meta is one queue');

# Functions that somebody made in pg_temp before are not called.
$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.0.0') . "; $trap", 'alice');
run_as($db, 'alice', q{
	CREATE FUNCTION pg_temp.pgmq_meta_is_plain(text) RETURNS boolean LANGUAGE sql AS 'SELECT public.spring()';
	CREATE FUNCTION pg_temp.pgmq_dependents(bigint) RETURNS text LANGUAGE sql AS 'SELECT public.spring()::text';
	CREATE FUNCTION pg_temp.pgmq_description(anyelement) RETURNS text LANGUAGE sql AS 'SELECT public.spring()::text';
	CREATE EXTENSION pgmq_c});
is($node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f',
	'functions in pg_temp are not called');

# A queue is a queue even if meta cannot be looked at.
$db = database("CREATE SCHEMA pgmq;\n" . shape_sql('1.5.1') . "; $trap"
	  . PgmqShape::queues_sql('1.5.1')
	  . '; ALTER TABLE pgmq.meta ADD CHECK (public.lure(1)) NOT VALID;'
	  . 'ALTER TABLE pgmq.q_jobs ADD CHECK (public.lure(1)) NOT VALID, ALTER message SET DEFAULT to_jsonb(public.lure(1));'
	  . 'CREATE INDEX trap ON pgmq.q_jobs (msg_id) WHERE public.lure(1)', 'alice');
run_as($db, 'alice', 'CREATE EXTENSION pgmq_c');
is($node->safe_psql($db, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'}), 'f',
	'traps in a queue are not sprung');
is(run_as($db, 'alice', q{SELECT pgmq.send('jobs', '1'); SELECT msg_id FROM pgmq.read('jobs', 1, 9)}), "4\n3\n4",
	'and it is complete');

foreach my $change (
	'ALTER TABLE pgmq.meta ADD note text',
	'ALTER TABLE pgmq.topic_bindings DROP bound_at',
	'ALTER TABLE pgmq.notify_insert_throttle ALTER throttle_interval_ms TYPE bigint',
	'ALTER TYPE pgmq.queue_record ADD ATTRIBUTE note text',
	'ALTER TYPE pgmq.queue_record DROP ATTRIBUTE created_at, ADD ATTRIBUTE created_at timestamptz',
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
	"meta|t\nnotify_insert_throttle|t\npolicy|t\nstat_queues|t\nstream|t\nsubscription|t\nsubscription_block|t\nsubscription_note|t\ntopic_bindings|t",
	'and a dump has no grants of it to tell');
$node->safe_psql($db, 'REASSIGN OWNED BY alice TO bob; DROP OWNED BY alice');
is( $node->safe_psql(
		$db,
		q{SELECT count(*) FROM pg_init_privs
		  WHERE array_to_string(initprivs, ' ') LIKE '%alice%'}),
	$node->pg_version >= 17 ? '0' : '9',
	'and she can leave, where the server notes who is in it');

done_testing();
