#!/usr/bin/env bash
#
# run.sh
#      The benchmark, on a throw-away server.  README.md tells how to read it.
#
# usage: PG_CONFIG=pg_config bench/run.sh
#
# pgmq_c must be installed in the server that PG_CONFIG (or PG_BINDIR, its bin
# directory) names.  Settings, all by environment:
#
#   SCENARIOS="verbs"   or "engine", "policies", or several
#   PRELOAD=on          off: without shared_preload_libraries
#   SECONDS_PER_CELL=1  length of one run, roughly
#   RUNS=5              runs of each side of each cell; the median counts
#   CLIENTS=4           connections of the cycles
#   PARTS="verbs cycles groups plans"     what to measure
#   SYNC="on off"       the values of synchronous_commit
#   VERBS="..."         only these verbs, by the first column's names
#   BENCH_DIR=...       where the server's temporary directory is made; choose a
#                       real disk, or synchronous_commit = on measures nothing
#   BENCH_USER=postgres the user who runs the server when started as root
#   RESULTS=bench/results     where the JSON goes
#
# The other scenarios have more of them; README.md lists those.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bindir=${PG_BINDIR:-$("${PG_CONFIG:-pg_config}" --bindir)}
export LC_ALL=C.UTF-8

for name in ${!PG*}; do
    unset "$name"
done

if ! command -v python3 >/dev/null; then
    echo "bench/run.sh needs python3" >&2
    exit 1
fi

work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pgmq_bench.XXXXXX")
as_server=()
if [ "$(id -u)" = 0 ]; then
    user=${BENCH_USER:-postgres}
    id -u "$user" >/dev/null 2>&1 || user=nobody
    as_server=(runuser -u "$user" --)
    chown "$user" "$work"
fi
chmod 755 "$work"

stop_all() {
    status=$?
    trap - EXIT
    if [ -f "$work/data/postmaster.pid" ]; then
        "${as_server[@]}" "$bindir/pg_ctl" -D "$work/data" -m immediate -w stop \
            >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# Defaults, but for what would make two runs of one cell differ: no checkpoint
# and no autovacuum comes in between (the cycles turn autovacuum on).
if ! {
    "${as_server[@]}" "$bindir/initdb" -D "$work/data" -A trust -U postgres -E UTF8 \
        --locale=C.UTF-8 &&
    cat >>"$work/data/postgresql.conf" <<EOF &&
listen_addresses = ''
unix_socket_directories = '$work'
port = 5432
shared_buffers = 512MB
max_wal_size = 16GB
checkpoint_timeout = 1h
autovacuum = off
autovacuum_naptime = 1s
jit = off
max_connections = 400
$([ "${PRELOAD:-on}" = off ] || echo "shared_preload_libraries = 'pgmq_c'")
EOF
    "${as_server[@]}" "$bindir/pg_ctl" -D "$work/data" -l "$work/server.log" -w -t 60 start
} >"$work/start.log" 2>&1 </dev/null; then
    cat "$work/start.log" >&2
    [ ! -f "$work/server.log" ] || cat "$work/server.log" >&2
    exit 1
fi

mkdir -p "${RESULTS:=$here/results}"
for scenarios in ${SCENARIOS:-verbs}; do
    case $scenarios in
        verbs) python3 "$here/bench.py" "$bindir" "$work" "$RESULTS" ;;
        engine) python3 "$here/engine.py" "$bindir" "$work" "$RESULTS" ;;
        policies) python3 "$here/policies.py" "$bindir" "$work" "$RESULTS" ;;
        *) echo "bench/run.sh: there are no scenarios \"$scenarios\"" >&2; exit 1 ;;
    esac
done
