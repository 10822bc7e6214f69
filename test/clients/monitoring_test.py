#!/usr/bin/env python3
"""The kit for Prometheus, with a real exporter and a real Prometheus.

usage: monitoring_test.py FOLDER SOCKET PORT DATABASE PSQL

FOLDER is monitoring/, and DATABASE an empty database with pgmq_c on the server
at SOCKET and PORT.  Each check prints one line: "ok NAME", "not ok NAME" or
"skip NAME reason".
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

FOLDER, SOCKET, PORT, DATABASE, PSQL = sys.argv[1:6]
HOSTILE = '"><script>{}\\n'
PATIENCE = 90
failed = 0
running = []


def check(name, good, why=''):
    global failed
    print(('ok ' if good else 'not ok ') + 'monitoring.' + name)
    if not good:
        failed = 1
        print('# ' + str(why).replace('\n', '\n# '))
    sys.stdout.flush()


def sql(text, user='postgres'):
    return subprocess.run([PSQL, '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', SOCKET, '-p', PORT, '-U', user, '-d', DATABASE],
                          input=text, check=True, capture_output=True, text=True).stdout


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def get(port, path, **query):
    url = f'http://127.0.0.1:{port}{path}' + ('?' + urllib.parse.urlencode(query) if query else '')
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def until(ask):
    """The first answer that is true, or the last one."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            answer = ask()
        except OSError as error:
            answer = None
            print(f'# {error}', file=sys.stderr)
        if answer or time.monotonic() > end:
            return answer
        time.sleep(0.5)


def start(work, *command, **env):
    log = open(os.path.join(work, os.path.basename(command[0]) + '.log'), 'a', encoding='utf-8')
    running.append(subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **env}))


def exporter(work, queries):
    port = free_port()
    start(work, 'prometheus-postgres-exporter', f'--web.listen-address=127.0.0.1:{port}', '--disable-default-metrics',
          '--disable-settings-metrics', '--extend.query-path', os.path.join(FOLDER, queries),
          DATA_SOURCE_NAME=f'host={SOCKET} port={PORT} dbname={DATABASE} user=exporter sslmode=disable')
    return port


def samples(port):
    return [line for line in get(port, '/metrics').split('\n') if line.startswith('pgmq_')]


def work_a_little():
    """A round of everything that the panels show."""
    sql('''
SELECT pgmq.send_batch('orders', array_fill('{"a": 1}'::jsonb, '{10}'));
SELECT pgmq.nack('orders', ARRAY(SELECT msg_id FROM pgmq.read('orders', 30, 5)));
SELECT pgmq.delete('orders', ARRAY(SELECT msg_id FROM pgmq.read('orders', 30, 8)));
SELECT pgmq.send('limited', '1');
SELECT count(*) FROM pgmq.read('limited', 0, 1);
SELECT count(*) FROM pgmq.read('limited', 0, 1);
''')


def prometheus(work, target):
    """Prometheus with our rules, but for the time that an alert must last."""
    port = free_port()
    with open(os.path.join(FOLDER, 'alerts.yml'), encoding='utf-8') as file:
        rules = re.sub(r'(?m)^ +for: .*\n', '', file.read())
    with open(os.path.join(work, 'rules.yml'), 'w', encoding='utf-8') as file:
        file.write(rules)
    with open(os.path.join(work, 'prometheus.yml'), 'w', encoding='utf-8') as file:
        file.write(f'''
global: {{scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}}
rule_files: [{work}/rules.yml]
scrape_configs:
  - job_name: pgmq
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
''')
    start(work, 'prometheus', f'--config.file={work}/prometheus.yml', f'--storage.tsdb.path={work}/data',
          f'--web.listen-address=127.0.0.1:{port}')
    return port


def panels():
    with open(os.path.join(FOLDER, 'grafana.json'), encoding='utf-8') as file:
        for panel in json.load(file)['panels']:
            for target in panel['targets']:
                yield panel['title'], target['expr'].replace('$__rate_interval', '15s')


def firing(port, alert, **labels):
    for found in json.loads(get(port, '/api/v1/alerts'))['data']['alerts']:
        if found['state'] == 'firing' and {**labels, 'alertname': alert}.items() <= found['labels'].items():
            return True
    return False


