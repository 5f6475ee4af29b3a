"""The whole jobs that are profiled and compared, with everything fixed, so that every program does the same work.

Samples, bandwidths and ridges are what `rhm train --samples auto` chose for the instance, rounded; with them the job reaches
accuracy 1.0 and not by much: a third of the samples at the lower levels loses it."""
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Job:
    """Lists are level L first."""
    name: str
    vocab: int
    rules: int
    branching: int
    levels: int
    seed: int
    samples: tuple
    width: int
    bandwidths: tuple
    ridges: tuple
    test_samples: int
    tolerance: float = 1e-4

    def instance(self):
        return ["--vocab", self.vocab, "--rules", self.rules, "--branching", self.branching, "--levels", self.levels, "--seed", self.seed]

    def options(self):
        """Arguments of `rhm train`."""
        listed = lambda values: ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        return [str(word) for word in [
            *self.instance(), "--samples", listed(self.samples), "--width", self.width, "--bandwidth", listed(self.bandwidths),
            "--ridge", listed(self.ridges), "--tolerance", f"{self.tolerance:g}", "--test-samples", self.test_samples]]

    def scaled(self, factor):
        """The same with fewer samples, for tests and trials."""
        fewer = lambda n: max(64, int(n * factor))
        return replace(self, samples=tuple(map(fewer, self.samples)), test_samples=fewer(self.test_samples))


JOBS = {job.name: job for job in (
    Job("whole", 16, 4, 2, 4, 1, (200000, 250000, 32768, 4096), 2048, (0.25, 0.054, 0.079, 0.225), (4.7e-6, 4.9e-4, 1.6e-3, 1.6e-3), 10000),
    Job("small", 8, 4, 2, 2, 1, (2048, 512), 512, (0.35, 0.2), (3e-3, 3e-3), 2000),
)}
