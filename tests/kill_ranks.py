"""Kill a random rank of a training at a random moment, resume it on another number of ranks, and compare the model.

    RHM_COMMAND=build/release/bin/rhm python3 tests/kill_ranks.py --kills 20 [--seed S] [--nodes] [options of rhm train]

Each trial must end with a status other than 0, leave no process behind, and end, resumed, with the model of a single
process. While the ranks are at work the launcher must also say that one of them was killed; while they start MPI, or
end it, launchers may fail in ways of their own. --nodes: on two nodes of two_nodes.py, as root. The options default to
an instance of some seconds.
"""
import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import two_nodes
from test_ranks import LAUNCHERS, QUIET, RHM, THERE, end_of, processes

INSTANCE = ["--vocab", "8", "--rules", "4", "--levels", "4", "--seed", "3", "--test-samples", "500"]


def model_hash(text):
    return re.search(r"^model hash +([0-9a-f]{64})$", text, re.M).group(1)


def words_for(launcher, mpi, ranks):
    """On two nodes the second has the half of them."""
    if launcher:
        return launcher(mpi, ranks - ranks // 2, ranks // 2)
    return [*(word for word in LAUNCHERS[mpi] if word != "--quiet"), str(ranks)]  # the launcher says that a rank was killed


def start(launcher, mpi, ranks, job, folder, command):
    keep = ["--progress", "off", "--checkpoint", "kept", "--resume", "--checkpoint-seconds", "0.05"]
    environment = {**os.environ, **QUIET, "RHM_TEST_JOB": job}
    return subprocess.Popen([*words_for(launcher, mpi, ranks), RHM, "train", *command, *keep], cwd=folder, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def wait_for_none(job, seconds=20):
    end = time.monotonic() + seconds
    while processes(job) and time.monotonic() < end:
        time.sleep(0.05)
    return processes(job)


# What a launcher says of a rank that was killed. MPICH's tells no ranks apart.
SAID = {"openmpi": r"process rank {} with PID .* exited on signal 9", "mpich": r"BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES"}


def all_there(job, name, ranks):
    while len(processes(name)) < ranks and job.poll() is None:
        time.sleep(0.02)


def at_work(job, folder):
    """Rank 0 makes the directory of its checkpoints when all ranks have joined."""
    while not (Path(folder) / "kept").exists() and job.poll() is None:
        time.sleep(0.005)


def trial(chance, number, command, seconds, launcher=None, joined=False):
    """(what was done, hash of the resumed model, what is wrong, whether the kill hit). joined: not before the ranks are at work."""
    mpi, ranks = chance.choice(THERE), chance.choice((2, 3, 4))
    again = chance.choice([count for count in (1, 2, 3, 4) if count != ranks])
    moment, victim, name = chance.uniform(0, seconds), chance.randrange(ranks), f"kill-{os.getpid()}-{number}"
    said = f"{mpi}: rank {victim} of {ranks} killed {moment:.2f} s after all were {'at work' if joined else 'there'}, resumed on {again}"
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        job = start(launcher, mpi, ranks, name, folder, command)
        all_there(job, name, ranks)
        if joined:
            at_work(job, folder)
        time.sleep(moment)
        working, there = (Path(folder) / "kept").exists(), processes(name)
        hit = job.poll() is None and len(there) == ranks
        if hit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(there[victim], signal.SIGKILL)
        said_last = end_of(job, name)
        locked = "the launcher was killed" in said_last
        if locked:
            said += ", mpirun locked up after its ranks had gone"
        if hit and (job.returncode == 0 or "model hash" in said_last):
            hit = False  # it was done but for the end
        left = wait_for_none(name)
        if left:
            wrong.append(f"left behind: {left}")
        one = launcher is None and again == 1
        words = [] if one else words_for(launcher, mpi, max(again, 2) if launcher else again)
        done = subprocess.run([*words, RHM, "train", *command, "--progress", "off", "--checkpoint", "kept", "--resume"], cwd=folder,
                              env={**os.environ, **QUIET, "RHM_TEST_JOB": name}, text=True, capture_output=True, timeout=600)
        if done.returncode:
            wrong.append(f"resuming ended with status {done.returncode}: {done.stderr[-300:]}")
            return said, None, wrong, hit
        if "resumed from kept" in done.stderr:
            said += ", from a checkpoint"
        ending = re.search(r"resumed from kept with all \d+ levels trained", done.stderr)
        said += "" if working else ", before they were at work"
        if hit and working and not ending and not locked and not re.search(SAID[mpi].format(victim), said_last):
            wrong.append(f"it ended without a word of rank {victim}, but with {said_last!r}")
        partial = [name for name in os.listdir(Path(folder) / "kept") if name.endswith(".partial")]
        if partial:
            wrong.append(f"left behind: {partial}")
        return said, model_hash(done.stdout), wrong, hit


def reference(command):
    begin = time.monotonic()
    done = subprocess.run([RHM, "train", *command, "--progress", "off"], text=True, capture_output=True, check=True, timeout=600)
    return model_hash(done.stdout), time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--nodes", action="store_true")
    options, command = parser.parse_known_args()
    command = command or INSTANCE
    expected, seconds = reference(command)
    print(f"seed {options.seed}; one process, uninterrupted: {seconds:.1f} s, {expected}", flush=True)
    chance, hits, trials, bad = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, two_nodes.two_nodes(Path(folder)) if options.nodes else contextlib.nullcontext() as launcher:
        while hits < options.kills:
            trials += 1
            said, found, wrong, hit = trial(chance, trials, command, seconds, launcher)
            hits += hit
            if found and found != expected:
                wrong.append(f"the model is {found}")
            bad += bool(wrong)
            print(f"{trials}: {said}{'' if hit else ' (too late)'}{''.join('; WRONG: ' + one for one in wrong)}", flush=True)
    print(f"{hits} kills in {trials} trials: {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    shutil.which(os.environ["RHM_COMMAND"]) or sys.exit("RHM_COMMAND must name the rhm binary")
    sys.exit(main())
