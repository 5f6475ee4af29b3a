"""Measuring in blocks: within a block every row visits the three arms there and back again (base, head, again, again, head, base in
one of the six orders, drawn anew; twice, where a visit is not a process), so that drift favours no arm. Rows come in random order.
Processes live for a few blocks, since where their pages landed is noise as well, and so is where the linker put the code: with every
life an arm goes on to the next layout of its build. The numbers of blocks after which rows are looked at are fixed before anything is
measured; a row that is decided then gets no more of them, and its time is the others'. Only a deadline can cut this short."""
import math
import random
import time
from dataclasses import dataclass, field

from perf.harness import arms as arm_module
from perf.harness import foreign, statistics
from perf.harness.effort import Effort

ARMS = ("base", "head", "again")
STEPS = {"base": 0, "head": 0, "again": 1}  # of layouts that an arm is ahead: copies of base never have the same one
# There and back again, of a block; a job is one pass a visit, so it comes more often, and every visit of a foreign program is a process.
TRIPS = {"job": 2, "row": 2, "control": 2, "program": 1}
LIFE = 4              # blocks between new processes
SERVED = ("row", "control")  # kinds whose passes are of one process, to which a turn is a request
SHORT_SECONDS = 0.005  # of a pass; of a shorter one a turn has three at least
TURN_SECONDS, MOST_PASSES = 0.01, 256  # of a turn, at most, unless the least passes take longer
TRIED = 3              # such turns at calibration, of which the shortest counts
NO_TIME = "left out: no time to try it"
FIRST_SHARE = 0.5      # of the time, for the first look: what is decided then leaves the rest to the others
LOOKS = (24, 48, 96)   # blocks of every row; each pair of layouts in as many
FURTHER = 1.5          # times the blocks of a look, from which another one is worth its share of the level


@dataclass
class Measured:
    """A row and what became of it."""
    row: arm_module.Row
    passes: int = 1            # of one turn, the same for every arm
    turn_seconds: float = 0.0   # of one turn at calibration, by the wall clock
    setup_seconds: float = 0.0  # more of an arm's first turn in a block, in which the row is prepared
    pass_seconds: float = 0.0   # of one pass more in a turn, where a turn is a process; 0: a turn's share
    first_seconds: float = 0.0  # more of the first turn of a process, where every process verifies the row
    reason: str = ""           # why it is not measured
    broke: str = ""            # the arm that failed although it had run before: what was measured until then is no verdict
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

    def seconds(self, count):
        """Of so many blocks."""
        return count * (self.turns * self.turn_seconds + len(ARMS) * self.setup_seconds) + \
            len(ARMS) * math.ceil(count / LIFE) * self.first_seconds


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


def _turn(bench, measured, name, verify=False):
    sample = bench.arms[name].run(measured.row, measured.passes, verify)
    if measured.row.threads > 1 and measured.row.kind != "job":
        time.sleep(arm_module.SPIN_SECONDS)
    return sample


def calibrate(bench, rows, say=lambda text: None, timed=True, deadline=None):
    """Try every row on both builds, and take the time of its turns. Rows that neither can run on this machine are dropped; others that fail
    say why, and so do those that are not tried before the deadline. Controls come first: without them nothing is vouched for."""
    bench.renew(ARMS)
    measured = [Measured(row) for row in rows]
    over = lambda: deadline is not None and time.monotonic() > deadline
    in_order = sorted(measured, key=lambda entry: entry.row.kind != "control")
    for entry in in_order:
        if over():
            entry.reason = NO_TIME
            continue
        tried = {name: _verify(bench, entry, name) for name in ("base", "head")}
        entry.facts = {name: facts_of(sample) for name, sample in tried.items() if not sample.reason}
        entry.skipped = all(sample.skipped for sample in tried.values())
        entry.reason = "; ".join(f"{name}: {sample.reason}" for name, sample in tried.items() if sample.reason)
        if entry.reason:
            say(f"{entry.row.name} is left out, {entry.reason}")
            continue
        shortest = min(min(sample.passes[entry.row.clock]) for sample in tried.values())
        entry.passes = 3 if entry.row.kind in SERVED and shortest < SHORT_SECONDS else 1
    for entry in in_order if timed else ():
        if not entry.reason and over() and not entry.turn_seconds:
            entry.reason = NO_TIME
        for name in ("base", "head"):
            if not entry.reason and not over():
                _time_turns(bench, entry, name)
    return [entry for entry in measured if not entry.skipped]


