"""The rules of ledger.py for sub_seek, a subscription that clients send back and forth while others read it.

What was acknowledged may come again after a seek, so the rules of check.py do not fit.  Each seek, read and
acknowledgement has two times: before the first no other session can see it, after the second all do.
"""
import collections

from server import Find

INF = float('inf')
NAME = 'sub_seek'
STREAM = 'log'
LIKE = 'sub_all'                # what was sent to it was sent to sub_seek, too


class Client:
    """What a client of ledger.py does with it."""

    def __init__(self, client):
        self.client = client
        self.held = []          # [id, read_ct]

    def step(self):
        r = self.client.random
        step = r.choices([self.read, self.pop, self.delete, self.nack, self.seek], [40, 6, 40, 5, 5])[0]
        step()

    def read(self):
        r = self.client.random
        sql = f'SELECT msg_id, read_ct FROM pgmq.read(%s, {r.choice([0, 1, 2, 30])}, {r.choice([1, 3, 20, 100])})'
        self.held += self.client.op('seek_read', sql, (NAME,), lambda rows: [list(row) for row in rows])
        self.held = self.held[-200:]

    def pop(self):
        sql = f'SELECT msg_id FROM pgmq.pop(%s, {self.client.random.choice([1, 5, 30])})'
        self.client.op('seek_pop', sql, (NAME,), lambda rows: [row[0] for row in rows])

    def some(self):
        r = self.client.random
        some = dict(r.sample(self.held, min(len(self.held), r.choice([1, 3, 20, 100]))))
        if r.random() < 0.8:
            self.held = [m for m in self.held if m[0] not in some]
        return some

    def delete(self):
        some = self.some()
        if not some:
            return self.read()
        ids, fences = list(some), list(some.values())
        if self.client.random.random() < 0.5:
            self.client.op('seek_delete', 'SELECT pgmq.delete(%s, %s::bigint[], %s::integer[])', (NAME, ids, fences),
                           lambda rows: [row[0] for row in rows], did=ids, fences=fences)
        else:
            self.client.op('seek_delete', 'SELECT pgmq.delete(%s, %s::bigint[])', (NAME, ids), lambda rows: [row[0] for row in rows], did=ids)

    def nack(self):
        some = self.some()
        if some:
            self.client.op('seek_nack', 'SELECT pgmq.nack(%s, %s::bigint[], %s::integer, %s::integer[])', (NAME, list(some), 0, list(some.values())),
                           lambda rows: [row[0] for row in rows])

    def seek(self):
        # what is prepared keeps its lock, under which nothing could be compared
        if self.client.prepares:
            return self.read()
        r = self.client.random
        to = r.choice(['earliest', 'earliest', 'latest', 'id', 'id', 'time'])
        if to == 'id':
            # not to one that is not drawn yet: it would finish what is sent after the seek
            to = max(r.choice(self.held)[0] + r.choice([-70, -1, 0]), 0) if self.held else 0
        sql = {'time': "SELECT pgmq.seek(%s, (clock_timestamp() - interval '1 second')::text, %s)"}.get(to, 'SELECT pgmq.seek(%s, %s, %s)')
        args = (NAME,) if to == 'time' else (NAME, str(to))
        self.client.op('seek', sql, (*args, '{"force": true}'), lambda rows: [], to=to)


class Step:
    """What finishes messages or brings them back."""

    def __init__(self, op, sure=True):
        self.tx, self.t0, self.t1, self.c1 = op.tx, op.t0, op.t1, op.tx.c1
        self.sure = sure
        self.to = op.args.get('to')

    def restores(self, id):
        """A seek, for certain."""
        return self.sure and (self.to == 'earliest' or isinstance(self.to, int) and id >= self.to)

    def finishes(self, id):
        """A seek, perhaps."""
        return self.to in ('latest', 'time') or isinstance(self.to, int) and id < self.to

    def before(self, other):
        """For certain."""
        return self.t0 < other.t0 if self.tx is other.tx else self.c1 < other.t0


