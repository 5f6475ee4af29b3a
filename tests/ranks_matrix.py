"""Train the same instances with other numbers of ranks, threads, instruction sets and MPIs, and compare model and report.

    RHM_COMMAND=build/release/bin/rhm python3 tests/ranks_matrix.py [--only NAME,...] [--ranks 1,2,3,4] [--isa scalar,avx2]

Reports are compared but for times and what describes the machine. Some minutes to an hour: the ctest suite runs a few of
these combinations (test_ranks.py).
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LAUNCHERS = {"openmpi": ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "--quiet", "-n"], "mpich": ["mpirun.mpich", "-n"]}
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_base_warn_component_unused": "0"}
SMALL = ["--vocab", "6", "--rules", "3", "--levels", "3", "--seed", "2"]
WIDE = ["--vocab", "8", "--rules", "4", "--levels", "3", "--seed", "2"]
DIVIDED = ["--vocab", "8", "--rules", "4", "--seed", "2", "--draw", "samples", "--bandwidth", "0.3"]  # with limits of which a copy would take too much
DEEP = ["--vocab", "8", "--levels", "8", "--width", "48", "--samples", "3e10,2e11,3e10,auto,20000,20000,5000,2000"]
CHOSEN = ["--bandwidth", "0.35,7.565e-4,1.432e-3,3.35e-3,0.0135,0.02,0.0568,0.22", "--ridge", "1e-6,1e-6,3e-6,3e-5,3e-3,3e-3,3e-3,3e-3"]
CASES = {
    "default": [],
    "positions": [*SMALL, "--positions", "3", "--samples", "20000", "--width", "64"],
    "passes": [*SMALL, "--solver", "gd", "--samples", "3000", "--width", "128"],
    "counted": [*SMALL, "--draw", "samples", "--samples", "40000", "--width", "64"],
    "divided": [*DIVIDED, "--levels", "4", "--samples", "2000,2000,2000,30000", "--width", "512", "--ridge", "1e-3", "--memory-limit", "180M"],
    "divided positions": [*DIVIDED, "--levels", "5", "--positions", "1,1,1,2,1", "--samples", "2000,2000,2000,12000,9000", "--width", "512",
                          "--ridge", "1e-3", "--memory-limit", "180M"],
    "divided preconditioned": [*DIVIDED, "--levels", "4", "--samples", "2000,2000,2000,140000", "--width", "1024", "--ridge", "1e-3", "--memory-limit", "800M"],
    "divided gram": [*DIVIDED, "--levels", "4", "--samples", "2000,2000,2000,30000", "--width", "128", "--ridge", "auto", "--memory-limit", "180M"],
    "divided cholesky": [*DIVIDED, "--levels", "4", "--samples", "2000,2000,2000,20000", "--width", "512", "--ridge", "1e-3", "--solver", "cholesky", "--memory-limit", "180M"],
    "divided deep": [*DIVIDED, "--levels", "6", "--samples", "2000,2000,2000,20000,18000,17000", "--width", "512", "--ridge", "1e-3", "--memory-limit", "180M"],
    "raw": [*SMALL, "--distinct", "off", "--samples", "20000", "--width", "16"],
    "raw positions": [*SMALL, "--distinct", "off", "--samples", "9000", "--width", "16", "--positions", "2"],
    "raw preconditioned": ["--vocab", "8", "--rules", "4", "--levels", "2", "--seed", "2", "--distinct", "off", "--samples", "2000,140000",
                           "--width", "1024", "--bandwidth", "0.3", "--ridge", "1e-3"],
    "raw gram": [*SMALL, "--distinct", "off", "--samples", "9000", "--width", "128", "--ridge", "auto"],
    "gram": [*WIDE, "--samples", "20000", "--width", "512"],
    "preconditioned": [*WIDE, "--samples", "2000,2000,150000", "--width", "2048"],
    "thinned": [*DEEP, *CHOSEN],
    "clusters": ["--vocab", "48", "--rules", "4", "--levels", "2", "--seed", "2", "--samples", "20000", "--width", "32", "--bandwidth", "0.5", "--ridge", "1e-3"],
    "ids": [*SMALL, "--between", "ids", "--samples", "9000", "--width", "64"],
    "table": [*SMALL, "--learner", "table", "--positions", "2"],
    "tensor": [*SMALL, "--learner", "tensor", "--samples", "5000"],
    "one-step": [*SMALL, "--learner", "one-step", "--samples", "20000"],
    "latent": [*SMALL, "--learner", "latent", "--samples", "9000"],
    "shallow": [*SMALL, "--learner", "shallow", "--samples", "1000"],
    "cnn": [*SMALL, "--learner", "cnn", "--sequences", "200", "--epochs", "2", "--width", "16"],
}
MACHINES = ("second", "machine", "command", "predicted", "flops", "memory", "peak", "threads", "ceilings", "messages")


def without_machine(value):
    if isinstance(value, dict):
        return {key: without_machine(v) for key, v in value.items() if not any(word in key for word in MACHINES)}
    return [without_machine(v) for v in value] if isinstance(value, list) else value


def train(case, mpi, ranks, threads, isa, directory):
    report = Path(directory) / "report.json"
    words = [os.environ["RHM_COMMAND"], "train", *CASES[case], "--test-samples", "500", "--threads", str(threads), "--isa", isa,
             "--progress", "off", "--ceilings", "off", "--report", str(report)]
    launcher = [*LAUNCHERS[mpi], str(ranks)] if ranks > 1 else []
    done = subprocess.run([*launcher, *words], env={**os.environ, **ROOT}, text=True, capture_output=True, timeout=3600)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    found = json.loads(report.read_text())
    report.unlink()
    return found["model_hash"], without_machine(found)


def difference(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        return [d for key in sorted({*a, *b}) for d in difference(a.get(key), b.get(key), f"{path}.{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in difference(x, y, f"{path}[{i}]")]
    return [] if a == b else [f"{path}: {a} and {b}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--ranks", default="1,2,3,4")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--isa", default="scalar,avx2")
    parser.add_argument("--mpi", default=",".join(LAUNCHERS))
    options = parser.parse_args()
    failures = runs = 0
    for case in options.only.split(","):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as directory:
            expected = train(case, None, 1, 2, "auto", directory)
            seen = 0
            for ranks, threads, isa in itertools.product(*(getattr(options, name).split(",") for name in ("ranks", "threads", "isa"))):
                for mpi in options.mpi.split(",")[: 1 if int(ranks) == 1 else None]:
                    found = train(case, mpi, int(ranks), int(threads), isa, directory)
                    wrong = ["model"] if found[0] != expected[0] else difference(expected[1], found[1])
                    seen += 1
                    if wrong:
                        failures += 1
                        print(f"{case}: {ranks} ranks of {mpi}, {threads} threads, {isa}: {'; '.join(wrong[:5])}", flush=True)
        runs += seen
        print(f"{case}: {seen} runs, model {expected[0][:12]}, {time.monotonic() - begin:.0f} s", flush=True)
    print(f"{runs} runs, {failures} with another model or report")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
