"""The evidence in docs/results: its laws against rhm's own, its fits against known slopes, its pages against its data."""
import json
import os
import re
import subprocess

import h5py
import numpy as np
import pytest

from perf_tools import perf
from perf import evidence
from perf.results import experiments, findings, laws, pages
from perf.harness.project import ROOT

RHM = os.environ["RHM_COMMAND"]
RECORDS = sorted((ROOT / "docs/results/data").glob("E*.json"))


@pytest.mark.parametrize("sampling", laws.SAMPLINGS)
def test_rho_of_the_first_patch_is_what_rhm_says(tmp_path, monkeypatch, sampling):
    monkeypatch.setattr(laws, "LEVELS", 4)
    for seed in range(1, 6):
        subprocess.run([RHM, "grammar", "--vocab", "8", "--rules", "4", "--levels", "4", "--seed", str(seed), "--rule-sampling", sampling, "-o",
                        tmp_path / f"{seed}.h5"], check=True, capture_output=True)
        tables = laws.transitions(tmp_path / f"{seed}.h5")
        with h5py.File(tmp_path / f"{seed}.h5") as file:
            posterior = {level: file[f"grammar/posterior_{level}"][()] for level in range(1, 5)}
        for level in range(1, 5):
            np.testing.assert_allclose(laws.posteriors(tables, level, 0), posterior[level], atol=1e-12, equal_nan=True)
            known = posterior[level][~np.isnan(posterior[level][:, 0])]
            if len(known) < 8:
                assert laws.rho(tables, level, 1) == 0
                continue
            apart = [np.linalg.norm(a - b) for i, a in enumerate(known) for b in known[:i]]
            assert laws.rho(tables, level, 1) == pytest.approx(min(apart) if min(apart) > laws.EQUAL else 0, abs=1e-12)
            assert laws.rho(tables, level, 4) >= laws.rho(tables, level, 2) >= laws.rho(tables, level, 1)


