
# Two builds of the library in use on one server at a time, as after an upgrade
# without a restart: where the shared memory comes from the DSM registry, they
# share it only if they mean the same by it.  Otherwise both go without it.
use strict;
use warnings;

use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
plan skip_all => 'there is no DSM registry before PostgreSQL 17' if $node->pg_version < 17;

my $pg_config = $node->config_data('--bindir') . '/pg_config';
my $libdir = $node->config_data('--pkglibdir');
my ($library) = grep { -e } map { "$libdir/pgmq_c.$_" } qw(so dylib);
plan skip_all => 'the library cannot be replaced here' unless defined $library && -w $libdir && -e 'src/common/shmem.o';

# Another layout, of another size
my $tree = PostgreSQL::Test::Utils::tempdir();
system_or_bail('cp', '-R', 'Makefile', 'pgmq_c.control', 'src', $tree);
foreach my $change ([ 'common/shmem.c', 'SEGMENT_LAYOUT', 1000000 ], [ 'wait/wait_list.c', 'N_BUCKETS', 300 ])
{
	my ($file, $name, $value) = @$change;
	my $code = slurp_file("$tree/src/$file");

	$code =~ s/^(#define $name\s+)\d+$/$1$value/m or die "no $name in $file";
	unlink("$tree/src/$file");
	append_to_file("$tree/src/$file", $code);
	unlink("$tree/src/$file" =~ s/c$/o/r);
}
unlink(glob("$tree/pgmq_c.*o"));
system_or_bail('make', '-s', '-C', $tree, "PG_CONFIG=$pg_config", 'with_llvm=no', 'all');

# A library takes the other's place in one step, as it must
my $first = "$tree/first";
copy($library, $first) or die $!;

sub install
{
	copy($_[0], "$library.new") && chmod(0755, "$library.new") && rename("$library.new", $library) or die $!;
}
END { install($first) if defined $first && -e $first }

$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }
my $due_map = 'SELECT due_map FROM pgmq.engine_status()';

sql("CREATE EXTENSION pgmq_c; SELECT pgmq.create('q'), pgmq.send('q', '1'), pgmq.send('q', '2', 1000)");
my $old = $node->background_psql('postgres');
is($old->query("SELECT msg_id FROM pgmq.read('q', 0, 10)"), 1, 'a session with the first library');
is($old->query($due_map), 'on', '.. has the map');

install("$tree/" . ($library =~ s/.*\///r));
is(sql("SELECT pgmq.send('q', '3')"), 3, 'a session with the second sends');
is(sql($due_map), 'no shared memory', '.. and has no map');
is($old->query("SELECT msg_id FROM pgmq.read('q', 0, 10)"), "1\n3", 'the first reads what was sent');
is($old->query($due_map), 'no shared memory', '.. without the map');
sql("SELECT pgmq.set_vt('q', 2, 0)");
is($old->query("SELECT msg_id FROM pgmq.read('q', 0, 10)"), "1\n2\n3", 'it sees what the other makes readable');
is(sql("SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('q', 0, 10)"), '1 2 3', 'and the other reads');
$old->quit;

$node->restart;
is(sql("SELECT count(*) FROM pgmq.read('q', 0, 10)"), 3, 'after a restart there is one library');
is(sql($due_map), 'on', '.. which has the map');
$node->stop;

# The other way round
install($first);
$node->start;
$old = $node->background_psql('postgres');
is($old->query("SELECT count(*) FROM pgmq.read('q', 0, 10)"), 3, 'the first library came first');
install("$tree/" . ($library =~ s/.*\///r));
is(sql("SELECT count(*) FROM pgmq.read('q', 0, 10)"), 3, 'and the second reads');
is(sql($due_map), 'no shared memory', '.. and has no map');
$old->quit;
$node->stop;

done_testing();
