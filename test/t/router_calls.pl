
# The router: each function of pgmq with its signature, routed to the shard that
# has the queue, or over those that a queue is spread over.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqRouter;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_router();
my $folder = abs_path(dirname(__FILE__) . '/../../router');
my $node = router_server(3);

# --------------------------------------------------------------------------
# The script
# --------------------------------------------------------------------------

my $made = $node->safe_psql('s0', slurp_file("$folder/generate.sql"));
my $kept = slurp_file("$folder/calls.sql");
s/\s+\z// foreach $made, $kept;
ok($made eq $kept, 'router/calls.sql is what generate.sql makes of the catalog; if not: make -C router generate');

my $signatures = q{
	SELECT p.prokind, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile = 'x'
	FROM pg_proc AS p WHERE p.pronamespace = 'pgmq'::regnamespace
		AND p.prorettype <> 'trigger'::regtype AND p.proname NOT LIKE '\_%'
	ORDER BY 1, 2, 3};
is(rows($node, $signatures), rows($node, $signatures, 's0'), 'the functions have the signatures of pgmq_c');
my $types = q{
	SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind = 'c' AND a.attnum > 0 ORDER BY c.relname, a.attnum};
is(rows($node, $types), rows($node, $types, 's0'), 'and so have the types');

# --------------------------------------------------------------------------
# A queue in one place
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('Plain')});
is(rows($node, q{SELECT pgmq.send('plain', '{"n": 1}')}), 1, 'send');
is(rows($node, q{SELECT * FROM pgmq.send_batch('PLAIN', '{2,3,4}'::jsonb[])}), "2\n3\n4", 'send_batch');
is(rows($node, q{SELECT msg_id, read_ct, message FROM pgmq.read('plain', 30, 2)}), "1|1|{\"n\": 1}\n2|1|2", 'read');
is(rows($node, q{SELECT pgmq.delete('plain', 1), pgmq.archive('plain', 2), pgmq.delete('plain', 99)}), 't|t|f', 'delete, archive');
is(rows($node, q{SELECT msg_id FROM pgmq.read_with_poll('plain', 30, 1, 1)}), 3, 'read_with_poll');
is(rows($node, q{SELECT msg_id FROM pgmq.read_with_poll('plain', 30, 5, 1); SELECT msg_id FROM pgmq.read_with_poll('plain', 30, 1, 1)}), 4,
	'read_with_poll comes back with nothing');
is(rows($node, q{SELECT msg_id FROM pgmq.set_vt('plain', 3, 0)}), 3, 'set_vt');
is(rows($node, q{SELECT * FROM pgmq.delete('plain', ARRAY[3, 4, 77])}), "3\n4", 'delete of several');
is(rows($node, q{SELECT pgmq.delete('plain', '5')}), 'f', 'an id without a type');
is(rows($node, q{SELECT queue_length, total_messages FROM pgmq.metrics('plain')}), '0|4', 'metrics');
is(rows($node, q{SELECT pgmq_router.locate('PLAIN') = (SELECT connection FROM pgmq_router.shard WHERE shard = 0)}), 't', 'locate');
is(rows($node, q{SELECT pgmq.validate_routing_key('a.b'), pgmq.format_table_name('Q', 'q')}), 't|q_q', 'what needs no queue');

# Times have the same meaning on both sides, whatever their style.
$node->safe_psql('postgres', q{ALTER DATABASE s0 SET datestyle = 'SQL, DMY'; ALTER DATABASE s0 SET intervalstyle = 'sql_standard'});
rows($node, q{SELECT pgmq_router.create('clock', beside => 'plain'), pgmq.send('clock', '1')});
foreach my $style ('ISO, YMD', 'German', 'SQL, MDY', 'SQL, DMY')
{
	my $set = "SET datestyle = '$style'; SET intervalstyle = 'sql_standard'; SELECT";

	is(rows($node, "$set vt = '2030-02-03 04:05:06+00' FROM pgmq.set_vt('clock', 1, '2030-02-03 04:05:06+00'::timestamptz)"), 't',
		"a time in style $style");
	is( rows($node, "$set vt - now() BETWEEN '-26:01' AND '-25:59' FROM pgmq.set_vt('clock', 1, '-1 day -2:00'::interval)"), 't',
		"an interval in style $style");
}
rows($node, q{SELECT pgmq.drop_queue('clock')});
$node->safe_psql('postgres', q{ALTER DATABASE s0 RESET datestyle; ALTER DATABASE s0 RESET intervalstyle});

