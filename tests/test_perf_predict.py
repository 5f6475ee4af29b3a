"""Predictions from traces that were made up, where the answer is known; and that a real trace has what they need."""
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from perf import simulate  # noqa: E402
from perf.harness.project import PerfError  # noqa: E402
from perf.harness.session import read  # noqa: E402

RHM = os.environ["RHM_COMMAND"]


def test_chunks_go_to_whoever_is_free():
    assert simulate.makespan([3, 1, 1, 1], 1) == 6
    assert simulate.makespan([3, 1, 1, 1], 2) == 3
    assert simulate.makespan([1, 1, 1, 3], 2) == 4  # the long one comes last
    assert simulate.makespan([2.0] * 11, 64) == 2 and simulate.makespan([], 4) == 0
    for chunks in itertools.product([1, 2, 5], repeat=5):
        for threads in (2, 3, 4):
            free = [0] * threads
            for chunk in chunks:  # the same, slowly
                free.sort()
                free[0] += chunk
            assert simulate.makespan(list(chunks), threads) == max(free)


@pytest.mark.parametrize("text, nodes, cores, cache", [("pack:2 numa:1 l3:8(size=32M) core:8 pu:2", 2, 128, 16 * 32 * 2**20), ("core:64", 1, 64, 0),
                                                        ("pack:2 core:4", 2, 8, 0), ("numa:4 pu:3", 4, 12, 0)])
def test_machines_are_read(text, nodes, cores, cache):
    machine = simulate.machine_of(text)
    assert (machine.nodes, machine.cores, machine.caches_bytes) == (nodes, cores, cache)


@pytest.mark.parametrize("text", ["", "pack:2", "core:0", "core", "knobs:3 core:2"])
def test_senseless_machines_are_refused(text):
    with pytest.raises(PerfError):
        simulate.machine_of(text)


def made_up(scale=1.0, threads=1, **loop):
    """Ten loops of eight chunks of 10 ms, 200 ms alone: Amdahl's law."""
    one = {"name": "pass", "level": 3, "ts": 0.0, "dur": 99000 * scale, "cpu_us": 80000 * scale, "chunks": 8, "sum_us": 80000 * scale, "longest_us": 10000 * scale,
           "chunk_ns": [int(1e7 * scale)] * 8, **loop}
    loops = [{**one, "ts": 99000.0 * scale * i} for i in range(10)]
    total = {"name": "pass", "level": 3, "spans": 1, "seconds": 1.0, "one_thread_cpu_seconds": 0.2 * scale, "loops": 10}
    span = {"ph": "X", "cat": "span", "ts": 0, "dur": 1e6 * scale, "args": {"bytes": 8e9}}
    return {"traceEvents": [span], "otherData": {"threads": threads, "totals": [total, {**total, "name": "run", "one_thread_cpu_seconds": 0}]},
            "loops": loops}


def test_amdahls_law():
    job = simulate.job_of([made_up()])
    assert job.seconds == pytest.approx(1.0) and job.span == pytest.approx(0.3)
    machine = simulate.Machine("m", 1, 64)
    for threads, seconds in ((1, 1.0), (2, 0.6), (3, 0.5), (8, 0.3), (64, 0.3)):
        assert simulate.predict(job, machine, threads).seconds == pytest.approx(seconds, rel=1e-3)
    first, second = simulate.predict(job, machine, 64).causes[:2]
    assert first.what == "one thread alone in pass, level 3" and first.lost == pytest.approx(0.2 * 63 / 64)
    assert second.what == "too few chunks (8) in pass, level 3" and second.lost == pytest.approx(0.1 - 0.8 / 64)


def test_the_start_counts_by_the_clock():
    trace = made_up()
    trace["otherData"]["totals"].append({"name": "start", "level": 0, "seconds": 0.05, "one_thread_cpu_seconds": 0.0})
    assert simulate.predict(simulate.job_of([trace]), simulate.Machine("m", 1, 8), 8).seconds == pytest.approx(0.35, rel=1e-3)


def test_chunks_can_be_slowed():
    slow = simulate.slowed(simulate.job_of([made_up()]), 2)
    assert slow.seconds == pytest.approx(1.8) and simulate.predict(slow, simulate.Machine("m", 1, 8), 8).seconds == pytest.approx(0.4, rel=1e-3)


def test_what_disturbed_one_run_is_not_in_another():
    quiet, busy = made_up(), made_up(scale=3)
    assert simulate.job_of([busy, quiet]).seconds == pytest.approx(1.0)
    assert simulate.job_of([quiet, busy]).seconds == pytest.approx(1.0)


