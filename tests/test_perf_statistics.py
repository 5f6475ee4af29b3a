"""The statistics of perf/ on data whose truth is known. Seeds are fixed: a failure is a defect, not bad luck."""
import math
import random
from types import SimpleNamespace

import pytest

from perf import compare
from perf.harness import arms, blocks, comparison, statistics, verdict
from perf.harness.arms import Row, Sample

SEED = 20260131


def cauchy(generator):
    return math.tan(math.pi * (generator.random() - 0.5))


LAWS = {
    "normal": lambda g: g.gauss(0, 1),
    "heavy tails": cauchy,
    "skewed": lambda g: math.exp(g.gauss(0, 1.5)) - 1,
    "two humps": lambda g: g.choice((-1, 1)) * (1 + 0.1 * g.gauss(0, 1)),
}


def test_order_statistics_are_those_of_the_tables():
    # Dixon and Massey's table of distribution-free limits of the median: n, ranks from either end, confidence.
    for n, k, coverage in ((6, 1, 0.96875), (10, 2, 0.97852), (15, 4, 0.96484), (20, 6, 0.95861), (25, 8, 0.95671)):
        low, high, covered = statistics.sign_interval(range(1, n + 1), 0.05)
        assert (low, high) == (k, n + 1 - k)
        assert covered == pytest.approx(coverage, abs=5e-6)
    assert statistics.sign_interval(range(5), 0.05) is None


def test_sign_test_is_the_binomial_tail():
    assert statistics.p_above([1] * 10, 0) == pytest.approx(2**-10)
    assert statistics.p_above([1] * 9 + [-1], 0) == pytest.approx(11 * 2**-10)
    assert statistics.p_above([-1] * 10, 0) == 1
    assert statistics.p_above([0] * 10, 0) == 1, "ties count against"
    assert statistics.p_below([-1] * 8, 0) == pytest.approx(2**-8)


def test_interval_and_test_agree():
    generator = random.Random(SEED)
    for _ in range(300):
        values = [generator.gauss(0.6, 1) for _ in range(20)]
        low, _, covered = statistics.sign_interval(values, 0.05)
        assert (low > 0) == (statistics.p_above(values, 0) <= (1 - covered) / 2 + 1e-12)


def test_blocks_needed():
    # Two-sided: n >= 1 + log2(rows / alpha).
    for rows, n in ((1, 6), (10, 9), (30, 11), (100, 12)):
        assert statistics.blocks_needed(rows, 0.05) == n
        assert statistics.sign_interval(range(n), 0.05 / rows) is not None
        assert statistics.sign_interval(range(n - 1), 0.05 / rows) is None
    n = statistics.blocks_needed(14, 0.05, spare=1)
    assert statistics.sign_interval(range(n), 0.05 / 14)[0] == 1, "the smallest value is left out"


def test_holm():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, 0.9]) == [1.0, 1.0]
    assert statistics.holm([]) == []


@pytest.mark.parametrize("law", ["normal", "heavy tails", "skewed", "two humps"])
@pytest.mark.parametrize("n", [10, 13, 20])
def test_interval_covers(law, n):
    generator = random.Random(SEED + n)
    trials, inside, nominal = 2000, 0, None
    for _ in range(trials):
        low, high, nominal = statistics.sign_interval([LAWS[law](generator) for _ in range(n)], 0.05)
        inside += low <= 0 <= high
    error = math.sqrt(nominal * (1 - nominal) / trials)
    assert nominal >= 0.95
    assert abs(inside / trials - nominal) < 4 * error, "exact, neither short nor generous"


def test_effect_and_floor_are_uncorrelated():
    generator = random.Random(SEED)
    pairs = []
    for _ in range(4000):
        base, again, head = (math.exp(generator.gauss(0, 0.1)) for _ in range(3))
        effect, same = statistics.differences([{"base": base, "again": again, "head": head}])
        pairs.append((effect[0], same[0]))
    correlation = sum(a * b for a, b in pairs) / math.sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))
    assert abs(correlation) < 4 / math.sqrt(len(pairs))


# ------------------------------------------------------------------------------------------------------- rows of known truth

def synthetic_rows(generator, effects, count, noise):
    """Rows whose arms differ by `effects` (log ratios), each block with noise of its own and a level that all arms share."""
    rows = []
    for i, effect in enumerate(effects):
        made = []
        for _ in range(count):
            level = cauchy(generator)
            level = max(-3.0, min(3.0, level))
            arms = {arm: level + noise(generator) for arm in ("base", "again", "head")}
            arms["head"] += effect
            made.append({arm: math.exp(value) for arm, value in arms.items()})
        rows.append({"name": f"row {i}", "kind": "row", "blocks": made})
    return rows


