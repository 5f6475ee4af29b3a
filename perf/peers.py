"""The same whole job in PyTorch, NumPy and scikit-learn: ratios of time, memory and start-up, with accuracy checked equal.

Every program trains on the same grammar with the same numbers of samples, width, bandwidths, ridges, single precision and threads, each
in a process of its own, in alternation. Peers compute on samples, as people do; that rhm computes on distinct patches is its algorithm.
`rhm train --distinct off` computes on samples too: what it gains over a peer is the kernels' part, the rest is the algorithm's.
"torch" keeps the features of a stage where they fit into memory, gigabytes of them; "torch chunked" makes them anew in every pass.

torch comes from build/torch-venv, which --install makes. Exit status: 0 done, 1 a run failed, 2 bad usage, 3 the accuracies differ."""
import json
import math
import os
import re
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

from perf import environment, facts, programs
from perf.harness import arguments as types
from perf.harness import effort, google_benchmark, process, project, session
from perf.jobs import JOBS
from perf.harness.project import PerfError

PEERS = Path(__file__).resolve().parent / "peer"
VENV = project.ROOT / "build" / "torch-venv"
PACKAGES = ("torch==2.13.0", "numpy", "scikit-learn")
ACCURACIES_DIFFER = 3
PARTS = ("generator", "forward")  # rows of parts of a job, in rhm and in PyTorch
PILOT = 0.1  # of the samples, for choosing the best way of each peer
TARGETS = {"whole": {"time": 20, "memory": 10, "kernels": 4}, "small": {"time": 1}}

SCRIPTS = {"torch": "torch_learner.py", "torch chunked": "torch_learner.py", "torch.compile": "torch_learner.py", "numpy": "numpy_learner.py", "scikit-learn": "sklearn_learner.py"}
MODULES = {"torch": "torch", "torch chunked": "torch", "torch.compile": "torch", "numpy": "numpy", "scikit-learn": "sklearn"}
WAYS = {
    "torch": [["features=kept", "chunk=256"], ["features=kept", "chunk=1024"], ["features=kept", "chunk=4096"], ["solver=cholesky"]],
    "torch chunked": [["features=recomputed", "chunk=256"], ["features=recomputed", "chunk=1024"], ["features=recomputed", "chunk=4096"]],
    "torch.compile": [["compile=1", "features=recomputed", "chunk=512"], ["compile=1", "features=recomputed", "chunk=2048"]],
    "numpy": [["features=kept", "chunk=256"], ["features=kept", "chunk=1024"], ["features=recomputed", "chunk=256"]],
    "scikit-learn": [[]],
}
MOST_MEMORY = 0.6  # of what is available, for features that are kept


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--job", action="append", choices=sorted(JOBS), help="a job of perf/jobs.py, several times for several (default: all)")
    parser.add_argument("--peer", action="append", choices=list(SCRIPTS), help="a peer, several times for several (default: all)")
    parser.add_argument("--rounds", type=types.whole(), default=3, metavar="N", help="of alternation (default: %(default)s)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="of every program (default: the allowed CPUs)")
    parser.add_argument("--python", metavar="PYTHON", help="with the peers' packages (default: build/torch-venv, else python3)")
    parser.add_argument("--install", action="store_true", help=f"make build/torch-venv with pip install {' '.join(PACKAGES)} first")
    parser.add_argument("--scale", type=types.real(most=1.0), default=1.0, metavar="X", help="times the numbers of samples, for trials (default: %(default)s)")
    parser.add_argument("--first-way", action="store_true", help="of each peer, without trying which one is fastest")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="result (default: build/perf-results/peers.json)")


def takes(arguments):
    return f"about {4 * arguments.rounds} minutes for all jobs and peers on two CPUs"


def installs(arguments):
    return f"installs {', '.join(PACKAGES)} from PyPI into build/torch-venv" if arguments.install else "installs nothing"


# ---- what there is ------------------------------------------------------------------------------------------------------


def install():
    for command in ([sys.executable, "-m", "venv", VENV], [VENV / "bin/python", "-m", "pip", "install", "-q", *PACKAGES]):
        process.succeeded(process.run(command))


def find_python(asked):
    """An interpreter for the peers; None when there is none with NumPy."""
    candidates = [asked] if asked else [VENV / "bin/python", "python3", sys.executable]
    for python in candidates:
        try:
            if process.run([python, "-c", "import numpy"]).status == 0:
                return str(python)
        except PerfError:
            continue
    return None


