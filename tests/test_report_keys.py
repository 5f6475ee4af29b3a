"""Keys of reports and docs/report.md say the same: what is written is described, and what is described is written."""
import json
import pathlib
import re

import pytest

from command_tools import QUICK, SMALL, run

PAGE = (pathlib.Path(__file__).resolve().parent.parent / "docs/report.md").read_text()
TINY = ["--vocab", "4", "--rules", "2", "--levels", "2", "--test-samples", "50"]
#: Only ranks of an MPI job have these (test_ranks.py): the list is null in all reports here.
ELSEWHERE = "machine.ranks[]."


def paths(value, path=""):
    """Of a report: "a.b", "a[].b". What is null or empty stands for itself: its parts cannot be seen."""
    if isinstance(value, dict) and value:
        return set().union(*(paths(inner, f"{path}.{key}" if path else key) for key, inner in value.items()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return set().union(*(paths(inner, f"{path}[]") for inner in value))
    return {path}


def keys(section, prefix=""):
    """First columns of the tables of a section, with `.b` behind `a.x` written out."""
    found, before = [], ""
    for row in re.findall(r"^\| (.*?) \|", section, re.M):
        for key in re.findall(r"`([^`]+)`", row):
            before = f"{before.rpartition('.')[0]}{key}" if key.startswith(".") else key
            found.append(prefix + before)
    assert len(found) == len(set(found)), [key for key in found if found.count(key) > 1]
    return set(found)


def section(title, end="\n## "):
    return PAGE.split(title, 1)[1].split(end, 1)[0]


def covers(key, path):
    return path.startswith(key[:-1]) or path == key[:-2] if key.endswith(".*") else path == key


def compare(described, reports):
    """Both directions. A null object is described by what it may hold."""
    written = set().union(*(paths(report) for report in reports))
    unseen = {path for path in written if any(other.startswith((path + ".", path + "[]")) for other in described | written)}
    for path in sorted(written - unseen):
        assert any(covers(key, path) for key in described), f"{path} is not described"
    for key in sorted(described):
        assert key.startswith(ELSEWHERE) or any(covers(key, path) for path in written), f"{key} is described, but no report has it"


def common(*names):
    """Keys of the report of training that others have too."""
    return {key for key in of_training() if key.split(".")[0] in names}


def of_training():
    whole = section("## The report")
    general, levels = whole.split("\nOf a level", 1)
    levels, descent = levels.split("### Gradient descent", 1)
    columns = section("## The table of levels").split("\nThe instance table", 1)[0]
    columns = {key for row in re.findall(r"^\| [^|]+ \| (.*?) \|", columns, re.M) for key in re.findall(r"`([^`]+)`", row)}
    columns = {key if key.startswith("instance.") else "levels[]." + key for key in columns}
    return (keys(general) - {"levels[]", "training"}) | columns | keys(levels, "levels[].") | keys(descent, "training.")


@pytest.fixture(scope="module")
def trained(here, tmp_path_factory):
    """Reports that have everything between them: ceilings, checkpoints, gradient descent."""
    folder = tmp_path_factory.mktemp("keys")
    run("train", *QUICK, "--checkpoint", "c", "--report", "kept.json", "-o", "m.h5", cwd=folder)
    run("train", "--learner", "cnn", *TINY, "--width", "4", "--sequences", "16", "--epochs", "1", "--report", "cnn.json", cwd=folder)
    return folder, [json.loads(path.read_text()) for path in (here / "r.json", folder / "kept.json", folder / "cnn.json")]


def test_reports_of_training(trained):
    compare(of_training(), trained[1])


def test_reports_of_evaluations_and_inference(trained):
    others = section("## Reports of other commands")
    evaluation, inference = (keys(part) for part in others.split("`rhm plan --json`")[0].split("`rhm oracle --report`"))
    shared = common("schema", "version", "stream_version", "command", "instance", "machine", "seconds", "peak_rss_bytes")
    run("eval", "m.h5", "--test-samples", "10", "--report", "e.json", cwd=trained[0])
    compare(shared | evaluation | common("model_hash"), [json.loads((trained[0] / "e.json").read_text())])
    run("oracle", *SMALL, "--samples", "10", "--report", "o.json", cwd=trained[0])
    compare(shared | inference, [json.loads((trained[0] / "o.json").read_text())])


def test_plans(tmp_path):
    planned = section("## Reports of other commands").split("`rhm plan --json`")[1]
    plan = json.loads(run("plan", *TINY[:-2], "--json", cwd=tmp_path).stdout)
    ranks = json.loads(run("plan", *TINY[:-2], "--ranks", "3", "--nodes", "2", "--json", cwd=tmp_path).stdout)
    run("sample", *TINY[:-2], "--samples", "3000", "-o", "d.h5", cwd=tmp_path)
    data = json.loads(run("plan", "--data", "d.h5", "--json", cwd=tmp_path).stdout)
    compare(keys(planned) | common("schema", "version", "learner", "instance") | {"instance.k_rho"}, [plan, ranks, data])


def test_the_test_itself():
    assert keys("| `a.b`, `.c` | x |\n| `d[].e`, `.f`, `g` | y |\n") == {"a.b", "a.c", "d[].e", "d[].f", "g"}
    assert paths({"a": [{"b": 1}, {"b": None}], "c": {"d": {}}, "e": [1]}) == {"a[].b", "c.d", "e"}
    compare({"a.b", "r.*"}, [{"a": None, "r": {"x": {"y": 1}}}, {"a": {"b": 2}, "r": []}])
    with pytest.raises(AssertionError, match="a.c is not described"):
        compare({"a.b"}, [{"a": {"b": 1, "c": 2}}])
    with pytest.raises(AssertionError, match="a.c is described"):
        compare({"a.b", "a.c"}, [{"a": {"b": 1}}])
    with pytest.raises(AssertionError):
        keys("| `a` | x |\n| `a` | y |\n")
