
# A database that was taken over has the same catalog as a fresh installation,
# from whatever version of PGMQ it came, and so has one that ran the script
# again over itself, and one that was updated from any version of pgmq_c.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use lib dirname(__FILE__);
use PgmqLife;
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-sync' ]);
$node->start;

# Everything that the extension consists of.  Two differences are meant: what
# is a primary key in a fresh installation is a unique constraint used as
# replica identity after a take-over, and the expression of a generated column
# stays as it was.
my $catalog = q{
	SELECT 'function', p.oid::regprocedure::text,
		concat_ws(' | ', pg_get_function_arguments(p.oid),
			pg_get_function_result(p.oid), l.lanname, p.probin, p.prosrc,
			p.prokind, p.provolatile, p.proisstrict, p.prosecdef,
			p.proleakproof, p.proparallel, p.procost, p.prorows,
			p.prosupport, p.proconfig, p.proacl, p.proowner::regrole,
			i.initprivs, obj_description(p.oid, 'pg_proc'))
	FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	LEFT JOIN pg_init_privs i ON i.objoid = p.oid
		AND i.classoid = 'pg_proc'::regclass
	WHERE p.pronamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'column', format('%s.%s %s', c.relname, a.attname, a.attnum),
		concat_ws(' | ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
			CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
			a.attgenerated, a.attcollation::regcollation, a.attacl,
			i.initprivs, col_description(c.oid, a.attnum))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	LEFT JOIN pg_init_privs i ON i.objoid = c.oid
		AND i.classoid = 'pg_class'::regclass AND i.objsubid = a.attnum
	WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'c')
	AND a.attnum > 0
	UNION ALL
	SELECT 'relation', c.relname,
		concat_ws(' | ', c.relkind, c.relpersistence, c.relacl,
			c.relowner::regrole, c.reloptions, i.initprivs,
			obj_description(c.oid, 'pg_class'),
			obj_description(c.reltype, 'pg_type'))
	FROM pg_class c
	LEFT JOIN pg_init_privs i ON i.objoid = c.oid
		AND i.classoid = 'pg_class'::regclass AND i.objsubid = 0
	WHERE c.relnamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
	WHERE c.relnamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'constraint', k.conname,
		replace(pg_get_constraintdef(k.oid), 'PRIMARY KEY', 'UNIQUE')
	FROM pg_constraint k
	WHERE k.connamespace = 'pgmq'::regnamespace
	UNION ALL
	SELECT 'member', pg_describe_object(classid, objid, objsubid), ''
	FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname ~ '^pgmq')
	UNION ALL
	SELECT 'dumped', unnest(extconfig)::regclass::text, extcondition::text
	FROM pg_extension WHERE extname ~ '^pgmq'
	UNION ALL
	SELECT 'schema', n.nspname, concat_ws(' | ', n.nspacl, i.initprivs)
	FROM pg_namespace n
	LEFT JOIN pg_init_privs i ON i.objoid = n.oid
		AND i.classoid = 'pg_namespace'::regclass
	WHERE n.nspname = 'pgmq'
	UNION ALL
	SELECT 'default privileges', '', count(*)::text FROM pg_default_acl
	UNION ALL
	SELECT 'left over', relname, '' FROM pg_class
	WHERE relname LIKE 'pgmq%' AND relnamespace <> 'pgmq'::regnamespace
	UNION ALL
	SELECT 'version', extname, extversion FROM pg_extension WHERE extname ~ '^pgmq'
	ORDER BY 1, 2, 3};

my $can_identify = q{
	SELECT c.relname FROM pg_class c
	WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind = 'r'
	AND NOT EXISTS (
		SELECT FROM pg_index i WHERE i.indrelid = c.oid
		AND (i.indisprimary AND c.relreplident = 'd'
			 OR i.indisreplident AND c.relreplident = 'i'))};

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION pgmq_c');
my $fresh = $node->safe_psql('fresh', $catalog);

cmp_ok(scalar(split /\n/, $fresh), '>', 150, 'there is something to compare');
unlike($fresh, qr/^left over/m, 'no temporary table is left');
is($node->safe_psql('fresh', $can_identify),
	'', 'fresh: every table can be replicated');

my @kinds = share_is_private() ? ('extension', 'sql') : ('sql');
foreach my $how (@kinds)
{
	foreach my $version (@PgmqShape::versions)
	{
		my $db = shape_database($node, $version, $how);

		$node->safe_psql($db, 'CREATE EXTENSION pgmq_c');
		life_is_same($node->safe_psql($db, $catalog),
			$fresh, "$db: catalog as of a fresh installation");
		is($node->safe_psql($db, $can_identify),
			'', "$db: every table can be replicated");
	}
}

# In one transaction: no step may need what only a commit makes visible.
$node->safe_psql('postgres', 'CREATE DATABASE at_once');
$node->safe_psql('at_once',
	    "BEGIN;\nCREATE SCHEMA pgmq;\n"
	  . shape_sql('1.13.1')
	  . ";\nSAVEPOINT s; CREATE EXTENSION pgmq_c; COMMIT;");
