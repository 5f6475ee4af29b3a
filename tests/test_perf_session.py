"""The canonical JSON, the record of the environment on made-up systems, and the command line."""
import json
import math
import os
import subprocess
import sys

import pytest

from perf_tools import perf
from perf import environment
from perf.harness import google_benchmark, host, process, project, session
from perf.harness.project import ROOT


def document(**more):
    return {**session.new("bench", {"source": {"unavailable": "test"}}),
            "rows": [session.row("a", "s", "true", value=1.5), session.row("b", "1", "true", valid=False, reason="it rained")], **more}


# ---- session


def test_round_trip(tmp_path):
    path = session.write(document(extra={"numbers": (1, 2.5, None, True)}), tmp_path / "deep" / "r.json")
    back = session.read(path, "bench")
    assert back["rows"][0]["value"] == 1.5 and back["extra"]["numbers"] == [1, 2.5, None, True] and back["finished"]
    assert os.listdir(path.parent) == ["r.json"]


def test_results_are_kept_for_history(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "RESULTS", tmp_path)
    result = document(started="2026-01-02T03:04:05+00:00", environment={"source": {"commit": "abcdef0123456789"}})
    assert session.write(result) == tmp_path / "bench.json"
    assert [path.name for path in (tmp_path / "history").iterdir()] == ["abcdef012345-bench-20260102T030405.json"]
    session.write({**result, "kind": "compare"})
    session.write(result, tmp_path / "elsewhere.json")
    assert len(list((tmp_path / "history").iterdir())) == 1


def test_numpy_numbers_become_plain(tmp_path):
    numpy = pytest.importorskip("numpy")
    path = session.write(document(x=numpy.float32(0.5), y=numpy.arange(3)), tmp_path / "r.json")
    assert session.read(path)["x"] == 0.5 and session.read(path)["y"] == [0, 1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused_and_leave_the_old_file(tmp_path, value):
    path = session.write(document(), tmp_path / "r.json")
    before = path.read_text()
    with pytest.raises(session.SessionError, match=r"rows\[0\].value"):
        session.write(document(rows=[session.row("a", "s", "true", value=value)]), path)
    assert path.read_text() == before and os.listdir(tmp_path) == ["r.json"]


@pytest.mark.parametrize("change, says", [
    ({"schema": "rhm-perf/0"}, "schema"), ({"kind": "weather"}, "kind"), ({"environment": None}, "environment"), ({"rows": None}, "rows"),
    ({"rows": [{"name": "a", "unit": "s"}]}, "reproduce"), ({"rows": [session.row("a", "s", "x\ny")]}, "one line"),
    ({"rows": [session.row("a", "s", "x")] * 2}, "two rows"), ({"rows": [session.row("a", "s", "x", valid=False)]}, "without a reason"),
])
def test_what_is_not_a_result_is_refused(tmp_path, change, says):
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**document(), **change}))
    with pytest.raises(session.SessionError, match=says):
        session.read(path)


def test_missing_and_damaged_files_are_named(tmp_path):
    (tmp_path / "cut.json").write_text('{"schema"')
    for name in ("none.json", "cut.json"):
        with pytest.raises(session.SessionError, match=name):
            session.read(tmp_path / name)
    with pytest.raises(session.SessionError, match="wanted 'peers'"):
        session.read(session.write(document(), tmp_path / "r.json"), "peers")


# ---- environment


def system_tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


GROUPS_2 = {"proc/self/cgroup": "0::/user/job", "proc/self/mountinfo": "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"}


def test_quota_is_the_smallest_up_the_tree(tmp_path):
    root = system_tree(tmp_path, {**GROUPS_2, "sys/fs/cgroup/user/job/cpu.max": "max 100000", "sys/fs/cgroup/user/cpu.max": "150000 100000",
                                  "sys/fs/cgroup/cpu.max": "400000 100000"})
    assert host.quota(root) == {"cpus": 1.5, "file": "/sys/fs/cgroup/user/cpu.max"}


def test_quota_of_version_1_and_none(tmp_path):
    root = system_tree(tmp_path, {"proc/self/cgroup": "4:cpu,cpuacct:/box", "proc/self/mountinfo": "30 1 0:26 /box /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct",
                                  "cg/cpu/cpu.cfs_quota_us": "50000", "cg/cpu/cpu.cfs_period_us": "100000",
                                  "cg/cpu/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 7000000"})
    assert host.quota(root)["cpus"] == 0.5
    assert host.throttling(root) == {"periods": 9, "throttled_periods": 4, "throttled_usec": 7000}
    assert host.quota(tmp_path / "nothing") == {"cpus": None, "file": None}
    assert "unavailable" in host.throttling(tmp_path / "nothing")


