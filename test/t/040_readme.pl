
# README.md and docs/*.md say what is true: every ```sql block is run, word
# for word, in one psql session for each document, and must print what the
# ```text block after it shows.  Without such a block it may print anything
# but an error.
#
# Compared is what does not change from one run to the next: times, process
# ids and the widths of columns may differ.
#
# The tables of functions and of error codes are held against the catalog and
# against the errors themselves.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname basename);
use lib dirname(__FILE__);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(abs_path(__FILE__)) . '/../..';
my $node = PostgreSQL::Test::Cluster->new('main');

# What the documents assume: the defaults of psql and of the server.
$node->init(extra => [ '--no-sync', '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf',
	"max_prepared_transactions = 5\nlog_statement = none");
$node->start;

# Roles that an example uses belong to the server, not to a database.
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
		s/^\s+|\s+$//gm;
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
	return $output;
}

sub check_document
{
	my ($file, $prepare) = @_;
	my $name = basename($file);
	(my $db = lc $name) =~ s/\W/_/g;
	my @blocks = blocks($file);
	my $script = '';

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

check_document($_)
  foreach ("$root/README.md", grep { !/moving\.md$/ } glob("$root/docs/*.md"));

# The reference has every function with its arguments, and no other.

sub document
{
	my ($name) = @_;

	return PostgreSQL::Test::Utils::slurp_file("$root/$name");
}

$node->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');
my $catalog = $node->safe_psql(
	'postgres', q{
	SELECT p.proname || '(' || replace(replace(
			pg_get_function_arguments(p.oid),
			'timestamp with time zone', 'timestamptz'),
			'::jsonb', '')
		|| ')'
	FROM pg_proc p
	WHERE p.pronamespace = 'pgmq'::regnamespace AND p.prokind IN ('f', 'p')
	ORDER BY p.oid});
my $reference = document('docs/reference.md');
my %documented;
while ($reference =~ /^\| `(\w+\([^`]*\))` \|/mg)
{
	$documented{$1}++;
}
is( join("\n", sort keys %documented),
	join("\n", sort split(/\n/, $catalog)),
	'docs/reference.md lists the functions that there are');

my $readme = document('README.md');
my %named = map { $_ => 1 } $readme =~ /`(\w+)\(/g;
is( join(' ', grep { !$named{$_} && !/^_/ }
		  split /\n/,
		$node->safe_psql(
			'postgres', q{
			SELECT DISTINCT proname FROM pg_proc
			WHERE pronamespace = 'pgmq'::regnamespace ORDER BY 1})),
	'',
	'README.md names every function');

# Every link between the documents leads somewhere.

foreach my $file ('README.md',
	map { 'docs/' . basename($_) } glob("$root/docs/*.md"))
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
