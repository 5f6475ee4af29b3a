"""The learner that is shown the hidden symbols: its models against counts in NumPy, on files of ours and of others."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run
from test_command_table import predict

TENSOR = ["train", "--learner", "tensor", "--progress", "off"]
UNEVEN = ["--vocab", "3,4,5,6", "--rules", "4,3,2", "--rule-sampling", "uniform", "--rule-law", "zipf:1"]
SHAPES = [["--vocab", "8", "--levels", "4"], ["--vocab", "5", "--branching", "3", "--levels", "2"], UNEVEN]


def data_of(cwd, *options):
    run("sample", *options, "-o", "d.h5", cwd=cwd)
    with h5py.File(cwd / "d.h5") as d:
        return {name: values[()] for name, values in d["data"].items()}


@pytest.mark.parametrize("positions", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_ids_are_the_most_frequent_parents(tmp_path, shape, positions):
    data = data_of(tmp_path, *shape, "--samples", "2000", "--latents")
    with h5py.File(tmp_path / "bare.h5", "w") as bare:
        bare.update(data)
    levels = 1 + sum(name.startswith("latents") for name in data)
    symbols = [data["labels"][:, None], *(data[f"latents_{l}"] for l in range(1, levels)), data["tokens"]]
    branching = str(symbols[1].shape[1])
    run(*TENSOR, "--data", "bare.h5", "--branching", branching, "--positions", str(positions), "-o", "m.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m:
        for level in range(1, levels + 1):
            above, below = symbols[level - 1][:1600], symbols[level][:1600]
            k = min(positions, above.shape[1])
            counts = {}
            for patch, parent in zip(below[:, :k * int(branching)].reshape(-1, int(branching)).tolist(), above[:, :k].ravel()):
                counts.setdefault(tuple(patch), np.zeros(above.max() + 1))[parent] += 1
            assert list(map(tuple, m[f"model/patches_{level}"][()].tolist())) == sorted(counts)
            assert m[f"model/ids_{level}"][()].tolist() == [counts[p].argmax() for p in sorted(counts)]
            if level == 1:
                rows = np.array([counts[p] / counts[p].sum() for p in sorted(counts)])
                assert np.abs(m["model/posteriors"][()][:, :rows.shape[1]] - rows).max() < 1e-6


@pytest.mark.parametrize("draw", ["counts", "samples"])
@pytest.mark.parametrize("shape", SHAPES)
def test_hierarchies_are_learnt(tmp_path, shape, draw):
    said = [run(*TENSOR, *shape, "--samples", "3000", "--positions", "4", "--draw", draw, "--threads", threads, "--isa", isa, "--test-samples",
                "2000", "-o", f"m{threads}.h5", cwd=tmp_path).stdout for threads, isa in (("1", "scalar"), ("3", "auto"))]
    assert "test accuracy 1.0000" in said[0] and "shown the hidden symbols" in said[0]
    assert len({text.split("model hash")[1].split()[0] for text in said}) == 1
    tokens = data_of(tmp_path, *shape, "--samples", "50", "--data-seed", "4")["tokens"]
    run("predict", "m1.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m1.h5") as m, h5py.File(tmp_path / "p.h5") as p:
        assert np.array_equal(predict(m["model"], tokens), p["prediction/posteriors"][()])


def test_the_report_says_that_it_was_shown(tmp_path):
    run(*TENSOR, "--levels", "2", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["shown_latents"] is True and report["learner"] == "tensor" and report["positions"] == [1, 1]


def test_a_few_samples_are_enough(tmp_path):
    """Every patch has to be seen, no more: some |P| log |P| samples at every level, whatever the depth."""
    said = run(*TENSOR, "--vocab", "8", "--levels", "10", "--samples", "400", "--positions", "4", "--test-samples", "500", cwd=tmp_path).stdout
    assert "test accuracy 1.0000" in said


def test_what_is_not_shown_is_refused(tmp_path):
    data = data_of(tmp_path, "--vocab", "8", "--levels", "3", "--samples", "200")
    refused(*TENSOR, "--data", "d.h5", cwd=tmp_path, says=["latents_1 is missing"])
    with h5py.File(tmp_path / "short.h5", "w") as f:
        f.update(data)
        f["latents_1"], f["latents_2"] = np.zeros((200, 2), int), np.zeros((200, 3), int)
    refused(*TENSOR, "--data", "short.h5", "--branching", "2", cwd=tmp_path, says=["latents_2", "200 x 4"])
    with h5py.File(tmp_path / "large.h5", "w") as f:
        f.update(data)
        f["latents_1"], f["latents_2"] = np.full((200, 2), 9), np.zeros((200, 4), int)
    refused(*TENSOR, "--data", "large.h5", "--branching", "2", "--parents", "8", cwd=tmp_path, says=["hidden symbol of level 1 is 9", "8"])
    refused(*TENSOR, "--width", "64", cwd=tmp_path, says=["--width", "tensor"])
