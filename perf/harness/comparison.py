"""The course of a comparison, whatever is compared: rows tried, measured in blocks, confirmed, judged and told."""
import math
import os
import secrets
import sys
import time

from perf.harness import arguments as types
from perf.harness import arms, blocks, formats, session, statistics, terminal, text, verdict
from perf.harness.project import PerfError

EXACT_STATUS = verdict.STATUS["facts differ"]
CONFIRM_SHARE = 0.25       # of the time, kept for the confirmation
CALIBRATION_SHARE = 0.3    # of the time, after which no further row is tried
LATE = 1.1                # times what was planned, after which no block is begun
SPARE_BLOCKS = 1           # outliers at either end of an interval, at least
BLOCKS = blocks.LOOKS[-1]


def add_arguments(parser):
    parser.add_argument("--rows", default="", type=types.regex, metavar="REGEX", help="only rows whose name has a match, and the controls")
    parser.add_argument("--seconds", type=types.real(), default=120, metavar="S",
                        help="for the measurement with its confirmation, without builds and facts (default: %(default)g)")
    parser.add_argument("--blocks", type=types.whole(), default=BLOCKS, metavar="N", help="of a row, at most (default: %(default)d)")
    parser.add_argument("--threshold", type=types.percent, default=5.0, metavar="PERCENT",
                        help="the smallest change that matters (default: %(default)g)")
    parser.add_argument("--alpha", type=types.real(0, 0.5), default=0.05, metavar="P",
                        help="chance of any false verdict among all rows (default: %(default)g)")
    parser.add_argument("--seed", type=types.whole(0), help="of the order of measurements (default: random, and recorded)")
    parser.add_argument("--accept", action="append", default=[], metavar="FACT",
                        help="a fact that the change is meant to alter, by a part of its name, such as 'model hash'; repeatable")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="the result (default: build/perf-results/compare.json)")
    for name, about in formats.FORMATS.items():
        parser.add_argument(f"--{name}", type=types.output_file, metavar="FILE", help=f"also write {about}")
    parser.add_argument("--ci", choices=("advisory", "blocking"),
                        help="for continuous integration: append to $GITHUB_STEP_SUMMARY, annotate, and end with 0 unless a fact "
                             "differs, something failed or, when blocking, a row regressed")


def say(sentence):
    print(f"perf compare: {sentence}", file=sys.stderr, flush=True)


def progress(stage):
    def show(done, count):
        if terminal.can_rewrite():
            terminal.show(f"perf compare: {stage}, block {done + 1} of {count}", last=done + 1 == count)
    return show


def rules_of(arguments):
    return verdict.Rules(alpha=arguments.alpha, practical=math.log1p(arguments.threshold / 100))


def begin(arguments, sides, rules, **more):
    """The document of a comparison; `sides`: {"base", "head": what is told of them, "identical_programs"}."""
    arguments.seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    document = session.new("compare", {})
    document["arms"] = sides
    document["plan"] = {"seed": arguments.seed, "blocks": arguments.blocks, "trips": blocks.TRIPS, "life": blocks.LIFE,
                        "seconds": arguments.seconds, "exact_only": False, "accept": arguments.accept,
                        "alpha": rules.alpha, "practical": math.expm1(rules.practical), "floors": rules.floors, "vague": rules.vague,
                        "confirm_looks": rules.confirm_looks, **more}
    document["facts"] = {"compared": 0, "differ": [], "unavailable": {}}
    return document


