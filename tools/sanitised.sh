#!/bin/sh
# make sanitised: the suites on servers that notice what a usual one does not.
#
# Ends with one line "N passed, N failed"; each part prints one line `ok` or
# `not ok`, and what it said is kept in versions/sanitised/PART.log.
#
#   PARTS      which of them (default: all)
#       assert    every suite on a server built with --enable-cassert
#       discard   pg_regress's files with debug_discard_caches = 1, so that each
#                 cache entry that is used after it may have gone is an error
#       valgrind  the suites of pg_regress with the server under valgrind: no
#                 error anywhere, no memory definitely lost by ours
#       ubsan     the library built with gcc's sanitizers for undefined
#                 behaviour and, on the server of the first three, addresses
#       analyse   scan-build and cppcheck over src/
#   SMOKE      1: minutes instead of hours
#   PG_CONFIG  the server of `ubsan` and `analyse`, whose major version is that
#              of the others' (default: found or installed)
#   MODES, REGRESS, ISOLATION, PROVE_TESTS, TORTURE
#              as for tools/check.sh
#   SUITES     instead of those of `valgrind` and `ubsan`: words of TESTS
#
# The first three run on a server built here from the source package of this
# machine's distribution, once: it stays in versions/sanitised. Where the source
# cannot be had, they are skipped.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

PARTS=${PARTS:-assert discard valgrind ubsan analyse}
SMOKE=${SMOKE:-}
[ "$SMOKE" != 0 ] || SMOKE=
# The selection for minutes: little where each statement takes long,
# and no volume elsewhere.  The server of `ubsan` has assertions too, so of the
# two suites `assert` and `ubsan` run one each.
smoke_discard='api_set_vt'
smoke_valgrind='api_fenced api_pop api_send'
smoke_valgrind_isolation='api_exactly_once'
smoke_ubsan_without='install_adopt policy_dead_letter api_large spi_plans'
top=$(pwd)
cache=$top/versions/sanitised
server=$cache/server
number=0
passed=0
failed=0
skipped=0
WORK=

cleanup() {
    trap - EXIT INT TERM
    cd /
    [ -z "$WORK" ] || rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

wants() {
    case " $PARTS " in *" $1 "*) return 0 ;; esac
    return 1
}

result() {
    number=$((number + 1))
    echo "$1 $number - $2 [$(($(date +%s) - started)) s]"
}

pass() {
    result ok "$part: $1"
    passed=$((passed + 1))
}

fail() {
    result 'not ok' "$part: $1, see versions/sanitised/$part.log"
    failed=$((failed + 1))
}

skip() {
    result ok "$part # SKIP $1"
    skipped=$((skipped + 1))
}

# --------------------------------------------------------------------------
# The server
# --------------------------------------------------------------------------

# apt with package lists of its own, which list sources; those of the machine
# stay as they are.
own_apt() {
    apt_command=$1
    shift
    "$apt_command" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$cache/apt/parts" \
        -o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt" \
        -o APT::Sandbox::User= "$@" </dev/null
}

