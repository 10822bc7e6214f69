#!/bin/sh
# How many instructions a call of each verb of the hot path takes.
#
# usage: [PG_CONFIG=pg_config] bench/instructions.sh [TREE...]
#
# For each source tree (this one if none is named) it builds the extension into
# a private copy of the server and runs CALLS calls of send, send with a
# deduplication id (send_id), read (one message), pop, delete, archive and set_vt under callgrind, in one single-user backend
# with shared_preload_libraries, by prepared statements, one transaction each.
# It prints a column for each tree, the instructions of one call with all of its
# statement and its commit; and how far the last column is from the first.
# Two runs of the same source differ by about 0.1 %.  Other work on the machine
# makes it slower, but not the figures larger.
#
#   CALLS=250      calls of each verb.  They must not last ten seconds, since a
#                  due map gets a full check then; the script says if one did
#   VERBS="..."    only these; also send_priority, read_priority and delete_priority,
#                  in a queue with priorities; read_batch, which reads 100
#                  messages; and read_alone and read_beside: a read of the one
#                  readable message in a block of ids, alone there or beside 63
#                  leased ones
#   KEEP=DIR       keep callgrind's files there, for callgrind_annotate; the
#                  library is then built with -g
#
# Needs valgrind.
set -eu

case ${1:-} in
    -h | --help)
        sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
        exit
        ;;
esac
command -v valgrind >/dev/null || { echo "bench/instructions.sh needs valgrind" >&2; exit 1; }

here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- "$here"
for tree in "$@"; do
    [ -f "$tree/pgmq_c.control" ] || { echo "$tree is no source tree of pgmq_c" >&2; exit 1; }
done
CALLS=${CALLS:-250}
VERBS=${VERBS:-send send_id read pop delete archive set_vt}
KEEP=${KEEP:+$(mkdir -p "$KEEP" && cd "$KEEP" && pwd)}

# shellcheck source=tools/lib.sh
. "$here/tools/lib.sh"
export LC_ALL=C

finish() {
    status=$?
    trap - EXIT
    cd /
    rm -rf "$WORK"
    drop_user
    exit "$status"
}

need_server
make_workdir pgmq_instructions
RUN_AS=$(id -un)
trap finish EXIT
make_user "pgmq_instr_$$"

# The statements: a queue for each verb, so that none has to be checked in the
# time; the part that is measured is between two marks.
statements() {
    mark="DISCARD SEQUENCES"
    echo "PREPARE send AS SELECT pgmq.send('send', '{\"n\": 1}')"
    echo "PREPARE send_id (bigint) AS SELECT pgmq.send('send_id', '{\"n\": 1}', jsonb_build_object('x-pgmq-dedup-id', \$1::text))"
    echo "PREPARE read AS SELECT * FROM pgmq.read('read', 3600, 1)"
    echo "PREPARE pop AS SELECT * FROM pgmq.pop('pop')"
    echo "PREPARE delete (bigint) AS SELECT pgmq.delete('delete', \$1)"
    echo "PREPARE archive (bigint) AS SELECT pgmq.archive('archive', \$1)"
    echo "PREPARE set_vt (bigint) AS SELECT * FROM pgmq.set_vt('set_vt', \$1, 3600)"
    echo "PREPARE send_priority AS SELECT pgmq.send('send_priority', '{\"n\": 1}', '{\"x-pgmq-priority\": 5}'::jsonb)"
    echo "PREPARE read_priority AS SELECT * FROM pgmq.read('read_priority', 3600, 1)"
    echo "PREPARE delete_priority (bigint) AS SELECT pgmq.delete('delete_priority', \$1)"
    echo "PREPARE read_batch AS SELECT * FROM pgmq.read('read_batch', 3600, 100)"
    echo "PREPARE read_alone AS SELECT * FROM pgmq.read('read_alone', 3600, 1)"
    echo "PREPARE read_beside AS SELECT * FROM pgmq.read('read_beside', 3600, 1)"
    for verb in $VERBS; do
        case $verb in
            read_alone | read_beside) messages=$((64 * (CALLS + 21))) ;;
            read_batch) messages=$((100 * (CALLS + 20))) ;;
            *) messages=$((CALLS + 20)) ;;
        esac
        echo "SELECT pgmq.create('$verb')"
        [ "$verb" != send_id ] || echo "SELECT pgmq.set_policy('send_id', '{\"dedup_window\": 3600}')"
        case $verb in
            *_priority) echo "SELECT pgmq.set_policy('$verb', '{\"priorities\": true}')" ;;
        esac
        echo "SELECT pgmq.send_batch('$verb', array_agg('{\"n\": 1}'::jsonb)) FROM generate_series(1, $messages)"
        case $verb in
            read_alone)
                echo "DELETE FROM pgmq.q_$verb WHERE msg_id % 64 <> 32"
                echo "VACUUM pgmq.q_$verb"
                ;;
        esac
        case $verb in
            read_alone | read_beside)
                echo "SELECT count(*) FROM pgmq.read('$verb', 86400, $messages)"
                # each becomes readable by a transaction of its own, as sent ones do
                for i in $(seq 0 $((CALLS + 19))); do
                    echo "SELECT pgmq.set_vt('$verb', $((64 * i + 32)), 0)"
                done
                ;;
        esac
        echo "ANALYZE pgmq.q_$verb"
        case $verb in
            send | send_priority | read* | pop) argument='' ;;
            *) argument='(%d)' ;;
        esac
        # the first ones make plans and caches
        awk -v verb="$verb" -v argument="$argument" -v calls="$CALLS" -v mark="$mark" 'BEGIN {
            for (i = 1; i <= calls + 20; i++) {
                if (i == 21)
                    print mark
                printf "EXECUTE " verb argument "\n", i
            }
            print mark
        }'
    done
}

