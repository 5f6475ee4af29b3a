#!/usr/bin/env bash
# Install a release in a system that has nothing of ours and use it there: command, manual pages, completion, library, wheel.
# The system is a fresh Debian by debootstrap, kept in build/clean-root; its packages come from where this machine's come from.
# usage: release/check.sh DIRECTORY    (as root; DIRECTORY as release/make.sh filled it)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. release/version.sh
from=$(realpath "$1")
base=build/clean-root

say() { echo "release: $*" >&2; }

[ "$(id -u)" = 0 ] || { say "a clean root needs the rights of root"; exit 1; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
if [ ! -e "$base/etc/debian_version" ]; then
    say "making a fresh $suite"
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' | awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
    mkdir -p build
    rm -rf "$base.part"
    debootstrap --variant=minbase "$suite" "$base.part" "$mirror" >build/clean-root.log
    mv "$base.part" "$base"
fi

root=$(mktemp -d build/root-XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT
cp -a "$base/." "$root"
rm -rf "$root/etc/apt"
cp -aL /etc/apt "$root/etc/apt"
cp -L /usr/share/keyrings/* "$root/usr/share/keyrings/"
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    [ ! -e $file ] || cp -L $file "$root$file"
done
[ ! -e /usr/local/share/ca-certificates ] || cp -rL /usr/local/share/ca-certificates "$root/usr/local/share/"
mkdir -p "$root/release"
cp "$from"/*.deb "$from"/*.tar.gz "$root/release/"
cp "$from"/python/*.whl "$root/release/"
cp release/in_root.sh debian/tests/build-with-library "$root/release/"

# Mounts that end with the process.
say "installing and using it in $root"
unshare --mount bash -c 'mount --rbind /proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev" &&
    exec chroot "$1" /bin/bash /release/in_root.sh "$2"' check "$root" "$(rhm_version)"
