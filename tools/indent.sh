#!/bin/sh
# make indent: lay out the C code as PostgreSQL's pgindent does.
#
#   tools/indent.sh             rewrite src/*.[ch] src/*/*.[ch]
#   tools/indent.sh --check     show what would change; fail if anything would
#   tools/indent.sh --typedefs  renew tools/typedefs.list from the source and
#                               the headers of PG_CONFIG
#
# Needs pg_bsd_indent 2.1.1 (Debian: pg-bsd-indent) but no PostgreSQL source.
set -eu
cd "$(dirname "$0")/.."

# The types that our code names, be they the server's or our own: without
# them `Foo *bar` is a multiplication.
typedefs() {
    headers=$("${PG_CONFIG:-pg_config}" --includedir-server)
    grep -oEhw '[A-Za-z_][A-Za-z0-9_]*' src/*.[ch] src/*/*.[ch] | LC_ALL=C sort -u >"$1.words"
    find "$headers" src -name '*.[ch]' -exec cat {} + |
        sed -nE 's/^(\}[ 	]*)?([A-Za-z_][A-Za-z0-9_]*);.*/\2/p
                 s/^typedef .*[ *]([A-Za-z_][A-Za-z0-9_]*);.*/\1/p
                 s/^typedef .*\( *\*? *([A-Za-z_][A-Za-z0-9_]*) *\).*/\1/p
                 s/^typedef .*[ *]([A-Za-z_][A-Za-z0-9_]*) *\(.*/\1/p' |
        grep -Evx 'bool|break|continue|next|return|void' |
        LC_ALL=C sort -u | LC_ALL=C comm -12 - "$1.words" >"$1"
    rm -f "$1.words"
}

if [ "${1:-}" = --typedefs ]; then
    typedefs tools/typedefs.list
    exit 0
fi

command -v pg_bsd_indent >/dev/null 2>&1 || {
    echo "pg_bsd_indent is missing (Debian: pg-bsd-indent)" >&2
    exit 2
}

# The last step is pgindent's own: a function's return type keeps one space
# before its star.
layout() {
    pg_bsd_indent -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 \
        -nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4 \
        -Utools/typedefs.list <"$1" |
        sed -E 's/^([A-Za-z_][^ 	]*)[ 	]+\*$/\1 */'
}

made=$(mktemp "${TMPDIR:-/tmp}/pgmq_indent.XXXXXX")
trap 'rm -f "$made"' EXIT
differs=0
for file in src/*.[ch] src/*/*.[ch]; do
    layout "$file" >"$made"
    [ -s "$made" ] || { echo "cannot lay out $file" >&2; exit 2; }
    if [ "${1:-}" = --check ]; then
        diff -u "$file" "$made" || differs=1
    elif ! cmp -s "$file" "$made"; then
        cat "$made" >"$file"
        echo "$file"
    fi
done
exit $differs
