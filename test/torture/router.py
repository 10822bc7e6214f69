#!/usr/bin/env python3
"""Kill shards of a router, and move queues between them, under load.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/router.py [options]

  --seconds N   how long (60)
  --seed N      the random choices
  --keep        leave the directory, with the logs

PG_BINDIR is the bin directory of a server that has pgmq_c, PL/Proxy and pgmq_router
installed. Started by root, it runs the servers as CLIENT_USER (postgres). The
ledger is that of drill.py: senders give each message a deduplication id and send it
until they have an answer, workers read and delete. One queue is in one place, and
moves; one is spread by keys over all three shards.
"""
import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import threading
import time

import psycopg

from drill import Ledger, Place, free_ports, kill_machine

NODES = ('router', 's0', 's1', 's2')
MOVE = os.path.dirname(os.path.abspath(__file__)) + '/../../tools/pgmq-move'


class Cluster:
    def __init__(self, place):
        self.place = place
        self.interrupted = 0
        self.calm = False       # nothing is killed until a move that was interrupted too often has ended
        self.ports = dict(zip(NODES, free_ports(len(NODES))))
        for name in NODES:
            place.run(f'{place.bin}/initdb', '-D', f'{place.dir}/{name}', '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--no-locale')
            with open(f'{place.dir}/{name}/postgresql.conf', 'a') as f:
                f.write(f"listen_addresses = '127.0.0.1'\nport = {self.ports[name]}\nunix_socket_directories = '{place.dir}'\n"
                        "shared_preload_libraries = 'pgmq_c'\nclient_connection_check_interval = 1s\nshared_buffers = 32MB\nwal_level = logical\n")
            self.up(name)
            if name != 'router':
                with self.connect(name) as conn:
                    conn.execute('CREATE EXTENSION pgmq_c')
        with self.connect('router') as conn:
            conn.execute('CREATE EXTENSION pgmq_router CASCADE')
            for name in NODES[1:]:
                conn.execute('SELECT pgmq_router.add_shard(%s)', (f'host=127.0.0.1 port={self.ports[name]} dbname=postgres',))

    def up(self, name):
        p = self.place
        p.run(f'{p.bin}/pg_ctl', '-D', f'{p.dir}/{name}', '-l', f'{p.dir}/{name}.log', '-w', 'start')

    def address(self, name):
        return f'host=127.0.0.1 port={self.ports[name]} user=postgres dbname=postgres connect_timeout=3'

    def connect(self, name):
        return psycopg.connect(self.address(name), autocommit=True)

    def kill(self, name):
        kill_machine(f'{self.place.dir}/{name}', None)
        time.sleep(random.uniform(0, 1))
        for attempt in range(20):
            try:
                return self.up(name)
            except SystemExit:
                time.sleep(0.5)     # its children are not gone yet
        self.up(name)

    def move(self, large):
        with self.connect('router') as conn:
            (shards, to), = conn.execute("SELECT shards, moving_to FROM pgmq_router.queue WHERE queue_name = 'plain'").fetchall()
        if to is None:
            to = random.choice([n for n in range(3) if n != shards[0]])
        env = {**os.environ, 'PGUSER': 'postgres'}
        stop = random.choice([None, None, 'mark', 'close', 'copy', 'drop'] + (['subscribe', 'caught up'] if large else []))
        if stop:
            env['PGMQ_MOVE_STOP_AFTER'] = stop
        failed = 0
        while True:
            done = subprocess.run([sys.executable, MOVE, '--router', self.address('router'), '--bindir', self.place.bin]
                                  + (['--large'] if large else []) + ['plain', str(shards[0]), str(to)],
                                  env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode == 0:
                self.calm = False
                return
            env.pop('PGMQ_MOVE_STOP_AFTER', None)
            if done.returncode == 3:
                continue
            # a shard was killed meanwhile: the same again
            failed += 1
            self.interrupted += 1
            self.calm = failed > 10
            if failed > 60:
                raise SystemExit(done.stdout)
            time.sleep(1)


def settle(ledger, queue, conn):
    """Whom the ledger misses: (lost, stored twice, returned twice within a lease)."""
    for msg_id, message in conn.execute(f"SELECT msg_id, message FROM pgmq.peek('{queue}', 'all', 1000000)").fetchall():
        if msg_id not in ledger.got:
            ledger.got[msg_id].append([message, 0, 0])
    received = collections.Counter(rows[0][0] for rows in ledger.got.values())
    return ([m for m in ledger.acked if m not in received], [m for m, n in received.items() if n > 1],
            [i for i, rows in ledger.got.items() if any(b[1] < a[2] for a, b in zip(rows, rows[1:]))])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    print(f'# seed {options.seed}', flush=True)
    random.seed(options.seed)
    place = Place(NODES)
    bad = 0
    stop = threading.Event()
    killing = None
    try:
        cluster = Cluster(place)
        with cluster.connect('router') as conn:
            conn.execute("SELECT pgmq_router.create('plain'), pgmq_router.create('wide', 3, by_key => true)")
            for queue in ('plain', 'wide'):
                conn.execute("SELECT pgmq.set_policy(%s, '{\"dedup_window\": 86400}')", (queue,))
        ledgers = {queue: Ledger(cluster.address('router')) for queue in ('plain', 'wide')}
        for queue, ledger in ledgers.items():
            ledger.queue = queue
        threads = [threading.Thread(target=ledger.sender, args=(n,), daemon=True) for ledger in ledgers.values() for n in (1, 2)]
        threads += [threading.Thread(target=ledger.worker, daemon=True) for ledger in ledgers.values() for _ in (1, 2)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + options.seconds
        done = collections.Counter()

        def killer():
            while time.monotonic() < until and not stop.is_set():
                if not cluster.calm:
                    cluster.kill(random.choice(NODES[1:]))
                    done['kills'] += 1
                stop.wait(random.uniform(2, 6))

        def kill_until():
            try:
                killer()
            except BaseException as error:
                # a shard that does not come back would have everybody wait for ever
                print(f'not ok - router: {error}', flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
        killing = threading.Thread(target=kill_until)
        killing.start()
        while time.monotonic() < until:
            cluster.move(random.random() < 0.4)
            done['moves'] += 1
            time.sleep(random.uniform(0.2, 2))
        killing.join()
        for ledger in ledgers.values():
            ledger.stop_sending = True
        for thread in threads[:4]:
            thread.join(60)
        time.sleep(2)
        for ledger in ledgers.values():
            ledger.stop = True
        for thread in threads[4:]:
            thread.join(60)
        print(f'# {dict(done)}, moves that a kill interrupted: {cluster.interrupted}')
        with cluster.connect('router') as conn:
            for queue, ledger in ledgers.items():
                lost, doubled, twice = settle(ledger, queue, conn)
                print(f'# {queue}: sent {len(ledger.sent)}, acknowledged {len(ledger.acked)}, lost {len(lost)}, stored twice {len(doubled)},'
                      f' returned twice within a lease {len(twice)}; errors {dict(ledger.errors)}')
                for name, found in (('lost', lost), ('stored twice', doubled), ('returned twice', twice)):
                    bad += bool(found)
                    print(('not ok' if found else 'ok') + f' - router: {queue}: none {name}' + (f' {[(f, ledger.got.get(f)) for f in found[:3]]}' if found else ''))
            left = conn.execute('SELECT * FROM pgmq_router.check()').fetchall()
            bad += bool(left)
            print(('not ok' if left else 'ok') + f' - router: check finds nothing {left or ""}')
    finally:
        # nothing is started any more
        stop.set()
        if killing is not None:
            killing.join()
        place.end(options.keep)
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
