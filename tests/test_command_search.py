"""The automatic search: it ends, at the same point everywhere, and says what it found and no more."""
import json

import h5py
import numpy as np
import pytest

from command_tools import run

# model_hash of instances that satisfy Assumption 6: what the search chooses there is not changed in passing.
HASHES = {
    "--vocab 8 --levels 3 --seed 1": "b17a9e255f4d774f0c0b51ffacf9473f4e8b98b0bc554ae9de2e29f0b0bc52d3",
    "--vocab 8 --levels 3 --seed 2": "f4001a45d3d92a7e54e127e3c5c9ac68e0ac3700670e3a356cdc307fd1c321fe",
    "--vocab 8 --levels 3 --seed 5": "c7092cfeb2d9cc3a706019d17cd586654a668fcf411f9164f4b0cc5bd671bbd7",
    "--vocab 8 --levels 4": "a2ac7f404f49ea069ba7020e8f7f63d1e73b6d3676f0f16b3f183d4ef4931a0c",
    "--vocab 12 --rules 3 --branching 3 --levels 3": "6d71c92a6ae3d1f81640960caf73f6f2666db1d93ce067c363056ec72437a6c9",
}

# Symbols with one posterior at the first position, symbols that never come first, and both at several levels.
OUTSIDE = ["--vocab 8 --levels 3 --seed 28",
           "--vocab 8 --rules 2 --levels 4 --rule-sampling uniform --seed 5",
           "--vocab 12 --rules 5 --levels 3 --rule-sampling uniform --seed 299992"]


GAIN = "held-out samples show no gain over the label frequencies"


def train(folder, *arguments, **more):
    done = run("train", *arguments, "--threads", 1, "--report", "r.json", cwd=folder, **more)
    return done, json.loads((folder / "r.json").read_text())


@pytest.mark.parametrize("instance", HASHES)
def test_choices_on_identifiable_instances_are_kept(tmp_path, instance):
    done = run("train", *instance.split(), "--test-samples", 1000, "--threads", 1, cwd=tmp_path)
    assert f"model hash  {HASHES[instance]}" in done.stdout
    assert "WARNING" not in done.stdout and "note" not in done.stdout


def test_identifiable_levels_are_resolved_with_little_of_what_is_allowed(tmp_path):
    _, report = train(tmp_path, *"--vocab 8 --levels 3 --seed 1".split())
    assert report["options"]["tuning"] >= 3  # the version of the constants that decided
    for level in report["levels"]:
        assert level["resolved"] and level["clusters"] == level["symbols"] == 8 and level["converged"]
        assert level["evidence"] > 10 and level["search"]["multiply_adds"] < level["search"]["allowed"] / 2


@pytest.mark.parametrize("instance", OUTSIDE)
def test_searches_outside_assumption_6_end(tmp_path, instance):
    done, report = train(tmp_path, *instance.split(), "--positions", 1)
    assert report["test"]["accuracy"] > 0.9
    fewer = [level for level in report["levels"] if level["clusters"] < level["symbols"]]
    assert fewer
    for level in fewer:
        said = f"the outputs form {level['clusters']} groups, where {level['symbols']} symbols were expected"
        assert said in level["limit"] and f"level {level['level']}: {said}" in done.stdout
        assert level["cluster_separation"] > 4 * level["cluster_radius"]
    for level in report["levels"]:
        assert level["search"]["allowed"] == max(2**35, 12 * level["search"]["foreseen"])
        assert level["search"]["multiply_adds"] <= level["search"]["allowed"]


def test_the_plan_knows_where_a_search_ends(tmp_path):
    arguments = "--vocab 8 --levels 3 --seed 28 --positions 1".split()
    _, report = train(tmp_path, *arguments)
    plan = json.loads(run("plan", *arguments, "--json", cwd=tmp_path).stdout)
    for planned, level in zip(plan["practice"]["levels"], report["levels"]):
        assert planned["at_most"]["seconds"] > 0 and planned["at_most"]["searches"] == planned["at_most"]["positions"] == 1
        assert level["search"]["multiply_adds"] <= level["search"]["allowed"] <= planned["at_most"]["multiply_adds"]
    said = run("plan", *arguments, cwd=tmp_path).stdout
    assert "at most" in said and "searches of a level, at most, level L first: 1 1 1\n" in said


