#!/usr/bin/env python3
"""Check the rules of batches over every interleaving of small cases.

usage: test/model/batches.py

The table of one subscription, READ COMMITTED: each statement sees what was
committed when it began, and what its transaction did.  DELETE waits for a row that
another one has changed, and then goes by its newest version; SKIP LOCKED passes
over it.  The key of a batch is less than that of any reference.  All messages are
of one block, which who gives messages out has locked until its end.

The invariants: a message that was given out is acknowledged, or exactly one row
has it.  No message is acknowledged twice, or returned afterwards, or twice with
the same fence.  No verb says of a message that is there, and whose fence fits,
that it is not.  A read by groups returns no message if an earlier one of its group
is not finished.  Retention of what is consumed removes nothing else.  Nobody waits
for a reader that sleeps, and none sleeps beside a message.

First the protocol must hold in each case; then each rule is left out in turn,
and the case named beside it must have a counterexample.

  read N          leases up to N messages, new ones as a batch
  group, wait     reads one message by groups; the same, and sleeps until there is one
  ack IDS F       acknowledges messages in one call, with the fence F or None
  nack R F        gives a message back
  extend R F      extends a lease, and waits for nobody
  retain          removes from the stream what the subscription has consumed
  send R          commits a message late
"""
import gc
import sys
from collections import deque, namedtuple

BATCH = -100
# what is committed: messages, ids given out, finished, (id, read_ct) that were returned, {key: (ids, read_ct, vt)}
Db = namedtuple('Db', 'msgs given finished leases rows')
# a process: place in the script, state of its operation, own changes (what, value ..), whether it has the block,
# is woken, reads again by itself, has split a batch, is done
Proc = namedtuple('Proc', 'pc sub own feeds woken polls split done')
State = namedtuple('State', 'db now procs')
START = Proc(0, (), (), False, False, False, False, False)
END = START._replace(done=True)


def apply(db, own):
    """The database after a transaction's changes, and what is wrong with them."""
    msgs, given, finished, leases, rows, wrong = *map(set, db[:4]), dict(db.rows), None
    for what, value, *new in own:
        if what == 'row':
            rows.pop(value, None)
            if new[0] is not None:
                rows[value] = new[0]
        elif what == 'gone':
            msgs.discard(value)
        else:
            to = {'msg': msgs, 'given': given, 'fin': finished, 'lease': leases}[what]
            if value in to and what != 'msg':
                wrong = f'{value} is {what} twice'
            to.add(value)
    held = [r for ids, _, _ in rows.values() for r in ids]
    if sorted(held) != sorted(given - finished):
        wrong = wrong or f'given out and not finished: {sorted(given - finished)}, rows: {sorted(held)}'
    return Db(*map(frozenset, (msgs, given, finished, leases)), tuple(sorted(rows.items()))), wrong


def has(rows, r, fence):
    return any(r in ids and fence in (None, ct) for ids, ct, _ in rows.values())


def check(case, off=(), limit=400000):
    """Return (path to what is wrong, or None; number of states)."""
    start = State(Db(frozenset(case['msgs']), frozenset(r for ids, _, _ in case.get('rows', ()) for r in ids),
                     frozenset(), frozenset(), tuple(sorted((key(ids), (ids, ct, vt)) for ids, ct, vt in
                                                            case.get('rows', ())))), 0, (START,) * len(case['do']))
    seen, todo = {start}, deque([(start, None)])

    def told(entry, *more):
        path = []
        while entry[1] is not None:
            path.append(entry[2])
            entry = entry[1]
        return tuple(reversed(path)) + more, len(seen)

    while todo:
        entry = todo.popleft()
        nexts = []
        for i, p in enumerate(entry[0].procs):
            if not p.done:
                nexts.extend(Step(case, entry[0], off, i).all())
        wrong = idle(case, entry[0], nexts)
        if wrong:
            return told(entry, wrong)
        if entry[0].now == 0 and case.get('over'):
            procs = tuple(p._replace(woken=True) for p in entry[0].procs)
            nexts.append(('the leases are over', entry[0]._replace(now=1, procs=procs), None))
        for label, new, wrong in nexts:
            if wrong:
                return told((new, entry, label), wrong)
            if new not in seen:
                seen.add(new)
                todo.append((new, entry, label))
        if len(seen) > limit:
            return ('too many states',), len(seen)
    return None, len(seen)