# --------------------------------------------------------------------------
# A queue that is spread
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('wide', 3)});
is(rows($node, q{SELECT slot, count(*) FROM pgmq_router.slots('wide') GROUP BY 1 ORDER BY 1}), "0|1\n1|1\n2|1", 'three slots');
rows($node, q{SELECT pgmq.send('wide', to_jsonb(n)) FROM generate_series(1, 60) AS n});
is(rows($node, q{SELECT count(DISTINCT msg_id >> 46), min(msg_id & ((1::bigint << 46) - 1)), count(*), bool_and(msg_id < 1::bigint << 53)
	FROM pgmq.peek('wide')}), '3|1|60|t', 'messages in all slots, with the ids of these');
is(rows($node, q{SELECT queue_length, total_messages, queue_visible_length FROM pgmq.metrics('wide')}), '60|60|60', 'metrics of all slots');
is(rows($node, q{SELECT queue_length FROM pgmq.metrics_all() WHERE queue_name = 'wide'}), 60, 'metrics_all: one row');
is(rows($node, q{SELECT count(*) FROM pgmq.list_queues() WHERE queue_name = 'wide'}), 1, 'list_queues: one row');
is(rows($node, q{SELECT visible FROM pgmq.queue_depth('wide')}), 60, 'queue_depth');

is( rows(
		$node, q{
	CREATE TABLE got (msg_id bigint);
	DO $$
	BEGIN
		FOR i IN 1 .. 100 LOOP
			INSERT INTO got SELECT msg_id FROM pgmq.read('wide', 100, 5);
		END LOOP;
	END $$;
	SELECT count(*), count(DISTINCT msg_id) FROM got}),
	'60|60', 'reads take each message once');
is(rows($node, q{SELECT count(*) FROM (SELECT pgmq.delete('wide', (SELECT array_agg(msg_id) FROM got WHERE msg_id & 1 = 0))) AS d}),
	rows($node, 'SELECT count(*) FROM got WHERE msg_id & 1 = 0'), 'ids of all slots in one call');
is( rows(
		$node, q{
	WITH g AS (SELECT msg_id, row_number() OVER () AS n FROM pgmq.peek('wide'))
	SELECT count(*) FROM (SELECT pgmq.delete('wide',
		(SELECT array_agg(msg_id ORDER BY n) FROM g), (SELECT array_agg(CASE WHEN n % 2 = 0 THEN 1 ELSE 9 END ORDER BY n) FROM g))) AS d}),
	rows($node, 'SELECT count(*) / 2 FROM got WHERE msg_id & 1 = 1'), 'fences go with their ids');
is(rows($node, q{SELECT pgmq.purge_queue('wide') > 0}), 't', 'purge');
is(rows($node, q{SELECT pgmq.delete('wide', -1), pgmq.delete('wide', 1::bigint << 52), pgmq.delete('wide', NULL::bigint)}), 'f|f|f',
	'ids of no slot');
fails($node, q{SELECT pgmq.delete('wide', '{1,70368744177665}')}, '0A000', 'one server.*bigint\[\]');
fails($node, q{SELECT pgmq.delete('wide', ARRAY[1, 2], ARRAY[1])}, '22023|2202E|P0001', 'array', 'arrays that do not fit');

# acknowledge and read
rows($node, q{SELECT pgmq.send('wide', to_jsonb(n)) FROM generate_series(1, 30) AS n});
rows(
	$node, q{
	CREATE TABLE counted (n integer);
	DO $$
	DECLARE
		ids bigint[] := '{}';
	BEGIN
		LOOP
			ids := ARRAY(SELECT msg_id FROM pgmq.delete_and_read_with_poll('wide', ids, 100, 7, 0));
			EXIT WHEN ids = '{}';
			INSERT INTO counted VALUES (cardinality(ids));
		END LOOP;
	END $$});