def test_counters_before_and_after(tmp_path):
    stat = "sys/fs/cgroup/user/job/cpu.stat"
    base = {**GROUPS_2, "proc/stat": "cpu  100 0 50 1000 0 0 0 20 0 0", "proc/loadavg": "0.50 0.40 0.30 1/100 7",
            "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000"}
    before = host.counters(system_tree(tmp_path, {**base, stat: "nr_periods 10\nnr_throttled 1\nthrottled_usec 500"}))
    after = host.counters(system_tree(tmp_path, {"proc/stat": "cpu  200 0 50 1000 0 0 0 70 0 0", stat: "nr_periods 30\nnr_throttled 4\nthrottled_usec 900",
                                                        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3"}))
    grown = host.change(before, after)
    assert grown["throttling"] == {"periods": 20, "throttled_periods": 3, "throttled_usec": 400}
    assert grown["steal_seconds"] == pytest.approx(50 / os.sysconf("SC_CLK_TCK")) and grown["cpu_pressure_usec"] == 0
    assert "unavailable" in grown["thermal_throttles"]  # it was not there before
    assert host.disturbed(grown) == ["the CPU quota stopped the process in 3 periods"]
    assert before["load_average"] == [0.5, 0.4, 0.3]


def test_system_settings(tmp_path):
    cpu = "sys/devices/system/cpu"
    found = host.system(system_tree(tmp_path, {
        f"{cpu}/cpu0/cpufreq/scaling_governor": "performance", f"{cpu}/cpu1/cpufreq/scaling_governor": "powersave",
        f"{cpu}/intel_pstate/no_turbo": "1", f"{cpu}/smt/control": "on", "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "16", "proc/cpuinfo": "model name\t: Some CPU\nflags\t\t: fpu hypervisor avx2",
        "etc/os-release": 'PRETTY_NAME="Debian"'}))
    assert found["governor"] == "mixed" and found["turbo"] is False and found["smt"] == "on" and found["hypervisor"] is True
    assert found["transparent_huge_pages"] == "madvise" and found["huge_pages_reserved"] == {"hugepages-2048kB": "16"}
    assert found["cpu_model"] == "Some CPU" and found["distribution"] == "Debian"
    bare = host.system(tmp_path / "nothing")
    for key in ("governor", "turbo", "smt", "transparent_huge_pages", "huge_pages_reserved", "numa_balancing", "cpu_model"):
        assert set(bare[key]) == {"unavailable"}, key


def test_this_machine():
    assert host.cpu_list({0, 1, 2, 5, 8, 9}) == "0-2,5,8-9" and host.cpu_list([]) == ""
    xml = host.topology_xml()
    assert not session.is_available(xml) or ("<topology" in xml and "HostName" not in xml)
    assert set(environment.libraries()) >= {"hwloc", "hdf5", "onednn", "benchmark", "glibc", "python", "numpy"}


def test_build_is_read_from_the_cache(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "CMakeCache.txt").write_text("CMAKE_BUILD_TYPE:STRING=Release\nCMAKE_C_COMPILER:FILEPATH=/bin/false\nCMAKE_C_FLAGS:STRING=-g\n"
                                             "CMAKE_C_FLAGS_RELEASE:STRING=-O3\nRHM_BENCH:BOOL=ON\n")
    found = host.build(tmp_path / "bin")
    assert found["type"] == "Release" and found["flags"] == "-g -O3" and found["options"] == {"RHM_BENCH": "ON"}
    assert "unavailable" in found["flags_of_sources"]
    listed = [("a.c", "-O3 -c"), ("b.c", "-O3 -DX=1"), ("kernels/k.c", "-O3 -mavx2"), ("/elsewhere/t.c", "-O0")]
    (tmp_path / "compile_commands.json").write_text(json.dumps(
        [{"file": name if name.startswith("/") else f"/p/src/{name}", "command": f"cc {flags} -o x.o"} for name, flags in listed]))
    assert host.build(tmp_path / "bin")["flags_of_sources"] == {"-O3": "2 sources", "-O3 -mavx2": "kernels/k.c"}
    assert "unavailable" in found["compiler"] and "unavailable" in host.build(tmp_path)


# ---- programs and the command line


def test_a_run_is_accounted_for(monkeypatch):
    done = process.run([sys.executable, "-c", "import sys; b = bytearray(50 << 20); print('out'); print('err', file=sys.stderr); sys.exit(3)"])
    assert (done.status, done.output, done.errors) == (3, "out\n", "err\n")
    assert done.peak_rss_bytes > 50 << 20 and 0 < done.cpu_seconds
    done = process.run(["sleep", "60"], timeout=0.1)
    assert done.status == -15 and done.stopped
    with pytest.raises(project.PerfError, match="sleep 60 had not ended after"):
        process.succeeded(done)
    # What does not end when it is asked to is made to.
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    assert process.run([sys.executable, "-c", deaf], timeout=1).stopped
    with pytest.raises(project.PerfError, match="no-such-program"):
        process.run(["./no-such-program"])


def test_rows_of_google_benchmark():
    row = {"run_type": "iteration", "name": "forward/v8/avx2/native/t:2/process_time/manual_time", "best_flops_per_second": 5.0}
    rows = google_benchmark.rows({"benchmarks": [row, {**row, "run_type": "aggregate"},
                                               {**row, "error_occurred": True, "error_message": "skipped: no avx512"},
                                               {**row, "name": "x/t:1", "error_occurred": True, "error_message": "wrong result"}]})
    assert [(r.name, r.threads, r.skipped, r.failed) for r in rows] == [
        ("forward/v8/avx2/native", 2, "", ""), ("forward/v8/avx2/native", 2, "no avx512", ""), ("x", 1, "", "wrong result")]


def test_command_line(tmp_path):
    assert perf("--help").returncode == 0 and "scaling" in perf("--help").stdout
    assert perf().returncode == 2
    left = subprocess.run(["bash", "-c", f"{sys.executable} -B {ROOT / 'perf'} --help | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert left.stderr == "" and left.returncode in (0, 1), "a reader that leaves"
    unknown = perf("scalling")
    assert unknown.returncode == 2 and "scalling" in unknown.stderr
    empty = perf("history", tmp_path)
    assert empty.returncode == 1 and empty.stderr.startswith("perf history: no results")
    missing = perf("scaling", "--bin", tmp_path)
    assert missing.returncode == 2 and "bench_kernels" in missing.stderr
