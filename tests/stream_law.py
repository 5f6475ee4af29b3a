"""Samples again, in NumPy, from docs/reproducibility.md ("Samples again") and nothing else: stream version 2."""
import numpy as np

MASK = np.uint64(0xFFFFFFFF)
EXPORT = 4 << 8  # the stream of `rhm sample`
NOISE, REPLACEMENT, LABEL_BLOCK = 0x20000000, 0x30000000, 0xFFFFFFFF


def philox(seed, index, stream, block):
    """Philox4x32-10: the four words on the last axis."""
    index, block = np.broadcast_arrays(np.asarray(index, np.uint64), np.asarray(block, np.uint64))
    c = [index & MASK, index >> np.uint64(32), np.full(index.shape, stream, np.uint64), block]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [p1 >> np.uint64(32) ^ c[1] ^ np.uint64(key[0]), p1 & MASK, p0 >> np.uint64(32) ^ c[3] ^ np.uint64(key[1]), p0 & MASK]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, -1)


def scaled(word, n):
    return (word * np.uint64(n) >> np.uint64(32)).astype(int)


def alias_columns(p):
    """Thresholds and aliases (Vose): columns below 1 are filled up from the last one that is not."""
    n = len(p)
    threshold, alias = np.full(n, 2**32 - 1, np.uint64), np.arange(n)
    q = p / sum(p.tolist()) * n
    if (p == p[0]).all():
        return threshold, alias
    low = [i for i in range(n) if 0 < q[i] < 1] + [i for i in range(n) if p[i] == 0]
    high = [i for i in range(n) if q[i] >= 1]
    while low and high:
        small, large = low.pop(), high[-1]
        threshold[small], alias[small] = min(int(np.rint(q[small] * 2**32)), 2**32 - 1), large
        q[large] -= 1 - q[small]
        if q[large] < 1:
            low.append(high.pop())
    for i in low:
        if p[i] == 0:
            threshold[i], alias[i] = 0, int(np.argmax(p))
    return threshold, alias


class Choice:
    """One of n, by rows of probabilities."""

    def __init__(self, p):
        p = np.atleast_2d(p)
        self.n = n = p.shape[1]
        self.columns = None
        if (p == p[:, :1]).all():
            self.bits = n.bit_length() - 1 if n <= 256 and n & (n - 1) == 0 else None
            self.digits = max([1] + [d for d in range(1, 9) if n**d <= 256])
        else:
            self.bits = None
            self.columns = [np.stack(x) for x in zip(*map(alias_columns, p))]

    def place(self, state):
        """Where the next choice of a subtree finds its bits, or None. state: [next bit, (n, word, digits used)]"""
        if self.bits is not None:
            if state[0] % 8 + self.bits > 8:
                state[0] += -state[0] % 8
            state[0] += self.bits
            return state[0] - self.bits if state[0] <= 128 else None
        n, word, used = state[1]
        if self.columns is None and n == self.n and used < self.digits:
            state[1] = n, word, used + 1
            return word, used
        word = (state[0] + 31) // 32
        state[0] = 32 * (word + 1)
        if self.columns is None:
            state[1] = self.n, word, 1
        return (word, 0) if word < 4 else None

    def make(self, words, place, row):
        if self.bits is not None:
            return (words[..., place // 32 % words.shape[-1]] >> np.uint64(place % 32)).astype(int) & self.n - 1
        word = words[..., place[0]]
        if self.columns is None:
            return scaled(word, self.n**self.digits) // self.n ** place[1] % self.n
        column = scaled(word, self.n)
        coin = word * np.uint64(self.n) & MASK
        threshold, alias = (table[row, column] for table in self.columns)
        return np.where(coin < threshold, column, alias)


def places(choices, s, top, end):
    """Places of a subtree's label (top 0) and rules, level by level, and the bits used; None where they do not fit."""
    if np.prod(s[top:end]) > 256:
        return None
    state, found, nodes = [0, (0, 0, 0)], [], 1
    if top == 0:
        found.append([choices[0].place(state)])
    for level in range(top, end):
        found.append([choices[level + 1].place(state) for _ in range(nodes)])
        nodes *= s[level]
    return None if any(p is None for level in found for p in level) else (found, state[0])


def draw(rules, probability, label_probability, seed, stream, first, count):
    """Symbols of all levels, labels first: level l is (count, s_1...s_l)."""
    s, levels = [table.shape[2] for table in rules], len(rules)
    choices = [Choice(label_probability)] + [Choice(p) for p in probability]
    strata, end = [], levels
    while end > 0:
        top = min(t for t in range(end) if all(places(choices, s, u, end) for u in range(t, end)))
        strata.insert(0, (top, end, *places(choices, s, top, end)))
        end = top
    index = np.arange(first, first + count, dtype=np.uint64)
    block, symbols = 0, []
    for top, end, found, bits in strata:
        nodes = int(np.prod(s[:top], dtype=int))
        if top == 0:
            sharing = 4 if bits <= 32 else 2 if bits <= 64 else 1
            words = philox(seed, index // np.uint64(sharing), stream, 0).reshape(count, sharing, 4 // sharing)
            words = words[np.arange(count), (index % np.uint64(sharing)).astype(int)][:, None]
            symbols.append(choices[0].make(words, found.pop(0)[0], 0))
        else:
            words = philox(seed, index[:, None], stream, block + np.arange(nodes))
        block += nodes
        for level in range(top, end):
            above = symbols[-1].reshape(count, nodes, -1)
            rule = np.stack([choices[level + 1].make(words, p, above[..., k]) for k, p in enumerate(found[level - top])], -1)
            symbols.append(rules[level][above, rule].reshape(count, -1))
    return symbols


def add_noise(tokens, labels, vocab, classes, token_noise, label_noise, seed, stream, first):
    index = np.arange(first, first + len(labels), dtype=np.uint64)[:, None]
    token = np.arange(tokens.shape[1], dtype=np.uint64)
    words = philox(seed, index, stream | NOISE, token // np.uint64(4))
    hit = np.take_along_axis(words, (token % np.uint64(4)).astype(int)[None, :, None], -1)[..., 0] < int(token_noise * 2**32 + 0.5)
    tokens = np.where(hit, scaled(philox(seed, index, stream | REPLACEMENT, token)[..., 0], vocab), tokens)
    hit = philox(seed, index, stream | NOISE, LABEL_BLOCK)[:, 0, 0] < int(label_noise * 2**32 + 0.5)
    return tokens, np.where(hit, scaled(philox(seed, index, stream | REPLACEMENT, LABEL_BLOCK)[:, 0, 0], classes), labels)