def judged(generator, effects, noise, count=20):
    rules = verdict.Rules()
    rows = synthetic_rows(generator, effects, count, noise)
    suspects = names = verdict.first_round(rows, rules)
    for _ in range(rules.confirm_looks):
        fresh = {row["name"]: row["blocks"] for row in synthetic_rows(generator, effects, count, noise)}
        for row in rows:
            if row["name"] in names:
                row["confirmation"] = row.get("confirmation", []) + fresh[row["name"]]
        names = verdict.unconfirmed(rows, rules)
    return verdict.judge(rows, rules), suspects


NOISES = {
    "quiet": lambda g: g.gauss(0, 0.005),
    "normal": lambda g: g.gauss(0, 0.015),
    "heavy tails": lambda g: max(-1.0, min(1.0, 0.005 * cauchy(g))),
    "loud": lambda g: g.gauss(0, 0.2),
}


@pytest.mark.parametrize("noise", NOISES)
def test_false_alarms(noise):
    """14 rows without a difference: any verdict but "equivalent" or "inconclusive" in at most 1 of 20 comparisons."""
    generator = random.Random(SEED)
    trials = 60
    false = sum(any(j.verdict in ("regressed", "improved") for j in judged(generator, [0.0] * 14, NOISES[noise])[0].values())
                for _ in range(trials))
    assert false <= trials / 20


@pytest.mark.parametrize("sign", [1, -1])
def test_false_alarms_at_the_threshold(sign):
    """The least favourable truth, every row exactly on the threshold: the first set of blocks alone keeps alpha for all rows."""
    generator = random.Random(SEED)
    trials, rules = 300, verdict.Rules()
    false = sum(bool(verdict.first_round(synthetic_rows(generator, [sign * rules.practical] * 14, 20, NOISES["quiet"]), rules))
                for _ in range(trials))
    assert false / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("noise", ["quiet", "normal", "heavy tails"])
def test_power(noise):
    """One of 14 rows is 10 % slower: named, and only it, in at least 19 of 20 comparisons."""
    generator = random.Random(SEED)
    trials, found = 60, 0
    for _ in range(trials):
        result, _ = judged(generator, [math.log(1.1)] + [0.0] * 13, NOISES[noise])
        found += [name for name, j in result.items() if j.verdict == "regressed"] == ["row 0"]
    assert found >= 0.95 * trials


# ------------------------------------------------------------------------------------------------------------- the scheduler

class FakeArm:
    def __init__(self, bench, name):
        self.bench, self.name = bench, name

    def run(self, row, passes, verify=False):
        return self.bench.turn(self.name, row, passes)


class FakeBench:
    """Arms on a machine that gets slower with every pass, with stolen time slices: no clock and no process."""

    def __init__(self, factors, drift=0.0, stolen=0.0):
        self.factors, self.drift, self.stolen = factors, drift, stolen
        self.generator, self.count, self.log, self.renewals = random.Random(SEED), 0, [], 0
        self.arms = {}

    def now(self):
        return dict.fromkeys(self.arms, 0)

    def renew(self, order):
        assert sorted(order) == sorted(blocks.ARMS)
        self.renewals += 1
        self.arms = {name: FakeArm(self, name) for name in order}

    def turn(self, name, row, passes):
        self.log.append((row.name, name, passes))
        made = []
        for _ in range(passes):
            seconds = 1e-3 * self.factors.get(name, 1.0) * math.exp(self.drift * self.count)
            seconds += 4e-3 * self.generator.random() if self.generator.random() < self.stolen else 0
            self.count += 1
            made.append(seconds)
        return Sample({"cpu": made, "wall": made}, sum(made))


def entries(*names):
    return [blocks.Measured(Row("row", "bench_kernels", name, ("kernels",)), passes=4) for name in names]


def test_blocks_go_there_and_back_again():
    bench = FakeBench({})
    found = blocks.run(bench, entries("a/t:1", "b/t:1"), [8], random.Random(SEED))
    assert {name: len(each) for name, each in found.items()} == {"a/t:1": 8, "b/t:1": 8}
    assert bench.renewals == 2
    orders = set()
    assert len(bench.log) == 8 * 2 * 12
    for i in range(0, len(bench.log), 6):
        block = bench.log[i:i + 6]
        assert len({row for row, _, _ in block}) == 1 and len({passes for _, _, passes in block}) == 1
        visits = [arm for _, arm, _ in block]
        assert visits == visits[::-1] and sorted(visits[:3]) == sorted(blocks.ARMS)
        orders.add(tuple(visits))
    assert len(orders) > 3, "the lead is random"
    again = FakeBench({})
    blocks.run(again, entries("a/t:1", "b/t:1"), [8], random.Random(SEED))
    assert again.log == bench.log, "the seed decides the order"