def idle(case, state, nexts):
    """What is wrong when nobody can go on."""
    sleepers = [i for i, p in enumerate(state.procs) if p.sub == ('asleep',)]
    if nexts or not sleepers:
        return None
    if any(not p.done and p.sub != ('asleep',) for p in state.procs):
        return 'somebody waits for a reader that sleeps'
    db, heads = state.db, set()
    for r in sorted(db.msgs - db.finished):
        group = case.get('groups', {}).get(r)
        if group not in heads and all(r not in ids or vt <= state.now for _, (ids, _, vt) in db.rows):
            return f'a reader sleeps beside message {r}'
        heads.add(group)
    return None


def key(ids):
    return BATCH + ids[0] if len(ids) > 1 else ids[0]


class Step:
    """What one process may do next."""

    def __init__(self, case, state, off, i):
        self.case, self.state, self.off, self.i, self.p = case, state, off, i, state.procs[i]
        self.others = [q for j, q in enumerate(state.procs) if j != i and not q.done]
        self.db = apply(state.db, self.p.own)[0]
        self.rows = dict(self.db.rows)
        self.batches = {k: row for k, row in self.rows.items() if k < 0}

    def go(self, label, *own, wrong=None, db=None, wakes=False, **k):
        p = self.p._replace(own=self.p.own + own, woken=False)._replace(**k)
        procs = tuple((END if p.done else p) if j == self.i else q._replace(woken=q.woken or wakes)
                      for j, q in enumerate(self.state.procs))
        return f't{self.i} {label}', self.state._replace(db=db or self.state.db, procs=procs), wrong

    def ends(self, label, *own, **k):
        return self.go(label, *own, sub=(), pc=self.p.pc + 1, **k)

    def locked(self, k):
        """Whether another one has changed a row."""
        return any(c[:2] == ('row', k) for q in self.others for c in q.own)

    def all(self):
        p = self.p
        if p.sub:
            yield from getattr(self, 'do_' + p.sub[0])(*p.sub[1:])
        elif p.pc < len(self.case['do'][self.i]):
            yield from getattr(self, 'op_' + self.case['do'][self.i][p.pc][0])(*self.case['do'][self.i][p.pc][1:])
        else:
            db, wrong = apply(self.state.db, p.own)
            batched = p.split or any(c[0] == 'row' and c[1] < 0 for c in p.own)
            # an acknowledgement of a batch wakes nobody
            news = any(c[0] == 'msg' or c[0] == 'fin' and not batched or
                       c[0] == 'row' and c[2] and c[2][2] <= self.state.now for c in p.own)
            yield self.go('commit', db=db, wrong=wrong, wakes=news, done=True)
            if self.i in self.case.get('fails', range(9)):
                yield self.go('abort', done=True)

    # batches

    def find(self, r, fence=None):
        return tuple(b for b in sorted(self.batches.items()) if any(i in b[1][0] and fence in (None, b[1][1]) for i in r))

    def open(self, batch, done=()):
        """The changes where a batch is removed of which some messages are done."""
        k, (ids, ct, vt) = batch
        rest = () if 'rest' in self.off else tuple(r for r in ids if r not in done)
        return (('row', k, None),) + tuple(('row', r, ((r,), 0 if 'fence' in self.off else ct, vt)) for r in rest) + \
            tuple(('fin', r) for r in done)

    def is_there(self, batch):
        return batch[0] in self.rows or 'removes' in self.off

    def split(self, batches, wait, then):
        """Split the first of some batches, then go on."""
        if batches and wait and 'wait' not in self.off and self.locked(batches[0][0]):
            return
        rest = ('split', batches[1:], wait, then) if batches[1:] else then
        if not batches:
            yield self.go('finds no batch', sub=then)
        elif self.locked(batches[0][0]) and 'removes' not in self.off or not self.is_there(batches[0]):
            if then[0] == 'scan' and 'grouped' not in self.off:
                yield from self.nothing('passes over a batch', True)
            else:
                yield self.go('passes over a batch', sub=rest)
        else:
            yield self.go(f'splits {batches[0][1][0]}', *self.open(batches[0]), sub=rest, split=True)

    do_split = split

    # acknowledging, giving back, extending

    def op_ack(self, ids, fence):
        each = tuple((task, (r,)) for r in ids for task in ('batches', 'pass', 'batches', 'rows')
                     if (task != 'pass' or fence is None) and (len(ids) == 1 or fence is None))
        if 'given' in self.off:
            each = tuple(each[i] for i in range(len(each)) if i % 4 != 2)
        first = (('rows', ids),) if len(ids) == 1 else (('batches', ids),) + (
            tuple(('rows', (r,)) for r in ids) if fence else (('rows', ids),))
        must = tuple(r for r in ids if fence is None or has(self.rows, r, fence))
        yield from self.do_ack(first + each, must, ids, fence, None)

    def do_ack(self, tasks, must, left, fence, seen):
        wanted = [r for r in tasks[0][1] if r in left] if tasks and left else ()
        if not tasks or not left:
            false = [r for ids, ct, _ in self.rows.values() for r in ids
                     if r in left and r in must and (fence is None or ct <= fence)]
            wrong = f'{false} is there, and not acknowledged' if false else None
            yield self.ends(f'says false for {left}' if left else 'says true', wrong=wrong)
        elif not wanted:
            yield from self.do_ack(tasks[1:], must, left, fence, seen)
        elif tasks[0][0] == 'batches':
            seen = tuple(self.rows) if 'new snapshot' in self.off else None
            yield self.go('finds batches', sub=('remove', self.find(wanted, fence), tasks, must, left, fence, seen))
        elif tasks[0][0] == 'pass':
            if any(q.feeds for q in self.others):
                return
            r, = wanted
            passes = r in self.db.msgs and r not in self.db.given
            yield self.go(f'passes {r}' if passes else f'{r} was given out', *(('given', r), ('fin', r)) * passes,
                          feeds=True, sub=('ack', tasks[1:], must, tuple(i for i in left if i != r or not passes),
                                           fence, seen))
        else:
            there = tuple(r for r in wanted if r in (self.rows if seen is None else seen))
            yield self.go(f'looks for {wanted}', sub=('delete', there, tasks, must, left, fence))

    def do_remove(self, batches, tasks, must, left, fence, seen):
        if not batches:
            yield from self.do_ack(tasks[1:], must, left, fence, seen)
        elif not self.locked(batches[0][0]) or 'wait' in self.off or 'removes' in self.off:
            done = tuple(r for r in tasks[0][1] if r in left and r in batches[0][1][0])
            if self.locked(batches[0][0]) and 'wait' in self.off or not self.is_there(batches[0]):
                yield self.go('the batch is gone', sub=('remove', batches[1:], tasks, must, left, fence, seen))
            else:
                left = tuple(r for r in left if r not in done)
                yield self.go(f'removes {done} of a batch', *self.open(batches[0], done),
                              sub=('remove', batches[1:], tasks, must, left, fence, seen))

    def do_delete(self, there, tasks, must, left, fence):
        if not there:
            yield from self.do_ack(tasks[1:], must, left, fence, None)
        elif not self.locked(there[0]):
            r = there[0]
            gone = r in self.rows and has(self.rows, r, fence)
            yield self.go(f'removes {r}' if gone else f'{r} is gone', *(('row', r, None), ('fin', r)) * gone,
                          sub=('delete', there[1:], tasks, must, tuple(i for i in left if i != r or not gone), fence))

    def op_nack(self, r, fence):
        yield self.go('finds batches', sub=('split', self.find((r,)), True,
                                             ('hold', r, fence, has(self.rows, r, fence))))

    def do_hold(self, r, fence, must, there=None):
        if there is None:
            yield self.go(f'looks for {r}', sub=('hold', r, fence, must, r in self.rows))
        elif not there or not self.locked(r):
            held = there and has(self.rows, r, fence)
            wrong = f'{r} is there, and not given back' if must and not held and has(self.rows, r, fence) else None
            own = (('row', r, ((r,), self.rows[r][1], self.state.now)),) if held else ()
            yield self.ends(f'gives back {r}' if held else 'says false', *own, wrong=wrong)

    def op_extend(self, r, fence):
        looks = ('refs', 'batches') if 'extend' in self.off else ('batches', 'refs')
        yield self.go('finds batches', sub=('split', self.find((r,)), False, ('held', r, fence, looks, False)))

    def do_held(self, r, fence, looks, held):
        if looks:
            rows = self.batches if looks[0] == 'batches' else {k: v for k, v in self.rows.items() if k >= 0}
            yield self.go(f'looks at {looks[0]}', sub=('held', r, fence, looks[1:], held or has(rows, r, fence)))
        else:
            wrong = f'{r} is lost, and held' if not held and has(self.rows, r, fence) else None
            yield self.ends('has extended' if held else 'says lost', wrong=wrong)

    # reading

    def op_read(self, n):
        yield from self.do_take(n)

    def do_take(self, n):
        due = [k for k, (_, _, vt) in sorted(self.rows.items()) if vt <= self.state.now and not self.locked(k)][:n]
        refs, own, wrong = [k for k in due if k >= 0], (), None
        for k in due:
            ids, ct, _ = self.rows[k]
            own += (('row', k, (ids, ct + 1, self.state.now + 1)),) + (('lease', (k, ct + 1)),) * (k >= 0)
            if set(ids) & self.db.finished:
                wrong = f'{ids} is returned, and finished'
        batches = tuple((k, self.rows[k]) for k in due if k < 0)
        then = ('expired', n - len(refs), batches) if batches else ('feed', n - len(refs))
        if then[1] == 0:
            yield self.ends(f'reads {refs}', *own, wrong=wrong)
        else:
            yield self.go(f'reads {due}', *own, wrong=wrong, sub=then)

    def do_expired(self, n, batches):
        own = sum((self.open((k, (ids, ct, min(vt, self.state.now)))) for k, (ids, ct, vt) in batches), ())
        yield self.go('splits them', *own, sub=('take', n), split=True)

    def do_feed(self, n):
        new = tuple(sorted(self.db.msgs - self.db.given))[:n]
        if not new or any(q.feeds for q in self.others):
            yield self.ends('gets no more')
        else:
            lo, hi, vt = new[0], new[-1], self.state.now + 1
            among = any(lo <= r <= hi or ids[0] <= lo <= ids[-1]
                                                    for ids, _, _ in self.batches.values() for r in ids)
            rows = [(r,) for r in new] if among else [new]
            yield self.ends(f'leases {new}', *[('row', key(ids), (ids, 1, vt)) for ids in rows],
                            *[c for r in new for c in (('given', r), ('lease', (r, 1)))], feeds=True)

    def op_group(self):
        if 'split late' in self.off:
            yield self.go('finds batches', sub=('late', self.find(self.db.msgs)))
        else:
            yield from self.do_late(None)

    op_wait = op_group

    def do_late(self, batches=None):
        upto = max(self.db.given, default=0)
        late = sorted(r for r in self.db.msgs - self.db.given if r < upto)
        if late and any(q.feeds for q in self.others):
            yield from self.nothing('passes over what is late', True)
            return
        yield self.go(f'feeds {late}', *[c for r in late for c in (('row', r, ((r,), 0, 0)), ('given', r))],
                      feeds=self.p.feeds or bool(late), sub=('all', upto, self.db.msgs, batches))

    def do_all(self, upto, known, batches):
        batches = self.find(self.db.msgs) if batches is None else batches
        then = ('scan', upto, known)
        yield self.go('finds batches', sub=('split', () if 'all' in self.off else batches, False, then))

    def do_scan(self, upto, known):
        heads, groups = set(), self.case.get('groups', {})
        for r in sorted(k for k in self.rows if k >= 0):
            _, ct, vt = self.rows[r]
            if groups.get(r) not in heads and vt <= self.state.now and r <= upto and not self.locked(r):
                before = [i for i in known - self.db.finished if i < r and groups.get(i) == groups.get(r)]
                wrong = f'{r} is returned before {before}' if before else None
                yield self.ends(f'reads {r}', ('row', r, ((r,), ct + 1, self.state.now + 1)), ('lease', (r, ct + 1)),
                                wrong=wrong)
                return
            heads.add(groups.get(r))
        new = sorted(self.db.msgs - self.db.given)
        if not new or any(q.feeds for q in self.others):
            yield from self.nothing('reads nothing', bool(new))
        else:
            yield self.go(f'feeds {new}', *[c for r in new for c in (('row', r, ((r,), 0, 0)), ('given', r))],
                          feeds=True, sub=('late', None))

    def nothing(self, label, passed):
        waits = self.case['do'][self.i][self.p.pc][0] == 'wait'
        if not waits or self.p.split and 'ends' not in self.off:
            yield self.ends(label)
        else:
            yield self.go(label, sub=('asleep',), polls=passed and 'passed' not in self.off, woken=self.p.woken)

    def do_asleep(self):
        # who polls reads again when somebody has ended; before it would find the same
        if self.p.woken or self.p.polls and not self.others:
            yield from self.op_group()

    # the stream

    def op_send(self, r):
        yield self.ends(f'sends {r}', ('msg', r))

    def op_retain(self):
        yield from self.do_look(('refs', 'batches') if 'retain' in self.off else ('batches', 'refs'), self.db.given)

    def do_look(self, looks, given, first=99):
        if looks:
            found = [r for k, (ids, _, _) in self.rows.items() if (k < 0) == (looks[0] == 'batches') for r in ids]
            yield self.go(f'looks at {looks[0]}', sub=('look', looks[1:], given, min(found + [first])))
        else:
            gone = sorted(r for r in given & self.db.msgs if r < first)
            left = set(gone) - self.db.finished
            yield self.ends(f'removes {gone}', *[('gone', r) for r in gone],
                            wrong=f'{left} is removed, and not consumed' if left else None)


