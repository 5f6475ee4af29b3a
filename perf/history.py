"""Results over commits, and where their level changed.

  perf history                     what earlier runs left in build/perf-results/history
  perf history DIR FILE ...        canonical JSONs from elsewhere
  perf history --measure a..b      builds the commits of a range and measures them in alternation, whatever was kept

Rows are joined by kind and name. Results of one commit become one point: the median of their values. Another CPU, microcode, kernel of the
system or compiler begins a new series, in which nothing is compared with what was before. A change point (perf/harness/change_points.py)
needs --min-segment points on either side; it is a regression where the level got worse by more than --threshold, and a new one while
it is among the last --new points of its row.
Exit status: 0 done, 1 a failure or nothing was found, 2 bad usage, 10 a row has a new regression."""
import math
import random
import shlex
import statistics
import sys
from datetime import datetime

from perf import environment, programs
from perf.harness import arguments as types
from perf.harness import git, google_benchmark, host, laws, process, project, session
from perf.harness.text import is_number

REGRESSED = 10
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
    parser.add_argument("--threshold", type=types.percent, default=2.0, metavar="PERCENT", help="the smallest change that matters (default: %(default)g)")
    parser.add_argument("--min-segment", type=types.whole(2), default=3, metavar="N", help="points that a level lasts at least (default: %(default)d)")
    parser.add_argument("--alpha", type=types.real(0, 0.5), default=0.002, metavar="P",
                        help="chance of a change point in a series that has none (default: %(default)g)")
    parser.add_argument("--new", type=types.whole(), default=10, metavar="N", help="points for which a regression is new (default: %(default)d)")
    parser.add_argument("--accept", action="append", default=[], metavar="COMMIT", help="whose regressions are known and no longer new; repeatable")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/history.json; the picture is beside it")


def takes(arguments):
    return arguments.measure and (f"{6 * arguments.rounds} s or so for each commit of the range, and about a minute on two cores for each that "
                                  "is not built yet")


def found_documents(paths):
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    documents = []
    for file in files:
        try:
            documents.append(session.read(file))
        except session.SessionError as failure:
            print(f"perf history: {failure}: left out", file=sys.stderr)
    return documents


SERIES = ("cpu", "microcode", "kernel", "compiler")


def series_of(document):
    """What begins a new series when it differs."""
    environment = document["environment"]
    get = lambda key, name: value if isinstance(value := (environment.get(key) or {}).get(name), str) else ""
    return (get("machine", "cpu") or get("system", "cpu_model"), get("system", "microcode"), get("system", "kernel"), get("build", "compiler"))


def origin_of(document):
    """The source that a result is of: of a comparison of states that of its head, wherever it was made."""
    source = document["environment"].get("source", {})
    head = document.get("arms", {}).get("head", {})
    if "commit" not in head:
        return source
    known = source if source.get("commit") == head["commit"] else host.source_of(head["commit"])
    if not session.is_available(known):
        known = {"commit": head["commit"], "time": document["started"], "subject": head.get("name")}
    return {**known, "dirty_files_that_matter": ["?"] if head.get("dirty") else []}


def join(documents):
    """(commits, series, rows): commits oldest first, what each series was measured on, by when it began, and a row for each kind and name
    with a point for each of its series and commits."""
    commits, platforms, found = {}, {}, {}
    for document in sorted(documents, key=lambda document: document["started"]):
        source = origin_of(document)
        # A bisection has ratios, which are no levels.
        if document["kind"] in ("history", "bisect") or not session.is_available(source) or "commit" not in source:
            continue
        # A dirty tree is not its commit.
        commit = source["commit"][:12] + ("+" if source.get("dirty_files_that_matter") else "")
        commits.setdefault(commit, {"commit": commit, "time": source.get("time") or "", "subject": source.get("subject") or ""})
        series = platforms.setdefault(series_of(document), len(platforms))
        for row in document["rows"]:
            if not is_number(row.get("value")) or row.get("valid") is False:
                continue
            entry = found.setdefault((document["kind"], row["name"]), {"unit": row["unit"], "reproduce": row["reproduce"], "values": {}})
            entry["values"].setdefault((series, commit), []).append(row)
    # Those of the same second stay in the order in which they were found.
    when = lambda commit: datetime.fromisoformat(commits[commit]["time"]).timestamp() if commits[commit]["time"] else 0.0
    order = sorted(commits, key=when)
    rows = []
    for (kind, name), entry in found.items():
        points = [{**point_of(commit, entry["values"][series, commit]), "series": series} for series in range(len(platforms))
                  for commit in order if (series, commit) in entry["values"]]
        rows.append(session.row(f"{kind}: {name}", entry["unit"], entry["reproduce"], points=points, value=points[-1]["value"]))
    return [commits[commit] for commit in order], [dict(zip(SERIES, platform)) for platform in platforms], rows


