"""Short forms of what takes long: ranks killed at random moments (tests/kill_ranks.py), two nodes, slow messages."""
import json
import os
import random
import subprocess

import pytest

import kill_ranks
import two_nodes
from command_tools import RHM, run
from test_ranks import LAUNCHERS, MODULES, QUIET, SMALL, THERE, hash_of, pytestmark  # noqa: F401

KILLED = ["--vocab", "8", "--rules", "4", "--levels", "3", "--seed", "3", "--test-samples", "100"]


@pytest.mark.parametrize("joined, seed", ((False, 16), (True, 22)))
def test_ranks_killed_at_random_moments(joined, seed):
    """While they start; while they work. The moments follow the machine's clock, what is asked of the job does not."""
    expected, seconds = kill_ranks.reference(KILLED)
    said, found, wrong, _ = kill_ranks.trial(random.Random(seed), seed, KILLED, seconds / 2 if joined else 0.1, joined=joined)
    assert not wrong and found == expected, (said, wrong)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    reason = two_nodes.why_not()
    if reason:
        pytest.skip(reason)
    with two_nodes.two_nodes(tmp_path_factory.mktemp("nodes")) as launcher:
        yield launcher


@pytest.mark.parametrize("mpi", THERE)
def test_two_nodes_train_the_same_model(mpi, nodes, tmp_path):
    alone = hash_of(run("train", *SMALL, cwd=tmp_path).stdout)
    ranks = (2, 1) if mpi == THERE[0] else (1, 1)
    words = [*nodes(mpi, *ranks), RHM, "train", *SMALL, "--report", "r.json", "--ceilings", "off"]
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **QUIET, "RHM_TEST_JOB": mpi}, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert hash_of(done.stdout) == alone
    there = json.loads((tmp_path / "r.json").read_text())["machine"]["ranks"]
    names = [one["node"] for one in there]
    assert len(set(names)) == 2 and len(names) == sum(ranks) and names[0] != names[-1]
    assert [one["node_first"] for one in there] == [0] * ranks[0] + [ranks[0]] * ranks[1], "to MPI they are two"
    assert {one["machine_first"] for one in there} == {0} and "though their host names differ and MPI takes them for two nodes" in done.stderr
    cores = len(os.sched_getaffinity(0))
    assert len({one["cpus"] for one in there}) == min(cores, sum(ranks)), "no core is used twice as long as there are others"
    assert sum(one["threads"] for one in there) == max(cores, sum(ranks))


@pytest.mark.skipif(two_nodes.why_not() is not None, reason="host names of one's own need root")
@pytest.mark.parametrize("mpi", THERE)
def test_ranks_with_other_host_names_divide_the_cores_of_a_machine(mpi, tmp_path):
    """As containers do that mpirun starts on one machine."""
    words = lambda name: ["-n", "1", "unshare", "-u", "sh", "-c", f'hostname {name}; exec "$@"', "sh", RHM, "train", *SMALL, "--report", "r.json", "--ceilings", "off"]
    done = subprocess.run([*LAUNCHERS[mpi][:-1], *words("one"), ":", *words("other")], cwd=tmp_path, env={**os.environ, **QUIET}, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "note: ranks 0 (one) and 1 (other) run under one kernel, though their host names differ: they divide" in done.stderr
    there = json.loads((tmp_path / "r.json").read_text())["machine"]["ranks"]
    assert [one["node"] for one in there] == ["one", "other"] and [one["machine_first"] for one in there] == [0, 0]
    assert sum(one["threads"] for one in there) == max(2, len(os.sched_getaffinity(0)))


def slow(ranks, latency_us, cwd):
    """The report of a training whose messages take so long each, in the module that tests have for that."""
    mpi = THERE[0]
    words = [*LAUNCHERS[mpi], str(ranks), RHM, "train", *SMALL, "--samples", "1000", "--width", "64", "--report", "slow.json", "--ceilings", "off"]
    delay = {"RHM_MODULES": str(MODULES.parent / "delayed"), "RHM_TEST_LATENCY_US": str(latency_us)}
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **QUIET, **delay}, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads((cwd / "slow.json").read_text())
    return report["model_hash"], report["machine"]["ranks"]


@pytest.mark.skipif(not (MODULES.parent / "delayed").exists(), reason="built without tests: no module with slow messages")
def test_slow_messages_take_no_less_than_their_latency(tmp_path):
    quick, slowly = slow(2, 0, tmp_path), slow(2, 500, tmp_path)
    assert quick[0] == slowly[0]
    for kind in ("gather", "reduce", "broadcast"):
        for before, now in zip(quick[1], slowly[1]):
            before, now = before["messages"][kind], now["messages"][kind]
            assert (before["sent"], before["sent_bytes"], before["received"]) == (now["sent"], now["sent_bytes"], now["received"])
    # Sum after sum goes up to rank 0 and back to rank 1, which goes on when it has it: no two of them at a time.
    one = slowly[1][1]["messages"]
    assert one["reduce"]["seconds"] + one["broadcast"]["seconds"] + one["gather"]["seconds"] >= 500e-6 * one["broadcast"]["received"]