life_is_same($node->safe_psql('at_once', $catalog),
	$fresh, 'taken over in the transaction that made it');

# The objects that users have made, apart from times.
sub timeless
{
	return life_catalog($node, $_[0]) =~ s/"(?:created_at|bound_at)": "[^"]*"//gr;
}

# An update from each version in the folder, by a superuser and by the owner of
# a database who is none: as it was created, and in use.
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN');
foreach my $user ('', 'alice')
{
	my $as = $user || 'super';
	my $owner = $user ? "OWNER $user" : '';
	my @by = $user ? (extra_params => [ '-U', $user ]) : ();

	$node->safe_psql('postgres', "CREATE DATABASE fresh_$as $owner; CREATE DATABASE used_$as $owner");
	$node->safe_psql($_, 'CREATE EXTENSION pgmq_c', @by) foreach "fresh_$as", "used_$as";
	life_fill($node, "used_$as", user => $user);
	$fresh = $node->safe_psql("fresh_$as", $catalog);
	my $used = timeless("used_$as");

	my @versions = split /\n/, $node->safe_psql(
		'postgres',
		q{SELECT p.source FROM pg_extension_update_paths('pgmq_c') p
		  JOIN pg_available_extensions e ON e.name = 'pgmq_c' AND e.default_version = p.target
		  JOIN pg_available_extension_versions v ON v.name = 'pgmq_c' AND v.version = p.source
		  WHERE p.path IS NOT NULL ORDER BY 1});

	is($versions[0], '1.0.0', "$as: there is something to update from");
	foreach my $version (@versions)
	{
		my $db = "${as}_$version" =~ tr/./_/r;

		$node->safe_psql('postgres', "CREATE DATABASE $db $owner; CREATE DATABASE ${db}_used $owner");
		$node->safe_psql($_, "CREATE EXTENSION pgmq_c VERSION '$version'", @by)
		  foreach $db, "${db}_used";
		life_fill($node, "${db}_used", user => $user);
		my $messages = life_messages($node, "${db}_used");

		$node->safe_psql($_, 'ALTER EXTENSION pgmq_c UPDATE', @by) foreach $db, "${db}_used";
		life_is_same($node->safe_psql($db, $catalog),
			$fresh, "$as, updated from $version: catalog as of a fresh installation");
		life_is_same(timeless("${db}_used"), $used, "$as, updated from $version in use: as if made today");
		is(life_messages($node, "${db}_used"), $messages, "$as, updated from $version: every message is there");
		life_goes_on($node, "${db}_used", "$as, updated from $version", user => $user);
	}
}

# Under the name pgmq the version is a label, which is put down and up again.
# The objects that 1.0.0 installed under that name are made from its script
# alone.
my $root = dirname(abs_path(__FILE__)) . '/../..';
my $folder = PgmqShape::share_folder();
my $alone = PostgreSQL::Test::Utils::tempdir();

SKIP:
{
	skip 'the share folder is not writable, or has a pgmq', 3
	  if !share_is_private() || -e "$folder/pgmq.control";

	mkdir "$alone/tools";
	my $today = slurp_file("$root/pgmq_c.control") =~ /default_version = '(.*)'/ ? $1 : die;
	my %as = ('tools/install-pgmq.sh' => 'tools/install-pgmq.sh', 'pgmq_c.control' => 'pgmq_c.control',
		'pgmq_c--1.0.0.sql' => "pgmq_c--$today.sql");
	foreach my $file (keys %as)
	{
		copy("$root/$file", "$alone/$as{$file}") or die "copy of $file: $!";
	}
	$node->safe_psql('postgres', "CREATE DATABASE $_")
	  foreach 'named', 'named_used', 'named_fresh', 'named_fresh_used';
	system_or_bail('sh', "$alone/tools/install-pgmq.sh", 'install', $folder);
	$node->safe_psql($_, 'CREATE EXTENSION pgmq') foreach 'named', 'named_used';
	life_fill($node, 'named_used');
	my $messages = life_messages($node, 'named_used');

	system_or_bail('sh', "$root/tools/install-pgmq.sh", 'install', $folder);
	$node->safe_psql($_, "ALTER EXTENSION pgmq UPDATE TO '1.13.0'; ALTER EXTENSION pgmq UPDATE")
	  foreach 'named', 'named_used';
	$node->safe_psql($_, 'CREATE EXTENSION pgmq') foreach 'named_fresh', 'named_fresh_used';
	life_fill($node, 'named_fresh_used');
	system_or_bail('sh', "$root/tools/install-pgmq.sh", 'uninstall', $folder);

	life_is_same(
		$node->safe_psql('named', $catalog),
		$node->safe_psql('named_fresh', $catalog),
		'pgmq, updated from 1.0.0: catalog as of a fresh installation');
	life_is_same(timeless('named_used'), timeless('named_fresh_used'),
		'pgmq, updated from 1.0.0 in use: as if made today');
	is(life_messages($node, 'named_used'), $messages, 'pgmq, updated from 1.0.0: every message is there');
	life_goes_on($node, 'named_used', 'pgmq, updated from 1.0.0');
}

done_testing();
