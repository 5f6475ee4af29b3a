"""Programs that link Google Benchmark: their rows listed, run and read from their reports."""
import shlex
from dataclasses import dataclass

from perf.harness import process
from perf.harness.project import PerfError


def run(program, filter_, min_time=0.1, repetitions=1, options=(), **more):
    """A benchmark program on the rows that match; PerfError when it fails or nothing matches."""
    command = [program, f"--benchmark_filter={filter_}", f"--benchmark_min_time={min_time}",
               f"--benchmark_repetitions={repetitions}", *options]
    return process.reported(process.run_json(command, "--benchmark_out=", **more))


def list_rows(program, filter_, options=()):
    """Names of the rows that match. PerfError with Google Benchmark's own words where it refuses the filter or an option."""
    done = process.run([program, f"--benchmark_filter={filter_}", "--benchmark_list_tests", *options])
    if done.status and "Failed to match any benchmarks" not in done.errors:
        raise PerfError(f"{shlex.join(done.command)}: {done.errors.strip()[-500:]}", 2)
    return [line.strip() for line in done.output.splitlines() if line.strip()]


@dataclass
class Row:
    """A measured row of a benchmark program."""
    name: str  # without t: and what Google Benchmark appends
    threads: int
    values: dict  # the row as reported: counters beside fixed fields
    skipped: str = ""  # the reason
    failed: str = ""


def measured(report):
    return [row for row in rows(report) if not row.skipped and not row.failed]


def rows(report):
    """Rows of a Google Benchmark report, repetitions one by one, aggregates left out."""
    found = []
    for values in report["benchmarks"]:
        if values.get("run_type") == "aggregate":
            continue
        parts = [part for part in values.get("run_name", values["name"]).split("/")
                 if part not in ("process_time", "manual_time", "real_time") and not part.startswith("iterations:")]
        threads = next((int(part[2:]) for part in parts if part.startswith("t:")), 1)
        name = "/".join(part for part in parts if not part.startswith("t:"))
        message = values.get("error_message") or values.get("skip_message") or ""
        skipped = bool(values.get("skipped")) or message.startswith("skipped: ")
        found.append(Row(name, threads, values, message.removeprefix("skipped: ") if skipped else "",
                             message if values.get("error_occurred") and not skipped else ""))
    return found
