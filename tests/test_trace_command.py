"""`rhm train --trace`: a trace that other programs can read and that agrees with the report of the same run."""
import json
import signal
import subprocess

from command_tools import QUICK, RHM, refused, run, wait_for_work


def traced(cwd, *arguments):
    run("train", *QUICK, *arguments, "--trace", "t.json", "--report", "r.json", cwd=cwd)
    return json.loads((cwd / "t.json").read_text()), json.loads((cwd / "r.json").read_text())


def total(trace, name, level=None):
    return [t for t in trace["otherData"]["totals"] if t["name"] == name and level in (None, t["level"])]


def seconds(totals, key="seconds"):
    return sum(t[key] for t in totals)


def test_agrees_with_the_report(tmp_path):
    trace, report = traced(tmp_path, "--threads", 2)
    assert trace["otherData"]["schema"] == "rhm-trace/1"
    assert "--trace t.json" in trace["otherData"]["command"]
    assert trace["otherData"]["threads"] == 2
    assert all(count == 0 for count in trace["otherData"]["dropped"].values())
    for level in report["levels"]:
        spent = level["seconds"]
        # Between two clocks that are read one after the other a busy machine may do something else.
        close = lambda a, b: abs(a - b) < 0.1 + 0.1 * b
        assert close(seconds(total(trace, "level", level["level"])), spent["total"])
        draws = total(trace, "draw", level["level"]) + total(trace, "draw held-out", level["level"])
        assert close(seconds(draws), spent["sample"])
        assert sum(t["items"] for t in draws) == level["samples"] + level["validation_samples"]
        assert close(seconds(total(trace, "embed", level["level"])), spent["embed"])
        assert close(seconds(total(trace, "fit", level["level"])), spent["bandwidth"] + spent["solve"])
        names = ("pass", "pass (phasors)", "pass (rotated)", "pass (features kept)", "gram product")
        products = sum((total(trace, name, level["level"]) for name in names), [])
        # The last fit's steps, and for every fit the residual of the rounded solution.
        assert sum(t["spans"] for t in products) >= level["iterations"] + level["attempts"]
    assert seconds(total(trace, "test")) > 0
    kernels = report["kernels_and_sampling"]
    assert kernels["kernel_seconds"] > 0 and kernels["sampling_seconds"] > 0
    names = ("pass", "target", "features", "forward", "gram")
    ways = ("", " (phasors)", " (rotated)", " (features kept)", " product")
    of_trace = sum(seconds(total(trace, name + way)) for name in names for way in ways)
    assert abs(kernels["kernel_seconds"] - of_trace) < 0.1 + 0.1 * of_trace
    share = (kernels["kernel_seconds"] + kernels["sampling_seconds"]) / report["seconds"]
    assert abs(kernels["share_of_seconds"] - share) < 1e-9
    run_seconds = seconds(total(trace, "run"))
    assert abs(sum(t["self_seconds"] for t in trace["otherData"]["totals"]) - run_seconds) < 1e-6


def test_events_are_well_formed(tmp_path):
    trace, _ = traced(tmp_path, "--threads", 2)
    phases = {event["ph"] for event in trace["traceEvents"]}
    assert phases == {"M", "X", "C"}
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    used = {(e["pid"], e["tid"]) for e in trace["traceEvents"] if e["ph"] == "X"}
    assert used <= set(named) and named[(1, 1)] == "stages"
    assert {"thread 0", "thread 1"} <= {name.split(",")[0] for name in named.values()}
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in trace["traceEvents"] if e["ph"] == "X")
    assert {"level 2", "level 1", "test"} <= {e["name"] for e in trace["traceEvents"]}


def test_model_is_the_same(tmp_path):
    plain = run("train", *QUICK, cwd=tmp_path).stdout.splitlines()
    with_trace = run("train", *QUICK, "--trace", "t.json", cwd=tmp_path).stdout.splitlines()
    find = lambda lines: next(line for line in lines if line.startswith("model hash"))
    assert find(plain) == find(with_trace)


def test_of_an_interrupted_run(tmp_path):
    long = [RHM, "train", "--vocab", "16", "--levels", "4", "--samples", "200000", "--width", "4096", "--trace", "t.json"]
    process = subprocess.Popen(long, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # one that is ignored stays ignored
    wait_for_work(process, 0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    trace = json.loads((tmp_path / "t.json").read_text())
    assert seconds(total(trace, "run")) > 0


def test_refusals(tmp_path):
    refused("train", *QUICK, "--trace", "nowhere/t.json", cwd=tmp_path, expect=1, says=["nowhere"])
    refused("train", *QUICK, "--trace", "x.json", "--report", "x.json", cwd=tmp_path, says=["--report", "--trace"])
