
# Ids at the ends of their range: the largest and the least, a sequence that is
# used up, goes round, is set back, or counts down.  A send that fails says
# why; reads find everything, by the map, at a price that does not grow.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->start;

my ($min, $max) = ('-9223372036854775808', '9223372036854775807');
my $below = '9223372036854775806';

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ids { return sql("SELECT string_agg(msg_id::text, ' ' ORDER BY msg_id) FROM pgmq.read('q', 600, 1000)") }

sub fails
{
	my ($sql, $error, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	like($err, qr/ERROR:  $error/, $name);
}

# Pages that a read touches which finds nothing
sub pages
{
	my $plan = sql(q{SELECT FROM pgmq.read('q', 600, 1);
		EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM pgmq.read('q', 600, 1)});
	my ($hit, $read) = $plan =~ /"Shared Hit Blocks": (\d+).*?"Shared Read Blocks": (\d+)/s;
	return $hit + $read;
}

foreach my $preload ('', 'pgmq_c')
{
	my $name = $preload ? 'with the map' : 'without';

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->restart;
	sql(q{CREATE EXTENSION IF NOT EXISTS pgmq_c; SELECT pgmq.create('q')});
	sql(q{SELECT pgmq.send('q', '1')});
	is(ids(), '1', "$name: the first message");
	is(ids(), '', "$name: is read");

	# The end
	sql("ALTER SEQUENCE pgmq.q_q_msg_id_seq RESTART WITH $below");
	is(sql(q{SELECT pgmq.send('q', '2'); SELECT pgmq.send('q', '3')}), "$below\n$max", "$name: the last ids");
	fails(q{SELECT pgmq.send('q', '4')}, '2200H: nextval: reached maximum value of sequence "q_q_msg_id_seq"',
		"$name: then send fails");
	fails(q{SELECT pgmq.send_batch('q', ARRAY['4', '5']::jsonb[])}, '2200H', "$name: .. and send_batch");
	is(ids(), "$below $max", "$name: the last messages are read");
	is(ids(), '', "$name: .. once");
	is(sql("SELECT msg_id FROM pgmq.set_vt('q', $max, 0)"), $max, "$name: the very last is given back");
	is(ids(), $max, "$name: .. and read again");
	is(sql(qq{SELECT pgmq.archive('q', $max), pgmq.delete('q', $below)}), 't|t', "$name: acknowledged");
	fails(qq{SELECT pgmq.unarchive('q', $max)}, '2200H', "$name: .. and not to be sent again");
	is(sql('SELECT msg_id FROM pgmq.a_q'), $max, "$name: .. but not lost");
	is(sql(q{SELECT total_messages FROM pgmq.metrics('q')}), $max, "$name: metrics count to the end");
	sql(q{DELETE FROM pgmq.q_q});

	# The beginning
	sql("ALTER SEQUENCE pgmq.q_q_msg_id_seq MINVALUE $min RESTART WITH $min");
	is(sql(q{SELECT pgmq.send('q', '1'); SELECT pgmq.send('q', '2', 3600)}), "$min\n-9223372036854775807", "$name: the least ids");
	is(ids(), $min, "$name: .. are read when they are due");
	sql(q{SELECT pgmq.set_vt('q', -9223372036854775807, 0)});
	is(ids(), '-9223372036854775807', "$name: .. and when they become due");
	sql('ALTER SEQUENCE pgmq.q_q_msg_id_seq RESTART WITH -130');
	is(sql(q{SELECT count(*) FROM pgmq.send_batch('q', array_fill('1'::jsonb, ARRAY[261]))}), 261, "$name: from below zero to above");
	is(ids(), join(' ', -130 .. 130), "$name: .. in order");
	is(ids(), '', "$name: .. once");

	# Set back, among messages that are there
	sql(q{SELECT setval('pgmq.q_q_msg_id_seq', -1)});
	fails(q{SELECT pgmq.send('q', '0')}, '23505: duplicate key value violates unique constraint "q_q_pkey"', "$name: an id that is taken");
	sql(q{DELETE FROM pgmq.q_q WHERE msg_id BETWEEN 1 AND 64});
	is(sql(q{SELECT pgmq.send('q', '1')}), '1', "$name: one that is free again");
	is(ids(), '1', "$name: .. is read though all behind it is leased");

	# Around
	sql("ALTER SEQUENCE pgmq.q_q_msg_id_seq CYCLE RESTART WITH $max");
	is(sql(q{SELECT pgmq.send('q', '1')}), $max, "$name: the last");
	sql("DELETE FROM pgmq.q_q WHERE msg_id < -130");
	is(sql(q{SELECT pgmq.send('q', '1')}), $min, "$name: .. and the next, which is the first");
	is(ids(), "$min $max", "$name: .. are read");

	# Down
	sql('ALTER SEQUENCE pgmq.q_q_msg_id_seq INCREMENT BY -1 NO CYCLE RESTART WITH 2000');
	sql(q{SELECT count(*) FROM pgmq.send_batch('q', array_fill('1'::jsonb, ARRAY[1000]))});
	is(sql(q{SELECT count(*), min(msg_id), max(msg_id) FROM pgmq.read('q', 600, 10000)}), '1000|1001|2000', "$name: ids that fall");
	is(sql(q{SELECT pgmq.send('q', '1'); SELECT pgmq.send('q', '2')}), "1000\n999", "$name: .. go on");
	is(ids(), '999 1000', "$name: .. and are read");
	is(ids(), '', "$name: nothing is left");
	is(sql(q{SELECT count(*) FROM pgmq.read_grouped('q', 600, 10)}), 0, "$name: nor by group");
	if ($preload)
	{
		is(sql(q{SELECT due_map, net_finds FROM pgmq.engine_status()}), 'on|0', "$name: the map knows");
		cmp_ok(pages(), '<', 40, "$name: a read over the whole range is cheap");
	}
	sql(q{SELECT pgmq.drop_queue('q')});
}

done_testing();
