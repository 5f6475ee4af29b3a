"""What would limit a job on a larger machine: traced here on one thread, simulated there with any number of them.

The trace says how long every chunk of every parallel loop took and what was done between loops; simulating the engine's loops on a machine
in hwloc's synthetic notation gives work, span, the speed-up curve, and what holds it back, by name. Everything after `--` goes to `rhm train`,
such as `perf predict -- --vocab 8 --levels 8`. Where threads outnumber the parts of a loop, rhm cuts some loops finer, which a trace of one
thread does not show: --trace-threads N traces the job with N threads too, however few processors there are here, for chunks are timed by the
processor and not by the clock. Not foreseen: frequencies that fall as cores wake up, and caches that more cores bring along or
share. --check N also runs the job with N threads here, in alternation. Exit status: 0 done, 1 a run failed (or --check was further off than
--tolerance), 2 bad usage."""
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

from perf import alternation, environment, programs, simulate
from perf.figures import predict as figure
from perf.harness import arguments as types
from perf.harness import process, project, session, style
from perf.jobs import PROFILED

SERVER = "pack:2 numa:1 l3:8(size=32M) core:8 pu:2"  # 2 x 64 cores, a node each
SERVER_BANDWIDTH = 300.0
RUNS, CHECKED_RUNS = 3, 15


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--job", choices=sorted(PROFILED), help="a job of perf/jobs.py (default: rhm train as it is)")
    parser.add_argument("--trace", type=types.input_file, metavar="FILE", action="append", help="of `rhm train --threads 1 --trace FILE`, instead of "
                        "running a job here; several of the same run may be given, and some of --threads N for what --trace-threads is for")
    parser.add_argument("--topology", default=SERVER, metavar="TEXT", help="the larger machine, in hwloc's synthetic notation (default: %(default)s)")
    parser.add_argument("--bandwidth", type=types.real(), default=SERVER_BANDWIDTH, metavar="GBS", help="that the memory of one of its NUMA nodes delivers, "
                        "in 1e9 bytes a second (default: %(default)g)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="to name causes for (default: its cores)")
    parser.add_argument("--runs", type=types.whole(), metavar="N", help="of the job on one thread; of every chunk the least time counts "
                        f"(default: {RUNS}). With --check as many runs of N threads, one more of one (default: {CHECKED_RUNS})")
    parser.add_argument("--trace-threads", type=types.whole(least=2), metavar="N", help="trace the job with N threads as well, and predict more than one thread "
                        "from that")
    parser.add_argument("--check", type=types.whole(least=2), metavar="N", help="also run the job with N threads here, in alternation, and compare")
    parser.add_argument("--tolerance", type=types.real(), default=10.0, metavar="PERCENT", help="of --check (default: %(default)g)")
    parser.add_argument("--causes", type=types.whole(), default=8, metavar="N", help="to list (default: %(default)s)")
    parser.add_argument("--figure", type=types.output_file, metavar="FILE", help="picture of the curve (default: build/perf-results/predict.png)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="result (default: build/perf-results/predict.json)")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="of rhm train, instead of a job's")


def traced(rhm, options, threads, folder):
    path = folder / "trace.json"
    # A placement that is given: without one, few threads first look which cores are busy, which all of a machine's would not.
    placed = [] if "--placement" in options else ["--placement", "compact"]
    command = [rhm, "train", "--progress", "off", *options, "--threads", threads, *placed, "--trace", path]
    done = process.run(command)
    if done.status:
        raise project.PerfError(f"{shlex.join(map(str, command))}: {done.errors.strip()[-500:]}")
    trace = json.loads(path.read_text())
    trace["traceEvents"] = [event for event in trace["traceEvents"] if event.get("cat") == "span"]  # dozens of traces are kept
    return trace


def run_here(arguments, binaries, options):
    """(runs on one thread, traces with --trace-threads, runs with --check threads), in alternation."""
    alone, many, together = [], [], []
    wanted = arguments.runs or (CHECKED_RUNS if arguments.check else RUNS)
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as name:
        run = lambda threads: alternation.watched(lambda: traced(binaries / "rhm", options, threads, Path(name)), threads)
        while True:
            alone.append(run(1))
            if arguments.trace_threads and len(many) < wanted:
                many.append(run(arguments.trace_threads).trace)
            if alternation.enough(alone, together, wanted) if arguments.check else len(alone) == wanted:
                return alone, many, together
            if arguments.check:
                together.append(run(arguments.check))


def thread_counts(machine, wanted):
    counts, n = {1, wanted, machine.cores}, 2
    while n < machine.cores:
        counts.add(n)
        n *= 2
    return sorted(counts)


def document_of(arguments, surroundings, options, job, finer, finer_threads, machine, predictions):
    result = session.new("predict", surroundings)
    reproduce = shlex.join(["./dev", "perf", "predict", "--topology", arguments.topology, "--", *options])
    result["job"] = {"options": options, "work_seconds": job.seconds, "span_seconds": finer.span, "parallelism": job.seconds / finer.span,
                     "loops": len(finer.loops), "chunks": sum(len(loop.chunks) for loop in finer.loops), "trace_threads": finer_threads}
    result["machine"] = {"topology": machine.name, "nodes": machine.nodes, "cores": machine.cores, "caches_bytes": machine.caches_bytes,
                         "node_bytes_per_second": machine.bandwidth}
    for one in predictions:
        result["rows"].append(session.row(f"{one.threads} threads", "s", reproduce, value=one.seconds, threads=one.threads, speed_up=one.speed_up,
                                          efficiency=one.speed_up / one.threads,
                                          causes=[{"what": cause.what, "lost_seconds": cause.lost} for cause in one.causes[:arguments.causes]]))
    return result


def checked(alone, together, arguments):
    """The record of a comparison with --check threads."""
    here = simulate.Machine("here", 1, arguments.check)
    foretell = lambda trace, slower: simulate.predict(simulate.slowed(simulate.job_of([trace]), slower), here, arguments.check).seconds
    found = alternation.compare(alone, together, foretell, arguments.tolerance / 100)
    known = lambda share: session.unavailable("the kernel does not count it") if share is None else share
    runs = lambda timed: [{"seconds": run.seconds, "stolen": known(run.stolen), "others": known(run.others)} for run in timed]
    return {"threads": arguments.check, "tolerance_percent": arguments.tolerance, "verdict": found.verdict, "pairs": found.pairs, "left_out": found.left_out,
            "predicted_seconds": found.predicted, "measured_seconds": found.measured, "off": found.off, "interval": found.interval,
            "schedule": found.schedule, "slower": found.slower, "runs_alone": runs(alone), "runs_together": runs(together)}


def text(result, threads):
    job, lines = result["job"], []
    lines.append(f"work {style.seconds(job['work_seconds'])} (one thread), span {style.seconds(job['span_seconds'])}, parallelism {job['parallelism']:.1f}; "
                 f"{job['loops']} loops of {job['chunks']} chunks")
    lines.append(f"on {result['machine']['topology']}: {result['machine']['cores']} cores, {result['machine']['nodes']} NUMA nodes\n")
    lines.append(f"{'threads':>8} {'seconds':>9} {'speed-up':>9} {'efficiency':>11}")
    for row in result["rows"]:
        lines.append(f"{row['threads']:>8} {row['value']:>9.3f} {row['speed_up']:>9.2f} {row['efficiency']:>11.0%}")
    chosen = next(row for row in result["rows"] if row["threads"] == threads)
    lines.append(f"\nwhat holds back {threads} threads, of {style.seconds(chosen['value'])}:")
    lines += [f"{style.seconds(cause['lost_seconds']):>9}  {cause['what']}" for cause in chosen["causes"]]
    if "check" in result:
        check = result["check"]
        seconds = f"predicted {style.seconds(check['predicted_seconds'])}, measured {style.seconds(check['measured_seconds'])}, " if check["interval"] else ""
        lines.append(f"\nhere, {check['threads']} threads: {seconds}{alternation.sentence(check, check['tolerance_percent'])}")
    return "\n".join(lines)


def run(arguments):
    machine = simulate.machine_of(arguments.topology, 1e9 * arguments.bandwidth)
    wanted = arguments.threads or machine.cores
    if wanted > machine.cores:
        raise project.PerfError(f"--threads {wanted}: the machine has {machine.cores} cores", 2)
    if arguments.check and (arguments.runs or CHECKED_RUNS) < alternation.least_pairs():
        raise project.PerfError(f"--runs {arguments.runs}: --check needs {alternation.least_pairs()} or more for an interval", 2)
    if arguments.check and arguments.check > len(os.sched_getaffinity(0)):
        raise project.PerfError(f"--check {arguments.check}: only {len(os.sched_getaffinity(0))} processors are here to run threads on", 2)
    if arguments.trace and (arguments.check or arguments.trace_threads or arguments.options or arguments.job):
        raise project.PerfError("--trace predicts from what was run already: leave out --check, --trace-threads, --job and options of rhm train", 2)
    options = list(arguments.options or (PROFILED[arguments.job].options() if arguments.job else []))
    alone, many, together, finer_threads = [], [], [], arguments.trace_threads or 1
    if arguments.trace:
        traces, many, finer_threads = read_traces(arguments.trace)
        surroundings = {"trace": {key: traces[0]["otherData"].get(key) for key in ("version", "command", "cpu", "isa", "threads")}}
    else:
        binaries = programs.programs(arguments)
        moment = environment.Environment(binaries)
        alone, many, together = run_here(arguments, binaries, options)
        traces = [run.trace for run in alone]
        surroundings = moment.finish()
    job = simulate.job_of(traces)
    finer = simulate.job_of(many, finer_threads) if many else job
    predictions = [simulate.predict(finer if n > 1 else job, machine, n, job.seconds) for n in thread_counts(machine, wanted)]
    result = document_of(arguments, surroundings, options, job, finer, finer_threads, machine, predictions)
    if together:
        result["check"] = checked(alone, together, arguments)
    path = session.write(result, arguments.output)
    print(text(result, wanted))
    picture = draw_to(arguments.figure or session.RESULTS / "predict.png", result)
    print(f"\nperf predict: {project.relative(path)}, {project.relative(picture)}", file=sys.stderr)
    return 1 if together and result["check"]["verdict"] == alternation.BEYOND else 0


def read_traces(paths):
    """(those of one thread, those of more, how many threads these have)"""
    of_threads = {}
    for path in paths:
        trace, threads = read_trace(path)
        of_threads.setdefault(threads, []).append(trace)
    alone = of_threads.pop(1, [])
    if not alone:
        raise project.PerfError(f"--trace: of {_counts(of_threads)} threads; at least one must be of --threads 1", 2)
    if len(of_threads) > 1:
        raise project.PerfError(f"--trace: of {_counts(of_threads)} threads besides those of one; allowed is one number of them", 2)
    threads, many = of_threads.popitem() if of_threads else (1, [])
    return alone, many, threads


def _counts(of_threads):
    return " and ".join(str(threads) for threads in of_threads)


def read_trace(path):
    """(the trace, of how many threads); what another program keeps as JSON does not say that."""
    with session.understood(path):
        trace = json.loads(Path(path).read_text())
        threads = trace["otherData"]["threads"]
        if not isinstance(trace["traceEvents"], list) or not isinstance(threads, int):
            raise TypeError("not a trace of rhm train --trace")
        return trace, threads


def draw_to(path, result):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = figure.draw({"predict": result})
    style.save_png(picture, path)
    style.close(picture)
    return path
