"""Data sets in no random order are shuffled before they are split: sorted files teach as well, and the order can be had again."""
import json

import h5py
import numpy as np
import pytest

from command_tools import refused, run
from stream_law import philox

REPORT = ["--report", "r.json"]


def order_of(n, seed):
    words = philox(seed, np.arange(n), 3 << 16, 0)
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = (int(words[i, 1]) << 32 | int(words[i, 0])) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def trained(tmp_path, *arguments, note=""):
    done = run("train", *REPORT, *arguments, cwd=tmp_path)
    assert (note in done.stderr) if note else done.stderr == ""
    return json.loads((tmp_path / "r.json").read_text())


@pytest.fixture(scope="module")
def sorted_file(tmp_path_factory):
    """Sequences in the order of their labels, as a file that was written class by class has them."""
    here = tmp_path_factory.mktemp("sorted")
    run("sample", "--vocab", 8, "--rules", 4, "--levels", 2, "--seed", 2, "--samples", 4000, "--latents", "-o", "drawn.h5", cwd=here)
    with h5py.File(here / "drawn.h5") as drawn, h5py.File(here / "sorted.h5", "w") as out:
        order = np.argsort(drawn["data/labels"][:], kind="stable")
        for name in drawn["data"]:
            out[f"data/{name}"] = drawn[f"data/{name}"][:][order]
        drawn.copy("grammar", out)
    return here / "sorted.h5"


def test_a_sorted_file_teaches_all_classes(tmp_path, sorted_file):
    shuffled = trained(tmp_path, "--learner", "table", "--data", sorted_file, note="shuffled before")
    assert shuffled["options"]["shuffled"] is True and shuffled["test"]["accuracy"] >= 0.99
    as_it_stands = trained(tmp_path, "--learner", "table", "--data", sorted_file, "--shuffle", "off", note="--shuffle off")
    assert as_it_stands["options"]["shuffled"] is False and as_it_stands["test"]["accuracy"] < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_files_in_random_order_keep_it(tmp_path, seed):
    run("sample", "--vocab", 40, "--rules", 3, "--levels", 2, "--seed", seed, "--samples", 50 * 10**seed, "--label-law", "zipf:1", "-o", "d.h5", cwd=tmp_path)
    quick = ["--learner", "latent", "--data", "d.h5", "--samples", 30, "--test-samples", 5]
    assert trained(tmp_path, *quick)["options"]["shuffled"] is False
    assert trained(tmp_path, *quick, "--shuffle", "on")["options"]["shuffled"] is True


def test_parts_that_differ_are_seen(tmp_path):
    """Two files one after the other, whose labels are alike but whose first tokens are not; and a sorted file of forty rows."""
    chance = np.random.default_rng(3)
    labels, tokens = chance.integers(0, 4, 4000), chance.integers(0, 8, (4000, 4))
    tokens[2000:, 0] //= 2
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["tokens"], file["labels"] = tokens, labels
    few = ["--learner", "latent", "--branching", 2, "--samples", 30]
    assert trained(tmp_path, *few, "--data", "d.h5", note="in no random order")["options"]["shuffled"] is True
    with h5py.File(tmp_path / "few.h5", "w") as file:
        file["tokens"], file["labels"] = chance.integers(0, 8, (40, 4)), np.sort(np.arange(40) % 4)
    assert trained(tmp_path, *few, "--data", "few.h5", note="in no random order")["options"]["shuffled"] is True


def test_files_with_few_sequences_a_class_are_seen(tmp_path):
    """Sorted, and as they come: four sequences of each of 200 classes."""
    chance = np.random.default_rng(4)
    labels = np.repeat(np.arange(200), 4)
    for name, order in (("sorted.h5", labels), ("mixed.h5", chance.permutation(labels))):
        with h5py.File(tmp_path / name, "w") as file:
            file["tokens"], file["labels"] = chance.integers(0, 8, (800, 4)), order
    few = ["--learner", "latent", "--branching", 2, "--samples", 600, "--test-samples", 100]
    assert trained(tmp_path, *few, "--data", "sorted.h5", note="in no random order")["options"]["shuffled"] is True
    assert trained(tmp_path, *few, "--data", "mixed.h5")["options"]["shuffled"] is False


@pytest.mark.parametrize("learner", [["table"], ["tensor"], ["shallow", "--width", 64], ["layerwise", "--width", 64, "--positions", 1]])
def test_the_order_is_that_of_the_data_seed(tmp_path, sorted_file, learner):
    """Training on rows that NumPy has put in order is training on the file."""
    with h5py.File(sorted_file) as file, h5py.File(tmp_path / "ordered.h5", "w") as out:
        order = order_of(len(file["data/labels"]), 5)
        for name in file["data"]:
            out[f"data/{name}"] = file[f"data/{name}"][:][order]
        file.copy("grammar", out)
    arguments = ["--learner", *learner, "--data-seed", 5]
    of_file = trained(tmp_path, *arguments, "--data", sorted_file, note="shuffled before")
    assert of_file["model_hash"] == trained(tmp_path, *arguments, "--data", "ordered.h5")["model_hash"]


def test_without_data_there_is_no_order(tmp_path):
    assert "--data" in refused("train", "--shuffle", "off", cwd=tmp_path)
