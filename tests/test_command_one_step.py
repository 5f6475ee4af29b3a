"""The one-step learner from outside: its models against the published step in NumPy, in double precision, its options and reports."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run
from test_command_table import predict

STEP = ["train", "--learner", "one-step", "--progress", "off"]


def philox(seed, index, stream, rounds=10):
    """Philox4x32-10 of Salmon et al.: four words for each index, under counter (index, stream, block 0)."""
    index = np.asarray(index, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [index & low, index >> np.uint64(32), np.full_like(index, stream), np.zeros_like(index)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(rounds):
        p, q = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(q >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]), q & low, (p >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]), p & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def normal(seed, stream, count):
    """As core/gaussian.h has it: Box-Muller, two numbers a block."""
    word = [w.astype(float) for w in philox(seed, np.arange((count + 1) // 2), stream)]
    u = (np.floor((word[0] * 2**32 + word[1]) / 2**11) + 1) / 2**53
    turn = np.floor((word[2] * 2**32 + word[3]) / 2**11) / 2**53
    radius = np.sqrt(-2 * np.log(u))
    return np.stack([radius * np.cos(2 * np.pi * turn), radius * np.sin(2 * np.pi * turn)], 1).ravel()[:count]


def softmax(o):
    e = np.exp(o - o.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class Network:
    """o = W2 relu(W1 x / sqrt(D)) / h, of all D patches at once; one step of gradient descent on W1."""

    def __init__(self, classes, inputs, width, seed, level):
        self.w1, self.root, self.h = np.ones((width, inputs)), np.sqrt(inputs), width
        self.w2 = normal(seed, 1 << 19 | level, classes * width).reshape(classes, width)

    def output(self):
        return (self.w2 @ np.maximum(self.w1 / self.root, 0)).T / self.h  # a one-hot x picks a column of W1

    def step(self, patches, labels, rate):
        error = softmax(self.output())[patches]
        error[np.arange(len(labels)), labels] -= 1
        gradient = np.zeros_like(self.w1)
        open_units = self.w1[:, patches] > 0
        np.add.at(gradient.T, patches, (error @ self.w2) * open_units.T / (self.h * self.root * len(labels)))
        self.w1 -= rate * self.h * gradient


def cost_of(points, own):
    return sum(((points[own == c] - points[own == c].mean(0)) ** 2).sum() for c in np.unique(own))


def lloyd(points, k, rng):
    centre = points[rng.choice(len(points), 1)]
    while len(centre) < k:
        d = ((points[:, None] - centre) ** 2).sum(2).min(1)
        centre = np.append(centre, points[[rng.choice(len(points), p=d / d.sum())]], 0)
    for _ in range(60):
        own = ((points[:, None] - centre) ** 2).sum(2).argmin(1)
        centre = np.array([points[own == c].mean(0) if (own == c).any() else centre[c] for c in range(k)])
    return own


@pytest.mark.parametrize("shape, labels, tokens, branching, samples", [
    (["--vocab", "6", "--rules", "6", "--levels", "3", "--rule-sampling", "uniform"], 6, 6, 2, 4000),
    (["--vocab", "3,5,5,6", "--rules", "3", "--rule-sampling", "uniform"], 3, 6, 2, 3000),                    # n_c other than V; patches that are impossible
    (["--vocab", "5", "--branching", "3", "--levels", "2", "--rules", "4"], 5, 5, 3, 3000),
])
def test_a_model_is_the_published_step(tmp_path, shape, labels, tokens, branching, samples):
    run("sample", *shape, "--samples", str(samples), "-o", "d.h5", cwd=tmp_path)
    run(*STEP, "--protocol", "published", "--data", "d.h5", "--data-seed", "7", "-o", "m.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "m.h5") as m:
        x, y, model = d["data/tokens"][()].astype(int), d["data/labels"][()].astype(int), m["model"]
        kept = len(x) - len(x) // 5  # the rest is the test set
        x, y, inputs = x[:kept], y[:kept], tokens
        for level in range(int(model.attrs["levels"]), 0, -1):
            power = inputs ** np.arange(branching)[::-1]
            x = x.reshape(kept, -1, branching) @ power
            net = Network(labels, inputs**branching, 256, 7, level)
            net.step(x[:, 0], y, 1000)
            patches, ids = model[f"patches_{level}"][()] @ power, model[f"ids_{level}"][()]
            assert np.array_equal(patches, np.unique(x[:, 0]))
            if level == 1:
                break
            own = np.full(inputs**branching, model[f"ids_{level}"].attrs["other"])
            own[patches] = ids
            rng, k = np.random.default_rng(level), int(model[f"ids_{level}"].attrs["outputs"])
            best = min(cost_of(net.w1.T, lloyd(net.w1.T, k, rng)) for _ in range(10))
            assert cost_of(net.w1.T, own) <= best * (1 + 1e-9)
            x, inputs = own[x], k
        o = net.output()
        assert np.abs(model["posteriors"][()] - softmax(o)[patches]).max() < 1e-6
        assert np.array_equal(ids, o[patches].argmax(1))
        unseen = np.setdiff1d(np.arange(len(o)), patches)
        if len(unseen):
            assert np.abs(model["prior"][()] - softmax(o)[unseen[0]]).max() < 1e-6


@pytest.mark.parametrize("shape", [
    ["--vocab", "8", "--levels", "10"],
    ["--vocab", "8", "--levels", "4", "--rule-law", "zipf:1", "--label-law", "zipf:0.5"],
    ["--vocab", "4,6,8,8", "--rules", "4", "--rule-sampling", "uniform"],
    ["--vocab", "6", "--branching", "3", "--levels", "4", "--rule-sampling", "uniform"],
    ["--vocab", "8", "--levels", "4", "--rule-sampling", "uniform", "--seed", "3"],
])
def test_hierarchies_are_learnt(tmp_path, shape):
    said = run(*STEP, *shape, "--test-samples", "2000", "-o", "m.h5", cwd=tmp_path).stdout
    assert "test accuracy 1.0000" in said
    run("sample", *shape, "--data-seed", "5", "--samples", "100", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        assert np.array_equal(predict(m["model"], d["data/tokens"][()]), p["prediction/posteriors"][()])


def test_the_report_has_the_keys_of_all(tmp_path):
    run(*STEP, "--vocab", "8", "--levels", "3", "--report", "r.json", "--ceilings", "on", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["learner"] == "one-step" and report["positions"] == [1, 1, 1]
    for level in report["levels"]:
        assert level["draw"] == "counts" and level["width"] is None and level["clusters"] == level["symbols"]
    assert 0 < report["predicted"]["actual_over_predicted_seconds"] < float("inf")


@pytest.mark.parametrize("draw", ["counts", "samples"])
def test_neither_threads_nor_instructions_matter(tmp_path, draw):
    said = {run(*STEP, "--vocab", "6", "--levels", "4", "--samples", "30000", "--draw", draw, "--test-samples", "100",
                "--threads", str(threads), "--isa", isa, cwd=tmp_path).stdout.split("model hash")[1]
            for threads, isa in [(1, "scalar"), (2, "auto"), (3, "scalar")]}
    assert len(said) == 1


@pytest.mark.parametrize("options, says", [
    (["--protocol", "nobody"], ["nobody", "general, published"]),
    (["--protocol", "published", "--width", "64"], ["width", "published"]),
    (["--protocol", "published", "--positions", "2"], ["positions", "published"]),
    (["--protocol", "published", "--learning-rate", "3"], ["learning-rate", "published"]),
    (["--ridge", "1"], ["--ridge", "one-step"]),
    (["--protocol", "published", "--vocab", "300", "--levels", "2"], ["90000 possible patches", "32768"]),
])
def test_what_has_no_effect_is_refused(tmp_path, options, says):
    refused(*STEP, *options, cwd=tmp_path, says=says)
    refused("train", "--learner", "table", "--protocol", "published", cwd=tmp_path, says=["--protocol", "--learner table"])


def test_width_and_rate_have_an_effect(tmp_path):
    small = [*STEP, "--vocab", "6", "--levels", "2", "--samples", "2000", "--test-samples", "100"]
    said = {run(*small, *more, cwd=tmp_path).stdout.split("model hash")[1]
            for more in ([], ["--width", "16"], ["--width", "4"], ["--learning-rate", "5"], ["--protocol", "published"])}
    assert len(said) == 5
