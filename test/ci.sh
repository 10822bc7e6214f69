#!/bin/sh
# Whether .ci/run says what failed and counts it: it is run in a copy, with a make
# that only says how the parts went, and that kills the lane of one of them.
# Prints what is wrong, and nothing if all is well.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d "${TMPDIR:-/tmp}/pgmq_ci_test.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/.ci"
cp .ci/run "$work/.ci/run"

cat >"$work/bin/make" <<'EOF'
#!/bin/sh
case "$*$TESTS" in
    *torture*) part=beside ;;
    *sanitised*) part=sanitised ;;
    *check-versions*) part=check-versions ;;
    *checktap) part=waiting ;;
    *) part=check ;;
esac
if [ $part != "$PART" ]; then
    echo 'PostgreSQL of no version'
    echo '2 passed, 0 failed'
    exit 0
fi
case $HOW in
    killed)
        echo '1 passed, 0 failed'
        kill -9 $PPID ;;
    silent) ;;
    fails)
        for i in $(seq 99); do echo "# of little use $i"; done
        echo '# the history of the message'
        echo 'not ok program: the message is hidden'
        echo 'and so are others'
        echo 'ok another'
        for i in $(seq 999); do echo "# a long report $i"; done
        echo '1 passed, 1 failed'
        exit 1 ;;
esac
EOF
chmod +x "$work/bin/make"

# A part in one way, the count that must be the last line, and what must be among the
# lines just before it.
try() {
    said=$(PART=$1 HOW=$2 TESTS='' TMPDIR=$work PATH=$work/bin:$PATH "$work/.ci/run" 2>/dev/null) && status=0 || status=$?
    last=$(printf '%s\n' "$said" | tail -n 1)
    # shellcheck disable=SC2254 # a pattern
    case $last in $3) ;; *) echo "$1 is $2: the last line is \"$last\"" ;; esac
    case $last$status in *' 0 failed0' | *[1-9]' failed'[1-9]) ;; *) echo "$1 is $2: exit code $status" ;; esac
    printf '%s\n' "$said" | tail -n 61 >"$work/end"
    how="$1 is $2"
    shift 3
    for line in "$@"; do
        grep -q -- "$line" "$work/end" || echo "$how: the last lines do not have \"$line\""
    done
}

try none well '10 passed, 0 failed'
for part in check sanitised beside waiting; do
    try $part killed '* [1-9] failed' "^# $part did not end"
done
try check-versions silent '8 passed, 1 failed' '^# check-versions did not end'
for part in check beside; do
    try $part fails '9 passed, 1 failed' '^# # the history of the message' '^# not ok program: the message is hidden' '^# and so are others'
done
