"""perf profile, perf peers and perf training: the model on synthetic totals, counters, verdicts; each peer that is installed learns a small job."""
import json
import os
import sys
from pathlib import Path

import pytest

from perf_tools import perf
from perf import jobs, model, peers, profile
from perf.harness import counters, process, project, session

RHM = Path(os.environ["RHM_COMMAND"])


# ---- the model ----------------------------------------------------------------------------------------------------------


def total(name, level=1, seconds=1.0, **more):
    return {"name": name, "level": level, "spans": 1, "seconds": seconds, "self_seconds": seconds, "loops": 0, "loop_seconds": 0.0,
            "thread_seconds": [0.0, 0.0], "thread_cpu_seconds": [0.0, 0.0], "one_thread_cpu_seconds": seconds, **more}


SHAPE = {"tokens": 2, "embedding": 16, "classes": 16, "width": 1000}
KEY = (2, 16, 16, 1000)


def rates(**more):
    return model.Rates(peak_flops=1e11, bandwidth=1e10, cache_bandwidth=[(1000, 1e11)], **more)


def test_parts_of_an_operation_have_the_flops_that_rhm_counts():
    # 2 x items x M x (s d_e + 2 classes) for the two products of `forward`, and so on, as the trace has them.
    counted = {"forward": 32 + 32, "features": 32, "pass": 32 + 64, "target": 32 + 32, "pass (features kept)": 64,
               "target (features kept)": 32, "forward (phasors)": 3 + 32, "pass (phasors)": 3 + 64, "target (phasors)": 3 + 32,
               "pass (rotated)": 64, "target (rotated)": 32}
    for name, terms in counted.items():
        listed = model.parts(total(name, items=10, **SHAPE))
        assert sum(flops for _, flops in listed) == 2 * 10 * 1000 * terms, name


def test_flops_agree_with_a_real_trace(tmp_path):
    done = process.run_json([RHM, "train", *jobs.JOBS["small"].options(), "--threads", "2"], "--trace")
    listed = [entry for entry in done.report["otherData"]["totals"] if model.parts(entry)]
    assert {entry["name"] for entry in listed} >= {"forward"}
    for entry in listed:
        assert sum(flops for _, flops in model.parts(entry)) == pytest.approx(entry["flops"], rel=1e-12), entry["name"]


def test_ceiling_is_the_slower_of_arithmetic_and_memory():
    assert model.ceiling_seconds({"flops": 1e11, "bytes": 1e9}, rates()) == 1.0
    assert model.ceiling_seconds({"flops": 1e9, "bytes": 2e10}, rates()) == 2.0


def test_kernel_model_uses_measured_rates():
    flops = 2 * 1000 * 1000 * 96
    one = total("pass", items=1000, flops=flops, bytes=8000, **SHAPE)
    assert model.kernel_seconds(one, rates()) is None
    assert model.kernel_seconds(one, rates(kernels={("pass", KEY, 0): 4e10})) == pytest.approx(flops / 4e10)
    assert model.kernel_seconds(total("read", level=3, items=3e6), rates(draws={("empty", 3): 1e6})) == 3.0
    assert model.kernel_seconds(total("draw counts", level=3, items=3e6), rates(draws={("empty", 3): 1e6})) is None
    assert model.kernel_seconds(total("cluster"), rates()) is None


def test_benchmarks_that_a_trace_asks_for():
    totals = [total("draw", level=2, items=5000), total("read", level=2, items=5000), total("draw", level=1, items=300, spans=3),
              total("draw counts", level=1, items=77), total("test", level=0, items=1000), total("read", level=0, items=1000),
              total("gram", level=2, items=10, **SHAPE)]
    shapes, draws = model.needed(totals)
    assert shapes == {("features", KEY, 0), ("gram", KEY, 0)}
    assert draws == {("empty", 2): 5000, ("counts", 1): 100, ("empty", 0): 1000}


def test_explained_never_exceeds_what_was_taken():
    totals = [total("read", level=2, seconds=1.0, items=5e6), total("cluster", level=2, seconds=0.5), total("run", level=0, seconds=0.5)]
    rows, summary = model.explain(totals, rates(draws={("empty", 2): 1e6}), 3.0, 2)  # the model says 5 s for the draw that took 1 s
    assert summary["explained_seconds"] == 1.0 and summary["explained_share"] == pytest.approx(1 / 3)
    outside = next(row for row in rows if row["operation"] == "outside the engine")
    assert outside["seconds"] == pytest.approx(1.0)
    assert sum(row["seconds"] for row in rows) == pytest.approx(3.0)


def test_imbalance_is_the_idle_share_of_loops():
    busy = total("pass", seconds=1.0, loop_seconds=1.0, thread_seconds=[1.0, 0.5], thread_cpu_seconds=[1.0, 0.5])
    _, summary = model.explain([busy], rates(), 1.0, 2)
    assert summary["imbalance"] == pytest.approx(0.25)
    assert summary["one_thread_seconds"] == 0.0


