#!/bin/sh
# make dist: the source of the commit that is checked out, as PGXN (.zip) and
# distributions (.tar.gz) take it.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

command -v git >/dev/null 2>&1 && git rev-parse --git-dir >/dev/null 2>&1 || die "make dist needs git and a clone"
git diff --quiet HEAD || die "there are changes that are not committed: an archive would not have them"

name=pgmq_c-$(sed -n "s/^default_version = '\(.*\)'/\1/p" pgmq_c.control)
for format in zip tar.gz; do
    git archive --format="$format" --prefix="$name/" -o "$name.$format" HEAD
    echo "$name.$format"
done
