#!/bin/sh
# make check-versions: compile with warnings as errors and run the suites on
# every PostgreSQL version that is supported and that a release of Debian has.
#
# Each version lives in a small Debian of its own under versions/, made by
# debootstrap at the first run and used again afterwards. Needs root, or sudo.
#
#   VERSIONS  which of them (default: 15 17 18)
#   TESTS     which suites (default: regress isolation tap)
#   MIRROR    where to get Debian from (default: as this machine does)
set -eu
cd "$(dirname "$0")/.."
. tools/lib.sh

VERSIONS=${VERSIONS:-15 17 18}
TESTS=${TESTS:-regress isolation tap}

# What this runs needs mounts and device files.
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "this needs root: it runs one Debian for each version"
    exec sudo env VERSIONS="$VERSIONS" TESTS="$TESTS" ${MIRROR:+"MIRROR=$MIRROR"} "$0"
fi

release_of() {
    case $1 in
        15) echo bookworm ;;
        17) echo trixie ;;
        18) echo forky ;;
        *) die "no release of Debian is known here to have PostgreSQL $1" ;;
    esac
}

# The first source of Debian's own packages in apt's configuration.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 2>/dev/null |
        sed -n 's/^Debian \([^ ]*\)$/\1/p' | grep -v security | head -n 1
}

# A mount namespace of its own and a process namespace with it: whatever runs
# in there, and what is mounted for it, ends when the command ends.
inside() {
    root=$1
    shift
    unshare --mount --pid --fork --kill-child sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc" &&
            mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
            exec chroot "$root" "$@"' sh "$root" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} \
        ${https_proxy:+"https_proxy=$https_proxy"} "$@" </dev/null
}

make_root() {
    release=$(release_of "$1")
    script=
    [ -e "/usr/share/debootstrap/scripts/$release" ] || script=/usr/share/debootstrap/scripts/sid
    echo "PostgreSQL $1: making a Debian $release in versions/$1"
    rm -rf "versions/$1.part"
    # shellcheck disable=SC2086 # an argument that may be missing
    debootstrap --variant=minbase "$release" "versions/$1.part" "${MIRROR:-$(mirror)}" $script \
        >"versions/$1.log" 2>&1 || { tail -n 20 "versions/$1.log"; return 1; }
    # no package may start a service in there
    printf '#!/bin/sh\nexit 101\n' >"versions/$1.part/usr/sbin/policy-rc.d"
    chmod 755 "versions/$1.part/usr/sbin/policy-rc.d"
    # a mirror that lags behind, or a clock that runs ahead, is good enough here
    echo 'Acquire::Check-Valid-Until "false";' >"versions/$1.part/etc/apt/apt.conf.d/90lag"
    inside "versions/$1.part" sh -c "apt-get update -qq &&
        apt-get install -qq -y --no-install-recommends make gcc libc6-dev \
            postgresql-$1 postgresql-server-dev-$1 libipc-run-perl postgresql-$1-partman" \
        >>"versions/$1.log" 2>&1 || { tail -n 20 "versions/$1.log"; return 1; }
    mv "versions/$1.part" "versions/$1"
}

command -v debootstrap >/dev/null 2>&1 || install_packages debootstrap
command -v debootstrap >/dev/null 2>&1 || die "debootstrap is missing"
mkdir -p versions

summary=
failed=0
for version in $VERSIONS; do
    if [ ! -d "versions/$version" ] && ! make_root "$version"; then
        summary="$summary
PostgreSQL $version: could not be installed"
        failed=1
        continue
    fi
    rm -rf "versions/$version/pgmq_c"
    copy_source "versions/$version/pgmq_c"
    inside "versions/$version" make --no-print-directory -C /pgmq_c check \
        PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" TESTS="$TESTS" \
        COPT='-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare' 2>&1 |
        tee "versions/$version.log"
    count=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "versions/$version.log" | tail -n 1)
    case $count in
        *" 0 failed"*) ;;
        *) failed=1 ;;
    esac
    summary="$summary
PostgreSQL $version: ${count:-did not finish}, see versions/$version.log"
done
echo "$summary"
exit $failed
