
# Streams, subscriptions and policies through the router: what is had on queues in
# one place and on spread ones, and what is refused.
use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__);
use PgmqRouter;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

need_router();
my $node = router_server(3, "shared_preload_libraries = 'pgmq_c'");

# --------------------------------------------------------------------------
# A stream in one place
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('other')});
is(rows($node, q{SELECT pgmq.create_stream('River')}), '', 'a stream');
is( rows($node, q{SELECT pgmq.create_subscription('bank', 'river'), pgmq.create_subscription('delta', 'RIVER', 'earliest', '{"message": {"a": 1}}')}), '|', 'and its subscriptions');
is(rows($node, q{SELECT count(DISTINCT shards) FROM pgmq_router.queue WHERE queue_name IN ('river', 'bank', 'delta')}), 1, 'on the same server');
is(rows($node, q{SELECT pgmq.send('river', '{"a": 1}'), pgmq.send('bank', '{"a": 2}')}), '1|2', 'sends go to the stream');
is(rows($node, q{SELECT msg_id FROM pgmq.read('bank', 30, 10)}), "1\n2", 'a subscription has all of them');
is(rows($node, q{SELECT message FROM pgmq.read_with_poll('delta', 30, 10, 1)}), '{"a": 1}', 'or those of its filter');
is(rows($node, q{SELECT pgmq.delete('bank', 1), count(*) FROM pgmq.peek('river')}), 't|2', 'an acknowledged message stays');
my $listed = q{SELECT stream_name, subscription_name, in_flight, lag FROM pgmq.list_subscriptions%s ORDER BY 2};
is(rows($node, sprintf($listed, $_)), "river|bank|1|1\nriver|delta|1|1", "list_subscriptions$_") foreach q{('river')}, '()';
fails($node, q{SELECT * FROM pgmq.read('river', 30, 1)}, '55000', q{is a stream.*'bank', 'delta'});
fails($node, q{SELECT pgmq.seek('bank', 1)}, '55006', 'in flight');
rows($node, q{SELECT pgmq.seek('bank', '1', '{"force": true}')});
is(rows($node, q{SELECT msg_id FROM pgmq.read('bank', 30, 10)}), "1\n2", 'seek by an id');
fails($node, q{SELECT pgmq.drop_queue('river')}, '2BP01', 'bank');
is(rows($node, q{SELECT shards IS NOT NULL FROM pgmq_router.queue WHERE queue_name = 'river'}), 't', 'and the directory still has it');
is(rows($node, q{SELECT pgmq.set_policy('river', '{"retention_count": 1, "retention": "consumed"}')}), '{"retention": "consumed", "retention_count": 1}', 'retention');
fails($node, q{SELECT pgmq.create_subscription('other', 'river')}, '0A000', q{beside => 'river'}, 'a subscription elsewhere');
fails($node, q{SELECT pgmq.create_subscription('bay', 'nowhere')}, '42P01', 'q_nowhere');

# --------------------------------------------------------------------------
# A stream that is spread
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('sea', 3, by_key => true)});
rows($node, q{SELECT pgmq.create_stream('sea'), pgmq.create_subscription('fish', 'sea'), pgmq.create_subscription('ship', 'sea', now())});
rows($node, q{SELECT pgmq.send('sea', to_jsonb(n), jsonb_build_object('x-pgmq-group', (n % 10)::text)) FROM generate_series(1, 60) AS n});
my $all = q{SELECT count(*), count(DISTINCT (m).msg_id), count(DISTINCT (m).msg_id >> 46), bool_and((m).msg_id & ((1::bigint << 46) - 1) <= 60)
	FROM (SELECT pgmq.read('%s', 30, 100) AS m FROM generate_series(1, 3)) AS s};
is(rows($node, sprintf($all, $_)), '60|60|3|t', "$_ has the messages of all slots") foreach 'fish', 'ship';
is(rows($node, q{SELECT count(*) FROM (SELECT pgmq.delete('fish', (SELECT array_agg(msg_id) FROM pgmq.peek('sea')))) AS d}), 60,
	'acknowledged over all slots');
is(rows($node, q{SELECT subscription_name, count(*), sum(lag) FROM pgmq.list_subscriptions('sea') GROUP BY 1 ORDER BY 1}), "fish|3|0\nship|3|60",
	'list_subscriptions has a row for each slot');
