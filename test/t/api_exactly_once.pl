
# Many workers at once: while leases hold, every message is delivered to one
# of them, once; none is lost.  When leases run out, every delivery has a
# read_ct of its own, and of all the fenced acknowledgements one succeeds.
# Messages of a group are delivered in their order, to one worker at a time.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', 'synchronous_commit = off');
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('once'), pgmq.create('again'), pgmq.create('grouped');
	-- no constraints: the workers are to run on, and we count afterwards
	CREATE TABLE sent (msg_id bigint);
	CREATE TABLE taken (msg_id bigint, how text);
	CREATE TABLE delivered (msg_id bigint, read_ct int);
	CREATE TABLE acked (msg_id bigint, how text);
	CREATE TABLE grouped (n bigserial, msg_id bigint, grp text, how text);
	INSERT INTO sent SELECT * FROM pgmq.send_batch('once',
		(SELECT array_agg(jsonb_build_object('odd', n % 2 = 1)) FROM generate_series(1, 3000) n));
	SELECT count(*) FROM pgmq.send_batch('again', (SELECT array_agg('{}'::jsonb) FROM generate_series(1, 300)));
	SELECT count(*) FROM pgmq.send_batch('grouped', (SELECT array_agg('{}'::jsonb) FROM generate_series(1, 1000)),
		(SELECT array_agg(jsonb_build_object('x-pgmq-group', n % 20)) FROM generate_series(1, 1000) n))});

# Run scripts, each [weight, SQL], by clients that do transactions each.
sub workers
{
	my ($name, $clients, $transactions, @scripts) = @_;
	my @args = ('pgbench', '-n', '-M', 'prepared', '-c', $clients, '-j', 2, '-t', $transactions);

	for my $i (0 .. $#scripts)
	{
		my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.$i.sql";
		append_to_file($file, $scripts[$i][1]);
		push @args, '-f', "$file\@$scripts[$i][0]";
	}
	$node->command_ok([ @args, 'postgres' ], $name);
	return;
}

workers(
	'leases that hold', 8, 400,
	[ 6, q{INSERT INTO taken SELECT msg_id, 'read' FROM pgmq.read('once', 1000, 1);} ],
	[ 2, q{INSERT INTO taken SELECT msg_id, 'read some' FROM pgmq.read('once', 1000, 7);} ],
	[ 2, q{INSERT INTO taken SELECT msg_id, 'filter' FROM pgmq.read('once', 1000, 2, '{"odd": true}');} ],
	[ 1, q{INSERT INTO taken SELECT msg_id, 'poll' FROM pgmq.read_with_poll('once', 1000, 3, 0);} ],
	[ 2, q{INSERT INTO taken SELECT msg_id, 'pop' FROM pgmq.pop('once', 2);} ],
	[ 2, q{BEGIN;
INSERT INTO taken SELECT msg_id, 'rolled back' FROM pgmq.read('once', 1000, 3);
ROLLBACK;} ],
	[ 1, q{BEGIN;
SAVEPOINT s;
INSERT INTO taken SELECT msg_id, 'rolled back' FROM pgmq.read('once', 1000, 3);
ROLLBACK TO s;
INSERT INTO taken SELECT msg_id, 'after a savepoint' FROM pgmq.read('once', 1000, 1);
COMMIT;} ],
	[ 1, q{INSERT INTO sent SELECT * FROM pgmq.send('once', '{"odd": false}');} ],
	[ 1, q{INSERT INTO sent SELECT * FROM pgmq.send_batch('once', ARRAY['{"odd": true}', '{"odd": false}']::jsonb[]);} ]);

my $ways = $node->safe_psql('postgres',
	q{SELECT string_agg(DISTINCT how, ', ' ORDER BY how) FROM taken});
is($ways, 'after a savepoint, filter, poll, pop, read, read some', 'all ways were taken');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM (SELECT FROM taken GROUP BY msg_id HAVING count(*) > 1) twice}),
	0, 'no message was delivered twice');
