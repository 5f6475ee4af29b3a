"""Trainings of several processes under mpirun: the same model for any number of them, and jobs that end whatever happens."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from command_tools import RHM, run
from ranks_matrix import difference, without_machine

SMALL = ["--vocab", "6", "--rules", "3", "--levels", "3", "--seed", "2", "--test-samples", "500", "--progress", "off"]
DEEP = ["--vocab", "8", "--rules", "4", "--seed", "2", "--test-samples", "500", "--progress", "off"]
LONG = ["--vocab", "8", "--rules", "4", "--levels", "4", "--seed", "1", "--test-samples", "500", "--progress", "off"]
NETWORK = [*SMALL, "--learner", "cnn", "--width", "160", "--sequences", "1024", "--batch", "256", "--epochs", "30", "--loss-threshold", "none"]
WITHOUT_END = ["--vocab", "8", "--rules", "4", "--levels", "8", "--progress", "off"]
MODULES = Path(RHM).parent.parent / "lib" / "rhm"
LAUNCHERS = {
    "openmpi": ["mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "--quiet", "-n"],
    "mpich": ["mpirun.mpich", "-n"],
}
QUIET = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_base_warn_component_unused": "0"}
THERE = [mpi for mpi, words in LAUNCHERS.items() if shutil.which(words[0]) and (MODULES / f"librhm_mpi_{mpi}.so").exists()]

pytestmark = pytest.mark.skipif(not THERE, reason="no MPI with a module of this build: libopenmpi-dev openmpi-bin, libmpich-dev mpich")


def start(mpi, ranks, *arguments, cwd):
    return subprocess.Popen([*LAUNCHERS[mpi], str(ranks), RHM, *arguments], cwd=cwd, env={**os.environ, **QUIET}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def on_ranks(mpi, ranks, *arguments, cwd, expect=0):
    job = start(mpi, ranks, *arguments, cwd=cwd)
    out, errors = job.communicate(timeout=120)
    assert (job.returncode != 0) == (expect != 0), (job.returncode, out, errors)
    return out, errors


def hash_of(text):
    return [line for line in text.splitlines() if line.startswith("model hash")][0].split()[-1]


def processes(job):
    """The trainings that a launcher has started, by rank."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe") == os.path.realpath(RHM):
                variables = dict(part.split("=", 1) for part in (entry / "environ").read_text().split("\0") if "=" in part)
                if variables.get("RHM_TEST_JOB") == job:
                    found.append((int(variables.get("OMPI_COMM_WORLD_RANK", variables.get("PMI_RANK", -1))), int(entry.name)))
        except (OSError, ValueError):
            continue
    return [pid for _, pid in sorted(found)]


def end_of(job, name, seconds=90):
    """What a launcher whose ranks were killed has said. Open MPI 4.1's may lock itself up at its very end (PMIx_server_finalize waits for a mutex,
    open-mpi/ompi issue 7790), when all ranks have gone: then it is killed, and says so."""
    end, alone = time.monotonic() + seconds, 0
    while True:
        try:
            return "".join(job.communicate(timeout=1))  # MPICH's complains on standard output
        except subprocess.TimeoutExpired:
            assert time.monotonic() < end, "the launcher does not end, nor do its ranks"
        alone = 0 if processes(name) else alone + 1
        if alone > 15:
            job.kill()
            return "".join(job.communicate()) + "\nthe launcher was killed after its ranks had gone"


def nobody_is_left(job):
    end = time.monotonic() + 20
    while processes(job) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes(job) == []


CASES = {
    "plain": [],
    "positions": ["--positions", "2"],
    "passes": ["--solver", "gd", "--samples", "3000", "--width", "128"],
    "samples": ["--draw", "samples", "--samples", "18000", "--width", "64"],
    "raw": ["--distinct", "off", "--samples", "9000", "--width", "16"],
    "divided": [*DEEP, "--levels", "5", "--draw", "samples", "--positions", "1,1,1,2,1", "--samples", "2000,2000,2000,3000,5000", "--width", "512",
                "--bandwidth", "0.3", "--ridge", "1e-3", "--memory-limit", "24M"],  # of which a copy would take too much
    "cholesky": ["--solver", "cholesky", "--samples", "2000", "--width", "64"],
    "table": ["--learner", "table"],
    "latent": ["--learner", "latent", "--samples", "2000"],
    "cnn": ["--learner", "cnn", "--width", "160", "--sequences", "600", "--batch", "256", "--epochs", "2"],
}