def test_kept_features_are_measured_where_they_lie():
    of = lambda items, spans: model.parts(total("pass (features kept)", items=items, spans=spans, **SHAPE))[0][0][2]
    assert of(64, 1) == 32 and of(16000, 10) == 1024 and of(16000, 1) == 4096


def test_time_without_a_processor_is_nobodys_fault():
    shared = total("read", level=2, seconds=2.0, items=1e6, loop_seconds=2.0, thread_seconds=[2.0, 2.0], thread_cpu_seconds=[1.0, 1.2],
                   one_thread_cpu_seconds=0.0)
    rows, summary = model.explain([shared], rates(draws={("empty", 2): 1e6}), 2.0, 2)
    assert rows[0]["taken_seconds"] == pytest.approx(0.9)
    assert summary["explained_share"] == pytest.approx(1.0 / 1.1)
    alone = total("cluster", seconds=2.0, one_thread_cpu_seconds=0.5)
    assert model.taken_seconds(alone) == pytest.approx(1.5)


def test_cache_sizes_of_the_topology():
    xml = "".join(f'<object type="{kind}" cache_size="{size}"/>' for kind, size, n in
                  (("L3Cache", 32 << 20, 1), ("L2Cache", 1 << 20, 4), ("L1Cache", 32768, 4)) for _ in range(n))
    xml += '<object type="Core"/>' * 4
    assert profile.cache_sizes(xml) == {"L1": 32768, "L2": 1 << 20, "L3": 8 << 20}
    assert profile.cache_sizes(session.unavailable("no hwloc")) == profile.CEILING_UNITS


# ---- counters -----------------------------------------------------------------------------------------------------------


def test_counters_have_a_number_or_a_reason():
    with counters.Counters() as events:
        process.run(["sleep", "0"])
    assert set(events.values) == set(counters.EVENTS)
    for name, value in events.values.items():
        assert isinstance(value, int) and value >= 0 or value["unavailable"], name
    faults = events.values["page_faults"]
    assert not session.is_available(faults) or faults > 10  # of the child: no program starts without


def test_energy(tmp_path):
    with counters.Energy(tmp_path) as energy:
        pass
    assert "no RAPL" in energy.value["unavailable"]
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text("1000000\n")
    (zone / "energy_uj").write_text("900000\n")
    with counters.Energy(tmp_path) as energy:
        (zone / "energy_uj").write_text("150000\n")  # the counter has wrapped around
    assert energy.value["joules"] == {"intel-rapl:0 package-0": pytest.approx(0.25)}


# ---- the whole of perf profile --------------------------------------------------------------------------------------------


def test_profile_from_end_to_end(tmp_path, capsys):
    missing = [name for name in ("bench_kernels", "bench_patches", "bench_ceilings") if not (RHM.parent / name).exists()]
    if missing:
        pytest.skip(f"this build has no {', '.join(missing)} (RHM_BENCH=OFF)")
    import argparse

    parser = argparse.ArgumentParser()
    profile.add_arguments(parser)
    arguments = parser.parse_args(["--bin", str(RHM.parent), "--job", "small", "--runs", "1", "--min-time", "0.01", "--trace",
                                   str(tmp_path / "t.json"), "--output", str(tmp_path / "p.json")])
    assert profile.run(arguments) == 0
    result = session.read(tmp_path / "p.json", "profile")
    assert 0 < result["summary"]["explained_share"] <= 1
    assert result["summary"]["ceiling_share"] <= 1
    of = [row for row in result["rows"] if "operation" in row]
    assert sum(row["seconds"] for row in of) == pytest.approx(result["summary"]["seconds"], rel=1e-6)
    assert result["job"]["accuracy"] > 0.9
    assert "traceEvents" in json.loads((tmp_path / "t.json").read_text())
    assert "whole job" in capsys.readouterr().out


# ---- peers --------------------------------------------------------------------------------------------------------------


def test_jobs_are_what_rhm_accepts():
    for job in jobs.JOBS.values():
        assert len(job.samples) == len(job.bandwidths) == len(job.ridges) == job.levels
        fewer = job.scaled(0.01)
        assert fewer.width == job.width and max(fewer.samples) < max(job.samples)


def test_accuracies_agree_within_chance():
    assert peers.accuracies_agree(1.0, 1.0, 1000)
    assert peers.accuracies_agree(0.95, 0.94, 10000)
    assert not peers.accuracies_agree(0.95, 0.90, 10000)
    assert peers.accuracies_agree(0.95, 0.90, 200)


