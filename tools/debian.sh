# What check-versions.sh and pg-upgrade.sh share: a small Debian under versions/
# for each version of PostgreSQL, made by debootstrap at the first use and used
# again afterwards. POSIX sh, sourced after lib.sh, as root.
#
#   MIRROR    where to get Debian from (default: as this machine does)

mkdir -p versions
command -v debootstrap >/dev/null 2>&1 || install_packages debootstrap

release_of() {
    case $1 in
        15) echo bookworm ;;
        17) echo trixie ;;
        18) echo forky ;;
        *) die "no release of Debian is known here to have PostgreSQL $1" ;;
    esac
}

pg_config_of() {
    echo "/usr/lib/postgresql/$1/bin/pg_config"
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
        DEBIAN_FRONTEND=noninteractive NODE_EXTRA_CA_CERTS=/etc/ssl/host.crt ${http_proxy:+"http_proxy=$http_proxy"} \
        ${https_proxy:+"https_proxy=$https_proxy"} "$@" </dev/null
}

# Before the first package, this makes sure that none starts a service or makes
# a cluster, that nothing waits for the disk, and that manuals are left out.  A
# mirror that lags behind, or a clock that runs ahead, is good enough.
prepare_root() {
    mkdir -p "$1/etc/dpkg/dpkg.cfg.d" "$1/etc/apt/apt.conf.d" \
        "$1/etc/postgresql-common/createcluster.d" "$1/usr/sbin"
    printf 'force-unsafe-io\npath-exclude=/usr/share/%s/*\n' doc >"$1/etc/dpkg/dpkg.cfg.d/small"
    printf 'path-exclude=/usr/share/%s/*\n' man locale info >>"$1/etc/dpkg/dpkg.cfg.d/small"
    echo 'create_main_cluster = false' >"$1/etc/postgresql-common/createcluster.d/none.conf"
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    printf 'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n' >"$1/etc/apt/apt.conf.d/90small"
    # npm in there trusts what this machine trusts, such as a proxy
    mkdir -p "$1/etc/ssl"
    cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/host.crt" 2>/dev/null || : >"$1/etc/ssl/host.crt"
}

# The header files of a server, without the compiler for its JIT that their
# package depends on and that takes 1 GB.
add_headers() {
    inside "$1" sh -c "cd /tmp && apt-get download -qq postgresql-server-dev-$2 &&
        dpkg -x postgresql-server-dev-$2_*.deb / && rm postgresql-server-dev-$2_*.deb"
}

make_root() {
    release=$(release_of "$1")
    root=versions/$1.part
    script=
    [ -e "/usr/share/debootstrap/scripts/$release" ] || script=/usr/share/debootstrap/scripts/sid
    echo "PostgreSQL $1: making a Debian $release in versions/$1"
    rm -rf "$root"
    prepare_root "$root"
    # shellcheck disable=SC2086 # an argument that may be missing
    {
        debootstrap --variant=minbase \
            --include="make,gcc,libc6-dev,postgresql-$1,postgresql-$1-partman,libipc-run-perl" \
            "$release" "$root" "${MIRROR:-$(mirror)}" $script &&
            inside "$root" apt-get update -qq &&
            add_headers "$root" "$1"
    } >"versions/$1.log" 2>&1 || { tail -n 20 "versions/$1.log"; return 1; }
    mv "$root" "versions/$1"
}

# See to it that there is a Debian for PostgreSQL version $1.
need_debian() {
    if [ -d "versions/$1" ]; then
        prepare_root "versions/$1"
    elif command -v debootstrap >/dev/null 2>&1; then
        make_root "$1"
    else
        echo "debootstrap is missing" >&2
        return 1
    fi
}

# Install PostgreSQL $2 beside the one in the Debian of $1.
add_server() {
    root=versions/$1
    [ ! -e "$root/usr/include/postgresql/$2/server/postgres.h" ] || return 0
    echo "PostgreSQL $2: installing it beside $1"
    echo "deb ${MIRROR:-$(mirror)} $(release_of "$2") main" >"$root/etc/apt/sources.list.d/$2.list"
    {
        inside "$root" apt-get update -qq &&
            inside "$root" apt-get install -qq -y --no-install-recommends \
                "postgresql-$2" "postgresql-$2-partman" &&
            add_headers "$root" "$2"
    } >"versions/$1+$2.log" 2>&1 || { tail -n 20 "versions/$1+$2.log"; return 1; }
}

# A new copy of the source in the Debian of version $1, as /pgmq_c.
fresh_source() {
    rm -rf "versions/$1/pgmq_c"
    copy_source "versions/$1/pgmq_c"
}
