"""One training of the convolutional network to its stop, by rhm and by PyTorch: time, epochs, and the loss from epoch to epoch.

The instance is (V, m, s, L) = (8, 4, 2, 3) with 4096 = 8 n_c m^L sequences, the protocol `prx`: everybody trains on the same sequences, from initial
weights and in an order of his own, in alternation, and stops when an epoch's mean cross-entropy is at most 0.01. Exit status: 0 done, 1 a run
failed, 2 bad usage."""
import json
import statistics
import tempfile
from pathlib import Path

from perf import environment, peers, programs
from perf.harness import arguments as types
from perf.harness import process, session

INSTANCE = ["--vocab", "8", "--rules", "4", "--branching", "2", "--levels", "3", "--seed", "1"]
SEQUENCES, TEST = 4096, 1024
WAYS = {"torch": ["compile=0"], "torch.compile": ["compile=1"]}


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--width", type=types.whole(), default=64, metavar="H", help="channels (default: %(default)s)")
    parser.add_argument("--sequences", type=types.whole(), default=SEQUENCES, metavar="P", help="(default: %(default)s)")
    parser.add_argument("--epochs", type=types.whole(), default=250, metavar="N", help="at most (default: %(default)s)")
    parser.add_argument("--rounds", type=types.whole(), default=3, metavar="N", help="of alternation (default: %(default)s)")
    parser.add_argument("--threads", type=types.whole(), metavar="N", help="of every program (default: the allowed CPUs)")
    parser.add_argument("--python", metavar="PYTHON", help="with PyTorch (default: build/torch-venv, else python3)")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="result (default: build/perf-results/training.json)")


def sequences_of(rhm, count, folder):
    """A data set of rhm, and the same for PyTorch."""
    import h5py
    import numpy as np

    path = folder / "data.h5"
    process.succeeded(process.run([rhm, "sample", *INSTANCE, "--samples", count + TEST, "-o", path]))
    with h5py.File(path) as file:
        tokens, labels = file["data/tokens"][()], file["data/labels"][()]
    np.savez(folder / "data.npz", tokens=tokens[:count], labels=labels[:count], test_tokens=tokens[count:], test_labels=labels[count:],
             vocab=8, branching=2, levels=3)
    return path


def run_rhm(rhm, arguments, data, threads):
    options = ["--learner", "cnn", "--data", data, "--sequences", arguments.sequences, "--width", arguments.width, "--epochs", arguments.epochs,
               "--test-samples", min(TEST, (arguments.sequences + TEST) // 5), "--threads", threads]
    report = programs.run_train(rhm, [str(option) for option in options]).report
    training = report["training"]
    return {"seconds": training["seconds"], "epochs": training["epochs"], "loss": training["curve"]["loss"], "accuracy": training["curve"]["accuracy"],
            "test_accuracy": report["test"]["accuracy"], "startup": report["seconds"] - training["seconds"],
            "peak_rss_bytes": report["peak_rss_bytes"], "library": f"rhm {report['version']}"}


def run_torch(python, way, arguments, folder, threads):
    done = process.succeeded(process.run([python, peers.PEERS / "torch_cnn_training.py", folder / "data.npz", arguments.width, f"threads={threads}",
                                          f"epochs={arguments.epochs}", *way], environment=peers.peer_environment("torch", threads, folder)))
    return json.loads(done.output.strip().splitlines()[-1])


def competitors(arguments, rhm, folder, data, threads):
    """{name: function of no arguments}, {name: why it is left out}."""
    found, missing = {"rhm": lambda: run_rhm(rhm, arguments, data, threads)}, {}
    python = peers.find_python(arguments.python)
    why = "no Python with NumPy was found" if python is None else peers.missing_module(python, "torch")
    for name, way in WAYS.items():
        if why or (arguments.no_compile and name == "torch.compile"):
            missing[name] = why or "left out by --no-compile"
        else:
            found[name] = lambda way=way: run_torch(python, way, arguments, folder, threads)
    return found, missing


def build(result, runs):
    """A row for each, and its curves; ratios are of whole trainings of a round, and of an epoch."""
    ours = runs["rhm"]
    for name, of in runs.items():
        ratio = statistics.median(theirs["seconds"] / mine["seconds"] for theirs, mine in zip(of, ours))
        epoch = statistics.median(theirs["seconds"] / theirs["epochs"] / (mine["seconds"] / mine["epochs"]) for theirs, mine in zip(of, ours))
        result["rows"].append(session.row(f"{name}, to the stop", "s", result["command"], value=statistics.median(run["seconds"] for run in of),
                                          epochs=of[0]["epochs"], test_accuracy=of[0]["test_accuracy"], startup_seconds=of[0]["startup"],
                                          peak_rss_bytes=of[0]["peak_rss_bytes"], over_rhm=ratio, epoch_over_rhm=epoch, library=of[0]["library"]))
        result["curves"].append({"name": name, "loss": of[0]["loss"], "accuracy": of[0]["accuracy"]})


def text(result):
    lines = [f"{'program':<16} {'seconds':>8} {'epochs':>7} {'ms/epoch':>9} {'test accuracy':>13} {'over rhm':>9} {'an epoch':>9} {'MiB':>6}"]
    for row in result["rows"]:
        lines.append(f"{row['name'].partition(',')[0]:<16} {row['value']:>8.2f} {row['epochs']:>7} {1e3 * row['value'] / row['epochs']:>9.2f} "
                     f"{row['test_accuracy']:>13.4f} {row['over_rhm']:>9.2f} {row['epoch_over_rhm']:>9.2f} {row['peak_rss_bytes'] / 2**20:>6.0f}")
    return "\n".join([*lines, *(f"{name}: {why}" for name, why in result["missing"].items())])


def run(arguments):
    binaries = programs.programs(arguments)
    surroundings = environment.Environment(binaries)
    result = session.new("training", surroundings.record, curves=[], missing={}, width=arguments.width, sequences=arguments.sequences)
    threads = arguments.threads or len(environment.os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="rhm-perf-") as name:
        folder = Path(name)
        data = sequences_of(binaries / "rhm", arguments.sequences, folder)
        found, result["missing"] = competitors(arguments, binaries / "rhm", folder, data, threads)
        runs = {name: [] for name in found}
        for _ in range(arguments.rounds):
            for name, train in found.items():
                runs[name].append(train())
    build(result, runs)
    surroundings.finish()
    path = session.write(result, arguments.output)
    print(f"{text(result)}\n\n{path}")
    return 0
