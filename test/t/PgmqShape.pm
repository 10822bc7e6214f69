
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

our @EXPORT = qw(shape_sql shape_install shape_extension shape_database shape_data shape_user
  shape_before share_is_private);

my $data = dirname(abs_path(__FILE__)) . '/../data';

# Newest first: each has another catalog than the next one, except for two that
# differ only in the bodies of functions.
our @versions =
  ('1.13.1', '1.13.0', '1.12.0', '1.11.1', '1.11.0', '1.10.1', '1.10.0', '1.9.0',
	'1.8.0', '1.7.0', '1.6.0', '1.5.1', '1.4.4', '1.2.0', '1.0.0');

# Whether one version is older than another.
sub shape_before
{
	my ($version, $other) = @_;
	my ($a, $b) = map { sprintf('%03d.%03d.%03d', split(/\./)) } $version, $other;

	return $a lt $b;
}

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

	my %since = (meta => '1.6.0', notify_insert_throttle => '1.8.0', topic_bindings => '1.11.0');

	foreach my $table (sort keys %since)
	{
		$sql .= "SELECT pg_catalog.pg_extension_config_dump('pgmq.$table', '');\n"
		  unless shape_before($version, $since{$table});
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

# Create a database with the shape of one version, as an extension or as plain SQL
# (how: extension, sql); its name.
sub shape_database
{
	my ($node, $version, $how) = @_;
	my $db = "db_${how}_$version" =~ tr/./_/r;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	if ($how eq 'extension')
	{
		shape_extension($node, $db, $version);
	}
	else
	{
		shape_install($node, $db, $version);
	}
	return $db;
}

# The queues in use, as one version made them.
sub queues_sql
{
	my ($version) = @_;
	my $sql = slurp_file("$data/pgmq_queues.sql");
	my $column = qr/last_read_at timestamp with time zone/;

	if (shape_before($version, '1.10.1'))
	{
		# 1.10.0 added the column, but gave it to no new queue; MyQueue, which
		# is older, has it in the last place.
		$sql =~ s/\t$column,\n//g;
		$sql =~ s/last_read_at = now\(\), //;
		$sql =~ s/(enqueued_at, )(?:last_read_at|now\(\)), (vt)/$1$2/g;
	}
	$sql =~ s/,\n\t$column\n/\n/g if shape_before($version, '1.10.0');
	$sql =~ s/^INSERT INTO pgmq.notify_insert_throttle.*?;\n//msg
	  if shape_before($version, '1.8.0');
	$sql =~ s/^CREATE CONSTRAINT TRIGGER.*?;\n//msg
	  if shape_before($version, '1.7.0');
	if (shape_before($version, '1.5.0'))
	{
		$sql =~ s/,\n\theaders jsonb\b//g;
		$sql =~ s/message, headers\b/message/g;
		$sql =~ s/(\(now\(\), '[^']*'), (?:NULL|'[^']*')\)/$1)/g;
	}
	$sql =~ s/^CREATE INDEX q_myqueue_fifo_idx.*\n//m
	  if shape_before($version, '1.9.0');
	return $sql;
}

# Queues in use, with or without the extension.
sub shape_data
{
	my ($node, $db, $version) = @_;

	$node->safe_psql($db, queues_sql($version));
	$node->safe_psql($db, slurp_file("$data/pgmq_bindings.sql"))
	  unless shape_before($version, '1.11.0');

	# Queues were members of the extension before 1.6, so that no dump had them.
	$node->safe_psql(
		$db, q{
		DO $$
		DECLARE
			t regclass;
		BEGIN
			FOR t IN
				SELECT c.oid FROM pg_class c JOIN pg_extension e ON e.extname = 'pgmq'
				WHERE c.relnamespace = 'pgmq'::regnamespace
				AND c.relkind IN ('r', 'p') AND c.relname ~ '^[qa]_'
			LOOP
				EXECUTE 'ALTER EXTENSION pgmq ADD TABLE ' || t;
			END LOOP;
		END
		$$})
	  if shape_before($version, '1.6.0');
	return;
}

# Objects that users build on it, except for those that forbid a take-over: a
# view on a read and a table of messages before 1.10, calls that are not texts
# before 1.5.  Before 1.2 there is no type.
sub shape_user
{
	my ($node, $db, $version) = @_;
	my $sql = slurp_file("$data/pgmq_user.sql");

	$sql =~ s/^CREATE (?:VIEW public.one_job|TABLE public.seen).*?;\n//msg
	  if shape_before($version, '1.10.0');
	$sql =~ s/send\(text, jsonb, jsonb\)/send(text, jsonb, integer)/
	  if shape_before($version, '1.5.0');
	$sql =~ s/BEGIN ATOMIC\n(.*?);\nEND/AS \$\$ $1 \$\$/s
	  if shape_before($version, '1.5.0');
	if (shape_before($version, '1.2.0'))
	{
		$sql =~ s/^CREATE VIEW public.queue_lengths.*?;\n//msg;
		$sql =~ s/SETOF pgmq.message_record/TABLE (msg_id bigint, read_ct integer, message jsonb)/;
		$sql =~ s/QUERY SELECT \*/QUERY SELECT r.msg_id, r.read_ct, r.message/;
		$sql =~ s/(pgmq.read\('jobs', 30, n\))/$1 r/;
	}
	foreach my $role ('shape_reader', 'shape_admin')
	{
		$node->safe_psql($db,
			"SELECT 'CREATE ROLE $role' WHERE to_regrole('$role') IS NULL\\gexec");
	}
	$node->safe_psql($db, $sql);
	return;
}

1;