def measure(arguments, bench, rows, generator, rules, reproduce):
    """All blocks of all rows, and the confirmation of those that changed. Returns (rows measured, records, what it took)."""
    start = time.monotonic()
    measured = blocks.calibrate(bench, rows, say, deadline=start + CALIBRATION_SHARE * arguments.seconds)
    took = {"calibration_seconds": time.monotonic() - start}
    active = [entry for entry in measured if not entry.reason and entry.row.kind != "control"]
    if not active:
        return measured, [record(entry, [], reproduce) for entry in measured], took
    derived = len(pairs_of({entry.row.name for entry in active}))
    needed = lambda count, looks: statistics.blocks_needed(max(1, count + derived), arguments.alpha / looks, SPARE_BLOCKS)
    if arguments.blocks < needed(1, 1):
        raise PerfError(f"--blocks {arguments.blocks}: at least {needed(1, 1)} are needed for any interval", 2)
    share = arguments.seconds * (1 - CONFIRM_SHARE)
    plan = blocks.plan(measured, share - took["calibration_seconds"], arguments.blocks, needed)
    took["expected_seconds"], rules.looks, rules.look_blocks = plan.seconds, len(plan.looks), plan.looks
    for entry in measured:
        if entry.reason.startswith("left out"):
            say(f"{entry.row.name} is {entry.reason}")

    def undecided(found):
        """Rows that go on, or whose efficiency does."""
        so_far = [record(entry, found.get(entry.row.name, []), reproduce) for entry in measured]
        names = verdict.undecided(so_far + efficiencies(so_far, reproduce), rules)
        return names | {name for pair in pairs_of(found) if PREFIX + pair[0] in names for name in pair}

    found = blocks.run(bench, measured, plan.looks, generator, start + share * LATE, progress("measuring"), undecided)
    took["first_seconds"] = time.monotonic() - start
    took["blocks"] = [min(map(len, filter(None, found.values())), default=0), max(map(len, found.values()), default=0)]
    records = [record(entry, found.get(entry.row.name, []), reproduce) for entry in measured]
    suspects = verdict.first_round(records + efficiencies(records, reproduce), rules)
    if suspects:
        say(f"confirming {', '.join(suspects)}")
        again = _behind(measured, suspects)
        count = blocks.of_confirmation(arguments.blocks, [len(found[entry.row.name]) for entry in again])
        share = lambda: max(arguments.seconds * CONFIRM_SHARE, start + arguments.seconds - time.monotonic())
        # A row that changed is not left undecided for want of seconds.
        least = LATE * sum(entry.seconds(needed(len(again), 1)) for entry in again)
        second = blocks.plan(again, max(share(), least), count, needed, once=True)
        fresh = lambda entries, seconds: blocks.run(bench, entries, second.looks, generator, time.monotonic() + LATE * seconds, progress("confirming"))
        took["confirmations"] = _confirm(again, records, rules, reproduce, fresh, max(share(), least), share)
    took["seconds"] = time.monotonic() - start
    return measured, records + efficiencies(records, reproduce), took


def _behind(measured, names):
    """Entries of the rows of these names; both of a pair for its efficiency."""
    pairs = {name for pair in pairs_of({entry.row.name for entry in measured}) if PREFIX + pair[0] in names for name in pair}
    return [entry for entry in measured if entry.row.name in pairs | set(names)]


def _confirm(again, records, rules, reproduce, fresh, seconds, share):
    """Fresh blocks, fresh(entries, seconds), into the records; for rows that these do not confirm as many again, as often as the rules have
    looks. A neighbour that comes in the midst of seconds of blocks is gone some seconds later. `share()`: seconds that there still are.
    Returns how often."""
    for look in range(rules.confirm_looks):
        begun = time.monotonic()
        more = fresh(again, seconds)
        for each in records:
            each.update({"confirmation": each.get("confirmation", []) + more[each["name"]]} if more.get(each["name"]) else {})
            for entry in again:
                if entry.broke and entry.row.name == each["name"]:
                    each.update(reason=entry.reason, broke=entry.broke)
        names = verdict.unconfirmed(records + efficiencies(records, reproduce), rules)
        again = _behind(again, names)
        for each in records:  # What goes on for an efficiency alone has had its look.
            if each.get("confirmation") and each["name"] not in names and each["name"] in {entry.row.name for entry in again}:
                each.setdefault("confirmed_after", len(each["confirmation"]))
        seconds = min(share(), time.monotonic() - begun)
        if not again:
            break
    return look + 1


def record(entry, found, reproduce):
    counters = entry.facts.get("head", {}).get("counters", {})
    return {"name": entry.row.name, "unit": "s", "reproduce": reproduce([entry.row.name]), "kind": entry.row.kind,
            "program": entry.row.program, "directories": list(entry.row.directories), "clock": entry.row.clock, "passes": entry.passes,
            "blocks": found, "work": {key: value for key, value in counters.items() if key in ("flops", "bytes", "items")},
            "disturbed": {"samples": entry.samples, "off_plan": entry.off_plan,
                          "preempted": sum(effort.involuntary_switches for effort in entry.effort.values())},
            "effort": {name: effort.record() for name, effort in entry.effort.items()},
            **({"reason": entry.reason} if entry.reason else {}), **({"broke": entry.broke} if entry.broke else {})}


