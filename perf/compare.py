"""Compare two states of the sources: base, head and base again, in randomised interleaved blocks, after a first tier of exact
facts that needs no clock.

  perf compare main             the work tree against main
  perf compare v1.0 HEAD        two commits
  perf compare HEAD HEAD        the same commit twice: what this machine's noise looks like

Exit status
   0  equivalent: every row is within its threshold and no fact differs
   1  error: a build failed, a program did not do what it should
   2  wrong usage
  10  regressed: at least one row, confirmed
  11  improved: at least one row, confirmed, and none regressed or unresolved
  12  inconclusive: at least one row, the noise being larger than what is asked for
  13  invalid: something else than the code decided the times (quota, placement, a control moved)
  14  nothing was measured
  15  facts differ: the first tier blocks, whatever the clock says

perf/verdict.py has the rules, perf/README.md the reasons."""
import math
import os
import re
import secrets
import shlex
import sys
import time
from pathlib import Path

from perf import environment, explain, facts, programs
from perf.harness import arguments as types
from perf.harness import arms, blocks, flags, formats, session, snapshots, statistics, terminal, verdict
from perf.harness.project import PerfError

ROWS = Path(__file__).resolve().parent / "compare_rows.txt"
ISAS = ("scalar", "avx2", "avx512")
EXACT_STATUS = verdict.STATUS["facts differ"]
CONFIRM_SHARE = 0.25       # of the time, kept for the confirmation
LATE = 1.1                # times what was planned, after which no block is begun
SPARE_BLOCKS = 1           # outliers at either end of an interval, at least


