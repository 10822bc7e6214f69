"""The rules of ledger.py, by which the ledger and the database must agree.

The ledger has two lines for each step of a client: what it is about to do
(time t, transaction x, number n in it, op and its arguments), and what it was
told (r, or e for an error).  Likewise for the end of a transaction: "end"
before, "out" after it; if an error ended it, or its savepoint ("undo"), the
time is that at which the statement was asked for that failed.  A client that
lost its connection in COMMIT does not know the outcome: each transaction
leaves a row in table mark, which says so then, and shows that a commit that
was acknowledged is there.  A single statement that was cut off may have
happened or not, and everything else must agree with one of the two.

Time is that of the machine's monotonic clock, the same for all clients: what
was acknowledged before something else was asked for came before it.
"""
import collections
import contextlib
import glob
import json

import seeks
from server import Find

US = 1000000
INF = float('inf')

QUEUES = ['plain', 'other', 'parts', 'unlogged', 'topic_a', 'topic_b', 'fifo', 'strict', 'fifo_dead', 'job', 'job_dead', 'ttl', 'ttl_dead',
          'dedup', 'dedup_short', 'keep', 'paused', 'purged', 'prio',
          'sub_all', 'sub_group', 'sub_some', 'sub_dead', 'sub_short', 'sub_dead_end', 'conv']
# Each subscription is a queue to which all is sent that is sent to its stream.
STREAMS = {'log': ['sub_all', 'sub_group', 'sub_some', 'sub_dead'], 'log_short': ['sub_short']}
STREAM_OF = {q: stream for stream, subscriptions in STREAMS.items() for q in subscriptions}
FILTERED = {'sub_some': 1}      # it gets the messages with this w
SHORT = {'log_short': 60}       # retention_count
GROUPED = {'fifo', 'strict', 'fifo_dead', 'sub_group'}
TTL = {'ttl': 3, 'ttl_dead': 2}
DEAD = {'job', 'ttl_dead', 'fifo_dead', 'sub_dead'}     # with a dead-letter queue
MAX_READS = {'job': 3, 'fifo_dead': 3, 'sub_dead': 3}
DEDUP_SHORT = 2
KEEP = 6                        # archive_retention

GONE = {'delete', 'pop', 'forward'}     # what ends a message's life
REMOVALS = GONE | {'archive', 'dead_letter'}
COUNTERS = ['sent', 'deduplicated', 'delivered', 'redelivered', 'acked', 'archived', 'nacked', 'extended', 'dead_explicit', 'wait_count', 'age_count']
EXPIRED = 'expired_leases'         # between two bounds, where a lease was touched


@contextlib.contextmanager
def snapshot(conn):
    """All is looked at as of one moment: the worker may move messages meanwhile."""
    with conn.transaction():
        conn.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
        yield


def stream_of(conn, q):
    """The stream that a queue is a subscription to, now."""
    row = conn.execute("SELECT substr(c.relname, 3) FROM pgmq.subscription s JOIN pg_class c ON c.oid = s.stream WHERE s.subscription = %s::regclass",
                       (f'pgmq.q_{q}',)).fetchone()
    return row and row[0]


BATCH_END = -(1 << 62)


def references(q):
    """The references of a subscription, and what its batches stand for."""
    return f"""(SELECT msg_id, read_ct, vt FROM pgmq.q_{q} WHERE msg_id >= {BATCH_END} UNION ALL SELECT g.id, b.read_ct, b.vt FROM pgmq.q_{q} b,
        jsonb_array_elements(b.headers -> 'ids') r, generate_series((r ->> 0)::bigint, (r ->> 1)::bigint) g (id) WHERE b.msg_id < {BATCH_END})"""


def not_given(q, stream):
    """The messages that a subscription was not given yet, also those that its filter will not take."""
    return f"""(SELECT m.* FROM pgmq.q_{stream} m JOIN pgmq.subscription s ON s.subscription = 'pgmq.q_{q}'::regclass AND m.msg_id >> 6 >= COALESCE(
            (SELECT max(n.value) FROM pgmq.subscription_note n WHERE n.subscription = s.subscription AND n.kind = 'done'), 0)
        WHERE NOT EXISTS (SELECT FROM pgmq.subscription_block b WHERE b.subscription = s.subscription AND m.msg_id >> 6 BETWEEN b.blk AND b.upto
            AND (b.waits = '{{}}' OR b.mask >> (m.msg_id & 63)::integer & 1 = 1)))"""


def lost(q, stream):
    """The references of a subscription whose messages retention has removed."""
    return f"""(SELECT r.* FROM {references(q)} r, pgmq.stream s WHERE s.stream = 'pgmq.q_{stream}'::regclass
        AND r.msg_id <= s.retained_after AND NOT EXISTS (SELECT FROM pgmq.q_{stream} m WHERE m.msg_id = r.msg_id))"""


def table(conn, q):
    """What a query for the messages of a queue selects from: of a subscription its references, and what it was not given yet."""
    stream = stream_of(conn, q)
    if stream is None:
        return f'pgmq.q_{q}'
    some = f"WHERE (m.message->>'w')::integer = {FILTERED[q]}" if q in FILTERED else ''
    return f"""(SELECT r.msg_id, r.read_ct, r.vt, m.enqueued_at, m.message, m.headers FROM {references(q)} r JOIN pgmq.q_{stream} m ON m.msg_id = r.msg_id
        UNION ALL SELECT m.msg_id, 0, m.vt, m.enqueued_at, m.message, m.headers
        FROM {not_given(q, stream)} m {some}) AS messages"""


def group(headers):
    return headers.get('x-pgmq-group', '') if isinstance(headers, dict) else ''


class Op:
    """A step: t0 before it was asked for, t1 when the answer was there."""
    r = e = None
    t1 = INF
    undone = INF                # when its savepoint was rolled back

    def __init__(self, tx, entry):
        self.tx = tx
        self.n = entry['n']
        self.t0 = entry['t']
        self.op = entry['op']
        self.args = entry

    @property
    def ended(self):
        """When others may have what it held, at the earliest."""
        return min(self.undone, self.tx.release)


class Tx:
    def __init__(self, x):
        self.x = x
        self.ops = {}
        self.auto = False
        self.level = ''
        self.began = INF
        self.end = self.out = None
        self.t_end = self.t_out = INF
        self.state = None       # committed, aborted, pending, maybe
        self.c0 = self.c1 = INF     # COMMIT asked for, and answered
        self.release = INF

    def live(self):
        """The steps that count if it commits."""
        return [op for op in self.ops.values() if op.undone == INF and op.e is None]


class Birth:
    def __init__(self, k, q, id, c0, c1, op, headers, delay, maybe):
        self.k, self.q, self.id, self.c0, self.c1, self.op = k, q, id, c0, c1, op
        self.headers, self.delay, self.maybe = headers, delay, maybe


