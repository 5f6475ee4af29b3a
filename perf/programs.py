"""The programs that are measured: found, built and run, with what the system counted about each run."""
import functools
import json
import os
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BENCH_OPTIONS = ("-DRHM_BENCH=ON",)


class PerfError(Exception):
    """Something that ends a subcommand with one sentence; `status` is its exit status."""
    status = 1

    def __init__(self, message, status=None):
        super().__init__(message)
        if status is not None:
            self.status = status


def add_arguments(parser):
    parser.add_argument("--bin", type=Path, metavar="DIR",
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


@functools.cache
def _build_once():
    return build()


def programs(arguments=None, needed=("rhm",)):
    """The directory with the needed programs: --bin, or build/release/bin brought up to date, so that nobody measures old code."""
    asked = getattr(arguments, "bin", None)
    if asked and not Path(asked).is_dir():
        raise PerfError(f"--bin {asked} is not a directory", 2)
    directory = Path(asked) if asked else _build_once()
    missing = [name for name in needed if not os.access(directory / name, os.X_OK)]
    if missing and asked:
        raise PerfError(f"{asked} has no {', '.join(missing)}: build with -DRHM_BENCH=ON", 2)
    if missing:
        raise PerfError(f"the build made no {', '.join(missing)}")
    return directory.resolve()


@dataclass
class Run:
    """One finished process."""
    command: list
    status: int
    seconds: float  # wall
    user_seconds: float
    system_seconds: float
    peak_rss_bytes: int
    voluntary_switches: int
    involuntary_switches: int
    output: str
    errors: str
    report: dict = field(default=None, repr=False)  # of rhm --report or of Google Benchmark

    @property
    def cpu_seconds(self):
        return self.user_seconds + self.system_seconds


def run(command, environment=None, cwd=None, timeout=None):
    """Run a command to its end and account for it and its children. The status is not judged."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd,
                                       env={**os.environ, **(environment or {})})
        except OSError as failure:
            raise PerfError(f"{command[0]}: {failure.strerror}") from None
        # wait4 accounts for this child alone; subprocess keeps only the status.
        usage = _wait(process, None if timeout is None else start + timeout)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        return Run(command, process.returncode, seconds, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024,
                   usage.ru_nvcsw, usage.ru_nivcsw, out.read(), err.read())


def _wait(process, deadline):
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, 0 if deadline is None else os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage
            if time.monotonic() > deadline:
                process.kill()
                deadline = None
            time.sleep(0.01)
    except BaseException:
        if process.returncode is None:
            process.kill()
            _, status, _ = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        raise


def run_json(command, option, **more):
    """Run a program that writes a JSON file named by `option` (as in --report FILE or --benchmark_out=FILE)."""
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as folder:
        path = Path(folder) / "report.json"
        named = [option + str(path)] if option.endswith("=") else [option, path]
        done = run([*command, *named], **more)
        if path.exists():
            try:
                done.report = json.loads(path.read_text())
            except ValueError as failure:
                raise PerfError(f"{shlex.join(done.command)} wrote no JSON: {failure}") from None
    return done


def run_train(rhm, options, **more):
    """`rhm train OPTIONS` with its report. PerfError when it fails."""
    done = run_json([rhm, "train", "--progress", "off", *options], "--report", **more)
    if done.status or not done.report:
        raise PerfError(f"{shlex.join(done.command)} ended with status {done.status}: {done.errors.strip()[-500:]}")
    return done


def run_bench(program, filter_, min_time=0.1, repetitions=1, options=(), **more):
    """A benchmark program on the rows that match; PerfError when it fails or nothing matches."""
    command = [program, f"--benchmark_filter={filter_}", f"--benchmark_min_time={min_time}",
               f"--benchmark_repetitions={repetitions}", *options]
    done = run_json(command, "--benchmark_out=", **more)
    if done.status or not done.report:
        raise PerfError(f"{shlex.join(done.command)} ended with status {done.status}: {done.errors.strip()[-500:]}")
    return done


def list_rows(program, filter_, options=()):
    """Names of the rows that match. PerfError with Google Benchmark's own words where it refuses the filter or an option."""
    done = run([program, f"--benchmark_filter={filter_}", "--benchmark_list_tests", *options])
    if done.status and "Failed to match any benchmarks" not in done.errors:
        raise PerfError(f"{shlex.join(done.command)}: {done.errors.strip()[-500:]}", 2)
    return done.output.split()


@dataclass
class BenchRow:
    """A measured row of a benchmark program."""
    name: str  # without t: and what Google Benchmark appends
    threads: int
    values: dict  # the row as reported: counters beside fixed fields
    skipped: str = ""  # the reason
    failed: str = ""


def bench_rows(report):
    """Rows of a Google Benchmark report, repetitions one by one, aggregates left out."""
    rows = []
    for values in report["benchmarks"]:
        if values.get("run_type") == "aggregate":
            continue
        parts = [part for part in values.get("run_name", values["name"]).split("/")
                 if part not in ("process_time", "manual_time", "real_time") and not part.startswith("iterations:")]
        threads = next((int(part[2:]) for part in parts if part.startswith("t:")), 1)
        name = "/".join(part for part in parts if not part.startswith("t:"))
        message = values.get("error_message") or values.get("skip_message") or ""
        skipped = bool(values.get("skipped")) or message.startswith("skipped: ")
        rows.append(BenchRow(name, threads, values, message.removeprefix("skipped: ") if skipped else "",
                             message if values.get("error_occurred") and not skipped else ""))
    return rows


def relative(path):
    """A path for a line that reproduces: from the project's root where it lies inside."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