def main(work):
    made = os.path.join(work, 'made')
    os.mkdir(made)
    subprocess.run([sys.executable, os.path.join(FOLDER, 'generate.py'), made], check=True)
    for name in sorted(os.listdir(made)):
        with open(os.path.join(made, name), encoding='utf-8') as new, open(os.path.join(FOLDER, name), encoding='utf-8') as old:
            check(f'made.{name}', new.read() == old.read(), 'run monitoring/generate.py')
    tested = subprocess.run(['promtool', 'test', 'rules', os.path.join(FOLDER, 'alerts_test.yml')], capture_output=True, text=True)
    check('alerts_by_promtool', tested.returncode == 0, tested.stdout + tested.stderr)

    sql('CREATE ROLE exporter LOGIN IN ROLE pg_monitor')
    for name in ['orders', 'limited', 'limited_dead', HOSTILE] + [f'many_{i}' for i in range(100)]:
        sql(f"SELECT pgmq.create('{name}')")
    sql('''SELECT pgmq.set_policy('limited', '{"max_reads": 1, "dead_letter_queue": "limited_dead"}')''')
    work_a_little()

    few = exporter(work, 'queries.yaml')
    all_ = exporter(work, 'queries-all.yaml')
    until(lambda: samples(few) and samples(all_))
    lines = samples(few)
    # a dead letter is sent to its queue, too
    check('totals_count', 'pgmq_sent_total 12' in [re.sub(r'{[^}]*}', '', line) for line in lines], lines[:40])
    # ten messages, of which eight are gone; what no due map knows is not 0
    readable = {m[1]: m[2] for line in lines for m in [re.match(r'pgmq_queue_readable{.*queue="(\w+)".*} (\S+)$', line)] if m}
    check('readable_now', readable.get('orders') == '2', readable)
    check('busiest_queues_only', 0 < len({m for line in lines for m in re.findall(r'queue="(many_\d+)"', line)}) <= 20)
    everything = samples(all_)
    check('all_queues_on_request', len({m for line in everything for m in re.findall(r'queue="(many_\d+)"', line)}) == 100)
    check('hostile_name', any('><script>' in line for line in everything))
    bodies = sql('SELECT count(*) FROM pgmq.q_orders', 'postgres')
    check('role_sees_no_bodies', bodies and subprocess.run(
        [PSQL, '-XqAt', '-h', SOCKET, '-p', PORT, '-U', 'exporter', '-d', DATABASE, '-c', 'SELECT message FROM pgmq.q_orders'],
        capture_output=True, check=False).returncode != 0)

    port = prometheus(work, few)

    def empty_panels():
        work_a_little()
        return [f'{title}: {expr}' for title, expr in panels()
                if not json.loads(get(port, '/api/v1/query', query=expr))['data']['result']]
    until(lambda: empty_panels() == [])
    for title, expr in panels():
        answer = json.loads(get(port, '/api/v1/query', query=expr))
        check('panel: ' + title + ': ' + expr, answer['data']['result'], answer)

    check('alert_dead_letters', until(lambda: work_a_little() or firing(port, 'PgmqDeadLetters')), get(port, '/api/v1/alerts'))
    # many findings of no weight do not hide one that has some
    for i in range(210):
        sql(f"SELECT pgmq.create('vast_{i}')")
    sql('''UPDATE pg_class SET relpages = 2000000 WHERE relname ~ '^a_vast_';
        SELECT pgmq.create('poisoned'), pgmq.send('poisoned', '1')''')
    for _ in range(10):
        sql("SELECT FROM pgmq.read('poisoned', 0, 1)")
    check('warnings_before_infos', until(lambda: any('queue="poisoned"' in line and 'severity="warning"' in line for line in samples(few))),
          sql('SELECT severity, count(*) FROM pgmq.health() GROUP BY 1'))
    sql('DROP TABLE pgmq.q_limited_dead')
    check('alert_finding', until(lambda: firing(port, 'PgmqFindingCritical', queue='limited')), sql('SELECT * FROM pgmq.health()'))


needed = ['prometheus', 'promtool', 'prometheus-postgres-exporter']
missing = [name for name in needed if shutil.which(name) is None]
if missing:
    print(f'skip monitoring {missing[0]} is not installed')
    sys.exit(0)
with tempfile.TemporaryDirectory() as folder:
    try:
        main(folder)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
        if failed:
            for name in ('prometheus.log', 'prometheus-postgres-exporter.log'):
                with open(os.path.join(folder, name), encoding='utf-8') as log:
                    print(''.join('# ' + line for line in log.readlines()[-15:]))
sys.exit(failed)
