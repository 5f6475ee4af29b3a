"""The whole job in NumPy, as a careful user would write it: chunks on a pool of threads, each with a single-threaded BLAS.

usage: numpy_learner.py JOB.json [features=kept|recomputed] [chunk=N]

The environment variables OPENBLAS_NUM_THREADS and its kin must be 1 (perf/peers.py sets them): NumPy's cosines run on one thread, so
it is the chunks that are dealt to threads."""
from hierarchy import Clock, Peer, arguments, conjugate_gradients, learn, read_job, stage

clock = Clock()
import numpy as np  # noqa: E402  its import is part of what is measured

clock.lap("import")
from concurrent.futures import ThreadPoolExecutor  # noqa: E402


class Generator:
    def __init__(self, job, random):
        self.random = random
        self.tables = [np.array(rules, dtype=np.uint16) for rules in job["rules_by_level"]]

    def first_patches(self, count, level):
        labels = self.random.integers(len(self.tables[0]), size=count)
        symbols = labels.reshape(-1, 1)
        for depth, table in enumerate(self.tables, 1):
            symbols = table[symbols, self.random.integers(table.shape[1], size=symbols.shape)].reshape(count, -1)
            if depth < level:
                symbols = symbols[:, :1]
        return labels, symbols


def features(h, frequencies):
    z = h @ frequencies
    width = z.shape[1]
    x = np.empty((len(z), 2 * width), np.float32)
    np.cos(z, out=x[:, :width])
    np.sin(z, out=x[:, width:])
    return x


def normalise(y):
    total = y.sum(1, keepdims=True)
    return y / np.where(np.abs(total) < 1e-3, np.copysign(np.float32(1e-3), total), total)


class Learner(Peer):
    library = np

    def __init__(self, job, options):
        self.job = job
        self.random = np.random.default_rng(job["data_seed"])
        self.generator = Generator(job, self.random)
        self.kept = options.get("features", "kept") == "kept"
        self.chunk = int(options.get("chunk", 512))
        self.pool = ThreadPoolExecutor(job["threads"])
        self.layers = {}

    def over_chunks(self, count, body):
        return self.pool.map(body, range(0, count, self.chunk))

    def forward(self, level, h):
        frequencies, weights = self.layers[level]
        out = np.empty((len(h), self.job["classes"]), np.float32)

        def body(first):
            out[first : first + self.chunk] = normalise(features(h[first : first + self.chunk], frequencies) @ weights)

        list(self.over_chunks(len(h), body))
        return out

    def train_level(self, level):
        job = self.job
        samples, bandwidth, ridge, embedding, _ = stage(job, level)
        width = job["width"]
        labels, leaves = self.generator.first_patches(samples, level)
        h = self.embed(leaves, level)
        y = np.eye(job["classes"], dtype=np.float32)[labels]
        frequencies = (self.random.standard_normal((job["branching"] * embedding, width)) / bandwidth).astype(np.float32)
        keep = self.kept and 8 * width * samples <= job["feature_bytes"]
        kept = np.empty((samples, 2 * width), np.float32) if keep else None
        threads = job["threads"]

        def rows(first):
            if kept is not None:
                return kept[first : first + self.chunk]
            return features(h[first : first + self.chunk], frequencies)

        if kept is not None:

            def fill(first):
                kept[first : first + self.chunk] = features(h[first : first + self.chunk], frequencies)

            list(self.over_chunks(samples, fill))

        def total(of_rows):
            """Sum over chunks; each thread has its own, so that the large partial sums are few."""

            def share(thread):
                own = np.zeros((job["classes"], 2 * width), np.float32)
                for first in range(thread * self.chunk, samples, threads * self.chunk):
                    x = rows(first)
                    own += of_rows(x, first).T @ x  # the long rows of x are read as they lie
                return own.T

            return sum(part.astype(np.float64) for part in self.pool.map(share, range(threads)))

        def apply(w):
            w = w.astype(np.float32)
            return total(lambda x, first: x @ w) / (width * samples)

        target = total(lambda x, first: y[first : first + self.chunk]) * (width**-0.5 / samples)
        weights, iterations = conjugate_gradients(apply, target, ridge, job["tolerance"], np.zeros_like(target), lambda a, b: (a * b).sum(0))
        self.layers[level] = (frequencies, (weights * width**-0.5).astype(np.float32))
        return iterations


def main():
    path, options = arguments(__doc__)
    learn(Learner, f"numpy {np.__version__}", read_job(path), options, clock)


if __name__ == "__main__":
    main()
