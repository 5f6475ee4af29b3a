"""The functions of the 2025 code: rules and trees as dicts of int64 tensors by level, level 0 the root."""
import numpy as np
import torch

from .._library import InvalidError
from ..hierarchy import Hierarchy

_SEEDS = 1 << 64


def _numpy(values, dtype=None):
    return None if values is None else np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, dtype=dtype)


def _shares(weights):
    """Weights as torch.multinomial takes them, as probabilities."""
    array = _numpy(weights, np.float64)
    return array / array.sum(-1, keepdims=True)


def _at(levels, level):
    return None if levels is None else levels[level]


def hierarchy_of(rules, prior=None, probs=None):
    """The Hierarchy of a dict or list of rules (v, m, s), a prior (n) and probabilities by level, (m) or (v, m); weights need not sum to 1."""
    count = len(rules)
    return Hierarchy.from_rules([_numpy(rules[l]) for l in range(count)], None if probs is None else [_shares(probs[l]) for l in range(count)],
                                None if prior is None else _shares(prior), ambiguous=True)


def tensors_of(hierarchy):
    """{l: (V_l, m, s) int64, l = 0..L-1}: the rules of a hierarchy."""
    return {l: torch.from_numpy(table.astype(np.int64)) for l, table in enumerate(hierarchy.rules)}


def _trees(labels, latents, tokens, levels):
    found = {0: torch.from_numpy(labels.astype(np.int64))}
    found.update({l: torch.from_numpy(latents[l].astype(np.int64)) for l in range(1, levels)})
    found[levels] = torch.from_numpy(tokens.astype(np.int64))
    return found


def sample_rules(v, n, m, s, L, seed=42):
    """Random rules, distinct tuples dealt to the symbols: {0: (n, m, s), 1..L-1: (v, m, s)} int64. The 2025 code draws others from the
    same seed; to go on with those, hand its rules to sample_trees or to RHM(rules=...)."""
    return tensors_of(Hierarchy(vocab=[n] + [v] * L, rules=m, branching=s, levels=L, seed=seed % _SEEDS, rule_sampling="uniform"))


def sample_trees(num_data, rules, prior=None, probs=None, seed=42):
    """Derivations: {0: (N) labels, l: (N, s^l)} int64. prior: weights of the roots; probs: by level, weights of the rules, (m) or (v, m).
    A function of the seed, for any number of threads (the 2025 code's seed has no effect)."""
    hierarchy = hierarchy_of(rules, prior, probs)
    tokens, labels, latents = hierarchy.sample(num_data, latents=True, seed=seed % _SEEDS)
    return _trees(labels, latents, tokens, len(rules))


def sample_trees_unif(num_data, rules, seed=42):
    """The same with equal probabilities."""
    return sample_trees(num_data, rules, seed=seed)


def _below(rules, probs, level, first=None):
    """The hierarchy of what is below level `level`; `first`: probabilities of its first rules in place of theirs."""
    by_level = [_at(probs, l) for l in range(level, len(rules))]
    if first is not None:
        by_level[0] = first
    uniform = lambda l: np.ones(rules[l].shape[1])
    known = None if all(p is None for p in by_level) else [uniform(l) if p is None else p for l, p in enumerate(by_level, level)]
    return hierarchy_of([rules[l] for l in range(level, len(rules))], probs=known)


def _column(trees, level, position):
    tree = trees[level] if trees[level].ndim == 2 else trees[level][:, None]
    if not 0 <= position < tree.shape[1]:
        raise InvalidError(f"position {position} of level {level}: allowed are 0 to {tree.shape[1] - 1}")
    return tree[:, position]


def _regrow(trees, rules, hierarchy, level, position, symbols, seed):
    """New trees with what is below symbols at a position of a level drawn anew."""
    new = {l: torch.clone(tree) for l, tree in trees.items()}
    tokens, latents = hierarchy.sample_below(_numpy(symbols), latents=True, seed=seed % _SEEDS)
    span = 1
    for l in range(level + 1, len(rules) + 1):
        span *= rules[l - 1].shape[2]
        grown = tokens if l == len(rules) else latents[l - level]
        new[l][:, position * span:(position + 1) * span] = torch.from_numpy(grown.astype(np.int64))
    return new


def _check_level(level, most):
    if not 0 <= level <= most:
        raise InvalidError(f"level is {level}: allowed are 0 to {most}")


def resample_rules(trees, rules, probs, level, position, p_resample=None, seed=42):
    """Trees whose rule at a position of a level is chosen anew, and all below it: a new dict. p_resample: weights (m) of that rule."""
    _check_level(level, len(rules) - 1)
    return _regrow(trees, rules, _below(rules, probs, level, p_resample), level, position, _column(trees, level, position), seed)


def resample_symbols(trees, rules, probs, level, position, p_resample=None, seed=42):
    """Trees whose symbol at a position of a level is chosen anew, uniformly or with the weights p_resample, and all below it: a new dict.
    Level L, the tokens, may be asked for too."""
    _check_level(level, len(rules))
    old = _column(trees, level, position)
    vocab = rules[level].shape[0] if level < len(rules) else max(int(rules[level - 1].max()) + 1, rules[level - 1].shape[0])
    weights = torch.ones(vocab) if p_resample is None else torch.as_tensor(p_resample, dtype=torch.float64)
    drawn = torch.multinomial(weights.double(), len(old), replacement=True, generator=torch.Generator().manual_seed(seed % (1 << 63)))
    if level == len(rules):
        new = {l: torch.clone(tree) for l, tree in trees.items()}
    else:
        new = _regrow(trees, rules, _below(rules, probs, level), level, position, drawn, seed)
    (new[level] if new[level].ndim == 2 else new[level][:, None])[:, position] = drawn
    return new


class RHM:
    """The data set of the 2025 code: rules {l: (v, m, s)}, trees {0: (N), l: (N, s^l)}, int64. rules: those of others, in place of rules
    drawn from seed_rules."""

    def __init__(self, v, n, m, s, L, seed_rules, seed_samples, num_data, prior=None, probs=None, transform=None, *, rules=None):
        self.vocab_size = v
        self.rules = sample_rules(v, n, m, s, L, seed=seed_rules) if rules is None else {l: torch.as_tensor(rules[l]) for l in range(L)}
        self.trees = sample_trees(num_data, self.rules, prior=prior, probs=probs, seed=seed_samples)
        self.prior, self.probs, self.transform = prior, probs, transform

    def __len__(self):
        return len(self.trees[0])
