#!/usr/bin/env python3
"""Check the rules of claims over every interleaving of small cases.

usage: test/model/claims.py

One block with a few ids, and transactions that are scripts of operations.  A
row's vt is 0 (readable), 1 (later) or None (no row); time stands still, since
every bound is a point in time.  The map has what src/duemap/claim.c has of a
block: due, ready, claimed, and the look in progress.

The invariant: whenever no transaction is between the commit or abort that
others see and its callback, each row that nobody has locked is covered.  It
is ready, or due no later than its vt, or being looked at by a reader that is
alive, or in the hand of one that has not come to the row yet.

First the protocol must hold in each case; then each rule is left out in turn,
and one of the cases must have a counterexample.

  ins R VT, lower R VT, later R, del R    what a session does by plain SQL
  move R                                  changes the priority of a message: rows
                                          R and R ^ 1 are two keys of one id then,
                                          and a statement takes either by that id
  sp, rb, prep                            SAVEPOINT, ROLLBACK TO, PREPARE
  read N                                  claims up to N ids, or looks first
  peek N                                  the same, but claims when it has taken some
  scan                                    reads without claiming (filter, RLS ..)
"""
import sys
from collections import deque

NOTHING, UNKNOWN = 9, -1
OPEN, COMMITTED, ABORTED, PREPARED, DONE = range(5)
# a process: place in the script, state of its read, status, own changes
# (row, vt, level), level, touched rows (row, vt), claims (row, level, held,
# taken), level and whether it has looked with an xid, prepared before
START = (0, (), OPEN, (), 0, (), (), None, False)
# the map: due, ready, claimed, the look (process, number), masks there, listed
FRESH = (UNKNOWN, frozenset(), frozenset(), None, False, True)


def put(t, i, v):
    return t[:i] + (v,) + t[i + 1:]


def lower(m, v):
    return put(m, 0, min(m[0], v))


def ready(m, rows):
    """Ids are ready; where there are no masks the block is due."""
    if not rows:
        return m
    return put(m, 1, m[1] | frozenset(rows)) if m[4] else put(m, 0, UNKNOWN)


def unclaim(m, rows):
    return put(m, 2, m[2] - frozenset(rows))


def covered(row, vt, m, procs):
    due, is_ready, claimed, look, _, listed = m
    if not listed or row in is_ready or due <= vt:
        return True
    if look is not None:
        sub = procs[look[0]][1]
        if procs[look[0]][2] == OPEN and sub and sub[0] in ('looks', 'saw') and sub[1] == look[1]:
            return True
    # in the hand of a reader that will yet say what became of it
    return any(p[2] == OPEN and p[1] and p[1][0] in ('claimed', 'took') and row in p[1][1] for p in procs)


def check(scripts, rows, off=(), events=(), limit=2000000):
    """Return (path to a row that is hidden, or None; number of states)."""
    start = (tuple(rows), (START,) * len(scripts), FRESH, 0, tuple(sorted(events)))
    seen, todo = {start}, deque([(start, ())])
    while todo:
        state, path = todo.popleft()
        table, procs, m, _, _ = state
        if not any(p[2] in (COMMITTED, ABORTED) for p in procs):
            locked = {r for p in procs if p[2] in (OPEN, PREPARED) for r, _, _ in p[3]}
            for row, vt in enumerate(table):
                if vt is not None and row not in locked and not covered(row, vt, m, procs):
                    return path + (f'row {row} is hidden',), len(seen)
        for label, new in steps(scripts, state, off):
            if new not in seen:
                seen.add(new)
                todo.append((new, path + (label,)))
        if len(seen) > limit:
            return ('too many states',), len(seen)
    return None, len(seen)