def missing_module(python, peer):
    done = process.run([python, "-c", f"import {MODULES[peer]}"])
    if done.status == 0:
        return None
    said = (done.errors.strip().splitlines() or ["it does not say why"])[-1]
    return f"{MODULES[peer]} cannot be imported by {project.relative(python)} ({said}); ./dev perf peers --install"


def has_distinct_option(rhm):
    return "--distinct" in process.run([rhm, "train", "--help"]).output


def available_memory():
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found.group(1)) * 1024 if found else 0


# ---- one run ------------------------------------------------------------------------------------------------------------


def job_file(rhm, job, threads, folder):
    """The job with its grammar, for the peers."""
    import h5py

    path = folder / f"{job.name}.h5"
    process.succeeded(process.run([rhm, "grammar", *job.instance(), "-o", path]))
    with h5py.File(path) as file:
        group = file["grammar"]
        rules = [group[f"rules_{level}"][()].tolist() for level in range(1, job.levels + 1)]
        vocab = [int(size) for size in group.attrs["vocab"]]
    out = folder / f"{job.name}.json"
    out.write_text(json.dumps({
        "name": job.name, "vocab": vocab, "branching": job.branching, "levels": job.levels, "rules_by_level": rules,
        "samples": job.samples, "width": job.width, "bandwidths": job.bandwidths, "ridges": job.ridges, "tolerance": job.tolerance,
        "test_samples": job.test_samples, "threads": threads, "data_seed": job.seed,
        "feature_bytes": int(MOST_MEMORY * available_memory())}))
    return out


def peer_environment(peer, threads, folder):
    one = "1" if peer == "numpy" else str(threads)
    return {"OMP_NUM_THREADS": one, "OPENBLAS_NUM_THREADS": one, "MKL_NUM_THREADS": one, "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
            "PYTHONDONTWRITEBYTECODE": "1"}


def run_peer(python, peer, way, path, threads, folder):
    """{"wall", "cpu", "rss", "accuracy", "startup", "train", "test"} of a finished run."""
    done = process.succeeded(process.run([python, PEERS / SCRIPTS[peer], path, *way], environment=peer_environment(peer, threads, folder)))
    answer = json.loads(done.output.strip().splitlines()[-1])
    spent = answer["seconds"]
    work = spent["prepare"] + spent["train"] + spent["test"]
    return {"run": done, "wall": done.seconds, "cpu": done.cpu_seconds, "rss": answer["peak_rss_bytes"], "accuracy": answer["accuracy"],
            "startup": done.seconds - work, "train": spent["train"], "test": spent["test"], "levels": answer["levels"],
            "library": answer["library"]}


def run_rhm(rhm, job, threads, more):
    done = process.reported(process.run_json([rhm, "train", "--progress", "off", *job.options(), "--threads", threads, *more], "--trace"))
    accuracy = re.search(r"test accuracy ([0-9.]+)", done.output)
    totals = done.report["otherData"]["totals"]
    of = lambda *names: sum(total["seconds"] for total in totals if total["name"] in names)
    return {"run": done, "wall": done.seconds, "cpu": done.cpu_seconds, "rss": done.report["otherData"]["peak_rss_bytes"],
            "accuracy": float(accuracy.group(1)),
            "startup": done.seconds - of("train"), "train": of("level"), "test": of("test"),
            "levels": [{"level": total["level"], "seconds": total["seconds"]} for total in totals if total["name"] == "level"],
            "library": "rhm"}


def choose_way(python, peer, job, pilot_path, threads, folder, log):
    """The fastest way on a tenth of the samples. PyTorch and NumPy keep the features of the stages where they fit into memory;
    scikit-learn, which cannot do without, is left out where they do not."""
    tried, left_out = [], []
    for way in WAYS[peer]:
        nbytes = 8.0 * job.width * max(job.samples)
        if peer == "scikit-learn" and nbytes > MOST_MEMORY * available_memory():
            left_out.append({"way": way, "reason": f"its features take {nbytes / 2**30:.1f} GiB"})
            continue
        # What torch compiles is kept, so the second run shows the work.
        runs = [run_peer(python, peer, way, pilot_path, threads, folder) for _ in range(2 if peer == "torch.compile" else 1)]
        tried.append({"way": way, "seconds": runs[-1]["train"] + runs[-1]["test"], "first_wall_seconds": runs[0]["wall"]})
        log(f"  {peer} {' '.join(way)}: {tried[-1]['seconds']:.2f} s on {PILOT:g} of the samples")
    if not tried:
        return None, tried, left_out
    return min(tried, key=lambda entry: entry["seconds"])["way"], tried, left_out