def test_traces_of_more_threads_have_no_order():
    one, other = (made_up(threads=8, chunk_ns=times) for times in ([10**7] * 7 + [3 * 10**7], [3 * 10**7] + [10**7] * 7))
    assert simulate.job_of([one, other], 8).loops[0].chunks == pytest.approx([0.03] + [0.01] * 7)
    assert simulate.predict(simulate.job_of([one], 8), simulate.Machine("m", 1, 8), 8, alone=2.0).speed_up == pytest.approx(2 / 0.5, rel=1e-3)


def test_memory_is_shared_by_a_node():
    job = simulate.job_of([made_up()])  # 0.8 GB a loop
    slow = simulate.predict(job, simulate.Machine("m", 2, 16, 1e8, 4e9), 8)  # one node of two
    assert slow.seconds == pytest.approx(0.2 + 10 * 0.2, rel=1e-3)
    assert slow.causes[0].what.startswith("bandwidth shared by a node's cores")
    held = simulate.predict(job, simulate.Machine("m", 2, 16, 1e9, 4e9), 8)  # by caches
    assert held.seconds == pytest.approx(0.3, rel=1e-3)


def test_chunks_that_were_not_kept_are_taken_to_be_alike():
    job = simulate.job_of([made_up(chunk_ns=[])])
    assert job.seconds == pytest.approx(1.0) and job.span == pytest.approx(0.3)


@pytest.mark.parametrize("traces, says", [([made_up(threads=2)], "of 2 threads"), ([{**made_up(), "loops": []}, made_up()], "same work"),
                                          ([{k: v for k, v in made_up().items() if k != "loops"}], "older")])
def test_other_traces_are_refused(traces, says):
    with pytest.raises(PerfError, match=says):
        simulate.job_of(traces)


def test_traces_of_several_ranks_are_refused():
    trace = made_up()
    trace["otherData"]["ranks"] = [{"rank": 1}, {"rank": 2}]
    with pytest.raises(PerfError, match="a trace of 3 ranks"):
        simulate.job_of([trace])


def test_a_real_trace(tmp_path):
    command = [RHM, "train", "--vocab", "8", "--rules", "4", "--levels", "2", "--samples", "4000", "--width", "64", "--test-samples", "500", "--progress", "off",
               "--placement", "compact"]
    for threads in (1, 2):
        subprocess.run([*command, "--threads", str(threads), "--trace", f"t{threads}.json"], cwd=tmp_path, check=True, capture_output=True)
        trace = json.loads((tmp_path / f"t{threads}.json").read_text())
        assert trace["otherData"]["dropped"]["chunks"] == 0
        chunks = sum(event["args"]["chunks"] for event in trace["traceEvents"] if event.get("cat") == "loop")
        assert sum(loop["chunks"] for loop in trace["loops"]) == chunks > 0
        for loop in trace["loops"]:
            assert len(loop["chunk_ns"]) == loop["chunks"]
            assert sum(loop["chunk_ns"]) == pytest.approx(1e3 * loop["sum_us"], abs=1e3)
            assert max(loop["chunk_ns"], default=0) <= 1e3 * loop["longest_us"] + 1 and 1e-3 * sum(loop["chunk_ns"]) <= threads * loop["dur"] + 1
    perf = [sys.executable, ROOT / "perf", "predict", "--topology", "pack:2 core:16", "--output", "p.json", "--figure", "p.png"]
    done = subprocess.run([*perf, "--trace", "t1.json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = read(tmp_path / "p.json", "predict")
    assert [row["threads"] for row in document["rows"]] == [1, 2, 4, 8, 16, 32]
    speed_ups = [row["speed_up"] for row in document["rows"]]
    assert speed_ups[0] == pytest.approx(1, rel=1e-6) and max(speed_ups) <= document["job"]["parallelism"] * 1.001
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG") and "what holds back 32 threads" in done.stdout
    assert subprocess.run([*perf, "--trace", "t2.json"], cwd=tmp_path, capture_output=True).returncode == 2
    subprocess.run([*perf, "--trace", "t2.json", "--trace", "t1.json"], cwd=tmp_path, check=True, capture_output=True)
    assert read(tmp_path / "p.json", "predict")["job"]["trace_threads"] == 2
    assert subprocess.run([*perf, "--trace", "t1.json", "--threads", "33"], cwd=tmp_path, capture_output=True).returncode == 2
