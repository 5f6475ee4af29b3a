"""The learner without depth from outside: a reader of its models in NumPy, its regression, options and reports."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run

SHALLOW = ["train", "--learner", "shallow", "--progress", "off", "--vocab", "6", "--rules", "3"]
QUICK = [*SHALLOW, "--samples", "1500", "--width", "96", "--test-samples", "500"]


def features(model, tokens):
    vocab = int(model.attrs["token_vocab"])
    phase = np.eye(vocab)[tokens].reshape(len(tokens), -1) @ model["frequencies_1"][()].astype(float).T
    return np.hstack([np.cos(phase), np.sin(phase)]) / np.sqrt(phase.shape[1])


def predict(model, tokens):
    y = features(model, tokens) @ model["weights_1"][()].astype(float).T
    return y / y.sum(1, keepdims=True)


@pytest.mark.parametrize("shape", [["--levels", "2"], ["--branching", "3,2,2"], ["--levels", "7"]])
def test_a_model_is_read_in_ten_lines(tmp_path, shape):
    run(*QUICK, *shape, "-o", "m.h5", cwd=tmp_path)
    run("sample", "--vocab", "6", "--rules", "3", *shape, "--data-seed", "5", "--samples", "300", "-o", "d.h5", cwd=tmp_path)
    run("predict", "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d, h5py.File(tmp_path / "p.h5") as p:
        posterior = predict(m["model"], d["data/tokens"][()])
        sums = (features(m["model"], d["data/tokens"][()]) @ m["model/weights_1"][()].astype(float).T).sum(1)
        sound = np.abs(sums) > 0.05
        assert np.abs(posterior - p["prediction/posteriors"][()])[sound].max() < 1e-3
        assert (posterior.argmax(1) == p["prediction/labels"][()])[sound].mean() > 0.99
    shown = json.loads(run("inspect", "m.h5", "--json", cwd=tmp_path).stdout)
    assert shown["model_kind"] == "shallow" and len(shown["levels"]) == 1


@pytest.mark.parametrize("solver", ["cg", "cholesky"])
def test_weights_solve_the_regression(tmp_path, solver):
    """Against the dense normal equations of all samples, in double precision."""
    run("sample", "--vocab", "6", "--rules", "3", "--levels", "2", "--samples", "1250", "-o", "d.h5", cwd=tmp_path)
    run("train", "--learner", "shallow", "--data", "d.h5", "--samples", "800", "--width", "64", "--ridge", "1e-3", "--bandwidth", "2", "--solver", solver,
        "--tolerance", "1e-6", "-o", "m.h5", "--progress", "off", cwd=tmp_path)
    with h5py.File(tmp_path / "m.h5") as m, h5py.File(tmp_path / "d.h5") as d:
        x = features(m["model"], d["data/tokens"][:800])
        y = np.eye(6)[d["data/labels"][:800]]
        w = np.linalg.solve(x.T @ x / 800 + 1e-3 * np.eye(128), x.T @ y / 800).T
        assert np.abs(w - m["model/weights_1"][()]).max() < 1e-3 * np.abs(w).max()


def test_depth_is_what_it_lacks(tmp_path):
    accuracy = {}
    for learner in ("shallow", "table"):
        run("train", "--learner", learner, "--vocab", "6", "--rules", "3", "--levels", "4", "--progress", "off", "--samples", "4096",
            "--test-samples", "1000", *(["--width", "128"] if learner == "shallow" else []), "--report", "r.json", cwd=tmp_path)
        report = json.loads((tmp_path / "r.json").read_text())
        accuracy[learner] = report["test"]["accuracy"]
    assert accuracy["shallow"] < 0.5 and accuracy["table"] > 0.9


def test_the_report_has_one_level(tmp_path):
    run(*SHALLOW, "--levels", "2", "--width", "128", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    level, = report["levels"]
    assert level["level"] == 1 and level["width"] == 128 and level["converged"] and report["positions"] == [1]
    assert level["held_out_accuracy"] >= 0.999 and report["test"]["accuracy"] >= 0.99
    plan = json.loads(run("plan", "--learner", "shallow", "--vocab", "6", "--rules", "3", "--levels", "2", "--width", "128", "--json", cwd=tmp_path).stdout)
    planned, = plan["practice"]["levels"]
    assert planned["samples"] == level["samples"] and planned["distinct_patches"] == level["distinct_patches"]


def test_neither_threads_nor_instructions_matter(tmp_path):
    said = {run(*QUICK, "--levels", "3", "--threads", str(threads), "--isa", isa, cwd=tmp_path).stdout.split("model hash")[1]
            for threads, isa in [(1, "scalar"), (2, "auto"), (3, "avx2")]}
    assert len(said) == 1


@pytest.mark.parametrize("options, says", [
    (["--samples", "100,200"], ["levels 2 and 1", "shallow"]),
    (["--positions", "2"], ["--positions", "shallow"]),
    (["--draw", "counts"], ["--draw", "shallow"]),
    (["--checkpoint", "c"], ["--checkpoint", "shallow"]),
])
def test_what_has_no_effect_is_refused(tmp_path, options, says):
    refused(*SHALLOW, "--levels", "2", *options, cwd=tmp_path, says=says)