# ---- the session --------------------------------------------------------------------------------------------------------


def alternate(runners, rounds, log):
    """{name: [run, ...]}: every program once a round, each round in the opposite order of the one before."""
    runs = {name: [] for name in runners}
    for turn in range(rounds):
        for name in (list(runners) if turn % 2 == 0 else reversed(runners)):
            runs[name].append(runners[name]())
            last = runs[name][-1]
            log(f"  round {turn + 1}: {name} {last['wall']:.2f} s, {last['rss'] / 2**20:.0f} MiB, accuracy {last['accuracy']:.4f}")
    return runs


def ratios(of, base, key):
    """Of the same round: both met the same neighbours."""
    values = [a[key] / b[key] for a, b in zip(of, base)]
    return {"median": statistics.median(values), "least": min(values), "largest": max(values)}


def accuracies_agree(a, b, tests):
    """Whether two accuracies on `tests` samples each differ by no more than three standard deviations, and a half per cent."""
    mean = (a + b) / 2
    return abs(a - b) <= 0.005 + 3 * math.sqrt(max(mean * (1 - mean), 1 / tests) * 2 / tests)


def rows_of(job, runs, ways, arguments, threads):
    rows = []
    base = runs["rhm"]
    median = lambda name, key: statistics.median(run[key] for run in runs[name])
    for name, listed in runs.items():
        peer = name not in ("rhm", "rhm --distinct off")
        only = ["--peer", name] if peer else []
        scale = ["--scale", f"{arguments.scale:g}"] if arguments.scale != 1 else []
        reproduce = shlex.join(["./dev", "perf", "peers", "--job", job.name, *only, "--threads", str(threads), *scale])
        row = session.row(f"{job.name}: {name}", "s", reproduce, value=median(name, "wall"), job=job.name, program=name,
                          library=listed[0]["library"], way=" ".join(ways.get(name, [])),
                          wall_seconds=[run["wall"] for run in listed], cpu_seconds=median(name, "cpu"),
                          train_seconds=median(name, "train"), test_seconds=median(name, "test"),
                          startup_seconds=median(name, "startup"), peak_rss_bytes=median(name, "rss"),
                          accuracy=median(name, "accuracy"), levels=listed[0]["levels"],
                          effort=effort.of(run["run"] for run in listed if "run" in run))
        if name != "rhm":
            row["time_ratio"] = ratios(listed, base, "wall")
            row["cpu_ratio"] = ratios(listed, base, "cpu")
            row["memory_ratio"] = ratios(listed, base, "rss")
            row["startup_ratio"] = ratios(listed, base, "startup")
        if not accuracies_agree(row["accuracy"], median("rhm", "accuracy"), job.test_samples):
            row["valid"] = False
            row["reason"] = f"its accuracy {row['accuracy']:.4f} is not that of rhm, {median('rhm', 'accuracy'):.4f}"
        rows.append(row)
    return rows


def gains(job, rows, scale):
    """The fastest valid peer, the two gains over it, and whether the targets were met."""
    valid = [row for row in rows if row["program"] not in ("rhm", "rhm --distinct off") and row.get("valid", True)]
    if not valid:
        return {"job": job.name, "fastest_peer": session.unavailable("no peer ran to the same accuracy")}
    fastest = min(valid, key=lambda row: row["value"])
    raw = next((row for row in rows if row["program"] == "rhm --distinct off"), None)
    found = {"job": job.name, "fastest_peer": fastest["program"], "way": fastest["way"], "time": fastest["time_ratio"]["median"],
             "memory": fastest["memory_ratio"]["median"], "startup": fastest["startup_ratio"]["median"]}
    if raw:
        found["algorithm"] = raw["time_ratio"]["median"]
        found["kernels"] = fastest["value"] / raw["value"]
        # `rhm train --distinct off` makes the features anew in every pass where they are many: so do these.
        chunked = [row["value"] for row in valid if "features=recomputed" in row["way"]]
        found["kernels_of_the_same_way"] = (min(chunked) / raw["value"] if chunked
                                            else session.unavailable("no peer that recomputes its features ran"))
    else:
        for key in ("algorithm", "kernels", "kernels_of_the_same_way"):
            found[key] = session.unavailable("this rhm train has no --distinct")
    found["targets"] = {key: {"wanted": wanted, "met": found[key] >= wanted}
                        for key, wanted in TARGETS.get(job.name, {}).items() if scale == 1 and session.is_available(found[key])}
    return found


