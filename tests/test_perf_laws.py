"""The laws of scaling on data that is known: no clock decides here."""
import math
import random

import pytest

pytest.importorskip("scipy")

from perf import placement  # noqa: E402
from perf.harness import laws  # noqa: E402

COUNTS = [1, 2, 3, 4, 6, 8, 12, 16]


def rounds_of(rate, contention, coherence, spread, count, counts=COUNTS, seed=1):
    noise = random.Random(seed)
    exact = laws.usl(counts, rate, contention, coherence)
    return [[x * math.exp(noise.gauss(0, spread)) for x in exact] for _ in range(count)]


@pytest.mark.parametrize("truth", [(10, 0.05, 0.002), (3e9, 0.0, 0.0), (0.4, 0.2, 0.0), (7, 0.0, 0.01)])
def test_usl_recovers_what_made_the_points(truth):
    fit = laws.fit_usl_once(COUNTS, laws.usl(COUNTS, *truth))
    assert fit == pytest.approx(truth, rel=1e-6, abs=1e-9)


def test_usl_intervals_hold_the_truth_as_often_as_they_say():
    held = {"contention": 0, "coherence": 0}
    trials = 200
    for seed in range(trials):
        fit = laws.fit_usl(COUNTS, rounds_of(10, 0.05, 0.002, 0.02, 9, seed=seed))
        for key, true in (("contention", 0.05), ("coherence", 0.002)):
            held[key] += fit[key]["low"] <= true <= fit[key]["high"]
        assert fit[key]["coverage"] >= 0.95
    # Medians of a nonlinear fit are nearly unbiased; nine rounds cover 96.1 %.
    assert min(held.values()) > 0.9 * trials, held


def test_usl_peak():
    fit = laws.fit_usl(COUNTS, rounds_of(10, 0.05, 0.005, 0.005, 9))
    peak = fit["peak_threads"]
    assert peak["low"] <= math.sqrt(0.95 / 0.005) <= peak["high"]
    assert fit["relative_misfit"] < 0.01 and "warning" not in fit


@pytest.mark.parametrize("counts", [[1], [1, 2], [1, 2, 4]])
def test_usl_says_when_points_are_too_few(counts):
    fit = laws.fit_usl(counts, rounds_of(10, 0.05, 0.0, 0.01, 9, counts))
    assert "not identifiable" in fit["unavailable"] and str(len(counts)) in fit["unavailable"]


def test_usl_peak_is_not_identifiable_without_coherence():
    assert "told from zero" in laws.fit_usl(COUNTS, rounds_of(10, 0.05, 0.0, 0.02, 9))["peak_threads"]["unavailable"]
    assert "beyond" in laws.fit_usl(COUNTS, rounds_of(10, 0.05, 5e-5, 1e-6, 9))["peak_threads"]["unavailable"]
    assert "rounds" in laws.fit_usl(COUNTS, rounds_of(10, 0.05, 0.005, 0.01, 5))["peak_threads"]["unavailable"]


def test_usl_warns_of_what_it_does_not_describe():
    steps = [[1, 2, 3, 4, 4, 4, 4, 4.0]] * 6
    steps = [[x * (1 if n <= 4 else 0.45) for x, n in zip(rates, COUNTS)] for rates in steps]
    assert "misses the points" in laws.fit_usl(COUNTS, steps)["warning"]


def test_karp_flatt_of_amdahl_is_the_serial_share():
    for share in (0.0, 0.01, 0.3, 1.0):
        for threads in (2, 5, 64):
            assert laws.karp_flatt(1 / (share + (1 - share) / threads), threads) == pytest.approx(share)
    assert laws.karp_flatt(2.2, 2) < 0  # better than ideal


def test_median_interval_is_exact():
    assert laws.median_interval([3, 1, 2])["low"] is None
    interval = laws.median_interval([5, 1, 4, 2, 3, 6])
    assert (interval["value"], interval["low"], interval["high"]) == (3.5, 1, 6)
    assert interval["coverage"] == pytest.approx(1 - 2 / 64)
    # 20 fair coins: 5 or fewer heads have probability 0.0207, 6 or fewer 0.0577.
    assert laws.median_interval(range(20))["low"] == 5


def test_speed_ups_are_ratios_within_a_round():
    # The machine gets three times slower from round to round; the speed-up stays.
    base = [9.0, 3.0, 1.0]
    assert laws.speed_up([1.8 * x for x in base], base)["value"] == pytest.approx(1.8)


def certain(values):
    return [{"value": v, "low": v, "high": v} for v in values]


def test_knee_is_where_the_gain_falls():
    knee = laws.find_knee([1, 2, 4, 8, 16], certain([1, 2, 3.9, 4.5, 5.5]))
    assert knee["threads"] == 4
    assert laws.find_knee([1, 2, 4, 8], certain([1, 1.98, 3.9, 7.6])) is None
    assert laws.find_knee([1, 2], certain([1, 1.1])) is None


def test_knee_is_not_seen_in_noise():
    wide = [{"value": v, "low": 0.7 * v, "high": 1.4 * v} for v in (1, 2, 3.9, 4.9)]
    assert laws.find_knee([1, 2, 4, 8], wide) is None


def places(packages, l3s, cores, siblings):
    """As `rhm machine --placement compact` plans: one thread per core before siblings."""
    found = []
    for sibling in range(siblings):
        for core in range(packages * l3s * cores):
            found.append({"pu": len(found), "cpu": len(found), "core": core, "l3": core // cores, "package": core // (l3s * cores),
                          "node": core // (l3s * cores)})
    return found


def test_edges_of_a_server():
    edges = placement.edges(places(2, 2, 4, 2))
    assert [(edge["threads"], edge["domains"]) for edge in edges] == [(1, ["core"]), (4, ["L3"]), (8, ["NUMA node", "socket"]), (16, ["SMT"])]
    assert placement.nearest_edge(8, edges)["label"] == "one socket full" and placement.nearest_edge(7, edges) is None


def test_edges_of_small_machines():
    assert placement.edges(places(1, 1, 1, 1)) == []
    assert [edge["domains"] for edge in placement.edges(places(1, 1, 1, 2))] == [["SMT"]]
    assert [edge["domains"] for edge in placement.edges(places(1, 1, 2, 1))] == [["core"]]


def test_thread_counts_hold_the_edges_and_respect_a_quota():
    counts = placement.thread_counts(places(2, 1, 5, 2))
    assert counts == [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20]
    assert placement.thread_counts(places(2, 1, 5, 2), 3.5) == [1, 2, 3]
    assert placement.thread_counts(places(1, 1, 4, 1), 0.5) == [1]


def test_small_machines_say_what_they_cannot_know():
    system = {"hypervisor": True, "governor": {"unavailable": "x"}, "turbo": {"unavailable": "x"}}
    told = " ".join(placement.unknowable(places(1, 1, 2, 1), [1, 2], {"quota": {"cpus": 1.5}}, system))
    for words in ("not identifiable", "one L3", "one socket", "SMT", "virtual", "quota of 1.5"):
        assert words in told
    large = placement.unknowable(places(2, 2, 4, 2), [1, 2, 4, 8, 16, 32], {"quota": {"cpus": None}},
                                 {"hypervisor": False, "governor": "performance", "turbo": True})
    assert large == []
