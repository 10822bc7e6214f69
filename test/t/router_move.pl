
# tools/pgmq-move: a queue moves to another shard while it is used, and an
# interruption after any step loses and doubles nothing.
use strict;
use warnings;

use File::Basename qw(dirname);
use IPC::Run;
use lib dirname(__FILE__);
use PgmqRouter;
use PgmqSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = need_mover();
my $conf = "shared_preload_libraries = 'pgmq_c'";
my $node = router_server(1, $conf);
my $far = PostgreSQL::Test::Cluster->new('far');
$far->init(allows_streaming => 'logical', extra => ['--no-sync']);
$far->append_conf('postgresql.conf', $conf);
$far->start;
$far->safe_psql('postgres', 'CREATE EXTENSION pgmq_c');
add_shard($node, $far, 'postgres');

my %server = (0 => [ $node, 's0' ], 1 => [ $far, 'postgres' ]);

sub on_shard
{
	my ($shard, $sql) = @_;
	my ($server, $db) = @{ $server{$shard} };

	return rows($server, $sql, $db);
}

# --------------------------------------------------------------------------
# Everything moves along
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('Jobs')});
is(rows($node, q{SELECT shards FROM pgmq_router.queue}), '{0}', 'the queue is on shard 0');
rows($node, q{SELECT pgmq.set_policy('jobs', '{"dedup_window": 3600, "ttl": 86400}')});
on_shard(0, q{SELECT pgmq.enable_notify_insert('jobs', 100), pgmq.create_fifo_index('jobs')});
rows($node, q{SELECT pgmq.bind_topic('jobs.#', 'Jobs')});
rows($node, q{SELECT pgmq.send('jobs', to_jsonb(n), jsonb_build_object('x-pgmq-dedup-id', n::text)) FROM generate_series(1, 20) AS n});
rows($node, q{SELECT pgmq.archive('jobs', 1), pgmq.delete('jobs', 2), pgmq.read('jobs', 600, 3)});
my $what = q{SELECT (SELECT count(*) FROM pgmq.q_jobs), (SELECT count(*) FROM pgmq.a_jobs), (SELECT count(*) FROM pgmq.q_jobs WHERE vt > now()),
	(SELECT policy FROM pgmq.policy), (SELECT max(throttle_interval_ms) FROM pgmq.notify_insert_throttle), (SELECT pattern FROM pgmq.topic_bindings),
	(SELECT queue_name FROM pgmq.meta), (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'pgmq.q_jobs'::regclass),
	to_regclass('pgmq.q_jobs_fifo_idx') IS NOT NULL};
my $before = on_shard(0, $what);
is(move($node, undef, 'JOBS', 0, 1), 0, 'moved') or diag(said());
is(on_shard(1, $what), $before, 'with all that belongs to it');
is(on_shard(0, q{SELECT count(*), to_regclass('pgmq.q_jobs') FROM pgmq.meta}), '0|', 'and is gone from where it was');
is(rows($node, q{SELECT shards, moving_slot FROM pgmq_router.queue; SELECT pgmq.send('jobs', '1', '{"x-pgmq-dedup-id": "7"}'::jsonb); SELECT pgmq.send('jobs', '1');
	SELECT queue_length FROM pgmq.metrics('jobs')}), "{1}|\n7\n21\n19", 'the router knows, ids go on, duplicates are found');
is(rows($node, q{SELECT count(*) FROM pgmq.read('jobs', 1, 100)}), 16, 'leases are held');
is(move($node, undef, 'jobs', 0, 1), 0, 'again: nothing to do');
like(said(), qr/already/, 'it says so');
isnt(move($node, undef, 'nope', 0, 1), 0, 'an unknown queue');
isnt(move($node, undef, 'jobs', 1, 5), 0, 'an unknown shard');
like(said(), qr/shard 5 does not exist/, 'is named');

# --------------------------------------------------------------------------
# Who waits
# --------------------------------------------------------------------------

