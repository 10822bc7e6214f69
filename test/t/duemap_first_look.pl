
# Nothing is known of a queue after a start.  What one reader learns then serves
# all: they do not each look at the whole queue.  One looks, and the others take
# what it finds, or wait for it; they can be cancelled, and go on when it fails.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqSession;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = preloaded();

sub sql { return $node->safe_psql('postgres', $_[0]) }

my $rows = 50000;
my $readers = 8;
my $head = 300;
sql(qq{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('delayed'), pgmq.create('head'), pgmq.create('tail'), pgmq.create('parts');
	INSERT INTO pgmq.q_delayed (message, vt) SELECT '1', now() + interval '1 day' FROM generate_series(1, $rows);
	INSERT INTO pgmq.q_head (message, vt) SELECT '1', now() + CASE WHEN i > $head THEN interval '1 day' ELSE '0' END
	FROM generate_series(1, $rows) AS i;
	INSERT INTO pgmq.q_tail (message, vt) SELECT '1', now() + CASE WHEN i <= $rows - $head THEN interval '1 day' ELSE '0' END
	FROM generate_series(1, $rows) AS i;
	VACUUM ANALYZE pgmq.q_delayed, pgmq.q_head, pgmq.q_tail;
});

# ---- how much is read

# After a restart so many sessions read at once: what each got, and how many
# entries of the index were read for it.
sub first_reads
{
	my ($queue, $count, $how) = @_;

	$node->restart('fast');
	my $entries = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'q_$queue'";
	my $before = sql($entries);
	my $holder = session($node);
	ask($holder, "BEGIN; LOCK TABLE pgmq.q_$queue IN ACCESS EXCLUSIVE MODE;");
	my @s = map { session($node) } 1 .. $count;
	begin($_, "SELECT coalesce(string_agg(msg_id::text, ' '), 'nothing') FROM pgmq.$how;") for @s;
	until_is($_, "wait_event_type = 'Lock'") for @s;
	ask($holder, 'COMMIT;');
	my @got = map { result($_) } @s;
	done($holder, @s);
	# a session that ends reports what it has read
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'});
	return (sql($entries) - $before, @got);
}

my ($entries, @got) = first_reads('delayed', 1, q{read('delayed', 600, 1)});
is("@got", 'nothing', 'a first read, all messages delayed');
cmp_ok($entries, '>=', $rows, '.. reads each of them');
cmp_ok($entries, '<', 1.2 * $rows, '.. once');
($entries, @got) = first_reads('delayed', $readers, q{read('delayed', 600, 1)});
is("@got", join(' ', ('nothing') x $readers), "$readers first reads at once");
cmp_ok($entries, '<', 1.5 * $rows, '.. read each once, together');

($entries, @got) = first_reads('head', 1, q{read('head', 600, 1)});
is("@got", 1, 'a first read, messages at the head readable');
cmp_ok($entries, '<', 5000, '.. does not read the others');
($entries, @got) = first_reads('head', $readers, q{read('head', 600, 1)});
is(join(' ', sort { $a <=> $b } @got), join(' ', 2 .. $readers + 1), "$readers of them get one each");
cmp_ok($entries, '<', 20000, '.. nor do they');
($entries, @got) = first_reads('tail', $readers, q{read('tail', 600, 1)});
is(join(' ', sort { $a <=> $b } @got), join(' ', map { $rows - $head + $_ } 1 .. $readers), "$readers of them, messages at the end readable");
cmp_ok($entries, '<', 1.5 * $rows, '.. read the others once, together');
is(sql(q{SELECT coalesce(sum(net_finds), 0) FROM pgmq.engine_status()}), 0, 'nothing was hidden');

# ---- waiting for another's look

# A look at a queue in partitions stops at one that is locked, and others wait
# for the look.
sql(q{
	DROP TABLE pgmq.q_parts;
	CREATE TABLE pgmq.q_parts (LIKE pgmq.q_head INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (msg_id)) PARTITION BY RANGE (msg_id);
	CREATE TRIGGER pgmq_announce AFTER INSERT OR UPDATE ON pgmq.q_parts FOR EACH ROW EXECUTE FUNCTION pgmq._announce();
	ALTER TABLE pgmq.q_parts ENABLE ALWAYS TRIGGER pgmq_announce;
	CREATE TABLE pgmq.parts_1 PARTITION OF pgmq.q_parts FOR VALUES FROM (MINVALUE) TO (100);
	CREATE TABLE pgmq.parts_2 PARTITION OF pgmq.q_parts FOR VALUES FROM (100) TO (MAXVALUE);
	INSERT INTO pgmq.q_parts (message) SELECT '1' FROM generate_series(1, 8);
});

my $read = q{SELECT msg_id FROM pgmq.read('parts', 600, 1);};
my $looks = q{wait_event_type = 'Lock'};
my $waits = q{wait_event_type = 'Extension'};
my $forget = q{ALTER TABLE pgmq.q_parts DISABLE TRIGGER pgmq_announce; ALTER TABLE pgmq.q_parts ENABLE ALWAYS TRIGGER pgmq_announce;};
my ($holder, $negative, $looker, $second, $third) = map { session($node) } 1 .. 5;

# A map of which nothing is known.  Two look, one of them at the negative ids, and
# others wait.
sub wait_for_look
{
	my @others = @_;

	sql($forget);
	ask($holder, 'BEGIN; LOCK TABLE ONLY pgmq.parts_2 IN ACCESS EXCLUSIVE MODE;');
	begin($_, $read), until_is($_, $looks) for $negative, $looker;
	begin($_, $read), until_is($_, $waits) for @others;
}

# What sessions got, in order.
sub results { return join(' ', sort { $a <=> $b } map { result($_) } @_) }

wait_for_look($second, $third);
sql("SELECT pg_cancel_backend($second->{pid})");
is(result($second), '', 'a reader that waits for the look of another can be cancelled');
like($second->{err}, qr/canceling statement due to user request/, '.. as ever');
ask($holder, 'COMMIT;');
is(results($negative, $looker, $third), '1 2 3', '.. and the others get a message each');

wait_for_look($second, $third);
sql("SELECT pg_cancel_backend(pid) FROM unnest(ARRAY[$negative->{pid}, $looker->{pid}]) AS pid");
is(result($negative) . result($looker), '', 'those that look are cancelled');
until_is($_, $looks) for $second, $third;
ask($holder, 'COMMIT;');
is(results($second, $third), '4 5', '.. and others look instead');

# the one that looks may wait for a lock of the one that waits for it
wait_for_look();
is(ask($holder, $read), '6', 'a reader that keeps others from looking does without the map');
ask($holder, 'COMMIT;');
is(results($negative, $looker), '7 8', '.. and they go on when it has ended');
done($holder, $negative, $looker, $second, $third);
$node->stop;

done_testing();
