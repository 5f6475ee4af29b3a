"""The sweeps over threads, and over ranks, with a made-up machine: plans, validity, ratios, accounts. No clock decides here."""
import json
import os
import stat
import sys
import types
from pathlib import Path

import pytest

pytest.importorskip("scipy")

from perf_tools import perf  # noqa: E402
from perf import ranks, scaling, subjects  # noqa: E402
from perf.harness import project, session  # noqa: E402
from perf.harness.project import ROOT  # noqa: E402

PLACES = [{"pu": i, "cpu": i, "core": i, "l3": i // 2, "node": i // 2, "package": 0} for i in range(4)]
SCATTER = [PLACES[i] for i in (0, 2, 1, 3)]
COUNTS = [1, 2, 4]
PLANS = {"compact": {n: PLACES[:n] for n in COUNTS}, "scatter": {n: SCATTER[:n] for n in COUNTS}, "none": {n: PLACES[:n] for n in COUNTS}}


class Subject:
    unit, modes, places, name, about = "GFLOP/s", ("strong", "weak"), True, "kernel", "kernel"

    def command(self, point):
        return f"run {point.name}"


def point(threads, policy="compact"):
    return subjects.Point(Subject(), "strong", policy, threads)


def samples(*rates, reasons=()):
    return [subjects.Sample(rate, reason) for rate, reason in zip(rates, [*reasons, *[""] * len(rates)])]


def test_points_that_seat_threads_alike_are_measured_once():
    points, same = scaling.plan_points([Subject()], COUNTS, ["compact", "scatter", "none"], PLANS)
    names = [p.name for p in points]
    assert "strong/kernel/scatter/t:2" in names and "strong/kernel/none/t:4" in names and "weak/kernel/compact/t:4" in names
    # One thread and all threads sit on the same CPUs whatever the order.
    assert "strong/kernel/scatter/t:1" not in names and "strong/kernel/scatter/t:4" not in names
    assert same == [("scatter", "compact", 1), ("scatter", "compact", 4)] and len(names) == len(set(names))


def test_rounds_interleave_every_point():
    order = []

    class Recorder(Subject):
        def measure(self, which, folder):
            order.append(which.name)
            return subjects.Sample(1.0)

    points = [subjects.Point(Recorder(), "strong", "compact", n) for n in (1, 2, 3, 4)]
    found = scaling.measure(points, 5, 1, None)
    assert all(len(listed) == 5 for listed in found.values())
    blocks = [order[i:i + 4] for i in range(0, 20, 4)]
    assert all(sorted(block) == sorted(blocks[0]) for block in blocks) and len({tuple(block) for block in blocks}) > 1


def test_a_row_has_speed_up_efficiency_and_serial_share():
    base = samples(1, 2, 1, 2, 1, 2)
    row = scaling.row_of(point(4), samples(2, 4, 2, 4, 2, 4), base, None, PLANS)
    assert row["valid"] and row["speed_up"]["value"] == 2 and row["efficiency"]["value"] == 0.5
    assert row["karp_flatt"]["value"] == pytest.approx((1 / 2 - 1 / 4) / (3 / 4)) and row["placement"]["cpus"] == [0, 1, 2, 3]
    assert row["speed_up"]["low"] == 2 and row["reproduce"] == "run strong/kernel/compact/t:4"


def test_off_plan_is_invalid_and_not_slow():
    why = "1 of 2 threads were off their plan"
    row = scaling.row_of(point(2), samples(0.1, 0.1, 2, reasons=[why, why]), samples(1, 1, 1), None, PLANS)
    assert row["valid"] is False and why in row["reason"]
    # A minority of invalid measurements is left out of the numbers.
    row = scaling.row_of(point(2), samples(0.1, 2, 2, reasons=[why]), samples(1, 1, 1), None, PLANS)
    assert row["valid"] and row["speed_up"]["value"] == 2
    curve = scaling.curve_of(Subject(), "strong", "compact", [row], [])
    assert "not identifiable" in curve["usl"]["unavailable"] and "three thread counts" in curve["knee"]["unavailable"]


def test_another_placement_is_compared_at_the_same_threads():
    row = scaling.row_of(point(2, "none"), samples(3, 3, 3), samples(2, 2, 2), samples(4, 4, 4), PLANS)
    assert row["against_first_placement"]["value"] == 0.75 and row["speed_up"]["value"] == 1.5
    assert not session.is_available(row["placement"]["cpus"])


def test_siblings_do_not_enter_the_law():
    edges = [{"threads": 8, "domains": ["SMT"], "label": "cores full, SMT siblings next"}]
    rows = []
    for n in (1, 2, 4, 6, 8, 16):
        rate = n if n <= 8 else 10
        row = scaling.row_of(point(n), samples(*[rate] * 6), samples(*[1] * 6), None, {"compact": {n: None}})
        rows.append(row)
    curve = scaling.curve_of(Subject(), "strong", "compact", rows, edges)
    assert curve["usl"]["threads"] == [1, 2, 4, 6, 8] and curve["usl"]["contention"]["value"] == pytest.approx(0, abs=1e-9)
    assert curve["knee"]["threads"] == 8 and curve["knee"]["edge"] == "cores full, SMT siblings next"


# ---- the whole job, with a program that only writes reports

FAKE = """#!{python}
import json, sys
words = sys.argv[1:]
of = lambda name: words[words.index(name) + 1]
threads = int(of("--threads"))
team = [dict(thread=i, planned=dict(cpu=i), actual=dict(cpus=str(i + {astray})), as_planned={astray} == 0) for i in range(threads)]
json.dump(dict(seconds=8 / threads, model_hash="{hash}" + of("--samples") * {hashes}, levels=[dict(flops=4e9 * threads)],
               machine=dict(record=dict(team=team, throttling=dict(throttled_periods_since_start={throttled})))), open(of("--report"), "w"))
"""


def fake(folder, astray=0, throttled=0, hash="h", hashes=1):
    path = folder / "rhm"
    path.write_text(FAKE.format(python=sys.executable, astray=astray, throttled=throttled, hash=hash, hashes=hashes))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def job_point(job, threads, mode="strong"):
    return subjects.Point(job, mode, "compact", threads)


def test_job_rates_and_commands(tmp_path):
    job = subjects.Job(fake(tmp_path), "--samples 1e5,300 --width 64")
    assert job.measure(job_point(job, 2), tmp_path).rate == pytest.approx(2 / 8)
    assert "--samples 200000,600 " in job.command(job_point(job, 2, "weak"))
    weak = job.measure(job_point(job, 2, "weak"), tmp_path)
    assert weak.rate == pytest.approx(8 / 4) and weak.details["gflop"] == 8 and not weak.reason
    row = scaling.row_of(job_point(job, 2), samples(2 / 8), samples(1 / 8), None, PLANS)
    assert row["unit"] == "s" and row["value"] == 4 and row["speed_up"]["value"] == 2


def test_job_off_plan_and_throttled(tmp_path):
    job = subjects.Job(fake(tmp_path, astray=1), "--samples 100")
    assert "planned on CPU 0 and was on 1" in job.measure(job_point(job, 2), tmp_path).reason
    job = subjects.Job(fake(tmp_path, throttled=3), "--samples 100")
    assert "quota" in job.measure(job_point(job, 1), tmp_path).reason


def test_job_that_makes_another_model_is_an_error(tmp_path):
    job = subjects.Job(fake(tmp_path), "--samples 100")
    job.measure(job_point(job, 1), tmp_path)
    fake(tmp_path, hash="other")
    with pytest.raises(project.PerfError, match="model differs"):
        job.measure(job_point(job, 2), tmp_path)


@pytest.mark.parametrize("options", ["", "--width 64", "--samples auto", "--samples", "--samples 1e5,many"])
def test_job_needs_fixed_samples(tmp_path, options):
    with pytest.raises(project.PerfError, match="fixed samples"):
        subjects.Job(tmp_path, options)


def test_kernel_shapes_keep_or_grow_the_work(tmp_path):
    kernel = subjects.Kernel(tmp_path, "pass/v16", "avx2", 0.1, 8)
    patches = lambda mode, n: n * int(kernel.shapes(subjects.Point(kernel, mode, "compact", n)).split("patches=")[1])
    assert patches("strong", 1) == patches("strong", 2) == patches("strong", 8) == patches("weak", 8)
    assert patches("weak", 4) == 4 * patches("weak", 1)
    command = kernel.command(subjects.Point(kernel, "strong", "scatter", 2))
    assert "--threads=2 --placement=scatter" in command and "\n" not in command and "vocab=16" in command
    with pytest.raises(project.PerfError, match="no shape"):
        subjects.Kernel(tmp_path, "pass/none", "avx2", 0.1, 8)


def test_flops_of_a_level():
    assert subjects.job_flops({"flops": 5.0}) == 5
    assert subjects.job_flops({"gflops": 2.0, "seconds": {"embed": 0.5, "bandwidth": 1, "solve": 1.5}}) == 6e9
    assert json.dumps(subjects.job_flops({"gflops": None, "seconds": {"embed": 0, "bandwidth": 0, "solve": 0}})) == "0.0"


# ---- perf scaling --ranks


def told(sent, seconds):
    none = {"sent": 0, "sent_bytes": 0, "received": 0, "received_bytes": 0, "seconds": 0.0}
    return {"other": none, "gather": {**none, "sent": 2, "sent_bytes": 10, "seconds": seconds}, "broadcast": none,
            "reduce": {**none, "sent": sent, "sent_bytes": 100 * sent, "seconds": 2 * seconds}, "waited_seconds": seconds}


def sample(seconds, sent=3):
    return ranks.Sample(seconds, 1 / seconds, [told(sent, 0.1), told(sent + 1, 0.3)], 2 * seconds)


def test_points_have_one_process_to_compare_with():
    points = ranks.points_of([2, 4], [1, 2])
    assert [(p.ranks, p.threads) for p in points if p.mode == "strong"] == [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2)]
    assert len(points) == 10
    assert "--samples 600,60" in " ".join(ranks.words_of(ranks.Point("weak", 2, 3), "--samples 1e2,10", 8))
    assert "--samples 400,40" in " ".join(ranks.words_of(ranks.Point("weak", 2, 3), "--samples 1e2,10", 4)), "no more than there are cores"


def test_accounts_are_exact_and_shares_are_of_time():
    account = ranks.account([sample(1.0), sample(2.0), sample(4.0)])
    assert account["messages"] == 4 + 7 and account["bytes"] == 20 + 700
    assert account["by_kind"]["reduce"] == {"messages": 7, "bytes": 700}
    assert account["communication_share"] == pytest.approx((0.3 + 0.9) / 2 / 2) and account["tree_share"] == pytest.approx(0.4 / 2)
    with pytest.raises(project.PerfError, match="other messages"):
        ranks.account([sample(1.0), sample(1.0, sent=4)])


def test_rows_are_ratios_within_rounds():
    base = [ranks.Sample(s, 1 / s, [], None) for s in (2.0, 4.0, 8.0)]
    row = ranks.row_of(ranks.Point("strong", 2, 1), [sample(1.0), sample(2.0), sample(4.0)], base, "run", 8)
    assert row["speed_up"]["value"] == 2 and row["efficiency"]["value"] == 1 and row["predicted_over_measured"] == 2
    one = ranks.row_of(ranks.Point("strong", 1, 1), base, base, "run", 8)
    assert not session.is_available(one["exchanged"]) and not session.is_available(one["predicted_over_measured"])
    assert not session.is_available(one["start_and_end_seconds"])
    assert "strong/job/r:2/t:1" in ranks.summary({"rows": [row, one]})


def test_what_is_around_the_work_is_told_apart(monkeypatch):
    """A launcher's start is no part of the seconds whose ratios are speed-ups."""
    monkeypatch.setattr(ranks.effort, "of_row", lambda *_: None)
    samples = [ranks.Sample(s, 1 / s, [], None, types.SimpleNamespace(seconds=s + around)) for s, around in ((2.0, 0.5), (4.0, 0.25), (8.0, 4.0))]
    row = ranks.row_of(ranks.Point("strong", 1, 1), samples, samples, "run", 8)
    assert row["value"] == 4 and row["start_and_end_seconds"] == 0.5
    assert "0.50" in ranks.summary({"rows": [row]}).splitlines()[1]


def test_runs_that_were_throttled_are_invalid():
    good, bad = ranks.Sample(2.0, 0.5, [], None), ranks.Sample(9.0, 1 / 9, [], None, reason="the CPU quota stopped the process in 3 periods")
    point = ranks.Point("strong", 1, 2)
    row = ranks.row_of(point, [bad, good, good], [good, good, bad], "run", 8)
    assert row["valid"] and row["value"] == 2.0 and row["speed_up"]["count"] == 1 and row["speed_up"]["value"] == row["best_speed_up"] == 1
    gone = ranks.row_of(point, [good, bad, bad], [bad, good, good], "run", 8)
    assert not gone["valid"] and gone["reason"] == "2 of 3 measurements are invalid: the CPU quota stopped the process in 3 periods"
    assert not session.is_available(gone["speed_up"]) and not session.is_available(gone["efficiency"]) and gone["best_speed_up"] == 1
    lost = ranks.row_of(point, [good, good, bad], [bad, bad, bad], "run", 8)
    assert lost["valid"] and not session.is_available(lost["best_speed_up"])
    said = ranks.summary({"rows": [row, gone, lost]}).splitlines()
    assert "INVALID: 2 of 3 measurements" in said[2] and "INVALID" not in said[1] + said[3]


def launcher(folder, text):
    """A directory of programs in which `rhm` does this, and is its own launcher."""
    (folder / "rhm").write_text(f"#!{sys.executable}\n{text}\n")
    (folder / "rhm").chmod(0o755)
    return [str(folder / "rhm")], folder / "rhm"


def test_ranks_that_hang_are_stopped(tmp_path):
    words, rhm = launcher(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(project.PerfError, match="had not ended after"):
        ranks.run_point(ranks.Point("strong", 2, 1), words, rhm, "--samples 100", 2, False, {}, timeout=0.3)


@pytest.mark.parametrize("troubles", [[], ["the CPU quota stopped the process in 3 periods", "heat"]])
def test_a_run_says_what_disturbed_it(tmp_path, monkeypatch, troubles):
    report = {"model_hash": "1", "machine": {"ranks": None}, "levels": [], "seconds": 2.0, "predicted": None}
    words, rhm = launcher(tmp_path, f"import sys; open(sys.argv[sys.argv.index('--report') + 1], 'w').write({json.dumps(report)!r})")
    monkeypatch.setattr(ranks.host, "disturbed", lambda grown: troubles)
    found = ranks.run_point(ranks.Point("strong", 1, 1), words, rhm, "--samples=1e2", 2, False, {})
    assert found.seconds == 2 and found.reason == (troubles or [""])[0]


def test_samples_may_be_given_with_an_equals_sign():
    weak = ranks.words_of(ranks.Point("weak", 2, 1), "--samples=1e2,10 --width 64", 8)
    assert weak == ["--samples", "200,20", "--width", "64", "--threads", "1"]


def test_a_small_job(tmp_path):
    rhm = Path(os.environ.get("RHM_COMMAND", ROOT / "build/release/bin/rhm")).resolve()
    try:
        ranks.find_launcher(rhm.parent)
    except project.PerfError as reason:
        pytest.skip(str(reason))
    job = "--samples 2000,500 --vocab 6 --rules 3 --levels 2 --width 64 --test-samples 100"
    done = perf("scaling", "--bin", rhm.parent, "--ranks", "1,2", "--rounds", "1", "--job", job, "--output", tmp_path / "ranks.json")
    assert done.returncode == 0, done.stderr
    document = session.read(tmp_path / "ranks.json", "ranks")
    assert [row["name"] for row in document["rows"]] == [f"{mode}/job/r:{n}/t:1" for mode in ("strong", "weak") for n in (1, 2)]
    two = document["rows"][1]["exchanged"]
    assert two["messages"] == sum(kind["messages"] for kind in two["by_kind"].values()) > 0
    assert two["by_kind"]["reduce"]["bytes"] % 8 == 0 and json.dumps(document)
    assert all(row["start_and_end_seconds"] > 0 for row in document["rows"])
