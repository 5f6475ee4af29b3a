"""Measuring in blocks: within a block every row visits the three arms there and back again (base, head, again, again, head, base in
one of the six orders, drawn anew; twice, unless it is a whole job), so that drift favours no arm. Rows come in random order. Processes
live for a few blocks, since where their pages landed is noise as well. The number of blocks is fixed before anything is measured;
only time can cut it short."""
import math
import random
import time
from dataclasses import dataclass, field

from perf.harness import arms as arm_module
from perf.harness import statistics
from perf.harness.arms import Arm, Sample

ARMS = ("base", "head", "again")
TRIPS = {"job": 3, "row": 2, "control": 2}  # there and back again, of a block; a job is one pass a visit, so it comes more often
LIFE = 4           # blocks between new processes
LEAST_PASSES, MOST_PASSES = 3, 256


@dataclass
class Measured:
    """A row and what became of it."""
    row: arm_module.Row
    passes: int = 1            # of one turn, the same for every arm
    turn_seconds: float = 0.0   # of one turn at calibration, preparation included, by the wall clock
    first_seconds: float = 0.0  # of the first turn of a process
    reason: str = ""           # why it is not measured
    skipped: bool = False      # neither side can run it on this machine
    blocks: list = field(default_factory=list)
    facts: dict = field(default_factory=dict)  # {arm: {"counters", "label"}}
    samples: int = 0
    off_plan: int = 0
    preempted: int = 0

    @property
    def turns(self):
        """Of all arms in a block."""
        return 2 * len(ARMS) * TRIPS[self.row.kind]


def facts_of(sample):
    return {"counters": sample.counters, "label": sample.label}


class Bench:
    """The arms; base and again are two processes of the same build."""

    def __init__(self, base, head, arguments_of=lambda program, binaries: []):
        self.directories = {"base": base, "head": head, "again": base}
        self.arguments_of = arguments_of
        self.arms = {}

    def renew(self, order):
        self.close()
        self.arms = {name: Arm(name, self.directories[name], self.arguments_of) for name in order}

    def close(self):
        for arm in self.arms.values():
            arm.close()
        self.arms = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _turn(bench, measured, name):
    sample = bench.arms[name].run(measured.row, measured.passes)
    if measured.row.threads > 1 and measured.row.kind != "job":
        time.sleep(arm_module.SPIN_SECONDS)
    return sample


def calibrate(bench, rows, say=lambda text: None):
    """Try every row on both builds. Rows that neither can run on this machine are dropped; others that fail say why."""
    bench.renew(ARMS)
    measured = [Measured(row) for row in rows]
    for entry in measured:
        tried = {name: _try(bench, entry, name) for name in ("base", "head")}
        entry.facts = {name: facts_of(sample) for name, sample in tried.items() if not sample.reason}
        entry.skipped = all(sample.skipped for sample in tried.values())
        entry.reason = "; ".join(f"{name}: {sample.reason}" for name, sample in tried.items() if sample.reason)
        if entry.reason:
            say(f"{entry.row.name} is left out, {entry.reason}")
    return [entry for entry in measured if not entry.skipped]


def _try(bench, entry, name):
    """Two turns: the first one verifies the result, the second one is timed. The last sample."""
    try:
        for turn, entry.passes in enumerate((1, 1 if entry.row.kind == "job" else LEAST_PASSES)):
            start = time.monotonic()
            sample = _turn(bench, entry, name)
            if turn == 0:
                entry.first_seconds = time.monotonic() - start
            if sample.reason:
                return sample
        entry.turn_seconds = time.monotonic() - start
    except arm_module.Unservable as missing:
        return Sample([], reason=str(missing))
    return sample


@dataclass
class Plan:
    """How the time is spent, decided at calibration and not revised by what is measured."""
    blocks: int
    seconds: float  # expected


def _turns(entries, blocks):
    return blocks * sum(entry.turns * entry.turn_seconds for entry in entries)


def _renewals(entries, blocks):
    """Every new process verifies each of its rows once."""
    return len(ARMS) * math.ceil(blocks / LIFE) * sum(entry.first_seconds for entry in entries)


def plan(measured, seconds, wanted, needed):
    """Choose the number of blocks, `wanted` at most and needed(rows) at least, and every row's passes, so that all takes about
    `seconds`. Where even the least is too much, as on a busy machine, the costliest rows are left out and say so."""
    active = [entry for entry in measured if not entry.reason]
    while active:
        least = min(wanted, needed(sum(entry.row.kind != "control" for entry in active)))
        fitting = [blocks for blocks in range(wanted, least - 1, -1) if _turns(active, blocks) + _renewals(active, blocks) <= seconds]
        if fitting or len(active) == 1:
            blocks = fitting[0] if fitting else least
            break
        costliest = max(active, key=lambda entry: entry.turns * entry.turn_seconds)
        costliest.reason = f"left out: a turn took {costliest.turn_seconds:.2f} s, too long for {least} blocks in the time given"
        active.remove(costliest)
    else:
        return Plan(0, 0.0)
    spare = max(0.0, seconds - _turns(active, blocks) - _renewals(active, blocks))
    rows = [entry for entry in active if entry.row.kind != "job"]
    for entry in rows:
        # Beside its passes a turn has its preparation.
        each = max(entry.turn_seconds / entry.passes, 1e-6)
        more = spare / len(rows) / (entry.turns * blocks) / each
        entry.passes = min(MOST_PASSES, entry.passes + int(more))
        entry.turn_seconds = entry.passes * each
    return Plan(blocks, _turns(active, blocks) + _renewals(active, blocks))


def _block(bench, entry, generator):
    passes = {name: [] for name in ARMS}
    orders = [generator.sample(ARMS, len(ARMS)) for _ in range(TRIPS[entry.row.kind])]
    for name in [name for order in orders for name in order + order[::-1]]:
        sample = _turn(bench, entry, name)
        entry.samples += 1
        entry.off_plan += sample.off_plan
        entry.preempted += sample.preempted
        if sample.reason:
            entry.reason = f"{name}: {sample.reason}"
            return None
        passes[name] += sample.passes
    return {name: statistics.undisturbed(values) for name, values in passes.items()}


def _in_turn(active, generator):
    """Random order, but rows of one program and team together: another team has to be made and bound."""
    teams = {}
    for entry in active:
        teams.setdefault((entry.row.program, entry.row.threads), []).append(entry)
    for team in generator.sample(sorted(teams), len(teams)):
        yield from generator.sample(teams[team], len(teams[team]))


def run(bench, measured, count, generator, deadline=None, show=lambda done, count: None):
    """Measure `count` blocks of every row that can be. {name: blocks}; fewer blocks, the same of every row, after the deadline."""
    active = [entry for entry in measured if not entry.reason]
    found = {entry.row.name: [] for entry in active}
    for number in range(count):
        if deadline is not None and time.monotonic() > deadline:
            break
        if number % LIFE == 0:
            bench.renew(generator.sample(ARMS, len(ARMS)))
        show(number, count)
        for entry in _in_turn(active, generator):
            block = _block(bench, entry, generator) if not entry.reason else None
            if block:
                found[entry.row.name].append(block)
    return found


def generator_of(seed):
    return random.Random(seed)
