"""Rows of the benchmark programs.

  perf bench            selected rows with the ceilings of the same session, in rounds, in the canonical form
  perf bench --all      every row of every program, once, as ./dev bench does: Google Benchmark's own reports, and tables to read

Every round runs the programs in an order drawn anew; a rate is the best trial of a round, the median over rounds is reported. With
--all the flags of Google Benchmark go to every program. Trials are short and the best one counts, so that a busy machine needs more time
(--benchmark_min_time=1) rather than another method.
Exit status: 0 measured, 1 a row failed or none was measured, 2 bad usage."""
import random
import re
import shlex
import sys
import time

from perf import environment, programs, tables
from perf.harness import arguments as types
from perf.harness import effort, google_benchmark, host, laws, process, session
from perf.harness.project import ROOT, PerfError, relative

FILTER = "(forward|pass)/|(features|product|gradient)/v16|counted/|(first|sequences)/v16-m4-l8"
PROGRAMS = ("bench_ceilings", "bench_kernels", "bench_sampling")
RATES = (("best_flops_per_second", "GFLOP/s", 1e9), ("best_bytes_per_second", "GB/s", 1e9), ("best_items_per_second", "million/s", 1e6))
PASSED_ON = ("filter", "min_time", "min_warmup_time", "repetitions", "enable_random_interleaving", "report_aggregates_only",
             "display_aggregates_only", "context", "time_unit")
