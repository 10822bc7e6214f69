
# README.md and the pages of docs/, in sub-folders too, say what is true: every
# ```sql block is run, word for word, in one psql session and one database for
# each page, and must print what the ```text block after it shows.  Without
# such a block it may print anything but an error.  A failing block is named by
# its page and line.
#
# Only output that does not change from one run to the next is compared: times,
# process ids and the widths of columns may differ.
#
# The tables of functions and of error codes are held against the catalog and
# against the errors themselves.  docs/how-to/moving.md starts in a database
# that has PGMQ's catalog shape.  Blocks that need pg_partman or pg_cron are
# skipped without it.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find qw(find);
use lib dirname(__FILE__);
use IPC::Run;
use PgmqShape;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(abs_path(__FILE__)) . '/../..';
my $node = PostgreSQL::Test::Cluster->new('main');

# The documents assume the defaults of psql and of the server.
$node->init(extra => [ '--no-sync', '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf',
	"max_prepared_transactions = 5\nlog_statement = none");
$node->start;

my $has_partman = has_extension('pg_partman');
my $has_cron = has_extension('pg_cron');

# limits need the library preloaded; pg_cron does, too, and lives in one database
my @preload = split /, */, $node->safe_psql('postgres', 'SHOW shared_preload_libraries');
push @preload, 'pgmq_c' unless grep { $_ eq 'pgmq_c' } @preload;
push @preload, 'pg_cron' if $has_cron;
$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . join(', ', @preload) . "'"
	  . ($has_cron ? "\ncron.database_name = 'docs_recipes_working_md'" : ''));
$node->restart;

sub has_extension
{
	my ($name) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_available_extensions WHERE name = '$name'");
}

sub new_database
{
	my ($name) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	return;
}

# Lines as they are compared.
sub normal
{
	my ($text) = @_;

	for ($text)
	{
		s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d)?/<time>/g;
		s/(process with PID|process) \d+/$1 <pid>/g;
		s/-{2,}/-/g;
		s/^[ \t]+|[ \t]+$//gm;
		s/ +/ /g;
		s/\n{2,}/\n/g;
		s/\A\n|\n\z//g;
	}
	return $text;
}

