
# locked() and horizon() where one database of a server without a standby does
# not reach: prepared transactions, other databases, replication slots and
# standbys; and the order of what horizon() shows.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1, extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_prepared_transactions = 5");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $horizon = q{SELECT string_agg(concat_ws(' ', kind, state), ', ') FROM pgmq.horizon()};

sql(q{CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('q'), pgmq.send_batch('q', '{1,2,3}'::jsonb[])});
$node->safe_psql('postgres', 'CREATE DATABASE other');
is(sql($horizon), '', 'nothing holds the horizon');

# A prepared transaction
sql(q{BEGIN; SELECT pgmq.read('q', 600, 1); PREPARE TRANSACTION 'prepared_one'});
is( sql(q{SELECT l.msg_id, l.pid IS NULL, l.transaction = p.transaction
		FROM pgmq.locked('q') l, pg_prepared_xacts p}),
	'1|t|t', 'what a prepared transaction has locked has no process');
is( sql(q{SELECT kind, pid IS NULL, name, state, since = prepared, xacts = age(transaction)
		FROM pgmq.horizon(), pg_prepared_xacts}),
	'prepared transaction|t|prepared_one|prepared|t|t', 'it holds the horizon');

# The oldest comes first, in whichever order they are found
my $session = session($node);
ask($session, q{BEGIN; SELECT pgmq.read('q', 600, 1);});
is(sql($horizon), 'prepared transaction prepared, session idle in transaction', 'a session that is younger comes after it');
sql(q{COMMIT PREPARED 'prepared_one'});
sql(q{BEGIN; SELECT pgmq.read('q', 600, 1); PREPARE TRANSACTION 'prepared_two'});
is(sql($horizon), 'session idle in transaction, prepared transaction prepared', '.. and one that is older before it');
is(ask($session, $horizon . q{ WHERE kind = 'session';}), '', 'the session that asks is not shown');

# Another database is none of ours
is($node->safe_psql('other', "CREATE EXTENSION pgmq_c; $horizon"), '', 'what holds the horizon of another database is not shown');
ask($session, 'ROLLBACK;');
done($session);
sql(q{ROLLBACK PREPARED 'prepared_two'});

# A standby that says what it needs, and one for which a slot keeps that
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1");
$standby->start;
ok($node->poll_query_until('postgres', $horizon, 'standby active'), 'a standby holds the horizon');
sql(q{SELECT pg_create_physical_replication_slot('slot_one')});
$standby->append_conf('postgresql.conf', "primary_slot_name = 'slot_one'");
$standby->restart;
ok($node->poll_query_until('postgres', $horizon, 'replication slot active'), '.. or its slot does');
is( sql(q{SELECT h.name, h.pid = s.active_pid, h.since IS NULL, h.xacts = age(s.xmin)
		FROM pgmq.horizon() h, pg_replication_slots s}),
	'slot_one|t|t|t', '.. which is named');
$standby->stop;
ok($node->poll_query_until('postgres', $horizon, 'replication slot inactive'), '.. also when the standby has gone');

$node->stop;
done_testing();
