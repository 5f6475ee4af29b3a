"""From blocks of times to verdicts, by rules that are fixed before anything is measured. No clock and no process in here: what was
recorded can be judged again, and tests/test_perf_verdict.py does.

For each row, with d the log ratio head/base of its blocks and d0 that of the two copies of base:

  layout       by how much builds whose objects are linked in different orders are apart: the largest median of d0 over blocks with the
               same two layouts of base, or the range of the medians of d over blocks with the same layouts of all arms, if that is more.
               However many blocks there are, they are of a few layouts only
  floor        the far end of the 95 % sign interval of d0, the medians of d0 taken out
  threshold    max(practical, 2 x floor, layout)
  regressed    the sign test says that the median of d is above the threshold, corrected over all rows (Holm, both directions),
               and says so again in the confirmation, a second set of blocks that only such rows get; as many again where the first
               do not suffice, for a neighbour may come in the midst of them. Where a row is looked at
               several times, and gets no more blocks once it is decided, the level of a look is its share of the whole
  improved     likewise below minus the threshold
  equivalent   the interval of d, at the level corrected over all rows, lies inside +-threshold, and the threshold is at most
               twice the practical one: a noisy machine cannot vouch for anything. Or there is nothing to measure, as the program that
               the row belongs to is the same machine code on both sides
  unmeasured   it was not measured, or its program failed while it was, whatever the blocks before that say
  invalid      something else than the code decided the times: the quota throttled, threads ran elsewhere than planned, or a
               control that the change cannot touch moved
  inconclusive everything else
"""
import math
from dataclasses import dataclass, asdict

from perf.harness import statistics

EQUIVALENT, REGRESSED, IMPROVED = "equivalent", "regressed", "improved"
INCONCLUSIVE, INVALID, UNMEASURED = "inconclusive", "invalid", "unmeasured"

# Exit statuses of `perf compare`. 1 and 2 are errors, as everywhere.
STATUS = {
    EQUIVALENT: 0,
    "error": 1,
    "usage": 2,
    REGRESSED: 10,
    IMPROVED: 11,
    INCONCLUSIVE: 12,
    INVALID: 13,
    "nothing measured": 14,
    "facts differ": 15,
}


LAYOUT_BLOCKS = 4  # of two layouts, for a median


@dataclass
class Rules:
    """What is decided before measuring."""
    alpha: float = 0.05
    practical: float = math.log(1.05)  # a log ratio
    floors: float = 2.0                # times the measured floor
    vague: float = 2.0                 # times the practical threshold, above which nothing is called equivalent
    off_plan: float = 0.05             # share of a row's samples that may have run elsewhere
    looks: int = 1                     # at which a row may be decided, each of which could err
    look_blocks: tuple = ()            # blocks at each, where rows are still to be measured
    confirm_looks: int = 2             # the same of a confirmation, after as many blocks each

    @property
    def level(self):
        """Of one look at all rows."""
        return self.alpha / self.looks


@dataclass
class Judgement:
    verdict: str
    reason: str
    ratio: float = None       # median of head/base; below 1 is faster
    interval: tuple = None    # of the same, at the corrected level
    floor: float = None       # as a ratio minus 1, like the next three
    layout: float = None      # None: there was one layout only
    threshold: float = None
    resolvable: float = None  # the smallest slow-down that would have been seen with this noise
    p_regressed: float = None  # corrected
    p_improved: float = None
    blocks: int = 0
    confirmed: bool = None

    def record(self):
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if value is not None}


def by_layouts(blocks, same):
    """(what is left of the differences of copies of base once layouts explain what they can, the largest median log ratio of two layouts
    over blocks that compared these two; None where none did often enough)."""
    pairs = {}
    for i, block in enumerate(blocks):
        used = block.get("layouts")
        if used and used["base"] != used["again"]:
            pairs.setdefault((used["base"], used["again"]), []).append(i)
    left, spreads = list(same), []
    for where in pairs.values():
        if len(where) >= LAYOUT_BLOCKS:
            spreads.append(statistics.median([same[i] for i in where]))
            for i in where:
                left[i] -= spreads[-1]
    return left, max(map(abs, spreads), default=None)


