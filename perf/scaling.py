"""Strong, weak and placement sweeps of kernels and of the whole job inside the allowed CPUs.

Every round measures every point once, in an order drawn anew; speed-ups are ratios within a round, so that what changes from
minute to minute cancels. Strong: the same work for any number of threads. Weak: work grows with them. Points whose threads
were not where they were planned, or that a quota stopped, are invalid rather than slow.
--ranks: `rhm train` under mpirun instead, by ranks and threads of each (--threads, one if left out): speed-up, exact counts of messages and
bytes, and the shares of time that messages and the tree of sums take; --predict compares with `rhm plan --ranks`. A run that has not ended
after --timeout seconds is taken to hang: it is stopped, and is an error.
Exit status: 0 measured, 1 a program failed or nothing valid was measured, 2 bad usage."""
import random
import sys
import tempfile
import time
from pathlib import Path

from perf import environment, placement, programs, ranks
from perf.harness import arguments as types
from perf.harness import effort, host, laws, project, session, terminal
from perf.subjects import Counting, Job, Kernel, Point, Triad

KERNELS, PLACEMENTS, MIN_TIME = "pass/v16,forward/v16", "compact,scatter,none", 0.2
TIMEOUT = 3600  # seconds of a run under mpirun
# Everything fixed, so that nothing is searched for and every run does the same work.
JOB = "--samples 2e6,2e6,6e4,6e3 --width 2048 --bandwidth 0.25,0.054,0.079,0.225 --ridge 4.7e-6,4.9e-4,1.6e-3,1.6e-3"


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--kernels", default=KERNELS, metavar="OPERATION/SHAPE,...", help=f"without --ranks: rows of bench_kernels (default: {KERNELS})")
    parser.add_argument("--job", default=JOB, type=types.command_line, metavar="OPTIONS",
                        help="options of rhm train, with fixed --samples; '' leaves the job out, without --ranks (default: the default instance with "
                             "samples, bandwidths and ridges given)")
    parser.add_argument("--threads", type=types.whole_list, metavar="LIST", help="thread counts (default: 1, 2, 3, 4, 6, 8, ..., topology edges, all allowed)")
    parser.add_argument("--ranks", type=types.whole_list, metavar="LIST", help="numbers of ranks, such as 1,2,4")
    parser.add_argument("--mpi", choices=sorted(ranks.LAUNCHERS), help="with --ranks (default: the first with a launcher and a module)")
    parser.add_argument("--predict", action="store_true", help="with --ranks: compare with what rhm plan would have said, which measures for seconds in every run")
    parser.add_argument("--timeout", type=types.real(), default=TIMEOUT, metavar="SECONDS", help="with --ranks: of one run of the job (default: 3600)")
    parser.add_argument("--placements", default=PLACEMENTS, metavar="LIST",
                        help="without --ranks: of the placement sweep; the first one is that of the strong and weak sweeps (default: compact,scatter,none)")
    parser.add_argument("--rounds", type=types.whole(), default=7, help="each measures every point once; 6 or more give intervals (default: 7)")
    parser.add_argument("--min-time", type=types.real(most=3600), default=MIN_TIME, metavar="SECONDS", help="without --ranks: of a kernel point in a round (default: 0.2)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="of the order of points (default: 1)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/scaling.json, with --ranks ranks.json")


def takes(arguments):
    if arguments.ranks:
        return f"as long as the job {arguments.rounds * len(ranks.points_of(arguments.ranks, arguments.threads or [1]))} times"
    return f"about 40 s a round on two CPUs, {arguments.rounds * 2 / 3:.0f} minutes in all; more where there are more CPUs, and points"


def plan_points(subjects, counts, policies, plans):
    """Points of the sweeps, each once: a placement that seats its threads as an earlier one does is the same point."""
    points, same = [], []
    for subject in subjects:
        for mode in subject.modes:
            points += [Point(subject, mode, policies[0], n) for n in counts]
        if not subject.places:
            continue
        mode = subject.modes[0]
        for policy in policies[1:]:
            for n in counts:
                seats = lambda p: None if p == "none" else frozenset(placement.cpus(plans[p][n]))
                twin = next((p for p in policies[:policies.index(policy)] if seats(p) == seats(policy)), None)
                if twin:
                    same.append((policy, twin, n))
                else:
                    points.append(Point(subject, mode, policy, n))
    return points, sorted(set(same))


def measure(points, rounds, seed, folder):
    """{point: [Sample of each round]}. Points of a round come in an order drawn anew."""
    order, samples = random.Random(seed), {point: [] for point in points}
    start = time.monotonic()
    for number in range(rounds):
        shuffled = list(points)
        order.shuffle(shuffled)
        for i, point in enumerate(shuffled):
            before = host.counters()
            sample = point.subject.measure(point, folder)
            grown = host.change(before, host.counters())
            troubles = host.disturbed(grown)
            if troubles and not sample.reason:
                sample.reason = troubles[0]
            sample.details["steal_seconds"] = grown["steal_seconds"]
            samples[point].append(sample)
            show_progress(number * len(points) + i + 1, rounds * len(points), start, point.name)
    return samples


def show_progress(done, total, start, what):
    if not terminal.can_rewrite():
        if done % max(1, total // 10) == 0:
            print(f"perf scaling: {done} of {total} measurements, {time.monotonic() - start:.0f} s", file=sys.stderr)
        return
    left = (time.monotonic() - start) / done * (total - done)
    terminal.show(f"perf scaling: {done}/{total}, about {left:.0f} s left, {what}", last=done == total)


def row_of(point, samples, base, usual, plans):
    """The canonical row of a point. `base` are the samples of one thread of the same curve, `usual` those of as many threads in
    the first placement, None for that itself."""
    used = [sample for sample in samples if not sample.reason] or samples
    strong_job = isinstance(point.subject, Job) and point.mode == "strong"
    unit = "s" if strong_job else getattr(point.subject, "unit", "GFLOP/s")
    value = laws.median_interval([1 / s.rate if strong_job else s.rate for s in used])
    seats = plans[point.placement].get(point.threads) if point.placement != "none" else None
    row = session.row(point.name, unit, point.subject.command(point), value=value["value"], interval=value, mode=point.mode,
                      what=point.subject.name, about=point.subject.about, threads=point.threads,
                      placement={"policy": point.placement, "cpus": placement.cpus(seats) if seats else session.unavailable("threads are not placed")},
                      details=[{**sample.details, **({"involuntary_switches": sample.run.involuntary_switches} if sample.run else {})} for sample in samples],
                      effort=effort.of_row([sample.values or {} for sample in samples], [sample.run for sample in samples if sample.run]),
                      **laws.of_samples(samples, base, point.threads))
    if usual is not None:
        row["against_first_placement"] = laws.valid_speed_up(samples, usual) or session.unavailable("no round measured both validly")
    if point.threads > 1 and session.is_available(row["speed_up"]):
        row["karp_flatt"] = laws.mapped(row["speed_up"], lambda s: laws.karp_flatt(s, point.threads))
    return row


def curve_of(subject, mode, policy, rows, edges):
    """What the points of one curve say together."""
    rows = [row for row in rows if row["valid"] and "speed_up" in row and session.is_available(row["speed_up"])]
    counts = [row["threads"] for row in rows]
    curve = {"what": subject.name, "about": subject.about, "mode": mode, "placement": policy, "points": [row["name"] for row in rows]}
    rounds = [rates for i, rates in enumerate(zip(*(row["rates"] for row in rows))) if not any(row["reasons"][i] for row in rows)]
    # Siblings of a core are not further cores: the law is of those that have one of their own.
    cores = next((edge["threads"] for edge in edges if "SMT" in edge["domains"]), counts[-1] if counts else 0)
    within = [i for i, n in enumerate(counts) if n <= cores]
    fitted = [counts[i] for i in within]
    curve["usl"] = (laws.fit_usl(fitted, [[rates[i] for i in within] for rates in rounds]) if rounds
                    else session.unavailable("no round is valid at every thread count"))
    if len(counts) < 3:
        curve["knee"] = session.unavailable("a knee needs three thread counts")
    else:
        knee = laws.find_knee(counts, [row["speed_up"] for row in rows])
        if knee:
            edge = placement.nearest_edge(knee["threads"], edges)
            knee["edge"] = edge["label"] if edge else "no edge of the topology is there"
        curve["knee"] = knee or "none"
    return curve


def summary(result):
    """Text for the terminal."""
    lines = []
    form = lambda i, f: f.format(i["value"]) + (f" [{f.format(i['low'])}, {f.format(i['high'])}]" if i.get("low") is not None else "")
    width = max(len(row["name"]) for row in result["rows"])
    for row in result["rows"]:
        text = f"{row['name']:<{width}}  {row['value']:9.2f} {row['unit']:<9}"
        if not row["valid"]:
            text += f"  INVALID: {row['reason']}"
        elif session.is_available(row.get("speed_up")) and row["threads"] > 1:
            text += f"  speed-up {form(row['speed_up'], '{:.2f}')} (best {row['best_speed_up']:.2f}), efficiency {row['efficiency']['value']:.0%}, Karp-Flatt {row['karp_flatt']['value']:.3f}"
        lines.append(text)
    for curve in result["curves"]:
        usl = curve["usl"]
        text = usl["unavailable"] if not session.is_available(usl) else (
            f"contention {form(usl['contention'], '{:.3f}')}, coherence {form(usl['coherence'], '{:.5f}')}")
        lines.append(f"{curve['mode']}/{curve['what']}: USL {text}")
        if isinstance(curve["knee"], dict) and session.is_available(curve["knee"]):
            lines.append(f"{curve['mode']}/{curve['what']}: knee at {curve['knee']['threads']} threads: {curve['knee']['edge']}")
    lines += ["", *result["cannot_know"], *result["notes"]]
    return "\n".join(lines)


def prepare(arguments, binaries, record):
    """(subjects, counts, policies, plans, places): plans[policy][n] are the places of n threads."""
    machine = record["machine"]
    if not session.is_available(machine):
        raise project.PerfError(machine["unavailable"])
    policies = arguments.placements.split(",")
    places = placement.plan(binaries, machine["topology"]["pus"], "compact")
    quota = machine["quota"]["cpus"]
    counts = placement.thread_counts(places, quota)
    if arguments.threads:
        counts = sorted({*arguments.threads, 1})
        if counts[-1] > len(places):
            raise project.PerfError(f"--threads {counts[-1]}: allowed are 1 to {len(places)}", 2)
    plans = {policy: {n: placement.plan(binaries, n, policy) for n in counts} if policy not in ("compact", "none")
             else {n: places[:n] for n in counts} for policy in policies}
    isa = machine["isa"]["in_use"]
    subjects = [Kernel(binaries, name, isa, arguments.min_time, counts[-1]) for name in arguments.kernels.split(",") if name]
    if arguments.kernels:
        subjects += [Counting(binaries, "counted/default", isa, arguments.min_time), Triad(binaries, {p: places for p in policies})]
    if arguments.job:
        subjects.append(Job(binaries, arguments.job))
    return subjects, counts, policies, plans, places


def run(arguments):
    if arguments.ranks:
        for option, default in (("kernels", KERNELS), ("placements", PLACEMENTS), ("min_time", MIN_TIME)):
            if getattr(arguments, option) != default:
                raise project.PerfError(f"--{option.replace('_', '-')} is about threads of one process: with --ranks it means nothing", 2)
        return ranks.run(arguments)
    if arguments.mpi or arguments.predict or arguments.timeout != TIMEOUT:
        raise project.PerfError("--mpi, --predict and --timeout need --ranks", 2)
    binaries = programs.programs(arguments, ("rhm", "bench_kernels", "bench_sampling", "bench_ceilings"))
    surroundings = environment.Environment(binaries)
    subjects, counts, policies, plans, places = prepare(arguments, binaries, surroundings.record)
    points, same = plan_points(subjects, counts, policies, plans)
    result = session.new("scaling", surroundings.record, seed=arguments.seed, rounds=arguments.rounds, job=arguments.job,
                         thread_counts=counts, edges=placement.edges(places), places=places)
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as folder:
        samples = measure(points, arguments.rounds, arguments.seed, Path(folder))
    find = lambda p, policy, n: samples.get(Point(p.subject, p.mode, policy, n))
    for p in points:
        base = find(p, p.placement, 1) or find(p, policies[0], 1)
        usual = None if p.placement == policies[0] else find(p, policies[0], p.threads)
        result["rows"].append(row_of(p, samples[p], base, usual, plans))
    keys = dict.fromkeys((point.subject, point.mode, point.placement) for point in points if point.placement == policies[0])
    result["curves"] = [curve_of(subject, mode, policy,
                                 [row for row, p in zip(result["rows"], points) if (p.subject, p.mode, p.placement) == (subject, mode, policy)],
                                 result["edges"]) for subject, mode, policy in keys]
    record = surroundings.finish()
    result["cannot_know"] = placement.unknowable(places, counts, record["machine"], record["system"])
    result["notes"] = [f"{policy} seats {', '.join(str(n) for p, t, n in same if (p, t) == (policy, twin))} threads as {twin} does."
                       for policy, twin in dict.fromkeys((p, t) for p, t, _ in same)]
    result["notes"] += busy(record)
    path = session.write(result, arguments.output)
    print(summary(result))
    print(f"\nperf scaling: {project.relative(path)}", file=sys.stderr)
    return 0 if any(row["valid"] for row in result["rows"]) else 1


def busy(record):
    """A sentence when others used the machine before we began: speed-ups then say little."""
    load = record["counters"]["before"]["load_average"]
    cpus = record["machine"]["topology"]["pus"]
    if session.is_available(load) and load[0] > 0.25 * cpus:
        return [f"The machine was not quiet: load average {load[0]:.1f} on {cpus} CPUs when the sweep began."]
    return []
