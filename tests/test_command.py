"""The command as a user runs it, checked with h5py and NumPy instead of the library."""
import json
import re

import h5py
import numpy as np
import pytest

from command_tools import QUICK, SMALL, parse, refused, report_of, rules_of, run

# ---- what good runs leave behind ---------------------------------------------------------------------------------------


def test_grammar_file_holds_the_instance_and_its_analysis(here):
    rules, probability = rules_of(here / "g.h5")
    with h5py.File(here / "g.h5") as f:
        g = f["grammar"]
        assert list(g.attrs["vocab"]) == [8] * 4
        assert (g.attrs["branching"], g.attrs["levels"], g.attrs["seed"]) == (2, 3, 2)
        assert g.attrs["rule_sampling"] in ("first-token-uniform", b"first-token-uniform")
        assert np.allclose(g["label_probability"][()], 1 / 8)
        joint = np.eye(8) / 8
        for l in range(1, 4):
            r = rules[l - 1]
            assert r.shape == (8, 4, 2) and r.max() < 8
            assert len({tuple(p) for p in r.reshape(-1, 2)}) == 32  # no patch twice: non-ambiguous
            assert np.array_equal(np.bincount(r[:, :, 0].ravel(), minlength=8), [4] * 8)
            posterior = (joint / joint.sum(0)).T
            assert np.abs(g[f"posterior_{l}"][()] - posterior).max() < 1e-12
            apart = np.linalg.norm(posterior[:, None] - posterior[None], axis=2) + 9 * np.eye(8)
            assert abs(g["rho"][l - 1] - apart.min()) < 1e-12
            step = np.zeros((8, 8))
            np.add.at(step, (np.repeat(np.arange(8), 4), r[:, :, 0].ravel()), probability[l - 1].ravel())
            joint = joint @ step
        assert abs(g.attrs["kappa"] - 1) < 1e-12


def test_sampled_labels_and_latents_parse(here):
    rules, _ = rules_of(here / "g.h5")
    with h5py.File(here / "d.h5") as f:
        tokens, labels = f["data/tokens"][:4000], f["data/labels"][()]
        assert f["data/tokens"].shape == (30000, 8) and f["data/tokens"].dtype == np.uint8
        level2, level1, level0 = parse(tokens, rules)
        assert np.array_equal(level0[:, 0], labels[:4000])
        assert np.array_equal(level1, f["data/latents_1"][:4000])
        assert np.array_equal(level2, f["data/latents_2"][:4000])
    chi_square = ((np.bincount(labels, minlength=8) - 3750) ** 2 / 3750).sum()
    assert chi_square < 29.9  # 7 degrees of freedom, p = 1e-4


def test_samples_are_a_stream(here, tmp_path):
    """A longer file starts with a shorter one, whatever the threads; another seed gives other sequences."""
    for name, n, seed, threads in (("a", 100, 7, 1), ("b", 30000, 7, 1), ("c", 30000, 8, 2)):
        run("sample", "--grammar", here / "g.h5", "--samples", n, "--data-seed", seed, "--threads", threads, "-o", name,
            cwd=tmp_path)
    read = {}
    for name in "abc":
        with h5py.File(tmp_path / name) as f:
            read[name] = f["data/tokens"][()]
            assert "latents_1" not in f["data"]
    with h5py.File(here / "d.h5") as f:
        assert np.array_equal(f["data/tokens"][()], read["b"])
    assert np.array_equal(read["a"], read["b"][:100])
    assert (read["b"] != read["c"]).any(axis=1).mean() > 0.99


