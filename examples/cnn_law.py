#!/usr/bin/env python3
"""How many sequences a convolutional network needs: the law P* = n_c m^L of Phys. Rev. X 14, 031001.

P* is the smallest number of training sequences with a test error of at most 10 % of chance, 0.1 (1 - 1/n_c). Here V = m = n_c, s = 2, rules are
drawn uniformly, training is the protocol prx of `rhm train --learner cnn`. Of every grammar P is doubled until the error is small enough, then
bracketed to a factor of 2^(1/4); P* is interpolated in log P. Every training is a line of --results, so an interrupted run goes on.

    examples/cnn_law.py --rhm build/release/bin/rhm                      # the table of docs/cnn.md
    examples/cnn_law.py --vocab 4 8 --levels 2 --seeds 5 -- --width 128  # what follows -- goes to rhm train
"""
import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CHANCE = 0.1  # of it the error may be so much
RATIO = 2 ** 0.25


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rhm", default="rhm", help="the command (default: %(default)s)")
    parser.add_argument("--vocab", type=int, nargs="+", default=[4, 6, 8], metavar="V", help="V = m = n_c (default: 4 6 8)")
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 3], metavar="L", help="(default: 2 3)")
    parser.add_argument("--seeds", type=int, default=3, help="grammars of each shape (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trainings side by side, a thread each")
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("cnn_law.jsonl"), help="(default: %(default)s)")
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[:own.index("--")], own[own.index("--") + 1:]
    return parser.parse_args(own), more


class Trainings:
    """Results by (V, L, seed, P, options), from the file or from the command."""

    def __init__(self, options, more):
        self.options, self.more, self.lock = options, more, threading.Lock()
        lines = options.results.read_text().splitlines() if options.results.exists() else []
        self.known = {self.key(row): row for row in map(json.loads, lines)}

    @staticmethod
    def key(row):
        return row["vocab"], row["levels"], row["seed"], row["sequences"], tuple(row["options"])

    def error(self, vocab, levels, seed, sequences):
        row = {"vocab": vocab, "levels": levels, "seed": seed, "sequences": sequences, "options": self.more}
        if self.key(row) not in self.known:
            row.update(self.train(row))
            with self.lock:
                self.known[self.key(row)] = row
                with self.options.results.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        return self.known[self.key(row)]["error"]

    def train(self, row):
        shape = ["--vocab", row["vocab"], "--rules", row["vocab"], "--levels", row["levels"], "--rule-sampling", "uniform", "--seed", row["seed"]]
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder, "report.json")
            command = [self.options.rhm, "train", "--learner", "cnn", *shape, "--sequences", row["sequences"], "--test-samples", 20000, "--threads", 1,
                       "--progress", "off", "--ceilings", "off", "--report", report, *self.more]
            begin = time.monotonic()
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr.strip() or f"{self.options.rhm} ended with status {done.returncode}")
            said = json.loads(report.read_text())
        return {"error": 1 - said["test"]["accuracy"], "loss": said["training"]["loss"], "epochs": said["training"]["epochs"],
                "seconds": time.monotonic() - begin}


def threshold(trainings, vocab, levels, seed):
    """P* of a grammar; None where all of its sequences are too few."""
    wanted, most = CHANCE * (1 - 1 / vocab), 0.8 * vocab * vocab ** (2 ** levels - 1)
    sequences = vocab ** (levels + 1) // 2
    below = None
    while (error := trainings.error(vocab, levels, seed, sequences)) > wanted:
        below = sequences, error
        if sequences >= math.floor(most):
            return None
        sequences = min(2 * sequences, math.floor(most))
    above = sequences, error
    while below is None:  # the first was enough
        sequences //= 2
        error = trainings.error(vocab, levels, seed, sequences)
        if error > wanted or sequences == 1:
            below = sequences, error
        else:
            above = sequences, error
    while above[0] > RATIO * below[0] and above[0] - below[0] > 1:
        middle = round(math.sqrt(above[0] * below[0]))
        error = trainings.error(vocab, levels, seed, middle)
        if error > wanted:
            below = middle, error
        else:
            above = middle, error
    share = (below[1] - wanted) / (below[1] - above[1]) if below[1] > above[1] else 1
    return below[0] * (above[0] / below[0]) ** share


def student(degrees):
    """97.5th percentile of Student's t (Cornish and Fisher)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def slope(points):
    """Of a straight line through (x, y), with its 95 % interval, and the factor exp of the mean of y - x."""
    x, y = zip(*points)
    mx, my = statistics.fmean(x), statistics.fmean(y)
    sxx = sum((a - mx) ** 2 for a in x)
    found = sum((a - mx) * (b - my) for a, b in points) / sxx
    left = sum((b - my - found * (a - mx)) ** 2 for a, b in points)
    half = student(len(points) - 2) * math.sqrt(left / (len(points) - 2) / sxx) if len(points) > 2 else math.inf
    return found, found - half, found + half, math.exp(my - mx)


def main():
    options, more = arguments()
    trainings = Trainings(options, more)
    cells = [(vocab, levels, seed) for levels in options.levels for vocab in options.vocab for seed in range(1, options.seeds + 1)]
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:  # the longest first, so that the end is not one of them
        order = sorted(cells, key=lambda cell: -cell[0] ** (cell[1] + 1))
        found = dict(zip(order, pool.map(lambda cell: threshold(trainings, *cell), order)))
    print(f"{'V':>3} {'L':>2} {'n_c m^L':>8}  {'P* of each grammar':<30} {'median':>8} {'/ n_c m^L':>9}")
    points = []
    for levels in options.levels:
        for vocab in options.vocab:
            law, stars = vocab ** (levels + 1), [found[vocab, levels, seed] for seed in range(1, options.seeds + 1)]
            shown = " ".join("-" if star is None else f"{star:.0f}" for star in stars)
            known = [star for star in stars if star is not None]
            points += [(math.log(law), math.log(star)) for star in known]
            middle = statistics.median(known) if len(known) == len(stars) else math.nan
            print(f"{vocab:>3} {levels:>2} {law:>8}  {shown:<30} {middle:>8.0f} {middle / law:>9.2f}")
    if len({x for x, _ in points}) > 1:
        print("slope of log P* on log n_c m^L: {:.3f}, 95 % interval {:.3f} to {:.3f}; P* is {:.2f} n_c m^L on average".format(*slope(points)))
    spent = sum(row["seconds"] for row in trainings.known.values() if tuple(row["options"]) == tuple(more))
    print(f"{len(trainings.known)} trainings, {spent:.0f} s of them, {time.monotonic() - begin:.0f} s now with {options.jobs} at a time; -: more than there are")


if __name__ == "__main__":
    main()
