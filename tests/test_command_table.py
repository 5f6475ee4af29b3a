"""The table learner from outside: options, report, plan, files, and a reader of its models in ten lines of NumPy."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run

TABLE = ["train", "--learner", "table", "--vocab", "8", "--test-samples", "1000", "--progress", "off"]


def predict(model, tokens):
    """As the README has it: ids for patches, level by level, and at the top a posterior."""
    x = tokens.astype(int)
    for level in range(int(model.attrs["levels"]), 0, -1):
        patches, ids = model[f"patches_{level}"][()], model[f"ids_{level}"][()]
        known = {tuple(patch): row for row, patch in enumerate(patches.tolist())}
        rows = np.array([[known.get(tuple(p), -1) for p in line] for line in x.reshape(len(x), -1, patches.shape[1]).tolist()])
        x = np.append(ids, model[f"ids_{level}"].attrs["other"])[rows]
    return np.vstack([model["posteriors"][()], model["prior"][()]])[rows[:, 0]]


def trained(cwd, *arguments):
    run(*TABLE, *arguments, "--report", "r.json", "-o", "m.h5", cwd=cwd)
    return json.loads((cwd / "r.json").read_text())


@pytest.mark.parametrize("shape", [["--levels", "4"], ["--branching", "3,2,2", "--rules", "4"], ["--levels", "3", "--rules", "8"]])
def test_a_model_is_read_in_ten_lines(tmp_path, shape):
    trained(tmp_path, *shape)
    run("sample", "--vocab", "8", *shape, "--data-seed", "5", "--samples", "300", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        assert m["model"].attrs["kind"] in (b"table", "table")
        posterior = predict(m["model"], d["data/tokens"][()])
        assert np.array_equal(posterior, p["prediction/posteriors"][()])
        assert np.array_equal(posterior.argmax(1), p["prediction/labels"][()])


def test_deep_hierarchies_are_learnt(tmp_path):
    report = trained(tmp_path, "--levels", "12", "--ceilings", "on")
    assert report["learner"] == "table" and report["shown_latents"] is False and report["test"]["accuracy"] >= 0.999
    assert len(report["positions"]) == 12 and all(k >= 1 for k in report["positions"])
    for level in report["levels"]:
        assert level["width"] is None and level["solver"] is None and level["ridge"] is None
        assert level["draw"] == "counts" and level["distinct_patches"] == 32
        assert level["clusters"] == level["symbols"] == 8
    assert 0 < report["predicted"]["actual_over_predicted_seconds"] < float("inf")
    said = run("eval", "m.h5", cwd=tmp_path).stdout
    assert "accuracy 1.0000" in said
    shown = json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)
    assert shown["model_kind"] == "table" and shown["levels"][0]["patches"] == 32
    assert "table" in run("inspect", "m.h5", cwd=tmp_path).stdout


def test_data_of_others_are_learnt(tmp_path):
    run("sample", "--vocab", "8", "--levels", "3", "--rule-sampling", "uniform", "--samples", "60000", "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "bare.h5", "w") as bare:
        bare["tokens"], bare["labels"] = d["data/tokens"][()], d["data/labels"][()]
    run("train", "--learner", "table", "--data", "bare.h5", "--branching", "2", "--report", "r.json", "--progress", "off", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] >= 0.99
    assert report["levels"][0]["draw"] == "samples"
    refused("train", "--learner", "table", "--data", "bare.h5", "--branching", "2", "--samples", "59999", cwd=tmp_path, says=["59999 samples", "50000"])
    for limit in ("--samples", "--max-samples"):
        run("train", "--learner", "table", "--data", "bare.h5", "--branching", "2", limit, "700", "--report", f"{limit[2:]}.json", "--progress", "off", cwd=tmp_path)
    few, at_most = (json.loads((tmp_path / f"{limit[2:]}.json").read_text()) for limit in ("--samples", "--max-samples"))
    assert {level["samples"] for level in at_most["levels"]} == {700} and few["model_hash"] == at_most["model_hash"]


def test_positions_are_taken(tmp_path):
    assert trained(tmp_path, "--levels", "4", "--positions", "3")["positions"] == [3, 3, 2, 1]
    assert trained(tmp_path, "--levels", "4", "--positions", "2,4,auto,1")["positions"][:2] == [2, 4]


@pytest.mark.parametrize("option", [["--width", "64"], ["--solver", "gd"], ["--ridge", "paper"], ["--bandwidth", "1"],
                                    ["--distinct", "off"], ["--tolerance", "1e-3"], ["--checkpoint", "c"], ["--backend", "auto"],
                                    ["--max-seconds", "3"], ["--max-width", "9"]])
def test_options_of_others_are_refused(tmp_path, option):
    refused(*TABLE, "--levels", "3", *option, cwd=tmp_path, says=[option[0], "--learner table"])


def test_the_plan_comes_before(tmp_path):
    plan = json.loads(run("plan", "--learner", "table", "--vocab", "8", "--levels", "10", "--json", cwd=tmp_path).stdout)
    assert plan["learner"] == "table" and len(plan["practice"]["levels"]) == 10
    report = trained(tmp_path, "--levels", "10")
    for planned, done in zip(plan["practice"]["levels"], report["levels"]):
        assert planned["samples"] == done["samples"] and planned["distinct_patches"] == done["distinct_patches"]
        assert planned["positions"] / 2 <= done["positions"] <= planned["positions"] * 2
        assert planned["width"] is None
    assert "positions" in run("plan", "--learner", "table", "--levels", "5", cwd=tmp_path).stdout


@pytest.mark.parametrize("learner", ["table", "one-step", "latent", "layerwise"])
def test_data_that_leave_nothing_for_the_test_are_refused(tmp_path, learner):
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["tokens"] = np.arange(16).reshape(4, 4) % 3
        f["labels"] = np.arange(4) % 2
    refused("train", "--learner", learner, "--data", "d.h5", "--branching", 2, cwd=tmp_path, says=["4 sequences", "at least 5"])


def test_a_plan_that_knows_no_time_says_so(tmp_path):
    """Of more patches than have a law, as noise makes of many tokens, drawing cannot be timed."""
    for ranks in ([], ["--ranks", 2]):
        said = run("plan", "--learner", "table", "--vocab", "7,8,256", "--rules", "3", "--rule-sampling", "uniform", "--token-noise", "0.1", *ranks, cwd=tmp_path).stdout
        assert "for an unknown time" in said and "nan" not in said
