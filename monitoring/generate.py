#!/usr/bin/env python3
"""Write queries.yaml, queries-all.yaml and grafana.json from one list of metrics.

usage: monitoring/generate.py [FOLDER]

The files are kept beside this program, so nobody needs to run it to use them.
queries.yaml shows totals and the busiest queues; queries-all.yaml all queues.
Both are for prometheus-postgres-exporter (--extend.query-path), whose role needs
to be a member of pg_monitor and nothing more.
"""
import json
import os
import sys

# How many queues queries.yaml shows one by one: the busiest, and as many that health() names.
TOP = 20

# Counters of pgmq.queue_stats(): name, and the words of the help text.
COUNTERS = [
    ('sent', 'Messages that were sent'),
    ('deduplicated', 'Sends that were answered by an earlier message with the same deduplication id'),
    ('delivered', 'Messages that reads returned'),
    ('redelivered', 'Delivered messages that had been delivered before'),
    ('expired_leases', 'Redelivered messages whose lease had run out'),
    ('acked', 'Messages that were deleted, archived or popped'),
    ('archived', 'Messages that were archived'),
    ('nacked', 'Messages that were given back by nack'),
    ('released', 'Messages that were given back by release'),
    ('extended', 'Leases that were changed by set_vt or extend'),
    ('fence_refused', 'Acknowledgements that came too late'),
    ('dead_max_reads', 'Messages that became dead letters because of too many reads'),
    ('dead_expired', 'Messages that became dead letters because their time to live was over'),
    ('dead_explicit', 'Messages that a consumer made dead letters'),
    ('dead_refused', 'Dead letters that could not be moved'),
    ('dropped_expired', 'Messages that were deleted because their time to live was over'),
    ('reads', 'Calls that read'),
    ('empty_reads', 'Calls that read and got nothing'),
    ('waits', 'Calls that waited'),
    ('wakeups', 'Times that a waiting call was woken'),
    ('wakeups_in_vain', 'Times that a call was woken and found nothing'),
    ('dead_clients', 'Waits that ended because the client had gone'),
]

HISTOGRAMS = [
    ('wait', 'From the time that a message could be read to its first read'),
    ('processing', 'From the last read of a message to its acknowledgement'),
    ('age', 'From the sending of a message to its acknowledgement'),
]

TIMES = [
    ('last_send', 'When a message was last sent'),
    ('last_read', 'When the queue was last read'),
    ('last_ack', 'When a message was last acknowledged'),
]

READABLE = 'Messages that can be read now, where a due map knows; the table is not looked at'

LENGTHS = [
    ('length', 'queue_length', 'Messages in the queue'),
    ('visible', 'queue_visible_length', 'Messages that can be read now'),
    ('oldest_seconds', 'oldest_msg_age_sec', 'Age of the oldest message in the queue'),
]

# Panels of the dashboard: title, unit, and (expression, legend) pairs.
PANELS = [
    ('Messages a second', 'ops', [
        ('rate(pgmq_sent_total[$window])', 'sent'),
        ('rate(pgmq_delivered_total[$window])', 'delivered'),
        ('rate(pgmq_acked_total[$window])', 'acknowledged')]),
    ('Redelivered and refused a second', 'ops', [
        ('rate(pgmq_redelivered_total[$window])', 'redelivered'),
        ('rate(pgmq_expired_leases_total[$window])', 'lease ran out'),
        ('rate(pgmq_nacked_total[$window])', 'nack'),
        ('rate(pgmq_fence_refused_total[$window])', 'acknowledged too late')]),
    ('Dead letters by cause, a second', 'ops', [
        ('rate(pgmq_dead_max_reads_total[$window])', 'too many reads'),
        ('rate(pgmq_dead_expired_total[$window])', 'expired'),
        ('rate(pgmq_dead_explicit_total[$window])', 'by a consumer'),
        ('rate(pgmq_dead_refused_total[$window])', 'could not be moved'),
        ('rate(pgmq_dropped_expired_total[$window])', 'expired and deleted')]),
    ('Findings of health()', 'short', [
        ('sum by (severity) (pgmq_finding_found)', '{{severity}}')]),
    ('Wait until the first read', 's', [
        ('histogram_quantile(0.5, sum by (le) (rate(pgmq_queue_wait_seconds_bucket[$window])))', 'half of the messages'),
        ('histogram_quantile(0.99, sum by (le) (rate(pgmq_queue_wait_seconds_bucket[$window])))', '99 of 100')]),
    ('Processing', 's', [
        ('histogram_quantile(0.5, sum by (le) (rate(pgmq_queue_processing_seconds_bucket[$window])))', 'half of the messages'),
        ('histogram_quantile(0.99, sum by (le) (rate(pgmq_queue_processing_seconds_bucket[$window])))', '99 of 100')]),
    ('Sent a second, by queue', 'ops', [('topk(10, rate(pgmq_queue_sent_total[$window]))', '{{queue}}')]),
    ('Acknowledged a second, by queue', 'ops', [('topk(10, rate(pgmq_queue_acked_total[$window]))', '{{queue}}')]),
    ('Length, by queue', 'short', [('topk(10, pgmq_queue_now_length)', '{{queue}}')]),
    ('Readable now', 'short', [
        ('pgmq_readable', 'messages'),
        ('pgmq_readable_unknown', 'queues of which it is not known')]),
    ('Readable now, by queue', 'short', [('topk(10, pgmq_queue_readable)', '{{queue}}')]),
    ('Oldest message, by queue', 's', [('topk(10, pgmq_queue_now_oldest_seconds)', '{{queue}}')]),
    ('Redelivered a second, by queue', 'ops', [('topk(10, rate(pgmq_queue_redelivered_total[$window]))', '{{queue}}')]),
    ('Age when acknowledged, 99 of 100, by queue', 's', [
        ('topk(10, histogram_quantile(0.99, sum by (le, queue) (rate(pgmq_queue_age_seconds_bucket[$window]))))', '{{queue}}')]),
    ('Waiting readers', 'short', [('pgmq_waiting', 'waiting'), ('pgmq_connections_max', 'max_connections')]),
    ('Memory of due maps', 'percentunit', [
        ('pgmq_memory_maps / pgmq_memory_maps_max', 'queues'),
        ('pgmq_memory_nodes / pgmq_memory_nodes_max', 'nodes')]),
]


