"""Latent clustering from outside: the same ids as a NumPy re-computation on the same sequences, report, plan, refusals."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run

LATENT = ["train", "--learner", "latent", "--test-samples", "1000", "--progress", "off"]


def k_means(x, weight, k, rng):
    best = None
    for _ in range(10):
        centre = [x[rng.choice(len(x), p=weight / weight.sum())]]
        for _ in range(k - 1):
            d = np.min([((x - c) ** 2).sum(1) for c in centre], 0) * weight
            centre.append(x[rng.choice(len(x), p=d / d.sum())])
        centre = np.array(centre)
        for _ in range(50):
            own = ((x[:, None] - centre) ** 2).sum(2).argmin(1)
            centre = np.array([np.average(x[own == j], 0, weight[own == j]) if (own == j).any() else centre[j] for j in range(k)])
        cost = (weight * ((x[:, None] - centre) ** 2).sum(2).min(1)).sum()
        if best is None or cost < best[0]:
            best = cost, own
    return best[1]


def iterative_clustering(tokens, vocab, s, levels, rng):
    """arXiv 2605.27734: ids of all positions, level by level; siblings are pooled, in the metric of chi-square."""
    x, found = tokens.astype(int), []
    for level in range(levels, 1, -1):
        base = x.max() + 1
        patch = x.reshape(len(x), -1, s) @ base ** np.arange(s)[::-1]
        sibling = patch.reshape(-1, s)
        count = np.zeros((base**s, base**s))
        for i in range(s):
            for j in range(s):
                if i != j:
                    np.add.at(count, (sibling[:, i], sibling[:, j]), 1)
        seen = np.flatnonzero(count.sum(1))
        weight = count[seen].sum(1)
        row = count[seen] / weight[:, None] / np.sqrt(np.maximum(count.sum(0) / count.sum(), 1e-12))
        u, sv, _ = np.linalg.svd(row * np.sqrt(weight)[:, None], full_matrices=False)
        k = vocab[level - 1]
        table = np.zeros(base**s, int)
        table[seen] = k_means(u[:, :k] * sv[:k] / np.sqrt(weight)[:, None], weight, k, rng)
        x = table[patch]
        found.append(x)
    return found


def ids(model, tokens):
    """What the tables of a model make of tokens, level L first."""
    x, found = tokens.astype(int), []
    for level in range(int(model.attrs["levels"]), 0, -1):
        patches, above = model[f"patches_{level}"][()], model[f"ids_{level}"][()]
        known = {tuple(patch): row for row, patch in enumerate(patches.tolist())}
        rows = [[known.get(tuple(p), -1) for p in line] for line in x.reshape(len(x), -1, patches.shape[1]).tolist()]
        x = np.append(above, model[f"ids_{level}"].attrs["other"])[np.array(rows)]
        found.append(x)
    return found


@pytest.mark.parametrize("instance", [["--vocab", "8", "--levels", "4"], ["--vocab", "6", "--branching", "3", "--levels", "3"],
                                      ["--vocab", "4,5,6,7", "--rules", "3", "--levels", "3"]], ids=["s2", "s3", "levels"])
def test_groups_are_those_of_a_recomputation(tmp_path, instance):
    run("sample", *instance, "--rule-sampling", "uniform", "--samples", "7000", "-o", "d.h5", cwd=tmp_path)
    run(*LATENT, "--data", "d.h5", "--report", "r.json", "-o", "m.h5", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] == 1 and report["learner"] == "latent"
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "m.h5") as m:
        tokens = d["data/tokens"][()][:6000]
        shape = d["grammar"].attrs
        levels, s = int(shape["levels"]), int(shape["branching"].flat[0])
        ours = ids(m["model"], tokens)
        theirs = iterative_clustering(tokens, [int(v) for v in shape["vocab"]], s, levels, np.random.default_rng(1))
    for level, mine, other in zip(range(levels, 1, -1), ours, theirs):
        pairs = np.unique(np.stack([mine.ravel(), other.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(mine)) == len(np.unique(other)), f"level {level}"


def test_the_report_says_what_was_counted(tmp_path):
    run(*LATENT, "--vocab", "8", "--levels", "9", "--samples", "3000", "--report", "r.json", "--ceilings", "on", "-o", "m.h5", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] >= 0.999
    assert report["positions"] == [2 ** (level - 1) for level in range(9, 0, -1)]
    samples = [level["samples"] for level in report["levels"]]
    assert samples == sorted(samples) and samples[-1] == 3000
    for level in report["levels"][:-1]:
        assert level["draw"] == "samples" and level["evidence"] > 3 and level["resolved"]
        assert level["clusters"] == level["symbols"] == 8 and level["width"] is None
    assert report["predicted"]["actual_over_predicted_memory"] < 2
    assert "accuracy 1.0000" in run("eval", "m.h5", cwd=tmp_path).stdout
    assert json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)["model_kind"] == "table"


def test_data_of_others_are_learnt(tmp_path):
    run("sample", "--vocab", "8", "--levels", "4", "--rule-sampling", "uniform", "--samples", "5000", "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "bare.h5", "w") as bare:
        bare["tokens"], bare["labels"] = d["data/tokens"][()], d["data/labels"][()]
    bare = [*LATENT, "--data", "bare.h5", "--branching", "2"]
    run(*bare, "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] >= 0.999 and report["levels"][-1]["samples"] == 4000
    refused(*bare, "--samples", "4001", cwd=tmp_path, says=["4001 samples", "4000"])


def test_independent_siblings_are_said(tmp_path):
    done = run(*LATENT, "--vocab", "8", "--rules", "8", "--levels", "3", "--samples", "20000", cwd=tmp_path)
    said = done.stdout + done.stderr
    assert "level 3 is not resolved" in said and "siblings are independent" in said


@pytest.mark.parametrize("option", [["--width", "64"], ["--solver", "gd"], ["--positions", "2"], ["--draw", "counts"], ["--checkpoint", "c"]])
def test_options_of_others_are_refused(tmp_path, option):
    refused(*LATENT, "--levels", "3", *option, cwd=tmp_path, says=[option[0], "--learner latent"])


def test_one_number_of_sequences(tmp_path):
    refused(*LATENT, "--levels", "3", "--samples", "100,200,100", cwd=tmp_path, says=["200 samples at level 2", "the same for all levels"])


def test_the_plan_comes_before(tmp_path):
    plan = json.loads(run("plan", "--learner", "latent", "--vocab", "8", "--levels", "9", "--samples", "3000", "--json", cwd=tmp_path).stdout)
    assert plan["learner"] == "latent"
    levels = plan["practice"]["levels"]
    assert [level["positions"] for level in levels] == [2 ** (level - 1) for level in range(9, 0, -1)]
    assert levels[-1]["samples"] == 3000 and all(level["distinct_patches"] == 32 for level in levels)
    assert "positions" in run("plan", "--learner", "latent", "--levels", "5", cwd=tmp_path).stdout
