#!/bin/sh
# make demo-stop: stop and remove the server that make demo left.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

if [ ! -f .demo ]; then
    [ "${1:-}" = quietly ] || echo "there is no demo to stop"
    exit 0
fi
read -r WORK RUN_AS <.demo
PG_BINDIR=$(sed -n 's,^\(/.*\)/postgres .*,\1,p' "$WORK/data/postmaster.opts" 2>/dev/null || true)
if [ -f "$WORK/data/postmaster.pid" ]; then
    (cd / && stop_server) || die "could not stop the server in $WORK"
fi
case "$WORK" in
    */pgmq_demo.*) rm -rf "$WORK" ;;
esac
drop_user
rm -f .demo
echo "the demo's server is stopped and removed"