# messages that no worker took can still be taken
$node->safe_psql('postgres',
	q{INSERT INTO taken SELECT msg_id, 'rest' FROM pgmq.read('once', 1000, 1000000)});
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM sent FULL JOIN taken USING (msg_id) WHERE sent IS NULL OR taken IS NULL}),
	0, 'no message was lost, none was made up');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pgmq.q_once q JOIN taken USING (msg_id) WHERE read_ct <> 1 OR how = 'pop'}),
	0, 'read_ct counts one delivery');

# Leases of no time: all workers read the same messages, again and again.
workers(
	'leases that run out', 8, 200,
	[ 2, q{WITH r AS MATERIALIZED (SELECT msg_id, read_ct FROM pgmq.read('again', 0, 3))
INSERT INTO delivered SELECT msg_id, read_ct FROM r;} ],
	[ 1, q{SELECT coalesce(min(msg_id), 0) AS id, coalesce(min(read_ct), 0) AS ct FROM pgmq.read('again', 0, 1) \gset
INSERT INTO delivered SELECT :id, :ct WHERE :id::bigint > 0;
INSERT INTO acked SELECT :id::bigint, 'deleted' WHERE pgmq.delete('again', :id::bigint, :ct::int);} ],
	[ 1, q{SELECT coalesce(min(msg_id), 0) AS id, coalesce(min(read_ct), 0) AS ct FROM pgmq.read('again', 0, 1) \gset
INSERT INTO delivered SELECT :id, :ct WHERE :id::bigint > 0;
INSERT INTO acked SELECT id, 'archived' FROM pgmq.archive('again', ARRAY[:id]::bigint[], ARRAY[:ct]::int[]) id;} ]);

is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM (SELECT FROM delivered GROUP BY msg_id, read_ct HAVING count(*) > 1) twice}),
	0, 'every delivery has a read_ct of its own');
cmp_ok(
	$node->safe_psql('postgres', q{SELECT count(*) FROM delivered}),
	'>',
	$node->safe_psql('postgres', q{SELECT count(DISTINCT msg_id) FROM delivered}),
	'some messages were delivered several times');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM (SELECT FROM acked GROUP BY msg_id HAVING count(*) > 1) twice}),
	0, 'every message was acknowledged once');
is( $node->safe_psql(
		'postgres', q{
		SELECT (SELECT count(*) FROM pgmq.q_again) + (SELECT count(*) FROM acked),
			   (SELECT count(*) FROM pgmq.a_again) = (SELECT count(*) FROM acked WHERE how = 'archived'),
			   (SELECT count(DISTINCT how) FROM acked)}),
	'300|t|2',
	'and all are accounted for');

# Groups: taken and acknowledged in one transaction, so that a group is free
# for the next worker as soon as its message is gone, and at times given back.
# n rises with the time, hence within a group with msg_id.
my @grouped = map {
	qq{BEGIN;
INSERT INTO grouped (msg_id, grp, how)
SELECT msg_id, headers ->> 'x-pgmq-group', '$_' FROM pgmq.$_('grouped', 1000, 3);
SELECT count(pgmq.delete('grouped', msg_id)) FROM grouped WHERE xmin = pg_current_xact_id()::xid;
}
} qw(read_grouped read_grouped_rr read_grouped_head);
workers(
	'groups', 8, 200,
	(map { [ 3, $_ . 'COMMIT;' ] } @grouped),
	(map { [ 1, $_ . 'ROLLBACK;' ] } @grouped));
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM (SELECT FROM grouped GROUP BY msg_id HAVING count(*) > 1) twice}),
	0, 'no message of a group was delivered twice');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM (SELECT msg_id, lag(msg_id) OVER (PARTITION BY grp ORDER BY n) AS before FROM grouped) g
		WHERE msg_id < before}),
	0, 'every group was delivered in its order');
is( $node->safe_psql(
		'postgres', q{
		SELECT (SELECT count(*) FROM pgmq.q_grouped) + (SELECT count(*) FROM grouped), (SELECT count(DISTINCT how) FROM grouped)}),
	'1000|3',
	'and all are accounted for');

$node->stop;
done_testing();
