"""What is run for each experiment: sweeps of `rhm`, and for E4 the exact laws of many grammars.

The whole takes about half an hour on two cores. Grammars of the learner that reads first patches alone satisfy Assumption 6;
seeds are a hundred apart, for --require-identifiable tries the next ones."""
import json
import subprocess
from dataclasses import dataclass, field

from perf.harness.project import PerfError

THRESHOLD = ["--find-threshold", "samples"]


@dataclass(frozen=True)
class Sweep:
    name: str
    grid: str
    options: list = field(default_factory=list)
    keep: tuple = ("cells",)  # tables of a sweep without a search: cells, levels, times
    of_grammars: str = ""  # a function of perf/results/laws.py: what a search's grammars are, beside its results


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    question: str
    sweeps: object  # a function of the command `rhm`, which gives a list of Sweep
    laws: bool = False


def first_patch(_):
    """E1. Tables read the same first patches as the learner of the paper does, at a thousandth of the cost."""
    quick = [*THRESHOLD, "--trials", "6", "--greatest", "4e6"]
    layerwise = "learner=layerwise; width=512; vocab=8; test-samples=1000"
    ids, by_ids = "learner=layerwise; between=ids; width=512; vocab=16; test-samples=1000", [*THRESHOLD, "--trials", "6", "--greatest", "1e13"]
    return [
        Sweep("table", "learner=table; positions=1; vocab=16; rules=2,4,8,16; levels=2..8; seed=1,101,201; test-samples=1000; "
              "require-identifiable=on", [*THRESHOLD, "--greatest", "1e13"], of_grammars="rho_of_searches"),
        # Counts at all positions of sequences of 2^L tokens cost m times as much with each level: seconds at V m^L = 10^7.
        Sweep("table_auto", " | ".join(f"learner=table; vocab=16; rules={rules}; levels=2..{deepest}; seed=1,101,201; test-samples=1000"
                                       for rules, deepest in ((2, 8), (4, 6), (8, 5), (16, 4))), [*THRESHOLD, "--greatest", "1e13"]),
        Sweep("layerwise", f"{layerwise}; positions=1; rules=2,4; levels=2..3; seed=1; require-identifiable=on | "
              f"{layerwise}; positions=1; rules=2; levels=4; seed=1; require-identifiable=on | "
              f"{layerwise}; positions=1; rules=8; levels=2; seed=1; require-identifiable=on", quick),
        Sweep("layerwise_auto", f"{layerwise}; rules=2,4; levels=2..3; seed=1 | {layerwise}; rules=2; levels=4; seed=1 | "
              f"{layerwise}; rules=8; levels=2; seed=1", quick),
        # With ids between levels patches stay as few as a table's, and a training ends in less than a second at any depth.
        Sweep("layerwise_ids", f"{ids}; positions=1; rules=2,4,8,16; levels=2..8; seed=1,101; require-identifiable=on", by_ids,
              of_grammars="rho_of_searches"),
        Sweep("layerwise_ids_auto", " | ".join(f"{ids}; rules={rules}; levels=2..{deepest}; seed=1"
                                               for rules, deepest in ((2, 6), (4, 6), (8, 5), (16, 4))), by_ids),
    ]


def rivals(_):
    """E2. PRX rules, so that f = m / V may be anything up to 1."""
    common = "vocab=8; rule-sampling=uniform; test-samples=1000"
    quick = [*THRESHOLD, "--trials", "6"]
    return [
        Sweep("counting", f"learner=table,latent,one-step; {common}; levels=3; rules=2..8; seed=1..3", THRESHOLD, of_grammars="siblings_of_searches"),
        Sweep("layerwise", f"learner=layerwise; width=512; {common}; levels=3; rules=2,4,6; seed=1..2", quick),
        Sweep("shallow", f"learner=shallow; width=512; {common}; levels=3; rules=2,3,4; seed=1", [*quick, "--greatest", "32768"]),
        Sweep("cnn", f"learner=cnn; protocol=2025; width=64; {common}; levels=3; rules=2,4,6,8; seed=1",
              ["--find-threshold", "sequences", "--trials", "6", "--least", "64", "--greatest", "65536"]),
        Sweep("deep", f"learner=table; {common}; levels=6; rules=2..8; seed=1..3", [*THRESHOLD, "--greatest", "1e9"]),
        Sweep("deep_latent", f"learner=latent; {common}; levels=6; rules=2..8; seed=1..3", THRESHOLD, of_grammars="siblings_of_searches"),
    ]