# Measure one tree; a line for each verb, "VERB INSTRUCTIONS", goes to $2.
measure() {
    at=$2.d
    mkdir "$at"
    copy_server "$at/server"
    (cd "$1" && copy_source "$at/src")
    [ "$(id -u)" != 0 ] || chown -R "$RUN_AS" "$at"
    PG_BINDIR=$("$PRIVATE" --bindir)
    build_and_install "$at/src" >"$at/build.log" 2>&1 || { cat "$at/build.log"; return 1; }
    as_user "$PG_BINDIR/initdb" -D "$at/data" -U postgres --encoding=UTF8 --no-locale --no-sync >"$at/initdb.log" 2>&1 ||
        { cat "$at/initdb.log"; return 1; }
    as_user sh -c 'cat >>"$0"' "$at/data/postgresql.conf" <<END
shared_preload_libraries = 'pgmq_c'
fsync = off
jit = off
max_wal_size = 4GB
END
    # by a server of its own, since the table of a session's locks stays as large
    # as this makes it, and each commit goes through it
    echo "CREATE EXTENSION pgmq_c" |
        as_user "$PG_BINDIR/postgres" --single -D "$at/data" postgres >"$at/log" 2>&1 ||
        { cat "$at/log"; return 1; }
    statements >"$at/statements"
    as_user valgrind --tool=callgrind --dump-before=ResetSequenceCaches --callgrind-out-file="$at/out" \
        "$PG_BINDIR/postgres" --single -D "$at/data" postgres >"$at/log" 2>&1 <"$at/statements" ||
        { tail -n 20 "$at/log"; return 1; }
    if grep -E ' (ERROR|WARNING|FATAL|PANIC): ' "$at/log"; then
        return 1
    fi

    # the parts: what comes before the first mark, then each verb, with what
    # makes the next one's queue after it
    part=0
    for verb in $VERBS; do
        part=$((part + 2))
        awk -v verb="$verb" -v calls="$CALLS" '/^(totals|summary):/ { total = $2 }
            END { printf "%s %.0f\n", verb, total / calls }' "$at/out.$part"
        if grep -q 'fn=.*row_check' "$at/out.$part"; then
            echo "$1: a full check is in the figure for $verb; use fewer CALLS" >&2
        fi
        [ -z "$KEEP" ] || cp "$at/out.$part" "$KEEP/$(basename "$2").$verb"
    done >"$2"
}

cd "$here"
n=0
for tree in "$@"; do
    n=$((n + 1))
    [ -z "$KEEP" ] || export COPT=-g
    measure "$(cd "$tree" && pwd)" "$WORK/tree$n"
done

echo "instructions of a call, $("$PG_CONFIG" --version)"
# shellcheck disable=SC2046 # names without blanks
awk 'FNR == 1 { n++ }
    { figure[$1, n] = $2; if (n == 1) verbs[++nverbs] = $1 }
    END {
        for (i = 1; i <= nverbs; i++) {
            verb = verbs[i]
            line = sprintf("%-8s", verb)
            for (j = 1; j <= n; j++)
                line = line sprintf(" %9d", figure[verb, j])
            if (n > 1)
                line = line sprintf("  %+.2f %%", 100 * (figure[verb, n] / figure[verb, 1] - 1))
            print line
        }
    }' $(for i in $(seq $n); do echo "$WORK/tree$i"; done)
