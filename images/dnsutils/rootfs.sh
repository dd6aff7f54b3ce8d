#!/bin/sh
# rootfs.sh DIR: fill DIR with the file system of the dnsutils image, from this machine's Debian
# (or Ubuntu) packages. The Dockerfile runs it in a builder, the test cluster directly: same content.
set -eu

# dash, since busybox sh runs its own applets (ip among them) in place of the programs on PATH.
packages="bind9-dnsutils busybox-static conntrack dash iproute2 libc-bin"
commands="dig nslookup getent ip conntrack timeout sh cat"
root=$1
mkdir -p "$root/.apt/archives/partial"
: >"$root/.apt/status"

# With an empty package database apt resolves everything the packages need, as if on a bare machine.
apt-get -qq -y --no-install-recommends --download-only -o APT::Sandbox::User=root \
    -o Dir::State::status="$root/.apt/status" -o Dir::Cache::archives="$root/.apt/archives/" \
    install $packages >/dev/null

# /bin and friends are links into /usr before the packages fill them.
for dir in bin sbin lib lib64; do
    mkdir -p "$root/usr/$dir"
    ln -s "usr/$dir" "$root/$dir"
done
for package in "$root"/.apt/archives/*.deb; do
    case ${package##*/} in debconf_* | debianutils_*) continue ;; esac # of use to an installer only
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$root" \
        --exclude './usr/share/doc' --exclude './usr/share/man' --exclude './usr/share/locale' \
        --exclude './usr/share/lintian' --exclude './usr/share/bash-completion' \
        --exclude './usr/lib/*/gconv' --exclude './usr/lib/locale' --exclude '*/libicutest.*'
done
rm -rf "$root/.apt"

# Every tool of busybox that no package brought.
for tool in $("$root/bin/busybox" --list); do
    [ -e "$root/usr/bin/$tool" ] || [ -e "$root/usr/sbin/$tool" ] || ln -s busybox "$root/usr/bin/$tool"
done

mkdir -p "$root/etc" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/run"
chmod 1777 "$root/tmp"
printf 'root:x:0:0::/:/bin/sh\ndnsdebug:x:65532:65532::/tmp:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\ndnsdebug:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
. /etc/os-release
printf 'ID=%s\nVERSION_ID="%s"\nPRETTY_NAME="dnsutils on %s"\n' "$ID" "$VERSION_ID" "$PRETTY_NAME" \
    >"$root/etc/os-release"

ldconfig -r "$root"
rm -rf "$root/var/cache" "$root/etc/ld.so.cache~"
for command in $commands; do
    [ -e "$root/usr/bin/$command" ] || [ -e "$root/usr/sbin/$command" ] ||
        { echo "the image lacks $command" >&2; exit 1; }
done