OUT = ROOT / "build/release/bench-results"


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--filter", default=FILTER, type=types.regex, metavar="REGEX",
                        help="of rows of bench_kernels and bench_sampling (default: %(default)s)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="default: one per allowed core")
    parser.add_argument("--isa", choices=("scalar", "avx2", "avx512"), help="instruction set (default: the widest)")
    parser.add_argument("--rounds", type=types.whole(), default=6, help="6 or more give intervals (default: %(default)s)")
    parser.add_argument("--min-time", type=types.real(most=3600), default=0.05, metavar="SECONDS", help="of a row in a round (default: %(default)s)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="of the order (default: 1)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/bench.json")
    everything = parser.add_argument_group("with --all")
    everything.add_argument("--all", action="store_true", help="every row of every program; --bin and those below hold, the others above do not")
    everything.add_argument("--out", type=types.output_directory, default=OUT, metavar="DIR", help="for reports and summary.txt (default: build/release/bench-results)")
    everything.add_argument("--shapes", type=types.input_file, metavar="FILE", help="problems for bench_kernels instead of bench/shapes/kernels.txt")
    for name in PASSED_ON:
        everything.add_argument(f"--benchmark_{name}", nargs="?", const="", metavar="VALUE", help="of Google Benchmark")


def takes(arguments):
    return "some 15 minutes for every row of every program" if arguments.all else f"some {10 * arguments.rounds} s for these rows, less with --filter"


# ------------------------------------------------------------------------------------------------------------------- every row

def run_all(arguments):
    binaries = programs.programs(arguments, ())
    flags = {name: getattr(arguments, f"benchmark_{name}") for name in PASSED_ON}
    flags["min_time"] = flags["min_time"] or "0.1"
    texts, failures, measured = [], [], 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = sorted(path for path in binaries.glob("bench_*") if path.is_file())
    if not found:
        raise PerfError(f"{relative(binaries)} has no bench_*: build with -DRHM_BENCH=ON", 2)
    for program in found:
        words = [f"--benchmark_{name}={value}" if value else f"--benchmark_{name}" for name, value in flags.items() if value is not None]
        words += [f"--shapes={arguments.shapes.resolve()}"] if arguments.shapes and program.name == "bench_kernels" else []
        if not google_benchmark.list_rows(program, flags["filter"] or "", [word for word in words if not word.startswith("--benchmark_filter")]):
            print(f"{program.name}: nothing matches the filter", file=sys.stderr)
            continue
        kept = arguments.out / f"{program.name}.json"
        kept.unlink(missing_ok=True)  # of an earlier run, which this one may not replace
        before, start = load(), time.monotonic()
        done = process.run_json([program, *words], "--benchmark_out=", keep=kept)
        print(f"{program.name}: {time.monotonic() - start:.0f} s, load average {before} before, {load()} after", file=sys.stderr)
        if done.status:
            failures.append(f"{program.name} ended with status {done.status}: {done.errors.strip()[-500:]}")
        rows = google_benchmark.rows(done.report) if done.report else []
        measured += len(done.report["benchmarks"]) if done.report else 0
        texts.append(tables.text(program.name, google_benchmark.measured(done.report) if done.report else []))
        failures += [f"{row.name}/t:{row.threads}: {row.failed}" for row in rows if row.failed]
        skipped = {}
        for row in rows:
            skipped.setdefault(row.skipped, []).append(row.name)
        texts += [f"{len(names)} rows of {program.name} skipped, such as {names[0]}: {why}" for why, names in skipped.items() if why]
    texts = [text for text in texts if text]
    session.write_text(arguments.out / "summary.txt", "\n\n".join(texts) + "\n")
    print("\n\n".join(texts))
    for failure in failures:
        print(f"perf bench: {failure}", file=sys.stderr)
    if not measured:
        print("perf bench: nothing was measured", file=sys.stderr)
    return 1 if failures or not measured else 0


def load():
    listed = host.counters()["load_average"]
    return " ".join(map(str, listed)) if session.is_available(listed) else "unknown"


# -------------------------------------------------------------------------------------------------------------- rows in rounds

def filters(pattern, isa, threads):
    """{program: filter of its rows}."""
    end = f"/t:{threads}(/|$)"
    return {"bench_ceilings": f"^ceiling/(fma/f32/(scalar|avx2|avx512)|load/.*|triad/.*){end}",
            "bench_kernels": f"^({pattern}).*/{isa}/native{end}",
            "bench_sampling": f"^({pattern}).*/{isa}{end}"}


def rate_of(values):
    """(rate, unit) of a row as Google Benchmark reported it."""
    for key, unit, scale in RATES:
        if key in values:
            return values[key] / scale, unit
    return None


def collect(found, done, reproduce):
    """Add the rows of one run; skipped and failed ones by their reason."""
    for row in google_benchmark.rows(done.report):
        entry = found.setdefault((row.name, row.threads), {"rates": [], "values": [], "runs": [], "skipped": "", "failed": "", "reproduce": reproduce(row)})
        entry["runs"].append(done)
        entry["skipped"], entry["failed"] = entry["skipped"] or row.skipped, entry["failed"] or row.failed
        if not row.skipped and not row.failed and rate_of(row.values):
            entry["rates"].append(rate_of(row.values)[0])
            entry["values"].append(row.values)


def canonical(name, threads, entry):
    """The row of an entry with rates."""
    values = entry["values"][-1]
    interval = laws.median_interval(entry["rates"])
    more = {key: values[key] for key in ("flops", "bytes", "resident_bytes", "working_set_bytes", "samples", "label") if key in values}
    if "share" in values:
        more["share"] = laws.median_interval([v["share"] for v in entry["values"]])["value"]
    off = max(v.get("threads_off_plan", 0) for v in entry["values"])
    row = session.row(f"{name}/t:{threads}", rate_of(values)[1], entry["reproduce"], value=interval["value"], interval=interval, threads=threads,
                      rates=entry["rates"], effort=effort.of_row(entry["values"], entry["runs"]), condition=more.pop("label", ""), **more)
    if off:
        row.update(valid=False, reason=f"{off:.0f} threads were off their plan")
    return row


def ceilings_of(rows):
    """{"gflops": {isa: rate}, "gbs": {level: rate}, "triad_gbs": {level: rate}}: the best of all rounds."""
    found = {"gflops": {}, "gbs": {}, "triad_gbs": {}}
    for row in rows:
        kind = row["name"].split("/")
        if kind[0] == "ceiling":
            table, key = (("gflops", kind[3]) if kind[1] == "fma" else ("gbs" if kind[1] == "load" else "triad_gbs", kind[2]))
            found[table][key] = max(row["rates"])
    return found


def run(arguments):
    return run_all(arguments) if arguments.all else run_rounds(arguments)


def run_rounds(arguments):
    binaries = programs.programs(arguments, ("rhm", *PROGRAMS))
    surroundings = environment.Environment(binaries)
    machine = surroundings.record["machine"]
    if not session.is_available(machine):
        raise PerfError(machine["unavailable"])
    isa, threads = arguments.isa or machine["isa"]["in_use"], arguments.threads or machine["threads"]["count"]
    chosen = filters(arguments.filter, isa, threads)
    order, found = random.Random(arguments.seed), {}
    for number in range(arguments.rounds):
        for name in order.sample(PROGRAMS, len(PROGRAMS)):
            program = binaries / name
            options = [f"--threads={threads}"]
            if not google_benchmark.list_rows(program, chosen[name], options):
                continue
            done = process.run_json([program, f"--benchmark_filter={chosen[name]}", f"--benchmark_min_time={arguments.min_time}", *options],
                                     "--benchmark_out=")
            if not done.report:
                process.reported(done)
            collect(found, done, lambda row: shlex.join([relative(program), f"--threads={row.threads}",
                                                                f"--benchmark_filter=^{re.escape(row.name)}/t:{row.threads}/".replace("\\-", "-")]))
        print(f"perf bench: round {number + 1} of {arguments.rounds}", file=sys.stderr)
    result = session.new("bench", surroundings.record, threads=threads, isa=isa, rounds=arguments.rounds, seed=arguments.seed)
    result["skipped"] = {f"{name}/t:{t}": entry["skipped"] for (name, t), entry in found.items() if entry["skipped"]}
    failures = [f"{name}/t:{t}: {entry['failed']}" for (name, t), entry in found.items() if entry["failed"]]
    result["rows"] = [canonical(name, t, entry) for (name, t), entry in found.items() if entry["rates"]]
    result["ceilings"] = ceilings_of(result["rows"])
    surroundings.finish()
    path = session.write(result, arguments.output)
    width = max([len(row["name"]) for row in result["rows"]] + [1])
    for row in result["rows"]:
        share = f"  {row['share']:.0%} of peak" if row.get("share") else ""
        print(f"{row['name']:<{width}}  {row['value']:9.2f} {row['unit']}{share}{'' if row.get('valid', True) else '  INVALID: ' + row['reason']}")
    for failure in failures:
        print(f"perf bench: {failure}", file=sys.stderr)
    print(f"\nperf bench: {relative(path)}", file=sys.stderr)
    return 1 if failures or not result["rows"] else 0
