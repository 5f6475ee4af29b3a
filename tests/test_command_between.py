"""The layerwise learner with ids between its levels: its levels against the regression in NumPy, in double precision, options, reports."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run
from test_command_one_step import cost_of, lloyd, normal
from test_command_table import predict

IDS = ["train", "--between", "ids", "--progress", "off"]
SHAPES = [["--vocab", "8", "--levels", "12"], ["--vocab", "6", "--branching", "3", "--levels", "5", "--rule-sampling", "uniform"],
          ["--vocab", "3,4,5,6", "--rules", "4,3,2", "--rule-sampling", "uniform", "--rule-law", "zipf:1"]]


def outputs(patches, inputs, x, y, width, bandwidth, ridge, seed, level, classes):
    """Normalised outputs of the patches after a ridge regression of the labels y on the features of the samples' patches x."""
    w = normal(seed, 1 << 16 | level, width * patches.shape[1] * inputs).reshape(width, -1) / bandwidth

    def features(of):
        phase = np.eye(inputs)[of].reshape(len(of), -1) @ w.T
        return np.hstack([np.cos(phase), np.sin(phase)]) / np.sqrt(width)

    phi = features(x)
    solution = np.linalg.solve(phi.T @ phi / len(x) + ridge * np.eye(2 * width), phi.T @ np.eye(classes)[y] / len(x))
    out = features(patches) @ solution
    return out / out.sum(1, keepdims=True)


@pytest.mark.parametrize("shape, classes, tokens, s", [(["--vocab", "5", "--levels", "3"], 5, 5, 2), (["--vocab", "3,5,6", "--branching", "3", "--rules", "3",
                                                                                                       "--rule-sampling", "uniform"], 3, 6, 3)])
def test_levels_are_regressions(tmp_path, shape, classes, tokens, s):
    run("sample", *shape, "--samples", "2000", "-o", "d.h5", cwd=tmp_path)
    run(*IDS, "--data", "d.h5", "--data-seed", "7", "--width", "64", "--bandwidth", "0.5", "-o", "m.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "m.h5") as m:
        x, y, inputs = d["data/tokens"][:1600].astype(int), d["data/labels"][:1600].astype(int), tokens
        for level in range(int(m["model"].attrs["levels"]), 0, -1):
            patches, ids = m[f"model/patches_{level}"][()].astype(int), m[f"model/ids_{level}"][()]
            k, blocks = int(m[f"model/ids_{level}"].attrs["positions"]), []
            for p in range(k):
                here = x[:, p * s:(p + 1) * s]
                out = outputs(patches, inputs, here, y, 64, 0.5, 0.001 / len(patches), 7, level, classes)
                absent = [not (here == patch).all(1).any() for patch in patches]
                out[absent] = np.bincount(y, minlength=classes) / len(y)
                blocks.append(out)
            out = np.hstack(blocks)
            if level == 1:
                positive = np.maximum(out, 0)
                assert np.abs(m["model/posteriors"][()] - positive / positive.sum(1, keepdims=True)).max() < 1e-4
                assert (ids == out.argmax(1)).all()
                break
            inputs = int(m[f"model/ids_{level}"].attrs["outputs"])
            best = min(cost_of(out, lloyd(out, inputs, np.random.default_rng(i))) for i in range(10))
            assert cost_of(out, ids) <= best * (1 + 1e-3)
            known = {tuple(p): i for p, i in zip(patches.tolist(), ids)}
            other = m[f"model/ids_{level}"].attrs["other"]
            x = np.array([[known.get(tuple(p), other) for p in row] for row in x.reshape(len(x), -1, s).tolist()])


@pytest.mark.parametrize("shape", SHAPES)
def test_hierarchies_are_learnt(tmp_path, shape):
    said = [run(*IDS, *shape, "--test-samples", "1000", "--threads", threads, "--isa", isa, "-o", f"m{threads}.h5", cwd=tmp_path).stdout
            for threads, isa in (("1", "scalar"), ("2", "auto"))]
    assert "test accuracy 1.0000" in said[0]
    assert len({text.split("model hash")[1].split()[0] for text in said}) == 1
    if shape[-1] == "12":
        return
    run("sample", *shape, "--data-seed", "5", "--samples", "50", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m1.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m1.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        assert np.array_equal(predict(m["model"], d["data/tokens"][()]), p["prediction/posteriors"][()])


def test_the_report_and_the_plan(tmp_path):
    run(*IDS, "--vocab", "8", "--levels", "4", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    plan = json.loads(run("plan", "--between", "ids", "--vocab", "8", "--levels", "4", "--json", cwd=tmp_path).stdout)
    for planned, level in zip(plan["practice"]["levels"], report["levels"]):
        assert planned["distinct_patches"] == level["distinct_patches"] == 32
        assert level["clusters"] == 8 and level["draw"] == "counts" and level["resolved"]
    assert report["learner"] == "layerwise" and report["test"]["accuracy"] >= 0.999


def test_the_width_has_a_limit(tmp_path):
    hashes = [run(*IDS, "--vocab", "4", "--levels", "2", "--samples", "500", *width, cwd=tmp_path).stdout.split("model hash")[1].split()[0]
              for width in (["--max-width", "16"], ["--width", "16"], [])]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("options, says", [
    (["--checkpoint", "c"], ["checkpoint", "ids between levels"]),
    (["--distinct", "off"], ["distinct", "ids between levels"]),
    (["--tolerance", "1e-3"], ["tolerance", "ids between levels"]),
    (["--max-seconds", "5"], ["max-seconds", "ids between levels"]),
    (["--learner", "table"], ["--between", "--learner table"]),
])
def test_what_has_no_effect_is_refused(tmp_path, options, says):
    refused(*IDS, "--levels", "2", *options, cwd=tmp_path, says=says)
