"""Compare two states of the sources: base, head and base again, in randomised interleaved blocks, after a first tier of exact
facts that needs no clock. Or two programs of anybody's that link Google Benchmark.

  perf compare main             the work tree against main
  perf compare v1.0 HEAD        two commits
  perf compare HEAD HEAD        the same commit twice: what this machine's noise looks like
  perf compare --program "old/bench --size 8" "new/bench --size 8"

Exit status
   0  equivalent: every row is within its threshold and no fact differs
   1  error: a build failed, a program that serves rows ended
   2  wrong usage
  10  regressed: at least one row, confirmed
  11  improved: at least one row, confirmed, and none regressed or unresolved
  12  inconclusive: at least one row, the noise being larger than what is asked for
  13  invalid: something else than the code decided the times (quota, placement, a control moved)
  14  nothing was measured
  15  facts differ: the first tier blocks, whatever the clock says; a row that broke while it was measured is one

perf/harness/verdict.py has the rules, perf/compare.md the reasons."""
import hashlib
import os
import re
import shlex
import time
from pathlib import Path

from perf.harness import arguments as types
from perf.harness import arms, blocks, comparison, flags, foreign, host, snapshots, verdict
from perf.harness.comparison import say
from perf.harness.project import PerfError

ROWS = Path(__file__).resolve().parent / "compare_rows.txt"
ISAS = ("scalar", "avx2", "avx512")
OF_STATES = {"row_file": ROWS, "exact_only": False, "clock": "changed", "callgrind": False, "base_cmake": "", "head_cmake": "", "cache": snapshots.CACHE}


def add_arguments(parser):
    parser.add_argument("base", nargs="?", help="commit to compare with")
    parser.add_argument("head", nargs="?", help="commit that is compared (default: the work tree as it is)")
    parser.add_argument("--program", nargs="+", type=types.command_line, metavar="COMMAND",
                        help="instead of commits: a program that links Google Benchmark, as base and as head; one alone is compared with itself")
    comparison.add_arguments(parser)
    states = parser.add_argument_group("of commits")
    states.add_argument("--row-file", type=types.input_file, default=ROWS, metavar="FILE", help="rows to measure (default: %(default)s)")
    states.add_argument("--exact-only", action="store_true", help="only the first tier")
    states.add_argument("--clock", choices=("changed", "all"), default="changed",
                        help="all: also rows whose program is the same machine code on both sides (default: changed, but all where both "
                             "sides are the same state)")
    states.add_argument("--callgrind", action="store_true", help="also count the instructions of the AVX2 path (needs valgrind)")
    states.add_argument("--base-cmake", default="", type=types.command_line, metavar="OPTIONS",
                        help="more options for CMake, for base only, such as -DCMAKE_C_FLAGS=-O2; flags that the project overrides are refused")
    states.add_argument("--head-cmake", default="", type=types.command_line, metavar="OPTIONS", help="the same for head, such as -DCMAKE_C_COMPILER=clang")
    states.add_argument("--cache", type=types.output_directory, default=snapshots.CACHE, metavar="DIR", help="for builds (default: build/perf)")


def takes(arguments):
    if arguments.program:
        return f"up to {arguments.seconds:.0f} s"
    measuring = "" if arguments.exact_only else f", up to {arguments.seconds:.0f} s of measuring"
    return f"5 s for facts{measuring}, and about a minute on two cores for each state that is not built yet"


def run(arguments):
    if arguments.program:
        return compare_programs(arguments)
    if not arguments.base:
        raise PerfError("what to compare with is missing: a commit, or --program COMMAND [COMMAND]", 2)
    return compare_states(arguments)


# ------------------------------------------------------------------------------------------------------ anybody's programs