def table(name, query, metrics):
    """One entry of the exporter's file."""
    lines = [f'{name}:', '  query: |']
    lines += ['    ' + line for line in query.strip('\n').split('\n')]
    lines.append('  metrics:')
    for metric, usage, words in metrics:
        lines += [f'    - {metric}:', f'        usage: "{usage}"', f'        description: "{words}"']
    return '\n'.join(lines) + '\n'


def chosen(everything):
    """The queues that are shown one by one, as a common table expression with counters."""
    if everything:
        return 'WITH s AS MATERIALIZED (SELECT * FROM pgmq.queue_stats())'
    return f'''WITH a AS MATERIALIZED (SELECT * FROM pgmq.queue_stats()),
s AS MATERIALIZED (
  (SELECT * FROM a ORDER BY sent + delivered DESC NULLS LAST, queue_name LIMIT {TOP})
  UNION
  (SELECT * FROM a WHERE queue_name IN
    (SELECT f.queue_name FROM pgmq.health() f GROUP BY 1 HAVING count(f.queue_name) > 0
      ORDER BY min(array_position(ARRAY['critical', 'warning', 'info'], f.severity)), 1 LIMIT {TOP})))'''


def queries(everything):
    label = ('queue', 'LABEL', 'Name of the queue')
    counters = ',\n'.join(f'  s.{name} AS {name}_total' for name, _ in COUNTERS)
    sums = ',\n'.join(f'  COALESCE(sum(s.{name}), 0) AS {name}_total' for name, _ in COUNTERS)
    buckets = ',\n'.join(
        f"""  b.bounds AS {name}_seconds,
  ARRAY(SELECT sum(n) OVER (ORDER BY i) FROM unnest(s.{name}_buckets) WITH ORDINALITY u(n, i)
    ORDER BY i LIMIT cardinality(b.bounds))::bigint[] AS {name}_seconds_bucket,
  s.{name}_seconds AS {name}_seconds_sum,
  s.{name}_count AS {name}_seconds_count""" for name, _ in HISTOGRAMS)
    times = ',\n'.join(f'  extract(epoch FROM s.{name}_at) AS {name}_seconds' for name, _ in TIMES)
    lengths = ',\n'.join(f'  m.{column} AS {name}' for name, column, _ in LENGTHS)
    measured = ('pgmq.metrics_all() m' if everything else
                's CROSS JOIN LATERAL pgmq.metrics(s.queue_name) m')
    head = ('# Made by monitoring/generate.py; change that.\n'
            '# Queries about pgmq_c for prometheus-postgres-exporter: totals and '
            + ('all queues.\n' if everything else f'the busiest {TOP} queues.\n')
            + ('# A queue has some 80 samples, so 10,000 queues have 800,000.\n' if everything else ''))
    entries = [
        table('pgmq', f'''
SELECT count(*) AS queues,
{sums},
  COALESCE(sum(s.readable), 0) AS readable,
  count(*) - count(s.readable) AS readable_unknown,
  (SELECT count(DISTINCT w.pid) FROM pgmq.waiters() w) AS waiting,
  current_setting('max_connections')::int AS connections_max
FROM pgmq.queue_stats() s''',
              [('queues', 'GAUGE', 'Queues')]
              + [(name + '_total', 'COUNTER', words) for name, words in COUNTERS]
              + [('readable', 'GAUGE', READABLE),
                 ('readable_unknown', 'GAUGE', 'Queues of which no due map knows how many messages can be read'),
                 ('waiting', 'GAUGE', 'Sessions that wait for a message'),
                 ('connections_max', 'GAUGE', 'The setting max_connections')]),
        table('pgmq_queue', f'''
{chosen(everything)}
SELECT s.queue_name AS queue,
{counters},
  s.readable,
{times},
{buckets}
FROM s, (SELECT pgmq.stat_bounds() AS bounds) b
WHERE s.state = 'on\'''',
              [label] + [(name + '_total', 'COUNTER', words) for name, words in COUNTERS]
              + [('readable', 'GAUGE', READABLE)]
              + [(name + '_seconds', 'GAUGE', words + ', in seconds since 1970') for name, words in TIMES]
              + [(name + '_seconds', 'HISTOGRAM', words + ', in seconds') for name, words in HISTOGRAMS]),
        table('pgmq_queue_now', f'''
{'' if everything else chosen(everything)}
SELECT m.queue_name AS queue,
{lengths}
FROM {measured}''',
              [label] + [(name, 'GAUGE', words) for name, _, words in LENGTHS]),
        table('pgmq_finding', '''
SELECT f.severity, COALESCE(f.queue_name, '') AS queue, f.what, count(*) AS found
FROM pgmq.health() f
GROUP BY 1, 2, 3
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], f.severity), 2, 3
LIMIT 200''',
              [('severity', 'LABEL', 'critical, warning or info'), label, ('what', 'LABEL', 'What was found'),
               ('found', 'GAUGE', 'How often it was found')]),
        table('pgmq_memory', '''
SELECT maps, maps_max, nodes, nodes_max, evictions AS evictions_total, merges AS merges_total
FROM pgmq.memory_status()''',
              [('maps', 'GAUGE', 'Queues that have a due map, in all databases'),
               ('maps_max', 'GAUGE', 'How many queues can have one'),
               ('nodes', 'GAUGE', 'Nodes that due maps use'),
               ('nodes_max', 'GAUGE', 'How many nodes there are'),
               ('evictions_total', 'COUNTER', 'Maps that were given up for another queue'),
               ('merges_total', 'COUNTER', 'Maps that were made coarser for lack of nodes')]),
        table('pgmq_map', '''
SELECT COALESCE(sum(net_finds), 0) AS hidden_total,
  count(*) FILTER (WHERE due_map <> 'on') AS off
FROM pgmq.engine_status()''',
              [('hidden_total', 'COUNTER', 'Messages that full checks found hidden; must be 0'),
               ('off', 'GAUGE', 'Queues that are read without their due map')]),
    ]
    return head + '\n'.join(entries)


