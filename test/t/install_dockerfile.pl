
# The Dockerfile, as near to a build as is possible without a daemon: what it
# runs is run here, on the files that it copies, with this server in the place
# of the image's; then a cluster is made as the image makes one.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find qw(find);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $libdir = `$pg_config --pkglibdir`);
chomp(my $sharedir = `$pg_config --sharedir`);
my ($major) = `$pg_config --version` =~ / (\d+)/;
my $sample = 'postgresql.conf.sample';

# Its instructions, with their continuation lines, by stage.
my $text = slurp_file("$root/Dockerfile");
$text =~ s/^#.*\n//mg;
$text =~ s/\\\n\s*/ /g;
my @stages;
foreach my $line (grep { /\S/ } split /\n/, $text)
{
	my ($word, $rest) = $line =~ /^([A-Z]+) (.*)$/ or die "not an instruction: $line";

	push @stages, [] if $word eq 'FROM';
	push @{ $stages[-1] }, [ $word, $rest ] if @stages;
}
is(scalar(@stages), 2, 'the Dockerfile has two stages');
is($_->[0][1] =~ s/ AS build$//r, 'postgres:${PG_MAJOR}', '.. from the common image') foreach @stages;

# The default version is one that is supported, and each stage that names it knows it.
like(slurp_file("$root/Dockerfile"), qr/^ARG PG_MAJOR=1[5-8]$/m, '.. of a supported version');
foreach my $stage (@stages)
{
	my $declared = grep { $_->[0] eq 'ARG' && $_->[1] eq 'PG_MAJOR' } @$stage;
	my $used = grep { $_->[0] ne 'FROM' && $_->[1] =~ /\$\{PG_MAJOR\}/ } @$stage;

	ok(!$used || $declared, '.. which the stage knows');
}

# The files that are copied into the image: all except those that .dockerignore
# names.
my $build = PostgreSQL::Test::Utils::tempdir();
my @ignored = map { "--exclude=$_" } map { s/^\*\*\///r } split /\n/, slurp_file("$root/.dockerignore");
mkdir "$build/$_" foreach qw(src installed share);
system_or_bail('sh', '-c', 'src=$1; to=$2; shift 2; tar -C "$src" -cf - "$@" . | tar -C "$to" -xf -', 'sh', $root, "$build/src", @ignored);
system_or_bail('cp', '-RL', "$sharedir/.", "$build/share");

# Run what the stages run, with the paths of the image put elsewhere.
my $packages = '';
sub run_here
{
	my ($command) = @_;

	if ($command =~ /apt-get install/)
	{
		$packages = $command;
		return;
	}
	$command =~ s/\$\{PG_MAJOR\}/$major/g;
	$command =~ s{/usr/lib/postgresql/$major/bin/pg_config}{$pg_config};
	$command =~ s{/usr/share/postgresql/$major/}{$build/share/};
	$command =~ s{(?<=[ =])/(src|installed)\b}{$build/$1}g;
	local %ENV = %ENV;
	delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES)};
	is(system_log('sh', '-c', $command), 0, "runs: $command");
	return;
}
foreach my $stage (@stages)
{
	run_here($_->[1]) foreach grep { $_->[0] eq 'RUN' } @$stage;
}
like($packages, qr/ $_( |$)/, "what is built with is installed: $_") foreach qw(gcc libc6-dev make);
like($packages, qr/ postgresql-server-dev-\$\{PG_MAJOR\}( |$)/, '.. and the headers of the server');

# The files that are copied from the first stage into the second are where the
# server looks.
is_deeply([ grep { $_->[0] eq 'COPY' } @{ $stages[1] } ], [ [ 'COPY', '--from=build /installed /' ] ],
	'what was built is copied into the image');
my @files;
find({ wanted => sub { push @files, $File::Find::name if -f }, no_chdir => 1 }, "$build/installed");
s/^\Q$build\E\/installed// foreach @files;
ok((grep { $_ eq "$libdir/pgmq_c.so" } @files), '.. the library');
foreach my $control ('pgmq_c.control', 'pgmq.control')
{
	ok((grep { $_ eq "$sharedir/extension/$control" } @files), ".. $control");
}
is_deeply([ grep { !/^(\Q$libdir\E|\Q$sharedir\E)\// } @files ], [], '.. and nothing elsewhere');

# A cluster made of the image's sample preloads the library.
like(slurp_file("$build/share/$sample"), qr/\nshared_preload_libraries = 'pgmq_c'\n\z/, 'the sample preloads');
my $node = PostgreSQL::Test::Cluster->new('image');
$node->init(extra => [ '--no-sync', '-L', "$build/share" ]);
$node->start;
is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'), 'pgmq_c', '.. a new cluster');
$node->safe_psql('postgres', 'CREATE EXTENSION pgmq_c; SELECT pgmq.create($$q$$), pgmq.send($$q$$, $$1$$)');
is($node->safe_psql('postgres', q{SELECT msg_id FROM pgmq.read('q', 0, 1);
	SELECT due_map FROM pgmq.engine_status()}), "1\non", '.. so that there is shared memory');
$node->stop;
done_testing();
