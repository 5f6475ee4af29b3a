"""Runs on one thread and on several in alternation, and whether what one thread foretells of several is what they take.

A processor is not equally fast all the time: in virtual machines it was seen to lose a third of its speed without losing time that anybody counts,
as if neighbours used the other hyperthread of its core. So each run of several threads stands between two of one thread, and is compared with
what those two alone foretell, without the least of many; a median over such comparisons, with a sign interval, is the result. It has two
factors: what the schedule foretells if chunks had taken what they took with several threads, which a change of speed touches only by what one
thread does alone, and how much more they took. Runs of which the host or other programs took more than a little are left out, counted and repeated."""
import math
import os
from dataclasses import dataclass

from perf.harness import host, statistics
from perf.harness.session import is_available

MOST_ROUNDS = 2     # for every run that is wanted, until so many were quiet
MOST_TAKEN = 0.02  # of the time of a run's threads, by others
ALPHA = 0.05

WITHIN, BEYOND, OPEN, UNJUDGED = "within", "not within", "not decided", "not judged"


@dataclass
class Timed:
    """A run that was traced: seconds by the clock, and what went to others meanwhile, as a share of the time of its threads."""
    trace: dict
    seconds: float
    stolen: float = None  # by the host; None: not known
    others: float = None  # by other programs

    @property
    def quiet(self):
        return (self.stolen or 0) + (self.others or 0) <= MOST_TAKEN


def seconds_of(trace):
    return next(total["seconds"] for total in trace["otherData"]["totals"] if total["name"] == "run")


def own_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def watched(run, threads):
    """Timed, of run() -> trace."""
    before, own = host.counters(), own_seconds()
    trace = run()
    after, own = host.counters(), own_seconds() - own
    grown = host.change(before, after)
    known = is_available(grown["busy_seconds"]) and is_available(grown["steal_seconds"])
    seconds = seconds_of(trace)
    share = lambda taken: max(0.0, taken) / (seconds * threads)
    return Timed(trace, seconds, *((share(grown["steal_seconds"]), share(grown["busy_seconds"] - own)) if known else ()))


@dataclass
class Comparison:
    verdict: str
    pairs: int               # that were compared
    left_out: int
    off: float = None        # median of predicted / measured - 1
    interval: tuple = None   # of it; 95 % if comparisons were independent, which share runs of one thread
    schedule: tuple = None   # likewise (median, low, high), predicted with the chunks' times of several threads
    slower: float = None     # median of how much more of a processor chunks take with several threads
    predicted: float = None  # seconds, medians
    measured: float = None


def pairs(alone, together):
    """[(run of one thread before, run of several, run of one thread after)] of [1, N, 1, N, ..., 1] in which all three were quiet."""
    triples = zip(alone, together, alone[1:])
    return [triple for triple in triples if all(run.quiet for run in triple)]


def enough(alone, together, wanted):
    return len(pairs(alone, together)) >= wanted or len(together) >= MOST_ROUNDS * wanted


def work_of(trace):
    """Seconds of a processor that chunks took."""
    return 1e-6 * math.fsum(loop["sum_us"] for loop in trace["loops"])


def compare(alone, together, foretell, tolerance):
    """`foretell(trace, slower)`: seconds with N threads, of a trace of one, whose chunks take `slower` times as long."""
    compared = pairs(alone, together)
    ratios, schedules, slower, predicted = [], [], [], []
    for before, run, after in compared:
        work = math.sqrt(work_of(before.trace) * work_of(after.trace))
        slower.append(work_of(run.trace) / work)
        mean = lambda scale: math.sqrt(math.prod(foretell(one.trace, scale(one)) for one in (before, after)))
        predicted.append(mean(lambda one: 1.0))
        ratios.append(math.log(predicted[-1] / run.seconds))
        schedules.append(math.log(mean(lambda one: work_of(run.trace) / work_of(one.trace)) / run.seconds))
    left_out = len(together) - len(compared)
    if len(ratios) < least_pairs():
        return Comparison(UNJUDGED, len(ratios), left_out)
    off, low, high = middle_of(ratios)
    verdict = WITHIN if -tolerance <= low and high <= tolerance else BEYOND if low > tolerance or high < -tolerance else OPEN
    return Comparison(verdict, len(ratios), left_out, off, (low, high), middle_of(schedules), statistics.median(slower) - 1,
                      statistics.median(predicted), statistics.median([run.seconds for _, run, _ in compared]))


def middle_of(logarithms):
    """(median, low, high) of ratios - 1."""
    low, high, _ = statistics.sign_interval(logarithms, ALPHA)
    return tuple(map(math.expm1, (statistics.median(logarithms), low, high)))


def least_pairs():
    """Fewer leave no interval."""
    return statistics.blocks_needed(1, ALPHA)


def sentence(check, tolerance):
    """Of the record of a comparison in a result."""
    taken = f"{check['left_out']} of {check['pairs'] + check['left_out']} comparisons were left out: of one of their three runs the host or other programs took " \
            f"more than {MOST_TAKEN:.0%}"
    if check["verdict"] == UNJUDGED:
        return f"not judged: {taken}" if check["left_out"] else f"not judged: {check['pairs']} comparisons are too few, {least_pairs()} are needed"
    more = {OPEN: "; more --runs may decide"}.get(check["verdict"], "") + (f"; {taken}" if check["left_out"] else "")
    shown = lambda off, low, high: f"{off:+.1%} ({low:+.1%} to {high:+.1%})"
    return (f"off by {shown(check['off'], *check['interval'])} in {check['pairs']} comparisons: {check['verdict']} {tolerance:g} %{more}\n"
            f"by the schedule: {shown(*check['schedule'])}; chunks took {check['slower']:+.1%} processor time with {check['threads']} threads, against one")
