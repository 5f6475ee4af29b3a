"""What `perf scaling --ranks` measures: `rhm train` under mpirun, by numbers of ranks and of threads of each.

Strong: the same samples for any number of ranks. Weak: samples grow with the cores at work. Every round runs every point once, in an order
drawn anew; speed-ups are ratios within a round to one process of one thread. Runs that a quota or heat throttled are invalid. What ranks
said to each other is counted exactly by them."""
import os
import random
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from perf import environment, programs
from perf.harness import effort, host, laws, process, project, session
from perf.subjects import job_flops, job_words, more_samples

LAUNCHERS = {"openmpi": ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "--quiet", "-n"], "mpich": ["mpirun.mpich", "-n"]}
QUIET = {"OMPI_MCA_btl_base_warn_component_unused": "0"}
TREE = ("reduce", "broadcast")


@dataclass(frozen=True)
class Point:
    mode: str  # strong, weak
    ranks: int
    threads: int  # of a rank

    @property
    def name(self):
        return f"{self.mode}/job/r:{self.ranks}/t:{self.threads}"


@dataclass
class Sample:
    seconds: float
    rate: float       # jobs a second, or operations a second of a weak one
    told: list        # messages of each rank, as machine.ranks of the report has them; [] for one process
    predicted: float  # seconds that rhm plan would have said, or None
    run: object = None  # the process
    reason: str = ""    # why it must not be used; "" when it may


def find_launcher(binaries, asked=None):
    """The words of a launcher whose module lies beside the programs."""
    modules = [binaries, binaries.parent / "lib" / "rhm"]
    for mpi, words in LAUNCHERS.items():
        if asked in (None, mpi) and shutil.which(words[0]) and any((folder / f"librhm_mpi_{mpi}.so").exists() for folder in modules):
            return words
    raise project.PerfError(f"no MPI{f' named {asked}' if asked else ''} with a launcher and a module of this build: install libopenmpi-dev and openmpi-bin, "
                            "or libmpich-dev and mpich, and build anew", 2)


def points_of(ranks, threads):
    """Each with each; one process of one thread, to which all are compared, is always there."""
    pairs = sorted({(1, 1), *((r, t) for r in ranks for t in threads)})
    return [Point(mode, r, t) for mode in ("strong", "weak") for r, t in pairs]


def words_of(point, job, cores):
    words = job_words(job)
    if point.mode == "weak":
        words = more_samples(words, min(point.ranks * point.threads, cores))
    return [*words, "--threads", str(point.threads)]


def command_of(point, launcher, rhm, job, cores):
    return [*([*launcher, str(point.ranks)] if point.ranks > 1 else []), str(rhm), "train", "--progress", "off", *words_of(point, job, cores)]


def run_point(point, launcher, rhm, job, cores, predict, hashes, timeout=None):
    command = command_of(point, launcher, rhm, job, cores)
    ceilings = "on" if predict else "off"
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} if os.geteuid() == 0 else {}
    before = host.counters()
    done = process.reported(process.run_json([*command, "--ceilings", ceilings], "--report", environment={**QUIET, **root}, timeout=timeout))
    troubles = host.disturbed(host.change(before, host.counters()))
    report = done.report
    # A wrong model is not a fast one: the hash must not depend on ranks or threads.
    work = tuple(words_of(point, job, cores)[:-2])
    if hashes.setdefault(work, report["model_hash"]) != report["model_hash"]:
        raise project.PerfError(f"{point.name}: the model differs from that of other ranks or threads: {shlex.join(command)}")
    told = [rank["messages"] for rank in report["machine"]["ranks"] or []]
    flops = sum(job_flops(level) for level in report["levels"])
    rate = 1 / report["seconds"] if point.mode == "strong" else flops / report["seconds"] / 1e9
    return Sample(report["seconds"], rate, told, (report["predicted"] or {}).get("seconds"), done, next(iter(troubles), ""))


