"""What measuring a row took of the machine beside its time: the share that went to the kernel, how often the processor was taken
away, and how fast that ran. A time without these cannot be told from a disturbed one."""
import statistics
from dataclasses import dataclass, field

from perf.harness import frequency
from perf.harness.session import unavailable

UNTOLD = "the program, an older one, does not say it"


@dataclass
class Effort:
    """Summed over what was run: anything with cpu_seconds, system_seconds (None: unknown), involuntary_switches and hertz."""
    cpu_seconds: float = 0.0
    system_seconds: float = 0.0
    involuntary_switches: int = 0
    known: bool = True
    hertz: list = field(default_factory=list)

    def add(self, run):
        self.cpu_seconds += run.cpu_seconds
        self.known = self.known and run.system_seconds is not None
        self.system_seconds += run.system_seconds or 0.0
        self.involuntary_switches += run.involuntary_switches
        if run.hertz:
            self.hertz.append(run.hertz)

    def record(self):
        share = self.system_seconds / self.cpu_seconds if self.known and self.cpu_seconds > 0 else None
        return {"system_share": round(share, 6) if share is not None else unavailable(UNTOLD if self.cpu_seconds else "it took no time"),
                "involuntary_switches": self.involuntary_switches,
                "effective_hertz": round(statistics.median(self.hertz)) if self.hertz else unavailable(frequency.UNKNOWN)}


def of_row(values, runs):
    """Of a row of a benchmark program: what the program says of each of its `values` (bench/program.h), or of older ones the processes."""
    told = [each for each in values if "involuntary_switches" in each]
    if not told or len(told) < len(values):
        return of(runs)
    hertz = [each["effective_hertz"] for each in told if each.get("effective_hertz")]
    return {"system_share": round(statistics.mean(each["system_share"] for each in told), 6),
            "involuntary_switches": round(sum(each["involuntary_switches"] for each in told)),
            "effective_hertz": round(statistics.median(hertz)) if hertz else unavailable(frequency.UNKNOWN)}


def of(runs):
    """The record of some runs, such as processes that ended."""
    total = Effort()
    for run in runs:
        total.add(run)
    return total.record()
