"""The whole job in PyTorch on the CPU, as a careful user would write it.

usage: torch_learner.py JOB.json [compile=0|1] [solver=cg|cholesky] [features=kept|recomputed] [chunk=N]

No autograd; chunks that stay in the caches; results into memory that exists where that helps; sampling by table look-up of rule
indices, level by level. Features of a stage are kept in memory and reused by every pass of the solver where they fit
(features=kept), or recomputed chunk by chunk. compile=1 compiles what is done with a chunk (torch.compile, fixed shapes)."""
from hierarchy import Clock, Peer, arguments, conjugate_gradients, learn, read_job, stage

clock = Clock()
import torch  # noqa: E402  its import is part of what is measured

clock.lap("import")


class Generator:
    """First patches of random hierarchies by index: a symbol becomes one of its m rules, a row of s symbols."""

    def __init__(self, job):
        self.branching, self.levels = job["branching"], job["levels"]
        self.tables = [torch.tensor(rules, dtype=torch.int32) for rules in job["rules_by_level"]]  # (V, m, s), level 1 first

    def first_patches(self, count, level):
        """Labels, and the leaves (count, s^(L-level+1)) under the first level-`level` patch."""
        labels = torch.randint(len(self.tables[0]), (count,))
        symbols = labels.view(-1, 1)
        for depth, table in enumerate(self.tables, 1):
            vocab, rules, branching = table.shape
            rows = torch.randint(rules, symbols.shape).add_(symbols, alpha=rules)
            symbols = table.view(-1, branching).index_select(0, rows.view(-1)).view(count, -1).long()
            if depth < level:  # only the first symbol's subtree is needed
                symbols = symbols[:, :1]
        return labels, symbols


class Layer:
    def __init__(self, frequencies, weights):
        self.frequencies = frequencies  # (s d_e, M)
        self.weights = weights  # (2M, classes), scaled

    def forward(self, h):
        z = h @ self.frequencies
        width = z.shape[1]
        y = z.cos() @ self.weights[:width]
        y.addmm_(z.sin_(), self.weights[width:])
        return normalise(y)


def normalise(y):
    total = y.sum(1, keepdim=True)
    return y / torch.where(total.abs() < 1e-3, torch.copysign(torch.full_like(total, 1e-3), total), total)


def features(h, frequencies):
    z = h @ frequencies
    return torch.cat([z.cos(), z.sin()], 1)


def chunk_step(h, frequencies, weights):
    """(X w)^T X of a chunk: in this order the long rows of X are read as they lie."""
    x = features(h, frequencies)
    return (x @ weights).t() @ x


def chunk_target(h, frequencies, labels):
    return labels.t() @ features(h, frequencies)


def forward_step(h, frequencies, weights):
    return normalise(features(h, frequencies) @ weights)


