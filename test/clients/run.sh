#!/usr/bin/env bash
#
# run.sh
#      Real clients, unmodified, against a throw-away server with pgmq_c.
#
# usage: PG_BINDIR=$(pg_config --bindir) test/clients/run.sh
#
# PG_BINDIR is the bin directory of a server that has pgmq_c installed.  The
# script starts such a server and a pgbouncer of its own in a temporary
# directory, reachable through Unix sockets there only, and ends both.  Nothing
# is installed: node packages go to the temporary directory.
#
# Each check prints one line: "ok NAME", "not ok NAME" or "skip NAME reason".
# The exit code is 0 when nothing failed.
#
#   CLIENT_USER=name   user that runs the servers when started as root (postgres)
#   PYTHON=path        a python3 that has psycopg 3 (the first one found)
#   KEEP=1             keep the temporary directory

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bindir=${PG_BINDIR:?"set PG_BINDIR to the bin directory of a server with pgmq_c"}
export LC_ALL=C.UTF-8

# No setting of the caller's may lead a client elsewhere.
for name in ${!PG*}; do
    unset "$name"
done

#
# A directory the server's user can live in
#
work=$(mktemp -d "${TMPDIR:-/tmp}/pgmq_clients.XXXXXX")
as_server=()
if [ "$(id -u)" = 0 ]; then
    user=${CLIENT_USER:-postgres}
    id -u "$user" >/dev/null 2>&1 || user=nobody
    as_server=(runuser -u "$user" --)
    chown "$user" "$work"
fi
chmod 755 "$work"
port=5432
pooler_port=6432

