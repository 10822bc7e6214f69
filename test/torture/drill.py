#!/usr/bin/env python3
"""A failover drill: kill the primary under load, and count what was lost.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/drill.py [options]

  --seconds N   length of the load before and after the failure (8)
  --how WAY     patroni, hand, or auto: patroni where it and etcd are installed
  --clients N   senders, and as many workers (3)
  --keep        leave the directory, with the logs

PG_BINDIR is the bin directory of a server that has pgmq_c installed. Started by
root, it runs the servers as CLIENT_USER (postgres).

A primary and its synchronous standby; by hand, the drill itself is who promotes
the standby. Clients connect by a string with both hosts, and
target_session_attrs=read-write. Where pgbouncer is installed, every other one
connects to it instead, and the drill tells it which server is the primary. Senders give each message a deduplication id, and
send it again until they have an answer. Workers read, and delete what they have
read. What they were told they remember here, outside of the database: the ledger.
Then the machine of the primary dies: every process of it is killed. The last lines
are TAP.
"""
import argparse
import collections
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import psycopg

LEASE = 60
PGBOUNCER = shutil.which('pgbouncer', path=os.environ.get('PATH', '') + ':/usr/sbin')


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Place:
    """The directory, the user, and the processes of the drill."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.bin = os.environ['PG_BINDIR']
        self.dir = tempfile.mkdtemp(prefix='pgmq_drill.')
        os.chmod(self.dir, 0o755)
        self.user = None
        if os.getuid() == 0:
            self.user = pwd.getpwnam(os.environ.get('CLIENT_USER', 'postgres'))
            os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self.started = []
        # end the servers, too
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def become(self):
        os.setsid()
        if self.user:
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)

    def start(self, name, *args, **env):
        log = open(f'{self.dir}/{name}.log', 'ab')
        process = subprocess.Popen(args, cwd=self.dir, preexec_fn=self.become, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**clean_environ(), **env})
        self.started.append(process)
        return process

    def run(self, *args, **env):
        done = subprocess.run(args, cwd=self.dir, preexec_fn=self.become, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**clean_environ(), **env}, text=True)
        if done.returncode != 0:
            raise SystemExit(f'{args}: {done.stdout}')
        return done.stdout

    def write(self, name, text, mode=0o600):
        path = f'{self.dir}/{name}'
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, mode)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def end(self, keep):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.started):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        for name in self.nodes:
            kill_machine(f'{self.dir}/{name}', None)
        if keep:
            print(f'# kept {self.dir}')
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def clean_environ():
    return {k: v for k, v in os.environ.items() if not k.startswith('PG') or k == 'PG_BINDIR'}


def children_of(pid):
    found = []
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat') as f:
                    if int(f.read().rsplit(')', 1)[1].split()[1]) == pid:
                        found.append(int(entry))
            except OSError:
                pass
    return found


def is_stopped(pid):
    with open(f'/proc/{pid}/stat') as f:
        return f.read().rsplit(')', 1)[1].split()[0] in 'TZ'


def kill_machine(data, agent):
    """Kill every process of a server, and its agent first, so that nothing is said to anybody."""
    pids = [agent.pid] if agent else []
    try:
        with open(f'{data}/postmaster.pid') as f:
            postmaster = int(f.readline())
        with open(f'/proc/{postmaster}/cmdline') as f:
            if data in f.read():
                pids.append(postmaster)
                # A process that is started after we have looked would outlive the machine, and hold its shared memory.
                os.kill(postmaster, signal.SIGSTOP)
                wait_for('a stopped server', lambda: is_stopped(postmaster), 30)
                pids += children_of(postmaster)
    except (OSError, ValueError):
        pass
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


# ---------------------------------------------------------------------------
# Two ways to have a primary and a standby
# ---------------------------------------------------------------------------

class ByHand:
    name = 'by hand'

    def __init__(self, place):
        self.place = place
        self.ports = free_ports(2)

    def conf(self, n):
        return (f"listen_addresses = '127.0.0.1'\nport = {self.ports[n]}\nunix_socket_directories = '{self.place.dir}'\n"
                "shared_preload_libraries = 'pgmq_c'\nclient_connection_check_interval = 1s\nshared_buffers = 64MB\n")

    def begin(self):
        p = self.place
        p.run(f'{p.bin}/initdb', '-D', f'{p.dir}/n1', '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--no-locale')
        with open(f'{p.dir}/n1/postgresql.conf', 'a') as f:
            f.write(self.conf(0))
        self.up('n1')
        p.run(f'{p.bin}/pg_basebackup', '-D', f'{p.dir}/n2', '-h', '127.0.0.1', '-p', str(self.ports[0]), '-U', 'postgres', '-c', 'fast', '-R',
              '--no-sync')
        with open(f'{p.dir}/n2/postgresql.conf', 'a') as f:
            f.write(self.conf(1))
        self.up('n2')
        with psycopg.connect(self.address(0), autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            conn.execute('SELECT pg_reload_conf()')

    def up(self, name):
        p = self.place
        p.run(f'{p.bin}/pg_ctl', '-D', f'{p.dir}/{name}', '-l', f'{p.dir}/{name}.log', '-w', 'start')

    def address(self, n):
        return f'host=127.0.0.1 port={self.ports[n]} user=postgres dbname=postgres connect_timeout=3'

    def writable(self, n):
        try:
            with psycopg.connect(self.address(n), autocommit=True) as conn:
                return conn.execute('SELECT NOT pg_is_in_recovery()').fetchone()[0]
        except psycopg.Error:
            return False

    def primary(self):
        return 0

    def fail(self):
        kill_machine(f'{self.place.dir}/n1', None)
        # whoever is on duty makes sure that the old primary is dead, and promotes
        with psycopg.connect(self.address(1), autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            conn.execute('SELECT pg_promote()')


class Patroni(ByHand):
    name = 'by Patroni and etcd'

    def __init__(self, place):
        super().__init__(place)
        self.etcd_ports = free_ports(2)
        self.rest = free_ports(2)
        self.agents = []

    def begin(self):
        p = self.place
        client, peer = (f'http://127.0.0.1:{port}' for port in self.etcd_ports)
        p.start('etcd', 'etcd', '--data-dir', f'{p.dir}/etcd', '--listen-client-urls', client, '--advertise-client-urls', client,
                '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', f'default={peer}', '--unsafe-no-fsync')
        with open(os.path.dirname(os.path.abspath(__file__)) + '/../../examples/patroni/patroni.yml') as f:
            example = f.read()
        for n in (0, 1):
            mine = {'scope': 'drill', 'name': f'n{n + 1}', 'host': f'127.0.0.1:{self.etcd_ports[0]}', 'data_dir': f'{p.dir}/n{n + 1}',
                    'bin_dir': p.bin, 'password': 'drill', 'unix_socket_directories': p.dir}

            def put(match):
                key = match.group(2)
                if key in ('listen', 'connect_address'):
                    port = self.rest[n] if match.group(3).strip().endswith(':8008') else self.ports[n]
                    return f'{match.group(1)}{key}: 127.0.0.1:{port}'
                return f'{match.group(1)}{key}: {mine[key]}'
            path = p.write(f'n{n + 1}.yml', re.sub(r'^( *)(\w+): ([^#\n]*)# yours.*$', put, example, flags=re.M))
            self.agents.append(p.start(f'patroni{n + 1}', 'patroni', path, HOME=p.dir))
            if n == 0:
                wait_for('a primary', lambda: self.writable(0), 90)
        wait_for('a synchronous standby', self.has_standby, 90)

    def address(self, n):
        return super().address(n) + ' password=drill'

    def has_standby(self):
        with psycopg.connect(self.address(self.primary()), autocommit=True) as conn:
            return conn.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()[0] == 1

    def primary(self):
        return 0 if self.writable(0) else 1

    def fail(self):
        n = self.primary()
        kill_machine(f'{self.place.dir}/n{n + 1}', self.agents[n])


class Pooler:
    """A pgbouncer, and who on duty tells it of a new primary."""

    def __init__(self, place, servers):
        self.place = place
        self.servers = servers
        self.port, = free_ports(1)
        self.primary = servers.primary()
        self.process = place.start('pgbouncer', PGBOUNCER, self.configure())
        self.address = f'host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=10'
        wait_for('a pgbouncer', self.answers, 30)
        threading.Thread(target=self.follow, daemon=True).start()

    def configure(self):
        return self.place.write('pgbouncer.ini', f"""[databases]