def parts_of(job):
    """{part: (name of its row, our program and row, our shape, key of our rate, what a unit of it is worth, unit)}."""
    sizes = f"vocab={job.vocab} branching={job.branching}"
    shape = {"vocab": job.vocab, "branching": job.branching, "width": job.width}
    return {
        "sequences": ("generator", "bench_sampling", "sequences/job/{isa}/t:{t}", f"{sizes} rules={job.rules} levels={job.levels} first={job.levels}",
                      "best_items_per_second", 1.0, "tokens/s"),
        "forward": ("forward", "bench_kernels", "forward/job/{isa}/native/t:{t}", f"{sizes} width={job.width} rows={4 * job.vocab} run=96 patches=1536",
                    "best_flops_per_second", 1 / facts.model_flops("forward", shape, 1), "patches/s"),
    }


def compare_part(part, binaries, python, path, job, isa, threads, rounds, folder, log):
    """A part of the job in PyTorch and in rhm, in alternation: the best rates."""
    label, program, row, shape, key, worth, unit = parts_of(job)[part]
    shapes = folder / f"{part}.txt"
    shapes.write_text(f"job {shape}\n")
    ours, theirs, way, runs = [], [], "", []
    for _ in range(rounds):
        mine = google_benchmark.run(binaries / program, f"^{row.format(isa=isa, t=threads)}/", 0.1,
                                      options=[f"--shapes={shapes}", f"--threads={threads}"])
        ours.append(worth * max(found.values[key] for found in google_benchmark.rows(mine.report)))
        runs.append(mine)
        done = process.succeeded(process.run([python, PEERS / "torch_parts.py", path, f"part={part}", "seconds=0.2"],
                                             environment=peer_environment("torch", threads, folder)))
        answer = json.loads(done.output.strip().splitlines()[-1])
        theirs.append(answer["rate"])
        way = answer["way"]
    log(f"  {label}: rhm {max(ours) / 1e6:.1f}, torch {max(theirs) / 1e6:.1f} million {unit}")
    return session.row(f"{job.name}: {label}", unit,
                       shlex.join(["./dev", "perf", "peers", "--job", job.name, "--peer", "torch", "--threads", str(threads)]), job=job.name,
                       program=label, value=max(ours), torch_rate=max(theirs), way=way, ratio=max(ours) / max(theirs), effort=effort.of(runs),
                       **({"torch_tokens_per_second": max(theirs)} if part == "sequences" else {}))


def run_one(job, binaries, python, peers, isa, threads, arguments, folder, log, result):
    rhm = binaries / "rhm"
    path = job_file(rhm, job, threads, folder)
    pilot = job_file(rhm, job.scaled(PILOT), threads, folder / "pilot")
    runners = {"rhm": lambda: run_rhm(rhm, job, threads, [])}
    if has_distinct_option(rhm):
        runners["rhm --distinct off"] = lambda: run_rhm(rhm, job, threads, ["--distinct", "off"])
    ways = {}
    for peer in peers:
        if arguments.first_way:
            ways[peer] = WAYS[peer][0]
        else:
            ways[peer], tried, left_out = choose_way(python, peer, job, pilot, threads, folder, log)
            result["ways"].append({"job": job.name, "peer": peer, "chosen": ways[peer], "tried": tried, "left_out": left_out})
        if ways[peer] is None:
            del ways[peer]
            continue
        runners[peer] = lambda peer=peer: run_peer(python, peer, ways[peer], path, threads, folder)
    runs = alternate(runners, arguments.rounds, log)
    rows = rows_of(job, runs, ways, arguments, threads)
    result["rows"] += rows
    result["gains"].append(gains(job, rows, arguments.scale))
    if any(MODULES[peer] == "torch" for peer in peers):
        result["rows"] += [compare_part(part, binaries, python, path, job, isa, threads, arguments.rounds, folder, log) for part in parts_of(job)]


