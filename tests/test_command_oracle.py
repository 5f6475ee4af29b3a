"""Exact inference against a belief propagation of a few lines."""
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from command_tools import foreign_grammar, refused, run, write_grammar

NOISY = ["--vocab", "5,4,6", "--rules", "3,2", "--branching", "3,2", "--rule-sampling", "uniform", "--seed", "3",
         "--rule-law", "zipf:1", "--label-law", "dirichlet:2"]


def up_and_down(grammar, tokens, noise, mask=None):
    """Marginals of every level, and the likelihood of each sequence."""
    L, V = int(grammar.attrs["levels"]), grammar.attrs["vocab"]
    evidence = np.full((len(tokens), tokens.shape[1], V[L]), noise / V[L])
    np.put_along_axis(evidence, tokens[:, :, None].astype(int), 1 - noise + noise / V[L], axis=2)
    if mask is not None:
        evidence[mask != 0] = 1
    rules = [grammar[f"rules_{l}"][:] for l in range(1, L + 1)]
    law = [grammar[f"probability_{l}"][:] for l in range(1, L + 1)]
    up = {L: evidence}
    for l in range(L, 0, -1):
        s = rules[l - 1].shape[2]
        child = up[l].reshape(len(tokens), -1, s, V[l])
        product = np.prod([child[:, :, t, rules[l - 1][:, :, t]] for t in range(s)], axis=0)
        up[l - 1] = (product * law[l - 1]).sum(-1)
    down = {0: np.broadcast_to(grammar["label_probability"][:], (len(tokens), 1, V[0]))}
    for l in range(1, L + 1):
        s = rules[l - 1].shape[2]
        child = up[l].reshape(len(tokens), -1, s, V[l])
        factors = [child[:, :, t, rules[l - 1][:, :, t]] for t in range(s)]
        message = np.zeros(child.shape)
        for t in range(s):
            others = np.prod([f for i, f in enumerate(factors) if i != t], axis=0)
            weight = down[l - 1][..., None] * law[l - 1] * others
            for nu, r in np.ndindex(rules[l - 1].shape[:2]):
                message[:, :, t, rules[l - 1][nu, r, t]] += weight[:, :, nu, r]
        down[l] = message.reshape(len(tokens), -1, V[l])
    marginals = {l: up[l] * down[l] for l in up}
    total = marginals[0].sum(-1)[:, 0]
    return {l: m / m.sum(-1, keepdims=True) for l, m in marginals.items()}, total


def test_fresh_sequences(tmp_path):
    done = run("oracle", *NOISY, "--token-noise", 0.15, "--label-noise", 0.1, "--mask", 0.2, "--samples", 3000, "-o", "o.h5",
               "--marginals", "--precision", "double", "--report", "r.json", cwd=tmp_path)
    assert "Bayes accuracy" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["instance"]["token_noise"] == 0.15 and report["instance"]["label_noise"] == 0.1
    with h5py.File(tmp_path / "o.h5") as f:
        o = f["oracle"]
        tokens, recorded, mask = o["tokens"][:], o["recorded"][:], o["mask"][:]
        marginals, total = up_and_down(f["grammar"], tokens, 0.15, mask)
        for l, expected in marginals.items():
            assert np.abs(o[f"marginals_{l}"][:] - expected).max() < 1e-6
        posteriors = 0.9 * marginals[0][:, 0] + 0.1 / 5
        assert np.abs(o["posteriors"][:] - posteriors).max() < 1e-6
        assert np.array_equal(o["labels"][:], o["posteriors"][:].argmax(1))
        assert np.abs(o["log_likelihood"][:] - np.log(total)).max() < 1e-9
        accuracy = (o["labels"][:] == recorded).mean()
        assert o.attrs["accuracy"] == pytest.approx(accuracy)
    bayes = report["bayes"]
    assert bayes["accuracy"] == pytest.approx(accuracy) and 0.17 < mask.mean() < 0.23
    low, high = bayes["accuracy_interval"]
    assert low < accuracy < high and abs(bayes["expected_accuracy"] - posteriors.max(1).mean()) < 1e-6
    assert bayes["cross_entropy"] == pytest.approx(-np.log(posteriors[np.arange(3000), recorded]).mean(), abs=1e-6)
    found = json.loads(run("inspect", "o.h5", "--json", cwd=tmp_path).stdout)
    assert found["kind"] == "oracle" and found["sequences"] == 3000 and found["marginals"]
    # neither threads nor precision change what is found, beyond rounding
    for more in (["--threads", 1], ["--isa", "scalar"]):
        run("oracle", *NOISY, "--token-noise", 0.15, "--label-noise", 0.1, "--mask", 0.2, "--samples", 3000, "-o", "p.h5",
            "--marginals", "--precision", "double", *more, cwd=tmp_path)
        with h5py.File(tmp_path / "o.h5") as f, h5py.File(tmp_path / "p.h5") as g:
            assert all(np.array_equal(f["oracle"][k][:], g["oracle"][k][:]) for k in f["oracle"])
        (tmp_path / "p.h5").unlink()