is(rows($node, q{SELECT sum(n), (SELECT queue_length FROM pgmq.metrics('wide')) FROM counted}), '30|0', 'a worker by acknowledge and read');

# --------------------------------------------------------------------------
# Keys
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('keyed', 3, by_key => true)});
is( rows(
		$node, q{SELECT * FROM pgmq.send_batch('keyed', (SELECT array_agg(to_jsonb(n) ORDER BY n) FROM generate_series(1, 300) n),
	(SELECT array_agg(jsonb_build_object('x-pgmq-group', 'g' || n % 20) ORDER BY n) FROM generate_series(1, 300) n)) AS id OFFSET 299})
	=~ /^\d+$/ ? 1 : 0,
	1,
	'a batch by keys');
is( rows(
		$node, q{SELECT count(*), count(*) FILTER (WHERE slots = 1), sum(n) FILTER (WHERE in_order) FROM
	(SELECT count(DISTINCT msg_id >> 46) AS slots, count(*) AS n,
		array_agg(message::int ORDER BY msg_id) = array_agg(message::int ORDER BY message::int) AS in_order
	FROM pgmq.peek('keyed', qty => 1000) GROUP BY headers) AS g}),
	'20|20|300', 'each group is in one slot, and in order');
is( rows(
		$node, q{
	WITH s AS (SELECT id, n FROM pgmq.send_batch('keyed', '{1,2,3,4}'::jsonb[],
		ARRAY['{"x-pgmq-group": "g1"}', '{"x-pgmq-group": "g2"}', NULL, '{"x-pgmq-group": "g1"}']::jsonb[]) WITH ORDINALITY AS s(id, n))
	SELECT bool_and(p.message::int = s.n) AND count(*) = 4 FROM s JOIN pgmq.peek('keyed', qty => 1000) AS p ON p.msg_id = s.id}),
	't', 'trap 5: ids come in the order of the messages');
rows($node, q{SELECT pgmq.set_policy('keyed', '{"dedup_window": 3600}')});
is( rows($node, q{SELECT count(DISTINCT id) FROM (SELECT pgmq.send('keyed', '1', '{"x-pgmq-dedup-id": "once"}'::jsonb) AS id FROM generate_series(1, 20)) AS s}),
	1, 'trap 10: deduplication by key');
is( rows($node, q{SELECT count(DISTINCT id) FROM (SELECT pgmq.send('keyed', '1', '{"x-pgmq-dedup-id": "untyped"}') AS id FROM generate_series(1, 20)) AS s}),
	1, 'and without a type');

# --------------------------------------------------------------------------
# Dead letters
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('jobs', 3)});
rows($node, q{SELECT pgmq.set_policy('jobs', '{"max_reads": 1, "dead_letter_queue": "jobs_dead", "create_dead_letter_queue": true}')});
is(rows($node, q{SELECT array_agg(shard ORDER BY slot) = (SELECT array_agg(shard ORDER BY slot) FROM pgmq_router.slots('jobs'))
	FROM pgmq_router.slots('jobs_dead')}), 't', 'dead letters are beside their queue');
rows($node, q{SELECT pgmq.send('jobs', to_jsonb(n)) FROM generate_series(1, 12) AS n});
rows($node, q{SELECT pgmq.read('jobs', 0, 10) FROM generate_series(1, 20)});
is(rows($node, q{SELECT count(*), count(DISTINCT msg_id) FROM pgmq.peek('jobs_dead')}), '12|12', 'all are dead');
is(rows($node, q{SELECT pgmq.redrive('jobs_dead', 7), (SELECT count(*) FROM pgmq.peek('jobs'))}), '7|7', 'redrive over the slots');
rows($node, q{SELECT pgmq_router.create('elsewhere')});
fails($node, q{SELECT pgmq.set_policy('jobs', '{"max_reads": 1, "dead_letter_queue": "elsewhere"}')}, '0A000', 'beside');
rows($node, q{SELECT pgmq_router.create('side', beside => 'elsewhere')});
is(rows($node, q{SELECT (SELECT shards FROM pgmq_router.queue WHERE queue_name = 'side') = shards FROM pgmq_router.queue WHERE queue_name = 'elsewhere'}),
	't', 'beside a queue in one slot');

