"""How often `perf compare` would be wrong on noise that was really there: recorded comparisons of a state with itself are drawn from,
again and again, and judged by the same rules: rows that are undecided get more blocks until the last look, those that changed are confirmed
by as many fresh ones as `compare` would ask for, twice where once does not suffice.

  perf compare HEAD HEAD --output a.json
  perf rates a.json ...                          false alarms
  perf rates a.json ... --slow forward:10        and how often a kernel that is 10 % slower is found and named

Blocks are drawn in runs of those that shared their processes, since what a process is born with stays with it."""
import math
import random
from dataclasses import dataclass, replace

from perf.harness import arguments as types
from perf.harness import blocks as measuring
from perf.harness import session, verdict
from perf.harness.project import PerfError


def add_arguments(parser):
    parser.add_argument("results", nargs="+", type=types.input_file, help="results of `perf compare X X`")
    parser.add_argument("--slow", metavar="PREFIX:PERCENT", help="rows whose name starts so take that much longer in head")
    parser.add_argument("--trials", type=types.whole(), default=1000, help="comparisons to make up (default: %(default)d)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="(default: %(default)d)")


@dataclass
class Recorded:
    """What one comparison leaves to draw from."""
    rows: dict   # {(name, kind): chunks of blocks}
    looks: list  # numbers of blocks


def looks_of(document):
    """As planned; but one look is after all blocks that there was time for. Older results have the number of looks only."""
    plan = document["plan"]
    planned = plan.get("look_blocks") or measuring.LOOKS[:plan.get("looks", 1)]
    return list(planned) if len(planned) > 1 else [max(len(row["blocks"]) for row in document["rows"])]


def pool(documents):
    """Of every document that has blocks."""
    runs = []
    for document in documents:
        life = document["plan"]["life"]
        rows = {}
        for row in document["rows"]:
            chunks = [row["blocks"][i:i + life] for i in range(0, len(row["blocks"]), life)]
            if chunks and not row.get("broke"):
                rows[row["name"], row["kind"]] = chunks
        if rows:
            runs.append(Recorded(rows, looks_of(document)))
    return runs


def _draw(generator, chunks, count, factor):
    blocks = []
    while len(blocks) < count:
        blocks += generator.choice(chunks)
    return [{**block, "head": block["head"] * factor} for block in blocks[:count]]


def trial(generator, runs, rules, slow):
    """Judgements of one made-up comparison; `slow` gives the factor of a row by its name."""
    run, other = generator.choice(runs), generator.choice(runs)
    rows = [{"name": name, "kind": kind, "directories": [], "blocks": []} for name, kind in run.rows]
    rules = replace(rules, looks=len(run.looks))
    names = {row["name"] for row in rows}
    for look in run.looks:
        for row in rows:
            if row["name"] in names:
                row["blocks"] += _draw(generator, run.rows[row["name"], row["kind"]], look - len(row["blocks"]),
                                       slow(row["name"]) if row["kind"] != "control" else 1.0)
        if look != run.looks[-1]:
            names = verdict.undecided(rows, rules)
    named = verdict.first_round(rows, rules)
    suspects = [row for row in rows if row["name"] in named]
    if suspects:
        count = measuring.of_confirmation(run.looks[-1], [len(row["blocks"]) for row in suspects])
    for _ in range(rules.confirm_looks):
        for row in suspects:
            key = row["name"], row["kind"]
            fresh = _draw(generator, other.rows.get(key) or run.rows[key], count, slow(row["name"]))
            row["confirmation"] = row.get("confirmation", []) + fresh
        named = verdict.unconfirmed(rows, rules)
        suspects = [row for row in suspects if row["name"] in named]
    return verdict.judge(rows, rules)


def rates(documents, slow=lambda name: 1.0, trials=1000, seed=1, rules=None):
    """Shares of comparisons with a false verdict ("false"), and with at least one slowed row found ("found")."""
    generator, rules, runs = random.Random(seed), rules or verdict.Rules(), pool(documents)
    if not runs:
        raise PerfError("there are no blocks in these results")
    false = found = 0
    for _ in range(trials):
        judged = trial(generator, runs, rules, slow)
        wrong = [name for name, judgement in judged.items() if judgement.verdict == verdict.IMPROVED
                 or (judgement.verdict == verdict.REGRESSED and slow(name) == 1.0)]
        false += bool(wrong)
        found += any(judgement.verdict == verdict.REGRESSED and slow(name) > 1.0 for name, judgement in judged.items())
    return {"false": false / trials, "found": found / trials, "trials": trials}


def parse_slow(text):
    prefix, _, percent = text.rpartition(":")
    try:
        factor = 1 + float(percent) / 100
    except ValueError:
        factor = 0
    if not prefix or factor <= 1:
        raise PerfError(f"--slow {text}: wanted is PREFIX:PERCENT, such as forward:10", 2)
    return lambda name: factor if name.startswith(prefix) else 1.0


def run(arguments):
    with session.understood(", ".join(map(str, arguments.results))):
        return show(arguments, [session.read(path, "compare") for path in arguments.results])


def show(arguments, documents):
    practical = {document["plan"]["practical"] for document in documents}
    rules = verdict.Rules(practical=math.log1p(max(practical)), alpha=max(document["plan"]["alpha"] for document in documents))
    none = rates(documents, trials=arguments.trials, seed=arguments.seed, rules=rules)
    print(f"{arguments.trials} comparisons drawn from {len(documents)} recorded ones")
    print(f"false verdicts without any difference: {100 * none['false']:.2f} % of the comparisons")
    if arguments.slow:
        slowed = rates(documents, parse_slow(arguments.slow), arguments.trials, arguments.seed, rules)
        print(f"{arguments.slow}: found and named in {100 * slowed['found']:.1f} %, another row blamed in {100 * slowed['false']:.2f} %")
    return 0
