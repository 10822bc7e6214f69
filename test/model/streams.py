#!/usr/bin/env python3
"""Check the rules of streams over every interleaving of small cases.

usage: test/model/streams.py

One stream with one subscription, blocks of two ids, and transactions that are
scripts of operations.  A commit makes what a transaction did visible; an open
transaction may also be rolled back at its end.  The subscription has what
src/stream/ has of it: references, and of each block the mask of the ids that
were given out and the transactions for which it waits.

The invariants: a message that is committed is given out, finished, counted as
lost, or would be found by a read that begins now, unless an open transaction
has locked its block.  No message is given out twice, or both lost and given
out.  A read in order returns none that comes after one it should have found.
When nothing is open any more no reader sleeps beside a message.

First the protocol must hold in each case; then each rule is left out in turn,
and the case named beside it must have a counterexample.

  send N          locks the table, draws ids and inserts
  draw, put       the same in two steps; a read between them is by a trigger
  after I         begins when transaction I has ended
  prep            PREPARE TRANSACTION
  read N          reads and acknowledges up to N messages
  lease N         the same, taking messages as it gives them out, as a pop does
  order           reads the first message, by groups
  wait            reads one message, and sleeps until there is one
  ack R           acknowledges a message whether it was given out or not
  retain R        removes all messages up to R by retention
  seek latest, seek earliest
"""
import gc
import sys
from collections import deque, namedtuple
from functools import lru_cache

OPEN, PREPARED, ENDED, DONE = range(4)
FULL, TO_COME = 3, frozenset([0])
# what is committed: messages, notes (first and last block, mask, waits, start
# of the server), first block that is not finished, ids that have a reference,
# are finished, were counted as lost
Db = namedtuple('Db', 'rows notes done refs finished lost')
# a process: place in the script, state of its operation, status, number, whether
# it has locked the stream and how the subscription ('read', 'seek'), blocks it
# has locked, own changes (what, value), is woken
Proc = namedtuple('Proc', 'pc sub status vx sends sub_lock blocks own woken')
State = namedtuple('State', 'db last begun starts procs events')
START = Proc(0, (), OPEN, 0, False, None, frozenset(), (), False)
END = START._replace(status=DONE)


@lru_cache(maxsize=None)
def apply(db, own):
    """The database after a transaction's changes, and what is wrong with them."""
    rows, refs, finished, lost = set(db.rows), set(db.refs), set(db.finished), set(db.lost)
    notes, done = dict(db.notes), db.done
    wrong = None
    for what, value in own:
        if what in ('ref', 'fin'):
            if value in refs or value in finished:
                wrong = f'message {value} is given out twice'
            if value in lost:
                wrong = f'message {value} is lost and given out'
            (refs if what == 'ref' else finished).add(value)
        elif what == 'take':
            if value in refs:
                refs.remove(value)
                finished.add(value)
        elif what == 'lost':
            if value in finished or value in lost:
                wrong = f'message {value} is counted as lost, and not lost'
            refs.discard(value)
            lost.add(value)
        elif what == 'row':
            rows.add(value)
        elif what == 'gone':
            rows.discard(value)
        elif what == 'note':
            notes[value[0]] = value[1:]
        elif what == 'drop':
            del notes[value]
        elif what == 'done':
            done = value
            notes = {f: n for f, n in notes.items() if n[0] >= done}
        elif what == 'reset':
            notes, done, refs, finished = {}, value[0], set(), set(value[1])
    for what, value in own:
        if what == 'gone' and value not in refs | finished | lost:
            wrong = f'message {value} is lost, and not counted'
    return Db(*map(frozenset, (rows, notes.items())), done, *map(frozenset, (refs, finished, lost))), wrong


def settled(note):
    return not note[2] or (note[1] == FULL)


def ripe(note, open_, starts):
    return not settled(note) and (note[3] != starts or any(w not in open_ for w in note[2]))


def bit(r):
    return 1 << (r & 1)


def drawn_ids(b, drawn):
    return sum(bit(r) for r in (2 * b, 2 * b + 1) if r <= drawn)


def holders(procs, me, off=()):
    """Those who may still commit an id."""
    return frozenset(p.vx for i, p in enumerate(procs) if p.sends and (i != me or 'own' not in off))


def worth(first, note, drawn, open_, starts):
    return ripe(note, open_, starts) and (note[0] > first or bool(drawn_ids(first, drawn) & ~note[1]))


