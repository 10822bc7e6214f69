# What the scripts of tools/ and demo/ share: finding (or installing) a server
# to build for, an unprivileged user to run it as, and a private copy of it.
# POSIX sh, sourced with the root of the source tree as working directory.

die() {
    echo "$*" >&2
    exit 1
}

# The oldest server that src/common/compat.h accepts.
oldest_major=15

# --------------------------------------------------------------------------
# Packages
# --------------------------------------------------------------------------

# Run a command with the rights to install packages, or fail.
as_admin() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

can_be_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null 2>&1 || return 1
    [ -t 0 ] || sudo -n true 2>/dev/null
}

# Go on as root, keeping the environment variables named, or die.
be_root() {
    [ "$(id -u)" != 0 ] || return 0
    can_be_root || die "this needs root"
    exec sudo --preserve-env="$1" "$0"
}

can_install() {
    command -v apt-get >/dev/null 2>&1 && can_be_root
}

# Install the packages named, as far as they can be had; the caller looks
# afterwards whether what it needs is there.  No service is started.
install_packages() {
    if ! can_install; then
        echo "missing here, and not installable without apt and root or sudo: $*" >&2
        return 0
    fi
    echo "installing: $*"
    as_admin tools/apt.sh "$@"
}

# --------------------------------------------------------------------------
# The server to build for
# --------------------------------------------------------------------------

major_of() {
    "$1" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p'
}

# Can an extension be built for, and a server be started from, this pg_config?
usable_pg_config() {
    major=$(major_of "$1")
    [ "${major:-0}" -ge $oldest_major ] &&
        [ -r "$("$1" --pgxs)" ] &&
        [ -r "$("$1" --includedir-server)/postgres.h" ] &&
        [ -x "$("$1" --bindir)/initdb" ] && [ -x "$("$1" --bindir)/postgres" ]
}

# The versioned bin directories of this machine, newest first.
server_bindirs() {
    ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin 2>/dev/null |
        sort -t/ -k5 -rV
}

# Sets PG_CONFIG, or leaves it empty.
look_for_pg_config() {
    for candidate in pg_config $(server_bindirs | sed 's,$,/pg_config,'); do
        if usable_pg_config "$candidate"; then
            PG_CONFIG=$(command -v "$candidate")
            return
        fi
    done
    PG_CONFIG=
}

# The major version whose packages to install: that of a server which is here
# without its development files, else the one this release of Debian has.
packaged_major() {
    for dir in $(server_bindirs); do
        major=$(expr "$dir" : '/usr/lib/postgresql/\([0-9]*\)/bin$')
        if [ "${major:-0}" -ge $oldest_major ] && [ -x "$dir/initdb" ]; then
            echo "$major"
            return
        fi
    done
    apt-cache depends postgresql 2>/dev/null |
        sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1
}

compiler_works() {
    echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1
}

# Find a server and a compiler, installing them if need be.  Sets PG_CONFIG,
# PG_MAJOR and PG_PACKAGED (empty when the server is not from a package of
# Debian's layout).
need_server() {
    wanted=${PG_CONFIG:-}
    if [ -z "$wanted" ]; then
        look_for_pg_config
    elif usable_pg_config "$wanted"; then
        # an absolute name, since we will not stay in this directory
        PG_CONFIG=$(command -v "$wanted")
    elif [ "$(dirname "$wanted")" != . ]; then
        die "PG_CONFIG=$wanted is not that of a PostgreSQL $oldest_major or later with its development files"
    else
        PG_CONFIG=
    fi

    packages=
    compiler_works || packages="gcc libc6-dev"
    if [ -z "$PG_CONFIG" ]; then
        can_install && as_admin apt-get update -qq </dev/null
        major=$(packaged_major)
        packages="$packages postgresql-${major:-$oldest_major} postgresql-server-dev-${major:-$oldest_major}"
    fi
    # shellcheck disable=SC2086 # a list of words
    [ -z "$packages" ] || install_packages $packages
    [ -n "$PG_CONFIG" ] || look_for_pg_config
    [ -n "$PG_CONFIG" ] || die "no PostgreSQL $oldest_major or later with its development files: install one or set PG_CONFIG"
    compiler_works || die "no working C compiler"

    PG_MAJOR=$(major_of "$PG_CONFIG")
    PG_PACKAGED=
    [ "$("$PG_CONFIG" --bindir)" != "/usr/lib/postgresql/$PG_MAJOR/bin" ] || PG_PACKAGED=yes
}

# --------------------------------------------------------------------------
# Who runs the server
# --------------------------------------------------------------------------

