"""Trainings that are killed, told to stop, or run out of disk, and then resumed. tests/kill_many.py does more of the first."""
import json
import os
import random
import resource
import signal
import subprocess
import time

import pytest

import kill_many
from command_tools import RHM, refused, rows, run, worked

COMMAND = ["--vocab", "8", "--rules", "4", "--levels", "3", "--seed", "1", "--max-width", "2048", "--test-samples", "1000"]
KEEP = ["--checkpoint", "kept", "--checkpoint-seconds", "0.01"]


@pytest.fixture
def here(tmp_path):
    return tmp_path


@pytest.fixture(scope="module")
def expected():
    """Hash, seconds, and seconds of processors, of a training that nobody interrupts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = kill_many.reference(COMMAND)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (*found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def start(here, *more):
    return subprocess.Popen([RHM, "train", *COMMAND, *KEEP, *more], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def checkpoints(directory):
    return sorted(name for name in os.listdir(directory) if name.startswith("checkpoint-")) if directory.exists() else []


def wait_for(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)


def resumed(here, *more):
    """The hash of the resumed run, which must have found a checkpoint."""
    done = run("train", *COMMAND, *KEEP, "--resume", *more, cwd=here)
    assert "resumed from kept" in done.stderr
    return kill_many.model_hash(done.stdout)


def test_killed_at_random_moments(here, expected):
    seed = 20260131
    print("seed", seed)
    chance = random.Random(seed)
    for i in range(3):
        found, _, _ = kill_many.trial(COMMAND, str(here / f"kept{i}"), chance, expected[1], 2, 0.02)
        assert found == expected[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_writes_a_last_checkpoint(here, expected, number):
    # So rarely that inside a level only the signal writes one.
    process = subprocess.Popen([RHM, "train", *COMMAND, "--checkpoint", "kept"], cwd=here, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))  # ignored signals stay ignored
    wait_for(lambda: (here / "kept").exists() and worked(process) > expected[2] / 8, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    finished = rows(out)
    assert process.returncode == 130 and "test accuracy" not in out
    assert finished == [3, 2, 1][:len(finished)] and (finished or out == "")
    assert err == f"rhm train: interrupted by signal {int(number)}; the same command with --resume goes on from kept\n"
    assert len(checkpoints(here / "kept")) in (1, 2)
    assert resumed(here) == expected[0]


def test_resumed_on_another_machine(here, expected):
    process = start(here, "--threads", "2")
    wait_for(lambda: len(checkpoints(here / "kept")) == 2, process)
    process.kill()
    process.communicate()
    assert resumed(here, "--threads", "1", "--isa", "scalar", "--report", "r.json", "-o", "m.h5") == expected[0]
    report = json.loads((here / "r.json").read_text())
    assert report["model_hash"] == expected[0]
    kept = report["checkpoint"]
    assert kept["resumed"] and kept["resumed_seconds"] > 0 and kept["directory"] == "kept"
    assert kept["failed"] == 0 and kept["failure"] is None and kept["written"] > 0 and kept["bytes"] > 1000
    assert report["seconds"] > kept["resumed_seconds"]
    # What has ended is not trained again.
    again = run("train", *COMMAND, "--checkpoint", "kept", "--resume", cwd=here)
    assert kill_many.model_hash(again.stdout) == expected[0] and "all 3 levels trained" in again.stderr


def fill(directory, process):
    """Until nothing fits any more, not even in place of what the process was writing."""
    writing = True
    with open(directory / "filler", "ab", buffering=0) as filler:
        while writing:
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.02)
            with pytest.raises(OSError):
                while True:
                    filler.write(bytes(4096))
            writing = any(name.endswith(".partial") for name in os.listdir(directory))
            process.send_signal(signal.SIGCONT)
            time.sleep(0.02)


def test_a_full_disk(here, expected):
    """5 MiB that fill up: the training goes on; after space was made the checkpoint before is resumed."""
    kept = here / "kept"
    kept.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "none", str(kept)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("a file system of its own cannot be mounted here: " + mounted.stderr.strip())
    try:
        with open(here / "err.txt", "w") as err:
            process = subprocess.Popen([RHM, "train", *COMMAND, *KEEP], cwd=here, stdout=subprocess.PIPE, stderr=err)
        wait_for(lambda: checkpoints(kept), process)
        fill(kept, process)
        whole = {name: (kept / name).read_bytes() for name in checkpoints(kept)}
        assert whole
        wait_for(lambda: "no checkpoint could be written; those before are intact, and training goes on"
                 in (here / "err.txt").read_text(), process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert {name: (kept / name).read_bytes() for name in checkpoints(kept)} == whole
        assert not [name for name in os.listdir(kept) if name.endswith(".partial")]
        # A run on the full disk comes to its end too, and says what it could not do.
        done = run("train", *COMMAND, *KEEP, "--resume", "--report", "r.json", cwd=here)
        assert kill_many.model_hash(done.stdout) == expected[0]
        report = json.loads((here / "r.json").read_text())["checkpoint"]
        assert report["written"] == 0 and report["failed"] > 0
        assert "left" in report["failure"] or "No space" in report["failure"]
        assert {name: (kept / name).read_bytes() for name in checkpoints(kept)} == whole
        (kept / "filler").unlink()
        assert resumed(here) == expected[0]
    finally:
        subprocess.run(["umount", "-l", str(kept)], check=True)


def test_what_is_refused(here):
    (here / "file").write_text("")
    refused("train", *COMMAND, "--resume", cwd=here, says=["--checkpoint DIR"])
    refused("train", *COMMAND, "--checkpoint-seconds", "5", cwd=here, says=["--checkpoint DIR"])
    refused("train", *COMMAND, "--checkpoint", "kept", "--checkpoint-seconds", "0", cwd=here, says=["greater than 0"])
    refused("train", *COMMAND, "--checkpoint", "file", cwd=here, expect=1, says=["file", "Not a directory"])
    refused("train", *COMMAND, "--checkpoint", "no/where", cwd=here, expect=1, says=["no/where", "No such file"])


def test_another_training_is_refused_by_name(here):
    quick = ["--vocab", "8", "--levels", "2", "--samples", "2000", "--width", "64", "--test-samples", "100"]
    run("train", *quick, "--checkpoint", "kept", cwd=here)
    refused("train", *quick, "--checkpoint", "kept", cwd=here, says=["kept", "already", "resume"])
    for other, says in [(["--seed", "2"], ["seed is 1 there and 2 here"]),
                        (["--solver", "gd"], ["solver is cg there and gd here"]),
                        (["--backend", "auto"], ["backend is native there and auto here"])]:
        refused("train", *quick, *other, "--checkpoint", "kept", "--resume", cwd=here, says=says)
    refused("inspect", "kept/" + checkpoints(here / "kept")[0], cwd=here, says=["--resume"])
    changed = [word if word != "64" else "65" for word in quick]
    refused("train", *changed, "--checkpoint", "kept", "--resume", cwd=here, says=["width is 64 there and 65 here"])
