#!/usr/bin/env python3
"""Take out one rule of the due map after the other, and see whether due_map.py
finds out; and break the care of strangers likewise, for fuzz.py.

usage: PG_CONFIG=pg_config test/torture/break.py [--seconds N] [RULE...]

PG_CONFIG belongs to a server into which broken builds may be installed; the
last thing installed is a sound one.  Not tried are rules that others make
superfluous: the relfilenode in the identity, and no raise after a filter.  For each rule that is named (all) a line
says after how many seconds its absence was found and how; "not ok" stands
before those that were not, within N (120) seconds.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

# rule: what is gone, where, from what, to what
RULES = {
    'announce': ('nothing is announced at commit', 'xact.c',
                 '\t\t\ttouched_announce();\n', ''),
    'announce late': ('the announcement comes before the commit', 'xact.c', None, None),
    'update': ('a vt lowered is not remembered', 'xact.c',
               "&slot)) <= vt)", None),
    'version': ('an announcement draws no version', 'duetree.c', None, None),
    'raise version': ('a raise goes through whatever was announced', 'duemap.c',
                      'pgmq_tree_slot(&map->tree, due->lo).version == due->version', 'due->lo <= upto'),
    'raise after commit': ('a raise does not wait for the commit', 'xact.c',
                           'if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))', 'if (true)'),
    'subtransaction': ('raises outlast ROLLBACK TO', 'xact.c',
                       '\t\treturn;\n\traises_forget();\n\tpgmq_waiter_end();', '\t\treturn;\n\tpgmq_waiter_end();'),
    'own changes': ('a transaction looks for its own changes by the map', 'xact.c',
                    'local->identity == 0 || local->ntouches > 0', 'local->identity == 0'),
    'own ddl': ('raises outlast DDL of the same transaction', 'xact.c',
                'if (raise->marks == raise->local->marks)', ''),
    'identity': ('a map is taken for that of whatever has the OID', 'identity.c',
                 'return Max(identity, 1);', 'return 1;'),
    'trigger': ('a map outlives DISABLE TRIGGER and ENABLE', 'identity.c',
                'identity_add(identity, trigger->oid);\n\t\t\tidentity_add(identity, HeapTupleHeaderGetRawXmin(tuple->t_data));', ''),
    'prepare': ('PREPARE TRANSACTION is not noted', 'xact.c',
                'local_prepare(slist_container(PgmqLocal, touched, iter.cur));', ';'),
    'prepared before': ('what was prepared before a restart is not noted', 'xact.c',
                        '(void) pgmq_map_prepare(*(PgmqMapRef *) state, xid);', '(void) xid;'),
    'row security': ('a reader raises what policies hide', 'look.c',
                     '!filtered &&\n\t\tcheck_enable_rls(queue->relid, InvalidOid, true) != RLS_ENABLED', '!filtered'),
    'isolation': ('a reader with one snapshot goes by the map', 'look.c',
                  ' && !IsolationUsesXactSnapshot()', ''),
    'losses': ('an announcement to a map that is gone is lost', 'duemap.c',
               'pg_atomic_fetch_add_u32(loss_counter(MyDatabaseId, relid), 1);', ';'),
    'all rows': ('a raise counts only what is not readable', 'look.c',
                 'left.mins + from, n - from);', 'left.mins + from, 0);'),
}

# The same for fuzz.py, which finds out with assertions or without.
PEEK = "\tpgmq_queue_open(&queue, pgmq_name_arg(fcinfo, 0), AccessShareLock, NULL);\n\tif (some)\n\t\tpgmq_exec_rows(&queue, PGMQ_STMT_PAGE, args, rows);\n"
FUZZ = {
    'fuzz acl': ('anybody may change a policy', 'set_policy.c',
                 '\tif (!object_ownercheck(RelationRelationId, queue->relid, GetUserId()))\n', '\tif (false)\n'),
    'fuzz owner': ('a look goes by the rights of the owner', 'peek.c',
                   PEEK, PEEK.replace('\tif (some)\n', '\tPgmqRole saved = pgmq_role_become_owner(queue.relid);\n\tif (some)\n') + '\tpgmq_role_restore(saved);\n'),
    'fuzz detail': ('an error shows a row to who may not see it', 'peek.c',
                    PEEK, PEEK.replace('\tif (some)\n', """
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
""")),
    'fuzz quote': ('a name is not quoted', 'partition.c',
                   'quote_identifier(psprintf("%s_old", archive))', 'psprintf("%s_old", archive)'),
    'fuzz quote hot': ('a name is not quoted in the statements of calls', 'exec.c',
                       'quote_qualified_identifier(PGMQ_SCHEMA, name)', 'psprintf(PGMQ_SCHEMA ".\\"%s\\"", name)'),
    'fuzz null': ('a NULL gives an internal error', 'arg.c',
                  '\t\tereport(ERROR,\n\t\t\t\t(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),\n\t\t\t\t errmsg("qty must not be null")));',
                  '\t\telog(ERROR, "qty is null");'),
    'fuzz null crash': ('a NULL is followed', 'queue.c',
                        '\tif (PG_ARGISNULL(argno))\n\t\tereport(ERROR,\n\t\t\t\t(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),\n\t\t\t\t errmsg("queue name must not be null")));\n', ''),
    'fuzz array': ('an array is taken to have one dimension', 'arg.c',
                   '\tpairs = palloc(n * sizeof(PgmqIdArg));\n', '\tpairs = palloc((n > 0 ? ARR_DIMS(PG_GETARG_ARRAYTYPE_P(1))[0] : 0) * sizeof(PgmqIdArg));\n'),
    'fuzz shadow': ('an operator is looked for in search_path', 'stmt.c',
                    '#define LE " OPERATOR(pg_catalog.<=) "', '#define LE " <= "'),
    'fuzz role': ('a role is kept', 'set_policy.c',
                  '\tpgmq_role_restore(saved);\n\tif (policy.doc == NULL)\n', '\tif (policy.doc == NULL)\n'),
    'fuzz lock': ('a lock outlives its transaction', 'layout.c', 'pg_advisory_xact_lock_int8', 'pg_advisory_lock_int8'),
}
RULES.update(FUZZ)


def broken(rule, text):
    what, file, old, new = RULES[rule]
    if rule == 'announce late':
        text = text.replace('\t\t\ttouched_announce();\n', '')
        return text.replace('\t\tcase XACT_EVENT_COMMIT:\n', '\t\tcase XACT_EVENT_PRE_COMMIT:\n\t\t\ttouched_announce();\n\t\t\tbreak;\n\t\tcase XACT_EVENT_COMMIT:\n')
    if rule == 'version':
        text = text.replace('\tedge->version = pgmq_tree_version();\n', '')
        return text.replace('\t\tslot_set(tree, node, i, Min(node->due[i], due));',
                            '\t\tif (HAS_CHILD(node, i))\n\t\t\tslot_set(tree, node, i, due);\n\t\telse\n\t\t\tnode->due[i] = Min(node->due[i], due);')
    if rule in FUZZ:
        if '#include "executor/spi.h"' not in text and 'SPI_' in new:
            text = text.replace('#include "postgres.h"\n', '#include "postgres.h"\n#include "executor/spi.h"\n#include "utils/acl.h"\n#include "utils/builtins.h"\n', 1)
        return text.replace(old, new)
    if rule == 'update':
        return text.replace('&isnull)) <= vt)', '&isnull)) <= PG_INT64_MAX)')
    return text.replace(old, new)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--seconds', type=int, default=120)
    parser.add_argument('--options', default='', help='for due_map.py')
    parser.add_argument('rules', nargs='*', default=[])
    options = parser.parse_args()
    config = os.environ.get('PG_CONFIG') or sys.exit('set PG_CONFIG to the pg_config of a server to be used up')
    bindir = subprocess.check_output([config, '--bindir'], text=True).strip()
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    work = tempfile.mkdtemp(prefix='pgmq_break.')
    subprocess.check_call(f'git ls-files -z | xargs -0 cp --parents -t {work}', shell=True, cwd=top)

    def install():
        subprocess.run(['make', '-s', f'PG_CONFIG={config}', 'with_llvm=no', 'COPT=-Wno-error', 'install'], cwd=work, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    missed = 0
    for rule in options.rules or RULES:
        what, file, *_ = RULES[rule]
        path = f'{work}/src/{file}'
        with open(path) as f:
            sound = f.read()
        text = broken(rule, sound)
        if text == sound:
            sys.exit(f'{rule}: what is to be taken out of {file} is not there')
        with open(path, 'w') as f:
            f.write(text)
        install()
        began = time.time()
        run = subprocess.run([sys.executable, f'{top}/test/torture/{"fuzz" if rule in FUZZ else "due_map"}.py', '--seconds', str(options.seconds), *options.options.split()],
                             env={**os.environ, 'PG_BINDIR': bindir}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with open(path, 'w') as f:
            f.write(sound)
        last = [line for line in run.stdout.splitlines() if line.startswith(('ok', 'not ok'))] or ['died']
        found = run.returncode != 0 and last[-1].startswith('not ok')
        missed += not found
        print(f"{'ok' if found else 'not ok'} {rule}: {what}: {time.time() - began:.0f} s: {last[-1][:160]}", flush=True)
    install()
    shutil.rmtree(work)
    sys.exit(1 if missed else 0)


if __name__ == '__main__':
    main()