def steps(scripts, state, off):
    table, procs, m, looks, events = state
    owner = {r: i for i, p in enumerate(procs) if p[2] in (OPEN, PREPARED) for r, _, _ in p[3]}
    moves = any(op[0] == 'move' for script in scripts for op in script)
    if moves:
        owner = {**{r ^ 1: i for r, i in owner.items()}, **owner}

    for event in set(events):
        left = tuple(sorted(set(events) - {event}))
        if event == 'merge':
            # slots become one, which has no masks
            due = UNKNOWN if (m[1] or m[3]) and 'merge' not in off else m[0]
            yield 'merge', (table, procs, (due, frozenset(), frozenset(), None, False, m[5]), looks, left)
        elif event == 'evict':
            yield 'evict', (table, procs, FRESH[:5] + (m[5],), looks, left)
        elif event == 'crash':
            after = tuple(p if p[2] in (PREPARED, DONE) else put(p, 2, DONE)[:3] + ((), 0, (), (), None, False) for p in procs)
            listed = not any(p[2] == PREPARED and p[5] for p in after)
            yield 'crash', (table, after, FRESH[:5] + (listed,), looks, left)

    for i, (script, p) in enumerate(zip(scripts, procs)):
        pc, sub, status, own, level, touched, claims, looked, was_prepared = p
        mine = {r: v for r, v, _ in own}

        def go(label, m=m, table=table, looks=looks, **k):
            new = (k.get('pc', pc), k.get('sub', sub), k.get('status', status), k.get('own', own), k.get('level', level),
                   k.get('touched', touched), k.get('claims', claims), k.get('looked', looked), k.get('was', was_prepared))
            return f't{i} {label}', (table, put(procs, i, new), m, looks, events)

        def taken(rows):
            """Of claimed rows those that a statement takes, and those of their other keys."""
            free = [r for r in rows if owner.get(r, i) == i]
            got = tuple(r for r in free if mine.get(r, table[r]) == 0)
            if not moves:
                return got, got
            return got, tuple(s for s in {r ^ x for r in free for x in (0, 1)} if mine.get(s, table[s]) == 0)

        def give_back(m, gone):
            """What a rolled back part of the transaction had claimed."""
            for r, _, held, taken in gone:
                if taken or 'abort missed' not in off:
                    m = ready(m, [r])
                if held:
                    m = unclaim(m, [r])
            return m

        def abandon(m):
            """The look of this process, if it makes one, has failed."""
            if m[3] is not None and m[3][0] == i and 'abandon' not in off:
                m = (UNKNOWN, m[1], m[2], None, m[4], m[5])
            return m

        if status == OPEN and sub and sub[0] != 'early':
            # in the middle of a read
            if sub[0] == 'looks':
                snapshot = table if sub[2] is None else sub[2]
                yield go('sees', sub=('saw', sub[1], tuple(mine.get(r, v) for r, v in enumerate(snapshot))))
            elif sub[0] == 'saw':
                new = m
                if m[3] == (i, sub[1]) or ('mark' in off and m[3] is not None):
                    found = [r for r, v in enumerate(sub[2]) if v == 0 and r not in m[2]]
                    least = min([v for v in sub[2] if v is not None and v > 0] or [NOTHING])
                    if 'all rows' in off:
                        least = NOTHING
                    due = least if 'min' in off else min(m[0], least)
                    new = (due, m[1] | frozenset(found), m[2], None, True, m[5])
                    if 'min' in off:
                        new = put(new, 1, frozenset(found))
                elif 'mark' in off:
                    found = [r for r, v in enumerate(sub[2]) if v == 0 and r not in m[2]]
                    least = min([v for v in sub[2] if v is not None and v > 0] or [NOTHING])
                    new = (least, frozenset(found), m[2], m[3], True, m[5])
                level_looked = (level if looked is None else min(level, looked)) if own else looked
                yield go('describes', m=new, sub=('after',), looked=level_looked)
            elif sub[0] == 'after':
                n = script[pc][1]
                take = sorted(m[1])[:n]
                new = (m[0], m[1] - frozenset(take), m[2] | frozenset(take), m[3], m[4], m[5])
                if take and script[pc][0] == 'peek':
                    yield go(f'peeks at {take}', sub=('peeked', tuple(take)))
                elif take:
                    yield go(f'claims {take}', m=new, sub=('claimed', tuple(take)),
                             claims=claims + tuple((r, level, True, False) for r in take))
                else:
                    yield go('finds nothing', sub=(), pc=pc + 1)
            elif sub[0] == 'claimed':
                # one statement: its snapshot and its locks
                got, leased = taken(sub[1])
                new_claims = tuple((r, l, h, t or (h and r in got)) for r, l, h, t in claims)
                yield go(f'takes {leased}', sub=('took', sub[1], got), claims=new_claims,
                         own=tuple(o for o in own) + tuple((r, 1, level) for r in leased))
            elif sub[0] == 'peeked':
                got, leased = taken(sub[1])
                # too early, if the rule is left out
                asked = tuple(table) if 'late' in off else None
                yield go(f'takes {leased}', sub=('claims late', sub[1], got, asked),
                         own=tuple(o for o in own) + tuple((r, 1, level) for r in leased))
            elif sub[0] == 'claims late':
                # those that are not ready any more belong to others
                held = tuple(r for r in sub[1] if r in m[1] or r in sub[2])
                new = (m[0], m[1] - frozenset(sub[1]), m[2] | frozenset(held), m[3], m[4], m[5])
                for r in held:
                    v = sub[3][r] if sub[3] and r not in sub[2] else None
                    new = new if v is None else lower(new, v)
                if sub[3]:
                    new = unclaim(new, [r for r in held if r not in sub[2]])
                    held = sub[2]
                yield go(f'claims {held} late', m=new, sub=('took', held, sub[2]),
                         claims=claims + tuple((r, level, True, r in sub[2]) for r in held))
            elif sub[0] == 'took':
                # what it missed: ask, and tell the map
                missed = [r for r in sub[1] if r not in sub[2]]
                new, new_claims = m, claims
                if missed and 'settle' not in off:
                    for r in missed:
                        v = mine.get(r, table[r])
                        if v is not None and 'ask' not in off:
                            new = lower(new, v)
                    new = unclaim(new, missed)
                    new_claims = tuple((r, l, h and r not in missed, t) for r, l, h, t in claims)
                yield go(f'missed {missed}', m=new, sub=(), pc=pc + 1, claims=new_claims)
            # an error, which rolls back all of it
            yield go('fails', m=abandon(m), sub=(), status=ABORTED, own=(), touched=())
            continue

        if status == OPEN and pc < len(script):
            op = script[pc]
            if op[0] in ('ins', 'lower', 'later', 'del'):
                r = op[1]
                cur = mine.get(r, table[r])
                if owner.get(r, i) == i and (cur is None) == (op[0] == 'ins'):
                    v = None if op[0] == 'del' else 1 if op[0] == 'later' else op[2]
                    more = ((r, v),) if op[0] in ('ins', 'lower') else ()
                    yield go(' '.join(map(str, op)), pc=pc + 1, own=own + ((r, v, level),), touched=touched + more)
                elif owner.get(r, i) == i:
                    yield go('noop', pc=pc + 1)
            elif op[0] == 'move':
                r = op[1] if mine.get(op[1], table[op[1]]) is not None else op[1] ^ 1
                v = mine.get(r, table[r])
                if owner.get(r, i) == i:
                    more = () if v is None or 'move' in off else ((r ^ 1, v), (r, UNKNOWN))
                    yield go(f'moves {r}', pc=pc + 1, own=own + (() if v is None else ((r, None, level), (r ^ 1, v, level))),
                             touched=touched + more)
            elif op[0] == 'sp':
                yield go('savepoint', pc=pc + 1, level=level + 1)
            elif op[0] == 'rb':
                gone = tuple(c for c in claims if c[1] >= level)
                new, keep = m, claims
                if 'savepoint' not in off:
                    new = give_back(m, gone)
                    keep = tuple(c for c in claims if c[1] < level)
                if looked is not None and 'look savepoint' not in off:
                    new = lower(new, UNKNOWN)
                yield go('rollback to', m=new, pc=pc + 1, level=level - 1, claims=keep,
                         own=tuple(o for o in own if o[2] < level), looked=None if 'look savepoint' not in off else looked)
            elif op[0] == 'prep':
                new = m
                if touched and 'prepare' not in off:
                    new = put(new, 5, False)
                if 'prepare claims' not in off:
                    new = give_back(new, claims)
                if looked is not None and 'prepare looks' not in off:
                    new = lower(new, UNKNOWN)
                yield go('prepare', m=new, pc=pc + 1, status=PREPARED, claims=(), looked=None, was=True)
            elif op[0] == 'scan':
                got = [r for r, v in enumerate(table) if mine.get(r, v) == 0 and owner.get(r, i) == i]
                yield go(f'scan takes {got}', pc=pc + 1, own=own + tuple((r, 1, level) for r in got))
            elif op[0] in ('read', 'peek') and 'snapshot' in off and not sub:
                yield go('snapshot', sub=('early', table))
            elif op[0] in ('read', 'peek'):
                new = m
                sub = ()
                if not m[5]:
                    if any(q[2] == PREPARED and q[5] for q in procs):
                        yield go('reads without the map', pc=pc + 1)
                        continue
                    new = FRESH
                if touched and 'own changes' not in off:
                    yield go('reads without the map', pc=pc + 1)
                elif new[0] <= 0 and new[3] is None:
                    new = (NOTHING, frozenset(), new[2], (i, looks), True, new[5])
                    yield go('begins to look', m=new, sub=('looks', looks, p[1][1] if p[1] else None), looks=looks + 1)
                else:
                    # passes by what others look at
                    yield go('reads', m=new, sub=('after',))
        elif status in (OPEN, PREPARED):
            after = table
            for r, v, _ in own:
                after = put(after, r, v)
            if status == PREPARED:
                yield go('commit prepared', table=after, status=DONE, own=(), touched=())
                yield go('rollback prepared', status=DONE, own=(), touched=())
            else:
                yield go('commit', table=after, status=COMMITTED, own=own)
                yield go('abort', status=ABORTED, own=(), touched=())
        elif status == COMMITTED:
            new = m
            for r, _, held, taken in claims:
                if taken and 'lease' not in off:
                    # RETURNING said 1; a later delete makes it too early, which is safe
                    new = lower(new, 1)
                if held:
                    new = unclaim(new, [r])
            if 'announce' not in off:
                for r, v in touched:
                    new = ready(new, [r]) if v == 0 else lower(new, v)
            yield go('tells', m=new, status=DONE, own=(), touched=(), claims=(), looked=None)
        elif status == ABORTED:
            new = abandon(m)
            if 'abort' not in off:
                new = give_back(new, claims)
            else:
                new = unclaim(new, [c[0] for c in claims])
            if looked is not None and 'look abort' not in off:
                new = lower(new, UNKNOWN)
            yield go('tells', m=new, status=DONE, claims=(), looked=None)


