"""Find the commit that changed a row: between a good one and a bad one, each step a paired comparison.

  perf bisect v1.0 HEAD --row forward/v16/avx512/native/t:1
  perf bisect v1.0 HEAD --row 'job/.*/t:1'

Good and bad are compared first: where the row is no different there is nothing to find. Then a commit in the middle is built, and in every
block all three take turns; it belongs to the side that it is nearer to, which a sign test decides, with as many blocks as that takes. A
commit that does not build, or cannot run the row, is skipped and never blamed by itself; what is the same machine code as a commit that
was judged needs no clock. In the end the commit that was found is compared with the one before it.

Exit status: 0 found, 1 a failure, 2 bad usage, 12 no difference between good and bad, or a step that nothing decides"""
import math
import re
import shlex
import sys
import time

from perf import compare, environment
from perf.harness import arguments as types
from perf.harness import blocks, comparison, git, session, snapshots, statistics, verdict
from perf.harness.project import PerfError, relative

ROUND = 12          # blocks between looks at a step: each pair of layouts in as many
MOST_ROUNDS = 6
SURE = 0.01         # chance of a wrong turn, of one step
PASS_SECONDS = 0.03  # of one arm's turn
UNCLEAR = "as near to good as to bad"
INCONCLUSIVE = verdict.STATUS[verdict.INCONCLUSIVE]


def add_arguments(parser):
    parser.add_argument("good", help="commit at which the row was as it should be")
    parser.add_argument("bad", help="a later commit at which it is not")
    parser.add_argument("--row", required=True, type=types.regex, metavar="REGEX", help="of one row of the row file")
    parser.add_argument("--row-file", type=types.input_file, default=compare.ROWS, metavar="FILE", help="(default: %(default)s)")
    parser.add_argument("--threshold", type=types.percent, default=5.0, metavar="PERCENT",
                        help="the smallest change to look for (default: %(default)g)")
    parser.add_argument("--seed", type=types.whole(0), default=1, help="of the order of measurements (default: 1)")
    parser.add_argument("--cache", type=types.output_directory, default=snapshots.CACHE, metavar="DIR", help="for builds (default: build/perf)")
    parser.add_argument("--output", type=types.output_file, metavar="FILE", help="default: build/perf-results/bisect.json")


def takes(arguments):
    return ("for each step, some log2 of the number of commits: about a minute on two cores for the build where the cache has none, and 5 "
            "to 40 s of measuring")


def say(text):
    print(f"perf bisect: {text}", file=sys.stderr, flush=True)


class Skipped(Exception):
    """Why a commit cannot be judged."""


class Bench:
    """Builds of commits, made once, and blocks of three of them. `effort`: of the last blocks, by arm."""

    def __init__(self, arguments):
        self.arguments, self.generator, self.built = arguments, blocks.generator_of(arguments.seed), {}
        self.wanted = compare.programs_of(arguments.row, arguments.row_file)
        self.row, self.effort = None, {}

    def snapshot(self, commit):
        from perf import programs
        if commit not in self.built:
            made = snapshots.of_commit("head", commit)
            try:
                self.built[commit] = snapshots.build(made, programs.RECIPE, self.wanted, say, self.arguments.cache)
            except PerfError as failure:
                self.built[commit] = Skipped(str(failure).splitlines()[-1][:200])
        if isinstance(self.built[commit], Skipped):
            raise self.built[commit]
        return self.built[commit]

    def choose(self, good, bad):
        """The one row that is asked for."""
        with compare.bench_of(good, bad) as both:
            both.renew(blocks.ARMS)
            rows = [row for row in compare.choose_rows(self.arguments.row, self.arguments.row_file, both)[0] if row.kind != "control"]
        if len(rows) > 1:
            # The name itself, where it is also the beginning of others.
            rows = [row for row in rows if re.fullmatch(self.arguments.row, row.name)] or rows
        if len(rows) != 1:
            pair = " (an efficiency is of two rows: ask for the one that changed)" if comparison.PREFIX.rstrip("/") in self.arguments.row else ""
            raise PerfError(f"--row {self.arguments.row}: {len(rows)} rows match, one is wanted{pair}"
                            + (f": {', '.join(row.name for row in rows[:6])}" if rows else ""), 2)
        self.row = rows[0]

    def blocks_of(self, first, middle, last, enough):
        """Blocks of three builds, as base, head and again, until enough(blocks) or for as many rounds as are allowed."""
        with compare.bench_of(first, middle, last) as arms:
            measured = blocks.calibrate(arms, [self.row])
            if not measured or measured[0].reason:
                raise Skipped(measured[0].reason if measured else "this machine cannot run the row")
            entry, found = measured[0], []
            if self.row.kind != "job":
                entry.passes = max(entry.passes, min(blocks.MOST_PASSES, int(PASS_SECONDS * entry.passes / max(entry.turn_seconds, 1e-6))))
            for _ in range(MOST_ROUNDS):
                found += blocks.run(arms, measured, [ROUND], self.generator)[self.row.name]
                if entry.reason:
                    raise Skipped(entry.reason)
                if enough(found):
                    break
            self.effort = {name: effort.record() for name, effort in entry.effort.items()}
            return found