# --------------------------------------------------------------------------
# Topics
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.bind_topic('order.*', 'plain'), pgmq.bind_topic('amqp:order.#', 'wide'),
	pgmq.bind_topic('headers:{"eu": true}', 'elsewhere'), pgmq.bind_topic('alternate:#', 'side')});
is(rows($node, q{SELECT pgmq.send_topic('order.paid', '{}'), pgmq.send_topic('order.paid', '{}', '{"eu": true}', 0), pgmq.send_topic('x', '{}')}),
	'2|3|1', 'topics over shards; an alternate queue only if nothing else takes it');
is(rows($node, q{SELECT string_agg(lower(queue_name), ' ' ORDER BY lower(queue_name)) FROM pgmq.test_routing('order.paid', '{"eu": true}')}), 'elsewhere plain wide', 'test_routing');
is( rows(
		$node, q{SELECT lower(queue_name), count(*) FROM pgmq.send_batch_topic('order.new', '{1,2,3}'::jsonb[], ARRAY['{"eu": true}', '{}', '{}']::jsonb[])
	GROUP BY 1 ORDER BY 1}),
	"elsewhere|1\nplain|3\nwide|3", 'each of a batch by its own headers');
is(rows($node, q{SELECT count(*) FROM pgmq.list_topic_bindings()}), 4, 'bindings of all shards');
is(rows($node, q{SELECT pattern FROM pgmq.list_topic_bindings('WIDE')}), 'amqp:order.#', 'bindings of a queue');

# --------------------------------------------------------------------------
# Errors
# --------------------------------------------------------------------------

fails($node, q{SELECT * FROM pgmq.read('nope', 1, 1)}, '42P01', 'relation "pgmq.q_nope" does not exist');
fails($node, q{SELECT pgmq.send(NULL, '{}'::jsonb)}, '22004', 'null values cannot be formatted');
fails($node, q{SELECT * FROM pgmq.read('plain', 1, -1)}, '2201W', 'LIMIT must not be negative');
fails($node, q{SELECT pgmq.send_batch('plain', '{}'::jsonb[])}, 'P0001', 'msgs cannot be NULL or empty');
fails($node, q{BEGIN; SELECT pgmq.send('plain', '{}')}, '25001', 'pgmq_router.allow_transactions');
fails($node, q{DO $$ BEGIN PERFORM pgmq.send('plain', '{}'); EXCEPTION WHEN division_by_zero THEN NULL; END $$}, '25001', 'block',
	'a block that can roll back');
fails($node, q{BEGIN; SELECT pgmq.create('never')}, '25001', 'block');
fails($node, q{BEGIN; SELECT * FROM pgmq.list_queues()}, '25001', 'block');
is(rows($node, q{BEGIN; SET pgmq_router.allow_transactions = on; SELECT count(*) FROM pgmq.send('plain', '"kept"'); ROLLBACK;
	SELECT count(*) FROM pgmq.peek('plain') WHERE message = '"kept"'}), "1\n1", 'allowed, a send survives the ROLLBACK');
