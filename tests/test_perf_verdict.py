"""The rules of perf/verdict.py on blocks made up for each case and on runs that were recorded (perf_runs/): no clock in here."""
import copy
import dataclasses
import json
import math
import random
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
from perf import facts, rates
from perf.harness import verdict

RUNS = {path.stem: path for path in sorted((HERE / "perf_runs").glob("*.json"))}
SAME = [name for name in RUNS if name.startswith("same")]
RULES = verdict.Rules()


def load(name):
    return json.loads(RUNS[name].read_text())


def row(name="a", effect=0.0, spread=0.01, same=0.0, count=20, kind="row", **more):
    """Blocks whose head is off by `effect` and whose copy of base is off by `same`, spread evenly about them."""
    offsets = [spread * (2 * i / (count - 1) - 1) for i in range(count)]
    blocks = [{"base": 1.0, "again": math.exp(same + offsets[(7 * i) % count]), "head": math.exp(effect + offsets[i])} for i in range(count)]
    return {"name": name, "kind": kind, "directories": [], "blocks": blocks, **more}


def judge(*rows, **more):
    return verdict.judge(list(rows), RULES, **more)


def confirmed(entry):
    return {**entry, "confirmation": copy.deepcopy(entry["blocks"])}


def test_equivalent():
    result = judge(row())["a"]
    assert result.verdict == "equivalent" and result.threshold == pytest.approx(0.05)
    assert result.interval[0] < 1 < result.interval[1]


def test_a_row_regresses_only_when_all_of_it_is_above_the_threshold():
    assert judge(confirmed(row(effect=0.10)))["a"].verdict == "regressed"
    # The median is above the threshold, its interval is not.
    half = judge(confirmed(row(effect=0.055, spread=0.02)))["a"]
    assert half.verdict == "inconclusive" and half.ratio > 1.05
    # Significant, but too small to matter.
    assert judge(confirmed(row(effect=0.03, spread=0.001)))["a"].verdict == "equivalent"


def test_improved_is_the_mirror_image():
    result = judge(confirmed(row(effect=-0.10)))["a"]
    assert result.verdict == "improved" and result.p_regressed == 1.0 and result.p_improved < 0.05


def test_the_measured_floor_raises_the_threshold():
    quiet, loud = row(effect=0.10, same=0.0), row(effect=0.10, same=0.06)
    assert judge(confirmed(quiet))["a"].verdict == "regressed"
    result = judge(confirmed(loud))["a"]
    assert result.threshold > 0.12 and result.verdict == "inconclusive", "copies of base are as far apart"
    # Nothing is called equivalent on such a machine either.
    assert judge(row(effect=0.0, same=0.06))["a"].verdict == "inconclusive"


def test_confirmation_is_needed():
    suspect = row(effect=0.10)
    assert verdict.first_round([suspect, row("b")], RULES) == ["a"]
    alone = judge(suspect)["a"]
    assert alone.verdict == "inconclusive" and alone.confirmed is False
    refuted = judge({**suspect, "confirmation": row()["blocks"]})["a"]
    assert refuted.verdict == "inconclusive" and "did not confirm" in refuted.reason
    opposite = judge({**suspect, "confirmation": row(effect=-0.10)["blocks"]})["a"]
    assert opposite.verdict == "inconclusive"
    assert judge(confirmed(suspect))["a"].confirmed is True


def test_a_confirmation_is_asked_twice_at_most_and_its_looks_share_the_level():
    suspect, still = row(effect=0.10), row("b")
    disturbed = row(effect=0.10, spread=0.3)["blocks"]
    assert verdict.unconfirmed([{**suspect, "confirmation": disturbed}, still], RULES) == {"a"}
    assert verdict.unconfirmed([{**suspect, "confirmation": disturbed + row(effect=0.10, count=40)["blocks"]}, still], RULES) == set()
    assert verdict.unconfirmed([suspect, still], RULES) == set(), "none was planned"
    # Six blocks that all agree are 1 of 64 by chance, in either direction: enough for one look, not for one of two.
    least = {**suspect, "confirmation": row(effect=0.10, spread=0.001, count=6)["blocks"]}
    assert judge(least)["a"].verdict == "inconclusive" and verdict.unconfirmed([least], RULES) == {"a"}
    once = dataclasses.replace(RULES, confirm_looks=1)
    assert verdict.judge([least], once)["a"].verdict == "regressed"


def test_what_was_confirmed_at_a_look_stays_so():
    """Blocks after it are for the efficiency of the row."""
    suspect = confirmed(row(effect=0.10))
    more = {**suspect, "confirmation": suspect["confirmation"] + row(effect=0.0, count=100)["blocks"]}
    assert judge(more)["a"].verdict == "inconclusive"
    assert judge({**more, "confirmed_after": len(suspect["confirmation"])})["a"].verdict == "regressed"


def test_more_rows_ask_for_more():
    # 12 blocks, one of which is contrary: enough for one row, not for fourteen.
    suspect = confirmed(row(effect=0.10, count=12))
    for blocks in (suspect["blocks"], suspect["confirmation"]):
        blocks[0]["head"] = 0.5
    assert judge(suspect)["a"].verdict == "regressed"
    many = judge(suspect, *(row(f"r{i}", count=12) for i in range(13)))["a"]
    assert many.verdict == "inconclusive" and many.p_regressed > 0.05


