"""rhm sweep --find-threshold from outside: what it finds is what trainings of these sizes do, also after a kill."""
import csv
import json
import math
import subprocess

import pytest

from command_tools import RHM, refused, run

GRID = "vocab=8; learner=table; positions=1; levels=2..3; test-samples=300"
SEARCH = ["--find-threshold", "samples", "--least", 32, "--greatest", 65536]


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thresholds")
    run("sweep", "--grid", GRID, *SEARCH, "-o", "s", cwd=folder)
    return folder / "s"


def test_curves_are_counted_from_trainings(found):
    trials = table(found / "table.csv")
    assert {int(row["data-seed"]) for row in trials} >= {1, 6}
    for point in table(found / "curves.csv"):
        own = [row for row in trials if row["levels"] == point["levels"] and row["samples"] == str(round(float(point["size"])))]
        assert len(own) == int(point["trials"])
        assert sum(float(row["error_of_chance"]) <= 0.1 for row in own) == int(point["passed"])
        assert math.log2(float(point["size"])) * 4 == pytest.approx(round(math.log2(float(point["size"])) * 4))


def test_thresholds_lie_where_the_curves_cross(found):
    for row in table(found / "thresholds.csv"):
        curve = [(float(p["size"]), int(p["passed"]) / int(p["trials"])) for p in table(found / "curves.csv") if p["levels"] == row["levels"]]
        assert row["state"] == "found" and float(row["low"]) <= float(row["threshold"]) <= float(row["high"])
        assert max(size for size, share in curve if share == 0) < float(row["threshold"]) < min(size for size, share in curve if share == 1)
        depth = int(row["levels"])
        assert (int(row["depth"]), float(row["V_mL"]), float(row["nc_mL"])) == (depth, 8 * 4 ** depth, 8 * 4 ** depth)


def test_a_killed_search_goes_on_to_the_same_end(found, tmp_path):
    command = [RHM, "sweep", "--grid", GRID, *map(str, SEARCH), "-o", "s"]
    for seconds in (0.5, 0.9):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    run(*command[1:], cwd=tmp_path)
    for name in ("thresholds.csv", "curves.csv", "table.csv", "table.h5"):
        assert (tmp_path / "s" / name).read_bytes() == (found / name).read_bytes(), name
    keys = [json.dumps(json.loads(line)["cell"], sort_keys=True) for line in (tmp_path / "s" / "cells.jsonl").read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(table(found / "table.csv"))


def test_censored_searches_say_so(found, tmp_path):
    run("sweep", "--grid", GRID, "--find-threshold", "samples", "--least", 32, "--greatest", 64, "--trials", 1, "-o", "s", cwd=tmp_path)
    for row in table(tmp_path / "s" / "thresholds.csv"):
        assert row["state"] == "above" and row["threshold"] == row["high"] == ""
    run("sweep", "--grid", "vocab=8; learner=table; levels=2; test-samples=300", "--find-threshold", "c", "--least", 1024, "--greatest", 2048, "-o", "c",
        cwd=tmp_path)
    row = table(tmp_path / "c" / "thresholds.csv")[0]
    assert row["state"] == "below" and float(row["high"]) == 1024
    # c V m^l, level L first.
    assert {r["samples"] for r in table(tmp_path / "c" / "table.csv")} == {"131072,32768"}


def test_a_failed_training_ends_its_search_alone(tmp_path):
    """The sequences of the learner latent are the same for all levels; c V m^l are not."""
    done = run("sweep", "--grid", "learner=latent,table; vocab=8; levels=2; test-samples=100", "--trials", 1, "--find-threshold", "c", "-o", "s",
               cwd=tmp_path, expect=1)
    rows = table(tmp_path / "s" / "thresholds.csv")
    assert [row["state"] for row in rows] == ["failed", "found"]
    assert "so give one number" in rows[0]["reason"] and rows[0]["reason"] in done.stderr


@pytest.mark.parametrize("grid, options, says", [
    ("samples=100", [], "samples cannot be an axis of the grid with --find-threshold samples"),
    ("data-seed=1,2", [], "data-seed cannot be an axis"),
    ("seed=1", ["--least", 100, "--greatest", 50], "leave no size to try"),
    ("seed=1", ["--error", 2], "--error '2' is refused (too large)"),
    ("data=d.h5", [], "d.h5"),
])
def test_refusals(tmp_path, grid, options, says):
    before = refused("sweep", "--grid", grid, "--find-threshold", "samples", *options, "-o", "nowhere/s", cwd=tmp_path, says=[says])
    assert before
    refused("sweep", "--grid", "seed=1", "--trials", 3, "-o", "s", cwd=tmp_path, says=["--trials 3 has no effect without --find-threshold"])