is(rows($node, q{DO $$ BEGIN PERFORM pgmq.send('plain', '{}'); END $$; SELECT 1}), 1, 'a function without a block');
fails($node, q{CALL pgmq.wait('plain', 1)}, '0A000', q{locate\('plain'\)});
fails($node, q{SELECT pgmq.enable_notify_insert('plain')}, '0A000', q{locate\('plain'\)});
fails($node, q{SELECT * FROM pgmq.read_any('{plain,elsewhere}', 1, 1)}, '0A000', 'different servers');
fails($node, q{SELECT * FROM pgmq.read_any('{wide}', 1, 1)}, '0A000', 'spread');
is(rows($node, q{SELECT count(*) FROM pgmq.read_any('{elsewhere,side}', 1, 10)}), 3, 'read_any on one server');
fails($node, q{SELECT pgmq_router.create('x', 4)}, '22023', 'between 1 and the number of servers, 3');
fails($node, q{SELECT pgmq_router.add_shard('host=x password=y')}, '22023', 'user mapping');
fails($node, q{SELECT pgmq_router.add_shard('host=x sslpassword=y')}, '22023', 'user mapping');
fails($node, q{SELECT pgmq_router.locate('plain', 1)}, '42P01', 'no slot 1');

fails($node, $_, '22004', 'cannot be NULL') foreach q{SELECT pgmq_router._report(NULL, 'x', NULL, NULL, false)},
  q{SELECT pgmq_router._report('22023', NULL, NULL, NULL, false)}, q{SELECT pgmq_router._report('22023', 'x', NULL, NULL, NULL)};