def plan(db, drawn, open_, starts):
    """What a feeding looks at, in order."""
    notes, result, nxt, head = sorted((f, n) for f, n in db.notes if n[0] >= db.done), [], db.done, drawn >> 1
    for i, (first, note) in enumerate(notes + [(head + 1, None)]):
        if nxt < first:
            result.append(('run', nxt, min(first - 1, head)))
        if note is None:
            break
        if worth(first, note, drawn, open_, starts):
            result.append(('run' if note[0] == first else 'gap', first, note[0]))
        nxt = max(nxt, note[0] + 1)
    return tuple(item for item in result if item[1] <= item[2])


def holes(db, drawn, open_, starts):
    """Blocks before the last id given out of which more may be given out, and that id."""
    last = 2 * db.done - 1
    for first, note in db.notes:
        if settled(note):
            last = max(last, 2 * note[0] + 1)
        elif note[0] == first and note[1]:
            last = max(last, 2 * first + (1 if note[1] & 2 else 0))
    return tuple(('hole', item[1], min(item[2], last >> 1)) for item in plan(db, drawn, open_, starts)
                 if 2 * item[1] <= last), min(last, drawn)


def found(db, r, open_, starts):
    """Whether a read that begins now finds a message."""
    b = r >> 1
    cover = [(f, n) for f, n in db.notes if f <= b <= n[0]]
    gaps = [n for f, n in cover if n[0] > f]
    if b < db.done or any(settled(n) or n[1] & bit(r) for _, n in cover):
        return False
    return all(ripe(n, open_, starts) for n in gaps or [n for _, n in cover])


def check(script, off=(), limit=400000):
    """Return (path to what is wrong, or None; number of states)."""
    scripts, first, events = script['do'], script.get('rows', 0), script.get('events', ())
    last = script.get('last', first - 1)
    db = Db(frozenset(range(first)), frozenset(), 0, frozenset(), frozenset(), frozenset())
    start = State(db, last, -1, 0, (START,) * len(scripts), events)
    seen, todo = {start}, deque([(start, None)])

    def told(entry, *more):
        path = []
        while entry[1] is not None:
            path.append(entry[2])
            entry = entry[1]
        return tuple(reversed(path)) + more, len(seen)

    while todo:
        entry = todo.popleft()
        state = entry[0]
        wrong = hidden(state)
        if wrong:
            return told(entry, wrong)
        for label, new, wrong in steps(script, state, off):
            if wrong:
                return told((new, entry, label), wrong)
            if new not in seen:
                seen.add(new)
                todo.append((new, entry, label))
        if len(seen) > limit:
            return ('too many states',), len(seen)
    return None, len(seen)


def hidden(state):
    db, procs = state.db, state.procs
    left = db.rows - db.refs - db.finished - db.lost
    busy = {b for p in procs if p.status != DONE for b in p.blocks}
    changed = {v for p in procs for w, v in p.own if w in ('gone', 'lost', 'ref', 'fin', 'take')}
    seeks = any(p.sub_lock == 'seek' for p in procs)
    open_ = holders(procs, None)
    for r in left:
        if r >> 1 not in busy and r not in changed and not seeks and not found(db, r, open_, state.starts):
            return f'message {r} is hidden'
    awake = [p for p in procs if p.status != DONE and (p.woken or p.sub != ('asleep',))]
    if not awake and any(p.status != DONE for p in procs) and left | db.refs:
        return f'a reader sleeps beside message {min(left | db.refs)}'
    return None


def steps(script, state, off):
    for i, p in enumerate(state.procs):
        if p.status != DONE:
            yield from Step(script, state, off, i).all()
    for event in set(state.events):
        # only what is prepared is still there, under another number; a crash that the server survives is no start
        procs = tuple(p._replace(vx=-i - 1) if p.status == PREPARED else p if p.status == OPEN and p.vx == 0 else END
                      for i, p in enumerate(state.procs))
        starts = state.starts + (event == 'restart' and 'restart' not in off)
        yield event, State(state.db, state.last, 0, starts, procs, ()), None


