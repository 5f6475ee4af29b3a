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
INSTANCE = ["train", "--vocab", "4", "--rules", "2", "--levels", "3", "--seed", "1", "--samples", "1000", "--width", "32",
            "--test-samples", "200", "--progress", "off"]
# CPU model, options that must not matter, and what the report must say of the machine.
GUESTS = [
    ("max", ["--threads", "4", "--placement", "scatter"], {"isa": "avx2", "placement": "scatter", "numa_nodes": 2, "threads": 4}),
    ("Nehalem", ["--threads", "3"], {"isa": "scalar", "placement": "compact", "numa_nodes": 2, "threads": 3}),
]


def train_here(rhm, options):
    with tempfile.TemporaryDirectory() as work:
        report = pathlib.Path(work, "report.json")
        subprocess.run([rhm, *INSTANCE, *options, "--report", report], check=True, stdout=subprocess.DEVNULL)
        return json.loads(report.read_text())


def train_in_guest(rhm, cache, cpu, options):
    guest = pathlib.Path(__file__).with_name("guest.py")
    command = f"$program {' '.join(INSTANCE + options)} --report r.json >&2 && /bin/busybox cat r.json"
    cached = ["--cache", cache] if cache else []
    run = subprocess.run([sys.executable, guest, *cached, "--cpu", cpu, "--shell", command, "--", rhm],
                         stdout=subprocess.PIPE, text=True)
    if run.returncode == SKIP:
        sys.exit(SKIP)
    if run.returncode:
        sys.exit(f"training in the guest of CPU model {cpu} ended with status {run.returncode}")
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache")
    parser.add_argument("rhm")
    options = parser.parse_args()
    expected = train_here(options.rhm, ["--threads", "1"])["model_hash"]
    wrong = 0
    for cpu, extra, machine in GUESTS:
        report = train_in_guest(options.rhm, options.cache, cpu, extra)
        here = {key: report["machine"][key] for key in machine}
        print(f"{cpu}: {report['model_hash']} on {report['machine']}")
        if report["model_hash"] != expected:
            print(f"  the model hash outside is {expected}")
            wrong += 1
        if here != machine:
            print(f"  expected {machine}")
            wrong += 1
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