def test_too_few_blocks():
    result = judge(row(effect=0.5, count=5))["a"]
    assert result.verdict == "inconclusive" and "6 are needed for 1 rows" in result.reason


def test_a_moved_control_makes_everything_invalid():
    control = row("fma", effect=0.2, kind="control")
    result = judge(confirmed(row(effect=0.10)), row("b"), control)
    assert {result[name].verdict for name in ("a", "b")} == {"invalid"}
    assert "the control fma moved" in result["a"].reason
    # One that is merely noisy, or off by less than matters, does not.
    for still in (row("fma", effect=0.0, spread=0.5, kind="control"), row("fma", effect=0.02, spread=0.001, kind="control")):
        assert judge(confirmed(row(effect=0.10)), still)["a"].verdict == "regressed"


def test_disturbances():
    moved = row(effect=0.10, disturbed={"samples": 120, "off_plan": 60})
    assert judge(confirmed(moved))["a"].verdict == "invalid"
    hardly = row(effect=0.10, disturbed={"samples": 120, "off_plan": 3})
    assert judge(confirmed(hardly))["a"].verdict == "regressed"
    assert judge(confirmed(row(effect=0.10)), disturbances=["throttled"])["a"].reason == "throttled"


def test_unmeasured():
    result = judge({"name": "a", "kind": "row", "blocks": [], "reason": "head: wrong result"})["a"]
    assert (result.verdict, result.reason) == ("unmeasured", "head: wrong result")


def test_a_row_that_broke_is_not_judged_by_what_came_before():
    broke = {"broke": "head", "reason": "head: status 139"}
    result = judge(row(**broke), row("b"))
    assert (result["a"].verdict, result["a"].reason) == ("unmeasured", "broke after 20 blocks, head: status 139")
    assert result["b"].verdict == "equivalent" and verdict.overall(result, dict.fromkeys("ab", "row")) == "inconclusive"
    assert judge({**confirmed(row(effect=0.10)), **broke})["a"].verdict == "unmeasured", "in the confirmation"
    # It does not count among the rows for which the level is corrected: 6 blocks are enough for one.
    assert judge(row(count=6), row("b", count=6, **broke))["a"].verdict == "equivalent"


def test_controls_vouch_and_are_not_judged_themselves():
    noisy, moved, still = (row(f"{kind} control", kind="control", **more) for kind, more in
                           (("noisy", {"spread": 0.5}), ("moved", {"effect": 0.2}), ("still", {})))
    assert judge(noisy)["noisy control"].verdict == "inconclusive"
    assert verdict.undecided([row(), noisy], RULES) == set(), "nothing is left that a control would vouch for"
    vague = row("b", effect=0.055, spread=0.02)
    assert verdict.undecided([row(), vague, noisy, still], RULES) == {"b", "noisy control", "still control"}
    assert verdict.first_round([row("b", effect=0.10), still], RULES) == ["b"]
    assert verdict.first_round([row("b", effect=0.10), moved], RULES) == [], "all is invalid, so that nothing is worth a confirmation"


def verdicts(**named):
    judged = {name: verdict.Judgement(each, "") for name, each in named.items()}
    return judged, dict.fromkeys(named, "row")


@pytest.mark.parametrize("rows, wanted", [
    (["equivalent", "equivalent"], "equivalent"),
    (["equivalent", "improved"], "improved"),
    (["equivalent", "improved", "inconclusive"], "inconclusive"),
    (["equivalent", "unmeasured"], "inconclusive"),
    (["invalid", "inconclusive"], "invalid"),
    (["invalid", "regressed", "improved"], "regressed"),
    (["unmeasured", "unmeasured"], "nothing measured"),
    ([], "nothing measured"),
])
def test_overall(rows, wanted):
    judged, kinds = verdicts(**{f"r{i}": each for i, each in enumerate(rows)})
    assert verdict.overall(judged, kinds) == wanted
    assert verdict.overall(judged, kinds, differing_facts=1) == "facts differ"
    assert wanted in verdict.STATUS


def test_controls_alone_are_nothing():
    judged, kinds = verdicts(fma="equivalent")
    assert verdict.overall(judged, {"fma": "control"}) == "nothing measured"
    assert verdict.overall(judged, {"fma": "control"}, timed=False) == "equivalent"


# -------------------------------------------------------------------------------------------------------------- recorded runs

@pytest.mark.parametrize("name", RUNS)
def test_recorded_runs_are_judged_as_they_were(name):
    run = load(name)
    result = verdict.judge(run["rows"], RULES)
    kinds = {each["name"]: each["kind"] for each in run["rows"]}
    found = {each for each, judgement in result.items() if judgement.verdict in ("regressed", "improved")}
    assert not {each for each in found if kinds[each] == "control"}, "controls stand still"
    if name.startswith("same"):
        assert not found
    else:
        assert all(each.startswith("forward/") for each in found), "nothing else was slowed down"
        if "quiet" in name:
            assert found, "and that was found"


