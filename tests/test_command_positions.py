"""Several positions per level from outside: rules that first patches cannot tell apart, files, reports, plans, data of others."""
import json

import h5py
import numpy as np

from command_tools import refused, run
from test_command import numpy_posteriors

UNIFORM = ["--vocab", "8", "--rules", "2", "--levels", "3", "--rule-sampling", "uniform", "--seed", "1"]


def test_what_first_patches_cannot_tell_apart_is_learnt(tmp_path):
    run("train", *UNIFORM, "--report", "r.json", "-o", "m.h5", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["instance"]["assumption_6"] is False
    assert report["test"]["accuracy"] >= 0.999
    assert report["positions"] == [level["positions"] for level in report["levels"]]
    assert max(report["positions"]) > 1 and report["positions"][-1] == 1
    assert all(level["resolved"] and level["clusters"] == 8 for level in report["levels"])
    run("sample", *UNIFORM, "--samples", "500", "--data-seed", "9", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        for level, positions in zip((3, 2, 1), report["positions"]):
            weights = m[f"model/weights_{level}"]
            assert int(weights.attrs["positions"]) == positions and weights.shape[0] == 8 * positions
        mine = numpy_posteriors(tmp_path / "m.h5", d["data/tokens"][()])
        assert np.abs(mine - p["prediction/posteriors"][()]).max() < 1e-3
    shown = json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)
    assert [level["positions"] for level in shown["levels"]] == report["positions"]
    said = json.loads(run("plan", *UNIFORM, "--json", cwd=tmp_path).stdout)
    assert [level["positions"] for level in said["practice"]["levels"]] == report["positions"]
    for planned, level in zip(said["practice"]["levels"], report["levels"]):  # of all numbers of positions together
        most = planned["at_most"]
        assert level["search"]["multiply_adds"] <= level["search"]["allowed"] <= most["multiply_adds"]
        assert most["searches"] * 2**35 <= planned["budget"]["multiply_adds"] <= most["multiply_adds"]
        assert most["positions"] == 2 ** (level["level"] - 1) == 2 ** (most["searches"] - 1) >= level["positions"]


def test_one_position_is_the_paper_s(tmp_path):
    one = run("train", *UNIFORM, "--positions", "1", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["positions"] == [1, 1, 1] and not all(level["clusters"] == 8 for level in report["levels"])
    assert "first 2 patches" not in one.stdout + one.stderr
    for wrong in ("0", "2,2", "-1", "some"):
        refused("train", "--levels", "3", "--positions", wrong, cwd=tmp_path, says=["positions"])


def test_data_of_others_are_learnt(tmp_path):
    """As public generators write them: int64, tokens from 1 on, no grammar."""
    run("sample", *UNIFORM, "--samples", "60000", "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "bare.h5", "w") as bare:
        bare["tokens"], bare["labels"] = d["data/tokens"][()].astype(np.int64) + 1, d["data/labels"][()].astype(np.int64)
    run("train", "--data", "bare.h5", "--branching", "2", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert max(report["positions"]) > 1 and report["test"]["accuracy"] >= 0.999
