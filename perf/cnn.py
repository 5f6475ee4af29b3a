"""Steps of gradient descent of convolutional networks: rhm's native kernels, oneDNN and PyTorch, eager and compiled, in alternation.

For every shape of bench/shapes/cnn.txt, thread count and vector instruction set: the best step of each, ratios of the better of rhm's two
backends to PyTorch, the share of the measured multiply-add peak, the gain of two threads, and peak memory. PyTorch chooses its own
instruction set; against AVX2 it is kept to AVX2. Exit status: 0 done, 1 a run failed, 2 bad usage."""
import json
import re
import sys
from pathlib import Path

from perf import environment, peers, programs
from perf.harness import arguments as types
from perf.harness import google_benchmark, process, session

SHAPES = Path(__file__).resolve().parent.parent / "bench" / "shapes" / "cnn.txt"
FIELDS = ("vocab", "branching", "levels", "width", "batch")
COMPILED = "torch.compile"
TARGETS = {64: {"torch": 5, COMPILED: 3}, 512: {"torch": 2, COMPILED: 1.6, "share": 0.72, "threads": 1.85}}


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--shape", default=".*", metavar="PATTERN", help="of bench/shapes/cnn.txt (default: all)")
    parser.add_argument("--isa", default="avx512,avx2", metavar="ISA,...", help="(default: %(default)s)")
    parser.add_argument("--threads", default="1,2", metavar="N,...", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=types.whole(), default=3, metavar="N", help="of alternation (default: %(default)s)")
    parser.add_argument("--seconds", type=types.real(), default=1.0, metavar="S", help="of a measurement (default: %(default)s)")
    parser.add_argument("--python", metavar="PYTHON", help="with PyTorch (default: build/torch-venv, else python3)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="result (default: build/perf-results/cnn.json)")


def shapes(pattern):
    lines = [line.split() for line in SHAPES.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {name: {key: int(value) for key, value in (word.split("=") for word in words)} for name, *words in lines if re.fullmatch(pattern, name)}


def run_ours(binaries, name, isa, threads, seconds):
    """{backend: step in seconds}, share of the peak of the best, bytes."""
    done = google_benchmark.run(binaries / "bench_cnn", f"^step/{name}/{isa}/.*/t:{threads}/", seconds / 2, options=[f"--threads={threads}"])
    found = {row.name.split("/")[3]: row.values for row in google_benchmark.rows(done.report) if "best_calls_per_second" in row.values}
    steps = {backend: 1 / values["best_calls_per_second"] for backend, values in found.items()}
    share = max(values["share"] for values in found.values())
    alone = google_benchmark.run(binaries / "bench_cnn", f"^step/{name}/{isa}/native/t:{threads}/", 0.01, options=[f"--threads={threads}"])
    return {"steps": steps, "share": share, "rss": alone.peak_rss_bytes}


def run_torch(python, shape, isa, threads, seconds, compiled):
    wide = {} if isa == "avx512" else {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
    done = process.succeeded(process.run([python, peers.PEERS / "torch_cnn.py", *(shape[key] for key in FIELDS), f"threads={threads}",
                                          f"compile={int(compiled)}", f"seconds={seconds}"],
                                         environment={"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **wide}))
    return json.loads(done.output.strip().splitlines()[-1])


def measure(binaries, python, name, shape, isa, threads, arguments, log):
    """One row: best steps of all programs over the rounds."""
    steps, memory, share, ways, failed = {}, {}, 0, {}, {}
    for _ in range(arguments.rounds):
        ours = run_ours(binaries, name, isa, threads, arguments.seconds)
        share = max(share, ours["share"])
        memory["rhm"] = ours["rss"]
        for backend, seconds in ours["steps"].items():
            steps[backend] = min(seconds, steps.get(backend, seconds))
        for peer in ("torch", COMPILED):
            if python is None or peer in failed:
                continue
            try:
                theirs = run_torch(python, shape, isa, threads, arguments.seconds, peer == COMPILED)
            except process.PerfError as failure:
                failed[peer] = str(failure)[-300:]
                continue
            steps[peer] = min(theirs["step_seconds"], steps.get(peer, theirs["step_seconds"]))
            memory[peer], ways[peer] = theirs["peak_rss_bytes"], theirs["way"]
    best = min(seconds for program, seconds in steps.items() if program not in ("torch", COMPILED))
    row = session.row(f"cnn {name} {isa} t:{threads}", "steps/s", f"./dev perf cnn --shape {name} --isa {isa} --threads {threads}", value=1 / best,
                      isa=isa, threads=threads, shape=name, width=shape["width"], seconds=steps, share=share, peak_rss_bytes=memory, ways=ways,
                      ratios={peer: steps[peer] / best for peer in ("torch", COMPILED) if peer in steps}, failed=failed)
    log(line(row))
    return row


def line(row):
    times = "  ".join(f"{program} {1e3 * seconds:.3f}" for program, seconds in row["seconds"].items())
    wanted = TARGETS.get(row["width"], {})
    verdict = lambda key, value: "" if key not in wanted else " (met)" if value >= wanted[key] else f" (wanted {wanted[key]})"
    ratios = "  ".join(f"{peer} x{ratio:.2f}{verdict(peer, ratio)}" for peer, ratio in row["ratios"].items())
    memory = "  ".join(f"{program} {nbytes / 2**20:.0f}" for program, nbytes in row["peak_rss_bytes"].items())
    failed = "".join(f"\n    {peer} failed: {text}" for peer, text in row["failed"].items())
    return f"{row['name']:<34} ms: {times} | {ratios} | share {row['share']:.2f}{verdict('share', row['share'])} | MiB: {memory}{failed}"


def gains(rows):
    """What the last thread count gains over the first, where both were measured."""
    found = {}
    for row in rows:
        found.setdefault((row["shape"], row["isa"], row["width"]), {})[row["threads"]] = row["value"]
    return [{"shape": shape, "isa": isa, "width": width, "threads": max(of), "gain": of[max(of)] / of[min(of)]}
            for (shape, isa, width), of in found.items() if len(of) > 1]


def run(arguments):
    binaries = programs.programs(arguments, ("rhm", "bench_cnn"))
    python = peers.find_python(arguments.python)
    log = lambda text: print(text, file=sys.stderr, flush=True)
    if python and (reason := peers.missing_module(python, "torch")):
        log(f"without PyTorch: {reason}")
        python = None
    surroundings = environment.Environment(binaries)
    result = session.new("cnn", surroundings.record)
    for isa in arguments.isa.split(","):
        for name, shape in shapes(arguments.shape).items():
            for threads in map(int, arguments.threads.split(",")):
                result["rows"].append(measure(binaries, python, name, shape, isa, threads, arguments, log))
    result["gains"] = gains(result["rows"])
    for gain in result["gains"]:
        wanted = TARGETS.get(gain["width"], {}).get("threads")
        verdict = "" if wanted is None else " (met)" if gain["gain"] >= wanted else f" (wanted {wanted})"
        print(f"{gain['shape']} {gain['isa']}: {gain['threads']} threads {gain['gain']:.2f} times as fast as one{verdict}")
    surroundings.finish()
    session.write(result, arguments.output)
    return 0
