"""Change points on series whose truth is known, and the search for a commit on programs whose times are made up (fake_bench.py)."""
import functools
import json

import pytest

np = pytest.importorskip("numpy")
import fake_bench  # noqa: E402
import perf_tools  # noqa: E402
from perf import __main__ as command  # noqa: E402
from perf import bisect  # noqa: E402
from perf.harness import blocks, change_points, comparison, git, project, session, snapshots, verdict  # noqa: E402

SEED = 20261128
LAWS = {"normal": lambda g, n: g.standard_normal(n), "heavy tails": lambda g, n: g.standard_t(2, n),
        "two humps": lambda g, n: g.choice((-1.0, 1.0), n) + 0.1 * g.standard_normal(n)}


def series(generator, law, sizes, levels, noise):
    return np.exp(np.concatenate([level + noise * LAWS[law](generator, size) for size, level in zip(sizes, levels)]))


@pytest.mark.parametrize("law", LAWS)
def test_false_alarms(law):
    """At most a share alpha of series without a change, whatever their law; with so many series no more than 6 of 200 at 1 %."""
    generator = np.random.default_rng(SEED)
    alarms = sum(bool(change_points.find(series(generator, law, [25], [0.0], 0.02), alpha=0.01)) for _ in range(200))
    assert alarms <= 6


def test_changes_are_found_where_they_are():
    generator = np.random.default_rng(SEED)
    found = exact = 0
    for _ in range(12):
        at = [at for at, p in change_points.find(series(generator, "normal", [20, 8], [0.0, 0.05], 0.01)) if p <= change_points.ALPHA]
        found += bool(at)
        exact += at == [20]
    assert found >= 11 and exact >= 10
    assert [at for at, _ in change_points.find(series(generator, "normal", [15, 12, 15], [0.0, 0.1, 0.0], 0.01))] == [15, 27], "there and back"


def test_the_same_series_gives_the_same_answer():
    values = list(series(np.random.default_rng(SEED), "heavy tails", [20, 9], [0.0, 0.2], 0.02))
    once = change_points.find(values)
    assert once and change_points.find(values) == once
    assert change_points.find([1.0] * 30) == [] and change_points.find([1.0] * 5) == []
    assert change_points.find([1.0] * 12 + [2.0, 2.0]) == [], "two points are no level"


# --------------------------------------------------------------------------------------------------------------------- history


def test_a_comparison_is_a_point_of_its_head(monkeypatch):
    """In seconds, and of the commit that was measured, whatever was checked out meanwhile; ratios of a bisection are no levels."""
    from perf import history
    head = "a" * 40
    monkeypatch.setattr(history.host, "source_of", lambda commit: {"commit": commit, "time": "2026-01-02T00:00:00+00:00", "subject": "faster"})
    here = {"commit": "f" * 40, "time": "2026-01-01T00:00:00+00:00", "subject": "checked out", "dirty_files_that_matter": ["src/a.c"]}
    rows = [{"name": "a", "kind": "row", "unit": "s", "reproduce": "x", "blocks": [{"base": 2.0, "again": 2.0, "head": 3.0}] * 24}]
    document = session.new("compare", {"source": here, "system": {}})
    document.update(arms={"head": {"name": "HEAD", "commit": head, "dirty": False}}, facts={"differ": []}, plan={"exact_only": False})
    comparison.conclude(document, rows, verdict.Rules())
    bisection = session.new("bisect", {"source": here, "system": {}})
    bisection["rows"] = [session.row("a", "1", "x", value=1.1)]
    commits, _, joined = history.join([document, bisection])
    assert [(each["commit"], each["subject"]) for each in commits] == [(head[:12], "faster")]
    assert [(row["name"], row["unit"], row["points"][0]["value"]) for row in joined] == [("compare: a", "s", 3.0)]