def ratio(found, over, under):
    """Median of a ratio of two arms, with its 95 % interval."""
    logs = [math.log(block[over] / block[under]) for block in found]
    low, high, _ = statistics.sign_interval(logs, 0.05) or (-math.inf, math.inf, 0)
    return math.exp(statistics.median(logs)), (math.exp(low), math.exp(high))


def told(middle, ends):
    return f"{middle:.3f} ({ends[0]:.3f} to {ends[1]:.3f}) times as long"


def differs(found, threshold, over="head"):
    """p-values of "slower" and "faster" by more than the threshold; `again` is base where nothing else is said. A look after every round is
    paid for."""
    logs = [math.log(block[over] / block["base"]) for block in found]
    return tuple(min(1.0, MOST_ROUNDS * p) for p in (statistics.p_above(logs, threshold), statistics.p_below(logs, -threshold)))


def nearer(found):
    """p-values of "head is nearer to base" and "nearer to again"."""
    logs = [math.log(block["head"]) - (math.log(block["base"]) + math.log(block["again"])) / 2 for block in found]
    if statistics.median([math.log(block["again"] / block["base"]) for block in found]) < 0:
        logs = [-each for each in logs]
    return tuple(min(1.0, MOST_ROUNDS * p) for p in (statistics.p_below(logs, 0.0), statistics.p_above(logs, 0.0)))


# ----------------------------------------------------------------------------------------------------------------- the search

def commits_between(good, bad):
    """From good to bad, both included, along first parents where good is on that line."""
    first, last = git.commit_of(good), git.commit_of(bad)
    if git.ask("merge-base", "--is-ancestor", first, last)[0] is None:
        raise PerfError(f"{good} is not an ancestor of {bad}: what is between them is no line" + (f"; {git.shallow()}" if git.shallow() else ""), 2)
    line = git.git("rev-list", "--reverse", "--first-parent", f"{first}..{last}").split()
    parent = git.ask("rev-parse", f"{line[0]}^")[0] if line else None
    if line and parent != first:
        line = git.git("rev-list", "--reverse", "--topo-order", "--ancestry-path", f"{first}..{last}").split()
    if not line:
        raise PerfError(f"{good} and {bad} are the same commit", 2)
    return [first, *line]


def judge(bench, good, bad, commit, known):
    """("good" | "bad" | "unclear", p, blocks) of a commit. `known`: snapshots by side."""
    snapshot = bench.snapshot(commit)
    for side, others in known.items():
        if any(compare.same_code(snapshot, other, bench.row.program) for other in others):
            known[side].append(snapshot)
            return side, 0.0, []
    found = bench.blocks_of(good, snapshot, bad, lambda found: min(nearer(found)) <= SURE)
    p_good, p_bad = nearer(found)
    side, p = ("good", p_good) if p_good <= p_bad else ("bad", p_bad)
    if p > SURE:
        return "unclear", p, found
    known[side].append(snapshot)
    return side, p, found


def search(bench, line, good, bad, tell):
    """(index of the last good commit, of the first bad one, skipped {index: reason}, chance of a wrong turn)."""
    low, high, skipped, wrong, known = 0, len(line) - 1, {}, 0.0, {"good": [good], "bad": [bad]}
    while True:
        inside = [at for at in range(low + 1, high) if at not in skipped]
        if not inside:
            return low, high, {at: why for at, why in skipped.items() if low < at < high}, wrong
        at = min(inside, key=lambda at: abs(at - (low + high) / 2))
        try:
            side, p, found = judge(bench, good, bad, line[at], known)
        except Skipped as why:
            skipped[at] = str(why)
            tell(line[at], "skipped", None, [], str(why))
            continue
        tell(line[at], side, p, found, "")
        if side == "unclear":
            skipped[at] = f"{UNCLEAR} (p {p:.2g})"
            continue
        wrong += p
        low, high = (at, high) if side == "good" else (low, at)


