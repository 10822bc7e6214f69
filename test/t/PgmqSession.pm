
# Sessions that stay beside a test, and wait while it goes on.
package PgmqSession;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT = qw(preloaded session begin result ask done until_is wait_in);

# A server that has the due map, and vacuums nothing by itself.
sub preloaded
{
	my $node = PostgreSQL::Test::Cluster->new('main');

	$node->init(extra => ['--no-sync']);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'\nautovacuum = off");
	$node->start;
	return $node;
}

# A psql of its own, in a database (postgres), which may run for so many seconds;
# the hash has what it said of late (out, err), its backend (pid), and for how long
# the last statements ran (took).
sub session
{
	my ($node, $db, $timeout) = @_;
	my $s = { node => $node, in => '', out => '', err => '' };

	$s->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($db // 'postgres'), '-f', '-' ],
		'<', \$s->{in}, '>', \$s->{out}, '2>', \$s->{err},
		IPC::Run::timeout($timeout // $PostgreSQL::Test::Utils::timeout_default));
	begin($s, 'SELECT pg_backend_pid();');
	$s->{pid} = result($s);
	return $s;
}

# Have it run statements, without waiting for their end
sub begin
{
	my ($s, $sql) = @_;

	$s->{out} = $s->{err} = '';
	$s->{since} = time;
	$s->{in} .= "$sql\n\\echo said\n\\warn said\n";
	$s->{psql}->pump_nb;
	return;
}

# Wait for their end: what they returned
sub result
{
	my ($s) = @_;

	$s->{psql}->pump until $s->{out} =~ s/said\n$//;
	$s->{psql}->pump until $s->{err} =~ s/said\n$//;
	$s->{took} = time - $s->{since};
	chomp $s->{out};
	return $s->{out};
}

sub ask { begin(@_); return result($_[0]) }

sub done
{
	foreach my $s (@_)
	{
		eval { $s->{in} .= "\\q\n"; $s->{psql}->finish };
	}
	return;
}

# Wait until it is as a condition over pg_stat_activity says
sub until_is
{
	my ($s, $condition) = @_;

	$s->{node}->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $s->{pid} AND state = 'active' AND $condition)")
	  or die "the session is never so that $condition: $s->{err}";
	return;
}

# Have it run statements that wait, and come back when it sleeps
sub wait_in
{
	my ($s, $sql) = @_;

	begin($s, $sql);
	until_is($s, "wait_event_type = 'Extension'");
	return;
}

1;
