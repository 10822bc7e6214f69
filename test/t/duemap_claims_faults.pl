
# Which reader has which message, whatever happens to readers: killed with messages in
# hand, prepared and restarted, with a hundred thousand leases in one transaction,
# while the map has no room or is given to another queue, and many at once at
# random.  A message has one reader at a time; it is there again at once when its
# reader gives it back, and after its lease otherwise; one reader gets them in the
# order of their ids.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pgmq_c'
pgmq_c.shared_memory = '1MB'
max_prepared_transactions = 5
lock_timeout = '20s'
restart_after_crash = on
});
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub got { return sql("SELECT got('$_[0]', " . ($_[1] // 1000000) . ')') }

# A queue of so many messages, each sent by a transaction of its own.
sub fill
{
	my ($queue, $count) = @_;

	sql("SELECT pgmq.create('$queue')");
	sql("CALL fill('$queue', $count)");
}

sub finds { return sql('SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()') }

sql(q{
	CREATE EXTENSION pgmq_c;
	CREATE FUNCTION got(queue text, qty integer) RETURNS text LANGUAGE sql AS
	$$ SELECT coalesce(string_agg(msg_id::text, ' '), 'nothing') FROM pgmq.read(queue, 600, qty) $$;
	-- how many, which, and whether each is there once and in order
	CREATE FUNCTION summary(queue text, qty integer) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws(' ', count(*), min(msg_id), max(msg_id), coalesce(bool_and(rises), true)) FROM
	   (SELECT msg_id, msg_id > lag(msg_id) OVER () IS NOT FALSE AS rises FROM pgmq.read(queue, 600, qty)) AS r $$;
	CREATE PROCEDURE fill(queue text, count integer) LANGUAGE plpgsql AS
	$$ BEGIN FOR i IN 1..count LOOP PERFORM pgmq.send(queue, to_jsonb(i)); COMMIT; END LOOP; END $$;
	-- so many reads of one message, in one transaction
	CREATE FUNCTION singly(queue text, count integer) RETURNS text LANGUAGE plpgsql AS
	$$ DECLARE
		ids bigint[];
		id bigint;
	BEGIN
		FOR i IN 1..count LOOP
			SELECT msg_id INTO id FROM pgmq.read(queue, 600, 1);
			ids[i] := id;
		END LOOP;
		RETURN (SELECT concat_ws(' ', count(DISTINCT u), min(u), max(u)) FROM unnest(ids) AS u);
	END $$;
});

# ---- readers that are killed

fill('killed', 12);
for my $how ('shot', 'terminated')
{
	my $s = session($node);
	my $pid = ask($s, 'SELECT pg_backend_pid();');
	is(ask($s, q{BEGIN; SELECT got('killed', 1), got('killed', 2);}), '1|2 3', "a reader that will be $how");
	ask($s, q{SAVEPOINT s; SELECT got('killed', 1); ROLLBACK TO s; SELECT got('killed', 1);});
	is(got('killed', 2), '5 6', '.. and another beside it');
	if ($how eq 'shot')
	{
		kill 'KILL', $pid;
		eval { done($s) };
		$node->poll_query_until('postgres', undef, '');
	}
	else
	{
		sql("SELECT pg_terminate_backend($pid)");
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
		eval { done($s) };
	}
	is(got('killed'), '1 2 3 4 7 8 9 10 11 12', '.. leave what the dead one had, and not what the other has');
	is(got('killed'), 'nothing', '.. once');
	sql(q{SELECT count(*) FROM pgmq.set_vt('killed', ARRAY(SELECT msg_id FROM pgmq.q_killed), 0)});
}

# ---- prepared, and a restart

# It reads two for so many seconds, and gives back a third.
sub prepare
{
	my ($vt) = @_;
	my $s = session($node);
	my $more = $vt > 0 ? q{SAVEPOINT s; SELECT got('prepared', 1); ROLLBACK TO s;} : '';

	is(ask($s, qq{BEGIN; SELECT string_agg(msg_id::text, ' ') FROM pgmq.read('prepared', $vt, 2); $more PREPARE TRANSACTION 'reader';}),
		$vt > 0 ? "1 2\n3" : '1 2', 'a reader that prepares');
	done($s);
}

fill('prepared', 5);
for my $restart (undef, 'fast', 'immediate')
{
	my $name = $restart ? "after a stop that is $restart" : 'without a restart';

	prepare(600);
	is(got('prepared', 1), '3', '.. holds what it read and kept');
	$node->stop($restart), $node->start if $restart;
	is(got('prepared'), '4 5', ".. $name, too");
	sql(q{ROLLBACK PREPARED 'reader'});
	is(got('prepared'), '1 2', '.. and gives it back by ROLLBACK PREPARED');
	sql(q{SELECT count(*) FROM pgmq.set_vt('prepared', ARRAY(SELECT msg_id FROM pgmq.q_prepared), 0)});
	prepare(600);
	$node->stop($restart), $node->start if $restart;
	is(got('prepared'), '3 4 5', 'beside one that commits');
	sql(q{COMMIT PREPARED 'reader'});
	is(got('prepared'), 'nothing', '.. and has its lease');
	sql(q{SELECT count(*) FROM pgmq.set_vt('prepared', ARRAY(SELECT msg_id FROM pgmq.q_prepared), 0)});
	# its lease is over before the transaction is
	prepare(0);
	$node->stop($restart), $node->start if $restart;
	is(got('prepared'), '3 4 5', 'beside one whose lease is over');
	sql(q{COMMIT PREPARED 'reader'});
	is(got('prepared'), '1 2', '.. which is seen when it commits');
	sql(q{SELECT count(*) FROM pgmq.set_vt('prepared', ARRAY(SELECT msg_id FROM pgmq.q_prepared), 0)});
}

# ---- leases that end

fill('lapses', 100);
sql(q{SELECT count(*) FROM pgmq.read('lapses', 1, 1), generate_series(1, 3)});
{
	my $s = session($node);
	# the lease ends while its reader is in the transaction
	ask($s, q{BEGIN; SELECT count(*) FROM pgmq.read('lapses', 1, 10);});
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pgmq.q_lapses WHERE vt > now()});
	is(sql(q{SELECT summary('lapses', 100)}), '90 1 100 t', 'beside a lease that ended in its transaction');
	ask($s, 'COMMIT;');
	$node->poll_query_until('postgres', q{SELECT count(*) = 10 FROM pgmq.q_lapses WHERE vt <= clock_timestamp()});
	is(sql(q{SELECT summary('lapses', 100)}), '10 2 11 t', '.. and after it');
	done($s);
}

# ---- 100,000 leases in one transaction

my $many = 100000;
sql(qq{SELECT pgmq.create('many'); SELECT count(*) FROM pgmq.send_batch('many', array_fill('1'::jsonb, ARRAY[$many]))});
sql(q{CALL fill('many', 200)});
{
	my $s = session($node);
	my $all = $many + 200;

	for my $end ('ROLLBACK', 'ROLLBACK TO s', 'COMMIT')
	{
		is(ask($s, qq{BEGIN; SAVEPOINT s; SELECT summary('many', $many);}), "$many 1 $many t", "$many leases");
		is(got('many', 1), $many + 1, '.. leave the others theirs');
		is(sql(q{SELECT singly('many', 100)}), join(' ', 100, $many + 2, $many + 101), '.. in order');
		ask($s, "$end;");
		is(sql(qq{SELECT summary('many', $all)}), $end eq 'COMMIT' ? join(' ', 99, $many + 102, $all, 't') : join(' ', $many + 99, 1, $all, 't'),
			".. and after $end what was given back");
		is(got('many', 1), 'nothing', '.. once');
		ask($s, 'COMMIT;') if $end =~ /TO/;
		sql(q{SELECT count(*) FROM pgmq.set_vt('many', ARRAY(SELECT msg_id FROM pgmq.q_many), 0)});
	}
	is(ask($s, q{BEGIN; SELECT singly('many', 5000);}), '5000 1 5000', 'as many reads of one message');
	is(got('many', 1), 5001, '.. leave the others theirs');
	ask($s, 'ROLLBACK;');
	is(sql(qq{SELECT summary('many', $all)}), join(' ', $all - 1, 1, $all, 't'), '.. and come back');
	done($s);
	sql(q{SELECT pgmq.drop_queue('many')});
}

# ---- no room in the map

my $far = 3000;
for my $queue ('full1', 'full2', 'scattered')
{
	sql("SELECT pgmq.create('$queue')");
	sql("INSERT INTO pgmq.q_$queue (msg_id, message) OVERRIDING SYSTEM VALUE
		SELECT i * 262144::bigint, '1' FROM generate_series(1, $far) AS i");
	sql("SELECT count(*) FROM pgmq.read('$queue', 600, $far)") if $queue ne 'scattered';
}
{
	my ($a, $b) = (session($node), session($node));

	is(ask($a, q{BEGIN; SELECT singly('scattered', 300);}), join(' ', 300, 262144, 300 * 262144), 'messages that are far apart, in a map without room');
	is(ask($b, q{BEGIN; SELECT singly('scattered', 300);}), join(' ', 300, 301 * 262144, 600 * 262144), '.. for two readers');
	sql(q{SELECT pgmq.send('scattered', '2') FROM generate_series(1, 10)});
	is(sql(q{SELECT singly('scattered', 20)}), join(' ', 20, 1, 610 * 262144), '.. and a third');
	ask($a, 'ROLLBACK;');
	is(sql(q{SELECT singly('scattered', 10)}), join(' ', 10, 262144, 10 * 262144), '.. one of which gives back');
	ask($b, 'COMMIT;');
	is(sql(qq{SELECT summary('scattered', 10 * $far)}), join(' ', $far - 320, 11 * 262144, $far * 262144, 't'), '.. and one keeps');
	is(got('scattered', 1), 'nothing', '.. all of it once');
	sql(q{SELECT count(*) FROM pgmq.set_vt('scattered', ARRAY(SELECT msg_id FROM pgmq.q_scattered WHERE msg_id % 5 = 0), 0)});
	is(sql(qq{SELECT summary('scattered', 10 * $far)}), join(' ', sql(q{SELECT count(*), min(msg_id), max(msg_id), 't' FROM pgmq.q_scattered WHERE msg_id % 5 = 0}) =~ /[^|]+/g),
		'.. and again');
	done($a, $b);
}

# Messages so far apart that what a look leaves ready takes more nodes than there are.
sub spread
{
	my ($queue, $delay, $each) = @_;

	sql("SELECT pgmq.create('$queue'); SELECT pgmq.read('$queue', 600, 1)");
	sql("DO \$\$ BEGIN FOR i IN 1..600 LOOP
		INSERT INTO pgmq.q_$queue (msg_id, vt, message) OVERRIDING SYSTEM VALUE
		VALUES (i * 4096, clock_timestamp() + interval '$delay ms', '1');
		IF $each = 1 THEN COMMIT; END IF;
		END LOOP; END \$\$");
	$node->poll_query_until('postgres', "SELECT max(vt) <= clock_timestamp() FROM pgmq.q_$queue");
}

# in a pool that others have used up, and in one that they have not
for my $others (1, 0)
{
	for my $delay (0, 100)
	{
		for my $each (0, 1)
		{
			my $how = ($delay ? 'delayed' : 'sent') . ($each ? ' one by one' : ' at once');

			spread('spread', $delay, $each);
			is(sql("BEGIN; SELECT summary('spread', 1000); ROLLBACK"), join(' ', 600, 4096, 600 * 4096, 't'), "a read of all, $how");
			is(sql("SELECT singly('spread', 300)"), join(' ', 300, 4096, 300 * 4096), '.. and one by one');
			is(sql("SELECT summary('spread', 200)"), join(' ', 200, 301 * 4096, 500 * 4096, 't'), '.. many');
			is(sql("SELECT summary('spread', 1000)"), join(' ', 100, 501 * 4096, 600 * 4096, 't'), '.. and the rest');
			is(got('spread'), 'nothing', '.. once');
			sql("SELECT pgmq.drop_queue('spread')");
		}
	}
	sql("SELECT pgmq.drop_queue(queue) FROM unnest('{full1,full2,scattered}'::text[]) AS queue") if $others;
}
spread('spread', 0, 0);
my (undef, undef, $fetched) = split /\n/, sql("SELECT singly('spread', 300); SELECT pg_stat_force_next_flush();
	SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'q_spread'");
# described from the first to the last one, a look would leave few of them ready
cmp_ok($fetched, '<', 60000, 'many reads use what one look has found');

# A read that takes dead messages only goes on after those, not after what it could not claim.
sql(q{
	SELECT pgmq.create('dying');
	SELECT pgmq.set_policy('dying', '{"max_reads": 1, "dead_letter_queue": "dead", "create_dead_letter_queue": true}');
	SELECT pgmq.read('dying', 600, 1)});
sql(q{INSERT INTO pgmq.q_dying (msg_id, message, read_ct) OVERRIDING SYSTEM VALUE
	SELECT id * 4096, '1', (id BETWEEN 21 AND 30)::integer FROM generate_series(1, 600) AS id});
{
	my $s = session($node);

	ask($s, 'BEGIN; SELECT count(*) FROM (SELECT FROM pgmq.q_dying WHERE msg_id <= 20 * 4096 FOR UPDATE) AS locked;');
	is(sql(q{SELECT summary('dying', 10)}), join(' ', 10, 31 * 4096, 40 * 4096, 't'), 'a read behind locked and dead messages');
	is(sql('SELECT count(*) FROM pgmq.q_dead'), 10, '.. of which those are moved');
	ask($s, 'ROLLBACK;');
	is(sql(q{SELECT summary('dying', 1000)}), join(' ', 580, 4096, 600 * 4096, 't'), '.. and the rest');
	is(got('dying'), 'nothing', '.. once');
	done($s);
}

# ---- the map goes to another queue while messages are in hand

# 1MB has about 1000 maps; each block commits so that the locks fit
my $queues = 1100;
sql(qq{DO \$\$ BEGIN FOR i IN 1..$queues LOOP
	PERFORM pgmq.create('other' || i); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END \$\$});
sub evict
{
	sql(qq{DO \$\$ BEGIN FOR i IN 1..$queues LOOP PERFORM pgmq.read('other' || i, 30, 1); END LOOP; END \$\$});
	is(sql(q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'evicted'}), 'none', 'the map has gone to another queue');
}
fill('evicted', 12);
{
	my ($a, $b) = (session($node), session($node));

	is(ask($a, q{BEGIN; SELECT got('evicted', 1), got('evicted', 2);}), '1|2 3', 'a reader whose map is taken away');
	is(ask($b, q{BEGIN; SAVEPOINT s; SELECT got('evicted', 2);}), '4 5', '.. and one more');
	evict();
	is(got('evicted', 2), '6 7', '.. and one by the map that is made then');
	ask($b, 'ROLLBACK TO s;');
	is(got('evicted', 1), '4', '.. also of what one gives back then');
	is(ask($a, q{SELECT got('evicted', 1);}), '5', '.. and the first goes on');
	evict();
	ask($a, 'ROLLBACK;');
	is(got('evicted'), '1 2 3 5 8 9 10 11 12', '.. and gives back');
	is(got('evicted'), 'nothing', '.. all of it once');
	done($a, $b);
}
is(finds(), 0, 'nothing was hidden');

# ---- many at once, at random

# What each read got is logged when it commits; what was deleted is too.
sql(q{
	SELECT pgmq.create('random');
	CREATE TABLE sent (msg_id bigint);
	CREATE FUNCTION sent() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO sent VALUES (NEW.msg_id); RETURN NULL; END $$;
	CREATE TRIGGER sent AFTER INSERT ON pgmq.q_random FOR EACH ROW EXECUTE FUNCTION sent();
	CALL fill('random', 500);
	CREATE TABLE leases (msg_id bigint, read_ct integer, begun timestamptz, until timestamptz);
	CREATE TABLE deleted (msg_id bigint);
	CREATE FUNCTION take(seconds integer, qty integer) RETURNS bigint[] LANGUAGE sql AS
	$$ WITH got AS (SELECT * FROM pgmq.read('random', seconds, qty)),
		logged AS (INSERT INTO leases SELECT msg_id, read_ct, last_read_at, vt FROM got)
	   SELECT coalesce(array_agg(msg_id), '{}') FROM got $$;
	CREATE FUNCTION finish(ids bigint[]) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO deleted SELECT pgmq.delete('random', ids) $$;
	CREATE FUNCTION caught(qty integer) RETURNS bigint[] LANGUAGE plpgsql AS
	$$ BEGIN
		BEGIN PERFORM take(600, qty); RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL; END;
		RETURN take(600, qty);
	END $$;
});
my @scripts = map { my $script = $_; $script =~ s/\n\s*/\n/g; $script =~ s/^\n//; $script } (
	# a worker, in one transaction or two
	q{
	BEGIN;
	SELECT take(600, 1)::text AS ids \gset
	SELECT finish(:ids::bigint[]);
	COMMIT;},
	q{
	SELECT take(600, 3)::text AS ids \gset
	SELECT finish(:ids::bigint[]);},
	# one that gives back
	q{
	BEGIN;
	SELECT take(600, 2);
	ROLLBACK;},
	q{
	BEGIN;
	SAVEPOINT s;
	SELECT take(600, 5);
	ROLLBACK TO s;
	SELECT take(600, 1)::text AS ids \gset
	SELECT finish(:ids::bigint[]);
	COMMIT;},
	q{
	BEGIN;
	SELECT caught(2)::text AS ids \gset
	SELECT finish(:ids::bigint[]);
	COMMIT;},
	# one that dies, and leaves its lease
	q{
	SELECT take(1, 1);},
	# one that finished, and rolls back
	q{
	BEGIN;
	SELECT finish(take(600, 1));
	SELECT take(600, 1);
	ROLLBACK;},
	# a filter, and no map
	q{
	BEGIN;
	WITH got AS (SELECT * FROM pgmq.read('random', 600, 1, '1'))
	SELECT count(*) FROM got;
	ROLLBACK;},
	q{
	SET pgmq_c.due_map = off;
	SELECT take(600, 1)::text AS ids \gset
	SELECT finish(:ids::bigint[]);
	RESET pgmq_c.due_map;},
	# a sender, one that changes its mind, and one with a delay
	q{
	SELECT pgmq.send('random', '1') FROM generate_series(1, 3);},
	q{
	BEGIN;
	SELECT pgmq.send('random', '2');
	ROLLBACK;},
	q{
	SELECT pgmq.send('random', '3', 1);});
my @files = map {
	my $file = PostgreSQL::Test::Utils::tempdir . "/script$_";
	append_to_file($file, $scripts[$_]);
	('-f', $file)
} 0 .. $#scripts;
$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', 10, '-j', 2, '-t', 300, @files, '-d', $node->connstr('postgres') ], 'readers at random');
# what is left comes back when the leases of those that died are over
ok($node->poll_query_until('postgres', q{SELECT finish(take(600, 1000)); SELECT count(*) = 0 FROM pgmq.q_random}, "\nt"),
	'.. leave nothing that nobody can get');
is(sql(q{SELECT count(*) FROM sent FULL JOIN deleted USING (msg_id) WHERE sent.msg_id IS NULL OR deleted.msg_id IS NULL}), 0,
	'.. and have had all that was sent');
is(sql(q{SELECT count(*) - count(DISTINCT msg_id) FROM deleted}), 0, '.. each was deleted once');
is(sql(q{SELECT count(*) - count(DISTINCT (msg_id, read_ct)) FROM leases}), 0, '.. and read once');
is(sql(q{SELECT count(*) FROM (SELECT begun < lag(until) OVER (PARTITION BY msg_id ORDER BY read_ct) AS early FROM leases) AS l WHERE early}), 0,
	'.. at a time');
is(finds(), 0, '.. and nothing was hidden');
$node->stop;

done_testing();