# a hostile search_path
$node->safe_psql(
	'router', q{
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.boom(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'boom'; END $$;
	CREATE FUNCTION evil.boom(pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'boom'; END $$;
	CREATE OPERATOR evil.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = evil.boom);
	CREATE OPERATOR evil.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = evil.boom);
	CREATE FUNCTION evil.lower(pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN RAISE 'boom'; END $$;
	CREATE FUNCTION evil.cardinality(anyarray) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'boom'; END $$;
	CREATE DOMAIN evil.text AS integer;
	SELECT pgmq_router.create('safe'), pgmq_router.create('safe_wide', 3, by_key => true)});
my $hostile = q{SET search_path = evil, pg_catalog; };
is(rows($node, $hostile . qq{SELECT pgmq.send('$_', '1', '{"x-pgmq-group": "a"}'::jsonb) > 0; SELECT pgmq.send('$_', '1') > 0;
	SELECT count(*) FROM pgmq.send_batch('$_', '{1,2}'::jsonb[]);
	SELECT count(*) FROM (SELECT (pgmq.read('$_', 0, 5)).*) AS m; SELECT pgmq.delete('$_', 1);
	SELECT count(*) > 0 FROM pgmq.pop('$_')}), "t\nt\n2\n4\nt\nt", 'a hostile search_path')
  foreach 'safe';
unlike(rows($node, $hostile . q{SELECT pgmq.send('safe_wide', '1', '{"x-pgmq-group": "a"}'::jsonb), pgmq.send('safe_wide', '1');
	SELECT pgmq.read('safe_wide', 0, 5); SELECT pgmq.delete('safe_wide', 1), pgmq.archive('safe_wide', '{1,2}'::bigint[])}), qr/boom|ERROR/, 'and a spread queue');
fails($node, $hostile . q{SELECT pgmq.send('nope', '1')}, '42P01', 'q_nope', 'and an error');
fails($node, $hostile . q{SELECT pgmq.read('safe', 0, -1)}, '2201W', 'LIMIT', 'and a shard\'s error');

# hostile names
my @names = ('a"b', q{a'b}, 'a; DROP TABLE x', '$1', 'ü', 'a.b', ' ');
foreach my $name (@names)
{
	my $quoted = $name =~ s/'/''/gr;
	my ($rc, $out, $err) = $node->psql('router', "SELECT pgmq_router.create('$quoted', 3)", on_error_stop => 1);

	if ($rc == 0)
	{
		is(rows($node, "SELECT pgmq.send('$quoted', '1') > 0, pgmq.drop_queue('$quoted')"), 't|t', "queue >$name<");
	}
	else
	{
		like($err, qr/queue name/, "queue >$name< is refused");
	}
}
is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'nothing is left over');

# --------------------------------------------------------------------------
# Roles
# --------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE app LOGIN');
rows($node, q{SELECT pgmq.grant_queue('plain', 'app', 'send')});
fails($node, q{SET ROLE app; SELECT pgmq.send('plain', '{}')}, '42501|42704', 'pgmq', 'a role without rights to the server');
rows($node, 'GRANT USAGE ON FOREIGN SERVER pgmq TO app');
fails($node, q{SET ROLE app; SELECT pgmq.send('plain', '{}')}, '42704', 'CREATE USER MAPPING', 'a role without a mapping');
rows($node, q{CREATE USER MAPPING FOR app SERVER pgmq OPTIONS (user 'app')});
is(rows($node, q{SET ROLE app; SELECT count(*) FROM pgmq.send('plain', '{}')}), 1, 'a role with its mapping sends');
fails($node, q{SET ROLE app; SELECT pgmq.read('plain', 1, 1)}, '42501', 'permission denied', 'and may not do more than on the shard');
fails($node, q{SET ROLE app; SELECT pgmq.create('mine')}, '42501', 'permission denied', 'nor create a queue');
rows($node, q{GRANT INSERT, DELETE ON pgmq_router.queue TO app});
$node->safe_psql("s$_", 'GRANT USAGE, CREATE ON SCHEMA pgmq TO app; GRANT SELECT, INSERT, DELETE ON pgmq.meta TO app') foreach 0 .. 2;
is(rows($node, q{SET ROLE app; SET client_min_messages = error; SELECT pgmq_router.create('mine', 3); SELECT pgmq.drop_queue('mine')}), "\nt",
	'but with these rights');

$node->safe_psql('postgres', 'CREATE DATABASE second');
rows($node, q{SET client_min_messages = error; CREATE EXTENSION pgmq_router CASCADE;
	CREATE SERVER pgmq FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping '1', query_timeout '10', p0 '');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pgmq OPTIONS (user 'app', password 'secret')}, 'second');
my $first = shard_address($node, 's0');
is(rows($node, "SELECT pgmq_router.add_shard('$first')", 'second'), 0, 'a mapping can be there before the first shard');
is(rows($node, q{SELECT umoptions FROM pg_user_mappings}, 'second'), '{user=app,password=secret}', 'and stays as it is');

# --------------------------------------------------------------------------
# Adopting, dropping, 128 slots
# --------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('Veteran'), pgmq.create('plain'); SELECT pgmq.send('veteran', '"old"')});
is(add_shard($node, $node, 'old'), 3, 'a server with queues becomes a shard');
is(rows($node, q{SELECT shard, queue_name, problem FROM pgmq_router.check() ORDER BY 2}),
	"3|plain|the directory does not have it\n3|veteran|the directory does not have it", 'check lists them');
is(rows($node, q{SELECT pgmq_router.adopt(3)}), 'veteran', 'a name that is taken is not adopted');
is(rows($node, q{SELECT message FROM pgmq.read('VETERAN', 1, 1)}), '"old"', 'its messages are read');
fails($node, q{SELECT pgmq.drop_queue('plain'); SELECT pgmq_router.create('plain', 2)}, '42P07', 'adopt',
	'a queue that is there already cannot be spread');
rows($node, q{SELECT pgmq.create('plain')});
is(rows($node, q{SELECT shard FROM pgmq_router.slots('plain')}), 3, 'trap 11: create takes the one that is there');
is(rows($node, q{SELECT pgmq.drop_queue('wide'), pgmq.drop_queue('wide')}), 't|f', 'drop');
is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'on every shard');

rows($node, q{INSERT INTO pgmq_router.queue (queue_name, shards) SELECT 'many', array_agg(n % 4) FROM generate_series(0, 127) n});
is( rows(
		$node, q{SELECT array_agg(pgmq_router._slot(q, id) ORDER BY id), max(id) < 1::bigint << 53 FROM pgmq_router.queue AS q,
	unnest(ARRAY[1, 1::bigint << 46, (127::bigint << 46) + 1, (1::bigint << 53) - 1]) AS id WHERE queue_name = 'many'}),
	'{0,1,127,127}|t', '128 slots stay below 2^53');
fails($node, q{INSERT INTO pgmq_router.queue (queue_name, shards) SELECT 'more', array_agg(n) FROM generate_series(0, 128) n},
	'23514', 'check', '129 slots are refused');

done_testing();
