"""Trained models."""
import ctypes
import json
import os
import tempfile
import weakref
from ctypes import byref, c_uint64, c_void_p

import numpy as np

from . import _arrays as arrays
from . import _structures as c
from ._library import InvalidError, RHMError, call, library, path_bytes, take_text
from .engine import engine_or_default
from .hierarchy import MOST_FRESH, Hierarchy, seed_number, stream_number


_SHORT = 1 << 18  # tokens that are read in no time


def _read(tokens, engine, progress, task):
    engine = engine_or_default(engine)
    if progress is None and tokens.size <= _SHORT:
        engine.run_short(task)
    else:
        engine.run(task, progress)


class Model:
    """A trained model of any kind. It reads integer sequences (n, d) and says how probable every label is. Immutable; may be shared by
    threads, and pickled.

    Made by rhm.train, Learner.fit or Model.load."""

    def __init__(self, handle):
        self._handle = handle
        self._release = weakref.finalize(self, library.rhm_model_destroy, handle)

    @classmethod
    def load(cls, path):
        """From an HDF5 file of this library or of the command."""
        handle = c_void_p()
        call("rhm_model_load", byref(handle), path_bytes(path))
        return cls(handle)

    def save(self, path):
        """Into an HDF5 file, with its report and, where it is known, the grammar. A file that is there is replaced as a whole."""
        call("rhm_model_save", self._handle, path_bytes(path))

    def __reduce__(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.h5")
            self.save(path)
            with open(path, "rb") as file:
                return _unpickle, (file.read(),)

    def __repr__(self):
        return f"Model({self.kind}, {self.tokens} tokens, {self.levels} levels, {self.n_classes} classes)"

    # ---- what it is -----------------------------------------------------------------------------------------------------

    @property
    def kind(self):
        """"random-features", "table", "shallow", ...: its name in files."""
        return library.rhm_model_kind(self._handle).decode()

    @property
    def _tree(self):
        return library.rhm_model_tree(self._handle).contents

    @property
    def levels(self):
        return self._tree.levels

    @property
    def branching(self):
        tree = self._tree
        return list(tree.branching[1:tree.levels + 1])

    @property
    def tokens(self):
        """d, the tokens of the sequences that it reads."""
        return self._tree.leaves[0]

    @property
    def token_vocab(self):
        return library.rhm_model_token_vocab(self._handle)

    @property
    def n_classes(self):
        return library.rhm_model_classes(self._handle)

    @property
    def classes_(self):
        """[0, ..., n_classes - 1]."""
        return np.arange(self.n_classes)

    @property
    def nbytes(self):
        """Memory that the parameters take."""
        return library.rhm_model_nbytes(self._handle)

    @property
    def hash(self):
        """SHA-256 over all that predictions depend on: the same for any threads, instruction set and machine."""
        text = ctypes.create_string_buffer(c.HASH_TEXT_NBYTES)
        library.rhm_model_hash(self._handle, text)
        return text.value.decode()

    @property
    def report(self):
        """The report of the training as a dict (docs/report.md), or None."""
        text = library.rhm_model_report(self._handle)
        return json.loads(text) if text else None

    @property
    def notes(self):
        """Sentences on the file that it was loaded from."""
        return (library.rhm_model_notes(self._handle) or b"").decode().splitlines()

    def describe(self):
        """The levels, L first, as dicts whose keys depend on the kind."""
        text = c_void_p()
        call("rhm_model_describe", self._handle, byref(text))
        return json.loads(take_text(text))

    # ---- what it says ---------------------------------------------------------------------------------------------------

    def _predict(self, X, posteriors, engine, progress):
        tokens = arrays.symbols(X, "tokens", 2)
        if tokens.shape[1] != self.tokens:
            raise InvalidError(f"sequences have {tokens.shape[1]} tokens: the model reads {self.tokens}")
        labels = np.empty(len(tokens), np.uint16)
        found = np.empty((len(tokens), self.n_classes), np.float32) if posteriors else None
        _read(tokens, engine, progress, lambda handle: call("rhm_predict", handle, self._handle, arrays.address(tokens), len(tokens),
                                                            arrays.address(labels), arrays.address(found), None))
        return labels, found

    def predict(self, X, *, engine=None, progress=None):
        """The most probable label of each of the sequences X (n, d), integers: (n) uint16."""
        return self._predict(X, False, engine, progress)[0]

    def predict_proba(self, X, *, engine=None, progress=None):
        """(n, n_classes) float32, rows that sum to 1; entries of random features may be negative."""
        return self._predict(X, True, engine, progress)[1]

    def score(self, X, y=None, *, n=10000, seed=None, stream=1, engine=None, progress=None):
        """Accuracy on sequences X (n, d) with labels y (n) or, where X is a Hierarchy, on n fresh samples of it. (Those are what `rhm eval` draws.)"""
        if not isinstance(X, Hierarchy):
            return arrays.accuracy(self.predict(X, engine=engine, progress=progress), y)
        n = arrays.whole(n, "n", 1, MOST_FRESH)
        found = c.Accuracy()
        seed = seed_number(X.seed if seed is None else seed)
        engine_or_default(engine).run(lambda handle: call("rhm_evaluate", byref(found), handle, self._handle, X._handle, seed,
                                                          stream_number(stream), 0, n), progress)
        return found.correct / found.samples

    def embeddings(self, level, X, *, engine=None, progress=None):
        """Outputs of a level for every patch of X (n, d): (n, nodes of level - 1, numbers of an embedding) float32. Level 1 is the
        prediction; level L reads tokens. Ids of tables are one-hot rows."""
        tokens = arrays.symbols(X, "tokens", 2)
        if tokens.shape[1] != self.tokens:
            raise InvalidError(f"sequences have {tokens.shape[1]} tokens: the model reads {self.tokens}")
        level = arrays.whole(level, "level", 1, self.levels)
        width = library.rhm_model_embedding(self._handle, level)
        if width == 0:
            raise RHMError(f"models of the kind {self.kind} do not show the outputs of level {level}", "unsupported")
        out = np.empty((len(tokens), self._tree.nodes[level - 1], width), np.float32)
        _read(tokens, engine, progress, lambda handle: call("rhm_model_embed", handle, self._handle, level, arrays.address(tokens), len(tokens),
                                                            arrays.address(out)))
        return out


def _unpickle(content):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.h5")
        with open(path, "wb") as file:
            file.write(content)
        return Model.load(path)