def dashboard():
    panels = []
    for i, (title, unit, targets) in enumerate(PANELS):
        panels.append({
            'id': i + 1,
            'type': 'timeseries',
            'title': title,
            'datasource': {'type': 'prometheus', 'uid': '${source}'},
            'gridPos': {'x': 12 * (i % 2), 'y': 8 * (i // 2), 'w': 12, 'h': 8},
            'fieldConfig': {'defaults': {'unit': unit, 'min': 0}, 'overrides': []},
            'targets': [
                {'refId': chr(ord('A') + j), 'legendFormat': legend,
                 'expr': expression.replace('$window', '$__rate_interval')}
                for j, (expression, legend) in enumerate(targets)],
        })
    return {
        'title': 'pgmq_c',
        'uid': 'pgmq-c',
        'tags': ['postgresql', 'queue'],
        'schemaVersion': 38,
        'time': {'from': 'now-3h', 'to': 'now'},
        'refresh': '30s',
        'templating': {'list': [{'name': 'source', 'type': 'datasource', 'query': 'prometheus', 'label': 'Prometheus'}]},
        'panels': panels,
    }


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name, text in (
            ('queries.yaml', queries(False)),
            ('queries-all.yaml', queries(True)),
            ('grafana.json', json.dumps(dashboard(), indent=1) + '\n')):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write(text)


if __name__ == '__main__':
    main()
