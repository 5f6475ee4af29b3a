"""A result in the formats of other tools.

  perf export build/perf-results/compare.json --format junit
  perf export build/perf-results/compare.json --format google-benchmark --arm base --output base.json

Google Benchmark's tools/compare.py reads the files of two arms: `compare.py benchmarks base.json head.json`."""
import sys

from perf.harness import arguments as types
from perf.harness import session
from perf.harness.formats import ARMS, FORMATS, render
from perf.harness.project import PerfError


def add_arguments(parser):
    parser.add_argument("result", type=types.input_file, help="a canonical result, such as build/perf-results/compare.json")
    parser.add_argument("--format", choices=FORMATS, required=True, help="; ".join(f"{k}: {v}" for k, v in FORMATS.items()))
    parser.add_argument("--arm", choices=ARMS, default="head", help="of a comparison, for google-benchmark (default: %(default)s)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="(default: standard output)")


def run(arguments):
    with session.understood(arguments.result):
        rendered = render(session.read(arguments.result), arguments.format, arguments.arm)
    if arguments.output and arguments.output.exists() and arguments.output.samefile(arguments.result):
        raise PerfError(f"--output {arguments.output} is the result that is read: it would be overwritten", 2)
    if not arguments.output:
        sys.stdout.write(rendered)
        return 0
    session.write_text(arguments.output, rendered)
    return 0
