"""The whole job with scikit-learn's own parts: RBFSampler and Ridge, one pair per level, the chain between them in NumPy.

usage: sklearn_learner.py JOB.json

RBFSampler draws cos(w . h + b) with a random phase b, 2M of them for the M cosine and M sine features of the others: the same kernel.
Ridge minimises the sum over samples, so its alpha is N lambda. Features of a stage are in memory at once; its BLAS has all threads."""
from hierarchy import Clock, Peer, arguments, learn, read_job, stage

clock = Clock()
import numpy as np  # noqa: E402  imports are part of what is measured
import sklearn  # noqa: E402
from sklearn.kernel_approximation import RBFSampler  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402

clock.lap("import")
from numpy_learner import Generator, normalise  # noqa: E402


class Learner(Peer):
    library = np

    def __init__(self, job, options):
        self.job, self.layers = job, {}
        self.generator = Generator(job, np.random.default_rng(job["data_seed"]))

    def forward(self, level, h, chunk=4096):
        sampler, ridge = self.layers[level]
        out = np.empty((len(h), self.job["classes"]), np.float32)
        for first in range(0, len(h), chunk):
            out[first : first + chunk] = normalise(ridge.predict(sampler.transform(h[first : first + chunk])))
        return out

    def train_level(self, level):
        samples, bandwidth, ridge, _, _ = stage(self.job, level)
        labels, leaves = self.generator.first_patches(samples, level)
        h = self.embed(leaves, level)
        sampler = RBFSampler(gamma=1 / (2 * bandwidth**2), n_components=2 * self.job["width"], random_state=self.job["data_seed"] + level)
        x = sampler.fit(h[:1]).transform(h)
        # sqrt(2 / 2M) per component gives rows of length one, as cosines and sines over sqrt(M) do.
        model = Ridge(alpha=ridge * samples, fit_intercept=False, solver="cholesky", copy_X=False)
        model.fit(x, np.eye(self.job["classes"], dtype=np.float32)[labels])
        self.layers[level] = (sampler, model)
        return 1  # solved directly


def main():
    path, options = arguments(__doc__)
    learn(Learner, f"scikit-learn {sklearn.__version__}, numpy {np.__version__}", read_job(path), options, clock)


if __name__ == "__main__":
    main()
