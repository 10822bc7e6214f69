
# A backend that serves queues for a long time does not grow: not by calls,
# not by queues that come and go.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
synchronous_commit = off
client_min_messages = error
});
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION pgmq_c; SELECT pgmq.create('long')});

# One backend does everything: rounds of calls, and of queues, and in between
# says how much memory it has.  Two contexts do not count: what the server
# itself remembers of every table and sequence that was ever there.  Kept plans
# have contexts of their own.
my $setup = q{
CREATE PROCEDURE calls(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	FOR n IN 1..rounds LOOP
		id := pgmq.send('long', '{"n": 1}');
		PERFORM pgmq.send('long', '{"n": 2}', '{"h": 1}', 0);
		PERFORM pgmq.send_batch('long', ARRAY['3', '4', '5', '6']::jsonb[]);
		PERFORM pgmq.read('long', 30, 2), pgmq.read('long', 30, 1, '4'), pgmq.read_with_poll('long', 30, 1, 0);
		PERFORM pgmq.read_grouped('long', 30, 1);
		PERFORM pgmq.set_vt('long', id, 0), pgmq.set_vt('long', ARRAY[id], 0, ARRAY[1]);
		PERFORM pgmq.archive('long', id, 1), pgmq.delete('long', ARRAY[id + 1, id + 2]);
		PERFORM pgmq.metrics('long');
		PERFORM pgmq.delete('long', ARRAY[id + 1, id + 2, id + 3, id + 4, id + 5]);
		PERFORM pgmq.pop('long', 10);
		BEGIN
			PERFORM pgmq.send('not there', '{}');
		EXCEPTION WHEN undefined_table THEN
		END;
		BEGIN
			PERFORM pgmq.read('long', 0, -1);
		EXCEPTION WHEN invalid_row_count_in_limit_clause THEN
		END;
		IF n % 10 = 0 THEN
			COMMIT;
		ELSIF n % 10 = 5 THEN
			ROLLBACK;
		END IF;
		IF n % 100 = 0 THEN
			ANALYZE pgmq.q_long;
		END IF;
	END LOOP;
END
$$;
CREATE PROCEDURE queues(rounds int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1..rounds LOOP
		PERFORM pgmq.create('short');
		PERFORM pgmq.send('short', '{}'), pgmq.read('short', 0, 1), pgmq.archive('short', 1), pgmq.pop('short');
		IF n % 3 = 0 THEN
			COMMIT;
			PERFORM pgmq.send('short', '{}'), pgmq.read('short', 0, 1), pgmq.delete('short', 1), pgmq.set_vt('short', 1, 1);
		END IF;
		PERFORM pgmq.drop_queue('short');
		COMMIT;
	END LOOP;
END
$$;
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS
	$$SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name NOT IN ('CacheMemoryContext', 'Sequence values')$$;
};
$node->safe_psql('postgres', $setup);

my @kilobytes = map { int($_ / 1024) } split /\n/, $node->safe_psql(
	'postgres', q{
	CALL calls(100);
	CALL queues(100);
	SELECT memory();
	CALL calls(700);
	SELECT memory();
	CALL queues(1000);
	SELECT memory();
	CALL calls(100);
	SELECT memory()});
note "kB: @kilobytes";
is(scalar @kilobytes, 4, 'measured');
cmp_ok($kilobytes[1] - $kilobytes[0], '<', 100, '10,000 calls');
cmp_ok($kilobytes[2] - $kilobytes[1], '<', 100, '1,000 queues that come and go');
cmp_ok($kilobytes[3] - $kilobytes[0], '<', 100, 'all together');

$node->stop;
done_testing();
