"""One picture of a machine: latency by working set, bandwidth by threads, frequency by cores and instruction set, and between NUMA nodes.

Runs `rhm machine --measure all` (or draws what that wrote with --json). Exit status: 0 done, 1 the run failed, 2 bad usage."""
import json
import sys
from pathlib import Path

from perf import programs
from perf.figures import machine as figure
from perf.harness import arguments as types
from perf.harness import process, project, session, style


def add_arguments(parser):
    programs.add_arguments(parser)
    parser.add_argument("--json", type=types.input_file, metavar="FILE", help="what `rhm machine --measure all --json` wrote, instead of measuring")
    parser.add_argument("--figure", type=types.output_file, metavar="FILE", help="picture (default: build/perf-results/machine.png)")


def run(arguments):
    if arguments.json:
        with session.understood(arguments.json):
            record = json.loads(Path(arguments.json).read_text())
    else:
        done = process.run([programs.programs(arguments) / "rhm", "machine", "--measure", "all", "--json", "--progress", "off"])
        if done.status:
            raise project.PerfError(f"rhm machine: {done.errors.strip()[-500:]}")
        record = json.loads(done.output)
    if "measured" not in record:
        raise project.PerfError(f"{arguments.json}: nothing was measured: it needs rhm machine --measure all --json", 2)
    with session.understood(arguments.json or "rhm machine"):
        picture = figure.draw(record)
    path = Path(arguments.figure or session.RESULTS / "machine.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    style.save_png(picture, path)
    style.close(picture)
    print(f"perf machine: {project.relative(path)}", file=sys.stderr)
    return 0