def compare_programs(arguments):
    clock = time.monotonic()
    if arguments.base or len(arguments.program) > 2:
        raise PerfError("--program takes one or two commands, and no commits: quote a command that has arguments", 2)
    for option, default in OF_STATES.items():
        if getattr(arguments, option) != default:
            raise PerfError(f"--{option.replace('_', '-')} is about commits: with --program it means nothing", 2)
    texts = {"base": arguments.program[0], "head": arguments.program[-1]}
    words = {arm: foreign.words_of(text) for arm, text in texts.items()}
    rows = {arm: {row.name: row for row in foreign.rows_of(words[arm]) if re.search(arguments.rows, row.name)} for arm in words}
    digest = {arm: hashlib.sha256(Path(words[arm][0]).read_bytes()).hexdigest()[:16] for arm in words}
    sides = {arm: {"name": texts[arm], "program": words[arm][0], "identity": digest[arm]} for arm in words}
    rules = comparison.rules_of(arguments)
    document = comparison.begin(arguments, {**sides, "identical_programs": digest["base"] == digest["head"]}, rules)
    surroundings = host.Surroundings(source=host.source(os.getcwd()))
    reproduce = lambda names: shlex.join(["python3", "perf", "compare", "--program", *arguments.program, "--rows", exactly(names)])
    makers = {arm: (lambda _, words=words["head" if arm == "head" else "base"]: foreign.Arm(words)) for arm in blocks.ARMS}
    both = [row for name, row in rows["head"].items() if name in rows["base"]]
    if not both:
        say("there is no row that both programs have" + (f" and that '{arguments.rows}' matches" if arguments.rows else ""))
    with blocks.Bench(makers) as bench:
        say(f"measuring {len(both)} rows, about {arguments.seconds:.0f} s")
        measured, records, took = comparison.measure(arguments, bench, both, blocks.generator_of(arguments.seed), rules, reproduce)
    document["environment"] = surroundings.finish()
    differ = document["facts"]["differ"] = can_be_measured(measured, arguments.accept)
    for name in sorted(set(rows["base"]) ^ set(rows["head"])):
        gone = name in rows["base"]
        accepted = any(word in f"{name}: exists" for word in arguments.accept)
        differ.append({"name": f"{name}: exists", "base": gone, "head": not gone, "accepted": accepted, "blocks": gone and not accepted,
                       "says": "head no longer has the row" if gone else "only head has the row"})
    document["facts"]["compared"] = len(set(rows["base"]) | set(rows["head"]))
    comparison.conclude(document, records, rules, document["environment"]["disturbances"])
    return comparison.finish(arguments, document, took, clock)


def exactly(names):
    """A regular expression of these names."""
    escaped = [re.escape(name).replace("\\-", "-").replace("\\ ", " ") for name in names]
    return f"^{escaped[0]}$" if len(escaped) == 1 else f"^({'|'.join(escaped)})$"


# --------------------------------------------------------------------------------------------------- states of the sources

def prepare(arguments):
    """Both states, built. Every failure in here is an error of the comparison."""
    from perf import programs
    base = snapshots.of_commit("base", arguments.base, shlex.split(arguments.base_cmake))
    options = shlex.split(arguments.head_cmake)
    head = snapshots.of_commit("head", arguments.head, options) if arguments.head else snapshots.of_work_tree("head", options)
    wanted = {row.program for row in arms.read_rows(arguments.row_file) if row.program != "rhm"}
    for snapshot in (base, head):
        snapshots.build(snapshot, programs.RECIPE, wanted, say, arguments.cache)
    return base, head


def reproduce_with(arguments):
    def reproduce(names):
        words = ["./dev", "perf", "compare", arguments.base, *([arguments.head] if arguments.head else []), "--rows", exactly(names)]
        for option, value in (("--base-cmake", arguments.base_cmake), ("--head-cmake", arguments.head_cmake)):
            words += [option, value] if value else []
        return shlex.join(words)
    return reproduce


def bench_of(base, head, again=None):
    """The arms of built states; `again` is base unless another is given."""
    from perf import programs

    def maker(snapshot):
        return lambda number: arms.Arm(snapshot.layouts[number % len(snapshot.layouts)],
                                       lambda program: programs.arguments_of(program, snapshot.programs))
    return blocks.Bench({"base": maker(base), "head": maker(head), "again": maker(again or base)},
                        max(len(base.layouts), len(head.layouts)))


def choose_rows(pattern, path, bench):
    """The rows of this machine, from what base's and head's programs say of it."""
    rows = arms.read_rows(path)
    try:
        hello = bench.arms["head"].server(next(row.program for row in rows if row.kind != "job")).hello
        isa, cpus = hello["isa_widest"], hello["cpus_allowed"]
    except (arms.Unservable, StopIteration):
        isa, cpus = "avx2", len(os.sched_getaffinity(0))
    wanted = re.compile(pattern)
    expanded = arms.expand(rows, {"isas": ISAS[1:ISAS.index(isa) + 1] if isa in ISAS[1:] else [isa], "isa": [isa], "T": [cpus]})
    names = {row.name for row in expanded if row.kind == "control" or wanted.search(row.name)}
    for pair in comparison.pairs_of({row.name for row in expanded if row.kind != "control"}):
        # An efficiency that is asked for by its name needs both of its rows.
        if wanted.search(comparison.PREFIX + pair[0]) and not wanted.search(pair[0]):
            names.update(pair)
    return [row for row in expanded if row.name in names], isa, cpus


