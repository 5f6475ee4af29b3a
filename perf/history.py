"""Results over commits.

  perf history                     what earlier runs left in build/perf-results/history
  perf history DIR FILE ...        canonical JSONs from elsewhere
  perf history --measure a..b      builds the commits of a range and measures them in alternation, whatever was kept

Rows are joined by kind and name. Results of one commit become one point: the median of their values.
Exit status: 0 done, 1 a failure or nothing was found, 2 bad usage."""
import random
import shlex
import statistics
import sys
from datetime import datetime

from perf import environment, programs
from perf.harness import arguments as types
from perf.harness import git, google_benchmark, host, laws, process, project, session

ARCHIVE = session.RESULTS / "history"
MOST_COMMITS = 12  # perf/snapshots.py keeps a few more builds
FILTER = "^(forward|pass)/v16/{isa}/native/t:1/"
JOB = ["--samples", "2e5,2e5,2e4,4e3", "--width", "1024", "--bandwidth", "0.25,0.054,0.079,0.225", "--ridge", "4.7e-6,4.9e-4,1.6e-3,1.6e-3"]


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("results", nargs="*", type=types.input_path, metavar="FILE|DIR", help=f"default: {project.relative(ARCHIVE)}")
    parser.add_argument("--measure", metavar="RANGE", help="commits, as `git log` takes them: main~5..main")
    parser.add_argument("--rounds", type=types.whole(), default=5, help="of --measure (default: %(default)s)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="of the order of --measure (default: 1)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/history.json")


def found_documents(paths):
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    documents = []
    for file in files:
        try:
            documents.append(session.read(file))
        except session.SessionError as failure:
            print(f"perf history: {failure}: left out", file=sys.stderr)
    return documents


def join(documents):
    """(commits, rows): commits oldest first, a row for each kind and name with a point for each commit."""
    commits, series = {}, {}
    for document in documents:
        source = document["environment"].get("source", {})
        if document["kind"] == "history" or not session.is_available(source) or "commit" not in source:
            continue
        # A dirty tree is not its commit.
        commit = source["commit"][:12] + ("+" if source.get("dirty_files_that_matter") else "")
        commits.setdefault(commit, {"commit": commit, "time": source.get("time") or "", "subject": source.get("subject") or ""})
        for row in document["rows"]:
            if not isinstance(row.get("value"), (int, float)) or row.get("valid") is False:
                continue
            entry = series.setdefault((document["kind"], row["name"]), {"unit": row["unit"], "reproduce": row["reproduce"], "values": {}})
            entry["values"].setdefault(commit, []).append(row)
    # Those of the same second stay in the order in which they were found.
    when = lambda commit: datetime.fromisoformat(commits[commit]["time"]).timestamp() if commits[commit]["time"] else 0.0
    order = sorted(commits, key=when)
    rows = []
    for (kind, name), entry in series.items():
        points = [point_of(commit, entry["values"][commit]) for commit in order if commit in entry["values"]]
        rows.append(session.row(f"{kind}: {name}", entry["unit"], entry["reproduce"], points=points, value=points[-1]["value"]))
    return [commits[commit] for commit in order], rows


def point_of(commit, rows):
    value = statistics.median(row["value"] for row in rows)
    interval = rows[0].get("interval") if len(rows) == 1 else None
    return {"commit": commit, "value": value, "low": interval.get("low") if interval else min(row["value"] for row in rows),
            "high": interval.get("high") if interval else max(row["value"] for row in rows), "results": len(rows)}


def measure_range(arguments):
    """Commits of a range, built and measured in rounds. Those that cannot be built or lack the programs are named and left out."""
    from perf.harness import snapshots

    listed, said = git.ask("rev-list", "--reverse", arguments.measure, "--")
    if not listed:
        raise project.PerfError(f"--measure {arguments.measure}: {'; '.join(filter(None, [said, git.shallow()])) or 'no commits'}", 2)
    commits = listed.split()
    if len(commits) > MOST_COMMITS:
        raise project.PerfError(f"--measure {arguments.measure}: {len(commits)} commits; at most {MOST_COMMITS} are built side by side", 2)
    arms, missing = {}, {}
    for commit in commits:
        try:
            snapshot = snapshots.of_commit(commit[:12], commit, [])
            snapshots.build(snapshot, programs.RECIPE, ["bench_kernels"], lambda text: print(f"perf history: {text}", file=sys.stderr))
            arms[commit] = snapshot.programs
        except project.PerfError as failure:
            missing[commit[:12]] = str(failure).splitlines()[0]
    if not arms:
        raise project.PerfError("no commit of the range can be built: " + "; ".join(f"{c}: {why}" for c, why in missing.items()))
    surroundings = environment.Environment(next(reversed(arms.values())))
    machine = surroundings.record["machine"]
    pattern = FILTER.format(isa=machine["isa"]["in_use"])
    rates, order = {commit: {} for commit in arms}, random.Random(arguments.seed)
    for number in range(arguments.rounds):
        for commit in order.sample(list(arms), len(arms)):
            failed = measure_commit(arms[commit], pattern, rates[commit])
            if failed:
                missing[commit[:12]] = failed
        print(f"perf history: round {number + 1} of {arguments.rounds}", file=sys.stderr)
    documents = []
    for commit, found in rates.items():
        document = session.new("bench", {**surroundings.record, "source": host.source_of(commit)})
        for (name, unit), values in found.items():
            interval = laws.median_interval(values)
            document["rows"].append(session.row(name, unit, shlex.join(["./dev", "perf", "history", "--measure", f"{commit[:12]}~..{commit[:12]}"]),
                                                value=interval["value"], interval=interval))
        documents.append(document)
    return documents, missing, surroundings


def measure_commit(directory, pattern, rates):
    """Add a value to each row of {(name, unit): [values]}; programs that a commit lacks leave no rows. What failed, or ""."""
    failed = ""
    if (directory / "bench_kernels").exists():
        done = process.run_json([directory / "bench_kernels", f"--benchmark_filter={pattern}", "--benchmark_min_time=0.1",
                                  *programs.arguments_of("bench_kernels", directory)], "--benchmark_out=")
        failed = f"bench_kernels: {done.errors.strip()[-300:]}" if done.status else ""
        for row in google_benchmark.rows(done.report) if done.report else []:
            if "best_flops_per_second" in row.values:
                rates.setdefault((f"{row.name}/t:{row.threads}", "GFLOP/s"), []).append(row.values["best_flops_per_second"] / 1e9)
    done = process.run([directory / "rhm", "train", *JOB])
    if done.status == 0:
        rates.setdefault(("whole job", "s"), []).append(done.seconds)
        rates.setdefault(("whole job, peak memory", "MiB"), []).append(done.peak_rss_bytes / 2**20)
    return f"rhm train: {done.errors.strip()[-300:]}" if done.status else failed


def run(arguments):
    missing = {}
    if arguments.measure:
        documents, missing, surroundings = measure_range(arguments)
        record = surroundings.finish()
    else:
        documents = found_documents(arguments.results or [ARCHIVE])
        record = {"source": host.source()}
    with session.understood("a result"):
        commits, rows = join(documents)
    if not rows:
        raise project.PerfError("no results were found: `perf bench`, `perf scaling` and others keep theirs for this, or give --measure RANGE")
    result = session.new("history", record, commits=[entry["commit"] for entry in commits], about_commits=commits, left_out=missing)
    result["rows"] = rows
    path = session.write(result, arguments.output)
    for entry in commits:
        print(f"{entry['commit']}  {entry['time']}  {entry['subject']}")
    for commit, why in missing.items():
        print(f"{commit}  left out: {why}")
    print(f"{len(rows)} rows over {len(commits)} commits\n\nperf history: {project.relative(path)}")
    return 0