def write(path, tokens, labels):
    with h5py.File(path, "w") as f:
        f["data/tokens"] = tokens.astype(np.uint8)
        f["data/labels"] = labels.astype(np.uint8)


def test_labels_that_do_not_depend_on_the_tokens(tmp_path):
    random = np.random.default_rng(20260119)
    write(tmp_path / "d.h5", random.integers(0, 4, (4000, 8)), random.integers(0, 3, 4000))
    done, report = train(tmp_path, "--data", "d.h5", "--branching", 2, "--max-width", 1024)
    for level in report["levels"]:
        assert not level["resolved"] and level["evidence"] < 3
        assert level["limit"] == GAIN + ": the data have no more samples for this level"
        assert f"WARNING: level {level['level']} is not resolved" in done.stdout


def test_where_nothing_is_to_be_told_apart_nothing_is_missed(tmp_path):
    random = np.random.default_rng(20260119)
    write(tmp_path / "class.h5", random.integers(0, 8, (5000, 8)), np.zeros(5000))
    write(tmp_path / "token.h5", np.zeros((5000, 4)), random.integers(0, 4, 5000))
    done, report = train(tmp_path, "--data", "class.h5", "--branching", 2)
    assert "WARNING" not in done.stdout and report["test"]["accuracy"] == 1
    done, report = train(tmp_path, "--vocab", 1, "--rules", 1, "--levels", 3)
    assert "WARNING" not in done.stdout and "note" not in done.stdout
    assert all(level["resolved"] for level in report["levels"])
    done, report = train(tmp_path, "--data", "token.h5", "--branching", 2)
    assert [level["resolved"] for level in report["levels"]] == [True, False]  # one symbol; four labels
    assert "level 1 is not resolved" in done.stdout


def test_level_1_can_be_unresolved(tmp_path):
    done, report = train(tmp_path, "--vocab", 8, "--levels", 2, "--bandwidth", "0.35,1e6", "--width", 256)
    assert [level["resolved"] for level in report["levels"]] == [True, False]
    assert f"WARNING: level 1 is not resolved: {GAIN}" in done.stdout
    assert report["test"]["accuracy"] < 0.2


def test_reasons_name_what_was_tried(tmp_path):
    write(tmp_path / "token.h5", np.zeros((5000, 4)), np.arange(5000) % 4)
    done, _ = train(tmp_path, "--vocab", 8, "--rules", 8, "--levels", 3, "--samples", 300, "--max-width", 256)
    assert "the number of samples is fixed" in done.stdout and "more samples" not in done.stdout
    done, _ = train(tmp_path, "--data", "token.h5", "--branching", 2, "--slices", "disjoint")
    assert "more width stopped helping" in done.stdout and "more samples" not in done.stdout
    _, report = train(tmp_path, "--vocab", 8, "--levels", 3, "--seed", 28, "--width", 256, "--positions", 1)
    assert report["levels"][1]["limit"].endswith("symbols were expected: more samples stopped helping")


def test_a_tolerance_that_is_not_reached_is_said(tmp_path):
    arguments = ["--vocab", 8, "--levels", 2, "--samples", 4000, "--width", 64, "--bandwidth", 0.35, "--ridge", 0.001]
    done, report = train(tmp_path, *arguments, "--tolerance", 1e-12)
    for level in report["levels"]:
        assert not level["converged"] and level["residual"] > 1e-12
        assert f"level {level['level']}: the solver ended at a residual of" in done.stdout
    done, report = train(tmp_path, *arguments)
    assert "residual of" not in done.stdout and all(level["converged"] for level in report["levels"])
