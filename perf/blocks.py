"""Measuring in blocks: within a block every row visits the three arms there and back again (base, head, again, again, head, base in
one of the six orders, drawn anew), so that drift cancels; rows come in random order. Processes live for a few blocks, since where
their pages landed is noise as well. The number of blocks is fixed before anything is measured; only time can cut it short."""
import itertools
import random
import time
from dataclasses import dataclass, field

from perf import arms as arm_module
from perf import statistics
from perf.arms import Arm

ARMS = ("base", "head", "again")
SLOTS = 2          # visits of a block to each arm
LIFE = 4           # blocks between new processes
LEAST_PASSES, MOST_PASSES = 3, 256
SHORT_SLOT = 0.004  # seconds of a turn, at least


@dataclass
class Measured:
    """A row and what became of it."""
    row: arm_module.Row
    passes: int = 1            # of one turn, the same for every arm
    pass_seconds: float = 0.0  # at calibration
    turn_seconds: float = 0.0  # of one turn, preparation included
    reason: str = ""           # why it is not measured
    blocks: list = field(default_factory=list)
    facts: dict = field(default_factory=dict)  # {arm: {"counters", "label"}}
    samples: int = 0
    off_plan: int = 0
    preempted: int = 0


def facts_of(sample):
    return {"counters": sample.counters, "label": sample.label}


class Bench:
    """The arms; base and again are two processes of the same build."""

    def __init__(self, base, head):
        self.directories = {"base": base, "head": head, "again": base}
        self.arms = {}

    def renew(self, order):
        self.close()
        self.arms = {name: Arm(name, self.directories[name]) for name in order}

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
    """Try every row on both builds: what cannot run on either side says why and is left out; passes are timed on base."""
    bench.renew(ARMS)
    measured = []
    for row in rows:
        entry = Measured(row)
        measured.append(entry)
        for name in ("base", "head"):
            try:
                # The first turn verifies and warms up.
                for entry.passes in (1, 1 if row.kind == "job" else LEAST_PASSES):
                    sample = _turn(bench, entry, name)
                    if sample.reason:
                        break
            except FileNotFoundError as missing:
                sample = arm_module.Sample([], reason=str(missing))
            if sample.reason:
                entry.reason = f"{name}: {sample.reason}"
                say(f"{row.name} is left out, {entry.reason}")
                break
            entry.facts[name] = facts_of(sample)
            if name == "base":
                entry.pass_seconds = statistics.typical(sample.passes)
                entry.turn_seconds = sample.seconds
    return measured


def divide(measured, seconds, blocks):
    """Choose each row's passes so that all blocks take about `seconds`. Returns the seconds expected."""
    active = [entry for entry in measured if not entry.reason]
    turns = len(ARMS) * SLOTS * blocks
    jobs = sum(entry.turn_seconds for entry in active if entry.row.kind == "job") * turns
    rows = [entry for entry in active if entry.row.kind != "job"]
    share = max(0.0, seconds - jobs) / max(1, len(rows)) / turns
    total = jobs
    for entry in active:
        if entry.row.kind == "job":
            entry.passes = 1
            continue
        # Besides its passes a turn has its preparation, and for the kernels a trial of the ceiling after every pass.
        each = max(entry.turn_seconds / LEAST_PASSES, entry.pass_seconds, 1e-6)
        entry.passes = max(LEAST_PASSES, min(MOST_PASSES, round(max(share, SHORT_SLOT) / each)))
        total += entry.passes * each * turns
    return total


def _block(bench, entry, order):
    passes = {name: [] for name in ARMS}
    for name in order + order[::-1]:
        sample = _turn(bench, entry, name)
        entry.samples += 1
        entry.off_plan += sample.off_plan
        entry.preempted += sample.preempted
        if sample.reason:
            entry.reason = f"{name}: {sample.reason}"
            return None
        passes[name] += sample.passes
    return {name: statistics.typical(values) for name, values in passes.items()}


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
    orders = [list(order) for order in itertools.permutations(ARMS)]
    for number in range(count):
        if deadline is not None and time.monotonic() > deadline:
            break
        if number % LIFE == 0:
            bench.renew(generator.sample(ARMS, len(ARMS)))
        show(number, count)
        for entry in _in_turn(active, generator):
            block = _block(bench, entry, generator.choice(orders)) if not entry.reason else None
            if block:
                found[entry.row.name].append(block)
    return found


def generator_of(seed):
    return random.Random(seed)
