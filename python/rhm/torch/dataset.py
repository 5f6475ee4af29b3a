"""RandomHierarchyModel, as the codes of 2023 and 2024 have it."""
import warnings

import numpy as np
import torch
from torch.utils.data import Dataset

from .._library import InvalidError, RHMError
from ..hierarchy import Hierarchy
from .batches import EpochBatches, engine_here
from .encoding import Encoding, integers
from .trees import _trees, hierarchy_of, tensors_of

_SEEDS = 1 << 64
_WITHOUT_SIZE = 1_000_000  # sequences with replacement where no number is given, as in the 2024 codes
_MOST_TEST = 20_000        # and of a test set that the 2023 code chooses
_OF_2023 = {"m": "num_synonyms", "s": "tuple_size", "seed": "seed_rules", "seed_traintest_split": "seed_sample"}


class RandomHierarchyModel(Dataset):
    """A data set of a Random Hierarchy Model, in memory.

    The names are those of the 2024 codes: num_features (v), num_classes (n), num_synonyms (m), tuple_size (s), num_layers (L), seed_rules,
    seed_sample, train_size (-1: all sequences, in order), test_size (of the sequences after these), input_format, whitening, transform,
    replacement. Those of the 2023 code may be used in their place: m, s, seed, seed_traintest_split, and max_dataset_size, train, testsize
    (-1: a fifth, 20000 at most), which split what they make into a training and a test set; whitening is then that code's. See Encoding
    for formats, shapes and dtypes; labels are int64.

    Without replacement the sequences are all different, exactly, up to 2^127 that there are, and the test set is disjoint from the training
    set; beyond that it warns and samples with replacement. seed_reset_layer: choose all rules from this layer on anew (for measuring
    stability). rules: a dict or list of (v, m, s) by level from 0 on, those of another code; prior, probs: weights of classes and, by level,
    of rules, with replacement only.

    Attributes: features and x, labels and targets, rules {l: (v, m, s)}, trees {l: (N, s^l)}, hierarchy (a rhm.Hierarchy), max_data. The
    features are made when they are first asked for; `batches` does without them. Safe to use in workers of a DataLoader."""

    def __init__(self, num_features=8, num_classes=2, num_synonyms=2, tuple_size=2, num_layers=2, seed_rules=0, seed_sample=None, train_size=-1,
                 test_size=0, input_format="onehot", whitening=0, transform=None, replacement=False, *, rules=None, prior=None, probs=None,
                 max_dataset_size=None, train=None, testsize=None, seed_reset_layer=None, engine=None, **old):
        values = {"num_synonyms": num_synonyms, "tuple_size": tuple_size, "seed_rules": seed_rules, "seed_sample": seed_sample}
        for name in old:
            if name not in _OF_2023:
                raise TypeError(f"RandomHierarchyModel has no argument {name!r}")
        values.update({_OF_2023[name]: value for name, value in old.items()})
        of_2023 = bool(old) or max_dataset_size is not None or train is not None or testsize is not None
        if values["seed_sample"] is None:
            values["seed_sample"] = 0 if of_2023 else 1  # their defaults
        self.num_features, self.num_classes, self.num_layers = num_features, num_classes, num_layers
        self.num_synonyms = self.m = values["num_synonyms"]
        self.tuple_size = self.s = values["tuple_size"]
        self.transform, self._engine = transform, engine
        self._seed = values["seed_sample"] % _SEEDS
        self.hierarchy = self._hierarchy(values["seed_rules"], rules, prior, probs)
        self.max_data = num_classes * self.m ** ((self.s ** num_layers - 1) // (self.s - 1))
        self._replacement = replacement or prior is not None or probs is not None
        if self._replacement is False:
            self._replacement = self._impossible()
        first, count = self._of_2023(max_dataset_size, train is not False, testsize) if of_2023 else self._of_2024(train_size, test_size)
        self._first = first
        reset = num_layers if seed_reset_layer is None else seed_reset_layer
        self._reset = min(max(reset, 0), num_layers)
        tokens, self._labels, self._latents = self._sample(first, count, latents=self._reset < num_layers)
        self._tokens = tokens
        style = "shifted" if of_2023 and whitening in (1, True) else whitening
        self.encoding = Encoding(num_features, input_format, style, tuple_size=self.s)
        self._numbers = self.encoding.grouped(tokens)
        self._features = self._targets = None
        self._replaced = False

    # ---- what it is made of ---------------------------------------------------------------------------------------------

    def _hierarchy(self, seed, rules, prior, probs):
        if rules is not None:
            found = hierarchy_of(rules, prior, probs)
        else:
            found = Hierarchy(vocab=[self.num_classes] + [self.num_features] * self.num_layers, rules=self.m, branching=self.s,
                              levels=self.num_layers, seed=seed % _SEEDS, rule_sampling="uniform")
            if prior is not None or probs is not None:
                found = hierarchy_of(found.rules, prior, probs)
        wanted = ([self.num_classes] + [self.num_features] * (self.num_layers - 1), [self.s] * self.num_layers)
        if (found.vocab[:-1], found.branching) != wanted or found.vocab[-1] > self.num_features:
            raise InvalidError(f"the rules have the vocabularies {found.vocab} and the tuple sizes {found.branching}, which are not those asked for")
        return found

    def _impossible(self):
        """Whether sampling without replacement is; says so."""
        try:
            self.hierarchy.size
        except RHMError as refusal:
            warnings.warn(f"sampling with replacement: {refusal}", RuntimeWarning, stacklevel=4)
            return True
        return False

    def _of_2024(self, train_size, test_size):
        """(first, count); first None: all in order."""
        if train_size < -1 or test_size < 0:
            raise InvalidError(f"train_size {train_size} and test_size {test_size}: allowed are 0 and more, and -1 for all")
        if self._replacement:
            if train_size == -1:
                warnings.warn(f"there is no whole data set with replacement: train_size is {_WITHOUT_SIZE}", RuntimeWarning, stacklevel=4)
                train_size = _WITHOUT_SIZE
            return 0, train_size + test_size
        if train_size == -1:
            return None, self.max_data
        if train_size > self.max_data:
            raise InvalidError(f"train_size is {train_size}: there are {self.max_data} different sequences")
        return 0, train_size + min(test_size, self.max_data - train_size)

    def _of_2023(self, size, train, test):
        size = _WITHOUT_SIZE if size is None and self._replacement else self.max_data if size is None else size
        size = size if self._replacement else min(size, self.max_data)
        test = min(size // 5, _MOST_TEST) if test in (None, -1) else test
        if not 0 <= test <= size or (not test and not train):
            raise InvalidError(f"testsize is {test} of {size} sequences, which leaves no {'training' if train else 'test'} set")
        return (0, size - test) if train else (size - test, test)

    def _sample(self, first, count, latents):
        replacement = self._replacement or (False if first is not None else "numbered")
        stream = {"stream": "export"} if self._replacement else {}
        found = self.hierarchy.sample(count, first or 0, latents, seed=self._seed, replacement=replacement, engine=engine_here(self._engine), **stream)
        tokens, labels, hidden = found if latents else (*found, None)
        if self._reset == self.num_layers:
            return tokens, labels, hidden
        return self._again(labels, hidden)

    def _again(self, labels, hidden):
        """With the rules of the layers from _reset on chosen anew, symbol by symbol."""
        top = labels[:, None] if self._reset == 0 else hidden[self._reset]
        below = Hierarchy.from_rules(self.hierarchy.rules[self._reset:], self.hierarchy.probability[self._reset:], ambiguous=True)
        tokens, grown = below.sample_below(top.ravel(), latents=True, seed=(self._seed + 42) % _SEEDS, engine=engine_here(self._engine))
        n = len(labels)
        hidden = {**{l: h for l, h in hidden.items() if l <= self._reset}, **{self._reset + l: h.reshape(n, -1) for l, h in grown.items()}}
        return tokens.reshape(n, -1), labels, hidden

    # ---- what the public codes read -------------------------------------------------------------------------------------

    @property
    def rules(self):
        return tensors_of(self.hierarchy)

    def get_rules(self):
        return self.rules

    @property
    def prior(self):
        """Probabilities of the classes, (n) float64."""
        return torch.from_numpy(self.hierarchy.label_probability)

    @property
    def probs(self):
        """{l: (v, m) float64}: probabilities of the rules."""
        return {l: torch.from_numpy(table) for l, table in enumerate(self.hierarchy.probability)}

    @property
    def trees(self):
        """{0: (N) labels, l: (N, s^l)} int64: the derivations of the sequences."""
        if self._latents is None:
            _, _, self._latents = self._sample(self._first, len(self._labels), latents=True)
        return _trees(self._labels, self._latents, self._tokens, self.num_layers)

    @property
    def features(self):
        if self._features is None:
            self._features = self.encoding(engine_here(self._engine), self._numbers)
        return self._features

    @features.setter
    def features(self, values):
        self._features, self._replaced = values, True

    @property
    def labels(self):
        if self._targets is None:
            self._targets = integers(engine_here(self._engine), self._labels)
        return self._targets

    @labels.setter
    def labels(self, values):
        self._targets, self._replaced = values, True

    x = features
    targets = labels

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, idx):
        x, y = self.features[idx], self.labels[idx]
        return self.transform(x, y) if self.transform else (x, y)

    # ---- fast ones ------------------------------------------------------------------------------------------------------

    def batches(self, batch_size, *, rows=None, shuffle=True, drop_last=False, seed=0):
        """Whole batches (x, y) of these sequences, or of some rows of them: an iterable for a loop, or for
        DataLoader(..., batch_size=None). Encoded when needed, so that memory holds two bytes a token. See EpochBatches."""
        if self.transform or self._replaced:
            raise InvalidError("batches are made from the tokens: a transform, or features and labels that were replaced, would have no effect")
        return EpochBatches(self.encoding, self._numbers, self._labels, batch_size, rows=rows, shuffle=shuffle, drop_last=drop_last, seed=seed,
                            engine=self._engine)