def depth(_):
    """E3. Sequences have up to 2^20 tokens."""
    return [
        Sweep("table", "learner=table; vocab=8; rules=4; levels=2..20; seed=1..3; test-samples=200", keep=("cells", "times")),
        Sweep("latent", "learner=latent; vocab=8; rules=4; levels=2..16; samples=4000; seed=1..3; test-samples=200", keep=("cells", "times")),
        Sweep("layerwise", "learner=layerwise; vocab=8; rules=4; levels=2..6; seed=1..2; test-samples=1000; width=1024", keep=("cells", "times")),
    ]


def zipf(_):
    laws = "rule-law=uniform,zipf:0.5,zipf:1,zipf:1.5,zipf:2"
    return [
        Sweep("thresholds", f"learner=table,latent; vocab=8; rules=4; levels=3; {laws}; seed=1..5; test-samples=1000", THRESHOLD),
        Sweep("bayes", f"learner=table,latent; vocab=8; rules=4; levels=3; {laws}; seed=1..5; token-noise=0,0.05; samples=4000,64000; "
              "test-samples=4000"),
    ]


def bandwidths(rhm, vocab, rules, levels, seed):
    """{"printed": "x_L,...,x_1", "corrected": ...}: what Lemma 10 prints, and what its proof needs."""
    done = subprocess.run([rhm, "plan", "--vocab", str(vocab), "--rules", str(rules), "--levels", str(levels), "--seed", str(seed), "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        raise PerfError(f"rhm plan: {done.stderr.strip()}")
    rows = json.loads(done.stdout)["theorem"]["levels"]
    return {kind: ",".join(f"{row[f'bandwidth_{kind}']:.4g}" for row in rows) for kind in ("printed", "corrected")}


def constants(rhm):
    """E6. 64 V m^l samples of level l, of one grammar under three data seeds."""
    sigma = bandwidths(rhm, 8, 4, 3, 1)
    samples = ",".join(str(64 * 8 * 4 ** level) for level in (3, 2, 1))
    instance = f"vocab=8; rules=4; levels=3; seed=1; positions=1; samples=({samples}); data-seed=1..3; test-samples=4000"
    return [
        Sweep("width", f"{instance}; bandwidth=auto,({sigma['printed']}),({sigma['corrected']}); ridge=auto,paper; width=64..4096*2"),
        Sweep("solver", f"{instance}; bandwidth=({sigma['printed']}); ridge=paper; width=1024; solver=cg,gd,gd-paper; tolerance=1e-3,1e-4,1e-6",
              keep=("cells", "levels")),
        Sweep("levels", "vocab=8; rules=4; levels=3; seed=1,101,201; positions=1; width=1024; samples=1000..1024000*4; test-samples=4000; "
              "require-identifiable=on", keep=("cells", "levels")),
    ]


EXPERIMENTS = [
    Experiment("E1", "Samples against V m^L", "Does the number of samples that the first-patch learner needs grow like V m^L?", first_patch),
    Experiment("E2", "Learners against each other", "Which learner needs the fewest samples, and where do label-driven and latent learners cross as "
               "f = m / V^(s-1) goes to 1?", rivals),
    Experiment("E3", "Depth", "How deep can each learner go, and what does it cost?", depth),
    Experiment("E4", "The laws of rho", "Does rho^(l) fall like m^(-l/2), is it above the bound of Proposition 19, and how many grammars violate "
               "Assumption 6?", lambda _: [], laws=True),
    Experiment("E5", "Rare rules", "What do unequal rules cost in samples, and how far from the Bayes accuracy does training end?", zipf),
    Experiment("E6", "The constants of the paper", "Are the bandwidth, ridge, width and steps of the paper good choices?", constants),
]
