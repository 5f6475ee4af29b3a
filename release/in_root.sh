#!/bin/bash
# Inside the clean root: install the packages of /release and use them as a stranger would.
# usage: in_root.sh VERSION
set -euo pipefail
version=$1
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
install() { apt-get -qq install -y --no-install-recommends "$@" >/tmp/install.log 2>&1 || { cat /tmp/install.log >&2; exit 1; }; }
check() { echo "  checked: $*"; }

cd /tmp
apt-get -qq update
install /release/rhm_*.deb
[ "$(rhm --version)" = "rhm $version" ]
rhm train --learner table --vocab 8 --levels 8 --test-samples 1000 | grep -q 'test accuracy 1.0000'
rhm train --progress off | grep 'model hash'
status=0
rhm train --levels 0 2>/dev/null || status=$?
[ $status = 2 ]
check "the command, with no other package of ours"

install man-db bash-completion
# man gives the words of a page in one line each.
for command in $(rhm --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
    man -P cat "rhm-$command" | grep -q "rhm-$command - "
done
man -P cat rhm | grep -q EXAMPLES\\\|COMMANDS
check "manual pages"
bash -ic 'source /usr/share/bash-completion/bash_completion; _completion_loader rhm; complete -p rhm' 2>/dev/null | grep -q 'complete -F _rhm rhm'
check "completion, as bash-completion loads it"

install /release/librhm0_*.deb /release/librhm-dev_*.deb gcc libc6-dev pkg-config cmake make
mkdir -p /tmp/program && AUTOPKGTEST_TMP=/tmp/program sh /release/build-with-library
cd /tmp/program
printf 'cmake_minimum_required(VERSION 3.20)\nproject(program C)\nfind_package(rhm %s REQUIRED)\nadd_executable(found program.c)\ntarget_link_libraries(found rhm::rhm)\n' \
    "${version%.*}" >CMakeLists.txt
cmake -S . -B build >/dev/null && cmake --build build >/dev/null && build/found
check "the library, with pkg-config and with CMake"

apt-get -qq purge -y rhm librhm0 librhm-dev >/dev/null 2>&1
install python3-venv python3-numpy
python3 -m venv --system-site-packages /tmp/venv
/tmp/venv/bin/pip install --quiet --no-index --no-deps /release/*.whl
/tmp/venv/bin/python -c '
import rhm
hierarchy = rhm.Hierarchy(vocab=8, rules=4, branching=2, levels=3, seed=1)
tokens, labels = hierarchy.sample(2000)
model = rhm.train(hierarchy, "table", test_samples=1000, progress=False)
assert model.score(tokens, labels) > 0.99'
check "the wheel, without the Debian packages"

cd /
left=$(find /usr -name '*rhm*' -not -path '*/linux/*')
[ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
check "that nothing is left behind"