# initdb and postgres refuse to be run by root: then a user is made who owns
# nothing but what we give to it, under the name $1.  Else it is ourselves.
make_user() {
    RUN_AS=$(id -un)
    [ "$(id -u)" = 0 ] || return 0
    command -v runuser >/dev/null 2>&1 && command -v useradd >/dev/null 2>&1 ||
        die "run by root, this needs useradd and runuser; or run it as an ordinary user"
    RUN_AS=$1
    id "$RUN_AS" >/dev/null 2>&1 ||
        useradd --system --no-create-home --home-dir /nonexistent --shell /bin/sh "$RUN_AS"
}

as_user() {
    if [ "$RUN_AS" = "$(id -un)" ]; then
        "$@"
    else
        runuser -u "$RUN_AS" -- "$@"
    fi
}

drop_user() {
    [ "$RUN_AS" = "$(id -un)" ] || userdel "$RUN_AS" 2>/dev/null || true
}

# --------------------------------------------------------------------------
# A private copy of the server
# --------------------------------------------------------------------------

# PostgreSQL finds its library and share directories relative to its own
# binary, so a copy of them under $1 is a whole server of its own, and nothing
# that we install there touches the files of the original.  Sets PRIVATE to the
# copy's pg_config; a server whose directories do not move along is used as it
# is.
copy_server() {
    for what in bindir pkglibdir sharedir; do
        dir=$("$PG_CONFIG" --$what)
        [ -d "$1$dir" ] && continue
        mkdir -p "$1${dir%/*}"
        cp -R "$dir" "$1$dir"
    done
    for what in includedir pkgincludedir includedir-server; do
        dir=$("$PG_CONFIG" --$what)
        [ -e "$1$dir" ] && continue
        mkdir -p "$1${dir%/*}"
        ln -s "$dir" "$1$dir"
    done
    PRIVATE=$1$("$PG_CONFIG" --bindir)/pg_config
    if [ "$("$PRIVATE" --sharedir)" != "$1$("$PG_CONFIG" --sharedir)" ] ||
        [ "$("$PRIVATE" --pkglibdir)" != "$1$("$PG_CONFIG" --pkglibdir)" ]; then
        echo "this server cannot be copied: installing into its own directories"
        PRIVATE=$PG_CONFIG
    fi
}

# Copy what belongs to the source tree, without what was built or tested there;
# and, where the tree has its history, the source of the released versions.
copy_source() {
    mkdir -p "$1"
    while read -r release commit; do
        [ "$release" = '#' ] || [ ! -e .git ] && continue
        mkdir -p "$1/test/data/$release"
        git -c safe.directory='*' archive "$commit" Makefile pgmq_c.control pgmq_c--1.0.0.sql src 2>/dev/null |
            tar -xf - -C "$1/test/data/$release" 2>/dev/null || rm -r "$1/test/data/$release"
    done <test/data/releases
    tar -cf - --exclude=./.git --exclude=./versions --exclude=./tmp_check \
        --exclude=./results --exclude=./output_iso --exclude='*.o' \
        --exclude='*.so' --exclude='*.bc' . | tar -xf - -C "$1"
}

# Build in $1 and install into the server of PRIVATE.  `make` must not hear of
# the options that the `make` we were started by was given.
build_and_install() {
    unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES
    as_user make -s -C "$1" PG_CONFIG="$PRIVATE" with_llvm=no all || return 1
    if [ "$PRIVATE" = "$PG_CONFIG" ]; then
        as_admin make -s -C "$1" PG_CONFIG="$PRIVATE" with_llvm=no install >/dev/null
    else
        as_user make -s -C "$1" PG_CONFIG="$PRIVATE" with_llvm=no install >/dev/null
    fi
}

# A directory of our own that the throw-away user may reach.
make_workdir() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
    chmod 755 "$WORK"
}

# Start a server with its data and socket in WORK; $1 is appended to its
# configuration.
start_server() {
    as_user mkdir -m 700 "$WORK/sock"
    as_user "$PG_BINDIR/initdb" -D "$WORK/data" -U postgres --auth=trust \
        --encoding=UTF8 --no-locale --no-sync >"$WORK/initdb.log" 2>&1 ||
        { cat "$WORK/initdb.log"; return 1; }
    as_user sh -c 'cat >>"$0"' "$WORK/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$WORK/sock'
$1
END
    as_user "$PG_BINDIR/pg_ctl" -D "$WORK/data" -l "$WORK/server.log" -w -s start ||
        { cat "$WORK/server.log"; return 1; }
}

stop_server() {
    as_user "$PG_BINDIR/pg_ctl" -D "$WORK/data" -m fast -w -s stop
}

# Give a parameter another value, and the server a restart.
set_server() {
    echo "$1 = '$2'" | as_user sh -c 'cat >>"$0"' "$WORK/data/postgresql.conf"
    # `restart` would start the program that runs now, not the one that is
    # called postgres: tools/sanitised.sh has a script of that name
    stop_server
    as_user "$PG_BINDIR/pg_ctl" -D "$WORK/data" -l "$WORK/server.log" -w -s start
}