@pytest.mark.parametrize("name", RUNS)
def test_intervals_of_recorded_runs_hold_what_is_true(name):
    """All intervals of a run hold their truth together in 19 of 20 runs; with seeds and runs fixed, in all of these."""
    run = load(name)
    result = verdict.judge(run["rows"], RULES)
    for each in run["rows"]:
        interval = result[each["name"]].interval
        slowed = name.startswith("slow") and each["name"].startswith("forward/")
        if interval and not slowed:
            assert interval[0] / 1.05 <= 1 <= interval[1] * 1.05, each["name"]
        elif interval:
            # Whole tiles are done again, so that it is 10 % on average only.
            assert interval[0] <= 1.12 and interval[1] >= 1.07, each["name"]


@pytest.mark.parametrize("name", SAME)
def test_long_run_rate_of_false_verdicts(name):
    """Comparisons drawn from recorded noise: at most 1 in 20 says anything of a change that is none."""
    found = rates.rates([load(name)], trials=100)
    assert found["false"] <= 0.05, found


def test_rates_are_of_what_a_comparison_does(monkeypatch):
    """Undecided rows get more blocks, those that are decided none; controls as many as any; a confirmation as many as decided."""
    rows = [row("quiet", count=24), row("slow", effect=0.10, count=24), row("vague", spread=0.3, count=96),
            row("still", count=96, kind="control")]
    document = {"plan": {"life": 4, "look_blocks": [24, 48, 96]}, "rows": rows}
    drawn, draw = [], rates._draw

    def counted(generator, chunks, count, factor):
        drawn.append((chunks[0][0]["head"], count))
        return draw(generator, chunks, count, factor)

    monkeypatch.setattr(rates, "_draw", counted)
    judged = rates.trial(random.Random(1), rates.pool([document]), RULES, lambda name: 1.0)
    assert {name: judgement.blocks for name, judgement in judged.items()} == {"quiet": 24, "slow": 24, "vague": 96, "still": 96}
    assert judged["slow"].confirmed and [count for head, count in drawn if head == rows[1]["blocks"][0]["head"]] == [24, 24]
    # Results of one look, and older ones, which say how many there were.
    looks = lambda **plan: rates.looks_of({"plan": plan, "rows": rows[:2]})
    assert looks() == looks(look_blocks=[1000]) == looks(looks=1) == [24] and looks(looks=2) == [24, 48]


@pytest.mark.parametrize("name", [name for name in SAME if "quiet" in name])
def test_long_run_rate_of_finding_ten_percent(name):
    found = rates.rates([load(name)], rates.parse_slow("forward:10"), trials=100)
    assert found["found"] >= 0.95 and found["false"] <= 0.05, found


# ---------------------------------------------------------------------------------------------------------------------- facts

def fact(value, **more):
    return facts.Fact("f", "B", value, **more)


@pytest.mark.parametrize("base, head, wanted", [
    (fact(100), fact(100), None),
    (fact(100), fact(99), True),  # exact: less work is another amount of work
    (fact("avx2"), fact("scalar"), True),
    (fact(True), fact(True), None),
    (fact(True), fact(False), True),
    (fact(False), fact(False), True),  # what must hold, must hold in head, whatever base did
    (fact(1000, judged="at most", share=0.02, amount=16), fact(1019, judged="at most", share=0.02, amount=16), None),
    (fact(1000, judged="at most", share=0.02, amount=16), fact(1040, judged="at most", share=0.02, amount=16), True),
    (fact(1000, judged="at most", share=0.02, amount=16), fact(900, judged="at most", share=0.02, amount=16), False),
    (fact(10, judged="at most", share=0.02, amount=16), fact(20, judged="at most", share=0.02, amount=16), None),
    (fact(1), fact(2, judged="told"), False),
    (fact(1), None, True),
    (None, fact(1), False),
])
def test_facts(base, head, wanted):
    told = facts.difference(base, head)
    assert (told is None) if wanted is None else told[0] is wanted
    listed = facts.compare([base] if base else [], [head] if head else [])
    assert bool(listed) == (wanted is not None)
    if wanted:
        assert not facts.compare([base] if base else [], [head] if head else [], ["f"])[0]["blocks"], "declared"


def test_operations_of_the_model():
    # src/kernels/README.md: project 2 M s V, product 2 (2 M) V per patch; a pass has two products.
    shape = {"vocab": 16, "branching": 2, "width": 2048}
    assert facts.model_flops("forward/v16/avx2/native/t:1", shape, 384) == 2 * 384 * 2048 * (32 + 32)
    assert facts.model_flops("pass/v16/avx2/native/t:1", shape, 1) == 2 * 2048 * (32 + 64)
    assert facts.model_flops("gradient/v16", shape, 1) == facts.model_flops("product/v16", shape, 1) == 2 * 4096 * 16
    assert facts.model_flops("shared_forward/v16", shape, 1) == 2 * 2048 * (3 + 32)
    assert facts.model_flops("else/v16", shape, 1) is None