my $direct = session($far);
my $routed = session($node, 'router');
on_shard(1, q{SELECT pgmq.purge_queue('jobs')});
begin($direct, q{\set VERBOSITY sqlstate
SELECT * FROM pgmq.read_with_poll('jobs', 1, 1, 100);});
begin($routed, q{\set VERBOSITY sqlstate
SELECT * FROM pgmq.read_with_poll('jobs', 1, 1, 100);});
$far->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pgmq.waiters()}) or die 'they do not wait';
is(move($node, undef, 'jobs', 1, 0), 0, 'moved from under those who wait') or diag(said());
result($_) foreach $direct, $routed;
is($direct->{out} . $direct->{err}, '', 'trap 8: who waits on the shard is sent away');
like($direct->{took} < 60 ? ask($direct, q{SELECT * FROM pgmq.read_with_poll('jobs', 1, 1, 100);}) . $direct->{err} : 'late',
	qr/ERROR:  42P01/, 'and hears next time that the queue is gone');
like($routed->{err}, qr/ERROR:  40001/, 'who waits on the router, that it has moved');
done($direct, $routed);

# --------------------------------------------------------------------------
# Two movers
# --------------------------------------------------------------------------

my $other = session($node, 'router');
ask($other, q{SELECT pg_advisory_lock(hashtextextended('pgmq_router.move.jobs', 0));});
isnt(move($node, undef, 'jobs', 0, 1), 0, 'a second mover is refused');
like(said(), qr/moved by somebody else/, 'and hears why');
done($other);

