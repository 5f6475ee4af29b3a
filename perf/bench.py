"""Rows of the benchmark programs with the ceilings of the same session, in the canonical form.

Every round runs all programs in an order drawn anew; a rate is the best trial of a round, the median over rounds is reported.
`./dev bench` measures more rows, with every backend and instruction set, as Google Benchmark's own reports.
Exit status: 0 measured, 1 a row failed or none was measured, 2 bad usage."""
import random
import re
import shlex
import sys

from perf import environment, programs
from perf.harness import arguments as types
from perf.harness import google_benchmark, laws, process, project, session

FILTER = "(forward|pass)/|(features|product|gradient)/v16|counted/|(first|sequences)/v16-m4-l8"
PROGRAMS = ("bench_ceilings", "bench_kernels", "bench_sampling")
RATES = (("best_flops_per_second", "GFLOP/s", 1e9), ("best_bytes_per_second", "GB/s", 1e9), ("best_items_per_second", "million/s", 1e6))


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--filter", default=FILTER, type=types.regex, metavar="REGEX", help="of rows of bench_kernels and bench_sampling (default: %(default)s)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="default: one per allowed core")
    parser.add_argument("--isa", choices=("scalar", "avx2", "avx512"), help="instruction set (default: the widest)")
    parser.add_argument("--rounds", type=types.whole(), default=6, help="6 or more give intervals (default: %(default)s)")
    parser.add_argument("--min-time", type=types.real(most=3600), default=0.05, metavar="SECONDS", help="of a row in a round (default: %(default)s)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="of the order (default: 1)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/bench.json")


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


def collect(found, report, reproduce):
    """Add the rows of one run; skipped and failed ones by their reason."""
    for row in google_benchmark.rows(report):
        entry = found.setdefault((row.name, row.threads), {"rates": [], "values": [], "skipped": "", "failed": "", "reproduce": reproduce(row)})
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
                      rates=entry["rates"], condition=more.pop("label", ""), **more)
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
    binaries = programs.programs(arguments, ("rhm", *PROGRAMS))
    surroundings = environment.Environment(binaries)
    machine = surroundings.record["machine"]
    if not session.is_available(machine):
        raise project.PerfError(machine["unavailable"])
    isa, threads = arguments.isa or machine["isa"]["in_use"], arguments.threads or machine["threads"]["count"]
    chosen = filters(arguments.filter, isa, threads)
    order, found, failures = random.Random(arguments.seed), {}, []
    for number in range(arguments.rounds):
        for name in order.sample(PROGRAMS, len(PROGRAMS)):
            program = binaries / name
            options = [f"--threads={threads}"]
            if not google_benchmark.list_rows(program, chosen[name], options):
                continue
            done = process.run_json([program, f"--benchmark_filter={chosen[name]}", f"--benchmark_min_time={arguments.min_time}", *options],
                                     "--benchmark_out=")
            if not done.report:
                raise project.PerfError(f"{shlex.join(done.command)} ended with status {done.status}: {done.errors.strip()[-300:]}")
            collect(found, done.report, lambda row: shlex.join([project.relative(program), f"--threads={row.threads}",
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
    print(f"\nperf bench: {project.relative(path)}", file=sys.stderr)
    return 1 if failures or not result["rows"] else 0
