"""Laws of scaling: speed-up, efficiency, Karp-Flatt, the Universal Scalability Law, knees.

Rates come from rounds that measured every thread count once, so that ratios are taken within a round, where neighbours and
clock frequency were the same; medians and intervals are over rounds."""
import math

import numpy as np
from scipy.optimize import nnls

from perf.harness import statistics

CONFIDENCE = 0.95


def median_interval(values, confidence=CONFIDENCE):
    """Median with the order-statistics interval that holds it whatever the distribution:
    {"value", "low", "high", "coverage"}; low and high are None when there are too few values for the confidence."""
    values = [float(value) for value in values]
    low, high, coverage = statistics.sign_interval(values, 1 - confidence) or (None, None, None)
    return {"value": statistics.median(values), "low": low, "high": high, "coverage": coverage, "count": len(values)}


def mapped(interval, function):
    """The interval of a monotonic function of a quantity."""
    ends = [None if interval[key] is None else function(interval[key]) for key in ("low", "high")]
    low, high = ends if None in ends else sorted(ends)
    return {**interval, "value": function(interval["value"]), "low": low, "high": high}


def speed_up(rates, base):
    """Rates of a point over those of one thread, round by round."""
    return median_interval([rate / one for rate, one in zip(rates, base)])


def valid_speed_up(samples, base):
    """The same of samples with a `rate` and a `reason` ("" where they are valid), over the rounds in which both are valid; None where there
    is no such round."""
    pairs = [(one.rate, other.rate) for one, other in zip(samples, base) if not one.reason and not other.reason]
    return speed_up(*zip(*pairs)) if pairs else None


def best_speed_up(samples, base):
    """Of the best valid rates of both, or None. On a machine with neighbours, who take time and never give any: what was reached at least
    once."""
    best = lambda listed: max((one.rate for one in listed if not one.reason), default=None)
    return best(samples) / best(base) if best(samples) and best(base) else None


def of_samples(samples, base, workers):
    """What a row says of samples with a `rate` and a `reason`: these, whether most of them are valid, speed-ups over those of `base`, and the
    efficiency of so many workers."""
    valid, none = sum(not sample.reason for sample in samples), {"unavailable": "no round measured it and its base validly"}
    speed = valid_speed_up(samples, base)
    row = {"rates": [sample.rate for sample in samples], "reasons": [sample.reason for sample in samples], "valid": 2 * valid > len(samples),
           "speed_up": speed or none, "best_speed_up": best_speed_up(samples, base) or none,
           "efficiency": mapped(speed, lambda s: s / workers) if speed else none}
    if not row["valid"]:
        row["reason"] = f"{len(samples) - valid} of {len(samples)} measurements are invalid: {next(filter(None, row['reasons']))}"
    return row


def karp_flatt(speed, threads):
    """The serial share that would explain the speed-up; rising with threads it is overhead, constant it is serial work.
    Negative where the speed-up is more than ideal, which caches can do."""
    return (1 / speed - 1 / threads) / (1 - 1 / threads)


def usl(threads, rate_of_one, contention, coherence):
    n = np.asarray(threads, float)
    return rate_of_one * n / (1 + contention * (n - 1) + coherence * n * (n - 1))


def fit_usl_once(threads, rates):
    """(rate of one thread, contention, coherence) that minimise the relative squared error, none of them negative.

    n/X = a + b (n-1) + c n (n-1) is linear: with a = 1/rate, b = contention/rate, c = coherence/rate the optimum is global."""
    n, x = np.asarray(threads, float), np.asarray(rates, float)
    y = n / x
    matrix = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)
    (a, b, c), _ = nnls(matrix / y[:, None], np.ones_like(y))
    if a <= 0:
        raise ValueError("no positive rate of one thread fits")
    return 1 / a, b / a, c / a


def fit_usl(threads, rounds):
    """Fit to each round by itself; medians and intervals over the rounds.

    `rounds` holds one sequence of rates per round, in the order of `threads`. What the points cannot tell is
    {"unavailable": reason}: three parameters need four thread counts, an interval six rounds, and a peak needs a coherence
    cost that is not zero and lies within four times the threads that were measured."""
    distinct = len(set(threads))
    if distinct < 4:
        return {"unavailable": f"not identifiable: the law has three parameters, and {distinct} thread "
                               f"count{'s' if distinct > 1 else ''} cannot test it"}
    fits = []
    for rates in rounds:
        try:
            fits.append(fit_usl_once(threads, rates))
        except ValueError:
            continue
    if not fits:
        return {"unavailable": "not identifiable: the law fits no round"}
    rate, contention, coherence = (median_interval(column) for column in zip(*fits))
    middle = np.median(np.asarray(rounds, float), axis=0)
    # One curve for the picture: the fit to the medians, since medians of parameters need not make a curve.
    curve = fit_usl_once(threads, middle)
    misfit = float(np.sqrt(np.mean((usl(threads, *curve) / middle - 1) ** 2)))
    result = {"threads": list(threads), "rate_of_one": rate, "contention": contention, "coherence": coherence, "relative_misfit": misfit,
              "curve": dict(zip(("rate_of_one", "contention", "coherence"), map(float, curve)))}
    most = max(threads)
    peaks = [math.sqrt(max(0.0, 1 - b) / c) if c > 0 else math.inf for _, b, c in fits]
    if coherence["low"] is None:
        result["peak_threads"] = {"unavailable": f"not identifiable: {len(fits)} rounds are too few for an interval, take 6 or more"}
    elif coherence["low"] <= 0:
        result["peak_threads"] = {"unavailable": "not identifiable: the coherence cost cannot be told from zero"}
    elif median_interval(peaks)["high"] > 4 * most:
        result["peak_threads"] = {"unavailable": f"not identifiable: beyond four times the {most} threads that were measured"}
    else:
        result["peak_threads"] = median_interval(peaks)
    if misfit > 0.1:
        result["warning"] = f"the law misses the points by {misfit:.0%}: read the points, not the law"
    return result


def find_knee(threads, speed_ups):
    """Where adding threads suddenly pays less: the thread count after which the gain per thread falls the most, by at least
    a third, and intervals of speed-ups cannot explain it away. {"threads", "before", "after"}, None when there is none.

    `speed_ups` are intervals as of median_interval()."""
    knee = None
    for i in range(1, len(threads) - 1):
        left, here, right = speed_ups[i - 1], speed_ups[i], speed_ups[i + 1]
        before = (here["value"] - left["value"]) / (threads[i] - threads[i - 1])
        after = (right["value"] - here["value"]) / (threads[i + 1] - threads[i])
        pessimist, optimist = before, after
        if None not in (here["low"], left["high"], right["high"]):
            pessimist = (here["low"] - left["value"]) / (threads[i] - threads[i - 1])
            optimist = (right["high"] - here["value"]) / (threads[i + 1] - threads[i])
        if before > 0 and after < 2 / 3 * before and optimist < pessimist:
            if knee is None or after / before < knee["after"] / knee["before"]:
                knee = {"threads": threads[i], "before": before, "after": after}
    return knee