def sentences(result):
    """What the rows of a result come to."""
    show = lambda value: f"{value:.1f}" if isinstance(value, (int, float)) else f"unavailable: {value['unavailable']}"
    for gain in result.get("gains", []):
        if not isinstance(gain["fastest_peer"], str):
            yield f"{gain['job']}: {gain['fastest_peer']['unavailable']}"
            continue
        alike = gain.get("kernels_of_the_same_way", session.unavailable("not measured"))
        yield (f"{gain['job']}: fastest peer {gain['fastest_peer']}; rhm is {gain['time']:.1f} times as fast, takes 1/{gain['memory']:.1f} "
               f"of its memory and 1/{gain['startup']:.0f} of its start-up; of it kernels {show(gain['kernels'])} "
               f"(against the fastest that keeps no features {show(alike)}), algorithm (distinct patches) {show(gain['algorithm'])}")
        for key, target in gain["targets"].items():
            yield f"{gain['job']}: {key}: wanted {target['wanted']}, {'met' if target['met'] else 'MISSED'}"
    for row in result["rows"]:
        if "ratio" in row:  # a part of a job
            theirs = row.get("torch_rate", row.get("torch_tokens_per_second", 0))
            yield f"{row['name']}: rhm {row['value'] / 1e6:.1f}, torch {theirs / 1e6:.1f} million {row['unit']}: {row['ratio']:.1f} times"
    for entry in result.get("left_out", []):
        yield f"left out: {entry['peer']}: {entry['reason']}"


def text(result):
    lines = [f"{'job: program':<28} {'wall s':>8} {'cpu s':>8} {'MiB':>7} {'start-up':>8} {'accuracy':>8} {'time':>7} {'memory':>7}  way"]
    for row in result["rows"]:
        if row["program"] in PARTS:
            continue
        ratio = lambda key: f"{row[key]['median']:.1f}" if key in row else "1"
        lines.append(f"{row['name']:<28} {row['value']:>8.2f} {row['cpu_seconds']:>8.2f} {row['peak_rss_bytes'] / 2**20:>7.0f} "
                     f"{row['startup_seconds']:>8.2f} {row['accuracy']:>8.4f} {ratio('time_ratio'):>7} {ratio('memory_ratio'):>7}  "
                     f"{row['way']}{'' if row.get('valid', True) else ' INVALID: ' + row['reason']}")
    return "\n".join([*lines, "", *sentences(result)])


def run(arguments):
    binaries = programs.programs(arguments, ("rhm", "bench_kernels", "bench_sampling"))
    if arguments.install:
        install()
    python = find_python(arguments.python)
    if not python:
        raise PerfError(f"{arguments.python or 'no Python that was found'} has no NumPy: ./dev perf peers --install", 2)
    log = lambda line: print(line, file=sys.stderr, flush=True)
    surroundings = environment.Environment(binaries)
    result = session.new("peers", surroundings.record, gains=[], ways=[], left_out=[])
    peers = []
    for peer in arguments.peer or SCRIPTS:
        reason = missing_module(python, peer)
        if reason:
            result["left_out"].append({"peer": peer, "reason": reason})
        else:
            peers.append(peer)
    if not peers:
        raise PerfError(f"no peer can run: {result['left_out'][0]['reason']}")
    if not session.is_available(surroundings.record["machine"]):
        raise PerfError(surroundings.record["machine"]["unavailable"])
    isa, threads = surroundings.record["machine"]["isa"]["in_use"], arguments.threads or len(os.sched_getaffinity(0))
    result["threads"] = threads
    result["peer_python"] = {"python": project.relative(python), "packages": process.run([python, "-m", "pip", "freeze"]).output.split()}
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as name:
        folder = Path(name)
        (folder / "pilot").mkdir()
        for job in (JOBS[name].scaled(arguments.scale) if arguments.scale < 1 else JOBS[name] for name in arguments.job or JOBS):
            log(f"{job.name}: samples {', '.join(map(str, job.samples))}, M = {job.width}, {threads} threads")
            run_one(job, binaries, python, peers, isa, threads, arguments, folder, log, result)
    surroundings.finish()
    path = session.write(result, arguments.output)
    print(text(result))
    print(f"\n{path}")
    return ACCURACIES_DIFFER if any(row.get("valid") is False for row in result["rows"]) else 0
