"""What all peers share: the job, the arithmetic of its stages, and the answer that they print.

A peer is a script in an environment of its own: `PYTHON perf/peer/torch_learner.py JOB.json`. JOB.json has the rules of the grammar
and everything that is fixed (perf/peers.py writes it); the last line of standard output is a JSON object:
{"accuracy", "seconds": {"import", "prepare", "train", "test", "total"}, "levels": [{"level", "seconds", "iterations"}], "library",
"peak_rss_bytes"}.

Every peer computes what `rhm train` computes: at level l, N^(l) fresh samples, only the leaves under the first level-l patch of each,
pushed through the trained levels below; ridge regression of the one-hot label on 2M random Fourier features in single precision,
conjugate gradients to the same residual (or a dense solver); the argmax of the top output on fresh sequences."""
import json
import sys
import time

STARTED = time.perf_counter()


def read_job(path):
    with open(path) as file:
        job = json.load(file)
    job["classes"] = len(job["rules_by_level"][0])
    job["tokens"] = job["vocab"][-1]
    return job


def stage(job, level):
    """(samples, bandwidth, ridge, input width of one token, leaves of a first patch)."""
    at = job["levels"] - level
    embedding = job["tokens"] if level == job["levels"] else job["classes"]
    return job["samples"][at], job["bandwidths"][at], job["ridges"][at], embedding, job["branching"] ** (at + 1)


def conjugate_gradients(apply, target, ridge, tolerance, zeros, dot, most=2000):
    """(C + ridge I) w = target for every column at once; `apply` is C w, one pass over the data. `dot` sums by column.

    Works on arrays of NumPy and tensors of torch alike."""
    w = zeros
    residual = target - ridge * w
    direction = residual
    square = dot(residual, residual)
    goal = tolerance * tolerance * float(dot(target, target).sum())
    iterations = 0
    while float(square.sum()) > goal and iterations < most:
        image = apply(direction) + ridge * direction
        step = square / dot(direction, image).clip(1e-300)
        w = w + step * direction
        residual = residual - step * image
        last, square = square, dot(residual, residual)
        direction = residual + (square / last.clip(1e-300)) * direction
        iterations += 1
    return w, iterations


class Clock:
    def __init__(self):
        self.last = time.perf_counter()
        self.seconds = {}

    def lap(self, name):
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now


def peak_rss_bytes():
    """Of this program alone; getrusage's peak is that of the process that started us, too."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def answer(library, accuracy, clock, levels, **more):
    seconds = {**clock.seconds, "total": time.perf_counter() - STARTED}
    print(json.dumps({"library": library, "accuracy": accuracy, "seconds": seconds, "levels": levels,
                      "peak_rss_bytes": peak_rss_bytes(), **more}))


class Peer:
    """What the learners have in common; they train and push levels forward in the way of their `library`, NumPy or torch."""

    def embed(self, leaves, level):
        """Inputs of `level`: (count, s d_e). Samples come in blocks, so that the one-hot tokens of all leaves are never in memory together."""
        job, count = self.job, len(leaves)
        eye = self.library.eye(job["tokens"], dtype=self.library.float32)
        if level == job["levels"]:
            return eye[leaves].reshape(count, -1)
        out = self.library.empty((count, job["branching"] * job["classes"]), dtype=self.library.float32)
        block = max(1, (1 << 16) // leaves.shape[1])
        for first in range(0, count, block):
            part = leaves[first : first + block]
            h = eye[part.reshape(-1, job["branching"])].reshape(-1, job["branching"] * job["tokens"])
            for l in range(job["levels"], level, -1):
                h = self.forward(l, h).reshape(-1, job["branching"] * job["classes"])
            out[first : first + len(part)] = h
        return out

    def test(self):
        correct, left = 0, self.job["test_samples"]
        while left:
            count = min(left, 10000)
            labels, leaves = self.generator.first_patches(count, 1)
            correct += int((self.forward(1, self.embed(leaves, 1)).argmax(1) == labels).sum())
            left -= count
        return correct / self.job["test_samples"]


def learn(peer, library, job, options, clock):
    """The whole job, timed, and the answer."""
    learner, levels = peer(job, options), []
    clock.lap("prepare")
    for level in range(job["levels"], 0, -1):
        before = clock.seconds.get("train", 0.0)
        iterations = learner.train_level(level)
        clock.lap("train")
        levels.append({"level": level, "seconds": clock.seconds["train"] - before, "iterations": iterations})
    accuracy = learner.test()
    clock.lap("test")
    answer(library, accuracy, clock, levels)


def arguments(usage):
    if len(sys.argv) < 2:
        print(usage, file=sys.stderr)
        raise SystemExit(2)
    return sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:])