postgres = host=127.0.0.1 port={self.servers.ports[self.primary]} user=postgres password=drill
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_login_retry = 1
server_connect_timeout = 3
""")

    def answers(self):
        try:
            psycopg.connect(self.address).close()
            return True
        except psycopg.Error:
            return False

    def follow(self):
        """As HAProxy does that asks Patroni, or a script that Patroni calls."""
        while self.process.poll() is None:
            if not self.servers.writable(self.primary) and self.servers.writable(1 - self.primary):
                self.primary = 1 - self.primary
                self.configure()
                self.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)


def wait_for(what, condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f'there is never {what}')
        time.sleep(0.1)


# ---------------------------------------------------------------------------
# The load, and its ledger
# ---------------------------------------------------------------------------

class Ledger:
    def __init__(self, address):
        self.address = address
        self.queue = 'drill'
        self.lock = threading.Lock()
        self.sent = set()               # tried
        self.acked = {}                 # message: id, as the sender was told
        self.got = collections.defaultdict(list)    # id: [message, when, lease ends] of each time
        self.successes = []             # when something worked
        self.errors = collections.Counter()
        self.pooled = None              # the address of a pgbouncer,
        self.pooled_errors = collections.Counter()  # and the errors of its clients
        self.failed_at = None
        self.stop_sending = self.stop = False

    def connect(self, address):
        conn = psycopg.connect(address, autocommit=True, prepare_threshold=None)
        if address != self.pooled:
            conn.execute("SET statement_timeout = '10s'")
        return conn

    def client(self, work, pooled):
        conn = None
        address = self.pooled if pooled else self.address
        errors = self.pooled_errors if pooled else self.errors
        while not self.stop:
            try:
                if conn is None:
                    conn = self.connect(address)
                if not work(conn):
                    return
            except psycopg.Error as error:
                errors[error.sqlstate or 'connection'] += 1
                if conn is not None:
                    conn.close()
                conn = None
                time.sleep(0.1)

    def sender(self, number, pooled=False):
        state = {'n': 0}

        def work(conn):
            if self.stop_sending:
                return False
            message = number * 10000000 + state['n']
            self.sent.add(message)
            row = conn.execute('SELECT pgmq.send(%s, %s::jsonb, %s::jsonb)', (
                self.queue, str(message), json.dumps({'x-pgmq-dedup-id': str(message)}))).fetchone()
            with self.lock:
                self.acked[message] = row[0]
                self.successes.append(time.monotonic())
            state['n'] += 1
            return True
        self.client(work, pooled)

    def worker(self, pooled=False):
        def work(conn):
            begun = time.monotonic()
            rows = conn.execute('SELECT msg_id, message FROM pgmq.read_with_poll(%s, %s, 5, 1)', (self.queue, LEASE)).fetchall()
            with self.lock:
                for msg_id, message in rows:
                    # The lease began at the earliest with the call, and the message was returned at the latest now: a call
                    # that began before the end of a lease may rightly wait for it.
                    self.got[msg_id].append([message, time.monotonic(), begun + LEASE])
                if rows:
                    self.successes.append(time.monotonic())
            for msg_id, _ in rows:
                conn.execute('SELECT pgmq.delete(%s, %s::bigint)', (self.queue, msg_id))
            return True
        self.client(work, pooled)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=float, default=8)
    parser.add_argument('--how', choices=['auto', 'patroni', 'hand'], default='auto')
    parser.add_argument('--clients', type=int, default=3)
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()

    has_patroni = bool(shutil.which('patroni') and shutil.which('etcd'))
    if options.how == 'patroni' and not has_patroni:
        print('skip drill by Patroni: patroni and etcd are not installed (packages patroni, etcd-server)')
        return
    if options.how == 'auto' and not has_patroni:
        print('# by hand: patroni and etcd are not installed (packages patroni, etcd-server)')
    place = Place(('n1', 'n2'))
    try:
        ok = drill(place, Patroni(place) if has_patroni and options.how != 'hand' else ByHand(place), options)
    finally:
        place.end(options.keep)
    sys.exit(0 if ok else 1)


def drill(place, servers, options):
    print(f'# a primary and a synchronous standby, {servers.name}', flush=True)
    servers.begin()
    with psycopg.connect(servers.address(servers.primary()), autocommit=True) as conn:
        conn.execute('CREATE EXTENSION pgmq_c')
        conn.execute("SELECT pgmq.create('drill')")
        conn.execute("""SELECT pgmq.set_policy('drill', '{"dedup_window": 86400}')""")
    addresses = (f"host=127.0.0.1,127.0.0.1 port={servers.ports[0]},{servers.ports[1]} user=postgres dbname=postgres password=drill"
                 " connect_timeout=2 target_session_attrs=read-write")
    ledger = Ledger(addresses)
    if PGBOUNCER:
        ledger.pooled = Pooler(place, servers).address
    else:
        print('# all connect to the servers: pgbouncer is not installed (package pgbouncer)')
    pooled = [bool(PGBOUNCER) and n % 2 == 1 for n in range(options.clients)]
    threads = [threading.Thread(target=ledger.sender, args=(n + 1, p)) for n, p in enumerate(pooled)]
    threads += [threading.Thread(target=ledger.worker, args=(p,)) for p in pooled]
    for thread in threads:
        thread.daemon = True
        thread.start()
    time.sleep(options.seconds)
    print(f'# {len(ledger.acked)} messages sent; now the primary dies', flush=True)
    ledger.failed_at = time.monotonic()
    servers.fail()
    wait_for('a new primary', lambda: any(t > ledger.failed_at + 0.5 for t in ledger.successes[-5:]), 120)
    time.sleep(options.seconds)
    ledger.stop_sending = True
    for thread in threads[:options.clients]:
        thread.join(30)

    # What is left after the load has no lease, but for what a worker was reading.
    last = servers.address(servers.primary() if isinstance(servers, Patroni) else 1)
    with psycopg.connect(last, autocommit=True) as conn:
        wait_for('an end of what can be read',
                 lambda: conn.execute("SELECT queue_visible_length FROM pgmq.metrics('drill')").fetchone()[0] == 0, 120)
        ledger.stop = True
        for thread in threads[options.clients:]:
            thread.join(30)
        # leased by a worker that never heard of it
        for msg_id, message in conn.execute('SELECT msg_id, message FROM pgmq.q_drill').fetchall():
            if msg_id not in ledger.got:
                ledger.got[msg_id].append([message, time.monotonic(), 0])

    received = collections.Counter(rows[0][0] for rows in ledger.got.values())
    lost = [m for m in ledger.acked if m not in received]
    doubled = [m for m, times in received.items() if times > 1]
    twice = [i for i, rows in ledger.got.items()
             if any(b[1] < a[2] for a, b in zip(rows, rows[1:]))]
    times = sorted(ledger.successes)
    gap = max(b - a for a, b in zip(times, times[1:]))
    print(f'# sent {len(ledger.sent)}, acknowledged {len(ledger.acked)}, lost {len(lost)}, stored twice {len(doubled)}, '
          f'returned twice within a lease {len(twice)}, gap {gap:.1f} s')
    print(f'# errors of clients: {dict(ledger.errors)}' + (f', behind pgbouncer: {dict(ledger.pooled_errors)}' if PGBOUNCER else ''))
    ok = True
    for name, bad in (('no acknowledged message is lost', lost), ('none is stored twice', doubled), ('none is returned twice within a lease', twice),
                      ('the load goes on', [] if len(times) > 100 else ['too few'])):
        print(('ok' if not bad else 'not ok') + f' - drill: {name}' + (f' {bad[:5]}' if bad else ''))
        ok = ok and not bad
    return ok


if __name__ == '__main__':
    main()
