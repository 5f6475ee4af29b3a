"""The convolutional network from outside: its file, its steps against NumPy and PyTorch, what its report says, and refusals."""
import json
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

from cnn_oracle import Network, documented
from command_tools import RHM, refused, run, wait_for_work

CNN = ["train", "--learner", "cnn", "--progress", "off"]
GRAMMAR = ["--vocab", "6", "--rules", "3", "--levels", "3"]
PRX = {"momentum": 0.9, "regulariser": 5e-4, "rate": 0.1, "cosine": True}
Y2025 = {"momentum": 0, "regulariser": 0, "rate": 1, "cosine": False}


def rate_of(how, epoch, epochs, width):
    return how["rate"] * width * ((1 + np.cos(np.pi * epoch / (0.8 * epochs))) / 2 if how["cosine"] else 1)


def steps_of(tmp_path, protocol, options, epochs, width, shape=GRAMMAR):
    """All 60 sequences in each of ten steps: the parameters before and after, and the sequences."""
    run("sample", *shape, "--samples", "75", "-o", "d.h5", cwd=tmp_path)
    train = [*CNN, "--protocol", protocol, "--data", "d.h5", "--sequences", "60", "--width", width, *options]
    run(*train, "--epochs", "1", "--learning-rate", "1e-30", "-o", "before.h5", cwd=tmp_path)
    run(*train, "--epochs", epochs, "-o", "after.h5", "--report", "r.json", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as d:
        return d["data/tokens"][:60].astype(int), d["data/labels"][:60].astype(int), json.loads((tmp_path / "r.json").read_text())


def assert_same(path, parameters, before, tolerance):
    with h5py.File(path) as f:
        for name, mine in parameters.items():
            there = f["model"][name][()]
            moved = np.abs(mine - before[name]).max()
            assert moved > 0, name
            assert np.abs(there - mine).max() < tolerance * moved + 3e-7 * np.abs(mine).max(), name


@pytest.mark.parametrize("protocol, options, width, how, shape", [
    ("prx", [], "16", PRX, GRAMMAR),
    ("2025", [], "16", Y2025, GRAMMAR),
    ("prx", ["--bias", "none", "--whitening", "none", "--momentum", "0", "--rate-schedule", "constant"], "5,7,6",
     {**PRX, "momentum": 0, "cosine": False}, GRAMMAR),
    ("2025", ["--bias", "per-position", "--bias-scale", "0.5", "--weight-scale", "channels", "--regulariser", "0.1", "--momentum", "0.5"], "9",
     {**Y2025, "momentum": 0.5, "regulariser": 0.1}, ["--vocab", "6", "--rules", "3", "--branching", "3,2", "--levels", "2"]),
])
def test_steps_are_those_of_numpy(tmp_path, protocol, options, width, how, shape):
    """Ten full-batch steps, so that every gradient (weights, biases, readout), whitening and momentum show."""
    tokens, labels, report = steps_of(tmp_path, protocol, [*options, "--loss-threshold", "none"], 10, width, shape)
    mine, before = Network(tmp_path / "before.h5"), Network(tmp_path / "before.h5").p
    top = int(width.split(",")[-1])
    assert report["training"]["options"]["sampling"] is None  # the data set's own
    losses = [mine.step(tokens, labels, rate_of(how, e, 10, top), how["momentum"], how["regulariser"]) for e in range(10)]
    assert np.allclose(report["training"]["curve"]["loss"], losses, rtol=1e-5)
    assert_same(tmp_path / "after.h5", mine.p, before, 1e-4)


def test_gradients_are_differences_of_the_loss(tmp_path):
    """The oracle itself, against finite differences."""
    tokens, labels, _ = steps_of(tmp_path, "prx", [], 1, "5")
    mine = Network(tmp_path / "before.h5")
    gradients, _ = mine.gradients(tokens, labels)
    for name, gradient in gradients.items():
        direction = np.random.default_rng(1).standard_normal(gradient.shape)
        losses = []
        for sign in (1, -1):
            mine.p[name] += sign * 1e-6 * direction
            losses.append(mine.gradients(tokens, labels)[1])
            mine.p[name] -= sign * 1e-6 * direction
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx((gradient * direction).sum(), rel=1e-3, abs=1e-8), name


def torch_steps(torch, mine, tokens, labels, how, width, epochs):
    """The field's way: one-hot input, a layer an unfold and a product, SGD and a schedule of PyTorch."""
    p = {name: torch.tensor(value, dtype=torch.float32, requires_grad=True) for name, value in mine.p.items()}
    optimiser = torch.optim.SGD(p.values(), lr=how["rate"] * width, momentum=how["momentum"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=0.8 * epochs) if how["cosine"] else None
    one_hot = torch.nn.functional.one_hot(torch.tensor(tokens), mine.vocab).float()
    for _ in range(epochs):
        y = mine.scale["input_scale"] * one_hot + mine.scale["input_shift"]
        for l in range(mine.levels, 0, -1):
            w = p[f"weights_{l}"]
            z = mine.scale[l] * torch.nn.functional.conv1d(y.transpose(1, 2), w.permute(2, 1, 0), stride=w.shape[0]).transpose(1, 2)
            y = torch.relu(z + mine.scale["bias_scale"] * p[f"bias_{l}"] if f"bias_{l}" in p else z)
        logits = mine.scale["readout_scale"] * y.mean(1) @ p["readout"]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
        loss = loss + how["regulariser"] * sum(q.pow(2).mean() for q in p.values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if schedule:
            schedule.step()
    return {name: q.detach().numpy() for name, q in p.items()}


@pytest.mark.parametrize("protocol, how", [("prx", PRX), ("2025", Y2025)])
def test_ten_steps_are_those_of_pytorch(tmp_path, protocol, how):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: ten steps are not compared with it")
    tokens, labels, _ = steps_of(tmp_path, protocol, ["--loss-threshold", "none"], 10, "16")
    mine = Network(tmp_path / "before.h5")
    theirs = torch_steps(torch, mine, tokens, labels, how, 16, 10)
    assert_same(tmp_path / "after.h5", theirs, mine.p, 2e-3)


@pytest.mark.parametrize("positions, seen", [("1", {3: 1, 2: 1, 1: 1}), ("auto", {3: 4, 2: 2, 1: 1})])
def test_levels_are_trained_one_by_one(tmp_path, positions, seen):
    """Level 3 first, on the first patch or all; a readout of its own for each; the levels below stay."""
    options = ["--schedule", "layerwise", "--loss-threshold", "none", *(["--positions", positions] if positions != "auto" else [])]
    tokens, labels, report = steps_of(tmp_path, "prx", options, 3, "8")
    with h5py.File(tmp_path / "after.h5") as f:
        after = {name: f["model"][name][()] for name in f["model"]}
    mine = Network(tmp_path / "before.h5")
    losses = np.array(report["training"]["curve"]["loss"]).reshape(3, 3)
    assert report["training"]["curve"]["level"] == [3] * 3 + [2] * 3 + [1] * 3
    for level in (3, 2):  # their readouts are not kept: only what the whole network shows of them
        assert not np.array_equal(after[f"weights_{level}"], mine.p[f"weights_{level}"])
        mine.p[f"weights_{level}"], mine.p[f"bias_{level}"] = after[f"weights_{level}"].astype(float), after[f"bias_{level}"].astype(float)
        untouched = Network(tmp_path / "before.h5").p[f"bias_{level}"][seen[level]:]
        assert np.array_equal(after[f"bias_{level}"][seen[level]:], untouched)
    trained = ["weights_1", "bias_1", "readout"]
    mine_losses = [mine.step(tokens, labels, rate_of(PRX, e, 3, 8), 0.9, 5e-4, trained=trained) for e in range(3)]
    assert np.allclose(losses[2], mine_losses, rtol=1e-5)
    assert_same(tmp_path / "after.h5", {name: mine.p[name] for name in trained}, Network(tmp_path / "before.h5").p, 1e-4)
    assert report["positions"] == [seen[3], seen[2], seen[1]]


@pytest.mark.parametrize("options", [["--width", "12"], ["--protocol", "2025", "--width", "7,5,9"]])
def test_a_model_is_read_as_documented(tmp_path, options):
    run(*CNN, *GRAMMAR, *options, "--sequences", "200", "--epochs", "3", "-o", "m.h5", cwd=tmp_path)
    run("sample", *GRAMMAR, "--data-seed", "5", "--samples", "300", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        found = documented(m["model"], d["data/tokens"][()])
        assert np.abs(found["posterior"] - p["prediction/posteriors"][()]).max() < 1e-5
        assert (found["posterior"].argmax(1) == p["prediction/labels"][()]).mean() > 0.99
        right = (p["prediction/labels"][()] == d["data/labels"][()]).mean()
    assert f"accuracy {right:.4f}" in run("eval", "m.h5", "--data", "d.h5", cwd=tmp_path).stdout
    shown = json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)
    assert shown["model_kind"] == "cnn" and [level["level"] for level in shown["levels"]] == [3, 2, 1]


def test_it_learns_and_stops(tmp_path):
    said = run(*CNN, "--vocab", "4", "--rules", "2", "--levels", "2", "--width", "32", "--sequences", "24", "--batch", "8", "--loss-threshold", "0.1",
               "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    training, curve = report["training"], report["training"]["curve"]
    assert training["reached_threshold"] and training["loss"] == curve["loss"][-1] <= 0.1 < min(curve["loss"][:-1])
    assert training["epochs"] == len(curve["loss"]) == len(curve["accuracy"]) and training["steps"] == 3 * training["epochs"]
    assert training["samples_per_second"] == pytest.approx(24 * training["epochs"] / training["seconds"])
    assert training["accuracy"] == 1 and report["test"]["samples"] == 8  # 4 x 2^3 sequences, and those that were not trained on
    assert training["options"]["sampling"] == "without-replacement" and training["options"]["momentum"] == 0.9
    assert all(level[key] is None for level in report["levels"] for key in ("resolved", "clusters", "distinct_patches", "width", "solver"))
    products = 2 * (4 * 32) + 3 * (2 * 32 * 32) + 3 * (32 * 4)  # rows for 4 tokens; forward, weights, inputs of the others
    assert sum(level["flops"] for level in report["levels"]) == pytest.approx(2 * products * 24 * training["epochs"])
    assert "8 other sequences" in said.stdout and "above --loss-threshold" not in said.stdout
    shown = [line.split() for line in said.stdout.split("accuracy   seconds\n")[1].split("\nloss, accuracy")[0].splitlines()]
    assert [int(row[0]) for row in shown] == [e for e in (1, 2, 5, 10, 20, 50, 100, 200) if e < training["epochs"]] + [training["epochs"]]
    assert [float(row[2]) for row in shown] == [float(f"{curve['loss'][int(row[0]) - 1]:.4g}") for row in shown]


def test_a_plan_says_what_an_epoch_takes(tmp_path):
    options = ["--learner", "cnn", *GRAMMAR, "--sequences", "500", "--epochs", "40", "--width", "16"]
    plan = json.loads(run("plan", *options, "--json", cwd=tmp_path).stdout)["practice"]
    assert [level["width"] for level in plan["levels"]] == [16] * 3 and [level["epochs"] for level in plan["levels"]] == [40] * 3
    epoch = sum(level["seconds"]["epoch"] for level in plan["levels"])
    assert 0 < 40 * epoch <= plan["seconds"] and plan["memory_bytes"] > 0
    assert "s/epoch" in run("plan", *options, cwd=tmp_path).stdout
    other = subprocess.run([RHM, "plan", *options, "--backend", "onednn", "--ranks", "2"], cwd=tmp_path, capture_output=True, text=True)
    assert other.returncode != 0 and "onednn" in other.stderr, "which ranks do not train with"


def philox(seed, index, stream, block=0):
    """Philox4x32-10 for arrays of indices: four words each."""
    mask = np.uint64(0xffffffff)
    c = [index.astype(np.uint64) & mask, index.astype(np.uint64) >> np.uint64(32), np.full(index.shape, stream, np.uint64), np.full(index.shape, block, np.uint64)]
    key = [np.uint64(seed & 0xffffffff), np.uint64(seed >> 32)]
    for _ in range(10):
        a, b = c[0] * np.uint64(0xd2511f53), c[2] * np.uint64(0xcd9e8d57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ key[0], b & mask, (a >> np.uint64(32)) ^ c[3] ^ key[1], a & mask]
        key = [(key[0] + np.uint64(0x9e3779b9)) & mask, (key[1] + np.uint64(0xbb67ae85)) & mask]
    return c


def normal(seed, stream, count):
    w = philox(seed, np.arange(count) // 2, stream)
    u = ((w[0] << np.uint64(32) | w[1]) >> np.uint64(11)).astype(float) + 1
    turn = ((w[2] << np.uint64(32) | w[3]) >> np.uint64(11)).astype(float) * 2.0**-53
    angle = 2 * np.pi * turn
    return np.sqrt(-2 * np.log(u * 2.0**-53)) * np.where(np.arange(count) % 2, np.sin(angle), np.cos(angle))


def test_initial_weights_can_be_drawn_again(tmp_path):
    """From docs/reproducibility.md and nothing else."""
    run(*CNN, *GRAMMAR, "--data-seed", "77", "--width", "5", "--sequences", "20", "--epochs", "1", "--learning-rate", "1e-30", "-o", "m.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as f:
        model = f["model"]
        streams = {"readout": 2**20, **{f"weights_{l}": 2**20 + l for l in (1, 2, 3)}, **{f"bias_{l}": 2**20 + 256 + l for l in (1, 2, 3)}}
        for name, stream in streams.items():
            assert np.abs(model[name][()].ravel() - normal(77, stream, model[name].size)).max() < 1e-6, name


def test_memory_that_is_not_there_is_refused(tmp_path):
    refused(*CNN, *GRAMMAR, "--width", "4000", "--memory-limit", "300M", "--epochs", "1", cwd=tmp_path, expect=1, says=["parameters of a network", "300.0 MiB"])
    refused(*CNN, *GRAMMAR, "--width", "200000", cwd=tmp_path, says=["200000 channels"])


def test_divergence_is_said(tmp_path):
    said = refused(*CNN, *GRAMMAR, "--sequences", "200", "--learning-rate", "1e12", "-o", "m.h5", cwd=tmp_path, expect=1)
    assert "diverged" in said and "smaller learning rate" in said


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    train = [*CNN, *GRAMMAR, "--sequences", "300", "--epochs", "300", "--batch", "16", "--loss-threshold", "none", "--width", "32"]
    whole = run(*train, cwd=tmp_path).stdout.split("model hash")[1].split()[0]
    keep = ["--checkpoint", "kept", "--checkpoint-seconds", "0.02"]
    for how in (signal.SIGKILL, signal.SIGINT):
        begun = subprocess.Popen([RHM, *train, *keep, "--threads", "1", *(["--resume"] if how == signal.SIGINT else [])], cwd=tmp_path,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # one that is ignored stays ignored
        deadline = time.monotonic() + 60
        while not list((tmp_path / "kept").glob("checkpoint-*.h5")) and time.monotonic() < deadline:
            time.sleep(0.005)
        wait_for_work(begun, 0)  # the second one has checkpoints before it catches signals
        time.sleep(0.05)
        begun.send_signal(how)
        error = begun.communicate()[1]
        assert begun.returncode == (-9 if how == signal.SIGKILL else 130) or begun.returncode == 0, error
    said = run(*train, *keep, "--resume", "--isa", "scalar", cwd=tmp_path)
    assert "resumed from kept" in said.stderr and said.stdout.split("model hash")[1].split()[0] == whole
    refused(*train, *keep, cwd=tmp_path, says=["there is a checkpoint"])
    refused(*train, *keep, "--resume", "--momentum", "0.5", cwd=tmp_path, says=["momentum is", "there and 0.5 here"])


@pytest.mark.parametrize("options, says", [
    (["--protocol", "2024"], ["2024", "prx, 2025"]),
    (["--samples", "100"], ["--samples", "cnn"]),
    (["--bandwidth", "1"], ["--bandwidth", "cnn"]),
    (["--draw", "counts"], ["--draw", "cnn"]),
    (["--between", "ids"], ["--between", "cnn"]),
    (["--arithmetic", "bfloat8"], ["--arithmetic", "bfloat16"]),
    (["--positions", "2"], ["positions", "layerwise"]),
    (["--width", "8,8"], ["--width 8,8", "levels 3 to 1"]),
    (["--width", "0"], ["--width"]),
    (["--momentum", "1"], ["--momentum", "0.9999"]),
    (["--batch", "0"], ["--batch"]),
    (["--epochs", "1.5"], ["--epochs"]),
    (["--rate-schedule", "constant", "--rate-period", "0.5"], ["rate-period", "cosine"]),
    (["--bias", "none", "--bias-scale", "2"], ["bias-scale", "per-position"]),
    (["--sequences", "1e9"], ["1000000000", "6561"]),
    (["--token-noise", "0.1", "--sampling", "without-replacement"], ["nois"]),
    (["--whitening", "yes"], ["--whitening", "standardized"]),
])
def test_bad_options_are_refused(tmp_path, options, says):
    refused(*CNN, "--vocab", "3", "--rules", "3", "--levels", "3", *options, cwd=tmp_path, says=says)


@pytest.mark.parametrize("option", [["--epochs", "3"], ["--batch", "8"], ["--sequences", "100"], ["--momentum", "0.5"], ["--schedule", "layerwise"],
                                    ["--width", "64,32,16"], ["--sampling", "fresh"], ["--whitening", "none"]])
def test_others_do_not_take_its_options(tmp_path, option):
    for learner in ("layerwise", "table", "one-step"):
        refused("train", "--learner", learner, *GRAMMAR, *option, cwd=tmp_path, says=[option[0], learner])


@pytest.mark.parametrize("backend", ["onednn", "auto"])
def test_other_backends_train_the_same_network(tmp_path, backend):
    train = [*CNN, *GRAMMAR, "--sequences", "200", "--epochs", "4", "--seed", "2"]
    done = subprocess.run([RHM, *train, "--backend", backend, "--report", "theirs.json"], cwd=tmp_path, capture_output=True, text=True)
    if done.returncode == 2 and ("no oneDNN" in done.stderr or "needs the instruction set" in done.stderr):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    run(*train, "--report", "ours.json", cwd=tmp_path)
    ours, theirs = (json.loads((tmp_path / name).read_text()) for name in ("ours.json", "theirs.json"))
    assert abs(ours["test"]["accuracy"] - theirs["test"]["accuracy"]) < 0.05
    if backend == "auto":
        works = {choice["work"] for choice in theirs["machine"]["backend_details"]["choices"]}
        assert "convolution backward by weights" in works


@pytest.mark.parametrize("narrow", [False, True])
def test_oneDNN_comes_down_alike_also_in_bfloat16(tmp_path, narrow):
    train = [*CNN, *GRAMMAR, "--sequences", "200", "--epochs", "4", "--width", "32", "--batch", "50"]
    options = ["--backend", "onednn", *(["--arithmetic", "bfloat16"] if narrow else [])]
    run(*train, "--report", "native.json", cwd=tmp_path)
    done = subprocess.run([RHM, *train, *options, "--report", "r.json", "--ceilings", "off"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    if done.returncode and any(words in done.stderr for words in ("no oneDNN", "needs the instruction set", "bfloat16")):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    native, other = (json.loads((tmp_path / name).read_text())["training"] for name in ("native.json", "r.json"))
    assert native["backend"] == "native" and other["backend"] == ("onednn bfloat16" if narrow else "onednn")
    assert other["curve"]["loss"] == pytest.approx(native["curve"]["loss"], rel=0.1 if narrow else 1e-3)
    assert not narrow or other["curve"]["loss"] != native["curve"]["loss"]


def test_bfloat16_needs_onednn(tmp_path):
    refused(*CNN, *GRAMMAR, "--sequences", "20", "--arithmetic", "bfloat16", cwd=tmp_path, expect=2, says=["bfloat16"])


def test_noise_is_learnt_with_replacement(tmp_path):
    run(*CNN, *GRAMMAR, "--token-noise", "0.05", "--sequences", "100", "--epochs", "2", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["training"]["options"]["sampling"] == "with-replacement" and report["test"]["samples"] == 10000


def without(name):
    def change(model):
        del model[name]
    return change


def with_array(name, value):
    def change(model):
        attributes = dict(model[name].attrs)
        del model[name]
        model[name] = value
        model[name].attrs.update(attributes)
    return change


def with_attribute(name, key, value):
    def change(model):
        (model[name] if name else model).attrs[key] = value
    return change


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(*CNN, *GRAMMAR, "--width", "4", "--sequences", "20", "--epochs", "1", "-o", "m.h5", cwd=folder)
    return folder / "m.h5"


@pytest.mark.parametrize("change, says", [
    (without("weights_2"), "weights_2"),
    (without("readout"), "readout"),
    (without("bias_1"), "bias_1"),
    (with_array("weights_1", np.zeros((2, 5, 4), np.float32)), "2 x 4 x"),
    (with_array("weights_3", np.zeros((2, 6), np.float32)), "weights_3"),
    (with_array("weights_2", np.zeros((2, 4, 0), np.float32)), "weights_2"),
    (with_array("bias_2", np.zeros((1, 4), np.float32)), "bias_2"),
    (with_array("readout", np.full((4, 6), np.nan, np.float32)), "finite"),
    (with_attribute("weights_1", "scale", np.inf), "scale"),
    (with_attribute("", "input_shift", np.nan), "input_shift"),
    (with_attribute("", "levels", 2), "weights_2"),
])
def test_damaged_models_are_refused(tmp_path, trained, change, says):
    with h5py.File(trained) as whole, h5py.File(tmp_path / "m.h5", "w") as f:
        whole.copy("model", f)
        del f["model"].attrs["model_hash"]
        change(f["model"])
    done = subprocess.run([RHM, "inspect", "m.h5"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and done.stdout == "" and says in done.stderr.strip().splitlines()[-1], done.stderr
