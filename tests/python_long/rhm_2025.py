"""The data set of the 2025 code, written anew from its interface: what train_2025.py is compared with."""
import itertools
import random

import torch


def sample_rules(v, n, m, s, L, seed=42):
    generator, tuples = random.Random(seed), list(itertools.product(range(v), repeat=s))
    return {l: torch.tensor(generator.sample(tuples, (n if l == 0 else v) * m)).reshape(-1, m, s) for l in range(L)}


class RHM:
    def __init__(self, v, n, m, s, L, seed_rules, seed_samples, num_data, prior=None, probs=None, transform=None):
        self.rules, self.trees = sample_rules(v, n, m, s, L, seed_rules), {}
        generator = torch.Generator().manual_seed(seed_samples)
        self.trees[0] = torch.randint(n, (num_data,), generator=generator)
        above = self.trees[0][:, None]
        for l in range(L):
            above = self.trees[l + 1] = self.rules[l][above, torch.randint(m, above.shape, generator=generator)].flatten(1)

    def __len__(self):
        return len(self.trees[0])
