#!/usr/bin/env python3
"""Set the server's clock forward and back, and see whether a duplicate gets in.

usage: PG_BINDIR=$(pg_config --bindir) test/torture/clock.py [options]

  --seconds N    how long to try (20)
  --seed N       the random choices
  --sessions N   sessions that send (4)
  --preload 0|1  whether shared_preload_libraries has pgmq_c (1)
  --keep         leave the server's directory behind

Sessions send messages with few deduplication ids to queues with windows of
several lengths.  Between two rounds the clock of the server is set: forward by
up to a window, often to the edge of a generation of ids, and back by up to
BACK seconds; then maintenance runs.  It is a find when an id is accepted again
although its message was committed less than a window before, by the server's
clock, or when two sends of one round differ about an id.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import threading
import time

import psycopg

from server import Find, Server

BACK = 5
SLACK = 2
WINDOWS = {'short': 30, 'medium': 700, 'long': 5000}
GENERATION_MIN = 600

SHIM = os.path.dirname(os.path.abspath(__file__)) + '/../data/clock.c'


class Clock:
    """The server's clock: the machine's and an offset that only grows, except for a few seconds."""

    def __init__(self, folder):
        self.path = folder + '/clock'
        self.offset = 0
        os.mknod(self.path)
        os.truncate(self.path, 8)
        os.chmod(self.path, 0o644)
        self.library = folder + '/clock.so'
        self.works = subprocess.run(['cc', '-shared', '-fPIC', '-o', self.library, SHIM], capture_output=True).returncode == 0

    def set(self, offset):
        self.offset = int(offset)
        with open(self.path, 'r+b') as f:
            f.write(struct.pack('q', self.offset))

    def now(self):
        return time.time() + self.offset


class Sender(threading.Thread):
    """The sends of one session in one round."""

    def __init__(self, server, seed, ids):
        super().__init__()
        self.conn = server.connect()
        self.random = random.Random(seed)
        self.ids = ids
        self.sent = []              # queue, dedup id, msg_id, when it began and had ended
        self.error = None

    def run(self):
        r = self.random
        try:
            for _ in range(r.randrange(1, 8)):
                queue = r.choice(list(WINDOWS))
                ids = r.sample(self.ids, r.choice([1, 1, 2]))
                began = self.conn.execute('SELECT extract(epoch FROM clock_timestamp())::float8').fetchone()[0]
                with self.conn.transaction():
                    msg_ids = [row[0] for row in self.conn.execute(
                        "SELECT pgmq.send_batch(%s, array_fill('1'::jsonb, ARRAY[%s]), ARRAY(SELECT jsonb_build_object('x-pgmq-dedup-id', id) FROM unnest(%s::text[]) id))",
                        (queue, len(ids), ids))]
                ended = self.conn.execute('SELECT extract(epoch FROM clock_timestamp())::float8').fetchone()[0]
                self.sent += [(queue, id, msg_id, began, ended) for id, msg_id in zip(ids, msg_ids)]
        except psycopg.Error as error:
            self.error = error


def check(known, sent):
    """Hold what a round has sent against what was known before it."""
    new = {}
    for queue, id, msg_id, began, ended in sorted(sent, key=lambda s: s[2]):
        before = known.get((queue, id))
        if before and before[0] == msg_id:
            continue
        if before and began - before[1] < WINDOWS[queue] - SLACK:
            raise Find(f'{queue}: id {id} of message {before[0]}, committed at {before[1]:.3f}, was given message {msg_id} at {began:.3f}; the window is {WINDOWS[queue]} s')
        other = new.setdefault((queue, id), (msg_id, ended))
        if other[0] != msg_id:
            raise Find(f'{queue}: id {id} has messages {other[0]} and {msg_id} of one moment')
    known.update(new)
    return len(new)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=float, default=20)
    parser.add_argument('--seed', type=int, default=random.randrange(1, 1000000))
    parser.add_argument('--sessions', type=int, default=4)
    parser.add_argument('--preload', type=int, default=1)
    parser.add_argument('--keep', action='store_true')
    options = parser.parse_args()
    print(f'# seed {options.seed}', flush=True)
    r = random.Random(options.seed)
    server = Server('pgmq_clock', 'fsync = off\nautovacuum = off\n', options.preload, options.keep)
    clock = Clock(server.dir)
    name = f'clock seed {options.seed}'
    failed = None
    rounds = sends = accepted = steps_back = 0
    try:
        if not clock.works:
            print(f'ok {name} # SKIP no compiler for a clock that can be set')
            return
        os.environ.update(LD_PRELOAD=clock.library, TEST_CLOCK=clock.path)
        server.start(16384)
        del os.environ['LD_PRELOAD']
        with server.connect(dbname='postgres') as conn:
            conn.execute('CREATE DATABASE torture')
        with server.connect() as conn:
            conn.execute('CREATE EXTENSION pgmq_c')
            for queue, window in WINDOWS.items():
                conn.execute('SELECT pgmq.create(%s)', (queue,))
                conn.execute("SELECT pgmq.set_policy(%s, jsonb_build_object('dedup_window', %s::integer))", (queue, window))
            known = {}
            end = time.time() + options.seconds
            while time.time() < end:
                rounds += 1
                senders = [Sender(server, r.random(), [f'i{n}' for n in range(4)]) for _ in range(options.sessions)]
                for sender in senders:
                    sender.start()
                for sender in senders:
                    sender.join()
                    sender.conn.close()
                    if sender.error:
                        raise Find(f'{sender.error.sqlstate} {sender.error}')
                sent = [one for sender in senders for one in sender.sent]
                sends += len(sent)
                accepted += check(known, sent)
                if r.random() < 0.5:
                    clock.set(clock.offset - r.randrange(1, BACK + 1))
                    steps_back += 1
                else:
                    forward = r.choice([1, 5, 29, 31, 300, 600, 699, 701, 3000])
                    if r.random() < 0.6:
                        # just beyond the edge of a generation, to which it may go back; counted from 2000
                        length = max(r.choice(list(WINDOWS.values())), GENERATION_MIN)
                        forward = length - (clock.now() - 946684800) % length + 1
                    clock.set(clock.offset + forward)
                if r.random() < 0.6:
                    conn.execute('CALL pgmq.maintain()')
        complaints = server.log_complaints(0)
        if complaints:
            raise Find('in the log: ' + '\n'.join(complaints[:5]))
    except Find as find:
        failed = str(find)
    finally:
        server.remove()
    print(f'# {rounds} rounds, {sends} sends, {accepted} ids accepted, {steps_back} steps back')
    print(f'not ok {name}: {failed}' if failed else f'ok {name}')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