def test_data_of_others(tmp_path):
    rules, probability, label = foreign_grammar()
    write_grammar(tmp_path / "g.h5", rules, probability, label, vocab=[3, 4, 6], token_noise=0.05)
    run("sample", "--grammar", "g.h5", "--samples", 2000, "-o", "d.h5", cwd=tmp_path)
    out = run("oracle", "--data", "d.h5", "-o", "o.h5", "--json", "--precision", "double", cwd=tmp_path)
    bayes = json.loads(out.stdout)["bayes"]
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "o.h5") as o:
        tokens, labels = d["data/tokens"][:], d["data/labels"][:]
        marginals, _ = up_and_down(d["grammar"], tokens, 0.05)
        assert np.abs(o["oracle/posteriors"][:] - marginals[0][:, 0]).max() < 1e-6
        assert bayes["accuracy"] == pytest.approx((marginals[0][:, 0].argmax(1) == labels).mean())
        mask = np.zeros(tokens.shape, "u1")
        mask[::2, 1] = 1
    with h5py.File(tmp_path / "f.h5", "w") as f:
        f["data/tokens"], f["data/mask"] = tokens, mask
        f["data"].attrs["branching"] = 2
    run("oracle", "--data", "f.h5", "--grammar", "g.h5", "-o", "q.h5", "--precision", "double", cwd=tmp_path)
    with h5py.File(tmp_path / "g.h5") as g, h5py.File(tmp_path / "q.h5") as q:
        marginals, _ = up_and_down(g["grammar"], tokens, 0.05, mask)
        assert np.abs(q["oracle/posteriors"][:] - marginals[0][:, 0]).max() < 1e-6
    refused("oracle", "--data", "f.h5", cwd=tmp_path, says=["no grammar"])
    refused("oracle", "--marginals", cwd=tmp_path, says=["--marginals", "-o"])
    refused("oracle", "--data", "d.h5", "--samples", 2001, cwd=tmp_path, says=["2001", "2000"])
    refused("oracle", "--data", "d.h5", "--vocab", 3, "--levels", 2, cwd=tmp_path)
    refused("oracle", "--token-noise", 1.5, cwd=tmp_path, says=["--token-noise"])


