#!/bin/sh
# make check: every test on throw-away servers, with nothing needed running.
#
# Works on a copy of the source tree and of the server, as a user of its own
# when started by root, and ends with one line "N passed, N failed".
#
#   PG_CONFIG   the server to test with (default: found or installed)
#   TESTS       which suites (default: all but cluster, demo, drill, fuzz, lint and torture)
#   MODES       what pg_regress's suites, torture and fuzz are run with: plain,
#               preload (both)
#   TORTURE     options for test/torture/due_map.py, such as "--seconds 3600",
#               likewise LEDGER, CLOCK, FUZZ and DRILL for their programs
#   REGRESS     which of pg_regress's files, likewise ISOLATION and PROVE_TESTS
#   COPT        more compiler flags
#   BESIDE      another run goes on in this tree: leave alone what it has kept
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

TESTS=${TESTS:-regress isolation tap clients}
MODES=${MODES:-plain preload}
source_tree=$(pwd)
passed=0
failed=0
skipped=0
guilty=
WORK=
RUN_AS=

cleanup() {
    trap - EXIT INT TERM
    if [ -n "$WORK" ]; then
        [ ! -f "$WORK/data/postmaster.pid" ] || stop_server || true
        cd /
        rm -rf "$WORK"
    fi
    [ -z "$RUN_AS" ] || drop_user
}
trap cleanup EXIT
trap 'exit 130' INT TERM

wants() {
    case " $TESTS " in *" $1 "*) return 0 ;; esac
    return 1
}

# Keep what a failed suite left behind where its reader will look for it.
keep() {
    mkdir -p "$source_tree/tmp_check"
    for file in "$@"; do
        [ ! -e "$file" ] || cp -R "$file" "$source_tree/tmp_check/"
    done
    chown -R --reference="$source_tree" "$source_tree/tmp_check" 2>/dev/null || true
    echo "kept in $source_tree/tmp_check"
}

# --------------------------------------------------------------------------
# What the tests need beyond what building needs
# --------------------------------------------------------------------------

