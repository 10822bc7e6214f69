
# Beside a snapshot that stays, nothing that a subscription has consumed goes away.
# A read that gives it new messages costs the same as before.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = preloaded();
$node->safe_psql('postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create_stream('log'), pgmq.create_subscription('read', 'log'), pgmq.create_subscription('pop', 'log');
	CREATE PROCEDURE consume(n integer) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. n LOOP
			PERFORM pgmq.send('log', '1');
			COMMIT;
			PERFORM pgmq.delete('read', msg_id) FROM pgmq.read('read', 600, 1);
			PERFORM FROM pgmq.pop('pop');
			COMMIT;
		END LOOP;
	END $$});

# The buffers of a call that gets a new message, in a session that has planned it
sub buffers
{
	my ($verb, $args) = @_;
	my $call = "SELECT FROM pgmq.$verb('$verb', $args)";
	my @hit = $node->safe_psql('postgres', "SELECT count(*) FROM pgmq.pop('$verb', 1000);"
		. "SELECT pgmq.send('log', '1'); EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) $call;" x 3) =~ /hit=(\d+)/g;
	return $hit[-1];
}

my $pin = session($node);
ask($pin, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
$node->safe_psql('postgres', 'CALL consume(300)');
my %args = (read => '600, 1', pop => '1');
my %was = map { $_ => buffers($_, $args{$_}) } keys %args;
$node->safe_psql('postgres', 'CALL consume(5000)');
cmp_ok(buffers($_, $args{$_}), '<=', 1.5 * $was{$_}, "$_ after 5,000 messages that cannot be vacuumed") for sort keys %was;

done($pin);
done_testing();
