"""rhm and the bench_* programs: found or built, and run."""
import functools
import os
import shlex
import subprocess
from pathlib import Path

from perf.harness import arguments as types
from perf.harness import process, snapshots
from perf.harness.project import ROOT, PerfError

BENCH_OPTIONS = ("-DRHM_BENCH=ON",)
RECIPE = snapshots.Recipe(("-DCMAKE_BUILD_TYPE=Release", "-DRHM_TESTS=OFF", *BENCH_OPTIONS), {"rhm_command": "rhm"}, "bench/{}.c",
                          {"bench/shapes": "shapes"})


def add_arguments(parser):
    parser.add_argument("--bin", type=types.directory, metavar="DIR",
                        help="where rhm and bench_* are (default: build/release/bin, brought up to date)")


def build(source=ROOT, directory=None, options=BENCH_OPTIONS, targets=(), preset="release"):
    """Configure and build; the directory of the programs. PerfError with the end of the log when that fails."""
    source = Path(source)
    directory = Path(directory) if directory else source / "build" / preset
    target = ["--target", *targets] if targets else []
    for command in (["cmake", "--preset", preset, "-B", str(directory), *options],
                    ["cmake", "--build", str(directory), f"-j{len(os.sched_getaffinity(0))}", *target]):
        done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-30:])
            raise PerfError(f"the build of {source} failed: {shlex.join(command)}\n{tail}")
    return directory / "bin"


def arguments_of(program, binaries):
    """Of a benchmark program that was kept with its shapes."""
    shapes = binaries.parent / "shapes" / f"{program.removeprefix('bench_')}.txt"
    return [f"--shapes={shapes}"] if shapes.exists() else []


@functools.cache
def _build_once():
    return build()


def programs(arguments=None, needed=("rhm",)):
    """The directory with the needed programs: --bin, or build/release/bin brought up to date, so that nobody measures old code."""
    asked = getattr(arguments, "bin", None)
    directory = Path(asked) if asked else _build_once()
    missing = [name for name in needed if not os.access(directory / name, os.X_OK)]
    if missing and asked:
        raise PerfError(f"{asked} has no {', '.join(missing)}: build with -DRHM_BENCH=ON", 2)
    if missing:
        raise PerfError(f"the build made no {', '.join(missing)}")
    return directory.resolve()


def run_train(rhm, options, **more):
    """`rhm train OPTIONS` with its report. PerfError when it fails."""
    return process.reported(process.run_json([rhm, "train", "--progress", "off", *options], "--report", **more))