# --------------------------------------------------------------------------
# Under load, interrupted after each step
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('load')});
my $script = PostgreSQL::Test::Utils::tempdir() . '/load';
foreach my $large (0, 1)
{
	my @how = $large ? ('--large') : ();
	my @steps = $large ? ('subscribe', 'caught up', 'copy') : ('mark', 'close', 'copy', 'drop');
	my ($from) = rows($node, q{SELECT shards[1] FROM pgmq_router.queue WHERE queue_name = 'load'});
	my $load = IPC::Run::start(
		[
			$python, '-c', q{
import os, psycopg, sys, time
conninfo, stop, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
conn = psycopg.connect(conninfo, autocommit=True)
conn.add_notice_handler(lambda notice: None)
n = first
waited = 0
while not os.path.exists(stop):
    try:
        conn.execute("SELECT pgmq.send('load', %s::text::jsonb)", (str(n),))
        n += 1
    except psycopg.errors.SerializationFailure:
        waited += 1
        time.sleep(0.05)
print(n - first, waited)
}, $node->connstr('router'), "$script.stop$large", $large * 1000000
		],
		'>', \my $counted, '2>', \my $trouble);

	foreach my $step (@steps)
	{
		my $to = 1 - $from;

		is(move($node, $step, @how, 'load', $from, $to), 3, "interrupted after $step") or diag(said());
		is(move($node, undef, @how, 'load', $from, $to), 0, 'and done') or diag(said());
		is(rows($node, q{SELECT shards FROM pgmq_router.queue WHERE queue_name = 'load'}), "{$to}", 'there');
		$from = $to;
	}
	append_to_file("$script.stop$large", '');
	$load->finish;
	my ($n, $waited) = split(/ /, $counted);
	is($trouble, '', 'senders had no other errors than 40001');
	ok($n > 0 && $waited > 0, "they sent $n messages, and waited $waited times");
	is(rows($node, q{SELECT count(*), count(DISTINCT message) FROM pgmq.peek('load', qty => 10000000) WHERE message::bigint / 1000000 = } . $large),
		$n + 0 . '|' . ($n + 0), 'none is lost, none is there twice');
}
# --------------------------------------------------------------------------
# Code of the queue's owner does not run with the rights of who moves it
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('planted')});
my ($here) = rows($node, q{SELECT shards[1] FROM pgmq_router.queue WHERE queue_name = 'planted'});
$_->safe_psql('postgres', 'CREATE ROLE planter') foreach $node, $far;
on_shard($_, q{CREATE TABLE public.ran (who text); GRANT ALL ON public.ran TO PUBLIC;
	GRANT CREATE, USAGE ON SCHEMA pgmq, public TO planter; GRANT ALL ON SCHEMA pgmq TO planter;
	SET ROLE planter;
	CREATE FUNCTION public.note() RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM public.write(); RETURN true; END';
	CREATE FUNCTION public.write() RETURNS boolean LANGUAGE sql AS 'INSERT INTO public.ran VALUES (current_user) RETURNING true';
	CREATE FUNCTION public.fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.write(); RETURN NULL; END';
	CREATE FUNCTION public.same(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM public.note(); RETURN $1; END';
	CREATE DOMAIN public.noted AS text CHECK (public.note())}) foreach 0, 1;
on_shard($here, q{SELECT pgmq.grant_queue('planted', 'planter', 'all')});
on_shard($here, q{ALTER TABLE pgmq.q_planted OWNER TO planter; ALTER TABLE pgmq.a_planted OWNER TO planter});
rows($node, q{SELECT pgmq.send('planted', '1')});
foreach my $plant (
	[ 'ADD CONSTRAINT evil CHECK (public.note())', 'DROP CONSTRAINT evil', 'constraint evil' ],
	[ q{ADD CONSTRAINT evil CHECK (query_to_xml('SELECT public.write()', true, true, '') IS NOT NULL)}, 'DROP CONSTRAINT evil', 'constraint evil' ],
	[ 'ADD COLUMN evil boolean GENERATED ALWAYS AS (public.note()) STORED', 'DROP COLUMN evil', 'function .*note' ],
	[ 'ADD COLUMN evil public.noted', 'DROP COLUMN evil', 'type .*noted' ])
{
	my ($add, $drop, $text) = @$plant;

	on_shard($here, "SET ROLE planter; ALTER TABLE pgmq.q_planted $add");
	foreach my $how ([], ['--large'])
	{
		isnt(move($node, undef, @$how, 'planted', $here, 1 - $here), 0, "@$how: $add");
		like(said(), qr/would run code of the queue's owner.*$text/, 'is refused by name');
	}
	on_shard($here, "SET ROLE planter; ALTER TABLE pgmq.q_planted $drop");
}
on_shard($here, q{SET ROLE planter; CREATE TRIGGER evil AFTER INSERT ON pgmq.q_planted FOR EACH ROW EXECUTE FUNCTION public.fired();
	ALTER TABLE pgmq.q_planted ENABLE ALWAYS TRIGGER evil; CREATE INDEX evil ON pgmq.q_planted (public.same(message::text))});
isnt(move($node, undef, '--large', 'planted', $here, 1 - $here), 0, 'what replication would fire');
like(said(), qr/index .*evil with function .*same.*trigger evil/, 'is refused by name');
on_shard($_, 'DELETE FROM public.ran') foreach 0, 1;
is(move($node, undef, 'planted', $here, 1 - $here), 0, 'a dump does not fire it') or diag(said());
is(on_shard(1 - $here, q{SELECT string_agg(DISTINCT who, ' ') FROM public.ran}), 'planter', 'and builds an index as the owner');
$here = 1 - $here;

# By replication nobody but the mover can add to the copy before it is the queue.
on_shard($here, q{DROP TRIGGER evil ON pgmq.q_planted; DROP INDEX pgmq.evil});
is(move($node, 'subscribe', '--large', 'planted', $here, 1 - $here), 3, 'interrupted while it is copied') or diag(said());
like(on_shard(1 - $here, q{SET ROLE planter; ALTER TABLE pgmq.q_planted ADD CONSTRAINT evil CHECK (public.note())}),
	qr/must be owner of table q_planted/, 'the copy is not its owner\'s');
is(move($node, undef, '--large', 'planted', $here, 1 - $here), 0, 'and done') or diag(said());
is(on_shard(1 - $here, q{SELECT string_agg(DISTINCT relowner::regrole::text, ' '), count(*) FROM pg_class WHERE relname ~ '_planted'
	AND relkind IN ('r', 'S')}), 'planter|3', 'then the queue is');
is(on_shard(1 - $here, q{SELECT has_table_privilege('planter', 'pgmq.q_planted', 'INSERT, DELETE')}), 't', 'with its grants');

# A stream and its subscriptions have more than a move takes along.
on_shard(0, q{SELECT pgmq.create_stream('river')});
rows($node, q{SELECT pgmq_router.adopt(0)});
isnt(move($node, undef, 'river', 0, 1), 0, 'a stream');
like(said(), qr/is a stream or a subscription/, 'is refused');

# --------------------------------------------------------------------------
# A queue of the same name comes up where the queue was
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('again')});
my ($home) = rows($node, q{SELECT shards[1] FROM pgmq_router.queue WHERE queue_name = 'again'});
my $away = 1 - $home;
rows($node, q{SELECT pgmq.send('again', '1')});
is(move($node, 'drop', 'again', $home, $away), 3, 'interrupted after the decision') or diag(said());
fails($node, q{SELECT pgmq.create('again')}, '40001', 'being moved', 'the router does not create it again');
on_shard($home, q{SELECT pgmq.create('again')});
isnt(move($node, undef, 'again', $home, $away), 0, 'who created it on the shard itself stops the move');
like(said(), qr/created on shard $home at .* and on shard $away at .* drop the one/, 'which says so');
is(on_shard($away, q{SELECT count(*) FROM pgmq.q_again}), 1, 'and has not dropped the messages');
rows($node, qq{SELECT pgmq_router.drop_queue($home, 'again')});
is(move($node, undef, 'again', $home, $away), 0, 'without it the move ends') or diag(said());
is(rows($node, q{SELECT message FROM pgmq.pop('again')}), 1, 'with the messages');

