"""Commands other than train under mpirun: what one process prints and writes, and one sentence when something fails."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from command_tools import RHM, run
from test_ranks import LAUNCHERS, QUIET, THERE, end_of, hash_of, nobody_is_left, on_ranks, processes, pytestmark, start, wait_for  # noqa: F401

INSTANCE = ["--vocab", "6", "--rules", "3", "--levels", "3", "--seed", "2"]
NETWORK = [*INSTANCE, "--learner", "cnn", "--width", "16", "--sequences", "256", "--epochs", "2", "--test-samples", "100", "--progress", "off"]
NOISY = [*INSTANCE, "--token-noise", "0.1", "--label-noise", "0.05"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A model, another kind of model, and noisy sequences, of more blocks than one."""
    folder = tmp_path_factory.mktemp("inputs")
    run("train", *INSTANCE, "--test-samples", "100", "-o", "m.h5", cwd=folder)
    run("train", *INSTANCE, "--learner", "table", "--test-samples", "100", "-o", "t.h5", cwd=folder)
    run("sample", *NOISY, "--samples", "70000", "-o", "d.h5", cwd=folder)
    return folder


def without_times(text):
    return re.sub(r"[0-9.e+]+ s\b|[0-9.e+]+ a second", "_", text)


def all_ways(case, *arguments, cwd, output):
    """The same words and bytes from one process and from several ranks."""
    alone = without_times(run(*arguments, *(["-o", "alone.h5"] if output else []), "--threads", 1, cwd=cwd).stdout)
    ways = [(mpi, ranks) for mpi in THERE for ranks in (2, 3)]
    for mpi, ranks in ways[case % 2::2]:
        out, errors = on_ranks(mpi, ranks, *map(str, arguments), *(["-o", "ranks.h5"] if output else []), cwd=cwd)
        assert without_times(out).replace("ranks.h5", "alone.h5") == alone, (mpi, ranks, errors)
        if output:
            assert (cwd / "ranks.h5").read_bytes() == (cwd / "alone.h5").read_bytes(), (mpi, ranks)
            os.remove(cwd / "ranks.h5")


CASES = {
    "sample": (True, ["sample", *NOISY, "--samples", "70001", "--latents"]),
    "sample few": (True, ["sample", *NOISY, "--samples", "2"]),
    "predict": (True, ["predict", "{}/m.h5", "{}/d.h5"]),
    "predict by a table": (True, ["predict", "{}/t.h5", "{}/d.h5"]),
    "oracle": (True, ["oracle", *NOISY, "--samples", "40001", "--mask", "0.2"]),
    "oracle of a file": (True, ["oracle", "--data", "{}/d.h5", "--samples", "999", "--marginals"]),
    "eval": (False, ["eval", "{}/m.h5", "--test-samples", "200000"]),
    "eval of a file": (False, ["eval", "{}/m.h5", "--data", "{}/d.h5", "--test-samples", "69999"]),
    "eval of a table": (False, ["eval", "{}/t.h5", "--test-samples", "1"]),
}


@pytest.mark.parametrize("case", CASES)
def test_ranks_say_and_write_what_one_process_does(case, inputs, tmp_path):
    output, arguments = CASES[case]
    all_ways(len(case), *(word.format(inputs) for word in arguments), cwd=tmp_path, output=output)
    assert sorted(os.listdir(tmp_path)) == (["alone.h5"] if output else [])


LEARNERS = {
    "table": (2, ["--learner", "table", "--draw", "samples", "--samples", "20000", "--positions", "2"]),
    "table of its law": (2, ["--learner", "table", "--positions", "4"]),
    "tensor": (3, ["--learner", "tensor", "--draw", "samples", "--samples", "5000"]),
    "latent": (3, ["--learner", "latent"]),
    "latent with little memory": (3, ["--learner", "latent", "--samples", "800001", "--memory-limit", "16M"]),
    "one-step": (2, ["--learner", "one-step", "--draw", "samples", "--samples", "20000"]),
    "shallow": (2, ["--learner", "shallow", "--samples", "1000"]),
    "table of a file": (3, ["--data", "{}/d.h5", "--learner", "table"]),
    "latent of a file": (2, ["--data", "{}/d.h5", "--learner", "latent"]),
}


