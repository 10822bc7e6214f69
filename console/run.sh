#!/bin/sh
# make console: fetch what the console needs, once, and start it.
#
#   ARGS   options of console/server.js: "--port N", "--write"
set -eu
cd "$(dirname "$0")"

command -v npm >/dev/null 2>&1 && node -e 'const [major, minor] = process.versions.node.split("."); process.exit(+major > 18 || (+major === 18 && +minor >= 15) ? 0 : 1)' || {
    echo "The console needs Node.js 18.15 or later, with npm." >&2
    exit 1
}
[ -e node_modules/.package-lock.json ] && [ node_modules/.package-lock.json -nt package-lock.json ] ||
    {
        echo "Fetching what the console needs (npm) ..."
        npm ci --omit=dev --loglevel=error --no-audit --no-fund >/dev/null
    }
exec node server.js "$@"