@pytest.mark.parametrize("stolen", [0.0, 0.25])
def test_drift_cancels(stolen):
    """A machine that is 2.7 times as slow in the end: arms of a block are up to 24 passes apart."""
    bench = FakeBench({"head": 1.1}, drift=1 / 960, stolen=stolen)
    found = blocks.run(bench, entries("a/t:1"), [20], random.Random(SEED))["a/t:1"]
    effect, same = statistics.differences(found)
    assert statistics.median(effect) == pytest.approx(math.log(1.1), abs=0.02)
    assert statistics.median(same) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("arm", blocks.ARMS)
def test_a_row_that_breaks_keeps_its_blocks_and_says_so(arm):
    bench, rows = FakeBench({}), entries("a/t:1", "b/t:1")
    turn, turns = bench.turn, []

    def breaking(name, row, passes):
        if (name, row.name) == (arm, "a/t:1"):
            turns.append(passes)
            if len(turns) == 15:
                return Sample({"cpu": [], "wall": []}, reason="status 139")
        return turn(name, row, passes)

    bench.turn = breaking
    found = blocks.run(bench, rows, [8], random.Random(SEED))
    assert {name: len(each) for name, each in found.items()} == {"a/t:1": 3, "b/t:1": 8}, "four turns of an arm in a block"
    assert (rows[0].broke, rows[0].reason) == (arm, f"{arm}: status 139") and not rows[1].broke
    fact, = compare.can_be_measured(rows, [])
    assert fact["blocks"] and fact["head"] is not fact["base"] and fact["base"] is (arm == "head") and fact["says"] == rows[0].reason
    assert not compare.can_be_measured(rows, ["can be measured"])[0]["blocks"]
    records = [comparison.record(entry, found[entry.row.name], " ".join) for entry in rows]
    judged = verdict.judge(records, verdict.Rules())
    assert [judged[name].verdict for name in ("a/t:1", "b/t:1")] == ["unmeasured", "equivalent"]
    both = [{**each, "name": f"k/t:{n}", "work": {"flops": 1.0}} for each, n in zip(records, (1, 2))]
    assert not comparison.efficiencies(both, " ".join), "nor what is derived of it"


def test_plan_keeps_to_the_time():
    needed = lambda count, looks: statistics.blocks_needed(max(1, count), 0.05 / looks, 1)
    rows = entries(*(f"r{i}/t:1" for i in range(14)))

    def planned(turn, setup, seconds, first=0.0, most=1000):
        for entry in rows:
            entry.turn_seconds, entry.setup_seconds, entry.first_seconds, entry.passes, entry.reason = turn, setup, first, 3, ""
        rows[3].turn_seconds *= 1 + 200 * (first > 0)
        return blocks.plan(rows, seconds, most, needed)

    plan = planned(0.003, 0.003, 90)
    assert tuple(plan.looks) == (*blocks.LOOKS, 1000) and plan.seconds <= blocks.FIRST_SHARE * 90
    assert all(entry.passes > 3 and entry.turn_seconds <= blocks.TURN_SECONDS * 1.01 for entry in rows)
    assert planned(0.003, 0.003, 90, most=40).looks == [24, 40] and planned(0.003, 0.003, 90, most=96).looks == list(blocks.LOOKS)
    assert planned(0.003, 0.003, 90, most=30).looks == [30], "a second look is not worth its share of the level"
    # A busy machine: one look, when the time is over, and without the row that alone takes most of it.
    plan = planned(0.02, 0.01, 72, first=0.1)
    assert rows[3].reason and not any(entry.reason for entry in rows if entry is not rows[3])
    assert plan.looks == [1000] and plan.seconds <= 72 and sum(entry.seconds(needed(13, 1)) for entry in rows if not entry.reason) <= 72


def test_plan_of_rows_that_cannot_be_timed():
    """Not even the fewest blocks fit: nothing is measured, and controls alone are nothing."""
    needed = lambda count, looks: statistics.blocks_needed(max(1, count), 0.05 / looks, 1)
    rows = [blocks.Measured(Row(kind, "p", kind, ()), turn_seconds=seconds) for kind, seconds in (("job", 30.0), ("control", 0.01))]
    assert blocks.plan(rows, 90, 96, needed).looks == [0]
    assert rows[0].reason == "left out: a turn took 30.00 s, too long for 9 blocks in the time given" and not rows[1].reason


def test_processes_have_passes_for_the_time_that_is_spare():
    needed = lambda count, looks: statistics.blocks_needed(max(1, count), 0.05 / looks, 1)
    rows = [blocks.Measured(Row("program", "p", name, ()), turn_seconds=0.03, pass_seconds=0.005) for name in "ab"]
    plan = blocks.plan(rows, 100, 96, needed)
    assert plan.looks == list(blocks.LOOKS) and 0.9 * 50 < sum(entry.seconds(24) for entry in rows) <= 50
    assert rows[0].passes == 1 + int((50 - 2 * 24 * 6 * 0.03) / 2 / (24 * 6) / 0.005) and rows[0].passes == rows[1].passes
    # A confirmation of many blocks has fewer passes left.
    again = blocks.plan(rows[:1], 100, 96, needed, once=True)
    assert again.looks == [96] and rows[0].seconds(96) <= 100


