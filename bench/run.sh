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
#   SCENARIOS="verbs engine peers"        and "claims", "policies", "limits", "streams", "router"; the first three by default
#   PARTS="..."         only these parts of the scenarios, by README.md's names
#   PRELOAD=on          off: without shared_preload_libraries
#   SECONDS_PER_CELL=1  length of one run, roughly
#   RUNS=...            runs of each cell; the median counts
#   CLIENTS=4           connections of the cycles
#   SYNC="..."          the values of synchronous_commit
#   PGMQ_SQL=...        the SQL file of PGMQ's extension, to be measured beside
#   BENCH_DIR=...       where the server's temporary directory is made; choose a
#                       real disk, or synchronous_commit = on measures nothing
#   BENCH_USER=postgres the user who runs the server when started as root
#   RESULTS=bench/results     where the JSON and the charts go
#
# README.md lists the others.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bindir=${PG_BINDIR:-$("${PG_CONFIG:-pg_config}" --bindir)}
export LC_ALL=C.UTF-8

pgmq_sql=${PGMQ_SQL:+$(realpath -m "$PGMQ_SQL")}
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

# With nothing chosen, a bit of everything, in less than ten minutes.
if [ -z "${SCENARIOS:-}${PARTS:-}" ]; then
    export PARTS="verbs cycles reads plain pinned empty wake wal
        peer_cycles peer_batches peer_pinned peer_delayed peer_drain peer_wake"
    export RUNS="${RUNS:-3}" SYNC="${SYNC:-off}" DELAYED="${DELAYED:-200000}"
    export PINNED_SECONDS="${PINNED_SECONDS:-20}" PEER_SECONDS="${PEER_SECONDS:-3}"
    export PEER_PINNED_SECONDS="${PEER_PINNED_SECONDS:-8}" PEER_DELAYED="${PEER_DELAYED:-100000}"
    peer_runs=1
fi

mkdir -p "${RESULTS:=$here/results}"
export PGMQ_SQL=$pgmq_sql
for scenarios in ${SCENARIOS:-verbs engine peers}; do
    case $scenarios in
        verbs) python3 "$here/bench.py" "$bindir" "$work" "$RESULTS" ;;
        claims) python3 "$here/claims.py" "$bindir" "$work" "$RESULTS" ;;
        engine) python3 "$here/engine.py" "$bindir" "$work" "$RESULTS" ;;
        peers) RUNS=${peer_runs:-${RUNS:-1}} python3 "$here/peers.py" "$bindir" "$work" "$RESULTS" ;;
        policies) python3 "$here/policies.py" "$bindir" "$work" "$RESULTS" ;;
        streams) python3 "$here/streams.py" "$bindir" "$work" "$RESULTS" ;;
        limits) PARTS=${PARTS:-cost readers priorities} SIDES=${SIDES:-max_length max_in_flight rate fair priorities} \
            python3 "$here/policies.py" "$bindir" "$work" "$RESULTS" ;;
        router) python3 "$here/router.py" "$bindir" "$work" "$RESULTS" ;;
        *) echo "bench/run.sh: there are no scenarios \"$scenarios\"" >&2; exit 1 ;;
    esac
done