def test_a_sixteen_bit_vocabulary(tmp_path):
    run("sample", "--vocab", "4,300,300", "--rules", "75,2", "--samples", 50, "-o", "d.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "d.h5") as f:
        assert f["data/tokens"].dtype == np.uint16 and f["data/tokens"].shape == (50, 4)
        assert f["data/tokens"][()].max() < 300 and f["data/labels"][()].max() < 4


def test_training_reaches_the_grammar(here):
    report = json.loads((here / "r.json").read_text())
    text = (here / "train.txt").read_text()
    assert report["test"]["accuracy"] >= 0.99
    assert report["model_hash"] in text
    assert f"test accuracy {report['test']['accuracy']:.4f} on 10000 fresh sequences" in text
    assert "Assumption 6 holds" in text


def test_report_has_every_key(here):
    report = json.loads((here / "r.json").read_text())
    order = ["schema", "version", "command", "instance", "machine", "levels", "test", "model_hash", "seconds", "peak_rss_bytes"]
    assert [key for key in report if key in order] == order
    assert report["schema"] == "rhm-report/1"
    assert report["command"].startswith("rhm train --vocab 8")
    instance = report["instance"]
    assert {k: instance[k] for k in ("vocab", "rules", "branching", "levels", "seed", "rule_sampling")} == {
        "vocab": 8, "rules": 4, "branching": 2, "levels": 3, "seed": 2, "rule_sampling": "first-token-uniform"}
    assert instance["assumption_6"] is True and instance["kappa"] == pytest.approx(1) and len(instance["rho"]) == 3
    assert instance["rho"][0] == pytest.approx(2 ** 0.5)
    machine = report["machine"]
    for key in ("cpu", "isa", "backend", "threads", "placement", "numa_nodes", "fma_peak_gflops", "bandwidth_gbs"):
        assert key in machine
    assert machine["threads"] >= 1 and machine["backend"] == "native"
    assert [level["level"] for level in report["levels"]] == [3, 2, 1]
    for level in report["levels"]:
        for key in ("samples", "distinct_patches", "width", "bandwidth", "ridge", "residual", "iterations"):
            assert level[key] > 0, key
        for key in ("mean", "max"):
            assert 0 <= level["posterior_error"][key] < 1
        for key in ("cluster_separation", "cluster_radius", "synonym_accuracy", "separation", "radius"):
            assert 0 <= level[key] < 3, key
        assert level["solver"] == "cg" and level["clamped"] >= 0
        assert level["kept_share"] == 1 and level["unseen_mass"] == 0
        assert level["route"] in ("passes", "gram")
        assert set(level["seconds"]) >= {"sample", "embed", "bandwidth", "solve", "total"}
        assert level["gflops"] > 0 and "fraction_of_peak" in level
        assert level["distinct_patches"] <= {3: 32, 2: 512, 1: 131072}[level["level"]]
        rate, seconds = level["patches_per_second"], level["seconds"]["total"]
        assert rate["raw"] * seconds == pytest.approx(level["samples"])
        assert rate["distinct"] * seconds == pytest.approx(level["distinct_patches"])
        for key in ("samples", "distinct_patches", "width", "attempts", "memory_bytes", "seconds"):
            assert level["predicted"][key] > 0, key
    predicted = report["predicted"]
    assert predicted["actual_over_predicted_seconds"] * predicted["seconds"] == pytest.approx(report["seconds"])
    assert predicted["actual_over_predicted_memory"] * predicted["memory_bytes"] == pytest.approx(report["peak_rss_bytes"])
    assert predicted["seconds"] > sum(level["predicted"]["seconds"] for level in report["levels"])
    assert report["test"]["samples"] == 10000 and report["test"]["seconds"] >= 0
    assert len(report["model_hash"]) == 64 and int(report["model_hash"], 16) >= 0
    assert report["seconds"] > 0 and report["peak_rss_bytes"] > 1 << 20


def test_report_inside_the_model_is_the_report(here):
    with h5py.File(here / "m.h5") as f:
        inside = f["report"][()]
    assert json.loads(inside) == json.loads((here / "r.json").read_text())


def test_a_report_without_ceilings(tmp_path):
    report = report_of(tmp_path, "--ceilings", "off")
    assert report["machine"]["fma_peak_gflops"] is report["machine"]["bandwidth_gbs"] is report["predicted"] is None
    assert all(level["fraction_of_peak"] is level["predicted"] is None and level["gflops"] > 0 for level in report["levels"])


def numpy_posteriors(model_path, tokens):
    """The 20 lines that a reader of docs/data.md would write."""
    with h5py.File(model_path) as f:
        m = f["model"]
        s, levels = int(m.attrs["branching"]), int(m.attrs["levels"])
        h = np.eye(int(m.attrs["token_vocab"]))[tokens]
        for l in range(levels, 0, -1):
            w, W = m[f"frequencies_{l}"][()].astype(float), m[f"weights_{l}"][()].astype(float)
            z = h.reshape(len(h), h.shape[1] // s, -1) @ w.T
            x = np.concatenate([np.cos(z), np.sin(z)], axis=2) / np.sqrt(len(w))
            y = x @ W.T
            y = y.reshape(*y.shape[:2], int(m[f"weights_{l}"].attrs["positions"]), -1)
            total = y.sum(axis=3, keepdims=True)
            floor = float(m.attrs["normalization_floor"])
            h = (y / np.where(np.abs(total) < floor, np.where(total < 0, -floor, floor), total)).reshape(*y.shape[:2], -1)
    return h[:, 0]


def test_predictions_are_what_the_file_says(here):
    with h5py.File(here / "d.h5") as f:
        tokens, labels = f["data/tokens"][:1000], f["data/labels"][()]
    with h5py.File(here / "p.h5") as f:
        predicted, posteriors = f["prediction/labels"][()], f["prediction/posteriors"][()]
        accuracy = float(f["prediction"].attrs["accuracy"])
    assert predicted.shape == (30000,) and posteriors.shape == (30000, 8) and posteriors.dtype == np.float32
    mine = numpy_posteriors(here / "m.h5", tokens)
    assert np.abs(mine - posteriors[:1000]).max() <= 1e-3
    assert np.abs(posteriors.sum(1) - 1).max() < 1e-4
    top = np.sort(mine, axis=1)
    clear = top[:, -1] - top[:, -2] > 2e-3
    assert clear.mean() > 0.9
    assert np.array_equal(mine.argmax(1)[clear], predicted[:1000][clear])
    assert np.array_equal(posteriors.argmax(1), predicted)
    assert accuracy == pytest.approx((predicted == labels).mean()) and accuracy >= 0.99


def test_eval_agrees_with_predict_and_draws_other_sequences(here):
    given = json.loads(run("eval", "m.h5", "--data", "d.h5", "--json", cwd=here).stdout)
    with h5py.File(here / "p.h5") as f:
        assert given["test"]["accuracy"] == pytest.approx(float(f["prediction"].attrs["accuracy"]))
    assert given["test"]["samples"] == 30000
    first = json.loads(run("eval", "m.h5", "--data", "d.h5", "--test-samples", 100, "--json", cwd=here).stdout)
    assert first["test"]["samples"] == 100
    fresh = json.loads(run("eval", "m.h5", "--json", cwd=here).stdout)
    assert fresh["test"]["samples"] == 10000 and fresh["test"]["accuracy"] >= 0.99
    assert fresh["model_hash"] == json.loads((here / "r.json").read_text())["model_hash"]
    # another grammar of the same shape is as good as chance, whichever way it is named
    run("eval", "m.h5", *SMALL[:-1], 3, "--report", "e.json", cwd=here)
    assert json.loads((here / "e.json").read_text())["test"]["accuracy"] < 0.5
    assert "accuracy" in run("eval", "m.h5", "--grammar", "g.h5", "--test-samples", 50, cwd=here).stdout


def test_eval_does_not_repeat_the_test_of_training(tmp_path):
    """A poor model is right on another number of other sequences, but on about as many."""
    run("train", "--vocab", 8, "--rules", 4, "--levels", 2, "--samples", 150, "--width", 32, "--test-samples", 100000, "-o", "m.h5",
        "--report", "r.json", cwd=tmp_path)
    trained = json.loads((tmp_path / "r.json").read_text())["test"]["accuracy"]
    assert 0.3 < trained < 0.97
    fresh = [json.loads(run("eval", "m.h5", "--data-seed", seed, "--test-samples", 100000, "--json", cwd=tmp_path).stdout)
             ["test"]["accuracy"] for seed in (1, 1, 2)]
    assert fresh[0] == fresh[1] and len({trained, *fresh}) == 3
    assert np.abs(np.array(fresh) - trained).max() < 5 * np.sqrt(0.5 / 100000)


def test_the_model_depends_on_seeds_and_on_nothing_else(tmp_path):
    reference = report_of(tmp_path)["model_hash"]
    assert report_of(tmp_path)["model_hash"] == reference
    assert report_of(tmp_path, "--threads", 1)["model_hash"] == reference
    assert report_of(tmp_path, "--threads", 2)["model_hash"] == reference
    assert report_of(tmp_path, "--isa", "scalar")["model_hash"] == reference
    assert report_of(tmp_path, "--data-seed", 1)["model_hash"] == reference  # what it is without
    assert report_of(tmp_path, "--data-seed", 9)["model_hash"] != reference
    assert report_of(tmp_path, "--seed", 9)["model_hash"] != reference


def test_automatic_choices_do_not_depend_on_threads(tmp_path):
    automatic = QUICK[:6] + ["--max-width", "256"]
    first, second = (report_of(tmp_path, "--threads", threads, command=automatic) for threads in (1, 2))
    assert first["model_hash"] == second["model_hash"]
    for key in ("samples", "width", "bandwidth", "ridge", "attempts"):
        assert [level[key] for level in first["levels"]] == [level[key] for level in second["levels"]]


@pytest.mark.parametrize("arguments, check", [
    (["--samples", "3000,500"], lambda r: [x["samples"] for x in r["levels"]] == [3000, 500]),
    (["--samples", "2e3"], lambda r: [x["samples"] for x in r["levels"]] == [2000, 2000]),
    (["--width", "96"], lambda r: [x["width"] for x in r["levels"]] == [96, 96]),
    (["--bandwidth", "0.5,0.25"], lambda r: [x["bandwidth"] for x in r["levels"]] == [0.5, 0.25]),
    (["--ridge", "0.01"], lambda r: [x["ridge"] for x in r["levels"]] == [0.01, 0.01]),
    (["--ridge", "paper,0.02"], lambda r: r["levels"][0]["ridge"] == pytest.approx(1 / 32) and r["levels"][1]["ridge"] == 0.02),
    (["--solver", "gd"], lambda r: {x["solver"] for x in r["levels"]} == {"gd"}),
    (["--solver", "gd-paper", "--ridge", "paper"], lambda r: {x["solver"] for x in r["levels"]} == {"gd-paper"}),
    (["--solver", "cholesky"], lambda r: max(x["residual"] for x in r["levels"]) < 1e-4),
    (["--tolerance", "1e-6"], lambda r: max(x["residual"] for x in r["levels"]) <= 1e-6),
    (["--test-samples", "123"], lambda r: r["test"]["samples"] == 123),
    (["--threads", "1"], lambda r: r["machine"]["threads"] == 1),
    (["--isa", "scalar"], lambda r: r["machine"]["isa"] == "scalar"),
    (["--vocab", "4,8,16", "--rules", "4,4"],
     lambda r: r["instance"]["vocab"] == [4, 8, 16] and r["instance"]["rules"] == 4 and r["instance"]["levels"] == 2),
    (["--rule-sampling", "uniform"], lambda r: r["instance"]["rule_sampling"] == "uniform"),
    (["--samples", "auto", "--max-samples", "700"], lambda r: max(x["samples"] for x in r["levels"]) <= 700),
    (["--samples", "auto", "--rules", "8", "--max-seconds", "1e-6"], lambda r: "max-seconds" in str([x["limit"] for x in r["levels"]])),
    (["--width", "auto", "--max-width", "48"], lambda r: max(x["width"] for x in r["levels"]) <= 48),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_training_options_take_effect(tmp_path, arguments, check):
    base = dict(zip(QUICK[::2], QUICK[1::2]))
    for name, value in zip(arguments[::2], arguments[1::2]):
        base[name] = value
    if "," in base["--vocab"]:
        del base["--levels"]
    report = report_of(tmp_path, command=[word for pair in base.items() for word in pair])
    assert check(report), json.dumps(report["levels"], indent=1)


@pytest.mark.parametrize("samples", [60, 200])
def test_levels_that_miss_symbols_are_said(tmp_path, samples):
    """Loudly where the accuracy is the worse for it, whether or not what groups there are stand clear of each other."""
    done = run("train", "--vocab", 8, "--rules", 8, "--levels", 3, "--samples", samples, "--width", 32, "--test-samples", 100,
               "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] < 0.5
    short = [level for level in report["levels"] if not level["resolved"] or level["clusters"] < level["symbols"]]
    assert short
    for level in short:
        warned = [line for line in done.stdout.splitlines() if line.startswith(f"WARNING: level {level['level']}")]
        assert len(warned) == 1 and level["limit"] in warned[0]
        if level["resolved"]:
            groups = f"the outputs form {level['clusters']} groups, where {level['symbols']} symbols were expected"
            assert groups in warned[0] and f"the accuracy is {report['test']['accuracy']:.4f} where 1.0000 is possible" in warned[0]


# ---- Assumption 6 ------------------------------------------------------------------------------------------------------


def first_degenerate_seed(folder):
    for seed in range(1, 60):
        text = run("grammar", "--vocab", 8, "--rules", 4, "--levels", 4, "--seed", seed, cwd=folder).stdout
        if "fails" in text:
            return seed
    pytest.fail("a fifth of these grammars should violate Assumption 6")


def test_degenerate_grammars_are_announced_everywhere(tmp_path):
    shape = ["--vocab", 8, "--rules", 4, "--levels", 4]
    seed = first_degenerate_seed(tmp_path)
    done = run("grammar", *shape, "--seed", seed, "-o", "g.h5", cwd=tmp_path)
    assert "rhm grammar: warning: Assumption 6 fails at level" in done.stderr
    with h5py.File(tmp_path / "g.h5") as f:
        level = int(np.argmax(f["grammar/rho"][()] <= 0)) + 1
        posterior = f[f"grammar/posterior_{level}"][()]
    assert f"fails at level {level}" in done.stderr
    a, b = [int(word.strip(",")) for word in done.stderr.split("symbols ")[1].split()[0:3:2]]
    assert a != b and np.abs(posterior[a] - posterior[b]).max() < 1e-9
    assert "fails" in run("inspect", "g.h5", cwd=tmp_path).stdout
    assert json.loads(run("inspect", "g.h5", "--json", cwd=tmp_path).stdout)["instance"]["assumption_6"] is False
    assert "warning" in run("plan", "--grammar", "g.h5", cwd=tmp_path).stderr
    done = run("train", "--grammar", "g.h5", "--samples", 500, "--width", 32, "--test-samples", 50, "--report", "r.json",
               cwd=tmp_path)
    assert "rhm train: warning: Assumption 6 fails" in done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["instance"]["assumption_6"] is False
    refused("grammar", "--grammar", "g.h5", "--require-identifiable", cwd=tmp_path, says=["g.h5", "Assumption 6 fails"])

    done = run("grammar", *shape, "--seed", seed, "--require-identifiable", "-o", "ok.h5", cwd=tmp_path)
    with h5py.File(tmp_path / "ok.h5") as f:
        used = int(f["grammar"].attrs["seed"])
        assert used > seed and f["grammar/rho"][()].min() > 0
    assert f"seed {used} is used" in done.stderr
    assert f"seed {used}" in done.stdout


def test_uniform_rules_can_hide_symbols(tmp_path):
    """Some symbol never comes first: kappa is infinite, and JSON says null."""
    for seed in range(1, 200):
        run("grammar", "--vocab", 8, "--rules", 1, "--levels", 2, "--seed", seed, "--rule-sampling", "uniform", "-o", "g.h5",
            cwd=tmp_path)
        with h5py.File(tmp_path / "g.h5") as f:
            first = set(f["grammar/rules_1"][:, :, 0].ravel())
        if len(first) < 8:
            instance = json.loads(run("inspect", "g.h5", "--json", cwd=tmp_path).stdout)["instance"]
            assert instance["kappa"] is None and instance["assumption_6"] is False
            plan = json.loads(run("plan", "--grammar", "g.h5", "--json", cwd=tmp_path).stdout)
            assert plan["theorem"]["levels"][0]["samples_corrected"] is None
            return
    pytest.fail("8 rules with 8 different first symbols, 199 times in a row")


# ---- plan and inspect --------------------------------------------------------------------------------------------------


def test_plan_prints_theorem_and_practice(here):
    text = run("plan", "--grammar", "g.h5", cwd=here).stdout
    for words in ("kappa", "K_rho", "eps_O", "N printed", "N corrected", "GD steps", "wanted N", "distinct"):
        assert words in text
    plan = json.loads(run("plan", "--grammar", "g.h5", "--json", cwd=here).stdout)
    report = json.loads((here / "r.json").read_text())
    assert plan["instance"]["rho"] == report["instance"]["rho"]
    for level, c in zip((3, 2, 1), plan["theorem"]["levels"]):
        assert c["level"] == level
        assert c["samples_corrected"] == pytest.approx(32 * c["samples_printed"])
        assert c["bandwidth_printed"] == pytest.approx(2 * c["bandwidth_corrected"])
    possible = [level["possible_patches"] for level in plan["practice"]["levels"]]
    assert possible == [32, 512, 131072]
    for predicted, actual in zip(plan["practice"]["levels"], report["levels"]):
        assert predicted["draw"] == actual["draw"] and predicted["kept_share"] == actual["kept_share"] == 1
        assert 1 / 8 < predicted["distinct_patches"] / actual["distinct_patches"] < 8
        assert all(seconds > 0 for name, seconds in predicted["seconds"].items() if name not in ("embed", "epoch", "messages"))
    assert plan["practice"]["seconds"] > 0 and plan["practice"]["memory_bytes"] > 2 ** 20
    given = json.loads(run("plan", *SMALL, "--samples", "5000,400,300", "--width", 77, "--json", cwd=here).stdout)
    assert [level["samples"] for level in given["practice"]["levels"]] == [5000, 400, 300]
    assert {level["width"] for level in given["practice"]["levels"]} == {77}
    # 2M = 154 features: one fit of 32 patches is solved by passes, one of hundreds on the Gram matrix.
    many = json.loads(run("plan", *SMALL, "--samples", "5000,4000,3000", "--width", 77, "--json", cwd=here).stdout)
    assert [level["route"] for level in many["practice"]["levels"]] == ["passes", "gram", "gram"]
    assert {level["ridge_route"] for level in plan["practice"]["levels"]} <= {"passes", "gram"}
    assert given["practice"]["levels"][1]["distinct_patches"] == pytest.approx(512 * (1 - (511 / 512) ** 400))
    assert json.loads(run("plan", *SMALL, "--max-samples", 300, "--json", cwd=here).stdout)["practice"]["levels"][0]["capped"]


def test_inspect_every_kind(here):
    report = json.loads((here / "r.json").read_text())
    for name, kind in (("g.h5", "grammar"), ("d.h5", "data"), ("m.h5", "model"), ("p.h5", "prediction")):
        assert kind in run("inspect", name, cwd=here).stdout
        found = json.loads(run("inspect", name, "--json", cwd=here).stdout)
        assert found["kind"] == kind
        if kind == "model":
            assert found["model_hash"] == report["model_hash"] and found["report"] == report
            for mine, reported in zip(found["levels"], report["levels"]):
                assert {key: mine[key] for key in ("level", "width", "bandwidth", "ridge")} == {
                    key: reported[key] for key in ("level", "width", "bandwidth", "ridge")}
        if kind == "data":
            assert (found["sequences"], found["levels"], found["branching"], found["labelled"]) == (30000, 3, 2, True)
        if kind != "prediction":
            assert found["instance"] == report["instance"]
        else:
            assert found["sequences"] == 30000 and found["classes"] == 8


def test_the_level_above_the_last_table_is_thinned(tmp_path):
    """Level 5 of (8, 4, 2, 8) has 8.6e9 patches: some of them, with up to 10^15 samples, and the same bits for any threads."""
    deep = ["--vocab", 8, "--levels", 8, "--width", 48, "--samples", "3e10,2e11,3e10,auto,20000,20000,5000,2000"]
    chosen = ["--bandwidth", "0.35,7.565e-4,1.432e-3,3.35e-3,0.0135,0.02,0.0568,0.22", "--ridge", "1e-6,1e-6,3e-6,3e-5,3e-3,3e-3,3e-3,3e-3"]
    reports = []
    for threads in (1, 2):
        shown = run("train", *deep, *chosen, "--test-samples", 100, "--threads", threads, "--report", "r.json", cwd=tmp_path).stdout
        wanted = float(re.search(r"note: level 5: of (\S+) samples those are kept", shown)[1])
        reports.append(json.loads((tmp_path / "r.json").read_text()))
    assert reports[0]["model_hash"] == reports[1]["model_hash"]
    levels = {level["level"]: level for level in reports[0]["levels"]}
    assert {level["draw"] for level in levels.values() if level["level"] >= 5} == {"counts"}
    assert {level["draw"] for level in levels.values() if level["level"] < 5} == {"samples"}
    assert {l: level["kept_share"] < 1 for l, level in levels.items()} == {l: l == 5 for l in levels}
    thinned = levels[5]
    assert thinned["distinct_patches"] == 65536
    assert thinned["kept_share"] == pytest.approx(65536 / (32 * 16384 ** 2))  # rules are equally likely, so are their patches
    assert 1e11 <= wanted <= 1e15
    assert thinned["samples"] == pytest.approx(wanted * thinned["kept_share"], rel=0.06)  # two digits are printed
    plan = json.loads(run("plan", *deep, "--json", cwd=tmp_path).stdout)["practice"]["levels"]
    assert {level["level"]: level["kept_share"] < 1 for level in plan} == {l: l == 5 for l in levels}