# The ```sql blocks of a document, each with its line, and the text after it.
sub blocks
{
	my ($file) = @_;
	my @blocks;
	my ($kind, $line, $body, $n) = (undef, 0, '', 0);
	my $pending;

	open my $fh, '<', $file or die "could not read $file: $!";
	while (my $text = <$fh>)
	{
		$n++;
		if (defined $kind)
		{
			if ($text =~ /^```\s*$/)
			{
				if ($kind eq 'sql')
				{
					$pending = { line => $line, sql => $body };
					push @blocks, $pending;
				}
				elsif ($kind eq 'text' && $pending)
				{
					$pending->{expected} = $body;
					undef $pending;
				}
				undef $kind;
			}
			else
			{
				$body .= $text;
			}
		}
		elsif ($text =~ /^```(\w*)\s*$/)
		{
			($kind, $line, $body) = ($1, $n, '');
			undef $pending if $kind ne 'text';
		}
		elsif ($text =~ /\S/)
		{
			undef $pending;
		}
	}
	close $fh;
	die "$file: a block does not end" if defined $kind;
	return @blocks;
}

# Run SQL as typed into psql; what it prints, errors between the results.
sub typed
{
	my ($db, $sql) = @_;
	my $output = '';

	IPC::Run::run(
		[ 'psql', '--no-psqlrc', '-d', $node->connstr($db) ],
		'<', \$sql, '>', \$output, '2>&1')
	  or note("psql ended with $?");

	# which depends on the server, and not on the document
	$output =~ s/^NOTICE:  pgmq_c has no shared memory .*\nHINT: .*\n//mg;
	return $output;
}

sub check_document
{
	my ($name, $prepare) = @_;
	(my $db = lc $name) =~ s/\W/_/g;
	my @blocks = blocks("$root/$name");
	my $script = '';

	@blocks = grep { $_->{sql} !~ /partman/ } @blocks if !$has_partman;
	@blocks = grep { $_->{sql} !~ /\bcron\b/ } @blocks if !$has_cron;
	return if !@blocks;
	new_database($db);
	$prepare->($db) if $prepare;
	foreach my $i (0 .. $#blocks)
	{
		$script .= $blocks[$i]->{sql} . "\n\\echo @@ end of block $i\n";
	}

	my $rest = typed($db, $script);
	foreach my $i (0 .. $#blocks)
	{
		my $what = "$name, line $blocks[$i]->{line}";
		my $output = '';

		($output, $rest) = ($1, $2)
		  if $rest =~ /\A(.*?)^@@ end of block $i\n(.*)\z/ms;
		if (defined $blocks[$i]->{expected})
		{
			is(normal($output), normal($blocks[$i]->{expected}), $what);
		}
		else
		{
			unlike($output, qr/^(?:ERROR|FATAL|PANIC|invalid command|psql:)/m,
				"$what: no error");
		}
	}
	is($rest, '', "$name: psql ran to its end");
	return;
}

# The pages, by their names below the root.
my @pages;
find(
	{
		no_chdir => 1,
		wanted => sub { push @pages, s{^\Q$root\E/}{}r if /\.md$/ }
	},
	"$root/docs");
@pages = ('README.md', sort @pages);

# The objects that a page's database has before its first block.
my %prepare = (
	'docs/how-to/moving.md' => sub {
		my ($db) = @_;

		shape_install($node, $db, '1.13.1');
		shape_data($node, $db, '1.13.1');
	},
	# what pg-boss 10 has of the columns that the page names
	'docs/recipes/moving.md' => sub {
		my ($db) = @_;

		$node->safe_psql(
			$db, q{
			CREATE SCHEMA pgboss;
			CREATE TYPE pgboss.job_state AS ENUM ('created', 'retry', 'active', 'completed', 'cancelled', 'failed');
			CREATE TABLE pgboss.job (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, data jsonb,
				state pgboss.job_state NOT NULL DEFAULT 'created', start_after timestamptz NOT NULL DEFAULT now());
			INSERT INTO pgboss.job (name, data, state, start_after) VALUES
				('ship', '{"order": 4}', 'created', now()), ('ship', '{"order": 5}', 'retry', now() + interval '1 hour'),
				('ship', '{"order": 6}', 'active', now()), ('bill', '{"order": 7}', 'created', now())});
	});

check_document($_, $prepare{$_}) foreach @pages;

# The reference has every function with its arguments, and no other.

sub document
{
	my ($name) = @_;

	return PostgreSQL::Test::Utils::slurp_file("$root/$name");
}

$node->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');
my $catalog = $node->safe_psql(
	'postgres', q{
	SELECT p.proname || '(' || replace(replace(replace(
			regexp_replace(pg_get_function_arguments(p.oid), '\\mIN ', '', 'g'),
			'timestamp with time zone', 'timestamptz'),
			'::jsonb', ''), '::text', '')
		|| ')'
	FROM pg_proc p
	WHERE p.pronamespace = 'pgmq'::regnamespace AND p.prokind IN ('f', 'p')
	ORDER BY p.oid});
my $reference = join('', map { slurp_file($_) } sort glob("$root/docs/reference/*.md"));
my %documented;
while ($reference =~ /^\| `(\w+\([^`]*\))` \|/mg)
{
	$documented{$1}++;
}
is( join("\n", sort keys %documented),
	join("\n", sort split(/\n/, $catalog)),
	'docs/reference/ lists the functions that there are');

# It describes each of them as \df+ does, apart from quoting and a link.
my $comments = $node->safe_psql(
	'postgres', q{
	SELECT obj_description(p.oid, 'pg_proc') FROM pg_proc p
	WHERE p.pronamespace = 'pgmq'::regnamespace});
my @descriptions = $reference =~ /^\| `\w+\([^`]*\)` \|[^|]*\| (.*) \|$/mg;
s/ \[More\]\([^)]*\)\.$//, tr/`//d foreach @descriptions;
is( join("\n", sort @descriptions),
	join("\n", sort split(/\n/, $comments)),
	'docs/reference/ describes the functions as the catalog does');

# Each code in the reference's table of errors is raised, and no other: here
# are the statements that raise it, after preparation that must not fail.
# These texts are the server's, and not compared.

my $psql = 'psql -X -q -d ' . "'" . $node->connstr('postgres') . "'";
my @raises = (
	[ 'P0001', "SELECT pgmq.create('a;b')" ],
	[ 'P0001', "SELECT pgmq.create(repeat('a', 48))" ],
	[ 'P0001', "SELECT pgmq.send_batch('jobs', '{}'::jsonb[])" ],
	[ 'P0001', "SELECT pgmq.send_batch('jobs', '{1}'::jsonb[], '{1,2}'::jsonb[])" ],
	[ 'P0001', "SELECT pgmq.send_topic('a..b', '{}')" ],
	[ 'P0001', "SELECT pgmq.bind_topic('**', 'jobs')" ],
	[ 'P0001', "SELECT pgmq.bind_topic('a', 'no_such_queue')" ],
	[ 'P0001', "SELECT pgmq.enable_notify_insert('jobs', -1)" ],
	[ 'P0001', "SELECT pgmq.enable_notify_insert('no_such_queue')" ],
	[ 'P0001', "SELECT pgmq.create_partitioned('without_partman')" ],
	[ 'P0002', "SELECT pgmq.send_topic('to.nobody', '{}')", 'SET pgmq_c.unroutable = error' ],
	[ '42P01', "SELECT pgmq.send('no_such_queue', '{}')" ],
	[ '42P01', "SELECT pgmq.metrics('no_such_queue')" ],
	[ '42809', "SELECT pgmq.send('foreign_table', '{}')" ],
	[ '42P07', "SELECT pgmq.create('foreign_table')" ],
	[ '22004', "SELECT pgmq.send(NULL, '{}'::jsonb)" ],
	[ '22004', "SELECT pgmq.pop('jobs', NULL)" ],
	[ '22004', "SELECT pgmq.delete('jobs', 1, NULL)" ],
	[ '22004', "SELECT pgmq.delete('jobs', ARRAY[1], ARRAY[NULL]::integer[])" ],
	[ '22004', "SELECT pgmq.enable_notify_insert('jobs', NULL)" ],
	[ '2201W', "SELECT pgmq.read_grouped('jobs', 30, -1)" ],
	[ '2202E', "SELECT pgmq.archive('jobs', ARRAY[1, 2], ARRAY[1])" ],
	[ '22023', "SELECT pgmq.send('jobs', '{}', '[1]')" ],
	[ '22023', "SELECT pgmq.set_vt('jobs', 1, 'soon')" ],
	[ '22023', "SELECT pgmq.peek('jobs', 'asleep')" ],
	[ '22023', q{SELECT pgmq.read_any('{jobs}', 0, 1, '{"order": "any"}')} ],
	[ '55000', "SELECT pgmq.dead_letter('jobs', 1, 'hopeless')" ],
	[
		'55006', "SELECT pgmq.seek('a_subscription', 'latest')",
		"SELECT pgmq.create_stream('a_stream'); SELECT pgmq.create_subscription('a_subscription', 'a_stream');"
		  . " SELECT pgmq.send('a_stream', '1'); SELECT pgmq.read('a_subscription', 60, 1);"
	],
	[ '22007', "SELECT pgmq.seek('a_subscription', 'earlist')" ],
	[ '2BP01', "SELECT pgmq.drop_queue('a_stream')" ],
	[
		'0A000',
		q{SELECT pgmq.send_batch('leaves_out', '{1,2}'::jsonb[],
			ARRAY['{"x-pgmq-dedup-id": "a"}', '{"x-pgmq-dedup-id": "b"}']::jsonb[])},
		q{SELECT pgmq.set_policy('leaves_out', '{"dedup_window": 60}');}
		  . " CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
		  . ' CREATE TRIGGER leave_out BEFORE INSERT ON pgmq.q_leaves_out'
		  . ' FOR EACH ROW EXECUTE FUNCTION leave_out()'
	],
	[
		'09000',
		"SELECT pgmq.unarchive('swallows', 1)",
		"SELECT pgmq.send('swallows', '1'); SELECT pgmq.archive('swallows', 1);"
		  . " CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
		  . ' CREATE TRIGGER swallow BEFORE INSERT ON pgmq.q_swallows'
		  . ' FOR EACH ROW EXECUTE FUNCTION swallow()'
	],
	[ '23502', "SELECT pgmq.send('jobs', '{}', NULL::integer)" ],
	[ '23502', "SELECT pgmq.read('jobs', NULL, 1)" ],
	[ '22P02', "SELECT pgmq.send('jobs', 'no json')" ],
	[ '22008', "SELECT pgmq.send('jobs', '{}', interval '178000000 years')" ],
	[ '22P02', "SELECT pgmq.archive('jobs', 'one')" ],
	[ '42725', "SELECT pgmq.delete('jobs', '{1,2}')" ],
	[ '42501', "SELECT pgmq.send('jobs', '{}')", 'SET ROLE docs_nobody' ],
	[
		'25000',
		'SELECT docs_parallel()',
		'BEGIN; CREATE FUNCTION docs_parallel() RETURNS void PARALLEL SAFE'
		  . q{ LANGUAGE plpgsql AS $$BEGIN PERFORM pgmq.pop('jobs'); END$$;}
		  . q{ SELECT set_config(name, 'regress', true) FROM pg_settings}
		  . q{ WHERE name IN ('force_parallel_mode', 'debug_parallel_query')}
	],
	[ '25006', "SELECT pgmq.send('jobs', '{}')", 'BEGIN READ ONLY' ],
	[ '25006', "SELECT pgmq.create('other')", 'BEGIN READ ONLY' ],
	[
		'40001',
		"SELECT pgmq.delete('jobs', 2)",
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;\n"
		  . qq{\\! $psql -c "SELECT pgmq.delete('jobs', 2)"}
	],
	[
		'40P01',
		"SELECT pgmq.delete('jobs', 3)",
		"SET deadlock_timeout = '1ms'; BEGIN; SELECT pgmq.delete('jobs', 1);\n"
		  . qq{\\! $psql -c "BEGIN; SELECT pgmq.delete('jobs', 3); }
		  . qq{SELECT pgmq.delete('jobs', 1); ROLLBACK" >/dev/null 2>&1 &\n}
		  . 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted)'
		  . ' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$'
	],
	[
		'57014',
		"SELECT pgmq.read_with_poll('empty', 30, 1, 60)",
		"SET statement_timeout = '50ms'"
	],
	[
		'55P03',
		"SELECT pgmq.send('locked', '{}')",
		"BEGIN; LOCK TABLE pgmq.q_locked; PREPARE TRANSACTION 'holds';\n"
		  . "SET lock_timeout = '50ms'"
	],
	[
		'54000',
		q{SELECT pgmq.send('grouped', '{}', jsonb_build_object('x-pgmq-group',
			(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 90) i)))},
		"SELECT pgmq.create_fifo_index('grouped')"
	],
	[
		'53400',
		"SELECT pgmq.send_batch('short', '{1,2}'::jsonb[])",
		q{SELECT pgmq.create('short'); SELECT pgmq.set_policy('short', '{"max_length": 1}')}
	],
	[ '42704', "SELECT pgmq.grant_queue('jobs', 'docs_nobody_at_all', 'send')" ],
	[ '54000', "SELECT pgmq.read_any(ARRAY(SELECT 'q' || i FROM generate_series(1, 65) i), 30, 1)" ],
	[ '54000', q{SELECT pgmq.send('jobs', to_jsonb(repeat('x', 268435456)))} ],
	[
		'2200H',
		"SELECT pgmq.send('full', '1')",
		'ALTER SEQUENCE pgmq.q_full_msg_id_seq RESTART WITH 9223372036854775807;'
		  . " SELECT pgmq.send('full', '1')"
	],
	[
		'42710',
		"SELECT pgmq.enable_notify_insert('empty')",
		'CREATE TRIGGER trigger_notify_queue_insert_listeners BEFORE UPDATE ON pgmq.q_empty'
		  . ' FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'
	],
	[
		'39P01',
		"SELECT pgmq.send('hooked', '1')",
		'CREATE TRIGGER mine BEFORE INSERT ON pgmq.q_hooked'
		  . ' FOR EACH ROW EXECUTE FUNCTION pgmq.notify_queue_listeners()'
	]);
if ($has_partman)
{
	my $partman = 'CREATE SCHEMA IF NOT EXISTS partman;'
	  . ' CREATE EXTENSION IF NOT EXISTS pg_partman SCHEMA partman';

	push @raises,
	  [ 'P0001', "SELECT pgmq.create_partitioned('parts', 'often')", $partman ],
	  [ '22023', "SELECT pgmq.create_partitioned('parts', '0')", $partman ],
	  [ '22004', "SELECT pgmq.create_partitioned('parts', NULL)", $partman ];
}
my %raised;

$node->safe_psql(
	'postgres', q{
	SELECT pgmq.create(name)
	FROM unnest('{jobs, empty, locked, grouped, full, hooked, swallows, leaves_out}'::text[]) name;
	SELECT pgmq.send_batch('jobs', '{1,2,3}'::jsonb[]);
	CREATE TABLE pgmq.q_foreign_table (a integer);
	CREATE ROLE docs_nobody});
foreach my $case (@raises)
{
	my ($code, $sql, $before) = @$case;
	my $output = typed('postgres',
		($before // '') . ";\n\\set VERBOSITY sqlstate\n\\echo @@\n$sql;\n");

	like($output, qr/\A(?!.*ERROR.*\@\@).*\@\@\n(?:.*\n)*ERROR:  \Q$code\E\n/s,
		"$code: " . ($sql =~ s/\s+/ /gr));
	$raised{$code} = 1;
}
$node->safe_psql('postgres', "ROLLBACK PREPARED 'holds'");
is( join(' ', sort keys %raised),
	join(' ', sort $reference =~ /^\| ([0-9A-Z]{5}) \|/mg),
	"docs/reference/ has the error codes that come out");

# The example of streams runs, and each of its services can read all orders again.

my ($example, $clean) = split /^(?=-- and away)/m, document('examples/sql/orders_stream.sql');

$node->safe_psql('postgres', 'CREATE DATABASE orders_stream');
like(
	$node->safe_psql(
		'orders_stream', $example . q{
	SELECT pgmq.seek(n, 'earliest') FROM unnest('{shop_billing, shop_shipping}'::text[]) n;
	CALL shop_bill();
	CALL shop_ship();
	SELECT sum(lag) || ' left' FROM pgmq.list_subscriptions('shop_orders');} . $clean),
	qr/^10\|550\n(?:.*\n)*0 left$/m,
	'examples/sql/orders_stream.sql');

# Every link between the documents has a target.

foreach my $file (@pages, 'src/README.md', 'test/README.md', 'bench/README.md', 'bench/scenarios.md',
	'CONTRIBUTING.md', 'CHANGELOG.md')
{
	my $text = document($file);
	my @broken;

	while ($text =~ /\]\((?!https?:)([^)#\s]+)(?:#([^)\s]+))?\)/g)
	{
		push @broken, $1 if !-e dirname("$root/$file") . "/$1";
	}
	while ($text =~ /\]\(([^)#\s]*)#([^)\s]+)\)/g)
	{
		my ($target, $anchor) = ($1, $2);

		$target = $target eq '' ? $file : dirname($file) . "/$target";
		next if !-e "$root/$target";
		my %anchors = map { s/[^\w\s-]//gr =~ tr/ /-/r => 1 }
		  map { lc } document($target) =~ /^#+ (.*?)\s*$/mg;
		push @broken, "$target#$anchor" if !$anchors{$anchor};
	}
	is("@broken", '', "$file: every link leads somewhere");
}

done_testing();