def result(folder, i, value, **system):
    environment = {"source": {"commit": f"{i:012d}", "time": f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00+00:00", "subject": f"change {i}"},
                   "system": {"kernel": "6.1", "microcode": "0x1", "cpu_model": "X", **system}}
    document = session.new("bench", environment)
    document["started"] = f"2026-02-{1 + i // 24:02d}T{i % 24:02d}:00:00+00:00"
    document["rows"] = [session.row("job", "s", "true", value=value), session.row("rate", "GFLOP/s", "true", value=100 / value),
                        session.row("flat", "s", "true", value=1.0 + 0.001 * (i % 3))]
    session.write(document, folder / f"{i}.json")


def history(folder, *options):
    status = command.main(["history", str(folder), "--output", str(folder / "out" / "history.json"), *options])
    return status, json.loads((folder / "out" / "history.json").read_text())


def test_a_new_regression_ends_with_10(tmp_path, capsys):
    generator = np.random.default_rng(SEED)
    for i, value in enumerate(series(generator, "normal", [18, 5], [0.0, 0.08], 0.01)):
        result(tmp_path, i, float(value))
    status, document = history(tmp_path)
    assert status == 10
    new = {change["row"]: change for change in document["changes"] if change["new"]}
    assert set(new) == {"bench: job", "bench: rate"} and all(change["commit"] == f"{18:012d}" for change in new.values())
    assert new["bench: job"]["ratio"] == pytest.approx(1.083, abs=0.02) and new["bench: rate"]["verdict"] == "regressed"
    assert "NEW: bench: job regressed by +" in capsys.readouterr().out
    assert history(tmp_path, "--accept", f"{18:012d}")[0] == 0 and history(tmp_path, "--new", "2")[0] == 0, "known, or no longer new"
    assert history(tmp_path, "--threshold", "20")[1]["changes"] == []
    pytest.importorskip("matplotlib")
    assert (tmp_path / "out" / "history.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("changed", [{"kernel": "6.2"}, {"microcode": "0x2"}, {"cpu_model": "Y"}])
def test_another_machine_begins_a_new_series(tmp_path, changed):
    generator = np.random.default_rng(SEED)
    for i, value in enumerate(series(generator, "normal", [18, 12], [0.0, 0.2], 0.01)):
        result(tmp_path, i, float(value), **(changed if i >= 18 else {}))
    status, document = history(tmp_path)
    assert status == 0 and document["changes"] == [] and len(document["series"]) == 2
    assert {point["series"] for point in document["rows"][0]["points"]} == {0, 1}


# ---------------------------------------------------------------------------------------------------------------------- bisect

A, B = "forward/a/avx2/native/t:1", "forward/b/avx2/native/t:1"


@pytest.fixture
def commits(tmp_path, monkeypatch):
    """bisect(behaviours, ...) over a repository with a commit for each; None is one that does not build."""
    folder = tmp_path / "repository"
    folder.mkdir()
    do = functools.partial(perf_tools.git, folder)
    do("init", "-q")
    monkeypatch.setattr(git, "ROOT", folder)
    monkeypatch.setattr(blocks, "LIFE", 1000)
    monkeypatch.setattr(blocks, "MOST_PASSES", 4)
    rows = tmp_path / "rows.txt"
    rows.write_text(fake_bench.ROWS)

    def run(behaviours, *options, row=A):
        names = []
        for i, behaviour in enumerate(behaviours):
            do("commit", "-q", "--allow-empty", "-m", f"change {i}")
            names.append(do("rev-parse", "HEAD"))
            if behaviour is not None:
                fake_bench.make(tmp_path / names[-1], **behaviour)

        def build(snapshot, recipe, programs, say=None, cache=None):
            if behaviours[names.index(snapshot.commit)] is None:
                raise project.PerfError("the build failed: no rule for it")
            snapshot.programs = tmp_path / snapshot.commit / "bin"
            snapshot.layouts = [snapshot.programs]
            snapshot.inventory = {"code": {"bench_kernels": [behaviours[names.index(snapshot.commit)].get("code", snapshot.commit)]}}
            return snapshot

        monkeypatch.setattr(snapshots, "build", build)
        output = tmp_path / "bisect.json"
        status = command.main(["bisect", names[0], names[-1], "--row", row, "--row-file", str(rows), "--output", str(output), *options])
        return status, json.loads(output.read_text()) if output.exists() else None, names

    return run


SLOW = {"factors": {A: 1.12}}


def test_the_commit_is_found_and_a_broken_one_is_not_blamed(commits, capsys):
    status, document, names = commits([{}, {}, None, {}, {}, SLOW, SLOW, SLOW, SLOW])
    assert status == 0 and document["culprit"] == names[5] and document["last_good"] == names[4]
    assert document["rows"][0]["effort"]["head"]["involuntary_switches"] == 0 and "system" in document["environment"]
    assert document["confidence"] > 0.95 and document["step_ratio"] == pytest.approx(1.12, abs=0.02)
    assert all(step["p"] <= bisect.SURE for step in document["steps"] if step["verdict"] in ("good", "bad"))
    assert "changed by" in capsys.readouterr().out


def test_broken_commits_around_it_are_named(commits, capsys):
    status, document, names = commits([{}, {}, None, None, SLOW, SLOW])
    assert status == 0 and document["culprit"] is None
    assert (document["last_good"], document["first_bad"], set(document["skipped"])) == (names[1], names[4], {names[2], names[3]})
    assert "one of these 3 commits" in capsys.readouterr().out


def test_the_same_machine_code_needs_no_clock(commits):
    old, new = {"code": "old"}, {**SLOW, "code": "new"}
    status, document, names = commits([old, old, old, new, new])
    assert status == 0 and document["culprit"] == names[3] and [step["blocks"] for step in document["steps"]] == [0, 0]


def test_nothing_to_find(commits, capsys):
    assert commits([{}, {}, {"factors": {B: 1.5}}])[0] == 12
    assert "nothing to find" in capsys.readouterr().out


@pytest.mark.parametrize("row, says", [("forward", "2 rows match"), ("none", "0 rows match"), ("efficiency/", "ask for the one that changed")])
def test_usage(commits, capsys, row, says):
    assert commits([{}, SLOW], row=row)[0] == 2 and says in capsys.readouterr().err