missing_packages() {
    if wants tap; then
        perl -MTest::More -e 1 2>/dev/null && command -v prove >/dev/null || echo perl
        perl -MIPC::Run -e 1 2>/dev/null || echo libipc-run-perl
    fi
    [ -z "$PG_PACKAGED" ] || [ -e "$("$PG_CONFIG" --sharedir)/extension/pg_partman.control" ] ||
        echo "postgresql-$PG_MAJOR-partman"
    ! wants tap || [ -z "$PG_PACKAGED" ] || [ -e "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ] ||
        echo "postgresql-$PG_MAJOR-cron"
    ! { wants tap || wants clients || wants cluster; } || [ -z "$PG_PACKAGED" ] || [ -e "$("$PG_CONFIG" --sharedir)/extension/plproxy.control" ] ||
        echo "postgresql-$PG_MAJOR-plproxy"
    if wants clients && [ -e test/clients/run.sh ]; then
        python3 -c 'import psycopg' 2>/dev/null || /usr/bin/python3 -c 'import psycopg' 2>/dev/null || echo python3-psycopg
        [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || echo pgbouncer
        command -v node >/dev/null || echo nodejs
        command -v npm >/dev/null || echo npm
        [ -x /usr/bin/chromium ] || command -v google-chrome >/dev/null || echo chromium
        command -v prometheus >/dev/null || echo prometheus
        command -v prometheus-postgres-exporter >/dev/null || echo prometheus-postgres-exporter
    fi
    if wants drill; then
        [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || echo pgbouncer
        case ${DRILL:-} in
            *hand*) ;;
            *)
                command -v patroni >/dev/null || echo patroni
                command -v etcd >/dev/null || echo etcd-server
                ;;
        esac
    fi
    if wants torture || wants fuzz || wants drill || wants cluster; then
        /usr/bin/python3 -c 'import psycopg' 2>/dev/null || echo python3-psycopg
    fi
    if wants lint; then
        command -v pg_bsd_indent >/dev/null || echo pg-bsd-indent
        command -v git >/dev/null || echo git
        command -v nm >/dev/null || echo binutils
    fi
}

need_server
packages=$(missing_packages)
# shellcheck disable=SC2086 # a list of words
[ -z "$packages" ] || install_packages $packages

# --------------------------------------------------------------------------
# Build
# --------------------------------------------------------------------------

make_workdir pgmq_check
make_user "pgmq_check_$$"
copy_server "$WORK/server"
copy_source "$WORK/src"
[ "$(id -u)" != 0 ] || chown -R "$RUN_AS" "$WORK"
cd "$WORK/src"
TMPDIR=$WORK/tmp
export TMPDIR
mkdir -m 1777 "$TMPDIR"
[ -n "${BESIDE:-}" ] || rm -rf "$source_tree/tmp_check"

PG_BINDIR=$("$PRIVATE" --bindir)
export PG_BINDIR
echo "PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //'), run as $RUN_AS"

if ! build_and_install "$WORK/src"; then
    echo "0 passed, 1 failed"
    exit 1
fi

# The router is an extension of its own, which needs PL/Proxy.
if { wants tap || wants clients || wants cluster; } && [ "$PRIVATE" != "$PG_CONFIG" ] && [ -e "$("$PRIVATE" --sharedir)/extension/plproxy.control" ] &&
    ! as_user make -s -C router PG_CONFIG="$PRIVATE" with_llvm=no all install >/dev/null; then
    echo "0 passed, 1 failed"
    exit 1
fi

# --------------------------------------------------------------------------
# The suites
# --------------------------------------------------------------------------

run_make() {
    as_user env PGHOST="$WORK/sock" PGPORT=5432 PGUSER=postgres \
        make -s PG_CONFIG="$PRIVATE" with_llvm=no installcheck "$@" 2>&1
}

# pg_regress and its sibling for isolation: both print a line for each file,
# in a format that depends on the version.  A file without a line saying that
# it went well has failed.
pg_regress_suite() {
    suite=$1
    shift
    count=0
    run_make "$@" | tee "$WORK/$suite.log" || true
    for test in $names; do
        if grep -Eq "^(test)? +$test +\.\.\. ok|^ok [0-9]+ +[-+] $test( |\$)" "$WORK/$suite.log"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            count=$((count + 1))
            guilty="$guilty $test"
        fi
    done
}

# Say how a suite went: what was counted since the last one.
was_passed=0
was_failed=0
was_skipped=0
tally() {
    echo "# $1: $((passed - was_passed)) passed, $((failed - was_failed)) failed, $((skipped - was_skipped)) skipped"
    was_passed=$passed
    was_failed=$failed
    was_skipped=$skipped
}

# Programs that speak TAP themselves, or nearly: "skip NAME" is for a client
# that this machine cannot have.
count_tap() {
    ok=$(grep -c '^ok ' "$1" || true)
    skip=$(grep -ci '^ok .*# skip' "$1" || true)
    absent=$(grep -c '^skip ' "$1" || true)
    todo=$(grep -c '^not ok .*# TODO' "$1" || true)
    notok=$(grep -c '^not ok ' "$1" || true)
    notok=$((notok - todo))
    # it died before it could say what is wrong
    [ "$2" = 0 ] || [ "$notok" -gt 0 ] || notok=1
    # it said nothing at all: skipped as a whole, or not run
    if [ "$ok" = 0 ] && [ "$notok" = 0 ] && [ "$absent" = 0 ]; then
        if grep -Eq '^1\.\.0 # SKIP|\.\. skipped: ' "$1"; then skip=1 ok=1; else notok=1; fi
    fi
    passed=$((passed + ok - skip))
    skipped=$((skipped + skip + absent))
    failed=$((failed + notok))
}

# Run a command, show what it says, and keep its exit status in $status.
logged() {
    log=$1
    shift
    { "$@" 2>&1 && echo 0 >"$WORK/status" || echo $? >"$WORK/status"; } | tee "$log"
    status=$(cat "$WORK/status")
}

# The server says only in its log what a transaction left open.
check_log() {
    ! grep -E 'WARNING:.*(leak|was not closed|non-empty SPI stack|alloc set)|TRAP:' "$@" 2>/dev/null ||
        failed=$((failed + 1))
}

list() {
    ls "$@" 2>/dev/null | sed 's,.*/,,; s,\.[a-z]*$,,'
}

# On a server in one of two modes: "plain", the library loaded by its first use,
# or "preload", with the shared memory that the due map lives in.  The expected
# output is the same.
regress_and_isolation() {
    echo "# mode $1"
    if wants regress; then
        names=${REGRESS:-$(list sql/*.sql)}
        pg_regress_suite regress ISOLATION= TAP_TESTS= ${REGRESS:+"REGRESS=$REGRESS"}
        if [ "$count" -gt 0 ]; then
            cat regression.diffs 2>/dev/null || true
            as_user mkdir -p "mode_$1"
            as_user mv regression.diffs results "mode_$1" || true
            keep "mode_$1" "$WORK/server.log"
        fi
        tally regress
    fi
    names=${ISOLATION:-$(list test/specs/*.spec)}
    if wants isolation && [ -n "$names" ]; then
        pg_regress_suite isolation REGRESS= TAP_TESTS= ${ISOLATION:+"ISOLATION=$ISOLATION"}
        if [ "$count" -gt 0 ]; then
            cat output_iso/regression.diffs 2>/dev/null || true
            as_user mkdir -p "mode_$1"
            as_user mv output_iso "mode_$1"
            keep "mode_$1" "$WORK/server.log"
        fi
        tally isolation
    fi
}

if wants regress || wants isolation; then
    start_server "fsync = off
max_prepared_transactions = 10" || { echo "0 passed, 1 failed"; exit 1; }
    for mode in $MODES; do
        case $mode in
            plain) set_server shared_preload_libraries '' ;;
            preload) set_server shared_preload_libraries pgmq_c ;;
            *) die "MODES knows plain and preload, not $mode" ;;
        esac
        regress_and_isolation "$mode"
    done
    stop_server
    before=$failed
    check_log "$WORK/server.log"
    [ "$failed" = "$before" ] || keep "$WORK/server.log"
fi

if wants tap; then
    for test in ${PROVE_TESTS:-$(ls test/t/*.pl 2>/dev/null)}; do
        if ! perl -MIPC::Run -e 1 2>/dev/null; then
            echo "skip $test: no IPC::Run (package libipc-run-perl)"
            skipped=$((skipped + 1))
            continue
        fi
        before=$failed
        echo "# $test"
        logged "$WORK/tap.log" run_make REGRESS= ISOLATION= "PROVE_TESTS=$test" PROVE_FLAGS=-v
        count_tap "$WORK/tap.log" "$status"
        check_log tmp_check/log/*.log
        if [ "$failed" -gt "$before" ]; then
            guilty="$guilty $test"
            as_user mv tmp_check "tap_$(basename "$test" .pl)"
            keep "tap_$(basename "$test" .pl)"
        fi
    done
    tally tap
fi

if wants clients && [ -x test/clients/run.sh ]; then
    # some clients create the extension themselves, under the name they know
    [ "$PRIVATE" = "$PG_CONFIG" ] ||
        as_user make -s PG_CONFIG="$PRIVATE" with_llvm=no install-pgmq >/dev/null
    logged "$WORK/clients.log" test/clients/run.sh
    before=$failed
    count_tap "$WORK/clients.log" "$status"
    [ "$failed" = "$before" ] || guilty="$guilty clients"
    tally clients
fi

# A program of test/torture, which is given options, in each mode.  Only root
# can give ledger.py the small disks that it fills; its server is not root's.
torture() {
    program=$1
    shift
    run=as_user
    [ "$program" != ledger ] || [ "$(id -u)" != 0 ] || run="env CLIENT_USER=$RUN_AS"
    for mode in $MODES; do
        if [ "$mode" = preload ]; then preload=1; else preload=0; fi
        log=$WORK/${program}_$mode.log
        # shellcheck disable=SC2086 # a list of words
        logged "$log" $run /usr/bin/python3 "test/torture/$program.py" --preload "$preload" "$@"
        before=$failed
        count_tap "$log" "$status"
        if [ "$failed" -gt "$before" ]; then
            guilty="$guilty $program"
            keep "$log"
        fi
    done
    tally "$program"
}

# shellcheck disable=SC2086 # lists of words
if wants torture; then
    torture due_map ${TORTURE:-}
    [ ! -e test/torture/ledger.py ] || torture ledger ${LEDGER:-}
    [ ! -e test/torture/clock.py ] || torture clock ${CLOCK:-}
fi
# shellcheck disable=SC2086 # a list of words
if wants fuzz && [ -e test/torture/fuzz.py ]; then
    torture fuzz ${FUZZ:-}
fi

# shellcheck disable=SC2086 # a list of words
if wants drill; then
    run=as_user
    [ "$(id -u)" != 0 ] || run="env CLIENT_USER=$RUN_AS"
    if /usr/bin/python3 -c 'import psycopg' 2>/dev/null; then
        logged "$WORK/drill.log" $run /usr/bin/python3 test/torture/drill.py ${DRILL:-}
    else
        logged "$WORK/drill.log" echo 'skip drill: no psycopg (package python3-psycopg)'
    fi
    before=$failed
    count_tap "$WORK/drill.log" "$status"
    [ "$failed" = "$before" ] || guilty="$guilty drill"
    tally drill
fi

cd "$source_tree"
unset TMPDIR

if wants cluster; then
    logged "$WORK/cluster.log" env BUILT="$PRIVATE" cluster/run.sh
    if [ "$status" != 0 ]; then
        failed=$((failed + 1))
        guilty="$guilty cluster"
    elif ! grep -q '^skip cluster' "$WORK/cluster.log"; then
        passed=$((passed + 1))
    fi
    skipped=$((skipped + $(grep -c '^skip ' "$WORK/cluster.log" || true)))
    cluster/stop.sh
    tally cluster
fi
if wants demo; then
    if env BUILT="$PRIVATE" demo/run.sh; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    demo/stop.sh
fi

if wants lint; then
    logged "$WORK/lint.log" env LIBRARY="$WORK/src/pgmq_c.so" tools/lint.sh
    count_tap "$WORK/lint.log" "$status"
fi

# --------------------------------------------------------------------------

[ -z "$guilty" ] || echo "# failed:$guilty"
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