def effect_by_layouts(blocks, effect):
    """Range of the medians of `effect` over blocks whose arms had the same layouts; None where there is one such median only."""
    kinds = {}
    for block, value in zip(blocks, effect):
        if block.get("layouts"):
            kinds.setdefault(tuple(block["layouts"][arm] for arm in ("base", "head", "again")), []).append(value)
    medians = [statistics.median(values) for values in kinds.values() if len(values) >= LAYOUT_BLOCKS]
    return max(medians) - min(medians) if len(medians) > 1 else None


def _numbers(row, rules, level):
    effect, same = statistics.differences(row["blocks"])
    left, layout = by_layouts(row["blocks"], same)
    layout = max(filter(None, (layout, effect_by_layouts(row["blocks"], effect))), default=layout)
    floor = statistics.floor_of(left, rules.alpha)
    threshold = max(rules.practical, rules.floors * floor, layout or 0.0)
    return effect, floor, layout, threshold, statistics.sign_interval(effect, level)


def _is_control(row):
    return row.get("kind") == "control"


def _p_values(rows, rules):
    """Corrected over rows and both directions: {name: (regressed, improved)}. The factor of two for the directions is in the
    doubling, as a row cannot go both ways."""
    raw = {}
    for row in rows:
        effect, _, _, threshold, _ = _numbers(row, rules, rules.alpha)
        if math.isinf(threshold):
            raw[row["name"]] = (1.0, 1.0)
        else:
            raw[row["name"]] = (statistics.p_above(effect, threshold), statistics.p_below(effect, -threshold))
    names = list(raw)
    adjusted = dict(zip(names, statistics.holm([min(1.0, 2 * min(raw[name])) for name in names])))
    return {name: tuple(adjusted[name] if p == min(raw[name]) else 1.0 for p in raw[name]) for name in names}


def _judge_alone(row, rules, count, p):
    """A row by its own blocks, as if nothing had disturbed it."""
    if row.get("same_code"):
        return Judgement(EQUIVALENT, "the program is the same machine code on both sides, so that no clock was asked", ratio=1.0)
    if not row["blocks"]:
        return Judgement(UNMEASURED, row.get("reason") or "no block was measured")
    if row.get("broke"):
        return Judgement(UNMEASURED, f"broke after {len(row['blocks']) + len(row.get('confirmation', []))} blocks, {row['reason']}")
    effect, floor, layout, threshold, interval = _numbers(row, rules, rules.level / count)
    result = Judgement(INCONCLUSIVE, "", ratio=math.exp(statistics.median(effect)), blocks=len(effect),
                       p_regressed=p[0], p_improved=p[1])
    if math.isinf(floor) or not interval:
        needed = statistics.blocks_needed(count, rules.level)
        result.reason = f"{len(effect)} blocks: {needed} are needed for {count} rows"
        return result
    low, high, _ = interval
    result.interval = (math.exp(low), math.exp(high))
    result.floor, result.threshold = math.expm1(floor), math.expm1(threshold)
    result.layout = None if layout is None else math.expm1(layout)
    half = statistics.median(effect) - low
    result.resolvable = math.expm1(threshold + max(half, 0.0))
    if p[0] <= rules.level:
        result.verdict, result.reason = REGRESSED, f"more than {100 * result.threshold:.1f} % slower"
    elif p[1] <= rules.level:
        result.verdict, result.reason = IMPROVED, f"more than {100 * result.threshold:.1f} % faster"
    elif low < -threshold or high > threshold:
        result.reason = "the interval reaches beyond the threshold"
    elif threshold > rules.vague * rules.practical:
        result.reason = (f"the machine is too noisy: two copies of base may be {100 * result.floor:.1f} % apart"
                         if threshold > (layout or 0.0) else f"the order of linking alone moves it by {100 * result.layout:.1f} %")
    else:
        result.verdict, result.reason = EQUIVALENT, f"within {100 * result.threshold:.1f} %"
    return result


def _disturbed(row, rules):
    """Why a row's times are not the code's, or ""."""
    seen = row.get("disturbed", {})
    if seen.get("off_plan", 0) > rules.off_plan * max(1, seen.get("samples", 0)):
        return f"threads ran elsewhere than planned in {seen['off_plan']} of {seen['samples']} samples"
    return ""


def first_round(rows, rules):
    """Names of the rows that need the confirmation: decided by the first set of blocks alone."""
    judged = judge(rows, rules, confirm=False)
    return [row["name"] for row in rows if not _is_control(row) and judged[row["name"]].verdict in (REGRESSED, IMPROVED)]