def programs_of(pattern, path):
    """Those that rows with a match may need, on whatever machine, and the one that is asked what machine this is."""
    rows = [row for row in arms.read_rows(path) if row.kind != "control"]
    possible = arms.expand(rows, {"isas": ISAS, "isa": ISAS, "T": [1, len(os.sched_getaffinity(0))]})
    asked = [row.program for row in rows if row.kind != "job"][:1]
    return {row.program for row in possible if row.program != "rhm" and re.search(pattern, row.name)} | set(asked)


def same_code(base, head, program):
    """Whether a program maps the same bytes into memory on both sides, in every layout, and reads the same files."""
    return bool(base.code_of(program)) and base.code_of(program) == head.code_of(program) and \
        base.inventory.get("kept") == head.inventory.get("kept")


def compare_states(arguments):
    from perf import environment, explain, facts
    clock = time.monotonic()
    base, head = prepare(arguments)
    built, rules, reproduce = time.monotonic() - clock, comparison.rules_of(arguments), reproduce_with(arguments)
    same_state = (base.tree, base.options) == (head.tree, head.options)
    with bench_of(base, head) as bench:
        bench.renew(blocks.ARMS)
        rows, isa, cpus = choose_rows(arguments.rows, arguments.row_file, bench)
        document = comparison.begin(arguments, {"base": base.record(), "head": head.record(), "identical_programs":
                                                base.inventory.get("identity") == head.inventory.get("identity")}, rules,
                                    exact_only=arguments.exact_only, layouts=bench.layouts)
        unchanged = [row for row in rows if arguments.clock == "changed" and not same_state and row.kind != "control"
                     and same_code(base, head, row.program)]
        rows = [row for row in rows if row not in unchanged]
        surroundings = environment.Environment(head.programs)
        say("comparing exact facts")
        gathered = {arm.arm: facts.gather(arm, cpus, isa, arguments.callgrind, arguments.cache) for arm in (base, head)}
        if arguments.exact_only:
            # Once round every row for its work and its verified result.
            measured, records, took = blocks.calibrate(bench, rows, say, timed=False), [], {}
        else:
            if unchanged:
                say(f"{len(unchanged)} rows need no clock: their programs are the same machine code on both sides")
            timed = any(row.kind != "control" for row in rows)
            say(f"measuring, about {arguments.seconds:.0f} s" if timed else "there is nothing to measure")
            measured, records, took = comparison.measure(arguments, bench, rows if timed else [], blocks.generator_of(arguments.seed),
                                                         rules, reproduce)
            records += [comparison.of_same_code(row, reproduce) for row in unchanged]
    document["environment"] = surroundings.finish()
    document["facts"] = compare_facts(arguments, gathered, measured, base, head)
    judged = comparison.conclude(document, records, rules, document["environment"].get("disturbances", ()))
    for each in records:
        if each["judgement"]["verdict"] in (verdict.REGRESSED, verdict.IMPROVED) and each["kind"] != "control":
            each["moved"] = explain.explain(each, judged, [r for r in records if r["kind"] != "control"],
                                            document["facts"]["differ"], base, head)
    return comparison.finish(arguments, document, took, clock, built)


def can_be_measured(measured, accept):
    """Facts: rows that base runs and head does not, and rows that either broke while they were measured."""
    found = []
    for entry in measured:
        if entry.broke or ("base" in entry.facts and "head" not in entry.facts and entry.reason):
            name = f"{entry.row.name}: can be measured"
            accepted = any(word in name for word in accept)
            of_base = entry.broke in ("base", "again")
            found.append({"name": name, "base": not of_base, "head": of_base, "accepted": accepted, "blocks": not accepted, "says": entry.reason})
    return found


def compare_facts(arguments, gathered, measured, base, head):
    from perf import explain, facts
    lists = {}
    for arm in (base, head):
        path = arm.programs.parent / "shapes" / "kernels.txt"
        shapes = facts.read_shapes(path) if path.exists() else {}
        lists[arm.arm] = gathered[arm.arm][0] + [fact for entry in measured if not entry.reason or len(entry.facts) == 2
                                                 for fact in facts.row_facts(entry, arm.arm, shapes)]
    differ = facts.compare(lists["base"], lists["head"], arguments.accept) + can_be_measured(measured, arguments.accept)
    for change, objects in flags.changes(base.inventory.get("flags", {}), head.inventory.get("flags", {})).items():
        differ.append({"name": "compiler flags", "base": None, "head": None, "blocks": False, "accepted": False,
                       "says": f"{change} in {len(objects)} objects, such as {explain.short(objects[0])}"})
    missing = {**gathered["base"][1], **gathered["head"][1]}
    for arm in (base, head):
        if arm.inventory.get("no_layouts"):
            missing["other layouts"] = arm.inventory["no_layouts"]
    return {"compared": len({fact.name for each in lists.values() for fact in each}), "differ": differ, "unavailable": missing}