@pytest.mark.parametrize("case", LEARNERS)
def test_learners_that_count_share_their_samples(case, inputs, tmp_path):
    ranks, words = LEARNERS[case]
    instance = [] if "file" in case else INSTANCE
    command = ["train", *instance, "--test-samples", "200", *(word.format(inputs) for word in words)]
    alone = [line for line in run(*command, "--threads", 1, cwd=tmp_path).stdout.splitlines() if "accuracy" in line or "hash" in line]
    out, errors = on_ranks(THERE[len(case) % len(THERE)], ranks, *command, cwd=tmp_path)
    assert [line for line in out.splitlines() if "accuracy" in line or "hash" in line] == alone and alone, (out, errors)


@pytest.mark.parametrize("other, sentence", [
    (None, r"rank 1 \(.+\): m.h5: "), ("t.h5", r"m.h5 of rank 1 \(.+\) is not what it is for rank 0")])
def test_what_one_rank_cannot_read_is_said_with_its_name(other, sentence, inputs, tmp_path):
    """Ranks in other directories: one file is not there, or another one."""
    mpi = THERE[0]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(inputs / "d.h5", tmp_path / folder / "d.h5")
    (tmp_path / "a/m.h5").symlink_to(inputs / "m.h5")
    if other:
        (tmp_path / "b/m.h5").symlink_to(inputs / other)
    words = ["predict", "m.h5", "d.h5", "-o", str(tmp_path / "p.h5")]
    job = [*LAUNCHERS[mpi], "1", "-wdir", str(tmp_path / "a"), RHM, *words, ":", "-n", "1", "-wdir", str(tmp_path / "b"), RHM, *words]
    done = subprocess.run(job, cwd=tmp_path, env={**os.environ, **QUIET}, text=True, capture_output=True, timeout=60)
    assert done.returncode != 0 and done.stderr.count("rhm predict: ") == 1, done.stderr
    assert re.search(sentence, done.stderr), done.stderr
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("mpi", THERE)
def test_a_full_disk_of_rank_0_ends_all(mpi, inputs, tmp_path):
    _, errors = on_ranks(mpi, 2, "predict", str(inputs / "t.h5"), str(inputs / "d.h5"), "-o", "/dev/full", cwd=tmp_path, expect=1)
    assert errors.count("rhm predict: ") == 1 and "No space left" in errors, errors


@pytest.mark.parametrize("mpi", THERE)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_early_leaves_nothing_behind(mpi, how, tmp_path):
    """Ctrl-C of the job; the death of a rank."""
    name = f"sampling-{mpi}-{how}-{os.getpid()}"
    os.environ["RHM_TEST_JOB"] = name
    job = start(mpi, 2, "sample", *INSTANCE, "--samples", "3e8", "-o", "big.h5", cwd=tmp_path)
    wait_for(lambda: os.listdir(tmp_path), job)  # rank 0 writes when all have joined
    if how == signal.SIGKILL:
        os.kill(processes(name)[1], how)
    else:
        os.kill(job.pid, how)
    end_of(job, name)
    assert job.returncode != 0
    nobody_is_left(name)
    assert "big.h5" not in os.listdir(tmp_path)
    if how == signal.SIGINT and mpi == "mpich":  # Open MPI kills after a second who has not ended by then
        assert os.listdir(tmp_path) == []


GRID = "vocab=4,6; rules=2; levels=2..3; seed=1,2; learner=table; test-samples=100"
TABLES = ("table.csv", "table.h5", "levels.csv")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    run("sweep", "--grid", GRID, "-o", "alone", cwd=folder)
    return folder / "alone"


@pytest.mark.parametrize("mpi", THERE)
def test_cells_of_a_sweep_are_dealt_out_to_ranks(mpi, swept, tmp_path):
    ranks = 2 + THERE.index(mpi)
    out, errors = on_ranks(mpi, ranks, "sweep", "--grid", GRID, "--threads", "1", "-o", "ranks", cwd=tmp_path)
    assert "8 done" in out and f"with {ranks} cells at a time" in out, (out, errors)
    for name in TABLES:
        assert (tmp_path / "ranks" / name).read_bytes() == (swept / name).read_bytes(), name
    assert "8 of them before" in on_ranks(mpi, 2, "sweep", "--grid", GRID, "-o", "ranks", cwd=tmp_path)[0]


