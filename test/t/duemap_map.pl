
# The due map where a regression test does not reach: prepared transactions,
# restarts, crashes, promotion, replication, little memory, databases that come
# and go.  Before each question the map has been shown that there is nothing to
# read; a message that becomes readable then must be read.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync'], allows_streaming => 'logical');
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.shared_memory = '1MB'
max_prepared_transactions = 20
lock_timeout = '20s'
restart_after_crash = on
});
$node->start;

# A queue with two messages, and what a read of it gets.
my $set_up = q{
	CREATE EXTENSION pgmq_c;
	CREATE FUNCTION got(queue text DEFAULT 'due') RETURNS text LANGUAGE sql AS
	$$ SELECT coalesce(string_agg(msg_id::text, ' ' ORDER BY msg_id), 'nothing')
	   FROM pgmq.read(queue, 600, 100) $$;
	SELECT pgmq.create('due');
	INSERT INTO pgmq.q_due (message) VALUES ('1'), ('2');
};
$node->safe_psql('postgres', "$set_up SELECT pgmq.create('other')");

my $where = $node;
my $db = 'postgres';

sub sql { return $where->safe_psql($db, $_[0]) }
sub got { return sql("SELECT got('" . ($_[0] // 'due') . "')") }

# Read until there is nothing, and once more, so that the map knows.
sub exhaust { got(@_); return got(@_) }

sub map_of
{
	return sql("SELECT due_map FROM pgmq.engine_status() WHERE queue_name = '$_[0]'");
}

is(got(), '1 2', 'messages are read');
is(exhaust(), 'nothing', 'once');
is(map_of('due'), 'on', 'by the map');

# Prepared transactions
sql(q{BEGIN; SELECT pgmq.send('due', '3'); PREPARE TRANSACTION 'due'});
is(exhaust(), 'nothing', 'a message sent in a prepared transaction is not there');
sql(q{COMMIT PREPARED 'due'});
is(got(), '3', '.. and is when that commits');
exhaust();

sql(q{BEGIN; SELECT pgmq.send('due', '4'); PREPARE TRANSACTION 'due'});
sql(q{COMMIT PREPARED 'due'});
is(got(), '4', '.. also when nobody looked meanwhile');
exhaust();

sql(q{BEGIN; SELECT pgmq.set_vt('due', 1, 0); PREPARE TRANSACTION 'due'});
is(exhaust(), 'nothing', 'nor is one made readable there');
sql(q{COMMIT PREPARED 'due'});
is(got(), '1', '.. until it commits');
exhaust();

sql(q{BEGIN; SELECT pgmq.set_vt('due', 1, 0); PREPARE TRANSACTION 'due'});
exhaust();
sql(q{ROLLBACK PREPARED 'due'});
is(exhaust(), 'nothing', '.. nor when it rolls back');
is(map_of('due'), 'on', 'the map is used again');

sql(q{SELECT pgmq.set_vt('due', 1, 0)});
{
	my $s = session($where, $db);
	ask($s, q{BEGIN; SELECT got(), got(); PREPARE TRANSACTION 'due'; SELECT 1; SELECT 2;});
	is(got(), 'nothing', 'what a prepared transaction leased is in flight');
	sql(q{ROLLBACK PREPARED 'due'});
	is(got(), '1', '.. and is not when that rolls back');
	done($s);
	exhaust();
}

# A look that began before the end of a prepared transaction
{
	my $s = session($where, $db);
	sql(q{SELECT pgmq.set_vt('due', 1, 0)});
	sql(q{BEGIN; SELECT pgmq.set_vt('due', 2, 0); PREPARE TRANSACTION 'due'});
	is(ask($s, 'BEGIN; SELECT got();'), '1', 'reading beside a prepared transaction');
	sql(q{COMMIT PREPARED 'due'});
	ask($s, 'COMMIT;');
	is(got(), '2', '.. which commits before the reader does');
	exhaust();
	sql(q{SELECT pgmq.set_vt('due', 1, 0)});
	is(ask($s, 'BEGIN; SELECT got();'), '1', 'reading before one is prepared');
	sql(q{BEGIN; SELECT pgmq.set_vt('due', 2, 0); PREPARE TRANSACTION 'due'});
	ask($s, 'COMMIT;');
	is(exhaust(), 'nothing', '.. which is not there');
	sql(q{COMMIT PREPARED 'due'});
	is(got(), '2', '.. until it commits');
	done($s);
	exhaust();
}

# Many of one queue, and one of another queue's
sql(qq{BEGIN; INSERT INTO pgmq.q_due (message) VALUES ('$_'); PREPARE TRANSACTION 'due$_'}) for 1 .. 12;
sql(q{BEGIN; SELECT pgmq.send('other', '1'); PREPARE TRANSACTION 'other'});
is(exhaust(), 'nothing', 'many prepared transactions');
is(map_of('due'), 'prepared transaction', '.. which is why there is no map');
is(sql(q{SELECT next_due FROM pgmq.engine_status() WHERE queue_name = 'due'}), '',
	'.. and nothing is said of when anything is due');
sql("COMMIT PREPARED 'due$_'") for 1 .. 11;
is(got(), '5 6 7 8 9 10 11 12 13 14 15', '.. all but one at once');
is(exhaust(), 'nothing', '.. which is not there');
sql(q{CREATE FUNCTION in_parallel() RETURNS text PARALLEL SAFE LANGUAGE plpgsql AS
	$$ BEGIN RETURN due_map FROM pgmq.engine_status() WHERE queue_name = 'due'; END $$});
like(sql(q{SELECT set_config(name, 'regress', false) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query'); SELECT in_parallel()}),
	qr/\nprepared transaction$/, '.. as a parallel query says, too');
sql("COMMIT PREPARED 'due12'");
is(got(), '16', '.. until it commits');
is(exhaust('other'), 'nothing', '.. but not of another queue');
sql(q{COMMIT PREPARED 'other'});
is(got('other'), '1', '.. which comes later');
exhaust('other');
is(map_of('other'), 'on', '.. and is not worse off');
exhaust();
is(map_of('due'), 'on', 'the map comes back when there are none');

# Queues that a prepared transaction did not touch are no worse off, new ones
# included, whatever is prepared and committed there while that is open
sql(q{BEGIN; SELECT pgmq.send('other', '2'); PREPARE TRANSACTION 'forgotten'});
sql(q{SELECT pgmq.create('new')});
exhaust('new');
is(map_of('new'), 'on', 'a queue made beside a prepared transaction has a map');
sql(q{BEGIN; SELECT pgmq.send('new', '1'); PREPARE TRANSACTION 'due'});
is(exhaust('new'), 'nothing', '.. one is prepared there');
is(map_of('new'), 'prepared transaction', '.. for which it goes without');
sql(q{COMMIT PREPARED 'due'});
is(got('new'), '1', '.. and which commits');
exhaust('new');
is(map_of('new'), 'on', '.. upon which it has its map again');
exhaust('other');
is(map_of('other'), 'prepared transaction', '.. while the other is open');
sql(q{BEGIN; SELECT pgmq.send('other', '3'); PREPARE TRANSACTION 'due'});
sql(q{COMMIT PREPARED 'due'});
is(got('other'), '3', '.. beside another of its queue');
is(exhaust('other'), 'nothing', '.. which ends');
is(map_of('other'), 'prepared transaction', '.. alone');
sql(q{COMMIT PREPARED 'forgotten'});
is(got('other'), '2', '.. and then that commits, too');
exhaust('other');
is(map_of('other'), 'on', '.. so that all is as ever');

# No right is needed to find out which prepared transactions there are
{
	my $s = session($where, $db);
	sql(q{SELECT pgmq.create('unlisted'); REVOKE SELECT ON pg_prepared_xacts FROM PUBLIC;
		CREATE ROLE regress_unlisted; GRANT USAGE ON SCHEMA pgmq TO regress_unlisted;
		GRANT ALL ON pgmq.q_unlisted TO regress_unlisted});
	ask($s, q{SET ROLE regress_unlisted; SELECT pgmq.read('unlisted', 0, 1);});
	ask($s, q{RESET ROLE;});
	is(map_of('unlisted'), 'on', 'a map is made by a role that may see nothing');
	sql(q{GRANT SELECT ON pg_prepared_xacts TO PUBLIC; SELECT pgmq.drop_queue('unlisted');
		DROP OWNED BY regress_unlisted; DROP ROLE regress_unlisted});
	done($s);
}

# Counting does not walk over dead rows
sub blocks
{
	# not counting what a new session reads of the catalogs
	my $plan = sql("SELECT FROM pgmq.metrics('$_[0]'); EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM pgmq.metrics('$_[0]')");
	$plan =~ /"Shared Hit Blocks": (\d+).*?"Shared Read Blocks": (\d+)/s or die $plan;
	return $1 + $2;
}

sub counted { return "SELECT queue_length, queue_visible_length FROM pgmq.metrics('counted');" }

{
	my $s = session($where, $db);
	sql(q{SELECT pgmq.create('counted')});
	ask($s, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
	sql(q{SELECT count(*) FROM pgmq.send_batch('counted', array_fill('{}'::jsonb, ARRAY[50000]))});
	sql(q{SELECT count(*) FROM pgmq.delete('counted', ARRAY(SELECT msg_id FROM pgmq.q_counted))});
	cmp_ok(blocks('counted'), '>', 500, 'dead rows slow down the counting');
	is(exhaust('counted'), 'nothing', '.. until a read has found it dead');
	sql(q{SELECT pgmq.send('counted', '{}', 'infinity'::timestamptz);
		SELECT pgmq.send('counted', '{}', 3600);
		SELECT pgmq.send('counted', (SELECT to_jsonb(string_agg(md5(i::text), '')) FROM generate_series(1, 30000) i))});
	sql(counted());
	cmp_ok(blocks('counted'), '<', 100, '.. and is not then, nor is a long message');
	is(sql(counted()), '3|1', '.. and all is counted, now, later or never readable');
	is(exhaust('counted'), 'nothing', '.. also');
	is(sql(counted()), '3|0', '.. when it was read');
	is(sql('BEGIN; SET LOCAL client_min_messages = error;' . q{ SELECT FROM pgmq.send('counted', '{}');} . counted() . 'ROLLBACK;'), '4|1', '.. or is sent by ourselves');
	is(ask($s, counted()), '0|0', 'an old snapshot counts what it sees');
	ask($s, 'COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;');
	sql(q{DELETE FROM pgmq.q_counted; INSERT INTO pgmq.q_counted (message) VALUES ('{}'); DELETE FROM pgmq.q_counted});
	sql(q{UPDATE pgmq.q_due SET vt = vt});
	is(ask($s, counted()), '3|0', '.. also what is gone since');
	ask($s, 'COMMIT;');
	is(ask($s, counted()), '0|0', '.. and no longer');
	done($s);
	is(sql(q{BEGIN; INSERT INTO pgmq.q_counted (message) VALUES ('{}');
		SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'counted'; ROLLBACK}), 'on',
		'the map stands as it does in a transaction that just sent');
}

# A partition whose trigger is off while another's rows are prepared
sql(q{
	CREATE TABLE pgmq.q_parts (
		msg_id bigint GENERATED BY DEFAULT AS IDENTITY,
		read_ct integer DEFAULT 0 NOT NULL,
		enqueued_at timestamptz DEFAULT now() NOT NULL,
		last_read_at timestamptz,
		vt timestamptz DEFAULT now() NOT NULL,
		message jsonb,
		headers jsonb,
		PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
	CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON pgmq.q_parts
	FOR EACH ROW EXECUTE FUNCTION pgmq._announce();
	ALTER TABLE pgmq.q_parts ENABLE ALWAYS TRIGGER pgmq_announce;
	CREATE TABLE pgmq.parts_1 PARTITION OF pgmq.q_parts FOR VALUES FROM (0) TO (100);
	CREATE TABLE pgmq.parts_2 PARTITION OF pgmq.q_parts FOR VALUES FROM (100) TO (200);
});
exhaust('parts');
sql(q{ALTER TABLE pgmq.parts_2 DISABLE TRIGGER ALL});
sql(q{BEGIN; INSERT INTO pgmq.q_parts (message) VALUES ('1'); PREPARE TRANSACTION 'parts'});
sql(q{ALTER TABLE pgmq.parts_2 ENABLE ALWAYS TRIGGER pgmq_announce});
is(exhaust('parts'), 'nothing', 'prepared while one partition was not heard');
sql(q{COMMIT PREPARED 'parts'});
is(got('parts'), '1', '.. and committed when it is');

# The schema is renamed away and back: there is no invalidation of its tables
{
	my $s = session($where, $db);
	my $open = session($where, $db);

	sql(q{ALTER SCHEMA pgmq RENAME TO away});
	ask($s, q{INSERT INTO away.q_due (message) VALUES ('{"n": "away"}');});
	ask($open, q{BEGIN; INSERT INTO away.q_due (message) VALUES ('{"n": "open"}');});
	sql(q{ALTER SCHEMA away RENAME TO pgmq});
	my $sent = sql(q{SELECT msg_id FROM pgmq.q_due WHERE message->>'n' = 'away'});
	is(got(), $sent, 'what was sent while the schema had another name');
	is(exhaust(), 'nothing', '.. once');
	ask($open, 'COMMIT;');
	is(got(), $sent + 1, '.. and what was committed when it had its own again');
	exhaust();
	$sent = ask($s, q{SELECT pgmq.send('due', '1');});
	is(got(), $sent, '.. and what the session sends that wrote to it meanwhile');
	exhaust();
	is(map_of('due'), 'on', '.. by the map');

	# A partition is not told when its queue is renamed
	sql(q{ALTER TABLE pgmq.q_parts SET SCHEMA public});
	ask($s, q{INSERT INTO pgmq.parts_1 (msg_id, message) VALUES (2, '1');});
	ask($open, q{INSERT INTO pgmq.parts_1 (msg_id, message) VALUES (3, '1');});
	# a session that knows the partition takes no lock on the partitioned
	# table
	ask($open, q{BEGIN; INSERT INTO pgmq.parts_1 (msg_id, message) VALUES (4, '1');});
	sql(q{ALTER TABLE q_parts SET SCHEMA pgmq});
	is(got('parts'), '2 3', 'what was put into a partition of a queue that was elsewhere');
	is(exhaust('parts'), 'nothing', '.. once');
	ask($open, 'COMMIT;');
	is(got('parts'), '4', '.. and what was committed when it was back');
	exhaust('parts');
	ask($s, q{INSERT INTO pgmq.q_parts (msg_id, message) VALUES (5, '1');});
	is(got('parts'), '5', '.. and what is put there then');
	done($s);
	done($open);
}

# After a restart the map knows nothing but the prepared transactions
sql(q{SELECT pgmq.set_vt('due', 1, 0)});
sql(q{BEGIN; SELECT pgmq.set_vt('due', 2, 0); PREPARE TRANSACTION 'due'});
$node->stop('immediate');
$node->start;
is(got(), '1', 'a message that was readable before a crash is readable afterwards');
is(exhaust(), 'nothing', '.. once');
sql(q{COMMIT PREPARED 'due'});
is(got(), '2', '.. and a transaction prepared before it can be committed');
exhaust();

# A reader that is killed takes nothing along
sql(q{SELECT pgmq.set_vt('due', ARRAY[1, 2], 0)});
{
	my $s = session($where, $db);
	ask($s, 'BEGIN; SELECT got(), got();');
	my $pid = ask($s, 'SELECT pg_backend_pid();');
	is(got(), 'nothing', 'leased by a reader');
	sql("SELECT pg_terminate_backend($pid)");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	is(got(), '1 2', '.. who was terminated');
	done($s);
	sql(q{SELECT pgmq.set_vt('due', ARRAY[1, 2], 0)});
	exhaust();
	sql(q{SELECT pgmq.set_vt('due', ARRAY[1, 2], 0)});
	$s = session($where, $db);
	ask($s, 'BEGIN; SELECT got(), got();');
	kill 'KILL', ask($s, 'SELECT pg_backend_pid();');
	done($s);
	$node->poll_query_until('postgres', undef, '');
	is(got(), '1 2', '.. or shot');
	is(exhaust(), 'nothing', '.. once');
}

# Another database under the same OID, with the same tables in the same files
$node->safe_psql('postgres', 'CREATE DATABASE source');
$db = 'source';
sql($set_up);
for my $time ('a database', 'another database under its OID')
{
	$node->safe_psql('postgres', 'CREATE DATABASE copy WITH OID = 900001 TEMPLATE = source');
	$db = 'copy';
	is(got(), '1 2', $time);
	is(exhaust(), 'nothing', '.. all of it');
	$node->safe_psql('postgres', 'DROP DATABASE copy');
}
$db = 'postgres';

# More queues than maps (1MB has 1040): the ones not used for longest lose theirs
my $queues = 1048;
sql(qq{DO \$\$ BEGIN FOR i IN 1 .. $queues LOOP
	PERFORM pgmq.create('many' || i); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END \$\$});
sub use_up
{
	return sql(qq{DO \$\$ BEGIN FOR i IN 1 .. $queues LOOP PERFORM pgmq.read('many' || i, 30, 1); END LOOP; END \$\$});
}
{
	my $w = session($where, $db);
	my $p = session($where, $db);
	exhaust();
	ask($w, q{BEGIN; SELECT pgmq.set_vt('due', 1, 0);});
	ask($p, q{BEGIN; SELECT pgmq.set_vt('due', 2, 0);});
	use_up();
	is(exhaust(), 'nothing', 'the map is made again');
	ask($w, 'COMMIT;');
	is(got(), '1', '.. and hears of a writer that knew the old one');
	exhaust();
	ask($p, q{PREPARE TRANSACTION 'due';});
	is(exhaust(), 'nothing', '.. also if that is prepared');
	use_up();
	is(exhaust(), 'nothing', '.. and the map made anew once more');
	ask($p, q{COMMIT PREPARED 'due';});
	is(got(), '2', '.. before it commits');
	is(exhaust(), 'nothing', '.. once');
	is(map_of('due'), 'on', 'the map is used');
	done($w);
	done($p);
}

# A transaction that touches more queues than there are maps, and is prepared
sql(qq{BEGIN; DO \$\$ BEGIN FOR i IN 1 .. $queues LOOP
	PERFORM pgmq.send('many' || i, '1'); END LOOP; END \$\$; PREPARE TRANSACTION 'many'});
is(exhaust(), 'nothing', 'a prepared transaction that wrote to more queues than there are maps');
is(map_of('due'), 'on', '.. costs others nothing');
use_up();
is(exhaust("many$_"), 'nothing', '.. and shows nothing') for 1, $queues;
is(map_of("many$queues"), 'prepared transaction', '.. where it keeps the map');
sql(q{COMMIT PREPARED 'many'});
is(got("many$_"), '1', '.. until it commits') for 1, $queues;
is(exhaust("many$_"), 'nothing', '.. once') for 1, $queues;
is(map_of("many$queues"), 'on', '.. which gives back the map');

# .. and one that cannot be, where no transaction may be prepared
$node->adjust_conf('postgresql.conf', 'max_prepared_transactions', 0);
$node->restart;
exhaust();
{
	my ($ret, $out, $err) = $node->psql($db, qq{BEGIN; DO \$\$ BEGIN FOR i IN 1 .. $queues LOOP
		PERFORM pgmq.send('many' || i, '1'); END LOOP; END \$\$; PREPARE TRANSACTION 'many'});
	like($err, qr/prepared transactions are disabled/, 'no transaction may be prepared');
}
is(map_of('due'), 'on', '.. which costs nobody the map');
use_up();
is(exhaust("many$queues"), 'nothing', '.. nor shows anything');
$node->adjust_conf('postgresql.conf', 'max_prepared_transactions', 20);
$node->restart;
use_up();
my $have = q{SELECT string_agg(queue_name, ' ') FROM pgmq.engine_status() WHERE due_map <> 'none'};
my $had = sql($have);
cmp_ok(scalar(split(' ', $had)), '<', $queues, 'some queues are without');
is(sql($have), $had, '.. and looking how they stand takes none from others');
sql(q{SELECT count(*) FROM pgmq.metrics_all()});
is(sql($have), $had, '.. nor does counting');
is(sql(q{SELECT count(*) FROM pgmq.engine_status() WHERE due_map = 'prepared transaction'}), 0,
	'a prepared transaction that has ended is not in the way');

# Ids so far from each other that there is no room for a node for each
sql(q{INSERT INTO pgmq.q_due (msg_id, vt, message) OVERRIDING SYSTEM VALUE
	SELECT (9e18::bigint / 5000) * i, CASE WHEN i % 7 = 0 THEN now() ELSE now() + interval '1 day' END, '{}'
	FROM generate_series(1, 5000) i});
my $count = q{SELECT count(*) FROM pgmq.read('due', 600, 10000)};
is(sql($count), 714, 'many ids far apart');
is(sql($count), 0, '.. once');
is(sql(q{SELECT queue_length - (SELECT count(*) FROM pgmq.q_due) FROM pgmq.metrics('due')}), 0, '.. are counted');
sql(q{UPDATE pgmq.q_due SET vt = now() WHERE msg_id % 3 = 0 AND msg_id > 16});
my $due = sql(q{SELECT count(*) FROM pgmq.q_due WHERE vt <= now()});
is(sql($count), $due, '.. and some of them again');
is(sql($count), 0, '.. once');
sql(q{BEGIN; INSERT INTO pgmq.q_due (message) VALUES ('{}');
	UPDATE pgmq.q_due SET vt = now() WHERE msg_id IN (SELECT max(msg_id) FROM pgmq.q_due); COMMIT});
is(sql($count), 2, '.. from the first to the last');

# Rows that arrive by logical replication
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init(extra => ['--no-sync']);
$replica->append_conf('postgresql.conf', "shared_preload_libraries = 'pgmq_c'");
$replica->start;
sql(q{SELECT pgmq.create('copied'); SELECT pgmq.send('copied', '{}');
	CREATE PUBLICATION due FOR TABLE pgmq.q_copied});
my $source = $node->connstr . ' dbname=postgres';
$where = $replica;
sql(q{
	CREATE EXTENSION pgmq_c;
	CREATE FUNCTION got(queue text DEFAULT 'due') RETURNS text LANGUAGE sql AS
	$$ SELECT coalesce(string_agg(msg_id::text, ' ' ORDER BY msg_id), 'nothing')
	   FROM pgmq.read(queue, 600, 100) $$;
	SELECT pgmq.create('copied');
});
exhaust('copied');
sql(qq{CREATE SUBSCRIPTION due CONNECTION '$source' PUBLICATION due});
$replica->wait_for_subscription_sync($node, 'due');
is(got('copied'), '1', 'a message in the first copy of a replica');
exhaust('copied');
$node->safe_psql('postgres', q{SELECT pgmq.send('copied', '{}')});
$node->wait_for_catchup('due');
is(got('copied'), '2', '.. and one sent later');
exhaust('copied');
$node->safe_psql('postgres', q{SELECT pgmq.set_vt('copied', 1, -1)});
$node->wait_for_catchup('due');
is(got('copied'), '1', '.. and one made readable');
sql(q{DROP SUBSCRIPTION due});
$replica->stop;
$where = $node;

# A transaction does not walk over all messages that it holds itself
sql(q{SELECT pgmq.create('own')});
sql(q{INSERT INTO pgmq.q_own (message) SELECT '{}' FROM generate_series(1, 3000)});
sql(q{SELECT count(*) FROM pgmq.read('own', 0, 10000)});
my ($buffers) = sql(q{
	BEGIN;
	DO $$ BEGIN FOR i IN 1..20 LOOP PERFORM pgmq.read('own', 600, 100); END LOOP; END $$;
	EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT pgmq.read('own', 600, 1);
	COMMIT}) =~ /hit=(\d+)/;
cmp_ok($buffers, '<', 150, 'a read in a transaction that holds 2,000 messages');
is(sql(q{SELECT min(msg_id) FROM pgmq.read('own', 600, 1)}), 2002, '.. and what others read next');

# The full check finds a message that the map hides, wherever it is.  No
# session announces the row: a session that knows the trigger only by a catalog
# that was tampered with does not fire it, and the reader has not been told.
sql(q{SELECT pgmq.create('net')});
sql(q{ALTER TABLE pgmq.q_net SET (autovacuum_enabled = off)});
sql(q{INSERT INTO pgmq.q_net (message, vt)
	SELECT '{}', now() + interval '1 day' FROM generate_series(1, 25000)});
my $reader = session($where, $db);
ask($reader, q{SELECT got('net'), got('net');});
sql(q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'pgmq.q_net'::regclass});
sql(q{UPDATE pgmq.q_net SET vt = now() WHERE msg_id = 22000});
is(ask($reader, q{SELECT got('net');}), 'nothing', 'a message that was not announced');
is(ask($reader, q{
	DO $$ BEGIN
		FOR i IN 1..1200 LOOP
			EXIT WHEN EXISTS (SELECT FROM pgmq.read('net', 600, 1));
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $$;
	SELECT net_finds FROM pgmq.engine_status() WHERE queue_name = 'net';}), 1, '.. is in the net');
done($reader);
sql(q{SELECT pgmq.drop_queue('net')});

# A standby that takes over
sql(q{UPDATE pgmq.q_due SET vt = now() + CASE msg_id WHEN 1 THEN '0' ELSE interval '1 day' END});
sql(q{BEGIN; SELECT pgmq.set_vt('due', 2, 0); PREPARE TRANSACTION 'due'});
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
$where = $standby;
is(got(), '1', 'after a failover');
is(exhaust(), 'nothing', '.. once');
sql(q{COMMIT PREPARED 'due'});
is(got(), '2', '.. with what was prepared before');
exhaust();
is(map_of('due'), 'on', '.. by the map');
is(sql('SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()'), 0, 'the net found nothing');
$standby->stop;

done_testing();
