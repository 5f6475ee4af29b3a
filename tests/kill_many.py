"""Kill a training with SIGKILL at random moments, resume it, and compare the model with the uninterrupted one's.

    RHM_COMMAND=build/release/bin/rhm python3 tests/kill_many.py --kills 50 [--seed S] [options of rhm train]

Each trial kills the run at one to three random moments, resuming in between with other threads and instruction sets,
and then lets it end. The options default to an instance of some seconds.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

INSTANCE = ["--vocab", "8", "--rules", "4", "--levels", "4", "--seed", "3"]
RUNNING = [["--threads", "2"], ["--threads", "1"], ["--threads", "1", "--isa", "scalar"], ["--threads", "2", "--isa", "avx2"]]


def model_hash(text):
    return re.search(r"^model hash +([0-9a-f]{64})$", text, re.M).group(1)


def train(command, *more):
    return subprocess.Popen([os.environ["RHM_COMMAND"], "train", *command, *more], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=600)
    if process.returncode != 0:
        raise AssertionError(f"exit {process.returncode}\n{out}\n{err}")
    return out, err


def reference(command):
    begin = time.monotonic()
    out, _ = finish(train(command))
    return model_hash(out), time.monotonic() - begin


def trial(command, directory, chance, seconds, kills, interval, running=RUNNING):
    """Kill `kills` times at moments up to `seconds`, then run to the end. (hash, kills that hit, seconds resumed after)"""
    keep = ["--checkpoint", directory, "--resume", "--checkpoint-seconds", str(interval)]
    hit = 0
    for _ in range(kills):
        process = train(command, *keep, *chance.choice(running))
        try:
            process.wait(chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            hit += 1
        process.communicate()
    out, err = finish(train(command, *keep, *chance.choice(running)))
    resumed = re.search(r"resumed from .* after ([0-9.]+) seconds", err)
    left = [name for name in os.listdir(directory) if name.endswith(".partial")]
    if left:
        raise AssertionError(f"left behind: {left}")
    return model_hash(out), hit, float(resumed.group(1)) if resumed else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between checkpoints")
    options, command = parser.parse_known_args()
    command = command or INSTANCE
    expected, seconds = reference(command)
    print(f"seed {options.seed}; uninterrupted: {seconds:.1f} s, {expected}", flush=True)
    chance = random.Random(options.seed)
    hits = trials = different = resumed = 0
    saved = []
    while hits < options.kills:
        with tempfile.TemporaryDirectory() as directory:
            found, hit, after = trial(command, directory, chance, seconds, chance.randint(1, 3), options.interval)
        hits, trials = hits + hit, trials + 1
        resumed += after > 0
        saved.append(after)
        if found != expected:
            different += 1
            print(f"trial {trials}: {found}", flush=True)
    print(f"{hits} kills in {trials} trials, {resumed} of which resumed from a checkpoint (after {sum(saved) / trials:.1f} s "
          f"of training in the mean): {different} models differ")
    return 1 if different else 0


if __name__ == "__main__":
    shutil.which(os.environ["RHM_COMMAND"]) or sys.exit("RHM_COMMAND must name the rhm binary")
    sys.exit(main())