def test_thresholds_are_searched_for_by_ranks(tmp_path):
    words = ["sweep", "--grid", "vocab=4; rules=2; levels=2; learner=latent", "--find-threshold", "samples", "--trials", "2"]
    run(*words, "-o", "alone", cwd=tmp_path)
    on_ranks(THERE[-1], 3, *words, "-o", "ranks", cwd=tmp_path)
    for name in (*TABLES, "thresholds.csv", "curves.csv"):
        assert (tmp_path / "ranks" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def without_cells(pids):
    """Ranks: those whose parents are not of the same program, be it for the moment before they become another."""
    parents = {}
    for pid in pids:
        try:
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return [pid for pid in pids if pid in parents and parents[pid] not in pids]


@pytest.mark.parametrize("mpi", THERE)
def test_a_sweep_goes_on_after_the_death_of_a_rank(mpi, tmp_path):
    """No cell of a dead rank lives on either."""
    name = f"sweeping-{mpi}-{os.getpid()}"
    os.environ["RHM_TEST_JOB"] = name
    words = ["sweep", "--grid", GRID + " | vocab=8; rules=4; levels=8; seed=1; test-samples=100", "--progress", "off", "-o", "kept"]
    job = start(mpi, 2, *words, cwd=tmp_path)
    lines = tmp_path / "kept/cells.jsonl"
    wait_for(lambda: lines.exists() and (len(processes(name)) >= 4 and lines.stat().st_size > 0 or len(lines.read_text().splitlines()) == 8), job)
    os.kill(without_cells(processes(name))[1], signal.SIGKILL)
    end_of(job, name)
    assert job.returncode != 0
    nobody_is_left(name)
    done = len(lines.read_text().splitlines())
    assert f"8 done, {done} of them before" in run("sweep", "--grid", GRID, "-o", "kept", cwd=tmp_path).stdout


@pytest.mark.parametrize("rank", (0, 1))
def test_a_silent_rank_of_a_sweep_is_named(rank, tmp_path):
    """A cell takes as long as it takes, but the ranks say that they are alive."""
    mpi, name = THERE[rank % len(THERE)], f"silent-sweep-{rank}-{os.getpid()}"
    os.environ["RHM_TEST_JOB"] = name
    words = ["sweep", "--grid", "vocab=8; rules=4; levels=8; seed=1,2", "--progress", "off", "--rank-timeout", "3", "-o", "kept"]
    job = start(mpi, 2, *words, cwd=tmp_path)
    wait_for(lambda: len(processes(name)) >= 4, job)
    os.kill(without_cells(processes(name))[rank], signal.SIGSTOP)
    _, errors = job.communicate(timeout=90)
    assert job.returncode != 0 and re.search(rf"rhm sweep: rank {rank} \(.+\) has been silent for 3 seconds", errors), errors
    nobody_is_left(name)


@pytest.mark.parametrize("mpi", THERE)
def test_ranks_refuse_networks_whose_bits_depend_on_threads(mpi, tmp_path):
    if subprocess.run([RHM, "train", *NETWORK, "--backend", "onednn"], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("no oneDNN here")
    out, errors = on_ranks(mpi, 2, "train", *NETWORK, "--backend", "onednn", cwd=tmp_path, expect=2)
    assert (out + errors).count("backend onednn: ranks train a network with native only") == 1


@pytest.mark.parametrize("mpi", THERE)
def test_a_network_is_the_same_on_every_rank(mpi, tmp_path):
    alone = hash_of(run("train", *NETWORK, cwd=tmp_path).stdout)
    assert hash_of(on_ranks(mpi, 3, "train", *NETWORK, cwd=tmp_path)[0]) == alone


def test_what_only_rank_0_refuses_is_said_once(tmp_path):
    for mpi in THERE:
        _, errors = on_ranks(mpi, 2, "sweep", "--grid", "vocab=x", "-o", "s", cwd=tmp_path, expect=2)
        assert errors.count("rhm sweep: ") == 1 and "'x' is refused" in errors, errors
    assert os.listdir(tmp_path) == []
