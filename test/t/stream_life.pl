
# Streams and subscriptions, half read, through an immediate restart with a prepared
# transaction, through dump and restore, and on a standby that is promoted.  What
# was committed late is delivered everywhere, and nothing twice.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create_stream('log');
	SELECT pgmq.create_subscription('half', 'log');
	SELECT pgmq.create_subscription('none', 'log');
	SELECT count(*) FROM pgmq.send_batch('log', array_fill('1'::jsonb, ARRAY[100]))});

# a transaction that is prepared with ids 101 to 103, and others after it
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT count(*) FROM pgmq.send_batch('log', array_fill('2'::jsonb, ARRAY[3]));
	PREPARE TRANSACTION 'late'});
$node->safe_psql('postgres',
	q{SELECT count(*) FROM pgmq.send_batch('log', array_fill('3'::jsonb, ARRAY[300]))});
my $pop = q{SELECT min(msg_id), max(msg_id), count(*), count(DISTINCT msg_id) FROM pgmq.pop('%s', 1000)};
is($node->safe_psql('postgres', sprintf($pop, 'half')), '1|403|400|400', 'all but what is prepared');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgmq.read('none', 3600, 10)}), '10', 'some are leased');

$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', sprintf($pop, 'half')), '||0|0', 'nothing more after a restart');

# a standby with both, promoted with the transaction still prepared
my $backup = 'backup';
$node->backup($backup);
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my ($code, $out, $err) = $standby->psql('postgres', q{SELECT pgmq.read('half', 30, 1)});
like($err, qr/read-only/, 'a standby does not read');
is($standby->safe_psql('postgres', q{SELECT subscription_name, lag, in_flight FROM pgmq.list_subscriptions('log') ORDER BY 1}),
	"half|0|0\nnone|400|10", '.. but lists subscriptions');
$standby->promote;
$standby->safe_psql('postgres', q{COMMIT PREPARED 'late'});
is($standby->safe_psql('postgres', sprintf($pop, 'half')), '101|103|3|3', 'what is committed on the promoted server is delivered there');
is($standby->safe_psql('postgres', sprintf($pop, 'none')), '11|403|393|393', '.. and all that was not leased');

# the same on the server itself
$node->safe_psql('postgres', q{COMMIT PREPARED 'late'});
is($node->safe_psql('postgres', sprintf($pop, 'half')), '101|103|3|3', 'and on the server that was restarted');
is($node->safe_psql('postgres', sprintf($pop, 'half')), '||0|0', '.. once');

# dump and restore: the notes come along, and other transactions are no longer waited for
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), $dump ], 'pg_restore');
is($node->safe_psql('copy', sprintf($pop, 'half')), '||0|0', 'what was read is read in the copy');
is($node->safe_psql('copy', sprintf($pop, 'none')), '11|403|393|393', '.. and what was not, is not');
my $id = $node->safe_psql('copy', q{SELECT pgmq.send('log', '4')});
cmp_ok($id, '>=', 404, 'the copy goes on');
is($node->safe_psql('copy', sprintf($pop, 'half')), "$id|$id|1|1", '.. with its subscriptions');
$node->safe_psql('copy', q{SELECT pgmq.seek('half', 'earliest')});
is($node->safe_psql('copy', sprintf($pop, 'half')), "1|$id|404|404", '.. and can be replayed');

$standby->stop;
$node->stop;
done_testing();