def test_a_confirmation_has_as_many_blocks_as_decided():
    assert blocks.of_confirmation(96, [24]) == 24 and blocks.of_confirmation(96, [24, 96, 48]) == 96
    assert blocks.of_confirmation(14, [14]) == 14 and blocks.of_confirmation(96, [9]) == 24


def test_a_job_that_hangs_says_so(monkeypatch):
    monkeypatch.setattr(arms, "JOB_SECONDS", 0.2)
    sample = arms.run_job(["sleep", "60"], 1)
    assert sample.reason.endswith("s, and was stopped") and not sample.passes["wall"]


def test_calibration_ends_in_time(monkeypatch):
    """A clock that goes on by 2 s with every turn, on rows of either kind: the control is tried first, and who comes too late says so."""
    now = [0.0]
    monkeypatch.setattr(blocks, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None))
    kinds = {"served": "row", "job": "job", "control": "control", "late": "job"}
    rows = [Row(kind, "p", name, ()) for name, kind in kinds.items()]
    bench = FakeBench({})
    turn = bench.turn

    def slow(*words):
        now[0] += 2
        return turn(*words)

    bench.turn = slow
    measured = {entry.row.name: entry for entry in blocks.calibrate(bench, rows, deadline=11.0)}
    assert list(measured) == list(kinds), "in the order that was given"
    assert measured["late"].reason == blocks.NO_TIME and not measured["late"].facts
    assert not measured["job"].reason and measured["job"].turn_seconds == 2, "the turns that tried it are its time"
    assert measured["served"].reason == blocks.NO_TIME and measured["served"].facts, "it was verified, but not timed"
    now[0] = 0.0
    bench.log.clear()
    job = blocks.calibrate(bench, rows[1:2], deadline=100.0)[0]
    assert job.turn_seconds == 2 and not job.reason and len(bench.log) == 2, "one turn of a whole job on either side tries and times it"


def test_a_row_that_is_decided_leaves_its_time_to_others():
    bench, asked = FakeBench({}), []

    def undecided(found):
        asked.append({name: len(each) for name, each in found.items()})
        return {"b/t:1"} if len(asked) == 1 else set()

    found = blocks.run(bench, entries("a/t:1", "b/t:1"), [4, 8, 16], random.Random(SEED), undecided=undecided)
    assert asked == [{"a/t:1": 4, "b/t:1": 4}, {"a/t:1": 4, "b/t:1": 8}]
    assert {name: len(each) for name, each in found.items()} == {"a/t:1": 4, "b/t:1": 8}


def test_looking_again_costs_no_errors():
    """Rows of which every tenth pass is disturbed, looked at after so many blocks until they are decided: as in `compare`."""
    generator, rules, trials, rows = random.Random(SEED), verdict.Rules(looks=len(blocks.LOOKS)), 40, 10
    disturbed = lambda: math.exp(generator.gauss(0, 0.01) + (generator.random() < 0.1) * generator.uniform(0, 0.4))
    ends, used = [], []
    for trial in range(trials):
        slow = {"r0": 1.1} if trial % 2 else {}
        found = {f"r{i}": [] for i in range(rows)}
        active = list(found)
        for look in blocks.LOOKS:
            for name in active:
                found[name] += [{arm: disturbed() * (slow.get(name, 1) if arm == "head" else 1) for arm in blocks.ARMS}
                                for _ in range(look - len(found[name]))]
            judged = verdict.judge([{"name": name, "kind": "row", "blocks": each} for name, each in found.items()], rules, confirm=False)
            active = [name for name in found if judged[name].verdict == "inconclusive"]
        ends.append((slow, {name: judgement.verdict for name, judgement in judged.items()}))
        used += map(len, found.values())
    called = [(name in slow, what) for slow, end in ends for name, what in end.items() if what in ("regressed", "improved")]
    assert all(was for was, _ in called) and len(called) == trials // 2, "found, all of them, and nothing else"
    decided = sum(what != "inconclusive" for _, end in ends for what in end.values()) / (trials * rows)
    assert decided > 0.98 and statistics.median(used) == blocks.LOOKS[0] and max(used) == blocks.LOOKS[-1]


def test_deadline_stops_all_rows_alike():
    bench = FakeBench({})
    found = blocks.run(bench, entries("a/t:1", "b/t:1"), [50], random.Random(SEED), deadline=0.0)
    assert {len(each) for each in found.values()} == {0}
