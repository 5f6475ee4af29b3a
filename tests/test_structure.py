"""The order of the tree: directories know only those before them, files do not call each other in circles, and the command
knows the public headers."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.[ch]"))


def directories():
    """As CMakeLists.txt adds them, the first first; the command comes last."""
    found = re.search(r"foreach\(\w+ ([a-z ]+)\)\s+add_subdirectory\(src/", (ROOT / "CMakeLists.txt").read_text())
    return found.group(1).split() + ["cli"]


def includes(path):
    return [name for name in re.findall(r'#include "([^"]+)"', path.read_text()) if not name.startswith("rhm/")]


def directory(path):
    return path.split("/")[0]


def graph():
    """Object files, named like their sources, and those whose functions they call."""
    objects = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent / "CMakeFiles/rhm_objects.dir/src"
    home, calls = {}, {}
    units = [str(path.relative_to(objects))[:-len(".c.o")] for path in sorted(objects.rglob("*.o"))]
    units = [unit for unit in units if (ROOT / "src" / f"{unit}.c").exists()]  # others are of an earlier build
    table = subprocess.run(["nm", "-A", "-P"] + [f"{unit}.c.o" for unit in units], cwd=objects, check=True, capture_output=True, text=True)
    for line in table.stdout.splitlines():
        file, name, kind = line.split()[:3]
        unit = file[:-len(".c.o:")]
        if kind in "TDRB":
            home[name] = unit
        elif kind == "U":
            calls.setdefault(unit, set()).add(name)
    return {unit: {home[name] for name in names if name in home} - {unit} for unit, names in calls.items()}


def circles(edges):
    """Strongly connected components of more than one member (Tarjan)."""
    number, low, stack, found = {}, {}, [], []

    def visit(unit):
        number[unit] = low[unit] = len(number)
        stack.append(unit)
        for other in sorted(edges.get(unit, ())):
            if other not in number:
                visit(other)
            if other in stack:
                low[unit] = min(low[unit], low[other])
        if low[unit] == number[unit]:
            members = []
            while not members or members[-1] != unit:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for unit in sorted(edges):
        if unit not in number:
            visit(unit)
    return found


def functions(text):
    """Names and numbers of lines of the functions that C text defines."""
    begin, name = None, None
    for number, line in enumerate(text.splitlines()):
        if begin is None and (head := re.match(r"(?!typedef|struct [^(]*\{|enum|union)[A-Za-z][^;=]*?(\w+)\(", line)):
            begin, name = number, head.group(1)
        if begin is not None and line.startswith("}"):
            yield name, number - begin + 1
        if begin is not None and (line.startswith("}") or (line.endswith(";") and not line.startswith(" "))):
            begin = None


def test_functions_are_found():
    assert list(functions("int f(void);\nstatic int *g(int a,\n             int b) {\n    h(a);\n}\nint h(int a) {\n}\n")) == [("g", 4), ("h", 2)]


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}}) == []


def test_every_directory_has_its_place():
    there = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert there == set(directories())


def test_the_page_lists_directories_in_their_order():
    page = (ROOT / "docs/design.md").read_text()
    table = page.split("| `src/` | holds |", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == directories()


def test_directories_know_only_those_before_them():
    order = directories()
    wrong = [f"{path.relative_to(ROOT)} includes {name}" for path in SOURCES for name in includes(path)
             if "/" in name and (ROOT / "src" / name).exists()
             and order.index(directory(name)) > order.index(directory(str(path.relative_to(ROOT / "src"))))]
    assert wrong == []


def test_files_do_not_go_round_in_circles():
    edges = graph()
    assert len(edges) > 100
    assert circles(edges) == []


@pytest.mark.parametrize("folder", ["src", "include", "bench", "tests", "perf", "python"])
def test_files_and_functions_are_short(folder):
    files = [path for suffix in ("*.c", "*.h", "*.py", "*.cc") for path in (ROOT / folder).rglob(suffix)]
    assert [f"{path.name}: {n} lines" for path in files if (n := path.read_text().count("\n")) > 400] == []
    assert [f"{path.name}: {name} has {n} lines" for path in files if path.suffix in (".c", ".h")
            for name, n in functions(path.read_text()) if n > 70] == []


def test_learners_do_not_know_each_other():
    homes = {path.name for path in (ROOT / "src/learners").iterdir() if path.is_dir()}

    def home(name):
        parts = name.split("/")
        return parts[1] if parts[0] == "learners" and parts[1] in homes else None

    wrong = [f"{path.relative_to(ROOT)} includes {name}" for path in SOURCES for name in includes(path)
             if home(name) and home(str(path.relative_to(ROOT / "src"))) != home(name)
             and directory(str(path.relative_to(ROOT / "src"))) == "learners"]
    assert wrong == []


def test_the_command_knows_public_headers():
    of_command = [path for path in SOURCES if path.is_relative_to(ROOT / "src/cli")]
    assert any(path.parent.name == "sweep" for path in of_command)
    used = {name for path in of_command for name in includes(path) if directory(name) not in ("cli", "core")}
    assert used == set()


@pytest.mark.parametrize("path", sorted((ROOT / "include/rhm").glob("*.h")), ids=lambda path: path.name)
def test_public_headers_know_each_other_only(path):
    assert includes(path) == []
    public = set(re.findall(r'#include "rhm/([^"]+)"', path.read_text()))
    assert public <= {other.name for other in path.parent.glob("*.h")}
    if path.name == "rhm.h":
        assert public == {other.name for other in path.parent.glob("*.h")} - {"rhm.h"}


def test_public_functions_are_exported():
    """A binding sees what the shared library exports, which is what the headers say and nothing else."""
    library = pathlib.Path(os.environ["RHM_COMMAND"]).resolve().parent.parent / "lib/librhm.so"
    listed = subprocess.run(["nm", "-DP", "--defined-only", str(library)], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[0] for line in listed.splitlines() if line.split()[1] in "TDRB"}
    headers = "".join(path.read_text() for path in (ROOT / "include/rhm").glob("*.h"))
    assert exported == set(re.findall(r"^RHM_API [^(;]*?(\w+)\(", headers, re.M))
