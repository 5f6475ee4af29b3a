#!/usr/bin/env python3
"""Train the same model here and in guests of other CPU models and topologies: the model hash must not change.

    same_model.py [--cache DIR] RHM
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SKIP = 77
COMMON = ["train", "--seed", "1", "--test-samples", "200", "--progress", "off", "--ceilings", "off", "--vocab"]
LARGE = [*COMMON, "8", "--rules", "3", "--levels", "3", "--samples", "300,300,3000", "--width", "96",
         "--bandwidth", "0.5", "--ridge", "0.3"]
SMALL = [*COMMON, "4", "--rules", "2", "--levels", "3", "--samples", "500", "--width", "32", "--bandwidth", "0.3", "--ridge", "0.03"]
# Whole pages of weights, with whatever there is after the copy on each node.
PAGES = [*COMMON, "6", "--rules", "3", "--levels", "2", "--samples", "500", "--width", "256", "--bandwidth", "0.5", "--ridge", "0.01"]
# What the large one must have on every node: copies of what all threads read, and what a solver keeps near its threads.
STRUCTURES = {"weights", "frequencies", "phase offsets", "cached features", "partial sums of a solver pass",
              "solver workspace"}
# CPU model, instance, options that must not matter, what the report must say of the machine, and what is on all nodes.
GUESTS = [
    ("max", LARGE, ["--threads", "4", "--placement", "scatter"],
     {"isa": "avx2", "placement": "scatter", "numa_nodes": 2, "threads": 4}, STRUCTURES),
    ("Nehalem", SMALL, ["--threads", "3"],
     {"isa": "scalar", "placement": "compact", "numa_nodes": 2, "threads": 3}, {"weights"}),
    ("max", PAGES, ["--isa", "scalar", "--placement", "0,2"],
     {"isa": "scalar", "placement": "0,2", "numa_nodes": 2, "threads": 2}, {"weights"}),
]


def train_here(rhm, instance):
    with tempfile.TemporaryDirectory() as work:
        report = pathlib.Path(work, "report.json")
        subprocess.run([rhm, *instance, "--threads", "1", "--report", report], check=True, stdout=subprocess.DEVNULL)
        return json.loads(report.read_text())


def train_in_guest(rhm, cache, cpu, command_line):
    guest = pathlib.Path(__file__).with_name("guest.py")
    command = f"$program {' '.join(command_line)} --report r.json >&2 && /bin/busybox cat r.json"
    cached = ["--cache", cache] if cache else []
    run = subprocess.run([sys.executable, guest, *cached, "--cpu", cpu, "--shell", command, "--", rhm],
                         stdout=subprocess.PIPE, text=True)
    if run.returncode == SKIP:
        sys.exit(SKIP)
    if run.returncode:
        sys.exit(f"training in the guest of CPU model {cpu} ended with status {run.returncode}")
    return json.loads(run.stdout)


def misplaced(record, structures):
    """Complaints about the placement that the report's record describes."""
    complaints = [f"thread {seat['thread']} is not where it was planned: {seat['actual']}"
                  for seat in record["team"] if not seat["as_planned"]]
    buffers = record["memory"]["buffers"]
    for row in buffers:
        pages = row["sampled_pages"]
        if pages.get("off_plan") != 0:
            complaints.append(f"pages of {row['name']} are not where they were planned: {pages}")
    spread = {row["name"] for row in buffers if all(row["sampled_pages"].get("by_node", {"all": 0}).values())}
    return complaints + [f"{name} is not on both nodes" for name in sorted(structures - spread)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache")
    parser.add_argument("rhm")
    options = parser.parse_args()
    wrong = 0
    for cpu, instance, extra, machine, structures in GUESTS:
        expected = train_here(options.rhm, instance)["model_hash"]
        report = train_in_guest(options.rhm, options.cache, cpu, instance + extra)
        here = {key: report["machine"][key] for key in machine}
        print(f"{cpu}: {report['model_hash']} on {report['machine']}")
        if report["model_hash"] != expected:
            print(f"  the model hash outside is {expected}")
            wrong += 1
        if here != machine:
            print(f"  expected {machine}")
            wrong += 1
        for complaint in misplaced(report["machine"]["record"], structures):
            print(f"  {complaint}")
            wrong += 1
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
