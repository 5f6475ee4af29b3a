"""Where the time of a whole job goes: by stage, operation, thread and NUMA node, against the roofline model.

Runs the job with a trace and measures, in the same session and in alternation, the ceilings of the machine and the rate of every
kernel at the very shapes that the job uses. Everything after `--` goes to `rhm train` in place of the job, such as
`perf profile -- --vocab 32 --rules 8`. Exit status: 0 done, 1 a run failed, 2 bad usage."""
import json
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from perf import environment, model, programs
from perf.harness import arguments as types
from perf.harness import counters, effort, google_benchmark, session
from perf.jobs import PROFILED

CEILING_UNITS = {"L1": 32 << 10, "L2": 512 << 10, "L3": 8 << 20}  # bytes of a core where hwloc does not say
TARGET = 0.8  # of the time that the model should explain


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--job", choices=sorted(PROFILED), default="main", help="a job of perf/jobs.py (default: %(default)s)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="of rhm (default: its own choice)")
    parser.add_argument("--placement", default="compact", metavar="HOW", help="of its threads, as in rhm --placement (default: %(default)s)")
    parser.add_argument("--runs", type=types.whole(), default=3, metavar="N", help="of the job; the fastest is shown (default: %(default)s)")
    parser.add_argument("--min-time", type=types.real(most=3600), default=0.2, metavar="S", help="of each benchmark, in seconds (default: %(default)s)")
    parser.add_argument("--trace", type=types.output_file, metavar="FILE", help="keep the trace of the run that is shown "
                        "(default: build/perf-results/profile-trace.json)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="result (default: build/perf-results/profile.json)")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="of rhm train, instead of a job's")


def takes(arguments):
    return f"about {30 * arguments.runs} s for the main job, a few for others"


def running(arguments):
    options = []
    if arguments.threads:
        options += ["--threads", str(arguments.threads)]
    return [*options, "--placement", arguments.placement]


def run_job(binaries, options, folder):
    """One run: (process, trace, counters, energy)."""
    path = folder / "trace.json"
    with counters.Energy() as energy, counters.Counters() as events:
        done = programs.run_train(binaries / "rhm", [*options, "--trace", str(path)])
    return done, json.loads(path.read_text()), events.values, energy.value


def whole_seconds(done, totals):
    """Of the process, less what the report measures for itself at the end."""
    return done.seconds - sum(total["seconds"] for total in totals if total["name"] == "measure ceilings")


# ---- rates of this session ----------------------------------------------------------------------------------------------


def shape_name(operation, shape, count):
    """`count`: patches of a thread in a pass over kept features, embeddings of which phasors are shared, or these and a run's patches."""
    sizes = "x".join(map(str, count)) if isinstance(count, tuple) else count
    return "s{}-d{}-c{}-m{}".format(*shape) + (f"-{'p' if operation == 'kept' else 'r'}{sizes}" if count else "")


def kernel_shapes(kernels, folder):
    """A shapes file for bench_kernels, and {name of a row: key} for what it can run."""
    lines, rows = set(), {}
    for key in kernels:
        operation, shape, count = key
        tokens, embedding, classes, width = shape
        if embedding != classes:
            continue
        # A trial of 0.1 GFLOP, as in bench/shapes/kernels.txt.
        usual = max(192, min(6144, int(1e8 / (2.0 * width * (tokens * embedding + 2 * classes))) // 96 * 96))
        name = shape_name(operation, shape, count)
        count, run = count if isinstance(count, tuple) else (count, 1)
        patches, embeddings = (count, 0) if operation == "kept" else (0, count)
        lines.add(f"{name} vocab={embedding} branching={tokens} width={width} rows={int(embeddings) or 4 * embedding} run={int(run)} "
                  f"patches={patches or usual}\n")
        rows[f"{operation}/{name}"] = key
    path = folder / "kernels.txt"
    path.write_text("".join(sorted(lines)))
    return path, rows


def measure_kernels(binaries, kernels, isa, backend, threads, placement, min_time, folder, rates):
    path, rows = kernel_shapes(kernels, folder)
    if not rows:
        return
    done = google_benchmark.run(binaries / "bench_kernels", f"^({'|'.join(sorted(rows))})/{isa}/{backend}/t:{threads}/", min_time,
                              options=[f"--shapes={path}", f"--threads={threads}", *placement])
    for row in google_benchmark.measured(done.report):
        key = rows["/".join(row.name.split("/")[:2])]
        rates.kernels[key] = max(rates.kernels.get(key, 0), row.values["best_flops_per_second"])


def measure_draws(binaries, instance, draws, isa, threads, placement, min_time, folder, rates):
    """`instance`: of the report. Vocabularies that differ between levels have no benchmark."""
    sizes = [instance[key] for key in ("vocab", "rules", "branching", "levels")]
    if not draws or not all(isinstance(size, int) for size in sizes):
        return
    path, lines = folder / "patches.txt", []
    for (way, level), samples in sorted(draws.items()):
        # The test reads whole sequences, which are first patches of level 1.
        lines.append("{5}{6} vocab={0} rules={1} branching={2} levels={3} first={4} samples={7}\n".format(
            *sizes, level or 1, way, level, min(samples, 1 << 22)))
    path.write_text("".join(lines))
    names = "|".join(f"{way}/{way}{level}" for way, level in draws)
    done = google_benchmark.run(binaries / "bench_patches", f"^({names})/t:{threads}/", min_time,
                              options=[f"--shapes={path}", f"--threads={threads}", *placement], environment={"RHM_ISA": isa})
    for row in google_benchmark.measured(done.report):
        way, name = row.name.split("/")
        key = (way, int(name.removeprefix(way)))
        rates.draws[key] = max(rates.draws.get(key, 0), row.values["best_items_per_second"])


def measure_ceilings(binaries, isa, threads, placement, min_time, caches, rates):
    done = google_benchmark.run(binaries / "bench_ceilings", f"^ceiling/(fma/f32/{isa}|load/.*)/t:{threads}/", min_time,
                              options=[f"--threads={threads}", *placement])
    found = dict(rates.cache_bandwidth)
    for row in google_benchmark.measured(done.report):
        kind = row.name.split("/")
        if kind[1] == "fma":
            rates.peak_flops = max(rates.peak_flops, row.values["best_flops_per_second"])
        elif kind[2] == "DRAM":
            rates.bandwidth = max(rates.bandwidth, row.values["best_bytes_per_second"])
        else:
            capacity = caches[kind[2]] * threads
            found[capacity] = max(found.get(capacity, 0), row.values["best_bytes_per_second"])
    rates.cache_bandwidth = sorted(found.items())


def cache_sizes(xml):
    """Bytes of a core's caches from hwloc's XML; of a shared one the core's share."""
    sizes = dict(CEILING_UNITS)
    if not session.is_available(xml):
        return sizes
    cores = max(1, len(re.findall(r'type="Core"', xml)))
    for level in (1, 2, 3):
        found = re.findall(rf'type="L{level}Cache"[^>]*cache_size="(\d+)"', xml)
        if found:
            sizes[f"L{level}"] = int(int(found[0]) * len(found) / cores)
    return sizes


# ---- the result ---------------------------------------------------------------------------------------------------------


def by_node(trace, threads):
    nodes = {}
    for node, seconds in zip(trace["otherData"]["nodes"], threads):
        nodes.setdefault("none" if node < 0 else str(node), []).append(seconds)
    return {node: {"threads": len(seconds), "busy_seconds": sum(seconds)} for node, seconds in nodes.items()}


def build(result, done, trace, events, energy, rates, options):
    totals = [total for total in trace["otherData"]["totals"] if total["name"] != "measure ceilings"]
    report, threads = done.report, trace["otherData"]["threads"]
    rows, summary = model.explain(totals, rates, whole_seconds(done, trace["otherData"]["totals"]), threads)
    reproduce = shlex.join(["./dev", "perf", "profile", "--", *options])
    summary["kernels_and_sampling_share"] = (summary["kernel_seconds"] + summary["sampling_seconds"]) / summary["seconds"]
    summary["nodes"] = by_node(trace, summary["thread_seconds"])
    result["summary"] = summary
    result["job"] = {"options": options, "accuracy": report["test"]["accuracy"], "model_hash": report["model_hash"],
                     "report_seconds": report["seconds"], "threads": threads, "isa": report["machine"]["isa"],
                     "placement": report["machine"]["placement"], "command": shlex.join(map(str, done.command))}
    result["memory"] = {"peak_rss_bytes": report["peak_rss_bytes"],
                        "buffers": report["machine"]["record"]["memory"]}
    result["hardware_counters"] = events
    result["energy"] = energy
    result["ceilings"] = {"flops_per_second": rates.peak_flops, "bytes_per_second": rates.bandwidth,
                          "caches": [{"working_set_bytes": size, "bytes_per_second": rate} for size, rate in rates.cache_bandwidth]}
    result["kernel_rates"] = [{"operation": operation, "tokens": shape[0], "embedding": shape[1], "classes": shape[2], "width": shape[3],
                               "patches": patches or None, "flops_per_second": rate, "share": rate / rates.peak_flops}
                              for (operation, shape, patches), rate in sorted(rates.kernels.items())]
    result["draw_rates"] = [{"way": way, "level": level, "items_per_second": rate} for (way, level), rate in sorted(rates.draws.items())]
    result["trace_dropped"] = trace["otherData"]["dropped"]
    taken = effort.of([done])  # of the run that all rows are about
    result["rows"].append(session.row("whole job", "s", reproduce, value=summary["seconds"], effort=taken, explained_share=summary["explained_share"],
                                      peak_rss_bytes=report["peak_rss_bytes"]))
    result["rows"].append(session.row("explained share", "1", reproduce, value=summary["explained_share"], effort=taken, target=TARGET))
    result["rows"].append(session.row("kernels and sampling share", "1", reproduce, value=summary["kernels_and_sampling_share"], effort=taken, target=0.7))
    for row in rows:
        of = f" s={row['shape'][0]} d={row['shape'][1]} V={row['shape'][2]} M={row['shape'][3]}" if row["shape"] else ""
        name = f"level {row['level']}: {row['operation']}{of}" if row["level"] else f"{row['operation']}{of}"
        more = {key: value for key, value in row.items() if value is not None}
        if row["flops"] and row["seconds"] > 0:
            more["flops_per_second"] = row["flops"] / row["seconds"]
            more["share_of_peak"] = more["flops_per_second"] / rates.peak_flops
            more["intensity_flops_per_byte"] = row["flops"] / row["bytes"] if row["bytes"] else None
        result["rows"].append(session.row(name, "s", reproduce, value=row["seconds"], effort=taken, **more))
    return rows


def text(result, rows, rates):
    summary, threads = result["summary"], result["job"]["threads"]
    show = lambda value, form: form.format(value) if value is not None else "-"
    lines = [f"{'operation':<24} {'level':>5} {'seconds':>8} {'share':>6} {'taken':>6} {'model':>8} {'ceiling':>8} {'GFLOP/s':>8} {'of peak':>7} "
             f"{'idle':>6}"]
    for row in rows:
        if row["seconds"] < 0.002 * summary["seconds"]:
            continue
        rate = row["flops"] / row["seconds"] if row["flops"] and row["seconds"] else None
        lines.append(f"{row['operation']:<24} {row['level'] or '':>5} {row['seconds']:>8.3f} {row['seconds'] / summary['seconds']:>6.1%} {row['taken_seconds']:>6.3f} "
                     f"{show(row['model_seconds'], '{:>8.3f}'):>8} {row['ceiling_seconds']:>8.3f} "
                     f"{show(rate and rate / 1e9, '{:.1f}'):>8} {show(rate and rate / rates.peak_flops, '{:.0%}'):>7} "
                     f"{show(row['imbalance'], '{:.0%}'):>6}")
    shown = [f"{t}: {seconds:.2f}" for t, seconds in enumerate(summary["thread_seconds"])]
    others = summary["taken_seconds"] / summary["seconds"]
    lines += ["", f"whole job {summary['seconds']:.3f} s on {threads} thread{'s' * (threads > 1)}; of it {summary['taken_seconds']:.3f} s "
              f"without a processor{': others had it, repeat this on a quiet machine' if others > 0.05 else ''}",
              f"of the rest the kernel model explains {summary['explained_share']:.1%}, the ceilings alone {summary['ceiling_share']:.1%}; "
              f"{summary['unexplained_seconds']:.3f} s are not explained",
              f"kernels and sampling {summary['kernels_and_sampling_share']:.1%} of the job; "
              f"{summary['one_thread_seconds']:.3f} s outside of parallel loops, on one thread",
              f"seconds in loops by thread: {', '.join(shown[:16])}{' ...' if threads > 16 else ''}; idle in loops "
              f"{show(summary['imbalance'], '{:.1%}')}",
              "by NUMA node: " + ", ".join(f"{node}: {entry['threads']} threads, {entry['busy_seconds']:.2f} s"
                                            for node, entry in summary["nodes"].items()),
              f"ceilings: {rates.peak_flops / 1e9:.1f} GFLOP/s, {rates.bandwidth / 1e9:.1f} GB/s; "
              f"peak memory {result['memory']['peak_rss_bytes'] / 2**20:.0f} MiB"]
    for name, value in result["hardware_counters"].items():
        lines.append(f"{name}: {value:,}" if session.is_available(value) else f"{name}: unavailable: {value['unavailable']}")
    energy = result["energy"]
    lines.append("energy: " + (", ".join(f"{zone} {joules:.1f} J" for zone, joules in energy["joules"].items())
                               if session.is_available(energy) else f"unavailable: {energy['unavailable']}"))
    return "\n".join(lines)


def run(arguments):
    binaries = programs.programs(arguments, ("rhm", "bench_kernels", "bench_patches", "bench_ceilings"))
    surroundings = environment.Environment(binaries)
    result = session.new("profile", surroundings.record)
    options = [*(arguments.options or PROFILED[arguments.job].options()), *running(arguments)]
    placement = [f"--placement={arguments.placement}"]
    caches = cache_sizes(surroundings.record["topology_xml"])
    rates, best, all_seconds = model.Rates(0.0, 0.0), None, []
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as name:
        folder = Path(name)
        for _ in range(arguments.runs):
            taken = run_job(binaries, options, folder)
            seconds = whole_seconds(taken[0], taken[1]["otherData"]["totals"])
            all_seconds.append(seconds)
            if best is None or seconds < min(all_seconds[:-1]):
                best = taken
                keep = arguments.trace or session.RESULTS / "profile-trace.json"
                keep.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / "trace.json", keep)
            machine, totals = taken[0].report["machine"], taken[1]["otherData"]["totals"]
            isa, threads = machine["isa"], machine["threads"]
            kernels, draws = model.needed(totals)
            backend = "onednn" if machine["backend"] == "onednn" else "native"
            measure_ceilings(binaries, isa, threads, placement, arguments.min_time, caches, rates)
            measure_kernels(binaries, kernels, isa, backend, threads, placement, arguments.min_time, folder, rates)
            measure_draws(binaries, taken[0].report["instance"], draws, isa, threads, placement, arguments.min_time, folder, rates)
    rows = build(result, *best, rates, options)
    result["runs_seconds"] = all_seconds
    surroundings.finish()
    path = session.write(result, arguments.output)
    print(text(result, rows, rates))
    print(f"\n{path}\n{keep}: open it at ui.perfetto.dev")
    return 0