# The newest upstream source of our major version: the newest one that the
# lists know need not be on the mirror.
fetch_source() {
    command -v apt-get >/dev/null 2>&1 || return 1
    mkdir -p "$cache/apt/parts" "$cache/apt/lists/partial" "$cache/apt/archives/partial"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -r "$file" ] ||
            sed 's/^Types:.*/Types: deb-src/; s/^deb /deb-src /' "$file" >"$cache/apt/parts/${file##*/}"
    done
    cd "$cache/apt"
    own_apt apt-get update -qq || true
    for version in $(own_apt apt-cache showsrc "postgresql-$PG_MAJOR" | sed -n 's/^Version: //p' | sort -uVr); do
        if own_apt apt-get source -qq --download-only --tar-only "postgresql-$PG_MAJOR=$version"; then
            for archive in "$cache"/apt/*.orig.tar.bz2 "$cache"/apt/*.orig.tar.[gx]z; do
                [ ! -e "$archive" ] || tar -xf "$archive" -C "$cache"
            done
            mv "$cache"/postgresql-"$PG_MAJOR".* "$cache/source"
            cd "$top"
            return 0
        fi
    done
    cd "$top"
    return 1
}

# As little as the suites need.  USE_VALGRIND tells valgrind about palloc's
# memory and costs other runs next to nothing.
build_server() {
    mkdir "$cache/build"
    cd "$cache/build"
    # the flags for our own code are not for PostgreSQL's
    unset COPT
    tap=
    ! perl -MIPC::Run -MTest::More -e 1 2>/dev/null || tap=--enable-tap-tests
    icu=
    ! grep -q -e --without-icu ../source/configure || icu=--without-icu
    # shellcheck disable=SC2086 # arguments that may be missing
    ../source/configure --quiet --prefix="$server" --enable-cassert $tap \
        --without-readline --without-zlib $icu \
        CPPFLAGS=-DUSE_VALGRIND CFLAGS='-O1 -g1' &&
        make -s -j"$(nproc)" -C src/backend generated-headers || return 1
    for dir in src/include src/common src/port src/timezone src/backend \
        src/backend/utils/mb/conversion_procs src/backend/snowball src/interfaces/libpq \
        src/backend/replication/libpqwalreceiver src/backend/replication/pgoutput \
        src/fe_utils src/pl/plpgsql/src src/bin/initdb src/bin/pg_ctl src/bin/pg_config \
        src/bin/psql src/bin/pg_dump src/bin/pg_basebackup src/bin/pg_controldata \
        src/bin/pg_amcheck src/bin/pg_checksums src/bin/pg_resetwal src/bin/pg_upgrade \
        src/bin/scripts src/bin/pgbench src/makefiles config src/test/regress \
        src/test/isolation src/test/perl contrib/pg_surgery contrib/amcheck; do
        make -s -j"$(nproc)" -C $dir all install || return 1
    done
    make -s -C src install-local || return 1
    cp ../source/src/tools/valgrind.supp "$server/"
    # pg_partman's objects are SQL, and those of the machine's server do
    cp -n "$("$PG_CONFIG" --sharedir)"/extension/pg_partman* "$("$server/bin/pg_config" --sharedir)/extension/" 2>/dev/null || true
    cd "$top"
}

# Have the server in $server, and a copy that everybody may read in
# $WORK/server, or fail.
need_sanitised_server() {
    [ ! -d "$WORK/server" ] || return 0
    have_server || return 1
    mkdir "$WORK/server"
    cp -R "$server/." "$WORK/server"
}

have_server() {
    [ ! -e "$server/complete" ] || [ "$(major_of "$server/bin/pg_config")" != "$PG_MAJOR" ] || return 0
    [ -z "${no_server:-}" ] || return 1
    rm -rf "$server" "$cache/build" "$cache/source" "$cache/apt"
    mkdir -p "$cache"
    missing=
    command -v make >/dev/null || missing="$missing make"
    command -v perl >/dev/null || missing="$missing perl"
    command -v bzip2 >/dev/null || missing="$missing bzip2"
    perl -MIPC::Run -e 1 2>/dev/null || missing="$missing libipc-run-perl"
    [ "$PG_MAJOR" -lt 17 ] || missing="$missing bison flex"
    echo '#include <valgrind/memcheck.h>' | cc -E - >/dev/null 2>&1 || missing="$missing valgrind"
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || install_packages $missing
    no_server=yes
    if ! fetch_source >"$cache/source.log" 2>&1; then
        echo "no source of PostgreSQL $PG_MAJOR can be had here, see versions/sanitised/source.log"
        return 1
    fi
    began=$(date +%s)
    echo "building $(cd "$cache" && sed -n "s/^PACKAGE_STRING='\(.*\)'/\1/p" source/configure) with assertions in versions/sanitised"
    if ! (build_server) >"$cache/build.log" 2>&1; then
        tail -n 20 "$cache/build.log"
        build_failed=yes
        return 1
    fi
    rm -rf "$cache/build" "$cache/source" "$cache/apt"
    touch "$server/complete"
    echo "built in $(($(date +%s) - began)) s"
}

# Replace the server program in the bin directory $1 by a script that starts the
# postmaster, and so every backend, with the words $2 in front of it.  Servers
# that initdb runs are left alone.
wrap_server() {
    mv "$1/postgres" "$1/postgres.real"
    cat >"$1/postgres" <<END
#!/bin/sh
real=\$(dirname "\$0")/postgres.real
case "\${1:-}" in
    --*|-V|-C) exec "\$real" "\$@" ;;
esac
exec $2 "\$real" "\$@"
END
    chmod 755 "$1/postgres"
}

# --------------------------------------------------------------------------
# The parts
# --------------------------------------------------------------------------

# tools/check.sh on our copy of the source with the variables given, its words
# in the part's log. Sets `counted` to its last line and `bad` if it failed.
check() {
    [ ! -d "$WORK/server" ] || set -- LD_LIBRARY_PATH="$WORK/server/lib" "$@"
    env "$@" "$WORK/src/tools/check.sh" >>"$cache/$part.log" 2>&1 </dev/null || bad=1
    counted=$(tail -n 1 "$cache/$part.log")
    case $counted in
        [0-9]*" passed, "*) ;;
        *) counted='did not finish' bad=1 ;;
    esac
    if [ -d "$WORK/src/tmp_check" ]; then
        rm -rf "$cache/$part.kept"
        mv "$WORK/src/tmp_check" "$cache/$part.kept"
    fi
}

# Say how the part went, and what $1 says of it.
verdict() {
    if [ $bad = 0 ]; then
        pass "$1"
    else
        grep -E '^not ok|FAILED' "$cache/$part.log" | head -n 40 | sed 's/^/# /'
        fail "$1"
    fi
}

assert_part() {
    if [ -n "$SMOKE" ]; then
        check PG_CONFIG="$WORK/server/bin/pg_config" TESTS=isolation MODES="${MODES:-preload}"
        verdict "$counted"
        return
    fi
    check PG_CONFIG="$WORK/server/bin/pg_config" TESTS='regress isolation tap torture'
    said=$counted
    # the TAP tests' own servers, now with the due map
    echo "shared_preload_libraries = 'pgmq_c'" >"$WORK/preload.conf"
    check PG_CONFIG="$WORK/server/bin/pg_config" TESTS=tap TEMP_CONFIG="$WORK/preload.conf"
    verdict "$said; TAP with the due map: $counted"
}

discard_part() {
    if [ -n "$SMOKE" ]; then
        set -- MODES="${MODES:-preload}" REGRESS="${REGRESS:-$smoke_discard}"
    fi
    check PG_CONFIG="$WORK/server/bin/pg_config" PGOPTIONS='-c debug_discard_caches=1' TESTS=regress "$@"
    verdict "$counted"
}

# The findings of valgrind in all processes: each error, each leak of ours, and
# at last the number of both.  A leak is ours when our source asked for the
# memory, be it by way of the server's allocator or its lists and strings; what
# the server's caches and planner keep is not.
valgrind_report() {
    cat "$1"/*.log 2>/dev/null | sed 's/^==[0-9]*== \{0,1\}//; s/^\*\*[0-9]*\*\* *//' |
        awk -v ours='[(]/[^ ]*/pgmq_check[.][^/]*/src/src/' \
            -v helper='/utils/mmgr/|/nodes/list[.]c|/lib/stringinfo[.]c|/utils/hash/dynahash[.]c|/common/psprintf[.]c|malloc|calloc|strdup' '
        function ends() {
            if (leak) {
                if (asked == 1) { leaks++; print block }
            } else if (block ~ /VALGRINDERROR-BEGIN/) { errors++; print block }
            block = ""; leak = asked = 0
        }
        /^VALGRINDERROR-BEGIN/ { ends() }
        /^ *$/ { ends(); next }
        / definitely lost in loss record/ { leak = 1 }
        / (at|by) 0x/ && !asked { if ($0 ~ ours) asked = 1; else if ($0 !~ helper) asked = 2 }
        { block = block $0 "\n" }
        END { ends(); printf "%d errors, %d definite leaks of ours\n", errors, leaks }'
}

