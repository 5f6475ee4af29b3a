"""Predictions compared with runs that were made up: processors that change their speed, neighbours, predictions that are wrong."""
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from perf import alternation, simulate  # noqa: E402

HERE = simulate.Machine("here", 1, 2)
SEED = 20


def foretell(trace, slower):
    return simulate.predict(simulate.slowed(simulate.job_of([trace]), slower), HERE, 2).seconds


def trace(threads, speed, slower=1.0):
    """Eight chunks of 0.1 s and 0.2 s alone, on a processor of some speed."""
    chunk = 0.1 * slower / speed
    loop = {"name": "pass", "level": 1, "ts": 0.0, "dur": 8e6 * chunk / threads, "cpu_us": 8e6 * chunk / threads, "chunks": 8, "sum_us": 8e6 * chunk,
            "longest_us": 1e6 * chunk, "chunk_ns": [round(1e9 * chunk)] * 8}
    total = {"name": "run", "level": 0, "seconds": (0.2 + 0.8 * slower / threads) / speed, "one_thread_cpu_seconds": 0.2 / speed}
    return {"traceEvents": [], "otherData": {"threads": threads, "totals": [total]}, "loops": [loop]}


def timed(threads, speed=1.0, slower=1.0, more=1.0, **taken):
    made = trace(threads, speed, slower)
    return alternation.Timed(made, more * alternation.seconds_of(made), **taken)


def runs(count, speed=lambda: 1.0, **together):
    return [timed(1, speed()) for _ in range(count + 1)], [timed(2, speed(), **together) for _ in range(count)]


def test_a_right_prediction_is_within():
    check = alternation.compare(*runs(9), foretell, 0.1)
    assert check.verdict == alternation.WITHIN and check.pairs == 9 and check.left_out == 0
    assert check.off == pytest.approx(0, abs=1e-4) and check.schedule == pytest.approx((0, 0, 0), abs=1e-4) and check.slower == pytest.approx(0, abs=1e-9)
    assert check.predicted == pytest.approx(0.6, rel=1e-4) and check.measured == pytest.approx(0.6)


def test_a_wrong_schedule_is_not():
    check = alternation.compare(*runs(9, more=1.25), foretell, 0.1)
    assert check.verdict == alternation.BEYOND and check.off == pytest.approx(-0.2, abs=1e-3) and check.schedule[0] == pytest.approx(-0.2, abs=1e-3)
    assert check.slower == pytest.approx(0, abs=1e-9)


def test_chunks_that_several_threads_make_slower_are_told_from_the_schedule():
    check = alternation.compare(*runs(9, slower=1.4), foretell, 0.1)
    assert check.verdict == alternation.BEYOND and check.slower == pytest.approx(0.4, rel=1e-6) and check.off == pytest.approx(0.6 / 0.76 - 1, abs=1e-3)
    assert check.schedule == pytest.approx((0, 0, 0), abs=1e-3)


def test_a_speed_that_drifts_is_not_taken_for_an_error():
    speeds = iter([1.0 + 0.02 * i for i in range(40)])
    alone, together = [], []
    for _ in range(15):
        alone.append(timed(1, next(speeds)))
        together.append(timed(2, next(speeds)))
    alone.append(timed(1, next(speeds)))
    check = alternation.compare(alone, together, foretell, 0.1)
    assert check.verdict == alternation.WITHIN and abs(check.off) < 0.005


def test_a_speed_that_jumps_leaves_it_open_or_right():
    generator = random.Random(SEED)
    verdicts = [alternation.compare(*runs(15, speed=lambda: generator.choice([0.7, 1.0])), foretell, 0.1).verdict for _ in range(200)]
    assert verdicts.count(alternation.BEYOND) <= 10 and alternation.OPEN in verdicts  # 1 in 20 by the interval; SEED makes it the same every time


def test_what_others_took_is_left_out():
    alone, together = runs(9)
    alone[0] = timed(1, others=0.5)
    together[3] = timed(2, more=3, stolen=0.03)
    check = alternation.compare(alone, together, foretell, 0.1)
    assert check.verdict == alternation.WITHIN and check.pairs == 7 and check.left_out == 2
    assert not alternation.enough(alone, together, 8) and alternation.enough(alone, together, 7)
    assert alternation.enough(*[[timed(1, others=1.0)] * 17, [timed(2)] * 16], 8), "not for ever"


def test_too_few_runs_are_not_judged():
    assert alternation.compare(*runs(alternation.least_pairs() - 1), foretell, 0.1).verdict == alternation.UNJUDGED
    assert alternation.compare(*runs(alternation.least_pairs()), foretell, 0.1).verdict == alternation.WITHIN
    record = {"verdict": alternation.UNJUDGED, "pairs": 2, "left_out": 7}
    assert "7 of 9 comparisons were left out" in alternation.sentence(record, 10)
    assert "2 comparisons are too few" in alternation.sentence({**record, "left_out": 0}, 10)


def test_what_was_taken_is_counted(monkeypatch):
    counted = [{"busy_seconds": 10.0, "steal_seconds": 1.0}, {"busy_seconds": 12.5, "steal_seconds": 1.25}]
    unknown = {"thermal_throttles": {"unavailable": "x"}, "cpu_pressure_usec": {"unavailable": "x"}, "throttling": {"unavailable": "x"}}
    monkeypatch.setattr(alternation.host, "counters", lambda: {**counted.pop(0), **unknown})
    own = [0.0, 2.0]
    monkeypatch.setattr(alternation, "own_seconds", lambda: own.pop(0))
    run = alternation.watched(lambda: trace(2, 0.6), 2)  # a second
    assert run.seconds == pytest.approx(1) and run.others == pytest.approx(0.25) and run.stolen == pytest.approx(0.125) and not run.quiet
