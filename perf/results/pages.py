"""Draws docs/results from the records that `perf evidence` keeps there: a page and pictures for each experiment, and an index.

  perf figures                     what docs/results/data has
  perf figures DIR -o DIR          records and results elsewhere

Nothing is run and no network is used. Exit status: 0 done, 1 a record cannot be read, 2 bad usage."""
import json
import sys
from pathlib import Path

from perf.harness.project import ROOT, PerfError, relative
from perf.results.experiments import EXPERIMENTS

RESULTS = ROOT / "docs" / "results"


def add_arguments(parser):
    parser.add_argument("data", nargs="?", type=Path, default=RESULTS / "data", metavar="DIR", help="records (default: docs/results/data)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, metavar="DIR", help="pages; pictures go to DIR/images (default: docs/results)")


def read(path):
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as failure:
        raise PerfError(f"{path}: {failure}") from failure
    if not isinstance(record, dict) or record.get("schema") != "rhm-evidence/1":
        raise PerfError(f"{path} is no record of perf evidence")
    return record


def caption(record, path):
    machine = record["machine"]
    return (f"{relative(path)} · ./dev perf evidence --only {record['experiment']} · commit {record['commit']} · {record['version']} · "
            f"{machine['cpu']}, {machine['cores']} cores")


def save(picture, path, text):
    """PNG and SVG, with where they come from below; the same bytes for the same record."""
    picture.get_layout_engine().set(rect=(0, 0.045, 1, 0.955))
    picture.text(0.005, 0.006, text, fontsize=5.6, color="#5b6570", va="bottom")
    picture.savefig(path.with_suffix(".png"), dpi=150, metadata={"Software": None})
    picture.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})


def commands(record):
    return [sweep["command"] for sweep in record["sweeps"].values()]


def page(record, images):
    trainings = sum(sweep["trainings"] for sweep in record["sweeps"].values())
    cpu = sum(sweep["cpu_seconds"] for sweep in record["sweeps"].values())
    lines = [f"# {record['experiment']}: {record['title']}", "", record["question"], ""]
    lines += [line for name in images for line in (f"![{record['title']}](images/{name}.png)", "")]
    lines += [" ".join(record["findings"]["sentences"]), "", "## Where it comes from", "",
              f"`./dev perf evidence --only {record['experiment']}`, then `./dev perf figures`. Data: [data/{record['experiment']}.json](data/{record['experiment']}.json); "
              f"commit {record['commit']}, {record['version']}; {record['machine']['cpu']}, {record['machine']['cores']} cores"
              + (f"; {trainings} trainings, {cpu:.0f} CPU seconds." if trainings else "."), ""]
    if record["sweeps"]:
        lines += ["The sweeps by themselves:", "", *(f"    {command}" for command in commands(record)), ""]
    else:
        lines += ["Grammars are drawn by `rhm grammar`, seeds 1 to 200; `perf/results/laws.py` computes posteriors at every position from their rules.", ""]
    return "\n".join(lines)


def index(records):
    lines = ["# Results", "", "What the theory promises, measured. Each page has a question, a picture, three sentences and the command that makes it again; "
             "every number is in its data file.", "", "| | question |", "|---|---|"]
    lines += [f"| [{record['experiment']}]({record['experiment']}.md) {record['title']} | {record['question']} |" for record in records]
    return "\n".join(lines) + "\n"


def run(arguments):
    from perf.figures import evidence  # matplotlib takes a second to import

    paths = [(experiment, arguments.data / f"{experiment.name}.json") for experiment in EXPERIMENTS]
    there = [(experiment, path) for experiment, path in paths if path.exists()]
    if not there:
        raise PerfError(f"{relative(arguments.data)} holds no records: perf evidence makes them")
    images = arguments.output / "images"
    images.mkdir(parents=True, exist_ok=True)
    records = []
    for experiment, path in there:
        record = read(path)
        names = []
        for suffix, picture in evidence.DRAW[experiment.name](record).items():
            names.append(experiment.name + suffix)
            save(picture, images / names[-1], caption(record, path))
            evidence.style.close(picture)
        (arguments.output / f"{experiment.name}.md").write_text(page(record, names))
        records.append(record)
        print(f"perf figures: {experiment.name}: {', '.join(names)}", file=sys.stderr)
    (arguments.output / "README.md").write_text(index(records))
    return 0
