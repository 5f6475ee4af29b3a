"""python3 perf SUBCOMMAND: see COMMANDS below. Each is a module with add_arguments(parser) and run(arguments) -> status."""
import argparse
import importlib
import os
import sys
from pathlib import Path

# `python3 perf` puts perf/ itself on the path, where statistics.py and profile.py would hide those of the library.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

COMMANDS = {
    "scaling": "speed-up with threads, strong and weak, and with their placement",
    "compare": "two commits, interleaved: what regressed, improved, stayed equal",
    "rates": "how often compare would be wrong on noise that it recorded",
    "profile": "the whole job by stage, thread and NUMA node against the roofline model",
    "peers": "the same job in PyTorch, NumPy and scikit-learn",
    "bench": "kernels and sampling with the ceilings of the same session",
    "report": "one HTML page and pictures of all that was measured",
    "history": "results over commits",
    "export": "a result in the formats of other tools",
    "environment": "what a result must say about the machine and the build",
}

USAGE_ERROR = 2


def usage():
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "usage: perf SUBCOMMAND [options], `perf SUBCOMMAND --help` for its options\n\n" + "\n".join(lines)


def main(argv):
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else USAGE_ERROR
    name = argv[0]
    if name not in COMMANDS:
        print(f"perf: unknown subcommand '{name}'\n\n{usage()}", file=sys.stderr)
        return USAGE_ERROR
    module = importlib.import_module(f"perf.{name}")
    parser = argparse.ArgumentParser(prog=f"perf {name}", description=module.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    arguments = parser.parse_args(argv[1:])
    from perf.harness.project import PerfError
    try:
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
