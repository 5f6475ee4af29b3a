"""Exact rho of many grammars, for the first patch alone and for several positions, from the rules that `rhm grammar` draws; and what
`rhm grammar` itself says of the grammars of a search."""
import math
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np

from perf.harness.project import PerfError

SHAPES = ((8, 2), (8, 4), (8, 8), (16, 2), (16, 4), (16, 8))  # V, m; s = 2
SAMPLINGS = ("first-token-uniform", "uniform")
LEVELS, GRAMMARS = 8, 200
POSITIONS = (1, 2, 4)
EQUAL = 1e-9  # posteriors closer than this are the same


def transitions(path):
    """[level][child]: (V, V), probability of each symbol in that place of a patch of each parent."""
    with h5py.File(path) as file:
        grammar = file["grammar"]
        found = []
        for level in range(1, LEVELS + 1):
            rules, weight = grammar[f"rules_{level}"][()], grammar[f"probability_{level}"][()]
            vocab = int(grammar.attrs["vocab"][level])
            table = np.zeros((rules.shape[2], rules.shape[0], vocab))
            for child in range(rules.shape[2]):
                for parent in range(rules.shape[0]):
                    np.add.at(table[child, parent], rules[parent, :, child].astype(int), weight[parent])
            found.append(table)
        return found


def posteriors(tables, level, position):
    """(V_{l-1}, labels): label posterior of each symbol of level - 1 at a position, NaN where it never comes there."""
    path = [(position >> (level - 2 - i)) & 1 for i in range(level - 1)]
    joint = np.eye(tables[0].shape[1]) / tables[0].shape[1]
    for below, child in enumerate(path):
        joint = joint @ tables[below][child]
    total = joint.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, joint / total, np.nan).T


def rho(tables, level, positions):
    """Smallest distance of two symbols' posteriors at the first positions side by side; 0 where a symbol never comes, at any."""
    blocks = [posteriors(tables, level, j) for j in range(min(positions, 2 ** (level - 1)))]
    seen = ~np.isnan(np.stack([block[:, 0] for block in blocks]))
    if not seen.any(axis=0).all():
        return 0.0
    prior = 1 / blocks[0].shape[1]
    side = np.concatenate([np.where(np.isnan(block), prior, block) for block in blocks], axis=1)
    apart = np.sqrt(((side[:, None] - side[None]) ** 2).sum(axis=2))
    least = apart[~np.eye(len(side), dtype=bool)].min()
    return float(least) if least > EQUAL else 0.0


def draw(rhm, path, options, *more):
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([rhm, "grammar", *words, *more, "-o", str(path)], capture_output=True, text=True)
    if done.returncode:
        raise PerfError(f"rhm grammar: {done.stderr.strip()}")


def of_searches(rhm, searches, column, measured):
    """A table of `measured` of the grammar file of each search (a row of thresholds.csv)."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.h5"
        for search in searches:
            key = search["rules"], search["levels"], search["seed"]
            if key in rows:
                continue
            options = {name: search[name] for name in ("vocab", "rules", "levels", "seed", "rule-sampling") if name in search}
            draw(rhm, path, options, *["--require-identifiable"] * (search.get("require-identifiable") == "on"))
            with h5py.File(path) as file:
                rows[key] = [*key, float(f"{measured(file['grammar']):.6g}")]
    return {"columns": ["rules", "levels", "seed", column], "rows": list(rows.values())}


def rho_of_searches(rhm, searches):
    """The smallest rho, which is that of level L."""
    return of_searches(rhm, searches, "rho", lambda grammar: grammar["rho"][-1])


def siblings(grammar):
    """Smallest distance, over the levels 1..L-1, of two symbols' laws of the symbol beside them (s = 2): given that they are the first of
    a patch, and the second, one after the other. 0: no learner that sees siblings alone can tell them apart."""
    known, least = grammar["label_probability"][()], math.inf
    for level in range(1, int(grammar.attrs["levels"])):
        rules, weight = grammar[f"rules_{level}"][()].astype(int), grammar[f"probability_{level}"][()]
        vocab = int(grammar.attrs["vocab"][level])
        pairs = np.zeros((vocab, vocab))
        np.add.at(pairs, (rules[..., 0], rules[..., 1]), known[:, None] * weight)
        with np.errstate(invalid="ignore"):
            laws = np.nan_to_num(np.concatenate([pairs / pairs.sum(axis=1, keepdims=True), (pairs / pairs.sum(axis=0, keepdims=True)).T], axis=1))
        apart = np.sqrt(((laws[:, None] - laws[None]) ** 2).sum(axis=2))
        least = min(least, apart[~np.eye(vocab, dtype=bool)].min())
        known = (pairs.sum(axis=0) + pairs.sum(axis=1)) / 2
    return least if least > EQUAL else 0.0


def siblings_of_searches(rhm, searches):
    return of_searches(rhm, [search for search in searches if search["learner"] == "latent"], "sibling_distance", siblings)


def laws_of(rhm, vocab, rules, sampling, grammars=GRAMMARS):
    """Rows (level, positions, share with rho = 0 at the level, at the level or below, quartiles of the other rho)."""
    found = {(level, k): [] for level in range(1, LEVELS + 1) for k in POSITIONS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.h5"
        for seed in range(1, grammars + 1):
            draw(rhm, path, {"vocab": vocab, "rules": rules, "levels": LEVELS, "seed": seed, "rule-sampling": sampling})
            tables = transitions(path)
            for (level, k), values in found.items():
                values.append(rho(tables, level, k))
    rows = []
    for k in POSITIONS:
        failed = np.zeros(grammars, dtype=bool)
        for level in range(1, LEVELS + 1):
            values = np.array(found[level, k])
            failed |= values == 0
            apart = values[values > 0]
            quartiles = np.quantile(apart, [0.25, 0.5, 0.75]) if len(apart) else [np.nan] * 3
            rows.append([vocab, rules, sampling, level, k, grammars, float((values == 0).mean()), float(failed.mean()), *map(float, quartiles)])
    return rows


COLUMNS = ["vocab", "rules", "rule-sampling", "level", "positions", "grammars", "share_zero", "share_failed", "rho_25", "rho_50", "rho_75"]


def measure(rhm, say):
    rows = []
    for vocab, rules in SHAPES:
        for sampling in SAMPLINGS:
            say(f"laws of V = {vocab}, m = {rules}, {sampling}")
            rows += laws_of(rhm, vocab, rules, sampling)
    return {"columns": COLUMNS, "rows": rows}
