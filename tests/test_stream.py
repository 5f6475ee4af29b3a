"""What `rhm sample` writes against an independent computation of the documented law."""
import json

import h5py
import numpy as np
import pytest

import stream_law
from command_tools import run

INSTANCES = [
    ["--vocab", 16, "--rules", 4, "--levels", 4],
    ["--vocab", 16, "--rules", 4, "--levels", 8, "--seed", 3],
    ["--vocab", 4, "--rules", 2, "--levels", 3],  # a word each: four samples share a block
    ["--vocab", 6, "--rules", 4, "--branching", 3, "--levels", 5],
    ["--vocab", 16, "--rules", 3, "--levels", 7],
    ["--vocab", 9, "--rules", 5, "--branching", 4, "--levels", 3],
    ["--vocab", 32, "--rules", 8, "--levels", 6],
    ["--vocab", 20, "--rules", 1, "--levels", 9],  # nothing to choose but the label
    ["--vocab", 30, "--rules", 20, "--levels", 4],
    ["--vocab", "4,300,300", "--rules", "75,2"],
    ["--vocab", "5,7,16,9", "--rules", "3,4,5", "--branching", "2,3,2", "--rule-sampling", "uniform"],
    ["--vocab", "30,6,6", "--rules", "1,3", "--branching", "2,40", "--rule-sampling", "uniform"],
    ["--vocab", 16, "--rules", 4, "--levels", 5, "--rule-law", "zipf:1"],
    ["--vocab", 16, "--rules", 4, "--levels", 5, "--label-law", "zipf:1"],
    ["--vocab", 8, "--rules", 4, "--levels", 4, "--rule-law", "dirichlet:0.3", "--label-law", "zipf:2"],
    ["--vocab", 8, "--rules", 4, "--levels", 4, "--rule-law", "zipf:1,uniform,uniform,zipf:0.5", "--label-law", "zipf:1"],
    ["--vocab", 8, "--rules", 4, "--levels", 6, "--token-noise", 0.2, "--label-noise", 0.3, "--data-seed", 2**40 + 5],
]


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda options: " ".join(map(str, options)))
def test_samples_follow_the_documented_law(instance, tmp_path):
    run("sample", *instance, "--samples", 150, "--latents", "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as f:
        g, d = f["grammar"], f["data"]
        levels = int(g.attrs["levels"])
        assert d.attrs["stream_version"] == 2
        seed = int(d.attrs["seed"])
        rules, probability = ([g[f"{name}_{l}"][()] for l in range(1, levels + 1)] for name in ("rules", "probability"))
        symbols = stream_law.draw(rules, probability, g["label_probability"][()], seed, stream_law.EXPORT, 0, 150)
        labels, tokens = symbols[0][:, 0], symbols[-1]
        if "token_noise" in g.attrs:
            tokens, labels = stream_law.add_noise(tokens, labels, g.attrs["vocab"][-1], g.attrs["vocab"][0],
                                                  g.attrs["token_noise"], g.attrs["label_noise"], seed, stream_law.EXPORT, 0)
            assert (tokens != symbols[-1]).any() and (labels != symbols[0][:, 0]).any()
        assert np.array_equal(labels, d["labels"])
        for level in range(1, levels):
            assert np.array_equal(symbols[level], d[f"latents_{level}"]), level
        assert np.array_equal(tokens, d["tokens"])


def test_outputs_name_the_version(here, tmp_path):
    assert json.loads((here / "r.json").read_text())["stream_version"] == 2
    for command in (["eval", here / "m.h5"], ["oracle", "--grammar", here / "g.h5"]):
        run(*command, "--samples" if command[0] == "oracle" else "--test-samples", 50, "--report", "r.json", cwd=tmp_path)
        assert json.loads((tmp_path / "r.json").read_text())["stream_version"] == 2
    run("oracle", "--grammar", here / "g.h5", "--samples", 50, "-o", "o.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "o.h5") as f:
        assert f["oracle"].attrs["stream_version"] == 2