def test_positions_are_those_of_samples(tmp_path, monkeypatch):
    """Posteriors at a position are frequencies of labels among sequences with that symbol there."""
    monkeypatch.setattr(laws, "LEVELS", 3)
    subprocess.run([RHM, "grammar", "--vocab", "4", "--rules", "2", "--levels", "3", "--seed", "2", "--rule-sampling", "uniform", "-o", tmp_path / "g.h5"],
                   check=True, capture_output=True)
    subprocess.run([RHM, "sample", "--grammar", tmp_path / "g.h5", "--samples", "40000", "--latents", "-o", tmp_path / "d.h5"], check=True, capture_output=True)
    tables = laws.transitions(tmp_path / "g.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        labels, latents = file["data/labels"][()], file["data/latents_2"][()]
    for position in range(4):
        exact = laws.posteriors(tables, 3, position)
        for symbol in range(4):
            own = labels[latents[:, position] == symbol]
            if len(own) > 1000:
                np.testing.assert_allclose(np.bincount(own, minlength=4) / len(own), exact[symbol], atol=5 * 0.5 / len(own) ** 0.5)


def test_laws_of_siblings_are_those_of_samples(tmp_path):
    """Of one level of symbols, from how often two stand side by side; with all patches in use no two symbols differ."""
    for rules, more in ((2, []), (4, ["--rule-law", "zipf:1"])):
        subprocess.run([RHM, "grammar", "--vocab", "4", "--rules", str(rules), "--levels", "2", "--seed", "3", "--rule-sampling", "uniform", *more, "-o", tmp_path / f"{rules}.h5"],
                       check=True, capture_output=True)
        subprocess.run([RHM, "sample", "--grammar", tmp_path / f"{rules}.h5", "--samples", "100000", "--latents", "-o", tmp_path / "d.h5"], check=True, capture_output=True)
        with h5py.File(tmp_path / "d.h5") as file:
            pairs = np.zeros((4, 4))
            np.add.at(pairs, tuple(file["data/latents_1"][()].T.astype(int)), 1)
        beside = [np.concatenate([pairs[i] / pairs[i].sum(), pairs[:, i] / pairs[:, i].sum()]) for i in range(4)]
        with h5py.File(tmp_path / f"{rules}.h5") as file:
            assert laws.siblings(file["grammar"]) == pytest.approx(min(np.linalg.norm(a - b) for i, a in enumerate(beside) for b in beside[:i]), abs=0.02)
        (tmp_path / "d.h5").unlink()
    assert laws.siblings_of_searches(RHM, [{"learner": "latent", "vocab": 4, "rules": 4, "levels": 2, "seed": 3, "rule-sampling": "uniform"},
                                           {"learner": "table", "vocab": 4, "rules": 2, "levels": 2, "seed": 3}])["rows"] == [[4, 2, 3, 0.0]]


def test_slopes_are_found_with_their_intervals():
    x = np.array([2.0**k for k in range(4, 14)])
    exact = findings.slope(list(zip(x, 3 * x**1.5)))
    assert (exact["slope"], exact["factor"], exact["points"]) == (1.5, 3.0, 10)
    chance = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        fit = findings.slope(list(zip(x, 3 * x * np.exp(chance.normal(0, 0.5, len(x))))))
        inside += fit["low"] <= 1 <= fit["high"]
    assert inside >= 180


def test_an_experiment_is_run_kept_and_drawn(tmp_path, monkeypatch):
    """A small E3 from the command to the page; the second time its cells are there."""
    small = experiments.Experiment("E3", "Depth", "How deep?", lambda _: [
        experiments.Sweep("table", "learner=table; vocab=8; rules=4; levels=2..3; seed=1; test-samples=50", keep=("cells", "times")),
        experiments.Sweep("latent", "learner=latent; vocab=8; rules=4; levels=2..3; samples=500; seed=1; test-samples=50", keep=("cells", "times")),
        experiments.Sweep("layerwise", "learner=table; vocab=8; rules=4; levels=2; seed=1; test-samples=50", keep=("cells", "times"))])
    monkeypatch.setattr(evidence, "EXPERIMENTS", [small])
    options = type("Options", (), {"only": "E3", "rhm": RHM, "work": tmp_path / "work", "output": tmp_path / "data"})
    assert evidence.run(options) == 0
    first = json.loads((tmp_path / "data/E3.json").read_text())
    assert first["sweeps"]["table"]["command"].startswith("rhm sweep --grid 'learner=table;")
    assert evidence.run(options) == 0
    second = json.loads((tmp_path / "data/E3.json").read_text())
    assert first["sweeps"] == second["sweeps"] and first["findings"] == second["findings"]
    drawn = type("Options", (), {"data": tmp_path / "data", "output": tmp_path / "out"})
    assert pages.run(drawn) == 0
    assert (tmp_path / "out/images/E3.png").stat().st_size > 10000 and "<svg" in (tmp_path / "out/images/E3.svg").read_text()
    assert "images/E3.png" in (tmp_path / "out/E3.md").read_text()


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_pages_say_what_their_data_say(path):
    record = pages.read(path)
    assert findings.without_nan(json.loads(json.dumps(findings.without_nan(findings.of(record))))) == record["findings"]
    text = (ROOT / "docs/results" / f"{record['experiment']}.md").read_text()
    names = re.findall(r"images/(\S+)\.png", text)
    assert pages.page(record, names) == text
    for name in names:
        assert (ROOT / f"docs/results/images/{name}.png").exists() and (ROOT / f"docs/results/images/{name}.svg").exists()


def test_what_is_missing_is_said(tmp_path):
    done = perf("figures", tmp_path)
    assert done.returncode == 1 and "holds no records" in done.stderr
    done = perf("evidence", "--only", "E9", "--rhm", RHM)
    assert done.returncode == 2 and "no experiment 'E9'" in done.stderr
    (tmp_path / "E1.json").write_text("{}")
    done = perf("figures", tmp_path)
    assert done.returncode == 1 and "E1.json is no record" in done.stderr
