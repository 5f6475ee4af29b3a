"""Labelled sequences in memory, and their HDF5 files."""
import copy
import warnings
from ctypes import byref, c_bool, c_void_p

import numpy as np

from . import _arrays as arrays
from . import _structures as c
from ._library import InvalidError, call, library, path_bytes
from .engine import engine_or_default
from .hierarchy import Hierarchy, seed_number

_ROWS = 1 << 16  # that are written at a time


class Data:
    """Sequences (n, d) of integers with labels (n), and what is known of them.

    branching: s, or a list s_1, ..., s_L; may be left out where a hierarchy is given. latents: {level: (n, nodes of the level)} or None.
    token_vocab, label_vocab: how many symbols there are; None: the largest plus 1, or the hierarchy's. hierarchy: what the sequences come
    from, for diagnosis. Arrays of uint16 are not copied, and must not change while the object is in use."""

    def __init__(self, tokens, labels=None, branching=None, *, latents=None, token_vocab=None, label_vocab=None, hierarchy=None):
        self.tokens = arrays.symbols(tokens, "tokens", 2)
        self.labels = None if labels is None else arrays.symbols(labels, "labels", 1)
        if self.labels is not None and len(self.labels) != len(self.tokens):
            raise InvalidError(f"there are {len(self.labels)} labels for {len(self.tokens)} sequences")
        if branching is None and hierarchy is None:
            raise InvalidError("branching says how sequences are cut into patches: give it, or the hierarchy")
        self.branching = arrays.branching_of(hierarchy.branching if branching is None else branching, self.tokens.shape[1])
        if hierarchy is not None and hierarchy.branching != self.branching:
            raise InvalidError(f"branching {self.branching} is not the hierarchy's {hierarchy.branching}")
        known = hierarchy.vocab if hierarchy is not None else None
        largest = lambda array: int(array.max()) + 1 if array is not None and array.size else 1
        vocab = lambda given, name, otherwise: otherwise if given is None else arrays.whole(given, name, 1, arrays.MOST_SYMBOLS)
        self.token_vocab = vocab(token_vocab, "token_vocab", known[-1] if known else largest(self.tokens))
        self.label_vocab = vocab(label_vocab, "label_vocab", known[0] if known else largest(self.labels))
        self.hierarchy = hierarchy
        self.path = None
        self.is_shuffled = False
        self.latents = self._checked(latents or {})
        self.latent_vocab = {l: known[l] if known else largest(a) for l, a in self.latents.items()}

    def _checked(self, latents):
        nodes = np.cumprod([1, *self.branching])
        found = {}
        for level, array in latents.items():
            if not 1 <= level < len(self.branching):
                raise InvalidError(f"there are hidden symbols of level {level}: levels 1 to {len(self.branching) - 1} have some")
            found[level] = arrays.symbols(array, f"hidden symbols of level {level}", 2)
            if found[level].shape != (len(self.tokens), nodes[level]):
                raise InvalidError(f"hidden symbols of level {level} have the shape {found[level].shape}: {(len(self.tokens), int(nodes[level]))} is wanted")
        return found

    @property
    def levels(self):
        return len(self.branching)

    def __len__(self):
        return len(self.tokens)

    def __repr__(self):
        return f"Data({len(self)} sequences of {self.tokens.shape[1]} tokens, branching {self.branching})"

    def _structure(self):
        """As the library reads it; the arrays stay ours."""
        pointer = lambda array: None if array is None else array.ctypes.data_as(c.U16)
        data = c.Data(count=len(self.tokens), tree=arrays.tree_of(self.branching), token_vocab=self.token_vocab, label_vocab=self.label_vocab,
                      tokens=pointer(self.tokens), labels=pointer(self.labels), shuffled=self.is_shuffled)
        data.grammar = self.hierarchy._handle if self.hierarchy is not None else None
        for level, array in self.latents.items():
            data.latents[level], data.latent_vocab[level] = pointer(array), self.latent_vocab[level]
        return data

    def is_mixed(self):
        """Whether the sequences may be in random order: labels and first tokens are distributed alike in all parts, as far as chance goes."""
        mixed = c_bool()
        call("rhm_data_is_mixed", byref(mixed), byref(self._structure()))
        return mixed.value

    def shuffled(self, seed=0):
        """A copy in an order that the seed decides, that of `rhm train --data-seed`."""
        other = copy.copy(self)
        other.tokens, other.labels = self.tokens.copy(), None if self.labels is None else self.labels.copy()
        other.latents = {level: array.copy() for level, array in self.latents.items()}
        library.rhm_data_shuffle(byref(other._structure()), seed_number(seed))
        other.is_shuffled = True
        return other

    @classmethod
    def load(cls, path, *, latents=False, branching=None, levels=None, token_vocab=None, label_vocab=None, labels=True):
        """From an HDF5 file, of this library or written by another program (docs/data.md). What the file leaves open may be given. labels:
        False accepts a file without. What should be known of it comes as a warning."""
        hint = lambda given, name, most: 0 if given is None else arrays.whole(given, name, 1, most)
        notes, hints = [], c.DataHints(token_vocab=hint(token_vocab, "token_vocab", arrays.MOST_SYMBOLS),
                                       label_vocab=hint(label_vocab, "label_vocab", arrays.MOST_SYMBOLS),
                                       levels=hint(levels, "levels", c.MAX_LEVELS), latents=bool(latents), allow_missing_labels=not labels)
        hints.note = c.NOTE(lambda _, sentence: notes.append(sentence.decode()))
        if branching is not None:
            for i, s in enumerate(arrays.branching_sizes(branching), 0 if np.ndim(branching) == 0 else 1):
                hints.branching[i] = s
        found = c.Data()
        call("rhm_data_load", byref(found), path_bytes(path), byref(hints))
        try:
            data = cls._of(found)
        finally:
            library.rhm_data_clear(byref(found))
        data.path = path
        for note in notes:
            warnings.warn(note, stacklevel=2)
        return data

    @classmethod
    def _of(cls, found):
        tree, n = found.tree, found.count
        hierarchy = None
        if found.grammar:
            hierarchy = Hierarchy._of(c_void_p(found.grammar))
            found.grammar = None
        hidden = {l: arrays.copy_of(found.latents[l], (n, tree.nodes[l])) for l in range(1, tree.levels) if found.latents[l]}
        data = cls(arrays.copy_of(found.tokens, (n, tree.leaves[0])), arrays.copy_of(found.labels, (n,)) if found.labels else None,
                   list(tree.branching[1:tree.levels + 1]), latents=hidden, token_vocab=found.token_vocab, label_vocab=found.label_vocab,
                   hierarchy=hierarchy)
        data.latent_vocab = {l: found.latent_vocab[l] for l in hidden}
        return data


def write_samples(hierarchy, path, n, latents=False, *, seed=None, engine=None):
    """Write sequences 0..n-1 of a hierarchy into an HDF5 data set, bit for bit what `rhm sample` writes. The file appears whole or not at
    all."""
    writer = c_void_p()
    seed = seed_number(hierarchy.seed if seed is None else seed)
    n = arrays.whole(n, "n", 1, hierarchy._most_sequences)
    call("rhm_data_writer_open", byref(writer), path_bytes(path), hierarchy._handle, seed, n, bool(latents))
    try:
        for first in range(0, n, _ROWS):
            found = hierarchy.sample(min(_ROWS, n - first), first, latents, seed=seed, engine=engine)
            call("rhm_data_writer_append", writer, len(found[0]), arrays.address(found[0]), arrays.address(found[1]),
                 arrays.latent_pointers(found[2]) if latents else None)
        call("rhm_data_writer_commit", byref(writer))
    finally:
        library.rhm_data_writer_abandon(byref(writer))