def run(arguments):
    line = commits_between(arguments.good, arguments.bad)
    bench, start, steps = Bench(arguments), time.monotonic(), []
    try:
        good, bad = bench.snapshot(line[0]), bench.snapshot(line[-1])
    except Skipped as why:
        raise PerfError(f"good or bad cannot be built: {why}") from None
    bench.choose(good, bad)
    surroundings = environment.Environment(bad.programs)
    say(f"{bench.row.name}: {len(line) - 1} commits, about {math.ceil(math.log2(len(line)))} steps")
    threshold = math.log1p(arguments.threshold / 100)
    try:
        found = [] if compare.same_code(good, bad, bench.row.program) else \
            bench.blocks_of(good, bad, good, lambda found: min(differs(found, threshold)) <= SURE)
    except Skipped as why:
        raise PerfError(f"good or bad cannot run the row: {why}") from None
    document = session.new("bisect", {}, good=line[0], bad=line[-1], row=bench.row.name, steps=steps, culprit=None)
    if not found or min(differs(found, threshold)) > SURE:
        document["reason"] = (f"the row does not differ by more than {arguments.threshold:g} %: {told(*ratio(found, 'head', 'base'))}" if found
                              else "good and bad are the same machine code")
        return finish(arguments, bench, surroundings, document, INCONCLUSIVE, [f"nothing to find: {document['reason']}"])
    document["whole"] = dict(zip(("ratio", "interval"), ratio(found, "head", "base")))

    def tell(commit, side, p, found, why):
        subject = git.git("show", "-s", "--format=%s", commit)
        entry = {"commit": commit, "subject": subject, "verdict": side, "p": p, "blocks": len(found), "reason": why}
        if found:
            entry["ratio_to_good"], entry["interval"] = ratio(found, "head", "base")
        steps.append(entry)
        near = f", {entry['ratio_to_good']:.3f} times good's time after {len(found)} blocks, p {p:.2g}" if found else ""
        say(f"{commit[:12]} {side}{near}{': ' + why if why else ''}: {subject}")

    low, high, skipped, wrong = search(bench, line, good, bad, tell)
    return conclude(arguments, document, bench, surroundings, line, low, high, skipped, wrong, time.monotonic() - start)


def conclude(arguments, document, bench, surroundings, line, low, high, skipped, wrong, seconds):
    subject = lambda at: f"{line[at][:12]} {git.git('show', '-s', '--format=%s', line[at])}"
    lines = [f"{bench.row.name} takes {told(document['whole']['ratio'], document['whole']['interval'])} at bad as at good"]
    document.update(seconds=round(seconds, 1), confidence=max(0.0, 1 - wrong), last_good=line[low], first_bad=line[high],
                    skipped={line[at]: why for at, why in skipped.items()})
    if skipped:
        document["culprit"] = None
        lines += [f"one of these {high - low} commits changed it; confidence {100 * document['confidence']:.1f} %:"]
        lines += [f"  {subject(at)}" + (f" (skipped: {skipped[at]})" if at in skipped else "") for at in range(low + 1, high + 1)]
        return finish(arguments, bench, surroundings, document, INCONCLUSIVE if any(why.startswith(UNCLEAR) for why in skipped.values()) else 0, lines)
    document["culprit"] = line[high]
    before, after = bench.snapshot(line[low]), bench.snapshot(line[high])
    found = bench.blocks_of(before, after, before, lambda found: len(found) >= 2 * ROUND)
    middle, ends = ratio(found, "head", "base")
    document["step_ratio"], document["step_interval"] = middle, ends
    lines += [f"changed by {subject(high)}",
              f"against the commit before it: {told(middle, ends)}; confidence {100 * document['confidence']:.1f} %"]
    return finish(arguments, bench, surroundings, document, 0, lines)


def finish(arguments, bench, surroundings, document, status, lines):
    document["exit_status"] = status
    document["environment"] = surroundings.finish()
    reproduce = shlex.join(["./dev", "perf", "bisect", arguments.good, arguments.bad, "--row", arguments.row])
    document["rows"] = [session.row(document["row"], "1", reproduce, value=document.get("whole", {}).get("ratio"), effort=bench.effort)]
    path = session.write(document, arguments.output)
    print("\n".join(lines))
    say(f"result: {relative(path)}")
    return status