class Checker:
    def __init__(self):
        self.live = set()       # what it was still to give out when the round began
        self.returned = set()   # (id, read_ct) of reads that were committed
        self.seeks = 0

    def look(self, conn, table):
        """What it is to give out, and what its stream has."""
        return ({row[0] for row in conn.execute(f'SELECT msg_id FROM {table}')},
                {row[0] for row in conn.execute(f'SELECT msg_id FROM pgmq.q_{STREAM}')})

    def check(self, round, txs, births, there, stored):
        self.round, self.txs = round, txs
        seeks, reads, fenced = [], [], []
        ends = collections.defaultdict(list)
        anything = []           # pops of which nobody knows what they took
        for tx in txs.values():
            for op in tx.live() if tx.state in ('committed', 'maybe') else ():
                step = Step(op, tx.state == 'committed' and op.r is not None)
                if op.op == 'seek':
                    seeks.append(step)
                elif op.op == 'seek_read' and step.sure:
                    reads += [(id, rc, step) for id, rc in op.r]
                elif op.op == 'seek_pop' and op.r is None:
                    anything.append(step)
                elif op.op in ('seek_delete', 'seek_pop'):
                    for id in op.args['did'] if op.r is None else op.r:
                        ends[id].append(step)
                if op.op == 'seek_delete' and step.sure and 'fences' in op.args:
                    fenced += [(id, rc, step) for id, rc in zip(op.args['did'], op.args['fences']) if id in op.r]
        self.check_reads(reads, seeks, ends)
        self.check_fences({(id, rc): step for id, rc, step in reads}, seeks, fenced)
        born = collections.defaultdict(list)
        for b in [b for all in births.values() for b in all]:
            # what was prepared in an earlier round may have been finished by a seek since
            if b.q == LIKE and b.id is not None and not b.maybe and b.op.tx.x.split('.')[1] == str(round):
                born[b.id].append(Step(b.op))
        for id in self.live | set(born) | there:
            finishers = ends[id] + anything + [s for s in seeks if s.finishes(id)]
            # what all had finished may have been removed before a seek
            restorers = born[id] + [s for s in seeks if s.restores(id) and id in stored]
            if id in there:
                if any(self.is_final(end, seeks) for end in ends[id]):
                    self.find(f'double: {id} is there after it was finished')
            elif id in self.live and not finishers or any(all(f.before(r) for f in finishers) for r in restorers):
                self.find(f'lost: {id} is not there, and nobody has finished it')
        self.seeks += len(seeks)

    def is_final(self, end, seeks, until=INF):
        """Whether no seek may have brought back what was finished, until then."""
        return end.sure and all(s.before(end) or s.t0 > until for s in seeks if s.to != 'latest')

    def check_reads(self, reads, seeks, ends):
        """A lease is given out once, and nothing that was finished, but for a seek in between."""
        for id, rc, step in reads:
            if (id, rc) in self.returned:
                self.find(f'double: {id} was read for the {rc}. time twice')
            self.returned.add((id, rc))
            if any(end.tx is not step.tx and end.before(step) and self.is_final(end, seeks, step.t1) for end in ends[id]):
                self.find(f'double: {id} was read after it was finished')

    def check_fences(self, reads, seeks, fenced):
        """No fence from before a seek, or of an earlier read, fits."""
        of = collections.defaultdict(list)
        for (id, rc), read in reads.items():
            of[id].append((rc, read))
        for id, rc, step in fenced:
            read = reads.get((id, rc))
            if read and any(s.sure and read.before(s) and s.before(step) for s in seeks):
                self.find(f'{id} was finished by {step.tx.x} with the fence {rc} from before a seek')
            for other, later in of[id]:
                if other > rc and later.before(step):
                    self.find(f'{id} was finished by {step.tx.x} with the fence {rc} after it was read for the {other}. time')

    def find(self, what):
        steps = [(op.t0, f'{op.t0:.4f} {tx.x} {tx.state} until {tx.c1:.4f}: {op.op} {op.args} -> {op.r}')
                 for tx in self.txs.values() for op in tx.ops.values() if op.op.startswith('seek')]
        raise Find('\n'.join([f'round {self.round}: {NAME}: {what}'] + [text for _, text in sorted(steps)]))
