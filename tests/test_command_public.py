"""Data sets as the public generators of random hierarchies make them, and in all the ways in which people store them."""
import json

import h5py
import numpy as np

from command_tools import run

V, M, S, L = 8, 4, 2, 3


def generate(sequences, seed, repeated=False):
    """The generators of Phys. Rev. X 14, 031001 and after it: V m distinct tuples of a level, out of all V^s and dealt m a symbol, equally
    many sequences of every class in random order, without replacement unless `repeated`."""
    random = np.random.default_rng(seed)
    rules = [random.permutation(V**S)[:V * M].reshape(V, M) for _ in range(L)]
    labels = random.permutation(np.arange(sequences) % V)
    tokens = labels[:, None]
    for level in rules:
        pair = level[tokens, random.integers(0, M, tokens.shape)]
        tokens = np.stack([pair // V, pair % V], -1).reshape(len(labels), -1)
    if not repeated:
        first = np.unique(np.column_stack([tokens, labels]), axis=0, return_index=True)[1]
        first.sort()
        tokens, labels = tokens[first], labels[first]
    return tokens, labels


def train(folder, *arguments):
    run("train", "--data", "d.h5", *arguments, "--seed", 1, "--report", "r.json", cwd=folder)
    return json.loads((folder / "r.json").read_text())


def write(folder, tokens, labels, **how):
    with h5py.File(folder / "d.h5", "w") as f:
        f.create_dataset("tokens", data=tokens, **how)
        f.create_dataset("labels", data=labels, **{name: value for name, value in how.items() if name != "chunks"})
        f.attrs["branching"] = S


def test_sequences_of_the_public_generators_are_learnt_however_they_are_stored(tmp_path):
    for seed in 1, 2:
        tokens, labels = generate(20000, seed)
        write(tmp_path, tokens.astype("uint8"), labels.astype("uint8"))
        first = train(tmp_path)
        assert first["test"]["accuracy"] >= 0.995, (seed, first["positions"])
        assert [level["symbols"] for level in first["levels"]] == [V] * L  # from the classes and the tokens that occur
    hashes = {first["model_hash"]}
    for kind, how in [("int64", {}), ("int64", {"chunks": (300, 3), "compression": "gzip"}), (">i4", {"chunks": (7000, 8)})]:
        write(tmp_path, tokens.astype(kind), labels.astype(kind), **how)
        hashes.add(train(tmp_path, "--parents", f"{V},{V},{V}")["model_hash"])
    assert len(hashes) == 1


def test_tokens_from_1_are_learnt_as_they_come(tmp_path):
    tokens, labels = generate(20000, 1, repeated=True)
    write(tmp_path, tokens + 1, labels)
    done = run("train", "--data", "d.h5", "--report", "r.json", cwd=tmp_path)
    assert "symbol 0 never occurs: where they are numbered from 1, subtract 1" in done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["test"]["accuracy"] >= 0.995