def undecided(rows, rules):
    """Names of the rows that go on after a look: those that are not decided and, while there are any, the controls, which vouch for their
    blocks too."""
    judged = judge(rows, rules, confirm=False)
    names = {row["name"] for row in rows if not _is_control(row) and judged[row["name"]].verdict == INCONCLUSIVE}
    return names | {row["name"] for row in rows if _is_control(row)} if names else set()


def judge(rows, rules, disturbances=(), confirm=True):
    """{name: Judgement} of all rows. `disturbances` are sentences about the whole session (throttled).

    A row is {"name", "kind": "row" | "job" | "control", "blocks": [{"base", "again", "head": seconds}], "confirmation": the same or
    absent, "disturbed": {"samples", "off_plan"}, "broke": the arm that failed while it was measured, or absent, "reason"}."""
    subjects = [row for row in rows if not _is_control(row)]
    controls = [row for row in rows if _is_control(row)]
    judged = {}
    for group in (controls, subjects):
        measured = [row for row in group if row["blocks"] and not row.get("broke")]
        p = _p_values(measured, rules)
        for row in group:
            judged[row["name"]] = _judge_alone(row, rules, max(1, len(measured)), p.get(row["name"], (1.0, 1.0)))
    if confirm:
        _confirm([row for row in subjects if judged[row["name"]].verdict in (REGRESSED, IMPROVED)], judged, rules)
    moved = [row["name"] for row in controls if judged[row["name"]].verdict in (REGRESSED, IMPROVED)]
    for row in controls:
        if judged[row["name"]].verdict in (REGRESSED, IMPROVED):
            judged[row["name"]].reason = f"a control that the change cannot touch: {judged[row['name']].reason}"
    for row in subjects:
        judgement = judged[row["name"]]
        why = list(disturbances) + [f"the control {name} moved" for name in moved] + [_disturbed(row, rules)]
        why = [reason for reason in why if reason]
        if why and judgement.verdict != UNMEASURED and not row.get("same_code"):
            judgement.verdict, judgement.reason = INVALID, "; ".join(why)
    return judged


def unconfirmed(rows, rules):
    """Names of the rows whose confirmation goes on after its first look: it does not say yet what the first set of blocks said."""
    judged = judge(rows, rules, confirm=False)
    suspects = [row for row in rows if not _is_control(row) and judged[row["name"]].verdict in (REGRESSED, IMPROVED)]
    said = _confirmations(suspects, judged, rules)
    return {name for name, confirmed in said.items() if not confirmed}


def _confirmations(rows, judged, rules):
    """{name: whether its fresh blocks say what the first ones did}, of those rows that have some."""
    p = _p_values([{**row, "blocks": row["confirmation"][:row.get("confirmed_after")]} for row in rows if row.get("confirmation")], rules)
    return {name: each[0 if judged[name].verdict == REGRESSED else 1] <= rules.alpha / rules.confirm_looks for name, each in p.items()}


def _confirm(rows, judged, rules):
    """A verdict stands only if fresh blocks say the same at one of the looks that were fixed beforehand, whatever comes out."""
    said = _confirmations(rows, judged, rules)
    for row in rows:
        judgement = judged[row["name"]]
        if not row.get("confirmation"):
            judgement.confirmed = False
            judgement.verdict, judgement.reason = INCONCLUSIVE, f"{judgement.reason}, but there was no confirmation"
            continue
        judgement.confirmed = said[row["name"]]
        if not judgement.confirmed:
            judgement.verdict, judgement.reason = INCONCLUSIVE, f"{judgement.reason} at first, which a second set of blocks did not confirm"


def overall(judged, kinds, differing_facts=0, timed=True):
    """The verdict on the whole comparison: a key of STATUS. `kinds`: {name: kind}."""
    verdicts = [judgement.verdict for name, judgement in judged.items() if kinds.get(name) != "control"]
    if differing_facts:
        return "facts differ"
    if not timed:
        return EQUIVALENT
    if not [verdict for verdict in verdicts if verdict != UNMEASURED]:
        return "nothing measured"
    for verdict in (REGRESSED, INVALID, INCONCLUSIVE, UNMEASURED, IMPROVED):
        if verdict in verdicts:
            return INCONCLUSIVE if verdict == UNMEASURED else verdict
    return EQUIVALENT