valgrind_part() {
    mkdir "$WORK/valgrind"
    cp -R "$WORK/server/." "$WORK/valgrind"
    mkdir "$WORK/vglog"
    chmod 1777 "$WORK/vglog"
    wrap_server "$WORK/valgrind/bin" "valgrind --quiet --suppressions=$WORK/valgrind/valgrind.supp \\
    --trace-children=yes --log-file=$WORK/vglog/%p.log --fullpath-after= --num-callers=30 \\
    --error-markers=VALGRINDERROR-BEGIN,VALGRINDERROR-END \\
    --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=none"
    if [ -n "$SMOKE" ]; then
        set -- MODES="${MODES:-preload}" REGRESS="${REGRESS:-$smoke_valgrind}" \
            ISOLATION="${ISOLATION:-$smoke_valgrind_isolation}"
    fi
    check PG_CONFIG="$WORK/valgrind/bin/pg_config" PGCTLTIMEOUT=600 TESTS="${SUITES:-regress isolation}" "$@"
    ls "$WORK"/vglog/*.log >/dev/null 2>&1 || { echo 'valgrind did not run' >>"$cache/$part.log"; bad=1; }
    valgrind_report "$WORK/vglog" >"$WORK/report"
    grep -q '^0 errors, 0 ' "$WORK/report" || bad=1
    cat "$WORK/report" >>"$cache/$part.log"
    verdict "$counted; $(tail -n 1 "$WORK/report") in $(ls "$WORK/vglog" | wc -l) processes"
}

# Addresses are watched on the server of ours: that of a distribution may come to
# a standstill with the sanitizer's library, in the translation of messages.
ubsan_part() {
    mkdir "$WORK/ubsan" "$WORK/sanlog"
    chmod 1777 "$WORK/sanlog"
    sanitizers=undefined,float-cast-overflow
    # Undefined behaviour ends the backend, which its client notices; what it was
    # is in the server's log, kept then.  The library that says it is loaded when
    # the server has written its title over the environment: it hears no options.
    words='env'
    if need_sanitised_server; then
        cp -R "$WORK/server/." "$WORK/ubsan"
        PRIVATE=$WORK/ubsan/bin/pg_config
        sanitizers=address,$sanitizers
        words="$words LD_PRELOAD=$(gcc -print-file-name=libasan.so) \\
    ASAN_OPTIONS=log_path=$WORK/sanlog/log:detect_leaks=0:abort_on_error=1:use_sigaltstack=0"
    else
        copy_server "$WORK/ubsan"
        if [ "$PRIVATE" = "$PG_CONFIG" ]; then
            skip 'this server cannot be copied'
            return
        fi
    fi
    wrap_server "$("$PRIVATE" --bindir)" "$words"
    suites='regress isolation torture'
    if [ -n "$SMOKE" ]; then
        suites=regress
        files=$(ls sql/*.sql | sed 's,.*/,,; s,\.sql$,,')
        for file in $smoke_ubsan_without; do
            files=$(echo "$files" | grep -vx "$file")
        done
        set -- MODES="${MODES:-preload}" REGRESS="${REGRESS:-$(echo $files)}"
    fi
    # the server's flags say that signed numbers wrap around: ours need not
    check PG_CONFIG="$PRIVATE" TESTS="${SUITES:-$suites}" "$@" \
        COPT="-O1 -g -fno-omit-frame-pointer -fno-wrapv -fno-sanitize-recover=all -fsanitize=$sanitizers"
    cat "$WORK"/sanlog/* >>"$cache/$part.log" 2>/dev/null || true
    found=$(cat "$WORK"/sanlog/* "$cache/$part.kept/server.log" 2>/dev/null |
        tee "$WORK/found" | grep -cE 'runtime error: |ERROR: AddressSanitizer' || true)
    [ "$found" = 0 ] || { bad=1; grep -E 'runtime error: |ERROR: AddressSanitizer' "$WORK/found" | sort -u | sed 's/^/# /'; }
    verdict "$counted; $found complaints of $sanitizers"
}

analyse_part() {
    copy_source "$WORK/analyse"
    (
        unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
        cd "$WORK/analyse"
        # what is asserted need not be guessed
        scan-build -o "$WORK/report.d" --status-bugs make -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" \
            with_llvm=no COPT=-DUSE_ASSERT_CHECKING all
    ) >>"$cache/$part.log" 2>&1 || bad=1
    [ $bad = 0 ] || { rm -rf "$cache/$part.kept"; cp -R "$WORK/report.d" "$cache/$part.kept" 2>/dev/null || true; }
    said="scan-build: $(sed -n 's/^scan-build: \(.*bugs* found.*\)/\1/p' "$cache/$part.log" | tail -n 1)"
    (
        cd "$WORK/analyse"
        cppcheck -q -j"$(nproc)" -Isrc --enable=warning,portability,performance --inline-suppr \
            --include=tools/cppcheck.h --max-configs=1 --template=gcc --error-exitcode=1 src
    ) >"$WORK/cppcheck" 2>&1 || bad=1
    cat "$WORK/cppcheck" >>"$cache/$part.log"
    verdict "$said; cppcheck: $(grep -cE ': (error|warning|note): ' "$WORK/cppcheck" || true) complaints"
}

run_part() {
    part=$1
    started=$(date +%s)
    mkdir -p "$cache"
    rm -rf "$cache/$part.log" "$cache/$part.kept"
    case $part in
        assert|discard|valgrind)
            if ! need_sanitised_server; then
                if [ -n "${build_failed:-}" ]; then
                    fail 'the server could not be built'
                else
                    skip 'no server with assertions'
                fi
                return
            fi ;;
    esac
    case $part in
        valgrind) needs=valgrind ;;
        analyse) needs='scan-build cppcheck' ;;
        *) needs= ;;
    esac
    for program in $needs; do
        command -v $program >/dev/null && continue
        case $program in scan-build) install_packages clang clang-tools ;; *) install_packages $program ;; esac
        command -v $program >/dev/null || { skip "no $program"; return; }
    done
    bad=0
    "${part}_part"
}

need_server
make_workdir pgmq_sanitised
copy_source "$WORK/src"
for part in $PARTS; do
    case $part in
        assert|discard|valgrind|ubsan|analyse) run_part "$part" ;;
        *) die "PARTS knows assert, discard, valgrind, ubsan and analyse, not $part" ;;
    esac
done

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" = 0 ]
