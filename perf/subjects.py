"""What `perf scaling` runs at a point of its sweeps: rows of the benchmark programs, the memory triad, the whole job."""
import math
import shlex
from dataclasses import dataclass, field

from perf import placement, programs
from perf.harness import google_benchmark, process, project

SHAPES = project.ROOT / "bench/shapes/kernels.txt"


@dataclass(frozen=True)
class Point:
    subject: object
    mode: str  # strong, weak
    placement: str  # compact, scatter, none
    threads: int

    @property
    def name(self):
        return f"{self.mode}/{self.subject.name}/{self.placement}/t:{self.threads}"


@dataclass
class Sample:
    rate: float
    reason: str = ""  # why it must not be used; "" when it may
    details: dict = field(default_factory=dict)
    run: object = None   # the process
    values: dict = None  # of the row, where the process reported rows


def shape_line(name):
    """The line of a shape in bench/shapes/kernels.txt as {key: value}."""
    for line in SHAPES.read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[0] == name:
            return {key: int(value) for key, value in (word.split("=") for word in words[1:])}
    raise project.PerfError(f"{project.relative(SHAPES)} has no shape '{name}'", 2)


class Kernel:
    """A row of bench_kernels: strong with a fixed number of patches in all, weak with a fixed number per thread."""
    unit = "GFLOP/s"
    modes = ("strong", "weak")
    places = True

    def __init__(self, binaries, name, isa, min_time, most_threads):
        operation, _, shape = name.partition("/")
        # Patches of the strong sweep over those of the weak one: with all threads a trial is as long as a weak one.
        self.factor = most_threads
        self.program, self.operation, self.shape, self.isa, self.min_time = binaries / "bench_kernels", operation, shape, isa, min_time
        self.name = f"{operation}/{shape}/{isa}"
        self.about = f"{operation}, {shape}"
        self.keys = shape_line(shape)

    def shapes(self, point):
        keys = dict(self.keys)
        if point.mode == "strong":
            keys["patches"] = max(1, keys["patches"] * self.factor // point.threads)
        return f"{self.shape} " + " ".join(f"{key}={value}" for key, value in keys.items())

    def options(self, point):
        return [f"--threads={point.threads}", f"--placement={point.placement}"]

    @property
    def filter(self):
        return f"^{self.operation}/{self.shape}/{self.isa}/native/"

    def command(self, point):
        return (f"{project.relative(self.program)} --shapes=<(echo {shlex.quote(self.shapes(point))}) "
                f"{shlex.join([*self.options(point), '--benchmark_filter=' + self.filter])} --benchmark_min_time={self.min_time}")

    def measure(self, point, folder):
        path = folder / f"{self.shape}-{point.mode}-{point.threads}.txt"
        path.write_text(self.shapes(point) + "\n")
        done = google_benchmark.run(self.program, self.filter, self.min_time, options=[f"--shapes={path}", *self.options(point)])
        row = only_row(done, self.filter)
        off = row.values.get("threads_off_plan", 0)
        return Sample(row.values["best_flops_per_second"] / 1e9, f"{off:.0f} threads were off their plan" if off else "",
                      {"share_of_peak": row.values.get("share"), "peak_gflops": row.values.get("ceiling_flops_per_second", 0) / 1e9,
                       "mean_gflops": row.values["flops_per_second"] / 1e9}, done, row.values)


class Counting:
    """A row of bench_sampling. Every thread draws its own samples: weak by nature."""
    unit = "million/s"
    modes = ("weak",)
    places = True

    def __init__(self, binaries, row, isa, min_time):
        self.program, self.isa, self.min_time = binaries / "bench_sampling", isa, min_time
        self.name, self.filter = f"{row}/{isa}", f"^{row}/{isa}/"
        self.about = f"{row.partition('/')[0]} samples"

    def options(self, point):
        return [f"--threads={point.threads}", f"--placement={point.placement}"]

    def command(self, point):
        return shlex.join([project.relative(self.program), *self.options(point), f"--benchmark_filter={self.filter}",
                           f"--benchmark_min_time={self.min_time}"])

    def measure(self, point, folder):
        done = google_benchmark.run(self.program, self.filter, self.min_time, options=self.options(point))
        row = only_row(done, self.filter)
        off = row.values.get("threads_off_plan", 0)
        return Sample(row.values["best_items_per_second"] / 1e6, f"{off:.0f} threads were off their plan" if off else "", run=done, values=row.values)


class Triad:
    """Memory bandwidth, the ceiling of what streams. Its threads inherit the CPUs that taskset leaves them."""
    unit = "GB/s"
    modes = ("weak",)
    places = False
    name, about = "ceiling/triad/DRAM", "memory triad"

    def __init__(self, binaries, plans):
        self.program, self.plans = binaries / "bench_ceilings", plans

    def words(self, point):
        cpus = placement.cpus(self.plans[point.placement][:point.threads])
        return ["taskset", "-c", ",".join(map(str, cpus)), str(self.program), f"--threads={point.threads}"]

    def command(self, point):
        words = self.words(point)
        words[3] = project.relative(words[3])
        return shlex.join([*words, "--benchmark_filter=^ceiling/triad/DRAM/"])

    def measure(self, point, folder):
        done = process.reported(process.run_json([*self.words(point), "--benchmark_filter=^ceiling/triad/DRAM/"], "--benchmark_out="))
        row = only_row(done, self.name)
        short = row.values.get("cpus", point.threads) < point.threads
        return Sample(row.values["best_bytes_per_second"] / 1e9, "threads shared CPUs" if short else "", run=done, values=row.values)


def job_words(options):
    """Options of `rhm train` as words; PerfError, as bad usage, without samples that can be multiplied."""
    words = [part for word in shlex.split(options) for part in (word.split("=", 1) if word.startswith("--samples=") else [word])]
    at = words.index("--samples") + 1 if "--samples" in words else len(words)
    try:
        fixed = all(0 < float(n) < math.inf for n in words[at].split(","))
    except (IndexError, ValueError):
        fixed = False
    if not fixed or words.count("--samples") > 1:
        raise project.PerfError("the job needs fixed samples: --job '--samples N,... [options of rhm train]'", 2)
    return words


def more_samples(words, times):
    """The words of a job with so many times as many samples."""
    at = words.index("--samples") + 1
    return [*words[:at], ",".join(f"{float(n) * times:.0f}" for n in words[at].split(",")), *words[at + 1:]]


class Job:
    """`rhm train`. Strong: the same samples. Weak: samples times threads, and the work that the report counted over the time."""
    modes = ("strong", "weak")
    places = True
    name, about = "job", "whole job"

    def __init__(self, binaries, options):
        self.program, self.job, self.hashes = binaries / "rhm", job_words(options), {}

    def words(self, point):
        words = more_samples(self.job, point.threads) if point.mode == "weak" else list(self.job)
        return [*words, "--threads", str(point.threads), "--placement", point.placement]

    def command(self, point):
        return shlex.join([project.relative(self.program), "train", *self.words(point)])

    def measure(self, point, folder):
        done = programs.run_train(self.program, self.words(point))
        report = done.report
        record = report["machine"]["record"]
        reason = placement.astray(record)
        since = record["throttling"].get("throttled_periods_since_start", 0)
        if since:
            reason = f"the CPU quota stopped it in {since} periods"
        # A wrong model is not a fast one: the hash must not depend on threads or placement.
        work = tuple(self.words(point)[:-4])
        if self.hashes.setdefault(work, report["model_hash"]) != report["model_hash"]:
            raise project.PerfError(f"{point.name}: the model differs from that of other threads or placements: {self.command(point)}")
        flops = sum(job_flops(level) for level in report["levels"])
        rate = 1 / report["seconds"] if point.mode == "strong" else flops / report["seconds"] / 1e9
        return Sample(rate, reason, {"seconds": report["seconds"], "gflop": flops / 1e9, "peak_rss_bytes": done.peak_rss_bytes,
                                     "cpu_seconds": done.cpu_seconds,
                                     "planned": [(seat["planned"] or {}).get("cpu") for seat in record["team"]],
                                     "actual": [(seat["actual"] or {}).get("cpus") for seat in record["team"]]}, done)


def job_flops(level):
    """Floating-point operations of a level's kernels as the report of rhm counts them."""
    if "flops" in level:
        return level["flops"]
    seconds = level["seconds"]
    return (level["gflops"] or 0) * 1e9 * (seconds["embed"] + seconds["bandwidth"] + seconds["solve"])


def only_row(done, name):
    rows = google_benchmark.rows(done.report)
    if len(rows) != 1 or rows[0].skipped or rows[0].failed:
        reason = (rows[0].skipped or rows[0].failed) if rows else "nothing matches"
        raise project.PerfError(f"{name}: {reason if len(rows) <= 1 else f'{len(rows)} rows match'}")
    return rows[0]
