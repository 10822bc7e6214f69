#!/usr/bin/env python3
"""Take out one rule of the due map after the other, and see whether due_map.py
finds out; break one promise of the queue after the other, and see whether
ledger.py does; and break the care of strangers, for fuzz.py, and what
deduplication does about the clock, for clock.py.

usage: PG_CONFIG=pg_config test/torture/break.py [--seconds N] [--options=..]
                                                 [due_map | ledger | fuzz | clock | RULE...]
       test/torture/break.py --check

With --check nothing is run: it only sees whether the source still has what the
rules would take out, names each rule whose text is gone, and then fails.

PG_CONFIG belongs to a server into which broken builds may be installed; the
last thing installed is a sound one.  Not tried are rules that others make
superfluous: the relfilenode in the identity.  For each rule that is named (all) a line
says after how many seconds its absence was found and how; "not ok" stands
before those that were not, within N (120) seconds.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

# rule: what is gone, and file, old, new of each change
RULES = {
    'announce': ('nothing is announced at commit', 'duemap/xact.c',
                 '\t\t\tqueue_announce(queue);\n', ''),
    'announce late': ('the announcement comes before the commit',
                      'duemap/xact.c', '\t\t\tqueue_announce(queue);\n', '',
                      'duemap/xact.c', '\tif (event != XACT_EVENT_COMMIT && event',
                      '\tif (event == XACT_EVENT_PRE_COMMIT)\n\t\tslist_foreach(iter, &xact_queues)\n'
                      '\t\t\tqueue_announce(slist_container(PgmqXactQueue, node, iter.cur));\n\tif (event != XACT_EVENT_COMMIT && event'),
    'update': ('a vt lowered is not remembered', 'duemap/xact.c',
               '&isnull)) <= vt)', '&isnull)) <= PG_INT64_MAX)'),
    'own changes': ('a transaction looks for its own changes by the map', 'duemap/xact.c',
                    'local->identity == 0 || (local->xact != NULL && local->xact->ntouches > 0)', 'local->identity == 0'),
    'identity': ('a map is taken for that of whatever has the OID', 'duemap/identity.c',
                 'return Max(identity, 1);', 'return 1;'),
    'trigger': ('a map outlives DISABLE TRIGGER and ENABLE', 'duemap/identity.c',
                'identity_add(identity, trigger->oid);\n\t\t\tidentity_add(identity, HeapTupleHeaderGetRawXmin(tuple->t_data));', ''),
    'prepare': ('PREPARE TRANSACTION is not noted', 'duemap/xact.c',
                '\t\t\tqueue_prepare(queue);\n', ';'),
    'prepared before': ('what was prepared before a restart is not noted', 'duemap/local.c',
                        'max_prepared_xacts == 0 ? InvalidTransactionId :', 'true ? InvalidTransactionId :'),
    'row security': ('a reader goes by what policies hide', 'duemap/scan.c',
                     '\tif (!sees_all(queue))\n\t\treturn;\n', ''),
    'unsettled': ('a commit does not say when what was claimed can be read again', 'duemap/xact.c',
              '\t\t\tqueue_settle(queue);\n', ''),
    'lease due': ('a commit only forgets what was claimed', 'duemap/xact.c',
                  'claim->held & ~claim->taken, claim->due);', 'claim->held & ~claim->taken, PGMQ_DUE_NEVER);'),
    'rollback': ('a rollback gives nothing back', 'duemap/xact.c',
                 'claim->first, claim->held, claim->ids,\n', 'claim->first, claim->held, 0,\n'),
    'rollback missed': ('a rollback gives back only what a statement had taken', 'duemap/xact.c',
                        'claim->first, claim->held, claim->ids,\n', 'claim->first, claim->held, claim->taken,\n'),
    'savepoint': ('ROLLBACK TO gives nothing back', 'duemap/xact.c',
                  '\t\tqueue_undo(slist_container(PgmqXactQueue, node, iter.cur), subid);\n', '\t\t;\n'),
    'prepare claims': ('PREPARE gives nothing back', 'duemap/xact.c',
                       '\t\t\tqueue_undo(queue, TopSubTransactionId);\n',
                       '\t\t\tif (event != XACT_EVENT_PREPARE)\n\t\t\t\tqueue_undo(queue, TopSubTransactionId);\n'),
    'settle': ('a claim that came to nothing lasts until the end of the transaction', 'duemap/xact.c',
               'if (missed == 0)', 'if (true)'),
    'ask': ('nobody asks when what was missed can be read', 'duemap/scan.c', 'if (nmissed > 0)\n\t{', 'if (false)\n\t{'),
    'nested': ('a read in a trigger adds what it missed to the claims of the read around it', 'duemap/xact.c',
               ' || !queue->claims[same].ended', ''),
    'mark': ('a look takes nothing, and overwrites what was announced meanwhile', 'duemap/claim.c',
             'node->due[i] = Min(node->due[i], empty);', 'node->due[i] = empty;'),
    'whose mark': ('a look describes what others look at', 'duemap/claim.c',
                   'IS_LOOKED_AT(node, i) && node->tag[i] == version;', 'level == 0 || IS_LOOKED_AT(node, i);'),
    'look again': ('a read passes by what has become unknown since it looked there', 'duemap/claim.c',
                   '\tif (due == PGMQ_DUE_NOW)\n\t\treturn true;\n', ''),
    'abandon': ('a look that failed keeps its mark', 'duemap/xact.c', '\tpgmq_map_abandon();\n', ''),
    'whole mark': ('a look keeps its mark where it did not look, in the slot that it began within', 'duemap/claim.c',
                   'Max(look->first, 0);', 'Max(look->lo, 0);'),
    'all rows': ('a look counts only what is readable', 'duemap/scan.c',
                 'found->due = Min(found->due, Min(vt, PGMQ_DUE_LAST));', 'found->due = PGMQ_DUE_NEVER;'),
    'look limit': ('a look is described as if it had seen all that there is', 'duemap/scan.c',
                       'if (seen.rows < rows)\n\t\t\tbreak;', 'break;'),
    'look rollback': ('what was looked at with an xid outlasts the rollback', 'duemap/xact.c',
                      'bool\t\tany = queue_forget_looks(queue);', 'bool\t\tany = false;'),
    'own ddl': ('what was looked at outlasts DDL of the same transaction', 'duemap/xact.c',
                'if (queue->looked_more || queue->marks != local->marks)', 'if (queue->looked_more)'),
    # test/t/duemap_map.pl and duemap_claims_faults.pl find it at once
    'merge ready': ('what was ready is not due after a merge', 'duemap/tree.c',
                    '(has_more & BIT(i)) != 0 ? PGMQ_DUE_NOW : node->due[i]', 'node->due[i]'),
    'merge look': ('what is looked at is not unknown', 'duemap/tree.c',
                   'if (node->looked != 0)\n\t\treturn PGMQ_DUE_NOW;\n', ''),
    'isolation': ('a reader with one snapshot goes by the map', 'duemap/scan.c',
                  ' && !IsolationUsesXactSnapshot()', ''),
    'losses': ('an announcement to a map that is gone is lost', 'duemap/map.c',
               'return map != NULL ? map : pgmq_directory_lock(relid, LW_EXCLUSIVE);', 'return map;'),
    'schema': ('what is written while the schema has another name is not remembered',
                        'duemap/xact.c', '\tqueue = xact_queue(pgmq_local_announced(table));\n', '\tif (!table->is_queue)\n\t\treturn PointerGetDatum(NULL);\n\tqueue = xact_queue(pgmq_local_announced(table));\n', 'duemap/local.c',
                        'get_rel_namespace(queue) == get_func_namespace(function)', 'get_rel_namespace(queue) == get_namespace_oid(PGMQ_SCHEMA, true)',
                        'duemap/local.c', '#include "catalog/partition.h"\n', '#include "catalog/namespace.h"\n#include "catalog/partition.h"\n'),
    'client': ('a wait does not look after its client',
               'api/poll.c', 'if (client_can_be_seen() && !pq_check_connection())', 'if (false)',
               'api/poll.c', 'if (occurred.events & WL_SOCKET_CLOSED)', 'if (false)'),
}

# The same for fuzz.py, which finds out with assertions or without.
PEEK = "\tpgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock,\n\t\t\t\t\tPGMQ_NEED_SELECT, NULL);\n\tif (some)\n\t\tpgmq_exec_rows(&queue, peek_statement(&queue, args), args, rows);\n"
FUZZ = {
    'fuzz acl': ('anybody may change a policy', 'api/set_policy.c',
                 'PGMQ_NEED_OWNER', 'PGMQ_NEED_NOTHING'),
    'fuzz owner': ('a look goes by the rights of the owner', 'api/peek.c',
                   PEEK, PEEK.replace('NEED_SELECT', 'NEED_NOTHING').replace('\tif (some)\n', '\tPgmqRole saved = pgmq_role_become_owner(queue.relid);\n\tif (some)\n') + '\tpgmq_role_restore(saved);\n'),
    'fuzz detail': ('an error shows a row to who may not see it', 'api/peek.c',
                    PEEK, PEEK.replace('NEED_SELECT', 'NEED_NOTHING').replace('\tif (some)\n', """
	if (pg_class_aclcheck(queue.relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
	{
		PgmqRole saved = pgmq_role_become_owner(queue.relid);
		char *row;

		SPI_connect();
		SPI_execute(psprintf("SELECT q FROM %s q", quote_qualified_identifier(PGMQ_SCHEMA, queue.relname)), true, 1);
		row = SPI_processed > 0 ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : "";
		pgmq_role_restore(saved);
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied"), errdetail("%s", row)));
	}
	if (some)
"""),
                    'api/peek.c', '#include "postgres.h"\n', '#include "postgres.h"\n#include "executor/spi.h"\n#include "utils/acl.h"\n#include "utils/builtins.h"\n'),
    'fuzz quote': ('a name is not quoted', 'catalog/partition.c',
                   'quote_identifier(psprintf("%s_old", archive))', 'psprintf("%s_old", archive)'),
    'fuzz quote hot': ('a name is not quoted in the statements of calls', 'spi/plans.c',
                       'quote_qualified_identifier(PGMQ_SCHEMA, name)', 'psprintf(PGMQ_SCHEMA ".\\"%s\\"", name)'),
    'fuzz null': ('a NULL gives an internal error', 'common/arguments.c',
                  '\t\tereport(ERROR,\n\t\t\t\t(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),\n\t\t\t\t errmsg("qty must not be null")));',
                  '\t\telog(ERROR, "qty is null");'),
    'fuzz null crash': ('a NULL is followed', 'common/queue.c',
                        '\tif (PG_ARGISNULL(argno))\n\t\tereport(ERROR,\n\t\t\t\t(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),\n\t\t\t\t errmsg("queue name must not be null")));\n', ''),
    'fuzz array': ('an array is taken to have one dimension', 'common/arguments.c',
                   '\tpairs = palloc(n * sizeof(PgmqIdArg));\n', '\tpairs = palloc((n > 0 ? ARR_DIMS(PG_GETARG_ARRAYTYPE_P(1))[0] : 0) * sizeof(PgmqIdArg));\n'),
    'fuzz shadow': ('an operator is looked for in search_path', 'spi/statements.c',
                    '#define LE " OPERATOR(pg_catalog.<=) "', '#define LE " <= "'),
    'fuzz role': ('a role is kept', 'api/set_policy.c',
                  '\tpgmq_role_restore(saved);\n\tif (policy.doc == NULL)\n', '\tif (policy.doc == NULL)\n'),
    'fuzz lock': ('a lock outlives its transaction', 'common/lock.c', 'LockAcquire(&tag, lockmode, false, false)', 'LockAcquire(&tag, lockmode, true, false)'),
    'fuzz plant': ('ids are kept in whatever table lies there, by the rights of the owner of ours',
                   'policy/idtable.c', '\tconst char *misfit = table_misfit(rel);\n\n\tif (misfit == NULL && ', '\tconst char *misfit = NULL;\n\n\tif (false && ',
                   'policy/dedup.c', '\tif (dedup->invals != pgmq_policy_invals())\n\t\tpgmq_idtable_check(queue, dedup->rel);', '\tPgmqRole saved = pgmq_role_become_owner(pgmq_policy_table(false));\n',
                   'policy/dedup.c', '\tFreeExecutorState(estate);', '\tFreeExecutorState(estate);\n\tpgmq_role_restore(saved);'),
    'fuzz reference': ('a foreign key of another owner may refer to our tables, and nothing restricts what it runs', 'common/role.c',
                       'if (OidIsValid(owner) && owner != rel->rd_rel->relowner)', 'if (false && OidIsValid(owner))',
                       'common/role.c', '\t\t\t\t\t\t   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS', '\t\t\t\t\t\t   SECURITY_NOFORCE_RLS'),
}

# The same for ledger.py.  Promises of PostgreSQL's own are not tried.
LEDGER = {
    'counters': ('what a savepoint undid is counted', 'stats/counters.c',
                 'if (event == SUBXACT_EVENT_ABORT_SUB)', 'if (false)'),
    'delete': ('delete of one says true and deletes nothing', 'spi/statements.c',
               '"DELETE FROM {q} WHERE " ONE,', '"SELECT 1 FROM {q} WHERE " ONE,'),
    'delete batch': ('delete of several deletes nothing', 'spi/statements.c',
                     '"DELETE FROM {q} WHERE " SEVERAL " RETURNING msg_id"', '"SELECT msg_id FROM {q} WHERE " SEVERAL'),
    'delete fence': ('a fenced delete does not look at the fence', 'spi/statements.c',
                     '"DELETE FROM {q} WHERE " ONE " AND read_ct" EQ "$2",', '"DELETE FROM {q} WHERE " ONE " AND $2 IS NOT NULL",'),
    'archive': ('archive forgets one in 64 messages', 'spi/statements.c',
                 ') TABLE gone"\n', ') SELECT * FROM gone WHERE msg_id % 64 <> 7"\n'),
    'unarchive': ('unarchive leaves the message in the archive',
                  'spi/statements.c', '"DELETE FROM {a} WHERE " SEVERAL " RETURNING msg_id, message, "', '"SELECT msg_id, message, "',
                  'spi/statements.c', "'archived_at', archived_at))\"", "'archived_at', archived_at)) FROM {a} WHERE \" SEVERAL"),
    'lease': ('one read in many leases nothing', 'spi/statements.c',
              '"UPDATE " table " SET vt = $3, last_read_at = "', '"UPDATE " table " SET vt = CASE WHEN msg_id % 64 = 7 THEN vt ELSE $3 END, last_read_at = "'),
    'lock': ('a read does not lock, nor look again',
             'spi/statements.c', ' LIMIT $2 FOR UPDATE SKIP LOCKED)"\n', ' LIMIT $2)"\n',
             'spi/statements.c', '"ANY (" TAKE(filter, order) ") AND vt" LE "$1" \\', '"ANY (" TAKE(filter, order) ")" \\',
             'spi/statements.c', 'RANGE(lo, hi), "{k}") ") AND vt" LE "$1" \\', 'RANGE(lo, hi), "{k}") ")" \\'),
    'delay': ('messages that are to come later come at once, sometimes', 'spi/statements.c',
              '"INSERT INTO {q} (vt, message, headers) VALUES ($1, $2, $3)"',
              '"INSERT INTO {q} (vt, message, headers) VALUES (CASE WHEN pg_catalog.random() < 0.2 THEN pg_catalog.now() ELSE $1 END, $2, $3)"'),
    'batch': ('what is left of a batch gets no references', 'stream/batch.c',
              'if (n < batch->count)', 'if (false)'),
    'batch over': ('of a batch that is over only the first message comes again', 'stream/batch.c',
                   '\t\tbatch.vt = Min(batch.vt, now);\n', '\t\tbatch.vt = Min(batch.vt, now);\n\t\tbatch.nranges = 1;\n\t\tbatch.ranges[0].hi = batch.ranges[0].lo;\n'),
    'batch fence': ('any fence fits a batch', 'stream/batch.c',
                    '(!fenced || ids[j].read_ct == batch->read_ct))\n\t\t\t\tdone[n++]', 'true)\n\t\t\t\tdone[n++]',
                    'stream/batch.c', 'if (ids[j].msg_id == done[at] && (!fenced || ids[j].read_ct == batch->read_ct))', 'if (ids[j].msg_id == done[at])'),
    'batch again': ('an acknowledgement gives up where a batch has gone', 'api/ack.c',
                    '\treturn remove_told(queue, ack_exec(queue, id, args, NULL));\n}\n\n/* Delete or archive one', '\treturn false;\n}\n\n/* Delete or archive one'),
    'seek': ('read_ct begins anew after a seek', 'catalog/subscribe.c',
             'if (most > stream->read_base)', 'if (false)'),
    'seek base': ('the fence of the last read before a seek fits what was not read since', 'catalog/subscribe.c',
                  '(int32) most + 1;', '(int32) most;'),
    'group': ('a group goes on behind a head that is not to be had', 'api/read_grouped.c',
              'if (!message_take(read, group->head))\n\t\treturn;', '(void) message_take(read, group->head);'),
    'strict': ('strict FIFO locks no group', 'policy/enqueue.c',
               'pgmq_lock_all(queue, PGMQ_LOCK_GROUP, &wishes->groups);', ';'),
    'dedup': ('deduplication locks no id', 'policy/dedup.c',
              'pgmq_lock_all(queue, PGMQ_LOCK_DEDUP_ID, &set);', ';'),
    'dead letter': ('a dead letter is sent and not deleted', 'policy/move.c',
                    '"DELETE FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"\n\t\t\t\t\t\t\t\t  " RETURNING msg_id, {m} AS message, {h} AS headers"',
                    '"SELECT msg_id, {m} AS message, {h} AS headers FROM {q} WHERE msg_id OPERATOR(pg_catalog.=) ANY ($1)"'),
    'max_reads': ('a message is returned once too often', 'policy/disposal.c',
                  'read_ct > policy->max_reads', 'read_ct > policy->max_reads + 1'),
    'forward': ('forward sends though the fence says no', 'api/dead_letter.c',
                'if (pgmq_exec(&queue, PGMQ_STMT_DELETE_FENCED, args) == 0)\n\t{\n\t\tpgmq_stats_count(queue.relid, PGMQ_STAT_FENCE_REFUSED, 1);\n\t\tPG_RETURN_NULL();\n\t}', '(void) pgmq_exec(&queue, PGMQ_STMT_DELETE_FENCED, args);'),
    'pause': ('a pause is not heeded', 'policy/policy.c',
              'return policy != NULL && policy->paused_until > now;', 'return policy != NULL && policy->paused_until > now + USECS_PER_HOUR;'),
    'expiry': ('messages expire a second early', 'policy/disposal.c',
               'double\t\tttl = policy->ttl;', 'double\t\tttl = policy->ttl - 1;'),
    'retention': ('the archive loses what is not old enough', 'policy/maintain.c',
                  'm->policy->archive_retention * USECS_PER_SEC', 'm->policy->archive_retention * USECS_PER_SEC / 8'),
    'logged': ('queues are unlogged', 'catalog/layout.c',
               'unlogged ? "CREATE UNLOGGED" : "CREATE"', '"CREATE UNLOGGED"'),
    'durable': ('who sends does not wait for the WAL',
                'policy/enqueue.c', '\tPgmqArg\t\targs[] = {vt, msg, headers};\n', '\tPgmqArg\t\targs[] = {vt, msg, headers};\n\textern int\tsynchronous_commit;\n',
                'policy/enqueue.c', '\tif (policy != NULL)\n\t\treturn put_by_policy', '\tsynchronous_commit = 0;\n\tif (policy != NULL)\n\t\treturn put_by_policy'),
    'due': ('the map is not told of commits', 'duemap/xact.c',
            '\t\t\tqueue_announce(queue);\n', ''),
    'elsewhere': ('a read waits for the lock of the dead-letter queue', 'policy/move.c',
                  'RVR_MISSING_OK | (wait ? 0 : RVR_NOWAIT)', 'RVR_MISSING_OK'),
}

# The same for clock.py.
CLOCK = {
    'clock tables': ('an id is not looked for in the table that is the next to be current', 'policy/dedup.c',
                     'for (int i = 0; i < lengthof(rels); i++)\n\t\tlook_in(', 'for (int i = 0; i < lengthof(rels); i++)\n\t\tif (i != (current + 1) % PGMQ_IDTABLES)\n\t\tlook_in('),
    'clock truncate': ('ids are truncated that count', 'policy/dedup.c',
                       'idle = table_has_after(rel, GetCurrentTimestamp() -', 'idle = false && table_has_after(rel, GetCurrentTimestamp() -'),
    'clock lock': ('deduplication locks no id', 'policy/dedup.c',
                   'pgmq_lock_all(queue, PGMQ_LOCK_DEDUP_ID, &set);', ';'),
}

PROGRAMS = {'due_map': RULES, 'ledger': LEDGER, 'fuzz': FUZZ, 'clock': CLOCK}
ALL = RULES | LEDGER | FUZZ | CLOCK


def edits(rule):
    """The changes that a rule makes: file, old, new."""
    _, *flat = ALL[rule]
    return [flat[i:i + 3] for i in range(0, len(flat), 3)]


def missing(top, rule):
    """The texts of a rule that the source does not have."""
    result = []
    for file, old, _ in edits(rule):
        path = f'{top}/src/{file}'
        if not os.path.exists(path) or old not in open(path).read():
            result.append(f'{rule}: {file} has no {old!r}')
    return result


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=int, default=120)
    parser.add_argument('--options', default='', help='for the program')
    parser.add_argument('rules', nargs='*', default=[])
    parser.add_argument('--check', action='store_true')
    options = parser.parse_args()
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    gone = [text for rule in ALL for text in missing(top, rule)]
    if options.check or gone:
        print('\n'.join(gone), end='\n' if gone else '')
        sys.exit(1 if gone else 0)
    config = os.environ.get('PG_CONFIG') or sys.exit('set PG_CONFIG to the pg_config of a server to be used up')
    bindir = subprocess.check_output([config, '--bindir'], text=True).strip()
    work = tempfile.mkdtemp(prefix='pgmq_break.')
    subprocess.check_call(f'git ls-files -z | xargs -0 cp --parents -t {work}', shell=True, cwd=top)

    def install():
        subprocess.run(['make', '-s', f'PG_CONFIG={config}', 'with_llvm=no', 'COPT=-Wno-error', 'install'], cwd=work, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    missed = 0
    named = options.rules or list(PROGRAMS)
    rules = [rule for name in named for rule in PROGRAMS.get(name, [name])]
    for rule in rules:
        program = next(name for name in PROGRAMS if rule in PROGRAMS[name]) + '.py'
        what = ALL[rule][0]
        sound = {}
        for file, old, new in edits(rule):
            path = f'{work}/src/{file}'
            with open(path) as f:
                text = f.read()
            sound.setdefault(path, text)
            with open(path, 'w') as f:
                f.write(text.replace(old, new))
        install()
        began = time.time()
        run = subprocess.run([sys.executable, f'{top}/test/torture/{program}', '--seconds', str(options.seconds), *options.options.split()],
                             env={**os.environ, 'PG_BINDIR': bindir}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for path, text in sound.items():
            with open(path, 'w') as f:
                f.write(text)
        # what it found may stand in the next line
        last = re.findall(r'^(?:not )?ok.*(?:(?<=: )\n.*)?', run.stdout, re.M) or ['died']
        # a server that does not start, or a mistake of the program's own, is no find
        found = run.returncode != 0 and last[-1].startswith('not ok') and not re.search('pg_ctl failed|initdb failed|Traceback', last[-1])
        missed += not found
        print(f"{'ok' if found else 'not ok'} {rule}: {what}: {time.time() - began:.0f} s: {last[-1][:200]!r}", flush=True)
    install()
    shutil.rmtree(work)
    sys.exit(1 if missed else 0)


if __name__ == '__main__':
    main()