def test_models_are_told_what_they_could_reach(tmp_path):
    noisy = ["--vocab", 6, "--rules", 3, "--levels", 2]
    run("train", *noisy, "--token-noise", 0.05, "--label-noise", 0.1, "--samples", "3e5,1e5", "--width", 512, "-o", "m.h5",
        "--report", "r.json", cwd=tmp_path)
    test = json.loads((tmp_path / "r.json").read_text())["test"]
    assert 0.8 < test["bayes_accuracy"] < 0.87 and test["bayes_accuracy"] - 0.02 < test["accuracy"]
    found = json.loads(run("eval", "m.h5", "--json", cwd=tmp_path).stdout)["test"]
    assert 0.8 < found["bayes_accuracy"] < 0.87
    assert "Bayes accuracy 0.8" in run("eval", "m.h5", cwd=tmp_path).stdout
    for draw in ("counts", "samples"):  # a table knows the law of noisy tokens and labels
        run("train", *noisy, "--token-noise", 0.05, "--label-noise", 0.1, "--learner", "table", "--samples", "1e6,1e6",
            "--draw", draw, "--report", "t.json", cwd=tmp_path)
        test = json.loads((tmp_path / "t.json").read_text())["test"]
        assert test["bayes_accuracy"] - 0.03 < test["accuracy"] < test["bayes_accuracy"] + 0.01, draw
    run("sample", *noisy, "--token-noise", 0.05, "--samples", 4000, "-o", "d.h5", cwd=tmp_path)
    found = json.loads(run("eval", "m.h5", "--data", "d.h5", "--json", cwd=tmp_path).stdout)["test"]
    assert 0.9 < found["bayes_accuracy"] < 0.96
    clean = run("eval", "m.h5", *noisy, "--json", cwd=tmp_path).stdout
    assert json.loads(clean)["test"]["bayes_accuracy"] == 1
    assert "Bayes" not in run("eval", "m.h5", *noisy, cwd=tmp_path).stdout
    refused("train", *noisy, "--token-noise", 0.05, "--draw", "counts", cwd=tmp_path, says=["noisy"], expect=2)


def test_ambiguous_grammars(tmp_path):
    for how in (["--rule-sampling", "independent"], ["--ambiguity", 0.3]):
        instance = ["--vocab", 6, "--rules", 3, "--levels", 2, "--seed", 4, *how]
        done = run("grammar", *instance, "-o", "g.h5", cwd=tmp_path)
        assert "no parse is unique" in done.stdout
        run("oracle", "--grammar", "g.h5", "--samples", 2000, "-o", "o.h5", "--precision", "double", cwd=tmp_path)
        with h5py.File(tmp_path / "o.h5") as f:
            marginals, _ = up_and_down(f["grammar"], f["oracle/tokens"][:], 0)
            assert np.abs(f["oracle/posteriors"][:] - marginals[0][:, 0]).max() < 1e-6
            assert 0.3 < f["oracle"].attrs["accuracy"] < 1
        report = json.loads(run("eval", *train(tmp_path, instance), "--json", cwd=tmp_path).stdout)
        assert report["test"]["bayes_accuracy"] < 1
        done = run("train", *instance, "--draw", "counts", cwd=tmp_path, expect=2)
        assert "ambiguous" in done.stderr.splitlines()[-1]


def test_the_peer_in_pytorch_agrees(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    peer = Path(__file__).resolve().parent.parent / "perf/peer/torch_bp.py"
    run("sample", *NOISY, "--token-noise", 0.1, "--samples", 500, "-o", "d.h5", cwd=tmp_path)
    run("oracle", "--data", "d.h5", "-o", "p.h5", cwd=tmp_path)
    for more in [], ["--double"]:
        done = subprocess.run([sys.executable, peer, "d.h5", "--posteriors", "p.h5", "--batch", "130", *more], cwd=tmp_path,
                              capture_output=True, text=True, check=True)
        said = json.loads(done.stdout.splitlines()[-1])
        assert said["sequences"] == 500 and said["worst_difference"] < 1e-5


def train(where, instance):
    run("train", *instance, "--samples", "20000,5000", "--width", 128, "-o", "m.h5", "--report", "t.json", cwd=where)
    levels = json.loads((where / "t.json").read_text())["levels"]
    assert all(level["unseen_mass"] is None and level["posterior_error"]["mean"] is None for level in levels)
    return ["m.h5"]