stop_all() {
    status=$?
    trap - EXIT
    if [ -n "${pooler_pid:-}" ]; then
        kill "$pooler_pid" 2>/dev/null || true
        wait "$pooler_pid" 2>/dev/null || true
    fi
    if [ -f "$work/data/postmaster.pid" ]; then
        "${as_server[@]}" "$bindir/pg_ctl" -D "$work/data" -m immediate -w stop \
            >/dev/null 2>&1 || true
    fi
    if [ -n "${KEEP:-}" ]; then
        echo "# kept $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

failed=0

# Runs a client and shows what it prints; no line of result at all is a failure.
client() {
    local label=$1 count
    shift
    "$@" >"$work/out" 2>&1 && status=0 || status=$?
    cat "$work/out"
    count=$(grep -c -E '^(not )?ok ' "$work/out" || true)
    if [ "$status" != 0 ] || [ "$count" = 0 ]; then
        failed=1
        grep -q '^not ok ' "$work/out" || echo "not ok $label (exit code $status)"
    fi
}

sql() {
    "$bindir/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$work" -p "$port" -U postgres "$@"
}

#
# The server
#
if ! {
    "${as_server[@]}" "$bindir/initdb" -D "$work/data" -A trust -U postgres -N -E UTF8 \
        --locale=C.UTF-8 &&
    "${as_server[@]}" "$bindir/pg_ctl" -D "$work/data" -l "$work/server.log" -w -t 60 start \
        -o "-c listen_addresses= -c unix_socket_directories='$work' -c port=$port -c fsync=off" \
        -o "-c shared_preload_libraries=pgmq_c"
} >"$work/start.log" 2>&1 </dev/null; then
    sed 's/^/# /' "$work/start.log"
    [ ! -f "$work/server.log" ] || sed 's/^/# /' "$work/server.log"
    echo "not ok server"
    exit 1
fi
for database in js js_pooled py work_js work_py; do
    if ! {
        sql -d postgres -c "CREATE DATABASE $database" &&
        sql -d "$database" -c "CREATE EXTENSION pgmq_c"
    } >"$work/create.log" 2>&1; then
        sed 's/^/# /' "$work/create.log"
        echo "not ok create_extension"
        exit 1
    fi
done

#
# A router, where there is one, with a shard of its own for each client
#
router=
if [ "$(sql -d postgres -c "SELECT count(*) FROM pg_available_extensions WHERE name IN ('plproxy', 'pgmq_router')")" = 2 ]; then
    router=1
    for database in routed_js routed_js_pooled routed_py; do
        {
            sql -d postgres -c "CREATE DATABASE $database" -c "CREATE DATABASE ${database}_shard" &&
            sql -d "${database}_shard" -c "CREATE EXTENSION pgmq_c" &&
            sql -d "$database" -c "CREATE EXTENSION pgmq_router CASCADE" \
                -c "SELECT pgmq_router.add_shard('host=$work port=$port dbname=${database}_shard')"
        } >"$work/create.log" 2>&1 || {
            sed 's/^/# /' "$work/create.log"
            echo "not ok create_router"
            exit 1
        }
    done
else
    echo "skip routed PL/Proxy (postgresql-NN-plproxy) or pgmq_router is not installed"
fi

#
# pgbouncer in transaction mode.  Round robin, so that a client's statements do
# not all go to the same server connection.
#
pooler=
for program in pgbouncer /usr/sbin/pgbouncer; do
    if command -v "$program" >/dev/null; then
        pooler=$(command -v "$program")
        break
    fi
done
if [ -n "$pooler" ]; then
    cat >"$work/pgbouncer.ini" <<EOF
[databases]
* = host=$work port=$port user=postgres
[pgbouncer]
listen_addr =
listen_port = $pooler_port
unix_socket_dir = $work
auth_type = any
pool_mode = transaction
default_pool_size = 4
min_pool_size = 4
server_round_robin = 1
ignore_startup_parameters = extra_float_digits
EOF
    "${as_server[@]}" "$pooler" "$work/pgbouncer.ini" >"$work/pgbouncer.log" 2>&1 &
    pooler_pid=$!
    for _ in $(seq 100); do
        "$bindir/psql" -X -q -h "$work" -p "$pooler_port" -U postgres -d py -c '' \
            >/dev/null 2>&1 && break
        kill -0 "$pooler_pid" 2>/dev/null || break
        sleep 0.1
    done
    if ! "$bindir/psql" -X -q -h "$work" -p "$pooler_port" -U postgres -d py -c '' >/dev/null; then
        sed 's/^/# /' "$work/pgbouncer.log"
        echo "not ok pgbouncer"
        exit 1
    fi
else
    pooler_port=
    echo "skip pgbouncer pgbouncer is not installed"
fi

#
# Node
#

# Fetch the packages of a folder.  Without a network it gives up after seconds, not minutes.
fetch() {
    (cd "$1" && npm_config_cache="$work/npm" npm ci --fetch-retries=2 --fetch-retry-mintimeout=1000 \
        --fetch-retry-maxtimeout=5000) >"$work/npm.log" 2>&1 || {
        sed 's/^/# /' "$work/npm.log"
        return 1
    }
}

# Why the packages of a folder cannot be used here; nothing if they can.
node_lacks() {
    if ! command -v node >/dev/null; then
        echo "node is not installed"
    elif ! command -v npm >/dev/null; then
        echo "npm is not installed"
    else
        node -e '
            const least = require(process.argv[1]).engines.node.match(/[0-9]+/g).map(Number);
            const here = process.versions.node.split(".").map(Number);
            if (here[0] < least[0] || (here[0] === least[0] && here[1] < (least[1] || 0)))
                console.log("Node.js " + process.versions.node + " is older than " + least.join("."));' "$1/package.json"
    fi
}

lacks=$(node_lacks "$here")
if [ -n "$lacks" ]; then
    echo "skip pgmq-js $lacks"
    echo "skip node-pg $lacks"
else
    mkdir "$work/node"
    cp "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$here"/*.js "$work/node"
    if ! fetch "$work/node"; then
        echo "skip pgmq-js npm ci could not fetch it"
    else
        client pgmq-js node "$work/node/pgmq_js.js" pgmq-js "$work" "$port" js
        [ -z "$router" ] || client pgmq-js.routed node "$work/node/pgmq_js.js" pgmq-js.routed "$work" "$port" routed_js
        sql -d js -c "SELECT pgmq.create_stream('js_log')" \
            -c "SELECT pgmq.create_subscription(s, 'js_log') FROM unnest('{js_billing,js_shipping}'::text[]) AS s" >"$work/create.log"
        client pgmq-js.subscription node "$work/node/pgmq_js_stream.js" pgmq-js.subscription "$work" "$port" js
        client node-pg node "$work/node/node_pg.js" node-pg "$work" "$port" js
        if [ -n "$pooler_port" ]; then
            client pgmq-js.pgbouncer node "$work/node/pgmq_js.js" pgmq-js.pgbouncer \
                "$work" "$pooler_port" js_pooled
            [ -z "$router" ] || client pgmq-js.routed.pgbouncer node "$work/node/pgmq_js.js" pgmq-js.routed.pgbouncer \
                "$work" "$pooler_port" routed_js_pooled
        fi
        if [ "$(sql -d postgres -c "SELECT 1 FROM pg_available_extensions WHERE name = 'pgmq'")" ]; then
            sql -d postgres -c "CREATE DATABASE js_new"
            client pgmq-js node "$work/node/pgmq_js_new.js" pgmq-js "$work" "$port" js_new
        else
            echo "skip pgmq-js.new_creates_extension no extension of the name pgmq (make install-pgmq)"
        fi
    fi
fi

#
# The console, in a browser where there is one
#
lacks=$(node_lacks "$here/../../console")
if [ -n "$lacks" ]; then
    echo "skip console $lacks"
else
    mkdir "$work/console"
    (cd "$here/../../console" && cp -R package.json package-lock.json .npmrc ./*.js public test "$work/console")
    if ! fetch "$work/console"; then
        echo "skip console npm ci could not fetch its packages"
    else
        sql -d postgres -c "CREATE DATABASE console"
        sql -d console -c "CREATE EXTENSION pgmq_c"
        client console env CONSOLE_SOCKET="$work" CONSOLE_PORT="$port" CONSOLE_DATABASE=console \
            timeout 300 node --test --test-reporter=tap "$work/console/test/"
    fi
fi

#
# Python.  The python3 found first may be one without psycopg.
#
python=
for program in ${PYTHON:-} python3 /usr/bin/python3; do
    if command -v "$program" >/dev/null && "$program" -c 'import psycopg' 2>/dev/null; then
        python=$program
        break
    fi
done
if [ -n "$python" ]; then
    client psycopg "$python" "$here/psycopg_test.py" "$work" "$port" py $pooler_port
    [ -z "$router" ] || client routed "$python" "$here/psycopg_test.py" --routed "$work" "$port" routed_py $pooler_port

    #
    # The workers of examples/, which see the server crash
    #
    restart="${as_server[*]} '$bindir/pg_ctl' -D '$work/data' -l '$work/server.log' -m immediate -w -s restart"
    client psycopg-worker "$python" "$here/worker_test.py" psycopg-worker "$work" "$port" work_py "$restart" \
        "$python" "$here/worker_handlers.py" "$here/../../examples/python"
    node_directory=
    if [ -d "$work/node/node_modules" ]; then
        node_directory=$work/node
        cp "$here/../../examples/node/worker.js" "$work/node"
        client node-worker "$python" "$here/worker_test.py" node-worker "$work" "$port" work_js "$restart" \
            node "$work/node/worker_handlers.js" "$work/node"
    else
        echo "skip node-worker no pg from npm"
    fi
    client docs env PATH="$bindir:$PATH" "$python" "$here/docs_workers.py" "$work" "$port" "$here/../.." $node_directory
else
    echo "skip psycopg no python3 with psycopg 3"
fi

#
# The kit for Prometheus
#
sql -d postgres -c "CREATE DATABASE monitoring"
sql -d monitoring -c "CREATE EXTENSION pgmq_c"
client monitoring python3 "$here/monitoring_test.py" "$here/../../monitoring" "$work" "$port" monitoring "$bindir/psql"

# A backend that crashed took all its clients along, but say so plainly.
if grep -E 'was terminated by signal|PANIC|TRAP:' "$work/server.log" | sed 's/^/# /' | grep .; then
    echo "not ok server_did_not_crash"
    failed=1
else
    echo "ok server_did_not_crash"
fi
exit "$failed"