def account(samples):
    """Messages and bytes, which must be those of every run; shares of time, as medians over runs of the mean over ranks."""
    kinds = lambda message: {kind: (told["sent"], told["sent_bytes"]) for kind, told in message.items() if isinstance(told, dict)}
    exact = [[kinds(message) for message in sample.told] for sample in samples]
    if any(one != exact[0] for one in exact):
        raise project.PerfError("the same training exchanged other messages: is a limit in seconds set?")
    share = lambda wanted: laws.median_interval([sum(wanted(message) for message in sample.told) / len(sample.told) / sample.seconds
                                                 for sample in samples])["value"]
    total = lambda message: sum(told["seconds"] for told in message.values() if isinstance(told, dict))
    return {"messages": sum(count for rank in exact[0] for count, _ in rank.values()), "bytes": sum(nbytes for rank in exact[0] for _, nbytes in rank.values()),
            "by_kind": {kind: {"messages": sum(rank[kind][0] for rank in exact[0]), "bytes": sum(rank[kind][1] for rank in exact[0])} for kind in exact[0][0]},
            "communication_share": share(total), "tree_share": share(lambda message: sum(message[kind]["seconds"] for kind in TREE)),
            "waiting_share": share(lambda message: message["waited_seconds"])}


def row_of(point, samples, base, reproduce, cores):
    used = [sample for sample in samples if not sample.reason] or samples
    seconds = laws.median_interval([sample.seconds for sample in used])
    row = session.row(point.name, "s", reproduce, value=seconds["value"], interval=seconds, mode=point.mode, ranks=point.ranks, threads=point.threads,
                      effort=effort.of_row([{}] * len(samples), [sample.run for sample in samples if sample.run]),
                      **laws.of_samples(samples, base, min(point.ranks * point.threads, cores)))
    row["exchanged"] = account(samples) if point.ranks > 1 else session.unavailable("one process")
    foreseen = [sample.predicted / sample.seconds for sample in used if sample.predicted]
    row["predicted_over_measured"] = laws.median_interval(foreseen)["value"] if foreseen else session.unavailable("not predicted")
    # Launcher, MPI_Init and MPI_Finalize, and what a process does before and after its work: the same for jobs of any length.
    around = [sample.run.seconds - sample.seconds for sample in used if sample.run]
    row["start_and_end_seconds"] = laws.median_interval(around)["value"] if around else session.unavailable("no process was timed")
    return row


def summary(result):
    lines = [f"{'':<22} {'seconds':>8} {'start, end':>10} {'speed-up':>9} {'best':>6} {'efficiency':>10} {'messages':>9} {'MB':>8} {'in messages':>11} {'in the tree':>11} {'predicted':>9}"]
    for row in result["rows"]:
        around = row["start_and_end_seconds"]
        text = f"{row['name']:<22} {row['value']:>8.2f} " + (f"{around:>10.2f}" if session.is_available(around) else f"{'-':>10}")
        if not row["valid"]:
            lines.append(f"{text}  INVALID: {row['reason']}")
            continue
        speed, best, efficiency = row["speed_up"], row["best_speed_up"], row["efficiency"]
        text += f" {speed['value']:>9.2f} {best:>6.2f} {efficiency['value']:>10.0%}" if session.is_available(speed) else f" {'-':>9} {'-':>6} {'-':>10}"
        told = row["exchanged"]
        if session.is_available(told):
            text += f" {told['messages']:>9} {told['bytes'] / 1e6:>8.1f} {told['communication_share']:>11.1%} {told['tree_share']:>11.1%}"
        else:
            text += f" {'-':>9} {'-':>8} {'-':>11} {'-':>11}"
        if session.is_available(row["predicted_over_measured"]):
            text += f" {row['predicted_over_measured']:>8.2f}x"
        lines.append(text)
    return "\n".join(lines)


def run(arguments):
    job_words(arguments.job)
    binaries = programs.programs(arguments)
    launcher, rhm = find_launcher(binaries, arguments.mpi), binaries / "rhm"
    surroundings = environment.Environment(binaries)
    cores = len(os.sched_getaffinity(0))
    points, order, hashes = points_of(arguments.ranks, arguments.threads or [1]), random.Random(arguments.seed), {}
    samples = {point: [] for point in points}
    for _ in range(arguments.rounds):
        for point in order.sample(points, len(points)):
            samples[point].append(run_point(point, launcher, rhm, arguments.job, cores, arguments.predict, hashes, arguments.timeout))
    result = session.new("ranks", surroundings.finish(), seed=arguments.seed, rounds=arguments.rounds, job=arguments.job, launcher=launcher, cpus=cores)
    for point in points:
        reproduce = shlex.join([part if part != str(rhm) else project.relative(rhm) for part in command_of(point, launcher, rhm, arguments.job, cores)])
        result["rows"].append(row_of(point, samples[point], samples[Point(point.mode, 1, 1)], reproduce, cores))
    print(summary(result))
    path = session.write(result, arguments.output and Path(arguments.output))
    print(f"\nperf scaling: {project.relative(path)}")
    return 0 if any(row["valid"] for row in result["rows"]) else 1
