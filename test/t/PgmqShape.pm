
# Builds databases that have the catalog shape of PGMQ (test/data), as an
# extension or as a plain SQL installation, for the tests of moving in.
package PgmqShape;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils qw(slurp_file append_to_file);
use Test::More;

our @EXPORT = qw(shape_sql shape_install shape_extension shape_data shape_user
  share_is_private);

my $data = dirname(abs_path(__FILE__)) . '/../data';

# Newest first.  Two steps change nothing in the catalog, but are versions in
# the wild, and 1.9.0 is the newest that is refused.
our @versions =
  ('1.13.1', '1.13.0', '1.12.0', '1.11.1', '1.11.0', '1.10.1', '1.10.0');

# The script that makes the shape of one version, without the schema.
sub shape_sql
{
	my ($version) = @_;
	my $sql = slurp_file("$data/pgmq_shape.sql");

	return $sql if $version eq '1.13.1';

	my $back = slurp_file("$data/pgmq_shape_back.sql");

	die "no shape of version $version"
	  unless $back =~ m{\A(.*?/\* back to \Q$version\E \*/\n.*?)(?=/\* back to|\z)}s;
	return $sql . $1;
}

# Load the shape into a database as plain SQL.
sub shape_install
{
	my ($node, $db, $version) = @_;

	$node->safe_psql($db, "CREATE SCHEMA pgmq;\n" . shape_sql($version));
	return;
}

# Where the server under test finds extension scripts.  Tests write there, so
# it must be a private copy; the suites that need it skip otherwise.
sub share_folder
{
	my $share = `$ENV{PG_CONFIG} --sharedir` if $ENV{PG_CONFIG};

	$share = `pg_config --sharedir` unless $share;
	chomp $share;
	return "$share/extension";
}

sub share_is_private
{
	return -w share_folder();
}

# Make extension "pgmq" of one version available and create it.  The files
# are removed again: only the catalog matters afterwards.
sub shape_extension
{
	my ($node, $db, $version, $user) = @_;
	my $folder = share_folder();
	my $sql = shape_sql($version);
	my @files = ("$folder/pgmq.control", "$folder/pgmq--$version.sql");

	foreach my $table ('meta', 'notify_insert_throttle', 'topic_bindings')
	{
		$sql .= "SELECT pg_catalog.pg_extension_config_dump('pgmq.$table', '');\n"
		  if $table ne 'topic_bindings' || $version !~ /^1\.(9|10)\./;
	}
	foreach my $file (@files)
	{
		rename($file, "$file.aside") if -e $file;
	}
	append_to_file($files[0],
		"default_version = '$version'\nschema = pgmq\n"
		  . "relocatable = false\nsuperuser = false\n");
	append_to_file($files[1], $sql);
	my ($rc, $out, $err) = $node->psql($db, 'CREATE EXTENSION pgmq',
		extra_params => $user ? [ '-U', $user ] : []);
	foreach my $file (@files)
	{
		unlink($file);
		rename("$file.aside", $file) if -e "$file.aside";
	}
	die "shape of $version: $err" if $rc != 0;
	return;
}

# Queues in use.
sub shape_data
{
	my ($node, $db, $version) = @_;

	$node->safe_psql($db, slurp_file("$data/pgmq_queues.sql"));
	$node->safe_psql($db, slurp_file("$data/pgmq_bindings.sql"))
	  unless $version =~ /^1\.10\./;
	return;
}

sub shape_user
{
	my ($node, $db) = @_;

	foreach my $role ('shape_reader', 'shape_admin')
	{
		$node->safe_psql($db,
			"SELECT 'CREATE ROLE $role' WHERE to_regrole('$role') IS NULL\\gexec");
	}
	$node->safe_psql($db, slurp_file("$data/pgmq_user.sql"));
	return;
}

1;
