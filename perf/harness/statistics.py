"""Statistics for ratios that were measured in pairs on a machine that is not ours alone.

Noise there has heavy tails, drifts, and is of no known law; what pairs leave over has a median, and a sign test asks for no more
than that. Everything here is exact or says what it assumes; tests/test_perf_statistics.py measures coverage, false alarms and
power."""
import math
from statistics import median  # noqa: F401, one of those in here


def undisturbed(passes):
    """Seconds of a pass that nobody disturbed: the least of an arm's passes in a block.

    A neighbour takes time slices, cache lines and clock frequency away and never gives any, so that what the code itself costs is
    at the lower end. On a machine with five processes per CPU the least of 24 passes varied by 2 to 4 % from block to block, their
    median by 4 to 9 %. All arms have equally many passes, so none has more luck. What this cannot see is a slow-down of a few
    passes only; the rows of whole jobs can."""
    return min(passes)


def binomial_at_most(k, n):
    """P(X <= k) for n fair coins, exactly."""
    return sum(math.comb(n, i) for i in range(0, min(k, n) + 1)) / 2**n if k >= 0 else 0.0


def p_above(values, threshold):
    """Sign test of "the median is at most threshold" against "it is above". A value on the threshold counts as not above."""
    above = sum(value > threshold for value in values)
    return 1 - binomial_at_most(above - 1, len(values))


def p_below(values, threshold):
    return p_above([-value for value in values], -threshold)


def sign_interval(values, alpha):
    """(low, high, coverage): the narrowest pair of order statistics that covers the median with probability >= 1 - alpha, whatever
    the law of independent values. None where there are too few values for any."""
    n = len(values)
    k = 0
    while 2 * binomial_at_most(k, n) <= alpha and 2 * (k + 1) <= n:
        k += 1
    if k == 0:
        return None
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k], 1 - 2 * binomial_at_most(k - 1, n)


def blocks_needed(rows, alpha, spare=0):
    """Blocks with which a sign interval for each of `rows` rows exists that may leave out `spare` blocks at either end."""
    n = 1
    while 2 * binomial_at_most(spare, n) > alpha / rows:
        n += 1
    return n


def holm(p_values):
    """Adjusted p-values: rejecting those <= alpha keeps the chance of any false rejection among all below alpha."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def differences(blocks):
    """Per block: log(head / base) with both copies of base as the base, and log(again / base) of the copies.

    The mean of the copies is uncorrelated with their difference where they are equally noisy, so that the measured floor is not
    drawn from the same luck as the effect."""
    effect = [math.log(b["head"]) - (math.log(b["base"]) + math.log(b["again"])) / 2 for b in blocks]
    same = [math.log(b["again"]) - math.log(b["base"]) for b in blocks]
    return effect, same


def floor_of(same, alpha):
    """The largest apparent effect that a change of nothing is compatible with: the far end of its interval. Infinite where there
    are too few blocks to tell."""
    interval = sign_interval(same, alpha)
    return max(abs(interval[0]), abs(interval[1])) if interval else math.inf


def percent(log_ratio):
    """"+9.8 %" of a log ratio."""
    return f"{100 * math.expm1(log_ratio):+.1f} %"
