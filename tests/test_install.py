"""How other projects use the library: installed, moved, staged, from the build directory, as a part of their own build; with pkg-config
and with CMake, shared and static, whatever the compiler. Every program is run, not only linked."""
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ["RHM_COMMAND"]).resolve().parent.parent
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]

CONSUMER = """
#include <rhm/rhm.h>
#include <stdio.h>
int main(void) {
    rhm_shape shape = rhm_shape_uniform(8, 4, 2, 3);
    rhm_grammar *grammar = NULL;
    rhm_engine *engine = NULL;
    rhm_error error;
    if (rhm_grammar_draw(&grammar, &shape, RHM_FIRST_TOKEN_UNIFORM, 1, &error) || rhm_engine_create(&engine, NULL, &error)) {
        fprintf(stderr, "%s\\n", error.text);
        return 1;
    }
    rhm_engine_destroy(engine);
    rhm_grammar_destroy(grammar);
    puts(rhm_version());
    return 0;
}
"""


def call(*command, expect=0, env=None, cwd=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=cwd)
    assert (done.returncode == 0) == (expect == 0), f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def cache_entry(name):
    return next(line.partition("=")[2] for line in (BUILD / "CMakeCache.txt").read_text().splitlines() if line.startswith(name + ":"))


LIBDIR = cache_entry("CMAKE_INSTALL_LIBDIR")
VERSION = cache_entry("CMAKE_PROJECT_VERSION")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("has a space") / "p q"
    call("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture
def consumer(tmp_path):
    source = tmp_path / "consumer.c"
    source.write_text(CONSUMER)
    return source


def pkg_config(folder, *options):
    return shlex.split(call("pkg-config", *options, "rhm", env={"PKG_CONFIG_PATH": str(folder)}).stdout)


def uses_pkg_config(compiler, consumer, folder, libdir):
    """Compile against the shared library, and against the static one where no shared one lies beside it."""
    program = consumer.with_suffix("")
    call(compiler, consumer, *pkg_config(folder, "--cflags", "--libs"), "-o", program)
    assert call(program, env={"LD_LIBRARY_PATH": str(libdir)}).stdout.startswith(VERSION)
    alone = consumer.parent / "alone"
    alone.mkdir(exist_ok=True)
    shutil.copy(libdir / "librhm.a", alone)
    static = [word for word in pkg_config(folder, "--static", "--libs") if not word.startswith("-L")]
    call(compiler, consumer, *pkg_config(folder, "--cflags"), f"-L{alone}", *static, "-o", program)
    assert call(program).stdout.startswith(VERSION)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_pkg_config(prefix, consumer, compiler):
    folder = prefix / LIBDIR / "pkgconfig"
    uses_pkg_config(compiler, consumer, folder, prefix / LIBDIR)
    assert " ".join(pkg_config(folder, "--variable=prefix")) == str(prefix)
    assert pkg_config(folder, "--modversion") == [VERSION]


def test_the_installed_command_runs(prefix):
    assert VERSION in call(prefix / "bin" / "rhm", "--version").stdout


def test_a_tree_that_was_moved(prefix, consumer, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(prefix, moved, symlinks=True)
    words = pkg_config(moved / LIBDIR / "pkgconfig", "--cflags", "--libs")
    assert not any(str(prefix) in word for word in words), words
    uses_pkg_config(COMPILERS[0], consumer, moved / LIBDIR / "pkgconfig", moved / LIBDIR)
    uses_cmake(consumer, f"-DCMAKE_PREFIX_PATH={moved}")


def test_destdir(tmp_path):
    """A package is staged; what it says of itself is where it will lie."""
    call("cmake", "--install", BUILD, "--prefix", "/opt/some where", env={"DESTDIR": str(tmp_path)})
    pc = tmp_path / "opt/some where" / LIBDIR / "pkgconfig/rhm.pc"
    assert "prefix=/opt/some where\n" in pc.read_text() and str(tmp_path) not in pc.read_text()
    for path in (f"{LIBDIR}/librhm.so", f"{LIBDIR}/librhm.a", "include/rhm/rhm.h", "bin/rhm", f"{LIBDIR}/cmake/rhm/rhm-config.cmake",
                 "share/man/man1/rhm.1", "share/man/man1/rhm-train.1", "share/bash-completion/completions/rhm", "share/zsh/site-functions/_rhm",
                 "share/fish/vendor_completions.d/rhm.fish"):
        assert (tmp_path / "opt/some where" / path).exists(), path
    for path in tmp_path.rglob("*.cmake"):
        assert str(BUILD) not in path.read_text() and str(ROOT) not in path.read_text(), path


def uses_cmake(consumer, *options, find="find_package(rhm REQUIRED)", link="rhm::rhm", language="C", expect=0):
    """Configure and build a project that uses the library; its program, or what was said when that failed."""
    source = consumer.parent / "project"
    source.mkdir(exist_ok=True)
    code = source / ("consumer.c" if language == "C" else "consumer.cc")
    shutil.copy(consumer, code)
    (source / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.20)\nproject(consumer {language})\n{find}\n"
                                           f"add_executable(consumer {code.name})\ntarget_link_libraries(consumer {link})\n")
    build = consumer.parent / "project build"
    shutil.rmtree(build, ignore_errors=True)
    done = call("cmake", "-S", source, "-B", build, *options, expect=expect)
    if expect:
        return done.stderr
    call("cmake", "--build", build)
    assert call(build / "consumer").stdout.startswith(VERSION)
    return build / "consumer"


def is_shared(program):
    return "librhm.so" in call("readelf", "-d", program).stdout


@pytest.mark.parametrize("compiler", COMPILERS)
def test_find_package(prefix, consumer, compiler):
    assert is_shared(uses_cmake(consumer, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_COMPILER={compiler}"))


@pytest.mark.parametrize("how", [{"find": "find_package(rhm REQUIRED COMPONENTS static)"}, {"link": "rhm::rhm_static"},
                                 {"find": "set(BUILD_SHARED_LIBS OFF)\nfind_package(rhm REQUIRED)"}])
def test_find_package_static(prefix, consumer, how):
    assert not is_shared(uses_cmake(consumer, f"-DCMAKE_PREFIX_PATH={prefix}", **how))


def test_find_package_of_a_project_in_another_language(prefix, consumer):
    if not shutil.which("c++"):
        pytest.skip("there is no C++ compiler")
    uses_cmake(consumer, f"-DCMAKE_PREFIX_PATH={prefix}", link="rhm::rhm_static", language="CXX")


def test_find_package_knows_versions_and_components(prefix, consumer):
    path, (major, minor, _) = f"-DCMAKE_PREFIX_PATH={prefix}", map(int, VERSION.split("."))
    uses_cmake(consumer, path, find=f"find_package(rhm {major}.{minor} REQUIRED)")
    assert VERSION in uses_cmake(consumer, path, find=f"find_package(rhm {major}.{minor + 1} REQUIRED)", expect=1)
    assert "gpu" in uses_cmake(consumer, path, find="find_package(rhm REQUIRED COMPONENTS gpu)", expect=1)


def test_the_build_directory_itself(consumer):
    uses_pkg_config(COMPILERS[0], consumer, BUILD, BUILD / "lib")
    uses_cmake(consumer, f"-Drhm_DIR={BUILD}")


@pytest.fixture(scope="module")
def subproject(tmp_path_factory):
    """A project that contains this one, configured; as FetchContent does it."""
    folder = tmp_path_factory.mktemp("outer project")
    (folder / "consumer.c").write_text(CONSUMER)
    (folder / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.25)
project(outer C)
include(FetchContent)
FetchContent_Declare(rhm SOURCE_DIR "{ROOT}")
FetchContent_MakeAvailable(rhm)
add_executable(consumer consumer.c)
target_link_libraries(consumer rhm::rhm)
foreach(target rhm::rhm rhm::rhm_shared rhm::rhm_static)
  if(NOT TARGET ${{target}})
    message(FATAL_ERROR "no ${{target}}")
  endif()
endforeach()
get_directory_property(flags COMPILE_OPTIONS)
if(flags OR CMAKE_RUNTIME_OUTPUT_DIRECTORY OR NOT "${{CMAKE_BUILD_TYPE}}" STREQUAL "")
  message(FATAL_ERROR "settings leak: ${{flags}} ${{CMAKE_RUNTIME_OUTPUT_DIRECTORY}} ${{CMAKE_BUILD_TYPE}}")
endif()
""")
    # cmocka must not even be looked for.
    call("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", "-DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON")
    return folder / "build"


def test_as_a_part_of_another_build(subproject):
    cache = (subproject / "CMakeCache.txt").read_text()
    assert "RHM_TESTS:BOOL=OFF" in cache and "cmocka_" not in cache
    assert "test_kernels" not in call("cmake", "--build", subproject, "--target", "help").stdout
    steps = call("cmake", "--build", subproject, "--", "-t", "commands").stdout
    assert "librhm" in steps and "cli/main.c" not in steps, "the command is built where it is asked for"


def test_as_a_part_of_another_build_nothing_is_installed(subproject):
    script = "".join(path.read_text() for path in subproject.rglob("cmake_install.cmake"))
    assert "librhm" not in script and "rhm.pc" not in script


@pytest.mark.parametrize("libdir, up", [("lib64", "../.."), ("lib/x86_64-linux-gnu", "../../..")])
def test_other_library_directories(tmp_path, libdir, up):
    """Configured only: the file is made of what is known by then."""
    call("cmake", "-S", ROOT, "-B", tmp_path, f"-DCMAKE_INSTALL_LIBDIR={libdir}", "-DRHM_TESTS=OFF", "-DRHM_BENCH=OFF")
    lines = (tmp_path / "rhm.pc.in").read_text().splitlines()
    assert "libdir=${pcfiledir}/.." in lines and f"includedir=${{pcfiledir}}/{up}/include" in lines