class Step:
    """What one process may do next."""

    def __init__(self, script, state, off, i):
        self.state, self.off, self.i, self.p = state, off, i, state.procs[i]
        self.script, self.ops = script, script['do'][i]
        self.filtered = script.get('filtered', ())
        self.waits = any(op[0] == 'wait' for ops in script['do'] for op in ops)
        self.others = [q for j, q in enumerate(state.procs) if j != i and q.status != DONE]

    def go(self, label, db=None, last=None, wake=False, wrong=None, **k):
        state, p = self.state, self.p._replace(**k)
        begun = state.begun
        if p.status == DONE:
            p = END
        elif p.vx == 0:
            # after a restart numbers begin again
            begun += begun >= 0
            p = p._replace(vx=begun if begun >= 0 else self.i + 1)
        procs = state.procs[:self.i] + (p,) + state.procs[self.i + 1:]
        if wake:
            procs = tuple(q._replace(woken=True) if q.sub and j != self.i else q for j, q in enumerate(procs))
        new = state._replace(db=db or state.db, last=state.last if last is None else last, begun=begun, procs=procs)
        return f't{self.i} {label}', new, wrong

    def view(self):
        return apply(self.state.db, self.p.own)[0]

    def free(self, b):
        return all(b not in q.blocks for q in self.others)

    def with_block(self, b):
        return self.p.blocks | {b}

    def changes(self, *changes):
        return self.p.own + changes

    def locked(self, r):
        """Whether another one has locked a reference."""
        return any(c in q.own for q in self.others for c in (('take', r), ('lost', r)))

    def put(self, db, b, mask, drawn, open_):
        """The note of a block, as PGMQ_STMT_BLOCKS_PUT makes it."""
        old, starts, complete = dict(db.notes).get(b), self.state.starts, drawn + 1 >> 1
        last = b
        if old is not None:
            last, mask = old[0], mask | old[1]
        if mask == FULL:
            waits = frozenset()
        elif (b if 'gap' in self.off else last) >= complete and 'complete' not in self.off:
            waits = TO_COME
        elif old is None or old[3] != starts or 0 in old[2]:
            waits = open_
        else:
            waits = frozenset(c for c in open_ if c in old[2] or (c < 0 and 'prepared' not in self.off))
            if 'all' in self.off:
                waits = frozenset()
        return 'note', (b, last, mask, waits, starts)

    def all(self):
        p = self.p
        if p.status == PREPARED:
            yield from self.end('commit prepared', 'rollback prepared')
        elif p.status == ENDED:
            yield self.go('unlocks', status=DONE)
        elif p.sub:
            yield from getattr(self, 'do_' + p.sub[0])(*p.sub[1:])
        elif p.pc < len(self.ops):
            yield from getattr(self, 'op_' + self.ops[p.pc][0])(*self.ops[p.pc][1:])
        else:
            yield from self.end('commit', 'abort')

    def end(self, commit, abort):
        p = self.p
        db, wrong = apply(self.state.db, p.own)
        news = any(w in ('row', 'ref') for w, _ in p.own)
        later = self.waits and p.blocks
        yield self.go(commit, db=db, wrong=wrong, wake=news, status=ENDED if later else DONE, own=(), sends=False)
        if self.i in self.script.get('fails', range(9)):
            yield self.go(abort, status=DONE)

    # what is not reading

    def op_send(self, n=1):
        r, p = self.state.last + 1, self.p
        yield self.go(f'sends {r}', last=r + n - 1, pc=p.pc + 1, sends=True,
                      own=self.changes(*[('row', m) for m in range(r, r + n)]))

    def op_after(self, other):
        if self.state.procs[other].status == DONE:
            self.p = self.p._replace(pc=self.p.pc + 1)
            yield from self.all()

    def op_draw(self):
        r, p = self.state.last + 1, self.p
        yield self.go(f'draws {r}', last=r, pc=p.pc + 1, own=self.changes(('drew', r)),
                      sends=p.sends or 'lock' not in self.off)

    def op_put(self):
        r = [v for w, v in self.p.own if w == 'drew'][-1]
        yield self.go(f'inserts {r}', pc=self.p.pc + 1, sends=True, own=self.changes(('row', r)))

    def op_prep(self):
        yield self.go('prepare', pc=self.p.pc + 1, status=PREPARED)

    # acknowledging

    def op_ack(self, r):
        if any(q.sub_lock == 'seek' for q in self.others):
            return
        yield self.go(f'acknowledges {r}', sub=('delete', r, 'pass'), sub_lock='read')

    def do_delete(self, r, then):
        db, pc = self.view(), self.p.pc + 1
        if r in db.refs:
            if not self.locked(r):
                yield self.go(f'removes {r}', sub=(), pc=pc, own=self.changes(('take', r)))
        elif then and r in db.rows and r <= self.state.last:
            yield self.go(f'passes {r}', sub=('pass', r, holders(self.state.procs, self.i, self.off)))
        else:
            yield self.go('finds nothing', sub=(), pc=pc)

    def do_pass(self, r, open_):
        b, db = r >> 1, self.view()
        if not self.free(b) and 'ack waits' not in self.off:
            return
        cover = [(f, n) for f, n in db.notes if f <= b <= n[0]]
        gone = r not in db.rows and 'ack looks' not in self.off
        if gone or b < db.done or any(settled(n) or n[0] > f for f, n in cover):
            yield self.go('has it behind it', sub=(), pc=self.p.pc + 1)
        elif any(n[1] & bit(r) for _, n in cover):
            yield self.go('was late', sub=('delete', r, None), blocks=self.with_block(b))
        else:
            notes = () if 'ack notes' in self.off else (self.put(db, b, bit(r), 2 * b - 1, open_),)
            yield self.go(f'notes {r}', sub=(), pc=self.p.pc + 1, blocks=self.with_block(b),
                          own=self.changes(('fin', r), *notes))

    # reading

    def op_read(self, n=1):
        if not any(q.sub_lock == 'seek' for q in self.others):
            if self.ops[self.p.pc][0] == 'order' and 'late' not in self.off:
                yield self.go('begins to feed', sub_lock='read', sub=self.begin(n, 'late', None))
            else:
                yield from self.do_take(n, (self.state.db.rows, 9))

    op_lease = op_order = op_wait = op_read

    def do_take(self, n, before):
        """Take references; and if these are too few note the last id."""
        db, own, wrong, beyond = self.view(), (), None, False
        in_order = self.ops[self.p.pc][0] == 'order'
        left = db.rows - db.refs - db.finished - db.lost
        for r in sorted(db.refs):
            if n == 0 or (in_order and self.locked(r)):
                break
            if in_order and r > before[1] and 'upto' not in self.off:
                beyond = True
                break
            if self.locked(r):
                continue
            if r not in db.rows:
                own += (('lost', r),)
                continue
            own += (('take', r),)
            n -= 1
            passed = [m for m in left if m in before[0] and m < r]
            if in_order and passed:
                wrong = f'message {r} is read before {passed[0]}'
        label = f'takes {[r for w, r in own if w == "take"]}'
        k = dict(own=self.changes(*own), wrong=wrong, sub_lock='read', woken=False)
        if n == 0:
            yield self.go(label, sub=(), pc=self.p.pc + 1, **k)
        elif beyond:
            yield self.go(label, sub=self.begin(n, 'late', None), **k)
        else:
            yield self.go(label, sub=self.begin(n, 'feed', before), **k)

    def begin(self, n, mode, before):
        """Begin to feed: note the last id."""
        if mode == 'late':
            before = self.state.db.rows, 0
        first = holders(self.state.procs, self.i, self.off) if 'last first' in self.off else self.state.last
        return 'list', n, mode, before, first, self.view().rows if 'look last' in self.off else None

    def do_list(self, n, mode, before, first, seen):
        last, open_ = first, holders(self.state.procs, self.i, self.off)
        if 'last first' in self.off:
            last, open_ = self.state.last, first
        if self.i == self.script.get('slow'):
            yield self.go('lists', sub=('load', n, mode, before, last, open_, seen))
        else:
            yield from self.do_load(n, mode, before, last, open_, seen)

    def do_load(self, n, mode, before, drawn, open_, seen):
        db, starts, own = self.view(), self.state.starts, self.p.own
        if mode == 'feed':
            items = plan(db, drawn, open_, starts)
        else:
            items, upto = holes(db, drawn, open_, starts)
            before = before[0], upto
        done, notes = db.done, sorted(db.notes)
        for f, note in notes:
            if not (settled(note) or ('fold' in self.off and drawn_ids(f, drawn) == FULL)) or f > done:
                break
            done = max(done, note[0] + 1)
        if done > db.done and not any(w == 'done' for q in self.others for w, _ in q.own):
            own = self.changes(('done', done))
        yield self.go('loads', own=own, sub=('walk', n, mode, before, drawn, open_, seen, items, 0, (),
                                             db.notes if 'look again' in self.off else None))

    def do_walk(self, n, mode, before, drawn, open_, seen, items, count, busy, noted):
        kind = self.ops[self.p.pc][0]
        in_order = kind == 'order'

        def on(label, items, count=count, busy=busy, n=n, **k):
            if in_order and busy and 'order' not in self.off:
                items = ()
            if items and (count < n or mode == 'late'):
                return self.go(label, sub=('walk', n, mode, before, drawn, open_, seen, items, count, busy, noted), **k)
            if mode == 'late' and (not busy or 'order' in self.off):
                return self.go(label, sub=('take', n, before), **k)
            if mode == 'feed' and count > 0 and in_order and 'late' not in self.off:
                return self.go(label, sub=self.begin(n, 'late', None), **k)
            if mode == 'feed' and count > 0 and n > 0:
                return self.go(label, sub=('take', n, before), **k)
            if kind == 'wait' and n > 0:
                # where it has passed over a message it does not rely on a wake-up
                given = lambda r: any(f <= r >> 1 <= m[0] and m[1] & bit(r) for f, m in db.notes)
                polls = 'passed' not in self.off and any(r >> 1 in busy and not given(r) for r in db.rows)
                return self.go(label, sub=('polls' if polls else 'asleep',), **k)
            return self.go(label, sub=(), pc=self.p.pc + 1, **k)

        db = self.view()
        if not items:
            yield on('sees nothing', ())
            return
        what, first, last = items[0][:3]
        rows = db.rows if seen is None else seen
        rest = items[1:]
        if what == 'hole':
            cover = [m for f, m in db.notes if f == first]
            rest = ((what, first + 1, last),) * (first < last) + rest
            if not any(r in rows and not any(m[1] & bit(r) for m in cover) for r in (2 * first, 2 * first + 1)):
                yield on(f'finds no message in {first}', rest)
                return
        if what == 'gap':
            if not self.free(first):
                yield on(f'passes over {first}', rest, busy=busy + tuple(range(first, last + 1)))
            elif any(first <= r >> 1 <= last for r in rows):
                # but for 'gap alone' only this one, if it is still there
                drop = [f for f, m in db.notes if first <= f and m[0] <= last and
                        ((f, m[0]) == (first, last) or 'gap alone' in self.off)]
                yield on(f'forgets {first} to {last}', (('run', first, min(last, drawn >> 1)),) + rest,
                         blocks=self.with_block(first), own=self.changes(*[('drop', f) for f in drop]))
            else:
                yield on(f'looks at {first} to {last}', rest, blocks=self.with_block(first),
                         own=self.changes(self.put(db, first, 0, drawn, open_)))
            return
        if what == 'jump':
            nxt = items[0][3]
            rest = (('run', nxt, last),) + rest
            if self.free(first):
                own = () if first in dict(db.notes) else (('note', (first, nxt - 1, 0, open_, self.state.starts)),)
                yield on(f'notes {first} to {nxt - 1}', rest, blocks=self.with_block(first), own=self.changes(*own))
            else:
                yield on(f'passes over {first}', (('run', first, last),) + items[1:])
            return

        # a run of blocks, or what is late in one
        if what == 'run' and first < last:
            rest = ((what, first + 1, last),) + rest
        if not self.free(first) and 'block lock' not in self.off:
            yield on(f'passes over {first}', rest, busy=busy + (first,))
            return
        cover = [(f, m) for f, m in (db.notes if noted is None else noted) if f <= first <= m[0]]
        mask = 0
        for _, m in cover:
            mask |= m[1]
        upto, done, own, given = drawn, first < db.done or any(settled(m) or m[0] > f for f, m in cover), (), 0
        new = [r for r in (2 * first, 2 * first + 1) if r <= drawn and r in rows and not mask & bit(r) and not done]
        if kind == 'lease':
            new = new[:n - count]
            if count + len(new) == n and new and 'lease' not in self.off:
                upto = new[-1]
        for r in new:
            mask |= bit(r)
            own += (('fin' if kind == 'lease' or r in self.filtered else 'ref', r),)
            given += r not in self.filtered
        if not done and not (cover and not new and drawn_ids(first, upto) != FULL):
            own += (self.put(db, first, mask, upto, open_),)
        if kind == 'lease':
            n -= given
        else:
            count += given
        if what == 'run' and not new and first < last:
            nxt = min([r >> 1 for r in rows if first < r >> 1 and r <= drawn] + [last])
            if nxt > first + 1:
                rest = (('jump', first + 1, last, nxt),) + items[1:]
        yield on(f'feeds {new}', rest, count=count, n=n, blocks=self.with_block(first), own=self.changes(*own))

    def do_asleep(self):
        if self.p.woken:
            yield from self.do_polls()

    def do_polls(self):
        yield from self.do_take(1, (frozenset(), 0))

    # seek and retention

    def op_seek(self, where):
        if 'seek' in self.off or not any(q.sub_lock for q in self.others):
            lock = None if 'seek' in self.off else 'seek'
            yield self.go('seeks', sub=('seek', where, self.state.last), sub_lock=lock)

    def do_seek(self, where, last, open_=None):
        db = self.view()
        if open_ is None:
            yield self.go('lists', sub=('seek', where, last, holders(self.state.procs, self.i, self.off)))
            return
        if where == 'earliest':
            own = (('reset', (0, ())),)
        else:
            first = last >> 1 if not open_ or 'seek open' in self.off else 0
            own = (('reset', (max(first, 0), tuple(r for r in db.rows if r <= last))),)
            base = apply(db, own)[0]
            for b in range(max(first, 0), (last >> 1) + 1):
                own += (self.put(base, b, sum(bit(r) for r in db.rows if r >> 1 == b and r <= last), last, open_),)
        yield self.go(f'begins at {where}', sub=(), pc=self.p.pc + 1, own=self.changes(*own))

    def op_retain(self, upto):
        if any(q.sub_lock == 'seek' for q in self.others):
            return
        db, blocks, ids, unfinished = self.view(), self.p.blocks, [], self.view().done
        for f, note in sorted(db.notes):
            if not settled(note) or f > unfinished:
                break
            unfinished = max(unfinished, note[0] + 1)
        for r in sorted(r for r in db.rows if r <= upto):
            b = r >> 1
            if b < unfinished or self.free(b) or 'leave busy' in self.off:
                ids.append(r)
                if b >= unfinished:
                    blocks |= {b}
        noted = db if 'count later' in self.off else None
        yield self.go(f'removes {ids}', sub=('count', tuple(ids), noted), sub_lock='read', blocks=blocks,
                      own=self.changes(*[('gone', r) for r in ids]))

    def do_count(self, ids, db):
        db, own = db or self.view(), ()
        for r in ids:
            b = r >> 1
            given = b < db.done or any(f <= b <= n[0] and (settled(n) or n[1] & bit(r)) for f, n in db.notes)
            if r in db.refs and not self.locked(r) or not given:
                own += (('lost', r),)
        yield self.go(f'counts {[r for _, r in own]}', sub=(), pc=self.p.pc + 1, own=self.changes(*own))


