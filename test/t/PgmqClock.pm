
# A server whose clock is as far off as a test says, and takes so many microseconds to
# look at.
package PgmqClock;

use strict;
use warnings;

use Config;
use Exporter 'import';
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(set_clock can_step start_with_clock);

my $clock = PostgreSQL::Test::Utils::tempdir . '/clock';
my $shim = PostgreSQL::Test::Utils::tempdir . '/clock.so';
my $source = dirname(__FILE__) . '/../data/clock.c';

# The clock is so many seconds ahead, and a look at it takes so many microseconds.
sub set_clock
{
	# the file is mapped: write into it, do not replace it
	open(my $to, -e $clock ? '+<' : '+>', $clock) or die $!;
	binmode $to;
	syswrite $to, pack('qq', $_[0], $_[1] // 0);
	close $to;
	return;
}

set_clock(0);
my $can_step = $Config{ivsize} == 8 && system("cc -shared -fPIC -o $shim $source 2>$shim.log") == 0;

# Without a compiler the clock is that of the machine.
sub can_step { return $can_step }

sub start_with_clock
{
	my ($node) = @_;
	local $ENV{TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = $shim if $can_step;

	$node->start;
	return;
}

1;
