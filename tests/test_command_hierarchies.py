"""Hierarchies that are not the same at every level, through every command."""
import json
import re

import h5py
import numpy as np

from command_tools import parse, refused, rules_of, run

MIXED = ["--vocab", "6", "--rules", "3", "--branching", "2,3", "--seed", "2"]


def numpy_posteriors(path, tokens):
    """The reader in the README."""
    with h5py.File(path) as f:
        model = f["model"]
        h = np.eye(int(model.attrs["token_vocab"]))[tokens]
        for l in range(int(model.attrs["levels"]), 0, -1):
            w, W = model[f"frequencies_{l}"][:], model[f"weights_{l}"][:]
            z = h.reshape(len(h), -1, w.shape[1]) @ w.T.astype(float)
            y = np.concatenate([np.cos(z), np.sin(z)], -1) / np.sqrt(len(w)) @ W.T
            h = y / y.sum(-1, keepdims=True)
    return h[:, 0]


def test_branching_by_level(tmp_path):
    run("grammar", *MIXED, "-o", "g.h5", cwd=tmp_path)
    run("sample", "--grammar", "g.h5", "--samples", 20000, "--latents", "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as f:
        assert f["data"].attrs["branching"].tolist() == f["grammar"].attrs["branching"].tolist() == [2, 3]
        tokens, labels, latents = f["data/tokens"][:], f["data/labels"][:], f["data/latents_1"][:]
    assert tokens.shape == (20000, 6) and latents.shape == (20000, 2)
    parsed = parse(tokens, rules_of(tmp_path / "g.h5")[0])
    assert np.array_equal(parsed[0], latents) and np.array_equal(parsed[1][:, 0], labels)

    run("train", *MIXED, "-o", "m.h5", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["instance"]["branching"] == [2, 3] and report["test"]["accuracy"] > 0.99
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "p.h5") as f:
        assert np.abs(f["prediction/posteriors"][:1000] - numpy_posteriors(tmp_path / "m.h5", tokens[:1000])).max() < 1e-3
        assert (f["prediction/labels"][:] == labels).mean() > 0.99
    for given in ([], ["--data", "d.h5"], MIXED):
        assert "accuracy 1.0" in run("eval", "m.h5", *given, cwd=tmp_path).stdout
    assert json.loads(run("plan", *MIXED, "--json", cwd=tmp_path).stdout)["instance"]["branching"] == [2, 3]
    assert "s = 2,3, L = 2 (6 tokens" in run("inspect", "d.h5", cwd=tmp_path).stdout
    refused("eval", "m.h5", *MIXED[:4], "--branching", "3,2", cwd=tmp_path, says=["agree"])


def test_branching_of_foreign_data(tmp_path):
    run("sample", *MIXED, "--samples", 20000, "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as theirs, h5py.File(tmp_path / "f.h5", "w") as f:
        f["data/tokens"], f["data/labels"] = theirs["data/tokens"][:].astype("i8"), theirs["data/labels"][:]
    refused("inspect", "f.h5", "--levels", "2", cwd=tmp_path)
    refused("train", "--data", "f.h5", "--branching", "2,2", cwd=tmp_path, says=["2,2", "6 tokens"])
    refused("train", "--data", "f.h5", "--branching", "2,3", "--levels", "3", cwd=tmp_path, says=["2,3", "3 levels"])
    found = json.loads(run("inspect", "f.h5", "--branching", "2,3", "--json", cwd=tmp_path).stdout)
    assert (found["branching"], found["levels"]) == ([2, 3], 2)
    run("train", "--data", "f.h5", "--branching", "2,3", "-o", "m.h5", cwd=tmp_path)
    assert "accuracy 1.0" in run("eval", "m.h5", *MIXED, cwd=tmp_path).stdout


def test_lists_must_fit(tmp_path):
    refused("grammar", "--branching", "2,3", "--levels", "3", "-o", "g.h5", cwd=tmp_path,
            says=["--branching 2,3", "3 levels"])
    refused("grammar", "--branching", "2,3", "--rules", "4,4,4", "-o", "g.h5", cwd=tmp_path, says=["--branching 2,3"])
    refused("grammar", "--branching", "64,64,64,64,64,63", "-o", "g.h5", cwd=tmp_path, says=["2^32"])


def test_laws(tmp_path):
    run("grammar", "--vocab", 8, "--levels", 2, "--rule-law", "zipf:1,dirichlet:2", "--label-law", "zipf:0.5", "-o", "g.h5",
        cwd=tmp_path)
    _, probability = rules_of(tmp_path / "g.h5")
    weights = 1 / np.arange(1, 5)
    assert np.allclose(np.sort(probability[0])[:, ::-1], weights / weights.sum(), rtol=1e-14)
    assert probability[1].min() > 0 and len(np.unique(probability[1])) == 32
    with h5py.File(tmp_path / "g.h5") as f:
        assert f["grammar"].attrs["rule_law"] == "zipf:1,dirichlet:2" and f["grammar"].attrs["label_law"] == "zipf:0.5"
        label = f["grammar/label_probability"][:]
    weights = np.arange(1, 9) ** -0.5
    assert np.allclose(np.sort(label)[::-1], weights / weights.sum(), rtol=1e-14)

    run("sample", "--grammar", "g.h5", "--samples", 100000, "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as f:
        seen = np.bincount(f["data/labels"][:], minlength=8) / 1e5
    assert np.abs(seen - label).max() < 5 * np.sqrt(0.25 / 1e5)
    run("train", "--grammar", "g.h5", "--samples", "300,100", "--width", "64", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["instance"]["rule_law"] == ["zipf:1", "dirichlet:2"] and report["instance"]["label_law"] == "zipf:0.5"
    assert all(0 <= level["unseen_mass"] < 0.5 for level in report["levels"])
    for option in (["--rule-law", "zipf"], ["--rule-law", "zipf:1,zipf:1"], ["--label-law", "dirichlet:0"],
                   ["--label-law", "uniform,uniform"]):
        refused("train", *option, cwd=tmp_path, says=[option[0]])
    refused("train", "--grammar", "g.h5", "--rule-law", "zipf:1", cwd=tmp_path, says=["--rule-law", "--grammar"])
    refused("train", "--data", "d.h5", "--label-law", "zipf:1", cwd=tmp_path, says=["--label-law", "--data"])


def test_positions_stand_under_their_heads(tmp_path):
    lines = run("grammar", "--vocab", 8, "--rules", 4, "--levels", 4, cwd=tmp_path).stdout.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("level   positions:"))
    ends = [word.end() for word in re.finditer(r"first|\d+|worst|best|nowhere", lines[head])]
    assert len(ends) == 8
    for row in lines[head + 1:head + 4]:
        assert [word.end() for word in re.finditer(r"\S+", row)][1:] == ends, (lines[head], row)


def test_positions_of_many_symbols_are_left_out(tmp_path):
    assert "rho of several positions is left out" in run("grammar", "--vocab", 1400, "--rules", 2, "--levels", 2, cwd=tmp_path).stdout
