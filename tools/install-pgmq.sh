#!/bin/sh
# make install-pgmq, uninstall-pgmq: the extension under the name pgmq.
#
# Callers say CREATE EXTENSION pgmq, or name a version they were written for,
# and dumps do too. All of that must find the whole product: the script is the
# same for every version, so each version in the wild gets an empty step down
# to it, which is only a label, and a step up from it that runs the script.
#
# usage: install-pgmq.sh install|uninstall DIRECTORY   (FORCE=1: over PGMQ's own)
set -eu
cd "$(dirname "$0")/.."

dir=$2
current=1.13.1
earlier="1.0.0 1.1.0 1.1.1 1.2.0 1.2.1 1.3.0 1.3.1 1.3.2 1.3.3 1.4.0 1.4.1
    1.4.2 1.4.3 1.4.4 1.4.5 1.5.0 1.5.1 1.5.2 1.6.0 1.6.1 1.7.0 1.7.1 1.8.0
    1.8.1 1.9.0 1.10.0 1.10.1 1.11.0 1.11.1 1.12.0 1.13.0"

# Anything of that name that is not ours is PGMQ itself.
if [ "${FORCE:-0}" != 1 ] && ! grep -qs '^module_pathname.*/pgmq_c' "$dir/pgmq.control"; then
    for file in "$dir"/pgmq.control "$dir"/pgmq--*.sql; do
        if [ -e "$file" ]; then
            echo "$file belongs to another extension named pgmq; FORCE=1 replaces it" >&2
            exit 1
        fi
    done
fi
rm -f "$dir/pgmq.control" "$dir"/pgmq--*.sql
[ "$1" = install ] || exit 0

made=$(mktemp -d "${TMPDIR:-/tmp}/pgmq_name.XXXXXX")
trap 'rm -rf "$made"' EXIT

sed "s/^default_version.*/default_version = '$current'/; s/^comment = '/&pgmq_c: /" pgmq_c.control >"$made/pgmq.control"
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" pgmq_c.control)
sed '/\/\* extension name \*\//s/pgmq_c/pgmq/g' "pgmq_c--$version.sql" >"$made/pgmq--$current.sql"
for old in $earlier; do
    cp "$made/pgmq--$current.sql" "$made/pgmq--$old--$current.sql"
    echo "/* pgmq $old is the same product under an older name */" >"$made/pgmq--$current--$old.sql"
done
chmod 644 "$made"/*
cp "$made"/* "$dir/"