# ---------------------------------------------------------------------------------------------------------------- change points

def better(unit):
    """-1 where less of it is better, 1 where more is, 0 where nobody can say."""
    return -1 if unit in ("s", "B", "MiB") else 1 if unit.endswith(("/s", "per second")) else 0


def changes_of(row, arguments):
    """Change points of a row, oldest first: where, how much, how sure, and what it means."""
    from perf.harness import change_points
    found = []
    for series in dict.fromkeys(point["series"] for point in row["points"]):
        points = [point for point in row["points"] if point["series"] == series]
        values = [point["value"] for point in points]
        if min(values) <= 0:
            continue
        splits = change_points.find(values, arguments.min_segment, arguments.alpha)
        ends = [0, *(at for at, _ in splits), len(values)]
        levels = [statistics.median(values[a:b]) for a, b in zip(ends, ends[1:])]
        for (at, p), before, after in zip(splits, levels, levels[1:]):
            worse = better(row["unit"]) * math.log(after / before)
            if abs(math.log(after / before)) < math.log1p(arguments.threshold / 100):
                continue
            commit = points[at]["commit"]
            fresh = points[-1] is row["points"][-1] and len(values) - at <= arguments.new and at == ends[-2]
            known = any(commit.startswith(each) or each.startswith(commit.rstrip("+")) for each in arguments.accept)
            verdict = "regressed" if worse < 0 else "improved" if worse > 0 else "changed"
            found.append({"row": row["name"], "commit": commit, "after": points[at - 1]["commit"], "series": series, "from": before, "to": after,
                          "ratio": after / before, "p": p, "verdict": verdict, "new": verdict == "regressed" and fresh and not known})
    return found


def point_of(commit, rows):
    values = [row["value"] for row in rows]
    interval = rows[0].get("interval") if len(rows) == 1 else None
    ends = [interval.get("low"), interval.get("high")] if isinstance(interval, dict) else [min(values), max(values)]
    low, high = (end if is_number(end) else None for end in ends)
    return {"commit": commit, "value": statistics.median(values), "low": low, "high": high, "results": len(rows),
            **({"effort": rows[-1]["effort"]} if "effort" in rows[-1] else {})}


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


def picture(result, path):
    """What was drawn, or why nothing was."""
    try:
        from perf.figures import history as figure
        from perf.harness import style
    except ImportError as missing:
        return f"no picture: {missing}"
    drawn = figure.draw({"history": result})
    if drawn is None:
        return "no picture: no row has two points"
    style.save_png(drawn, path)
    style.close(drawn)
    return project.relative(path)


def run(arguments):
    missing = {}
    if arguments.measure:
        documents, missing, surroundings = measure_range(arguments)
        record = surroundings.finish()
    else:
        documents = found_documents(arguments.results or [ARCHIVE])
        record = {"source": host.source()}
    with session.understood("a result"):
        commits, series, rows = join(documents)
    if not rows:
        raise project.PerfError("no results were found: `perf bench`, `perf scaling` and others keep theirs for this, or give --measure RANGE")
    for row in rows:
        row["changes"] = changes_of(row, arguments)
    changes = [change for row in rows for change in row["changes"]]
    result = session.new("history", record, commits=[entry["commit"] for entry in commits], about_commits=commits, series=series, left_out=missing,
                         changes=changes, exit_status=REGRESSED if any(change["new"] for change in changes) else 0)
    result["rows"] = rows
    path = session.write(result, arguments.output)
    print(text(result))
    print(f"\nperf history: {project.relative(path)}, {picture(result, path.with_suffix('.png'))}")
    return result["exit_status"]


def text(result):
    subjects = {entry["commit"]: entry["subject"] for entry in result["about_commits"]}
    lines = [f"{entry['commit']}  {entry['time']}  {entry['subject']}" for entry in result["about_commits"]]
    lines += [f"{commit}  left out: {why}" for commit, why in result["left_out"].items()]
    if len(result["series"]) > 1:
        lines += [f"series {i}: {', '.join(filter(None, series.values())) or 'not told'}" for i, series in enumerate(result["series"])]
    for change in sorted(result["changes"], key=lambda change: not change["new"]):
        lines.append(f"{'NEW: ' if change['new'] else ''}{change['row']} {change['verdict']} by {100 * (change['ratio'] - 1):+.1f} % at {change['commit']} "
                     f"(p {change['p']:.2g}): {subjects.get(change['commit'], '')}")
    plural = lambda count, what: f"{count} {what}{'' if count == 1 else 's'}"
    new = sum(change["new"] for change in result["changes"])
    return "\n".join([*lines, f"{plural(len(result['rows']), 'row')} over {plural(len(result['commits']), 'commit')}, "
                      f"{plural(len(result['changes']), 'change point')}, {plural(new, 'new regression')}"])
