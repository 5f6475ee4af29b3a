"""python3 perf SUBCOMMAND: see COMMANDS below. Each is a module with add_arguments(parser) and run(arguments) -> status; takes(arguments) and
installs(arguments) say beforehand what that means."""
import argparse
import importlib
import importlib.util
import os
import sys
from pathlib import Path

# `python3 perf` puts perf/ itself on the path, where statistics.py and profile.py would hide those of the library.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

# What it does, and how long it takes on two cores.
COMMANDS = {
    "scaling": ("speed-up with threads, strong and weak, and with their placement", "5 min"),
    "compare": ("two commits, or two programs, interleaved: what regressed, improved, stayed equal", "2 to 4 min"),
    "bisect": ("the commit that changed a row, by paired comparisons", "1 to 2 min a step"),
    "rates": ("how often compare would be wrong on noise that it recorded", "10 s"),
    "profile": ("the whole job by stage, thread and NUMA node against the roofline model", "90 s"),
    "machine": ("one picture of what rhm machine --measure all finds", "30 s and more, by the size of the caches"),
    "predict": ("what would limit a job on a larger machine, from a trace of one thread", "10 s, or 3 times the job on one thread; --check 15 to 30 times the job on one thread and on several"),
    "peers": ("the same job in PyTorch, NumPy and scikit-learn", "12 min"),
    "training": ("one training of the convolutional network to its stop, by rhm and by PyTorch", "2 min"),
    "cnn": ("steps of convolutional networks against PyTorch", "15 min"),
    "bench": ("kernels and sampling with the ceilings of the same session", "1 min; --all 15 min"),
    "report": ("one HTML page and pictures of all that was measured", "13 min; --no-run seconds"),
    "history": ("results over commits, and where their level changed", "seconds; --measure 90 s a commit"),
    "export": ("a result in the formats of other tools", "at once"),
    "environment": ("what a result must say about the machine and the build", "2 s"),
    "evidence": ("the experiments of docs/results: run, and kept as small JSON", "25 min"),
    "figures": ("pages and pictures of docs/results from what is kept there", "20 s"),
}
INSTALLS = "Nothing is installed but by `peers --install`; `./dev perf` installs Debian packages that are missing, and says which."

# Packages beyond Python's own that a subcommand cannot do without: looked for before it does anything.
NEEDS = {
    "scaling": ("numpy", "scipy"),
    "machine": ("matplotlib",),
    "predict": ("matplotlib",),
    "peers": ("numpy", "h5py"),
    "training": ("numpy", "h5py"),
    "bench": ("numpy", "scipy"),
    "report": ("numpy", "scipy", "matplotlib"),
    "history": ("numpy", "scipy"),
    "evidence": ("numpy", "h5py"),
    "figures": ("numpy", "matplotlib", "h5py"),
}

USAGE_ERROR = 2


def usage():
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text} ({takes})" for name, (text, takes) in COMMANDS.items()]
    return "usage: perf SUBCOMMAND [options], `perf SUBCOMMAND --help` for its options\n\n" + "\n".join([*lines, "", INSTALLS])


def read(argv):
    """(module, arguments) of a command line; SystemExit where it asks for help or is wrong."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), flush=True)
        raise SystemExit(0 if argv else USAGE_ERROR)
    name = argv[0]
    if name not in COMMANDS:
        print(f"perf: unknown subcommand '{name}'\n\n{usage()}", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)
    refuse_without_packages(name)
    module = importlib.import_module(f"perf.{name}")
    parser = argparse.ArgumentParser(prog=f"perf {name}", description=module.__doc__, epilog=f"Takes {COMMANDS[name][1]} on two cores. {INSTALLS}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return module, parser.parse_args(argv[1:])


def refuse_without_packages(name):
    missing = [package for package in NEEDS.get(name, ()) if importlib.util.find_spec(package) is None]
    if missing:
        print(f"perf {name}: {sys.executable} lacks {' and '.join(missing)}: install with `apt install {' '.join(f'python3-{p}' for p in missing)}` "
              f"(Debian, then /usr/bin/python3) or `pip install {' '.join(missing)}`", file=sys.stderr)
        raise SystemExit(USAGE_ERROR)


def say_beforehand(name, module, arguments):
    takes = module.takes(arguments) if hasattr(module, "takes") else None
    if takes:
        installs = module.installs(arguments) if hasattr(module, "installs") else "installs nothing"
        print(f"perf {name}: takes {takes}; {installs}", file=sys.stderr, flush=True)


def main(argv):
    from perf.harness.project import PerfError
    name = argv[0] if argv else ""
    try:
        module, arguments = read(argv)
        say_beforehand(name, module, arguments)
        return module.run(arguments)
    except PerfError as failure:
        print(f"perf {name}: {failure}", file=sys.stderr)
        return failure.status
    except OSError as failure:
        if isinstance(failure, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"perf {name}: {failure.filename or 'a file'}: {failure.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"perf {name}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
