"""Where the level of a series changed: e-divisive (Matteson and James 2014), made deterministic.

A candidate is the split, of all pairs of adjoining stretches of at least `least` values, whose two sides are farthest apart by the
energy distance, 2 E|X - Y| - E|X - X'| - E|Y - Y'|, weighted with nm / (n + m). It counts when no more than a share `alpha` of
rearrangements of the same values has one as far apart. Rearrangements are drawn by a generator of fixed seed, so that the same series
gives the same answer on every machine; asking the largest of all splits for its significance pays for having looked at all of them.
Then each side is searched by itself. Nothing is assumed of the law of the values but that they come in no particular order while the
level holds."""
import functools
import math

import numpy as np

LEAST = 3            # values on either side
ALPHA = 0.002
SEED = 1
MOST_VALUES = 400    # of a series: the latest, since time grows with the square


@functools.cache
def _splits(n, least):
    """(split, end) of all stretches of n values that begin where the series does."""
    split, end = np.meshgrid(np.arange(least, n - least + 1), np.arange(2 * least, n + 1), indexing="ij")
    fits = end - split >= least
    return split[fits], end[fits]


def _scores(distances, least):
    """(best weighted energy distance, index of its split) over splits of all stretches that begin where the series does."""
    n = len(distances)
    total = np.zeros((n + 1, n + 1))
    total[1:, 1:] = distances.cumsum(0).cumsum(1)
    split, end = _splits(n, least)
    left, right = split, end - split
    within_left = total[split, split]
    between = total[split, end] - within_left
    within_right = total[end, end] - within_left - 2 * between
    mean = lambda sums, count: np.where(count > 1, sums / np.maximum(1, count * (count - 1)), 0.0)
    distance = 2 * between / (left * right) - mean(within_left, left) - mean(within_right, right)
    score = left * right / (left + right) * distance
    best = int(np.argmax(score))
    return float(score[best]), int(split[best])


def _significant(distances, observed, least, alpha):
    """The p-value of the largest score, or None as soon as it is above alpha."""
    count = math.ceil(2 / alpha) - 1
    allowed = math.floor(alpha * (count + 1)) - 1
    generator, above = np.random.Generator(np.random.PCG64(SEED)), 0
    for _ in range(count):
        order = generator.permutation(len(distances))
        above += _scores(distances[np.ix_(order, order)], least)[0] >= observed * (1 - 1e-12)
        if above > allowed:
            return None
    return (above + 1) / (count + 1)


def find(values, least=LEAST, alpha=ALPHA):
    """[(index of the first value after a change, p)] in order. Values are positive: their logarithms are compared, so that a change is
    a ratio."""
    skipped = max(0, len(values) - MOST_VALUES)
    series = np.log(np.asarray(values[skipped:], float))
    found, stretches = [], [(0, len(series))]
    while stretches:
        begin, end = stretches.pop()
        if end - begin < 2 * least:
            continue
        part = series[begin:end]
        distances = np.abs(part[:, None] - part[None, :])
        observed, split = _scores(distances, least)
        p = _significant(distances, observed, least, alpha) if observed > 0 else None
        if p is not None:
            found.append((skipped + begin + split, p))
            stretches += [(begin, begin + split), (begin + split, end)]
    return sorted(found)