def runs_of(seconds, rss=100, accuracy=1.0):
    return [{"wall": s, "cpu": s, "rss": rss, "accuracy": accuracy, "startup": 0.1, "train": s, "test": 0.0, "levels": [], "library": "x"}
            for s in seconds]


class Arguments:
    scale = 1.0


def test_verdict_of_a_session():
    job = jobs.JOBS["whole"]
    runs = {"rhm": runs_of([1, 1, 2]), "rhm --distinct off": runs_of([8, 8, 16], 500), "torch": runs_of([40, 44, 80], 2000),
            "torch chunked": runs_of([80, 80, 160], 300), "numpy": runs_of([30, 30, 60], 3000, accuracy=0.5)}
    rows = peers.rows_of(job, runs, {"torch": ["chunk=1"], "torch chunked": ["features=recomputed"]}, Arguments, 2)
    by_name = {row["program"]: row for row in rows}
    assert by_name["numpy"]["valid"] is False and "accuracy" in by_name["numpy"]["reason"]
    assert by_name["torch"]["time_ratio"] == {"median": 40, "least": 40, "largest": 44}
    found = peers.gains(job, rows, 1.0)
    assert found["fastest_peer"] == "torch"  # NumPy was faster and wrong
    assert found["time"] == 40 and found["memory"] == 20
    assert found["algorithm"] == 8 and found["kernels"] == pytest.approx(44 / 8)
    assert found["kernels_of_the_same_way"] == pytest.approx(80 / 8)
    assert found["targets"]["time"] == {"wanted": 20, "met": True}
    slow = peers.gains(job, peers.rows_of(job, {**runs, "rhm": runs_of([10, 10, 20])}, {}, Arguments, 2), 1.0)
    assert slow["targets"]["time"]["met"] is False
    result = session.new("peers", {})
    result["rows"] = rows
    session.validate(result)


def test_alternation_turns_around():
    order = []
    runners = {name: lambda name=name: order.append(name) or runs_of([1])[0] for name in "abc"}
    peers.alternate(runners, 3, lambda line: None)
    assert "".join(order) == "abccbaabc"


@pytest.mark.parametrize("peer, way", [("numpy", ["features=kept"]), ("numpy", ["features=recomputed", "chunk=100"]),
                                       ("torch", ["features=kept"]), ("torch", ["features=recomputed", "chunk=100"]),
                                       ("torch", ["solver=cholesky"]), ("scikit-learn", [])])
def test_peer_learns_the_small_job(tmp_path, peer, way):
    python = peers.find_python(None)
    if not python:
        pytest.skip("no Python with NumPy")
    reason = peers.missing_module(python, peer)
    if reason:
        pytest.skip(reason)
    job = jobs.JOBS["small"]
    path = peers.job_file(RHM, job, 2, tmp_path)
    ours = peers.run_rhm(RHM, job, 2, [])
    theirs = peers.run_peer(python, peer, way, path, 2, tmp_path)
    assert ours["accuracy"] > 0.97
    assert peers.accuracies_agree(theirs["accuracy"], ours["accuracy"], job.test_samples)
    assert [level["level"] for level in theirs["levels"]] == [2, 1]
    assert theirs["startup"] > 0 and 1 << 20 < ours["rss"] < theirs["rss"]


def test_missing_packages_are_named(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert "torch cannot be imported" in peers.missing_module(str(python), "torch")
    with pytest.raises(project.PerfError) as failure:
        peers.run_peer(str(python), "torch", [], tmp_path / "job.json", 1, tmp_path)
    assert failure.value.status == 1


def test_shapes_have_names_of_their_own():
    assert profile.shape_name("kept", KEY, 32) == "s2-d16-c16-m1000-p32"
    assert profile.shape_name("shared_pass", KEY, 1024) == "s2-d16-c16-m1000-r1024"
    assert profile.shape_name("pass", KEY, 0) == "s2-d16-c16-m1000"


# ---- one training ---------------------------------------------------------------------------------------------------------


def measured(tmp_path, *arguments):
    output = tmp_path / "training.json"
    done = perf("training", "--bin", RHM.parent, "--rounds", 1, "--threads", 1, "--epochs", 3, "--sequences", 300, "--no-compile", "--output", output, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text()), done.stdout


def test_rhm_is_measured_without_others(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\ncase "$*" in *torch*) exit 1;; esac\nexec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    document, said = measured(tmp_path, "--python", bare)
    row, = document["rows"]
    assert row["epochs"] == 3 and row["over_rhm"] == 1 and row["value"] > 0
    assert [len(curve["loss"]) for curve in document["curves"]] == [3]
    assert set(document["missing"]) == {"torch", "torch.compile"} and "torch cannot be imported" in said


def test_pytorch_comes_down_alike(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: no training is compared with it")
    document, _ = measured(tmp_path, "--python", sys.executable)
    ours, theirs = document["curves"]
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=0.2)