def of_same_code(row, reproduce):
    """The record of a row that needs no clock."""
    return {"name": row.name, "unit": "s", "reproduce": reproduce([row.name]), "kind": row.kind, "program": row.program,
            "directories": list(row.directories), "clock": row.clock, "blocks": [], "same_code": True}


# ------------------------------------------------------------------------------------------------------- scaling as a gate

PREFIX = "efficiency/"


def pairs_of(names):
    """(row with more threads, the same row with one), of those that are both there."""
    found = []
    for name in sorted(names):
        start, mark, threads = name.rpartition("/t:")
        if mark and threads.isdigit() and int(threads) > 1 and f"{start}/t:1" in names:
            found.append((name, f"{start}/t:1"))
    return found


def efficiencies(records, reproduce):
    """Rows of what threads lose: threads times the time of a unit of work on all of them over that on one, 1 where scaling is
    perfect, 2 where half of every thread is lost. Judged like times; shown as the efficiency, which is the inverse. Both by the wall
    clock and from the same block, so that what the machine did meanwhile cancels."""
    by_name, found = {each["name"]: each for each in records if each["blocks"] and each["kind"] != "control" and not each.get("broke")}, []
    for name, one in pairs_of(set(by_name)):
        many, single = by_name[name], by_name[one]
        work = next((many["work"][key] / single["work"][key] for key in ("flops", "bytes", "items")
                     if many["work"].get(key) and single["work"].get(key)), 1.0)
        threads = int(name.rpartition(":")[2])
        lost = lambda key: [{**{arm: threads / work * a[arms.WALL][arm] / b[arms.WALL][arm] for arm in blocks.ARMS}, "layouts": a["layouts"]}
                            for a, b in zip(many.get(key, []), single.get(key, []))]
        found.append({"name": PREFIX + name, "unit": "1", "reproduce": reproduce([name, one]), "kind": "efficiency", "threads": threads,
                      "program": many["program"], "directories": many["directories"], "clock": arms.WALL, "blocks": lost("blocks"), "work": {},
                      "disturbed": many["disturbed"], "effort": many["effort"],
                      **({"confirmation": lost("confirmation")} if many.get("confirmation") and single.get("confirmation") else {})})
    return found


# ----------------------------------------------------------------------------------------------------------------- the end

def conclude(document, records, rules, disturbances=()):
    """Put judgements into the document; its verdict and exit status."""
    judged = verdict.judge(records, rules, [sentence for sentence in disturbances if sentence])
    for each in records:
        each["judgement"] = judged[each["name"]].record()
        if each["blocks"]:
            each["median"] = {arm: statistics.median([block[arm] for block in each["blocks"]]) for arm in blocks.ARMS}
            each["value"] = each["median"]["head"]
        if judged[each["name"]].verdict == verdict.INVALID or each.get("broke"):
            each["valid"], each["reason"] = False, judged[each["name"]].reason
    blocking = sum(fact["blocks"] for fact in document["facts"]["differ"])
    kinds = {each["name"]: each["kind"] for each in records}
    document["rows"], document["plan"]["looks"], document["plan"]["look_blocks"] = records, rules.looks, list(rules.look_blocks)
    document["verdict"] = verdict.overall(judged, kinds, blocking, timed=not document["plan"]["exact_only"])
    document["exit_status"] = verdict.STATUS[document["verdict"]]
    return judged


def finish(arguments, document, took, clock, built=0.0):
    """Write and tell; the exit status. `clock`: when all began."""
    rounded = {key: round(value, 1) if isinstance(value, float) else value for key, value in took.items()}
    document["took"] = {"build_seconds": round(built, 1), **rounded, "total_seconds": round(time.monotonic() - clock, 1)}
    path = session.write(document, arguments.output)
    document = session.read(path)
    print(text.text(document))
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
            print(f"::{'error' if blocking else 'warning'} title=Slower::{row['name']}: {text.ratio_text(row)}")
    if document["verdict"] in (verdict.INCONCLUSIVE, verdict.INVALID, "nothing measured"):
        print(f"::warning title=Timing {document['verdict']}::{text.headline(document)}")
    status = document["exit_status"]
    stops = status == EXACT_STATUS or (regressed and blocking) or document["verdict"] == "nothing measured"
    return status if stops else 0
