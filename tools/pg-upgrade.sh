#!/bin/sh
# pg_upgrade of a cluster with queues in use: test/t/life_pg_upgrade.pl from one
# version of PostgreSQL to another, which it builds and installs pgmq_c for.
#
# usage: pg-upgrade.sh [OLD_PG_CONFIG NEW_PG_CONFIG]
#
# Without arguments, in the Debians of tools/check-versions.sh: there the old
# server is installed beside the new one from the release that has it. Needs
# root, or sudo.
#
#   UPGRADES  from which version to which (default: 15:17 15:18)
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

TEST=test/t/life_pg_upgrade.pl

# --------------------------------------------------------------------------
# Two servers on this machine
# --------------------------------------------------------------------------

cleanup() {
    trap - EXIT INT TERM
    cd /
    rm -rf "$WORK"
    drop_user
}

upgrade_here() {
    source_tree=$(pwd)
    make_workdir pgmq_upgrade
    make_user "pgmq_upgrade_$$"
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    for which in old new; do
        if [ $which = old ]; then PG_CONFIG=$1; else PG_CONFIG=$2; fi
        usable_pg_config "$PG_CONFIG" ||
            die "$PG_CONFIG is not that of a PostgreSQL $oldest_major or later with its development files"
        cd "$source_tree"
        copy_server "$WORK/$which"
        copy_source "$WORK/$which-src"
        [ "$(id -u)" != 0 ] || chown -R "$RUN_AS" "$WORK"
        build_and_install "$WORK/$which-src" || die "cannot build for $("$PG_CONFIG" --version)"
        [ $which = new ] || OLD_BINDIR=$("$PRIVATE" --bindir)
    done
    cd "$WORK/new-src"
    as_user mkdir "$WORK/tmp"
    if as_user env TMPDIR="$WORK/tmp" OLD_BINDIR="$OLD_BINDIR" make -s PG_CONFIG="$PRIVATE" \
        with_llvm=no installcheck REGRESS= ISOLATION= PROVE_TESTS=$TEST PROVE_FLAGS=-v; then
        return 0
    fi
    mkdir -p "$source_tree/tmp_check"
    cp -R tmp_check "$source_tree/tmp_check/pg_upgrade"
    find "$WORK/new-src/tmp_check" -path '*pg_upgrade_output.d*' -name '*.log' -exec tail -n 5 {} +
    echo "kept in $source_tree/tmp_check"
    return 1
}

if [ $# = 2 ]; then
    upgrade_here "$1" "$2"
    exit
fi
[ $# = 0 ] || die "usage: $0 [OLD_PG_CONFIG NEW_PG_CONFIG]"

# --------------------------------------------------------------------------
# Two servers in a Debian of its own
# --------------------------------------------------------------------------

UPGRADES=${UPGRADES:-15:17 15:18}
be_root UPGRADES,MIRROR
. tools/debian.sh

passed=0
failed=0
skipped=0
for upgrade in $UPGRADES; do
    old=${upgrade%:*}
    new=${upgrade#*:}
    if ! need_debian "$new" || ! add_server "$new" "$old"; then
        echo "skip pg_upgrade from $old to $new: could not be installed"
        skipped=$((skipped + 1))
        continue
    fi
    fresh_source "$new"
    log=versions/$new+$old.tap
    inside "versions/$new" /pgmq_c/tools/pg-upgrade.sh "$(pg_config_of "$old")" "$(pg_config_of "$new")" 2>&1 |
        tee "$log"
    ok=$(grep '^ok ' "$log" | grep -vc ' # skip ' || true)
    skip=$(grep -c '^ok .* # skip ' "$log" || true)
    notok=$(grep -c '^not ok ' "$log" || true)
    # it ended before it could say what is wrong
    grep -q '^Result: PASS' "$log" || [ "$notok" -gt 0 ] || notok=1
    skipped=$((skipped + skip))
    passed=$((passed + ok))
    failed=$((failed + notok))
done
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
