"""The whole jobs that are profiled and compared, with everything fixed, so that every program does the same work.

The whole job is an instance on which nobody has an easy time: its samples are N^(l) = 32 |P_l| / rho^(l)^2, level by level, so that the
noise of a patch's output is a sixth of the distance between symbols (of sizes that are powers of two: 524288, 131072, 16384, 1024 for
rho = 1/16, 1/8, 0.354, 1.414). With them the accuracy is 1.0; a quarter of them loses it. Bandwidths and ridges are those that
`rhm train` chooses by itself, rounded. The small job takes longer to start than to run. The main job is the same instance with so many
samples, all drawn and counted, that one thread takes some 15 s: what is said of a machine should not be said of its start-up."""
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
    draw: str = "auto"

    def instance(self):
        return ["--vocab", self.vocab, "--rules", self.rules, "--branching", self.branching, "--levels", self.levels, "--seed", self.seed]

    def options(self):
        """Arguments of `rhm train`."""
        listed = lambda values: ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
        return [str(word) for word in [
            *self.instance(), "--samples", listed(self.samples), "--width", self.width, "--bandwidth", listed(self.bandwidths),
            "--ridge", listed(self.ridges), "--tolerance", f"{self.tolerance:g}", "--test-samples", self.test_samples,
            *(["--draw", self.draw] if self.draw != "auto" else [])]]

    def scaled(self, factor):
        """The same with fewer samples, for tests and trials."""
        fewer = lambda n: max(64, int(n * factor))
        return replace(self, samples=tuple(map(fewer, self.samples)), test_samples=fewer(self.test_samples))


JOBS = {job.name: job for job in (
    Job("whole", 16, 4, 2, 4, 1, (524288, 131072, 16384, 1024), 2048, (0.25, 0.054, 0.079, 0.225), (4.7e-6, 4.9e-4, 1.6e-3, 1.6e-3), 10000),
    Job("small", 8, 4, 2, 2, 1, (2048, 512), 512, (0.35, 0.2), (3e-3, 3e-3), 2000),
)}

# And those that only `rhm` can do.
PROFILED = {**JOBS, "main": Job("main", 16, 4, 2, 4, 1, (400000000, 40000000, 120000, 12000), 2048, (0.25, 0.054, 0.079, 0.225),
                                (4.7e-6, 4.9e-4, 1.6e-3, 1.6e-3), 10000, draw="samples")}