def add_arguments(parser):
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("head", nargs="?", help="commit that is compared (default: the work tree as it is)")
    parser.add_argument("--rows", default="", type=types.regex, metavar="REGEX", help="only rows whose name has a match, and the controls")
    parser.add_argument("--row-file", type=types.input_file, default=ROWS, metavar="FILE", help="rows to measure (default: %(default)s)")
    parser.add_argument("--seconds", type=types.real(), default=120, metavar="S",
                        help="for the measurement with its confirmation, without builds and facts (default: %(default)g)")
    parser.add_argument("--blocks", type=types.whole(), default=20, metavar="N", help="of every row (default: %(default)d)")
    parser.add_argument("--threshold", type=types.percent, default=5.0, metavar="PERCENT",
                        help="the smallest change that matters (default: %(default)g)")
    parser.add_argument("--alpha", type=types.real(0, 0.5), default=0.05, metavar="P",
                        help="chance of any false verdict among all rows (default: %(default)g)")
    parser.add_argument("--seed", type=types.whole(0), help="of the order of measurements (default: random, and recorded)")
    parser.add_argument("--exact-only", action="store_true", help="only the first tier")
    parser.add_argument("--accept", action="append", default=[], metavar="FACT",
                        help="a fact that the change is meant to alter, by a part of its name, such as 'model hash'; repeatable")
    parser.add_argument("--callgrind", action="store_true", help="also count the instructions of the AVX2 path (needs valgrind)")
    parser.add_argument("--base-cmake", default="", type=types.command_line, metavar="OPTIONS",
                        help="more options for CMake, for base only, such as -DCMAKE_C_FLAGS=-O2; flags that the project overrides are refused")
    parser.add_argument("--head-cmake", default="", type=types.command_line, metavar="OPTIONS", help="the same for head, such as -DCMAKE_C_COMPILER=clang")
    parser.add_argument("--cache", type=types.output_directory, default=snapshots.CACHE, metavar="DIR", help="for builds (default: build/perf)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="the result (default: build/perf-results/compare.json)")
    for name, text in formats.FORMATS.items():
        parser.add_argument(f"--{name}", type=types.output_file, metavar="FILE", help=f"also write {text}")
    parser.add_argument("--ci", choices=("advisory", "blocking"),
                        help="for continuous integration: append to $GITHUB_STEP_SUMMARY, annotate, and end with 0 unless a fact "
                             "differs, something failed or, when blocking, a row regressed")


def prepare(arguments):
    """Both states, built. Every failure in here is an error of the comparison."""
    base = snapshots.of_commit("base", arguments.base, shlex.split(arguments.base_cmake))
    options = shlex.split(arguments.head_cmake)
    head = snapshots.of_commit("head", arguments.head, options) if arguments.head else snapshots.of_work_tree("head", options)
    wanted = {row.program for row in arms.read_rows(arguments.row_file) if row.program != "rhm"}
    for snapshot in (base, head):
        snapshots.build(snapshot, programs.RECIPE, wanted, say, arguments.cache)
    return base, head


def say(text):
    print(f"perf compare: {text}", file=sys.stderr, flush=True)


def progress(stage):
    def show(done, count):
        if terminal.can_rewrite():
            terminal.show(f"perf compare: {stage}, block {done + 1} of {count}", last=done + 1 == count)
    return show


def reproduce(arguments, name):
    words = ["./dev", "perf", "compare", arguments.base, *([arguments.head] if arguments.head else []), "--rows", f"^{re.escape(name)}$"]
    for option, value in (("--base-cmake", arguments.base_cmake), ("--head-cmake", arguments.head_cmake)):
        words += [option, value] if value else []
    return shlex.join(words).replace("\\-", "-")


def choose_rows(arguments, bench):
    """The rows of this machine, from what base's and head's programs say of it."""
    rows = arms.read_rows(arguments.row_file)
    try:
        hello = bench.arms["head"].server(next(row.program for row in rows if row.kind != "job")).hello
        isa, cpus = hello["isa_widest"], hello["cpus_allowed"]
    except (arms.Unservable, StopIteration):
        isa, cpus = "avx2", len(os.sched_getaffinity(0))
    wanted = re.compile(arguments.rows)
    expanded = arms.expand(rows, {"isas": ISAS[1:ISAS.index(isa) + 1] if isa in ISAS[1:] else [isa], "isa": [isa], "T": [cpus]})
    chosen = [row for row in expanded if row.kind == "control" or wanted.search(row.name)]
    return chosen, isa, cpus


def measure(arguments, bench, rows, generator, rules):
    """All blocks of all rows, and the confirmation of those that changed. Returns (rows measured, records, what it took)."""
    start = time.monotonic()
    measured = blocks.calibrate(bench, rows, say)
    took = {"calibration_seconds": time.monotonic() - start}
    active = [entry for entry in measured if not entry.reason and entry.row.kind != "control"]
    if not active:
        return measured, [record(arguments, entry, []) for entry in measured], took
    needed = lambda count: statistics.blocks_needed(max(1, count), arguments.alpha, SPARE_BLOCKS)
    if arguments.blocks < needed(1):
        raise PerfError(f"--blocks {arguments.blocks}: at least {needed(1)} are needed for any interval", 2)
    share = arguments.seconds * (1 - CONFIRM_SHARE)
    plan = blocks.plan(measured, share - took["calibration_seconds"], arguments.blocks, needed)
    took["expected_seconds"], took["blocks"] = plan.seconds, plan.blocks
    for entry in measured:
        if entry.reason.startswith("left out"):
            say(f"{entry.row.name} is {entry.reason}")
    found = blocks.run(bench, measured, plan.blocks, generator, start + share * LATE, progress("measuring"))
    took["first_seconds"] = time.monotonic() - start
    records = [record(arguments, entry, found.get(entry.row.name, [])) for entry in measured]
    suspects = verdict.first_round(records, rules)
    if suspects:
        again = [entry for entry in measured if entry.row.name in suspects]
        say(f"confirming {', '.join(suspects)}")
        left = max(arguments.seconds * CONFIRM_SHARE, start + arguments.seconds - time.monotonic())
        second = blocks.plan(again, left, arguments.blocks, needed)
        confirmed = blocks.run(bench, again, second.blocks, generator, time.monotonic() + left * LATE, progress("confirming"))
        for each in records:
            if confirmed.get(each["name"]):
                each["confirmation"] = confirmed[each["name"]]
    took["seconds"] = time.monotonic() - start
    return measured, records, took


def record(arguments, entry, found):
    return {"name": entry.row.name, "unit": "s", "reproduce": reproduce(arguments, entry.row.name), "kind": entry.row.kind,
            "program": entry.row.program, "directories": list(entry.row.directories), "clock": entry.row.clock, "passes": entry.passes, "blocks": found,
            "work": {key: value for key, value in entry.facts.get("head", {}).get("counters", {}).items() if key in ("flops", "bytes")},
            "disturbed": {"samples": entry.samples, "off_plan": entry.off_plan, "preempted": entry.preempted},
            **({"reason": entry.reason} if entry.reason else {})}


def disturbances(surroundings):
    return [sentence for sentence in surroundings.get("disturbances", []) if sentence]


def rules_of(arguments):
    return verdict.Rules(alpha=arguments.alpha, practical=math.log1p(arguments.threshold / 100))


def conclude(document, records, rules):
    """Put judgements and explanations into the document; its verdict and exit status."""
    judged = verdict.judge(records, rules, disturbances(document["environment"]))
    for each in records:
        each["judgement"] = judged[each["name"]].record()
        if each["blocks"]:
            each["median"] = {arm: statistics.median([block[arm] for block in each["blocks"]]) for arm in blocks.ARMS}
            each["value"] = judged[each["name"]].ratio
        if judged[each["name"]].verdict == verdict.INVALID:
            each["valid"], each["reason"] = False, judged[each["name"]].reason
    blocking = sum(fact["blocks"] for fact in document["facts"]["differ"])
    kinds = {each["name"]: each["kind"] for each in records}
    document["rows"] = records
    document["verdict"] = verdict.overall(judged, kinds, blocking, timed=not document["plan"]["exact_only"])
    document["exit_status"] = verdict.STATUS[document["verdict"]]
    return judged


def run(arguments):
    clock = time.monotonic()
    arguments.seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    base, head = prepare(arguments)
    built = time.monotonic() - clock
    rules = rules_of(arguments)
    with blocks.Bench(base.programs, head.programs, programs.arguments_of) as bench:
        bench.renew(blocks.ARMS)
        rows, isa, cpus = choose_rows(arguments, bench)
        document = begin(arguments, base, head, rules)
        surroundings = environment.Environment(head.programs)
        say("comparing exact facts")
        gathered = {arm.arm: facts.gather(arm, cpus, isa, arguments.callgrind, arguments.cache) for arm in (base, head)}
        if arguments.exact_only:
            # Once round every row for its work and its verified result.
            measured, records, took = blocks.calibrate(bench, rows, say), [], {}
        else:
            say(f"measuring, about {arguments.seconds:.0f} s")
            measured, records, took = measure(arguments, bench, rows, blocks.generator_of(arguments.seed), rules)
    document["environment"] = surroundings.finish()
    document["facts"] = compare_facts(arguments, gathered, measured, base, head)
    judged = conclude(document, records, rules)
    for each in records:
        if each["judgement"]["verdict"] in (verdict.REGRESSED, verdict.IMPROVED) and each["kind"] != "control":
            each["moved"] = explain.explain(each, judged, [r for r in records if r["kind"] != "control"],
                                            document["facts"]["differ"], base, head)
    document["took"] = {"build_seconds": round(built, 1), **{key: round(value, 1) if isinstance(value, float) else value for key, value in took.items()},
                        "total_seconds": round(time.monotonic() - clock, 1)}
    return finish(arguments, document)


def begin(arguments, base, head, rules):
    document = session.new("compare", {})
    document["arms"] = {"base": base.record(), "head": head.record(),
                        "identical_programs": base.inventory.get("identity") == head.inventory.get("identity")}
    document["plan"] = {"seed": arguments.seed, "blocks": arguments.blocks, "trips": blocks.TRIPS, "life": blocks.LIFE,
                        "seconds": arguments.seconds, "exact_only": arguments.exact_only, "accept": arguments.accept,
                        "alpha": rules.alpha, "practical": math.expm1(rules.practical), "floors": rules.floors, "vague": rules.vague}
    return document


def compare_facts(arguments, gathered, measured, base, head):
    lists = {}
    for arm in (base, head):
        path = arm.programs.parent / "shapes" / "kernels.txt"
        shapes = facts.read_shapes(path) if path.exists() else {}
        lists[arm.arm] = gathered[arm.arm][0] + [fact for entry in measured if not entry.reason or len(entry.facts) == 2
                                                 for fact in facts.row_facts(entry, arm.arm, shapes)]
    differ = facts.compare(lists["base"], lists["head"], arguments.accept)
    for entry in measured:
        if "base" in entry.facts and "head" not in entry.facts and entry.reason:
            differ.append({"name": f"{entry.row.name}: can be measured", "base": True, "head": False, "accepted": False, "blocks": True,
                           "says": entry.reason})
    for change, objects in flags.changes(base.inventory.get("flags", {}), head.inventory.get("flags", {})).items():
        differ.append({"name": "compiler flags", "base": None, "head": None, "blocks": False, "accepted": False,
                       "says": f"{change} in {len(objects)} objects, such as {explain.short(objects[0])}"})
    return {"compared": len({fact.name for each in lists.values() for fact in each}), "differ": differ,
            "unavailable": {**gathered["base"][1], **gathered["head"][1]}}


def finish(arguments, document):
    path = session.write(document, arguments.output)
    document = session.read(path)
    print(formats.text(document))
    for name in formats.FORMATS:
        target = getattr(arguments, name.replace("-", "_"))
        if target:
            session.write_text(target, formats.render(document, name))
    say(f"result: {path}")
    return ci(document, arguments.ci == "blocking") if arguments.ci else document["exit_status"]


def ci(document, blocking, environ=os.environ):
    """The end of a step of continuous integration: summary, annotations, and 0 unless something blocks."""
    if environ.get("GITHUB_STEP_SUMMARY"):
        with open(environ["GITHUB_STEP_SUMMARY"], "a") as summary:
            summary.write(formats.render(document, "markdown") + "\n")
    regressed = document["verdict"] == verdict.REGRESSED
    for fact in document["facts"]["differ"]:
        if fact["blocks"]:
            print(f"::error title=Exact facts differ::{fact['name']}: {fact['says']}")
    for row in document["rows"]:
        if row["judgement"]["verdict"] == verdict.REGRESSED and row["kind"] != "control":
            print(f"::{'error' if blocking else 'warning'} title=Slower::{row['name']}: {formats.ratio_text(row)}")
    if document["verdict"] in (verdict.INCONCLUSIVE, verdict.INVALID, "nothing measured"):
        print(f"::warning title=Timing {document['verdict']}::{formats.headline(document)}")
    status = document["exit_status"]
    stops = status == EXACT_STATUS or (regressed and blocking) or document["verdict"] == "nothing measured"
    return status if stops else 0
