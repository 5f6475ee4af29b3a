"""Benchmark programs of other projects as arms: any that links Google Benchmark, given as command lines. They know nothing of us, so
each turn is a process of its own, which runs one row and reports it with its repetitions."""
import re
import shlex
import shutil

from perf.harness import arms, google_benchmark, process
from perf.harness.project import PerfError

REPETITION_SECONDS = 0.005  # so many rows fit into the time of a comparison
LONGEST_SECONDS = 300    # of a turn; what takes longer hangs
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def words_of(command):
    """Words of a command line whose program exists; PerfError, as bad usage, where it does not."""
    words = [command] if shutil.which(command) else shlex.split(command)
    if not words or not shutil.which(words[0]):
        raise PerfError(f"--program '{command}': {words[0] if words else 'an empty command'} is not a program", 2)
    return [shutil.which(words[0]), *words[1:]]


def exactly(name):
    """Of one row, in extended regular expressions, whose escapes may not stand before other characters."""
    return "^" + re.sub(r"([.\[{()*+?^$|\\])", r"\\\1", name) + "$"


def clock_of(name):
    """The clock by which the row's author divides."""
    return arms.WALL if re.search(r"/(real_time|manual_time)(/|$)|/threads:(?!1(/|$))", name) else arms.CPU


def rows_of(words):
    names = google_benchmark.list_rows(words[0], "", words[1:])
    return [arms.Row("program", words[0], name, (), (), clock_of(name)) for name in names]


class Arm:
    """One side. `words`: its command."""

    def __init__(self, words):
        self.words = words

    def run(self, row, passes, verify=False):
        command = [*self.words, f"--benchmark_filter={exactly(row.name)}", f"--benchmark_min_time={REPETITION_SECONDS}",
                   f"--benchmark_repetitions={passes}", "--benchmark_report_aggregates_only=false", "--benchmark_out_format=json",
                   "--benchmark_format=json"]  # so that errors hold what the program says, and not what the machine is
        done = process.run_json(command, "--benchmark_out=", timeout=LONGEST_SECONDS)
        said = done.errors.strip()[-300:]
        if "Failed to match any benchmarks" in said:
            # What the program prints besides is listed among its rows.
            return arms.nothing("the program knows no such row", skipped=True)
        if done.stopped:
            return arms.nothing(f"it had not ended after {done.seconds:.0f} s, and was stopped")
        if done.status or not done.report:
            return arms.nothing(f"status {done.status}{': ' if said else ''}{said}" if done.status else f"it wrote no report: {said}")
        passes = {arms.CPU: [], arms.WALL: []}
        reported = done.report.get("benchmarks", [])
        if any(values.get("error_occurred") or values.get("skipped") for values in reported):
            # Where both sides say so there is nothing to compare; where head alone does, that is told.
            said = (values.get("error_message") or values.get("skip_message") for values in reported)
            return arms.nothing(next(filter(None, said), "the row failed"), skipped=True)
        # A row that its author reports by aggregates only has no repetitions in the report.
        single = [values for values in reported if values.get("run_type") != "aggregate"] or \
            [values for values in reported if values.get("aggregate_name") == "median"]
        for values in single:
            unit = UNITS[values.get("time_unit", "ns")]
            passes[arms.WALL].append(unit * values["real_time"])
            passes[arms.CPU].append(unit * values["cpu_time"])
        if not passes[arms.WALL]:
            return arms.nothing(f"the report has no row {row.name}")
        if not all(seconds > 0 for seconds in passes[clock_of(row.name)]):
            return arms.nothing("its time is zero: a row of no work cannot be compared")
        return arms.Sample(passes, done.seconds, done.cpu_seconds, done.system_seconds, done.hertz,
                           involuntary_switches=done.involuntary_switches)

    def close(self):
        pass