class Learner(Peer):
    library = torch

    def __init__(self, job, options):
        self.job, self.generator = job, Generator(job)
        self.compiled = options.get("compile") == "1"
        self.solver = options.get("solver", "cg")
        self.kept = options.get("features", "kept") == "kept"
        self.chunk = int(options.get("chunk", 1024))
        self.layers = {}
        self.step, self.target, self.push = chunk_step, chunk_target, forward_step
        if self.compiled:
            self.step, self.target, self.push = (torch.compile(f, dynamic=False) for f in (chunk_step, chunk_target, forward_step))

    def forward(self, level, h):
        """Chunks all of one length, the last one filled up, so that nothing is compiled twice."""
        layer, out = self.layers[level], torch.empty(len(h), self.job["classes"])
        for first in range(0, len(h), self.chunk):
            part = h[first : first + self.chunk]
            if not self.compiled:
                out[first : first + len(part)] = layer.forward(part)
            else:
                full = torch.nn.functional.pad(part, (0, 0, 0, self.chunk - len(part)))
                out[first : first + len(part)] = self.push(full, layer.frequencies, layer.weights)[: len(part)]
        return out

    def train_level(self, level):
        job = self.job
        samples, bandwidth, ridge, embedding, _ = stage(job, level)
        width = job["width"]
        labels, leaves = self.generator.first_patches(samples, level)
        h = self.embed(leaves, level)
        y = torch.nn.functional.one_hot(labels, job["classes"]).float()
        frequencies = torch.randn(job["branching"] * embedding, width) / bandwidth
        kept = self.kept and 8 * width * samples <= job["feature_bytes"]
        fit = self.fit_cholesky if self.solver == "cholesky" else self.fit_kept if kept else self.fit_recomputed
        weights, iterations = fit(h, y, frequencies, ridge)
        # Features are scaled by M^(-1/2) once, in the weights.
        self.layers[level] = Layer(frequencies, weights.float() * width**-0.5)
        return iterations

    def solve(self, apply, target, ridge):
        dot = lambda a, b: (a * b).sum(0)
        return conjugate_gradients(apply, target, ridge, self.job["tolerance"], torch.zeros_like(target), dot)

    def fit_kept(self, h, y, frequencies, ridge):
        count, width = len(h), frequencies.shape[1]
        x = torch.empty(count, 2 * width)
        for first in range(0, count, self.chunk):
            z = h[first : first + self.chunk] @ frequencies
            torch.cos(z, out=x[first : first + self.chunk, :width])
            torch.sin(z, out=x[first : first + self.chunk, width:])
        scale = 1.0 / (width * count)

        def apply(w):
            # A chunk is still in the cache when it is used the second time.
            w, total = w.float(), torch.zeros(y.shape[1], 2 * width)
            for first in range(0, count, self.chunk):
                part = x[first : first + self.chunk]
                total.addmm_((part @ w).t(), part)
            return total.t().double() * scale

        target = (y.t() @ x).t().double() * (width**-0.5 / count)
        return self.solve(apply, target, ridge)

    def fit_recomputed(self, h, y, frequencies, ridge):
        count, width = len(h), frequencies.shape[1]
        scale = 1.0 / (width * count)
        rest = -count % self.chunk if self.compiled else 0
        if rest:  # zero rows would still have cosines: they are given no label and taken out of the sum below
            h, y = torch.nn.functional.pad(h, (0, 0, 0, rest)), torch.nn.functional.pad(y, (0, 0, 0, rest))
        padding = torch.cat([torch.ones(width), torch.zeros(width)])  # the features of a zero row
        chunks = h.split(self.chunk)
        step = self.step if self.compiled else self.eager_step(width, y.shape[1])

        def apply(w):
            w, total = w.float(), torch.zeros(y.shape[1], 2 * width)
            for part in chunks:
                total += step(part, frequencies, w)
            if rest:
                total -= rest * torch.outer(padding @ w, padding)
            return total.t().double() * scale

        target = sum(self.target(part, frequencies, rows) for part, rows in zip(chunks, y.split(self.chunk)))
        return self.solve(apply, target.t().double() * (width**-0.5 / count), ridge)

    def eager_step(self, width, classes):
        """chunk_step into memory that exists already."""
        z, x = torch.empty(self.chunk, width), torch.empty(self.chunk, 2 * width)
        out, total = torch.empty(self.chunk, classes), torch.empty(classes, 2 * width)

        def step(h, frequencies, weights):
            n = len(h)
            torch.mm(h, frequencies, out=z[:n])
            torch.cos(z[:n], out=x[:n, :width])
            torch.sin(z[:n], out=x[:n, width:])
            torch.mm(x[:n], weights, out=out[:n])
            return torch.mm(out[:n].t(), x[:n], out=total)

        return step

    def fit_cholesky(self, h, y, frequencies, ridge):
        count, width = len(h), frequencies.shape[1]
        gram, target = torch.zeros(2 * width, 2 * width), torch.zeros(2 * width, y.shape[1])
        for first in range(0, count, 4096):
            x = features(h[first : first + 4096], frequencies)
            gram.addmm_(x.t(), x)
            target.addmm_(x.t(), y[first : first + 4096])
        gram = gram.double() / (width * count)
        gram.diagonal().add_(ridge)
        factor = torch.linalg.cholesky(gram)
        return torch.cholesky_solve(target.double() * (width**-0.5 / count), factor), 1


def main():
    path, options = arguments(__doc__)
    job = read_job(path)
    torch.set_num_threads(job["threads"])
    torch.manual_seed(job["data_seed"])
    with torch.inference_mode():
        learn(Learner, f"torch {torch.__version__}", job, options, clock)


if __name__ == "__main__":
    main()
