"""What the source directories and files may know of each other, read from their includes: no circles, and only downwards."""
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)

# Each directory may include those before it, and itself.
ORDER = ["core", "engine", "ceilings", "hierarchy", "sampling", "patches", "kernels", "linear", "model", "training", "learner", "learners", "cli"]


def includes():
    """{file: files that it includes}, as paths below src; public headers left out."""
    known = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.suffix in (".c", ".h")}
    found = {}
    for file in known:
        names = INCLUDE.findall((SOURCE / file).read_text())
        beside = str(pathlib.PurePosixPath(file).parent)
        found[file] = {name if name in known else f"{beside}/{name}" for name in names if name in known or f"{beside}/{name}" in known}
    return found


def circle(graph):
    """One circle of a directed graph as a list of nodes, or None."""
    state, path = {}, []

    def visit(node):
        state[node] = "open"
        path.append(node)
        for neighbour in sorted(graph.get(node, ())):
            if state.get(neighbour) == "open":
                return path[path.index(neighbour):] + [neighbour]
            if neighbour not in state:
                found = visit(neighbour)
                if found:
                    return found
        state[node] = "done"
        path.pop()
        return None

    for node in sorted(graph):
        if node not in state:
            found = visit(node)
            if found:
                return found
    return None


def test_every_directory_has_its_place_in_the_order():
    directories = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert directories == set(ORDER)


def test_directories_know_only_those_before_them():
    wrong = [f"{file} includes {other}" for file, others in includes().items() for other in others
             if ORDER.index(other.split("/")[0]) > ORDER.index(file.split("/")[0])]
    assert not wrong, "\n".join(sorted(wrong))


def test_no_circle_of_files():
    """A .c file and its header are one unit: two units that include each other call each other in a loop."""
    graph = {}
    for file, others in includes().items():
        unit = file.rsplit(".", 1)[0]
        graph.setdefault(unit, set()).update(other.rsplit(".", 1)[0] for other in others)
        graph[unit].discard(unit)
    found = circle(graph)
    assert found is None, " -> ".join(found)


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) is None