def ack(*ids, fence=None):
    return 'ack', ids, fence


READ, READ2, GROUP, WAIT, RETAIN = ('read', 1), ('read', 2), ('group',), ('wait',), ('retain',)
A, AB = [((1, 2), 1, 1)], [((1, 2, 3), 1, 1)]
OVER = [((1, 2), 1, 0)]
CASES = {
    'three share a lease': dict(do=[[ack(1)], [ack(2)], [ack(1, 3)]], msgs=(1, 2, 3), rows=AB),
    'three share it, with fences': dict(do=[[ack(1, fence=1)], [ack(2, 3, fence=1)], [ack(1, 2, fence=1)]],
                                        msgs=(1, 2, 3), rows=AB),
    'all of two batches': dict(do=[[ack(1, 2, 3, 4)], [ack(2, 3)], [ack(1, 4, fence=1)]], msgs=(1, 2, 3, 4),
                               rows=A + [((3, 4), 1, 1)]),
    'give back beside an acknowledgement': dict(do=[[ack(1)], [('nack', 2, 1)], [ack(2, fence=1)]], msgs=(1, 2, 3),
                                                rows=AB),
    'give back, and read': dict(do=[[('nack', 1, None)], [ack(1, 2, fence=1)], [READ]], msgs=(1, 2), rows=A),
    'extend beside an acknowledgement': dict(do=[[ack(1)], [('extend', 2, 1)], [ack(2, fence=1)]], msgs=(1, 2), rows=A),
    'read, then the lease is over': dict(do=[[READ2], [ack(1, 2, fence=1)], [READ2]], msgs=(1, 2, 3), over=True),
    'two find it over': dict(do=[[READ2], [READ], [ack(1, fence=1)]], msgs=(1, 2, 3), rows=OVER),
    'acknowledge what is over': dict(do=[[READ], [ack(1, 2)], [ack(2, fence=1)]], msgs=(1, 2), rows=OVER),
    'acknowledge what is being given out': dict(do=[[READ2], [ack(1)], [ack(1, 2)]], msgs=(1, 2)),
    'a late message': dict(do=[[('send', 2), ('send', 3)], [READ2], [ack(1, 4)], [ack(2, 3)]], msgs=(1, 4),
                           rows=[((1, 4), 1, 0)], fails=()),
    'by groups beside an acknowledgement': dict(do=[[ack(1)], [GROUP], [ack(2)]], msgs=(1, 2, 3), rows=A),
    'by groups beside a reader': dict(do=[[READ2], [READ], [GROUP]], msgs=(1, 2, 3), fails=(0, 1)),
    'by groups beside one that gives back': dict(do=[[READ2], [READ, ('nack', 3, None)], [GROUP]], msgs=(1, 2, 3),
                                                 fails=(0, 1)),
    'by groups, late': dict(do=[[('send', 2)], [READ2], [GROUP]], msgs=(1, 3, 4), rows=[((1, 3), 1, 0)], fails=()),
    'wait beside an acknowledgement': dict(do=[[WAIT], [ack(1, 2)]], msgs=(1, 2, 3), rows=A),
    'wait beside another group': dict(do=[[WAIT], [ack(1, 2)]], msgs=(1, 2, 3), rows=A,
                                      groups={3: 'b'}),
    'wait, and acknowledge': dict(do=[[WAIT], [ack(1)], [ack(2)]], msgs=(1, 2), rows=A),
    'retention': dict(do=[[RETAIN], [ack(1)], [READ]], msgs=(1, 2, 3), rows=A, over=True, fails=(1, 2)),
}
RULES = {
    'rest': ('what is left of a batch gets no references', 'three share a lease'),
    'fence': ('a split changes the fence', 'three share it, with fences'),
    'wait': ('an acknowledgement passes over a batch that is locked', 'three share a lease'),
    'removes': ('who finds a batch splits it, though another one has removed it', 'three share a lease'),
    'new snapshot': ('what was not in a batch is looked for with the snapshot from before', 'all of two batches'),
    'given': ('an acknowledgement that has waited for a block looks only for a reference',
              'acknowledge what is being given out'),
    'extend': ('a lease is looked for among references before batches', 'extend beside an acknowledgement'),
    'retain': ('retention looks at references before batches', 'retention'),
    'all': ('a read by groups leaves batches', 'by groups beside a reader'),
    'grouped': ('a read by groups passes over a locked batch', 'by groups beside an acknowledgement'),
    'split late': ('a read by groups finds batches before what is late', 'by groups beside one that gives back'),
    'passed': ('a reader that has passed over a batch sleeps', 'wait beside another group'),
    'ends': ('a reader sleeps with a batch that it has split', 'wait, and acknowledge'),
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
