#!/usr/bin/env python3
"""`rhm machine --measure nodes,frequency` in a guest of two NUMA nodes: matrices of two rows and columns, all of numbers. An emulated machine
says nothing about which are larger.

    machine_matrix.py [--cache DIR] RHM
"""

import argparse
import json
import pathlib
import subprocess
import sys

SKIP = 77


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache")
    parser.add_argument("rhm")
    options = parser.parse_args()
    cached = ["--cache", options.cache] if options.cache else []
    command = "$program machine --measure nodes,frequency --json --progress off --isa scalar"
    run = subprocess.run([sys.executable, pathlib.Path(__file__).with_name("guest.py"), *cached, "--cpu", "Nehalem", "--shell", command, "--", options.rhm],
                         stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.returncode)
    found = json.loads(run.stdout)["measured"]
    print(json.dumps(found))
    nodes = found["nodes"]
    assert nodes["nodes"] == [0, 1], nodes
    for key in ("load_gbs", "latency_ns"):
        assert len(nodes[key]) == 2 and all(len(row) == 2 and all(value > 0 for value in row) for row in nodes[key]), nodes
    assert [row["cores"] for row in found["frequency"]] == [1, 2, 4], found["frequency"]


if __name__ == "__main__":
    main()