READ, READ2, READ3 = ('read', 1), ('read', 2), ('read', 3)
LEASE, LEASE2, ORDER, WAIT = ('lease', 1), ('lease', 2), ('order', 1), ('wait', 1)
SEND, DRAW, PUT, PREP = ('send',), ('draw',), ('put',), ('prep',)
LATEST, EARLIEST = ('seek', 'latest'), ('seek', 'earliest')
CASES = {
    'two senders and a reader': dict(do=[[SEND], [SEND], [READ2]]),
    'draw, then insert': dict(do=[[DRAW, PUT], [SEND], [READ2]]),
    'two senders and two readers': dict(do=[[SEND], [SEND], [READ], [READ]], fails=()),
    'a trigger reads': dict(do=[[DRAW, READ, PUT], [SEND]]),
    'two readers': dict(do=[[READ], [READ2]], rows=3),
    'two that lease': dict(do=[[LEASE], [LEASE2], [SEND]], rows=2),
    'a filter': dict(do=[[READ2], [READ], [SEND]], rows=2, filtered=(0,)),
    'nothing for some blocks': dict(do=[[('send', 2)], [READ], [SEND, READ]], last=3, fails=(), slow=1),
    'blocks given out while noted as empty': dict(do=[[('send', 3)], [READ], [('after', 0), READ],
                                                      [('after', 1), READ]],
         last=3, fails=()),
    'acknowledge what was not given out': dict(do=[[('ack', 0)], [READ], [READ]], rows=1),
    'acknowledge beside a sender': dict(do=[[('ack', 1)], [READ2], [SEND]], rows=1),
    'acknowledge beside retention': dict(do=[[('ack', 0)], [('retain', 0)], [READ2]], rows=2),
    'prepare and restart': dict(do=[[SEND, PREP], [SEND], [('after', 1), READ], [('after', 1), SEND]],
         events=('restart',), fails=()),
    'prepare and crash': dict(do=[[SEND, PREP], [SEND], [('after', 1), READ], [('after', 2), READ]],
         events=('crash',), fails=()),
    'seek to the latest': dict(do=[[SEND], [('send', 2)], [LATEST], [READ]]),
    'seek beside a reader': dict(do=[[READ], [LATEST], [READ]], rows=2),
    'seek back beside a reader': dict(do=[[READ], [EARLIEST], [READ2]], rows=2),
    'retention': dict(do=[[READ], [('retain', 1)], [READ2]], rows=3),
    'retention beside senders': dict(do=[[SEND], [SEND], [('retain', 1)], [READ2]], rows=0),
    'wait beside a reader': dict(do=[[WAIT], [READ], [SEND]], rows=1),
    'wait beside one that finds nothing': dict(do=[[WAIT], [READ], [SEND]], rows=0),
    'wait beside an acknowledgement': dict(do=[[WAIT], [('ack', 0)], [SEND]], rows=1),
    'wait beside retention': dict(do=[[WAIT], [('retain', 0)], [SEND]], rows=1),
    'two that wait': dict(do=[[WAIT], [WAIT], [SEND, SEND]], rows=0),
    'in order': dict(do=[[SEND], [('send', 2)], [('after', 1), READ], [ORDER]], last=0, fails=()),
    'in order beside others': dict(do=[[READ], [READ], [ORDER]], rows=4, fails=(0,)),
    'two in order': dict(do=[[SEND], [('send', 2)], [('after', 1), ORDER], [('after', 2), ORDER],
                             [('after', 2), ORDER]],
         fails=()),
}
RULES = {
    'lock': ('an id is drawn before the table is locked', 'draw, then insert'),
    'last first': ('holders of locks are listed before the last id is noted', 'two senders and a reader'),
    'look last': ('the look is by a snapshot from before the list', 'two senders and a reader'),
    'own': ('feeding does not wait for its own transaction', 'a trigger reads'),
    'complete': ('a block is settled before all of its ids are drawn', 'two senders and a reader'),
    'all': ('a block is settled when one of those it waits for has ended', 'two senders and two readers'),
    'gap': ('blocks noted as one are settled by a list from before their last id', 'nothing for some blocks'),
    'gap alone': ('blocks noted as one are forgotten with the notes of each', 'blocks given out while noted as empty'),
    'block lock': ('feeding does not lock blocks', 'two readers'),
    'look again': ('feeding goes by notes from before it has the lock', 'two readers'),
    'lease': ('a lease notes what is after its last message as looked at', 'two that lease'),
    'fold': ('blocks that are not settled are forgotten', 'two senders and two readers'),
    'ack waits': ('an acknowledgement does not lock the block', 'acknowledge what was not given out'),
    'ack notes': ('an acknowledgement is not noted', 'acknowledge what was not given out'),
    'ack looks': ('an acknowledgement looks for the message before it has the lock', 'acknowledge beside retention'),
    'restart': ('a list outlasts the start of the server', 'prepare and restart'),
    'prepared': ('what is prepared is not waited for after a crash', 'prepare and crash'),
    'seek': ('a seek does not wait for readers', 'seek beside a reader'),
    'seek open': ('a seek to the latest goes by the last id', 'seek to the latest'),
    'leave busy': ('retention removes what is being given out', 'retention'),
    'count later': ('retention counts by notes from before it has the locks', 'retention'),
    'passed': ('a reader that has passed over a message sleeps', 'wait beside one that finds nothing'),
    'late': ('a read in order does not feed what was committed late', 'in order'),
    'upto': ('a read in order takes what was given out since it looked for late messages', 'in order'),
    'order': ('a read in order passes over blocks that others feed', 'two in order'),
}


def main():
    # there are many states, and no cycles
    gc.disable()
    failed = False
    for name, case in CASES.items():
        path, n = check(case)
        if path:
            failed = True
            print(f'not ok: {name}: {" | ".join(path)}')
        else:
            print(f'ok: {name} ({n} states)')
    for rule, (what, case) in RULES.items():
        path, n = check(CASES[case], (rule,))
        if not path:
            failed = True
        print(f'{"ok" if path else "not ok"}: without "{rule}" ({what}): '
              f'{case + ": " + " | ".join(path) if path else "no counterexample"}')
    sys.exit(failed)


if __name__ == '__main__':
    main()