rows($node, q{SELECT pgmq.seek('fish', 'earliest')});
is(rows($node, sprintf($all, 'fish')), '60|60|3|t', 'seek goes to all slots');
fails($node, $_, '0A000', 'Begin at earliest') foreach q{SELECT pgmq.seek('fish', 7)}, q{SELECT pgmq.seek('fish', '7')},
  q{SELECT pgmq.create_subscription('whale', 'sea', 7)}, q{SELECT pgmq.create_subscription('whale', 'sea', '7')};
rows($node, q{SELECT pgmq_router.create('tide', 3); SELECT pgmq.send('tide', to_jsonb(n)) FROM generate_series(1, 20) AS n});
rows($node, q{SELECT pgmq.convert_to_stream('tide', 'tide_log'); SELECT pgmq.send('tide', to_jsonb(n)) FROM generate_series(21, 30) AS n});
rows($node, q{SELECT pgmq.create_subscription('moon', 'tide_log', 'earliest')});
is(rows($node, sprintf($all, $_)), '30|30|3|t', "$_ of a queue that became a stream") foreach 'tide', 'moon';
is(rows($node, q{SELECT pgmq.drop_queue('tide'), pgmq.drop_queue('moon'), pgmq.drop_queue('tide_log')}), 't|t|t', 'dropped');

# --------------------------------------------------------------------------
# Policies
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq.create('one'), pgmq_router.create('wide', 3), pgmq_router.create('keyed', 3, by_key => true)});
rows($node, q{SELECT pgmq.set_policy('one', '{"priorities": true, "max_length": 4, "max_in_flight": 3, "strict_fifo": false}')});
rows($node, q{SELECT pgmq.send('one', to_jsonb(n), jsonb_build_object('x-pgmq-priority', n)) FROM generate_series(1, 4) AS n});
fails($node, q{SELECT pgmq.send('one', '5')}, '53400', 'max_length|messages', 'a length limit in one place');
is(rows($node, q{SELECT message FROM pgmq.read('one', 30, 10)}), "4\n3\n2", 'priorities and a limit of reads in one place');
foreach my $key ('priorities": true', 'max_length": 5', 'max_bytes": 1000', 'max_in_flight": 5', 'rate": 10', 'limit_by": "t', 'fair": true')
{
	my $policy = qq({"$key) . ($key =~ /"t$/ ? '", "rate_each": 1}' : '}');

	fails($node, "SELECT pgmq.set_policy('$_', '$policy')", '0A000', 'spread over servers.*one slot') foreach 'wide', 'keyed';
}
fails($node, q{SELECT pgmq.set_policy('sea', '{"retention_count": 5}')}, '0A000', 'retention_count.*spread');
is(rows($node, q{SELECT pgmq.set_policy('sea', '{"retention_age": 5, "max_length": null}')}), '{"retention_age": 5}', 'an age holds on all servers');
foreach my $policy (q({"dedup_window": 60}), q({"strict_fifo": true}))
{
	fails($node, "SELECT pgmq.set_policy('wide', '$policy')", '0A000', 'by_key => true', "trap 10: $policy without keys");
	is(rows($node, "SELECT pgmq.set_policy('keyed', '$policy') IS NOT NULL"), 't', "$policy by key");
}
fails($node, q{SELECT pgmq.set_policy('wide', '5')}, '22023', 'must be a JSON object');

# --------------------------------------------------------------------------
# From a queue to another one
# --------------------------------------------------------------------------

rows($node, q{SELECT pgmq_router.create('next', beside => 'other'); SELECT pgmq.send('other', '1'), pgmq.read('other', 30, 1)});
fails($node, q{SELECT pgmq.forward('other', 1, 'river', '2', NULL, 1)}, '0A000', 'beside');
fails($node, q{SELECT pgmq.forward('other', 1, 'nowhere', '2', NULL, 1)}, '42P01', 'q_nowhere');
is(rows($node, q{SELECT pgmq.forward('other', 1, 'next', '2', NULL, 1)}), 1, 'forward beside');

is(rows($node, q{SELECT count(*) FROM pgmq_router.check()}), 0, 'nothing is left over');

done_testing();
