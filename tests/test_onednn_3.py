"""The backend with oneDNN 3.x, where the build has 2.x: the sources that know the library are compiled against PyPI's headers, linked with
PyPI's library, and the tests of the backend run, layerwise learner and networks.

onednn-cpu-gomp is the last release of PyPI on the OpenMP runtime of the compiler, onednn-devel has newer headers; of the C API both have the
same. They are put into the build directory (RHM_ONEDNN_WHEELS: a folder that has them already)."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
PREFIX = BUILD / "onednn-3"
WHEELS = ("onednn-devel==2026.1.0", "onednn-cpu-gomp==2023.2.0")
SOURCES = [f"src/kernels/onednn/{name}.c" for name in ("convolution", "matmul", "onednn", "primitives")] + \
          [f"src/network/{name}.c" for name in ("onednn", "onednn_passes")]
TESTS = ("test_onednn", "test_backend", "test_network_onednn")
RUNTIME = re.compile(r"(#define DNNL_CPU_(?:THREADING_)?RUNTIME) .*")


def wheels():
    given = os.environ.get("RHM_ONEDNN_WHEELS")
    folder = pathlib.Path(given) if given else PREFIX / "wheels"
    found = sorted(folder.glob("onednn*.whl"))
    if len(found) >= 2 or given:
        return found
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1", "--timeout", "20", "--dest", str(folder), *WHEELS]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=240)
        refusal = (done.stderr.strip().splitlines() or ["it does not say why"])[-1] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as failure:
        refusal = str(failure)
    if refusal:
        pytest.skip(f"oneDNN 3.x is not to be had: {refusal[:300]}")
    return sorted(folder.glob("onednn*.whl"))


@pytest.fixture(scope="module")
def prefix():
    """{include, lib} of 3.x. The headers come for another runtime of threads than the library, and say so in one file."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    if "RHM_HAVE_ONEDNN:INTERNAL=0" in cache or re.search(r"^RHM_ONEDNN:STRING=OFF", cache, re.M):
        pytest.skip("this build has no oneDNN")
    if re.search(r"^RHM_SANITIZE:STRING=.+", cache, re.M):
        pytest.skip("objects of a build with sanitizers cannot be mixed with others")
    unpacked = PREFIX / "unpacked"
    for wheel in wheels():
        zipfile.ZipFile(wheel).extractall(unpacked)
    include, = unpacked.glob("onednn_devel*/data/include")
    library, = unpacked.glob("onednn_cpu_gomp*/data/lib")
    config = include / "oneapi/dnnl/dnnl_config.h"
    config.write_text(RUNTIME.sub(r"\1 DNNL_RUNTIME_OMP", config.read_text()))
    shared, = [path for path in library.glob("libdnnl.so.3.*")]
    for name in ("libdnnl.so", "libdnnl.so.3"):
        if not (library / name).exists():
            shutil.copyfile(shared, library / name)
    return include, library


def succeeded(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def objects(prefix):
    include, _ = prefix
    flags = ["-std=gnu17", "-O1", "-fopenmp", "-D_GNU_SOURCE", "-DRHM_HAVE_ONEDNN=1", "-Wall", "-Wextra", "-Werror", "-isystem", include,
             f"-I{ROOT}/src", f"-I{ROOT}/include", f"-I{ROOT}/tests"]
    made = {}
    for source in SOURCES + [f"tests/{name}.c" for name in TESTS]:
        made[source] = PREFIX / (source.replace("/", "_") + ".o")
        succeeded(["cc", *flags, "-c", ROOT / source, "-o", made[source]])
    return made


@pytest.mark.parametrize("name", TESTS)
def test_the_backend_with_onednn_3(prefix, objects, name):
    _, library = prefix
    private, = re.findall(r"^Libs.private: (.*)$", (BUILD / "rhm-uninstalled.pc").read_text(), re.M)
    others = [word for word in private.split() if "dnnl" not in word]
    program = PREFIX / name
    succeeded(["cc", *(objects[source] for source in SOURCES), objects[f"tests/{name}.c"], BUILD / "lib/librhm.a", library / "libdnnl.so", *others,
               "-lcmocka", f"-Wl,-rpath,{library}", "-o", program])
    linked = succeeded(["ldd", program]).stdout
    assert "libdnnl.so.3" in linked and "libdnnl.so.2" not in linked
    said = succeeded([program], env={**os.environ, "DNNL_VERBOSE": "1"}, timeout=300)
    assert "oneDNN v3." in said.stdout
    assert "PASSED" in said.stdout + said.stderr
