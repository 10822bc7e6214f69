#!/bin/sh
# make cluster: a router and three shards, a queue that is spread over them, a
# shard that is killed and comes back, and a queue that moves.
#
# Builds, and starts four throw-away servers with a user, sockets and a directory
# of their own. They stay up to be looked at until `make cluster-stop`. make check
# has built already: BUILT is the pg_config of its server.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

source_tree=$(pwd)
cluster/stop.sh quietly

WORK=
RUN_AS=
give_up() {
    trap - EXIT INT TERM
    echo "the cluster failed" >&2
    [ -z "$WORK" ] || echo "$WORK $RUN_AS $PG_BINDIR" >"$source_tree/.cluster"
    cd "$source_tree"
    cluster/stop.sh quietly
    exit 1
}
trap give_up EXIT
trap 'exit 130' INT TERM

step() {
    printf '\n== %s\n' "$*"
}

# In the router's database: show a statement, and run it.
run_sql() {
    printf 'router=# %s\n' "$1"
    psql -d router -c "$1"
}

ask() {
    psql -XAtqd router -c "SET client_min_messages = error" -c "$1"
}

expect() {
    [ "$2" = "$3" ] || die "$1: expected $3, got $2"
}

# --------------------------------------------------------------------------

step "Build pgmq_c and its router, and start four servers"
echo "This takes a minute, and some more where packages are missing."
need_server
if [ ! -e "$("$PG_CONFIG" --sharedir)/extension/plproxy.control" ]; then
    [ -z "$PG_PACKAGED" ] || install_packages "postgresql-$PG_MAJOR-plproxy"
    if [ ! -e "$("$PG_CONFIG" --sharedir)/extension/plproxy.control" ]; then
        trap - EXIT
        echo "skip cluster: no PL/Proxy (package postgresql-$PG_MAJOR-plproxy)"
        exit 0
    fi
fi
make_workdir pgmq_cluster
make_user "pgmq_cluster_$$"
PG_BINDIR=
if [ -n "${BUILT:-}" ]; then
    PRIVATE=$BUILT
    [ "$(id -u)" != 0 ] || chown "$RUN_AS" "$WORK"
else
    copy_server "$WORK/server"
    copy_source "$WORK/src"
    [ "$(id -u)" != 0 ] || chown -R "$RUN_AS" "$WORK"
    cd "$WORK/src"
    build_and_install "$WORK/src"
    as_user make -s -C router PG_CONFIG="$PRIVATE" with_llvm=no all install >/dev/null
fi
PG_BINDIR=$("$PRIVATE" --bindir)
echo "$WORK $RUN_AS $PG_BINDIR" >"$source_tree/.cluster"
all=$WORK
for name in router shard0 shard1 shard2; do
    as_user mkdir -m 755 "$all/$name"
    WORK=$all/$name
    start_server "shared_preload_libraries = 'pgmq_c'
shared_buffers = 32MB
max_connections = 50
wal_level = logical
client_connection_check_interval = '1s'"
    WORK=$all
done
echo "PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //'), run by $RUN_AS in $WORK"

PATH=$PG_BINDIR:$PATH
PGHOST=$WORK/router/sock PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
PSQLRC=/dev/null PAGER=
export PATH PGHOST PGPORT PGUSER PGDATABASE PSQLRC PAGER

step "A router, and three shards"
for n in 0 1 2; do
    psql -Xqd "host=$WORK/shard$n/sock" -c 'CREATE EXTENSION pgmq_c'
done
psql -Xqc 'CREATE DATABASE router'
run_sql 'CREATE EXTENSION pgmq_router CASCADE'
for n in 0 1 2; do
    run_sql "SELECT pgmq_router.add_shard('host=$WORK/shard$n/sock dbname=postgres')"
done

step "A queue in one place, and one that is spread"
run_sql "SELECT pgmq.create('orders')"
run_sql "SELECT pgmq_router.create('events', shards => 3)"
run_sql "SELECT queue_name, shards FROM pgmq_router.queue"
run_sql "SELECT count(*) FROM (SELECT pgmq.send('events', to_jsonb(n)) FROM generate_series(1, 300) AS n) AS sent"
run_sql "SELECT msg_id >> 46 AS slot, count(*) FROM pgmq.peek('events', qty => 1000) GROUP BY slot ORDER BY slot"
run_sql "SELECT queue_name, queue_length FROM pgmq.metrics('events')"
run_sql "SELECT pgmq_router.locate('orders')"

step "A shard is killed: the queue goes on"
kill -9 "$(head -n 1 "$WORK/shard1/data/postmaster.pid")"
run_sql "SELECT count(*) FROM (SELECT pgmq.send('events', to_jsonb(n)) FROM generate_series(301, 310) AS n) AS sent"
run_sql "SELECT msg_id, message FROM pgmq.read('events', 0, 2)"
run_sql "SELECT shard, problem FROM pgmq_router.check()"
expect "messages in the queue without shard 1" \
    "$(ask "SELECT queue_length >= 210 - 100 AND queue_length < 310 FROM pgmq.metrics('events')")" t

step "And comes back, with its messages"
all=$WORK
WORK=$all/shard1
for _ in 1 2 3 4 5; do
    as_user "$PG_BINDIR/pg_ctl" -D "$WORK/data" -l "$WORK/server.log" -w -s start >"$WORK/start.log" 2>&1 && break
    sleep 1
done
WORK=$all
run_sql "SELECT queue_length FROM pgmq.metrics('events')"
expect "messages in the queue" "$(ask "SELECT queue_length FROM pgmq.metrics('events')")" 310

python=
for candidate in python3 /usr/bin/python3; do
    [ -n "$python" ] || ! $candidate -c 'import psycopg' 2>/dev/null || python=$candidate
done
if [ -n "$python" ]; then
    step "A queue moves"
    run_sql "SELECT pgmq.send('orders', to_jsonb(n)) FROM generate_series(1, 3) AS n"
    from=$(ask "SELECT shards[1] FROM pgmq_router.queue WHERE queue_name = 'orders'")
    to=$(((from + 1) % 3))
    echo "$ tools/pgmq-move --router dbname=router orders $from $to"
    "$python" tools/pgmq-move --router dbname=router orders "$from" "$to"
    run_sql "SELECT pgmq_router.locate('orders'), queue_length FROM pgmq.metrics('orders')"
    expect "orders after the move" "$(ask "SELECT queue_length FROM pgmq.metrics('orders')")" 3
else
    echo "skip moving: no python3 with psycopg (package python3-psycopg)"
fi
expect "what pgmq_router.check() finds" "$(ask 'SELECT count(*) FROM pgmq_router.check()')" 0

cat <<END

The servers are still there. Look at them with
  $PG_BINDIR/psql -h $WORK/router/sock -U postgres router
or -h $WORK/shard0/sock, shard1, shard2; and stop and remove them with
  make cluster-stop
END
trap - EXIT
