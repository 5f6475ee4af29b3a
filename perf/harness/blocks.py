"""Measuring in blocks: within a block every row visits the three arms there and back again (base, head, again, again, head, base in
one of the six orders, drawn anew; twice, unless it is a whole job), so that drift favours no arm. Rows come in random order. Processes
live for a few blocks, since where their pages landed is noise as well, and so is where the linker put the code: with every life
an arm goes on to the next layout of its build. The number of blocks is fixed before anything is measured; only time can cut it
short."""
import math
import random
import time
from dataclasses import dataclass, field

from perf.harness import arms as arm_module
from perf.harness import statistics
from perf.harness.effort import Effort

ARMS = ("base", "head", "again")
STEPS = {"base": 0, "head": 0, "again": 1}  # of layouts that an arm is ahead: copies of base never have the same one
# There and back again, of a block; a job is one pass a visit, so it comes more often, and every visit of a foreign program is a process.
TRIPS = {"job": 3, "row": 2, "control": 2, "program": 1}
LIFE = 4           # blocks between new processes
LEAST_PASSES, MOST_PASSES = {"job": 1, "program": 1}, 256  # three of others at least


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
    effort: dict = field(default_factory=lambda: {name: Effort() for name in ARMS})

    @property
    def turns(self):
        """Of all arms in a block."""
        return 2 * len(ARMS) * TRIPS[self.row.kind]


def facts_of(sample):
    return {"counters": sample.counters, "label": sample.label}


class Bench:
    """The arms; base and again are two sets of processes of the same build. `makers`: {arm: function of a layout's number that
    makes the arm}; `layouts`: how many there are of either build."""

    def __init__(self, makers, layouts=1):
        self.makers, self.layouts, self.lives = makers, layouts, 0
        self.arms = {}

    def renew(self, order):
        self.close()
        self.arms = {name: self.makers[name](self.layout_of(name)) for name in order}
        self.lives += 1

    def layout_of(self, name):
        return (self.lives + STEPS[name]) % self.layouts

    def now(self):
        """{arm: its layout} of the arms that there are."""
        return {name: (self.lives - 1 + STEPS[name]) % self.layouts for name in self.arms}

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
        for turn, entry.passes in enumerate((1, LEAST_PASSES.get(entry.row.kind, 3))):
            start = time.monotonic()
            sample = _turn(bench, entry, name)
            if turn == 0:
                entry.first_seconds = time.monotonic() - start
            if sample.reason:
                return sample
        entry.turn_seconds = time.monotonic() - start
    except arm_module.Unservable as missing:
        return arm_module.nothing(str(missing))
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
    """{"base", "head", "again": seconds by the row's clock, "cpu", "wall": {arm: seconds by that clock}, "layouts": {arm: number}}."""
    passes = {name: {arm_module.CPU: [], arm_module.WALL: []} for name in ARMS}
    orders = [generator.sample(ARMS, len(ARMS)) for _ in range(TRIPS[entry.row.kind])]
    for name in [name for order in orders for name in order + order[::-1]]:
        sample = _turn(bench, entry, name)
        entry.samples += 1
        entry.off_plan += sample.off_plan
        entry.effort[name].add(sample)
        if sample.reason:
            entry.reason = f"{name}: {sample.reason}"
            return None
        for clock, seconds in sample.passes.items():
            passes[name][clock] += seconds
    block = {clock: {name: statistics.undisturbed(passes[name][clock]) for name in ARMS} for clock in (arm_module.CPU, arm_module.WALL)}
    return {**block[entry.row.clock], **block, "layouts": bench.now()}


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
