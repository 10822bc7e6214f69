#!/bin/sh
# make cluster-stop: stop and remove the servers that make cluster left.
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

if [ ! -f .cluster ]; then
    [ "${1:-}" = quietly ] || echo "there is no cluster to stop"
    exit 0
fi
read -r all RUN_AS PG_BINDIR <.cluster
for name in router shard0 shard1 shard2; do
    WORK=$all/$name
    if [ -f "$WORK/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$WORK/data/postmaster.pid")" 2>/dev/null; then
        (cd / && stop_server) || die "could not stop the server in $WORK"
    fi
done
case "$all" in
    */pgmq_cluster.*) rm -rf "$all" ;;
esac
drop_user
rm -f .cluster
[ "${1:-}" = quietly ] || echo "the cluster is stopped and removed"
