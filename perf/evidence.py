"""Runs the experiments of docs/results and keeps their results as small JSON files there.

  perf evidence                    all of them, about half an hour on two cores
  perf evidence --only E1,E3       some

Sweeps go on where an earlier run was interrupted (build/evidence). `perf figures` then draws pages and pictures.
Exit status: 0 done, 1 a sweep failed, 2 bad usage."""
import csv
import json
import math
import platform
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from perf.harness import git
from perf.harness.project import ROOT, PerfError
from perf.results import findings, laws
from perf.results.experiments import EXPERIMENTS

DATA = ROOT / "docs" / "results" / "data"
WORK = ROOT / "build" / "evidence"
DROPPED = {"model_hash", "reason", "labels", "tokens", "steps", "epochs", "loss", "test_sequences"}


def add_arguments(parser):
    parser.add_argument("--only", metavar="E1,...", help="experiments to run (default: all)")
    parser.add_argument("--rhm", default=str(ROOT / "build/release/bin/rhm"), metavar="FILE", help="the command (default: build/release/bin/rhm)")
    parser.add_argument("--work", type=Path, default=WORK, metavar="DIR", help="where sweeps keep their cells (default: build/evidence)")
    parser.add_argument("-o", "--output", type=Path, default=DATA, metavar="DIR", help="default: docs/results/data")


def chosen(only):
    names = [experiment.name for experiment in EXPERIMENTS]
    wanted = only.split(",") if only else names
    for name in wanted:
        if name not in names:
            raise PerfError(f"there is no experiment '{name}': there are {', '.join(names)}", status=2)
    return [experiment for experiment in EXPERIMENTS if experiment.name in wanted]


def say(text):
    print(f"perf evidence: {text}", file=sys.stderr, flush=True)


def value_of(text):
    """Numbers as such, with the digits that say something."""
    try:
        number = float(text)
    except ValueError:
        return text or None
    return int(number) if number == int(number) and abs(number) < 2**53 else float(f"{number:.6g}")


def read_table(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    kept = [i for i, name in enumerate(rows[0]) if name not in DROPPED and any(row[i] for row in rows[1:])]
    return {"columns": [rows[0][i] for i in kept], "rows": [[value_of(row[i]) for i in kept] for row in rows[1:]]}


def errors_by_size(path):
    """The trainings of a search, as the mean error of each size."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    axes = list(rows[0])[:list(rows[0]).index("status")]
    axes.remove("data-seed")
    found = {}
    for row in rows:
        if row["error_of_chance"]:
            found.setdefault(tuple(row[axis] for axis in axes), []).append(float(row["error_of_chance"]))
    return {"columns": [*axes, "trainings", "error_of_chance"],
            "rows": [[*map(value_of, key), len(errors), float(f"{sum(errors) / len(errors):.4g}")] for key, errors in found.items()]}


def cost_of(folder):
    with open(folder / "times.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {"trainings": len(rows), "cpu_seconds": round(math.fsum(float(row["cpu_seconds"]) for row in rows), 1)}


def tables_of(sweep, folder, rhm):
    if sweep.options:
        tables = {"thresholds": read_table(folder / "thresholds.csv"), "errors": errors_by_size(folder / "table.csv")}
        if sweep.of_grammars:
            tables["grammars"] = getattr(laws, sweep.of_grammars)(rhm, findings.rows_of(tables["thresholds"]))
        return tables
    files = {"cells": "table.csv", "levels": "levels.csv", "times": "times.csv"}
    return {name: read_table(folder / files[name]) for name in sweep.keep}


def run_sweep(sweep, arguments, experiment):
    folder = arguments.work / f"{experiment.name}-{sweep.name}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [arguments.rhm, "sweep", "--grid", sweep.grid, *sweep.options, "-o", str(folder)]
    say(f"{experiment.name}, {sweep.name}: {sweep.grid}")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise PerfError(f"the sweep {sweep.name} of {experiment.name} ended with status {done.returncode}", status=done.returncode)
    shown = ["rhm", "sweep", "--grid", sweep.grid, *sweep.options, "-o", f"{experiment.name}-{sweep.name}"]
    return {"command": shlex.join(shown), **cost_of(folder), **tables_of(sweep, folder, arguments.rhm)}


def machine(rhm):
    done = subprocess.run([rhm, "machine", "--json"], capture_output=True, text=True)
    described = json.loads(done.stdout) if done.returncode == 0 else {}
    return {"cpu": described.get("cpu"), "cores": described.get("topology", {}).get("cores"), "system": platform.platform()}


def run_experiment(experiment, arguments):
    begin = time.monotonic()
    version = subprocess.run([arguments.rhm, "--version"], capture_output=True, text=True).stdout.strip()
    document = {"schema": "rhm-evidence/1", "experiment": experiment.name, "title": experiment.title, "question": experiment.question,
                "version": version, "commit": git.git("rev-parse", "--short=12", "HEAD"), "machine": machine(arguments.rhm), "sweeps": {}}
    for sweep in experiment.sweeps(arguments.rhm):
        document["sweeps"][sweep.name] = run_sweep(sweep, arguments, experiment)
    if experiment.laws:
        document["laws"] = laws.measure(arguments.rhm, say)
    document["findings"] = findings.of(document)
    document["seconds_of_this_run"] = round(time.monotonic() - begin, 1)
    return document


def dump(document):
    """JSON with a line for each row."""
    text = json.dumps(document, indent=1, allow_nan=False, default=str)
    return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: "[" + re.sub(r",\s+", ", ", match.group(1)) + "]", text) + "\n"


def run(arguments):
    if not Path(arguments.rhm).exists():
        raise PerfError(f"{arguments.rhm} is missing: ./dev build makes it", status=2)
    arguments.rhm = str(Path(arguments.rhm).resolve())
    arguments.output.mkdir(parents=True, exist_ok=True)
    for experiment in chosen(arguments.only):
        document = run_experiment(experiment, arguments)
        path = arguments.output / f"{experiment.name}.json"
        path.write_text(dump(findings.without_nan(document)))
        say(f"{path} in {document['seconds_of_this_run']} s")
    return 0
