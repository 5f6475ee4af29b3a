"""Runs libFuzzer on the kept inputs of a target, and shows what it finds in the form in which inputs are kept.

usage: run.py PROGRAM CORPUS.txt DIRECTORY (--seconds N | --runs N)

PROGRAM is one of libFuzzer, or a Python one of atheris.

With --seconds, inputs of earlier runs in DIRECTORY are used again and new ones added; with --runs, everything starts from the kept
inputs and a fixed seed, so that two runs do the same."""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Whatever libhdf5 asks for in one piece, it is refused by the allocator when that is too much.
OPTIONS = ["-max_len=400", "-len_control=0", "-timeout=60", "-rss_limit_mb=3000", "-malloc_limit_mb=0", "-print_final_stats=1"]
SANITIZER_STATUS = 99  # as in fuzz_bytes.c


def kept_inputs(path):
    """The bytes of every input; other lines, and what follows a '#', are for the reader."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        digits = line.partition("#")[0].replace(" ", "")
        if digits:
            try:
                yield bytes.fromhex(digits)
            except ValueError:
                sys.exit(f"{path}:{number}: not hexadecimal: {digits}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("directory", type=Path)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=int)
    length.add_argument("--runs", type=int)
    arguments = parser.parse_args()
    inputs, findings = arguments.directory.resolve() / "inputs", arguments.directory.resolve() / "findings"
    for place in (inputs, findings):
        if arguments.runs is not None:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(kept_inputs(arguments.corpus)):
        (inputs / f"kept-{number:03}").write_bytes(content)
    limit = [f"-runs={arguments.runs}", "-seed=1"] if arguments.runs is not None else [f"-max_total_time={arguments.seconds}"]
    before = set(findings.iterdir())
    env = {"ASAN_OPTIONS": f"exitcode={SANITIZER_STATUS}:allocator_may_return_null=1", **os.environ}
    program = [arguments.program.resolve()]
    if arguments.program.suffix == ".py":
        program = [sys.executable, "-B", *program]
    status = subprocess.run([*program, *OPTIONS, *limit, f"-artifact_prefix={findings}/", inputs], env=env).returncode
    for found in sorted(set(findings.iterdir()) - before):
        print(f"{found.name}: a line for {arguments.corpus}:\n{found.read_bytes().hex()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
