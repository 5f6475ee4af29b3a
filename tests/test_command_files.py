"""Files that the command did not write itself, or not whole: of other programs, damaged, malformed, on a full disk."""
import json
import resource
import signal
import subprocess

import h5py
import numpy as np
import pytest

from command_tools import QUICK, RHM, SMALL, foreign_grammar, parse, refused, report_of, rules_of, run, write_grammar

# ---- files of other programs -------------------------------------------------------------------------------------------


def test_a_grammar_of_somebody_elses(tmp_path):
    rules, probability, label = foreign_grammar()
    write_grammar(tmp_path / "g.h5", rules, probability, label, vocab=[3, 4, 6])
    run("grammar", "--grammar", "g.h5", "-o", "ours.h5", cwd=tmp_path)
    again, again_probability = rules_of(tmp_path / "ours.h5")
    for l in range(2):
        assert np.array_equal(again[l], rules[l]) and np.allclose(again_probability[l], probability[l], atol=1e-15)
    # kappa by hand: the least frequent first patch of each level against 1/|P_l|
    first = np.array(label)
    kappa = 0
    for l in range(2):
        p = first[:, None] * np.array(probability[l])
        kappa = max(kappa, 1 / (p.min() * p.size))
        step = np.zeros(np.array(rules[l]).max() + 1)
        np.add.at(step, np.array(rules[l])[:, :, 0], p)
        first = step
    with h5py.File(tmp_path / "ours.h5") as f:
        assert f["grammar"].attrs["kappa"] == pytest.approx(kappa, rel=1e-12)
    run("sample", "--grammar", "g.h5", "--samples", 20000, "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as f:
        tokens, labels = f["data/tokens"][()], f["data/labels"][()]
    for nu in range(3):
        assert abs((labels == nu).mean() - label[nu]) < 5 * np.sqrt(0.25 / 20000)
    level1, level0 = parse(tokens[:3000], [np.array(r) for r in rules])
    assert np.array_equal(level0[:, 0], labels[:3000])
    report = report_of(tmp_path, command=["--grammar", "g.h5", "--samples", 40000, "--width", 256])
    assert report["test"]["accuracy"] >= 0.99
    assert report["instance"]["vocab"] == [3, 4, 6] and report["instance"]["rules"] == [2, 3]
    assert report["instance"]["seed"] is None and report["instance"]["rule_sampling"] == "given"


def test_training_on_data_of_somebody_elses(here, tmp_path):
    with h5py.File(here / "d.h5") as f:
        tokens, labels = f["data/tokens"][()], f["data/labels"][()]
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["data/tokens"] = tokens.astype(">i4")
        f["data/labels"] = labels.astype(np.int64)
    refused("train", "--data", "d.h5", cwd=tmp_path, says=["--branching"])
    refused("inspect", "d.h5", cwd=tmp_path, says=["--branching"])
    found = json.loads(run("inspect", "d.h5", "--branching", 2, "--json", cwd=tmp_path).stdout)
    assert (found["kind"], found["levels"], found["token_vocab"], found["instance"]) == ("data", 3, 8, None)
    done = run("train", "--data", "d.h5", "--branching", 2, "--width", 512, "-o", "m.h5", "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] >= 0.95
    assert f"on {report['test']['samples']} held-out sequences" in done.stdout
    assert sum(level["samples"] for level in report["levels"]) + report["test"]["samples"] <= 30000
    instance = report["instance"]
    assert (instance["vocab"], instance["branching"], instance["levels"]) == (8, 2, 3)
    for key in ("rules", "seed", "rule_sampling", "kappa", "rho", "assumption_6"):
        assert instance[key] is None
    for level in report["levels"]:
        assert level["posterior_error"]["mean"] is None and level["synonym_accuracy"] is None
        assert level["separation"] is None and level["radius"] is None and level["cluster_separation"] > 0
    # eval on the same kind of file, predict without labels
    with h5py.File(tmp_path / "unlabelled.h5", "w") as f:
        f["data/tokens"] = tokens[:200]
    assert "accuracy" not in run("predict", "m.h5", "unlabelled.h5", "-o", "p.h5", cwd=tmp_path).stdout
    with h5py.File(tmp_path / "p.h5") as f:
        assert (f["prediction/labels"][()] == labels[:200]).mean() > 0.9
        assert "accuracy" not in f["prediction"].attrs
    refused("eval", "m.h5", "--data", "unlabelled.h5", cwd=tmp_path, says=["labels"])
    refused("eval", "m.h5", cwd=tmp_path, says=["m.h5", "--data"])
    refused("eval", "m.h5", "--data", "d.h5", "--test-samples", 40000, cwd=tmp_path, says=["40000", "30000"])


def test_parents_and_vocabularies_of_data(here, tmp_path):
    common = ["--data", here / "d.h5", "--samples", 2000, "--width", 64, "--test-samples", 100, "--report", "r.json"]
    run("train", *common, "--parents", "8,8,8", cwd=tmp_path)
    run("train", *common, "--vocab", "8,8,8,8", cwd=tmp_path)
    refused("train", *common, "--parents", "8,8", cwd=tmp_path, says=["--parents 8,8", "3"])
    refused("train", *common, "--parents", "8,8,7", cwd=tmp_path, says=["--parents", "7", "8"])
    refused("train", *common, "--parents", "8", "--vocab", "8,8,8,8", cwd=tmp_path, says=["--parents", "--vocab"])
    refused("train", *common, "--levels", 4, cwd=tmp_path)
    refused("train", *common, "--vocab", 4, cwd=tmp_path)
    refused("train", "--data", here / "d.h5", "--samples", 20000, cwd=tmp_path, says=["30000"])
    refused("train", "--data", here / "d.h5", "--test-samples", 6001, cwd=tmp_path, says=["6001", "30000"])


# ---- damaged and malformed files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["g.h5", "d.h5", "m.h5", "p.h5"])
def test_damaged_files_are_refused(here, tmp_path, name):
    whole = (here / name).read_bytes()
    rng = np.random.default_rng(3)
    for size in [0, 1, 100, 511, 512, 600, len(whole) // 2, len(whole) - 1]:
        (tmp_path / "x.h5").write_bytes(whole[:size])
        refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5"])
    for position in [0, 4, 20, 513, *rng.integers(0, len(whole), 12)]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << rng.integers(0, 8)
        (tmp_path / "x.h5").write_bytes(flipped)
        refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5"])
    (tmp_path / "x.h5").write_bytes(whole + b"\0")
    refused("inspect", "x.h5", cwd=tmp_path, says=["x.h5"])


def test_malformed_grammars_are_refused(tmp_path):
    rules, probability, label = foreign_grammar()
    vocab = [3, 4, 6]

    def bad(says, **change):
        write_grammar(tmp_path / "b.h5", **{"rules": rules, "probability": probability, "label": label, "vocab": vocab, **change})
        refused("grammar", "--grammar", "b.h5", cwd=tmp_path, says=["b.h5", *says])

    out_of_range = json.loads(json.dumps(rules))
    out_of_range[1][2][1][0] = 6
    bad(["6"], rules=out_of_range)
    negative = json.loads(json.dumps(rules))
    negative[0][0][0][0] = -1
    bad([], rules=negative)
    ambiguous = json.loads(json.dumps(rules))
    ambiguous[0][1][0] = ambiguous[0][0][1]
    bad(["level 1"], rules=ambiguous)
    bad([], probability=[[[0.9, 0.2], [0.25, 0.75], [0.5, 0.5]], probability[1]])
    bad([], probability=[[[1.5, -0.5], [0.25, 0.75], [0.5, 0.5]], probability[1]])
    bad([], probability=[[[np.nan, 0.5], [0.25, 0.75], [0.5, 0.5]], probability[1]])
    bad([], label=[0.5, 0.3, 0.3])
    bad([], label=[0.5, 0.5])
    bad([], vocab=[3, 4])
    bad([], vocab=[3, 5, 6])
    bad([], vocab=[3, 4, 0])
    bad([], branching=3)
    bad([], levels=3)
    bad([], levels=0)
    bad([], rules=[rules[0], [[[float(x) for x in p] for p in row] for row in rules[1]]])
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["something"] = 1
    refused("grammar", "--grammar", "b.h5", cwd=tmp_path, says=["b.h5", "/grammar"])
    refused("inspect", "b.h5", cwd=tmp_path, says=["b.h5"])


def test_malformed_data_sets_are_refused(here, tmp_path):
    with h5py.File(here / "d.h5") as f:
        tokens, labels = f["data/tokens"][:500], f["data/labels"][:500]

    def bad(says, tokens=tokens, labels=labels, arguments=("--branching", 2)):
        with h5py.File(tmp_path / "b.h5", "w") as f:
            if tokens is not None:
                f["data/tokens"] = tokens
            if labels is not None:
                f["data/labels"] = labels
        refused("train", "--data", "b.h5", *arguments, "--samples", 50, "--width", 16, cwd=tmp_path, says=says)

    bad(["b.h5", "tokens"], tokens=None)
    bad(["b.h5", "labels"], labels=None)
    bad(["b.h5"], tokens=tokens.astype(float))
    bad(["b.h5"], tokens=tokens[:, :7])
    bad(["b.h5"], tokens=tokens.ravel())
    bad(["b.h5"], labels=labels[:-1])
    bad(["b.h5"], tokens=tokens[:0], labels=labels[:0])
    bad(["b.h5", "9"], tokens=np.where(np.arange(8) == 3, 9, tokens), arguments=("--branching", 2, "--vocab", 8))
    bad(["b.h5", "-1"], tokens=np.where(np.arange(8) == 3, -1, tokens.astype(int)))
    bad(["b.h5"], tokens=tokens.astype(np.int64) + (1 << 33))
    bad(["b.h5"], arguments=("--branching", 3))
    bad(["b.h5"], arguments=("--branching", 2, "--levels", 2))


def test_predict_refuses_tokens_that_the_model_does_not_know(here, tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["data/tokens"] = np.full((5, 8), 8)
    refused("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path, says=["d.h5", "8"])
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["data/tokens"] = np.zeros((5, 4), dtype=int)
    refused("predict", here / "m.h5", "d.h5", "-o", "p.h5", cwd=tmp_path, says=["d.h5"])


# ---- outputs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["missing/x.h5", ".", "r.json/x.h5", "/proc/x.h5"])
@pytest.mark.parametrize("command", [["grammar", *SMALL], ["sample", *SMALL, "--samples", "10"], ["train", *QUICK],
                                     ["predict", "m.h5", "d.h5"]], ids=lambda command: command[0])
def test_unwritable_outputs_fail_before_the_work(here, command, target):
    refused(*command, "-o", target, cwd=here, expect=1, says=[target])


def test_unwritable_report(here):
    refused("train", *QUICK, "--report", "missing/r.json", cwd=here, expect=1, says=["missing/r.json"])


def limit_file_size():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


@pytest.mark.parametrize("command", [["sample", *SMALL, "--samples", "100000"], ["train", *QUICK], ["predict", "{m}", "{d}"]],
                         ids=lambda command: command[0])
def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(here, tmp_path, command):
    command = [word.format(m=here / "m.h5", d=here / "d.h5") for word in command]
    (tmp_path / "x.h5").write_text("precious")
    message = refused(*command, "-o", "x.h5", cwd=tmp_path, expect=1, preexec_fn=limit_file_size, says=["x.h5"])
    assert "arge" in message or "space" in message, message
    assert (tmp_path / "x.h5").read_text() == "precious"


def test_full_standard_output(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([RHM, "plan", *SMALL], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "standard output" in done.stderr


def test_report_to_a_pipe(tmp_path):
    done = run("train", *QUICK, "--report", "/dev/stdout", cwd=tmp_path)
    assert json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{"):])[0]["schema"] == "rhm-report/1"