class Seen:
    """A message that was returned."""

    def __init__(self, op, row):
        self.op = op
        self.q, self.id, self.rc, self.vt, self.last, self.at, self.k, self.w = row


class Row:
    def __init__(self, row):
        self.id, self.rc, self.vt, self.at, self.k, self.headers = row


class Checker:
    def __init__(self, folder, wall):
        self.folder = folder
        self.wall = wall            # of time 0
        self.live = {}              # (queue, id): Row, when the round began
        self.archive = {}
        self.pending = {}           # prepared in rounds before
        self.stored = collections.defaultdict(dict)     # queue: id: (key, dedup id, enqueued_at)
        self.used = collections.defaultdict(set)        # queue: ids given out in rounds before
        self.round = 0
        self.counters = {}          # by the server, when the round began
        self.lost = collections.Counter()               # of each subscription, at the end of the round before
        self.bodiless = collections.defaultdict(set)    # references to messages that are gone
        self.agreed = 0             # queues whose counters were compared
        self.sought = set()         # what a seek has sent back is counted by other rules
        self.seeks = seeks.Checker()

    # ----- what there is

    def rows(self, conn, queues, prefix):
        return {(q, row[0]): Row(row) for q in queues
                for row in conn.execute(f"SELECT msg_id, read_ct, us(vt), us(enqueued_at), message->>'k', headers FROM {table(conn, q) if prefix == 'q' else f'pgmq.a_{q}'}")}

    def begin(self, conn, queues):
        """The next round begins with what is there now."""
        with snapshot(conn):
            conn.execute('DELETE FROM mark')
            conn.execute('DELETE FROM effect')
            self.live = self.rows(conn, queues, 'q')
            self.archive = self.rows(conn, queues, 'a')
            self.seeks.live, _ = self.seeks.look(conn, table(conn, seeks.NAME))
            for q in STREAM_OF:
                self.lost[q], self.bodiless[q] = self.losses(conn, q)
        self.counters = self.count(conn)

    def count(self, conn):
        """What the server has counted of each queue, and since when."""
        return {row[0]: (row[1], dict(zip(COUNTERS + [EXPIRED], row[2:]))) for row in conn.execute(
            f"SELECT queue_name, stats_reset, {', '.join(COUNTERS + [EXPIRED])} FROM pgmq.queue_stats() WHERE state = 'on'")}

    def load(self):
        txs = dict(self.pending)
        self.ends = collections.defaultdict(list)
        for name in sorted(glob.glob(f'{self.folder}/{self.round}.*')):
            open_end = {}
            with open(name) as f:
                for line in f:
                    entry = json.loads(line)
                    if 'g' in entry:
                        if 'out' in entry:
                            open_end[entry['g']][2:] = [entry['out'], entry['t']]
                        else:
                            open_end[entry['g']] = end = [entry['end'], entry['t'], 'unknown', INF]
                            self.ends[entry['g']].append(end)
                        continue
                    tx = txs.get(entry['x'])
                    if tx is None:
                        tx = txs[entry['x']] = Tx(entry['x'])
                        tx.began = entry['t']
                    if 'begin' in entry:
                        tx.level = entry['begin']
                    elif 'op' in entry:
                        op = tx.ops[entry['n']] = Op(tx, entry)
                        tx.auto = entry['auto']
                    elif 'undo' in entry:
                        for op in tx.ops.values():
                            if op.n >= entry['undo'] and op.undone == INF:
                                op.undone = entry['t']
                    elif 'end' in entry:
                        tx.end, tx.t_end = entry['end'], entry['t']
                    elif 'out' in entry:
                        tx.out, tx.t_out = entry['out'], entry['t']
                    else:
                        op = tx.ops[entry['n']]
                        op.t1 = entry['t']
                        op.r, op.e = entry.get('r'), entry.get('e')
        for tx in txs.values():
            if tx.auto and tx.out == 'unknown':
                tx.ops[0].e, tx.ops[0].t1 = None, INF   # no answer came
        self.txs = txs

    # ----- a find

    def find(self, what, *subjects):
        """Subjects are (queue, id) or keys; their history is shown."""
        keys = {s for s in subjects if isinstance(s, str)}
        pairs = {s for s in subjects if not isinstance(s, str)}
        for pair in list(pairs):
            keys |= {k for k in [self.key_of(pair)] if k}
        for tx in self.txs.values():
            for op in tx.ops.values():
                if op.op in ('read', 'pop'):
                    pairs |= {(row[0], row[1]) for row in op.r or () if row[6] in keys}
        for rows in self.live, self.archive, self.L, self.A:
            pairs |= {pair for pair, row in rows.items() if row.k in keys}
        history = []
        xs = set()
        for name in sorted(glob.glob(f'{self.folder}/*')):
            with open(name) as f:
                for line in f:
                    entry = json.loads(line)
                    r = entry.get('r')
                    hit = any(f'"{k}"' in line for k in keys)
                    for q, id in pairs:
                        hit = hit or entry.get('q') == q and (id in entry.get('ids', ()) or entry.get('op') in ('purge', 'pause', 'resume', 'redrive'))
                        hit = hit or isinstance(r, list) and any(isinstance(m, list) and m[:2] == [q, id] for m in r)
                    if hit and 'x' in entry:
                        xs.add(entry['x'])
                    if hit:
                        if isinstance(r, list) and len(r) > 6:
                            entry['r'] = [m for m in r if isinstance(m, list) and (tuple(m[:2]) in pairs or (len(m) > 6 and m[6] in keys))] + ['..']
                        history.append((entry['t'], name.rsplit('/', 1)[1] + ' ' + json.dumps(entry)))
        for name in sorted(glob.glob(f'{self.folder}/*')):
            with open(name) as f:
                for line in f:
                    entry = json.loads(line)
                    if entry.get('x') in xs and ('n' not in entry or 'e' in entry) or entry.get('g') in xs:
                        history.append((entry['t'], name.rsplit('/', 1)[1] + ' ' + line.strip()))
        state = [f'{x} is {self.txs[x].state}' for x in sorted(xs) if x in self.txs]
        for pair in pairs:
            for where, rows in ('began with', self.live), ('has', self.L), ('archive has', self.A):
                if pair in rows:
                    state.append(f'the queue {where} {pair}: {vars(rows[pair])}')
        for k in keys:
            for where, rows in ('began with', self.live), ('has', self.L), ('archive has', self.A), ('archive had', self.archive):
                state += [f'{k}: {where} {pair}: {vars(row)}' for pair, row in rows.items() if row.k == k and pair not in pairs]
        raise Find('\n'.join([f'round {self.round}: {what}'] + [text for _, text in sorted(history)] + state))

    def key_of(self, pair):
        return getattr(self, 'keys', {}).get(pair)

    # ----- what became of the transactions

    def resolve(self):
        for tx in self.txs.values():
            tx.state = None
            # it was there when it was asked for what it answered; an answer can be heard late
            lost = max([op.t0 for op in tx.ops.values() if op.r is not None], default=tx.began)
            tx.release = tx.t_end
            if tx.auto:
                op = tx.ops.get(0)
                # what happened in one statement held nothing between two
                tx.release = -INF
                tx.c0, tx.c1 = op.t0, op.t1
                if tx.out == 'committed':
                    # what writes nothing that is logged does not wait for the disk:
                    # neither for its own commit, nor for an id that others had drawn
                    maybe = self.crashed and op.op in ('send', 'delete') and op.args['q'] == 'unlogged'
                    tx.state = 'maybe' if maybe else 'committed'
                elif tx.out == 'unknown':
                    tx.c1 = INF
                    tx.state = 'committed' if op.op == 'pop' and tx.x in self.E_by_x else 'aborted' if op.op == 'pop' else 'maybe'
                else:
                    tx.state = 'aborted'
                continue
            marked = tx.x in self.marks
            if tx.end in ('prepare',) and tx.out != 'rolled back':
                ends = self.ends.get(tx.x, [])
                tx.release = min([e[1] for e in ends], default=INF)
                if tx.x in self.P:
                    tx.state = 'pending'
                    if marked:
                        self.find(f'{tx.x} is prepared, but can be seen')
                    continue
                done = [e for e in ends if e[2] == 'done']
                if len(done) > 1:
                    self.find(f'{tx.x} was ended twice: {ends}')
                if done and (done[0][0] == 'commit') != marked:
                    self.find(f'prepared transaction {tx.x} was ended by {done[0]}, and the database says otherwise', *self.subjects(tx))
                if not ends and tx.out == 'prepared':
                    self.find(f'prepared transaction {tx.x} is gone', *self.subjects(tx))
                tx.state = 'committed' if marked else 'aborted'
                commits = [e for e in ends if e[0] == 'commit' and e[2] != 'failed']
                tx.c0 = min([e[1] for e in commits], default=INF)
                tx.c1 = done[0][3] if done else INF
                if not ends:
                    tx.release = lost
            elif tx.out == 'committed':
                if not marked:
                    self.find(f'transaction {tx.x} was acknowledged as committed and is gone', *self.subjects(tx))
                tx.state, tx.c0, tx.c1 = 'committed', tx.t_end, tx.t_out
            elif tx.out in ('rolled back', 'lost'):
                if marked:
                    self.find(f'transaction {tx.x} was rolled back, and its row is there', *self.subjects(tx))
                tx.state = 'aborted'
                if tx.end is None or tx.out == 'lost':
                    tx.release = lost
            else:
                tx.state = 'committed' if marked else 'aborted'
                tx.c0, tx.c1 = tx.t_end, INF
                if not marked:
                    tx.release = lost
        for x, rows in self.E_by_x.items():
            if x not in self.txs:
                self.find(f'effects of an unknown transaction {x}')
            tx = self.txs[x]
            if not tx.auto:
                if tx.state != 'committed':
                    self.find(f'{x} is {tx.state}, its effects are there', *[row[1:3] for row in rows][:3])

    def subjects(self, tx):
        return [k for op in tx.ops.values() for k in op.args.get('k', [])][:2] + \
            [(op.args['q'], id) for op in tx.ops.values() for id in op.args.get('ids', [])][:2]

    # ----- what it says

    def collect(self):
        """Births, removals, what was seen, and what else touched a message."""
        self.births = collections.defaultdict(list)
        self.removals = collections.defaultdict(list)   # (queue, id): [(op, maybe)]
        self.seen = collections.defaultdict(list)
        self.calls = []             # reads that returned something
        self.touches = collections.defaultdict(list)
        self.unarchived = collections.defaultdict(list)
        self.purges = []
        self.pauses = []
        self.keys = {pair: row.k for rows in (self.live, self.archive, self.A, self.L) for pair, row in rows.items()}
        self.keys.update({(q, id): k for x, q, id, k, fenced in self.E if fenced})
        self.ever = collections.defaultdict(list)       # key: steps that tried to send it
        for tx in self.txs.values():
            for op in tx.ops.values():
                for k in op.args.get('k', []):
                    self.ever[k].append(op)
        self.known = self.durable()
        for tx in sorted(self.txs.values(), key=lambda tx: tx.state == 'maybe'):
            for op in tx.ops.values():
                self.note(tx, op)

    def durable(self):
        """Keys of what was committed for certain: it is there, or a transaction that
        was committed after it has seen it, or shows its effect."""
        keys = {row.k for rows in (self.live, self.archive, self.A, self.L) for row in rows.values()}
        for tx in self.txs.values():
            if tx.state == 'committed':
                keys |= {row[6] for op in tx.ops.values() if op.op in ('read', 'pop') for row in op.r or () if not self.own(tx, row[6])}
        for x, q, id, k, fenced in self.E:
            # an effect that is there before its delete proves nothing
            tx = self.txs.get(x)
            if fenced or tx and tx.state == 'committed' and id in tx.ops[0].r:
                keys.add(k)
        return keys

    def own(self, tx, k):
        """A transaction sees what it sent itself, also in a savepoint that is undone."""
        return any(op.tx is tx for op in self.ever[k])

    def undone(self, s):
        """Of a transaction that a crash undid: its ids may be drawn again.  Besides
        itself others may have seen it when it waited for a standby."""
        senders = self.ever.get(s.k)
        return self.crashed and senders and s.k not in self.known and all(
            op.tx.state in ('aborted', 'maybe') and (op.tx is s.op.tx or op.tx.out == 'unknown' or s.q == 'unlogged') for op in senders)

    def note(self, tx, op):
        a = op.args
        if op.op in ('read', 'pop') and op.r is not None:
            rows = [s for s in [Seen(op, row) for row in op.r] if not self.undone(s)]
            for s in rows:
                self.seen[s.q, s.id].append(s)
                if self.keys.setdefault((s.q, s.id), s.k) != s.k:
                    self.find(f'{s.q} {s.id} is {s.k} for one and {self.keys[s.q, s.id]} for the other', (s.q, s.id), s.k)
            # what was prepared in a round before was looked at then
            if rows and tx.x not in self.pending:
                self.calls.append((op, rows))
        counts = op.undone == INF and op.e is None
        if tx.state in ('aborted', 'pending') or not counts:
            if tx.state == 'pending' and counts:
                for id in a.get('ids', []):
                    self.touches[a['q'], id].append(op)
            return
        maybe = tx.state == 'maybe'
        if op.r is None and not maybe and op.op not in ('pop', 'forward', 'unarchive'):
            raise Find(f'the ledger itself: {tx.x} {op.n} has no result')
        if op.op == 'send':
            ids = op.r or [None] * len(a['k'])
            if len(ids) != len(a['k']):
                self.find(f'{len(a["k"])} messages were sent and {len(ids)} ids returned', *a['k'])
            if not a['q'].startswith('dedup') and op.r and ids != sorted(set(ids)):
                self.find(f'the ids of a batch do not rise: {ids}', *a['k'])
            for k, id, h, w in zip(a['k'], ids, a['h'], a['ws']):
                for q in STREAMS.get(a['q'], [a['q']]):
                    if FILTERED.get(q, w) == w:
                        self.birth(k, q, id, op, h, a['delay'], maybe)
        elif op.op == 'send_topic':
            if isinstance(op.r, int):
                if op.r != 2:
                    self.find(f'the topic went to {op.r} queues', *a['k'])
                rows = []
            else:
                rows = op.r or []
                if op.r is not None and sorted(q for q, _ in rows) != ['topic_a'] * len(a['k']) + ['topic_b'] * len(a['k']):
                    self.find(f'the topic went to {rows}', *a['k'])
            for q in 'topic_a', 'topic_b':
                ids = [id for queue, id in rows if queue == q] or [None] * len(a['k'])
                for k, id in zip(a['k'], ids):
                    self.birth(k, q, id, op, None, a['delay'], maybe)
        elif op.op == 'forward':
            if op.r is not None or maybe:
                self.removals[a['q'], a['ids'][0]].append((op, maybe))
                self.birth(a['k'][0], 'other', op.r, op, None, 0, maybe)
        elif op.op in REMOVALS:
            if op.op == 'pop':
                ids = [(row[0], row[1]) for row in op.r] if op.r is not None else [(row[1], row[2]) for row in self.E_by_x[tx.x]]
                maybe = False
            else:
                ids = [(a['q'], id) for id in (a['ids'] if op.r is None else op.r)]
                if op.r is not None and not set(op.r) <= set(a['ids']):
                    self.find(f'{op.op} of {a["ids"]} returned {op.r}', *ids)
            if len(set(ids)) < len(ids):
                self.find(f'{op.op} returned an id twice: {ids}', *ids)
            for pair in ids:
                self.removals[pair].append((op, maybe))
        elif op.op in ('set_vt', 'nack'):
            for id in a['ids']:
                self.touches[a['q'], id].append(op)
        elif op.op == 'unarchive':
            if op.r is not None or maybe:
                self.unarchived[a['q'], a['ids'][0]].append((op, maybe))
        elif op.op == 'purge':
            self.purges.append((op, maybe))
        elif op.op in ('pause', 'resume'):
            self.pauses.append(op)

    def birth(self, k, q, id, op, headers, delay, maybe):
        if maybe and self.crashed and self.keys.get((q, id), k) != k:
            id = None       # it was undone, and its id drawn again
        self.births[k].append(Birth(k, q, id, op.tx.c0, op.tx.c1, op, headers, delay, maybe))
        if id is not None and not q.startswith('dedup') and self.keys.setdefault((q, id), k) != k:
            self.find(f'{q} {id} was sent as {k}, and is {self.keys[q, id]}', (q, id), k)

    # ----- the rules

    def check(self, conn, round, queues, crashed):
        self.round = round
        self.crashed = crashed      # so that what is unlogged may be gone
        with snapshot(conn):
            self.L = self.rows(conn, queues, 'q')
            self.A = self.rows(conn, queues, 'a')
            sought = self.seeks.look(conn, table(conn, seeks.NAME))
            self.subscriptions = {q for q in queues if stream_of(conn, q)}
            self.marks = {row[0] for row in conn.execute('SELECT x FROM mark')}
            self.E = conn.execute('SELECT x, q, id, k, fenced FROM effect').fetchall()
        self.P = {row[0] for row in conn.execute('SELECT gid FROM pg_prepared_xacts')}
        self.now, = conn.execute('SELECT us(clock_timestamp())').fetchone()
        self.E_by_x = collections.defaultdict(list)
        for row in self.E:
            if row[4]:
                self.E_by_x[row[0]].append(row)
        self.load()
        self.resolve()
        self.collect()
        self.check_keys()
        self.check_effects()
        self.check_ids()
        self.check_dedup()
        self.check_conservation()
        self.check_removals()
        self.check_fences()
        self.check_archive()
        self.check_reads()
        self.check_leases()
        self.check_rows()
        self.check_fifo()
        self.check_strict()
        self.check_pauses()
        self.check_purges()
        self.check_lost(conn)
        self.check_counters(self.count(conn))
        self.seeks.check(round, self.txs, self.births, *sought)
        self.pending = {x: tx for x, tx in self.txs.items() if tx.state == 'pending'}
        for tx in self.pending.values():
            tx.release = INF
        count = collections.Counter()
        for births in self.births.values():
            count['sent'] += sum(not b.maybe for b in births)
        for removals in self.removals.values():
            count['consumed'] += sum(op.op != 'dead_letter' and not maybe for op, maybe in removals)
        count['seen'] = sum(len(s) for s in self.seen.values())
        for tx in self.txs.values():
            count['tx ' + tx.state] += 1
        return count

    def check_keys(self):
        """Every message that is there, or was returned, was sent."""
        began = {row.k for rows in (self.live, self.archive) for row in rows.values()}
        for pair, row in list(self.L.items()) + list(self.A.items()):
            if pair[0] == 'unlogged' and any(op.tx.x in self.pending for op, maybe in self.removals.get(pair, [])):
                continue    # archived when it was prepared, before a crash emptied the queue
            if row.k not in began and not self.births.get(row.k):
                how = f'sent by {self.ever[row.k][0].tx.state} transaction {self.ever[row.k][0].tx.x}' if self.ever.get(row.k) else 'sent by nobody'
                self.find(f'{pair} is there, {how}', pair, row.k)
        for pair, all in self.seen.items():
            for s in all:
                if s.k in began or self.births.get(s.k) or s.op.tx.x in self.pending:
                    continue
                senders = self.ever.get(s.k, [])
                if not senders:
                    self.find(f'{pair} was returned, and sent by nobody', pair)
                # a transaction sees its own; and what waits for a standby that
                # does not come can be seen before it is lost
                if not any(op.tx is s.op.tx or op.tx.out == 'unknown' for op in senders):
                    self.find(f'{pair} was returned, though {senders[0].tx.x} did not commit', pair, s.k)

    def check_effects(self):
        """The effect that is written together with the delete is there once."""
        times = collections.Counter(row[1:3] for row in self.E if row[4])
        for pair, n in times.items():
            if n > 1:
                self.find(f'double: {n} effects of {pair}', pair)
        before = {(x, q, id) for x, q, id, k, fenced in self.E if not fenced}
        for x, tx in self.txs.items():
            if tx.state != 'committed':
                continue
            if tx.auto:
                # at least once: the effect was acknowledged before the delete was asked for
                op = tx.ops[0]
                for id in op.args['ids'] if op.op in ('delete', 'archive') else []:
                    if (x, op.args['q'], id) not in before:
                        self.find(f'the effect of {(op.args["q"], id)} by {x} is gone', (op.args['q'], id))
                continue
            done = collections.Counter((op.args['q'], id) for op in tx.live() if op.op in ('delete', 'archive') for id in op.r)
            done.update((op.args['q'], op.args['ids'][0]) for op in tx.live() if op.op == 'forward' and op.r is not None)
            done.update((row[0], row[1]) for op in tx.live() if op.op == 'pop' for row in op.r)
            there = collections.Counter(row[1:3] for row in self.E_by_x.get(x, []))
            if done != there:
                self.find(f'{x} consumed {sorted(done)}, and its effects are {sorted(there)}', *(set(done) ^ set(there)))

    def check_ids(self):
        """No id is given out twice, in spite of crashes."""
        born = collections.defaultdict(set)
        for births in self.births.values():
            for b in births:
                if b.id is not None and not b.maybe and not b.q.startswith('dedup'):
                    if b.op.tx.x not in self.pending and b.id in self.used[b.q]:
                        self.find(f'id {b.id} of {b.q} was given out in an earlier round', (b.q, b.id), b.k)
                    born[b.q].add(b.id)
        for q, ids in born.items():
            self.used[q] |= ids

    def check_dedup(self):
        """One message for an id, within the window."""
        seen = collections.defaultdict(dict)
        for pair, all in self.seen.items():
            if pair[0].startswith('dedup'):
                for s in all:
                    seen[pair[0]][pair[1]] = (s.k, s.at)
        for (q, id), row in list(self.L.items()) + list(self.A.items()):
            if q.startswith('dedup'):
                seen[q][id] = (row.k, row.at)
        sent = {}
        for births in self.births.values():
            for b in births:
                if b.q.startswith('dedup') and b.headers:
                    # who waited for the other may have found the window over
                    sent[b.q, b.k] = b.headers['x-pgmq-dedup-id'], INF if b.maybe else (b.op.t1 + self.wall) * US + 50000, self.us(b.op.tx.began)
        for x, q, id, k, fenced in self.E:
            # popped, and no client got the answer
            if fenced and (q, k) in sent and id not in seen[q]:
                seen[q][id] = (k, sent[q, k][2])
        for q, ids in seen.items():
            for id, (k, at) in ids.items():
                if id not in self.stored[q] and (q, k) in sent:
                    self.stored[q][id] = (k, sent[q, k][0], at, sent[q, k][1])
        for q in self.stored:
            by = collections.defaultdict(list)
            for id, (k, d, at, answered) in self.stored[q].items():
                by[d].append((at, id, k, answered))
            for d, all in by.items():
                all.sort()
                for (at, id, k, _), (at2, id2, k2, answered) in zip(all, all[1:]):
                    if q == 'dedup' or answered - at < DEDUP_SHORT * US:
                        self.find(f'double: dedup id {d} is stored as {id} and as {id2} of {q}, {(at2 - at) / US} s later', (q, id), (q, id2), k, k2)
        for births in self.births.values():
            for b in births:
                if b.q.startswith('dedup') and b.headers and b.id is not None and not b.maybe:
                    first = self.stored[b.q].get(b.id)
                    if first is None:
                        self.find(f'lost: send returned id {b.id} of {b.q}, which nobody has seen', (b.q, b.id), b.k)
                    if first[1] != b.headers['x-pgmq-dedup-id']:
                        self.find(f'send of {b.k} returned id {b.id}, which is that of dedup id {first[1]}', (b.q, b.id), b.k)
        for (q, id), (k, d, at, _) in [((q, id), s) for q in self.stored for id, s in self.stored[q].items()]:
            if q == 'dedup_short' and at < self.now - 60 * US or q == 'dedup' and at < self.now - 600 * US:
                if (q, id) not in self.L:
                    del self.stored[q][id]

    def check_conservation(self):
        """Each message that was sent is there or was consumed: none is lost, none is there twice."""
        base = collections.defaultdict(list)
        there = collections.Counter()
        for rows, archived in (self.live, False), (self.archive, True):
            for pair, row in rows.items():
                base[row.k].append((pair, row, archived))
        for rows in self.L, self.A:
            for row in rows.values():
                there[row.k] += 1
        removed = collections.Counter()
        perhaps = collections.Counter()
        allowed = collections.Counter()
        for pair, removals in self.removals.items():
            k = self.keys.get(pair)
            for op, maybe in removals:
                if op.op in GONE:
                    (perhaps if maybe else removed)[k] += 1
                elif op.op == 'archive' and pair[0] == 'keep' and self.us(op.tx.began) + KEEP * US < self.now:
                    allowed[k] += 1
            if sum(not maybe for op, maybe in removals) > 1:
                self.find(f'double: {pair} was consumed by {[op.tx.x for op, maybe in removals]}', pair)
        purged = max([op.t1 if not maybe else INF for op, maybe in self.purges], default=-INF)
        visible = {s.k for all in self.seen.values() for s in all if s.q.startswith('dedup')} | self.known
        finds = []
        for k in set(base) | set(self.births):
            low = high = len(base[k])
            for pair, row, archived in base[k]:
                if archived:
                    allowed[k] += pair[0] == 'keep'
                elif pair[0] == 'unlogged':
                    allowed[k] += self.crashed
                elif pair[0] == 'purged':
                    allowed[k] += purged > -INF
                elif STREAM_OF.get(pair[0]) in SHORT:
                    allowed[k] += 1
                elif pair[0] == 'ttl':
                    allowed[k] += row.at + self.ttl(row.headers) * US < self.now
            for b in self.births[k]:
                if b.q.startswith('dedup') and b.headers:
                    # a duplicate is not counted; check_dedup sees that it is
                    # no loss
                    born = k in visible or there[k] > 0
                    low += born
                    high += born
                    continue
                low += not b.maybe or k in self.known
                high += 1
                if b.q == 'purged':
                    allowed[k] += b.op.t0 < purged
                elif STREAM_OF.get(b.q) in SHORT:
                    allowed[k] += 1
                elif b.q == 'unlogged':
                    allowed[k] += self.crashed
                elif b.q == 'ttl':
                    allowed[k] += self.us(b.op.tx.began) + self.ttl(b.headers) * US < self.now
            for wrong, what in (there[k] < low - removed[k] - perhaps[k] - allowed[k], 'lost'), (there[k] > high - removed[k], 'double'):
                if wrong:
                    finds.append((f'{what}: {k} is there {there[k]} times; sent {low} to {high}, consumed {removed[k]} to {removed[k] + perhaps[k]}', k))
        if finds:
            what, k = finds[0]
            self.find(f'{what} (one of {len(finds)})', k, *[(b.q, b.id) for b in self.births[k] if b.id is not None])

    def us(self, t):
        return (t + self.wall) * US - 50000

    def ttl(self, headers):
        return min(TTL['ttl'], headers['x-pgmq-ttl']) if headers and headers.get('x-pgmq-ttl') in (1, 2) else headers['x-pgmq-ttl'] if headers and 'x-pgmq-ttl' in headers else TTL['ttl']

    def check_removals(self):
        """A removed message is gone; one that could not be removed has changed since."""
        for pair, removals in self.removals.items():
            for op, maybe in removals:
                if not maybe and pair in self.L:
                    self.find(f'{pair} is there after its {op.op}', pair)
        for tx in self.txs.values():
            # what was prepared in an earlier round saw what there was then
            if tx.state == 'aborted' and not tx.auto or tx.x.split('.')[1] != str(self.round):
                continue
            for op in tx.ops.values():
                if op.op not in REMOVALS or op.op == 'pop' or op.r is None and op.op != 'forward' or op.t1 == INF or op.e or op.undone < INF:
                    continue
                done = op.r if isinstance(op.r, list) else op.args['ids'] if op.r is not None else []
                asked = op.tx.began if op.tx.level else op.t0     # when its snapshot was taken, at the earliest
                for i, id in enumerate(op.args['ids']):
                    row = self.L.get((op.args['q'], id))
                    if id in done or row is None or op.tx.state == 'pending':
                        continue
                    # who did not see it yet is right, and it may have come by a move; a
                    # fence fits when that read was committed before
                    pair = op.args['q'], id
                    began = self.live.get(pair)
                    reads = [s.rc for s in self.seen.get(pair, []) if s.op.op == 'read' and s.op.undone == INF and s.op.tx.state == 'committed' and s.op.tx.c1 < asked]
                    rc = op.args.get('rc')
                    if rc is not None:
                        there = rc[i] == row.rc and (began and began.rc == row.rc or row.rc in reads)
                    else:
                        there = began or reads or any((b.q, b.id) == pair and b.c1 < asked for b in self.births.get(row.k, []))
                        # not what a subscription was not given yet, nor to an old snapshot
                        if (op.op == 'dead_letter' or op.tx.level) and op.args['q'] in self.subscriptions:
                            there = reads
                    if there:
                        self.find(f'{op.op} of {pair} said that there is none, and there is', pair)

    def check_fences(self):
        """A fenced verb leaves a message alone that was read since."""
        for tx in self.txs.values():
            if tx.level:
                continue
            for op in tx.ops.values():
                if not op.args.get('rc') or op.r is None:
                    continue
                done = {m[0] if isinstance(m, list) else m for m in op.r} if isinstance(op.r, list) else set(op.args['ids'])
                for id, rc in zip(op.args['ids'], op.args['rc']):
                    pair = op.args['q'], id
                    if id in done and any(s.rc > rc and s.op.op == 'read' and s.op.undone == INF and s.op.tx.state == 'committed' and s.op.tx.c1 < op.t0
                                          for s in self.seen.get(pair, [])):
                        self.find(f'{tx.x}: {op.op} of {pair} passed the fence {rc}, and it had been read since', pair)

    def check_archive(self):
        """The archive has what was archived, and nothing else."""
        for pair, row in self.A.items():
            if pair in self.archive or any(op.op == 'archive' for op, maybe in self.removals.get(pair, [])):
                if self.keys.get(pair) != row.k:
                    self.find(f'the archive has another message as {pair}', pair)
                if any(not maybe for op, maybe in self.unarchived.get(pair, [])):
                    self.find(f'{pair} is in the archive after unarchive', pair)
                continue
            self.find(f'{pair} is in the archive, and nobody archived it', pair)
        due = [(pair, INF) for pair in self.archive if pair[0] != 'keep']
        # archived_at and enqueued_at are when the transaction began
        due += [(pair, op.tx.began) for pair, removals in self.removals.items() for op, maybe in removals if op.op == 'archive' and not maybe]
        for pair, began in due:
            if pair in self.A or pair in self.unarchived or pair[0] == 'keep' and self.us(began) + KEEP * US < self.now:
                continue
            self.find(f'{pair} was archived, and is not in the archive', pair)

    def check_reads(self):
        """One call returns what was asked for, in order."""
        for op, rows in self.calls:
            a = op.args
            pairs = [(s.q, s.id) for s in rows]
            if len(rows) > a['qty'] or len(set(pairs)) < len(pairs):
                self.find(f'{op.tx.x}: {a["qty"]} asked for, returned {pairs}', *pairs[:3])
            if op.op == 'read' and a['form'] in ('read', 'read_grouped', 'read_grouped_head') or op.op == 'pop':
                # a message's priority is its w
                order = [(s.q, -s.w if s.q == 'prio' else 0, s.id) for s in rows]
                if order != sorted(order):
                    self.find(f'{op.tx.x}: not in order: {pairs}', *pairs[:3])
            for s in rows:
                if op.op == 'read':
                    if abs(s.vt - s.last - a['vt'] * US) > 2:
                        self.find(f'{op.tx.x}: a vt of {a["vt"]} s was asked for; it was {(s.vt - s.last) / US}', (s.q, s.id))
                    if a.get('w') is not None and s.w != a['w']:
                        self.find(f'{op.tx.x}: returned what the condition does not match', (s.q, s.id))
                    if s.rc > MAX_READS.get(s.q, INF):
                        self.find(f'{(s.q, s.id)} was read {s.rc} times', (s.q, s.id))
                    if s.q == 'ttl_dead' and s.last - s.at > TTL[s.q] * US:
                        self.find(f'{(s.q, s.id)} was returned {(s.last - s.at) / US} s old', (s.q, s.id))

    def holds(self, pair):
        """Steps that keep others from a message until their transaction ends."""
        for s in self.seen.get(pair, []):
            yield s.op
        for op in self.touching.get(pair, []):
            yield op

    def check_leases(self):
        self.touching = collections.defaultdict(list)
        for tx in self.txs.values():
            for op in tx.ops.values():
                if op.r and op.op in ('delete', 'archive', 'dead_letter', 'set_vt', 'nack'):
                    for m in op.r:
                        self.touching[op.args['q'], m[0] if isinstance(m, list) else m].append(op)
                elif op.op == 'forward' and op.r:
                    self.touching[op.args['q'], op.args['ids'][0]].append(op)
        for pair, all in self.seen.items():
            # held by a transaction that had not ended
            for s in all:
                for hold in self.holds(pair):
                    if hold.tx is not s.op.tx and hold.t1 < s.op.t0 and s.op.t1 < hold.ended:
                        self.find(f'double: {pair} was returned to {s.op.tx.x}, while {hold.tx.x} had it', pair)
            for op, maybe in self.removals.get(pair, []):
                for s in all:
                    if s.op is not op and op.tx.c1 < s.op.t0:
                        self.find(f'{pair} was returned to {s.op.tx.x} after its {op.op} by {op.tx.x}', pair)
            for op in self.touching.get(pair, []):
                if op.op in REMOVALS:
                    for s in all:
                        if s.op.tx is op.tx and s.op.n > op.n and s.op.t0 < op.undone:
                            self.find(f'{pair} was returned after its {op.op} in the same transaction', pair)
            # leases that were committed
            reads = [s for s in all if s.op.op == 'read' and s.op.undone == INF and s.op.tx.state in ('committed', 'pending')]
            reads.sort(key=lambda s: s.rc)
            for one, two in zip(reads, reads[1:]):
                if one.rc == two.rc:
                    self.find(f'double: {pair} was read for the {one.rc}. time twice', pair)
            row = self.live.get(pair)
            floors = [(row.rc, row.vt)] if row else []
            for b in self.births.get(self.keys.get(pair), []):
                if (b.q, b.id) == pair and b.delay and not pair[0].startswith('dedup'):
                    floors.append((0, self.us(b.op.t0) + b.delay * US))
            floors += [(s.rc, s.vt) for s in reads]
            later = reads + [s for s in all if s.op.op == 'pop']
            for s in later:
                # pop returns the row as it was before
                rc = s.rc if s.op.op == 'read' else s.rc + 1
                before = max([f for f in floors if f[0] < rc], default=None)
                own = any(op.tx is s.op.tx and op.n < s.op.n for op in self.holds(pair))
                if before is None or own:
                    continue
                floor = before[1]
                for op in self.touches.get(pair, []):
                    known = {m[0]: m[1:] for m in op.r} if op.op == 'set_vt' and op.r is not None else {}
                    if pair[1] in known:
                        if before[0] <= known[pair[1]][0] < rc:
                            floor = min(floor, known[pair[1]][1])
                    elif op.op == 'nack' and op.r is not None and pair[1] not in op.r:
                        continue
                    elif op.op == 'set_vt' and op.r is not None:
                        continue
                    else:
                        delay = op.args['delay'] if op.op == 'nack' else op.args.get('s')
                        floor = min(floor, self.us(op.t0) + delay * US if delay is not None else -INF)
                when = s.last if s.op.op == 'read' else (s.op.t1 + self.wall) * US + 50000
                if when < floor:
                    self.find(f'double: {pair} was returned to {s.op.tx.x} {(floor - when) / US} s before its time', pair)

    def put_off(self, q, row, vt):
        """Whether a read met a spent message when its lease was over, and could not move it."""
        return row.vt > vt and (row.rc >= MAX_READS.get(q, INF) or q == 'ttl_dead' and row.vt - row.at > TTL[q] * US)

    def check_rows(self):
        """Each message in the queue is as the last step left it."""
        for pair, row in self.L.items():
            reads = [s for s in self.seen.get(pair, []) if s.op.op == 'read' and s.op.undone == INF and s.op.tx.state == 'committed']
            if not reads:
                continue
            last = max(reads, key=lambda s: s.rc)
            if row.rc < last.rc:
                self.find(f'{pair} was read {last.rc} times, and its read_ct is {row.rc}', pair)
            if row.rc == last.rc and pair not in self.touches and row.vt != last.vt and not self.put_off(pair[0], row, last.vt):
                self.find(f'{pair} has another vt than its last reader was told', pair)
        for pair, ops in self.touches.items():
            row = self.L.get(pair)
            if row is None or len(ops) > 1 or ops[0].op != 'set_vt' or ops[0].tx.state != 'committed':
                continue
            for id, rc, vt in ops[0].r or []:
                if id == pair[1] and rc == row.rc and vt != row.vt and not self.put_off(pair[0], row, vt) and not any(s.rc == row.rc and s.op.tx.c1 > ops[0].t0 for s in self.seen.get(pair, [])):
                    self.find(f'{pair} has another vt than set_vt gave it', pair)
        moved = {}
        for pair, row in self.L.items():
            if isinstance(row.headers, dict) and isinstance(row.headers.get('x-pgmq-dead-letter'), dict):
                dead = row.headers['x-pgmq-dead-letter']
                old = (dead['queue'], dead['msg_id'])
                if old in self.L:
                    self.find(f'double: {old} is there, and a dead letter as {pair}', old, pair)
                if moved.setdefault(old, pair) != pair:
                    self.find(f'double: {old} is a dead letter as {pair} and as {moved[old]}', old, pair)

    def check_fifo(self):
        """No message of a group is returned when an earlier one is there, but together with it."""
        groups = collections.defaultdict(list)
        for (q, id), row in self.live.items():
            if q in GROUPED:
                groups[q, group(row.headers)].append((id, -INF))
        of = {}
        for births in self.births.values():
            for b in births:
                if b.q in GROUPED and b.id is not None and not b.maybe:
                    groups[b.q, group(b.headers)].append((b.id, b.c1))
        for (q, g), all in groups.items():
            all.sort()
            for id, _ in all:
                of[q, id] = g
        ended = {}
        for pair, removals in self.removals.items():
            if pair[0] in GROUPED:
                ended[pair] = min(op.t0 if maybe else op.tx.c0 for op, maybe in removals)
        for q, g in groups:
            for id, _ in groups[q, g]:
                # a read may have made it a dead letter, nobody knows when, and
                # may have been rolled back after it had returned the next
                known = [self.live.get((q, id)), self.L.get((q, id))] + self.seen.get((q, id), [])
                if q in DEAD and ((q, id) not in self.L or any(row and row.rc >= MAX_READS[q] for row in known)):
                    ended[q, id] = -INF
        for op, rows in self.calls:
            if op.args['q'] not in GROUPED:
                continue
            q = op.args['q']
            own = {(o.args['q'], id) for o in op.tx.ops.values() if o.n < op.n and o.op in REMOVALS for id in o.args.get('ids', [])}
            t0 = op.t0 if op.tx.level == '' else op.tx.began
            asked = {s.id for s in rows}
            if op.args['form'] == 'read_grouped_head':
                heads = collections.Counter(of.get((q, s.id), s.id) for s in rows)
                if max(heads.values()) > 1:
                    self.find(f'{op.tx.x}: two heads of a group', *[(q, s.id) for s in rows][:3])
            for g in {of[q, s.id] for s in rows if (q, s.id) in of}:
                last = max(s.id for s in rows if of.get((q, s.id)) == g)
                for id, since in groups[q, g]:
                    if id >= last:
                        break
                    if id not in asked and since < t0 and (q, id) not in own and ended.get((q, id), INF) > op.t1:
                        self.find(f'order: {op.tx.x} got {(q, last)} of group "{g}", when {(q, id)} was there', (q, last), (q, id))

    def check_strict(self):
        """The messages of a group have ids in the order of commits."""
        groups = collections.defaultdict(list)
        for births in self.births.values():
            for b in births:
                if b.q == 'strict' and b.id is not None and not b.maybe:
                    groups[group(b.headers)].append(b)
        for g, all in groups.items():
            all.sort(key=lambda b: b.id)
            for i, one in enumerate(all):
                for two in all[i + 1:]:
                    if one.op.tx is not two.op.tx and one.c0 > two.op.t1:
                        self.find(f'order: {one.id} of group "{g}" was not committed when {two.id} was sent', (one.q, one.id), (two.q, two.id))

    def check_pauses(self):
        events = sorted(self.pauses, key=lambda op: op.t0)
        for i, op in enumerate(events):
            if op.op != 'pause' or op.tx.state != 'committed':
                continue
            end = min(events[i + 1].t0 if i + 1 < len(events) else INF, op.r / US - self.wall - 0.05)
            for call, rows in self.calls:
                if op.t1 < (call.t0 if call.tx.level == '' else call.tx.began) and call.t1 < end:
                    for s in rows:
                        if s.q == 'paused':
                            self.find(f'{(s.q, s.id)} was returned while the queue was paused', (s.q, s.id))

    def check_purges(self):
        for op, maybe in self.purges:
            if maybe:
                continue
            for (q, id), row in self.L.items():
                if q == 'purged' and ((q, id) in self.live or any(b.c1 < op.t0 for b in self.births[row.k])):
                    self.find(f'{(q, id)} is there after the queue was purged', (q, id))

    def losses(self, conn, q):
        """How many messages a subscription has lost, and the references whose message is gone."""
        lost, = conn.execute("SELECT coalesce(sum(value), 0)::bigint FROM pgmq.subscription_note WHERE kind = 'lost' AND subscription = %s::regclass", (f'pgmq.q_{q}',)).fetchone()
        # such a reference may be acknowledged, or is counted by the read that finds it
        return lost, {(q, row[0]) for row in conn.execute(f'SELECT msg_id FROM {references(q)} r WHERE NOT EXISTS (SELECT FROM pgmq.q_{STREAM_OF[q]} m WHERE m.msg_id = r.msg_id)')}

    def check_lost(self, conn):
        """What retention took away before it was finished is counted, and nothing else."""
        for q, stream in STREAM_OF.items():
            with snapshot(conn):
                lost, bodiless = self.losses(conn, q)
            before = self.lost[q]
            had = {pair for pair in self.live if pair[0] == q} | self.bodiless[q] | {(q, b.id) for births in self.births.values() for b in births if b.q == q and b.id is not None and not b.maybe}
            gone = {pair for pair in had if pair not in self.L and pair not in bodiless and not self.removals.get(pair)}
            unsure = q in DEAD or any(b.maybe or b.id is None for births in self.births.values() for b in births if b.q == q) or \
                any(maybe for pair, removals in self.removals.items() if pair[0] == q for op, maybe in removals)
            if stream not in SHORT and lost:
                self.find(f'{q} has lost {lost} messages, though its stream has no limit')
            if len(gone) != lost - before and not unsure:
                self.find(f'{q}: {sorted(gone)} are gone, and {lost - before} counted as lost', *sorted(gone)[:3])

    def counted(self):
        """What the counters of each queue have grown by, by the ledger; and the queues of which it does not know."""
        count = collections.defaultdict(collections.Counter)
        unsure = set()
        for tx in self.txs.values():
            if tx.state not in ('committed', 'maybe') or tx.end == 'prepare':
                continue        # who prepares counts nothing
            for op in tx.live():
                q = op.args.get('q')
                if tx.state == 'maybe' or op.r is None and op.op != 'forward':
                    unsure |= set(op.args.get('qs', ())) | ({'topic_a', 'topic_b'} if op.op == 'send_topic' else {'other'} if op.op == 'forward' else set()) | {q}
                elif op.op == 'send':
                    count[q]['sent'] += len(op.r)
                elif op.op == 'send_topic':
                    for queue in [row[0] for row in op.r] if isinstance(op.r, list) else ['topic_a', 'topic_b'][:op.r]:
                        count[queue]['sent'] += 1
                elif op.op == 'unarchive':
                    count[q]['sent'] += 1
                elif op.op in ('read', 'pop'):
                    for row in op.r:
                        again = row[2] > (op.op == 'read')
                        if again:
                            few, many = self.expired((row[0], row[1]), row[2] - (op.op == 'read'))
                            count[row[0]].update(few=few, many=many)
                        count[row[0]].update(delivered=1, redelivered=again, wait_count=not again, acked=op.op == 'pop', age_count=op.op == 'pop')
                elif op.op in ('delete', 'archive'):
                    count[q].update(acked=len(op.r), age_count=len(op.r), archived=len(op.r) * (op.op == 'archive'))
                elif op.op == 'forward' and op.r is not None:
                    count[q]['acked'] += 1
                    count['other']['sent'] += 1
                elif op.op in ('nack', 'set_vt', 'dead_letter'):
                    count[q][{'nack': 'nacked', 'set_vt': 'extended', 'dead_letter': 'dead_explicit'}[op.op]] += len(op.r)
        return count, unsure

    def expired(self, pair, rc):
        """Whether a message that was read again had a lease that ran out, by its read before: the least and the most that it counts."""
        before = [s for s in self.seen.get(pair, []) if s.op.op == 'read' and s.rc == rc and s.op.undone == INF and s.op.tx.state == 'committed']
        if len(before) != 1 or pair in self.touches:
            return 0, 1
        return (1, 1) if before[0].op.args['vt'] > 0 else (0, 0)

    def check_counters(self, counters):
        """The server has counted what the ledger knows to be committed, unless it has lost its counters."""
        count, unsure = self.counted()
        unsure |= self.sought | {seeks.NAME, 'conv', 'conv_log'}      # sends to one are counted for the other from some moment on
        for q, (since, after) in counters.items():
            if q in unsure or q not in self.counters or self.counters[q][0] != since:
                continue
            before = self.counters[q][1]
            grown = {name: after[name] - before[name] for name in COUNTERS}
            # what is sent again, or comes from elsewhere, is in no ledger
            grown['sent'] += grown.pop('deduplicated')
            if q in ('job_dead', 'sub_dead_end') or q in DEAD or q in STREAM_OF:
                del grown['sent']
            wrong = {name: (n, count[q][name]) for name, n in grown.items() if n != count[q][name]}
            expired = after[EXPIRED] - before[EXPIRED]
            if q not in STREAM_OF and not count[q]['few'] <= expired <= count[q]['many']:
                wrong[EXPIRED] = (expired, (count[q]['few'], count[q]['many']))
            if wrong:
                self.find(f'the counters of {q} are (by the server, by the ledger): {wrong}')
            self.agreed += 1
