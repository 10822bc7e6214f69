#!/bin/sh
# make check-versions: compile with warnings as errors and run the suites on
# every PostgreSQL version that is supported and that a release of Debian has,
# and pg_upgrade from the oldest to the others. Ends with a table of what passed
# where, and one line "N passed, N failed, N skipped".
#
# Each version lives in a small Debian of its own under versions/, see
# tools/debian.sh. Needs root, or sudo.
#
#   SMOKE=1   minutes instead of an hour: fewer of everything below
#   VERSIONS  which of them (default: 15 17 18)
#   TESTS     which suites (default: regress isolation tap clients torture)
#   MODES     as for tools/check.sh, likewise TORTURE, LEDGER and FUZZ
#   UPGRADES  from which version to which (default: 15:17 15:18)
#   MIRROR    where to get Debian from (default: as this machine does)
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

if [ "${SMOKE:-0}" = 1 ]; then
    VERSIONS=${VERSIONS-17 18}
    TESTS=${TESTS:-regress isolation}
    # shared memory of the DSM registry: what these have and 15 has not
    MODES=${MODES:-plain}
    UPGRADES=${UPGRADES-15:17}
    if ! can_be_root; then
        echo "0 passed, 0 failed, 1 skipped: this needs root"
        exit 0
    fi
fi
VERSIONS=${VERSIONS-15 17 18}
TESTS=${TESTS:-regress isolation tap clients torture}
MODES=${MODES:-plain preload}
UPGRADES=${UPGRADES-15:17 15:18}
TORTURE=${TORTURE:---seconds 30}
export SMOKE VERSIONS TESTS MODES UPGRADES TORTURE
be_root SMOKE,VERSIONS,TESTS,MODES,UPGRADES,TORTURE,LEDGER,FUZZ,MIRROR
. tools/debian.sh

results=versions/results
: >"$results"
note() {
    echo "$*" >>"$results"
}

# Side by side: each mostly waits for the network and for one processor.
for version in $VERSIONS; do
    need_debian "$version" &
done
wait

for version in $VERSIONS; do
    if [ ! -d "versions/$version" ]; then
        note "$version install 0 0 1"
        continue
    fi
    fresh_source "$version"
    inside "versions/$version" make --no-print-directory -C /pgmq_c check \
        PG_CONFIG="$(pg_config_of "$version")" TESTS="$TESTS" MODES="$MODES" \
        TORTURE="$TORTURE" ${LEDGER:+"LEDGER=$LEDGER"} ${FUZZ:+"FUZZ=$FUZZ"} \
        COPT='-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare' 2>&1 |
        tee "versions/$version.log"
    # the lines with which check.sh ends each suite
    sed -n "s/^# \([a-z_]*\): \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped\$/$version \1 \2 \3 \4/p" \
        "versions/$version.log" >>"$results"
    # what failed besides: the build, say, or what the server's log tells
    failed=$(sed -n 's/^[0-9]* passed, \([0-9]*\) failed.*/\1/p' "versions/$version.log" | tail -n 1)
    told=$(awk -v version="$version" '$1 == version { n += $4 } END { print n + 0 }' "$results")
    [ "${failed:-1}" -le "$told" ] || note "$version other 0 $((${failed:-1} - told)) 0"
    rm -rf "versions/$version.tmp_check"
    [ ! -d "versions/$version/pgmq_c/tmp_check" ] ||
        mv "versions/$version/pgmq_c/tmp_check" "versions/$version.tmp_check"
done

for upgrade in $UPGRADES; do
    new=${upgrade#*:}
    log=versions/upgrade-${upgrade%:*}-$new.log
    UPGRADES=$upgrade tools/pg-upgrade.sh | tee "$log"
    set -- $(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)*$/\1 \2 \4/p' "$log")
    note "$new upgrade ${1:-0} ${2:-1} ${3:-0}"
done

# A line for each suite, a column for each version; sums of all.
echo
awk '
    { p[$2, $1] += $3; f[$2, $1] += $4; s[$2, $1] += $5; passed += $3; failed += $4; skipped += $5 }
    !(($2, $1) in seen) { seen[$2, $1] = 1 }
    !($2 in row) { row[$2] = ++rows; suite[rows] = $2 }
    !($1 in column) { column[$1] = ++columns; version[columns] = $1 }
    END {
        printf "%-12s", ""
        for (c = 1; c <= columns; c++)
            printf "%-28s", "PostgreSQL " version[c]
        print ""
        for (r = 1; r <= rows; r++) {
            printf "%-12s", suite[r]
            for (c = 1; c <= columns; c++) {
                k = suite[r] SUBSEP version[c]
                text = k in seen ? p[k] " passed" : "-"
                if (f[k]) text = text ", " f[k] " FAILED"
                if (s[k]) text = text ", " s[k] " skipped"
                printf "%-28s", text
            }
            print ""
        }
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0
    }' "$results"
