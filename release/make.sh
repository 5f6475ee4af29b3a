#!/usr/bin/env bash
# Build what a release consists of from the commit that is checked out: the source archive, Debian packages, and the wheel and
# source distribution of the Python package. Everything is built from the archive alone.
# usage: release/make.sh DIRECTORY
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. release/version.sh
into=$(realpath -m "$1")
name=rhm-$(rhm_version)

say() { echo "release: $*" >&2; }

[ -z "$(git status --porcelain --untracked-files=no)" ] || say "uncommitted changes are left out"
rhm_versions_agree
mkdir -p "$into"
work=$(mktemp -d "$into/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

say "source archive $name.tar.gz"
git archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$into/$name.tar.gz"
for purpose in debian python; do # each from sources that the other has not built in
    mkdir "$work/$purpose"
    tar -xzf "$into/$name.tar.gz" -C "$work/$purpose"
done

say "Debian packages"
(cd "$work/debian/$name" && dpkg-buildpackage -us -uc -b) >"$into/debian.log" 2>&1 || { tail -40 "$into/debian.log" >&2; exit 1; }
lintian --fail-on error,warning "$work"/debian/*.changes >&2
mv "$work"/debian/*.deb "$work"/debian/*.changes "$work"/debian/*.buildinfo "$into"

say "Python wheel and source distribution"
(cd "$work/python/$name" && python/make_wheel "$work/wheel") >"$into/python.log" 2>&1 || { tail -40 "$into/python.log" >&2; exit 1; }
mkdir -p "$into/python"
mv "$work"/wheel/*.whl "$work"/wheel/*.tar.gz "$into/python"

(cd "$into" && sha256sum -- *.tar.gz *.deb python/*.whl python/*.tar.gz >SHA256SUMS)
say "done: $into"
