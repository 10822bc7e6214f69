#!/bin/sh
# Install packages, as root: their files and nothing more. Debian would start
# what it installs, with the first server package even a server on the standard
# port, and start it again at every boot. Services that were there
# before are left alone.
#
# usage: apt.sh PACKAGE...
set -eu

no_cluster=/etc/postgresql-common/createcluster.d/pgmq-no-cluster.conf
policy=/usr/sbin/policy-rc.d
mark='# put here by pgmq_c while it installs packages'

cleanup() {
    trap - EXIT INT TERM
    rm -f "$no_cluster"
    if grep -qsx "$mark" "$policy"; then rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# The services that start at boot. The unit `postgresql` stands for the
# clusters that there are, which is none: clusters made later need it.
enabled() {
    ls -d /etc/systemd/system/*.wants/* /etc/rc2.d/S* 2>/dev/null |
        sed 's,.*/,,; s,^S[0-9][0-9],,' | grep -Ev '^postgresql(\.service)?$' | sort -u
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
        --no-install-recommends "$@" </dev/null
}

before=$(enabled || true)
mkdir -p "${no_cluster%/*}"
echo 'create_main_cluster = false' >"$no_cluster"
if [ ! -e "$policy" ]; then
    printf '%s\n' '#!/bin/sh' "$mark" 'exit 101' >"$policy"
    chmod 755 "$policy"
fi

apt-get update -qq </dev/null || true
apt_install "$@" >/dev/null 2>&1 ||
    for package in "$@"; do
        apt_install "$package" >/dev/null || echo "could not install $package" >&2
    done

for service in $(enabled || true); do
    printf '%s\n' "$before" | grep -Fqx "$service" && continue
    case $service in
        *.*) rm -f /etc/systemd/system/*.wants/"$service" ;;
        *) update-rc.d "$service" disable >/dev/null 2>&1 || true ;;
    esac
done
