"""Batches of one-hot tensors as researchers' training loops get them: two public codes' way, written anew from their definitions, and ours.

    PYTHON perf/peer/datasets.py [--shape V,m,s,L] [--sequences P] [--batch B] [--rounds N] [--json FILE]

PYTHON has torch and the package rhm (or PYTHONPATH=python and RHM_LIBRARY). Programs alternate; ratios are of rates of the same round.

"2023" (Phys. Rev. X 14, 031001): P of all sequences without replacement, by number: digits of the number choose the rules; "2025": P sequences
with replacement, level by level. Both encode the whole set as one-hot in memory, and a DataLoader collates shuffled batches item by item.
"ours" makes the same from RandomHierarchyModel.batches (a data set in memory, shuffled, without replacement) and from StreamBatches (fresh samples).
"set": sequences a second, making the set included; "epoch": over one epoch of a set that is there; GB/s of tensors that arrive."""
import argparse
import itertools
import json
import random
import statistics
import time

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

import rhm
import rhm.torch

SHAPES = ("32,8,2,3", "16,4,2,4")
WANTED = {"2023": 50, "2025": 20}
FEW = 5_000_000  # sequences that the 2023 code lists and permutes; of more it draws numbers until enough differ


# ---- the two codes ------------------------------------------------------------------------------------------------------


def shuffled_rules(v, m, s, L, seed):
    """[(v, m, s)]: all tuples, shuffled, dealt to the symbols."""
    generator, rules = random.Random(seed), []
    for _ in range(L):
        tuples = list(itertools.product(range(v), repeat=s))
        generator.shuffle(tuples)
        rules.append(torch.tensor(tuples[:v * m]).reshape(v, m, s))
    return rules


def digits(numbers, base, length):
    places = base ** torch.arange(length - 1, -1, -1)
    return numbers[:, None].div(places, rounding_mode="floor") % base