READ, READ2, SCAN = ('read', 1), ('read', 2), ('scan',)
PEEK, PEEK2 = ('peek', 1), ('peek', 2)
INS = ('ins', 0, 0)
CASES = {
    'two readers, one row': ([[READ], [READ]], [0], ()),
    'two readers, insert': ([[READ], [READ], [INS]], [None], ()),
    'reads twice, insert': ([[READ, READ], [READ], [INS]], [None, 0], ()),
    'insert for later': ([[READ], [READ], [('ins', 0, 1)]], [None], ()),
    'lower': ([[READ, READ], [('lower', 0, 0)]], [1, 0], ()),
    'lowered to later while a reader looks': ([[READ], [('del', 0), ('ins', 0, 1)]], [1], ()),
    'later': ([[READ], [READ], [('later', 0)]], [0], ()),
    'delete, read and roll back': ([[('del', 0), READ], [READ]], [0], ()),
    'delete beside readers': ([[READ], [READ], [('del', 0)]], [0], ()),
    'a session that does not claim': ([[READ, READ], [READ], [SCAN]], [0, 0], ()),
    'two that peek': ([[PEEK2], [PEEK2]], [0, 0], ()),
    'peek beside a reader': ([[PEEK2], [READ, READ]], [0, 0], ()),
    'peek, and lower': ([[PEEK2], [('later', 0)], [('lower', 0, 0)]], [0], ()),
    'peek, and lower what is leased': ([[READ, PEEK], [('lower', 0, 0)]], [1], ()),
    'peek beside one that leases and lowers': ([[PEEK2], [READ], [('lower', 0, 0)]], [0], ()),
    'peek in a savepoint': ([[('sp',), PEEK2, ('rb',)], [READ]], [0, 0], ()),
    'delete, peek and prepare': ([[('del', 0), PEEK2, ('prep',)], [READ]], [0, 0], ()),
    'peek while it is merged': ([[PEEK2], [INS], [READ]], [None, 0], ('merge',)),
    'savepoint around a read': ([[('sp',), READ, ('rb',)], [READ]], [0], ()),
    'savepoint around a delete': ([[('sp',), ('del', 0), READ, ('rb',)], [READ]], [0, None], ()),
    'read before and in a savepoint': ([[READ, ('sp',), READ, ('rb',)], [READ]], [0, 0], ()),
    'lease and prepare': ([[READ, ('prep',)], [READ]], [0], ()),
    'delete, read and prepare': ([[('del', 0), READ, ('prep',)], [READ]], [0], ()),
    'insert and prepare': ([[INS, ('prep',)], [READ], [READ]], [None], ()),
    'merge': ([[READ], [READ2], [INS]], [None, 0], ('merge',)),
    'evict': ([[READ], [READ], [INS]], [None, 0], ('evict',)),
    'evict while one looks': ([[READ], [READ], [('lower', 0, 0)]], [1, None], ('evict',)),
    'change a priority': ([[READ], [READ], [('move', 0)]], [0, None], ()),
    'change the priority of what is leased': ([[READ, READ], [READ], [('move', 0)]], [1, None], ()),
    'change a priority and lower': ([[READ], [READ], [('move', 0), ('lower', 1, 0)]], [1, None], ()),
    'change a priority, and roll back': ([[READ], [('move', 0), ('sp',), ('move', 0), ('rb',)], [READ]], [0, None], ()),
    'change a priority beside one that peeks': ([[PEEK], [READ], [('move', 0)]], [0, None], ()),
    'change a priority and prepare': ([[READ], [READ], [('move', 0), ('prep',)]], [0, None], ()),
    'read and change the priority': ([[READ, ('move', 0)], [READ]], [0, None], ()),
    'crash': ([[READ, READ], [INS]], [None, 0], ('crash',)),
    'crash beside a prepared transaction': ([[INS, ('prep',)], [READ, READ]], [None], ('crash',)),
}
RULES = {
    'announce': 'a commit announces nothing',
    'move': 'a change of the priority is not announced',
    'lease': 'a commit does not say when what was claimed is readable again',
    'abort': 'an abort gives nothing back',
    'abort missed': 'an abort gives back only what a statement had taken',
    'savepoint': 'ROLLBACK TO gives nothing back',
    'prepare': 'PREPARE is not noted',
    'prepare claims': 'PREPARE gives nothing back',
    'prepare looks': 'PREPARE does not make unknown what was looked at',
    'settle': 'a claim that came to nothing lasts until the end of the transaction',
    'ask': 'nobody asks when what was missed can be read',
    'late': 'a reader that peeks asks for what it missed before it claims that',
    'snapshot': 'the snapshot of a look is older than its mark',
    'min': 'a look overwrites what was announced meanwhile',
    'mark': 'a look describes what is no longer marked by it',
    'abandon': 'a look that failed keeps its mark',
    'all rows': 'a look counts only what is readable',
    'look abort': 'what was looked at with an xid outlasts the abort',
    'look savepoint': 'what was looked at with an xid outlasts ROLLBACK TO',
    'merge': 'what was ready is not due after a merge',
}


def main():
    failed = False
    for name, (scripts, rows, events) in CASES.items():
        path, n = check(scripts, rows, (), events)
        if path:
            failed = True
            print(f'not ok: {name}: {" | ".join(path)}')
        else:
            print(f'ok: {name} ({n} states)')
    for rule, what in RULES.items():
        found = None
        for name, (scripts, rows, events) in CASES.items():
            path, n = check(scripts, rows, (rule,), events)
            if path:
                found = f'{name}: {" | ".join(path)}'
                break
        if not found:
            failed = True
        print(f'{"ok" if found else "not ok"}: without "{rule}" ({what}): {found or "no counterexample"}')
    sys.exit(failed)


if __name__ == '__main__':
    main()