def _time_turns(bench, entry, name):
    seconds = []

    def turn():
        start = time.monotonic()
        sample = _turn(bench, entry, name)
        seconds.append(time.monotonic() - start)
        if sample.reason:
            entry.reason, entry.broke = f"{name}: {sample.reason}", name
        return None if sample.reason else sample

    if entry.row.kind in SERVED:
        # Another row was the last one, so that the first turn prepares this one, as in a block.
        if all(turn() for _ in range(1 + TRIED)):
            entry.turn_seconds = max(entry.turn_seconds, min(seconds))
            entry.setup_seconds = max(entry.setup_seconds, seconds[0] - min(seconds))
    elif entry.row.kind == "program" and name == "base":
        # The turn that tried it had one pass: what more of them cost is the difference.
        entry.passes = 1 + TRIED
        sample = turn()
        if sample:
            least = max(foreign.REPETITION_SECONDS, min(sample.passes[arm_module.WALL]))
            entry.pass_seconds = max(least, (seconds[0] - entry.turn_seconds) / TRIED)
        entry.passes = 1


def _verify(bench, entry, name):
    """The first turn of a row, in which its result is verified, and which is like all others where each of them is a process."""
    start = time.monotonic()
    try:
        sample = _turn(bench, entry, name, verify=True)
    except arm_module.Unservable as missing:
        return arm_module.nothing(str(missing))
    seconds = time.monotonic() - start
    if sample.verifies_anew:
        entry.first_seconds = seconds
    if entry.row.kind not in SERVED:
        entry.turn_seconds = max(entry.turn_seconds, seconds)
    return sample


@dataclass
class Plan:
    """How the time is spent, decided at calibration and not revised by what is measured."""
    looks: list     # numbers of blocks after which rows are looked at; the last is the most
    seconds: float  # expected until the first of them


def of_confirmation(most, decided):
    """Blocks of a confirmation: as many as decided the row that needed the most."""
    return min(most, max(LOOKS[0], *decided))


def looks_until(most):
    """LOOKS as far as they go, with `most` as the last."""
    return [count for count in LOOKS if FURTHER * count <= most] + [most]


def plan(measured, seconds, most, needed, once=False):
    """Choose the looks, with `most` blocks at most and needed(rows, looks) at the first one at least, and every row's passes, so that the
    first look at all rows takes FIRST_SHARE of `seconds`, unless turns have MOST_PASSES before that. Where there is no time for several, as
    on a busy machine, or only one is wanted (`once`), there is one look, after `most` blocks or when the time is over; where even the least
    is too much, the costliest rows are left out and say so."""
    active = [entry for entry in measured if not entry.reason]
    cost = lambda count: sum(entry.seconds(count) for entry in active)
    while any(entry.row.kind != "control" for entry in active):
        rows = sum(entry.row.kind != "control" for entry in active)
        looks = [most] if once else looks_until(most)
        if len(looks) < 2 or looks[0] < needed(rows, len(looks)) or cost(looks[0]) > seconds:
            looks = [most]
        least = looks[0] if len(looks) > 1 else min(most, needed(rows, 1))
        if cost(least) <= seconds:
            break
        costliest = max(active, key=lambda entry: entry.seconds(least))
        costliest.reason = f"left out: a turn took {costliest.turn_seconds:.2f} s, too long for {least} blocks in the time given"
        active.remove(costliest)
    else:
        return Plan([0], 0.0)
    goal = looks[0] if cost(looks[0]) <= seconds else min(looks[0], LOOKS[0])
    spare = max(0.0, seconds * (FIRST_SHARE if len(looks) > 1 else 1) - cost(goal))
    short = [entry for entry in active if entry.row.kind != "job"]
    for entry in short:
        each = max(entry.pass_seconds or entry.turn_seconds / entry.passes, 1e-6)
        share = spare / len(short) / (entry.turns * goal)
        # A process takes much longer to start than a pass does; what is spare is its passes'.
        room = max(0.0, TURN_SECONDS - entry.turn_seconds) if entry.row.kind in SERVED else share
        more = max(0, min(MOST_PASSES - entry.passes, int(min(share, room) / each)))
        entry.passes += more
        entry.turn_seconds += more * each
    return Plan(looks, min(seconds, cost(looks[0])))


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
            entry.reason, entry.broke = f"{name}: {sample.reason}", name
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


def run(bench, measured, looks, generator, deadline=None, show=lambda done, count: None, undecided=None):
    """Measure blocks of every row that can be: as many as the last of `looks` says, but after each of the others only of rows whose names
    are in undecided(found). {name: blocks}; fewer blocks, the same of every row that goes on, after the deadline."""
    active = [entry for entry in measured if not entry.reason]
    found = {entry.row.name: [] for entry in active}
    for number in range(looks[-1]):
        if number in looks:
            names = undecided(found)
            active = [entry for entry in active if entry.row.name in names]
        if not active or (deadline is not None and time.monotonic() > deadline):
            break
        if number % LIFE == 0:
            bench.renew(generator.sample(ARMS, len(ARMS)))
        show(number, next(look for look in looks if look > number))
        for entry in _in_turn(active, generator):
            block = _block(bench, entry, generator) if not entry.reason else None
            if block:
                found[entry.row.name].append(block)
    return found


def generator_of(seed):
    return random.Random(seed)