def numbered_sequences(numbers, rules):
    """The label is the most significant digit, then come the rules of each level."""
    (v, m, s), L = rules[0].shape, len(rules)
    group = m ** ((s**L - 1) // (s - 1))
    labels, rest = numbers.div(group, rounding_mode="floor"), numbers % group
    symbols, size = labels[:, None], 1
    for table in rules:
        group //= m**size
        symbols = table[symbols, digits(rest.div(group, rounding_mode="floor"), m, size)].flatten(1)
        rest, size = rest % group, size * s
    return symbols, labels


def distinct_numbers(total, count, generator):
    if total < FEW:
        return torch.randperm(total, generator=generator)[:count]
    drawn = torch.unique(torch.randint(total, (2 * count,), generator=generator))
    return drawn[torch.randperm(len(drawn), generator=generator)[:count]]


def one_hot(symbols, v):
    return torch.nn.functional.one_hot(symbols, v).float().permute(0, 2, 1)


class Items(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def make_2023(v, m, s, L, count, seed):
    rules = shuffled_rules(v, m, s, L, 0)
    total = v * m ** ((s**L - 1) // (s - 1))
    x, y = numbered_sequences(distinct_numbers(total, count, torch.Generator().manual_seed(seed)), rules)
    q = (v - 1) ** -0.5
    return Items(one_hot(x, v) * (1 + q) - q, y)


def make_2025(v, m, s, L, count, seed):
    rules, generator = shuffled_rules(v, m, s, L, 0), torch.Generator().manual_seed(seed)
    y = torch.randint(v, (count,), generator=generator)
    x = y[:, None]
    for table in rules:
        x = table[x, torch.randint(m, x.shape, generator=generator)].flatten(1)
    return TensorDataset((one_hot(x, v) - 1 / v) * (1 - 1 / v) ** -0.5, y)


# ---- one run ------------------------------------------------------------------------------------------------------------


def consume(batches):
    count = 0
    for x, y in batches:
        count += len(y)
    return count


def run_peer(make, shape, count, batch):
    start = time.perf_counter()
    loader = DataLoader(make(*shape, count, 1), batch_size=batch, shuffle=True, num_workers=0)
    made = time.perf_counter()
    assert consume(loader) == count
    end = time.perf_counter()
    return {"set": count / (end - start), "epoch": count / (end - made)}


def run_memory(shape, count, batch):
    v, m, s, L = shape
    start = time.perf_counter()
    data = rhm.torch.RandomHierarchyModel(v, v, m, s, L, train_size=count, whitening=1)
    epoch = data.batches(batch)
    made = time.perf_counter()
    assert consume(epoch) == count
    end = time.perf_counter()
    return {"set": count / (end - start), "epoch": count / (end - made)}


def run_stream(shape, count, batch):
    v, m, s, L = shape
    start = time.perf_counter()
    h = rhm.Hierarchy(vocab=v, rules=m, branching=s, levels=L, rule_sampling="uniform")
    stream = rhm.torch.StreamBatches(h, batch, batches=count // batch, whitening=True)
    made = time.perf_counter()
    assert consume(stream) == count // batch * batch
    end = time.perf_counter()
    return {"set": count / (end - start), "epoch": count / (end - made)}


RUNS = {"2023": lambda *job: run_peer(make_2023, *job), "2025": lambda *job: run_peer(make_2025, *job), "ours, in memory": run_memory,
        "ours, stream": run_stream}
OURS = {"2023": "ours, in memory", "2025": "ours, stream"}


def fill_rate(nbytes):
    """Bytes a second at which all threads write memory that is there: what an epoch in memory is bound by."""
    into = torch.empty(nbytes // 4)
    into.fill_(1)
    return max(nbytes / timed(lambda: into.fill_(2.0)) for _ in range(5))


def whole_epoch_rate(shape, count):
    """The same of the library's one-hot tensor of a whole set."""
    v, m, s, L = shape
    data = rhm.torch.RandomHierarchyModel(v, v, m, s, L, train_size=count)
    into, rows, engine = data.features, rhm.torch.encoding.Rows(data._numbers), rhm.default_engine()
    return max(into.nbytes / timed(lambda: data.encoding.of(engine, rows, lambda shape: into)) for _ in range(5))


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(shape, count, batch, rounds):
    nbytes = 4 * shape[0] * shape[2] ** shape[3]
    runs = {name: [] for name in RUNS}
    for turn in range(rounds):
        for name in (list(RUNS) if turn % 2 == 0 else reversed(list(RUNS))):
            runs[name].append(RUNS[name](shape, count, batch))
    print(f"({', '.join(map(str, shape))}): {count} sequences, batches of {batch}, one-hot of {nbytes} bytes, best of {rounds}")
    for name, listed in runs.items():
        best = {key: max(run[key] for run in listed) for key in ("set", "epoch")}
        print(f"  {name:<16} set {best['set'] / 1e6:8.3f}  epoch {best['epoch'] / 1e6:8.3f} million sequences/s  {best['epoch'] * nbytes / 1e9:7.2f} GB/s")
    ratios = {}
    for peer, wanted in WANTED.items():
        pairs = list(zip(runs[OURS[peer]], runs[peer]))
        ratios[peer] = {key: statistics.median(a[key] / b[key] for a, b in pairs) for key in ("set", "epoch")}
        print(f"  {OURS[peer]} / {peer}: epoch {ratios[peer]['epoch']:.1f} (wanted {wanted}), set {ratios[peer]['set']:.1f}")
    size = max(1 << 18, (1 << 28) // nbytes)
    fill, whole = fill_rate(1 << 28), whole_epoch_rate(shape, size)
    print(f"  a whole set at once: {whole / 1e9:.2f} GB/s; torch fills memory at {fill / 1e9:.2f} GB/s")
    return {"shape": shape, "runs": runs, "ratios": ratios, "whole_set_bytes_per_second": whole, "fill_bytes_per_second": fill}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", action="append", help=f"V,m,s,L, several times for several (default: {' and '.join(SHAPES)})")
    parser.add_argument("--sequences", type=int, default=65536)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    shapes = [tuple(int(n) for n in shape.split(",")) for shape in arguments.shape or SHAPES]
    found = [compare(shape, arguments.sequences, arguments.batch, arguments.rounds) for shape in shapes]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