# Who creates a queue and has looked where it is ends before it is closed.
$other = session($node, 'router');
ask($other, q{SET pgmq_router.allow_transactions = on; BEGIN; SELECT pgmq.create('again');});
my $heard;
my $mover = IPC::Run::start([ move_command($node, 'again', $away, $home) ], '>&', \$heard);
$node->poll_query_until('router', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'it does not wait';
ask($other, q{COMMIT;});
$mover->finish;
is($mover->result(0), 0, 'a move waits for who is creating the queue') or diag($heard);
done($other);

# --------------------------------------------------------------------------
# The shard that the queue is on dies while its tables are copied
# --------------------------------------------------------------------------

$node->safe_psql('postgres', 'ALTER SYSTEM SET max_sync_workers_per_subscription = 0');
$node->reload;
on_shard(1, q{SELECT pgmq.create('dying')});
rows($node, q{SELECT pgmq_router.adopt(1)});
rows($node, q{SELECT pgmq.send('dying', '1')});
$mover = IPC::Run::start([ move_command($node, '--large', 'dying', 1, 0) ], '>&', \$heard,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$node->poll_query_until('s0', q{SELECT count(*) > 0 FROM pg_subscription_rel}) or die 'it copies nothing';
$far->stop('immediate');
isnt(eval { $mover->finish; $mover->result(0) } // 0, 0, 'a move whose source dies ends, too') or diag($heard);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET max_sync_workers_per_subscription');
$node->reload;
$far->start;
is(move($node, undef, '--large', 'dying', 1, 0), 0, 'and is done when the shard is back') or diag(said());
is(rows($node, q{SELECT message FROM pgmq.pop('dying')}), 1, 'with the messages');

is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'nothing is left over');
is(on_shard($_, q{SELECT (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_subscription),
	(SELECT count(*) FROM pg_replication_slots)}), '0|0|0', "nor on shard $_") foreach 0, 1;

done_testing();
