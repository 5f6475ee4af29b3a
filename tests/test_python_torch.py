"""rhm.torch against the definitions of the public codes: names, shapes, dtypes, values, level order; and its own promises."""
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from python_tools import ENVIRONMENT, ROOT

import rhm

try:
    import torch

    import rhm.torch as rt
except ImportError:
    torch = None

pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")

SHAPE = {"num_features": 6, "num_classes": 5, "num_synonyms": 3, "tuple_size": 2, "num_layers": 2}
OLD = {"num_features": 6, "num_classes": 5, "m": 3, "s": 2, "num_layers": 2}
ALL = 5 * 3**3


def by_definition(index, rules, n, m, s, L):
    """Sequence `index` of all, as the codes of 2023 and 2024 define it: the label is the first digit, then come the rules of each layer."""
    group = n * m ** ((s**L - 1) // (s - 1)) // n
    symbols, rest, size = [index // group], index % group, 1
    for l in range(L):
        group //= m**size
        number, rest = divmod(rest, group)
        digits = [number // m ** (size - 1 - i) % m for i in range(size)]
        symbols = [int(x) for symbol, digit in zip(symbols, digits) for x in rules[l][symbol, digit]]
        size *= s
    return symbols


@pytest.fixture(scope="module")
def rules():
    return rt.sample_rules(v=6, n=5, m=3, s=2, L=2, seed=3)


# ---- RandomHierarchyModel -----------------------------------------------------------------------------------------------


def test_rules(rules):
    assert sorted(rules) == [0, 1] and rules[0].shape == (5, 3, 2) and rules[1].shape == (6, 3, 2) and rules[0].dtype == torch.int64
    for table in rules.values():
        assert len({tuple(patch) for patch in table.reshape(-1, 2).tolist()}) == table.shape[0] * 3 and table.max() < 6
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules)
    assert all(torch.equal(data.rules[l], rules[l]) and torch.equal(data.get_rules()[l], rules[l]) for l in rules)
    assert all(torch.equal(rt.RandomHierarchyModel(**SHAPE, seed_rules=3).rules[l], rules[l]) for l in rules)


def test_the_whole_set_is_in_their_order(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, input_format="long")
    assert len(data) == data.max_data == ALL and data.features.dtype == data.labels.dtype == torch.int64
    assert (data.features - 1).tolist() == [by_definition(i, rules, 5, 3, 2, 2) for i in range(ALL)]
    assert data.labels.tolist() == [i // 27 for i in range(ALL)]
    assert torch.equal(data.trees[0], data.labels) and torch.equal(data.trees[2], data.features - 1) and data.trees[1].shape == (ALL, 2)


def test_the_peers_of_perf_make_the_same():
    """perf/peer/datasets.py measures algorithms that do what they are said to."""
    sys.path.insert(0, str(ROOT / "perf/peer"))
    import datasets as peers

    rules = rt.sample_rules(v=6, n=6, m=3, s=2, L=2, seed=3)
    data = rt.RandomHierarchyModel(6, 6, 3, 2, 2, rules=rules, whitening="shifted")
    tokens, labels = peers.numbered_sequences(torch.arange(6 * 27), [rules[0], rules[1]])
    assert torch.equal(tokens, data.trees[2]) and torch.equal(labels, data.labels)
    for make, whitening in ((peers.make_2023, "shifted"), (peers.make_2025, "standardized")):
        theirs = make(6, 3, 2, 2, 6 * 27, 1)
        x, y = zip(*(theirs[i] for i in range(len(theirs))))
        ours = rt.RandomHierarchyModel(6, 6, 3, 2, 2, whitening=whitening)
        assert torch.stack(x).shape == ours.features.shape and len(y) == len(ours)
        assert torch.allclose(torch.stack(x).unique(), ours.features.unique())
    assert len(torch.unique(torch.stack([x for x, _ in peers.make_2023(6, 3, 2, 2, 6 * 27, 1)]), dim=0)) == 6 * 27


def test_samples_without_replacement(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, train_size=100, test_size=1000, input_format="long", seed_sample=4)
    assert len(data) == ALL  # the test set is what is left
    everything = {tuple(by_definition(i, rules, 5, 3, 2, 2)) for i in range(ALL)}
    assert {tuple(x) for x in (data.features - 1).tolist()} == everything
    other = rt.RandomHierarchyModel(**SHAPE, rules=rules, train_size=100, test_size=20, input_format="long", seed_sample=5)
    assert len(other) == 120 and not torch.equal(other.features[:100], data.features[:100])
    with pytest.raises(ValueError, match="135 different sequences"):
        rt.RandomHierarchyModel(**SHAPE, train_size=ALL + 1)


def test_empty_sets(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, train_size=0)
    assert data.features.shape == (0, 6, 4) and data.labels.shape == (0,) and list(data.batches(4)) == [] and data.trees[1].shape == (0, 2)


def test_the_older_names(rules):
    train = rt.RandomHierarchyModel(**OLD, rules=rules, seed_traintest_split=2, max_dataset_size=100, testsize=-1, train=True, input_format="long")
    test = rt.RandomHierarchyModel(**OLD, rules=rules, seed_traintest_split=2, max_dataset_size=100, testsize=-1, train=False, input_format="long")
    assert (len(train), len(test)) == (80, 20) and (train.m, train.s) == (3, 2)
    assert not {tuple(x) for x in train.x.tolist()} & {tuple(x) for x in test.x.tolist()}
    assert torch.equal(train.x, train.features) and torch.equal(train.targets, train.labels)
    assert len(rt.RandomHierarchyModel(**OLD)) == ALL - ALL // 5
    assert torch.equal(rt.RandomHierarchyModel(**OLD, seed=7).rules[0], rt.RandomHierarchyModel(**SHAPE, seed_rules=7).rules[0])
    with pytest.raises(TypeError, match="no argument 'mm'"):
        rt.RandomHierarchyModel(mm=3)
    with pytest.raises(ValueError):
        rt.RandomHierarchyModel(**OLD, testsize=0, train=False)


def one_hot(tokens, v):
    return torch.nn.functional.one_hot(tokens, v).float().permute(0, 2, 1)


@pytest.mark.parametrize("names", [SHAPE, OLD], ids=["2024", "2023"])
def test_formats(names, rules):
    tokens = torch.tensor([by_definition(i, rules, 5, 3, 2, 2) for i in range(ALL)])
    whole = {"train_size": -1} if names is SHAPE else {"testsize": 0}
    make = lambda **how: rt.RandomHierarchyModel(**names, rules=rules, **whole, **how)
    if names is OLD:  # shuffled: compare what the tokens are encoded to
        tokens = make(input_format="long").x - 1
    pairs = tokens[:, ::2] * 6 + tokens[:, 1::2]
    q = 5**-0.5
    expected = {
        ("onehot", 0): one_hot(tokens, 6),
        ("onehot", 1): (one_hot(tokens, 6) - 1 / 6) / math.sqrt(1 - 1 / 6) if names is SHAPE else one_hot(tokens, 6) * (1 + q) - q,
        ("onehot", "shifted"): one_hot(tokens, 6) * (1 + q) - q,
        ("onehot", "standardized"): (one_hot(tokens, 6) - 1 / 6) / math.sqrt(1 - 1 / 6),
        ("long", 0): tokens + 1,
        ("decimal", 0): ((tokens[:, None] + 1) / 6 - 1) * 2,
        ("binary", 0): torch.stack([tokens // 4, tokens // 2 % 2, tokens % 2], 1).float(),
        ("onehot_pairs", 0): one_hot(pairs, 36),
        ("pairs", 0): one_hot(pairs, 36),
        ("onehot_tuples", 0): one_hot(pairs, 36),
        ("long_pairs", 0): pairs + 1,
    }
    for (input_format, whitening), x in expected.items():
        found = make(input_format=input_format, whitening=whitening).features
        assert found.dtype == x.dtype and found.shape == x.shape, (input_format, whitening)
        assert torch.allclose(found.double(), x.double(), atol=1e-6), (input_format, whitening)
    for wrong in ({"input_format": "long", "whitening": 1}, {"input_format": "words"}, {"whitening": "white"}):
        with pytest.raises(ValueError):
            make(**wrong)


def test_items_and_transform(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, transform=lambda x, y: (x + 1, -y))
    x, y = data[7]
    assert torch.equal(x, data.features[7] + 1) and y == -data.labels[7]
    data.features = data.features[:, :, -2:]
    assert data[7][0].shape == (6, 2)
    with pytest.raises(ValueError, match="transform"):
        data.batches(10)


def test_with_replacement_and_laws(rules):
    prior, probs = [8, 1, 1, 0, 0], {0: torch.tensor([3.0, 1.0, 0.0]), 1: torch.ones(3)}
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, train_size=20000, prior=prior, probs=probs, input_format="long")
    assert len(data) == 20000 and np.allclose(np.bincount(data.labels, minlength=5) / 20000, [0.8, 0.1, 0.1, 0, 0], atol=0.02)
    first = torch.tensor([[2 <= i for i in range(3)]])
    chosen = (data.trees[1][:, None] == rules[0][data.labels]).all(2)
    assert not (chosen & first).any() and abs(chosen[:, 0].float().mean() - 0.75) < 0.02
    assert torch.allclose(data.prior, torch.tensor(prior).double() / 10) and data.probs[0].shape == (5, 3)
    with pytest.warns(RuntimeWarning, match="train_size is 1000000"):
        rt.RandomHierarchyModel(**{**SHAPE, "num_layers": 1}, replacement=True)


def test_more_than_2_to_the_127(rules):
    shape = {"num_features": 32, "num_classes": 32, "num_synonyms": 8, "num_layers": 6}
    with pytest.warns(RuntimeWarning, match="with replacement"):
        assert len(rt.RandomHierarchyModel(**shape, train_size=10, input_format="long")) == 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = rt.RandomHierarchyModel(**{**shape, "num_layers": 5}, train_size=1000, input_format="long")
    assert data.max_data == 32 * 8**31 and len(torch.unique(data.features, dim=0)) == 1000


def test_reset_layers(rules):
    """Levels above the layer stay, those below are chosen anew and still derive from what is above."""
    make = lambda **how: rt.RandomHierarchyModel(**OLD, rules=rules, testsize=0, input_format="long", **how)
    plain, reset, all_new = make(), make(seed_reset_layer=1), make(seed_reset_layer=0)
    assert torch.equal(plain.trees[1], reset.trees[1]) and not torch.equal(plain.x, reset.x)
    assert torch.equal(plain.targets, all_new.targets) and not torch.equal(plain.trees[1], all_new.trees[1])
    for data in (reset, all_new):
        pairs = data.trees[2].reshape(-1, 2, 1, 2)
        assert (pairs == data.rules[1][data.trees[1]]).all(3).any(2).all()
    assert torch.equal(make(seed_reset_layer=42).x, plain.x)


# ---- the functions of 2025 ----------------------------------------------------------------------------------------------


def derives(trees, rules):
    """Every patch is one that a rule of the symbol above writes."""
    for l, table in rules.items():
        above = trees[l].reshape(len(trees[0]), -1)
        patches = trees[l + 1].reshape(*above.shape, 1, -1)
        assert (patches == table[above]).all(3).any(2).all(), l


def test_trees(rules):
    data = rt.RHM(v=6, n=5, m=3, s=2, L=2, seed_rules=3, seed_samples=1, num_data=400)
    assert len(data) == 400 and data.vocab_size == 6 and all(torch.equal(data.rules[l], rules[l]) for l in rules)
    assert [tuple(data.trees[l].shape) for l in range(3)] == [(400,), (400, 2), (400, 4)] and data.trees[0].dtype == torch.int64
    derives(data.trees, rules)
    again = rt.sample_trees(400, rules, seed=1)
    assert all(torch.equal(again[l], data.trees[l]) for l in again)
    assert not torch.equal(rt.sample_trees(400, rules, seed=2)[2], again[2])
    weighted = rt.sample_trees(20000, rules, prior=torch.tensor([1.0, 0, 0, 0, 1.0]), probs={0: torch.tensor([1.0, 0, 0]), 1: torch.ones(3)})
    assert set(weighted[0].tolist()) == {0, 4} and torch.equal(weighted[1], rules[0][weighted[0], 0])


@pytest.mark.parametrize("level", [0, 1])
def test_resampling_rules(level, rules):
    trees = rt.sample_trees(2000, rules, seed=1)
    position = level  # the last one of level 1
    new = rt.resample_rules(trees, rules, None, level, position, p_resample=torch.tensor([0.0, 0.0, 1.0]))
    derives(new, rules)
    symbols = trees[level].reshape(2000, -1)[:, position]
    span = slice(position * 2, position * 2 + 2)
    assert torch.equal(new[level + 1][:, span], rules[level][symbols, 2])
    assert all(torch.equal(new[l], trees[l]) for l in range(level + 1))
    if level == 1:
        assert torch.equal(new[2][:, :2], trees[2][:, :2])
    assert torch.equal(trees[2], rt.sample_trees(2000, rules, seed=1)[2])  # the old ones are as they were


@pytest.mark.parametrize("level", [0, 1, 2])
def test_resampling_symbols(level, rules):
    trees = rt.sample_trees(2000, rules, seed=1)
    new = rt.resample_symbols(trees, rules, None, level, 0)
    counts = np.bincount(new[level].reshape(2000, -1)[:, 0], minlength=5 if level == 0 else 6)
    assert counts.min() > 2000 / len(counts) / 2
    if level < 2:
        derives({l: tree for l, tree in new.items() if l >= level} | {l: trees[l] for l in range(level)}, {l: rules[l] for l in range(level, 2)})
    if level > 0:
        assert torch.equal(new[level].reshape(2000, -1)[:, 1:], trees[level].reshape(2000, -1)[:, 1:])
    fixed = rt.resample_symbols(trees, rules, None, level, 0, p_resample=torch.eye(6)[2][:5 if level == 0 else 6])
    assert (fixed[level].reshape(2000, -1)[:, 0] == 2).all()
    with pytest.raises(ValueError):
        rt.resample_symbols(trees, rules, None, 3, 0)
    with pytest.raises(ValueError):
        rt.resample_rules(trees, rules, None, 1, 2)


# ---- whole batches ------------------------------------------------------------------------------------------------------


def test_epochs_of_batches(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, whitening=1)
    epochs = data.batches(20, rows=range(100), seed=3)
    assert len(epochs) == 5 and len(data.batches(20)) == 7 and len(data.batches(20, drop_last=True)) == 6
    seen = [torch.cat([y for _, y in epochs]) for _ in range(2)]
    assert not torch.equal(seen[0], seen[1])
    batches = list(data.batches(20, shuffle=False))
    assert torch.equal(torch.cat([x for x, _ in batches]), data.features) and torch.equal(torch.cat([y for _, y in batches]), data.labels)
    assert [len(y) for _, y in batches] == [20] * 6 + [15] and batches[0][0].shape == (20, 6, 4) and batches[0][1].dtype == torch.int64
    shuffled = torch.cat([x for x, _ in data.batches(20, seed=3)])
    assert torch.equal(torch.unique(shuffled, dim=0), torch.unique(data.features, dim=0))
    epochs.set_epoch(0)
    assert torch.equal(torch.cat([y for _, y in epochs]), seen[0]) and torch.equal(torch.cat([y for _, y in epochs]), seen[0])


def test_streams_of_batches():
    h = rhm.Hierarchy(vocab=6, rules=3, levels=2)
    stream = rt.StreamBatches(h, 50, batches=4, start=1000, seed=9)
    tokens, labels = h.sample(400, 1000, seed=9, stream="training")
    first, second = list(stream), list(stream)
    assert torch.equal(torch.cat([y for _, y in first + second]), torch.from_numpy(labels.astype(np.int64)))
    assert torch.equal(torch.cat([x for x, _ in first + second]), one_hot(torch.from_numpy(tokens.astype(np.int64)), 6))
    endless = iter(rt.StreamBatches(h, 50, start=1000, seed=9, encoding=rt.Encoding(6, channels_last=True)))
    assert torch.equal(next(endless)[0], first[0][0].permute(0, 2, 1)) and torch.equal(next(endless)[1], first[1][1])
    x, y = next(iter(rt.StreamBatches(h, 50, start=1000, seed=9, target="last")))
    assert torch.equal(y, torch.from_numpy(tokens[:50, -1].astype(np.int64))) and torch.allclose(x[:, :, -1], torch.tensor(6**-0.5))
    for wrong in ({"batch_size": 0}, {"batch_size": 1, "target": "first"}, {"batch_size": 1, "encoding": "long", "target": "last"}):
        with pytest.raises(ValueError):
            rt.StreamBatches(h, **wrong)


def test_batches_that_are_kept_stay_as_they_are():
    """Memory is used again, but not while a tensor lies in it."""
    stream = rt.StreamBatches(rhm.Hierarchy(vocab=8, rules=4, levels=3), 500, batches=300)
    kept = [(x.clone(), x) for x, _ in stream]
    batches = iter(stream)
    one = next(batches)[0]
    kept.append((one.clone(), one))
    del one
    assert sum(1 for _ in batches) == 299 and sum(1 for _ in stream) == 300 and len(stream._memory.arrays) <= 4
    assert all(torch.equal(copy, x) for copy, x in kept)


def test_they_pickle(rules):
    data = rt.RandomHierarchyModel(**SHAPE, rules=rules, train_size=50)
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy.features, data.features) and torch.equal(copy.rules[1], rules[1])
    stream = rt.StreamBatches(data.hierarchy, 8, batches=2)
    assert torch.equal(next(iter(pickle.loads(pickle.dumps(stream))))[0], next(iter(stream))[0])


LOADERS = """
import sys, torch, rhm.torch as rt
from torch.utils.data import DataLoader
def main(method):
    data = rt.RandomHierarchyModel(num_features=16, num_classes=16, num_synonyms=4, num_layers=3, train_size=4000, seed_rules=1)
    data[0], data.hierarchy.sample(100000)  # the parent's threads are at work before it forks
    stream, epoch = rt.StreamBatches(data.hierarchy, 100, batches=12), data.batches(100)
    for source in (stream, epoch):
        source.set_epoch(3)
        alone = list(DataLoader(source, batch_size=None))
        for workers, persistent in ((1, False), (3, True)) if method == "fork" else ((2, True),):  # a spawned one imports torch
            loader = DataLoader(source, batch_size=None, num_workers=workers, persistent_workers=persistent, multiprocessing_context=method)
            for _ in range(2):
                assert all(torch.equal(a, b) for one, other in zip(alone, loader, strict=True) for a, b in zip(one, other))
    items = DataLoader(data, batch_size=500, num_workers=2, multiprocessing_context=method)
    assert torch.equal(torch.cat([x for x, _ in items]), data.features)
    print("fine")
if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loaders_with_workers(method, tmp_path):
    (tmp_path / "loaders.py").write_text(LOADERS)
    done = subprocess.run([sys.executable, tmp_path / "loaders.py", method], capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.stdout == "fine\n", done.stderr


def test_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('hidden')")
    done = subprocess.run([sys.executable, "-c", "import rhm.torch"], capture_output=True, text=True,
                          env={**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"})
    assert "rhm.torch needs PyTorch, which is not installed: pip install torch" in done.stderr