@pytest.mark.parametrize("case", CASES)
def test_the_model_does_not_depend_on_the_number_of_ranks(case, tmp_path):
    command = ["train", *(() if case == "divided" else SMALL), *CASES[case]]
    report = ["--ceilings", "off", "--report"]
    alone = hash_of(run(*command, "--threads", 1, *report, "alone.json", cwd=tmp_path).stdout)
    expected = without_machine(json.loads((tmp_path / "alone.json").read_text()))
    for i, ranks in enumerate((2, 3) if case == "plain" else (2,)):
        mpi = THERE[(i + len(case)) % len(THERE)]
        out, errors = on_ranks(mpi, ranks, *command, "--threads", "2", *report, f"{ranks}.json", cwd=tmp_path)
        assert hash_of(out) == alone, (mpi, ranks, case)
        assert difference(expected, without_machine(json.loads((tmp_path / f"{ranks}.json").read_text()))) == []
        assert out.count("model hash") == 1, "rank 0 talks, alone"
        told = [one["messages"] for one in json.loads((tmp_path / f"{ranks}.json").read_text())["machine"]["ranks"]]
        assert case != "cnn" or min(one["reduce"]["sent_bytes"] for one in told) > 1e5, "steps are shared"


TOO_LARGE = {
    "gram": ("18M", ["--levels", "3", "--samples", "20000", "--width", "1024"]),
    "raw": ("14M", ["--levels", "4", "--distinct", "off", "--samples", "2000,2000,2000,12000", "--width", "512", "--bandwidth", "0.3",
                    "--ridge", "1e-3"]),
    "patches": ("26M", ["--levels", "6", "--draw", "samples", "--samples", "2000,2000,2000,2000,2000,14000", "--width", "512", "--bandwidth", "0.3",
                        "--ridge", "0.1"]),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_four_ranks_do_what_one_has_no_memory_for(case, tmp_path):
    limit, options = TOO_LARGE[case]
    command = ["train", "--vocab", "8", "--rules", "4", "--seed", "2", "--test-samples", "500", "--progress", "off", *options]
    alone = hash_of(run(*command, cwd=tmp_path).stdout)
    assert f"of the memory limit of {limit[:-1]}.0 MiB (option)" in run(*command, "--memory-limit", limit, cwd=tmp_path, expect=1).stderr
    out, _ = on_ranks(THERE[0], 4, *command, "--memory-limit", limit, cwd=tmp_path)
    assert hash_of(out) == alone


@pytest.mark.parametrize("mpi", THERE)
def test_four_ranks_of_the_portable_kernels_write_one_file(mpi, tmp_path):
    command = ["train", *SMALL, "--isa", "scalar"]
    alone = run(*command, "-o", "alone.h5", cwd=tmp_path)
    out, _ = on_ranks(mpi, 4, *command, "-o", "m.h5", "--report", "r.json", "--ceilings", "off", cwd=tmp_path)
    assert hash_of(out) == hash_of(alone.stdout)
    assert sorted(os.listdir(tmp_path)) == ["alone.h5", "m.h5", "r.json"]
    ranks = json.loads((tmp_path / "r.json").read_text())["machine"]["ranks"]
    assert [one["rank"] for one in ranks] == [0, 1, 2, 3] and all(one["threads"] >= 1 and one["cpus"] for one in ranks)
    told = [one["messages"] for one in ranks]
    for kind in ("gather", "reduce", "broadcast", "other"):
        assert sum(one[kind]["sent"] for one in told) == sum(one[kind]["received"] for one in told)
        assert sum(one[kind]["sent_bytes"] for one in told) == sum(one[kind]["received_bytes"] for one in told)
    assert all(one["reduce"]["sent"] > 0 for one in told[1:]) and told[0]["reduce"]["received"] > 0
    assert all(0 <= one["waited_seconds"] for one in told)
    assert "1.0000" in run("eval", "m.h5", cwd=tmp_path).stdout


def test_a_trace_has_tracks_of_all_ranks(tmp_path):
    on_ranks(THERE[-1], 3, "train", *SMALL, "--threads", "2", "--trace", "t.json", cwd=tmp_path)
    trace = json.loads((tmp_path / "t.json").read_text())
    names = {event["pid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    for rank in range(3):
        own = [event for event in trace["traceEvents"] if event["pid"] // 1000 == rank and event["ph"] == "X"]
        sums = [event for event in own if event["name"] == "ranks: reduce"]
        assert names[1000 * rank + 1].startswith(f"rank {rank} (") and {event["pid"] for event in own} <= set(names)
        assert len({event["tid"] for event in own if event["cat"] == "loop"}) == 2
        totals = (trace["otherData"] if rank == 0 else trace["otherData"]["ranks"][rank - 1])["totals"]
        assert sum(total["spans"] for total in totals if total["name"] == "ranks: reduce") == len(sums) > 0
    assert min(event["ts"] for event in trace["traceEvents"] if "ts" in event) == 0, "the first rank's start"


def test_messages_between_ranks_are_measured(tmp_path, monkeypatch):
    delayed = MODULES.parent / "delayed"  # of builds with tests: a network whose latency is known
    if delayed.exists():
        monkeypatch.setenv("RHM_MODULES", str(delayed))
        monkeypatch.setenv("RHM_TEST_LATENCY_US", "300")
    out, _ = on_ranks(THERE[0], 2, "machine", "--json", "--ceilings", "off", cwd=tmp_path)
    messages = json.loads(out)["messages"]
    assert not delayed.exists() or messages["pairs"][0]["latency_us"] >= 300 and all(row["seconds"] >= 300e-6 for row in messages["all_to_all"])
    assert [pair["ranks"] for pair in messages["pairs"]] == [[0, 1]] and messages["between_nodes"] is None
    assert messages["pairs"][0]["same_node"] and messages["within_nodes"]["latency_us"] == messages["pairs"][0]["latency_us"] > 0
    for row in messages["all_to_all"]:
        assert abs(row["gbs"] * row["seconds"] * 1e9 - row["bytes"]) < 1e-6 * row["bytes"], "to one other rank"


def test_what_one_rank_measures_does_not_wait_for_others(tmp_path):
    on_ranks(THERE[0], 2, "train", *SMALL, "--report", "r.json", cwd=tmp_path)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["machine"]["fma_peak_gflops"] > 0 and report["predicted"]["seconds"] > 0


@pytest.mark.parametrize("mpi", THERE)
def test_what_is_refused_is_said_once(mpi, tmp_path):
    _, errors = on_ranks(mpi, 2, "train", "--vocab", "1", cwd=tmp_path, expect=2)
    assert errors.count("rhm train: ") == 1 and "use fewer rules" in errors
    _, errors = on_ranks(mpi, 2, "inspect", "x.h5", cwd=tmp_path, expect=1)
    assert "works in one process, but 2 ranks were started" in errors


def test_ranks_that_were_told_different_things_do_not_begin(tmp_path):
    done = one_after_another(THERE[0], [RHM, "train", *SMALL], [RHM, "train", *SMALL, "--data-seed", "9"], cwd=tmp_path)
    assert done.returncode == 2 and "rank 1" in done.stderr and "other options" in done.stderr, done.stderr


def test_alone_is_alone(tmp_path):
    assert "no effect without mpirun" in run("train", *SMALL, "--rank-timeout", "5", cwd=tmp_path, expect=2).stderr
    missing = {**os.environ, "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "RHM_MPI": "off"}
    assert "model hash" in run("train", *SMALL, cwd=tmp_path, env=missing).stdout
    assert "allowed are openmpi, mpich, off" in run("train", *SMALL, cwd=tmp_path, expect=2,
                                                    env={**missing, "RHM_MPI": "yes"}).stderr


def test_what_another_launcher_started_is_not_trained_once_for_each_rank(tmp_path):
    """Slurm's srun with PMIx tells tasks apart in a way of its own; without MPI they are strangers, which is said once."""
    task = {**os.environ, "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
    ranks = {**task, "PMIX_RANK": "0", "RHM_MPI": THERE[-1]}
    if THERE[-1] == "mpich":
        sentence = run("train", *SMALL, cwd=tmp_path, env=ranks, expect=1).stderr
        assert sentence.startswith("rhm train: 2 ranks were started, but MPICH") and "knows of 1: start them by its own mpirun" in sentence
    assert "2 ranks were started" not in run("train", *SMALL, cwd=tmp_path, env={**ranks, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}).stderr
    assert "note: srun started 2 tasks, each of which works alone" in run("train", *SMALL, cwd=tmp_path, env=task).stderr
    for quiet in ({"SLURM_PROCID": "1"}, {"RHM_MPI": "off"}, {"PMI_SIZE": "1", "PMI_RANK": "0"}):
        assert "srun" not in run("train", *SMALL, cwd=tmp_path, env={**task, **quiet}).stderr


def one_after_another(mpi, *programs, cwd):
    """A job of different programs, a rank each."""
    words = [word for program in programs for word in (":", "-n", "1", *program)]
    return subprocess.run([*LAUNCHERS[mpi][:-1], *words[1:]], cwd=cwd, env={**os.environ, **QUIET}, text=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("mpi", THERE)
def test_what_keeps_one_rank_from_joining_is_said(mpi, tmp_path):
    train = [RHM, "train", *SMALL]
    done = one_after_another(mpi, train, ["env", "RHM_MPI=yes", *train], cwd=tmp_path)
    assert done.returncode == 2 and re.search(r"rhm train: rank 1 \(.+\): RHM_MPI is 'yes'", done.stderr), done
    done = one_after_another(mpi, train, [RHM, "trian", *SMALL], cwd=tmp_path)
    assert done.returncode == 2 and re.search(r"rank 1 \(.+\) was started with other options", done.stderr), done
    for other in set(THERE) - {mpi}:
        done = one_after_another(mpi, ["env", f"RHM_MPI={other}", *train], train, cwd=tmp_path)
        assert done.returncode == 1 and "2 ranks were started" in done.stderr and "knows of 1" in done.stderr, done


@pytest.mark.parametrize("mpi", THERE)
def test_a_rank_that_ends_before_it_starts_mpi_is_not_waited_for_longer_than_allowed(mpi, tmp_path):
    later = ["sh", "-c", 'sleep 0.5; exec "$@"', "sh"]  # Open MPI ends a job whose rank ends without MPI after another has started it
    done = one_after_another(mpi, [*later, RHM, "train", *SMALL, "--rank-timeout", "0.05"], ["true"], cwd=tmp_path)
    assert done.returncode == 1 and "rhm train: rank 0 has waited 0.5 seconds for all 2 ranks to start" in done.stderr, done


def wait_for(condition, job):
    end = time.monotonic() + 60
    while not condition():
        assert job.poll() is None and time.monotonic() < end, job.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("mpi, words", [*((mpi, LONG) for mpi in THERE), *((mpi, NETWORK) for mpi in THERE[-1:])])
def test_a_killed_rank_ends_the_job_and_another_number_resumes(mpi, words, tmp_path):
    alone = hash_of(run("train", *words, cwd=tmp_path).stdout)
    name, kept = f"{mpi}-{len(words)}-{os.getpid()}", tmp_path / "kept"
    os.environ["RHM_TEST_JOB"] = name
    job = start(mpi, 2, "train", *words, "--checkpoint", "kept", "--checkpoint-seconds", "0.05", cwd=tmp_path)
    wait_for(lambda: kept.exists() and any(name.startswith("checkpoint") for name in os.listdir(kept)), job)
    there = processes(name)
    if len(there) == 2:  # else this process was away for seconds, and they are done
        os.kill(there[1], signal.SIGKILL)
    end_of(job, name)
    assert (job.returncode != 0) == (len(there) == 2)
    nobody_is_left(name)
    out, errors = on_ranks(mpi, 3, "train", *words, "--checkpoint", "kept", "--resume", cwd=tmp_path)
    assert hash_of(out) == alone
    assert "resumed from kept" in errors


@pytest.mark.parametrize("rank", (0, 1))
def test_a_silent_rank_is_named(rank, tmp_path):
    mpi, name = THERE[-1], f"silent-{rank}-{os.getpid()}"
    os.environ["RHM_TEST_JOB"] = name
    job = start(mpi, 2, "train", *WITHOUT_END, "--rank-timeout", "3", "--checkpoint", "kept", cwd=tmp_path)
    wait_for((tmp_path / "kept").exists, job)  # which rank 0 makes when both have joined
    os.kill(processes(name)[rank], signal.SIGSTOP)
    _, errors = job.communicate(timeout=90)
    assert job.returncode != 0 and f"rank {rank}" in errors and "has been silent for 3 seconds" in errors, errors
    nobody_is_left(name)


@pytest.mark.parametrize("mpi", THERE)
def test_ranks_do_not_choose_backends_each_for_itself(mpi, tmp_path):
    _, errors = on_ranks(mpi, 2, "train", *SMALL, "--backend", "auto", cwd=tmp_path, expect=2)
    assert 'backend is "auto", which each of 2 ranks would decide' in errors, errors
