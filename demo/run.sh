#!/bin/sh
# make demo: a queue of files, four workers, and one of them killed with -9.
#
# Builds, starts a throw-away server with a user, socket and directory of its
# own, and runs the SQL beside this script through psql. The server stays up
# to be looked at until `make demo-stop`. make check has built already: BUILT is
# the pg_config of its server.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

source_tree=$(pwd)
demo/stop.sh quietly

WORK=
RUN_AS=
workers=
give_up() {
    trap - EXIT INT TERM
    for pid in $workers; do kill "$pid" 2>/dev/null || true; done
    if [ -n "$WORK" ]; then
        [ ! -f "$WORK/data/postmaster.pid" ] || stop_server || true
        cd /
        rm -rf "$WORK"
    fi
    [ -z "$RUN_AS" ] || drop_user
    rm -f "$source_tree/.demo"
    echo "the demo failed" >&2
}
trap give_up EXIT
trap 'exit 130' INT TERM

step() {
    printf '\n== %s\n' "$*"
}

# Show a command as one would type it, and run it.
run() {
    printf '$ %s\n' "$*"
    "$@"
}

run_sql() {
    printf '$ psql -c "%s"\n' "$1"
    psql -c "$1"
}

# --------------------------------------------------------------------------

step "Build pgmq_c and start a server for it"
echo "This takes a minute, and some more where packages are missing."
need_server
make_workdir pgmq_demo
make_user "pgmq_demo_$$"
echo "$WORK $RUN_AS" >.demo
if [ -n "${BUILT:-}" ]; then
    PRIVATE=$BUILT
    mkdir "$WORK/src"
    cp -R demo "$WORK/src"
else
    copy_server "$WORK/server"
    copy_source "$WORK/src"
fi
[ "$(id -u)" != 0 ] || chown -R "$RUN_AS" "$WORK"
cd "$WORK/src"
[ -n "${BUILT:-}" ] || build_and_install "$WORK/src"
PG_BINDIR=$("$PRIVATE" --bindir)
start_server "shared_preload_libraries = 'pgmq_c'
client_connection_check_interval = '1s'"
echo "PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //'), run by $RUN_AS in $WORK"

PATH=$PG_BINDIR:$PATH
PGHOST=$WORK/sock PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
PSQLRC=/dev/null PAGER=
export PATH PGHOST PGPORT PGUSER PGDATABASE PSQLRC PAGER
cd demo

ask() {
    psql -XAtqc "$1"
}

step "A queue of files"
run psql -v ON_ERROR_STOP=1 -e -f setup.sql
find "$("$PG_CONFIG" --includedir-server)/" -type f -name '*.h' | sort >headers.txt
run psql -v ON_ERROR_STOP=1 -e -f fill.sql
total=$(ask "SELECT queue_length FROM pgmq.metrics('files')")

step "Four workers, each a connection that does this again and again"
run cat work.sql
echo
echo "This one will be slow with a message, and is killed then:"
run cat doomed.sql
echo
work() {
    printf '$ %s\n' "while cat $2; do :; done | PGAPPNAME=$1 psql -Xqt -v ON_ERROR_STOP=1 -v worker=$1 -v total=$total >$1.log 2>&1 &"
    while cat "$2" 2>/dev/null; do :; done |
        PGAPPNAME=$1 exec psql -Xqt -v ON_ERROR_STOP=1 -v worker="$1" -v total="$total" \
            >"$1.log" 2>&1 &
    workers="$workers $!"
}
work doomed doomed.sql
doomed=$!
work worker-1 work.sql
work worker-2 work.sql
work worker-3 work.sql

step "Progress"
killed=
seconds=0
while :; do
    left=$(ask "SELECT queue_length FROM pgmq.metrics('files')")
    ask "SELECT format('%s of $total files done, %s waiting, %s in flight',
                       $total - queue_length, queue_visible_length, queue_length - queue_visible_length)
           FROM pgmq.metrics('files')"
    [ "$left" -gt 0 ] || break
    if [ -z "$killed" ] && grep -q '^holds' doomed.log; then
        echo "One worker is slow with the message that it holds:"
        run kill -9 "$doomed"
        wait "$doomed" 2>/dev/null || true
        killed=$(sed -n 's/^holds //p' doomed.log)
        echo "No worker holds message $killed any more. It stays invisible until its 5 seconds are over."
    fi
    seconds=$((seconds + 1))
    [ "$seconds" -lt 120 ] || die "this takes too long; the workers said: $(tail -n 5 ./*.log)"
    sleep 0.5
done
for pid in $workers; do
    [ "$pid" = "$doomed" ] || wait "$pid" || die "a worker failed: $(cat worker-*.log)"
done
workers=

step "What was done"
run_sql "SELECT worker, count(*) AS files FROM digest GROUP BY worker ORDER BY worker"
run_sql "SELECT msg_id, read_ct, message->>'path' AS path FROM pgmq.a_files WHERE read_ct > 1"
run_sql "SELECT queue_name, due_map, waiting, net_finds FROM pgmq.engine_status()"

step "Every digest against sha256sum"
printf '$ %s\n' "psql -Atc \"SELECT sha256 || '  ' || path FROM digest\" | sha256sum --check --quiet"
ask "SELECT sha256 || '  ' || path FROM digest" >digests.txt
if command -v sha256sum >/dev/null 2>&1; then
    sha256sum --check --quiet <digests.txt
else
    shasum -a 256 --check --quiet <digests.txt
fi

expect() {
    [ "$2" = "$3" ] || die "$1: expected $3, got $2"
}
expect "files with a digest" "$(ask 'SELECT count(*) FROM digest')" "$total"
expect "files in the queue" "$(ask 'SELECT count(*) FROM pgmq.q_files')" 0
expect "files in the archive" "$(ask 'SELECT count(*) FROM pgmq.a_files')" "$total"
expect "lines in headers.txt" "$(wc -l <headers.txt | tr -d ' ')" "$total"
expect "due map of files, messages that it had hidden" "$(ask 'SELECT due_map, net_finds FROM pgmq.engine_status()')" 'on|0'
[ -n "$killed" ] || die "no worker was killed"
expect "read_ct of message $killed" \
    "$(ask "SELECT read_ct FROM pgmq.a_files WHERE msg_id = $killed")" 2
echo "All $total digests are right. Message $killed was read twice (read_ct = 2):" \
    "by the worker that was killed, and by the one that finished it."

cat <<END

The server is still there. Look at it with
  $PG_BINDIR/psql -h $WORK/sock -U postgres
or, with Node.js and npm, in a browser (make console prints the address) with
  PGHOST=$WORK/sock PGUSER=postgres make console
and stop and remove it with
  make demo-stop
END
trap - EXIT
